//! `/api/v1/info` and `/api/v1/webui`: version, counters and supported features.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::web_port::state::WebState;

/// `GET /api/v1/info`: version, totals, and counters since the start.
pub(crate) async fn show(State(state): State<WebState>) -> Json<Value> {
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
        // The sink makes no connections, so it does not check for new versions.
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

/// `GET /api/v1/webui`: features that a user interface may offer. The sink does not relay messages and has no spam filter.
pub(crate) async fn webui() -> Json<Value> {
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

/// Returns the resident memory of the process in bytes, on systems that have `/proc`.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
