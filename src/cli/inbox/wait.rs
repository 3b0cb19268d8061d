//! `inbox wait`: waits for a message to a recipient.

use std::time::Duration;

use movie_bag_core::domain::span::span;

use super::client::{InboxClient, Wanted};
use super::message_parts::{self, MessagePart};
use super::request::request;
use super::url_option::UrlOption;
use crate::cli::text_format::pluralize;
use crate::cli::ui::Ui;
use crate::error_code::ErrorCode;
use crate::failure::Failure;

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
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_timeout)]
    timeout: Duration,
    /// Print these parts, separated by commas [default: id]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART")]
    print: Vec<MessagePart>,
    #[command(flatten)]
    pub(super) url: UrlOption,
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    let span = span(text)?;
    if span <= Duration::from_secs(3600) {
        Ok(span)
    } else {
        Err("at most 1h is allowed".to_owned())
    }
}

pub(super) async fn run(args: Args, ui: &Ui, client: InboxClient) -> anyhow::Result<()> {
    let wanted = Wanted {
        to: args.to.clone(),
        subject: args.subject,
        after: args.after,
    };
    let mail = request(client, move |inbox| inbox.wait(&wanted, args.timeout)).await?;
    let Some(mail) = mail else {
        return Err(Failure::new(
            ErrorCode::TimedOut,
            format!(
                "no matching message to {} arrived within {}",
                args.to,
                pluralize(args.timeout.as_secs(), "second", "seconds")
            ),
            "run \"movie-bag inbox list\" to see what arrived",
        )
        .into());
    };
    let parts = match (args.print.is_empty(), ui.is_json()) {
        (false, _) => args.print,
        (true, true) => vec![MessagePart::Json],
        (true, false) => vec![MessagePart::Id],
    };
    message_parts::print(ui, &parts, &mail)
}
