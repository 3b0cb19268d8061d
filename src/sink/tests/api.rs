//! The API as clients use it: what they mark, search, tag, send, wait for and listen to.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message as Frame;

use super::*;
use crate::sink::inbox::tests::received;

pub(super) fn subject(subject: &str) -> String {
    SIMPLE.replace("<b>Hi</b>", subject)
}

pub(super) async fn sink_with(subjects: &[&str]) -> (Running, Vec<String>) {
    let sink = start(|_| {}).await;
    let mut ids = Vec::new();
    for one in subjects {
        sink.says(mail("ann@example.com", &subject(one))).await;
        ids.push(sink.inbox.latest().unwrap().id.0.clone());
    }
    (sink, ids)
}

async fn found(sink: &Running, query: &str) -> Vec<String> {
    let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let list = sink.json(&format!("/api/v1/search?query={query}")).await;
    let messages = list["messages"].as_array().unwrap();
    assert_eq!(list["messages_count"], messages.len());
    let subjects = messages
        .iter()
        .map(|message| message["Subject"].as_str().unwrap().to_owned());
    subjects.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_searched_can_be_listed_marked_and_deleted() {
    let (sink, ids) = sink_with(&["one fish", "two fish", "red Wal"]).await;
    assert_eq!(found(&sink, "subject:fish").await, ["two fish", "one fish"]);
    assert_eq!(
        found(&sink, "subject:\"one fish\" to:ann").await,
        ["one fish"]
    );
    assert_eq!(found(&sink, "-fish wal").await, ["red Wal"]);
    assert_eq!(found(&sink, "hello").await.len(), 3);
    let page = sink
        .json("/api/v1/search?query=subject:fish&start=1&limit=5")
        .await;
    assert_eq!(
        (
            &page["total"],
            &page["count"],
            &page["messages_count"],
            &page["start"]
        ),
        (&json!(3), &json!(1), &json!(2), &json!(1))
    );
    for query in ["", "?query=", "?query=%20"] {
        let answer = sink
            .call("GET", &format!("/api/v1/search{query}"), "")
            .await;
        assert_eq!(answer, (400, "Error: no search query".to_owned()));
    }
    let ok = (200, "ok".to_owned());
    let mark = |body: Value| body.to_string();
    for (body, unread) in [
        (json!({"Read": true, "IDs": [ids[0], "nothing"]}), 2),
        (json!({"Read": true, "Search": "subject:wal"}), 1),
        (json!({"Read": false, "IDs": [ids[0]]}), 2),
        (json!({"Read": true}), 0),
        (json!({}), 3),
    ] {
        assert_eq!(sink.call("PUT", "/api/v1/messages", &mark(body)).await, ok);
        assert_eq!(sink.inbox.totals().unread, unread);
    }
    for body in ["{", "1", r#"{"IDs":["a"],"Search":"b"}"#, r#"{"IDs":1}"#] {
        assert_eq!(
            sink.call("PUT", "/api/v1/messages", body).await.0,
            400,
            "{body}"
        );
    }
    assert_eq!(
        sink.call("DELETE", "/api/v1/search?query=subject:fish", "")
            .await,
        ok
    );
    assert_eq!(sink.call("DELETE", "/api/v1/search", "").await.0, 400);
    let refusal = "Error: invalid size in larger:abc: write a number of bytes, or one with K or M, as in larger:10K";
    let unreadable = (400, refusal.to_owned());
    let search = mark(json!({"Read": false, "Search": "larger:abc"}));
    for (method, path, body) in [
        ("GET", "/api/v1/search?query=larger:abc", ""),
        ("DELETE", "/api/v1/search?query=larger:abc", ""),
        ("DELETE", "/api/v1/search?query=hello%20-larger:abc", ""),
        ("PUT", "/api/v1/messages", &search),
        ("GET", "/api/v1/message/latest?query=larger:abc", ""),
        ("GET", "/view/latest.html?query=larger:abc", ""),
        ("GET", "/api/movie-bag/wait?query=larger:abc&timeout=1s", ""),
    ] {
        let answer = sink.call(method, path, body).await;
        assert_eq!(answer, unreadable, "{method} {path}");
    }
    let flood = format!("/api/v1/search?query={}", "-x%20".repeat(10_000));
    let flood = sink.call("GET", &flood, "").await;
    let refusal = "Error: a search has at most 4096 bytes";
    assert_eq!(flood, (400, refusal.to_owned()));
    let search = mark(json!({"Read": false, "Search": "-x ".repeat(65)}));
    let flood = sink.call("PUT", "/api/v1/messages", &search).await;
    assert_eq!(
        flood,
        (400, "Error: a search has at most 64 words".to_owned())
    );
    assert_eq!(sink.inbox.totals().messages, 1);
    assert_eq!(sink.inbox.totals().unread, 1);
    assert_eq!(found(&sink, "is:unread").await, ["red Wal"]);
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_set_renamed_listed_and_removed() {
    let (sink, ids) = sink_with(&["one", "two"]).await;
    let ok = (200, "ok".to_owned());
    let set = json!({"IDs": [ids[0]], "Tags": ["b", "a c"]}).to_string();
    assert_eq!(sink.call("PUT", "/api/v1/tags", &set).await, ok);
    assert_eq!(sink.json("/api/v1/tags").await, json!(["a c", "b"]));
    assert_eq!(found(&sink, "tag:\"A c\"").await, ["one"]);
    assert_eq!(found(&sink, "!is:tagged").await, ["two"]);
    assert_eq!(
        sink.json("/api/v1/info").await["Tags"],
        json!({"a c": 1, "b": 1})
    );
    let renamed = sink
        .call("PUT", "/api/v1/tags/a%20c", "{\"Name\":\"new\"}")
        .await;
    assert_eq!(renamed, ok);
    // The refusals are Mailpit's, to the byte.
    for (tag, name, refusal) in [
        ("b", " ", "invalid tag name:  "),
        ("b", "/!", "invalid tag name: /!"),
        ("unknown", "c", "tag not found: unknown"),
        ("b", "NEW", "tag already exists: NEW"),
    ] {
        let body = json!({"Name": name}).to_string();
        let answer = sink
            .call("PUT", &format!("/api/v1/tags/{tag}"), &body)
            .await;
        assert_eq!(answer, (400, refusal.to_owned()));
    }
    let unknown = sink.call("DELETE", "/api/v1/tags/unknown", "").await;
    assert_eq!(unknown, (400, "tag not found: unknown".to_owned()));
    assert_eq!(sink.call("DELETE", "/api/v1/tags/b", "").await, ok);
    let message = sink.json(&format!("/api/v1/message/{}", ids[0])).await;
    assert_eq!(message["Tags"], json!(["new"]));
    assert_eq!(sink.json("/api/v1/messages").await["tags"], json!(["new"]));
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_with_tags_of_its_own_is_listed_and_found_by_them() {
    let sink = start(|_| {}).await;
    let source = SIMPLE.replace("Subject:", "X-Tags: News, a/b\r\nSubject:");
    sink.says(mail("ann+plus@example.com", &source)).await;
    let expected = json!(["a b", "News", "plus"]);
    let list = sink.json("/api/v1/messages").await;
    assert_eq!(list["messages"][0]["Tags"], expected);
    assert_eq!(list["tags"], expected);
    assert_eq!(found(&sink, "tag:plus tag:news").await.len(), 1);
    let letter = json!({
        "From": {"Email": "from@example.com"}, "To": [{"Email": "ann+two@example.com"}], "Tags": ["one"],
    });
    sink.call("POST", "/api/v1/send", &letter.to_string()).await;
    let sent = sink.json("/api/v1/message/latest").await;
    assert_eq!(sent["Tags"], json!(["one", "two"]));
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_before_a_date_are_counted_alone() {
    let sink = start(|_| {}).await;
    // The clock stands at 10:11:12 of the 23rd.
    sink.says(mail("ann@example.com", SIMPLE)).await;
    for (path, count) in [
        ("/api/v1/messages?before=2026-11-23&tz=UTC", 0),
        ("/api/v1/messages?before=2026-11-24&tz=UTC", 1),
        ("/api/v1/messages?before=2026-11-23T10:11:12Z", 0),
        ("/api/v1/messages?before=nonsense", 1),
        ("/api/v1/search?query=ann&before=2026-11-23&tz=UTC", 0),
        ("/api/v1/search?query=ann&before=2026-11-24&tz=UTC", 1),
        ("/api/v1/search?query=before:2026-11-23&tz=UTC", 0),
        ("/api/v1/search?query=before:2026-11-24&tz=UTC", 1),
    ] {
        let list = sink.json(path).await;
        let counts = ["count", "messages_count", "messages_unread"].map(|key| list[key].clone());
        assert_eq!(counts, [json!(count), json!(count), json!(count)], "{path}");
        assert_eq!(
            (&list["total"], &list["unread"]),
            (&json!(1), &json!(1)),
            "{path}"
        );
    }
    sink.end().await;
}

/// cypress-mailpit joins `/api/…` to whatever base URL it is given.
#[tokio::test(flavor = "multi_thread")]
async fn a_base_url_may_end_in_a_slash() {
    let sink = start(|settings| settings.web_auth = Some(("ann".into(), "secret".into()))).await;
    sink.says(mail("ann@example.com", SIMPLE)).await;
    let ask = async |line: &str, host: &str| {
        let credentials = "Authorization: Basic YW5uOnNlY3JldA==\n";
        sink.asks(&format!(
            "{line} HTTP/1.1\nHost: {host}\n{credentials}Content-Length: 0\nConnection: close\n\n"
        ))
        .await
    };
    let (status, list) = ask("GET //api/v1/search?query=a//b", "localhost").await;
    assert_eq!(status, 200, "{list}");
    assert!(list.contains("\"messages_count\":0,"), "{list}");
    for line in [
        "GET //api//v1///messages",
        "GET //view/latest.txt",
        "GET //",
        "DELETE //api/v1/messages",
    ] {
        assert_eq!(ask(line, "localhost").await.0, 200, "{line}");
    }
    assert_eq!(sink.inbox.totals().messages, 0);
    // The guard looks at the same path.
    assert_eq!(ask("GET //api/v1/messages", "evil.example").await.0, 403);
    let without = "GET //api/v1/messages HTTP/1.1\nHost: localhost\nConnection: close\n\n";
    assert_eq!(sink.asks(without).await.0, 401);
    sink.end().await;
}

/// Resolves `$ref` and compares the keys of an answer with the properties of its definition, at every depth.
fn assert_described(document: &Value, schema: &Value, answer: &Value, path: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let definition = &document["definitions"][name.trim_start_matches("#/definitions/")];
        assert!(definition.is_object(), "{path}: {name}");
        return assert_described(document, definition, answer, path);
    }
    let kind = match answer {
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::Null => "null",
    };
    let described = schema["type"]
        .as_str()
        .unwrap()
        .replace("integer", "number");
    assert_eq!(described, kind, "{path}");
    if let Some(items) = answer.as_array() {
        for item in items {
            assert_described(document, &schema["items"], item, path);
        }
    }
    let Some(fields) = answer.as_object() else {
        return;
    };
    match schema["properties"].as_object() {
        Some(properties) => {
            let keys =
                |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(properties), keys(fields), "{path}");
            for (key, value) in fields {
                assert_described(document, &properties[key], value, &format!("{path}.{key}"));
            }
        }
        None => {
            for value in fields.values() {
                assert_described(document, &schema["additionalProperties"], value, path);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_of_the_api_is_what_it_serves() {
    let sink = start(|_| {}).await;
    sink.says(mail("ann@example.com", PARTS)).await;
    let document = sink.json("/api/v1/swagger.json").await;
    assert_eq!(document["swagger"], "2.0");
    let message = sink.json("/api/v1/message/latest").await;
    let part = message["Inline"][0]["PartID"].as_str().unwrap().to_owned();
    let mut operations = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations += 1;
            sink.says(mail("ann@example.com", PARTS)).await;
            let id = sink.inbox.latest().unwrap().id.0.clone();
            let tags = json!({"IDs": [id], "Tags": ["tag"]}).to_string();
            sink.call("PUT", "/api/v1/tags", &tags).await;
            let parameters = operation["parameters"].as_array();
            let names: Vec<_> = parameters
                .into_iter()
                .flatten()
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            let mut called = path
                .replace("{ID}", "latest")
                .replace("{PartID}", &part)
                .replace("{Tag}", "tag");
            if names.contains(&"query") {
                called.push_str("?query=subject:p");
            }
            let body = match (path.as_str(), method.as_str()) {
                ("/api/v1/send", _) => {
                    r#"{"From":{"Email":"a@b.example"},"To":[{"Email":"a@b.example"}]}"#.to_owned()
                }
                ("/api/v1/tags", "put") => tags,
                ("/api/v1/tags/{Tag}", "put") => r#"{"Name":"tag2"}"#.to_owned(),
                _ if names.contains(&"Body") => "{}".to_owned(),
                _ => String::new(),
            };
            let (status, text) = sink.call(&method.to_uppercase(), &called, &body).await;
            let answer = &operation["responses"][status.to_string()];
            assert!(answer.is_object(), "{method} {called}: {status} {text}");
            if operation["produces"] == json!(["application/json"]) {
                let json = serde_json::from_str(&text).unwrap();
                assert_described(&document, &answer["schema"], &json, path);
            }
        }
    }
    assert_eq!(operations, 24);
    sink.end().await;
}

pub(super) const PARTS: &str = concat!(
    "From: a@example.com\r\nTo: Ann <ann@example.com>\r\nSubject: =?utf-8?q?p=C3=A4rts?=\r\nX-odd-NAME: a\r\n b\r\n",
    "MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=m\r\n\r\n",
    "--m\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<a href=\"https://x.example/r?t=1\">go</a><img src=\"cid:pic@x\"><video></video>\r\n",
    "--m\r\nContent-Type: image/png; name=\"p\\\"i.png\"\r\nContent-ID: <pic@x>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBO\r\n",
    "--m\r\nContent-Type: text/html; name=evil.html\r\nContent-Disposition: attachment\r\n\r\n<script>alert(1)</script>\r\n--m--\r\n",
);

#[tokio::test(flavor = "multi_thread")]
async fn parts_headers_and_views_are_served_harmlessly() {
    let sink = start(|_| {}).await;
    sink.says(mail("hidden@example.com", PARTS)).await;
    let message = sink.json("/api/v1/message/latest").await;
    let id = message["ID"].as_str().unwrap();
    let headers = sink.json("/api/v1/message/latest/headers").await;
    assert_eq!(headers["X-Odd-Name"], json!(["a b"]), "{headers}");
    assert_eq!(headers["Bcc"], json!(["hidden@example.com"]));
    assert_eq!(headers["Return-Path"], json!(["<from@example.com>"]));
    assert_eq!(headers["Subject"], json!(["=?utf-8?q?p=C3=A4rts?="]));
    assert!(
        headers["Received"][0]
            .as_str()
            .unwrap()
            .starts_with("from me ([127.0.0.1])")
    );
    assert!(headers["Mime-Version"].is_array());

    let part = message["Inline"][0]["PartID"].as_str().unwrap();
    let picture = sink.get(&format!("/api/v1/message/{id}/part/{part}")).await;
    assert_eq!(picture.headers()["content-type"], "image/png");
    assert_eq!(
        picture.headers()["content-disposition"],
        "inline; filename=\"p_i.png\"; filename*=UTF-8''p%22i.png"
    );
    let evil = message["Attachments"][0]["PartID"].as_str().unwrap();
    let evil = sink.get(&format!("/api/v1/message/{id}/part/{evil}")).await;
    assert!(
        evil.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("sandbox;")
    );
    assert_eq!(evil.headers()["x-content-type-options"], "nosniff");
    assert_eq!(
        evil.headers()["content-disposition"],
        "attachment; filename=\"evil.html\""
    );
    let thumb = sink
        .get(&format!("/api/v1/message/{id}/part/{part}/thumb"))
        .await;
    assert_eq!(thumb.headers()["content-type"], "image/jpeg");
    for wrong in ["99", "x", "-1", "0"] {
        let path = format!("/api/v1/message/{id}/part/{wrong}");
        assert_eq!(sink.get(&path).await.status(), 404, "{wrong}");
    }

    let view = sink.get(&format!("/view/{id}.html")).await;
    let expected = "<a href=\"https://x.example/r?t=1\">go</a><img src=\"data:image/png;base64,iVBO\"><video></video>";
    assert_eq!(view.body(), expected);
    assert!(
        view.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("sandbox ")
    );
    let embedded = sink.get("/view/latest.html?embed=1").await;
    assert!(embedded.body().starts_with(
        "<a href=\"https://x.example/r?t=1\" target=\"_blank\" rel=\"noreferrer noopener\">go</a>"
    ));
    assert_eq!(sink.get(&format!("/view/{id}.txt")).await.body(), "go");
    assert_eq!(
        sink.call("GET", "/view/nothing.txt", "").await,
        (404, "Message not found".into())
    );
    assert_eq!(sink.call("GET", "/view/latest.pdf", "").await.0, 404);
    assert!(
        sink.get(&format!("/view/{id}"))
            .await
            .body()
            .contains("<code>https://x.example/r?t=1</code>")
    );
    assert_eq!(sink.call("GET", "/view/latest", "").await.0, 302);

    let links = sink
        .json("/api/v1/message/latest/link-check?follow=true")
        .await;
    assert_eq!(
        links,
        json!({"Errors": 0, "Links": [{"URL": "https://x.example/r?t=1", "StatusCode": 0, "Status": "Not fetched"}]})
    );
    let check = sink.json("/api/v1/message/latest/html-check").await;
    assert_eq!(check["Warnings"][0]["Slug"], "html-video");
    assert_eq!(check["Warnings"][0]["Results"][0]["Support"], "yes");
    assert!(check["Total"]["Unsupported"].as_f64().unwrap() > 0.0);
    assert_eq!(
        sink.call("GET", "/api/v1/message/latest/sa-check", "")
            .await
            .0,
        404
    );
    assert_eq!(
        sink.call(
            "POST",
            "/api/v1/message/latest/release",
            "{\"To\":[\"a@b\"]}"
        )
        .await
        .0,
        400
    );

    sink.says(mail("ann@example.com", SIMPLE)).await;
    assert_eq!(
        sink.call("GET", "/api/v1/message/latest/html-check", "")
            .await
            .0,
        400
    );
    assert_eq!(
        sink.call("GET", "/view/latest.html", "").await,
        (404, "This message does not contain a HTML part".to_owned())
    );
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_becomes_a_message() {
    let sink = start(|settings| settings.max_size = 100_000).await;
    let letter = json!({
        "From": {"Email": "from@example.com", "Name": "Jürgen"},
        "To": [{"Email": "ann@example.com", "Name": "Ann"}],
        "Cc": [{"Email": "cc@example.com"}],
        "Bcc": ["bcc@example.com"],
        "ReplyTo": [{"Email": "reply@example.com"}],
        "Subject": "Grüße",
        "Text": "text", "HTML": "<p>html <img src=\"cid:pic\"></p>",
        "Headers": {"List-Unsubscribe": "<https://x.example/u>"},
        "Tags": ["sent"],
        "Attachments": [
            {"Content": "YWJj", "Filename": "a.csv"},
            {"Content": "data:image/png;base64,iVBO", "Filename": "p.png", "ContentID": "pic"},
        ],
    });
    let (status, answer) = sink.call("POST", "/api/v1/send", &letter.to_string()).await;
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let message = sink
        .json(&format!(
            "/api/v1/message/{}",
            answer["ID"].as_str().unwrap()
        ))
        .await;
    assert_eq!(message["Subject"], "Grüße");
    assert_eq!(
        message["From"],
        json!({"Name": "Jürgen", "Address": "from@example.com"})
    );
    assert_eq!(
        message["Bcc"],
        json!([{"Name": "", "Address": "bcc@example.com"}])
    );
    assert_eq!(message["Tags"], json!(["sent"]));
    assert_eq!(message["Text"], "text");
    assert_eq!(message["HTML"], "<p>html <img src=\"cid:pic\"></p>");
    assert_eq!(message["Attachments"][0]["FileName"], "a.csv");
    assert_eq!(message["Attachments"][0]["ContentType"], "text/csv");
    assert_eq!(message["Inline"][0]["ContentID"], "pic");
    let headers = sink.json("/api/v1/message/latest/headers").await;
    let names: Vec<_> = headers
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        names,
        [
            "Bcc",
            "Cc",
            "Content-Type",
            "Date",
            "From",
            "List-Unsubscribe",
            "Message-Id",
            "Mime-Version",
            "Reply-To",
            "Return-Path",
            "Subject",
            "To"
        ]
    );
    let minimal = json!({"From": {"Email": "a@example.com"}, "To": [{"Email": "b@example.com"}]});
    for ends in ["\n", "\r\n", "\r"] {
        for text in ["a{}b{}", "a{}", "{}{}ä = b {} {}", "long {}"] {
            let text = text.replace("{}", ends).replace("long", &"x".repeat(1200));
            for with_text in [false, true] {
                let mut letter = minimal.clone();
                letter["HTML"] = text.clone().into();
                if with_text {
                    letter["Text"] = text.clone().into();
                }
                sink.call("POST", "/api/v1/send", &letter.to_string()).await;
                let html = sink.get("/view/latest.html").await;
                assert_eq!(html.body(), &text, "the HTML");
                let message = sink.json("/api/v1/message/latest").await;
                assert_eq!(message["HTML"], text);
                if with_text {
                    assert_eq!(message["Text"], text);
                }
            }
        }
    }
    sink.call("DELETE", "/api/v1/messages", "").await;
    sink.call("POST", "/api/v1/send", &letter.to_string()).await;
    assert_eq!(
        sink.call("POST", "/api/v1/send", &minimal.to_string())
            .await
            .0,
        200
    );
    for (change, status) in [
        (json!({"From": {"Email": "no address"}}), 400),
        (json!({"To": []}), 400),
        (json!({"To": [{"Email": "a@example.com\r\nX: y"}]}), 400),
        (
            json!({"From": {"Email": "a@example.com", "Name": "x\r\nX: y"}}),
            400,
        ),
        (json!({"Subject": "x\nX-Evil: y"}), 400),
        (json!({"Headers": {"X-A": "b\r\nX-Evil: y"}}), 400),
        (json!({"Headers": {"X A": "b"}}), 400),
        (json!({"Headers": {"subject": "b"}}), 400),
        (
            json!({"Attachments": [{"Content": "%", "Filename": "x"}]}),
            400,
        ),
        (
            json!({"Attachments": [{"Content": "data:x", "Filename": "x"}]}),
            400,
        ),
        (
            json!({"Attachments": [{"Content": "YWJj", "ContentType": "x\r\ny"}]}),
            400,
        ),
        (json!({"Text": "x".repeat(120_000)}), 413),
        (json!({"Text": "x".repeat(200_000)}), 413),
        (json!({"To": "ann"}), 400),
    ] {
        let mut letter = minimal.as_object().unwrap().clone();
        letter.extend(change.as_object().unwrap().clone());
        let body = Value::from(letter).to_string();
        let (got, answer) = sink.call("POST", "/api/v1/send", &body).await;
        assert_eq!(got, status, "{:.200}: {answer}", change.to_string());
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["Error"].is_string());
    }
    assert_eq!(sink.inbox.totals().messages, 2);
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_tells_what_happens() {
    let sink = start(|_| {}).await;
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{}/api/events", sink.web))
        .await
        .unwrap();
    let mut next = async |kind: &str| loop {
        let Frame::Text(text) = socket.next().await.unwrap().unwrap() else {
            continue;
        };
        let frame: Value = serde_json::from_str(&text).unwrap();
        if frame["Type"] == kind {
            return frame["Data"].clone();
        }
    };
    assert_eq!(next("stats").await["Total"], 0);
    sink.says(mail("ann@example.com", SIMPLE)).await;
    let new = next("new").await;
    assert_eq!(new, sink.json("/api/v1/messages").await["messages"][0]);
    let stats = next("stats").await;
    assert_eq!((&stats["Total"], &stats["Unread"]), (&json!(1), &json!(1)));
    let id = new["ID"].as_str().unwrap();
    sink.json(&format!("/api/v1/message/{id}")).await;
    assert_eq!(next("update").await, json!({"ID": id, "Read": true}));
    let tags = json!({"IDs": [id], "Tags": ["t"]}).to_string();
    sink.call("PUT", "/api/v1/tags", &tags).await;
    assert_eq!(next("update").await, json!({"ID": id, "Tags": ["t"]}));
    sink.call(
        "DELETE",
        "/api/v1/messages",
        &json!({"IDs": [id]}).to_string(),
    )
    .await;
    assert_eq!(next("delete").await, json!({"ID": id}));
    sink.call("DELETE", "/api/v1/messages", "").await;
    assert_eq!(next("truncate").await, Value::Null);
    // Whatever a client says is passed over.
    socket
        .send(Frame::Text("{\"Type\":\"x\"}".into()))
        .await
        .unwrap();
    sink.stop();
    while let Some(Ok(frame)) = socket.next().await {
        assert!(!frame.is_binary());
    }
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_client_that_misses_events_is_asked_to_read_the_list_again() {
    let sink = start(|_| {}).await;
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{}/api/events", sink.web))
        .await
        .unwrap();
    let (inbox, is_told) = (Arc::clone(&sink.inbox), Arc::new(AtomicBool::new(false)));
    let until = Arc::clone(&is_told);
    // More events at once than wait for a client, as often as it takes.
    let storing = spawn_blocking(move || {
        let stored = received(SIMPLE.as_bytes(), "from@example.com", &["ann@example.com"]);
        while !until.load(Ordering::Relaxed) {
            let own = inbox.store_own(stored.clone(), Vec::new(), Timestamp::UNIX_EPOCH);
            own.unwrap();
        }
    });
    let told = async {
        loop {
            let Frame::Text(text) = socket.next().await.unwrap().unwrap() else {
                continue;
            };
            if text.contains("\"prune\"") {
                return text;
            }
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(300), told).await;
    is_told.store(true, Ordering::Relaxed);
    storing.await.unwrap();
    assert_eq!(told.unwrap().as_str(), r#"{"Type":"prune","Data":null}"#);
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_asked_for_but_by_probes() {
    let sink = start(|settings| settings.web_auth = Some(("ann".into(), "se:cret".into()))).await;
    let ask = async |path: &str, credentials: &str| {
        let header = match credentials {
            "" => String::new(),
            text => format!("Authorization: {text}\n"),
        };
        sink.asks(&format!(
            "GET {path} HTTP/1.1\nHost: localhost\n{header}Connection: close\n\n"
        ))
        .await
    };
    assert_eq!(
        ask("/api/v1/messages", "").await,
        (401, "Unauthorized.\n".to_owned())
    );
    for (credentials, status) in [
        ("Basic YW5uOnNlOmNyZXQ=", 200),
        ("basic YW5uOnNlOmNyZXQ=", 200),
        ("Basic YW5uOnNl", 401),
        ("Basic %%%", 401),
        ("Bearer YW5uOnNlOmNyZXQ=", 401),
        ("Basic", 401),
    ] {
        assert_eq!(
            ask("/api/v1/info", credentials).await.0,
            status,
            "{credentials}"
        );
    }
    for path in [
        "/",
        "/api/events",
        "/view/latest",
        "/api/v2/messages",
        "/nothing",
    ] {
        assert_eq!(ask(path, "").await.0, 401, "{path}");
    }
    for path in ["/livez", "/readyz"] {
        assert_eq!(ask(path, "").await, (200, String::new()), "{path}");
    }
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lists_are_compressed_for_who_asks() {
    let (sink, _) = sink_with(&["one"; 20]).await;
    let request = "GET /api/v1/messages HTTP/1.1\nHost: localhost\nAccept-Encoding: gzip\nConnection: close\n\n";
    let (web, request) = (sink.web, request.replace('\n', "\r\n"));
    let answer = spawn_blocking(move || {
        let mut stream = TcpStream::connect(web).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    })
    .await
    .unwrap();
    let head = String::from_utf8_lossy(&answer[..400]).to_lowercase();
    assert!(head.contains("content-encoding: gzip"), "{head}");
    assert!(answer.len() < 2000);
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chaos_refuses_what_it_is_told_to() {
    let sink = start(|_| {}).await;
    let calm = json!({
        "Sender": {"ErrorCode": 451, "Probability": 0},
        "Recipient": {"ErrorCode": 451, "Probability": 0},
        "Authentication": {"ErrorCode": 451, "Probability": 0},
    });
    assert_eq!(sink.json("/api/v1/chaos").await, calm);
    let body = json!({"Recipient": {"ErrorCode": 550, "Probability": 100}}).to_string();
    let (status, answer) = sink.call("PUT", "/api/v1/chaos", &body).await;
    assert_eq!(status, 200);
    let mut storm = calm.clone();
    storm["Recipient"] = json!({"ErrorCode": 550, "Probability": 100});
    assert_eq!(serde_json::from_str::<Value>(&answer).unwrap(), storm);
    let said = sink.says(mail("ann@example.com", SIMPLE)).await;
    assert!(
        said.contains("\r\n550 ") && said.contains("\r\n503 "),
        "{said}"
    );
    for wrong in [
        json!({"Sender": {"ErrorCode": 399, "Probability": 1}}),
        json!({"Sender": {"ErrorCode": 600, "Probability": 1}}),
        json!({"Sender": {"ErrorCode": 451, "Probability": 101}}),
        json!({"Sender": {"ErrorCode": 451, "Probability": -1}}),
        json!({"Sender": 1}),
    ] {
        assert_eq!(
            sink.call("PUT", "/api/v1/chaos", &wrong.to_string())
                .await
                .0,
            400,
            "{wrong}"
        );
    }
    assert_eq!(sink.call("PUT", "/api/v1/chaos", "{}").await.0, 200);
    assert_eq!(sink.json("/api/v1/chaos").await, calm);
    assert!(
        sink.says(mail("ann@example.com", SIMPLE))
            .await
            .contains("OK: stored")
    );
    sink.end().await;
}
