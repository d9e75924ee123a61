use std::num::NonZero;

use bowstring_core::{Cancel, Diagnostic, ErrorKind};
use safetensors::{Dtype, tensor::TensorView};
use tempfile::TempDir;

use super::*;
use crate::{
    Bits, CodeType, Group, Model, NonFinite, Offset, Policy, QuantizedModel, Report, Rounding, ScaleType,
    Scheme, Settings, quantize,
};

/// Five layers of as many weights, with a norm and a tensor without numbers between them.
struct Place {
    folder: TempDir,
    model: Model,
}

const LAYERS: usize = 5;

impl Place {
    fn new(odd: f32) -> Self {
        let folder = TempDir::new().unwrap();
        let layers: Vec<Vec<u8>> = (0..LAYERS)
            .map(|layer| {
                let number =
                    |i: usize| if (layer, i) == (3, 9) { odd } else { (i as f32 * 0.3 + layer as f32).sin() };
                (0..64 * 48).flat_map(|i| number(i).to_le_bytes()).collect()
            })
            .collect();
        let names: Vec<String> = (0..LAYERS).map(|layer| format!("layers.{layer}.weight")).collect();
        let view = |shape: &[usize], bytes| TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap();
        let mut tensors: Vec<_> =
            names.iter().zip(&layers).map(|(name, bytes)| (name.as_str(), view(&[64, 48], bytes))).collect();
        tensors.push(("layers.2.norm", view(&[48], &layers[0][..192])));
        tensors.push(("layers.2.none", view(&[0, 3], &[])));
        let path = folder.path().join("model.safetensors");
        fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
        Self { model: Model::open(path).unwrap(), folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn quantize(&self, out: &str, bits: Bits, shard_size: Option<u64>, resume: bool) -> Result<Report> {
        let settings = Settings {
            scheme: Scheme {
                bits,
                group: Group::of(16)?,
                offset: Offset::ZeroPoint,
                scale_type: ScaleType::F16,
                code_type: CodeType::Linear,
            },
            rounding: Rounding::Nearest,
            policy: Policy::default(),
            non_finite: NonFinite::Refuse,
            promote: None,
            threads: None,
            resume,
            shard_size: shard_size.and_then(NonZero::new),
        };
        let metadata = BTreeMap::from([("source".to_owned(), "here".to_owned())]);
        quantize(&self.model, &self.path(out), &settings, metadata, &Cancel::default(), |_| ())
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn refused(&self, path: &str) -> String {
        let error = QuantizedModel::open(self.path(path)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(error.hint().unwrap().starts_with("open a folder that has all files of one run"));
        error.to_string().replace(&self.folder.path().display().to_string(), "DIR")
    }
}

#[test]
fn a_folder_has_the_weights_of_one_file() {
    let place = Place::new(0.0);
    let one = place.quantize("one.parquet", Bits::Three, None, false).unwrap();
    let whole = QuantizedModel::open(place.path("one.parquet")).unwrap();
    // A layer takes 1,152 bytes of codes, 384 of scales and 128 of zero points.
    for (size, count) in [(1, 6), (1664, 6), (1800, 5), (2 * 1664 + 96, 3), (1 << 40, 1)] {
        let out = format!("shards-{size}");
        let report = place.quantize(&out, Bits::Three, Some(size), false).unwrap();
        let names = place.names(&out);
        assert_eq!(names, (0..count).map(|place| name(place, count)).collect::<Vec<_>>(), "{size}");
        let bytes = |name: &String| fs::metadata(place.path(&out).join(name)).unwrap().len();
        assert_eq!(report.file_bytes, names.iter().map(bytes).sum::<u64>());
        assert_eq!(format!("{:?}", report.tensors), format!("{:?}", one.tensors));
        let parts = QuantizedModel::open(place.path(&out)).unwrap();
        assert_eq!(format!("{:?}", parts.reports()), format!("{:?}", whole.reports()));
        assert!(parts.metadata().eq(whole.metadata()));
        let cancel = Cancel::default();
        for (tensor, _) in whole.tensors() {
            let [mut expected, mut found] = [Vec::new(), Vec::new()];
            whole.read(tensor, &mut expected, &cancel).unwrap();
            parts.read(tensor, &mut found, &cancel).unwrap();
            assert_eq!(found, expected, "{tensor} in files of {size}");
            assert_eq!(parts.matrix(tensor, &cancel).unwrap(), whole.matrix(tensor, &cancel).unwrap());
        }
    }
    assert!(QuantizedModel::is_folder(&place.path("shards-1")));
    assert!(!QuantizedModel::is_folder(place.folder.path()));
}

#[test]
fn the_same_model_has_the_same_files() {
    let place = Place::new(0.0);
    for (out, resume) in [("a", false), ("b", true)] {
        place.quantize(out, Bits::Two, Some(2000), resume).unwrap();
    }
    assert!(!place.path("b.parts").exists());
    for name in place.names("a") {
        let [left, right] = ["a", "b"].map(|out| fs::read(place.path(out).join(&name)).unwrap());
        assert!(left == right, "{name}");
    }
}

#[test]
fn what_is_not_all_of_a_model_is_refused() {
    let place = Place::new(0.0);
    place.quantize("a", Bits::Three, Some(2000), false).unwrap();
    place.quantize("b", Bits::Two, Some(1500), false).unwrap();
    let names = place.names("a");
    assert_eq!(place.names("b"), names);
    let (second, whole) = (place.path("a").join(&names[1]), place.path("aside"));
    assert_eq!(
        place.refused(&format!("a/{}", names[0])),
        "`DIR/a/model-00001-of-00005.parquet` is no whole model: it is one of several files"
    );
    fs::rename(&second, &whole).unwrap();
    assert_eq!(
        place.refused("a"),
        "`DIR/a` is no whole model: file `model-00002-of-00005.parquet` is missing"
    );
    // Another model's in its place is found by the next one, or by itself where it is the last.
    fs::copy(place.path("b").join(&names[1]), &second).unwrap();
    assert_eq!(
        place.refused("a"),
        "`DIR/a/model-00002-of-00005.parquet` is no whole model: the files before it are of other weights"
    );
    fs::rename(&whole, &second).unwrap();
    fs::copy(place.path("b").join(&names[0]), place.path("a").join(&names[0])).unwrap();
    assert!(
        place
            .refused("a")
            .starts_with("`DIR/a/model-00002-of-00005.parquet` is no whole model: the files before it")
    );
    fs::remove_file(place.path("a").join(&names[0])).unwrap();
    assert_eq!(
        place.refused("a"),
        "`DIR/a` is no whole model: file `model-00001-of-00005.parquet` is missing"
    );
    fs::write(place.path("b").join("other.parquet"), "").unwrap();
    assert_eq!(place.refused("b"), "`DIR/b` is no whole model: file `other.parquet` is none of its 5");
    fs::create_dir(place.path("c")).unwrap();
    assert_eq!(
        place.refused("c"),
        "`DIR/c` is no whole model: the folder has no file `model-00001-of-00001.parquet`"
    );
    place.quantize("one.parquet", Bits::Two, None, false).unwrap();
    fs::copy(place.path("one.parquet"), place.path("c").join(name(0, 1))).unwrap();
    assert_eq!(
        place.refused("c"),
        "`DIR/c/model-00001-of-00001.parquet` is no whole model: it is no file of several"
    );
}

#[test]
fn it_appears_as_a_whole_or_not_at_all() {
    let place = Place::new(f32::NAN);
    let refused = place.quantize("above/out", Bits::Four, Some(1000), false).unwrap_err();
    assert!(matches!(refused, QuantError::Tensor { .. }), "{refused}");
    assert_eq!(place.names(""), ["model.safetensors"], "four files were written already");
    let place = Place::new(0.0);
    fs::create_dir(place.path("out")).unwrap();
    fs::write(place.path("out").join("kept"), "old").unwrap();
    let refused = place.quantize("out", Bits::Four, Some(1000), false).unwrap_err();
    assert!(matches!(refused, QuantError::Io(IoError::Exists { .. })), "{refused}");
    assert_eq!(place.names(""), ["model.safetensors", "out"]);
    assert_eq!(place.names("out"), ["kept"]);
    let refused = place.quantize("out.safetensors", Bits::Four, Some(1000), false).unwrap_err();
    assert!(matches!(refused, QuantError::Option { option: "shard_size", .. }), "{refused}");
}

#[test]
fn once_a_file_has_failed_nothing_is_written_any_more() {
    let place = Place::new(0.0);
    let most = NonZero::new(1).unwrap();
    let mut writer = ModelWriter::create_shards(&place.path("out"), BTreeMap::new(), most).unwrap();
    let tensor = |name| place.model.tensor(name).unwrap();
    writer.keep(&tensor("layers.0.weight")).unwrap();
    let hidden = place.names("").into_iter().find(|name| name.starts_with(".out.")).unwrap();
    fs::remove_dir_all(place.path(&hidden)).unwrap();
    assert!(writer.keep(&tensor("layers.1.weight")).is_err());
    fs::create_dir(place.path(&hidden)).unwrap();
    assert!(matches!(
        writer.keep(&tensor("layers.2.weight")),
        Err(QuantError::Io(IoError::WriterFailed { .. }))
    ));
    assert!(matches!(writer.finish(), Err(QuantError::Io(IoError::WriterFailed { .. }))));
    assert_eq!(place.names(""), ["model.safetensors"]);
}
