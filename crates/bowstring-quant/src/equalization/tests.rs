use super::*;
use crate::{
    Bits, CodeType, Group, Method, Offset, ScaleType, Scheme,
    matrix::tests::{back, quantized, weights},
};

const CHANNELS: usize = 24;

/// A norm's weight and bias, its inputs, and two layers that read what it makes; some channels are large.
fn layers() -> (Vec<f32>, Vec<f32>, Vec<f32>, [Vec<f32>; 2]) {
    let mut gains = weights(CHANNELS);
    for (channel, gain) in gains.iter_mut().enumerate() {
        *gain += if channel % 7 == 3 { 90.0 } else { 1.0 };
    }
    (
        weights(30 * CHANNELS),
        gains,
        weights(CHANNELS + 5)[5..].to_vec(),
        [weights(16 * CHANNELS), weights(9 * CHANNELS)],
    )
}

/// What the norm makes of its inputs.
fn made(inputs: &[f32], gains: &[f32], shifts: &[f32]) -> Vec<f32> {
    let made = |row: &[f32]| -> Vec<f32> {
        row.iter().zip(gains).zip(shifts).map(|((input, gain), shift)| input * gain + shift).collect()
    };
    inputs.chunks(CHANNELS).flat_map(made).collect()
}

fn layer(inputs: &[f32], weights: &[f32]) -> Vec<f32> {
    let product = |input: &[f32], row: &[f32]| input.iter().zip(row).map(|(x, w)| x * w).sum::<f32>();
    inputs
        .chunks(CHANNELS)
        .flat_map(|input| weights.chunks(CHANNELS).map(move |row| product(input, row)))
        .collect()
}

fn largest(numbers: &[f32]) -> Vec<f32> {
    let mut largest = vec![0.0; CHANNELS];
    raise_to_columns(&mut largest, numbers, CHANNELS).unwrap();
    largest
}

/// The same layers before and after.
struct Evened {
    equalization: Equalization,
    before: Vec<f32>,
    outputs: Vec<Vec<f32>>,
    after: Vec<f32>,
    readers: [Vec<f32>; 2],
}

fn evened(strength: f32) -> Evened {
    let (inputs, mut gains, mut shifts, mut readers) = layers();
    let before = made(&inputs, &gains, &shifts);
    let outputs = readers.iter().map(|reader| layer(&before, reader)).collect();
    let mut met = vec![0.0; CHANNELS];
    for reader in &readers {
        raise_to_columns(&mut met, reader, CHANNELS).unwrap();
    }
    let equalization = Equalization::of(&largest(&before), &met, strength).unwrap();
    equalization.fold_into_writer(&mut gains).unwrap();
    equalization.fold_into_writer(&mut shifts).unwrap();
    for reader in &mut readers {
        equalization.fold_into_reader(reader, CHANNELS).unwrap();
    }
    let after = made(&inputs, &gains, &shifts);
    let same = readers.iter().map(|reader| layer(&after, reader)).collect::<Vec<_>>();
    assert_eq!(same, outputs, "no bit of the outputs changes");
    Evened { equalization, before, outputs, after, readers }
}

#[test]
fn outputs_stay_the_same_and_inputs_become_even() {
    for strength in [0.0, 0.25, 0.5, 1.0] {
        let Evened { equalization, before, after, .. } = evened(strength);
        let spread = |inputs: &[f32]| {
            let largest = largest(inputs);
            largest.iter().fold(0.0_f32, |most, &one| most.max(one))
                / largest.iter().fold(f32::INFINITY, |least, &one| least.min(one))
        };
        assert!(equalization.factors().iter().all(|factor| factor.log2().fract() == 0.0));
        if strength >= 0.5 {
            assert!(spread(&after) < spread(&before) / 4.0, "{} and {}", spread(&after), spread(&before));
        }
    }
}

/// Inputs of eight bits with one range for all channels: the small ones are lost unless they are evened out.
#[test]
fn inputs_of_few_bits_are_nearer() {
    let error = |strength: Option<f32>| {
        let Evened { before, outputs, after, readers, .. } = evened(strength.unwrap_or(0.5));
        let (inputs, readers) = match strength {
            Some(_) => (after, readers),
            None => (before, layers().3),
        };
        let scheme = Scheme {
            bits: Bits::Eight,
            group: Group::Channel,
            offset: Offset::ZeroPoint,
            scale_type: ScaleType::F32,
            code_type: CodeType::Linear,
        };
        let whole = |numbers: &[f32]| back(&quantized(numbers, numbers.len(), scheme, &Method::Nearest));
        let off = |(reader, output): (&Vec<f32>, &Vec<f32>)| {
            let now = layer(&whole(&inputs), reader);
            now.iter().zip(output).map(|(now, output)| (now - output).powi(2)).sum::<f32>()
        };
        readers.iter().zip(&outputs).map(off).sum::<f32>()
    };
    assert!(error(Some(0.5)) < error(None) / 4.0, "{} and {}", error(Some(0.5)), error(None));
}

#[test]
fn a_convolution_has_a_kernel_for_each_channel() {
    let equalization = Equalization::of(&[16.0, 1.0], &[1.0, 1.0], 0.5).unwrap();
    assert_eq!(equalization.factors(), [4.0, 1.0]);
    let mut weights = [1.0; 12];
    equalization.fold_into_reader(&mut weights, 6).unwrap();
    assert_eq!(weights, [4.0, 4.0, 4.0, 1.0, 1.0, 1.0, 4.0, 4.0, 4.0, 1.0, 1.0, 1.0]);
    let mut rows = [8.0, 4.0, 2.0, 1.0];
    equalization.fold_into_writer(&mut rows).unwrap();
    assert_eq!(rows, [2.0, 1.0, 2.0, 1.0]);
    let mut largest = [0.0, 3.0];
    raise_to_columns(&mut largest, &[1.0, -2.0, 0.5, 0.5], 4).unwrap();
    assert_eq!(largest, [2.0, 3.0]);
}

#[test]
fn channels_without_inputs_or_weights_stay_and_no_factor_is_beyond_numbers() {
    let factors = |inputs: &[f32], weights: &[f32], strength| {
        Equalization::of(inputs, weights, strength).unwrap().factors().to_vec()
    };
    assert_eq!(factors(&[0.0, 2.0], &[1.0, 0.0], 0.5), [1.0, 1.0]);
    assert!(factors(&[3e38, 1e-40], &[1e-40, 3e38], 0.5).iter().all(|factor| factor.is_normal()));
    assert_eq!(factors(&[], &[], 0.5), [0.0; 0]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |inputs: &[f32], weights: &[f32], strength| {
        Equalization::of(inputs, weights, strength).unwrap_err().to_string()
    };
    assert_eq!(refused(&[1.0], &[1.0], 1.5), "`strength` cannot be 1.5");
    assert_eq!(refused(&[1.0], &[f32::NAN], 0.5), "`largest` cannot be NaN");
    assert_eq!(refused(&[-1.0], &[1.0], 0.5), "`largest` cannot be -1");
    assert_eq!(refused(&[1.0], &[], 0.5), "largest weights of channels: 0 where 1 are expected");
    let two = Equalization::of(&[1.0, 1.0], &[1.0, 1.0], 0.5).unwrap();
    assert!(two.fold_into_reader(&mut [1.0; 6], 3).is_err());
    assert!(two.fold_into_reader(&mut [1.0; 5], 2).is_err());
    assert!(two.fold_into_writer(&mut [1.0; 3]).is_err());
    assert!(raise_to_columns(&mut [0.0; 2], &[1.0; 3], 3).is_err());
    // No channels: nothing to do, and nothing to do it with.
    let none = Equalization::of(&[], &[], 0.5).unwrap();
    assert!(none.fold_into_reader(&mut [1.0; 2], 2).is_err());
    assert!(none.fold_into_writer(&mut []).is_ok());
}
