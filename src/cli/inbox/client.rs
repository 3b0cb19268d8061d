//! Blocking client for the HTTP API of a running inbox: a sink, or Mailpit, which has the same API without the call that
//! waits for a message.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use thiserror::Error;

use movie_bag_smtp_sink::extract::{self, Extracted};

use crate::cli::document::documents;

/// Time for an answer, beyond the time for which a call waits for a message.
const PATIENCE: Duration = Duration::from_secs(30);

/// Time between two requests to Mailpit while the client waits for a message.
const POLL: Duration = Duration::from_millis(200);

/// Maximum size of an answer, in bytes: enough for a message of 50 MiB in JSON.
const LARGEST: u64 = 512 * 1024 * 1024;

/// Maximum number of characters of an answer in an error.
const LONGEST_QUOTE: usize = 200;

#[derive(Debug, Error)]
pub(super) enum InboxError {
    /// No connection, or one that was cut off.
    #[error("cannot connect to the inbox at {url}: {why}")]
    Unreachable { url: String, why: String },
    /// The inbox requires a login, or refuses this one.
    #[error("the inbox at {0} requires another name and password")]
    Unauthorized(String),
    #[error("unexpected answer from {url}: {status}, {text}")]
    Unexpected {
        url: String,
        status: u16,
        /// First words of the body, on one line.
        text: String,
    },
}

/// Message that a caller waits for.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// Address of a recipient.
    pub(super) to: String,
    /// Part of the subject.
    pub(super) subject: Option<String>,
    /// Id of a message that was received before.
    pub(super) after: Option<String>,
}

/// A message with its links, tokens and codes.
#[derive(Debug, Clone)]
pub(super) struct Fetched {
    /// Message as the API returns it.
    pub(super) message: Value,
    pub(super) found: Extracted,
}

documents! {
    /// Document that the API of the sink returns to a call that waits.
    pub(in crate::cli) struct FetchedDocument<'a> {
        /// The message, as the API of the inbox returns it.
        message: &'a Value,
        /// Links, in the order of the message.
        links: &'a [String],
        /// Reset tokens.
        tokens: &'a [String],
        /// One-time codes.
        codes: &'a [String],
    }
}

impl Fetched {
    fn new(message: Value) -> Fetched {
        let part = |name: &str| message[name].as_str().filter(|text| !text.is_empty());
        let found = extract::extract(part("Text"), part("HTML"));
        Fetched { message, found }
    }

    pub(super) fn document(&self) -> FetchedDocument<'_> {
        FetchedDocument {
            message: &self.message,
            links: &self.found.links,
            tokens: &self.found.tokens,
            codes: &self.found.codes,
        }
    }
}

/// Client for one inbox.
#[derive(Debug, Clone)]
pub(super) struct InboxClient {
    agent: ureq::Agent,
    base: String,
    authorization: Option<String>,
}

impl InboxClient {
    /// Creates a client for the inbox at this URL. It connects at the first call.
    pub(super) fn new(base: impl Into<String>, credentials: Option<(&str, &str)>) -> InboxClient {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let encoded =
            |(user, password): (&str, &str)| STANDARD.encode(format!("{user}:{password}"));
        InboxClient {
            agent,
            base: base.into(),
            authorization: credentials.map(|pair| format!("Basic {}", encoded(pair))),
        }
    }

    /// Returns the newest messages, at most `limit` (0: all), of all or of those that a search finds.
    pub(super) fn list(&self, limit: usize, query: Option<&str>) -> Result<Vec<Value>, InboxError> {
        let path = match query {
            None => format!("/api/v1/messages?limit={limit}"),
            Some(query) => format!("/api/v1/search?limit={limit}&query={}", encoded(query)),
        };
        let mut list = self.get(&path, PATIENCE)?.json()?;
        Ok(match list["messages"].take() {
            Value::Array(messages) => messages,
            _ => Vec::new(),
        })
    }

    /// Returns the message with this id, if it exists; `latest` is the newest.
    pub(super) fn get_message(&self, id: &str) -> Result<Option<Fetched>, InboxError> {
        let answer = self.get(&format!("/api/v1/message/{}", encoded(id)), PATIENCE)?;
        match answer.status {
            404 => Ok(None),
            _ => Ok(Some(Fetched::new(answer.json()?))),
        }
    }

    /// Waits for a message, and returns the newest one that fits; `None` after the timeout.
    pub(super) fn wait(
        &self,
        wanted: &Wanted,
        timeout: Duration,
    ) -> Result<Option<Fetched>, InboxError> {
        let mut path = format!(
            "/api/movie-bag/wait?timeout={}s&to={}",
            timeout.as_secs(),
            encoded(&wanted.to)
        );
        for (name, value) in [("subject", &wanted.subject), ("after", &wanted.after)] {
            if let Some(value) = value {
                path.push_str(&format!("&{name}={}", encoded(value)));
            }
        }
        let answer = self.get(&path, timeout + PATIENCE)?;
        match answer.status {
            408 => Ok(None),
            // Mailpit has no such call.
            404 => self.poll(wanted, timeout),
            _ => Ok(Some(Fetched::new(answer.json()?["message"].take()))),
        }
    }

    fn poll(&self, wanted: &Wanted, timeout: Duration) -> Result<Option<Fetched>, InboxError> {
        let deadline = Instant::now() + timeout;
        let query = format!("addressed:\"{}\"", wanted.to.replace('"', ""));
        loop {
            let found = self.list(0, Some(&query))?;
            let newer = match &wanted.after {
                None => found.len(),
                // The list of all messages has the newest first.
                Some(after) => {
                    let all = self.list(0, None)?;
                    let newer = all.iter().position(|message| message["ID"] == **after);
                    let ids: Vec<_> = all[..newer.unwrap_or(all.len())]
                        .iter()
                        .map(|message| &message["ID"])
                        .collect();
                    found
                        .iter()
                        .filter(|message| ids.contains(&&message["ID"]))
                        .count()
                }
            };
            let fitting = found[..newer]
                .iter()
                .find(|message| is_wanted(message, wanted));
            if let Some(id) = fitting.and_then(|message| message["ID"].as_str())
                && let Some(fetched) = self.get_message(id)?
            {
                return Ok(Some(fetched));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(POLL);
        }
    }

    /// Returns the number of messages.
    pub(super) fn count(&self) -> Result<u64, InboxError> {
        let info = self.get("/api/v1/info", PATIENCE)?.json()?;
        Ok(info["Messages"].as_u64().unwrap_or_default())
    }

    /// Deletes all messages, and returns how many there were.
    pub(super) fn clear(&self) -> Result<u64, InboxError> {
        let count = self.count()?;
        let request = self.agent.delete(format!("{}/api/v1/messages", self.base));
        let request = self.with_headers(request, PATIENCE);
        self.answer(request.call())?.success()?;
        Ok(count)
    }

    fn get(&self, path: &str, patience: Duration) -> Result<Answer, InboxError> {
        let request = self.agent.get(format!("{}{path}", self.base));
        self.answer(self.with_headers(request, patience).call())
    }

    fn with_headers<B>(
        &self,
        request: ureq::RequestBuilder<B>,
        patience: Duration,
    ) -> ureq::RequestBuilder<B> {
        let request = match &self.authorization {
            Some(value) => request.header("Authorization", value),
            None => request,
        };
        request.config().timeout_global(Some(patience)).build()
    }

    fn answer(
        &self,
        outcome: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Answer, InboxError> {
        let unreachable = |error: ureq::Error| InboxError::Unreachable {
            url: self.base.clone(),
            why: match &error {
                ureq::Error::Io(error) => reason(error),
                other => other.to_string(),
            },
        };
        let mut response = outcome.map_err(unreachable)?;
        let status = response.status().as_u16();
        if status == 401 {
            return Err(InboxError::Unauthorized(self.base.clone()));
        }
        let body = response.body_mut().with_config().limit(LARGEST);
        let body = body.read_to_vec().map_err(unreachable)?;
        Ok(Answer {
            url: self.base.clone(),
            status,
            body,
        })
    }
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        _ => error.to_string(),
    }
}

struct Answer {
    url: String,
    status: u16,
    body: Vec<u8>,
}

impl Answer {
    fn success(self) -> Result<Vec<u8>, InboxError> {
        match self.status {
            200 => Ok(self.body),
            status => Err(InboxError::Unexpected {
                url: self.url,
                status,
                text: beginning(&self.body),
            }),
        }
    }

    fn json(self) -> Result<Value, InboxError> {
        let url = self.url.clone();
        let body = self.success()?;
        serde_json::from_slice(&body).map_err(|_| InboxError::Unexpected {
            url,
            status: 200,
            text: "not JSON, so this is not an inbox".to_owned(),
        })
    }
}

/// Returns the first words of a body, on one line.
fn beginning(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(LONGEST_QUOTE * 8)]);
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ").chars().take(LONGEST_QUOTE).collect()
}

/// Returns whether a summary is of a wanted message, by the rules of the sink.
fn is_wanted(message: &Value, wanted: &Wanted) -> bool {
    let is_to = ["To", "Cc", "Bcc"].iter().any(|list| {
        let addresses = message[list].as_array().into_iter().flatten();
        addresses
            .filter_map(|one| one["Address"].as_str())
            .any(|address| address.to_lowercase() == wanted.to.to_lowercase())
    });
    let subject = message["Subject"]
        .as_str()
        .unwrap_or_default()
        .to_lowercase();
    let is_about = |wanted: &String| subject.contains(&wanted.to_lowercase());
    is_to && wanted.subject.as_ref().is_none_or(is_about)
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}
