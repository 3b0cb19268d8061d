//! BDAT.

use super::*;

#[test]
fn a_message_can_be_sent_in_chunks_of_any_bytes() {
    let sent = b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 7\r\na\r\n.\r\nbBDAT 0\r\nBDAT 4 LAST\r\n\0\n\r.NOOP\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 0 LAST\r\n";
    for cut in [1, 3, usize::MAX] {
        let (effects, stored) = play(sent, &[cut], 0, Limits::default());
        assert_eq!(
            codes(&effects)[1..],
            [250, 250, 250, 250, 250, 250, 250, 250, 250, 250]
        );
        assert_eq!(stored[0].source, b"a\r\n.\r\nb\0\n\r.");
        assert_eq!(
            stored[0].warnings,
            [Warning::BareCr(1), Warning::BareLf(1), Warning::Nul(1)]
        );
        assert_eq!(stored[1].source, b"");
    }
}

#[test]
fn a_refused_chunk_is_read_to_its_end() {
    let limits = Limits {
        message_size: 10,
        ..Limits::default()
    };
    let open = "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";
    for (sent, expected) in [
        // Out of order; the bytes of the chunk are not read as commands.
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
            let (effects, stored) = play(sent.as_bytes(), &[cut], 0, limits.clone());
            assert_eq!(codes(&effects)[1..], *expected, "{sent}");
            assert!(stored.is_empty());
        }
    }
    // No memory is reserved for the announced size, here the largest number.
    let mut session = connected(Setup::new("here"));
    send(&mut session, open);
    assert_eq!(
        send(&mut session, "BDAT 18446744073709551615 LAST\r\nabc"),
        Vec::<u16>::new()
    );
    assert!(session.held() < 10_000);
}
