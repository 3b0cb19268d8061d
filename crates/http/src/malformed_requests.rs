//! Responses to bytes that are not a valid HTTP request. hyper writes these responses itself, without a body.

use super::error::{ApiError, Refusal};

/// Returns the response to send in place of one that hyper wrote itself, and `None` for any other bytes. Only hyper's own
/// responses have neither a body nor a request id. A chunk of a body is not mistaken for one: JSON and pages contain no such
/// line ends.
pub fn replace_response(bytes: &[u8]) -> Option<Vec<u8>> {
    let head = std::str::from_utf8(bytes.get(..bytes.len().min(1024))?).ok()?;
    let status_line = head.strip_prefix("HTTP/1.1 4")?;
    let is_from_hyper = bytes.len() < 1024
        && head.ends_with("\r\n\r\n")
        && head.contains("content-length: 0\r\n")
        && !head.contains("x-request-id");
    if !is_from_hyper {
        return None;
    }
    let refusal = Refusal::from(match status_line.get(..2)? {
        "14" => ApiError::UriTooLong,
        "31" => ApiError::HeadersTooLarge,
        _ => ApiError::field("request", "is not valid HTTP/1.1"),
    });
    let status = refusal.status.as_u16();
    let reason = refusal.status.canonical_reason().unwrap_or_default();
    let body = refusal.body();
    tracing::debug!(status, "a request is not valid HTTP");
    Some(
        format!(
            "HTTP/1.1 {status} {reason}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n\
             referrer-policy: no-referrer\r\n\r\n{body}",
            body.len()
        )
        .into_bytes(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_responses_of_hyper_itself_are_replaced() {
        for (status, body) in [
            (
                "400 Bad Request",
                r#"{"message":"Request is missing required fields","status":400,"code":"schema_validation","fields":{"request":"is not valid HTTP/1.1"}}"#,
            ),
            (
                "414 URI Too Long",
                r#"{"message":"The path is too long","status":414,"code":"payload_too_large"}"#,
            ),
            (
                "431 Request Header Fields Too Large",
                r#"{"message":"Too many or too large headers: at most 128 KiB are allowed","status":431,"code":"payload_too_large"}"#,
            ),
        ] {
            let own = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\ndate: x\r\n\r\n");
            let replaced = String::from_utf8(replace_response(own.as_bytes()).unwrap()).unwrap();
            assert!(
                replaced.starts_with(&format!("HTTP/1.1 {status}\r\nconnection: close\r\n")),
                "{replaced}"
            );
            assert_eq!(replaced.split_once("\r\n\r\n").unwrap().1, body);
        }
        for other in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\nx-request-id: 1\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
            "",
        ] {
            assert_eq!(replace_response(other.as_bytes()), None, "{other}");
        }
    }
}
