//! `/api/v1/search`, and searches in other calls of the API.

use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn messages_found_by_a_search_can_be_listed_marked_and_deleted() {
    let (sink, ids) = start_with_messages(&["one fish", "two fish", "red Wal"]).await;
    assert_eq!(
        search_subjects(&sink, "subject:fish").await,
        ["two fish", "one fish"]
    );
    assert_eq!(
        search_subjects(&sink, "subject:\"one fish\" to:ann").await,
        ["one fish"]
    );
    assert_eq!(search_subjects(&sink, "-fish wal").await, ["red Wal"]);
    assert_eq!(search_subjects(&sink, "hello").await.len(), 3);
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
        let response = sink
            .call("GET", &format!("/api/v1/search{query}"), "")
            .await;
        assert_eq!(response, (400, "Error: no search query".to_owned()));
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
    let invalid = (400, refusal.to_owned());
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
        let response = sink.call(method, path, body).await;
        assert_eq!(response, invalid, "{method} {path}");
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
    assert_eq!(search_subjects(&sink, "is:unread").await, ["red Wal"]);
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_include_only_messages_before_the_given_date() {
    let sink = start(|_| {}).await;
    // The time of the clock is 10:11:12 on the 23rd.
    sink.send_smtp(mail("ann@example.com", SIMPLE)).await;
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
