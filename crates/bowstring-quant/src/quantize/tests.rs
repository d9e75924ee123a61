use std::{fs, path::PathBuf};

use bowstring_core::{Diagnostic, ErrorKind, render};
use expect_test::expect;
use safetensors::{Dtype, tensor::TensorView};
use tempfile::TempDir;

use super::*;
use crate::{Bits, CodeType, Group, Kind, Offset, QuantizedModel, ScaleType, table};

const FOUR: Scheme = Scheme {
    bits: Bits::Four,
    group: Group::Channel,
    offset: Offset::ZeroPoint,
    scale_type: ScaleType::F16,
    code_type: CodeType::Linear,
};

fn settings() -> Settings {
    Settings {
        scheme: FOUR,
        rounding: Rounding::Nearest,
        policy: Policy::default(),
        non_finite: NonFinite::Refuse,
        promote: None,
        threads: None,
        resume: false,
        shard_size: None,
    }
}

fn floats(numbers: impl IntoIterator<Item = f32>) -> Vec<u8> {
    numbers.into_iter().flat_map(f32::to_le_bytes).collect()
}

/// A model of a few layers; `odd` stands in one of its matrices, `large` in one of its norms.
fn model(folder: &Path, odd: f32, large: f32) -> Model {
    let matrix = floats((0..32 * 48).map(|i| if i == 100 { odd } else { (i as f32 * 0.7).sin() }));
    let norm = floats((0..48).map(|i| if i == 7 { large } else { 1.0 + i as f32 / 100.0 }));
    let ids: Vec<u8> = (0..8_i64).flat_map(i64::to_le_bytes).collect();
    let view = |dtype, shape: &[usize], bytes| TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
    let tensors = [
        ("conv_in.weight", view(Dtype::F32, &[32, 3, 4, 4], &matrix)),
        ("down.attn.weight", view(Dtype::F32, &[32, 48], &matrix)),
        ("down.conv.weight", view(Dtype::F32, &[8, 3, 8, 8], &matrix)),
        ("down.norm.weight", view(Dtype::F32, &[48], &norm)),
        ("embeddings.weight", view(Dtype::BF16, &[2, 24], &norm[..96])),
        ("ids", view(Dtype::I64, &[8], &ids)),
    ];
    let path = folder.join("model.safetensors");
    fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
    Model::open(path).unwrap()
}

struct Done {
    result: Result<Report>,
    reports: Vec<TensorReport>,
    path: PathBuf,
    _folder: TempDir,
}

fn done(odd: f32, large: f32, settings: &Settings) -> Done {
    let folder = TempDir::new().unwrap();
    let (model, path) = (model(folder.path(), odd, large), folder.path().join("packed.parquet"));
    let mut reports = Vec::new();
    let cancel = Cancel::default();
    let result =
        quantize(&model, &path, settings, BTreeMap::new(), &cancel, |report| reports.push(report.clone()));
    Done { result, reports, path, _folder: folder }
}

fn shown(reports: &[TensorReport]) -> String {
    let mut reports: Vec<String> = reports
        .iter()
        .map(|report| {
            let stored = match report.stored {
                Stored::Kept => "kept".to_owned(),
                Stored::Half { kind, .. } => kind.name().to_owned(),
                Stored::Packed { scheme, columns, quality, .. } => {
                    format!("{} bits, rows of {columns}, {:.0} dB", scheme.bits, quality.sqnr)
                }
            };
            let TensorReport { name, kind, bytes_before, bytes_after, not_finite, .. } = report;
            format!("{name} ({kind:?}): {stored}, {bytes_before} to {bytes_after} bytes, {not_finite:?} not finite\n")
        })
        .collect();
    reports.sort();
    reports.concat()
}

#[test]
fn each_tensor_becomes_what_the_policy_says() {
    let done = done(0.5, 2.0, &settings());
    expect![[r#"
        conv_in.weight (First): f16, 6144 to 3072 bytes, Some(0) not finite
        down.attn.weight (Inner): 4 bits, rows of 48, 25 dB, 6144 to 864 bytes, Some(0) not finite
        down.conv.weight (Inner): 4 bits, rows of 192, 25 dB, 6144 to 792 bytes, Some(0) not finite
        down.norm.weight (Vector): f16, 192 to 96 bytes, Some(0) not finite
        embeddings.weight (Embedding): kept, 96 to 96 bytes, None not finite
        ids (Integers): kept, 64 to 64 bytes, None not finite
    "#]]
    .assert_eq(&shown(&done.reports));
    let report = done.result.unwrap();
    assert_eq!(report.file_bytes, fs::metadata(&done.path).unwrap().len());
    assert_eq!(report.worst().unwrap().name, "down.conv.weight");
    let said = |reports: &[TensorReport]| -> Vec<TensorReport> {
        reports.iter().map(|report| TensorReport { not_finite: None, ..report.clone() }).collect()
    };
    let expected = said(&done.reports);
    assert_eq!(said(&report.tensors), expected);
    assert_eq!(QuantizedModel::open(&done.path).unwrap().reports(), expected, "the file says the same");
}

#[test]
fn a_table_has_a_row_for_each_tensor() {
    let done = done(0.5, 1.0, &settings());
    let table = table(&done.result.unwrap().tensors).unwrap();
    let json = |row: usize| {
        let columns = table.schema_ref().fields().iter().zip(table.columns());
        let cells = columns.map(|(field, column)| {
            let options = arrow::util::display::FormatOptions::default().with_null("-");
            let cells = arrow::util::display::ArrayFormatter::try_new(column, &options).unwrap();
            let cell = cells.value(row).to_string();
            let shown = cell.parse::<f64>().map_or(cell.as_str(), |_| &cell[..cell.len().min(6)]);
            format!("{}={shown}", field.name())
        });
        cells.collect::<Vec<_>>().join(" ")
    };
    let mut rows: Vec<String> = (0..table.num_rows()).map(json).collect();
    rows.sort();
    expect![[r#"
        name=conv_in.weight kind=first dtype=F32 shape=[32, 3, 4, 4] stored=f16 bits=- group_size=- scale_type=- code_type=- bytes_before=6144 bytes=3072 sqnr=75.453 relative_error=0.0001 cosine=0.9999 largest_error=0.0002 output_error=- not_finite=0
        name=down.attn.weight kind=inner dtype=F32 shape=[32, 48] stored=zero_point bits=4 group_size=0 scale_type=f16 code_type=linear bytes_before=6144 bytes=864 sqnr=24.786 relative_error=0.0576 cosine=0.9983 largest_error=0.0659 output_error=- not_finite=0
        name=down.conv.weight kind=inner dtype=F32 shape=[8, 3, 8, 8] stored=zero_point bits=4 group_size=0 scale_type=f16 code_type=linear bytes_before=6144 bytes=792 sqnr=24.656 relative_error=0.0585 cosine=0.9982 largest_error=0.0664 output_error=- not_finite=0
        name=down.norm.weight kind=vector dtype=F32 shape=[48] stored=f16 bits=- group_size=- scale_type=- code_type=- bytes_before=192 bytes=96 sqnr=73.134 relative_error=0.0002 cosine=0.9999 largest_error=0.0004 output_error=- not_finite=0
        name=embeddings.weight kind=embedding dtype=BF16 shape=[2, 24] stored=kept bits=- group_size=- scale_type=- code_type=- bytes_before=96 bytes=96 sqnr=- relative_error=- cosine=- largest_error=- output_error=- not_finite=-
        name=ids kind=integers dtype=I64 shape=[8] stored=kept bits=- group_size=- scale_type=- code_type=- bytes_before=64 bytes=64 sqnr=- relative_error=- cosine=- largest_error=- output_error=- not_finite=-"#]].assert_eq(&rows.join("\n"));
}

#[test]
fn sixteen_bits_are_those_that_hold_the_numbers() {
    let stored = |large: f32| {
        let done = done(0.5, large, &settings());
        done.reports.iter().find(|report| report.kind == Kind::Vector).unwrap().stored
    };
    assert!(matches!(stored(1.0), Stored::Half { kind: Half::F16, .. }));
    assert!(matches!(stored(70_000.0), Stored::Half { kind: Half::Bf16, .. }));
    // The nearest one of 16 bits would be infinite.
    assert_eq!(stored(f32::MAX), Stored::Kept);
}

#[test]
fn what_is_not_finite_is_refused_or_kept() {
    for (odd, large) in [(f32::NAN, 1.0), (0.5, f32::INFINITY)] {
        let refused = done(odd, large, &settings());
        let error = refused.result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(!refused.path.exists(), "nothing is half-written");
    }
    let refused = done(f32::NAN, 1.0, &settings()).result.unwrap_err();
    let text = render(&refused);
    let place = text.find("\n  at ").unwrap();
    let file = text.find("model.safetensors").unwrap();
    expect![[r#"
        1 of the weights are NaN and 0 are infinite, the first of them weight 100
          at model.safetensors, tensor `conv_in.weight`

        hint: keep such tensors as they are, or mend the model: no grid has these values"#]]
    .assert_eq(&format!("{}{}", &text[..place + 6], &text[file..]));
    let kept = done(f32::NAN, 1.0, &Settings { non_finite: NonFinite::Keep, ..settings() });
    expect![[r#"
        conv_in.weight (First): kept, 6144 to 6144 bytes, Some(1) not finite
        down.attn.weight (Inner): kept, 6144 to 6144 bytes, Some(1) not finite
        down.conv.weight (Inner): kept, 6144 to 6144 bytes, Some(1) not finite
        down.norm.weight (Vector): f16, 192 to 96 bytes, Some(0) not finite
        embeddings.weight (Embedding): kept, 96 to 96 bytes, None not finite
        ids (Integers): kept, 64 to 64 bytes, None not finite
    "#]]
    .assert_eq(&shown(&kept.reports));
    let packed = QuantizedModel::open(&kept.path).unwrap();
    let mut numbers = Vec::new();
    packed.read("down.attn.weight", &mut numbers, &Cancel::default()).unwrap();
    assert!(numbers[100].is_nan());
}

#[test]
fn whoever_stops_it_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let model = model(folder.path(), 0.5, 1.0);
    for name in ["packed.parquet", "packed.safetensors"] {
        let (path, cancel) = (folder.path().join(name), Cancel::default());
        let result = quantize(&model, &path, &settings(), BTreeMap::new(), &cancel, |_| cancel.cancel());
        assert!(matches!(result, Err(QuantError::Cancelled(_))));
    }
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["model.safetensors"]);
}

#[test]
fn names_that_parts_have_are_refused_before_anything_is_written() {
    let folder = TempDir::new().unwrap();
    let matrix = floats((0..64).map(|i| (i as f32).sin()));
    let view = |shape: &[usize]| TensorView::new(Dtype::F32, shape.to_vec(), &matrix).unwrap();
    let tensors = [("a", view(&[8, 8])), ("a.codes", view(&[64])), ("b.scales", view(&[64]))];
    let path = folder.path().join("model.safetensors");
    fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
    let model = Model::open(path).unwrap();
    let quantized = |name: &str, settings: &Settings| {
        let mut tensors = 0;
        let (path, cancel) = (folder.path().join("new").join(name), Cancel::default());
        let done = quantize(&model, &path, settings, BTreeMap::new(), &cancel, |_| tensors += 1);
        (done, tensors)
    };
    let (refused, tensors) = quantized("packed.safetensors", &Settings { resume: true, ..settings() });
    expect![[r#"
        two tensors would be called `a.codes`

        hint: write a `.parquet` file, in which the parts of a tensor have no names of their own"#]]
    .assert_eq(&render(&refused.unwrap_err()));
    assert!(tensors == 0 && !folder.path().join("new").exists());
    quantized("packed.parquet", &settings()).0.unwrap();
    let keeping = Policy::default().with_rule("a", Treatment::Keep).unwrap();
    quantized("packed.safetensors", &Settings { policy: keeping, ..settings() }).0.unwrap();
}

/// A header may say so: without rows, there is nothing of them.
#[test]
fn rows_beyond_all_memory_of_which_there_are_none_are_none() {
    let folder = TempDir::new().unwrap();
    let header = r#"{"a":{"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}}"#;
    let path = folder.path().join("model.safetensors");
    fs::write(&path, [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()).unwrap();
    let model = Model::open(path).unwrap();
    for name in ["packed.parquet", "packed.safetensors"] {
        let path = folder.path().join(name);
        quantize(&model, &path, &settings(), BTreeMap::new(), &Cancel::default(), |_| ()).unwrap();
        let (packed, mut numbers) = (QuantizedModel::open(path).unwrap(), vec![1.0]);
        packed.read("a", &mut numbers, &Cancel::default()).unwrap();
        assert!(numbers.is_empty());
    }
}

/// What the layer `down.attn.weight` was seen to read: few inputs, with channels of many sizes.
fn calibration(moments: Moments, channels: usize) -> Arc<Calibration> {
    let size = |channel: usize| if channel.is_multiple_of(9) { 8.0 } else { 0.5 };
    let inputs: Vec<f32> = crate::matrix::tests::weights(200 * channels)
        .into_iter()
        .enumerate()
        .map(|(index, number)| number * size(index % channels))
        .collect();
    let mut calibration = Calibration::new(moments);
    calibration.observe("down.attn.weight", None, &inputs, channels, 1.0).unwrap();
    Arc::new(calibration)
}

#[test]
fn what_was_seen_of_a_layer_decides_which_errors_count() {
    let calibration = calibration(Moments::Full, 48);
    let gptq = |order| Rounding::Gptq { calibration: Arc::clone(&calibration), damping: 0.01, order };
    let roundings = [
        Rounding::Mse,
        Rounding::Weighted(Arc::clone(&calibration)),
        gptq(Order::Natural),
        gptq(Order::Largest),
    ];
    let made = roundings.map(|rounding| {
        let is_calibrated = rounding.name() != "mse";
        let done = done(0.0, 1.0, &Settings { rounding, ..settings() });
        let said = done.result.as_ref().unwrap().unseen.as_slice();
        assert_eq!(said, if is_calibrated { &["down.conv.weight"][..] } else { &[] });
        let [mut seen, mut unseen, mut weights] = [vec![], vec![], vec![]];
        let packed = QuantizedModel::open(&done.path).unwrap();
        packed.read("down.attn.weight", &mut seen, &Cancel::default()).unwrap();
        packed.read("down.conv.weight", &mut unseen, &Cancel::default()).unwrap();
        let model = Model::open(done.path.with_file_name("model.safetensors")).unwrap();
        model.tensor("down.attn.weight").unwrap().read(&mut weights).unwrap();
        let hessian = calibration.layer("down.attn.weight").unwrap().hessian().unwrap();
        (hessian.output_error(&weights, &seen).unwrap(), unseen)
    });
    let [mse, weighted, natural, largest] = &made;
    assert!(weighted.0 < 0.9 * mse.0, "{} {}", weighted.0, mse.0);
    assert!(natural.0 < mse.0 && largest.0 < mse.0, "{} {} {}", natural.0, largest.0, mse.0);
    assert!(made.iter().all(|one| one.1 == mse.1), "a layer that was not seen is as without");
}

#[test]
fn what_was_seen_of_another_model_is_refused() {
    let refused = |calibration: Arc<Calibration>| {
        let rounding = Rounding::Gptq { calibration, damping: 0.01, order: Order::Largest };
        let done = done(0.0, 1.0, &Settings { rounding, ..settings() });
        assert!(!done.path.exists());
        done.result.unwrap_err().to_string()
    };
    assert_eq!(refused(calibration(Moments::Full, 47)), "channels of inputs: 47 where 48 are expected");
    assert_eq!(refused(calibration(Moments::Diagonal, 48)), "`moments` cannot be `diagonal`");
    let mut other = Calibration::new(Moments::Full);
    other.observe("down.atn.weight", None, &[1.0], 1, 1.0).unwrap();
    assert_eq!(refused(Arc::new(other)), "the model has no tensor `down.atn.weight`");
}

/// The first of two layers was seen, and a norm that takes 16 bits; the other one was not.
#[test]
fn what_was_seen_tells_how_far_off_outputs_are() {
    for moments in [Moments::Diagonal, Moments::Full] {
        let mut calibration = calibration(moments, 48).as_ref().clone();
        let inputs = crate::matrix::tests::weights(50);
        calibration.observe("down.norm.weight", None, &inputs, 1, 1.0).unwrap();
        let calibration = Arc::new(calibration);
        let mut roundings = vec![Rounding::Weighted(Arc::clone(&calibration))];
        if moments == Moments::Full {
            let calibration = Arc::clone(&calibration);
            roundings.push(Rounding::Gptq { calibration, damping: 0.01, order: Order::Largest });
        }
        for rounding in roundings {
            let done = done(0.0, 1.0, &Settings { rounding, ..settings() });
            let packed = QuantizedModel::open(&done.path).unwrap();
            let model = Model::open(done.path.with_file_name("model.safetensors")).unwrap();
            let mut seen = Vec::new();
            for report in &done.reports {
                let Some(layer) = calibration.layer(&report.name) else {
                    assert_eq!(report.output_error, None, "{}", report.name);
                    continue;
                };
                let (mut weights, mut values) = (Vec::new(), Vec::new());
                let original = model.tensor(&report.name).unwrap();
                original.read(&mut weights).unwrap();
                packed.read(&report.name, &mut values, &Cancel::default()).unwrap();
                let expected = layer.output_error(&weights, &values).unwrap().unwrap();
                let found = report.output_error.unwrap();
                assert!(found > 0.0 && (found - expected).abs() <= 1e-12 * expected, "{found} {expected}");
                let measured = packed.measure(&report.name, &original, Some(layer), &Cancel::default());
                assert_eq!(measured.unwrap().unwrap().output_error, Some(found));
                seen.push(report.name.as_str());
            }
            assert_eq!(seen, ["down.attn.weight", "down.norm.weight"]);
        }
    }
}

/// Three matrices: of waves, of waves with one number far from all others, and of two values, which lose nothing.
fn uneven(folder: &Path) -> Model {
    let wave = |i: usize| (i as f32 * 0.7).sin();
    let matrices = [
        floats((0..32 * 48).map(wave)),
        floats((0..32 * 48).map(|i| if i % 48 == 5 { 20.0 } else { wave(i) })),
        floats((0..32 * 48).map(|i| if i % 2 == 0 { 0.0 } else { 0.5 })),
    ];
    let view = |bytes| TensorView::new(Dtype::F32, vec![32, 48], bytes).unwrap();
    let tensors = ["a.weight", "b.weight", "c.weight"].into_iter().zip(matrices.iter().map(|one| view(one)));
    let path = folder.join("model.safetensors");
    fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
    Model::open(path).unwrap()
}

/// Each tensor gets the least width with which it passes: no other file than the one that rules with those widths make.
#[test]
fn tensors_that_are_too_far_off_get_more_bits() {
    let folder = TempDir::new().unwrap();
    let model = uneven(folder.path());
    let run = |name: &str, settings: &Settings| {
        let path = folder.path().join(name);
        let report = quantize(&model, &path, settings, BTreeMap::new(), &Cancel::default(), |_| {}).unwrap();
        (report, fs::read(path).unwrap())
    };
    let with = |bits| Settings { scheme: Scheme { bits, ..FOUR }, ..settings() };
    let figures = |bits| {
        let reports = run("one.parquet", &with(bits)).0.tensors;
        reports.into_iter().map(|report| report.stored.quality().unwrap()).collect::<Vec<_>>()
    };
    let figures: Vec<_> = Bits::ALL.into_iter().map(|bits| (bits, figures(bits))).collect();
    let gates = [
        Gates { min_sqnr: Some(12.0), max_rel_error: None },
        Gates { min_sqnr: Some(22.0), max_rel_error: None },
        Gates { min_sqnr: None, max_rel_error: Some(0.2) },
        Gates { min_sqnr: Some(12.0), max_rel_error: Some(0.1) },
        Gates { min_sqnr: Some(90.0), max_rel_error: None },
        Gates::default(),
    ];
    let mut widths = BTreeMap::new();
    for gates in gates {
        for asked in [Bits::Two, Bits::Three] {
            let promoting = Settings { promote: Some(gates), ..with(asked) };
            let (report, bytes) = run("promoted.parquet", &promoting);
            let mut policy = Policy::default();
            let mut promoted = Vec::new();
            for (place, tensor) in report.tensors.iter().enumerate() {
                let mut passing =
                    figures.iter().filter(|(bits, of)| *bits >= asked && gates.pass(&of[place]));
                let expected = passing.next().map_or(Bits::Eight, |(bits, _)| *bits);
                assert_eq!(tensor.stored.scheme().unwrap().bits, expected, "{} {gates:?}", tensor.name);
                let scheme = Scheme { bits: expected, ..FOUR };
                policy = policy.with_rule(&tensor.name, Treatment::Quantize(scheme)).unwrap();
                if expected != asked {
                    promoted.push(Promotion { tensor: tensor.name.clone(), from: asked, to: expected });
                }
                *widths.entry(expected).or_insert(0) += 1;
            }
            assert_eq!(report.promoted, promoted);
            assert_eq!(bytes, run("ruled.parquet", &Settings { policy, ..with(asked) }).1);
        }
    }
    assert_eq!(
        widths.keys().copied().collect::<Vec<_>>(),
        Bits::ALL,
        "all of them have been met: {widths:?}"
    );
}

/// What a rule gives bits gets more too, and what it keeps is kept.
#[test]
fn rules_say_where_bits_begin() {
    let folder = TempDir::new().unwrap();
    let three = Treatment::Quantize(Scheme { bits: Bits::Three, ..FOUR });
    let policy = Policy::default().with_rule("a.*", three).unwrap();
    let policy = policy.with_rule("b.*", Treatment::Keep).unwrap();
    let policy = ["d.*", "shape:2x*", "kind:inner", "?.weights", "kind:first", "b.weight"]
        .into_iter()
        .fold(policy, |policy, pattern| policy.with_rule(pattern, three).unwrap());
    let promote = Some(Gates { min_sqnr: Some(40.0), max_rel_error: None });
    let settings = Settings { policy, promote, ..settings() };
    let path = folder.path().join("packed.parquet");
    let model = uneven(folder.path());
    let report = quantize(&model, &path, &settings, BTreeMap::new(), &Cancel::default(), |_| {}).unwrap();
    let expected = Promotion { tensor: "a.weight".to_owned(), from: Bits::Three, to: Bits::Eight };
    assert_eq!(report.promoted, [expected]);
    assert_eq!(report.unused, ["d.*", "shape:2x*", "?.weights", "kind:first"]);
    assert_eq!(report.tensors[1].stored, Stored::Kept);
}
