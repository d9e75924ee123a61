//! The commands below `graph`.

use expect_test::{Expect, expect};

use crate::support::Folder;

const ROADS: &str = "from,to,miles\nyork,leeds,25\nyork,hull,38\nleeds,hull,60\nhull,york,38\nbath,bath,1\n";

const MATRIX: &str =
    "%%MatrixMarket matrix coordinate real general\n% a triangle\n3 3 3\n1 2 2\n1 3 10\n2 3 3\n";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.file("roads.csv", ROADS);
    folder.file("triangle.mtx", MATRIX);
    folder
}

fn check(args: &[&str], expected: &Expect) {
    let args: Vec<&str> = ["graph"].iter().chain(args).copied().collect();
    expected.assert_eq(&folder().run(&args));
}

#[test]
fn ranks_and_the_first_of_them() {
    let roads = ["roads.csv", "--source", "from", "--target", "to"];
    let call = |rest: &[&str], expected: &Expect| {
        let args: Vec<&str> = ["pagerank"].iter().chain(&roads).chain(rest).copied().collect();
        check(&args, expected);
    };
    call(
        &["--top", "2"],
        &expect![[r#"
            exit 0
            node                score
            ────  ───────────────────
            hull  0.29804958311516194
            york  0.29084253528530724
            iterations: 26
            residual: 0.0000009127579547352587
            converged: true
        "#]],
    );
    call(
        &["--top", "1", "--format", "json", "--personalization", "bath=1"],
        &expect![[r#"
            exit 0
            {"node":"bath","score":0.9999972437496678}
            iterations: 77
            residual: 0.0000009905231501242887
            converged: true
        "#]],
    );
    call(
        &["--top", "1", "--by", "rank"],
        &expect![[r#"
        exit 2
        error: there is no column `rank` in the answer

        hint: its columns are `node` and `score`
    "#]],
    );
    call(
        &["--damping", "1"],
        &expect![[r#"
        exit 2
        error: `damping` is 1, and must be between 0 and 1
    "#]],
    );
    call(
        &["--max-iterations", "0"],
        &expect![[r#"
        exit 2
        error: invalid value '0' for '--max-iterations <N>': expected a whole number of at least 1

        For more information, try '--help'.
    "#]],
    );
}

#[test]
fn what_flags_do_not_take_is_said() {
    let call = |algorithm: &str, rest: &[&str], expected: &Expect| {
        let args: Vec<&str> = [algorithm, "roads.csv", "--source", "from", "--target", "to"]
            .iter()
            .chain(rest)
            .copied()
            .collect();
        check(&args, expected);
    };
    call(
        "katz",
        &["--alpha", "nan"],
        &expect![[r#"
        exit 2
        error: invalid value 'nan' for '--alpha <X>': expected a finite number

        For more information, try '--help'.
    "#]],
    );
    call(
        "katz",
        &["--alpha", "much"],
        &expect![[r#"
        exit 2
        error: invalid value 'much' for '--alpha <X>': expected a finite number

        For more information, try '--help'.
    "#]],
    );
    call(
        "pagerank",
        &["--personalization", "york=inf"],
        &expect![[r#"
        exit 2
        error: invalid value 'york=inf' for '--personalization <NODE=WEIGHT>': expected a node, `=` and a finite number

        For more information, try '--help'.
    "#]],
    );
    call(
        "k-hop",
        &["--sources", "york", "--k", "-1"],
        &expect![[r#"
        exit 2
        error: invalid value '-1' for '--k <N>': expected a whole number of at least 0

        For more information, try '--help'.
    "#]],
    );
    call(
        "pagerank",
        &["--weighted"],
        &expect![[r#"
        exit 2
        error: PageRank needs weights, and the graph has none

        hint: name the column of the weights with `--weight`
    "#]],
    );
    call(
        "minimum-spanning-forest",
        &[],
        &expect![[r#"
        exit 2
        error: the minimum spanning forest is for undirected graphs

        hint: `--undirected` forgets the directions
    "#]],
    );
    call(
        "topological-sort",
        &["--undirected"],
        &expect![[r#"
        exit 2
        error: topological_sort is for directed graphs

        hint: leave out `--undirected`
    "#]],
    );
    call(
        "pagerank",
        &["--parallel-edges", "most"],
        &expect![[r#"
        exit 2
        error: invalid value 'most' for '--parallel-edges <RULE>'
          [possible values: keep, first, sum, min, max]

        For more information, try '--help'.
    "#]],
    );
}

#[test]
fn parallel_edges_and_loops_follow_their_rules() {
    let call = |rest: &[&str], expected: &Expect| {
        let args: Vec<&str> = ["degree", "roads.csv", "--source", "from", "--target", "to", "--undirected"]
            .iter()
            .chain(rest)
            .copied()
            .collect();
        check(&args, expected);
    };
    call(
        &[],
        &expect![[r#"
        exit 0
        node   degree
        ─────  ──────
        york        3
        leeds       2
        hull        3
        bath        2
    "#]],
    );
    call(
        &["--parallel-edges", "first"],
        &expect![[r#"
        exit 0
        node   degree
        ─────  ──────
        york        2
        leeds       2
        hull        2
        bath        2
    "#]],
    );
    call(
        &["--self-loops", "drop"],
        &expect![[r#"
        exit 0
        node   degree
        ─────  ──────
        york        3
        leeds       2
        hull        3
        bath        0
    "#]],
    );
}

#[test]
fn help_says_method_and_cost() {
    let output = folder().output(&["graph", "bfs", "--help"]);
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(
        help.contains("Method: Direction-optimising search (Beamer")
            && help.contains("Cost: O(nodes + edges) time.")
    );
}

#[test]
fn nodes_are_named_by_their_ids() {
    let from = ["roads.csv", "--source", "from", "--target", "to"];
    let call = |head: &[&str], rest: &[&str], expected: &Expect| {
        let args: Vec<&str> = head.iter().chain(&from).chain(rest).copied().collect();
        check(&args, expected);
    };
    call(
        &["bfs"],
        &["--sources", "york", "--max-depth", "1"],
        &expect![[r#"
        exit 0
        node   distance  parent
        ─────  ────────  ──────
        york          0  null
        leeds         1  york
        hull          1  york
        bath       null  null
    "#]],
    );
    call(
        &["sssp"],
        &["--sources", "york", "--weight", "miles", "--undirected"],
        &expect![[r#"
        exit 0
        node   distance  parent
        ─────  ────────  ──────
        york          0  null
        leeds        25  york
        hull         38  york
        bath       null  null
    "#]],
    );
    call(
        &["bfs"],
        &["--sources", "Leed"],
        &expect![[r#"
        exit 2
        error: the graph has no node `Leed`

        hint: did you mean `leeds`?
    "#]],
    );
    call(
        &["bfs"],
        &[],
        &expect![[r#"
        exit 2
        error: the following required arguments were not provided:
          --sources <NODE>

        Usage: bowstring graph bfs --sources <NODE> --source <COLUMN> --target <COLUMN> <EDGES>

        For more information, try '--help'.
    "#]],
    );
}

#[test]
fn a_matrix_needs_no_columns() {
    check(
        &["sssp", "triangle.mtx", "--sources", "0", "--method", "dijkstra"],
        &expect![[r#"
            exit 0
            node  distance  parent
            ────  ────────  ──────
               0       0.0    null
               1       2.0       0
               2       5.0       1
        "#]],
    );
    check(
        &["pagerank", "missing.mtx"],
        &expect![[r#"
            exit 4
            error: cannot open `missing.mtx`: No such file or directory (os error 2)
        "#]],
    );
}

#[test]
fn what_is_missing_or_mistyped_is_named() {
    check(
        &["pagerank", "roads.csv"],
        &expect![[r#"
        exit 2
        error: `--source` and `--target` must name the columns of the edges

        hint: `bowstring schema roads.csv` shows which there are
    "#]],
    );
    check(
        &["pagerank", "roads.csv", "--source", "form", "--target", "to"],
        &expect![[r#"
            exit 2
            error: there is no column `form`
              at roads.csv

            hint: did you mean `from`?
        "#]],
    );
    check(
        &["pagerank", "roads.parquet", "--source", "from", "--target", "to"],
        &expect![[r#"
        exit 4
        error: cannot open `roads.parquet`: No such file or directory (os error 2)
    "#]],
    );
    check(
        &["pagerankk", "roads.csv"],
        &expect![[r#"
        exit 2
        error: unrecognized subcommand 'pagerankk'

          tip: a similar subcommand exists: 'pagerank'

        Usage: bowstring graph [OPTIONS] <COMMAND>

        For more information, try '--help'.
    "#]],
    );
    check(
        &["topological-sort", "roads.csv", "--source", "from", "--target", "to"],
        &expect![[r#"
            exit 3
            error: the graph has the cycle york → leeds → hull → york
        "#]],
    );
}

#[test]
fn pairs_are_a_table() {
    let folder = folder();
    folder.file("pairs.csv", "left,right\nyork,leeds\nyork,bath\n");
    let args = [
        "graph",
        "jaccard",
        "roads.csv",
        "--source",
        "from",
        "--target",
        "to",
        "--undirected",
        "--pairs",
        "pairs.csv",
    ];
    expect![[r#"
        exit 0
        left  right             jaccard
        ────  ─────  ──────────────────
        york  leeds  0.3333333333333333
        york  bath                  0.0
    "#]]
    .assert_eq(&folder.run(&args));
}

#[test]
fn a_limit_of_memory_is_kept() {
    check(
        &["pagerank", "roads.csv", "--source", "from", "--target", "to", "--memory", "100B"],
        &expect![[r#"
            exit 5
            error: numbering nodes needs 250 B of memory, and the limit is 100 B
              at roads.csv

            hint: raise the limit of memory, which is the machine's where none is set
        "#]],
    );
}

#[test]
fn what_is_wrong_in_a_file_is_said_with_its_name() {
    let folder = folder();
    folder.file("bad.mtx", "%%MatrixMarket matrix coordinate real general\n3 3 1\n1 x 2\n");
    expect![[r#"
        exit 3
        error: this is no graph in the Matrix Market format: `x` is no number of the kind announced
          at bad.mtx, line 3
    "#]]
    .assert_eq(&folder.run(&["graph", "pagerank", "bad.mtx"]));
    folder.file("gap.csv", "from,to\na,b\n,c\n");
    let args = ["graph", "pagerank", "gap.csv", "--source", "from", "--target", "to"];
    expect![[r#"
        exit 3
        error: edge 1 has no value
          at gap.csv, column `from`

        hint: drop these edges first, or fill the nulls
    "#]]
    .assert_eq(&folder.run(&args));
}
