//! `user show`: shows an account with its undelivered mails and its history.

use jiff::Timestamp;
use movie_bag_core::app::{AccountDetails, App};
use movie_bag_core::domain::event::{Event, EventKind, HISTORY_LINES};
use movie_bag_core::domain::outbox::{Entry, EntryState};
use movie_bag_core::domain::terminal_text::escape_line;

use crate::cli::document::documents;
use crate::cli::outbox::QueuedMailDocument;
use crate::cli::table::hanging;
use crate::cli::text_format::{local_time, pluralize};
use crate::cli::ui::Ui;

/// Number of history entries shown as text. JSON has all of them.
const MAX_SHOWN: usize = 50;

/// Show an account with its queued mails and history
///
/// The history explains why a mail arrived or not: who requested it and when, and the reply of the mail server.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  movie-bag user show --email ann@example.com")]
pub(in crate::cli) struct Args {
    /// Email address of the account
    #[arg(long, value_name = "EMAIL")]
    email: String,
}

pub(super) async fn run(args: &Args, ui: &Ui, app: &App) -> anyhow::Result<()> {
    let AccountDetails {
        account,
        mails,
        history,
    } = app.account_details(&args.email, 2 * HISTORY_LINES).await?;
    let document = AccountDocument {
        id: account.id.to_string(),
        email: &account.address,
        created_at: account.id.made_at(),
        disabled_at: account.disabled_since(),
        mails: mails.iter().map(QueuedMailDocument::of).collect(),
        history: history.iter().map(event_document).collect(),
    };
    let mut text = format!(
        "Email    {}\nID       {}\nCreated  {}\n",
        escape_line(&account.address),
        account.id,
        local_time(account.id.made_at())
    );
    if let Some(since) = account.disabled_since() {
        let newest = history
            .iter()
            .find(|event| event.kind == EventKind::Disabled);
        let reason = newest.map_or("", |event| &event.detail);
        let separator = if reason.is_empty() { "" } else { ": " };
        text += &format!(
            "Disabled {}{separator}{}\n",
            local_time(since),
            escape_line(reason)
        );
    }
    text += "\nUndelivered mails\n";
    text += &indent(mails.iter().map(mail_line));
    text += "\nHistory, newest first\n";
    text += &indent(history.iter().take(MAX_SHOWN).map(event_line));
    let older = history.len().saturating_sub(MAX_SHOWN);
    if older > 0 {
        let older = pluralize(older as u64, "older entry", "older entries");
        text += &format!("  and {older}, which --json shows\n");
    }
    ui.answer_either(text.trim_end(), &document)?;
    Ok(())
}

fn indent(lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<String> = lines
        .map(|line| format!("  {}\n", hanging(line.trim_end(), 4)))
        .collect();
    if lines.is_empty() {
        "  none\n".to_owned()
    } else {
        lines.concat()
    }
}

fn mail_line(mail: &Entry) -> String {
    let error = mail
        .last_error
        .as_deref()
        .map(|error| format!(", last error: {error}"))
        .unwrap_or_default();
    let tries = pluralize(mail.attempts.into(), "attempt", "attempts");
    let next = match mail.state {
        EntryState::Waiting => format!(", next attempt {}", local_time(mail.next_try_at)),
        EntryState::Dead => String::new(),
    };
    format!(
        "{}  {}  {}, {tries}{next}{error}",
        mail.id, mail.kind, mail.state
    )
}

fn event_line(event: &Event) -> String {
    let combined = combined(event).unwrap_or_default();
    let separator = if combined.is_empty() || event.detail.is_empty() {
        ""
    } else {
        "; last "
    };
    format!(
        "{}  {:<17}  {}  {combined}{separator}{}",
        local_time(event.at),
        event.kind,
        event.origin,
        event.detail
    )
}

/// Describes an entry that combines several events; `None` for a single event.
fn combined(event: &Event) -> Option<String> {
    let (one, many) = match event.kind {
        EventKind::LoginFailed => ("failed login", "failed logins"),
        EventKind::LoggedIn => ("login", "logins"),
        EventKind::LoginDelayed => ("delay", "delays"),
        _ => ("event", "events"),
    };
    let events = pluralize(event.count.into(), one, many);
    let (first, origin) = (local_time(event.first_at), &event.origin);
    (event.count > 1).then(|| format!("{events} since {first}, last from {origin}"))
}

documents! {
    pub(in crate::cli) struct AccountDocument<'a> {
        /// Id of the account.
        id: String,
        /// Email address of the account.
        email: &'a str,
        /// When the account was created.
        created_at: Timestamp,
        /// Since when the account is disabled, or null. The reason is in the history.
        disabled_at: Option<Timestamp>,
        /// Mails of the account that are not delivered yet, oldest request first.
        mails: Vec<QueuedMailDocument<'a>>,
        /// Events of the account, newest first.
        history: Vec<EventDocument<'a>>,
    }

    pub(in crate::cli) struct EventDocument<'a> {
        /// Time of the event.
        at: Timestamp,
        /// Event kind.
        kind: EventKind,
        /// IP address of the client, or `terminal` with the operating-system user.
        origin: String,
        /// Details such as the reply of the mail server; may be empty.
        detail: &'a str,
        /// Number of events. All events of the kinds `logged_in`, `login_failed` and `login_delayed` of one UTC day are one entry,
        /// with the time, origin and detail of the last event. 1 for other kinds.
        count: u32,
        /// Time of the first of these events.
        first_at: Timestamp,
    }
}

fn event_document(event: &Event) -> EventDocument<'_> {
    EventDocument {
        at: event.at,
        kind: event.kind,
        origin: event.origin.to_string(),
        detail: &event.detail,
        count: event.count,
        first_at: event.first_at,
    }
}
