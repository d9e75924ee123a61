//! Does a model become a file and a table in a workflow, and is said what is wrong?

use bowstring::quant::{
    Calibration, Gates, Model, Moments, Order, Quantization, QuantizedModel, RoundingMethod, Validation,
};
use bowstring_testing::safetensors;
use expect_test::{Expect, expect};

use crate::support::Bench;

fn bench() -> Bench {
    let bench = Bench::new();
    let waves: Vec<f32> = (0..32 * 48).map(|i| (i as f32 * 0.7).sin()).collect();
    let model = safetensors(&[
        ("block.attn.weight", &[32, 48], &waves),
        ("block.norm.weight", &[48], &waves[..48]),
        ("block.up.weight", &[16, 96], &waves),
    ]);
    std::fs::write(bench.path("model.safetensors"), model).unwrap();
    bench
}

fn quantize(config: &str) -> String {
    format!(
        "- {{name: packed, type: quantize, config: {{model: \"${{dir}}/model.safetensors\", path: \
         \"${{dir}}/packed.parquet\"{config}}}}}\n"
    )
}

fn check(config: &str, expected: &Expect) {
    let steps = format!(
        "{}- name: rows\n  type: sql\n  config: {{query: \"SELECT name, stored, bits, group_size, bytes, round(sqnr, 1) \
         AS sqnr FROM packed ORDER BY name\"}}\n",
        quantize(config)
    );
    expected.assert_eq(&bench().shown(&steps, "rows"));
}

#[test]
fn a_step_writes_a_model_and_tells_of_its_tensors() {
    check(
        "",
        &expect![[r#"
        +-------------------+------------+------+------------+-------+------+
        | name              | stored     | bits | group_size | bytes | sqnr |
        +-------------------+------------+------+------------+-------+------+
        | block.attn.weight | zero_point | 4    | 64         | 864   | 26.1 |
        | block.norm.weight | f16        |      |            | 96    | 76.0 |
        | block.up.weight   | zero_point | 4    | 64         | 848   | 26.1 |
        +-------------------+------------+------+------------+-------+------+"#]],
    );
    check(
        ", profile: edge, symmetric: true, method: nearest, policy: {\"*.attn.*\": 8, \"*.up.*\": keep}",
        &expect![[r#"
            +-------------------+-----------+------+------------+-------+------+
            | name              | stored    | bits | group_size | bytes | sqnr |
            +-------------------+-----------+------+------------+-------+------+
            | block.attn.weight | symmetric | 8    | 256        | 1600  | 50.1 |
            | block.norm.weight | f16       |      |            | 96    | 76.0 |
            | block.up.weight   | kept      |      |            | 6144  |      |
            +-------------------+-----------+------+------------+-------+------+"#]],
    );
}

#[test]
fn the_file_has_what_the_table_says() {
    let bench = bench();
    assert!(bench.run(&quantize(", bits: 3, group_size: channel")).report.error.is_none());
    let packed = QuantizedModel::open(bench.path("packed.parquet")).unwrap();
    let before = Model::open(bench.path("model.safetensors")).unwrap().reports();
    assert_eq!(packed.reports().len(), before.len());
    assert_eq!(packed.metadata().find(|(key, _)| *key == "bowstring.model").unwrap().1, "model.safetensors");
    let mut weights = Vec::new();
    packed.read("block.up.weight", &mut weights, &bowstring::Cancel::new()).unwrap();
    assert_eq!(weights.len(), 16 * 96);
}

#[test]
fn a_packed_model_becomes_a_model_again() {
    let bench = bench();
    let dequantize = |config: &str| {
        format!(
            "- {{name: dense, type: dequantize, depends_on: [packed], config: {{model: \"${{dir}}/packed.parquet\", path: \
             \"${{dir}}/new/{config}}}}}\n"
        )
    };
    let steps = quantize(", bits: 3") + &dequantize("dense.safetensors\"");
    assert!(bench.run(&steps).report.error.is_none());
    let packed = QuantizedModel::open(bench.path("packed.parquet")).unwrap();
    let dense = Model::open(bench.path("new/dense.safetensors")).unwrap();
    let (mut expected, mut found) = (Vec::new(), Vec::new());
    for (name, tensor) in packed.tensors() {
        packed.read(name, &mut expected, &bowstring::Cancel::new()).unwrap();
        dense.tensor(name).unwrap().read(&mut found).unwrap();
        assert_eq!(found, expected, "{name}");
        assert_eq!(dense.tensor(name).unwrap().shape, tensor.shape, "{name}");
    }
    let halves = quantize("") + &dequantize("halves.safetensors\", dtype: bf16");
    assert!(bench.run(&halves).report.error.is_none());
    let halves = Model::open(bench.path("new/halves.safetensors")).unwrap();
    assert!(halves.tensors().all(|tensor| tensor.dtype == bowstring::quant::Dtype::BF16));
    assert_eq!(halves.tensors().len(), packed.tensors().len());
    for wrong in ["dense.parquet\"", "x.safetensors\", dtype: i8"] {
        let shown = bench.shown(&(quantize("") + &dequantize(wrong)), "dense");
        assert!(shown.contains("hint"), "{shown}");
    }
}

#[test]
fn what_a_config_cannot_say_is_found_before_it_runs() {
    for config in [
        ", bits: 5",
        ", group_size: 20",
        ", group_size: row",
        ", policy: {\"*\": 16}",
        ", policy: {\"[\": 8}",
        ", symmetric: true, float_minimum: true",
        ", method: best",
        ", scale_type: f4",
        ", scale_type: f8, float_minimum: true",
        ", code_type: cubic",
        ", profile: moon",
    ] {
        let shown = bench().shown(&quantize(config), "packed");
        assert!(shown.contains("hint") || config.contains('['), "{config}: {shown}");
    }
    expect![[r#"
        `bits` cannot be 5
          at test.yaml:4:115

        hint: it is 2, 3, 4 or 8"#]]
    .assert_eq(&bench().shown(&quantize(", bits: 5"), "packed"));
    expect![[r#"
        `float_minimum` cannot be asked for beside `symmetric`
          at test.yaml:4:141

        hint: it is for schemes that are not symmetric"#]]
    .assert_eq(&bench().shown(&quantize(", symmetric: true, float_minimum: true"), "packed"));
    expect![[r#"
        `best` is not known here
          at test.yaml:4:117

        hint: there are `nearest`, `mse`, `weighted` and `gptq`"#]]
    .assert_eq(&bench().shown(&quantize(", method: best"), "packed"));
    let named = quantize("").replace("packed.parquet", "packed.bin");
    expect![[r#"
        `out` cannot be `DIR/packed.bin`
          at test.yaml:4:84

        hint: it is a name that ends in `.parquet` or `.safetensors`"#]]
    .assert_eq(&bench().shown(&named, "packed"));
}

#[test]
fn a_model_that_is_not_there_fails_the_step() {
    let steps = quantize("").replace("model.safetensors", "nothing.safetensors");
    expect!["exit 4: step `packed` (not_found): cannot open `DIR/nothing.safetensors`: No such file or directory (os error 2)"].assert_eq(&bench().shown(&steps, "packed"));
}

#[test]
fn a_gate_fails_the_step_and_writes_nothing() {
    let bench = bench();
    expect![[r#"
        exit 1: step `packed` (failed): 1 tensor is further off than allowed: `block.attn.weight` (19.6 dB, relative error 1.05e-1)
        hint: give them more bits, or keep them, by rules for their names"#]]
        .assert_eq(&bench.shown(&quantize(", min_sqnr: 40, bits: 3, policy: {\"*.up.*\": 8}"), "packed"));
    assert!(!bench.path("packed.parquet").exists());
    expect![[r#"
        `max_rel_error` cannot be -1
          at test.yaml:4:124

        hint: it is a number of at least 0"#]]
    .assert_eq(&bench.shown(&quantize(", max_rel_error: -1"), "packed"));
}

#[test]
fn a_step_may_give_more_bits_to_what_does_not_pass() {
    check(
        ", bits: 2, min_sqnr: 20, promote: true, policy: {\"kind:vector\": keep}",
        &expect![[r#"
        +-------------------+------------+------+------------+-------+------+
        | name              | stored     | bits | group_size | bytes | sqnr |
        +-------------------+------------+------+------------+-------+------+
        | block.attn.weight | zero_point | 4    | 64         | 864   | 26.1 |
        | block.norm.weight | kept       |      |            | 192   |      |
        | block.up.weight   | zero_point | 4    | 64         | 848   | 26.1 |
        +-------------------+------------+------+------------+-------+------+"#]],
    );
    expect![[r#"
        `promote` cannot be given alone
          at test.yaml:4:118

        hint: it is beside `min_sqnr` or `max_rel_error`"#]]
    .assert_eq(&bench().shown(&quantize(", promote: true"), "packed"));
    expect![[r#"
        `kind:norm` is not a valid pattern: the kinds are `integers`, `vector`, `embedding`, `first`, `last` and `inner`
          at test.yaml:4:117"#]].assert_eq(&bench().shown(&quantize(", policy: {\"kind:norm\": keep}"), "packed"));
}

/// What is found of a file of packed weights.
fn validated(bench: &Bench, validation: &Validation) -> String {
    match validation.run(&bench.path("packed.parquet"), &bowstring::Cancel::new()) {
        Ok(found) => found.failing.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(", "),
        Err(error) => bench.masked(&error.to_string()),
    }
}

#[test]
fn a_validation_measures_what_the_file_has() {
    let bench = bench();
    assert!(bench.run(&quantize("")).report.error.is_none());
    let model = Some(bench.path("model.safetensors"));
    let gates = |min_sqnr| Gates { min_sqnr: Some(min_sqnr), max_rel_error: None };
    let of = |min_sqnr| Validation { model: model.clone(), gates: gates(min_sqnr), ..Validation::default() };
    expect![].assert_eq(&validated(&bench, &of(20.0)));
    expect!["block.up.weight, block.attn.weight"].assert_eq(&validated(&bench, &of(40.0)));
    assert_eq!(
        validated(&bench, &Validation { model: None, ..of(40.0) }),
        validated(&bench, &of(40.0)),
        "the file says what is measured"
    );
    let measured = of(40.0).run(&bench.path("packed.parquet"), &bowstring::Cancel::new()).unwrap().tensors;
    let said = QuantizedModel::open(bench.path("packed.parquet")).unwrap().reports();
    for (measured, said) in measured.iter().zip(&said) {
        let (measured, said) = (measured.stored.quality().unwrap(), said.stored.quality().unwrap());
        assert!((measured.sqnr - said.sqnr).abs() < 1e-9, "{measured:?} {said:?}");
    }
    let waves: Vec<f32> = (0..32 * 48).map(|i| (i as f32 * 0.7).sin()).collect();
    let others = vec![0.5; 16 * 96];
    let other = safetensors(&[
        ("block.attn.weight", &[32, 48], &waves),
        ("block.norm.weight", &[48], &waves[..48]),
        ("block.up.weight", &[16, 96], &others),
    ]);
    std::fs::write(bench.path("model.safetensors"), other).unwrap();
    assert_eq!(validated(&bench, &of(20.0)), "block.up.weight", "against the model, not what the file says");
}

#[test]
fn a_validation_finds_other_models_and_damage() {
    let bench = bench();
    let whole = ", policy: {\"*.attn.*\": keep}";
    assert!(bench.run(&quantize(whole)).report.error.is_none());
    let check = |tensors: &[(&str, &[usize], &[f32])], expected: &Expect| {
        std::fs::write(bench.path("model.safetensors"), safetensors(tensors)).unwrap();
        let validation = Validation { model: Some(bench.path("model.safetensors")), ..Validation::default() };
        expected.assert_eq(&validated(&bench, &validation));
    };
    let waves: Vec<f32> = (0..32 * 48).map(|i| (i as f32 * 0.7).sin()).collect();
    let others = vec![0.5; 32 * 48];
    let (attn, norm, up) = ("block.attn.weight", "block.norm.weight", "block.up.weight");
    check(&[(attn, &[32, 48], &waves), (norm, &[48], &waves[..48]), (up, &[16, 96], &waves)], &expect![]);
    check(
        &[(attn, &[32, 48], &others), (norm, &[48], &waves[..48]), (up, &[16, 96], &waves)],
        &expect![
            "`DIR/packed.parquet` was not made of this model: tensor `block.attn.weight` has other numbers"
        ],
    );
    check(
        &[(attn, &[32, 48], &waves), (norm, &[48], &waves[..48]), (up, &[32, 48], &waves)],
        &expect![
            "`DIR/packed.parquet` was not made of this model: tensor `block.up.weight` has another type or shape"
        ],
    );
    check(
        &[(attn, &[32, 48], &waves), (norm, &[48], &waves[..48])],
        &expect![
            "`DIR/packed.parquet` was not made of this model: tensor `block.up.weight` is not in the model"
        ],
    );
    check(
        &[("more", &[1], &[0.0]), (attn, &[32, 48], &waves)],
        &expect!["`DIR/packed.parquet` was not made of this model: tensor `more` is not in the file"],
    );
    let mut bytes = std::fs::read(bench.path("packed.parquet")).unwrap();
    let codes = bytes.windows(4).position(|four| four == &waves[9].to_le_bytes()[..]).unwrap();
    bytes[codes] ^= 1;
    std::fs::write(bench.path("packed.parquet"), bytes).unwrap();
    expect![
        "`DIR/packed.parquet` is damaged: `block.attn.weight` has other bytes than those that were written"
    ]
    .assert_eq(&validated(&bench, &Validation::default()));
}

#[test]
fn a_method_is_given_what_it_goes_by() {
    let refused = |request: Quantization| request.check().unwrap_err().to_string();
    let of = |method| Quantization { method, ..Quantization::default() };
    let calibration = Some("seen.parquet".into());
    for method in [RoundingMethod::Weighted, RoundingMethod::Gptq] {
        assert_eq!(refused(of(method)), "`calibration` cannot be absent for this method");
        Quantization { calibration: calibration.clone(), ..of(method) }.check().unwrap();
    }
    for method in [RoundingMethod::Nearest, RoundingMethod::Mse] {
        let request = Quantization { calibration: calibration.clone(), ..of(method) };
        assert_eq!(refused(request), "`calibration` cannot be given for this method");
    }
    let request = Quantization { damping: Some(0.1), ..of(RoundingMethod::Mse) };
    assert_eq!(refused(request), "`damping` cannot be given for this method");
    let request = Quantization { order: Some(Order::Natural), ..of(RoundingMethod::Mse) };
    assert_eq!(refused(request), "`order` cannot be given for this method");
}

fn calibrated(bench: &Bench) -> Calibration {
    let inputs: Vec<f32> =
        (0..200 * 48).map(|i| ((i * i) as f32 * 0.37).sin() * (1 + i % 48 % 7) as f32).collect();
    let mut seen = Calibration::new(Moments::Full);
    seen.observe("block.attn.weight", None, &inputs, 48, 1.0).unwrap();
    seen.save(&bench.path("seen.parquet")).unwrap();
    seen
}

#[test]
fn a_calibration_tells_how_far_off_outputs_are() {
    let bench = bench();
    let seen = calibrated(&bench);
    assert!(bench.run(&quantize("")).report.error.is_none());
    let validation = Validation {
        model: Some(bench.path("model.safetensors")),
        calibration: Some(bench.path("seen.parquet")),
        ..Validation::default()
    };
    let path = bench.path("packed.parquet");
    let found = validation.run(&path, &bowstring::Cancel::new()).unwrap();
    found.verdict().unwrap();
    let [mut weights, mut values] = [vec![], vec![]];
    let model = Model::open(bench.path("model.safetensors")).unwrap();
    model.tensor("block.attn.weight").unwrap().read(&mut weights).unwrap();
    QuantizedModel::open(&path).unwrap().read("block.attn.weight", &mut values, &Default::default()).unwrap();
    let expected = seen.layer("block.attn.weight").unwrap().output_error(&weights, &values).unwrap();
    let errors: Vec<_> = found.tensors.iter().map(|tensor| tensor.output_error).collect();
    assert!((errors[0].unwrap() - expected.unwrap()).abs() < 1e-12);
    assert_eq!(errors[1..], [None, None], "of which nothing was seen");

    let alone = Validation { model: None, ..validation.clone() };
    expect!["`calibration` cannot be given without a model"].assert_eq(&validated(&bench, &alone));
    let mut other = Calibration::new(Moments::Diagonal);
    other.observe("block.up.weight", None, &[1.0; 4], 4, 1.0).unwrap();
    other.save(&bench.path("seen.parquet")).unwrap();
    expect!["channels of inputs: 4 where 96 are expected"].assert_eq(&validated(&bench, &validation));
}

fn evaluate(config: &str) -> String {
    format!(
        "- {{name: good, type: quant.evaluate, depends_on: [packed], config: {{packed: \"${{dir}}/packed.parquet\"{config}}}}}\n"
    )
}

#[test]
fn a_step_evaluates_what_was_packed() {
    let bench = bench();
    calibrated(&bench);
    let model = ", model: \"${dir}/model.safetensors\", calibration: \"${dir}/seen.parquet\"";
    let steps = quantize("")
        + &evaluate(&format!("{model}, min_sqnr: 20, max_rel_error: 0.1"))
        + "- {name: rows, type: sql, config: {query: \"SELECT name, round(sqnr, 1) AS sqnr, round(output_error, 5) AS \
           output_error FROM good ORDER BY name\"}}\n";
    expect![[r#"
        +-------------------+------+--------------+
        | name              | sqnr | output_error |
        +-------------------+------+--------------+
        | block.attn.weight | 26.1 | 0.00216      |
        | block.norm.weight | 76.0 |              |
        | block.up.weight   | 26.1 |              |
        +-------------------+------+--------------+"#]]
    .assert_eq(&bench.shown(&steps, "rows"));
    // The file says the same, but of outputs.
    expect![[r#"
        exit 1: step `good` (failed): 2 tensors are further off than allowed: `block.up.weight` (26.1 dB, relative error 4.98e-2), `block.attn.weight` (26.1 dB, relative error 4.93e-2)
        hint: give them more bits, or keep them, by rules for their names"#]].assert_eq(&bench.shown(&(quantize("") + &evaluate(", min_sqnr: 40")), "good"));
    let finished = bench.run(&(quantize("") + &evaluate(", max_rel_error: 0.001")));
    let (_, step) = finished.report.steps.iter().find(|(name, _)| &**name == "good").unwrap();
    assert_eq!(step.error.as_ref().unwrap().kind, bowstring::ErrorKind::Failed);
    assert!(bench.path("packed.parquet").exists(), "it is only looked at");
    expect![[r#"
        `max_rel_error` cannot be -1
          at test.yaml:5:117

        hint: it is a number of at least 0"#]]
    .assert_eq(&bench.shown(&(quantize("") + &evaluate(", max_rel_error: -1")), "good"));
    expect![[r#"
        `calibration` cannot be given without a model
          at test.yaml:5:115

        hint: it is for outputs that are compared with those of a model"#]]
    .assert_eq(&bench.shown(&(quantize("") + &evaluate(", calibration: seen.parquet")), "good"));
}

/// Layers' outputs are nearer by what was seen of their inputs.
#[test]
fn what_was_seen_of_inputs_decides() {
    let bench = bench();
    let seen = calibrated(&bench);
    let hessian = seen.layer("block.attn.weight").unwrap().hessian().unwrap();
    let mut weights = Vec::new();
    Model::open(bench.path("model.safetensors"))
        .unwrap()
        .tensor("block.attn.weight")
        .unwrap()
        .read(&mut weights)
        .unwrap();
    let error = |config: &str| {
        bench.shown(&quantize(config), "packed");
        let (packed, mut values) = (QuantizedModel::open(bench.path("packed.parquet")).unwrap(), Vec::new());
        packed.read("block.attn.weight", &mut values, &Default::default()).unwrap();
        hessian.output_error(&weights, &values).unwrap()
    };
    let mse = error(", bits: 3");
    let weighted = error(", bits: 3, method: weighted, calibration: \"${dir}/seen.parquet\"");
    let gptq = error(", bits: 3, method: gptq, calibration: \"${dir}/seen.parquet\"");
    let natural =
        error(", bits: 3, method: gptq, calibration: \"${dir}/seen.parquet\", order: natural, damping: 0.02");
    assert!(weighted < mse && gptq < weighted && natural < weighted, "{mse} {weighted} {gptq} {natural}");
    assert_ne!(gptq, natural);
}

#[test]
fn a_budget_decides_the_bits() {
    let bench = bench();
    let bytes = |config: &str| {
        let finished = bench.run(&quantize(config));
        assert!(finished.report.error.is_none(), "{:?}", finished.report.error);
        let packed = QuantizedModel::open(bench.path("packed.parquet")).unwrap();
        let by = packed.metadata().find(|(key, _)| *key == "bowstring.allocation").unwrap().1.to_owned();
        (by, packed.reports().iter().map(|tensor| tensor.bytes_after).sum::<usize>())
    };
    // All three tensors take 12,480 bytes in the model.
    for (share, most) in [("10%", 1248), ("15%", 1872), ("25%", 3120)] {
        for allocation in ["uniform", "squared_error", "entropy"] {
            let (by, found) = bytes(&format!(", budget: \"{share}\", allocation: {allocation}"));
            assert_eq!(by, allocation);
            assert!(found <= most && found > most / 2, "{allocation}: {found} of {most}");
        }
    }
    assert_eq!(bytes(", budget: 2000").0, "squared_error");
    assert_eq!(bytes(", budget: 1010").0, "uniform");
    expect![[r#"
        exit 2: step `packed` (usage): a budget of 100 bytes cannot be met
        hint: the least possible is 1008 bytes"#]]
    .assert_eq(&bench.shown(&quantize(", budget: 100"), "packed"));
    for (config, said) in [
        (", budget: lots", "`budget` cannot be `lots`"),
        (", budget: 2000, bits: 4", "`bits` cannot be given beside a budget"),
        (", budget: 2000, profile: edge", "`profile` cannot be given beside a budget"),
        (", allocation: uniform", "`allocation` cannot be given without a budget"),
        (", widths: [2, 5], budget: 2000", "`bits` cannot be 5"),
        (", budget: 2000, allocation: path_kl", "`calibration` cannot be absent for `path_kl`"),
        (
            ", budget: 2000, allocation: uniform, schedule: x.json",
            "`schedule` cannot be given for this allocation",
        ),
        (", budget: 2000, calibration: x.parquet", "`calibration` cannot be given for this method"),
    ] {
        let shown = bench.shown(&quantize(config), "packed");
        assert!(shown.contains(said) && shown.contains("hint: "), "{config}: {shown}");
    }
}

/// What a layer is given decides, where paths are gone by.
#[test]
fn a_budget_is_spent_by_paths() {
    let bench = bench();
    let seen = |attn: f32, up: f32| {
        let mut seen = Calibration::new(Moments::Diagonal);
        for timestep in [0, 300, 600] {
            seen.observe("block.attn.weight", Some(timestep), &[attn; 96], 48, 1.0).unwrap();
            seen.observe("block.up.weight", Some(timestep), &[up; 192], 96, 1.0).unwrap();
        }
        seen.save(&bench.path("seen.parquet")).unwrap();
        let config = ", budget: 1300, schedule: \"${dir}/scheduler_config.json\", calibration: \"${dir}/seen.parquet\"";
        let finished = bench.run(&quantize(config));
        assert!(finished.report.error.is_none(), "{:?}", finished.report.error);
        let packed = QuantizedModel::open(bench.path("packed.parquet")).unwrap();
        assert_eq!(packed.metadata().find(|(key, _)| *key == "bowstring.allocation").unwrap().1, "path_kl");
        ["block.attn.weight", "block.up.weight"]
            .map(|name| packed.tensor(name).unwrap().stored.scheme().unwrap().bits)
    };
    std::fs::write(bench.path("scheduler_config.json"), "{\"beta_schedule\": \"linear\"}").unwrap();
    let [attn, up] = seen(100.0, 1.0);
    assert!(attn > up, "{attn} {up}");
    let [attn, up] = seen(1.0, 100.0);
    assert!(attn < up, "{attn} {up}");
    let without = ", budget: 1300, allocation: path_kl, calibration: \"${dir}/seen.parquet\"";
    let shown = bench.shown(&quantize(without), "packed");
    assert!(shown.contains("`schedule` cannot be absent where the model is no pipeline"), "{shown}");
}

/// The same numbers come out of the layer that reads a norm, bit for bit.
#[test]
fn a_model_is_evened_out_by_a_step() {
    let bench = bench();
    let mut seen = Calibration::new(Moments::Diagonal);
    let inputs: Vec<f32> = (0..48).map(|channel| 4_f32.powi(channel % 5)).collect();
    seen.observe("block.attn.weight", None, &inputs, 48, 1.0).unwrap();
    seen.save(&bench.path("seen.parquet")).unwrap();
    let step = |config: &str| {
        format!(
            "- {{name: even, type: quant.equalize, config: {{model: \"${{dir}}/model.safetensors\", path: \
             \"${{dir}}/even.safetensors\", calibration: \"${{dir}}/seen.parquet\", couples: [{{writers: \
             [block.norm.weight], readers: [block.attn.weight]}}]{config}}}}}\n"
        )
    };
    assert!(bench.run(&step("")).report.error.is_none());
    let products = |name: &str| -> Vec<f32> {
        let model = Model::open(bench.path(name)).unwrap();
        let read = |tensor: &str| {
            let mut numbers = Vec::new();
            model.tensor(tensor).unwrap().read(&mut numbers).unwrap();
            numbers
        };
        let norm = read("block.norm.weight");
        read("block.attn.weight")
            .iter()
            .zip(norm.iter().cycle())
            .map(|(weight, norm)| weight * norm)
            .collect()
    };
    assert_eq!(products("model.safetensors"), products("even.safetensors"));
    let bytes = |name: &str| std::fs::read(bench.path(name)).unwrap();
    assert_ne!(bytes("model.safetensors"), bytes("even.safetensors"));
    let shown = bench.shown(&step(", strength: 2"), "even");
    assert!(
        shown.contains("`strength` cannot be 2") && shown.contains("hint: it is a number of 0 to 1"),
        "{shown}"
    );
    let shown = bench.shown(&step("").replace("even.safetensors", "even.parquet"), "even");
    assert!(shown.contains("is no name of a safetensors file"), "{shown}");
    let shown = bench.shown(&step("").replace("[block.norm.weight]", "[block.gone]"), "even");
    assert!(shown.contains("the model has no tensor `block.gone`"), "{shown}");
}
