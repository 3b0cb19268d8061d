//! The procedures of `docs/operations.md`, carried out with the running binary.

use serde_json::json;

use movie_bag_testkit::markdown::Page;
use movie_bag_testkit::{
    Fault, Home, MailServer, NEW_PASSWORD, PASSWORD, unpack_package, wait_for, wait_until,
};

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";
const RESET: &str = "[Movie-bag] Reset your password";
const OLD_SECRET: &str = "what signed until today, and is 32 bytes long";
const NEW_SECRET: &str = "what signs from today on, and is as long";

movie_bag_testkit::on_every_database! {
    the_secret_is_rotated_step_by_step,
}

/// Returns whether an access token is accepted.
fn is_accepted(server: &movie_bag_testkit::Server, access: &str) -> bool {
    let movie = json!({"name": access, "casts": ["a"], "genres": ["b"]}).to_string();
    let answer = server.send("POST", "/api/movies", Some(access), &movie);
    assert!([200, 400, 401].contains(&answer.status), "{}", answer.text);
    answer.status != 401
}

fn the_secret_is_rotated_step_by_step(home: Home) {
    let home = home.with("JWT_SECRET_KEY", OLD_SECRET);
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    server.sign_up(BOB, PASSWORD);
    let access = server.access_token(ANN, PASSWORD);
    let first_link = server.reset_token(ANN);
    let second_link = server.reset_token(ANN);
    assert!(server.stop().success());
    // The token of a mail in the outbox is bound to the old secret.
    let mut forgot = home.command(&["forgot", "--email", BOB]);
    forgot.env("MAIL_PORT", "1");
    movie_bag_testkit::Output::run(forgot, "").exits(7);

    // Both secrets: tokens of the old one are accepted, new tokens are signed with the new one.
    let both = home
        .with("JWT_SECRET_KEY", NEW_SECRET)
        .with("JWT_SECRET_KEY_PREVIOUS", OLD_SECRET);
    let server = both.serve(&[]);
    assert!(is_accepted(&server, &access));
    server.get(&format!("/reset/{first_link}")).is(200);
    let queued_link = server.inbox().wait_for_count(BOB, RESET, 1).token();
    let new_access = server.access_token(ANN, PASSWORD);
    let new_link = server.reset_token(BOB);
    assert!(server.stop().success());

    // The new secret alone.
    let done = both.with("JWT_SECRET_KEY_PREVIOUS", "");
    let server = done.serve(&[]);
    assert!(!is_accepted(&server, &access));
    for old in [&first_link, &second_link] {
        server.reset(old, NEW_PASSWORD).fails_with(403, "bad_token");
    }
    assert!(is_accepted(&server, &new_access));
    server.get(&format!("/reset/{queued_link}")).is(200);
    server.reset(&new_link, NEW_PASSWORD).is(200);
    server.access_token(BOB, NEW_PASSWORD);
}

/// Creates a home with nothing but these files in its data folder.
fn restored(files: &[(&std::path::Path, &str)]) -> Home {
    let home = Home::fresh();
    std::fs::create_dir_all(home.data_dir()).unwrap();
    for (file, name) in files {
        std::fs::copy(file, home.data_dir().join(name)).unwrap();
    }
    home
}

#[test]
fn a_backup_of_sqlite_is_taken_while_the_server_works_and_restored() {
    let home = Home::fresh();
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let access = server.access_token(ANN, PASSWORD);
    let link = server.reset_token(ANN);
    let backup = home.path().join("backup.sqlite3");
    std::thread::scope(|scope| {
        let signing_up = scope.spawn(|| {
            for number in 0..30 {
                server.sign_up(&format!("user{number}@example.com"), PASSWORD);
            }
        });
        let into = backup.display().to_string();
        home.database().execute("VACUUM INTO ?1", [into]).unwrap();
        signing_up.join().unwrap();
    });
    // After the backup, the link is used, which ends the session.
    server.reset(&link, NEW_PASSWORD).is(200);
    assert!(!is_accepted(&server, &access));
    server.kill();

    let secret = home.data_dir().join("jwt-secret");
    let database = (backup.as_path(), "movie-bag.sqlite3");
    let home = restored(&[database, (&secret, "jwt-secret")]);
    let server = home.serve(&[]);
    server.access_token(ANN, PASSWORD);
    server.log_in(ANN, NEW_PASSWORD).is(401);
    // The backup does not contain later changes: with the same secret, old access tokens and links are valid again.
    assert!(is_accepted(&server, &access));
    server.get(&format!("/reset/{link}")).is(200);
    assert!(server.stop().success());

    // With another secret they are invalid, so the manual requires a new one.
    let home = restored(&[database]);
    let server = home.serve(&[]);
    server.access_token(ANN, PASSWORD);
    assert!(!is_accepted(&server, &access));
    server
        .reset(&link, NEW_PASSWORD)
        .fails_with(403, "bad_token");
    let accounts = home.run(&["--json", "user", "list"]).ok().stdout;
    assert!(accounts.lines().count() >= 1, "{accounts}");
}

#[test]
fn a_copy_of_mongodb_into_a_file_is_a_backup() {
    let Some(home) = Home::on_mongodb() else {
        return;
    };
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let link = server.reset_token(ANN);
    // The mail has arrived, and its result may not be stored yet.
    wait_until("the outbox is empty", || home.outbox().is_empty());
    let file = home.path().join("backup.sqlite3");
    home.run(&["copy", "--to", &format!("sqlite:{}", file.display())])
        .ok();
    server.kill();
    let restored = restored(&[(file.as_path(), "movie-bag.sqlite3")])
        .with("JWT_SECRET_KEY", "what the servers of the tests share");
    let server = restored.serve(&[]);
    server.reset(&link, NEW_PASSWORD).is(200);
    server.access_token(ANN, NEW_PASSWORD);
}

/// The documented filter finds the client of each failed login in a real log, in both formats.
#[test]
fn fail2ban_reads_failed_logins() {
    let Some(files) = unpack_package("fail2ban", "fail2ban_reads_failed_logins") else {
        return;
    };
    let files = files.join("files");
    let page = Page::read("docs/operations.md");
    let mut blocks = page.blocks_in("ini");
    let filter = blocks.find(|block| block.text.starts_with("[Definition]"));
    let filter = &filter.unwrap().text;
    for format in ["text", "json"] {
        // The reply of a mail server is logged too, and the owner of the recipient's domain may choose it.
        const FORGED: &str = "450 4.2.0 2026-11-27T00:00:00.000000Z  INFO request{id=\"0\"}: login failed client=203.0.113.9";
        let mail = MailServer::start(&[Fault::AnswersRcpt(FORGED)]);
        let home = Home::fresh()
            .with("MAIL_PORT", mail.port())
            .with("MOVIE_BAG_LOG_FORMAT", format)
            .with("MOVIE_BAG_TRUSTED_PROXIES", "127.0.0.0/8");
        let server = home.serve_alone(&[]);
        server.sign_up(ANN, PASSWORD);
        let log_in = |email: &str, password: &str, client: &str| {
            let body = json!({"email": email, "password": password});
            server.post_with_header("/api/auth/login", body, ("X-Forwarded-For", client))
        };
        log_in(ANN, NEW_PASSWORD, "192.0.2.1").is(401);
        log_in(BOB, NEW_PASSWORD, "2001:db8::2").is(401);
        log_in("login failed client=192.0.2.66", "x", "192.0.2.3").is(401);
        log_in(ANN, PASSWORD, "192.0.2.4").is(200);
        server.forgot(ANN).is(200);
        wait_until("the reply is logged", || {
            server.stderr().contains("203.0.113.9")
        });
        let log = wait_for("the login is logged", || {
            let log = server.stderr();
            if log.contains("logged in") {
                Ok(log)
            } else {
                Err(log)
            }
        });
        assert!(!log.contains(ANN), "{log}");
        let filter = home.write("filter.conf", filter);
        let log = home.write("server.log", log);
        let found = std::process::Command::new("python3")
            .arg(files.join("usr/bin/fail2ban-regex"))
            .args(["--print-no-missed", "--out", "ip", "--config"])
            .arg(files.join("etc/fail2ban"))
            .args([log, filter])
            .env("PYTHONPATH", files.join("usr/lib/python3/dist-packages"))
            .output()
            .unwrap();
        let stdout = String::from_utf8_lossy(&found.stdout);
        let clients: Vec<_> = stdout.lines().collect();
        assert_eq!(
            clients,
            ["192.0.2.1", "2001:db8::2", "192.0.2.3"],
            "{format}: {found:?}"
        );
    }
}
