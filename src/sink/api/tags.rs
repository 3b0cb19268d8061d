//! `/api/v1/tags`: the tags there are, and who has them.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{ApiState, bad_request, blocking, ok};
use crate::sink::inbox::TagError;

/// `GET`.
pub async fn list(State(state): State<ApiState>) -> Response {
    Json(state.inbox.tag_names()).into_response()
}

#[derive(Deserialize)]
struct SetBody {
    #[serde(rename = "IDs", default)]
    ids: Vec<String>,
    #[serde(rename = "Tags", default)]
    tags: Vec<String>,
}

/// `PUT`: these messages have these tags and no others.
pub async fn set(State(state): State<ApiState>, body: Bytes) -> Response {
    let body: SetBody = match serde_json::from_slice(&body) {
        Ok(body) => body,
        Err(error) => return bad_request(format!("Error: {error}")),
    };
    let set = blocking(move || state.inbox.set_tags(&body.ids, &body.tags));
    set.await.map(|()| ok()).into_response()
}

#[derive(Deserialize)]
struct RenameBody {
    #[serde(rename = "Name")]
    name: String,
}

/// `PUT` of one: another name for it.
pub async fn rename(
    State(state): State<ApiState>,
    Path(tag): Path<String>,
    body: Bytes,
) -> Response {
    let name = match serde_json::from_slice::<RenameBody>(&body) {
        Ok(body) => body.name,
        Err(error) => return bad_request(format!("Error: {error}")),
    };
    changed(blocking(move || state.inbox.rename_tag(&tag, &name)).await)
}

/// `DELETE` of one: from all messages.
pub async fn remove(State(state): State<ApiState>, Path(tag): Path<String>) -> Response {
    changed(blocking(move || state.inbox.remove_tag(&tag)).await)
}

/// The answer to a change of one tag, and its refusal as Mailpit words it.
fn changed(result: Result<Result<(), TagError>, Response>) -> Response {
    match result {
        Ok(Ok(())) => ok(),
        Ok(Err(refused)) => bad_request(refused.to_string()),
        Err(failure) => failure,
    }
}
