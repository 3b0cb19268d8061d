//! Durations in requests, such as `90s` or `1h30m`.

use std::time::Duration;

/// Parses a duration in seconds, minutes, hours or days: `90s`, `30m`, `24h`, `7d`, or several of them, `1h30m`.
///
/// # Errors
/// The text is no such duration, or its length is zero.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    match seconds(text) {
        None | Some(0) => Err("write a duration such as 90s, 30m, 24h or 7d".to_owned()),
        Some(seconds) => Ok(Duration::from_secs(seconds)),
    }
}

fn seconds(text: &str) -> Option<u64> {
    let mut sum = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|char: char| !char.is_ascii_digit())?);
        let unit = after.chars().next()?;
        let unit_seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        let part = number.parse::<u64>().ok()?.checked_mul(unit_seconds)?;
        sum = sum.checked_add(part)?;
        rest = &after[unit.len_utf8()..];
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, seconds) in [
            ("90s", 90),
            ("30m", 1_800),
            ("24h", 86_400),
            ("7d", 604_800),
            ("1h30m", 5_400),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
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
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
