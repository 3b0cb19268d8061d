//! From the use cases and the pages to a server.

use std::future::Future;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::malformed::answer_instead;
use super::metrics::PrometheusMetrics;
use super::movies::KeptList;
use super::pages::Pages;
use super::{Http, HttpOptions, Shared, openapi, routes};
use crate::app::App;
use crate::net::http1;

/// Serves until `shutdown` resolves; then accepts nothing more, closes idle connections, and lets requests in flight
/// end within [`HttpOptions::grace`].
pub async fn serve(
    listener: TcpListener,
    app: App,
    metrics: Arc<PrometheusMetrics>,
    pages: Pages,
    options: HttpOptions,
    shutdown: impl Future<Output = ()>,
) {
    let options = Arc::new(options);
    let router = routes(Http(Arc::new(Shared {
        movies: KeptList::default(),
        openapi: openapi::document(app.password_policy()),
        app,
        metrics,
        pages,
        options: Arc::clone(&options),
    })));
    http1::serve(listener, router, options.of_connections(), shutdown).await;
}

impl HttpOptions {
    /// The part of the options that is about connections.
    pub(super) fn of_connections(&self) -> http1::Options {
        http1::Options {
            max_connections: self.max_connections,
            trusted_proxies: self.trusted_proxies.clone(),
            header_timeout: self.header_timeout,
            write_timeout: self.write_timeout,
            grace: self.grace,
            replace_answer: Some(answer_instead),
            ..http1::Options::default()
        }
    }
}
