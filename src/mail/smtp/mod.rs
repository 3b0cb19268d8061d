//! The way out over SMTP: STARTTLS is demanded and never merely tried, certificates are verified, sessions are kept and
//! used again.
//!
//! Start reading at [`SmtpMailer`]; `session` is what is said to a server and in which order, `wire` the bytes below it,
//! `failure` the causes of failures and whether a retry can succeed, and `error_messages` their texts.

mod error_messages;
mod failure;
mod message;
mod pool;
mod reply;
mod session;
#[cfg(test)]
mod tests;
mod trust;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lettre::Address;
use lettre::transport::smtp::authentication::Credentials;

pub use self::message::check_sender;
pub use self::trust::Certificates;

use self::failure::Trouble;
use self::message::Outgoing;
use self::pool::Pool;
use self::reply::Reply;
use self::session::{Budget, Route, Security, Session};
use self::trust::Tls;
use super::dialogue::{Dialogue, Step};
use super::{DeliveryError, Mailer, Message, Receipt};

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
    /// From whom the mails are; we introduce ourselves by its domain.
    pub sender: String,
    /// How long one mail may take, from the connection to the last reply.
    pub timeout: Duration,
}

/// A mail server, spoken to over SMTP.
pub struct SmtpMailer {
    route: Route,
    /// Sender address, unless it needs SMTPUTF8.
    sender: Option<Address>,
    pool: Arc<Pool>,
    timeout: Duration,
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
                    what: format!("{} can't be verified by TLS: {error}", options.server),
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
            credentials: options
                .credentials
                .map(|(user, password)| Credentials::new(user, password)),
            hello: message::public_domain(&options.sender),
            host: options.server,
            port: options.port,
        };
        Ok(Self {
            route,
            sender: message::ascii_sender(&options.sender),
            pool: Pool::new(IDLE),
            timeout: options.timeout,
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

    /// Over a session that waits, or a new one. One that waited may have been closed by the server meanwhile: that is no
    /// failure of the mail, which then goes over a new one.
    async fn deliver(&self, mail: &Outgoing) -> Result<Reply, Trouble> {
        let budget = Budget::of(self.timeout);
        if let Some(session) = self.pool.take() {
            match self.deliver_over(session, mail, &budget).await {
                Err(trouble) if trouble.is_of_an_old_session() => {}
                delivered => return delivered,
            }
        }
        let session = Session::open(&self.route, &budget, &mut Vec::new()).await?;
        self.deliver_over(session, mail, &budget).await
    }

    async fn deliver_over(
        &self,
        mut session: Session,
        mail: &Outgoing,
        budget: &Budget,
    ) -> Result<Reply, Trouble> {
        let delivered = session.send(mail, budget, &mut Vec::new()).await;
        match &delivered {
            Ok(_) => self.pool.park(session),
            Err(trouble) if trouble.is_end_of_session() => drop(session),
            // Not used again: what was refused here may go over another one.
            Err(_) => {
                tokio::spawn(session.close());
            }
        }
        delivered
    }
}

fn outgoing(message: &Message) -> Result<Outgoing, DeliveryError> {
    Outgoing::build(message).map_err(|error| DeliveryError::Unsendable {
        what: format!("the mail can't be sent: {error}"),
        hint: "see MAIL_DEFAULT_SENDER, the templates and the address".to_owned(),
    })
}

fn receipt(reply: &Reply) -> Receipt {
    Receipt {
        reply: reply.to_string(),
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, message: &Message) -> Result<Receipt, DeliveryError> {
        let mail = outgoing(message)?;
        match self.deliver(&mail).await {
            Ok(reply) => Ok(receipt(&reply)),
            Err(trouble) => Err(trouble.explain(&self.route).0),
        }
    }
}
