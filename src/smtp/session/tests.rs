//! Properties of whole dialogues, and the dialogues kept in `tests/corpus/smtp/`.

use super::*;
use proptest::prelude::*;

mod fuzz;

/// Plays bytes, cut into the given sizes; each verdict comes after as many further cuts as `delay` says.
fn play(
    bytes: &[u8],
    cuts: &[usize],
    delay: usize,
    limits: Limits,
) -> (Vec<Effect>, Vec<Received>) {
    let mut session = Session::new("test", limits);
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
            "EHLO x\r\nAUTH PLAIN x\r\nSTARTTLS\r\nBDAT 3 LAST\r\nFOO\r\n\r\n",
            &[250, 502, 502, 502, 500, 500],
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
            "EHLO x\r\nMAIL FROM:<a@b> RET=HDRS\r\nMAIL FROM:<a@b>\r\nRCPT TO:<x@y> NOTIFY=NEVER\r\n",
            &[250, 555, 250, 555],
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
    let mut session = Session::new("here", Limits::default());
    session.step(Input::Connected);
    session.step(Input::Bytes(format!("{OPEN}DATA\r\nbegun").as_bytes()));
    assert!(session.held() >= 5);
    assert!(
        session.step(Input::NoRoom).is_empty(),
        "nothing is said in the middle"
    );
    assert_eq!(session.held(), 0);
    let effects = session.step(Input::Bytes(b" and ended\r\n.\r\nNOOP\r\n"));
    assert_eq!(codes(&effects), [451, 250]);
    // Outside of a message there is nothing to drop.
    assert!(session.step(Input::NoRoom).is_empty());
    assert_eq!(codes(&session.step(Input::Bytes(b"NOOP\r\n"))), [250]);
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
    let (effects, _) = play(b"A\r\nB\r\nC\r\nNOOP\r\n", &[usize::MAX], 0, limits);
    assert_eq!(codes(&effects), [220, 500, 500, 421]);
    assert_eq!(effects.last(), Some(&Effect::Close));
    assert_eq!(codes_of(b"POST / HTTP/1.1\r\nEHLO x\r\n"), [421]);
}

#[test]
fn silence_and_shutdown_are_said_before_the_connection_is_closed() {
    for input in [Input::TimedOut, Input::ShuttingDown, Input::TooManySessions] {
        let mut session = Session::new("test", Limits::default());
        session.step(Input::Connected);
        let effects = session.step(input);
        assert_eq!(codes(&effects), [421]);
        assert_eq!(effects.last(), Some(&Effect::Close));
        assert!(session.is_closed());
    }
}

fn storing() -> Session {
    let mut session = Session::new("test", Limits::default());
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

/// Whatever a client may say: good and bad commands, bodies, ends that are none, bytes.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let said = prop::sample::select(vec![
        "EHLO there\r\n",
        "HELO there\r\n",
        "EHLO\r\n",
        "MAIL FROM:<a@b>\r\n",
        "MAIL FROM:<a@b> SIZE=5 BODY=8BITMIME\r\n",
        "MAIL FROM:<> SIZE=500\r\n",
        "MAIL FROM:<a@b> FOO=1\r\n",
        "RCPT TO:<c@d>\r\n",
        "RCPT TO:<e@f>\r\n",
        "RCPT TO:<>\r\n",
        "DATA\r\n",
        "DATA\r\n",
        "RSET\r\n",
        "NOOP\r\n",
        "VRFY x\r\n",
        "HELP\r\n",
        "QUIT\r\n",
        "hello\r\n",
        ".\r\n",
        "..\r\n",
        "\r\n.\r\n",
        ".\n",
        "\n.\n",
        "\r.\r",
        "Subject: a message that is larger than the limit of these tests\r\n",
        "NOOP\n",
    ]);
    prop_oneof![
        20 => said.prop_map(|text| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
        1 => proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'<'), Just(b' ')], 0..9),
    ]
}

fn dialogue() -> impl Strategy<Value = Vec<u8>> {
    let opened = prop_oneof![
        Just(b"EHLO x\r\n".to_vec()),
        Just(OPEN.as_bytes().to_vec()),
        Just(Vec::new())
    ];
    (opened, proptest::collection::vec(piece(), 0..40))
        .prop_map(|(start, pieces)| [start, pieces.concat()].concat())
}

fn tight() -> Limits {
    Limits {
        command_line: 60,
        message_size: 40,
        recipients: 3,
        bad_commands: 6,
        pipelined: 1 << 20,
    }
}

proptest! {
    #[test]
    fn any_cutting_and_any_moment_of_the_verdict_gives_the_same_replies(
        said in dialogue(),
        cuts in proptest::collection::vec(1_usize..30, 1..20),
        delay in 0_usize..5,
    ) {
        let whole = play(&said, &[usize::MAX], 0, tight());
        prop_assert_eq!(play(&said, &cuts, delay, tight()), whole);
    }

    #[test]
    fn close_is_last_and_said_once(said in dialogue()) {
        let (effects, _) = play(&said, &[usize::MAX], 0, tight());
        let first = effects.iter().position(|effect| *effect == Effect::Close);
        prop_assert!(first.is_none_or(|at| at == effects.len() - 1));
    }

    #[test]
    fn nothing_survives_a_reset(before in dialogue(), how in 0_usize..3) {
        // The mark `old@` stands in everything that was said before, so that it can be found in what comes after.
        let before = String::from_utf8_lossy(&before).replace("a@b", "old@b").replace("c@d", "old@d").replace("e@f", "old@f");
        let mut session = Session::new("test", Limits { bad_commands: u32::MAX, ..tight() });
        let mut effects = session.step(Input::Connected);
        effects.extend(session.step(Input::Bytes(before.as_bytes())));
        // Whatever it was in the middle of is ended, and refused where it was a message.
        for _ in 0..50 {
            effects.extend(session.step(Input::Stored(Err(Refusal::TooLarge))));
        }
        session.step(Input::Bytes(b"\r\n.\r\n"));
        session.step(Input::Stored(Err(Refusal::TooLarge)));
        prop_assume!(!session.is_closed());
        let reset = ["RSET\r\n", "EHLO new\r\n", "HELO new\r\n"][how];
        session.step(Input::Bytes(format!("{reset}EHLO new\r\nMAIL FROM:<new@b>\r\nRCPT TO:<new@d>\r\nDATA\r\n").as_bytes()));
        let effects = session.step(Input::Bytes(b"new\r\n.\r\n"));
        let Some(Effect::Store(received)) = effects.last() else { panic!("{effects:?}") };
        prop_assert_eq!(&received.source[..], b"new\r\n");
        prop_assert_eq!(&received.helo, "new");
        prop_assert_eq!(&received.warnings[..], []);
        prop_assert_eq!(&received.envelope, &Envelope {
            sender: "new@b".into(),
            params: vec![],
            recipients: vec![Recipient { address: "new@d".into(), params: vec![] }],
        });
    }

    #[test]
    fn each_command_has_one_final_reply(said in dialogue()) {
        let mut session = Session::new("test", tight());
        session.step(Input::Connected);
        for line in said.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            let in_message = matches!(session.state, State::Data(_) | State::Draining(..));
            let mut effects = session.step(Input::Bytes(line));
            if matches!(effects.last(), Some(Effect::Store(_))) {
                effects.extend(session.step(Input::Stored(Ok(MessageId("x".into())))));
            }
            let replies: Vec<_> = effects.iter().filter_map(|effect| match effect {
                Effect::Reply(reply) => Some(reply),
                _ => None,
            }).collect();
            match in_message {
                true => prop_assert!(replies.len() <= 1 && replies.iter().all(|reply| reply.is_final())),
                false => {
                    prop_assert_eq!(replies.len(), 1, "{:?}", line);
                    prop_assert!(replies[0].is_final() || matches!(session.state, State::Data(_)));
                }
            }
            if session.is_closed() {
                break;
            }
        }
    }
}
