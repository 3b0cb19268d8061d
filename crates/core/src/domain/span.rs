//! Durations as people write them.

use std::time::Duration;

/// Parses a duration: `90s`, `30m`, `24h`, `7d`, or several of them, `1h30m`.
///
/// # Errors
/// Examples of what to write instead.
pub fn span(text: &str) -> Result<Duration, String> {
    let wanted = || "write a duration such as 90s, 30m, 24h or 7d".to_owned();
    let mut seconds = 0u64;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .ok_or_else(wanted)?;
        let number: u64 = rest[..end].parse().map_err(|_| wanted())?;
        let unit = rest[end..].chars().next().ok_or_else(wanted)?;
        let unit_seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return Err(wanted()),
        };
        seconds = number
            .checked_mul(unit_seconds)
            .and_then(|more| seconds.checked_add(more))
            .ok_or_else(wanted)?;
        rest = &rest[end + unit.len_utf8()..];
    }
    if seconds == 0 {
        Err(wanted())
    } else {
        Ok(Duration::from_secs(seconds))
    }
}

/// Formats a delay as `1 second` or `20 seconds`, rounded up.
pub fn format_seconds(span: Duration) -> String {
    match seconds_rounded_up(span) {
        1 => "1 second".to_owned(),
        seconds => format!("{seconds} seconds"),
    }
}

/// Returns a delay in seconds, rounded up, so that it is over after that time.
pub fn seconds_rounded_up(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_rounded_up_and_one_second_is_singular() {
        for (milliseconds, shown) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (1_000, "1 second"),
            (1_001, "2 seconds"),
            (20_000, "20 seconds"),
        ] {
            assert_eq!(format_seconds(Duration::from_millis(milliseconds)), shown);
        }
    }

    #[test]
    fn durations_are_parsed_with_their_units() {
        for (text, seconds) in [
            ("90s", 90),
            ("30m", 1_800),
            ("24h", 86_400),
            ("7d", 604_800),
            ("1h30m", 5_400),
        ] {
            assert_eq!(span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "24",
            "h",
            "-1h",
            "1.5h",
            "0s",
            "24 h",
            "1w",
            "99999999999999999999d",
            "18446744073709551615d",
            "1ä",
        ] {
            assert!(span(text).is_err(), "{text}");
        }
    }
}
