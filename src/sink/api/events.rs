//! `/api/events`: what happens to the inbox, told over a websocket. The client only listens.

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};

use super::shapes::Summary;
use super::{ApiState, blocking};
use crate::sink::inbox::Event;

/// How often a ping says that the connection is alive.
const PING: Duration = Duration::from_secs(54);

/// How long the numbers wait for further changes.
const STATS: Duration = Duration::from_millis(250);

/// How long a client may take for one frame before it is dropped.
const SLOWEST: Duration = Duration::from_secs(10);

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Frame {
    r#type: &'static str,
    data: Value,
}

/// `GET`, upgraded.
pub async fn listen(State(state): State<ApiState>, upgrade: WebSocketUpgrade) -> Response {
    // Nothing that a client sends means anything.
    upgrade
        .max_message_size(4096)
        .on_upgrade(|socket| tell(state, socket))
}

async fn tell(state: ApiState, mut socket: WebSocket) {
    let mut events = state.inbox.subscribe();
    let stopping = state.stopping();
    tokio::pin!(stopping);
    let mut next_ping = Instant::now() + PING;
    // The numbers are told at once, then after each change.
    let mut next_stats = Some(Instant::now());
    loop {
        let stats_due = next_stats.unwrap_or(next_ping);
        let frame = tokio::select! {
            event = events.recv() => match event {
                Ok(event) => {
                    next_stats.get_or_insert(Instant::now() + STATS);
                    match frame(event).await {
                        Some(frame) => frame,
                        None => continue,
                    }
                }
                // Slow: it is to come back, and read what it missed.
                Err(RecvError::Lagged(_) | RecvError::Closed) => break,
            },
            () = sleep_until(stats_due), if next_stats.is_some() => {
                next_stats = None;
                stats(&state)
            }
            () = sleep_until(next_ping) => {
                next_ping = Instant::now() + PING;
                Message::Ping(Vec::new().into())
            }
            said = socket.recv() => match said {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                // Pongs, and what nobody asked for.
                Some(Ok(_)) => continue,
            },
            () = &mut stopping => break,
        };
        match tokio::time::timeout(SLOWEST, socket.send(frame)).await {
            Ok(Ok(())) => {}
            _ => return,
        }
    }
    let _ = tokio::time::timeout(SLOWEST, socket.send(Message::Close(None))).await;
}

fn stats(state: &ApiState) -> Message {
    let totals = state.inbox.totals();
    text(
        "stats",
        json!({
            "Total": totals.messages,
            "Unread": totals.unread,
            "Version": concat!("v", env!("CARGO_PKG_VERSION")),
        }),
    )
}

async fn frame(event: Event) -> Option<Message> {
    Some(match event {
        Event::New(message) => {
            let summary = blocking(move || serde_json::to_value(Summary::from(&*message)));
            text("new", summary.await.ok()?.ok()?)
        }
        Event::Read(id, read) => text("update", json!({ "ID": id.0, "Read": read })),
        Event::Tagged(id, tags) => text("update", json!({ "ID": id.0, "Tags": tags })),
        Event::Deleted(id) => text("delete", json!({ "ID": id.0 })),
        Event::Pruned => text("prune", Value::Null),
        Event::Emptied => text("truncate", Value::Null),
    })
}

fn text(kind: &'static str, data: Value) -> Message {
    let frame = Frame { r#type: kind, data };
    Message::Text(serde_json::to_string(&frame).unwrap_or_default().into())
}
