//! Handlers of the pages and of the list alone.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse as _, Response};

use super::actions::DELETION;
use super::message_list::MessageList;
use super::message_page::MessagePage;
use super::page::{ListFragment, Notice, Page};
use super::place::Place;
use super::smtp_address::SmtpAddress;
use crate::web_port::access_control::is_from_another_site;
use crate::web_port::background::run_blocking;
use crate::web_port::request::parameter;
use crate::web_port::state::WebState;

/// `GET /`: the list and the address of the SMTP server.
pub(crate) async fn show_inbox(
    State(state): State<WebState>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let place = Place::from_uri(&uri);
    render_list(&state.clone(), place, move |place| {
        Page {
            notice: Notice::for_deletion(&state, parameter(&uri, DELETION)),
            ..Page::without_message(&state, &headers, place)
        }
        .into_response()
    })
    .await
}

/// `GET /list`: only the list, which the script fetches after an event.
pub(crate) async fn show_list(State(state): State<WebState>, uri: Uri) -> Response {
    let place = Place::from_uri(&uri);
    let opened = parameter(&uri, "open");
    render_list(&state.clone(), place, move |place| {
        let list = MessageList::new(&state, place, opened.as_deref());
        ListFragment { list }.into_response()
    })
    .await
}

/// Renders a list on a blocking thread. Searches run one at a time.
async fn render_list(
    state: &WebState,
    place: Place,
    render: impl FnOnce(Place) -> Response + Send + 'static,
) -> Response {
    let response = if place.query.is_empty() {
        run_blocking(move || render(place)).await
    } else {
        state.searches.run(move || render(place)).await
    };
    response.unwrap_or_else(|failure| failure)
}

/// `GET /view/ID`: the list and one message, which is marked as read unless a page of another site opened it. If there is
/// no such message, the page reports it.
pub(crate) async fn show_message(
    State(state): State<WebState>,
    id: String,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let reservation = match state.inbox.get(&id) {
        Some(message) => Some(state.response_memory.reserve_for(&message).await),
        None => None,
    };
    let page = run_blocking(move || {
        let _reservation = reservation;
        let place = Place::from_uri(&uri);
        let found = state.inbox.get(&id);
        if let Some(message) = &found
            && !is_from_another_site(&headers)
        {
            state.inbox.mark_read(message);
        }
        let now = state.clock.now();
        Page {
            is_gone: found.is_none(),
            message: found.map(|message| MessagePage::new(&message, &place, &uri, now)),
            question: None,
            notice: Notice::for_deletion(&state, parameter(&uri, DELETION)),
            list: MessageList::new(&state, place, Some(&id)),
            send_to: SmtpAddress::new(&state, &headers),
        }
        .into_response()
    });
    page.await.unwrap_or_else(|failure| failure)
}
