//! `user list`: the accounts there are.

use comfy_table::presets;
use comfy_table::{ContentArrangement, Table};
use serde_json::json;

use super::super::ui::{Ui, local};
use crate::app::App;

/// How many accounts are asked for at a time.
const PAGE: usize = 500;

/// List the accounts, oldest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  movie-bag user list
  movie-bag user list --json | jq -r .email

With --json: one document a line, {\"id\", \"email\", \"created_at\"}")]
pub(in crate::cli) struct Args {}

pub(super) async fn run(_: &Args, ui: &Ui, app: &App) -> anyhow::Result<()> {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["EMAIL", "ID", "CREATED"]);
    let (mut after, mut count) = (None, 0);
    loop {
        let page = app.accounts(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        count += page.len();
        for account in page {
            let created = account.id.made_at();
            if ui.is_json() {
                let json = json!({"id": account.id.to_string(), "email": account.address, "created_at": created.to_string()});
                ui.answer(&json.to_string())?;
            } else {
                table.add_row([account.address, account.id.to_string(), local(created)]);
            }
        }
    }
    if count == 0 {
        ui.say("There are no accounts yet: \"movie-bag user create --email …\" makes one.");
    } else if !ui.is_json() {
        ui.answer(&table.to_string())?;
    }
    Ok(())
}
