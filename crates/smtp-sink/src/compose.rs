//! Builds a message from JSON of the send API: addresses, texts, attachments. Input is checked, so that no value can inject a
//! header.

use std::collections::BTreeMap;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use lettre::message::header::{
    ContentDisposition, ContentId, ContentTransferEncoding, ContentType, HeaderName, HeaderValue,
};
use lettre::message::{
    Attachment as LettreAttachment, Mailbox, MultiPart, MultiPartBuilder, SinglePart,
};
use lettre::{Address, Message};
use serde::Deserialize;

use crate::session::{Envelope, Received, Recipient, Transcript};

/// Headers that have a field of their own in the JSON.
const RESERVED_HEADERS: [&str; 9] = [
    "to",
    "from",
    "cc",
    "bcc",
    "reply-to",
    "date",
    "subject",
    "content-type",
    "mime-version",
];

/// Address and name.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Person {
    email: String,
    name: String,
}

/// Attachment.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AttachmentInput {
    /// Content in base64, or a `data:` URL.
    content: String,
    filename: String,
    content_type: String,
    /// If it is not empty, the part belongs to the HTML.
    #[serde(rename = "ContentID")]
    content_id: String,
}

/// Request to send a message.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Letter {
    from: Person,
    to: Vec<Person>,
    cc: Vec<Person>,
    bcc: Vec<String>,
    reply_to: Vec<Person>,
    subject: String,
    text: String,
    #[serde(rename = "HTML")]
    html: String,
    headers: BTreeMap<String, String>,
    /// Tags in the inbox; not part of the message.
    pub tags: Vec<String>,
    attachments: Vec<AttachmentInput>,
}

/// Builds the message and its envelope, with all recipients that it names. `nonce` makes the Message-ID unique.
///
/// # Errors
/// Describes the invalid value.
pub fn compose(letter: Letter, now: Timestamp, nonce: &str) -> Result<Received, String> {
    let from = mailbox(&letter.from).map_err(|error| format!("From: {error}"))?;
    let mut builder = Message::builder()
        .from(from.clone())
        .date(SystemTime::from(now))
        .message_id(Some(format!("<{nonce}@movie-bag>")))
        .subject(one_line("Subject", letter.subject)?)
        .keep_bcc();
    let mut recipients = Vec::new();
    for person in &letter.to {
        let to = mailbox(person).map_err(|error| format!("To: {error}"))?;
        recipients.push(to.email.to_string());
        builder = builder.to(to);
    }
    for person in &letter.cc {
        let cc = mailbox(person).map_err(|error| format!("Cc: {error}"))?;
        recipients.push(cc.email.to_string());
        builder = builder.cc(cc);
    }
    for address in &letter.bcc {
        let bcc: Address = address
            .trim()
            .parse()
            .map_err(|error| format!("Bcc: {error}: {address}"))?;
        recipients.push(bcc.to_string());
        builder = builder.bcc(Mailbox::new(None, bcc));
    }
    for person in &letter.reply_to {
        let reply_to = mailbox(person).map_err(|error| format!("ReplyTo: {error}"))?;
        builder = builder.reply_to(reply_to);
    }
    if recipients.is_empty() {
        return Err("no recipients: add one in To, Cc or Bcc".to_owned());
    }
    for (name, value) in letter.headers {
        if RESERVED_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(format!("set the header {name} with its own field"));
        }
        let header = HeaderName::new_from_ascii(name.clone())
            .map_err(|_| format!("\"{name}\" is not a header name"))?;
        builder = builder.raw_header(HeaderValue::new(header, one_line(&name, value)?));
    }
    let body = body(letter.text, letter.html, letter.attachments)?;
    let is_one = matches!(body, Body::One(_));
    let message = match body {
        Body::One(part) => builder.singlepart(part),
        Body::Many(parts) => builder.multipart(parts),
    };
    let mut source = message.map_err(|error| error.to_string())?.formatted();
    // lettre ends every part with a CRLF. Before a boundary it belongs to the boundary; here it would belong to the text.
    if is_one && source.ends_with(b"\r\n") {
        source.truncate(source.len() - 2);
    }
    Ok(Received {
        source,
        envelope: Envelope {
            sender: from.email.to_string(),
            params: Vec::new(),
            recipients: recipients
                .into_iter()
                .map(|address| Recipient {
                    address,
                    params: Vec::new(),
                })
                .collect(),
        },
        helo: String::new(),
        tls: None,
        login: None,
        transcript: Transcript::default(),
        warnings: Vec::new(),
    })
}

enum Body {
    One(SinglePart),
    Many(MultiPart),
}

impl Body {
    /// Adds other parts after this one, if there are any.
    fn join(self, others: Vec<SinglePart>, parent: MultiPartBuilder) -> Body {
        if others.is_empty() {
            return self;
        }
        let parent = match self {
            Body::One(part) => parent.singlepart(part),
            Body::Many(parts) => parent.multipart(parts),
        };
        Body::Many(others.into_iter().fold(parent, MultiPart::singlepart))
    }
}

fn body(text: String, html: String, inputs: Vec<AttachmentInput>) -> Result<Body, String> {
    let plain = |text| text_part(text, ContentType::TEXT_PLAIN);
    let hypertext = |html| text_part(html, ContentType::TEXT_HTML);
    let body = match (text.is_empty(), html.is_empty()) {
        (_, true) => Body::One(plain(text)),
        (true, false) => Body::One(hypertext(html)),
        (false, false) => {
            let parts = MultiPart::alternative().singlepart(plain(text));
            Body::Many(parts.singlepart(hypertext(html)))
        }
    };
    let (mut inline, mut attached) = (Vec::new(), Vec::new());
    for input in inputs {
        let is_inline = !input.content_id.is_empty();
        let part = attachment_part(input)?;
        if is_inline {
            inline.push(part);
        } else {
            attached.push(part);
        }
    }
    let body = body.join(inline, MultiPart::related());
    Ok(body.join(attached, MultiPart::mixed()))
}

/// Builds a part that decodes to exactly this text, including its line ends. lettre converts line ends of a string to CRLF;
/// quoted-printable bytes keep a bare LF, as `=0A`.
fn text_part(text: String, kind: ContentType) -> SinglePart {
    let part = SinglePart::builder().header(kind);
    if !text.replace("\r\n", "").contains(['\r', '\n']) {
        return part.body(text);
    }
    part.header(ContentTransferEncoding::QuotedPrintable)
        .body(text.into_bytes())
}

fn attachment_part(input: AttachmentInput) -> Result<SinglePart, String> {
    let name = one_line("Filename", input.filename)?;
    let (url_type, content) = match input.content.strip_prefix("data:") {
        Some(url) => {
            let (kind, content) = url
                .split_once(";base64,")
                .ok_or_else(|| format!("the data: URL of \"{name}\" is not base64"))?;
            (kind.to_owned(), content.to_owned())
        }
        None => (String::new(), input.content),
    };
    // Content may be large; it is copied only if it contains white space.
    let decoded = if content.contains(|char: char| char.is_ascii_whitespace()) {
        STANDARD.decode(content.split_ascii_whitespace().collect::<String>())
    } else {
        STANDARD.decode(&content)
    };
    drop(content);
    let bytes =
        decoded.map_err(|error| format!("the content of \"{name}\" is not base64: {error}"))?;
    let kind = [input.content_type, url_type, guess_type(&name).to_owned()]
        .into_iter()
        .find(|kind| !kind.is_empty())
        .unwrap_or_default();
    let kind = ContentType::parse(&one_line("ContentType", kind)?)
        .map_err(|_| format!("the type of \"{name}\" is not a media type such as image/png"))?;
    if input.content_id.is_empty() {
        return Ok(LettreAttachment::new(name).body(bytes, kind));
    }
    let id = one_line("ContentID", input.content_id)?;
    let disposition = if name.is_empty() {
        ContentDisposition::inline()
    } else {
        ContentDisposition::inline_with_name(&name)
    };
    Ok(SinglePart::builder()
        .header(kind)
        .header(disposition)
        .header(ContentId::from(format!(
            "<{}>",
            id.trim_matches(['<', '>'])
        )))
        .body(bytes))
}

/// Guesses a media type from the extension of a file name.
fn guess_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        "webp" => "image/webp",
        "pdf" => "application/pdf",
        "txt" | "log" => "text/plain",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "json" => "application/json",
        "xml" => "application/xml",
        "ics" => "text/calendar",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}

fn mailbox(person: &Person) -> Result<Mailbox, String> {
    let address: Address = person
        .email
        .trim()
        .parse()
        .map_err(|error| format!("{error}: \"{}\"", person.email))?;
    let name = Some(one_line("Name", person.name.clone())?).filter(|name| !name.is_empty());
    Ok(Mailbox::new(name, address))
}

/// Checks that a text cannot end the header it becomes a part of.
fn one_line(field: &str, text: String) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err(format!(
            "{field} must be one line without control characters"
        ));
    }
    Ok(text)
}
