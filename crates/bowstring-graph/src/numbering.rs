//! Which dense number does each id get? Ids are numbered in the order in which they first appear.
//!
//! Keys are dealt into parts by their hash, each part is looked up in a table of its own, small enough
//! for a core's cache, and the numbers within parts become numbers of all by a count of the first
//! appearances before each task (hash-partitioned aggregation, as in Leis et al., Morsel-Driven
//! Parallelism, 2014). O(ids) time on all threads. Until it is done it takes, for each id, its key (16
//! bytes for text, 8 for numbers) and 5 bytes; the result takes 4. It does not depend on the number of
//! threads, nor on the seed of the hash.

use std::ops::Range;

use rayon::prelude::*;

use crate::{Result, Run};

/// Most parts; one is told by a byte.
const MAX_PARTS: usize = 256;

/// Keys that a part should have, so that its table stays within a core's cache.
const PART: usize = 1 << 14;

/// Rows of one task.
pub(crate) const TASK: usize = 1 << 16;

/// Rows that are read in one go.
const BLOCK: usize = 1 << 10;

/// Columns of keys, and how keys are told apart.
pub(crate) trait Keys: Sync {
    /// What stands for an id.
    type Key: Copy + Default + Send + Sync;
    /// The keys of a part that were seen.
    type Table;
    /// Reads the keys of the rows in `range` of a column into `into`, which has as many places.
    fn read(&self, column: usize, range: Range<usize>, into: &mut [Self::Key]);
    /// The part of `parts`, a power of two of at most 256, that a key belongs to.
    fn part(&self, key: Self::Key, parts: usize) -> u8;
    /// The table of a part before any key was seen.
    fn table(&self, parts: usize) -> Self::Table;
    /// The number of a key within its part: those seen so far are numbered from 0.
    fn number(&self, table: &mut Self::Table, key: Self::Key) -> u32;
    /// How many different keys were seen.
    fn seen(table: &Self::Table) -> usize;
}

/// Columns of one length that are read together: row by row, and within a row in this order.
pub(crate) struct Stretch {
    pub(crate) columns: Vec<usize>,
    pub(crate) rows: usize,
}

/// The numbers of ids.
pub(crate) struct Numbers {
    /// The number of each row of each column, in the order of the stretches.
    pub(crate) columns: Vec<Vec<u32>>,
    /// Where each number first appears: column and row.
    pub(crate) firsts: Vec<(usize, usize)>,
    /// How many numbers there are after each stretch.
    pub(crate) after: Vec<usize>,
}

/// Bytes that numbering takes for each id, with its result.
pub(crate) const fn bytes_per_id<K>() -> usize {
    size_of::<K>() + 1 + size_of::<u32>()
}

struct Task<'a> {
    stretch: usize,
    columns: &'a [usize],
    rows: Range<usize>,
}

/// The keys of a task: the part of each, in order, and the keys of each part, in order.
struct Dealt<K> {
    parts: Vec<u8>,
    keys: Vec<Vec<K>>,
}

/// The keys of a part, looked up.
struct Part {
    /// For each task the number within the part of each of its keys.
    numbers: Vec<Vec<u32>>,
    /// For each task how many different keys there are after it.
    after: Vec<usize>,
}

/// Numbers the ids of all stretches, one stretch after the other.
pub(crate) fn number<K: Keys>(keys: &K, stretches: &[Stretch], run: &Run) -> Result<Numbers> {
    let ids: usize = stretches.iter().map(|stretch| stretch.columns.len() * stretch.rows).sum();
    let parts = (ids / PART).clamp(1, MAX_PARTS).next_power_of_two();
    let tasks: Vec<Task<'_>> =
        stretches.iter().enumerate().flat_map(|(at, stretch)| tasks(at, stretch)).collect();

    let mut of_tasks = Vec::with_capacity(tasks.len());
    let mut of_parts: Vec<Vec<Vec<K::Key>>> = (0..parts).map(|_| Vec::with_capacity(tasks.len())).collect();
    for dealt in tasks.par_iter().map(|task| deal(keys, task, parts, run)).collect::<Result<Vec<_>>>()? {
        of_tasks.push(dealt.parts);
        for (part, keys) in of_parts.iter_mut().zip(dealt.keys) {
            part.push(keys);
        }
    }
    let of_parts: Vec<Part> =
        of_parts.into_par_iter().map(|part| look_up(keys, part, parts, run)).collect::<Result<_>>()?;

    let (numbers, starts, firsts) = first_appearances(&tasks, &of_tasks, &of_parts, run)?;
    let after_task = |at: usize| -> usize { of_parts.iter().map(|part| part.after[at]).sum() };
    let after = (0..stretches.len())
        .map(|stretch| tasks.partition_point(|task| task.stretch <= stretch))
        .map(|end| end.checked_sub(1).map_or(0, after_task))
        .collect();

    let mut columns: Vec<Vec<u32>> = Vec::new();
    for stretch in stretches {
        columns.extend(stretch.columns.iter().map(|_| vec![0; stretch.rows]));
    }
    // What each task writes: a slice of each column of its stretch.
    let mut rest: Vec<&mut [u32]> = columns.iter_mut().map(Vec::as_mut_slice).collect();
    let mut places = Vec::with_capacity(tasks.len());
    for task in &tasks {
        let first: usize = stretches[..task.stretch].iter().map(|stretch| stretch.columns.len()).sum();
        let of_task = &mut rest[first..first + task.columns.len()];
        places.push(
            of_task
                .iter_mut()
                .filter_map(|column| column.split_off_mut(..task.rows.len()))
                .collect::<Vec<_>>(),
        );
    }
    places.into_par_iter().enumerate().try_for_each(|(at, mut places)| {
        run.check()?;
        let width = places.len();
        walk(&of_tasks[at], &of_parts, at, |id, part, number| {
            places[id % width][id / width] = numbers[starts[part] + number as usize];
        });
        Ok::<_, crate::GraphError>(())
    })?;
    Ok(Numbers { columns, firsts, after })
}

fn tasks(at: usize, stretch: &Stretch) -> impl Iterator<Item = Task<'_>> {
    (0..stretch.rows).step_by(TASK).map(move |start| Task {
        stretch: at,
        columns: &stretch.columns,
        rows: start..stretch.rows.min(start + TASK),
    })
}

/// Reads the keys of a task and deals them into parts.
fn deal<K: Keys>(keys: &K, task: &Task<'_>, parts: usize, run: &Run) -> Result<Dealt<K::Key>> {
    run.check()?;
    let width = task.columns.len();
    let ids = task.rows.len() * width;
    let expected = ids / parts + ids / parts / 8 + 8;
    let mut dealt = Dealt {
        parts: Vec::with_capacity(ids),
        keys: (0..parts).map(|_| Vec::with_capacity(expected)).collect(),
    };
    let mut blocks = vec![[K::Key::default(); BLOCK]; width];
    for start in task.rows.clone().step_by(BLOCK) {
        let rows = start..task.rows.end.min(start + BLOCK);
        for (block, &column) in blocks.iter_mut().zip(task.columns) {
            keys.read(column, rows.clone(), &mut block[..rows.len()]);
        }
        for row in 0..rows.len() {
            for block in &blocks {
                let part = keys.part(block[row], parts);
                dealt.parts.push(part);
                dealt.keys[usize::from(part)].push(block[row]);
            }
        }
    }
    Ok(dealt)
}

/// Numbers the keys of a part.
fn look_up<K: Keys>(keys: &K, part: Vec<Vec<K::Key>>, parts: usize, run: &Run) -> Result<Part> {
    let mut table = keys.table(parts);
    let mut looked_up =
        Part { numbers: Vec::with_capacity(part.len()), after: Vec::with_capacity(part.len()) };
    for of_task in part {
        run.check()?;
        looked_up.numbers.push(of_task.into_iter().map(|key| keys.number(&mut table, key)).collect());
        looked_up.after.push(K::seen(&table));
    }
    Ok(looked_up)
}

/// Calls `each` with every id of a task in order: its place in the task, its part, its number within
/// the part.
fn walk(parts: &[u8], of_parts: &[Part], task: usize, mut each: impl FnMut(usize, usize, u32)) {
    let mut streams: Vec<std::slice::Iter<'_, u32>> =
        of_parts.iter().map(|part| part.numbers[task].iter()).collect();
    for (id, &part) in parts.iter().enumerate() {
        // A part has as many numbers as it was dealt keys.
        if let Some(&number) = streams[usize::from(part)].next() {
            each(id, usize::from(part), number);
        }
    }
}

type Firsts = (Vec<u32>, Vec<usize>, Vec<(usize, usize)>);

/// The number of each key among all, part by part; where each part begins in that; and where each
/// number first appears.
fn first_appearances(
    tasks: &[Task<'_>],
    of_tasks: &[Vec<u8>],
    of_parts: &[Part],
    run: &Run,
) -> Result<Firsts> {
    let sizes: Vec<usize> = of_parts.iter().map(|part| part.after.last().copied().unwrap_or(0)).collect();
    let mut starts = Vec::with_capacity(sizes.len());
    let mut distinct = 0;
    for size in &sizes {
        starts.push(distinct);
        distinct += size;
    }
    let mut numbers = vec![0_u32; distinct];
    let mut firsts = vec![(0, 0); distinct];

    let mut of_part: Vec<&mut [u32]> = Vec::with_capacity(sizes.len());
    let mut rest = numbers.as_mut_slice();
    for &size in &sizes {
        let (part, after) = rest.split_at_mut(size);
        of_part.push(part);
        rest = after;
    }
    let mut rest = firsts.as_mut_slice();
    let mut next = 0;
    let mut places = Vec::with_capacity(tasks.len());
    for task in 0..tasks.len() {
        let before = |part: &Part| task.checked_sub(1).map_or(0, |last| part.after[last]);
        let befores: Vec<usize> = of_parts.iter().map(before).collect();
        let mut count = 0;
        let mut of_task = Vec::with_capacity(sizes.len());
        for ((slot, part), before) in of_part.iter_mut().zip(of_parts).zip(&befores) {
            let fresh = part.after[task] - before;
            count += fresh;
            of_task.push(slot.split_off_mut(..fresh).unwrap_or_default());
        }
        let (firsts, after) = rest.split_at_mut(count);
        rest = after;
        if count > 0 {
            places.push((task, next, befores, of_task, firsts));
        }
        next += count;
    }
    places.into_par_iter().try_for_each(|(at, start, befores, mut of_task, firsts)| {
        run.check()?;
        let task = &tasks[at];
        let width = task.columns.len();
        let mut seen = vec![0_usize; of_task.len()];
        let mut count = 0;
        walk(&of_tasks[at], of_parts, at, |id, part, number| {
            if number as usize == befores[part] + seen[part] {
                of_task[part][seen[part]] = (start + count) as u32;
                firsts[count] = (task.columns[id % width], task.rows.start + id / width);
                seen[part] += 1;
                count += 1;
            }
        });
        Ok::<_, crate::GraphError>(())
    })?;
    Ok((numbers, starts, firsts))
}
