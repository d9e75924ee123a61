//! Parameters: declarations, given values, and `${name}`.

use bowstring_workflow::{Params, Problems};
use expect_test::{Expect, expect};
use serde_json::json;

use super::{check, shown, validate_with};

/// What the document comes to with these parameters.
fn check_with(text: &str, params: Result<Params, Problems>, expected: Expect) {
    expected.assert_eq(&shown(params.and_then(|params| validate_with(text, &params))));
}

/// A `sort` with this config, and these declarations.
fn config(declared: &str, config: &str) -> String {
    format!(
        "params: {declared}\nsteps:\n  - {{name: a, type: read, config: {{input: x}}}}\n  - {{name: s, type: sort, input: a, config: {config}}}\n"
    )
}

#[test]
fn a_parameter_keeps_its_type() {
    let all = "{n: {type: int, default: 5}, w: {type: string, default: last}, b: {type: bool, default: true}, f: {type: float, default: 1}, l: {type: list, default: [x, y]}}";
    let good = "{by: '${l}', limit: '${n}', nulls: '${w}', stable: '${b}', fraction: '${f}', fill: {'${w}': '${n}'}}";
    check(
        &config(all, good),
        expect![[r#"
        workflow
        a: read() after []
        s: sort(a=a) after [a]"#]],
    );
    let bad = "{by: ['${l}', '${n}'], limit: '${w}', nulls: '${n}', stable: ' ${b}', fraction: '${f}%', fill: '${w}'}";
    check(
        &config(all, bad),
        expect![[r#"
            w.yaml:4:51: expected text, found a list
            w.yaml:4:59: expected text, found the number `5`
              hint: quote it if it is meant as text
            w.yaml:4:75: expected a whole number, found the text `last`
            w.yaml:4:90: expected `first` or `last`, found the number `5`
            w.yaml:4:106: expected `true` or `false`, found the text ` true`
            w.yaml:4:125: expected a number, found the text `1.0%`
            w.yaml:4:140: expected a whole number or a mapping, found the text `last`"#]],
    );
}

#[test]
fn inside_a_longer_string_it_is_text() {
    let declared = "{n: {type: int, default: 5}, b: {type: bool, default: true}, f: {type: float, default: 1}, l: {type: list, default: []}, p: {type: path, default: 'a/$b'}}";
    let names = |name: &str| {
        format!("params: {declared}\nsteps:\n  - {{name: \"{name}\", type: read, config: {{input: x}}}}\n")
    };
    check(
        &names("n${n}b${b}f${f}"),
        expect![[r#"
        workflow
        n5btruef1.0: read() after []"#]],
    );
    check(
        &names("$${n} $$ $ 5$ $x ${p}$"),
        expect![[r#"
        workflow
        ${n} $ $ 5$ $x a/$b$: read() after []"#]],
    );
    check(
        &names("x${l}"),
        expect![[r#"
        w.yaml:3:12: the parameter `l` is a list, which cannot stand inside text
          hint: let `${l}` be the whole value"#]],
    );
    check(
        &names("x${m}"),
        expect![[r#"
            w.yaml:3:12: there is no parameter `m`
              hint: declare it under `params`, or write `$${m}` for the text itself"#]],
    );
    check(
        &names("x${ n }"),
        expect![[r#"
        w.yaml:3:12: `${` begins no parameter here
          hint: write `${name}` for a parameter, `$${` for the text itself"#]],
    );
    check(
        &names("x${n"),
        expect![[r#"
        w.yaml:3:12: `${` begins no parameter here
          hint: write `${name}` for a parameter, `$${` for the text itself"#]],
    );
    check(
        &names("${}"),
        expect![[r#"
        w.yaml:3:12: `${` begins no parameter here
          hint: write `${name}` for a parameter, `$${` for the text itself"#]],
    );
    check(
        &names("${n}"),
        expect![[r#"
        w.yaml:3:12: expected text, found the number `5`
          hint: quote it if it is meant as text"#]],
    );
}

#[test]
fn parameters_stand_in_any_field_of_a_step() {
    check(
        "
params: {d: {type: string, default: 90s}, k: {type: string, default: read}, l: {type: list, default: [a]}, n: {type: int, default: 9}}
steps:
  - {name: a, type: '${k}', config: {input: x}, timeout: '${d}'}
  - {name: b, type: '${k}', config: {input: x}, depends_on: '${l}', resources: {cpu: '${n}'}}
",
        expect![[r#"
            w.yaml:5:86: the step asks for 9 of `cpu`, but the run has 4
              hint: ask for less, or give the run more"#]],
    );
}

#[test]
fn declarations() {
    check(
        &config(
            "{a: 5, b: {}, c: {type: integer}, d: {type: int, default: x}, e: {type: int, defualt: 1}, 'f g': {type: int, default: 1}, h: {type: list, default: x, description: 5}, i: {type: string, default: 5}}",
            "{by: ['${a}', '${b}', '${d}'], limit: '${h}'}",
        ),
        expect![[r#"
            w.yaml:1:10: expected a mapping, found the number `5`
            w.yaml:1:16: a parameter needs a type
              hint: add a `type`; there are `string`, `int`, `float`, `bool`, `path` and `list`
            w.yaml:1:33: `integer` is not a known type
              hint: there are `string`, `int`, `float`, `bool`, `path` and `list`
            w.yaml:1:67: the text `x` is not an int
              hint: write a whole number, as in `100`
            w.yaml:1:71: the parameter `e` has no default and is not given
              hint: give it a value for this run, or declare a `default`
            w.yaml:1:86: unknown key `defualt`
              hint: did you mean `default`?
            w.yaml:1:99: `f g` cannot be the name of a parameter
              hint: a name has letters, digits, `_` and `-`, and begins with a letter or `_`
            w.yaml:1:156: the text `x` is not a list
              hint: write a list, as in `[a, b]`
            w.yaml:1:172: expected text, found the number `5`
              hint: quote it if it is meant as text
            w.yaml:1:203: the number `5` is not a string
              hint: write text, in quotes when it looks like something else"#]],
    );
    check(
        "params: [a]\nsteps: [{name: a, type: read, config: {input: '${a}'}}]",
        expect![[r#"
        w.yaml:1:9: expected a mapping, found a list
        w.yaml:2:47: there is no parameter `a`
          hint: declare it under `params`, or write `$${a}` for the text itself"#]],
    );
    check(
        &config("{n: {type: int}}", "{by: [x], limit: '${n}'}"),
        expect![[r#"
        w.yaml:1:10: the parameter `n` has no default and is not given
          hint: give it a value for this run, or declare a `default`"#]],
    );
}

const TYPED: &str = "
params:
  n: {type: int, default: 1}
  w: {type: string, default: last}
  b: {type: bool, default: true}
  f: {type: float, default: 0.5}
  p: {type: path, default: data}
  l: {type: list, default: [x]}
steps:
  - {name: 'n=${n} w=${w} b=${b} f=${f} p=${p}', type: read, config: {input: x}}
";

#[test]
fn given_values_are_read_by_the_declared_type() {
    let given = ["n=7", "w=5", "b=false", "f=2", "p=a=b", "l=a, b"];
    let params = given.into_iter().try_fold(Params::new(), |params, text| params.command_line(text));
    check_with(
        TYPED,
        params,
        expect![[r#"
        workflow
        n=7 w=5 b=false f=2.0 p=a=b: read() after []"#]],
    );
    let wrong = ["n=7.5", "b=yes", "f=nan", "l=[a", "z=1", "N=1"];
    let params = wrong.into_iter().try_fold(Params::new(), |params, text| params.command_line(text));
    check_with(
        TYPED,
        params,
        expect![[r#"
            parameter: n: the text `7.5` is not an int
              hint: write a whole number, as in `100`
            parameter: b: the text `yes` is not a bool
              hint: write `true` or `false`
            parameter: f: the text `nan` is not a float
              hint: write a number, as in `0.5`
            parameter: l: this is not YAML: while parsing a flow sequence, expected ',' or ']'
            parameter: z: there is no parameter `z`
              hint: the workflow has `b`, `f`, `l`, `n`, `p` and `w`
            parameter: N: there is no parameter `N`
              hint: did you mean `n`?"#]],
    );
    check_with(
        TYPED,
        Params::new().command_line("n"),
        expect![[r#"
        parameter: n: a parameter needs a value
          hint: write `name=value`"#]],
    );
    let twice = Params::new().command_line("n=1").and_then(|params| params.command_line("n=2"));
    check_with(TYPED, twice, expect!["parameter: n: the parameter `n` is given twice"]);
}

#[test]
fn typed_values_must_be_of_the_type() {
    let params = Params::new().value("n", json!(7)).value("l", json!(["a"])).value("f", json!(2));
    check_with(
        TYPED,
        Ok(params),
        expect![[r#"
        workflow
        n=7 w=last b=true f=2.0 p=data: read() after []"#]],
    );
    let params = Params::new()
        .value("n", json!("7"))
        .value("w", json!(5))
        .value("l", json!("a"))
        .value("b", json!(null));
    check_with(
        TYPED,
        Ok(params),
        expect![[r#"
        parameter: n: the text `7` is not an int
          hint: write a whole number, as in `100`
        parameter: w: the number `5` is not a string
          hint: write text, in quotes when it looks like something else
        parameter: l: the text `a` is not a list
          hint: write a list, as in `[a, b]`
        parameter: b: nothing is not a bool
          hint: write `true` or `false`"#]],
    );
}

#[test]
fn the_command_line_goes_before_files_and_files_before_the_document() {
    let params = Params::new()
        .command_line("n=3")
        .and_then(|params| params.file("one.yaml", "n: 1\nw: one\nf: 1.5"))
        .and_then(|params| params.file("two.json", r#"{"n": 2, "w": "two"}"#));
    check_with(
        TYPED,
        params,
        expect![[r#"
        workflow
        n=3 w=two b=true f=1.5 p=data: read() after []"#]],
    );
}

#[test]
fn parameter_files_are_checked() {
    check_with(
        TYPED,
        Params::new().file("p.yaml", "n: x\nm: 1\nw: 5"),
        expect![[r#"
            p.yaml:1:4: the text `x` is not an int
              hint: write a whole number, as in `100`
            p.yaml:2:1: there is no parameter `m`
              hint: the workflow has `b`, `f`, `l`, `n`, `p` and `w`
            p.yaml:3:4: the number `5` is not a string
              hint: write text, in quotes when it looks like something else"#]],
    );
    check_with(
        TYPED,
        Params::new().file("p.yaml", "[n]"),
        expect![[r#"
        p.yaml:1:1: a parameter file must be a mapping, not a list
          hint: write `name: value`"#]],
    );
    check_with(
        TYPED,
        Params::new().file("p.yaml", "n: 1\nn: 2"),
        expect![[r#"
        p.yaml:2:1: the key `n` stands twice in this mapping
          hint: remove one of the two"#]],
    );
    check_with(
        TYPED,
        Params::new().file("p.yaml", "{n: 1"),
        expect![
            "p.yaml:2:1: this is not YAML: while parsing a flow mapping, did not find expected ',' or '}'"
        ],
    );
    check_with(TYPED, Params::new().file("p.yaml", ""), expect!["p.yaml:1:1: the document is empty"]);
}
