//! `outbox retry`: makes an attempt for one mail, or for all mails including dead ones.

use movie_bag_core::app::{App, FlushScope};
use movie_bag_core::domain::id::EntryId;

use super::flush;
use crate::cli::delivery::sent_reply;
use crate::cli::document::documents;
use crate::cli::ui::Ui;

/// Send a mail now, even a dead one
///
/// A mail whose link is no longer valid is not sent: request a new one with "movie-bag forgot".
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  movie-bag outbox retry 6b04933dbb18cc05d63b86dd
  movie-bag outbox retry --all")]
#[group(required = true, multiple = false)]
pub(in crate::cli) struct Args {
    /// Id of the mail, from "outbox list"
    #[arg(value_name = "ID")]
    pub(super) id: Option<EntryId>,
    /// Send all mails, waiting and dead
    #[arg(long)]
    all: bool,
}

documents! {
    pub(in crate::cli) struct SentMail<'a> {
        /// Id of the mail.
        id: String,
        /// `true`; otherwise an `error` is printed.
        sent: bool,
        /// Reply of the mail server.
        reply: &'a str,
    }
}

pub(super) async fn run(args: &Args, ui: &Ui, app: &App) -> anyhow::Result<()> {
    let Some(id) = args.id else {
        return flush::run(&flush::Args {}, ui, app, FlushScope::All).await;
    };
    let spinner = ui.spinner("sending the mail");
    let delivery = app.retry_mail(id).await;
    std::mem::drop(spinner);
    let reply = sent_reply(delivery?)?;
    ui.answer_either(
        &format!("Sent the mail ({reply})."),
        &SentMail {
            id: id.to_string(),
            sent: true,
            reply: &reply,
        },
    )?;
    Ok(())
}
