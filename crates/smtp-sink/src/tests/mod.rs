//! Tests of the whole sink over real sockets, bound to port 0.

mod chaos_api;
mod connections;
mod events;
mod fuzz;
mod mailhog;
mod mailpit_json;
mod pages;
mod parts;
mod search_api;
mod send_api;
mod smtp;
mod supervision;
mod swagger;
mod tags_api;
mod wait_and_envelope;
mod web_access;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};

use super::*;
use crate::clock::Clock;
use crate::inbox::Inbox;
use crate::inbox::tests::Counting;
use crate::supervision::TaskFailed;

/// A running sink, with the ids of the messages that it passed to its output.
struct Running {
    smtp: SocketAddr,
    web: SocketAddr,
    inbox: Arc<Inbox>,
    output: Mutex<Receiver<String>>,
    stop: Mutex<Option<oneshot::Sender<()>>>,
    task: JoinHandle<Result<Summary, TaskFailed>>,
}

/// A clock that always returns the same time.
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        "2026-11-23T10:11:12.5Z".parse().unwrap()
    }
}

async fn start(change: impl FnOnce(&mut SinkSettings)) -> Running {
    start_with_clock(change, Stopped).await
}

async fn start_with_clock(
    change: impl FnOnce(&mut SinkSettings),
    clock: impl Clock + 'static,
) -> Running {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut settings = SinkSettings {
        listen: any,
        web: Some(any),
        ..SinkSettings::default()
    };
    change(&mut settings);
    let sink = SinkBuilder::from(settings)
        .clock(clock)
        .rng(Counting::default());
    let sink = sink.bind().await.unwrap();
    let (smtp, web) = (sink.smtp_addr(), sink.web_addr().unwrap());
    let inbox = sink.inbox().shared();
    let (output_sender, output) = channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let show = move |message: Option<&Arc<ReceivedMessage>>| {
        output_sender.send(message.unwrap().id.0.clone()).unwrap();
    };
    let task = tokio::spawn(sink.run(Some(Box::new(show)), async {
        let _ = stopped.await;
    }));
    Running {
        smtp,
        web,
        inbox,
        output: Mutex::new(output),
        stop: Mutex::new(Some(stop)),
        task,
    }
}

impl Running {
    /// Requests the stop without waiting for it.
    fn stop(&self) {
        drop(self.stop.lock().unwrap().take());
    }

    async fn end(self) -> Summary {
        self.stop();
        self.task.await.unwrap().unwrap()
    }

    /// Sends bytes to the SMTP port, and reads until the server closes the connection.
    async fn send_smtp(&self, bytes: impl Into<Vec<u8>>) -> String {
        let (smtp, bytes) = (self.smtp, bytes.into());
        spawn_blocking(move || {
            let mut stream = TcpStream::connect(smtp).unwrap();
            stream.write_all(&bytes).unwrap();
            let mut response = String::new();
            stream.read_to_string(&mut response).unwrap();
            response
        })
        .await
        .unwrap()
    }

    /// Sends an HTTP request as written, and returns the status and the body of the response.
    async fn send_http(&self, request: &str) -> (u16, String) {
        let (web, request) = (self.web, request.replace('\n', "\r\n"));
        spawn_blocking(move || {
            let mut stream = TcpStream::connect(web).unwrap();
            let end = if request.contains("\r\n\r\n") {
                ""
            } else {
                "\r\nConnection: close\r\n\r\n"
            };
            write!(stream, "{request}{end}").unwrap();
            let mut response = Vec::new();
            stream.read_to_end(&mut response).unwrap();
            let response = String::from_utf8_lossy(&response);
            let (head, body) = response.split_once("\r\n\r\n").unwrap();
            (head[9..12].parse().unwrap(), body.to_owned())
        })
        .await
        .unwrap()
    }

    /// Calls the API with a body, and returns the status and the body of the response.
    async fn call(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.send_http(&format!(
            "{method} {path} HTTP/1.1\nHost: localhost\nContent-Length: {}\nConnection: close\n\n{body}",
            body.len()
        ))
        .await
    }

    async fn get(&self, path: &str) -> ureq::http::Response<String> {
        let url = format!("http://{}{path}", self.web);
        spawn_blocking(move || {
            let agent: ureq::Agent = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .build()
                .into();
            let (head, mut body) = agent.get(url).call().unwrap().into_parts();
            let bytes = body.read_to_vec().unwrap();
            ureq::http::Response::from_parts(head, String::from_utf8_lossy(&bytes).into_owned())
        })
        .await
        .unwrap()
    }

    async fn json(&self, path: &str) -> Value {
        serde_json::from_str(self.get(path).await.body()).unwrap()
    }
}

fn mail(to: &str, source: &str) -> String {
    format!(
        "EHLO me\r\nMAIL FROM:<from@example.com>\r\nRCPT TO:<{to}>\r\nDATA\r\n{source}.\r\nQUIT\r\n"
    )
}

const SIMPLE: &str = concat!(
    "From: Support <from@example.com>\r\nTo: Ann <ann@example.com>\r\nSubject: <b>Hi</b>\r\n",
    "Message-ID: <1@example.com>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0100\r\n\r\nHello\r\n",
);

/// Returns [`SIMPLE`] with another subject.
fn with_subject(subject: &str) -> String {
    SIMPLE.replace("<b>Hi</b>", subject)
}

/// Starts a sink with one message for each subject, and returns the ids of the messages.
async fn start_with_messages(subjects: &[&str]) -> (Running, Vec<String>) {
    let sink = start(|_| {}).await;
    let mut ids = Vec::new();
    for subject in subjects {
        sink.send_smtp(mail("ann@example.com", &with_subject(subject)))
            .await;
        ids.push(sink.inbox.latest().unwrap().id.0.clone());
    }
    (sink, ids)
}

/// Searches through the API, and returns the subjects of the messages found.
async fn search_subjects(sink: &Running, query: &str) -> Vec<String> {
    let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let list = sink.json(&format!("/api/v1/search?query={query}")).await;
    let messages = list["messages"].as_array().unwrap();
    assert_eq!(list["messages_count"], messages.len());
    let subjects = messages
        .iter()
        .map(|message| message["Subject"].as_str().unwrap().to_owned());
    subjects.collect()
}

/// A message with HTML, a picture that the HTML refers to, and an attachment with a script.
const PARTS: &str = concat!(
    "From: a@example.com\r\nTo: Ann <ann@example.com>\r\nSubject: =?utf-8?q?p=C3=A4rts?=\r\nX-odd-NAME: a\r\n b\r\n",
    "MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=m\r\n\r\n",
    "--m\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<a href=\"https://x.example/r?t=1\">go</a><img src=\"cid:pic@x\"><video></video>\r\n",
    "--m\r\nContent-Type: image/png; name=\"p\\\"i.png\"\r\nContent-ID: <pic@x>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBO\r\n",
    "--m\r\nContent-Type: text/html; name=evil.html\r\nContent-Disposition: attachment\r\n\r\n<script>alert(1)</script>\r\n--m--\r\n",
);
