//! Data of the list: one page of all messages or of a search result, and the actions on them.

use axum::body::Bytes;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::words::{self, When};
use super::{Place, field, fields};
use crate::api::ApiState;
use crate::inbox::{ReceivedMessage, Which};
use crate::search::QueryError;
use crate::view::Mailbox;

/// Number of messages on one page.
const PAGE_SIZE: usize = 100;

/// Maximum number of addresses in a row.
const MAX_ADDRESSES: usize = 3;

/// Maximum number of tags in a row.
const MAX_TAGS: usize = 3;

/// Maximum sizes of texts in a row, in bytes: as much as a wide screen shows, since a page has a hundred rows.
const MAX_NAME_BYTES: usize = 60;
const MAX_SUBJECT_BYTES: usize = 120;
const MAX_TAG_BYTES: usize = 24;

/// One page of the list.
#[derive(Debug, Serialize)]
pub(super) struct List {
    place: Place,
    rows: Vec<Row>,
    /// Number of messages, in words.
    summary: String,
    /// `1 to 100 of 2,000`, if they do not fit on one page.
    range: Option<String>,
    newer: Option<String>,
    older: Option<String>,
    /// Number of messages that were dropped because the inbox was full, in words.
    dropped: Option<String>,
    unread: usize,
    /// Number of messages in the inbox.
    total: usize,
    /// Number of messages in the list.
    found: usize,
    /// The search, for one line.
    searched: String,
    /// Error in the search. The list is then empty.
    problem: Option<String>,
    /// URL of this list, which forms are sent to.
    here: String,
}

/// One message in the list.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    url: String,
    from: String,
    to: String,
    subject: String,
    snippet: String,
    when: When,
    is_read: bool,
    is_opened: bool,
    is_odd: bool,
    attachments: Option<String>,
    tags: Vec<String>,
}

impl List {
    /// Returns the list at this place, with the message `opened` marked.
    pub(super) fn of(state: &ApiState, place: Place, opened: Option<&str>) -> List {
        let totals = state.inbox.totals();
        // Without a search, only the messages of the page are parsed, not all of them.
        let (searched, problem) = match place.search() {
            Ok(query) => (query.map(|query| state.inbox.matching(&query, None)), None),
            Err(error) => (Some(Vec::new()), Some(sentence(&error))),
        };
        let is_search = searched.is_some();
        let found = searched.as_ref().map_or(totals.messages, Vec::len);
        let place = place.from(if place.start < found {
            place.start
        } else {
            // Beyond the end, the last page is shown.
            found.saturating_sub(1) / PAGE_SIZE * PAGE_SIZE
        });
        let messages = match searched {
            Some(all) => {
                let page = all.into_iter().skip(place.start).take(PAGE_SIZE);
                page.filter_map(|sequence| state.inbox.at(sequence))
                    .collect()
            }
            None => state.inbox.list(place.start, PAGE_SIZE, None),
        };
        let end = place.start + messages.len();
        let now = state.clock.now();
        let dropped = state.inbox.counts().dropped;
        List {
            rows: messages
                .iter()
                .map(|message| Row::of(message, &place, opened, now))
                .collect(),
            summary: match (&problem, is_search) {
                (Some(_), _) => "Invalid search".to_owned(),
                (None, true) => format!("{} found", words::counted(found, "message")),
                (None, false) => format!(
                    "{}, {} unread",
                    words::counted(found, "message"),
                    words::count(totals.unread)
                ),
            },
            range: (found > PAGE_SIZE).then(|| {
                format!(
                    "{} to {} of {}",
                    words::count(place.start + 1),
                    words::count(end),
                    words::count(found)
                )
            }),
            newer: (place.start > 0).then(|| {
                place
                    .from(place.start.saturating_sub(PAGE_SIZE))
                    .url("/", &[])
            }),
            older: (end < found).then(|| place.from(end).url("/", &[])),
            dropped: (dropped > 0).then(|| {
                let dropped = usize::try_from(dropped).unwrap_or(usize::MAX);
                words::counted(dropped, "older message")
            }),
            unread: totals.unread,
            total: totals.messages,
            found,
            searched: words::line(&place.query),
            problem,
            here: place.url("/", &[]),
            place,
        }
    }

    pub(super) fn has_problem(&self) -> bool {
        self.problem.is_some()
    }
}

/// Returns the message of an error, with a capital letter at its beginning.
fn sentence(error: &QueryError) -> String {
    let text = words::line(&error.to_string());
    let mut chars = text.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars).collect()
}

impl Row {
    fn of(message: &ReceivedMessage, place: &Place, opened: Option<&str>, now: Timestamp) -> Row {
        let digest = message.digest();
        let id = message.id.to_string();
        let mut tags = message.tags();
        tags.truncate(MAX_TAGS);
        Row {
            url: place.url(&format!("/view/{id}"), &[]),
            from: sender(message),
            to: recipients(message),
            subject: words::short(&subject(message), MAX_SUBJECT_BYTES),
            snippet: words::short(&digest.snippet, MAX_SUBJECT_BYTES),
            when: When::of(message.received_at, now),
            is_read: message.is_read(),
            is_opened: opened == Some(id.as_str()),
            is_odd: !digest.is_parsed || !message.session.warnings.is_empty(),
            attachments: (digest.attachments > 0)
                .then(|| words::counted(digest.attachments, "attachment")),
            tags: tags
                .iter()
                .map(|tag| words::short(tag, MAX_TAG_BYTES))
                .collect(),
            id,
        }
    }
}

/// Returns the sender: the name, otherwise the address, otherwise the sender of the envelope.
pub(super) fn sender(message: &ReceivedMessage) -> String {
    let digest = message.digest();
    let from = &digest.from;
    let names = [&from.name, &from.address, &message.envelope.sender];
    let sender = names.into_iter().find(|name| !words::is_blank(name));
    sender.map_or("(no sender)".to_owned(), |sender| {
        words::short(sender, MAX_NAME_BYTES)
    })
}

/// Returns the recipients in the headers, and those that are only in the envelope.
pub(super) fn recipients(message: &ReceivedMessage) -> String {
    let digest = message.digest();
    let all = digest.to.iter().chain(&digest.cc).chain(&digest.bcc);
    let shown_address = |mailbox: &Mailbox| match mailbox.address.as_str() {
        "" => mailbox.name.clone(),
        address => address.to_owned(),
    };
    let mut names: Vec<String> = all.clone().take(MAX_ADDRESSES).map(shown_address).collect();
    let more = all.count().saturating_sub(MAX_ADDRESSES);
    if more > 0 {
        names.push(format!("and {} more", words::count(more)));
    }
    words::short(&names.join(", "), MAX_SUBJECT_BYTES)
}

/// Returns the subject, or a note if there is none.
pub(super) fn subject(message: &ReceivedMessage) -> String {
    let digest = message.digest();
    match (digest.is_parsed, digest.subject.as_str()) {
        (false, _) => "(no header could be read)".to_owned(),
        (true, subject) if words::is_blank(subject) => "(no subject)".to_owned(),
        (true, subject) => words::line(subject),
    }
}

/// Address of the SMTP server.
#[derive(Debug, Serialize)]
pub(super) struct SendTo {
    host: String,
    port: u16,
    address: String,
}

impl SendTo {
    /// Returns the address of the SMTP server. If the server listens on all interfaces, which is not an address to send to, the
    /// host is the one that the browser used.
    pub(super) fn of(state: &ApiState, headers: &HeaderMap) -> SendTo {
        let bound = state.options.smtp_addr;
        let requested = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
        let host = match (bound.ip().is_unspecified(), requested) {
            (true, Some(requested)) => requested.host().trim_matches(['[', ']']).to_owned(),
            (true, None) => "localhost".to_owned(),
            (false, _) => bound.ip().to_string(),
        };
        let port = bound.port();
        let address = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        SendTo {
            host,
            port,
            address,
        }
    }
}

/// Action on messages of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    MarkAllRead,
    /// Asks for confirmation before deleting all messages.
    AskToDeleteAll,
    /// Deletes all messages received before this time, which the form of the question contains.
    DeleteAll {
        before: Timestamp,
    },
    /// Marks the selected messages.
    Mark {
        ids: Vec<String>,
        read: bool,
    },
    /// Deletes the selected messages; can be undone.
    Delete {
        ids: Vec<String>,
    },
    /// Undoes a deletion.
    Undo {
        deletion: String,
    },
}

impl Act {
    /// Reads the action from a form. A deletion of all messages needs a time, which only the form of the question contains.
    pub(super) fn of(body: &Bytes) -> Option<Act> {
        let ids = || fields(body, "ids");
        match field(body, "do")?.as_str() {
            "read-all" => Some(Act::MarkAllRead),
            "delete-all" => match field(body, "before") {
                None => Some(Act::AskToDeleteAll),
                Some(before) => before.parse().ok().map(|before| Act::DeleteAll { before }),
            },
            "read" => Some(Act::Mark {
                ids: ids(),
                read: true,
            }),
            "unread" => Some(Act::Mark {
                ids: ids(),
                read: false,
            }),
            "delete" => Some(Act::Delete { ids: ids() }),
            "undo" => field(body, "deletion").map(|deletion| Act::Undo { deletion }),
            _ => None,
        }
    }
}

/// Marks all messages, or all that the search finds, as read.
pub(super) fn mark_all_read(state: &ApiState, place: &Place) -> Result<(), QueryError> {
    let which = place.search()?.map_or(Which::All, Which::Matching);
    state.inbox.set_read(which, true);
    Ok(())
}

/// Deletes all messages, or all that the search finds, received before this time.
pub(super) fn delete_all(
    state: &ApiState,
    place: &Place,
    before: Timestamp,
) -> Result<(), QueryError> {
    state.inbox.delete(match place.search()? {
        Some(query) => Which::MatchingBefore(query, before),
        None => Which::Before(before),
    });
    Ok(())
}

/// Confirmation before all messages of the list are deleted.
#[derive(Debug, Serialize)]
pub(super) struct Question {
    title: String,
    /// Search that selects the messages; empty for all messages.
    query: String,
    button: String,
    /// Limit of [`Act::DeleteAll`]. A message that arrives while the question is open is not deleted.
    before: String,
    /// URL of the list, which the form is sent to.
    here: String,
}

impl Question {
    /// Returns the question about the messages at this place; `None` if there are none.
    pub(super) fn of(state: &ApiState, place: &Place) -> Result<Option<Question>, QueryError> {
        let found = match place.search()? {
            Some(query) => state.inbox.matching(&query, None),
            None => state.inbox.sequences(0, 0, None),
        };
        let times = found
            .iter()
            .filter_map(|&sequence| state.inbox.at(sequence));
        let Some(newest) = times.map(|message| message.received_at).max() else {
            return Ok(None);
        };
        let count = words::counted(found.len(), "message");
        // The limit is exclusive.
        let before = newest.checked_add(SignedDuration::from_nanos(1));
        Ok(Some(Question {
            title: match (found.len(), place.query.is_empty()) {
                (1, true) => "Delete the only message?".to_owned(),
                (1, false) => "Delete the message found?".to_owned(),
                (_, true) => format!("Delete all {count}?"),
                (_, false) => format!("Delete the {count} found?"),
            },
            query: words::line(&place.query),
            button: format!("Delete {count}"),
            before: before.unwrap_or(Timestamp::MAX).to_string(),
            here: place.url("/", &[]),
        }))
    }
}
