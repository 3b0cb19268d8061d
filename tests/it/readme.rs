//! The shell blocks of README.md, pasted one after the other into one shell beside a running server.

use crate::harness::mongodb::FreshDatabase;
use crate::harness::{Home, PASSWORD, Shell};

/// What a block says of a machine that is not this one, by what stands for it here.
struct Rule {
    says: &'static str,
    here: String,
}

#[test]
fn the_shell_blocks_of_the_readme_do_what_they_say() {
    let home = Home::fresh();
    let Some(database) = FreshDatabase::shared() else {
        return;
    };
    let Some(shell) = Shell::in_home(&home) else {
        return;
    };
    // Two mails that were given up, to be retried and dropped.
    home.create_account("dora@example.com", PASSWORD);
    let refusing = home.sink(&["--fail", "message:*:550"]);
    for _ in 0..2 {
        let mut forgot = home.command(&["forgot", "--email", "dora@example.com"]);
        forgot.env("MAIL_PORT", refusing.port());
        crate::harness::Output::of(forgot, "").exits(1);
    }
    // The one that the first block starts and goes on running.
    let server = home.serve(&[]);
    let shell = shell
        .with("MAIL_PORT", server.smtp().rsplit_once(':').unwrap().1)
        .with("MOVIE_BAG_INBOX_URL", server.inbox().address());
    let rules = [
        // Ports are free ones, since tests run beside each other.
        Rule {
            says: "http://localhost:3000",
            here: format!("http://{}", server.address()),
        },
        // The id of some mail, as "outbox list" shows it.
        Rule {
            says: "6b04933dbb18cc05d63b86dd",
            here: "$(movie-bag outbox list --json | jq -rn 'first(inputs).id')".to_owned(),
        },
        Rule {
            says: "mongodb://db1.example/movie-bag?replicaSet=rs0",
            here: database.uri.clone(),
        },
    ];
    let mut script = blocks(include_str!("../../README.md")).join("\n");
    for Rule { says, here } in &rules {
        assert!(
            script.contains(says),
            "no block says {says}: the rule is stale"
        );
        script = script.replace(says, here);
    }
    let screen = shell.exits(&script, 0);
    let opened = std::fs::read_to_string(home.path().join("opened")).unwrap();
    assert!(opened.contains("/reset/"), "{opened}: {screen}");
    // What it was all about.
    server.access_token("ann@example.com", "staple of another kind");
    server.access_token("bob@example.com", PASSWORD);
    assert!(home.path().join("look.html").is_file() && home.path().join("all.csv").is_file());
}

/// What stands between three backticks with `sh` and the next three.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while lines.by_ref().any(|line| line == "```sh") {
        let block = lines.by_ref().take_while(|line| *line != "```");
        blocks.push(block.map(|line| format!("{line}\n")).collect());
    }
    assert!(!blocks.is_empty());
    blocks
}

#[test]
fn a_block_that_fails_or_that_nothing_knows_how_to_run_is_a_failure() {
    let home = Home::fresh();
    let Some(shell) = Shell::in_home(&home) else {
        return;
    };
    shell.exits(
        "movie-bag templates list\nmovie-bag forgot --email unknown@example.com\ntrue",
        3,
    );
    shell.exits("systemctl restart movie-bag\ntrue", 127);
    shell.exits("cargo publish\ntrue", 1);
    shell.exits(
        "movie-bag inbox list --url http://127.0.0.1:1 | cat\ntrue",
        7,
    );
    shell.exits("movie-bag serve --bind nonsense\ntrue", 2);
}
