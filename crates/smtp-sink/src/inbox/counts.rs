//! Counters of the inbox.

/// Counters since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages stored.
    pub accepted: u64,
    /// Size of the messages stored, in bytes.
    pub accepted_bytes: u64,
    /// Messages refused because of their size, or because no memory was free.
    pub rejected: u64,
    /// Messages deleted by a person or a program.
    pub deleted: u64,
    /// Messages dropped because the inbox was full.
    pub dropped: u64,
}

/// Current content of the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    pub messages: usize,
    pub unread: usize,
    /// Memory of the messages, in bytes.
    pub memory: u64,
}

/// Counters of a sink, from its start to its stop.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Messages received.
    pub received: u64,
    /// Size of the messages received, in bytes.
    pub received_bytes: u64,
    /// Messages refused because of their size, or because no memory was free.
    pub rejected: u64,
    /// Messages stored at the end.
    pub kept: usize,
    /// Messages dropped because the inbox was full.
    pub dropped: u64,
}
