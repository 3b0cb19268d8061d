//! Liveness and readiness, for load balancers and service managers.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Http;
use super::error::ApiError;
use crate::app::AppError;

/// Longest time within which the database must answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers that the process is alive.
pub async fn alive() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// Answers whether all background tasks run and the database answers.
///
/// # Errors
/// 503 where a task is down, with its name, or the database does not answer.
pub async fn ready(State(http): State<Http>) -> Result<Json<Value>, ApiError> {
    if let Some(task) = http.app.supervisor().down() {
        return Err(ApiError::TaskDown(task));
    }
    timeout(PATIENCE, http.app.ping())
        .await
        .map_err(|_| AppError::Unavailable("the database did not answer in time".into()))??;
    Ok(Json(json!({"status": "ok"})))
}
