//! Pages of the web inbox. They are compiled into the binary and cannot be overridden.

use std::sync::LazyLock;

use serde::Serialize;
use tera::{Context, Tera};

/// A page that can't be rendered; the tests render all of them.
#[derive(Debug, thiserror::Error)]
#[error("template inbox/{name}: {problem}")]
pub struct InboxError {
    name: &'static str,
    problem: String,
}

macro_rules! inbox_templates {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../templates/inbox/", $name)))),+]
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

/// Renders `inbox/NAME` with these values, escaped where it is HTML.
///
/// # Errors
/// The engine's own words; it is a mistake of ours.
pub fn render(name: &'static str, values: &impl Serialize) -> Result<String, InboxError> {
    let failed = |problem: String| InboxError { name, problem };
    let engine = ENGINE.as_ref().map_err(|error| failed(error.clone()))?;
    let context = Context::from_serialize(values).map_err(|error| failed(error.to_string()))?;
    engine
        .render(name, &context)
        .map_err(|error| failed(error.to_string()))
}
