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
    used: AtomicU64,
}

impl Memory {
    /// An empty ledger.
    pub fn new(limit: u64) -> Arc<Memory> {
        Arc::new(Memory {
            limit,
            used: AtomicU64::new(0),
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

    /// Charges bytes, also beyond the limit: the caller decides who gives way.
    pub fn charge(self: &Arc<Memory>, bytes: u64) -> Charge {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Charge {
            memory: Arc::clone(self),
            bytes: AtomicU64::new(bytes),
        }
    }
}

/// Bytes charged to a [`Memory`] until this is dropped.
#[derive(Debug)]
pub struct Charge {
    memory: Arc<Memory>,
    bytes: AtomicU64,
}

impl Charge {
    /// Changes the number of bytes. Returns whether it grew.
    pub fn resize(&self, bytes: u64) -> bool {
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        let used = &self.memory.used;
        match bytes.checked_sub(before) {
            Some(more) => used.fetch_add(more, Ordering::Relaxed),
            None => used.fetch_sub(before - bytes, Ordering::Relaxed),
        };
        bytes > before
    }

    /// Adds bytes.
    pub fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.memory.used.fetch_add(bytes, Ordering::Relaxed);
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
        let memory = Memory::new(10);
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
}
