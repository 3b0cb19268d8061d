//! Imports that are interrupted, or that read a long file from a pipe.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, Stdio};

use movie_bag_testkit::mongodb::{MongoServer, Topology};
use movie_bag_testkit::{Home, Output, wait_until};

use super::{account_count, addresses, counts, import, make_csv};

movie_bag_testkit::on_every_database! {
    a_killed_import_can_be_repeated,
    control_c_reports_the_last_imported_line,
}

/// An import that reads standard input and waits for more lines.
struct PipedImport {
    child: Child,
    input: ChildStdin,
}

impl PipedImport {
    fn start(home: &Home) -> Self {
        let mut child = home
            .command(&["user", "import", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        Self { child, input }
    }

    fn write(&mut self, text: &str) {
        self.input.write_all(text.as_bytes()).unwrap();
        self.input.flush().unwrap();
    }

    fn finish(self) -> Output {
        drop(self.input);
        let output = self.child.wait_with_output().unwrap();
        Output {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code(),
        }
    }
}

fn a_killed_import_can_be_repeated(home: Home) {
    let count = account_count(&home, 600);
    let text = make_csv(count);
    let mut piped = PipedImport::start(&home);
    piped.write(&text);
    wait_until("the first account", || !addresses(&home).is_empty());
    piped.child.kill().unwrap();
    piped.finish();
    let left = addresses(&home).len() as u64;
    // On MongoDB, the transaction of the killed process holds its writes for up to a minute.
    let mut output = import(&home, "all.csv", &text, &[]);
    wait_until("the whole import", || {
        if output.code == Some(7) && home.is_on_mongodb() {
            output = import(&home, "all.csv", &text, &[]);
        }
        output.code == Some(0)
    });
    let [created, updated, unchanged, refused] = counts(&output);
    assert!(unchanged >= left, "{unchanged} of {left}");
    assert_eq!(
        (created + unchanged, updated, refused),
        (count as u64, 0, 0)
    );
    let all = addresses(&home);
    let distinct: BTreeSet<&String> = all.iter().collect();
    assert_eq!((all.len(), distinct.len()), (count, count));
    for number in [0, count / 2, count - 1] {
        assert_eq!(home.history(&format!("user{number}@example.com")).len(), 1);
    }
}

fn control_c_reports_the_last_imported_line(home: Home) {
    let text = make_csv(50);
    let mut piped = PipedImport::start(&home);
    piped.write(&text);
    wait_until("all accounts", || addresses(&home).len() == 50);
    // The result of a later line is reported after those of these lines.
    piped.write("late@example.com,short\n");
    let mut stderr = BufReader::new(piped.child.stderr.take().unwrap());
    let mut refused = String::new();
    stderr.read_line(&mut refused).unwrap();
    assert!(refused.starts_with("Created database "), "{refused}");
    refused.clear();
    stderr.read_line(&mut refused).unwrap();
    assert!(refused.starts_with("line 52: "), "{refused}");
    let interrupt = std::process::Command::new("kill")
        .args(["-INT", &piped.child.id().to_string()])
        .status();
    assert!(interrupt.unwrap().success());
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    let stderr = rest;
    assert_eq!(piped.child.wait().unwrap().code(), Some(130), "{stderr}");
    assert!(
        stderr.contains("all lines up to 52 are imported"),
        "{stderr}"
    );
    assert!(stderr.contains("run the same import again"), "{stderr}");
    let output = import(&home, "all.csv", make_csv(60), &[]).ok();
    assert_eq!(counts(&output), [10, 0, 50, 0]);
}

#[test]
fn the_memory_of_an_import_does_not_depend_on_its_size() {
    let home = Home::fresh();
    let mut piped = PipedImport::start(&home);
    let pid = piped.child.id();
    // The peak of resident memory, in KiB.
    let peak = || -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        line.unwrap()
            .split_whitespace()
            .nth(1)
            .unwrap()
            .parse()
            .unwrap()
    };
    let text = make_csv(20_000);
    let (first, rest) = text.split_at(text.find("user1000@").unwrap());
    piped.write(first);
    wait_until("the first accounts", || addresses(&home).len() == 1_000);
    let short = peak();
    piped.write(rest);
    wait_until("all accounts", || addresses(&home).len() == 20_000);
    let long = peak();
    assert_eq!(piped.finish().ok().stdout.lines().count(), 1);
    assert!(long < short + 6 * 1024, "{short} KiB, then {long} KiB");
}

#[test]
fn a_locked_database_ends_an_import_with_exit_code_7() {
    let home = Home::fresh();
    import(&home, "a.csv", make_csv(10), &[]).ok();
    let other = home.database();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    home.write("all.csv", make_csv(400));
    let output = home.run(&["user", "import", "all.csv"]).exits(7);
    assert!(
        output.stderr.contains("all lines up to 11 are imported"),
        "{output:?}"
    );
    assert!(
        output.stderr.contains("run the same import again"),
        "{output:?}"
    );
    let error = home.run(&["--json", "user", "import", "all.csv"]).exits(7);
    assert_eq!(error.json()["error"]["code"], "unavailable");
    drop(other);
    let output = home.run(&["--json", "user", "import", "all.csv"]).ok();
    assert_eq!(counts(&output), [390, 0, 10, 0]);
}

#[test]
fn a_lost_database_server_ends_an_import_with_exit_code_7() {
    let Some(mut server) = MongoServer::start(Topology::Standalone, &[]) else {
        return;
    };
    let home = Home::fresh()
        .on_database(&format!("{}/movies", server.uri()))
        .with("MOVIE_BAG_DATABASE_TIMEOUT", "3s");
    let mut piped = PipedImport::start(&home);
    let text = make_csv(40);
    let (first, rest) = text.split_at(text.find("user20@").unwrap());
    piped.write(first);
    wait_until("the first accounts", || addresses(&home).len() == 20);
    server.kill();
    piped.write(rest);
    let output = piped.finish().exits(7);
    assert!(
        output.stderr.contains("all lines up to 21 are imported"),
        "{output:?}"
    );
    assert!(
        output.stderr.contains("run the same import again"),
        "{output:?}"
    );
    server.restart();
    assert_eq!(
        counts(&import(&home, "all.csv", text, &[]).ok()),
        [20, 0, 20, 0]
    );
}
