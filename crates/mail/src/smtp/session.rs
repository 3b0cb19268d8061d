//! SMTP session of the client, from the look-up of the server's name to the reply to a mail.
//!
//! The delivery and the dialogue that `check` shows use the same code. Each command has a time limit and a stage, so that a
//! failure names the command.

use std::borrow::Cow;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::time::{timeout, timeout_at};

use super::failure::{Cause, Failure, Stage};
use super::message::Outgoing;
use super::reply::{Features, Reply};
use super::route::{Route, Security};
use super::time_budget::TimeBudget;
use super::trust::Tls;
use super::wire::Wire;
use crate::dialogue::Step;

/// Mechanisms for the login, in the order of preference (RFC 4616; LOGIN for servers that offer no other).
const MECHANISMS: [&str; 2] = ["PLAIN", "LOGIN"];
/// Time limit for the server's reply to QUIT.
const QUIT_TIMEOUT: Duration = Duration::from_secs(1);

/// Session that is ready for mails: greeted, encrypted and logged in, as the route requires.
pub(super) struct Session {
    wire: Wire,
    features: Features,
    /// Number of commands that were sent and whose replies were not read.
    unanswered: usize,
}

impl Session {
    pub(super) async fn open(
        route: &Route,
        budget: &TimeBudget,
        steps: &mut Vec<Step>,
    ) -> Result<Self, Failure> {
        let mut session = Self {
            wire: connect(route, budget, steps).await?,
            features: Features::default(),
            unanswered: 0,
        };
        match session.prepare(route, budget, steps).await {
            Ok(()) => Ok(session),
            Err(failure) => {
                // Servers log an error for a session that ends without QUIT. A silent server gets none: it would be waited for.
                if !failure.ends_session() {
                    session.close_within(budget).await;
                }
                Err(failure)
            }
        }
    }

    async fn prepare(
        &mut self,
        route: &Route,
        budget: &TimeBudget,
        steps: &mut Vec<Step>,
    ) -> Result<(), Failure> {
        if let Security::Implicit(tls) = &route.security {
            encrypt(&mut self.wire, Stage::Tls, tls, budget, steps).await?;
        }
        let greeting = self.next_reply(Stage::Greeting, budget).await?;
        let greeting = expect(Stage::Greeting, 220, greeting)?;
        steps.push(Step::done(Stage::Greeting.name(), greeting.to_string()));
        let name = helo_name(route, &self.wire);
        self.greet(&name, budget, steps).await?;
        if let Security::StartTls(tls) = &route.security {
            self.start_tls(tls, budget, steps).await?;
            self.greet(&name, budget, steps).await?;
        }
        if let Some(credentials) = &route.credentials {
            self.log_in(credentials, budget, steps).await?;
        }
        Ok(())
    }

    /// Sends EHLO, or HELO to a server that does not support EHLO (RFC 5321 3.2) and so has no extensions.
    async fn greet(
        &mut self,
        name: &str,
        budget: &TimeBudget,
        steps: &mut Vec<Step>,
    ) -> Result<(), Failure> {
        let ehlo = format!("EHLO {name}");
        let detail = match self.ask(Stage::Ehlo, 250, &ehlo, budget).await {
            Ok(reply) => {
                self.features = Features::from_reply(&reply);
                format!("as {name}, offered {}", self.features)
            }
            Err(Failure {
                cause: Cause::Refused(refusal),
                ..
            }) if matches!(refusal.code, 500 | 502) => {
                let helo = format!("HELO {name}");
                self.ask(Stage::Ehlo, 250, &helo, budget).await?;
                self.features = Features::default();
                format!("{refusal}; then HELO {name}")
            }
            Err(failure) => return Err(failure),
        };
        steps.push(Step::done(Stage::Ehlo.name(), detail));
        Ok(())
    }

    /// Encrypts the connection with STARTTLS. A server that does not offer it, or whose certificate is not verified, gets no
    /// further command. The extensions that it offered before are discarded (RFC 3207 4.2).
    async fn start_tls(
        &mut self,
        tls: &Tls,
        budget: &TimeBudget,
        steps: &mut Vec<Step>,
    ) -> Result<(), Failure> {
        if !self.features.offers("STARTTLS") {
            return Err(Cause::MissingExtension("STARTTLS".to_owned()).at(Stage::StartTls));
        }
        self.ask(Stage::StartTls, 220, "STARTTLS", budget).await?;
        encrypt(&mut self.wire, Stage::StartTls, tls, budget, steps).await
    }

    /// Logs in with AUTH (RFC 4954 4). The commands are in no step and no error, since they contain the password.
    async fn log_in(
        &mut self,
        (user, password): &(String, String),
        budget: &TimeBudget,
        steps: &mut Vec<Step>,
    ) -> Result<(), Failure> {
        let offered = self.features.mechanisms();
        let mechanism = MECHANISMS
            .into_iter()
            .find(|mechanism| offered.iter().any(|offered| offered == mechanism))
            .ok_or_else(|| Cause::NoAuthMechanism(offered.join(", ")).at(Stage::Auth))?;
        // The command, and the answers to the challenges: LOGIN requests the user name, then the password.
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
            let expected = if number == last { 235 } else { 334 };
            let reply = self.ask(Stage::Auth, expected, line, budget).await;
            // Some servers repeat an unknown command in their reply.
            let sent = line.strip_prefix("AUTH PLAIN ").unwrap_or(line);
            let secrets = [sent, password];
            let reply = reply.map_err(|failure| failure.without(&secrets))?;
            if number == last {
                let reply = reply.without(&secrets);
                let detail = format!("{mechanism}: {reply}");
                steps.push(Step::done(Stage::Auth.name(), detail));
            }
        }
        Ok(())
    }

    /// Begins a mail transaction and abandons it: shows whether the server accepts the sender, with or without a login.
    pub(super) async fn try_sender(
        &mut self,
        sender: &str,
        budget: &TimeBudget,
        steps: &mut Vec<Step>,
    ) -> Result<(), Failure> {
        let command = format!("MAIL FROM:<{sender}>");
        let reply = self.ask(Stage::Mail, 250, &command, budget).await?;
        steps.push(command_step(Stage::Mail, &command, &reply));
        self.ask(Stage::Mail, 250, "RSET", budget).await.map(drop)
    }

    /// Sends a mail in one transaction (RFC 5321 3.3), and returns the reply to the message.
    pub(super) async fn send(
        &mut self,
        mail: &Outgoing,
        budget: &TimeBudget,
        steps: &mut Vec<Step>,
    ) -> Result<Reply, Failure> {
        let body = mail.body(self.features.offers("8BITMIME"));
        let parameters = self.parameters(mail, body)?;
        let commands = [
            (
                Stage::Mail,
                250,
                format!("MAIL FROM:<{}>{parameters}", mail.from),
            ),
            // 251: accepted, and forwarded to another address.
            (Stage::Rcpt, 250, format!("RCPT TO:<{}>", mail.to)),
            (Stage::Data, 354, "DATA".to_owned()),
        ];
        if self.features.offers("PIPELINING") {
            // All commands in one packet, then their replies (RFC 2920 3.1): one round trip instead of three.
            for (.., command) in &commands {
                self.command(command);
            }
            self.unanswered = commands.len();
            for (stage, expected, command) in commands {
                let reply = self.next_reply(stage, budget).await;
                self.unanswered -= 1;
                let reply = expect(stage, expected, reply?)?;
                steps.push(command_step(stage, &command, &reply));
            }
        } else {
            for (stage, expected, command) in commands {
                let reply = self.ask(stage, expected, &command, budget).await?;
                steps.push(command_step(stage, &command, &reply));
            }
        }
        self.wire.write(&dot_stuffed(body));
        self.wire.write(b"\r\n.\r\n");
        let reply = budget
            .limit_last_reply(Stage::Message, self.wire.reply())
            .await?;
        let reply = reply.map_err(|cause| cause.at(Stage::Message))?;
        let reply = expect(Stage::Message, 250, reply)?;
        steps.push(Step::done(Stage::Message.name(), reply.to_string()));
        Ok(reply)
    }

    /// Returns the parameters of MAIL, or an error if the server lacks an extension that the message needs, or the message is
    /// too large (RFC 6531 3.5, RFC 1870 5).
    fn parameters(&self, mail: &Outgoing, body: &[u8]) -> Result<String, Failure> {
        let mut parameters = String::new();
        if self.features.offers("SIZE") {
            // Including the last line end, which is sent as part of the end of data.
            let size = body.len() + 2;
            if let Some(limit) = self.features.size_limit().filter(|limit| size > *limit) {
                return Err(Cause::MessageTooLarge { size, limit }.at(Stage::Mail));
            }
            parameters += &format!(" SIZE={size}");
        }
        if mail.needs_utf8() {
            if !self.features.offers("SMTPUTF8") {
                return Err(Cause::MissingExtension("SMTPUTF8".to_owned()).at(Stage::Mail));
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
        expected: u16,
        command: &str,
        budget: &TimeBudget,
    ) -> Result<Reply, Failure> {
        self.command(command);
        let reply = self.next_reply(stage, budget).await?;
        expect(stage, expected, reply)
    }

    fn command(&mut self, command: &str) {
        self.wire.write(command.as_bytes());
        self.wire.write(b"\r\n");
    }

    /// Sends the written commands, and reads the next reply.
    async fn next_reply(&mut self, stage: Stage, budget: &TimeBudget) -> Result<Reply, Failure> {
        let reply = budget.limit_command(stage, self.wire.reply()).await?;
        reply.map_err(|cause| cause.at(stage))
    }

    /// Closes the session within the remaining time.
    pub(super) async fn close_within(self, budget: &TimeBudget) {
        let _ = timeout_at(budget.deadline(), self.close()).await;
    }

    /// Closes the session with QUIT, and waits for the reply for a short time only.
    pub(super) async fn close(mut self) {
        let _ = timeout(QUIT_TIMEOUT, self.quit()).await;
        let _ = timeout(QUIT_TIMEOUT, self.wire.shut_down()).await;
    }

    async fn quit(&mut self) -> Result<(), Cause> {
        let mut has_recipient = false;
        while self.unanswered > 0 {
            self.unanswered -= 1;
            let reply = self.wire.reply().await?;
            match reply.code {
                // The server refused the mail and waits for a message nevertheless: it gets an empty one, without recipients
                // (RFC 2920 3.1). If it has accepted a recipient, the connection is closed instead, so that no empty mail is
                // delivered.
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

/// Doubles the dot at the beginning of a line (RFC 5321 4.5.2).
fn dot_stuffed(body: &[u8]) -> Cow<'_, [u8]> {
    if !body.starts_with(b".") && !body.windows(2).any(|pair| pair == b"\n.") {
        return Cow::Borrowed(body);
    }
    let mut stuffed = Vec::with_capacity(body.len() + 16);
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
    }
    Cow::Owned(stuffed)
}

/// Returns the step of a command and its reply.
fn command_step(stage: Stage, command: &str, reply: &Reply) -> Step {
    Step::done(stage.name(), format!("{command}: {reply}"))
}

/// Returns the reply if its first digit is the expected one (RFC 5321 4.2.1).
fn expect(stage: Stage, expected: u16, reply: Reply) -> Result<Reply, Failure> {
    if reply.code / 100 == expected / 100 {
        Ok(reply)
    } else if reply.is_refusal() {
        Err(Cause::Refused(reply).at(stage))
    } else {
        Err(Cause::UnexpectedReply(reply.to_string()).at(stage))
    }
}

async fn connect(
    route: &Route,
    budget: &TimeBudget,
    steps: &mut Vec<Step>,
) -> Result<Wire, Failure> {
    let named = (route.host.as_str(), route.port);
    let addresses: Vec<SocketAddr> = budget
        .limit_connect(Stage::LookUp, tokio::net::lookup_host(named))
        .await?
        .map_err(|error| Cause::from_io(error).at(Stage::LookUp))?
        .collect();
    // Each address gets a part of the time, so that an address that drops packets leaves time for the others.
    let share = budget.connect_limit() / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut last = Cause::from_io(io::Error::other("the name has no address")).at(Stage::LookUp);
    for address in addresses {
        match budget
            .limit(Stage::Connect, share, Wire::connect(address))
            .await
        {
            Ok(Ok(wire)) => {
                steps.push(Step::done(Stage::Connect.name(), address.to_string()));
                return Ok(wire);
            }
            Ok(Err(error)) => last = Cause::from_io(error).at(Stage::Connect),
            Err(failure) => last = failure,
        }
    }
    Err(last)
}

async fn encrypt(
    wire: &mut Wire,
    stage: Stage,
    tls: &Tls,
    budget: &TimeBudget,
    steps: &mut Vec<Step>,
) -> Result<(), Failure> {
    let version = budget
        .limit_connect(stage, wire.encrypt(tls))
        .await?
        .map_err(|error| Cause::from_handshake(error).at(stage))?;
    steps.push(Step::done(
        stage.name(),
        format!("{version}, certificate verified for {}", tls.name()),
    ));
    Ok(())
}

/// Returns the name for EHLO (RFC 5321 4.1.1.1): MAIL_HELO_NAME, else the domain of the sender, else the address of this end
/// of the connection.
///
/// The machine's own name was rejected: in a container and on a laptop it has no dot, and strict relays refuse such a name.
/// A name with a dot often exists in the internal network only, and is refused as well. The relay can look up the sender's
/// domain, which reveals nothing that the mail does not.
fn helo_name(route: &Route, wire: &Wire) -> String {
    match (
        &route.helo_name,
        wire.local_address().map(|local| local.ip()),
    ) {
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
    fn only_dots_at_the_beginning_of_lines_are_doubled() {
        for (body, expected) in [
            ("a\r\nb. c\r\n", "a\r\nb. c\r\n"),
            (".\r\n..\r\nx.\r\n.", "..\r\n...\r\nx.\r\n.."),
            ("", ""),
        ] {
            let stuffed = dot_stuffed(body.as_bytes());
            assert_eq!(stuffed, expected.as_bytes(), "{body:?}");
        }
    }
}
