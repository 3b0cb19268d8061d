//! `user create`: creates an account.

use movie_bag_core::app::{App, Delivery, DeliveryMode, NewAccount, parse_address};

use super::new_password::NewPassword;
use crate::cli::document::{Maybe, documents};
use crate::cli::startup;
use crate::cli::ui::Ui;
use crate::error_code::ErrorCode;
use crate::failure::Failure;

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
    /// Checks the arguments without a database.
    ///
    /// # Errors
    /// The address is invalid, or the password cannot be prompted for.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        parse_address(&self.email)?;
        if self.invite {
            return Ok(());
        }
        self.password.check()
    }
}

documents! {
    pub(in crate::cli) struct CreatedAccount<'a> {
        /// Id of the account.
        id: String,
        /// Email address as it is stored.
        email: &'a str,
        /// Generated password, which is not stored; with `--generate` only.
        password: Maybe<&'a str>,
        /// Whether the mail server accepted the invitation; if not, the mail is in the outbox; with `--invite` only.
        invitation_sent: Maybe<bool>,
        /// `sent`, `queued` (exit code 7) or `given_up` (exit code 1), see [exit codes](cli.md#exit-codes); with `--invite` only.
        invitation: Maybe<&'static str>,
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
        origin: startup::origin(),
    };
    let account = app.create_account(new).await?;
    let document = CreatedAccount {
        id: account.id.to_string(),
        email: &account.address,
        password: Maybe(generated.as_ref().map(|password| password.as_str())),
        invitation_sent: Maybe(None),
        invitation: Maybe(None),
    };
    if let Some(password) = &generated {
        let before = format!(
            "Created account {} ({}) with this password:",
            account.address, account.id
        );
        ui.answer_password(&before, password, &document)?;
    } else {
        ui.answer_either(
            &format!("Created account {} ({}).", account.address, account.id),
            &document,
        )?;
    }
    Ok(())
}

async fn invite(email: &str, ui: &Ui, app: &App) -> anyhow::Result<()> {
    let spinner = ui.spinner("sending the invitation");
    let (account, delivery) = app
        .invite(email, &startup::origin(), DeliveryMode::DeliverNow)
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
        &CreatedAccount {
            id: account.id.to_string(),
            email: &account.address,
            password: Maybe(None),
            invitation_sent: Maybe(Some(invitation == "sent")),
            invitation: Maybe(Some(invitation)),
        },
    )?;
    let by_hand = format!(
        "run \"movie-bag forgot --email {} --print-link\" for a link that you can pass on",
        account.address
    );
    let failure = match delivery {
        // The same exit codes as those of `forgot`. The owner has no password and no link yet, so a script must not take this
        // for success.
        Some(Delivery::Waiting { error, hint, .. }) => Failure::new(
            ErrorCode::MailServer,
            format!("cannot deliver the invitation yet, it stays queued: {error}"),
            hint.unwrap_or(by_hand),
        ),
        Some(Delivery::Dead { error }) => Failure::new(
            ErrorCode::MailRefused,
            format!("cannot deliver the invitation, it will not be retried: {error}"),
            by_hand,
        ),
        Some(Delivery::Sent { .. }) | None => return Ok(()),
    };
    if ui.is_json() {
        // The answer contains the same facts. A second document would break scripts that expect one.
        return Err(Failure::silent(failure.exit).into());
    }
    Err(failure.into())
}
