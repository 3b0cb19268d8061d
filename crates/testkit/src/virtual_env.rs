//! Python packages that tests need, each in a virtual environment of its own under `target/`.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::target_folder;

/// Installs packages into the environment `name` under `target/`, once for all runs, and returns the path of its Python.
pub fn install(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let target = target_folder();
    let folder = target.join(name);
    // Parallel tests and test runs share the folder.
    let lock = target.join(format!("{name}.lock"));
    let lock = File::create(lock).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let mark = folder.join("installed");
    let wanted = packages.join("\n");
    let python = folder.join("bin/python");
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let _ = fs::remove_dir_all(&folder);
    let suitable = [
        "python3.13",
        "python3.12",
        "python3.11",
        "python3.10",
        "python3",
    ]
    .into_iter()
    .find(|name| {
        let status = Command::new(name)
            .args([
                "-c",
                "import sys, ensurepip, venv; sys.exit(not (3, 10) <= sys.version_info < (3, 14))",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    })
    .ok_or("There is no Python 3.10 to 3.13 with venv.")?;
    run(Command::new(suitable).args(["-m", "venv"]).arg(&folder))?;
    run(Command::new(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
        ])
        .args(packages))?;
    fs::write(&mark, wanted).map_err(|error| error.to_string())?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    ))
}
