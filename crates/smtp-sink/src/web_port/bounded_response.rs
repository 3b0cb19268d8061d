//! Responses with limits: memory of one response, memory of all responses, and time that a client may take to read one.
//!
//! A response reserves memory before it is computed and releases it after the client has received all of it, so responses that
//! do not fit wait. A list is serialized one item at a time while the client reads. A response about one message is computed at
//! once and sent in chunks.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

use super::background::run_blocking;
use super::responses::{bad_request, internal_error};
use crate::received::ReceivedMessage;

/// Memory for all responses in progress, in units of [`UNIT`]: 32 MiB. It is not included in `--max-memory`.
const MEMORY: u32 = 32 * 1024;

/// Size of a unit of memory, in bytes.
const UNIT: usize = 1024;

/// Memory reserved for a list: two chunks, the sequence numbers of its messages, an item, and the state of the compression.
pub(super) const LIST_MEMORY: usize = 1024 * 1024;

/// Memory reserved for each byte of a message while a response about it is computed: its decoded text, the JSON of that text, in
/// which a control character takes six bytes, and vectors with twice the required capacity.
const MEMORY_FACTOR: usize = 16;

/// Size of a chunk of a response, in bytes.
const CHUNK: usize = 64 * 1024;

/// Maximum time for a client to receive one chunk. A slower client is disconnected to release its memory.
const CHUNK_TIMEOUT: Duration = Duration::from_secs(30);

/// Maximum time for a client to receive one chunk while other responses wait for memory.
const CONTENDED_CHUNK_TIMEOUT: Duration = Duration::from_secs(1);

/// Memory for the responses in progress.
#[derive(Debug, Clone)]
pub(super) struct ResponseMemory {
    memory: Arc<Semaphore>,
    /// Number of responses that wait for memory.
    waiting: Arc<AtomicUsize>,
    chunk_timeout: Duration,
}

/// Memory reserved for one response.
#[derive(Debug)]
pub(super) struct Reservation {
    permit: Option<OwnedSemaphorePermit>,
    client_timeout: ClientTimeout,
}

/// Limit of the time that a response waits for its client.
#[derive(Debug, Clone)]
struct ClientTimeout {
    chunk_timeout: Duration,
    waiting: Arc<AtomicUsize>,
}

impl ClientTimeout {
    /// Waits for a client, for a shorter time while other responses wait for memory. Returns `None` on timeout.
    async fn wait_for<T>(&self, client: impl Future<Output = T>) -> Option<T> {
        let mut client = std::pin::pin!(client);
        let step = CONTENDED_CHUNK_TIMEOUT.min(self.chunk_timeout);
        let mut waited = Duration::ZERO;
        loop {
            match timeout(step, &mut client).await {
                Ok(done) => return Some(done),
                Err(_) => waited += step,
            }
            if waited >= self.chunk_timeout || self.waiting.load(Ordering::Relaxed) > 0 {
                return None;
            }
        }
    }
}

/// Counts a response as waiting for memory until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn start(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for ResponseMemory {
    fn default() -> ResponseMemory {
        ResponseMemory {
            memory: Arc::new(Semaphore::new(MEMORY as usize)),
            waiting: Arc::default(),
            chunk_timeout: CHUNK_TIMEOUT,
        }
    }
}

impl ResponseMemory {
    /// Reserves memory as soon as it is free. A response that needs more than the total waits until it is the only one.
    pub(super) async fn reserve(&self, bytes: usize) -> Reservation {
        let units = u32::try_from(bytes.div_ceil(UNIT))
            .unwrap_or(MEMORY)
            .min(MEMORY);
        let permit = match Arc::clone(&self.memory).try_acquire_many_owned(units) {
            Ok(permit) => Some(permit),
            Err(_) => {
                let _waiting = Waiting::start(&self.waiting);
                let permit = Arc::clone(&self.memory).acquire_many_owned(units).await;
                // The semaphore is never closed.
                permit.ok()
            }
        };
        Reservation {
            permit,
            client_timeout: ClientTimeout {
                chunk_timeout: self.chunk_timeout,
                waiting: Arc::clone(&self.waiting),
            },
        }
    }

    /// Reserves the memory for a response about one message.
    pub(super) async fn reserve_for(&self, message: &ReceivedMessage) -> Reservation {
        let size = usize::try_from(message.weight()).unwrap_or(usize::MAX);
        self.reserve(size.saturating_mul(MEMORY_FACTOR)).await
    }
}

impl Reservation {
    /// Returns a body that keeps the reservation, and the owner of the bytes, until the client has received the bytes. A short
    /// body is copied and releases both at once: it fits into the buffer of its connection.
    pub(super) fn hold(self, bytes: Bytes, owner: impl Send + 'static) -> Body {
        if bytes.len() <= CHUNK {
            return Body::from(Bytes::copy_from_slice(&bytes));
        }
        let (chunks, body) = channel();
        tokio::spawn(async move {
            let reservation = self;
            let _ = send(&chunks, &bytes, &reservation.client_timeout).await;
            drop(owner);
        });
        body
    }

    /// Releases all memory except the given number of bytes.
    fn shrink(&mut self, bytes: usize) {
        if let Some(permit) = &mut self.permit {
            let rest = permit.num_permits().saturating_sub(bytes.div_ceil(UNIT));
            drop(permit.split(rest));
        }
    }
}

/// Serializer that produces a body piece by piece.
pub(super) trait Pieces: Send + 'static {
    /// Memory held while the client reads, in bytes.
    const HELD_MEMORY: usize = 4 * CHUNK;

    /// Appends the next piece, of at most about the size of a chunk. Returns whether there are more pieces.
    fn append_next(&mut self, body: &mut Vec<u8>) -> bool;
}

/// Returns a JSON response that is serialized while the client reads it.
pub(super) async fn stream_json<P: Pieces>(mut reservation: Reservation, pieces: P) -> Response {
    match next_chunk(pieces).await {
        // Most responses are short.
        Ok((chunk, None)) => {
            reservation.shrink(chunk.len());
            json_response(reservation.hold(Bytes::from(chunk), ()))
        }
        Ok((chunk, Some(pieces))) => {
            // The memory to serialize a chunk is not counted: the number of threads limits it.
            reservation.shrink(P::HELD_MEMORY);
            let (chunks, body) = channel();
            tokio::spawn(async move {
                // Moves the whole reservation into this task, not only the field that is used.
                let reservation = reservation;
                let mut next = (chunk, Some(pieces));
                while send(&chunks, &next.0, &reservation.client_timeout)
                    .await
                    .is_ok()
                    && let Some(pieces) = next.1
                {
                    match next_chunk(pieces).await {
                        Ok(more) => next = more,
                        // The response must not appear complete.
                        Err(_) => {
                            let _ = chunks.send(Err(io::ErrorKind::Other.into())).await;
                            return;
                        }
                    }
                }
            });
            json_response(body)
        }
        Err(failure) => failure,
    }
}

/// Returns a JSON response about one message, or 400 with the reason if there is none.
pub(super) async fn respond_with_json(
    mut reservation: Reservation,
    compute: impl FnOnce() -> Result<Vec<u8>, &'static str> + Send + 'static,
) -> Response {
    match run_blocking(compute).await {
        Ok(Ok(mut json)) => {
            json.shrink_to_fit();
            reservation.shrink(json.len());
            json_response(reservation.hold(Bytes::from(json), ()))
        }
        Ok(Err(reason)) => bad_request(reason),
        Err(failure) => failure,
    }
}

/// Keeps the reservation of a complete response until the client has received it.
pub(super) async fn hold_response(response: Response, mut reservation: Reservation) -> Response {
    let (mut parts, body) = response.into_parts();
    match to_bytes(body, usize::MAX).await {
        Ok(body) => {
            reservation.shrink(body.len());
            parts
                .headers
                .insert(header::CONTENT_LENGTH, body.len().into());
            Response::from_parts(parts, reservation.hold(body, ()))
        }
        Err(error) => {
            tracing::error!(%error, "cannot read an answer");
            internal_error()
        }
    }
}

fn json_response(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Serializes a value.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut json = Vec::new();
    append_json(&mut json, value);
    json
}

/// Appends the JSON of a value.
pub(super) fn append_json<T: Serialize + ?Sized>(body: &mut Vec<u8>, value: &T) {
    if let Err(error) = serde_json::to_writer(body, value) {
        // Unreachable: writing to a vector does not fail, and neither does serializing the types of the API.
        tracing::error!(%error, "cannot write an answer");
    }
}

type Chunk = Result<Bytes, io::Error>;

fn channel() -> (mpsc::Sender<Chunk>, Body) {
    let (chunks, mut body) = mpsc::channel::<Chunk>(1);
    // Unlike other streams, this one may be polled after its end, which the compression layer does.
    let body = stream::poll_fn(move |context| body.poll_recv(context));
    (chunks, Body::from_stream(body))
}

/// Sends bytes to the client in chunks. Each chunk is a copy, so that a chunk in the buffer of a connection does not keep the
/// whole response alive. Returns an error if the client has disconnected, or is too slow and is being disconnected.
async fn send(
    chunks: &mpsc::Sender<Chunk>,
    bytes: &[u8],
    client_timeout: &ClientTimeout,
) -> Result<(), ()> {
    for chunk in bytes.chunks(CHUNK) {
        let sent = chunks.send(Ok(Bytes::copy_from_slice(chunk)));
        match client_timeout.wait_for(sent).await {
            Some(Ok(())) => {}
            Some(Err(_)) => return Err(()),
            None => {
                // The channel still holds one chunk. The error after it closes the connection.
                let chunks = chunks.clone();
                tokio::spawn(async move {
                    let _ = chunks.send(Err(io::ErrorKind::TimedOut.into())).await;
                });
                return Err(());
            }
        }
    }
    Ok(())
}

/// Serializes the next chunk on a blocking thread. Returns the serializer if there are more chunks.
async fn next_chunk<P: Pieces>(mut pieces: P) -> Result<(Vec<u8>, Option<P>), Response> {
    run_blocking(move || {
        let mut chunk = Vec::new();
        while chunk.len() < CHUNK {
            if !pieces.append_next(&mut chunk) {
                return (chunk, None);
            }
        }
        (chunk, Some(pieces))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Lines(usize);

    impl Pieces for Lines {
        fn append_next(&mut self, body: &mut Vec<u8>) -> bool {
            body.extend_from_slice(&[b'x'; 1000]);
            self.0 -= 1;
            self.0 > 0
        }
    }

    async fn read_size(response: Response) -> usize {
        to_bytes(response.into_body(), usize::MAX)
            .await
            .unwrap()
            .len()
    }

    #[tokio::test]
    async fn a_response_is_complete_and_releases_its_memory() {
        let memory = ResponseMemory::default();
        for lines in [1, 65, 66, 67, 1000] {
            let response = stream_json(memory.reserve(LIST_MEMORY).await, Lines(lines)).await;
            assert_eq!(read_size(response).await, 1000 * lines);
        }
        let reservation = memory.reserve(usize::MAX).await;
        let large = Bytes::from(vec![b'x'; 1_000_000]);
        let response = hold_response(large.into_response(), reservation).await;
        assert_eq!(response.headers()[header::CONTENT_LENGTH], "1000000");
        assert_eq!(read_size(response).await, 1_000_000);
        drop(memory.reserve(usize::MAX).await);
    }

    #[tokio::test]
    async fn a_response_waits_until_there_is_memory_for_it() {
        let memory = ResponseMemory::default();
        let all = memory.reserve(usize::MAX).await;
        let waiting = timeout(Duration::ZERO, memory.reserve(1));
        assert!(waiting.await.is_err());
        let mut rest = all;
        rest.shrink(UNIT);
        drop(memory.reserve(UNIT).await);
        let waiting = timeout(Duration::ZERO, memory.reserve(usize::MAX));
        assert!(waiting.await.is_err());
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_disconnected_earlier_while_others_wait() {
        let memory = ResponseMemory::default();
        let large = vec![b'x'; 1_000_000];
        let all = memory.reserve(usize::MAX).await;
        let body = all.hold(Bytes::from(large), ());
        // Earlier than the timeout without contention.
        let waited = timeout(CHUNK_TIMEOUT / 2, memory.reserve(1)).await;
        assert!(waited.is_ok());
        assert!(to_bytes(body, usize::MAX).await.is_err());
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_disconnected_and_its_memory_released() {
        let memory = ResponseMemory {
            chunk_timeout: Duration::from_millis(1),
            ..ResponseMemory::default()
        };
        let response = stream_json(memory.reserve(LIST_MEMORY).await, Lines(10_000)).await;
        drop(memory.reserve(usize::MAX).await);
        let read = to_bytes(response.into_body(), usize::MAX).await;
        assert!(read.is_err(), "the response looks complete");
    }
}
