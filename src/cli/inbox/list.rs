//! `inbox list`: lists messages, newest first.

use jiff::Timestamp;
use movie_bag_core::domain::terminal_text::escape_line;

use super::address_format::{format_address, format_addresses};
use super::client::InboxClient;
use super::request::request;
use super::url_option::UrlOption;
use crate::cli::table;
use crate::cli::text_format::local_time;
use crate::cli::ui::Ui;

/// List messages, newest first
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  movie-bag inbox list
  movie-bag inbox list --query 'to:ann@example.com is:unread'
  movie-bag inbox list --json --limit 0 | jq -r .ID")]
pub(in crate::cli) struct Args {
    /// Show only matches, such as is:unread
    ///
    /// Terms are words, phrases in quotes, to:, from:, cc:, bcc:, subject:, tag:, is:read, is:unread, has:attachment,
    /// after:2026-11-24, before:2026-11-24, larger:10K and smaller:2M; a - before a term negates it.
    #[arg(long, value_name = "QUERY")]
    query: Option<String>,
    /// Show at most N messages; 0 shows all
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    pub(super) url: UrlOption,
}

pub(super) async fn run(args: Args, ui: &Ui, client: InboxClient) -> anyhow::Result<()> {
    let Args { query, limit, .. } = args;
    let query = query.filter(|query| !query.trim().is_empty());
    let messages = request(client, move |inbox| inbox.list(limit, query.as_deref())).await?;
    if ui.is_json() {
        for message in &messages {
            ui.answer_json(message)?;
        }
        return Ok(());
    }
    if messages.is_empty() {
        ui.say("The inbox is empty.");
        return Ok(());
    }
    let mut table = table::table(["RECEIVED", "ID", "FROM", "TO", "SUBJECT"], &[2, 3, 4]);
    for message in &messages {
        let field = |name: &str| message[name].as_str().unwrap_or_default();
        let received = field("Created").parse::<Timestamp>();
        let to = match format_addresses(&message["To"]) {
            to if to.is_empty() => format_addresses(&message["Bcc"]),
            to => to,
        };
        table.add_row([
            received.map_or_else(|_| escape_line(field("Created")).into_owned(), local_time),
            escape_line(field("ID")).into_owned(),
            escape_line(&format_address(&message["From"])).into_owned(),
            escape_line(&to).into_owned(),
            escape_line(field("Subject")).into_owned(),
        ]);
    }
    ui.answer_table(table)?;
    Ok(())
}
