//! `/api/events`.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message as Frame;

use super::*;
use crate::inbox::tests::received;

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_client_receives_the_events_of_the_inbox() {
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
    sink.send_smtp(mail("ann@example.com", SIMPLE)).await;
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
    // Frames from the client are ignored.
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
    let (inbox, is_notified) = (Arc::clone(&sink.inbox), Arc::new(AtomicBool::new(false)));
    let stop = Arc::clone(&is_notified);
    // Produces events until they exceed the queue of the client.
    let storing = spawn_blocking(move || {
        let stored = received(SIMPLE.as_bytes(), "from@example.com", &["ann@example.com"]);
        while !stop.load(Ordering::Relaxed) {
            let own = inbox.store_own(stored.clone(), Vec::new(), Timestamp::UNIX_EPOCH);
            own.unwrap();
        }
    });
    let pruned = async {
        loop {
            let Frame::Text(text) = socket.next().await.unwrap().unwrap() else {
                continue;
            };
            if text.contains("\"prune\"") {
                return text;
            }
        }
    };
    let pruned = tokio::time::timeout(Duration::from_secs(300), pruned).await;
    is_notified.store(true, Ordering::Relaxed);
    storing.await.unwrap();
    assert_eq!(pruned.unwrap().as_str(), r#"{"Type":"prune","Data":null}"#);
    sink.end().await;
}
