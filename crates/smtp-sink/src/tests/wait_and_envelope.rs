//! Extensions of the API: waiting for a message, and its envelope.

use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_returns_the_first_matching_message() {
    let (sink, ids) = start_with_messages(&["first one"]).await;
    let existing = sink.json("/api/movie-bag/wait?query=subject:first").await;
    assert_eq!(existing["message"]["ID"], ids[0]);
    assert_eq!(
        (&existing["links"], &existing["tokens"], &existing["codes"]),
        (&json!([]), &json!([]), &json!([]))
    );
    let (status, _) = sink
        .call(
            "GET",
            "/api/movie-bag/wait?query=subject:second&timeout=1s",
            "",
        )
        .await;
    assert_eq!(status, 408);
    let path = format!(
        "/api/movie-bag/wait?query=to:ann&after={}&timeout=20s",
        ids[0]
    );
    let (waited, ()) = tokio::join!(sink.json(&path), async {
        let body = with_subject("second code")
            .replace("Hello", "Your code: 1234 at https://x.example/reset");
        sink.send_smtp(mail(
            "bob@example.com",
            &SIMPLE.replace("Ann <ann@", "Bob <bob@"),
        ))
        .await;
        sink.send_smtp(mail("ann@example.com", &body)).await;
    });
    assert_eq!(waited["message"]["Subject"], "second code");
    assert_eq!(waited["codes"], json!(["1234"]));
    assert_eq!(waited["links"], json!(["https://x.example/reset"]));
    let id = waited["message"]["ID"].as_str().unwrap();
    let extracted = sink
        .json(&format!("/api/movie-bag/message/{id}/extract"))
        .await;
    assert_eq!(
        extracted,
        json!({"links": ["https://x.example/reset"], "tokens": [], "codes": ["1234"]})
    );
    for wrong in ["x", "2h", "-1", "1.5s"] {
        let path = format!("/api/movie-bag/wait?timeout={wrong}");
        assert_eq!(sink.call("GET", &path, "").await.0, 400, "{wrong}");
    }
    // A waiting client does not delay the stop.
    let (response, ()) = tokio::join!(
        sink.call(
            "GET",
            "/api/movie-bag/wait?query=subject:never&timeout=1h",
            ""
        ),
        async {
            while sink.inbox.subscribers() == 0 {
                tokio::task::yield_now().await;
            }
            sink.stop();
        }
    );
    assert_eq!(response.0, 503);
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_envelope_describes_the_smtp_session_of_a_message() {
    let sink = start(|_| {}).await;
    sink.send_smtp(format!(
        "EHLO me\r\nAUTH PLAIN AGFubgBzZWNyZXQ=\r\nMAIL FROM:<from@example.com> SIZE=9 BODY=8BITMIME\r\n\
         RCPT TO: <ann@example.com> NOTIFY=NEVER\r\nDATA\r\n{SIMPLE}.\r\nQUIT\r\n"
    ))
    .await;
    let envelope = sink.json("/api/movie-bag/message/latest/envelope").await;
    let keys: Vec<_> = envelope
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        [
            "from",
            "to",
            "helo",
            "peer",
            "tls",
            "auth",
            "esmtp",
            "transcript",
            "warnings"
        ]
    );
    assert_eq!(envelope["from"], "from@example.com");
    assert_eq!(envelope["to"], json!(["ann@example.com"]));
    assert_eq!(
        envelope["esmtp"],
        json!(["SIZE=9", "BODY=8BITMIME", "NOTIFY=NEVER"])
    );
    assert_eq!(
        envelope["auth"],
        json!({"mechanism": "PLAIN", "user": "ann"})
    );
    assert_eq!(
        (&envelope["tls"], &envelope["helo"]),
        (&Value::Null, &json!("me"))
    );
    assert_eq!(envelope["warnings"].as_array().unwrap().len(), 1);
    let transcript = envelope["transcript"].to_string();
    assert!(
        transcript.contains("C: EHLO me") && !transcript.contains("AGFubgBzZWNyZXQ"),
        "{transcript}"
    );
    assert_eq!(sink.json("/api/v1/message/latest").await["Username"], "ann");
    sink.end().await;
}
