//! Check of the disk that the database uses.

use std::path::Path;

use movie_bag_core::ports::store::Inspection;

use super::verdict::Check;
use crate::config::{DatabaseSettings, Settings};

const NAME: &str = "disk";
/// Free disk space in bytes below which there is a warning.
const LOW_SPACE: u64 = 512 << 20;
/// Free disk space in bytes below which there is an error.
const CRITICAL_SPACE: u64 = 64 << 20;

/// Checks the free disk space for the database; `None` if it is unknown.
pub(super) fn check(settings: &Settings, inspection: Option<&Inspection>) -> Option<Check> {
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
    let message = format!("{} free on {place}", format_size(free));
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
pub(super) fn format_size(bytes: u64) -> String {
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
            assert_eq!(format_size(bytes), shown);
        }
    }
}
