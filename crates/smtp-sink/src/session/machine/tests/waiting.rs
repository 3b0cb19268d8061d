//! Inputs while a message is being stored, and the end of a session by the server.

use super::*;

#[test]
fn a_timeout_or_shutdown_is_reported_before_the_connection_is_closed() {
    for input in [Input::TimedOut, Input::ShuttingDown, Input::TooManySessions] {
        let mut session = Session::new(Setup::new("test"));
        step(&mut session, Input::Connected);
        let effects = step(&mut session, input);
        assert_eq!(codes(&effects), [421]);
        assert_eq!(effects.last(), Some(&Effect::Close));
        assert!(session.is_closed());
    }
}

fn session_that_stores() -> Session {
    let mut session = Session::new(Setup::new("test"));
    step(&mut session, Input::Connected);
    step(
        &mut session,
        Input::Bytes(format!("{OPEN}DATA\r\nx\r\n.\r\nNOOP\r\n").as_bytes()),
    );
    session
}

#[test]
fn other_inputs_wait_while_a_message_is_stored() {
    let mut session = session_that_stores();
    assert_eq!(step(&mut session, Input::TimedOut), []);
    assert_eq!(step(&mut session, Input::Eof), []);
    let effects = step(&mut session, Input::Stored(Ok(MessageId("1".into()))));
    assert_eq!(codes(&effects), [250, 250], "the message, then NOOP");
    assert_eq!(effects.last(), Some(&Effect::Close));

    let mut session = session_that_stores();
    assert_eq!(step(&mut session, Input::ShuttingDown), []);
    assert_eq!(
        codes(&step(
            &mut session,
            Input::Stored(Ok(MessageId("1".into())))
        )),
        [250, 421]
    );

    let mut session = session_that_stores();
    let result = Input::Stored(Err(Refusal::Unavailable("disk full".into())));
    assert_eq!(codes(&step(&mut session, result)), [451, 250]);
}

#[test]
fn the_waiting_bytes_are_limited() {
    let mut session = session_that_stores();
    let effects = step(
        &mut session,
        Input::Bytes(&vec![b'x'; Limits::default().pipelined]),
    );
    assert_eq!(codes(&effects), [421]);
    assert!(session.is_closed());
}
