//! Links of pending changes: their checks, and the list for the administrator.

use super::application::App;
use super::error::AppError;
use crate::domain::account::Account;
use crate::domain::event::{EventKind, Origin};
use crate::domain::id::PendingId;
use crate::domain::pending::{PendingChange, PendingKind};
use crate::domain::token::Token;

impl App {
    /// Returns up to `limit` pending changes of all kinds in the order of their ids, beginning after `after`.
    ///
    /// # Errors
    /// The database.
    pub async fn pending_changes(
        &self,
        after: Option<PendingId>,
        limit: usize,
    ) -> Result<Vec<PendingChange>, AppError> {
        Ok(self.store.pending_changes(after, limit).await?)
    }

    /// Checks whether the link of a pending change could be used now. This does not use it, so that mail scanners may open
    /// links.
    ///
    /// # Errors
    /// [`AppError::BadToken`] and [`AppError::ExpiredToken`]; the database.
    pub async fn inspect_pending(&self, token: &Token, kind: PendingKind) -> Result<(), AppError> {
        self.find_pending(token, kind)
            .await?
            .map(|_| ())
            .map_err(|_| AppError::BadToken)
    }

    /// Returns the pending change of a token, with its account. A refusal is recorded in the history of the account.
    pub(super) async fn open_pending(
        &self,
        token: &Token,
        kind: PendingKind,
        origin: &Origin,
    ) -> Result<(PendingChange, Option<Account>), AppError> {
        match self.find_pending(token, kind).await? {
            Ok(found) => Ok(found),
            Err(refused) => {
                if let Some(account) = refused {
                    let detail = format!(
                        "{kind}: the link was already used, or the account has changed since"
                    );
                    let event = self.event(account.id, EventKind::AddressRefused, origin, detail);
                    self.store.record(&event).await?;
                }
                Err(AppError::BadToken)
            }
        }
    }

    /// Returns the pending change of an authentic token, or the account whose change cannot take effect any more.
    async fn find_pending(
        &self,
        token: &Token,
        kind: PendingKind,
    ) -> Result<Result<(PendingChange, Option<Account>), Option<Account>>, AppError> {
        let now = self.clock.now();
        let verified = self.keys.verify_pending(token, kind, now)?;
        let Some(change) = self.store.pending_change(verified.id).await? else {
            return Ok(Err(None));
        };
        let account = self.store.account(change.account).await?;
        let is_disabled = account.as_ref().is_some_and(Account::is_disabled);
        if is_disabled || !verified.fits(&change, account.as_ref()) {
            return Ok(Err(account));
        }
        let can_take_effect = match (kind, &account) {
            // After a process died between the two, the pending change is left over.
            (PendingKind::ConfirmSignup, account) => account.is_none(),
            (PendingKind::ConfirmAddress, account) => account.is_some(),
            (PendingKind::RevertAddress, Some(account)) => account.address != change.address,
            (PendingKind::RevertAddress, None) => false,
        };
        Ok(match can_take_effect {
            true => Ok((change, account)),
            false => Err(account),
        })
    }

    /// Deletes a pending change that has taken effect or never can. A failure is only logged: the change cannot take effect
    /// again, and expires.
    pub(super) async fn drop_pending(&self, change: PendingChange) {
        if let Err(error) = self.store.delete_pending(&[change]).await {
            tracing::warn!(%error, "cannot delete a pending change yet");
        }
    }
}
