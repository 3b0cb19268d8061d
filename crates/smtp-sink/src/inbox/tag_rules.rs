//! Rules for tags: how they are written and compared.

use thiserror::Error;

/// Maximum length of a tag, in characters.
const MAX_TAG_CHARS: usize = 100;

/// Maximum number of tags of a message. Without a limit, one request would multiply a list of tags by the number of messages.
const MAX_TAGS: usize = 100;

/// Error for a change of a tag. The messages are those of Mailpit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TagError {
    /// The new name has no permitted character.
    #[error("invalid tag name: {0}")]
    Invalid(String),
    /// No message has this tag.
    #[error("tag not found: {0}")]
    NotFound(String),
    /// Another tag has the new name.
    #[error("tag already exists: {0}")]
    AlreadyExists(String),
}

/// Returns the form in which tags are compared, without regard to case.
pub(super) fn tag_key(tag: &str) -> String {
    tag.to_lowercase()
}

/// Returns tags as they are stored, by Mailpit's rules: each cleaned, none empty, none twice, sorted.
pub(super) fn clean_tags(tags: Vec<String>) -> Vec<String> {
    let mut clean: Vec<String> = tags.iter().map(|tag| clean_tag(tag)).collect();
    clean.retain(|tag| !tag.is_empty());
    // The sort is stable: of two spellings the first remains.
    clean.sort_by_key(|tag| tag_key(tag));
    clean.dedup_by_key(|tag| tag_key(tag));
    clean.truncate(MAX_TAGS);
    clean
}

/// Keeps ASCII letters, digits and `-_.@`, replaces each run of other characters by one space, and cuts the tag to its maximum
/// length.
pub(super) fn clean_tag(tag: &str) -> String {
    let is_valid = |char: char| char.is_ascii_alphanumeric() || "-_.@".contains(char);
    let words: Vec<&str> = tag
        .split(|char| !is_valid(char))
        .filter(|word| !word.is_empty())
        .collect();
    let mut clean = words.join(" ");
    clean.truncate(MAX_TAG_CHARS);
    clean.truncate(clean.trim_end().len());
    clean
}
