//! `user show`: shows an account with its undelivered mails and its history.

use movie_bag_core::app::{AccountDetails, App};
use movie_bag_core::domain::event::{Event, EventKind, HISTORY_LINES};
use movie_bag_core::domain::outbox::{Entry, EntryState};
use movie_bag_core::domain::terminal_text::escape_line;
use serde_json::{Value, json};

use crate::cli::outbox::entry_json::entry_json;
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
    let json = json!({
        "id": account.id.to_string(),
        "email": account.address,
        "created_at": account.id.made_at().to_string(),
        "mails": mails.iter().map(entry_json).collect::<Vec<_>>(),
        "history": history.iter().map(event_json).collect::<Vec<_>>(),
    });
    let mut text = format!(
        "Email    {}\nID       {}\nCreated  {}\n",
        escape_line(&account.address),
        account.id,
        local_time(account.id.made_at())
    );
    text += "\nUndelivered mails\n";
    text += &indent(mails.iter().map(mail_line));
    text += "\nHistory, newest first\n";
    text += &indent(history.iter().take(MAX_SHOWN).map(event_line));
    let older = history.len().saturating_sub(MAX_SHOWN);
    if older > 0 {
        let older = pluralize(older as u64, "older entry", "older entries");
        text += &format!("  and {older}, which --json shows\n");
    }
    ui.answer_either(text.trim_end(), &json)?;
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
        "{}  {:<15}  {}  {combined}{separator}{}",
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

fn event_json(event: &Event) -> Value {
    json!({
        "at": event.at.to_string(),
        "kind": event.kind.name(),
        "origin": event.origin.to_string(),
        "detail": event.detail,
        "count": event.count,
        "first_at": event.first_at.to_string(),
    })
}
