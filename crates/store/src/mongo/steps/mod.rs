//! Steps: the changes that concern several documents.
//!
//! A step is performed in a transaction, or without one. In the second case it may be performed more than once, also by
//! two processes at the same time (`journal.rs` explains why). Therefore each of its writes selects a document by id, and
//! a step begins with a claim: the one write that decides whether the step takes effect. The claim also shows to a
//! repeated execution that the step took effect. A repeated execution does not insert an account or a movie again: it
//! might have been deleted since.

mod accounts;
mod mails;
mod movies;
mod pending;
pub(super) mod perform;

use mongodb::bson::Bson;
use mongodb::bson::oid::ObjectId;
use movie_bag_core::domain::limit::TooEarly;
use movie_bag_core::ports::store::{Deletion, LimitedCall};
use serde::{Deserialize, Serialize};

use super::documents::{
    AccountDocument, EntryDocument, EventDocument, MovieDocument, OutcomeDocument, PendingDocument,
};

/// A step in the format of the journal. It has no `Debug`, so that the hashes in it cannot be logged.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    CreateAccount {
        account: AccountDocument,
        event: EventDocument,
        mail: Option<EntryDocument>,
    },
    ReplaceCredential {
        expected: AccountDocument,
        email: String,
        password: String,
        event: EventDocument,
        mails: Vec<EntryDocument>,
        /// Last disabling that was stored when the caller requested this change, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        disabling: Option<ObjectId>,
        /// Tally to delete. Journals of earlier versions have this name.
        #[serde(default, rename = "forgives")]
        clears_limit: Option<Bson>,
    },
    RevokeAccess {
        account: ObjectId,
        revocation: ObjectId,
        /// Revocation that was stored when the caller requested this one, if any.
        #[serde(default)]
        replaces: Option<ObjectId>,
        event: EventDocument,
        mail: Option<EntryDocument>,
    },
    DisableAccount {
        account: ObjectId,
        /// Id of the disabling, and of the revocation that is stored with it.
        revocation: ObjectId,
        /// Revocation that was stored when the caller requested this one, if any.
        replaces: Option<ObjectId>,
        event: EventDocument,
    },
    EnableAccount {
        account: ObjectId,
        /// Disabling that was stored when the caller requested the change.
        disabling: ObjectId,
        event: EventDocument,
    },
    QueueMail {
        event: EventDocument,
        mail: EntryDocument,
        /// Limit to count in the transaction. On a standalone server it is counted before the step.
        #[serde(skip)]
        counting: Option<LimitedCall>,
    },
    /// Adds a line to the history of an account that exists.
    Record {
        event: EventDocument,
    },
    Settle {
        entry: ObjectId,
        holder: ObjectId,
        outcome: OutcomeDocument,
        event: EventDocument,
    },
    /// Settles the mail of a sign-up, which has no history.
    SettleSignup {
        entry: ObjectId,
        holder: ObjectId,
        outcome: OutcomeDocument,
        /// Mark of this step.
        mark: ObjectId,
    },
    PutPending(PendingDocument),
    /// Deletes a pending change and its mails.
    DeletePending(PendingDocument),
    DeleteAccount {
        account: ObjectId,
    },
    /// Second part of a deletion, after the commit of the first one: it conflicts with every mail of the account that is being
    /// sent.
    Sweep {
        account: ObjectId,
    },
    CreateMovie {
        movie: MovieDocument,
    },
    DeleteMovie {
        movie: ObjectId,
        by: ObjectId,
    },
}

/// Result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Deleted(Deletion),
    /// The document to change does not exist or is not as expected; nothing changed.
    Refused,
    /// Another document has the unique value; nothing changed.
    Taken,
    /// The limit is reached; nothing changed.
    TooEarly(TooEarly),
}

impl Step {
    /// Returns whether the step inserts a document that other steps may delete.
    pub(super) fn creates(&self) -> bool {
        matches!(
            self,
            Self::CreateAccount { .. } | Self::CreateMovie { .. } | Self::PutPending(_)
        )
    }

    /// Returns whether the step adds a line to a history.
    pub(super) fn writes_history(&self) -> bool {
        matches!(
            self,
            Self::CreateAccount { .. }
                | Self::ReplaceCredential { .. }
                | Self::RevokeAccess { .. }
                | Self::DisableAccount { .. }
                | Self::EnableAccount { .. }
                | Self::QueueMail { .. }
                | Self::Record { .. }
                | Self::Settle { .. }
        )
    }

    /// Returns the mails and the history line that the step inserts for an existing account.
    fn mails_and_event(&self) -> Option<(&[EntryDocument], &EventDocument)> {
        match self {
            Self::ReplaceCredential { mails, event, .. } => Some((mails, event)),
            Self::RevokeAccess { mail, event, .. } => Some((mail.as_slice(), event)),
            Self::QueueMail { mail, event, .. } => Some((std::slice::from_ref(mail), event)),
            Self::Record { event }
            | Self::Settle { event, .. }
            | Self::DisableAccount { event, .. }
            | Self::EnableAccount { event, .. } => Some((&[], event)),
            Self::CreateAccount { .. }
            | Self::SettleSignup { .. }
            | Self::PutPending(_)
            | Self::DeletePending(_)
            | Self::DeleteAccount { .. }
            | Self::Sweep { .. }
            | Self::CreateMovie { .. }
            | Self::DeleteMovie { .. } => None,
        }
    }

    /// Returns the account that the step concerns.
    pub(super) fn account(&self) -> ObjectId {
        match self {
            Self::CreateAccount { account, .. }
            | Self::ReplaceCredential {
                expected: account, ..
            } => account.id,
            Self::QueueMail { event, .. } | Self::Record { event } | Self::Settle { event, .. } => {
                event.account
            }
            Self::PutPending(change) | Self::DeletePending(change) => change.account,
            // No account exists yet. Without transactions the step is one write, so none needs to be completed later.
            Self::SettleSignup { entry, .. } => *entry,
            Self::RevokeAccess { account, .. }
            | Self::DisableAccount { account, .. }
            | Self::EnableAccount { account, .. }
            | Self::DeleteAccount { account }
            | Self::Sweep { account } => *account,
            Self::CreateMovie { movie } => movie.added_by,
            Self::DeleteMovie { by, .. } => *by,
        }
    }
}
