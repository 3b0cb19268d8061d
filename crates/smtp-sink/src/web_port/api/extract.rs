//! `/api/movie-bag/message/{id}/extract`: links, tokens and codes of a message.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use super::mailpit_json::Message;
use crate::extract;
use crate::view::{self, Content};
use crate::web_port::bounded_response::{json, respond_with_json};
use crate::web_port::request::FoundMessage;
use crate::web_port::state::WebState;

/// Links, tokens and codes of a message; in the response to a wait, also the message itself.
#[derive(Serialize)]
pub(super) struct Extraction<'m> {
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message<'m>>,
    links: Vec<String>,
    tokens: Vec<String>,
    codes: Vec<String>,
}

impl<'m> Extraction<'m> {
    pub(super) fn new(message: Option<Message<'m>>, content: &Content) -> Extraction<'m> {
        let found = extract::from_content(content);
        Extraction {
            message,
            links: found.links,
            tokens: found.tokens,
            codes: found.codes,
        }
    }
}

/// `GET /api/movie-bag/message/{id}/extract`.
pub(crate) async fn show(
    State(state): State<WebState>,
    FoundMessage(message): FoundMessage,
) -> Response {
    let reservation = state.response_memory.reserve_for(&message).await;
    respond_with_json(reservation, move || {
        Ok(json(&Extraction::new(None, &view::content(&message))))
    })
    .await
}
