//! From what a mail says to its words, by Tera templates: `email/NAME.txt` and `email/NAME.html` for each kind.
//!
//! The built-in ones are part of the binary; those in a folder of the user's own win. All of them are compiled and
//! rendered once at the start, so that a broken one stops the start and not a mail.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tera::{Context, Tera};

use super::{Invitation, Mail, RenderError, Rendered, Renderer, ResetPassword, ResetSuccessful};

/// The longest line that a message may have on its way, without its line end (RFC 5322 2.1.1).
const LONGEST_LINE: usize = 998;

/// The built-in templates. Tera escapes by the end of the name: `.html` must be the last suffix.
/// What others extend comes first.
const BUILT_IN: &[(&str, &str)] = &[
    (
        "email/frame.html",
        include_str!("../../templates/email/frame.html"),
    ),
    (
        "email/reset_password.txt",
        include_str!("../../templates/email/reset_password.txt"),
    ),
    (
        "email/reset_password.html",
        include_str!("../../templates/email/reset_password.html"),
    ),
    (
        "email/reset_successful.txt",
        include_str!("../../templates/email/reset_successful.txt"),
    ),
    (
        "email/reset_successful.html",
        include_str!("../../templates/email/reset_successful.html"),
    ),
    (
        "email/invitation.txt",
        include_str!("../../templates/email/invitation.txt"),
    ),
    (
        "email/invitation.html",
        include_str!("../../templates/email/invitation.html"),
    ),
];

/// The templates, compiled.
pub struct TeraRenderer {
    tera: Tera,
}

impl TeraRenderer {
    /// Compiles and tries all templates; a file of the same name in the folder `overrides` wins over a built-in one.
    ///
    /// # Errors
    /// The first template that can't be read, compiled or rendered, with its name and line.
    pub fn new(overrides: Option<&Path>) -> Result<Self, RenderError> {
        if let Some(folder) = overrides.filter(|folder| !folder.is_dir()) {
            return Err(RenderError {
                template: folder.display().to_string(),
                problem: "there is no such folder".to_owned(),
            });
        }
        let mut tera = Tera::default();
        for (name, built_in) in BUILT_IN {
            let source = overridden(overrides, name)?;
            tera.add_raw_template(name, source.as_deref().unwrap_or(built_in))
                .map_err(|error| RenderError {
                    template: (*name).to_owned(),
                    problem: words(&error),
                })?;
        }
        let renderer = Self { tera };
        for mail in samples() {
            renderer.render(&mail)?;
        }
        Ok(renderer)
    }

    fn part(&self, template: &str, context: &Context) -> Result<String, RenderError> {
        let failed = |problem: String| RenderError {
            template: template.to_owned(),
            problem,
        };
        let text = self
            .tera
            .render(template, context)
            .map_err(|error| failed(words(&error)))?;
        match text.lines().position(|line| line.len() > LONGEST_LINE) {
            Some(line) => Err(failed(format!(
                "line {} of the mail is longer than {LONGEST_LINE} bytes, which mail can't carry",
                line + 1
            ))),
            None => Ok(text),
        }
    }
}

impl Renderer for TeraRenderer {
    fn render(&self, mail: &Mail) -> Result<Rendered, RenderError> {
        let (name, subject, context) = match mail {
            Mail::ResetPassword(mail) => (
                "reset_password",
                "[Movie-bag] Reset Your Password",
                reset_password(mail),
            ),
            Mail::ResetSuccessful(mail) => (
                "reset_successful",
                "[Movie-bag] Password reset successful",
                reset_successful(mail),
            ),
            Mail::Invitation(mail) => (
                "invitation",
                "[Movie-bag] Choose Your Password",
                invitation(mail),
            ),
        };
        let context = Context::from_serialize(&context).map_err(|error| RenderError {
            template: name.to_owned(),
            problem: words(&error),
        })?;
        Ok(Rendered {
            subject: subject.to_owned(),
            text: self.part(&format!("email/{name}.txt"), &context)?,
            html: self.part(&format!("email/{name}.html"), &context)?,
        })
    }
}

fn reset_password(mail: &ResetPassword) -> serde_json::Value {
    json!({
        "url": mail.url,
        "email": plain(&mail.email),
        "expires_at": moment(mail.expires_at),
        "lifetime": length(mail.lifetime),
        "requested_at": moment(mail.requested_at),
        "origin": plain(&mail.origin),
    })
}

fn reset_successful(mail: &ResetSuccessful) -> serde_json::Value {
    json!({
        "email": plain(&mail.email),
        "at": moment(mail.at),
        "origin": plain(&mail.origin),
        "forgot_url": mail.forgot_url,
    })
}

fn invitation(mail: &Invitation) -> serde_json::Value {
    json!({
        "url": mail.url,
        "email": plain(&mail.email),
        "expires_at": moment(mail.expires_at),
        "lifetime": length(mail.lifetime),
    })
}

/// What somebody typed, harmless in plain text: on one line, and short enough not to push the rest out of sight.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(320)
        .collect()
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// A time span in words: its greatest unit that gives a whole number.
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

fn overridden(folder: Option<&Path>, name: &str) -> Result<Option<String>, RenderError> {
    let Some(path) = folder.map(|folder| folder.join(name)) else {
        return Ok(None);
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(RenderError {
            template: path.display().to_string(),
            problem: error.to_string(),
        }),
    }
}

/// An error of the template engine with its causes, which hold the line.
fn words(error: &tera::Error) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words += &format!(": {error}");
        cause = error.source();
    }
    words
}

/// One mail of each kind, with values as nasty as they come, for the trial at the start.
fn samples() -> [Mail; 3] {
    let (url, email, origin) = (
        "https://movies.example/reset/abc".to_owned(),
        "<script>'\"&@example.com".to_owned(),
        "{{ 7 * 7 }}".to_owned(),
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
            origin,
            forgot_url: url.clone(),
        }),
        Mail::Invitation(Invitation {
            url,
            email,
            expires_at: at,
            lifetime,
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered() -> Vec<Rendered> {
        let renderer = TeraRenderer::new(None).unwrap();
        samples()
            .iter()
            .map(|mail| renderer.render(mail).unwrap())
            .collect()
    }

    #[test]
    fn what_somebody_typed_is_escaped_in_html_and_nothing_is_run() {
        for mail in rendered() {
            assert!(
                !mail.html.contains("<script>") && mail.html.contains("&lt;script&gt;"),
                "{}",
                mail.html
            );
            assert!(
                !mail.html.contains("49") && !mail.text.contains("49"),
                "{}",
                mail.text
            );
        }
    }

    #[test]
    fn the_link_stands_whole_on_one_line_of_both_parts() {
        let [reset, _, invitation] = <[_; 3]>::try_from(rendered()).unwrap();
        for mail in [reset, invitation] {
            assert!(
                mail.text
                    .lines()
                    .any(|line| line.trim() == "https://movies.example/reset/abc"),
                "{}",
                mail.text
            );
            assert!(
                mail.html
                    .lines()
                    .any(|line| line.contains(">https://movies.example/reset/abc<")),
                "{}",
                mail.html
            );
        }
    }

    #[test]
    fn the_built_in_templates_are_ascii_so_that_any_mail_server_takes_them() {
        assert!(BUILT_IN.iter().all(|(_, source)| source.is_ascii()));
    }

    #[test]
    fn an_override_wins_and_a_broken_one_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("email")).unwrap();
        let file = folder.path().join("email/reset_password.txt");
        std::fs::write(&file, "Ours: {{ url }}").unwrap();
        let renderer = TeraRenderer::new(Some(folder.path())).unwrap();
        assert_eq!(
            renderer.render(&samples()[0]).unwrap().text,
            "Ours: https://movies.example/reset/abc"
        );
        for broken in ["\n{{ url", "\n{{ nobody_knows_this }}", "\n{% if %}"] {
            std::fs::write(&file, broken).unwrap();
            let error = TeraRenderer::new(Some(folder.path()))
                .err()
                .unwrap()
                .to_string();
            assert!(
                error.contains("reset_password.txt") && error.contains('2'),
                "{error}"
            );
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
