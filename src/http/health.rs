//! Signs of life, for whatever watches over the server.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Http;
use super::error::ApiError;
use crate::app::AppError;

/// A database that takes longer does not count as answering.
const PATIENCE: Duration = Duration::from_secs(5);

/// The process lives.
pub async fn alive() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// The database answers too.
///
/// # Errors
/// 503 where it does not.
pub async fn ready(State(http): State<Http>) -> Result<Json<Value>, ApiError> {
    timeout(PATIENCE, http.app.ping()).await.map_err(|_| {
        AppError::Unavailable("the database did not answer a sign of life in time".to_owned())
    })??;
    Ok(Json(json!({"status": "ok"})))
}
