//! Liveness and readiness, for load balancers and service managers.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use movie_bag_core::app::AppError;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::error::ApiError;
use super::state::HttpState;

/// Maximum time for the database to respond.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// Responds while the process is alive.
pub(crate) async fn alive() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// Reports whether all background tasks run and the database responds.
///
/// # Errors
/// 503 if a task is down, with its name, or if the database does not respond.
pub(crate) async fn ready(State(http): State<HttpState>) -> Result<Json<Value>, ApiError> {
    if let Some(task) = http.app.supervisor().down() {
        return Err(ApiError::TaskDown(task));
    }
    timeout(PING_TIMEOUT, http.app.ping())
        .await
        .map_err(|_| AppError::Unavailable("the database did not answer in time".into()))??;
    Ok(Json(json!({"status": "ok"})))
}
