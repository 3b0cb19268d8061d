//! Forms of the pages: actions on messages of the list, and on the open message.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;

use super::form::{field, fields};
use super::page::{Notice, Page};
use super::place::Place;
use super::question::Question;
use crate::inbox::Selection;
use crate::inbox::trash::RESTORABLE;
use crate::search::QueryError;
use crate::web_port::background::run_blocking;
use crate::web_port::responses::bad_request;
use crate::web_port::state::WebState;

/// URL parameter with the id of a deletion that can be undone.
pub(super) const DELETION: &str = "deletion";

/// `POST /`: performs the action of a form on messages of the list, or asks for confirmation.
pub(crate) async fn submit_list_form(
    State(state): State<WebState>,
    headers: HeaderMap,
    uri: Uri,
    body: Bytes,
) -> Response {
    let Some(action) = ListAction::from_form(&body) else {
        return unknown_action();
    };
    let place = Place::from_uri(&uri);
    let response = run_blocking(move || action.perform(&state, &headers, place));
    response.await.unwrap_or_else(|failure| failure)
}

/// `POST /view/ID`: performs the action of a form on one message.
pub(crate) async fn submit_message_form(
    State(state): State<WebState>,
    Path(id): Path<String>,
    uri: Uri,
    body: Bytes,
) -> Response {
    let Some(action) = MessageAction::from_form(&body) else {
        return unknown_action();
    };
    match run_blocking(move || action.perform(&state, id)).await {
        // Redirects to the list, because opening the message again would mark it as read.
        Ok(deletion) => redirect_to_list(&Place::from_uri(&uri), deletion.as_deref()),
        Err(failure) => failure,
    }
}

fn unknown_action() -> Response {
    bad_request("Error: unknown action in the form")
}

/// Redirects to the list after an action, with the id of a deletion that can be undone.
fn redirect_to_list(place: &Place, deletion: Option<&str>) -> Response {
    let deletion = deletion.map(|deletion| (DELETION, deletion));
    let url = place.url("/", deletion.as_slice());
    (StatusCode::SEE_OTHER, [(header::LOCATION, url)]).into_response()
}

/// Action on messages of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ListAction {
    MarkAllRead,
    /// Asks for confirmation before deleting all messages.
    AskToDeleteAll,
    /// Deletes all messages received before this time, which the form of the question contains.
    DeleteAll {
        before: Timestamp,
    },
    /// Marks the selected messages.
    Mark {
        ids: Vec<String>,
        read: bool,
    },
    /// Deletes the selected messages; can be undone.
    Delete {
        ids: Vec<String>,
    },
    /// Undoes a deletion.
    Undo {
        deletion: String,
    },
}

impl ListAction {
    /// Reads the action from a form. A deletion of all messages needs a time, which only the form of the question contains.
    fn from_form(body: &Bytes) -> Option<ListAction> {
        let ids = || fields(body, "ids");
        match field(body, "do")?.as_str() {
            "read-all" => Some(ListAction::MarkAllRead),
            "delete-all" => match field(body, "before") {
                None => Some(ListAction::AskToDeleteAll),
                Some(before) => {
                    let before = before.parse().ok()?;
                    Some(ListAction::DeleteAll { before })
                }
            },
            "read" => Some(ListAction::Mark {
                ids: ids(),
                read: true,
            }),
            "unread" => Some(ListAction::Mark {
                ids: ids(),
                read: false,
            }),
            "delete" => Some(ListAction::Delete { ids: ids() }),
            "undo" => field(body, "deletion").map(|deletion| ListAction::Undo { deletion }),
            _ => None,
        }
    }

    /// Performs the action, and returns a redirect to the list, or a page with a question or a notice.
    fn perform(self, state: &WebState, headers: &HeaderMap, place: Place) -> Response {
        let page = |place, question, notice| {
            Page {
                question,
                notice,
                ..Page::without_message(state, headers, place)
            }
            .into_response()
        };
        // Actions on all messages of the list lead to its start.
        let start = place.with_start(0);
        let performed = match self {
            ListAction::MarkAllRead => mark_all_read(state, &start).map(|()| None),
            ListAction::DeleteAll { before } => delete_all(state, &start, before).map(|()| None),
            ListAction::AskToDeleteAll => Question::for_place(state, &start),
            ListAction::Mark { ids, .. } | ListAction::Delete { ids } if ids.is_empty() => {
                return page(place, None, Some(Notice::new("No message is selected")));
            }
            ListAction::Mark { ids, read } => {
                state.inbox.set_read(Selection::Ids(ids), read);
                return redirect_to_list(&place, None);
            }
            ListAction::Delete { ids } => {
                let deletion = delete_restorably(state, ids);
                return redirect_to_list(&place, deletion.as_deref());
            }
            ListAction::Undo { deletion } => {
                if state.inbox.restore(&deletion, state.clock.now()) > 0 {
                    return redirect_to_list(&place, None);
                }
                let notice = Notice::new("The deletion cannot be undone any more");
                return page(place, None, Some(notice));
            }
        };
        match performed {
            Ok(None) => redirect_to_list(&start, None),
            Ok(question) => page(start, question, None),
            // The list reports the error in the search.
            Err(_) => page(start, None, None),
        }
    }
}

/// Marks all messages, or all that the search finds, as read.
fn mark_all_read(state: &WebState, place: &Place) -> Result<(), QueryError> {
    let which = place.search()?.map_or(Selection::All, Selection::Matching);
    state.inbox.set_read(which, true);
    Ok(())
}

/// Deletes all messages, or all that the search finds, received before this time.
fn delete_all(state: &WebState, place: &Place, before: Timestamp) -> Result<(), QueryError> {
    state.inbox.delete(match place.search()? {
        Some(query) => Selection::MatchingBefore(query, before),
        None => Selection::Before(before),
    });
    Ok(())
}

/// Action on one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MessageAction {
    Delete,
    MarkUnread,
}

impl MessageAction {
    fn from_form(body: &Bytes) -> Option<MessageAction> {
        match field(body, "do")?.as_str() {
            "delete" => Some(MessageAction::Delete),
            "unread" => Some(MessageAction::MarkUnread),
            _ => None,
        }
    }

    /// Performs the action, if the message still exists. Returns the deletion that can be undone, if it is one.
    fn perform(self, state: &WebState, id: String) -> Option<String> {
        match self {
            MessageAction::Delete => delete_restorably(state, vec![id]),
            MessageAction::MarkUnread => {
                state.inbox.set_read(Selection::Ids(vec![id]), false);
                None
            }
        }
    }
}

/// Deletes messages so that the deletion can be undone, and frees their memory when that time is over. The caller runs this as
/// one step on a blocking thread, so that it completes even if the client disconnects before the response.
fn delete_restorably(state: &WebState, ids: Vec<String>) -> Option<String> {
    let deletion = state.inbox.delete_restorably(ids, state.clock.now())?;
    let (inbox, expired) = (Arc::clone(&state.inbox), deletion.clone());
    tokio::spawn(async move {
        tokio::time::sleep(RESTORABLE).await;
        inbox.discard(&expired);
    });
    Some(deletion)
}

#[cfg(test)]
mod tests {
    use std::future::{Future as _, poll_fn};
    use std::task::Poll;
    use std::time::Duration;

    use tokio::runtime::Handle;
    use tokio::task::yield_now;
    use tokio::time::timeout;

    use super::*;
    use crate::clock::{Clock as _, SystemClock};
    use crate::inbox::Inbox;
    use crate::inbox::tests::{Counting, received};

    #[tokio::test]
    async fn deleted_messages_are_discarded_later_even_if_the_client_disconnects() {
        let inbox = Arc::new(Inbox::new(10, 1 << 20, Arc::new(Counting::default())));
        let source = received(b"Subject: x\r\n\r\n", "x@y", &["z@y"]);
        let message = inbox.store_own(source, vec![], SystemClock.now()).unwrap();
        let state = WebState::for_tests(Arc::clone(&inbox), Arc::new(SystemClock));
        let id = message.id.to_string();
        let (uri, form) = (Uri::from_static("/"), Bytes::from_static(b"do=delete"));
        let mut answer = Box::pin(submit_message_form(State(state), Path(id), uri, form));
        let is_pending = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context).is_pending()));
        assert!(is_pending.await);
        // The server drops the handler when the client disconnects.
        drop(answer);
        let tasks = Handle::current().metrics();
        let discard_is_due = async {
            while tasks.num_alive_tasks() == 0 {
                yield_now().await;
            }
        };
        let waited = timeout(Duration::from_secs(30), discard_is_due).await;
        assert!(waited.is_ok(), "no task discards the deletion");
        assert_eq!(inbox.totals().messages, 0);
    }
}
