//! `--exec`: a command of the user's for each mail. What a mail says reaches it in its environment and on stdin, never in its
//! text, so no mail decides what is run.
//!
//! On Windows that is PowerShell: `cmd` puts the values of variables into the command and reads it then, and once more for
//! each side of a pipe, so a subject with an `&` in it would decide.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::super::ui::Ui;
use super::Dropped;
use crate::sink::{Inbox, MessageId, ReceivedMessage, extract, view};

/// Ids of mails that may wait for the command; beyond it the clients wait.
const WAITING: usize = 256;

/// Bytes of one variable: a system takes no command with longer ones. Windows has 32,767 characters for each.
const LONGEST_VALUE: usize = if cfg!(windows) { 16 * 1024 } else { 64 * 1024 };

/// Queue of mails, by their ids; `None` stands for one that was dropped already. A mail that waits is not held, so
/// that a slow command takes no memory: the inbox may drop it before its turn.
pub(super) type Queue = SyncSender<Option<MessageId>>;

/// Runs the command for one mail after the other.
#[derive(Debug)]
pub(super) struct Executor {
    queue: Queue,
    thread: JoinHandle<()>,
}

impl Executor {
    pub(super) fn start(command: &str, inbox: Arc<Inbox>, ui: &Ui) -> Self {
        let (queue, mails) = sync_channel::<Option<MessageId>>(WAITING);
        let (command, ui) = (command.to_owned(), ui.clone());
        let thread = std::thread::spawn(move || {
            let mut dropped = Dropped::new("dropped before --exec ran for them");
            for id in mails {
                let Some(mail) = id.and_then(|id| inbox.get(&id.0)) else {
                    dropped.note(&ui);
                    continue;
                };
                // A mail that cannot be read does not end the thread: the next ones are waiting.
                let done = catch_unwind(AssertUnwindSafe(|| run(&command, mail)));
                if let Err(why) = done.unwrap_or_else(|_| Err("it panicked".to_owned())) {
                    ui.warn(&format!("--exec: {why}"));
                }
            }
        });
        Self { queue, thread }
    }

    /// Where mails are handed over.
    pub(super) fn handle(&self) -> Queue {
        self.queue.clone()
    }

    /// Waits until it ran for the last mail; all handles must be gone.
    pub(super) async fn finish(self) {
        drop(self.queue);
        let thread = self.thread;
        // No blocking task: those are waited for when the runtime ends, and a command may never end.
        let (done, ended) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let _ = thread.join();
            let _ = done.send(());
        });
        let _ = ended.await;
    }
}

fn run(command: &str, mail: Arc<ReceivedMessage>) -> Result<(), String> {
    let found = extract::of(&view::content(&mail));
    let recipients: Vec<_> = mail
        .envelope
        .recipients
        .iter()
        .map(|to| to.address.as_str())
        .collect();
    let first = |list: &[String]| list.first().cloned().unwrap_or_default();
    let mut child = shell(command)
        .stdin(Stdio::piped())
        .env("MOVIE_BAG_MAIL_ID", &mail.id.0)
        .env("MOVIE_BAG_MAIL_TO", value(&recipients.join(",")))
        .env("MOVIE_BAG_MAIL_FROM", value(&mail.envelope.sender))
        .env("MOVIE_BAG_MAIL_SUBJECT", value(&mail.digest().subject))
        .env(
            "MOVIE_BAG_MAIL_LINK",
            value(found.main_link().map_or("", String::as_str)),
        )
        .env("MOVIE_BAG_MAIL_TOKEN", value(&first(&found.tokens)))
        .env("MOVIE_BAG_MAIL_CODE", value(&first(&found.codes)))
        .spawn()
        .map_err(|error| format!("cannot start the shell: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // It need not read.
        let _ = stdin.write_all(&mail.source);
    }
    // The command may run for long after it has read the mail.
    drop(mail);
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the command failed with {status}")),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(not(windows))]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command);
    shell
}

#[cfg(windows)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("powershell");
    shell.args(["-NoProfile", "-NonInteractive", "-Command", command]);
    shell
}

/// A text as a variable can hold it.
fn value(text: &str) -> String {
    let mut end = text.len().min(LONGEST_VALUE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].replace('\0', "")
}
