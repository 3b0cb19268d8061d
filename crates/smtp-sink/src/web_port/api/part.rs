//! `/api/v1/message/{id}/part/{part}`: one part of a message, decoded.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use crate::view::{self, Attachment};
use crate::web_port::background::run_blocking;
use crate::web_port::bounded_response::{Reservation, hold_response};
use crate::web_port::request::find_message;
use crate::web_port::responses::not_found;
use crate::web_port::state::WebState;

/// Policy for a part: it runs no scripts, loads nothing, and has an opaque origin.
const POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// Media types that a browser displays; each is pixels or plain text. All other parts are downloads: HTML, SVG and XML contain
/// elements that connect to other servers in spite of any policy, and PDF and media playlists name further resources. With
/// `nosniff`, browsers use only the type in the header.
const DISPLAYED_TYPES: [&str; 9] = [
    "image/apng",
    "image/avif",
    "image/bmp",
    "image/gif",
    "image/jpeg",
    "image/jpg",
    "image/png",
    "image/webp",
    "text/plain",
];

/// Grey picture of 180 by 120 pixels.
const BLANK_PICTURE: &[u8] = include_bytes!("blank.jpg");

/// Maximum number of characters of a file name in the header.
const MAX_NAME_CHARS: usize = 200;

/// `GET …/part/{part}`: returns the decoded bytes of a part.
pub(crate) async fn show(
    State(state): State<WebState>,
    Path((id, part)): Path<(String, String)>,
    uri: Uri,
) -> Response {
    match find_part(&state, &id, &part, &uri).await {
        Ok((part, reservation)) => hold_response(part_response(part), reservation).await,
        Err(refusal) => refusal,
    }
}

/// `GET …/part/{part}/thumb`: returns a blank picture, for every part. The pictures themselves are shown only on the page of
/// the message.
pub(crate) async fn thumb(
    State(state): State<WebState>,
    Path((id, part)): Path<(String, String)>,
    uri: Uri,
) -> Response {
    match find_part(&state, &id, &part, &uri).await {
        Ok(_) => ([(header::CONTENT_TYPE, "image/jpeg")], BLANK_PICTURE).into_response(),
        Err(refusal) => refusal,
    }
}

async fn find_part(
    state: &WebState,
    id: &str,
    part: &str,
    uri: &Uri,
) -> Result<(Attachment, Reservation), Response> {
    let message = find_message(state, id, uri).await?;
    let reservation = state.response_memory.reserve_for(&message).await;
    let part = part.to_owned();
    let found = run_blocking(move || view::part(&message, &part)).await?;
    Ok((found.ok_or_else(not_found)?, reservation))
}

fn part_response(part: Attachment) -> Response {
    let header_value = |text: String| HeaderValue::from_str(&text).ok();
    let content_type = header_value(inert_type(type_with_charset(&part)))
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let disposition =
        header_value(disposition(&part)).unwrap_or(HeaderValue::from_static("attachment"));
    (
        StatusCode::OK,
        [
            (header::CONTENT_TYPE, content_type),
            (header::CONTENT_DISPOSITION, disposition),
            (
                header::CONTENT_SECURITY_POLICY,
                HeaderValue::from_static(POLICY),
            ),
        ],
        part.bytes,
    )
        .into_response()
}

/// Returns the media type of a part with its charset, so that text is decoded correctly.
fn type_with_charset(part: &Attachment) -> String {
    let is_token = |char: char| char.is_ascii_alphanumeric() || "-_.:+".contains(char);
    match &part.charset {
        Some(charset) if charset.chars().all(is_token) => {
            format!("{}; charset={charset}", part.content_type)
        }
        _ => part.content_type.clone(),
    }
}

/// Replaces media types of scripts and style sheets by plain text. The mail chooses the type, and the pages of the inbox allow
/// scripts and style sheets of their own port.
fn inert_type(content_type: String) -> String {
    let lower = content_type.to_ascii_lowercase();
    let active = ["javascript", "ecmascript", "jscript", "livescript", "/css"];
    if active.iter().any(|word| lower.contains(word)) {
        "text/plain; charset=utf-8".to_owned()
    } else {
        content_type
    }
}

/// Returns the Content-Disposition of a part. A name with other characters than printable ASCII is given twice, the second time
/// encoded (RFC 6266, section 4.3).
fn disposition(part: &Attachment) -> String {
    let name = part.file_name.as_str();
    let is_displayed = DISPLAYED_TYPES
        .iter()
        .any(|displayed| part.content_type.eq_ignore_ascii_case(displayed));
    // Browsers limit the length of headers.
    let end = name
        .char_indices()
        .nth(MAX_NAME_CHARS)
        .map_or(name.len(), |(at, _)| at);
    let name = &name[..end];
    let is_plain = |char: char| (char == ' ' || char.is_ascii_graphic()) && !"\"\\".contains(char);
    let ascii = name.replace(|char: char| !is_plain(char), "_");
    let disposition = if is_displayed { "inline" } else { "attachment" };
    let mut value = format!("{disposition}; filename=\"{ascii}\"");
    if ascii != name {
        let encoded: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        value.push_str(&format!(
            "; filename*=UTF-8''{}",
            encoded.replace('+', "%20")
        ));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_and_style_sheets_are_served_as_plain_text() {
        for (given, served) in [
            ("text/javascript", "text/plain; charset=utf-8"),
            ("Application/ECMAScript", "text/plain; charset=utf-8"),
            ("text/css; charset=utf-8", "text/plain; charset=utf-8"),
            ("image/svg+xml", "image/svg+xml"),
            ("text/csv", "text/csv"),
            ("application/postscript", "application/postscript"),
        ] {
            assert_eq!(inert_type(given.to_owned()), served);
        }
    }

    fn attachment(content_type: &str, file_name: &str) -> Attachment {
        Attachment {
            part_id: "1".to_owned(),
            file_name: file_name.to_owned(),
            content_type: content_type.to_owned(),
            charset: None,
            content_id: String::new(),
            bytes: axum::body::Bytes::new(),
        }
    }

    #[test]
    fn only_pixels_and_plain_text_are_displayed_inline() {
        for kind in DISPLAYED_TYPES.iter().chain(&["IMAGE/Png"]) {
            assert_eq!(
                disposition(&attachment(kind, "a")),
                "inline; filename=\"a\""
            );
        }
        for kind in [
            "text/html",
            "application/xhtml+xml",
            "image/svg+xml",
            "text/xml",
            "application/xml",
            "application/rss+xml",
            "application/mathml+xml",
            "text/xsl",
            "application/pdf",
            "text/javascript",
            "text/css",
            "multipart/related",
            "multipart/x-mixed-replace",
            "message/rfc822",
            "application/signed-exchange",
            "application/x-mpegurl",
            "audio/mpegurl",
            "video/mp4",
            "application/octet-stream",
            "image/png;text/html",
            "image/png, text/html",
            "text/plain+xml",
            "",
        ] {
            assert_eq!(
                disposition(&attachment(kind, "a")),
                "attachment; filename=\"a\""
            );
        }
    }

    #[test]
    fn an_invalid_charset_is_left_out() {
        let part = |charset: Option<&str>| Attachment {
            charset: charset.map(str::to_owned),
            ..attachment("text/csv", "a")
        };
        assert_eq!(type_with_charset(&part(None)), "text/csv");
        assert_eq!(
            type_with_charset(&part(Some("utf-16"))),
            "text/csv; charset=utf-16"
        );
        assert_eq!(type_with_charset(&part(Some("a\"; x=\"b"))), "text/csv");
    }

    #[test]
    fn a_file_name_cannot_inject_headers_or_parameters() {
        let named = |name: &str| disposition(&attachment("text/plain", name));
        assert_eq!(named("a b.pdf"), "inline; filename=\"a b.pdf\"");
        assert_eq!(
            named("x\"\r\nSet-Cookie: é"),
            "inline; filename=\"x___Set-Cookie: _\"; filename*=UTF-8''x%22%0D%0ASet-Cookie%3A%20%C3%A9"
        );
    }
}
