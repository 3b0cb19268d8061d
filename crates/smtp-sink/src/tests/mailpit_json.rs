//! JSON of Mailpit's API: exact keys, their order and values.

use super::*;

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_have_exactly_the_json_of_mailpit() {
    let sink = start(|settings| settings.max_messages = 3).await;
    assert_eq!(
        sink.get("/api/v1/messages").await.body(),
        r#"{"total":0,"unread":0,"count":0,"messages_count":0,"messages_unread":0,"start":0,"tags":[],"messages":[]}"#
    );
    for number in 0..4 {
        sink.send_smtp(mail(
            "hidden@example.com",
            &SIMPLE.replace("Hello", &format!("Hello {number}")),
        ))
        .await;
    }
    let list = sink.json("/api/v1/messages?start=1&limit=1").await;
    let id = list["messages"][0]["ID"].as_str().unwrap();
    assert_eq!(
        serde_json::to_string(&list).unwrap(),
        format!(
            concat!(
                r#"{{"total":3,"unread":3,"count":1,"messages_count":3,"messages_unread":3,"start":1,"tags":[],"messages":["#,
                r#"{{"ID":"{}","MessageID":"1@example.com","Read":false,"From":{{"Name":"Support","Address":"from@example.com"}},"#,
                r#""To":[{{"Name":"Ann","Address":"ann@example.com"}}],"Cc":[],"Bcc":[{{"Name":"","Address":"hidden@example.com"}}],"#,
                r#""ReplyTo":[],"Subject":"<b>Hi</b>","Created":"2026-11-23T10:11:12.500Z","Username":"","Tags":[],"#,
                r#""Size":{},"Attachments":0,"Snippet":"Hello 2"}}]}}"#,
            ),
            id,
            SIMPLE.len() + 2
        )
    );
    for (query, count) in [
        ("limit=0", 3),
        ("limit=-1&start=x", 3),
        ("limit=2", 2),
        ("start=9", 0),
        ("before=2026-11-23", 0),
        ("before=never", 3),
        ("%zz&&=", 3),
    ] {
        assert_eq!(
            sink.json(&format!("/api/v1/messages?{query}")).await["count"],
            count,
            "{query}"
        );
    }
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_has_exactly_the_json_of_mailpit_and_is_marked_as_read() {
    let sink = start(|_| {}).await;
    assert_eq!(sink.get("/api/v1/message/latest").await.status(), 404);
    assert_eq!(
        sink.get("/api/v1/message/latest").await.body(),
        "Message not found"
    );
    let attached = concat!(
        "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n",
        "--m\r\n\r\ntext\r\n--m\r\nContent-Type: text/plain; name=a.txt\r\nContent-Disposition: attachment\r\n\r\nabc\r\n--m--\r\n",
    );
    sink.send_smtp(mail("ann@example.com", attached)).await;
    let message = sink.json("/api/v1/message/latest").await;
    assert_eq!(
        keys(&message),
        [
            "ID",
            "MessageID",
            "From",
            "To",
            "Cc",
            "Bcc",
            "ReplyTo",
            "ReturnPath",
            "Subject",
            "ListUnsubscribe",
            "Date",
            "Tags",
            "Username",
            "Text",
            "HTML",
            "Size",
            "Inline",
            "Attachments"
        ]
    );
    assert_eq!(
        keys(&message["ListUnsubscribe"]),
        ["Header", "Links", "Errors", "HeaderPost"]
    );
    assert_eq!(message["ListUnsubscribe"]["Links"], serde_json::json!([]));
    assert_eq!(
        message["From"],
        serde_json::json!({"Name": "", "Address": ""})
    );
    assert_eq!(message["ReturnPath"], "from@example.com");
    assert_eq!(message["Date"], "2026-11-23T10:11:12.500Z");
    assert_eq!(
        (&message["Text"], &message["HTML"]),
        (&"text".into(), &"".into())
    );
    let part = &message["Attachments"][0];
    assert_eq!(
        keys(part),
        [
            "PartID",
            "FileName",
            "ContentType",
            "ContentID",
            "Size",
            "Checksums"
        ]
    );
    assert_eq!(part["FileName"], "a.txt");
    assert_eq!(part["Checksums"]["MD5"], "900150983cd24fb0d6963f7d28e17f72");
    assert_eq!(
        part["Checksums"]["SHA1"],
        "a9993e364706816aba3e25717850c26c9cd0d89d"
    );

    let id = message["ID"].as_str().unwrap();
    assert_eq!(sink.json(&format!("/api/v1/message/{id}")).await["ID"], id);
    assert_eq!(sink.json("/api/v1/messages").await["unread"], 0);
    let raw = sink.get(&format!("/api/v1/message/{id}/raw?dl=1")).await;
    assert_eq!(raw.body(), attached);
    assert_eq!(raw.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(
        raw.headers()["content-disposition"],
        format!("attachment; filename=\"{id}.eml\"")
    );
    assert_eq!(
        sink.get("/api/v1/message/none").await.body(),
        "404 page not found"
    );
    let latest = sink.get("/api/v1/message/latest?query=subject:y").await;
    assert_eq!(latest.status(), 404);
    let latest = sink.json("/api/v1/message/latest?query=subject:x").await;
    assert_eq!(latest["ID"], id);
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_deleted_by_id_or_all_at_once() {
    let sink = start(|_| {}).await;
    for _ in 0..3 {
        sink.send_smtp(mail("ann@example.com", SIMPLE)).await;
    }
    let id = sink.inbox.latest().unwrap().id.clone();
    let body = format!("{{\"IDs\":[\"{id}\"]}}");
    let request = |body: &str| {
        format!(
            "DELETE /api/v1/messages HTTP/1.1\nHost: localhost\nContent-Length: {}\nConnection: close\n\n{body}",
            body.len()
        )
    };
    assert_eq!(
        sink.send_http(&request(&body)).await,
        (200, "ok".to_owned())
    );
    assert_eq!(sink.inbox.totals().messages, 2);
    assert_eq!(
        sink.send_http(&request("a=form&b=body")).await,
        (200, "ok".to_owned())
    );
    assert_eq!(sink.inbox.totals().messages, 0);
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn info_has_exactly_the_keys_of_mailpit() {
    let sink = start(|_| {}).await;
    let info = sink.json("/api/v1/info").await;
    assert_eq!(
        keys(&info),
        [
            "Version",
            "LatestVersion",
            "Database",
            "DatabaseSize",
            "Messages",
            "Unread",
            "Tags",
            "RuntimeStats"
        ]
    );
    assert_eq!(
        keys(&info["RuntimeStats"]),
        [
            "Uptime",
            "Memory",
            "MessagesDeleted",
            "SMTPAccepted",
            "SMTPAcceptedSize",
            "SMTPRejected",
            "SMTPIgnored"
        ]
    );
    sink.end().await;
}
