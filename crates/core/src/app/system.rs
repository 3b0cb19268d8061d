//! Clock and random source of the operating system.
//!
//! This module and the fault points of [`crate::supervisor`] are the only ones in this crate that do I/O. No use case names
//! it: the binary passes the two types to [`super::App::new`]. `.clippy.toml` forbids other code to read the clock or to
//! draw random bytes.

use jiff::Timestamp;

use crate::domain::clock::{Clock, Rng};

/// Clock of the machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the only place that reads the clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Random source of the operating system.
#[derive(Debug, Clone, Copy)]
pub struct SystemRng;

impl Rng for SystemRng {
    /// # Panics
    /// If the operating system returns no random bytes: nothing that is signed or hashed could be trusted then.
    #[expect(
        clippy::disallowed_methods,
        clippy::expect_used,
        reason = "the only place that draws random bytes; without them the process cannot go on"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system returns random bytes");
    }
}
