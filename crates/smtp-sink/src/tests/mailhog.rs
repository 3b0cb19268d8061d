//! MailHog's API.

use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_mailhog_api_returns_the_json_that_its_clients_expect() {
    let (sink, ids) = start_with_messages(&["one", "two"]).await;
    sink.send_smtp(mail("bob@example.org", PARTS)).await;
    let list = sink.json("/api/v2/messages?start=1&limit=1").await;
    assert_eq!(
        (&list["total"], &list["count"], &list["start"]),
        (&json!(3), &json!(1), &json!(1))
    );
    let item = &list["items"][0];
    assert_eq!(item["ID"], ids[1]);
    assert_eq!(
        item["From"],
        json!({"Relays": null, "Mailbox": "from", "Domain": "example.com", "Params": ""})
    );
    assert_eq!(item["Content"]["Headers"]["Subject"], json!(["two"]));
    assert_eq!(item["Content"]["Body"], "Hello\r\n");
    assert_eq!(item["Raw"]["Data"], with_subject("two"));
    assert_eq!(
        (&item["Raw"]["Helo"], &item["MIME"]),
        (&json!("me"), &Value::Null)
    );
    let parts = &sink.json("/api/v2/messages").await["items"][0]["MIME"]["Parts"];
    assert_eq!(
        parts[0]["Headers"]["Content-Type"],
        json!(["text/html; charset=utf-8"])
    );
    assert!(parts[0]["Body"].as_str().unwrap().starts_with("<a href"));
    for (kind, query, count) in [
        ("to", "BOB", 1),
        ("to", "ann", 3),
        ("from", "support", 2),
        ("containing", "hello", 2),
        ("containing", "subject:one", 0),
    ] {
        let path = format!("/api/v2/search?kind={kind}&query={query}");
        assert_eq!(sink.json(&path).await["total"], count, "{path}");
    }
    assert_eq!(
        sink.call("GET", "/api/v2/search?kind=x&query=y", "")
            .await
            .0,
        400
    );
    let one = format!("/api/v1/messages/{}", ids[0]);
    assert_eq!(sink.call("DELETE", &one, "").await.0, 200);
    assert_eq!(sink.call("DELETE", &one, "").await.0, 404);

    assert_eq!(
        sink.call("DELETE", "/api/v1/messages", "").await,
        (200, String::new())
    );
    assert_eq!(sink.call("GET", "/api/v2/jim", "").await.0, 404);
    let jim =
        json!({"RejectSenderChance": 1.0, "RejectRecipientChance": 0.0, "RejectAuthChance": 0.0});
    assert_eq!(
        sink.call("POST", "/api/v2/jim", &jim.to_string()).await.0,
        201
    );
    assert_eq!(sink.call("POST", "/api/v2/jim", "").await.0, 400);
    assert_eq!(sink.json("/api/v2/jim").await["RejectSenderChance"], 1.0);
    assert!(
        sink.send_smtp(mail("ann@example.com", SIMPLE))
            .await
            .contains("\r\n550 ")
    );
    assert_eq!(sink.call("DELETE", "/api/v2/jim", "").await.0, 200);
    assert_eq!(sink.call("PUT", "/api/v2/jim", "").await.0, 404);
    sink.end().await;
}
