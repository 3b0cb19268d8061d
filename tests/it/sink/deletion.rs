//! Files of deleted messages in the Maildir of `--store`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::thread;

use serde_json::json;

use movie_bag_testkit::{Home, Sink, wait_until};

/// Number of deletions for each race.
const DELETIONS: usize = 1500;

/// Number of messages in each round.
const ROUND: usize = 50;

/// Returns the names of all files that belong to messages.
fn message_files(store: &Path) -> Vec<String> {
    let folders = ["new", "cur", "tmp", "movie-bag"];
    let entries = folders.map(|folder| fs::read_dir(store.join(folder)).unwrap());
    let names = entries
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "lock").collect()
}

/// Returns the number of envelopes without a message.
fn orphans(store: &Path) -> usize {
    let all = message_files(store);
    let (envelopes, messages): (Vec<_>, Vec<_>) =
        all.iter().partition(|name| name.ends_with(".json"));
    let messages: BTreeSet<_> = messages
        .iter()
        .filter_map(|name| name.split('.').nth(1))
        .collect();
    let has_message = |name: &&&String| messages.contains(name.trim_end_matches(".json"));
    envelopes.len() - envelopes.iter().filter(has_message).count()
}

/// Stores [`ROUND`] messages with tags, in one session.
fn fill(sink: &Sink) {
    let mail = "MAIL FROM:<secret@example.com>\r\nRCPT TO:<ann@example.com>\r\nDATA\r\nX-Tags: own\r\n\r\nx\r\n.\r\n";
    let session = format!("EHLO me\r\n{}QUIT\r\n", mail.repeat(ROUND));
    let mut stream = TcpStream::connect(&sink.smtp).unwrap();
    stream.write_all(session.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer.matches("stored as").count(), ROUND, "{answer}");
}

fn call(sink: &Sink, method: &str, path: &str, body: &str) {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(sink.web()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200"),
        "{method} {path}: {answer}"
    );
}

/// Marks and tags all messages while all are being deleted.
fn race(sink: &Sink) {
    let messages = sink.inbox().messages();
    let ids: Vec<_> = messages.iter().map(|one| &one["ID"]).collect();
    let read = json!({"IDs": ids, "Read": true}).to_string();
    let tagged = json!({"IDs": ids, "Tags": ["late"]}).to_string();
    thread::scope(|scope| {
        scope.spawn(|| call(sink, "PUT", "/api/v1/messages", &read));
        scope.spawn(|| call(sink, "PUT", "/api/v1/tags", &tagged));
        scope.spawn(|| call(sink, "DELETE", "/api/v1/messages", ""));
    });
}

/// Changes of flags race with deletions, and the process is killed at any time: envelope, recipients and transcript of a deleted
/// message are removed from the disk, at the latest by the next start.
pub fn deleted_messages_leave_no_files(home: Home) {
    let store = home.path().join("mails");
    let start = || home.sink(&["--format", "none", "--store", "mails"]);
    let sink = start();
    for _ in 0..DELETIONS / ROUND {
        fill(&sink);
        race(&sink);
    }
    assert_eq!(message_files(&store), Vec::<String>::new());
    assert!(sink.stop().success());
    // The process is killed during a deletion, each time at another point.
    for round in 0..10 {
        let sink = start();
        assert_eq!(orphans(&store), 0);
        fill(&sink);
        let all = message_files(&store).len();
        let mut stream = TcpStream::connect(sink.web()).unwrap();
        let request =
            b"DELETE /api/v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(request).unwrap();
        wait_until("some files are removed", || {
            message_files(&store).len() < all - 8 * round
        });
        sink.kill();
    }
    let sink = start();
    assert_eq!(orphans(&store), 0);
    assert!(sink.stop().success());
}
