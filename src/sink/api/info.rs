//! `/api/v1/info` and `/api/v1/webui`: the program, its numbers, and what it can do.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::ApiState;

/// The numbers since the start.
pub async fn show(State(state): State<ApiState>) -> Json<Value> {
    let totals = state.inbox.totals();
    let counts = state.inbox.counts();
    let uptime = state
        .clock
        .now()
        .duration_since(state.started)
        .as_secs()
        .max(0);
    Json(json!({
        "Version": concat!("v", env!("CARGO_PKG_VERSION")),
        // Nothing is asked for newer versions: the sink makes no connections.
        "LatestVersion": "disabled",
        "Database": ":memory:",
        "DatabaseSize": totals.memory,
        "Messages": totals.messages,
        "Unread": totals.unread,
        "Tags": state.inbox.tags(),
        "RuntimeStats": {
            "Uptime": uptime,
            "Memory": resident_memory().unwrap_or(totals.memory),
            "MessagesDeleted": counts.deleted + counts.dropped,
            "SMTPAccepted": counts.accepted,
            "SMTPAcceptedSize": counts.accepted_bytes,
            "SMTPRejected": counts.rejected,
            "SMTPIgnored": 0,
        },
    }))
}

/// What a user interface may offer. Nothing is ever passed on, and no spam filter is asked.
pub async fn webui() -> Json<Value> {
    Json(json!({
        "Label": "movie-bag",
        "MessageRelay": {
            "Enabled": false,
            "SMTPServer": "",
            "ReturnPath": "",
            "AllowedRecipients": "",
            "BlockedRecipients": "",
            "OverrideFrom": "",
            "PreserveMessageIDs": false,
            "RecipientAllowlist": "",
        },
        "SpamAssassin": false,
        "ChaosEnabled": true,
        "DuplicatesIgnored": false,
        "HideDeleteAllButton": false,
    }))
}

/// The bytes of memory the process has, where the system tells.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
