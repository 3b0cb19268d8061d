//! Sizes in bytes as people write them.

/// Parses a size: `10M`, `512K`, `1G`, or a number of bytes. The units are powers of 1024.
///
/// # Errors
/// The reason, with examples of what to write instead.
pub fn byte_size(text: &str) -> Result<u64, String> {
    const WANTED: &str = "write a size such as 10M, 512K or 1G, or a number of bytes";
    let (number, unit) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (&text[..at], 1 << 10),
        Some((at, 'm' | 'M')) => (&text[..at], 1 << 20),
        Some((at, 'g' | 'G')) => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if number.strip_prefix('-').is_some_and(is_digits) {
        return Err(format!("a size cannot be negative: {WANTED}"));
    }
    if let Some((whole, fraction)) = number.split_once(['.', ','])
        && is_digits(whole)
        && is_digits(fraction)
    {
        return Err(format!(
            "a size cannot have a fraction: {WANTED}; 1.5M is 1536K"
        ));
    }
    if !is_digits(number) {
        return Err(WANTED.to_owned());
    }
    let bytes = number.parse::<u64>().ok();
    let bytes = bytes.and_then(|number| number.checked_mul(unit));
    bytes.ok_or_else(|| {
        format!(
            "the size is too large: at most {} bytes are allowed",
            u64::MAX
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_a_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("1000", 1_000),
            ("512K", 512 << 10),
            ("10M", 10 << 20),
            ("10m", 10 << 20),
            ("1G", 1 << 30),
            ("17179869183G", 17_179_869_183 << 30),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(byte_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn a_size_that_cannot_be_read_is_refused_with_its_reason() {
        for (text, reason) in [
            ("-1", "cannot be negative"),
            ("-10M", "cannot be negative"),
            ("1.5M", "cannot have a fraction"),
            ("0,5G", "cannot have a fraction"),
            ("17179869184G", "too large"),
            ("18446744073709551616", "too large"),
            ("99999999999999999999999M", "too large"),
            ("", "write a size"),
            ("M", "write a size"),
            ("-M", "write a size"),
            ("10 M", "write a size"),
            ("10MB", "write a size"),
            ("10T", "write a size"),
            ("+10", "write a size"),
            ("0x10", "write a size"),
            ("1.2.3", "write a size"),
            ("ten", "write a size"),
            ("10ä", "write a size"),
            ("١٠", "write a size"),
        ] {
            let error = byte_size(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
