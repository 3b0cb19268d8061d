//! `outbox flush`: makes an attempt for each waiting mail.

use movie_bag_core::app::{App, FlushReport, FlushScope};

use crate::cli::document::documents;
use crate::cli::text_format::pluralize;
use crate::cli::ui::Ui;
use crate::error_code::ErrorCode;
use crate::failure::Failure;

/// Send all waiting mails now
///
/// Makes one attempt for each waiting mail, even if its next retry is not due yet. Mails that fail wait for their next
/// retry. Stops if the mail server is unreachable. A running server may send from the same outbox meanwhile. Dead mails are
/// counted but not sent: see "outbox retry".
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  movie-bag outbox flush
  movie-bag outbox flush --json")]
pub(in crate::cli) struct Args {}

documents! {
    pub(in crate::cli) struct FlushDocument {
        /// Number of mails to send.
        total: u64,
        /// Number of mails that the mail server accepted.
        sent: u64,
        /// Mails that wait for another attempt.
        waiting: u64,
        /// Mails given up in this run.
        dead: u64,
        /// Mails that a server was sending or had already removed.
        elsewhere: u64,
        /// Mails not tried because the mail server is unreachable.
        left: u64,
        /// Mails given up before this run, and not tried.
        already_dead: u64,
    }
}

pub(super) async fn run(_: &Args, ui: &Ui, app: &App, which: FlushScope) -> anyhow::Result<()> {
    let bar = ui.progress("mails");
    let flushed = app
        .flush_outbox(which, &|so_far| bar.show(so_far.tried(), so_far.total))
        .await;
    std::mem::drop(bar);
    let flushed = flushed?;
    ui.answer_either(
        &summary(&flushed),
        &FlushDocument {
            total: flushed.total,
            sent: flushed.sent,
            waiting: flushed.waiting,
            dead: flushed.dead,
            elsewhere: flushed.elsewhere,
            left: flushed.left,
            already_dead: flushed.already_dead,
        },
    )?;
    match failure(&flushed) {
        None => Ok(()),
        // The answer contains the same facts. A second document would break scripts that expect one.
        Some(failure) if ui.is_json() => Err(Failure::silent(failure.exit).into()),
        Some(failure) => Err(failure.into()),
    }
}

/// Returns the failure, if any. Queued mails determine the exit code before dead ones, because a later run can send them.
fn failure(flushed: &FlushReport) -> Option<Failure> {
    let with_last_error = |text: &str| match &flushed.last {
        Some((error, _)) => format!("{text}: {error}"),
        None => text.to_owned(),
    };
    let dead = flushed.dead + flushed.already_dead;
    if flushed.waiting + flushed.left > 0 {
        let hint = flushed.last.as_ref().and_then(|(_, hint)| hint.clone());
        return Some(Failure::new(
            ErrorCode::MailsLeft,
            with_last_error("cannot send all mails, the rest stay queued"),
            hint.unwrap_or_else(|| "run \"movie-bag outbox list\" to see why".to_owned()),
        ));
    }
    (dead > 0).then(|| {
        Failure::new(ErrorCode::MailsDead,
            with_last_error(&format!(
                "{} given up",
                pluralize(dead, "mail was", "mails were")
            )),
            "run \"movie-bag outbox list\" to see why, then \"movie-bag outbox retry ID\" or \"movie-bag outbox drop ID\"",
        )
    })
}

fn summary(flushed: &FlushReport) -> String {
    let before = match flushed.already_dead {
        0 => String::new(),
        dead => format!(
            "; {} before",
            pluralize(dead, "was given up", "were given up")
        ),
    };
    if flushed.total == 0 {
        return format!("No mail is waiting{before}.");
    }
    let mails = pluralize(flushed.total, "mail", "mails");
    let mut text = format!("{} of {mails} sent", flushed.sent);
    for (number, one, many) in [
        (flushed.waiting, "will be retried", "will be retried"),
        (flushed.dead, "was given up", "were given up"),
        (
            flushed.elsewhere,
            "was left to another process",
            "were left to another process",
        ),
        (flushed.left, "was not tried", "were not tried"),
    ] {
        if number > 0 {
            text += &format!(", {}", pluralize(number, one, many));
        }
    }
    text + &before + "."
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit_code::ExitCode;

    fn exit(flushed: &FlushReport) -> ExitCode {
        failure(flushed).map_or(ExitCode::Done, |failure| failure.exit)
    }

    #[test]
    fn queued_and_dead_mails_have_different_exit_codes() {
        let none = FlushReport::default();
        assert_eq!(
            (exit(&none), summary(&none).as_str()),
            (ExitCode::Done, "No mail is waiting.")
        );
        let only_dead = FlushReport {
            already_dead: 3,
            ..FlushReport::default()
        };
        assert_eq!(
            (exit(&only_dead), summary(&only_dead).as_str()),
            (
                ExitCode::Failed,
                "No mail is waiting; 3 were given up before."
            )
        );
        let refused = FlushReport {
            total: 2,
            sent: 1,
            dead: 1,
            already_dead: 1,
            last: Some(("550 5.1.1 no such user".to_owned(), None)),
            ..FlushReport::default()
        };
        assert_eq!(
            (exit(&refused), summary(&refused).as_str()),
            (
                ExitCode::Failed,
                "1 of 2 mails sent, 1 was given up; 1 was given up before."
            )
        );
        let message = failure(&refused).unwrap().message;
        assert!(message.ends_with(": 550 5.1.1 no such user"), "{message}");
        let deferred = FlushReport {
            total: 2,
            waiting: 1,
            dead: 1,
            last: Some(("451 4.7.1 later".to_owned(), None)),
            ..FlushReport::default()
        };
        assert_eq!(exit(&deferred), ExitCode::Unavailable);
        let unreachable = FlushReport {
            total: 30,
            waiting: 16,
            left: 14,
            last: Some((
                "connection refused".to_owned(),
                Some("set MAIL_SERVER".to_owned()),
            )),
            ..FlushReport::default()
        };
        let failure = failure(&unreachable).unwrap();
        assert_eq!(
            (failure.exit, failure.hint.as_deref()),
            (ExitCode::Unavailable, Some("set MAIL_SERVER"))
        );
    }
}
