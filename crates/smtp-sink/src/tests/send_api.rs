//! `/api/v1/send`.

use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_in_json_is_composed_and_stored() {
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
    let (status, response) = sink.call("POST", "/api/v1/send", &letter.to_string()).await;
    assert_eq!(status, 200, "{response}");
    let response: Value = serde_json::from_str(&response).unwrap();
    let message = sink
        .json(&format!(
            "/api/v1/message/{}",
            response["ID"].as_str().unwrap()
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
        let (got, response) = sink.call("POST", "/api/v1/send", &body).await;
        assert_eq!(got, status, "{:.200}: {response}", change.to_string());
        let response: Value = serde_json::from_str(&response).unwrap();
        assert!(response["Error"].is_string());
    }
    assert_eq!(sink.inbox.totals().messages, 2);
    sink.end().await;
}
