//! Request bodies on their way in are charged to the same ledger as messages.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt as _;

use super::{ApiState, plain};
use crate::sink::inbox::memory::Charge;

/// Charge of one request.
struct Taken {
    charge: Charge,
    /// Set when there is no memory for the rest of the body.
    is_refused: AtomicBool,
}

/// Charges a request body as it arrives, until the request is answered. A request whose body does not fit gets 503.
pub async fn count(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let taken = Arc::new(Taken {
        charge: state.inbox.memory().charge_incoming(0),
        is_refused: AtomicBool::new(false),
    });
    let (counted, inbox) = (Arc::clone(&taken), Arc::clone(&state.inbox));
    let request = request.map(|body| {
        Body::from_stream(body.into_data_stream().map(move |chunk| {
            let chunk = chunk.map_err(io::Error::other)?;
            counted.charge.add(chunk.len() as u64);
            if inbox.make_room_for_incoming() {
                // A chunk that a connection has read may keep a buffer of several times its size.
                return Ok(Bytes::copy_from_slice(&chunk));
            }
            counted.is_refused.store(true, Ordering::Relaxed);
            Err(io::Error::from(io::ErrorKind::OutOfMemory))
        }))
    });
    let response = next.run(request).await;
    match taken.is_refused.load(Ordering::Relaxed) {
        true => plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "not enough memory for this request, try again later",
        ),
        false => response,
    }
}
