//! Parts as the API hands them out: numbers, types and bytes.

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
    sink.says(mail("ann@example.com", NESTED)).await;
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
        let mut answer = ureq::get(url).call().unwrap();
        let kind = answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        (kind, answer.body_mut().read_to_vec().unwrap())
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
async fn mailhogs_parts_are_nested_as_those_of_the_message() {
    let sink = start(|_| {}).await;
    sink.says(mail("ann@example.com", NESTED)).await;
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

/// A multipart that is nested deep is repeated in the body of each level above it.
#[tokio::test(flavor = "multi_thread")]
async fn mailhogs_parts_do_not_grow_without_an_end() {
    let sink = start(|_| {}).await;
    let level = |number| {
        format!("Content-Type: multipart/mixed; boundary=b{number}\r\n\r\n--b{number}\r\n")
    };
    let mut source: String = (0..2_000).map(level).collect();
    source.push_str("\r\ntext\r\n");
    sink.says(mail("ann@example.com", &source)).await;
    let answer = sink.get("/api/v2/messages").await;
    assert!(
        answer.body().len() < 16 * source.len(),
        "{}",
        answer.body().len()
    );
    sink.end().await;
}
