use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{Bits, Gptq, Group, Hessian, Order};

fn scheme(bits: Bits, group: Group, offset: Offset, scale_type: ScaleType) -> Scheme {
    Scheme { bits, group, offset, scale_type, code_type: CodeType::Linear }
}

fn groups() -> impl Strategy<Value = Group> {
    prop_oneof![Just(Group::Channel), (2_u32..=32).prop_map(|size| Group::of(size * 8).unwrap())]
}

fn schemes() -> impl Strategy<Value = Scheme> {
    let offset = prop::sample::select(vec![Offset::Symmetric, Offset::ZeroPoint, Offset::Minimum]);
    let types = vec![ScaleType::F32, ScaleType::F16, ScaleType::Bf16, ScaleType::F8];
    let code_type = prop::sample::select(vec![CodeType::Linear, CodeType::Quadratic]);
    (prop::sample::select(Bits::ALL.to_vec()), groups(), offset, prop::sample::select(types), code_type)
        .prop_map(|(bits, group, offset, scale_type, code_type)| Scheme {
            bits,
            group,
            offset,
            scale_type,
            code_type,
        })
        .prop_filter("there is no such scheme", |scheme| scheme.check().is_ok())
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

/// All values that the codes of a group stand for, and its scale.
fn values(matrix: &Quantized, row: usize, group: usize) -> (Vec<f32>, f32) {
    let Scheme { bits, offset, scale_type, code_type, .. } = matrix.scheme;
    let strides = matrix.scheme.strides(matrix.columns);
    let scales = Scales::of(scale_type, matrix.scale_unit);
    let scale = scales.read(&matrix.scales[row * strides.scales..][..strides.scales], group);
    let offsets = &matrix.offsets[row * strides.offsets..][..strides.offsets];
    let (zero, minimum) = match (offset, code_type) {
        (Offset::Symmetric, _) => (f32::from(bits.middle()), 0.0),
        (Offset::ZeroPoint, _) => {
            let mut zeros = vec![0; matrix.scheme.group.count(matrix.columns)];
            crate::unpack(bits, offsets, &mut zeros).unwrap();
            (f32::from(zeros[group]), 0.0)
        }
        (Offset::Minimum, CodeType::Linear) => (0.0, scales.read(offsets, group)),
        (Offset::Minimum, CodeType::Quadratic) => {
            (f32::from(bits.largest()) / 2.0, scales.read(offsets, group))
        }
    };
    let value = |code: u8| {
        let codes = f32::from(code) - zero;
        let value = match code_type {
            CodeType::Linear => codes,
            CodeType::Quadratic => codes + codes * codes.abs() / f32::from(bits.middle()),
        };
        value * scale + minimum
    };
    ((0..=bits.largest()).map(value).collect(), scale.abs())
}

proptest! {
    #[test]
    fn weights_become_the_nearest_values_that_there_are(
        (weights, columns) in matrices(),
        scheme in schemes(),
        search in any::<bool>(),
    ) {
        let method = if search { Method::Search { importance: None } } else { Method::Nearest };
        let matrix = quantized(&weights, columns, scheme, &method);
        prop_assert_eq!(matrix.bytes(), scheme.bytes(matrix.rows, columns));
        let back = back(&matrix);
        let quality = matrix.quality(&weights).unwrap();
        let whole = Quality::of(&weights, &back).unwrap();
        prop_assert_eq!(quality.largest_error, whole.largest_error);
        prop_assert!((quality.relative_error - whole.relative_error).abs() <= 1e-9 * whole.relative_error);
        let size = scheme.group.size(columns);
        for (index, (&weight, &value)) in weights.iter().zip(&back).enumerate() {
            let (row, column) = (index / columns, index % columns);
            let (values, scale) = values(&matrix, row, column / size);
            let least = values.iter().copied().fold(f32::INFINITY, f32::min);
            let greatest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            // The last bits of the weight are lost when it is divided and multiplied again.
            let slack = 4.0 * f32::EPSILON * (weight.abs() + least.abs() + greatest.abs());
            let off = values.iter().map(|value| (weight - value).abs()).fold(f32::INFINITY, f32::min);
            prop_assert!((weight - value).abs() <= off + slack, "{weight} became {value}, {off} is there");
            if scheme.code_type == CodeType::Linear {
                let off = (weight.clamp(least, greatest) - value).abs();
                prop_assert!(off <= scale / 2.0 + slack, "{weight} became {value}, scale {scale}");
            }
            // Half a value is left out where a zero point or a minimum is rounded.
            if !search && (scheme.offset == Offset::Symmetric || scheme.code_type == CodeType::Quadratic) {
                let ends = (least - 0.005 * greatest.abs().max(least.abs()), greatest * 1.005 + slack);
                let kept = scheme.scale_type != ScaleType::F8 || (ends.0..=ends.1).contains(&weight);
                prop_assert!(kept, "{weight} is beyond {least} to {greatest}");
            }
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
            let (strides, kind) = (scheme.strides(columns), Scales::of(scheme.scale_type, matrix.scale_unit));
            let (method, rows) = (&method.prepared(columns).unwrap(), Matrix { weights: &weights, columns });
            let plain = Rows { recent: None, rows, scheme, kind, strides, method, parts };
            plain.write(&mut Buffers::default()).unwrap();
            let largest = Largest { weights: &weights, columns, scheme }.run();
            prop_assert_eq!(Scales::unit(scheme.scale_type, largest), matrix.scale_unit);
            prop_assert_eq!(&other, &matrix);
            prop_assert_eq!(Tally::all(tallies).quality(), quality);
            let mut values = vec![f32::NAN; weights.len()];
            let Quantized { codes, scales, offsets, .. } = &matrix;
            let scales_of = kind;
            Values { weights: &mut values, columns, scheme, scales_of, strides, codes, scales, offsets }.run();
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
    // In the third of the rows that are rounded at once, and of those that a thread takes the second.
    let mut many = vec![0.5; 48 * 1024];
    for (row, column) in [(26, 1023), (27, 5), (40, 0)] {
        many[row * 1024 + column] = 1e30;
    }
    let refused = Quantized::of(&many, 1024, four, &Method::Nearest, &Cancel::default());
    assert!(matches!(refused, Err(QuantError::Scale { row: 26, group: 63, .. })), "{refused:?}");
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

#[test]
fn parts_that_stand_elsewhere_become_the_same_numbers_and_halves() {
    // More rows than a thread takes at once.
    let weights = weights(700 * 43);
    let own = quantized(
        &weights,
        43,
        scheme(Bits::Three, Group::Channel, Offset::ZeroPoint, ScaleType::F16),
        &Method::Nearest,
    );
    let Quantized { scheme, rows, columns, scale_unit, ref codes, ref scales, ref offsets } = own;
    let elsewhere = Quantized {
        scheme,
        rows,
        columns,
        scale_unit,
        codes: codes.as_slice(),
        scales: scales.as_slice(),
        offsets: offsets.as_slice(),
    };
    let (values, mut others) = (back(&own), vec![f32::NAN; weights.len()]);
    elsewhere.dequantize(&mut others).unwrap();
    assert_eq!(others, values);
    assert_eq!(elsewhere.bytes(), own.bytes());
    assert_eq!(elsewhere.quality(&weights).unwrap(), own.quality(&weights).unwrap());
    for kind in [Half::F16, Half::Bf16] {
        let mut halves = vec![0xAAAA; weights.len()];
        elsewhere.dequantize_to_half(kind, &mut halves).unwrap();
        assert_eq!(
            halves.iter().flat_map(|half| half.to_le_bytes()).collect::<Vec<_>>(),
            kind.bytes(&values)
        );
        let short = elsewhere.dequantize_to_half(kind, &mut halves[1..]);
        assert!(matches!(short, Err(QuantError::Length { .. })));
    }
}

/// What the reference says of bytes, by hand.
#[test]
fn bytes_stand_for_what_is_documented() {
    let check = |offset, code_type, offsets: &[u8], expected: [f32; 6]| {
        let matrix = Quantized {
            scheme: Scheme {
                bits: Bits::Two,
                group: Group::Channel,
                offset,
                scale_type: ScaleType::F8,
                code_type,
            },
            rows: 2,
            columns: 3,
            scale_unit: 0.5,
            // 0, 1, 3 and 3, 2, 0 in rows of a byte; 3 and −2.
            codes: vec![0b11_01_00, 0b00_10_11],
            scales: vec![3, 254],
            offsets: offsets.to_vec(),
        };
        assert_eq!(back(&matrix), expected);
    };
    // Scales of 0.5 · 9 and −0.5 · 4.
    check(Offset::Symmetric, CodeType::Linear, &[], [-9.0, -4.5, 4.5, -2.0, 0.0, 4.0]);
    check(Offset::Symmetric, CodeType::Quadratic, &[], [-18.0, -6.75, 6.75, -3.0, 0.0, 8.0]);
    check(Offset::ZeroPoint, CodeType::Quadratic, &[1, 3], [-6.75, 0.0, 18.0, 0.0, 3.0, 15.0]);
    let matrix = Quantized {
        scheme: Scheme {
            bits: Bits::Two,
            group: Group::Channel,
            offset: Offset::Minimum,
            scale_type: ScaleType::F32,
            code_type: CodeType::Quadratic,
        },
        rows: 1,
        columns: 4,
        scale_unit: 1.0,
        codes: vec![0b11_10_01_00],
        scales: 2_f32.to_le_bytes().to_vec(),
        offsets: 10_f32.to_le_bytes().to_vec(),
    };
    // 1.5 · (1 + 1.5 / 2) and 0.5 · (1 + 0.5 / 2) scales on both sides of the middle.
    assert_eq!(back(&matrix), [4.75, 8.75, 11.25, 15.25]);
}

#[test]
fn quadratic_codes_and_scales_of_eight_bits_lose_less_in_as_many_bits() {
    let weights = weights(64 * 512);
    let hessian = {
        let mut hessian = Hessian::new(512).unwrap();
        hessian.add(&self::weights(1024 * 512), 1.0).unwrap();
        Arc::new(hessian)
    };
    let methods = [
        Method::Nearest,
        Method::Search { importance: None },
        Method::Search { importance: Some(vec![2.0; 512].into()) },
        Method::Gptq(Gptq { hessian: hessian.clone(), damping: 0.01, order: Order::Natural }),
        Method::Gptq(Gptq { hessian, damping: 0.01, order: Order::Largest }),
    ];
    for method in methods {
        for offset in [Offset::Symmetric, Offset::ZeroPoint] {
            let error = |bits, group, scale_type, code_type| {
                let scheme = Scheme { bits, group: Group::of(group).unwrap(), offset, scale_type, code_type };
                let matrix = quantized(&weights, 512, scheme, &method);
                (squared_error(&weights, &back(&matrix)), 8.0 * matrix.bytes() as f64 / weights.len() as f64)
            };
            for bits in [Bits::Four, Bits::Eight] {
                let linear = error(bits, 64, ScaleType::F16, CodeType::Linear);
                let quadratic = error(bits, 64, ScaleType::F16, CodeType::Quadratic);
                let name = format!("{} {offset:?} {bits}", method.name());
                // What reaches over the whole range gains the least.
                let share = if matches!(method, Method::Nearest) { 1.0 } else { 0.95 };
                assert!(quadratic.0 < share * linear.0, "{name}: {quadratic:?} against {linear:?}");
                // The largest groups with which scales of 8 bits take no more in all.
                let group = match (offset, bits, &method) {
                    // It lessens what outputs are off, not weights: at 8 bits these are about the same.
                    (_, Bits::Eight, Method::Gptq(_)) => continue,
                    (Offset::Symmetric, ..) => 32,
                    (_, Bits::Four, _) => 40,
                    // Zero points take as much as scales then, and smaller groups gain nothing.
                    _ => continue,
                };
                let eight = error(bits, group, ScaleType::F8, CodeType::Quadratic);
                assert!(eight.1 <= quadratic.1, "{name}: {eight:?} against {quadratic:?}");
                assert!(eight.0 < quadratic.0, "{name}: {eight:?} against {quadratic:?}");
            }
        }
    }
}

#[test]
fn what_scales_of_eight_bits_cannot_be_is_refused() {
    let eight = scheme(Bits::Four, Group::Channel, Offset::Symmetric, ScaleType::F8);
    let matrix = quantized(&[0.5; 8], 8, eight, &Method::Nearest);
    for unit in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let other = Quantized { scale_unit: unit, ..matrix.clone() };
        let refused = other.dequantize(&mut [0.0; 8]);
        assert!(matches!(refused, Err(QuantError::Option { option: "scale_unit", .. })), "{unit}");
    }
    let minimum = Scheme { offset: Offset::Minimum, ..eight };
    let refused = Quantized::of(&[0.5; 8], 8, minimum, &Method::Nearest, &Cancel::default());
    assert!(matches!(refused, Err(QuantError::Option { option: "scale_type", .. })));
    for (weights, most) in [(vec![0.0; 32], 0.0), (vec![1e-42; 32], 1e-35), (vec![-3e38; 32], 1e36)] {
        let values = back(&quantized(&weights, 16, eight, &Method::Nearest));
        let off = weights.iter().zip(&values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off <= most, "{off}: {weights:?} {values:?}");
    }
}
