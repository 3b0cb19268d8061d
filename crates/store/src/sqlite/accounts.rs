//! Accounts.

use std::collections::BTreeMap;

use async_trait::async_trait;
use movie_bag_core::domain::account::{Account, Disabling};
use movie_bag_core::domain::email_address::EmailAddress;
use movie_bag_core::domain::event::Event;
use movie_bag_core::domain::id::{AccountId, RevocationId};
use movie_bag_core::domain::outbox::Entry;
use movie_bag_core::domain::password::PasswordHash;
use movie_bag_core::ports::store::{
    AccountCreation, Accounts, CredentialChange, Deletion, Replacement, StatusChange, StoreError,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::super::hash_costs::count_by_cost;
use super::SqliteStore;
use super::errors::{is_unique_violation, store_error};
use super::history::insert_event;
use super::limits::delete_tally;
use super::outbox::{insert_entry, is_disabled};

const COLUMNS: &str = "id, email, password, revocation, disabling, is_disabled";

/// Adds an account as part of a larger step.
pub(super) fn insert_account(connection: &Connection, account: &Account) -> rusqlite::Result<()> {
    connection
        .prepare_cached(&format!(
            "INSERT INTO account ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"
        ))?
        .execute(params![
            account.id.as_bytes(),
            account.address,
            account.password_hash.as_str(),
            account.revocation.map(|id| *id.as_bytes()),
            account.disabling.map(|disabling| *disabling.id.as_bytes()),
            account.is_disabled(),
        ])
        .map(|_| ())
}

fn read_account(row: &Row<'_>) -> rusqlite::Result<Account> {
    let revocation: Option<[u8; 12]> = row.get("revocation")?;
    let disabling: Option<[u8; 12]> = row.get("disabling")?;
    let is_active = row.get("is_disabled")?;
    Ok(Account {
        id: AccountId::from_bytes(row.get("id")?),
        address: row.get("email")?,
        password_hash: PasswordHash::from_stored(row.get::<_, String>("password")?),
        revocation: revocation.map(RevocationId::from_bytes),
        disabling: disabling.map(|id| Disabling {
            id: RevocationId::from_bytes(id),
            is_active,
        }),
    })
}

/// Finds the account that meets the condition. Returns `None` if several do.
fn find_unique(
    connection: &Connection,
    condition: &str,
    email: &str,
) -> rusqlite::Result<Option<Account>> {
    let sql = format!("SELECT {COLUMNS} FROM account WHERE {condition} LIMIT 2");
    let mut found = connection
        .prepare_cached(&sql)?
        .query_map([email], read_account)?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(if found.len() == 1 { found.pop() } else { None })
}

/// Counts the rows that are deleted with an account. One statement sees one snapshot.
fn count_deletion(connection: &Connection, id: AccountId) -> rusqlite::Result<Option<Deletion>> {
    let count = |row: &Row<'_>, column: usize| row.get(column).map(i64::unsigned_abs);
    connection
        .prepare_cached(
            "SELECT (SELECT count(*) FROM movie WHERE added_by = account.id),
                    (SELECT count(*) FROM outbox WHERE account = account.id),
                    (SELECT count(*) FROM history WHERE account = account.id)
             FROM account WHERE id = ?",
        )?
        .query_row([id.as_bytes()], |row| {
            Ok(Deletion {
                movies: count(row, 0)?,
                mails: count(row, 1)?,
                events: count(row, 2)?,
            })
        })
        .optional()
}

/// Returns why a change of an account's status matched no row.
fn unchanged(connection: &Connection, account: AccountId) -> Result<StatusChange, StoreError> {
    let exists = connection
        .prepare_cached("SELECT 1 FROM account WHERE id = ?")
        .and_then(|mut statement| statement.exists([account.as_bytes()]))
        .map_err(store_error)?;
    Ok(if exists {
        StatusChange::Unchanged
    } else {
        StatusChange::NoAccount
    })
}

#[async_trait]
impl Accounts for SqliteStore {
    async fn create_account(
        &self,
        account: &Account,
        event: &Event,
        mail: Option<&Entry>,
    ) -> Result<AccountCreation, StoreError> {
        let (account, event, mail) = (account.clone(), event.clone(), mail.cloned());
        self.writer
            .write(move |connection| {
                match insert_account(connection, &account) {
                    Err(error) if is_unique_violation(&error) => {
                        return Ok(AccountCreation::AddressTaken);
                    }
                    inserted => inserted.map_err(store_error)?,
                }
                insert_event(connection, &event).map_err(store_error)?;
                if let Some(mail) = &mail {
                    insert_entry(connection, mail).map_err(store_error)?;
                }
                Ok(AccountCreation::Created)
            })
            .await
    }

    async fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        self.readers
            .read_inline(move |connection| {
                let mut statement = connection
                    .prepare_cached(&format!("SELECT {COLUMNS} FROM account WHERE id = ?"))
                    .map_err(store_error)?;
                statement
                    .query_row([id.as_bytes()], read_account)
                    .optional()
                    .map_err(store_error)
            })
            .await
    }

    async fn account_by_address(
        &self,
        typed: &str,
        canonical: &EmailAddress,
    ) -> Result<Option<Account>, StoreError> {
        let (typed, canonical) = (typed.to_owned(), canonical.as_str().to_owned());
        self.readers
            .read_inline(move |connection| {
                // All queries run, so that a known and an unknown address take the same time.
                let mut found = Vec::new();
                for (condition, address) in [
                    ("email = ?", &typed),
                    ("email = ?", &canonical),
                    ("email = ? COLLATE NOCASE", &canonical),
                ] {
                    found.extend(find_unique(connection, condition, address).map_err(store_error)?);
                }
                Ok(found.into_iter().next())
            })
            .await
    }

    async fn accounts(
        &self,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError> {
        self.readers
            .read(move |connection| {
                let after = after.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
                let mut statement = connection
                    .prepare_cached(&format!(
                        "SELECT {COLUMNS} FROM account WHERE id > ? ORDER BY id LIMIT ?"
                    ))
                    .map_err(store_error)?;
                let rows = statement
                    .query_map(params![after, limit as i64], read_account)
                    .map_err(store_error)?;
                rows.collect::<Result<_, _>>().map_err(store_error)
            })
            .await
    }

    async fn is_address_taken(&self, canonical: &EmailAddress) -> Result<bool, StoreError> {
        let canonical = canonical.as_str().to_owned();
        self.readers
            .read_inline(move |connection| {
                connection
                    .prepare_cached(
                        "SELECT EXISTS (SELECT 1 FROM account WHERE email = ? COLLATE NOCASE)",
                    )
                    .and_then(|mut statement| statement.query_row([&canonical], |row| row.get(0)))
                    .map_err(store_error)
            })
            .await
    }

    async fn accounts_differing_by_case(
        &self,
        limit: usize,
    ) -> Result<Vec<Vec<Account>>, StoreError> {
        self.readers
            .read(move |connection| {
                let mut statement = connection
                    .prepare_cached(&format!(
                        "SELECT {COLUMNS} FROM account WHERE email COLLATE NOCASE IN
                         (SELECT email FROM account GROUP BY email COLLATE NOCASE HAVING count(*) > 1 ORDER BY email COLLATE NOCASE LIMIT ?)
                         ORDER BY email COLLATE NOCASE, id",
                    ))
                    .map_err(store_error)?;
                let rows = statement
                    .query_map([limit as i64], read_account)
                    .map_err(store_error)?;
                let all = rows.collect::<Result<Vec<_>, _>>().map_err(store_error)?;
                let groups =
                    all.chunk_by(|one, next| one.address.eq_ignore_ascii_case(&next.address));
                Ok(groups.map(<[Account]>::to_vec).collect())
            })
            .await
    }

    async fn hash_costs(&self) -> Result<BTreeMap<u32, u64>, StoreError> {
        self.readers
            .read(move |connection| {
                let mut statement = connection
                    .prepare_cached("SELECT substr(password, 1, 7) AS beginning, count(*) FROM account WHERE length(password) = 60 GROUP BY beginning")
                    .map_err(store_error)?;
                let rows = statement
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
                    .map_err(store_error)?;
                let beginnings = rows.collect::<Result<Vec<(String, i64)>, _>>().map_err(store_error)?;
                Ok(count_by_cost(beginnings))
            })
            .await
    }

    async fn replace_credential(
        &self,
        change: &CredentialChange,
    ) -> Result<Replacement, StoreError> {
        let change = change.clone();
        self.writer
            .write(move |connection| {
                let expected = &change.expected;
                let changed = connection
                    .prepare_cached(
                        "UPDATE account SET email = ?, password = ? WHERE id = ? AND email = ? AND password = ? AND disabling IS ?",
                    )
                    .map_err(store_error)?
                    .execute(params![
                        change.address,
                        change.password_hash.as_str(),
                        expected.id.as_bytes(),
                        expected.address,
                        expected.password_hash.as_str(),
                        expected.disabling.map(|disabling| *disabling.id.as_bytes()),
                    ]);
                match changed {
                    Ok(0) => return Ok(Replacement::Conflict),
                    Err(error) if is_unique_violation(&error) => return Ok(Replacement::AddressTaken),
                    changed => changed.map_err(store_error)?,
                };
                insert_event(connection, &change.event).map_err(store_error)?;
                if !is_disabled(connection, expected.id).map_err(store_error)? {
                    for mail in &change.mails {
                        insert_entry(connection, mail).map_err(store_error)?;
                    }
                }
                if let Some(key) = change.clears_limit {
                    delete_tally(connection, key).map_err(store_error)?;
                }
                Ok(Replacement::Replaced)
            })
            .await
    }

    async fn revoke_access(
        &self,
        account: AccountId,
        revocation: RevocationId,
        event: &Event,
        mail: Option<&Entry>,
    ) -> Result<bool, StoreError> {
        let (event, mail) = (event.clone(), mail.cloned());
        self.writer
            .write(move |connection| {
                let revoked = connection
                    .execute(
                        "UPDATE account SET revocation = ? WHERE id = ?",
                        [revocation.as_bytes(), account.as_bytes()],
                    )
                    .map_err(store_error)?;
                if revoked == 0 {
                    return Ok(false);
                }
                insert_event(connection, &event).map_err(store_error)?;
                if let Some(mail) = &mail
                    && !is_disabled(connection, account).map_err(store_error)?
                {
                    insert_entry(connection, mail).map_err(store_error)?;
                }
                Ok(true)
            })
            .await
    }

    async fn disable_account(
        &self,
        account: AccountId,
        id: RevocationId,
        event: &Event,
    ) -> Result<StatusChange, StoreError> {
        let event = event.clone();
        self.writer
            .write(move |connection| {
                let disabled = connection
                    .execute(
                        "UPDATE account SET revocation = ?1, disabling = ?1, is_disabled = 1 WHERE id = ?2 AND is_disabled = 0",
                        [id.as_bytes(), account.as_bytes()],
                    )
                    .map_err(store_error)?;
                if disabled == 0 {
                    return unchanged(connection, account);
                }
                for table in ["outbox", "pending_change"] {
                    connection
                        .execute(
                            &format!("DELETE FROM {table} WHERE account = ?"),
                            [account.as_bytes()],
                        )
                        .map_err(store_error)?;
                }
                insert_event(connection, &event).map_err(store_error)?;
                Ok(StatusChange::Done)
            })
            .await
    }

    async fn enable_account(
        &self,
        account: AccountId,
        event: &Event,
    ) -> Result<StatusChange, StoreError> {
        let event = event.clone();
        self.writer
            .write(move |connection| {
                let enabled = connection
                    .execute(
                        "UPDATE account SET is_disabled = 0 WHERE id = ? AND is_disabled = 1",
                        [account.as_bytes()],
                    )
                    .map_err(store_error)?;
                if enabled == 0 {
                    return unchanged(connection, account);
                }
                insert_event(connection, &event).map_err(store_error)?;
                Ok(StatusChange::Done)
            })
            .await
    }

    async fn deletion_preview(&self, id: AccountId) -> Result<Option<Deletion>, StoreError> {
        self.readers
            .read(move |connection| count_deletion(connection, id).map_err(store_error))
            .await
    }

    async fn delete_account(&self, id: AccountId) -> Result<Option<Deletion>, StoreError> {
        self.writer
            .write(move |connection| {
                let deletion = count_deletion(connection, id).map_err(store_error)?;
                // Foreign keys and a trigger delete the rest.
                connection
                    .execute("DELETE FROM account WHERE id = ?", [id.as_bytes()])
                    .map_err(store_error)?;
                Ok(deletion)
            })
            .await
    }
}
