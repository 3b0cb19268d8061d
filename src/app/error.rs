//! Errors of the use cases: one variant for each thing that a caller can do about it.
//!
//! `Display` is the message for the administrator, on the terminal and in the log, and names the address or the mail.
//! Over HTTP `http/error.rs` chooses the words, which name none of them. `cli/report.rs` chooses exit codes and hints.

use std::time::Duration;

use crate::domain::email_address::{EmailAddress, InvalidEmailAddress};
use crate::domain::id::EntryId;
use crate::domain::password::WeakPassword;
use crate::domain::span::in_seconds;
use crate::domain::token::TokenError;
use crate::store::StoreError;

/// What somebody tried to do with another's movie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovieAction {
    /// To change it.
    Updating,
    /// To delete it.
    Deleting,
}

/// Why a use case did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppError {
    /// The address is not one mailbox.
    #[error("{typed:?} is not a valid email address: {reason}")]
    InvalidEmail {
        /// The text as it was typed.
        typed: String,
        /// The rule that it breaks.
        reason: InvalidEmailAddress,
    },
    /// The new password breaks a rule.
    #[error(transparent)]
    WeakPassword(#[from] WeakPassword),
    /// Another account has this address.
    #[error("an account for {0} already exists")]
    AddressTaken(String),
    /// Only administrators make accounts.
    #[error("Sign-up is closed: ask the administrator for an account")]
    SignupClosed,
    /// The address is unknown or the password wrong; nobody is told which.
    #[error("Invalid username or password")]
    WrongPassword,
    /// No account has this address, or this id.
    #[error("no account for {0}")]
    NoSuchAccount(String),
    /// A reset token that is broken, foreign or used.
    #[error(
        "invalid reset token: it is incomplete, was already used, or belongs to another server"
    )]
    BadToken,
    /// An authentic reset token past its time.
    #[error("the reset token has expired")]
    ExpiredToken,
    /// The outbox has no entry with this id.
    #[error("no mail {0} in the outbox")]
    NoSuchMail(EntryId),
    /// The entry with this id is being sent.
    #[error("mail {0} is being sent")]
    MailHeld(EntryId),
    /// There is no such movie.
    #[error("Movie with given id doesn't exists")]
    NoSuchMovie,
    /// Another movie has the name.
    #[error("Movie with given name already exists")]
    MovieNameTaken,
    /// Somebody else added the movie.
    #[error("{} movie added by other is forbidden", match .0 { MovieAction::Updating => "Updating", MovieAction::Deleting => "Deleting" })]
    NotYourMovie(MovieAction),
    /// It was done too often.
    #[error("Too many requests")]
    RateLimited {
        /// When it may go.
        retry_after: Duration,
    },
    /// Too many passwords wait to be hashed.
    #[error("Too many passwords are waiting to be verified: try again in {}", in_seconds(*retry_after))]
    Busy {
        /// When it may go.
        retry_after: Duration,
    },
    /// The database can't be reached: later may go.
    #[error("{0}")]
    Unavailable(String),
    /// The database answers, and other writes were in the way until the time limit: a retry may succeed.
    #[error("{0}")]
    DatabaseBusy(String),
    /// A defect here or in the database; the text is for the log.
    #[error("{0}")]
    Internal(String),
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
        match error {
            StoreError::Unavailable(_) => Self::Unavailable(error.to_string()),
            StoreError::Busy(_) => Self::DatabaseBusy(error.to_string()),
            StoreError::Broken(_) => Self::Internal(error.to_string()),
        }
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
