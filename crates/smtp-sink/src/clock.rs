//! Time and randomness as parameters, so that tests control both. The default is [`SystemClock`] and [`SystemRng`].

use jiff::Timestamp;

/// Source of the present time.
pub trait Clock: Send + Sync {
    /// Returns the present time.
    fn now(&self) -> Timestamp;
}

/// Source of random bytes, for ids of messages and for faults that are drawn.
pub trait Rng: Send + Sync {
    /// Fills `bytes` with unpredictable random bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// Clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads it")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Random source of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    /// # Panics
    /// If the operating system has no random bytes: ids of messages would be predictable without them.
    #[expect(
        clippy::disallowed_methods,
        clippy::expect_used,
        reason = "the one place that draws; there is no way to go on without random bytes"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system provides random bytes");
    }
}

/// Draws `N` random bytes.
pub(crate) fn draw<const N: usize>(rng: &dyn Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill(&mut bytes);
    bytes
}
