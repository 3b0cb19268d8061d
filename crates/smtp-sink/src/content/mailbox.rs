//! Mailbox in an address header.

/// Display name and address; either may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mailbox {
    /// Display name.
    pub name: String,
    /// Email address.
    pub address: String,
}
