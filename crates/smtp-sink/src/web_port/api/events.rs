//! `/api/events`: events of the inbox over a websocket. Messages from the client are ignored.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};

use super::mailpit_json::Summary;
use crate::inbox::{Event, Inbox};
use crate::session::MessageId;
use crate::web_port::background::run_blocking;
use crate::web_port::bounded_response::json;
use crate::web_port::responses::plain;
use crate::web_port::state::WebState;

/// Interval between pings.
const PING_INTERVAL: Duration = Duration::from_secs(54);

/// Number of unanswered pings after which a client is disconnected, to free its slot.
const MAX_UNANSWERED: u32 = 2;

/// Delay of the statistics after a change, so that further changes are included.
const STATS_DELAY: Duration = Duration::from_millis(250);

/// Maximum time to send a frame. A client that takes longer is disconnected.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Size of the buffers of a connection, in bytes.
const BUFFER: usize = 8 * 1024;

/// Maximum size of a frame that announces a message, in bytes. In place of a larger one, clients are asked to read the list
/// again, so that the frames queued for slow clients stay small.
const MAX_ANNOUNCEMENT: usize = 16 * 1024;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Frame<T> {
    r#type: &'static str,
    data: T,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Stats {
    total: usize,
    unread: usize,
    version: &'static str,
}

/// Change of one message. A deletion has neither of the optional fields.
#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    #[serde(rename = "ID")]
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    read: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Vec<String>>,
}

/// `GET /api/events`, upgraded to a websocket.
pub(crate) async fn listen(State(state): State<WebState>, upgrade: WebSocketUpgrade) -> Response {
    let Ok(slot) = Arc::clone(&state.websockets).try_acquire_owned() else {
        return plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many clients are subscribed to events",
        );
    };
    upgrade
        .max_message_size(BUFFER)
        // The buffer of a frame is allocated before the size of its message is checked.
        .max_frame_size(BUFFER)
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .on_upgrade(async |socket| {
            send_events(state, socket).await;
            drop(slot);
        })
}

async fn send_events(state: WebState, mut socket: WebSocket) {
    let mut events = state.inbox.subscribe();
    let stopping = state.stopping();
    tokio::pin!(stopping);
    let mut next_ping = Instant::now() + PING_INTERVAL;
    let mut unanswered = 0;
    // Statistics are sent after the connection is established and after changes.
    let mut next_stats = Some(Instant::now());
    loop {
        let stats_due = next_stats.unwrap_or(next_ping);
        let frame = tokio::select! {
            event = events.recv() => match event {
                Ok(event) => {
                    next_stats.get_or_insert(Instant::now() + STATS_DELAY);
                    match event_frame(&state, event).await {
                        Some(frame) => frame,
                        None => continue,
                    }
                }
                // The client missed events because it was too slow, so it must read the list again.
                Err(RecvError::Lagged(_)) => {
                    next_stats.get_or_insert(Instant::now() + STATS_DELAY);
                    text_frame("prune", ())
                }
                Err(RecvError::Closed) => break,
            },
            () = sleep_until(stats_due), if next_stats.is_some() => {
                next_stats = None;
                stats_frame(&state)
            }
            () = sleep_until(next_ping) => {
                if unanswered == MAX_UNANSWERED {
                    return;
                }
                unanswered += 1;
                next_ping = Instant::now() + PING_INTERVAL;
                Message::Ping(Vec::new().into())
            }
            received = socket.recv() => match received {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {
                    unanswered = 0;
                    continue;
                }
            },
            () = &mut stopping => break,
        };
        match tokio::time::timeout(SEND_TIMEOUT, socket.send(frame)).await {
            Ok(Ok(())) => {}
            _ => return,
        }
    }
    let _ = tokio::time::timeout(SEND_TIMEOUT, socket.send(Message::Close(None))).await;
}

fn stats_frame(state: &WebState) -> Message {
    let totals = state.inbox.totals();
    text_frame(
        "stats",
        Stats {
            total: totals.messages,
            unread: totals.unread,
            version: concat!("v", env!("CARGO_PKG_VERSION")),
        },
    )
}

async fn event_frame(state: &WebState, event: Event) -> Option<Message> {
    Some(match event {
        Event::New(arrival) => {
            let (inbox, id) = (Arc::clone(&state.inbox), arrival.id);
            let render = async || {
                let rendered = run_blocking(move || announcement(&inbox, &id));
                rendered.await.unwrap_or_default()
            };
            let frame = arrival.frame.get_or_init(render).await.clone();
            Message::Text(
                Utf8Bytes::try_from(frame)
                    .ok()
                    .filter(|frame| !frame.is_empty())?,
            )
        }
        Event::Read(id, read) => text_frame(
            "update",
            Change {
                id: id.0,
                read: Some(read),
                ..Change::default()
            },
        ),
        Event::Tagged(id, tags) => text_frame(
            "update",
            Change {
                id: id.0,
                tags: Some(tags),
                ..Change::default()
            },
        ),
        Event::Deleted(id) => text_frame(
            "delete",
            Change {
                id: id.0,
                ..Change::default()
            },
        ),
        Event::Pruned => text_frame("prune", ()),
        Event::Emptied => text_frame("truncate", ()),
    })
}

/// Returns the frame that announces a message, or no bytes if the message no longer exists.
fn announcement(inbox: &Inbox, id: &MessageId) -> Bytes {
    let Some(message) = inbox.get(&id.0) else {
        return Bytes::new();
    };
    let mut frame = json(&Frame {
        r#type: "new",
        data: Summary::new(&message, &message.digest()),
    });
    if frame.len() > MAX_ANNOUNCEMENT {
        frame = json(&Frame {
            r#type: "prune",
            data: (),
        });
    }
    frame.shrink_to_fit();
    Bytes::from(frame)
}

fn text_frame(kind: &'static str, data: impl Serialize) -> Message {
    let frame = Frame { r#type: kind, data };
    Message::Text(serde_json::to_string(&frame).unwrap_or_default().into())
}
