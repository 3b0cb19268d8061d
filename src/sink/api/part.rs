//! `/api/v1/message/{id}/part/{part}`: one part of a message, decoded.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::answer::{Reservation, held_response};
use super::{ApiState, blocking, find, not_found};
use crate::sink::view::{self, Attachment};

/// A part may be a page of somebody's: it runs nothing, and is nobody's origin.
const POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:";

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
        header_value(disposition(&part.file_name)).unwrap_or(HeaderValue::from_static("inline"));
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

/// A name beyond ASCII is said twice, the second time encoded (RFC 6266 4.3).
fn disposition(name: &str) -> String {
    // Browsers take no header without an end.
    let end = name
        .char_indices()
        .nth(LONGEST_NAME)
        .map_or(name.len(), |(at, _)| at);
    let name = &name[..end];
    let is_plain = |char: char| (char == ' ' || char.is_ascii_graphic()) && !"\"\\".contains(char);
    let ascii = name.replace(|char: char| !is_plain(char), "_");
    let mut value = format!("inline; filename=\"{ascii}\"");
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

    #[test]
    fn a_charset_is_named_where_it_is_a_word() {
        let part = |charset: Option<&str>| Attachment {
            part_id: "1".to_owned(),
            file_name: "a".to_owned(),
            content_type: "text/csv".to_owned(),
            charset: charset.map(str::to_owned),
            content_id: String::new(),
            bytes: axum::body::Bytes::new(),
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
        assert_eq!(disposition("a b.pdf"), "inline; filename=\"a b.pdf\"");
        assert_eq!(
            disposition("x\"\r\nSet-Cookie: é"),
            "inline; filename=\"x___Set-Cookie: _\"; filename*=UTF-8''x%22%0D%0ASet-Cookie%3A%20%C3%A9"
        );
    }
}
