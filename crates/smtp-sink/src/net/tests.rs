//! Promises of the HTTP server to clients that are slow, over real sockets. Each fails without the part of the server that keeps it;
//! without a limit of the server, the test waits until [`DEADLINE`].

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::routing::post;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::http1::{self, Options};

/// Longer than every limit of the server, on any machine.
const DEADLINE: Duration = Duration::from_secs(120);

/// Starts a server and connects to it. The server stops when the sender is dropped.
async fn connect(options: Options) -> (TcpStream, oneshot::Sender<()>, JoinHandle<()>) {
    let router = Router::new()
        .route(
            "/read",
            post(async |body: Result<Bytes, _>| match body {
                Ok(_) => StatusCode::OK,
                Err::<_, axum::extract::rejection::BytesRejection>(_) => StatusCode::BAD_REQUEST,
            }),
        )
        .route("/refuse", post(async |_: Request| StatusCode::FORBIDDEN));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(http1::serve(listener, router, options, async {
        let _ = stopped.await;
    }));
    (TcpStream::connect(address).await.unwrap(), stop, running)
}

async fn status(stream: &mut TcpStream) -> String {
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\n") {
        let read = timeout(DEADLINE, stream.read_buf(&mut response)).await;
        assert!(read.unwrap().unwrap() > 0, "{response:?}");
    }
    String::from_utf8(response[9..12].to_vec()).unwrap()
}

/// Sends until the server closes the connection. Returns the number of bytes that were sent.
async fn flood(stream: &mut TcpStream) -> usize {
    let mut sent = 0;
    let flood = async {
        while let Ok(written) = stream.write(&[b'x'; 16 * 1024]).await {
            sent += written;
        }
    };
    timeout(DEADLINE, flood).await.unwrap();
    sent
}

#[tokio::test]
async fn a_body_that_stops_arriving_is_refused_and_the_connection_closed() {
    let (mut stream, _stop, _) = connect(Options {
        body_timeout: Duration::from_millis(50),
        ..Options::default()
    })
    .await;
    let head = b"POST /read HTTP/1.1\r\ncontent-length: 10\r\n\r\n{";
    stream.write_all(head).await.unwrap();
    assert_eq!(status(&mut stream).await, "400");
    let end = timeout(DEADLINE, stream.read(&mut [0])).await;
    assert_eq!(end.unwrap().unwrap(), 0);
}

/// Closing a socket with unread bytes resets the connection, and the reset discards the response on its way.
#[tokio::test]
async fn a_client_receives_the_refusal_of_a_body_that_it_is_still_sending() {
    let (mut stream, _stop, _) = connect(Options::default()).await;
    let head = b"POST /refuse HTTP/1.1\r\ncontent-length: 900000\r\n\r\n";
    stream.write_all(head).await.unwrap();
    stream.write_all(&[b'x'; 100_000]).await.unwrap();
    // The response has arrived when more bytes follow.
    stream.readable().await.unwrap();
    stream.write_all(&[b'x'; 700_000]).await.unwrap();
    assert_eq!(status(&mut stream).await, "403");
}

#[tokio::test]
async fn a_client_that_sends_without_end_after_the_refusal_is_disconnected() {
    let (mut stream, _stop, _) = connect(Options::default()).await;
    let head = b"POST /refuse HTTP/1.1\r\ncontent-length: 900000000000\r\n\r\n";
    stream.write_all(head).await.unwrap();
    // At most the limit and the buffers of both sockets.
    let sent = flood(&mut stream).await;
    assert!(sent < 64 * 1024 * 1024, "{sent}");
}

#[tokio::test]
async fn a_client_that_does_not_close_after_the_refusal_does_not_keep_the_connection() {
    let (mut stream, stop, running) = connect(Options {
        grace: 2 * DEADLINE,
        ..Options::default()
    })
    .await;
    let head = b"POST /refuse HTTP/1.1\r\ncontent-length: 900000\r\n\r\n";
    stream.write_all(head).await.unwrap();
    stream.write_all(&[b'x'; 100_000]).await.unwrap();
    assert_eq!(status(&mut stream).await, "403");
    drop(stop);
    timeout(DEADLINE, running).await.unwrap().unwrap();
}
