use super::*;
use crate::{Calibration, Moments, matrix::tests::weights};

/// What a layer of so many channels was seen to read in two timesteps, and those inputs.
fn seen(moments: Moments, channels: usize, count: usize) -> (Calibration, Vec<f32>) {
    let mut inputs = weights(channels * count);
    // Each channel goes with the one before it.
    for input in inputs.chunks_mut(channels) {
        for channel in 1..channels {
            input[channel] += 0.8 * input[channel - 1];
        }
    }
    let mut calibration = Calibration::new(moments);
    let (first, second) = inputs.split_at(count / 3 * channels);
    calibration.observe("layer", Some(1), first, channels, 1.0).unwrap();
    calibration.observe("layer", Some(2), second, channels, 1.0).unwrap();
    (calibration, inputs)
}

/// `weights`, each a little off.
fn off(weights: &[f32]) -> Vec<f32> {
    weights.iter().map(|weight| (weight * 8.0).round() / 8.0).collect()
}

/// Outputs, one after the other: `Σ‖(W − Ŵ)x‖² / Σ‖Wx‖²`.
fn slowly(inputs: &[f32], channels: usize, weights: &[f32], values: &[f32]) -> f64 {
    let (mut signal, mut noise) = (0.0, 0.0);
    for input in inputs.chunks(channels) {
        for (weights, values) in weights.chunks(channels).zip(values.chunks(channels)) {
            let sum = |of: &dyn Fn(usize) -> f64| -> f64 {
                (0..channels).map(|channel| of(channel) * f64::from(input[channel])).sum()
            };
            signal += sum(&|channel| f64::from(weights[channel])).powi(2);
            noise += sum(&|channel| f64::from(weights[channel]) - f64::from(values[channel])).powi(2);
        }
    }
    noise / signal
}

fn is_near(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-5 * expected, "{found}, not {expected}");
}

#[test]
fn outputs_are_off_by_what_they_are_when_they_are_computed() {
    for (channels, rows) in [(1, 1), (3, 200), (64, 64), (70, 130), (130, 3)] {
        let (calibration, inputs) = seen(Moments::Full, channels, 60);
        let (weights, layer) = (weights(rows * channels), calibration.layer("layer").unwrap());
        let values = off(&weights);
        let found = layer.output_error(&weights, &values).unwrap().unwrap();
        is_near(found, slowly(&inputs, channels, &weights, &values));
    }
}

#[test]
fn channels_by_themselves_count_as_if_none_went_with_another() {
    let (channels, rows) = (70, 130);
    let (calibration, inputs) = seen(Moments::Diagonal, channels, 60);
    let (weights, layer) = (weights(rows * channels), calibration.layer("layer").unwrap());
    let values = off(&weights);
    let found = layer.output_error(&weights, &values).unwrap().unwrap();
    // One channel at a time is one without others.
    let alone: Vec<f32> = inputs
        .chunks(channels)
        .flat_map(|input| {
            (0..channels).flat_map(move |own| {
                (0..channels).map(move |channel| if channel == own { input[channel] } else { 0.0 })
            })
        })
        .collect();
    is_near(found, slowly(&alone, channels, &weights, &values));
    let all = slowly(&inputs, channels, &weights, &values);
    assert!((found - all).abs() > 0.01 * all, "{found} {all}");
}

#[test]
fn figures_without_a_divisor_are_still_figures() {
    for moments in [Moments::Diagonal, Moments::Full] {
        let layer = |inputs: &[f32], weight: f64| {
            let mut calibration = Calibration::new(moments);
            calibration.observe("layer", None, inputs, 2, weight).unwrap();
            calibration.layer("layer").unwrap().clone()
        };
        let seen = layer(&[1.0, 0.0], 1.0);
        let error = |weights: &[f32], values: &[f32]| seen.output_error(weights, values).unwrap().unwrap();
        assert_eq!(error(&[2.0, 5.0], &[2.0, 5.0]), 0.0);
        assert_eq!(error(&[2.0, 5.0], &[2.0, 9.0]), 0.0, "nobody reads it");
        assert_eq!(error(&[0.0, 1.0], &[0.5, 1.0]), f64::INFINITY);
        assert_eq!(error(&[2.0, 0.0], &[1.0, 0.0]), 0.25);
        assert_eq!(error(&[], &[]), 0.0);
        assert_eq!(layer(&[], 1.0).output_error(&[1.0, 2.0], &[3.0, 4.0]).unwrap(), None);
        assert!(seen.output_error(&[1.0; 4], &[1.0; 2]).is_err());
        assert!(seen.output_error(&[1.0; 3], &[1.0; 3]).is_err());
    }
}

#[test]
fn neither_threads_nor_parts_change_what_is_found() {
    let (channels, rows) = (72, 700);
    for moments in [Moments::Diagonal, Moments::Full] {
        let (calibration, _) = seen(moments, channels, 60);
        let (weights, layer) = (weights(rows * channels), calibration.layer("layer").unwrap());
        let values = off(&weights);
        let found: Vec<f64> = [1, 2, 4]
            .into_iter()
            .map(|threads| {
                let threads = std::num::NonZero::new(threads);
                crate::on_threads(threads, || layer.output_error(&weights, &values)).unwrap().unwrap()
            })
            .collect();
        assert!(found.iter().all(|one| one.to_bits() == found[0].to_bits()), "{found:?}");
        let bytes: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
        let bytes = Weights::Bytes { dtype: safetensors::Dtype::F32, bytes: &bytes };
        let mut outputs = layer.outputs().unwrap();
        for (weights, values) in bytes.chunks(100 * channels).zip(values.chunks(100 * channels)) {
            outputs.add(weights, values);
        }
        is_near(outputs.error(), found[0]);
    }
}
