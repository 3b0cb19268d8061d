//! The sink's inbox, read over its HTTP API.

use serde_json::Value;

use crate::wait_for;

/// The inbox of a running sink.
pub struct Inbox {
    base: String,
    agent: ureq::Agent,
}

/// A received message.
#[derive(Debug)]
pub struct Mail {
    pub id: String,
    /// Address of the sender.
    pub from: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    pub message_id: String,
    /// Source as text; [`Inbox::source`] returns the bytes.
    pub raw: String,
}

impl Mail {
    /// Returns the link with a token in the text, if there is one.
    pub fn find_link(&self) -> Option<&str> {
        // The placeholder in a test mail is as long as a token.
        let has_token = |word: &&str| {
            let segments = word.rsplit_once('/');
            word.contains("/reset/") || segments.is_some_and(|(_, last)| last.len() > 200)
        };
        self.text.split_whitespace().find(has_token)
    }

    /// Returns the link with a token in the text.
    #[track_caller]
    pub fn link(&self) -> &str {
        self.find_link()
            .unwrap_or_else(|| panic!("no link: {}", self.text))
    }

    /// Returns the token of the link.
    #[track_caller]
    pub fn token(&self) -> String {
        self.link().rsplit_once('/').unwrap().1.to_owned()
    }
}

impl Inbox {
    pub(super) fn at(address: &str) -> Self {
        Self {
            base: format!("http://{address}"),
            agent: crate::server::agent(),
        }
    }

    /// Returns the base URL, `http://127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.base
    }

    /// Returns the body of a response.
    pub fn get(&self, path: &str) -> Vec<u8> {
        let mut answer = self
            .agent
            .get(format!("{}{path}", self.base))
            .call()
            .unwrap();
        let body = answer.body_mut().with_config().limit(256 << 20);
        body.read_to_vec().unwrap()
    }

    /// Returns the bytes of a message as received.
    pub fn source(&self, id: &str) -> Vec<u8> {
        self.get(&format!("/api/v1/message/{id}/raw"))
    }

    fn get_json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.get(path)).unwrap()
    }

    /// Returns the summaries of all messages, newest first.
    pub fn messages(&self) -> Vec<Value> {
        self.get_json("/api/v1/messages?limit=0")["messages"]
            .as_array()
            .unwrap()
            .clone()
    }

    /// Returns the SMTP session a message arrived in.
    pub fn envelope(&self, id: &str) -> Value {
        self.get_json(&format!("/api/movie-bag/message/{id}/envelope"))
    }

    /// Returns a message as the API returns it; the id `latest` is the newest.
    pub fn message(&self, id: &str) -> Value {
        self.get_json(&format!("/api/v1/message/{id}"))
    }

    /// Returns the decoded bytes of a MIME part.
    pub fn part(&self, id: &str, part: &str) -> Vec<u8> {
        self.get(&format!("/api/v1/message/{id}/part/{part}"))
    }

    pub fn mail(&self, id: &str) -> Mail {
        let message = self.message(id);
        let field = |name: &str| message[name].as_str().unwrap().to_owned();
        Mail {
            id: id.to_owned(),
            from: message["From"]["Address"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            subject: field("Subject"),
            text: field("Text"),
            html: field("HTML"),
            message_id: field("MessageID"),
            raw: String::from_utf8_lossy(&self.source(id)).into_owned(),
        }
    }

    /// Waits for the newest mail to an address.
    #[track_caller]
    pub fn wait_for(&self, to: &str) -> Mail {
        self.wait_for_after(to, None)
    }

    /// Waits for the newest mail to an address that arrived after the one with the id `after`.
    #[track_caller]
    pub fn wait_for_after(&self, to: &str, after: Option<&str>) -> Mail {
        let id = wait_for(&format!("a mail to {to}"), || {
            let messages = self.messages();
            let newer = messages
                .iter()
                .take_while(|message| message["ID"].as_str() != after);
            let id = newer
                .filter(|message| is_to(message, to))
                .map(|message| message["ID"].as_str().unwrap().to_owned())
                .next();
            id.ok_or(messages)
        });
        self.mail(&id)
    }

    /// Waits until `count` mails with this subject have arrived at an address, and returns the newest.
    #[track_caller]
    pub fn wait_for_count(&self, to: &str, subject: &str, count: usize) -> Mail {
        let id = wait_for(&format!("{count} mails {subject:?} to {to}"), || {
            let messages = self.messages();
            let ids = find_by_subject(&messages, to, subject);
            if ids.len() >= count {
                Ok(ids[0].to_owned())
            } else {
                Err(ids.len())
            }
        });
        self.mail(&id)
    }

    /// Returns the number of mails with this subject that have arrived at an address.
    pub fn count(&self, to: &str, subject: &str) -> usize {
        find_by_subject(&self.messages(), to, subject).len()
    }
}

/// Returns the ids of the mails with this subject to an address, newest first.
fn find_by_subject<'a>(messages: &'a [Value], to: &str, subject: &str) -> Vec<&'a str> {
    messages
        .iter()
        .filter(|message| is_to(message, to) && message["Subject"] == subject)
        .map(|message| message["ID"].as_str().unwrap())
        .collect()
}

fn is_to(message: &Value, address: &str) -> bool {
    message["To"]
        .as_array()
        .is_some_and(|to| to.iter().any(|to| to["Address"] == address))
}
