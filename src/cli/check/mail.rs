//! The mail server: greeted as for a mail, or asked to take one.

use std::time::{Duration, Instant};

use super::{Check, PATIENCE};
use crate::app::system::{SystemClock, SystemRng};
use crate::cli::wiring;
use crate::config::{MailSettings, MailTls, Settings};
use crate::domain::clock::{Clock as _, draw};
use crate::domain::email_address::EmailAddress;
use crate::domain::id::EntryId;
use crate::mail::dialogue::{self, Dialogue, Step};

/// Less than this before the end counts as too late: clocks are coarse.
const MARGIN: Duration = Duration::from_millis(50);

/// Connects, encrypts and logs in as for a mail, and sends none.
pub(super) async fn probe(settings: &Settings) -> (Check, Vec<Step>) {
    const NAME: &str = "mail server";
    let mail = &settings.mail;
    let mailer = match wiring::mailer(mail) {
        Ok(mailer) => mailer,
        Err(error) => return (Check::failed(NAME, &error), Vec::new()),
    };
    let began = Instant::now();
    let Dialogue { steps, outcome } = mailer.probe(PATIENCE).await;
    let is_late = began.elapsed() + MARGIN >= PATIENCE && PATIENCE < mail.timeout;
    let is_connected = steps.first().is_some_and(|step| step.is_done);
    let check = match outcome {
        Ok(()) => Check::ok(
            NAME,
            format!("{}:{} answers SMTP, {}", mail.server, mail.port, way(mail)),
        ),
        // Some let everybody wait for their greeting, and a mail has more time than we.
        Err((error, hint)) if is_late && is_connected => {
            let longer = format!(
                "a mail may take {} s: \"movie-bag check --send-test-mail ADDR\" waits so long",
                mail.timeout.as_secs()
            );
            Check::warning(
                NAME,
                error.to_string(),
                hint.map_or(longer.clone(), |hint| format!("{hint}; {longer}")),
            )
        }
        Err((error, hint)) => Check::error(NAME, error.to_string(), hint),
    };
    (check, steps)
}

/// Sends a mail by the settings that all mails go by, past the outbox, since it belongs to no account.
pub(super) async fn send_test_mail(settings: &Settings, to: &EmailAddress) -> (Check, Vec<Step>) {
    const NAME: &str = "test mail";
    let mail = &settings.mail;
    let mailer = match wiring::mailer(mail) {
        Ok(mailer) => mailer,
        Err(error) => return (Check::failed(NAME, &error), Vec::new()),
    };
    let now = SystemClock.now();
    let unique = EntryId::new(now, draw(&SystemRng)).to_string();
    let message = dialogue::test_mail(&mail.sender, to.as_str(), now, &unique);
    let Dialogue { steps, outcome } = mailer.converse(&message).await;
    let check = match outcome {
        Ok(receipt) => Check::ok(
            NAME,
            format!(
                "{}:{} took the mail to {to}: {}",
                mail.server, mail.port, receipt.reply
            ),
        ),
        Err((error, hint)) => Check::error(NAME, error.to_string(), hint),
    };
    (check, steps)
}

/// How mails travel to the server.
fn way(mail: &MailSettings) -> String {
    let encryption = match mail.tls {
        MailTls::None => "in clear text",
        MailTls::StartTls => "encrypted by STARTTLS with a verified certificate",
        MailTls::Implicit => "encrypted by TLS with a verified certificate",
    };
    match &mail.credentials {
        None => format!("{encryption}, without a log-in"),
        Some((user, _)) => format!("{encryption}, and logs {user} in"),
    }
}
