//! `/api/movie-bag/wait`: waits for a message.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

use super::extract::Extraction;
use super::mailpit_json::Message;
use crate::duration;
use crate::inbox::Event;
use crate::received::ReceivedMessage;
use crate::search::Query;
use crate::view;
use crate::web_port::background::run_blocking;
use crate::web_port::bounded_response::{json, respond_with_json};
use crate::web_port::request::{self, parameter};
use crate::web_port::responses::{bad_request, plain};
use crate::web_port::state::WebState;

/// Default of the parameter `timeout`.
const DEFAULT_WAIT: Duration = Duration::from_secs(30);

/// Maximum of the parameter `timeout`.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// `GET /api/movie-bag/wait`: returns the newest message that matches `query`, as soon as there is one, and marks it as read. The
/// message must also be for exactly the address `to`, contain `subject` in its subject, and be newer than the message `after`,
/// for each parameter that is given. Returns 408 after `timeout`.
pub(crate) async fn wait(State(state): State<WebState>, uri: Uri) -> Response {
    let timeout = match parameter(&uri, "timeout").map(|text| parse_wait(&text)) {
        None => DEFAULT_WAIT,
        Some(Ok(timeout)) => timeout,
        Some(Err(reason)) => return bad_request(format!("Error: timeout: {reason}")),
    };
    let query = match request::search(&uri) {
        Ok(query) => query.unwrap_or_default().and_for(
            parameter(&uri, "to").as_deref(),
            parameter(&uri, "subject").as_deref(),
        ),
        Err(error) => return error.into_response(),
    };
    let after = parameter(&uri, "after");
    let found = tokio::select! {
        found = timeout_at(Instant::now() + timeout, wait_for_match(&state, query, after)) => found,
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
        let message = Message::new(&message, &digest, &content);
        Ok(json(&Extraction::new(Some(message), &content)))
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

async fn wait_for_match(
    state: &WebState,
    query: Query,
    after: Option<String>,
) -> Result<Arc<ReceivedMessage>, Response> {
    let query = Arc::new(query);
    // Subscribed before the first search, so that no message arrives unnoticed between search and subscription.
    let mut events = state.inbox.subscribe();
    loop {
        let (inbox, wanted, after) = (Arc::clone(&state.inbox), Arc::clone(&query), after.clone());
        let existing = state
            .searches
            .run(move || inbox.find_newest_after(&wanted, after.as_deref()));
        if let Some(message) = existing.await? {
            return Ok(message);
        }
        loop {
            match events.recv().await {
                Ok(Event::New(arrival)) => {
                    let (inbox, query) = (Arc::clone(&state.inbox), Arc::clone(&query));
                    let matching = run_blocking(move || {
                        let message = inbox.get(&arrival.id.0)?;
                        inbox.matches(&message, &query).then_some(message)
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
