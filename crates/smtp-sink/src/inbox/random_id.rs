//! Random ids of messages and deletions.

use crate::clock::{Rng, draw};
use crate::session::MessageId;

/// Returns 128 random bits, written with 22 letters and digits.
pub(super) fn random_id(rng: &dyn Rng) -> MessageId {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut number = u128::from_le_bytes(draw(rng));
    let mut id = String::with_capacity(22);
    for _ in 0..22 {
        id.push(char::from(DIGITS[(number % 62) as usize]));
        number /= 62;
    }
    MessageId(id)
}
