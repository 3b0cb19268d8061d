//! Why a use case did not do what was asked: one variant for each thing that a caller can do about it. How a variant
//! looks to people is decided in one place a way in: `http/error.rs` and `cli/report.rs`, each an exhaustive match.

use std::time::Duration;

use crate::domain::email_address::InvalidEmailAddress;
use crate::domain::password::WeakPassword;
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
    #[error("Not a valid email address: {0}")]
    InvalidEmail(#[from] InvalidEmailAddress),
    /// The new password breaks a rule.
    #[error(transparent)]
    WeakPassword(#[from] WeakPassword),
    /// Another account has the address.
    #[error("User with given email address already exists")]
    AddressTaken,
    /// Only administrators make accounts.
    #[error("Sign-up is closed: ask the administrator for an account")]
    SignupClosed,
    /// The address is unknown or the password wrong; nobody is told which.
    #[error("Invalid username or password")]
    WrongPassword,
    /// No account has the address.
    #[error("Couldn't find the user with given email address")]
    NoSuchAccount,
    /// A reset token that is broken, foreign or used.
    #[error("Invalid token")]
    BadToken,
    /// An authentic reset token past its time.
    #[error("Token has expired")]
    ExpiredToken,
    /// There is no such entry in the outbox.
    #[error("There is no such mail in the outbox")]
    NoSuchMail,
    /// The entry is being sent at the moment.
    #[error("The mail is being sent at the moment")]
    MailHeld,
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
    #[error("Too many passwords are waiting to be verified: try again in {} seconds", retry_after.as_secs())]
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
