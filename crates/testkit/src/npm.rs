//! Packages of npm that tests need, each installed under `target/` once for all runs.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Pinned by hand, since another version reports other accessibility problems.
const AXE: &str = "axe-core@4.14.1";

/// Returns the source of axe-core, which finds accessibility problems. Returns `None` if it cannot be installed; that has
/// been reported then.
pub fn axe() -> Option<&'static str> {
    static SOURCE: OnceLock<Option<String>> = OnceLock::new();
    SOURCE
        .get_or_init(|| {
            let source = npm_packages("axe-core", &[AXE]).and_then(|modules| {
                let file = modules.join("axe-core/axe.min.js");
                fs::read_to_string(file).map_err(|error| error.to_string())
            });
            match source {
                Ok(source) => Some(source),
                Err(why) => {
                    crate::report_skipped(
                        "the search for accessibility problems",
                        &why,
                        "Put npm on the PATH.",
                    );
                    None
                }
            }
        })
        .as_deref()
}

/// Installs packages into the folder `name` under `target/`, without their scripts and peer dependencies, and returns the
/// `node_modules` folder.
pub fn npm_packages(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let target = crate::target_folder();
    let folder = target.join(name);
    // Parallel tests and test runs share the folder.
    let lock =
        File::create(target.join(format!("{name}.lock"))).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let mark = folder.join("installed");
    let modules = folder.join("node_modules");
    let wanted = packages.join("\n");
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(modules);
    }
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let output = Command::new("npm")
        .args(["install", "--no-save", "--no-audit", "--no-fund"])
        .args(["--ignore-scripts", "--legacy-peer-deps"])
        .args(packages)
        .arg("--prefix")
        .arg(&folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("npm cannot be run: {error}."))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("npm failed: {stderr}"));
    }
    fs::write(&mark, wanted).map_err(|error| error.to_string())?;
    Ok(modules)
}
