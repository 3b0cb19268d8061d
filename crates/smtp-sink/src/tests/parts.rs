//! Parts of messages in the API: ids, media types, bytes and headers.

use serde_json::json;

use super::*;

const NESTED: &str = concat!(
    "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\npreamble\r\n",
    "--m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n",
    "--a\r\nContent-Type: text/plain\r\n\r\nText\r\n--a\r\nContent-Type: text/html\r\n\r\n<p>HTML</p>\r\n--a--\r\n",
    "--m\r\nContent-Type: text/csv; charset=ISO-8859-1\r\nContent-Disposition: attachment; filename=a.csv\r\n",
    "Content-Transfer-Encoding: base64\r\n\r\n6Tvo\r\n--m--\r\n",
);

#[tokio::test(flavor = "multi_thread")]
async fn a_part_keeps_its_bytes_and_its_charset() {
    let sink = start(|_| {}).await;
    sink.send_smtp(mail("ann@example.com", NESTED)).await;
    let message = sink.json("/api/v1/message/latest").await;
    let attachment = &message["Attachments"][0];
    assert_eq!(
        (
            &attachment["PartID"],
            &attachment["Size"],
            &attachment["ContentType"]
        ),
        (&json!("2"), &json!(3), &json!("text/csv"))
    );
    let id = message["ID"].as_str().unwrap();
    let url = format!("http://{}/api/v1/message/{id}/part/2", sink.web);
    let (kind, bytes) = spawn_blocking(move || {
        let mut response = ureq::get(url).call().unwrap();
        let kind = response.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        (kind, response.body_mut().read_to_vec().unwrap())
    })
    .await
    .unwrap();
    assert_eq!(
        (kind.as_str(), &bytes[..]),
        ("text/csv; charset=ISO-8859-1", &b"\xe9;\xe8"[..])
    );
    for (part, body) in [("1.1", "Text"), ("1.2", "<p>HTML</p>")] {
        let path = format!("/api/v1/message/{id}/part/{part}");
        assert_eq!(sink.get(&path).await.body(), body);
    }
    for wrong in ["1", "1.3", "1.1.1", "2.0", "0", "01", "1.", ""] {
        let path = format!("/api/v1/message/{id}/part/{wrong}");
        assert_eq!(sink.get(&path).await.status(), 404, "{wrong}");
    }
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mailhog_api_nests_parts_as_in_the_message() {
    let sink = start(|_| {}).await;
    sink.send_smtp(mail("ann@example.com", NESTED)).await;
    let item = &sink.json("/api/v2/messages").await["items"][0];
    let parts = item["MIME"]["Parts"].as_array().unwrap();
    let kind = |part: &Value| {
        part["Headers"]["Content-Type"][0]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        parts.iter().map(kind).collect::<Vec<_>>(),
        [
            "multipart/alternative; boundary=a",
            "text/csv; charset=ISO-8859-1",
        ]
    );
    let inner = parts[0]["MIME"]["Parts"].as_array().unwrap();
    assert_eq!(
        inner.iter().map(kind).collect::<Vec<_>>(),
        ["text/plain", "text/html"]
    );
    assert_eq!(
        inner[0],
        json!({
            "Headers": {"Content-Type": ["text/plain"]},
            "Body": "Text",
            "Size": "Content-Type: text/plain\r\n\r\nText".len(),
            "MIME": null,
        })
    );
    assert_eq!(
        (&parts[1]["Body"], &parts[1]["MIME"]),
        (&json!("6Tvo"), &Value::Null)
    );
    assert!(parts[0]["Body"].as_str().unwrap().starts_with("--a\r\n"));
    sink.end().await;
}

/// Each level of a nested multipart contains all deeper levels in its body.
#[tokio::test(flavor = "multi_thread")]
async fn deeply_nested_parts_do_not_inflate_a_list_of_the_mailhog_api() {
    let sink = start(|_| {}).await;
    let level = |number| {
        format!("Content-Type: multipart/mixed; boundary=b{number}\r\n\r\n--b{number}\r\n")
    };
    let mut source: String = (0..2_000).map(level).collect();
    source.push_str("\r\ntext\r\n");
    sink.send_smtp(mail("ann@example.com", &source)).await;
    let response = sink.get("/api/v2/messages").await;
    assert!(
        response.body().len() < 16 * source.len(),
        "{}",
        response.body().len()
    );
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_headers_and_views_cannot_run_in_a_browser() {
    let sink = start(|_| {}).await;
    sink.send_smtp(mail("hidden@example.com", PARTS)).await;
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

    sink.send_smtp(mail("ann@example.com", SIMPLE)).await;
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
