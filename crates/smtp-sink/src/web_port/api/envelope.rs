//! `/api/movie-bag/message/{id}/envelope`: envelope of a message and properties of its SMTP session.

use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use serde_json::{Value, json};

use crate::received::ReceivedMessage;
use crate::web_port::bounded_response::{json, respond_with_json};
use crate::web_port::request::find_message;
use crate::web_port::state::WebState;

/// `GET /api/movie-bag/message/{id}/envelope`.
pub(crate) async fn show(
    State(state): State<WebState>,
    Path(id): Path<String>,
    uri: Uri,
) -> Response {
    let message = match find_message(&state, &id, &uri).await {
        Ok(message) => message,
        Err(refusal) => return refusal,
    };
    let reservation = state.response_memory.reserve_for(&message).await;
    respond_with_json(reservation, move || Ok(json(&envelope_json(&message)))).await
}

fn envelope_json(message: &ReceivedMessage) -> Value {
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
