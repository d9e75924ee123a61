//! Which value does a text stand for? The readings are strict, so that a text which two readers
//! could take for different things (`007`, `+5`, ` 5`, `1,5`) stays text.

/// The largest whole number up to which each one is a `f64`: 2^53.
pub(crate) const EXACT_INTEGER: u64 = 1 << 53;

/// A whole number as it is printed: no plus sign, no leading zeros, no blanks, no `-0`.
pub(crate) fn int64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    match digits {
        [b'0'] => return (!negative).then_some(0),
        [] | [b'0', ..] => return None,
        _ if digits.len() > 19 => return None,
        _ => {}
    }
    let mut magnitude = 0u64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        magnitude = magnitude * 10 + u64::from(digit);
    }
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// A decimal number, `NaN`, or an infinity. A whole number must be one that a `f64` holds exactly, and
/// a finite number must not become infinite.
#[inline]
pub(crate) fn float64(text: &[u8]) -> Option<f64> {
    short_decimal(text).or_else(|| long_float(text))
}

/// Digits with a point among them, up to 15: such a mantissa and its power of ten are exact, so that one
/// division rounds right (Clinger, "How to read floating point numbers accurately", 1990).
#[inline]
pub(crate) fn short_decimal(text: &[u8]) -> Option<f64> {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    if matches!(unsigned, [b'0', b'0'..=b'9', ..]) || unsigned.len() > 16 {
        return None;
    }
    let (mut mantissa, mut digits, mut decimals, mut point) = (0u64, 0, 0, false);
    for byte in unsigned {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            mantissa = mantissa * 10 + u64::from(digit);
            digits += 1;
            decimals += usize::from(point);
        } else if *byte == b'.' && !point {
            point = true;
        } else {
            return None;
        }
    }
    if digits == 0 || digits > 15 {
        return None;
    }
    let number = mantissa as f64 / POWERS_OF_TEN.get(decimals)?;
    Some(if unsigned.len() == text.len() { number } else { -number })
}

/// Those that are exact and that 15 decimals need.
const POWERS_OF_TEN: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

fn long_float(text: &[u8]) -> Option<f64> {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    match unsigned {
        b"NaN" | b"nan" => return (unsigned.len() == text.len()).then_some(f64::NAN),
        b"inf" | b"Inf" | b"Infinity" => {
            let negative = unsigned.len() != text.len();
            return Some(if negative { f64::NEG_INFINITY } else { f64::INFINITY });
        }
        [b'0', b'0'..=b'9', ..] => return None,
        [b'0'..=b'9' | b'.', ..] => {}
        _ => return None,
    }
    let whole = unsigned.iter().all(u8::is_ascii_digit);
    if whole && unsigned.len() > 15 {
        let magnitude: u64 = std::str::from_utf8(unsigned).ok()?.parse().ok()?;
        if magnitude > EXACT_INTEGER {
            return None;
        }
    }
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    number.is_finite().then_some(number)
}

/// `true` or `false`, also with a capital and in capitals.
pub(crate) fn boolean(text: &[u8]) -> Option<bool> {
    match text {
        b"true" | b"True" | b"TRUE" => Some(true),
        b"false" | b"False" | b"FALSE" => Some(false),
        _ => None,
    }
}

/// `YYYY-MM-DD` as days since 1970-01-01.
pub(crate) fn date32(text: &[u8]) -> Option<i32> {
    if text.len() != 10 { None } else { i32::try_from(days(text)?).ok() }
}

/// A point in time, or a time without a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Seconds since 1970-01-01T00:00:00, in UTC when zoned.
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
    /// Whether a zone was given.
    pub(crate) zoned: bool,
}

impl Moment {
    /// As a whole number of units, of which a second has `per_second`; none when it is not whole or
    /// too far from 1970.
    pub(crate) fn units(self, per_second: u32) -> Option<i64> {
        let nanoseconds_each = 1_000_000_000 / per_second;
        if !self.nanoseconds.is_multiple_of(nanoseconds_each) {
            return None;
        }
        let fraction = i64::from(self.nanoseconds / nanoseconds_each);
        // Before 1970, seconds times units may be below the range that the sum is back in.
        let units = i128::from(self.seconds) * i128::from(per_second) + i128::from(fraction);
        i64::try_from(units).ok()
    }
}

/// `YYYY-MM-DD`, then `T` or a blank, then `HH:MM` or `HH:MM:SS` with up to nine decimals, then nothing,
/// `Z`, `±HH:MM` or `±HHMM`.
pub(crate) fn moment(text: &[u8]) -> Option<Moment> {
    let (date, rest) = text.split_at_checked(10)?;
    let (b'T' | b' ', rest) = rest.split_first()? else { return None };
    let (hours_minutes, mut rest) = rest.split_at_checked(5)?;
    let [h1, h2, b':', m1, m2] = hours_minutes else { return None };
    let (hours, minutes) = (two(*h1, *h2, 23)?, two(*m1, *m2, 59)?);
    let (mut seconds, mut nanoseconds) = (0, 0);
    if let [b':', s1, s2, after @ ..] = rest {
        (seconds, rest) = (two(*s1, *s2, 59)?, after);
        if let [b'.', after @ ..] = rest {
            let count = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (digits, after) = after.split_at_checked(count)?;
            if !(1..=9).contains(&count) {
                return None;
            }
            let fraction = digits.iter().fold(0u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
            nanoseconds = fraction * 10u32.pow(9 - u32::try_from(count).ok()?);
            rest = after;
        }
    }
    let (zoned, offset) = match rest {
        [] => (false, 0),
        b"Z" => (true, 0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] | [sign @ (b'+' | b'-'), h1, h2, m1, m2] => {
            let offset = two(*h1, *h2, 23)? * 3600 + two(*m1, *m2, 59)? * 60;
            (true, if *sign == b'-' { -offset } else { offset })
        }
        _ => return None,
    };
    let seconds = days(date)? * 86_400 + hours * 3600 + minutes * 60 + seconds - offset;
    Some(Moment { seconds, nanoseconds, zoned })
}

fn two(tens: u8, ones: u8, most: i64) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    let number = i64::from(tens) * 10 + i64::from(ones);
    (tens <= 9 && ones <= 9 && number <= most).then_some(number)
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar. The ten bytes are looked at together.
#[inline]
fn days(text: &[u8]) -> Option<i64> {
    let (year_month, day) = text.split_first_chunk::<8>()?;
    // Lanes of a digit hold 0 to 9 now, and those of a dash 0.
    let lanes = u64::from_le_bytes(*year_month) ^ u64::from_le_bytes(*b"0000-00-");
    let [d1, d2] = day else { return None };
    // What is added leaves the highest bit of a lane clear only when the lane is in its range.
    let ranges = u64::from_le_bytes([0x76, 0x76, 0x76, 0x76, 0x7f, 0x76, 0x76, 0x7f]);
    if (lanes.wrapping_add(ranges) | lanes) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let [y1, y2, y3, y4, _, m1, m2, _] = lanes.to_le_bytes().map(u32::from);
    let (year, month) = (y1 * 1000 + y2 * 100 + y3 * 10 + y4, m1 * 10 + m2);
    let (tens, ones) = (d1.wrapping_sub(b'0'), d2.wrapping_sub(b'0'));
    let day = u32::from(tens) * 10 + u32::from(ones);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let (before, length) = *MONTHS.get(month as usize)?;
    let leap_day = u32::from(leap && month == 2);
    if tens > 9 || ones > 9 || day == 0 || day > length + leap_day {
        return None;
    }
    // The years before this one, 400 more so that none is negative; 400 years have 146 097 days.
    let years = year + 399;
    let whole = years * 365 + years / 4 - years / 100 + years / 400;
    let in_year = before + u32::from(leap && month > 2) + day - 1;
    Some(i64::from(whole + in_year) - 146_097 - 719_162)
}

/// The days of a common year before each month, and those of the month; from January at 1.
const MONTHS: [(u32, u32); 13] = [
    (0, 0),
    (0, 31),
    (31, 28),
    (59, 31),
    (90, 30),
    (120, 31),
    (151, 30),
    (181, 31),
    (212, 31),
    (243, 30),
    (273, 31),
    (304, 30),
    (334, 31),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whole_numbers_are_read_as_they_are_printed() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-17", Some(-17)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("99999999999999999999", None),
            ("007", None),
            ("+5", None),
            (" 5", None),
            ("-0", None),
            ("-", None),
            ("", None),
            ("1e3", None),
        ] {
            assert_eq!(int64(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_float_is_never_rounded_to_another_whole_number() {
        for (text, expected) in [
            ("1.5", Some(1.5)),
            ("-0", Some(-0.0)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("1e-3", Some(0.001)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("Infinity", Some(f64::INFINITY)),
            ("9007199254740992", Some(9_007_199_254_740_992.0)),
            ("9007199254740993", None),
            ("123456789012345678901", None),
            ("1e999", None),
            ("007.5", None),
            ("+1.5", None),
            ("1.5 ", None),
            ("0x10", None),
            ("-NaN", None),
            (".", None),
            ("", None),
        ] {
            assert_eq!(float64(text.as_bytes()), expected, "{text}");
        }
        assert!(float64(b"NaN").is_some_and(f64::is_nan));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (text, expected) in [
            ("1970-01-01", Some(0)),
            ("1969-12-31", Some(-1)),
            ("2000-02-29", Some(11_016)),
            ("1900-02-29", None),
            ("2024-13-01", None),
            ("2024-00-01", None),
            ("2024-01-00", None),
            ("2024-1-1", None),
            ("2024-01-01 ", None),
            ("2023-02-29", None),
            ("2024-04-31", None),
            ("0000-01-01", Some(-719_528)),
            ("9999-12-31", Some(2_932_896)),
            ("2024/01/01", None),
            ("2024-0:-01", None),
            ("2024-01-0:", None),
            ("2\u{b2}24-01-1", None),
        ] {
            assert_eq!(date32(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn moments_have_a_zone_or_none() {
        let check = |text: &str, seconds, nanoseconds, zoned| {
            assert_eq!(moment(text.as_bytes()), Some(Moment { seconds, nanoseconds, zoned }), "{text}");
        };
        check("1970-01-01T00:00", 0, 0, false);
        check("1970-01-01 00:00:01", 1, 0, false);
        check("1970-01-01T01:00:00.5+01:00", 0, 500_000_000, true);
        check("1969-12-31T23:59:59.000000001Z", -1, 1, true);
        check("1970-01-01T00:00:00-0130", 5400, 0, true);
        for text in [
            "1970-01-01",
            "1970-01-01T24:00",
            "1970-01-01T00:00:60",
            "1970-01-01T00:00:00.",
            "1970-01-01T00:00:00.0123456789",
            "1970-01-01T00:00:00 Z",
            "1970-01-01t00:00",
        ] {
            assert_eq!(moment(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn units_are_exact() {
        let before = Moment { seconds: i64::MIN / 1_000_000_000 - 1, nanoseconds: 145_224_192, zoned: false };
        assert_eq!(before.units(1_000_000_000), Some(i64::MIN));
        let fine = Moment { seconds: 1, nanoseconds: 1, zoned: false };
        assert_eq!((fine.units(1_000_000_000), fine.units(1_000_000)), (Some(1_000_000_001), None));
    }

    proptest! {
        #[test]
        fn every_printed_number_is_read_back(int in any::<i64>(), float in any::<f64>()) {
            prop_assert_eq!(int64(int.to_string().as_bytes()), Some(int));
            if float.is_finite() && !(float.fract() == 0.0 && float.abs() > EXACT_INTEGER as f64) {
                let printed = float.to_string();
                prop_assert_eq!(float64(printed.as_bytes()).map(f64::to_bits), Some(float.to_bits()), "{}", printed);
            }
        }

        #[test]
        fn every_short_decimal_is_read_as_the_standard_library_does(text in "-?[0-9]{0,9}\\.?[0-9]{0,8}") {
            let read = short_decimal(text.as_bytes());
            if let Some(read) = read {
                prop_assert_eq!(Ok(read.to_bits()), text.parse::<f64>().map(f64::to_bits), "{}", text);
            }
            prop_assert_eq!(read.is_some(), read.is_some() && long_float(text.as_bytes()).is_some(), "{}", text);
        }

        #[test]
        fn every_day_is_read_back(day in -719_162i32..2_932_897) {
            let text = arrow::temporal_conversions::date32_to_datetime(day).map(|at| at.date().to_string());
            prop_assert_eq!(date32(text.unwrap_or_default().as_bytes()), Some(day));
        }
    }
}
