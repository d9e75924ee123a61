//! Which number does Hugging Face's library read from the score of a token?
//!
//! Not always the nearest one: it is built with serde_json's quicker reading of numbers, which divides the
//! digits by a power of ten and may be off in the last place. Ways to cut a word that sum to the same are
//! told apart by such places, so it has to be the same number. What serde_json does in our own build depends
//! on the features that other crates ask for.

/// Reads scores.
pub(crate) struct ScoreReader {
    /// The powers of ten that there are.
    powers: Vec<f64>,
}

impl ScoreReader {
    pub(crate) fn new() -> Self {
        Self { powers: (0..=308).filter_map(|power| format!("1e{power}").parse().ok()).collect() }
    }

    /// The number that is written in `text`, valid JSON; `None` when it is something else, or too large.
    pub(crate) fn read(&self, text: &str) -> Option<f64> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        if !digits.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (digits, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut significand = 0_u64;
        let mut exponent = exponent;
        let push = |significand: u64, digit: u8| {
            significand.checked_mul(10).and_then(|tens| tens.checked_add(u64::from(digit - b'0')))
        };
        let mut full = false;
        for digit in whole.bytes() {
            match push(significand, digit).filter(|_| !full) {
                Some(more) => significand = more,
                None => (full, exponent) = (true, exponent.checked_add(1)?),
            }
        }
        for digit in fraction.bytes().take_while(|_| !full) {
            match push(significand, digit) {
                Some(more) => (significand, exponent) = (more, exponent.checked_sub(1)?),
                // There is no room for further digits.
                None => break,
            }
        }
        let mut number = significand as f64;
        while number != 0.0 {
            match (self.powers.get(exponent.unsigned_abs() as usize), exponent >= 0) {
                (Some(power), true) => {
                    number *= power;
                    break;
                }
                (Some(power), false) => {
                    number /= power;
                    break;
                }
                (None, true) => return None,
                (None, false) => {
                    number /= self.powers.last()?;
                    exponent += 308;
                }
            }
        }
        number.is_finite().then_some(if negative { -number } else { number })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Option<f64>) {
        assert_eq!(ScoreReader::new().read(text), expected, "{text}");
    }

    #[test]
    fn numbers_are_read() {
        check("0", Some(0.0));
        check("-0.0", Some(0.0));
        check("-7", Some(-7.0));
        check("1.5e2", Some(150.0));
        check("25E-1", Some(2.5));
        check("1e400", None);
        check("1e-400", Some(0.0));
        check("123456789012345678901234567890", Some(12_345_678_901_234_567_890_u64 as f64 * 1e10));
        check("\"1\"", None);
        check("null", None);
        check("[1]", None);
    }

    #[test]
    fn the_last_place_may_be_another() {
        // 17 digits are more than a double holds, so they are rounded before they are divided.
        let (text, nearest) = ("-10.543675422668457", -10.543675422668457_f64);
        let read = ScoreReader::new().read(text);
        assert_eq!(read, Some(-(10_543_675_422_668_457_u64 as f64 / 1e15)));
        assert!(read.is_some_and(|read| (read - nearest).abs() <= f64::EPSILON * 16.0));
    }

    proptest! {
        #[test]
        fn it_is_right_but_for_the_last_place(number in -1e6..1e6_f64) {
            let read = ScoreReader::new().read(&format!("{number:?}")).expect("a number");
            prop_assert!((read - number).abs() <= number.abs() * 4.0 * f64::EPSILON, "{read} {number}");
        }
    }
}
