//! The description of the API is true: schemathesis reads it, calls everything in it with what it allows and with what
//! it forbids, and compares the answers.

use std::path::Path;
use std::process::Command;

use crate::harness::{Home, PASSWORD, virtual_env};

/// Another version finds other things: it is changed by hand, and what it finds is mended then.
const PACKAGES: &[&str] = &["schemathesis==4.32.5"];

#[test]
fn the_description_is_true() {
    let python = match virtual_env::install("test-schemathesis", PACKAGES) {
        Ok(python) => python,
        Err(why) => {
            virtual_env::left_out(
                "the comparison of the API with its description",
                &why,
                "Put Python 3.10 to 3.13 on the PATH.",
            );
            return;
        }
    };
    let home = Home::fresh();
    let server = home.serve(&[]);
    // Whom the examples in the document name.
    server.sign_up("ann@example.com", PASSWORD);
    // Who calls, and is named nowhere in the document: a sign-up or reset of the other must not end this login.
    server.sign_up("bob@example.com", PASSWORD);
    let token = server.access_token("bob@example.com", PASSWORD);
    let output = Command::new(python.with_file_name("schemathesis"))
        .arg("run")
        .arg(format!("http://{}/openapi.json", server.address()))
        .env("ACCESS_TOKEN", token)
        .env("NO_COLOR", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // Where its settings are; it writes nothing.
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
