//! Does a scan read no more than it must, and everything that it should?

use arrow::array::RecordBatch;
use bowstring_core::Cancel;
use bowstring_query::Frame;
use expect_test::expect;

use crate::support::{batch, dataset, ints, pairs, parquet, session, shown, strings, text};

fn numbers(folder: &tempfile::TempDir) -> Vec<std::path::PathBuf> {
    let paths: Vec<_> = ["a.parquet", "b.parquet"].iter().map(|name| folder.path().join(name)).collect();
    for (index, path) in paths.iter().enumerate() {
        let from = index as i64 * 1000;
        let n: Vec<Option<i64>> = (from..from + 1000).map(Some).collect();
        let word: Vec<String> = (from..from + 1000).map(|n| format!("w{n}")).collect();
        let words: Vec<Option<&str>> = word.iter().map(|word| Some(word.as_str())).collect();
        parquet(path, &batch(&[("n", ints(&n)), ("word", text(&words))]), 100);
    }
    paths
}

#[test]
fn columns_and_conditions_reach_the_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let frame = session().scan(dataset(&numbers(&folder))).expect("a frame");
    let few = frame
        .filter("n >= 250 and n < 1250 and word <> 'w300'")
        .and_then(|f| f.filter("length(word) = 4"))
        .and_then(|f| f.select(&strings(&["n"])))
        .expect("a frame");
    expect![[r#"
        FilterExec: character_length(word@1) = 4, projection=[n@0]
          CooperativeExec
            DatasetExec: files=2, partitions=2, projection=[n, word], predicate=word != w300 AND n >= 250 AND n < 1250
    "#]].assert_eq(&few.explain(false, &Cancel::new()).expect("a plan"));
    expect![[r#"
        +------+--------+
        | rows | sum    |
        +------+--------+
        | 749  | 468075 |
        +------+--------+"#]]
    .assert_eq(&shown(few.aggregate(&[], &pairs(&[("rows", "count(*)"), ("sum", "sum(n)")]))));
    let first = frame.filter("n > 990").and_then(|f| f.limit(12)).expect("a frame");
    expect![[r#"
        GlobalLimitExec: skip=0, fetch=12
          CooperativeExec
            DatasetExec: files=2, partitions=1, projection=[n, word], predicate=n > 990, limit=12
    "#]]
    .assert_eq(&first.explain(false, &Cancel::new()).expect("a plan"));
    expect![[r#"
        +-------+------+
        | least | most |
        +-------+------+
        | 991   | 1002 |
        +-------+------+"#]]
    .assert_eq(&shown(first.aggregate(&[], &pairs(&[("least", "min(n)"), ("most", "max(n)")]))));
}

#[test]
fn rows_are_counted_without_reading_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let frame = session().scan(dataset(&numbers(&folder))).expect("a frame");
    let count = frame.aggregate(&[], &pairs(&[("rows", "count(*)")])).expect("a frame");
    expect![[r#"
        ProjectionExec: expr=[2000 as rows]
          PlaceholderRowExec
    "#]]
    .assert_eq(&count.explain(false, &Cancel::new()).expect("a plan"));
    expect![[r#"
        +------+
        | rows |
        +------+
        | 2000 |
        +------+"#]]
    .assert_eq(&shown(Ok(count)));
    let none = frame.filter("n > 500").and_then(|f| f.aggregate(&[], &pairs(&[("rows", "count(*)")])));
    expect![[r#"
        +------+
        | rows |
        +------+
        | 1499 |
        +------+"#]]
    .assert_eq(&shown(none));
}

#[test]
fn files_are_read_in_their_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let frame = session().scan(dataset(&numbers(&folder))).expect("a frame");
    let table = frame.collect(&Cancel::new()).expect("rows").table;
    let found: Vec<i64> = table
        .batches()
        .iter()
        .flat_map(|batch| {
            use arrow::array::AsArray;
            batch.column(0).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec()
        })
        .collect();
    assert_eq!(found, (0..2000).collect::<Vec<i64>>());
    assert_eq!(table.schema().as_ref(), frame.schema().as_ref());
}

#[test]
fn an_empty_file_has_its_columns() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("empty.parquet");
    let empty: RecordBatch = batch(&[("n", ints(&[]))]);
    parquet(&path, &empty, 10);
    let frame = session().scan(dataset(&[path])).expect("a frame");
    let table = frame.collect(&Cancel::new()).expect("rows").table;
    assert_eq!((table.num_rows(), table.schema().field(0).name().as_str()), (0, "n"));
    expect![[r#"
        +------+-----+
        | rows | sum |
        +------+-----+
        | 0    |     |
        +------+-----+"#]]
    .assert_eq(&shown(frame.aggregate(&[], &pairs(&[("rows", "count(*)"), ("sum", "sum(n)")]))));
}

#[test]
fn measures_are_those_of_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let frame = session().scan(dataset(&numbers(&folder))).expect("a frame");
    let sorted = frame.sort(&strings(&["n desc"])).expect("a frame");
    let metrics = sorted.collect(&Cancel::new()).expect("rows").metrics;
    assert!(metrics.peak_memory.is_some_and(|bytes| bytes >= 2000 * 8), "{metrics:?}");
    let scan = metrics.operators.iter().find(|operator| operator.name == "DatasetExec").expect("a scan");
    assert_eq!(scan.rows, Some(2000));
    assert!(scan.elapsed.is_some_and(|time| !time.is_zero()) && scan.depth > 0);
    let mut stream = sorted.stream(&Cancel::new()).expect("a stream");
    assert!(stream.metrics().is_none());
    assert_eq!(stream.by_ref().map(|batch| batch.expect("a batch").num_rows()).sum::<usize>(), 2000);
    assert!(stream.metrics().is_some_and(|metrics| metrics.peak_memory.is_some()));
}

#[test]
fn a_condition_becomes_the_readers_own_where_they_can_check_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = dataset(&numbers(&folder));
    let check = |condition: &str, known: bool| {
        let predicate = session().predicate(files.clone(), condition).expect("a condition");
        assert_eq!(predicate.is_some(), known, "{condition}: {predicate:?}");
    };
    check("n >= 250 and word <> 'w300'", true);
    check("n > 1000000", true);
    check("n is null", true);
    check("length(word) = 4", false);
    check("n > 250 and length(word) = 4", false);
    let unknown = session().predicate(files.clone(), "m > 1").expect_err("no such column");
    assert_eq!(unknown.to_string(), "there is no column `m`");
}

#[test]
fn steps_one_upon_the_other_are_the_plan_of_the_one_query() {
    let folder = tempfile::tempdir().expect("a folder");
    let session = session();
    let frame = session.scan(dataset(&numbers(&folder))).expect("a frame");
    let steps = frame
        .filter("n between 250 and 1250")
        .and_then(|f| f.filter("word <> 'w300'"))
        .and_then(|f| f.select(&strings(&["n", "word"])))
        .and_then(|f| f.aggregate(&strings(&["word"]), &pairs(&[("total", "sum(n)")])))
        .expect("a frame");
    let query = "select word, sum(n) as total from t \
                 where n between 250 and 1250 and word <> 'w300' group by word";
    let query = session.sql(query, &[("t".to_owned(), frame)]).expect("a frame");
    let plan = |frame: &Frame| frame.explain(false, &Cancel::new()).expect("a plan");
    assert_eq!(plan(&steps), plan(&query).replace("t.", ""));
    expect![[r#"
        ProjectionExec: expr=[word@0 as word, CAST(sum(n)@1 AS Int64) as total]
          AggregateExec: mode=FinalPartitioned, gby=[word@0 as word], aggr=[sum(n)]
            RepartitionExec: partitioning=Hash([word@0], 4), input_partitions=2
              AggregateExec: mode=Partial, gby=[word@1 as word], aggr=[sum(n)]
                DatasetExec: files=2, partitions=2, projection=[n, word], predicate=n >= 250 AND n <= 1250 AND word != w300
    "#]].assert_eq(&plan(&steps));
}
