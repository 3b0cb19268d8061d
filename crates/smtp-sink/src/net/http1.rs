//! HTTP/1 server: accepts connections, limits their number and their times, and completes requests in flight when it stops.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower_http::timeout::TimeoutBody;

use super::client_stream::ClientStream;
use super::slots::{Activity, Phase, Slot, Slots};

pub use super::options::{MalformedResponse, Options};

/// Pause after a failure to accept a connection. In most cases no file descriptor is free.
const PAUSE: Duration = Duration::from_millis(100);

/// Divisor of the header timeout of new connections while slots are scarce.
const SCARCE: u32 = 5;

/// Serves the router until `shutdown` resolves. Then accepts no further connections, closes idle ones, and completes requests in
/// flight within [`Options::grace`].
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: Options,
    shutdown: impl Future<Output = ()>,
) {
    let slots = Slots::new(options.max_connections)
        .with_heads_per_client(options.heads_per_client, options.trusted_proxies.clone());
    let options = Arc::new(options);
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let mut has_failed = false;
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        // Removes ended connections. The panic hook has logged their panics.
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                has_failed = false;
                let slot = tokio::select! {
                    () = &mut shutdown => break,
                    slot = slots.take(peer.ip(), Phase::Head, options.longest_answer) => slot,
                };
                let header_timeout = if slots.is_scarce() {
                    options.header_timeout / SCARCE
                } else {
                    options.header_timeout
                };
                let client = Client {
                    stream,
                    peer,
                    slot,
                    header_timeout,
                };
                let options = Arc::clone(&options);
                connections.spawn(client.serve(router.clone(), options, stopping.clone()));
            }
            // The client disconnected before it was accepted. Other clients must not wait for the pause.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                if !has_failed {
                    tracing::warn!(%error, "cannot accept a connection");
                }
                has_failed = true;
                // Frees file descriptors, which are missing in most cases.
                slots.evict(|phase, _| phase < Phase::Working);
                sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    stop.send_replace(true);
    let drained = async {
        while connections.join_next().await.is_some() {}
        // Upgraded connections end by themselves.
        slots.all_free().await;
    };
    if timeout(options.grace, drained).await.is_err() {
        tracing::warn!(
            cut_off = connections.len(),
            "stopped while requests were in flight"
        );
    }
}

/// Accepted connection.
struct Client {
    stream: TcpStream,
    peer: SocketAddr,
    slot: Slot,
    header_timeout: Duration,
}

impl Client {
    /// Serves the connection from its first request to its last.
    async fn serve(
        self,
        router: Router,
        options: Arc<Options>,
        mut stopping: watch::Receiver<bool>,
    ) {
        // Responses are written completely, so waiting for further bytes to send would only delay them.
        let _ = self.stream.set_nodelay(true);
        let (peer, activity) = (self.peer, Arc::clone(self.slot.activity()));
        let eviction = Arc::clone(&activity);
        let body_timeout = options.body_timeout;
        let router = TowerToHyperService::new(router);
        let service = service_fn(move |request: Request<Incoming>| {
            let activity = Arc::clone(&activity);
            let mut request = request.map(|body| request_body(body, &activity, body_timeout));
            request.extensions_mut().insert(ConnectInfo(peer));
            let answer = router.call(request);
            async move {
                let answer: Response = answer.await?;
                if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                    activity.enter(Phase::Stream);
                }
                Ok::<_, Infallible>(answer.map(|inner| AnswerBody { inner, activity }))
            }
        });
        let io = TokioIo::new(ClientStream::new(self.stream, self.slot, &options));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .half_close(options.half_close)
            .max_buf_size(options.max_head)
            .serve_connection(io, service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let stop_requested = async { drop(stopping.wait_for(|stop| *stop).await) };
        let serve_to_end = async {
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = stop_requested => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        };
        let ended = tokio::select! {
            ended = serve_to_end => ended,
            // hyper does not read while a handler leaves a body unread, so the stream alone would not detect the eviction.
            () = eviction.evicted() => return,
        };
        if let Err(error) = ended {
            // The client disconnected, was too slow, or used another protocol.
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

/// Returns the body of a request whose head is complete, and enters the next phase.
fn request_body(incoming: Incoming, activity: &Arc<Activity>, body_timeout: Duration) -> Body {
    if incoming.is_end_stream() {
        activity.enter(Phase::Working);
        return Body::empty();
    }
    activity.enter(Phase::Body);
    let body = RequestBody {
        incoming,
        activity: Arc::clone(activity),
    };
    Body::new(TimeoutBody::new(body_timeout, body))
}

/// Request body. The phase changes to [`Phase::Working`] when the body ends or is dropped.
struct RequestBody {
    incoming: Incoming,
    activity: Arc<Activity>,
}

impl RequestBody {
    fn end(&self) {
        self.activity.enter_from(&[Phase::Body], Phase::Working);
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        let has_ended = match &polled {
            Poll::Ready(Some(Ok(_))) => self.incoming.is_end_stream(),
            Poll::Ready(_) => true,
            Poll::Pending => false,
        };
        if has_ended {
            self.end();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.end();
    }
}

/// Response body. hyper drops it when all of it is in hyper's buffers.
struct AnswerBody {
    inner: Body,
    activity: Arc<Activity>,
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        let answering = [Phase::Working, Phase::Body, Phase::Answer];
        self.activity.enter_from(&answering, Phase::Answered);
    }
}
