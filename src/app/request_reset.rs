//! Asking for a reset: the mail with the link is decided here, and its text, link and token are made when it is sent.

use std::time::Duration;

use jiff::Timestamp;

use super::{App, AppError, Delivery, Handling};
use crate::domain::account::Account;
use crate::domain::email_address::EmailAddress;
use crate::domain::event::{EventKind, Origin};
use crate::domain::outbox::MailKind;
use crate::domain::token::{Purpose, Token};

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requested {
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
    /// An address that is no mailbox; [`AppError::NoSuchAccount`] on the terminal, and over HTTP unless accounts are
    /// concealed; the database.
    pub async fn request_reset(
        &self,
        email: &str,
        origin: &Origin,
        handling: Handling,
    ) -> Result<Requested, AppError> {
        let account = match self.account_named(email).await {
            Err(AppError::NoSuchAccount) if self.conceals_from(origin) => {
                return Ok(Requested::Concealed);
            }
            found => found?,
        };
        let entry = self.entry(&account, MailKind::ResetPassword, origin, handling);
        let event = self.event(account.id, EventKind::ResetRequested, origin, "");
        if !self.parts.store.queue_mail(&entry, &event).await? {
            return if self.conceals_from(origin) {
                Ok(Requested::Concealed)
            } else {
                Err(AppError::NoSuchAccount)
            };
        }
        tracing::info!(account = %account.id, entry = %entry.id, kind = %entry.kind, "reset requested");
        self.hand_over(entry, handling).await.map(Requested::Queued)
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
        let now = self.parts.clock.now();
        let event = self.event(
            account.id,
            EventKind::ResetRequested,
            origin,
            "link printed, no mail sent",
        );
        self.parts.store.record(&event).await?;
        Ok(self.reset_link(&account, now, self.parts.rules.reset_lifetime))
    }

    /// The link whose time of `lifetime` began at `requested_at`, with a new token for the present credential.
    pub(super) fn reset_link(
        &self,
        account: &Account,
        requested_at: Timestamp,
        lifetime: Duration,
    ) -> ResetLink {
        let token: Token = self.parts.keys.issue(
            Purpose::Reset,
            account,
            requested_at,
            lifetime,
            &*self.parts.rng,
        );
        ResetLink {
            link: format!("{}/reset/{}", self.parts.rules.public_url, token.as_str()),
            expires_at: requested_at + lifetime,
        }
    }

    /// The account that somebody names by its address.
    pub(super) async fn account_named(&self, email: &str) -> Result<Account, AppError> {
        let address = EmailAddress::parse(email)?;
        self.parts
            .store
            .account_by_address(email, &address)
            .await?
            .ok_or(AppError::NoSuchAccount)
    }

    /// The terminal is the operator's: nothing is concealed there.
    fn conceals_from(&self, origin: &Origin) -> bool {
        self.parts.rules.conceal_accounts && matches!(origin, Origin::Client(_))
    }
}
