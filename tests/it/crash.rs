//! kill -9 at any moment: what was acknowledged is there, and nothing is there by half.

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Home, PASSWORD};

/// The server is killed a different number of milliseconds into a load of resets each time; the moments are spread
/// evenly instead of drawn, so that a failure can be had again.
#[test]
fn a_reset_is_whole_or_not_at_all_whenever_the_server_dies() {
    let home = Home::fresh()
        .with("MAIL_PORT", "1")
        .with("MOVIE_BAG_LOG", "error");
    for round in 0..12u64 {
        let server = home.serve_alone(&[]);
        let email = format!("ann{round}@example.com");
        let accounts: Vec<_> = (0..6).map(|number| format!("{number}.{email}")).collect();
        for email in &accounts {
            server.sign_up(email, PASSWORD);
        }
        let tokens: Vec<_> = accounts
            .iter()
            .map(|email| {
                home.run(&["forgot", "--email", email, "--print-link"])
                    .ok()
                    .stdout
                    .trim()
                    .rsplit_once('/')
                    .unwrap()
                    .1
                    .to_owned()
            })
            .collect();
        let address = server.address().to_owned();
        let acknowledged: Vec<bool> = thread::scope(|scope| {
            let resets: Vec<_> = tokens
                .iter()
                .map(|token| {
                    let address = &address;
                    scope.spawn(move || {
                        let body = json!({"reset_token": token, "password": format!("{PASSWORD} {round}")}).to_string();
                        let request = ureq::post(format!("http://{address}/api/auth/reset")).header("Content-Type", "application/json");
                        request.send(body).is_ok_and(|answer| answer.status() == 200)
                    })
                })
                .collect();
            thread::sleep(Duration::from_millis(round * 2));
            server.kill();
            resets
                .into_iter()
                .map(|reset| reset.join().unwrap())
                .collect()
        });

        let server = home.serve_alone(&[]);
        let database = home.database();
        let integrity: String = database
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(integrity, "ok");
        for (email, acknowledged) in accounts.iter().zip(acknowledged) {
            let changed = server.log_in(email, &format!("{PASSWORD} {round}")).status == 200;
            let unchanged = server.log_in(email, PASSWORD).status == 200;
            let count =
                |sql: &str| -> i64 { database.query_row(sql, [email], |row| row.get(0)).unwrap() };
            let history = count(
                "SELECT count(*) FROM history JOIN account ON account.id = history.account WHERE email = ? AND kind = 'reset_done'",
            );
            let mails = count(
                "SELECT count(*) FROM outbox JOIN account ON account.id = outbox.account WHERE email = ? AND outbox.kind = 'reset_successful'",
            );
            assert!(changed != unchanged, "{email}: one password of the two");
            assert_eq!(
                (history, mails),
                (i64::from(changed), i64::from(changed)),
                "{email}"
            );
            assert!(
                changed || !acknowledged,
                "{email}: what was acknowledged is there"
            );
        }
        server.kill();
    }
}
