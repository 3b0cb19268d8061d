//! `inbox show`: shows one message.

use movie_bag_core::domain::terminal_text::escape_line;

use super::address_format::{format_address, format_addresses};
use super::client::{Fetched, InboxClient};
use super::message_parts::{self, MessagePart};
use super::request::request;
use super::url_option::UrlOption;
use crate::cli::suggested_values::SuggestedValues;
use crate::cli::text_format::pluralize;
use crate::cli::ui::Ui;
use crate::error_code::ErrorCode;
use crate::failure::Failure;

/// Show a message with its links, tokens and codes
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  movie-bag inbox show latest
  movie-bag inbox show latest --print html > mail.html")]
pub(in crate::cli) struct Args {
    /// Id of the message, or latest
    #[arg(value_name = "ID", value_parser = SuggestedValues(|| vec!["latest"]), hide_possible_values = true)]
    id: String,
    /// Print only these parts, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART")]
    print: Vec<MessagePart>,
    #[command(flatten)]
    pub(super) url: UrlOption,
}

pub(super) async fn run(args: Args, ui: &Ui, client: InboxClient) -> anyhow::Result<()> {
    let id = args.id.clone();
    let mail = request(client, move |inbox| inbox.get_message(&id)).await?;
    let Some(mail) = mail else {
        return Err(Failure::new(
            ErrorCode::NoSuchMail,
            format!("no message {} in the inbox", args.id),
            "run \"movie-bag inbox list\" to see all messages",
        )
        .into());
    };
    if !args.print.is_empty() {
        return message_parts::print(ui, &args.print, &mail);
    }
    if ui.is_json() {
        return Ok(ui.answer_json(&mail.document())?);
    }
    ui.answer(&as_text(&mail))?;
    Ok(())
}

fn as_text(mail: &Fetched) -> String {
    let field = |name: &str| mail.message[name].as_str().unwrap_or_default();
    let mut lines = vec![
        format!(
            "From     {}",
            escape_line(&format_address(&mail.message["From"]))
        ),
        format!(
            "To       {}",
            escape_line(&format_addresses(&mail.message["To"]))
        ),
    ];
    for (label, list) in [("Cc", "Cc"), ("Bcc", "Bcc")] {
        let all = format_addresses(&mail.message[list]);
        if !all.is_empty() {
            lines.push(format!("{label:<8} {}", escape_line(&all)));
        }
    }
    lines.push(format!("Date     {}", escape_line(field("Date"))));
    lines.push(format!("Subject  {}", escape_line(field("Subject"))));
    for list in ["Attachments", "Inline"] {
        for part in mail.message[list].as_array().into_iter().flatten() {
            let name = escape_line(part["FileName"].as_str().unwrap_or_default());
            lines.push(match part["Size"].as_u64() {
                Some(size) => format!("File     {name} ({})", pluralize(size, "byte", "bytes")),
                None => format!("File     {name}"),
            });
        }
    }
    lines.push(String::new());
    let text = field("Text").trim_end().lines();
    lines.extend(text.map(|line| format!("  {}", escape_line(line)).trim_end().to_owned()));
    lines.push(String::new());
    for (label, list) in [
        ("Link", &mail.found.links),
        ("Token", &mail.found.tokens),
        ("Code", &mail.found.codes),
    ] {
        lines.extend(
            list.iter()
                .map(|item| format!("{label:<8} {}", escape_line(item))),
        );
    }
    lines.join("\n").trim_end().to_owned()
}
