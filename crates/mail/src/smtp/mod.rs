//! SMTP client. STARTTLS is required and never optional, certificates are verified, and sessions are kept for the next mail.
//!
//! [`SmtpMailer`] is the entry point. Its modules, each of which uses only modules in the rows below it:
//!
//! | module | purpose |
//! | --- | --- |
//! | `pool` | sessions between two mails, and the mails that wait for one |
//! | `session` | commands of a session in their order |
//! | `delivery_error` | error for the use cases, from a failure |
//! | `error_messages`, then `tls_messages` | messages and hints of failures |
//! | `verdict` | meaning of a refusal: this mail, or all mails |
//! | `wire` | connection, in plaintext or encrypted |
//! | `time_budget` | time limits |
//! | `failure`, `route`, `message` | failure of a session, way to the server, message in bytes |
//! | `trust`, `reply` | certificates, replies of the server |

mod delivery_error;
mod error_messages;
mod failure;
mod message;
mod pool;
mod reply;
mod route;
mod session;
#[cfg(test)]
mod tests;
mod time_budget;
mod tls_messages;
mod trust;
mod verdict;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use self::message::check_sender;
pub use self::trust::Certificates;

use movie_bag_core::domain::clock::{Rng, draw};
use movie_bag_core::domain::mail_server::Capacity;
use movie_bag_core::domain::outbox::Round;
use movie_bag_core::ports::mail::{
    DeliveryError, MailSession, Mailer, Message, NoSession, Receipt, SendError,
};

use self::delivery_error::delivery_error;
use self::failure::{Cause, Failure, Stage};
use self::message::Outgoing;
use self::pool::{Permit, Pool};
use self::reply::Reply;
use self::route::{Route, Security};
use self::session::Session;
use self::time_budget::TimeBudget;
use self::trust::Tls;
use super::dialogue::{Dialogue, Step};

/// Time after which an idle session is closed.
const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// Encryption of the connection to the mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// No encryption.
    None,
    /// STARTTLS, required (RFC 3207).
    StartTls,
    /// TLS from the first byte (RFC 8314 3.3).
    Implicit,
}

/// Options of the client.
#[derive(Clone)]
pub struct SmtpOptions {
    /// Host name of the server.
    pub server: String,
    /// Port of the server.
    pub port: u16,
    /// User name and password, if the server requires a login.
    pub credentials: Option<(String, String)>,
    /// Encryption of the connection.
    pub encryption: Encryption,
    /// Certificates that are trusted in addition to those of the public authorities.
    pub trusted: Certificates,
    /// Sender of the mails.
    pub sender: String,
    /// Name in EHLO; the default is [`default_helo_name`].
    pub helo_name: Option<String>,
    /// Maximum number of connections at the same time.
    pub connections: usize,
    /// Source of the jitter of delays.
    pub rng: Arc<dyn Rng>,
    /// Time limit of one mail, from the connection to the last reply.
    pub timeout: Duration,
    /// Whether hints may propose the debugging sink in place of a mail server.
    pub hints_at_sink: bool,
}

/// Client of a mail server. A clone is another handle on the same client.
#[derive(Clone)]
pub struct SmtpMailer {
    route: Arc<Route>,
    /// Sender address, unless it needs SMTPUTF8.
    sender: Option<String>,
    pool: Arc<Pool>,
    timeout: Duration,
    rng: Arc<dyn Rng>,
}

/// Session of the pool that is reserved for one mail.
struct PooledSession {
    mailer: SmtpMailer,
    round: Round,
    /// `None` after the session was kept for another mail or closed.
    session: Option<(Permit, Session)>,
    /// Time budget of a new session, part of which its opening has used; `None` for a session that was idle.
    opening: Option<TimeBudget>,
}

/// Returns the default name for EHLO: the sender's domain, if it can be looked up in DNS. Without one, it is the address
/// of this end of the connection.
pub fn default_helo_name(sender: &str) -> Option<String> {
    message::public_domain(sender)
}

impl SmtpMailer {
    /// Returns a client, without connecting to the server.
    ///
    /// # Errors
    /// The server's name is not one that TLS can verify.
    pub fn new(options: SmtpOptions) -> Result<Self, DeliveryError> {
        let tls = || {
            Tls::new(&options.server, &options.trusted).map_err(|error| {
                DeliveryError::Unreachable {
                    message: format!(
                        "cannot verify mail server {} with TLS: {error}",
                        options.server
                    ),
                    hint: "set MAIL_SERVER to the name in the server's certificate".to_owned(),
                }
            })
        };
        let security = match options.encryption {
            Encryption::None => Security::Plaintext,
            Encryption::StartTls => Security::StartTls(tls()?),
            Encryption::Implicit => Security::Implicit(tls()?),
        };
        let route = Route {
            security,
            credentials: options.credentials,
            helo_name: options
                .helo_name
                .or_else(|| default_helo_name(&options.sender)),
            host: options.server,
            port: options.port,
            hints_at_sink: options.hints_at_sink,
        };
        Ok(Self {
            route: Arc::new(route),
            sender: message::ascii_sender(&options.sender),
            pool: Pool::new(options.connections, IDLE_LIMIT),
            timeout: options.timeout,
            rng: options.rng,
        })
    }

    /// Connects, encrypts, logs in and names the sender as for a mail, and returns the dialogue. No mail is sent. The time limit
    /// is the shorter one of `limit` and the time limit of a mail.
    pub async fn probe(&self, limit: Duration) -> Dialogue<()> {
        let budget = TimeBudget::undivided(limit.min(self.timeout));
        let mut steps = Vec::new();
        let probed = async {
            let mut session = Session::open(&self.route, &budget, &mut steps).await?;
            let outcome = match &self.sender {
                Some(sender) => session.try_sender(sender, &budget, &mut steps).await,
                None => Ok(()),
            };
            session.close_within(&budget).await;
            outcome
        };
        let outcome = probed.await;
        self.dialogue(steps, outcome)
    }

    /// Sends one mail over a new session and returns the dialogue. Each step may use all the remaining time.
    pub async fn converse(&self, message: &Message) -> Dialogue<Receipt> {
        let mut steps = Vec::new();
        let mail = match outgoing(message) {
            Ok(mail) => mail,
            Err(error) => return Dialogue::failed(steps, error),
        };
        let budget = TimeBudget::undivided(self.timeout);
        let result = async {
            let mut session = Session::open(&self.route, &budget, &mut steps).await?;
            let reply = session.send(&mail, &budget, &mut steps).await;
            if !reply.as_ref().is_err_and(Failure::ends_session) {
                session.close().await;
            }
            reply
        };
        let outcome = result.await.map(|reply| receipt(&reply));
        self.dialogue(steps, outcome)
    }

    fn dialogue<T>(&self, mut steps: Vec<Step>, outcome: Result<T, Failure>) -> Dialogue<T> {
        let outcome = outcome.map_err(|failure| {
            let (error, hint) = delivery_error(&failure, &self.route);
            steps.push(Step::failed(failure.stage.name(), error.to_string()));
            (error, Some(hint))
        });
        Dialogue { steps, outcome }
    }

    /// Waits for an idle session, or opens one, in the turn of a mail of this round.
    async fn pooled_session(&self, round: Round) -> Result<PooledSession, NoSession> {
        let paused = |error| NoSession {
            error,
            was_attempted: false,
        };
        let (permit, session, opening) = loop {
            let (mut permit, idle) = self.pool.acquire(round).await.map_err(paused)?;
            if let Some(session) = idle {
                break (permit, session, None);
            }
            let budget = TimeBudget::new(self.timeout);
            match Session::open(&self.route, &budget, &mut Vec::new()).await {
                Ok(session) => {
                    permit.opened();
                    break (permit, session, Some(budget));
                }
                Err(failure) => {
                    let (error, _) = delivery_error(&failure, &self.route);
                    // While other sessions are open, the mail waits for one of them.
                    if permit.failed(&error, u32::from_be_bytes(draw(&*self.rng))) {
                        return Err(NoSession {
                            error,
                            was_attempted: true,
                        });
                    }
                }
            }
        };
        Ok(PooledSession {
            mailer: self.clone(),
            round,
            session: Some((permit, session)),
            opening,
        })
    }
}

impl PooledSession {
    /// Sends the mail over the session, which is kept, closed or dropped afterwards.
    async fn send_once(&mut self, mail: &Outgoing) -> Result<Reply, Failure> {
        let Some((permit, mut session)) = self.session.take() else {
            return Err(Cause::Closed.at(Stage::Mail));
        };
        let budget = self
            .opening
            .unwrap_or_else(|| TimeBudget::new(self.mailer.timeout));
        let sent = session.send(mail, &budget, &mut Vec::new()).await;
        match &sent {
            Ok(_) => permit.keep(session),
            Err(failure) if failure.ends_session() => {}
            // The session is not used again: a mail that was refused over this session may be accepted over another one.
            Err(_) => permit.close(session),
        }
        sent
    }
}

#[async_trait]
impl MailSession for PooledSession {
    async fn send(mut self: Box<Self>, message: &Message) -> Result<Receipt, SendError> {
        let mail = outgoing(message).map_err(SendError::Message)?;
        loop {
            match self.send_once(&mail).await {
                Ok(reply) => return Ok(receipt(&reply)),
                // The server may have closed the idle session meanwhile, which is not a failure of the mail.
                Err(failure) if self.opening.is_none() && failure.may_be_of_stale_session() => {
                    self.mailer.pool.drop_idle();
                    let next = self.mailer.pooled_session(self.round).await;
                    *self = next.map_err(SendError::NoSession)?;
                }
                Err(failure) => {
                    let (error, _) = delivery_error(&failure, &self.mailer.route);
                    return Err(SendError::Message(error));
                }
            }
        }
    }
}

impl Drop for PooledSession {
    /// Keeps an unused session.
    fn drop(&mut self) {
        if let Some((permit, session)) = self.session.take() {
            permit.keep(session);
        }
    }
}

fn outgoing(message: &Message) -> Result<Outgoing, DeliveryError> {
    Outgoing::build(message).map_err(|error| DeliveryError::Unsendable {
        message: format!("cannot build the mail: {error}"),
        hint: "check MAIL_DEFAULT_SENDER, the templates and the recipient's address".to_owned(),
    })
}

fn receipt(reply: &Reply) -> Receipt {
    Receipt {
        reply: reply.to_string(),
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn session(&self, round: Round) -> Result<Box<dyn MailSession>, NoSession> {
        let session = self.pooled_session(round).await?;
        Ok(Box::new(session))
    }

    fn capacity(&self) -> Capacity {
        self.pool.capacity()
    }

    async fn capacity_changed(&self) {
        self.pool.changed().await;
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}
