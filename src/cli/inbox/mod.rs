//! `inbox …`: reads the inbox of a running sink or of a Mailpit.

mod address_format;
pub(super) mod clear;
mod client;
mod list;
mod message_parts;
mod request;
mod show;
mod url_option;
mod wait;

use super::startup;
use super::ui::Ui;
use crate::config::Flags;
use client::InboxClient;

/// Read the messages of a running sink
///
/// The commands also work with a Mailpit server.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    List(list::Args),
    Show(show::Args),
    Wait(wait::Args),
    Clear(clear::Args),
}

impl Command {
    pub(super) async fn run(self, ui: &Ui, mut flags: Flags) -> anyhow::Result<()> {
        let url = match &self {
            Self::List(args) => &args.url,
            Self::Show(args) => &args.url,
            Self::Wait(args) => &args.url,
            Self::Clear(args) => &args.url,
        };
        flags.set("MOVIE_BAG_INBOX_URL", "--url", url.url.clone());
        let inbox = startup::settings(ui, flags, "warn")?.inbox_url;
        let credentials = inbox.credentials.as_ref();
        let client = InboxClient::new(
            inbox.base.as_str(),
            credentials.map(|(name, password)| (name.as_str(), password.expose())),
        );
        match self {
            Self::List(args) => list::run(args, ui, client).await,
            Self::Show(args) => show::run(args, ui, client).await,
            Self::Wait(args) => wait::run(args, ui, client).await,
            Self::Clear(args) => clear::run(&args, ui, client, inbox.base.as_str()).await,
        }
    }
}
