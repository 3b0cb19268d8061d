//! Answers to what is not HTTP. hyper gives them by itself, and without a body.

use super::error::Code;

/// Returns the answer to send in place of hyper's own, and `None` for any other bytes. hyper's answers are the ones without
/// a body and a request id; a piece of a body has no such line ends, in JSON and in our pages.
pub fn answer_instead(bytes: &[u8]) -> Option<Vec<u8>> {
    let head = std::str::from_utf8(bytes.get(..bytes.len().min(1024))?).ok()?;
    let status_line = head.strip_prefix("HTTP/1.1 4")?;
    let is_hypers = bytes.len() < 1024
        && head.ends_with("\r\n\r\n")
        && head.contains("content-length: 0\r\n")
        && !head.contains("x-request-id");
    if !is_hypers {
        return None;
    }
    let (status, reason, message, code) = match status_line.get(..2)? {
        "14" => (
            414,
            "URI Too Long",
            "The path is too long",
            Code::PayloadTooLarge,
        ),
        "31" => (
            431,
            "Request Header Fields Too Large",
            "Too many or too large headers: at most 128 KiB are allowed",
            Code::PayloadTooLarge,
        ),
        _ => (
            400,
            "Bad Request",
            "Request is missing required fields",
            Code::SchemaValidation,
        ),
    };
    let fields = if status == 400 {
        r#","fields":{"request":"is not valid HTTP/1.1"}"#
    } else {
        ""
    };
    let code = code.as_str();
    let body = format!(r#"{{"message":"{message}","status":{status},"code":"{code}"{fields}}}"#);
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
    fn only_answers_of_hyper_itself_are_replaced() {
        let own = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        let instead = String::from_utf8(answer_instead(own.as_bytes()).unwrap()).unwrap();
        assert!(instead.ends_with(
            r#""code":"schema_validation","fields":{"request":"is not valid HTTP/1.1"}}"#
        ));
        for other in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\nx-request-id: 1\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
            "",
        ] {
            assert_eq!(answer_instead(other.as_bytes()), None, "{other}");
        }
    }
}
