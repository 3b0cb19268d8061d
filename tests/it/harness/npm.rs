//! What tests need from npm: axe-core, which finds what shuts people out of a page.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Another version finds other things: it is changed by hand, and what it finds is mended then.
const VERSION: &str = "4.14.1";

/// The source of axe-core, installed under `target/` once for all runs; `None` where it can't be had, which has been
/// told by then.
pub fn axe() -> Option<&'static str> {
    static SOURCE: OnceLock<Option<String>> = OnceLock::new();
    SOURCE
        .get_or_init(|| match install() {
            Ok(source) => Some(source),
            Err(why) => {
                super::virtual_env::left_out(
                    "the search for what shuts people out of the pages",
                    &why,
                    "Put npm on the PATH.",
                );
                None
            }
        })
        .as_deref()
}

fn install() -> Result<String, String> {
    let target = super::target_folder();
    let folder = target.join("axe-core");
    // Every run wants the same folder.
    let lock = File::create(target.join("axe-core.lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let mark = folder.join("installed");
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == VERSION) {
        return source_in(&folder);
    }
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let output = Command::new("npm")
        .args([
            "install",
            "--no-save",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
        ])
        .arg(format!("axe-core@{VERSION}"))
        .arg("--prefix")
        .arg(&folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("npm can't be run: {error}."))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("npm failed: {said}"));
    }
    let source = source_in(&folder)?;
    fs::write(&mark, VERSION).map_err(|error| error.to_string())?;
    Ok(source)
}

fn source_in(folder: &std::path::Path) -> Result<String, String> {
    let path = folder.join("node_modules/axe-core/axe.min.js");
    fs::read_to_string(path).map_err(|error| error.to_string())
}
