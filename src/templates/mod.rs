//! Templates of the web inbox.

pub mod inbox;
