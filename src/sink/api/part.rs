//! `/api/v1/message/{id}/part/{part}`: one part of a message, decoded.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::answer::{Reservation, held_response};
use super::{ApiState, blocking, find, not_found};
use crate::sink::view::{self, Attachment};

/// Policy for a part: it runs nothing, loads nothing, and has an opaque origin.
const POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// Types that a browser shows; each is pixels or text. Any other part is a download: HTML, SVG and XML connect to other
/// servers by elements that no policy stops, and PDF and media playlists name what else to load. Browsers take the type from
/// the header alone (`nosniff`).
const SHOWN: [&str; 9] = [
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

/// A grey picture of 180 by 120.
const BLANK: &[u8] = include_bytes!("blank.jpg");

/// Characters of a file's name that are said.
const LONGEST_NAME: usize = 200;

/// The bytes of a part.
pub async fn show(
    State(state): State<ApiState>,
    Path((id, part)): Path<(String, String)>,
    uri: Uri,
) -> Response {
    match read(&state, &id, &part, &uri).await {
        Ok((part, reservation)) => held_response(answer(part), reservation).await,
        Err(refusal) => refusal,
    }
}

/// A small picture of a part. It is a blank one always: pictures are for who opens the message.
pub async fn thumb(
    State(state): State<ApiState>,
    Path((id, part)): Path<(String, String)>,
    uri: Uri,
) -> Response {
    match read(&state, &id, &part, &uri).await {
        Ok(_) => ([(header::CONTENT_TYPE, "image/jpeg")], BLANK).into_response(),
        Err(refusal) => refusal,
    }
}

async fn read(
    state: &ApiState,
    id: &str,
    part: &str,
    uri: &Uri,
) -> Result<(Attachment, Reservation), Response> {
    let message = find(state, id, uri).await?;
    let reservation = state.answers.reserve_for(&message).await;
    let part = part.to_owned();
    let found = blocking(move || view::part(&message, &part)).await?;
    Ok((found.ok_or_else(not_found)?, reservation))
}

fn answer(part: Attachment) -> Response {
    let header_value = |text: String| HeaderValue::from_str(&text).ok();
    let content_type = header_value(harmless(with_charset(&part)))
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

/// Type of a part with the charset that it names, so that a text is read as it was meant.
fn with_charset(part: &Attachment) -> String {
    let is_token = |char: char| char.is_ascii_alphanumeric() || "-_.:+".contains(char);
    match &part.charset {
        Some(charset) if charset.chars().all(is_token) => {
            format!("{}; charset={charset}", part.content_type)
        }
        _ => part.content_type.clone(),
    }
}

/// The type of a part, but for those that a page of this port would run or be dressed by: the mail chose it, and the pages
/// of the inbox allow scripts and style sheets of their own port.
fn harmless(content_type: String) -> String {
    let kind = content_type.to_ascii_lowercase();
    let obeyed = ["javascript", "ecmascript", "jscript", "livescript", "/css"];
    match obeyed.iter().any(|word| kind.contains(word)) {
        true => "text/plain; charset=utf-8".to_owned(),
        false => content_type,
    }
}

/// Returns the Content-Disposition of a part. A name beyond ASCII is given twice, the second time encoded (RFC 6266, 4.3).
fn disposition(part: &Attachment) -> String {
    let name = part.file_name.as_str();
    let kind = part.content_type.as_str();
    let is_shown = SHOWN.iter().any(|shown| kind.eq_ignore_ascii_case(shown));
    // Browsers limit the length of headers.
    let end = name
        .char_indices()
        .nth(LONGEST_NAME)
        .map_or(name.len(), |(at, _)| at);
    let name = &name[..end];
    let is_plain = |char: char| (char == ' ' || char.is_ascii_graphic()) && !"\"\\".contains(char);
    let ascii = name.replace(|char: char| !is_plain(char), "_");
    let disposition = match is_shown {
        true => "inline",
        false => "attachment",
    };
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
    fn no_part_is_a_script_or_a_style_sheet() {
        for (given, served) in [
            ("text/javascript", "text/plain; charset=utf-8"),
            ("Application/ECMAScript", "text/plain; charset=utf-8"),
            ("text/css; charset=utf-8", "text/plain; charset=utf-8"),
            ("image/svg+xml", "image/svg+xml"),
            ("text/csv", "text/csv"),
            ("application/postscript", "application/postscript"),
        ] {
            assert_eq!(harmless(given.to_owned()), served);
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
    fn only_pixels_and_plain_text_are_shown_and_every_other_part_is_a_download() {
        for kind in SHOWN.iter().chain(&["IMAGE/Png"]) {
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
    fn a_charset_is_named_where_it_is_a_word() {
        let part = |charset: Option<&str>| Attachment {
            charset: charset.map(str::to_owned),
            ..attachment("text/csv", "a")
        };
        assert_eq!(with_charset(&part(None)), "text/csv");
        assert_eq!(
            with_charset(&part(Some("utf-16"))),
            "text/csv; charset=utf-16"
        );
        assert_eq!(with_charset(&part(Some("a\"; x=\"b"))), "text/csv");
    }

    #[test]
    fn a_name_says_nothing_but_a_name() {
        let named = |name: &str| disposition(&attachment("text/plain", name));
        assert_eq!(named("a b.pdf"), "inline; filename=\"a b.pdf\"");
        assert_eq!(
            named("x\"\r\nSet-Cookie: é"),
            "inline; filename=\"x___Set-Cookie: _\"; filename*=UTF-8''x%22%0D%0ASet-Cookie%3A%20%C3%A9"
        );
    }
}
