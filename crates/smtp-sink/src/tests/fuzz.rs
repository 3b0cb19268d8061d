//! Fuzz tests: any message is displayed without a panic, in time and memory proportional to its size, and its content does
//! not control a browser.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use movie_bag_testkit::fuzz::Target;

use super::Stopped;
use crate::inbox::Inbox;
use crate::inbox::tests::{Counting, received};
use crate::received::ReceivedMessage;
use crate::unsafe_text::needs_escape;
use crate::web_port::message_body::{Form, render_html};
use crate::web_port::{WebState, mailpit_json, render_all};
use crate::{content, extract, html, mime, view};

const MAIL: &[&str] = &[
    "From: ",
    "To: ",
    "Cc: ",
    "Subject: ",
    "Date: Tue, 24 Nov 2026 01:02:03 +0200",
    "Message-ID: <1@x>",
    "Content-Type: ",
    "text/plain",
    "text/html",
    "multipart/mixed; boundary=b",
    "multipart/alternative; boundary=\"b\"",
    "message/rfc822",
    "application/octet-stream; name=",
    "; charset=utf-8",
    "; charset=utf-16",
    "; charset=iso-2022-jp",
    "Content-Transfer-Encoding: base64",
    "Content-Transfer-Encoding: quoted-printable",
    "Content-ID: <c>",
    "Content-Disposition: attachment; filename=",
    "filename*0*=utf-8''%41",
    "List-Unsubscribe: <https://x>",
    "\r\n",
    "\r\n\r\n",
    "--b\r\n",
    "--b--\r\n",
    "=?utf-8?q?=1B=5B?=",
    "=?utf-8?b?4oCu?=",
    "a@b.c",
    "Ann <a@b.c>, ",
    "group: a@b;",
    "\"",
    "(",
    "=3D",
    "=\r\n",
    "aGk=",
    "<p>",
    "<script>",
    "</script>",
    "<a href=\"",
    "http://x.y/",
];

const TEXT: &[&str] = &[
    "http",
    "https://",
    "://",
    "http://a.b/",
    "/reset/",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
    "eyJ",
    ")",
    "(",
    "]",
    "[",
    ".",
    ",",
    ";",
    "1234",
    "123 456",
    "code",
    "Your code: ",
    "zip code ",
    "pin",
    " ",
    "\n",
    "«",
    "。",
    "<a href=",
    "<a href='",
    "<a =\" \" =\">",
    "<style>",
    "</style>",
    "<script>",
    "</",
    "<!--",
    "-->",
    "<td>",
    "<br/>",
    "<p>",
    "&amp;",
    "&#",
    "&#x1b;",
    "&#x202e;",
    "&lt;script&gt;",
    "\"",
    "'",
    "=",
    ">",
];

fn inbox_with(source: &[u8]) -> (Arc<Inbox>, Arc<ReceivedMessage>) {
    let inbox = Arc::new(Inbox::new(10, 1 << 30, Arc::new(Counting::default())));
    let to = ["ann@example.com", "<script>\u{202e}@x", "a@b.c"];
    let message = received(source, "\u{9b}\"'<img src=x>@y", &to);
    let peer = ([127, 0, 0, 1], 4000).into();
    let message = inbox.store(message, peer, Timestamp::UNIX_EPOCH).unwrap();
    (inbox, message)
}

/// Checks that a page contains only what the templates contain: their elements, attributes, scripts and frames, and no URL of
/// another server except in links.
fn assert_harmless_in_a_browser(page: &str) {
    let elements: HashSet<&str> = ELEMENTS.split_whitespace().collect();
    let attributes: HashSet<&str> = ATTRIBUTES.split_whitespace().collect();
    for tag in page.split('<').skip(1) {
        let (tag, text) = tag.split_once('>').unwrap();
        let (name, rest) = tag.split_once(' ').unwrap_or((tag, ""));
        assert!(elements.contains(name.trim_start_matches('/')), "<{tag}>");
        assert!(!text.contains(is_unseen), "{text:?}");
        match name {
            "script" => {
                let ours = ["script src=\"/theme.js\"", "script src=\"/inbox.js\" defer"];
                assert!(ours.contains(&tag), "<{tag}>");
            }
            "iframe" => assert!(tag.starts_with("iframe src=\"/view/"), "<{tag}>"),
            _ => {}
        }
        // Values are between quotes, names outside.
        let mut parts = rest.split('"');
        while let Some(names) = parts.next() {
            let value = parts.next().unwrap_or_default();
            let mut last = "";
            for name in names.split_whitespace() {
                last = name.trim_end_matches('=');
                assert!(attributes.contains(last), "{last} of <{tag}>");
            }
            let is_local = value.starts_with('/') && !value.starts_with("//");
            let is_web = value.starts_with("http://") || value.starts_with("https://");
            match last {
                "href" => assert!(is_local || (name == "a" && is_web), "<{tag}>"),
                "src" | "action" => assert!(is_local, "<{tag}>"),
                _ => {}
            }
        }
    }
}

/// Elements in the templates.
const ELEMENTS: &str = "!doctype a article bdi body button code dd details dialog div dl dt fieldset form h1 h2 h3 head header html \
                        iframe input kbd label legend li link main meta nav ol option p pre q script section select span strong summary \
                        table tbody td th thead time title tr ul";

/// Attributes in the templates.
const ATTRIBUTES: &str = "action aria-current aria-describedby aria-invalid aria-label aria-labelledby autocomplete autofocus charset checked class content data-copy data-form \
                          data-place data-title data-total data-unread datetime defer do download for form hidden href html id lang method name \
                          open placeholder referrerpolicy rel role sandbox scope spellcheck src tabindex target title type value";

/// Returns whether a character is invisible or changes the direction of text, except line ends and tabs.
fn is_unseen(char: char) -> bool {
    // Written independently of the code under test.
    (char.is_control() && !matches!(char, '\r' | '\n' | '\t'))
        || matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[test]
fn any_message_is_displayed_safely_and_in_proportional_time() {
    let target = Target {
        name: "mail",
        words: MAIL,
        seeds: movie_bag_testkit::real_mails(),
        cases: 250,
    };
    target.run(|bytes| {
        // Calls the parser without the panic handling of `content`, so that a panic fails this test.
        let source = Bytes::copy_from_slice(bytes);
        let parsed = mime::Message::read(&source);
        content::digest_of(&parsed);
        content::content_of(&parsed, &source);
        for (index, part) in parsed.parts().iter().enumerate() {
            let id = parsed.part_id(index);
            let found = parsed.part_by_id(&id).map(|(index, _)| index);
            assert_eq!(found, (!part.is_multipart).then_some(index), "{id}");
            part.defects();
            if index == 2_000 {
                break;
            }
        }
        let (inbox, message) = inbox_with(bytes);
        let digest = message.digest();
        assert!(digest.snippet.len() <= 203);
        assert!(digest.to.len() + digest.cc.len() + digest.bcc.len() <= 4 * content::MAX_ADDRESSES);
        let state = WebState::for_tests(inbox, Arc::new(Stopped));
        assert_harmless_in_a_browser(&render_all(&state));
        // Repeated references to a part must not inflate the page.
        let most = 40 * 1024 * 1024 + 64 * message.source.len();
        let content = view::content(&message);
        for form in [
            Form::Bare,
            Form::Embedded,
            Form::Framed { has_pictures: true },
        ] {
            assert!(
                render_html(&message, &content, form).len() <= most,
                "{form:?}"
            );
        }
        let (digest, content) = (message.digest(), view::content(&message));
        serde_json::to_string(&mailpit_json::Message::new(&message, &digest, &content)).unwrap();
        serde_json::to_string(&mailpit_json::Summary::new(&message, &digest)).unwrap();
    });
}

#[test]
fn links_tokens_and_codes_of_any_text_are_safe_to_copy() {
    let target = Target {
        name: "text",
        words: TEXT,
        seeds: vec![],
        cases: 600,
    };
    target.run(|bytes| {
        let text = String::from_utf8_lossy(bytes);
        let reading = html::read(&text);
        assert!(reading.text.len() <= 3 * text.len() && !reading.text.contains("\n\n\n"));
        let found = extract::extract(Some(&text), Some(&text));
        assert_eq!(found.main_link().is_none(), found.links.is_empty());
        for link in &found.links {
            let scheme = link.as_bytes()[..link.len().min(8)].to_ascii_lowercase();
            assert!(
                scheme.starts_with(b"http://") || scheme.starts_with(b"https://"),
                "{link:?}"
            );
            assert!(
                !link.contains(|char: char| char.is_whitespace()
                    || needs_escape(char)
                    || "<>\"`".contains(char)),
                "{link:?}"
            );
        }
        for token in found.tokens.iter().chain(&found.reset_tokens) {
            assert!(
                token
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_.~:+=/".contains(&byte)),
                "{token:?}"
            );
        }
        for code in &found.codes {
            assert!(
                (4..=11).contains(&code.len())
                    && code.bytes().any(|byte| byte.is_ascii_digit())
                    && code.bytes().all(|byte| byte.is_ascii_digit()
                        || byte.is_ascii_uppercase()
                        || byte == b'-'),
                "{code:?}"
            );
        }
        for list in [
            &found.links,
            &found.tokens,
            &found.reset_tokens,
            &found.codes,
        ] {
            let all: std::collections::HashSet<_> = list.iter().collect();
            assert_eq!(all.len(), list.len(), "an item is listed twice");
        }
    });
}
