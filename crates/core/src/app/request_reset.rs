//! Asking for a reset: the mail with the link is decided here, and its text, link and token are made when it is sent.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

use super::{App, AppError, Delivery, DeliveryMode, parse_address};
use crate::domain::account::Account;
use crate::domain::clock::draw;
use crate::domain::email_address::{EmailAddress, masked};
use crate::domain::event::{EventKind, Origin};
use crate::domain::id::AccountId;
use crate::domain::limit::Limit;
use crate::domain::outbox::MailKind;
use crate::domain::token::{Purpose, Token};
use crate::ports::store::QueueResult;

/// Where accounts are concealed, an answer waits for the next beat since its request. As much is written for an unknown
/// address as for a known one, but not to the microsecond (a mail that is under way takes its share of the disk), and
/// whoever asks often enough could tell by the mean: of whole beats there is none to be had.
const BEAT: Duration = Duration::from_millis(100);

async fn next_beat(began: Instant) {
    let gone_by = began.elapsed().as_nanos() / BEAT.as_nanos();
    let beats = u32::try_from(gone_by + 1).unwrap_or(u32::MAX);
    sleep_until(began + BEAT.saturating_mul(beats)).await;
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResetRequest {
    /// The mail is durably queued, and where the caller delivers it, that came of it.
    Queued(Option<Delivery>),
    /// Nobody has that address, which is not to be told.
    Concealed,
}

/// A link for the administrator to hand over.
#[derive(Debug, Clone)]
pub struct ResetLink {
    /// The whole link; whoever has it can set the password.
    pub link: String,
    /// When it stops working.
    pub expires_at: Timestamp,
}

impl App {
    /// Starts a reset: durably queues the mail with the link when it returns.
    ///
    /// # Errors
    /// An address that is no mailbox; [`AppError::RateLimited`]; [`AppError::NoSuchAccount`] on the terminal, and over HTTP unless accounts are
    /// concealed; the database.
    pub async fn request_reset(
        &self,
        email: &str,
        origin: &Origin,
        handling: DeliveryMode,
    ) -> Result<ResetRequest, AppError> {
        let began = Instant::now();
        let requested = self.queue_reset(email, origin, handling).await;
        if self.conceals_from(origin) {
            next_beat(began).await;
        }
        requested
    }

    async fn queue_reset(
        &self,
        email: &str,
        origin: &Origin,
        handling: DeliveryMode,
    ) -> Result<ResetRequest, AppError> {
        self.admit(origin).await?;
        let address = parse_address(email)?;
        let found = self.store.account_by_address(email, &address).await?;
        let counting = self.counting(Limit::Forgot, origin, address.as_str());
        // For nobody the same work is done as for somebody: where accounts are concealed, the time must not tell either.
        let account = found.unwrap_or_else(|| self.nobody(&address));
        let entry = self.entry(&account, MailKind::ResetPassword, origin, handling);
        let event = self.event(account.id, EventKind::ResetRequested, origin, "");
        match self.store.queue_mail(&entry, &event, counting).await? {
            QueueResult::Queued => {}
            QueueResult::NoAccount if self.conceals_from(origin) => {
                tracing::info!(
                    address = masked(address.as_str()),
                    "reset requested for an address without an account"
                );
                self.queued.notify_one();
                return Ok(ResetRequest::Concealed);
            }
            QueueResult::NoAccount => return Err(AppError::NoSuchAccount(email.to_owned())),
            QueueResult::TooEarly(early) => return Err(self.limited(Limit::Forgot, early)),
        }
        tracing::info!(account = %account.id, entry = %entry.id, kind = %entry.kind, "reset requested");
        self.hand_over(entry, handling)
            .await
            .map(ResetRequest::Queued)
    }

    /// Makes a link without a mail, for the administrator to hand over. It is in the history, and the owner hears of
    /// its use by the confirmation.
    ///
    /// # Errors
    /// Those of [`App::request_reset`].
    pub async fn issue_reset_link(
        &self,
        email: &str,
        origin: &Origin,
    ) -> Result<ResetLink, AppError> {
        let account = self.account_named(email).await?;
        let now = self.clock.now();
        let event = self.event(
            account.id,
            EventKind::ResetRequested,
            origin,
            "link printed, no mail sent",
        );
        self.store.record(&event).await?;
        Ok(self.reset_link(&account, now, self.rules.reset_lifetime))
    }

    /// The link whose time of `lifetime` began at `requested_at`, with a new token for the present credential.
    pub(super) fn reset_link(
        &self,
        account: &Account,
        requested_at: Timestamp,
        lifetime: Duration,
    ) -> ResetLink {
        let token: Token =
            self.keys
                .issue(Purpose::Reset, account, requested_at, lifetime, &*self.rng);
        ResetLink {
            link: format!("{}/reset/{}", self.rules.public_url, token.as_str()),
            expires_at: requested_at + lifetime,
        }
    }

    /// The account that somebody names by its address.
    pub(super) async fn account_named(&self, email: &str) -> Result<Account, AppError> {
        let address = parse_address(email)?;
        self.store
            .account_by_address(email, &address)
            .await?
            .ok_or_else(|| AppError::NoSuchAccount(email.to_owned()))
    }

    /// An account that is not there.
    fn nobody(&self, address: &EmailAddress) -> Account {
        Account {
            id: AccountId::new(self.clock.now(), draw(&*self.rng)),
            address: address.as_str().to_owned(),
            password_hash: self.hasher.decoy(),
            revocation: None,
        }
    }

    /// The terminal is the operator's: nothing is concealed there.
    fn conceals_from(&self, origin: &Origin) -> bool {
        self.rules.conceal_accounts && matches!(origin, Origin::Client(_))
    }
}
