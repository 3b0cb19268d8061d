//! Ledger of the memory that messages take.
//!
//! One ledger covers everything that grows with what clients send: kept messages, messages on their way in, request bodies, and
//! messages that were dropped while an answer still reads them. Each holder has a [`Charge`], which is returned when the holder
//! is dropped. The inbox drops its oldest messages when the ledger is over its limit, and refuses the newcomer when that is not
//! enough.

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
    /// Creates an empty ledger. What is on its way in may take a quarter of the limit, but at least one message of the largest
    /// size: a client that never completes its message must not displace more of those that are kept.
    pub fn new(limit: u64, largest_message: u64) -> Arc<Memory> {
        Arc::new(Memory {
            limit,
            incoming_limit: (limit / 4).max(largest_message),
            used: AtomicU64::new(0),
            incoming: AtomicU64::new(0),
        })
    }

    /// Limit of all charges together, in bytes.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// All charges together, in bytes.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether the charges exceed the limit.
    pub fn is_over(&self) -> bool {
        self.used() > self.limit
    }

    /// Whether what is on its way in takes more than its share of the limit.
    pub fn has_too_much_incoming(&self) -> bool {
        self.incoming.load(Ordering::Relaxed) > self.incoming_limit
    }

    /// Charges bytes that are kept, also beyond the limit: the caller decides who gives way.
    pub fn charge(self: &Arc<Memory>, bytes: u64) -> Charge {
        self.new_charge(bytes, false)
    }

    /// Charges bytes that are on their way in, as [`Memory::charge`] does.
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
    /// Changes the number of bytes. Returns whether it grew.
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

    /// Adds bytes.
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
    fn what_is_on_its_way_in_has_a_share_of_the_limit() {
        let memory = Memory::new(100, 10);
        let _kept = memory.charge(90);
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
