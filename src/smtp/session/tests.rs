//! Whole dialogues, and those kept in `tests/corpus/smtp/`.

use super::*;

mod fuzz;
mod properties;

/// Plays bytes, cut into the given sizes; each verdict comes after as many further cuts as `delay` says.
fn play(
    bytes: &[u8],
    cuts: &[usize],
    delay: usize,
    limits: Limits,
) -> (Vec<Effect>, Vec<Received>) {
    let mut session = Session::new(Setup {
        limits,
        ..Setup::of("test")
    });
    let mut kept: Vec<Received> = Vec::new();
    let mut all = Vec::new();
    let mut due: Option<usize> = None;
    let mut rest = bytes;
    let mut sizes = cuts.iter().copied().cycle();
    let mut effects = session.step(Input::Connected);
    loop {
        for effect in effects {
            match effect {
                Effect::Store(received) => {
                    assert!(
                        due.is_none(),
                        "a second message before the verdict on the first"
                    );
                    kept.push(*received);
                    due = Some(delay);
                }
                other => all.push(other),
            }
        }
        effects = match due {
            Some(wait) if wait == 0 || rest.is_empty() => {
                due = None;
                session.step(Input::Stored(Ok(MessageId(format!("id{}", kept.len())))))
            }
            _ if rest.is_empty() => break,
            _ => {
                due = due.map(|wait| wait - 1);
                let size = sizes.next().unwrap_or(rest.len()).clamp(1, rest.len());
                let (chunk, after) = rest.split_at(size);
                rest = after;
                session.step(Input::Bytes(chunk))
            }
        };
    }
    (all, kept)
}

fn at_once(bytes: &[u8]) -> (Vec<Effect>, Vec<Received>) {
    play(bytes, &[usize::MAX], 0, Limits::default())
}

fn codes(effects: &[Effect]) -> Vec<u16> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Reply(reply) => Some(reply.code()),
            _ => None,
        })
        .collect()
}

/// Limits that any dialogue reaches.
fn tight() -> Limits {
    Limits {
        command_line: 60,
        message_size: 40,
        recipients: 3,
        bad_commands: 6,
        pipelined: 1 << 20,
    }
}

/// The codes of the replies after the banner.
fn codes_of(bytes: &[u8]) -> Vec<u16> {
    codes(&at_once(bytes).0)[1..].to_vec()
}

const OPEN: &str = "EHLO there\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\n";

#[test]
fn a_message_is_handed_over_with_everything_said_about_it() {
    let (effects, kept) = at_once(
        b"EHLO there\r\nMAIL FROM:<a@example.com> SIZE=5\r\nRCPT TO:<b@example.com>\r\nRCPT TO:<c>\r\nDATA\r\n..x\r\n.\r\nQUIT\r\n",
    );
    assert_eq!(codes(&effects), [220, 250, 250, 250, 250, 354, 250, 221]);
    assert_eq!(effects.last(), Some(&Effect::Close));
    let [received] = &kept[..] else {
        panic!("one message")
    };
    assert_eq!(received.source, b".x\r\n");
    assert_eq!(received.helo, "there");
    assert_eq!(received.envelope.sender, "a@example.com");
    assert_eq!(received.envelope.params, ["SIZE=5"]);
    let to: Vec<_> = received
        .envelope
        .recipients
        .iter()
        .map(|to| to.address.as_str())
        .collect();
    assert_eq!(to, ["b@example.com", "c"]);
    assert_eq!(received.warnings, []);
    let said: Vec<_> = received.transcript.lines().collect();
    assert_eq!(said[0], "S: 220 test ESMTP movie-bag");
    assert_eq!(said.last(), Some(&"   (4 bytes of message)"));
}

#[test]
fn the_second_message_shows_the_opening_and_its_own_commands() {
    let message = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\n";
    let (_, kept) = at_once(format!("EHLO there\r\n{message}{message}").as_bytes());
    assert_eq!(kept[0].transcript, kept[1].transcript);
}

#[test]
fn commands_out_of_order_change_nothing() {
    for (said, expected) in [
        (
            "MAIL FROM:<a@b>\r\nEHLO x\r\nMAIL FROM:<a@b>\r\n",
            &[503, 250, 250][..],
        ),
        ("EHLO x\r\nRCPT TO:<a@b>\r\nDATA\r\n", &[250, 503, 503]),
        (
            "EHLO x\r\nMAIL FROM:<a@b>\r\nMAIL FROM:<c@d>\r\nDATA\r\nRCPT TO:<e@f>\r\n",
            &[250, 250, 503, 503, 250],
        ),
        ("RSET\r\nMAIL FROM:<a@b>\r\n", &[250, 503]),
        (
            "EHLO x\r\nAUTH NTLM\r\nSTARTTLS\r\nEXPN x\r\nBDAT 3 LAST\r\nabcFOO\r\n\r\n",
            &[250, 504, 502, 502, 503, 500, 500],
        ),
        (
            "HELO x\r\nVRFY ann\r\nHELP\r\nNOOP\r\nEHLO y\r\n",
            &[250, 252, 214, 250, 250],
        ),
        (
            "EHLO x\r\nMAIL FROM:<é@b>\r\nMAIL FROM:<é@b> SMTPUTF8\r\nRCPT TO:<é@b>\r\n",
            &[250, 553, 250, 250],
        ),
        (
            "EHLO x\r\nMAIL FROM:<a@b> FOO=1\r\nMAIL FROM:<a@b> RET=ALL\r\nMAIL FROM:<a@b> RET=HDRS ENVID=a+2Bb AUTH=<>\r\nRCPT TO:<x@y> NOTIFY=NEVER,DELAY\r\nRCPT TO:<x@y> NOTIFY=NEVER ORCPT=rfc822;x+40y\r\n",
            &[250, 555, 501, 250, 501, 250],
        ),
    ] {
        assert_eq!(codes_of(said.as_bytes()), expected, "{said}");
    }
}

#[test]
fn a_line_too_long_is_answered_and_the_session_goes_on() {
    let mut said = b"EHLO x\r\nNOOP ".to_vec();
    said.extend(std::iter::repeat_n(b'x', 20_000));
    said.extend_from_slice(b"\r\nNOOP\r\n");
    assert_eq!(codes_of(&said), [250, 500, 250]);
}

#[test]
fn a_message_too_large_is_drained_and_the_session_goes_on() {
    let limits = Limits {
        message_size: 10,
        ..Limits::default()
    };
    let said = format!(
        "{OPEN}DATA\r\n12345678\r\n.\r\n{OPEN}DATA\r\n123456789\r\n.\r\nDATA\r\nMAIL FROM:<a@b> SIZE=11\r\n"
    );
    for cut in [1, 7, usize::MAX] {
        let (effects, kept) = play(said.as_bytes(), &[cut], 0, limits.clone());
        assert_eq!(
            codes(&effects)[4..],
            [354, 250, 250, 250, 250, 354, 552, 503, 552]
        );
        assert_eq!(kept.len(), 1, "ten bytes fit, eleven don't");
    }
}

#[test]
fn a_message_without_room_is_dropped_and_the_session_goes_on() {
    let mut session = Session::new(Setup::of("here"));
    session.step(Input::Connected);
    session.step(Input::Bytes(format!("{OPEN}DATA\r\n").as_bytes()));
    let begun = session.held();
    session.step(Input::Bytes(&[b'x'; 1000]));
    assert!(session.held() >= begun + 1000);
    assert!(
        session.step(Input::NoRoom).is_empty(),
        "nothing is said in the middle"
    );
    assert!(session.held() < begun);
    let effects = session.step(Input::Bytes(b" and ended\r\n.\r\nNOOP\r\n"));
    assert_eq!(codes(&effects), [451, 250]);
}

#[test]
fn a_session_without_memory_for_its_commands_is_ended() {
    for said in ["", "EHLO me\r\n", OPEN, &format!("{OPEN}BDAT 1\r\nx")] {
        let mut session = Session::new(Setup::of("here"));
        session.step(Input::Connected);
        let before = session.held();
        session.step(Input::Bytes(said.as_bytes()));
        assert!(said.is_empty() || session.held() >= before + said.len() as u64);
        assert_eq!(codes(&session.step(Input::NoRoom)), [421]);
        assert!(session.is_closed());
    }
}

#[test]
fn recipients_beyond_the_limit_are_refused_for_now() {
    let limits = Limits {
        recipients: 2,
        ..Limits::default()
    };
    let said = format!("{OPEN}RCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n.\r\n");
    let (effects, kept) = play(said.as_bytes(), &[usize::MAX], 0, limits);
    assert_eq!(codes(&effects)[4..], [250, 452, 354, 250]);
    assert_eq!(kept[0].envelope.recipients.len(), 2);
}

#[test]
fn too_many_bad_commands_end_the_session() {
    let limits = Limits {
        bad_commands: 2,
        ..Limits::default()
    };
    let said = b"EHLO x\r\nA\r\nB\r\nC\r\nNOOP\r\n";
    let (effects, _) = play(said, &[usize::MAX], 0, limits);
    assert_eq!(codes(&effects), [220, 250, 500, 500, 421]);
    assert_eq!(effects.last(), Some(&Effect::Close));
}

/// Mail that would be stored if the session went on.
const SMUGGLED: &str =
    "\r\nEHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n\r\n.\r\nQUIT\r\n";

/// The codes after the banner, the same for all cuts; the session stores nothing.
fn codes_of_refused(said: &[u8]) -> Vec<u16> {
    let whole = play(said, &[usize::MAX], 0, Limits::default());
    for cut in [1, 7, 1460] {
        let (effects, kept) = play(said, &[cut], 0, Limits::default());
        assert!(
            (effects, kept) == whole,
            "pieces of {cut} bytes change something"
        );
    }
    assert!(whole.1.is_empty(), "{} bytes store a mail", said.len());
    assert_eq!(whole.0.last(), Some(&Effect::Close));
    codes(&whole.0)[1..].to_vec()
}

#[test]
fn a_first_line_that_is_no_command_ends_the_session() {
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
            codes_of_refused(format!("{first}{SMUGGLED}").as_bytes()),
            [421]
        );
    }
    let latin = [b"\xe9 / HTTP/1.1", SMUGGLED.as_bytes()].concat();
    assert_eq!(codes_of_refused(&latin), [421]);
}

#[test]
fn a_first_line_without_an_end_ends_the_session_at_the_limit() {
    for said in [
        [b"GET /".to_vec(), vec![b'a'; 20_000]].concat(),
        [b"HELO ".to_vec(), vec![b'\r'; 20_000]].concat(),
        b"\x16\x03\x01".to_vec(),
    ] {
        assert_eq!(codes_of_refused(&said), [421]);
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
            let codes = codes_of_refused(format!("{before}{foreign}{SMUGGLED}").as_bytes());
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
    let mut upgraded = offering(Setup::of("here"));
    assert_eq!(say(&mut upgraded, "EHLO x\r\nSTARTTLS\r\n"), [250, 220]);
    upgraded.step(Input::Secured("TLS 1.3"));
    let implicit = Setup {
        tls: Some("TLS 1.3".to_owned()),
        ..Setup::of("here")
    };
    for mut session in [upgraded, offering(implicit)] {
        assert_eq!(say(&mut session, &request), [421]);
        assert!(session.is_closed());
    }
}

#[test]
fn known_verbs_keep_their_replies_before_ehlo() {
    let said = "\r\nNOOP x\r\nRSET\r\nhelp\r\nVRFY\r\nMAIL FROM:<a@b>\r\nBDAT 3\r\nA: EXPN x\r\n\
                DATA x\r\nETRN x\r\nNOOP \u{e9}\u{1}\r\nEHLO\r\nHELO x\r\nFOO\r\nQUIT\r\n";
    assert_eq!(
        codes_of(said.as_bytes()),
        [
            500, 250, 250, 214, 501, 503, 503, 502, 501, 500, 500, 501, 250, 500, 221
        ]
    );
    let said = format!("HELO x\r\n{}\r\nNOOP\r\n", "a".repeat(20_000));
    assert_eq!(codes_of(said.as_bytes()), [250, 500, 250]);
}

#[test]
fn silence_and_shutdown_are_said_before_the_connection_is_closed() {
    for input in [Input::TimedOut, Input::ShuttingDown, Input::TooManySessions] {
        let mut session = Session::new(Setup::of("test"));
        session.step(Input::Connected);
        let effects = session.step(input);
        assert_eq!(codes(&effects), [421]);
        assert_eq!(effects.last(), Some(&Effect::Close));
        assert!(session.is_closed());
    }
}

fn storing() -> Session {
    let mut session = Session::new(Setup::of("test"));
    session.step(Input::Connected);
    session.step(Input::Bytes(
        format!("{OPEN}DATA\r\nx\r\n.\r\nNOOP\r\n").as_bytes(),
    ));
    session
}

#[test]
fn while_a_message_is_stored_everything_else_waits() {
    let mut session = storing();
    assert_eq!(session.step(Input::TimedOut), []);
    assert_eq!(session.step(Input::Eof), []);
    let effects = session.step(Input::Stored(Ok(MessageId("1".into()))));
    assert_eq!(codes(&effects), [250, 250], "the message, then NOOP");
    assert_eq!(effects.last(), Some(&Effect::Close));

    let mut session = storing();
    assert_eq!(session.step(Input::ShuttingDown), []);
    assert_eq!(
        codes(&session.step(Input::Stored(Ok(MessageId("1".into()))))),
        [250, 421]
    );

    let mut session = storing();
    let verdict = Input::Stored(Err(Refusal::Unavailable("disk full".into())));
    assert_eq!(codes(&session.step(verdict)), [451, 250]);
}

#[test]
fn what_waits_is_bounded() {
    let mut session = storing();
    let effects = session.step(Input::Bytes(&vec![b'x'; Limits::default().pipelined]));
    assert_eq!(codes(&effects), [421]);
    assert!(session.is_closed());
}

#[test]
fn the_kept_dialogues_go_as_they_should() {
    let smuggling = include_bytes!("../../../tests/corpus/smtp/smuggling.txt");
    let (effects, kept) = at_once(smuggling);
    assert_eq!(kept.len(), 1, "nothing is smuggled");
    assert!(
        kept[0]
            .source
            .windows(11)
            .any(|bytes| bytes == b"mail from:<")
    );
    assert!(
        kept[0].warnings.contains(&Warning::BareLf(6)),
        "{:?}",
        kept[0].warnings
    );
    assert_eq!(codes(&effects), [220, 250, 250, 250, 354, 250, 221]);

    let reset = include_bytes!("../../../tests/corpus/smtp/rset_between.txt");
    let (effects, kept) = at_once(reset);
    assert_eq!(
        codes(&effects),
        [220, 250, 250, 250, 250, 250, 503, 250, 250, 354, 250, 221]
    );
    let to: Vec<_> = kept[0]
        .envelope
        .recipients
        .iter()
        .map(|to| to.address.as_str())
        .collect();
    assert_eq!(to, ["new@example.com"]);

    let by_hand = include_bytes!("../../../tests/corpus/smtp/typed_into_nc.txt");
    let (effects, kept) = at_once(by_hand);
    assert_eq!(codes(&effects), [220, 250, 250, 250, 354, 250, 221]);
    assert_eq!(
        kept[0].warnings,
        [
            Warning::SpaceBeforeAddress,
            Warning::NoAngleBrackets,
            Warning::CommandEndsInLf
        ]
    );

    let dots = include_bytes!("../../../tests/corpus/smtp/dots.txt");
    assert_eq!(at_once(dots).1[0].source, b".\r\n..\r\n...three\r\na.\r\n");
}

/// A session that offers all there is.
fn offering(setup: Setup) -> Session {
    let mut session = Session::new(Setup {
        offers_tls: true,
        nonce: "nonce".into(),
        ..setup
    });
    session.step(Input::Connected);
    session
}

fn say(session: &mut Session, said: &str) -> Vec<u16> {
    codes(&session.step(Input::Bytes(said.as_bytes())))
}

#[test]
fn a_message_may_come_in_chunks_of_any_bytes() {
    let said = b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 7\r\na\r\n.\r\nbBDAT 0\r\nBDAT 4 LAST\r\n\0\n\r.NOOP\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 0 LAST\r\n";
    for cut in [1, 3, usize::MAX] {
        let (effects, kept) = play(said, &[cut], 0, Limits::default());
        assert_eq!(
            codes(&effects)[1..],
            [250, 250, 250, 250, 250, 250, 250, 250, 250, 250]
        );
        assert_eq!(kept[0].source, b"a\r\n.\r\nb\0\n\r.");
        assert_eq!(
            kept[0].warnings,
            [Warning::BareCr(1), Warning::BareLf(1), Warning::Nul(1)]
        );
        assert_eq!(kept[1].source, b"");
    }
}

#[test]
fn a_chunk_that_is_refused_is_read_all_the_same() {
    let limits = Limits {
        message_size: 10,
        ..Limits::default()
    };
    let open = "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";
    for (said, expected) in [
        // Before its time, and what it holds is no command.
        (
            "EHLO x\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n".to_owned(),
            &[250, 503, 250][..],
        ),
        (
            format!("{open}BDAT 6\r\nabcdefBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"),
            &[250, 250, 250, 250, 552, 250],
        ),
        (
            format!("{open}BDAT 3\r\nabcDATA\r\nRCPT TO:<e@f>\r\nRSET\r\nMAIL FROM:<a@b>\r\n"),
            &[250, 250, 250, 250, 503, 503, 250, 250],
        ),
    ] {
        for cut in [1, 5, usize::MAX] {
            let (effects, kept) = play(said.as_bytes(), &[cut], 0, limits.clone());
            assert_eq!(codes(&effects)[1..], *expected, "{said}");
            assert!(kept.is_empty());
        }
    }
    // As large as a number can be: nothing is set aside for it.
    let mut session = offering(Setup::of("here"));
    say(&mut session, open);
    assert_eq!(
        say(&mut session, "BDAT 18446744073709551615 LAST\r\nabc"),
        Vec::<u16>::new()
    );
    assert!(session.held() < 10_000);
}

#[test]
fn nothing_of_before_starttls_counts_after_it() {
    let mut session = offering(Setup::of("here"));
    let offered = session.step(Input::Bytes(b"EHLO x\r\n"));
    let lines = |effects: &[Effect]| -> Vec<String> {
        let replies = effects.iter().filter_map(|effect| match effect {
            Effect::Reply(reply) => Some(reply.lines().collect::<Vec<_>>()),
            _ => None,
        });
        replies.flatten().collect()
    };
    assert!(lines(&offered).contains(&"250-STARTTLS".to_owned()));
    assert_eq!(say(&mut session, "AUTH PLAIN AGFubgB4\r\n"), [235]);
    // What somebody slipped in behind it in clear text is not read.
    let switched = session.step(Input::Bytes(b"STARTTLS\r\nMAIL FROM:<evil@b>\r\n"));
    assert_eq!(codes(&switched), [220]);
    assert_eq!(switched.last(), Some(&Effect::StartTls));
    assert_eq!(say(&mut session, "RSET\r\n"), Vec::<u16>::new());
    assert_eq!(session.step(Input::Secured("TLS 1.3")), []);
    assert_eq!(
        say(&mut session, "MAIL FROM:<a@b>\r\n"),
        [503],
        "EHLO is due"
    );
    let offered = session.step(Input::Bytes(b"EHLO y\r\n"));
    assert!(!lines(&offered).iter().any(|line| line.contains("STARTTLS")));
    assert_eq!(say(&mut session, "STARTTLS\r\n"), [503]);
    let message = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\n";
    let effects = session.step(Input::Bytes(message.as_bytes()));
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
fn starttls_is_refused_and_unnamed_where_it_is_not_offered() {
    let mut plain = Session::new(Setup::of("here"));
    let mut encrypted = Session::new(Setup {
        tls: Some("TLS 1.3".to_owned()),
        ..Setup::of("here")
    });
    for (session, code) in [(&mut plain, 502), (&mut encrypted, 503)] {
        session.step(Input::Connected);
        for said in ["EHLO x\r\n", "HELP\r\n"] {
            let effects = session.step(Input::Bytes(said.as_bytes()));
            assert!(!format!("{effects:?}").contains("STARTTLS"), "{effects:?}");
        }
        assert_eq!(say(session, "STARTTLS\r\n"), [code]);
        // The session goes on.
        assert_eq!(say(session, "MAIL FROM:<a@b>\r\n"), [250]);
    }
}

#[test]
fn whoever_logs_in_is_named_and_the_password_is_nowhere() {
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
        let mut session = offering(Setup::of("here"));
        say(&mut session, "EHLO x\r\n");
        for (at, line) in dialogue.iter().enumerate() {
            let expected = if at + 1 == dialogue.len() { 235 } else { 334 };
            assert_eq!(say(&mut session, line), [expected], "{line}");
        }
        assert_eq!(say(&mut session, "AUTH PLAIN AGFubgB4\r\n"), [503]);
        let message = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\n";
        let effects = session.step(Input::Bytes(message.as_bytes()));
        let Some(Effect::Store(received)) = effects.last() else {
            panic!("{effects:?}")
        };
        assert_eq!(received.login.as_ref().unwrap().user, user);
        let said: Vec<_> = received.transcript.lines().collect();
        let said = said.join("\n");
        assert!(!said.contains(secret) && !said.contains("AGFubg"), "{said}");
        assert!(said.contains("as ann"), "{said}");
    }
}

#[test]
fn a_log_in_that_fails_leaves_the_session_as_it_was() {
    let mut session = offering(Setup::of("here"));
    assert_eq!(say(&mut session, "AUTH PLAIN AGFubgB4\r\n"), [503]);
    assert_eq!(
        say(&mut session, "EHLO x\r\nAUTH LOGIN\r\n*\r\n"),
        [250, 334, 501]
    );
    assert_eq!(say(&mut session, "AUTH PLAIN\r\nno base64\r\n"), [334, 501]);
    let long = "A".repeat(20_000);
    assert_eq!(
        say(&mut session, &format!("AUTH PLAIN\r\n{long}\r\nNOOP\r\n")),
        [334, 500, 250]
    );
    assert_eq!(
        say(&mut session, "MAIL FROM:<a@b>\r\nAUTH PLAIN AGFubgB4\r\n"),
        [250, 503]
    );
}

#[test]
fn lmtp_answers_once_for_each_recipient() {
    let message = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n.\r\n";
    assert_eq!(
        codes_of(format!("LHLO x\r\n{message}NOOP\r\n").as_bytes()),
        [250, 250, 250, 250, 354, 250, 250, 250]
    );
    assert_eq!(
        codes_of(format!("EHLO x\r\n{message}NOOP\r\n").as_bytes()),
        [250, 250, 250, 250, 354, 250, 250]
    );
}

#[test]
fn what_is_to_fail_fails_as_often_as_it_was_told() {
    let failing = |rules: &[&str]| {
        let rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        Setup {
            faults: Arc::new(Faults::new(rules)),
            ..Setup::of("here")
        }
    };
    let open = "EHLO x\r\nMAIL FROM:<a@b>\r\n";
    let mut session = offering(failing(&["rcpt:2:451", "message:1:554"]));
    assert_eq!(
        say(
            &mut session,
            &format!("{open}RCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\nDATA\r\n")
        ),
        [250, 250, 250, 451, 354, 554, 503]
    );
    // All sessions of a server count together.
    let setup = failing(&["connect:2:421", "data:1:451"]);
    let mut first = Session::new(setup.clone());
    assert_eq!(codes(&first.step(Input::Connected)), [220]);
    let mut second = Session::new(setup);
    let refused = second.step(Input::Connected);
    assert_eq!(
        (codes(&refused), refused.last()),
        (vec![421], Some(&Effect::Close))
    );
    assert_eq!(
        say(
            &mut first,
            &format!("{open}RCPT TO:<a@b>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
        ),
        [250, 250, 250, 451, 250]
    );
    let mut session = offering(failing(&["mail:*:delay=2s", "data:1:drop"]));
    let effects = session.step(Input::Bytes(open.as_bytes()));
    assert!(effects.contains(&Effect::Wait(Duration::from_secs(2))));
    assert_eq!(say(&mut session, "RCPT TO:<a@b>\r\n"), [250]);
    assert_eq!(
        session.step(Input::Bytes(b"DATA\r\nNOOP\r\n")),
        [Effect::Close]
    );
}
