//! Compares the lanes with the `bcrypt` crate and with published test vectors.

use std::array::from_fn;

use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::NO_PAD;

use super::*;

const BCRYPT64: GeneralPurpose = GeneralPurpose::new(&BCRYPT, NO_PAD);

/// Random source with a fixed seed (xorshift64*), so that each run has the same cases.
struct Cases(u64);

impl Cases {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 33) as usize % limit
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        from_fn(|_| self.next() as u8)
    }

    /// Returns a password without NUL.
    fn password(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| (self.next() as u8).max(1)).collect()
    }
}

/// Computes the digest with the `bcrypt` crate.
fn reference(password: &[u8], salt: Salt, cost: u32) -> Digest {
    let ended = [password, &[0]].concat();
    let digest = bcrypt::bcrypt(cost, salt, &ended[..ended.len().min(72)]);
    from_fn(|byte| digest[byte])
}

/// Returns the digests in the order of the cases, computed on one lane for each.
fn interleaved(cases: &[(Vec<u8>, Salt, u32)]) -> Vec<Digest> {
    let mut lanes = Lanes::new();
    let mut cases_by_index: Vec<usize> = (0..cases.len()).collect();
    for (password, salt, cost) in cases {
        lanes.start(password, salt, *cost);
    }
    let mut digests = vec![[0; 23]; cases.len()];
    while !lanes.is_empty() {
        lanes.advance(u64::MAX);
        while let Some(index) = lanes.finished() {
            digests[cases_by_index.swap_remove(index)] = lanes.remove(index);
        }
    }
    digests
}

#[test]
fn the_table_is_the_fraction_of_pi() {
    // Machin: pi = 16 arctan(1/5) - 4 arctan(1/239), in fixed point with two words to spare.
    const WORDS: usize = 1 + 1_042 + 2;
    let divide = |number: &mut [u32], by: u64| {
        let mut rest = 0;
        for word in number.iter_mut() {
            let whole = (rest << 32) | u64::from(*word);
            *word = (whole / by) as u32;
            rest = whole % by;
        }
    };
    let add = |sum: &mut [u32], more: &[u32]| {
        let mut carry = false;
        for (word, more) in sum.iter_mut().zip(more).rev() {
            (*word, carry) = word.carrying_add(*more, carry);
        }
    };
    let subtract = |sum: &mut [u32], less: &[u32]| {
        let mut borrow = false;
        for (word, less) in sum.iter_mut().zip(less).rev() {
            (*word, borrow) = word.borrowing_sub(*less, borrow);
        }
    };
    let mut pi = vec![0_u32; WORDS];
    for (factor, inverse, is_added) in [(16, 5_u64, true), (4, 239, false)] {
        let mut power = vec![0_u32; WORDS];
        power[0] = factor;
        divide(&mut power, inverse);
        let (mut odd, mut sign) = (1, is_added);
        while power.iter().any(|word| *word != 0) {
            let mut term = power.clone();
            divide(&mut term, odd);
            if sign {
                add(&mut pi, &term);
            } else {
                subtract(&mut pi, &term);
            }
            divide(&mut power, inverse * inverse);
            odd += 2;
            sign = !sign;
        }
    }
    assert_eq!(pi[0], 3);
    assert_eq!(pi[1..=1_042], PI);
}

#[test]
fn published_test_vectors_are_reproduced() {
    // From the test suites of OpenBSD, John the Ripper and jBCrypt.
    for (password, hash) in [
        (
            "",
            "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.",
        ),
        (
            "a",
            "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe",
        ),
        (
            "abc",
            "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i",
        ),
        (
            "abcdefghijklmnopqrstuvwxyz",
            "$2a$06$.rCVZVOThsIa97pEDOxvGuRRgzG64bvtJ0938xuqzv18d3ZpQhstC",
        ),
        (
            "~!@#$%^&*()      ~!@#$%^&*()PNBFRD",
            "$2a$06$fPIsBO8qRqkjj273rfaOI.HtSV9jLDpTbZn782DC6/t7qT67P6FfO",
        ),
        (
            "U*U",
            "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        ),
        (
            "U*U*U",
            "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a",
        ),
        (
            "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored",
            "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
        ),
    ] {
        let (salt, digest) = hash[7..].split_at(22);
        let salt = BCRYPT64.decode(salt).unwrap().try_into().unwrap();
        let cost = hash[4..6].parse().unwrap();
        let digests = interleaved(&[(password.as_bytes().to_vec(), salt, cost)]);
        assert_eq!(BCRYPT64.encode(digests[0]), digest, "{password}");
    }
}

#[test]
fn ten_thousand_cases_agree_with_the_bcrypt_crate_on_every_number_of_lanes() {
    let mut cases = Cases(0x6d6f_7669_652d_6261);
    let mut done = 0;
    // The number of lanes follows the batch: with `done` it would be 1, 2 or 4 only.
    for lanes in (1..=LANES).cycle() {
        if done >= 10_000 {
            break;
        }
        let batch: Vec<_> = (0..lanes)
            .map(|lane| (cases.password((done + lane) % 76), cases.bytes(), 4))
            .collect();
        let expected: Vec<_> = batch
            .iter()
            .map(|(password, salt, cost)| reference(password, *salt, *cost))
            .collect();
        assert_eq!(interleaved(&batch), expected, "{batch:?}");
        done += lanes;
    }
}

#[test]
fn hashes_of_different_costs_start_and_end_while_others_continue() {
    let mut cases = Cases(1);
    let mut lanes = Lanes::new();
    let (mut started, mut ended) = (Vec::new(), 0);
    for step in 0..400 {
        let is_open = step < 300;
        if is_open && lanes.len() < LANES && cases.below(3) > 0 {
            let length = cases.below(76);
            let (password, salt) = (cases.password(length), cases.bytes());
            let cost = 4 + cases.below(3) as u32;
            lanes.start(&password, &salt, cost);
            started.push((password, salt, cost));
        }
        lanes.advance(1 + cases.below(40) as u64);
        while let Some(index) = lanes.finished() {
            let (password, salt, cost) = started.swap_remove(index);
            assert_eq!(lanes.remove(index), reference(&password, salt, cost));
            ended += 1;
        }
    }
    assert_eq!(lanes.len(), 0);
    assert!(ended > 50, "{ended}");
}

#[test]
fn five_hashes_of_each_cost_agree_with_the_bcrypt_crate() {
    let mut cases = Cases(2);
    for cost in 4..=14 {
        let batch: Vec<_> = (0..5)
            .map(|_| {
                let length = cases.below(73);
                (cases.password(length), cases.bytes(), cost)
            })
            .collect();
        let expected: Vec<_> = batch
            .iter()
            .map(|(password, salt, cost)| reference(password, *salt, *cost))
            .collect();
        assert_eq!(interleaved(&batch), expected, "{cost}");
    }
}

#[test]
fn a_removed_lane_is_overwritten() {
    let mut lanes = Lanes::new();
    for password in ["first", "second", "third"] {
        lanes.start(password.as_bytes(), &[7; 16], 4);
    }
    lanes.advance(u64::MAX);
    while let Some(index) = lanes.finished() {
        lanes.remove(index);
        for lane in &lanes.lanes[lanes.len()..] {
            let words = lane.boxes.iter().flatten();
            let words = words
                .chain(&lane.subkeys)
                .chain(&lane.key)
                .chain(&lane.salt);
            assert!(words.copied().all(|word| word == 0));
        }
    }
    // A wiped lane can be used again.
    lanes.start(b"another", &[8; 16], 4);
    lanes.advance(u64::MAX);
    assert_eq!(lanes.remove(0), reference(b"another", [8; 16], 4));
}
