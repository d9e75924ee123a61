//! `seeds FOLDER` writes the first inputs of each target into `FOLDER/TARGET`, made from what the
//! repository ships and by the writers of the crates, so that none has to be kept.

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema, TimeUnit},
};
use bowstring_core::Cancel;
use bowstring_io::{
    Dataset, EagerOptions, IpcCompression, IpcContainer, IpcWriteOptions, JsonOptions, ReadOptions,
    WriteOptions, Writer,
};
use bowstring_quant::{
    Bits, CodeType, Group, Model, NonFinite, Offset, Policy, Rounding, ScaleType, Scheme, Settings, quantize,
};
use bowstring_testing::people;
use parquet::{
    arrow::ArrowWriter,
    basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel},
    file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion},
};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).ok_or("usage: seeds FOLDER")?;
    // `make fuzz` starts this in the repository's folder.
    let root = Path::new(".");
    let mut seeds = Seeds { folder: folder.into(), count: 0 };
    for batch in [varied(seeds.folder.as_path())?, packages(root)?, people()] {
        parquet(&mut seeds, &batch)?;
        ipc(&mut seeds, &batch)?;
        text(&mut seeds, &batch)?;
    }
    corners(&mut seeds)?;
    typed(&mut seeds)?;
    graphs(&mut seeds)?;
    models(&mut seeds)?;
    shipped(&mut seeds, root)?;
    println!("{} seeds in {}", seeds.count, seeds.folder.display());
    Ok(())
}

/// Where seeds go, and how many there are.
struct Seeds {
    folder: PathBuf,
    count: usize,
}

impl Seeds {
    fn add(&mut self, target: &str, bytes: &[u8]) -> Result<()> {
        let folder = self.folder.join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("seed-{:04}", self.count)), bytes)?;
        self.count += 1;
        Ok(())
    }

    /// A text after the bytes that stand for its options.
    fn add_text(&mut self, target: &str, options: [u8; 8], text: &[u8]) -> Result<()> {
        self.add(target, &[options.as_slice(), text].concat())
    }

    /// What our writer makes of the rows; the ending of `name` decides the format.
    fn written(&self, name: &str, batch: &RecordBatch, options: &WriteOptions) -> Result<Vec<u8>> {
        let path = self.folder.join(name);
        let mut writer = Writer::create(&path, &batch.schema(), options)?;
        writer.write(batch)?;
        writer.finish()?;
        let bytes = fs::read(&path)?;
        fs::remove_file(&path)?;
        Ok(bytes)
    }
}

/// Twenty-four rows of most types, with nulls and nesting.
fn varied(folder: &Path) -> Result<RecordBatch> {
    let number = || Arc::new(Field::new("item", DataType::Int32, true));
    let point = vec![Field::new("x", DataType::Int16, true), Field::new("label", DataType::Utf8, true)];
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("text", DataType::Utf8, true),
        Field::new("flag", DataType::Boolean, true),
        Field::new("float", DataType::Float64, true),
        Field::new("small", DataType::UInt8, true),
        Field::new("date", DataType::Date32, true),
        Field::new("stamp", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new("price", DataType::Decimal128(12, 2), true),
        Field::new("list", DataType::List(number()), true),
        Field::new("point", DataType::Struct(point.into()), true),
        Field::new("kind", DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)), true),
    ]);
    let mut text = String::from("{}\n");
    for id in 1..24 {
        let list = vec!["7"; id % 4].join(",");
        let (flag, fraction, cents, kind) =
            (id % 3 == 0, id as f64 / 4.0, id * 7 % 100, ["a", "bb", ""][id % 3]);
        text += &format!(
            "{{\"id\":{id},\"text\":\"text {} \u{e9}\",\"flag\":{flag},\"float\":{fraction},\"small\":{id},\
             \"date\":\"2024-02-{id:02}\",\"stamp\":\"2024-02-{id:02}T01:02:03.{id:06}Z\",\
             \"price\":{id}.{cents:02},\"list\":[{list}],\"point\":{{\"x\":{id},\"label\":null}},\"kind\":\"{kind}\"}}\n",
            id % 5
        );
    }
    fs::create_dir_all(folder)?;
    let path = folder.join("varied.ndjson");
    fs::write(&path, text)?;
    let json = JsonOptions { schema: Some(Arc::new(schema)), ..JsonOptions::default() };
    let batch = first_rows(&path, &ReadOptions { json, ..ReadOptions::default() });
    fs::remove_file(&path)?;
    batch
}

/// The first rows of the example's packages.
fn packages(root: &Path) -> Result<RecordBatch> {
    first_rows(&root.join("examples/debian-packages/data/packages.parquet"), &ReadOptions::default())
}

fn first_rows(path: &Path, options: &ReadOptions) -> Result<RecordBatch> {
    let dataset = Dataset::open(&[path.to_owned()], options)?;
    let options = EagerOptions { limit: Some(24), ..EagerOptions::default() };
    let (schema, batches) = dataset.read_all(&options, &Cancel::new())?;
    Ok(arrow::compute::concat_batches(&schema, &batches)?)
}

/// Both versions of pages, every compression, and every encoding that a column may ask for.
fn parquet(seeds: &mut Seeds, batch: &RecordBatch) -> Result<()> {
    let small = |version| {
        WriterProperties::builder()
            .set_writer_version(version)
            .set_max_row_group_row_count(Some(10))
            .set_data_page_row_count_limit(4)
            .set_write_batch_size(4)
    };
    let compressions = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::LZ4_RAW,
    ];
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for compression in compressions {
            written(seeds, batch, small(version).set_compression(compression))?;
        }
        written(seeds, batch, small(version).set_bloom_filter_enabled(true))?;
        written(seeds, batch, small(version).set_dictionary_enabled(false))?;
    }
    let narrow = |names: &[&str]| {
        let columns: Vec<usize> =
            names.iter().filter_map(|name| batch.schema().index_of(name).ok()).collect();
        batch.project(&columns)
    };
    let encoded = [
        (&["text", "name", "version"][..], Encoding::DELTA_BYTE_ARRAY),
        (&["text", "name", "version"], Encoding::DELTA_LENGTH_BYTE_ARRAY),
        (&["id", "date", "age", "installed_size"], Encoding::DELTA_BINARY_PACKED),
        (&["float", "score"], Encoding::BYTE_STREAM_SPLIT),
        (&["flag"], Encoding::RLE),
    ];
    for (names, encoding) in encoded {
        let batch = narrow(names)?;
        if batch.num_columns() > 0 {
            let properties = small(WriterVersion::PARQUET_2_0).set_dictionary_enabled(false);
            written(seeds, &batch, properties.set_encoding(encoding))?;
        }
    }
    for column in 0..batch.num_columns() {
        written(seeds, &batch.project(&[column])?, small(WriterVersion::PARQUET_1_0))?;
    }
    Ok(())
}

fn written(seeds: &mut Seeds, batch: &RecordBatch, properties: WriterPropertiesBuilder) -> Result<()> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties.build()))?;
    writer.write(batch)?;
    seeds.add("parquet", &writer.into_inner()?)
}

/// Files and streams, with and without compression, whole and column by column.
fn ipc(seeds: &mut Seeds, batch: &RecordBatch) -> Result<()> {
    for container in [IpcContainer::File, IpcContainer::Stream] {
        for compression in [IpcCompression::None, IpcCompression::Lz4, IpcCompression::Zstd] {
            let options =
                WriteOptions { ipc: IpcWriteOptions { container, compression }, ..WriteOptions::default() };
            seeds.add("ipc", &seeds.written("x.arrow", batch, &options)?)?;
            for column in 0..batch.num_columns() {
                let one = seeds.written("x.arrow", &batch.project(&[column])?, &options)?;
                seeds.add("ipc", &one)?;
            }
        }
    }
    Ok(())
}

/// The columns that are no nested ones, as CSV, and all of them as NDJSON.
fn text(seeds: &mut Seeds, batch: &RecordBatch) -> Result<()> {
    let columns = batch.columns().iter().enumerate();
    let flat: Vec<usize> =
        columns.filter(|(_, values)| !values.data_type().is_nested()).map(|(column, _)| column).collect();
    let csv = seeds.written("x.csv", &batch.project(&flat)?, &WriteOptions::default())?;
    seeds.add_text("csv", [0; 8], &csv)?;
    let json = seeds.written("x.ndjson", batch, &WriteOptions::default())?;
    seeds.add_text("ndjson", [0; 8], &json)
}

/// Small texts, each with something that readers get wrong.
fn corners(seeds: &mut Seeds) -> Result<()> {
    let csv: [([u8; 8], &[u8]); 12] = [
        ([0; 8], b"a,b\n1,\"x\ny\"\n,\n2,\"\"\"\"\n"),
        ([0; 8], b"a,b\r\n1.5,true\r\n-0,false\r\n\r\n"),
        ([0; 8], b"\xef\xbb\xbfday,at\n2024-02-29,2024-02-29T12:00:00+01:00\n"),
        ([0; 8], b"a\n9223372036854775807\n9223372036854775808\n007\n1e300\n"),
        ([b';', 0, 0, 0, 0, 0, 0, 0], b"a;b\n1;2\n"),
        ([0, b'\'', b'\\', 0, 1, 0, 0, 0], b"a,b\n'it\\'s',2\n"),
        ([0, 0, 0, 0, 1, 0, 0, 0], b"a,b\n\"1,2\n"),
        ([0, 0, 0, b'#', 2, 0, 1, 0], b"# note\n1,2\n3,x\n"),
        ([0, 0, 0, 0, 0b1110, 2, 2, 0], b"skip\nskip\n1,NA,-\n2,\"NA\",3\n"),
        ([0, 0, 0, 0, 0b10000, 0, 1, 0], b"a,b\n1,2\n1\nx,2\n1,2,3\n3,4\n"),
        ([0, 0, 0, 0, 0, 0, 0, 1], b"\xff\xfea\0,\0b\0\n\x001\0,\x002\0\n\0"),
        ([0, 0, 0, 0, 0, 0, 0, 3], b"a,b\ncaf\xe9,2\n"),
    ];
    for (options, text) in csv {
        seeds.add_text("csv", options, text)?;
    }
    let json: [([u8; 8], &[u8]); 6] = [
        ([0; 8], b"{\"a\":1,\"b\":[1,2.5,null]}\n\n{\"b\":[],\"a\":18446744073709551615}"),
        ([0; 8], b"{\"a\":{\"x\":\"\\ud83d\\ude00\",\"y\":[{\"z\":true}]}}\r\n{\"a\":null}\r\n"),
        ([0; 8], b"{\"a\":1}\n{\"a\":\"1\"}\n{\"a\":1e400}\n"),
        ([1, 0, 0, 0, 0, 0, 0, 0], b"{\"a\":1}\n{\"a\":2.5,\"b\":1}\n"),
        ([0, 2, 0, 0, 0, 0, 0, 0], b"\0{\0\"\0a\0\"\0:\x001\0}\0\n"),
        ([0; 8], b"\xef\xbb\xbf{\"a\":\"\\u0000\"}\n{\"a\":\"b\",\"a\":\"c\"}"),
    ];
    for (options, text) in json {
        seeds.add_text("ndjson", options, text)?;
    }
    let documents = [
        "version: 1\nname: n\nparams:\n  top: {type: int, default: 3}\nsteps:\n  - name: a\n    type: read\n    \
         config: {path: x.csv, n: \"${top}\"}\n  - {name: b, type: filter, input: a, config: {query: \"$$ > ${top}\"}}\n",
        "steps:\n  - &a {name: a, type: sql, retry: {max_attempts: 3, backoff: 1s, on: [data]}, timeout: 2m}\n  \
         - {name: b, type: join, inputs: {left: a, right: a}, resources: {memory: 1MiB, cpu: 2}, on_failure: continue}\n  \
         - {name: c, type: sql, config: {query: a b}, depends_on: [b]}\n",
        "{\"steps\": [{\"name\": \"a\\ud83d\\ude00\",\t\"type\": \"read\", \"config\": {\"columns\": [\"b\"]}}]}",
        "s: text\ni: -7\nf: 1.5e3\nb: true\np: some/path\nl: [a, 2, ~]\n",
        "{\"s\": \"a\", \"i\": 9223372036854775808, \"l\": []}",
        "s=text",
        "l=[a, 1]",
        "a: &x [1, 2]\nb: [*x, *x]\nc: !!str 3\nd: |\n  folded\n  text\ne: 0x1F\n",
    ];
    documents.iter().try_for_each(|text| seeds.add("document", text.as_bytes()))
}

/// Texts whose options give the columns types: the rows that do not fit are skipped in CSV.
fn typed(seeds: &mut Seeds) -> Result<()> {
    let values = ["1", "-1.25", "true", "2024-02-29", "2024-02-29T01:02:03Z", "01:02:03.5", "text"];
    let rows: String = values.iter().map(|value| format!("{value},{value}\n")).collect();
    for types in 1..64 {
        seeds.add_text("csv", [0, 0, 0, 0, 1 << 4, types << 2, 0, 0], format!("a,b\n{rows}").as_bytes())?;
    }
    let values = ["1", "-1.25", "true", "\"2024-02-29\"", "\"01:02:03\"", "[1,null]", "{\"x\":1.5}", "null"];
    for types in 1..64 {
        for value in values {
            let text = format!("{{\"a\":{value},\"b\":{value}}}\n");
            seeds.add_text("ndjson", [0, 0, types, 0, 0, 0, 0, 0], text.as_bytes())?;
        }
    }
    Ok(())
}

/// Small graphs, each with options of its own, and matrices.
fn graphs(seeds: &mut Seeds) -> Result<()> {
    for switches in 0..=255 {
        // Offsets of four nodes and their neighbours; and five edges.
        seeds.add("graph", &[switches, 0, 5, 0, 2, 3, 5, 5, 1, 2, 0, 3, 3])?;
        seeds.add("graph", &[switches, 9, 6, 0, 1, 2, 3, 4, 0, 1, 2, 0, 4, 5, 8])?;
    }
    for field in ["real", "integer", "pattern", "complex"] {
        for symmetry in ["general", "symmetric", "hermitian"] {
            let value = if field == "pattern" { "" } else { " 7" };
            let text = format!(
                "%%MatrixMarket matrix coordinate {field} {symmetry}\n% note\n3 3 2\n2 1{value}\n3 3{value}\n"
            );
            seeds.add("matrix_market", text.as_bytes())?;
        }
    }
    Ok(())
}

/// A small model, and what becomes of it by each width, offset and type, in both formats.
fn models(seeds: &mut Seeds) -> Result<()> {
    let numbers: Vec<f32> = (0..96).map(|i| (i as f32 * 0.37).sin()).collect();
    let file = bowstring_testing::safetensors(&[
        ("a.weight", &[4, 24], &numbers),
        ("b.weight", &[2, 4, 12], &numbers),
        ("norm", &[24], &numbers[..24]),
        ("none", &[0, 3], &[]),
    ]);
    seeds.add("safetensors", &file)?;
    let path = seeds.folder.join("model.safetensors");
    fs::write(&path, &file)?;
    let model = Model::open(&path)?;
    for bits in Bits::ALL {
        for (offset, scale_type, code_type) in [
            (Offset::Symmetric, ScaleType::F16, CodeType::Linear),
            (Offset::ZeroPoint, ScaleType::F16, CodeType::Linear),
            (Offset::Minimum, ScaleType::F16, CodeType::Linear),
            (Offset::Minimum, ScaleType::F32, CodeType::Quadratic),
            (Offset::Symmetric, ScaleType::F8, CodeType::Quadratic),
        ] {
            for name in ["x.parquet", "x.safetensors"] {
                let settings = Settings {
                    scheme: Scheme { bits, group: Group::of(16)?, offset, scale_type, code_type },
                    rounding: Rounding::Nearest,
                    policy: Policy::default(),
                    non_finite: NonFinite::Refuse,
                    promote: None,
                    threads: None,
                    resume: false,
                    shard_size: None,
                };
                let out = seeds.folder.join(name);
                quantize(&model, &out, &settings, BTreeMap::new(), &Cancel::default(), |_| ())?;
                seeds.add("packed", &fs::read(&out)?)?;
                fs::remove_file(&out)?;
            }
        }
    }
    drop(model);
    Ok(fs::remove_file(&path)?)
}

/// Fixtures of the tests, the workflows of the examples and of the guides.
fn shipped(seeds: &mut Seeds, root: &Path) -> Result<()> {
    for folder in ["crates/bowstring-io/tests/fixtures", "crates/bowstring-query/tests/fixtures"] {
        for path in files(&root.join(folder), "parquet")? {
            seeds.add("parquet", &fs::read(path)?)?;
        }
    }
    for path in files(&root.join("examples/debian-packages"), "yaml")? {
        seeds.add("document", &fs::read(path)?)?;
    }
    for folder in ["docs", "docs/guides"] {
        for path in files(&root.join(folder), "md")? {
            let page = fs::read_to_string(path)?;
            for block in page.split("```yaml").skip(1) {
                let (_title, block) = block.split_once('\n').unwrap_or_default();
                let (block, _) = block.split_once("```").unwrap_or((block, ""));
                seeds.add("document", block.as_bytes())?;
            }
        }
    }
    Ok(())
}

fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
