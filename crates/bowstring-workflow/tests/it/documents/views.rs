//! Diagrams.

use bowstring_workflow::{Params, ViewFormat, view};
use expect_test::{Expect, expect};

use super::validate_with;

const WORKFLOW: &str = r##"
name: 'the "whole" \ thing'
steps:
  - {name: 'a "quoted" <b>#1</b>', type: read, config: {input: x}}
  - {name: b, type: read, config: {input: y}}
  - {name: c, type: join, inputs: {left: 'a "quoted" <b>#1</b>', right: b}}
  - {name: '`d` \ end]', type: write, config: {path: out}, input: c, depends_on: [b]}
"##;

fn check(format: ViewFormat, expected: Expect) {
    let workflow = validate_with(WORKFLOW, &Params::new()).unwrap();
    expected.assert_eq(&view(&workflow, format));
}

#[test]
fn mermaid_escapes_what_has_a_meaning() {
    check(
        ViewFormat::Mermaid,
        expect![[r##"
        flowchart LR
          s0["a #34;quoted#34; #60;b#62;#35;1#60;#47;b#62;<br/>read"]
          s1["b<br/>read"]
          s2["c<br/>join"]
          s3["#96;d#96; #92; end#93;<br/>write"]
          s0 -->|"left"| s2
          s1 -->|"right"| s2
          s2 --> s3
          s1 -.-> s3
    "##]],
    );
}

#[test]
fn dot_escapes_quotes_and_backslashes() {
    check(
        ViewFormat::Dot,
        expect![[r#"
        digraph "the \"whole\" \\ thing" {
          rankdir=LR;
          node [shape=box];
          s0 [label="a \"quoted\" <b>#1</b>\nread"];
          s1 [label="b\nread"];
          s2 [label="c\njoin"];
          s3 [label="`d` \\ end]\nwrite"];
          s0 -> s2 [label="left"];
          s1 -> s2 [label="right"];
          s2 -> s3;
          s1 -> s3 [style=dashed];
        }
    "#]],
    );
}
