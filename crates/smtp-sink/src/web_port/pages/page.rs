//! A whole page: the list, and next to it one message or a question.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;

use super::formatting::format_count;
use super::message_list::MessageList;
use super::message_page::MessagePage;
use super::place::Place;
use super::question::Question;
use super::smtp_address::SmtpAddress;
use super::templates::{self, TemplateError};
use crate::web_port::state::WebState;

/// Content security policy of the pages. It allows scripts and frames of this port only, and no part of a mail is served as a
/// script (see [`part`](crate::web_port::api::part)). It limits the damage if escaping should ever fail.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Data of the page template.
#[derive(Serialize)]
pub(super) struct Page {
    pub(super) list: MessageList,
    pub(super) message: Option<MessagePage>,
    pub(super) question: Option<Question>,
    pub(super) notice: Option<Notice>,
    /// The requested message does not exist.
    pub(super) is_gone: bool,
    pub(super) send_to: SmtpAddress,
}

impl Page {
    pub(super) fn without_message(state: &WebState, headers: &HeaderMap, place: Place) -> Page {
        Page {
            list: MessageList::new(state, place, None),
            message: None,
            question: None,
            notice: None,
            is_gone: false,
            send_to: SmtpAddress::new(state, headers),
        }
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let status = match (self.is_gone, self.list.has_problem()) {
            (true, _) => StatusCode::NOT_FOUND,
            (false, true) => StatusCode::BAD_REQUEST,
            (false, false) => StatusCode::OK,
        };
        html_response(status, templates::render("page.html", &self))
    }
}

/// Result of the last action, shown at the top of a page.
#[derive(Debug, Serialize)]
pub(super) struct Notice {
    text: String,
    /// Id of the deletion that can be undone.
    deletion: Option<String>,
}

impl Notice {
    pub(super) fn new(text: &str) -> Notice {
        Notice {
            text: text.to_owned(),
            deletion: None,
        }
    }

    /// Returns the notice about a deletion, as long as the deletion can be undone.
    pub(super) fn for_deletion(state: &WebState, deletion: Option<String>) -> Option<Notice> {
        let deletion = deletion?;
        let count = state.inbox.restorable(&deletion, state.clock.now());
        (count > 0).then(|| Notice {
            text: format!("{} deleted", format_count(count, "message")),
            deletion: Some(deletion),
        })
    }
}

/// The list without a page around it.
#[derive(Serialize)]
pub(super) struct ListFragment {
    pub(super) list: MessageList,
}

impl IntoResponse for ListFragment {
    fn into_response(self) -> Response {
        // The list itself reports an invalid search.
        html_response(StatusCode::OK, templates::render("list.html", &self))
    }
}

fn html_response(status: StatusCode, html: Result<String, TemplateError>) -> Response {
    match html {
        Ok(html) => (
            status,
            [
                (header::CONTENT_SECURITY_POLICY, POLICY),
                // With the stricter `no-referrer`, browsers would send "Origin: null" with the forms of these pages.
                (header::REFERRER_POLICY, "same-origin"),
            ],
            Html(html),
        )
            .into_response(),
        Err(error) => error.into_response(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::web_port::pages::message_page::Tab;

    /// Renders the list, the question before deleting all messages, and each message with each of its tabs.
    pub(crate) fn render_all(state: &WebState) -> String {
        let list = Page::without_message(state, &HeaderMap::new(), Place::default());
        let question = Page {
            question: Question::for_place(state, &Place::default()).unwrap(),
            ..Page::without_message(state, &HeaderMap::new(), Place::default())
        };
        let mut text = String::new();
        for page in [list, question] {
            text.push_str(&templates::render("page.html", &page).unwrap());
        }
        for message in state.inbox.list(0, 0, None) {
            for tab in Tab::ALL {
                let uri = format!("/view/x?tab={}", tab.name()).parse().unwrap();
                let place = Place::default();
                let now = state.clock.now();
                let page = Page {
                    message: Some(MessagePage::new(&message, &place, &uri, now)),
                    question: None,
                    notice: None,
                    list: MessageList::new(state, place, Some(&message.id.0)),
                    is_gone: false,
                    send_to: SmtpAddress::new(state, &HeaderMap::new()),
                };
                text.push_str(&templates::render("page.html", &page).unwrap());
            }
        }
        text
    }
}
