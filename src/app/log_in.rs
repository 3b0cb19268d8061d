//! Logging in: an address and a password for an access token.

use super::{App, AppError};
use crate::domain::email_address::EmailAddress;
use crate::domain::event::Origin;
use crate::domain::limit::Limit;
use crate::domain::password::PasswordInput;
use crate::domain::token::{Purpose, Token};

impl App {
    /// Makes an access token for who knows the password.
    ///
    /// # Errors
    /// [`AppError::WrongPassword`] for an unknown address as for a wrong password, by the same answer after the same
    /// work; [`AppError::RateLimited`]; too many hashes waiting; the database.
    pub async fn log_in(
        &self,
        email: &str,
        password: &PasswordInput,
        origin: &Origin,
    ) -> Result<Token, AppError> {
        self.admit(origin).await?;
        // What is no address is an unknown one: here nobody is taught what addresses look like.
        let address = EmailAddress::parse(email).ok();
        let counting = address
            .as_ref()
            .and_then(|address| self.counting(Limit::Login, origin, address.as_str()));
        self.refuse_delayed(counting).await?;
        let account = match &address {
            Some(address) => self.parts.store.account_by_address(email, address).await?,
            None => None,
        };
        let hash = account.as_ref().map(|account| &account.password_hash);
        let fits = self.parts.hasher.verify(password, hash).await?;
        match account {
            Some(account) if fits => {
                self.forgive_failures(counting).await?;
                let (now, lifetime) = (self.parts.clock.now(), self.parts.rules.access_lifetime);
                Ok(self.parts.keys.issue(
                    Purpose::Access,
                    &account,
                    now,
                    lifetime,
                    &*self.parts.rng,
                ))
            }
            account => {
                self.count_failure(counting, account.as_ref(), origin)
                    .await?;
                Err(AppError::WrongPassword)
            }
        }
    }
}
