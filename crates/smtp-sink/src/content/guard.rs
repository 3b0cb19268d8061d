//! Protection from panics of the libraries that parse messages.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::mime::Message;

/// Calls `derive` with the parsed message; `None` if a library panics.
pub(crate) fn parse_guarded<T>(source: &[u8], derive: impl FnOnce(&Message<'_>) -> T) -> Option<T> {
    // The author needs to see a message that breaks a parser, and the connection must not be lost because of it.
    catch_unwind(AssertUnwindSafe(|| derive(&Message::read(source)))).ok()
}
