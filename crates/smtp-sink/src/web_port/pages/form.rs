//! Fields of a submitted form.

use axum::body::Bytes;

/// Returns the first value of a form field.
pub(super) fn field(body: &Bytes, name: &str) -> Option<String> {
    fields(body, name).into_iter().next()
}

/// Returns all values of a form field.
pub(super) fn fields(body: &Bytes, name: &str) -> Vec<String> {
    let pairs = form_urlencoded::parse(body);
    let values = pairs.filter(|(key, _)| key == name);
    values.map(|(_, value)| value.into_owned()).collect()
}
