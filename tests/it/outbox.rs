//! The outbox: no mail is lost although mail servers fail and servers die, and the commands of the administrator.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use movie_bag_testkit::{
    ClosedPort, Fault, Home, MailServer, PASSWORD, PATIENCE, Server, wait_until, wait_until_within,
};

movie_bag_testkit::on_every_database! {
    outbox_entries_are_listed_retried_and_dropped_on_the_terminal,
    a_flush_sends_all_waiting_mails_while_a_server_runs,
    a_flush_with_only_dead_mails_exits_with_1,
    an_invitation_that_is_not_sent_is_reported_as_queued_or_given_up,
    a_command_that_cannot_deliver_reports_the_cause_and_keeps_the_mail,
    many_mails_are_sent_over_few_connections,
}

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";

pub fn forgot(server: &Server, email: &str) {
    server
        .post("/api/auth/forgot", json!({"email": email}))
        .is(200);
}

/// Reads a number that makes a test larger than usual, for example `MOVIE_BAG_TEST_KILLS=100`.
fn test_size(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |number| number.parse().unwrap())
}

fn outbox_entries_are_listed_retried_and_dropped_on_the_terminal(home: Home) {
    let server = MailServer::start(&[
        Fault::AnswersRcpt("451 4.2.0 try later"),
        Fault::AnswersRcpt("550 5.1.1 no such user"),
        Fault::AnswersRcpt("550 5.1.1 still no such user"),
    ]);
    let home = home.with("MAIL_PORT", server.port());
    home.create_account(ANN, PASSWORD);
    let empty = home.run(&["outbox", "list"]).ok();
    assert!(
        empty.stdout.is_empty() && empty.stderr.contains("empty"),
        "{empty:?}"
    );
    let queued = home.run(&["forgot", "--email", ANN]).exits(7).stderr;
    assert!(
        queued.contains("cannot deliver the mail yet, it stays queued: ")
            && queued.contains("451 4.2.0"),
        "{queued}"
    );
    home.create_account(BOB, PASSWORD);
    let dead = home.run(&["forgot", "--email", BOB]).exits(1).stderr;
    assert!(
        dead.contains("cannot deliver the mail, it will not be retried: ")
            && dead.contains("550 5.1.1"),
        "{dead}"
    );
    let mails = home.outbox();
    let [waiting, dead] = mails.as_slice() else {
        panic!("{mails:?}");
    };
    assert_eq!(
        (&waiting["email"], &waiting["state"], &waiting["attempts"]),
        (&json!(ANN), &json!("waiting"), &json!(1))
    );
    assert!(
        waiting["last_error"]
            .as_str()
            .unwrap()
            .contains("451 4.2.0 try later")
    );
    assert_eq!(
        (&dead["email"], &dead["kind"], &dead["state"]),
        (&json!(BOB), &json!("reset_password"), &json!("dead"))
    );
    let table = home.run(&["outbox", "list"]).ok().stdout;
    for shown in [
        ANN,
        BOB,
        "reset_password",
        "waiting",
        "dead",
        "550 5.1.1 no such user",
        "NEXT TRY",
        "never",
    ] {
        assert!(table.contains(shown), "{shown:?} is not in\n{table}");
    }

    let (waiting, dead) = (
        waiting["id"].as_str().unwrap(),
        dead["id"].as_str().unwrap(),
    );
    let refused = home.run(&["outbox", "retry", dead]).exits(1);
    assert!(
        refused.stderr.contains("550 5.1.1 still no such user"),
        "{refused:?}"
    );
    // The mail is not due for another second.
    let sent = home.run(&["outbox", "retry", waiting, "--json"]).ok();
    assert_eq!(sent.json()["reply"], "250 2.0.0 kept");
    home.run(&["outbox", "retry", waiting]).exits(3);
    home.run(&["outbox", "drop", dead]).ok();
    home.run(&["outbox", "drop", dead]).exits(3);
    home.run(&["outbox", "retry", "nonsense"]).exits(2);
    home.run(&["outbox", "retry"]).exits(2);
    home.run(&["outbox", "retry", dead, "--all"]).exits(2);
    assert_eq!(home.outbox(), Vec::<Value>::new());
    let history = home.run(&["user", "show", "--email", BOB]).ok().stdout;
    assert!(history.contains("mail_dropped"), "{history}");
    let stored = server.stored();
    assert_eq!((stored.len(), stored[0].to.as_str()), (1, ANN));
}

fn a_flush_sends_all_waiting_mails_while_a_server_runs(home: Home) {
    let down = ClosedPort::reserve();
    let home = home.with("MAIL_PORT", down.port());
    for number in 0..12 {
        let email = format!("user{number}@example.com");
        home.create_account(&email, PASSWORD);
        home.run(&["forgot", "--email", &email]).exits(7);
    }
    let failed = home.run(&["outbox", "flush", "--json"]).exits(7);
    assert_eq!(failed.json()["total"], 12);
    assert_eq!(failed.json()["sent"], 0);
    let failed = home.run(&["outbox", "flush"]).exits(7);
    assert!(
        failed
            .stderr
            .contains("error: cannot send all mails, the rest stay queued: ")
            && failed.stderr.contains("connection refused"),
        "{failed:?}"
    );
    let sink = home.sink(&["--listen", &down.address()]);
    // The worker of the server and the command work on the same queue.
    let _server = home.serve_alone(&[]);
    let flushed = home.run(&["outbox", "flush", "--json"]).ok().json();
    assert_eq!(
        (&flushed["waiting"], &flushed["dead"]),
        (&json!(0), &json!(0))
    );
    wait_until("all mails have arrived", || {
        sink.inbox().messages().len() == 12
    });
    wait_until("the outbox is empty", || home.outbox().is_empty());
    assert_eq!(sink.inbox().messages().len(), 12);
    let nothing = home.run(&["outbox", "flush"]).ok();
    assert_eq!(nothing.stdout, "No mail is waiting.\n");
}

fn a_flush_with_only_dead_mails_exits_with_1(home: Home) {
    let refusing = MailServer::start(&[Fault::AnswersRcpt("550 5.1.1 no such user"); 2]);
    let home = home.with("MAIL_PORT", refusing.port());
    for email in [ANN, BOB] {
        home.create_account(email, PASSWORD);
        home.run(&["forgot", "--email", email]).exits(1);
    }
    let flushed = home.run(&["outbox", "flush"]).exits(1);
    assert_eq!(
        flushed.stdout,
        "No mail is waiting; 2 were given up before.\n"
    );
    assert!(
        flushed.stderr.contains("error: 2 mails were given up\n")
            && flushed.stderr.contains("movie-bag outbox list"),
        "{flushed:?}"
    );
    let document = home.run(&["outbox", "flush", "--json"]).exits(1).json();
    assert_eq!(
        (
            &document["total"],
            &document["dead"],
            &document["already_dead"]
        ),
        (&json!(0), &json!(0), &json!(2))
    );
    // No delivery was attempted.
    assert!(home.outbox().iter().all(|mail| mail["attempts"] == 1));
    let retried = home
        .run(&["outbox", "retry", "--all", "--json"])
        .ok()
        .json();
    assert_eq!(
        (&retried["sent"], &retried["already_dead"]),
        (&json!(2), &json!(0))
    );
    home.run(&["outbox", "flush"]).ok();
}

fn an_invitation_that_is_not_sent_is_reported_as_queued_or_given_up(home: Home) {
    let server = MailServer::start(&[
        Fault::AnswersRcpt("450 4.2.0 later"),
        Fault::AnswersRcpt("550 5.1.1 no such user"),
    ]);
    let home = home.with("MAIL_PORT", server.port());
    let invite =
        |email: &str| home.run(&["user", "create", "--email", email, "--invite", "--json"]);
    let queued = invite(ANN).exits(7);
    assert_eq!(
        (
            &queued.json()["invitation"],
            &queued.json()["invitation_sent"]
        ),
        (&json!("queued"), &json!(false))
    );
    let dead = invite(BOB).exits(1);
    assert_eq!(
        (&dead.json()["invitation"], &dead.json()["email"]),
        (&json!("given_up"), &json!(BOB))
    );
    let sent = invite("cleo@example.com").ok().json();
    assert_eq!(
        (&sent["invitation"], &sent["invitation_sent"]),
        (&json!("sent"), &json!(true))
    );
    let states: Vec<_> = home
        .outbox()
        .iter()
        .map(|mail| mail["state"].clone())
        .collect();
    assert_eq!(states, ["waiting", "dead"]);
}

fn a_command_that_cannot_deliver_reports_the_cause_and_keeps_the_mail(home: Home) {
    let home = home.with("MAIL_PORT", "1");
    home.create_account(ANN, PASSWORD);
    let link = home.run(&["forgot", "--email", ANN, "--print-link"]).ok();
    let forgot = home.run(&["forgot", "--email", ANN]).exits(7);
    assert!(
        forgot
            .stderr
            .contains("cannot deliver the mail yet, it stays queued: cannot connect to mail server localhost:1: connection refused"),
        "{forgot:?}"
    );
    let reset = ["reset", "--token", link.stdout.trim(), "--password-stdin"];
    let reset = home
        .run_with_input(&reset, "staple of another kind\n")
        .exits(0);
    assert!(
        reset.stderr.contains("warning:") && reset.stderr.contains("connection refused"),
        "{reset:?}"
    );
    let kinds: BTreeSet<_> = home
        .outbox()
        .iter()
        .map(|mail| mail["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        kinds,
        ["reset_password", "reset_successful"]
            .map(str::to_owned)
            .into()
    );
}

pub fn every_failure_of_a_mail_server_is_recorded_and_retried(home: Home) {
    for (fault, words, copies) in [
        (Fault::GreetsWith421, "421", 1),
        (Fault::LeavesAtRcpt, "421 4.3.0 going down", 1),
        (
            Fault::AnswersRcpt("451 4.7.1 greylisted"),
            "451 4.7.1 greylisted",
            1,
        ),
        (
            Fault::HangsInData,
            "did not answer in time after the message was sent",
            1,
        ),
        (Fault::DropsAfterData, "", 2),
    ] {
        let mail_server = MailServer::start(&[fault]);
        let email = format!("{}@example.com", mail_server.port());
        let mut command = home.command(&["serve", "--bind", "127.0.0.1:0"]);
        command
            .env("MAIL_PORT", mail_server.port())
            .env("MOVIE_BAG_MAIL_TIMEOUT", "1s");
        let server = Server::start_command(command);
        server.sign_up(&email, PASSWORD);
        forgot(&server, &email);
        wait_until("the mail arrives", || mail_server.stored().len() == copies);
        let history = || home.run(&["user", "show", "--email", &email]).ok().stdout;
        wait_until("the success is recorded", || {
            history().contains("mail_sent")
        });
        let history = history();
        assert!(
            history.contains("mail_failed") && history.contains(words),
            "{fault:?}: {history}"
        );
        let ids: BTreeSet<_> = mail_server
            .stored()
            .into_iter()
            .map(|mail| mail.message_id)
            .collect();
        assert_eq!(ids.len(), 1, "a repeated mail has the same Message-ID");
    }
    // A mail that is refused permanently is dead at once, with the reply of the server as its reason.
    let mail_server = MailServer::start(&[Fault::AnswersRcpt("550 5.1.1 no such user")]);
    let mut command = home.command(&["serve", "--bind", "127.0.0.1:0"]);
    command.env("MAIL_PORT", mail_server.port());
    let server = Server::start_command(command);
    server.sign_up(ANN, PASSWORD);
    forgot(&server, ANN);
    wait_until("the mail is given up", || {
        home.outbox().iter().any(|mail| mail["state"] == "dead")
    });
    let [dead] = home.outbox().try_into().unwrap();
    assert_eq!(dead["attempts"], 1);
    assert!(
        dead["last_error"]
            .as_str()
            .unwrap()
            .contains("550 5.1.1 no such user")
    );
}

pub fn mails_queued_under_load_during_an_outage_all_arrive(home: Home) {
    let down = ClosedPort::reserve();
    let home = home
        .with("MAIL_PORT", down.port())
        .with("MOVIE_BAG_RATE_LIMITS", "off")
        .with("MOVIE_BAG_LOG", "error");
    let server = home.serve_alone(&[]);
    let emails: Vec<String> = (0..8)
        .map(|number| format!("user{number}@example.com"))
        .collect();
    emails
        .iter()
        .for_each(|email| drop(server.sign_up(email, PASSWORD)));
    let seconds = test_size("MOVIE_BAG_TEST_DOWN_SECONDS", 3);
    let end = Instant::now() + Duration::from_secs(seconds as u64);
    let mut acknowledged: BTreeMap<&str, usize> = BTreeMap::new();
    while Instant::now() < end {
        for email in &emails {
            forgot(&server, email);
            *acknowledged.entry(email).or_default() += 1;
        }
        thread::sleep(Duration::from_millis(100));
    }
    let sink = home.sink(&["--listen", &down.address()]);
    let total: usize = acknowledged.values().sum();
    // The delay before an attempt is at most the time waited so far and a fifth of it.
    let patience = PATIENCE + 3 * Duration::from_secs(seconds as u64);
    wait_until_within(patience, "all mails have arrived", || {
        sink.inbox().messages().len() >= total
    });
    wait_until("the outbox is empty", || home.outbox().is_empty());
    for (email, count) in acknowledged {
        let arrived = sink.inbox().count(email, "[Movie-bag] Reset your password");
        assert_eq!(arrived, count, "{email}");
    }
}

pub fn acknowledged_mails_arrive_after_repeated_kills_of_the_server(home: Home) {
    let kills = test_size("MOVIE_BAG_TEST_KILLS", 12);
    let sink = home.sink(&["--format", "none", "--max-messages", "100000"]);
    let home = home
        .with("MAIL_PORT", sink.port())
        .with("MOVIE_BAG_RATE_LIMITS", "off")
        .with("MOVIE_BAG_LOG", "error");
    let emails: Vec<String> = (0..4)
        .map(|number| format!("user{number}@example.com"))
        .collect();
    emails
        .iter()
        .for_each(|email| home.create_account(email, PASSWORD));
    let address = Mutex::new(String::new());
    let (count, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let acknowledged: Vec<usize> = thread::scope(|scope| {
        let load: Vec<_> = emails
            .iter()
            .map(|email| scope.spawn(|| load(email, &address, &count, &is_over)))
            .collect();
        for kill in 0..kills as u64 {
            let server = home.serve_alone(&[]);
            *address.lock().unwrap() = server.address().to_owned();
            let before = count.load(Ordering::Relaxed);
            wait_until("one request is acknowledged", || {
                count.load(Ordering::Relaxed) > before
            });
            // The kills are spread over half a second. They are not random, so that a failure can be reproduced.
            thread::sleep(Duration::from_millis(20 + kill * 197 % 500));
            server.kill();
        }
        is_over.store(true, Ordering::Relaxed);
        load.into_iter().map(|load| load.join().unwrap()).collect()
    });
    let _server = home.serve_alone(&[]);
    let patience = PATIENCE + Duration::from_secs(2 * kills as u64);
    wait_until_within(patience, "the outbox is empty", || home.outbox().is_empty());
    let messages = sink.inbox().messages();
    let mut distinct = 0;
    for (email, acknowledged) in emails.iter().zip(&acknowledged) {
        let ids: BTreeSet<_> = messages
            .iter()
            .filter(|message| message["To"][0]["Address"] == *email)
            .map(|message| message["MessageID"].as_str().unwrap())
            .collect();
        assert!(
            ids.len() >= *acknowledged,
            "{email}: {} of {acknowledged}",
            ids.len()
        );
        distinct += ids.len();
    }
    let acknowledged: usize = acknowledged.iter().sum();
    assert!(acknowledged > 0, "there was a load");
    // Shown with --nocapture.
    let _ = writeln!(
        std::io::stderr(),
        "{kills} kills: {acknowledged} acknowledged, {distinct} mails arrived, {} of them twice",
        messages.len() - distinct
    );
}

/// Requests one reset after the other from the current server. Returns the number of acknowledged requests, and adds it to `count`,
/// which all threads share.
fn load(email: &str, address: &Mutex<String>, count: &AtomicUsize, is_over: &AtomicBool) -> usize {
    let body = json!({"email": email}).to_string();
    let mut acknowledged = 0;
    while !is_over.load(Ordering::Relaxed) {
        let url = format!("http://{}/api/auth/forgot", address.lock().unwrap());
        let answer = ureq::post(url)
            .header("Content-Type", "application/json")
            .send(&body);
        match answer {
            Ok(answer) if answer.status() == 200 => {
                acknowledged += 1;
                count.fetch_add(1, Ordering::Relaxed);
            }
            // No server is running, or the server was killed before it answered.
            _ => {}
        }
        thread::sleep(Duration::from_millis(10));
    }
    acknowledged
}

pub fn two_servers_send_each_mail_once(home: Home) {
    // The MongoDB-compatible server of the tests is slow.
    let usual = if home.is_on_mongodb() { 400 } else { 1_000 };
    let mails = test_size("MOVIE_BAG_TEST_MAILS", usual);
    let sink = home.sink(&["--format", "none"]);
    let home = home
        .with("MAIL_PORT", sink.port())
        .with("MOVIE_BAG_RATE_LIMITS", "off");
    let servers = [home.serve_alone(&[]), home.serve_alone(&[])];
    thread::scope(|scope| {
        for number in 0..4 {
            let server = &servers[number % 2];
            scope.spawn(move || {
                let email = format!("user{number}@example.com");
                server.sign_up(&email, PASSWORD);
                for _ in 0..mails / 4 {
                    forgot(server, &email);
                }
            });
        }
    });
    wait_until("all mails have arrived", || {
        sink.inbox().messages().len() >= mails
    });
    wait_until("the outbox is empty", || home.outbox().is_empty());
    let messages = sink.inbox().messages();
    let ids: BTreeSet<_> = messages
        .iter()
        .map(|message| message["MessageID"].as_str().unwrap())
        .collect();
    assert_eq!((messages.len(), ids.len()), (mails, mails));
    for server in &servers {
        assert!(
            server.stderr().contains("mail sent"),
            "both servers have sent mails"
        );
    }
}

fn many_mails_are_sent_over_few_connections(home: Home) {
    let mail_server = MailServer::start(&[]);
    let home = home
        .with("MAIL_PORT", mail_server.port())
        .with("MOVIE_BAG_RATE_LIMITS", "off");
    let server = home.serve_alone(&[]);
    server.sign_up(ANN, PASSWORD);
    for _ in 0..100 {
        forgot(&server, ANN);
    }
    wait_until("all mails have arrived", || {
        mail_server.stored().len() == 100
    });
    assert!(
        mail_server.connections() <= 16,
        "{}",
        mail_server.connections()
    );
}

#[test]
fn a_long_history_is_shortened_in_text_and_complete_in_json() {
    let home = Home::fresh();
    home.create_account(ANN, PASSWORD);
    for _ in 0..59 {
        home.run(&["forgot", "--email", ANN, "--print-link"]).ok();
    }
    let shown = home.run(&["user", "show", "--email", ANN]).ok().stdout;
    assert_eq!(shown.matches("reset_requested").count(), 50);
    assert!(shown.contains("and 10 older entries"), "{shown}");
    let all = home
        .run(&["user", "show", "--email", ANN, "--json"])
        .ok()
        .json();
    assert_eq!(all["history"].as_array().unwrap().len(), 60);
}
