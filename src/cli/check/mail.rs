//! Check of the mail server: a session up to the address of the sender, or a test mail.

use std::sync::Arc;

use movie_bag_core::app::system::{SystemClock, SystemRng};
use movie_bag_core::app::unusable_token;
use movie_bag_core::domain::clock::{Clock as _, draw};
use movie_bag_core::domain::email_address::EmailAddress;
use movie_bag_core::domain::id::EntryId;
use movie_bag_core::domain::mail::{Mail, Period, ResetPassword, Time, TokenLink, UserInput};
use movie_bag_core::domain::token::Token;
use movie_bag_core::ports::mail::{DeliveryError, RenderError, Rendered, Renderer as _};
use movie_bag_mail::dialogue::{self, Dialogue, Step};
use movie_bag_mail::render::TeraRenderer;
use movie_bag_mail::templates::Templates;

use super::time_limits::MAIL_SERVER;
use super::verdict::Check;
use crate::config::{MailSettings, MailTls, Profile, Settings, is_loopback_host};
use crate::wiring;

/// Connects, encrypts, logs in and names the sender, as for a mail, without sending one.
pub(super) async fn check(settings: &Settings) -> (Check, Vec<Step>) {
    const NAME: &str = "mail server";
    let mail = &settings.mail;
    let mailer = match wiring::mailer(mail) {
        Ok(mailer) => mailer,
        Err(error) => return (Check::failed(NAME, &error), Vec::new()),
    };
    let Dialogue { steps, outcome } = mailer.probe(MAIL_SERVER).await;
    let check = match outcome {
        Ok(()) => Check::ok(
            NAME,
            format!(
                "{}:{} accepts mails from {} ({})",
                mail.server,
                mail.port,
                mail.sender,
                transport(mail)
            ),
        ),
        Err((error, hint)) => Check::error(NAME, error.to_string(), hint),
    };
    (check, steps)
}

/// Sends a test mail with the settings of all mails. It does not enter the outbox, since it belongs to no account.
///
/// The test mail is a reset mail with an unusable link: a server that rejects a mail for its size or content accepts a
/// shorter one.
pub(super) async fn send_test_mail(
    settings: &Settings,
    to: &EmailAddress,
    templates: Option<Arc<Templates>>,
) -> (Check, Vec<Step>) {
    const NAME: &str = "test mail";
    let mail = MailSettings {
        timeout: settings.mail.timeout.min(MAIL_SERVER),
        ..settings.mail.clone()
    };
    let mailer = match wiring::mailer(&mail) {
        Ok(mailer) => mailer,
        Err(error) => return (Check::failed(NAME, &error), Vec::new()),
    };
    let Some(templates) = templates else {
        let hint = "fix the template named below".to_owned();
        let message = "not sent: the templates cannot be read";
        return (Check::error(NAME, message, hint), Vec::new());
    };
    let now = SystemClock.now();
    let reset = match reset_mail(settings, to, templates) {
        Ok(reset) => reset,
        Err(error) => return (Check::failed(NAME, &error.into()), Vec::new()),
    };
    let unique = EntryId::new(now, draw(&SystemRng)).to_string();
    let message = dialogue::test_mail(&mail.sender, to.as_str(), now, &unique, reset);
    let Dialogue { steps, outcome } = mailer.converse(&message).await;
    let check = match outcome {
        Ok(receipt) => Check::ok(
            NAME,
            format!(
                "{}:{} accepted the mail to {to}: {}",
                mail.server, mail.port, receipt.reply
            ),
        ),
        // A test mail is not queued, so no further attempt is made.
        Err((error @ DeliveryError::Transient { .. }, _)) => Check::error(
            NAME,
            error.to_string(),
            "run \"movie-bag check --send-test-mail\" again in a few minutes: many servers defer the first mail of an unknown sender".to_owned(),
        ),
        Err((error, hint)) => Check::error(NAME, error.to_string(), hint),
    };
    (check, steps)
}

fn reset_mail(
    settings: &Settings,
    to: &EmailAddress,
    templates: Arc<Templates>,
) -> Result<Rendered, RenderError> {
    let now = SystemClock.now();
    let base = settings.public_url(settings.http.bind.port());
    let token = Token::from_exact(unusable_token());
    let link = settings.reset_link.link(base.as_str(), &token);
    let lifetime = settings.tokens.reset_lifetime;
    TeraRenderer::new(templates).render(&Mail::ResetPassword(ResetPassword {
        url: TokenLink(link),
        email: UserInput(to.as_str().to_owned()),
        expires_at: Time(now + lifetime),
        lifetime: Period(lifetime),
        requested_at: Time(now),
        origin: UserInput(
            "an administrator: this is a test, and its link does not work".to_owned(),
        ),
    }))
}

/// Checks for a user name without a password or a password without a user name: the client does not log in then.
///
/// Such a setting is a mistake for a server on another machine, for one that is encrypted, and in production. The tutorial's env file
/// has a user name alone for a debugging server on this machine, where it does no harm; a server that requires a login
/// refuses the session in any case.
pub(super) fn check_credentials(settings: &Settings, is_deployment: bool) -> Option<Check> {
    const NAME: &str = "mail login";
    let mail = &settings.mail;
    let missing = mail.missing_credential?;
    let present = match missing {
        "MAIL_PASSWORD" => "MAIL_USERNAME",
        _ => "MAIL_PASSWORD",
    };
    let message = format!("{present} is set without {missing}: mails are sent without a login");
    let hint = format!("set {missing}, or remove {present} if the server needs no login");
    let is_harmless = is_loopback_host(&mail.server)
        && mail.tls == MailTls::None
        && settings.profile == Profile::Development
        && !is_deployment;
    Some(if is_harmless {
        Check::warning(NAME, message, hint)
    } else {
        Check::error(NAME, message, hint)
    })
}

/// Describes the encryption and the login of the session.
fn transport(mail: &MailSettings) -> String {
    let encryption = match mail.tls {
        MailTls::None => "in plaintext",
        MailTls::StartTls => "encrypted by STARTTLS with a verified certificate",
        MailTls::Implicit => "encrypted by TLS with a verified certificate",
    };
    match &mail.credentials {
        None => format!("{encryption}, without a login"),
        Some((user, _)) => format!("{encryption}, with the login {user}"),
    }
}
