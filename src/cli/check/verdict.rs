//! Verdicts of the checks.

use crate::failure::Failure;

/// Severity of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    /// Works, but may not be intended.
    Warning,
    Error,
}

impl Verdict {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Verdict on one subject.
pub(super) struct Check {
    /// Name of the subject.
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    pub(super) message: String,
    /// The fix.
    pub(super) hint: Option<String>,
}

impl Check {
    pub(super) fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Ok,
            message: message.into(),
            hint: None,
        }
    }

    pub(super) fn warning(
        name: &'static str,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) -> Self {
        Self {
            verdict: Verdict::Warning,
            hint: hint.into(),
            ..Self::ok(name, message)
        }
    }

    pub(super) fn error(
        name: &'static str,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) -> Self {
        Self {
            verdict: Verdict::Error,
            ..Self::warning(name, message, hint)
        }
    }

    /// Returns the verdict for an error that would end any other command.
    pub(super) fn failed(name: &'static str, error: &anyhow::Error) -> Self {
        let failure = Failure::from_error(error);
        Self::error(name, failure.message, failure.hint)
    }
}
