//! Text from outside that wants to be obeyed by a terminal: of messages, of inbox servers and of mail servers.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};

use crate::harness::{Home, PASSWORD, Person, wait_for};

/// Sets the title, clears the screen, changes colours in C0 and C1, turns text round, breaks and overwrites lines.
const HOSTILE: &str = "\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m\u{61c}\u{200e}\u{200f}\u{202e}\u{2066}\u{2028}\u{85}\u{8}\u{7f}\u{206f}x";

const ANN: &str = "ann@example.com";

/// Characters that a terminal obeys, or that show the text around them otherwise. The list is not taken from the binary.
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
fn is_safe(home: &Home, arguments: &[&str]) -> String {
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
fn is_safe_on_a_terminal(home: &Home, arguments: &[&str]) -> String {
    let command = home.command(arguments);
    let screen = Person::before(&command, 1000).ends(0);
    assert_safe(&arguments.join(" "), &screen.replace("\r\n", "\n"));
    screen
}

/// An inbox server that answers each request for a path with this status and body.
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

/// A message with hostile text wherever the API has text, and where it has numbers.
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

pub fn an_inbox_server_sends_nothing_to_a_terminal(home: Home) {
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
        // Not escaped, as JSON allows beyond C0.
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
            shown += &is_safe(&home, arguments);
        } else {
            let styled = home.run(arguments).stdout;
            assert_safe("styled", &styled.replace("\u{1b}[0m", ""));
        }
    }
    is_safe(&home, &["inbox", "wait", "--to", ANN, "--timeout", HOSTILE]);
    is_safe(&home, &["inbox", HOSTILE]);
    assert!(shown.contains("title"), "{shown}");
    // The parts that a pipe gets byte for byte.
    for arguments in [
        &["inbox", "list"][..],
        &["inbox", "show", "latest"],
        &["inbox", "show", "latest", "--print", "text,html,id,link"],
        &["inbox", "wait", "--to", ANN, "--print", "text,html,id"],
    ] {
        let screen = is_safe_on_a_terminal(&home, arguments);
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
            is_safe(&home, &[arguments, &["--url", &url]].concat());
            is_safe(&home, &[arguments, &["--json", "--url", &url]].concat());
        }
    }
}

/// When a mail server answers with hostile text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Greeting,
    Nonsense,
    Ehlo,
    Auth,
    Mail,
    Rcpt,
    RcptForNow,
    Data,
    Message,
}

impl When {
    const ALL: [Self; 9] = [
        Self::Greeting,
        Self::Nonsense,
        Self::Ehlo,
        Self::Auth,
        Self::Mail,
        Self::Rcpt,
        Self::RcptForNow,
        Self::Data,
        Self::Message,
    ];
}

/// A mail server whose every reply is hostile, and which refuses at one point.
fn mail_server(when: When) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || converse(client, when));
        }
    });
    port
}

fn converse(client: TcpStream, when: When) -> Option<()> {
    let mut out = client.try_clone().ok()?;
    let lines = BufReader::new(client).lines().map_while(Result::ok);
    let mut say = |code: &str| {
        out.write_all(format!("{code} {HOSTILE} words\r\n").as_bytes())
            .ok()
    };
    match when {
        When::Greeting => say("554")?,
        When::Nonsense => return say("HTTP/1.1"),
        _ => say("220")?,
    }
    let mut in_message = false;
    for line in lines {
        let refused = |at: When, code| if when == at { code } else { "250" };
        let verb = line.get(..4).unwrap_or_default();
        match (in_message, verb) {
            (true, _) if line == "." => {
                in_message = false;
                say(refused(When::Message, "554"))?;
            }
            (true, _) => {}
            (_, "EHLO") if when == When::Ehlo => say("554")?,
            (_, "EHLO") => {
                say("250-x")?;
                say("250-AUTH PLAIN")?;
                say("250")?;
            }
            (_, "AUTH") if when == When::Auth => say("535")?,
            (_, "AUTH") => say("235")?,
            (_, "MAIL") => say(refused(When::Mail, "550"))?,
            (_, "RCPT") if when == When::RcptForNow => say("450")?,
            (_, "RCPT") => say(refused(When::Rcpt, "550"))?,
            (_, "DATA") if when == When::Data => say("554")?,
            (_, "DATA") => {
                in_message = true;
                say("354")?;
            }
            (_, "QUIT") => return say("221"),
            _ => say("250")?,
        }
    }
    Some(())
}

pub fn a_mail_server_sends_nothing_to_a_terminal(home: Home) {
    home.create_account(ANN, PASSWORD);
    for when in When::ALL {
        let (server, port) = ("127.0.0.1".to_owned(), mail_server(when));
        let mut mail = vec![("MAIL_SERVER", server), ("MAIL_PORT", port)];
        if when == When::Auth {
            mail.push(("MAIL_USERNAME", "user".to_owned()));
            mail.push(("MAIL_PASSWORD", "password".to_owned()));
        }
        let run = |arguments: &[&str]| {
            let mut command = home.command(arguments);
            command.envs(mail.iter().map(|(key, value)| (key, value)));
            let output = crate::harness::Output::of(command, "");
            let what = format!("{when:?}, {}", arguments.join(" "));
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
        let in_words = ["title", "words"].iter().any(|word| shown.contains(word));
        assert!(
            in_words,
            "{when:?}: no word of the server is shown: {shown}"
        );
    }
    // The log of a server, and what it has kept of the words of others.
    for format in ["text", "json"] {
        let home = Home::fresh()
            .with("MAIL_SERVER", "127.0.0.1")
            .with("MAIL_PORT", mail_server(When::Rcpt))
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

pub fn a_message_sends_nothing_to_a_terminal(home: Home) {
    // In the headers as it is and encoded, in file names, in both bodies, in the envelope and the name of a login.
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
    let dialogue = format!(
        "EHLO x\u{202e}\r\nAUTH PLAIN {login}\r\nMAIL FROM:<a\u{202e}\u{61c}@example.com> SMTPUTF8\r\n\
         RCPT TO:<{ANN}>\r\nRCPT TO:<b\u{2066}@example.com>\r\nDATA\r\n{source}\r\n.\r\nQUIT\r\n"
    );
    for format in ["text", "json", "raw", "classic", "none"] {
        let sink = home.sink(&["--format", format]);
        let mut stream = TcpStream::connect(&sink.smtp).unwrap();
        stream.write_all(dialogue.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("stored as"), "{answer}");
        assert_safe("replies", &answer.replace("\r\n", "\n"));
        // The exact source in a pipe is what `raw` is for.
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
            let shown = is_safe(&home, &[arguments, &["--url", &url]].concat());
            assert!(!shown.is_empty());
        }
        is_safe_on_a_terminal(
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
        let mut person = Person::before(&command, 1000);
        person.sees("SMTP on ");
        let smtp = person.rest_of_line();
        let mut stream = TcpStream::connect(smtp.trim()).unwrap();
        stream.write_all(dialogue.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let screen = person.ends(0);
        assert!(screen.contains("123456"), "{screen}");
        assert_safe(format, &screen.replace("\r\n", "\n"));
    }
}
