//! EHLO, HELO and LHLO. Each ends the transaction in progress (RFC 5321 4.1.4).

use super::{Session, State, Step};
use crate::session::reply::Reply;

impl Session {
    pub(super) fn ehlo(&mut self, name: String, step: &mut Step<'_>) {
        self.is_lmtp = false;
        self.greet(name, self.extensions(), step);
    }

    pub(super) fn lhlo(&mut self, name: String, step: &mut Step<'_>) {
        self.is_lmtp = true;
        self.greet(name, self.extensions(), step);
    }

    pub(super) fn helo(&mut self, name: String, step: &mut Step<'_>) {
        self.is_lmtp = false;
        self.greet(name, Reply::hello(&self.setup.host), step);
    }

    fn extensions(&self) -> Reply {
        let size = self.setup.limits.message_size;
        Reply::extensions(&self.setup.host, size, self.can_start_tls())
    }

    fn greet(&mut self, name: String, reply: Reply, step: &mut Step<'_>) {
        self.helo = name;
        self.state = State::Ready;
        self.reply(reply, step);
        self.transcript.end_opening();
    }
}
