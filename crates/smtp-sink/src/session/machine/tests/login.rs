//! AUTH.

use super::*;

#[test]
fn a_login_is_recorded_without_its_password() {
    let secret = "c2VjcmV0";
    for (dialogue, user) in [
        (vec!["AUTH PLAIN AGFubgBzZWNyZXQ=\r\n"], "ann"),
        (vec!["AUTH LOGIN\r\n", "YW5u\r\n", "c2VjcmV0\r\n"], "ann"),
        (vec!["auth login YW5u\r\n", "c2VjcmV0\r\n"], "ann"),
        (
            vec![
                "AUTH CRAM-MD5\r\n",
                "YW5uIDAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVm\r\n",
            ],
            "ann",
        ),
    ] {
        let mut session = connected(Setup::new("here"));
        send(&mut session, "EHLO x\r\n");
        for (at, line) in dialogue.iter().enumerate() {
            let expected = if at + 1 == dialogue.len() { 235 } else { 334 };
            assert_eq!(send(&mut session, line), [expected], "{line}");
        }
        assert_eq!(send(&mut session, "AUTH PLAIN AGFubgB4\r\n"), [503]);
        let message = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\n";
        let effects = step(&mut session, Input::Bytes(message.as_bytes()));
        let Some(Effect::Store(received)) = effects.last() else {
            panic!("{effects:?}")
        };
        assert_eq!(received.login.as_ref().unwrap().user, user);
        let sent: Vec<_> = received.transcript.lines().collect();
        let sent = sent.join("\n");
        assert!(!sent.contains(secret) && !sent.contains("AGFubg"), "{sent}");
        assert!(sent.contains("as ann"), "{sent}");
    }
}

#[test]
fn a_failed_login_changes_nothing() {
    let mut session = connected(Setup::new("here"));
    assert_eq!(send(&mut session, "AUTH PLAIN AGFubgB4\r\n"), [503]);
    assert_eq!(
        send(&mut session, "EHLO x\r\nAUTH LOGIN\r\n*\r\n"),
        [250, 334, 501]
    );
    assert_eq!(
        send(&mut session, "AUTH PLAIN\r\nno base64\r\n"),
        [334, 501]
    );
    let long = "A".repeat(20_000);
    assert_eq!(
        send(&mut session, &format!("AUTH PLAIN\r\n{long}\r\nNOOP\r\n")),
        [334, 500, 250]
    );
    assert_eq!(
        send(&mut session, "MAIL FROM:<a@b>\r\nAUTH PLAIN AGFubgB4\r\n"),
        [250, 503]
    );
}
