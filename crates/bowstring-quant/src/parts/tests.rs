use std::{path::PathBuf, sync::Arc};

use bowstring_core::{Diagnostic, ErrorKind, render};
use expect_test::{Expect, expect};
use safetensors::{Dtype, tensor::TensorView};
use tempfile::TempDir;

use super::*;
use crate::{
    Bits, CodeType, Gates, Group, Hessian, Model, NonFinite, Offset, Order, Policy, Report, Rounding,
    ScaleType, Settings, Treatment, quantize,
};

const FOUR: Scheme = Scheme {
    bits: Bits::Four,
    group: Group::Channel,
    offset: Offset::ZeroPoint,
    scale_type: ScaleType::F16,
    code_type: CodeType::Linear,
};
/// The tensors of the model that are packed.
const PACKED: usize = 3;

fn settings() -> Settings {
    Settings {
        scheme: FOUR,
        rounding: Rounding::Mse,
        policy: Policy::default(),
        non_finite: NonFinite::Refuse,
        promote: None,
        threads: None,
        resume: true,
        shard_size: None,
    }
}

/// Three matrices, whose names are one as names of files, and a norm; `odd` stands in the last matrix.
fn model(folder: &Path, odd: f32) -> Model {
    let numbers = (0..1200).map(|i| (i as f32 * 0.37).sin() * 0.1);
    let bytes = |odd: f32| -> Vec<u8> {
        numbers.clone().take(1199).chain([odd]).flat_map(f32::to_le_bytes).collect()
    };
    let (even, last) = (bytes(0.0), bytes(odd));
    let view = |shape: &[usize], bytes| TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap();
    let tensors = [
        ("a.b", view(&[30, 40], &even)),
        ("a_b", view(&[24, 50], &even)),
        ("norm", view(&[24], &even[..96])),
        ("z", view(&[30, 5, 8], &last)),
    ];
    let path = folder.join("model.safetensors");
    fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
    Model::open(path).unwrap()
}

/// The names in a folder.
fn listed(folder: &Path) -> Vec<String> {
    names(folder).unwrap()
}

/// Works until so many tensors are done.
fn run(model: &Model, out: &Path, settings: &Settings, stop_after: usize) -> Result<Report> {
    let (cancel, mut done) = (Cancel::default(), 0);
    let metadata = BTreeMap::from(["x", "y", "z"].map(|key| (key.to_owned(), "value".to_owned())));
    quantize(model, out, settings, metadata, &cancel, |_| {
        done += 1;
        if done == stop_after {
            cancel.cancel();
        }
    })
}

struct Place {
    folder: TempDir,
    model: Model,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let model = model(folder.path(), 0.5);
        Self { folder, model }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The names of the parts that are there.
    fn parts(&self, out: &str) -> Vec<String> {
        let names = listed(&self.path(&format!("{out}.parts")));
        names.into_iter().filter(|name| name != LOCK).collect()
    }

    /// What comes of work that nothing disturbs and that knows of no parts.
    fn undisturbed(&self, ending: &str, settings: &Settings) -> Vec<u8> {
        let out = self.path(&format!("undisturbed.{ending}"));
        let report = run(&self.model, &out, &Settings { resume: false, ..settings.clone() }, 0).unwrap();
        assert_eq!(report.resumed, 0);
        fs::read(out).unwrap()
    }
}

#[test]
fn work_that_was_stopped_anywhere_comes_to_the_same_bytes() {
    let place = Place::new();
    for ending in ["parquet", "safetensors"] {
        let name = format!("out.{ending}");
        let (out, expected) = (place.path(&name), place.undisturbed(ending, &settings()));
        assert_eq!(place.undisturbed(ending, &settings()), expected);
        for stop_after in 1..=4 {
            let stopped = run(&place.model, &out, &settings(), stop_after);
            assert!(matches!(stopped, Err(QuantError::Cancelled(_))));
            assert!(!out.exists());
            let done = place.parts(&name).len();
            assert_eq!(run(&place.model, &out, &settings(), 0).unwrap().resumed, done);
            assert!(fs::read(&out).unwrap() == expected, "{ending} after {stop_after}");
            fs::remove_file(&out).unwrap();
        }
        run(&place.model, &out, &settings(), 4).unwrap_err();
        assert_eq!(place.parts(&name).len(), PACKED);
        assert_eq!(run(&place.model, &out, &settings(), 0).unwrap().resumed, PACKED);
        fs::remove_file(&out).unwrap();
    }
    let left = ["model.safetensors", "undisturbed.parquet", "undisturbed.safetensors"];
    assert_eq!(listed(place.folder.path()), left, "no folder of parts is left");
}

#[test]
fn parts_are_the_same_for_both_formats_of_the_output() {
    let place = Place::new();
    let (first, second) = (place.path("x.parquet.parts"), place.path("x.safetensors.parts"));
    run(&place.model, &place.path("x.parquet"), &settings(), 4).unwrap_err();
    fs::rename(first, second).unwrap();
    let report = run(&place.model, &place.path("x.safetensors"), &settings(), 0).unwrap();
    assert_eq!(report.resumed, PACKED);
}

/// What else a part could have been made with: each of it, by its own, finds none.
#[test]
fn nothing_that_a_part_depends_on_is_left_out() {
    let place = Place::new();
    let out = place.path("out.safetensors");
    let check = |other: &Settings, resumed: usize, what: &str| {
        let expected = place.undisturbed("safetensors", other);
        run(&place.model, &out, &settings(), 4).unwrap_err();
        assert_eq!(place.parts("out.safetensors").len(), PACKED);
        assert_eq!(run(&place.model, &out, other, 0).unwrap().resumed, resumed, "{what}");
        assert!(fs::read(&out).unwrap() == expected, "{what}");
        fs::remove_file(&out).unwrap();
    };
    check(&settings(), PACKED, "the same");
    let scheme = |scheme| Settings { scheme, ..settings() };
    check(&scheme(Scheme { bits: Bits::Three, ..FOUR }), 0, "bits");
    check(&scheme(Scheme { group: Group::of(16).unwrap(), ..FOUR }), 0, "group");
    check(&scheme(Scheme { offset: Offset::Minimum, ..FOUR }), 0, "offset");
    check(&scheme(Scheme { scale_type: ScaleType::F32, ..FOUR }), 0, "scale type");
    check(&scheme(Scheme { code_type: CodeType::Quadratic, ..FOUR }), 0, "code type");
    check(&Settings { rounding: Rounding::Nearest, ..settings() }, 0, "method");
    let policy = Policy::default().with_rule("z", Treatment::Quantize(Scheme { bits: Bits::Eight, ..FOUR }));
    check(&Settings { policy: policy.unwrap(), ..settings() }, 2, "what the policy says of one");
    check(&Settings { threads: std::num::NonZero::new(1), ..settings() }, PACKED, "threads change nothing");
    check(&Settings { non_finite: NonFinite::Keep, ..settings() }, PACKED, "all of it is finite");
}

#[test]
fn a_key_is_of_all_that_a_tensor_is() {
    let bytes = [1, 2, 3, 4, 5, 6, 7, 8];
    let tensor = Tensor { name: "a", dtype: Dtype::F16, shape: &[2, 2], bytes: &bytes, file: Path::new("x") };
    let search =
        |importance: &[f32]| Method::Search { importance: Some(importance.iter().copied().collect()) };
    let nearest = Method::Nearest;
    let gptq = |sums: [f64; 4], weight, damping, order| {
        let hessian = Arc::new(Hessian::from_sums(2, weight, sums.to_vec()).unwrap());
        Method::Gptq(Gptq { hessian, damping, order })
    };
    let key = |tensor: Tensor<'_>, method: &Method| Key::of(&tensor, FOUR, method);
    let scheme = |scheme| Key::of(&tensor, scheme, &nearest);
    let keys = [
        key(tensor, &nearest),
        Key::by(["0.0.1", VERSION], &tensor, FOUR, &nearest),
        Key::by([env!("CARGO_PKG_VERSION"), "0"], &tensor, FOUR, &nearest),
        key(Tensor { name: "b", ..tensor }, &nearest),
        key(Tensor { dtype: Dtype::BF16, ..tensor }, &nearest),
        key(Tensor { shape: &[1, 4], ..tensor }, &nearest),
        key(Tensor { shape: &[2, 2, 1], ..tensor }, &nearest),
        key(Tensor { bytes: &[1, 2, 3, 4, 5, 6, 7, 9], ..tensor }, &nearest),
        scheme(Scheme { bits: Bits::Three, ..FOUR }),
        scheme(Scheme { group: Group::of(16).unwrap(), ..FOUR }),
        scheme(Scheme { offset: Offset::Minimum, ..FOUR }),
        scheme(Scheme { scale_type: ScaleType::Bf16, ..FOUR }),
        scheme(Scheme { code_type: CodeType::Quadratic, ..FOUR }),
        key(tensor, &Method::Search { importance: None }),
        key(tensor, &search(&[1.0, 1.0])),
        key(tensor, &search(&[1.0, 2.0])),
        key(tensor, &gptq([1.0, 0.0, 0.0, 1.0], 1.0, 0.01, Order::Largest)),
        key(tensor, &gptq([1.0, 0.5, 0.5, 1.0], 1.0, 0.01, Order::Largest)),
        key(tensor, &gptq([1.0, 0.0, 0.0, 1.0], 2.0, 0.01, Order::Largest)),
        key(tensor, &gptq([1.0, 0.0, 0.0, 1.0], 1.0, 0.02, Order::Largest)),
        key(tensor, &gptq([1.0, 0.0, 0.0, 1.0], 1.0, 0.01, Order::Natural)),
    ];
    for (index, key) in keys.iter().enumerate() {
        assert!(!keys[..index].contains(key), "key {index} is another's");
    }
    let elsewhere = Tensor { file: Path::new("y"), ..tensor };
    assert_eq!(key(elsewhere, &nearest), keys[0], "files may move");
}

#[test]
fn a_part_that_is_damaged_is_made_anew() {
    let place = Place::new();
    let out = place.path("out.parquet");
    let expected = place.undisturbed("parquet", &settings());
    let folder = place.path("out.parquet.parts");
    run(&place.model, &out, &Settings { rounding: Rounding::Nearest, ..settings() }, 1).unwrap_err();
    let nearest = place.parts("out.parquet").remove(0);
    let nearest = fs::read(folder.join(nearest)).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    run(&place.model, &out, &settings(), 1).unwrap_err();
    let first = place.parts("out.parquet").remove(0);
    run(&place.model, &out, &settings(), 4).unwrap_err();
    let mut kept: Vec<(PathBuf, Vec<u8>)> = place
        .parts("out.parquet")
        .into_iter()
        .map(|name| (folder.join(&name), fs::read(folder.join(name)).unwrap()))
        .collect();
    kept.sort_by_key(|(path, _)| !path.ends_with(&first));
    let check = |damaged: &[u8], what: &str| {
        fs::create_dir_all(&folder).unwrap();
        kept.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
        fs::write(&kept[0].0, damaged).unwrap();
        let report = run(&place.model, &out, &settings(), 0).unwrap();
        assert!(fs::read(&out).unwrap() == expected, "{what}");
        report.resumed
    };
    let whole = &kept[0].1;
    assert_eq!(check(whole, "nothing"), 3);
    assert_eq!(check(&kept[1].1, "another tensor's"), 2);
    assert_eq!(check(&nearest, "another method's"), 2);
    assert_eq!(check(&[], "empty"), 2);
    for length in [1, 8, 9, 200, whole.len() / 2, whole.len() - 1] {
        assert_eq!(check(&whole[..length], &format!("cut at {length}")), 2);
    }
}

#[test]
fn no_byte_of_a_part_can_be_another_and_change_what_is_read() {
    let place = Place::new();
    let out = place.path("out.parquet");
    run(&place.model, &out, &settings(), 1).unwrap_err();
    let path = place.path("out.parquet.parts").join(place.parts("out.parquet").remove(0));
    let (whole, parts, cancel) = (fs::read(&path).unwrap(), Parts::open(&out).unwrap(), Cancel::default());
    let tensor = place.model.tensors().next().unwrap();
    let key = Key::of(&tensor, FOUR, &Method::Search { importance: None });
    let load = || parts.load(key, &tensor, FOUR, &cancel).unwrap();
    let expected = load().unwrap();
    for place in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        fs::write(&path, damaged).unwrap();
        assert!(load().is_none_or(|part| part == expected), "byte {place}");
    }
}

/// Each number of a part's description is changed to one that fits its bytes as well.
#[test]
fn a_part_that_says_something_else_is_made_anew() {
    let place = Place::new();
    let out = place.path("out.parquet");
    let folder = place.path("out.parquet.parts");
    let scheme = Scheme { scale_type: ScaleType::F8, code_type: CodeType::Quadratic, ..FOUR };
    let settings = || Settings { scheme, ..settings() };
    let expected = place.undisturbed("parquet", &settings());
    for (said, other) in [
        (r#"\"scale_unit\":\""#, r#"\"scale_unit\":\"0.5\",\"before\":\""#),
        (r#"\"code_type\":\"quadratic"#, r#"\"code_type\":\"linear"#),
        (r#"\"group_size\":0"#, r#"\"group_size\":200"#),
        (r#"\"shape\":[30,40]"#, r#"\"shape\":[40,30]"#),
        (r#"\"columns\":40"#, r#"\"columns\":39"#),
        (r#"\"cosine\":\"0.99"#, r#"\"cosine\":\"0.98"#),
        (r#"\"sqnr\":\"2"#, r#"\"sqnr\":\"3"#),
    ] {
        run(&place.model, &out, &settings(), 4).unwrap_err();
        let mut changed = 0;
        for name in place.parts("out.parquet") {
            let path = folder.join(name);
            let bytes = fs::read(&path).unwrap();
            let length = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
            let header = std::str::from_utf8(&bytes[8..length]).unwrap();
            let replaced = header.replace(said, other);
            changed += usize::from(replaced != header);
            let bytes = [&(replaced.len() as u64).to_le_bytes(), replaced.as_bytes(), &bytes[length..]];
            fs::write(path, bytes.concat()).unwrap();
        }
        assert!(changed > 0, "no part says {said}");
        run(&place.model, &out, &settings(), 0).unwrap();
        assert!(fs::read(&out).unwrap() == expected, "{other}");
    }
}

#[test]
fn parts_that_are_not_needed_go_too() {
    let place = Place::new();
    let out = place.path("out.parquet");
    let eight = Settings { scheme: Scheme { bits: Bits::Eight, ..FOUR }, ..settings() };
    run(&place.model, &out, &eight, 4).unwrap_err();
    run(&place.model, &out, &settings(), 2).unwrap_err();
    assert_eq!(place.parts("out.parquet").len(), PACKED + 2, "those of both settings");
    let unfinished = format!("out.parquet.parts/.{:032x}.safetensors.a1B2c3.tmp", 7);
    fs::write(place.path(&unfinished), "killed").unwrap();
    assert_eq!(run(&place.model, &out, &settings(), 0).unwrap().resumed, 2);
    assert_eq!(listed(place.folder.path()), ["model.safetensors", "out.parquet"]);
}

#[test]
fn work_that_knows_of_no_parts_touches_none() {
    let place = Place::new();
    let out = place.path("out.parquet");
    run(&place.model, &out, &settings(), 4).unwrap_err();
    run(&place.model, &out, &Settings { resume: false, ..settings() }, 0).unwrap();
    assert_eq!(place.parts("out.parquet").len(), PACKED);
}

#[test]
fn a_tensor_that_cannot_be_packed_leaves_the_others() {
    let place = Place::new();
    let (out, odd) = (place.path("out.parquet"), model(place.folder.path(), f32::NAN));
    for _ in 0..2 {
        let refused = run(&odd, &out, &settings(), 0).unwrap_err();
        assert!(matches!(refused, QuantError::Tensor { .. }), "{refused}");
        assert_eq!(place.parts("out.parquet").len(), PACKED - 1);
    }
    let keeping = Settings { non_finite: NonFinite::Keep, ..settings() };
    run(&odd, &out, &keeping, 4).unwrap_err();
    assert!(run(&odd, &out, &settings(), 0).is_err(), "what was kept is refused where it must be finite");
    let report = run(&odd, &out, &keeping, 0).unwrap();
    assert_eq!((report.resumed, report.tensors[3].not_finite), (PACKED - 1, Some(1)));
}

#[test]
fn a_folder_of_somebody_else_is_refused() {
    let place = Place::new();
    let out = place.path("out.parquet");
    let check = |expected: Expect| {
        let error = run(&place.model, &out, &settings(), 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        expected.assert_eq(&render(&error).replace(&place.folder.path().display().to_string(), "FOLDER"));
        assert!(!out.exists());
    };
    let folder = place.path("out.parquet.parts");
    fs::write(&folder, "text").unwrap();
    check(expect![[r#"
        `FOLDER/out.parquet.parts` cannot hold the finished parts: it is no folder

        hint: wait for the other run, name another output, or move what is in the folder away"#]]);
    fs::remove_file(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("notes.txt"), "text").unwrap();
    check(expect![[r#"
        `FOLDER/out.parquet.parts` cannot hold the finished parts: it has `notes.txt`, which no run has put there

        hint: wait for the other run, name another output, or move what is in the folder away"#]]);
    fs::remove_file(folder.join("notes.txt")).unwrap();
    let other = Parts::open(&out).unwrap();
    check(expect![[r#"
        `FOLDER/out.parquet.parts` cannot hold the finished parts: another run works there

        hint: wait for the other run, name another output, or move what is in the folder away"#]]);
    drop(other);
    run(&place.model, &out, &settings(), 0).unwrap();
    assert!(!folder.exists());
}

/// Widths that were not enough are parts too, so that a run that goes on does not try them again.
#[test]
fn what_got_more_bits_is_used_again() {
    let place = Place::new();
    let promote = Some(Gates { min_sqnr: Some(30.0), max_rel_error: None });
    let settings = Settings { promote, ..settings() };
    let expected = place.undisturbed("parquet", &settings);
    let out = place.path("packed.parquet");
    run(&place.model, &out, &settings, 2).unwrap_err();
    assert_eq!(place.parts("packed.parquet").len(), 4, "of 4 and 8 bits");
    let report = run(&place.model, &out, &settings, 0).unwrap();
    assert_eq!((report.resumed, report.promoted.len()), (2, PACKED));
    assert_eq!(fs::read(&out).unwrap(), expected);
    assert!(!place.path("packed.parquet.parts").exists());
}
