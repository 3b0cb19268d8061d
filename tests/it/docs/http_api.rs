//! The reference of the HTTP API, compared with `/openapi.json` of a running server.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use movie_bag_http::{HttpOptions, MAX_BODY_BYTES, MAX_PAGE_SIZE};
use serde_json::{Value, json};

use movie_bag_testkit::markdown::Page;
use movie_bag_testkit::{Home, NEW_PASSWORD, PASSWORD};

/// Codes that the page describes once for all endpoints.
const COMMON_CODES: &[&str] = &[
    "internal_error",
    "payload_too_large",
    "request_timeout",
    "schema_validation",
    "unavailable",
    "unsupported_media_type",
];

/// Codes of each endpoint, such as `POST /api/movies/ID`, with their statuses.
type Calls = BTreeMap<String, BTreeMap<String, BTreeSet<u64>>>;

fn described(document: &Value) -> Calls {
    let mut calls = Calls::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, call) in methods.as_object().unwrap() {
            let mut codes = BTreeMap::<_, BTreeSet<_>>::new();
            for (status, response) in call["responses"].as_object().unwrap() {
                let status = status.parse().unwrap();
                for code in list_codes(document, response) {
                    codes.entry(code).or_default().insert(status);
                }
            }
            let name = format!("{} {}", method.to_uppercase(), format_path(path));
            calls.insert(name, codes);
        }
    }
    calls
}

/// Returns a path with its parameters written as on the page.
fn format_path(path: &str) -> String {
    let parts = path.split('/').map(|part| match part.strip_prefix('{') {
        Some(name) => name.trim_end_matches('}').to_uppercase(),
        None => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Returns the codes in a schema: the values that its field `code` may have.
fn list_codes(document: &Value, schema: &Value) -> Vec<String> {
    let resolved = schema["$ref"].as_str().map(|target| {
        let pointer = target.strip_prefix('#').unwrap();
        document.pointer(pointer).unwrap()
    });
    if let Some(resolved) = resolved {
        return list_codes(document, resolved);
    }
    let mut codes = Vec::new();
    let code = &schema["properties"]["code"];
    codes.extend(code["const"].as_str().map(str::to_owned));
    codes.extend(
        code["enum"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|code| code.as_str().unwrap().to_owned()),
    );
    for inner in [
        &schema["content"]["application/json"]["schema"],
        &schema["components"],
    ] {
        if inner.is_object() {
            codes.extend(list_codes(document, inner));
        }
    }
    for inner in schema["oneOf"].as_array().into_iter().flatten() {
        codes.extend(list_codes(document, inner));
    }
    codes
}

/// Returns the text spans in backticks.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n```")
        .step_by(2)
        .flat_map(|text| text.split('`').skip(1).step_by(2))
}

/// Returns the sections of third level whose heading is an endpoint, by that endpoint.
fn sections(page: &Page) -> BTreeMap<String, String> {
    let mut sections = BTreeMap::new();
    let mut parts = page
        .text
        .split("\n## ")
        .flat_map(|part| part.split("\n### `").skip(1));
    for part in parts.by_ref() {
        let (heading, text) = part.split_once('\n').unwrap();
        sections.insert(heading.trim_end_matches('`').to_owned(), text.to_owned());
    }
    sections
}

/// Reads the table of codes: code and statuses.
fn table(page: &Page) -> BTreeMap<String, BTreeSet<u64>> {
    let (_, errors) = page.text.split_once("\n## Errors\n").unwrap();
    let (errors, _) = errors.split_once("\n## ").unwrap();
    let mut table = BTreeMap::<_, BTreeSet<_>>::new();
    for row in errors.lines().filter_map(|line| line.strip_prefix("| `")) {
        let (code, rest) = row.split_once("` | ").unwrap();
        let (statuses, _) = rest.split_once(" | ").unwrap();
        let statuses = statuses
            .split(", ")
            .map(|status| status.parse::<u64>().unwrap());
        table.entry(code.to_owned()).or_default().extend(statuses);
    }
    table
}

#[test]
fn the_reference_has_each_call_and_each_code_and_no_other() {
    let page = Page::read("docs/http-api.md");
    let home = Home::fresh();
    let server = home.serve_alone(&[]);
    let document = server.get("/openapi.json").is(200).body;
    let calls = described(&document);
    let sections = sections(&page);
    let names = |calls: &BTreeMap<String, _>| calls.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(
        sections.keys().cloned().collect::<BTreeSet<_>>(),
        calls.keys().cloned().collect()
    );
    let mut all = BTreeMap::<String, BTreeSet<u64>>::new();
    for (code, statuses) in calls.values().flatten() {
        all.entry(code.clone()).or_default().extend(statuses);
    }
    for (call, codes) in &calls {
        let (_, errors) = sections[call].rsplit_once("Errors:").unwrap_or_default();
        let documented: BTreeSet<_> = code_spans(errors)
            .filter(|span| all.contains_key(*span))
            .map(str::to_owned)
            .collect();
        let specific = names(codes)
            .into_iter()
            .filter(|code| !COMMON_CODES.contains(&code.as_str()) || documented.contains(code));
        assert_eq!(documented, specific.collect(), "{call}");
    }
    // These codes are answers to paths and methods that have no section.
    all.entry("not_found".to_owned()).or_default().insert(404);
    all.entry("method_not_allowed".to_owned())
        .or_default()
        .insert(405);
    assert_eq!(table(&page), all);
}

#[test]
fn the_reference_names_no_path_that_does_not_exist() {
    let page = Page::read("docs/http-api.md");
    let mut known: BTreeSet<String> = movie_bag_http::paths()
        .into_iter()
        .map(format_path)
        .collect();
    // A prefix of other paths, and the route in the log.
    known.extend(["/api/", "/api/…", "/64", "/reset/{token}"].map(str::to_owned));
    let mut count = 0;
    for span in code_spans(&page.text) {
        let path = match span.split_once(' ') {
            Some(("GET" | "POST" | "PUT" | "DELETE", path)) => path,
            _ => span,
        };
        if path.starts_with('/') {
            count += 1;
            assert!(known.contains(path), "{span}");
        }
    }
    assert!(count > 30, "{count}");
}

/// Compares the answers on the page with real ones, without values that differ from run to run.
#[test]
fn the_answers_in_the_reference_are_real() {
    const EMAIL: &str = "ann@example.com";
    let page = Page::read("docs/http-api.md");
    let blocks = page.blocks_in("text").chain(page.blocks_in("json"));
    let mut printed: Vec<Value> = blocks
        .map(|block| serde_json::from_str(&block.text).unwrap())
        .collect();
    let home = Home::fresh();
    let server = home.serve(&[]);
    let sign_up = |body: Value| server.post("/api/auth/signup", body).body;
    let mut answers = vec![
        sign_up(json!({"email": EMAIL, "pass": 1})),
        sign_up(json!({"email": EMAIL, "password": PASSWORD})),
        server.log_in(EMAIL, "wrong").body,
        server.forgot(EMAIL).body,
    ];
    let token = server.inbox().wait_for(EMAIL).token();
    answers.push(server.reset(&token, NEW_PASSWORD).body);
    let access = server.access_token(EMAIL, NEW_PASSWORD);
    let movie = r#"{"name":"Metropolis","casts":["Brigitte Helm"],"genres":["drama"]}"#;
    server
        .send("POST", "/api/movies", Some(&access), movie)
        .is(200);
    answers.push(server.get("/api/movies").body[0].clone());
    answers.push(server.account(&access).body);
    answers.push(server.log_out(&access).body);
    let home = home.with("MOVIE_BAG_SIGNUP", "verified");
    let verified = home.serve(&[]);
    let requested = verified.post("/api/auth/signup", json!({"email": EMAIL}));
    answers.push(requested.body);
    for answer in printed.iter_mut().chain(&mut answers) {
        for id in ["/id", "/_id/$oid", "/added_by/$oid"] {
            if let Some(id) = answer.pointer_mut(id) {
                *id = json!("an id");
            }
        }
        if let Some(time) = answer.get_mut("created_at") {
            *time = json!("a time");
        }
    }
    for answer in &printed {
        assert!(answers.contains(answer), "{answer} is none of {answers:?}");
    }
    assert_eq!(printed.len(), answers.len());
}

#[test]
fn the_limits_in_the_reference_are_those_of_the_server() {
    let page = Page::read("docs/http-api.md");
    let options = HttpOptions::default();
    let within = |time: Duration| format!("within {} seconds", time.as_secs());
    for (name, limit) in [
        ("body", format!("{} KiB", MAX_BODY_BYTES / 1024)),
        ("body arrives", within(options.body_timeout)),
        (
            "request line and headers arrive; idle connection",
            within(options.header_timeout),
        ),
        ("answer is ready", within(options.request_timeout)),
        (
            "answer is read",
            format!(
                "{} seconds without progress",
                options.write_timeout.as_secs()
            ),
        ),
        ("connections", options.max_connections.to_string()),
        (
            "`limit`",
            format!("maximum number of movies in the answer, from 1 to {MAX_PAGE_SIZE}"),
        ),
    ] {
        let row = format!("| {name} | {limit}");
        assert!(page.text.contains(&row), "{row}");
    }
}
