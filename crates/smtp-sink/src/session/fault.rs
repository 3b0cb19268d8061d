//! Faults that a session injects for tests. The caller of the session selects the faults and owns counters, rules and
//! randomness.

use std::time::Duration;

/// Point of a session at which a fault can be injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Start of the connection, in place of the banner.
    Connect,
    /// EHLO, HELO and LHLO.
    Helo,
    /// AUTH.
    Auth,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA and BDAT.
    Data,
    /// End of a message.
    Message,
}

/// Behaviour in place of the regular reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Replies with this code; 421 also closes the connection.
    Answer(u16),
    /// Closes the connection without a reply.
    Drop,
    /// Sends the regular reply after this time.
    Delay(Duration),
}

/// The caller's decision about faults. A session calls it each time it reaches a stage; the function returns the fault to
/// inject, if any.
pub type FaultDecision<'a> = &'a mut dyn FnMut(Stage) -> Option<Fault>;
