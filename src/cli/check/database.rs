//! Checks of the database (reachability, structure, outbox) and of the clock and the disk that it depends on.

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, timeout_at};

use super::{Check, DATABASE};
use crate::cli::ui::local_time;
use crate::config::{DatabaseSettings, Settings};
use crate::wiring;
use movie_bag_core::app::system::SystemClock;
use movie_bag_core::domain::account::Account;
use movie_bag_core::domain::clock::Clock as _;
use movie_bag_core::domain::outbox::OutboxState;
use movie_bag_core::ports::store::{CopyableStore, Inspection, SchemaState};

const NAME: &str = "database";
/// Maximum number of reported groups of addresses that differ only by upper and lower case.
const LOOK_ALIKES: usize = 10;
/// Time after which a waiting mail is late: several attempts have failed by then.
const LATE: SignedDuration = SignedDuration::from_mins(15);
/// Clock difference above which there is a warning: longer than the requests take.
const APART: SignedDuration = SignedDuration::from_secs(5);
/// Clock difference above which there is an error.
const FAR_APART: SignedDuration = SignedDuration::from_mins(1);
/// Free disk space in bytes below which there is a warning.
const LOW_SPACE: u64 = 512 << 20;
/// Free disk space in bytes below which there is an error.
const CRITICAL_SPACE: u64 = 64 << 20;

/// Results of the checks of the database.
pub(super) struct Look {
    pub(super) checks: Vec<Check>,
    /// Structure of the database, if it answers.
    pub(super) inspection: Option<Inspection>,
    /// Open store, if its structure is complete.
    pub(super) store: Option<Arc<dyn CopyableStore>>,
}

impl Look {
    fn of(check: Check) -> Self {
        Self {
            checks: vec![check],
            inspection: None,
            store: None,
        }
    }
}

/// Checks the database within [`DATABASE`]. Accounts are compared until `accounts_until`, if it is given.
pub(super) async fn look(settings: &Settings, accounts_until: Option<Instant>) -> Look {
    let until = Instant::now() + DATABASE;
    let hurried = Settings {
        database_timeout: settings.database_timeout.min(DATABASE),
        ..settings.clone()
    };
    let inspection = match timeout_at(until, wiring::inspect(&hurried)).await {
        Err(_) => return Look::of(late(settings)),
        Ok(Err(error)) => return Look::of(broken(&error)),
        Ok(Ok(None)) => {
            let message = format!(
                "{} does not exist yet; it is created on first use",
                settings.database
            );
            return Look::of(Check::ok(NAME, message));
        }
        Ok(Ok(Some(inspection))) => inspection,
    };
    let mut checks = vec![of_structure(settings, &inspection)];
    let mut opened = None;
    // Opening a database repairs and migrates it, and this command is read-only.
    if inspection.state == SchemaState::Current && inspection.missing.is_empty() {
        match timeout_at(until, of_contents(&hurried)).await {
            Err(_) => checks.push(late(settings)),
            Ok(Err(error)) => checks.push(broken(&error)),
            Ok(Ok((outbox, store))) => {
                checks.push(of_outbox(&outbox));
                let comparing = look_alikes(&*store);
                let compared = timeout_at(accounts_until.unwrap_or(until), comparing).await;
                checks.extend(compared.unwrap_or_else(|_| vec![too_many(accounts_until)]));
                opened = Some(store);
            }
        }
    }
    Look {
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

/// Returns the verdict for an error that would end any other command. The usual hint, which names this command, is replaced.
fn broken(error: &anyhow::Error) -> Check {
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

fn of_structure(settings: &Settings, inspection: &Inspection) -> Check {
    let database = &settings.database;
    let bytes = inspection.bytes.map(size);
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

async fn of_contents(settings: &Settings) -> anyhow::Result<(OutboxState, Arc<dyn CopyableStore>)> {
    let store = wiring::store(settings).await?;
    Ok((store.outbox_state().await?, store))
}

/// Finds accounts whose addresses differ only by upper and lower case. Reads all accounts.
async fn look_alikes(store: &dyn CopyableStore) -> Vec<Check> {
    match store.accounts_differing_by_case(LOOK_ALIKES).await {
        Ok(groups) => groups
            .iter()
            .map(|accounts| of_look_alikes(accounts))
            .collect(),
        Err(error) => vec![Check::failed("accounts", &error.into())],
    }
}

/// Returns the verdict on accounts whose addresses differ only by upper and lower case.
fn of_look_alikes(look_alikes: &[Account]) -> Check {
    let accounts: Vec<String> = look_alikes
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
fn of_outbox(outbox: &OutboxState) -> Check {
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

/// Compares this machine's clock with those of the database server and the public URL: tokens and limits depend on it.
pub(super) fn of_clock(inspection: Option<&Inspection>, public: Option<Timestamp>) -> Check {
    const NAME: &str = "clock";
    let now = SystemClock.now();
    let database = inspection.and_then(|inspection| inspection.server_time);
    let others = [
        ("the database server's clock", database),
        ("the public URL's clock", public),
    ];
    let furthest = others
        .into_iter()
        .filter_map(|(clock, at)| Some((clock, now.duration_since(at?))))
        .max_by_key(|(_, ahead)| ahead.abs());
    let hint = || {
        Some("synchronize the clocks of all machines with NTP: links, sessions and limits depend on them".to_owned())
    };
    let shown = now.strftime("%Y-%m-%d %H:%M:%S UTC");
    if let Some((clock, ahead)) = furthest
        && ahead.abs() > APART
    {
        let direction = if ahead.is_positive() {
            "ahead of"
        } else {
            "behind"
        };
        let message = format!(
            "this machine's clock is {} s {direction} {clock}: it shows {shown}",
            ahead.abs().as_secs()
        );
        return if ahead.abs() > FAR_APART {
            Check::error(NAME, message, hint())
        } else {
            Check::warning(NAME, message, hint())
        };
    }
    let newest = inspection.and_then(|inspection| inspection.newest_event);
    if let Some(at) = newest.filter(|at| at.duration_since(now) > APART) {
        let at = at.strftime("%Y-%m-%d %H:%M:%S UTC");
        return Check::error(
            NAME,
            format!(
                "this machine's clock shows {shown}, but the newest entry in the database is from {at}, in the future"
            ),
            hint(),
        );
    }
    match furthest {
        Some((clock, _)) => Check::ok(NAME, format!("{shown}, in agreement with {clock}")),
        None => Check::ok(NAME, shown.to_string()),
    }
}

/// Checks the free disk space for the database; `None` if it is unknown.
pub(super) fn of_disk(settings: &Settings, inspection: Option<&Inspection>) -> Option<Check> {
    const NAME: &str = "disk";
    let (free, place) = match &settings.database {
        DatabaseSettings::Sqlite(path) => {
            let folder = path.ancestors().skip(1).find(|folder| folder.exists());
            let folder = folder.unwrap_or(Path::new("."));
            match fs4::available_space(folder) {
                Ok(free) => (free, folder.display().to_string()),
                Err(error) => {
                    let message = format!(
                        "cannot determine the free space of {}: {error}",
                        folder.display()
                    );
                    return Some(Check::warning(NAME, message, None));
                }
            }
        }
        DatabaseSettings::Mongodb(_) => (inspection?.free_bytes?, "the database server".to_owned()),
    };
    let taken = inspection
        .and_then(|inspection| inspection.bytes)
        .unwrap_or(0);
    let message = format!("{} free on {place}", size(free));
    let hint =
        "free some space: with a full disk no account, mail or password can be stored".to_owned();
    Some(if free < CRITICAL_SPACE {
        Check::error(NAME, message, hint)
    } else if free < LOW_SPACE {
        Check::warning(NAME, message, hint)
    } else if free < taken {
        let hint =
            "put backups on another disk: this one has less free space than the database uses"
                .to_owned();
        Check::warning(NAME, message, hint)
    } else {
        Check::ok(NAME, message)
    })
}

/// Formats a number of bytes, by powers of 1024.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    for next in units {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if value < 10.0 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_formatted_by_powers_of_1024() {
        for (bytes, shown) in [
            (0, "0.0 KiB"),
            (45_056, "44 KiB"),
            (1 << 20, "1.0 MiB"),
            (5 << 40, "5.0 TiB"),
            (9_000 << 40, "9000 TiB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }
}
