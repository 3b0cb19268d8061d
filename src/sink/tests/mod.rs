//! The whole sink over real sockets, bound to port 0.

mod api;
mod compat;
mod connections;
mod fuzz;
mod own;
mod pages;
mod parts;
mod smtp;
mod supervision;
mod web;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use jiff::Timestamp;
use serde_json::Value;
use tokio::task::{JoinHandle, spawn_blocking};

use super::inbox::tests::Counting;
use super::*;

/// A sink that runs, and what it told of.
struct Running {
    smtp: SocketAddr,
    web: SocketAddr,
    inbox: Arc<Inbox>,
    shown: Mutex<Receiver<String>>,
    stop: Mutex<Option<oneshot::Sender<()>>>,
    task: JoinHandle<Result<Summary, TaskFailed>>,
}

/// A clock that stands.
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        "2026-11-23T10:11:12.5Z".parse().unwrap()
    }
}

async fn start(change: impl FnOnce(&mut SinkSettings)) -> Running {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut settings = SinkSettings {
        listen: any,
        web: Some(any),
        ..SinkSettings::default()
    };
    change(&mut settings);
    let sink = Sink::bind_with(settings, Arc::new(Stopped), Arc::new(Counting::default()))
        .await
        .unwrap();
    let (smtp, web, inbox) = (sink.smtp_addr(), sink.web_addr().unwrap(), sink.inbox());
    let (told, shown) = channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let show = move |message: Option<&Arc<ReceivedMessage>>| {
        told.send(message.unwrap().id.0.clone()).unwrap();
    };
    let task = tokio::spawn(sink.run(Some(Box::new(show)), async {
        let _ = stopped.await;
    }));
    Running {
        smtp,
        web,
        inbox,
        shown: Mutex::new(shown),
        stop: Mutex::new(Some(stop)),
        task,
    }
}

impl Running {
    /// Tells it to stop.
    fn stop(&self) {
        drop(self.stop.lock().unwrap().take());
    }

    async fn end(self) -> Summary {
        self.stop();
        self.task.await.unwrap().unwrap()
    }

    /// Sends bytes to the SMTP port and reads until the server closes.
    async fn says(&self, said: impl Into<Vec<u8>>) -> String {
        let (smtp, said) = (self.smtp, said.into());
        spawn_blocking(move || {
            let mut stream = TcpStream::connect(smtp).unwrap();
            stream.write_all(&said).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        })
        .await
        .unwrap()
    }

    /// Sends one HTTP request as written and reads all of the answer.
    async fn asks(&self, request: &str) -> (u16, String) {
        let (web, request) = (self.web, request.replace('\n', "\r\n"));
        spawn_blocking(move || {
            let mut stream = TcpStream::connect(web).unwrap();
            let end = if request.contains("\r\n\r\n") {
                ""
            } else {
                "\r\nConnection: close\r\n\r\n"
            };
            write!(stream, "{request}{end}").unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            let answer = String::from_utf8_lossy(&answer);
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            (head[9..12].parse().unwrap(), body.to_owned())
        })
        .await
        .unwrap()
    }

    /// Calls the API with a body, and answers the status and the text.
    async fn call(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.asks(&format!(
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
