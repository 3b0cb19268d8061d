//! `/api/events`: what happens to the inbox, told over a websocket. The client only listens.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};

use super::answer::json;
use super::shapes::Summary;
use super::{ApiState, blocking, plain};
use crate::sink::inbox::{Event, Inbox};
use crate::smtp::MessageId;

/// How often a ping says that the connection is alive.
const PING: Duration = Duration::from_secs(54);

/// Pings without an answer after which a client is disconnected: its place is for others.
const MOST_UNANSWERED: u32 = 2;

/// How long the numbers wait for further changes.
const STATS: Duration = Duration::from_millis(250);

/// How long a client may take for one frame before it is dropped.
const SLOWEST: Duration = Duration::from_secs(10);

/// Websocket clients at once.
pub const MOST_CLIENTS: usize = 256;

/// Bytes that a client holds back, in either direction.
const BUFFER: usize = 8 * 1024;

/// Bytes of a summary that a frame announces. For a longer one clients are asked to read the list again, so that the frames
/// that wait for slow clients stay small.
const LONGEST_SUMMARY: usize = 16 * 1024;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Frame<T> {
    r#type: &'static str,
    data: T,
}

/// `GET`, upgraded.
pub async fn listen(State(state): State<ApiState>, upgrade: WebSocketUpgrade) -> Response {
    let Ok(place) = Arc::clone(&state.websockets).try_acquire_owned() else {
        return plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many clients are subscribed to events",
        );
    };
    // Messages from clients are ignored.
    upgrade
        .max_message_size(BUFFER)
        // The buffer of a frame is allocated before the size of its message is checked.
        .max_frame_size(BUFFER)
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .on_upgrade(async |socket| {
            tell(state, socket).await;
            drop(place);
        })
}

async fn tell(state: ApiState, mut socket: WebSocket) {
    let mut events = state.inbox.subscribe();
    let stopping = state.stopping();
    tokio::pin!(stopping);
    let mut next_ping = Instant::now() + PING;
    let mut unanswered = 0;
    // The numbers are told at once, then after each change.
    let mut next_stats = Some(Instant::now());
    loop {
        let stats_due = next_stats.unwrap_or(next_ping);
        let frame = tokio::select! {
            event = events.recv() => match event {
                Ok(event) => {
                    next_stats.get_or_insert(Instant::now() + STATS);
                    match frame(&state, event).await {
                        Some(frame) => frame,
                        None => continue,
                    }
                }
                // The client was too slow for some events. It must read the list again.
                Err(RecvError::Lagged(_)) => {
                    next_stats.get_or_insert(Instant::now() + STATS);
                    text("prune", Value::Null)
                }
                Err(RecvError::Closed) => break,
            },
            () = sleep_until(stats_due), if next_stats.is_some() => {
                next_stats = None;
                stats(&state)
            }
            () = sleep_until(next_ping) => {
                if unanswered == MOST_UNANSWERED {
                    return;
                }
                unanswered += 1;
                next_ping = Instant::now() + PING;
                Message::Ping(Vec::new().into())
            }
            said = socket.recv() => match said {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {
                    unanswered = 0;
                    continue;
                }
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

async fn frame(state: &ApiState, event: Event) -> Option<Message> {
    Some(match event {
        Event::New(arrival) => {
            let (inbox, id) = (Arc::clone(&state.inbox), arrival.id);
            let render = async || {
                let rendered = blocking(move || announcement(&inbox, &id));
                rendered.await.unwrap_or_default()
            };
            let frame = arrival.frame.get_or_init(render).await.clone();
            Message::Text(
                Utf8Bytes::try_from(frame)
                    .ok()
                    .filter(|it| !it.is_empty())?,
            )
        }
        Event::Read(id, read) => text("update", json!({ "ID": id.0, "Read": read })),
        Event::Tagged(id, tags) => text("update", json!({ "ID": id.0, "Tags": tags })),
        Event::Deleted(id) => text("delete", json!({ "ID": id.0 })),
        Event::Pruned => text("prune", Value::Null),
        Event::Emptied => text("truncate", Value::Null),
    })
}

/// The frame of a message that arrived; empty where it is no longer kept.
fn announcement(inbox: &Inbox, id: &MessageId) -> Bytes {
    let Some(message) = inbox.get(&id.0) else {
        return Bytes::new();
    };
    let mut frame = json(&Frame {
        r#type: "new",
        data: Summary::of(&message, &message.digest()),
    });
    if frame.len() > LONGEST_SUMMARY {
        frame = json(&Frame {
            r#type: "prune",
            data: (),
        });
    }
    frame.shrink_to_fit();
    Bytes::from(frame)
}

fn text(kind: &'static str, data: Value) -> Message {
    let frame = Frame { r#type: kind, data };
    Message::Text(serde_json::to_string(&frame).unwrap_or_default().into())
}
