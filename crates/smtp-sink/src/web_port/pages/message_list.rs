//! Data of the list: one page of all messages or of a search result.

use jiff::Timestamp;
use serde::Serialize;

use super::formatting::{When, format_count, format_number, single_line, truncated_line};
use super::message_summary::{recipients, sender, subject};
use super::place::Place;
use crate::received::ReceivedMessage;
use crate::search::QueryError;
use crate::web_port::state::WebState;

/// Number of messages on one page.
const PAGE_SIZE: usize = 100;

/// Maximum number of tags in a row.
const MAX_TAGS: usize = 3;

/// Maximum sizes of texts in a row, in bytes: as much as a wide screen shows, since a page has a hundred rows.
const MAX_SUBJECT_BYTES: usize = 120;
const MAX_TAG_BYTES: usize = 24;

/// One page of the list.
#[derive(Debug, Serialize)]
pub(super) struct MessageList {
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

impl MessageList {
    /// Returns the list at this place. The message with the id `opened` is marked as open.
    pub(super) fn new(state: &WebState, place: Place, opened: Option<&str>) -> MessageList {
        let totals = state.inbox.totals();
        // Without a search, only the messages of the page are parsed, not all of them.
        let (searched, problem) = match place.search() {
            Ok(query) => (query.map(|query| state.inbox.matching(&query, None)), None),
            Err(error) => (Some(Vec::new()), Some(error_sentence(&error))),
        };
        let is_search = searched.is_some();
        let found = searched.as_ref().map_or(totals.messages, Vec::len);
        let place = place.with_start(if place.start < found {
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
        MessageList {
            rows: messages
                .iter()
                .map(|message| Row::new(message, &place, opened, now))
                .collect(),
            summary: match (&problem, is_search) {
                (Some(_), _) => "Invalid search".to_owned(),
                (None, true) => format!("{} found", format_count(found, "message")),
                (None, false) => format!(
                    "{}, {} unread",
                    format_count(found, "message"),
                    format_number(totals.unread)
                ),
            },
            range: (found > PAGE_SIZE).then(|| {
                format!(
                    "{} to {} of {}",
                    format_number(place.start + 1),
                    format_number(end),
                    format_number(found)
                )
            }),
            newer: (place.start > 0).then(|| {
                place
                    .with_start(place.start.saturating_sub(PAGE_SIZE))
                    .url("/", &[])
            }),
            older: (end < found).then(|| place.with_start(end).url("/", &[])),
            dropped: (dropped > 0).then(|| {
                let dropped = usize::try_from(dropped).unwrap_or(usize::MAX);
                format_count(dropped, "older message")
            }),
            unread: totals.unread,
            total: totals.messages,
            found,
            searched: single_line(&place.query),
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
fn error_sentence(error: &QueryError) -> String {
    let text = single_line(&error.to_string());
    let mut chars = text.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars).collect()
}

impl Row {
    fn new(message: &ReceivedMessage, place: &Place, opened: Option<&str>, now: Timestamp) -> Row {
        let digest = message.digest();
        let id = message.id.to_string();
        let mut tags = message.tags();
        tags.truncate(MAX_TAGS);
        Row {
            url: place.url(&format!("/view/{id}"), &[]),
            from: sender(message),
            to: recipients(message),
            subject: truncated_line(&subject(message), MAX_SUBJECT_BYTES),
            snippet: truncated_line(&digest.snippet, MAX_SUBJECT_BYTES),
            when: When::new(message.received_at, now),
            is_read: message.is_read(),
            is_opened: opened == Some(id.as_str()),
            is_odd: !digest.is_parsed || !message.session.warnings.is_empty(),
            attachments: (digest.attachments > 0)
                .then(|| format_count(digest.attachments, "attachment")),
            tags: tags
                .iter()
                .map(|tag| truncated_line(tag, MAX_TAG_BYTES))
                .collect(),
            id,
        }
    }
}
