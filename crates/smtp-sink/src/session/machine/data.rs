//! DATA: a message that ends at a line with a single dot.

use super::{Session, State, Step, Transfer};
use crate::session::envelope::Refusal;
use crate::session::reply::Reply;

impl Session {
    pub(super) fn data(&mut self, step: &mut Step<'_>) -> Result<(), Reply> {
        match std::mem::replace(&mut self.state, State::Ready) {
            State::Recipients(transaction) => {
                self.state = State::Data(Box::new(Transfer::new(*transaction)));
                self.reply(Reply::start_data(), step);
                Ok(())
            }
            other => {
                let missing = other.missing_command();
                self.state = other;
                Err(Reply::out_of_order(missing))
            }
        }
    }

    /// Reads bytes of a message, and returns how many it used.
    pub(super) fn take_data(&mut self, bytes: &[u8], step: &mut Step<'_>) -> usize {
        match std::mem::replace(&mut self.state, State::Ready) {
            State::Data(mut transfer) => {
                let (used, ended) = transfer.decoder.decode(bytes, &mut transfer.source);
                let fits = transfer.source.len() as u64 <= self.setup.limits.message_size;
                let recipients = transfer.recipients();
                match (ended, fits) {
                    (false, true) => self.state = State::Data(transfer),
                    (false, false) => {
                        self.state = State::Draining {
                            decoder: transfer.decoder,
                            refusal: Refusal::TooLarge,
                            recipients,
                        };
                    }
                    (true, false) => self.refuse(&Refusal::TooLarge, recipients, step),
                    (true, true) => {
                        let oddities = transfer.decoder.oddities();
                        self.store(*transfer, oddities, step);
                    }
                }
                used
            }
            State::Draining {
                mut decoder,
                refusal,
                recipients,
            } => {
                let (used, ended) = decoder.decode(bytes, &mut Vec::new());
                if ended {
                    self.refuse(&refusal, recipients, step);
                } else {
                    self.state = State::Draining {
                        decoder,
                        refusal,
                        recipients,
                    };
                }
                used
            }
            other => {
                self.state = other;
                bytes.len()
            }
        }
    }
}
