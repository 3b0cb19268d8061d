//! A mail server that stores the mails it accepts, and fails as configured, mail by mail.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::wait_until;

/// Failure while one mail is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Greets with 421 and closes the connection.
    GreetsWith421,
    /// Answers RCPT with this reply.
    AnswersRcpt(&'static str),
    /// Answers RCPT with 421 and closes the connection.
    LeavesAtRcpt,
    /// Never answers the message data.
    HangsInData,
    /// Stores the mail, and closes the connection without an answer.
    DropsAfterData,
    /// Stores the mail, and accepts it once the test calls [`MailServer::answer`].
    AnswersOnRequest,
}

/// A stored mail.
#[derive(Debug, Clone)]
pub struct StoredMail {
    pub to: String,
    pub message_id: String,
}

#[derive(Default)]
struct State {
    faults: VecDeque<Fault>,
    stored: Vec<StoredMail>,
    connections: usize,
    may_answer: bool,
}

/// A running mail server. Its threads end with the test process.
pub struct MailServer {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl MailServer {
    /// Starts a server. `faults` apply to the first mails; all others are accepted.
    pub fn start(faults: &[Fault]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State {
            faults: faults.iter().copied().collect(),
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || {
                    // A client that disconnects ends only its own session.
                    let _ = converse(stream, &state);
                });
            }
        });
        Self { port, state }
    }

    pub fn port(&self) -> String {
        self.port.to_string()
    }

    pub fn stored(&self) -> Vec<StoredMail> {
        self.state.lock().unwrap().stored.clone()
    }

    /// Lets [`Fault::AnswersOnRequest`] answer.
    pub fn answer(&self) {
        self.state.lock().unwrap().may_answer = true;
    }

    /// Returns the number of connections so far.
    pub fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }
}

fn converse(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(stream).lines();
    let next_fault = |wanted: fn(&Fault) -> bool| {
        let faults = &mut state.lock().unwrap().faults;
        if faults.front().is_some_and(wanted) {
            faults.pop_front()
        } else {
            None
        }
    };
    state.lock().unwrap().connections += 1;
    if next_fault(|fault| *fault == Fault::GreetsWith421).is_some() {
        return out.write_all(b"421 4.3.2 too busy\r\n");
    }
    out.write_all(b"220 faulty ESMTP\r\n")?;
    let (mut to, mut fault) = (String::new(), None);
    while let Some(line) = lines.next().transpose()? {
        let reply = match line.get(..4).unwrap_or(&line) {
            "MAIL" => {
                fault = next_fault(|_| true);
                "250 2.1.0 OK"
            }
            "RCPT" => {
                to = between(&line, '<', '>');
                match fault {
                    Some(Fault::AnswersRcpt(reply)) => {
                        fault = None;
                        reply
                    }
                    Some(Fault::LeavesAtRcpt) => {
                        return out.write_all(b"421 4.3.0 going down\r\n");
                    }
                    _ => "250 2.1.5 OK",
                }
            }
            "DATA" => {
                out.write_all(b"354 go on\r\n")?;
                let mut message_id = String::new();
                for line in lines.by_ref().map_while(Result::ok) {
                    if line == "." {
                        break;
                    }
                    if message_id.is_empty() && line.starts_with("Message-ID:") {
                        message_id = between(&line, '<', '>');
                    }
                }
                if fault == Some(Fault::HangsInData) {
                    // The connection stays open until the client gives up.
                    lines.by_ref().for_each(drop);
                    return Ok(());
                }
                let stored = StoredMail {
                    to: to.clone(),
                    message_id,
                };
                state.lock().unwrap().stored.push(stored);
                if fault == Some(Fault::DropsAfterData) {
                    return Ok(());
                }
                if fault == Some(Fault::AnswersOnRequest) {
                    wait_until("the test lets it answer", || {
                        state.lock().unwrap().may_answer
                    });
                }
                "250 2.0.0 kept"
            }
            "QUIT" => return out.write_all(b"221 2.0.0 bye\r\n"),
            _ => "250 OK",
        };
        out.write_all(format!("{reply}\r\n").as_bytes())?;
    }
    Ok(())
}

fn between(line: &str, open: char, close: char) -> String {
    let rest = line.split_once(open).map_or("", |(_, rest)| rest);
    rest.split(close).next().unwrap_or_default().to_owned()
}
