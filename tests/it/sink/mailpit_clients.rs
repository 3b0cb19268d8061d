//! Client libraries for Mailpit, used with the inbox.

use std::path::Path;
use std::process::Command;

use movie_bag_testkit::{Home, Output, npm_packages, report_skipped};

/// The newest versions that run on Node 18.
const PACKAGES: [&str; 2] = ["mailpit-api@2.1.0", "cypress-mailpit@2.0.0"];

#[test]
fn clients_of_mailpit_work_with_a_base_url_that_ends_in_a_slash_too() {
    let modules = match npm_packages("mailpit-clients", &PACKAGES) {
        Ok(modules) => modules,
        Err(why) => {
            report_skipped("clients of Mailpit", &why, "Put npm and Node on the PATH.");
            return;
        }
    };
    let home = Home::fresh();
    let sink = home.sink(&[]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/sink/mailpit_clients.js");
    let mut node = Command::new("node");
    node.arg(script)
        .arg(format!("http://{}", sink.web()))
        .env("NODE_PATH", modules);
    Output::run(node, "").ok();
}
