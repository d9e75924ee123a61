use arrow::array::RecordBatch;
use bowstring_core::{Diagnostic, ErrorKind};
use bowstring_io::{Format, WriteOptions, Writer};
use expect_test::expect;
use tempfile::TempDir;

use super::*;
use crate::matrix::tests::weights;

const CHANNELS: usize = 40;

/// Two layers in three timesteps, of which one has its inputs in two parts, and a third layer without timesteps.
fn seen(moments: Moments) -> Calibration {
    let inputs = weights(30 * CHANNELS);
    let mut calibration = Calibration::new(moments);
    for timestep in [900, 500, 100] {
        for (layer, first) in [("a.weight", 0), ("b.weight", 7)] {
            let inputs = &inputs[first * CHANNELS..(first + 3) * CHANNELS];
            calibration.observe(layer, Some(timestep), inputs, CHANNELS, f64::from(timestep)).unwrap();
        }
    }
    calibration.observe("a.weight", Some(500), &inputs[20 * CHANNELS..], CHANNELS, 0.5).unwrap();
    let larger: Vec<f32> = inputs[..14].iter().map(|number| number * 10.0).collect();
    calibration.observe("c.weight", None, &larger, 7, 1.0).unwrap();
    calibration
}

fn is_same(one: &Calibration, other: &Calibration) {
    assert_eq!(one.moments(), other.moments());
    assert_eq!(one.layers().len(), other.layers().len());
    for ((name, one), (other_name, other)) in one.layers().zip(other.layers()) {
        assert_eq!((name, one.channels()), (other_name, other.channels()));
        assert!(one.steps().eq(other.steps()), "{name}");
        let moments = |layer: &LayerInputs| layer.hessian().map(|hessian| (hessian.weight(), hessian.sums()));
        assert_eq!(moments(one), moments(other), "{name}");
    }
}

#[test]
fn figures_are_those_of_the_inputs() {
    let inputs = weights(30 * CHANNELS);
    for moments in [Moments::Diagonal, Moments::Full] {
        let seen = seen(moments);
        let layer = seen.layer("a.weight").unwrap();
        assert_eq!(
            layer.steps().map(|(timestep, _)| timestep).collect::<Vec<_>>(),
            [Some(100), Some(500), Some(900)]
        );
        let step = layer.step(Some(500)).unwrap();
        let numbers: Vec<f32> = [&inputs[..3 * CHANNELS], &inputs[20 * CHANNELS..]].concat();
        assert_eq!((step.count, step.histogram.count()), (13, 13 * CHANNELS as u64));
        let mut histogram = Histogram::default();
        histogram.add(&numbers).unwrap();
        assert_eq!(step.histogram.bins().collect::<Vec<_>>(), histogram.bins().collect::<Vec<_>>());
        for (channel, square) in step.squares.iter().enumerate() {
            let expected: f64 =
                numbers.iter().skip(channel).step_by(CHANNELS).map(|&x| f64::from(x).powi(2)).sum();
            assert!((square - expected).abs() < 1e-12, "{square}, not {expected}");
        }
        assert_eq!(layer.hessian().is_some(), moments == Moments::Full);

        // Those of each timestep count as they were weighted where all moments are kept, else all the same.
        let squares = |inputs: &[f32], channel: usize| -> f64 {
            inputs.iter().skip(channel).step_by(CHANNELS).map(|&x| f64::from(x).powi(2)).sum()
        };
        let (first, second) = (&inputs[..3 * CHANNELS], &inputs[20 * CHANNELS..]);
        let (of_first, of_second) = if moments == Moments::Full { (1500.0, 0.5) } else { (3.0, 1.0) };
        for (channel, mean) in layer.mean_squares().into_iter().enumerate() {
            let sum = of_first * squares(first, channel) + of_second * squares(second, channel);
            let expected = sum / (3.0 * of_first + 10.0 * of_second);
            assert!((mean / expected - 1.0).abs() < 1e-5, "{mean}, not {expected}");
        }
    }
}

#[test]
fn a_file_gives_back_all_of_it() {
    let folder = TempDir::new().unwrap();
    for moments in [Moments::Diagonal, Moments::Full] {
        let path = folder.path().join("seen.parquet");
        for seen in [seen(moments), Calibration::new(moments)] {
            seen.save(&path).unwrap();
            is_same(&Calibration::open(&path).unwrap(), &seen);
        }
    }
}

#[test]
fn parts_together_are_the_whole() {
    let inputs = weights(30 * CHANNELS);
    let mut whole = Calibration::new(Moments::Full);
    let mut parts = [whole.clone(), whole.clone()];
    for (index, inputs) in inputs.chunks(10 * CHANNELS).enumerate() {
        let (layer, timestep) = [("a", 1), ("a", 2), ("b", 1)][index];
        for (part, inputs) in parts.iter_mut().zip(inputs.chunks(5 * CHANNELS)) {
            part.observe(layer, Some(timestep), inputs, CHANNELS, 1.0).unwrap();
            whole.observe(layer, Some(timestep), inputs, CHANNELS, 1.0).unwrap();
        }
    }
    let [mut one, other] = parts;
    one.merge(&other).unwrap();
    for ((_, one), (_, whole)) in one.layers().zip(whole.layers()) {
        for ((_, one), (_, whole)) in one.steps().zip(whole.steps()) {
            assert_eq!(one.count, whole.count);
            assert!(one.histogram.bins().eq(whole.histogram.bins()));
        }
        for (one, whole) in one.mean_squares().into_iter().zip(whole.mean_squares()) {
            assert!((one / whole - 1.0).abs() < 1e-6);
        }
    }
    assert!(one.merge(&Calibration::new(Moments::Diagonal)).is_err());
    let mut narrow = Calibration::new(Moments::Full);
    narrow.observe("new", None, &[1.0], 1, 1.0).unwrap();
    narrow.observe("b", None, &[1.0], 1, 1.0).unwrap();
    assert!(one.merge(&narrow).is_err());
    assert!(one.layer("new").is_none(), "nothing is added");
}

#[test]
fn what_cannot_be_adds_nothing() {
    let mut calibration = Calibration::new(Moments::Full);
    let mut refused = |inputs: &[f32], channels, weight: f64| {
        calibration.observe("a", None, inputs, channels, weight).unwrap_err().to_string()
    };
    assert_eq!(refused(&[1.0; 3], 2, 1.0), "numbers of whole inputs: 3 where 2 are expected");
    assert_eq!(refused(&[1.0; 3], 0, 1.0), "`channels` cannot be 0");
    assert_eq!(refused(&[1.0; 2], 2, -1.0), "`weight` cannot be -1");
    assert_eq!(refused(&[1.0, f32::NAN], 2, 1.0), "number of the inputs 1 cannot be NaN");
    let wide = vec![0.0; Hessian::MOST_CHANNELS + 1];
    assert_eq!(refused(&wide, wide.len(), 1.0), "`channels` cannot be 65537");
    assert_eq!(calibration.layers().len(), 0);
    calibration.observe("a", None, &[1.0; 4], 2, 1.0).unwrap();
    let other = calibration.observe("a", Some(1), &[1.0; 4], 4, 1.0).unwrap_err().to_string();
    assert_eq!(other, "channels of inputs: 4 where 2 are expected");
}

fn rows(moments: Moments) -> Vec<RecordBatch> {
    file::rows(&seen(moments)).collect::<Result<_>>().unwrap()
}

fn write_rows(rows: &[RecordBatch], path: &Path) {
    let options = WriteOptions { format: Some(Format::Parquet), ..WriteOptions::default() };
    let mut writer = Writer::create(path, &rows[0].schema(), &options).unwrap();
    rows.iter().for_each(|row| writer.write(row).unwrap());
    writer.finish().unwrap();
}

/// Rows of a file in which one column says what another row or layer does.
#[test]
fn a_file_that_says_what_cannot_be_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("seen.parquet");
    let full = rows(Moments::Full);
    let refused = |rows: &[RecordBatch]| {
        write_rows(rows, &path);
        let error = Calibration::open(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        format!("{} ({})", error.to_string().rsplit(": ").next().unwrap(), error.place().unwrap_or_default())
    };
    // Row 1 with a column of row 6, which is another layer's, or of row 0.
    let with = |column: usize, donor: usize| {
        let mut rows = full.clone();
        let mut columns = rows[1].columns().to_vec();
        columns[column] = Arc::clone(rows[donor].column(column));
        rows[1] = RecordBatch::try_new(rows[1].schema(), columns).unwrap();
        rows
    };
    expect!["second moments stand in the first row of each layer, where they are kept (row 1)"]
        .assert_eq(&refused(&with(0, 6)));
    expect!["`a.weight` has the same timestep twice (row 1)"].assert_eq(&refused(&with(1, 0)));
    expect!["its histogram cannot be (row 1)"].assert_eq(&refused(&with(2, 6)));
    expect!["its histogram cannot be (row 1)"].assert_eq(&refused(&with(3, 6)));
    for column in [4, 5, 8, 9, 10] {
        assert_eq!(refused(&with(column, 6)), "its histogram cannot be (row 1)", "{column}");
    }
    expect!["its squares are not those of 40 channels (row 1)"].assert_eq(&refused(&with(11, 6)));
    expect!["second moments stand in the first row of each layer, where they are kept (row 1)"]
        .assert_eq(&refused(&with(12, 0)));
    expect!["second moments stand in the first row of each layer, where they are kept (row 0)"]
        .assert_eq(&refused(&full[1..]));
    std::fs::write(&path, b"PAR1").unwrap();
    assert!(matches!(Calibration::open(&path), Err(QuantError::Io(_))));
}

/// A file of packed weights, and a calibration of a later version.
#[test]
fn another_file_is_none() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("seen.parquet");
    let refused = |key: &str, value: &str| {
        let rows = rows(Moments::Diagonal);
        let mut metadata = rows[0].schema().metadata().clone();
        metadata.insert(key.to_owned(), value.to_owned());
        let schema = Arc::new(rows[0].schema().as_ref().clone().with_metadata(metadata));
        let rows: Vec<_> = rows
            .iter()
            .map(|row| RecordBatch::try_new(Arc::clone(&schema), row.columns().to_vec()).unwrap())
            .collect();
        write_rows(&rows, &path);
        Calibration::open(&path).unwrap_err().to_string().rsplit(": ").next().unwrap().to_owned()
    };
    assert_eq!(refused("bowstring.calibration", "2"), "it is of version 2, where 1 is read");
    assert_eq!(refused("bowstring.moments", "some"), "it has other columns");
}
