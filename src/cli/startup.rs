//! Start of a command: settings with their warnings, the log, templates and the application.

use std::sync::Arc;

use movie_bag_core::app::App;
use movie_bag_core::domain::event::Origin;
use movie_bag_core::ports::store::CopyableStore;
use movie_bag_mail::templates::{TemplateError, Templates};

use super::database::{self, Absence, Access};
use super::logging;
use super::running_servers;
use super::ui::Ui;
use crate::config::{self, Flags, Settings};
use crate::wiring;

/// Resolves the settings, prints their warnings, and starts logging. `default_filter` is the log filter of the command.
pub(super) fn settings(ui: &Ui, flags: Flags, default_filter: &str) -> anyhow::Result<Settings> {
    let settings = wiring::resolve(flags)?;
    settings
        .warnings
        .iter()
        .for_each(|warning| ui.warn(warning));
    logging::start(&settings.log, default_filter)?;
    Ok(settings)
}

/// Loads and validates all templates of mails and pages, and prints their warnings.
pub(super) fn templates(ui: &Ui, settings: &Settings) -> Result<Templates, TemplateError> {
    let templates = wiring::templates(settings)?;
    templates
        .warnings()
        .iter()
        .for_each(|warning| ui.warn(warning));
    Ok(templates)
}

/// Opens the database, and returns the application of a command.
pub(super) async fn app(ui: &Ui, settings: &Settings, access: Access) -> anyhow::Result<App> {
    let templates = Arc::new(templates(ui, settings)?);
    let mailer = wiring::mailer(&settings.mail)?;
    running_servers::warn_of_other_database(ui, settings);
    let is_reader = matches!(access, Access::Read);
    let store = match access {
        Access::Create => {
            let (store, is_new) = wiring::open_or_create(settings).await?;
            if is_new {
                ui.say(&database::created_message(settings));
            }
            store
        }
        Access::Read => existing_store(settings, true, Absence::needs_database()).await?,
        Access::Change(absence) => existing_store(settings, false, absence).await?,
    };
    wiring::command_app(settings, templates, mailer, store, is_reader)
}

async fn existing_store(
    settings: &Settings,
    is_reader: bool,
    absence: Absence,
) -> anyhow::Result<Arc<dyn CopyableStore>> {
    let store = wiring::open_existing(settings, is_reader).await?;
    store.ok_or_else(|| database::missing_failure(settings, absence).into())
}

/// Returns the origin of a command for the history.
pub(super) fn origin() -> Origin {
    Origin::Terminal(config::operating_system_user())
}
