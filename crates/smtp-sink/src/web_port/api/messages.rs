//! `/api/v1/messages`: list, mark and delete messages.

use std::sync::Arc;
use std::vec;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;

use super::mailpit_json::{List, Summary};
use crate::inbox::{Inbox, Selection};
use crate::received::ReceivedMessage;
use crate::search::parse_time;
use crate::web_port::background::run_blocking;
use crate::web_port::bounded_response::{LIST_MEMORY, Pieces, append_json, stream_json};
use crate::web_port::request::{parameter, parse_search, time_zone};
use crate::web_port::responses::{bad_request, ok};
use crate::web_port::state::WebState;

/// Default of the parameter `limit`.
const DEFAULT_LIMIT: usize = 50;

/// Requested part of a list. An invalid parameter is replaced by its default without an error, as clients expect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    /// Number of messages to skip.
    pub(crate) start: usize,
    /// Maximum number of messages; 0 for all.
    pub(crate) limit: usize,
    /// Selects messages received before this time.
    pub(crate) before: Option<Timestamp>,
}

impl Page {
    /// Parses the query of a request.
    pub(crate) fn from_query(uri: &Uri) -> Page {
        let number = |name| parameter(uri, name).and_then(|text| text.parse::<usize>().ok());
        Page {
            start: number("start").unwrap_or(0),
            limit: number("limit").unwrap_or(DEFAULT_LIMIT),
            before: parameter(uri, "before").and_then(|text| parse_time(&text, &time_zone(uri))),
        }
    }

    /// Returns the requested part of these messages.
    pub(crate) fn select(&self, messages: &[u64]) -> Vec<u64> {
        let limit = if self.limit == 0 {
            usize::MAX
        } else {
            self.limit
        };
        let page = messages.iter().skip(self.start).take(limit);
        page.copied().collect()
    }
}

/// Serializer of a list: its envelope, then one message after the other.
pub(crate) struct ListPieces {
    inbox: Arc<Inbox>,
    /// Present until it is written.
    envelope: Option<List>,
    /// Sequence numbers of the messages that are not yet written.
    rest: vec::IntoIter<u64>,
    has_written_message: bool,
}

impl ListPieces {
    pub(crate) fn new(inbox: Arc<Inbox>, page: &Page, found: FoundPage) -> ListPieces {
        let totals = inbox.totals();
        let envelope = List {
            total: totals.messages,
            unread: totals.unread,
            count: found.page.len(),
            messages_count: found.messages,
            messages_unread: found.unread,
            start: page.start,
            tags: inbox.tag_names(),
            messages: [],
        };
        ListPieces {
            inbox,
            envelope: Some(envelope),
            rest: found.page.into_iter(),
            has_written_message: false,
        }
    }
}

/// Page of a list, with the totals of the whole list.
pub(crate) struct FoundPage {
    /// Sequence numbers of the messages on the page.
    pub(crate) page: Vec<u64>,
    /// Number of messages in the whole list.
    pub(crate) messages: usize,
    /// Number of unread messages in the whole list.
    pub(crate) unread: usize,
}

impl FoundPage {
    /// Returns the page of a list of these messages.
    pub(crate) fn new(inbox: &Inbox, all: &[u64], page: &Page) -> FoundPage {
        let is_unread = |message: Arc<ReceivedMessage>| !message.is_read();
        let unread = all
            .iter()
            .filter(|sequence| inbox.at(**sequence).is_some_and(is_unread));
        FoundPage {
            page: page.select(all),
            messages: all.len(),
            unread: unread.count(),
        }
    }
}

impl Pieces for ListPieces {
    fn append_next(&mut self, body: &mut Vec<u8>) -> bool {
        if let Some(envelope) = self.envelope.take() {
            append_json(body, &envelope);
            // Removes the end of the empty array and of the object.
            body.truncate(body.len() - b"]}".len());
            return true;
        }
        let Some(sequence) = self.rest.next() else {
            body.extend_from_slice(b"]}");
            return false;
        };
        // The message may have been deleted after the first chunk.
        if let Some(message) = self.inbox.at(sequence) {
            if std::mem::replace(&mut self.has_written_message, true) {
                body.push(b',');
            }
            append_json(body, &Summary::new(&message, &message.digest()));
        }
        true
    }
}

/// `GET /api/v1/messages`.
pub(crate) async fn list(State(state): State<WebState>, uri: Uri) -> Response {
    let page = Page::from_query(&uri);
    let inbox = Arc::clone(&state.inbox);
    let found = run_blocking(move || match page.before {
        None => {
            let totals = inbox.totals();
            FoundPage {
                page: inbox.sequences(page.start, page.limit, None),
                messages: totals.messages,
                unread: totals.unread,
            }
        }
        Some(_) => FoundPage::new(&inbox, &inbox.sequences(0, 0, page.before), &page),
    });
    match found.await {
        Ok(found) => {
            let pieces = ListPieces::new(Arc::clone(&state.inbox), &page, found);
            stream_json(state.response_memory.reserve(LIST_MEMORY).await, pieces).await
        }
        Err(failure) => failure,
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MarkBody {
    #[serde(rename = "Read")]
    read: bool,
    #[serde(rename = "IDs")]
    ids: Vec<String>,
    #[serde(rename = "Search")]
    search: String,
}

/// `PUT /api/v1/messages`: marks the named messages, the messages that a search finds, or all, as read or unread.
pub(crate) async fn mark(State(state): State<WebState>, uri: Uri, body: Bytes) -> Response {
    let body: MarkBody = match serde_json::from_slice(&body) {
        Ok(body) => body,
        Err(error) => return bad_request(format!("Error: {error}")),
    };
    let search = body.search.trim();
    let which = match (body.ids.is_empty(), search.is_empty()) {
        (true, true) => Selection::All,
        (false, true) => Selection::Ids(body.ids),
        (true, false) => match parse_search(search, &uri) {
            Ok(query) => Selection::Matching(query),
            Err(error) => return error.into_response(),
        },
        (false, false) => return bad_request("Error: use either IDs or Search, not both"),
    };
    let marked = run_blocking(move || state.inbox.set_read(which, body.read));
    marked.await.map(|()| ok()).into_response()
}

#[derive(Deserialize)]
struct DeleteBody {
    #[serde(rename = "IDs", default)]
    ids: Vec<String>,
}

/// `DELETE /api/v1/messages`: deletes the named messages, or all if none is named. A body that is not JSON also deletes all,
/// because a client sends a form and relies on that.
pub(crate) async fn delete(
    State(state): State<WebState>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let which = match serde_json::from_slice::<DeleteBody>(&body) {
        Ok(body) if !body.ids.is_empty() => Selection::Ids(body.ids),
        _ => Selection::All,
    };
    // MailHog returns an empty body, and its client for Node would parse "ok" as JSON. That client sends neither Accept nor
    // User-Agent, unlike every client of Mailpit.
    let is_mailhog_client = body.is_empty()
        && !headers.contains_key(header::ACCEPT)
        && !headers.contains_key(header::USER_AGENT);
    let deleted = run_blocking(move || state.inbox.delete(which));
    let response = || {
        if is_mailhog_client {
            StatusCode::OK.into_response()
        } else {
            ok()
        }
    };
    deleted.await.map(|_| response()).into_response()
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::web_port::request;

    mod fuzz {
        use movie_bag_testkit::fuzz::Target;

        use super::*;

        #[test]
        fn any_query_string_is_parsed_without_a_panic() {
            let target = Target {
                name: "query",
                words: &[
                    "start=",
                    "limit=",
                    "before=",
                    "query=",
                    "&",
                    "=",
                    "+",
                    "%20",
                    "%",
                    "%ff",
                    "%00",
                    "2026-11-23",
                    "T00:00:00Z",
                    "+01:00",
                    " 00:00:00",
                    "-262143-01-01",
                    "9999-12-31T23:59:60Z",
                    "1e9",
                    "-1",
                    "[Europe/Berlin]",
                ],
                seeds: vec![],
                cases: 1500,
            };
            target.run(|bytes| {
                let text = String::from_utf8_lossy(bytes);
                let _ = parse_time(&text, &TimeZone::UTC);
                let Ok(uri) = format!("/api/v1/messages?{text}").parse::<Uri>() else {
                    return;
                };
                // A parsed time survives formatting and parsing.
                if let Some(before) = Page::from_query(&uri).before {
                    let reparsed = parse_time(&before.to_string(), &TimeZone::UTC);
                    assert_eq!(reparsed, Some(before));
                }
                let _ = request::search(&uri);
            });
        }
    }
}
