//! Access to the stored messages from outside the crate.

use std::fmt;
use std::future::pending;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

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
    ///
    /// Runs on any executor, and parses messages on the thread that polls it. The future does not end when the sink stops: a
    /// program that stops the sink drops the future.
    pub async fn wait_for(&self, filter: &Filter) -> Message {
        // Before the search, so that no message arrives between the two unnoticed.
        let mut events = self.inbox.subscribe();
        loop {
            let mut considered = self.considered(filter);
            if let Some(found) = considered.find(|stored| filter.matches(stored)) {
                return Message::from(&*found);
            }
            drop(considered);
            while let Some(arrival) = next_arrival(&mut events).await {
                let stored = self.get(&arrival);
                if let Some(found) = stored.filter(|stored| filter.matches(stored)) {
                    return Message::from(&*found);
                }
            }
        }
    }

    /// Does the same as [`InboxHandle::wait_for`], with a time limit for the arrival. Messages that are stored at the call are
    /// considered even if the time limit is zero, and a message that has arrived is parsed to the end.
    ///
    /// Needs a Tokio runtime with time. Parses messages on its threads for blocking work, since a large message would delay the
    /// sessions and time limits of the sink, whose runtime has one thread.
    pub(crate) async fn wait_within(
        self,
        filter: Filter,
        time: Duration,
    ) -> Result<Message, WaitError> {
        let filter = Arc::new(filter);
        let mut time_limit = pin!(sleep(time));
        let mut events = self.inbox.subscribe();
        loop {
            let considered = self.considered(&filter).collect();
            if let Some(found) = find_message(&filter, considered).await? {
                return Ok(found);
            }
            loop {
                let arrival = tokio::select! {
                    biased;
                    () = &mut time_limit => return Err(self.timeout_error(filter, time).await),
                    arrival = next_arrival(&mut events) => arrival,
                };
                let Some(id) = arrival else { break };
                let stored = Vec::from_iter(self.get(&id));
                if let Some(found) = find_message(&filter, stored).await? {
                    return Ok(found);
                }
            }
        }
    }

    async fn timeout_error(self, filter: Arc<Filter>, timeout: Duration) -> WaitError {
        let error = run_blocking(move || WaitError::Timeout {
            filter: filter.to_string(),
            after: filter.after_id().cloned(),
            timeout,
            arrived: self
                .considered(&filter)
                .map(|one| describe_in_line(&one))
                .collect(),
            rejected: self.summary().rejected,
        });
        error.await.unwrap_or_else(|stopped| stopped)
    }

    /// Returns the messages that [`Filter::after`] admits, newest first.
    fn considered(&self, filter: &Filter) -> impl Iterator<Item = Arc<ReceivedMessage>> {
        let newest_first = self.inbox.list(0, 0, None).into_iter();
        newest_first.take_while(|stored| !filter.starts_after(stored))
    }
}

/// Returns the id of the next message that arrives; `None` after missed events.
async fn next_arrival(events: &mut Receiver<Event>) -> Option<MessageId> {
    loop {
        match events.recv().await {
            Ok(Event::New(arrival)) => return Some(arrival.id),
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => return None,
            Err(RecvError::Closed) => pending().await,
        }
    }
}

/// Returns the first of these messages that the filter selects, parsed.
async fn find_message(
    filter: &Arc<Filter>,
    candidates: Vec<Arc<ReceivedMessage>>,
) -> Result<Option<Message>, WaitError> {
    let filter = Arc::clone(filter);
    run_blocking(move || {
        let mut candidates = candidates.into_iter();
        let found = candidates.find(|stored| filter.matches(stored));
        found.map(|stored| Message::from(&*stored))
    })
    .await
}

/// Runs a function on a thread for blocking work. Its panic continues in the caller.
async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, WaitError> {
    match spawn_blocking(work).await {
        Ok(result) => Ok(result),
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(_) => Err(WaitError::Stopped),
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
