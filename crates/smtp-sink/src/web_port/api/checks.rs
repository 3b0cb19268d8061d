//! `…/html-check` and `…/link-check`: HTML and CSS features that some mail clients do not support, and the links of a message.
//! No URL is fetched.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use crate::compat::{self, CLIENTS, Client, Feature, Report, Support};
use crate::web_port::bounded_response::{json, respond_with_json};
use crate::web_port::request::FoundMessage;
use crate::web_port::state::WebState;
use crate::{extract, view};

/// `GET …/html-check`.
pub(crate) async fn html(
    State(state): State<WebState>,
    FoundMessage(message): FoundMessage,
) -> Response {
    let reservation = state.response_memory.reserve_for(&message).await;
    respond_with_json(reservation, move || {
        let html = view::content(&message).html;
        if html.is_empty() {
            return Err("Error: message does not contain HTML");
        }
        Ok(json(&HtmlCheck::new(&compat::check(&html))))
    })
    .await
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct HtmlCheck {
    total: Total,
    /// Names of the mail clients of each platform.
    platforms: BTreeMap<&'static str, Vec<&'static str>>,
    warnings: Vec<Warning>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Total {
    tests: usize,
    nodes: usize,
    #[serde(flatten)]
    score: Score,
}

/// Feature that some mail clients do not support.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Warning {
    slug: &'static str,
    title: &'static str,
    /// Always empty, like `tags`, `keywords` and `notes_by_number`: the sink has no texts of caniemail.com.
    description: &'static str,
    #[serde(rename = "URL")]
    url: String,
    category: &'static str,
    tags: [(); 0],
    keywords: &'static str,
    notes_by_number: BTreeMap<&'static str, &'static str>,
    results: Vec<ClientSupport>,
    score: WarningScore,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WarningScore {
    found: usize,
    #[serde(flatten)]
    score: Score,
}

/// Support of a feature by one mail client.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ClientSupport {
    name: String,
    platform: &'static str,
    family: &'static str,
    version: &'static str,
    support: &'static str,
    note_number: &'static str,
}

/// Percentages of the mail clients.
#[derive(Default, Clone, Copy, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Score {
    supported: f64,
    partial: f64,
    unsupported: f64,
}

impl Score {
    fn new(feature: &Feature) -> Self {
        let known = || {
            feature
                .support()
                .filter(|(_, support)| *support != Support::Unknown)
        };
        let all = known().count().max(1) as f64;
        let share =
            |wanted| known().filter(|(_, support)| *support == wanted).count() as f64 * 100.0 / all;
        Self {
            supported: share(Support::Yes),
            partial: share(Support::Partial),
            unsupported: share(Support::No),
        }
    }
}

impl HtmlCheck {
    fn new(report: &Report) -> Self {
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
            let score = Score::new(feature);
            total.partial += score.partial * share;
            total.unsupported += score.unsupported * share;
        }
        let affected = total.partial + total.unsupported;
        if affected > 100.0 {
            total.partial *= 100.0 / affected;
            total.unsupported *= 100.0 / affected;
        }
        total.supported = 100.0 - total.partial - total.unsupported;
        Self {
            total: Total {
                tests: compat::feature_count(),
                nodes: report.elements,
                score: total,
            },
            platforms,
            warnings: report.found.iter().map(Warning::new).collect(),
        }
    }
}

impl Warning {
    fn new((feature, found): &(Feature, usize)) -> Self {
        Self {
            slug: feature.slug,
            title: feature.title,
            description: "",
            url: format!("https://www.caniemail.com/features/{}/", feature.slug),
            category: feature.category(),
            tags: [],
            keywords: "",
            notes_by_number: BTreeMap::new(),
            results: feature.support().filter_map(ClientSupport::new).collect(),
            score: WarningScore {
                found: *found,
                score: Score::new(feature),
            },
        }
    }
}

impl ClientSupport {
    fn new((client, support): (Client, Support)) -> Option<Self> {
        let support = match support {
            Support::Yes => "yes",
            Support::Partial => "partial",
            Support::No => "no",
            Support::Unknown => return None,
        };
        Some(Self {
            name: format!("{} {}", client.family_name, client.platform_name),
            platform: client.platform,
            family: client.family,
            version: "",
            support,
            note_number: "",
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LinkCheck {
    errors: usize,
    links: Vec<Link>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Link {
    #[serde(rename = "URL")]
    url: String,
    status_code: u16,
    status: &'static str,
}

/// `GET …/link-check`: returns all links without their status, because fetching a link that can be used once would use it up.
pub(crate) async fn links(
    State(state): State<WebState>,
    FoundMessage(message): FoundMessage,
) -> Response {
    let reservation = state.response_memory.reserve_for(&message).await;
    respond_with_json(reservation, move || {
        let links = extract::from_content(&view::content(&message)).links;
        let links = links.into_iter().map(|url| Link {
            url,
            status_code: 0,
            status: "Not fetched",
        });
        Ok(json(&LinkCheck {
            errors: 0,
            links: links.collect(),
        }))
    })
    .await
}
