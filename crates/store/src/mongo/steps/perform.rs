//! Performance of a step: chooses the writes of each step, and cleans up after a process that died.

use mongodb::error::Result;

use super::super::execution::Execution;
use super::{Outcome, Step};

/// Performs a step.
pub(in super::super) async fn perform(
    step: &Step,
    execution: &mut Execution<'_>,
) -> Result<Outcome> {
    let outcome = write(step, execution).await?;
    if outcome == Outcome::Refused
        && execution.is_repeated()
        && let Some((mails, event)) = step.mails_and_event()
        && !execution.account_exists(&event.account).await?
    {
        // The process that died may have inserted these after the deletion of the account.
        execution.delete_mails_and_event(mails, event).await?;
    }
    Ok(outcome)
}

async fn write(step: &Step, execution: &mut Execution<'_>) -> Result<Outcome> {
    match step {
        Step::CreateAccount {
            account,
            event,
            mail,
        } => {
            execution
                .create_account(account, event, mail.as_slice())
                .await
        }
        Step::ReplaceCredential {
            expected,
            email,
            password,
            event,
            mails,
            disabling,
            clears_limit,
        } => {
            let replaced = execution
                .replace_credential(expected, disabling.as_ref(), email, password)
                .await?;
            if replaced {
                execution
                    .finish_replacement(event, mails, clears_limit.as_ref())
                    .await?;
                return Ok(Outcome::Done);
            }
            execution.completed_or_refused(event).await
        }
        Step::RevokeAccess {
            account,
            revocation,
            replaces,
            event,
            mail,
        } => {
            execution
                .revoke_access(
                    account,
                    revocation,
                    replaces.as_ref(),
                    event,
                    mail.as_slice(),
                )
                .await
        }
        Step::DisableAccount {
            account,
            revocation,
            replaces,
            event,
        } => {
            execution
                .disable_account(account, revocation, replaces.as_ref(), event)
                .await
        }
        Step::EnableAccount {
            account,
            disabling,
            event,
        } => execution.enable_account(account, disabling, event).await,
        Step::QueueMail {
            event,
            mail,
            counting,
        } => execution.queue_mail(event, mail, *counting).await,
        Step::Record { event } => execution.record(event).await,
        Step::Settle {
            entry,
            holder,
            outcome,
            event,
        } => execution.settle(entry, holder, outcome, event).await,
        Step::SettleSignup {
            entry,
            holder,
            outcome,
            mark,
            ..
        } => execution.settle_signup(entry, holder, outcome, *mark).await,
        Step::PutPending(change) => execution.put_pending(change).await,
        Step::DeletePending(change) => execution.delete_pending(change).await,
        Step::DeleteAccount { account } => execution.delete_account(account).await,
        Step::Sweep { account } => execution.sweep(account).await.map(Outcome::Deleted),
        Step::CreateMovie { movie } => execution.create_movie(movie).await,
        Step::DeleteMovie { movie, by } => execution.delete_movie(movie, by).await,
    }
}
