//! Limits of size, number and memory.

use super::*;

#[test]
fn a_line_over_the_limit_is_refused_and_the_session_continues() {
    let mut sent = b"EHLO x\r\nNOOP ".to_vec();
    sent.extend(std::iter::repeat_n(b'x', 20_000));
    sent.extend_from_slice(b"\r\nNOOP\r\n");
    assert_eq!(reply_codes(&sent), [250, 500, 250]);
}

#[test]
fn a_message_over_the_limit_is_refused_and_the_session_continues() {
    let limits = Limits {
        message_size: 10,
        ..Limits::default()
    };
    let sent = format!(
        "{OPEN}DATA\r\n12345678\r\n.\r\n{OPEN}DATA\r\n123456789\r\n.\r\nDATA\r\nMAIL FROM:<a@b> SIZE=11\r\n"
    );
    for cut in [1, 7, usize::MAX] {
        let (effects, stored) = play(sent.as_bytes(), &[cut], 0, limits.clone());
        assert_eq!(
            codes(&effects)[4..],
            [354, 250, 250, 250, 250, 354, 552, 503, 552]
        );
        assert_eq!(stored.len(), 1, "ten bytes fit, eleven do not");
    }
}

#[test]
fn a_message_without_memory_is_discarded_and_the_session_continues() {
    let mut session = Session::new(Setup::new("here"));
    step(&mut session, Input::Connected);
    step(
        &mut session,
        Input::Bytes(format!("{OPEN}DATA\r\n").as_bytes()),
    );
    let begun = session.held();
    step(&mut session, Input::Bytes(&[b'x'; 1000]));
    assert!(session.held() >= begun + 1000);
    assert!(
        step(&mut session, Input::OutOfMemory).is_empty(),
        "the refusal is sent at the end of the message"
    );
    assert!(session.held() < begun);
    let effects = step(&mut session, Input::Bytes(b" and ended\r\n.\r\nNOOP\r\n"));
    assert_eq!(codes(&effects), [451, 250]);
}

#[test]
fn a_session_without_memory_for_its_commands_ends() {
    for sent in ["", "EHLO me\r\n", OPEN, &format!("{OPEN}BDAT 1\r\nx")] {
        let mut session = Session::new(Setup::new("here"));
        step(&mut session, Input::Connected);
        let before = session.held();
        step(&mut session, Input::Bytes(sent.as_bytes()));
        assert!(sent.is_empty() || session.held() >= before + sent.len() as u64);
        assert_eq!(codes(&step(&mut session, Input::OutOfMemory)), [421]);
        assert!(session.is_closed());
    }
}

#[test]
fn recipients_above_the_limit_are_refused_temporarily() {
    let limits = Limits {
        recipients: 2,
        ..Limits::default()
    };
    let sent = format!("{OPEN}RCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n.\r\n");
    let (effects, stored) = play(sent.as_bytes(), &[usize::MAX], 0, limits);
    assert_eq!(codes(&effects)[4..], [250, 452, 354, 250]);
    assert_eq!(stored[0].envelope.recipients.len(), 2);
}

#[test]
fn too_many_bad_commands_end_the_session() {
    let limits = Limits {
        bad_commands: 2,
        ..Limits::default()
    };
    let sent = b"EHLO x\r\nA\r\nB\r\nC\r\nNOOP\r\n";
    let (effects, _) = play(sent, &[usize::MAX], 0, limits);
    assert_eq!(codes(&effects), [220, 250, 500, 500, 421]);
    assert_eq!(effects.last(), Some(&Effect::Close));
}
