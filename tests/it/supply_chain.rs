//! What is built into the program, held against `deny.toml`: licences, sources, banned crates, second versions.
//!
//! `cargo deny` would say the same and more, but it takes longer to build than everything else here, and its binary is
//! not to be had everywhere; what Cargo itself knows is enough for all but the advisories, and needs no network.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Names and manifests of the packages in this repository.
fn workspace() -> BTreeMap<String, String> {
    let members = metadata(&["--no-deps"]).unwrap();
    let members = members["packages"].as_array().unwrap().iter();
    members
        .map(|package| {
            let manifest = std::fs::read_to_string(text(package, "manifest_path")).unwrap();
            (text(package, "name").to_owned(), manifest)
        })
        .collect()
}

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

/// The strings of a list in `deny.toml`: of each entry the first, and behind it the reason where there is one.
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

fn metadata(more: &[&str]) -> Result<Value, String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--format-version", "1"])
        .args(more)
        .current_dir(root())
        .output()
        .unwrap();
    match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout).unwrap()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// What Cargo knows of all packages on all platforms; where only those of this one were ever fetched, of these.
fn packages() -> Vec<Value> {
    let mut known = metadata(&[]).unwrap_or_else(|error| {
        let host = Command::new("rustc").arg("-vV").output().unwrap().stdout;
        let host = String::from_utf8(host).unwrap();
        let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        let _ = writeln!(std::io::stderr(), "The licences of packages for other platforms than {host} are NOT checked, since they are not here (cargo fetch brings them): {error}");
        metadata(&["--filter-platform", host]).unwrap()
    });
    match known["packages"].take() {
        Value::Array(packages) => packages,
        other => panic!("{other}"),
    }
}

fn text<'a>(package: &'a Value, key: &str) -> &'a str {
    package[key].as_str().unwrap_or_default()
}

/// Name, version and source of each package of `Cargo.lock`: of all platforms, whatever was fetched.
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

/// Whether a licence expression (SPDX, or the old form with a slash) leaves a choice that is allowed throughout.
fn is_allowed(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let verdict = either(&mut words, allowed);
    verdict && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn either(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> bool {
    let mut verdict = both(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        verdict |= both(words, allowed);
    }
    verdict
}

fn both(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> bool {
    let mut verdict = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        verdict &= one(words, allowed);
    }
    verdict
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let verdict = either(words, allowed);
        return words.next_if_eq(&")").is_some() && verdict;
    }
    let mut name = words.next().unwrap_or_default().to_owned();
    if words.next_if_eq(&"WITH").is_some() {
        name = format!("{name} WITH {}", words.next().unwrap_or_default());
    }
    allowed.contains(name.as_str())
}

#[test]
fn every_licence_is_allowed_and_every_allowed_one_occurs() {
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
        "deny.toml allows no licence of {wrong:?}: do without, or argue for it there"
    );
    for name in &allowed {
        let occurs = packages
            .iter()
            .any(|package| text(package, "license").contains(name));
        assert!(
            occurs,
            "nothing has the licence {name} any more: take it out of deny.toml"
        );
    }
}

#[test]
fn everything_comes_from_the_registry_at_a_version_that_was_chosen() {
    let lock = read("Cargo.lock");
    let workspace = workspace();
    for (name, version, source) in locked(&lock) {
        let is_ours = workspace.contains_key(name);
        assert!(
            is_ours || source == Some(REGISTRY),
            "{name} {version} comes from {source:?}"
        );
    }
    let packages = packages();
    let ours = packages
        .iter()
        .filter(|package| workspace.contains_key(text(package, "name")));
    let dependencies = ours.flat_map(|package| package["dependencies"].as_array().unwrap());
    for dependency in dependencies {
        let name = text(dependency, "name");
        assert_ne!(
            text(dependency, "req"),
            "*",
            "{name} may be of any version: name one"
        );
        assert!(
            dependency["path"].is_null() || workspace.contains_key(name),
            "{name} is a folder of somebody's machine"
        );
    }
}

#[test]
fn what_is_banned_is_not_built_and_each_second_version_has_a_reason() {
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
            "{name} {version} is no second version any more: take it out of deny.toml"
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
            "{name} is there {unexplained:?}: bring it to one version, or say in deny.toml why not"
        );
    }
}

#[test]
fn no_code_of_ours_is_unsafe() {
    let manifest = read("Cargo.toml");
    let (_, lints) = manifest.split_once("\n[workspace.lints.rust]\n").unwrap();
    assert!(
        lints
            .split("\n[")
            .next()
            .unwrap()
            .contains("unsafe_code = \"forbid\"")
    );
    let workspace = workspace();
    assert!(workspace.len() > 2, "{:?}", workspace.keys());
    for (name, manifest) in workspace {
        assert!(manifest.contains("\n[lints]\nworkspace = true\n"), "{name}");
    }
}

#[test]
fn a_licence_is_a_choice_among_the_allowed_ones() {
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
