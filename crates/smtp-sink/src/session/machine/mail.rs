//! MAIL: begins a transaction.

use super::{Session, State, Step};
use crate::session::command::{MailParams, Path};
use crate::session::envelope::{Envelope, Warning};
use crate::session::reply::Reply;

/// Transaction from MAIL until DATA or BDAT.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) envelope: Envelope,
    pub(super) smtputf8: bool,
    pub(super) warnings: Vec<Warning>,
}

impl Session {
    pub(super) fn mail(
        &mut self,
        path: Path,
        params: MailParams,
        step: &mut Step<'_>,
    ) -> Result<(), Reply> {
        match self.state {
            State::Ready => {}
            State::Opened => return Err(Reply::out_of_order("send EHLO first")),
            _ => {
                return Err(Reply::out_of_order(
                    "MAIL was already sent, send RSET to start over",
                ));
            }
        }
        if params
            .size
            .is_some_and(|size| size > self.setup.limits.message_size)
        {
            return Err(Reply::message_too_large(self.setup.limits.message_size));
        }
        if !path.address.is_ascii() && !params.smtputf8 {
            return Err(Reply::needs_smtputf8());
        }
        self.state = State::Sender(Box::new(Transaction {
            envelope: Envelope {
                sender: path.address,
                params: params.typed,
                recipients: Vec::new(),
            },
            smtputf8: params.smtputf8,
            warnings: path.warnings,
        }));
        self.reply(Reply::sender_ok(), step);
        Ok(())
    }
}
