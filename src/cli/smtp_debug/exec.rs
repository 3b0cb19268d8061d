//! `--exec`: a command of the user's for each mail. What a mail says reaches it in its environment and on stdin, never in its
//! text, so no mail decides what is run.
//!
//! Windows' `cmd` puts `%NAME%` into the text of the command and reads it then, so a subject with an `&` in it would decide.
//! There it must be `!NAME!`, which is put in when all has been read.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::super::report::Failure;
use super::super::ui::Ui;
use crate::sink::{ReceivedMessage, extract, view};

/// Mails that may wait for the command; beyond it the clients wait.
const WAITING: usize = 256;

/// Bytes of one variable: a system takes no command with longer ones, and `cmd` none whose line gets longer than 8,191
/// characters by them.
const LONGEST_VALUE: usize = if cfg!(windows) { 4 * 1024 } else { 64 * 1024 };

/// Runs the command for one mail after the other.
#[derive(Debug)]
pub(super) struct Executor {
    queue: SyncSender<Arc<ReceivedMessage>>,
    thread: JoinHandle<()>,
}

impl Executor {
    pub(super) fn start(command: &str, ui: &Ui) -> Self {
        let (queue, mails) = sync_channel::<Arc<ReceivedMessage>>(WAITING);
        let (command, ui) = (command.to_owned(), ui.clone());
        let thread = std::thread::spawn(move || {
            for mail in mails {
                if let Err(why) = run(&command, &mail) {
                    ui.warn(&format!("--exec: {why}"));
                }
            }
        });
        Self { queue, thread }
    }

    /// Whether no mail can decide what this command runs.
    pub(super) fn check(command: &str) -> Result<(), Failure> {
        if cfg!(windows) && command.to_ascii_uppercase().contains("%MOVIE_BAG_MAIL_") {
            return Err(Failure::usage(
                "--exec with %MOVIE_BAG_MAIL_…% would run what is written in a mail",
                "put the name between exclamation marks, as in !MOVIE_BAG_MAIL_LINK!",
            ));
        }
        Ok(())
    }

    /// Where mails are handed over.
    pub(super) fn handle(&self) -> SyncSender<Arc<ReceivedMessage>> {
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

fn run(command: &str, mail: &ReceivedMessage) -> Result<(), String> {
    let found = extract::of(&view::content(mail));
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
        .map_err(|error| format!("the shell can't be started: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // It need not read.
        let _ = stdin.write_all(&mail.source);
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("it ended with {status}")),
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
    use std::os::windows::process::CommandExt as _;
    let mut shell = Command::new("cmd");
    // As it was typed: `cmd` does not undo the quoting of single arguments. With /S it takes off the outer quotes, no others.
    shell.args(["/D", "/V:ON", "/S", "/C"]);
    shell.raw_arg(format!("\"{command}\""));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cmd_would_put_into_the_command_is_refused_there() {
        let refused = |command| Executor::check(command).is_err();
        assert_eq!(refused("start %Movie_Bag_Mail_Link%"), cfg!(windows));
        assert!(!refused(
            "start \"\" \"!MOVIE_BAG_MAIL_LINK!\" & echo %PATH%"
        ));
    }
}
