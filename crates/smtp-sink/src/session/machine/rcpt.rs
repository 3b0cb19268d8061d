//! RCPT: adds a recipient to the transaction.

use super::{Session, State, Step};
use crate::session::command::Path;
use crate::session::envelope::Recipient;
use crate::session::reply::Reply;

impl Session {
    pub(super) fn rcpt(
        &mut self,
        path: Path,
        params: Vec<String>,
        step: &mut Step<'_>,
    ) -> Result<(), Reply> {
        let (State::Sender(transaction) | State::Recipients(transaction)) = &mut self.state else {
            return Err(Reply::out_of_order("send MAIL FROM first"));
        };
        if !path.address.is_ascii() && !transaction.smtputf8 {
            return Err(Reply::needs_smtputf8());
        }
        if transaction.envelope.recipients.len() >= self.setup.limits.recipients {
            // This is not counted as a bad command: a client may try all recipients and send the rest in a second message.
            let reply = Reply::too_many_recipients(self.setup.limits.recipients);
            self.reply(reply, step);
            return Ok(());
        }
        transaction.envelope.recipients.push(Recipient {
            address: path.address,
            params,
        });
        for warning in path.warnings {
            self.warn(warning);
        }
        self.state = match std::mem::replace(&mut self.state, State::Ready) {
            State::Sender(transaction) => State::Recipients(transaction),
            other => other,
        };
        self.reply(Reply::recipient_ok(), step);
        Ok(())
    }
}
