//! `copy`: takes all of one database into another.

use serde_json::json;

use super::database::{self, Absence};
use super::report::Failure;
use super::ui::{Ui, counted};
use super::wiring;
use crate::app;
use crate::app::system::{SystemClock, SystemRng};
use crate::config::{DatabaseSettings, Flags};
use crate::domain::clock::Clock as _;

/// Copy everything into another, empty database
///
/// Takes accounts, movies, waiting mails and history with their ids, counts both and compares samples. The source is
/// only read: stop the servers that work on it before. What is broken off half way is begun anew by the next copy.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  movie-bag copy --to 'mongodb://db1.example/movie-bag?replicaSet=rs0'
  movie-bag --database mongodb://localhost/movie-bag copy --to sqlite:all.db

With --json: {\"accounts\", \"movies\", \"mails\", \"history\", \"compared\", \"mails_left_out\", \
\"history_left_out\"}, all in numbers

Links and logins go on working where JWT_SECRET_KEY stays the same; a generated one is in the data folder.")]
pub(super) struct Args {
    /// Copy into this database: sqlite:PATH or mongodb://…
    #[arg(long, value_name = "DATABASE")]
    to: String,
}

pub(super) async fn run(args: Args, ui: &Ui, flags: Flags) -> anyhow::Result<()> {
    let settings = wiring::settings(ui, flags, "off")?;
    let to = DatabaseSettings::parse(&args.to)
        .map_err(|why| Failure::usage(format!("invalid --to: {why}"), "see --help"))?;
    wiring::check_database("--to", &to)?;
    if to == settings.database {
        return Err(Failure::usage(
            format!("cannot copy {to} to itself"),
            "name another database with --to",
        )
        .into());
    }
    let source = wiring::existing_store(&settings, true).await?;
    let source = source.ok_or_else(|| database::missing(&settings, Absence::of_database()))?;
    let (target, _) = wiring::open(&to, settings.database_timeout).await?;
    let bar = ui.progress("rows");
    let copied = app::copy(
        &*source,
        &*target,
        SystemClock.now(),
        &SystemRng,
        &|done, total| {
            bar.show(done, total);
        },
    )
    .await;
    drop(bar);
    let copied = copied?;
    let counts = copied.counts;
    let lines = |number| counted(number, "history entry", "history entries");
    let mut text = format!(
        "Copied {}, {}, {} and {} to {to}; the counts and {} agree.",
        counted(counts.accounts, "account", "accounts"),
        counted(counts.movies, "movie", "movies"),
        counted(counts.mails, "waiting mail", "waiting mails"),
        lines(counts.events),
        match copied.compared {
            1 => "1 sample".to_owned(),
            number => format!("{number} samples"),
        },
    );
    if copied.mails_left_out + copied.events_left_out > 0 {
        text += &format!(
            "\nLeft out, because their accounts do not exist: {} and {}.",
            counted(copied.mails_left_out, "mail", "mails"),
            lines(copied.events_left_out),
        );
    }
    ui.answer_either(
        &text,
        &json!({
            "accounts": counts.accounts,
            "movies": counts.movies,
            "mails": counts.mails,
            "history": counts.events,
            "compared": copied.compared,
            "mails_left_out": copied.mails_left_out,
            "history_left_out": copied.events_left_out,
        }),
    )?;
    Ok(())
}
