//! Commands that `smtp-debug` runs: one command that uses the sink, and `--exec` for each message.

use std::thread;

use movie_bag_testkit::{Home, wait_until};

use super::{send, smtp_address_in};

#[test]
#[cfg(unix)]
fn the_exit_code_of_a_child_command_is_that_of_the_sink() {
    let home = Home::fresh();
    let binary = movie_bag_testkit::binary().display();
    let script = format!(
        "exec 3<>/dev/tcp/$MAIL_SERVER/$MAIL_PORT
printf 'EHLO x\\r\\nMAIL FROM:<a@b>\\r\\nRCPT TO:<ann@example.com>\\r\\nDATA\\r\\n\\r\\nhttps://x.example/verify/1\\r\\n.\\r\\nQUIT\\r\\n' >&3
cat <&3 >/dev/null
{binary} inbox wait --to ann@example.com --print link
exit 9"
    );
    let ended = home
        .run(&["smtp-debug", "--", "bash", "-c", &script])
        .exits(9);
    assert_eq!(ended.stdout, "https://x.example/verify/1\n");
    assert!(
        ended.stderr.contains("Received 1 message"),
        "{}",
        ended.stderr
    );
    home.run(&["smtp-debug", "--", "true"]).ok();
    home.run(&["smtp-debug", "--", "sh", "-c", "kill -9 $$"])
        .exits(137);
    let wrong = home.run(&["smtp-debug", "--", "no-such-program"]).exits(1);
    assert!(wrong.stderr.contains("cannot run no-such-program"));
}

#[test]
#[cfg(unix)]
fn sigterm_stops_the_child_command_and_the_sink() {
    let home = Home::fresh();
    let log = home.path().join("log");
    let ready = home.path().join("ready");
    let mut command = home.command(&[
        "smtp-debug",
        "--",
        "sh",
        "-c",
        "trap 'exit 7' TERM; touch ready; while :; do sleep 0.1; done",
    ]);
    let mut child = command
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    smtp_address_in(&log);
    let id = child.id().to_string();
    wait_until("the trap is set", || ready.exists());
    std::process::Command::new("kill")
        .args(["-TERM", &id])
        .status()
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(7));
}

#[test]
#[cfg(unix)]
fn exec_runs_for_each_message_and_exit_after_counts_messages() {
    let home = Home::fresh();
    let log = home.path().join("log");
    let arguments = [
        "smtp-debug",
        "--listen",
        "127.0.0.1:0",
        "--no-web",
        "--format",
        "none",
        "--exit-after",
        "2",
        "--exec",
        "sleep 0.2; echo \"$MOVIE_BAG_MAIL_TO|$MOVIE_BAG_MAIL_FROM|$MOVIE_BAG_MAIL_SUBJECT|$MOVIE_BAG_MAIL_LINK|$MOVIE_BAG_MAIL_CODE\"; wc -l; exit 3",
    ];
    let mut command = home.command(&arguments);
    command.stderr(std::fs::File::create(&log).unwrap());
    let output = thread::scope(|scope| {
        let running = scope.spawn(|| {
            let output = command
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            output.wait_with_output().unwrap()
        });
        let smtp = smtp_address_in(&log);
        send(
            &smtp,
            "ann@example.com",
            "$(touch evil); `touch evil`",
            "code 1234",
        );
        send(&smtp, "bob@example.com", "two", "https://x.example/");
        running.join().unwrap()
    });
    assert!(output.status.success());
    let out = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = out.lines().map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "ann@example.com|from@example.com|$(touch evil); `touch evil`||1234",
            "5",
            "bob@example.com|from@example.com|two|https://x.example/|",
            "5"
        ]
    );
    assert!(!home.path().join("evil").exists());
    let stderr = std::fs::read_to_string(log).unwrap();
    assert!(
        stderr.contains("--exec: the command failed with exit status: 3"),
        "{stderr}"
    );
}
