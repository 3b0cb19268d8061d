//! AUTH within a session (RFC 4954): any credentials are taken, none are written down.

use super::{Effects, Session, State};
use crate::smtp::auth::{Exchange, Mechanism, Progress};
use crate::smtp::reply::Reply;

impl Session {
    pub(super) fn begin_log_in(
        &mut self,
        mechanism: Mechanism,
        initial: Option<&str>,
        effects: &mut Effects,
    ) -> Result<(), Reply> {
        match self.state {
            State::Ready if self.login.is_none() => {}
            State::Ready => return Err(Reply::out_of_order("you are already logged in")),
            State::Opened => return Err(Reply::out_of_order("send EHLO first")),
            _ => {
                return Err(Reply::out_of_order(
                    "send RSET to abort the message in progress",
                ));
            }
        }
        let challenge = format!("<{}@{}>", self.setup.nonce, self.setup.host);
        let progress = Exchange::begin(mechanism, initial, &challenge);
        self.go_on_with_log_in(progress, effects)
    }

    pub(super) fn take_answer(&mut self, answer: &str, effects: &mut Effects) -> Result<(), Reply> {
        match std::mem::replace(&mut self.state, State::Ready) {
            // RFC 4954 4: how a client gives up.
            State::Authenticating(_) if answer == "*" => {
                self.say(Reply::log_in_cancelled(), effects);
                Ok(())
            }
            State::Authenticating(exchange) => {
                self.go_on_with_log_in(exchange.take(answer), effects)
            }
            other => {
                self.state = other;
                Ok(())
            }
        }
    }

    fn go_on_with_log_in(
        &mut self,
        progress: Progress,
        effects: &mut Effects,
    ) -> Result<(), Reply> {
        match progress {
            Progress::Ask(exchange, text) => {
                self.state = State::Authenticating(exchange);
                self.say(Reply::challenge(&text), effects);
            }
            Progress::Done(login) => {
                self.transcript.note(&format!("({login})"));
                self.login = Some(login);
                self.say(Reply::logged_in(), effects);
                self.transcript.end_opening();
            }
            Progress::Malformed => return Err(Reply::log_in_malformed()),
        }
        Ok(())
    }
}

/// The line without the first answer of AUTH, which may be a password.
pub(super) fn without_secret(line: &[u8]) -> &[u8] {
    let is_auth = line
        .get(..5)
        .is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH "));
    let mut spaces = line.iter().enumerate().filter(|(_, byte)| **byte == b' ');
    match spaces.nth(1) {
        Some((end, _)) if is_auth => &line[..end],
        _ => line,
    }
}
