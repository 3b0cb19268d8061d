//! Promises of the HTTP server to clients that are slow, over real sockets. Each fails without the part of the server that keeps it;
//! without a limit of the server, the test waits until [`DEADLINE`].

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::http1::{self, Options};

/// Size of a response that does not fit into the buffers of the sockets.
const LARGE: usize = 64 * 1024 * 1024;

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
        .route("/refuse", post(async |_: Request| StatusCode::FORBIDDEN))
        .route("/large", get(async || vec![b'x'; LARGE]));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(http1::serve(listener, router, options, async {
        let _ = stopped.await;
    }));
    (TcpStream::connect(address).await.unwrap(), stop, running)
}

/// Reads the head of a response, and returns its status.
async fn status(stream: &mut TcpStream) -> String {
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\n") {
        let byte = timeout(DEADLINE, stream.read_u8()).await;
        response.push(byte.unwrap().unwrap());
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

/// Requests a response that fills all buffers, and reads none of it. The server runs on the same thread, so it waits for the client
/// when the first bytes have arrived.
async fn request_without_reading(stream: &mut TcpStream) {
    stream
        .write_all(b"GET /large HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    stream.readable().await.unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_read_its_response_gives_way_to_a_new_one() {
    let (mut first, _stop, _) = connect(Options {
        max_connections: 1,
        write_timeout: 2 * DEADLINE,
        ..Options::default()
    })
    .await;
    request_without_reading(&mut first).await;
    let mut second = TcpStream::connect(first.peer_addr().unwrap())
        .await
        .unwrap();
    second
        .write_all(b"POST /refuse HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(status(&mut second).await, "403");
}

#[tokio::test]
async fn a_connection_is_idle_again_after_a_client_has_read_a_response_slowly() {
    let (mut stream, _stop, _) = connect(Options {
        malformed_response: Some(|_| Response::new("replaced".to_owned())),
        ..Options::default()
    })
    .await;
    request_without_reading(&mut stream).await;
    assert_eq!(status(&mut stream).await, "200");
    // Only the response to a malformed request on an idle connection is replaced.
    stream.write_all(b"malformed\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let read = timeout(DEADLINE, stream.read_to_end(&mut rest)).await;
    read.unwrap().unwrap();
    assert!(rest.ends_with(b"\r\n\r\nreplaced"));
}
