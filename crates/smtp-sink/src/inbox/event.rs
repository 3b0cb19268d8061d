//! Events of the inbox.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OnceCell;

use crate::session::MessageId;

/// Change of the inbox. It contains ids instead of messages, so that a slow subscriber holds no message.
#[derive(Debug, Clone)]
pub enum Event {
    /// A message arrived. It may be dropped before a subscriber reads this.
    New(Arrival),
    /// A message was marked as read or unread.
    Read(MessageId, bool),
    /// The tags of a message were replaced by these.
    Tagged(MessageId, Vec<String>),
    /// A message was deleted, or dropped because the inbox was full.
    Deleted(MessageId),
    /// Many messages were changed or deleted, or messages were restored.
    Pruned,
    /// All messages were deleted.
    Emptied,
}

/// A message that arrived.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub id: MessageId,
    /// Frame that announces it to websocket clients: rendered by the first subscriber that needs it, shared by all.
    pub(crate) frame: Arc<OnceCell<Bytes>>,
}
