//! What is behind `bowstring.quant.pack` and `quantize_array`, and the ways back?

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, PrimitiveArray},
    buffer::{Buffer, ScalarBuffer},
    compute::{CastOptions, cast_with_options},
    datatypes::{ArrowNativeType, ArrowPrimitiveType, DataType, Float32Type, Float64Type, UInt8Type},
};
use bowstring::quant::{
    self, Bits, Gptq, Group, Half, Hessian, Method, Offset, Order, QuantError, Quantization, Quantized,
    RoundingMethod, ScaleType, Scheme, on_threads,
};
use pyo3::{
    buffer::{Element, PyBuffer},
    prelude::*,
    types::PyDict,
};

use crate::{
    arguments::Options,
    columns::{array, numpy},
    error::{Fault, Result},
    quant::{failed, request, word},
    typed,
    work::work_apart,
};

/// Codes of so many bits, one after the other.
#[pyfunction]
pub(crate) fn pack_codes<'py>(
    py: Python<'py>,
    codes: &Bound<'py, PyAny>,
    bits: &Bound<'py, PyAny>,
) -> Result<Bound<'py, PyAny>> {
    let (codes, bits) = (array(codes)?, width(bits)?);
    let packed = work_apart(py, move |_| {
        let codes = bytes("codes", &codes)?;
        let mut packed = vec![0; bits.bytes(codes.len())];
        quant::pack(bits, codes.values(), &mut packed).map_err(failed)?;
        Ok(packed)
    })?;
    Ok(numpy(py, packed.into(), "uint8")?)
}

/// The codes that were packed.
#[pyfunction]
pub(crate) fn unpack_codes<'py>(
    py: Python<'py>,
    packed: &Bound<'py, PyAny>,
    bits: &Bound<'py, PyAny>,
    count: &Bound<'py, PyAny>,
) -> Result<Bound<'py, PyAny>> {
    let (packed, bits) = (array(packed)?, width(bits)?);
    let count = typed::one::<usize>("count", count)?;
    let codes = work_apart(py, move |_| {
        let packed = bytes("packed", &packed)?;
        fits("packed codes", packed.len(), bits.bytes(count))?;
        let mut codes = vec![0; count];
        quant::unpack(bits, packed.values(), &mut codes).map_err(failed)?;
        Ok(codes)
    })?;
    Ok(numpy(py, codes.into(), "uint8")?)
}

/// An array with a few bits for each number, as the fields of a `QuantizedArray`. `shape` is that of numbers which
/// come row by row; what comes through Arrow has its own.
#[pyfunction]
pub(crate) fn quantize_array<'py>(
    py: Python<'py>,
    weights: &Bound<'py, PyAny>,
    shape: Option<Vec<usize>>,
    options: &Bound<'py, PyDict>,
) -> Result<Bound<'py, PyDict>> {
    let given = Options(options);
    let request = request(&given)?;
    let scheme = request.scheme().map_err(failed)?;
    let Quantization { method, damping, order, threads, .. } = request;
    let counted = |name| given.any(name)?.map(|numbers| array(&numbers)).transpose();
    let (importance, moments) = (counted("importance")?, counted("second_moments")?);
    let (weights, shape) = given_weights(array(weights)?, shape)?;
    let columns = columns(&shape);
    let method = array_method(method, importance, moments, columns, damping, order)?;
    let (matrix, quality) = work_apart(py, move |cancel| {
        let weights = floats("array", &weights)?;
        let work = || Quantized::measured(weights.values(), columns, scheme, &method, cancel);
        on_threads(threads, work).map_err(failed)
    })?;
    let scales = match scheme.scale_type {
        ScaleType::F32 => "<f4",
        ScaleType::F16 => "<f2",
        ScaleType::Bf16 => "<u2",
        ScaleType::F8 => "i1",
    };
    let offsets = match scheme.offset {
        Offset::Minimum => scales,
        Offset::Symmetric | Offset::ZeroPoint => "u1",
    };
    let rows = matrix.rows;
    let part = |bytes: Vec<u8>, kind: &str| {
        let numbers = numpy(py, bytes.into(), kind)?;
        let stride = numbers.len()?.checked_div(rows).unwrap_or(0);
        numbers.call_method1("reshape", (rows, stride))
    };
    let fields = PyDict::new(py);
    fields.set_item("shape", shape)?;
    fields.set_item("bits", scheme.bits.count())?;
    match scheme.group {
        Group::Of(size) => fields.set_item("group_size", size)?,
        Group::Channel => fields.set_item("group_size", scheme.group.to_string())?,
    }
    fields.set_item("scheme", scheme.offset.name())?;
    fields.set_item("scale_type", scheme.scale_type.name())?;
    fields.set_item("scale_unit", matrix.scale_unit)?;
    fields.set_item("code_type", scheme.code_type.name())?;
    fields.set_item("codes", part(matrix.codes, "u1")?)?;
    fields.set_item("scales", part(matrix.scales, scales)?)?;
    fields.set_item("offsets", part(matrix.offsets, offsets)?)?;
    fields.set_item("sqnr", quality.sqnr)?;
    fields.set_item("relative_error", quality.relative_error)?;
    fields.set_item("cosine", quality.cosine)?;
    fields.set_item("largest_error", quality.largest_error)?;
    Ok(fields)
}

/// What the bytes of a `QuantizedArray` stand for, row by row: in memory of its own, or in that of `out`, a flat array
/// of as many floats, or unsigned integers of 16 bits for halves; then `None`.
#[pyfunction]
pub(crate) fn dequantize_array<'py>(
    py: Python<'py>,
    shape: Vec<usize>,
    parts: [Bound<'py, PyAny>; 3],
    options: &Bound<'py, PyDict>,
    out: Option<Bound<'py, PyAny>>,
) -> Result<Option<Bound<'py, PyAny>>> {
    let given = Options(options);
    let request = request(&given)?;
    let (scheme, threads) = (request.scheme().map_err(failed)?, request.threads);
    let scheme = Scheme { offset: word(&given, "scheme")?.unwrap_or(scheme.offset), ..scheme };
    let half = half(&given)?;
    let scale_unit = given.one::<f64>("scale_unit")?.unwrap_or(1.0) as f32;
    let [codes, scales, offsets] = parts;
    let parts = [("codes", array(&codes)?), ("scales", array(&scales)?), ("offsets", array(&offsets)?)];
    let (floats, halves) = match half {
        None => (out.map(|out| Room::<f32>::of(&out)).transpose()?, None),
        Some(_) => (None, out.map(|out| Room::<u16>::of(&out)).transpose()?),
    };
    let numbers = work_apart(py, move |cancel| {
        let part =
            |(name, part): &(&'static str, ArrayRef)| bytes(name, part).map(|part| part.values().clone());
        let parts = [part(&parts[0])?, part(&parts[1])?, part(&parts[2])?];
        let [codes, scales, offsets] = parts.each_ref().map(AsRef::<[u8]>::as_ref);
        let count = shape.iter().fold(1, |all: usize, &axis| all.saturating_mul(axis));
        let columns = columns(&shape);
        let rows = count.checked_div(columns).unwrap_or(0);
        let matrix = Quantized { scheme, rows, columns, scale_unit, codes, scales, offsets };
        fits("bytes of codes, scales and offsets", matrix.bytes(), scheme.bytes(rows, columns))?;
        let count = rows * columns;
        let numbers = match half {
            None => filled(floats, count, &parts, |numbers| {
                on_threads(threads, || matrix.dequantize(numbers)).map_err(failed)
            })?,
            Some(half) => filled(halves, count, &parts, |numbers| {
                on_threads(threads, || matrix.dequantize_to_half(half, numbers)).map_err(failed)
            })?,
        };
        cancel.check().map_err(bowstring::Error::from)?;
        Ok(numbers)
    })?;
    Ok(numbers.map(|numbers| numpy(py, numbers, float_kind(half))).transpose()?)
}

/// As which numbers of 16 bits floats are asked for; `None` for those of 32.
pub(crate) fn half(options: &Options<'_, '_>) -> Result<Option<Half>> {
    let kinds = [("f32", None), ("f16", Some(Half::F16)), ("bf16", Some(Half::Bf16))];
    Ok(options.word("dtype", &kinds)?.flatten())
}

/// What numpy calls them; it has no bf16, whose bits are whole numbers.
pub(crate) fn float_kind(half: Option<Half>) -> &'static str {
    match half {
        None => "f4",
        Some(Half::F16) => "f2",
        Some(Half::Bf16) => "u2",
    }
}

/// Memory of the caller's that is written to.
struct Room<T>(PyBuffer<T>);

impl<T: Element + Send> Room<T> {
    fn of(out: &Bound<'_, PyAny>) -> Result<Self> {
        let buffer = PyBuffer::get(out)?;
        if !buffer.readonly() && buffer.is_c_contiguous() {
            return Ok(Self(buffer));
        }
        let expected = "memory in one piece that can be written to";
        Err(Fault::Unfit { name: "out".to_owned(), expected, given: "other memory".to_owned() })
    }

    /// The numbers, which must not stand where anything is read from.
    fn numbers(&mut self, read: &[ScalarBuffer<u8>]) -> Result<&mut [T]> {
        let start = self.0.buf_ptr().addr();
        let own = start..start + self.0.len_bytes();
        let is_own = |other: &ScalarBuffer<u8>| {
            let start = other.inner().as_ptr().addr();
            start < own.end && own.start < start + other.len()
        };
        if read.iter().any(|other| !other.is_empty() && is_own(other)) {
            let expected = "memory of its own";
            let given = "that of codes, scales or offsets".to_owned();
            return Err(Fault::Unfit { name: "out".to_owned(), expected, given });
        }
        let Some(mut numbers) = self.0.as_slice_ptr() else { return Ok(&mut []) };
        #[expect(unsafe_code, reason = "numpy's memory is written to without holding the interpreter")]
        // SAFETY: the buffer keeps the memory where it is, has found its type and alignment to be those of `T`, and can be
        // written to in one piece. Nothing that is read stands in it. That nobody else touches it meanwhile is asked of
        // the caller, as numpy does of those of its functions that have an `out`.
        let numbers = unsafe { numbers.as_mut() };
        Ok(numbers)
    }
}

/// Has numbers written into new memory, which is returned, or into that of the caller's, which has room for as many.
fn filled<T: Element + ArrowNativeType>(
    room: Option<Room<T>>,
    count: usize,
    read: &[ScalarBuffer<u8>],
    write: impl FnOnce(&mut [T]) -> Result<()>,
) -> Result<Option<Buffer>> {
    match room {
        None => {
            let mut numbers = vec![T::default(); count];
            write(&mut numbers)?;
            Ok(Some(Buffer::from_vec(numbers)))
        }
        Some(mut room) => {
            write(room.numbers(read)?)?;
            Ok(None)
        }
    }
}

/// How many bits a code has.
pub(crate) fn width(bits: &Bound<'_, PyAny>) -> Result<Bits> {
    let count = typed::one::<usize>("bits", bits)?;
    Bits::try_from(u32::try_from(count).unwrap_or(u32::MAX)).map_err(failed)
}

/// How many inputs an output channel has: the first axis are the channels, and a vector is one.
pub(crate) fn columns(shape: &[usize]) -> usize {
    let inputs = if shape.len() < 2 { shape } else { &shape[1..] };
    inputs.iter().fold(1, |all: usize, &axis| all.saturating_mul(axis))
}

/// The numbers in lists of a fixed size, and how long each axis is.
pub(crate) fn given_weights(
    mut array: ArrayRef,
    shape: Option<Vec<usize>>,
) -> Result<(ArrayRef, Vec<usize>)> {
    if let Some(shape) = shape {
        return Ok((array, shape));
    }
    let mut shape = vec![array.len()];
    while let Some(lists) = array.as_fixed_size_list_opt() {
        complete("array", &array)?;
        shape.push(lists.value_length().try_into().unwrap_or_default());
        array = Arc::clone(lists.values());
    }
    Ok((array, shape))
}

/// The method for one array, with what it goes by.
fn array_method(
    method: RoundingMethod,
    importance: Option<ArrayRef>,
    moments: Option<ArrayRef>,
    columns: usize,
    damping: Option<f64>,
    order: Option<Order>,
) -> Result<Method> {
    let unfit = |name: &str, expected, given: &str| {
        Err(Fault::Unfit { name: name.to_owned(), expected, given: given.to_owned() })
    };
    if importance.is_some() && !matches!(method, RoundingMethod::Mse | RoundingMethod::Weighted) {
        return unfit("importance", "None with a method that does not search", "numbers");
    }
    if moments.is_some() && method != RoundingMethod::Gptq {
        return unfit("second_moments", "None with a method other than \"gptq\"", "numbers");
    }
    match (method, importance, moments) {
        (RoundingMethod::Nearest, ..) => Ok(Method::Nearest),
        (RoundingMethod::Weighted, None, _) => unfit("importance", "numbers for \"weighted\"", "None"),
        (RoundingMethod::Mse | RoundingMethod::Weighted, importance, _) => {
            let importance = importance
                .map(|numbers| cast::<Float32Type>("importance", &numbers, DataType::is_numeric))
                .transpose()?
                .map(|numbers| numbers.values().as_ref().into());
            Ok(Method::Search { importance })
        }
        (RoundingMethod::Gptq, _, None) => unfit("second_moments", "numbers for \"gptq\"", "None"),
        (RoundingMethod::Gptq, _, Some(moments)) => {
            let moments = cast::<Float64Type>("second_moments", &moments, DataType::is_numeric)?;
            let hessian = Hessian::from_sums(columns, 1.0, moments.values().to_vec()).map_err(failed)?;
            let (damping, order) = (damping.unwrap_or(0.01), order.unwrap_or_default());
            Ok(Method::Gptq(Gptq { hessian: Arc::new(hessian), damping, order }))
        }
    }
}

/// Floats, as the nearest of 32 bits.
pub(crate) fn floats(name: &'static str, values: &ArrayRef) -> Result<PrimitiveArray<Float32Type>> {
    cast(name, values, DataType::is_floating)
}

/// Whole numbers of 0 to 255.
fn bytes(name: &'static str, values: &ArrayRef) -> Result<PrimitiveArray<UInt8Type>> {
    cast(name, values, DataType::is_integer)
}

/// Numbers of another type, which holds each of them or the nearest to it.
fn cast<T: ArrowPrimitiveType>(
    name: &'static str,
    values: &ArrayRef,
    is_expected: impl Fn(&DataType) -> bool,
) -> Result<PrimitiveArray<T>> {
    let expected = match T::DATA_TYPE {
        DataType::UInt8 => "whole numbers from 0 to 255",
        _ => "numbers, or lists of a fixed size of them",
    };
    let unfit = |given: String| Fault::Unfit { name: name.to_owned(), expected, given };
    if !is_expected(values.data_type()) {
        return Err(unfit(values.data_type().to_string()));
    }
    complete(name, values)?;
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let cast = cast_with_options(values, &T::DATA_TYPE, &strict).map_err(|error| unfit(error.to_string()))?;
    Ok(cast.as_primitive::<T>().clone())
}

/// That no value is null.
fn complete(name: &'static str, values: &ArrayRef) -> Result<()> {
    let unfit =
        |nulls| Fault::Unfit { name: name.to_owned(), expected: "no nulls", given: format!("{nulls}") };
    match values.null_count() {
        0 => Ok(()),
        nulls => Err(unfit(nulls)),
    }
}

/// That there are as many bytes as there have to be, before room is made for what they stand for.
fn fits(what: &'static str, length: usize, expected: usize) -> Result<()> {
    if length == expected { Ok(()) } else { Err(failed(QuantError::Length { what, length, expected })) }
}
