//! Routes and layers of the API and the pages.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use movie_bag_core::app::App;

use super::error::ApiError;
use super::metrics::PrometheusMetrics;
use super::options::HttpOptions;
use super::page_templates::Pages;
use super::state::HttpState;
use super::{access_log, auth, body, cors, health, movies, openapi, pages, panics_and_timeouts};

/// Routes of the JSON API. `openapi/operations.rs` describes them.
pub(super) fn api_routes() -> [(&'static str, MethodRouter<HttpState>); 9] {
    [
        ("/api/auth/signup", post(auth::sign_up)),
        ("/api/auth/login", post(auth::log_in)),
        ("/api/auth/forgot", post(auth::forgot)),
        ("/api/auth/reset", post(auth::reset)),
        ("/api/movies", get(movies::list).post(movies::add)),
        (
            "/api/movies/{id}",
            get(movies::show).put(movies::change).delete(movies::delete),
        ),
        ("/healthz", get(health::alive)),
        ("/readyz", get(health::ready)),
        ("/openapi.json", get(openapi::describe)),
    ]
}

/// Routes that belong to the pages and return no page.
fn asset_routes() -> [(&'static str, MethodRouter<HttpState>); 2] {
    [
        ("/assets/{name}", get(pages::asset)),
        ("/.well-known/change-password", get(pages::change_password)),
    ]
}

/// Routes that return pages.
fn page_routes() -> [(&'static str, MethodRouter<HttpState>); 5] {
    [
        ("/", get(pages::home)),
        (
            pages::FORGOT,
            get(pages::forgot_form).post(pages::forgot_submitted),
        ),
        ("/reset", get(pages::cut_off_link)),
        ("/reset/", get(pages::cut_off_link)),
        (
            "/reset/{token}",
            get(pages::reset_form).post(pages::reset_submitted),
        ),
    ]
}

/// Returns the paths of all routes, which are the labels of the request counters.
pub fn paths() -> Vec<&'static str> {
    let all = api_routes()
        .into_iter()
        .chain(asset_routes())
        .chain(page_routes());
    all.map(|(path, _)| path).collect()
}

fn build_router(
    routes: impl IntoIterator<Item = (&'static str, MethodRouter<HttpState>)>,
) -> Router<HttpState> {
    routes
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| {
            router.route(path, methods)
        })
}

/// Returns the router of the API and the pages with all layers. The caller serves it within the limits of [`HttpOptions`].
pub fn router(
    app: App,
    metrics: Arc<PrometheusMetrics>,
    pages: Pages,
    options: HttpOptions,
) -> Router {
    let openapi = openapi::document(app.password_policy());
    let http = HttpState::new(app, metrics, pages, options, openapi);
    let api_router = build_router(api_routes().into_iter().chain(asset_routes()))
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .fallback(pages::not_found);
    let page_router = build_router(page_routes())
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed);
    add_limits(api_router, &http)
        .merge(
            add_limits(page_router, &http)
                .layer(from_fn_with_state(http.clone(), pages::errors_as_pages)),
        )
        .layer(from_fn_with_state(http.clone(), cors::handle_cross_origin))
        .layer(from_fn_with_state(
            Arc::clone(&http.metrics),
            access_log::log_request,
        ))
        .with_state(http)
}

/// Adds the layers that limit the size of the body and the time of the handler. The layer that is added last runs first.
fn add_limits(router: Router<HttpState>, http: &HttpState) -> Router<HttpState> {
    router
        .layer(from_fn_with_state(http.clone(), body::read_to_end))
        .layer(from_fn_with_state(
            http.clone(),
            panics_and_timeouts::handle_failures,
        ))
}
