//! Error responses for handlers that panic or take too long.
//!
//! `CatchPanicLayer` of tower-http is the same combinator of futures-util in a second layer with a second boxed body, so it would not
//! be shorter. Its `TimeoutLayer` responds with an empty body, without the error code and `Retry-After`, and logs nothing.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use movie_bag_core::app::AppError;
use tokio::time::timeout;

use super::error::ApiError;
use super::state::HttpState;

/// Responds with an error if the handler panics or exceeds the request timeout.
pub(crate) async fn handle_failures(
    State(http): State<HttpState>,
    request: Request,
    next: Next,
) -> Response {
    // Unwind safe: the state of the handler is dropped with it, and shared state is behind locks of its own.
    let caught = AssertUnwindSafe(next.run(request)).catch_unwind();
    match timeout(http.options.request_timeout, caught).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => ApiError::App(AppError::Internal(
            format!("a handler panicked: {}", panic_message(&*panic)).into(),
        ))
        .into_response(),
        Err(_) => ApiError::ResponseTooSlow.into_response(),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}
