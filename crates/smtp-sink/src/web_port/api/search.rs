//! `/api/v1/search`: lists or deletes the messages that a search finds.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};

use super::messages::{FoundPage, ListPieces, Page};
use crate::inbox::Selection;
use crate::search::Query;
use crate::web_port::background::run_blocking;
use crate::web_port::bounded_response::{LIST_MEMORY, stream_json};
use crate::web_port::request::{self, SearchError};
use crate::web_port::responses::ok;
use crate::web_port::state::WebState;

/// `GET /api/v1/search`.
pub(crate) async fn find(State(state): State<WebState>, uri: Uri) -> Response {
    let query = match required_search(&uri) {
        Ok(query) => query,
        Err(error) => return error.into_response(),
    };
    let page = Page::from_query(&uri);
    let inbox = Arc::clone(&state.inbox);
    let found = state.searches.run(move || {
        let all = inbox.matching(&query, page.before);
        FoundPage::new(&inbox, &all, &page)
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
pub(crate) async fn delete(State(state): State<WebState>, uri: Uri) -> Response {
    let query = match required_search(&uri) {
        Ok(query) => query,
        Err(error) => return error.into_response(),
    };
    let deleted = run_blocking(move || state.inbox.delete(Selection::Matching(query)));
    deleted.await.map(|_| ok()).into_response()
}

fn required_search(uri: &Uri) -> Result<Query, SearchError> {
    request::search(uri)?.ok_or(SearchError::Missing)
}
