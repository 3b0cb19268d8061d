//! `user …`: management of accounts by the administrator.

mod account_name;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod disable;
mod enable;
pub(super) mod export;
mod format;
pub(super) mod import;
pub(super) mod list;
mod new_password;
pub(super) mod revoke;
pub(super) mod set_email;
pub(super) mod set_password;
pub(super) mod show;

use movie_bag_core::app::parse_address;

use super::database::{self, Absence, Access};
use super::startup;
use super::ui::Ui;
use crate::config::Flags;

/// Manage accounts
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    Create(create::Args),
    List(list::Args),
    Show(show::Args),
    SetPassword(set_password::Args),
    SetEmail(set_email::Args),
    Revoke(revoke::Args),
    Disable(disable::Args),
    Enable(enable::Args),
    Delete(delete::Args),
    Import(import::Args),
    Export(export::Args),
}

impl Command {
    pub(super) async fn run(self, ui: &Ui, flags: Flags) -> anyhow::Result<()> {
        // Checked before a database is opened or created.
        match &self {
            Self::Import(args) => args.check()?,
            Self::Export(args) => args.check()?,
            _ => {}
        }
        let settings = startup::settings(ui, flags, "off")?;
        let app = startup::app(ui, &settings, self.access()?).await?;
        let outcome = match self {
            Self::Create(args) => create::run(args, ui, &app).await,
            Self::List(args) => {
                list::run(&args, ui, &app, &database::format_with_source(&settings)).await
            }
            Self::Show(args) => show::run(&args, ui, &app).await,
            Self::SetPassword(args) => set_password::run(args, ui, &app).await,
            Self::SetEmail(args) => set_email::run(&args, ui, &app).await,
            Self::Revoke(args) => revoke::run(&args, ui, &app).await,
            Self::Disable(args) => disable::run(&args, ui, &app).await,
            Self::Enable(args) => enable::run(&args, ui, &app).await,
            Self::Delete(args) => delete::run(&args, ui, &app).await,
            Self::Import(args) => import::run(&args, ui, &app).await,
            Self::Export(args) => export::run(&args, ui, &app).await,
        };
        // An import reports Ctrl-C itself. If it waited here, the caller would report it in its place.
        if !super::is_interruption(&outcome) {
            app.close().await;
        }
        outcome.map_err(|error| database::name_in_hint(error, &settings))
    }

    fn access(&self) -> anyhow::Result<Access> {
        let email = match self {
            Self::Create(args) => {
                // A command that is certain to fail must not create a database.
                args.check()?;
                return Ok(Access::Create);
            }
            Self::Import(args) if args.dry_run => return Ok(Access::Read),
            Self::Import(_) => return Ok(Access::Create),
            Self::List(_) | Self::Show(_) | Self::Export(_) => return Ok(Access::Read),
            Self::SetPassword(args) => &args.email,
            Self::SetEmail(args) => &args.email,
            Self::Revoke(args) => &args.email,
            Self::Disable(args) => args.account.email(),
            Self::Enable(args) => args.account.email(),
            Self::Delete(args) => &args.email,
        };
        // An invalid address is an error with every content of the database.
        parse_address(email)?;
        Ok(Access::Change(Absence::needs_account(email)))
    }
}
