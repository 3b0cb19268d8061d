//! Liveness and readiness, for load balancers and service managers.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use movie_bag_core::app::AppError;
use serde::Serialize;
use tokio::time::timeout;

use super::error::ApiError;
use super::openapi::operation::About;
use super::openapi::schema::{Components, Described, Schema, object};
use super::state::HttpState;

/// Maximum time for the database to respond.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

object! {
    #[derive(Serialize)]
    pub(crate) struct Health {
        status: Status,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Ok,
}

impl Described for Status {
    fn describe(_: &mut Components<'_>) -> Schema {
        Schema {
            constant: Some("ok".into()),
            ..Schema::string()
        }
    }
}

pub(crate) const ALIVE: About = About::new(
    "isAlive",
    "Check whether the process is running",
    "The process is running",
    &[],
);

/// Responds while the process is alive.
pub(crate) async fn alive() -> Json<Health> {
    Json(Health { status: Status::Ok })
}

pub(crate) const READY: About = About::new(
    "isReady",
    "Check whether the database answers and all background tasks run",
    "The database answers and all background tasks run",
    &[],
);

/// Reports whether all background tasks run and the database responds.
///
/// # Errors
/// 503 if a task is down, with its name, or if the database does not respond.
pub(crate) async fn ready(State(http): State<HttpState>) -> Result<Json<Health>, ApiError> {
    if let Some(task) = http.app.supervisor().down() {
        return Err(ApiError::TaskDown(task));
    }
    timeout(PING_TIMEOUT, http.app.ping())
        .await
        .map_err(|_| AppError::Unavailable("the database did not answer in time".into()))??;
    Ok(alive().await)
}
