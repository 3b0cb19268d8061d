//! `/api/v1/chaos`.

use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn chaos_refuses_the_configured_commands() {
    let sink = start(|_| {}).await;
    let disabled = json!({
        "Sender": {"ErrorCode": 451, "Probability": 0},
        "Recipient": {"ErrorCode": 451, "Probability": 0},
        "Authentication": {"ErrorCode": 451, "Probability": 0},
    });
    assert_eq!(sink.json("/api/v1/chaos").await, disabled);
    let body = json!({"Recipient": {"ErrorCode": 550, "Probability": 100}}).to_string();
    let (status, response) = sink.call("PUT", "/api/v1/chaos", &body).await;
    assert_eq!(status, 200);
    let mut enabled = disabled.clone();
    enabled["Recipient"] = json!({"ErrorCode": 550, "Probability": 100});
    assert_eq!(serde_json::from_str::<Value>(&response).unwrap(), enabled);
    let replies = sink.send_smtp(mail("ann@example.com", SIMPLE)).await;
    assert!(
        replies.contains("\r\n550 ") && replies.contains("\r\n503 "),
        "{replies}"
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
    assert_eq!(sink.json("/api/v1/chaos").await, disabled);
    assert!(
        sink.send_smtp(mail("ann@example.com", SIMPLE))
            .await
            .contains("OK: stored")
    );
    sink.end().await;
}
