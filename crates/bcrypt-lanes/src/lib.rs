//! bcrypt for several passwords at once, interleaved on one core.
//!
//! Each step of bcrypt waits for memory lookups of the step before, so a core that computes one hash is idle most of the
//! time. [`Lanes`] interleaves up to [`LANES`] independent hashes: six take about 1.6 times as long as one. Each lane has its
//! own password, salt and cost. A hash starts and ends while the others continue.
//!
//! The algorithm is bcrypt by Provos and Mazières, "A Future-Adaptable Password Scheme" (USENIX 1999), in OpenBSD's version
//! `2b`. The time of a hash depends on the password only through the cache, as in every bcrypt.
//!
//! ```
//! use bcrypt_lanes::Lanes;
//!
//! let mut lanes = Lanes::new();
//! lanes.start(b"correct horse battery", &[7; 16], 4);
//! lanes.advance(u64::MAX);
//! let index = lanes.finished().expect("it is the only hash");
//! let digest = lanes.remove(index);
//! # assert_eq!(digest[..2], bcrypt::bcrypt(4, [7; 16], b"correct horse battery\0")[..2]);
//! ```

#![warn(missing_docs)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;

mod pi;
#[cfg(test)]
mod tests;

use std::array::{from_fn, from_mut};
use std::hint::black_box;
use std::mem::swap;

use zeroize::Zeroize;

use self::pi::PI;

/// Maximum number of hashes at once. Their tables take 25 KiB, which fits into the first-level data cache of most cores
/// (32 KiB); a seventh lane would not fit.
pub const LANES: usize = 6;
/// Number of password bytes that bcrypt uses. The NUL that ends a shorter password is one of them.
const LONGEST_KEY: usize = 72;
/// Text that the last step encrypts.
const MAGIC: &[u8; 24] = b"OrpheanBeholderScryDoubt";
/// Number of times that the last step encrypts each block of [`MAGIC`].
const ENCRYPTIONS: usize = 64;

/// Salt of a hash: 16 bytes from a random source, different for each password.
pub type Salt = [u8; 16];
/// Result of bcrypt: 23 bytes. The 24th is left out, as in all implementations.
pub type Digest = [u8; 23];

/// State of one hash.
struct Lane {
    /// Subkeys of Blowfish.
    subkeys: [u32; 18],
    /// Substitution boxes of Blowfish.
    boxes: [[u32; 256]; 4],
    /// Password, repeated to 72 bytes.
    key: [u32; 18],
    /// Salt, repeated to 72 bytes.
    salt: [u32; 18],
    rounds_left: u64,
}

impl Lane {
    const EMPTY: Self = Self {
        subkeys: [0; 18],
        boxes: [[0; 256]; 4],
        key: [0; 18],
        salt: [0; 18],
        rounds_left: 0,
    };

    /// Encrypts [`MAGIC`] with the key schedule that the rounds produced.
    fn digest(&mut self) -> Digest {
        let mut bytes = *MAGIC;
        for block in bytes.chunks_exact_mut(8) {
            let (mut left, mut right) = ([word_at(block, 0)], [word_at(block, 4)]);
            for _ in 0..ENCRYPTIONS {
                encrypt(from_mut(self), &mut left, &mut right);
            }
            block[..4].copy_from_slice(&left[0].to_be_bytes());
            block[4..].copy_from_slice(&right[0].to_be_bytes());
        }
        // The first implementation left out the last byte, so all others do.
        from_fn(|byte| bytes[byte])
    }

    fn wipe(&mut self) {
        self.subkeys.zeroize();
        self.boxes.zeroize();
        self.key.zeroize();
        self.salt.zeroize();
    }

    /// Round function of Blowfish.
    ///
    /// Little-endian bytes: from big-endian ones the compiler makes a byte swap, which each lookup would wait for.
    #[inline]
    fn mix(&self, half: u32) -> u32 {
        let [d, c, b, a] = half.to_le_bytes();
        let [first, second, third, fourth] = &self.boxes;
        (first[usize::from(a)].wrapping_add(second[usize::from(b)]) ^ third[usize::from(c)])
            .wrapping_add(fourth[usize::from(d)])
    }
}

/// Up to [`LANES`] hashes that are computed together.
///
/// The state of a lane, which contains the password and everything derived from it, is overwritten when its hash is removed or
/// the lanes are dropped. Copies in registers and on the stack are not.
pub struct Lanes {
    lanes: Box<[Lane; LANES]>,
    /// Number of lanes in use; they are the first ones.
    len: usize,
}

impl Default for Lanes {
    fn default() -> Self {
        Self::new()
    }
}

impl Lanes {
    /// Creates lanes without hashes. Allocates 25 KiB.
    pub fn new() -> Self {
        Self {
            lanes: Box::new([Lane::EMPTY; LANES]),
            len: 0,
        }
    }

    /// Returns the number of hashes that were started and not removed yet, at most [`LANES`].
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether no hash was started, or all were removed.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Starts a hash at the index [`Lanes::len`].
    ///
    /// `cost` is the base-2 logarithm of the number of rounds; bcrypt's format allows 4 to 31. bcrypt uses the first 72 bytes
    /// of the password, and of a shorter one also the end. The end is a NUL that is added here. A NUL inside a password is used
    /// like any other byte, whereas implementations in C end the password there.
    ///
    /// # Panics
    /// If all lanes are in use, or if `cost` is over 31.
    pub fn start(&mut self, password: &[u8], salt: &Salt, cost: u32) {
        assert!(self.len < LANES, "all lanes are in use");
        assert!(cost <= 31, "bcrypt has costs up to 31");
        let lane = &mut self.lanes[self.len];
        self.len += 1;
        lane.key = key(password);
        let salt: [u32; 4] = from_fn(|word| word_at(salt, 4 * word));
        lane.salt = from_fn(|word| salt[word % 4]);
        lane.rounds_left = 1 << cost;
        let (subkeys, boxes) = PI.split_at(18);
        lane.subkeys.copy_from_slice(subkeys);
        for (table, initial) in lane.boxes.iter_mut().zip(boxes.chunks(256)) {
            table.copy_from_slice(initial);
        }
        let mut halves = salt.into_iter().cycle();
        expand(
            from_mut(lane),
            |lane| &lane.key,
            |left, right| {
                for half in [left, right] {
                    half[0] ^= halves.next().unwrap_or_default();
                }
            },
        );
    }

    /// Computes up to `rounds` rounds of every hash; fewer if one of them has fewer left. The time is proportional to the rounds,
    /// and blocks the calling thread.
    pub fn advance(&mut self, rounds: u64) {
        let left = self.lanes[..self.len].iter().map(|lane| lane.rounds_left);
        let rounds = left.min().unwrap_or(0).min(rounds);
        match self.len {
            1 => self.advance_first::<1>(rounds),
            2 => self.advance_first::<2>(rounds),
            3 => self.advance_first::<3>(rounds),
            4 => self.advance_first::<4>(rounds),
            5 => self.advance_first::<5>(rounds),
            _ => self.advance_first::<LANES>(rounds),
        }
    }

    fn advance_first<const N: usize>(&mut self, rounds: u64) {
        let Some(lanes) = self.lanes.first_chunk_mut::<N>() else {
            return;
        };
        for _ in 0..rounds {
            expand(lanes, |lane| &lane.key, |_, _| {});
            expand(lanes, |lane| &lane.salt, |_, _| {});
        }
        for lane in lanes {
            lane.rounds_left = lane.rounds_left.saturating_sub(rounds);
        }
    }

    /// Returns the index of a hash that has no rounds left, if there is one.
    pub fn finished(&self) -> Option<usize> {
        self.lanes[..self.len]
            .iter()
            .position(|lane| lane.rounds_left == 0)
    }

    /// Removes a hash, overwrites its state, and returns its digest. The last hash moves to this index, as with
    /// [`Vec::swap_remove`]. The digest of a hash that is not [`finished`](Lanes::finished) has no meaning: this cancels it.
    ///
    /// # Panics
    /// If no hash has this index.
    pub fn remove(&mut self, index: usize) -> Digest {
        assert!(index < self.len, "no hash has this index");
        let digest = self.lanes[index].digest();
        self.len -= 1;
        self.lanes.swap(index, self.len);
        self.lanes[self.len].wipe();
        digest
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.lanes[..self.len].iter_mut().for_each(Lane::wipe);
    }
}

/// Returns the password and a NUL, repeated to 18 words.
fn key(password: &[u8]) -> [u32; 18] {
    let end = password
        .iter()
        .copied()
        .chain([0])
        .take(LONGEST_KEY)
        .count();
    let mut bytes = password.iter().copied().chain([0]).take(end).cycle();
    from_fn(|_| u32::from_be_bytes(from_fn(|_| bytes.next().unwrap_or_default())))
}

fn word_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(from_fn(|byte| bytes[at + byte]))
}

/// Key schedule of Blowfish for all lanes: mixes `words` into the subkeys, then replaces subkeys and boxes by the results of
/// repeated encryption. `before` may change the halves before each encryption (bcrypt mixes in the salt at the start).
#[inline(always)]
fn expand<const N: usize>(
    lanes: &mut [Lane; N],
    words: impl Fn(&Lane) -> &[u32; 18],
    mut before: impl FnMut(&mut [u32; N], &mut [u32; N]),
) {
    for lane in lanes.iter_mut() {
        lane.subkeys = from_fn(|word| lane.subkeys[word] ^ words(lane)[word]);
    }
    let (mut left, mut right) = ([0; N], [0; N]);
    for word in (0..18).step_by(2) {
        before(&mut left, &mut right);
        encrypt(lanes, &mut left, &mut right);
        for n in 0..N {
            lanes[n].subkeys[word] = left[n];
            lanes[n].subkeys[word + 1] = right[n];
        }
    }
    for number in 0..4 {
        for word in (0..256).step_by(2) {
            before(&mut left, &mut right);
            encrypt(lanes, &mut left, &mut right);
            for n in 0..N {
                lanes[n].boxes[number][word] = left[n];
                lanes[n].boxes[number][word + 1] = right[n];
            }
        }
    }
}

/// The 16 rounds of Blowfish for all lanes: each round is done for every lane before the next round, so that no lane waits for
/// its own lookups.
///
/// A subkey is mixed into its half one round before that half is needed, while the lookups of that round are under way. A lane
/// alone takes as long as its chain of dependent operations: two to extract a byte, the lookup, and four to combine the results.
/// The subkeys must stay outside of that chain, but an optimization pass that rearranges XORs (LLVM's `reassociateForUses`) moves
/// them to its end where it sees two rounds at once. So the rounds of a lane alone are a loop whose end the compiler does not
/// know, which it does not unroll. With more lanes the loop is too long to be unrolled, and a known end saves the bounds checks.
#[inline(always)]
fn encrypt<const N: usize>(lanes: &[Lane; N], left: &mut [u32; N], right: &mut [u32; N]) {
    for_each_lane::<N>(|n| {
        left[n] ^= lanes[n].subkeys[0];
        right[n] ^= lanes[n].subkeys[1];
    });
    let end = if N == 1 { black_box(18) } else { 18 };
    for round in 2..end {
        for_each_lane::<N>(|n| {
            let next = right[n] ^ lanes[n].mix(left[n]);
            right[n] = left[n] ^ lanes[n].subkeys[round];
            left[n] = next;
        });
    }
    // Blowfish does not exchange the halves after the last round.
    swap(left, right);
}

/// Calls `step` with the index of each lane.
///
/// Not a loop: the compiler would gather the halves of all lanes in vector registers, and each lookup would have to extract its
/// own again.
#[inline(always)]
fn for_each_lane<const N: usize>(mut step: impl FnMut(usize)) {
    const { assert!(N <= LANES && LANES == 6, "one line for each lane") };
    if N > 0 {
        step(0);
    }
    if N > 1 {
        step(1);
    }
    if N > 2 {
        step(2);
    }
    if N > 3 {
        step(3);
    }
    if N > 4 {
        step(4);
    }
    if N > 5 {
        step(5);
    }
}
