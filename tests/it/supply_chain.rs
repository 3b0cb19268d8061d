//! The dependencies, checked against `deny.toml`: licenses, sources, banned crates, duplicate versions.
//!
//! `cargo deny` would check the same and more, but it takes longer to build than everything else here, and its binary is not
//! available everywhere. The data of Cargo is enough for all checks except advisories, and needs no network.

use std::collections::{BTreeMap, BTreeSet};

use movie_bag_testkit::markdown::repository;
use serde_json::Value;

use crate::workspace::{full_metadata, members, text};

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn read(name: &str) -> String {
    std::fs::read_to_string(repository().join(name)).unwrap()
}

/// Returns the entries of a list in `deny.toml`: the first string of each, and the reason if there is one.
fn list<'a>(policy: &'a str, section: &str, key: &str) -> Vec<(&'a str, Option<&'a str>)> {
    let (_, body) = policy.split_once(&format!("\n[{section}]\n")).unwrap();
    let body = body.split("\n[").next().unwrap();
    let (_, items) = body.split_once(&format!("\n{key} = [\n")).unwrap();
    let (items, _) = items.split_once("\n]").unwrap();
    let entries = items
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'));
    entries
        .map(|line| {
            let mut strings = line.split('"').skip(1).step_by(2);
            (strings.next().unwrap(), strings.next())
        })
        .collect()
}

fn packages() -> Vec<Value> {
    match full_metadata()["packages"].take() {
        Value::Array(packages) => packages,
        other => panic!("{other}"),
    }
}

/// Returns name, version and source of each package in `Cargo.lock`, for all platforms.
fn locked(lock: &str) -> Vec<(&str, &str, Option<&str>)> {
    let of = |block: &'_ str, key: &str| -> Option<(usize, usize)> {
        let start = block.find(&format!("\n{key} = \""))? + key.len() + 5;
        Some((start, start + block[start..].find('"')?))
    };
    let packages = lock.split("\n[[package]]").skip(1);
    packages
        .map(|block| {
            let string = |key| of(block, key).map(|(start, end)| &block[start..end]);
            (
                string("name").unwrap(),
                string("version").unwrap(),
                string("source"),
            )
        })
        .collect()
}

/// Returns whether a license expression (SPDX, or the old form with a slash) can be satisfied by allowed licenses alone.
fn is_allowed(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let verdict = parse_or(&mut words, allowed);
    verdict && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn parse_or(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> bool {
    let mut verdict = parse_and(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        verdict |= parse_and(words, allowed);
    }
    verdict
}

fn parse_and(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> bool {
    let mut verdict = parse_license(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        verdict &= parse_license(words, allowed);
    }
    verdict
}

fn parse_license(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let verdict = parse_or(words, allowed);
        return words.next_if_eq(&")").is_some() && verdict;
    }
    let mut name = words.next().unwrap_or_default().to_owned();
    if words.next_if_eq(&"WITH").is_some() {
        name = format!("{name} WITH {}", words.next().unwrap_or_default());
    }
    allowed.contains(name.as_str())
}

#[test]
fn every_license_is_allowed_and_every_allowed_license_occurs() {
    let policy = read("deny.toml");
    let allowed: BTreeSet<_> = list(&policy, "licenses", "allow")
        .iter()
        .map(|entry| entry.0)
        .collect();
    let packages = packages();
    let wrong: Vec<_> = packages
        .iter()
        .filter(|package| !is_allowed(text(package, "license"), &allowed))
        .map(|package| {
            format!(
                "{} {} ({})",
                text(package, "name"),
                text(package, "version"),
                package["license"]
            )
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "deny.toml allows no license of {wrong:?}: remove the package, or allow the license with a reason"
    );
    for name in &allowed {
        let occurs = packages
            .iter()
            .any(|package| text(package, "license").contains(name));
        assert!(
            occurs,
            "no package has the license {name}: remove it from deny.toml"
        );
    }
}

#[test]
fn every_package_is_from_the_registry_at_a_specified_version() {
    let lock = read("Cargo.lock");
    let members = members();
    let is_ours = |name: &str| members.iter().any(|member| member.name == name);
    for (name, version, source) in locked(&lock) {
        assert!(
            is_ours(name) || source == Some(REGISTRY),
            "{name} {version} comes from {source:?}"
        );
    }
    let packages = packages();
    let ours = packages
        .iter()
        .filter(|package| is_ours(text(package, "name")));
    let dependencies = ours.flat_map(|package| package["dependencies"].as_array().unwrap());
    for dependency in dependencies {
        let name = text(dependency, "name");
        assert_ne!(
            text(dependency, "req"),
            "*",
            "{name} may have any version: specify one"
        );
        assert!(
            dependency["path"].is_null() || is_ours(name),
            "{name} is a path dependency outside the repository"
        );
    }
}

#[test]
fn banned_crates_are_absent_and_duplicate_versions_have_reasons() {
    let policy = read("deny.toml");
    let lock = read("Cargo.lock");
    let locked = locked(&lock);
    assert!(locked.len() > 100, "Cargo.lock is read wrongly");
    for (name, reason) in list(&policy, "bans", "deny") {
        let reason = reason.unwrap();
        assert!(
            locked.iter().all(|package| package.0 != name),
            "{name} is in Cargo.lock: {reason}"
        );
    }
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, version, _) in &locked {
        versions.entry(name).or_default().push(version);
    }
    let skipped: Vec<_> = list(&policy, "bans", "skip")
        .into_iter()
        .map(|(package, reason)| {
            assert!(
                reason.is_some_and(|reason| !reason.is_empty()),
                "{package} has no reason"
            );
            package.split_once('@').unwrap()
        })
        .collect();
    for (name, version) in &skipped {
        let is_second = versions
            .get(name)
            .is_some_and(|all| all.len() > 1 && all.contains(version));
        assert!(
            is_second,
            "{name} {version} is not a duplicate version: remove it from deny.toml"
        );
    }
    for (name, versions) in versions {
        let unexplained: Vec<_> = versions
            .into_iter()
            .filter(|version| !skipped.contains(&(name, version)))
            .collect();
        assert_eq!(
            unexplained.len(),
            1,
            "{name} occurs in the versions {unexplained:?}: use one version, or add a reason to deny.toml"
        );
    }
}

#[test]
fn unsafe_code_is_forbidden() {
    let manifest = read("Cargo.toml");
    let (_, lints) = manifest.split_once("\n[workspace.lints.rust]\n").unwrap();
    assert!(
        lints
            .split("\n[")
            .next()
            .unwrap()
            .contains("unsafe_code = \"forbid\"")
    );
    let members = members();
    assert!(members.len() > 2);
    for member in members {
        let is_bound = member.manifest.contains("\n[lints]\nworkspace = true\n");
        assert!(is_bound, "{}", member.name);
    }
}

#[test]
fn license_expressions_are_evaluated() {
    let allowed = BTreeSet::from(["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"]);
    for expression in [
        "MIT",
        "GPL-3.0 OR MIT",
        "MIT/Apache-2.0",
        "(MIT OR Apache-2.0) AND ISC",
        "Apache-2.0 WITH LLVM-exception",
        "GPL-3.0 AND MIT OR ISC",
    ] {
        assert!(is_allowed(expression, &allowed), "{expression}");
    }
    for expression in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(MIT OR ISC) AND GPL-3.0",
        "Apache-2.0",
        "(MIT",
        "MIT GPL-3.0",
        "MIT OR ISC) AND GPL-3.0",
    ] {
        assert!(!is_allowed(expression, &allowed), "{expression}");
    }
}
