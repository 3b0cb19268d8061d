//! Limits of the MIME structure.

/// Maximum depth of numbered multiparts. Deeper ones are read too, and numbered as if they were at this level; otherwise the
/// numbers of many deep parts would take more memory than the message.
pub(super) const MAX_DEPTH: usize = 100;

/// Maximum number of parts of a message. In a message with more, the last part is the rest of the message. A part of seven bytes
/// uses some hundred bytes of memory while its message is read.
pub(super) const MAX_PARTS: usize = 20_000;
