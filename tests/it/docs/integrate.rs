//! The examples of `docs/integrate.md`, run as programs: against a real server, and against a server whose failures a real one
//! rarely has.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use movie_bag_testkit::markdown::Page;
use movie_bag_testkit::{Home, PATIENCE, report_skipped, wait_until};

/// A programming language of the examples.
struct Language {
    name: &'static str,
    program: &'static str,
    file: &'static str,
    /// A program that uses the examples against [`FAILURES`].
    client: &'static str,
}

const PYTHON: Language = Language {
    name: "python",
    program: "python3",
    file: "example.py",
    client: r#"
print(log_in("ann@example.com", "correct horse battery", "203.0.113.9"))
for _ in range(2):
    try:
        log_in("ann@example.com", "correct horse battery")
    except AccountError as error:
        print(error.status, error.code or "none", error.retry_after)
print(login_form("ann@example.com", "correct horse battery", None)[1])
print(login_form("ann@example.com", "correct horse battery", None)[1])
"#,
};

const JAVASCRIPT: Language = Language {
    name: "javascript",
    program: "node",
    file: "example.mjs",
    client: r#"
console.log(await logIn("ann@example.com", "correct horse battery", "203.0.113.9"));
for (const _ of [1, 2]) {
  const error = await logIn("ann@example.com", "correct horse battery").catch((error) => error);
  console.log(error.status, error.code || "none", error.retryAfter);
}
console.log((await loginForm("ann@example.com", "correct horse battery")).problem);
console.log((await loginForm("ann@example.com", "correct horse battery")).problem);
"#,
};

/// Responses in their order: status, headers and body. An empty one closes the connection.
const FAILURES: &[&str] = &[
    "503 x\r\nRetry-After: 1\r\n\r\n{\"message\":\"m\",\"status\":503,\"code\":\"unavailable\"}",
    "",
    "200 x\r\n\r\n{\"token\":\"access\"}",
    "429 x\r\nRetry-After: 7\r\n\r\n{\"message\":\"m\",\"status\":429,\"code\":\"rate_limited\"}",
    "400 x\r\n\r\n<html>a proxy</html>",
    "429 x\r\nRetry-After: 7\r\n\r\n{\"message\":\"m\",\"status\":429,\"code\":\"rate_limited\"}",
    "503 x\r\nRetry-After: 60\r\n\r\n{\"message\":\"m\",\"status\":503,\"code\":\"unavailable\"}",
];

const ANSWERS: &str = "access
429 rate_limited 7
400 none 1
Too many attempts. Try again in 7 seconds.
Login does not work at the moment. Try again in a minute.
";

impl Language {
    /// Joins the first blocks of this language to one program, and appends `more`.
    fn program(&self, count: usize, more: &str) -> String {
        let page = Page::read("docs/integrate.md");
        let blocks = page.blocks_in(self.name).take(count);
        let blocks: Vec<_> = blocks.map(|block| block.text.clone()).collect();
        assert!(blocks.len() >= 2, "{}", self.name);
        format!("{}{more}", blocks.join("\n"))
    }

    /// Runs a program, and returns its output. Returns `None` if the language is not installed; that has been reported then.
    fn run(&self, home: &Home, text: &str, environment: &[(&str, String)]) -> Option<String> {
        let Some(program) = found(self.program) else {
            report_skipped(
                "the examples in docs/integrate.md",
                self.program,
                "Install it.",
            );
            return None;
        };
        let output = Command::new(program)
            .arg(home.write(self.file, text))
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(home.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {stderr}", self.name);
        Some(String::from_utf8(output.stdout).unwrap())
    }
}

fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// Runs all blocks together, which test the whole flow.
fn reset_a_password(language: &Language) {
    let home = Home::fresh();
    let server = home.serve(&[]);
    let environment = [
        ("ACCOUNTS_URL", format!("http://{}", server.address())),
        ("MOVIE_BAG_INBOX_URL", server.inbox().address().to_owned()),
    ];
    let program = language.program(usize::MAX, "");
    if language.run(&home, &program, &environment).is_some() {
        // The last call of the example.
        wait_until("the account is deleted", || {
            server.stderr().contains("account deleted")
        });
    }
}

#[test]
fn the_example_in_python_resets_a_password() {
    reset_a_password(&PYTHON);
}

#[test]
fn the_example_in_javascript_resets_a_password() {
    reset_a_password(&JAVASCRIPT);
}

/// Starts a server that answers requests with [`FAILURES`]. Returns its port, and the heads of the requests.
fn start_failing_server() -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, heads) = mpsc::channel();
    thread::spawn(move || {
        for failure in FAILURES {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(&stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
            }
            let mut length = 0;
            for line in head.to_lowercase().lines() {
                if let Some(value) = line.strip_prefix("content-length: ") {
                    length = value.parse().unwrap();
                }
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            sender.send(head).unwrap();
            if let Some((head, body)) = failure.split_once("\r\n\r\n") {
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
                );
                (&stream).write_all(answer.as_bytes()).unwrap();
            }
        }
    });
    (port, heads)
}

fn handle_failures(language: &Language) {
    let home = Home::fresh();
    let (port, heads) = start_failing_server();
    let environment = [("ACCOUNTS_URL", format!("http://127.0.0.1:{port}"))];
    let program = language.program(2, language.client);
    let Some(printed) = language.run(&home, &program, &environment) else {
        return;
    };
    assert_eq!(printed, ANSWERS, "{}", language.name);
    for number in 0..FAILURES.len() {
        let head = heads.recv_timeout(PATIENCE).unwrap().to_lowercase();
        assert!(head.starts_with("post /api/auth/login "), "{head}");
        // The first call, with its retries.
        let is_for_a_client = head.contains("\r\nx-forwarded-for: 203.0.113.9\r\n");
        assert_eq!(is_for_a_client, number < 3, "{head}");
    }
}

#[test]
fn the_example_in_python_handles_failures() {
    handle_failures(&PYTHON);
}

#[test]
fn the_example_in_javascript_handles_failures() {
    handle_failures(&JAVASCRIPT);
}
