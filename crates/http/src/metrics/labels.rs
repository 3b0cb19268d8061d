//! Labels of a metric.

use std::borrow::Cow;

/// Names and values.
pub(super) type Labels = Vec<(&'static str, Cow<'static, str>)>;
