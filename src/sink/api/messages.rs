//! `/api/v1/messages`: the list, and deleting.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::shapes::{List, Summary};
use super::{ApiState, plain, query};
use crate::sink::inbox::Which;

/// How many messages a list has where nobody says.
const DEFAULT_LIMIT: usize = 50;

/// `GET`: what cannot be read in the query falls back to its default silently, as clients expect.
pub async fn list(State(state): State<ApiState>, uri: Uri) -> Response {
    let number = |name| query(&uri, name).and_then(|text| text.parse::<usize>().ok());
    let start = number("start").unwrap_or(0);
    let limit = number("limit").unwrap_or(DEFAULT_LIMIT);
    let before = query(&uri, "before").and_then(|text| parse_time(&text));
    // A message is parsed when it is first listed; ten thousand of them must not hold up the sessions.
    let listed = tokio::task::spawn_blocking(move || {
        let messages: Vec<Summary> = state
            .inbox
            .list(start, limit, before)
            .iter()
            .map(|message| Summary::from(&**message))
            .collect();
        let totals = state.inbox.totals();
        List {
            total: totals.messages,
            unread: totals.unread,
            count: messages.len(),
            messages_count: totals.messages,
            messages_unread: totals.unread,
            start,
            tags: Vec::new(),
            messages,
        }
    });
    match listed.await {
        Ok(list) => Json(list).into_response(),
        Err(error) => failed(&error),
    }
}

#[derive(Deserialize)]
struct DeleteBody {
    #[serde(rename = "IDs", default)]
    ids: Vec<String>,
}

/// `DELETE`: those named, or all where none is, also where the body is no JSON: a client sends a form and relies on it.
pub async fn delete(State(state): State<ApiState>, body: Bytes) -> Response {
    let _ = match serde_json::from_slice::<DeleteBody>(&body) {
        Ok(body) if !body.ids.is_empty() => state.inbox.delete(Which::Ids(body.ids)),
        _ => state.inbox.delete(Which::All),
    };
    plain(axum::http::StatusCode::OK, "ok")
}

/// A task that panicked; said, and no reason to end the connection.
pub(super) fn failed(error: &tokio::task::JoinError) -> Response {
    tracing::error!(%error, "a message could not be shown");
    plain(
        axum::http::StatusCode::INTERNAL_SERVER_ERROR,
        "Something went wrong",
    )
}

/// A time with zone, or one without in UTC, or a day.
fn parse_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let utc = |time: DateTime| {
        time.to_zoned(TimeZone::UTC)
            .ok()
            .map(|zoned| zoned.timestamp())
    };
    text.parse::<Timestamp>()
        .ok()
        .or_else(|| text.parse::<DateTime>().ok().and_then(utc))
        .or_else(|| {
            text.parse::<Date>()
                .ok()
                .and_then(|day| utc(day.to_datetime(jiff::civil::Time::midnight())))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_a_zone() {
        for text in [
            "2026-11-23T00:00:00Z",
            "2026-11-23T01:00:00+01:00",
            "2026-11-23 00:00:00",
            "2026-11-23",
        ] {
            assert_eq!(
                parse_time(text).unwrap().to_string(),
                "2026-11-23T00:00:00Z",
                "{text}"
            );
        }
        assert_eq!(parse_time("yesterday"), None);
    }

    mod fuzz {
        use super::*;
        use crate::fuzz::Target;

        #[test]
        fn any_query_is_read_or_passed_over() {
            let target = Target {
                name: "query",
                words: &[
                    "start=",
                    "limit=",
                    "before=",
                    "query=",
                    "&",
                    "=",
                    "+",
                    "%20",
                    "%",
                    "%ff",
                    "%00",
                    "2026-11-23",
                    "T00:00:00Z",
                    "+01:00",
                    " 00:00:00",
                    "-262143-01-01",
                    "9999-12-31T23:59:60Z",
                    "1e9",
                    "-1",
                    "[Europe/Berlin]",
                ],
                seeds: vec![],
                cases: 1500,
            };
            target.run(|bytes| {
                let text = String::from_utf8_lossy(bytes);
                let _ = parse_time(&text);
                let Ok(uri) = format!("/api/v1/messages?{text}").parse::<Uri>() else {
                    return;
                };
                let before = query(&uri, "before").and_then(|text| parse_time(&text));
                // Whatever time it is, it can be said and understood again, as the list does.
                if let Some(before) = before {
                    assert_eq!(parse_time(&before.to_string()), Some(before));
                }
                for name in ["start", "limit", "query"] {
                    let _ = query(&uri, name).and_then(|text| text.parse::<usize>().ok());
                }
            });
        }
    }
}
