//! The sockets: accepting, the cap on connections, time-outs, and a stop that lets requests in flight end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::connection::Connection;
use super::movies::KeptList;
use super::pages::Pages;
use super::{Http, HttpOptions, Shared, openapi, routes};
use crate::app::App;

/// The most that the head of a request may take; what comes over it is answered 431.
const LONGEST_HEAD: usize = 128 * 1024;
/// How long nothing is accepted once accepting has failed, mostly for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` resolves; then accepts nothing more, closes idle connections, and lets requests in flight
/// end within [`HttpOptions::grace`].
pub async fn serve(
    listener: TcpListener,
    app: App,
    pages: Pages,
    options: HttpOptions,
    shutdown: impl Future<Output = ()>,
) {
    let options = Arc::new(options);
    let router = routes(Http(Arc::new(Shared {
        movies: KeptList::default(),
        openapi: openapi::document(app.password_policy()),
        app,
        pages,
        options: Arc::clone(&options),
    })));
    serve_router(listener, router, options, shutdown).await;
}

pub(super) async fn serve_router(
    listener: TcpListener,
    router: Router,
    options: Arc<HttpOptions>,
    shutdown: impl Future<Output = ()>,
) {
    let slots = Arc::new(Semaphore::new(options.max_connections));
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        tokio::select! {
            () = &mut shutdown => break,
            (slot, accepted) = accepted => match accepted {
                Ok((stream, peer)) => {
                    let talk = talk(stream, peer, router.clone(), Arc::clone(&options), stopping.clone());
                    connections.spawn(async move {
                        let _slot = slot;
                        talk.await;
                    });
                }
                // A client that gave up while it waited is no reason to make the others wait.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    drop(listener);
    stop.send_replace(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(options.grace, drained).await.is_err() {
        tracing::warn!(
            cut_off = connections.len(),
            "stopped while requests were in flight"
        );
    }
}

/// One connection, from its first request to its last.
async fn talk(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    options: Arc<HttpOptions>,
    mut stopping: watch::Receiver<bool>,
) {
    // Answers are written whole; waiting for more to send with them only delays them.
    let _ = stream.set_nodelay(true);
    let service = Peer {
        inner: TowerToHyperService::new(router),
        peer,
    };
    let io = TokioIo::new(Connection::new(stream, options.write_timeout));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        // A client that has said all it will (`printf … | nc`) still waits for its answer.
        .half_close(true)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let told_to_stop = async { drop(stopping.wait_for(|stop| *stop).await) };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told_to_stop => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // The client's doing: it hung up, was too slow, or spoke something else.
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Tells the router who the peer is.
struct Peer {
    inner: TowerToHyperService<Router>,
    peer: SocketAddr,
}

impl Service<Request<Incoming>> for Peer {
    type Response = Response;
    type Error = Infallible;
    type Future = <TowerToHyperService<Router> as Service<Request<Body>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(ConnectInfo(self.peer));
        self.inner.call(request.map(Body::new))
    }
}
