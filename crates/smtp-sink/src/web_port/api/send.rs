//! `/api/v1/send`: composes a message from JSON and stores it in the inbox. The message is not sent anywhere.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::clock::draw;
use crate::compose::{self, Letter};
use crate::session::auth::{Login, Mechanism};
use crate::session::{Refusal, Transcript};
use crate::web_port::access_control::basic_auth_user;
use crate::web_port::background::run_blocking;
use crate::web_port::state::WebState;

/// Memory reserved for each byte of a body while the message is composed.
const MEMORY_FACTOR: usize = 4;

/// Response to a message that was stored.
#[derive(Serialize)]
struct Sent<'m> {
    #[serde(rename = "ID")]
    id: &'m str,
}

/// Response to a message that was not stored.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Failure<'w> {
    error: &'w str,
}

/// `POST /api/v1/send`.
pub(crate) async fn send(
    State(state): State<WebState>,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return failure(rejection.status(), &rejection.body_text()),
    };
    // The parsed JSON, its decoded attachments and the composed message exist at the same time.
    let reservation = state
        .response_memory
        .reserve(body.len().saturating_mul(MEMORY_FACTOR))
        .await;
    let login = basic_auth_user(&headers).map(|user| Login {
        mechanism: Mechanism::Plain,
        user,
    });
    let sent = run_blocking(move || {
        let letter = serde_json::from_slice::<Letter>(&body);
        drop(body);
        let letter = letter.map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
        let tags = letter.tags.clone();
        let now = state.clock.now();
        let nonce = draw::<12>(&*state.rng)
            .map(|byte| format!("{byte:02x}"))
            .concat();
        let mut received =
            compose::compose(letter, now, &nonce).map_err(|why| (StatusCode::BAD_REQUEST, why))?;
        if received.source.len() as u64 > state.options.max_size {
            return Err((
                StatusCode::PAYLOAD_TOO_LARGE,
                "the message is too large".to_owned(),
            ));
        }
        received.login = login;
        received.transcript = Transcript::default();
        state
            .inbox
            .store_own(received, tags, now)
            .map_err(|refusal| match refusal {
                Refusal::TooLarge => (
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "the message is larger than the limit of all stored messages".to_owned(),
                ),
                Refusal::Unavailable(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
            })
    });
    let sent = sent.await;
    drop(reservation);
    match sent {
        Ok(Ok(message)) => Json(Sent { id: &message.id.0 }).into_response(),
        Ok(Err((status, why))) => failure(status, &why),
        Err(failure) => failure,
    }
}

fn failure(status: StatusCode, why: &str) -> Response {
    (status, Json(Failure { error: why })).into_response()
}
