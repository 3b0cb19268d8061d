//! The way out over SMTP, by lettre: connections are kept and used again, STARTTLS is demanded and never merely tried,
//! certificates are verified.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::AsyncSmtpTransportBuilder;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::{Error as SmtpError, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use super::{DeliveryError, Mailer, Message, Receipt};

/// Connections kept to the mail server at the most: as many as the delivery worker uses at once.
const CONNECTIONS: u32 = 8;
/// How much of a mail server's words is kept.
const LONGEST_REPLY: usize = 500;
/// The longest line of a message, without its line end (RFC 5322 2.1.1).
const LONGEST_LINE: usize = 998;
/// An idle connection is closed after this; mail servers close theirs after minutes, and not gently.
const IDLE: Duration = Duration::from_secs(30);

/// How the connection to the mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// Not at all.
    None,
    /// STARTTLS, demanded (RFC 3207).
    StartTls,
    /// From the first byte (RFC 8314 3.3).
    Implicit,
}

/// Which mail server, and how.
#[derive(Clone)]
pub struct SmtpOptions {
    /// Its host name.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// User name and password, where it wants them.
    pub credentials: Option<(String, String)>,
    /// How the connection is encrypted.
    pub encryption: Encryption,
    /// How long one mail may take, from the connection to the last answer.
    pub timeout: Duration,
}

/// A mail server, spoken to over SMTP.
pub struct SmtpMailer {
    /// The pool of connections in use, and how to make another.
    transport: Mutex<AsyncSmtpTransport<Tokio1Executor>>,
    builder: AsyncSmtpTransportBuilder,
    timeout: Duration,
    /// `host:port`, for what is said about it.
    server: String,
}

impl SmtpMailer {
    /// Prepares the way; nothing is connected yet.
    ///
    /// # Errors
    /// Where the server's name can't be one that TLS verifies.
    pub fn new(options: SmtpOptions) -> Result<Self, DeliveryError> {
        let server = format!("{}:{}", options.server, options.port);
        let tls = || {
            TlsParameters::new(options.server.clone()).map_err(|error| DeliveryError::Unreachable {
                what: format!("{server} can't be verified by TLS: {error}"),
                hint: "set MAIL_SERVER to the name in the server's certificate".to_owned(),
            })
        };
        let tls = match options.encryption {
            Encryption::None => Tls::None,
            Encryption::StartTls => Tls::Required(tls()?),
            Encryption::Implicit => Tls::Wrapper(tls()?),
        };
        // "Dangerous" is only that it does not encrypt by itself: what is wanted is said in the next lines.
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&options.server)
            .port(options.port)
            .tls(tls)
            .timeout(Some(options.timeout))
            .pool_config(PoolConfig::new().max_size(CONNECTIONS).idle_timeout(IDLE));
        if let Some((user, password)) = options.credentials {
            builder = builder.credentials(Credentials::new(user, password));
        }
        Ok(Self {
            transport: Mutex::new(builder.clone().build()),
            builder,
            timeout: options.timeout,
            server,
        })
    }

    /// Speaks with the server, and not for ever: lettre's asynchronous connections wait for an answer without end.
    ///
    /// A conversation that is broken off leaves its connection out of step: the answer to come would be taken for the
    /// answer to the next mail. So the whole pool is left behind; those who still use it go on undisturbed.
    async fn in_time<T>(
        &self,
        speak: impl AsyncFnOnce(AsyncSmtpTransport<Tokio1Executor>) -> Result<T, SmtpError>,
    ) -> Result<T, DeliveryError> {
        let transport = self
            .transport
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match tokio::time::timeout(self.timeout, speak(transport)).await {
            Ok(spoken) => spoken.map_err(|error| self.failed(&error)),
            Err(_) => {
                let fresh = self.builder.clone().build();
                *self
                    .transport
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) = fresh;
                Err(self.too_slow())
            }
        }
    }

    fn too_slow(&self) -> DeliveryError {
        DeliveryError::Unreachable {
            what: format!("SMTP at {} did not answer in time", self.server),
            hint: "see that MAIL_SERVER and MAIL_PORT are right and no firewall is between"
                .to_owned(),
        }
    }

    fn failed(&self, error: &SmtpError) -> DeliveryError {
        let server = self.server.clone();
        let words = causes(error);
        if error.is_permanent() && !error.status().is_some_and(is_about_authentication) {
            return DeliveryError::Permanent {
                server,
                reply: reply_of(error, &words),
            };
        }
        if error.is_transient() {
            return DeliveryError::Transient {
                server,
                reply: reply_of(error, &words),
            };
        }
        let (what, hint) = if error.status().is_some_and(is_about_authentication) {
            // The settings are wrong, not the mail: once they are mended, it goes.
            (
                format!(
                    "{server} refused the user name or the password: {}",
                    reply_of(error, &words)
                ),
                "mend MAIL_USERNAME and MAIL_PASSWORD",
            )
        } else if error.is_timeout() || words.contains("timed out") {
            return self.too_slow();
        } else if words.contains("refused") {
            (
                format!("nothing answers SMTP at {server} (connection refused)"),
                "start \"movie-bag smtp-debug\" or set MAIL_SERVER",
            )
        } else if error.is_tls()
            || words.to_lowercase().contains("tls")
            || words.contains("certificate")
            || words.contains("corrupt message")
        {
            (
                format!("no encrypted connection to SMTP at {server}: {words}"),
                "see MAIL_USE_TLS and MAIL_USE_SSL, and that the certificate is valid for MAIL_SERVER",
            )
        } else if error.is_client() && words.contains("AUTH")
            || words.contains("authentication mechanism")
        {
            (
                format!("{server} offers no way to log in: {words}"),
                "set MAIL_USE_TLS=true, or leave MAIL_PASSWORD empty",
            )
        } else {
            (
                format!("SMTP at {server} failed: {words}"),
                "see MAIL_SERVER and MAIL_PORT; \"movie-bag check\" tells more",
            )
        };
        DeliveryError::Unreachable {
            what,
            hint: hint.to_owned(),
        }
    }
}

/// 530, 534, 535, 538: something about logging in (RFC 4954 6).
fn is_about_authentication(code: lettre::transport::smtp::response::Code) -> bool {
    matches!(u16::from(code), 530 | 534 | 535 | 538)
}

fn reply_of(error: &SmtpError, words: &str) -> String {
    let code = error
        .status()
        .map(|code| code.to_string())
        .unwrap_or_default();
    let words = words.rsplit_once("): ").map_or(words, |(_, words)| words);
    format!("{code} {words}").trim().to_owned()
}

fn causes(error: &SmtpError) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.contains(&more) {
            let _ = write!(words, ": {more}");
        }
        cause = error.source();
    }
    // lettre names the kind of an error before each of its causes; what it was is all that helps.
    let mut parts: Vec<&str> = words.split(": ").collect();
    parts.retain(|part| !matches!(*part, "Connection error" | "internal client error"));
    harmless(&parts.join(": "))
}

/// A stranger's words on one line, without what a terminal would obey, and short enough for the history.
fn harmless(words: &str) -> String {
    let visible = words.chars().map(|c| if c.is_control() { ' ' } else { c });
    visible.take(LONGEST_REPLY).collect()
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, message: &Message) -> Result<Receipt, DeliveryError> {
        let built = build(message).map_err(|reply| DeliveryError::Permanent {
            server: "movie-bag".to_owned(),
            reply,
        })?;
        let response = self
            .in_time(async |transport| transport.send(built).await)
            .await?;
        let words: Vec<&str> = response.message().collect();
        Ok(Receipt {
            reply: harmless(&format!("{} {}", response.code(), words.join(" "))),
        })
    }

    async fn probe(&self) -> Result<(), DeliveryError> {
        match self
            .in_time(async |transport| transport.test_connection().await)
            .await?
        {
            true => Ok(()),
            false => Err(DeliveryError::Unreachable {
                what: format!("SMTP at {} answers, and refuses NOOP", self.server),
                hint: "see that MAIL_SERVER is a mail server".to_owned(),
            }),
        }
    }
}

/// Whether mails can be from this sender, by the same parser that sends them.
///
/// # Errors
/// What is wrong with it.
pub fn check_sender(text: &str) -> Result<(), String> {
    sender(text).map(|_| ())
}

fn sender(text: &str) -> Result<Mailbox, String> {
    text.parse()
        .map_err(|error| format!("MAIL_DEFAULT_SENDER ({text}) is no address: {error}"))
}

/// The bytes of the mail: multipart/alternative, each part in an encoding that leaves its lines as they are, since
/// quoted-printable and base64 would break the link (RFC 2045 6.7, 6.8).
fn build(message: &Message) -> Result<lettre::Message, String> {
    let one_line = |what: &str, text: &str| {
        if text.contains(['\r', '\n', '\0']) {
            Err(format!("the {what} has a line break in it"))
        } else {
            Ok(())
        }
    };
    one_line("subject", &message.subject)?;
    one_line("recipient", &message.to)?;
    one_line("Message-ID", &message.message_id)?;
    let from = sender(&message.from)?;
    let to = message
        .to
        .parse()
        .map_err(|error| format!("{} can't be sent to: {error}", message.to))?;
    let parts = MultiPart::alternative()
        .singlepart(part(ContentType::TEXT_PLAIN, &message.text)?)
        .singlepart(part(ContentType::TEXT_HTML, &message.html)?);
    lettre::Message::builder()
        .message_id(Some(format!("<{}>", message.message_id)))
        .date(SystemTime::from(message.date))
        .from(from)
        .to(Mailbox::new(None, to))
        .subject(&message.subject)
        // RFC 3834 5: no out-of-office note comes back.
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ))
        .multipart(parts)
        .map_err(|error| error.to_string())
}

/// lettre would wrap lines longer than 76 characters by an encoding; ours may have 998 (RFC 5322 2.1.1).
fn part(content_type: ContentType, text: &str) -> Result<SinglePart, String> {
    let encoding = if text.is_ascii() {
        ContentTransferEncoding::SevenBit
    } else {
        ContentTransferEncoding::EightBit
    };
    let lines: Vec<&str> = text.lines().collect();
    if lines
        .iter()
        .any(|line| line.len() > LONGEST_LINE || line.contains(['\r', '\0']))
    {
        return Err("a line is too long for mail, or has a control character in it".to_owned());
    }
    let body = Body::dangerous_pre_encoded((lines.join("\r\n") + "\r\n").into_bytes(), encoding);
    Ok(SinglePart::builder()
        .header(content_type)
        .header(encoding)
        .body(body))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::TcpListener;

    use super::*;

    fn message() -> Message {
        Message {
            message_id: "reset_password.0123@movie-bag.com".to_owned(),
            date: jiff::Timestamp::UNIX_EPOCH,
            from: "support@movie-bag.com".to_owned(),
            to: "ann@example.com".to_owned(),
            subject: "[Movie-bag] Reset Your Password".to_owned(),
            text: format!(
                "Hello\n\nhttps://movies.example/reset/{}\n",
                "x".repeat(400)
            ),
            html: format!(
                "<p>Hello</p>\n<a href=\"https://movies.example/reset/{0}\">link</a>\n",
                "x".repeat(400)
            ),
        }
    }

    fn formatted(message: &Message) -> Result<String, String> {
        build(message).map(|built| String::from_utf8(built.formatted()).unwrap())
    }

    #[test]
    fn the_link_is_whole_on_one_line_as_the_mail_travels() {
        for text in ["", "für Änn"] {
            let mail = formatted(&Message {
                text: message().text + text,
                html: message().html + text,
                ..message()
            })
            .unwrap();
            let link = format!("https://movies.example/reset/{}", "x".repeat(400));
            assert_eq!(
                mail.split("\r\n")
                    .filter(|line| line.contains(&link))
                    .count(),
                2,
                "{mail}"
            );
            assert!(
                !mail.contains("quoted-printable") && !mail.contains("base64"),
                "{mail}"
            );
        }
    }

    #[test]
    fn the_headers_are_those_of_a_mail_that_a_machine_sends() {
        let mail = formatted(&message()).unwrap();
        for header in [
            "Message-ID: <reset_password.0123@movie-bag.com>\r\n",
            "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n",
            "From: support@movie-bag.com\r\n",
            "To: ann@example.com\r\n",
            "Subject: [Movie-bag] Reset Your Password\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "MIME-Version: 1.0\r\n",
            "Content-Type: multipart/alternative;",
        ] {
            assert!(mail.contains(header), "{header:?} is not in {mail}");
        }
    }

    #[test]
    fn nothing_is_injected_into_a_header() {
        for broken in [
            Message {
                to: "ann@example.com\r\nBcc: bob@example.com".to_owned(),
                ..message()
            },
            Message {
                to: "ann@example.com, bob@example.com".to_owned(),
                ..message()
            },
            Message {
                subject: "Hello\r\nBcc: bob@example.com".to_owned(),
                ..message()
            },
            Message {
                from: "nobody".to_owned(),
                ..message()
            },
            Message {
                text: "x".repeat(999),
                ..message()
            },
        ] {
            assert!(formatted(&broken).is_err(), "{broken:?}");
        }
    }

    /// A mail server that answers each line by a script, and closes at its end.
    async fn scripted(script: &'static [(&'static str, &'static str)]) -> SmtpMailer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            stream.write_all(b"220 scripted ESMTP\r\n").await.unwrap();
            let mut line = String::new();
            let mut in_data = false;
            while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                let command = if in_data && line != ".\r\n" {
                    ""
                } else {
                    line.trim_end()
                };
                let answer = script
                    .iter()
                    .find(|(start, _)| !command.is_empty() && command.starts_with(start));
                if let Some((command, answer)) = answer {
                    if answer.is_empty() {
                        return;
                    }
                    in_data = *command == "DATA" && answer.starts_with("354");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
                line.clear();
            }
        });
        mailer(port)
    }

    fn mailer(port: u16) -> SmtpMailer {
        SmtpMailer::new(SmtpOptions {
            server: "127.0.0.1".to_owned(),
            port,
            credentials: None,
            encryption: Encryption::None,
            timeout: Duration::from_secs(20),
        })
        .unwrap()
    }

    const HELLO: (&str, &str) = ("EHLO", "250 scripted\r\n");
    const MAIL: (&str, &str) = ("MAIL", "250 go on\r\n");
    const RCPT: (&str, &str) = ("RCPT", "250 go on\r\n");
    const DATA: (&str, &str) = ("DATA", "354 go on\r\n");

    #[tokio::test]
    async fn an_accepted_mail_has_the_servers_reply() {
        let mailer =
            scripted(&[HELLO, MAIL, RCPT, DATA, (".", "250 2.0.0 queued as 42\r\n")]).await;
        assert_eq!(
            mailer.send(&message()).await.unwrap().reply,
            "250 2.0.0 queued as 42"
        );
    }

    #[tokio::test]
    async fn a_servers_words_can_not_steer_a_terminal() {
        let mailer =
            scripted(&[HELLO, MAIL, RCPT, DATA, (".", "250 \u{1b}[31mred\u{7}\r\n")]).await;
        let reply = mailer.send(&message()).await.unwrap().reply;
        assert_eq!(reply, "250  [31mred ");
    }

    #[tokio::test]
    async fn a_refusal_for_now_is_told_from_one_for_good() {
        let busy = scripted(&[
            HELLO,
            MAIL,
            ("RCPT", "451 4.3.0 try later\r\n"),
            ("QUIT", "221 bye\r\n"),
        ])
        .await
        .send(&message())
        .await
        .unwrap_err();
        assert!(
            !busy.is_permanent() && busy.to_string().contains("451 4.3.0 try later"),
            "{busy}"
        );
        let unknown = scripted(&[
            HELLO,
            MAIL,
            ("RCPT", "550 5.1.1 nobody here\r\n"),
            ("QUIT", "221 bye\r\n"),
        ])
        .await
        .send(&message())
        .await
        .unwrap_err();
        assert!(
            unknown.is_permanent() && unknown.to_string().contains("550 5.1.1 nobody here"),
            "{unknown}"
        );
        let hung_up = scripted(&[HELLO, MAIL, RCPT, DATA, (".", "")])
            .await
            .send(&message())
            .await
            .unwrap_err();
        assert!(!hung_up.is_permanent(), "{hung_up}");
    }

    #[tokio::test]
    async fn a_server_that_stops_answering_holds_nobody_up_for_ever() {
        let mut mailer = scripted(&[HELLO, MAIL]).await;
        mailer.timeout = Duration::from_millis(500);
        let error = mailer.send(&message()).await.unwrap_err();
        assert!(
            !error.is_permanent() && error.to_string().contains("did not answer in time"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn nobody_at_the_port_is_said_with_what_to_do() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = mailer(port).send(&message()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("nothing answers SMTP at 127.0.0.1:{port} (connection refused)")
        );
        assert_eq!(
            error.hint().unwrap(),
            "start \"movie-bag smtp-debug\" or set MAIL_SERVER"
        );
    }

    #[tokio::test]
    async fn starttls_that_is_not_offered_is_no_clear_text() {
        let mut mailer =
            scripted(&[HELLO, MAIL, RCPT, DATA, (".", "250 taken in clear\r\n")]).await;
        let port = mailer.server.rsplit_once(':').unwrap().1.parse().unwrap();
        mailer = SmtpMailer::new(SmtpOptions {
            server: "127.0.0.1".to_owned(),
            port,
            credentials: None,
            encryption: Encryption::StartTls,
            timeout: Duration::from_secs(20),
        })
        .unwrap();
        let error = mailer.send(&message()).await.unwrap_err();
        let said = error.to_string();
        assert!(
            !error.is_permanent() && said.contains("no encrypted connection"),
            "{said}"
        );
        assert!(!said.contains("internal client error"), "{said}");
    }
}
