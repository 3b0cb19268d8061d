//! Links between pages, and mentions of pages and files in the documentation and the code.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use movie_bag_testkit::markdown::{Page, repository, slug};

/// Folders and files whose text may name a page or a file.
const SOURCES: &[&str] = &[
    ".ci",
    ".github",
    "Cargo.toml",
    "benches",
    "completions",
    "crates",
    "deny.toml",
    "src",
    "templates",
    "tests",
];

/// Splits a relative link of a page into a path in the repository and an anchor.
pub fn in_repository(page: &str, target: &str) -> (String, Option<String>) {
    let (path, anchor) = match target.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor.to_owned())),
        None => (target, None),
    };
    if path.is_empty() {
        return (page.to_owned(), anchor);
    }
    let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    (parts.join("/"), anchor)
}

/// Returns all pages by their paths.
fn pages() -> BTreeMap<String, Page> {
    let pages = Page::all().into_iter();
    pages.map(|page| (page.path.clone(), page)).collect()
}

/// Returns the fault of a reference to a file and, if given, to an anchor in it.
fn fault(pages: &BTreeMap<String, Page>, path: &str, anchor: Option<&str>) -> Option<String> {
    let Some(page) = pages.get(path) else {
        return match anchor {
            Some(_) => Some(format!("{path} is no page, so it has no anchors")),
            None if repository().join(path).exists() => None,
            None => Some(format!("there is no {path}")),
        };
    };
    let anchor = anchor.filter(|anchor| !page.has_anchor(anchor))?;
    let all = page.anchors().collect::<Vec<_>>().join(" ");
    Some(format!("{path} has no #{anchor}, but {all}"))
}

#[test]
fn each_link_leads_to_a_file_and_a_heading() {
    let pages = pages();
    let mut faults = Vec::new();
    let mut count = 0;
    for page in pages.values() {
        for undefined in &page.undefined {
            faults.push(format!("{}: {undefined} is not defined", page.path));
        }
        for link in &page.links {
            let is_foreign = ["http://", "https://", "mailto:"]
                .iter()
                .any(|scheme| link.target.starts_with(scheme));
            if is_foreign && !link.is_image {
                continue;
            }
            count += 1;
            let fault = if is_foreign {
                // An image of another server would reveal the readers of the page, and be missing without a network.
                Some(format!("an image from {}", link.target))
            } else {
                let (path, anchor) = in_repository(&page.path, &link.target);
                fault(&pages, &path, anchor.as_deref())
            };
            if let Some(fault) = fault {
                faults.push(format!("{}:{}: {fault}", page.path, link.line));
            }
        }
    }
    assert!(count > 20, "{count}");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Returns the pages that a line names, such as `docs/json.md#error` or `README.md`.
fn mentions(line: &str) -> Vec<(String, Option<String>)> {
    let is_path = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let is_anchor = |c: char| c.is_alphanumeric() || "_-".contains(c);
    line.match_indices(".md")
        .filter(|(at, ending)| {
            let after = line[at + ending.len()..].chars().next();
            !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
        })
        .filter_map(|(at, ending)| {
            let start = line[..at].rfind(|c| !is_path(c)).map_or(0, |at| at + 1);
            let path = line[start..at + ending.len()].trim_start_matches(['.', '/']);
            let name = path.strip_prefix("docs/").unwrap_or(path);
            let is_at_root = name == path && name.starts_with(|c: char| c.is_ascii_uppercase());
            let is_page = !name.contains('/') && (name != path || is_at_root);
            let after = line[at + ending.len()..].strip_prefix('#');
            let anchor =
                after.map(|after| after.split(|c| !is_anchor(c)).next().unwrap().to_owned());
            is_page.then(|| (path.to_owned(), anchor.filter(|anchor| !anchor.is_empty())))
        })
        .collect()
}

/// Calls `visit` with the path, the number and the text of each line below a file or folder.
fn each_line(path: &Path, visit: &mut impl FnMut(&str, usize, &str)) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            each_line(&entry.unwrap().path(), visit);
        }
        return;
    }
    // Pictures are not text, and recorded messages name no pages.
    let Ok(text) = fs::read_to_string(path) else {
        return;
    };
    let name = path.strip_prefix(repository()).unwrap().to_str().unwrap();
    for (number, line) in text.lines().enumerate() {
        visit(name, number + 1, line);
    }
}

#[test]
fn each_mention_of_a_page_resolves() {
    let pages = pages();
    let mut faults = Vec::new();
    for source in SOURCES {
        each_line(&repository().join(source), &mut |name, number, line| {
            for (page, anchor) in mentions(line) {
                if let Some(fault) = fault(&pages, &page, anchor.as_deref()) {
                    faults.push(format!("{name}:{number}: {fault}"));
                }
            }
        });
    }
    for page in pages.values() {
        for (number, line) in page.text.lines().enumerate() {
            for (path, anchor) in mentions(line) {
                // Within `docs`, a link names other pages without the folder.
                if path.starts_with("docs/")
                    && let Some(fault) = fault(&pages, &path, anchor.as_deref())
                {
                    faults.push(format!("{}:{}: {fault}", page.path, number + 1));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Returns the paths in backquotes in a line that begin with a folder of [`SOURCES`] or `docs`. `NAME` in capitals is a
/// placeholder.
fn paths(line: &str) -> impl Iterator<Item = &str> {
    let is_path = |text: &&str| {
        let (folder, _) = text.split_once('/').unwrap_or_default();
        let is_known = folder == "docs" || SOURCES.contains(&folder);
        let is_plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '/' | '_' | '-' | '.');
        is_known && text.chars().all(is_plain)
    };
    line.split('`').skip(1).step_by(2).filter(is_path)
}

#[test]
fn each_mentioned_path_exists() {
    let mut faults = Vec::new();
    let mut check = |name: &str, number: usize, line: &str| {
        // A package names its own files from its folder.
        let package: PathBuf = Path::new(name).components().take(2).collect();
        let folders = [repository().to_owned(), repository().join(package)];
        for path in paths(line).filter(|path| !folders.iter().any(|one| one.join(path).exists())) {
            faults.push(format!("{name}:{number}: there is no {path}"));
        }
    };
    for source in SOURCES {
        each_line(&repository().join(source), &mut check);
    }
    for page in pages().values() {
        for (number, line) in page.text.lines().enumerate() {
            check(&page.path, number + 1, line);
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn faulty_references_are_found() {
    let text = "# A title\n\nA sentence with [a][b] and [x].\n\n## `serve`, and more\n\n## `serve`, and more\n";
    let page = Page::parse("docs/sample.markdown", text.to_owned());
    assert_eq!(page.undefined, ["[a][b]"]);
    assert_eq!(
        page.anchors().collect::<Vec<_>>(),
        ["a-title", "serve-and-more", "serve-and-more-1"]
    );
    assert_eq!(
        slug("\"database locked\": what to do?"),
        "database-locked-what-to-do"
    );
    assert_eq!(
        in_repository("docs/a.markdown", "../LICENSE#x"),
        ("LICENSE".to_owned(), Some("x".to_owned()))
    );
    let line = "see docs/json.md#error, README.md; not src/x.md, {a,b}.md or .mdx";
    assert_eq!(
        mentions(line),
        [
            ("docs/json.md".to_owned(), Some("error".to_owned())),
            ("README.md".to_owned(), None)
        ]
    );
    let line =
        "see `src/cli/mod.rs`, `tests/it/`, `src/NAME.rs`, `target/x`, src/a.rs and `docs/json.md`";
    let found: Vec<_> = paths(line).collect();
    assert_eq!(found, ["src/cli/mod.rs", "tests/it/", "docs/json.md"]);
    let pages = pages();
    assert!(fault(&pages, "README.md", Some("no-such-heading")).is_some());
    assert!(fault(&pages, "docs/none.svg", None).is_some());
    assert!(fault(&pages, "LICENSE", None).is_none());
}
