//! Errors of the use cases: one variant for each reaction that a caller can have.
//!
//! `Display` is the message for the administrator, on the terminal and in the log, and names the address or the mail. The
//! HTTP API has its own messages, which name neither.

use std::time::Duration;

use crate::domain::email_address::{EmailAddress, InvalidEmailAddress};
use crate::domain::id::EntryId;
use crate::domain::password::WeakPassword;
use crate::domain::span::format_seconds;
use crate::domain::token::TokenError;
use crate::ports::error_detail::ErrorDetail;
use crate::ports::store::StoreError;

/// Action that was refused because another account added the movie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovieAction {
    Updating,
    Deleting,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum AppError {
    /// The text is not one email address.
    #[error("{typed:?} is not a valid email address: {reason}")]
    InvalidEmail {
        /// Text as it was typed.
        typed: String,
        /// Rule that it breaks.
        reason: InvalidEmailAddress,
    },
    /// The new password breaks a rule of the policy.
    #[error(transparent)]
    WeakPassword(#[from] WeakPassword),
    #[error("an account for {0} already exists")]
    AddressTaken(String),
    /// Only administrators may create accounts.
    #[error("Sign-up is closed: ask the administrator for an account")]
    SignupClosed,
    /// The address is unknown or the password is wrong. The response does not reveal which.
    #[error("Invalid username or password")]
    WrongPassword,
    /// No account has this address or this id.
    #[error("no account for {0}")]
    NoSuchAccount(String),
    /// The account is disabled. Only the administrator gets this error: over HTTP, the account behaves like an unknown one.
    #[error("the account of {0} is disabled")]
    AccountDisabled(String),
    /// The reset token is malformed, signed with another secret, or used.
    #[error(
        "invalid reset token: it is incomplete, was already used, or belongs to another server"
    )]
    BadToken,
    /// The reset token is authentic and expired.
    #[error("the reset token has expired")]
    ExpiredToken,
    /// The outbox has no entry with this id.
    #[error("no mail {0} in the outbox")]
    NoSuchMail(EntryId),
    /// The entry with this id is being sent.
    #[error("mail {0} is being sent")]
    MailHeld(EntryId),
    #[error("Movie with given id doesn't exists")]
    NoSuchMovie,
    #[error("Movie with given name already exists")]
    MovieNameTaken,
    #[error("{} movie added by other is forbidden", match .0 { MovieAction::Updating => "Updating", MovieAction::Deleting => "Deleting" })]
    NotYourMovie(MovieAction),
    /// A rate limit refused the call.
    #[error("Too many requests")]
    RateLimited {
        /// Time until the limit admits the call.
        retry_after: Duration,
    },
    /// Too many passwords are waiting to be hashed.
    #[error("Too many passwords are waiting to be verified: try again in {}", format_seconds(*retry_after))]
    Busy {
        /// Time after which a retry may succeed.
        retry_after: Duration,
    },
    /// The database cannot be used at the moment. A retry may succeed.
    #[error(transparent)]
    Unavailable(ErrorDetail),
    /// The database answers, but other writes conflicted until the time limit. A retry may succeed.
    #[error(transparent)]
    DatabaseBusy(ErrorDetail),
    /// A defect of the program or of the database. The text is for the log.
    #[error(transparent)]
    Internal(ErrorDetail),
}

/// Parses an email address that a person typed.
///
/// # Errors
/// [`AppError::InvalidEmail`] with the text.
pub fn parse_address(typed: &str) -> Result<EmailAddress, AppError> {
    EmailAddress::parse(typed).map_err(|reason| AppError::InvalidEmail {
        typed: typed.to_owned(),
        reason,
    })
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        let variant = match &error {
            StoreError::Unavailable(_) => Self::Unavailable,
            StoreError::Busy(_) => Self::DatabaseBusy,
            StoreError::Broken(_) => Self::Internal,
        };
        variant(ErrorDetail::from_error(error))
    }
}

impl From<TokenError> for AppError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Invalid => Self::BadToken,
            TokenError::Expired { .. } => Self::ExpiredToken,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn an_error_of_the_database_keeps_its_sources() {
        let driver = std::io::Error::other("disk I/O error");
        let error = AppError::from(StoreError::unavailable("the disk is full").with_source(driver));
        assert_eq!(
            error.to_string(),
            "cannot use the database: the disk is full"
        );
        let sources: Vec<_> = std::iter::successors(error.source(), |&error| error.source())
            .map(ToString::to_string)
            .collect();
        let expected = [
            "cannot use the database: the disk is full",
            "the disk is full",
            "disk I/O error",
        ];
        assert_eq!(sources, expected);
    }
}
