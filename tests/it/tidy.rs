//! The arrows between the rooms, read from the code: which room may name which (see the crate documentation).

use std::fs;
use std::path::{Path, PathBuf};

/// The packages and rooms that not everybody may name, and what makes a pure room impure.
const NAMES: &[&str] = &[
    "axum",
    "clap",
    "lettre",
    "mongodb",
    "prometheus_client",
    "rusqlite",
    "std::io",
    "std::net",
    "std::time::Instant",
    "tera",
    "tokio",
    "tracing",
    "crate::app",
    "crate::cli",
    "crate::config",
    "crate::domain",
    "crate::http",
    "crate::mail",
    "crate::mail::render",
    "crate::mail::smtp",
    "crate::ports",
    "crate::sink",
    "crate::smtp",
    "crate::store",
    "crate::store::mongo",
    "crate::store::sqlite",
    "crate::supervisor",
    "crate::templates",
];

/// A room within the library.
struct Room {
    path: &'static str,
    /// Which of [`NAMES`] it may name, besides its own.
    may_name: &'static [&'static str],
    advice: &'static str,
}

const ROOMS: &[Room] = &[
    Room {
        path: "domain",
        // For the address of a client, which is a value.
        may_name: &["std::net"],
        advice: "domain is plain values and rules: put I/O and use cases into app/ or the room of the library",
    },
    Room {
        path: "smtp",
        may_name: &[],
        advice: "smtp turns bytes into effects: sockets and timers belong into sink/listener.rs",
    },
    Room {
        path: "templates",
        may_name: &["std::io", "tera", "crate::domain"],
        advice: "templates turns a name and values into words: which values there are is decided in mail/ and http/",
    },
    Room {
        path: "app",
        may_name: &[
            "tokio",
            "tracing",
            "crate::domain",
            "crate::mail",
            "crate::ports",
            "crate::supervisor",
        ],
        advice: "app knows the traits: concrete parts are picked in cli/",
    },
    Room {
        path: "ports",
        may_name: &["crate::domain"],
        advice: "ports are traits over domain values",
    },
    Room {
        path: "store",
        may_name: &["tokio", "crate::domain", "crate::ports"],
        advice: "a store keeps promises about domain values, and knows nobody else",
    },
    Room {
        path: "store/sqlite",
        may_name: &[
            "rusqlite",
            "std::io",
            "tokio",
            "tracing",
            "crate::domain",
            "crate::ports",
            "crate::store",
            "crate::supervisor",
        ],
        advice: "each store has a room of its own; what both need belongs into store/mod.rs or domain/",
    },
    Room {
        path: "store/mongo",
        may_name: &[
            "mongodb",
            "tokio",
            "tracing",
            "crate::domain",
            "crate::ports",
            "crate::store",
        ],
        advice: "each store has a room of its own; what both need belongs into store/mod.rs or domain/",
    },
    Room {
        path: "mail",
        may_name: &[
            "lettre",
            "std::io",
            "std::net",
            "tera",
            "tokio",
            "crate::domain",
        ],
        advice: "mail renders and sends: the use cases in app/ decide which mails are sent",
    },
    Room {
        path: "http",
        may_name: &[
            "axum",
            "std::io",
            "std::net",
            "std::time::Instant",
            "tokio",
            "prometheus_client",
            "tracing",
            "crate::app",
            "crate::domain",
            "crate::ports",
            "crate::supervisor",
            "crate::templates",
        ],
        advice: "http calls one use case of app/ a request: move the rest there",
    },
    Room {
        path: "ports",
        may_name: &["crate::domain"],
        advice: "ports are traits over values of the domain",
    },
    Room {
        path: "sink",
        may_name: &[
            "axum",
            "lettre",
            "std::io",
            "std::net",
            "tera",
            "tokio",
            "tracing",
            "crate::smtp",
        ],
        advice: "the sink is a program of its own round smtp/: it knows no account",
    },
    Room {
        path: "supervisor",
        may_name: &["std::io", "tokio", "tracing"],
        advice: "the supervisor restarts futures and functions, and knows nothing of their work",
    },
    Room {
        path: "config",
        may_name: &["std::io", "std::net", "crate::domain"],
        advice: "config resolves settings; who uses them is told by cli/",
    },
    Room {
        path: "cli",
        may_name: &[
            "axum",
            "clap",
            "std::io",
            "std::net",
            "tokio",
            "tracing",
            "crate::app",
            "crate::config",
            "crate::domain",
            "crate::http",
            "crate::mail",
            "crate::mail::render",
            "crate::mail::smtp",
            "crate::ports",
            "crate::sink",
            "crate::store",
            "crate::store::mongo",
            "crate::store::sqlite",
            "crate::supervisor",
            "crate::templates",
        ],
        advice: "cli picks the parts; what a library is asked for belongs into the room of that part",
    },
];

impl Room {
    /// The innermost room of a file; the files of the library's root are in none.
    fn of(file: &Path) -> Option<&'static Self> {
        let rooms = ROOMS.iter().filter(|room| file.starts_with(room.path));
        rooms.max_by_key(|room| room.path.len())
    }

    fn must_not_name(&self) -> impl Iterator<Item = &'static str> {
        let own = format!("crate::{}", self.path.replace('/', "::"));
        NAMES
            .iter()
            .copied()
            .filter(move |name| !name.starts_with(&own) && !self.may_name.contains(name))
    }
}

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
    let source = root().join("src");
    let mut broken = Vec::new();
    for path in files(&source, ".rs") {
        let file = path.strip_prefix(&source).unwrap();
        let Some(room) = Room::of(file) else {
            assert_eq!(file.components().count(), 1, "{file:?} is in no room");
            continue;
        };
        let file = file.display();
        for (number, line) in code(&path) {
            // `use crate::{a, b}` would hide its arrows from this test.
            if line.contains("use crate::{") || line.contains("use std::{") {
                broken.push(format!(
                    "src/{file}:{number} opens braces at the root: write one `use` for each room"
                ));
            }
            for name in room.must_not_name().filter(|name| names(&line, name)) {
                broken.push(format!("src/{file}:{number} names {name}: {}", room.advice));
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
