//! Checks of the database: reachability, structure, accounts and outbox.

use std::sync::Arc;

use jiff::SignedDuration;
use movie_bag_core::app::system::SystemClock;
use movie_bag_core::domain::account::Account;
use movie_bag_core::domain::clock::Clock as _;
use movie_bag_core::domain::outbox::OutboxState;
use movie_bag_core::ports::store::{CopyableStore, Inspection, SchemaState};
use tokio::time::{Instant, timeout_at};

use super::disk::format_size;
use super::time_limits::DATABASE;
use super::verdict::Check;
use crate::cli::text_format::local_time;
use crate::config::{DatabaseSettings, Settings};
use crate::wiring;

const NAME: &str = "database";
/// Maximum number of reported groups of addresses that differ only by upper and lower case.
const LOOK_ALIKES: usize = 10;
/// Time after which a waiting mail is late: several attempts have failed by then.
const LATE: SignedDuration = SignedDuration::from_mins(15);

/// Results of the checks of the database.
pub(super) struct DatabaseChecks {
    pub(super) checks: Vec<Check>,
    /// Structure of the database, if it answers.
    pub(super) inspection: Option<Inspection>,
    /// Open store, if its structure is complete.
    pub(super) store: Option<Arc<dyn CopyableStore>>,
}

impl DatabaseChecks {
    fn only(check: Check) -> Self {
        Self {
            checks: vec![check],
            inspection: None,
            store: None,
        }
    }
}

/// Checks the database within [`DATABASE`]. Accounts are compared until `accounts_until`, if it is given.
pub(super) async fn check(settings: &Settings, accounts_until: Option<Instant>) -> DatabaseChecks {
    let until = Instant::now() + DATABASE;
    let limited = Settings {
        database_timeout: settings.database_timeout.min(DATABASE),
        ..settings.clone()
    };
    let inspection = match timeout_at(until, wiring::inspect(&limited)).await {
        Err(_) => return DatabaseChecks::only(late(settings)),
        Ok(Err(error)) => return DatabaseChecks::only(failed(&error)),
        Ok(Ok(None)) => {
            let message = format!(
                "{} does not exist yet; it is created on first use",
                settings.database
            );
            return DatabaseChecks::only(Check::ok(NAME, message));
        }
        Ok(Ok(Some(inspection))) => inspection,
    };
    let mut checks = vec![structure_check(settings, &inspection)];
    let mut opened = None;
    // Opening a database repairs and migrates it, and this command is read-only.
    if inspection.state == SchemaState::Current && inspection.missing.is_empty() {
        match timeout_at(until, read_outbox(&limited)).await {
            Err(_) => checks.push(late(settings)),
            Ok(Err(error)) => checks.push(failed(&error)),
            Ok(Ok((outbox, store))) => {
                checks.push(outbox_check(&outbox));
                let comparing = check_look_alikes(&*store);
                let compared = timeout_at(accounts_until.unwrap_or(until), comparing).await;
                checks.extend(compared.unwrap_or_else(|_| vec![too_many(accounts_until)]));
                opened = Some(store);
            }
        }
    }
    DatabaseChecks {
        checks,
        inspection: Some(inspection),
        store: opened,
    }
}

/// Returns the verdict if the accounts could not be compared in time.
fn too_many(accounts_until: Option<Instant>) -> Check {
    const NAME: &str = "accounts";
    match accounts_until {
        None => Check::ok(
            NAME,
            "too many to compare their addresses; --deploy allows more time",
        ),
        Some(_) => Check::warning(
            NAME,
            "too many to compare their addresses in time",
            "run \"movie-bag check --deploy\" while the database is less busy".to_owned(),
        ),
    }
}

/// Returns the verdict for an error that would end any other command. The hint of other commands, which names this command, is
/// replaced.
fn failed(error: &anyhow::Error) -> Check {
    let check = Check::failed(NAME, error);
    let hint = check.hint.is_some().then(|| {
        "check MOVIE_BAG_DATABASE, and that the database runs and accepts this user".to_owned()
    });
    Check { hint, ..check }
}

fn late(settings: &Settings) -> Check {
    Check::error(
        NAME,
        format!("{} did not answer within {DATABASE:?}", settings.database),
        "check the load of the database, and that no firewall blocks the connection".to_owned(),
    )
}

fn structure_check(settings: &Settings, inspection: &Inspection) -> Check {
    let database = &settings.database;
    let bytes = inspection.bytes.map(format_size);
    let size = bytes.map(|size| format!(", {size}")).unwrap_or_default();
    match inspection.state {
        SchemaState::Empty => Check::ok(NAME, format!("{database} is empty; its structure is created on first use")),
        SchemaState::Older => Check::warning(
            NAME,
            format!("{database} was written by an older movie-bag{size}; the next start migrates it"),
            "make a backup before the next start: a migration cannot be undone".to_owned(),
        ),
        SchemaState::Current if inspection.missing.is_empty() => {
            let parts = match database {
                DatabaseSettings::Sqlite(_) => "tables and indexes",
                DatabaseSettings::Mongodb(_) => "indexes",
            };
            Check::ok(NAME, format!("{database}, {} {parts}{size}", inspection.sound))
        }
        SchemaState::Current => Check::error(
            NAME,
            format!("{database} is incomplete: it lacks {}", inspection.missing.join("; ")),
            match database {
                DatabaseSettings::Sqlite(_) => "restore a backup, or run \"movie-bag copy\" into a new file: another program has changed it",
                DatabaseSettings::Mongodb(_) => "run any other command, such as \"movie-bag user list\", to create them",
            }
            .to_owned(),
        ),
    }
}

async fn read_outbox(settings: &Settings) -> anyhow::Result<(OutboxState, Arc<dyn CopyableStore>)> {
    let (store, _) = wiring::open_or_create(settings).await?;
    Ok((store.outbox_state().await?, store))
}

/// Finds accounts whose addresses differ only by upper and lower case. Reads all accounts.
async fn check_look_alikes(store: &dyn CopyableStore) -> Vec<Check> {
    match store.accounts_differing_by_case(LOOK_ALIKES).await {
        Ok(groups) => groups
            .iter()
            .map(|accounts| look_alike_warning(accounts))
            .collect(),
        Err(error) => vec![Check::failed("accounts", &error.into())],
    }
}

/// Returns the verdict on accounts whose addresses differ only by upper and lower case.
fn look_alike_warning(accounts: &[Account]) -> Check {
    let accounts: Vec<String> = accounts
        .iter()
        .map(|account| format!("{} ({})", account.address, account.id))
        .collect();
    Check::warning(
        "accounts",
        format!(
            "addresses differ only by upper and lower case: {}",
            accounts.join(", ")
        ),
        "keep one and delete the others with \"movie-bag user delete\", by their exact spelling"
            .to_owned(),
    )
}

/// Checks whether mails are delivered.
fn outbox_check(outbox: &OutboxState) -> Check {
    const NAME: &str = "outbox";
    let OutboxState {
        waiting,
        dead,
        oldest_waiting_since: oldest,
    } = *outbox;
    let since = oldest.map(|at| format!(", the oldest since {}", local_time(at)));
    let message = match (waiting, dead) {
        (0, 0) => "empty: no undelivered mails".to_owned(),
        _ => format!(
            "{waiting} waiting{}; {dead} given up",
            since.unwrap_or_default()
        ),
    };
    let is_late = oldest.is_some_and(|at| SystemClock.now().duration_since(at) > LATE);
    if dead > 0 {
        let hint = "run \"movie-bag outbox list\" to see why, and \"movie-bag outbox retry ID\" to retry one";
        Check::warning(NAME, message, hint.to_owned())
    } else if is_late {
        let hint = "run \"movie-bag outbox list\" to see why; mails wait while no \"movie-bag serve\" runs";
        Check::warning(NAME, message, hint.to_owned())
    } else {
        Check::ok(NAME, message)
    }
}
