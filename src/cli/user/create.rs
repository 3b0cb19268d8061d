//! `user create`: makes an account.

use serde_json::json;

use super::super::outbox::{GIVEN_UP, QUEUED};
use super::super::report::Failure;
use super::{NewPassword, Ui, wiring};
use crate::app::{App, Delivery, DeliveryMode, NewAccount, parse_address};

/// Create an account
///
/// Without --password-stdin, --generate and --invite, the password is prompted for, hidden, twice.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  movie-bag user create --email ann@example.com
  movie-bag user create --email ann@example.com --generate
  movie-bag user create --email ann@example.com --invite
  pass show ann | movie-bag user create --email ann@example.com --password-stdin")]
pub(in crate::cli) struct Args {
    /// Email address of the account
    #[arg(long, value_name = "EMAIL")]
    email: String,
    #[command(flatten)]
    password: NewPassword,
    /// Mail the owner a link to choose a password
    #[arg(long, conflicts_with_all = ["password_stdin", "generate"])]
    invite: bool,
}

impl Args {
    /// Checks what needs no database.
    ///
    /// # Errors
    /// The address cannot be read, or there is no way to get the password.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        parse_address(&self.email)?;
        match self.invite {
            true => Ok(()),
            false => self.password.check(),
        }
    }
}

pub(super) async fn run(args: Args, ui: &Ui, app: &App) -> anyhow::Result<()> {
    if args.invite {
        return invite(&args.email, ui, app).await;
    }
    app.check_new_address(&args.email).await?;
    let (password, generated) = args.password.get(ui, app, &args.email).await?;
    let new = NewAccount {
        email: &args.email,
        password,
        origin: wiring::origin(),
    };
    let account = app.create_account(new).await?;
    let mut json = json!({"id": account.id.to_string(), "email": account.address});
    if let Some(password) = generated {
        json["password"] = password.as_str().into();
        let before = format!(
            "Created account {} ({}) with this password:",
            account.address, account.id
        );
        ui.tell_password(&before, &password, &json)?;
    } else {
        ui.answer_either(
            &format!("Created account {} ({}).", account.address, account.id),
            &json,
        )?;
    }
    Ok(())
}

async fn invite(email: &str, ui: &Ui, app: &App) -> anyhow::Result<()> {
    let spinner = ui.spinner("sending the invitation");
    let (account, delivery) = app
        .invite(email, &wiring::origin(), DeliveryMode::DeliverNow)
        .await?;
    drop(spinner);
    let (invitation, text) = match &delivery {
        Some(Delivery::Sent { .. }) => ("sent", "and sent the invitation."),
        Some(Delivery::Dead { .. }) => ("given_up", "but the invitation was not delivered."),
        Some(Delivery::Waiting { .. }) | None => ("queued", "and queued the invitation."),
    };
    ui.answer_either(
        &format!(
            "Created account {} ({}) {text}",
            account.address, account.id
        ),
        &json!({
            "id": account.id.to_string(),
            "email": account.address,
            "invitation_sent": invitation == "sent",
            "invitation": invitation,
        }),
    )?;
    let by_hand = format!(
        "run \"movie-bag forgot --email {} --print-link\" for a link that you can pass on",
        account.address
    );
    let failure = match delivery {
        // The same exit codes as of `forgot`. The owner has no password and no link yet: a script must not take that for
        // success.
        Some(Delivery::Waiting { error, hint, .. }) => Failure::new(
            QUEUED,
            "mail_server",
            format!("cannot deliver the invitation yet, it stays queued: {error}"),
            hint.unwrap_or(by_hand),
        ),
        Some(Delivery::Dead { error }) => Failure::new(
            GIVEN_UP,
            "mail_refused",
            format!("cannot deliver the invitation, it will not be retried: {error}"),
            by_hand,
        ),
        Some(Delivery::Sent { .. }) | None => return Ok(()),
    };
    Err(match ui.is_json() {
        // The document has the same facts; a second one on stdout would be one too many.
        true => Failure::silent(failure.exit),
        false => failure,
    }
    .into())
}
