//! BDAT: a message in chunks of announced size (RFC 3030).

use super::{Effect, Effects, Session, State, Step, Transfer};
use crate::session::data::count_oddities;
use crate::session::reply::Reply;

/// Chunk that is being read.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) transfer: Box<Transfer>,
    size: u64,
    pub(super) left: u64,
    is_last: bool,
}

impl Session {
    /// The client sends the bytes of a chunk with any reply (RFC 3030 2), so they are read even if it is refused.
    pub(super) fn bdat(
        &mut self,
        size: u64,
        is_last: bool,
        step: &mut Step<'_>,
    ) -> Result<(), Reply> {
        let transfer = match std::mem::replace(&mut self.state, State::Ready) {
            State::Recipients(transaction) => Box::new(Transfer::new(*transaction)),
            State::Chunks(transfer) => transfer,
            other => {
                let reply = Reply::out_of_order(other.missing_command());
                self.bad_commands += 1;
                self.skip_chunk(size, other, vec![Effect::Reply(reply)], step);
                return Ok(());
            }
        };
        let total = (transfer.source.len() as u64).saturating_add(size);
        if total > self.setup.limits.message_size {
            let reply = Reply::message_too_large(self.setup.limits.message_size);
            self.skip_chunk(size, State::Ready, vec![Effect::Reply(reply)], step);
            return Ok(());
        }
        self.state = State::Chunk(Chunk {
            transfer,
            size,
            left: size,
            is_last,
        });
        if size == 0 {
            self.take_chunk(&[], step);
        }
        Ok(())
    }

    /// Reads a refused chunk to its end, sends `answer`, then continues in the state `next`.
    pub(super) fn skip_chunk(
        &mut self,
        size: u64,
        next: State,
        answer: Effects,
        step: &mut Step<'_>,
    ) {
        self.state = State::Skipping {
            left: size,
            next: Box::new(next),
            answer,
        };
        if size == 0 {
            self.take_chunk(&[], step);
        }
    }

    /// Reads bytes of a chunk, and returns how many it used.
    pub(super) fn take_chunk(&mut self, bytes: &[u8], step: &mut Step<'_>) -> usize {
        let usable = |left: u64| usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        match std::mem::replace(&mut self.state, State::Ready) {
            State::Chunk(mut chunk) => {
                let used = usable(chunk.left);
                chunk.transfer.source.extend_from_slice(&bytes[..used]);
                chunk.left -= used as u64;
                match (chunk.left, chunk.is_last) {
                    (0, true) => {
                        let oddities = count_oddities(&chunk.transfer.source);
                        self.store(*chunk.transfer, oddities, step);
                    }
                    (0, false) => {
                        self.state = State::Chunks(chunk.transfer);
                        self.reply(Reply::chunk_received(chunk.size), step);
                    }
                    _ => self.state = State::Chunk(chunk),
                }
                used
            }
            State::Skipping { left, next, answer } => {
                let used = usable(left);
                match left - used as u64 {
                    0 => {
                        self.state = *next;
                        step.effects.extend(answer);
                    }
                    left => self.state = State::Skipping { left, next, answer },
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
