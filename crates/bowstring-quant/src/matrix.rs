//! What does a tensor of weights become, and what does it stand for?

use bowstring_core::Cancel;
use bowstring_simd::{Work, large_pages, run};
use rayon::prelude::*;

use crate::{
    CodeType, Offset, QuantError, Result, ScaleType, Scheme,
    grid::{Form, Grid, Range, all_finite},
    levels::{Levels, Linear, Quadratic},
    method::{Method, Prepared, Rounded},
    pack::{Pack, Unpack, has_length},
    quality::{Quality, Tally},
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
/// minima like scales for [`Offset::Minimum`].
#[derive(Clone, Debug, PartialEq)]
pub struct Quantized {
    /// How the weights are written.
    pub scheme: Scheme,
    /// How many output channels there are.
    pub rows: usize,
    /// How many weights each of them has.
    pub columns: usize,
    /// What scales of [`ScaleType::F8`] count in: a finite number above 0; 1 where they are of another type.
    pub scale_unit: f32,
    /// The codes of all rows.
    pub codes: Vec<u8>,
    /// The scales of all rows.
    pub scales: Vec<u8>,
    /// The zero points or minima of all rows.
    pub offsets: Vec<u8>,
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
        Self::of_weights(Weights::Numbers(weights), columns, scheme, method, cancel)
    }

    /// The same of weights that stand as bytes, too.
    pub(crate) fn of_weights(
        weights: Weights<'_>,
        columns: usize,
        scheme: Scheme,
        method: &Method,
        cancel: &Cancel,
    ) -> Result<Self> {
        Self::written(weights, columns, scheme, method, cancel, &mut [])
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
        Self::measured_of(Weights::Numbers(weights), columns, scheme, method, cancel)
    }

    /// The same of weights that stand as bytes, too.
    pub(crate) fn measured_of(
        weights: Weights<'_>,
        columns: usize,
        scheme: Scheme,
        method: &Method,
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
        method: &Method,
        cancel: &Cancel,
        tallies: &mut [Tally],
    ) -> Result<Self> {
        let rows = weights.count().checked_div(columns).unwrap_or(0);
        has_length("weights of whole rows", weights.count(), rows * columns)?;
        scheme.check()?;
        let method = method.prepared(columns)?;
        let strides = scheme.strides(columns);
        let scale_unit = scale_unit(weights, columns, scheme, method.headroom());
        let scales = Scales::of(scheme.scale_type, scale_unit);
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
            .map_init(Vec::new, |buffer, (index, (((codes, scale_bytes), offsets), tallies))| {
                cancel.check()?;
                let parts = Parts { codes, scales: scale_bytes, offsets, tallies };
                let first = index * chunks(columns);
                let some = weights.some(first..weights.count().min(first + chunks(columns)));
                let rows = some.numbers(buffer);
                run(Rows { weights: rows, columns, scheme, scales, strides, method: &method, parts })
                    .map_err(|stop| stop.error(weights, index * block, scheme.scale_type))
            })
            // The first in the order of rows, whichever thread was the fastest.
            .find_map_first(Result::err);
        failure.map_or(Ok(this), Err)
    }

    /// That each part has the bytes that scheme and shape say, and scales have a unit.
    pub(crate) fn check(&self) -> Result<Strides> {
        let Self { scheme, rows, columns, scale_unit, codes, scales, offsets } = self;
        scheme.check()?;
        if !(*scale_unit > 0.0 && scale_unit.is_finite()) {
            let expected = "a finite number above 0";
            return Err(QuantError::Option { option: "scale_unit", value: scale_unit.to_string(), expected });
        }
        have_bytes(*scheme, *rows, *columns, [codes, scales, offsets])
    }

    /// How many bytes all parts take; the unit of scales is none of them, but said of the matrix like its scheme.
    pub fn bytes(&self) -> usize {
        self.codes.len() + self.scales.len() + self.offsets.len()
    }

    /// Writes the weights that the codes stand for into `weights`, which has room for all of them, on the
    /// threads of the current rayon pool. It is fastest where that memory has not been touched so far.
    ///
    /// # Errors
    /// [`QuantError::Length`] when `weights` or a part has another length than shape and scheme say;
    /// [`QuantError::Option`] when there is no such scheme or unit.
    pub fn dequantize(&self, weights: &mut [f32]) -> Result<()> {
        let Self { rows, columns, .. } = *self;
        let strides = self.check()?;
        has_length("weights", weights.len(), rows.saturating_mul(columns))?;
        large_pages(weights);
        let block = block(columns);
        weights.par_chunks_mut((block * columns).max(1)).enumerate().for_each(|(index, weights)| {
            run(self.values(strides, index * block, weights));
        });
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
            .map_init(Vec::new, |buffer, (index, weights)| {
                let mut values = vec![0.0; weights.count()];
                run(self.values(strides, index * block, &mut values));
                Tally::of_rows(weights.numbers(buffer), &values, columns)
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
            codes: part(&self.codes, strides.codes),
            scales: part(&self.scales, strides.scales),
            offsets: part(&self.offsets, strides.offsets),
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

/// Quantises some rows.
struct Rows<'a> {
    weights: &'a [f32],
    columns: usize,
    scheme: Scheme,
    scales: Scales,
    strides: Strides,
    method: &'a Prepared<'a>,
    parts: Parts<'a>,
}

impl Work for Rows<'_> {
    type Output = Result<(), Stop>;

    #[inline(always)]
    fn run(self) -> Self::Output {
        let Self { weights, columns, scheme, scales: kind, strides, method, parts } = self;
        let Rounded { codes, grids } = method.round(weights, columns, scheme, kind).ok_or(Stop::NotFinite)?;
        let (size, groups) = (scheme.group.size(columns), scheme.group.count(columns));
        let mut values = vec![0.0; if parts.tallies.is_empty() { 0 } else { columns }];
        let mut zeros = vec![0; groups];
        for (row, (codes, grids)) in codes.chunks_exact(columns).zip(grids.chunks_exact(groups)).enumerate() {
            let scales = &mut parts.scales[row * strides.scales..][..strides.scales];
            let offsets = &mut parts.offsets[row * strides.offsets..][..strides.offsets];
            for (group, grid) in grids.iter().enumerate() {
                if !grid.is_finite() {
                    return Err(Stop::Scale { row, group });
                }
                kind.write(grid.scale, scales, group);
                match scheme.offset {
                    Offset::Symmetric => {}
                    Offset::ZeroPoint => zeros[group] = grid.zero as u8,
                    Offset::Minimum => kind.write(grid.minimum, offsets, group),
                }
            }
            let packed = &mut parts.codes[row * strides.codes..][..strides.codes];
            Pack { bits: scheme.bits, codes, packed }.run();
            if scheme.offset == Offset::ZeroPoint {
                Pack { bits: scheme.bits, codes: &zeros, packed: offsets }.run();
            }
            if let Some(tally) = parts.tallies.get_mut(row / block(columns)) {
                let groups = values.chunks_mut(size).zip(codes.chunks(size)).zip(grids);
                for ((values, codes), grid) in groups {
                    match scheme.code_type {
                        CodeType::Linear => grid.decode(codes, Linear, values),
                        CodeType::Quadratic => grid.decode(codes, Quadratic::of(scheme.bits), values),
                    }
                }
                tally.add(&weights[row * columns..][..columns], &values);
            }
        }
        Ok(())
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
