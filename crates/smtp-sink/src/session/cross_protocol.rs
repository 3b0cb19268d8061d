//! Recognition of lines that no SMTP client sends: HTTP requests, headers, other protocols (cross-protocol attacks).
//!
//! A web page can make a browser send an HTTP request with any path and body to this port. If the session answered the
//! request line with an error and read on, the body could hold a whole SMTP dialogue. The session therefore ends at the
//! first such line, as Postfix does with `smtpd_forbidden_commands`.
//!
//! The functions take bytes, because a hostile line need not be UTF-8.

/// Verbs of RFC 821, RFC 5321, RFC 2033 and of the extensions registered with IANA.
const VERBS: &[&str] = &[
    "EHLO", "HELO", "LHLO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT", "VRFY", "EXPN", "HELP",
    "SEND", "SOML", "SAML", "TURN", "ETRN", "ATRN", "AUTH", "STARTTLS", "BDAT", "BURL", "VERB",
    "ONEX",
];

/// HTTP methods that are recognized wherever the line names the protocol.
const METHODS: &[&str] = &["GET", "POST", "PUT", "CONNECT", "OPTIONS", "HEAD"];

/// Returns whether an SMTP session may begin with this line: it is blank or its first word is an SMTP verb.
pub(super) fn may_open_session(line: &[u8]) -> bool {
    match first_word(line) {
        None => true,
        Some(word) => is_one_of(word, VERBS),
    }
}

/// Returns whether this byte starts no line of text, as in a TLS handshake.
pub(super) fn is_binary(first: u8) -> bool {
    first.is_ascii_control() && !first.is_ascii_whitespace()
}

/// Returns whether a line is an HTTP request line: `method SP target SP HTTP/version`. The method is any word, also one
/// that is an SMTP verb.
pub(super) fn is_request_line(line: &[u8]) -> bool {
    let words: Vec<&[u8]> = words(line).collect();
    let names_protocol = |word: &[u8]| {
        word.get(..5)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"HTTP/"))
    };
    match words[..] {
        [method, .., last] => {
            (words.len() > 2 && names_protocol(last))
                || (is_one_of(method, METHODS) && line.windows(5).any(names_protocol))
        }
        _ => false,
    }
}

/// Returns whether a line that was cut at its limit begins as an HTTP request line: `method SP target`, where the target
/// is a path or a URL and the method is not an SMTP verb.
pub(super) fn begins_request_line(line: &[u8]) -> bool {
    let mut words = words(line);
    match (words.next(), words.next()) {
        (Some(method), Some(target)) => {
            let is_target = target.starts_with(b"/") || target.windows(3).any(|at| at == b"://");
            !is_one_of(method, VERBS) && is_target
        }
        _ => false,
    }
}

/// Returns whether a line is a header of HTTP or of a message: a name that begins with a letter, then a colon.
pub(super) fn is_header(line: &[u8]) -> bool {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let name = line.iter().take_while(|byte| is_name(byte)).count();
    line.first().is_some_and(u8::is_ascii_alphabetic) && line.get(name) == Some(&b':')
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
}

fn first_word(line: &[u8]) -> Option<&[u8]> {
    words(line).next()
}

fn is_one_of(word: &[u8], list: &[&str]) -> bool {
    list.iter()
        .any(|one| word.eq_ignore_ascii_case(one.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_line_is_recognized_whatever_its_method() {
        for line in [
            "GET / HTTP/1.1",
            "DELETE /x HTTP/1.1",
            "HELO / HTTP/1.1",
            "EHLO /a%20b HTTP/2",
            "noop * http/1.0",
            "POST  http://h/x y HTTP/1.1 ",
            "CONNECT h:1 HTTP/1.1 x",
            "X\u{e9} / HTTP/1.1",
        ] {
            assert!(is_request_line(line.as_bytes()), "{line}");
        }
        assert!(is_request_line(b"GET /\xff\0 HTTP/1.1"));
        for line in [
            "EHLO http",
            "NOOP HTTP/1.1",
            "HELO HTTP/1.1",
            "MAIL FROM:<a@b> ENVID=HTTP/1",
            "",
            "QUIT",
        ] {
            assert!(!is_request_line(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn a_line_that_was_cut_begins_a_request_by_its_target() {
        for line in ["POST /a", "PROPFIND http://h/a", "X ws://h"] {
            assert!(begins_request_line(line.as_bytes()), "{line}");
        }
        for line in ["POST a", "X a:/b", "MAIL /a", "EHLO http://h", "POST", ""] {
            assert!(!begins_request_line(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn a_header_is_recognized_and_a_command_is_not_one() {
        for line in ["Host: x", "content-type:", "X-A_1: b", "Sec-CH-UA: ?"] {
            assert!(is_header(line.as_bytes()), "{line}");
        }
        for line in [
            "MAIL FROM:<a@b>",
            "RCPT TO:c",
            "EHLO [IPv6:::1]",
            ":",
            "1:2",
            "",
            "a b: c",
        ] {
            assert!(!is_header(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn a_session_begins_with_a_verb_in_any_case_or_a_blank_line() {
        for line in ["ehlo x", "EHLO", "\tNoOp x", "quit", "EXPN x", "", "  "] {
            assert!(may_open_session(line.as_bytes()), "{line}");
        }
        for line in [
            "PATCH /",
            "EHLOX",
            "E",
            "\u{16}\u{3}\u{1}",
            "SSH-2.0-x",
            "EHLO:x",
        ] {
            assert!(!may_open_session(line.as_bytes()), "{line}");
        }
        assert!(is_binary(0x16) && is_binary(0) && !is_binary(b'\r') && !is_binary(b'E'));
    }

    #[test]
    fn the_beginning_of_a_long_request_line_is_enough() {
        assert!(begins_request_line(b"TRACE /aaaaaaaa"));
        assert!(begins_request_line(b"GET http://h/aaaa"));
        assert!(!begins_request_line(b"MAIL /aaaa"));
        assert!(!begins_request_line(b"AAAAAAAA"));
    }
}
