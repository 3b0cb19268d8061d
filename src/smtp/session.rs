//! One SMTP connection as a state machine.
//!
//! ```text
//! Greeting ──Connected──▶ Opened ──EHLO──▶ Ready ──MAIL──▶ Sender ──RCPT──▶ Recipients ──DATA──▶ Data
//!                                           ▲  ▲             │                 │                  │
//!                                           │  └────RSET─────┴─────────────────┘           CRLF.CRLF
//!                                           │                                                     ▼
//!                                           ├───────────────Stored(…) 250 or 4xx──────────────Storing
//!                                           └─552, 451─ Draining ◀── Data, once it is too large, or there is no room
//! ```
//!
//! What belongs to a transaction lives in the state that owns it, so RSET, EHLO or a refused message forget it by
//! replacing the state: there is no list to clear. 250 after DATA is said only when whoever keeps messages said
//! so; until then, what was sent ahead waits in a bounded buffer. STARTTLS and AUTH will be states of their own
//! beside `Opened` and `Ready`, BDAT one beside `Data`.

use super::command::{Command, MailParams, Path, SyntaxError};
use super::data::Decoder;
use super::envelope::{Envelope, MessageId, Received, Recipient, Refusal, Warning};
use super::line::{Line, LineBuffer};
use super::reply::Reply;
use super::transcript::Transcript;

/// The longest line of a message that RFC 5322 allows.
const LONGEST_LINE: u64 = 998;

/// What happened, told by whoever drives the session.
#[derive(Debug)]
pub enum Input<'a> {
    /// The connection is there; comes first.
    Connected,
    /// The connection is there, but no session is to be had.
    TooManySessions,
    /// The client sent bytes.
    Bytes(&'a [u8]),
    /// The answer to [`Effect::Store`].
    Stored(Result<MessageId, Refusal>),
    /// There is no room for the rest of the message under way: it is read to its end, dropped and answered 451.
    NoRoom,
    /// The client was silent for too long.
    TimedOut,
    /// The client will send no more.
    Eof,
    /// The server stops.
    ShuttingDown,
}

/// What is to be done, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send this.
    Reply(Reply),
    /// Keep this message, then tell the session by [`Input::Stored`]. Always the last of its list.
    Store(Box<Received>),
    /// Close the connection once the replies are out. Always the last of all.
    Close,
}

/// What one step asks for. The replies of one list belong into one write.
pub type Effects = Vec<Effect>;

/// What a session holds back, and beyond which it says no.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a command line; beyond it 500.
    pub command_line: usize,
    /// Bytes of a message; beyond it 552.
    pub message_size: u64,
    /// Recipients of a message; beyond it 452.
    pub recipients: usize,
    /// Bad commands since the last good message; beyond it 421.
    pub bad_commands: u32,
    /// Bytes that may wait while a message is being stored; beyond it 421.
    pub pipelined: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            command_line: 12 * 1024,
            message_size: 50 * 1024 * 1024,
            recipients: 2_000,
            bad_commands: 50,
            pipelined: 1024 * 1024,
        }
    }
}

/// MAIL was accepted; grows until DATA.
#[derive(Debug)]
struct Transaction {
    envelope: Envelope,
    smtputf8: bool,
    warnings: Vec<Warning>,
}

/// A message on its way in.
#[derive(Debug)]
struct Transfer {
    transaction: Transaction,
    decoder: Decoder,
    source: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Greeting,
    Opened,
    Ready,
    Sender(Box<Transaction>),
    Recipients(Box<Transaction>),
    Data(Box<Transfer>),
    Draining(Decoder, Refusal),
    Storing,
    Closed,
}

/// One connection, from its banner to its end.
#[derive(Debug)]
pub struct Session {
    host: String,
    limits: Limits,
    state: State,
    /// The name of the last EHLO or HELO; a fact of the session, not of a transaction.
    helo: String,
    line: LineBuffer,
    waiting: Vec<u8>,
    bad_commands: u32,
    transcript: Transcript,
    /// What came while a message was being stored and must wait for the verdict.
    then: Option<Ending>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Eof,
    ShuttingDown,
}

impl Session {
    /// A session of a server that calls itself `host`.
    pub fn new(host: impl Into<String>, limits: Limits) -> Session {
        Session {
            host: host.into(),
            line: LineBuffer::new(limits.command_line),
            limits,
            state: State::Greeting,
            helo: String::new(),
            waiting: Vec::new(),
            bad_commands: 0,
            transcript: Transcript::default(),
            then: None,
        }
    }

    /// True once [`Effect::Close`] was given; nothing has an effect after it.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Bytes that the session holds of messages and commands not yet done with.
    pub fn held(&self) -> u64 {
        let source = match &self.state {
            State::Data(transfer) => transfer.source.capacity(),
            _ => 0,
        };
        (source + self.waiting.capacity()) as u64
    }

    /// Tells the session what happened; the answer is what to do.
    pub fn step(&mut self, input: Input<'_>) -> Effects {
        let mut effects = Effects::new();
        let is_waiting = matches!(self.state, State::Greeting | State::Storing);
        match input {
            _ if self.is_closed() => {}
            Input::Connected if matches!(self.state, State::Greeting) => {
                self.state = State::Opened;
                self.say(Reply::banner(&self.host), &mut effects);
                self.go_on(&mut effects);
            }
            Input::Connected => {}
            Input::TooManySessions => {
                self.close(Reply::too_many_sessions(&self.host), &mut effects)
            }
            Input::Bytes(bytes) if is_waiting => self.hold(bytes, &mut effects),
            Input::Bytes(bytes) => {
                let used = self.consume(bytes, &mut effects);
                self.hold(&bytes[used..], &mut effects);
            }
            Input::Stored(verdict) if matches!(self.state, State::Storing) => {
                self.end_transaction();
                let reply = match verdict {
                    Ok(id) => {
                        self.bad_commands = 0;
                        Reply::stored(&id)
                    }
                    Err(refusal) => Reply::refused(&refusal, self.limits.message_size),
                };
                effects.push(Effect::Reply(reply));
                self.go_on(&mut effects);
            }
            Input::Stored(_) => {}
            Input::NoRoom => {
                self.state = match std::mem::replace(&mut self.state, State::Ready) {
                    State::Data(transfer) => State::Draining(
                        transfer.decoder,
                        Refusal::Unavailable(
                            "too many messages are on their way, send this one again later".into(),
                        ),
                    ),
                    other => other,
                };
            }
            // Silence while a message is being stored is ours, not the client's.
            Input::TimedOut if matches!(self.state, State::Storing) => {}
            Input::TimedOut => self.close(Reply::idle_too_long(&self.host), &mut effects),
            Input::Eof if matches!(self.state, State::Storing) => {
                self.then = self.then.or(Some(Ending::Eof))
            }
            Input::Eof => self.hang_up(&mut effects),
            Input::ShuttingDown if matches!(self.state, State::Storing) => {
                self.then = Some(Ending::ShuttingDown)
            }
            Input::ShuttingDown => self.close(Reply::shutting_down(&self.host), &mut effects),
        }
        effects
    }

    /// Uses bytes until there are none, or until the session must wait: how many were used.
    fn consume(&mut self, bytes: &[u8], effects: &mut Effects) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            at += match self.state {
                State::Data(_) | State::Draining(..) => self.take_data(&bytes[at..], effects),
                State::Opened | State::Ready | State::Sender(_) | State::Recipients(_) => {
                    self.take_line(&bytes[at..], effects)
                }
                State::Greeting | State::Storing | State::Closed => break,
            };
        }
        at
    }

    /// Keeps bytes that came too early.
    fn hold(&mut self, bytes: &[u8], effects: &mut Effects) {
        if self.is_closed() || bytes.is_empty() {
            return;
        }
        if self.waiting.len() + bytes.len() > self.limits.pipelined {
            return self.close(Reply::too_much_pipelined(&self.host), effects);
        }
        self.waiting.extend_from_slice(bytes);
    }

    /// Takes up what waited.
    fn go_on(&mut self, effects: &mut Effects) {
        if self.then == Some(Ending::ShuttingDown) {
            return self.close(Reply::shutting_down(&self.host), effects);
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        let used = self.consume(&waiting, effects);
        waiting.drain(..used);
        if !self.is_closed() {
            self.waiting = waiting;
            if self.then == Some(Ending::Eof) && !matches!(self.state, State::Storing) {
                self.hang_up(effects);
            }
        }
    }

    fn take_line(&mut self, bytes: &[u8], effects: &mut Effects) -> usize {
        let (used, line) = self.line.take(bytes);
        let reply = match line {
            None => return used,
            Some(Line::TooLong) => {
                self.transcript.note("(a line too long)");
                Err(Reply::line_too_long(self.limits.command_line))
            }
            Some(Line::Whole { text, bare_lf }) => {
                self.transcript.client(text);
                match Command::parse(text) {
                    Ok(command) => {
                        let reply = self.obey(command, effects);
                        if bare_lf {
                            self.warn(Warning::CommandEndsInLf);
                        }
                        reply
                    }
                    Err(error @ SyntaxError::Http) => {
                        self.close(Reply::from(&error), effects);
                        return used;
                    }
                    Err(error) => Err(Reply::from(&error)),
                }
            }
        };
        match reply {
            Ok(()) => {}
            Err(reply) => {
                self.bad_commands += 1;
                match self.bad_commands > self.limits.bad_commands {
                    true => self.close(Reply::too_many_errors(&self.host), effects),
                    false => self.say(reply, effects),
                }
            }
        }
        used
    }

    /// Does what a command says. `Err` is the reply to a bad one, which changes nothing.
    fn obey(&mut self, command: Command, effects: &mut Effects) -> Result<(), Reply> {
        match command {
            Command::Ehlo(name) => {
                let reply = Reply::extensions(&self.host, self.limits.message_size);
                self.open(name, reply, effects);
            }
            Command::Helo(name) => self.open(name, Reply::hello(&self.host), effects),
            Command::Mail(path, params) => self.mail(path, params, effects)?,
            Command::Rcpt(path) => self.rcpt(path, effects)?,
            Command::Data => self.data(effects)?,
            Command::Rset => {
                self.forget();
                self.say(Reply::reset(), effects);
            }
            Command::Noop => self.say(Reply::noop(), effects),
            Command::Vrfy(_) => self.say(Reply::cannot_verify(), effects),
            Command::Help => self.say(Reply::help(), effects),
            Command::Quit => self.close(Reply::bye(), effects),
        }
        Ok(())
    }

    fn open(&mut self, name: String, reply: Reply, effects: &mut Effects) {
        self.helo = name;
        self.state = State::Ready;
        self.say(reply, effects);
        self.transcript.end_opening();
    }

    fn mail(&mut self, path: Path, params: MailParams, effects: &mut Effects) -> Result<(), Reply> {
        match self.state {
            State::Ready => {}
            State::Opened => return Err(Reply::out_of_order("send EHLO first")),
            _ => {
                return Err(Reply::out_of_order(
                    "MAIL was said already, RSET begins anew",
                ));
            }
        }
        if params
            .size
            .is_some_and(|size| size > self.limits.message_size)
        {
            return Err(Reply::message_too_large(self.limits.message_size));
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
        self.say(Reply::sender_ok(), effects);
        Ok(())
    }

    fn rcpt(&mut self, path: Path, effects: &mut Effects) -> Result<(), Reply> {
        let (State::Sender(transaction) | State::Recipients(transaction)) = &mut self.state else {
            return Err(Reply::out_of_order("send MAIL FROM first"));
        };
        if !path.address.is_ascii() && !transaction.smtputf8 {
            return Err(Reply::needs_smtputf8());
        }
        if transaction.envelope.recipients.len() >= self.limits.recipients {
            // No bad command: a client may try them all and send the rest in a second message.
            self.say(Reply::too_many_recipients(self.limits.recipients), effects);
            return Ok(());
        }
        transaction.envelope.recipients.push(Recipient {
            address: path.address,
            params: Vec::new(),
        });
        for warning in path.warnings {
            self.warn(warning);
        }
        self.state = match std::mem::replace(&mut self.state, State::Ready) {
            State::Sender(transaction) => State::Recipients(transaction),
            other => other,
        };
        self.say(Reply::recipient_ok(), effects);
        Ok(())
    }

    fn data(&mut self, effects: &mut Effects) -> Result<(), Reply> {
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
                let what_first = match other {
                    State::Opened => "send EHLO first",
                    State::Ready => "send MAIL FROM first",
                    _ => "send RCPT TO first",
                };
                self.state = other;
                Err(Reply::out_of_order(what_first))
            }
        }
    }

    fn take_data(&mut self, bytes: &[u8], effects: &mut Effects) -> usize {
        match std::mem::replace(&mut self.state, State::Ready) {
            State::Data(mut transfer) => {
                let (used, ended) = transfer.decoder.decode(bytes, &mut transfer.source);
                let fits = transfer.source.len() as u64 <= self.limits.message_size;
                match (ended, fits) {
                    (false, true) => self.state = State::Data(transfer),
                    (false, false) => {
                        self.state = State::Draining(transfer.decoder, Refusal::TooLarge);
                    }
                    (true, false) => self.refuse(&Refusal::TooLarge, effects),
                    (true, true) => self.store(*transfer, effects),
                }
                used
            }
            State::Draining(mut decoder, refusal) => {
                let (used, ended) = decoder.decode(bytes, &mut Vec::new());
                match ended {
                    true => self.refuse(&refusal, effects),
                    false => self.state = State::Draining(decoder, refusal),
                }
                used
            }
            other => {
                self.state = other;
                bytes.len()
            }
        }
    }

    fn refuse(&mut self, refusal: &Refusal, effects: &mut Effects) {
        self.end_transaction();
        effects.push(Effect::Reply(Reply::refused(
            refusal,
            self.limits.message_size,
        )));
    }

    fn store(&mut self, transfer: Transfer, effects: &mut Effects) {
        let Transfer {
            transaction,
            decoder,
            source,
        } = transfer;
        let mut warnings = transaction.warnings;
        let odd = decoder.oddities();
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
        self.state = State::Storing;
        effects.push(Effect::Store(Box::new(Received {
            source,
            envelope: transaction.envelope,
            helo: self.helo.clone(),
            transcript: self.transcript.clone(),
            warnings,
        })));
    }

    /// Adds a warning to the transaction under way, once; without one there is nothing to show it with.
    fn warn(&mut self, warning: Warning) {
        let warnings = match &mut self.state {
            State::Sender(transaction) | State::Recipients(transaction) => {
                &mut transaction.warnings
            }
            State::Data(transfer) => &mut transfer.transaction.warnings,
            _ => return,
        };
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// RSET: without a transaction it changes nothing, least of all that EHLO is still due.
    fn forget(&mut self) {
        if !matches!(self.state, State::Opened) {
            self.state = State::Ready;
        }
    }

    fn end_transaction(&mut self) {
        self.state = State::Ready;
        self.transcript.restart();
    }

    fn say(&mut self, reply: Reply, effects: &mut Effects) {
        for line in reply.lines() {
            self.transcript.server(&line);
        }
        effects.push(Effect::Reply(reply));
    }

    fn close(&mut self, reply: Reply, effects: &mut Effects) {
        effects.push(Effect::Reply(reply));
        self.hang_up(effects);
    }

    fn hang_up(&mut self, effects: &mut Effects) {
        self.state = State::Closed;
        self.waiting = Vec::new();
        effects.push(Effect::Close);
    }
}

#[cfg(test)]
mod tests;
