//! `--exec`: runs a shell command for each message. The command gets the content of the message in the environment and on
//! stdin, never in its text, so a message cannot change the command.
//!
//! On Windows the shell is PowerShell. `cmd` substitutes variables before it parses the command, and again for each side of a
//! pipe, so a subject with an `&` could run another command.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::cli::sink::message_output::DroppedMessages;
use crate::cli::ui::Ui;
use movie_bag_smtp_sink::{InboxHandle, MessageId, ReceivedMessage, extract};

/// Maximum number of queued ids. When the queue is full, SMTP clients wait.
const QUEUE_SIZE: usize = 256;

/// Maximum length of a variable in bytes: systems do not start a command with longer ones. The limit of Windows is 32,767
/// characters.
const MAX_VALUE: usize = if cfg!(windows) { 16 * 1024 } else { 64 * 1024 };

/// Queue of message ids; `None` stands for a message that was dropped before. Only ids are queued, so that a slow command
/// uses no memory: the inbox may drop a message before the command runs for it.
pub(super) type Queue = SyncSender<Option<MessageId>>;

/// Runs the command for one message at a time, on its own thread.
#[derive(Debug)]
pub(super) struct Executor {
    queue: Queue,
    thread: JoinHandle<()>,
}

impl Executor {
    pub(super) fn start(command: &str, inbox: InboxHandle, ui: &Ui) -> Self {
        let (queue, ids) = sync_channel::<Option<MessageId>>(QUEUE_SIZE);
        let (command, ui) = (command.to_owned(), ui.clone());
        let thread = std::thread::spawn(move || {
            let mut dropped = DroppedMessages::new("dropped before --exec ran for them");
            for id in ids {
                let Some(message) = id.and_then(|id| inbox.get(&id)) else {
                    dropped.count(&ui);
                    continue;
                };
                // A panic must not end the thread, because further messages are queued.
                let done = catch_unwind(AssertUnwindSafe(|| run(&command, message)));
                if let Err(why) = done.unwrap_or_else(|_| Err("it panicked".to_owned())) {
                    ui.warn(&format!("--exec: {why}"));
                }
            }
        });
        Self { queue, thread }
    }

    /// Returns a sender for message ids.
    pub(super) fn handle(&self) -> Queue {
        self.queue.clone()
    }

    /// Waits until the command has run for the last message. All handles must have been dropped.
    pub(super) async fn finish(self) {
        drop(self.queue);
        let thread = self.thread;
        // A thread and not a blocking task: the runtime waits for blocking tasks when it ends, and a command may never end.
        let (done, ended) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let _ = thread.join();
            let _ = done.send(());
        });
        let _ = ended.await;
    }
}

fn run(command: &str, message: Arc<ReceivedMessage>) -> Result<(), String> {
    let found = extract::from_content(&message.content());
    let recipients: Vec<_> = message
        .envelope
        .recipients
        .iter()
        .map(|to| to.address.as_str())
        .collect();
    let first = |list: &[String]| list.first().cloned().unwrap_or_default();
    let mut child = shell(command)
        .stdin(Stdio::piped())
        .env("MOVIE_BAG_MAIL_ID", &message.id.0)
        .env("MOVIE_BAG_MAIL_TO", variable_value(&recipients.join(",")))
        .env(
            "MOVIE_BAG_MAIL_FROM",
            variable_value(&message.envelope.sender),
        )
        .env(
            "MOVIE_BAG_MAIL_SUBJECT",
            variable_value(&message.digest().subject),
        )
        .env(
            "MOVIE_BAG_MAIL_LINK",
            variable_value(found.main_link().map_or("", String::as_str)),
        )
        .env(
            "MOVIE_BAG_MAIL_TOKEN",
            variable_value(&first(&found.tokens)),
        )
        .env("MOVIE_BAG_MAIL_CODE", variable_value(&first(&found.codes)))
        .spawn()
        .map_err(|error| format!("cannot start the shell: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // The command need not read its input.
        let _ = stdin.write_all(&message.source);
    }
    // Frees the memory: the command may run for a long time after it has read the message.
    drop(message);
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

/// Returns text that is valid as the value of a variable: limited in length and without NUL.
fn variable_value(text: &str) -> String {
    let mut end = text.len().min(MAX_VALUE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].replace('\0', "")
}
