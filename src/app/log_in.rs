//! Logging in: an address and a password for an access token.

use super::{App, AppError};
use crate::domain::email_address::EmailAddress;
use crate::domain::password::PasswordInput;
use crate::domain::token::{Purpose, Token};

impl App {
    /// Makes an access token for who knows the password.
    ///
    /// # Errors
    /// [`AppError::WrongPassword`] for an unknown address as for a wrong password, by the same answer after the same
    /// work; too many hashes waiting; the database.
    pub async fn log_in(&self, email: &str, password: &PasswordInput) -> Result<Token, AppError> {
        // What is no address is an unknown one: here nobody is taught what addresses look like.
        let account = match EmailAddress::parse(email) {
            Ok(address) => self.parts.store.account_by_address(email, &address).await?,
            Err(_) => None,
        };
        let fits = self
            .parts
            .hasher
            .verify(
                password,
                account.as_ref().map(|account| &account.password_hash),
            )
            .await?;
        match account {
            Some(account) if fits => {
                let (now, lifetime) = (self.parts.clock.now(), self.parts.rules.access_lifetime);
                Ok(self.parts.keys.issue(
                    Purpose::Access,
                    &account,
                    now,
                    lifetime,
                    &*self.parts.rng,
                ))
            }
            _ => Err(AppError::WrongPassword),
        }
    }
}
