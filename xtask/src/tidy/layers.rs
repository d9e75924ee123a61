//! Which crate may depend on which? The table is the rule; an edge that is not in it is refused.

use crate::metadata::Metadata;

/// Each crate and the crates of ours that it may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("bowstring-core", &[]),
    ("bowstring-simd", &[]),
    ("bowstring-io", &["bowstring-core"]),
    ("bowstring-graph", &["bowstring-core"]),
    ("bowstring-tokenizer", &["bowstring-core", "bowstring-simd"]),
    ("bowstring-workflow", &["bowstring-core"]),
    ("bowstring-query", &["bowstring-core", "bowstring-io"]),
    ("bowstring-quant", &["bowstring-core", "bowstring-io", "bowstring-simd"]),
    (
        "bowstring",
        &[
            "bowstring-core",
            "bowstring-graph",
            "bowstring-io",
            "bowstring-quant",
            "bowstring-query",
            "bowstring-tokenizer",
            "bowstring-workflow",
        ],
    ),
    ("bowstring-cli", &["bowstring"]),
    ("bowstring-python", &["bowstring", "bowstring-cli"]),
    ("bowstring-testing", &[]),
    ("xtask", &[]),
];

/// For tests only, and for any crate.
const FOR_TESTS: &str = "bowstring-testing";

/// One crate of ours naming another in its manifest.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    from: String,
    to: Option<String>,
    for_tests: bool,
}

/// The edges between the workspace's crates; a crate without any still appears once.
pub(super) fn edges(metadata: &Metadata) -> Vec<Edge> {
    let names: Vec<&str> = metadata.members().map(|package| package.name.as_str()).collect();
    let mut edges = Vec::new();
    for package in metadata.members() {
        edges.push(Edge { from: package.name.clone(), to: None, for_tests: false });
        for dependency in &package.dependencies {
            if names.contains(&dependency.name.as_str()) {
                edges.push(Edge {
                    from: package.name.clone(),
                    to: Some(dependency.name.clone()),
                    for_tests: dependency.kind.as_deref() == Some("dev"),
                });
            }
        }
    }
    edges
}

/// The edges that break the layers, and the crates that the table does not know.
pub(super) fn check(edges: &[Edge]) -> Vec<String> {
    let mut problems = Vec::new();
    for Edge { from, to, for_tests } in edges {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| name == from) else {
            if to.is_none() {
                problems.push(format!("crate {from} has no place in the layers (xtask/src/tidy/layers.rs)"));
            }
            continue;
        };
        let Some(to) = to else { continue };
        if !(allowed.contains(&to.as_str()) || (*for_tests && to == FOR_TESTS)) {
            problems.push(format!("crate {from} must not depend on {to}: the layers forbid it"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::{Edge, check};

    fn edge(from: &str, to: &str, for_tests: bool) -> Edge {
        Edge { from: from.into(), to: Some(to.into()), for_tests }
    }

    fn refuses(edge: &Edge, expected: &Expect) {
        expected.assert_eq(&check(std::slice::from_ref(edge)).join("\n"));
    }

    #[test]
    fn allowed_edges_pass() {
        refuses(&edge("bowstring-query", "bowstring-io", false), &expect![""]);
        refuses(&edge("bowstring-io", "bowstring-testing", true), &expect![""]);
    }

    #[test]
    fn an_edge_between_siblings_is_refused() {
        refuses(
            &edge("bowstring-workflow", "bowstring-io", false),
            &expect!["crate bowstring-workflow must not depend on bowstring-io: the layers forbid it"],
        );
    }

    #[test]
    fn test_helpers_stay_in_tests() {
        refuses(
            &edge("bowstring-io", "bowstring-testing", false),
            &expect!["crate bowstring-io must not depend on bowstring-testing: the layers forbid it"],
        );
    }

    #[test]
    fn a_test_may_not_reach_across_the_layers_either() {
        refuses(
            &edge("bowstring-workflow", "bowstring-io", true),
            &expect!["crate bowstring-workflow must not depend on bowstring-io: the layers forbid it"],
        );
    }

    #[test]
    fn an_unknown_crate_is_refused_once() {
        let alone = Edge { from: "bowstring-new".into(), to: None, for_tests: false };
        let problems = check(&[alone, edge("bowstring-new", "bowstring-io", false)]);
        expect!["crate bowstring-new has no place in the layers (xtask/src/tidy/layers.rs)"]
            .assert_eq(&problems.join("\n"));
    }
}
