//! What does an error in one channel ask of the channels after it?
//!
//! The answer is the upper triangular factor `R` of `H⁻¹ = Rᵀ R` (Frantar et al. 2022, "GPTQ"): once the
//! weight of channel `i` is off by `e`, the best the later ones can do is to move by `−e R[i, j] / R[i, i]`. With
//! the channels in reverse order, `H = L Lᵀ`, and `R` is `L⁻¹` with both axes in reverse. Blocked, as
//! LAPACK's `potrf` and `trtri` are; O(channels³) in double precision.

use ndarray::{Array2, ArrayViewMut2, Axis, linalg::general_mat_mul, s};
use rayon::prelude::*;

/// How many rows and columns a block has.
const BLOCK: usize = 64;

/// `R` for a symmetric, positive definite matrix whose rows and columns are given in reverse; `None` where it is
/// not positive definite. Runs on the threads of the current rayon pool, whose number does not change it.
pub(crate) fn inverse_factor(mut reversed: Array2<f64>) -> Option<Array2<f32>> {
    factor(&mut reversed)?;
    Some(inverse(&reversed))
}

/// Replaces the lower triangle of a matrix by that of `L`.
fn factor(matrix: &mut Array2<f64>) -> Option<()> {
    let size = matrix.nrows();
    for start in (0..size).step_by(BLOCK) {
        let end = (start + BLOCK).min(size);
        let (mut left, mut right) = matrix.view_mut().split_at(Axis(1), end);
        let mut corner = left.slice_mut(s![start..end, start..end]);
        factor_corner(&mut corner)?;
        let corner = corner.to_owned();
        // The rows below follow from the corner, each by itself: x with x · cornerᵀ = row.
        let mut below = left.slice_mut(s![end.., start..end]);
        below.axis_chunks_iter_mut(Axis(0), BLOCK).into_par_iter().for_each(|mut rows| {
            for mut row in rows.rows_mut() {
                for column in 0..row.len() {
                    let known = row.slice(s![..column]).dot(&corner.slice(s![column, ..column]));
                    row[column] = (row[column] - known) / corner[[column, column]];
                }
            }
        });
        let below = below.to_owned();
        let mut rest = right.slice_mut(s![end.., ..]);
        rest.axis_chunks_iter_mut(Axis(0), BLOCK).into_par_iter().enumerate().for_each(
            |(index, mut rows)| {
                let (first, last) = (index * BLOCK, index * BLOCK + rows.nrows());
                let mut rows = rows.slice_mut(s![.., ..last]);
                general_mat_mul(
                    -1.0,
                    &below.slice(s![first..last, ..]),
                    &below.slice(s![..last, ..]).t(),
                    1.0,
                    &mut rows,
                );
            },
        );
    }
    Some(())
}

fn factor_corner(corner: &mut ArrayViewMut2<'_, f64>) -> Option<()> {
    for row in 0..corner.nrows() {
        for column in 0..=row {
            let known = corner.slice(s![row, ..column]).dot(&corner.slice(s![column, ..column]));
            let left = corner[[row, column]] - known;
            corner[[row, column]] = match row == column {
                true if left > 0.0 && left.is_finite() => left.sqrt(),
                true => return None,
                false => left / corner[[column, column]],
            };
        }
    }
    Some(())
}

/// The inverse of a lower triangular matrix, with both axes in reverse.
fn inverse(lower: &Array2<f64>) -> Array2<f32> {
    let size = lower.nrows();
    let mut reversed = Array2::zeros((size, size));
    // Columns of the inverse do not depend on one another; in reverse and transposed they are rows, of which
    // each thread writes its own.
    let columns: Vec<Array2<f64>> = (0..size)
        .into_par_iter()
        .step_by(BLOCK)
        .map(|first| inverse_columns(lower, first, (first + BLOCK).min(size)))
        .collect();
    for (index, columns) in columns.into_iter().enumerate() {
        for ((row, column), &value) in columns.indexed_iter() {
            let (row, column) = (index * BLOCK + row, index * BLOCK + column);
            reversed[[size - 1 - row, size - 1 - column]] = value as f32;
        }
    }
    reversed
}

/// Some columns of the inverse, from the first row that is not 0 on.
fn inverse_columns(lower: &Array2<f64>, first: usize, last: usize) -> Array2<f64> {
    let size = lower.nrows();
    let mut columns = Array2::zeros((size - first, last - first));
    for column in 0..last - first {
        columns[[column, column]] = 1.0;
    }
    for start in (first..size).step_by(BLOCK) {
        let end = (start + BLOCK).min(size);
        let (known, mut rows) = columns.view_mut().split_at(Axis(0), start - first);
        let mut rows = rows.slice_mut(s![..end - start, ..]);
        general_mat_mul(-1.0, &lower.slice(s![start..end, first..start]), &known, 1.0, &mut rows);
        for row in 0..end - start {
            for before in 0..row {
                let factor = lower[[start + row, start + before]];
                let (known, mut rows) = rows.view_mut().split_at(Axis(0), row);
                rows.row_mut(0).scaled_add(-factor, &known.row(before));
            }
            let corner = lower[[start + row, start + row]];
            rows.row_mut(row).mapv_inplace(|value| value / corner);
        }
    }
    columns
}

#[cfg(test)]
mod tests;
