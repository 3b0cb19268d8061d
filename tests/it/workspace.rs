//! The workspace: directions of dependencies, and files that no module declares.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use movie_bag_testkit::markdown::repository;
use serde_json::Value;

/// A package of this repository.
pub struct Member {
    pub name: String,
    /// Path in the repository: `crates/core`, or empty for the binary.
    pub folder: String,
    pub manifest: String,
    /// Names of the packages of this repository that it uses outside of tests.
    pub dependencies: BTreeSet<String>,
    /// Root files of its library, binary, tests and benchmarks.
    roots: Vec<PathBuf>,
}

impl Member {
    /// Returns the folder with the code of the package.
    pub fn source(&self) -> PathBuf {
        repository().join(&self.folder).join("src")
    }
}

/// Returns all packages of this repository.
pub fn members() -> &'static [Member] {
    static MEMBERS: LazyLock<Vec<Member>> = LazyLock::new(read_members);
    &MEMBERS
}

fn read_members() -> Vec<Member> {
    let metadata = metadata(&["--no-deps"]).unwrap();
    let packages = array(&metadata["packages"]).iter();
    packages
        .map(|package| {
            let path = Path::new(text(package, "manifest_path"));
            let folder = path.parent().unwrap().strip_prefix(repository()).unwrap();
            let dependencies = array(&package["dependencies"]).iter();
            // The kind of a normal dependency is null.
            let ours = dependencies.filter(|dependency| {
                dependency["kind"].is_null() && dependency["path"].is_string()
            });
            let targets = array(&package["targets"]).iter();
            Member {
                name: text(package, "name").to_owned(),
                folder: folder.to_str().unwrap().to_owned(),
                manifest: fs::read_to_string(path).unwrap(),
                dependencies: ours.map(|one| text(one, "name").to_owned()).collect(),
                roots: targets
                    .map(|target| text(target, "src_path").into())
                    .collect(),
            }
        })
        .collect()
}

/// Returns the metadata of all packages of all platforms, or of this platform if only those are downloaded.
fn full_metadata() -> Value {
    metadata(&[]).unwrap_or_else(|error| {
        let host = Command::new("rustc").arg("-vV").output().unwrap().stdout;
        let host = String::from_utf8(host).unwrap();
        let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        let _ = writeln!(std::io::stderr(), "Packages for platforms other than {host} are NOT checked, since they are not downloaded (run cargo fetch): {error}");
        metadata(&["--filter-platform", host]).unwrap()
    })
}

fn metadata(more: &[&str]) -> Result<Value, String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--format-version", "1"])
        .args(more)
        .current_dir(repository())
        .output()
        .unwrap();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object[key].as_str().unwrap_or_default()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// Returns whether a module or function exists: `movie_bag_store::contract`, or `metrics::tests` for one of these end-to-end tests.
pub fn has_item(path: &str) -> bool {
    let library = members().iter().find_map(|member| {
        let name = member.name.replace('-', "_");
        Some((member, path.strip_prefix(&name)?.strip_prefix("::")?))
    });
    let (mut folder, root, names) = match library {
        Some((member, names)) => (member.source(), "lib.rs", names),
        None => (repository().join("tests/it"), "main.rs", path),
    };
    let mut file = folder.join(root);
    names.split("::").all(|name| {
        folder.push(name);
        let files = [folder.with_extension("rs"), folder.join("mod.rs")];
        if let Some(found) = files.into_iter().find(|file| file.exists()) {
            file = found;
            return true;
        }
        let text = fs::read_to_string(&file).unwrap();
        text.contains(&format!("mod {name} {{")) || text.contains(&format!("fn {name}("))
    })
}

/// Crates that a package must not use, also not through others. The manifests decide about direct use; docs/architecture.md has
/// the directions between our own packages.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "movie-bag-core",
        &[
            "anyhow", "axum", "clap", "hyper", "lettre", "mongodb", "rusqlite", "tera",
        ],
    ),
    (
        "movie-bag-http",
        &["anyhow", "clap", "lettre", "mongodb", "rusqlite", "tera"],
    ),
    (
        "movie-bag-mail",
        &["anyhow", "axum", "clap", "hyper", "mongodb", "rusqlite"],
    ),
    (
        "movie-bag-smtp-sink",
        &["anyhow", "clap", "mongodb", "rusqlite"],
    ),
    (
        "movie-bag-store",
        &["anyhow", "axum", "clap", "hyper", "lettre", "tera"],
    ),
];

/// Libraries for other projects, and the test kit, which a cycle of dev-dependencies would compile twice.
const INDEPENDENT: &[&str] = &["bcrypt-lanes", "movie-bag-smtp-sink", "movie-bag-testkit"];

/// Returns the names of all packages that a package uses outside of tests, directly or through others.
fn reachable(metadata: &Value, name: &str) -> BTreeSet<String> {
    let packages = array(&metadata["packages"]).iter();
    let names: BTreeMap<_, _> = packages
        .map(|package| (text(package, "id"), text(package, "name")))
        .collect();
    let nodes = array(&metadata["resolve"]["nodes"]).iter();
    let nodes: BTreeMap<_, _> = nodes.map(|node| (text(node, "id"), node)).collect();
    let (start, _) = names.iter().find(|(_, found)| **found == name).unwrap();
    let mut reached = BTreeSet::new();
    let mut open = vec![*start];
    while let Some(id) = open.pop() {
        for dependency in array(&nodes[id]["deps"]) {
            let kinds = array(&dependency["dep_kinds"]);
            let is_normal = kinds.iter().any(|kind| kind["kind"].is_null());
            let id = text(dependency, "pkg");
            if is_normal && reached.insert(id) {
                open.push(id);
            }
        }
    }
    reached.into_iter().map(|id| names[id].to_owned()).collect()
}

/// The compiler forbids unsafe code only in packages that inherit the lints.
#[test]
fn every_package_inherits_the_lints_of_the_workspace() {
    let manifest = fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("\n[workspace.lints.rust]\nunsafe_code = \"forbid\"\n"));
    for member in members() {
        let inherits = member.manifest.contains("\n[lints]\nworkspace = true\n");
        assert!(inherits, "{}", member.name);
    }
}

#[test]
fn the_tests_run_with_the_oldest_supported_compiler() {
    let read = |name: &str| fs::read_to_string(repository().join(name)).unwrap();
    let manifest = read("Cargo.toml");
    let (_, version) = manifest.split_once("\nrust-version = \"").unwrap();
    let version = version.split('"').next().unwrap();
    let channel = format!("\nchannel = \"{version}.0\"\n");
    assert!(read("rust-toolchain.toml").contains(&channel), "{channel}");
}

#[test]
fn no_package_depends_on_a_crate_of_another_layer() {
    let metadata = full_metadata();
    for (name, forbidden) in FORBIDDEN {
        let reachable = reachable(&metadata, name);
        let found: Vec<_> = forbidden
            .iter()
            .filter(|one| reachable.contains(**one))
            .collect();
        assert!(
            found.is_empty(),
            "{name} depends on {found:?}: see \"cargo tree -p {name} -e normal\""
        );
    }
    // The search finds what is there.
    let all = reachable(&metadata, "movie-bag");
    for (_, forbidden) in FORBIDDEN {
        assert!(
            forbidden.iter().all(|one| all.contains(*one)),
            "{forbidden:?}"
        );
    }
    for member in members()
        .iter()
        .filter(|one| INDEPENDENT.contains(&one.name.as_str()))
    {
        let Member {
            name, dependencies, ..
        } = member;
        assert!(
            dependencies.is_empty(),
            "{name} depends on {dependencies:?}"
        );
    }
}

/// Collects the Rust files below a folder.
fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Returns whether a file that could declare this one does so.
fn is_declared(path: &Path) -> bool {
    let folder = path.parent().unwrap();
    // The module `a` is in `a.rs` or `a/mod.rs`.
    let (folder, module) = if path.ends_with("mod.rs") {
        (folder.parent().unwrap(), folder)
    } else {
        (folder, path)
    };
    let declaration = format!("mod {};", module.file_stem().unwrap().to_str().unwrap());
    let file = path.file_name().unwrap().to_str().unwrap();
    let attribute = format!("#[path = \"{file}\"]");
    let parents = ["mod.rs", "lib.rs", "main.rs"].map(|name| folder.join(name));
    let parents = parents.into_iter().chain([folder.with_extension("rs")]);
    parents
        .filter_map(|parent| fs::read_to_string(parent).ok())
        .any(|text| text.contains(&declaration) || text.contains(&attribute))
}

/// Code and tests in a file that no module declares are not compiled, and no tool reports that.
#[test]
fn every_file_is_part_of_a_package() {
    let mut forgotten = Vec::new();
    let mut count = 0;
    for member in members() {
        for folder in ["src", "tests", "benches", "examples"] {
            let mut files = Vec::new();
            rust_files(&repository().join(&member.folder).join(folder), &mut files);
            count += files.len();
            files.retain(|file| !member.roots.contains(file) && !is_declared(file));
            forgotten.extend(files);
        }
    }
    assert!(count > 200, "{count}");
    assert!(forgotten.is_empty(), "no module declares {forgotten:?}");
    assert!(!is_declared(&repository().join("tests/it/forgotten.rs")));
}
