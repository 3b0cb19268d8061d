//! The web inbox: pages made on the server, complete without a script; `inbox.js` then keeps them live and quick.
//!
//! Each page is the list beside one message or a question; `list.rs` and `message.rs` define what is shown of them, and
//! `templates/inbox/` how. The content of a mail is only ever text here: its HTML stands in a frame of its own, which runs
//! nothing and loads nothing from outside (see [`view`](super::api::view)).
//!
//! Forms are accepted from these pages alone: the [`guard`] refuses the Origin of any other site, and a
//! browser names the true one with every POST, since the Referrer-Policy of these pages lets it. Deleting all messages takes
//! a second form, the answer to a [`Question`], and is final. Deleting chosen messages can be undone for
//! [`RESTORABLE`]: the page then shows a [`Notice`] with a form for that.

mod list;
mod message;
mod templates;
mod words;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;

use super::api::{ApiState, blocking, guard, parameter, searching};
use super::inbox::Which;
use super::inbox::trash::RESTORABLE;
use super::search::{Query, QueryError};
use jiff::tz::TimeZone;
use list::{List, Question, SendTo};
use message::Opened;

/// Nothing from elsewhere, no script but of this port, where parts of mails are none (see [`part`](super::api::part)), and no
/// frame but of this port: should escaping ever fail, nothing follows from it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Files that pages load: name, type, content.
const ASSETS: [(&str, &str, &str); 3] = [
    (
        "inbox.css",
        "text/css; charset=utf-8",
        include_str!("../../../templates/inbox/inbox.css"),
    ),
    (
        "inbox.js",
        "text/javascript; charset=utf-8",
        include_str!("../../../templates/inbox/inbox.js"),
    ),
    (
        "theme.js",
        "text/javascript; charset=utf-8",
        include_str!("../../../templates/inbox/theme.js"),
    ),
];

/// Position in the list: the search, and the number of messages before the first one shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    query: String,
    start: usize,
}

impl Place {
    /// Reads the position from a request. What cannot be read is the beginning of all messages.
    fn of(uri: &Uri) -> Place {
        Place {
            query: parameter(uri, "query")
                .map(|query| query.trim().to_owned())
                .unwrap_or_default(),
            start: parameter(uri, "start")
                .and_then(|start| start.parse().ok())
                .unwrap_or(0),
        }
    }

    /// Returns the search; none where it is empty. Times without a zone are in that of this machine.
    fn search(&self) -> Result<Option<Query>, QueryError> {
        match self.query.as_str() {
            "" => Ok(None),
            query => Query::parse(query, &TimeZone::system()).map(Some),
        }
    }

    fn from(&self, start: usize) -> Place {
        Place {
            query: self.query.clone(),
            start,
        }
    }

    /// Returns the URL of a page at this position.
    fn url(&self, path: &str, more: &[(&str, &str)]) -> String {
        let start = self.start.to_string();
        let place = [("query", self.query.as_str()), ("start", start.as_str())];
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        pairs.extend_pairs(
            place
                .into_iter()
                .filter(|(_, value)| !value.is_empty() && *value != "0")
                .chain(more.iter().copied()),
        );
        match pairs.finish() {
            pairs if pairs.is_empty() => path.to_owned(),
            pairs => format!("{path}?{pairs}"),
        }
    }
}

/// Everything on a page.
#[derive(Serialize)]
struct Page {
    list: List,
    message: Option<Opened>,
    question: Option<Question>,
    notice: Option<Notice>,
    /// The requested message does not exist.
    is_gone: bool,
    send_to: SendTo,
}

impl Page {
    /// Returns the page of the list alone.
    fn of_list(state: &ApiState, headers: &HeaderMap, place: Place) -> Page {
        Page {
            list: List::of(state, place, None),
            message: None,
            question: None,
            notice: None,
            is_gone: false,
            send_to: SendTo::of(state, headers),
        }
    }
}

/// Result of the last action, on top of a page.
#[derive(Debug, Serialize)]
struct Notice {
    text: String,
    /// Deletion that can be undone.
    deletion: Option<String>,
}

impl Notice {
    fn new(text: &str) -> Notice {
        Notice {
            text: text.to_owned(),
            deletion: None,
        }
    }

    /// Returns the notice about the deletion that a URL names, as long as it can be undone.
    fn of(state: &ApiState, uri: &Uri) -> Option<Notice> {
        let deletion = parameter(uri, DELETION)?;
        let count = state.inbox.restorable(&deletion, state.clock.now());
        (count > 0).then(|| Notice {
            text: format!("{} deleted", words::counted(count, "message")),
            deletion: Some(deletion),
        })
    }
}

/// Parameter of a URL that names a deletion which can be undone.
const DELETION: &str = "deletion";

/// Deletes messages such that it can be undone, and discards them when it cannot be undone any more, so that they do not stay in
/// memory. The caller runs this as one step on a blocking thread: a client that disconnects before the answer changes nothing.
fn delete_restorably(state: &ApiState, ids: Vec<String>) -> Option<String> {
    let deletion = state.inbox.delete_restorably(ids, state.clock.now())?;
    let (inbox, expired) = (Arc::clone(&state.inbox), deletion.clone());
    tokio::spawn(async move {
        tokio::time::sleep(RESTORABLE).await;
        inbox.discard(&expired);
    });
    Some(deletion)
}

/// Leads back to the list after an action, which may be a deletion that can be undone.
fn back(place: &Place, deletion: Option<&str>) -> Response {
    let deletion = deletion.map(|deletion| (DELETION, deletion));
    see_other(&place.url("/", deletion.as_slice()))
}

/// `GET /`: the list, and how to send a message to it.
pub async fn page(State(state): State<ApiState>, headers: HeaderMap, uri: Uri) -> Response {
    let place = Place::of(&uri);
    listing(&state.clone(), place, move |place| {
        render_page(&Page {
            notice: Notice::of(&state, &uri),
            ..Page::of_list(&state, &headers, place)
        })
    })
    .await
}

/// `GET /list`: the list alone, which the script fetches after an event.
pub async fn list(State(state): State<ApiState>, uri: Uri) -> Response {
    let place = Place::of(&uri);
    let opened = parameter(&uri, "open");
    listing(&state.clone(), place, move |place| {
        let list = List::of(&state, place, opened.as_deref());
        // The list itself reports an invalid search.
        answer(
            StatusCode::OK,
            templates::render("list.html", &ListAlone { list }),
        )
    })
    .await
}

/// Answers with a list. Searches run one after the other.
async fn listing(
    state: &ApiState,
    place: Place,
    make: impl FnOnce(Place) -> Response + Send + 'static,
) -> Response {
    let made = match place.query.is_empty() {
        true => blocking(move || make(place)).await,
        false => searching(state, move || make(place)).await,
    };
    made.unwrap_or_else(|failure| failure)
}

#[derive(Serialize)]
struct ListAlone {
    list: List,
}

/// `GET /view/ID`: the list beside one message, which is marked as read unless another site's page has opened it. A message
/// with this id need not exist.
pub async fn opened(state: ApiState, id: String, headers: HeaderMap, uri: Uri) -> Response {
    let reservation = match state.inbox.get(&id) {
        Some(message) => Some(state.answers.reserve_for(&message).await),
        None => None,
    };
    let page = blocking(move || {
        let _reservation = reservation;
        let place = Place::of(&uri);
        let found = state.inbox.get(&id);
        if let Some(message) = &found
            && !guard::is_from_another_site(&headers)
        {
            state.inbox.mark_read(message);
        }
        let now = state.clock.now();
        render_page(&Page {
            is_gone: found.is_none(),
            message: found.map(|message| Opened::of(&message, &place, &uri, now)),
            question: None,
            notice: Notice::of(&state, &uri),
            list: List::of(&state, place, Some(&id)),
            send_to: SendTo::of(&state, &headers),
        })
    });
    page.await.unwrap_or_else(|failure| failure)
}

/// `POST /`: performs a form's action on messages of the list, or asks whether to.
pub async fn act(
    State(state): State<ApiState>,
    headers: HeaderMap,
    uri: Uri,
    body: Bytes,
) -> Response {
    let place = Place::of(&uri).from(0);
    let Some(act) = list::Act::of(&body) else {
        return not_understood();
    };
    let chosen = Place::of(&uri);
    let page = {
        let state = state.clone();
        move |place, question, notice| {
            render_page(&Page {
                question,
                notice,
                ..Page::of_list(&state, &headers, place)
            })
        }
    };
    let answer = blocking(move || {
        let performed = match act {
            list::Act::MarkAllRead => list::mark_all_read(&state, &place).map(|()| None),
            list::Act::DeleteAll { before } => {
                list::delete_all(&state, &place, before).map(|()| None)
            }
            list::Act::AskToDeleteAll => Question::of(&state, &place),
            list::Act::Mark { ids, .. } | list::Act::Delete { ids } if ids.is_empty() => {
                let notice = Notice::new("No message is selected");
                return page(chosen, None, Some(notice));
            }
            list::Act::Mark { ids, read } => {
                state.inbox.set_read(Which::Ids(ids), read);
                return back(&chosen, None);
            }
            list::Act::Delete { ids } => {
                let deletion = delete_restorably(&state, ids);
                return back(&chosen, deletion.as_deref());
            }
            list::Act::Undo { deletion } => {
                if state.inbox.restore(&deletion, state.clock.now()) > 0 {
                    return back(&chosen, None);
                }
                let notice = Notice::new("The deletion cannot be undone any more");
                return page(chosen, None, Some(notice));
            }
        };
        match performed {
            Ok(None) => back(&place, None),
            Ok(question) => page(place, question, None),
            // The list reports the error in the search.
            Err(_) => page(place, None, None),
        }
    });
    answer.await.unwrap_or_else(|failure| failure)
}

/// `POST /view/ID`: performs a form's action on one message.
pub async fn act_on_one(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    uri: Uri,
    body: Bytes,
) -> Response {
    let Some(act) = message::Act::of(&body) else {
        return not_understood();
    };
    let performed = blocking(move || act.perform(&state, &id));
    match performed.await {
        // The message is not opened again, which would mark it as read.
        Ok(deletion) => back(&Place::of(&uri), deletion.as_deref()),
        Err(failure) => failure,
    }
}

/// Returns the first value of a form's field.
fn field(body: &Bytes, name: &str) -> Option<String> {
    fields(body, name).into_iter().next()
}

/// Returns all values of a form's field.
fn fields(body: &Bytes, name: &str) -> Vec<String> {
    let pairs = form_urlencoded::parse(body);
    let of_name = pairs.filter(|(key, _)| key == name);
    of_name.map(|(_, value)| value.into_owned()).collect()
}

fn see_other(url: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, url.to_owned())]).into_response()
}

fn not_understood() -> Response {
    super::api::bad_request("Error: unknown action in the form")
}

/// `GET /inbox.css`, `/inbox.js` and `/theme.js`.
pub async fn asset(uri: Uri) -> Response {
    let name = uri.path().trim_start_matches('/');
    match ASSETS.iter().find(|(known, ..)| *known == name) {
        Some((_, content_type, text)) => {
            ([(header::CONTENT_TYPE, *content_type)], *text).into_response()
        }
        None => super::api::not_found(),
    }
}

/// `GET /icon.svg?unread=N`: the icon of the page, with the number of unread messages.
pub async fn icon(uri: Uri) -> Response {
    let unread = parameter(&uri, "unread")
        .and_then(|unread| unread.parse::<u64>().ok())
        .unwrap_or(0);
    let unread = match unread {
        0 => String::new(),
        1..=99 => unread.to_string(),
        _ => "99+".to_owned(),
    };
    let is_long = unread.len() > 2;
    match templates::render("icon.svg", &Icon { unread, is_long }) {
        Ok(icon) => ([(header::CONTENT_TYPE, "image/svg+xml")], icon).into_response(),
        Err(error) => failed(&error),
    }
}

#[derive(Serialize)]
struct Icon {
    unread: String,
    is_long: bool,
}

fn render_page(page: &Page) -> Response {
    let status = match (page.is_gone, page.list.has_problem()) {
        (true, _) => StatusCode::NOT_FOUND,
        (false, true) => StatusCode::BAD_REQUEST,
        (false, false) => StatusCode::OK,
    };
    answer(status, templates::render("page.html", page))
}

fn answer(status: StatusCode, page: Result<String, templates::TemplateError>) -> Response {
    match page {
        Ok(page) => (
            status,
            [
                (header::CONTENT_SECURITY_POLICY, POLICY),
                // With no-referrer, browsers send "Origin: null" with the forms of these pages.
                (header::REFERRER_POLICY, "same-origin"),
            ],
            Html(page),
        )
            .into_response(),
        Err(error) => failed(&error),
    }
}

fn failed(error: &templates::TemplateError) -> Response {
    tracing::error!(%error, "cannot render a page of the inbox");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

#[cfg(test)]
pub(super) use tests::render;

#[cfg(test)]
mod tests {
    use std::future::{Future as _, poll_fn};
    use std::task::Poll;
    use std::time::Duration;

    use tokio::runtime::Handle;
    use tokio::task::yield_now;
    use tokio::time::timeout;

    use super::*;
    use crate::sink::clock::{Clock as _, SystemClock};
    use crate::sink::inbox::Inbox;
    use crate::sink::inbox::tests::{Counting, received};

    /// Renders the list, the question whether to delete all, and each message with each of its tabs.
    pub(crate) fn render(state: &ApiState) -> String {
        let list = Page::of_list(state, &HeaderMap::new(), Place::default());
        let question = Page {
            question: Question::of(state, &Place::default()).unwrap(),
            ..Page::of_list(state, &HeaderMap::new(), Place::default())
        };
        let mut text = String::new();
        for page in [list, question] {
            text.push_str(&templates::render("page.html", &page).unwrap());
        }
        for message in state.inbox.list(0, 0, None) {
            for tab in message::Tab::ALL {
                let uri = format!("/view/x?tab={}", tab.name()).parse().unwrap();
                let place = Place::default();
                let now = state.clock.now();
                let page = Page {
                    message: Some(Opened::of(&message, &place, &uri, now)),
                    question: None,
                    notice: None,
                    list: List::of(state, place, Some(&message.id.0)),
                    is_gone: false,
                    send_to: SendTo::of(state, &HeaderMap::new()),
                };
                text.push_str(&templates::render("page.html", &page).unwrap());
            }
        }
        text
    }

    #[test]
    fn a_place_survives_its_url() {
        for (query, start, url) in [
            ("", 0, "/"),
            ("", 100, "/?start=100"),
            ("a&b=\"c d\"", 0, "/?query=a%26b%3D%22c+d%22"),
            ("from:ä", 200, "/?query=from%3A%C3%A4&start=200"),
        ] {
            let place = Place {
                query: query.to_owned(),
                start,
            };
            assert_eq!(place.url("/", &[]), url);
            assert_eq!(Place::of(&url.parse().unwrap()), place);
        }
        assert_eq!(
            Place::of(&"/?start=-1&query=+".parse().unwrap()),
            Place::default()
        );
    }

    #[tokio::test]
    async fn a_deletion_is_discarded_later_even_if_its_client_has_disconnected() {
        let inbox = Arc::new(Inbox::new(10, 1 << 20, Arc::new(Counting::default())));
        let source = received(b"Subject: x\r\n\r\n", "x@y", &["z@y"]);
        let message = inbox.store_own(source, vec![], SystemClock.now()).unwrap();
        let state = ApiState::for_tests(Arc::clone(&inbox), Arc::new(SystemClock));
        let id = message.id.to_string();
        let (uri, form) = (Uri::from_static("/"), Bytes::from_static(b"do=delete"));
        let mut answer = Box::pin(act_on_one(State(state), Path(id), uri, form));
        let begun = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context).is_pending()));
        assert!(begun.await);
        // The server drops the answer to a client that has disconnected.
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
