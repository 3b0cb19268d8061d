//! `outbox retry`: tries one mail now, or all of them, dead ones too.

use serde_json::json;

use super::super::ui::Ui;
use super::{flush, not_sent};
use crate::app::{App, Flush};
use crate::domain::id::EntryId;

/// Try a mail now, also one that was given up
///
/// A mail whose link could not be used any more is never sent: ask for a new one by "movie-bag forgot".
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  movie-bag outbox retry 6b04933dbb18cc05d63b86dd
  movie-bag outbox retry --all

With --json: {\"id\", \"sent\", \"reply\"}; of --all that of \"outbox flush\"")]
#[group(required = true, multiple = false)]
pub(in crate::cli) struct Args {
    /// The mail's id, as "outbox list" shows it
    #[arg(value_name = "ID")]
    pub(super) id: Option<EntryId>,
    /// All mails, waiting and given up
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(args: &Args, ui: &Ui, app: &App) -> anyhow::Result<()> {
    let Some(id) = args.id else {
        return flush::run(&flush::Args {}, ui, app, Flush::All).await;
    };
    let spinner = ui.spinner("sending the mail");
    let delivery = app.retry_mail(id).await;
    std::mem::drop(spinner);
    let reply = not_sent(delivery?)?;
    ui.answer_either(
        &format!("Sent the mail ({reply})."),
        &json!({"id": id.to_string(), "sent": true, "reply": reply}),
    )?;
    Ok(())
}
