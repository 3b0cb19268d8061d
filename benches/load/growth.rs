//! Cost of one request, which must not grow with the amount of data.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use ::mongodb::Client;
use ::mongodb::bson::{doc, oid::ObjectId};

use movie_bag_testkit::mongodb::blocking;
use movie_bag_testkit::{Home, PASSWORD, Server, wait_until};

use super::{
    ACCOUNTS, SECONDS, delivered, email, import, json, large_sink, measure_time, memory, say,
    write_post_script, wrk,
};

/// Measures with more and more accounts, on both databases.
pub fn accounts() {
    accounts_on("SQLite", &[10, 1_000, 100_000, 1_000_000], || {
        Some(Home::fresh())
    });
    // The largest number is measured first, since the server of the tests becomes slow after much work.
    accounts_on("MongoDB", &[100_000, 1_000, 10], Home::on_mongodb);
}

/// Measures login and `forgot` with more and more accounts.
fn accounts_on(database: &str, counts: &[usize], home: impl Fn() -> Option<Home>) {
    say(&format!(
        "\nAccounts on {database}: medians of 200 in ms, one client (bcrypt's cost 4)"
    ));
    say("| accounts | login | forgot | start until /readyz | created a second |");
    say("| ---: | ---: | ---: | ---: | ---: |");
    for accounts in counts.iter().copied() {
        let Some(home) = home() else {
            return say("no server");
        };
        let home = home.with("MOVIE_BAG_LOG", "warn");
        // Creates the indexes, which takes long once there are many accounts.
        home.run(&["user", "list"]).ok();
        let start = Instant::now();
        match home.mongodb_uri() {
            // An import uses one transaction per account, of which the server of the tests does 200 a second.
            Some(uri) => insert(uri, accounts),
            None => import(&home, accounts, 4),
        }
        let import = accounts as f64 / start.elapsed().as_secs_f64();
        let sink = large_sink(&home);
        let home = home.with("MAIL_PORT", sink.port());
        let start = Instant::now();
        let server = home.serve_alone(&[]);
        server.get("/readyz").is(200);
        let ready = start.elapsed().as_secs_f64() * 1e3;
        let mut number = 0;
        let mut next = || {
            number += accounts / 7 + 1;
            email(number % accounts)
        };
        let log_in = measure_time(200, || drop(server.log_in(&next(), PASSWORD).is(200)));
        let forgot = measure_time(200, || drop(server.forgot(&next()).is(200)));
        say(&format!(
            "| {accounts} | {log_in:.2} | {forgot:.2} | {ready:.0} | {import:.0} |"
        ));
    }
}

/// Inserts accounts directly into the database.
fn insert(uri: &str, accounts: usize) {
    let hash = bcrypt::hash(PASSWORD, 4).unwrap();
    blocking(async {
        let client = Client::with_uri_str(uri).await.unwrap();
        let users = client.default_database().unwrap().collection("user");
        let numbers: Vec<usize> = (0..accounts).collect();
        for some in numbers.chunks(500) {
            let some = some.iter().map(|number| {
                let movies: [ObjectId; 0] = [];
                doc! { "email": email(*number), "password": &hash, "movies": movies.to_vec() }
            });
            users.insert_many(some).await.unwrap();
        }
    });
}

/// Returns the processor time that a process has used, in seconds.
fn processor_time(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks: f64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<f64>().unwrap())
        .sum();
    // Linux reports it in hundredths of a second on every known architecture.
    ticks / 100.0
}

/// Requests mails until so many are queued, while the mail server does not answer. Returns their number.
fn fill_outbox(home: &Home, mails: usize) -> usize {
    let server = home.serve_alone(&[]);
    let emails: Vec<_> = (0..ACCOUNTS)
        .map(|number| json!({"email": email(number)}))
        .collect();
    let script = write_post_script(home, "forgot.lua", &emails);
    let url = format!("http://{}/api/auth/forgot", server.address());
    let mut requests = 0;
    while requests < mails {
        let load = wrk(&url, "32", 1, Some(&script));
        assert_eq!(load.refused, 0);
        requests += load.rate as usize;
    }
    requests
}

/// Measures the cost of the delivery of one mail while more and more are queued.
pub fn waiting_mails() {
    /// Number of measured mails.
    const MEASURED: u64 = 5_000;
    say(&format!(
        "\nWaiting mails on SQLite: the first {MEASURED} of them"
    ));
    say("| waiting | delivered a second | processor time of serve for each, µs | memory, MiB |");
    say("| ---: | ---: | ---: | ---: |");
    for waiting in [10_000, 30_000, 100_000] {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port().to_string();
        let home = Home::fresh()
            .with("MOVIE_BAG_LOG", "off")
            .with("MAIL_PORT", port);
        import(&home, ACCOUNTS, 4);
        let waiting = fill_outbox(&home, waiting);
        drop(silent);
        let sink = large_sink(&home);
        let home = home.with("MAIL_PORT", sink.port());
        let server = home.serve_alone(&[]);
        wait_until("the first mail is delivered", || delivered(&sink) > 0);
        let (first, start) = (delivered(&sink), Instant::now());
        let spent = processor_time(server.pid());
        wait_until("enough mails are delivered", || {
            delivered(&sink) >= first + MEASURED
        });
        let took = start.elapsed().as_secs_f64();
        let spent = processor_time(server.pid()) - spent;
        let mails = (delivered(&sink) - first) as f64;
        say(&format!(
            "| {waiting} | {:.0} | {:.0} | {} |",
            mails / took,
            spent / mails * 1e6,
            memory(server.pid(), "VmHWM") >> 20
        ));
    }
}

/// Adds movies.
fn add_movies(server: &Server, movies: usize) {
    let access = server.access_token(&email(0), PASSWORD);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= movies {
                        return;
                    }
                    let movie = json!({"name": format!("Movie {number}"), "casts": ["Ann", "Bob", "Cid"], "genres": ["drama"]});
                    let added = server.send("POST", "/api/movies", Some(&access), &movie.to_string());
                    drop(added.is(200));
                }
            });
        }
    });
}

/// Measures the whole list, requested by 20 clients at once, with more and more movies.
pub fn movies() {
    say("\nMovies on SQLite: the whole list, 20 clients");
    say("| movies | lists a second | movies a second | memory, MiB |");
    say("| ---: | ---: | ---: | ---: |");
    for movies in [1_000, 10_000, 100_000] {
        let home = Home::fresh().with("MOVIE_BAG_LOG", "off");
        import(&home, 1, 4);
        add_movies(&home.serve_alone(&[]), movies);
        // A new process, so that its memory is that of the lists.
        let server = home.serve_alone(&[]);
        let load = wrk(
            &format!("http://{}/api/movies", server.address()),
            "20",
            2 * SECONDS,
            None,
        );
        assert_eq!(load.refused, 0);
        say(&format!(
            "| {movies} | {:.1} | {:.0} | {} |",
            load.rate,
            load.rate * movies as f64,
            memory(server.pid(), "VmHWM") >> 20
        ));
    }
}
