//! Formats of numbers and times in texts for people.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Formats a number with its noun: `1 movie`, `2 movies`.
pub(super) fn pluralize(number: u64, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        number => format!("{number} {many}"),
    }
}

/// Formats a time for people, in the time zone of the system.
pub(super) fn local_time(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system())
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}
