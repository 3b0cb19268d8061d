//! `forgot`: starts a reset, and delivers its mail before it returns.

use jiff::Timestamp;
use movie_bag_core::app::{AppError, DeliveryMode, ResetRequest, parse_address};

use super::database::{self, Absence, Access};
use super::delivery::sent_reply;
use super::document::documents;
use super::startup;
use super::ui::Ui;
use crate::config::Flags;

/// Start a password reset and send the reset link
///
/// Returns when the mail server has accepted the mail. A mail that cannot be delivered yet stays queued (exit code 7), and a
/// running server delivers it as soon as possible. A mail that the mail server rejects permanently is given up (exit code 1).
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  movie-bag forgot --email ann@example.com
  movie-bag forgot --email ann@example.com --print-link")]
pub(super) struct Args {
    /// Email address of the account; prompted for on a terminal
    #[arg(long, value_name = "EMAIL")]
    email: Option<String>,
    /// Print the reset link instead of mailing it
    #[arg(long)]
    print_link: bool,
}

documents! {
    pub(in crate::cli) struct SentLink<'a> {
        /// Email address as typed.
        email: &'a str,
        /// `true`: the mail server accepted the mail; otherwise an `error` is printed.
        sent: bool,
        /// Reply of the mail server.
        reply: &'a str,
    }

    pub(in crate::cli) struct PrintedLink<'a> {
        /// Reset link.
        link: &'a str,
        /// When the link expires.
        expires_at: Timestamp,
    }
}

pub(super) async fn run(args: Args, ui: &Ui, flags: Flags) -> anyhow::Result<()> {
    let settings = startup::settings(ui, flags, "off")?;
    let email = match args.email {
        Some(email) => email,
        None => {
            let prompt = "Email address of the account";
            ui.ask(prompt, "an email address", "--email").await?
        }
    };
    parse_address(&email)?;
    let access = Access::Change(Absence::needs_account(&email));
    let app = startup::app(ui, &settings, access).await?;
    let origin = startup::origin();
    let with_database = |error: AppError| database::name_in_hint(error.into(), &settings);
    if args.print_link {
        let link = app.issue_reset_link(&email, &origin).await;
        let link = link.map_err(with_database)?;
        ui.answer_either(
            &link.link,
            &PrintedLink {
                link: &link.link,
                expires_at: link.expires_at,
            },
        )?;
        return Ok(());
    }
    let spinner = ui.spinner("sending the mail");
    let requested = app
        .request_reset(&email, &origin, DeliveryMode::DeliverNow)
        .await
        .map_err(with_database)?;
    drop(spinner);
    app.close().await;
    let ResetRequest::Queued(Some(delivery)) = requested else {
        return Ok(());
    };
    let reply = sent_reply(delivery)?;
    let text = format!("Sent the reset link to {email} ({reply}).");
    ui.answer_either(
        &text,
        &SentLink {
            email: &email,
            sent: true,
            reply: &reply,
        },
    )?;
    Ok(())
}
