//! `check`: a verdict on each subject with its fix, and all settings with their sources. Read-only: creates and migrates
//! nothing.
//!
//! Each subject has a file: `database` (with its clock and its disk), `env_file`, `mail`, `public_url`, `deploy`; `show`
//! prints the result. All parts run side by side, each with a time limit of its own, and the command ends within ten seconds.

mod database;
mod deploy;
mod env_file;
mod mail;
mod public_url;
mod show;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::exit_code::ExitCode;
use super::failure::Failure;
use super::ui::Ui;
use crate::config::{DatabaseSettings, Flags, Settings, secret_file};
use crate::wiring;
use movie_bag_core::app::{AppError, parse_address};
use movie_bag_core::domain::email_address::EmailAddress;
use movie_bag_mail::dialogue::Step;
use movie_bag_mail::smtp;
use movie_bag_mail::templates::{TemplateError, Templates};

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

/// Maximum run time of the command.
const TOTAL: Duration = Duration::from_secs(10);
/// Time limit of the session with the mail server. Dovecot answers a wrong password after 2 seconds, and some servers
/// delay their greeting for longer.
const MAIL_SERVER: Duration = Duration::from_secs(8);
/// Time limit of the checks of the database that do not depend on its size.
const DATABASE: Duration = Duration::from_secs(5);
/// Time limit of reading all accounts, from the start of the command.
const ACCOUNTS: Duration = Duration::from_secs(8);
/// Time limit of the request to the public URL.
const PUBLIC_URL: Duration = Duration::from_secs(5);
// A session ends with QUIT, whose reply is awaited for one second.
const _: () = assert!(
    MAIL_SERVER.as_secs() + 1 < TOTAL.as_secs()
        && DATABASE.as_secs() < ACCOUNTS.as_secs()
        && ACCOUNTS.as_secs() < TOTAL.as_secs()
        && PUBLIC_URL.as_secs() < TOTAL.as_secs()
);

/// Severity of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    /// Works, but may not be intended.
    Warning,
    Error,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Verdict on one subject.
struct Check {
    /// Name of the subject.
    name: &'static str,
    verdict: Verdict,
    message: String,
    /// The fix.
    hint: Option<String>,
}

impl Check {
    fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Ok,
            message: message.into(),
            hint: None,
        }
    }

    fn warning(
        name: &'static str,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) -> Self {
        Self {
            verdict: Verdict::Warning,
            hint: hint.into(),
            ..Self::ok(name, message)
        }
    }

    fn error(
        name: &'static str,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) -> Self {
        Self {
            verdict: Verdict::Error,
            ..Self::warning(name, message, hint)
        }
    }

    /// Returns the verdict for an error that would end any other command.
    fn failed(name: &'static str, error: &anyhow::Error) -> Self {
        let failure = Failure::from_error(error);
        Self::error(name, failure.message, failure.hint)
    }
}

/// Results of all checks.
struct Report {
    settings: Settings,
    checks: Vec<Check>,
    /// Dialogue with the mail server.
    dialogue: Vec<Step>,
}

impl Report {
    fn errors(&self) -> usize {
        let is_error = |check: &&Check| check.verdict == Verdict::Error;
        self.checks.iter().filter(is_error).count()
    }
}

pub(super) async fn run(args: Args, ui: &Ui, flags: Flags) -> anyhow::Result<()> {
    let test_address = args.send_test_mail.as_deref().map(address).transpose()?;
    // Warnings of the settings are reported as verdicts.
    let mut settings = wiring::resolve(flags)?;
    wiring::log(&settings.log, "off")?;
    explain_defaults(&mut settings);
    let spinner = ui.spinner("checking the database and the mail server");

    let accounts_until = Instant::now() + ACCOUNTS;
    let tried = wiring::try_templates(&settings).map(Arc::new);
    let is_unreadable = tried.is_err();
    let mailing = async {
        match &test_address {
            Some(to) => mail::send_test_mail(&settings, to, tried.as_ref().ok().cloned()).await,
            None => mail::probe(&settings).await,
        }
    };
    let (of_database, (of_mail, dialogue), (of_url, server_time)) = tokio::join!(
        database::look(&settings, args.deploy.then_some(accounts_until)),
        mailing,
        public_url::look(&settings),
    );
    let mut checks = of_settings(&settings);
    checks.extend(env_file::look(&settings, args.deploy));
    checks.extend(of_secret(&settings));
    checks.extend(of_database.checks);
    checks.push(of_mail);
    checks.extend(mail::of_credentials(&settings, args.deploy));
    checks.push(of_url);
    checks.push(database::of_clock(
        of_database.inspection.as_ref(),
        server_time,
    ));
    checks.extend(database::of_disk(
        &settings,
        of_database.inspection.as_ref(),
    ));
    checks.extend(of_templates(tried));
    if args.deploy {
        checks.extend(deploy::look(&settings, of_database.store.as_deref(), accounts_until).await);
    }
    drop(spinner);

    let report = Report {
        settings,
        checks,
        dialogue,
    };
    let parts = show::Parts {
        dialogue: test_address.is_some(),
        settings: args.all,
    };
    show::show(&report, parts, ui)?;
    let exit = if is_unreadable {
        ExitCode::Usage
    } else {
        ExitCode::Failed
    };
    match report.errors() {
        0 => Ok(()),
        // The report contains the errors. A second document would break scripts that expect one.
        _ if ui.is_json() => Err(Failure::silent(exit).into()),
        1 => Err(Failure::without_hint(exit, "check", "1 check failed").into()),
        wrong => Err(Failure::without_hint(exit, "check", format!("{wrong} checks failed")).into()),
    }
}

/// Reports the effective values of settings whose defaults are computed later.
fn explain_defaults(settings: &mut Settings) {
    if let Some(name) = smtp::default_helo_name(&settings.mail.sender) {
        settings.report_default("MAIL_HELO_NAME", name);
    }
    let url = settings
        .public_url(settings.http.bind.port())
        .as_str()
        .to_owned();
    settings.report_default("MOVIE_BAG_PUBLIC_URL", url);
    if matches!(settings.database, DatabaseSettings::Mongodb(_)) {
        let missing = "not set; serve needs it with MongoDB".to_owned();
        return settings.report_default("JWT_SECRET_KEY", missing);
    }
    let secret = secret_file::path(&settings.data_dir);
    let state = if secret.exists() {
        "generated, stored in"
    } else {
        "will be generated in"
    };
    settings.report_default("JWT_SECRET_KEY", format!("{state} {}", secret.display()));
}

/// Returns the verdicts on the settings themselves.
fn of_settings(settings: &Settings) -> Vec<Check> {
    const NAME: &str = "settings";
    if settings.warnings.is_empty() {
        return vec![Check::ok(
            NAME,
            "all valid; --all lists them with their sources",
        )];
    }
    let warnings = settings.warnings.iter();
    warnings
        .map(|warning| Check::warning(NAME, warning, None))
        .collect()
}

/// Returns the verdict on the secret that signs tokens; `None` if it is missing on MongoDB, which the settings report.
fn of_secret(settings: &Settings) -> Option<Check> {
    const NAME: &str = "secret";
    let tokens = &settings.tokens;
    if let Some(secret) = &tokens.secret {
        let bytes = secret.expose().len();
        let previous = if tokens.previous.is_some() {
            "; tokens signed with JWT_SECRET_KEY_PREVIOUS are still accepted"
        } else {
            ""
        };
        return Some(match secret.weakness() {
            None => Check::ok(NAME, format!("JWT_SECRET_KEY has {bytes} bytes{previous}")),
            Some(weakness) => Check::warning(
                NAME,
                format!(
                    "JWT_SECRET_KEY {weakness}: an attacker who guesses it can open every account"
                ),
                "replace it with the output of: openssl rand -base64 48".to_owned(),
            ),
        });
    }
    if matches!(settings.database, DatabaseSettings::Mongodb(_)) {
        return None;
    }
    Some(match secret_file::exists(&settings.data_dir) {
        Ok(true) => Check::ok(NAME, "generated and stored next to the database"),
        Ok(false) => Check::ok(NAME, "will be generated on first use"),
        Err(error) => Check::failed(NAME, &error.into()),
    })
}

/// Returns the verdicts on the templates.
fn of_templates(tried: Result<Arc<Templates>, TemplateError>) -> Vec<Check> {
    const NAME: &str = "templates";
    let templates = match tried {
        Ok(templates) => templates,
        Err(error) => return vec![Check::failed(NAME, &error.into())],
    };
    let own = templates
        .table()
        .templates
        .iter()
        .filter(|template| templates.path(template).is_some())
        .count();
    let message = match own {
        0 => "all built in".to_owned(),
        own => format!("all valid, {own} customized"),
    };
    let mut checks = vec![Check::ok(NAME, message)];
    let warnings = templates.warnings().iter();
    checks.extend(warnings.map(|warning| Check::warning(NAME, warning, None)));
    checks
}

/// Parses the recipient of a test mail: one mailbox, as for an account.
fn address(text: &str) -> Result<EmailAddress, AppError> {
    parse_address(text)
}
