//! `/api/v1/info` and `/api/v1/webui`: version, counters and supported features.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::web_port::state::WebState;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Info {
    version: &'static str,
    latest_version: &'static str,
    database: &'static str,
    database_size: u64,
    messages: usize,
    unread: usize,
    tags: BTreeMap<String, usize>,
    runtime_stats: RuntimeStats,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RuntimeStats {
    uptime: i64,
    memory: u64,
    messages_deleted: u64,
    #[serde(rename = "SMTPAccepted")]
    smtp_accepted: u64,
    #[serde(rename = "SMTPAcceptedSize")]
    smtp_accepted_size: u64,
    #[serde(rename = "SMTPRejected")]
    smtp_rejected: u64,
    #[serde(rename = "SMTPIgnored")]
    smtp_ignored: u64,
}

/// `GET /api/v1/info`: version, totals, and counters since the start.
pub(crate) async fn show(State(state): State<WebState>) -> Json<Info> {
    let totals = state.inbox.totals();
    let counts = state.inbox.counts();
    let uptime = state.clock.now().duration_since(state.started).as_secs();
    Json(Info {
        version: concat!("v", env!("CARGO_PKG_VERSION")),
        // The sink makes no connections, so it does not check for new versions.
        latest_version: "disabled",
        database: ":memory:",
        database_size: totals.memory,
        messages: totals.messages,
        unread: totals.unread,
        tags: state.inbox.tags(),
        runtime_stats: RuntimeStats {
            uptime: uptime.max(0),
            memory: resident_memory().unwrap_or(totals.memory),
            messages_deleted: counts.deleted + counts.dropped,
            smtp_accepted: counts.accepted,
            smtp_accepted_size: counts.accepted_bytes,
            smtp_rejected: counts.rejected,
            smtp_ignored: 0,
        },
    })
}

/// Features that a user interface may offer. The defaults are off and empty: the sink does not relay messages and has no spam
/// filter.
#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct WebUi {
    label: &'static str,
    message_relay: MessageRelay,
    spam_assassin: bool,
    chaos_enabled: bool,
    duplicates_ignored: bool,
    hide_delete_all_button: bool,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct MessageRelay {
    enabled: bool,
    #[serde(rename = "SMTPServer")]
    smtp_server: &'static str,
    return_path: &'static str,
    allowed_recipients: &'static str,
    blocked_recipients: &'static str,
    override_from: &'static str,
    #[serde(rename = "PreserveMessageIDs")]
    preserve_message_ids: bool,
    recipient_allowlist: &'static str,
}

/// `GET /api/v1/webui`.
pub(crate) async fn webui() -> Json<WebUi> {
    Json(WebUi {
        label: "movie-bag",
        chaos_enabled: true,
        ..WebUi::default()
    })
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
