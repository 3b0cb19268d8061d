//! The SMTP client: STARTTLS is demanded and never merely tried, certificates are verified, sessions are kept and used
//! again.
//!
//! Start reading at [`SmtpMailer`]. `pool` decides who gets which session, `session` holds the commands in their order, `wire`
//! the bytes below them, `failure` and `verdict` the meaning of what fails, and `error_messages` the texts about it.

mod error_messages;
mod failure;
mod message;
mod pool;
mod reply;
mod session;
#[cfg(test)]
mod tests;
mod trust;
mod verdict;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use self::message::check_sender;
pub use self::trust::Certificates;

use self::failure::{Cause, Stage, Trouble};
use self::message::Outgoing;
use self::pool::{Hold, Pool};
use self::reply::Reply;
use self::session::{Budget, Route, Security, Session};
use self::trust::Tls;
use super::dialogue::{Dialogue, Step};
use movie_bag_core::domain::clock::{Rng, draw};
use movie_bag_core::domain::mail_server::Capacity;
use movie_bag_core::domain::outbox::Round;
use movie_bag_core::ports::mail::{
    DeliveryError, MailSession, Mailer, Message, NoSession, Receipt, SendError,
};

/// An idle session is closed after this.
const IDLE: Duration = Duration::from_secs(30);

/// How the connection to the mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// Not at all.
    None,
    /// STARTTLS, demanded (RFC 3207).
    StartTls,
    /// From the first byte (RFC 8314 3.3).
    Implicit,
}

/// Which mail server, and how.
#[derive(Clone)]
pub struct SmtpOptions {
    /// Its host name.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// User name and password, where it wants them.
    pub credentials: Option<(String, String)>,
    /// How the connection is encrypted.
    pub encryption: Encryption,
    /// Whose certificates are trusted besides the public ones.
    pub trusted: Certificates,
    /// From whom the mails are.
    pub sender: String,
    /// Name said in EHLO; the sender's domain where there is none.
    pub helo_name: Option<String>,
    /// Most connections at once.
    pub connections: usize,
    /// Source of the jitter of delays.
    pub rng: Arc<dyn Rng>,
    /// How long one mail may take, from the connection to the last reply.
    pub timeout: Duration,
    /// Whether hints may propose the debugging sink in place of a mail server.
    pub hints_at_sink: bool,
}

/// A mail server, spoken to over SMTP. A clone is another handle on the same one.
#[derive(Clone)]
pub struct SmtpMailer {
    route: Arc<Route>,
    /// Sender address, unless it needs SMTPUTF8.
    sender: Option<String>,
    pool: Arc<Pool>,
    timeout: Duration,
    rng: Arc<dyn Rng>,
}

/// A session in the hands of one mail.
struct Ready {
    mailer: SmtpMailer,
    round: Round,
    /// Gone once it is parked or closed.
    session: Option<(Hold, Session)>,
    /// Since when the session is being opened; `None` for one that was idle.
    opened: Option<Budget>,
}

/// Returns the name said in EHLO where none is set: the sender's domain, if others can look it up. Else it is the address of
/// the connection.
pub fn usual_helo_name(sender: &str) -> Option<String> {
    message::public_domain(sender)
}

impl SmtpMailer {
    /// Prepares the way; nothing is connected yet.
    ///
    /// # Errors
    /// Where the server's name can't be one that TLS verifies.
    pub fn new(options: SmtpOptions) -> Result<Self, DeliveryError> {
        let tls = || {
            Tls::new(&options.server, &options.trusted).map_err(|error| {
                DeliveryError::Unreachable {
                    what: format!(
                        "cannot verify mail server {} with TLS: {error}",
                        options.server
                    ),
                    hint: "set MAIL_SERVER to the name in the server's certificate".to_owned(),
                }
            })
        };
        let security = match options.encryption {
            Encryption::None => Security::Clear,
            Encryption::StartTls => Security::StartTls(tls()?),
            Encryption::Implicit => Security::Implicit(tls()?),
        };
        let route = Route {
            security,
            credentials: options.credentials,
            hello: options
                .helo_name
                .or_else(|| usual_helo_name(&options.sender)),
            host: options.server,
            port: options.port,
            hints_at_sink: options.hints_at_sink,
        };
        Ok(Self {
            route: Arc::new(route),
            sender: message::ascii_sender(&options.sender),
            pool: Pool::new(options.connections, IDLE),
            timeout: options.timeout,
            rng: options.rng,
        })
    }

    /// Connects, encrypts, logs in and names the sender as for a mail, sends none, and returns the dialogue. Takes at most
    /// `patience`, or the time limit of a mail where that is shorter.
    pub async fn probe(&self, patience: Duration) -> Dialogue<()> {
        let budget = Budget::until(patience.min(self.timeout));
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

    /// Sends one mail over a session of its own and returns the dialogue. Any step may take all the time that is left.
    pub async fn converse(&self, message: &Message) -> Dialogue<Receipt> {
        let mut steps = Vec::new();
        let mail = match outgoing(message) {
            Ok(mail) => mail,
            Err(error) => return Dialogue::failed(steps, error),
        };
        let budget = Budget::until(self.timeout);
        let spoken = async {
            let mut session = Session::open(&self.route, &budget, &mut steps).await?;
            let reply = session.send(&mail, &budget, &mut steps).await;
            if !reply.as_ref().is_err_and(Trouble::is_end_of_session) {
                session.close().await;
            }
            reply
        };
        let outcome = spoken.await.map(|reply| receipt(&reply));
        self.dialogue(steps, outcome)
    }

    fn dialogue<T>(&self, mut steps: Vec<Step>, outcome: Result<T, Trouble>) -> Dialogue<T> {
        let outcome = outcome.map_err(|trouble| {
            let (error, hint) = trouble.explain(&self.route);
            steps.push(Step::failed(trouble.stage.name(), error.to_string()));
            (error, Some(hint))
        });
        Dialogue { steps, outcome }
    }

    /// An idle session, or a new one, once there is one for a mail of this round.
    async fn ready(&self, round: Round) -> Result<Ready, NoSession> {
        let paused = |error| NoSession {
            error,
            is_tried: false,
        };
        let (hold, session, opened) = loop {
            let (mut hold, idle) = self.pool.acquire(round).await.map_err(paused)?;
            if let Some(session) = idle {
                break (hold, session, None);
            }
            let budget = Budget::of(self.timeout);
            match Session::open(&self.route, &budget, &mut Vec::new()).await {
                Ok(session) => {
                    hold.opened();
                    break (hold, session, Some(budget));
                }
                Err(trouble) => {
                    let (error, _) = trouble.explain(&self.route);
                    // While other sessions work, the mail goes over one of them.
                    if hold.failed(&error, u32::from_be_bytes(draw(&*self.rng))) {
                        return Err(NoSession {
                            error,
                            is_tried: true,
                        });
                    }
                }
            }
        };
        Ok(Ready {
            mailer: self.clone(),
            round,
            session: Some((hold, session)),
            opened,
        })
    }
}

impl Ready {
    /// Sends over the session, which then is kept, closed or dropped.
    async fn send_once(&mut self, mail: &Outgoing) -> Result<Reply, Trouble> {
        let Some((hold, mut session)) = self.session.take() else {
            return Err(Cause::Closed.at(Stage::Mail));
        };
        let budget = self
            .opened
            .unwrap_or_else(|| Budget::of(self.mailer.timeout));
        let sent = session.send(mail, &budget, &mut Vec::new()).await;
        match &sent {
            Ok(_) => hold.park(session),
            Err(trouble) if trouble.is_end_of_session() => {}
            // Not used again: what was refused here may go over another one.
            Err(_) => hold.close(session),
        }
        sent
    }
}

#[async_trait]
impl MailSession for Ready {
    async fn send(mut self: Box<Self>, message: &Message) -> Result<Receipt, SendError> {
        let mail = outgoing(message).map_err(SendError::Message)?;
        loop {
            match self.send_once(&mail).await {
                Ok(reply) => return Ok(receipt(&reply)),
                // The server may have closed an idle session meanwhile: that is no failure of the mail.
                Err(trouble) if self.opened.is_none() && trouble.is_of_an_old_session() => {
                    self.mailer.pool.drop_idle();
                    let next = self.mailer.ready(self.round).await;
                    *self = next.map_err(SendError::NoSession)?;
                }
                Err(trouble) => {
                    let (error, _) = trouble.explain(&self.mailer.route);
                    return Err(SendError::Message(error));
                }
            }
        }
    }
}

impl Drop for Ready {
    /// A session that no mail was sent over is kept.
    fn drop(&mut self) {
        if let Some((hold, session)) = self.session.take() {
            hold.park(session);
        }
    }
}

fn outgoing(message: &Message) -> Result<Outgoing, DeliveryError> {
    Outgoing::build(message).map_err(|error| DeliveryError::Unsendable {
        what: format!("cannot build the mail: {error}"),
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
        let ready = self.ready(round).await?;
        Ok(Box::new(ready))
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
