//! Programs of Python's that tests need, each set in a virtual environment of its own under `target/`; and what is told where
//! tests go without what they need.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Tells loudly, once, that tests are left out, `why`, and what brings them back. In CI that is a failure.
pub fn left_out(what: &str, why: &str, advice: &str) {
    use std::collections::BTreeSet;
    use std::io::Write as _;
    use std::sync::Mutex;
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let message = format!("\n==== LEFT OUT: {what}. {why}\n==== {advice}\n");
    assert!(std::env::var_os("CI").is_none(), "{message}");
    if TOLD.lock().unwrap().insert(what.to_owned()) {
        // Past the test runner, which keeps what a passing test prints to itself.
        let _ = std::io::stderr().write_all(message.as_bytes());
    }
}

/// Installs packages into the environment `name` under `target/`, once for all runs, and answers its Python.
pub fn install(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    // target/debug/deps/NAME-HASH
    let exe = std::env::current_exe().map_err(|error| error.to_string())?;
    let target = exe
        .ancestors()
        .nth(3)
        .ok_or("the tests run outside a target folder")?;
    let folder = target.join(name);
    // Both binaries, and every run, want the same folder.
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
        let asked = Command::new(name)
            .args([
                "-c",
                "import sys, ensurepip, venv; sys.exit(not (3, 10) <= sys.version_info < (3, 14))",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        asked.is_ok_and(|status| status.success())
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
