//! Automatic tags of a message, by Mailpit's rules: those in its X-Tags header, and the `TAG` of plus addresses
//! (`ann+TAG@example.com`) in From, To, Cc, Bcc and the recipients of the envelope.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mail_parser::{Address, HeaderName, MessageParser};

use super::received::ReceivedMessage;

/// Maximum size of headers that are searched for tags, in bytes.
const MAX_HEADERS: usize = 256 * 1024;

/// Maximum number of automatic tags of a message.
const MAX_TAGS: usize = 20;

/// Returns the tags as the sender wrote them: not cleaned and not unique.
///
/// An SMTP session waits for this, so the parser runs only if a header can contain a tag.
pub fn read_tags(message: &ReceivedMessage) -> Vec<String> {
    let headers = header_section(&message.source);
    let mut tags = if headers.split(|byte| *byte == b'\n').any(may_contain_tags) {
        catch_unwind(AssertUnwindSafe(|| tags_of_headers(headers))).unwrap_or_default()
    } else {
        Vec::new()
    };
    let recipients = &message.envelope.recipients;
    tags.extend(
        recipients
            .iter()
            .flat_map(|to| tags_of_address(&to.address)),
    );
    tags.truncate(MAX_TAGS);
    tags
}

fn header_section(source: &[u8]) -> &[u8] {
    let source = &source[..source.len().min(MAX_HEADERS)];
    let empty_line = (0..source.len())
        .find(|&at| source[at..].starts_with(b"\n\r\n") || source[at..].starts_with(b"\n\n"));
    empty_line.map_or(source, |at| &source[..=at])
}

fn may_contain_tags(line: &[u8]) -> bool {
    let plus = line.iter().position(|byte| *byte == b'+');
    plus.is_some_and(|plus| line[plus..].contains(&b'@'))
        || line
            .get(..6)
            .is_some_and(|name| name.eq_ignore_ascii_case(b"x-tags"))
}

fn tags_of_headers(headers: &[u8]) -> Vec<String> {
    const X_TAGS: HeaderName<'_> = HeaderName::Other(std::borrow::Cow::Borrowed("X-Tags"));
    let parser = MessageParser::new()
        .with_address_headers()
        .header_text(X_TAGS)
        .default_header_ignore();
    let Some(parsed) = parser.parse_headers(headers) else {
        return Vec::new();
    };
    // The first of repeated headers counts.
    let first = |name: HeaderName<'_>| {
        let mut headers = parsed.headers().iter();
        headers.find(|header| header.name == name)
    };
    let named = first(X_TAGS).and_then(|header| header.value.as_text());
    let mut tags: Vec<String> = named
        .unwrap_or_default()
        .split(',')
        .map(str::to_owned)
        .collect();
    for name in [
        HeaderName::To,
        HeaderName::Cc,
        HeaderName::Bcc,
        HeaderName::From,
    ] {
        let addresses = first(name).and_then(|header| header.value.as_address());
        let addresses = addresses.into_iter().flat_map(Address::iter);
        tags.extend(addresses.flat_map(|one| tags_of_address(one.address().unwrap_or_default())));
    }
    tags
}

/// Returns the tags of an address: `ann+one+two@example.com` has two.
fn tags_of_address(address: &str) -> Vec<String> {
    let tags = address
        .split_once('+')
        .and_then(|(_, rest)| rest.split_once('@'))
        .map(|(tags, _)| tags);
    tags.into_iter()
        .flat_map(|tags| tags.split('+'))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::inbox::tests::stored_message;

    fn tags(headers: &str, to: &[&str]) -> Vec<String> {
        stored_message(
            format!("{headers}\r\n\r\nx+y@z\r\n").as_bytes(),
            "a+b@c",
            to,
        )
        .tags()
    }

    /// Headers and expected tags of Mailpit's own test (internal/storage/testdata/tags.eml).
    #[test]
    fn tags_are_those_that_mailpit_finds() {
        let headers = "From: Sender Smith <sender+FromFag@example.com>\r\n\
                       To: Recipient Ross <recipient+ToTag@example.com>\r\n\
                       Cc: Recipient Ross <cc+CcTag@example.com>\r\n\
                       Bcc: <bcc+BccTag@example.com>\r\n\
                       Subject: Plain text message\r\n\
                       X-Tags: X-tag1, X-tag2";
        let expected = ["BccTag", "CcTag", "FromFag", "ToTag", "X-tag1", "X-tag2"];
        assert_eq!(tags(headers, &["recipient+ToTag@example.com"]), expected);
    }

    #[test]
    fn tags_are_cleaned_as_mailpit_cleans_them() {
        let header =
            "x-tags: Dirty! \"Tag\", dirty tag, =?utf-8?q?a=5Fb?=, /, , a.b@c-d\r\nX-Tags: second";
        assert_eq!(tags(header, &[]), ["a.b@c-d", "a_b", "Dirty Tag"]);
        let many: String = (0..1000).map(|number| format!("t{number},")).collect();
        assert_eq!(tags(&format!("X-Tags: {many}"), &[]).len(), 20);
        let long = format!("X-Tags: {}", "x".repeat(150));
        assert_eq!(tags(&long, &[]), ["x".repeat(100)]);
    }

    #[test]
    fn only_addresses_have_plus_tags() {
        // A recipient that no header names counts; the sender of the envelope, other headers and the body do not.
        let headers =
            "Subject: a+b@c\r\nReply-To: r+eply@x\r\nTo: \"n+ame@x\" <ann+one+two@example.com>";
        assert_eq!(
            tags(headers, &["bob+three@example.com"]),
            ["one", "three", "two"]
        );
        assert_eq!(tags("To: ann+@example.com, +@, a@b+c", &["x"]), [""; 0]);
        assert_eq!(tags("", &["ann@example.com"]), [""; 0]);
    }
}
