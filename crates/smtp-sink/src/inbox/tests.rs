use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use jiff::tz::TimeZone;

use super::*;
use crate::search::Query;
use crate::session::{Envelope, Recipient, Transcript};

/// Random source that returns 0, 1, 2, …, so that all ids differ.
#[derive(Default)]
pub(crate) struct Counting(AtomicU64);

impl From<u64> for Counting {
    fn from(first: u64) -> Self {
        Self(AtomicU64::new(first))
    }
}

impl Rng for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let drawn = self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        bytes.fill(0);
        bytes[..8].copy_from_slice(&drawn);
    }
}

/// Returns a message as an SMTP session passes it to the inbox.
pub(crate) fn received(source: &[u8], from: &str, to: &[&str]) -> Received {
    Received {
        tls: None,
        login: None,
        source: source.to_vec(),
        envelope: Envelope {
            sender: from.into(),
            params: vec![],
            recipients: to
                .iter()
                .map(|address| Recipient {
                    address: (*address).into(),
                    params: vec![],
                })
                .collect(),
        },
        helo: "client".into(),
        transcript: Transcript::default(),
        warnings: vec![],
    }
}

/// Returns a message as the inbox stores it.
pub(crate) fn stored_message(source: &[u8], from: &str, to: &[&str]) -> Arc<ReceivedMessage> {
    keep(
        &Inbox::new(10, 1 << 30, Arc::new(Counting::default())),
        source,
        from,
        to,
    )
}

fn keep(inbox: &Inbox, source: &[u8], from: &str, to: &[&str]) -> Arc<ReceivedMessage> {
    let peer = SocketAddr::from(([127, 0, 0, 1], 4000));
    inbox
        .store(
            received(source, from, to),
            peer,
            "2026-11-23T10:11:12.5Z".parse().unwrap(),
        )
        .unwrap()
}

fn sources(inbox: &Inbox) -> Vec<Bytes> {
    inbox
        .list(0, 0, None)
        .iter()
        .map(|message| message.source.clone())
        .collect()
}

#[test]
fn the_newest_messages_are_stored_and_listed_first() {
    let inbox = Inbox::new(2, 1 << 30, Arc::new(Counting::default()));
    for source in ["a", "b", "c"] {
        keep(&inbox, source.as_bytes(), "x@y", &["z@y"]);
    }
    assert_eq!(sources(&inbox), ["c", "b"]);
    assert_eq!(
        inbox.summary(),
        Summary {
            received: 3,
            received_bytes: 3,
            rejected: 0,
            kept: 2,
            dropped: 1
        }
    );
    assert_eq!(inbox.totals().unread, 2);
    assert_eq!(inbox.latest().unwrap().source, "c");
}

#[test]
fn memory_is_limited_and_a_message_above_the_limit_is_refused() {
    let inbox = Inbox::new(100, 12_000, Arc::new(Counting::default()));
    for _ in 0..5 {
        keep(&inbox, &[b'x'; 3000], "x@y", &["z@y"]);
        assert!(inbox.totals().memory <= 12_000);
    }
    assert_eq!(inbox.totals().messages, 2);
    let peer = SocketAddr::from(([127, 0, 0, 1], 4000));
    let verdict = inbox.store(
        received(&[b'x'; 12_000], "x@y", &[]),
        peer,
        Timestamp::UNIX_EPOCH,
    );
    assert_eq!(verdict.err(), Some(Refusal::TooLarge));
    assert_eq!(inbox.totals().messages, 2, "a message was dropped for it");
}

#[test]
fn numbers_are_right_after_reading_and_deleting() {
    let inbox = Inbox::new(100, 1 << 30, Arc::new(Counting::default()));
    let first = keep(&inbox, b"a", "x@y", &[]);
    let second = keep(&inbox, b"b", "x@y", &[]);
    inbox.mark_read(&first);
    inbox.mark_read(&first);
    assert_eq!(inbox.totals().unread, 1);
    inbox.delete(Selection::Ids(vec![first.id.0.clone(), "nothing".into()]));
    inbox.mark_read(&first);
    assert_eq!((inbox.totals().messages, inbox.totals().unread), (1, 1));
    assert!(inbox.get(&first.id.0).is_none());
    inbox.delete(Selection::All);
    inbox.mark_read(&second);
    assert_eq!(
        inbox.totals(),
        Totals {
            messages: 0,
            unread: 0,
            memory: 0
        }
    );
    assert_eq!(inbox.counts().deleted, 2);
}

#[test]
fn a_message_keeps_its_sequence_number_when_others_are_deleted() {
    let inbox = Inbox::new(100, 1 << 30, Arc::new(Counting::default()));
    let mut stored: Vec<_> = (0..5)
        .map(|_| keep(&inbox, b"a", "x@y", &[]))
        .map(|message| message.id.0.clone())
        .collect();
    let mut sequences = inbox.sequences(0, 0, None);
    sequences.reverse();
    for deleted in [2, 0, 1] {
        let id = stored.remove(deleted);
        let sequence = sequences.remove(deleted);
        inbox.delete(Selection::Ids(vec![id]));
        assert!(inbox.at(sequence).is_none());
        let found: Vec<_> = sequences
            .iter()
            .filter_map(|&sequence| inbox.at(sequence))
            .map(|message| message.id.0.clone())
            .collect();
        assert_eq!(found, stored);
    }
}

#[test]
fn an_id_has_22_letters_and_digits() {
    let rng = Counting::default();
    let ids: std::collections::HashSet<_> = (0..1000).map(|_| random_id(&rng).0).collect();
    assert_eq!(ids.len(), 1000);
    assert!(
        ids.iter()
            .all(|id| id.len() == 22 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    );
}

#[test]
fn tags_are_counted_renamed_and_removed() {
    let inbox = Inbox::new(100, 1 << 30, Arc::new(Counting::default()));
    let first = keep(&inbox, b"a", "x@y", &[]);
    let second = keep(&inbox, b"b", "x@y", &[]);
    let ids = [first.id.0.clone(), second.id.0.clone()];
    let tags = |list: &[(&str, usize)]| -> BTreeMap<String, usize> {
        list.iter()
            .map(|&(tag, count)| (tag.into(), count))
            .collect()
    };
    inbox.set_tags(&ids, &[" b ".into(), "a".into(), "".into(), "b".into()]);
    inbox.set_tags(&ids[..1], &["a".into()]);
    assert_eq!(inbox.tags(), tags(&[("a", 2), ("b", 1)]));
    let refused = inbox.rename_tag("B", "A");
    assert_eq!(refused, Err(TagError::AlreadyExists("A".into())));
    assert_eq!(inbox.rename_tag("b", "B"), Ok(()));
    assert_eq!(second.tags(), ["a", "B"]);
    assert_eq!(inbox.rename_tag("b", "new"), Ok(()));
    assert_eq!(inbox.tags(), tags(&[("a", 2), ("new", 1)]));
    inbox.delete(Selection::Ids(vec![ids[0].clone()]));
    assert_eq!(inbox.remove_tag("new"), Ok(()));
    assert_eq!(
        (inbox.tags(), second.tags()),
        (tags(&[("a", 1)]), vec!["a".to_owned()])
    );
}

#[test]
fn a_tag_keeps_the_spelling_of_its_first_use() {
    let inbox = Inbox::new(100, 1 << 30, Arc::new(Counting::default()));
    let first = keep(&inbox, b"X-Tags: News\r\n\r\n", "x@y", &[]);
    let second = keep(&inbox, b"a", "x@y", &["ann+NEWS@example.com"]);
    assert_eq!(
        (first.tags(), second.tags()),
        (vec!["News".to_owned()], vec!["News".to_owned()])
    );
    inbox.set_tags(
        std::slice::from_ref(&second.id.0),
        &["news".into(), "NEWS".into()],
    );
    assert_eq!(inbox.tags(), BTreeMap::from([("News".to_owned(), 2)]));
}

#[test]
fn events_arrive_in_the_order_of_the_changes() {
    let inbox = Inbox::new(2, 1 << 30, Arc::new(Counting::default()));
    let mut events = inbox.subscribe();
    let first = keep(&inbox, b"a", "x@y", &[]);
    inbox.mark_read(&first);
    inbox.mark_read(&first);
    inbox.set_tags(std::slice::from_ref(&first.id.0), &["t".into()]);
    inbox.set_read(
        Selection::Matching(Query::parse("tag:t", &TimeZone::UTC).unwrap()),
        false,
    );
    let second = keep(&inbox, b"b", "x@y", &[]);
    let third = keep(&inbox, b"c", "x@y", &[]);
    inbox.delete(Selection::All);
    let mut received = Vec::new();
    while let Ok(event) = events.try_recv() {
        received.push(match event {
            Event::New(arrival) => format!("new {}", arrival.id),
            Event::Read(_, read) => format!("read {read}"),
            Event::Tagged(_, tags) => format!("tags {tags:?}"),
            Event::Deleted(_) => "deleted".to_owned(),
            Event::Pruned => "pruned".to_owned(),
            Event::Emptied => "emptied".to_owned(),
        });
    }
    assert_eq!(
        received,
        [
            format!("new {}", first.id).as_str(),
            "read true",
            "tags [\"t\"]",
            "read false",
            format!("new {}", second.id).as_str(),
            "deleted",
            format!("new {}", third.id).as_str(),
            "emptied",
        ]
    );
}

#[test]
fn a_search_finds_the_same_on_any_number_of_threads() {
    let inbox = Inbox::new(10_000, 1 << 30, Arc::new(Counting::default()));
    for number in 0..2500 {
        let source = format!("Subject: number {number}\r\n\r\nbody");
        keep(&inbox, source.as_bytes(), "x@y", &[]);
    }
    let query = Query::parse("subject:\"number 24\"", &TimeZone::UTC).unwrap();
    let found = inbox.matching(&query, None);
    let numbers: Vec<_> = found
        .iter()
        .map(|&sequence| inbox.at(sequence).unwrap().digest().subject.clone())
        .collect();
    assert_eq!(numbers.len(), 111);
    assert_eq!(
        (numbers[0].as_str(), numbers[110].as_str()),
        ("number 2499", "number 24")
    );
    assert_eq!(
        inbox.find_newest(&query).unwrap().id,
        inbox.at(found[0]).unwrap().id
    );
}

#[test]
fn a_dropped_message_is_charged_until_its_last_reader_ends() {
    let inbox = Inbox::new(100, 20_000, Arc::new(Counting::default()));
    let read = keep(&inbox, &[b'x'; 6_000], "x@y", &["z@y"]);
    inbox.delete(Selection::All);
    assert_eq!(inbox.totals().memory, 0);
    assert_eq!(inbox.memory().used(), read.weight());
    let peer = SocketAddr::from(([127, 0, 0, 1], 4000));
    let store = || {
        let large = received(&[b'x'; 12_000], "x@y", &[]);
        inbox.store(large, peer, Timestamp::UNIX_EPOCH)
    };
    assert!(matches!(store(), Err(Refusal::Unavailable(_))));
    assert_eq!(inbox.totals().messages, 0);
    drop(read);
    assert!(store().is_ok());
    inbox.delete(Selection::All);
    assert_eq!(inbox.memory().used(), 0);
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn a_restored_message_has_its_id_tags_mark_and_position() {
    let inbox = Inbox::new(10, 1 << 30, Arc::new(Counting::default()));
    let all: Vec<_> = ["a", "b", "c", "d"]
        .map(|source| keep(&inbox, source.as_bytes(), "x@y", &["z@y"]))
        .to_vec();
    let ids = |indexes: &[usize]| -> Vec<String> {
        indexes
            .iter()
            .map(|&index| all[index].id.0.clone())
            .collect()
    };
    inbox.set_tags(&ids(&[1]), &["Own".into(), "other".into()]);
    inbox.mark_read(&all[1]);
    let (totals, tags) = (inbox.totals(), inbox.tags());
    let first = inbox.delete_restorably(ids(&[1, 3]), at(0)).unwrap();
    let second = inbox.delete_restorably(ids(&[2]), at(10)).unwrap();
    assert_eq!(inbox.delete_restorably(ids(&[1]), at(20)), None);
    assert_eq!(sources(&inbox), ["a"]);
    assert_eq!(inbox.totals().unread, 1);
    assert_eq!(inbox.tags(), BTreeMap::new());
    assert_eq!(inbox.counts().deleted, 3);
    assert_eq!(inbox.restorable(&first, at(59)), 2);
    let mut events = inbox.subscribe();
    assert_eq!(inbox.restore(&first, at(59)), 2);
    // It is not announced as new: neither a waiting client nor a command gets it.
    assert!(matches!(events.try_recv(), Ok(Event::Pruned)));
    assert!(events.try_recv().is_err());
    assert_eq!(sources(&inbox), ["d", "b", "a"]);
    assert_eq!(inbox.restore(&first, at(59)), 0);
    assert_eq!(inbox.restore(&second, at(69)), 1);
    assert_eq!(sources(&inbox), ["d", "c", "b", "a"]);
    assert_eq!((inbox.totals(), inbox.tags()), (totals, tags));
    assert_eq!(inbox.get(&all[1].id.0).unwrap().tags(), ["other", "Own"]);
    assert!(inbox.get(&all[1].id.0).unwrap().is_read());
    assert_eq!(inbox.counts().deleted, 0);
}

#[test]
fn a_deletion_can_be_undone_for_a_limited_time() {
    let inbox = Inbox::new(10, 1 << 30, Arc::new(Counting::default()));
    let delete = |at| {
        let id = keep(&inbox, b"a", "x@y", &[]).id.0.clone();
        inbox.delete_restorably(vec![id], at).unwrap()
    };
    let limit = i64::try_from(trash::RESTORABLE.as_secs()).unwrap();
    let deletion = delete(at(100));
    assert_eq!(inbox.restorable(&deletion, at(100 + limit)), 0);
    assert_eq!(inbox.restore(&deletion, at(100 + limit)), 0);
    assert!(inbox.memory().used() > 0);
    inbox.discard(&deletion);
    assert_eq!(inbox.memory().used(), 0);
    // A clock that is set back does not extend the time: the page discards the deletion.
    let deletion = delete(at(100));
    assert_eq!(inbox.restorable(&deletion, at(50)), 1);
    inbox.discard(&deletion);
    assert_eq!(inbox.restore(&deletion, at(50)), 0);
}

#[test]
fn deleted_messages_are_charged_and_dropped_before_any_other() {
    let inbox = Inbox::new(100, 22_000, Arc::new(Counting::default()));
    let size = keep(&inbox, &[b'x'; 3_000], "x@y", &[]).weight();
    let old = inbox.delete_restorably(vec![inbox.latest().unwrap().id.0.clone()], at(0));
    assert_eq!(inbox.memory().used(), size);
    let kept = keep(&inbox, &[b'x'; 3_000], "x@y", &[]).id.0.clone();
    let young = keep(&inbox, &[b'x'; 3_000], "x@y", &[]).id.0.clone();
    let young = inbox.delete_restorably(vec![young], at(0));
    for _ in 0..2 {
        keep(&inbox, &[b'x'; 3_000], "x@y", &[]);
    }
    assert!(inbox.memory().used() <= 22_000);
    assert_eq!(inbox.restorable(&old.unwrap(), at(1)), 0);
    assert_eq!(inbox.restorable(&young.clone().unwrap(), at(1)), 1);
    keep(&inbox, &[b'x'; 3_000], "x@y", &[]);
    assert_eq!(inbox.restore(&young.unwrap(), at(1)), 0);
    assert!(inbox.get(&kept).is_some() && inbox.counts().dropped == 0);
}

#[test]
fn a_message_that_is_restored_while_its_files_are_removed_has_files() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let (maildir, held) = Maildir::open(root, 10, 1 << 20).unwrap();
    let inbox = Inbox::new(10, 1 << 20, Arc::new(Counting::default()));
    let inbox = inbox.with_archive(maildir, held.messages);
    let files = |part: &str| std::fs::read_dir(root.join(part)).unwrap().count();
    for round in 0..3_000 {
        let id = keep(&inbox, b"x", "x@y", &[]).id.0.clone();
        // The ids follow each other, so this one is known before the deletion returns it.
        let deletion = random_id(&Counting::from(2 * round + 1)).0;
        std::thread::scope(|scope| {
            scope.spawn(|| inbox.delete_restorably(vec![id], at(0)).unwrap());
            scope.spawn(|| while inbox.restore(&deletion, at(0)) == 0 {});
        });
        let found = ["new", "cur", "tmp", "movie-bag"].map(files);
        assert_eq!(found, [1, 0, 0, 2], "round {round}");
        inbox.delete(Selection::All);
        let left = ["new", "cur", "tmp", "movie-bag"].map(files);
        assert_eq!(left, [0, 0, 0, 1], "round {round}");
    }
}

#[test]
fn a_message_that_is_restored_during_its_final_deletion_is_deleted() {
    let inbox = Inbox::new(10, 1 << 20, Arc::new(Counting::default()));
    for round in 0..3_000 {
        let id = keep(&inbox, b"x", "x@y", &[]).id.0.clone();
        let deletion = inbox.delete_restorably(vec![id.clone()], at(0)).unwrap();
        let which = match round % 2 {
            0 => Selection::All,
            _ => Selection::Ids(vec![id]),
        };
        let both = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                both.wait();
                inbox.restore(&deletion, at(0))
            });
            both.wait();
            inbox.delete(which);
        });
        assert_eq!(inbox.restore(&deletion, at(0)), 0);
        assert_eq!(inbox.totals().messages, 0, "round {round}");
    }
    assert_eq!(inbox.memory().used(), 0);
}

#[test]
fn a_restored_message_does_not_exceed_the_number_of_messages() {
    let inbox = Inbox::new(2, 1 << 30, Arc::new(Counting::default()));
    for source in ["a", "b"] {
        keep(&inbox, source.as_bytes(), "x@y", &[]);
    }
    let newest = inbox.latest().unwrap().id.0.clone();
    let deletion = inbox.delete_restorably(vec![newest], at(0)).unwrap();
    keep(&inbox, b"c", "x@y", &[]);
    inbox.restore(&deletion, at(1));
    assert_eq!(sources(&inbox), ["c", "b"]);
}

#[test]
fn a_reader_of_all_messages_does_not_empty_the_inbox() {
    let inbox = Inbox::new(100, 20_000, Arc::new(Counting::default()));
    for _ in 0..10 {
        keep(&inbox, &[b'x'; 600], "x@y", &[]);
    }
    let before = inbox.totals().messages;
    let read = inbox.list(0, 0, None);
    let large = received(&[b'x'; 6_000], "x@y", &[]);
    let peer = SocketAddr::from(([127, 0, 0, 1], 4000));
    let refused = inbox.store(large, peer, Timestamp::UNIX_EPOCH);
    assert!(matches!(refused, Err(Refusal::Unavailable(_))));
    assert_eq!(inbox.totals().messages, before - 1);
    drop(read);
}

#[test]
fn marking_and_deleting_all_messages_lets_new_messages_displace_them() {
    let folder = tempfile::tempdir().unwrap();
    let (maildir, held) = Maildir::open(folder.path(), 1_000, 200_000).unwrap();
    let inbox = Inbox::new(1_000, 200_000, Arc::new(Counting::default()));
    let inbox = inbox.with_archive(maildir, held.messages);
    let store = || {
        let peer = SocketAddr::from(([127, 0, 0, 1], 4000));
        inbox.store(
            received(&[b'x'; 600], "x@y", &[]),
            peer,
            Timestamp::UNIX_EPOCH,
        )
    };
    while inbox.counts().dropped == 0 {
        store().unwrap();
    }
    let full = inbox.totals().messages;
    let ended = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for read in [true, false].repeat(10) {
                inbox.set_read(Selection::All, read);
            }
            ended.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        while !ended.load(std::sync::atomic::Ordering::Relaxed) {
            store().unwrap();
            assert!(inbox.totals().messages + 3 >= full);
        }
    });
    inbox.delete(Selection::All);
    store().unwrap();
    assert_eq!(inbox.totals().messages, 1);
}

#[test]
fn incoming_messages_displace_no_more_than_their_share() {
    let inbox = Inbox::new(100, 20_000, Arc::new(Counting::default()));
    for _ in 0..10 {
        keep(&inbox, &[b'x'; 600], "x@y", &[]);
    }
    let before = inbox.totals().messages;
    let first = inbox.memory().charge_incoming(5_000);
    assert!(inbox.free_memory_for_incoming());
    let kept = inbox.totals().messages;
    assert!(kept + 4 >= before, "{kept}");
    let second = inbox.memory().charge_incoming(5_000);
    assert!(!inbox.free_memory_for_incoming());
    assert_eq!(inbox.totals().messages, kept);
    drop((first, second));
}

#[test]
fn incoming_messages_displace_the_oldest() {
    let inbox = Inbox::new(100, 20_000, Arc::new(Counting::default()));
    keep(&inbox, &[b'x'; 6_000], "x@y", &[]);
    keep(&inbox, &[b'y'; 6_000], "x@y", &[]);
    let charge = inbox.memory().charge(8_000);
    assert!(inbox.free_memory());
    assert_eq!(inbox.totals().messages, 1);
    assert_eq!(inbox.latest().unwrap().source[0], b'y');
    charge.resize(20_001);
    assert!(!inbox.free_memory());
    assert_eq!(inbox.totals().messages, 0);
}

#[test]
fn tags_are_counted_and_limited() {
    let inbox = Inbox::new(100, 1 << 30, Arc::new(Counting::default()));
    let message = keep(&inbox, b"a", "x@y", &[]);
    let before = inbox.memory().used();
    let tags: Vec<_> = (0..1_000).map(|number| number.to_string()).collect();
    inbox.set_tags(std::slice::from_ref(&message.id.0), &tags);
    assert_eq!(message.tags().len(), 100);
    assert!(inbox.memory().used() > before + 100);
    assert_eq!(inbox.memory().used(), inbox.totals().memory);
    inbox.set_tags(std::slice::from_ref(&message.id.0), &[]);
    assert_eq!(inbox.memory().used(), before);
    for number in 0..60 {
        let names: Vec<_> = (0..20).map(|one| format!("{number}-{one}")).collect();
        let source = format!("X-Tags: {}\r\n\r\n", names.join(", "));
        keep(&inbox, source.as_bytes(), "x@y", &[]);
    }
    assert_eq!(inbox.tag_names().len(), 1_000);
    // A known tag is still set.
    inbox.set_tags(std::slice::from_ref(&message.id.0), &["0-0".to_owned()]);
    assert_eq!(message.tags(), ["0-0"]);
}

#[test]
fn a_digest_is_cached_within_the_weight_of_its_message() {
    let usual = "From: Ann Smith <ann@example.com>\r\nTo: Bob <bob@example.com>\r\nSubject: Reset your password\r\n\
                 Message-ID: <1234567890@mail.example.com>\r\n\r\n";
    let usual = stored_message(
        format!("{usual}{}", "word ".repeat(100)).as_bytes(),
        "a@b",
        &["bob@example.com"],
    );
    assert!(matches!(usual.digest(), std::borrow::Cow::Borrowed(_)));
    let long = stored_message(
        format!("To: {}\r\n\r\n", "a,".repeat(1_000)).as_bytes(),
        "a@b",
        &[],
    );
    assert!(matches!(long.digest(), std::borrow::Cow::Owned(_)));
}
