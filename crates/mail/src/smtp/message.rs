//! Message in bytes, with headers and two parts, and its envelope.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::SystemTime;

use lettre::Address;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};

use movie_bag_core::ports::mail::Message;

/// Maximum length of a line in a message, in bytes, without its line end (RFC 5322 2.1.1).
const MAX_LINE_BYTES: usize = 998;

/// Message in bytes, and its envelope.
pub(super) struct Outgoing {
    pub(super) from: Address,
    pub(super) to: Address,
    bytes: Vec<u8>,
    /// The message in quoted-printable, if `bytes` are not ASCII.
    quoted: Option<Vec<u8>>,
}

impl Outgoing {
    /// Builds a multipart/alternative message. The parts have an encoding that leaves their lines unchanged, since
    /// quoted-printable and base64 would break the link in the source (RFC 2045 6.7, 6.8). A part with letters beyond ASCII is
    /// in 8 bits, and in quoted-printable for servers without 8BITMIME.
    ///
    /// # Errors
    /// The reason why the message is invalid.
    pub(super) fn build(message: &Message) -> Result<Self, String> {
        let one_line = |header: &str, text: &str| {
            if text.contains(['\r', '\n', '\0']) {
                Err(format!("the {header} contains a line break"))
            } else {
                Ok(())
            }
        };
        one_line("subject", &message.subject)?;
        one_line("recipient", &message.to)?;
        one_line("Message-ID", &message.message_id)?;
        let from = sender(&message.from)?;
        let to = recipient(&message.to)?;
        let html = html(&message.html);
        let eight_bit = ContentTransferEncoding::EightBit;
        let bytes = formatted(message, &from, &to, &html, eight_bit)?;
        let is_ascii = message.text.is_ascii() && html.is_ascii();
        let quoted = (!is_ascii)
            .then(|| {
                let quoted_printable = ContentTransferEncoding::QuotedPrintable;
                formatted(message, &from, &to, &html, quoted_printable)
            })
            .transpose()?;
        Ok(Self {
            from: from.email,
            to,
            bytes,
            quoted,
        })
    }

    /// Returns the bytes for DATA, without the last line end, which is part of the end of data (RFC 5321 4.1.1.4).
    pub(super) fn body(&self, accepts_8_bits: bool) -> &[u8] {
        let bytes = match &self.quoted {
            Some(quoted) if !accepts_8_bits => quoted,
            _ => &self.bytes,
        };
        bytes.strip_suffix(b"\r\n").unwrap_or(bytes)
    }

    /// Returns whether addresses in the envelope or the headers have letters beyond ASCII (RFC 6531 3.4). In all other headers,
    /// such letters are encoded.
    pub(super) fn needs_utf8(&self) -> bool {
        !self.from.to_string().is_ascii() || !self.to.to_string().is_ascii()
    }
}

/// Formats the message. Parts beyond ASCII get the encoding `beyond_ascii`.
fn formatted(
    message: &Message,
    from: &Mailbox,
    to: &Address,
    html: &str,
    beyond_ascii: ContentTransferEncoding,
) -> Result<Vec<u8>, String> {
    let parts = MultiPart::alternative()
        .singlepart(part(ContentType::TEXT_PLAIN, &message.text, beyond_ascii)?)
        .singlepart(part(ContentType::TEXT_HTML, html, beyond_ascii)?);
    let built = lettre::Message::builder()
        .message_id(Some(format!("<{}>", to_ascii_domain(&message.message_id))))
        .date(SystemTime::from(message.date))
        .from(from.clone())
        .to(Mailbox::new(None, to.clone()))
        .subject(&message.subject)
        // Prevents out-of-office replies (RFC 3834 5).
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ))
        .multipart(parts)
        .map_err(|error| error.to_string())?;
    Ok(built.formatted())
}

/// Checks whether mails can be sent from this sender, with the parser that sending uses.
///
/// # Errors
/// The reason why it is invalid.
pub fn check_sender(text: &str) -> Result<(), String> {
    sender(text).map(|_| ())
}

fn sender(text: &str) -> Result<Mailbox, String> {
    let mailbox: Mailbox = text
        .parse()
        .map_err(|error| format!("invalid MAIL_DEFAULT_SENDER {text}: {error}"))?;
    let address = mailbox.email.to_string();
    let email = to_ascii_domain(&address)
        .parse()
        .map_err(|error| format!("invalid domain in MAIL_DEFAULT_SENDER {text}: {error}"))?;
    Ok(Mailbox::new(mailbox.name, email))
}

/// Parses a recipient. The domain of an imported account may be in any script.
fn recipient(text: &str) -> Result<Address, String> {
    to_ascii_domain(text)
        .parse()
        .map_err(|error| format!("invalid recipient {text}: {error}"))
}

/// Returns the domain of a sender if it can be looked up in DNS.
pub(super) fn public_domain(sender_text: &str) -> Option<String> {
    let mailbox = sender(sender_text).ok()?;
    let domain = mailbox.email.domain();
    (domain.is_ascii() && domain.contains('.') && !domain.starts_with('['))
        .then(|| domain.to_owned())
}

/// Returns the sender's address if it is in ASCII.
pub(super) fn ascii_sender(sender_text: &str) -> Option<String> {
    let address = sender(sender_text).ok()?.email.to_string();
    address.is_ascii().then_some(address)
}

/// Returns the address with its domain in ASCII (RFC 5891), which needs no extension of the server. A domain in ASCII keeps
/// its spelling.
fn to_ascii_domain(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((local, domain)) if !domain.is_ascii() => idna::domain_to_ascii(domain)
            .map_or_else(|_| address.to_owned(), |ascii| format!("{local}@{ascii}")),
        _ => address.to_owned(),
    }
}

/// Returns the HTML in 7 bits, which needs no extension of the server, unless references would make a line too long.
fn html(html: &str) -> Cow<'_, str> {
    let ascii = escape_beyond_ascii(html);
    let is_short = ascii.lines().all(|line| line.len() <= MAX_LINE_BYTES);
    if is_short { ascii } else { Cow::Borrowed(html) }
}

/// Replaces letters beyond ASCII by numeric character references, or by CSS escapes inside a style sheet (CSS Syntax 4.3.7).
fn escape_beyond_ascii(html: &str) -> Cow<'_, str> {
    if html.is_ascii() {
        return Cow::Borrowed(html);
    }
    let mut ascii = String::with_capacity(html.len());
    let lower = html.to_ascii_lowercase();
    let mut style_ends = 0;
    for (at, c) in html.char_indices() {
        if c == '<' && lower[at..].starts_with("<style") {
            style_ends = lower[at..]
                .find("</style")
                .map_or(html.len(), |end| at + end);
        }
        // Writing to a string cannot fail.
        let _ = match c {
            c if c.is_ascii() => ascii.write_char(c),
            c if at < style_ends => write!(ascii, "\\{:06x}", u32::from(c)),
            c => write!(ascii, "&#{};", u32::from(c)),
        };
    }
    Cow::Owned(ascii)
}

/// Returns one part. lettre would encode lines longer than 76 characters, but 998 are allowed (RFC 5322 2.1.1). Only longer
/// lines are encoded, in quoted-printable.
fn part(
    content_type: ContentType,
    text: &str,
    beyond_ascii: ContentTransferEncoding,
) -> Result<SinglePart, String> {
    let lines: Vec<&str> = text.lines().collect();
    if lines.iter().any(|line| line.contains(['\r', '\0'])) {
        return Err("a line contains a control character".to_owned());
    }
    let is_long = lines.iter().any(|line| line.len() > MAX_LINE_BYTES);
    let encoding = if is_long {
        ContentTransferEncoding::QuotedPrintable
    } else if text.is_ascii() {
        ContentTransferEncoding::SevenBit
    } else {
        beyond_ascii
    };
    let text = (lines.join("\r\n") + "\r\n").into_bytes();
    let body = match encoding {
        ContentTransferEncoding::QuotedPrintable => Body::new_with_encoding(text, encoding)
            .map_err(|_| "it cannot be encoded".to_owned())?,
        _ => Body::dangerous_pre_encoded(text, encoding),
    };
    Ok(SinglePart::builder()
        .header(content_type)
        .header(encoding)
        .body(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message {
            message_id: "reset_password.0123@movie-bag.com".to_owned(),
            date: jiff::Timestamp::UNIX_EPOCH,
            from: "support@movie-bag.com".to_owned(),
            to: "ann@example.com".to_owned(),
            subject: "[Movie-bag] Reset your password".to_owned(),
            text: format!("Hello\n\n{}\n", link()),
            html: format!("<p>Hello</p>\n<a href=\"{}\">link</a>\n", link()),
        }
    }

    fn link() -> String {
        format!("https://movies.example/reset/{}", "x".repeat(400))
    }

    fn formatted(message: &Message) -> Result<String, String> {
        Outgoing::build(message).map(|built| String::from_utf8(built.bytes).unwrap())
    }

    #[test]
    fn the_link_is_whole_on_one_line_of_the_source() {
        for text in ["", "für Änn", "映画"] {
            let mail = formatted(&Message {
                text: message().text + text,
                html: message().html + text,
                ..message()
            })
            .unwrap();
            let with_link = mail.split("\r\n").filter(|line| line.contains(&link()));
            assert_eq!(with_link.count(), 2, "{mail}");
            assert!(
                !mail.contains("quoted-printable") && !mail.contains("base64"),
                "{mail}"
            );
        }
    }

    #[test]
    fn a_message_has_the_headers_of_automatic_mail() {
        let mail = formatted(&message()).unwrap();
        for header in [
            "Message-ID: <reset_password.0123@movie-bag.com>\r\n",
            "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n",
            "From: support@movie-bag.com\r\n",
            "To: ann@example.com\r\n",
            "Subject: [Movie-bag] Reset your password\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "MIME-Version: 1.0\r\n",
            "Content-Type: multipart/alternative;",
        ] {
            assert!(mail.contains(header), "{header:?} is not in {mail}");
        }
    }

    #[test]
    fn line_breaks_and_lists_of_addresses_are_refused_in_headers() {
        for broken in [
            Message {
                to: "ann@example.com\r\nBcc: bob@example.com".to_owned(),
                ..message()
            },
            Message {
                to: "ann@example.com, bob@example.com".to_owned(),
                ..message()
            },
            Message {
                subject: "Hello\r\nBcc: bob@example.com".to_owned(),
                ..message()
            },
            Message {
                from: "support".to_owned(),
                ..message()
            },
            Message {
                text: "a\u{0}b".to_owned(),
                ..message()
            },
        ] {
            assert!(formatted(&broken).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn html_beyond_ascii_is_sent_in_7_bits_and_text_unchanged() {
        let html = "<style>a:after { content: \"→\" }</style>\n<p title=\"ä\">für 映画 🎬</p>\n";
        let mail = formatted(&Message {
            html: html.to_owned(),
            ..message()
        })
        .unwrap();
        assert!(mail.is_ascii(), "{mail}");
        assert!(
            mail.contains("<p title=\"&#228;\">f&#252;r &#26144;&#30011; &#127916;</p>")
                && mail.contains("content: \"\\002192\""),
            "{mail}"
        );
        let mail = formatted(&Message {
            text: "für\n".to_owned(),
            ..message()
        })
        .unwrap();
        assert!(
            mail.contains("Content-Transfer-Encoding: 8bit\r\n\r\nfür\r\n"),
            "{mail}"
        );
    }

    #[test]
    fn html_whose_lines_would_become_too_long_stays_in_8_bits() {
        let long = "映".repeat(300);
        let mail = formatted(&Message {
            html: format!("<p>{long}</p>\n"),
            ..message()
        })
        .unwrap();
        assert!(mail.contains(&long) && mail.contains("Transfer-Encoding: 8bit"));
    }

    #[test]
    fn a_server_without_8bitmime_gets_quoted_printable_and_no_line_is_too_long() {
        let text = format!("für Änn = 1\n.\nFrom here \n{}\n", link());
        let long = format!("<p>{}</p>\n", "word ".repeat(300));
        let built = Outgoing::build(&Message {
            text: text.clone(),
            html: long.clone(),
            ..message()
        })
        .unwrap();
        for accepts_8_bits in [false, true] {
            let body = built.body(accepts_8_bits);
            assert_eq!(body.is_ascii(), !accepts_8_bits);
            let source = String::from_utf8(body.to_vec()).unwrap();
            assert!(
                source
                    .split("\r\n")
                    .all(|line| line.len() <= MAX_LINE_BYTES)
            );
            let parsed = mail_parser::MessageParser::default().parse(body).unwrap();
            let read = |part: Option<Cow<'_, str>>| part.unwrap().replace("\r\n", "\n");
            assert_eq!(read(parsed.body_text(0)).trim_end(), text.trim_end());
            assert_eq!(read(parsed.body_html(0)).trim_end(), long.trim_end());
        }
        // A message in ASCII is the same for both.
        let ascii = Outgoing::build(&message()).unwrap();
        assert_eq!(ascii.body(true), ascii.body(false));
    }

    #[test]
    fn only_a_local_part_beyond_ascii_needs_smtputf8() {
        let built = |from: &str, to: &str| {
            Outgoing::build(&Message {
                from: from.to_owned(),
                to: to.to_owned(),
                message_id: "x@mövie.example".to_owned(),
                ..message()
            })
            .unwrap()
        };
        let mail = built("Mövie <support@mövie.example>", "ann@bücher.example");
        assert!(!mail.needs_utf8());
        assert!(mail.bytes.is_ascii());
        assert_eq!(mail.to.to_string(), "ann@xn--bcher-kva.example");
        let mail = built("support@movie-bag.com", "Ann@Example.COM");
        assert_eq!(mail.to.to_string(), "Ann@Example.COM");
        let mail = built("support@movie-bag.com", "änn@example.com");
        assert!(mail.needs_utf8());
        let text = String::from_utf8(mail.bytes).unwrap();
        assert!(text.contains("To: änn@example.com\r\n"), "{text}");
    }

    #[test]
    fn the_longest_address_is_on_one_line_of_the_header() {
        let to = format!("{}@{}.example", "n".repeat(64), "d".repeat(63));
        let mail = formatted(&Message {
            to: to.clone(),
            ..message()
        })
        .unwrap();
        assert!(mail.contains(&format!("To: {to}\r\n")), "{mail}");
    }

    #[test]
    fn the_public_domain_of_a_sender_can_be_looked_up() {
        for (sender, domain) in [
            ("Movie-bag <support@movie-bag.com>", Some("movie-bag.com")),
            ("support@mövie.example", Some("xn--mvie-5qa.example")),
            ("support@localhost", None),
            ("support@[127.0.0.1]", None),
        ] {
            assert_eq!(public_domain(sender).as_deref(), domain, "{sender}");
        }
    }
}
