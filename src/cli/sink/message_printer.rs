//! Prints messages on stdout, in one of five formats.
//!
//! Each function writes into a given writer, so that tests can read the output. A terminal must interpret nothing of a
//! message: unsafe characters are escaped (see `terminal_text`). Only `raw` is exact, and only if the output is not a terminal.

use std::io::{self, Write};

use clap::ValueEnum;
use movie_bag_core::domain::terminal_text::escape_line;
use movie_bag_smtp_sink::{ReceivedMessage, extract};

use crate::cli::document::documents;
use crate::cli::ui::{StdoutStyle, to_json};

/// Maximum text of a message that is printed, in bytes.
const LONGEST_TEXT: usize = 64 * 1024;

/// Maximum number of recipients that are printed, each on a line.
const MOST_RECIPIENTS: usize = 5;

/// Maximum number of links that are printed, and of tokens, and of codes.
const MOST_FOUND: usize = 20;

/// Formats of messages on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    /// Sender, recipients, subject, text, links, tokens and codes
    Text,
    /// One JSON document per message
    Json,
    /// Source, byte for byte
    Raw,
    // `python -m smtpd -n -c DebuggingServer`
    /// Output of Python's DebuggingServer
    Classic,
    /// Nothing
    None,
}

/// Sequences that choose a style. Links, tokens and codes each have their own colour.
#[derive(Debug, Clone, Copy, Default)]
struct Colors {
    bold: &'static str,
    dim: &'static str,
    warning: &'static str,
    link: &'static str,
    token: &'static str,
    code: &'static str,
    plain: &'static str,
}

impl Colors {
    fn new(style: StdoutStyle) -> Self {
        if !style.color {
            return Self::default();
        }
        Self {
            bold: "\x1b[1m",
            dim: "\x1b[2m",
            warning: "\x1b[33m",
            link: "\x1b[36m",
            token: "\x1b[35m",
            code: "\x1b[1;32m",
            plain: "\x1b[0m",
        }
    }
}

/// Prints one message, and flushes the output so that the message is visible at once.
pub(super) fn print(
    out: &mut impl Write,
    message: &ReceivedMessage,
    format: Format,
    style: StdoutStyle,
) -> io::Result<()> {
    match format {
        Format::Text => print_text(out, message, style)?,
        Format::Json => print_json(out, message)?,
        Format::Raw => print_raw(out, message, style)?,
        Format::Classic => print_classic(out, message)?,
        Format::None => return Ok(()),
    }
    out.flush()
}

fn print_text(
    out: &mut impl Write,
    message: &ReceivedMessage,
    style: StdoutStyle,
) -> io::Result<()> {
    let digest = message.digest();
    let content = message.content();
    let found = extract::from_content(&content);
    let Colors {
        bold,
        dim,
        warning,
        link,
        token,
        code,
        plain,
    } = Colors::new(style);
    let mut facts = vec![
        message.received_at.strftime("%H:%M:%S").to_string(),
        message.id.to_string(),
        format!("{} bytes", message.source.len()),
    ];
    facts.extend(message.session.tls.clone());
    facts.extend(
        message
            .session
            .login
            .as_ref()
            .map(|login| format!("logged in as {}", login.user)),
    );
    writeln!(out, "{dim}--- {}{plain}", escape_line(&facts.join(" · ")))?;
    let sender = match message.envelope.sender.as_str() {
        "" => "<>",
        sender => sender,
    };
    writeln!(out, "{dim}From{plain}     {}", escape_line(sender))?;
    let recipients = &message.envelope.recipients;
    for recipient in recipients.iter().take(MOST_RECIPIENTS) {
        writeln!(
            out,
            "{dim}To{plain}       {}",
            escape_line(&recipient.address)
        )?;
    }
    print_rest(out, recipients.len(), MOST_RECIPIENTS, style)?;
    writeln!(
        out,
        "{dim}Subject{plain}  {bold}{}{plain}",
        escape_line(&digest.subject)
    )?;
    for part in content.attachments.iter().chain(&content.inline) {
        let (name, kind) = (
            escape_line(&part.file_name),
            escape_line(&part.content_type),
        );
        writeln!(
            out,
            "{dim}File{plain}     {name} ({kind}, {} bytes)",
            part.bytes.len()
        )?;
    }
    for text in message.warnings() {
        writeln!(out, "{warning}Warning{plain}  {}", escape_line(&text))?;
    }
    writeln!(out)?;
    let (shown, left_out) = cut(&content.text);
    for line in shown.trim_end().lines() {
        match line.trim_end() {
            "" => writeln!(out)?,
            line => writeln!(out, "  {}", escape_line(line))?,
        }
    }
    if left_out > 0 {
        writeln!(out, "  {dim}({left_out} more bytes of text){plain}")?;
    }
    let lists = [
        ("Link", link, &found.links),
        ("Token", token, &found.tokens),
        ("Code", code, &found.codes),
    ];
    if lists.iter().any(|(.., list)| !list.is_empty()) {
        writeln!(out)?;
    }
    for (label, color, list) in lists {
        for item in list.iter().take(MOST_FOUND) {
            writeln!(
                out,
                "{dim}{label:<8}{plain} {color}{}{plain}",
                escape_line(item)
            )?;
        }
        print_rest(out, list.len(), MOST_FOUND, style)?;
    }
    for token in &found.reset_tokens {
        writeln!(out, "movie-bag reset --token {}", escape_line(token))?;
    }
    writeln!(out)
}

/// Prints how many items of a list were left out, if any.
fn print_rest(
    out: &mut impl Write,
    all: usize,
    shown: usize,
    style: StdoutStyle,
) -> io::Result<()> {
    let Colors { dim, plain, .. } = Colors::new(style);
    match all.saturating_sub(shown) {
        0 => Ok(()),
        rest => writeln!(out, "         {dim}(and {rest} more){plain}"),
    }
}

documents! {
    pub(in crate::cli) struct MessageDocument<'a> {
        /// Id of the message in the inbox.
        id: &'a str,
        /// Time of receipt.
        received_at: String,
        /// Sender in the envelope.
        from: &'a str,
        /// Recipients in the envelope.
        to: Vec<&'a str>,
        /// Subject.
        subject: &'a str,
        /// Message-ID without angle brackets.
        message_id: &'a str,
        /// Text part.
        text: &'a str,
        /// HTML part; empty if there is none.
        html: &'a str,
        /// Links, in the order of the message.
        links: &'a [String],
        /// Reset tokens.
        tokens: &'a [String],
        /// One-time codes.
        codes: &'a [String],
        /// Names of the attachments and of the inline parts.
        attachments: Vec<&'a str>,
        /// Size in bytes.
        size: usize,
        /// Name that the client gave in EHLO or HELO; may be empty.
        helo: &'a str,
        /// Address and port of the client.
        peer: Option<String>,
        /// Whether the message has a header; a message without one is shown as text.
        parsed: bool,
        /// Descriptions of problems in the message and in its SMTP session.
        warnings: Vec<String>,
    }
}

fn print_json(out: &mut impl Write, message: &ReceivedMessage) -> io::Result<()> {
    let digest = message.digest();
    let content = message.content();
    let found = extract::from_content(&content);
    let recipients = message.envelope.recipients.iter();
    let attachments = content.attachments.iter().chain(&content.inline);
    let document = MessageDocument {
        id: &message.id.0,
        received_at: format!("{:.3}", message.received_at),
        from: &message.envelope.sender,
        to: recipients.map(|to| to.address.as_str()).collect(),
        subject: &digest.subject,
        message_id: &digest.message_id,
        text: &content.text,
        html: &content.html,
        links: &found.links,
        tokens: &found.tokens,
        codes: &found.codes,
        attachments: attachments.map(|part| part.file_name.as_str()).collect(),
        size: message.source.len(),
        helo: &message.session.helo,
        peer: message.session.peer.map(|peer| peer.to_string()),
        parsed: digest.is_parsed,
        warnings: message.warnings(),
    };
    writeln!(out, "{}", to_json(&document))
}

fn print_raw(
    out: &mut impl Write,
    message: &ReceivedMessage,
    style: StdoutStyle,
) -> io::Result<()> {
    if !style.terminal {
        return out.write_all(&message.source);
    }
    let text = String::from_utf8_lossy(&message.source);
    for line in text.split_inclusive('\n') {
        let ends = line.ends_with('\n');
        let line = line.strip_suffix('\n').unwrap_or(line);
        // The CR of a CRLF is not shown; any other CR is.
        write!(
            out,
            "{}",
            escape_line(line.strip_suffix('\r').filter(|_| ends).unwrap_or(line))
        )?;
        writeln!(out)?;
    }
    Ok(())
}

/// Prints the output of the `DebuggingServer` of Python 3.5 to 3.11 for the same client, byte for byte.
///
/// A client sends only parameters of extensions that its server offers. That server offers 8BITMIME, and SMTPUTF8 with its
/// option `-u`, so BODY and SMTPUTF8 are shown, and no others; RCPT has none.
fn print_classic(out: &mut impl Write, message: &ReceivedMessage) -> io::Result<()> {
    writeln!(out, "---------- MESSAGE FOLLOWS ----------")?;
    let params = message
        .envelope
        .params
        .iter()
        .map(|param| param.to_uppercase());
    let options: Vec<_> = params
        .filter(|param| param.starts_with("BODY=") || param == "SMTPUTF8")
        .map(|param| format!("'{param}'"))
        .collect();
    if !options.is_empty() {
        writeln!(out, "mail options: [{}]", options.join(", "))?;
    }
    // The last CRLF belongs to the end of data.
    let source = message
        .source
        .strip_suffix(b"\r\n")
        .unwrap_or(&message.source);
    let mut in_headers = true;
    for line in py_lines(source) {
        if in_headers && line.is_empty() {
            if let Some(peer) = message.session.peer {
                writeln!(out, "b'X-Peer: {}'", peer.ip())?;
            }
            in_headers = false;
        }
        writeln!(out, "{}", py_bytes(line))?;
    }
    writeln!(out, "------------ END MESSAGE ------------")
}

/// Splits as `bytes.splitlines()` does: lines end at LF, CR or CRLF, and an empty last line does not count.
fn py_lines(source: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = source;
    while !rest.is_empty() {
        let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
            lines.push(rest);
            break;
        };
        lines.push(&rest[..end]);
        let after = if rest[end..].starts_with(b"\r\n") {
            end + 2
        } else {
            end + 1
        };
        rest = &rest[after..];
    }
    lines
}

/// Formats bytes as `repr()` does.
fn py_bytes(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') {
        '"'
    } else {
        '\''
    };
    let mut text = format!("b{quote}");
    for &byte in bytes {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b'\t' => text.push_str("\\t"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\'' if quote == '\'' => text.push_str("\\'"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push(quote);
    text
}

fn cut(text: &str) -> (&str, usize) {
    let mut end = text.len().min(LONGEST_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (&text[..end], text.len() - end)
}

#[cfg(test)]
mod tests {
    use movie_bag_core::domain::terminal_text::needs_escape;
    use movie_bag_smtp_sink::{Envelope, MessageId, Received, Recipient, unsafe_text};
    use movie_bag_testkit::fuzz::Target;

    use super::*;

    const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln";

    fn stored_message(source: &[u8], from: &str, to: &[&str]) -> ReceivedMessage {
        let recipients = to.iter().map(|address| Recipient::new(*address)).collect();
        let received = Received::new(source.to_vec(), Envelope::new(from, recipients), "client");
        let received_at = "2026-11-23T10:11:12.5Z".parse().unwrap();
        let peer = Some(([127, 0, 0, 1], 4000).into());
        ReceivedMessage::new(MessageId("1".to_owned()), received_at, received, peer)
    }

    fn printed(message: &ReceivedMessage, format: Format, style: StdoutStyle) -> String {
        let mut out = Vec::new();
        print(&mut out, message, format, style).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_shows_links_tokens_and_codes_on_separate_lines() {
        let source = format!(
            "Subject: Reset your password\r\n\r\nOpen http://localhost:3000/reset/{JWT} soon.\r\nYour code: 123456\r\n"
        );
        let message = stored_message(
            source.as_bytes(),
            "support@example.com",
            &["ann@example.com"],
        );
        let text = printed(&message, Format::Text, StdoutStyle::default());
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[0],
            format!("--- 10:11:12 · {} · {} bytes", message.id, source.len())
        );
        assert_eq!(
            lines[1..],
            [
                "From     support@example.com".to_owned(),
                "To       ann@example.com".into(),
                "Subject  Reset your password".into(),
                "".into(),
                format!("  Open http://localhost:3000/reset/{JWT} soon."),
                "  Your code: 123456".into(),
                "".into(),
                format!("Link     http://localhost:3000/reset/{JWT}"),
                format!("Token    {JWT}"),
                "Code     123456".into(),
                format!("movie-bag reset --token {JWT}"),
                "".into(),
            ]
        );
        assert!(
            printed(
                &message,
                Format::Text,
                StdoutStyle {
                    color: true,
                    ..StdoutStyle::default()
                }
            )
            .contains("\x1b[1;32m123456")
        );
        assert_eq!(printed(&message, Format::None, StdoutStyle::default()), "");
    }

    #[test]
    fn no_message_reaches_the_terminal_unescaped() {
        let source = "Subject: \x1b[2J\x07\u{9b}31m \u{202e}evil\r\nFrom: a@b\r\n\r\nbody \x1b]0;title\x07 \u{2066}\u{85}x\rover\u{8}\ttab\r\n";
        let message = stored_message(source.as_bytes(), "a\u{202e}@b", &["c\u{9b}@d"]);
        let style = StdoutStyle {
            color: false,
            terminal: true,
        };
        for format in [Format::Text, Format::Json, Format::Raw, Format::Classic] {
            let text = printed(&message, format, style);
            let bad: Vec<_> = text
                .chars()
                .filter(|&char| needs_escape(char) && char != '\n')
                .collect();
            assert!(bad.is_empty(), "{format:?}: {bad:?}");
        }
        assert!(printed(&message, Format::Text, style).contains("\\x1b[2J"));
    }

    #[test]
    fn the_terminal_and_the_pages_escape_the_same_characters() {
        for char in '\0'..=char::MAX {
            let (terminal, pages) = (needs_escape(char), unsafe_text::needs_escape(char));
            assert_eq!(terminal, pages, "{char:?}");
            if terminal {
                let text = char.to_string();
                assert_eq!(escape_line(&text), unsafe_text::escape_line(&text));
            }
        }
        assert!(needs_escape('\u{61c}'));
    }

    #[test]
    fn any_message_is_printed_in_time_and_does_not_control_a_terminal() {
        let target = Target {
            name: "mail",
            words: &[
                "From: ",
                "Subject: ",
                "Content-Type: text/html",
                "; charset=utf-16",
                "Content-Disposition: attachment; filename=",
                "filename*0*=utf-8''%9b",
                "Content-Transfer-Encoding: base64",
                "GxtdMDt0aXRsZQc=",
                "=?utf-8?q?=1b=5b2J?=",
                "http://localhost/reset/",
                "Your code: 123456",
                "&#x1b;",
                "&#x202e;",
                "\u{1b}[2J",
                "\u{9b}31m",
                "\r\n",
                "\r\n\r\n",
                "\r",
            ],
            seeds: movie_bag_testkit::real_mails(),
            cases: 250,
        };
        target.run(|source| {
            let to = ["ann@example.com", "<script>\u{202e}@x", "a@b.c"];
            let message = stored_message(source, "\u{9b}\"'<img src=x>@y", &to);
            assert_harmless(&message);
        });
    }

    /// Reports whether a character controls a terminal or changes the direction of text. Written independently of the code under
    /// test.
    fn is_obeyed(char: char) -> bool {
        (char.is_control() && char != '\n')
            || matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    }

    fn assert_harmless(message: &ReceivedMessage) {
        let style = StdoutStyle {
            color: false,
            terminal: true,
        };
        for format in [
            Format::Text,
            Format::Json,
            Format::Raw,
            Format::Classic,
            Format::None,
        ] {
            let text = printed(message, format, style);
            let obeyed = text.chars().find(|&char| is_obeyed(char));
            assert!(obeyed.is_none(), "{format:?}: {obeyed:?}");
            assert!(
                text.len() <= 100_000 + 40 * message.source.len(),
                "{format:?}: {} bytes",
                text.len()
            );
            if format == Format::Json {
                assert_eq!(text.lines().count(), 1);
                assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
            }
        }
        let mut exact = Vec::new();
        print(&mut exact, message, Format::Raw, StdoutStyle::default()).unwrap();
        assert_eq!(exact, message.source);
    }

    #[test]
    fn json_is_one_escaped_line_with_the_same_values() {
        let message = stored_message(
            "Subject: a\u{202e}b\r\n\r\nx\u{9b}\ny\r\n".as_bytes(),
            "a@b",
            &["c@d"],
        );
        let text = printed(&message, Format::Json, StdoutStyle::default());
        assert_eq!(text.lines().count(), 1);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["subject"], "a\u{202e}b");
        assert_eq!(value["text"], "x\u{9b}\ny\r\n");
        assert_eq!(value["received_at"], "2026-11-23T10:11:12.500Z");
        assert_eq!(value["to"][0], "c@d");
    }

    #[test]
    fn raw_is_exact_in_a_pipe() {
        let source = b"Subject: \x1b\r\n\r\n\xff\0bare\rcr\n";
        let message = stored_message(source, "a@b", &[]);
        let mut out = Vec::new();
        print(&mut out, &message, Format::Raw, StdoutStyle::default()).unwrap();
        assert_eq!(out, source);
    }

    #[test]
    fn classic_writes_bytes_as_python_does() {
        let message = stored_message(
            b"Subject: it's\r\nX: \xff\t\\\r\n\r\n'\"\r\na\rb\nc\r\n\r\n",
            "a@b",
            &["c@d"],
        );
        assert_eq!(
            printed(&message, Format::Classic, StdoutStyle::default()),
            concat!(
                "---------- MESSAGE FOLLOWS ----------\n",
                "b\"Subject: it's\"\n",
                "b'X: \\xff\\t\\\\'\n",
                "b'X-Peer: 127.0.0.1'\n",
                "b''\n",
                "b'\\'\"'\n",
                "b'a'\n",
                "b'b'\n",
                "b'c'\n",
                "------------ END MESSAGE ------------\n",
            )
        );
    }
}
