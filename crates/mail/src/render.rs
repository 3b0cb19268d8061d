//! Renders mails with the templates `email/NAME.txt` and `email/NAME.html` of each kind.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use movie_bag_core::ports::mail::{Mail, RenderError, Rendered, Renderer, Value};

use super::templates::Templates;

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
        let kind = mail.kind();
        let values = mail.values();
        let part = |ending: &str| {
            let values = values.iter();
            let values = values.map(|(name, value)| (*name, format_value(*value)));
            self.templates
                .render(&format!("email/{kind}.{ending}"), values)
                .map_err(RenderError::new)
        };
        Ok(Rendered {
            subject: kind.subject().to_owned(),
            text: part("txt")?,
            html: part("html")?,
        })
    }
}

/// Formats a value for both parts of a mail.
fn format_value(value: Value<'_>) -> String {
    match value {
        Value::UserInput(text) => single_line(text),
        Value::Unchanged(text) => text.to_owned(),
        Value::Time(at) => date_and_time(*at),
        Value::Period(span) => period(*span),
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
