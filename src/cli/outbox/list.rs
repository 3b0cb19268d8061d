//! `outbox list`: lists mails that are not delivered yet.

use jiff::Timestamp;
use movie_bag_core::app::system::SystemClock;
use movie_bag_core::app::{App, QueuedMail};
use movie_bag_core::domain::clock::Clock as _;
use movie_bag_core::domain::outbox::{Entry, EntryState};
use movie_bag_core::domain::terminal_text::escape_line;

use super::QueuedMailDocument;
use crate::cli::document::documents;
use crate::cli::table::{self, fits_terminal};
use crate::cli::text_format::{local_time, pluralize};
use crate::cli::ui::Ui;

/// Number of mails per query.
const PAGE_SIZE: usize = 500;

/// List undelivered mails, oldest first
///
/// A waiting mail is retried automatically. A dead mail was given up and is kept for inspection.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  movie-bag outbox list
  movie-bag outbox list --json | jq -r 'select(.state == \"dead\") | .id'")]
pub(in crate::cli) struct Args {}

documents! {
    pub(in crate::cli) struct ListedMail<'a>: QueuedMailDocument<'a> {
        /// Recipient; null while the account is being deleted.
        email: Option<&'a str>,
    }
}

pub(super) async fn run(_: &Args, ui: &Ui, app: &App) -> anyhow::Result<()> {
    let now = SystemClock.now();
    // Seven columns with an id and a time leave too little width for addresses and errors on most terminals.
    let is_compact = fits_terminal();
    let mut table = if is_compact {
        table::table(["ID", "EMAIL", "KIND AND STATE", "LAST ERROR"], &[1, 2, 3])
    } else {
        let header = [
            "ID",
            "EMAIL",
            "KIND",
            "STATE",
            "ATTEMPTS",
            "NEXT TRY",
            "LAST ERROR",
        ];
        table::table(header, &[])
    };
    let (mut after, mut count) = (None, 0);
    loop {
        let mut page = app.queued_mails(after, PAGE_SIZE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.entry.id);
        count += page.len();
        // Ids are sorted only by the second of their creation.
        page.sort_by_key(|mail| mail.entry.requested_at);
        for mail in page {
            if ui.is_json() {
                ui.answer_json(&ListedMail {
                    base: QueuedMailDocument::of(&mail.entry),
                    email: mail.address.as_deref(),
                })?;
            } else if is_compact {
                table.add_row(compact_row(mail, now));
            } else {
                table.add_row(row(mail, now));
            }
        }
    }
    if count == 0 {
        ui.say("The outbox is empty: no undelivered mails.");
    } else if !ui.is_json() {
        ui.answer_table(table)?;
    }
    Ok(())
}

fn row(QueuedMail { entry, address }: QueuedMail, now: Timestamp) -> [String; 7] {
    [
        entry.id.to_string(),
        recipient(address),
        entry.kind.name().to_owned(),
        entry.state.name().to_owned(),
        entry.attempts.to_string(),
        next_try(&entry, now).unwrap_or_else(|| "never".to_owned()),
        last_error(entry),
    ]
}

fn compact_row(QueuedMail { entry, address }: QueuedMail, now: Timestamp) -> [String; 4] {
    let attempts = pluralize(entry.attempts.into(), "attempt", "attempts");
    let mut state = format!("{}\n{}, {attempts}", entry.kind.name(), entry.state.name());
    match next_try(&entry, now).as_deref() {
        Some(BEING_SENT) => state.push_str(&format!("\n{BEING_SENT}")),
        Some(next) => state.push_str(&format!("\nnext try {next}")),
        None => {}
    }
    [
        entry.id.to_string(),
        recipient(address),
        state,
        last_error(entry),
    ]
}

const BEING_SENT: &str = "being sent";

fn recipient(address: Option<String>) -> String {
    address.map_or_else(
        || "(deleted)".to_owned(),
        |address| escape_line(&address).into_owned(),
    )
}

fn last_error(entry: Entry) -> String {
    let error = entry.last_error.unwrap_or_default();
    escape_line(&error).into_owned()
}

/// Describes the time of the next attempt; `None` for a dead entry.
fn next_try(entry: &Entry, now: Timestamp) -> Option<String> {
    match entry.state {
        EntryState::Dead => None,
        EntryState::Waiting if entry.lease.is_some_and(|lease| lease.until > now) => {
            Some(BEING_SENT.to_owned())
        }
        EntryState::Waiting if entry.next_try_at <= now => Some("now".to_owned()),
        EntryState::Waiting => Some(local_time(entry.next_try_at)),
    }
}
