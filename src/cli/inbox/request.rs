//! Requests to the inbox, with their failures.

use super::client::{InboxClient, InboxError};
use crate::error_code::ErrorCode;
use crate::failure::Failure;

/// Sends a request to the inbox, on a thread that may block.
pub(super) async fn request<T: Send + 'static>(
    client: InboxClient,
    send: impl FnOnce(&InboxClient) -> Result<T, InboxError> + Send + 'static,
) -> anyhow::Result<T> {
    let response = tokio::task::spawn_blocking(move || send(&client)).await?;
    Ok(response.map_err(|error| {
        let (code, hint) = match &error {
            InboxError::Unreachable { .. } => (
                ErrorCode::Inbox,
                "start \"movie-bag smtp-debug\" or set MOVIE_BAG_INBOX_URL",
            ),
            InboxError::Unauthorized(_) => (
                ErrorCode::Unauthorized,
                "set MOVIE_BAG_INBOX_URL to http://name:password@host:port",
            ),
            InboxError::Unexpected { status: 400, .. } => (
                ErrorCode::Query,
                "write the search as in the examples of \"movie-bag inbox list --help\"",
            ),
            InboxError::Unexpected { .. } => (
                ErrorCode::NoInbox,
                "set MOVIE_BAG_INBOX_URL to the inbox address that \"movie-bag smtp-debug\" prints at its start",
            ),
        };
        Failure::new(code, error.to_string(), hint)
    })?)
}
