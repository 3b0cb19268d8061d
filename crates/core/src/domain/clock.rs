//! Time and chance as parameters, so that a test decides what day it is and what is drawn.

use jiff::Timestamp;

/// Tells the time. The one that reads the machine's clock lives in [`crate::app::system`].
pub trait Clock: Send + Sync {
    /// The present moment, UTC.
    fn now(&self) -> Timestamp;
}

/// Draws random bytes. The one that asks the operating system lives in [`crate::app::system`].
pub trait Rng: Send + Sync {
    /// Fills `bytes` with unguessable random bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// Draws `N` bytes.
pub fn draw<const N: usize>(rng: &dyn Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill(&mut bytes);
    bytes
}
