//! `inbox wait`: the newest mail to somebody, as soon as there is one.

use std::time::Duration;

use super::super::report::Failure;
use super::super::ui::{Ui, counted};
use super::client::{InboxClient, Wanted};
use super::{Part, Url, ask, print};
use crate::domain::span::span;

/// Wait for a message, and print its link, token or code
///
/// The newest matching message counts, even if it arrived before. With --after, only a newer one counts. The sink reports
/// the arrival; a Mailpit is polled.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  movie-bag inbox wait --to ann@example.com --print link
  movie-bag inbox wait --to ann@example.com --subject 'Reset your' --timeout 10s
  movie-bag inbox wait --to ann@example.com --print code \\
      --after \"$(movie-bag inbox show latest --print id)\"")]
pub(in crate::cli) struct Args {
    /// Match this recipient
    #[arg(long, value_name = "EMAIL")]
    to: String,
    /// Match this part of the subject, in any case
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,
    /// Match only messages newer than this one
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// Wait at most this long
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = up_to_an_hour)]
    timeout: Duration,
    /// Print these parts, separated by commas [default: id]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART")]
    print: Vec<Part>,
    #[command(flatten)]
    pub(super) url: Url,
}

fn up_to_an_hour(text: &str) -> Result<Duration, String> {
    let span = span(text)?;
    match span <= Duration::from_secs(3600) {
        true => Ok(span),
        false => Err("at most 1h is allowed".to_owned()),
    }
}

pub(super) async fn run(args: Args, ui: &Ui, client: InboxClient) -> anyhow::Result<()> {
    let wanted = Wanted {
        to: args.to.clone(),
        subject: args.subject,
        after: args.after,
    };
    let mail = ask(client, move |inbox| inbox.wait(&wanted, args.timeout)).await?;
    let Some(mail) = mail else {
        return Err(Failure::new(
            8,
            "timed_out",
            format!(
                "no matching message to {} arrived within {}",
                args.to,
                counted(args.timeout.as_secs(), "second", "seconds")
            ),
            "run \"movie-bag inbox list\" to see what arrived",
        )
        .into());
    };
    let parts = match (args.print.is_empty(), ui.is_json()) {
        (false, _) => args.print,
        (true, true) => vec![Part::Json],
        (true, false) => vec![Part::Id],
    };
    print(ui, &parts, &mail)
}
