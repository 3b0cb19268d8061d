//! Accounts: the collection `user`.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::action::{Action as _, Find};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::Result;
use mongodb::options::{Collation, ReadConcern};

use super::super::{
    AccountCreation, Accounts, CredentialChange, Deletion, Replacement, StoreError, by_cost,
};
use super::MongoStore;
use super::documents::{
    AccountDocument, EntryDocument, EventDocument, RevocationDocument, object_id, read,
};
use super::indexes::ignoring_case;
use super::limits::id_of;
use super::link::in_words;
use super::outbox::undelivered;
use super::steps::{Outcome, Step};
use super::timed_collection::TimedCollection;
use movie_bag_core::domain::account::Account;
use movie_bag_core::domain::email_address::EmailAddress;
use movie_bag_core::domain::event::Event;
use movie_bag_core::domain::id::{AccountId, RevocationId};
use movie_bag_core::domain::outbox::Entry;

/// The collation calls more alike than we do (ß and ss, wide letters), so what it finds is looked through. Nobody has so
/// many accounts that differ by that alone.
const MOST_SPELLINGS: i64 = 100;
/// How often a revocation that another one overtook is begun anew.
const REVOCATION_TRIES: u32 = 100;

impl MongoStore {
    /// One account, without its list of movies.
    async fn find_account(&self, filter: Document) -> Result<Option<AccountDocument>> {
        let found = self.at.user.find_one(filter).projection(fields()).await?;
        found.map(|found| read("user", found)).transpose()
    }

    /// The accounts with what is kept of them beside `user`.
    async fn all_whole(&self, accounts: Vec<AccountDocument>) -> Result<Vec<Account>> {
        let ids: Vec<ObjectId> = accounts.iter().map(|account| account.id).collect();
        let found: Vec<RevocationDocument> = self
            .at
            .revocations
            .with_type()
            .find(doc! { "_id": { "$in": ids } })
            .await?
            .try_collect()
            .await?;
        let revocations: BTreeMap<ObjectId, ObjectId> = found
            .into_iter()
            .map(|found| (found.account, found.revocation))
            .collect();
        let whole = accounts.into_iter().map(|account| {
            let revocation = revocations.get(&account.id).copied();
            account.with(revocation)
        });
        Ok(whole.collect())
    }

    /// The same for one, which is asked for also where there is none: an unknown address costs as much.
    async fn whole(&self, account: Option<AccountDocument>) -> Result<Option<Account>> {
        Ok(self.all_whole(account.into_iter().collect()).await?.pop())
    }

    /// Filter and collation that find accounts with one of these addresses, in whichever capitals. Without collations a
    /// regular expression looks at every account.
    fn spelled(&self, addresses: &[&str]) -> (Document, Option<Collation>) {
        let exactly = doc! { "email": { "$in": addresses } };
        if self.has_collations.load(Ordering::Relaxed) {
            return (exactly, Some(ignoring_case()));
        }
        let mut any = vec![exactly];
        any.extend(addresses.iter().map(|address| {
            let pattern = format!("^{}$", literally(address));
            doc! { "email": { "$regex": pattern, "$options": "i" } }
        }));
        (doc! { "$or": any }, None)
    }

    /// Looks for all spellings at once, so that a known and an unknown address cost the same.
    async fn find_address(&self, typed: &str, canonical: &str) -> Result<Option<AccountDocument>> {
        let (spelled, collation) = self.spelled(&[typed, canonical]);
        let alike = self
            .at
            .user
            .find(spelled)
            .optional(collation, Find::collation)
            .projection(fields())
            .limit(MOST_SPELLINGS)
            .await?;
        let mut alike: Vec<AccountDocument> = alike
            .and_then(|found| async { read("user", found) })
            .try_collect()
            .await?;
        for spelling in [typed, canonical] {
            if let Some(exact) = alike.iter().position(|account| account.email == spelling) {
                return Ok(Some(alike.swap_remove(exact)));
            }
        }
        alike.retain(|account| account.email.eq_ignore_ascii_case(canonical));
        let first = alike.pop();
        Ok(first.filter(|_| alike.is_empty()))
    }
}

#[async_trait]
impl Accounts for MongoStore {
    async fn create_account(
        &self,
        account: &Account,
        event: &Event,
        mail: Option<&Entry>,
    ) -> std::result::Result<AccountCreation, StoreError> {
        let step = Step::CreateAccount {
            account: account.into(),
            event: event.into(),
            mail: mail.map(EntryDocument::from),
        };
        Ok(match self.step(step).await? {
            Outcome::Taken => AccountCreation::AddressTaken,
            _ => AccountCreation::Created,
        })
    }

    async fn account(&self, id: AccountId) -> std::result::Result<Option<Account>, StoreError> {
        let id = object_id(id.as_bytes());
        self.within(async {
            self.touch(id).await?;
            let found = self.find_account(doc! { "_id": id }).await?;
            self.whole(found).await
        })
        .await
    }

    async fn account_by_address(
        &self,
        typed: &str,
        canonical: &EmailAddress,
    ) -> std::result::Result<Option<Account>, StoreError> {
        self.within(async {
            let mut found = self.find_address(typed, canonical.as_str()).await?;
            // The journal is read for an unknown address, too, so that the time does not tell it from a known one.
            let nobody = ObjectId::from_bytes([0; 12]);
            let id = found.as_ref().map_or(nobody, |account| account.id);
            if self.touch(id).await? {
                found = self.find_address(typed, canonical.as_str()).await?;
            }
            self.whole(found).await
        })
        .await
    }

    async fn accounts(
        &self,
        after: Option<AccountId>,
        limit: usize,
    ) -> std::result::Result<Vec<Account>, StoreError> {
        let after = after.map(|id| object_id(id.as_bytes()));
        self.within(async {
            let found = page(&self.at.user, doc! {}, fields(), after, limit, |found| {
                read::<AccountDocument>("user", found)
            });
            self.all_whole(found.await?).await
        })
        .await
    }

    async fn is_address_taken(
        &self,
        canonical: &EmailAddress,
    ) -> std::result::Result<bool, StoreError> {
        let canonical = canonical.as_str();
        self.within(async {
            let (spelled, collation) = self.spelled(&[canonical]);
            let alike = self
                .at
                .user
                .find(spelled)
                .optional(collation, Find::collation)
                .projection(fields())
                .limit(MOST_SPELLINGS)
                .await?;
            let alike: Vec<Document> = alike.try_collect().await?;
            Ok(alike.iter().any(|found| {
                found
                    .get_str("email")
                    .is_ok_and(|email| email.eq_ignore_ascii_case(canonical))
            }))
        })
        .await
    }

    async fn accounts_differing_by_case(
        &self,
        limit: usize,
    ) -> std::result::Result<Vec<Vec<Account>>, StoreError> {
        let groups = async {
            let groups: Vec<Document> = self
                .at
                .user
                .driver()
                .aggregate([
                    doc! { "$match": { "email": { "$type": "string" } } },
                    doc! { "$group": { "_id": { "$toLower": "$email" }, "ids": { "$push": "$_id" }, "count": { "$sum": 1 } } },
                    doc! { "$match": { "count": { "$gt": 1 } } },
                    doc! { "$sort": { "_id": 1 } },
                    doc! { "$limit": bounded(limit) },
                ])
                .allow_disk_use(true)
                .await?
                .try_collect()
                .await?;
            let mut look_alikes = Vec::new();
            for group in groups {
                let found = self
                    .at
                    .user
                    .find(doc! { "_id": { "$in": group.get_array("ids")?.clone() } })
                    .projection(fields())
                    .sort(doc! { "_id": 1 })
                    .await?;
                let accounts = found.and_then(|found| async { read("user", found) });
                look_alikes.push(self.all_whole(accounts.try_collect().await?).await?);
            }
            Ok(look_alikes)
        };
        // Without a limit in time: it walks the whole collection.
        groups.await.map_err(|error| self.link.failed(&error))
    }

    async fn hash_costs(&self) -> std::result::Result<BTreeMap<u32, u64>, StoreError> {
        let counting = async {
            let groups: Vec<Document> = self
                .at
                .user
                .driver()
                .aggregate([
                    doc! { "$match": { "password": { "$type": "string", "$regex": "^.{60}$" } } },
                    doc! { "$group": { "_id": { "$substrCP": ["$password", 0, 7] }, "count": { "$sum": 1_i64 } } },
                ])
                .await?
                .try_collect()
                .await?;
            let group = |group: &Document| {
                let count = group.get("count").map_or(0, |count| match count {
                    Bson::Int32(count) => i64::from(*count),
                    Bson::Int64(count) => *count,
                    _ => 0,
                });
                Ok((group.get_str("_id")?.to_owned(), count))
            };
            groups.iter().map(group).collect::<Result<Vec<_>>>()
        };
        // Without a limit in time: it reads the whole collection.
        let groups = counting.await.map_err(|error| self.link.failed(&error))?;
        Ok(by_cost(groups))
    }

    async fn replace_credential(
        &self,
        change: &CredentialChange,
    ) -> std::result::Result<Replacement, StoreError> {
        let expected = AccountDocument::from(&change.expected);
        self.within(self.touch_credential(&expected)).await?;
        let step = Step::ReplaceCredential {
            expected,
            email: change.address.clone(),
            password: change.password_hash.as_str().to_owned(),
            event: EventDocument::from(&change.event),
            mails: change.mails.iter().map(EntryDocument::from).collect(),
            clears_limit: change.clears_limit.map(id_of),
        };
        Ok(match self.step(step).await? {
            Outcome::Done => Replacement::Replaced,
            Outcome::Taken => Replacement::AddressTaken,
            _ => Replacement::Conflict,
        })
    }

    async fn revoke_access(
        &self,
        account: AccountId,
        revocation: RevocationId,
        event: &Event,
        mail: &Entry,
    ) -> std::result::Result<bool, StoreError> {
        let account = object_id(account.as_bytes());
        let event = EventDocument::from(event);
        // Begun anew where another revocation came first: a session from between the two ends, too.
        for _ in 0..REVOCATION_TRIES {
            let stored = self.within(async {
                self.touch(account).await?;
                if self.find_account(doc! { "_id": account }).await?.is_none() {
                    return Ok(None);
                }
                // As the primary has it now, since the write is compared with that.
                let stored = self.at.revocations.find_one(doc! { "_id": account });
                let stored = stored.read_concern(ReadConcern::local()).await?;
                let stored = stored.map(|found| read("movie_bag_revocations", found));
                stored.transpose().map(Some)
            });
            let Some(stored): Option<Option<RevocationDocument>> = stored.await? else {
                return Ok(false);
            };
            let step = Step::RevokeAccess {
                account,
                revocation: object_id(revocation.as_bytes()),
                replaces: stored.map(|stored| stored.revocation),
                event: event.clone(),
                mail: mail.into(),
            };
            if self.step(step).await? == Outcome::Done {
                return Ok(true);
            }
        }
        Err(self
            .link
            .contended("another revocation came first each time"))
    }

    async fn deletion_preview(
        &self,
        id: AccountId,
    ) -> std::result::Result<Option<Deletion>, StoreError> {
        let account = object_id(id.as_bytes());
        self.within(async {
            self.touch(account).await?;
            if self.find_account(doc! { "_id": account }).await?.is_none() {
                return Ok(None);
            }
            let own = doc! { "account": account };
            Ok(Some(Deletion {
                movies: self
                    .at
                    .movie
                    .count_documents(doc! { "added_by": account })
                    .await?,
                mails: self.at.outbox.count_documents(undelivered(account)).await?,
                events: self.at.history.count_documents(own).await?,
            }))
        })
        .await
    }

    async fn delete_account(
        &self,
        id: AccountId,
    ) -> std::result::Result<Option<Deletion>, StoreError> {
        let account = object_id(id.as_bytes());
        let is_there = self.within(async {
            self.touch(account).await?;
            self.find_account(doc! { "_id": account }).await
        });
        if is_there.await?.is_none() {
            return Ok(None);
        }
        Ok(match self.step(Step::DeleteAccount { account }).await? {
            Outcome::Deleted(deletion) => Some(deletion),
            _ => None,
        })
    }
}

/// A regular expression that matches this text.
fn literally(text: &str) -> String {
    let mut pattern = String::new();
    for letter in text.chars() {
        if letter.is_ascii() && !letter.is_ascii_alphanumeric() {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

/// What we read of a user; the list of movies may be long.
fn fields() -> Document {
    doc! { "email": 1, "password": 1 }
}

/// Those with a greater id, or all whose id is an ObjectId.
pub(super) fn later_than(after: Option<ObjectId>) -> Document {
    match after {
        Some(after) => doc! { "_id": { "$gt": after } },
        None => doc! { "_id": { "$gte": ObjectId::from_bytes([0; 12]) } },
    }
}

/// Up to `limit` documents in the order of their ids. One that others wrote so that it can't be read is told in the log
/// and left out: it must not hide the others.
pub(super) async fn page<T>(
    collection: &TimedCollection,
    which: Document,
    fields: Document,
    mut after: Option<ObjectId>,
    limit: usize,
    value: impl Fn(Document) -> Result<T>,
) -> Result<Vec<T>> {
    let mut page = Vec::new();
    while page.len() < limit {
        let wanted = limit - page.len();
        let mut later = later_than(after);
        later.extend(which.clone());
        let found: Vec<Document> = collection
            .find(later)
            .projection(fields.clone())
            .sort(doc! { "_id": 1 })
            .limit(bounded(wanted))
            .await?
            .try_collect()
            .await?;
        let is_last = found.len() < wanted;
        after = found.last().and_then(|last| last.get_object_id("_id").ok());
        for document in found {
            match value(document) {
                Ok(value) => page.push(value),
                Err(error) => tracing::warn!("{}", in_words(&error)),
            }
        }
        if is_last {
            break;
        }
    }
    Ok(page)
}

/// A limit, as the server counts them. 0 would be no limit: ask only for more.
pub(super) fn bounded(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).max(1)
}
