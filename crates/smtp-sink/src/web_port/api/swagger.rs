//! `/api/v1/swagger.json`: description of the API, in the format and with the names of Mailpit's description.

use axum::http::header;
use axum::response::IntoResponse;

/// `GET /api/v1/swagger.json`. A test compares the description with the responses.
pub(crate) async fn show() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        include_str!("swagger.json"),
    )
}
