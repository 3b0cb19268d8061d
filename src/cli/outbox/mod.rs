//! `outbox …`: manages mails that are not delivered yet, with or without a running server.

pub(super) mod drop;
pub(super) mod flush;
pub(super) mod list;
mod queued_mail_document;
pub(super) mod retry;

use movie_bag_core::app::FlushScope;

use super::database::{Absence, Access};
use super::startup;
use super::ui::Ui;
use crate::config::Flags;
pub(super) use queued_mail_document::QueuedMailDocument;

/// Show and manage mails that are not delivered yet
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    List(list::Args),
    Flush(flush::Args),
    Retry(retry::Args),
    Drop(drop::Args),
}

impl Command {
    pub(super) async fn run(self, ui: &Ui, flags: Flags) -> anyhow::Result<()> {
        let settings = startup::settings(ui, flags, "off")?;
        let app = startup::app(ui, &settings, self.access()).await?;
        let outcome = match self {
            Self::List(args) => list::run(&args, ui, &app).await,
            Self::Flush(args) => flush::run(&args, ui, &app, FlushScope::Waiting).await,
            Self::Retry(args) => retry::run(&args, ui, &app).await,
            Self::Drop(args) => drop::run(&args, ui, &app).await,
        };
        app.close().await;
        outcome
    }

    fn access(&self) -> Access {
        match self {
            Self::List(_) => Access::Read,
            Self::Flush(_) => Access::Change(Absence::needs_database()),
            Self::Retry(args) => Access::Change(match args.id {
                Some(id) => Absence::needs_mail(id),
                None => Absence::needs_database(),
            }),
            Self::Drop(args) => Access::Change(Absence::needs_mail(args.id)),
        }
    }
}
