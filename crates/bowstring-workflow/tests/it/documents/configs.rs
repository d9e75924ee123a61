//! The configs of steps: what their schemas refuse, and where.

use expect_test::{Expect, expect};

use super::check_steps;

/// What a `sort` with this config comes to.
fn check(config: &str, expected: Expect) {
    check_steps(
        &format!(
            "  - {{name: a, type: read, config: {{input: x}}}}\n  - name: s\n    input: a\n    type: sort\n    config: {config}"
        ),
        expected,
    );
}

#[test]
fn configs_that_fit() {
    check(
        "{by: [x]}",
        expect![[r#"
        workflow
        a: read() after []
        s: sort(a=a) after [a]"#]],
    );
    check(
        "{by: [x], limit: 5, nulls: last, stable: true, fraction: 1, fill: {x: 1}}",
        expect![[r#"
        workflow
        a: read() after []
        s: sort(a=a) after [a]"#]],
    );
    check(
        "{by: [x], limit: null, nulls: null, fill: 3}",
        expect![[r#"
        workflow
        a: read() after []
        s: sort(a=a) after [a]"#]],
    );
}

#[test]
fn keys() {
    check("{}", expect!["w.yaml:6:13: the key `by` is missing"]);
    check("", expect!["w.yaml:3:11: the key `by` is missing"]);
    check(
        "{bye: [x]}",
        expect![[r#"
        w.yaml:6:14: unknown key `bye`
          hint: did you mean `by`?"#]],
    );
    check(
        "{by: [x], lmit: 5, somethingelse: 1}",
        expect![[r#"
        w.yaml:6:23: unknown key `lmit`
          hint: did you mean `limit`?
        w.yaml:6:32: unknown key `somethingelse`
          hint: there are `by`, `fill`, `fraction`, `limit`, `nulls` and `stable`"#]],
    );
    check("[x]", expect!["w.yaml:6:13: expected a mapping, found a list"]);
    check("x", expect!["w.yaml:6:13: expected a mapping, found the text `x`"]);
    check_steps("  - {name: a, type: read}", expect!["w.yaml:2:12: the key `input` is missing"]);
    check_steps(
        "  - {name: a, type: union, config: {x: 1, y: 2}}",
        expect![[r#"
            w.yaml:2:37: unknown key `x`
              hint: leave it out
            w.yaml:2:43: unknown key `y`
              hint: leave it out"#]],
    );
}

#[test]
fn types() {
    check("{by: x}", expect!["w.yaml:6:18: expected a list, found the text `x`"]);
    check(
        "{by: [x, 5, true, null, [y]]}",
        expect![[r#"
        w.yaml:6:22: expected text, found the number `5`
          hint: quote it if it is meant as text
        w.yaml:6:25: expected text, found `true`
          hint: quote it if it is meant as text
        w.yaml:6:31: expected text, found nothing
        w.yaml:6:37: expected text, found a list"#]],
    );
    check(
        "{by: [x], limit: '5', stable: 'no', fraction: half}",
        expect![[r#"
        w.yaml:6:30: expected a whole number, found the text `5`
          hint: write it without quotes
        w.yaml:6:43: expected `true` or `false`, found the text `no`
        w.yaml:6:59: expected a number, found the text `half`"#]],
    );
    check(
        "{by: [x], limit: 1.5, stable: 1, fraction: true}",
        expect![[r#"
        w.yaml:6:30: expected a whole number, found the number `1.5`
        w.yaml:6:43: expected `true` or `false`, found the number `1`
        w.yaml:6:56: expected a number, found `true`"#]],
    );
    check("{by: [x], limit: -1}", expect!["w.yaml:6:30: expected at least 1, found the number `-1`"]);
    check(
        "{by: [x], limit: 5000000000}",
        expect!["w.yaml:6:30: expected at most 4294967295, found the number `5000000000`"],
    );
    check("{by: []}", expect!["w.yaml:6:18: the list needs at least 1 item"]);
}

#[test]
fn forms() {
    check(
        "{by: [x], nulls: fisrt}",
        expect![[r#"
        w.yaml:6:30: `fisrt` is not known here
          hint: did you mean `first`?"#]],
    );
    check("{by: [x], nulls: 5}", expect!["w.yaml:6:30: expected `first` or `last`, found the number `5`"]);
    check(
        "{by: [x], fill: x}",
        expect!["w.yaml:6:29: expected a whole number or a mapping, found the text `x`"],
    );
    check("{by: [x], fill: {x: y}}", expect!["w.yaml:6:33: expected a whole number, found the text `y`"]);
    check(
        "{by: [x], fill: {x: 1.5, y: 2}}",
        expect!["w.yaml:6:33: expected a whole number, found the number `1.5`"],
    );
}

#[test]
fn the_place_is_that_of_the_culprit() {
    check(
        "\n      by:\n        - x\n        - 5\n      limt: 1\n      nulls:\n        later",
        expect![[r#"
            w.yaml:9:11: expected text, found the number `5`
              hint: quote it if it is meant as text
            w.yaml:10:7: unknown key `limt`
              hint: did you mean `limit`?
            w.yaml:12:9: `later` is not known here
              hint: there are `first` and `last`"#]],
    );
}

#[test]
fn what_the_step_itself_refuses() {
    check_steps(
        "  - {name: a, type: read, config: {input: x}}\n  - {name: b, type: filter, config: {query: '  '}, input: a}",
        expect![[r#"
            w.yaml:3:45: the query is empty
              hint: write an expression, as `value > 100`"#]],
    );
}

#[test]
fn step_types() {
    check_steps(
        "  - {name: a, type: fliter}",
        expect![[r#"
        w.yaml:2:21: there is no step type `fliter`
          hint: did you mean `filter`?"#]],
    );
    check_steps(
        "  - {name: a, type: pagerank}",
        expect![[r#"
        w.yaml:2:21: there is no step type `pagerank`
          hint: there are `filter`, `graph.build`, `graph.rank`, `join`, `read`, `sort`, `sql`, `union` and `write`"#]],
    );
    check_steps(
        "  - {name: a, type: graph.ranks}",
        expect![[r#"
        w.yaml:2:21: there is no step type `graph.ranks`
          hint: did you mean `graph.rank`?"#]],
    );
    check_steps(
        "  - {name: a, type: 5}",
        expect![[r#"
        w.yaml:2:21: expected text, found the number `5`
          hint: quote it if it is meant as text"#]],
    );
    check_steps(
        "  - {name: a, type: ''}",
        expect![[r#"
        w.yaml:2:21: there is no step type ``
          hint: there are `filter`, `graph.build`, `graph.rank`, `join`, `read`, `sort`, `sql`, `union` and `write`"#]],
    );
}
