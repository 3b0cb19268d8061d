//! Content and headers of a stored message, for the API and the web pages.

mod headers;

pub use super::content::{Attachment, Content, Digest, Mailbox};
pub use headers::{RawPart, header_lines, headers, part_headers, raw_parts};

use super::content;
use super::received::ReceivedMessage;

/// Derives text, HTML and attachments.
pub fn content(message: &ReceivedMessage) -> Content {
    content::read_content(&message.source)
}

/// Returns one part by its number, whether or not it is listed as a file.
pub fn part(message: &ReceivedMessage, part_id: &str) -> Option<Attachment> {
    content::read_part(&message.source, part_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbox::tests::stored_message;

    #[test]
    fn headers_text_and_parts_are_decoded() {
        let source = concat!(
            "From: =?utf-8?q?J=C3=BCrgen?= <j@example.com>\r\nTo: Ann <ann@example.com>\r\n",
            "Subject: =?utf-8?b?SGVsbG8gd8O2cmxk?=\r\nMessage-ID: <1@example.com>\r\n",
            "Date: Tue, 24 Nov 2026 01:02:03 +0200\r\nList-Unsubscribe: <https://x.example/u>,\r\n <mailto:u@x.example>\r\n",
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n",
            "--m\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
            "<p>Open https://a.example/=\r\nlong</p>\r\n",
            "--m\r\nContent-Type: text/csv; name=a.csv\r\nContent-Disposition: attachment; filename=a.csv\r\n\r\na,b\r\n",
            "--m\r\nContent-Type: image/png\r\nContent-ID: <pic>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBO\r\n--m--\r\n",
        );
        let message = stored_message(
            source.as_bytes(),
            "bounce@example.com",
            &["ANN@example.com", "hidden@example.com"],
        );
        let digest = message.digest();
        assert!(digest.is_parsed);
        assert_eq!(
            digest.from,
            Mailbox {
                name: "Jürgen".into(),
                address: "j@example.com".into()
            }
        );
        assert_eq!(
            digest.bcc,
            [Mailbox {
                name: String::new(),
                address: "hidden@example.com".into()
            }]
        );
        assert_eq!(
            (digest.subject.as_str(), digest.message_id.as_str()),
            ("Hello wörld", "1@example.com")
        );
        assert_eq!(
            (digest.attachments, digest.snippet.as_str()),
            (1, "Open https://a.example/long")
        );
        let content = content(&message);
        assert_eq!(content.date.as_deref(), Some("2026-11-24T01:02:03+02:00"));
        assert_eq!(
            content.list_unsubscribe,
            "<https://x.example/u>, <mailto:u@x.example>"
        );
        assert_eq!(content.text, "Open https://a.example/long");
        assert_eq!(
            (
                content.attachments[0].file_name.as_str(),
                &content.attachments[0].bytes[..]
            ),
            ("a.csv", &b"a,b"[..])
        );
        assert_eq!(
            (
                content.inline[0].file_name.as_str(),
                content.inline[0].content_type.as_str()
            ),
            ("pic", "image/png")
        );
    }

    #[test]
    fn nested_messages_are_one_attachment_at_any_depth() {
        for kind in ["message/rfc822", "Message/RFC822", "message/global"] {
            let source = format!("Content-Type: {kind}\r\n\r\n").repeat(60_000);
            let deepest = stored_message(source.as_bytes(), "a@b", &["c@d"]);
            assert_eq!(deepest.digest().attachments, 1);
            let content = content(&deepest);
            assert_eq!(content.attachments[0].file_name, "part-0.eml");
            assert_eq!(
                content.attachments[0].bytes.len(),
                source.len() - kind.len() - 18
            );
            crate::content::read_search_text(&deepest.source, &deepest.digest(), &deepest.envelope);
        }
    }

    #[test]
    fn a_message_that_cannot_be_parsed_is_shown_and_marked() {
        for source in [
            &b""[..],
            b"\xff\xfe\x00",
            b"no header at all",
            b"\r\n\r\n.\r\n",
        ] {
            let message = stored_message(source, "a@b", &["c@d"]);
            assert_eq!(message.digest().bcc[0].address, "c@d");
            content(&message);
        }
        let message = stored_message(b"", "a@b", &[]);
        assert!(!message.digest().is_parsed);
    }
}
