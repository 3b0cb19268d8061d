//! What holds of any dialogue, however it is cut.

use proptest::prelude::*;

use super::*;

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
    fn after_a_first_line_that_is_no_command_nothing_is_stored(
        first in prop_oneof![
            proptest::collection::vec(any::<u8>().prop_filter("one line", |byte| *byte != b'\n'), 1..100),
            "[A-Za-z]{1,8} /[ -~]{0,100} HTTP/[0-9.]{1,3}".prop_map(String::into_bytes),
        ],
        cuts in proptest::collection::vec(1_usize..30, 1..20),
    ) {
        let is_http = foreign::is_request_line(&first);
        prop_assume!(is_http || !foreign::may_open_session(&first));
        let said = [&first[..], SMUGGLED.as_bytes()].concat();
        let (effects, kept) = play(&said, &cuts, 0, Limits::default());
        prop_assert!(kept.is_empty());
        prop_assert_eq!(codes(&effects), [220, 421]);
        prop_assert_eq!(effects.last(), Some(&Effect::Close));
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
        let mut session = Session::new(Setup { limits: Limits { bad_commands: u32::MAX, ..tight() }, ..Setup::of("test") });
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
        let mut session = Session::new(Setup { limits: tight(), ..Setup::of("test") });
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
