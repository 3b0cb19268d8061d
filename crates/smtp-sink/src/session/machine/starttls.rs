//! STARTTLS (RFC 3207).

use super::{Effect, Session, State, Step};
use crate::session::reply::Reply;

impl Session {
    pub(super) fn can_start_tls(&self) -> bool {
        self.setup.offers_tls && self.setup.tls.is_none()
    }

    pub(super) fn start_tls(&mut self, step: &mut Step<'_>) -> Result<(), Reply> {
        if self.setup.tls.is_some() {
            return Err(Reply::out_of_order("the connection is already encrypted"));
        }
        if !self.setup.offers_tls {
            return Err(Reply::no_start_tls());
        }
        if !matches!(self.state, State::Opened | State::Ready) {
            return Err(Reply::out_of_order(
                "send RSET to abort the message in progress",
            ));
        }
        self.reply(Reply::start_tls(), step);
        // Everything received in plaintext is discarded (RFC 3207 4.2).
        self.state = State::Handshake;
        self.helo.clear();
        self.login = None;
        step.effects.push(Effect::StartTls);
        Ok(())
    }

    pub(super) fn finish_handshake(&mut self, version: &str) {
        if matches!(self.state, State::Handshake) {
            self.state = State::Opened;
            self.transcript.note(&format!("({version})"));
            self.setup.tls = Some(version.to_owned());
        }
    }
}
