//! One SMTP session as the client: from the name of the server to the reply to a mail. Sending, and the dialogue that
//! `check` shows, are this code.
//!
//! Each command has its limit in time, and its stage, so that a failure is reported with what was being done.

use std::borrow::Cow;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::time::{Instant, timeout, timeout_at};

use super::failure::{Cause, Stage, Trouble};
use super::message::Outgoing;
use super::reply::{Features, Reply};
use super::trust::Tls;
use super::wire::Wire;
use crate::dialogue::Step;

/// Mechanisms of logging in, the best first (RFC 4616; LOGIN for servers that have nothing else).
const MECHANISMS: [&str; 2] = ["PLAIN", "LOGIN"];
/// Limit in time for the server's answer to QUIT.
const GOODBYE: Duration = Duration::from_secs(1);

/// How the connection is encrypted, with all that this takes.
#[derive(Clone)]
pub(super) enum Security {
    Clear,
    /// Demanded (RFC 3207).
    StartTls(Tls),
    /// From the first byte (RFC 8314 3.3).
    Implicit(Tls),
}

/// The way to the mail server, from the settings.
pub(super) struct Route {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    /// User name and password.
    pub(super) credentials: Option<(String, String)>,
    /// Name said in EHLO; `None` is the address of this end.
    pub(super) hello: Option<String>,
    /// Whether hints may propose the debugging sink in place of a mail server.
    pub(super) hints_at_sink: bool,
}

impl Route {
    /// `host:port`, for what is said about it.
    pub(super) fn server(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// How long all of it may take, and each of its steps.
#[derive(Clone, Copy)]
pub(super) struct Budget {
    /// Of which each step has its part.
    whole: Duration,
    until: Instant,
}

impl Budget {
    pub(super) fn of(whole: Duration) -> Self {
        Self {
            whole,
            until: Instant::now() + whole,
        }
    }

    /// For whoever sends no mail: each step may take all the time there is.
    pub(super) fn until(whole: Duration) -> Self {
        Self {
            whole: 3 * whole,
            ..Self::of(whole)
        }
    }

    /// A third for each step of getting a connection, so that it is left for the mail.
    async fn connecting<T>(
        &self,
        stage: Stage,
        step: impl Future<Output = T>,
    ) -> Result<T, Trouble> {
        self.within(stage, self.whole / 3, step).await
    }

    /// Half for each command.
    async fn command<T>(&self, stage: Stage, step: impl Future<Output = T>) -> Result<T, Trouble> {
        self.within(stage, self.whole / 2, step).await
    }

    /// All that is left for the last reply: who gives up here may send the mail twice.
    async fn rest<T>(&self, stage: Stage, step: impl Future<Output = T>) -> Result<T, Trouble> {
        self.within(stage, self.whole, step).await
    }

    async fn within<T>(
        &self,
        stage: Stage,
        limit: Duration,
        step: impl Future<Output = T>,
    ) -> Result<T, Trouble> {
        let limit = limit.min(self.until.saturating_duration_since(Instant::now()));
        timeout(limit, step).await.map_err(|_| Trouble {
            stage,
            cause: Cause::TimedOut(limit),
        })
    }
}

/// A session that is ready for mails: greeted, encrypted and logged in, as the route demands.
pub(super) struct Session {
    wire: Wire,
    features: Features,
    /// Number of commands that were sent and whose reply was not read.
    unanswered: usize,
}

impl Session {
    pub(super) async fn open(
        route: &Route,
        budget: &Budget,
        steps: &mut Vec<Step>,
    ) -> Result<Self, Trouble> {
        let mut session = Self {
            wire: connect(route, budget, steps).await?,
            features: Features::default(),
            unanswered: 0,
        };
        match session.prepare(route, budget, steps).await {
            Ok(()) => Ok(session),
            Err(trouble) => {
                // A server logs an error for each session that ends without QUIT; one that is silent is not waited for.
                if !trouble.is_end_of_session() {
                    session.close_within(budget).await;
                }
                Err(trouble)
            }
        }
    }

    async fn prepare(
        &mut self,
        route: &Route,
        budget: &Budget,
        steps: &mut Vec<Step>,
    ) -> Result<(), Trouble> {
        if let Security::Implicit(tls) = &route.security {
            encrypt(&mut self.wire, Stage::Tls, tls, budget, steps).await?;
        }
        let greeting = self.next_reply(Stage::Greeting, budget).await?;
        let greeting = expect(Stage::Greeting, 220, greeting)?;
        steps.push(Step::done(Stage::Greeting.name(), greeting.to_string()));
        let name = hello(route, &self.wire);
        self.hello(&name, budget, steps).await?;
        if let Security::StartTls(tls) = &route.security {
            self.start_tls(tls, budget, steps).await?;
            self.hello(&name, budget, steps).await?;
        }
        if let Some(credentials) = &route.credentials {
            self.log_in(credentials, budget, steps).await?;
        }
        Ok(())
    }

    /// EHLO, or HELO where the server does not know EHLO (RFC 5321 3.2): then it has no extensions.
    async fn hello(
        &mut self,
        name: &str,
        budget: &Budget,
        steps: &mut Vec<Step>,
    ) -> Result<(), Trouble> {
        let ehlo = format!("EHLO {name}");
        let said = match self.ask(Stage::Ehlo, 250, &ehlo, budget).await {
            Ok(reply) => {
                self.features = Features::of(&reply);
                format!("as {name}, offered {}", self.features)
            }
            Err(Trouble {
                cause: Cause::Refused(refusal),
                ..
            }) if matches!(refusal.code, 500 | 502) => {
                let helo = format!("HELO {name}");
                self.ask(Stage::Ehlo, 250, &helo, budget).await?;
                self.features = Features::default();
                format!("{refusal}; then HELO {name}")
            }
            Err(trouble) => return Err(trouble),
        };
        steps.push(Step::done(Stage::Ehlo.name(), said));
        Ok(())
    }

    /// STARTTLS or nothing: a server that does not offer it, or whose certificate is not verified, gets no further
    /// command. What it offered before is forgotten (RFC 3207 4.2).
    async fn start_tls(
        &mut self,
        tls: &Tls,
        budget: &Budget,
        steps: &mut Vec<Step>,
    ) -> Result<(), Trouble> {
        if !self.features.offer("STARTTLS") {
            return Err(Cause::Lacks("STARTTLS".to_owned()).at(Stage::StartTls));
        }
        self.ask(Stage::StartTls, 220, "STARTTLS", budget).await?;
        encrypt(&mut self.wire, Stage::StartTls, tls, budget, steps).await
    }

    /// AUTH (RFC 4954 4). What is sent here is written nowhere else.
    async fn log_in(
        &mut self,
        (user, password): &(String, String),
        budget: &Budget,
        steps: &mut Vec<Step>,
    ) -> Result<(), Trouble> {
        let offered = self.features.mechanisms();
        let mechanism = MECHANISMS
            .into_iter()
            .find(|mechanism| offered.iter().any(|offered| offered == mechanism))
            .ok_or_else(|| Cause::NoMechanism(offered.join(", ")).at(Stage::Auth))?;
        // The command, and the answers to the challenges that follow it; LOGIN asks for the name, then for the password.
        let lines = match mechanism {
            "PLAIN" => {
                let both = STANDARD.encode(format!("\0{user}\0{password}"));
                vec![format!("AUTH PLAIN {both}")]
            }
            _ => vec![
                "AUTH LOGIN".to_owned(),
                STANDARD.encode(user),
                STANDARD.encode(password),
            ],
        };
        let last = lines.len() - 1;
        for (number, line) in lines.iter().enumerate() {
            let wanted = if number == last { 235 } else { 334 };
            let reply = self.ask(Stage::Auth, wanted, line, budget).await;
            // Some servers repeat a command that they do not know.
            let sent = line.strip_prefix("AUTH PLAIN ").unwrap_or(line);
            let secrets = [sent, password];
            let reply = reply.map_err(|trouble| trouble.without(&secrets))?;
            if number == last {
                let reply = reply.without(&secrets);
                let said = format!("{mechanism}: {reply}");
                steps.push(Step::done(Stage::Auth.name(), said));
            }
        }
        Ok(())
    }

    /// Begins a mail transaction and abandons it: shows whether the server accepts the sender, with or without a login.
    pub(super) async fn try_sender(
        &mut self,
        sender: &str,
        budget: &Budget,
        steps: &mut Vec<Step>,
    ) -> Result<(), Trouble> {
        let command = format!("MAIL FROM:<{sender}>");
        let reply = self.ask(Stage::Mail, 250, &command, budget).await?;
        steps.push(said(Stage::Mail, &command, &reply));
        self.ask(Stage::Mail, 250, "RSET", budget).await.map(drop)
    }

    /// One mail transaction (RFC 5321 3.3).
    pub(super) async fn send(
        &mut self,
        mail: &Outgoing,
        budget: &Budget,
        steps: &mut Vec<Step>,
    ) -> Result<Reply, Trouble> {
        let body = mail.body(self.features.offer("8BITMIME"));
        let parameters = self.parameters(mail, body)?;
        let commands = [
            (
                Stage::Mail,
                250,
                format!("MAIL FROM:<{}>{parameters}", mail.from),
            ),
            // 251: taken, and passed on to another address.
            (Stage::Rcpt, 250, format!("RCPT TO:<{}>", mail.to)),
            (Stage::Data, 354, "DATA".to_owned()),
        ];
        if self.features.offer("PIPELINING") {
            // All at once, and their replies in turn (RFC 2920 3.1): one round trip instead of three.
            for (.., command) in &commands {
                self.command(command);
            }
            self.unanswered = commands.len();
            for (stage, wanted, command) in commands {
                let reply = self.next_reply(stage, budget).await;
                self.unanswered -= 1;
                let reply = expect(stage, wanted, reply?)?;
                steps.push(said(stage, &command, &reply));
            }
        } else {
            for (stage, wanted, command) in commands {
                let reply = self.ask(stage, wanted, &command, budget).await?;
                steps.push(said(stage, &command, &reply));
            }
        }
        self.wire.write(&with_dots_doubled(body));
        self.wire.write(b"\r\n.\r\n");
        let reply = budget.rest(Stage::Message, self.wire.reply()).await?;
        let reply = reply.map_err(|cause| cause.at(Stage::Message))?;
        let reply = expect(Stage::Message, 250, reply)?;
        steps.push(Step::done(Stage::Message.name(), reply.to_string()));
        Ok(reply)
    }

    /// Parameters of MAIL; an error where the server lacks what the message needs, for then it can't be sent (RFC 6531 3.5,
    /// RFC 1870 5).
    fn parameters(&self, mail: &Outgoing, body: &[u8]) -> Result<String, Trouble> {
        let mut parameters = String::new();
        if self.features.offer("SIZE") {
            // With the line end that the end of data takes from the body.
            let size = body.len() + 2;
            if let Some(limit) = self.features.size_limit().filter(|limit| size > *limit) {
                return Err(Cause::TooLarge { size, limit }.at(Stage::Mail));
            }
            parameters += &format!(" SIZE={size}");
        }
        if mail.needs_utf8() {
            if !self.features.offer("SMTPUTF8") {
                return Err(Cause::Lacks("SMTPUTF8".to_owned()).at(Stage::Mail));
            }
            parameters += " SMTPUTF8";
        }
        if !body.is_ascii() {
            parameters += " BODY=8BITMIME";
        }
        Ok(parameters)
    }

    async fn ask(
        &mut self,
        stage: Stage,
        wanted: u16,
        command: &str,
        budget: &Budget,
    ) -> Result<Reply, Trouble> {
        self.command(command);
        let reply = self.next_reply(stage, budget).await?;
        expect(stage, wanted, reply)
    }

    fn command(&mut self, command: &str) {
        self.wire.write(command.as_bytes());
        self.wire.write(b"\r\n");
    }

    /// Sends the commands, and reads the reply to the first that has none yet.
    async fn next_reply(&mut self, stage: Stage, budget: &Budget) -> Result<Reply, Trouble> {
        let reply = budget.command(stage, self.wire.reply()).await?;
        reply.map_err(|cause| cause.at(stage))
    }

    /// Closes the session in what time is left.
    pub(super) async fn close_within(self, budget: &Budget) {
        let _ = timeout_at(budget.until, self.close()).await;
    }

    /// Closes the session with QUIT, without insisting on an answer.
    pub(super) async fn close(mut self) {
        let _ = timeout(GOODBYE, self.say_goodbye()).await;
        let _ = timeout(GOODBYE, self.wire.shut_down()).await;
    }

    async fn say_goodbye(&mut self) -> Result<(), Cause> {
        let mut has_recipient = false;
        while self.unanswered > 0 {
            self.unanswered -= 1;
            let reply = self.wire.reply().await?;
            match reply.code {
                // It refused the mail, and waits for a message all the same: an empty one for nobody (RFC 2920 3.1). Where
                // it has taken a recipient after all, that one gets none: the connection ends here.
                354 if has_recipient => return Ok(()),
                354 => {
                    self.command(".");
                    self.wire.reply().await?;
                }
                _ => has_recipient |= !reply.is_refusal(),
            }
        }
        self.command("QUIT");
        self.wire.reply().await.map(|_| ())
    }
}

/// A line that begins with a dot gets another one (RFC 5321 4.5.2).
fn with_dots_doubled(body: &[u8]) -> Cow<'_, [u8]> {
    if !body.starts_with(b".") && !body.windows(2).any(|pair| pair == b"\n.") {
        return Cow::Borrowed(body);
    }
    let mut doubled = Vec::with_capacity(body.len() + 16);
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            doubled.push(b'.');
        }
        doubled.extend_from_slice(line);
    }
    Cow::Owned(doubled)
}

/// What the dialogue shows of a command and its reply.
fn said(stage: Stage, command: &str, reply: &Reply) -> Step {
    Step::done(stage.name(), format!("{command}: {reply}"))
}

/// Whether a reply is of the wanted kind, by its first digit (RFC 5321 4.2.1).
fn expect(stage: Stage, wanted: u16, reply: Reply) -> Result<Reply, Trouble> {
    if reply.code / 100 == wanted / 100 {
        Ok(reply)
    } else if reply.is_refusal() {
        Err(Cause::Refused(reply).at(stage))
    } else {
        Err(Cause::Nonsense(reply.to_string()).at(stage))
    }
}

async fn connect(route: &Route, budget: &Budget, steps: &mut Vec<Step>) -> Result<Wire, Trouble> {
    let named = (route.host.as_str(), route.port);
    let addresses: Vec<SocketAddr> = budget
        .connecting(Stage::LookUp, tokio::net::lookup_host(named))
        .await?
        .map_err(|error| Cause::of_io(error).at(Stage::LookUp))?
        .collect();
    // Each address has its share of the time, so that one that swallows what is sent to it leaves some to the others.
    let share = (budget.whole / 3) / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut last = Cause::of_io(io::Error::other("the name has no address")).at(Stage::LookUp);
    for address in addresses {
        match budget
            .within(Stage::Connect, share, Wire::connect(address))
            .await
        {
            Ok(Ok(wire)) => {
                steps.push(Step::done(Stage::Connect.name(), address.to_string()));
                return Ok(wire);
            }
            Ok(Err(error)) => last = Cause::of_io(error).at(Stage::Connect),
            Err(trouble) => last = trouble,
        }
    }
    Err(last)
}

async fn encrypt(
    wire: &mut Wire,
    stage: Stage,
    tls: &Tls,
    budget: &Budget,
    steps: &mut Vec<Step>,
) -> Result<(), Trouble> {
    let version = budget
        .connecting(stage, wire.encrypt(tls))
        .await?
        .map_err(|error| Cause::of_handshake(error).at(stage))?;
    steps.push(Step::done(
        stage.name(),
        format!("{version}, certificate verified for {}", tls.name()),
    ));
    Ok(())
}

/// Name in EHLO (RFC 5321 4.1.1.1): MAIL_HELO_NAME, else the domain of the sender, else the address of this end.
///
/// Not the machine's own name: in a container and on a laptop it has no dot, and strict relays refuse such a name; where
/// it has one, it is often known inside only, and refused as well. The sender's domain is a name that the relay knows or
/// can look up, and it reveals nothing that the mail does not.
fn hello(route: &Route, wire: &Wire) -> String {
    match (&route.hello, wire.local_address().map(|local| local.ip())) {
        (Some(name), _) => name.clone(),
        (None, Ok(IpAddr::V4(address))) => format!("[{address}]"),
        (None, Ok(IpAddr::V6(address))) => format!("[IPv6:{address}]"),
        (None, Err(_)) => "[127.0.0.1]".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_at_the_start_of_lines_are_doubled_and_no_others() {
        for (body, wanted) in [
            ("a\r\nb. c\r\n", "a\r\nb. c\r\n"),
            (".\r\n..\r\nx.\r\n.", "..\r\n...\r\nx.\r\n.."),
            ("", ""),
        ] {
            let doubled = with_dots_doubled(body.as_bytes());
            assert_eq!(doubled, wanted.as_bytes(), "{body:?}");
        }
    }
}
