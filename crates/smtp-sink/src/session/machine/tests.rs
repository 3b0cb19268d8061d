//! Dialogues: regular ones, and those in `tests/corpus/smtp/`.

use super::*;
use crate::session::envelope::{Envelope, Received, Recipient};

mod chunks;
mod encryption;
mod faults;
mod fuzz;
mod limits;
mod login;
mod other_protocols;
mod properties;
mod waiting;

/// Runs one step without faults.
fn step(session: &mut Session, input: Input<'_>) -> Effects {
    session.step(input, &mut |_| None)
}

/// Plays bytes in pieces of the given sizes. The result of storing a message is reported after `delay` further pieces.
/// Returns the effects other than [`Effect::Store`], and the messages.
fn play(
    bytes: &[u8],
    cuts: &[usize],
    delay: usize,
    limits: Limits,
) -> (Vec<Effect>, Vec<Received>) {
    let mut session = Session::new(Setup {
        limits,
        ..Setup::new("test")
    });
    let mut stored: Vec<Received> = Vec::new();
    let mut all = Vec::new();
    let mut due: Option<usize> = None;
    let mut rest = bytes;
    let mut sizes = cuts.iter().copied().cycle();
    let mut effects = step(&mut session, Input::Connected);
    loop {
        for effect in effects {
            match effect {
                Effect::Store(received) => {
                    assert!(
                        due.is_none(),
                        "a second message before the result of the first"
                    );
                    stored.push(*received);
                    due = Some(delay);
                }
                other => all.push(other),
            }
        }
        effects = match due {
            Some(wait) if wait == 0 || rest.is_empty() => {
                due = None;
                step(
                    &mut session,
                    Input::Stored(Ok(MessageId(format!("id{}", stored.len())))),
                )
            }
            _ if rest.is_empty() => break,
            _ => {
                due = due.map(|wait| wait - 1);
                let size = sizes.next().unwrap_or(rest.len()).clamp(1, rest.len());
                let (chunk, after) = rest.split_at(size);
                rest = after;
                step(&mut session, Input::Bytes(chunk))
            }
        };
    }
    (all, stored)
}

fn play_at_once(bytes: &[u8]) -> (Vec<Effect>, Vec<Received>) {
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

/// Limits that short dialogues reach.
fn tight_limits() -> Limits {
    Limits {
        command_line: 60,
        message_size: 40,
        recipients: 3,
        bad_commands: 6,
        pipelined: 1 << 20,
    }
}

/// Returns the codes of the replies after the banner.
fn reply_codes(bytes: &[u8]) -> Vec<u16> {
    codes(&play_at_once(bytes).0)[1..].to_vec()
}

const OPEN: &str = "EHLO there\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\n";

#[test]
fn a_message_is_stored_with_its_envelope_and_transcript() {
    let (effects, stored) = play_at_once(
        b"EHLO there\r\nMAIL FROM:<a@example.com> SIZE=5\r\nRCPT TO:<b@example.com>\r\nRCPT TO:<c>\r\nDATA\r\n..x\r\n.\r\nQUIT\r\n",
    );
    assert_eq!(codes(&effects), [220, 250, 250, 250, 250, 354, 250, 221]);
    assert_eq!(effects.last(), Some(&Effect::Close));
    let [received] = &stored[..] else {
        panic!("one message is stored")
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
    let lines: Vec<_> = received.transcript.lines().collect();
    assert_eq!(lines[0], "S: 220 test ESMTP movie-bag");
    assert_eq!(lines.last(), Some(&"   (4 bytes of message)"));
}

#[test]
fn the_second_message_shows_the_opening_and_its_own_commands() {
    let message = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\n";
    let (_, stored) = play_at_once(format!("EHLO there\r\n{message}{message}").as_bytes());
    assert_eq!(stored[0].transcript, stored[1].transcript);
}

#[test]
fn commands_out_of_order_change_nothing() {
    for (sent, expected) in [
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
        assert_eq!(reply_codes(sent.as_bytes()), expected, "{sent}");
    }
}

#[test]
fn the_dialogues_of_the_corpus_have_the_expected_replies() {
    let smuggling = movie_bag_testkit::repository_file("tests/corpus/smtp/smuggling.txt");
    let (effects, stored) = play_at_once(&smuggling);
    assert_eq!(stored.len(), 1, "nothing is smuggled");
    assert!(
        stored[0]
            .source
            .windows(11)
            .any(|bytes| bytes == b"mail from:<")
    );
    assert!(
        stored[0].warnings.contains(&Warning::BareLf(6)),
        "{:?}",
        stored[0].warnings
    );
    assert_eq!(codes(&effects), [220, 250, 250, 250, 354, 250, 221]);

    let reset = movie_bag_testkit::repository_file("tests/corpus/smtp/rset_between.txt");
    let (effects, stored) = play_at_once(&reset);
    assert_eq!(
        codes(&effects),
        [220, 250, 250, 250, 250, 250, 503, 250, 250, 354, 250, 221]
    );
    let to: Vec<_> = stored[0]
        .envelope
        .recipients
        .iter()
        .map(|to| to.address.as_str())
        .collect();
    assert_eq!(to, ["new@example.com"]);

    let by_hand = movie_bag_testkit::repository_file("tests/corpus/smtp/typed_into_nc.txt");
    let (effects, stored) = play_at_once(&by_hand);
    assert_eq!(codes(&effects), [220, 250, 250, 250, 354, 250, 221]);
    assert_eq!(
        stored[0].warnings,
        [
            Warning::SpaceBeforeAddress,
            Warning::NoAngleBrackets,
            Warning::CommandEndsInLf
        ]
    );

    let dots = movie_bag_testkit::repository_file("tests/corpus/smtp/dots.txt");
    assert_eq!(
        play_at_once(&dots).1[0].source,
        b".\r\n..\r\n...three\r\na.\r\n"
    );
}

/// Returns a connected session that offers STARTTLS.
fn connected(setup: Setup) -> Session {
    let mut session = Session::new(Setup {
        offers_tls: true,
        nonce: "nonce".into(),
        ..setup
    });
    step(&mut session, Input::Connected);
    session
}

fn send(session: &mut Session, sent: &str) -> Vec<u16> {
    codes(&step(session, Input::Bytes(sent.as_bytes())))
}

#[test]
fn lmtp_answers_once_for_each_recipient() {
    let message = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n.\r\n";
    assert_eq!(
        reply_codes(format!("LHLO x\r\n{message}NOOP\r\n").as_bytes()),
        [250, 250, 250, 250, 354, 250, 250, 250]
    );
    assert_eq!(
        reply_codes(format!("EHLO x\r\n{message}NOOP\r\n").as_bytes()),
        [250, 250, 250, 250, 354, 250, 250]
    );
}
