//! The outbox: the collection `movie_bag_outbox`.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::error::{ErrorKind, WriteFailure};
use mongodb::options::ReadConcern;
use movie_bag_core::domain::event::Event;
use movie_bag_core::domain::id::{AccountId, EntryId, LeaseId};
use movie_bag_core::domain::limit::TooEarly;
use movie_bag_core::domain::mail::MailKind;
use movie_bag_core::domain::outbox::{self, Entry, EntryState, Lease, OutboxState, Round};
use movie_bag_core::ports::store::{
    LeaseMode, LeaseResult, LimitedCall, Limits as _, Outbox, QueueResult, StoreError,
};

use super::MongoStore;
use super::documents::{
    EntryDocument, GONE, LeaseDocument, date, decode, free_at, object_id, timestamp, to_document,
    undelivered_filter,
};
use super::errors::{describe, is_server_conflict};
use super::paging::{fetch_page, server_limit};
use super::steps::{Outcome, Step};

/// Matches the waiting entries of a round. Kinds of a newer version are left to that version.
fn waiting_filter(round: Round) -> Document {
    let known: Vec<&str> = MailKind::ALL.iter().map(|kind| kind.name()).collect();
    doc! { "state": EntryState::Waiting.name(), "is_again": round == Round::Later, "kind": { "$in": known } }
}

/// Matches the entries of a round that may be leased at `now`.
fn due_filter(round: Round, now: Timestamp) -> Document {
    // Dates are whole milliseconds, so this means "at `now` or before". One server that implements the protocol leaves out
    // equal dates for `$lte` on a compound index.
    let just_after = DateTime::from_millis(now.as_millisecond().saturating_add(1));
    let mut filter = waiting_filter(round);
    filter.insert("free_at", doc! { "$lt": just_after });
    filter
}

fn urgency_order() -> Document {
    doc! { "free_at": 1, "_id": 1 }
}

/// Maximum number of tries to lease several entries at once while other transactions claim the same ones.
const TRIES: usize = 3;
/// Number of leases that take one entry each and skip locked ones, after all these tries have failed.
const CAREFUL_LEASES: u32 = 200;
/// Maximum number of locked entries that one lease skips.
const MAX_BUSY: usize = 100;

/// Result of an attempt to lease an entry.
enum Claim {
    Claimed(Box<EntryDocument>),
    /// Another worker changed it in the meantime.
    Changed,
    /// Another transaction has locked it, perhaps one of a dead process.
    Busy,
}

/// Returns whether the primary has committed, and a majority did not confirm it in time.
fn is_unconfirmed(error: &mongodb::error::Error) -> bool {
    matches!(
        &*error.kind,
        ErrorKind::Write(WriteFailure::WriteConcernError(_))
    )
}

impl MongoStore {
    /// Leases up to `limit` entries in one transaction, after skipping the first `skipped`. Returns `None` if another
    /// transaction claims the same ones.
    async fn claim_several(
        &self,
        round: Round,
        now: Timestamp,
        lease: Lease,
        limit: usize,
        skipped: usize,
    ) -> mongodb::error::Result<Option<Vec<Entry>>> {
        // The primary's present state, even if a majority does not have it yet: the update decides.
        let found: Vec<Document> = self
            .collections
            .outbox
            .find(due_filter(round, now))
            .sort(urgency_order())
            .skip(skipped as u64)
            .limit(server_limit(limit))
            .projection(doc! { "_id": 1 })
            .read_concern(ReadConcern::local())
            .await?
            .try_collect()
            .await?;
        let ids: Vec<&Bson> = found.iter().filter_map(|entry| entry.get("_id")).collect();
        if ids.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let mut free = due_filter(round, now);
        free.insert("_id", doc! { "$in": &ids });
        // The entries are due, so the lease ends after `next_try_at`.
        let held = doc! {
            "is_again": true,
            "lease": to_document(&LeaseDocument::from(lease))?,
            "free_at": date(lease.until),
        };
        let hold = doc! { "$set": held, "$inc": { "attempts": 1_i64 } };
        let mut session = self.client.start_session().await?;
        session.start_transaction().await?;
        let claimed = async {
            self.collections
                .outbox
                .driver()
                .update_many(free, hold)
                .session(&mut session)
                .await?;
            session.commit_transaction().await
        };
        match claimed.await {
            Err(error) if is_server_conflict(&error) => {
                let _ = session.abort_transaction().await;
                return Ok(None);
            }
            // The primary has committed nevertheless.
            Err(error) if is_unconfirmed(&error) => {}
            claimed => claimed?,
        }
        let leased_filter =
            doc! { "_id": { "$in": &ids }, "lease.holder": object_id(lease.holder.as_bytes()) };
        // Read from the primary alone: a majority may not have these leases yet, and entries that are missing here would wait
        // until their lease ends.
        let leased = self
            .collections
            .outbox
            .find(leased_filter)
            .read_concern(ReadConcern::local());
        let mut leased: Vec<Document> = leased.await?.try_collect().await?;
        leased.sort_by_key(|entry| ids.iter().position(|id| entry.get("_id") == Some(id)));
        let mut entries = Vec::new();
        for found in leased {
            let id = found.get("_id").cloned();
            match decode("movie_bag_outbox", found)
                .and_then(|entry: EntryDocument| entry.try_into())
            {
                Ok(entry) => entries.push(entry),
                // If this fails too, the leased entries are returned nevertheless. The write is retried when the lease ends.
                Err(error) => {
                    if let Err(error) = self.give_up(id, &describe(&error)).await {
                        tracing::warn!("{}", describe(&error));
                    }
                }
            }
        }
        Ok(Some(entries))
    }

    /// Leases the next entry that no other transaction has locked.
    async fn find_and_claim(
        &self,
        round: Round,
        now: Timestamp,
        lease: Lease,
    ) -> mongodb::error::Result<Option<Entry>> {
        let mut busy: Vec<ObjectId> = Vec::new();
        loop {
            let mut filter = due_filter(round, now);
            if !busy.is_empty() {
                filter.insert("_id", doc! { "$nin": &busy });
            }
            // The primary's present state, even if a majority does not have it yet: the claim decides, and entries that were
            // claimed long ago are not read again and again.
            let found = self
                .collections
                .outbox
                .find_one(filter)
                .sort(urgency_order())
                .read_concern(ReadConcern::local())
                .await?;
            let Some(found) = found else {
                return Ok(None);
            };
            let id = found.get("_id").cloned();
            let entry: EntryDocument = match decode("movie_bag_outbox", found) {
                Ok(entry) => entry,
                Err(error) => {
                    self.give_up(id, &describe(&error)).await?;
                    continue;
                }
            };
            // Completing an unfinished step of the account may remove the entry.
            if self.complete_steps_of(entry.account).await? {
                continue;
            }
            match self.claim(&entry, &entry.state, lease).await? {
                Claim::Claimed(claimed) => match Entry::try_from(*claimed) {
                    Ok(entry) => return Ok(Some(entry)),
                    Err(error) => self.give_up(id, &describe(&error)).await?,
                },
                Claim::Changed => {}
                Claim::Busy if busy.len() < MAX_BUSY => busy.push(entry.id),
                Claim::Busy => return Ok(None),
            }
        }
    }

    /// Leases an entry if it is unchanged since it was read, and sets its state.
    async fn claim(
        &self,
        entry: &EntryDocument,
        state: &str,
        lease: Lease,
    ) -> mongodb::error::Result<Claim> {
        let is_free = doc! { "_id": entry.id, "state": &entry.state, "attempts": entry.attempts, "free_at": entry.free_at };
        let held = doc! {
            "state": state,
            "is_again": true,
            "lease": to_document(&LeaseDocument::from(lease))?,
            "free_at": free_at(entry.next_try_at, Some(lease)),
        };
        let hold = doc! { "$set": held, "$inc": { "attempts": 1_i64 } };
        let is_claimed = if self.has_transactions {
            // In a transaction a conflict is reported at once. Without one, the update would wait for the other transaction
            // (for a minute if its process is dead), and all other mails would wait, too.
            let mut session = self.client.start_session().await?;
            session.start_transaction().await?;
            let update = self.collections.outbox.driver().update_one(is_free, hold);
            match update.session(&mut session).await {
                Err(error) if is_server_conflict(&error) => {
                    let _ = session.abort_transaction().await;
                    return Ok(Claim::Busy);
                }
                updated => {
                    let updated = updated?;
                    match session.commit_transaction().await {
                        Err(error) if is_server_conflict(&error) => return Ok(Claim::Busy),
                        // The primary has committed nevertheless, as in `claim_several`.
                        Err(error) if is_unconfirmed(&error) => {}
                        committed => committed?,
                    }
                    updated.matched_count > 0
                }
            }
        } else {
            self.collections.outbox.update_one(is_free, hold).await?
        };
        if !is_claimed {
            return Ok(Claim::Changed);
        }
        let mut claimed = entry.clone();
        claimed.state = state.to_owned();
        claimed.lease = Some(lease.into());
        claimed.attempts += 1;
        Ok(Claim::Claimed(Box::new(claimed)))
    }

    /// Returns the time from which the next entry of a round may be leased.
    async fn first_free_at(&self, round: Round) -> mongodb::error::Result<Option<Timestamp>> {
        let first = self
            .collections
            .outbox
            .find_one(waiting_filter(round))
            .sort(urgency_order())
            .projection(doc! { "free_at": 1 })
            .await?;
        first
            .map(|first| timestamp(*first.get_datetime("free_at")?))
            .transpose()
    }

    async fn count_in_state(&self, state: EntryState) -> mongodb::error::Result<u64> {
        let of_state = doc! { "state": state.name() };
        self.collections.outbox.count_documents(of_state).await
    }

    /// Returns the time of the oldest request that waits.
    async fn oldest_waiting_since(&self) -> mongodb::error::Result<Option<Timestamp>> {
        let oldest = self
            .collections
            .outbox
            .find_one(doc! { "state": EntryState::Waiting.name() })
            .sort(doc! { "requested_at": 1 })
            .projection(doc! { "requested_at": 1 })
            .await?;
        oldest
            .map(|oldest| timestamp(*oldest.get_datetime("requested_at")?))
            .transpose()
    }

    /// Marks an entry that cannot be read as dead, so that it does not block the entries behind it.
    async fn give_up(&self, id: Option<Bson>, why: &str) -> mongodb::error::Result<()> {
        tracing::error!("cannot send a mail: {why}");
        let dead = doc! { "state": EntryState::Dead.name(), "last_error": why };
        self.collections
            .outbox
            .update_one(doc! { "_id": id }, doc! { "$set": dead })
            .await
            .map(|_| ())
    }
}

#[async_trait]
impl Outbox for MongoStore {
    async fn queue_mail(
        &self,
        entry: &Entry,
        event: &Event,
        counting: Option<LimitedCall>,
    ) -> Result<QueueResult, StoreError> {
        if let Some(counting) = counting {
            let early = if self.has_transactions {
                self.check_limit(counting).await?
            } else {
                self.count(counting).await?.err()
            };
            if let Some(early) = early {
                return Ok(QueueResult::TooEarly(early));
            }
        }
        let step = Step::QueueMail {
            event: event.into(),
            mail: entry.into(),
            counting,
        };
        Ok(match self.execute(step).await? {
            Outcome::Done => QueueResult::Queued,
            Outcome::TooEarly(early) => QueueResult::TooEarly(early),
            _ => QueueResult::NoAccount,
        })
    }

    async fn queue_signup_mail(
        &self,
        entry: &Entry,
        counting: Option<LimitedCall>,
    ) -> Result<Result<(), TooEarly>, StoreError> {
        if let Some(counting) = counting
            && let Err(early) = self.count(counting).await?
        {
            return Ok(Err(early));
        }
        self.run(async {
            let entry = to_document(&EntryDocument::from(entry))?;
            self.collections.outbox.insert_one(entry).await
        })
        .await
        .map(Ok)
    }

    async fn lease_due(
        &self,
        round: Round,
        now: Timestamp,
        lease: Lease,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.run(async {
            // On a standalone server the journal must be read before each claim.
            if self.has_transactions && self.careful_leases.load(Ordering::Relaxed) == 0 {
                for tried in 0..TRIES {
                    // Skips the entries that others claim: a dead process may lock them for a minute.
                    let skipped = tried * limit;
                    if let Some(leased) = self
                        .claim_several(round, now, lease, limit, skipped)
                        .await?
                        .filter(|leased| tried == 0 || !leased.is_empty())
                    {
                        return Ok(leased);
                    }
                }
                self.careful_leases.store(CAREFUL_LEASES, Ordering::Relaxed);
            }
            let _ =
                self.careful_leases
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                        left.checked_sub(1)
                    });
            let leased = self.find_and_claim(round, now, lease).await?;
            Ok(leased.into_iter().collect())
        })
        .await
    }

    async fn lease_entry(
        &self,
        id: EntryId,
        wanted: LeaseMode,
        now: Timestamp,
        lease: Lease,
    ) -> Result<LeaseResult, StoreError> {
        let is_wanted = match wanted {
            LeaseMode::WaitingOnly => doc! { "$eq": EntryState::Waiting.name() },
            LeaseMode::Revive | LeaseMode::KeepState => doc! { "$ne": GONE },
        };
        let filter = doc! { "_id": object_id(id.as_bytes()), "state": is_wanted };
        self.run(async {
            loop {
                let Some(found) = self.collections.outbox.find_one(filter.clone()).await? else {
                    return Ok(LeaseResult::NotFound);
                };
                let entry: EntryDocument = decode("movie_bag_outbox", found)?;
                if self.complete_steps_of(entry.account).await? {
                    continue;
                }
                let is_held = |until: DateTime| until > date(now);
                if entry
                    .lease
                    .as_ref()
                    .is_some_and(|lease| is_held(lease.until))
                {
                    return Ok(LeaseResult::Held);
                }
                let state = match wanted {
                    LeaseMode::Revive => EntryState::Waiting.name(),
                    LeaseMode::WaitingOnly | LeaseMode::KeepState => &entry.state,
                };
                match self.claim(&entry, state, lease).await? {
                    Claim::Claimed(claimed) => {
                        return Ok(LeaseResult::Leased(Box::new((*claimed).try_into()?)));
                    }
                    Claim::Changed => {}
                    Claim::Busy => return Ok(LeaseResult::Held),
                }
            }
        })
        .await
    }

    async fn renew_lease(&self, id: EntryId, lease: Lease) -> Result<bool, StoreError> {
        let is_held = doc! { "_id": object_id(id.as_bytes()), "lease.holder": object_id(lease.holder.as_bytes()) };
        let until = date(lease.until);
        self.run(async {
            let renewed = self.collections.outbox.update_one(
                is_held,
                doc! { "$set": { "lease.until": until }, "$max": { "free_at": until } },
            );
            renewed.await
        })
        .await
    }

    async fn settle(
        &self,
        id: EntryId,
        holder: LeaseId,
        outcome: &outbox::Outcome,
        event: Option<&Event>,
    ) -> Result<bool, StoreError> {
        let (entry, holder) = (object_id(id.as_bytes()), object_id(holder.as_bytes()));
        let outcome = outcome.into();
        let step = match event {
            Some(event) => Step::Settle {
                entry,
                holder,
                outcome,
                event: event.into(),
            },
            None => Step::SettleSignup {
                entry,
                holder,
                outcome,
                mark: ObjectId::new(),
            },
        };
        Ok(self.execute(step).await? == Outcome::Done)
    }

    async fn release_entry(&self, entry: &Entry, error: Option<&str>) -> Result<bool, StoreError> {
        let Some(lease) = entry.lease else {
            return Ok(false);
        };
        // No other worker counts attempts during the lease.
        let attempts = entry.attempts.saturating_sub(1);
        let is_held = doc! { "_id": object_id(entry.id.as_bytes()), "lease.holder": object_id(lease.holder.as_bytes()) };
        let mut restored = doc! {
            "attempts": i64::from(attempts),
            "is_again": attempts > 0,
            "free_at": date(entry.next_try_at),
        };
        if let Some(error) = error {
            restored.insert("last_error", error);
        }
        self.run(async {
            let given_back = self.collections.outbox.update_one(
                is_held,
                doc! { "$set": restored, "$unset": { "lease": "" } },
            );
            given_back.await
        })
        .await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.run(async {
            let (first, later) = tokio::try_join!(
                self.first_free_at(Round::First),
                self.first_free_at(Round::Later)
            )?;
            Ok(first.into_iter().chain(later).min())
        })
        .await
    }

    async fn outbox_state(&self) -> Result<OutboxState, StoreError> {
        self.run(async {
            let (waiting, dead, oldest_waiting_since) = tokio::try_join!(
                self.count_in_state(EntryState::Waiting),
                self.count_in_state(EntryState::Dead),
                self.oldest_waiting_since(),
            )?;
            Ok(OutboxState {
                waiting,
                dead,
                oldest_waiting_since,
            })
        })
        .await
    }

    async fn entries(
        &self,
        after: Option<EntryId>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let after = after.map(|id| object_id(id.as_bytes()));
        self.run(fetch_page(
            &self.collections.outbox,
            doc! { "state": { "$ne": GONE } },
            doc! {},
            after,
            limit,
            |found| decode::<EntryDocument>("movie_bag_outbox", found)?.try_into(),
        ))
        .await
    }

    async fn entries_of(&self, account: AccountId) -> Result<Vec<Entry>, StoreError> {
        let account = object_id(account.as_bytes());
        self.run(async {
            self.complete_steps_of(account).await?;
            let found = self
                .collections
                .outbox
                .with_type::<EntryDocument>()
                .find(undelivered_filter(account))
                .sort(doc! { "requested_at": 1, "_id": 1 })
                .await?;
            found
                .and_then(|entry| async { entry.try_into() })
                .try_collect()
                .await
        })
        .await
    }
}
