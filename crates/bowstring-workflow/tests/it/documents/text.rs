//! Text that is not the YAML it should be.

use expect_test::expect;

use super::check;

const STEP: &str = "{name: a, type: read, config: {input: x}}";

#[test]
fn not_yaml() {
    check("", expect!["w.yaml:1:1: the document is empty"]);
    check("# nothing\n", expect!["w.yaml:1:1: the document is empty"]);
    check("null", expect!["w.yaml:1:1: the document is empty"]);
    check("just text", expect!["w.yaml:1:1: expected a mapping, found the text `just text`"]);
    check(
        "steps: [",
        expect!["w.yaml:2:1: this is not YAML: while parsing a node, did not find expected node content"],
    );
    check("steps: }", expect!["w.yaml:1:8: this is not YAML: misplaced bracket"]);
    check(
        "steps:\n  - a: b\n c: d",
        expect!["w.yaml:3:2: this is not YAML: while parsing a block mapping, did not find expected key"],
    );
    check(
        "name: \"open",
        expect![
            "w.yaml:1:7: this is not YAML: while scanning a quoted scalar, found unexpected end of stream"
        ],
    );
    check(
        "{\"steps\": [}",
        expect!["w.yaml:1:12: this is not YAML: while parsing a node, did not find expected node content"],
    );
    check("\u{0}\u{1}", expect!["w.yaml:1:1: this is not YAML: found unprintable character"]);
    check(
        &format!("steps: [{STEP}]\n---\nsteps: [{STEP}]"),
        expect![[r#"
        w.yaml:2:1: the text holds more than one document
          hint: keep one workflow in a file"#]],
    );
}

#[test]
fn tabs() {
    check(
        "steps:\n\t- name: a",
        expect![[r#"
        w.yaml:2:1: a tab stands where indentation is meant
          hint: indent with spaces"#]],
    );
    check(
        "steps:\n  - name: a\n\t  type: read",
        expect![[r#"
            w.yaml:3:1: a tab stands where indentation is meant
              hint: indent with spaces"#]],
    );
}

#[test]
fn duplicate_keys_are_told_with_all_else() {
    check(
        &format!(
            "name: x\nname: y\nnmae: z\nsteps:\n- {STEP}\n- {{name: b, name: c, type: read, config: {{input: x, input: y}}}}"
        ),
        expect![[r#"
            w.yaml:2:1: the key `name` stands twice in this mapping
              hint: remove one of the two
            w.yaml:3:1: unknown key `nmae`
              hint: did you mean `name`?
            w.yaml:6:13: the key `name` stands twice in this mapping
              hint: remove one of the two
            w.yaml:6:53: the key `input` stands twice in this mapping
              hint: remove one of the two"#]],
    );
}

#[test]
fn keys_tags_and_merges() {
    check(
        "5: x",
        expect![[r#"
        w.yaml:1:1: a key must be text, not the number `5`
          hint: quote the key"#]],
    );
    check(
        "[a]: x",
        expect![[r#"
        w.yaml:1:1: a key must be text, not a list or a mapping
          hint: quote the key"#]],
    );
    check(
        "{a: b}: x",
        expect![[r#"
        w.yaml:1:1: a key must be text, not a list or a mapping
          hint: quote the key"#]],
    );
    check(
        &format!("steps: [{STEP}, {{<<: {{}}, name: b}}]"),
        expect![[r#"
        w.yaml:1:53: merge keys (`<<`) are not part of YAML 1.2
          hint: repeat the entries, or use an alias for a whole value"#]],
    );
    check(
        &format!("name: !!str 5\ndescription: !secret x\nsteps: !!seq [{STEP}]"),
        expect![[r#"
        w.yaml:2:14: the tag `!secret` is not known here
          hint: leave the tag out"#]],
    );
    check(
        &format!("name: !!int x\nsteps: [{STEP}]"),
        expect![[r#"
        w.yaml:1:7: `x` is not a !!int
          hint: quote it if it is meant as text"#]],
    );
}

#[test]
fn aliases_are_filled_in() {
    check(
        "steps:\n  - {name: a, type: read, config: &c {input: x}}\n  - {name: b, type: read, config: *c}",
        expect![[r#"
            workflow
            a: read() after []
            b: read() after []"#]],
    );
    check(
        "steps: [*nothing]",
        expect!["w.yaml:1:9: this is not YAML: while parsing node, found unknown anchor"],
    );
    check(
        "steps: &s [*s]",
        expect![[r#"
        w.yaml:1:12: an alias stands inside the value that it names
          hint: write it out"#]],
    );
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let list = vec![format!("*a{}", level - 1); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{list}]\n"));
    }
    check(
        &text,
        expect![
            "w.yaml:6:5: with its aliases filled in, the document has more than 1000000 values or 8388608 bytes"
        ],
    );
}

#[test]
fn deep_nesting_is_refused() {
    check(
        &"[".repeat(100_000),
        expect!["w.yaml:1:256: lists and mappings are nested more than 64 levels deep"],
    );
    check(
        &"- ".repeat(100_000),
        expect!["w.yaml:1:129: lists and mappings are nested more than 64 levels deep"],
    );
    check(
        &"{a: ".repeat(100_000),
        expect!["w.yaml:1:1021: lists and mappings are nested more than 64 levels deep"],
    );
    check(
        &"!".repeat(100_000),
        expect!["w.yaml:1:1: this is not YAML: while parsing a tag, did not find expected tag URI"],
    );
}

#[test]
fn a_text_that_is_too_large_is_refused() {
    check(
        &" ".repeat((8 << 20) + 1),
        expect!["w.yaml: the document has 8388609 bytes, but may have at most 8388608"],
    );
}

#[test]
fn a_parameter_cannot_grow_without_bound() {
    let param = format!("params: {{p: {{type: string, default: {}}}}}", "x".repeat(100_000));
    let steps = "- {name: a, type: read, config: {input: '${p}${p}'}}\n".repeat(100);
    let text = format!("{param}\nsteps:\n{steps}");
    let result = super::validate_with(&text, &bowstring_workflow::Params::new());
    let problems =
        result.err().map(|problems| problems.iter().map(|p| p.message.clone()).collect::<Vec<_>>());
    let problems = problems.unwrap_or_default();
    assert!(
        problems.iter().any(|message| message.starts_with("with its parameters filled in")),
        "{problems:?}"
    );
}

#[test]
fn json_is_read_with_places() {
    check(
        "{\n\t\"steps\": [\n\t\t{\"name\": \"\\ud83d\\ude00 x\", \"type\": \"raed\"}\n\t]\n}",
        expect![[r#"
            w.yaml:3:38: there is no step type `raed`
              hint: did you mean `read`?"#]],
    );
    check(
        "{\"steps\": [{\"name\": \"a\\/b\", \"type\": \"read\", \"config\": {\"input\": \"\\u00e4\"}}]}",
        expect![[r#"
            workflow
            a/b: read() after []"#]],
    );
}

#[test]
fn columns_count_characters() {
    check(
        "steps:\n  - {name: \"größe 😀\", type: raed}",
        expect![[r#"
        w.yaml:2:29: there is no step type `raed`
          hint: did you mean `read`?"#]],
    );
    check(
        "\u{feff}steps:\n  - {name: a, type: raed}",
        expect![[r#"
        w.yaml:2:21: there is no step type `raed`
          hint: did you mean `read`?"#]],
    );
    check(
        "steps:\r\n  - {name: a, type: raed}\r\n",
        expect![[r#"
        w.yaml:2:21: there is no step type `raed`
          hint: did you mean `read`?"#]],
    );
}

#[test]
fn numbers_of_yaml() {
    let limits = [
        "0x10",
        "0o10",
        "1e1",
        "1_0",
        "+5",
        "1.0",
        ".inf",
        ".nan",
        "99999999999999999999",
        "010",
        "yes",
        "1:30",
    ];
    let steps: Vec<String> = limits
        .iter()
        .enumerate()
        .map(|(i, limit)| {
            format!("- {{name: s{i}, type: sort, config: {{by: [x], limit: {limit}}}, input: a}}")
        })
        .collect();
    check(
        &format!("steps:\n- {STEP}\n{}", steps.join("\n")),
        expect![[r#"
            w.yaml:5:51: expected a whole number, found the number `10.0`
            w.yaml:6:51: expected a whole number, found the text `1_0`
            w.yaml:8:51: expected a whole number, found the number `1.0`
            w.yaml:9:51: `.inf` is not a finite number
              hint: quote it if it is meant as text
            w.yaml:10:51: `.nan` is not a finite number
              hint: quote it if it is meant as text
            w.yaml:11:51: the integer `99999999999999999999` does not fit into 64 bits
              hint: quote it if it is meant as text
            w.yaml:13:52: expected a whole number, found the text `yes`
            w.yaml:14:52: expected a whole number, found the text `1:30`"#]],
    );
}

#[test]
fn tags_of_the_core_schema_are_held() {
    let tagged = |value: &str| format!("version: 1\nname: {value}\nsteps: [{STEP}]");
    check(
        &tagged("!!str true"),
        expect![[r#"
        true
        a: read() after []"#]],
    );
    check(
        &tagged("!!str null"),
        expect![[r#"
        null
        a: read() after []"#]],
    );
    check(
        &tagged("!!null x"),
        expect![[r#"
        w.yaml:2:7: `x` is not a !!null
          hint: quote it if it is meant as text"#]],
    );
    check(
        &tagged("!!null ~"),
        expect![[r#"
        w.yaml:2:7: expected text, found nothing
          hint: quote it if it is meant as text"#]],
    );
    check(
        &tagged("!!bool 1"),
        expect![[r#"
        w.yaml:2:7: `1` is not a !!bool
          hint: quote it if it is meant as text"#]],
    );
    check(
        &tagged("!!bool True"),
        expect![[r#"
        w.yaml:2:7: expected text, found `true`
          hint: quote it if it is meant as text"#]],
    );
    check(
        &tagged("!!float 1"),
        expect![[r#"
        w.yaml:2:7: expected text, found the number `1.0`
          hint: quote it if it is meant as text"#]],
    );
    check(
        &tagged("!!int 1.0"),
        expect![[r#"
        w.yaml:2:7: `1.0` is not a !!int
          hint: quote it if it is meant as text"#]],
    );
    check(
        &tagged("!!int true"),
        expect![[r#"
        w.yaml:2:7: `true` is not a !!int
          hint: quote it if it is meant as text"#]],
    );
    check(
        &tagged("!!seq x"),
        expect![[r#"
        w.yaml:2:7: the tag `!!seq` is not known here
          hint: leave the tag out"#]],
    );
    check(
        &tagged("!!str [x]"),
        expect![[r#"
        w.yaml:2:7: the tag `!!str` is not known here
          hint: leave the tag out
        w.yaml:2:7: expected text, found a list"#]],
    );
}
