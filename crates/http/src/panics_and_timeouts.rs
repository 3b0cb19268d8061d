//! Error responses for handlers that panic or take too long.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
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
    let mut handler = pin!(next.run(request));
    let caught = poll_fn(|context| {
        // Unwind safe: the state of the handler is dropped with it, and shared state is behind locks of its own.
        match catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(context))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    });
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
