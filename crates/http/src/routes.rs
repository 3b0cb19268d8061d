//! Routers of the server, from the use cases and the pages. The caller serves them within the limits of [`HttpOptions`].

use std::sync::Arc;

use axum::Router;

use super::metrics::PrometheusMetrics;
use super::movies::MovieListCache;
use super::pages::Pages;
use super::{Http, HttpOptions, Shared, openapi, routes};
use movie_bag_core::app::App;

/// Returns the router of the API and the pages.
pub fn router(
    app: App,
    metrics: Arc<PrometheusMetrics>,
    pages: Pages,
    options: HttpOptions,
) -> Router {
    routes(Http(Arc::new(Shared {
        movies: MovieListCache::default(),
        openapi: openapi::document(app.password_policy()),
        app,
        metrics,
        pages,
        options: Arc::new(options),
    })))
}
