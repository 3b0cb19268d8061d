//! Tags of the messages: listed, set, renamed, removed.

use std::collections::BTreeMap;

use super::Inbox;
use super::event::Event;
use super::selection::Selection;
use super::tag_rules::{TagError, clean_tag, clean_tags, tag_key};

impl Inbox {
    /// Returns all tags, sorted without regard to case.
    pub fn tag_names(&self) -> Vec<String> {
        let table = self.lock();
        let tags = table.tags.values();
        tags.map(|tag| tag.name.clone()).collect()
    }

    /// Returns all tags with the number of messages that have each.
    pub fn tags(&self) -> BTreeMap<String, usize> {
        let table = self.lock();
        let tags = table.tags.values();
        tags.map(|tag| (tag.name.clone(), tag.messages)).collect()
    }

    /// Replaces the tags of messages. A tag that is in use keeps its spelling.
    pub fn set_tags(&self, ids: &[String], tags: &[String]) {
        let tags = self.lock().accepted_tags(clean_tags(tags.to_vec()));
        let chosen = self.select(&Selection::Ids(ids.to_vec()));
        self.retag(&chosen, |_| Some(tags.clone()));
    }

    /// Renames a tag of all messages.
    ///
    /// # Errors
    /// The new name is invalid or that of another tag, or no message has this tag.
    pub fn rename_tag(&self, tag: &str, name: &str) -> Result<(), TagError> {
        let new = clean_tag(name);
        if new.is_empty() {
            return Err(TagError::Invalid(name.to_owned()));
        }
        let (old_key, new_key) = (tag_key(tag), tag_key(&new));
        {
            let table = self.lock();
            if !table.tags.contains_key(&old_key) {
                return Err(TagError::NotFound(tag.to_owned()));
            }
            if old_key != new_key && table.tags.contains_key(&new_key) {
                return Err(TagError::AlreadyExists(new));
            }
        }
        self.change_tag(tag, |own| own.clone_from(&new));
        // The new name may be another spelling of the old one.
        if let Some(tag) = self.lock().tags.get_mut(&new_key) {
            tag.name = new;
        }
        Ok(())
    }

    /// Removes a tag from all messages.
    ///
    /// # Errors
    /// No message has this tag.
    pub fn remove_tag(&self, tag: &str) -> Result<(), TagError> {
        if !self.lock().tags.contains_key(&tag_key(tag)) {
            return Err(TagError::NotFound(tag.to_owned()));
        }
        // `clean_tags` removes an empty name.
        self.change_tag(tag, String::clear);
        Ok(())
    }

    fn change_tag(&self, tag: &str, change: impl Fn(&mut String)) {
        let all = self.select(&Selection::All);
        self.retag(&all, |mut tags| {
            let own = tags.iter_mut().find(|own| tag_key(own) == tag_key(tag))?;
            change(own);
            Some(clean_tags(tags))
        });
    }

    fn retag(&self, sequences: &[u64], new_tags: impl Fn(Vec<String>) -> Option<Vec<String>>) {
        let mut changed = Vec::new();
        let mut table = self.lock();
        for &sequence in sequences {
            let Some(message) = table.at(sequence).cloned() else {
                continue;
            };
            if let Some(tags) = new_tags(message.tags()) {
                table.count_tags(&tags);
                table.memory -= message.weight();
                let old = message.set_tags(tags.clone());
                table.memory += message.weight();
                table.uncount_tags(&old);
                changed.push((sequence, message.id.clone(), tags));
            }
        }
        match &changed[..] {
            [(_, id, tags)] => self.publish(Event::Tagged(id.clone(), tags.clone())),
            [] => {}
            _ => self.publish(Event::Pruned),
        }
        drop(table);
        self.mark_in_archive(changed.iter().map(|(sequence, ..)| *sequence));
        self.free_memory();
    }
}
