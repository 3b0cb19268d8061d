//! Message that is being received: what DATA and BDAT share, from the first byte to [`Effect::Store`].

use super::{Effect, Session, State, Step, Transaction};
use crate::session::data::{Decoder, Oddities};
use crate::session::envelope::{Received, Refusal, Warning};
use crate::session::fault::{Fault, Stage};
use crate::session::reply::Reply;

/// Maximum length of a line of a message in bytes, without its line end (RFC 5322 2.1.1).
const MAX_LINE: u64 = 998;

/// Message that is being received.
#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) transaction: Transaction,
    /// Undoes dot-stuffing; unused by BDAT.
    pub(super) decoder: Decoder,
    pub(super) source: Vec<u8>,
}

impl Transfer {
    pub(super) fn new(transaction: Transaction) -> Transfer {
        Transfer {
            transaction,
            decoder: Decoder::default(),
            source: Vec::new(),
        }
    }

    pub(super) fn recipients(&self) -> usize {
        self.transaction.envelope.recipients.len()
    }
}

impl State {
    /// Returns which command is missing before a message can be sent.
    pub(super) fn missing_command(&self) -> &'static str {
        match self {
            State::Opened => "send EHLO first",
            State::Ready => "send MAIL FROM first",
            State::Chunks(_) => "end a chunked message with BDAT LAST",
            _ => "send RCPT TO first",
        }
    }
}

impl Session {
    pub(super) fn refuse(&mut self, refusal: &Refusal, recipients: usize, step: &mut Step<'_>) {
        let reply = self.refusal(refusal);
        self.end_transaction();
        self.answer_message(reply, recipients, step);
    }

    pub(super) fn refusal(&self, refusal: &Refusal) -> Reply {
        Reply::refused(refusal, self.setup.limits.message_size)
    }

    /// Replies to a message: once, or in LMTP once for each recipient (RFC 2033 4.2). The reply is not part of the transcript,
    /// which is stored with the message.
    pub(super) fn answer_message(&self, reply: Reply, recipients: usize, step: &mut Step<'_>) {
        let times = if self.is_lmtp { recipients } else { 1 };
        let replies = std::iter::repeat_n(Effect::Reply(reply), times);
        step.effects.extend(replies);
    }

    pub(super) fn store(&mut self, transfer: Transfer, oddities: Oddities, step: &mut Step<'_>) {
        let recipients = transfer.recipients();
        match (step.decide_fault)(Stage::Message) {
            None => {}
            Some(Fault::Delay(time)) => step.effects.push(Effect::Wait(time)),
            Some(Fault::Drop) => return self.disconnect(step),
            Some(Fault::Answer(421)) => return self.close(Reply::injected_fault(421), step),
            Some(Fault::Answer(code)) => {
                self.end_transaction();
                return self.answer_message(Reply::injected_fault(code), recipients, step);
            }
        }
        let Transfer {
            transaction,
            source,
            ..
        } = transfer;
        let mut warnings = transaction.warnings;
        warnings.extend(warnings_about(oddities));
        self.transcript
            .note(&format!("({} bytes of message)", source.len()));
        self.state = State::Storing { recipients };
        step.effects.push(Effect::Store(Box::new(Received {
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

fn warnings_about(oddities: Oddities) -> impl Iterator<Item = Warning> {
    let counted = [
        (oddities.bare_cr, Warning::BareCr as fn(u64) -> Warning),
        (oddities.bare_lf, Warning::BareLf),
        (oddities.unstuffed_dots, Warning::UnstuffedDots),
        (oddities.nul, Warning::Nul),
    ];
    let long_line = oddities.longest_line;
    counted
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, warning)| warning(count))
        .chain((long_line > MAX_LINE).then_some(Warning::LongLine(long_line)))
}
