//! Mails: their kinds, each with the values of its templates.
//!
//! The definition of a kind in `mails!` gives its name, its purpose and a struct, whose fields are the variables of the templates
//! `email/NAME.subject.txt`, `email/NAME.txt` and `email/NAME.html`. The sample values, `templates list` and docs/templates.md follow
//! from it.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::event::named;
use super::phrase::phrase;
use super::span;

/// Defines the kinds of mails: the purpose of each, its name, and its fields with their meanings, types and sample values.
macro_rules! mails {
    ($(
        #[doc = $purpose:literal]
        $kind:ident = $name:literal {
            $(#[doc = $meaning:literal] $field:ident: $type:ident = $sample:expr,)+
        }
    )+) => {
        named! {
            /// Mail kind. Each has three templates.
            MailKind { $(#[doc = $purpose] $kind = $name,)+ }
        }

        $(
            #[doc = $purpose]
            #[derive(Debug, Clone, Serialize)]
            pub struct $kind {
                $(#[doc = $meaning] pub $field: $type,)+
            }
        )+

        /// Mail, which is serialized as the values of its templates.
        #[derive(Debug, Clone, Serialize)]
        #[serde(untagged)]
        pub enum Mail {
            $(#[doc = $purpose] $kind($kind),)+
        }

        impl Mail {
            /// Returns the mail kind.
            pub fn kind(&self) -> MailKind {
                match self {
                    $(Self::$kind(_) => MailKind::$kind,)+
                }
            }
        }

        impl MailKind {
            /// Returns the purpose, as a phrase.
            pub fn purpose(self) -> String {
                match self {
                    $(Self::$kind => phrase($purpose),)+
                }
            }

            /// Returns the variables of the templates, in the order of the documentation.
            pub fn variables(self) -> Vec<Variable> {
                match self {
                    $(Self::$kind => vec![$(Variable {
                        name: stringify!($field),
                        meaning: phrase($meaning),
                        content: $type::CONTENT,
                        sample: $type::sample($sample).to_string(),
                    },)+],)+
                }
            }
        }
    };
}

mails! {
    /// Mail with the link to choose a new password.
    ResetPassword = "reset_password" {
        /// Link with the token; must be whole on one line.
        url: TokenLink = SAMPLE_LINK,
        /// Address that the mail is for.
        email: UserInput = SAMPLE_ADDRESS,
        /// Period in which the link is valid, from the request.
        lifetime: Period = "24h",
        /// Time when the link expires.
        expires_at: Time = "2027-03-15T09:26:00Z",
        /// Time of the request for the link.
        requested_at: Time = "2027-03-14T09:26:00Z",
        /// Source of the request or change: a device, or an administrator.
        origin: UserInput = SAMPLE_ORIGIN,
    }

    /// Mail after a change of the password.
    ResetSuccessful = "reset_successful" {
        /// Address that the mail is for.
        email: UserInput = SAMPLE_ADDRESS,
        /// Time of the change that the mail reports.
        at: Time = "2027-03-14T09:31:00Z",
        /// Source of the request or change: a device, or an administrator.
        origin: UserInput = SAMPLE_ORIGIN,
        /// Address of the page that requests a link.
        forgot_url: Internal = SAMPLE_FORGOT_URL,
    }

    /// Mail with the link to choose the first password.
    Invitation = "invitation" {
        /// Link with the token; must be whole on one line.
        url: TokenLink = SAMPLE_LINK,
        /// Address that the mail is for.
        email: UserInput = SAMPLE_ADDRESS,
        /// Period in which the link is valid, from the request.
        lifetime: Period = "7d",
        /// Time when the link expires.
        expires_at: Time = "2027-03-21T09:26:00Z",
        /// Host, port and path of the public URL.
        site: Internal = "movies.example",
    }

    /// Mail to both addresses after a change of the address.
    AddressChanged = "address_changed" {
        /// Address that the mail is for.
        email: UserInput = SAMPLE_ADDRESS,
        /// Time of the change that the mail reports.
        at: Time = "2027-03-14T09:31:00Z",
        /// Source of the request or change: a device, or an administrator.
        origin: UserInput = SAMPLE_ORIGIN,
    }

    /// Mail after all sessions were ended.
    AccessRevoked = "access_revoked" {
        /// Address that the mail is for.
        email: UserInput = SAMPLE_ADDRESS,
        /// Time of the change that the mail reports.
        at: Time = "2027-03-14T09:31:00Z",
        /// Source of the request or change: a device, or an administrator.
        origin: UserInput = SAMPLE_ORIGIN,
        /// Address of the page that requests a link.
        forgot_url: Internal = SAMPLE_FORGOT_URL,
    }

    /// Mail with the link to confirm the address of a new account.
    ConfirmSignup = "confirm_signup" {
        /// Link with the token; must be whole on one line.
        url: TokenLink = SAMPLE_LINK,
        /// Address that the mail is for.
        email: UserInput = SAMPLE_ADDRESS,
        /// Period in which the link is valid, from the request.
        lifetime: Period = "24h",
        /// Time when the link expires.
        expires_at: Time = "2027-03-15T09:26:00Z",
        /// Source of the request or change: a device, or an administrator.
        origin: UserInput = SAMPLE_ORIGIN,
    }

    /// Mail to the owner of an account whose address is used for a sign-up, or for another account.
    AccountExists = "account_exists" {
        /// Address that the mail is for.
        email: UserInput = SAMPLE_ADDRESS,
        /// Time of the request for the link.
        requested_at: Time = "2027-03-14T09:26:00Z",
        /// Source of the request or change: a device, or an administrator.
        origin: UserInput = SAMPLE_ORIGIN,
        /// Address of the page that requests a link.
        forgot_url: Internal = SAMPLE_FORGOT_URL,
    }

    /// Mail to the new address of an account, with the link to confirm it.
    ConfirmAddress = "confirm_address" {
        /// Link with the token; must be whole on one line.
        url: TokenLink = SAMPLE_LINK,
        /// Address that the mail is for.
        email: UserInput = SAMPLE_ADDRESS,
        /// Period in which the link is valid, from the request.
        lifetime: Period = "24h",
        /// Time when the link expires.
        expires_at: Time = "2027-03-15T09:26:00Z",
        /// Source of the request or change: a device, or an administrator.
        origin: UserInput = SAMPLE_ORIGIN,
    }

    /// Mail to the previous address of an account after its owner changed it, with the link to revert the change.
    RevertAddress = "revert_address" {
        /// Link with the token; must be whole on one line.
        url: TokenLink = SAMPLE_LINK,
        /// Address that the mail is for.
        email: UserInput = SAMPLE_ADDRESS,
        /// Time of the change that the mail reports.
        at: Time = "2027-03-14T09:31:00Z",
        /// Period in which the link is valid, from the request.
        lifetime: Period = "7d",
        /// Time when the link expires.
        expires_at: Time = "2027-03-21T09:31:00Z",
        /// Source of the request or change: a device, or an administrator.
        origin: UserInput = SAMPLE_ORIGIN,
    }
}

const SAMPLE_ADDRESS: &str = "ann@example.com";
const SAMPLE_ORIGIN: &str = "a device with the IP address 192.0.2.1";
const SAMPLE_FORGOT_URL: &str = "https://movies.example/forgot";
/// Link of the length of a real one, since the lines of a mail have a maximum length. It opens nothing.
const SAMPLE_LINK: &str = concat!(
    "https://movies.example/reset/",
    "eyJhbGciOiJIUzI1NiJ9.",
    "eyJzYW1wbGUiOiJUaGlzIGxpbmsgaXMgaW4gYSBwcmV2aWV3IGFuZCBvcGVucyBub3RoaW5nLiBBIHJlYWwgb25lIG5hbWVzIGFu",
    "IGFjY291bnQsIGEgdXNlLCB0aW1lcywgYW5kIGEgZmluZ2VycHJpbnQgb2YgdGhlIHByZXNlbnQgcGFzc3dvcmQsIGFuZCBpcyBh",
    "cyBsb25nLiJ9.",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
);

/// Variable of the templates of a mail.
#[derive(Debug, Clone)]
pub struct Variable {
    pub name: &'static str,
    /// Meaning, as a phrase.
    pub meaning: String,
    pub content: Content,
    /// Value in a preview.
    pub sample: String,
}

/// Content of a variable, which decides where a template may show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Text from the service itself.
    Internal,
    /// Text that may contain user input: `.html` escapes it.
    UserInput,
    /// Link with a token: both parts of the mail must show it, and the subject cannot, since logs and notifications have it.
    TokenLink,
}

/// Value of a variable, with its form in a mail.
trait Value: Serialize + fmt::Display + Sized {
    const CONTENT: Content;

    /// Returns the sample value that this text stands for.
    ///
    /// # Panics
    /// The sample in `mails!` is invalid, which every use of the templates finds.
    fn sample(text: &str) -> Self;
}

/// Defines values that are text. Each is serialized and shown by its `Display`.
macro_rules! texts {
    ($($(#[$doc:meta])* $type:ident)+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone)]
            pub struct $type(pub String);

            impl Value for $type {
                const CONTENT: Content = Content::$type;

                fn sample(text: &str) -> Self {
                    Self(text.to_owned())
                }
            }
        )+
    };
}

texts! {
    /// Text from the service itself, which is inserted unchanged.
    Internal
    /// Link with a token, which is inserted unchanged.
    TokenLink
    /// Text that may contain user input. In a mail it is on one line, and too short to push the rest out of sight.
    UserInput
}

macro_rules! serialized_as_displayed {
    ($($type:ident)+) => {
        $(impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        })+
    };
}

serialized_as_displayed! { Internal TokenLink UserInput Time Period }

impl fmt::Display for Internal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TokenLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for UserInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chars = self.0.chars().take(320);
        let mut harmless = chars.map(|c| if c.is_control() { ' ' } else { c });
        harmless.try_for_each(|c| fmt::Write::write_char(f, c))
    }
}

/// Time: 15 March 2027, 09:26 UTC.
#[derive(Debug, Clone, Copy)]
pub struct Time(pub Timestamp);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.strftime("%-d %B %Y, %H:%M UTC").fmt(f)
    }
}

impl Value for Time {
    const CONTENT: Content = Content::Internal;

    fn sample(text: &str) -> Self {
        Self(text.parse().expect("the sample is a time"))
    }
}

/// Period in words, in the largest unit that gives a whole number.
#[derive(Debug, Clone, Copy)]
pub struct Period(pub Duration);

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = match self.0.as_secs() {
            s if s >= 2 * 86_400 && s % 86_400 == 0 => (s / 86_400, "day"),
            s if s >= 3_600 && s % 3_600 == 0 => (s / 3_600, "hour"),
            s if s >= 60 && s % 60 == 0 => (s / 60, "minute"),
            s => (s, "second"),
        };
        write!(f, "{number} {unit}{}", if number == 1 { "" } else { "s" })
    }
}

impl Value for Period {
    const CONTENT: Content = Content::Internal;

    fn sample(text: &str) -> Self {
        Self(span::span(text).expect("the sample is a period"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_mail_is_serialized_as_the_texts_of_its_variables() {
        let mail = Mail::AddressChanged(AddressChanged {
            email: UserInput("ann@example.com".to_owned()),
            at: Time(Timestamp::UNIX_EPOCH),
            origin: UserInput("a\r\nb".to_owned()),
        });
        assert_eq!(mail.kind(), MailKind::AddressChanged);
        assert_eq!(
            serde_json::to_string(&mail).unwrap(),
            r#"{"email":"ann@example.com","at":"1 January 1970, 00:00 UTC","origin":"a  b"}"#
        );
        let variables = MailKind::AddressChanged.variables();
        let names: Vec<_> = variables.iter().map(|one| one.name).collect();
        assert_eq!(names, ["email", "at", "origin"]);
        assert_eq!(
            variables[1].meaning,
            "time of the change that the mail reports"
        );
        assert_eq!(variables[1].sample, "14 March 2027, 09:31 UTC");
        assert_eq!(variables[2].content, Content::UserInput);
        let samples = MailKind::Invitation.variables();
        assert_eq!(samples[0].sample, SAMPLE_LINK);
        assert_eq!(samples[4].sample, "movies.example");
    }

    #[test]
    fn a_variable_has_the_same_meaning_in_every_mail() {
        let mut meanings = BTreeMap::new();
        for variable in MailKind::ALL.iter().flat_map(|kind| kind.variables()) {
            let known = meanings
                .entry(variable.name)
                .or_insert_with(|| variable.meaning.clone());
            assert_eq!(*known, variable.meaning, "{}", variable.name);
        }
    }

    #[test]
    fn user_input_is_on_one_line_and_cut_at_320_characters() {
        let shown = |text: &str| UserInput(text.to_owned()).to_string();
        assert_eq!(shown("a\r\nb\u{0}c\u{9b}d"), "a  b c d");
        assert_eq!(shown(&"ä".repeat(400)), "ä".repeat(320));
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
            assert_eq!(Period(Duration::from_secs(seconds)).to_string(), words);
        }
    }
}
