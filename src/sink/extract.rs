//! Finds links, tokens and one-time codes in what a mail says. Pure text in, lists out; nothing is ever fetched.
//!
//! Both parts are read after decoding, so that no transfer encoding cuts a link. What a mail only mentions in
//! passing must not be found: a price is no code, an address of a picture no link.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::html;
use super::view::Content;
use crate::sink::invisible::is_ignorable;

/// What was found, each list in order of appearance and without repeats.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extracted {
    /// Links to `http` and `https`.
    pub links: Vec<String>,
    /// What proves who opens a link: the secret in links that reset, verify, confirm, invite or log in, and JWTs wherever they are.
    pub tokens: Vec<String>,
    /// Those of the tokens that a link of ours carries: what `movie-bag reset --token` takes.
    pub reset_tokens: Vec<String>,
    /// One-time codes.
    pub codes: Vec<String>,
    /// The first link that carries a token.
    token_link: Option<String>,
}

/// What is in a message.
pub fn of(content: &Content) -> Extracted {
    let html = Some(content.html.as_str()).filter(|html| !html.is_empty());
    extract(Some(&content.text), html)
}

/// Reads the text part and the HTML part of a message.
pub fn extract(text: Option<&str>, html: Option<&str>) -> Extracted {
    let mut found = Extracted::default();
    if let Some(text) = text {
        found.read(text);
    }
    if let Some(html) = html {
        let reading = html::read(html);
        for target in &reading.targets {
            if let Some(link) = link_at(target) {
                found.add_link(link);
            }
        }
        found.read(&reading.text);
    }
    let lists = [
        &mut found.links,
        &mut found.tokens,
        &mut found.reset_tokens,
        &mut found.codes,
    ];
    lists.into_iter().for_each(keep_first);
    found
}

/// Takes out repeats.
fn keep_first(list: &mut Vec<String>) {
    let mut seen = HashSet::new();
    list.retain(|found| seen.insert(found.clone()));
}

/// Words in a link that somebody is meant to open.
const MEANT: [&str; 11] = [
    "reset", "verify", "confirm", "activat", "invit", "magic", "login", "signin", "token", "passw",
    "auth",
];

impl Extracted {
    /// The link that the mail was sent for: the first that carries a token, else the first whose words say what it is for, else
    /// the first.
    pub fn main_link(&self) -> Option<&String> {
        let is_meant = |link: &&String| {
            let link = link.to_ascii_lowercase();
            MEANT.iter().any(|word| link.contains(word))
        };
        self.token_link
            .as_ref()
            .or_else(|| self.links.iter().find(is_meant))
            .or(self.links.first())
    }

    fn read(&mut self, text: &str) {
        // Codes are looked for in what is left once the links are gone: their digits are no codes.
        let mut prose = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = find_scheme(rest) {
            let starts_word = !rest[..at].ends_with(|char: char| char.is_ascii_alphanumeric());
            let link = starts_word.then(|| link_at(&rest[at..])).flatten();
            match link {
                Some(link) => {
                    prose.push_str(&rest[..at]);
                    prose.push_str(" \u{0} ");
                    self.add_link(link);
                    rest = &rest[at + link.len()..];
                }
                None => {
                    prose.push_str(&rest[..at + 4]);
                    rest = &rest[at + 4..];
                }
            }
        }
        prose.push_str(rest);
        self.add_tokens(&prose);
        self.codes.extend(codes(&prose));
    }

    fn add_link(&mut self, link: &str) {
        self.links.push(link.to_owned());
        let before = self.tokens.len();
        self.add_tokens(link);
        self.tokens.extend(secrets_in(link));
        if self.tokens.len() > before {
            self.token_link.get_or_insert_with(|| link.to_owned());
        }
        let path = link
            .split(['?', '#'])
            .next()
            .unwrap_or(link)
            .trim_end_matches('/');
        if let Some((before, token)) = path.rsplit_once('/')
            && before.ends_with("/reset")
            && is_jwt(token)
        {
            self.reset_tokens.push(token.to_owned());
        }
    }

    fn add_tokens(&mut self, text: &str) {
        for word in text.split(|char: char| !(char.is_ascii_alphanumeric() || "-_.".contains(char)))
        {
            let word = word.trim_matches('.');
            if word.starts_with("eyJ") && is_jwt(word) {
                self.tokens.push(word.to_owned());
            }
        }
    }
}

/// Parameters of a link that carry its secret, without `_` and `-`.
const SECRET_PARAMETERS: [&str; 17] = [
    "code",
    "key",
    "otp",
    "oobcode",
    "ticket",
    "secret",
    "nonce",
    "hash",
    "resetkey",
    "activationcode",
    "activationkey",
    "confirmation",
    "confirmationcode",
    "verification",
    "verificationcode",
    "invitation",
    "invite",
];

/// Parts of a path behind which a secret stands.
const BEFORE_SECRET: [&str; 14] = [
    "reset", "verif", "confirm", "activat", "invit", "accept", "magic", "login", "signin",
    "sign-in", "auth", "recover", "unlock", "password",
];

/// The secrets in a link's parameters, or at the end of its path.
fn secrets_in(link: &str) -> Vec<String> {
    let lower = link.to_ascii_lowercase();
    if lower.contains("unsubscribe") {
        return Vec::new();
    }
    let (before_fragment, fragment) = link.split_once('#').unwrap_or((link, ""));
    let (path, query) = before_fragment
        .split_once('?')
        .unwrap_or((before_fragment, ""));
    let mut secrets: Vec<String> = [query, fragment]
        .into_iter()
        .flat_map(|pairs| form_urlencoded::parse(pairs.as_bytes()))
        .filter(|(name, value)| is_secret_parameter(name) && is_secret(value))
        .map(|(_, value)| value.into_owned())
        .collect();
    // After the scheme and the host.
    let mut parts = path.split('/').skip(3);
    if parts.any(|part| {
        let part = part.to_ascii_lowercase();
        BEFORE_SECRET
            .iter()
            .any(|word| part.starts_with(word) || part.ends_with(word))
    }) && let Some(last) = parts.filter(|part| !part.is_empty()).last()
        && is_secret(last)
    {
        secrets.push(last.to_owned());
    }
    secrets
}

fn is_secret_parameter(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace(['_', '-'], "");
    name.ends_with("token") || SECRET_PARAMETERS.contains(&name.as_str())
}

/// Long, and no word: letters and digits.
fn is_secret(text: &str) -> bool {
    let is_of_it = |char: char| char.is_ascii_alphanumeric() || "-_.~:+=/".contains(char);
    text.len() >= 16
        && text.chars().all(is_of_it)
        && text.contains(|char: char| char.is_ascii_digit())
        && text.contains(|char: char| char.is_ascii_alphabetic())
}

/// Where the next `http` stands that a link may begin with.
fn find_scheme(text: &str) -> Option<usize> {
    text.as_bytes()
        .windows(4)
        .position(|bytes| bytes.eq_ignore_ascii_case(b"http"))
}

/// The link that this text begins with, without the punctuation of the sentence round it.
fn link_at(text: &str) -> Option<&str> {
    let after = ["https://", "http://"]
        .into_iter()
        .find(|scheme| {
            text.get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        })?
        .len();
    // Asked before its end is looked for, so that a thousand of them without a host are not each read to the end.
    let starts_host =
        |char: char| (char.is_alphanumeric() || char == '[' || char == '_') && !is_ignorable(char);
    if !text[after..].starts_with(starts_host) {
        return None;
    }
    let is_end = |char: char| {
        char.is_whitespace()
            || char.is_control()
            || "<>\"`{}|\\^「」『』《》，。、；！？）】“”«»".contains(char)
            // They would make a link look other than it is.
            || is_ignorable(char)
    };
    let mut link = &text[..text.find(is_end).unwrap_or(text.len())];
    let surplus = |open, close| {
        link.matches(close)
            .count()
            .saturating_sub(link.matches(open).count())
    };
    let (mut round, mut square) = (surplus('(', ')'), surplus('[', ']'));
    let take = |surplus: &mut usize| {
        let is_unbalanced = *surplus > 0;
        *surplus = surplus.saturating_sub(1);
        is_unbalanced
    };
    loop {
        let last = link.chars().next_back()?;
        let is_punctuation = match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '…' | '’' => true,
            ')' => take(&mut round),
            ']' => take(&mut square),
            _ => false,
        };
        if !is_punctuation {
            return Some(link);
        }
        link = &link[..link.len() - last.len_utf8()];
    }
}

/// Three parts in base64url, of which the first two are JSON objects and the first names an algorithm.
fn is_jwt(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        return false;
    };
    let object = |part: &str| -> Option<serde_json::Map<String, serde_json::Value>> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    };
    let is_base64url = |char: char| char.is_ascii_alphanumeric() || char == '-' || char == '_';
    !signature.is_empty()
        && signature.chars().all(is_base64url)
        && object(header).is_some_and(|header| header.contains_key("alg"))
        && object(claims).is_some()
}

/// Words after or before which a number of 4 to 8 digits is a one-time code. A password alone is none: that it was changed in
/// 2026 is no code.
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

/// What makes a "code" another one.
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

/// How far from its keyword a code may stand on one line, in bytes.
const NEAR: usize = 80;

/// No keyword has more bytes.
const LONGEST_KEYWORD: usize = 20;

fn codes(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    // The last line with a keyword, and how many lines with text came since.
    let mut announced: Option<usize> = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let lower = line.to_lowercase();
        let keywords = keyword_places(&lower);
        let letters = lower.chars().filter(|char| char.is_alphanumeric()).count();
        let is_alone = |number: &Number| number.digits.len() == letters;
        for number in numbers(&lower) {
            let from = number.start.saturating_sub(NEAR + LONGEST_KEYWORD);
            let first = keywords.partition_point(|&(start, _)| start < from);
            let around = keywords[first..]
                .iter()
                .take_while(|&&(start, _)| start <= number.end + NEAR);
            let near = around
                .clone()
                .any(|&(start, end)| match end <= number.start {
                    true => {
                        number.start - end <= NEAR && is_same_sentence(&lower[end..number.start])
                    }
                    false => start >= number.end && start - number.end <= NEAR / 2,
                });
            let is_announced = announced.is_some_and(|lines| lines < 3);
            let is_year = is_year(&number.digits);
            if (near && (!is_year || is_said_to_be_it(&lower, &number, around)))
                || (is_alone(&number) && is_announced)
            {
                found.push(number.digits);
            }
        }
        if announced.is_some_and(|lines| lines < 3) && is_code_with_letters(line) {
            found.push(line.to_owned());
        }
        announced = match keywords.is_empty() {
            false => Some(0),
            true => announced.map(|lines| lines + 1),
        };
    }
    found
}

/// Whether no sentence ends between a keyword and a number behind it, but where the number begins the next.
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

/// Nothing but a word or a mark between a keyword and the number: `code is 2031`, and not `code we wrote in 2031`.
fn is_said_to_be_it<'k>(
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

/// A line of its own with letters and digits in capitals: `K7RT3`, `T7K-9QX`.
fn is_code_with_letters(line: &str) -> bool {
    let is_part = |part: &str| {
        (2..=8).contains(&part.len())
            && part
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    let parts: Vec<_> = line.split('-').collect();
    let has = |is_it: fn(&u8) -> bool| line.as_bytes().iter().any(is_it);
    (5..=11).contains(&line.len())
        && matches!(parts.len(), 1 | 2)
        && parts.into_iter().all(is_part)
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_uppercase)
}

/// Whether this keyword, which stands here in a line, is a word of one of [`OTHER_CODES`].
fn is_other_code(line: &str, keyword: &str, start: usize) -> bool {
    OTHER_CODES.iter().any(|other| {
        let mut words = other.match_indices(keyword);
        words.any(|(offset, _)| {
            let from = start.checked_sub(offset);
            from.is_some_and(|from| line.as_bytes()[from..].starts_with(other.as_bytes()))
        })
    })
}

/// Where keywords stand in a lower-case line, from left to right, other codes left out.
fn keyword_places(line: &str) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    for keyword in KEYWORDS {
        for (start, text) in line.match_indices(keyword) {
            let end = start + text.len();
            let after = line[end..].chars().next();
            let before = line[..start].chars().next_back();
            // German and its like write one word: "Sicherheitscode". "pin" and "otp" are in too many others.
            let may_end_a_word = !matches!(keyword, "pin" | "otp" | "kod" | "tan" | "mã" | "clave");
            let starts_well = may_end_a_word || before.is_none_or(|char| !char.is_alphanumeric());
            let ends_well = !keyword.is_ascii()
                || after.is_none_or(|char| !char.is_ascii_alphabetic())
                || line[end..].starts_with('s');
            if starts_well && ends_well && !is_other_code(line, keyword, start) {
                places.push((start, end));
            }
        }
    }
    places.sort_unstable();
    places
}

struct Number {
    start: usize,
    end: usize,
    digits: String,
}

/// Numbers of 4 to 8 digits that are not part of something else; `123 456` and `123-456` count as one.
fn numbers(line: &str) -> Vec<Number> {
    let bytes = line.as_bytes();
    let mut found: Vec<Number> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        // The whole run of digits and what joins digits, so that a date or a price is seen as one thing.
        let start = at;
        let mut end = at;
        while at < bytes.len()
            && (bytes[at].is_ascii_digit() || (joins(bytes[at]) && next_is_digit(bytes, at)))
        {
            at += 1;
            end = at;
        }
        let run = &line[start..end];
        let digits: String = run.chars().filter(char::is_ascii_digit).collect();
        let is_code = match run.len() == digits.len() {
            true => (4..=8).contains(&digits.len()),
            false => run.len() == 7 && matches!(bytes[start + 3], b' ' | b'-') && digits.len() == 6,
        };
        if is_code && stands_free(&line[..start], &line[end..]) {
            found.push(Number { start, end, digits });
        }
    }
    found
}

fn joins(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b',' | b'/' | b':')
}

fn next_is_digit(bytes: &[u8], at: usize) -> bool {
    bytes.get(at + 1).is_some_and(u8::is_ascii_digit)
}

fn stands_free(before: &str, after: &str) -> bool {
    // `G-482913`: one letter of whoever sends it.
    let before = match before.strip_suffix('-').map(|rest| rest.as_bytes()) {
        Some([rest @ .., letter])
            if letter.is_ascii_lowercase()
                && !rest.last().is_some_and(u8::is_ascii_alphanumeric) =>
        {
            ""
        }
        _ => before,
    };
    let glued_before = before.ends_with(|char: char| {
        char.is_ascii_alphanumeric() || "+#$€£_@/%&=-\u{a9}".contains(char)
    });
    let glued_after =
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
    !(glued_before || glued_after || is_amount || has_unit)
}

#[cfg(test)]
mod tests;
