//! `/api/v1/search`: lists or deletes the messages that a search finds.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};

use super::bounded_response::{LIST_MEMORY, stream_json};
use super::messages::{Found, ListPieces, Page};
use super::{ApiState, SearchError, blocking, ok, search_in, searching};
use crate::inbox::Which;
use crate::search::Query;

/// `GET /api/v1/search`.
pub async fn find(State(state): State<ApiState>, uri: Uri) -> Response {
    let query = match required_search(&uri) {
        Ok(query) => query,
        Err(error) => return error.into_response(),
    };
    let page = Page::from_query(&uri);
    let inbox = Arc::clone(&state.inbox);
    let found = searching(&state, move || {
        let all = inbox.matching(&query, page.before);
        Found::of(&inbox, &all, &page)
    });
    match found.await {
        Ok(found) => {
            let pieces = ListPieces::new(Arc::clone(&state.inbox), &page, found);
            stream_json(state.response_memory.reserve(LIST_MEMORY).await, pieces).await
        }
        Err(failure) => failure,
    }
}

/// `DELETE /api/v1/search`.
pub async fn delete(State(state): State<ApiState>, uri: Uri) -> Response {
    let query = match required_search(&uri) {
        Ok(query) => query,
        Err(error) => return error.into_response(),
    };
    let deleted = blocking(move || state.inbox.delete(Which::Matching(query)));
    deleted.await.map(|_| ok()).into_response()
}

fn required_search(uri: &Uri) -> Result<Query, SearchError> {
    search_in(uri)?.ok_or(SearchError::Missing)
}
