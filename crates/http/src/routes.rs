//! Routes and layers of the API and the pages.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{self, MethodRouter};
use movie_bag_core::app::App;

use super::error::ApiError;
use super::metrics::PrometheusMetrics;
use super::openapi::operation::{Operation, delete, get, post, put};
use super::options::HttpOptions;
use super::page_templates::Pages;
use super::state::HttpState;
use super::{
    access_log, account, account_email, auth, body, confirmation_pages, cors, health, movies,
    openapi, pages, panics_and_timeouts,
};

/// Operations of the JSON API.
pub(super) fn api_operations() -> [Operation; 20] {
    [
        post("/api/auth/signup", auth::sign_up, &auth::SIGN_UP),
        post(
            "/api/auth/confirm-signup",
            auth::confirm_sign_up,
            &auth::CONFIRM_SIGN_UP,
        ),
        post("/api/auth/login", auth::log_in, &auth::LOG_IN),
        post("/api/auth/forgot", auth::forgot, &auth::FORGOT),
        post("/api/auth/reset", auth::reset, &auth::RESET),
        get("/api/account", account::show, &account::SHOW),
        delete("/api/account", account::delete, &account::DELETE),
        post(
            "/api/account/password",
            account::change_password,
            &account::CHANGE_PASSWORD,
        ),
        post("/api/account/logout", account::log_out, &account::LOG_OUT),
        post(
            "/api/account/email",
            account_email::request,
            &account_email::REQUEST,
        ),
        post(
            "/api/auth/confirm-email",
            account_email::confirm,
            &account_email::CONFIRM,
        ),
        post(
            "/api/auth/revert-email",
            account_email::revert,
            &account_email::REVERT,
        ),
        get("/api/movies", movies::list, &movies::LIST),
        post("/api/movies", movies::add, &movies::ADD),
        get("/api/movies/{id}", movies::show, &movies::SHOW),
        put("/api/movies/{id}", movies::change, &movies::CHANGE),
        delete("/api/movies/{id}", movies::delete, &movies::DELETE),
        get("/healthz", health::alive, &health::ALIVE),
        get("/readyz", health::ready, &health::READY),
        get("/openapi.json", openapi::describe, &openapi::DESCRIBE),
    ]
}

/// Routes of the JSON API, one for each operation. The router merges those with the same path.
fn api_routes() -> impl Iterator<Item = (&'static str, MethodRouter<HttpState>)> {
    api_operations()
        .into_iter()
        .map(|operation| (operation.path, operation.route))
}

/// Routes that belong to the pages and return no page.
fn asset_routes() -> [(&'static str, MethodRouter<HttpState>); 2] {
    [
        ("/assets/{name}", routing::get(pages::asset)),
        (
            "/.well-known/change-password",
            routing::get(pages::change_password),
        ),
    ]
}

/// Routes that return pages.
fn page_routes() -> [(&'static str, MethodRouter<HttpState>); 9] {
    [
        ("/", routing::get(pages::home)),
        (
            pages::FORGOT,
            routing::get(pages::forgot_form).post(pages::forgot_submitted),
        ),
        ("/reset", routing::get(pages::cut_off_link)),
        ("/reset/", routing::get(pages::cut_off_link)),
        (
            "/reset/{token}",
            routing::get(pages::reset_form).post(pages::reset_submitted),
        ),
        (
            pages::SIGN_UP,
            routing::get(confirmation_pages::sign_up_form)
                .post(confirmation_pages::sign_up_submitted),
        ),
        (
            "/confirm-signup/{token}",
            routing::get(confirmation_pages::confirm_sign_up_form)
                .post(confirmation_pages::confirm_sign_up_submitted),
        ),
        (
            "/confirm-email/{token}",
            routing::get(confirmation_pages::confirm_address_form)
                .post(confirmation_pages::confirm_address_submitted),
        ),
        (
            "/revert-email/{token}",
            routing::get(confirmation_pages::revert_address_form)
                .post(confirmation_pages::revert_address_submitted),
        ),
    ]
}

/// Returns the paths of all routes, which are the labels of the request counters.
pub fn paths() -> Vec<&'static str> {
    let mut paths: Vec<_> = api_routes()
        .chain(asset_routes())
        .chain(page_routes())
        .map(|(path, _)| path)
        .collect();
    paths.dedup();
    paths
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
    let openapi = openapi::document(app.password_policy(), app.signup_mode());
    let http = HttpState::new(app, metrics, pages, options, openapi);
    let api_router = build_router(api_routes().chain(asset_routes()))
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
