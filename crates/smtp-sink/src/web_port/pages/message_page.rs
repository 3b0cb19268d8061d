//! Data of one message: sender, time, links and codes found in it, and one of its tabs.

use axum::http::Uri;
use jiff::Timestamp;
use serde::Serialize;

use super::formatting::{
    Budget, When, format_bytes, format_count, format_number, is_blank, single_line, truncated_text,
};
use super::message_summary::{recipients, sender, subject};
use super::place::Place;
use crate::extract::{self, Extracted};
use crate::html;
use crate::received::ReceivedMessage;
use crate::view::{self, Attachment, Content, Mailbox};
use crate::web_port::request::{is_set, parameter};

/// Maximum size of a text on the page, in bytes. The page links to the complete text.
const MAX_TEXT_BYTES: usize = 48 * 1024;

/// Maximum numbers of listed items, so that every page stays small.
const MAX_ADDRESSES: usize = 50;
const MAX_LINKS: usize = 50;
const MAX_TOKENS: usize = 10;
const MAX_ATTACHMENTS: usize = 200;
const MAX_HEADERS: usize = 500;
const MAX_LINES: usize = 500;

/// Maximum sizes in bytes: of a list of addresses, of the links, tokens and codes together, and of a list in a tab.
const ADDRESSES_BYTES: usize = 1_500;
const FOUND_BYTES: usize = 12 * 1024;
const LIST_BYTES: usize = 24 * 1024;

/// Maximum size of the value of a header, in bytes.
const MAX_VALUE_BYTES: usize = 4 * 1024;

/// Maximum size of a link or token, in bytes. Browsers do not open longer links.
const MAX_FOUND_BYTES: usize = 8 * 1024;

/// One view of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Html,
    Text,
    Headers,
    Source,
    Attachments,
    Session,
}

impl Tab {
    /// All tabs, in the order of the page.
    pub(super) const ALL: [Tab; 6] = [
        Tab::Html,
        Tab::Text,
        Tab::Attachments,
        Tab::Headers,
        Tab::Source,
        Tab::Session,
    ];

    fn label(self) -> &'static str {
        match self {
            Tab::Html => "HTML",
            Tab::Text => "Text",
            Tab::Headers => "Headers",
            Tab::Source => "Source",
            Tab::Attachments => "Attachments",
            Tab::Session => "Session",
        }
    }

    /// Name in the URL.
    pub(super) fn name(self) -> String {
        self.label().to_ascii_lowercase()
    }
}

/// An opened message.
#[derive(Debug, Serialize)]
pub(super) struct MessagePage {
    id: String,
    subject: String,
    /// Sender and recipients, for one line.
    from: String,
    to: String,
    facts: Vec<Fact>,
    /// Date header, in RFC 3339.
    sent: Option<String>,
    when: When,
    tags: Vec<String>,
    warnings: Vec<String>,
    found: Found,
    tabs: Vec<TabLink>,
    tab: TabContent,
    /// URL of the list.
    list: String,
    /// URL of this message, which forms are sent to.
    here: String,
    raw: String,
}

/// A named property of a message.
#[derive(Debug, Serialize)]
struct Fact {
    name: String,
    value: String,
}

impl Fact {
    fn new(name: impl Into<String>, value: impl Into<String>) -> Fact {
        Fact {
            name: name.into(),
            value: value.into(),
        }
    }
}

#[derive(Debug, Serialize)]
struct TabLink {
    label: &'static str,
    url: String,
    count: Option<usize>,
    is_open: bool,
}

/// Links, tokens and codes found in a message.
#[derive(Debug, Serialize)]
struct Found {
    link: Option<String>,
    links: Vec<String>,
    /// Number of these links, in words.
    others: String,
    tokens: Vec<String>,
    commands: Vec<String>,
    codes: Vec<String>,
    /// Number of items that are not shown.
    omitted: usize,
}

/// Content of the open tab.
#[derive(Debug, Serialize)]
#[serde(tag = "name", rename_all = "lowercase")]
enum TabContent {
    Html {
        frame: String,
        pictures: Option<Pictures>,
    },
    Text {
        text: String,
        omitted: Option<String>,
        whole: String,
    },
    Headers {
        headers: Vec<Fact>,
        omitted: usize,
    },
    Source {
        text: String,
        omitted: Option<String>,
        whole: String,
    },
    Attachments {
        files: Vec<File>,
        omitted: usize,
    },
    Session {
        facts: Vec<Fact>,
        lines: Vec<String>,
        omitted: usize,
    },
}

/// Pictures that a message loads from other servers.
#[derive(Debug, Serialize)]
struct Pictures {
    are_shown: bool,
    /// URL of the page that shows them, or blocks them again.
    other: String,
}

#[derive(Debug, Serialize)]
struct File {
    name: String,
    content_type: String,
    size: String,
    url: String,
    is_inline: bool,
}

impl MessagePage {
    /// Returns the page of a message that was opened from the list at `place`; `uri` names the open tab.
    pub(super) fn new(
        message: &ReceivedMessage,
        place: &Place,
        uri: &Uri,
        now: Timestamp,
    ) -> MessagePage {
        let content = view::content(message);
        let path = format!("/view/{}", message.id);
        let files = content.attachments.len() + content.inline.len();
        let has_headers = message.digest().is_parsed;
        // The source is always present, so `tabs` is not empty.
        let is_filled = |tab: &Tab| match tab {
            Tab::Html => !content.html.is_empty(),
            Tab::Text => !is_blank(&content.text),
            Tab::Attachments => files > 0,
            Tab::Headers => has_headers,
            Tab::Source | Tab::Session => true,
        };
        let tabs: Vec<Tab> = Tab::ALL.into_iter().filter(is_filled).collect();
        let requested = parameter(uri, "tab").unwrap_or_default();
        let requested = tabs.iter().find(|tab| tab.name() == requested);
        let tab = *requested.unwrap_or(&tabs[0]);
        MessagePage {
            id: message.id.to_string(),
            subject: subject(message),
            from: sender(message),
            to: recipients(message),
            facts: header_facts(message),
            sent: content.date.clone(),
            when: When::new(message.received_at, now),
            tags: message.tags().iter().map(|tag| single_line(tag)).collect(),
            warnings: message.warnings(),
            found: Found::new(&extract::from_content(&content)),
            tabs: tabs
                .iter()
                .map(|shown| TabLink {
                    label: shown.label(),
                    url: place.url(&path, &[("tab", &shown.name())]),
                    count: (*shown == Tab::Attachments).then_some(files),
                    is_open: *shown == tab,
                })
                .collect(),
            tab: tab_content(tab, message, content, place, uri),
            list: place.url("/", &[]),
            here: place.url(&path, &[]),
            raw: source_url(message),
        }
    }
}

/// Returns the URL of the source.
fn source_url(message: &ReceivedMessage) -> String {
    format!("/api/v1/message/{}/raw", message.id)
}

fn tab_content(
    tab: Tab,
    message: &ReceivedMessage,
    content: Content,
    place: &Place,
    uri: &Uri,
) -> TabContent {
    let omitted_bytes = |bytes: usize| (bytes > 0).then(|| format_bytes(bytes));
    match tab {
        Tab::Html => {
            let has_pictures = is_set(uri, "pictures");
            let path = format!("/view/{}", message.id);
            let (switched, frame_parameter) = if has_pictures {
                (None, "&pictures=1")
            } else {
                (Some(("pictures", "1")), "")
            };
            let parameters = [Some(("tab", "html")), switched];
            let parameters: Vec<_> = parameters.into_iter().flatten().collect();
            let pictures = html::has_remote_pictures(&content.html).then(|| Pictures {
                are_shown: has_pictures,
                other: place.url(&path, &parameters),
            });
            TabContent::Html {
                frame: format!("{path}.html?frame=1{frame_parameter}"),
                pictures,
            }
        }
        Tab::Headers => {
            let headers = view::header_lines(message, MAX_HEADERS);
            let mut cut = 0;
            let all = headers.lines.into_iter().map(|(name, value)| {
                let (value, rest) = truncated_text(&value, MAX_VALUE_BYTES);
                (rest, Fact::new(single_line(&name), value))
            });
            let mut budget = Budget::new(LIST_BYTES);
            let size = |(_, fact): &(usize, Fact)| fact.name.len() + fact.value.len();
            let (shown, omitted) = budget.take(all, MAX_HEADERS, size);
            let facts = shown.into_iter().map(|(rest, mut fact)| {
                if rest > 0 {
                    fact.value.push('…');
                    cut += 1;
                }
                fact
            });
            TabContent::Headers {
                headers: facts.collect(),
                omitted: headers.omitted + omitted + cut,
            }
        }
        Tab::Source => {
            let bytes = &message.source[..message.source.len().min(MAX_TEXT_BYTES)];
            let (text, _) = truncated_text(&String::from_utf8_lossy(bytes), usize::MAX);
            TabContent::Source {
                text,
                omitted: omitted_bytes(message.source.len() - bytes.len()),
                whole: source_url(message),
            }
        }
        Tab::Attachments => {
            let attached = content.attachments.iter().map(|part| (part, false));
            let inline = content.inline.iter().map(|part| (part, true));
            let files = attached.chain(inline);
            let files = files.map(|(part, is_inline)| attached_file(message, part, is_inline));
            let size = |file: &File| file.name.len() + file.content_type.len();
            let (files, omitted) = Budget::new(LIST_BYTES).take(files, MAX_ATTACHMENTS, size);
            TabContent::Attachments { files, omitted }
        }
        Tab::Session => session_tab(message),
        Tab::Text => {
            let (text, rest) = truncated_text(&content.text, MAX_TEXT_BYTES);
            TabContent::Text {
                text,
                omitted: omitted_bytes(rest),
                whole: format!("/view/{}.txt", message.id),
            }
        }
    }
}

fn attached_file(message: &ReceivedMessage, part: &Attachment, is_inline: bool) -> File {
    File {
        name: single_line(&part.file_name),
        content_type: single_line(&part.content_type),
        size: format_bytes(part.bytes.len()),
        url: format!("/api/v1/message/{}/part/{}", message.id, part.part_id),
        is_inline,
    }
}

fn session_tab(message: &ReceivedMessage) -> TabContent {
    let (envelope, session) = (&message.envelope, &message.session);
    let mut facts = vec![Fact::new(
        "Envelope sender",
        single_line(match envelope.sender.as_str() {
            "" => "<>",
            sender => sender,
        }),
    )];
    let recipients = envelope.recipients.iter().take(MAX_ADDRESSES);
    facts.extend(recipients.map(|to| {
        let command = format!("{} {}", to.address, to.params.join(" "));
        let command = command.trim_end();
        Fact::new("Envelope recipient", single_line(command))
    }));
    let more = envelope.recipients.len().saturating_sub(MAX_ADDRESSES);
    if more > 0 {
        facts.push(Fact::new("", format!("and {} more", format_number(more))));
    }
    let login = session
        .login
        .as_ref()
        .map(|login| format!("{} as {}", login.mechanism.name(), login.user));
    let properties = [
        ("Parameters", Some(envelope.params.join(" "))),
        ("Client", session.peer.map(|peer| peer.to_string())),
        ("HELO name", Some(session.helo.clone())),
        (
            "Encryption",
            Some(session.tls.clone().unwrap_or_else(|| "none".to_owned())),
        ),
        ("Login", login),
    ];
    facts.extend(
        properties
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)))
            .map(|(name, value)| Fact::new(name, single_line(&value))),
    );
    let lines = session.transcript.lines().map(single_line);
    let (lines, omitted) = Budget::new(LIST_BYTES).take(lines, MAX_LINES, String::len);
    TabContent::Session {
        facts,
        lines,
        omitted,
    }
}

fn header_facts(message: &ReceivedMessage) -> Vec<Fact> {
    let digest = message.digest();
    let from = match mailbox_text(&digest.from) {
        from if from.is_empty() => format!("<{}> (envelope)", message.envelope.sender),
        from => from,
    };
    let lists = [
        ("To", &digest.to),
        ("Cc", &digest.cc),
        ("Bcc", &digest.bcc),
        ("Reply-To", &digest.reply_to),
    ];
    let mut facts = vec![Fact::new("From", single_line(&from))];
    for (name, list) in lists {
        if !list.is_empty() {
            facts.push(Fact::new(name, addresses(list)));
        }
    }
    facts.push(Fact::new("Size", format_bytes(message.source.len())));
    facts
}

fn addresses(list: &[Mailbox]) -> String {
    let all = list
        .iter()
        .map(|mailbox| single_line(&mailbox_text(mailbox)));
    let mut budget = Budget::new(ADDRESSES_BYTES);
    let (mut shown, omitted) = budget.take(all, MAX_ADDRESSES, String::len);
    if omitted > 0 {
        shown.push(format!("and {} more", format_number(omitted)));
    }
    shown.join(", ")
}

fn mailbox_text(mailbox: &Mailbox) -> String {
    match mailbox.name.as_str() {
        "" => mailbox.address.clone(),
        name => format!("{name} <{}>", mailbox.address),
    }
}

impl Found {
    fn new(found: &Extracted) -> Found {
        let is_shown = |item: &&String| item.len() <= MAX_FOUND_BYTES;
        let mut budget = Budget::new(FOUND_BYTES);
        let mut omitted = 0;
        let mut limit = |list: &[String], most: usize| -> Vec<String> {
            let (shown, rest) = budget.take(list.iter().filter(is_shown), most, |item| item.len());
            omitted += rest + list.iter().filter(|item| !is_shown(item)).count();
            shown.into_iter().cloned().collect()
        };
        let codes = limit(&found.codes, MAX_TOKENS);
        let link = found.main_link().filter(is_shown).cloned();
        let tokens = limit(&found.tokens, MAX_TOKENS);
        let mut links = limit(&found.links, MAX_LINKS);
        links.retain(|other| Some(other) != link.as_ref());
        let all_others = found.links.len() - usize::from(link.is_some());
        Found {
            others: format_count(all_others, "more link"),
            link,
            links,
            commands: tokens
                .iter()
                .filter(|token| found.reset_tokens.contains(token))
                .map(|token| format!("movie-bag reset --token {token}"))
                .collect(),
            tokens,
            codes,
            omitted,
        }
    }
}
