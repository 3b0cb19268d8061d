//! Templates of the pages. They are compiled in and cannot be overridden.

use std::sync::LazyLock;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tera::{Context, Tera};

/// Error for a page that cannot be rendered. It is a defect, since the tests render all pages.
#[derive(Debug, thiserror::Error)]
#[error("template inbox/{name}: {problem}")]
pub(super) struct TemplateError {
    name: &'static str,
    problem: String,
}

impl IntoResponse for TemplateError {
    fn into_response(self) -> Response {
        tracing::error!(error = %self, "cannot render a page of the inbox");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

macro_rules! inbox_templates {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../../templates/", $name)))),+]
    };
}

/// Compiled at the first request of a page, so that a sink without readers starts faster.
static ENGINE: LazyLock<Result<Tera, String>> = LazyLock::new(|| {
    let mut engine = Tera::default();
    engine
        .add_raw_templates(inbox_templates!(
            "page.html",
            "list.html",
            "message.html",
            "question.html",
            "welcome.html",
            "icon.svg",
        ))
        .map_err(|error| error.to_string())?;
    Ok(engine)
});

/// Renders `inbox/NAME` with these values, which are escaped in HTML.
pub(super) fn render(name: &'static str, values: &impl Serialize) -> Result<String, TemplateError> {
    let failed = |problem: String| TemplateError { name, problem };
    let engine = ENGINE.as_ref().map_err(|error| failed(error.clone()))?;
    let context = Context::from_serialize(values).map_err(|error| failed(error.to_string()))?;
    engine
        .render(name, &context)
        .map_err(|error| failed(error.to_string()))
}
