//! Logging in (RFC 4954) as the server sees it: a mechanism's questions and what the client answers. Any credentials are
//! taken, since this server is for tests; what is wrong in form is refused as a real one would.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// The longest answer of a client, in base64 (RFC 4954 4).
pub const LONGEST_ANSWER: usize = 12_288;

/// How a client proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// Of no RFC, and everywhere.
    Login,
    /// RFC 2195.
    CramMd5,
}

impl Mechanism {
    /// All of them, the one to be preferred first.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Login, Self::CramMd5];

    /// The mechanism with this name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        let is_it = |mechanism: &Self| mechanism.name().eq_ignore_ascii_case(name);
        Self::ALL.into_iter().find(is_it)
    }

    /// The name by which it is offered.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::CramMd5 => "CRAM-MD5",
        }
    }
}

/// Who logged in. The password is looked at for its form, and kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// How.
    pub mechanism: Mechanism,
    /// The name that the client gave.
    pub user: String,
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {}", self.mechanism.name(), self.user)
    }
}

/// A log-in under way.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
    /// LOGIN's first answer.
    user: Option<String>,
}

/// What comes next.
#[derive(Debug)]
pub enum Progress {
    /// 334 with this text in base64, and then a line from the client.
    Ask(Exchange, String),
    /// It is done.
    Done(Login),
    /// What the client said has not the form of an answer.
    Malformed,
}

impl Exchange {
    /// Begins one. `initial` is what stood behind the mechanism in AUTH, `challenge` a text that was never used before.
    pub fn begin(mechanism: Mechanism, initial: Option<&str>, challenge: &str) -> Progress {
        let exchange = Self {
            mechanism,
            user: None,
        };
        match (mechanism, initial) {
            // "=" is an empty answer (RFC 4954 4).
            (_, Some("=")) => exchange.take(""),
            (Mechanism::CramMd5, Some(_)) => Progress::Malformed,
            (_, Some(answer)) => exchange.take(answer),
            (Mechanism::Plain, None) => Progress::Ask(exchange, String::new()),
            (Mechanism::Login, None) => Progress::Ask(exchange, "Username:".to_owned()),
            (Mechanism::CramMd5, None) => Progress::Ask(exchange, challenge.to_owned()),
        }
    }

    /// Takes the client's next line, which is base64.
    pub fn take(mut self, answer: &str) -> Progress {
        let Some(answer) = decoded(answer) else {
            return Progress::Malformed;
        };
        let user = match self.mechanism {
            Mechanism::Plain => {
                let parts: Vec<&str> = answer.split('\0').collect();
                match parts[..] {
                    [_, user, _password] if !user.is_empty() => user.to_owned(),
                    _ => return Progress::Malformed,
                }
            }
            Mechanism::Login => match self.user.take() {
                Some(user) => user,
                None => {
                    self.user = Some(answer);
                    return Progress::Ask(self, "Password:".to_owned());
                }
            },
            Mechanism::CramMd5 => match answer.rsplit_once(' ') {
                Some((user, digest))
                    if digest.len() == 32
                        && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
                {
                    user.to_owned()
                }
                _ => return Progress::Malformed,
            },
        };
        Progress::Done(Login {
            mechanism: self.mechanism,
            user,
        })
    }
}

/// The text of a challenge as it travels.
pub fn encoded(text: &str) -> String {
    STANDARD.encode(text)
}

fn decoded(text: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(progress: Progress) -> Option<String> {
        match progress {
            Progress::Done(login) => Some(login.user),
            Progress::Ask(..) | Progress::Malformed => None,
        }
    }

    fn asked(progress: Progress) -> (Exchange, String) {
        match progress {
            Progress::Ask(exchange, text) => (exchange, text),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_mechanism_tells_who_it_is() {
        let plain = encoded("\0ann\0secret");
        assert_eq!(
            user(Exchange::begin(Mechanism::Plain, Some(&plain), "")).as_deref(),
            Some("ann")
        );
        let (exchange, text) = asked(Exchange::begin(Mechanism::Plain, None, ""));
        assert_eq!(text, "");
        assert_eq!(user(exchange.take(&plain)).as_deref(), Some("ann"));

        let (exchange, text) = asked(Exchange::begin(Mechanism::Login, None, ""));
        assert_eq!(text, "Username:");
        let (exchange, text) = asked(exchange.take(&encoded("ann")));
        assert_eq!(text, "Password:");
        assert_eq!(
            user(exchange.take(&encoded("secret"))).as_deref(),
            Some("ann")
        );
        let (exchange, _) = asked(Exchange::begin(Mechanism::Login, Some(&encoded("ann")), ""));
        assert_eq!(user(exchange.take("")).as_deref(), Some("ann"));

        let (exchange, text) = asked(Exchange::begin(Mechanism::CramMd5, None, "<1@x>"));
        assert_eq!(text, "<1@x>");
        let answer = encoded(&format!("ann of x {}", "0f".repeat(16)));
        assert_eq!(user(exchange.take(&answer)).as_deref(), Some("ann of x"));
    }

    #[test]
    fn what_has_not_the_form_is_refused() {
        for (mechanism, answer) in [
            (Mechanism::Plain, "no base64!"),
            (Mechanism::Plain, "="),
            (Mechanism::Plain, &encoded("ann\0secret")),
            (Mechanism::Plain, &encoded("\0ann\0sec\0ret")),
            (Mechanism::Plain, &STANDARD.encode(b"\0\xff\0x")),
            (Mechanism::CramMd5, &encoded("ann 00")),
        ] {
            let progress = Exchange::begin(mechanism, Some(answer), "");
            assert!(matches!(progress, Progress::Malformed), "{answer}");
        }
    }
}
