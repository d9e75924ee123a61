//! How do the texts of a column become an array?

use std::{borrow::Cow, collections::HashSet, str::FromStr, sync::Arc};

use arrow::{
    array::{ArrayRef, ArrowPrimitiveType, BooleanBuilder, NullBufferBuilder, PrimitiveArray, StringArray},
    buffer::{Buffer, OffsetBuffer, ScalarBuffer},
    compute::cast,
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
        Int64Type, Schema, TimeUnit, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
    error::ArrowError,
};

use super::value;
use crate::{IoError, Result};

/// A text, or null.
pub(crate) type Cell<'a> = Option<Cow<'a, [u8]>>;

/// What is told of a text that its column cannot hold: its row, and the text.
pub(crate) type Misfit<'a> = &'a mut dyn FnMut(usize, &[u8]);

/// That no two columns to be written have one name; nobody could read them again.
pub(crate) fn check_names(schema: &Schema, format: &'static str) -> Result<()> {
    let mut names = HashSet::new();
    match schema.fields().iter().find(|field| !names.insert(field.name())) {
        None => Ok(()),
        Some(field) => Err(IoError::InvalidOption {
            option: "columns",
            reason: format!("are two of the name `{}`, which {format} cannot hold", field.name()),
            hint: Some("give one of them another name"),
        }),
    }
}

/// Whether a column of this type holds text as it is.
pub(crate) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// Whether text can be read as this type.
pub(crate) fn supports(data_type: &DataType) -> bool {
    decode(data_type, false, 0, std::iter::empty(), &mut |_, _| {}).is_ok()
}

/// Reads texts as values of a type; a text that does not fit is told to `misfit` and becomes null.
/// Inferred types are read strictly, so that `007` or `+5` in a column of numbers does not fit; for a
/// type that somebody asked for they are numbers.
pub(crate) fn decode<'a>(
    data_type: &DataType,
    inferred: bool,
    rows: usize,
    cells: impl Iterator<Item = Cell<'a>>,
    misfit: Misfit<'_>,
) -> Result<ArrayRef> {
    Ok(match data_type {
        DataType::Utf8 => Arc::new(strings(rows, cells)?),
        DataType::LargeUtf8 | DataType::Utf8View => cast(&strings(rows, cells)?, data_type)?,
        DataType::Dictionary(_, values) if **values == DataType::Utf8 => {
            cast(&strings(rows, cells)?, data_type)?
        }
        DataType::Boolean => {
            let mut builder = BooleanBuilder::with_capacity(rows);
            for (row, cell) in cells.enumerate() {
                builder.append_option(cell.and_then(|text| fit(row, &text, value::boolean, misfit)));
            }
            Arc::new(builder.finish())
        }
        DataType::Int64 if inferred => primitive::<Int64Type>(rows, cells, value::int64, misfit),
        DataType::Float64 if inferred => primitive::<Float64Type>(rows, cells, value::float64, misfit),
        DataType::Float64 => primitive::<Float64Type>(rows, cells, finite, misfit),
        DataType::Float32 => primitive::<Float32Type>(rows, cells, single, misfit),
        DataType::Int8 => primitive::<Int8Type>(rows, cells, parse, misfit),
        DataType::Int16 => primitive::<Int16Type>(rows, cells, parse, misfit),
        DataType::Int32 => primitive::<Int32Type>(rows, cells, parse, misfit),
        DataType::Int64 => primitive::<Int64Type>(rows, cells, parse, misfit),
        DataType::UInt8 => primitive::<UInt8Type>(rows, cells, parse, misfit),
        DataType::UInt16 => primitive::<UInt16Type>(rows, cells, parse, misfit),
        DataType::UInt32 => primitive::<UInt32Type>(rows, cells, parse, misfit),
        DataType::UInt64 => primitive::<UInt64Type>(rows, cells, parse, misfit),
        DataType::Date32 => primitive::<Date32Type>(rows, cells, value::date32, misfit),
        DataType::Timestamp(unit, zone) => {
            let per_second = per_second(*unit);
            let read = |text: &[u8]| {
                let moment = value::moment(text)?;
                if moment.zoned == zone.is_some() { moment.units(per_second) } else { None }
            };
            cast(&primitive::<Int64Type>(rows, cells, read, misfit), data_type)?
        }
        DataType::Time64(unit @ (TimeUnit::Microsecond | TimeUnit::Nanosecond)) => {
            let per_second = per_second(*unit);
            let read = |text: &[u8]| {
                let moment = value::moment(&[b"1970-01-01T", text].concat())?;
                if moment.zoned { None } else { moment.units(per_second) }
            };
            cast(&primitive::<Int64Type>(rows, cells, read, misfit), data_type)?
        }
        DataType::Decimal128(precision, scale) if *scale >= 0 => {
            let read = |text: &[u8]| decimal(text, *precision, scale.unsigned_abs());
            let array = build::<Decimal128Type>(rows, cells, read, misfit);
            Arc::new(array.with_precision_and_scale(*precision, *scale)?)
        }
        other => {
            return Err(ArrowError::NotYetImplemented(format!("text cannot be read as {other}")).into());
        }
    })
}

fn fit<T>(row: usize, text: &[u8], read: impl Fn(&[u8]) -> Option<T>, misfit: Misfit<'_>) -> Option<T> {
    let value = read(text);
    if value.is_none() {
        misfit(row, text);
    }
    value
}

fn build<'a, T: ArrowPrimitiveType>(
    rows: usize,
    cells: impl Iterator<Item = Cell<'a>>,
    read: impl Fn(&[u8]) -> Option<T::Native>,
    misfit: Misfit<'_>,
) -> PrimitiveArray<T> {
    let (mut values, mut nulls) = (Vec::with_capacity(rows), NullBufferBuilder::new(rows));
    for (row, cell) in cells.enumerate() {
        match cell.and_then(|text| fit(row, &text, &read, misfit)) {
            Some(value) => {
                values.push(value);
                nulls.append_non_null();
            }
            None => {
                values.push(T::default_value());
                nulls.append_null();
            }
        }
    }
    PrimitiveArray::new(values.into(), nulls.finish())
}

fn primitive<'a, T: ArrowPrimitiveType>(
    rows: usize,
    cells: impl Iterator<Item = Cell<'a>>,
    read: impl Fn(&[u8]) -> Option<T::Native>,
    misfit: Misfit<'_>,
) -> ArrayRef {
    Arc::new(build::<T>(rows, cells, read, misfit))
}

/// Texts as they are. They come from a window of at most 2 GiB, so their places fit in 32 bits.
fn strings<'a>(rows: usize, cells: impl Iterator<Item = Cell<'a>>) -> Result<StringArray> {
    let mut offsets = Vec::with_capacity(rows + 1);
    let mut nulls = NullBufferBuilder::new(rows);
    let mut bytes = Vec::new();
    offsets.push(0);
    for cell in cells {
        match cell {
            Some(text) => {
                bytes.extend_from_slice(&text);
                nulls.append_non_null();
            }
            None => nulls.append_null(),
        }
        offsets.push(i32::try_from(bytes.len()).map_err(|_| ArrowError::OffsetOverflowError(bytes.len()))?);
    }
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    Ok(StringArray::try_new(offsets, Buffer::from_vec(bytes), nulls.finish())?)
}

const fn per_second(unit: TimeUnit) -> u32 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

fn parse<T: FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A float; a finite text that is too large for one does not fit.
fn finite(text: &[u8]) -> Option<f64> {
    if let Some(number) = value::short_decimal(text) {
        return Some(number);
    }
    let number: f64 = parse(text)?;
    (number.is_finite() || names_no_number(text)).then_some(number)
}

fn single(text: &[u8]) -> Option<f32> {
    let number: f32 = parse(text)?;
    (number.is_finite() || names_no_number(text)).then_some(number)
}

/// Whether a text that is a float is `NaN` or an infinity by its letters.
fn names_no_number(text: &[u8]) -> bool {
    !text.iter().any(u8::is_ascii_digit)
}

/// A decimal number whose digits all fit.
fn decimal(text: &[u8], precision: u8, scale: u8) -> Option<i128> {
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let point = memchr::memchr(b'.', unsigned);
    let (whole, fraction) = match point {
        Some(at) => (unsigned.get(..at)?, unsigned.get(at + 1..)?),
        None => (unsigned, &[][..]),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let kept = fraction.len().min(usize::from(scale));
    let (fraction, rest) = fraction.split_at_checked(kept)?;
    if rest.iter().any(|digit| *digit != b'0') {
        return None;
    }
    let zeros = std::iter::repeat_n(&b'0', usize::from(scale) - kept);
    let mut magnitude = 0i128;
    for digit in whole.iter().chain(fraction).chain(zeros) {
        let digit = i128::from(char::from(*digit).to_digit(10)?);
        magnitude = magnitude.checked_mul(10)?.checked_add(digit)?;
    }
    (magnitude < 10i128.checked_pow(u32::from(precision))?).then_some(if negative {
        -magnitude
    } else {
        magnitude
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Array;
    use arrow::util::display::array_value_to_string;

    fn check(data_type: DataType, inferred: bool, texts: &[&str], expected: &[&str]) {
        let cells = texts.iter().map(|text| Some(Cow::Borrowed(text.as_bytes())));
        let mut misfits = Vec::new();
        let array =
            decode(&data_type, inferred, texts.len(), cells, &mut |row, _| misfits.push(row)).unwrap();
        assert_eq!(array.data_type(), &data_type);
        let shown: Vec<String> = (0..array.len())
            .map(|row| {
                assert_eq!(array.is_null(row), misfits.contains(&row));
                if array.is_null(row) { "misfit".into() } else { array_value_to_string(&array, row).unwrap() }
            })
            .collect();
        assert_eq!(shown, expected, "{data_type}");
    }

    #[test]
    fn a_type_asked_for_is_read_leniently_and_an_inferred_one_strictly() {
        let texts = ["7", "007", "+7", " 7", "7.5"];
        check(DataType::Int64, true, &texts, &["7", "misfit", "misfit", "misfit", "misfit"]);
        check(DataType::Int64, false, &texts, &["7", "7", "7", "misfit", "misfit"]);
        check(DataType::Float64, true, &texts, &["7.0", "misfit", "misfit", "misfit", "7.5"]);
        check(DataType::Float64, false, &texts, &["7.0", "7.0", "7.0", "misfit", "7.5"]);
    }

    #[test]
    fn nothing_is_rounded_or_cut_to_fit() {
        let decimals = ["1.20", "1.230", "1.234", "-999.99", "1000", ".5", "5.", ".", "1e3"];
        check(
            DataType::Decimal128(5, 2),
            false,
            &decimals,
            &["1.20", "1.23", "misfit", "-999.99", "misfit", "0.50", "5.00", "misfit", "misfit"],
        );
        check(DataType::Int8, false, &["127", "128", "1.0"], &["127", "misfit", "misfit"]);
        check(DataType::Float32, false, &["1e39", "inf", "0.5"], &["misfit", "inf", "0.5"]);
        check(DataType::Float64, false, &["1e309", "NaN"], &["misfit", "NaN"]);
        let moments = ["2024-01-01T00:00:00", "2024-01-01T00:00:00.5", "2024-01-01T00:00:00Z"];
        check(
            DataType::Timestamp(TimeUnit::Second, None),
            false,
            &moments,
            &["2024-01-01T00:00:00", "misfit", "misfit"],
        );
        check(
            DataType::Time64(TimeUnit::Microsecond),
            false,
            &["01:02:03.5", "01:02:03.0000001", "1:2"],
            &["01:02:03.500", "misfit", "misfit"],
        );
    }

    #[test]
    fn a_type_that_no_text_stands_for_is_not_supported() {
        assert!(!supports(&DataType::Null));
        assert!(!supports(&DataType::new_list(DataType::Int64, true)));
        assert!(supports(&DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))));
    }
}
