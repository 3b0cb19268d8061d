//! One SMTP session as the client: from the name of the server to the reply to a mail. Sending and the dialogue that
//! `check` shows are this code; what it says on its way goes into the steps.
//!
//! lettre writes commands and reads replies. Each of them has its limit in time here, since lettre waits without one,
//! and its stage, so that a failure can be told with what was being done.

use std::fmt::Display;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Auth, Data, Ehlo, Mail, Quit, Rcpt, Rset, Starttls};
use lettre::transport::smtp::extension::{ClientId, MailBodyParameter, MailParameter};
use tokio::time::{Instant, timeout, timeout_at};

use super::failure::{Cause, Stage, Trouble, answered};
use super::message::Outgoing;
use super::reply::{Features, Reply};
use super::trust::Tls;
use super::wire::Wire;
use crate::mail::dialogue::Step;

/// How we log in, the best first (RFC 4616; LOGIN for servers that have nothing else).
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];
/// How often a server may ask back while we log in: LOGIN takes two.
const CHALLENGES: usize = 4;
/// How long a session that ends waits for the server to say goodbye.
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
    pub(super) credentials: Option<Credentials>,
    /// What we call ourselves; `None` is the address of our end.
    pub(super) hello: Option<String>,
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
    connection: AsyncSmtpConnection,
    wire: Wire,
    features: Features,
    /// How many commands that were sent have had no reply yet, though no one waits for it.
    unanswered: usize,
}

impl Session {
    pub(super) async fn open(
        route: &Route,
        budget: &Budget,
        steps: &mut Vec<Step>,
    ) -> Result<Self, Trouble> {
        let wire = connect(route, budget, steps).await?;
        if let Security::Implicit(tls) = &route.security {
            encrypt(&wire, Stage::Tls, tls, budget, steps).await?;
        }
        let hello = hello(route, &wire);
        let mut session = Self::greet(wire, &hello, budget, steps).await?;
        if let Security::StartTls(tls) = &route.security {
            session.start_tls(tls, &hello, budget, steps).await?;
        }
        if let Some(credentials) = &route.credentials {
            session.log_in(credentials, budget, steps).await?;
        }
        Ok(session)
    }

    /// The server's greeting, and what it offers.
    async fn greet(
        wire: Wire,
        hello: &ClientId,
        budget: &Budget,
        steps: &mut Vec<Step>,
    ) -> Result<Self, Trouble> {
        let greeting = AsyncSmtpConnection::connect_with_transport(Box::new(wire.clone()), hello);
        let outcome = budget.command(Stage::Greeting, greeting).await;
        // lettre does two things in one here: which of them failed is told by what was heard.
        let heard = Reply::all(&wire.heard());
        let stage = match heard.first() {
            Some(greeting) if !greeting.is_refusal() => {
                steps.push(Step::done(Stage::Greeting.name(), greeting.to_string()));
                Stage::Ehlo
            }
            _ => Stage::Greeting,
        };
        // It says QUIT where EHLO was refused, and a server that is silent then must not hide its own refusal.
        let refusal = heard.iter().take(2).find(|reply| reply.is_refusal());
        let connection = match (outcome, refusal) {
            (Ok(Ok(connection)), _) => connection,
            (_, Some(refusal)) => return Err(Cause::Refused(refusal.clone()).at(stage)),
            (Ok(Err(error)), None) => return Err(Cause::of_smtp(&error, &wire).at(stage)),
            (Err(trouble), None) => return Err(trouble.cause.at(stage)),
        };
        let features = heard.get(1).map(Features::of).unwrap_or_default();
        steps.push(Step::done(
            Stage::Ehlo.name(),
            format!("as {hello}, offered {features}"),
        ));
        Ok(Self {
            connection,
            wire,
            features,
            unanswered: 0,
        })
    }

    /// STARTTLS or nothing: a server that does not offer it, or whose certificate is not verified, gets no further
    /// word. What it offered before is forgotten (RFC 3207 4.2).
    async fn start_tls(
        &mut self,
        tls: &Tls,
        hello: &ClientId,
        budget: &Budget,
        steps: &mut Vec<Step>,
    ) -> Result<(), Trouble> {
        if !self.features.offer("STARTTLS") {
            return Err(Cause::Lacks("STARTTLS".to_owned()).at(Stage::StartTls));
        }
        self.ask(Stage::StartTls, 220, Starttls, budget).await?;
        encrypt(&self.wire, Stage::StartTls, tls, budget, steps).await?;
        let ehlo = Ehlo::new(hello.clone());
        let reply = self.ask(Stage::Ehlo, 250, ehlo, budget).await?;
        self.features = Features::of(&reply);
        let offered = format!("as {hello}, offered {}", self.features);
        steps.push(Step::done(Stage::Ehlo.name(), offered));
        Ok(())
    }

    /// AUTH (RFC 4954 4). What is sent here is written down nowhere.
    async fn log_in(
        &mut self,
        credentials: &Credentials,
        budget: &Budget,
        steps: &mut Vec<Step>,
    ) -> Result<(), Trouble> {
        let offered = self.features.mechanisms();
        let mechanism = MECHANISMS
            .into_iter()
            .find(|mechanism| offered.contains(&mechanism.to_string()))
            .ok_or_else(|| Cause::NoMechanism(offered.join(", ")).at(Stage::Auth))?;
        let nonsense =
            |error: lettre::transport::smtp::Error| Cause::nonsense(&error).at(Stage::Auth);
        let mut command = Auth::new(mechanism, credentials.clone(), None).map_err(nonsense)?;
        for _ in 0..CHALLENGES {
            self.wire.forget();
            let asked = self.connection.command(command);
            let response = budget.command(Stage::Auth, asked).await?;
            let response =
                response.map_err(|error| Cause::of_smtp(&error, &self.wire).at(Stage::Auth))?;
            if !response.has_code(334) {
                let reply = expect(Stage::Auth, 235, Reply::from(&response))?;
                let said = format!("{mechanism}: {reply}");
                steps.push(Step::done(Stage::Auth.name(), said));
                return Ok(());
            }
            command = Auth::new_from_response(mechanism, credentials.clone(), &response)
                .map_err(nonsense)?;
        }
        Err(Cause::Nonsense("it asks for more and more".to_owned()).at(Stage::Auth))
    }

    /// Begins a mail transaction and abandons it: shows whether the server accepts the sender, with or without a login.
    pub(super) async fn try_sender(
        &mut self,
        sender: &Address,
        budget: &Budget,
        steps: &mut Vec<Step>,
    ) -> Result<(), Trouble> {
        let command = Mail::new(Some(sender.clone()), Vec::new()).to_string();
        let reply = self.ask(Stage::Mail, 250, &command, budget).await?;
        steps.push(said(Stage::Mail, &command, &reply));
        self.ask(Stage::Mail, 250, Rset, budget).await.map(drop)
    }

    /// One mail transaction (RFC 5321 3.3).
    pub(super) async fn send(
        &mut self,
        mail: &Outgoing,
        budget: &Budget,
        steps: &mut Vec<Step>,
    ) -> Result<Reply, Trouble> {
        let parameters = self.parameters(mail)?;
        let commands = [
            (
                Stage::Mail,
                250,
                Mail::new(Some(mail.from.clone()), parameters).to_string(),
            ),
            // 251: taken, and passed on to another address.
            (
                Stage::Rcpt,
                250,
                Rcpt::new(mail.to.clone(), Vec::new()).to_string(),
            ),
            (Stage::Data, 354, Data.to_string()),
        ];
        if self.features.offer("PIPELINING") {
            // All at once, and their replies in turn (RFC 2920 3.1): one round trip instead of three.
            let mut together = Some(
                commands
                    .each_ref()
                    .map(|(.., command)| command.as_str())
                    .concat(),
            );
            self.unanswered = commands.len();
            for (stage, wanted, command) in commands {
                let reply = self.next_reply(stage, together.take(), budget).await;
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
        self.wire.forget();
        let response = budget
            .rest(Stage::Message, self.connection.message(mail.body()))
            .await?;
        let reply = answered(Stage::Message, response, &self.wire)?;
        let reply = expect(Stage::Message, 250, reply)?;
        steps.push(Step::done(Stage::Message.name(), reply.to_string()));
        Ok(reply)
    }

    /// What the mail asks of the server beyond plain ASCII; an error where it can't have it, for then it can't be sent
    /// (RFC 6531 3.5, RFC 6152 3).
    fn parameters(&self, mail: &Outgoing) -> Result<Vec<MailParameter>, Trouble> {
        let mut parameters = Vec::new();
        for (is_needed, keyword, parameter) in [
            (mail.needs_utf8(), "SMTPUTF8", MailParameter::SmtpUtfEight),
            (
                !mail.body().is_ascii(),
                "8BITMIME",
                MailParameter::Body(MailBodyParameter::EightBitMime),
            ),
        ] {
            if is_needed && !self.features.offer(keyword) {
                return Err(Cause::Lacks(keyword.to_owned()).at(Stage::Mail));
            }
            if is_needed {
                parameters.push(parameter);
            }
        }
        Ok(parameters)
    }

    async fn ask(
        &mut self,
        stage: Stage,
        wanted: u16,
        command: impl Display,
        budget: &Budget,
    ) -> Result<Reply, Trouble> {
        let reply = self.next_reply(stage, Some(command), budget).await?;
        expect(stage, wanted, reply)
    }

    /// The reply to a command, or to the next one of those that were sent before.
    async fn next_reply(
        &mut self,
        stage: Stage,
        command: Option<impl Display>,
        budget: &Budget,
    ) -> Result<Reply, Trouble> {
        self.wire.forget();
        let response = async {
            match command {
                Some(command) => self.connection.command(command).await,
                None => self.connection.read_response().await,
            }
        };
        let response = budget.command(stage, response).await?;
        answered(stage, response, &self.wire)
    }

    /// Takes leave in what time is left.
    pub(super) async fn close_within(self, budget: &Budget) {
        let _ = timeout_at(budget.until, self.close()).await;
    }

    /// Takes leave, without insisting on an answer.
    pub(super) async fn close(mut self) {
        let _ = timeout(GOODBYE, self.say_goodbye()).await;
    }

    async fn say_goodbye(&mut self) -> Result<(), lettre::transport::smtp::Error> {
        let mut has_recipient = false;
        while self.unanswered > 0 {
            self.unanswered -= 1;
            match self.connection.read_response().await {
                // It refused the mail, and waits for a message all the same: an empty one for nobody (RFC 2920 3.1). Where
                // it has taken a recipient after all, that one gets none: the connection ends here.
                Ok(reply) if reply.has_code(354) && has_recipient => return Ok(()),
                Ok(reply) if reply.has_code(354) => drop(self.connection.command(".\r\n").await),
                reply => has_recipient |= reply.is_ok(),
            }
        }
        self.connection.command(Quit).await.map(|_| ())
    }
}

/// What the dialogue shows of a command and its reply.
fn said(stage: Stage, command: &str, reply: &Reply) -> Step {
    Step::done(stage.name(), format!("{}: {reply}", command.trim_end()))
}

/// Whether a reply is of the wanted kind, by its first digit (RFC 5321 4.2.1).
fn expect(stage: Stage, wanted: u16, reply: Reply) -> Result<Reply, Trouble> {
    if reply.code / 100 == wanted / 100 {
        Ok(reply)
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
    wire: &Wire,
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

/// What we call ourselves (RFC 5321 4.1.1.1): the domain of the sender, and where that is none, our address.
///
/// Not the machine's own name: in a container and on a laptop it has no dot, and relays that are strict refuse such a
/// one; where it has one, it is often known inside only, and refused as well. The sender's domain is a name that the
/// relay knows or can look up, and tells it nothing about us that the mail does not.
fn hello(route: &Route, wire: &Wire) -> ClientId {
    match (&route.hello, wire.local_address().map(|local| local.ip())) {
        (Some(domain), _) => ClientId::Domain(domain.clone()),
        (None, Ok(IpAddr::V4(address))) => ClientId::Ipv4(address),
        (None, Ok(IpAddr::V6(address))) => ClientId::Ipv6(address),
        (None, Err(_)) => ClientId::default(),
    }
}
