//! What do the names of folders, as in `year=2024/country=FR`, say about the rows below them?
//!
//! Each `key=value` folder below the dataset's root becomes a column. Keys and values are
//! percent-decoded; `__HIVE_DEFAULT_PARTITION__` is null. A column is int64 when all its values are
//! whole numbers as they are normally written (so `01` stays text), date32 when all are dates
//! (`2024-02-29`), and utf8 otherwise.

use std::{path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, Date32Array, Int64Array, StringArray},
    compute::kernels::cast_utils::Parser,
    datatypes::{Date32Type, Field},
};
use percent_encoding::percent_decode_str;

use crate::{IoError, Result, discover::Found};

const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// The partition columns of a list of files.
#[derive(Debug, Default)]
pub(crate) struct Partitions {
    pub(crate) fields: Vec<Field>,
    /// For each file one array of one row for each field.
    pub(crate) values: Vec<Vec<ArrayRef>>,
}

type Pairs = Vec<(String, Option<String>)>;

/// The partition columns of `files`, which must all have the same keys.
pub(crate) fn partitions(files: &[Found]) -> Result<Partitions> {
    let pairs = files.iter().map(pairs_of).collect::<Result<Vec<Pairs>>>()?;
    let Some(first) = pairs.first() else { return Ok(Partitions::default()) };
    let keys = |pairs: &Pairs| -> Vec<String> { pairs.iter().map(|(key, _)| key.clone()).collect() };
    let wanted = keys(first);
    for (file, pairs) in files.iter().zip(&pairs) {
        if keys(pairs) != wanted {
            return Err(IoError::PartitionMismatch {
                path: file.path.clone(),
                found: keys(pairs),
                expected: wanted,
            });
        }
    }
    let mut partitions = Partitions { fields: Vec::new(), values: vec![Vec::new(); files.len()] };
    for (index, key) in wanted.iter().enumerate() {
        let texts: Vec<Option<&str>> =
            pairs.iter().map(|pairs| pairs.get(index).and_then(|(_, value)| value.as_deref())).collect();
        let column = typed(&texts);
        partitions.fields.push(Field::new(key, column.data_type().clone(), true));
        for (row, values) in partitions.values.iter_mut().enumerate() {
            values.push(column.slice(row, 1));
        }
    }
    Ok(partitions)
}

fn pairs_of(file: &Found) -> Result<Pairs> {
    let Some(root) = &file.root else { return Ok(Vec::new()) };
    let folders = file.path.strip_prefix(root).unwrap_or(&file.path).parent().unwrap_or(Path::new(""));
    let mut pairs = Pairs::new();
    for folder in folders.components() {
        let Some((key, value)) = folder.as_os_str().to_str().and_then(|name| name.split_once('=')) else {
            continue;
        };
        let (key, value) = (decode(key, file)?, decode(value, file)?);
        if pairs.iter().any(|(other, _)| *other == key) {
            return Err(IoError::InvalidPartition {
                path: file.path.clone(),
                reason: format!("two of its folders give a value for `{key}`"),
            });
        }
        pairs.push((key, (value != NULL).then_some(value)));
    }
    Ok(pairs)
}

fn decode(text: &str, file: &Found) -> Result<String> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| IoError::InvalidPartition {
        path: file.path.clone(),
        reason: format!("`{text}` in its path is not percent-encoded UTF-8"),
    })?;
    Ok(decoded.into_owned())
}

fn typed(texts: &[Option<&str>]) -> ArrayRef {
    if texts.iter().any(Option::is_some) {
        if let Some(numbers) = parse_all(texts, whole_number) {
            return Arc::new(Int64Array::from(numbers));
        }
        if let Some(dates) = parse_all(texts, date) {
            return Arc::new(Date32Array::from(dates));
        }
    }
    Arc::new(StringArray::from(texts.to_vec()))
}

fn parse_all<T>(texts: &[Option<&str>], parse: fn(&str) -> Option<T>) -> Option<Vec<Option<T>>> {
    texts.iter().map(|text| text.map_or(Some(None), |text| parse(text).map(Some))).collect()
}

fn whole_number(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
}

fn date(text: &str) -> Option<i32> {
    if text.len() == 10 { Date32Type::parse(text) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::util::display::array_value_to_string;
    use bowstring_core::render;
    use expect_test::{Expect, expect};
    use std::path::PathBuf;

    fn check(paths: &[&str], expected: Expect) {
        let files: Vec<Found> = paths
            .iter()
            .map(|path| Found { path: PathBuf::from("root").join(path), root: Some("root".into()) })
            .collect();
        let text = match partitions(&files) {
            Err(error) => render(&error),
            Ok(partitions) if partitions.fields.is_empty() => "no columns".to_owned(),
            Ok(partitions) => {
                let types: Vec<String> = partitions
                    .fields
                    .iter()
                    .map(|field| format!("{} {:?}", field.name(), field.data_type()))
                    .collect();
                let rows = partitions.values.iter().map(|values| {
                    let cells = values.iter().map(|value| match value.is_null(0) {
                        true => "null".to_owned(),
                        false => array_value_to_string(value, 0).expect("a value"),
                    });
                    cells.collect::<Vec<_>>().join(", ")
                });
                std::iter::once(types.join(", ")).chain(rows).collect::<Vec<_>>().join("\n")
            }
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn a_column_has_the_narrowest_type_that_fits_all_its_values() {
        check(
            &["y=2024/d=2024-02-29/c=a/f", "y=-3/d=1969-12-31/c=7/f"],
            expect![[r#"
                y Int64, d Date32, c Utf8
                2024, 2024-02-29, a
                -3, 1969-12-31, 7"#]],
        );
        check(
            &["m=01/d=2024-02-30/f", "m=2/d=2024-02-28/f"],
            expect![[r#"
                m Utf8, d Utf8
                01, 2024-02-30
                2, 2024-02-28"#]],
        );
        check(
            &["n=99999999999999999999/f"],
            expect![[r#"
                n Utf8
                99999999999999999999"#]],
        );
    }

    #[test]
    fn nulls_and_encoded_characters_are_read_back() {
        check(
            &["k=1/s=a%2Fb%3D%C3%A9/f", "k=__HIVE_DEFAULT_PARTITION__/s=/f"],
            expect![[r#"
                k Int64, s Utf8
                1, a/b=é
                null, "#]],
        );
        check(
            &["k=__HIVE_DEFAULT_PARTITION__/f"],
            expect![[r#"
                k Utf8
                null"#]],
        );
    }

    #[test]
    fn folders_without_a_key_say_nothing() {
        check(
            &["plain/k=1/x/f"],
            expect![[r#"
                k Int64
                1"#]],
        );
        check(&["f"], expect!["no columns"]);
    }

    #[test]
    fn keys_that_differ_are_refused() {
        check(
            &["k=1/f", "j=1/f"],
            expect![[r#"
            `root/j=1/f` lies in folders with the key `j`, but the first file with the key `k`

            hint: give every file a folder for each key, or read the files as a list"#]],
        );
        check(
            &["k=1/f", "f"],
            expect![[r#"
            `root/f` lies in folders with no `key=value`, but the first file with the key `k`

            hint: give every file a folder for each key, or read the files as a list"#]],
        );
        check(
            &["k=1/k=2/f"],
            expect![
                "the folders of `root/k=1/k=2/f` cannot become columns: two of its folders give a value for `k`"
            ],
        );
        check(
            &["k=%FF/f"],
            expect![
                "the folders of `root/k=%FF/f` cannot become columns: `%FF` in its path is not percent-encoded UTF-8"
            ],
        );
    }
}
