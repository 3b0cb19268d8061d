//! Hostile documents, opened in every way that the inbox offers, with an external server that counts connections.

use movie_bag_testkit::Home;

use super::hostile::ExternalServer;
use super::{Desk, send};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One document on each line, after its name.
const DOCUMENTS: &str = include_str!("../../hostile_documents.txt");

/// A document that connects to another server when a browser shows it.
struct Document {
    name: &'static str,
    text: String,
}

impl Document {
    /// Returns all documents, for an external server at this address.
    fn all(address: &str) -> Vec<Document> {
        let lines = DOCUMENTS.lines().filter(|line| !line.starts_with('#'));
        let documents = lines.map(|line| {
            let (name, text) = line.split_once('\t').unwrap();
            let text = text.replace("OUT2", &format!("//{address}"));
            let text = text.replace("OUT", &format!("http://{address}"));
            Document { name, text }
        });
        documents.collect()
    }

    fn is_xml(&self) -> bool {
        ["xml-", "svg-document"]
            .iter()
            .any(|start| self.name.starts_with(start))
    }

    /// Returns a message that has the document as its HTML, if it is HTML, and as attachments of every type that browsers show.
    fn mail(&self) -> String {
        let (html, kinds): (_, &[&str]) = if self.is_xml() {
            (
                "<p>attached</p>",
                &[
                    "image/svg+xml",
                    "text/xml",
                    "application/xml",
                    "application/xhtml+xml",
                ],
            )
        } else {
            (self.text.as_str(), &["text/html"])
        };
        let mut mail = format!(
            "Subject: {}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n\
             --m\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n",
            self.name
        );
        for kind in kinds {
            let encoded = STANDARD.encode(&self.text);
            let lines: Vec<_> = encoded
                .as_bytes()
                .chunks(76)
                .map(String::from_utf8_lossy)
                .collect();
            mail.push_str(&format!(
                "--m\r\nContent-Type: {kind}; name=attached\r\nContent-Disposition: attachment\r\n\
                 Content-Transfer-Encoding: base64\r\n\r\n{}\r\n",
                lines.join("\r\n")
            ));
        }
        mail + "--m--"
    }
}

/// Every known way to make a browser connect, opened beside the list, as a page, embedded and as an attachment.
pub fn hostile_documents_open_no_connection(home: Home) {
    let Some(desk) = Desk::in_home(home) else {
        return;
    };
    let browser = &desk.browser;
    browser.without_downloads();
    let outside = ExternalServer::start();
    let documents = Document::all(&outside.address);
    send(&desk.sink.smtp, documents.iter().map(Document::mail));
    let messages = desk.sink.inbox().messages();
    assert_eq!(messages.len(), documents.len());
    // After this page is loaded completely, the browser has had time for all earlier loads.
    let elsewhere =
        ExternalServer::with_page("<!doctype html><p>x</p><img src=/picture>".to_owned());
    let pause = || browser.visit(&format!("http://{}/", elsewhere.address));
    let mut connected = Vec::new();
    for (document, summary) in documents.iter().rev().zip(&messages) {
        assert_eq!(summary["Subject"], document.name);
        let id = summary["ID"].as_str().unwrap();
        let message = desk.sink.inbox().message(id);
        let mut paths = vec![format!("/view/{id}"), format!("/view/{id}.html")];
        paths.push(format!("/view/{id}.html?embed=1"));
        if document.is_xml() {
            paths.clear();
        }
        let parts = message["Attachments"].as_array().unwrap();
        assert!(!parts.is_empty(), "{message}");
        paths.extend(parts.iter().map(|part| {
            let number = part["PartID"].as_str().unwrap();
            format!("/api/v1/message/{id}/part/{number}")
        }));
        for path in paths {
            let before = outside.requests().len();
            browser.open_or_download(&desk.url(&path));
            pause();
            if outside.requests().len() > before {
                connected.push(format!("{} by {path}", document.name));
            }
        }
    }
    assert_eq!(connected, [""; 0]);
    assert_eq!(outside.requests(), [""; 0]);
    // The same browser does connect if nothing neutralizes a document.
    let link = format!(
        "<!doctype html><link rel=preconnect href=http://{}>",
        outside.address
    );
    let free = ExternalServer::with_page(link);
    browser.visit(&format!("http://{}/", free.address));
    browser.waits_for("a connection", |_| !outside.requests().is_empty());
}

/// A picture of one grey pixel.
const PICTURE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYPj/HwADAgH/5Pq6sQAAAABJRU5ErkJggg==";

#[test]
fn an_inline_picture_is_shown_in_every_view_of_a_message() {
    let Some(desk) = Desk::open() else { return };
    let mail = format!(
        "Subject: picture\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=m\r\n\r\n\
         --m\r\nContent-Type: text/html\r\n\r\n<img src=cid:point>\r\n\
         --m\r\nContent-Type: image/png\r\nContent-ID: <point>\r\nContent-Transfer-Encoding: base64\r\n\r\n{PICTURE}\r\n--m--"
    );
    send(&desk.sink.smtp, [mail]);
    let width = |browser: &movie_bag_testkit::Browser| browser.property("img", "naturalWidth");
    for form in ["", "?embed=1", "?frame=1", "?frame=1&pictures=1"] {
        desk.visit(&format!("/view/latest.html{form}"));
        assert_eq!(width(&desk.browser), 1, "{form}");
    }
    desk.visit("/");
    desk.open_message("picture");
    assert_eq!(desk.browser.in_frame("iframe", width), 1);
    // The part is also a picture if it is opened by itself.
    let message = desk.sink.inbox().messages()[0]["ID"].clone();
    let message = desk.sink.inbox().message(message.as_str().unwrap());
    let part = message["Inline"][0]["PartID"].as_str().unwrap();
    let id = message["ID"].as_str().unwrap();
    desk.visit(&format!("/api/v1/message/{id}/part/{part}"));
    assert_eq!(width(&desk.browser), 1);
}
