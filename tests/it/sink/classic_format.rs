//! `--format classic`, compared with the server whose output it imitates: Python's DebuggingServer.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use movie_bag_testkit::{Home, report_skipped};

use super::smtp_address_in;

/// Mode of the client, and the output of the server of Python 3.11.7 for its mails.
const MODES: [(&str, &str); 2] = [
    ("plain", include_str!("classic_plain.txt")),
    ("utf8", include_str!("classic_utf8.txt")),
];

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/sink")
        .join(name)
}

/// Returns the first Python that can import this module.
fn python_with(module: &str) -> Option<&'static str> {
    let names = ["python3", "python3.11", "python3.10"];
    names.into_iter().find(|name| {
        let mut python = Command::new(name);
        python.args(["-W", "ignore", "-c", &format!("import {module}")]);
        python.stdout(Stdio::null()).stderr(Stdio::null());
        python.status().is_ok_and(|status| status.success())
    })
}

/// Sends the mails. Returns after the server has accepted the last one.
fn send_all(python: &str, port: &str, mode: &str) {
    let status = Command::new(python)
        .arg(script("classic_client.py"))
        .args([port, mode])
        .status()
        .unwrap();
    assert!(status.success(), "{mode}");
}

#[test]
fn classic_output_equals_that_of_pythons_server() {
    let Some(python) = python_with("smtplib") else {
        let advice = "Install Python 3.";
        report_skipped(
            "the comparison with Python's server",
            "There is no Python.",
            advice,
        );
        return;
    };
    let home = Home::fresh();
    for (mode, printed) in MODES {
        let sink = home.sink(&["--format", "classic"]);
        send_all(python, sink.port(), mode);
        // Standard output is collected line by line.
        let count = |text: &str| text.matches("END MESSAGE").count();
        let stdout = sink.stdout_once(|stdout| count(stdout) == count(printed));
        assert_eq!(stdout, printed, "{mode}");
    }
}

/// Python 3.12 and later lack the server. There the recorded output takes its place.
#[test]
fn the_recorded_output_equals_that_of_pythons_server() {
    let Some(python) = python_with("smtpd") else {
        return;
    };
    let home = Home::fresh();
    for (mode, printed) in MODES {
        let (log, stdout) = (home.path().join("log"), home.path().join("stdout"));
        let mut server = Command::new(python)
            .args(["-W", "ignore", "-u"])
            .arg(script("classic_server.py"))
            .arg(mode)
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&stdout).unwrap())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        // The server prints a message before it replies.
        send_all(python, &smtp_address_in(&log), mode);
        server.kill().unwrap();
        server.wait().unwrap();
        assert_eq!(std::fs::read_to_string(&stdout).unwrap(), printed, "{mode}");
    }
}
