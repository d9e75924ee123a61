use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{Bits, Gptq, Group, Hessian, Order};

fn scheme(bits: Bits, group: Group, offset: Offset, scale_type: ScaleType) -> Scheme {
    Scheme { bits, group, offset, scale_type }
}

fn groups() -> impl Strategy<Value = Group> {
    prop_oneof![Just(Group::Channel), (2_u32..=32).prop_map(|size| Group::of(size * 8).unwrap())]
}

fn schemes() -> impl Strategy<Value = Scheme> {
    let offset = prop::sample::select(vec![Offset::Symmetric, Offset::ZeroPoint, Offset::Minimum]);
    let scale_type = prop::sample::select(vec![ScaleType::F32, ScaleType::F16, ScaleType::Bf16]);
    (prop::sample::select(Bits::ALL.to_vec()), groups(), offset, scale_type)
        .prop_map(|(bits, group, offset, scale_type)| scheme(bits, group, offset, scale_type))
}

/// Weights with outliers, runs of the same and zeros, all on one side now and then.
fn matrices() -> impl Strategy<Value = (Vec<f32>, usize)> {
    let weight = prop_oneof![
        8 => -1.0_f32..1.0,
        1 => -30.0_f32..30.0,
        1 => Just(0.0_f32),
        1 => -1e-6_f32..1e-6,
    ];
    let shift = prop_oneof![3 => Just(0.0_f32), 1 => -4.0_f32..4.0];
    (1_usize..6, 1_usize..300).prop_flat_map(move |(rows, columns)| {
        let weights = prop::collection::vec(weight.clone(), rows * columns);
        (weights, shift.clone()).prop_map(move |(weights, shift)| {
            (weights.into_iter().map(|weight| weight + shift).collect(), columns)
        })
    })
}

pub(crate) fn quantized(weights: &[f32], columns: usize, scheme: Scheme, method: &Method) -> Quantized {
    Quantized::of(weights, columns, scheme, method, &Cancel::default()).unwrap()
}

pub(crate) fn back(matrix: &Quantized) -> Vec<f32> {
    let mut weights = vec![f32::NAN; matrix.rows * matrix.columns];
    matrix.dequantize(&mut weights).unwrap();
    weights
}

fn squared_error(weights: &[f32], others: &[f32]) -> f64 {
    weights.iter().zip(others).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum()
}

/// The least and the greatest value of a group, and its scale.
fn reach(matrix: &Quantized, row: usize, group: usize) -> (f32, f32, f32) {
    let Scheme { bits, offset, scale_type, .. } = matrix.scheme;
    let strides = matrix.scheme.strides(matrix.columns);
    let scale = read(scale_type, &matrix.scales[row * strides.scales..][..strides.scales], group);
    let offsets = &matrix.offsets[row * strides.offsets..][..strides.offsets];
    let (zero, minimum) = match offset {
        Offset::Symmetric => (f32::from(bits.middle()), 0.0),
        Offset::ZeroPoint => {
            let mut zeros = vec![0; matrix.scheme.group.count(matrix.columns)];
            crate::unpack(bits, offsets, &mut zeros).unwrap();
            (f32::from(zeros[group]), 0.0)
        }
        Offset::Minimum => (0.0, read(scale_type, offsets, group)),
    };
    let ends = [0.0, f32::from(bits.largest())].map(|code| (code - zero) * scale + minimum);
    (ends[0].min(ends[1]), ends[0].max(ends[1]), scale.abs())
}

proptest! {
    #[test]
    fn no_weight_within_reach_is_further_off_than_half_a_scale(
        (weights, columns) in matrices(),
        scheme in schemes(),
    ) {
        let matrix = quantized(&weights, columns, scheme, &Method::Nearest);
        prop_assert_eq!(matrix.bytes(), scheme.bytes(matrix.rows, columns));
        let values = back(&matrix);
        let quality = matrix.quality(&weights).unwrap();
        let whole = Quality::of(&weights, &values).unwrap();
        prop_assert_eq!(quality.largest_error, whole.largest_error);
        prop_assert!((quality.relative_error - whole.relative_error).abs() <= 1e-9 * whole.relative_error);
        let size = scheme.group.size(columns);
        for (index, (&weight, &value)) in weights.iter().zip(&values).enumerate() {
            let (row, column) = (index / columns, index % columns);
            let (least, greatest, scale) = reach(&matrix, row, column / size);
            let off = (weight.clamp(least, greatest) - value).abs();
            // The last bits of the weight are lost when it is divided and multiplied again.
            let slack = 4.0 * f32::EPSILON * (weight.abs() + least.abs() + greatest.abs());
            prop_assert!(off <= scale / 2.0 + slack, "{weight} became {value}, scale {scale}");
            if weight == 0.0 && scheme.offset != Offset::Minimum {
                prop_assert_eq!(value, 0.0);
            }
        }
    }

    #[test]
    fn a_search_is_never_worse((weights, columns) in matrices(), scheme in schemes()) {
        let nearest = back(&quantized(&weights, columns, scheme, &Method::Nearest));
        let found = back(&quantized(&weights, columns, scheme, &Method::Search { importance: None }));
        let (nearest, found) = (squared_error(&weights, &nearest), squared_error(&weights, &found));
        // Groups are compared in single precision.
        prop_assert!(found <= nearest * (1.0 + 1e-5), "{found} against {nearest}");
    }

    #[test]
    fn any_processor_comes_to_the_same((weights, columns) in matrices(), scheme in schemes()) {
        for method in [Method::Nearest, Method::Search { importance: None }] {
            let matrix = quantized(&weights, columns, scheme, &method);
            let mut other = matrix.clone();
            for part in [&mut other.codes, &mut other.scales, &mut other.offsets] {
                part.fill(0xAA);
            }
            let (whole, quality) =
                Quantized::measured(&weights, columns, scheme, &method, &Cancel::default()).unwrap();
            prop_assert_eq!(&whole, &matrix);
            prop_assert_eq!(quality, matrix.quality(&weights).unwrap());
            let mut tallies = vec![Tally::default(); matrix.rows.div_ceil(block(columns))];
            let parts = Parts {
                codes: &mut other.codes,
                scales: &mut other.scales,
                offsets: &mut other.offsets,
                tallies: &mut tallies,
            };
            let strides = scheme.strides(columns);
            let method = &method.prepared(columns).unwrap();
            Rows { weights: &weights, columns, scheme, strides, method, parts }.run().unwrap();
            prop_assert_eq!(&other, &matrix);
            prop_assert_eq!(Tally::all(tallies).quality(), quality);
            let mut values = vec![f32::NAN; weights.len()];
            let Quantized { codes, scales, offsets, .. } = &matrix;
            Values { weights: &mut values, columns, scheme, strides, codes, scales, offsets }.run();
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&values), bits(&back(&matrix)));
        }
    }
}

/// Numbers that look like those of a trained layer: sums of a few, most near 0.
pub(crate) fn weights(count: usize) -> Vec<f32> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (0..count).map(|_| (next() + next() + next() + next()) * 0.02).collect()
}

#[test]
fn more_bits_are_other_bytes_and_less_error() {
    let weights = weights(64 * 512);
    for offset in [Offset::Symmetric, Offset::ZeroPoint, Offset::Minimum] {
        for method in [Method::Nearest, Method::Search { importance: None }] {
            let matrices = Bits::ALL.map(|bits| {
                let scheme = scheme(bits, Group::of(64).unwrap(), offset, ScaleType::F16);
                quantized(&weights, 512, scheme, &method)
            });
            for (fewer, more) in matrices.iter().zip(&matrices[1..]) {
                assert_ne!(fewer.codes, more.codes);
                assert!(fewer.bytes() < more.bytes());
                let whole = Quality::of(&weights, &back(more)).unwrap();
                let quality = more.quality(&weights).unwrap();
                assert!((quality.sqnr - whole.sqnr).abs() < 1e-9, "{quality:?} against {whole:?}");
                let [fewer, more] = [fewer, more].map(|matrix| squared_error(&weights, &back(matrix)));
                assert!(more < fewer / 2.0, "{more} against {fewer}");
            }
        }
    }
}

#[test]
fn threads_do_not_change_the_bytes() {
    let weights = weights(300 * 136);
    let scheme = scheme(Bits::Three, Group::of(24).unwrap(), Offset::ZeroPoint, ScaleType::Bf16);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| quantized(&weights, 136, scheme, &Method::Search { importance: None }))
    };
    assert_eq!(with(1), with(4));
}

#[test]
fn figures_are_the_same_whenever_they_are_taken() {
    // Blocks of 23 rows, of which GPTQ takes two at once.
    let (rows, columns) = (150, 700);
    let weights = weights(rows * columns);
    let sums = (0..columns * columns).map(|at| if at % (columns + 1) == 0 { 1.0 } else { 0.0 }).collect();
    let hessian = Arc::new(Hessian::from_sums(columns, 1.0, sums).unwrap());
    let scheme = scheme(Bits::Four, Group::of(64).unwrap(), Offset::ZeroPoint, ScaleType::F16);
    for method in [
        Method::Nearest,
        Method::Search { importance: None },
        Method::Gptq(Gptq { hessian, damping: 0.01, order: Order::Natural }),
    ] {
        let (matrix, quality) =
            Quantized::measured(&weights, columns, scheme, &method, &Cancel::default()).unwrap();
        assert_eq!(matrix, quantized(&weights, columns, scheme, &method));
        assert_eq!(quality, matrix.quality(&weights).unwrap(), "{}", method.name());
    }
}

#[test]
fn an_important_channel_is_kept_better() {
    let weights = weights(32 * 64);
    let scheme = scheme(Bits::Two, Group::of(64).unwrap(), Offset::ZeroPoint, ScaleType::F16);
    let importance: Vec<f32> = (0..64).map(|column| if column == 5 { 1000.0 } else { 1.0 }).collect();
    let of_five = |method: &Method| -> f64 {
        let values = back(&quantized(&weights, 64, scheme, method));
        let off = |row: usize| f64::from(weights[row * 64 + 5] - values[row * 64 + 5]).powi(2);
        (0..32).map(off).sum()
    };
    let plain = of_five(&Method::Search { importance: None });
    let weighted = of_five(&Method::Search { importance: Some(importance.into()) });
    assert!(weighted < plain / 10.0, "{weighted} against {plain}");
    for wrong in [-1.0, f32::NAN, f32::INFINITY] {
        let method = Method::Search { importance: Some(vec![wrong; 64].into()) };
        let refused = Quantized::of(&weights, 64, scheme, &method, &Cancel::default());
        assert!(matches!(refused, Err(QuantError::Option { option: "importance", .. })), "{wrong}");
    }
    let nothing = Method::Search { importance: Some(vec![0.0; 64].into()) };
    let nearest = quantized(&weights, 64, scheme, &Method::Nearest);
    assert_eq!(quantized(&weights, 64, scheme, &nothing), nearest);
}

#[test]
fn what_no_grid_has_is_named() {
    let four = scheme(Bits::Four, Group::of(16).unwrap(), Offset::ZeroPoint, ScaleType::F16);
    let of = |weights: &[f32]| Quantized::of(weights, 16, four, &Method::Nearest, &Cancel::default());
    let mut weights = vec![0.5; 32];
    weights[20] = f32::NAN;
    weights[21] = f32::NEG_INFINITY;
    assert!(matches!(of(&weights), Err(QuantError::NotFinite { nans: 1, infinities: 1, first: 20 })));
    let mut weights = vec![0.5; 32];
    weights[17] = 3e38;
    weights[18] = -3e38;
    assert!(matches!(of(&weights), Err(QuantError::Scale { row: 1, group: 0, scale_type: "f16" })));
    let wide = Scheme { scale_type: ScaleType::Bf16, ..four };
    let matrix = quantized(&weights, 16, wide, &Method::Nearest);
    assert!(back(&matrix).iter().all(|value| value.is_finite()));
    assert!(matches!(of(&weights[..31]), Err(QuantError::Length { length: 31, expected: 16, .. })));
    let stopped = Cancel::default();
    stopped.cancel();
    let stopped = Quantized::of(&weights, 16, wide, &Method::Nearest, &stopped);
    assert!(matches!(stopped, Err(QuantError::Cancelled(_))));
}

#[test]
fn nothing_stays_nothing() {
    for columns in [0, 7] {
        let four = scheme(Bits::Four, Group::Channel, Offset::Minimum, ScaleType::F32);
        let matrix = quantized(&[], columns, four, &Method::Nearest);
        assert_eq!((matrix.rows, matrix.bytes(), back(&matrix)), (0, 0, vec![]));
    }
}
