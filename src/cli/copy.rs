//! `copy`: copies a whole database into another.

use movie_bag_core::app;
use movie_bag_core::app::system::{SystemClock, SystemRng};
use movie_bag_core::domain::clock::Clock as _;

use super::database::{self, Absence};
use super::document::documents;
use super::startup;
use super::text_format::pluralize;
use super::ui::Ui;
use crate::config::{DatabaseSettings, Flags};
use crate::error_code::ErrorCode;
use crate::failure::Failure;
use crate::wiring;

/// Copy a whole database into another, empty one
///
/// Copies accounts, movies, queued mails and history with their ids, from SQLite to MongoDB or back. At the end it counts
/// both databases and compares samples. The source is only read. Stop the servers that use it first. After an
/// interruption, the next copy starts again from the beginning.
///
/// Links and access tokens stay valid if JWT_SECRET_KEY stays the same. A generated secret is in the data folder.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  movie-bag copy --to 'mongodb://db1.example/movie-bag?replicaSet=rs0'
  movie-bag --database mongodb://localhost/movie-bag copy --to sqlite:all.db")]
pub(super) struct Args {
    /// Copy into this database: sqlite:PATH or mongodb://…
    #[arg(long, value_name = "DATABASE")]
    to: String,
}

documents! {
    pub(in crate::cli) struct CopyDocument {
        /// Accounts copied.
        accounts: u64,
        /// Movies copied.
        movies: u64,
        /// Pending sign-ups and changes of addresses copied.
        pending: u64,
        /// Undelivered mails copied.
        mails: u64,
        /// History entries copied.
        history: u64,
        /// Samples compared and found equal.
        compared: usize,
        /// Mails left out because their account does not exist.
        mails_left_out: u64,
        /// History entries left out because their account does not exist.
        history_left_out: u64,
    }
}

pub(super) async fn run(args: Args, ui: &Ui, flags: Flags) -> anyhow::Result<()> {
    let settings = startup::settings(ui, flags, "off")?;
    let to = DatabaseSettings::parse(&args.to)
        .map_err(|why| Failure::without_hint(ErrorCode::Usage, format!("invalid --to: {why}")))?;
    wiring::check_database("--to", &to)?;
    if to == settings.database {
        return Err(Failure::usage(
            format!("cannot copy {to} to itself"),
            "name another database with --to",
        )
        .into());
    }
    let source = wiring::open_existing(&settings, true).await?;
    let source =
        source.ok_or_else(|| database::missing_failure(&settings, Absence::needs_database()))?;
    let (target, _) = wiring::open_for_copy(&to, settings.database_timeout).await?;
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
    let lines = |number| pluralize(number, "history entry", "history entries");
    let mut text = format!(
        "Copied {}, {}, {} and {} to {to}; the counts and {} agree.",
        pluralize(counts.accounts, "account", "accounts"),
        pluralize(counts.movies, "movie", "movies"),
        pluralize(counts.mails, "waiting mail", "waiting mails"),
        lines(counts.events),
        match copied.compared {
            1 => "1 sample".to_owned(),
            number => format!("{number} samples"),
        },
    );
    if copied.mails_left_out + copied.events_left_out > 0 {
        text += &format!(
            "\nLeft out, because their accounts do not exist: {} and {}.",
            pluralize(copied.mails_left_out, "mail", "mails"),
            lines(copied.events_left_out),
        );
    }
    ui.answer_either(
        &text,
        &CopyDocument {
            accounts: counts.accounts,
            movies: counts.movies,
            pending: counts.pending_changes,
            mails: counts.mails,
            history: counts.events,
            compared: copied.compared,
            mails_left_out: copied.mails_left_out,
            history_left_out: copied.events_left_out,
        },
    )?;
    Ok(())
}
