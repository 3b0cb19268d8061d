//! Sign-up over HTTP: open, or with a confirmation of the address.
//!
//! A verified sign-up stores a pending change and queues its mail, whether or not the address is taken: no account is looked
//! up, so the answer, its time and the work are the same. The delivery worker decides what the mail says.

use tokio::time::Instant;

use super::application::{App, SignupMode};
use super::create_account::NewAccount;
use super::error::{AppError, parse_address};
use super::request_reset::wait_for_next_step;
use crate::domain::account::Account;
use crate::domain::clock::draw;
use crate::domain::email_address::{EmailAddress, masked};
use crate::domain::event::{EventKind, Origin};
use crate::domain::id::{AccountId, PendingId};
use crate::domain::limit::Limit;
use crate::domain::password::PasswordInput;
use crate::domain::pending::{PendingChange, PendingKind};
use crate::domain::token::Token;
use crate::ports::store::{AccountCreation, PutPending};

impl App {
    /// Returns the mode of sign-up over HTTP.
    pub fn signup_mode(&self) -> SignupMode {
        self.rules.signup
    }

    /// Creates an account for a client, if sign-up is open. An address that its previous owner may still get back is taken: here
    /// the client does not prove that the mailbox is theirs.
    ///
    /// # Errors
    /// [`AppError::SignupClosed`], [`AppError::RateLimited`], and those of [`App::create_account`].
    pub async fn sign_up(&self, new: NewAccount<'_>) -> Result<Account, AppError> {
        if self.rules.signup != SignupMode::Open {
            return Err(AppError::SignupClosed);
        }
        self.admit(&new.origin).await?;
        // Looked up in this order: a change of the address stores its record before the address becomes free.
        let address = self.check_new_address(new.email).await?;
        let store = &self.store;
        if store
            .is_address_revertible(&address, self.clock.now())
            .await?
        {
            return Err(AppError::AddressTaken(address.to_string()));
        }
        self.create_account(new).await
    }

    /// Requests an account for an address. The mail is durably queued on return: to a free address it has the link to choose a
    /// password; the owner of a taken one is notified that there is an account.
    ///
    /// # Errors
    /// [`AppError::SignupClosed`] unless sign-up is verified; [`AppError::InvalidEmail`]; [`AppError::RateLimited`];
    /// [`AppError::Unavailable`] while too many sign-ups are pending; the database.
    pub async fn request_signup(&self, email: &str, origin: &Origin) -> Result<(), AppError> {
        if self.rules.signup != SignupMode::Verified {
            return Err(AppError::SignupClosed);
        }
        let began = Instant::now();
        let requested = self.queue_signup(email, origin).await;
        wait_for_next_step(began).await;
        requested
    }

    async fn queue_signup(&self, email: &str, origin: &Origin) -> Result<(), AppError> {
        self.admit(origin).await?;
        let address = parse_address(email)?;
        let counting = self.counting(Limit::Confirmation, origin, address.as_str());
        self.refuse_delayed(counting).await?;
        let (now, kind) = (self.clock.now(), PendingKind::ConfirmSignup);
        let change = PendingChange {
            id: PendingId::new(now, draw(&*self.rng)),
            kind,
            account: AccountId::new(now, draw(&*self.rng)),
            address: address.as_str().to_owned(),
            origin: origin.clone(),
            requested_at: now,
            expires_at: now + kind.lifetime(),
        };
        let most = Some(self.rules.max_pending_signups);
        let change = match self.store.put_pending(&change, most).await? {
            PutPending::Stored(change) => change,
            PutPending::Full => {
                tracing::warn!("sign-up is unavailable: too many sign-ups are pending");
                return Err(AppError::Unavailable(
                    "too many sign-ups are pending: try again later".into(),
                ));
            }
        };
        let entry = self.pending_entry(&change, None);
        let queued = self.store.queue_signup_mail(&entry, counting).await?;
        queued.map_err(|early| self.limited(Limit::Confirmation, early))?;
        tracing::info!(address = masked(address.as_str()), entry = %entry.id, "sign-up requested");
        self.queued.notify_one();
        Ok(())
    }

    /// Creates the account of a verified sign-up. Of several calls one succeeds, since the id of the account was drawn with the
    /// request; the pending change is deleted afterwards, so that a process that dies in between loses nothing.
    ///
    /// # Errors
    /// [`AppError::BadToken`] and [`AppError::ExpiredToken`]; [`AppError::WeakPassword`], after which the token can still be
    /// used; [`AppError::AddressTaken`] if another account got the address meanwhile; [`AppError::SignupClosed`];
    /// [`AppError::RateLimited`]; [`AppError::Busy`]; the database.
    pub async fn confirm_signup(
        &self,
        token: &Token,
        password: &PasswordInput,
        origin: &Origin,
    ) -> Result<Account, AppError> {
        self.admit(origin).await?;
        let (change, _) = self
            .open_pending(token, PendingKind::ConfirmSignup, origin)
            .await?;
        self.check_password(password, &change.address)?;
        let address = parse_address(&change.address)?;
        if self.store.is_address_taken(&address).await? {
            return Err(self.refused_signup(&change, &address).await?);
        }
        let account = Account {
            id: change.account,
            ..self.build_account(&address, self.hasher.hash(password, &*self.rng).await?)
        };
        let event = self.event(account.id, EventKind::Created, origin, "address confirmed");
        let made = self.store.create_account(&account, &event, None);
        match made.await? {
            AccountCreation::Created => {
                self.drop_pending(change).await;
                tracing::info!(account = %account.id, "signed up");
                Ok(account)
            }
            AccountCreation::AddressTaken => Err(self.refused_signup(&change, &address).await?),
        }
    }

    /// Returns the reason why a sign-up cannot take effect any more, and deletes its pending change.
    async fn refused_signup(
        &self,
        change: &PendingChange,
        address: &EmailAddress,
    ) -> Result<AppError, AppError> {
        let is_done = self.store.account(change.account).await?.is_some();
        self.drop_pending(change.clone()).await;
        Ok(match is_done {
            true => AppError::BadToken,
            false => AppError::AddressTaken(address.to_string()),
        })
    }
}
