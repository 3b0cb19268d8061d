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

#[cfg(test)]
mod tests {
    use super::*;

    struct Counter;

    impl Rng for Counter {
        fn fill(&self, bytes: &mut [u8]) {
            (1..).zip(bytes).for_each(|(number, byte)| *byte = number);
        }
    }

    #[test]
    fn drawn_bytes_are_those_of_the_source() {
        assert_eq!(draw(&Counter), [1, 2, 3, 4]);
    }
}
