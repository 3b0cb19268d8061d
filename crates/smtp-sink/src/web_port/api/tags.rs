//! `/api/v1/tags`: lists tags, and sets, renames and removes them.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::inbox::TagError;
use crate::web_port::background::run_blocking;
use crate::web_port::responses::{bad_request, ok};
use crate::web_port::state::WebState;

/// `GET /api/v1/tags`.
pub(crate) async fn list(State(state): State<WebState>) -> Response {
    Json(state.inbox.tag_names()).into_response()
}

#[derive(Deserialize)]
struct SetBody {
    #[serde(rename = "IDs", default)]
    ids: Vec<String>,
    #[serde(rename = "Tags", default)]
    tags: Vec<String>,
}

/// `PUT /api/v1/tags`: replaces the tags of messages.
pub(crate) async fn set(State(state): State<WebState>, body: Bytes) -> Response {
    let body: SetBody = match serde_json::from_slice(&body) {
        Ok(body) => body,
        Err(error) => return bad_request(format!("Error: {error}")),
    };
    let set = run_blocking(move || state.inbox.set_tags(&body.ids, &body.tags));
    set.await.map(|()| ok()).into_response()
}

#[derive(Deserialize)]
struct RenameBody {
    #[serde(rename = "Name")]
    name: String,
}

/// `PUT /api/v1/tags/{tag}`: renames a tag.
pub(crate) async fn rename(
    State(state): State<WebState>,
    Path(tag): Path<String>,
    body: Bytes,
) -> Response {
    let name = match serde_json::from_slice::<RenameBody>(&body) {
        Ok(body) => body.name,
        Err(error) => return bad_request(format!("Error: {error}")),
    };
    change_response(run_blocking(move || state.inbox.rename_tag(&tag, &name)).await)
}

/// `DELETE /api/v1/tags/{tag}`: removes a tag from all messages.
pub(crate) async fn remove(State(state): State<WebState>, Path(tag): Path<String>) -> Response {
    change_response(run_blocking(move || state.inbox.remove_tag(&tag)).await)
}

/// Returns the response to a change of a tag. The messages of the errors are those of Mailpit.
fn change_response(result: Result<Result<(), TagError>, Response>) -> Response {
    match result {
        Ok(Ok(())) => ok(),
        Ok(Err(refused)) => bad_request(refused.to_string()),
        Err(failure) => failure,
    }
}
