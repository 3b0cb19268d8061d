//! The tags of the inbox's messages: listed, set, renamed, removed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Event, Inbox, Which};
use crate::sink::received::ReceivedMessage;

/// The longest tag, in characters.
const LONGEST_TAG: usize = 100;

impl Inbox {
    /// The tags there are, in order, and how many messages have each.
    pub fn tags(&self) -> BTreeMap<String, usize> {
        self.kept().tags.clone()
    }

    /// Gives these messages these tags, and takes any others from them.
    pub fn set_tags(&self, ids: &[String], tags: &[String]) {
        let tags = clean_tags(tags.to_vec());
        let messages = self.select(Which::Ids(ids.to_vec()));
        self.retag(&messages, |_| Some(tags.clone()));
    }

    /// Gives a tag another name wherever it is.
    pub fn rename_tag(&self, tag: &str, name: &str) {
        self.change_tag(tag, |own| *own = name.to_owned());
    }

    /// Takes a tag from all messages.
    pub fn remove_tag(&self, tag: &str) {
        // A name that no tag can have: it is cleaned away.
        self.change_tag(tag, String::clear);
    }

    fn change_tag(&self, tag: &str, change: impl Fn(&mut String)) {
        let messages = self.select(Which::All);
        self.retag(&messages, |mut tags| {
            let own = tags.iter_mut().find(|own| own.eq_ignore_ascii_case(tag))?;
            change(own);
            Some(clean_tags(tags))
        });
    }

    fn retag(
        &self,
        messages: &[Arc<ReceivedMessage>],
        new_tags: impl Fn(Vec<String>) -> Option<Vec<String>>,
    ) {
        let mut changed = Vec::new();
        let mut kept = self.kept();
        for message in messages {
            if !kept.by_id.contains_key(&message.id) {
                continue;
            }
            if let Some(tags) = new_tags(message.tags()) {
                kept.count_tags(&tags);
                let old = message.set_tags(tags.clone());
                kept.discount_tags(&old);
                changed.push((message, tags));
            }
        }
        match &changed[..] {
            [(message, tags)] => self.tell(Event::Tagged(message.id.clone(), tags.clone())),
            [] => {}
            _ => self.tell(Event::Pruned),
        }
        drop(kept);
        if let Some(archive) = &self.archive {
            changed
                .iter()
                .for_each(|(message, _)| archive.mark(message));
        }
    }
}

/// Tags as they are kept: no blanks around, none twice, none empty, in order.
pub(super) fn clean_tags(tags: Vec<String>) -> Vec<String> {
    let mut clean: Vec<String> = tags
        .iter()
        .map(|tag| {
            let printable = tag.chars().filter(|char| !char.is_control());
            let short: String = printable.take(LONGEST_TAG).collect();
            short.trim().to_owned()
        })
        .filter(|tag| !tag.is_empty())
        .collect();
    clean.sort_unstable();
    clean.dedup();
    clean
}
