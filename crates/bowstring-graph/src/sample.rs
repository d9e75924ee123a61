//! Which nodes stand for all?

use std::collections::HashMap;

/// `count` of the numbers below `length`, each at most once, every choice equally likely; all when there
/// are no more. The same for the same seed, on every machine and in every version.
///
/// The first part of a shuffle (Fisher and Yates), of which only what was moved is kept.
pub(crate) fn sample(length: u32, count: usize, seed: u64) -> Vec<u32> {
    let mut state = seed;
    let mut moved = HashMap::new();
    (0..length)
        .take(count)
        .map(|at| {
            let other = at + below(length - at, &mut state);
            let taken = moved.get(&other).copied().unwrap_or(other);
            let here = moved.get(&at).copied().unwrap_or(at);
            moved.insert(other, here);
            taken
        })
        .collect()
}

/// A number below `bound`, all equally likely (Lemire 2019).
fn below(bound: u32, state: &mut u64) -> u32 {
    let least = bound.wrapping_neg() % bound;
    loop {
        let product = u64::from(next(state)) * u64::from(bound);
        if product as u32 >= least {
            return (product >> 32) as u32;
        }
    }
}

/// The next number of SplitMix64 (Steele, Lea, Flood 2014), its upper half.
fn next(state: &mut u64) -> u32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut number = *state;
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((number ^ (number >> 31)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_the_same_in_every_version() {
        assert_eq!(sample(1000, 5, 0), [883, 432, 28, 970, 109]);
    }

    #[test]
    fn a_sample_has_each_number_at_most_once_and_favours_none() {
        let mut often = [0; 10];
        for seed in 0..5000 {
            let mut taken = sample(10, 4, seed);
            taken.iter().for_each(|&number| often[number as usize] += 1);
            taken.sort_unstable();
            taken.dedup();
            assert_eq!(taken.len(), 4);
        }
        assert!(often.iter().all(|often| (1850..2150).contains(often)), "{often:?}");
    }

    #[test]
    fn there_are_no_more_than_all() {
        let mut all = sample(5, 100, 7);
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4]);
        assert!(sample(0, 3, 7).is_empty());
    }
}
