//! The use cases. Each is one method of [`App`], called alike by HTTP and by the command line.
//!
//! They depend on the rules of [`crate::domain`] and the traits of [`crate::ports`]. They are independent of requests and
//! prompts, and of the database and the mail server that implement the traits. Time and randomness are parameters:
//! [`system`] implements them by the operating system, and no use case depends on it.
//!
//! There is one file for each use case; `application.rs` has [`App`] itself. Start with `request_reset.rs` and `complete_reset.rs`.

mod application;
mod authenticate;
mod change_address;
mod change_password;
mod complete_reset;
mod compose_mail;
mod copy;
mod create_account;
mod deliver_outbox;
mod delivery_worker;
mod disable_account;
mod error;
mod forget_history;
mod hand_over;
mod hasher;
mod import;
mod limits;
mod log_in;
mod login_work;
mod manage_accounts;
mod manage_outbox;
mod movies;
mod own_account;
mod pending_links;
mod request_reset;
mod sign_up;
mod snapshot;
pub mod system;
mod token_keys;

pub use application::{App, Dependencies, Rules, SignupMode};
pub use authenticate::AccessError;
pub use complete_reset::CompletedReset;
pub use copy::{CopyError, CopyReport, copy};
pub use create_account::NewAccount;
pub use deliver_outbox::Delivery;
pub use disable_account::ChangedStatus;
pub use error::{AppError, MovieAction, parse_address};
pub use hand_over::DeliveryMode;
pub use hasher::{HashLoad, Hasher};
pub use import::{Import, ImportOptions, ImportOutcome, NewCredential, Record};
pub use manage_accounts::{AccountDetails, AddressChanged};
pub use manage_outbox::{FlushReport, FlushScope, QueuedMail};
pub use request_reset::{ResetLink, ResetRequest};
pub use snapshot::{OUTBOX_STATE_MAX_AGE, Snapshot};
pub use token_keys::{TokenForm, TokenKeys, VerifiedToken, unusable_token};
