use super::*;
use crate::matrix::tests::weights;

/// Sums of products, one after the other.
fn slowly(inputs: &[f32], channels: usize, weight: f64) -> Vec<f64> {
    let mut sums = vec![0.0; channels * channels];
    for input in inputs.chunks(channels) {
        for (row, &left) in input.iter().enumerate() {
            for (column, &right) in input.iter().enumerate() {
                sums[row * channels + column] += weight * f64::from(left) * f64::from(right);
            }
        }
    }
    sums
}

fn is_near(sums: &[f64], expected: &[f64]) {
    assert_eq!(sums.len(), expected.len());
    let most = expected.iter().fold(0.0_f64, |most, sum| most.max(sum.abs()));
    for (index, (sum, expected)) in sums.iter().zip(expected).enumerate() {
        assert!((sum - expected).abs() <= 1e-5 * most, "{index}: {sum}, not {expected}");
    }
}

#[test]
fn moments_are_the_sums_of_products() {
    for (channels, count) in [(1, 1), (3, 700), (64, 257), (70, 100), (130, 20)] {
        let inputs = weights(channels * count);
        let mut hessian = Hessian::new(channels).unwrap();
        hessian.add(&inputs, 1.0).unwrap();
        hessian.add(&inputs, 2.5).unwrap();
        let expected = slowly(&inputs, channels, 3.5);
        is_near(&hessian.sums(), &expected);
        let diagonal: Vec<f64> = (0..channels).map(|channel| expected[channel * (channels + 1)]).collect();
        is_near(&hessian.diagonal(), &diagonal);
        assert_eq!(hessian.weight(), 3.5 * count as f64);

        let mut twice = Hessian::from_sums(channels, hessian.weight(), hessian.sums()).unwrap();
        twice.merge(&hessian).unwrap();
        is_near(&twice.sums(), &slowly(&inputs, channels, 7.0));
    }
}

#[test]
fn the_error_of_the_output_is_that_of_its_definition() {
    let (channels, rows) = (70, 130);
    let inputs = weights(channels * 40);
    let [before, after] = [weights(channels * rows), weights(channels * (rows + 1))[channels..].to_vec()];
    let mut hessian = Hessian::new(channels).unwrap();
    assert_eq!(hessian.output_error(&before, &after).unwrap(), 0.0);
    hessian.add(&inputs, 0.5).unwrap();
    let mut expected = 0.0;
    for input in inputs.chunks(channels) {
        for (before, after) in before.chunks(channels).zip(after.chunks(channels)) {
            let off = |((&before, &after), &input): ((&f32, &f32), &f32)| {
                (f64::from(before) - f64::from(after)) * f64::from(input)
            };
            expected += before.iter().zip(after).zip(input).map(off).sum::<f64>().powi(2);
        }
    }
    is_near(&[hessian.output_error(&before, &after).unwrap()], &[expected / 40.0]);
}

#[test]
fn what_cannot_be_is_refused() {
    let mut hessian = Hessian::new(3).unwrap();
    assert!(matches!(hessian.add(&[1.0; 4], 1.0), Err(QuantError::Length { length: 4, expected: 3, .. })));
    assert!(matches!(hessian.add(&[f32::NAN; 3], 1.0), Err(QuantError::Number { place: 0, .. })));
    for weight in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(hessian.add(&[1.0; 3], weight), Err(QuantError::Option { option: "weight", .. })));
    }
    assert_eq!((hessian.weight(), hessian.sums()), (0.0, vec![0.0; 9]));
    let most = Hessian::MOST_CHANNELS;
    assert!(matches!(Hessian::new(most + 1), Err(QuantError::Option { option: "channels", .. })));
    assert!(Hessian::new(usize::MAX).is_err());
    assert!(hessian.merge(&Hessian::new(2).unwrap()).is_err());
    assert!(hessian.output_error(&[1.0; 3], &[1.0; 6]).is_err());
    assert!(hessian.output_error(&[1.0; 4], &[1.0; 4]).is_err());
    let refused = |sums: &[f64]| Hessian::from_sums(2, 1.0, sums.to_vec()).unwrap_err().to_string();
    assert_eq!(refused(&[1.0, 0.0, 0.5, 1.0]), "`second_moments` cannot be 0.5 at 1, 0");
    assert_eq!(refused(&[1.0, 2.0, 2.0, 1.0]), "`second_moments` cannot be 2 at 1, 0");
    assert_eq!(refused(&[1.0, 0.0, 0.0, -1.0]), "`second_moments` cannot be -1 at 1, 1");
    assert_eq!(refused(&[f64::NAN, 0.0, 0.0, 1.0]), "`second_moments` cannot be NaN at 0, 0");
    assert_eq!(refused(&[1.0]), "second moments: 1 where 4 are expected");
}

#[test]
fn threads_do_not_change_the_sums() {
    let inputs = weights(300 * 190);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut hessian = Hessian::new(190).unwrap();
            hessian.add(&inputs, 1.0).unwrap();
            hessian.sums()
        })
    };
    assert_eq!(with(1), with(4));
}
