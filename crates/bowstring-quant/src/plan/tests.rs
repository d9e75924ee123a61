use std::num::NonZero;

use proptest::prelude::*;
use safetensors::{Dtype, tensor::TensorView};
use tempfile::TempDir;

use super::*;
use crate::{Bits, CodeType, Group, Moments, Offset, ScaleType, quantize};

fn scheme(bits: Bits, group: u32) -> Scheme {
    Scheme {
        bits,
        group: Group::of(group).unwrap(),
        offset: Offset::ZeroPoint,
        scale_type: ScaleType::F16,
        code_type: CodeType::Linear,
    }
}

fn schemes() -> Vec<Scheme> {
    let groups = [16, 64];
    groups.into_iter().flat_map(|group| Bits::ALL.into_iter().map(move |bits| scheme(bits, group))).collect()
}

fn settings() -> Settings {
    Settings {
        scheme: scheme(Bits::Four, 64),
        rounding: Rounding::Nearest,
        policy: Policy::default(),
        non_finite: NonFinite::Refuse,
        promote: None,
        threads: NonZero::new(2),
        resume: false,
        shard_size: None,
    }
}

/// Layers of which the second is ten times as large as the first, and what is not packed.
fn model() -> (TempDir, Model) {
    let waves = |size: f32| -> Vec<f32> { (0..24 * 80).map(|at| size * (at as f32 * 0.7).sin()).collect() };
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.safetensors");
    let tensors = [("a.weight", vec![24, 80], waves(1.0)), ("b.weight", vec![24, 80], waves(10.0))];
    let others = [("c.weight", vec![80, 24], waves(0.1)), ("norm.weight", vec![48], vec![1.0; 48])];
    let tensors = tensors.into_iter().chain(others).map(|(name, shape, numbers)| {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        (name, shape, bytes)
    });
    let tensors: Vec<_> = tensors.collect();
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| (*name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    let bytes = safetensors::serialize(views, None).unwrap();
    std::fs::write(&path, bytes).unwrap();
    let model = Model::open(path).unwrap();
    (folder, model)
}

fn planned(settings: &Settings, budget: usize, harm: &mut Harm<'_>) -> Result<Plan> {
    plan(&model().1, settings, budget, &schemes(), harm, &Cancel::new(), |_| ())
}

/// What a plan says is what the file has, whatever the budget.
#[test]
fn tensors_take_what_was_planned() {
    let (folder, model) = model();
    let mut costs = Vec::new();
    for budget in [2_100, 2_800, 4_000, 6_000, 100_000] {
        let plan =
            plan(&model, &settings(), budget, &schemes(), &mut Harm::SquaredError, &Cancel::new(), |_| ());
        let plan = plan.unwrap();
        let settings = Settings { policy: Policy::default().with_plan(&plan), ..settings() };
        let out = folder.path().join("out.parquet");
        let report = quantize(&model, &out, &settings, BTreeMap::new(), &Cancel::new(), |_| ()).unwrap();
        let bytes: usize = report.tensors.iter().map(|tensor| tensor.bytes_after).sum();
        assert_eq!(bytes, plan.bytes);
        assert!(bytes <= budget, "{bytes} of {budget}");
        let error: f64 = report
            .tensors
            .iter()
            .filter(|tensor| tensor.stored.scheme().is_some())
            .map(|tensor| {
                let mut numbers = Vec::new();
                model.tensor(&tensor.name).unwrap().read(&mut numbers).unwrap();
                let size: f64 = numbers.iter().map(|&number| f64::from(number).powi(2)).sum();
                size * tensor.stored.quality().unwrap().relative_error.powi(2)
            })
            .sum();
        assert!((error / plan.cost - 1.0).abs() < 1e-9, "{error} {}", plan.cost);
        assert!(plan.exact && plan.bound <= plan.cost);
        costs.push(plan.cost);
    }
    assert!(costs.is_sorted_by(|more, less| more > less), "{costs:?}");
}

#[test]
fn what_costs_more_gets_more_bits() {
    let plan = planned(&settings(), 2_800, &mut Harm::SquaredError).unwrap();
    let bits = |name: &str| plan.schemes[name].bits;
    assert!(bits("b.weight") > bits("a.weight") && bits("a.weight") >= bits("c.weight"), "{plan:?}");
    let uniform = planned(&settings(), 2_800, &mut Harm::Uniform).unwrap();
    assert_eq!(uniform.schemes.values().collect::<std::collections::HashSet<_>>().len(), 1);
    assert!(uniform.cost > plan.cost);
    // All three have about the same entropy, so that none has far fewer bits than the others.
    let entropy = planned(&settings(), 2_800, &mut Harm::Entropy).unwrap();
    assert!(entropy.bytes <= 2_800);
    assert!(entropy.schemes.values().all(|scheme| [Bits::Three, Bits::Four].contains(&scheme.bits)));
    let mut asked = Vec::new();
    let mut measure = |tensor: &Tensor<'_>, values: &[f32], scheme: Scheme| {
        assert_eq!(values.len(), 24 * 80);
        asked.push(format!("{} {} {}", tensor.name, scheme.bits, scheme.group));
        Ok(if tensor.name == "c.weight" { 1e3 } else { 1e-3 } / f64::from(scheme.bits.count()))
    };
    let plan = planned(&settings(), 3_600, &mut Harm::Measured(&mut measure)).unwrap();
    assert_eq!(plan.schemes["c.weight"].bits, Bits::Eight);
    assert_eq!(asked.len(), 3 * 8);
    assert_eq!(asked[8], "b.weight 2 16");
}

/// The tensors that are chosen for have 5,760 weights, and what is kept takes 96 bytes.
#[test]
fn few_bits_are_the_same_for_all_unless_something_is_asked_for() {
    let small = [Group::Channel, Group::of(64).unwrap()].into_iter().flat_map(|group| {
        let offset = Offset::Symmetric;
        Bits::ALL.into_iter().map(move |bits| Scheme { group, offset, ..scheme(bits, 64) })
    });
    let small: Vec<_> = small.collect();
    let (_folder, model) = model();
    let planned = |settings: &Settings, budget, harm: &mut Harm<'_>| {
        plan(&model, settings, budget, &small, harm, &Cancel::new(), |_| ()).unwrap()
    };
    for (budget, by) in [(1_840, "uniform"), (96 + 1_799, "uniform"), (96 + 1_800, "squared_error")] {
        let found = planned(&settings(), budget, &mut Harm::Automatic);
        assert_eq!(found.by, by);
        let mut asked_for = if by == "uniform" { Harm::Uniform } else { Harm::SquaredError };
        assert_eq!(found, planned(&settings(), budget, &mut asked_for));
    }
    let asked_for = planned(&settings(), 1_840, &mut Harm::SquaredError);
    assert_eq!(asked_for.by, "squared_error");
    assert!(asked_for.cost < planned(&settings(), 1_840, &mut Harm::Automatic).cost);
    // Nothing is left to choose for.
    let keep = Policy::default().with_rule("*", Treatment::Keep).unwrap();
    let settings = Settings { policy: keep, ..settings() };
    assert_eq!(planned(&settings, 100_000, &mut Harm::Automatic).schemes.len(), 0);
}

#[test]
fn rules_go_first() {
    let keep = Policy::default().with_rule("b.*", Treatment::Keep).unwrap();
    let eight = keep.with_rule("a.*", Treatment::Quantize(scheme(Bits::Eight, 64))).unwrap();
    let settings = Settings { policy: eight, ..settings() };
    let least =
        24 * 80 * 4 + scheme(Bits::Eight, 64).bytes(24, 80) + scheme(Bits::Two, 64).bytes(80, 24) + 96;
    match planned(&settings, 1, &mut Harm::SquaredError) {
        Err(QuantError::Budget { budget: 1, least: found }) => assert_eq!(found, least),
        other => panic!("{other:?}"),
    }
    let plan = planned(&settings, least, &mut Harm::SquaredError).unwrap();
    assert_eq!((plan.bytes, plan.schemes.len()), (least, 1));
}

#[test]
fn what_cannot_be_counted_is_an_error() {
    for wrong in [f64::NAN, -1.0, f64::INFINITY] {
        let mut measure = |_: &Tensor<'_>, _: &[f32], _: Scheme| Ok(wrong);
        let error = planned(&settings(), 9_000, &mut Harm::Measured(&mut measure)).unwrap_err();
        assert_eq!(error.to_string(), format!("what was measured of scheme 0 cannot be {wrong}"),);
    }
    let mut fails = |_: &Tensor<'_>, _: &[f32], _: Scheme| Err(QuantError::Budget { budget: 7, least: 8 });
    let error = planned(&settings(), 9_000, &mut Harm::Measured(&mut fails)).unwrap_err();
    assert!(matches!(error, QuantError::Budget { budget: 7, .. }));
}

fn calibration(sizes: [f32; 3], timesteps: &[u32]) -> Calibration {
    let mut calibration = Calibration::new(Moments::Diagonal);
    for (name, columns, size) in
        [("a.weight", 80, sizes[0]), ("b.weight", 80, sizes[1]), ("c.weight", 24, sizes[2])]
    {
        for &timestep in timesteps {
            let inputs = vec![size * timestep as f32; columns * 4];
            calibration.observe(name, Some(timestep), &inputs, columns, 1.0).unwrap();
        }
    }
    calibration
}

fn costs(calibration: Calibration) -> Result<PathCosts> {
    PathCosts::of(Arc::new(calibration), &Schedule::linear(100, 1e-4, 0.02)?, 1.0, HashMap::new())
}

#[test]
fn layers_with_large_inputs_get_more_bits() {
    let bits = |sizes| {
        let plan = planned(
            &settings(),
            2_800,
            &mut Harm::PathKl(costs(calibration(sizes, &[60, 30, 0])).unwrap(), None),
        );
        let plan = plan.unwrap();
        ["a.weight", "b.weight", "c.weight"].map(|name| plan.schemes[name].bits)
    };
    let (first, last) = (bits([100.0, 1.0, 1.0]), bits([1.0, 1.0, 1_000.0]));
    assert!(first[0] > first[2] && last[2] > last[0], "{first:?} {last:?}");
}

/// The cost is the sum over steps of the weight of a step and the squared error of the layer's outputs.
#[test]
fn the_cost_of_a_path_is_that_of_its_definition() {
    let calibration = calibration([1.0, 2.0, 3.0], &[60, 30, 0]);
    let mut sensitivities = HashMap::new();
    sensitivities.insert("b.weight".to_owned(), 5.0);
    let schedule = Schedule::linear(100, 1e-4, 0.02).unwrap();
    let costs = PathCosts::of(Arc::new(calibration), &schedule, 1.0, sensitivities).unwrap();
    let (_folder, model) = model();
    let tensor = model.tensor("b.weight").unwrap();
    let importance = costs.importance(&tensor).unwrap();
    let steps = schedule.reverse(&[60, 30, 0], 1.0).unwrap();
    let expected: f64 = steps
        .iter()
        .filter(|step| step.variance > 0.0)
        .map(|step| 5.0 * step.output.powi(2) / (2.0 * step.variance) * (2.0 * step.timestep as f64).powi(2))
        .sum();
    assert!(importance.iter().all(|one| (one / expected - 1.0).abs() < 1e-9), "{importance:?} {expected}");
}

#[test]
fn a_calibration_that_is_not_enough_is_named() {
    let text = |error: QuantError| error.to_string();
    let mut uneven = calibration([1.0; 3], &[60, 30]);
    uneven.observe("a.weight", Some(10), &[1.0; 80], 80, 1.0).unwrap();
    assert_eq!(
        text(costs(uneven).unwrap_err()),
        "nothing was seen of the inputs of `b.weight` in timestep 10"
    );
    let mut timeless = Calibration::new(Moments::Diagonal);
    timeless.observe("a.weight", None, &[1.0; 80], 80, 1.0).unwrap();
    assert_eq!(
        text(costs(timeless.clone()).unwrap_err()),
        "nothing was seen of the inputs of `a.weight` in any timestep"
    );
    let mut one = Calibration::new(Moments::Diagonal);
    one.observe("a.weight", Some(60), &[1.0; 80], 80, 1.0).unwrap();
    one.observe("a.weight", Some(10), &[1.0; 80], 80, 1.0).unwrap();
    let error = planned(&settings(), 9_000, &mut Harm::PathKl(costs(one).unwrap(), None)).unwrap_err();
    assert_eq!(text(error), "nothing was seen of the inputs of `b.weight` in any timestep");
    let mut other = Calibration::new(Moments::Diagonal);
    other.observe("x.weight", Some(60), &[1.0; 80], 80, 1.0).unwrap();
    other.observe("x.weight", Some(0), &[1.0; 80], 80, 1.0).unwrap();
    let error = planned(&settings(), 9_000, &mut Harm::PathKl(costs(other).unwrap(), None)).unwrap_err();
    assert!(matches!(error, QuantError::NoTensor { .. }));
    let wrong = HashMap::from([("a.weight".to_owned(), -1.0)]);
    let schedule = Schedule::linear(100, 1e-4, 0.02).unwrap();
    assert!(PathCosts::of(Arc::new(calibration([1.0; 3], &[60, 0])), &schedule, 1.0, wrong).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn threads_change_nothing(budget in 2_100_usize..8_000) {
        let alone = Settings { threads: NonZero::new(1), ..settings() };
        let plans = [&alone, &settings()].map(|settings| planned(settings, budget, &mut Harm::SquaredError).unwrap());
        prop_assert_eq!(&plans[0], &plans[1]);
    }
}

/// A measure is asked once for each tensor, and multiplies what is estimated of all schemes.
#[test]
fn a_measure_scales_the_estimates() {
    let planned = |factor: f64| {
        let mut asked = Vec::new();
        let mut measure = |tensor: &Tensor<'_>, _: &[f32], scheme: Scheme| {
            asked.push((tensor.name.to_owned(), scheme.bits));
            Ok(if tensor.name == "c.weight" { factor } else { 1.0 })
        };
        let costs = costs(calibration([1.0; 3], &[60, 30, 0])).unwrap();
        let plan = planned(&settings(), 3_400, &mut Harm::PathKl(costs, Some(&mut measure))).unwrap();
        let names = ["a.weight", "b.weight", "c.weight"];
        assert_eq!(asked, names.map(|name| (name.to_owned(), Bits::Three)));
        plan.schemes["c.weight"].bits
    };
    assert!(planned(1e-6) < planned(1e6));
    assert_eq!(planned(0.0), Bits::Two);
}
