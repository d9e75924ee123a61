//! The commands `quantize` and `inspect`.

use bowstring::quant::{Calibration, Moments};
use bowstring_testing::safetensors;
use expect_test::{Expect, expect};

use crate::support::Folder;

/// A model of a few layers; the first weight of its norm is `odd`.
fn folder(odd: f32) -> Folder {
    let folder = Folder::new();
    let waves = |count: usize| -> Vec<f32> { (0..count).map(|i| (i as f32 * 0.7).sin()).collect() };
    let mut norm = vec![1.0; 48];
    norm[0] = odd;
    folder.file(
        "model.safetensors",
        safetensors(&[
            ("block.attn.weight", &[32, 48], &waves(32 * 48)),
            ("block.norm.weight", &[48], &norm),
            ("block.up.weight", &[20, 72], &waves(20 * 72)),
            ("conv_in.weight", &[8, 4], &waves(32)),
        ]),
    );
    folder
}

fn check(args: &[&str], expected: &Expect) {
    expected.assert_eq(&folder(1.0).run(args));
}

#[test]
fn a_model_becomes_a_file_and_a_summary() {
    let folder = folder(1.0);
    let run = |args: &[&str]| folder.run(args);
    expect![[r#"
        exit 0
        tensors  4: 2 packed, 2 of 16 bits, 0 as they were
        weights  11.9 KiB before, 1.8 KiB now, a file of 8.9 KiB
        worst    block.up.weight: 26.1 dB
    "#]]
    .assert_eq(&run(&["quantize", "model.safetensors", "packed/model.parquet"]));
    expect![[r#"
        exit 0
        tensor             kind    type  shape  stored      bits  group  bytes    dB  relative error
        ─────────────────  ──────  ────  ─────  ──────────  ────  ─────  ─────  ────  ──────────────
        block.attn.weight  inner   F32   32×48  zero_point     4     64    864  26.1         4.93e-2
        block.norm.weight  vector  F32   48     f16                         96   inf          0.00e0
        block.up.weight    inner   F32   20×72  zero_point     4     64    820  26.1         4.94e-2
        conv_in.weight     first   F32   8×4    f16                         64  76.2         1.56e-4
    "#]]
    .assert_eq(&run(&["inspect", "packed/model.parquet"]));
    expect![[r#"
        exit 0
        {"name":"block.attn.weight","kind":"inner","dtype":"F32","shape":[32,48],"stored":"zero_point","bits":4,"group_size":64,"scale_type":"f16","code_type":"linear","bytes_before":6144,"bytes":864,"sqnr":26.14973209577532,"relative_error":0.049262153734365766,"cosine":0.9987858832274431,"largest_error":0.10179257392883301,"output_error":null,"not_finite":null}
        {"name":"block.norm.weight","kind":"vector","dtype":"F32","shape":[48],"stored":"f16","bits":null,"group_size":null,"scale_type":null,"code_type":null,"bytes_before":192,"bytes":96,"sqnr":null,"relative_error":0.0,"cosine":1.0,"largest_error":0.0,"output_error":null,"not_finite":null}
        {"name":"block.up.weight","kind":"inner","dtype":"F32","shape":[20,72],"stored":"zero_point","bits":4,"group_size":64,"scale_type":"f16","code_type":"linear","bytes_before":5760,"bytes":820,"sqnr":26.12061857203369,"relative_error":0.04942754855403263,"cosine":0.9987777117667955,"largest_error":0.08723366260528564,"output_error":null,"not_finite":null}
        {"name":"conv_in.weight","kind":"first","dtype":"F32","shape":[8,4],"stored":"f16","bits":null,"group_size":null,"scale_type":null,"code_type":null,"bytes_before":128,"bytes":64,"sqnr":76.16293576893271,"relative_error":0.00015554398151521083,"cosine":0.9999999879213798,"largest_error":0.00023996829986572266,"output_error":null,"not_finite":null}
    "#]].assert_eq(&run(&["inspect", "packed/model.parquet", "--format", "json"]));
    expect![[r#"
        exit 0
        tensor             kind    type  shape  stored  bits  group  bytes  dB  relative error
        ─────────────────  ──────  ────  ─────  ──────  ────  ─────  ─────  ──  ──────────────
        block.attn.weight  inner   F32   32×48  kept                  6144
        block.norm.weight  vector  F32   48     kept                   192
        block.up.weight    inner   F32   20×72  kept                  5760
        conv_in.weight     first   F32   8×4    kept                   128
    "#]]
    .assert_eq(&run(&["inspect", "model.safetensors"]));
}

#[test]
fn options_say_how() {
    check(
        &[
            "quantize",
            "model.safetensors",
            "x.parquet",
            "--profile",
            "edge",
            "--float-minimum",
            "--scale-type",
            "f32",
            "--method",
            "nearest",
            "--rule",
            "*.up.*=8",
            "--rule",
            "conv_in.*=keep",
            "--format",
            "csv",
        ],
        &expect![[r#"
            exit 0
            name,kind,dtype,shape,stored,bits,group_size,scale_type,code_type,bytes_before,bytes,sqnr,relative_error,cosine,largest_error,output_error,not_finite
            block.attn.weight,inner,F32,32×48,minimum,2,256,f32,linear,6144,640,12.053517075015442,0.24964573234001156,0.9732984325610203,0.3299259813502431,,0
            block.norm.weight,vector,F32,48,f16,,,,,192,96,inf,0.0,1.0,0.0,,0
            block.up.weight,inner,F32,20×72,minimum,8,256,f32,linear,5760,1600,50.12019909026652,0.0031188180964895414,0.9999951384372509,0.0038748979568481445,,0
            conv_in.weight,first,F32,8×4,kept,,,,,128,128,,,,,,
        "#]],
    );
    check(
        &[
            "quantize",
            "model.safetensors",
            "x.parquet",
            "-b3",
            "-g",
            "channel",
            "--symmetric",
            "--format",
            "table",
        ],
        &expect![[r#"
            exit 0
            tensor             kind    type  shape  stored     bits    group  bytes    dB  relative error
            ─────────────────  ──────  ────  ─────  ─────────  ────  ───────  ─────  ────  ──────────────
            block.attn.weight  inner   F32   32×48  symmetric     3  channel    640  19.6         1.04e-1
            block.norm.weight  vector  F32   48     f16                          96   inf          0.00e0
            block.up.weight    inner   F32   20×72  symmetric     3  channel    580  19.4         1.08e-1
            conv_in.weight     first   F32   8×4    f16                          64  76.2         1.56e-4
        "#]],
    );
}

#[test]
fn each_width_has_bytes_and_errors_of_its_own() {
    let folder = folder(1.0);
    let mut files = Vec::new();
    for bits in ["2", "3", "4", "8"] {
        let out = format!("{bits}.parquet");
        assert!(folder.run(&["quantize", "model.safetensors", &out, "--bits", bits]).starts_with("exit 0"));
        files.push(std::fs::read(folder.path(&out)).unwrap());
    }
    assert!(files.windows(2).all(|pair| pair[0].len() < pair[1].len()));
}

#[test]
fn numbers_that_are_none_are_refused_or_kept_and_told() {
    let folder = folder(f32::NAN);
    let run = |args: &[&str]| folder.run(args);
    expect![[r#"
        exit 3
        error: 1 of the weights are NaN and 0 are infinite, the first of them weight 0
          at model.safetensors, tensor `block.norm.weight`

        hint: keep such tensors as they are, or mend the model: no grid has these values
    "#]]
    .assert_eq(&run(&["quantize", "model.safetensors", "x.parquet"]));
    assert!(!folder.path("x.parquet").exists());
    expect![[r#"
        exit 0
        tensors  4: 2 packed, 1 of 16 bits, 1 as they were
        weights  11.9 KiB before, 1.9 KiB now, a file of 8.9 KiB
        worst    block.up.weight: 26.1 dB
        kept     block.norm.weight, for numbers that are NaN or infinite: 1
    "#]]
    .assert_eq(&run(&["quantize", "model.safetensors", "x.parquet", "--keep-non-finite"]));
}

/// Rows come first; then the work fails.
#[test]
fn a_file_is_measured_against_its_model() {
    let folder = folder(1.0);
    let run = |args: &[&str]| folder.run(&[&["inspect", "packed.parquet"], args].concat());
    folder.run(&["quantize", "model.safetensors", "packed.parquet"]);
    let mut seen = Calibration::new(Moments::Diagonal);
    let inputs: Vec<f32> = (0..48 * 20).map(|i| (i as f32 * 0.3).cos()).collect();
    seen.observe("block.attn.weight", None, &inputs, 48, 1.0).unwrap();
    seen.save(&folder.path("seen.parquet")).unwrap();
    expect![[r#"
        exit 0
        tensors  4: 2 packed, 2 of 16 bits, 0 as they were
        weights  11.9 KiB before, 1.8 KiB now, a file of 8.9 KiB
        unseen   1, done as by mse: `block.up.weight`
        worst    block.up.weight: 26.1 dB
    "#]]
    .assert_eq(&folder.run(&[
        "quantize",
        "model.safetensors",
        "weighted.parquet",
        "--method",
        "weighted",
        "--calibration",
        "seen.parquet",
    ]));
    let plain = run(&[]);
    assert_eq!(run(&["--against", "model.safetensors"]), plain);
    assert_eq!(run(&["--min-sqnr", "20", "--max-rel-error", "0.05"]), plain);
    expect![[r#"
        exit 1
        tensor             kind    type  shape  stored      bits  group  bytes    dB  relative error  output error
        ─────────────────  ──────  ────  ─────  ──────────  ────  ─────  ─────  ────  ──────────────  ────────────
        block.attn.weight  inner   F32   32×48  zero_point     4     64    864  26.1         4.93e-2       2.42e-3
        block.norm.weight  vector  F32   48     f16                         96   inf          0.00e0
        block.up.weight    inner   F32   20×72  zero_point     4     64    820  26.1         4.94e-2
        conv_in.weight     first   F32   8×4    f16                         64  76.2         1.56e-4
        error: 1 tensor is further off than allowed: `block.up.weight` (26.1 dB, relative error 4.94e-2)

        hint: give them more bits, or keep them, by rules for their names
    "#]].assert_eq(&run(&[
        "--against",
        "model.safetensors",
        "--calibration",
        "seen.parquet",
        "--min-sqnr",
        "26.13",
    ]));
    expect![[r#"
        exit 2
        error: the following required arguments were not provided:
          --against <MODEL>

        Usage: bowstring inspect --against <MODEL> --calibration <FILE> <MODEL>

        For more information, try '--help'.
    "#]]
    .assert_eq(&run(&["--calibration", "seen.parquet"]));
    expect![[r#"
        exit 2
        error: `max_rel_error` cannot be NaN

        hint: it is a number of at least 0
    "#]]
    .assert_eq(&run(&["--max-rel-error", "nan"]));
    let other = folder.run(&["inspect", "model.safetensors", "--min-sqnr", "20"]);
    expect![[r#"
        exit 3
        error: `model.safetensors` is no file of packed weights

        hint: name a file that `quantize` has written, or the `.safetensors` of a model
    "#]]
    .assert_eq(&other);
    folder.file("model.safetensors", safetensors(&[("block.attn.weight", &[1], &[1.0])]));
    expect![[r#"
        exit 3
        error: `packed.parquet` was not made of this model: tensor `block.attn.weight` has another type or shape

        hint: name the model that was quantised
    "#]].assert_eq(&run(&["--against", "model.safetensors"]));
}

#[test]
fn a_gate_names_the_worst_and_writes_nothing() {
    let folder = folder(1.0);
    let run =
        |args: &[&str]| folder.run(&[&["quantize", "model.safetensors", "new/x.parquet"], args].concat());
    expect![[r#"
        exit 1
        error: 2 tensors are further off than allowed: `block.up.weight` (26.1 dB, relative error 4.94e-2), `block.attn.weight` (26.1 dB, relative error 4.93e-2)

        hint: give them more bits, or keep them, by rules for their names
    "#]].assert_eq(&run(&["--min-sqnr", "60", "--max-rel-error", "1"]));
    expect![[r#"
        exit 1
        error: 1 tensor is further off than allowed: `block.up.weight` (26.1 dB, relative error 4.94e-2)

        hint: give them more bits, or keep them, by rules for their names
    "#]]
    .assert_eq(&run(&["--max-rel-error", "0.0493"]));
    assert!(!folder.path("new").exists());
    expect![[r#"
        exit 0
        tensors  4: 1 packed, 2 of 16 bits, 1 as they were
        weights  11.9 KiB before, 6.6 KiB now, a file of 13.7 KiB
        worst    block.attn.weight: 26.1 dB
    "#]]
    .assert_eq(&run(&["--min-sqnr", "26.13", "--rule", "*.up.*=keep"]));
    expect![[r#"
        exit 2
        error: `min_sqnr` cannot be NaN

        hint: it is a number of decibels
    "#]]
    .assert_eq(&run(&["--min-sqnr", "nan"]));
    expect![[r#"
        exit 2
        error: `max_rel_error` cannot be -1

        hint: it is a number of at least 0
    "#]]
    .assert_eq(&run(&["--max-rel-error", "-1"]));
}

#[test]
fn what_does_not_pass_gets_more_bits() {
    let folder = folder(1.0);
    let run = |args: &[&str]| folder.run(&[&["quantize", "model.safetensors", "x.parquet"], args].concat());
    expect![[r#"
        exit 0
        tensors  4: 2 packed, 2 of 16 bits, 0 as they were
        weights  11.9 KiB before, 2.5 KiB now, a file of 9.6 KiB
        promoted 1 from 2 to 4 bits: `block.attn.weight`
        worst    block.attn.weight: 26.1 dB
    "#]]
    .assert_eq(&run(&["--bits", "2", "--min-sqnr", "20", "--promote", "--rule", "*.up.*=8"]));
    expect![[r#"
        exit 1
        error: 2 tensors are further off than allowed: `block.up.weight` (50.3 dB, relative error 3.06e-3), `block.attn.weight` (50.3 dB, relative error 3.04e-3)

        hint: give them more bits, or keep them, by rules for their names
    "#]].assert_eq(&run(&["--bits", "2", "--min-sqnr", "60", "--promote"]));
    expect![[r#"
        exit 2
        error: `promote` cannot be given alone

        hint: it is beside `min_sqnr` or `max_rel_error`
    "#]]
    .assert_eq(&run(&["--promote"]));
    expect![[r#"
        exit 2
        error: `promote` cannot be given beside a budget

        hint: it is absent where a `budget` decides
    "#]]
    .assert_eq(&run(&["--promote", "--min-sqnr", "20", "--budget", "20%"]));
}

#[test]
fn rules_that_fit_nothing_are_named() {
    check(
        &["quantize", "model.safetensors", "x.parquet", "--rule", "*.atn.*=8", "--rule", "shape:9x*=keep"],
        &expect![[r#"
            exit 0
            tensors  4: 2 packed, 2 of 16 bits, 0 as they were
            weights  11.9 KiB before, 1.8 KiB now, a file of 8.9 KiB
            unused   2, rules that fit no tensor: `*.atn.*` and `shape:9x*`
            worst    block.up.weight: 26.1 dB
        "#]],
    );
}

#[test]
fn rules_are_for_kinds_and_shapes_too() {
    let folder = folder(1.0);
    let run = |rules: &[&str]| {
        let rules: Vec<&str> = rules.iter().flat_map(|rule| ["--rule", rule]).collect();
        folder
            .run(&[&["quantize", "model.safetensors", "x.parquet", "--format", "table"], &rules[..]].concat())
    };
    expect![[r#"
        exit 0
        tensor             kind    type  shape  stored      bits  group  bytes    dB  relative error
        ─────────────────  ──────  ────  ─────  ──────────  ────  ─────  ─────  ────  ──────────────
        block.attn.weight  inner   F32   32×48  zero_point     3     64    672  19.6         1.05e-1
        block.norm.weight  vector  F32   48     kept                       192
        block.up.weight    inner   F32   20×72  zero_point     4     64    820  26.1         4.94e-2
        conv_in.weight     first   F32   8×4    zero_point     8     64     56  53.1         2.20e-3
    "#]]
    .assert_eq(&run(&["kind:first=8", "kind:vector=keep", "shape:32x*=3"]));
    expect![[r#"
        exit 2
        error: `kind:norm` is not a valid pattern: the kinds are `integers`, `vector`, `embedding`, `first`, `last` and `inner`
    "#]].assert_eq(&run(&["kind:norm=8"]));
    expect![[r#"
        exit 2
        error: `shape:[3` is not a valid pattern: unclosed character class; missing ']'
    "#]]
    .assert_eq(&run(&["shape:[3=8"]));
}

#[test]
fn what_cannot_be_is_said_with_the_way_out() {
    let folder = folder(1.0);
    folder.file("cut.safetensors", &std::fs::read(folder.path("model.safetensors")).unwrap()[..700]);
    folder.file("model.bin", b"\x80\x02}q\x00.");
    let cases: [&[&str]; 13] = [
        &["quantize", "nothing.safetensors", "x.parquet"],
        &["quantize", "cut.safetensors", "x.parquet"],
        &["quantize", "model.bin", "x.parquet"],
        &["quantize", "model.safetensors", "x.bin"],
        &["quantize", "model.safetensors", "x.parquet", "--bits", "5"],
        &["quantize", "model.safetensors", "x.parquet", "--group-size", "20"],
        &["quantize", "model.safetensors", "x.parquet", "--symmetric", "--float-minimum"],
        &["quantize", "model.safetensors", "x.parquet", "--method", "best"],
        &["quantize", "model.safetensors", "x.parquet", "--rule", "*.attn.*"],
        &["quantize", "model.safetensors", "x.parquet", "--rule", "*.attn.*=16"],
        &["quantize", "model.safetensors", "x.parquet", "--rule", "[=8"],
        &["inspect", "people.parquet"],
        &["inspect", "people.csv"],
    ];
    let said: Vec<String> =
        cases.iter().map(|args| format!("> {}\n{}", args.join(" "), folder.run(args))).collect();
    expect![[r#"
        > quantize nothing.safetensors x.parquet
        exit 4
        error: cannot open `nothing.safetensors`: No such file or directory (os error 2)

        > quantize cut.safetensors x.parquet
        exit 3
        error: `cut.safetensors` is not a valid safetensors file: its tensors have 6144 bytes, but 380 follow its header

        hint: fetch or write the file again

        > quantize model.bin x.parquet
        exit 3
        error: `model.bin` is a pickle, which runs whatever code it brings when it is read

        hint: where you trust it, write it anew with `safetensors.torch.save_file`

        > quantize model.safetensors x.bin
        exit 2
        error: `out` cannot be `x.bin`

        hint: it is a name that ends in `.parquet` or `.safetensors`

        > quantize model.safetensors x.parquet --bits 5
        exit 2
        error: `bits` cannot be 5

        hint: it is 2, 3, 4 or 8

        > quantize model.safetensors x.parquet --group-size 20
        exit 2
        error: invalid value '20' for '--group-size <N>': `group_size` cannot be 20; it is a multiple of 8 from 16 to 256, or `channel`

        For more information, try '--help'.

        > quantize model.safetensors x.parquet --symmetric --float-minimum
        exit 2
        error: `float_minimum` cannot be asked for beside `symmetric`

        hint: it is for schemes that are not symmetric

        > quantize model.safetensors x.parquet --method best
        exit 2
        error: invalid value 'best' for '--method <METHOD>'
          [possible values: nearest, mse, weighted, gptq]

        For more information, try '--help'.

        > quantize model.safetensors x.parquet --rule *.attn.*
        exit 2
        error: invalid value '*.attn.*' for '--rule <PATTERN=WHAT>': expected PATTERN=WHAT, as in `*.attn.*=8`

        For more information, try '--help'.

        > quantize model.safetensors x.parquet --rule *.attn.*=16
        exit 2
        error: `policy` cannot be `16`

        hint: it is `keep`, `half`, or 2, 3, 4 or 8 bits, for each pattern

        > quantize model.safetensors x.parquet --rule [=8
        exit 2
        error: `[` is not a valid pattern: unclosed character class; missing ']'

        > inspect people.parquet
        exit 3
        error: `people.parquet` is no file of packed weights

        hint: name a file that `quantize` has written, or the `.safetensors` of a model

        > inspect people.csv
        exit 3
        error: `people.csv` is not a valid safetensors file: its header has 7306915763740041582 bytes by its own account, and may have at most 100000000

        hint: fetch or write the file again
    "#]].assert_eq(&said.join("\n"));
    assert!(!folder.path("x.parquet").exists());
}

/// What a run has left that was stopped after the second tensor is used, and told; both kinds of files.
#[test]
fn a_run_goes_on_with_what_another_left() {
    let folder = folder(f32::NAN);
    for out in ["x.parquet", "x.safetensors"] {
        let stopped = folder.run(&["quantize", "model.safetensors", out, "--resume"]);
        assert!(stopped.contains("NaN"), "{stopped}");
        let shown = folder.run(&["quantize", "model.safetensors", out, "--resume", "--keep-non-finite"]);
        assert!(shown.contains("resumed  "), "{shown}");
        assert!(!folder.path(&format!("{out}.parts")).exists());
    }
    let [parquet, named] = ["x.parquet", "x.safetensors"].map(|out| folder.run(&["inspect", out]));
    assert_eq!(parquet.replace("x.parquet", "x.safetensors"), named);
}

/// Files may have 2 KiB, as if there were no more space.
#[cfg(unix)]
#[test]
fn without_space_the_old_file_stays() {
    for (out, more) in
        [("x.parquet", ""), ("x.safetensors", ""), ("x.parquet", "--resume"), ("x", "--shard-size 2kB")]
    {
        let folder = folder(1.0);
        let is_file = out != "x";
        if is_file {
            folder.file(out, "old");
        }
        let before = folder.names();
        let script = format!(
            "trap '' XFSZ; ulimit -f 4; exec {} quantize model.safetensors {out} --bits 8 {more}",
            env!("CARGO_BIN_EXE_bowstring")
        );
        let mut shell = std::process::Command::new("sh");
        let output = shell.args(["-c", &script]).current_dir(folder.0.path()).output().unwrap();
        let shown = folder.shown(&output);
        assert!(shown.starts_with("exit 4\n") && shown.contains("File too large"), "{out}: {shown}");
        assert!(!shown.contains(".tmp"), "the hidden name is nobody's: {shown}");
        let mut names = folder.names();
        // What is finished stays for the next run.
        names.retain(|name| *name != "x.parquet.parts" || more != "--resume");
        assert_eq!(names, before);
        assert!(!is_file || std::fs::read_to_string(folder.path(out)).unwrap() == "old");
    }
}

#[test]
fn a_folder_of_several_files_is_made_and_inspected() {
    let folder = folder(1.0);
    let quantize = |out: &str, more: &[&str]| {
        folder.run(&[&["quantize", "model.safetensors", out, "--bits", "8"], more].concat())
    };
    let made = quantize("packed", &["--shard-size", "2kB"]);
    assert!(made.starts_with("exit 0\n"), "{made}");
    let mut names: Vec<_> =
        std::fs::read_dir(folder.path("packed")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["model-00001-of-00002.parquet", "model-00002-of-00002.parquet"]);
    quantize("one.parquet", &[]);
    assert_eq!(folder.run(&["inspect", "packed"]), folder.run(&["inspect", "one.parquet"]));
    let against = |path: &str| folder.run(&["inspect", path, "--against", "model.safetensors"]);
    assert_eq!(against("packed"), against("one.parquet"));
    std::fs::remove_file(folder.path("packed").join(&names[1])).unwrap();
    expect![[r#"
        exit 3
        error: `packed` is no whole model: file `model-00002-of-00002.parquet` is missing

        hint: open a folder that has all files of one run and no others, or quantise the model again
    "#]]
    .assert_eq(&folder.run(&["inspect", "packed"]));
    let again = quantize("packed", &["--shard-size", "2kB"]);
    assert!(again.starts_with("exit 4\n"), "{again}");
    for (out, size) in [("x.parquet", "2kB"), ("x.safetensors", "2kB"), ("x", "0"), ("x", "much")] {
        let refused = quantize(out, &["--shard-size", size]);
        assert!(refused.starts_with("exit 2\n"), "{refused}");
        assert!(!folder.path(out).exists());
    }
}

#[test]
fn a_budget_is_told_in_the_summary() {
    check(
        &["quantize", "model.safetensors", "x.parquet", "--budget", "15%", "--allocation", "squared_error"],
        &expect![[r#"
            exit 0
            tensors  4: 2 packed, 2 of 16 bits, 0 as they were
            weights  11.9 KiB before, 1.8 KiB now, a file of 8.9 KiB
            budget   1.8 KiB, spent by squared_error
            bits     2 of 4
            worst    block.up.weight: 26.0 dB
        "#]],
    );
    check(
        &["quantize", "model.safetensors", "x.parquet", "--budget", "800B", "--widths", "2,3"],
        &expect![[r#"
        exit 2
        error: a budget of 800 bytes cannot be met

        hint: the least possible is 1060 bytes
    "#]],
    );
    check(
        &[
            "quantize",
            "model.safetensors",
            "x.parquet",
            "--budget",
            "1kB",
            "--group-size",
            "64",
            "--widths",
            "2,4",
        ],
        &expect![[r#"
            exit 2
            error: a budget of 1000 bytes cannot be met

            hint: the least possible is 1100 bytes
        "#]],
    );
    check(
        &["quantize", "model.safetensors", "x.parquet", "--budget", "25%", "--bits", "4"],
        &expect![[r#"
        exit 2
        error: `bits` cannot be given beside a budget

        hint: it is absent where a `budget` decides
    "#]],
    );
    check(
        &["quantize", "model.safetensors", "x.parquet", "--budget", "much"],
        &expect![[r#"
        exit 2
        error: invalid value 'much' for '--budget <SIZE>': `budget` cannot be `much`; it is a size such as `12MB`, or a share of the model's bytes such as `25%`

        For more information, try '--help'.
    "#]],
    );
}
