//! Memory accounting of request bodies, in the same account as stored messages.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt as _;

use super::responses::plain;
use super::state::WebState;
use crate::memory::Charge;

/// Memory charged for one request.
struct BodyCharge {
    charge: Charge,
    /// Set if there is not enough memory for the rest of the body.
    is_refused: AtomicBool,
}

/// Charges the bytes of a request body as they arrive, until the response. If they do not fit, the response is 503.
pub(super) async fn charge_body(
    State(state): State<WebState>,
    request: Request,
    next: Next,
) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let body_charge = Arc::new(BodyCharge {
        charge: state.inbox.memory().charge_incoming(0),
        is_refused: AtomicBool::new(false),
    });
    let (counted, inbox) = (Arc::clone(&body_charge), Arc::clone(&state.inbox));
    let request = request.map(|body| {
        Body::from_stream(body.into_data_stream().map(move |chunk| {
            let chunk = chunk.map_err(io::Error::other)?;
            counted.charge.add(chunk.len() as u64);
            if inbox.free_memory_for_incoming() {
                // Copied, because a received chunk may keep a buffer of several times its size alive.
                return Ok(Bytes::copy_from_slice(&chunk));
            }
            counted.is_refused.store(true, Ordering::Relaxed);
            Err(io::Error::from(io::ErrorKind::OutOfMemory))
        }))
    });
    let response = next.run(request).await;
    if body_charge.is_refused.load(Ordering::Relaxed) {
        plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "not enough memory for this request, try again later",
        )
    } else {
        response
    }
}
