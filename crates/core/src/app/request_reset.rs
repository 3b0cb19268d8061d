//! Reset requests. They queue the mail with the link; its text, link and token are created when it is sent.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

use super::application::App;
use super::deliver_outbox::Delivery;
use super::error::{AppError, parse_address};
use super::hand_over::DeliveryMode;
use crate::domain::account::Account;
use crate::domain::clock::draw;
use crate::domain::email_address::{EmailAddress, masked};
use crate::domain::event::{EventKind, Origin};
use crate::domain::id::AccountId;
use crate::domain::limit::Limit;
use crate::domain::mail::MailKind;
use crate::domain::token::{Purpose, Token};
use crate::ports::store::QueueResult;

/// Unit of the response time if accounts are concealed: a response waits until a multiple of it has passed since the
/// request. An unknown address takes the same writes as a known one, but not the same time to the microsecond (a mail that
/// is being sent uses the disk too). The mean of many response times would show the difference; rounded times have
/// the same mean.
const RESPONSE_STEP: Duration = Duration::from_millis(100);

pub(super) async fn wait_for_next_step(began: Instant) {
    let past_steps = began.elapsed().as_nanos() / RESPONSE_STEP.as_nanos();
    let steps = u32::try_from(past_steps + 1).unwrap_or(u32::MAX);
    sleep_until(began + RESPONSE_STEP.saturating_mul(steps)).await;
}

/// Result of a reset request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResetRequest {
    /// The mail is durably queued. With [`DeliveryMode::DeliverNow`] it has the result of the delivery.
    Queued(Option<Delivery>),
    /// No account has the address, and the response must not reveal that.
    Concealed,
}

/// Reset link that the administrator passes on.
#[derive(Debug, Clone)]
pub struct ResetLink {
    /// The link. Anyone who has it can set the password.
    pub link: String,
    /// Time when it expires.
    pub expires_at: Timestamp,
}

/// Tells the administrator that an account is disabled. Over HTTP, the store treats it as an unknown one.
fn refuse_disabled_on_terminal(account: &Account, origin: &Origin) -> Result<(), AppError> {
    match origin {
        Origin::Terminal(_) if account.is_disabled() => {
            Err(AppError::AccountDisabled(account.address.clone()))
        }
        _ => Ok(()),
    }
}

impl App {
    /// Requests a reset. The mail with the link is durably queued on return.
    ///
    /// # Errors
    /// [`AppError::InvalidEmail`]; [`AppError::RateLimited`]; [`AppError::NoSuchAccount`], unless accounts are concealed and the
    /// request came over HTTP; [`AppError::AccountDisabled`] on the terminal; the database.
    pub async fn request_reset(
        &self,
        email: &str,
        origin: &Origin,
        mode: DeliveryMode,
    ) -> Result<ResetRequest, AppError> {
        let began = Instant::now();
        let requested = self.queue_reset(email, origin, mode).await;
        if self.conceals_from(origin) {
            wait_for_next_step(began).await;
        }
        requested
    }

    async fn queue_reset(
        &self,
        email: &str,
        origin: &Origin,
        mode: DeliveryMode,
    ) -> Result<ResetRequest, AppError> {
        self.admit(origin).await?;
        let address = parse_address(email)?;
        let found = self.store.account_by_address(email, &address).await?;
        if let Some(account) = &found {
            refuse_disabled_on_terminal(account, origin)?;
        }
        let counting = self.counting(Limit::Forgot, origin, address.as_str());
        // An unknown address, and that of a disabled account, take the same work as others: the time must not reveal concealed
        // accounts.
        let account = found.unwrap_or_else(|| self.placeholder_account(&address));
        let entry = self.entry(&account, MailKind::ResetPassword, origin, mode);
        let event = self.event(account.id, EventKind::ResetRequested, origin, "");
        match self.store.queue_mail(&entry, &event, counting).await? {
            QueueResult::Queued => {}
            QueueResult::NoAccount if self.conceals_from(origin) => {
                tracing::info!(
                    address = masked(address.as_str()),
                    "reset requested for an address without an account, or of a disabled one"
                );
                self.queued.notify_one();
                return Ok(ResetRequest::Concealed);
            }
            QueueResult::NoAccount => return Err(AppError::NoSuchAccount(email.to_owned())),
            QueueResult::TooEarly(early) => return Err(self.limited(Limit::Forgot, early)),
        }
        tracing::info!(account = %account.id, entry = %entry.id, kind = %entry.kind, "reset requested");
        self.hand_over(entry, mode).await.map(ResetRequest::Queued)
    }

    /// Creates a link without a mail, for the administrator to pass on. It is recorded in the history, and the confirmation
    /// notifies the owner of its use.
    ///
    /// # Errors
    /// Those of [`App::request_reset`].
    pub async fn issue_reset_link(
        &self,
        email: &str,
        origin: &Origin,
    ) -> Result<ResetLink, AppError> {
        let account = self.find_account(email).await?;
        refuse_disabled_on_terminal(&account, origin)?;
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

    /// Creates a link with a new token for the present credential. Its `lifetime` begins at `requested_at`.
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
            link: self.rules.reset_link.link(&self.rules.public_url, &token),
            expires_at: requested_at + lifetime,
        }
    }

    /// Returns the account with this address.
    pub(super) async fn find_account(&self, email: &str) -> Result<Account, AppError> {
        let address = parse_address(email)?;
        self.store
            .account_by_address(email, &address)
            .await?
            .ok_or_else(|| AppError::NoSuchAccount(email.to_owned()))
    }

    /// Returns an account that is not stored.
    fn placeholder_account(&self, address: &EmailAddress) -> Account {
        Account {
            id: AccountId::new(self.clock.now(), draw(&*self.rng)),
            address: address.as_str().to_owned(),
            password_hash: self.hasher.decoy(),
            revocation: None,
            disabling: None,
        }
    }

    /// Returns whether accounts are concealed from the source of a request. Nothing is concealed from the administrator.
    fn conceals_from(&self, origin: &Origin) -> bool {
        self.rules.conceal_accounts && matches!(origin, Origin::Client(_))
    }
}
