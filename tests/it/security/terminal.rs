//! C: commands of the administrator.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Stdio;

use movie_bag_testkit::{Home, NEW_PASSWORD, PASSWORD, wait_until};

use super::{ANN, CONFIRMATION};

pub fn secrets_need_not_be_arguments(home: Home) {
    home.create_account(ANN, PASSWORD);
    for arguments in [
        ["user", "create", "--email", "bob@example.com"].as_slice(),
        &["user", "set-password", "--email", ANN],
        &["reset", "--token", "x"],
    ] {
        let with_password = [arguments, &["--password", NEW_PASSWORD]].concat();
        home.run(&with_password).exits(2);
    }
    // Token and password on standard input: `ps` shows only the arguments and the environment.
    let link = home.run(&["forgot", "--email", ANN, "--print-link"]).ok();
    let link = link.stdout.trim().to_owned();
    let mut reset = home
        .command(&["reset", "--token", "-", "--password-stdin"])
        .env("MAIL_PORT", "1")
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let shown = |file: &str| std::fs::read(format!("/proc/{}/{file}", reset.id())).unwrap();
    wait_until("the command runs", || {
        String::from_utf8_lossy(&shown("cmdline")).contains("--password-stdin")
    });
    let seen = [shown("cmdline"), shown("environ")].concat();
    let seen = String::from_utf8_lossy(&seen).into_owned();
    let token = link.rsplit_once('/').unwrap().1;
    assert!(!seen.contains(token) && !seen.contains(NEW_PASSWORD));
    let mut stdin = reset.stdin.take().unwrap();
    write!(stdin, "{link}\n{NEW_PASSWORD}\n").unwrap();
    drop(stdin);
    assert!(reset.wait().unwrap().success());
    home.serve(&[]).access_token(ANN, NEW_PASSWORD);
}

pub fn a_printed_link_is_in_the_history(home: Home) {
    let sink = home.sink(&[]);
    let mut printing = home.command(&["forgot", "--email", ANN, "--print-link"]);
    printing.env("MAIL_PORT", "1");
    home.create_account(ANN, PASSWORD);
    let printed = movie_bag_testkit::Output::run(printing, "").ok();
    assert_eq!(
        printed.stdout.lines().count(),
        1,
        "the link and nothing else"
    );
    let event = &home.history(ANN)[0];
    assert_eq!(event["kind"], "reset_requested");
    assert!(event["origin"].as_str().unwrap().contains("terminal"));
    assert!(
        event["detail"].as_str().unwrap().contains("print"),
        "{event}"
    );
    assert!(home.outbox().is_empty(), "no mail waits");
    // The owner is notified.
    let home = home.with("MAIL_PORT", sink.port());
    home.reset(printed.stdout.trim(), NEW_PASSWORD).ok();
    sink.inbox().wait_for_count(ANN, CONFIRMATION, 1);
}

pub fn revealing_settings_are_off_or_reported(home: Home) {
    let server = home.serve(&[]);
    assert!(!server.stderr().contains("metrics"), "{}", server.stderr());
    for path in ["/metrics", "/api/metrics", "/debug", "/admin", "/.env"] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    let checked = home.run(&["check", "--deploy"]).exits(1);
    assert!(
        checked.stdout.contains("MOVIE_BAG_SIGNUP"),
        "{}",
        checked.stdout
    );
    assert!(checked.stdout.contains("sign-up"), "{}", checked.stdout);
    // An address that other machines can reach is reported.
    let everywhere = home.with("MOVIE_BAG_METRICS_BIND", "0.0.0.0:9090");
    let checked = everywhere.run(&["check", "--deploy"]).exits(1);
    assert!(
        checked.stdout.contains("MOVIE_BAG_METRICS_BIND"),
        "{}",
        checked.stdout
    );
}

/// Labels are taken from sets that are fixed at the start, and do not depend on requests.
pub fn metrics_contain_no_personal_data(home: Home) {
    let home = home.with("MOVIE_BAG_METRICS_BIND", "127.0.0.1:0");
    let server = home.serve(&[]);
    let labels = |text: &str| -> BTreeSet<String> {
        let series = text.lines().filter(|line| !line.starts_with('#'));
        series
            .map(|line| line.rsplit_once(' ').unwrap().0.to_owned())
            .collect()
    };
    let id = server.sign_up(ANN, PASSWORD);
    let access = server.access_token(ANN, PASSWORD);
    let token = server.reset_token(ANN);
    let send_requests = |number: usize| {
        let address = format!("user{number}@example.com");
        server.get(&format!("/reset/{token}{number}"));
        server.get(&format!("/nowhere/{number}?q={token}"));
        server.log_in(&address, "wrong wrong");
        server.raw(format!("M{number} / HTTP/1.1\r\nHost: h{number}\r\n\r\n").as_bytes());
        server.send("GET", &format!("/api/movies/{number}"), Some(&access), "");
    };
    send_requests(0);
    let before = server.metrics().is(200).text;
    (1..100).for_each(send_requests);
    let after = server.metrics().is(200).text;
    assert_eq!(
        labels(&before),
        labels(&after),
        "the same series, only higher"
    );
    for private in [
        ANN,
        "user",
        "@",
        "nowhere",
        "127.0.0.1",
        "h7",
        &id,
        &token,
        &access,
    ] {
        assert!(!after.contains(private), "{private}: {after}");
    }
}
