//! Between which characters does a token ever reach?
//!
//! A merge joins two neighbours into a token that has the last character of the one and the first of the
//! other side by side. Where no merge makes a token with two characters side by side, a text can be cut
//! between them, and both parts merge as the whole does. Pairs of ASCII are kept exactly, all others in
//! a filter of 16 bits for each pair: it may take a pair for another one, and then a cut is missed.

use std::fmt;

/// All pairs of ASCII.
const ASCII: usize = 1 << 14;

fn place(left: u8, right: u8) -> usize {
    usize::from(left & 0x7F) << 7 | usize::from(right & 0x7F)
}

/// Pairs of characters that stand side by side in a token.
pub(crate) struct Joints {
    ascii: Box<[bool; ASCII]>,
    others: Box<[u64]>,
    /// How far the hash is shifted so that it is the index of a bit.
    shift: u32,
}

impl fmt::Debug for Joints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joints").field("bits", &(self.others.len() * 64)).finish_non_exhaustive()
    }
}

impl Joints {
    /// All `pairs`, which may come more than once.
    pub(crate) fn new(mut pairs: Vec<(char, char)>) -> Self {
        pairs.sort_unstable();
        pairs.dedup();
        let bits = (pairs.len() * 16).next_power_of_two().max(64);
        let mut joints = Self {
            ascii: Box::new([false; ASCII]),
            others: vec![0; bits / 64].into_boxed_slice(),
            shift: 64 - bits.trailing_zeros(),
        };
        for (left, right) in pairs {
            if left.is_ascii() && right.is_ascii() {
                joints.ascii[place(left as u8, right as u8)] = true;
            } else {
                let bit = joints.bit(left as u32, right as u32);
                joints.others[bit / 64] |= 1 << (bit % 64);
            }
        }
        joints
    }

    fn bit(&self, left: u32, right: u32) -> usize {
        let pair = u64::from(left) << 32 | u64::from(right);
        (pair.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift) as usize
    }

    /// Whether `right` may follow `left` in a token; both are ASCII.
    #[inline]
    pub(crate) fn ascii(&self, left: u8, right: u8) -> bool {
        self.ascii[place(left, right)]
    }

    /// Whether the character with the code `right` may follow that of `left` in a token.
    #[inline(always)]
    pub(crate) fn any(&self, left: u32, right: u32) -> bool {
        if left | right < 0x80 {
            return self.ascii(left as u8, right as u8);
        }
        let bit = self.bit(left, right);
        self.others[bit / 64] >> (bit % 64) & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_found_and_few_others() {
        let pairs: Vec<(char, char)> = "naïve Straße 東京都 и другие 🦀🦀 words"
            .chars()
            .zip("naïve Straße 東京都 и другие 🦀🦀 words".chars().skip(1))
            .collect();
        let joints = Joints::new(pairs.clone());
        let any = |&(left, right): &(char, char)| joints.any(left as u32, right as u32);
        assert!(pairs.iter().all(any));
        let all: Vec<(char, char)> =
            ('a'..='ÿ').flat_map(|left| ('a'..='ÿ').map(move |right| (left, right))).collect();
        let wrong = all.iter().filter(|pair| !pairs.contains(pair) && any(pair)).count();
        assert!(wrong * 8 < all.len(), "{wrong} of {}", all.len());
        let ascii = all.iter().filter(|pair| pair.0.is_ascii() && pair.1.is_ascii());
        let wrong = ascii.filter(|pair| any(pair) != pairs.contains(pair)).count();
        assert_eq!(wrong, 0);
    }
}
