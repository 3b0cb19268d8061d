//! `/api/v1/tags`.

use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_set_renamed_listed_and_removed() {
    let (sink, ids) = start_with_messages(&["one", "two"]).await;
    let ok = (200, "ok".to_owned());
    let set = json!({"IDs": [ids[0]], "Tags": ["b", "a c"]}).to_string();
    assert_eq!(sink.call("PUT", "/api/v1/tags", &set).await, ok);
    assert_eq!(sink.json("/api/v1/tags").await, json!(["a c", "b"]));
    assert_eq!(search_subjects(&sink, "tag:\"A c\"").await, ["one"]);
    assert_eq!(search_subjects(&sink, "!is:tagged").await, ["two"]);
    assert_eq!(
        sink.json("/api/v1/info").await["Tags"],
        json!({"a c": 1, "b": 1})
    );
    let renamed = sink
        .call("PUT", "/api/v1/tags/a%20c", "{\"Name\":\"new\"}")
        .await;
    assert_eq!(renamed, ok);
    // The messages of the errors are those of Mailpit, byte for byte.
    for (tag, name, refusal) in [
        ("b", " ", "invalid tag name:  "),
        ("b", "/!", "invalid tag name: /!"),
        ("unknown", "c", "tag not found: unknown"),
        ("b", "NEW", "tag already exists: NEW"),
    ] {
        let body = json!({"Name": name}).to_string();
        let response = sink
            .call("PUT", &format!("/api/v1/tags/{tag}"), &body)
            .await;
        assert_eq!(response, (400, refusal.to_owned()));
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
async fn tags_in_the_headers_or_the_address_of_a_message_are_listed_and_found() {
    let sink = start(|_| {}).await;
    let source = SIMPLE.replace("Subject:", "X-Tags: News, a/b\r\nSubject:");
    sink.send_smtp(mail("ann+plus@example.com", &source)).await;
    let expected = json!(["a b", "News", "plus"]);
    let list = sink.json("/api/v1/messages").await;
    assert_eq!(list["messages"][0]["Tags"], expected);
    assert_eq!(list["tags"], expected);
    assert_eq!(search_subjects(&sink, "tag:plus tag:news").await.len(), 1);
    let letter = json!({
        "From": {"Email": "from@example.com"}, "To": [{"Email": "ann+two@example.com"}], "Tags": ["one"],
    });
    sink.call("POST", "/api/v1/send", &letter.to_string()).await;
    let sent = sink.json("/api/v1/message/latest").await;
    assert_eq!(sent["Tags"], json!(["one", "two"]));
    sink.end().await;
}
