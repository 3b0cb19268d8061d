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
    // The caller. The document names neither the address nor the password: its examples do not delete this account.
    let (email, password) = ("bob@example.com", "not in the document");
    server.sign_up(email, password);
    let login = format!("http://{}/api/auth/login", server.address());
    let output = Command::new(python.with_file_name("schemathesis"))
        .arg("run")
        .arg(format!("http://{}/openapi.json", server.address()))
        .env("LOGIN_URL", login)
        .env("EMAIL", email)
        .env("PASSWORD", password)
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
