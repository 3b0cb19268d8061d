//! `check`: a verdict on each subject with its fix, and all settings with their sources. Read-only: creates and migrates
//! nothing.
//!
//! Each subject has a file, whose `check` returns verdicts. The checks that wait for a service run concurrently, each with a
//! time limit of its own, and the command ends within ten seconds. `report` prints the verdicts.

mod clock;
mod database;
mod deploy;
mod disk;
mod env_file;
mod mail;
mod public_url;
pub(super) mod report;
mod secret;
mod settings;
mod templates;
mod time_limits;
mod verdict;

use std::sync::Arc;

use movie_bag_core::app::parse_address;
use tokio::time::Instant;

use super::logging;
use super::ui::Ui;
use crate::config::Flags;
use crate::error_code::ErrorCode;
use crate::failure::Failure;
use crate::wiring;
use report::{OptionalTables, Report};
use time_limits::ACCOUNTS;

/// Check settings and services, and show cause and fix
///
/// Checks the settings, the env file and its mode, the secret, the database with its indexes and size, the outbox, the mail
/// server with TLS and login, the public URL, the clock, the disk and the templates. Each check has a verdict, and a cause
/// and a fix if needed. It is read-only and takes at most ten seconds. Any error, such as an unreachable service, makes the
/// exit code 1; warnings do not.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  movie-bag check
  movie-bag check --all
  movie-bag check --json | jq .checks
  movie-bag check --send-test-mail ann@example.com
  movie-bag check --deploy")]
pub(super) struct Args {
    /// Send a test mail, and show the SMTP dialogue
    ///
    /// The mail is a reset mail from the templates in use, with a link that cannot be used. Its subject starts with "Test
    /// mail:". The reply of the mail server to each step is shown, with the step that failed and the fix.
    #[arg(long, value_name = "EMAIL")]
    send_test_mail: Option<String>,
    /// Check production requirements too
    #[arg(long)]
    deploy: bool,
    /// Show the value and source of every setting too
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(args: Args, ui: &Ui, flags: Flags) -> anyhow::Result<()> {
    let test_recipient = args.send_test_mail.as_deref();
    let test_recipient = test_recipient.map(parse_address).transpose()?;
    // Warnings of the settings are reported as verdicts.
    let mut settings = wiring::resolve(flags)?;
    logging::start(&settings.log, "off")?;
    settings::report_computed_defaults(&mut settings);
    let spinner = ui.spinner("checking the database and the mail server");

    let accounts_until = Instant::now() + ACCOUNTS;
    let templates = wiring::templates(&settings).map(Arc::new);
    let has_broken_template = templates.is_err();
    let mail_check = async {
        match &test_recipient {
            Some(to) => mail::send_test_mail(&settings, to, templates.as_ref().ok().cloned()).await,
            None => mail::check(&settings).await,
        }
    };
    let (database, (mail, dialogue), (public_url, server_time)) = tokio::join!(
        database::check(&settings, args.deploy.then_some(accounts_until)),
        mail_check,
        public_url::check(&settings),
    );
    let inspection = database.inspection.as_ref();
    let mut checks = settings::check(&settings);
    checks.extend(env_file::check(&settings, args.deploy));
    checks.extend(secret::check(&settings));
    checks.extend(database.checks);
    checks.push(mail);
    checks.extend(mail::check_credentials(&settings, args.deploy));
    checks.push(public_url);
    checks.push(clock::check(inspection, server_time));
    checks.extend(disk::check(&settings, inspection));
    checks.extend(templates::check(templates));
    if args.deploy {
        checks.extend(deploy::check(&settings, database.store.as_deref(), accounts_until).await);
    }
    drop(spinner);

    let report = Report {
        settings,
        checks,
        dialogue,
    };
    let tables = OptionalTables {
        dialogue: test_recipient.is_some(),
        settings: args.all,
    };
    report::print(&report, tables, ui)?;
    let code = if has_broken_template {
        ErrorCode::BrokenTemplate
    } else {
        ErrorCode::Check
    };
    match report.errors() {
        0 => Ok(()),
        // The report contains the errors. A second document would break scripts that expect one.
        _ if ui.is_json() => Err(Failure::silent(code.exit()).into()),
        1 => Err(Failure::without_hint(code, "1 check failed").into()),
        failed => Err(Failure::without_hint(code, format!("{failed} checks failed")).into()),
    }
}
