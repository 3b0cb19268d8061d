//! Part of MailHog's API that clients use: `/api/v2/messages`, `/api/v2/search`, deletion of a message, and the chaos monkey Jim.

use std::sync::Arc;
use std::vec;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{self, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use memchr::memmem;
use serde::{Deserialize, Serialize};

use super::mailpit_json::rfc3339;
use super::messages::Page;
use crate::faults::{Chaos, Trigger};
use crate::inbox::{Inbox, Selection};
use crate::received::ReceivedMessage;
use crate::search::Query;
use crate::view::{self, RawPart};
use crate::web_port::background::run_blocking;
use crate::web_port::bounded_response::{LIST_MEMORY, Pieces, append_json, stream_json};
use crate::web_port::request::parameter;
use crate::web_port::responses::{bad_request, not_found};
use crate::web_port::state::WebState;

/// Memory reserved for a list: the pieces of an item with the maximum number of parts.
const ITEMS_MEMORY: usize = 8 * LIST_MEMORY;

/// Maximum number of bytes of a message that are serialized at once.
const TEXT_CHUNK: usize = 16 * 1024;

/// `GET /api/v2/messages`.
pub(crate) async fn list(State(state): State<WebState>, uri: Uri) -> Response {
    let page = Page::from_query(&uri);
    let found = state.inbox.sequences(page.start, page.limit, None);
    let total = state.inbox.totals().messages;
    list_response(&state, total, page.start, found).await
}

/// `GET /api/v2/search`. The parameter `kind` is `from`, `to` or `containing`.
pub(crate) async fn search(State(state): State<WebState>, uri: Uri) -> Response {
    let text = parameter(&uri, "query").unwrap_or_default();
    let query = match parameter(&uri, "kind").as_deref() {
        Some("from") => Query::sender(&text),
        Some("to") => Query::recipient(&text),
        Some("containing") => Query::text(&text),
        _ => return bad_request("Error: kind is from, to or containing"),
    };
    let page = Page::from_query(&uri);
    let inbox = Arc::clone(&state.inbox);
    let found = state.searches.run(move || inbox.matching(&query, None));
    match found.await {
        Ok(found) => list_response(&state, found.len(), page.start, page.select(&found)).await,
        Err(failure) => failure,
    }
}

/// `DELETE /api/v1/messages/{id}`.
pub(crate) async fn delete(
    State(state): State<WebState>,
    extract::Path(id): extract::Path<String>,
) -> Response {
    let deleted = run_blocking(move || state.inbox.delete(Selection::Ids(vec![id])));
    match deleted.await {
        Ok(0) => not_found(),
        Ok(_) => StatusCode::OK.into_response(),
        Err(failure) => failure,
    }
}

async fn list_response(state: &WebState, total: usize, start: usize, page: Vec<u64>) -> Response {
    let items = Items {
        inbox: Arc::clone(&state.inbox),
        envelope: Some(Envelope {
            total,
            count: page.len(),
            start,
            items: [],
        }),
        rest: page.into_iter(),
        has_written_item: false,
        item: Vec::new(),
    };
    stream_json(state.response_memory.reserve(ITEMS_MEMORY).await, items).await
}

/// JSON object around a list.
#[derive(Serialize)]
struct Envelope {
    total: usize,
    count: usize,
    start: usize,
    /// Replaced by the items, which are written one by one.
    items: [(); 0],
}

/// Serializer of a list. An item is several times as long as its message, so it is serialized from the bytes of the message
/// while the client reads it.
struct Items {
    inbox: Arc<Inbox>,
    /// Present until it is written.
    envelope: Option<Envelope>,
    /// Sequence numbers of the messages that are not yet written.
    rest: vec::IntoIter<u64>,
    has_written_item: bool,
    /// Remaining pieces of the current item, last piece first.
    item: Vec<Piece>,
}

/// A piece of an item.
#[derive(Debug)]
enum Piece {
    /// Complete JSON.
    Json(Vec<u8>),
    /// Content of a JSON string, without the quotes, for these bytes.
    Text(Bytes),
    /// JSON of the header fields of a part with this header.
    Headers(Bytes),
}

impl Pieces for Items {
    const HELD_MEMORY: usize = ITEMS_MEMORY;

    fn append_next(&mut self, body: &mut Vec<u8>) -> bool {
        if let Some(envelope) = self.envelope.take() {
            append_json(body, &envelope);
            // Removes the end of the empty array and of the object.
            body.truncate(body.len() - b"]}".len());
            return true;
        }
        match self.item.pop() {
            Some(Piece::Json(json)) => body.extend(json),
            Some(Piece::Headers(header)) => append_json(body, &view::part_headers(&header)),
            Some(Piece::Text(text)) => {
                let (first, rest) = split_text(text);
                append_text(body, &first);
                if !rest.is_empty() {
                    self.item.push(Piece::Text(rest));
                }
            }
            None => {
                let Some(sequence) = self.rest.next() else {
                    body.extend_from_slice(b"]}");
                    return false;
                };
                // The message may have been deleted after the first chunk.
                if let Some(message) = self.inbox.at(sequence) {
                    if std::mem::replace(&mut self.has_written_item, true) {
                        body.push(b',');
                    }
                    self.item = item_pieces(&message);
                    self.item.reverse();
                }
            }
        }
        true
    }
}

/// Splits off the first bytes of a text, at the boundary of a character.
fn split_text(mut text: Bytes) -> (Bytes, Bytes) {
    let is_within = |at: usize| text[at] & 0b1100_0000 == 0b1000_0000;
    let at = if text.len() > TEXT_CHUNK {
        // A character has at most three bytes after its first one.
        (TEXT_CHUNK - 3..=TEXT_CHUNK)
            .rev()
            .find(|&at| !is_within(at))
    } else {
        Some(text.len())
    };
    let first = text.split_to(at.unwrap_or(TEXT_CHUNK));
    (first, text)
}

/// Appends bytes as the content of a JSON string, without the quotes.
fn append_text(body: &mut Vec<u8>, bytes: &[u8]) {
    let start = body.len();
    append_json(body, &*String::from_utf8_lossy(bytes));
    body.pop();
    body.remove(start);
}

fn item_pieces(message: &ReceivedMessage) -> Vec<Piece> {
    let envelope = &message.envelope;
    let to = envelope.recipients.iter().map(|to| Path::new(&to.address));
    let addresses: Vec<_> = envelope.recipients.iter().map(|to| &to.address).collect();
    let body = match memmem::find(&message.source, b"\r\n\r\n") {
        Some(end) => message.source.slice(end + 4..),
        None => Bytes::new(),
    };
    let mut item = Item::default();
    item.value("{\"ID\":", &message.id.0);
    item.value(",\"From\":", &Path::new(&envelope.sender));
    item.value(",\"To\":", &to.collect::<Vec<_>>());
    item.value(",\"Content\":{\"Headers\":", &view::headers(message));
    item.text(",\"Body\":", body);
    item.value(",\"Size\":", &message.source.len());
    item.value(
        ",\"MIME\":null},\"Created\":",
        &rfc3339(message.received_at),
    );
    item.json(",\"MIME\":");
    item.mime(&view::raw_parts(message));
    item.value(",\"Raw\":{\"From\":", &envelope.sender);
    item.value(",\"To\":", &addresses);
    item.text(",\"Data\":", message.source.clone());
    item.value(",\"Helo\":", &message.session.helo);
    item.json("}}");
    item.end()
}

/// Builder of the pieces of an item, first piece first.
#[derive(Default)]
struct Item {
    pieces: Vec<Piece>,
    /// JSON after the last piece.
    json: Vec<u8>,
}

impl Item {
    fn json(&mut self, json: &str) {
        self.json.extend_from_slice(json.as_bytes());
    }

    /// Adds JSON, and the JSON of a value.
    fn value<T: Serialize + ?Sized>(&mut self, json: &str, value: &T) {
        self.json(json);
        append_json(&mut self.json, value);
    }

    /// Adds JSON, and bytes as a string.
    fn text(&mut self, json: &str, text: Bytes) {
        self.json(json);
        self.json("\"");
        self.piece(Piece::Text(text));
        self.json("\"");
    }

    fn piece(&mut self, piece: Piece) {
        let json = std::mem::take(&mut self.json);
        self.pieces.extend([Piece::Json(json), piece]);
    }

    /// Adds the parts, nested as in the message, or `null` if there are none. Unlike MailHog, it does not list the text around the
    /// boundaries as parts.
    fn mime(&mut self, parts: &[RawPart]) {
        if parts.is_empty() {
            return self.json("null");
        }
        for (index, part) in parts.iter().enumerate() {
            self.json(match index {
                0 => "{\"Parts\":[{\"Headers\":",
                _ => ",{\"Headers\":",
            });
            self.piece(Piece::Headers(part.header.clone()));
            self.text(",\"Body\":", part.body.clone());
            self.value(",\"Size\":", &part.size);
            self.json(",\"MIME\":");
            self.mime(&part.parts);
            self.json("}");
        }
        self.json("]}");
    }

    fn end(mut self) -> Vec<Piece> {
        self.pieces.push(Piece::Json(self.json));
        self.pieces
    }
}

/// An address in MailHog's JSON.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Path<'m> {
    relays: Option<()>,
    mailbox: &'m str,
    domain: &'m str,
    params: &'m str,
}

impl Path<'_> {
    fn new(address: &str) -> Path<'_> {
        let (mailbox, domain) = address.rsplit_once('@').unwrap_or((address, ""));
        Path {
            relays: None,
            mailbox,
            domain,
            params: "",
        }
    }
}

/// Settings of Jim, who refuses at random. The probabilities for connections have no effect here: `--fail` refuses, cuts and
/// delays connections, and does so deterministically.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Jim {
    disconnect_chance: f64,
    accept_chance: f64,
    link_speed_affect: f64,
    link_speed_min: f64,
    link_speed_max: f64,
    reject_sender_chance: f64,
    reject_recipient_chance: f64,
    reject_auth_chance: f64,
}

impl Default for Jim {
    fn default() -> Jim {
        Jim {
            disconnect_chance: 0.0,
            accept_chance: 1.0,
            link_speed_affect: 0.0,
            link_speed_min: 1024.0,
            link_speed_max: 10240.0,
            reject_sender_chance: 0.05,
            reject_recipient_chance: 0.05,
            reject_auth_chance: 0.05,
        }
    }
}

/// `GET /api/v2/jim`: returns the settings; 404 if Jim is disabled.
pub(crate) async fn jim(State(state): State<WebState>) -> Response {
    let chaos = state.faults.chaos();
    if chaos == Chaos::default() {
        return not_found();
    }
    let chance = |trigger: Trigger| f64::from(trigger.percent) / 100.0;
    Json(Jim {
        reject_sender_chance: chance(chaos.sender),
        reject_recipient_chance: chance(chaos.recipient),
        reject_auth_chance: chance(chaos.authentication),
        ..Jim::default()
    })
    .into_response()
}

/// `POST /api/v2/jim`: 201, or 400 if Jim is already enabled.
pub(crate) async fn invite_jim(State(state): State<WebState>, body: Bytes) -> Response {
    if state.faults.chaos() != Chaos::default() {
        return bad_request("Error: Jim is already enabled");
    }
    apply_jim(&state, &body, StatusCode::CREATED)
}

/// `PUT /api/v2/jim`: 200, or 404 if Jim is disabled.
pub(crate) async fn change_jim(State(state): State<WebState>, body: Bytes) -> Response {
    if state.faults.chaos() == Chaos::default() {
        return not_found();
    }
    apply_jim(&state, &body, StatusCode::OK)
}

/// `DELETE /api/v2/jim`: 200, or 404 if Jim is disabled.
pub(crate) async fn dismiss_jim(State(state): State<WebState>) -> Response {
    if state.faults.chaos() == Chaos::default() {
        return not_found();
    }
    state.faults.set_chaos(Chaos::default());
    StatusCode::OK.into_response()
}

fn apply_jim(state: &WebState, body: &[u8], status: StatusCode) -> Response {
    let jim = match body {
        b"" => Ok(Jim::default()),
        body => serde_json::from_slice::<Jim>(body),
    };
    let jim = match jim {
        Ok(jim) => jim,
        Err(error) => return bad_request(format!("Error: {error}")),
    };
    let trigger = |chance: f64| Trigger {
        code: 550,
        percent: (chance.clamp(0.0, 1.0) * 100.0).round() as u8,
    };
    state.faults.set_chaos(Chaos {
        sender: trigger(jim.reject_sender_chance),
        recipient: trigger(jim.reject_recipient_chance),
        authentication: trigger(jim.reject_auth_chance),
    });
    status.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serialize_in_pieces(source: &[u8]) -> String {
        let mut rest = Bytes::copy_from_slice(source);
        let mut written = Vec::new();
        while !rest.is_empty() {
            let (first, more) = split_text(rest);
            append_text(&mut written, &first);
            rest = more;
        }
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn text_serialized_in_pieces_equals_text_serialized_at_once() {
        for pattern in [
            "a\"\n\u{1}",
            "\u{e4}",
            "x\u{20ac}",
            "\u{1f600}",
            "xy\u{1f600}\u{20ac}",
        ] {
            for shift in 0..4 {
                let text = format!("{}{}", &"zzz"[..shift.min(3)], pattern.repeat(TEXT_CHUNK));
                let whole = serde_json::to_string(&text).unwrap();
                assert_eq!(
                    serialize_in_pieces(text.as_bytes()),
                    whole[1..whole.len() - 1]
                );
            }
        }
        for pattern in [
            &b"\x80"[..],
            b"\xff",
            b"\xf0\x9f",
            b"\xf0\x9f\x98",
            b"\xe2\x82\x80\x80\x80",
            b"\xc3\xc3\xa4\xed\xa0\x80",
        ] {
            let source = pattern.repeat(TEXT_CHUNK);
            let whole = serde_json::to_string(&String::from_utf8_lossy(&source)).unwrap();
            assert_eq!(serialize_in_pieces(&source), whole[1..whole.len() - 1]);
        }
    }
}
