//! Time and randomness as parameters, so that tests control both.

use jiff::Timestamp;

/// Source of the current time. [`crate::app::system`] implements it by the operating system.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// Source of random bytes. [`crate::app::system`] implements it by the operating system.
pub trait Rng: Send + Sync {
    /// Fills `bytes` with unguessable random bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// Returns `N` random bytes.
pub fn draw<const N: usize>(rng: &dyn Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill(&mut bytes);
    bytes
}
