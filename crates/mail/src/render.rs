//! Renders mails with the templates `email/NAME.txt` and `email/NAME.html` of each kind.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::templates::Templates;
use movie_bag_core::domain::outbox::MailKind;
use movie_bag_core::ports::mail::{Mail, RenderError, Rendered, Renderer};

/// Renders mails by Tera templates.
pub struct TeraRenderer {
    templates: Arc<Templates>,
}

impl TeraRenderer {
    /// Returns a renderer with validated templates.
    pub fn new(templates: Arc<Templates>) -> Self {
        Self { templates }
    }
}

impl Renderer for TeraRenderer {
    fn render(&self, mail: &Mail) -> Result<Rendered, RenderError> {
        let (kind, values) = (mail.kind(), values(mail));
        let part = |ending: &str| {
            let values = values.iter().map(|(name, value)| (*name, value));
            self.templates
                .render(&format!("email/{kind}.{ending}"), values)
                .map_err(RenderError::new)
        };
        Ok(Rendered {
            subject: subject(kind).to_owned(),
            text: part("txt")?,
            html: part("html")?,
        })
    }
}

/// Returns the subject of a mail.
pub fn subject(kind: MailKind) -> &'static str {
    match kind {
        MailKind::ResetPassword => "[Movie-bag] Reset your password",
        MailKind::ResetSuccessful => "[Movie-bag] Your password was changed",
        MailKind::Invitation => "[Movie-bag] Choose your password",
        MailKind::AddressChanged => "[Movie-bag] Your email address was changed",
        MailKind::AccessRevoked => "[Movie-bag] You were logged out everywhere",
    }
}

/// Returns the values of a mail's templates, by the names of their variables.
pub fn values(mail: &Mail) -> Vec<(&'static str, String)> {
    match mail {
        Mail::ResetPassword(mail) => vec![
            ("url", mail.url.clone()),
            ("email", single_line(&mail.email)),
            ("expires_at", date_and_time(mail.expires_at)),
            ("lifetime", period(mail.lifetime)),
            ("requested_at", date_and_time(mail.requested_at)),
            ("origin", single_line(&mail.origin)),
        ],
        Mail::ResetSuccessful(mail) => vec![
            ("email", single_line(&mail.email)),
            ("at", date_and_time(mail.at)),
            ("origin", single_line(&mail.origin)),
            ("forgot_url", mail.forgot_url.clone()),
        ],
        Mail::Invitation(mail) => vec![
            ("url", mail.url.clone()),
            ("email", single_line(&mail.email)),
            ("expires_at", date_and_time(mail.expires_at)),
            ("lifetime", period(mail.lifetime)),
            ("site", mail.site.clone()),
        ],
        Mail::AddressChanged(mail) => vec![
            ("email", single_line(&mail.email)),
            ("at", date_and_time(mail.at)),
            ("origin", single_line(&mail.origin)),
        ],
        Mail::AccessRevoked(mail) => vec![
            ("email", single_line(&mail.email)),
            ("at", date_and_time(mail.at)),
            ("origin", single_line(&mail.origin)),
            ("forgot_url", mail.forgot_url.clone()),
        ],
    }
}

/// Makes user input harmless in plain text: on one line, and too short to push the rest out of sight.
fn single_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(320)
        .collect()
}

/// Formats a time: 15 March 2027, 09:26 UTC.
fn date_and_time(at: Timestamp) -> String {
    at.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

/// Formats a period in words, in the largest unit that gives a whole number.
fn period(span: Duration) -> String {
    let seconds = span.as_secs();
    let (number, unit) = match seconds {
        s if s >= 2 * 86_400 && s % 86_400 == 0 => (s / 86_400, "day"),
        s if s >= 3_600 && s % 3_600 == 0 => (s / 3_600, "hour"),
        s if s >= 60 && s % 60 == 0 => (s / 60, "minute"),
        s => (s, "second"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_input_is_on_one_line_and_cut_at_320_characters() {
        assert_eq!(single_line("a\r\nb\u{0}c\u{9b}d"), "a  b c d");
        assert_eq!(single_line(&"ä".repeat(400)), "ä".repeat(320));
    }

    #[test]
    fn a_period_is_in_the_largest_unit_that_gives_a_whole_number() {
        for (seconds, words) in [
            (86_400, "24 hours"),
            (3_600, "1 hour"),
            (604_800, "7 days"),
            (5_400, "90 minutes"),
            (61, "61 seconds"),
            (1, "1 second"),
        ] {
            assert_eq!(period(Duration::from_secs(seconds)), words);
        }
    }
}
