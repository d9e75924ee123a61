//! How is the grid of a group chosen?

use std::{str::FromStr, sync::Arc};

use crate::{
    Bits, Gptq, Offset, QuantError, Result, Scheme,
    gptq::Factor,
    grid::{Grid, LANES, Range, all_finite, folded, round, stored},
    matrix::block,
    pack::has_length,
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

    /// Whole rows of weights as codes and grids; `None` where a weight is not finite.
    #[inline(always)]
    pub(crate) fn round(&self, weights: &[f32], columns: usize, scheme: &Scheme) -> Option<Rounded> {
        let importance = match self {
            Self::Nearest => None,
            Self::Search(importance) => Some(*importance),
            Self::Gptq(factor) => return all_finite(weights).then(|| factor.round(weights, scheme)),
        };
        let size = scheme.group.size(columns);
        let mut codes = vec![0; weights.len()];
        let mut grids = Vec::with_capacity(scheme.group.count(columns) * (weights.len() / columns));
        let mut finite = true;
        for (weights, codes) in weights.chunks_exact(columns).zip(codes.chunks_exact_mut(columns)) {
            for (group, (weights, codes)) in weights.chunks(size).zip(codes.chunks_mut(size)).enumerate() {
                let range = Range::of(weights);
                finite &= range.finite;
                let nearest = Grid::over(range, scheme);
                let grid = match importance {
                    None => nearest,
                    Some(None) => search(weights, Equal, nearest, scheme),
                    Some(Some(importance)) => {
                        search(weights, &importance[group * size..][..weights.len()], nearest, scheme)
                    }
                };
                grid.encode(weights, scheme.bits, codes);
                grids.push(grid);
            }
        }
        finite.then_some(Rounded { codes, grids })
    }
}

/// Weights as codes, and the grids of their groups, both row by row.
pub(crate) struct Rounded {
    pub(crate) codes: Vec<u8>,
    pub(crate) grids: Vec<Grid>,
}

/// The grid that a search finds for a group where errors count so much.
#[inline(always)]
pub(crate) fn search_grid(weights: &[f32], importance: &[f32], scheme: &Scheme) -> Grid {
    search(weights, importance, Grid::over(Range::of(weights), scheme), scheme)
}

/// How much an error counts.
trait Importance: Copy {
    fn at(self, index: usize) -> f32;
}

/// The same everywhere.
#[derive(Clone, Copy)]
struct Equal;

impl Importance for Equal {
    #[inline(always)]
    fn at(self, _: usize) -> f32 {
        1.0
    }
}

impl Importance for &[f32] {
    #[inline(always)]
    fn at(self, index: usize) -> f32 {
        self[index]
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
fn tried(full: Grid, scheme: &Scheme, part: f32, shift: f32) -> Option<Grid> {
    let largest = f32::from(scheme.bits.largest());
    let scale = full.scale * part;
    match scheme.offset {
        Offset::Symmetric | Offset::ZeroPoint => {
            let zero = full.zero + shift;
            (0.0..=largest).contains(&zero).then_some(Grid { scale, zero, ..full })
        }
        Offset::Minimum => {
            let left_out = (1.0 - part) * full.scale * largest;
            Some(Grid { scale, minimum: full.minimum + left_out * (0.5 + 0.2 * shift), ..full })
        }
    }
}

/// Sums over a group, with `d` for a code less the zero point: enough to fit a grid to the codes.
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
    fn of<I: Importance, const MINIMUM: bool>(
        weights: &[f32],
        importance: I,
        grid: Grid,
        largest: f32,
    ) -> Self {
        let inverse = 1.0 / grid.scale;
        let base = grid.zero - grid.minimum * inverse;
        let mut lanes = [[0.0; LANES]; 5];
        by_lanes(weights, |lane, index, weight| {
            let h = importance.at(index);
            let d = round(weight * inverse + base, largest) - grid.zero;
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
fn search<I: Importance>(weights: &[f32], importance: I, nearest: Grid, scheme: &Scheme) -> Grid {
    match scheme.offset {
        Offset::Symmetric | Offset::ZeroPoint => search_by::<I, false>(weights, importance, nearest, scheme),
        Offset::Minimum => search_by::<I, true>(weights, importance, nearest, scheme),
    }
}

/// The same for grids with or without a minimum.
#[inline(always)]
fn search_by<I: Importance, const MINIMUM: bool>(
    weights: &[f32],
    importance: I,
    nearest: Grid,
    scheme: &Scheme,
) -> Grid {
    let largest = f32::from(scheme.bits.largest());
    let (first, step, count) = parts(scheme.bits);
    let shifts = shifts(scheme);
    let mut best = (nearest, f32::NEG_INFINITY);
    for part in 0..count {
        let part = first - step * f32::from(part);
        for shift in -shifts..=shifts {
            let grid = tried(nearest, scheme, part, f32::from(shift));
            if let Some(grid) = grid
                && let Some(fit) = fitted::<I, MINIMUM>(weights, importance, grid, largest)
                && fit.1 > best.1
            {
                best = fit;
            }
        }
    }
    for _ in 0..REFITS {
        match fitted::<I, MINIMUM>(weights, importance, best.0, largest) {
            Some(fit) if fit.1 > best.1 => best = fit,
            _ => break,
        }
    }
    let found = Grid {
        scale: stored(best.0.scale, scheme.scale_type),
        zero: best.0.zero,
        minimum: scheme.scale_type.stored(best.0.minimum),
    };
    let better = found.is_finite()
        && error(weights, importance, found, largest) < error(weights, importance, nearest, largest);
    if better { found } else { nearest }
}

/// A grid fitted to the codes that the weights get on it, and by how much that lessens the squared error. A function,
/// since closures that are called twice are compiled for the oldest processor.
#[inline(always)]
fn fitted<I: Importance, const MINIMUM: bool>(
    weights: &[f32],
    importance: I,
    grid: Grid,
    largest: f32,
) -> Option<(Grid, f32)> {
    let sums = Sums::of::<I, MINIMUM>(weights, importance, grid, largest);
    let (scale, minimum, gain) = sums.fit::<MINIMUM>()?;
    Some((Grid { scale, minimum, ..grid }, gain))
}

/// The squared error of a group.
#[inline(always)]
fn error<I: Importance>(weights: &[f32], importance: I, grid: Grid, largest: f32) -> f32 {
    let mut lanes = [0.0; LANES];
    by_lanes(weights, |lane, index, weight| {
        let off = weight - grid.value(grid.code(weight, largest));
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
