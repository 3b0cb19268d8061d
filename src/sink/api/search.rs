//! `/api/v1/search`: what a search finds, and deleting that.

use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};

use super::messages::Page;
use super::shapes::{List, Summary};
use super::{ApiState, SearchError, blocking, blocking_json, ok, search_in};
use crate::sink::inbox::Which;
use crate::sink::search::Query;

/// `GET`.
pub async fn find(State(state): State<ApiState>, uri: Uri) -> Response {
    let query = match required_search(&uri) {
        Ok(query) => query,
        Err(error) => return error.into_response(),
    };
    let page = Page::of(&uri);
    blocking_json(move || {
        let found = state.inbox.search(&query, page.before);
        let messages: Vec<_> = page
            .cut(&found)
            .map(|message| Summary::from(&**message))
            .collect();
        let totals = state.inbox.totals();
        List {
            total: totals.messages,
            unread: totals.unread,
            count: messages.len(),
            messages_count: found.len(),
            messages_unread: found.iter().filter(|message| !message.is_read()).count(),
            start: page.start,
            tags: state.inbox.tag_names(),
            messages,
        }
    })
    .await
}

/// `DELETE`.
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
