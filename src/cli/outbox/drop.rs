//! `outbox drop`: removes a mail without sending it.

use movie_bag_core::app::App;
use movie_bag_core::domain::id::EntryId;
use movie_bag_core::domain::mail::MailKind;

use crate::cli::document::documents;
use crate::cli::startup;
use crate::cli::ui::Ui;

/// Remove a mail from the outbox without sending it
///
/// The history of the account records who dropped it.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  movie-bag outbox drop 6b04933dbb18cc05d63b86dd")]
pub(in crate::cli) struct Args {
    /// Id of the mail, from "outbox list"
    #[arg(value_name = "ID")]
    pub(super) id: EntryId,
}

documents! {
    pub(in crate::cli) struct DroppedMail {
        /// Id of the mail.
        id: String,
        /// Mail kind.
        kind: MailKind,
        /// `true`; otherwise an `error` is printed.
        dropped: bool,
    }
}

pub(super) async fn run(args: &Args, ui: &Ui, app: &App) -> anyhow::Result<()> {
    let dropped = app.drop_mail(args.id, &startup::origin()).await?;
    ui.answer_either(
        &format!("Dropped {} mail {}.", dropped.kind, dropped.id),
        &DroppedMail {
            id: dropped.id.to_string(),
            kind: dropped.kind,
            dropped: true,
        },
    )?;
    Ok(())
}
