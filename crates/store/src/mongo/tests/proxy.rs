//! A proxy in front of a MongoDB server. It reads the wire protocol, so that a test can hold, change or answer a command,
//! and change a reply.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use mongodb::bson::Document;

/// Decides about a command. The decision may block: the command is held until then.
type OnCommand = dyn Fn(&Document) -> Verdict + Send + Sync;
/// Changes a reply of the server.
type OnReply = dyn Fn(&mut Document) + Send + Sync;

/// Treatment of a command.
pub(super) enum Verdict {
    /// The command is passed on unchanged.
    Pass,
    /// The command is replaced by this one.
    Instead(Document),
    /// The proxy answers in place of the server.
    Answer(Document),
}

/// A running proxy. Its threads end with the tests.
pub(super) struct MongoProxy {
    port: u16,
}

impl MongoProxy {
    /// Starts a proxy in front of the server at this port.
    pub(super) fn start(
        server: u16,
        on_command: impl Fn(&Document) -> Verdict + Send + Sync + 'static,
        on_reply: impl Fn(&mut Document) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let on_command: Arc<OnCommand> = Arc::new(on_command);
        let on_reply: Arc<OnReply> = Arc::new(on_reply);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else {
                    continue;
                };
                let (on_command, on_reply) = (Arc::clone(&on_command), Arc::clone(&on_reply));
                let ways = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let to_client = Arc::new(Mutex::new(client.try_clone().unwrap()));
                let answers = Arc::clone(&to_client);
                thread::spawn(move || pass_commands(ways.0, ways.1, &answers, &*on_command));
                thread::spawn(move || pass_replies(server, &to_client, &*on_reply));
            }
        });
        Self { port }
    }

    /// Returns the port of the proxy.
    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

const OP_REPLY: i32 = 1;
const OP_QUERY: i32 = 2004;
const OP_MSG: i32 = 2013;
const HEADER: usize = 16;
/// Length of header, flags, cursor, position and count in an `OP_REPLY`.
const BEFORE_REPLY: usize = HEADER + 20;
/// Length of header, flags and the kind of the first section in an `OP_MSG`.
const BEFORE_BODY: usize = HEADER + 5;

fn number(bytes: &[u8], at: usize) -> i32 {
    i32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Reads one message; `None` at the end of the connection.
fn read_message(from: &mut TcpStream) -> Option<Vec<u8>> {
    let mut message = vec![0; HEADER];
    from.read_exact(&mut message).ok()?;
    let length = usize::try_from(number(&message, 0)).ok()?;
    message.resize(length, 0);
    from.read_exact(&mut message[HEADER..]).ok()?;
    Some(message)
}

/// Returns the position behind a text that ends with a zero byte.
fn skip_text(message: &[u8], at: usize) -> usize {
    at + message[at..].iter().position(|byte| *byte == 0).unwrap() + 1
}

/// Returns the command of a message, with its document sequences as arrays.
fn command(message: &[u8]) -> Option<Document> {
    let decode = |mut bytes: &[u8]| Document::from_reader(&mut bytes).ok();
    match number(message, 12) {
        OP_QUERY => decode(&message[skip_text(message, HEADER + 4) + 8..]),
        OP_MSG => {
            let mut command = decode(&message[BEFORE_BODY..])?;
            let mut at = BEFORE_BODY + number(message, BEFORE_BODY) as usize;
            while at < message.len() && message[at] == 1 {
                let end = at + 1 + number(message, at + 1) as usize;
                let first = skip_text(message, at + 5);
                let name = String::from_utf8_lossy(&message[at + 5..first - 1]).into_owned();
                let (mut documents, mut next) = (Vec::new(), first);
                while next < end {
                    documents.push(decode(&message[next..])?);
                    next += number(message, next) as usize;
                }
                command.insert(name, documents);
                at = end;
            }
            Some(command)
        }
        _ => None,
    }
}

/// Builds a message from this head, whose length is corrected, and a document.
fn build_message(head: &[u8], document: &Document) -> Vec<u8> {
    let mut message = head.to_vec();
    document.to_writer(&mut message).unwrap();
    let length = i32::try_from(message.len()).unwrap();
    message[..4].copy_from_slice(&length.to_le_bytes());
    message
}

/// Builds the reply to a command in the form of the command.
fn build_reply(message: &[u8], document: &Document) -> Vec<u8> {
    let request = &message[4..8];
    let mut head = vec![0; 8];
    head.extend_from_slice(request);
    if number(message, 12) == OP_QUERY {
        head.extend_from_slice(&OP_REPLY.to_le_bytes());
        head.extend_from_slice(&[0; 16]);
        head.extend_from_slice(&1_i32.to_le_bytes());
    } else {
        head.extend_from_slice(&OP_MSG.to_le_bytes());
        head.extend_from_slice(&[0; 5]);
    }
    build_message(&head, document)
}

fn pass_commands(
    mut client: TcpStream,
    mut server: TcpStream,
    to_client: &Mutex<TcpStream>,
    on_command: &OnCommand,
) {
    while let Some(message) = read_message(&mut client) {
        let command = command(&message);
        let passed = match command.map_or(Verdict::Pass, |command| on_command(&command)) {
            Verdict::Pass => server.write_all(&message),
            Verdict::Instead(command) => {
                let mut head = message[..HEADER].to_vec();
                head.extend_from_slice(&[0; BEFORE_BODY - HEADER]);
                server.write_all(&build_message(&head, &command))
            }
            Verdict::Answer(answer) => {
                let answer = build_reply(&message, &answer);
                to_client.lock().unwrap().write_all(&answer)
            }
        };
        if passed.is_err() {
            break;
        }
    }
    let _ = server.shutdown(std::net::Shutdown::Both);
}

fn pass_replies(mut server: TcpStream, to_client: &Mutex<TcpStream>, on_reply: &OnReply) {
    while let Some(message) = read_message(&mut server) {
        let start = match number(&message, 12) {
            OP_REPLY => BEFORE_REPLY,
            _ => BEFORE_BODY,
        };
        let reply = Document::from_reader(&mut &message[start..]);
        let message = match reply {
            Ok(mut reply) => {
                on_reply(&mut reply);
                build_message(&message[..start], &reply)
            }
            Err(_) => message,
        };
        if to_client.lock().unwrap().write_all(&message).is_err() {
            break;
        }
    }
    let _ = to_client.lock().unwrap().shutdown(std::net::Shutdown::Both);
}
