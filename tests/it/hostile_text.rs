//! Text with control characters, from messages, inbox servers and mail servers, which a terminal must not execute.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};

use movie_bag_testkit::{Home, PASSWORD, Person, wait_for};

/// Sets the title, clears the screen, changes colors in C0 and C1, reverses text, breaks and overwrites lines.
const HOSTILE: &str = "\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m\u{61c}\u{200e}\u{200f}\u{202e}\u{2066}\u{2028}\u{85}\u{8}\u{7f}\u{206f}x";

const ANN: &str = "ann@example.com";

/// Returns whether a terminal executes a character, or displays the text around it differently. The list is independent of the binary.
fn is_raw(char: char) -> bool {
    (char.is_control() && char != '\n')
        || matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}')
}

#[track_caller]
fn assert_safe(what: &str, output: &str) {
    let raw = output.chars().find(|char| is_raw(*char));
    assert!(raw.is_none(), "{what}: {raw:?} in {output:?}");
}

/// Runs a command with its output in pipes.
#[track_caller]
fn assert_safe_in_pipes(home: &Home, arguments: &[&str]) -> String {
    let output = home.run(arguments);
    let what = arguments.join(" ");
    assert!(
        output.code.is_some_and(|code| code != 101),
        "{what}: {}",
        output.stderr
    );
    assert_safe(&what, &output.stdout);
    assert_safe(&what, &output.stderr);
    if arguments.contains(&"--json") {
        for line in output.stdout.lines() {
            let document: Result<Value, _> = serde_json::from_str(line);
            assert!(document.is_ok(), "{what}: {line}");
        }
    }
    format!("{}{}", output.stdout, output.stderr)
}

/// Runs a command on a terminal, where each line ends in CR LF.
#[track_caller]
fn assert_safe_on_terminal(home: &Home, arguments: &[&str]) -> String {
    let command = home.command(arguments);
    let screen = Person::runs_at_width(&command, 1000).ends(0);
    assert_safe(&arguments.join(" "), &screen.replace("\r\n", "\n"));
    screen
}

/// Starts an inbox server that answers each request with a status and body that depend on the path.
fn inbox_server(answer: impl Fn(&str) -> (u16, Vec<u8>) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let mut out = client.try_clone().unwrap();
            let mut lines = BufReader::new(client).lines().map_while(Result::ok);
            let request = lines.next().unwrap_or_default();
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let (status, body) = answer(request.split(' ').nth(1).unwrap_or_default());
            let head = format!(
                "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = out.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    url
}

/// Returns a message with hostile text in every field, including those that are numbers in the API.
fn hostile_message() -> Value {
    let address = json!({"Name": HOSTILE, "Address": HOSTILE});
    let part = json!({"FileName": HOSTILE, "Size": HOSTILE, "PartID": HOSTILE, "ContentType": HOSTILE, "ContentID": HOSTILE});
    json!({
        "ID": HOSTILE, "MessageID": HOSTILE, "Created": HOSTILE, "Date": HOSTILE, "Size": HOSTILE, "Read": HOSTILE,
        "From": address, "To": [address], "Cc": [address], "Bcc": [address], "ReplyTo": [address],
        "Subject": HOSTILE, "Snippet": HOSTILE, "Tags": [HOSTILE], "Username": HOSTILE,
        "Text": format!("{HOSTILE}\nhttps://x.example/reset/{HOSTILE} code: 123456\n"), "HTML": format!("<p>{HOSTILE}"),
        "Attachments": [part], "Inline": [part],
    })
}

pub fn text_of_an_inbox_server_reaches_a_terminal_escaped(home: Home) {
    let message = hostile_message();
    let url = inbox_server(move |path| {
        let body = match path {
            path if path.contains("/wait") => {
                json!({"message": message, "links": [HOSTILE], "tokens": [HOSTILE], "codes": [HOSTILE]})
            }
            path if path.contains("/message/") => message.clone(),
            path if path.contains("/info") => json!({"Messages": HOSTILE, "Version": HOSTILE}),
            _ => {
                json!({"messages": [message], "total": HOSTILE, "count": HOSTILE, "error": HOSTILE})
            }
        };
        // Characters beyond C0 are not escaped, which JSON allows.
        (200, body.to_string().into_bytes())
    });
    let home = home.with("MOVIE_BAG_INBOX_URL", url);
    let mut shown = String::new();
    for arguments in [
        &["inbox", "list"][..],
        &["inbox", "list", "--json"],
        &["inbox", "list", "--query", "x"],
        &["inbox", "show", "latest"],
        &["inbox", "show", "latest", "--json"],
        &["inbox", "show", "latest", "--print", "id,link,code,json"],
        &["inbox", "show", "latest", "--print", "token"],
        &["inbox", "wait", "--to", ANN],
        &["inbox", "wait", "--to", ANN, "--json"],
        &["inbox", "wait", "--to", ANN, "--print", "id,link,json"],
        &["inbox", "clear"],
        &["inbox", "clear", "--json"],
        &["--color", "always", "inbox", "list"],
    ] {
        let without_styles = !arguments.contains(&"--color");
        if without_styles {
            shown += &assert_safe_in_pipes(&home, arguments);
        } else {
            let styled = home.run(arguments).stdout;
            assert_safe("styled", &styled.replace("\u{1b}[0m", ""));
        }
    }
    assert_safe_in_pipes(&home, &["inbox", "wait", "--to", ANN, "--timeout", HOSTILE]);
    assert_safe_in_pipes(&home, &["inbox", HOSTILE]);
    assert!(shown.contains("title"), "{shown}");
    // Parts that are written unchanged to a pipe.
    for arguments in [
        &["inbox", "list"][..],
        &["inbox", "show", "latest"],
        &["inbox", "show", "latest", "--print", "text,html,id,link"],
        &["inbox", "wait", "--to", ANN, "--print", "text,html,id"],
    ] {
        let screen = assert_safe_on_terminal(&home, arguments);
        assert!(screen.contains("title"), "{screen}");
    }
    for (status, body) in [
        (500, HOSTILE.as_bytes().to_vec()),
        (200, HOSTILE.as_bytes().to_vec()),
        (200, json!([HOSTILE]).to_string().into_bytes()),
        (404, HOSTILE.as_bytes().to_vec()),
        (500, b"\x1b[2J\xff\x9b31m".to_vec()),
    ] {
        let url = inbox_server(move |_| (status, body.clone()));
        for arguments in [
            &["inbox", "list"][..],
            &["inbox", "show", "x"],
            &["inbox", "clear"],
        ] {
            assert_safe_in_pipes(&home, &[arguments, &["--url", &url]].concat());
            assert_safe_in_pipes(&home, &[arguments, &["--json", "--url", &url]].concat());
        }
    }
}

/// Point of the SMTP session at which a mail server fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    Greeting,
    Nonsense,
    Ehlo,
    Auth,
    Mail,
    Rcpt,
    TemporaryRcpt,
    Data,
    Message,
}

impl Failure {
    const ALL: [Self; 9] = [
        Self::Greeting,
        Self::Nonsense,
        Self::Ehlo,
        Self::Auth,
        Self::Mail,
        Self::Rcpt,
        Self::TemporaryRcpt,
        Self::Data,
        Self::Message,
    ];
}

/// Starts a mail server whose replies are all hostile, and which fails at one point. Returns its port.
fn start_mail_server(failure: Failure) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || converse(client, failure));
        }
    });
    port
}

fn converse(client: TcpStream, failure: Failure) -> Option<()> {
    let mut out = client.try_clone().ok()?;
    let lines = BufReader::new(client).lines().map_while(Result::ok);
    let mut reply = |code: &str| {
        out.write_all(format!("{code} {HOSTILE} words\r\n").as_bytes())
            .ok()
    };
    match failure {
        Failure::Greeting => reply("554")?,
        Failure::Nonsense => return reply("HTTP/1.1"),
        _ => reply("220")?,
    }
    let mut in_message = false;
    for line in lines {
        let code_at = |at: Failure, code| if failure == at { code } else { "250" };
        let verb = line.get(..4).unwrap_or_default();
        match (in_message, verb) {
            (true, _) if line == "." => {
                in_message = false;
                reply(code_at(Failure::Message, "554"))?;
            }
            (true, _) => {}
            (_, "EHLO") if failure == Failure::Ehlo => reply("554")?,
            (_, "EHLO") => {
                reply("250-x")?;
                reply("250-AUTH PLAIN")?;
                reply("250")?;
            }
            (_, "AUTH") if failure == Failure::Auth => reply("535")?,
            (_, "AUTH") => reply("235")?,
            (_, "MAIL") => reply(code_at(Failure::Mail, "550"))?,
            (_, "RCPT") if failure == Failure::TemporaryRcpt => reply("450")?,
            (_, "RCPT") => reply(code_at(Failure::Rcpt, "550"))?,
            (_, "DATA") if failure == Failure::Data => reply("554")?,
            (_, "DATA") => {
                in_message = true;
                reply("354")?;
            }
            (_, "QUIT") => return reply("221"),
            _ => reply("250")?,
        }
    }
    Some(())
}

pub fn text_of_a_mail_server_reaches_a_terminal_escaped(home: Home) {
    home.create_account(ANN, PASSWORD);
    for failure in Failure::ALL {
        let (server, port) = ("127.0.0.1".to_owned(), start_mail_server(failure));
        let mut mail = vec![("MAIL_SERVER", server), ("MAIL_PORT", port)];
        if failure == Failure::Auth {
            mail.push(("MAIL_USERNAME", "user".to_owned()));
            mail.push(("MAIL_PASSWORD", "password".to_owned()));
        }
        let run = |arguments: &[&str]| {
            let mut command = home.command(arguments);
            command.envs(mail.iter().map(|(key, value)| (key, value)));
            let output = movie_bag_testkit::Output::run(command, "");
            let what = format!("{failure:?}, {}", arguments.join(" "));
            assert_ne!(output.code, Some(101), "{what}: {}", output.stderr);
            assert_safe(&what, &output.stdout);
            assert_safe(&what, &output.stderr);
            format!("{}{}", output.stdout, output.stderr)
        };
        let mut shown = String::new();
        for arguments in [
            &["forgot", "--email", ANN][..],
            &["--json", "forgot", "--email", ANN],
            &["outbox", "list"],
            &["outbox", "list", "--json"],
            &["outbox", "flush"],
            &["user", "show", "--email", ANN],
            &["--json", "user", "show", "--email", ANN],
            &["check"],
            &["check", "--json"],
            &["check", "--send-test-mail", ANN],
        ] {
            shown += &run(arguments);
        }
        let is_shown = ["title", "words"].iter().any(|word| shown.contains(word));
        assert!(
            is_shown,
            "{failure:?}: no text of the server is shown: {shown}"
        );
    }
    // The log of a server, which contains replies.
    for format in ["text", "json"] {
        let home = Home::fresh()
            .with("MAIL_SERVER", "127.0.0.1")
            .with("MAIL_PORT", start_mail_server(Failure::Rcpt))
            .with("MOVIE_BAG_LOG", "debug")
            .with("MOVIE_BAG_LOG_FORMAT", format);
        home.create_account(ANN, PASSWORD);
        let server = home.serve_alone(&[]);
        server
            .post("/api/auth/forgot", json!({"email": ANN}))
            .is(200);
        let log = wait_for("the refusal in the log", || {
            let log = server.stderr();
            if log.contains("words") {
                Ok(log)
            } else {
                Err(log)
            }
        });
        assert_safe(format, &log);
    }
}

pub fn text_of_a_message_reaches_a_terminal_escaped(home: Home) {
    // In headers as is and encoded, in file names, in both bodies, in the envelope and in a user name.
    let encoded = HOSTILE
        .bytes()
        .map(|byte| format!("={byte:02X}"))
        .collect::<String>();
    let word = format!("=?utf-8?q?{encoded}?=");
    let source = format!(
        "From: {word} <a@example.com>\r\nTo: \"{HOSTILE}\" <{ANN}>\r\nSubject: {word} {HOSTILE}\r\nDate: {HOSTILE}\r\n\
         Message-ID: <{HOSTILE}@x>\r\nX-Tags: {HOSTILE}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{HOSTILE}\r\nhttps://x.example/reset/{HOSTILE} code: 123456\r\n\
         --b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>{HOSTILE} &#x1b;[2J &#x202e;\r\n\
         --b\r\nContent-Type: {HOSTILE}/x; name=\"{word}\"\r\nContent-Disposition: attachment; filename=\"{HOSTILE}\"\r\n\r\nx\r\n--b--\r\n"
    );
    // base64 of "NUL ESC [2J U+202E NUL x".
    let login = "ABtbMkrigK4AeA==";
    let session = format!(
        "EHLO x\u{202e}\r\nAUTH PLAIN {login}\r\nMAIL FROM:<a\u{202e}\u{61c}@example.com> SMTPUTF8\r\n\
         RCPT TO:<{ANN}>\r\nRCPT TO:<b\u{2066}@example.com>\r\nDATA\r\n{source}\r\n.\r\nQUIT\r\n"
    );
    for format in ["text", "json", "raw", "classic", "none"] {
        let sink = home.sink(&["--format", format]);
        let mut stream = TcpStream::connect(&sink.smtp).unwrap();
        stream.write_all(session.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("stored as"), "{answer}");
        assert_safe("replies", &answer.replace("\r\n", "\n"));
        // `raw` writes the exact source to a pipe.
        if format != "none" && format != "raw" {
            let stdout = sink.stdout_once(|text| text.contains("123456"));
            assert_safe(format, &stdout);
        }
        let url = format!("http://{}", sink.web());
        for arguments in [
            &["inbox", "list"][..],
            &["inbox", "list", "--json"],
            &["inbox", "show", "latest"],
            &["inbox", "show", "latest", "--json"],
            &["inbox", "show", "latest", "--print", "link,code,id,json"],
        ] {
            let shown = assert_safe_in_pipes(&home, &[arguments, &["--url", &url]].concat());
            assert!(!shown.is_empty());
        }
        assert_safe_on_terminal(
            &home,
            &[
                "inbox",
                "show",
                "latest",
                "--print",
                "text,html",
                "--url",
                &url,
            ],
        );
        assert_safe("stderr", &sink.stderr());
    }
    // On a terminal all formats are safe.
    for format in ["text", "json", "raw", "classic"] {
        let command = home.command(&[
            "--color",
            "never",
            "smtp-debug",
            "--listen",
            "127.0.0.1:0",
            "--no-web",
            "--exit-after",
            "1",
            "--format",
            format,
        ]);
        let mut person = Person::runs_at_width(&command, 1000);
        person.sees("SMTP on ");
        let smtp = person.rest_of_line();
        let mut stream = TcpStream::connect(smtp.trim()).unwrap();
        stream.write_all(session.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let screen = person.ends(0);
        assert!(screen.contains("123456"), "{screen}");
        assert_safe(format, &screen.replace("\r\n", "\n"));
    }
}
