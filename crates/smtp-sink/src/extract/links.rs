//! Links in text, and the secrets in them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::invisible::is_ignorable;

/// Returns the position of the next `http`, with which a link may begin.
pub(super) fn find_scheme(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    memchr::memchr2_iter(b'h', b'H', bytes).find(|&at| {
        let word = bytes.get(at..at + 4);
        word.is_some_and(|word| word.eq_ignore_ascii_case(b"http"))
    })
}

/// Returns the link that a text begins with, without the punctuation of the surrounding sentence.
pub(super) fn link_at(text: &str) -> Option<&str> {
    let after = ["https://", "http://"]
        .into_iter()
        .find(|scheme| {
            text.get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        })?
        .len();
    // Checked before the end is searched, so that many of them without a host do not each search the whole text.
    let starts_host =
        |char: char| (char.is_alphanumeric() || char == '[' || char == '_') && !is_ignorable(char);
    if !text[after..].starts_with(starts_host) {
        return None;
    }
    let is_end = |char: char| {
        char.is_whitespace()
            || char.is_control()
            || "<>\"`{}|\\^「」『』《》，。、；！？）】“”«»".contains(char)
            // With invisible characters, a link would be displayed differently from its target.
            || is_ignorable(char)
    };
    let mut link = &text[..text.find(is_end).unwrap_or(text.len())];
    let surplus = |open, close| {
        link.matches(close)
            .count()
            .saturating_sub(link.matches(open).count())
    };
    let (mut round, mut square) = (surplus('(', ')'), surplus('[', ']'));
    let remove_one = |surplus: &mut usize| {
        let is_unbalanced = *surplus > 0;
        *surplus = surplus.saturating_sub(1);
        is_unbalanced
    };
    loop {
        let last = link.chars().next_back()?;
        let is_punctuation = match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '…' | '’' => true,
            ')' => remove_one(&mut round),
            ']' => remove_one(&mut square),
            _ => false,
        };
        if !is_punctuation {
            return Some(link);
        }
        link = &link[..link.len() - last.len_utf8()];
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

/// Beginnings and ends of path segments that precede a secret.
const BEFORE_SECRET: [&str; 14] = [
    "reset", "verif", "confirm", "activat", "invit", "accept", "magic", "login", "signin",
    "sign-in", "auth", "recover", "unlock", "password",
];

/// Returns the secrets in the parameters of a link and at the end of its path, as they are written. The `url` crate would refuse
/// links whose host or port is a placeholder, and would resolve dots in the path.
pub(super) fn secrets_in(link: &str) -> Vec<String> {
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
    // The path is searched without scheme and host.
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

/// Returns whether a text is long and has both letters and digits, unlike a word.
fn is_secret(text: &str) -> bool {
    let is_allowed = |char: char| char.is_ascii_alphanumeric() || "-_.~:+=/".contains(char);
    text.len() >= 16
        && text.chars().all(is_allowed)
        && text.contains(|char: char| char.is_ascii_digit())
        && text.contains(|char: char| char.is_ascii_alphabetic())
}

/// Returns whether a word is a JWT: three parts in base64url, the first two JSON objects, the first with `alg`.
pub(super) fn is_jwt(word: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_in_links_that_no_browser_opens_and_are_not_rewritten() {
        let secret = "Zr8kQ2vXw9Lm4TbC";
        for link in [
            format!("https://shop.example:PORT/reset/{secret}"),
            format!("https://[HOST]/reset?token={secret}"),
            format!("HTTPS://shop.example/reset/../{secret}"),
        ] {
            assert_eq!(link_at(&link), Some(link.as_str()), "{link}");
            assert_eq!(secrets_in(&link), [secret], "{link}");
        }
    }
}
