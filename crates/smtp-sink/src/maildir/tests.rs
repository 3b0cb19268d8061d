use std::sync::Arc;

use super::*;
use crate::inbox::tests::{Counting, received};
use crate::inbox::{Inbox, Selection};

fn open(root: &Path) -> Inbox {
    let (maildir, held) = Maildir::open(root, 10, 1 << 20).unwrap();
    // Draws other numbers than all earlier inboxes of the test.
    let rng = Counting::from(fs::read_dir(root.join("movie-bag")).unwrap().count() as u64 * 100);
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
fn messages_with_their_marks_tags_and_envelopes_are_loaded_after_a_restart() {
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
    inbox.delete(Selection::All);
    assert_eq!(files(root, "new").len() + files(root, "cur").len(), 0);
    assert_eq!(files(root, "movie-bag"), ["lock"]);
}

#[test]
fn a_restored_message_is_written_again() {
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
            scope.spawn(|| inbox.set_read(Selection::Ids(ids.clone()), true));
            scope.spawn(|| inbox.set_tags(&ids, &["late".into()]));
            scope.spawn(|| keep(&inbox, b"X-Tags: own\r\n\r\n"));
            deleted += inbox.delete(Selection::All);
        });
    }
    inbox.delete(Selection::All);
    assert_eq!(files(root, "new").len() + files(root, "cur").len(), 0);
    assert_eq!(files(root, "movie-bag"), ["lock"]);
}

#[test]
fn envelopes_without_a_message_are_removed_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let inbox = open(root);
    let kept = keep(&inbox, b"kept");
    let removed = keep(&inbox, b"gone");
    let foreign = "1764000000.M1P2.host";
    fs::write(root.join("new").join(foreign), b"Subject: foreign\r\n\r\n").unwrap();
    drop(inbox);
    let inbox = open(root);
    inbox.set_tags(&[derive_id(foreign).0], &["tagged".into()]);
    drop(inbox);
    let file = files(root, "new")
        .into_iter()
        .find(|name| name.contains(&removed.id.0));
    fs::remove_file(root.join("new").join(file.unwrap())).unwrap();
    fs::write(root.join("movie-bag/notes.json"), b"not ours").unwrap();
    let inbox = open(root);
    assert_eq!(inbox.totals().messages, 2);
    assert_eq!(
        inbox.get(&kept.id.0).unwrap().envelope.sender,
        "from@example.com"
    );
    assert_eq!(inbox.get(&derive_id(foreign).0).unwrap().tags(), ["tagged"]);
    let mut expected = vec![
        format!("{}.json", kept.id),
        format!("{}.json", derive_id(foreign)),
        "lock".into(),
        "notes.json".into(),
    ];
    expected.sort();
    assert_eq!(files(root, "movie-bag"), expected);
}

#[test]
fn other_mail_readers_may_mark_add_and_remove_messages() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let inbox = open(root);
    let message = keep(&inbox, b"one");
    let name = files(root, "new").remove(0);
    // Another reader marks it as flagged and answered.
    fs::rename(
        root.join("new").join(&name),
        root.join(format!("cur/{name}{MARKS_SEPARATOR}FR")),
    )
    .unwrap();
    inbox.mark_read(&message);
    assert_eq!(files(root, "cur"), [format!("{name}{MARKS_SEPARATOR}FRS")]);
    inbox.set_read(Selection::All, false);
    assert_eq!(files(root, "cur"), [format!("{name}{MARKS_SEPARATOR}FR")]);
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
    inbox.mark_read(&inbox.get(&derive_id("1764000000.M1P2.host").0).unwrap());
    assert!(files(root, "cur").contains(&format!("1764000000.M1P2.host{MARKS_SEPARATOR}S")));
    // A message that another reader removed is not an error.
    fs::remove_file(root.join(format!("cur/{name}{MARKS_SEPARATOR}FR"))).unwrap();
    inbox.delete(Selection::All);
    assert_eq!(files(root, "cur").len(), 0);
}

#[test]
fn unfinished_files_are_removed_at_the_start_and_messages_that_do_not_fit_stay() {
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
        "the new message did not replace the oldest one in the inbox"
    );
}
