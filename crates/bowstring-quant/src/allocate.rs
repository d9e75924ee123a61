//! Which of its candidates does each tensor take, so that all of them fit into a budget and cost the least?
//!
//! This is the multiple-choice knapsack problem. Candidates that another one beats in bytes and cost are left out,
//! and a greedy walk along the lower convex hulls of the others solves the relaxation in which a tensor may take a
//! mixture of two (Sinha and Zoltners 1979, "The Multiple-Choice Knapsack Problem"). Its price `λ` of a byte gives
//! each candidate a penalty of at least 0, by which every solution that takes it costs more than the relaxation; one
//! whose penalty is beyond the best known solution is left out, too. What is left is solved by dynamic programming
//! over lists of undominated states (Nemhauser and Ullmann 1969, "Discrete Dynamic Programming and Capital
//! Allocation"), the tensors that are the nearest to a change of mind first (Pisinger 1995, "A Minimal Algorithm for
//! the Multiple-Choice Knapsack Problem").
//!
//! The problem is NP-hard, so there is a limit to the states that are kept after each tensor. Where it is hit, the
//! most promising ones are kept, and the bound takes account of the others. O(tensors · candidates · states · log
//! candidates) time at the worst, 8 bytes for each state of each tensor.

use std::cmp::Ordering;

use crate::{QuantError, Result, Scheme, pack::has_length};

/// One of the ways to write a tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// How many bytes it takes.
    pub bytes: usize,
    /// What it costs: any measure of harm that adds up over tensors, such as a divergence.
    pub cost: f64,
}

/// What each tensor can be written as, where each has so many rows and columns. `cost` is asked for the place of a
/// tensor and a scheme, one after the other: it estimates, or runs the model with this tensor quantised and measures.
///
/// # Errors
/// Those of `cost`, with which it ends.
pub fn candidates<E>(
    shapes: &[(usize, usize)],
    schemes: &[Scheme],
    mut cost: impl FnMut(usize, &Scheme) -> Result<f64, E>,
) -> Result<Vec<Vec<Candidate>>, E> {
    let mut candidate = |tensor: usize, scheme: &Scheme| {
        let (rows, columns) = shapes[tensor];
        Ok(Candidate { bytes: scheme.bytes(rows, columns), cost: cost(tensor, scheme)? })
    };
    let mut of = |tensor| schemes.iter().map(|scheme| candidate(tensor, scheme)).collect();
    (0..shapes.len()).map(&mut of).collect()
}

/// Which candidate each tensor takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Allocation {
    /// The place of each tensor's candidate among those that it has.
    pub choices: Vec<usize>,
    /// What they take together.
    pub bytes: usize,
    /// What they cost together.
    pub cost: f64,
    /// Nothing within the budget costs less, but for rounding.
    pub bound: f64,
    /// Whether that is the cost: there is nothing better.
    pub exact: bool,
}

/// How many states are kept after each tensor where nothing else is said.
pub const MOST_STATES: usize = 1 << 13;

/// The candidates that cost the least together within a budget of bytes. At most `most_states` states are kept
/// after each tensor, at least one; [`MOST_STATES`] is a good number. The same input gives the same result, and of
/// equal candidates the first is taken.
///
/// # Errors
/// [`QuantError::Budget`] when even the smallest candidates take more, which names what they take;
/// [`QuantError::Length`] when a tensor has no candidates; [`QuantError::Number`] when a cost is not a finite number of
/// at least 0, or all together are not.
pub fn allocate(tensors: &[Vec<Candidate>], budget: usize, most_states: usize) -> Result<Allocation> {
    // No memory holds more, and sums of two do not overflow.
    let budget = budget.min(isize::MAX as usize);
    check(tensors, budget)?;
    let fronts: Vec<_> = tensors.iter().map(|candidates| front(candidates)).collect();
    let relaxed = Relaxation::of(&fronts, budget);
    let solved = Search::of(&fronts, &relaxed, budget).solve(most_states.clamp(1, u32::MAX as usize));
    let places = solved.places;
    let choices: Vec<_> = fronts.iter().zip(places).map(|(front, place)| front[place].index).collect();
    let (bytes, cost) = totals(tensors, &choices);
    let bound = if solved.exact { cost } else { solved.bound.min(cost) };
    Ok(Allocation { choices, bytes, cost, bound, exact: solved.exact })
}

/// The place of the candidate that costs the least when every tensor takes the one at the same place, within a
/// budget of bytes: what there is without an allocation. Tensors with one candidate take that.
///
/// # Errors
/// As [`allocate`]; [`QuantError::Length`] also when two tensors have several candidates, but not as many.
pub fn allocate_uniformly(tensors: &[Vec<Candidate>], budget: usize) -> Result<usize> {
    check(tensors, budget)?;
    let count = tensors.iter().map(Vec::len).max().unwrap_or(1);
    for candidates in tensors.iter().filter(|candidates| candidates.len() > 1) {
        has_length("candidates of a tensor", candidates.len(), count)?;
    }
    let uniform = |place: usize| {
        let choices: Vec<_> = tensors.iter().map(|candidates| place.min(candidates.len() - 1)).collect();
        totals(tensors, &choices)
    };
    let totals: Vec<_> = (0..count).map(uniform).collect();
    let fitting = (0..count).filter(|&place| totals[place].0 <= budget);
    let best = fitting.min_by(|&one, &other| totals[one].1.total_cmp(&totals[other].1));
    let least = totals.iter().map(|(bytes, _)| *bytes).min().unwrap_or(0);
    best.ok_or(QuantError::Budget { budget, least })
}

fn check(tensors: &[Vec<Candidate>], budget: usize) -> Result<()> {
    let (mut least, mut most) = (0_usize, 0.0);
    for (place, candidates) in tensors.iter().enumerate() {
        let refused = |value| QuantError::Number {
            what: "a cost of tensor",
            place,
            value,
            expected: "a finite number of at least 0, also when all are added",
        };
        if let Some(wrong) = candidates.iter().find(|one| !(0.0..f64::INFINITY).contains(&one.cost)) {
            return Err(refused(wrong.cost));
        }
        let Some(smallest) = candidates.iter().map(|candidate| candidate.bytes).min() else {
            return Err(QuantError::Length { what: "candidates of a tensor", length: 0, expected: 1 });
        };
        least = least.saturating_add(smallest);
        most += candidates.iter().map(|candidate| candidate.cost).fold(0.0, f64::max);
        if most == f64::INFINITY {
            return Err(refused(most));
        }
    }
    if least <= budget { Ok(()) } else { Err(QuantError::Budget { budget, least }) }
}

/// What choices take and cost together, summed in the order of the tensors.
fn totals(tensors: &[Vec<Candidate>], choices: &[usize]) -> (usize, f64) {
    tensors.iter().zip(choices).fold((0, 0.0), |(bytes, cost), (candidates, &choice)| {
        (bytes.saturating_add(candidates[choice].bytes), cost + candidates[choice].cost)
    })
}

/// A candidate that no other beats.
#[derive(Clone, Copy, Debug)]
struct Entry {
    bytes: usize,
    cost: f64,
    /// Its place among all.
    index: usize,
}

/// The candidates that no other beats, so that cost falls as bytes grow.
fn front(candidates: &[Candidate]) -> Vec<Entry> {
    let entry = |(index, candidate): (usize, &Candidate)| Entry {
        bytes: candidate.bytes,
        cost: candidate.cost,
        index,
    };
    let mut entries: Vec<_> = candidates.iter().enumerate().map(entry).collect();
    entries.sort_by(|one, other| one.bytes.cmp(&other.bytes).then(one.cost.total_cmp(&other.cost)));
    let mut least = f64::INFINITY;
    entries.retain(|entry| {
        let better = entry.cost < least;
        least = least.min(entry.cost);
        better
    });
    entries
}

/// The places of the entries on the lower convex hull.
fn hull(front: &[Entry]) -> Vec<usize> {
    let mut hull: Vec<usize> = Vec::with_capacity(front.len());
    for place in 0..front.len() {
        while let [.., before, last] = hull[..]
            && saving(front, before, last) <= saving(front, last, place)
        {
            hull.pop();
        }
        hull.push(place);
    }
    hull
}

/// By how much cost falls with each byte from one place to another.
fn saving(front: &[Entry], from: usize, to: usize) -> f64 {
    (front[from].cost - front[to].cost) / (front[to].bytes - front[from].bytes) as f64
}

/// The best where one tensor may take a mixture of two candidates, and what the greedy walk makes of it.
struct Relaxation {
    /// The price of a byte: what the last byte saves; 0 where bytes are left.
    price: f64,
    /// Where the walk stood when the next step did not fit: the least of `cost + price · bytes` for each tensor.
    base: Vec<usize>,
    /// Where it ends when it goes on with whatever fits.
    greedy: Vec<usize>,
}

impl Relaxation {
    fn of(fronts: &[Vec<Entry>], budget: usize) -> Self {
        let mut steps: Vec<(f64, usize, usize, usize)> = Vec::new();
        for (tensor, front) in fronts.iter().enumerate() {
            let hull = hull(front);
            for pair in hull.windows(2) {
                steps.push((saving(front, pair[0], pair[1]), tensor, pair[0], pair[1]));
            }
        }
        // A stable sort: the steps of a tensor stay in order, as its savings fall.
        steps.sort_by(|one, other| other.0.total_cmp(&one.0));
        let mut left = budget - fronts.iter().map(|front| front[0].bytes).sum::<usize>();
        let mut greedy = vec![0; fronts.len()];
        let mut split: Option<(f64, Vec<usize>)> = None;
        for (saving, tensor, from, to) in steps {
            let more = fronts[tensor][to].bytes - fronts[tensor][from].bytes;
            if more <= left && greedy[tensor] == from {
                left -= more;
                greedy[tensor] = to;
            } else {
                split.get_or_insert_with(|| (saving, greedy.clone()));
            }
        }
        let (price, base) = split.unwrap_or_else(|| (0.0, greedy.clone()));
        Self { price, base, greedy }
    }
}

/// Choices of some tensors; the others stand at the base.
#[derive(Clone, Copy, Debug)]
struct State {
    bytes: usize,
    cost: f64,
    /// Where the last of its choices but one stands among the links.
    before: usize,
    /// The last of its choices.
    place: usize,
}

/// A choice, and where the one before it stands.
#[derive(Clone, Copy, Debug)]
struct Link {
    before: u32,
    place: u32,
}

/// A tensor that may be chosen for, what it may take, and what that can do.
struct Class {
    tensor: usize,
    places: Vec<usize>,
    change: Change,
}

/// What other places than those of the base can do at the best.
#[derive(Clone, Copy, Debug)]
struct Change {
    /// The least penalty of one.
    penalty: f64,
    /// What a byte more saves at the most.
    saving: f64,
    /// What a byte less costs at the least.
    charge: f64,
    /// How many bytes less there may be at the most.
    relief: usize,
}

/// The dynamic programme.
struct Search<'a> {
    fronts: &'a [Vec<Entry>],
    relaxed: &'a Relaxation,
    budget: usize,
    /// What the best solution so far costs.
    least: f64,
    /// The class of its last choice, and the state of that; `None` where it is the greedy one.
    best: Option<(usize, State)>,
}

struct Solved {
    places: Vec<usize>,
    bound: f64,
    exact: bool,
}

impl<'a> Search<'a> {
    fn of(fronts: &'a [Vec<Entry>], relaxed: &'a Relaxation, budget: usize) -> Self {
        Self { fronts, relaxed, budget, least: State::of(fronts, &relaxed.greedy).cost, best: None }
    }

    fn solve(mut self, most_states: usize) -> Solved {
        let root = State::of(self.fronts, &self.relaxed.base);
        let classes = self.classes(self.least - self.priced(&root));
        let mut ahead = vec![Change::NONE; classes.len() + 1];
        for (depth, class) in classes.iter().enumerate().rev() {
            ahead[depth] = ahead[depth + 1].or(&class.change);
        }
        // One list of links for each class; states point at those of the class before.
        let mut links: Vec<Vec<Link>> = Vec::with_capacity(classes.len());
        let mut states = vec![root];
        let mut given_up = f64::INFINITY;
        for (depth, class) in classes.iter().enumerate() {
            states = self.expanded(&states, depth, class, &ahead[depth + 1]);
            given_up = given_up.min(self.thin_out(&mut states, &ahead[depth + 1], most_states));
            let link = |state: &State| Link { before: state.before as u32, place: state.place as u32 };
            links.push(states.iter().map(link).collect());
        }
        let mut places = self.relaxed.greedy.clone();
        if let Some((last, state)) = self.best {
            places.clone_from(&self.relaxed.base);
            let mut link = Link { before: state.before as u32, place: state.place as u32 };
            for depth in (0..=last).rev() {
                places[classes[depth].tensor] = link.place as usize;
                if let Some(before) = depth.checked_sub(1) {
                    link = links[before][link.before as usize];
                }
            }
        }
        Solved { places, bound: given_up.min(self.least), exact: given_up >= self.least }
    }

    /// What bytes cost at the relaxation's price, beyond the budget: no solution with a state's choices costs less.
    fn priced(&self, state: &State) -> f64 {
        state.cost + self.relaxed.price * (state.bytes as f64 - self.budget as f64)
    }

    /// What a solution costs at the least that has a state's choices and changes others, which can do `ahead`.
    fn bound(&self, state: &State, ahead: &Change) -> f64 {
        let filled = match state.bytes.checked_sub(self.budget) {
            None | Some(0) => state.cost - ahead.saving * (self.budget - state.bytes) as f64,
            Some(beyond) if beyond > ahead.relief => f64::INFINITY,
            Some(beyond) => state.cost + ahead.charge * beyond as f64,
        };
        filled.max(self.priced(state) + ahead.penalty)
    }

    /// The tensors with places whose penalty is within the gap between the relaxation and the best solution.
    fn classes(&self, gap: f64) -> Vec<Class> {
        let price = self.relaxed.price;
        let mut classes = Vec::new();
        for (tensor, (front, &base)) in self.fronts.iter().zip(&self.relaxed.base).enumerate() {
            let mut class = Class { tensor, places: Vec::new(), change: Change::NONE };
            for place in 0..front.len() {
                let change = Change::of(front, base, place, price);
                if place == base {
                    class.places.push(place);
                } else if change.penalty < gap {
                    class.places.push(place);
                    let relief = class.change.relief.max(change.relief);
                    class.change = Change { relief, ..class.change.or(&change) };
                }
            }
            if class.places.len() > 1 {
                classes.push(class);
            }
        }
        let distance = |class: &Class| (price - class.change.saving).min(class.change.charge - price);
        classes.sort_by(|one, other| distance(one).total_cmp(&distance(other)));
        classes
    }

    /// Each state with each place of a class that can lead to something better than what there is, in the order
    /// of bytes and without those that another one beats.
    fn expanded(&mut self, states: &[State], depth: usize, class: &Class, ahead: &Change) -> Vec<State> {
        let front = &self.fronts[class.tensor];
        let base = front[self.relaxed.base[class.tensor]];
        let mut next = Vec::with_capacity(states.len() * class.places.len());
        for &place in &class.places {
            let entry = front[place];
            for (before, state) in states.iter().enumerate() {
                let bytes = (state.bytes - base.bytes).saturating_add(entry.bytes);
                let state = State { bytes, cost: state.cost - base.cost + entry.cost, before, place };
                if bytes <= self.budget && state.cost < self.least {
                    self.least = state.cost;
                    self.best = Some((depth, state));
                }
                if self.bound(&state, ahead) < self.least {
                    next.push(state);
                }
            }
        }
        // A stable sort, which makes use of the runs that are in order already.
        next.sort_by(State::order);
        let mut cheapest = f64::INFINITY;
        next.retain(|state| {
            let better = state.cost < cheapest && self.bound(state, ahead) < self.least;
            cheapest = cheapest.min(state.cost);
            better
        });
        next
    }

    /// Keeps the states with the least bounds, and gives the least bound of the others.
    fn thin_out(&self, states: &mut Vec<State>, ahead: &Change, most: usize) -> f64 {
        if states.len() <= most {
            return f64::INFINITY;
        }
        let bound = |state: &State| self.bound(state, ahead);
        states.sort_by(|one, other| bound(one).total_cmp(&bound(other)));
        let given_up = bound(&states[most]);
        states.truncate(most);
        states.sort_by(State::order);
        given_up
    }
}

impl State {
    fn of(fronts: &[Vec<Entry>], places: &[usize]) -> Self {
        let none = Self { bytes: 0, cost: 0.0, before: 0, place: 0 };
        fronts.iter().zip(places).fold(none, |sum, (front, &place)| Self {
            bytes: sum.bytes + front[place].bytes,
            cost: sum.cost + front[place].cost,
            ..sum
        })
    }

    fn order(&self, other: &Self) -> Ordering {
        self.bytes.cmp(&other.bytes).then(self.cost.total_cmp(&other.cost))
    }
}

impl Change {
    const NONE: Self = Self { penalty: f64::INFINITY, saving: 0.0, charge: f64::INFINITY, relief: 0 };

    /// From a place of a tensor to another.
    fn of(front: &[Entry], from: usize, to: usize, price: f64) -> Self {
        let bytes = front[to].bytes as f64 - front[from].bytes as f64;
        let penalty = (front[to].cost - front[from].cost + price * bytes).max(0.0);
        match to.cmp(&from) {
            Ordering::Equal => Self::NONE,
            Ordering::Greater => Self { penalty, saving: saving(front, from, to), ..Self::NONE },
            Ordering::Less => Self {
                penalty,
                charge: saving(front, to, from),
                relief: front[from].bytes - front[to].bytes,
                ..Self::NONE
            },
        }
    }

    /// What one of two tensors, or both, can do.
    fn or(&self, other: &Self) -> Self {
        Self {
            penalty: self.penalty.min(other.penalty),
            saving: self.saving.max(other.saving),
            charge: self.charge.min(other.charge),
            relief: self.relief + other.relief,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use bowstring_core::Diagnostic as _;
    use proptest::prelude::*;

    use super::*;
    use crate::{Bits, CodeType, Group, Offset, ScaleType};

    #[test]
    fn candidates_have_the_bytes_of_their_schemes() {
        let scheme = |bits| Scheme {
            bits,
            group: Group::of(32).unwrap(),
            offset: Offset::Symmetric,
            scale_type: ScaleType::F16,
            code_type: CodeType::Linear,
        };
        let schemes = [scheme(Bits::Two), scheme(Bits::Four)];
        let cost = |tensor: usize, scheme: &Scheme| {
            Ok::<_, ()>(tensor as f64 + 1.0 / f64::from(scheme.bits.count()))
        };
        let found = super::candidates(&[(1, 64), (3, 32)], &schemes, cost).unwrap();
        assert_eq!(found, [candidates(&[(20, 0.5), (36, 0.25)]), candidates(&[(30, 1.5), (54, 1.25)])]);
        let mut asked = 0;
        let failing = |_: usize, _: &Scheme| {
            asked += 1;
            if asked == 2 { Err("no") } else { Ok(1.0) }
        };
        assert_eq!(super::candidates(&[(1, 64), (3, 32)], &schemes, failing), Err("no"));
        assert_eq!(asked, 2);
    }

    fn candidates(of: &[(usize, f64)]) -> Vec<Candidate> {
        of.iter().map(|&(bytes, cost)| Candidate { bytes, cost }).collect()
    }

    /// The least cost of all combinations within the budget; infinite where there is none.
    fn by_force(tensors: &[Vec<Candidate>], budget: usize) -> f64 {
        let Some((first, rest)) = tensors.split_first() else { return 0.0 };
        let fitting = first.iter().filter(|candidate| candidate.bytes <= budget);
        let costs = fitting.map(|candidate| candidate.cost + by_force(rest, budget - candidate.bytes));
        costs.fold(f64::INFINITY, f64::min)
    }

    /// What holds of any result.
    fn is_sound(tensors: &[Vec<Candidate>], budget: usize, found: &Allocation) {
        assert_eq!(found.choices.len(), tensors.len());
        assert_eq!(totals(tensors, &found.choices), (found.bytes, found.cost));
        assert!(found.bytes <= budget && found.bound <= found.cost);
        assert!(!found.exact || found.bound == found.cost);
    }

    /// Sizes and costs as bits and groups make them: each bit quarters the cost.
    fn like_a_model(tensors: usize, seed: u64) -> Vec<Vec<Candidate>> {
        let mut state = seed;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / (1_u64 << 31) as f64
        };
        let mut tensor = || {
            let weights = 1 << (10 + (random() * 12.0) as usize);
            let harm = (10.0 * random() - 5.0).exp();
            let pairs = [2, 3, 4, 8].into_iter().flat_map(|bits| [32, 64, 128].map(|group| (bits, group)));
            pairs
                .map(|(bits, group)| Candidate {
                    bytes: weights * bits / 8 + weights / group * 2,
                    cost: harm
                        * 0.25_f64.powi(bits as i32)
                        * (0.9 + group as f64 * (0.002 + 0.001 * random())),
                })
                .collect()
        };
        (0..tensors).map(|_| tensor()).collect()
    }

    #[test]
    fn the_best_beats_the_greedy_one() {
        // Per byte the second candidate of the first tensor saves the most, but leaves no room for the other.
        let tensors = [candidates(&[(1, 10.0), (2, 4.0)]), candidates(&[(1, 12.0), (3, 1.0)])];
        let found = allocate(&tensors, 4, MOST_STATES).unwrap();
        let best = Allocation { choices: vec![0, 1], bytes: 4, cost: 11.0, bound: 11.0, exact: true };
        assert_eq!(found, best);
    }

    #[test]
    fn a_budget_that_cannot_be_met_names_the_least() {
        let tensors = [candidates(&[(4, 0.0), (3, 9.0)]), candidates(&[(5, 0.0)])];
        assert_eq!(allocate(&tensors, 8, MOST_STATES).unwrap().bytes, 8);
        let error = allocate(&tensors, 7, MOST_STATES).unwrap_err();
        assert_eq!(error.to_string(), "a budget of 7 bytes cannot be met");
        assert_eq!(error.hint().unwrap(), "the least possible is 8 bytes");
        let nothing = Allocation { choices: vec![], bytes: 0, cost: 0.0, bound: 0.0, exact: true };
        assert_eq!(allocate(&[], 0, MOST_STATES).unwrap(), nothing);
    }

    #[test]
    fn costs_are_checked() {
        for cost in [f64::NAN, -1.0, f64::INFINITY] {
            let error = allocate(&[candidates(&[(1, 0.0), (2, cost)])], 9, MOST_STATES).unwrap_err();
            assert!(matches!(error, QuantError::Number { place: 0, .. }), "{cost}");
        }
        let huge = vec![candidates(&[(1, f64::MAX)]); 2];
        assert!(matches!(allocate(&huge, 9, MOST_STATES), Err(QuantError::Number { place: 1, .. })));
        assert!(matches!(allocate(&[vec![]], 9, MOST_STATES), Err(QuantError::Length { .. })));
    }

    #[test]
    fn no_number_of_bytes_overflows() {
        let tensors = vec![candidates(&[(1, 5.0), (usize::MAX, 0.0), (usize::MAX - 1, 0.5)]); 3];
        for budget in [3, usize::MAX] {
            assert_eq!(allocate(&tensors, budget, MOST_STATES).unwrap().choices, [0, 0, 0]);
        }
        let large = vec![candidates(&[(1 << 61, 5.0), (1 << 62, 1.0)]); 3];
        assert_eq!(allocate(&large, usize::MAX, MOST_STATES).unwrap().bytes, 3 << 61);
    }

    #[test]
    fn of_equal_candidates_the_first_is_taken() {
        let tensors = vec![candidates(&[(2, 1.0), (2, 1.0), (1, 3.0), (3, 1.0), (1, 3.0)]); 2];
        assert_eq!(allocate(&tensors, 4, MOST_STATES).unwrap().choices, [0, 0]);
        assert_eq!(allocate(&tensors, 2, MOST_STATES).unwrap().choices, [2, 2]);
    }

    #[test]
    fn a_thousand_tensors_take_less_than_a_second() {
        for seed in 0..3 {
            let tensors = like_a_model(1000, seed);
            let all: usize = tensors.iter().map(|candidates| candidates[9].bytes).sum();
            for part in [0.3, 0.45, 0.7] {
                let budget = (all as f64 * part) as usize;
                let timed = || {
                    let start = Instant::now();
                    (allocate(&tensors, budget, MOST_STATES).unwrap(), start.elapsed())
                };
                // The faster of two, as others may be at work.
                let ((found, time), (again, other)) = (timed(), timed());
                assert!(time.min(other) < Duration::from_secs(1), "{time:?} {other:?}");
                is_sound(&tensors, budget, &found);
                assert!(found.exact && found == again);
                let uniform = allocate_uniformly(&tensors, budget).unwrap();
                assert!(found.cost < totals(&tensors, &vec![uniform; 1000]).1);
            }
        }
    }

    #[test]
    fn equal_tensors_are_no_trouble() {
        let tensors = vec![like_a_model(1, 7).remove(0); 1000];
        let budget = tensors[0][7].bytes * 1000 + 12_345;
        let found = allocate(&tensors, budget, MOST_STATES).unwrap();
        is_sound(&tensors, budget, &found);
        assert!(found.exact);
    }

    #[test]
    fn the_uniform_one_takes_the_same_place_everywhere() {
        let tensors = [candidates(&[(1, 9.0), (2, 4.0), (4, 1.0)]), candidates(&[(3, 0.0)])];
        assert_eq!(allocate_uniformly(&tensors, 6).unwrap(), 1);
        assert_eq!(allocate_uniformly(&tensors, 7).unwrap(), 2);
        assert!(matches!(allocate_uniformly(&tensors, 3), Err(QuantError::Budget { least: 4, budget: 3 })));
        let uneven = [candidates(&[(1, 9.0), (2, 4.0), (4, 1.0)]), candidates(&[(3, 0.0), (4, 0.0)])];
        assert!(matches!(allocate_uniformly(&uneven, 9), Err(QuantError::Length { .. })));
    }

    fn instances() -> impl Strategy<Value = (Vec<Vec<Candidate>>, usize)> {
        let bytes = prop_oneof![0_usize..8, 0_usize..60];
        // Whole numbers make ties.
        let cost = prop_oneof![(0_u8..6).prop_map(f64::from), 0.0_f64..20.0];
        let candidate = (bytes, cost).prop_map(|(bytes, cost)| Candidate { bytes, cost });
        (prop::collection::vec(prop::collection::vec(candidate, 1..6), 0..7), 0_usize..150)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn it_finds_what_trying_all_finds((tensors, budget) in instances()) {
            let best = by_force(&tensors, budget);
            match allocate(&tensors, budget, MOST_STATES) {
                Ok(found) => {
                    is_sound(&tensors, budget, &found);
                    prop_assert!(found.exact && (found.cost - best).abs() < 1e-9, "{} {best}", found.cost);
                }
                Err(error) => prop_assert!(best == f64::INFINITY, "{error}"),
            }
        }

        #[test]
        fn with_few_states_the_bound_holds((tensors, budget) in instances(), most in 0_usize..4) {
            if let Ok(found) = allocate(&tensors, budget, most) {
                let best = by_force(&tensors, budget);
                is_sound(&tensors, budget, &found);
                prop_assert!(found.bound <= best + 1e-9 && best <= found.cost + 1e-9, "{best} {found:?}");
            }
        }
    }
}
