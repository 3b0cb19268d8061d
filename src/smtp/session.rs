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
//! so; until then, what was sent ahead waits in a bounded buffer.
//!
//! Not drawn: `Authenticating` stands beside `Opened` and `Ready` and returns to `Ready`; after STARTTLS `Handshake` waits
//! for TLS and begins anew at `Opened`, without what was sent ahead. BDAT fills `Chunk` and rests in `Chunks` until the
//! next; a chunk that nobody wants is read all the same, in `Skipping`.

mod log_in;
mod transfer;

use std::sync::Arc;
use std::time::Duration;

use super::auth::{Exchange, Login};
use super::command::{Command, MailParams, Path};
use super::data::Decoder;
use super::envelope::{Envelope, MessageId, Received, Recipient, Refusal, Warning};
use super::fault::{Fault, Faults, Stage};
use super::foreign;
use super::line::{Line, LineBuffer};
use super::reply::Reply;
use super::transcript::Transcript;

use log_in::without_secret;
use transfer::{Chunk, Recipients, Transfer};

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
    /// The answer to [`Effect::StartTls`]: the connection is encrypted, by this version of TLS.
    Secured(&'a str),
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send this.
    Reply(Reply),
    /// Wait so long before the next one.
    Wait(Duration),
    /// Once the replies are out, encrypt the connection, then tell the session by [`Input::Secured`]. What the client
    /// sent ahead in clear text is not to be read any more. Always the last of its list.
    StartTls,
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
    /// Bytes of a command line; beyond it 500, and before EHLO the end of the session.
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

/// What a session is told before it begins.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The name that the server goes by.
    pub host: String,
    /// Beyond which it says no.
    pub limits: Limits,
    /// Whether STARTTLS can be had.
    pub offers_tls: bool,
    /// The version of TLS, where the connection is encrypted from its first byte.
    pub tls: Option<String>,
    /// A text that no other session has, for the challenge of CRAM-MD5.
    pub nonce: String,
    /// What goes wrong on demand.
    pub faults: Arc<Faults>,
}

impl Setup {
    /// Of a server that calls itself `host`, and else as usual.
    pub fn of(host: impl Into<String>) -> Setup {
        Setup {
            host: host.into(),
            ..Setup::default()
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
    Draining(Decoder, Refusal, Recipients),
    Chunk(Chunk),
    Chunks(Box<Transfer>),
    Skipping {
        left: u64,
        then: Box<State>,
        answer: Effects,
    },
    Storing(Recipients),
    Closed,
}

/// One connection, from its banner to its end.
#[derive(Debug)]
pub struct Session {
    setup: Setup,
    state: State,
    /// The name of the last EHLO or HELO; a fact of the session, not of a transaction.
    helo: String,
    /// Whether it was said with LHLO.
    is_lmtp: bool,
    login: Option<Login>,
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
    /// A session that nothing was said in yet.
    pub fn new(setup: Setup) -> Session {
        Session {
            line: LineBuffer::new(setup.limits.command_line),
            setup,
            state: State::Greeting,
            helo: String::new(),
            is_lmtp: false,
            login: None,
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

    /// Bytes that the session holds of what the client sent.
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
        let said = self.helo.len() + self.transcript.len() + self.line.held();
        (source + envelope + said + self.waiting.capacity()) as u64
    }

    /// Tells the session what happened; the answer is what to do.
    pub fn step(&mut self, input: Input<'_>) -> Effects {
        let mut effects = Effects::new();
        let is_waiting = matches!(self.state, State::Greeting | State::Storing(_));
        match input {
            _ if self.is_closed() => {}
            Input::Connected if matches!(self.state, State::Greeting) => {
                if self.answers_by_fault(Stage::Connect, &mut effects) {
                    if !self.is_closed() {
                        self.hang_up(&mut effects);
                    }
                    return effects;
                }
                self.state = State::Opened;
                if let Some(version) = &self.setup.tls {
                    self.transcript.note(&format!("({version})"));
                }
                self.say(Reply::banner(&self.setup.host), &mut effects);
                self.go_on(&mut effects);
            }
            Input::Connected => {}
            Input::TooManySessions => {
                self.close(Reply::too_many_sessions(&self.setup.host), &mut effects)
            }
            // Who reads on after STARTTLS has clear text in hand.
            Input::Bytes(_) if matches!(self.state, State::Handshake) => {}
            Input::Bytes(bytes) if is_waiting => self.hold(bytes, &mut effects),
            Input::Bytes(bytes) => {
                let used = self.consume(bytes, &mut effects);
                self.hold(&bytes[used..], &mut effects);
            }
            Input::Stored(verdict) => {
                if let State::Storing(recipients) = self.state {
                    let reply = match verdict {
                        Ok(id) => {
                            self.bad_commands = 0;
                            Reply::stored(&id)
                        }
                        Err(refusal) => self.refusal(&refusal),
                    };
                    self.end_transaction();
                    self.answer_message(reply, recipients, &mut effects);
                    self.go_on(&mut effects);
                }
            }
            Input::Secured(version) if matches!(self.state, State::Handshake) => {
                self.state = State::Opened;
                self.transcript.note(&format!("({version})"));
                self.setup.tls = Some(version.to_owned());
            }
            Input::Secured(_) => {}
            Input::NoRoom => {
                let refusal = Refusal::Unavailable(
                    "too many messages are in progress, send this one again later".into(),
                );
                self.state = match std::mem::replace(&mut self.state, State::Ready) {
                    State::Data(transfer) => {
                        let recipients = transfer.recipients();
                        State::Draining(transfer.decoder, refusal, recipients)
                    }
                    State::Chunk(chunk) => State::Skipping {
                        left: chunk.left,
                        then: Box::new(State::Ready),
                        answer: vec![Effect::Reply(self.refusal(&refusal))],
                    },
                    // Neither holds more than what was sent ahead.
                    other @ (State::Storing(_) | State::Draining(..) | State::Skipping { .. }) => {
                        other
                    }
                    // Nothing is left to refuse but the session itself.
                    other => {
                        self.state = other;
                        return self.give_way();
                    }
                };
            }
            // Silence while a message is being stored is ours, not the client's.
            Input::TimedOut if matches!(self.state, State::Storing(_)) => {}
            Input::TimedOut => self.close(Reply::idle_too_long(&self.setup.host), &mut effects),
            Input::Eof if matches!(self.state, State::Storing(_)) => {
                self.then = self.then.or(Some(Ending::Eof))
            }
            Input::Eof => self.hang_up(&mut effects),
            Input::ShuttingDown if matches!(self.state, State::Storing(_)) => {
                self.then = Some(Ending::ShuttingDown)
            }
            Input::ShuttingDown => self.close(Reply::shutting_down(&self.setup.host), &mut effects),
        }
        effects
    }

    /// Uses bytes until there are none, or until the session must wait: how many were used.
    fn consume(&mut self, bytes: &[u8], effects: &mut Effects) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            at += match self.state {
                State::Data(_) | State::Draining(..) => self.take_data(&bytes[at..], effects),
                State::Chunk(_) | State::Skipping { .. } => self.take_chunk(&bytes[at..], effects),
                State::Opened
                | State::Ready
                | State::Authenticating(_)
                | State::Sender(_)
                | State::Recipients(_)
                | State::Chunks(_) => self.take_line(&bytes[at..], effects),
                // What was sent behind STARTTLS in clear text is nobody's (RFC 3207 4.2, CVE-2011-0411).
                State::Handshake => bytes.len() - at,
                State::Greeting | State::Storing(_) | State::Closed => break,
            };
        }
        at
    }

    /// Keeps bytes that came too early.
    fn hold(&mut self, bytes: &[u8], effects: &mut Effects) {
        if self.is_closed() || bytes.is_empty() {
            return;
        }
        if self.waiting.len() + bytes.len() > self.setup.limits.pipelined {
            return self.close(Reply::too_much_pipelined(&self.setup.host), effects);
        }
        self.waiting.extend_from_slice(bytes);
    }

    /// Takes up what waited.
    fn go_on(&mut self, effects: &mut Effects) {
        if self.then == Some(Ending::ShuttingDown) {
            return self.close(Reply::shutting_down(&self.setup.host), effects);
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        let used = self.consume(&waiting, effects);
        waiting.drain(..used);
        if !self.is_closed() {
            self.waiting = waiting;
            if self.then == Some(Ending::Eof) && !matches!(self.state, State::Storing(_)) {
                self.hang_up(effects);
            }
        }
    }

    fn take_line(&mut self, bytes: &[u8], effects: &mut Effects) -> usize {
        let (used, line) = self.line.take(bytes);
        if let Some(reply) = intrusion(&self.state, line.as_ref(), &self.setup.limits) {
            self.close(reply, effects);
            return used;
        }
        let reply = match line {
            None => {
                self.check_unfinished_line(effects);
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
                let answer = String::from_utf8_lossy(text).trim().to_owned();
                self.transcript.client(b"(an answer)");
                self.take_answer(&answer, effects)
            }
            Some(Line::Whole { text, bare_lf }) => {
                self.transcript.client(without_secret(text));
                match Command::parse(text) {
                    Ok(command) => {
                        let reply = self.obey(command, effects);
                        if bare_lf {
                            self.warn(Warning::CommandEndsInLf);
                        }
                        reply
                    }
                    Err(error) => Err(Reply::from(&error)),
                }
            }
        };
        match reply {
            Ok(()) => {}
            Err(reply) => {
                self.bad_commands += 1;
                match self.bad_commands > self.setup.limits.bad_commands {
                    true => self.close(Reply::too_many_errors(&self.setup.host), effects),
                    false => self.say(reply, effects),
                }
            }
        }
        used
    }

    /// Ends a session that has not opened yet once its unfinished line cannot become a command. A browser or a TLS client
    /// may send no line end at all.
    fn check_unfinished_line(&mut self, effects: &mut Effects) {
        if !matches!(self.state, State::Opened) {
            return;
        }
        if self.line.first_pending().is_some_and(foreign::is_binary) {
            self.close(Reply::not_smtp(), effects);
        } else if self.line.is_over_limit() {
            self.close(
                Reply::opening_too_long(self.setup.limits.command_line),
                effects,
            );
        }
    }

    /// Does what a command says. `Err` is the reply to a bad one, which changes nothing.
    fn obey(&mut self, command: Command, effects: &mut Effects) -> Result<(), Reply> {
        if let Some(stage) = stage_of(&command) {
            let before = effects.len();
            if self.answers_by_fault(stage, effects) {
                if let (Command::Bdat(size, _), false) = (command, self.is_closed()) {
                    // Its bytes are still to come, and the answer comes after them.
                    let answer = effects.split_off(before);
                    let then = match self.state {
                        State::Opened => State::Opened,
                        _ => State::Ready,
                    };
                    self.skip(size, then, answer, effects);
                }
                return Ok(());
            }
        }
        match command {
            Command::Ehlo(name) => self.open(name, false, effects),
            Command::Lhlo(name) => self.open(name, true, effects),
            Command::Helo(name) => {
                self.is_lmtp = false;
                self.greet(name, Reply::hello(&self.setup.host), effects);
            }
            Command::StartTls => self.start_tls(effects)?,
            Command::Auth(mechanism, initial) => {
                self.begin_log_in(mechanism, initial.as_deref(), effects)?;
            }
            Command::Mail(path, params) => self.mail(path, params, effects)?,
            Command::Rcpt(path, params) => self.rcpt(path, params, effects)?,
            Command::Data => self.data(effects)?,
            Command::Bdat(size, is_last) => self.chunk(size, is_last, effects)?,
            Command::Rset => {
                self.forget();
                self.say(Reply::reset(), effects);
            }
            Command::Noop => self.say(Reply::noop(), effects),
            Command::Vrfy(_) => self.say(Reply::cannot_verify(), effects),
            Command::Help => self.say(Reply::help(self.can_start_tls()), effects),
            Command::Quit => self.close(Reply::bye(), effects),
        }
        Ok(())
    }

    /// Lets happen what is to happen to the next of this stage; true where that is the answer to it.
    fn answers_by_fault(&mut self, stage: Stage, effects: &mut Effects) -> bool {
        match self.setup.faults.reach(stage) {
            None => false,
            Some(Fault::Delay(time)) => {
                effects.push(Effect::Wait(time));
                false
            }
            Some(Fault::Drop) => {
                self.hang_up(effects);
                true
            }
            Some(Fault::Answer(code)) => {
                let reply = Reply::on_demand(code);
                if code == 421 {
                    self.close(reply, effects);
                } else {
                    self.say(reply, effects);
                }
                true
            }
        }
    }

    fn open(&mut self, name: String, is_lmtp: bool, effects: &mut Effects) {
        self.is_lmtp = is_lmtp;
        let size = self.setup.limits.message_size;
        let reply = Reply::extensions(&self.setup.host, size, self.can_start_tls());
        self.greet(name, reply, effects);
    }

    fn can_start_tls(&self) -> bool {
        self.setup.offers_tls && self.setup.tls.is_none()
    }

    fn start_tls(&mut self, effects: &mut Effects) -> Result<(), Reply> {
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
        self.say(Reply::start_tls(), effects);
        // Nothing that was said in clear text counts any more (RFC 3207 4.2).
        self.state = State::Handshake;
        self.helo.clear();
        self.login = None;
        effects.push(Effect::StartTls);
        Ok(())
    }

    fn greet(&mut self, name: String, reply: Reply, effects: &mut Effects) {
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
        self.say(Reply::sender_ok(), effects);
        Ok(())
    }

    fn rcpt(
        &mut self,
        path: Path,
        params: Vec<String>,
        effects: &mut Effects,
    ) -> Result<(), Reply> {
        let (State::Sender(transaction) | State::Recipients(transaction)) = &mut self.state else {
            return Err(Reply::out_of_order("send MAIL FROM first"));
        };
        if !path.address.is_ascii() && !transaction.smtputf8 {
            return Err(Reply::needs_smtputf8());
        }
        if transaction.envelope.recipients.len() >= self.setup.limits.recipients {
            // No bad command: a client may try them all and send the rest in a second message.
            let reply = Reply::too_many_recipients(self.setup.limits.recipients);
            self.say(reply, effects);
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
        self.say(Reply::recipient_ok(), effects);
        Ok(())
    }

    /// Adds a warning to the transaction under way, once; without one there is nothing to show it with.
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

    /// Ends the session for want of memory.
    fn give_way(&mut self) -> Effects {
        let mut effects = Effects::new();
        self.close(Reply::no_memory(&self.setup.host), &mut effects);
        effects
    }

    fn hang_up(&mut self, effects: &mut Effects) {
        self.state = State::Closed;
        self.waiting = Vec::new();
        effects.push(Effect::Close);
    }
}

/// Reply that ends the session where a line cannot be from an SMTP client; nothing sent after it may be interpreted.
fn intrusion(state: &State, line: Option<&Line<'_>>, limits: &Limits) -> Option<Reply> {
    let is_opening = matches!(state, State::Opened);
    let (text, is_whole) = match line? {
        Line::Whole { text, .. } => (*text, true),
        Line::TooLong { start } => (*start, false),
    };
    if is_opening && text.first().copied().is_some_and(foreign::is_binary) {
        return Some(Reply::not_smtp());
    }
    if is_opening && !is_whole {
        return Some(Reply::opening_too_long(limits.command_line));
    }
    if foreign::is_request_line(text) || (!is_whole && foreign::begins_request_line(text)) {
        return Some(Reply::http());
    }
    if foreign::is_header(text) {
        return Some(Reply::header());
    }
    (is_opening && !foreign::may_open_session(text)).then(Reply::not_smtp)
}

fn stage_of(command: &Command) -> Option<Stage> {
    match command {
        Command::Ehlo(_) | Command::Helo(_) | Command::Lhlo(_) => Some(Stage::Helo),
        Command::Auth(..) => Some(Stage::Auth),
        Command::Mail(..) => Some(Stage::Mail),
        Command::Rcpt(..) => Some(Stage::Rcpt),
        Command::Data | Command::Bdat(..) => Some(Stage::Data),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
