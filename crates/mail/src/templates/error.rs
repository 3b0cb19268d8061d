//! Errors in templates, with their place.

use std::fmt;

/// Place in a file, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Character in the line.
    pub column: usize,
}

impl Place {
    /// Returns the place after this text.
    pub(super) fn at_end_of(text: &str) -> Self {
        let line = text.rsplit('\n').next().unwrap_or_default();
        Self {
            line: text.matches('\n').count() + 1,
            column: line.chars().count() + 1,
        }
    }
}

/// Error in a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template {template}{}: {problem}", colons(*.place))]
pub struct TemplateError {
    /// File of the override, or name of a built-in template.
    pub template: String,
    /// Place of the error, if known.
    pub place: Option<Place>,
    /// Cause.
    pub problem: String,
}

fn colons(place: Option<Place>) -> String {
    place
        .map(|Place { line, column }| format!(":{line}:{column}"))
        .unwrap_or_default()
}

impl TemplateError {
    pub(super) fn whole(template: impl fmt::Display, problem: impl Into<String>) -> Self {
        Self {
            template: template.to_string(),
            place: None,
            problem: problem.into(),
        }
    }

    pub(super) fn at(
        template: impl fmt::Display,
        place: Place,
        problem: impl Into<String>,
    ) -> Self {
        Self {
            place: Some(place),
            ..Self::whole(template, problem)
        }
    }
}
