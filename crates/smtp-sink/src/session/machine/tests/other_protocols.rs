//! Lines that no SMTP client sends end the session, and nothing after them is stored.

use super::*;

/// Message that is stored if the session continues.
pub(super) const SMUGGLED: &str =
    "\r\nEHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n\r\n.\r\nQUIT\r\n";

/// Returns the codes after the banner. They are the same for all divisions into pieces, and nothing is stored.
fn codes_of_refused_session(sent: &[u8]) -> Vec<u16> {
    let whole = play(sent, &[usize::MAX], 0, Limits::default());
    for cut in [1, 7, 1460] {
        let (effects, stored) = play(sent, &[cut], 0, Limits::default());
        assert!(
            (effects, stored) == whole,
            "pieces of {cut} bytes change something"
        );
    }
    assert!(whole.1.is_empty(), "{} bytes store a message", sent.len());
    assert_eq!(whole.0.last(), Some(&Effect::Close));
    codes(&whole.0)[1..].to_vec()
}

#[test]
fn a_first_line_that_is_not_a_command_ends_the_session() {
    for first in [
        "GET / HTTP/1.1".to_owned(),
        "POST / HTTP/1.1".into(),
        "DELETE / HTTP/1.1".into(),
        "PATCH /x HTTP/1.1".into(),
        "TRACE / HTTP/1.0".into(),
        "M-SEARCH * HTTP/1.1".into(),
        "PRI * HTTP/2.0".into(),
        "HELO / HTTP/1.1".into(),
        "EHLO /x HTTP/1.1".into(),
        "noop / http/1.1".into(),
        "RSET / HTTP/1.1".into(),
        "GET /".into(),
        "Host: localhost".into(),
        "SSH-2.0-OpenSSH".into(),
        format!("POST /{} HTTP/1.1", "a".repeat(20_000)),
        format!("EHLO /{} HTTP/1.1", "a".repeat(70_000)),
        format!("X: {}", "a".repeat(20_000)),
        // One line, since only LF ends a line.
        "GET / HTTP/1.1\rHELO x\r".into(),
        "\0GET / HTTP/1.1".into(),
        "\u{16}\u{3}\u{1}\u{2}\0".into(),
    ] {
        assert_eq!(
            codes_of_refused_session(format!("{first}{SMUGGLED}").as_bytes()),
            [421]
        );
    }
    let latin = [b"\xe9 / HTTP/1.1", SMUGGLED.as_bytes()].concat();
    assert_eq!(codes_of_refused_session(&latin), [421]);
}

#[test]
fn a_first_line_without_an_end_ends_the_session_at_the_limit() {
    for sent in [
        [b"GET /".to_vec(), vec![b'a'; 20_000]].concat(),
        [b"HELO ".to_vec(), vec![b'\r'; 20_000]].concat(),
        b"\x16\x03\x01".to_vec(),
    ] {
        assert_eq!(codes_of_refused_session(&sent), [421]);
    }
}

#[test]
fn http_and_headers_end_the_session_at_any_time() {
    let long = format!("PATCH /{} HTTP/1.1", "a".repeat(20_000));
    for foreign in [
        "POST / HTTP/1.1",
        "VRFY / HTTP/1.1",
        "Host: x",
        "subject: x",
        &long,
    ] {
        for (before, expected) in [
            ("NOOP\r\nRSET\r\nHELP\r\n", &[250, 250, 214][..]),
            ("EHLO x\r\n", &[250]),
            ("EHLO x\r\nAUTH LOGIN\r\n", &[250, 334]),
            ("LHLO x\r\nMAIL FROM:<a@b>\r\n", &[250, 250]),
            (
                "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n",
                &[250, 250, 250],
            ),
            (
                "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 1\r\nx",
                &[250, 250, 250, 250],
            ),
        ] {
            let codes = codes_of_refused_session(format!("{before}{foreign}{SMUGGLED}").as_bytes());
            assert_eq!(
                codes,
                [expected, &[421]].concat(),
                "{foreign} after {before}"
            );
        }
    }
}

#[test]
fn within_tls_a_session_opens_with_a_command_too() {
    let request = format!("PATCH /{} HTTP/1.1{SMUGGLED}", "a".repeat(20_000));
    let mut upgraded = connected(Setup::new("here"));
    assert_eq!(send(&mut upgraded, "EHLO x\r\nSTARTTLS\r\n"), [250, 220]);
    step(&mut upgraded, Input::Secured("TLS 1.3"));
    let implicit = Setup {
        tls: Some("TLS 1.3".to_owned()),
        ..Setup::new("here")
    };
    for mut session in [upgraded, connected(implicit)] {
        assert_eq!(send(&mut session, &request), [421]);
        assert!(session.is_closed());
    }
}

#[test]
fn known_verbs_keep_their_replies_before_ehlo() {
    let sent = "\r\nNOOP x\r\nRSET\r\nhelp\r\nVRFY\r\nMAIL FROM:<a@b>\r\nBDAT 3\r\nA: EXPN x\r\n\
                DATA x\r\nETRN x\r\nNOOP \u{e9}\u{1}\r\nEHLO\r\nHELO x\r\nFOO\r\nQUIT\r\n";
    assert_eq!(
        reply_codes(sent.as_bytes()),
        [
            500, 250, 250, 214, 501, 503, 503, 502, 501, 500, 500, 501, 250, 500, 221
        ]
    );
    let sent = format!("HELO x\r\n{}\r\nNOOP\r\n", "a".repeat(20_000));
    assert_eq!(reply_codes(sent.as_bytes()), [250, 500, 250]);
}
