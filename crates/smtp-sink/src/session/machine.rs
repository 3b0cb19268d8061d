//! State machine of one SMTP connection.
//!
//! ```text
//! Greeting ──Connected──▶ Opened ──EHLO──▶ Ready ──MAIL──▶ Sender ──RCPT──▶ Recipients ──DATA──▶ Data
//!                                           ▲  ▲             │                 │                  │
//!                                           │  └────RSET─────┴─────────────────┘           CRLF.CRLF
//!                                           │                                                     ▼
//!                                           ├───────────────Stored(…) 250 or 4xx──────────────Storing
//!                                           └─552, 451─ Draining ◀── Data, once it is too large or memory is exhausted
//! ```
//!
//! The state of a transaction is part of the machine's state. RSET, EHLO and a refused message discard it by replacing the
//! state, so there is no list of fields to clear. 250 after DATA is sent only after the caller reported that the message is
//! stored; bytes that the client sends before that wait in a bounded buffer.
//!
//! Not in the diagram: `Authenticating` is entered from `Ready` and returns to it. After STARTTLS, `Handshake` waits for TLS and
//! continues at `Opened`, without the bytes that were sent ahead. BDAT fills `Chunk` and waits in `Chunks` for the next one;
//! the bytes of a refused chunk are read in `Skipping`.
//!
//! This file has the state, the inputs and the dispatch of lines. Each verb with a state of its own has a file; `transfer` is
//! what DATA and BDAT share.

mod auth;
mod bdat;
mod data;
mod hello;
mod mail;
mod rcpt;
mod starttls;
mod transfer;

use super::auth::{Exchange, Login};
use super::command::Command;
use super::cross_protocol;
use super::data::Decoder;
use super::envelope::{MessageId, Refusal, Warning};
use super::fault::{Fault, FaultDecision, Stage};
use super::interface::{Effect, Effects, Input, Limits, Setup};
use super::line::{Line, LineBuffer};
use super::reply::Reply;
use super::transcript::Transcript;

use auth::without_secret;
use bdat::Chunk;
use mail::Transaction;
use transfer::Transfer;

#[derive(Debug)]
enum State {
    Greeting,
    Opened,
    Ready,
    Sender(Box<Transaction>),
    Recipients(Box<Transaction>),
    Authenticating(Exchange),
    Handshake,
    Data(Box<Transfer>),
    /// Reads a refused message to its end.
    Draining {
        decoder: Decoder,
        refusal: Refusal,
        recipients: usize,
    },
    Chunk(Chunk),
    Chunks(Box<Transfer>),
    /// Reads a refused chunk to its end, then sends `answer`.
    Skipping {
        left: u64,
        next: Box<State>,
        answer: Effects,
    },
    Storing {
        recipients: usize,
    },
    Closed,
}

/// Session of one connection, from its banner to its end.
#[derive(Debug)]
pub struct Session {
    setup: Setup,
    state: State,
    /// Argument of the last EHLO, HELO or LHLO. It belongs to the session and survives a transaction.
    helo: String,
    is_lmtp: bool,
    login: Option<Login>,
    line: LineBuffer,
    /// Bytes that arrived before the session could use them.
    pipelined: Vec<u8>,
    bad_commands: u32,
    transcript: Transcript,
    /// End of the session that was reported while a message is being stored.
    deferred_end: Option<DeferredEnd>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DeferredEnd {
    Eof,
    ShuttingDown,
}

/// Step in progress: the effects so far, and the caller's decision about faults.
struct Step<'a> {
    effects: Effects,
    decide_fault: FaultDecision<'a>,
}

impl Session {
    /// Returns a session that waits for [`Input::Connected`].
    pub fn new(setup: Setup) -> Session {
        Session {
            line: LineBuffer::new(setup.limits.command_line),
            setup,
            state: State::Greeting,
            helo: String::new(),
            is_lmtp: false,
            login: None,
            pipelined: Vec::new(),
            bad_commands: 0,
            transcript: Transcript::default(),
            deferred_end: None,
        }
    }

    /// Returns true once [`Effect::Close`] was returned. Later inputs have no effect.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Returns the memory that the session uses for what the client sent, in bytes.
    pub fn held(&self) -> u64 {
        let (transaction, source) = match &self.state {
            State::Sender(transaction) | State::Recipients(transaction) => {
                (Some(&**transaction), 0)
            }
            State::Data(transfer) | State::Chunks(transfer) => {
                (Some(&transfer.transaction), transfer.source.capacity())
            }
            State::Chunk(chunk) => {
                let transfer = &chunk.transfer;
                (Some(&transfer.transaction), transfer.source.capacity())
            }
            _ => (None, 0),
        };
        let envelope = transaction.map_or(0, |transaction| transaction.envelope.size());
        let texts = self.helo.len() + self.transcript.len() + self.line.held();
        (source + envelope + texts + self.pipelined.capacity()) as u64
    }

    /// Processes one input and returns what the caller must do. `decide_fault` is called for each stage that the session
    /// reaches.
    pub fn step(&mut self, input: Input<'_>, decide_fault: FaultDecision<'_>) -> Effects {
        let mut step = Step {
            effects: Effects::new(),
            decide_fault,
        };
        if !self.is_closed() {
            self.process(input, &mut step);
        }
        step.effects
    }

    fn process(&mut self, input: Input<'_>, step: &mut Step<'_>) {
        let is_storing = matches!(self.state, State::Storing { .. });
        match input {
            Input::Connected => self.connect(step),
            Input::TooManySessions => self.close(Reply::too_many_sessions(&self.setup.host), step),
            // A caller that still reads after STARTTLS has plaintext.
            Input::Bytes(_) if matches!(self.state, State::Handshake) => {}
            Input::Bytes(bytes) if is_storing || matches!(self.state, State::Greeting) => {
                self.buffer(bytes, step);
            }
            Input::Bytes(bytes) => {
                let used = self.consume(bytes, step);
                self.buffer(&bytes[used..], step);
            }
            Input::Stored(result) => self.finish_storing(result, step),
            Input::Secured(version) => self.finish_handshake(version),
            Input::OutOfMemory => self.release_memory(step),
            // The server is slow here, not the client.
            Input::TimedOut if is_storing => {}
            Input::TimedOut => self.close(Reply::idle_too_long(&self.setup.host), step),
            Input::Eof if is_storing => {
                self.deferred_end = self.deferred_end.or(Some(DeferredEnd::Eof));
            }
            Input::Eof => self.disconnect(step),
            Input::ShuttingDown if is_storing => {
                self.deferred_end = Some(DeferredEnd::ShuttingDown);
            }
            Input::ShuttingDown => self.close(Reply::shutting_down(&self.setup.host), step),
        }
    }

    fn connect(&mut self, step: &mut Step<'_>) {
        if !matches!(self.state, State::Greeting) {
            return;
        }
        if self.inject_fault(Stage::Connect, step) {
            if !self.is_closed() {
                self.disconnect(step);
            }
            return;
        }
        self.state = State::Opened;
        if let Some(version) = &self.setup.tls {
            self.transcript.note(&format!("({version})"));
        }
        self.reply(Reply::banner(&self.setup.host), step);
        self.resume(step);
    }

    fn finish_storing(&mut self, result: Result<MessageId, Refusal>, step: &mut Step<'_>) {
        let State::Storing { recipients } = self.state else {
            return;
        };
        let reply = match result {
            Ok(id) => {
                self.bad_commands = 0;
                Reply::stored(&id)
            }
            Err(refusal) => self.refusal(&refusal),
        };
        self.end_transaction();
        self.answer_message(reply, recipients, step);
        self.resume(step);
    }

    /// Discards the message in progress. Without one, the session itself ends.
    fn release_memory(&mut self, step: &mut Step<'_>) {
        let refusal = Refusal::Unavailable(
            "too many messages are in progress, send this one again later".into(),
        );
        self.state = match std::mem::replace(&mut self.state, State::Ready) {
            State::Data(transfer) => State::Draining {
                recipients: transfer.recipients(),
                decoder: transfer.decoder,
                refusal,
            },
            State::Chunk(chunk) => State::Skipping {
                left: chunk.left,
                next: Box::new(State::Ready),
                answer: vec![Effect::Reply(self.refusal(&refusal))],
            },
            // These states hold nothing but pipelined bytes.
            other @ (State::Storing { .. } | State::Draining { .. } | State::Skipping { .. }) => {
                other
            }
            other => {
                self.state = other;
                return self.close(Reply::no_memory(&self.setup.host), step);
            }
        };
    }

    /// Uses bytes until the session must wait, and returns how many it used.
    fn consume(&mut self, bytes: &[u8], step: &mut Step<'_>) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            at += match self.state {
                State::Data(_) | State::Draining { .. } => self.take_data(&bytes[at..], step),
                State::Chunk(_) | State::Skipping { .. } => self.take_chunk(&bytes[at..], step),
                State::Opened
                | State::Ready
                | State::Authenticating(_)
                | State::Sender(_)
                | State::Recipients(_)
                | State::Chunks(_) => self.take_line(&bytes[at..], step),
                // Plaintext after STARTTLS is discarded (RFC 3207 4.2, CVE-2011-0411).
                State::Handshake => bytes.len() - at,
                State::Greeting | State::Storing { .. } | State::Closed => break,
            };
        }
        at
    }

    /// Keeps bytes that the session cannot use yet.
    fn buffer(&mut self, bytes: &[u8], step: &mut Step<'_>) {
        if self.is_closed() || bytes.is_empty() {
            return;
        }
        if self.pipelined.len() + bytes.len() > self.setup.limits.pipelined {
            return self.close(Reply::too_much_pipelined(&self.setup.host), step);
        }
        self.pipelined.extend_from_slice(bytes);
    }

    /// Continues with the buffered bytes.
    fn resume(&mut self, step: &mut Step<'_>) {
        if self.deferred_end == Some(DeferredEnd::ShuttingDown) {
            return self.close(Reply::shutting_down(&self.setup.host), step);
        }
        let mut pipelined = std::mem::take(&mut self.pipelined);
        let used = self.consume(&pipelined, step);
        pipelined.drain(..used);
        if !self.is_closed() {
            self.pipelined = pipelined;
            let is_storing = matches!(self.state, State::Storing { .. });
            if self.deferred_end == Some(DeferredEnd::Eof) && !is_storing {
                self.disconnect(step);
            }
        }
    }

    fn take_line(&mut self, bytes: &[u8], step: &mut Step<'_>) -> usize {
        let (used, line) = self.line.take(bytes);
        if let Some(reply) = refuse_other_protocol(&self.state, line.as_ref(), &self.setup.limits) {
            self.close(reply, step);
            return used;
        }
        let result = match line {
            None => {
                self.check_unfinished_line(step);
                return used;
            }
            Some(Line::TooLong { .. }) => {
                self.transcript.note("(a line too long)");
                if matches!(self.state, State::Authenticating(_)) {
                    self.state = State::Ready;
                }
                Err(Reply::line_too_long(self.setup.limits.command_line))
            }
            Some(Line::Whole { text, .. }) if matches!(self.state, State::Authenticating(_)) => {
                let response = String::from_utf8_lossy(text).trim().to_owned();
                self.transcript.client(b"(an answer)");
                self.continue_auth(&response, step)
            }
            Some(Line::Whole { text, bare_lf }) => {
                self.transcript.client(without_secret(text));
                match Command::parse(text) {
                    Ok(command) => {
                        let result = self.execute(command, step);
                        if bare_lf {
                            self.warn(Warning::CommandEndsInLf);
                        }
                        result
                    }
                    Err(error) => Err(Reply::from(&error)),
                }
            }
        };
        if let Err(reply) = result {
            self.bad_commands += 1;
            if self.bad_commands > self.setup.limits.bad_commands {
                self.close(Reply::too_many_errors(&self.setup.host), step);
            } else {
                self.reply(reply, step);
            }
        }
        used
    }

    /// Ends a session before EHLO once its unfinished line cannot become a command. A browser or a TLS client may send no line
    /// end at all.
    fn check_unfinished_line(&mut self, step: &mut Step<'_>) {
        if !matches!(self.state, State::Opened) {
            return;
        }
        if self
            .line
            .first_pending()
            .is_some_and(cross_protocol::is_binary)
        {
            self.close(Reply::not_smtp(), step);
        } else if self.line.is_over_limit() {
            self.close(
                Reply::opening_too_long(self.setup.limits.command_line),
                step,
            );
        }
    }

    /// Executes a command. `Err` is the reply to a bad command, which changes no state.
    fn execute(&mut self, command: Command, step: &mut Step<'_>) -> Result<(), Reply> {
        if let Some(stage) = stage_of(&command) {
            let before = step.effects.len();
            if self.inject_fault(stage, step) {
                if let (Command::Bdat(size, _), false) = (command, self.is_closed()) {
                    // The bytes of the chunk follow, and the reply is sent after them.
                    let answer = step.effects.split_off(before);
                    let next = match self.state {
                        State::Opened => State::Opened,
                        _ => State::Ready,
                    };
                    self.skip_chunk(size, next, answer, step);
                }
                return Ok(());
            }
        }
        match command {
            Command::Ehlo(name) => self.ehlo(name, step),
            Command::Lhlo(name) => self.lhlo(name, step),
            Command::Helo(name) => self.helo(name, step),
            Command::StartTls => self.start_tls(step)?,
            Command::Auth(mechanism, initial) => {
                self.begin_auth(mechanism, initial.as_deref(), step)?;
            }
            Command::Mail(path, params) => self.mail(path, params, step)?,
            Command::Rcpt(path, params) => self.rcpt(path, params, step)?,
            Command::Data => self.data(step)?,
            Command::Bdat(size, is_last) => self.bdat(size, is_last, step)?,
            Command::Rset => {
                self.abort_transaction();
                self.reply(Reply::reset(), step);
            }
            Command::Noop => self.reply(Reply::noop(), step),
            Command::Vrfy(_) => self.reply(Reply::cannot_verify(), step),
            Command::Help => self.reply(Reply::help(self.can_start_tls()), step),
            Command::Quit => self.close(Reply::bye(), step),
        }
        Ok(())
    }

    /// Injects the fault that the caller decides on, if any. Returns true if it replaces the regular reply.
    fn inject_fault(&mut self, stage: Stage, step: &mut Step<'_>) -> bool {
        match (step.decide_fault)(stage) {
            None => false,
            Some(Fault::Delay(time)) => {
                step.effects.push(Effect::Wait(time));
                false
            }
            Some(Fault::Drop) => {
                self.disconnect(step);
                true
            }
            Some(Fault::Answer(code)) => {
                let reply = Reply::injected_fault(code);
                if code == 421 {
                    self.close(reply, step);
                } else {
                    self.reply(reply, step);
                }
                true
            }
        }
    }

    /// Adds a warning to the transaction in progress, once. Without a transaction there is no message to show it with.
    fn warn(&mut self, warning: Warning) {
        let warnings = match &mut self.state {
            State::Sender(transaction) | State::Recipients(transaction) => {
                &mut transaction.warnings
            }
            State::Data(transfer) | State::Chunks(transfer) => &mut transfer.transaction.warnings,
            State::Chunk(chunk) => &mut chunk.transfer.transaction.warnings,
            _ => return,
        };
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// Discards the transaction. Before EHLO the state stays, since EHLO is still required.
    fn abort_transaction(&mut self) {
        if !matches!(self.state, State::Opened) {
            self.state = State::Ready;
        }
    }

    fn end_transaction(&mut self) {
        self.state = State::Ready;
        self.transcript.restart();
    }

    fn reply(&mut self, reply: Reply, step: &mut Step<'_>) {
        for line in reply.lines() {
            self.transcript.server(&line);
        }
        step.effects.push(Effect::Reply(reply));
    }

    fn close(&mut self, reply: Reply, step: &mut Step<'_>) {
        step.effects.push(Effect::Reply(reply));
        self.disconnect(step);
    }

    fn disconnect(&mut self, step: &mut Step<'_>) {
        self.state = State::Closed;
        self.pipelined = Vec::new();
        step.effects.push(Effect::Close);
    }
}

/// Returns the reply that ends the session if a line cannot be from an SMTP client. Nothing that follows such a line may be
/// interpreted.
fn refuse_other_protocol(state: &State, line: Option<&Line<'_>>, limits: &Limits) -> Option<Reply> {
    let is_opening = matches!(state, State::Opened);
    let (text, is_whole) = match line? {
        Line::Whole { text, .. } => (*text, true),
        Line::TooLong { start } => (*start, false),
    };
    if is_opening && text.first().copied().is_some_and(cross_protocol::is_binary) {
        return Some(Reply::not_smtp());
    }
    if is_opening && !is_whole {
        return Some(Reply::opening_too_long(limits.command_line));
    }
    if cross_protocol::is_request_line(text)
        || (!is_whole && cross_protocol::begins_request_line(text))
    {
        return Some(Reply::http());
    }
    if cross_protocol::is_header(text) {
        return Some(Reply::header());
    }
    (is_opening && !cross_protocol::may_open_session(text)).then(Reply::not_smtp)
}

fn stage_of(command: &Command) -> Option<Stage> {
    match command {
        Command::Ehlo(_) | Command::Helo(_) | Command::Lhlo(_) => Some(Stage::Helo),
        Command::Auth(..) => Some(Stage::Auth),
        Command::Mail(..) => Some(Stage::Mail),
        Command::Rcpt(..) => Some(Stage::Rcpt),
        Command::Data | Command::Bdat(..) => Some(Stage::Data),
        Command::StartTls
        | Command::Rset
        | Command::Noop
        | Command::Vrfy(_)
        | Command::Help
        | Command::Quit => None,
    }
}

#[cfg(test)]
mod tests;
