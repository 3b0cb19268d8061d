//! STARTTLS.

use super::*;

#[test]
fn starttls_discards_everything_received_in_plaintext() {
    let mut session = connected(Setup::new("here"));
    let offered = step(&mut session, Input::Bytes(b"EHLO x\r\n"));
    let lines = |effects: &[Effect]| -> Vec<String> {
        let replies = effects.iter().filter_map(|effect| match effect {
            Effect::Reply(reply) => Some(reply.lines().collect::<Vec<_>>()),
            _ => None,
        });
        replies.flatten().collect()
    };
    assert!(lines(&offered).contains(&"250-STARTTLS".to_owned()));
    assert_eq!(send(&mut session, "AUTH PLAIN AGFubgB4\r\n"), [235]);
    // A command that an attacker appends in plaintext is not read.
    let switched = step(
        &mut session,
        Input::Bytes(b"STARTTLS\r\nMAIL FROM:<evil@b>\r\n"),
    );
    assert_eq!(codes(&switched), [220]);
    assert_eq!(switched.last(), Some(&Effect::StartTls));
    assert_eq!(send(&mut session, "RSET\r\n"), Vec::<u16>::new());
    assert_eq!(step(&mut session, Input::Secured("TLS 1.3")), []);
    assert_eq!(
        send(&mut session, "MAIL FROM:<a@b>\r\n"),
        [503],
        "EHLO is required again"
    );
    let offered = step(&mut session, Input::Bytes(b"EHLO y\r\n"));
    assert!(!lines(&offered).iter().any(|line| line.contains("STARTTLS")));
    assert_eq!(send(&mut session, "STARTTLS\r\n"), [503]);
    let message = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\n";
    let effects = step(&mut session, Input::Bytes(message.as_bytes()));
    let Some(Effect::Store(received)) = effects.last() else {
        panic!("{effects:?}")
    };
    assert_eq!(
        (received.tls.as_deref(), received.helo.as_str()),
        (Some("TLS 1.3"), "y")
    );
    assert_eq!(received.login, None);
}

#[test]
fn starttls_is_refused_and_not_listed_where_it_is_not_offered() {
    let mut plain = Session::new(Setup::new("here"));
    let mut encrypted = Session::new(Setup {
        tls: Some("TLS 1.3".to_owned()),
        ..Setup::new("here")
    });
    for (session, code) in [(&mut plain, 502), (&mut encrypted, 503)] {
        step(session, Input::Connected);
        for sent in ["EHLO x\r\n", "HELP\r\n"] {
            let effects = step(session, Input::Bytes(sent.as_bytes()));
            assert!(!format!("{effects:?}").contains("STARTTLS"), "{effects:?}");
        }
        assert_eq!(send(session, "STARTTLS\r\n"), [code]);
        // The session continues.
        assert_eq!(send(session, "MAIL FROM:<a@b>\r\n"), [250]);
    }
}
