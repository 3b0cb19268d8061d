//! A Maildir that holds what the inbox holds, so that it is there again after a restart and other mail readers can open it.
//!
//! ```text
//! DIR/new/1764000000.ID.movie-bag         the source, byte for byte
//! DIR/cur/1764000000.ID.movie-bag:2,S     the same once somebody opened it; other readers put their marks there too
//! DIR/tmp/                                on its way in
//! DIR/movie-bag/ID.json                   envelope, session and tags, which have no place in the source
//! ```
//!
//! A message is stored once it has been renamed into `new`, which happens before its 250 and as the last step: whenever the
//! process dies, the files in `new` and `cur` are whole. Files are not flushed to the disk: a power cut may lose the last
//! seconds.
//!
//! One lock ([`Maildir::names`]) guards the files of kept messages. Marks and tags are written under it, and only while the
//! inbox still has the message. A deletion takes the message out of the inbox first and then removes its files under the
//! same lock, so that no later write can bring one of them back. A message that is restored is put back into the inbox first
//! and then written under the same lock, and a removal skips a message that the inbox has.

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

/// Ends the name of each file that is ours.
const OURS: &str = ".movie-bag";

/// Stands between a file's name and its marks. Windows takes no colon, and other programs write an exclamation mark there.
const MARKS: &str = if cfg!(windows) { "!2," } else { ":2," };

/// Maximum number of attempts to remove a file that another mail reader renames at the same time.
const REMOVALS: usize = 5;

/// The mark of a message that was opened.
const SEEN: char = 'S';

/// A Maildir that this process alone writes to, other mail readers apart.
#[derive(Debug)]
pub struct Maildir {
    root: PathBuf,
    /// Names of files that another program wrote, which hold no id. The lock also guards all files of kept messages.
    names: Mutex<HashMap<MessageId, String>>,
    /// Held as long as this is.
    _lock: File,
}

/// What stands beside the source.
#[derive(Debug, Serialize, Deserialize)]
struct Beside {
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

/// What was found when a Maildir was opened.
#[derive(Debug, Default)]
pub struct Held {
    /// The newest messages that fit, oldest first.
    pub messages: Vec<ReceivedMessage>,
    /// How many older ones did not fit; they stay where they are.
    pub left: usize,
}

/// One file in `new` or `cur`.
struct Entry {
    path: PathBuf,
    /// Without its marks.
    name: String,
    is_seen: bool,
    received_at: Timestamp,
    id: MessageId,
}

/// Creates a folder that only its owner can read, with those above it that do not exist yet. An existing one keeps its mode.
/// Windows has no modes: a new folder inherits the access list of the folder that it is created in.
fn make_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

impl Maildir {
    /// Opens a Maildir, or makes one, and reads the newest messages in it, at most so many and of so many bytes.
    ///
    /// # Errors
    /// The file system's, and `WouldBlock` where another process has it open.
    pub fn open(root: &Path, max_messages: usize, max_memory: u64) -> io::Result<(Maildir, Held)> {
        for folder in ["tmp", "new", "cur", "movie-bag"] {
            make_private_folder(&root.join(folder))?;
        }
        let lock = File::create(root.join("movie-bag").join("lock"))?;
        lock.try_lock()?;
        let maildir = Maildir {
            root: root.to_owned(),
            names: Mutex::default(),
            _lock: lock,
        };
        maildir.sweep()?;
        maildir.sweep_orphans()?;
        let held = maildir.read(max_messages, max_memory)?;
        Ok((maildir, held))
    }

    /// Writes a message; it is there, whole, when this returns `Ok`.
    ///
    /// # Errors
    /// The file system's; then nothing of it is left.
    pub fn keep(&self, message: &ReceivedMessage) -> io::Result<()> {
        let name = name_of(&message.identity());
        let on_its_way = self.root.join("tmp").join(&name);
        let kept = self
            .write_beside(message)
            .and_then(|()| fs::write(&on_its_way, &message.source))
            .and_then(|()| fs::rename(&on_its_way, self.root.join("new").join(&name)));
        if kept.is_err() {
            let _ = fs::remove_file(&on_its_way);
            let _ = fs::remove_file(self.beside(&message.id));
        }
        kept
    }

    /// Writes the tags of a message that was just stored, if it is still kept. The message stays in `new`, where readers
    /// look for new messages. A failure is logged: the message itself is safe.
    pub fn note_tags(&self, message: &ReceivedMessage, is_kept: impl FnOnce() -> bool) {
        let _names = self.names();
        if !is_kept() {
            return;
        }
        if let Err(error) = self.write_beside(message) {
            tracing::warn!(%error, "cannot write tags to the store");
        }
    }

    /// Writes the marks and tags of a message, if it is still kept. A failure is logged: the message itself is safe.
    pub fn mark(&self, message: &ReceivedMessage, is_kept: impl FnOnce() -> bool) {
        let names = self.names();
        if !is_kept() {
            return;
        }
        let name = name_in(&names, &message.identity());
        // Another mail reader may have removed the message: then there is nothing left to mark.
        let Some(path) = self.locate(&name) else {
            return;
        };
        let marked = self.write_beside(message).and_then(|()| {
            let file = file_name(&path);
            let (_, marks) = file.split_once(MARKS).unwrap_or((&file, ""));
            let mut marks: Vec<char> = marks.chars().filter(|mark| *mark != SEEN).collect();
            if message.is_read() {
                marks.push(SEEN);
            }
            // In the order of the alphabet, as every reader writes them.
            marks.sort_unstable();
            let marks: String = marks.into_iter().collect();
            let marked = self.root.join("cur").join(format!("{name}{MARKS}{marks}"));
            fs::rename(path, marked)
        });
        if let Err(error) = marked {
            tracing::warn!(%error, "cannot write a flag to the store");
        }
    }

    /// Writes a message that was removed, if it is kept again. A failure is logged: the message is lost at a restart.
    pub fn restore(&self, message: &ReceivedMessage, is_kept: impl FnOnce() -> bool) {
        let names = self.names();
        if !is_kept() {
            return;
        }
        let name = name_in(&names, &message.identity());
        let target = match message.is_read() {
            true => self.root.join("cur").join(format!("{name}{MARKS}{SEEN}")),
            false => self.root.join("new").join(&name),
        };
        let unfinished = self.root.join("tmp").join(&name);
        // The removal of its files may not have come to it yet.
        let written = self
            .remove_source(&name)
            .and_then(|()| self.write_beside(message))
            .and_then(|()| fs::write(&unfinished, &message.source))
            .and_then(|()| fs::rename(&unfinished, target));
        if let Err(error) = written {
            let _ = fs::remove_file(&unfinished);
            tracing::error!(%error, "cannot write a restored message to the store");
        }
    }

    /// Removes all files of a message, if the inbox does not have it. A failure is logged; the message is back after a restart.
    pub fn remove(&self, message: &Identity, is_kept: impl FnOnce() -> bool) {
        let mut names = self.names();
        if is_kept() {
            return;
        }
        let name = name_in(&names, message);
        let removed = self
            .remove_source(&name)
            .and_then(|()| remove_if_there(&self.beside(&message.id)));
        match removed {
            Ok(()) => drop(names.remove(&message.id)),
            Err(error) => tracing::warn!(%error, "cannot remove a message from the store"),
        }
    }

    /// Removes the source, also where another mail reader renames it meanwhile.
    fn remove_source(&self, name: &str) -> io::Result<()> {
        for _ in 0..REMOVALS {
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

    /// Removes envelopes without a message: those of messages that another mail reader deleted, or of a process that died
    /// while it stored or removed one.
    fn sweep_orphans(&self) -> io::Result<()> {
        // The envelopes are listed first, so that each has its message by the time the messages are listed.
        let mut orphans = HashSet::new();
        for entry in fs::read_dir(self.root.join("movie-bag"))? {
            let file = file_name(&entry?.path());
            let id = file.strip_suffix(".json").filter(|id| is_id(id));
            orphans.extend(id.map(|id| MessageId(id.to_owned())));
        }
        // A listing may miss a file that another mail reader renames meanwhile; a second one finds it.
        for _ in 0..2 {
            if orphans.is_empty() {
                return Ok(());
            }
            for entry in self.entries()? {
                orphans.remove(&entry.id);
            }
        }
        for id in &orphans {
            remove_if_there(&self.beside(id))?;
        }
        tracing::debug!(
            envelopes = orphans.len(),
            "removed envelopes without a message from the store"
        );
        Ok(())
    }

    /// Removes unfinished files of a process that died.
    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.root.join("tmp"))? {
            let path = entry?.path();
            if file_name(&path).ends_with(OURS) {
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
        // The seconds of a name are too coarse for messages of one burst.
        held.messages.sort_by_key(|message| message.received_at);
        Ok(held)
    }

    fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for folder in ["new", "cur"] {
            for entry in fs::read_dir(self.root.join(folder))? {
                let entry = entry?;
                let file = file_name(&entry.path());
                // Hidden files are no messages (maildir(5)).
                if file.starts_with('.') || !entry.file_type()?.is_file() {
                    continue;
                }
                let (name, marks) = file.split_once(MARKS).unwrap_or((&file, ""));
                let id = match id_in(name) {
                    Some(id) => id,
                    None => {
                        let id = id_for(name);
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
        // One that another program put there has nothing beside it.
        let beside: Option<Beside> = fs::read(self.beside(&entry.id))
            .ok()
            .and_then(|json| serde_json::from_slice(&json).ok());
        let beside = beside.unwrap_or_else(|| Beside {
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
            envelope: beside.envelope,
            helo: beside.helo,
            tls: beside.tls,
            login: beside.login,
            transcript: beside.transcript,
            warnings: beside.warnings,
        };
        let message =
            ReceivedMessage::new(entry.id.clone(), beside.received_at, received, beside.peer);
        message.set_read(entry.is_seen);
        message.set_tags(beside.tags);
        Ok(message)
    }

    fn write_beside(&self, message: &ReceivedMessage) -> io::Result<()> {
        let SessionFacts {
            peer,
            helo,
            tls,
            login,
            transcript,
            warnings,
        } = message.session.clone();
        let json = serde_json::to_vec(&Beside {
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
        let on_its_way = self
            .root
            .join("tmp")
            .join(format!("{}.json{OURS}", message.id));
        fs::write(&on_its_way, json)?;
        fs::rename(on_its_way, self.beside(&message.id))
    }

    fn beside(&self, id: &MessageId) -> PathBuf {
        self.root.join("movie-bag").join(format!("{id}.json"))
    }

    /// Path of a message's file. Other mail readers move it, and one that does so at this moment may hide it from one look.
    fn locate(&self, name: &str) -> Option<PathBuf> {
        self.look_for(name).or_else(|| self.look_for(name))
    }

    fn look_for(&self, name: &str) -> Option<PathBuf> {
        let cur = self.root.join("cur");
        let usual = [
            self.root.join("new").join(name),
            cur.join(format!("{name}{MARKS}{SEEN}")),
            cur.join(format!("{name}{MARKS}")),
        ];
        usual.into_iter().find(|path| path.is_file()).or_else(|| {
            let mut files = fs::read_dir(cur).ok()?.filter_map(Result::ok);
            let is_it = |entry: &fs::DirEntry| {
                let file = file_name(&entry.path());
                file.split(MARKS).next() == Some(name)
            };
            files.find(is_it).map(|entry| entry.path())
        })
    }

    fn names(&self) -> MutexGuard<'_, HashMap<MessageId, String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Name of a message's file without its marks.
fn name_in(names: &HashMap<MessageId, String>, message: &Identity) -> String {
    let foreign = names.get(&message.id).cloned();
    foreign.unwrap_or_else(|| name_of(message))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn name_of(message: &Identity) -> String {
    format!("{}.{}{OURS}", message.received_at.as_second(), message.id)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn id_in(name: &str) -> Option<MessageId> {
    let (_, id) = name.strip_suffix(OURS)?.split_once('.')?;
    is_id(id).then(|| MessageId(id.to_owned()))
}

fn is_id(text: &str) -> bool {
    text.len() == 22 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// An id that is the same after each restart.
fn id_for(name: &str) -> MessageId {
    let digest = Sha256::digest(name.as_bytes());
    let hex: String = digest[..11]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    MessageId(hex)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::inbox::tests::{Counting, received};
    use crate::inbox::{Inbox, Which};

    fn open(root: &Path) -> Inbox {
        let (maildir, held) = Maildir::open(root, 10, 1 << 20).unwrap();
        // Draws what no other inbox of the test drew.
        let rng =
            Counting::from(fs::read_dir(root.join("movie-bag")).unwrap().count() as u64 * 100);
        Inbox::new(10, 1 << 20, Arc::new(rng)).with_archive(maildir, held.messages)
    }

    fn keep(inbox: &Inbox, source: &[u8]) -> Arc<ReceivedMessage> {
        let peer = "127.0.0.1:4000".parse().unwrap();
        let at = "2026-11-23T10:11:12.5Z".parse().unwrap();
        let mut received = received(source, "from@example.com", &["to@example.com"]);
        received.warnings = vec![Warning::BareLf(2)];
        received.tls = Some("TLS 1.3".into());
        inbox.store(received, peer, at).unwrap()
    }

    fn files(root: &Path, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(root.join(folder)).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| file_name(&entry.unwrap().path()))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn everything_is_there_again_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let inbox = open(root);
        let source = b"Subject: x\r\n\r\n\xff\0 bare\n.";
        let first = keep(&inbox, source);
        let second = keep(&inbox, b"second");
        let tagged = keep(&inbox, b"X-Tags: own\r\n\r\n");
        assert_eq!(files(root, "new").len(), 3);
        inbox.mark_read(&first);
        inbox.set_tags(std::slice::from_ref(&second.id.0), &["kept".into()]);
        drop(inbox);
        let inbox = open(root);
        let again = inbox.get(&first.id.0).unwrap();
        assert_eq!(again.source, source[..]);
        assert!(again.is_read());
        assert_eq!(again.envelope, first.envelope);
        assert_eq!(again.session.peer, first.session.peer);
        assert_eq!(again.session.tls.as_deref(), Some("TLS 1.3"));
        assert_eq!(again.session.warnings, [Warning::BareLf(2)]);
        assert_eq!(again.received_at, first.received_at);
        assert_eq!(inbox.get(&second.id.0).unwrap().tags(), ["kept"]);
        assert_eq!(inbox.get(&tagged.id.0).unwrap().tags(), ["own"]);
        assert_eq!((inbox.totals().unread, inbox.counts().accepted), (2, 0));
        inbox.delete(Which::All);
        assert_eq!(files(root, "new").len() + files(root, "cur").len(), 0);
        assert_eq!(files(root, "movie-bag"), ["lock"]);
    }

    #[test]
    fn a_restored_message_is_in_the_store_again() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let inbox = open(root);
        let (read, unread) = (keep(&inbox, b"read"), keep(&inbox, b"unread"));
        inbox.mark_read(&read);
        inbox.set_tags(std::slice::from_ref(&read.id.0), &["kept".into()]);
        let before = ["new", "cur", "movie-bag"].map(|part| files(root, part));
        let now = Timestamp::UNIX_EPOCH;
        let ids = vec![read.id.0.clone(), unread.id.0.clone()];
        let deletion = inbox.delete_restorably(ids, now).unwrap();
        assert_eq!(files(root, "new").len() + files(root, "cur").len(), 0);
        assert_eq!(files(root, "movie-bag"), ["lock"]);
        assert_eq!(inbox.restore(&deletion, now), 2);
        let after = ["new", "cur", "movie-bag"].map(|part| files(root, part));
        assert_eq!(after, before);
        drop(inbox);
        let inbox = open(root);
        let again = inbox.get(&read.id.0).unwrap();
        assert!(again.is_read() && again.source == read.source);
        assert_eq!(again.tags(), ["kept"]);
        assert_eq!(again.envelope, read.envelope);
        assert_eq!(inbox.totals().unread, 1);
    }

    #[test]
    fn marks_and_tags_that_race_a_deletion_leave_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let inbox = open(root);
        let mut deleted = 0;
        while deleted < 1000 {
            let messages: Vec<_> = (0..5)
                .map(|_| keep(&inbox, b"X-Tags: own\r\n\r\n"))
                .collect();
            let ids: Vec<_> = messages.iter().map(|one| one.id.0.clone()).collect();
            std::thread::scope(|scope| {
                scope.spawn(|| inbox.set_read(Which::Ids(ids.clone()), true));
                scope.spawn(|| inbox.set_tags(&ids, &["late".into()]));
                scope.spawn(|| keep(&inbox, b"X-Tags: own\r\n\r\n"));
                deleted += inbox.delete(Which::All);
            });
        }
        inbox.delete(Which::All);
        assert_eq!(files(root, "new").len() + files(root, "cur").len(), 0);
        assert_eq!(files(root, "movie-bag"), ["lock"]);
    }

    #[test]
    fn envelopes_without_a_message_are_removed_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let inbox = open(root);
        let kept = keep(&inbox, b"kept");
        let gone = keep(&inbox, b"gone");
        let foreign = "1764000000.M1P2.host";
        fs::write(root.join("new").join(foreign), b"Subject: foreign\r\n\r\n").unwrap();
        drop(inbox);
        let inbox = open(root);
        inbox.set_tags(&[id_for(foreign).0], &["tagged".into()]);
        drop(inbox);
        let file = files(root, "new")
            .into_iter()
            .find(|name| name.contains(&gone.id.0));
        fs::remove_file(root.join("new").join(file.unwrap())).unwrap();
        fs::write(root.join("movie-bag/notes.json"), b"not ours").unwrap();
        let inbox = open(root);
        assert_eq!(inbox.totals().messages, 2);
        assert_eq!(
            inbox.get(&kept.id.0).unwrap().envelope.sender,
            "from@example.com"
        );
        assert_eq!(inbox.get(&id_for(foreign).0).unwrap().tags(), ["tagged"]);
        let mut expected = vec![
            format!("{}.json", kept.id),
            format!("{}.json", id_for(foreign)),
            "lock".into(),
            "notes.json".into(),
        ];
        expected.sort();
        assert_eq!(files(root, "movie-bag"), expected);
    }

    #[test]
    fn other_mail_readers_may_mark_bring_and_take_messages() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let inbox = open(root);
        let message = keep(&inbox, b"one");
        let name = files(root, "new").remove(0);
        // Another reader flags it and answers it.
        fs::rename(
            root.join("new").join(&name),
            root.join(format!("cur/{name}{MARKS}FR")),
        )
        .unwrap();
        inbox.mark_read(&message);
        assert_eq!(files(root, "cur"), [format!("{name}{MARKS}FRS")]);
        inbox.set_read(Which::All, false);
        assert_eq!(files(root, "cur"), [format!("{name}{MARKS}FR")]);
        fs::write(
            root.join("new/1764000000.M1P2.host"),
            b"Subject: foreign\r\n\r\n",
        )
        .unwrap();
        drop(inbox);
        let inbox = open(root);
        let foreign = inbox.latest().unwrap();
        assert_eq!(foreign.id.0.len(), 22);
        let sources: Vec<_> = inbox
            .list(0, 0, None)
            .iter()
            .map(|one| one.source.clone())
            .collect();
        assert!(sources.contains(&foreign.source) && sources.len() == 2);
        inbox.mark_read(&inbox.get(&id_for("1764000000.M1P2.host").0).unwrap());
        assert!(files(root, "cur").contains(&format!("1764000000.M1P2.host{MARKS}S")));
        // Somebody took one away: that is no error.
        fs::remove_file(root.join(format!("cur/{name}{MARKS}FR"))).unwrap();
        inbox.delete(Which::All);
        assert_eq!(files(root, "cur").len(), 0);
    }

    #[test]
    fn what_a_dead_process_left_is_swept_and_what_does_not_fit_stays() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        drop(open(root));
        fs::write(root.join("tmp/1.half.movie-bag"), b"half").unwrap();
        for number in 0..12 {
            let name = format!("{}.{number:022}.movie-bag", 1_764_000_000 + number);
            fs::write(root.join("new").join(name), b"x").unwrap();
        }
        let (maildir, held) = Maildir::open(root, 10, 1 << 20).unwrap();
        assert_eq!((held.messages.len(), held.left), (10, 2));
        assert_eq!(files(root, "tmp").len(), 0);
        assert_eq!(files(root, "new").len(), 12);
        let busy = Maildir::open(root, 10, 1 << 20).unwrap_err();
        assert_eq!(busy.kind(), io::ErrorKind::WouldBlock);
        drop(maildir);
        let inbox = open(root);
        keep(&inbox, b"newest");
        assert_eq!(
            files(root, "new").len(),
            12,
            "for a new one the oldest that was read goes"
        );
    }
}
