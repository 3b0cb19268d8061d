//! The machine's own clock and chance: the only place that asks for them (see `.clippy.toml`).

use jiff::Timestamp;

use crate::domain::clock::{Clock, Rng};

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The operating system's random source.
#[derive(Debug, Clone, Copy)]
pub struct SystemRng;

impl Rng for SystemRng {
    /// # Panics
    /// Where the operating system has no randomness: nothing that is signed or hashed could be trusted then.
    #[expect(
        clippy::disallowed_methods,
        clippy::expect_used,
        reason = "this is the one place; without randomness there is no going on"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}
