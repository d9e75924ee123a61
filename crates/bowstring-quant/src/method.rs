//! How is the grid of a group chosen?

use std::{str::FromStr, sync::Arc};

use bowstring_simd::{Recent, Work, run_with};

use crate::{
    Bits, CodeType, Gptq, Offset, Order, QuantError, Result, Scheme,
    gptq::Factor,
    grid::{Form, Grid, LANES, Range, all_finite, folded, round},
    levels::{Levels, Linear, Quadratic},
    matrix::block,
    pack::has_length,
    scales::Scales,
};

/// How the grid of each group is chosen; every weight then gets the nearest value that its grid has.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Method {
    /// The grid reaches from the least to the greatest weight (min-max, as in Jacob et al. 2018).
    Nearest,
    /// Ranges of less than that are tried, with zero points beside the one that follows from it, or with more
    /// left out at one end; each grid is fitted to its codes by least squares, the one with the least squared
    /// error a few times more, and taken unless that of [`Nearest`](Self::Nearest) is better. Choi et al. 2018
    /// ("PACT") and Banner et al. 2019 ("Post training 4-bit quantization") show why clipping pays; the
    /// alternation of codes and least squares is Lloyd's (1982). O(weights) for each of some 10 to 100 grids.
    Search {
        /// How much an error counts in each input channel: the second moments of the channels' activations
        /// (the diagonal of the Hessian of the layer's output error, as in Frantar et al. 2022), all of them
        /// finite and at least 0. The same for all when `None`.
        importance: Option<Arc<[f32]>>,
    },
    /// Not the weights but the layer's outputs are kept the nearest, by the second moments of its inputs.
    Gptq(Gptq),
}

impl FromStr for Method {
    type Err = QuantError;

    /// `nearest`, or `mse` for the search without importances.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "nearest" => Ok(Self::Nearest),
            "mse" => Ok(Self::Search { importance: None }),
            _ => Err(QuantError::Option {
                option: "method",
                value: format!("`{text}`"),
                expected: "`nearest` or `mse`",
            }),
        }
    }
}

impl Method {
    /// Its name in options: `nearest` or `mse`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Search { .. } => "mse",
            Self::Gptq(_) => "gptq",
        }
    }

    /// What it needs to know of rows of `columns` weights.
    pub(crate) fn prepared(&self, columns: usize) -> Result<Prepared<'_>> {
        match self {
            Self::Nearest => Ok(Prepared::Nearest),
            Self::Search { importance: None } => Ok(Prepared::Search(None)),
            Self::Search { importance: Some(importance) } => {
                has_length("importances of input channels", importance.len(), columns)?;
                match importance.iter().find(|importance| !(0.0..f32::INFINITY).contains(*importance)) {
                    None => Ok(Prepared::Search(Some(importance))),
                    Some(wrong) => Err(QuantError::Option {
                        option: "importance",
                        value: wrong.to_string(),
                        expected: "a finite number of at least 0 for each input channel",
                    }),
                }
            }
            Self::Gptq(gptq) => gptq.factor(columns).map(Prepared::Gptq),
        }
    }
}

/// A [`Method`] for rows of some length.
#[derive(Debug)]
pub(crate) enum Prepared<'a> {
    Nearest,
    Search(Option<&'a [f32]>),
    Gptq(Factor),
}

impl Prepared<'_> {
    /// How many rows of so many columns a thread takes at once.
    pub(crate) fn block(&self, columns: usize) -> usize {
        match self {
            Self::Nearest | Self::Search(_) => block(columns),
            // Whole blocks of the others, so that figures are added up in the same order.
            Self::Gptq(_) => Factor::ROWS.next_multiple_of(block(columns)),
        }
    }

    /// How many times the largest scale of the weights as they are may become, where weights change before they are
    /// rounded.
    pub(crate) fn headroom(&self) -> f32 {
        match self {
            Self::Gptq(factor) if factor.order() == Order::Natural => 2.0,
            Self::Nearest | Self::Search(_) | Self::Gptq(_) => 1.0,
        }
    }

    /// How many rows are rounded at once, so that all of them stay in a cache from step to step.
    pub(crate) fn step(&self, columns: usize) -> usize {
        match self {
            Self::Nearest | Self::Search(_) => (STEP / columns.max(1)).max(1),
            Self::Gptq(_) => self.block(columns),
        }
    }

    /// Whole rows of weights as codes and grids, in place of what is in `rounded`; whether all weights are finite.
    pub(crate) fn round(
        &self,
        recent: Option<Recent>,
        rows: Matrix<'_>,
        scheme: Scheme,
        scales: Scales,
        rounded: &mut Rounded,
    ) -> bool {
        match scheme.code_type {
            CodeType::Linear => self.rounded(recent, rows, &Form { scheme, levels: Linear, scales }, rounded),
            CodeType::Quadratic => {
                let levels = Quadratic::of(scheme.bits);
                self.rounded(recent, rows, &Form { scheme, levels, scales }, rounded)
            }
        }
    }

    fn rounded<L: Levels>(
        &self,
        recent: Option<Recent>,
        rows: Matrix<'_>,
        form: &Form<L>,
        rounded: &mut Rounded,
    ) -> bool {
        let importance = match self {
            Self::Nearest => None,
            Self::Search(importance) => Some(*importance),
            Self::Gptq(factor) => {
                let corrected = run_with(recent, Correct { weights: rows.weights, factor, form });
                let finite = corrected.is_some();
                *rounded = corrected.unwrap_or_default();
                return finite;
            }
        };
        let Rounded { codes, grids } = rounded;
        if !run_with(recent, Nearest { rows, form, grids }) {
            return false;
        }
        match importance {
            None => {}
            Some(None) => run_with(recent, Search { rows, importance: Equal, form, grids }),
            Some(Some(importance)) => run_with(recent, Search { rows, importance, form, grids }),
        }
        codes.resize(rows.weights.len(), 0);
        run_with(recent, Encode { rows, grids, form, codes });
        true
    }
}

/// About how many weights are rounded at once.
const STEP: usize = 1 << 12;

/// Whole rows of so many weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    pub(crate) weights: &'a [f32],
    pub(crate) columns: usize,
}

/// Weights as codes, and the grids of their groups, both row by row.
#[derive(Debug, Default)]
pub(crate) struct Rounded {
    pub(crate) codes: Vec<u8>,
    pub(crate) grids: Vec<Grid>,
}

/// Finds the grids that reach over all weights; whether these are finite.
struct Nearest<'a, L> {
    rows: Matrix<'a>,
    form: &'a Form<L>,
    grids: &'a mut Vec<Grid>,
}

impl<L: Levels> Work for Nearest<'_, L> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Self { rows: Matrix { weights, columns }, form, grids } = self;
        let mut finite = true;
        grids.clear();
        for row in weights.chunks_exact(columns) {
            for weights in row.chunks(form.scheme.group.size(columns)) {
                let range = Range::of(weights);
                finite &= range.finite;
                grids.push(Grid::over(range, form));
            }
        }
        finite
    }
}

/// Puts grids of the least squared errors in place of those that reach over all weights.
struct Search<'a, I, L> {
    rows: Matrix<'a>,
    importance: I,
    form: &'a Form<L>,
    grids: &'a mut [Grid],
}

impl<I: Importance, L: Levels> Work for Search<'_, I, L> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { rows: Matrix { weights, columns }, importance, form, grids } = self;
        let size = form.scheme.group.size(columns);
        let rows =
            weights.chunks_exact(columns).zip(grids.chunks_exact_mut(form.scheme.group.count(columns)));
        for (row, grids) in rows {
            for ((index, weights), grid) in row.chunks(size).enumerate().zip(grids) {
                *grid = search(weights, importance.from(index * size), *grid, form);
            }
        }
    }
}

/// Writes the codes of the weights.
struct Encode<'a, L> {
    rows: Matrix<'a>,
    grids: &'a [Grid],
    form: &'a Form<L>,
    codes: &'a mut [u8],
}

impl<L: Levels> Work for Encode<'_, L> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { rows: Matrix { weights, columns }, grids, form, codes } = self;
        let size = form.scheme.group.size(columns);
        let rows = weights.chunks_exact(columns).zip(codes.chunks_exact_mut(columns));
        for ((row, codes), grids) in rows.zip(grids.chunks_exact(form.scheme.group.count(columns))) {
            for ((weights, codes), grid) in row.chunks(size).zip(codes.chunks_mut(size)).zip(grids) {
                grid.encode(weights, form, codes);
            }
        }
    }
}

/// Rounds so that the outputs stay near.
struct Correct<'a, L> {
    weights: &'a [f32],
    factor: &'a Factor,
    form: &'a Form<L>,
}

impl<L: Levels> Work for Correct<'_, L> {
    type Output = Option<Rounded>;

    #[inline(always)]
    fn run(self) -> Option<Rounded> {
        let Self { weights, factor, form } = self;
        all_finite(weights).then(|| factor.round(weights, form))
    }
}

/// The grid that a search finds for a group where errors count so much.
#[inline(always)]
pub(crate) fn search_grid<L: Levels>(weights: &[f32], importance: &[f32], form: &Form<L>) -> Grid {
    search(weights, importance, Grid::over(Range::of(weights), form), form)
}

/// How much an error counts.
trait Importance: Copy {
    fn at(self, index: usize) -> f32;

    /// Those of the weights from one on.
    fn from(self, first: usize) -> Self;
}

/// The same everywhere.
#[derive(Clone, Copy)]
struct Equal;

impl Importance for Equal {
    #[inline(always)]
    fn at(self, _: usize) -> f32 {
        1.0
    }

    #[inline(always)]
    fn from(self, _: usize) -> Self {
        self
    }
}

impl Importance for &[f32] {
    #[inline(always)]
    fn at(self, index: usize) -> f32 {
        self[index]
    }

    #[inline(always)]
    fn from(self, first: usize) -> Self {
        &self[first..]
    }
}

/// How often the best grid is fitted to the codes that it gives, at the most.
const REFITS: u8 = 8;

/// Which parts of the full range are tried: from the first in so many steps of the second.
fn parts(bits: Bits) -> (f32, f32, u8) {
    match bits {
        Bits::Two => (1.0, 0.03, 24),
        Bits::Three => (1.02, 0.03, 17),
        Bits::Four => (1.02, 0.03, 13),
        Bits::Eight => (1.0, 0.01, 6),
    }
}

/// How many grids are tried on each side of the one whose range loses as much at both ends.
fn shifts(scheme: &Scheme) -> i8 {
    match (scheme.offset, scheme.bits) {
        (Offset::Symmetric, _) | (Offset::ZeroPoint, Bits::Eight) => 0,
        (Offset::ZeroPoint, _) => 1,
        (Offset::Minimum, _) => 2,
    }
}

/// A grid over a part of the range of `full`: with another zero point, or with another share of what is left out
/// at the lower end; `None` for a zero point that there is not.
#[inline(always)]
fn tried<L: Levels>(full: Grid, form: &Form<L>, part: f32, shift: f32) -> Option<Grid> {
    let largest = form.largest();
    match form.scheme.offset {
        Offset::Symmetric | Offset::ZeroPoint => {
            let zero = full.zero + shift;
            let grid = Grid { scale: full.scale * part, zero, ..full };
            (0.0..=largest).contains(&zero).then_some(grid)
        }
        Offset::Minimum => Some(form.levels.narrowed(full, part, shift, largest)),
    }
}

/// Sums over a group, with `d` for the value of a code in scales: enough to fit a grid to the codes.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    /// Of the importances.
    one: f32,
    /// Of `d`.
    d: f32,
    /// Of `d²`.
    dd: f32,
    /// Of the weights.
    w: f32,
    /// Of weight times `d`.
    wd: f32,
}

impl Sums {
    /// Of the codes that the weights get on a grid; without a minimum only what is needed to fit a scale.
    #[inline(always)]
    fn of<I: Importance, L: Levels, const MINIMUM: bool>(
        weights: &[f32],
        importance: I,
        grid: Grid,
        form: &Form<L>,
    ) -> Self {
        let (levels, largest, inverse) = (form.levels, form.largest(), 1.0 / grid.scale);
        let mut lanes = [[0.0; LANES]; 5];
        by_lanes(weights, |lane, index, weight| {
            let h = importance.at(index);
            let d = levels.value(round(levels.place(weight, &grid, inverse), largest) - grid.zero);
            lanes[0][lane] += h * d * d;
            lanes[1][lane] += h * d * weight;
            if MINIMUM {
                lanes[2][lane] += h;
                lanes[3][lane] += h * d;
                lanes[4][lane] += h * weight;
            }
        });
        let [dd, wd, one, d, w] = lanes.map(|lanes| folded(lanes, |a, b| a + b));
        Self { one, d, dd, w, wd }
    }

    /// The best scale and minimum for these codes, and by how much they lessen the squared error of the group;
    /// `None` where all codes are the same.
    #[inline(always)]
    fn fit<const MINIMUM: bool>(&self) -> Option<(f32, f32, f32)> {
        if !MINIMUM {
            return (self.dd > 0.0).then(|| (self.wd / self.dd, 0.0, self.wd * self.wd / self.dd));
        }
        let spread = self.one * self.dd - self.d * self.d;
        let scale = (self.one * self.wd - self.d * self.w) / spread;
        let minimum = (self.w - scale * self.d) / self.one;
        (spread > 0.0 && scale.is_finite()).then_some((scale, minimum, scale * self.wd + minimum * self.w))
    }
}

/// The grid of the least squared error that is found.
#[inline(always)]
fn search<I: Importance, L: Levels>(weights: &[f32], importance: I, nearest: Grid, form: &Form<L>) -> Grid {
    match form.scheme.offset {
        Offset::Symmetric | Offset::ZeroPoint => search_by::<I, L, false>(weights, importance, nearest, form),
        Offset::Minimum => search_by::<I, L, true>(weights, importance, nearest, form),
    }
}

/// The same for grids with or without a minimum.
#[inline(always)]
fn search_by<I: Importance, L: Levels, const MINIMUM: bool>(
    weights: &[f32],
    importance: I,
    nearest: Grid,
    form: &Form<L>,
) -> Grid {
    let (first, step, count) = parts(form.scheme.bits);
    let shifts = shifts(&form.scheme);
    let mut best = (nearest, f32::NEG_INFINITY);
    for part in 0..count {
        let part = first - step * f32::from(part);
        for shift in -shifts..=shifts {
            let grid = tried(nearest, form, part, f32::from(shift));
            if let Some(grid) = grid
                && let Some(fit) = fitted::<I, L, MINIMUM>(weights, importance, grid, form)
                && fit.1 > best.1
            {
                best = fit;
            }
        }
    }
    for _ in 0..REFITS {
        match fitted::<I, L, MINIMUM>(weights, importance, best.0, form) {
            Some(fit) if fit.1 > best.1 => best = fit,
            _ => break,
        }
    }
    let mut found = (nearest, error(weights, importance, nearest, form));
    let (scale, other) = form.scales.around(best.0.scale);
    let minimum = form.scales.minimum(best.0.minimum);
    for scale in [scale].into_iter().chain(other) {
        let grid = Grid { scale, zero: best.0.zero, minimum };
        if grid.is_finite() {
            let error = error(weights, importance, grid, form);
            if error < found.1 {
                found = (grid, error);
            }
        }
    }
    found.0
}

/// A grid fitted to the codes that the weights get on it, and by how much that lessens the squared error. A function,
/// since closures that are called twice are compiled for the oldest processor.
#[inline(always)]
fn fitted<I: Importance, L: Levels, const MINIMUM: bool>(
    weights: &[f32],
    importance: I,
    grid: Grid,
    form: &Form<L>,
) -> Option<(Grid, f32)> {
    let sums = Sums::of::<I, L, MINIMUM>(weights, importance, grid, form);
    let (scale, minimum, gain) = sums.fit::<MINIMUM>()?;
    Some((Grid { scale, minimum, ..grid }, gain))
}

/// The squared error of a group.
#[inline(always)]
fn error<I: Importance, L: Levels>(weights: &[f32], importance: I, grid: Grid, form: &Form<L>) -> f32 {
    let mut lanes = [0.0; LANES];
    by_lanes(weights, |lane, index, weight| {
        let off = weight - grid.value(grid.code(weight, form), form.levels);
        lanes[lane] += importance.at(index) * off * off;
    });
    folded(lanes, |a, b| a + b)
}

/// Calls `add` with the lane of each weight, its index, and the weight.
#[inline(always)]
fn by_lanes(weights: &[f32], mut add: impl FnMut(usize, usize, f32)) {
    let (chunks, rest) = weights.as_chunks::<LANES>();
    for (index, chunk) in chunks.iter().enumerate() {
        for (lane, &weight) in chunk.iter().enumerate() {
            add(lane, index * LANES + lane, weight);
        }
    }
    for (lane, &weight) in rest.iter().enumerate() {
        add(lane, chunks.len() * LANES + lane, weight);
    }
}
