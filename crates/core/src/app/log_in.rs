//! Login: exchanges an address and a password for an access token. The password of an account whose owner is logged in is verified
//! by the same rules.

use super::application::App;
use super::error::AppError;
use super::limits::limited_address;
use crate::domain::account::Account;
use crate::domain::email_address::EmailAddress;
use crate::domain::event::{EventKind, Origin};
use crate::domain::id::AccountId;
use crate::domain::limit::Limit;
use crate::domain::password::PasswordInput;
use crate::domain::token::{Purpose, Token};
use crate::ports::store::LimitedCall;

impl App {
    /// Issues an access token for an address and its password. Logs the result with the client's address, and counts it in the
    /// history of the account.
    ///
    /// # Errors
    /// [`AppError::WrongPassword`], after the same work for an unknown address and for a disabled account as for a wrong password;
    /// [`AppError::RateLimited`]; [`AppError::Busy`]; the database.
    pub async fn log_in(
        &self,
        email: &str,
        password: &PasswordInput,
        origin: &Origin,
    ) -> Result<Token, AppError> {
        let verified = self.verify_login(email, password, origin).await;
        log_refusal(&verified, origin);
        let account = verified?;
        tracing::info!(client = %origin, account = %account.id, "logged in");
        self.count_login(&account, origin).await;
        Ok(self.access_token(&account))
    }

    /// Verifies the password of an account whose owner has authenticated by an access token. A wrong password counts as a failed
    /// login of the account, and is refused during its delay: a stolen access token must not become a way to guess the password.
    ///
    /// # Errors
    /// [`AppError::WrongPassword`], [`AppError::RateLimited`], [`AppError::Busy`]; the database.
    pub(super) async fn verify_owner(
        &self,
        account: &Account,
        password: &PasswordInput,
        origin: &Origin,
    ) -> Result<(), AppError> {
        let subject = limited_address(account);
        let counting = self.counting(Limit::Login, origin, &subject);
        let verified = async {
            self.refuse_delayed(counting).await?;
            let account = Some(account.clone());
            self.verify_password(account, &subject, password, counting, origin)
                .await
        };
        let verified = verified.await;
        log_refusal(&verified, origin);
        verified.map(|_| ())
    }

    /// Returns a new access token.
    pub(super) fn access_token(&self, account: &Account) -> Token {
        let (now, lifetime) = (self.clock.now(), self.rules.access_lifetime);
        self.keys
            .issue(Purpose::Access, account, now, lifetime, &*self.rng)
    }

    async fn verify_login(
        &self,
        email: &str,
        password: &PasswordInput,
        origin: &Origin,
    ) -> Result<Account, AppError> {
        self.admit(origin).await?;
        // Text that is not an address is treated as an unknown one: the response does not reveal which addresses are valid.
        let address = EmailAddress::parse(email).ok();
        let counting = address
            .as_ref()
            .and_then(|address| self.counting(Limit::Login, origin, address.as_str()));
        self.refuse_delayed(counting).await?;
        let account = match &address {
            Some(address) => self.store.account_by_address(email, address).await?,
            None => None,
        };
        let subject = address.as_ref().map_or(email, EmailAddress::as_str);
        self.verify_password(account, subject, password, counting, origin)
            .await
    }

    /// Verifies a password, and returns the account if it exists and the password fits. Clears its failed logins then, otherwise
    /// counts one. Does the same work for a subject without an account.
    async fn verify_password(
        &self,
        account: Option<Account>,
        subject: &str,
        password: &PasswordInput,
        counting: Option<LimitedCall>,
        origin: &Origin,
    ) -> Result<Account, AppError> {
        let hash = account.as_ref().map(|account| &account.password_hash);
        let work = self.login_cost().await?;
        let fits = self.hasher.verify(password, hash, work).await?;
        if let Some(hash) = hash {
            self.notice_cost(hash);
        }
        match account {
            // The password of a disabled account is verified too, and refused like a wrong one.
            Some(account) if fits && !account.is_disabled() => {
                self.forgive_failures(counting).await?;
                Ok(account)
            }
            account => {
                let id = account.map_or_else(|| self.placeholder_id(subject), |account| account.id);
                self.count_failure(counting, id, origin).await?;
                Err(AppError::WrongPassword)
            }
        }
    }

    /// Counts a login in the account's history. If that fails, the login is valid nevertheless.
    async fn count_login(&self, account: &Account, origin: &Origin) {
        let event = self.event(account.id, EventKind::LoggedIn, origin, "");
        if let Err(error) = self.store.record(&event).await {
            tracing::warn!(%error, "cannot record a login in the history");
        }
    }

    /// Returns an id that no account has, for an unknown address: recording an event for it takes the same work as for an
    /// account, and has no effect.
    fn placeholder_id(&self, subject: &str) -> AccountId {
        let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = self.keys.limit_key(Limit::Login, subject).0;
        AccountId::from_bytes([a, b, c, d, e, f, g, h, i, j, k, l])
    }
}

/// Logs a refused password. docs/operations.md has a filter for these lines. They name no address of an account.
fn log_refusal<T>(verified: &Result<T, AppError>, origin: &Origin) {
    match verified {
        Err(AppError::WrongPassword) => tracing::info!(client = %origin, "login failed"),
        Err(AppError::RateLimited { .. }) => {
            tracing::info!(client = %origin, "login refused: too many attempts");
        }
        _ => {}
    }
}
