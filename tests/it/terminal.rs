//! The command line: exit codes, stdout and stderr, JSON.

pub mod prompts;

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

use movie_bag_testkit::{Home, NEW_PASSWORD, PASSWORD, Person};

const ANN: &str = "ann@example.com";

pub fn each_outcome_has_its_exit_code(home: Home) {
    home.create_account(ANN, PASSWORD);
    let cases: &[(&[&str], &str, i32)] = &[
        (&["--version"], "", 0),
        (&["user", "list"], "", 0),
        (&["user", "show", "--email", ANN], "", 0),
        (&["nonsense"], "", 2),
        (
            &["user", "create", "--email", ANN, "--password", "secret"],
            "",
            2,
        ),
        (&["--env-file", "nowhere.env", "user", "list"], "", 2),
        (&["--database", "oracle:x", "user", "list"], "", 2),
        (
            &["user", "create", "--email", "nonsense", "--password-stdin"],
            "correct horse battery\n",
            2,
        ),
        (&["user", "show", "--email", "unknown@example.com"], "", 3),
        (
            &["user", "delete", "--email", "unknown@example.com", "--yes"],
            "",
            3,
        ),
        (
            &[
                "user",
                "set-password",
                "--email",
                "unknown@example.com",
                "--password-stdin",
            ],
            "correct horse battery\n",
            3,
        ),
        (&["forgot", "--email", "unknown@example.com"], "", 3),
        (
            &["reset", "--token", "nonsense", "--password-stdin"],
            "correct horse battery\n",
            4,
        ),
        (
            &[
                "user",
                "create",
                "--email",
                "bob@example.com",
                "--password-stdin",
            ],
            "short\n",
            5,
        ),
        (
            &[
                "user",
                "create",
                "--email",
                "Ann@Example.com",
                "--password-stdin",
            ],
            "correct horse battery\n",
            6,
        ),
        (
            &[
                "--database",
                "sqlite:/proc/nowhere/x.sqlite3",
                "user",
                "list",
            ],
            "",
            7,
        ),
    ];
    for (arguments, input, code) in cases {
        let output = home.run_with_input(arguments, input);
        assert_eq!(output.code, Some(*code), "{arguments:?}: {output:?}");
        if *code != 0 {
            assert!(
                output.stderr.contains("error:") && output.stdout.is_empty(),
                "{arguments:?}: {output:?}"
            );
            let json = home
                .run_with_input(&[&["--json"], *arguments].concat(), input)
                .exits(*code);
            let error = &json.json()["error"];
            assert!(
                error["code"].is_string()
                    && error["message"].is_string()
                    && error.get("hint").is_some(),
                "{arguments:?}: {json:?}"
            );
        }
    }
}

#[test]
fn an_unreachable_mail_server_is_exit_code_7_and_the_mail_stays_queued() {
    let home = Home::fresh().with("MAIL_PORT", "1");
    home.create_account(ANN, PASSWORD);
    let output = home.run(&["forgot", "--email", ANN]).exits(7);
    assert!(
        output
            .stderr
            .contains("cannot connect to mail server localhost:1: connection refused")
            && output.stderr.contains("smtp-debug"),
        "{}",
        output.stderr
    );
    let shown = home
        .run(&["user", "show", "--email", ANN, "--json"])
        .ok()
        .json();
    assert_eq!(shown["mails"][0]["state"], "waiting");
    let kinds: Vec<_> = shown["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["mail_failed", "reset_requested", "created"]);
}

#[test]
fn a_confirmation_that_cannot_be_sent_is_a_warning() {
    let home = Home::fresh().with("MAIL_PORT", "1");
    home.create_account(ANN, PASSWORD);
    let link = home
        .run(&["forgot", "--email", ANN, "--print-link"])
        .ok()
        .stdout;
    // Link and password on standard input, so that neither is in the process list.
    let output = home
        .run_with_input(
            &["reset", "--token", "-", "--password-stdin"],
            &format!("{link}{NEW_PASSWORD}\n"),
        )
        .ok();
    assert!(output.stderr.contains("warning"), "{}", output.stderr);
}

#[test]
fn the_answer_is_on_stdout_and_as_json_with_the_option() {
    let home = Home::fresh();
    let created = home
        .run_with_input(
            &[
                "--json",
                "user",
                "create",
                "--email",
                ANN,
                "--password-stdin",
            ],
            "correct horse battery\n",
        )
        .ok();
    assert_eq!(created.json()["email"], ANN);
    let generated = home
        .run(&[
            "--json",
            "user",
            "create",
            "--email",
            "bob@example.com",
            "--generate",
        ])
        .ok();
    assert!(
        generated.json()["password"]
            .as_str()
            .is_some_and(|password| password.len() >= 16),
        "{generated:?}"
    );
    let listed = home.run(&["--json", "user", "list"]).ok();
    let emails: Vec<String> = listed
        .stdout
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["email"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(emails.len(), 2);
    let link = home
        .run(&["--json", "forgot", "--email", ANN, "--print-link"])
        .ok()
        .json();
    assert!(link["link"].as_str().unwrap().contains("/reset/") && link["expires_at"].is_string());
    let shown = home.run(&["user", "show", "--email", ANN]).ok();
    assert!(
        !shown.stdout.contains("$2b$") && !shown.stdout.contains('\u{1b}'),
        "{}",
        shown.stdout
    );
    home.run(&["user", "delete", "--email", ANN, "--yes"]).ok();
    home.run(&["user", "show", "--email", ANN]).exits(3);
}

#[test]
fn a_write_error_is_a_failure_and_a_closed_pipe_is_not() {
    // The default port is that of a developer's sink, which may be running.
    let home = Home::fresh().with("MAIL_PORT", "1");
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = home.command(&["user", "create", "--email", ANN, "--generate"]);
    let ended = command.stdout(full).output().unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("no space left"), "{stderr}");

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = home.command(&["user", "list"]);
    let ended = command.stdout(writer).output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert!(ended.stderr.is_empty(), "{ended:?}");

    // A generated password that is lost is a failure, since it cannot be shown again.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = home.command(&["user", "set-password", "--email", ANN, "--generate"]);
    let ended = command.stdout(writer).output().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
}

#[test]
fn the_sink_prints_messages_as_json_lines_with_the_option() {
    let home = Home::fresh();
    let server = home.serve(&["--json"]);
    server.sign_up(ANN, PASSWORD);
    let token = server.reset_token(ANN);
    server.reset(&token, NEW_PASSWORD).is(200);
    let subject = "[Movie-bag] Your password was changed";
    server.inbox().wait_for_count(ANN, subject, 1);
    let stdout = server.stdout_once(|stdout| stdout.lines().count() >= 2);
    let mails: Vec<serde_json::Value> = stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(mails.len(), 2, "{stdout}");
    assert_eq!(mails[1]["subject"], subject, "{stdout}");
}

#[test]
fn set_password_notifies_the_owner() {
    let home = Home::fresh();
    let sink = home.sink(&[]);
    let home = home.with("MAIL_PORT", sink.port());
    home.create_account(ANN, PASSWORD);
    home.run_with_input(
        &["user", "set-password", "--email", ANN, "--password-stdin"],
        &format!("{NEW_PASSWORD}\n"),
    )
    .ok();
    assert_eq!(
        sink.inbox().wait_for(ANN).subject,
        "[Movie-bag] Your password was changed"
    );
}

#[test]
fn revoking_ends_all_sessions_and_notifies_the_owner() {
    let home = Home::fresh();
    let server = home.serve(&[]);
    let port = server.smtp().rsplit_once(':').unwrap().1.to_owned();
    let home = home.with("MAIL_PORT", port);
    server.sign_up(ANN, PASSWORD);
    let (access, reset) = (server.access_token(ANN, PASSWORD), home.reset_token(ANN));
    let movie = serde_json::json!({"name": "Faust", "casts": ["a"], "genres": ["b"]}).to_string();
    let add = || server.send("POST", "/api/movies", Some(&access), &movie);
    add().is(200);
    home.run(&["user", "revoke", "--email", ANN]).ok();
    add().fails_with(401, "invalid_access_token");
    assert_eq!(home.history(ANN)[0]["kind"], "mail_sent");
    assert_eq!(home.history(ANN)[1]["kind"], "access_revoked");
    let mail = server.inbox().wait_for(ANN);
    assert!(mail.text.contains("an administrator"), "{}", mail.text);
    // The password and an earlier reset link remain valid.
    server.access_token(ANN, PASSWORD);
    server.reset(&reset, NEW_PASSWORD).is(200);
    home.run(&["user", "revoke", "--email", "unknown@example.com"])
        .exits(3);
}

#[test]
fn a_disabled_account_is_reported_by_each_command() {
    // A mail would be reported as queued.
    let home = Home::fresh().with("MAIL_PORT", "1");
    home.create_account(ANN, PASSWORD);
    home.run(&["user", "disable", ANN]).exits(2);
    home.run(&["user", "disable", "--yes"]).exits(2);
    home.run(&["user", "disable", ANN, "--email", ANN, "--yes"])
        .exits(2);
    home.run(&["user", "disable", ANN, "--yes", "--reason", "two\nlines"])
        .exits(2);
    assert_eq!(home.history(ANN).len(), 1);
    home.run(&["user", "disable", "--email", ANN, "--yes"]).ok();
    let again = home.run(&["user", "disable", ANN]).ok();
    assert!(again.stdout.contains("already disabled"), "{again:?}");
    for arguments in [
        &["forgot", "--email", ANN][..],
        &["forgot", "--email", ANN, "--print-link"],
        &["user", "revoke", "--email", ANN],
    ] {
        let refused = home.run(arguments).exits(1);
        assert!(refused.stderr.contains("is disabled"), "{refused:?}");
        assert!(refused.stderr.contains("user enable"), "{refused:?}");
    }
    let set = ["user", "set-password", "--email", ANN, "--generate"];
    let set = home.run(&set).ok();
    assert!(set.stderr.contains("the account is disabled"), "{set:?}");
    let exported = home.run(&["user", "export"]).ok();
    assert!(
        exported.stderr.contains("1 disabled account"),
        "{exported:?}"
    );
    let kinds = home.history(ANN);
    let kinds: Vec<_> = kinds.iter().map(|event| &event["kind"]).collect();
    assert_eq!(kinds, ["password_set", "disabled", "created"]);
    assert_eq!(home.outbox().len(), 0);
    home.run(&["user", "enable", "--email", ANN]).ok();
    let again = home.run(&["user", "enable", ANN]).ok();
    assert!(again.stdout.contains("not disabled"), "{again:?}");
    let listed = home.run(&["user", "list", "--disabled"]).ok();
    assert_eq!(listed.stdout, "");
}

#[test]
fn changing_the_address_notifies_both_addresses() {
    const NEW: &str = "ann.new@example.com";
    let home = Home::fresh();
    let server = home.serve(&[]);
    let port = server.smtp().rsplit_once(':').unwrap().1.to_owned();
    let home = home.with("MAIL_PORT", port);
    server.sign_up(ANN, PASSWORD);
    server.sign_up("bob@example.com", PASSWORD);
    let set_email =
        |from: &str, to: &str| home.run(&["user", "set-email", "--email", from, "--to", to]);
    set_email(ANN, "bob@example.com").exits(6);
    set_email("unknown@example.com", NEW).exits(3);
    set_email(ANN, "no address").exits(2);
    assert!(server.inbox().messages().is_empty());
    set_email(ANN, NEW).ok();
    for address in [ANN, NEW] {
        let mail = server.inbox().wait_for(address);
        assert!(mail.text.contains(address), "{}", mail.text);
    }
    let history = home.history(NEW);
    assert!(
        history
            .iter()
            .any(|event| event["kind"] == "address_changed")
    );
    server.log_in(ANN, PASSWORD).fails_with(401, "unauthorized");
    server.access_token(NEW, PASSWORD);
}

#[test]
fn an_invited_person_chooses_the_password() {
    let home = Home::fresh();
    let sink = home.sink(&[]);
    let home = home.with("MAIL_PORT", sink.port());
    let created = home
        .run(&["--json", "user", "create", "--email", ANN, "--invite"])
        .ok()
        .json();
    assert_eq!(created["invitation_sent"], true);
    let link = sink.inbox().wait_for(ANN).link().to_owned();
    home.run_with_input(
        &["reset", "--token", &link, "--password-stdin"],
        &format!("{PASSWORD}\n"),
    )
    .ok();
    let server = home.serve_alone(&[]);
    server.access_token(ANN, PASSWORD);
}

#[test]
fn a_message_is_not_interrupted_by_log_lines_on_a_terminal() {
    const MAILS: usize = 30;
    const LINES: usize = 300;
    let home = Home::fresh().with("MOVIE_BAG_LOG", "info");
    let mut person = Person::runs_at_width(
        &home.command(&[
            "serve",
            "--bind",
            "127.0.0.1:0",
            "--smtp-debug",
            "--listen",
            "127.0.0.1:0",
            "--web",
            "127.0.0.1:0",
        ]),
        200,
    );
    person.sees("SMTP on ");
    let smtp = person.rest_of_line();
    person.sees("movie-bag listens on ");
    let api = person.rest_of_line();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            // Each response is a line in the log.
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    ureq::get(format!("{api}/api/movies")).call().unwrap();
                }
            });
        }
        let mut session = TcpStream::connect(&smtp).unwrap();
        let text = |mail: usize| -> String {
            let line = |line| format!("mail {mail} line {line}\r\n");
            (0..LINES).map(line).collect()
        };
        let envelope = "MAIL FROM:<shop@example.com>\r\nRCPT TO:<ann@example.com>\r\nDATA\r\n";
        session.write_all(b"EHLO shop.example\r\n").unwrap();
        for mail in 0..MAILS {
            let message = format!("Subject: {mail}\r\n\r\n{}.\r\n", text(mail));
            session.write_all(envelope.as_bytes()).unwrap();
            session.write_all(message.as_bytes()).unwrap();
            person.sees(&format!("mail {mail} line {}\r\n", LINES - 1));
        }
        is_done.store(true, Ordering::Relaxed);
    });
    person.types("\x03");
    let screen = person.ends(0);
    let lines: Vec<&str> = screen.lines().map(str::trim).collect();
    let starts_at = |text: &str| lines.iter().position(|line| *line == text).unwrap();
    for mail in 0..MAILS {
        let first = starts_at(&format!("mail {mail} line 0"));
        for line in 0..LINES {
            assert_eq!(lines[first + line], format!("mail {mail} line {line}"));
        }
    }
    let mails = starts_at("mail 0 line 0")..starts_at(&format!("mail {} line 0", MAILS - 1));
    let logged = lines[mails].iter().filter(|line| line.contains("answered"));
    assert!(logged.count() > MAILS, "{screen}");
}
