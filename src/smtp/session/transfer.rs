//! A message on its way in, by DATA or by BDAT, from the first byte to the wish that it be kept.

use super::{Effect, Effects, Session, State, Transaction};
use crate::smtp::data::{Decoder, Oddities, oddities_of};
use crate::smtp::envelope::{Received, Refusal, Warning};
use crate::smtp::fault::{Fault, Stage};
use crate::smtp::reply::Reply;

/// The longest line of a message that RFC 5322 allows.
const LONGEST_LINE: u64 = 998;

/// How many a message has: LMTP answers it once for each (RFC 2033 4.2).
pub(super) type Recipients = usize;

/// A message on its way in.
#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) transaction: Transaction,
    /// Of the dots; chunks have none.
    pub(super) decoder: Decoder,
    pub(super) source: Vec<u8>,
}

/// Part of a message that is sent by BDAT.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) transfer: Box<Transfer>,
    size: u64,
    pub(super) left: u64,
    is_last: bool,
}

impl Transfer {
    pub(super) fn recipients(&self) -> Recipients {
        self.transaction.envelope.recipients.len()
    }
}

impl Session {
    pub(super) fn data(&mut self, effects: &mut Effects) -> Result<(), Reply> {
        match std::mem::replace(&mut self.state, State::Ready) {
            State::Recipients(transaction) => {
                let transaction = *transaction;
                self.state = State::Data(Box::new(Transfer {
                    transaction,
                    decoder: Decoder::default(),
                    source: Vec::new(),
                }));
                self.say(Reply::start_data(), effects);
                Ok(())
            }
            other => {
                let what_first = what_first(&other);
                self.state = other;
                Err(Reply::out_of_order(what_first))
            }
        }
    }

    /// BDAT. Its bytes come whatever the answer is (RFC 3030 2), so they are read also where it is refused.
    pub(super) fn chunk(
        &mut self,
        size: u64,
        is_last: bool,
        effects: &mut Effects,
    ) -> Result<(), Reply> {
        let transfer = match std::mem::replace(&mut self.state, State::Ready) {
            State::Recipients(transaction) => Box::new(Transfer {
                transaction: *transaction,
                decoder: Decoder::default(),
                source: Vec::new(),
            }),
            State::Chunks(transfer) => transfer,
            other => {
                let reply = Reply::out_of_order(what_first(&other));
                self.bad_commands += 1;
                self.skip(size, other, vec![Effect::Reply(reply)], effects);
                return Ok(());
            }
        };
        let total = (transfer.source.len() as u64).saturating_add(size);
        if total > self.setup.limits.message_size {
            let reply = Reply::message_too_large(self.setup.limits.message_size);
            self.skip(size, State::Ready, vec![Effect::Reply(reply)], effects);
            return Ok(());
        }
        self.state = State::Chunk(Chunk {
            transfer,
            size,
            left: size,
            is_last,
        });
        if size == 0 {
            self.take_chunk(&[], effects);
        }
        Ok(())
    }

    /// Reads a chunk that nobody wants, then answers it.
    pub(super) fn skip(&mut self, size: u64, then: State, answer: Effects, effects: &mut Effects) {
        self.state = State::Skipping {
            left: size,
            then: Box::new(then),
            answer,
        };
        if size == 0 {
            self.take_chunk(&[], effects);
        }
    }

    pub(super) fn take_chunk(&mut self, bytes: &[u8], effects: &mut Effects) -> usize {
        let taken = |left: u64| usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        match std::mem::replace(&mut self.state, State::Ready) {
            State::Chunk(mut chunk) => {
                let used = taken(chunk.left);
                chunk.transfer.source.extend_from_slice(&bytes[..used]);
                chunk.left -= used as u64;
                match (chunk.left, chunk.is_last) {
                    (0, true) => {
                        let oddities = oddities_of(&chunk.transfer.source);
                        self.store(*chunk.transfer, oddities, effects);
                    }
                    (0, false) => {
                        self.state = State::Chunks(chunk.transfer);
                        self.say(Reply::chunk_taken(chunk.size), effects);
                    }
                    _ => self.state = State::Chunk(chunk),
                }
                used
            }
            State::Skipping { left, then, answer } => {
                let used = taken(left);
                match left - used as u64 {
                    0 => {
                        self.state = *then;
                        effects.extend(answer);
                    }
                    left => self.state = State::Skipping { left, then, answer },
                }
                used
            }
            other => {
                self.state = other;
                bytes.len()
            }
        }
    }

    pub(super) fn take_data(&mut self, bytes: &[u8], effects: &mut Effects) -> usize {
        match std::mem::replace(&mut self.state, State::Ready) {
            State::Data(mut transfer) => {
                let (used, ended) = transfer.decoder.decode(bytes, &mut transfer.source);
                let fits = transfer.source.len() as u64 <= self.setup.limits.message_size;
                let recipients = transfer.recipients();
                match (ended, fits) {
                    (false, true) => self.state = State::Data(transfer),
                    (false, false) => {
                        self.state =
                            State::Draining(transfer.decoder, Refusal::TooLarge, recipients);
                    }
                    (true, false) => self.refuse(&Refusal::TooLarge, recipients, effects),
                    (true, true) => {
                        let oddities = transfer.decoder.oddities();
                        self.store(*transfer, oddities, effects);
                    }
                }
                used
            }
            State::Draining(mut decoder, refusal, recipients) => {
                let (used, ended) = decoder.decode(bytes, &mut Vec::new());
                match ended {
                    true => self.refuse(&refusal, recipients, effects),
                    false => self.state = State::Draining(decoder, refusal, recipients),
                }
                used
            }
            other => {
                self.state = other;
                bytes.len()
            }
        }
    }

    fn refuse(&mut self, refusal: &Refusal, recipients: Recipients, effects: &mut Effects) {
        let reply = self.refusal(refusal);
        self.end_transaction();
        self.answer_message(reply, recipients, effects);
    }

    pub(super) fn refusal(&self, refusal: &Refusal) -> Reply {
        Reply::refused(refusal, self.setup.limits.message_size)
    }

    /// The answer to a message, which is not part of its transcript.
    pub(super) fn answer_message(
        &self,
        reply: Reply,
        recipients: Recipients,
        effects: &mut Effects,
    ) {
        let times = if self.is_lmtp { recipients } else { 1 };
        effects.extend(std::iter::repeat_n(Effect::Reply(reply), times));
    }

    fn store(&mut self, transfer: Transfer, odd: Oddities, effects: &mut Effects) {
        let recipients = transfer.recipients();
        match self.setup.faults.reach(Stage::Message) {
            None => {}
            Some(Fault::Delay(time)) => effects.push(Effect::Wait(time)),
            Some(Fault::Drop) => return self.hang_up(effects),
            Some(Fault::Answer(421)) => return self.close(Reply::on_demand(421), effects),
            Some(Fault::Answer(code)) => {
                self.end_transaction();
                return self.answer_message(Reply::on_demand(code), recipients, effects);
            }
        }
        let Transfer {
            transaction,
            source,
            ..
        } = transfer;
        let mut warnings = transaction.warnings;
        for (count, warning) in [
            (odd.bare_cr, Warning::BareCr(odd.bare_cr)),
            (odd.bare_lf, Warning::BareLf(odd.bare_lf)),
            (
                odd.unstuffed_dots,
                Warning::UnstuffedDots(odd.unstuffed_dots),
            ),
            (odd.nul, Warning::Nul(odd.nul)),
        ] {
            if count > 0 {
                warnings.push(warning);
            }
        }
        if odd.longest_line > LONGEST_LINE {
            warnings.push(Warning::LongLine(odd.longest_line));
        }
        self.transcript
            .note(&format!("({} bytes of message)", source.len()));
        self.state = State::Storing(recipients);
        effects.push(Effect::Store(Box::new(Received {
            source,
            envelope: transaction.envelope,
            helo: self.helo.clone(),
            tls: self.setup.tls.clone(),
            login: self.login.clone(),
            transcript: self.transcript.clone(),
            warnings,
        })));
    }
}

/// What is missing before a message can be sent.
fn what_first(state: &State) -> &'static str {
    match state {
        State::Opened => "send EHLO first",
        State::Ready => "send MAIL FROM first",
        State::Chunks(_) => "end a chunked message with BDAT LAST",
        _ => "send RCPT TO first",
    }
}
