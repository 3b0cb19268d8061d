//! The examples of `docs/integrate.md`, run as programs: against a real server, and against a server whose failures a real one
//! rarely has.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use movie_bag_testkit::markdown::Page;
use movie_bag_testkit::{
    Home, NEW_PASSWORD, PASSWORD, PATIENCE, npm_packages, report_skipped, virtual_env, wait_until,
};
use serde_json::{Value, json};

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

/// One of the applications in docs/examples.
struct Application {
    language: &'static Language,
    file: &'static str,
    library: &'static str,
}

/// A running application, with the cookie of a person's browser.
struct Site {
    process: Child,
    url: String,
    cookie: String,
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Site {
    fn start(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let stdout = process.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listens on ").map(str::to_owned);
        Self {
            process,
            url: url.unwrap_or_else(|| panic!("{line}")),
            cookie: String::new(),
        }
    }

    /// Sends a request with the cookie, and keeps the one in the response.
    fn send(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("Content-Type", "application/json")
            .header("Cookie", &self.cookie)
            .body(body.to_string())
            .unwrap();
        let mut response = agent.run(request).unwrap();
        if let Some(cookie) = response.headers().get("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            assert!(
                cookie.contains("HttpOnly") || cookie.contains("session=;"),
                "{cookie}"
            );
            self.cookie = cookie.split(';').next().unwrap().to_owned();
        }
        let text = response.body_mut().read_to_string().unwrap();
        let body = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
        (response.status().as_u16(), body)
    }

    #[track_caller]
    fn post(&mut self, path: &str, body: Value) {
        let (status, answer) = self.send("POST", path, &body);
        assert_eq!(status, 200, "{path}: {answer}");
    }

    /// Returns the address of the account whose session this is.
    fn me(&mut self) -> Option<String> {
        let (status, answer) = self.send("GET", "/me", &json!({}));
        (status == 200).then(|| answer["email"].as_str().unwrap().to_owned())
    }
}

/// Uses an application from the sign-up to the deletion.
fn use_accounts(application: &Application, packages: Result<PathBuf, String>) {
    const ANN: &str = "ann@example.com";
    const NEW: &str = "ann@new.example";
    let packages = match packages {
        Ok(packages) => packages,
        Err(why) => {
            report_skipped(
                application.file,
                &why,
                "Install Python 3.10 or later, Node and npm.",
            );
            return;
        }
    };
    let home = Home::fresh()
        .with("MOVIE_BAG_SIGNUP", "verified")
        .with("MOVIE_BAG_TRUSTED_PROXIES", "127.0.0.1/32")
        .with(
            "MOVIE_BAG_RESET_URL",
            "http://localhost:5000/reset?token={token}",
        );
    let server = home.serve(&[]);
    home.write(application.library, application.language.program(2, ""));
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read(root.join("docs/examples").join(application.file)).unwrap();
    let file = home.write(application.file, source);
    let program = if packages.ends_with("node_modules") {
        std::os::unix::fs::symlink(&packages, home.path().join("node_modules")).unwrap();
        PathBuf::from(application.language.program)
    } else {
        packages
    };
    let mut command = Command::new(program);
    command
        .arg(file)
        .env("ACCOUNTS_URL", format!("http://{}", server.address()))
        .env("CACHE_SECONDS", "1")
        .env("PORT", "0")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(home.path())
        .stderr(Stdio::null());
    let mut site = Site::start(command);
    let inbox = server.inbox();
    let link_token = |email: &str, subject: &str| {
        let mail = inbox.wait_for_count(email, &format!("[Movie-bag] {subject}"), 1);
        let link = mail.link().to_owned();
        link.rsplit(['/', '=']).next().unwrap().to_owned()
    };

    assert_eq!(site.me(), None);
    site.post("/signup", json!({"email": ANN}));
    let token = link_token(ANN, "Confirm your email address");
    let (status, answer) = site.send(
        "POST",
        "/welcome",
        &json!({"token": token, "password": "short"}),
    );
    assert_eq!(
        (status, answer["code"].as_str()),
        (400, Some("weak_password"))
    );
    assert!(answer["problem"].is_string(), "{answer}");
    site.post("/welcome", json!({"token": token, "password": PASSWORD}));
    let wrong = json!({"email": ANN, "password": NEW_PASSWORD});
    assert_eq!(site.send("POST", "/login", &wrong).0, 401);
    let login = json!({"email": ANN, "password": PASSWORD});
    site.post("/login", login.clone());
    assert_eq!(site.me().as_deref(), Some(ANN));

    let change = json!({"current_password": PASSWORD, "password": NEW_PASSWORD});
    site.post("/password", change);
    assert_eq!(site.me().as_deref(), Some(ANN));
    site.post("/email", json!({"password": NEW_PASSWORD, "email": NEW}));
    let token = link_token(NEW, "Confirm your new email address");
    site.post("/email/confirm", json!({"token": token}));
    // The account in the cache is at most as old as the cache says.
    wait_until("the new address", || site.me().as_deref() == Some(NEW));
    // The history shows the address of the person's computer, and not the one of the application.
    let history = home.history(NEW);
    assert!(
        history.iter().all(|event| event["origin"] == "127.0.0.1"),
        "{history:?}"
    );

    // A session that ends elsewhere ends here once the cache has forgotten it.
    home.run(&["user", "revoke", "--email", NEW]).ok();
    wait_until("the session ends", || site.me().is_none());
    site.post("/forgot", json!({"email": NEW}));
    site.post("/forgot", json!({"email": "unknown@example.com"}));
    let token = link_token(NEW, "Reset your password");
    site.post("/reset", json!({"token": token, "password": PASSWORD}));
    let login = json!({"email": NEW, "password": PASSWORD});
    site.post("/login", login.clone());
    site.post("/logout", json!({}));
    assert_eq!(site.me(), None);
    site.post("/login", login.clone());
    site.post("/logout/everywhere", json!({}));
    assert_eq!(site.me(), None);
    site.post("/login", login.clone());
    let wrong = json!({"password": "wrong"});
    assert_eq!(site.send("POST", "/delete", &wrong).0, 401);
    site.post("/delete", json!({"password": PASSWORD}));
    assert_eq!(site.me(), None);
    assert_eq!(site.send("POST", "/login", &login).0, 401);

    // Without movie-bag the application answers, and says that it does not work.
    assert!(server.stop().success());
    let (status, answer) = site.send("POST", "/signup", &json!({"email": ANN}));
    assert_eq!(status, 503, "{answer}");
    assert!(answer["problem"].is_string(), "{answer}");
}

#[test]
fn the_flask_application_has_accounts_from_sign_up_to_deletion() {
    let application = Application {
        language: &PYTHON,
        file: "flask_app.py",
        library: "accounts.py",
    };
    use_accounts(
        &application,
        virtual_env::install("test-flask", &["Flask==3.1.3"]),
    );
}

#[test]
fn the_express_application_has_accounts_from_sign_up_to_deletion() {
    let application = Application {
        language: &JAVASCRIPT,
        file: "express_app.mjs",
        library: "accounts.mjs",
    };
    use_accounts(
        &application,
        npm_packages("test-express", &["express@5.3.0"]),
    );
}
