//! Answers that are made piece by piece, within bounds: what one answer holds, what all of them hold, and how long a client may
//! keep them.
//!
//! An answer reserves memory before anything is derived for it and returns it once the client has all of the answer, so answers
//! that do not fit wait. A list makes one item after the other while the client reads; an answer about one message is made whole and
//! handed to the client in chunks.

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

use super::{bad_request, blocking, failed};
use crate::sink::inbox::ReceivedMessage;

/// Memory for all answers under way, in units of [`UNIT`]: 32 MiB. It is part of what the program takes beside `--max-memory`.
const MEMORY: u32 = 32 * 1024;

/// Bytes of one unit of memory.
const UNIT: usize = 1024;

/// Memory for a list: two chunks, the numbers of its messages, an item, and the state of the compression.
pub const LIST: usize = 1024 * 1024;

/// Memory that is taken for each byte of a message while an answer about it is made: its decoded text, the JSON of that, in which
/// a control character takes six bytes, and vectors with twice the capacity that they need.
const FACTOR: usize = 16;

/// Bytes that are handed to a client at once.
const CHUNK: usize = 64 * 1024;

/// Time a client may take for one chunk. One that takes longer is disconnected, since others wait for its memory.
const SLOWEST: Duration = Duration::from_secs(30);

/// Time a client may take for one chunk while others wait for memory.
const SLOWEST_OF_MANY: Duration = Duration::from_secs(1);

/// Memory for the answers under way.
#[derive(Debug, Clone)]
pub struct Answers {
    memory: Arc<Semaphore>,
    /// Number of answers that wait for memory.
    waiting: Arc<AtomicUsize>,
    slowest: Duration,
}

/// Memory that one answer holds.
#[derive(Debug)]
pub struct Reservation {
    permit: Option<OwnedSemaphorePermit>,
    patience: Patience,
}

/// How long an answer waits for its client.
#[derive(Debug, Clone)]
struct Patience {
    slowest: Duration,
    waiting: Arc<AtomicUsize>,
}

impl Patience {
    /// Waits for a client, for a shorter time while other answers wait for memory. `None` where it took too long.
    async fn wait_for<T>(&self, client: impl Future<Output = T>) -> Option<T> {
        let mut client = std::pin::pin!(client);
        let step = SLOWEST_OF_MANY.min(self.slowest);
        let mut waited = Duration::ZERO;
        loop {
            match timeout(step, &mut client).await {
                Ok(done) => return Some(done),
                Err(_) => waited += step,
            }
            if waited >= self.slowest || self.waiting.load(Ordering::Relaxed) > 0 {
                return None;
            }
        }
    }
}

/// One answer that waits for memory.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn among(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Answers {
    fn default() -> Answers {
        Answers {
            memory: Arc::new(Semaphore::new(MEMORY as usize)),
            waiting: Arc::default(),
            slowest: SLOWEST,
        }
    }
}

impl Answers {
    /// Reserves so many bytes, once they are free. An answer that takes more than there is waits until it is alone.
    pub async fn reserve(&self, bytes: usize) -> Reservation {
        let units = u32::try_from(bytes.div_ceil(UNIT))
            .unwrap_or(MEMORY)
            .min(MEMORY);
        let permit = match Arc::clone(&self.memory).try_acquire_many_owned(units) {
            Ok(permit) => Some(permit),
            Err(_) => {
                let _waiting = Waiting::among(&self.waiting);
                let permit = Arc::clone(&self.memory).acquire_many_owned(units).await;
                // The semaphore is never closed.
                permit.ok()
            }
        };
        Reservation {
            permit,
            patience: Patience {
                slowest: self.slowest,
                waiting: Arc::clone(&self.waiting),
            },
        }
    }

    /// Reserves what an answer about one message takes.
    pub async fn reserve_for(&self, message: &ReceivedMessage) -> Reservation {
        let size = usize::try_from(message.weight()).unwrap_or(usize::MAX);
        self.reserve(size.saturating_mul(FACTOR)).await
    }
}

impl Reservation {
    /// Makes a body of bytes that keeps the reservation, and what owns the bytes, until the client has them. A short one waits
    /// in the buffer of its connection.
    pub fn hold(self, bytes: Bytes, owner: impl Send + 'static) -> Body {
        if bytes.len() <= CHUNK {
            return Body::from(Bytes::copy_from_slice(&bytes));
        }
        let (chunks, body) = channel();
        tokio::spawn(async move {
            let reservation = self;
            let _ = send(&chunks, &bytes, &reservation.patience).await;
            drop(owner);
        });
        body
    }

    /// Returns all but so many bytes of it.
    fn shrink(&mut self, bytes: usize) {
        if let Some(permit) = &mut self.permit {
            let rest = permit.num_permits().saturating_sub(bytes.div_ceil(UNIT));
            drop(permit.split(rest));
        }
    }
}

/// Makes a body piece by piece.
pub trait Pieces: Send + 'static {
    /// Memory that the pieces hold while the client reads, in bytes.
    const HELD: usize = 4 * CHUNK;

    /// Appends one piece, of about a chunk at most. Returns whether there are more.
    fn add_to(&mut self, body: &mut Vec<u8>) -> bool;
}

/// Answers with a JSON document that is made while the client reads it.
pub async fn streamed<P: Pieces>(mut reservation: Reservation, pieces: P) -> Response {
    match next_chunk(pieces).await {
        // Most answers are short.
        Ok((chunk, None)) => {
            reservation.shrink(chunk.len());
            json_response(reservation.hold(Bytes::from(chunk), ()))
        }
        Ok((chunk, Some(pieces))) => {
            // What making a chunk takes beside it is bounded by the number of threads.
            reservation.shrink(P::HELD);
            let (chunks, body) = channel();
            tokio::spawn(async move {
                // All of it, not its field alone, belongs to this task.
                let reservation = reservation;
                let mut next = (chunk, Some(pieces));
                while send(&chunks, &next.0, &reservation.patience).await.is_ok()
                    && let Some(pieces) = next.1
                {
                    match next_chunk(pieces).await {
                        Ok(more) => next = more,
                        // The answer must not look whole.
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

/// Answers with a JSON document about one message, or with 400 and the reason why there is none.
pub async fn derived(
    mut reservation: Reservation,
    derive: impl FnOnce() -> Result<Vec<u8>, &'static str> + Send + 'static,
) -> Response {
    match blocking(derive).await {
        Ok(Ok(mut json)) => {
            json.shrink_to_fit();
            reservation.shrink(json.len());
            json_response(reservation.hold(Bytes::from(json), ()))
        }
        Ok(Err(why)) => bad_request(why),
        Err(failure) => failure,
    }
}

/// Keeps the reservation of a response that was made whole until the client has it.
pub async fn held_response(response: Response, mut reservation: Reservation) -> Response {
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
            failed()
        }
    }
}

fn json_response(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// The JSON of a value.
pub fn json<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut json = Vec::new();
    append_json(&mut json, value);
    json
}

/// Appends the JSON of a value.
pub fn append_json<T: Serialize + ?Sized>(body: &mut Vec<u8>, value: &T) {
    if let Err(error) = serde_json::to_writer(body, value) {
        // A vector takes everything, and no type here refuses to be written.
        tracing::error!(%error, "cannot write an answer");
    }
}

type Chunk = Result<Bytes, io::Error>;

fn channel() -> (mpsc::Sender<Chunk>, Body) {
    let (chunks, mut body) = mpsc::channel::<Chunk>(1);
    // It may be polled after its end, which the compression does.
    let body = stream::poll_fn(move |context| body.poll_recv(context));
    (chunks, Body::from_stream(body))
}

/// Hands bytes to the client, chunk by chunk. Each is a copy, so that a chunk in the buffer of a connection does not keep all of
/// the answer. An error says that the client is gone, or that it is too slow; then it is disconnected.
async fn send(chunks: &mpsc::Sender<Chunk>, bytes: &[u8], patience: &Patience) -> Result<(), ()> {
    for chunk in bytes.chunks(CHUNK) {
        let sent = chunks.send(Ok(Bytes::copy_from_slice(chunk)));
        match patience.wait_for(sent).await {
            Some(Ok(())) => {}
            Some(Err(_)) => return Err(()),
            None => {
                // The body has one chunk in its channel. The error behind it ends the connection.
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

/// Makes the next chunk where no session waits for it. Returns what makes the rest, if there is any.
async fn next_chunk<P: Pieces>(mut pieces: P) -> Result<(Vec<u8>, Option<P>), Response> {
    blocking(move || {
        let mut chunk = Vec::new();
        while chunk.len() < CHUNK {
            if !pieces.add_to(&mut chunk) {
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
        fn add_to(&mut self, body: &mut Vec<u8>) -> bool {
            body.extend_from_slice(&[b'x'; 1000]);
            self.0 -= 1;
            self.0 > 0
        }
    }

    async fn size_of(response: Response) -> usize {
        to_bytes(response.into_body(), usize::MAX)
            .await
            .unwrap()
            .len()
    }

    #[tokio::test]
    async fn an_answer_is_whole_and_returns_its_memory() {
        let answers = Answers::default();
        for lines in [1, 65, 66, 67, 1000] {
            let response = streamed(answers.reserve(LIST).await, Lines(lines)).await;
            assert_eq!(size_of(response).await, 1000 * lines);
        }
        let reservation = answers.reserve(usize::MAX).await;
        let large = Bytes::from(vec![b'x'; 1_000_000]);
        let response = held_response(large.into_response(), reservation).await;
        assert_eq!(response.headers()[header::CONTENT_LENGTH], "1000000");
        assert_eq!(size_of(response).await, 1_000_000);
        drop(answers.reserve(usize::MAX).await);
    }

    #[tokio::test]
    async fn an_answer_waits_until_there_is_memory_for_it() {
        let answers = Answers::default();
        let all = answers.reserve(usize::MAX).await;
        let waiting = timeout(Duration::ZERO, answers.reserve(1));
        assert!(waiting.await.is_err());
        let mut rest = all;
        rest.shrink(UNIT);
        drop(answers.reserve(UNIT).await);
        let waiting = timeout(Duration::ZERO, answers.reserve(usize::MAX));
        assert!(waiting.await.is_err());
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_has_less_time_while_others_wait() {
        let answers = Answers::default();
        let large = vec![b'x'; 1_000_000];
        let all = answers.reserve(usize::MAX).await;
        let body = all.hold(Bytes::from(large), ());
        // Long before the time that a client has alone.
        let waited = timeout(SLOWEST / 2, answers.reserve(1)).await;
        assert!(waited.is_ok());
        assert!(to_bytes(body, usize::MAX).await.is_err());
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_disconnected_and_its_memory_returned() {
        let answers = Answers {
            slowest: Duration::from_millis(1),
            ..Answers::default()
        };
        let response = streamed(answers.reserve(LIST).await, Lines(10_000)).await;
        drop(answers.reserve(usize::MAX).await);
        let read = to_bytes(response.into_body(), usize::MAX).await;
        assert!(read.is_err(), "it must not look whole");
    }
}
