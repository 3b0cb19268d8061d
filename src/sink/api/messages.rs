//! `/api/v1/messages`: the list, marking, deleting.

use std::sync::Arc;
use std::vec;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;

use super::answer::{LIST, Pieces, append_json, streamed};
use super::shapes::{List, Summary};
use super::{ApiState, bad_request, blocking, ok, parameter, parse_query, zone};
use crate::sink::inbox::{Inbox, ReceivedMessage, Which};
use crate::sink::search::parse_time;

/// How many messages a list has where nobody says.
const DEFAULT_LIMIT: usize = 50;

/// Which part of a list is asked for. What cannot be read falls back to its default silently, as clients expect.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// So many are skipped.
    pub start: usize,
    /// No more than so many; 0 for all.
    pub limit: usize,
    /// Received before this.
    pub before: Option<Timestamp>,
}

impl Page {
    /// Of a request.
    pub fn of(uri: &Uri) -> Page {
        let number = |name| parameter(uri, name).and_then(|text| text.parse::<usize>().ok());
        Page {
            start: number("start").unwrap_or(0),
            limit: number("limit").unwrap_or(DEFAULT_LIMIT),
            before: parameter(uri, "before").and_then(|text| parse_time(&text, &zone(uri))),
        }
    }

    /// The part of these that is asked for.
    pub fn cut(&self, messages: &[u64]) -> Vec<u64> {
        let limit = if self.limit == 0 {
            usize::MAX
        } else {
            self.limit
        };
        let page = messages.iter().skip(self.start).take(limit);
        page.copied().collect()
    }
}

/// A list in JSON: its envelope, then one message after the other.
pub(super) struct ListPieces {
    inbox: Arc<Inbox>,
    /// Present until it is written.
    envelope: Option<List>,
    /// Sequence numbers of the messages to come.
    rest: vec::IntoIter<u64>,
    /// Whether a message was written.
    is_begun: bool,
}

impl ListPieces {
    /// The page of the messages `found`, all of them in the order of the list.
    pub(super) fn new(inbox: Arc<Inbox>, page: &Page, found: Found) -> ListPieces {
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
            is_begun: false,
        }
    }
}

/// Messages of a list.
pub(super) struct Found {
    /// Sequence numbers of those on the page.
    pub(super) page: Vec<u64>,
    /// Number of messages in the whole list.
    pub(super) messages: usize,
    /// Number of unread messages in the whole list.
    pub(super) unread: usize,
}

impl Found {
    /// The page of a list of these messages.
    pub(super) fn of(inbox: &Inbox, all: &[u64], page: &Page) -> Found {
        let is_unread = |message: Arc<ReceivedMessage>| !message.is_read();
        let unread = all
            .iter()
            .filter(|one| inbox.at(**one).is_some_and(is_unread));
        Found {
            page: page.cut(all),
            messages: all.len(),
            unread: unread.count(),
        }
    }
}

impl Pieces for ListPieces {
    fn add_to(&mut self, body: &mut Vec<u8>) -> bool {
        if let Some(envelope) = self.envelope.take() {
            append_json(body, &envelope);
            // The end of the empty list and of the object.
            body.truncate(body.len() - b"]}".len());
            return true;
        }
        let Some(sequence) = self.rest.next() else {
            body.extend_from_slice(b"]}");
            return false;
        };
        // It may have been deleted since the list was begun.
        if let Some(message) = self.inbox.at(sequence) {
            if std::mem::replace(&mut self.is_begun, true) {
                body.push(b',');
            }
            append_json(body, &Summary::of(&message, &message.digest()));
        }
        true
    }
}

/// `GET`.
pub async fn list(State(state): State<ApiState>, uri: Uri) -> Response {
    let page = Page::of(&uri);
    let inbox = Arc::clone(&state.inbox);
    let found = blocking(move || match page.before {
        None => {
            let totals = inbox.totals();
            Found {
                page: inbox.sequences(page.start, page.limit, None),
                messages: totals.messages,
                unread: totals.unread,
            }
        }
        Some(_) => Found::of(&inbox, &inbox.sequences(0, 0, page.before), &page),
    });
    match found.await {
        Ok(found) => {
            let pieces = ListPieces::new(Arc::clone(&state.inbox), &page, found);
            streamed(state.answers.reserve(LIST).await, pieces).await
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

/// `PUT`: marks those named, or those that are found, or all, as read or as not read.
pub async fn mark(State(state): State<ApiState>, uri: Uri, body: Bytes) -> Response {
    let body: MarkBody = match serde_json::from_slice(&body) {
        Ok(body) => body,
        Err(error) => return bad_request(format!("Error: {error}")),
    };
    let search = body.search.trim();
    let which = match (body.ids.is_empty(), search.is_empty()) {
        (true, true) => Which::All,
        (false, true) => Which::Ids(body.ids),
        (true, false) => match parse_query(search, &uri) {
            Ok(query) => Which::Matching(query),
            Err(error) => return error.into_response(),
        },
        (false, false) => return bad_request("Error: use either IDs or Search, not both"),
    };
    let marked = blocking(move || state.inbox.set_read(which, body.read));
    marked.await.map(|()| ok()).into_response()
}

#[derive(Deserialize)]
struct DeleteBody {
    #[serde(rename = "IDs", default)]
    ids: Vec<String>,
}

/// `DELETE`: those named, or all where none is, also where the body is no JSON: a client sends a form and relies on it.
pub async fn delete(State(state): State<ApiState>, headers: HeaderMap, body: Bytes) -> Response {
    let which = match serde_json::from_slice::<DeleteBody>(&body) {
        Ok(body) if !body.ids.is_empty() => Which::Ids(body.ids),
        _ => Which::All,
    };
    // MailHog says nothing, and its client for Node would read "ok" as JSON. It names neither itself nor what it accepts, as no
    // client of Mailpit does.
    let is_mailhogs = body.is_empty()
        && !headers.contains_key(header::ACCEPT)
        && !headers.contains_key(header::USER_AGENT);
    let deleted = blocking(move || state.inbox.delete(which));
    let said = || {
        if is_mailhogs {
            StatusCode::OK.into_response()
        } else {
            ok()
        }
    };
    deleted.await.map(|_| said()).into_response()
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::super::search_in;
    use super::*;

    mod fuzz {
        use super::*;
        use crate::fuzz::Target;

        #[test]
        fn any_query_is_read_or_passed_over() {
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
                // Whatever time it is, it can be said and understood again.
                if let Some(before) = Page::of(&uri).before {
                    let again = parse_time(&before.to_string(), &TimeZone::UTC);
                    assert_eq!(again, Some(before));
                }
                let _ = search_in(&uri);
            });
        }
    }
}
