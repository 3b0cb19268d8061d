//! Web inbox: pages rendered on the server and complete without scripts. `inbox.js` keeps them up to date and makes them
//! faster.
//!
//! A page consists of the list and one message or a question. `list.rs` and `message.rs` define the data of the templates in
//! `crates/smtp-sink/templates/`. These pages contain the content of a mail as text only. Its HTML is in a frame, which runs no scripts
//! and loads nothing from other servers (see [`view`](super::api::view)).
//!
//! Forms are accepted from these pages only: [`access_control`] refuses the Origin of any other site, and browsers send the
//! true Origin with every POST, since the Referrer-Policy of these pages permits it. Deleting all messages requires a second
//! form, the response to a [`Question`], and is final. Deleting selected messages can be undone for [`RESTORABLE`]: the page
//! then shows a [`Notice`] with a form for that.

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

use super::api::{ApiState, access_control, blocking, parameter, searching};
use super::inbox::Which;
use super::inbox::trash::RESTORABLE;
use super::search::{Query, QueryError};
use jiff::tz::TimeZone;
use list::{List, Question, SendTo};
use message::Opened;

/// Content security policy of the pages. It allows scripts and frames of this port only, and no part of a mail is served as a
/// script (see [`part`](super::api::part)). It limits the damage if escaping should ever fail.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Files of the pages: name, media type, content.
const ASSETS: [(&str, &str, &str); 3] = [
    (
        "inbox.css",
        "text/css; charset=utf-8",
        include_str!("../../templates/inbox.css"),
    ),
    (
        "inbox.js",
        "text/javascript; charset=utf-8",
        include_str!("../../templates/inbox.js"),
    ),
    (
        "theme.js",
        "text/javascript; charset=utf-8",
        include_str!("../../templates/theme.js"),
    ),
];

/// Position in the list: the search, and the number of messages before the first one shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    query: String,
    start: usize,
}

impl Place {
    /// Reads the position from a request. The default is the start of the list of all messages.
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

    /// Returns the search, or `None` if it is empty. Times without a zone are in the zone of this machine.
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

/// Data of the page template.
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
    /// Returns the page without a message.
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

/// Result of the last action, shown at the top of a page.
#[derive(Debug, Serialize)]
struct Notice {
    text: String,
    /// Id of the deletion that can be undone.
    deletion: Option<String>,
}

impl Notice {
    fn new(text: &str) -> Notice {
        Notice {
            text: text.to_owned(),
            deletion: None,
        }
    }

    /// Returns the notice about the deletion in the URL, as long as it can be undone.
    fn of(state: &ApiState, uri: &Uri) -> Option<Notice> {
        let deletion = parameter(uri, DELETION)?;
        let count = state.inbox.restorable(&deletion, state.clock.now());
        (count > 0).then(|| Notice {
            text: format!("{} deleted", words::counted(count, "message")),
            deletion: Some(deletion),
        })
    }
}

/// URL parameter with the id of a deletion that can be undone.
const DELETION: &str = "deletion";

/// Deletes messages so that the deletion can be undone, and frees their memory when that time is over. The caller runs this as
/// one step on a blocking thread, so that it completes even if the client disconnects before the response.
fn delete_restorably(state: &ApiState, ids: Vec<String>) -> Option<String> {
    let deletion = state.inbox.delete_restorably(ids, state.clock.now())?;
    let (inbox, expired) = (Arc::clone(&state.inbox), deletion.clone());
    tokio::spawn(async move {
        tokio::time::sleep(RESTORABLE).await;
        inbox.discard(&expired);
    });
    Some(deletion)
}

/// Redirects to the list after an action, with the id of a deletion that can be undone.
fn back(place: &Place, deletion: Option<&str>) -> Response {
    let deletion = deletion.map(|deletion| (DELETION, deletion));
    see_other(&place.url("/", deletion.as_slice()))
}

/// `GET /`: the list and the address of the SMTP server.
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

/// `GET /list`: only the list, which the script fetches after an event.
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

/// Renders a list on a blocking thread. Searches run one at a time.
async fn listing(
    state: &ApiState,
    place: Place,
    render: impl FnOnce(Place) -> Response + Send + 'static,
) -> Response {
    let response = if place.query.is_empty() {
        blocking(move || render(place)).await
    } else {
        searching(state, move || render(place)).await
    };
    response.unwrap_or_else(|failure| failure)
}

#[derive(Serialize)]
struct ListAlone {
    list: List,
}

/// `GET /view/ID`: the list and one message, which is marked as read unless a page of another site opened it. If there is no such
/// message, the page says so.
pub async fn opened(state: ApiState, id: String, headers: HeaderMap, uri: Uri) -> Response {
    let reservation = match state.inbox.get(&id) {
        Some(message) => Some(state.response_memory.reserve_for(&message).await),
        None => None,
    };
    let page = blocking(move || {
        let _reservation = reservation;
        let place = Place::of(&uri);
        let found = state.inbox.get(&id);
        if let Some(message) = &found
            && !access_control::is_from_another_site(&headers)
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

/// `POST /`: performs the action of a form on messages of the list, or asks for confirmation.
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

/// `POST /view/ID`: performs the action of a form on one message.
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
        // Redirects to the list, because opening the message again would mark it as read.
        Ok(deletion) => back(&Place::of(&uri), deletion.as_deref()),
        Err(failure) => failure,
    }
}

/// Returns the first value of a form field.
fn field(body: &Bytes, name: &str) -> Option<String> {
    fields(body, name).into_iter().next()
}

/// Returns all values of a form field.
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

/// `GET /icon.svg?unread=N`: icon of the page with the number of unread messages.
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
                // With the stricter `no-referrer`, browsers would send "Origin: null" with the forms of these pages.
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
    use crate::clock::{Clock as _, SystemClock};
    use crate::inbox::Inbox;
    use crate::inbox::tests::{Counting, received};

    /// Renders the list, the question before deleting all messages, and each message with each of its tabs.
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
    fn a_place_can_be_read_back_from_its_url() {
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
    async fn deleted_messages_are_discarded_later_even_if_the_client_disconnects() {
        let inbox = Arc::new(Inbox::new(10, 1 << 20, Arc::new(Counting::default())));
        let source = received(b"Subject: x\r\n\r\n", "x@y", &["z@y"]);
        let message = inbox.store_own(source, vec![], SystemClock.now()).unwrap();
        let state = ApiState::for_tests(Arc::clone(&inbox), Arc::new(SystemClock));
        let id = message.id.to_string();
        let (uri, form) = (Uri::from_static("/"), Bytes::from_static(b"do=delete"));
        let mut answer = Box::pin(act_on_one(State(state), Path(id), uri, form));
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
