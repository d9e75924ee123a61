//! Do pictures show what they should, whatever the labels are?

use bowstring_core::{Cancel, units::ByteSize};
use bowstring_graph::{DrawOptions, GraphError, Run, draw, top_ranked};
use expect_test::expect;
use proptest::prelude::*;

use crate::support::{edge_lists, graph, message};

/// How often something stands in a picture.
fn count(picture: &str, what: &str) -> usize {
    picture.matches(what).count()
}

#[test]
fn a_picture_has_its_nodes_edges_labels_and_arrows() {
    let edges = [(0, 1), (0, 1), (1, 0), (1, 2), (2, 2), (2, 3)];
    let labels = ["a", "b", "c"].map(String::from);
    let options = DrawOptions {
        nodes: Some(&[0, 1, 2]),
        labels: Some(&labels),
        marked: &[0],
        title: Some("three"),
        ..DrawOptions::default()
    };
    let picture = draw(&graph(4, &edges, true), &options, &Run::default()).unwrap();
    assert_eq!(count(&picture, "<circle"), 3);
    assert_eq!(count(&picture, "marker-end"), 4, "0→1, 1→0, 1→2 and the loop at 2");
    for text in [">a</text>", ">b</text>", ">c</text>", "<title>three</title>", ">three</text>"] {
        assert_eq!(count(&picture, text), 1, "{text}");
    }
    assert_eq!(count(&picture, "stroke-width=\"2.5\""), 1);
    let undirected = draw(&graph(4, &edges, false), &options, &Run::default()).unwrap();
    assert_eq!((count(&undirected, "<path"), count(&undirected, "marker")), (3, 0));
    assert_eq!(draw(&graph(4, &edges, false), &options, &Run::default()).unwrap(), undirected);
    // A node named twice is drawn once, and without labels nodes have their numbers.
    let twice = DrawOptions { nodes: Some(&[3, 2, 3]), ..DrawOptions::default() };
    let picture = draw(&graph(4, &edges, true), &twice, &Run::default()).unwrap();
    assert_eq!((count(&picture, "<circle"), count(&picture, ">3</text>")), (2, 1));
}

#[test]
fn scores_give_sizes_and_groups_give_colours() {
    let made = graph(4, &[(0, 1), (0, 2), (0, 3)], false);
    let options = DrawOptions {
        scores: Some(&[4.0, 1.0, 0.0, 0.0]),
        groups: Some(&[7, 9, 9, 9]),
        ..DrawOptions::default()
    };
    let picture = draw(&made, &options, &Run::default()).unwrap();
    for (text, times) in
        [("r=\"18.0\"", 1), ("r=\"11.0\"", 1), ("r=\"4.0\"", 2), ("#3b6fb6", 3), ("#e0803a", 1)]
    {
        assert_eq!(count(&picture, text), times, "{text}");
    }
    assert!(picture.contains("<title>0: 4.000000 (group 7)</title>"), "{picture}");
    let groups: Vec<u32> = (0..12).collect();
    let many = DrawOptions { groups: Some(&groups), ..DrawOptions::default() };
    let picture = draw(&graph(12, &[], false), &many, &Run::default()).unwrap();
    assert_eq!(count(&picture, "#9aa3ad"), 2, "two groups beyond ten colours");
    // The ends of what a float holds are no trouble.
    let extreme = DrawOptions { scores: Some(&[f64::MAX, f64::MIN, 0.0, 0.0]), ..DrawOptions::default() };
    let picture = draw(&made, &extreme, &Run::default()).unwrap();
    assert!(!picture.contains("NaN") && !picture.contains("\"inf"), "{picture}");
}

#[test]
fn labels_are_escaped_and_cut() {
    let labels = ["<b>&\"'".to_owned(), "a\0b\nc\u{7f}\u{85}\u{ffff}".to_owned(), "x".repeat(100)];
    let options = DrawOptions { labels: Some(&labels), title: Some("</svg>"), ..DrawOptions::default() };
    let picture = draw(&graph(3, &[], false), &options, &Run::default()).unwrap();
    for text in [
        ">&lt;b&gt;&amp;&quot;&#39;</text>",
        ">a␀b␊c␡\u{fffd}\u{fffd}</text>",
        &format!(">{}…</text>", "x".repeat(27)),
        &format!("<title>{}</title>", "x".repeat(100)),
        "<title>&lt;/svg&gt;</title>",
    ] {
        assert!(picture.contains(text), "{text} in {picture}");
    }
    assert_eq!(count(&picture, "</svg>"), 1);
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let run = Run::default();
    let large = graph(501, &[], false);
    expect![[r#"
        limit: a picture has at most 500 nodes, and these are 501

        hint: draw fewer nodes: those within fewer hops, or the top-ranked ones"#]]
    .assert_eq(&message(draw(&large, &DrawOptions::default(), &run)));
    let nodes: Vec<u32> = (0..500).chain(0..500).collect();
    assert!(draw(&large, &DrawOptions { nodes: Some(&nodes), ..Default::default() }, &run).is_ok());
    let dense: Vec<(u32, u32)> = (0..101).flat_map(|from| (0..from).map(move |to| (from, to))).collect();
    assert!(matches!(
        draw(&graph(101, &dense, false), &DrawOptions::default(), &run),
        Err(GraphError::TooManyToDraw { what: "edges", found: 5050, most: 5000 })
    ));
    let made = graph(2, &[(0, 1)], false);
    let check = |options: DrawOptions<'_>| message(draw(&made, &options, &run));
    let labels = ["a".to_owned()];
    expect!["usage: node 2 is not in the graph, which has 2"]
        .assert_eq(&check(DrawOptions { nodes: Some(&[0, 2]), ..Default::default() }));
    expect!["usage: node 9 is not in the graph, which has 2"]
        .assert_eq(&check(DrawOptions { marked: &[9], ..Default::default() }));
    expect!["usage: `labels` is 1 long, and must be as long as the nodes to draw are many"]
        .assert_eq(&check(DrawOptions { labels: Some(&labels), ..Default::default() }));
    expect!["usage: `scores` is 1 long, and must be as long as the graph has nodes"]
        .assert_eq(&check(DrawOptions { scores: Some(&[1.0]), ..Default::default() }));
    expect!["usage: `groups` is 3 long, and must be as long as the graph has nodes"]
        .assert_eq(&check(DrawOptions { groups: Some(&[1, 2, 3]), ..Default::default() }));
    expect!["usage: `scores` is NaN at node 1, and must be finite"]
        .assert_eq(&check(DrawOptions { scores: Some(&[1.0, f64::NAN]), ..Default::default() }));
    let small = Run::default().with_memory(Some(ByteSize(1)));
    assert!(matches!(draw(&made, &DrawOptions::default(), &small), Err(GraphError::Memory { .. })));
    let cancel = Cancel::new();
    cancel.cancel();
    let stopped = Run::default().with_cancel(cancel);
    assert!(matches!(draw(&made, &DrawOptions::default(), &stopped), Err(GraphError::Cancelled(_))));
}

#[test]
fn an_empty_graph_is_an_empty_picture() {
    let picture = draw(&graph(0, &[], true), &DrawOptions::default(), &Run::default()).unwrap();
    assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n"), "{picture}");
}

#[test]
fn the_first_are_those_with_the_largest_scores() {
    assert_eq!(top_ranked(&[1.0, f64::NAN, 3.0, 3.0, -1.0], 4), [2, 3, 0, 4]);
    assert_eq!(top_ranked(&[0.5], 10), [0]);
    assert!(top_ranked(&[], 3).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn numbers_in_pictures_are_finite_and_labels_apart(list in edge_lists(60), directed: bool) {
        let labels: Vec<String> = (0..list.nodes).map(|node| format!("a rather long label {node}")).collect();
        let options = DrawOptions { labels: Some(&labels), ..DrawOptions::default() };
        let picture = draw(&graph(list.nodes, &list.edges, directed), &options, &Run::default()).unwrap();
        prop_assert!(!picture.contains("NaN") && !picture.contains("inf "), "{picture}");
        prop_assert_eq!(count(&picture, "<circle"), list.nodes as usize);
        let number = |line: &str, name: &str| -> f64 {
            let rest = &line[line.find(&format!(" {name}=\"")).unwrap() + name.len() + 3..];
            rest[..rest.find('"').unwrap()].parse().unwrap()
        };
        let texts: Vec<(f64, f64, f64, f64)> = picture
            .lines()
            .filter(|line| line.starts_with("<text"))
            .map(|line| (number(line, "x"), number(line, "y"), number(line, "textLength"), number(line, "font-size")))
            .collect();
        for (place, &(x, y, length, _)) in texts.iter().enumerate() {
            for &(other_x, other_y, other_length, size) in &texts[..place] {
                let apart = x + length <= other_x + 0.2 || other_x + other_length <= x + 0.2 || (y - other_y).abs() >= size - 0.2;
                prop_assert!(apart, "two labels overlap in {picture}");
            }
        }
    }
}
