//! The part of MailHog's API that clients call: `/api/v2/messages`, `/api/v2/search`, deleting one, and its monkey Jim.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::messages::Page;
use super::shapes::rfc3339;
use super::{ApiState, bad_request, blocking, blocking_json, not_found, parameter};
use crate::sink::inbox::{ReceivedMessage, Which};
use crate::sink::search::Query;
use crate::sink::view::{self, RawPart};
use crate::smtp::fault::{Chaos, Trigger};

/// `GET /api/v2/messages`.
pub async fn list(State(state): State<ApiState>, uri: Uri) -> Response {
    let page = Page::of(&uri);
    blocking_json(move || {
        let messages = state.inbox.list(page.start, page.limit, None);
        answer(
            state.inbox.totals().messages,
            page.start,
            messages.iter().map(|one| &**one),
        )
    })
    .await
}

/// `GET /api/v2/search`, by `kind`: `from`, `to` or `containing`.
pub async fn search(State(state): State<ApiState>, uri: Uri) -> Response {
    let text = parameter(&uri, "query").unwrap_or_default();
    let query = match parameter(&uri, "kind").as_deref() {
        Some("from") => Query::sender(&text),
        Some("to") => Query::recipient(&text),
        Some("containing") => Query::text(&text),
        _ => return bad_request("Error: kind is from, to or containing"),
    };
    let page = Page::of(&uri);
    blocking_json(move || {
        let found = state.inbox.search(&query, None);
        answer(found.len(), page.start, page.cut(&found).map(|one| &**one))
    })
    .await
}

/// `DELETE /api/v1/messages/{id}`.
pub async fn delete(State(state): State<ApiState>, Path(id): Path<String>) -> Response {
    let deleted = blocking(move || state.inbox.delete(Which::Ids(vec![id])));
    match deleted.await {
        Ok(0) => not_found(),
        Ok(_) => StatusCode::OK.into_response(),
        Err(failure) => failure,
    }
}

fn answer<'m>(
    total: usize,
    start: usize,
    messages: impl Iterator<Item = &'m ReceivedMessage>,
) -> Value {
    let items: Vec<Value> = messages.map(item).collect();
    json!({ "total": total, "count": items.len(), "start": start, "items": items })
}

fn item(message: &ReceivedMessage) -> Value {
    let envelope = &message.envelope;
    let to: Vec<_> = envelope
        .recipients
        .iter()
        .map(|to| path(&to.address))
        .collect();
    let addresses: Vec<_> = envelope.recipients.iter().map(|to| &to.address).collect();
    let parts = view::raw_parts(message);
    let data = String::from_utf8_lossy(&message.source);
    let body = data.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    json!({
        "ID": message.id.0,
        "From": path(&envelope.sender),
        "To": to,
        "Content": {
            "Headers": view::headers(message),
            "Body": body,
            "Size": message.source.len(),
            "MIME": null,
        },
        "Created": rfc3339(message.received_at),
        "MIME": mime(&parts),
        "Raw": {
            "From": envelope.sender,
            "To": addresses,
            "Data": data,
            "Helo": message.session.helo,
        },
    })
}

/// Parts nested as in the message; `null` where there are none. MailHog also lists the text around the boundaries as parts.
fn mime(parts: &[RawPart]) -> Value {
    let part = |part: &RawPart| {
        json!({
            "Headers": part.headers,
            "Body": part.body,
            "Size": part.size,
            "MIME": mime(&part.parts),
        })
    };
    match parts {
        [] => Value::Null,
        parts => json!({ "Parts": parts.iter().map(part).collect::<Vec<_>>() }),
    }
}

fn path(address: &str) -> Value {
    let (mailbox, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    json!({ "Relays": null, "Mailbox": mailbox, "Domain": domain, "Params": "" })
}

/// Jim refuses by chance. His chances to let a connection in, to cut it or to slow it down have no effect here: `--fail` does
/// that, and without chance.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Jim {
    disconnect_chance: f64,
    accept_chance: f64,
    link_speed_affect: f64,
    link_speed_min: f64,
    link_speed_max: f64,
    reject_sender_chance: f64,
    reject_recipient_chance: f64,
    reject_auth_chance: f64,
}

impl Default for Jim {
    fn default() -> Jim {
        Jim {
            disconnect_chance: 0.0,
            accept_chance: 1.0,
            link_speed_affect: 0.0,
            link_speed_min: 1024.0,
            link_speed_max: 10240.0,
            reject_sender_chance: 0.05,
            reject_recipient_chance: 0.05,
            reject_auth_chance: 0.05,
        }
    }
}

/// `GET`: what Jim does; 404 where he is not there.
pub async fn jim(State(state): State<ApiState>) -> Response {
    let chaos = state.faults.chaos();
    if chaos == Chaos::default() {
        return not_found();
    }
    let chance = |trigger: Trigger| f64::from(trigger.percent) / 100.0;
    Json(Jim {
        reject_sender_chance: chance(chaos.sender),
        reject_recipient_chance: chance(chaos.recipient),
        reject_auth_chance: chance(chaos.authentication),
        ..Jim::default()
    })
    .into_response()
}

/// `POST`: 201, or 400 where he is there already.
pub async fn invite_jim(State(state): State<ApiState>, body: Bytes) -> Response {
    if state.faults.chaos() != Chaos::default() {
        return bad_request("Error: Jim is there already");
    }
    obey(&state, &body, StatusCode::CREATED)
}

/// `PUT`: 200, or 404 where he is not there.
pub async fn change_jim(State(state): State<ApiState>, body: Bytes) -> Response {
    if state.faults.chaos() == Chaos::default() {
        return not_found();
    }
    obey(&state, &body, StatusCode::OK)
}

/// `DELETE`: 200, or 404 where he is not there.
pub async fn dismiss_jim(State(state): State<ApiState>) -> Response {
    if state.faults.chaos() == Chaos::default() {
        return not_found();
    }
    state.faults.set_chaos(Chaos::default());
    StatusCode::OK.into_response()
}

fn obey(state: &ApiState, body: &[u8], status: StatusCode) -> Response {
    let jim = match body {
        b"" => Ok(Jim::default()),
        body => serde_json::from_slice::<Jim>(body),
    };
    let jim = match jim {
        Ok(jim) => jim,
        Err(error) => return bad_request(format!("Error: {error}")),
    };
    let trigger = |chance: f64| Trigger {
        code: 550,
        percent: (chance.clamp(0.0, 1.0) * 100.0).round() as u8,
    };
    state.faults.set_chaos(Chaos {
        sender: trigger(jim.reject_sender_chance),
        recipient: trigger(jim.reject_recipient_chance),
        authentication: trigger(jim.reject_auth_chance),
    });
    status.into_response()
}
