//! The tables of packages and modules in docs/architecture.md, compared with the workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use movie_bag_testkit::markdown::Page;

use crate::workspace::{Member, members};

/// Returns the lines of the section with this heading.
#[track_caller]
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let start = page.split_once(&format!("\n{heading}\n"));
    let (_, text) = start.unwrap_or_else(|| panic!("docs/architecture.md has no \"{heading}\""));
    let level = heading.split(' ').next().unwrap().len();
    let ends = (1..=level).filter_map(|level| text.find(&format!("\n{} ", "#".repeat(level))));
    &text[..ends.min().unwrap_or(text.len())]
}

/// Returns the cells of the rows of a table, without its header.
fn rows(section: &str) -> Vec<Vec<&str>> {
    let lines = section.lines().filter_map(|line| line.strip_prefix('|'));
    let rows = lines.map(|line| line.trim_end_matches('|').split('|').map(str::trim));
    rows.skip(2).map(Iterator::collect).collect()
}

/// Returns the items of a list of names, with or without backquotes.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(',').map(|name| name.trim().trim_matches('`'))
}

fn page() -> String {
    Page::read("docs/architecture.md").text
}

/// Returns the name of a package on the page.
fn listed_name(member: &Member) -> &str {
    if member.folder.is_empty() {
        "src"
    } else {
        &member.folder
    }
}

#[test]
fn the_page_lists_all_packages_with_their_dependencies() {
    let members = members();
    let folders: BTreeMap<_, _> = members
        .iter()
        .map(|one| (&one.name, listed_name(one)))
        .collect();
    let mut actual = BTreeMap::new();
    for member in members {
        let folders = member.dependencies.iter().map(|name| folders[name]);
        let short = folders.map(|folder| folder.trim_start_matches("crates/").to_owned());
        actual.insert(
            listed_name(member).to_owned(),
            short.collect::<BTreeSet<_>>(),
        );
    }
    let page = page();
    let mut listed = BTreeMap::new();
    for row in rows(section(&page, "## Packages")) {
        let names = names(row[2]).filter(|name| *name != "nothing");
        let package = row[0].trim_matches('`').to_owned();
        listed.insert(package, names.map(str::to_owned).collect::<BTreeSet<_>>());
    }
    assert_eq!(
        listed, actual,
        "docs/architecture.md (left) differs from the manifests (right)"
    );
}

#[test]
fn the_page_lists_all_modules() {
    let page = page();
    let modules = section(&page, "## Modules");
    let mut faults = Vec::new();
    for member in members() {
        let package = listed_name(member);
        let mut listed = BTreeSet::new();
        for row in rows(section(modules, &format!("### {package}"))) {
            for name in names(row[0]) {
                let path = member.source().join(name);
                if !path.exists() || name.ends_with('/') != path.is_dir() {
                    faults.push(format!("{package} has no {name}"));
                }
                // `search.rs` and `search/` are one module.
                listed.insert(
                    name.trim_end_matches(['/'])
                        .trim_end_matches(".rs")
                        .to_owned(),
                );
            }
        }
        for entry in fs::read_dir(member.source()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let (module, ending) = name.split_once('.').unwrap_or((&name, "rs"));
            let is_exempt = ending != "rs" || ["lib", "tests"].contains(&module);
            if !is_exempt && !listed.contains(module) {
                faults.push(format!("{package}: {name} is missing"));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "docs/architecture.md: {}",
        faults.join("\n")
    );
}
