//! Query parameters of a request, and the search or message that they name.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use jiff::tz::TimeZone;
use thiserror::Error;

use super::responses::{bad_request, not_found, plain};
use super::state::WebState;
use crate::received::ReceivedMessage;
use crate::search::{Query, QueryError};

/// Returns the first value of a query parameter.
pub(super) fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs
        .into_iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// Returns whether a query parameter is `1`.
pub(super) fn is_set(uri: &Uri, name: &str) -> bool {
    parameter(uri, name).is_some_and(|value| value == "1")
}

/// Error in the search of a request, returned with status 400.
#[derive(Debug, Error)]
pub(super) enum SearchError {
    #[error("no search query")]
    Missing,
    #[error(transparent)]
    Unreadable(#[from] QueryError),
}

impl IntoResponse for SearchError {
    fn into_response(self) -> Response {
        bad_request(format!("Error: {self}"))
    }
}

/// Returns the search of a request, or `None` if it is empty.
pub(super) fn search(uri: &Uri) -> Result<Option<Query>, SearchError> {
    match parameter(uri, "query") {
        Some(text) if !text.trim().is_empty() => parse_search(&text, uri).map(Some),
        _ => Ok(None),
    }
}

/// Parses the text of a search, with times in the zone that the request names.
pub(super) fn parse_search(text: &str, uri: &Uri) -> Result<Query, SearchError> {
    Ok(Query::parse(text, &time_zone(uri))?)
}

/// Returns the time zone for times without a zone.
pub(super) fn time_zone(uri: &Uri) -> TimeZone {
    parameter(uri, "tz")
        .and_then(|name| TimeZone::get(&name).ok())
        .unwrap_or_else(TimeZone::system)
}

/// Extractor for the message that the path names, as [`find_message`] finds it.
pub(super) struct FoundMessage(pub(super) Arc<ReceivedMessage>);

impl FromRequestParts<WebState> for FoundMessage {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, Response> {
        let id = Path::<String>::from_request_parts(parts, state).await;
        let Path(id) = id.map_err(IntoResponse::into_response)?;
        find_message(state, &id, &parts.uri).await.map(Self)
    }
}

/// Returns the message with this id. The id `latest` stands for the newest message or, with `?query=`, the newest match.
pub(super) async fn find_message(
    state: &WebState,
    id: &str,
    uri: &Uri,
) -> Result<Arc<ReceivedMessage>, Response> {
    if id != "latest" {
        return state.inbox.get(id).ok_or_else(not_found);
    }
    let inbox = Arc::clone(&state.inbox);
    let newest = match search(uri).map_err(IntoResponse::into_response)? {
        None => inbox.latest(),
        Some(query) => {
            state
                .searches
                .run(move || inbox.find_newest(&query))
                .await?
        }
    };
    newest.ok_or_else(|| plain(StatusCode::NOT_FOUND, "Message not found"))
}
