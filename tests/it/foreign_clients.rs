//! Mail clients of other vendors, in their default configuration, with the real binary.
//!
//! A client gets the host, the port and nothing else. The lines that `smtp-debug` prints at start are read from its output and used
//! unchanged; clients without a line follow. No test here turns off TLS or its verification.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lettre::transport::smtp::SmtpTransport;
use lettre::{Message, Transport as _};

use movie_bag_testkit::{
    Home, Output, Sink, npm_packages, report_skipped, virtual_env, wait_until,
};

const FROM: &str = "me@example.com";
const TO: &str = "ann@example.com";
/// Letters beyond ASCII, lines that begin with dots, an empty line.
const TEXT: &str = "Grüße, Ann!\n.\n..two dots\n\nlast line";

/// Pinned versions, which run on Python 3.10 and Node 18. Debian 12 has both or later ones.
const PYTHON_PACKAGES: [&str; 4] = [
    "aiosmtplib==5.1.3",
    "Django==5.2.19",
    "Flask==3.1.3",
    "Flask-Mail==0.10.0",
];
const NODEMAILER: &str = "nodemailer@9.1.1";

/// A mail client and its home.
struct Client<'a> {
    name: &'a str,
    home: &'a Home,
}

impl<'a> Client<'a> {
    fn new(home: &'a Home, name: &'a str) -> Self {
        Self { name, home }
    }

    fn subject(&self) -> String {
        format!("Grüße von {}", self.name)
    }

    /// Returns the first of these programs that can run, with the mail in its environment. Returns `None` if there is none; that has
    /// been reported then.
    ///
    /// `probe` are arguments that make a program exit successfully without sending anything.
    fn program(&self, programs: &[&str], probe: &[&str], advice: &str) -> Option<Command> {
        let can_run = |program: &&&str| {
            let mut probing = self.command(Path::new(program));
            probing.args(probe).stdin(Stdio::null());
            probing.stdout(Stdio::null()).stderr(Stdio::null());
            probing.status().is_ok_and(|status| status.success())
        };
        let Some(program) = programs.iter().find(can_run) else {
            self.report_skipped(
                &format!("{} cannot be used.", programs.join(" and ")),
                advice,
            );
            return None;
        };
        Some(self.command(Path::new(program)))
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            // Without the configuration of this machine.
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("LANG", "C.UTF-8")
            .env("FROM", FROM)
            .env("TO", TO)
            .env("SUBJECT", self.subject())
            .env("TEXT", TEXT)
            .current_dir(self.home.path());
        command
    }

    fn report_skipped(&self, why: &str, advice: &str) {
        report_skipped(&format!("sending by {}", self.name), why, advice);
    }

    fn python(&self, file: &str) -> Option<Command> {
        let python = match virtual_env::install("foreign-clients", &PYTHON_PACKAGES) {
            Ok(python) => python,
            Err(why) => {
                self.report_skipped(&why, "Install Python 3.10 to 3.13 with venv.");
                return None;
            }
        };
        let mut command = self.command(&python);
        command.arg(script(file));
        Some(command)
    }

    fn node(&self, file: &str) -> Option<Command> {
        let modules = match npm_packages("nodemailer", &[NODEMAILER]) {
            Ok(modules) => modules,
            Err(why) => {
                self.report_skipped(&why, "Put npm on the PATH.");
                return None;
            }
        };
        let mut command = self.program(&["node"], &["--version"], "Install Node 18 or later.")?;
        command.env("NODE_PATH", modules).arg(script(file));
        Some(command)
    }

    fn ruby(&self, library: &str, file: &str) -> Option<Command> {
        let probe = ["-e", &format!("require \"{library}\"")];
        let advice = "Install Debian's ruby-mail and ruby-actionmailer.";
        // Debian's Ruby finds the libraries of Debian if another Ruby is first on the PATH.
        let mut command = self.program(&["ruby", "/usr/bin/ruby"], &probe, advice)?;
        command.arg(script(file));
        Some(command)
    }

    fn php(&self, ini: &str, needs: &str, file: &str) -> Option<Command> {
        let ini = self.home.write("php.ini", ini);
        let ini = ini.to_str().unwrap();
        let advice = "Install Debian's php-cli, php-symfony-mailer and msmtp.";
        let mut command =
            self.program(&["php", "/usr/bin/php"], &["-c", ini, "-r", needs], advice)?;
        command.args(["-c", ini]).arg(script(file));
        Some(command)
    }

    fn shell(&self, program: &str, line: &str) -> Option<Command> {
        let advice = format!("Install Debian's {program}.");
        self.program(&[program], &["--version"], &advice)?;
        let mut command = self.command(Path::new("sh"));
        command.args(["-c", line]);
        Some(command)
    }
}

fn script(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/foreign_clients")
        .join(file)
}

/// Returns the command that uses a printed line. A line without a client here is a failure.
fn client_of_line(client: &Client<'_>, settings: &str) -> Option<Command> {
    let (mut command, argument) = match client.name {
        "Flask" => (client.python("flask_client.py")?, settings),
        "Django" => (client.python("django_client.py")?, settings),
        "Python" => (client.python("smtplib_client.py")?, settings),
        "Rails" => (client.ruby("action_mailer", "rails_client.rb")?, settings),
        "Nodemailer" => (client.node("nodemailer_client.js")?, settings),
        "PHP" => {
            client.program(&["msmtp"], &["--version"], "Install Debian's msmtp.")?;
            return client.php(settings, "exit(0);", "mail_client.php");
        }
        "Symfony" => {
            let needs = "exit((@include 'Symfony/Component/Mailer/autoload.php') ? 0 : 1);";
            (client.php("", needs, "symfony_client.php")?, settings)
        }
        "swaks" => {
            let line = format!("{settings} --header \"Subject: $SUBJECT\" --body \"$TEXT\"");
            return client.shell("swaks", &line);
        }
        other => panic!("no client here reads the line for {other}"),
    };
    command.arg(argument);
    Some(command)
}

/// Returns the names and settings that the binary prints for clients.
fn printed_lines(sink: &Sink) -> Vec<(String, String)> {
    const BEFORE: &str = "Point your program at it:\n";
    let mut lines = Vec::new();
    wait_until("the settings of clients are printed", || {
        let stderr = sink.stderr();
        let block = stderr.split_once(BEFORE).map(|(_, rest)| rest);
        // An empty line ends the block.
        let block = block.and_then(|rest| rest.split_once("\n\n"));
        lines = block.map_or(Vec::new(), |(block, _)| block.lines().map(line).collect());
        !lines.is_empty()
    });
    lines
}

fn line(text: &str) -> (String, String) {
    let (name, settings) = text.trim().split_once(' ').unwrap();
    (name.to_owned(), settings.trim().to_owned())
}

/// Runs a client, and checks the message that arrived.
fn assert_sends(client: &Client<'_>, command: &mut Command, sink: &Sink) {
    let output = run(command);
    assert_eq!(output.code, Some(0), "{}: {output:?}", client.name);
    assert_arrived(client, sink);
}

fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    Output::wait_for(command.spawn().unwrap())
}

fn assert_arrived(client: &Client<'_>, sink: &Sink) {
    let inbox = sink.inbox();
    let message = &inbox.messages()[0];
    assert_eq!(message["Subject"], client.subject(), "{}", client.name);
    let id = message["ID"].as_str().unwrap();
    let envelope = inbox.envelope(id);
    assert_eq!(envelope["from"], FROM, "{}", client.name);
    assert_eq!(envelope["to"], serde_json::json!([TO]), "{}", client.name);
    let mail = inbox.mail(id);
    assert_eq!(mail.from, FROM, "{}", client.name);
    // The gem "mail" 2.7 encodes CR as =0D before a line end, which decodes to two CRs.
    let line_end = match client.name {
        "Rails" | "mail" => "\r\r\n",
        _ => "\r\n",
    };
    let text = mail.text.replace(line_end, "\n");
    assert_eq!(text.trim_end(), TEXT, "{}", client.name);
}

#[test]
fn every_printed_line_for_a_client_sends_a_mail() {
    let home = Home::fresh();
    let sink = home.sink(&[]);
    let lines = printed_lines(&sink);
    let names: Vec<_> = lines.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "Flask",
            "Django",
            "Python",
            "Rails",
            "Nodemailer",
            "PHP",
            "Symfony",
            "lettre",
            "swaks"
        ]
    );
    for (name, settings) in &lines {
        let client = Client::new(&home, name);
        if name == "lettre" {
            send_by_lettre(&client, settings, &sink);
        } else if let Some(mut command) = client_of_line(&client, settings) {
            assert_sends(&client, &mut command, &sink);
        }
    }
    // The help has the same lines, with the default port.
    let help = home.run(&["help", "smtp-debug"]).ok().stdout;
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (name, settings) in &lines {
        let usual = settings.replace(sink.port(), "1025");
        let line = format!("{name} {usual}");
        assert!(squeezed(&help).contains(&line), "{line}\n{help}");
    }
}

/// Sends by the printed expression, which must equal the one that is compiled here.
fn send_by_lettre(client: &Client<'_>, printed: &str, sink: &Sink) {
    macro_rules! with_source {
        ($($expression:tt)*) => { (stringify!($($expression)*), $($expression)*) };
    }
    let (host, port) = ("127.0.0.1", sink.port().parse().unwrap());
    let (text, transport) = with_source!(SmtpTransport::builder_dangerous(host).port(port).build());
    let without_spaces = |text: &str| text.replace([' ', '\n'], "");
    let printed = printed
        .replace("\"127.0.0.1\"", "host")
        .replace(sink.port(), "port");
    assert_eq!(without_spaces(&printed), without_spaces(text));
    let message = Message::builder()
        .from(FROM.parse().unwrap())
        .to(TO.parse().unwrap())
        .subject(client.subject())
        .body(TEXT.to_owned())
        .unwrap();
    transport.send(&message).unwrap();
    assert_arrived(client, sink);
}

#[test]
fn clients_without_a_line_send_with_host_and_port_alone() {
    let home = Home::fresh();
    let sink = home.sink(&[]);
    for (name, library, file) in [
        ("mail", "mail", "mail_client.rb"),
        ("net-smtp", "net/smtp", "net_smtp_client.rb"),
    ] {
        let client = Client::new(&home, name);
        if let Some(mut command) = client.ruby(library, file) {
            command.args(["127.0.0.1", sink.port()]);
            assert_sends(&client, &mut command, &sink);
        }
    }
    let client = Client::new(&home, "aiosmtplib");
    if let Some(mut command) = client.python("aiosmtplib_client.py") {
        command.args(["127.0.0.1", sink.port()]);
        assert_sends(&client, &mut command, &sink);
    }
}

/// A message with everything that a client or server could change in transit.
const EXACT: &[u8] = b"From: me@example.com\r\nTo: ann@example.com\r\nSubject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe_von_curl?=\r\n\
    MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
    Gr\xc3\xbc\xc3\x9fe, Ann!\r\n.\r\n..two dots\r\n\r\nlast line\r\n";

#[test]
fn curl_sends_with_host_and_port_alone_and_every_byte_arrives() {
    let home = Home::fresh();
    let sink = home.sink(&[]);
    home.write("mail.eml", EXACT);
    let client = Client::new(&home, "curl");
    let url = format!("smtp://{}", sink.smtp);
    let Some(mut command) = client.shell("curl", &curl(&url)) else {
        return;
    };
    assert_sends(&client, &mut command, &sink);
    assert_eq!(sink.inbox().source("latest"), EXACT);
}

fn curl(url: &str) -> String {
    format!("curl -sS {url} --mail-from $FROM --mail-rcpt $TO --upload-file mail.eml")
}

#[test]
fn clients_that_log_in_need_no_encryption() {
    let home = Home::fresh();
    let sink = home.sink(&[]);
    for (name, settings) in printed_lines(&sink) {
        let client = Client::new(&home, &name);
        let settings = match name.as_str() {
            "Flask" => format!("{settings} MAIL_USERNAME=ann MAIL_PASSWORD=s3cret"),
            "Django" => {
                format!("{settings}; EMAIL_HOST_USER = \"ann\"; EMAIL_HOST_PASSWORD = \"s3cret\"")
            }
            "Python" => settings,
            "Rails" => settings.replace(" }", ", user_name: \"ann\", password: \"s3cret\" }"),
            "Nodemailer" => settings.replace(" }", ", auth: { user: \"ann\", pass: \"s3cret\" } }"),
            "Symfony" => settings.replace("smtp://", "smtp://ann:s3cret@"),
            "swaks" => format!("{settings} --auth-user ann --auth-password s3cret"),
            _ => continue,
        };
        let Some(mut command) = client_of_line(&client, &settings) else {
            continue;
        };
        assert_sends(&client, command.env("LOGIN", "1"), &sink);
        let envelope = sink.inbox().envelope("latest");
        assert_eq!(envelope["auth"]["user"], "ann", "{name}");
        assert_eq!(envelope["tls"], serde_json::Value::Null, "{name}");
    }
}

#[test]
fn starttls_is_offered_only_where_it_is_asked_for() {
    let home = Home::fresh();
    for (options, offered) in [
        (&[][..], false),
        (&["--tls", "127.0.0.1:0"], false),
        (&["--starttls"], true),
        (&["--starttls", "--tls", "127.0.0.1:0"], true),
    ] {
        let sink = home.sink(options);
        let replies = movie_bag_testkit::raw(&sink.smtp, b"EHLO me\r\nSTARTTLS\r\nQUIT\r\n");
        assert_eq!(
            replies.contains("250-STARTTLS"),
            offered,
            "{options:?}: {replies}"
        );
        let hint = "\r\n502 5.5.1 STARTTLS is off: start smtp-debug with --starttls";
        assert_eq!(replies.contains(hint), !offered, "{options:?}: {replies}");
    }
}

#[test]
fn clients_send_encrypted_only_if_they_trust_the_authority() {
    let home = Home::fresh();
    let ca = home.path().join("ca.pem");
    let ca = ca.to_str().unwrap();
    let sink = home.sink(&["--starttls", "--tls", "127.0.0.1:0", "--tls-ca-out", ca]);
    home.write("mail.eml", EXACT);
    let lines = printed_lines(&sink);
    let of = |name: &str| -> &str { &lines.iter().find(|line| line.0 == name).unwrap().1 };

    // These clients use STARTTLS by default, and verify. Trust is set by the environment variables of their manuals.
    for (name, trust) in [
        ("Nodemailer", "NODE_EXTRA_CA_CERTS"),
        ("Rails", "SSL_CERT_FILE"),
        ("Symfony", "SSL_CERT_FILE"),
    ] {
        let client = Client::new(&home, name);
        let Some(mut distrusting) = client_of_line(&client, of(name)) else {
            continue;
        };
        let refused = run(&mut distrusting);
        assert_ne!(refused.code, Some(0), "{name}: {refused:?}");
        let before = sink.inbox().messages().len();
        let mut trusting = client_of_line(&client, of(name)).unwrap();
        assert_sends(&client, trusting.env(trust, ca), &sink);
        assert_eq!(sink.inbox().messages().len(), before + 1, "{name}");
        assert_encrypted(name, &sink);
    }
    let aiosmtplib = Client::new(&home, "aiosmtplib");
    if let Some(mut command) = aiosmtplib.python("aiosmtplib_client.py") {
        command.args(["127.0.0.1", sink.port()]);
        assert_sends(&aiosmtplib, command.env("SSL_CERT_FILE", ca), &sink);
        assert_encrypted("aiosmtplib", &sink);
    }

    // These clients encrypt if their options require it.
    let python = Client::new(&home, "Python");
    let implicit = format!(
        "smtplib.SMTP_SSL(\"127.0.0.1\", {}, context=context)",
        sink.smtps_port()
    );
    for expression in [of("Python"), &implicit] {
        if let Some(mut command) = client_of_line(&python, expression) {
            assert_sends(&python, command.env("CA_FILE", ca), &sink);
            assert_encrypted(expression, &sink);
        }
    }
    let curl_client = Client::new(&home, "curl");
    let implicit = format!("smtps://127.0.0.1:{}", sink.smtps_port());
    for url in [&format!("smtp://{}", sink.smtp), &implicit] {
        let line = format!("{} --ssl-reqd --cacert {ca}", curl(url));
        if let Some(mut command) = curl_client.shell("curl", &line) {
            assert_sends(&curl_client, &mut command, &sink);
            assert_encrypted(url, &sink);
        }
    }
}

fn assert_encrypted(what: &str, sink: &Sink) {
    let envelope = sink.inbox().envelope("latest");
    assert_eq!(envelope["tls"], "TLS 1.3", "{what}: {envelope}");
}

#[test]
fn the_authority_is_written_only_with_a_generated_certificate() {
    let home = Home::fresh();
    let refused = |options: &[&str], code| {
        home.run(
            &[
                &["smtp-debug", "--listen", "127.0.0.1:0", "--no-web"],
                options,
            ]
            .concat(),
        )
        .exits(code)
        .stderr
    };
    let none = refused(&["--tls-ca-out", "ca.pem"], 2);
    assert!(none.contains("--starttls|--tls"), "{none}");
    let conflicting = refused(
        &[
            "--starttls",
            "--tls-ca-out",
            "ca.pem",
            "--tls-cert",
            "c.pem",
            "--tls-key",
            "k.pem",
        ],
        2,
    );
    assert!(conflicting.contains("cannot be used with"), "{conflicting}");
    let nowhere = refused(&["--starttls", "--tls-ca-out", "missing/ca.pem"], 1);
    assert!(
        nowhere.contains("cannot write the certificate authority to missing/ca.pem"),
        "{nowhere}"
    );
    assert!(!home.path().join("ca.pem").exists());
}
