//! `/metrics`: the counts, and the address. T2 and C4 of `security.rs` promise that metrics contain nothing secret.

use movie_bag_testkit::mongodb::{MongoServer, Topology};
use movie_bag_testkit::{
    Fault, Home, MailServer, NEW_PASSWORD, PASSWORD, Server, metric_value, wait_for, wait_until,
};

const ANN: &str = "ann@example.com";

movie_bag_testkit::on_every_database! {
    events_are_counted,
    a_waiting_mail_is_shown_by_every_server,
    metrics_are_served_only_at_the_configured_address,
}

fn with_metrics(home: Home) -> Home {
    home.with("MOVIE_BAG_METRICS_BIND", "127.0.0.1:0")
}

/// Waits until a metric has this value.
#[track_caller]
fn wait_for_metric(server: &Server, series: &str, wanted: f64) {
    wait_for(&format!("{series} {wanted}"), || {
        let text = server.metrics().is(200).text;
        if metric_value(&text, series) == Some(wanted) {
            Ok(())
        } else {
            Err(text)
        }
    });
}

fn events_are_counted(home: Home) {
    let faults = [
        Fault::AnswersRcpt("451 4.2.0 later"),
        Fault::AnswersRcpt("550 5.1.1 no such mailbox"),
    ];
    let mails = MailServer::start(&faults);
    let home = with_metrics(home)
        .with("MAIL_PORT", mails.port())
        .with("MOVIE_BAG_RATE_LIMITS", "on");
    let server = home.serve_alone(&[]);
    server.sign_up(ANN, PASSWORD);
    server.log_in(ANN, "a wrong one").is(401);
    server.log_in(ANN, PASSWORD).is(200);

    // The first mail is deferred and then given up, the next one is sent.
    server.forgot(ANN).is(200);
    let mail = r#"movie_bag_mails_total{kind="reset_password",result="#;
    wait_for_metric(&server, &format!("{mail}\"deferred\"}}"), 1.0);
    wait_for_metric(&server, &format!("{mail}\"dead\"}}"), 1.0);
    wait_for_metric(&server, r#"movie_bag_outbox_entries{state="dead"}"#, 1.0);
    server.forgot(ANN).is(200);
    wait_for_metric(&server, &format!("{mail}\"sent\"}}"), 1.0);
    server.forgot(ANN).is(200);
    server.forgot(ANN).is(429);

    let token = home.reset_token(ANN);
    server.get(&format!("/reset/{token}")).is(200);
    server.reset(&token, "short").is(400);
    server.reset(&token, NEW_PASSWORD).is(200);
    server.reset(&token, NEW_PASSWORD).is(403);
    server.get("/nothing/here").is(404);
    let unknown_method =
        server.raw(b"BREW /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(
        unknown_method.starts_with("HTTP/1.1 405"),
        "{unknown_method}"
    );
    wait_for_metric(
        &server,
        r#"movie_bag_mails_total{kind="reset_successful",result="sent"}"#,
        1.0,
    );
    wait_for_metric(&server, r#"movie_bag_outbox_entries{state="waiting"}"#, 0.0);

    let text = server.metrics().is(200).text;
    let request = |method: &str, route: &str, status: u16| {
        format!(
            r#"movie_bag_http_requests_total{{method="{method}",route="{route}",status="{status}"}}"#
        )
    };
    for (series, wanted) in [
        (request("POST", "/api/auth/login", 401), 1.0),
        (request("POST", "/api/auth/login", 200), 1.0),
        (request("POST", "/api/auth/forgot", 200), 3.0),
        (request("POST", "/api/auth/forgot", 429), 1.0),
        (request("GET", "/reset/{token}", 200), 1.0),
        (request("GET", "(none)", 404), 1.0),
        (request("(other)", "/healthz", 405), 1.0),
        (
            r#"movie_bag_http_request_duration_seconds_count{route="/api/auth/login"}"#.to_owned(),
            2.0,
        ),
        (r#"movie_bag_resets_total{result="done"}"#.to_owned(), 1.0),
        (
            r#"movie_bag_resets_total{result="weak_password"}"#.to_owned(),
            1.0,
        ),
        (
            r#"movie_bag_resets_total{result="bad_token"}"#.to_owned(),
            1.0,
        ),
        (
            r#"movie_bag_limits_hit_total{limit="forgot"}"#.to_owned(),
            1.0,
        ),
        (
            r#"movie_bag_limits_hit_total{limit="login"}"#.to_owned(),
            0.0,
        ),
        ("movie_bag_hashes_running".to_owned(), 0.0),
        ("movie_bag_hashes_waiting".to_owned(), 0.0),
        ("movie_bag_hashes_refused_total".to_owned(), 0.0),
        ("movie_bag_database_up".to_owned(), 1.0),
        ("movie_bag_outbox_oldest_waiting_seconds".to_owned(), 0.0),
        (
            format!(
                r#"movie_bag_build_info{{version="{}"}}"#,
                env!("CARGO_PKG_VERSION")
            ),
            1.0,
        ),
    ] {
        assert_eq!(
            metric_value(&text, &series),
            Some(wanted),
            "{series}: {text}"
        );
    }
    let started = metric_value(&text, "process_start_time_seconds").unwrap();
    let age = movie_bag_testkit::now().as_secs_f64() - started;
    assert!((0.0..60.0).contains(&age), "{started}");
    let sum = r#"movie_bag_http_request_duration_seconds_sum{route="/api/auth/login"}"#;
    assert!(metric_value(&text, sum).unwrap() > 0.001, "{text}");
    for private in [ANN, "example.com", &token, "127.0.0.1", "nothing/here"] {
        assert!(!text.contains(private), "{private}: {text}");
    }
}

fn a_waiting_mail_is_shown_by_every_server(home: Home) {
    let home = with_metrics(home).with("MAIL_PORT", "1");
    let first = home.serve_alone(&[]);
    let second = home.serve_alone(&[]);
    first.sign_up(ANN, PASSWORD);
    first.forgot(ANN).is(200);
    for server in [&first, &second] {
        wait_for_metric(server, r#"movie_bag_outbox_entries{state="waiting"}"#, 1.0);
        wait_until("the age of the mail is shown", || {
            let text = server.metrics().text;
            let age = metric_value(&text, "movie_bag_outbox_oldest_waiting_seconds").unwrap();
            (1.0..120.0).contains(&age)
        });
    }
    let id = home.outbox()[0]["id"].as_str().unwrap().to_owned();
    wait_until("no worker holds a lease", || {
        home.run(&["outbox", "drop", &id]).code == Some(0)
    });
    for server in [&first, &second] {
        wait_for_metric(server, r#"movie_bag_outbox_entries{state="waiting"}"#, 0.0);
    }
}

fn metrics_are_served_only_at_the_configured_address(home: Home) {
    let without = home.serve_alone(&[]);
    without.get("/metrics").is(404);
    without.get("/healthz").is(200);
    assert!(
        !without.stderr().contains("metrics"),
        "{}",
        without.stderr()
    );
    assert!(without.stop().success());

    let home = with_metrics(home);
    let server = home.serve_alone(&[]);
    server.get("/metrics").is(404);
    let answer = server.metrics().is(200);
    assert_eq!(
        answer.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.text.ends_with("# EOF\n"), "{}", answer.text);
    let address = server.metrics_address();
    assert_ne!(address, server.address());
    for (request, status) in [
        ("GET / HTTP/1.1", "404"),
        ("GET /healthz HTTP/1.1", "404"),
        ("POST /api/auth/login HTTP/1.1", "404"),
        ("GET /metrics/ HTTP/1.1", "404"),
        ("POST /metrics HTTP/1.1", "405"),
        ("GET /metrics HTTP/1.1", "200"),
    ] {
        let request = format!("{request}\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = movie_bag_testkit::raw(&address, request.as_bytes());
        let expected = format!("HTTP/1.1 {status}");
        assert!(answer.starts_with(&expected), "{request}: {answer}");
    }

    let conflicting = home.with("MOVIE_BAG_METRICS_BIND", &address);
    let output = conflicting
        .run(&["serve", "--bind", "127.0.0.1:0"])
        .exits(1);
    for part in [&address, "MOVIE_BAG_METRICS_BIND"] {
        assert!(output.stderr.contains(part), "{}", output.stderr);
    }
    assert!(server.stop().success());
}

#[test]
fn a_failing_database_is_reported_and_other_metrics_are_shown() {
    let home = with_metrics(Home::fresh());
    let server = home.serve_alone(&[]);
    wait_for_metric(&server, "movie_bag_database_up", 1.0);
    let database = home.database();
    database
        .execute_batch("ALTER TABLE outbox RENAME TO hidden")
        .unwrap();
    wait_for_metric(&server, "movie_bag_database_up", 0.0);
    let text = server.metrics().text;
    assert!(!text.contains("movie_bag_outbox"), "{text}");
    assert!(text.contains("movie_bag_mails_total"), "{text}");
    database
        .execute_batch("ALTER TABLE hidden RENAME TO outbox")
        .unwrap();
    wait_for_metric(&server, "movie_bag_database_up", 1.0);
}

/// Kills the database server, and pauses it, which is worse: a paused server is connected and silent. A request for metrics that
/// waited for it would not be answered within the deadline of the test.
#[test]
fn a_lost_database_is_reported_in_time() {
    let Some(mut database) = MongoServer::start(Topology::ReplicaSet, &[]) else {
        return;
    };
    let home = with_metrics(Home::fresh().on_database(&format!("{}/watched", database.uri())))
        .with("MOVIE_BAG_DATABASE_TIMEOUT", "10m");
    let server = home.serve_alone(&[]);
    wait_for_metric(&server, "movie_bag_database_up", 1.0);
    for is_paused in [true, false] {
        if is_paused {
            database.pause();
        } else {
            database.kill();
        }
        // The previous result is reused for a second.
        wait_for_metric(&server, "movie_bag_database_up", 0.0);
        for _ in 0..3 {
            let text = server.metrics().is(200).text;
            assert_eq!(metric_value(&text, "movie_bag_database_up"), Some(0.0));
            assert!(text.contains("movie_bag_resets_total"), "{text}");
        }
        if is_paused {
            database.resume();
        } else {
            database.restart();
        }
        wait_for_metric(&server, "movie_bag_database_up", 1.0);
    }
}
