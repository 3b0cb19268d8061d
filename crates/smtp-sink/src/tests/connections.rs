//! Limit of the connections of the web port.

use futures_util::StreamExt as _;

use super::*;

const LIVEZ: &str = "GET /livez HTTP/1.1\nHost: localhost";

#[tokio::test(flavor = "multi_thread")]
async fn half_open_requests_give_way_to_new_clients() {
    let sink = start(|settings| settings.max_web_connections = 1).await;
    for request in [
        "",
        "GET / HTTP/1.1\r\nX-Drip: ",
        "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /api/v1/send HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
    ] {
        let web = sink.web;
        let open = move || {
            let mut held = TcpStream::connect(web).unwrap();
            held.write_all(request.as_bytes()).unwrap();
            held
        };
        let held = spawn_blocking(open).await.unwrap();
        assert_eq!(sink.send_http(LIVEZ).await.0, 200, "{request:?}");
        drop(held);
    }
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn websockets_give_way_to_new_clients_if_no_other_connection_can() {
    let sink = start(|settings| settings.max_web_connections = 2).await;
    let url = format!("ws://{}/api/events", sink.web);
    let (mut older, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    let (mut newer, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    assert_eq!(sink.send_http(LIVEZ).await.0, 200);
    while let Some(Ok(_)) = older.next().await {}
    // The other websocket still receives events.
    sink.send_smtp(mail("ann@example.com", SIMPLE)).await;
    loop {
        let frame = newer.next().await.unwrap().unwrap();
        if frame.to_text().is_ok_and(|text| text.contains("\"new\"")) {
            break;
        }
    }
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_wait_for_a_message_give_way_to_new_ones_after_a_while() {
    let sink = start(|settings| settings.max_web_connections = 1).await;
    // The handler does not read the body.
    for body in ["", "Content-Length: 10\r\n"] {
        let web = sink.web;
        let wait = move || {
            let mut held = TcpStream::connect(web).unwrap();
            write!(
                held,
                "GET /api/movie-bag/wait?timeout=1h HTTP/1.1\r\nHost: localhost\r\n{body}\r\n"
            )
            .unwrap();
            held
        };
        let held = spawn_blocking(wait).await.unwrap();
        assert_eq!(sink.send_http(LIVEZ).await.0, 200);
        drop(held);
    }
    sink.end().await;
}
