//! Account of the memory of messages.
//!
//! One account covers all memory that grows with the input of clients: stored messages, incoming messages, request bodies, and
//! messages that were dropped while a response still reads them. Each holder has a [`Charge`], which is returned when the holder
//! is dropped. While the account is over its limit, the inbox drops its oldest messages. If that is not enough, it refuses the
//! new message.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes in use, with their limit.
#[derive(Debug)]
pub struct Memory {
    limit: u64,
    incoming_limit: u64,
    used: AtomicU64,
    incoming: AtomicU64,
}

impl Memory {
    /// Creates an empty account. Incoming messages may use a quarter of the limit, but at least the size of the largest message:
    /// a client that never completes its message must not displace more of the stored messages.
    pub fn new(limit: u64, largest_message: u64) -> Arc<Memory> {
        Arc::new(Memory {
            limit,
            incoming_limit: (limit / 4).max(largest_message),
            used: AtomicU64::new(0),
            incoming: AtomicU64::new(0),
        })
    }

    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Returns the sum of all charges, in bytes.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub fn is_over(&self) -> bool {
        self.used() > self.limit
    }

    /// Returns whether incoming messages use more than their share of the limit.
    pub fn has_too_much_incoming(&self) -> bool {
        self.incoming.load(Ordering::Relaxed) > self.incoming_limit
    }

    /// Charges bytes, also beyond the limit: the caller decides which messages are dropped.
    pub fn charge(self: &Arc<Memory>, bytes: u64) -> Charge {
        self.new_charge(bytes, false)
    }

    /// Charges bytes of an incoming message, as [`Memory::charge`] does.
    pub fn charge_incoming(self: &Arc<Memory>, bytes: u64) -> Charge {
        self.new_charge(bytes, true)
    }

    fn new_charge(self: &Arc<Memory>, bytes: u64, is_incoming: bool) -> Charge {
        let charge = Charge {
            memory: Arc::clone(self),
            bytes: AtomicU64::new(0),
            is_incoming,
        };
        charge.add(bytes);
        charge
    }
}

/// Bytes charged to a [`Memory`] until this is dropped.
#[derive(Debug)]
pub struct Charge {
    memory: Arc<Memory>,
    bytes: AtomicU64,
    is_incoming: bool,
}

impl Charge {
    /// Changes the number of bytes. Returns whether the charge grew.
    pub fn resize(&self, bytes: u64) -> bool {
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        for counter in self.counters() {
            match bytes.checked_sub(before) {
                Some(more) => counter.fetch_add(more, Ordering::Relaxed),
                None => counter.fetch_sub(before - bytes, Ordering::Relaxed),
            };
        }
        bytes > before
    }

    pub fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        for counter in self.counters() {
            counter.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    fn counters(&self) -> impl Iterator<Item = &AtomicU64> {
        let incoming = self.is_incoming.then_some(&self.memory.incoming);
        std::iter::once(&self.memory.used).chain(incoming)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.resize(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_counts_until_it_is_dropped() {
        let memory = Memory::new(10, 1);
        let (first, second) = (memory.charge(4), memory.charge(6));
        assert!(!memory.is_over());
        assert!(second.resize(7) && memory.is_over());
        assert!(!second.resize(1));
        first.add(2);
        assert_eq!(memory.used(), 7);
        drop(first);
        assert_eq!(memory.used(), 1);
        drop(second);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn incoming_messages_have_a_share_of_the_limit() {
        let memory = Memory::new(100, 10);
        let _stored = memory.charge(90);
        let (first, second) = (memory.charge_incoming(20), memory.charge_incoming(5));
        assert!(!memory.has_too_much_incoming());
        second.add(1);
        assert!(memory.has_too_much_incoming());
        drop(first);
        assert!(!memory.has_too_much_incoming());
        let large = Memory::new(100, 80);
        let _one = large.charge_incoming(80);
        assert!(!large.has_too_much_incoming());
    }
}
