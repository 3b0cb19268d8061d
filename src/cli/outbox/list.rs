//! `outbox list`: the mails that are not delivered yet.

use jiff::Timestamp;

use super::super::ui::{Ui, local};
use super::entry_json;
use crate::app::system::SystemClock;
use crate::app::{App, QueuedMail};
use crate::domain::clock::Clock as _;
use crate::domain::outbox::EntryState;

/// How many mails are asked for at a time.
const PAGE: usize = 500;

/// List the mails not delivered yet, oldest first
///
/// A waiting mail is tried again by itself, a dead one was given up and is kept to be looked at.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  movie-bag outbox list
  movie-bag outbox list --json | jq -r 'select(.state == \"dead\") | .id'

With --json: one document a line, {\"id\", \"email\", \"kind\", \"state\", \"requested_at\", \"attempts\", \
\"next_try_at\", \"last_error\"}, times in UTC; next_try_at counts for waiting ones")]
pub(in crate::cli) struct Args {}

pub(super) async fn run(_: &Args, ui: &Ui, app: &App) -> anyhow::Result<()> {
    let now = SystemClock.now();
    let mut table = Ui::table(
        [
            "ID",
            "EMAIL",
            "KIND",
            "STATE",
            "ATTEMPTS",
            "NEXT TRY",
            "LAST ERROR",
        ],
        &[6],
    );
    let (mut after, mut count) = (None, 0);
    loop {
        let mut page = app.queued_mails(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.entry.id);
        count += page.len();
        // Ids tell no more than the second.
        page.sort_by_key(|mail| mail.entry.requested_at);
        for QueuedMail { entry, address } in page {
            if ui.is_json() {
                let mut json = entry_json(&entry);
                json["email"] = address.into();
                ui.answer(&json.to_string())?;
                continue;
            }
            let next = match entry.state {
                EntryState::Dead => "never".to_owned(),
                EntryState::Waiting if entry.lease.is_some_and(|lease| lease.until > now) => {
                    "being sent".to_owned()
                }
                EntryState::Waiting => next_try(entry.next_try_at, now),
            };
            table.add_row([
                entry.id.to_string(),
                address.unwrap_or_else(|| "(deleted)".to_owned()),
                entry.kind.name().to_owned(),
                entry.state.name().to_owned(),
                entry.attempts.to_string(),
                next,
                entry.last_error.unwrap_or_default(),
            ]);
        }
    }
    if count == 0 {
        ui.say("The outbox is empty: every mail was delivered.");
    } else if !ui.is_json() {
        ui.answer_table(table)?;
    }
    Ok(())
}

fn next_try(at: Timestamp, now: Timestamp) -> String {
    if at <= now {
        "now".to_owned()
    } else {
        local(at)
    }
}
