//! `…/html-check` and `…/link-check`: HTML and CSS features that some mail clients do not support, and the links of a message.
//! No URL is fetched.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use serde_json::{Value, json};

use crate::compat::{self, CLIENTS, Feature, Report, Support};
use crate::web_port::bounded_response::{json, respond_with_json};
use crate::web_port::request::find_message;
use crate::web_port::state::WebState;
use crate::{extract, view};

/// `GET …/html-check`.
pub(crate) async fn html(
    State(state): State<WebState>,
    Path(id): Path<String>,
    uri: Uri,
) -> Response {
    let message = match find_message(&state, &id, &uri).await {
        Ok(message) => message,
        Err(refusal) => return refusal,
    };
    let reservation = state.response_memory.reserve_for(&message).await;
    respond_with_json(reservation, move || {
        let html = view::content(&message).html;
        if html.is_empty() {
            return Err("Error: message does not contain HTML");
        }
        Ok(json(&report_json(&compat::check(&html))))
    })
    .await
}

/// Percentages of the mail clients.
#[derive(Default, Clone, Copy)]
struct Score {
    supported: f64,
    partial: f64,
    unsupported: f64,
}

fn score(feature: &Feature) -> Score {
    let known = || {
        feature
            .support()
            .filter(|(_, support)| *support != Support::Unknown)
    };
    let all = known().count().max(1) as f64;
    let share =
        |wanted| known().filter(|(_, support)| *support == wanted).count() as f64 * 100.0 / all;
    Score {
        supported: share(Support::Yes),
        partial: share(Support::Partial),
        unsupported: share(Support::No),
    }
}

fn report_json(report: &Report) -> Value {
    let mut platforms: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for client in CLIENTS {
        platforms
            .entry(client.platform)
            .or_default()
            .push(client.family_name);
    }
    let mut total = Score::default();
    for (feature, found) in &report.found {
        // An element counts once for each unsupported feature that it uses.
        let share = *found as f64 / report.elements.max(*found).max(1) as f64;
        let score = score(feature);
        total.partial += score.partial * share;
        total.unsupported += score.unsupported * share;
    }
    let affected = total.partial + total.unsupported;
    if affected > 100.0 {
        total.partial *= 100.0 / affected;
        total.unsupported *= 100.0 / affected;
    }
    total.supported = 100.0 - total.partial - total.unsupported;
    let warnings: Vec<Value> = report.found.iter().map(warning_json).collect();
    json!({
        "Total": {
            "Tests": compat::feature_count(),
            "Nodes": report.elements,
            "Supported": total.supported,
            "Partial": total.partial,
            "Unsupported": total.unsupported,
        },
        "Platforms": platforms,
        "Warnings": warnings,
    })
}

fn warning_json((feature, found): &(Feature, usize)) -> Value {
    let results: Vec<Value> = feature
        .support()
        .filter_map(|(client, support)| {
            let support = match support {
                Support::Yes => "yes",
                Support::Partial => "partial",
                Support::No => "no",
                Support::Unknown => return None,
            };
            Some(json!({
                "Name": format!("{} {}", client.family_name, client.platform_name),
                "Platform": client.platform,
                "Family": client.family,
                "Version": "",
                "Support": support,
                "NoteNumber": "",
            }))
        })
        .collect();
    let score = score(feature);
    json!({
        "Slug": feature.slug,
        "Title": feature.title,
        "Description": "",
        "URL": format!("https://www.caniemail.com/features/{}/", feature.slug),
        "Category": feature.category(),
        "Tags": [],
        "Keywords": "",
        "NotesByNumber": {},
        "Results": results,
        "Score": {
            "Found": found,
            "Supported": score.supported,
            "Partial": score.partial,
            "Unsupported": score.unsupported,
        },
    })
}

/// `GET …/link-check`: returns all links without their status, because fetching a link that can be used once would use it up.
pub(crate) async fn links(
    State(state): State<WebState>,
    Path(id): Path<String>,
    uri: Uri,
) -> Response {
    let message = match find_message(&state, &id, &uri).await {
        Ok(message) => message,
        Err(refusal) => return refusal,
    };
    let reservation = state.response_memory.reserve_for(&message).await;
    respond_with_json(reservation, move || {
        let links = extract::from_content(&view::content(&message)).links;
        let links: Vec<Value> = links
            .into_iter()
            .map(|link| json!({ "URL": link, "StatusCode": 0, "Status": "Not fetched" }))
            .collect();
        Ok(json(&json!({ "Errors": 0, "Links": links })))
    })
    .await
}
