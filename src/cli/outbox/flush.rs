//! `outbox flush`: tries all waiting mails now.

use serde_json::json;

use super::super::report::Failure;
use super::super::ui::{Ui, counted};
use crate::app::{App, Flush, Flushed};

/// Try all waiting mails now, also those whose next try is later
///
/// One attempt at each, several at once; those that fail wait for their next try. Stops where the mail server can't be
/// reached. A running server may work on the same outbox meanwhile.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  movie-bag outbox flush
  movie-bag outbox flush --json

With --json: {\"total\", \"sent\", \"waiting\", \"dead\", \"elsewhere\", \"left\"}")]
pub(in crate::cli) struct Args {}

pub(super) async fn run(_: &Args, ui: &Ui, app: &App, which: Flush) -> anyhow::Result<()> {
    let bar = ui.progress("mails");
    let flushed = app
        .flush_outbox(which, &|so_far| bar.show(so_far.tried(), so_far.total))
        .await;
    std::mem::drop(bar);
    let flushed = flushed?;
    ui.answer_either(
        &in_words(&flushed),
        &json!({
            "total": flushed.total,
            "sent": flushed.sent,
            "waiting": flushed.waiting,
            "dead": flushed.dead,
            "elsewhere": flushed.elsewhere,
            "left": flushed.left,
        }),
    )?;
    let Some((error, hint)) = flushed.last else {
        return Ok(());
    };
    // A mail server that can't be reached is known by what may help, and by what was not even tried.
    let exit = if hint.is_some() || flushed.left > 0 {
        7
    } else {
        1
    };
    if ui.is_json() {
        // The document has said it already; a second one on stdout would be one too many.
        return Err(Failure::silent(exit).into());
    }
    let look = "\"movie-bag outbox list\" shows what each of them waits for";
    Err(Failure::new(
        exit,
        "mails_left",
        format!("not all were sent; the last failure was: {error}"),
        hint.map_or_else(|| look.to_owned(), |hint| format!("{hint}; {look}")),
    )
    .into())
}

fn in_words(flushed: &Flushed) -> String {
    if flushed.total == 0 {
        return "There was nothing to send.".to_owned();
    }
    let mails = counted(flushed.total, "mail", "mails");
    let mut text = format!("{} of {mails} sent", flushed.sent);
    for (number, one, many) in [
        (
            flushed.waiting,
            "waits for another try",
            "wait for another try",
        ),
        (flushed.dead, "was given up", "were given up"),
        (
            flushed.elsewhere,
            "was held or taken out by a server",
            "were held or taken out by a server",
        ),
        (flushed.left, "was not tried", "were not tried"),
    ] {
        if number > 0 {
            text += &format!(", {}", counted(number, one, many));
        }
    }
    text + "."
}
