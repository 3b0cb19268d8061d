//! What holds for every answer: a panic becomes an answer, no answer takes for ever, and browsers are told what not to
//! do with it.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, Entry, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::time::timeout;

use super::Http;
use super::error::ApiError;
use crate::app::AppError;

/// For what is no page: nothing may be loaded, and nothing may frame it.
const NO_PAGE: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'");

/// Turns a panic and an answer that takes too long into answers.
pub async fn contain(State(http): State<Http>, request: Request, next: Next) -> Response {
    let mut answer = pin!(next.run(request));
    let caught = poll_fn(|context| {
        // The handler's own state goes with it, and what handlers share is behind locks of its own.
        match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => std::task::Poll::Ready(Err(panic)),
        }
    });
    match timeout(http.options.request_timeout, caught).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(panic)) => ApiError::App(AppError::Internal(
            format!("a handler panicked: {}", words(&*panic)).into(),
        ))
        .into_response(),
        Err(_) => ApiError::AnswerTooSlow.into_response(),
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

/// The headers of every answer; those that a handler has set itself stay.
pub fn harden(headers: &mut HeaderMap) {
    let mut default = |name, value| {
        if let Entry::Vacant(entry) = headers.entry(name) {
            entry.insert(value);
        }
    };
    default(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    default(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    default(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    default(CONTENT_SECURITY_POLICY, NO_PAGE);
}
