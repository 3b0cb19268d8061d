//! One-time codes in text: numbers near a keyword, which are not amounts, dates or parts of other numbers.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// Words before or after which a number of 4 to 8 digits is a one-time code. `password` is not one: in "password changed in
/// 2026" the year is not a code.
const KEYWORDS: [&str; 31] = [
    "code",
    "pin",
    "otp",
    "passcode",
    "one-time password",
    "one time password",
    "temporary password",
    "single-use password",
    "einmalpasswort",
    "einmalkennwort",
    "tan",
    "kodunuz",
    "koodi",
    "kód",
    "clave",
    "κωδικός",
    "код",
    "קוד",
    "رمز",
    "कोड",
    "mã",
    "código",
    "codigo",
    "codice",
    "kod",
    "kode",
    "验证码",
    "校验码",
    "驗證碼",
    "コード",
    "인증번호",
];

/// Finds all [`KEYWORDS`] in one pass: a search for each of them would take longer than the rest of the extraction.
static KEYWORD_FINDER: LazyLock<AhoCorasick> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the patterns are constants")]
    AhoCorasick::new(KEYWORDS).expect("31 short patterns are within all limits")
});

/// Phrases in which "code" is not a one-time code.
const OTHER_CODES: [&str; 18] = [
    "lines of code",
    "code of",
    "source code",
    "qr code",
    "zip code",
    "postal code",
    "post code",
    "postcode",
    "area code",
    "country code",
    "discount code",
    "promo code",
    "coupon code",
    "voucher code",
    "error code",
    "status code",
    "sort code",
    "barcode",
];

/// Words after a number that make it an amount.
const UNITS: [&str; 14] = [
    "minute",
    "hour",
    "day",
    "second",
    "min",
    "sec",
    "eur",
    "usd",
    "gbp",
    "euro",
    "dollar",
    "%",
    "character",
    "people",
];

/// Maximum distance of a code from its keyword on one line, in bytes.
const MAX_DISTANCE: usize = 80;

/// Maximum length of a keyword, in bytes.
const MAX_KEYWORD: usize = 20;

/// Returns the codes of a text, in order.
pub(super) fn find_codes(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    // Number of lines with text since the last line with a keyword.
    let mut lines_since_keyword: Option<usize> = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let lower = line.to_lowercase();
        let keywords = keyword_positions(&lower);
        let letters = lower.chars().filter(|char| char.is_alphanumeric()).count();
        let is_alone = |number: &Number| number.digits.len() == letters;
        for number in numbers(&lower) {
            let from = number.start.saturating_sub(MAX_DISTANCE + MAX_KEYWORD);
            let first = keywords.partition_point(|&(start, _)| start < from);
            let around = keywords[first..]
                .iter()
                .take_while(|&&(start, _)| start <= number.end + MAX_DISTANCE);
            let is_near = around.clone().any(|&(start, end)| {
                if end <= number.start {
                    number.start - end <= MAX_DISTANCE
                        && is_same_sentence(&lower[end..number.start])
                } else {
                    start >= number.end && start - number.end <= MAX_DISTANCE / 2
                }
            });
            let is_announced = lines_since_keyword.is_some_and(|lines| lines < 3);
            let is_year = is_year(&number.digits);
            if (is_near && (!is_year || is_directly_after_keyword(&lower, &number, around)))
                || (is_alone(&number) && is_announced)
            {
                found.push(number.digits);
            }
        }
        if lines_since_keyword.is_some_and(|lines| lines < 3) && is_code_with_letters(line) {
            found.push(line.to_owned());
        }
        lines_since_keyword = if keywords.is_empty() {
            lines_since_keyword.map(|lines| lines + 1)
        } else {
            Some(0)
        };
    }
    found
}

/// Returns whether a keyword and a number after it belong together: no sentence ends between them, or the number begins the next
/// sentence.
fn is_same_sentence(between: &str) -> bool {
    let ends = [". ", "! ", "? "].into_iter();
    let last = ends
        .filter_map(|end| between.rfind(end).map(|at| at + end.len()))
        .max();
    last.is_none_or(|at| between[at..].trim().is_empty())
}

fn is_year(digits: &str) -> bool {
    digits.len() == 4 && (digits.starts_with("19") || digits.starts_with("20"))
}

/// Returns whether only a verb or a mark is between a keyword and the number: `code is 2031`, but not `code we wrote in 2031`.
fn is_directly_after_keyword<'k>(
    line: &str,
    number: &Number,
    mut keywords: impl Iterator<Item = &'k (usize, usize)>,
) -> bool {
    keywords.any(|&(_, end)| {
        let between = line.get(end..number.start).unwrap_or("a b c");
        let words: Vec<_> = between.split_whitespace().collect();
        matches!(
            words[..],
            [] | ["is" | "is:" | ":" | "=" | "-" | "lautet" | "est" | "es" | "è"]
        )
    })
}

/// Returns whether a whole line is a code of capital letters and digits: `K7RT3`, `T7K-9QX`.
fn is_code_with_letters(line: &str) -> bool {
    let is_part = |part: &str| {
        (2..=8).contains(&part.len())
            && part
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    let parts: Vec<_> = line.split('-').collect();
    let has = |kind: fn(&u8) -> bool| line.as_bytes().iter().any(kind);
    (5..=11).contains(&line.len())
        && matches!(parts.len(), 1 | 2)
        && parts.into_iter().all(is_part)
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_uppercase)
}

/// Returns whether the keyword at this position of a line is a part of one of [`OTHER_CODES`].
fn is_other_code(line: &str, keyword: &str, start: usize) -> bool {
    OTHER_CODES.iter().any(|other| {
        let mut words = other.match_indices(keyword);
        words.any(|(offset, _)| {
            let from = start.checked_sub(offset);
            from.is_some_and(|from| line.as_bytes()[from..].starts_with(other.as_bytes()))
        })
    })
}

/// Returns start and end of the keywords in a lower-case line, in order, without those in [`OTHER_CODES`].
fn keyword_positions(line: &str) -> Vec<(usize, usize)> {
    let mut positions = Vec::new();
    for found in KEYWORD_FINDER.find_overlapping_iter(line) {
        let (keyword, start, end) = (KEYWORDS[found.pattern()], found.start(), found.end());
        let after = line[end..].chars().next();
        let before = line[..start].chars().next_back();
        // German and other languages write compounds: "Sicherheitscode". "pin" and "otp" are part of too many other words.
        let may_end_compound = !matches!(keyword, "pin" | "otp" | "kod" | "tan" | "mã" | "clave");
        let is_start_valid = may_end_compound || before.is_none_or(|char| !char.is_alphanumeric());
        let is_end_valid = !keyword.is_ascii()
            || after.is_none_or(|char| !char.is_ascii_alphabetic())
            || line[end..].starts_with('s');
        if is_start_valid && is_end_valid && !is_other_code(line, keyword, start) {
            positions.push((start, end));
        }
    }
    positions.sort_unstable();
    positions
}

struct Number {
    start: usize,
    end: usize,
    digits: String,
}

/// Returns the numbers of 4 to 8 digits that are not part of something else; `123 456` and `123-456` are one number.
fn numbers(line: &str) -> Vec<Number> {
    let bytes = line.as_bytes();
    let mut found: Vec<Number> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        // The whole run of digits and separators, so that a date or a price is recognized as one value.
        let start = at;
        let mut end = at;
        while at < bytes.len()
            && (bytes[at].is_ascii_digit() || (is_separator(bytes[at]) && next_is_digit(bytes, at)))
        {
            at += 1;
            end = at;
        }
        let run = &line[start..end];
        let digits: String = run.chars().filter(char::is_ascii_digit).collect();
        let is_code = if run.len() == digits.len() {
            (4..=8).contains(&digits.len())
        } else {
            run.len() == 7 && matches!(bytes[start + 3], b' ' | b'-') && digits.len() == 6
        };
        if is_code && is_standalone(&line[..start], &line[end..]) {
            found.push(Number { start, end, digits });
        }
    }
    found
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b',' | b'/' | b':')
}

fn next_is_digit(bytes: &[u8], at: usize) -> bool {
    bytes.get(at + 1).is_some_and(u8::is_ascii_digit)
}

fn is_standalone(before: &str, after: &str) -> bool {
    // `G-482913`: a prefix of one letter names the sender.
    let before = match before.strip_suffix('-').map(|rest| rest.as_bytes()) {
        Some([rest @ .., letter])
            if letter.is_ascii_lowercase()
                && !rest.last().is_some_and(u8::is_ascii_alphanumeric) =>
        {
            ""
        }
        _ => before,
    };
    let is_joined_before = before.ends_with(|char: char| {
        char.is_ascii_alphanumeric() || "+#$€£_@/%&=-\u{a9}".contains(char)
    });
    let is_joined_after =
        after.starts_with(|char: char| char.is_ascii_alphanumeric() || "€$£%_@/=".contains(char));
    let trimmed = before.trim_end();
    let is_amount = trimmed.ends_with(['$', '€', '£', '©', '#'])
        || trimmed.ends_with("(c)")
        || trimmed.ends_with("copyright");
    let following = after.trim_start();
    let has_unit = UNITS.iter().any(|unit| {
        following.strip_prefix(unit).is_some_and(|rest| {
            !rest
                .trim_start_matches('s')
                .starts_with(|char: char| char.is_alphabetic())
        })
    });
    !(is_joined_before || is_joined_after || is_amount || has_unit)
}
