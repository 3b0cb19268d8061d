//! The outbox: the collection `movie_bag_outbox`.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::error::{ErrorKind, WriteFailure};
use mongodb::options::ReadConcern;

use super::super::{
    LeaseMode, LeaseResult, LimitedCall, Limits as _, Outbox, QueueResult, StoreError,
};
use super::MongoStore;
use super::accounts::{bounded, page};
use super::documents::{
    EntryDocument, GONE, LeaseDocument, date, document, free_at, object_id, read, timestamp,
};
use super::link::{in_words, is_collision};
use super::steps::{Outcome, Step};
use movie_bag_core::domain::event::Event;
use movie_bag_core::domain::id::{AccountId, EntryId, LeaseId};
use movie_bag_core::domain::outbox::{self, Entry, EntryState, Lease, MailKind, OutboxState, Round};

/// The waiting entries of a round. A kind that a newer version has queued is left to that one.
fn waiting(round: Round) -> Document {
    let known: Vec<&str> = MailKind::ALL.iter().map(|kind| kind.name()).collect();
    doc! { "state": EntryState::Waiting.name(), "is_again": round == Round::Later, "kind": { "$in": known } }
}

/// Those of them that may be taken at `now`.
fn due(round: Round, now: Timestamp) -> Document {
    // Dates are whole milliseconds, so this is "at `now` or before"; `$lte` on a compound index leaves out equal dates on
    // one server that speaks the protocol.
    let just_after = DateTime::from_millis(now.as_millisecond().saturating_add(1));
    let mut due = waiting(round);
    due.insert("free_at", doc! { "$lt": just_after });
    due
}

/// An account's entries, waiting and dead.
pub(super) fn undelivered(account: ObjectId) -> Document {
    doc! { "account": account, "state": { "$ne": GONE } }
}

fn by_urgency() -> Document {
    doc! { "free_at": 1, "_id": 1 }
}

/// How often entries are tried to be taken at once, while others are at the same ones.
const TRIES: usize = 3;
/// How many leases are of one entry each, which pass over those that are busy, once all these tries were in vain.
const CAREFUL: u32 = 200;
/// How many entries that are busy are passed over in one look.
const MOST_BUSY: usize = 100;

/// What came of trying to take an entry.
enum Claim {
    Ours(Box<EntryDocument>),
    /// Somebody was faster.
    Changed,
    /// A transaction holds it, maybe one of a process that is dead.
    Busy,
}

/// Whether a commit was made, and the majority did not confirm it in time.
fn is_unconfirmed(error: &mongodb::error::Error) -> bool {
    matches!(
        &*error.kind,
        ErrorKind::Write(WriteFailure::WriteConcernError(_))
    )
}

impl MongoStore {
    /// Takes up to so many entries in one transaction, passing over the first `passed_over`; `None` where others are at the
    /// same ones.
    async fn claim_some(
        &self,
        round: Round,
        now: Timestamp,
        lease: Lease,
        limit: usize,
        passed_over: usize,
    ) -> mongodb::error::Result<Option<Vec<Entry>>> {
        // What the primary has now, also where the majority does not have it yet: the update decides.
        let found: Vec<Document> = self
            .at
            .outbox
            .find(due(round, now))
            .sort(by_urgency())
            .skip(passed_over as u64)
            .limit(bounded(limit))
            .projection(doc! { "_id": 1 })
            .read_concern(ReadConcern::local())
            .await?
            .try_collect()
            .await?;
        let ids: Vec<&Bson> = found.iter().filter_map(|entry| entry.get("_id")).collect();
        if ids.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let mut free = due(round, now);
        free.insert("_id", doc! { "$in": &ids });
        // They are due, so the lease ends later than they wait.
        let held = doc! {
            "is_again": true,
            "lease": document(&LeaseDocument::from(lease))?,
            "free_at": date(lease.until),
        };
        let hold = doc! { "$set": held, "$inc": { "attempts": 1_i64 } };
        let mut session = self.client.start_session().await?;
        session.start_transaction().await?;
        let claimed = async {
            self.at
                .outbox
                .driver()
                .update_many(free, hold)
                .session(&mut session)
                .await?;
            session.commit_transaction().await
        };
        match claimed.await {
            Err(error) if is_collision(&error) => {
                let _ = session.abort_transaction().await;
                return Ok(None);
            }
            // The majority did not confirm it in time. The primary has made it all the same.
            Err(error) if is_unconfirmed(&error) => {}
            claimed => claimed?,
        }
        let ours =
            doc! { "_id": { "$in": &ids }, "lease.holder": object_id(lease.holder.as_bytes()) };
        // As the primary has it: what the majority has may not include the leases that were just written, and entries
        // whose lease goes unnoticed would wait until it ends.
        let ours = self.at.outbox.find(ours).read_concern(ReadConcern::local());
        let mut ours: Vec<Document> = ours.await?.try_collect().await?;
        ours.sort_by_key(|entry| ids.iter().position(|id| entry.get("_id") == Some(id)));
        let mut entries = Vec::new();
        for found in ours {
            let id = found.get("_id").cloned();
            match read("movie_bag_outbox", found).and_then(|entry: EntryDocument| entry.try_into())
            {
                Ok(entry) => entries.push(entry),
                // A failure of this takes no leased one with it: it is tried again when the lease ends.
                Err(error) => {
                    if let Err(error) = self.bury(id, &in_words(&error)).await {
                        tracing::warn!("{}", in_words(&error));
                    }
                }
            }
        }
        Ok(Some(entries))
    }

    /// Takes the next entry that nobody is writing at the moment.
    async fn find_and_claim(
        &self,
        round: Round,
        now: Timestamp,
        lease: Lease,
    ) -> mongodb::error::Result<Option<Entry>> {
        let mut busy: Vec<ObjectId> = Vec::new();
        loop {
            let mut due = due(round, now);
            if !busy.is_empty() {
                due.insert("_id", doc! { "$nin": &busy });
            }
            // What the primary has now, also where the majority does not have it yet: the claim decides, and what is long
            // claimed is not looked at again and again.
            let found = self
                .at
                .outbox
                .find_one(due)
                .sort(by_urgency())
                .read_concern(ReadConcern::local())
                .await?;
            let Some(found) = found else {
                return Ok(None);
            };
            let id = found.get("_id").cloned();
            let entry: EntryDocument = match read("movie_bag_outbox", found) {
                Ok(entry) => entry,
                Err(error) => {
                    self.bury(id, &in_words(&error)).await?;
                    continue;
                }
            };
            // What its queueing or its last attempt left unfinished may take it away.
            if self.touch(entry.account).await? {
                continue;
            }
            match self.claim(&entry, &entry.state, lease).await? {
                Claim::Ours(ours) => match Entry::try_from(*ours) {
                    Ok(entry) => return Ok(Some(entry)),
                    Err(error) => self.bury(id, &in_words(&error)).await?,
                },
                Claim::Changed => {}
                Claim::Busy if busy.len() < MOST_BUSY => busy.push(entry.id),
                Claim::Busy => return Ok(None),
            }
        }
    }

    /// Takes an entry where it still is as it was found, and gives it this state.
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
            "lease": document(&LeaseDocument::from(lease))?,
            "free_at": free_at(entry.next_try_at, Some(lease)),
        };
        let hold = doc! { "$set": held, "$inc": { "attempts": 1_i64 } };
        let is_claimed = if self.has_transactions {
            // Within a transaction a collision is told at once. Without, the update would wait for the other one, for a
            // minute where its process is dead, and all other mails with it.
            let mut session = self.client.start_session().await?;
            session.start_transaction().await?;
            let update = self.at.outbox.driver().update_one(is_free, hold);
            match update.session(&mut session).await {
                Err(error) if is_collision(&error) => {
                    let _ = session.abort_transaction().await;
                    return Ok(Claim::Busy);
                }
                updated => {
                    let updated = updated?;
                    match session.commit_transaction().await {
                        Err(error) if is_collision(&error) => return Ok(Claim::Busy),
                        // As in `claim_some`.
                        Err(error) if is_unconfirmed(&error) => {}
                        committed => committed?,
                    }
                    updated.matched_count > 0
                }
            }
        } else {
            self.at.outbox.update_one(is_free, hold).await?
        };
        if !is_claimed {
            return Ok(Claim::Changed);
        }
        let mut ours = entry.clone();
        ours.state = state.to_owned();
        ours.lease = Some(lease.into());
        ours.attempts += 1;
        Ok(Claim::Ours(Box::new(ours)))
    }

    /// The moment at which a round's next entry may be taken.
    async fn first_free(&self, round: Round) -> mongodb::error::Result<Option<Timestamp>> {
        let first = self
            .at
            .outbox
            .find_one(waiting(round))
            .sort(by_urgency())
            .projection(doc! { "free_at": 1 })
            .await?;
        first
            .map(|first| timestamp(*first.get_datetime("free_at")?))
            .transpose()
    }

    async fn count_of(&self, state: EntryState) -> mongodb::error::Result<u64> {
        let of_state = doc! { "state": state.name() };
        self.at.outbox.count_documents(of_state).await
    }

    /// When the entry that waits the longest was asked for.
    async fn oldest_waiting_since(&self) -> mongodb::error::Result<Option<Timestamp>> {
        let oldest = self
            .at
            .outbox
            .find_one(doc! { "state": EntryState::Waiting.name() })
            .sort(doc! { "requested_at": 1 })
            .projection(doc! { "requested_at": 1 })
            .await?;
        oldest
            .map(|oldest| timestamp(*oldest.get_datetime("requested_at")?))
            .transpose()
    }

    /// Gives up an entry that can't be read: it must not hold up those behind it.
    async fn bury(&self, id: Option<Bson>, why: &str) -> mongodb::error::Result<()> {
        tracing::error!("cannot send a mail: {why}");
        let dead = doc! { "state": EntryState::Dead.name(), "last_error": why };
        self.at
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
                self.too_early(counting).await?
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
        Ok(match self.step(step).await? {
            Outcome::Done => QueueResult::Queued,
            Outcome::TooEarly(early) => QueueResult::TooEarly(early),
            _ => QueueResult::NoAccount,
        })
    }

    async fn lease_due(
        &self,
        round: Round,
        now: Timestamp,
        lease: Lease,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.within(async {
            // What a standalone server has in its journal must be looked at before each claim.
            if self.has_transactions && self.careful_leases.load(Ordering::Relaxed) == 0 {
                for tried in 0..TRIES {
                    // Behind those at which others are: a process that is dead may hold them for a minute.
                    let passed_over = tried * limit;
                    if let Some(leased) = self
                        .claim_some(round, now, lease, limit, passed_over)
                        .await?
                        .filter(|leased| tried == 0 || !leased.is_empty())
                    {
                        return Ok(leased);
                    }
                }
                self.careful_leases.store(CAREFUL, Ordering::Relaxed);
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
        let which = doc! { "_id": object_id(id.as_bytes()), "state": is_wanted };
        self.within(async {
            loop {
                let Some(found) = self.at.outbox.find_one(which.clone()).await? else {
                    return Ok(LeaseResult::NotFound);
                };
                let entry: EntryDocument = read("movie_bag_outbox", found)?;
                if self.touch(entry.account).await? {
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
                    Claim::Ours(ours) => {
                        return Ok(LeaseResult::Leased(Box::new((*ours).try_into()?)));
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
        self.within(async {
            let renewed = self.at.outbox.update_one(
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
        event: &Event,
    ) -> Result<bool, StoreError> {
        let step = Step::Settle {
            entry: object_id(id.as_bytes()),
            holder: object_id(holder.as_bytes()),
            outcome: outcome.into(),
            event: event.into(),
        };
        Ok(self.step(step).await? == Outcome::Done)
    }

    async fn release_entry(&self, entry: &Entry, error: Option<&str>) -> Result<bool, StoreError> {
        let Some(lease) = entry.lease else {
            return Ok(false);
        };
        // No other worker counts attempts while it is held.
        let attempts = entry.attempts.saturating_sub(1);
        let is_held = doc! { "_id": object_id(entry.id.as_bytes()), "lease.holder": object_id(lease.holder.as_bytes()) };
        let mut as_before = doc! {
            "attempts": i64::from(attempts),
            "is_again": attempts > 0,
            "free_at": date(entry.next_try_at),
        };
        if let Some(error) = error {
            as_before.insert("last_error", error);
        }
        self.within(async {
            let given_back = self.at.outbox.update_one(
                is_held,
                doc! { "$set": as_before, "$unset": { "lease": "" } },
            );
            given_back.await
        })
        .await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.within(async {
            let (first, later) =
                tokio::try_join!(self.first_free(Round::First), self.first_free(Round::Later))?;
            Ok(first.into_iter().chain(later).min())
        })
        .await
    }

    async fn outbox_state(&self) -> Result<OutboxState, StoreError> {
        self.within(async {
            let (waiting, dead, oldest_waiting_since) = tokio::try_join!(
                self.count_of(EntryState::Waiting),
                self.count_of(EntryState::Dead),
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
        self.within(page(
            &self.at.outbox,
            doc! { "state": { "$ne": GONE } },
            doc! {},
            after,
            limit,
            |found| read::<EntryDocument>("movie_bag_outbox", found)?.try_into(),
        ))
        .await
    }

    async fn entries_of(&self, account: AccountId) -> Result<Vec<Entry>, StoreError> {
        let account = object_id(account.as_bytes());
        self.within(async {
            self.touch(account).await?;
            let found = self
                .at
                .outbox
                .with_type::<EntryDocument>()
                .find(undelivered(account))
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
