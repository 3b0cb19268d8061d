//! bcrypt, several hashes at once on one core.
//!
//! Each step of bcrypt waits for what the step before it has looked up, so a core that works on one hash is idle for most
//! of the time. Here up to [`LANES`] hashes go side by side, each a step behind no other: six of them take little more
//! than one and a half times as long as one. Lanes are independent: each has its own password, salt and cost, begins when
//! it is put in and leaves when it is done, while the others go on.
//!
//! The algorithm is that of Provos and Mazières, "A Future-Adaptable Password Scheme" (USENIX 1999), as OpenBSD has it
//! since version `2b`; the tests hold it against the `bcrypt` crate. No time depends on the password but by its tables'
//! places in the cache, as in every bcrypt.

mod pi;
#[cfg(test)]
mod tests;

use std::array::{from_fn, from_mut};

use zeroize::Zeroize;

use self::pi::PI;

/// How many hashes go side by side. Their tables take 25 KiB, and must fit into the 32 KiB that most cores have nearest.
pub const LANES: usize = 6;
/// What bcrypt takes of a password; the NUL behind it counts, where there is room for it.
const LONGEST_KEY: usize = 72;
/// What is encrypted in the end.
const MAGIC: &[u8; 24] = b"OrpheanBeholderScryDoubt";
/// How often.
const ENCRYPTIONS: usize = 64;

/// The salt of a hash.
pub type Salt = [u8; 16];
/// What a hash says of a password.
pub type Digest = [u8; 23];

/// One hash on its way.
struct Lane {
    /// Blowfish's subkeys.
    subkeys: [u32; 18],
    /// Its boxes.
    boxes: [[u32; 256]; 4],
    /// The password, repeated.
    key: [u32; 18],
    /// The salt, repeated.
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

    /// Encrypts the magic words by what the rounds have made.
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
        // All implementations have left out the last byte, since the first one did.
        from_fn(|byte| bytes[byte])
    }

    fn wipe(&mut self) {
        self.subkeys.zeroize();
        self.boxes.zeroize();
        self.key.zeroize();
        self.salt.zeroize();
    }

    /// Blowfish's round function.
    #[inline(always)]
    fn mix(&self, half: u32) -> u32 {
        let [a, b, c, d] = half.to_be_bytes();
        let [first, second, third, fourth] = &self.boxes;
        (first[usize::from(a)].wrapping_add(second[usize::from(b)]) ^ third[usize::from(c)])
            .wrapping_add(fourth[usize::from(d)])
    }
}

/// Hashes that go side by side. What they were made from is wiped when they leave.
pub struct Lanes {
    lanes: Box<[Lane; LANES]>,
    /// How many are taken, from the first on.
    taken: usize,
}

impl Default for Lanes {
    fn default() -> Self {
        Self::new()
    }
}

impl Lanes {
    /// None on its way.
    pub fn new() -> Self {
        Self {
            lanes: Box::new([Lane::EMPTY; LANES]),
            taken: 0,
        }
    }

    /// How many are on their way; [`LANES`] at the most.
    pub fn taken(&self) -> usize {
        self.taken
    }

    /// Begins with a hash behind those that are on their way. `cost` is the base-2 logarithm of its rounds. bcrypt sees
    /// the first 72 bytes of the password, and of a shorter one that it ends.
    ///
    /// # Panics
    /// Where all lanes are taken.
    pub fn begin(&mut self, password: &[u8], salt: &Salt, cost: u32) {
        let lane = &mut self.lanes[self.taken];
        self.taken += 1;
        lane.key = key(password);
        let salt: [u32; 4] = from_fn(|word| word_at(salt, 4 * word));
        lane.salt = from_fn(|word| salt[word % 4]);
        lane.rounds_left = 1 << cost;
        let (subkeys, boxes) = PI.split_at(18);
        lane.subkeys.copy_from_slice(subkeys);
        for (own, begin) in lane.boxes.iter_mut().zip(boxes.chunks(256)) {
            own.copy_from_slice(begin);
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

    /// Does up to `rounds` of each, and fewer where one has fewer left. Two rounds of the same take twice the time.
    pub fn advance(&mut self, rounds: u64) {
        let left = self.lanes[..self.taken].iter().map(|lane| lane.rounds_left);
        let rounds = left.min().unwrap_or(0).min(rounds);
        match self.taken {
            1 => self.go::<1>(rounds),
            2 => self.go::<2>(rounds),
            3 => self.go::<3>(rounds),
            4 => self.go::<4>(rounds),
            5 => self.go::<5>(rounds),
            _ => self.go::<LANES>(rounds),
        }
    }

    fn go<const N: usize>(&mut self, rounds: u64) {
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

    /// The place of one that is done, if any is.
    pub fn done(&self) -> Option<usize> {
        self.lanes[..self.taken]
            .iter()
            .position(|lane| lane.rounds_left == 0)
    }

    /// Takes one out, which is of no use before it is done, and wipes what it was made from. The last one moves into its place, as by
    /// `Vec::swap_remove`.
    ///
    /// # Panics
    /// Where there is none at this place.
    pub fn take(&mut self, place: usize) -> Digest {
        assert!(place < self.taken, "no hash is at this place");
        let digest = self.lanes[place].digest();
        self.taken -= 1;
        self.lanes.swap(place, self.taken);
        self.lanes[self.taken].wipe();
        digest
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.lanes[..self.taken].iter_mut().for_each(Lane::wipe);
    }
}

/// The password with the NUL behind it, as often as 18 words take.
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

/// Blowfish's key schedule over all lanes: mixes words into the subkeys, and replaces them and the boxes by what they
/// encrypt. `before` each encryption the halves may be mixed with more.
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

/// Blowfish's 16 rounds over all lanes: each round of one, then of the next, so that none waits for itself.
///
/// By places and not by iterators, and the halves are exchanged one by one: otherwise the compiler gathers the lanes'
/// halves in vectors, out of which each look-up has to fetch its own again.
#[inline(always)]
fn encrypt<const N: usize>(lanes: &[Lane; N], left: &mut [u32; N], right: &mut [u32; N]) {
    for n in 0..N {
        left[n] ^= lanes[n].subkeys[0];
    }
    for round in (1..17).step_by(2) {
        for n in 0..N {
            right[n] ^= lanes[n].mix(left[n]) ^ lanes[n].subkeys[round];
        }
        for n in 0..N {
            left[n] ^= lanes[n].mix(right[n]) ^ lanes[n].subkeys[round + 1];
        }
    }
    for n in 0..N {
        let last = right[n] ^ lanes[n].subkeys[17];
        right[n] = left[n];
        left[n] = last;
    }
}
