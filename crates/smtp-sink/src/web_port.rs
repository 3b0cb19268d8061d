//! Serves the web port of the sink.

use std::io;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::net::http1;
use super::supervision::Abandoned;

/// Maximum size of the head of a request. Searches are in it, and every connection may hold so much.
const MAX_HEAD: usize = 64 * 1024;

/// Time for the head of a request, and for which a connection may be idle: clients of test suites keep theirs.
const HEADER_TIMEOUT: Duration = Duration::from_secs(60);

/// Time after which a client that waits for a message may be dropped for a new one where no connection is free.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);

/// Threads that derive content from messages. Each holds what it derives of one message, and the allocator keeps for each the
/// memory that it once took.
const MAX_BLOCKING_THREADS: usize = 2;

/// Time at the end for HTTP requests in flight.
const LAST_REQUESTS: Duration = Duration::from_secs(3);

/// Serves the router until it is stopped or abandoned. It has a runtime of its own on the calling thread, so that no request holds up an
/// SMTP session.
pub(super) fn serve(
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
            longest_answer: Some(LONGEST_ANSWER),
            grace: LAST_REQUESTS,
            // A client that has gone does not wait for a message any more.
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
    // A search for a client that has gone is not waited for.
    runtime.shutdown_background();
    Ok(())
}
