//! `/api/movie-bag/message/{id}/envelope`: envelope of a message and properties of its SMTP session.

use std::net::SocketAddr;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use crate::received::ReceivedMessage;
use crate::web_port::bounded_response::{json, respond_with_json};
use crate::web_port::request::FoundMessage;
use crate::web_port::state::WebState;

/// `GET /api/movie-bag/message/{id}/envelope`.
pub(crate) async fn show(
    State(state): State<WebState>,
    FoundMessage(message): FoundMessage,
) -> Response {
    let reservation = state.response_memory.reserve_for(&message).await;
    respond_with_json(reservation, move || Ok(json(&EnvelopeJson::new(&message)))).await
}

#[derive(Serialize)]
struct EnvelopeJson<'m> {
    from: &'m str,
    to: Vec<&'m str>,
    helo: &'m str,
    peer: Option<SocketAddr>,
    tls: Option<&'m str>,
    auth: Option<LoginJson<'m>>,
    /// Parameters of MAIL and RCPT.
    esmtp: Vec<&'m str>,
    transcript: Vec<&'m str>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct LoginJson<'m> {
    mechanism: &'static str,
    user: &'m str,
}

impl<'m> EnvelopeJson<'m> {
    fn new(message: &'m ReceivedMessage) -> Self {
        let (envelope, session) = (&message.envelope, &message.session);
        let recipients = envelope.recipients.iter();
        let of_recipients = recipients.clone().flat_map(|to| &to.params);
        let parameters = envelope.params.iter().chain(of_recipients);
        Self {
            from: &envelope.sender,
            to: recipients.map(|to| to.address.as_str()).collect(),
            helo: &session.helo,
            peer: session.peer,
            tls: session.tls.as_deref(),
            auth: session.login.as_ref().map(|login| LoginJson {
                mechanism: login.mechanism.name(),
                user: &login.user,
            }),
            esmtp: parameters.map(String::as_str).collect(),
            transcript: session.transcript.lines().collect(),
            warnings: message.warnings(),
        }
    }
}
