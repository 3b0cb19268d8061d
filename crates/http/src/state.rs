//! State that all handlers share.

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use movie_bag_core::app::App;

use super::metrics::PrometheusMetrics;
use super::movie_list_cache::MovieListCache;
use super::options::HttpOptions;
use super::page_templates::Pages;

/// State of the handlers. It is cheap to clone, because each request clones it several times.
#[derive(Clone)]
pub(super) struct HttpState(Arc<SharedState>);

impl HttpState {
    pub(super) fn new(
        app: App,
        metrics: Arc<PrometheusMetrics>,
        pages: Pages,
        options: HttpOptions,
        openapi: Bytes,
    ) -> Self {
        Self(Arc::new(SharedState {
            movies: MovieListCache::default(),
            openapi,
            app,
            metrics,
            pages,
            options: Arc::new(options),
        }))
    }
}

/// Data shared by all handlers.
pub(super) struct SharedState {
    pub(super) app: App,
    /// Counters, for the access log.
    pub(super) metrics: Arc<PrometheusMetrics>,
    pub(super) pages: Pages,
    pub(super) options: Arc<HttpOptions>,
    /// Serialized OpenAPI document.
    pub(super) openapi: Bytes,
    pub(super) movies: MovieListCache,
}

impl Deref for HttpState {
    type Target = SharedState;

    fn deref(&self) -> &SharedState {
        &self.0
    }
}
