//! Accounts: the collections `user` and `movie_bag_revocations`.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::action::{Action as _, Find};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::Result;
use mongodb::options::{Collation, ReadConcern};
use movie_bag_core::domain::account::Account;
use movie_bag_core::domain::email_address::EmailAddress;
use movie_bag_core::domain::event::Event;
use movie_bag_core::domain::id::{AccountId, RevocationId};
use movie_bag_core::domain::outbox::Entry;
use movie_bag_core::ports::store::{
    AccountCreation, Accounts, CredentialChange, Deletion, Replacement, StatusChange, StoreError,
};

use super::super::hash_costs::count_by_cost;
use super::MongoStore;
use super::documents::{
    AccountDocument, EntryDocument, EventDocument, RevocationDocument, decode, object_id,
    undelivered_filter,
};
use super::indexes::case_insensitive;
use super::paging::{fetch_page, server_limit};
use super::steps::{Outcome, Step};
use super::tally_documents::key_id;

/// Maximum number of accounts in one search for an address. The collation treats more addresses as equal than we do (ß and
/// ss, wide letters), so the found ones are compared again. No system has this many accounts that differ in that way alone.
const MAX_SPELLINGS: i64 = 100;
/// Maximum number of tries of a revocation or a change of status that others precede.
const REVOCATION_TRIES: u32 = 100;

impl MongoStore {
    /// Finds an account, without its list of movies.
    async fn find_account(&self, filter: Document) -> Result<Option<AccountDocument>> {
        let found = self
            .collections
            .user
            .find_one(filter)
            .projection(account_fields())
            .await?;
        found.map(|found| decode("user", found)).transpose()
    }

    /// Adds the data of other collections to accounts.
    async fn add_revocations(&self, accounts: Vec<AccountDocument>) -> Result<Vec<Account>> {
        let ids: Vec<ObjectId> = accounts.iter().map(|account| account.id).collect();
        let found: Vec<RevocationDocument> = self
            .collections
            .revocations
            .with_type()
            .find(doc! { "_id": { "$in": ids } })
            .await?
            .try_collect()
            .await?;
        let mut revocations: BTreeMap<ObjectId, RevocationDocument> = found
            .into_iter()
            .map(|found| (found.account, found))
            .collect();
        let accounts = accounts.into_iter().map(|account| {
            let revocation = revocations.remove(&account.id);
            account.into_account(revocation)
        });
        Ok(accounts.collect())
    }

    /// Adds the data of other collections to an account. They are queried also without an account, so that an unknown address
    /// takes as long as a known one.
    async fn add_revocation(&self, account: Option<AccountDocument>) -> Result<Option<Account>> {
        Ok(self
            .add_revocations(account.into_iter().collect())
            .await?
            .pop())
    }

    /// Returns the stored revocation of an account, or `None` if the account does not exist.
    async fn present_revocation(
        &self,
        account: ObjectId,
    ) -> Result<Option<Option<RevocationDocument>>> {
        self.complete_steps_of(account).await?;
        if self.find_account(doc! { "_id": account }).await?.is_none() {
            return Ok(None);
        }
        // Reads from the primary, since the write is compared with its value.
        let stored = self
            .collections
            .revocations
            .find_one(doc! { "_id": account });
        let stored = stored.read_concern(ReadConcern::local()).await?;
        let stored = stored.map(|found| decode("movie_bag_revocations", found));
        stored.transpose().map(Some)
    }

    fn contention(&self) -> StoreError {
        self.connection
            .contention_error("another revocation came first each time")
    }

    /// Returns a filter and a collation that find accounts with one of these addresses in any case. Without collations, a
    /// regular expression scans every account.
    fn spelling_filter(&self, addresses: &[&str]) -> (Document, Option<Collation>) {
        let exactly = doc! { "email": { "$in": addresses } };
        if self.has_collations.load(Ordering::Relaxed) {
            return (exactly, Some(case_insensitive()));
        }
        let mut any = vec![exactly];
        any.extend(addresses.iter().map(|address| {
            let pattern = format!("^{}$", escape_pattern(address));
            doc! { "email": { "$regex": pattern, "$options": "i" } }
        }));
        (doc! { "$or": any }, None)
    }

    /// Searches for all spellings at once, so that a known and an unknown address take the same time.
    async fn find_address(&self, typed: &str, canonical: &str) -> Result<Option<AccountDocument>> {
        let (filter, collation) = self.spelling_filter(&[typed, canonical]);
        let alike = self
            .collections
            .user
            .find(filter)
            .optional(collation, Find::collation)
            .projection(account_fields())
            .limit(MAX_SPELLINGS)
            .await?;
        let mut alike: Vec<AccountDocument> = alike
            .and_then(|found| async { decode("user", found) })
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
        Ok(match self.execute(step).await? {
            Outcome::Taken => AccountCreation::AddressTaken,
            _ => AccountCreation::Created,
        })
    }

    async fn account(&self, id: AccountId) -> std::result::Result<Option<Account>, StoreError> {
        let id = object_id(id.as_bytes());
        self.run(async {
            self.complete_steps_of(id).await?;
            let found = self.find_account(doc! { "_id": id }).await?;
            self.add_revocation(found).await
        })
        .await
    }

    async fn account_by_address(
        &self,
        typed: &str,
        canonical: &EmailAddress,
    ) -> std::result::Result<Option<Account>, StoreError> {
        self.run(async {
            let mut found = self.find_address(typed, canonical.as_str()).await?;
            // The journal is read for an unknown address, too, so that the response time is the same as for a known one.
            let no_account = ObjectId::from_bytes([0; 12]);
            let id = found.as_ref().map_or(no_account, |account| account.id);
            if self.complete_steps_of(id).await? {
                found = self.find_address(typed, canonical.as_str()).await?;
            }
            self.add_revocation(found).await
        })
        .await
    }

    async fn accounts(
        &self,
        after: Option<AccountId>,
        limit: usize,
    ) -> std::result::Result<Vec<Account>, StoreError> {
        let after = after.map(|id| object_id(id.as_bytes()));
        self.run(async {
            let found = fetch_page(
                &self.collections.user,
                doc! {},
                account_fields(),
                after,
                limit,
                |found| decode::<AccountDocument>("user", found),
            );
            self.add_revocations(found.await?).await
        })
        .await
    }

    async fn is_address_taken(
        &self,
        canonical: &EmailAddress,
    ) -> std::result::Result<bool, StoreError> {
        let canonical = canonical.as_str();
        self.run(async {
            let (filter, collation) = self.spelling_filter(&[canonical]);
            let alike = self
                .collections
                .user
                .find(filter)
                .optional(collation, Find::collation)
                .projection(account_fields())
                .limit(MAX_SPELLINGS)
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
                .collections
                .user
                .driver()
                .aggregate([
                    doc! { "$match": { "email": { "$type": "string" } } },
                    doc! { "$group": { "_id": { "$toLower": "$email" }, "ids": { "$push": "$_id" }, "count": { "$sum": 1 } } },
                    doc! { "$match": { "count": { "$gt": 1 } } },
                    doc! { "$sort": { "_id": 1 } },
                    doc! { "$limit": server_limit(limit) },
                ])
                .allow_disk_use(true)
                .await?
                .try_collect()
                .await?;
            let mut look_alikes = Vec::new();
            for group in groups {
                let found = self
                    .collections
                    .user
                    .find(doc! { "_id": { "$in": group.get_array("ids")?.clone() } })
                    .projection(account_fields())
                    .sort(doc! { "_id": 1 })
                    .await?;
                let accounts = found.and_then(|found| async { decode("user", found) });
                look_alikes.push(self.add_revocations(accounts.try_collect().await?).await?);
            }
            Ok(look_alikes)
        };
        // The query has no time limit, since it scans the whole collection.
        groups
            .await
            .map_err(|error| self.connection.store_error(&error))
    }

    async fn hash_costs(&self) -> std::result::Result<BTreeMap<u32, u64>, StoreError> {
        let counting = async {
            let groups: Vec<Document> = self
                .collections
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
        // The query has no time limit, since it reads the whole collection.
        let groups = counting
            .await
            .map_err(|error| self.connection.store_error(&error))?;
        Ok(count_by_cost(groups))
    }

    async fn replace_credential(
        &self,
        change: &CredentialChange,
    ) -> std::result::Result<Replacement, StoreError> {
        let expected = AccountDocument::from(&change.expected);
        self.run(self.complete_credential_change(&expected)).await?;
        let step = Step::ReplaceCredential {
            disabling: change
                .expected
                .disabling
                .map(|disabling| object_id(disabling.id.as_bytes())),
            expected,
            email: change.address.clone(),
            password: change.password_hash.as_str().to_owned(),
            event: EventDocument::from(&change.event),
            mails: change.mails.iter().map(EntryDocument::from).collect(),
            clears_limit: change.clears_limit.map(key_id),
        };
        Ok(match self.execute(step).await? {
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
        mail: Option<&Entry>,
    ) -> std::result::Result<bool, StoreError> {
        let account = object_id(account.as_bytes());
        let event = EventDocument::from(event);
        // Another revocation may precede this one. The retry then also ends the sessions that began between the two.
        for _ in 0..REVOCATION_TRIES {
            let Some(stored) = self.run(self.present_revocation(account)).await? else {
                return Ok(false);
            };
            let step = Step::RevokeAccess {
                account,
                revocation: object_id(revocation.as_bytes()),
                replaces: stored.map(|stored| stored.revocation),
                event: event.clone(),
                mail: mail.map(EntryDocument::from),
            };
            if self.execute(step).await? == Outcome::Done {
                return Ok(true);
            }
        }
        Err(self.contention())
    }

    async fn disable_account(
        &self,
        account: AccountId,
        id: RevocationId,
        event: &Event,
    ) -> std::result::Result<StatusChange, StoreError> {
        let account = object_id(account.as_bytes());
        let event = EventDocument::from(event);
        for _ in 0..REVOCATION_TRIES {
            let Some(stored) = self.run(self.present_revocation(account)).await? else {
                return Ok(StatusChange::NoAccount);
            };
            if stored.as_ref().is_some_and(|stored| stored.is_disabled) {
                return Ok(StatusChange::Unchanged);
            }
            let step = Step::DisableAccount {
                account,
                revocation: object_id(id.as_bytes()),
                replaces: stored.map(|stored| stored.revocation),
                event: event.clone(),
            };
            if self.execute(step).await? == Outcome::Done {
                return Ok(StatusChange::Done);
            }
        }
        Err(self.contention())
    }

    async fn enable_account(
        &self,
        account: AccountId,
        event: &Event,
    ) -> std::result::Result<StatusChange, StoreError> {
        let account = object_id(account.as_bytes());
        let event = EventDocument::from(event);
        for _ in 0..REVOCATION_TRIES {
            let Some(stored) = self.run(self.present_revocation(account)).await? else {
                return Ok(StatusChange::NoAccount);
            };
            let active = stored.filter(|stored| stored.is_disabled);
            let Some(disabling) = active.and_then(|stored| stored.disabling) else {
                return Ok(StatusChange::Unchanged);
            };
            let step = Step::EnableAccount {
                account,
                disabling,
                event: event.clone(),
            };
            if self.execute(step).await? == Outcome::Done {
                return Ok(StatusChange::Done);
            }
        }
        Err(self.contention())
    }

    async fn deletion_preview(
        &self,
        id: AccountId,
    ) -> std::result::Result<Option<Deletion>, StoreError> {
        let account = object_id(id.as_bytes());
        self.run(async {
            self.complete_steps_of(account).await?;
            if self.find_account(doc! { "_id": account }).await?.is_none() {
                return Ok(None);
            }
            let own = doc! { "account": account };
            Ok(Some(Deletion {
                movies: self
                    .collections
                    .movie
                    .count_documents(doc! { "added_by": account })
                    .await?,
                mails: self
                    .collections
                    .outbox
                    .count_documents(undelivered_filter(account))
                    .await?,
                events: self.collections.history.count_documents(own).await?,
            }))
        })
        .await
    }

    async fn delete_account(
        &self,
        id: AccountId,
    ) -> std::result::Result<Option<Deletion>, StoreError> {
        let account = object_id(id.as_bytes());
        let account_found = self.run(async {
            self.complete_steps_of(account).await?;
            self.find_account(doc! { "_id": account }).await
        });
        if account_found.await?.is_none() {
            return Ok(None);
        }
        Ok(match self.execute(Step::DeleteAccount { account }).await? {
            Outcome::Deleted(deletion) => Some(deletion),
            _ => None,
        })
    }
}

/// Returns a regular expression that matches this text.
fn escape_pattern(text: &str) -> String {
    let mut pattern = String::new();
    for letter in text.chars() {
        if letter.is_ascii() && !letter.is_ascii_alphanumeric() {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

/// Projection of the fields to read. The list of movies may be long.
fn account_fields() -> Document {
    doc! { "email": 1, "password": 1 }
}
