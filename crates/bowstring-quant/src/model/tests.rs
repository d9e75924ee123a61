use bowstring_core::{Diagnostic, render};
use expect_test::{Expect, expect};
use safetensors::tensor::TensorView;
use tempfile::TempDir;

use super::*;

/// A folder with files of the given contents.
fn folder(files: &[(&str, Vec<u8>)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

/// A file with tensors of two floats, by the reference library.
fn weights(names: &[&str]) -> Vec<u8> {
    let bytes = [1.5_f32.to_le_bytes(), (-2_f32).to_le_bytes()].concat();
    let view = |name| (name, TensorView::new(Dtype::F32, vec![1, 2], &bytes).unwrap());
    safetensors::serialize(names.iter().map(view), None).unwrap()
}

fn text(json: &str) -> Vec<u8> {
    json.as_bytes().to_vec()
}

fn check(files: &[(&str, Vec<u8>)], open: &str, expected: Expect) {
    let folder = folder(files);
    let shown = match Model::open(folder.path().join(open)) {
        Ok(model) => model.tensors().map(|tensor| format!("{} {:?}\n", tensor.name, tensor.shape)).collect(),
        Err(error) => render(&error) + "\n",
    };
    expected.assert_eq(&shown.replace(&folder.path().display().to_string(), "FOLDER"));
}

const SHARDS: &str =
    r#"{"metadata": {"total_size": 16}, "weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}"#;

#[test]
fn one_file_or_the_folder_that_has_it() {
    let files = [("model.safetensors", weights(&["b", "a"])), ("config.json", text("{}"))];
    check(
        &files,
        "model.safetensors",
        expect![[r#"
        a [1, 2]
        b [1, 2]
    "#]],
    );
    check(
        &files,
        "",
        expect![[r#"
        a [1, 2]
        b [1, 2]
    "#]],
    );
    let folder = folder(&files);
    let model = Model::open(folder.path()).unwrap();
    let tensor = model.tensor("a").unwrap();
    assert_eq!((tensor.dtype, tensor.bytes.len()), (Dtype::F32, 8));
    assert_eq!(tensor.bytes[..4], 1.5_f32.to_le_bytes());
    let mut numbers = vec![7.0];
    tensor.read(&mut numbers).unwrap();
    assert_eq!(numbers, [1.5, -2.0]);
    assert_eq!(tensor.file, folder.path().join("model.safetensors"));
    model.release("a").unwrap();
    assert_eq!(tensor.bytes[4..], (-2_f32).to_le_bytes());
    assert_eq!(model.tensor("aa").unwrap_err().hint().unwrap(), "did you mean `a`?");
}

#[test]
fn shards_are_those_of_the_index() {
    let index = ("model.safetensors.index.json", text(SHARDS));
    let shards = [index.clone(), ("1.safetensors", weights(&["a"])), ("2.safetensors", weights(&["b"]))];
    check(
        &shards,
        "",
        expect![[r#"
        a [1, 2]
        b [1, 2]
    "#]],
    );
    check(
        &shards[..2],
        "",
        expect![[r#"
        cannot open `FOLDER/2.safetensors`: No such file or directory (os error 2)
    "#]],
    );
    let swapped = [index.clone(), ("1.safetensors", weights(&["b"])), ("2.safetensors", weights(&["a"]))];
    check(
        &swapped,
        "",
        expect![[r#"
            `FOLDER/model.safetensors.index.json` does not describe a model: `1.safetensors` has no tensor `a`

            hint: write it again, or name one `.safetensors` file
        "#]],
    );
    let twice = [index.clone(), ("1.safetensors", weights(&["a"])), ("2.safetensors", weights(&["a", "b"]))];
    check(
        &twice,
        "",
        expect![[r#"
            `FOLDER/2.safetensors` does not describe a model: tensor `a` stands in two files

            hint: write it again, or name one `.safetensors` file
        "#]],
    );
    let more = [index, ("1.safetensors", weights(&["a"])), ("2.safetensors", weights(&["b", "c"]))];
    check(
        &more,
        "",
        expect![[r#"
            `FOLDER/model.safetensors.index.json` does not describe a model: it does not name tensor `c` of `FOLDER/2.safetensors`

            hint: write it again, or name one `.safetensors` file
        "#]],
    );
    let index = |json| [("model.safetensors.index.json", text(json))];
    check(
        &index(r#"{"weight_map": {"a": "../x.safetensors"}}"#),
        "",
        expect![[r#"
            `FOLDER/model.safetensors.index.json` does not describe a model: `../x.safetensors` is not a name in the same folder

            hint: write it again, or name one `.safetensors` file
        "#]],
    );
    check(
        &index(r#"{"weights": {}}"#),
        "",
        expect![[r#"
            `FOLDER/model.safetensors.index.json` does not describe a model: missing field `weight_map` at line 1 column 15

            hint: write it again, or name one `.safetensors` file
        "#]],
    );
}

#[test]
fn a_pipeline_has_components() {
    let description = r#"{"_class_name": "DDPMPipeline", "unet": ["diffusers", "UNet2DModel"],
        "scheduler": ["diffusers", "DDPMScheduler"], "safety_checker": [null, null]}"#;
    let files = [
        ("model_index.json", text(description)),
        ("unet/diffusion_pytorch_model.safetensors", weights(&["conv_in.weight"])),
        ("unet/config.json", text("{}")),
        ("scheduler/scheduler_config.json", text("{}")),
    ];
    check(
        &files,
        "",
        expect![[r#"
        unet/conv_in.weight [1, 2]
    "#]],
    );
    check(
        &files,
        "unet",
        expect![[r#"
        conv_in.weight [1, 2]
    "#]],
    );
    check(
        &files[..1],
        "",
        expect![[r#"
        `FOLDER/` has 0 files of weights where one is expected

        hint: name a `.safetensors` file, its index, or the folder that has them
    "#]],
    );
}

#[test]
fn a_config_of_another_model_is_refused() {
    let config = r#"{"_class_name": "UNet2DModel", "in_channels": 4}"#;
    let pipeline = |config: &str| {
        [
            ("model_index.json", text(r#"{"unet": ["diffusers", "UNet2DModel"]}"#)),
            ("unet/diffusion_pytorch_model.safetensors", weights(&["conv_in.weight"])),
            ("unet/config.json", text(config)),
        ]
    };
    let expected = expect![[r#"
        `FOLDER/unet/config.json` does not fit the tensors beside it: its `in_channels` of 4 is 2 in `conv_in.weight` (axis 1)

        hint: bring both from the same model, or name its `.safetensors` file alone
    "#]];
    check(&pipeline(config), "", expected);
    let fits = expect![[r#"
        unet/conv_in.weight [1, 2]
    "#]];
    check(&pipeline(&config.replace('4', "2")), "", fits);
    let alone = expect![[r#"
        conv_in.weight [1, 2]
    "#]];
    check(&pipeline(config), "unet/diffusion_pytorch_model.safetensors", alone);
}

#[test]
fn what_is_no_model_is_refused() {
    check(
        &[],
        "absent.safetensors",
        expect![[r#"
        cannot open `FOLDER/absent.safetensors`: No such file or directory (os error 2)
    "#]],
    );
    check(
        &[("notes.txt", text("no weights"))],
        "",
        expect![[r#"
        `FOLDER/` has 0 files of weights where one is expected

        hint: name a `.safetensors` file, its index, or the folder that has them
    "#]],
    );
    check(
        &[("model.safetensors", Vec::new())],
        "",
        expect![[r#"
        `FOLDER/model.safetensors` is not a valid safetensors file: it has 0 bytes, too few for the length of a header

        hint: fetch or write the file again
    "#]],
    );
    check(
        &[("pytorch_model.bin", text("PK"))],
        "",
        expect![[r#"
        `FOLDER/pytorch_model.bin` is a pickle, which runs whatever code it brings when it is read

        hint: where you trust it, write it anew with `safetensors.torch.save_file`
    "#]],
    );
    check(
        &[("model.pt", text("PK"))],
        "model.pt",
        expect![[r#"
        `FOLDER/model.pt` is a pickle, which runs whatever code it brings when it is read

        hint: where you trust it, write it anew with `safetensors.torch.save_file`
    "#]],
    );
    let both = [("model.safetensors", weights(&["a"])), ("model.fp16.safetensors", weights(&["a"]))];
    check(
        &both,
        "",
        expect![[r#"
        `FOLDER/` has 2 files of weights where one is expected

        hint: name one of them: `model.fp16.safetensors` and `model.safetensors`
    "#]],
    );
    let complex = TensorView::new(Dtype::C64, vec![1], &[0; 8]).unwrap();
    check(
        &[("c.safetensors", safetensors::serialize([("z", complex)], None).unwrap())],
        "",
        expect![[r#"
        tensor `z` is of type C64, which is not supported
    "#]],
    );
}
