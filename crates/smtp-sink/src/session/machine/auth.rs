//! AUTH (RFC 4954): all credentials are accepted, and no password is kept.

use super::{Session, State, Step};
use crate::session::auth::{Exchange, Mechanism, Progress};
use crate::session::reply::Reply;

impl Session {
    pub(super) fn begin_auth(
        &mut self,
        mechanism: Mechanism,
        initial: Option<&str>,
        step: &mut Step<'_>,
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
        self.apply_auth_progress(progress, step)
    }

    pub(super) fn continue_auth(
        &mut self,
        response: &str,
        step: &mut Step<'_>,
    ) -> Result<(), Reply> {
        match std::mem::replace(&mut self.state, State::Ready) {
            // The client cancels the exchange (RFC 4954 4).
            State::Authenticating(_) if response == "*" => {
                self.reply(Reply::login_cancelled(), step);
                Ok(())
            }
            State::Authenticating(exchange) => {
                self.apply_auth_progress(exchange.respond(response), step)
            }
            other => {
                self.state = other;
                Ok(())
            }
        }
    }

    fn apply_auth_progress(
        &mut self,
        progress: Progress,
        step: &mut Step<'_>,
    ) -> Result<(), Reply> {
        match progress {
            Progress::Challenge(exchange, text) => {
                self.state = State::Authenticating(exchange);
                self.reply(Reply::challenge(&text), step);
            }
            Progress::Complete(login) => {
                self.transcript.note(&format!("({login})"));
                self.login = Some(login);
                self.reply(Reply::logged_in(), step);
                self.transcript.end_opening();
            }
            Progress::Malformed => return Err(Reply::malformed_login()),
        }
        Ok(())
    }
}

/// Returns the line without the initial response of AUTH, which may be a password.
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
