//! Maildir with the messages of the inbox, which loads them after a restart. Other mail readers can open it.
//!
//! ```text
//! DIR/new/1764000000.ID.movie-bag         source of an unread message, byte for byte
//! DIR/cur/1764000000.ID.movie-bag:2,S     source of a message that was opened; other readers add their marks
//! DIR/tmp/                                unfinished files
//! DIR/movie-bag/ID.json                   envelope, session and tags, which the source does not contain
//! ```
//!
//! A message is stored once it has been renamed into `new`, which is the last step and precedes its 250: whenever the process
//! is killed, the files in `new` and `cur` are complete. Files are not flushed to the disk: a power failure may lose the last
//! seconds.
//!
//! One lock ([`Maildir::names`]) guards the files of stored messages. Marks and tags are written under it, and only while the
//! inbox still has the message. A deletion removes the message from the inbox first and then removes its files under the
//! same lock, so that no later write can create one of them again. A restored message is added to the inbox first and then
//! written under the same lock, and a removal skips a message that the inbox has.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::received::{Identity, ReceivedMessage, SessionFacts};
use crate::session::auth::Login;
use crate::session::{Envelope, MessageId, Received, Transcript, Warning};

/// Extension of the files that the sink writes.
const EXTENSION: &str = ".movie-bag";

/// Separator of a file's name and its marks. Windows permits no colon, and other programs use an exclamation mark there.
const MARKS_SEPARATOR: &str = if cfg!(windows) { "!2," } else { ":2," };

/// Maximum number of attempts to remove a file that another mail reader renames at the same time.
const MAX_REMOVALS: usize = 5;

/// Mark of a message that was opened.
const SEEN: char = 'S';

/// Maildir that only this process and mail readers write to.
#[derive(Debug)]
pub struct Maildir {
    root: PathBuf,
    /// Names of the files of other programs, which contain no id. The lock also guards all files of stored messages.
    names: Mutex<HashMap<MessageId, String>>,
    /// Locked against other processes until this is dropped.
    _lock: File,
}

/// Content of the JSON file of a message.
#[derive(Debug, Serialize, Deserialize)]
struct Metadata {
    received_at: Timestamp,
    envelope: Envelope,
    #[serde(default)]
    peer: Option<std::net::SocketAddr>,
    #[serde(default)]
    helo: String,
    #[serde(default)]
    tls: Option<String>,
    #[serde(default)]
    login: Option<Login>,
    #[serde(default)]
    transcript: Transcript,
    #[serde(default)]
    warnings: Vec<Warning>,
    #[serde(default)]
    tags: Vec<String>,
}

/// Messages found when a Maildir was opened.
#[derive(Debug, Default)]
pub struct Held {
    /// The newest messages that fit, oldest first.
    pub messages: Vec<ReceivedMessage>,
    /// Number of older messages that did not fit. They stay on disk.
    pub left: usize,
}

/// File in `new` or `cur`.
struct Entry {
    path: PathBuf,
    /// File name without its marks.
    name: String,
    is_seen: bool,
    received_at: Timestamp,
    id: MessageId,
}

/// Creates a folder that only its owner can read, and its missing parents. An existing folder keeps its mode. Windows has no
/// modes: a new folder inherits the access list of its parent.
fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

impl Maildir {
    /// Opens or creates a Maildir, and reads its newest messages, at most `max_messages` and `max_memory` bytes.
    ///
    /// # Errors
    /// An error of the file system, and `WouldBlock` if another process has the Maildir open.
    pub fn open(root: &Path, max_messages: usize, max_memory: u64) -> io::Result<(Maildir, Held)> {
        for folder in ["tmp", "new", "cur", "movie-bag"] {
            create_private_folder(&root.join(folder))?;
        }
        let lock = File::create(root.join("movie-bag").join("lock"))?;
        lock.try_lock()?;
        let maildir = Maildir {
            root: root.to_owned(),
            names: Mutex::default(),
            _lock: lock,
        };
        maildir.remove_unfinished()?;
        maildir.remove_orphans()?;
        let held = maildir.read(max_messages, max_memory)?;
        Ok((maildir, held))
    }

    /// Writes a message.
    ///
    /// # Errors
    /// An error of the file system. No file of the message remains then.
    pub fn store(&self, message: &ReceivedMessage) -> io::Result<()> {
        let name = file_name_for(&message.identity());
        let unfinished = self.root.join("tmp").join(&name);
        let stored = self
            .write_metadata(message)
            .and_then(|()| fs::write(&unfinished, &message.source))
            .and_then(|()| fs::rename(&unfinished, self.root.join("new").join(&name)));
        if stored.is_err() {
            let _ = fs::remove_file(&unfinished);
            let _ = fs::remove_file(self.metadata_path(&message.id));
        }
        stored
    }

    /// Writes the tags of a message that was just stored, if the inbox still has it. The message stays in `new`, where readers
    /// look for new messages. A failure is only logged, since the message itself is safe.
    pub fn write_tags(&self, message: &ReceivedMessage, is_in_inbox: impl FnOnce() -> bool) {
        let _names = self.names();
        if !is_in_inbox() {
            return;
        }
        if let Err(error) = self.write_metadata(message) {
            tracing::warn!(%error, "cannot write tags to the store");
        }
    }

    /// Writes the marks and tags of a message, if the inbox still has it. A failure is only logged, since the message itself is
    /// safe.
    pub fn mark(&self, message: &ReceivedMessage, is_in_inbox: impl FnOnce() -> bool) {
        let names = self.names();
        if !is_in_inbox() {
            return;
        }
        let name = find_name(&names, &message.identity());
        // Another mail reader may have removed the message.
        let Some(path) = self.locate(&name) else {
            return;
        };
        let marked = self.write_metadata(message).and_then(|()| {
            let file = file_name(&path);
            let (_, marks) = file.split_once(MARKS_SEPARATOR).unwrap_or((&file, ""));
            let mut marks: Vec<char> = marks.chars().filter(|mark| *mark != SEEN).collect();
            if message.is_read() {
                marks.push(SEEN);
            }
            // Marks are in alphabetical order, as every reader writes them.
            marks.sort_unstable();
            let marks: String = marks.into_iter().collect();
            let marked = self
                .root
                .join("cur")
                .join(format!("{name}{MARKS_SEPARATOR}{marks}"));
            fs::rename(path, marked)
        });
        if let Err(error) = marked {
            tracing::warn!(%error, "cannot write a flag to the store");
        }
    }

    /// Writes a restored message, if the inbox has it. A failure is logged; the message is then lost at a restart.
    pub fn restore(&self, message: &ReceivedMessage, is_in_inbox: impl FnOnce() -> bool) {
        let names = self.names();
        if !is_in_inbox() {
            return;
        }
        let name = find_name(&names, &message.identity());
        let target = if message.is_read() {
            let file = format!("{name}{MARKS_SEPARATOR}{SEEN}");
            self.root.join("cur").join(file)
        } else {
            self.root.join("new").join(&name)
        };
        let unfinished = self.root.join("tmp").join(&name);
        // The removal of its files may not have run yet.
        let written = self
            .remove_source(&name)
            .and_then(|()| self.write_metadata(message))
            .and_then(|()| fs::write(&unfinished, &message.source))
            .and_then(|()| fs::rename(&unfinished, target));
        if let Err(error) = written {
            let _ = fs::remove_file(&unfinished);
            tracing::error!(%error, "cannot write a restored message to the store");
        }
    }

    /// Removes all files of a message, if the inbox does not have it. A failure is logged; the message appears again after a
    /// restart.
    pub fn remove(&self, message: &Identity, is_in_inbox: impl FnOnce() -> bool) {
        let mut names = self.names();
        if is_in_inbox() {
            return;
        }
        let name = find_name(&names, message);
        let removed = self
            .remove_source(&name)
            .and_then(|()| remove_if_exists(&self.metadata_path(&message.id)));
        match removed {
            Ok(()) => drop(names.remove(&message.id)),
            Err(error) => tracing::warn!(%error, "cannot remove a message from the store"),
        }
    }

    /// Removes the source, even if another mail reader renames it meanwhile.
    fn remove_source(&self, name: &str) -> io::Result<()> {
        for _ in 0..MAX_REMOVALS {
            let Some(path) = self.locate(name) else {
                return Ok(());
            };
            match fs::remove_file(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => return removed,
            }
        }
        Err(io::Error::other("another program keeps renaming it"))
    }

    /// Removes envelopes without a message: of messages that another mail reader deleted, and of a process that was killed while
    /// it stored or removed a message.
    fn remove_orphans(&self) -> io::Result<()> {
        // Envelopes are listed before messages, so that an envelope listed here has its message in the later list.
        let mut orphans = HashSet::new();
        for entry in fs::read_dir(self.root.join("movie-bag"))? {
            let file = file_name(&entry?.path());
            let id = file.strip_suffix(".json").filter(|id| is_id(id));
            orphans.extend(id.map(|id| MessageId(id.to_owned())));
        }
        // A listing may miss a file that another mail reader renames meanwhile; a second listing finds it.
        for _ in 0..2 {
            if orphans.is_empty() {
                return Ok(());
            }
            for entry in self.entries()? {
                orphans.remove(&entry.id);
            }
        }
        for id in &orphans {
            remove_if_exists(&self.metadata_path(id))?;
        }
        tracing::debug!(
            envelopes = orphans.len(),
            "removed envelopes without a message from the store"
        );
        Ok(())
    }

    /// Removes unfinished files of a process that was killed.
    fn remove_unfinished(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.root.join("tmp"))? {
            let path = entry?.path();
            if file_name(&path).ends_with(EXTENSION) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn read(&self, max_messages: usize, max_memory: u64) -> io::Result<Held> {
        let mut entries = self.entries()?;
        entries.sort_by(|a, b| (a.received_at, &a.name).cmp(&(b.received_at, &b.name)));
        let mut held = Held::default();
        let mut memory = 0;
        for entry in entries.iter().rev() {
            let message = self.load(entry)?;
            memory += message.weight();
            if held.messages.len() >= max_messages || memory > max_memory {
                break;
            }
            held.messages.push(message);
        }
        held.left = entries.len() - held.messages.len();
        held.messages.reverse();
        // A name contains seconds, which are too coarse for messages that arrived in quick succession.
        held.messages.sort_by_key(|message| message.received_at);
        Ok(held)
    }

    fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for folder in ["new", "cur"] {
            for entry in fs::read_dir(self.root.join(folder))? {
                let entry = entry?;
                let file = file_name(&entry.path());
                // Hidden files are not messages (maildir(5)).
                if file.starts_with('.') || !entry.file_type()?.is_file() {
                    continue;
                }
                let (name, marks) = file.split_once(MARKS_SEPARATOR).unwrap_or((&file, ""));
                let id = match parse_id(name) {
                    Some(id) => id,
                    None => {
                        let id = derive_id(name);
                        self.names().insert(id.clone(), name.to_owned());
                        id
                    }
                };
                let seconds = name.split('.').next().and_then(|start| start.parse().ok());
                let received_at = seconds
                    .and_then(|seconds| Timestamp::from_second(seconds).ok())
                    .or_else(|| Timestamp::try_from(entry.metadata().ok()?.modified().ok()?).ok());
                entries.push(Entry {
                    path: entry.path(),
                    name: name.to_owned(),
                    is_seen: marks.contains(SEEN),
                    received_at: received_at.unwrap_or(Timestamp::UNIX_EPOCH),
                    id,
                });
            }
        }
        Ok(entries)
    }

    fn load(&self, entry: &Entry) -> io::Result<ReceivedMessage> {
        let source = fs::read(&entry.path)?;
        // A message of another program has no JSON file.
        let metadata: Option<Metadata> = fs::read(self.metadata_path(&entry.id))
            .ok()
            .and_then(|json| serde_json::from_slice(&json).ok());
        let metadata = metadata.unwrap_or_else(|| Metadata {
            received_at: entry.received_at,
            envelope: Envelope::default(),
            peer: None,
            helo: String::new(),
            tls: None,
            login: None,
            transcript: Transcript::default(),
            warnings: Vec::new(),
            tags: Vec::new(),
        });
        let received = Received {
            source,
            envelope: metadata.envelope,
            helo: metadata.helo,
            tls: metadata.tls,
            login: metadata.login,
            transcript: metadata.transcript,
            warnings: metadata.warnings,
        };
        let message = ReceivedMessage::new(
            entry.id.clone(),
            metadata.received_at,
            received,
            metadata.peer,
        );
        message.set_read(entry.is_seen);
        message.set_tags(metadata.tags);
        Ok(message)
    }

    fn write_metadata(&self, message: &ReceivedMessage) -> io::Result<()> {
        let SessionFacts {
            peer,
            helo,
            tls,
            login,
            transcript,
            warnings,
        } = message.session.clone();
        let json = serde_json::to_vec(&Metadata {
            received_at: message.received_at,
            envelope: message.envelope.clone(),
            peer,
            helo,
            tls,
            login,
            transcript,
            warnings,
            tags: message.tags(),
        })?;
        let unfinished = self
            .root
            .join("tmp")
            .join(format!("{}.json{EXTENSION}", message.id));
        fs::write(&unfinished, json)?;
        fs::rename(unfinished, self.metadata_path(&message.id))
    }

    fn metadata_path(&self, id: &MessageId) -> PathBuf {
        self.root.join("movie-bag").join(format!("{id}.json"))
    }

    /// Returns the path of a message's source. It is searched twice, since a mail reader that renames it meanwhile may hide it
    /// from one search.
    fn locate(&self, name: &str) -> Option<PathBuf> {
        self.search_once(name).or_else(|| self.search_once(name))
    }

    fn search_once(&self, name: &str) -> Option<PathBuf> {
        let cur = self.root.join("cur");
        let usual = [
            self.root.join("new").join(name),
            cur.join(format!("{name}{MARKS_SEPARATOR}{SEEN}")),
            cur.join(format!("{name}{MARKS_SEPARATOR}")),
        ];
        usual.into_iter().find(|path| path.is_file()).or_else(|| {
            let mut files = fs::read_dir(cur).ok()?.filter_map(Result::ok);
            let is_it = |entry: &fs::DirEntry| {
                let file = file_name(&entry.path());
                file.split(MARKS_SEPARATOR).next() == Some(name)
            };
            files.find(is_it).map(|entry| entry.path())
        })
    }

    fn names(&self) -> MutexGuard<'_, HashMap<MessageId, String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the name of a message's file without its marks.
fn find_name(names: &HashMap<MessageId, String>, message: &Identity) -> String {
    let foreign = names.get(&message.id).cloned();
    foreign.unwrap_or_else(|| file_name_for(message))
}

fn remove_if_exists(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn file_name_for(message: &Identity) -> String {
    format!(
        "{}.{}{EXTENSION}",
        message.received_at.as_second(),
        message.id
    )
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn parse_id(name: &str) -> Option<MessageId> {
    let (_, id) = name.strip_suffix(EXTENSION)?.split_once('.')?;
    is_id(id).then(|| MessageId(id.to_owned()))
}

fn is_id(text: &str) -> bool {
    text.len() == 22 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Returns the id of a file of another program. It is the same after each restart.
fn derive_id(name: &str) -> MessageId {
    let digest = Sha256::digest(name.as_bytes());
    let hex: String = digest[..11]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    MessageId(hex)
}

#[cfg(test)]
mod tests;
