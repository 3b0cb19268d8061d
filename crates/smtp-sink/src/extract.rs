//! Extraction of links, tokens and one-time codes from mails. Pure text in, lists out; nothing is fetched.
//!
//! Both parts are read after decoding, so that no transfer encoding breaks a link. Text that merely resembles a result must not be
//! found: a price is not a code, the address of a picture is not a link.

mod codes;
mod links;

use std::collections::HashSet;

use super::content::Content;
use super::html;
use codes::find_codes;
use links::{find_scheme, is_jwt, link_at, secrets_in};

/// Results, each list in order of appearance and without repeats.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extracted {
    /// Links with the scheme `http` or `https`.
    pub links: Vec<String>,
    /// Secrets in links that reset, verify, confirm, invite or log in, and JWTs anywhere.
    pub tokens: Vec<String>,
    /// JWTs in links with the word `reset` before the JWT: `/reset/JWT`, `/#/reset?token=JWT`.
    pub reset_tokens: Vec<String>,
    /// One-time codes.
    pub codes: Vec<String>,
    /// First link that contains a token.
    token_link: Option<String>,
}

/// Extracts from the text and the HTML of a message.
pub fn from_content(content: &Content) -> Extracted {
    let html = Some(content.html.as_str()).filter(|html| !html.is_empty());
    extract(Some(&content.text), html)
}

/// Extracts from the text part and the HTML part of a message.
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
    lists.into_iter().for_each(remove_repeats);
    found
}

/// Returns the text that a reader of HTML sees, without markup, scripts and styles.
pub fn visible_text(html: &str) -> String {
    html::read(html).text
}

/// Keeps the first of equal entries.
fn remove_repeats(list: &mut Vec<String>) {
    let mut seen = HashSet::new();
    list.retain(|found| seen.insert(found.clone()));
}

/// Words in the links that a mail is usually sent for.
const PURPOSES: [&str; 11] = [
    "reset", "verify", "confirm", "activat", "invit", "magic", "login", "signin", "token", "passw",
    "auth",
];

impl Extracted {
    /// Returns the link that the mail was sent for: the first with a token, else the first with a word of [`PURPOSES`], else the
    /// first.
    pub fn main_link(&self) -> Option<&String> {
        let has_purpose = |link: &&String| {
            let link = link.to_ascii_lowercase();
            PURPOSES.iter().any(|word| link.contains(word))
        };
        self.token_link
            .as_ref()
            .or_else(|| self.links.iter().find(has_purpose))
            .or(self.links.first())
    }

    fn read(&mut self, text: &str) {
        // Codes are searched in the text without links, since digits in links are not codes.
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
        self.codes.extend(find_codes(&prose));
    }

    fn add_link(&mut self, link: &str) {
        self.links.push(link.to_owned());
        let before = self.tokens.len();
        self.add_tokens(link);
        self.tokens.extend(secrets_in(link));
        if self.tokens.len() > before {
            self.token_link.get_or_insert_with(|| link.to_owned());
        }
        // The word in the host may be a part of any name.
        let from_host = link.splitn(3, '/').last().unwrap_or_default();
        let after_host = from_host.trim_start_matches(|char| !['/', '?', '#'].contains(&char));
        if let Some(at) = after_host.to_ascii_lowercase().find("reset") {
            let tokens = jwts(&after_host[at..]);
            self.reset_tokens.extend(tokens.map(str::to_owned));
        }
    }

    fn add_tokens(&mut self, text: &str) {
        self.tokens.extend(jwts(text).map(str::to_owned));
    }
}

/// Returns the JWTs in a text.
fn jwts(text: &str) -> impl Iterator<Item = &str> {
    text.split(|char: char| !(char.is_ascii_alphanumeric() || "-_.".contains(char)))
        .map(|word| word.trim_matches('.'))
        .filter(|word| word.starts_with("eyJ") && is_jwt(word))
}

#[cfg(test)]
mod tests;
