//! `reset`: redeems the token from a reset mail.

use movie_bag_core::app::{App, DeliveryMode};
use movie_bag_core::domain::password::PasswordInput;
use movie_bag_core::domain::token::Token;

use super::database::{Absence, Access};
use super::delivery::warn_unless_sent;
use super::document::documents;
use super::startup;
use super::stdin;
use super::ui::Ui;
use crate::config::Flags;

/// Complete a password reset with the token from the mail
///
/// The token is checked before the password is prompted for. The password is changed even if the confirmation mail cannot
/// be delivered yet; a warning says so.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  movie-bag reset --token http://localhost:3000/reset/eyJ0…
  printf '%s\\n' \"$LINK\" \"$PASSWORD\" | movie-bag reset --token - --password-stdin")]
pub(super) struct Args {
    /// Reset token, or the whole link; - reads it from stdin
    ///
    /// With -, the token is the first line of stdin; with --password-stdin, the password is the second.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Read the new password from one line of stdin
    #[arg(long)]
    password_stdin: bool,
}

documents! {
    pub(in crate::cli) struct CompletedReset {
        /// `true`; otherwise an `error` is printed.
        changed: bool,
        /// Whether the mail server accepted the confirmation; if not, the mail is in the outbox.
        confirmation_sent: bool,
    }
}

pub(super) async fn run(args: Args, ui: &Ui, flags: Flags) -> anyhow::Result<()> {
    let settings = startup::settings(ui, flags, "off")?;
    let is_from_stdin = args.token.as_deref() == Some("-");
    let (token, stdin_password) = match (args.token, args.password_stdin) {
        (Some(_), true) if is_from_stdin => {
            let [token, password] = stdin::lines(["token", "password"]).await?;
            (token.to_string(), Some(password))
        }
        (Some(_), false) if is_from_stdin => {
            let [token] = stdin::lines(["token"]).await?;
            (token.to_string(), None)
        }
        (Some(token), true) => {
            let [password] = stdin::lines(["password"]).await?;
            (token, Some(password))
        }
        (Some(token), false) => (token, None),
        (None, _) => {
            let prompt = "Reset link from the mail";
            (ui.ask(prompt, "a reset link", "--token").await?, None)
        }
    };
    let token = Token::from_pasted(&token);
    let access = Access::Change(Absence::needs_token_account());
    let app = startup::app(ui, &settings, access).await?;
    let password = match stdin_password {
        Some(password) => PasswordInput::new(password.as_str()),
        None => prompt_for_password(&app, ui, &token).await?,
    };
    let spinner = ui.spinner("changing the password");
    let completed = app
        .complete_reset(
            &token,
            &password,
            &startup::origin(),
            DeliveryMode::DeliverNow,
        )
        .await?;
    drop(spinner);
    app.close().await;
    let confirmed = warn_unless_sent(
        ui,
        completed.confirmation.as_ref(),
        "the password was changed",
    );
    ui.answer_either(
        "Password changed.",
        &CompletedReset {
            changed: true,
            confirmation_sent: confirmed,
        },
    )?;
    Ok(())
}

async fn prompt_for_password(app: &App, ui: &Ui, token: &Token) -> anyhow::Result<PasswordInput> {
    app.inspect_reset(token).await?;
    // The holder of the link does not learn the address here; the policy checks it when the reset is completed.
    ui.ask_new_password("", app.password_policy()).await
}
