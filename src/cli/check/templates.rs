//! Check of the templates.

use std::sync::Arc;

use movie_bag_mail::templates::{TemplateError, Templates};

use super::verdict::Check;

/// Returns the verdicts on the templates.
pub(super) fn check(loaded: Result<Arc<Templates>, TemplateError>) -> Vec<Check> {
    const NAME: &str = "templates";
    let templates = match loaded {
        Ok(templates) => templates,
        Err(error) => return vec![Check::failed(NAME, &error.into())],
    };
    let customized = templates
        .table()
        .templates
        .iter()
        .filter(|template| templates.path(template).is_some())
        .count();
    let message = match customized {
        0 => "all built in".to_owned(),
        customized => format!("all valid, {customized} customized"),
    };
    let mut checks = vec![Check::ok(NAME, message)];
    let warnings = templates.warnings().iter();
    checks.extend(warnings.map(|warning| Check::warning(NAME, warning, None)));
    checks
}
