//! `/api/movie-bag/`: extensions to the APIs of Mailpit and MailHog. They wait for a message, extract links, tokens and codes,
//! and return the envelope.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

use super::bounded_response::{json, respond_with_json};
use super::mailpit_json::Message;
use super::{ApiState, bad_request, blocking, find, parameter, plain, search_in, searching};
use crate::duration;
use crate::extract;
use crate::inbox::{Event, ReceivedMessage};
use crate::search::Query;
use crate::view::{self, Content};

/// Default of the parameter `timeout`.
const DEFAULT_WAIT: Duration = Duration::from_secs(30);

/// Maximum of the parameter `timeout`.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// Links, tokens and codes of a message; in the response to a wait, also the message itself.
#[derive(Serialize)]
struct Found<'m> {
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message<'m>>,
    links: Vec<String>,
    tokens: Vec<String>,
    codes: Vec<String>,
}

impl<'m> Found<'m> {
    fn new(message: Option<Message<'m>>, content: &Content) -> Found<'m> {
        let found = extract::of(content);
        Found {
            message,
            links: found.links,
            tokens: found.tokens,
            codes: found.codes,
        }
    }
}

/// Returns the newest message that matches `query`, as soon as there is one, and marks it as read. The message must also be for
/// exactly the address `to`, contain `subject` in its subject, and be newer than the message `after`, for each parameter that is
/// given. Returns 408 after `timeout`.
pub async fn wait(State(state): State<ApiState>, uri: Uri) -> Response {
    let timeout = match parameter(&uri, "timeout").map(|text| parse_wait(&text)) {
        None => DEFAULT_WAIT,
        Some(Ok(timeout)) => timeout,
        Some(Err(reason)) => return bad_request(format!("Error: timeout: {reason}")),
    };
    let query = match search_in(&uri) {
        Ok(query) => query.unwrap_or_default().and_for(
            parameter(&uri, "to").as_deref(),
            parameter(&uri, "subject").as_deref(),
        ),
        Err(error) => return error.into_response(),
    };
    let after = parameter(&uri, "after");
    let found = tokio::select! {
        found = timeout_at(Instant::now() + timeout, newest(&state, query, after)) => found,
        () = state.stopping() => {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "The sink is stopping");
        }
    };
    let message = match found {
        Ok(Ok(message)) => message,
        Ok(Err(failure)) => return failure,
        Err(_) => {
            return plain(
                StatusCode::REQUEST_TIMEOUT,
                "No matching message arrived in time",
            );
        }
    };
    let reservation = state.response_memory.reserve_for(&message).await;
    respond_with_json(reservation, move || {
        state.inbox.mark_read(&message);
        let (digest, content) = (message.digest(), view::content(&message));
        let message = Message::of(&message, &digest, &content);
        Ok(json(&Found::new(Some(message), &content)))
    })
    .await
}

/// Parses `30s` or a number of seconds. The maximum prevents connections that wait forever.
fn parse_wait(text: &str) -> Result<Duration, String> {
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => duration::parse(text)?,
    };
    if wait <= MAX_WAIT {
        Ok(wait)
    } else {
        Err("at most 1h is allowed".to_owned())
    }
}

async fn newest(
    state: &ApiState,
    query: Query,
    after: Option<String>,
) -> Result<Arc<ReceivedMessage>, Response> {
    let query = Arc::new(query);
    // Subscribed before the first search, so that no message arrives unnoticed between search and subscription.
    let mut events = state.inbox.subscribe();
    loop {
        let (inbox, wanted, after) = (Arc::clone(&state.inbox), Arc::clone(&query), after.clone());
        let existing = searching(state, move || {
            inbox.find_newest_after(&wanted, after.as_deref())
        });
        if let Some(message) = existing.await? {
            return Ok(message);
        }
        loop {
            match events.recv().await {
                Ok(Event::New(arrival)) => {
                    let (inbox, query) = (Arc::clone(&state.inbox), Arc::clone(&query));
                    let matching = blocking(move || {
                        let message = inbox.get(&arrival.id.0)?;
                        inbox.fits(&message, &query).then_some(message)
                    });
                    if let Some(message) = matching.await? {
                        return Ok(message);
                    }
                }
                Ok(Event::Deleted(_) | Event::Emptied) => {}
                // Older messages may match now after a change of their tags or state, or events were missed.
                Ok(_) | Err(RecvError::Lagged(_)) => break,
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

/// Returns the links, tokens and codes of a message.
pub async fn extract(State(state): State<ApiState>, Path(id): Path<String>, uri: Uri) -> Response {
    let message = match find(&state, &id, &uri).await {
        Ok(message) => message,
        Err(refusal) => return refusal,
    };
    let reservation = state.response_memory.reserve_for(&message).await;
    respond_with_json(reservation, move || {
        Ok(json(&Found::new(None, &view::content(&message))))
    })
    .await
}

/// Returns the envelope of a message and data of its SMTP session.
pub async fn envelope(State(state): State<ApiState>, Path(id): Path<String>, uri: Uri) -> Response {
    let message = match find(&state, &id, &uri).await {
        Ok(message) => message,
        Err(refusal) => return refusal,
    };
    let reservation = state.response_memory.reserve_for(&message).await;
    respond_with_json(reservation, move || Ok(json(&envelope_of(&message)))).await
}

fn envelope_of(message: &ReceivedMessage) -> Value {
    let (envelope, session) = (&message.envelope, &message.session);
    let recipients: Vec<_> = envelope.recipients.iter().map(|to| &to.address).collect();
    let of_recipients = envelope.recipients.iter().flat_map(|to| &to.params);
    let parameters: Vec<_> = envelope.params.iter().chain(of_recipients).collect();
    json!({
        "from": envelope.sender,
        "to": recipients,
        "helo": session.helo,
        "peer": session.peer.map(|peer| peer.to_string()),
        "tls": session.tls,
        "auth": session.login.as_ref().map(|login| json!({
            "mechanism": login.mechanism.name(),
            "user": login.user,
        })),
        "esmtp": parameters,
        "transcript": session.transcript.lines().collect::<Vec<_>>(),
        "warnings": message.warnings(),
    })
}
