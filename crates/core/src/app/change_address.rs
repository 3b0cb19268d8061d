//! Change of an account's address by its owner: requested, confirmed by the new address, and revertible by the old one.
//!
//! The order of the writes makes each step safe when a process dies or others run at the same time: the record that reverts
//! a change is stored before the change, and a reversal deletes the records of later changes before it takes effect, so that
//! none of them can undo it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::application::App;
use super::error::{AppError, parse_address};
use super::hand_over::DeliveryMode;
use super::manage_accounts::{TRIES, conflict_error};
use crate::domain::account::Account;
use crate::domain::clock::draw;
use crate::domain::email_address::EmailAddress;
use crate::domain::event::{EventKind, Origin};
use crate::domain::id::PendingId;
use crate::domain::limit::Limit;
use crate::domain::mail::MailKind;
use crate::domain::password::PasswordInput;
use crate::domain::pending::{PendingChange, PendingKind};
use crate::domain::token::Token;
use crate::ports::store::{CredentialChange, PutPending, QueueResult, Replacement};

impl App {
    /// Requests a change of the account's address. It takes effect when the link is used that is mailed to the new one. The
    /// answer does not tell whether another account has that address: then its owner is told instead.
    ///
    /// # Errors
    /// [`AppError::WrongPassword`], with the limit of logins; [`AppError::InvalidEmail`]; [`AppError::AddressTaken`] if it is the
    /// account's own address; [`AppError::RateLimited`]; [`AppError::Busy`]; the database.
    pub async fn request_address(
        &self,
        account: &Account,
        password: &PasswordInput,
        email: &str,
        origin: &Origin,
    ) -> Result<(), AppError> {
        self.admit(origin).await?;
        let address = parse_address(email)?;
        self.verify_owner(account, password, origin).await?;
        if account.address == address.as_str() {
            return Err(AppError::AddressTaken(address.to_string()));
        }
        let counting = self.counting(Limit::Confirmation, origin, address.as_str());
        self.refuse_delayed(counting).await?;
        let kind = PendingKind::ConfirmAddress;
        let change = self.new_change(kind, account, address.as_str(), origin);
        let PutPending::Stored(change) = self.store.put_pending(&change, None).await? else {
            unreachable!("no maximum was given")
        };
        let entry = self.pending_entry(&change, Some(account));
        let detail = format!("to {address}");
        let event = self.event(account.id, EventKind::AddressRequested, origin, detail);
        match self.store.queue_mail(&entry, &event, counting).await? {
            QueueResult::Queued => {}
            QueueResult::NoAccount => return Err(AppError::NoSuchAccount(account.id.to_string())),
            QueueResult::TooEarly(early) => return Err(self.limited(Limit::Confirmation, early)),
        }
        tracing::info!(account = %account.id, entry = %entry.id, "change of the address requested");
        self.queued.notify_one();
        Ok(())
    }

    /// Gives the account its new address. The previous one gets a mail with the link that reverts the change. Reset links
    /// that went to the previous address are void; sessions continue.
    ///
    /// # Errors
    /// [`AppError::BadToken`] and [`AppError::ExpiredToken`]; [`AppError::AddressTaken`] if another account got the address
    /// meanwhile; [`AppError::RateLimited`]; [`AppError::DatabaseBusy`]; the database.
    pub async fn confirm_address(&self, token: &Token, origin: &Origin) -> Result<(), AppError> {
        self.admit(origin).await?;
        for _ in 0..TRIES {
            let opened = self.open_pending(token, PendingKind::ConfirmAddress, origin);
            let (change, account) = opened.await?;
            let account = account.ok_or(AppError::BadToken)?;
            let address = parse_address(&change.address)?;
            self.refuse_taken(&address, &account).await?;
            let kind = PendingKind::RevertAddress;
            let mut revert = self.new_change(kind, &account, &account.address, origin);
            // Later than all before, whatever the clocks of the servers say: the order decides which reversals end others.
            let before = self.store.pending_changes_of(account.id).await?;
            let reverts = before.iter().filter(|other| other.kind == kind);
            if let Some(latest) = reverts.map(|other| other.requested_at).max() {
                let next = latest + Duration::from_millis(1);
                revert.requested_at = revert.requested_at.max(next);
            }
            let PutPending::Stored(revert) = self.store.put_pending(&revert, None).await? else {
                unreachable!("no maximum was given")
            };
            let credential = CredentialChange {
                address: address.as_str().to_owned(),
                password_hash: account.password_hash.clone(),
                event: self.event(
                    account.id,
                    EventKind::AddressChanged,
                    origin,
                    format!("from {} to {address}", account.address),
                ),
                mails: vec![self.pending_entry(&revert, Some(&account))],
                clears_limit: None,
                expected: account,
            };
            match self.store.replace_credential(&credential).await? {
                Replacement::Replaced => {
                    self.drop_pending(change).await;
                    tracing::info!(account = %credential.expected.id, "address changed");
                    self.queued.notify_one();
                    return Ok(());
                }
                Replacement::AddressTaken => {
                    return Err(AppError::AddressTaken(address.to_string()));
                }
                Replacement::Conflict => {}
            }
        }
        Err(conflict_error())
    }

    /// Gives the account the address back that a change has replaced. The person who changed it knew the password, so the
    /// password becomes void: all sessions end, and a link to choose a new one is mailed to the restored address. Links
    /// that revert later changes are void; those of earlier ones stay valid, so that a thief who changes the address twice cannot
    /// end the owner's link with a link of his own.
    ///
    /// # Errors
    /// Those of [`App::confirm_address`], and [`AppError::Busy`].
    pub async fn revert_address(&self, token: &Token, origin: &Origin) -> Result<(), AppError> {
        self.admit(origin).await?;
        for _ in 0..TRIES {
            let opened = self.open_pending(token, PendingKind::RevertAddress, origin);
            let (change, account) = opened.await?;
            let account = account.ok_or(AppError::BadToken)?;
            // Other programs may have stored a spelling that is not canonical.
            let canonical = parse_address(&change.address)?;
            self.refuse_taken(&canonical, &account).await?;
            let mut later = self.store.pending_changes_of(account.id).await?;
            later
                .retain(|other| other.id != change.id && other.requested_at >= change.requested_at);
            self.store.delete_pending(&later).await?;
            let unguessable = URL_SAFE_NO_PAD.encode(draw::<32>(&*self.rng));
            let unguessable = PasswordInput::new(unguessable);
            let restored = Account {
                address: change.address.clone(),
                password_hash: self.hasher.hash(&unguessable, &*self.rng).await?,
                ..account.clone()
            };
            let mode = DeliveryMode::Queue;
            let credential = CredentialChange {
                event: self.event(
                    account.id,
                    EventKind::AddressReverted,
                    origin,
                    format!("from {} to {}", account.address, change.address),
                ),
                mails: vec![self.entry(&restored, MailKind::ResetPassword, origin, mode)],
                clears_limit: Some(self.login_limit_key(&restored)),
                address: restored.address,
                password_hash: restored.password_hash,
                expected: account,
            };
            match self.store.replace_credential(&credential).await? {
                Replacement::Replaced => {
                    self.drop_pending(change).await;
                    tracing::info!(account = %credential.expected.id, "change of the address reverted");
                    self.queued.notify_one();
                    return Ok(());
                }
                Replacement::AddressTaken => {
                    return Err(AppError::AddressTaken(credential.address));
                }
                Replacement::Conflict => {}
            }
        }
        Err(conflict_error())
    }

    fn new_change(
        &self,
        kind: PendingKind,
        account: &Account,
        address: &str,
        origin: &Origin,
    ) -> PendingChange {
        let now = self.clock.now();
        PendingChange {
            id: PendingId::new(now, draw(&*self.rng)),
            kind,
            account: account.id,
            address: address.to_owned(),
            origin: origin.clone(),
            requested_at: now,
            expires_at: now + kind.lifetime(),
        }
    }

    /// Refuses an address that another account has, in any case.
    async fn refuse_taken(
        &self,
        address: &EmailAddress,
        account: &Account,
    ) -> Result<(), AppError> {
        let is_own = EmailAddress::parse(&account.address).is_ok_and(|own| own == *address);
        if is_own || !self.store.is_address_taken(address).await? {
            return Ok(());
        }
        // A concurrent call may have changed the account itself, which the caller notices next.
        let found = self.store.account_by_address(address.as_str(), address);
        match found.await? {
            Some(found) if found.id == account.id => Ok(()),
            _ => Err(AppError::AddressTaken(address.to_string())),
        }
    }
}
