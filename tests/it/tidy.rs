//! The arrows between the rooms, read from the code: which room may name which (see the crate documentation).

use std::fs;
use std::path::{Path, PathBuf};

/// A room, what it must not name, and where such code belongs.
const RULES: &[(&str, &[&str], &str)] = &[
    (
        "src/templates",
        &[
            "tokio",
            "axum",
            "clap",
            "lettre",
            "rusqlite",
            "mongodb",
            "tracing",
            "crate::app",
            "crate::cli",
            "crate::config",
            "crate::http",
            "crate::mail",
            "crate::sink",
            "crate::smtp",
            "crate::store",
        ],
        "templates turns a name and values into words: which values there are is decided in mail/ and http/",
    ),
    (
        "src/domain",
        &[
            "tokio",
            "axum",
            "clap",
            "tera",
            "lettre",
            "rusqlite",
            "mongodb",
            "tracing",
            "crate::app",
            "crate::cli",
            "crate::config",
            "crate::http",
            "crate::mail",
            "crate::sink",
            "crate::smtp",
            "crate::store",
            "crate::templates",
        ],
        "domain is plain values and rules: put I/O and use cases into app/ or the room of the library",
    ),
    (
        "src/smtp",
        &[
            "tokio",
            "axum",
            "clap",
            "tera",
            "lettre",
            "rusqlite",
            "mongodb",
            "tracing",
            "std::net",
            "std::io",
            "std::time::Instant",
            "crate::app",
            "crate::cli",
            "crate::config",
            "crate::domain",
            "crate::http",
            "crate::mail",
            "crate::sink",
            "crate::store",
            "crate::templates",
        ],
        "smtp turns bytes into effects: sockets and timers belong into sink/listener.rs",
    ),
    (
        "src/app",
        &[
            "axum",
            "clap",
            "tera",
            "lettre",
            "rusqlite",
            "mongodb",
            "crate::cli",
            "crate::config",
            "crate::http",
            "crate::sink",
            "crate::store::sqlite",
            "crate::store::mongo",
            "crate::mail::render",
            "crate::mail::smtp",
            "crate::templates",
        ],
        "app knows the traits: concrete parts are picked in cli/",
    ),
    (
        "src/store",
        &[
            "axum",
            "clap",
            "tera",
            "lettre",
            "crate::app",
            "crate::cli",
            "crate::config",
            "crate::http",
            "crate::mail",
            "crate::sink",
            "crate::smtp",
            "crate::templates",
        ],
        "a store keeps promises about domain values, and knows nobody else",
    ),
    (
        "src/store/sqlite",
        &["mongodb", "crate::store::mongo"],
        "each store has a room of its own; what both need belongs into store/mod.rs or domain/",
    ),
    (
        "src/store/mongo",
        &["rusqlite", "crate::store::sqlite"],
        "each store has a room of its own; what both need belongs into store/mod.rs or domain/",
    ),
    (
        "src/cli",
        &["mongodb", "rusqlite", "lettre", "tera"],
        "cli picks the parts; what a library is asked for belongs into the room of that part",
    ),
    (
        "src/mail",
        &[
            "axum",
            "clap",
            "rusqlite",
            "mongodb",
            "crate::app",
            "crate::cli",
            "crate::config",
            "crate::http",
            "crate::sink",
            "crate::smtp",
            "crate::store",
            "tera",
        ],
        "mail renders and sends: what to send is decided in app/, and the template engine is templates/ alone",
    ),
    (
        "src/http",
        &[
            "clap",
            "lettre",
            "rusqlite",
            "mongodb",
            "crate::cli",
            "crate::config",
            "crate::mail",
            "crate::sink",
            "crate::smtp",
            "crate::store",
            "tera",
        ],
        "http calls one use case of app/ a request: move the rest there",
    ),
    (
        "src/sink",
        &[
            "clap",
            "lettre",
            "rusqlite",
            "mongodb",
            "tera",
            "crate::app",
            "crate::cli",
            "crate::config",
            "crate::http",
            "crate::mail",
            "crate::store",
            "crate::templates",
        ],
        "the sink is a program of its own round smtp/: it knows no account",
    ),
    (
        "src/config",
        &[
            "axum",
            "clap",
            "tokio",
            "lettre",
            "rusqlite",
            "mongodb",
            "tera",
            "crate::app",
            "crate::cli",
            "crate::http",
            "crate::mail",
            "crate::sink",
            "crate::smtp",
            "crate::store",
            "crate::templates",
        ],
        "config resolves settings; who uses them is told by cli/",
    ),
];

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_str().unwrap().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The code of a file: without comments, and without its unit tests, which may name what they like.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).unwrap();
    let in_tests =
        path.ends_with("tests.rs") || path.components().any(|part| part.as_os_str() == "tests");
    let lines = text
        .lines()
        .take_while(|line| !in_tests && !line.contains("mod tests {"));
    lines
        .enumerate()
        .map(|(number, line)| {
            (
                number + 1,
                line.split("//").next().unwrap_or_default().to_owned(),
            )
        })
        .collect()
}

/// Whether a line names a crate or a path as a word of its own.
fn names(line: &str, path: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + path.len()..];
        let starts = before.is_none_or(|c| !is_word(c) && c != ':' && c != '.' && c != '"');
        let is_path = after.starts_with("::")
            || (path.starts_with("crate::") && !after.starts_with(is_word))
            || (line.trim_start().starts_with("use ") && !after.starts_with(is_word));
        starts && is_path
    })
}

#[test]
fn no_arrow_points_back() {
    let mut broken = Vec::new();
    for (room, forbidden, advice) in RULES {
        for path in files(&root().join(room), ".rs") {
            for (number, line) in code(&path) {
                // `use crate::{a, b}` would hide its arrows from this test.
                if line.contains("use crate::{") || line.contains("use std::{") {
                    broken.push(format!(
                        "{}:{number} opens braces at the root: write one `use` for each room",
                        path.strip_prefix(root()).unwrap().display()
                    ));
                }
                for name in forbidden.iter().filter(|name| names(&line, name)) {
                    broken.push(format!(
                        "{}:{number} names {name}: {advice}",
                        path.strip_prefix(root()).unwrap().display()
                    ));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_rule_sees_an_arrow() {
    assert!(names("use crate::http::Router;", "crate::http"));
    assert!(names("    let x = tokio::spawn(y);", "tokio"));
    assert!(names("use tokio;", "tokio"));
    assert!(!names("let tokio_like = 1;", "tokio"));
    assert!(!names("use crate::httpd::x;", "crate::http"));
    assert!(!names("use crate::smtp::session;", "smtp"));
}

#[test]
fn every_test_file_is_part_of_the_binary() {
    let main = fs::read_to_string(root().join("tests/it/main.rs")).unwrap();
    for path in files(&root().join("tests/it"), ".rs") {
        let relative = path.strip_prefix(root().join("tests/it")).unwrap();
        if relative.components().count() == 1 && relative != Path::new("main.rs") {
            let name = relative.file_stem().unwrap().to_str().unwrap();
            assert!(
                main.contains(&format!("mod {name};")),
                "tests/it/main.rs has no \"mod {name};\": its tests never run"
            );
        }
    }
}

#[test]
fn main_stays_thin() {
    let lines = fs::read_to_string(root().join("src/main.rs"))
        .unwrap()
        .lines()
        .count();
    assert!(
        lines <= 40,
        "src/main.rs has {lines} lines: move what it does into cli/"
    );
}
