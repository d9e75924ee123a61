//! What does a tensor of weights become, and what does it stand for?

use bowstring_core::Cancel;
use bowstring_simd::{Recent, Work, large_pages, run, run_with};
use rayon::prelude::*;

use crate::{
    Bits, CodeType, Half, Offset, QuantError, Result, ScaleType, Scheme,
    grid::{Form, Grid, Range, all_finite},
    levels::{Levels, Linear, Quadratic},
    method::{Matrix, Method, Prepared, Rounded},
    pack::{Pack, Unpack, has_length},
    quality::{Add, Quality, Tally},
    scales::Scales,
    scheme::Strides,
    weights::{Weights, at_once},
};

/// About how many weights a thread takes at once: they and their codes stay in its cache.
const BLOCK: usize = 1 << 14;

/// A matrix of weights, written with a few bits each: `rows` output channels of `columns` inputs.
///
/// The parts stand in memory as they stand in files. Of each row: `codes`, packed as [`pack`](crate::pack())
/// says, [`bytes`](crate::Bits::bytes) of them; `scales`, one for each group, little-endian, of the scheme's type;
/// `offsets`, nothing for [`Offset::Symmetric`], the zero points packed like codes for [`Offset::ZeroPoint`], the
/// minima like scales for [`Offset::Minimum`]. They are its own, or stand elsewhere as those of a `Quantized<&[u8]>`.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantized<B = Vec<u8>> {
    /// How the weights are written.
    pub scheme: Scheme,
    /// How many output channels there are.
    pub rows: usize,
    /// How many weights each of them has.
    pub columns: usize,
    /// What scales of [`ScaleType::F8`] count in: a finite number above 0; 1 where they are of another type.
    pub scale_unit: f32,
    /// The codes of all rows.
    pub codes: B,
    /// The scales of all rows.
    pub scales: B,
    /// The zero points or minima of all rows.
    pub offsets: B,
}

/// Some rows of the parts of a matrix, and what their errors are added to.
struct Parts<'a> {
    codes: &'a mut [u8],
    scales: &'a mut [u8],
    offsets: &'a mut [u8],
    /// One for each [`block`] of rows, or none where errors are not asked for.
    tallies: &'a mut [Tally],
}

impl Quantized {
    /// Quantises `weights`, rows of `columns` each, on the threads of the current rayon pool. The result does
    /// not depend on how many there are.
    ///
    /// # Errors
    /// [`QuantError::Length`] when rows are not whole, and [`QuantError::Option`] when there is [no such scheme](Scheme::check), or
    /// importances are not numbers of at least 0, one for each column; [`QuantError::NotFinite`] for NaN and infinities; [`QuantError::Scale`] when
    /// a scale does not fit its type; [`QuantError::Cancelled`].
    pub fn of(
        weights: &[f32],
        columns: usize,
        scheme: Scheme,
        method: &Method,
        cancel: &Cancel,
    ) -> Result<Self> {
        Self::written(Weights::Numbers(weights), columns, scheme, &method.prepared(columns)?, cancel, &mut [])
    }

    /// [`of`](Self::of) and [`quality`](Self::quality) in one go, which is faster: errors are added up while weights
    /// and codes are in a cache.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn measured(
        weights: &[f32],
        columns: usize,
        scheme: Scheme,
        method: &Method,
        cancel: &Cancel,
    ) -> Result<(Self, Quality)> {
        Self::measured_of(Weights::Numbers(weights), columns, scheme, &method.prepared(columns)?, cancel)
    }

    /// The same of weights that stand as bytes, too, by a method that is prepared for rows of so many.
    pub(crate) fn measured_of(
        weights: Weights<'_>,
        columns: usize,
        scheme: Scheme,
        method: &Prepared<'_>,
        cancel: &Cancel,
    ) -> Result<(Self, Quality)> {
        let rows = weights.count().checked_div(columns).unwrap_or(0);
        let mut tallies = vec![Tally::default(); rows.div_ceil(block(columns))];
        let this = Self::written(weights, columns, scheme, method, cancel, &mut tallies)?;
        Ok((this, Tally::all(tallies).quality()))
    }

    /// The parts, and errors in `tallies`, if there is one for each [`block`] of rows.
    fn written(
        weights: Weights<'_>,
        columns: usize,
        scheme: Scheme,
        method: &Prepared<'_>,
        cancel: &Cancel,
        tallies: &mut [Tally],
    ) -> Result<Self> {
        let rows = weights.count().checked_div(columns).unwrap_or(0);
        has_length("weights of whole rows", weights.count(), rows * columns)?;
        scheme.check()?;
        let strides = scheme.strides(columns);
        let scale_unit = scale_unit(weights, columns, scheme, method.headroom());
        let kind = Scales::of(scheme.scale_type, scale_unit);
        let recent = Recent::detect();
        let mut this = Self {
            scheme,
            rows,
            columns,
            scale_unit,
            codes: vec![0; rows * strides.codes],
            scales: vec![0; rows * strides.scales],
            offsets: vec![0; rows * strides.offsets],
        };
        large_pages(&this.codes);
        let tally_rows = block(columns);
        let block = method.block(columns);
        let chunks = |stride: usize| (block * stride).max(1);
        let count = rows.div_ceil(block);
        let failure = this
            .codes
            .par_chunks_mut(chunks(strides.codes))
            .zip(this.scales.par_chunks_mut(chunks(strides.scales)))
            .zip(pieces(&mut this.offsets, chunks(strides.offsets), count))
            .zip(pieces(tallies, block / tally_rows, count))
            .enumerate()
            .map_init(Default::default, |(numbers, buffers): &mut (Vec<f32>, Buffers), (index, parts)| {
                cancel.check()?;
                let (((codes, scales), offsets), tallies) = parts;
                let parts = Parts { codes, scales, offsets, tallies };
                let first = index * chunks(columns);
                let some = weights.some(first..weights.count().min(first + chunks(columns)));
                let rows = Matrix { weights: some.numbers(numbers), columns };
                Rows { recent, rows, scheme, kind, strides, method, parts }
                    .write(buffers)
                    .map_err(|stop| stop.error(weights, index * block, scheme.scale_type))
            })
            // The first in the order of rows, whichever thread was the fastest.
            .find_map_first(Result::err);
        failure.map_or(Ok(this), Err)
    }
}

impl<B: AsRef<[u8]> + Sync> Quantized<B> {
    /// That each part has the bytes that scheme and shape say, and scales have a unit.
    pub(crate) fn check(&self) -> Result<Strides> {
        let Self { scheme, rows, columns, scale_unit, codes, scales, offsets } = self;
        scheme.check()?;
        if !(*scale_unit > 0.0 && scale_unit.is_finite()) {
            let expected = "a finite number above 0";
            return Err(QuantError::Option { option: "scale_unit", value: scale_unit.to_string(), expected });
        }
        have_bytes(*scheme, *rows, *columns, [codes.as_ref(), scales.as_ref(), offsets.as_ref()])
    }

    /// How many bytes all parts take; the unit of scales is none of them, but said of the matrix like its scheme.
    pub fn bytes(&self) -> usize {
        self.codes.as_ref().len() + self.scales.as_ref().len() + self.offsets.as_ref().len()
    }

    /// Writes the weights that the codes stand for into `weights`, which has room for all of them, on the
    /// threads of the current rayon pool. Memory that is touched for the first time takes the system longer to give than
    /// this takes to fill, so that room which is used again and again pays.
    ///
    /// # Errors
    /// [`QuantError::Length`] when `weights` or a part has another length than shape and scheme say;
    /// [`QuantError::Option`] when there is no such scheme or unit.
    pub fn dequantize(&self, weights: &mut [f32]) -> Result<()> {
        self.fill(weights, |strides, first, weights, _| run(self.values(strides, first, weights)))
    }

    /// The same as the bits of numbers of 16 bits, the nearest ones, which may be infinite.
    ///
    /// # Errors
    /// As [`dequantize`](Self::dequantize).
    pub fn dequantize_to_half(&self, kind: Half, halves: &mut [u16]) -> Result<()> {
        self.fill(halves, |strides, first, halves, weights| {
            weights.resize(halves.len(), 0.0);
            run(self.values(strides, first, weights));
            kind.write(weights, halves);
        })
    }

    /// Has numbers written for all weights, some whole rows at a time, of which the first is named; with room for
    /// weights, which is used again.
    fn fill<T: Send>(
        &self,
        numbers: &mut [T],
        write: impl Fn(Strides, usize, &mut [T], &mut Vec<f32>) + Sync,
    ) -> Result<()> {
        let Self { rows, columns, .. } = *self;
        let strides = self.check()?;
        has_length("weights", numbers.len(), rows.saturating_mul(columns))?;
        large_pages(numbers);
        let block = block(columns);
        numbers
            .par_chunks_mut((block * columns).max(1))
            .enumerate()
            .for_each_init(Vec::new, |room, (index, numbers)| write(strides, index * block, numbers, room));
        Ok(())
    }

    /// How far the weights that the codes stand for are from `weights`, without room for all of them.
    ///
    /// # Errors
    /// As [`dequantize`](Self::dequantize).
    pub fn quality(&self, weights: &[f32]) -> Result<Quality> {
        self.quality_of(Weights::Numbers(weights))
    }

    /// The same of weights that stand as bytes, too.
    pub(crate) fn quality_of(&self, weights: Weights<'_>) -> Result<Quality> {
        let Self { rows, columns, .. } = *self;
        let strides = self.check()?;
        has_length("weights", weights.count(), rows.saturating_mul(columns))?;
        let block = block(columns);
        let blocks: Vec<Weights<'_>> = weights.chunks(block * columns).collect();
        let tallies: Vec<Tally> = blocks
            .into_par_iter()
            .enumerate()
            .map_init(<(Vec<f32>, Vec<f32>)>::default, |(numbers, values), (index, weights)| {
                values.resize(weights.count(), 0.0);
                run(self.values(strides, index * block, values));
                Tally::of_rows(weights.numbers(numbers), values, columns)
            })
            .collect();
        Ok(Tally::all(tallies).quality())
    }

    /// Gives what the codes stand for to `each`, [whole rows](at_once) at a time, with the number of the first weight.
    pub(crate) fn chunks(&self, cancel: &Cancel, mut each: impl FnMut(usize, &[f32])) -> Result<()> {
        let Self { rows, columns, .. } = *self;
        let strides = self.check()?;
        let (count, block) = (rows.saturating_mul(columns), block(columns));
        let mut values = vec![0.0; count.min(at_once(columns))];
        for first in (0..count).step_by(at_once(columns)) {
            cancel.check()?;
            let values = &mut values[..at_once(columns).min(count - first)];
            values.par_chunks_mut((block * columns).max(1)).enumerate().for_each(|(index, values)| {
                run(self.values(strides, first / columns + index * block, values));
            });
            each(first, values);
        }
        Ok(())
    }

    /// The work that gives the weights of some rows.
    fn values<'a>(&'a self, strides: Strides, first: usize, weights: &'a mut [f32]) -> Values<'a> {
        let Self { scheme, columns, .. } = *self;
        let rows = weights.len().checked_div(columns).unwrap_or(0);
        let part = |part: &'a [u8], stride: usize| &part[first * stride..(first + rows) * stride];
        Values {
            weights,
            columns,
            scheme,
            scales_of: Scales::of(scheme.scale_type, self.scale_unit),
            strides,
            codes: part(self.codes.as_ref(), strides.codes),
            scales: part(self.scales.as_ref(), strides.scales),
            offsets: part(self.offsets.as_ref(), strides.offsets),
        }
    }
}

/// `count` pieces of so many, which are empty where there is nothing.
fn pieces<T>(all: &mut [T], size: usize, count: usize) -> Vec<&mut [T]> {
    let mut pieces: Vec<_> = all.chunks_mut(size).collect();
    pieces.resize_with(count, Default::default);
    pieces
}

/// That codes, scales and offsets have the bytes that scheme and shape say.
pub(crate) fn have_bytes(scheme: Scheme, rows: usize, columns: usize, parts: [&[u8]; 3]) -> Result<Strides> {
    let strides = scheme.strides(columns);
    let [codes, scales, offsets] = parts.map(<[u8]>::len);
    has_length("bytes of codes", codes, rows.saturating_mul(strides.codes))?;
    has_length("bytes of scales", scales, rows.saturating_mul(strides.scales))?;
    has_length("bytes of offsets", offsets, rows.saturating_mul(strides.offsets))?;
    Ok(strides)
}

/// How many rows of so many columns a thread takes at once.
pub(crate) fn block(columns: usize) -> usize {
    (BLOCK / columns.max(1)).max(1)
}

/// Why some rows could not be written.
#[derive(Clone, Copy, Debug)]
enum Stop {
    /// A weight is not finite.
    NotFinite,
    /// The scale of a group of a row does not fit its type.
    Scale { row: usize, group: usize },
}

impl Stop {
    /// Of rows that begin with `first_row` of all `weights`.
    fn error(self, weights: Weights<'_>, first_row: usize, scale_type: ScaleType) -> QuantError {
        match self {
            Self::NotFinite => counted(weights),
            Self::Scale { row, group } => {
                QuantError::Scale { row: first_row + row, group, scale_type: scale_type.name() }
            }
        }
    }
}

/// What is wrong with weights of which some are NaN or infinite; `None` where all are finite.
pub(crate) fn not_finite(weights: Weights<'_>) -> Option<QuantError> {
    let mut buffer = Vec::new();
    let finite = weights.chunks(BLOCK).all(|some| all_finite(some.numbers(&mut buffer)));
    (!finite).then(|| counted(weights))
}

fn counted(weights: Weights<'_>) -> QuantError {
    let (mut nans, mut infinities, mut first) = (0, 0, None);
    let mut buffer = Vec::new();
    for (index, some) in weights.chunks(BLOCK).enumerate() {
        let some = some.numbers(&mut buffer);
        nans += some.iter().filter(|weight| weight.is_nan()).count();
        infinities += some.iter().filter(|weight| weight.is_infinite()).count();
        let odd = some.iter().position(|weight| !weight.is_finite());
        first = first.or(odd.map(|place| index * BLOCK + place));
    }
    QuantError::NotFinite { nans, infinities, first: first.unwrap_or_default() }
}

/// Room for what is between weights and their parts.
#[derive(Debug, Default)]
struct Buffers {
    rounded: Rounded,
    zeros: Vec<u8>,
    values: Vec<f32>,
}

/// Quantises some rows, step by step, each compiled by itself: all of them at once need more registers than there are.
struct Rows<'a> {
    recent: Option<Recent>,
    rows: Matrix<'a>,
    scheme: Scheme,
    kind: Scales,
    strides: Strides,
    method: &'a Prepared<'a>,
    parts: Parts<'a>,
}

impl Rows<'_> {
    fn write(self, buffers: &mut Buffers) -> Result<(), Stop> {
        let Self { recent, rows: Matrix { weights, columns }, scheme, kind, strides, method, parts } = self;
        let Buffers { rounded, zeros, values } = buffers;
        let groups = scheme.group.count(columns);
        let step = method.step(columns);
        for (index, weights) in weights.chunks(step * columns).enumerate() {
            let (first, rows) = (index * step, weights.len() / columns);
            if !method.round(recent, Matrix { weights, columns }, scheme, kind, rounded) {
                return Err(Stop::NotFinite);
            }
            let Rounded { codes, grids } = &*rounded;
            if let Some(odd) = grids.iter().position(|grid| !grid.is_finite()) {
                return Err(Stop::Scale { row: first + odd / groups, group: odd % groups });
            }
            let scales = &mut parts.scales[first * strides.scales..][..rows * strides.scales];
            let offsets = &mut parts.offsets[first * strides.offsets..][..rows * strides.offsets];
            let packed = &mut parts.codes[first * strides.codes..][..rows * strides.codes];
            run_with(recent, Store { grids, number: |grid: &Grid| grid.scale, kind, bytes: scales });
            run_with(recent, PackRows { bits: scheme.bits, codes, columns, packed });
            match scheme.offset {
                Offset::Symmetric => {}
                Offset::ZeroPoint => {
                    zeros.clear();
                    zeros.extend(grids.iter().map(|grid| grid.zero as u8));
                    let packed = offsets;
                    run_with(recent, PackRows { bits: scheme.bits, codes: zeros, columns: groups, packed });
                }
                Offset::Minimum => {
                    run_with(
                        recent,
                        Store { grids, number: |grid: &Grid| grid.minimum, kind, bytes: offsets },
                    );
                }
            }
            if parts.tallies.is_empty() {
                continue;
            }
            values.resize(weights.len(), 0.0);
            run_with(recent, Decode { codes, grids, columns, scheme, values });
            for (row, (weights, values)) in weights.chunks(columns).zip(values.chunks(columns)).enumerate() {
                let tally = &mut parts.tallies[(first + row) / block(columns)];
                *tally = run_with(recent, Add { tally: *tally, weights, values });
            }
        }
        Ok(())
    }
}

/// Stores a number of each grid.
struct Store<'a, F> {
    grids: &'a [Grid],
    number: F,
    kind: Scales,
    bytes: &'a mut [u8],
}

impl<F: Fn(&Grid) -> f32> Work for Store<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (index, grid) in self.grids.iter().enumerate() {
            self.kind.write((self.number)(grid), self.bytes, index);
        }
    }
}

/// Packs rows of so many codes, each of which begins with a byte of its own.
struct PackRows<'a> {
    bits: Bits,
    codes: &'a [u8],
    columns: usize,
    packed: &'a mut [u8],
}

impl Work for PackRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { bits, codes, columns, packed } = self;
        for (codes, packed) in codes.chunks_exact(columns).zip(packed.chunks_exact_mut(bits.bytes(columns))) {
            Pack { bits, codes, packed }.run();
        }
    }
}

/// Writes the values that codes have on their grids.
struct Decode<'a> {
    codes: &'a [u8],
    grids: &'a [Grid],
    columns: usize,
    scheme: Scheme,
    values: &'a mut [f32],
}

impl Work for Decode<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { codes, grids, columns, scheme, values } = self;
        let size = scheme.group.size(columns);
        let rows = values.chunks_exact_mut(columns).zip(codes.chunks_exact(columns));
        for ((values, codes), grids) in rows.zip(grids.chunks_exact(scheme.group.count(columns))) {
            for ((values, codes), grid) in values.chunks_mut(size).zip(codes.chunks(size)).zip(grids) {
                match scheme.code_type {
                    CodeType::Linear => grid.decode(codes, Linear, values),
                    CodeType::Quadratic => grid.decode(codes, Quadratic::of(scheme.bits), values),
                }
            }
        }
    }
}

/// Gives some rows back as weights.
struct Values<'a> {
    weights: &'a mut [f32],
    columns: usize,
    scheme: Scheme,
    scales_of: Scales,
    strides: Strides,
    codes: &'a [u8],
    scales: &'a [u8],
    offsets: &'a [u8],
}

impl Work for Values<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        match self.scheme.code_type {
            CodeType::Linear => self.by(Linear),
            CodeType::Quadratic => {
                let levels = Quadratic::of(self.scheme.bits);
                self.by(levels);
            }
        }
    }
}

impl Values<'_> {
    #[inline(always)]
    fn by<L: Levels>(self, levels: L) {
        let Self { weights, columns, scheme, scales_of: kind, strides, .. } = self;
        // Quadratic codes begin at the middle, which is none of them.
        let begin = match scheme.code_type {
            CodeType::Linear => 0.0,
            CodeType::Quadratic => 0.5 * f32::from(scheme.bits.largest()),
        };
        let size = scheme.group.size(columns);
        let mut codes = vec![0; columns];
        let mut zeros = vec![0; scheme.group.count(columns)];
        for (row, weights) in weights.chunks_exact_mut(columns).enumerate() {
            let packed = &self.codes[row * strides.codes..][..strides.codes];
            let scales = &self.scales[row * strides.scales..][..strides.scales];
            let offsets = &self.offsets[row * strides.offsets..][..strides.offsets];
            Unpack { bits: scheme.bits, packed, codes: &mut codes }.run();
            if scheme.offset == Offset::ZeroPoint {
                Unpack { bits: scheme.bits, packed: offsets, codes: &mut zeros }.run();
            }
            for (group, (weights, codes)) in weights.chunks_mut(size).zip(codes.chunks(size)).enumerate() {
                let scale = kind.read(scales, group);
                let (zero, minimum) = match scheme.offset {
                    Offset::Symmetric => (f32::from(scheme.bits.middle()), 0.0),
                    Offset::ZeroPoint => (f32::from(zeros[group]), 0.0),
                    Offset::Minimum => (begin, kind.read(offsets, group)),
                };
                Grid { scale, zero, minimum }.decode(codes, levels, weights);
            }
        }
    }
}

/// What the scales of weights count in that may become so many times as large as those of the weights as they are.
fn scale_unit(weights: Weights<'_>, columns: usize, scheme: Scheme, headroom: f32) -> f32 {
    match scheme.scale_type {
        ScaleType::F32 | ScaleType::F16 | ScaleType::Bf16 => 1.0,
        ScaleType::F8 => {
            let blocks: Vec<Weights<'_>> = weights.chunks(block(columns) * columns).collect();
            let largest = blocks
                .into_par_iter()
                .map_init(Vec::new, |buffer, some| {
                    run(Largest { weights: some.numbers(buffer), columns, scheme })
                })
                .reduce(|| 0.0, f32::max);
            Scales::unit(ScaleType::F8, largest * headroom)
        }
    }
}

/// Finds the largest scale of some rows.
struct Largest<'a> {
    weights: &'a [f32],
    columns: usize,
    scheme: Scheme,
}

impl Work for Largest<'_> {
    type Output = f32;

    #[inline(always)]
    fn run(self) -> f32 {
        match self.scheme.code_type {
            CodeType::Linear => self.by(Linear),
            CodeType::Quadratic => self.by(Quadratic::of(self.scheme.bits)),
        }
    }
}

impl Largest<'_> {
    #[inline(always)]
    fn by<L: Levels>(&self, levels: L) -> f32 {
        let Self { weights, columns, scheme } = *self;
        let form = Form { scheme, levels, scales: Scales::WIDE };
        let size = scheme.group.size(columns);
        let groups = weights.chunks_exact(columns).flat_map(|row| row.chunks(size));
        // That of a group of zeros says nothing.
        let ranges = groups.map(Range::of).filter(|range| (range.least, range.greatest) != (0.0, 0.0));
        ranges.map(|range| Grid::over(range, &form).scale.abs()).fold(0.0, f32::max)
    }
}

#[cfg(test)]
pub(crate) mod tests;
