//! The list: one page of the messages, or of those that a search finds, and the actions on them.

use axum::body::Bytes;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::words::{self, When};
use super::{Place, field, fields};
use crate::sink::api::ApiState;
use crate::sink::inbox::{ReceivedMessage, Which};
use crate::sink::search::QueryError;
use crate::sink::view::Mailbox;

/// Messages on one page.
const SHOWN: usize = 100;

/// Addresses named in a row.
const MOST_NAMED: usize = 3;

/// Tags named in a row.
const MOST_TAGS: usize = 3;

/// Bytes of text in a row: as much as a wide screen shows, since a page has a hundred rows.
const LONGEST_NAME: usize = 60;
const LONGEST_SUBJECT: usize = 120;
const LONGEST_TAG: usize = 24;

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
    /// The number of messages in the box.
    total: usize,
    /// The number of those in the list.
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
        // No more than a page is parsed, however many there are; only a search reads them all.
        let (searched, problem) = match place.search() {
            Ok(query) => (query.map(|query| state.inbox.matching(&query, None)), None),
            Err(error) => (Some(Vec::new()), Some(sentence(&error))),
        };
        let is_search = searched.is_some();
        let found = searched.as_ref().map_or(totals.messages, Vec::len);
        let place = place.from(match place.start < found {
            true => place.start,
            // A page beyond the end is the last page.
            false => found.saturating_sub(1) / SHOWN * SHOWN,
        });
        let messages = match searched {
            Some(all) => {
                let page = all.into_iter().skip(place.start).take(SHOWN);
                page.filter_map(|sequence| state.inbox.at(sequence))
                    .collect()
            }
            None => state.inbox.list(place.start, SHOWN, None),
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
            range: (found > SHOWN).then(|| {
                format!(
                    "{} to {} of {}",
                    words::count(place.start + 1),
                    words::count(end),
                    words::count(found)
                )
            }),
            newer: (place.start > 0)
                .then(|| place.from(place.start.saturating_sub(SHOWN)).url("/", &[])),
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

/// Returns an error as a sentence of its own.
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
        tags.truncate(MOST_TAGS);
        Row {
            url: place.url(&format!("/view/{id}"), &[]),
            from: sender(message),
            to: recipients(message),
            subject: words::short(&subject(message), LONGEST_SUBJECT),
            snippet: words::short(&digest.snippet, LONGEST_SUBJECT),
            when: When::of(message.received_at, now),
            is_read: message.is_read(),
            is_opened: opened == Some(id.as_str()),
            is_odd: !digest.is_parsed || !message.session.warnings.is_empty(),
            attachments: (digest.attachments > 0)
                .then(|| words::counted(digest.attachments, "attachment")),
            tags: tags
                .iter()
                .map(|tag| words::short(tag, LONGEST_TAG))
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
    let said = names.into_iter().find(|word| !words::is_blank(word));
    said.map_or("(no sender)".to_owned(), |said| {
        words::short(said, LONGEST_NAME)
    })
}

/// Returns the recipients in the headers and those of the envelope alone.
pub(super) fn recipients(message: &ReceivedMessage) -> String {
    let digest = message.digest();
    let all = digest.to.iter().chain(&digest.cc).chain(&digest.bcc);
    let said = |mailbox: &Mailbox| match mailbox.address.as_str() {
        "" => mailbox.name.clone(),
        address => address.to_owned(),
    };
    let mut named: Vec<String> = all.clone().take(MOST_NAMED).map(said).collect();
    let more = all.count().saturating_sub(MOST_NAMED);
    if more > 0 {
        named.push(format!("and {} more", words::count(more)));
    }
    words::short(&named.join(", "), LONGEST_SUBJECT)
}

/// Returns the subject, or a note that there is none.
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
    /// Returns the address as the browser reaches it: no mail can be sent to an address that means every interface.
    pub(super) fn of(state: &ApiState, headers: &HeaderMap) -> SendTo {
        let listens = state.options.smtp_addr;
        let asked = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
        let host = match (listens.ip().is_unspecified(), asked) {
            (true, Some(asked)) => asked.host().trim_matches(['[', ']']).to_owned(),
            (true, None) => "localhost".to_owned(),
            (false, _) => listens.ip().to_string(),
        };
        let port = listens.port();
        let address = match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
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
    /// Asks whether to delete all.
    AskToDeleteAll,
    /// Deletes all received before this time, which the question was about.
    DeleteAll {
        before: Timestamp,
    },
    /// Marks the selected messages.
    Mark {
        ids: Vec<String>,
        read: bool,
    },
    /// Deletes the selected messages. It can be undone.
    Delete {
        ids: Vec<String>,
    },
    /// Undoes a deletion.
    Undo {
        deletion: String,
    },
}

impl Act {
    /// Reads the action from a form. A deletion of all carries the time that only the question's own form has.
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

/// Question whether to delete all messages of the list.
#[derive(Debug, Serialize)]
pub(super) struct Question {
    title: String,
    /// Search that selected the messages; empty if it is all of them.
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
        // The limit itself is excluded.
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
