//! Access to the stored messages from outside the crate.

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use crate::filter::{Filter, WaitError};
use crate::inbox::{Event, Inbox, Selection, Summary};
use crate::message::Message;
use crate::received::ReceivedMessage;
use crate::session::MessageId;

/// Stored messages of a sink. It is cheap to clone, and stays usable after the sink has stopped.
#[derive(Clone)]
pub struct InboxHandle {
    inbox: Arc<Inbox>,
}

impl fmt::Debug for InboxHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboxHandle")
            .field("summary", &self.summary())
            .finish()
    }
}

impl InboxHandle {
    pub(crate) fn new(inbox: Arc<Inbox>) -> InboxHandle {
        InboxHandle { inbox }
    }

    /// Returns the inbox itself.
    #[cfg(test)]
    pub(crate) fn shared(&self) -> Arc<Inbox> {
        Arc::clone(&self.inbox)
    }

    /// Returns a message as it is stored; `None` if it is not stored any more.
    pub fn get(&self, id: &MessageId) -> Option<Arc<ReceivedMessage>> {
        self.inbox.get(&id.0)
    }

    /// Returns all stored messages in the order of their arrival, parsed.
    pub fn messages(&self) -> Vec<Message> {
        let newest_first = self.inbox.list(0, 0, None);
        let oldest_first = newest_first.iter().rev();
        oldest_first
            .map(|stored| Message::from(&**stored))
            .collect()
    }

    /// Deletes all stored messages, also those in the Maildir, if there is one.
    pub fn clear(&self) {
        self.inbox.delete(Selection::All);
    }

    /// Returns the counters since the start.
    pub fn summary(&self) -> Summary {
        self.inbox.summary()
    }

    /// Returns the newest message that the filter selects. If there is none, waits without a limit for the first one to arrive.
    /// Runs on any executor.
    pub async fn wait_for(&self, filter: &Filter) -> Message {
        // Before the search, so that no message arrives between the two unnoticed.
        let mut events = self.inbox.subscribe();
        loop {
            let mut considered = self.considered(filter);
            if let Some(found) = considered.find(|stored| filter.matches(stored)) {
                return Message::from(&*found);
            }
            drop(considered);
            loop {
                match events.recv().await {
                    Ok(Event::New(arrival)) => {
                        let stored = self.get(&arrival.id);
                        if let Some(found) = stored.filter(|stored| filter.matches(stored)) {
                            return Message::from(&*found);
                        }
                    }
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => pending().await,
                }
            }
        }
    }

    /// Does the same as [`InboxHandle::wait_for`], with a time limit. Needs a Tokio runtime with time.
    pub(crate) async fn wait_within(
        self,
        filter: Filter,
        time: Duration,
    ) -> Result<Message, WaitError> {
        let found = timeout(time, self.wait_for(&filter)).await;
        found.map_err(|_| WaitError::Timeout {
            filter: filter.to_string(),
            timeout: time,
            arrived: self
                .considered(&filter)
                .map(|one| describe_in_line(&one))
                .collect(),
            rejected: self.summary().rejected,
        })
    }

    /// Returns the messages that [`Filter::after`] admits, newest first.
    fn considered(&self, filter: &Filter) -> impl Iterator<Item = Arc<ReceivedMessage>> {
        let newest_first = self.inbox.list(0, 0, None).into_iter();
        newest_first.take_while(|stored| !filter.starts_after(stored))
    }
}

/// Describes a message in one line, such as `to ann@example.com from shop@example.com: "Your order"`.
fn describe_in_line(stored: &ReceivedMessage) -> String {
    let recipients: Vec<_> = stored
        .envelope
        .recipients
        .iter()
        .map(|recipient| recipient.address.as_str())
        .collect();
    let (sender, subject) = (&stored.envelope.sender, &stored.digest().subject);
    format!("to {} from {sender}: {subject:?}", recipients.join(", "))
}
