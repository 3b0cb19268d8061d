//! Accounts: the collection `user`.

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use mongodb::error::Result;

use super::super::{Accounts, Creation, CredentialChange, Deletion, Replacement, StoreError};
use super::MongoStore;
use super::documents::{AccountDocument, EntryDocument, EventDocument, object_id};
use super::indexes::ignoring_case;
use super::steps::{Outcome, Step};
use crate::domain::account::Account;
use crate::domain::email_address::EmailAddress;
use crate::domain::event::Event;
use crate::domain::id::AccountId;
use crate::domain::outbox::Entry;

/// The collation calls more alike than we do (ß and ss, wide letters), so what it finds is looked through. Nobody has so
/// many accounts that differ by that alone.
const MOST_SPELLINGS: i64 = 100;

impl MongoStore {
    /// One account, without its list of movies.
    async fn find_account(&self, filter: Document) -> Result<Option<AccountDocument>> {
        self.at
            .user
            .clone_with_type::<AccountDocument>()
            .find_one(filter)
            .projection(doc! { "email": 1, "password": 1 })
            .await
    }

    /// Looks for all spellings at once, so that a known and an unknown address cost the same.
    async fn find_address(&self, typed: &str, canonical: &str) -> Result<Option<AccountDocument>> {
        let mut alike: Vec<AccountDocument> = self
            .at
            .user
            .clone_with_type::<AccountDocument>()
            .find(doc! { "email": { "$in": [typed, canonical] } })
            .collation(ignoring_case())
            .projection(doc! { "email": 1, "password": 1 })
            .limit(MOST_SPELLINGS)
            .await?
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
    ) -> std::result::Result<Creation, StoreError> {
        let step = Step::CreateAccount {
            account: account.into(),
            event: event.into(),
            mail: mail.map(EntryDocument::from),
        };
        Ok(match self.step(step).await? {
            Outcome::Taken => Creation::AddressTaken,
            _ => Creation::Created,
        })
    }

    async fn account(&self, id: AccountId) -> std::result::Result<Option<Account>, StoreError> {
        let id = object_id(id.as_bytes());
        self.within(async {
            self.touch(id).await?;
            let found = self.find_account(doc! { "_id": id }).await?;
            Ok(found.map(Account::from))
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
            if let Some(account) = &found
                && self.touch(account.id).await?
            {
                found = self.find_address(typed, canonical.as_str()).await?;
            }
            Ok(found.map(Account::from))
        })
        .await
    }

    async fn accounts(
        &self,
        after: Option<AccountId>,
        limit: usize,
    ) -> std::result::Result<Vec<Account>, StoreError> {
        self.within(async {
            let found = self
                .at
                .user
                .clone_with_type::<AccountDocument>()
                .find(later_than(after.map(|id| object_id(id.as_bytes()))))
                .projection(doc! { "email": 1, "password": 1 })
                .sort(doc! { "_id": 1 })
                .limit(bounded(limit))
                .await?;
            found.map_ok(Account::from).try_collect().await
        })
        .await
    }

    async fn look_alikes(
        &self,
        limit: usize,
    ) -> std::result::Result<Vec<Vec<Account>>, StoreError> {
        let groups = async {
            let groups: Vec<Document> = self
                .at
                .user
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
                    .clone_with_type::<AccountDocument>()
                    .find(doc! { "_id": { "$in": group.get_array("ids")?.clone() } })
                    .projection(doc! { "email": 1, "password": 1 })
                    .sort(doc! { "_id": 1 })
                    .await?;
                look_alikes.push(found.map_ok(Account::from).try_collect().await?);
            }
            Ok(look_alikes)
        };
        // Without a limit in time: it walks the whole collection.
        groups.await.map_err(|error| self.link.failed(&error))
    }

    async fn replace_credential(
        &self,
        change: &CredentialChange,
    ) -> std::result::Result<Replacement, StoreError> {
        let expected = AccountDocument::from(&change.expected);
        self.within(self.touch_credential(&expected)).await?;
        let step = Step::ReplaceCredential {
            expected,
            password: change.password_hash.as_str().to_owned(),
            event: EventDocument::from(&change.event),
            mail: EntryDocument::from(&change.mail),
        };
        Ok(match self.step(step).await? {
            Outcome::Done => Replacement::Replaced,
            _ => Replacement::Superseded,
        })
    }

    async fn delete_account(
        &self,
        id: AccountId,
    ) -> std::result::Result<Option<Deletion>, StoreError> {
        let account = object_id(id.as_bytes());
        self.within(self.touch(account)).await?;
        Ok(match self.step(Step::DeleteAccount { account }).await? {
            Outcome::Deleted(deletion) => Some(deletion),
            _ => None,
        })
    }
}

/// Those with a greater id, or all.
pub(super) fn later_than(after: Option<ObjectId>) -> Document {
    after.map_or_else(Document::new, |after| doc! { "_id": { "$gt": after } })
}

/// A limit, as the server counts them; it takes 0 for none.
pub(super) fn bounded(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).max(1)
}
