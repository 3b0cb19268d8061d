//! Style sheet, scripts and icon of the pages.

use axum::http::{Uri, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::templates;
use crate::web_port::request::parameter;
use crate::web_port::responses::not_found;

/// Files of the pages: name, media type, content.
const ASSETS: [(&str, &str, &str); 3] = [
    (
        "inbox.css",
        "text/css; charset=utf-8",
        include_str!("../../../templates/inbox.css"),
    ),
    (
        "inbox.js",
        "text/javascript; charset=utf-8",
        include_str!("../../../templates/inbox.js"),
    ),
    (
        "theme.js",
        "text/javascript; charset=utf-8",
        include_str!("../../../templates/theme.js"),
    ),
];

/// `GET /inbox.css`, `/inbox.js` and `/theme.js`.
pub(crate) async fn asset(uri: Uri) -> Response {
    let name = uri.path().trim_start_matches('/');
    match ASSETS.iter().find(|(known, ..)| *known == name) {
        Some((_, content_type, text)) => {
            ([(header::CONTENT_TYPE, *content_type)], *text).into_response()
        }
        None => not_found(),
    }
}

/// `GET /icon.svg?unread=N`: icon of the page with the number of unread messages.
pub(crate) async fn icon(uri: Uri) -> Response {
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
        Err(error) => error.into_response(),
    }
}

#[derive(Serialize)]
struct Icon {
    unread: String,
    is_long: bool,
}
