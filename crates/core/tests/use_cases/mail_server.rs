//! Scripted mail server, and a renderer without templates.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use movie_bag_core::domain::mail::Mail;
use movie_bag_core::domain::mail_server::{Capacity, later_share};
use movie_bag_core::domain::outbox::Round;
use movie_bag_core::ports::mail::{
    DeliveryError, MailSession, Mailer, Message, NoSession, Receipt, RenderError, Rendered,
    Renderer, SendError,
};
use tokio::sync::{OwnedSemaphorePermit, RwLock, Semaphore};

/// Number of sessions that [`TestServer`] accepts at once.
pub(crate) const SESSIONS: usize = 16;

/// Mail server that fails as a test has configured, and otherwise accepts every mail.
pub(crate) struct TestServer {
    /// Errors for the next sessions and mails.
    answers: Mutex<VecDeque<DeliveryError>>,
    accepted: Mutex<Vec<Message>>,
    attempted: Mutex<Vec<Message>>,
    /// Ends of the addresses whose mails are refused by policy.
    refused: Mutex<Vec<&'static str>>,
    /// Whether the second attempt at a mail never ends.
    pub(crate) hangs_on_repeats: AtomicBool,
    /// Time that a mail takes, in milliseconds.
    pub(crate) delay_ms: AtomicU64,
    /// Largest number of mails that were being sent at once.
    pub(crate) most_at_once: AtomicUsize,
    /// Connection that locks the database once a mail is accepted, as another process does.
    pub(crate) locks: Mutex<Option<rusqlite::Connection>>,
    /// While a test holds it for writing, no mail is accepted.
    pub(crate) gate: RwLock<()>,
    /// Number of sessions that the mailer reports as available.
    pub(crate) capacity: AtomicUsize,
    /// Number of sessions that were acquired and have ended.
    pub(crate) ended_sessions: AtomicUsize,
    pub(crate) sessions: Arc<Semaphore>,
    sessions_for_later: Arc<Semaphore>,
}

impl Default for TestServer {
    fn default() -> Self {
        Self {
            answers: Mutex::default(),
            accepted: Mutex::default(),
            attempted: Mutex::default(),
            refused: Mutex::default(),
            hangs_on_repeats: AtomicBool::default(),
            delay_ms: AtomicU64::default(),
            most_at_once: AtomicUsize::default(),
            locks: Mutex::default(),
            gate: RwLock::default(),
            capacity: AtomicUsize::new(SESSIONS),
            ended_sessions: AtomicUsize::default(),
            sessions: Arc::new(Semaphore::new(SESSIONS)),
            sessions_for_later: Arc::new(Semaphore::new(later_share(SESSIONS))),
        }
    }
}

impl TestServer {
    /// Makes the next session or mail fail.
    pub(crate) fn fail_next(&self, error: DeliveryError) {
        self.answers.lock().unwrap().push_back(error);
    }

    /// Refuses mails by policy if their recipient's address ends like this.
    pub(crate) fn refuse(&self, end: &'static str) {
        self.refused.lock().unwrap().push(end);
    }

    pub(crate) fn refuse_none(&self) {
        self.refused.lock().unwrap().clear();
    }

    /// Returns the accepted mails.
    pub(crate) fn accepted(&self) -> Vec<Message> {
        self.accepted.lock().unwrap().clone()
    }

    /// Returns the mails of all attempts.
    pub(crate) fn attempted(&self) -> Vec<Message> {
        self.attempted.lock().unwrap().clone()
    }

    fn next_answer(&self, wanted: fn(&DeliveryError) -> bool) -> Option<DeliveryError> {
        let mut answers = self.answers.lock().unwrap();
        answers.pop_front_if(|error| wanted(error))
    }

    async fn accept(&self, message: &Message) -> Result<Receipt, DeliveryError> {
        let is_repeat = {
            let mut attempted = self.attempted.lock().unwrap();
            let is_repeat = attempted
                .iter()
                .any(|before| before.message_id == message.message_id);
            attempted.push(message.clone());
            is_repeat
        };
        if is_repeat && self.hangs_on_repeats.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if let Some(error) = self.next_answer(|_| true) {
            return Err(error);
        }
        let refused = self.refused.lock().unwrap().clone();
        if refused.iter().any(|end| message.to.ends_with(end)) {
            return Err(DeliveryError::Policy {
                message: "554 5.7.1 relay access denied".to_owned(),
                hint: "log in".to_owned(),
                reply: "554 7.1 relay access denied".to_owned(),
            });
        }
        let at_once = self.attempted.lock().unwrap().len() - self.accepted.lock().unwrap().len();
        self.most_at_once.fetch_max(at_once, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(self.delay_ms.load(Ordering::Relaxed))).await;
        let _open = self.gate.read().await;
        if let Some(other) = &*self.locks.lock().unwrap() {
            other.execute_batch("BEGIN IMMEDIATE").unwrap();
        }
        self.accepted.lock().unwrap().push(message.clone());
        Ok(Receipt {
            reply: "250 2.0.0 kept".to_owned(),
        })
    }
}

/// Renders the mail kind as the subject, and the link as the text.
pub(crate) struct TestRenderer;

impl Renderer for TestRenderer {
    fn render(&self, mail: &Mail) -> Result<Rendered, RenderError> {
        let text = match mail {
            Mail::ResetPassword(mail) => mail.url.to_string(),
            Mail::Invitation(mail) => mail.url.to_string(),
            Mail::ConfirmSignup(mail) => mail.url.to_string(),
            Mail::ConfirmAddress(mail) => mail.url.to_string(),
            Mail::RevertAddress(mail) => mail.url.to_string(),
            _ => String::new(),
        };
        Ok(Rendered {
            subject: mail.kind().to_string(),
            text,
            html: String::new(),
        })
    }
}

/// Client of a [`TestServer`].
pub(crate) struct TestMailer(pub(crate) Arc<TestServer>);

struct TestSession {
    server: Arc<TestServer>,
    _permits: Vec<OwnedSemaphorePermit>,
}

impl Drop for TestSession {
    fn drop(&mut self) {
        self.server.ended_sessions.fetch_add(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Mailer for TestMailer {
    async fn session(&self, round: Round) -> Result<Box<dyn MailSession>, NoSession> {
        let server = &self.0;
        if let Some(error) = server.next_answer(is_about_server) {
            return Err(NoSession {
                error,
                was_attempted: true,
            });
        }
        let mut permits = Vec::new();
        if round == Round::Later {
            let later = Arc::clone(&server.sessions_for_later);
            permits.push(later.acquire_owned().await.unwrap());
        }
        let any = Arc::clone(&server.sessions);
        permits.push(any.acquire_owned().await.unwrap());
        Ok(Box::new(TestSession {
            server: Arc::clone(server),
            _permits: permits,
        }))
    }

    fn capacity(&self) -> Capacity {
        Capacity {
            mails: self.0.capacity.load(Ordering::Relaxed),
            until: None,
        }
    }

    async fn capacity_changed(&self) {
        std::future::pending().await
    }

    async fn close(&self) {}
}

#[async_trait]
impl MailSession for TestSession {
    async fn send(self: Box<Self>, message: &Message) -> Result<Receipt, SendError> {
        self.server
            .accept(message)
            .await
            .map_err(SendError::Message)
    }
}

fn is_about_server(error: &DeliveryError) -> bool {
    matches!(error, DeliveryError::Unreachable { .. })
}

/// Returns the error of an unreachable server.
pub(crate) fn unreachable() -> DeliveryError {
    DeliveryError::Unreachable {
        message: "nothing answers SMTP at localhost:1025 (connection refused)".to_owned(),
        hint: "start it".to_owned(),
    }
}

/// Returns the error of a deferred mail.
pub(crate) fn deferred() -> DeliveryError {
    DeliveryError::Transient {
        server: "localhost:1025".to_owned(),
        reply: "451 4.3.2 later".to_owned(),
    }
}

/// Returns the error of a rejected mail.
pub(crate) fn rejected() -> DeliveryError {
    DeliveryError::Permanent {
        server: "localhost:1025".to_owned(),
        reply: "550 5.1.1 no such mailbox".to_owned(),
    }
}
