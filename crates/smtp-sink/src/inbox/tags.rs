//! The tags of the inbox's messages: listed, set, renamed, removed.

use std::collections::BTreeMap;

use thiserror::Error;

use super::{Event, Inbox, Which};

/// The longest tag, in characters.
const LONGEST_TAG: usize = 100;

/// Tags of one message. Without a limit, one request would multiply a list of tags by the number of messages.
const MOST_TAGS: usize = 100;

/// A change of a tag that is refused, in Mailpit's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TagError {
    /// Nothing of the name is left once it is cleaned.
    #[error("invalid tag name: {0}")]
    Invalid(String),
    /// No message has this tag.
    #[error("tag not found: {0}")]
    NotFound(String),
    /// Another tag has the new name.
    #[error("tag already exists: {0}")]
    AlreadyExists(String),
}

impl Inbox {
    /// The tags there are, in order; their case does not count.
    pub fn tag_names(&self) -> Vec<String> {
        let kept = self.kept();
        let tags = kept.tags.values();
        tags.map(|tag| tag.name.clone()).collect()
    }

    /// The tags there are, and how many messages have each.
    pub fn tags(&self) -> BTreeMap<String, usize> {
        let kept = self.kept();
        let tags = kept.tags.values();
        tags.map(|tag| (tag.name.clone(), tag.messages)).collect()
    }

    /// Gives these messages these tags, and takes any others from them. A tag that is in use keeps its spelling.
    pub fn set_tags(&self, ids: &[String], tags: &[String]) {
        let tags = self.kept().accepted(clean_tags(tags.to_vec()));
        let chosen = self.select(&Which::Ids(ids.to_vec()));
        self.retag(&chosen, |_| Some(tags.clone()));
    }

    /// Gives a tag another name wherever it is.
    ///
    /// # Errors
    /// The new name is none or that of another tag, or no message has this tag.
    pub fn rename_tag(&self, tag: &str, name: &str) -> Result<(), TagError> {
        let new = clean(name);
        if new.is_empty() {
            return Err(TagError::Invalid(name.to_owned()));
        }
        let (old_key, new_key) = (key(tag), key(&new));
        {
            let kept = self.kept();
            if !kept.tags.contains_key(&old_key) {
                return Err(TagError::NotFound(tag.to_owned()));
            }
            if old_key != new_key && kept.tags.contains_key(&new_key) {
                return Err(TagError::AlreadyExists(new));
            }
        }
        self.change_tag(tag, |own| own.clone_from(&new));
        // Another spelling of the same name.
        if let Some(tag) = self.kept().tags.get_mut(&new_key) {
            tag.name = new;
        }
        Ok(())
    }

    /// Takes a tag from all messages.
    ///
    /// # Errors
    /// No message has it.
    pub fn remove_tag(&self, tag: &str) -> Result<(), TagError> {
        if !self.kept().tags.contains_key(&key(tag)) {
            return Err(TagError::NotFound(tag.to_owned()));
        }
        // An empty name is cleaned away.
        self.change_tag(tag, String::clear);
        Ok(())
    }

    fn change_tag(&self, tag: &str, change: impl Fn(&mut String)) {
        let all = self.select(&Which::All);
        self.retag(&all, |mut tags| {
            let own = tags.iter_mut().find(|own| key(own) == key(tag))?;
            change(own);
            Some(clean_tags(tags))
        });
    }

    fn retag(&self, sequences: &[u64], new_tags: impl Fn(Vec<String>) -> Option<Vec<String>>) {
        let mut changed = Vec::new();
        let mut kept = self.kept();
        for &sequence in sequences {
            let Some(message) = kept.at(sequence).cloned() else {
                continue;
            };
            if let Some(tags) = new_tags(message.tags()) {
                kept.count_tags(&tags);
                kept.memory -= message.weight();
                let old = message.set_tags(tags.clone());
                kept.memory += message.weight();
                kept.discount_tags(&old);
                changed.push((sequence, message.id.clone(), tags));
            }
        }
        match &changed[..] {
            [(_, id, tags)] => self.tell(Event::Tagged(id.clone(), tags.clone())),
            [] => {}
            _ => self.tell(Event::Pruned),
        }
        drop(kept);
        self.mark_in_archive(changed.iter().map(|(sequence, ..)| *sequence));
        self.make_room();
    }
}

/// The form in which tags are compared: their case does not count.
pub(super) fn key(tag: &str) -> String {
    tag.to_lowercase()
}

/// Tags as they are kept, by Mailpit's rules: each cleaned, none empty, none twice, in order.
pub(super) fn clean_tags(tags: Vec<String>) -> Vec<String> {
    let mut clean: Vec<String> = tags.iter().map(|tag| clean(tag)).collect();
    clean.retain(|tag| !tag.is_empty());
    // Stable: of two spellings the first is kept.
    clean.sort_by_key(|tag| key(tag));
    clean.dedup_by_key(|tag| key(tag));
    clean.truncate(MOST_TAGS);
    clean
}

/// A tag of letters, digits and `-_.@` of ASCII, one space for each run of anything else, cut to its greatest length.
fn clean(tag: &str) -> String {
    let is_valid = |char: char| char.is_ascii_alphanumeric() || "-_.@".contains(char);
    let words: Vec<&str> = tag
        .split(|char| !is_valid(char))
        .filter(|word| !word.is_empty())
        .collect();
    let mut clean = words.join(" ");
    clean.truncate(LONGEST_TAG);
    clean.truncate(clean.trim_end().len());
    clean
}
