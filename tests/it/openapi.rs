//! The OpenAPI document is true: schemathesis calls every operation with valid and with invalid input, and compares the answers with
//! the document.

use std::path::Path;
use std::process::Command;

use movie_bag_testkit::{Home, PASSWORD, report_skipped, virtual_env};

/// Pinned by hand: another version finds other problems, which are fixed with the update.
const PACKAGES: &[&str] = &["schemathesis==4.32.5"];

#[test]
fn the_openapi_document_is_true() {
    let python = match virtual_env::install("test-schemathesis", PACKAGES) {
        Ok(python) => python,
        Err(why) => {
            report_skipped(
                "the comparison of the API with its description",
                &why,
                "Put Python 3.10 to 3.13 on the PATH.",
            );
            return;
        }
    };
    let home = Home::fresh();
    let server = home.serve(&[]);
    // The account that the examples in the document name.
    server.sign_up("ann@example.com", PASSWORD);
    // The caller, which the document does not name: a sign-up or reset of the other account must not end this session.
    server.sign_up("bob@example.com", PASSWORD);
    let token = server.access_token("bob@example.com", PASSWORD);
    let output = Command::new(python.with_file_name("schemathesis"))
        .arg("run")
        .arg(format!("http://{}/openapi.json", server.address()))
        .env("ACCESS_TOKEN", token)
        .env("NO_COLOR", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // Schemathesis reads its settings there, and writes nothing.
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
