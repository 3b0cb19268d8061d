//! `user list`: lists accounts.

use jiff::Timestamp;
use movie_bag_core::app::App;
use movie_bag_core::domain::account::Account;
use movie_bag_core::domain::email_address::AddressPart;
use movie_bag_core::domain::id::AccountId;
use movie_bag_core::domain::pending::PendingKind;
use movie_bag_core::domain::terminal_text::escape_line;

use crate::cli::document::documents;
use crate::cli::table::hanging;
use crate::cli::text_format::local_time;
use crate::cli::ui::{Ui, to_json};
use crate::failure::Failure;

/// Number of accounts per query.
const PAGE_SIZE: usize = 500;

/// List accounts, oldest first
///
/// Accounts are sorted by id. Ids start with the time of creation and never change, so no account is missed or repeated
/// when pages are read with --limit and --after.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  movie-bag user list
  movie-bag user list --search @example.com
  movie-bag user list --pending
  movie-bag user list --disabled
  movie-bag user list --limit 100 --after 6b04933dbb18cc05d63b86dd
  movie-bag user list --json | jq -r .email")]
pub(in crate::cli) struct Args {
    /// Show only addresses that contain this text, in any case
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Show pending changes instead: sign-ups that are not confirmed yet, and changes of addresses that may be confirmed or reverted
    #[arg(long, conflicts_with_all = ["search", "limit", "after", "disabled"])]
    pending: bool,
    /// Show only disabled accounts
    #[arg(long)]
    disabled: bool,
    /// Show at most N accounts
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Start after the account with this id
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

documents! {
    pub(in crate::cli) struct ListedAccount<'a> {
        /// Id of the account.
        id: String,
        /// Email address of the account.
        email: &'a str,
        /// When the account was created.
        created_at: Timestamp,
        /// Since when the account is disabled, or null.
        disabled_at: Option<Timestamp>,
    }

    pub(in crate::cli) struct ListedPendingChange<'a> {
        /// Kind of the change.
        kind: PendingKind,
        /// Address that is to be confirmed, or that may be restored.
        email: &'a str,
        /// Id of the account; for a sign-up, the one that it will get.
        account: String,
        /// When the change was requested.
        requested_at: Timestamp,
        /// When its link expires.
        expires_at: Timestamp,
        /// Source of the request.
        origin: String,
    }
}

/// Lists accounts. `database` is its name for messages.
pub(super) async fn run(args: &Args, ui: &Ui, app: &App, database: &str) -> anyhow::Result<()> {
    if args.pending {
        return list_pending(ui, app).await;
    }
    let searched = args.search.as_deref().map(AddressPart::new);
    let mut after = args.after.as_deref().map(parse_id).transpose()?;
    let mut left = args.limit.unwrap_or(u64::MAX);
    let mut last_shown = None;
    loop {
        let page = app.accounts(after, PAGE_SIZE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        let is_found = |account: &&Account| {
            let is_searched = searched
                .as_ref()
                .is_none_or(|part| part.is_in(&account.address));
            is_searched && (account.is_disabled() || !args.disabled)
        };
        let found: Vec<&Account> = page.iter().filter(is_found).collect();
        let shown = usize::try_from(left).unwrap_or(usize::MAX).min(found.len());
        let (shown, more) = found.split_at(shown);
        if let Some(last) = shown.last() {
            let is_first = last_shown.is_none();
            print_page(ui, shown, is_first)?;
            last_shown = Some(last.id);
        }
        left -= shown.len() as u64;
        // Only here is it known whether more accounts follow.
        if let (false, Some(last_shown)) = (more.is_empty(), last_shown) {
            ui.say(&format!(
                "More accounts follow: continue with --after {last_shown}"
            ));
            return Ok(());
        }
    }
    if last_shown.is_none() {
        if args.search.is_some() || args.after.is_some() || args.disabled {
            ui.say("No matching accounts.");
        } else {
            ui.say(&format!(
                "No accounts in {database}: run \"movie-bag user create --email EMAIL\" to create one."
            ));
        }
    }
    Ok(())
}

async fn list_pending(ui: &Ui, app: &App) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let page = app.pending_changes(after, PAGE_SIZE).await?;
        let is_first = after.is_none();
        let Some(last) = page.last() else {
            if is_first {
                ui.say("Nothing is pending.");
            }
            return Ok(());
        };
        after = Some(last.id);
        let mut lines = Vec::with_capacity(page.len() + 1);
        if is_first && !ui.is_json() {
            lines.push(format!("{:15}  {:19}  EMAIL", "KIND", "EXPIRES"));
        }
        lines.extend(page.iter().map(|change| match ui.is_json() {
            true => to_json(&ListedPendingChange {
                kind: change.kind,
                email: &change.address,
                account: change.account.to_string(),
                requested_at: change.requested_at,
                expires_at: change.expires_at,
                origin: change.origin.to_string(),
            }),
            false => {
                let expires = local_time(change.expires_at);
                let address = hanging(&escape_line(&change.address), 38);
                format!("{:15}  {expires}  {address}", change.kind)
            }
        }));
        ui.answer(&lines.join("\n"))?;
    }
}

fn parse_id(text: &str) -> Result<AccountId, Failure> {
    text.parse().map_err(|error| {
        Failure::usage(
            format!("invalid --after: {error}"),
            "name the id of the last account shown",
        )
    })
}

/// Prints one page of accounts. The address is the last column, so that no column width depends on accounts not read yet.
fn print_page(ui: &Ui, accounts: &[&Account], is_first: bool) -> Result<(), Failure> {
    let mut lines = Vec::with_capacity(accounts.len() + 1);
    if ui.is_json() {
        lines.extend(accounts.iter().map(|account| {
            to_json(&ListedAccount {
                id: account.id.to_string(),
                email: &account.address,
                created_at: account.id.made_at(),
                disabled_at: account.disabled_since(),
            })
        }));
    } else {
        if is_first {
            lines.push(format!("{:24}  {:19}  EMAIL", "ID", "CREATED"));
        }
        lines.extend(accounts.iter().map(|account| {
            let created = local_time(account.id.made_at());
            let mark = if account.is_disabled() {
                " (disabled)"
            } else {
                ""
            };
            let address = format!("{}{mark}", escape_line(&account.address));
            format!("{}  {created}  {}", account.id, hanging(&address, 47))
        }));
    }
    ui.answer(&lines.join("\n"))
}
