//! What is behind `bowstring.Tokenizer`?

use std::{
    num::NonZero,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use arrow::{
    array::{Array, ArrayRef, AsArray, LargeListBuilder, UInt32Builder, new_empty_array},
    buffer::Buffer,
    compute::{CastOptions, cast_with_options, concat},
    datatypes::{DataType, Field, UInt32Type},
};
use bowstring::{
    Cancel,
    io::{Dataset, ReadOptions, WriteOptions, Writer},
    query::{QueryError, Table},
    tokenizer::{
        Algorithm, BatchOptions, ChatOptions, ChunkOptions, DecodeStream, Library, OffsetUnit, PadTo,
        Padding, Side, Tokenization, Tokenizer, TrainOptions, Truncation, TruncationStrategy,
    },
};
use bowstring_cli::hub_cache;
use jiff::civil::DateTime;
use pyo3::{
    intern,
    prelude::*,
    types::{PyByteArray, PyBytes, PyDict, PyString},
};
use pyo3_arrow::{PyArray, export::Arro3Array, input::AnyArray};
use serde_json::Value as Json;

use crate::{
    arguments::{Options, json, paths},
    encoded::{PyBatch, PyEncoding, Rectangle},
    error::{Fault, Result},
    table::PyTable,
    texts::{self, Given},
    typed,
    work::{engine, work, work_apart},
};

/// A tokenizer, which never changes; sharing it copies nothing.
#[pyclass(module = "bowstring._bowstring", name = "NativeTokenizer", frozen)]
pub(crate) struct PyTokenizer {
    tokenizer: Tokenizer,
}

impl From<Tokenizer> for PyTokenizer {
    fn from(tokenizer: Tokenizer) -> Self {
        Self { tokenizer }
    }
}

/// Less text than this is tokenised on the caller's thread: it takes no longer than starting one.
const SMALL: usize = 64 << 10;

fn failed(error: bowstring::tokenizer::TokenizerError) -> Fault {
    Fault::Engine(error.into())
}

/// Does `task` without the interpreter: at once when it is about few bytes, else so that Ctrl-C stops it.
fn on<T: Send + 'static>(
    py: Python<'_>,
    bytes: usize,
    task: impl FnOnce(&Cancel) -> Result<T> + Send + 'static,
) -> Result<T> {
    if bytes < SMALL { py.detach(|| task(&Cancel::new())) } else { work_apart(py, task) }
}

const SIDES: [(&str, Side); 2] = [("left", Side::Left), ("right", Side::Right)];
const STRATEGIES: [(&str, TruncationStrategy); 3] = [
    ("longest_first", TruncationStrategy::LongestFirst),
    ("only_first", TruncationStrategy::OnlyFirst),
    ("only_second", TruncationStrategy::OnlySecond),
];

fn word<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    words.iter().find(|(_, known)| known == value).map_or("", |(word, _)| word)
}

fn positive(given: &Options<'_, '_>, name: &str) -> Result<Option<NonZero<usize>>> {
    let Some(number) = given.one::<usize>(name)? else { return Ok(None) };
    let unfit = || Fault::Unfit {
        name: name.to_owned(),
        expected: "a whole number of at least 1",
        given: number.to_string(),
    };
    NonZero::new(number).map(Some).ok_or_else(unfit)
}

fn batch_options(given: &Options<'_, '_>) -> Result<BatchOptions> {
    let is = |name: &str| Ok::<_, Fault>(given.one::<bool>(name)?.unwrap_or(false));
    let offsets = match given.any("offsets")? {
        None => None,
        Some(value) if value.is_instance_of::<PyString>() => {
            given.word("offsets", &[("chars", OffsetUnit::Chars), ("bytes", OffsetUnit::Bytes)])?
        }
        Some(value) => typed::one::<bool>("offsets", &value)?.then_some(OffsetUnit::Chars),
    };
    Ok(BatchOptions {
        add_special_tokens: given.one("add_special_tokens")?.unwrap_or(true),
        attention_mask: is("attention_mask")?,
        type_ids: is("type_ids")?,
        special_tokens_mask: is("special_tokens_mask")?,
        offsets,
        word_ids: is("word_ids")?,
        overflow: is("overflow")?,
        large_list: is("large_list")?,
        threads: positive(given, "threads")?,
        cancel: Cancel::new(),
    })
}

impl PyTokenizer {
    fn padding_of(&self, given: &Options<'_, '_>) -> Result<Padding> {
        let token = given.one::<String>("token")?;
        let id = given.any("id")?.map(|id| id_of("id", &id)).transpose()?;
        let (token, id) = self.tokenizer.pad_token(token.as_deref(), id).map_err(failed)?;
        let own = self.tokenizer.padding();
        let type_id = given.any("type_id")?.map(|id| id_of("type_id", &id)).transpose()?;
        Ok(Padding {
            to: given.one::<usize>("length")?.map_or(PadTo::Longest, PadTo::Length),
            side: given.word("side", &SIDES)?.unwrap_or_default(),
            multiple_of: positive(given, "pad_to_multiple_of")?,
            id,
            type_id: type_id.or_else(|| own.map(|own| own.type_id)).unwrap_or(0),
            token,
        })
    }
}

fn is_arrow(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = object.py();
    Ok(object.hasattr(intern!(py, "__arrow_c_array__"))?
        || object.hasattr(intern!(py, "__arrow_c_stream__"))?)
}

/// The chunks of an Arrow column.
fn chunks(object: &Bound<'_, PyAny>) -> PyResult<Vec<ArrayRef>> {
    Ok(object.extract::<AnyArray>()?.into_chunked_array()?.chunks().to_vec())
}

/// The ids in a sequence of whole numbers, or in an Arrow array.
fn ids_of(name: &str, object: &Bound<'_, PyAny>) -> Result<Vec<u32>> {
    let expected = "a list of ids";
    let unfit =
        |given: String| Fault::Unfit { name: name.to_owned(), expected: "ids, which begin at 0", given };
    if is_arrow(object)? {
        let mut ids = Vec::new();
        for chunk in chunks(object)? {
            let strict = CastOptions { safe: false, ..CastOptions::default() };
            let fits = chunk.data_type().is_integer() && chunk.null_count() == 0;
            let cast = fits.then(|| cast_with_options(&chunk, &DataType::UInt32, &strict));
            match cast {
                Some(Ok(numbers)) => ids.extend_from_slice(numbers.as_primitive::<UInt32Type>().values()),
                Some(Err(error)) => return Err(unfit(error.to_string())),
                None => return Err(typed::wrong(name, expected, object)),
            }
        }
        return Ok(ids);
    }
    if object.is_instance_of::<PyString>() {
        return Err(typed::wrong(name, expected, object));
    }
    let items = object.try_iter().map_err(|_| typed::wrong(name, expected, object))?;
    items.enumerate().map(|(place, item)| id_of(&format!("{name}[{place}]"), &item?)).collect()
}

fn id_of(name: &str, object: &Bound<'_, PyAny>) -> Result<u32> {
    let id = typed::one::<usize>(name, object)?;
    let expected = "an id of 32 bits";
    u32::try_from(id).map_err(|_| Fault::Unfit { name: name.to_owned(), expected, given: id.to_string() })
}

/// The chunks of a column of lists of ids, which is an Arrow column or a sequence of sequences.
fn lists_of(object: &Bound<'_, PyAny>) -> Result<Vec<ArrayRef>> {
    if is_arrow(object)? {
        return Ok(chunks(object)?);
    }
    let expected = || typed::wrong("ids", "a list of lists of ids, or an Arrow column of them", object);
    let mut lists = LargeListBuilder::new(UInt32Builder::new());
    for (row, item) in object.try_iter().map_err(|_| expected())?.enumerate() {
        let item = item?;
        if item.is_none() {
            lists.append_null();
        } else {
            lists.values().append_slice(&ids_of(&format!("ids[{row}]"), &item)?);
            lists.append(true);
        }
    }
    Ok(vec![Arc::new(lists.finish())])
}

#[pymethods]
impl PyTokenizer {
    #[staticmethod]
    fn from_file(py: Python<'_>, path: &Bound<'_, PyAny>) -> Result<Self> {
        let path: PathBuf = typed::path(path)?;
        work_apart(py, move |_| Ok(Tokenizer::from_file(path).map_err(failed)?.into()))
    }

    #[staticmethod]
    fn from_bytes(py: Python<'_>, data: &Bound<'_, PyAny>) -> Result<Self> {
        let json = match (data.cast::<PyBytes>(), data.cast::<PyString>()) {
            (Ok(bytes), _) => bytes.as_bytes().to_vec(),
            (_, Ok(text)) => text.to_str()?.as_bytes().to_vec(),
            _ => return Err(typed::wrong("data", "bytes or a str", data)),
        };
        work_apart(py, move |_| Ok(Tokenizer::from_bytes(json).map_err(failed)?.into()))
    }

    #[staticmethod]
    fn from_directory(py: Python<'_>, path: &Bound<'_, PyAny>) -> Result<Self> {
        let path: PathBuf = typed::path(path)?;
        work_apart(py, move |_| Ok(Tokenizer::from_directory(path).map_err(failed)?.into()))
    }

    #[staticmethod]
    fn from_sentencepiece(py: Python<'_>, path: &Bound<'_, PyAny>) -> Result<Self> {
        let path: PathBuf = typed::path(path)?;
        work_apart(py, move |_| Ok(Tokenizer::from_sentencepiece(path).map_err(failed)?.into()))
    }

    #[staticmethod]
    fn from_tiktoken(
        py: Python<'_>,
        path: &Bound<'_, PyAny>,
        pattern: &Bound<'_, PyAny>,
        special_tokens: Option<&Bound<'_, PyDict>>,
    ) -> Result<Self> {
        let (path, pattern) = (typed::path(path)?, typed::one::<String>("pattern", pattern)?);
        let mut special = Vec::new();
        for (token, id) in special_tokens.into_iter().flat_map(|tokens| tokens.iter()) {
            let token = typed::one::<String>("special_tokens", &token)?;
            let id = id_of(&format!("special_tokens[{token:?}]"), &id)?;
            special.push((token, id));
        }
        work_apart(py, move |_| {
            Ok(Tokenizer::from_tiktoken(path, &pattern, &special).map_err(failed)?.into())
        })
    }

    #[staticmethod]
    fn train(py: Python<'_>, texts: &Bound<'_, PyAny>, options: &Bound<'_, PyDict>) -> Result<Self> {
        let given = Options(options);
        let algorithms =
            [("bpe", Algorithm::Bpe), ("wordpiece", Algorithm::WordPiece), ("unigram", Algorithm::Unigram)];
        let algorithm = given.word("algorithm", &algorithms)?.unwrap_or(Algorithm::Bpe);
        let mut wanted = TrainOptions::new(algorithm, given.one("vocab_size")?.unwrap_or_default());
        wanted.min_frequency = given.one::<usize>("min_frequency")?.map(|least| least as u64);
        if let Some(special) = given.many("special_tokens")? {
            wanted.special_tokens = special;
        }
        wanted.lowercase = given.one("lowercase")?.unwrap_or(wanted.lowercase);
        wanted.threads = positive(&given, "threads")?;
        let texts = Given::of(texts)?;
        work_apart(py, move |cancel| {
            let options = TrainOptions { cancel: cancel.clone(), ..wanted };
            texts.with(|texts| Ok(Tokenizer::train(texts, &options).map_err(failed)?.into()))
        })
    }

    #[staticmethod]
    fn from_pretrained(py: Python<'_>, name: &Bound<'_, PyAny>) -> Result<Self> {
        let name = typed::path(name)?.display().to_string();
        work_apart(py, move |_| {
            Ok(Tokenizer::from_pretrained(&name, hub_cache().as_deref()).map_err(failed)?.into())
        })
    }

    #[getter]
    fn backend(&self) -> String {
        self.tokenizer.backend().to_string()
    }

    fn json<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.tokenizer.json())
    }

    fn vocab_size(&self, with_added_tokens: bool) -> usize {
        self.tokenizer.vocab_size(with_added_tokens)
    }

    fn vocab<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let vocabulary = PyDict::new(py);
        for (token, id) in self.tokenizer.vocab() {
            vocabulary.set_item(token, id)?;
        }
        Ok(vocabulary)
    }

    fn special_tokens<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let special = PyDict::new(py);
        for (token, id) in self.tokenizer.special_tokens() {
            special.set_item(token, id)?;
        }
        Ok(special)
    }

    /// The tokens with a part to play, and the templates of conversations, as the model's folder says.
    fn config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let config = PyDict::new(py);
        let known = self.tokenizer.config();
        config.set_item("special_tokens", known.special_tokens.clone())?;
        config.set_item("chat_templates", known.chat_templates.clone())?;
        config.set_item("model_max_length", known.model_max_length)?;
        Ok(config)
    }

    fn num_special_tokens(&self, pair: bool) -> usize {
        self.tokenizer.num_special_tokens(pair)
    }

    fn token_to_id(&self, token: &Bound<'_, PyAny>) -> Result<Option<u32>> {
        Ok(self.tokenizer.token_to_id(&texts::text("token", token)?))
    }

    fn id_to_token(&self, id: &Bound<'_, PyAny>) -> Result<Option<String>> {
        Ok(self.tokenizer.id_to_token(id_of("id", id)?).map(str::to_owned))
    }

    /// Truncation as a mapping of its options; `None` without it.
    fn truncation<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(truncation) = self.tokenizer.truncation() else { return Ok(None) };
        let options = PyDict::new(py);
        options.set_item("max_length", truncation.max_length)?;
        options.set_item("stride", truncation.stride)?;
        options.set_item("strategy", word(&STRATEGIES, &truncation.strategy))?;
        options.set_item("side", word(&SIDES, &truncation.side))?;
        Ok(Some(options))
    }

    /// Padding as a mapping of its options; `None` without it.
    fn padding<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(padding) = self.tokenizer.padding() else { return Ok(None) };
        let options = PyDict::new(py);
        let length = match padding.to {
            PadTo::Longest => None,
            PadTo::Length(length) => Some(length),
        };
        options.set_item("length", length)?;
        options.set_item("side", word(&SIDES, &padding.side))?;
        options.set_item("pad_to_multiple_of", padding.multiple_of.map(NonZero::get))?;
        options.set_item("id", padding.id)?;
        options.set_item("type_id", padding.type_id)?;
        options.set_item("token", &padding.token)?;
        Ok(Some(options))
    }

    fn with_truncation(&self, options: Option<&Bound<'_, PyDict>>) -> Result<Self> {
        let tokenizer = self.tokenizer.clone();
        let truncation = match options {
            None => None,
            Some(options) => {
                let given = Options(options);
                Some(Truncation {
                    max_length: given.one("max_length")?.unwrap_or_default(),
                    stride: given.one("stride")?.unwrap_or_default(),
                    strategy: given.word("strategy", &STRATEGIES)?.unwrap_or_default(),
                    side: given.word("side", &SIDES)?.unwrap_or_default(),
                })
            }
        };
        Ok(tokenizer.with_truncation(truncation).map_err(failed)?.into())
    }

    fn with_padding(&self, options: Option<&Bound<'_, PyDict>>) -> Result<Self> {
        let padding = options.map(|options| self.padding_of(&Options(options))).transpose()?;
        Ok(self.tokenizer.clone().with_padding(padding).into())
    }

    fn encode(
        &self,
        py: Python<'_>,
        text: &Bound<'_, PyAny>,
        pair: Option<&Bound<'_, PyAny>>,
        options: &Bound<'_, PyDict>,
    ) -> Result<PyEncoding> {
        let options = batch_options(&Options(options))?;
        let text = texts::text("text", text)?;
        let pair = pair.map(|pair| texts::text("pair", pair)).transpose()?;
        let bytes = text.len() + pair.as_ref().map_or(0, |pair| pair.len());
        let tokenizer = self.tokenizer.clone();
        on(py, bytes, move |_| {
            let unit = options.offsets.unwrap_or(OffsetUnit::Chars);
            let encoding = tokenizer.encode(&text, pair.as_deref(), options.add_special_tokens, unit);
            Ok(encoding.map_err(failed)?.into())
        })
    }

    fn encode_batch(
        &self,
        py: Python<'_>,
        texts: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> Result<PyBatch> {
        let options = batch_options(&Options(options))?;
        let (texts, tokenizer) = (Given::of(texts)?, self.tokenizer.clone());
        on(py, texts.num_bytes(), move |cancel| {
            let wanted = BatchOptions { cancel: cancel.clone(), ..options.clone() };
            let (rows, batches) = texts
                .with(|texts| Ok((texts.len(), tokenizer.encode_batch(texts, &wanted).map_err(failed)?)))?;
            Ok(PyBatch { tokenizer, texts, options, rows, batches })
        })
    }

    /// Ids and mask as two arrays of numpy with a row for each text.
    fn encode_padded<'py>(
        &self,
        py: Python<'py>,
        texts: &Bound<'py, PyAny>,
        options: &Bound<'py, PyDict>,
    ) -> Result<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let given = Options(options);
        let (padding, options) = (self.padding_of(&given)?, batch_options(&given)?);
        let (texts, tokenizer) = (Given::of(texts)?, self.tokenizer.clone().with_padding(None));
        let made = on(py, texts.num_bytes(), move |cancel| {
            let wanted = BatchOptions { cancel: cancel.clone(), ..options };
            let batches = texts.with(|texts| tokenizer.encode_batch(texts, &wanted).map_err(failed))?;
            Rectangle::of(&batches, &padding)
        })?;
        let numpy = py.import(intern!(py, "numpy"))?;
        let array = |values: Vec<i64>| -> PyResult<Bound<'py, PyAny>> {
            let memory = PyByteArray::new(py, Buffer::from_vec(values).as_slice());
            let flat = numpy.call_method1(intern!(py, "frombuffer"), (memory, "int64"))?;
            flat.call_method1(intern!(py, "reshape"), (made.rows, made.length))
        };
        Ok((array(made.ids)?, array(made.mask)?))
    }

    fn count(
        &self,
        py: Python<'_>,
        texts: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> Result<Arro3Array> {
        let options = batch_options(&Options(options))?;
        let (texts, tokenizer) = (Given::of(texts)?, self.tokenizer.clone());
        let counts = on(py, texts.num_bytes(), move |cancel| {
            let wanted = BatchOptions { cancel: cancel.clone(), ..options };
            texts.with(|texts| tokenizer.count(texts, &wanted).map_err(failed))
        })?;
        let field = Field::new("tokens", DataType::UInt32, true);
        let counts: ArrayRef = Arc::new(counts);
        Ok(PyArray::new(counts, field.into()).into())
    }

    fn decode(&self, py: Python<'_>, ids: &Bound<'_, PyAny>, skip_special_tokens: bool) -> Result<String> {
        let ids = ids_of("ids", ids)?;
        py.detach(|| self.tokenizer.decode(&ids, skip_special_tokens)).map_err(failed)
    }

    fn decode_batch(
        &self,
        py: Python<'_>,
        ids: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> Result<Arro3Array> {
        let given = Options(options);
        let skip = given.one("skip_special_tokens")?.unwrap_or(true);
        let options = batch_options(&given)?;
        let chunks = lists_of(ids)?;
        let tokenizer = self.tokenizer.clone();
        let texts = work_apart(py, move |cancel| {
            let wanted = BatchOptions { cancel: cancel.clone(), ..options };
            let parts =
                chunks.iter().map(|chunk| tokenizer.decode_batch(chunk, skip, &wanted).map_err(failed));
            let parts = parts.collect::<Result<Vec<_>>>()?;
            let parts: Vec<&dyn Array> = parts.iter().map(|part| part as _).collect();
            match parts.as_slice() {
                [] => Ok(new_empty_array(&DataType::LargeUtf8)),
                parts => Ok(concat(parts).map_err(bowstring::Error::table)?),
            }
        })?;
        Ok(PyArray::new(texts, Field::new("text", DataType::LargeUtf8, true).into()).into())
    }

    fn decode_stream(&self, skip_special_tokens: bool) -> PyDecodeStream {
        PyDecodeStream { stream: Mutex::new(Some(self.tokenizer.decode_stream(skip_special_tokens))) }
    }

    /// The text of a conversation; `now` is year, month, day, hour, minute and second.
    fn apply_chat_template(
        &self,
        messages: &Bound<'_, PyAny>,
        variables: &Bound<'_, PyDict>,
        options: &Bound<'_, PyDict>,
        now: (i16, i8, i8, i8, i8, i8),
    ) -> Result<String> {
        let given = Options(options);
        let template = given.one::<String>("template")?;
        let value = |name: &str| given.any(name)?.map(|value| json(&value)).transpose();
        let (tools, documents) = (value("tools")?, value("documents")?);
        let Json::Object(variables) = json(variables)? else {
            return Err(typed::wrong("variables", "a mapping", variables));
        };
        let (year, month, day, hour, minute, second) = now;
        let options = ChatOptions {
            template: template.as_deref(),
            add_generation_prompt: given.one("add_generation_prompt")?.unwrap_or(false),
            continue_final_message: given.one("continue_final_message")?.unwrap_or(false),
            tools: tools.as_ref(),
            documents: documents.as_ref(),
            variables,
            now: DateTime::new(year, month, day, hour, minute, second, 0).ok(),
        };
        self.tokenizer.apply_chat_template(&json(messages)?, &options).map_err(failed)
    }

    /// Texts in chunks, as a table.
    fn chunk(
        &self,
        py: Python<'_>,
        texts: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> Result<PyTable> {
        let given = Options(options);
        let wanted = ChunkOptions {
            max_tokens: given.one("max_tokens")?.unwrap_or_default(),
            overlap: given.one("overlap")?.unwrap_or_default(),
            add_special_tokens: given.one("add_special_tokens")?.unwrap_or(true),
        };
        let options = batch_options(&given)?;
        let texts = match texts.is_instance_of::<PyString>() {
            true => Given::Strings(Arc::new(vec![Some(texts::text("texts", texts)?)])),
            false => Given::of(texts)?,
        };
        let tokenizer = self.tokenizer.clone();
        let batch = on(py, texts.num_bytes(), move |cancel| {
            let options = BatchOptions { cancel: cancel.clone(), ..options };
            texts.with(|texts| tokenizer.chunk_batch(texts, &wanted, &options).map_err(failed))
        })?;
        Ok(Table::new(batch.schema(), vec![batch])?.into())
    }

    /// Tokenises a column of files into a file, and counts its rows.
    fn encode_file(
        &self,
        py: Python<'_>,
        source: &Bound<'_, PyAny>,
        target: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> Result<u64> {
        let given = Options(options);
        let (source, target) = (paths(source)?, typed::path(target)?);
        let keep = given.many::<String>("keep")?;
        let mut tokenization = Tokenization {
            tokenizer: String::new(),
            column: given.one("column")?.unwrap_or_else(|| "text".to_owned()),
            output: given.one("output")?.unwrap_or_else(|| "ids".to_owned()),
            count: false,
            add_special_tokens: given.one("add_special_tokens")?.unwrap_or(true),
            max_length: None,
        };
        let tokenizer = self.tokenizer.clone();
        work(py, move |cancel| {
            let engine = engine()?;
            let named = Named::new(tokenizer, engine.tokenizers());
            tokenization.tokenizer.clone_from(&named.name);
            let dataset = Dataset::open(&source, &ReadOptions::default())?;
            let frame = engine.session().scan(Arc::new(dataset))?;
            let place = |error: QueryError| match source.as_slice() {
                [only] => bowstring::Error::from(error).at(only),
                _ => error.into(),
            };
            let frame = tokenization.beside(&frame, keep.as_deref()).map_err(place)?;
            let mut rows = frame.stream(cancel)?;
            let mut writer = Writer::create(&target, &rows.schema(), &WriteOptions::default())?;
            for batch in &mut rows {
                writer.write(&batch.map_err(place)?)?;
            }
            cancel.check().map_err(bowstring::Error::from)?;
            Ok(writer.finish()?.rows)
        })
    }

    fn register(&self, name: &Bound<'_, PyAny>) -> Result<()> {
        let name = typed::one::<String>("name", name)?;
        engine()?.tokenizers().register(name, self.tokenizer.clone());
        Ok(())
    }
}

/// A tokenizer that queries know by a name of its own for as long as this lives.
struct Named {
    name: String,
    library: Library,
}

impl Named {
    fn new(tokenizer: Tokenizer, library: &Library) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("bowstring.encode_file {}", NUMBER.fetch_add(1, Ordering::Relaxed));
        library.register(name.clone(), tokenizer);
        Self { name, library: library.clone() }
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        self.library.forget(&self.name);
    }
}

/// A decoder that takes ids one by one.
#[pyclass(module = "bowstring", name = "DecodeStream", frozen)]
pub(crate) struct PyDecodeStream {
    stream: Mutex<Option<DecodeStream>>,
}

#[pymethods]
impl PyDecodeStream {
    /// The text that an id adds; `None` when it has to wait for more.
    #[pyo3(signature = (id, /))]
    fn step(&self, id: u32) -> Result<Option<String>> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *stream {
            Some(stream) => stream.step(id).map_err(failed),
            None => Err(Fault::StreamEnded),
        }
    }

    /// The text of ids that still wait; there is nothing after it.
    fn finish(&self) -> Result<Option<String>> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        match stream.take() {
            Some(stream) => stream.finish().map_err(failed),
            None => Err(Fault::StreamEnded),
        }
    }
}
