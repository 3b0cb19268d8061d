//! `/api/v1/tags`: the tags there are, and who has them.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{ApiState, bad_request, blocking, ok};

/// `GET`.
pub async fn list(State(state): State<ApiState>) -> Response {
    let tags: Vec<String> = state.inbox.tags().into_keys().collect();
    Json(tags).into_response()
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
        Ok(body) if !body.name.trim().is_empty() => body.name,
        Ok(_) => return bad_request("Error: a tag needs a name"),
        Err(error) => return bad_request(format!("Error: {error}")),
    };
    let renamed = blocking(move || state.inbox.rename_tag(&tag, &name));
    renamed.await.map(|()| ok()).into_response()
}

/// `DELETE` of one: from all messages.
pub async fn remove(State(state): State<ApiState>, Path(tag): Path<String>) -> Response {
    let removed = blocking(move || state.inbox.remove_tag(&tag));
    removed.await.map(|()| ok()).into_response()
}
