//! Any bytes in any pieces give the same well-formed dialogue, and 250 confirms exactly the bytes that were sent.

use lettre::transport::smtp::response::Response;
use movie_bag_testkit::fuzz::Target;

use super::*;
use crate::session::data::naive_unstuff;

/// Returns sizes of pieces: derived from the input, so that a replay uses the same ones.
fn sizes(bytes: &[u8], longest: u64) -> Vec<usize> {
    let mut state = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        1 + (state % longest) as usize
    };
    (0..32).map(next).collect()
}

fn assert_well_formed(reply: &Reply) {
    let mut wire = Vec::new();
    reply.write_to(&mut wire);
    let text = String::from_utf8(wire).unwrap();
    let lines: Vec<_> = text.split_inclusive("\r\n").collect();
    for (at, line) in lines.iter().enumerate() {
        let (code, hyphen) = (&line[..3], line.as_bytes()[3]);
        let expected = if at + 1 < lines.len() { b'-' } else { b' ' };
        assert!(
            code == reply.code().to_string() && hyphen == expected,
            "{text}"
        );
        assert!(line.len() <= 512 && line.ends_with("\r\n"), "{text}");
        assert!(
            line.trim_end_matches("\r\n")
                .bytes()
                .all(|byte| (b' '..=b'~').contains(&byte)),
            "{text}"
        );
    }
    assert!(text.parse::<Response>().is_ok(), "{text}");
}

/// Asserts that each confirmed message equals the bytes sent for it. Feeds single bytes to find out where a message begins.
fn assert_stored_as_sent(bytes: &[u8], limits: &Limits) {
    let mut session = Session::new(Setup {
        limits: limits.clone(),
        ..Setup::new("test")
    });
    step(&mut session, Input::Connected);
    // Start of the message after DATA, or the bytes of its chunks so far.
    let mut begun = None;
    let mut chunks = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        match session.state {
            State::Chunk(_) => chunks.push(*byte),
            State::Chunks(_) => {}
            _ => chunks.clear(),
        }
        let effects = step(&mut session, Input::Bytes(&[*byte]));
        match effects.last() {
            Some(Effect::Reply(reply)) if reply.code() == 354 => begun = Some(at + 1),
            Some(Effect::Store(received)) => {
                match begun.take() {
                    Some(begun) => {
                        let sent = bytes[begun..=at].strip_suffix(b".\r\n").unwrap();
                        assert_eq!(received.source, naive_unstuff(sent));
                    }
                    None => assert_eq!(received.source, chunks),
                }
                assert!(received.source.len() as u64 <= limits.message_size);
                assert!(!received.envelope.recipients.is_empty());
                let effects = step(&mut session, Input::Stored(Ok(MessageId("x".into()))));
                // LMTP replies once for each recipient.
                assert!(codes(&effects).iter().all(|code| *code == 250));
            }
            _ => {}
        }
        // Transcript, envelope and command line have limits of their own.
        let others = 256 * 1024;
        let limit = limits.message_size + limits.pipelined as u64 + others;
        assert!(
            session.held() <= 2 * limit,
            "{} bytes are held",
            session.held()
        );
    }
}

#[test]
fn any_bytes_in_any_pieces_are_one_well_formed_dialogue() {
    let target = Target {
        name: "smtp",
        words: &[
            "EHLO there\r\n",
            "HELO x\r\n",
            "MAIL FROM:<a@b>\r\n",
            "MAIL FROM:",
            "<a@b>",
            " SIZE=5",
            " BODY=8BITMIME",
            " SMTPUTF8",
            "RCPT TO:<c@d>\r\n",
            "RCPT TO:",
            "<@x:a@b>",
            "<\"a b\"@c>",
            "DATA\r\n",
            "RSET\r\n",
            "NOOP\r\n",
            "VRFY x\r\n",
            "QUIT\r\n",
            "BDAT 3 LAST\r\n",
            "BDAT 7\r\n",
            "BDAT 0 LAST\r\n",
            "LHLO x\r\n",
            "AUTH PLAIN AGEAYg==\r\n",
            "AUTH CRAM-MD5\r\n",
            " NOTIFY=NEVER",
            "STARTTLS\r\n",
            "GET / HTTP/1.1\r\n",
            "HELO / HTTP/1.1\r\n",
            "Host: x\r\n",
            "\r\n",
            "\r\n.\r\n",
            ".",
            ".\n",
            "\n.\n",
            "\r.\r",
            "body\r\n",
            "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n",
        ],
        seeds: vec![],
        cases: 600,
    };
    target.run(|bytes| {
        for limits in [Limits::default(), tight_limits()] {
            let whole = play(bytes, &[usize::MAX], 0, limits.clone());
            for (longest, delay) in [(1, 0), (7, 0), (40, 2), (4096, 1)] {
                let cut = play(bytes, &sizes(bytes, longest), delay, limits.clone());
                assert!(
                    cut == whole,
                    "pieces of up to {longest} bytes change something"
                );
            }
            let (effects, stored) = whole;
            let first_close = effects.iter().position(|effect| *effect == Effect::Close);
            assert!(first_close.is_none_or(|at| at + 1 == effects.len()));
            for effect in &effects {
                if let Effect::Reply(reply) = effect {
                    assert_well_formed(reply);
                }
            }
            for received in &stored {
                assert!(received.transcript.len() <= 2 * 64 * 1024);
                assert!(
                    received
                        .transcript
                        .lines()
                        .all(|line| !line.contains(char::is_control))
                );
            }
            assert_stored_as_sent(bytes, &limits);
        }
    });
}
