//! Delivery to the mail server, tested with `check --send-test-mail`, and the settings of mail.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use movie_bag_testkit::markdown::Page;
use movie_bag_testkit::{Fault, Home, MailServer, NEW_PASSWORD, PASSWORD};

const ANN: &str = "ann@example.com";

/// Starts a mail server that accepts every login and no mail. Returns its port.
fn start_refusing_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            refuse(stream.unwrap());
        }
    });
    port
}

fn refuse(mut stream: TcpStream) {
    stream.write_all(b"220 no.example ESMTP\r\n").unwrap();
    let commands = BufReader::new(stream.try_clone().unwrap()).lines();
    for command in commands.map_while(Result::ok) {
        let reply = match command.get(..4).unwrap_or_default() {
            "EHLO" => "250-no.example\r\n250 AUTH PLAIN",
            "AUTH" => "235 2.7.0 welcome",
            "MAIL" => "250 2.1.0 go on",
            _ => "550 5.7.1 \u{1b}[31mrelaying denied",
        };
        if stream.write_all(format!("{reply}\r\n").as_bytes()).is_err() {
            return;
        }
    }
}

/// Returns the steps of a dialogue: name, whether it succeeded, reply.
fn steps(answer: &Value) -> Vec<(String, bool, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let steps = answer["dialogue"].as_array().unwrap().iter();
    steps
        .map(|step| {
            let is_done = step["ok"].as_bool().unwrap();
            (text(&step["step"]), is_done, text(&step["said"]))
        })
        .collect()
}

fn check<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let checks = answer["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap()
}

#[test]
fn a_test_mail_shows_the_dialogue_and_arrives() {
    let home = Home::fresh();
    let sink = home.sink(&[]);
    let home = home.with("MAIL_PORT", sink.port());
    let arguments = ["check", "--send-test-mail", " Ann@Example.com", "--json"];
    let answer = home.run(&arguments).ok().json();
    let steps = steps(&answer);
    let names: Vec<&str> = steps.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "connect", "greeting", "EHLO", "MAIL", "RCPT", "DATA", "message"
        ]
    );
    assert!(steps.iter().all(|(_, is_done, _)| *is_done), "{steps:?}");
    assert!(steps[2].2.contains("as movie-bag.com, offered ") && steps[2].2.contains("SMTPUTF8"));
    assert_eq!(check(&answer, "test mail")["verdict"], "ok");
    let mail = sink.inbox().wait_for(ANN);
    assert_eq!(mail.subject, "Test mail: [Movie-bag] Reset your password");
    assert!(mail.raw.contains("Auto-Submitted: auto-generated"));
    assert!(mail.message_id.ends_with("@movie-bag.com"), "{mail:?}");
    // The test mail belongs to no account, and the check creates no database.
    assert!(!home.data_dir().join("movie-bag.sqlite3").exists());

    let output = home.run(&["check", "--send-test-mail", ANN]).ok();
    let text = output.words();
    for line in [
        "ok greeting 220 ",
        "ok RCPT RCPT TO:<ann@example.com>: 250 ",
        "ok message 250 ",
        "ok test mail localhost:",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn a_refused_test_mail_shows_the_failed_step_and_a_hint() {
    let unreachable = Home::fresh().with("MAIL_PORT", "1");
    let output = unreachable
        .run(&["check", "--send-test-mail", ANN])
        .exits(1);
    for line in [
        "failed connect cannot connect to mail server localhost:1: connection refused",
        "error test mail cannot connect to mail server localhost:1",
        "hint: start \"movie-bag smtp-debug\" or set MAIL_SERVER",
    ] {
        assert!(output.words().contains(line), "{line}: {}", output.stdout);
    }

    let refused = Home::fresh()
        .with("MAIL_PORT", start_refusing_server().to_string())
        .with("MAIL_USERNAME", "support")
        .with("MAIL_PASSWORD", "hunter2hunter2");
    let arguments = ["check", "--send-test-mail", ANN, "--json"];
    let output = refused.run(&arguments).exits(1);
    let answer = output.json();
    let steps = steps(&answer);
    let (last, before) = steps.split_last().unwrap();
    assert!(before.iter().all(|(_, is_done, _)| *is_done), "{steps:?}");
    assert_eq!((last.0.as_str(), last.1), ("RCPT", false));
    assert!(
        last.2.contains("550 5.7.1  [31mrelaying denied"),
        "{last:?}"
    );
    let auth = before.iter().find(|(name, ..)| name == "AUTH").unwrap();
    assert_eq!(auth.2, "PLAIN: 235 2.7.0 welcome");
    let check = check(&answer, "test mail");
    assert_eq!(check["verdict"], "error");
    assert_eq!(
        check["hint"],
        "allow this login to relay mails at that server"
    );
    // Neither in plaintext nor as sent.
    for secret in ["hunter2", "AHN1cHBvcnQAaHVudGVyMmh1bnRlcjI"] {
        assert!(!output.stdout.contains(secret) && !output.stderr.contains(secret));
    }
}

#[test]
fn a_test_mail_resembles_a_reset_mail_and_has_an_invalid_link() {
    let home = Home::fresh();
    let sink = home.sink(&[]);
    let home = home.with("MAIL_PORT", sink.port());
    home.create_account(ANN, PASSWORD);
    home.run(&["check", "--send-test-mail", ANN]).ok();
    let test = sink.inbox().wait_for(ANN);
    home.run(&["inbox", "clear", "--url", &format!("http://{}", sink.web())])
        .ok();
    home.run(&["forgot", "--email", ANN]).ok();
    let real = sink.inbox().wait_for(ANN);
    assert_eq!(test.token().len(), real.token().len());
    assert_ne!(test.token(), real.token());
    assert!(
        test.raw
            .contains("this is a test, and its link does not work")
    );
    let difference = test.raw.len().abs_diff(real.raw.len());
    assert!(difference < 400, "{}, {}", test.raw.len(), real.raw.len());
    home.reset(&test.token(), NEW_PASSWORD).exits(4);
    home.reset(&real.token(), NEW_PASSWORD).ok();
}

#[test]
fn a_test_mail_shows_that_reset_mails_are_too_large_for_the_server() {
    let home = Home::fresh();
    // A short mail of two sentences would pass.
    let sink = home.sink(&["--max-size", "1500"]);
    let home = home.with("MAIL_PORT", sink.port());
    let output = home
        .run(&["check", "--send-test-mail", ANN, "--json"])
        .exits(1);
    let answer = output.json();
    let check = check(&answer, "test mail");
    assert_eq!(check["verdict"], "error");
    let hint = check["hint"].as_str().unwrap();
    assert!(hint.contains("message size limit"), "{hint}");
}

/// Uses the reply of Postfix with postgrey to a first attempt.
#[test]
fn a_greylisted_test_mail_gets_the_hint_to_try_again() {
    let greylisting = MailServer::start(&[Fault::AnswersRcpt(
        "450 4.2.0 <localhost[127.0.0.1]>: Client host rejected: Greylisted, see http://postgrey.schweikert.ch/help/lab.test.html",
    )]);
    let home = Home::fresh().with("MAIL_PORT", greylisting.port());
    let arguments = ["check", "--send-test-mail", ANN, "--json"];
    let answer = home.run(&arguments).exits(1).json();
    let check = check(&answer, "test mail");
    let hint = check["hint"].as_str().unwrap();
    assert!(
        hint.starts_with("run \"movie-bag check --send-test-mail\" again in a few minutes"),
        "{hint}"
    );
    home.run(&arguments).ok();
    assert_eq!(greylisting.stored().len(), 1);
}

#[test]
fn a_test_mail_needs_an_address() {
    for address in ["nonsense", "ann@example.com, bob@example.com", ""] {
        let arguments = ["--json", "check", "--send-test-mail", address];
        let output = Home::fresh().run(&arguments).exits(2);
        assert_eq!(output.json()["error"]["code"], "invalid_email", "{address}");
    }
}

#[test]
fn an_invalid_certificate_file_stops_every_command() {
    let home = Home::fresh();
    home.write("empty.pem", "");
    home.write(
        "broken.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    for (file, words) in [
        ("nowhere.pem", "no such file"),
        ("empty.pem", "contains no certificate"),
        ("broken.pem", "certificate number 1 is invalid"),
    ] {
        let mut command = home.command(&["user", "list"]);
        command
            .env("MAIL_CA_FILE", file)
            .env("MAIL_USE_TLS", "true");
        let output = movie_bag_testkit::Output::run(command, "").exits(2);
        let named = format!("invalid MAIL_CA_FILE {file}: ");
        assert!(
            output.stderr.contains(&named) && output.stderr.contains(words),
            "{}",
            output.stderr
        );
    }
    let misspelt = Home::fresh().with("MAIL_CAFILE", "empty.pem");
    misspelt.create_account(ANN, PASSWORD);
    let output = misspelt.run(&["user", "list"]).ok();
    assert!(
        output.stderr.contains("did you mean MAIL_CA_FILE"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_password_sent_in_plaintext_is_a_warning() {
    let home_with_login = || {
        Home::fresh()
            .with("MAIL_USERNAME", "support")
            .with("MAIL_PASSWORD", "hunter2hunter2")
    };
    let remote = home_with_login().with("MAIL_SERVER", "smtp.example.com");
    remote.create_account(ANN, PASSWORD);
    let output = remote.run(&["user", "list"]).ok();
    assert!(
        output
            .stderr
            .contains("go to smtp.example.com in plaintext"),
        "{}",
        output.stderr
    );
    for quiet in [home_with_login(), with_encrypted_server(home_with_login())] {
        quiet.create_account(ANN, PASSWORD);
        let output = quiet.run(&["user", "list"]).ok();
        assert!(!output.stderr.contains("warning"), "{}", output.stderr);
    }
}

fn with_encrypted_server(home: Home) -> Home {
    home.with("MAIL_SERVER", "smtp.example.com")
        .with("MAIL_USE_TLS", "true")
}

#[test]
fn mails_name_an_administrator_and_the_history_names_the_user_of_the_server() {
    const OTHER: &str = "bob@example.com";
    let home = Home::fresh();
    let sink = home.sink(&[]);
    let home = home.with("MAIL_PORT", sink.port());
    home.create_account(ANN, PASSWORD);
    home.run(&["forgot", "--email", ANN]).ok();
    let arguments = ["user", "set-password", "--email", ANN, "--password-stdin"];
    home.run_with_input(&arguments, &format!("{NEW_PASSWORD}\n"))
        .ok();
    home.run(&["user", "revoke", "--email", ANN]).ok();
    home.run(&["user", "set-email", "--email", ANN, "--to", OTHER])
        .ok();
    let user = whoami::username().unwrap();
    let history = home.history(OTHER);
    for kind in [
        "reset_requested",
        "password_set",
        "access_revoked",
        "address_changed",
    ] {
        let mut events = history.iter();
        let event = events.find(|event| event["kind"] == kind).unwrap();
        assert_eq!(event["origin"], format!("terminal ({user})"), "{kind}");
    }
    let inbox = sink.inbox();
    let messages = inbox.messages();
    assert_eq!(messages.len(), 5, "{messages:?}");
    for message in messages {
        let mail = inbox.mail(message["ID"].as_str().unwrap());
        for part in [&mail.text, &mail.html] {
            assert!(part.contains("by: an administrator"), "{part}");
            for detail in ["terminal", &format!("user {user}"), &format!("({user})")] {
                assert!(!part.contains(detail), "{detail}: {part}");
            }
        }
        for line in mail.text.lines() {
            let is_link = line.starts_with("http");
            assert!(line.chars().count() <= 72 || is_link, "{line}");
        }
    }
}

#[test]
fn an_invitation_states_its_origin_and_its_lifetime() {
    let home = Home::fresh()
        .with("MOVIE_BAG_PUBLIC_URL", "https://movies.example/accounts")
        .with("MOVIE_BAG_INVITATION_LIFETIME", "3d")
        .with("MOVIE_BAG_RESET_TOKEN_LIFETIME", "2h");
    let sink = home.sink(&[]);
    let home = home.with("MAIL_PORT", sink.port());
    home.run(&["user", "create", "--email", ANN, "--invite"])
        .ok();
    let mail = sink.inbox().wait_for(ANN);
    assert_eq!(mail.subject, "[Movie-bag] Choose your password");
    let payload = mail.token().split('.').nth(1).unwrap().to_owned();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let expiry = jiff::Timestamp::from_second(claims["exp"].as_i64().unwrap()).unwrap();
    let expiry = expiry.strftime("%-d %B %Y, %H:%M UTC").to_string();
    for part in [&mail.text, &mail.html] {
        let without_tags = part.replace("<strong>", "").replace("</strong>", "");
        let without_tags = without_tags.replace("<span style=\"white-space: nowrap;\">", "");
        let words = without_tags
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        for expected in [
            "You are invited to Movie-bag at movies.example/accounts. An administrator created an account for you",
            "It is valid for 3 days from the invitation",
            &expiry,
        ] {
            assert!(words.contains(expected), "{expected}: {words}");
        }
    }
}

/// Returns the blocks of settings in the documentation that name a mail server, each with its place.
fn documented_settings() -> Vec<(String, String)> {
    let pages = Page::all().into_iter();
    let blocks = pages.flat_map(|page| {
        let path = page.path;
        let blocks = page.blocks.into_iter();
        blocks.map(move |block| (format!("{path}:{}", block.line), block))
    });
    let names_server = |text: &str| text.lines().any(|line| line.starts_with("MAIL_SERVER"));
    blocks
        .filter(|(_, block)| matches!(block.language.as_deref(), None | Some("ini")))
        .filter(|(_, block)| names_server(&block.text))
        .map(|(place, block)| (place, block.text))
        .collect()
}

#[test]
fn documented_settings_of_mail_servers_are_accepted_as_they_are() {
    let all = documented_settings();
    assert!(all.len() >= 3, "{all:?}");
    for (place, settings) in all {
        let home = Home::fresh();
        // The file that the settings name is created here.
        let certificate = rcgen::generate_simple_self_signed(["relay.example".to_owned()]).unwrap();
        home.write("ca.pem", certificate.cert.pem());
        let lines = settings.lines().map(|line| match line.split_once('=') {
            Some((key, _)) if key.trim() == "MAIL_CA_FILE" => "MAIL_CA_FILE = ca.pem\n".to_owned(),
            _ => format!("{line}\n"),
        });
        home.write(".env", lines.collect::<String>());
        home.create_account(ANN, PASSWORD);
        let output = home.run(&["user", "list"]).ok();
        assert!(
            !output.stderr.contains("warning"),
            "{place}: {}",
            output.stderr
        );
    }
}
