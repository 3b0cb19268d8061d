//! `check`: what is set, from where, and what is wrong, each with its mend.

use comfy_table::presets;
use comfy_table::{ContentArrangement, Table};
use serde_json::json;

use super::report::Failure;
use super::ui::Ui;
use super::wiring;
use crate::app::AppError;
use crate::app::system::{SystemClock, SystemRng};
use crate::config::deploy::{self, Finding, Gravity};
use crate::config::{DatabaseSettings, Flags, Settings, secret_file};
use crate::domain::account::Account;
use crate::domain::clock::{Clock as _, draw};
use crate::domain::email_address::EmailAddress;
use crate::domain::id::EntryId;
use crate::mail::Mailer as _;
use crate::mail::dialogue::{self, Dialogue, Step};
use crate::templates::{TEMPLATES, TemplateError, Templates};

/// Show every setting with its source, and what is wrong
///
/// Looks at the settings, the database, the mail server and the templates, each with a verdict and the mend.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  movie-bag check
  movie-bag check --json | jq .checks
  movie-bag check --send-test-mail ann@example.com
  movie-bag check --deploy")]
pub(super) struct Args {
    /// Send a mail to this address, and show what the mail server says to each step
    #[arg(long, value_name = "ADDR")]
    send_test_mail: Option<String>,
    /// Look also at what a real system needs
    #[arg(long)]
    deploy: bool,
}

/// How many groups of accounts that differ by capitals alone are named.
const LOOK_ALIKES: usize = 10;

/// What a look at one thing came to.
struct Check {
    name: &'static str,
    verdict: &'static str,
    message: String,
    hint: Option<String>,
}

impl Check {
    fn of(name: &'static str, outcome: anyhow::Result<String>) -> Self {
        match outcome {
            Ok(message) => Self {
                name,
                verdict: "ok",
                message,
                hint: None,
            },
            Err(error) => {
                let failure = Failure::from_error(&error);
                let causes: String = failure
                    .causes
                    .iter()
                    .map(|cause| format!(": {cause}"))
                    .collect();
                Self {
                    name,
                    verdict: "error",
                    message: failure.message + &causes,
                    hint: failure.hint,
                }
            }
        }
    }
}

pub(super) async fn run(args: Args, ui: &Ui, flags: Flags) -> anyhow::Result<()> {
    let test_address = args.send_test_mail.as_deref().map(address).transpose()?;
    // Warnings are among the verdicts here.
    let mut settings = wiring::resolve(flags)?;
    wiring::log(&settings.log, "off")?;
    explain_defaults(&mut settings);
    let spinner = ui.spinner("looking at the database and the mail server");
    let mut checks: Vec<Check> = settings
        .warnings
        .iter()
        .map(|warning| Check {
            name: "settings",
            verdict: "warning",
            message: warning.clone(),
            hint: None,
        })
        .collect();
    checks.extend(database(&settings).await);
    let dialogue = match &test_address {
        Some(to) => {
            let (check, steps) = test_mail(&settings, to).await;
            checks.push(check);
            Some(steps)
        }
        None => {
            checks.push(Check::of("mail server", mail_server(&settings).await));
            None
        }
    };
    let tried = wiring::try_templates(&settings);
    let is_unreadable = tried.is_err();
    checks.extend(templates(tried));
    if args.deploy {
        checks.extend(deployment(&settings).await);
    }
    drop(spinner);

    let wrong = checks
        .iter()
        .filter(|check| check.verdict == "error")
        .count();
    if ui.is_json() {
        ui.answer(&as_json(&settings, dialogue.as_deref(), &checks, wrong == 0).to_string())?;
    } else {
        ui.answer(&as_text(&settings, dialogue.as_deref(), &checks))?;
    }
    let exit = if is_unreadable { 2 } else { 1 };
    match wrong {
        0 => Ok(()),
        // The document has said it already; a second one on stdout would be one too many.
        _ if ui.is_json() => Err(Failure::silent(exit).into()),
        1 => Err(Failure::new(
            exit,
            "check",
            "something is wrong",
            "see the line marked error",
        )
        .into()),
        _ => Err(Failure::new(
            exit,
            "check",
            format!("{wrong} things are wrong"),
            "see the lines marked error",
        )
        .into()),
    }
}

/// Says what those settings came to that are worked out at a later moment.
fn explain_defaults(settings: &mut Settings) {
    let url = settings
        .public_url(settings.http.bind.port())
        .as_str()
        .to_owned();
    settings.note("MOVIE_BAG_PUBLIC_URL", url);
    if matches!(settings.database, DatabaseSettings::Mongodb(_)) {
        let missing = "not set, and needed by serve on MongoDB".to_owned();
        return settings.note("JWT_SECRET_KEY", missing);
    }
    let secret = secret_file::path(&settings.data_dir);
    let state = if secret.exists() {
        "generated, kept in"
    } else {
        "will be generated into"
    };
    settings.note("JWT_SECRET_KEY", format!("{state} {}", secret.display()));
}

async fn database(settings: &Settings) -> Vec<Check> {
    if let DatabaseSettings::Sqlite(path) = &settings.database
        && !path.exists()
    {
        // A look must not make what it looks for.
        let path = path.display();
        let message = format!("{path} is not there yet, and made at the first use");
        return vec![Check::of("database", Ok(message))];
    }
    let looking = async {
        let store = wiring::store(settings).await?;
        store.ping().await?;
        Ok(store.look_alikes(LOOK_ALIKES).await?)
    };
    match looking.await {
        Err(error) => vec![Check::of("database", Err(error))],
        Ok(look_alikes) => {
            let answers = Ok(format!("{} answers", settings.database));
            let warnings = look_alikes.iter().map(|accounts| warning(accounts));
            let mut checks = vec![Check::of("database", answers)];
            checks.extend(warnings);
            checks
        }
    }
}

/// What a real system needs beyond what works.
async fn deployment(settings: &Settings) -> Vec<Check> {
    let mut findings = deploy::findings(settings);
    let is_there = match &settings.database {
        DatabaseSettings::Sqlite(path) => path.exists(),
        DatabaseSettings::Mongodb(_) => true,
    };
    // What is wrong with the database has been told above.
    if is_there && let Ok(dear) = dear_hashes(settings).await {
        findings.extend(dear);
    }
    let checks: Vec<_> = findings
        .into_iter()
        .map(|finding| Check {
            name: "deploy",
            verdict: match finding.gravity {
                Gravity::Wrong => "error",
                Gravity::ToBeKnown => "warning",
            },
            message: format!("{}: {}", finding.what, finding.why),
            hint: Some(finding.mend),
        })
        .collect();
    if checks.is_empty() {
        return vec![Check::of("deploy", Ok("nothing is missing".to_owned()))];
    }
    checks
}

/// Whether accounts have hashes of a higher cost than is set.
async fn dear_hashes(settings: &Settings) -> anyhow::Result<Option<Finding>> {
    const PAGE: usize = 1_000;
    let usual = settings.passwords.bcrypt_cost;
    let store = wiring::store(settings).await?;
    let (mut after, mut accounts, mut highest) = (None, 0, usual);
    loop {
        let page = store.accounts(after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok((accounts > 0).then(|| deploy::of_dear_hashes(accounts, highest, usual)));
        };
        after = Some(last.id);
        let costs = page
            .iter()
            .filter_map(|account| account.password_hash.cost());
        for cost in costs.filter(|cost| *cost > usual) {
            accounts += 1;
            highest = highest.max(cost);
        }
    }
}

/// What is to be known of accounts whose addresses differ by capitals alone.
fn warning(look_alikes: &[Account]) -> Check {
    let accounts: Vec<String> = look_alikes
        .iter()
        .map(|account| format!("{} ({})", account.address, account.id))
        .collect();
    Check {
        name: "accounts",
        verdict: "warning",
        message: format!("{} differ by capitals alone", accounts.join(", ")),
        hint: Some(
            "each is found by its exact spelling only: keep one, \"movie-bag user delete\" the others"
                .to_owned(),
        ),
    }
}

/// What a look at the templates came to.
fn templates(tried: Result<Templates, TemplateError>) -> Vec<Check> {
    let templates = match tried {
        Ok(templates) => templates,
        Err(error) => return vec![Check::of("templates", Err(error.into()))],
    };
    let own = TEMPLATES
        .iter()
        .filter(|template| templates.path(template).is_some())
        .count();
    let message = match own {
        0 => "the built-in ones".to_owned(),
        own => format!("all can be rendered, {own} of them your own"),
    };
    let mut checks = vec![Check::of("templates", Ok(message))];
    checks.extend(templates.warnings().iter().map(|warning| Check {
        name: "templates",
        verdict: "warning",
        message: warning.clone(),
        hint: None,
    }));
    checks
}

async fn mail_server(settings: &Settings) -> anyhow::Result<String> {
    wiring::mailer(&settings.mail)?.probe().await?;
    Ok(format!(
        "{}:{} answers SMTP",
        settings.mail.server, settings.mail.port
    ))
}

/// Where a test mail goes: one mailbox, as for an account.
fn address(text: &str) -> Result<EmailAddress, AppError> {
    EmailAddress::parse(text).map_err(AppError::InvalidEmail)
}

/// Sends a mail by the settings that all mails go by, past the outbox, since it belongs to no account.
async fn test_mail(settings: &Settings, to: &EmailAddress) -> (Check, Vec<Step>) {
    const NAME: &str = "test mail";
    let mail = &settings.mail;
    let mailer = match wiring::mailer(mail) {
        Ok(mailer) => mailer,
        Err(error) => return (Check::of(NAME, Err(error)), Vec::new()),
    };
    let now = SystemClock.now();
    let unique = EntryId::new(now, draw(&SystemRng)).to_string();
    let message = dialogue::test_mail(&mail.sender, to.as_str(), now, &unique);
    let Dialogue { steps, outcome } = mailer.converse(&message).await;
    let check = match outcome {
        Ok(receipt) => Check::of(
            NAME,
            Ok(format!(
                "{}:{} took the mail to {to}: {}",
                mail.server, mail.port, receipt.reply
            )),
        ),
        Err((error, hint)) => Check {
            name: NAME,
            verdict: "error",
            message: error.to_string(),
            hint,
        },
    };
    (check, steps)
}

fn as_json(
    settings: &Settings,
    dialogue: Option<&[Step]>,
    checks: &[Check],
    ok: bool,
) -> serde_json::Value {
    let settings: Vec<_> = settings
        .report
        .iter()
        .map(|setting| json!({"key": setting.key, "value": setting.value, "source": setting.source.to_string()}))
        .collect();
    let checks: Vec<_> = checks
        .iter()
        .map(|check| json!({"name": check.name, "verdict": check.verdict, "message": check.message, "hint": check.hint}))
        .collect();
    let mut answer = json!({"ok": ok, "settings": settings, "checks": checks});
    if let Some(steps) = dialogue {
        let steps = steps
            .iter()
            .map(|step| json!({"step": step.name, "ok": step.is_done, "said": step.said}));
        answer["dialogue"] = steps.collect();
    }
    answer
}

fn as_text(settings: &Settings, dialogue: Option<&[Step]>, checks: &[Check]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["SETTING", "VALUE", "FROM"]);
    for setting in &settings.report {
        table.add_row([
            setting.key.to_owned(),
            setting.value.clone(),
            setting.source.to_string(),
        ]);
    }
    let mut text = format!("{table}\n");
    for step in dialogue.unwrap_or_default() {
        let verdict = if step.is_done { "done" } else { "broke" };
        text += &format!("\n{verdict:<8} {:<9} {}", step.name, step.said);
    }
    if dialogue.is_some() {
        text += "\n";
    }
    for check in checks {
        text += &format!("\n{:<8} {}: {}", check.verdict, check.name, check.message);
        if let Some(hint) = &check.hint {
            text += &format!("\n         {hint}");
        }
    }
    text
}
