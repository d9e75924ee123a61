//! What steps take from each other.

use expect_test::expect;

use super::check_steps;

const TWO: &str = "
  - {name: a, type: read, config: {input: x}}
  - {name: b, type: read, config: {input: y}}
";

fn check(steps: &str, expected: expect_test::Expect) {
    check_steps(&format!("{}{steps}", TWO.trim_start_matches('\n')), expected);
}

#[test]
fn inputs_are_found() {
    check(
        "  - {name: c, type: filter, config: {query: x}, depends_on: [a]}",
        expect![[r#"
        workflow
        a: read() after []
        b: read() after []
        c: filter(a=a) after [a]"#]],
    );
    check(
        "  - {name: c, type: filter, config: {query: x}, input: a, depends_on: [b]}",
        expect![[r#"
        workflow
        a: read() after []
        b: read() after []
        c: filter(a=a) after [a, b]"#]],
    );
    check(
        "  - {name: c, type: join, inputs: {right: b, left: a}}",
        expect![[r#"
        workflow
        a: read() after []
        b: read() after []
        c: join(right=b, left=a) after [a, b]"#]],
    );
    check(
        "  - {name: c, type: join, inputs: {left: a, right: a}, depends_on: [a]}",
        expect![[r#"
        workflow
        a: read() after []
        b: read() after []
        c: join(left=a, right=a) after [a]"#]],
    );
    check(
        "  - {name: c, type: union, inputs: {b: b, other: a}}",
        expect![[r#"
        workflow
        a: read() after []
        b: read() after []
        c: union(b=b, other=a) after [a, b]"#]],
    );
    check(
        "  - {name: c, type: read, config: {input: z}, depends_on: [a, b]}",
        expect![[r#"
        workflow
        a: read() after []
        b: read() after []
        c: read() after [a, b]"#]],
    );
}

#[test]
fn the_tables_of_a_query_are_inputs_when_they_are_steps() {
    check(
        "  - {name: c, type: sql, config: {query: from a join from b join from file}}",
        expect![[r#"
        workflow
        a: read() after []
        b: read() after []
        c: sql(a=a, b=b) after [a, b]"#]],
    );
    check(
        "  - {name: c, type: sql, config: {query: from t}, inputs: {t: a}, depends_on: [b]}",
        expect![[r#"
            workflow
            a: read() after []
            b: read() after []
            c: sql(t=a) after [a, b]"#]],
    );
    check(
        "  - {name: c, type: sql, config: {query: from b}, inputs: {b: a}}",
        expect![[r#"
        workflow
        a: read() after []
        b: read() after []
        c: sql(b=a) after [a]"#]],
    );
    check(
        "  - {name: c, type: sql, config: {query: from file}, depends_on: [a]}",
        expect![[r#"
        workflow
        a: read() after []
        b: read() after []
        c: sql() after [a]"#]],
    );
    check(
        "  - {name: c, type: sql, config: {query: from c}}",
        expect![[r#"
        w.yaml:4:12: steps form a cycle: c → c
          hint: each of these waits for the one before it"#]],
    );
}

#[test]
fn one_dependency_is_taken_where_nothing_else_is_said() {
    check(
        "  - {name: c, type: sql, config: {query: select}, depends_on: [a]}",
        expect![[r#"
        workflow
        a: read() after []
        b: read() after []
        c: sql(a=a) after [a]"#]],
    );
    check(
        "  - {name: c, type: sql, config: {query: select}, depends_on: [a, b]}",
        expect![[r#"
        workflow
        a: read() after []
        b: read() after []
        c: sql() after [a, b]"#]],
    );
    check(
        "  - {name: c, type: sql, config: {query: select}, input: b, depends_on: [a]}",
        expect![[r#"
        workflow
        a: read() after []
        b: read() after []
        c: sql(b=b) after [a, b]"#]],
    );
    check(
        "  - {name: c, type: write, config: {path: x}, input: a}\n  - {name: d, type: sql, config: {query: select}, depends_on: [c]}",
        expect![[r#"
            workflow
            a: read() after []
            b: read() after []
            c: write(a=a) after [a]
            d: sql() after [c]"#]],
    );
}

#[test]
fn inputs_that_are_missing_or_too_many() {
    check(
        "  - {name: c, type: filter, config: {query: x}}",
        expect![[r#"
        w.yaml:4:12: `filter` needs an input
          hint: name the step that makes it with `input`"#]],
    );
    check(
        "  - {name: c, type: filter, config: {query: x}, depends_on: [a, b]}",
        expect![[r#"
        w.yaml:4:12: `filter` takes one input, but the step waits for 2
          hint: name the one that it takes with `input`"#]],
    );
    check(
        "  - {name: c, type: filter, config: {query: x}, inputs: {x: a}}",
        expect![[r#"
        w.yaml:4:57: `filter` takes one input, which has no name
          hint: write `input: step`"#]],
    );
    check(
        "  - {name: c, type: read, config: {input: z}, input: a}",
        expect![[r#"
        w.yaml:4:54: `read` takes no input
          hint: use `depends_on` where it only has to wait"#]],
    );
    check(
        "  - {name: c, type: join, depends_on: [a, b]}",
        expect![[r#"
        w.yaml:4:12: `join` needs the inputs `left` and `right`
          hint: write `inputs: {left: step, right: step}`"#]],
    );
    check(
        "  - {name: c, type: join, input: a}",
        expect![[r#"
        w.yaml:4:34: `join` takes the inputs `left` and `right`
          hint: write `inputs: {left: step, right: step}`"#]],
    );
    check(
        "  - {name: c, type: join, inputs: {left: a}}",
        expect![[r#"
        w.yaml:4:35: `join` needs the input `right`
          hint: write `inputs: {left: step, right: step}`"#]],
    );
    check(
        "  - {name: c, type: join, inputs: {left: a, rigth: b}}",
        expect![[r#"
        w.yaml:4:52: `join` has no input `rigth`
          hint: did you mean `right`?"#]],
    );
    check(
        "  - {name: c, type: join, inputs: {left: a, right: b, third: b}}",
        expect![[r#"
        w.yaml:4:62: `join` has no input `third`
          hint: there are `left` and `right`"#]],
    );
    check(
        "  - {name: c, type: union, inputs: {x: a}}",
        expect![[r#"
        w.yaml:4:36: `union` needs at least 2 inputs, found 1
          hint: name the steps that make them with `inputs: {name: step}`"#]],
    );
    check(
        "  - {name: c, type: union, depends_on: [a]}",
        expect![[r#"
        w.yaml:4:12: `union` needs at least 2 inputs, found 1
          hint: name the steps that make them with `inputs: {name: step}`"#]],
    );
}

#[test]
fn connections_that_are_not_names_of_steps() {
    check(
        "  - {name: c, type: filter, config: {query: x}, input: d}",
        expect!["w.yaml:4:56: there is no step `d`"],
    );
    check(
        "  - {name: cc, type: filter, config: {query: x}, depends_on: [a, ca, zzzz]}",
        expect![[r#"
        w.yaml:4:66: there is no step `ca`
          hint: did you mean `a`?
        w.yaml:4:70: there is no step `zzzz`"#]],
    );
    check(
        "  - {name: c, type: filter, config: {query: x}, depends_on: a}",
        expect![[r#"
        w.yaml:4:61: expected a list of steps, found the text `a`
          hint: write `[a]`"#]],
    );
    check(
        "  - {name: c, type: filter, config: {query: x}, depends_on: [5, [a]]}",
        expect![[r#"
        w.yaml:4:62: expected text, found the number `5`
          hint: quote it if it is meant as text
        w.yaml:4:65: expected text, found a list"#]],
    );
    check(
        "  - {name: c, type: filter, config: {query: x}, input: [a]}",
        expect!["w.yaml:4:56: expected text, found a list"],
    );
    check(
        "  - {name: c, type: join, inputs: [a, b]}",
        expect!["w.yaml:4:35: expected a mapping, found a list"],
    );
    check(
        "  - {name: c, type: join, inputs: {left: 5, right: b}}",
        expect![[r#"
        w.yaml:4:42: expected text, found the number `5`
          hint: quote it if it is meant as text"#]],
    );
    check(
        "  - {name: c, type: union, input: a, inputs: {x: b, y: a}}",
        expect!["w.yaml:4:38: a step has `input` or `inputs`, not both"],
    );
    check(
        "  - {name: c, type: filter, config: {query: x}, input: a, depends_on: [b, b]}",
        expect!["w.yaml:4:75: `b` stands twice in `depends_on`"],
    );
}

#[test]
fn values_of_the_wrong_type() {
    check(
        "  - {name: c, type: graph.rank, input: a}",
        expect!["w.yaml:4:40: `graph.rank` takes a value of type `graph`, but `a` makes `frame`"],
    );
    check(
        "  - {name: c, type: graph.build, input: a}\n  - {name: d, type: union, inputs: {x: a, y: c}}",
        expect!["w.yaml:5:46: `union` takes a value of type `frame`, but `c` makes `graph`"],
    );
    check(
        "  - {name: c, type: write, config: {path: x}, input: a}\n  - {name: d, type: filter, config: {query: x}, depends_on: [c]}",
        expect!["w.yaml:5:62: `filter` needs an input, but `c` makes nothing"],
    );
}

#[test]
fn a_cycle_is_named_in_order() {
    check_steps(
        "
  - {name: a, type: filter, config: {query: x}, input: c}
  - {name: b, type: filter, config: {query: x}, input: a}
  - {name: c, type: filter, config: {query: x}, input: b}
",
        expect![[r#"
            w.yaml:3:12: steps form a cycle: a → b → c → a
              hint: each of these waits for the one before it"#]],
    );
}

#[test]
fn each_knot_gives_its_shortest_cycle() {
    check_steps(
        "
  - {name: alone, type: read, config: {input: x}, depends_on: [alone]}
  - {name: a, type: read, config: {input: x}, depends_on: [d, b]}
  - {name: b, type: read, config: {input: x}, depends_on: [c]}
  - {name: c, type: read, config: {input: x}, depends_on: [a]}
  - {name: d, type: read, config: {input: x}, depends_on: [a]}
  - {name: before, type: read, config: {input: x}}
  - {name: x, type: read, config: {input: x}, depends_on: [y, before, a]}
  - {name: y, type: read, config: {input: x}, depends_on: [x]}
  - {name: after, type: read, config: {input: x}, depends_on: [y]}
",
        expect![[r#"
            w.yaml:3:12: steps form a cycle: alone → alone
              hint: each of these waits for the one before it
            w.yaml:4:12: steps form a cycle: a → d → a
              hint: each of these waits for the one before it
            w.yaml:9:12: steps form a cycle: x → y → x
              hint: each of these waits for the one before it"#]],
    );
}

#[test]
fn a_long_cycle_is_shortened() {
    let steps = |i: usize| {
        format!("  - {{name: s{i}, type: read, config: {{input: x}}, depends_on: [s{}]}}\n", (i + 29) % 30)
    };
    check_steps(
        &(0..30).map(steps).collect::<String>(),
        expect![[r#"
        w.yaml:2:12: steps form a cycle: s0 → s1 → s2 → s3 → s4 → s5 → s6 → s7 → s8 → s9 → s10 → s11 → s12 → s13 → s14 → s15 → s16 → s17 → s18 → s19 → … 10 more … → s0
          hint: each of these waits for the one before it"#]],
    );
}

#[test]
fn two_steps_that_write_one_path() {
    check(
        "
  - {name: c, type: write, config: {path: out/x.parquet}, input: a}
  - {name: d, type: write, config: {path: ./out/y/../x.parquet}, input: b}
  - {name: e, type: write, config: {path: ../out/x.parquet}, input: b}
  - {name: f, type: write, config: {path: /out/x.parquet}, input: b}
  - {name: g, type: write, config: {path: /../out/x.parquet}, input: b}
  - {name: h, type: write, config: {path: ../../out/x.parquet}, input: b}
",
        expect![[r#"
            w.yaml:6:36: the steps `c` and `d` write one path: ./out/y/../x.parquet
              hint: give each a path of its own
            w.yaml:9:36: the steps `f` and `g` write one path: /../out/x.parquet
              hint: give each a path of its own"#]],
    );
}
