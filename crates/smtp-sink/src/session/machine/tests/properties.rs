//! Properties of any dialogue in any division into pieces.

use proptest::prelude::*;

use super::other_protocols::SMUGGLED;
use super::*;

/// Input of a client: valid and invalid commands, bodies, invalid ends of messages, arbitrary bytes.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let sent = prop::sample::select(vec![
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
        20 => sent.prop_map(|text| text.as_bytes().to_vec()),
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
    fn replies_depend_on_neither_pieces_nor_the_time_of_storing(
        sent in dialogue(),
        cuts in proptest::collection::vec(1_usize..30, 1..20),
        delay in 0_usize..5,
    ) {
        let whole = play(&sent, &[usize::MAX], 0, tight_limits());
        prop_assert_eq!(play(&sent, &cuts, delay, tight_limits()), whole);
    }

    #[test]
    fn nothing_is_stored_after_a_first_line_that_is_not_a_command(
        first in prop_oneof![
            proptest::collection::vec(any::<u8>().prop_filter("one line", |byte| *byte != b'\n'), 1..100),
            "[A-Za-z]{1,8} /[ -~]{0,100} HTTP/[0-9.]{1,3}".prop_map(String::into_bytes),
        ],
        cuts in proptest::collection::vec(1_usize..30, 1..20),
    ) {
        let is_http = cross_protocol::is_request_line(&first);
        prop_assume!(is_http || !cross_protocol::may_open_session(&first));
        let sent = [&first[..], SMUGGLED.as_bytes()].concat();
        let (effects, stored) = play(&sent, &cuts, 0, Limits::default());
        prop_assert!(stored.is_empty());
        prop_assert_eq!(codes(&effects), [220, 421]);
        prop_assert_eq!(effects.last(), Some(&Effect::Close));
    }

    #[test]
    fn close_is_the_last_effect(sent in dialogue()) {
        let (effects, _) = play(&sent, &[usize::MAX], 0, tight_limits());
        let first = effects.iter().position(|effect| *effect == Effect::Close);
        prop_assert!(first.is_none_or(|at| at == effects.len() - 1));
    }

    #[test]
    fn a_reset_discards_the_transaction(before in dialogue(), how in 0_usize..3) {
        // All earlier addresses are `old@`, so that a leak is visible.
        let before = String::from_utf8_lossy(&before).replace("a@b", "old@b").replace("c@d", "old@d").replace("e@f", "old@f");
        let mut session = Session::new(Setup { limits: Limits { bad_commands: u32::MAX, ..tight_limits() }, ..Setup::new("test") });
        let mut effects = step(&mut session, Input::Connected);
        effects.extend(step(&mut session, Input::Bytes(before.as_bytes())));
        // Ends a message in progress, and refuses it.
        for _ in 0..50 {
            effects.extend(step(&mut session, Input::Stored(Err(Refusal::TooLarge))));
        }
        step(&mut session, Input::Bytes(b"\r\n.\r\n"));
        step(&mut session, Input::Stored(Err(Refusal::TooLarge)));
        prop_assume!(!session.is_closed());
        let reset = ["RSET\r\n", "EHLO new\r\n", "HELO new\r\n"][how];
        step(&mut session, Input::Bytes(format!("{reset}EHLO new\r\nMAIL FROM:<new@b>\r\nRCPT TO:<new@d>\r\nDATA\r\n").as_bytes()));
        let effects = step(&mut session, Input::Bytes(b"new\r\n.\r\n"));
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
    fn each_command_has_one_final_reply(sent in dialogue()) {
        let mut session = Session::new(Setup { limits: tight_limits(), ..Setup::new("test") });
        step(&mut session, Input::Connected);
        for line in sent.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            let in_message = matches!(session.state, State::Data(_) | State::Draining { .. });
            let mut effects = step(&mut session, Input::Bytes(line));
            if matches!(effects.last(), Some(Effect::Store(_))) {
                effects.extend(step(&mut session, Input::Stored(Ok(MessageId("x".into())))));
            }
            let replies: Vec<_> = effects.iter().filter_map(|effect| match effect {
                Effect::Reply(reply) => Some(reply),
                _ => None,
            }).collect();
            if in_message {
                prop_assert!(replies.len() <= 1 && replies.iter().all(|reply| reply.is_final()));
            } else {
                prop_assert_eq!(replies.len(), 1, "{:?}", line);
                prop_assert!(replies[0].is_final() || matches!(session.state, State::Data(_)));
            }
            if session.is_closed() {
                break;
            }
        }
    }
}
