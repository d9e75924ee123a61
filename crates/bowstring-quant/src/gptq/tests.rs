use bowstring_core::Cancel;
use ndarray::Axis;

use super::*;
use crate::{
    Bits, CodeType, Method, Offset, Quantized, ScaleType, Scheme,
    matrix::tests::{back, quantized, weights},
    scales::Scales,
};

/// The second moments of inputs that have much in common, of which some are larger than others.
fn hessian(channels: usize) -> Hessian {
    let count = 4 * channels;
    let (own, common) = (weights(count * channels), weights(count * 6));
    let mut inputs = Vec::new();
    for (input, own) in own.chunks(channels).enumerate() {
        let common = &common[input * 6..][..6];
        let size =
            |channel: usize| if channel.is_multiple_of(17) { 20.0 } else { 1.0 + (channel % 5) as f32 };
        inputs.extend(own.iter().enumerate().map(|(channel, &own)| {
            (own + 3.0 * common[channel % 6] + 2.0 * common[channel * 7 % 5]) * size(channel)
        }));
    }
    let mut hessian = Hessian::new(channels).unwrap();
    hessian.add(&inputs, 1.0).unwrap();
    hessian
}

fn gptq(hessian: &Hessian, order: Order) -> Gptq {
    Gptq { hessian: Arc::new(hessian.clone()), damping: 0.01, order }
}

fn scheme(bits: Bits, group: u32) -> Scheme {
    Scheme {
        bits,
        group: Group::of(group).unwrap(),
        offset: Offset::ZeroPoint,
        scale_type: ScaleType::F16,
        code_type: CodeType::Linear,
    }
}

/// As the paper has it before it makes it fast: the inverse as a whole, from which each channel that is rounded is
/// taken out (Frantar and Alistarh 2022, "Optimal Brain Compression").
fn slowly<L: Levels>(weights: &[f32], gptq: &Gptq, form: &Form<L>) -> Vec<u8> {
    let columns = gptq.hessian.channels();
    let Factor { channels, importance, .. } = gptq.factor(columns).unwrap();
    let diagonal = gptq.hessian.diagonal();
    let added = gptq.damping * diagonal.iter().sum::<f64>() / columns as f64;
    let moments = Array2::from_shape_fn((columns, columns), |(row, column)| {
        gptq.hessian.at(row, column) + if row == column { added } else { 0.0 }
    });
    let mut inverse = gauss_jordan(moments);
    let size = form.scheme.group.size(columns);
    let rows = weights.len() / columns;
    let mut left =
        Array2::from_shape_fn((rows, columns), |(row, column)| f64::from(weights[row * columns + column]));
    let mut codes = vec![0; weights.len()];
    let grid = |row: &[f32], first: usize| {
        let last = columns.min(first + size);
        search_grid(&row[first..last], &importance[first..last], form)
    };
    let mut grids: Vec<Vec<_>> = weights
        .chunks(columns)
        .map(|row| (0..columns).step_by(size).map(|first| grid(row, first)).collect())
        .collect();
    for &channel in &channels {
        let pivot = inverse[[channel, channel]];
        for row in 0..rows {
            if gptq.order == Order::Natural && channel % size == 0 {
                let now: Vec<f32> = left.row(row).iter().map(|&weight| weight as f32).collect();
                grids[row][channel / size] = grid(&now, channel);
            }
            let grid = grids[row][channel / size];
            let code = grid.code(left[[row, channel]] as f32, form);
            codes[row * columns + channel] = code as u8;
            let error = (left[[row, channel]] - f64::from(grid.value(code, form.levels))) / pivot;
            left.row_mut(row).scaled_add(-error, &inverse.row(channel));
        }
        let (column, row) = (inverse.column(channel).to_owned(), inverse.row(channel).to_owned());
        inverse -= &(column.insert_axis(Axis(1)).dot(&row.insert_axis(Axis(0))) / pivot);
    }
    codes
}

fn gauss_jordan(mut matrix: Array2<f64>) -> Array2<f64> {
    let size = matrix.nrows();
    let mut inverse = Array2::eye(size);
    for pivot in 0..size {
        let factor = matrix[[pivot, pivot]];
        for part in [&mut matrix, &mut inverse] {
            part.row_mut(pivot).mapv_inplace(|value| value / factor);
        }
        for row in (0..size).filter(|&row| row != pivot) {
            let factor = matrix[[row, pivot]];
            for part in [&mut matrix, &mut inverse] {
                let pivot = part.row(pivot).to_owned();
                part.row_mut(row).scaled_add(-factor, &pivot);
            }
        }
    }
    inverse
}

/// Fewer channels than are rounded at once, and more, in groups that do not fill the last one.
#[test]
fn codes_are_those_of_the_method_as_it_is_written_down() {
    for (channels, group) in [(50, 16), (150, 40), (270, 256)] {
        let hessian = hessian(channels);
        let weights = weights(channels * 6);
        for order in [Order::Natural, Order::Largest] {
            let gptq = gptq(&hessian, order);
            let scheme = scheme(Bits::Three, group);
            let (codes, expected) = if channels == 150 {
                let levels = crate::levels::Quadratic::of(Bits::Three);
                let form = Form { scheme, levels, scales: Scales::of(ScaleType::F8, 1e-6) };
                (gptq.factor(channels).unwrap().round(&weights, &form).codes, slowly(&weights, &gptq, &form))
            } else {
                let levels = crate::levels::Linear;
                let form = Form { scheme, levels, scales: Scales::of(ScaleType::F16, 1.0) };
                (gptq.factor(channels).unwrap().round(&weights, &form).codes, slowly(&weights, &gptq, &form))
            };
            let other = codes.iter().zip(&expected).filter(|(code, expected)| code != expected).count();
            // A number in the middle between two codes may go to either; those after it in its row follow.
            assert!(other * 50 < codes.len(), "{other} of {} {order:?} {channels}", codes.len());
        }
    }
}

#[test]
fn outputs_are_nearer_than_those_of_a_search() {
    let (channels, rows) = (192, 48);
    let hessian = hessian(channels);
    let weights = weights(channels * rows);
    for bits in Bits::ALL {
        outputs_are_nearer(&weights, &hessian, scheme(bits, 64));
        let (scale_type, code_type) = (ScaleType::F8, CodeType::Quadratic);
        outputs_are_nearer(&weights, &hessian, Scheme { scale_type, code_type, ..scheme(bits, 64) });
    }
}

fn outputs_are_nearer(weights: &[f32], hessian: &Hessian, scheme: Scheme) {
    let diagonal: Arc<[f32]> = hessian.diagonal().into_iter().map(|moment| moment as f32).collect();
    let error = |method: &Method| {
        let matrix = quantized(weights, hessian.channels(), scheme, method);
        hessian.output_error(weights, &back(&matrix)).unwrap()
    };
    let plain = error(&Method::Search { importance: None });
    let weighted = error(&Method::Search { importance: Some(diagonal) });
    let natural = error(&Method::Gptq(gptq(hessian, Order::Natural)));
    let largest = error(&Method::Gptq(gptq(hessian, Order::Largest)));
    assert!(weighted < plain, "{weighted} against {plain}, {scheme:?}");
    assert!(natural < 0.7 * weighted, "{natural} against {weighted}, {scheme:?}");
    assert!(largest < 0.7 * weighted, "{largest} against {weighted}, {scheme:?}");
}

#[test]
fn threads_do_not_change_the_bytes() {
    let hessian = hessian(136);
    let weights = weights(300 * 136);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let method = Method::Gptq(gptq(&hessian, Order::Largest));
        pool.install(|| quantized(&weights, 136, scheme(Bits::Three, 24), &method))
    };
    assert_eq!(with(1), with(4));
}

/// Channels without inputs, inputs that are all 0, as many channels as inputs or more.
#[test]
fn moments_without_an_inverse_of_their_own_do() {
    let weights = weights(8 * 40);
    let mut few = Hessian::new(40).unwrap();
    few.add(&weights[..80], 1.0).unwrap();
    let mut gaps = vec![1.0; 40];
    gaps[3..9].fill(0.0);
    let mut gap = Hessian::new(40).unwrap();
    gap.add(&gaps, 1.0).unwrap();
    for hessian in [few, gap, Hessian::new(40).unwrap()] {
        for order in [Order::Natural, Order::Largest] {
            let method = Method::Gptq(gptq(&hessian, order));
            let matrix = quantized(&weights, 40, scheme(Bits::Four, 16), &method);
            assert!(matrix.quality(&weights).unwrap().sqnr > 10.0);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let weights = weights(8 * 40);
    let refused = |gptq: Gptq| {
        let method = Method::Gptq(gptq);
        Quantized::of(&weights, 40, scheme(Bits::Four, 16), &method, &Cancel::default())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused(gptq(&Hessian::new(39).unwrap(), Order::Largest)),
        "channels of second moments: 39 where 40 are expected"
    );
    for damping in [0.0, -1.0, 1.5, f64::NAN] {
        let gptq = Gptq { damping, ..gptq(&Hessian::new(40).unwrap(), Order::Largest) };
        assert_eq!(refused(gptq), format!("`damping` cannot be {damping}"));
    }
}
