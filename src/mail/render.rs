//! Renders mails with the templates `email/NAME.txt` and `email/NAME.html` of each kind.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{
    AccessRevoked, AddressChanged, Invitation, Mail, Rendered, Renderer, ResetPassword,
    ResetSuccessful,
};
use crate::domain::outbox::MailKind;
use crate::templates::{TemplateError, Templates};

/// Values of a template, by name.
type Values = Vec<(&'static str, String)>;

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
    fn render(&self, mail: &Mail) -> Result<Rendered, TemplateError> {
        let (kind, values) = match mail {
            Mail::ResetPassword(mail) => (MailKind::ResetPassword, reset_password(mail)),
            Mail::ResetSuccessful(mail) => (MailKind::ResetSuccessful, reset_successful(mail)),
            Mail::Invitation(mail) => (MailKind::Invitation, invitation(mail)),
            Mail::AddressChanged(mail) => (MailKind::AddressChanged, address_changed(mail)),
            Mail::AccessRevoked(mail) => (MailKind::AccessRevoked, access_revoked(mail)),
        };
        let part = |ending: &str| {
            let values = values.iter().map(|(name, value)| (*name, value));
            self.templates
                .render(&format!("email/{kind}.{ending}"), values)
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

fn reset_password(mail: &ResetPassword) -> Values {
    vec![
        ("url", mail.url.clone()),
        ("email", plain(&mail.email)),
        ("expires_at", moment(mail.expires_at)),
        ("lifetime", length(mail.lifetime)),
        ("requested_at", moment(mail.requested_at)),
        ("origin", plain(&mail.origin)),
    ]
}

fn reset_successful(mail: &ResetSuccessful) -> Values {
    vec![
        ("email", plain(&mail.email)),
        ("at", moment(mail.at)),
        ("origin", plain(&mail.origin)),
        ("forgot_url", mail.forgot_url.clone()),
    ]
}

fn invitation(mail: &Invitation) -> Values {
    vec![
        ("url", mail.url.clone()),
        ("email", plain(&mail.email)),
        ("expires_at", moment(mail.expires_at)),
        ("lifetime", length(mail.lifetime)),
        ("site", mail.site.clone()),
    ]
}

fn address_changed(mail: &AddressChanged) -> Values {
    vec![
        ("email", plain(&mail.email)),
        ("at", moment(mail.at)),
        ("origin", plain(&mail.origin)),
    ]
}

fn access_revoked(mail: &AccessRevoked) -> Values {
    vec![
        ("email", plain(&mail.email)),
        ("at", moment(mail.at)),
        ("origin", plain(&mail.origin)),
        ("forgot_url", mail.forgot_url.clone()),
    ]
}

/// Makes user input harmless in plain text: on one line, and too short to push the rest out of sight.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(320)
        .collect()
}

/// Formats a time: 15 March 2027, 09:26 UTC.
fn moment(at: Timestamp) -> String {
    at.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

/// Formats a period in words, in the largest unit that gives a whole number.
fn length(span: Duration) -> String {
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
    use crate::templates;

    fn renderer() -> TeraRenderer {
        TeraRenderer::new(Arc::new(Templates::load(None).unwrap()))
    }

    /// Returns one mail of each kind, with hostile values.
    fn mails() -> [Mail; 5] {
        let (url, email, origin) = (
            "https://movies.example/reset/abc".to_owned(),
            "<script>'\"&@example.com".to_owned(),
            "{{ 7 * 7 }}\r\nand more".to_owned(),
        );
        let (at, lifetime) = (Timestamp::UNIX_EPOCH, Duration::from_secs(86_400));
        [
            Mail::ResetPassword(ResetPassword {
                url: url.clone(),
                email: email.clone(),
                expires_at: at,
                lifetime,
                requested_at: at,
                origin: origin.clone(),
            }),
            Mail::ResetSuccessful(ResetSuccessful {
                email: email.clone(),
                at,
                origin: origin.clone(),
                forgot_url: url.clone(),
            }),
            Mail::Invitation(Invitation {
                url: url.clone(),
                email: email.clone(),
                expires_at: at,
                lifetime,
                site: "movies.example".to_owned(),
            }),
            Mail::AddressChanged(AddressChanged {
                email: email.clone(),
                at,
                origin: origin.clone(),
            }),
            Mail::AccessRevoked(AccessRevoked {
                email,
                at,
                origin,
                forgot_url: url,
            }),
        ]
    }

    #[test]
    fn the_values_are_those_of_the_table() {
        let [
            Mail::ResetPassword(reset),
            Mail::ResetSuccessful(done),
            Mail::Invitation(invited),
            Mail::AddressChanged(changed),
            Mail::AccessRevoked(revoked),
        ] = mails()
        else {
            panic!("one mail of each kind")
        };
        for (kind, values) in [
            (MailKind::ResetPassword, reset_password(&reset)),
            (MailKind::ResetSuccessful, reset_successful(&done)),
            (MailKind::Invitation, invitation(&invited)),
            (MailKind::AddressChanged, address_changed(&changed)),
            (MailKind::AccessRevoked, access_revoked(&revoked)),
        ] {
            for ending in ["html", "txt"] {
                let template = templates::find(&format!("email/{kind}.{ending}")).unwrap();
                let mut given: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
                let mut listed = template.variables.to_vec();
                given.sort_unstable();
                listed.sort_unstable();
                assert_eq!(given, listed, "{}", template.name);
            }
        }
    }

    #[test]
    fn user_input_is_escaped_in_html_and_never_evaluated() {
        for mail in mails().map(|mail| renderer().render(&mail).unwrap()) {
            assert!(
                !mail.html.contains("<script>") && mail.html.contains("&lt;script&gt;"),
                "{}",
                mail.html
            );
            assert!(!mail.html.contains("49") && !mail.text.contains("49"));
            assert!(!mail.text.contains('\r') && !mail.text.contains("\nand more"));
        }
    }

    #[test]
    fn the_link_stands_whole_on_one_line_of_both_parts_however_long_it_is() {
        let long = format!("https://movies.example/reset/{}", "a".repeat(900));
        let [Mail::ResetPassword(reset), _, Mail::Invitation(invited), ..] = mails() else {
            panic!("one mail of each kind")
        };
        for url in [reset.url.clone(), long] {
            let (reset, invited) = (
                ResetPassword {
                    url: url.clone(),
                    ..reset.clone()
                },
                Invitation {
                    url: url.clone(),
                    ..invited.clone()
                },
            );
            for mail in [Mail::ResetPassword(reset), Mail::Invitation(invited)] {
                let mail = renderer().render(&mail).unwrap();
                assert!(mail.text.lines().any(|line| line == url), "{}", mail.text);
                let shown = format!(">{url}<");
                assert!(
                    mail.html.lines().any(|line| line.contains(&shown)),
                    "{}",
                    mail.html
                );
            }
        }
    }

    #[test]
    fn spans_are_said_in_whole_words() {
        for (seconds, words) in [
            (86_400, "24 hours"),
            (3_600, "1 hour"),
            (604_800, "7 days"),
            (5_400, "90 minutes"),
            (61, "61 seconds"),
            (1, "1 second"),
        ] {
            assert_eq!(length(Duration::from_secs(seconds)), words);
        }
    }
}
