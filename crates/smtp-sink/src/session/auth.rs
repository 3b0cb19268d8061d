//! SASL exchange of AUTH (RFC 4954), server side. All credentials are accepted, since this server is for tests; malformed
//! responses are refused, as a real server does.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// SASL mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// In no RFC, but widely used.
    Login,
    /// RFC 2195.
    CramMd5,
}

impl Mechanism {
    /// All mechanisms, in the order in which the reply to EHLO lists them.
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::Login, Self::CramMd5];

    /// Finds a mechanism by its name, in any case.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let has_name = |mechanism: &Self| mechanism.name().eq_ignore_ascii_case(name);
        Self::ALL.into_iter().find(has_name)
    }

    /// Returns the name of the mechanism in the reply to EHLO.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::CramMd5 => "CRAM-MD5",
        }
    }
}

/// Result of a successful login. The form of the password is checked; the password is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Login {
    /// Mechanism of the login.
    pub mechanism: Mechanism,
    /// User name that the client sent.
    pub user: String,
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {}", self.mechanism.name(), self.user)
    }
}

/// Login in progress.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
    /// First response of LOGIN.
    user: Option<String>,
}

/// State of an exchange after a response of the client.
#[derive(Debug)]
pub enum Progress {
    /// The server sends this challenge, and the client responds.
    Challenge(Exchange, String),
    /// The login succeeded.
    Complete(Login),
    /// The response does not have the form that the mechanism requires.
    Malformed,
}

impl Exchange {
    /// Begins an exchange. `initial` is the initial response of AUTH; `challenge` is a text that was never used before.
    pub fn begin(mechanism: Mechanism, initial: Option<&str>, challenge: &str) -> Progress {
        let exchange = Self {
            mechanism,
            user: None,
        };
        match (mechanism, initial) {
            // "=" is an empty response (RFC 4954 4).
            (_, Some("=")) => exchange.respond(""),
            (Mechanism::CramMd5, Some(_)) => Progress::Malformed,
            (_, Some(response)) => exchange.respond(response),
            (Mechanism::Plain, None) => Progress::Challenge(exchange, String::new()),
            (Mechanism::Login, None) => Progress::Challenge(exchange, "Username:".to_owned()),
            (Mechanism::CramMd5, None) => Progress::Challenge(exchange, challenge.to_owned()),
        }
    }

    /// Continues with a response of the client, in base64.
    pub fn respond(mut self, response: &str) -> Progress {
        let Some(response) = decode(response) else {
            return Progress::Malformed;
        };
        let user = match self.mechanism {
            Mechanism::Plain => {
                let parts: Vec<&str> = response.split('\0').collect();
                match parts[..] {
                    [_, user, _password] if !user.is_empty() => user.to_owned(),
                    _ => return Progress::Malformed,
                }
            }
            Mechanism::Login => match self.user.take() {
                Some(user) => user,
                None => {
                    self.user = Some(response);
                    return Progress::Challenge(self, "Password:".to_owned());
                }
            },
            Mechanism::CramMd5 => match response.rsplit_once(' ') {
                Some((user, digest))
                    if digest.len() == 32
                        && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
                {
                    user.to_owned()
                }
                _ => return Progress::Malformed,
            },
        };
        Progress::Complete(Login {
            mechanism: self.mechanism,
            user,
        })
    }
}

/// Encodes a challenge.
pub fn encode(text: &str) -> String {
    STANDARD.encode(text)
}

fn decode(text: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(progress: Progress) -> Option<String> {
        match progress {
            Progress::Complete(login) => Some(login.user),
            Progress::Challenge(..) | Progress::Malformed => None,
        }
    }

    fn challenge(progress: Progress) -> (Exchange, String) {
        match progress {
            Progress::Challenge(exchange, text) => (exchange, text),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_mechanism_yields_the_user_name() {
        let plain = encode("\0ann\0secret");
        assert_eq!(
            user(Exchange::begin(Mechanism::Plain, Some(&plain), "")).as_deref(),
            Some("ann")
        );
        let (exchange, text) = challenge(Exchange::begin(Mechanism::Plain, None, ""));
        assert_eq!(text, "");
        assert_eq!(user(exchange.respond(&plain)).as_deref(), Some("ann"));

        let (exchange, text) = challenge(Exchange::begin(Mechanism::Login, None, ""));
        assert_eq!(text, "Username:");
        let (exchange, text) = challenge(exchange.respond(&encode("ann")));
        assert_eq!(text, "Password:");
        assert_eq!(
            user(exchange.respond(&encode("secret"))).as_deref(),
            Some("ann")
        );
        let (exchange, _) = challenge(Exchange::begin(Mechanism::Login, Some(&encode("ann")), ""));
        assert_eq!(user(exchange.respond("")).as_deref(), Some("ann"));

        let (exchange, text) = challenge(Exchange::begin(Mechanism::CramMd5, None, "<1@x>"));
        assert_eq!(text, "<1@x>");
        let answer = encode(&format!("ann of x {}", "0f".repeat(16)));
        assert_eq!(user(exchange.respond(&answer)).as_deref(), Some("ann of x"));
    }

    #[test]
    fn malformed_responses_are_refused() {
        for (mechanism, answer) in [
            (Mechanism::Plain, "no base64!"),
            (Mechanism::Plain, "="),
            (Mechanism::Plain, &encode("ann\0secret")),
            (Mechanism::Plain, &encode("\0ann\0sec\0ret")),
            (Mechanism::Plain, &STANDARD.encode(b"\0\xff\0x")),
            (Mechanism::CramMd5, &encode("ann 00")),
        ] {
            let progress = Exchange::begin(mechanism, Some(answer), "");
            assert!(matches!(progress, Progress::Malformed), "{answer}");
        }
    }

    #[test]
    fn a_response_without_a_user_or_a_digest_is_malformed() {
        let plain = |text: &str| Exchange::begin(Mechanism::Plain, Some(&encode(text)), "");
        assert_eq!(user(plain("\0ann\0")).as_deref(), Some("ann"));
        assert_eq!(user(plain("\0\0secret")), None);
        let cram = |text: &str| {
            let (exchange, _) = challenge(Exchange::begin(Mechanism::CramMd5, None, "<1@host>"));
            user(exchange.respond(&encode(text)))
        };
        let digest = "0123456789abcdef0123456789ABCDEF";
        assert_eq!(
            cram(&format!("ann lee {digest}")).as_deref(),
            Some("ann lee")
        );
        for other in [&digest[1..], "", "0123456789abcdef0123456789abcdeg"] {
            assert_eq!(cram(&format!("ann {other}")), None, "{other}");
        }
    }
}
