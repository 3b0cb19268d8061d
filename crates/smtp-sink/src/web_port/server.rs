//! HTTP server of the web port.

use std::io;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::net::http1;
use crate::supervision::Abandoned;

/// Maximum size of the head of a request. It contains searches, and every connection may hold this much.
const MAX_HEAD: usize = 64 * 1024;

/// Maximum time for the head of a request, and for an idle connection. It is long because clients of test suites keep their
/// connections open.
const HEADER_TIMEOUT: Duration = Duration::from_secs(60);

/// Time after which a client that waits for a message may be disconnected for a new client if no connection is free.
const MAX_RESPONSE_TIME: Duration = Duration::from_secs(10);

/// Threads that derive content from messages. Each holds the derived content of one message, and the allocator keeps the
/// memory that a thread has used once.
const MAX_BLOCKING_THREADS: usize = 2;

/// Time at the stop for requests in progress.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// Serves the router until it is stopped or abandoned, on a runtime of its own on the calling thread, so that no request delays an
/// SMTP session.
pub(crate) fn serve(
    listener: std::net::TcpListener,
    router: Router,
    max_connections: usize,
    mut stopped: watch::Receiver<bool>,
    abandoned: Abandoned,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MAX_BLOCKING_THREADS)
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        let options = http1::Options {
            max_connections,
            max_head: MAX_HEAD,
            header_timeout: HEADER_TIMEOUT,
            longest_answer: Some(MAX_RESPONSE_TIME),
            grace: SHUTDOWN_GRACE,
            // A client that closed its side no longer waits for a message.
            half_close: false,
            ..http1::Options::default()
        };
        let stop = async move { drop(stopped.wait_for(|stop| *stop).await) };
        tokio::select! {
            () = http1::serve(listener, router, options, stop) => {}
            () = abandoned.wait() => {}
        }
        io::Result::Ok(())
    })?;
    // Does not wait for searches whose clients have disconnected.
    runtime.shutdown_background();
    Ok(())
}
