//! `/api/v1/swagger.json`: a description of what is served here, in the format and with the names of Mailpit's own.

use axum::http::header;
use axum::response::IntoResponse;

/// `GET`. The tests compare it with the answers.
pub async fn show() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        include_str!("swagger.json"),
    )
}
