//! Events that the use cases count. The implementation decides how they are stored and shown.
//!
//! A label has one of a fixed set of values of the domain. No part of a request, an account or a token can become a label,
//! so clients cannot make the number of time series grow.

use crate::domain::event::named;
use crate::domain::limit::Limit;
use crate::domain::mail::MailKind;

named! {
    /// Result of one attempt to deliver a mail.
    MailResult {
        /// The mail server accepted the mail.
        Sent = "sent",
        /// The mail will be retried.
        Deferred = "deferred",
        /// The mail was given up.
        Dead = "dead",
    }
}

named! {
    /// Result of an attempt to redeem a reset token.
    ResetResult {
        /// The password was changed.
        Done = "done",
        /// The token was invalid or used.
        BadToken = "bad_token",
        /// The token was authentic and expired.
        ExpiredToken = "expired_token",
        /// The password policy refused the password.
        WeakPassword = "weak_password",
        /// A rate limit refused the call.
        Limited = "limited",
        /// The database failed, or too many passwords were waiting to be hashed.
        Failed = "failed",
    }
}

/// Counters of the use cases. Counting must not block.
pub trait Metrics: Send + Sync {
    /// Counts an attempt to deliver a mail.
    fn mail_attempted(&self, kind: MailKind, result: MailResult);

    /// Counts a connection to the mail server that failed before a mail was offered.
    fn mail_server_failed(&self);

    /// Counts an attempt to redeem a reset token.
    fn reset_attempted(&self, result: ResetResult);

    /// Counts a call that a rate limit refused.
    fn limit_hit(&self, limit: Limit);
}

/// Counts nothing: for commands, which end before anyone could read a counter.
#[derive(Debug, Clone, Copy)]
pub struct NoMetrics;

impl Metrics for NoMetrics {
    fn mail_attempted(&self, _: MailKind, _: MailResult) {}

    fn mail_server_failed(&self) {}

    fn reset_attempted(&self, _: ResetResult) {}

    fn limit_hit(&self, _: Limit) {}
}
