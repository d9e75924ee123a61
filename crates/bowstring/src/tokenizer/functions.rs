//! Which functions over text does SQL get? `tokenize` and `token_count`, each of a text, a tokenizer and,
//! where wanted, whether special tokens are added and how many ids there are at most.

use std::{
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, new_null_array},
    compute::cast,
    datatypes::{DataType, Field, Int64Type},
};
use bowstring_core::{Diagnostic, ErrorKind};
use bowstring_query::{Argument, Call, Function, QueryError};
use bowstring_tokenizer::{BatchOptions, Texts, Tokenizer, TokenizerError, Truncation};

use super::Library;

/// Both functions. Their calls share `threads`, as many as the machine has when it is 0.
pub(crate) fn functions(library: &Library, threads: usize) -> Vec<Arc<dyn Function>> {
    let threads = match threads {
        0 => std::thread::available_parallelism().map_or(1, NonZero::get),
        threads => threads,
    };
    let share = Arc::new(Share { threads, busy: AtomicUsize::new(0) });
    let function = |what| -> Arc<dyn Function> {
        Arc::new(OfText { what, library: library.clone(), share: Arc::clone(&share) })
    };
    vec![function(What::Ids), function(What::Count)]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Ids,
    Count,
}

#[derive(Debug)]
struct OfText {
    what: What,
    library: Library,
    share: Arc<Share>,
}

/// The threads that calls may use. The streams of a query call at the same time; while others wait for
/// their turn to be read, the one that works has them all.
#[derive(Debug)]
struct Share {
    threads: usize,
    busy: AtomicUsize,
}

impl Share {
    fn during<T>(&self, work: impl FnOnce(NonZero<usize>) -> T) -> T {
        /// Ends a call's part, also when it panics.
        struct Busy<'a>(&'a AtomicUsize);
        impl Drop for Busy<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let busy = self.busy.fetch_add(1, Ordering::Relaxed) + 1;
        let _busy = Busy(&self.busy);
        work(NonZero::new(self.threads.div_ceil(busy)).unwrap_or(NonZero::<usize>::MIN))
    }
}

/// What is wrong with a call, or with what it gives.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("`{name}` is called with {found} arguments")]
    Count { name: &'static str, usage: &'static str, found: usize },
    #[error("the argument `{argument}` of `{name}` must be {expected}")]
    Argument { name: &'static str, argument: &'static str, expected: &'static str },
    #[error("the {ids} ids of {rows} rows do not fit into one list")]
    TooMany { ids: usize, rows: usize },
}

impl Diagnostic for CallError {
    fn kind(&self) -> ErrorKind {
        match self {
            CallError::TooMany { .. } => ErrorKind::Limit,
            CallError::Count { .. } | CallError::Argument { .. } => ErrorKind::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            CallError::Count { usage, .. } => return Some(format!("write `{usage}`")),
            CallError::Argument { argument: "tokenizer", .. } => {
                "name a `tokenizer.json`, as in `token_count(text, 'tokenizer.json')`"
            }
            CallError::Argument { .. } => return None,
            CallError::TooMany { .. } => "read the rows in smaller batches",
        };
        Some(hint.to_owned())
    }
}

fn wrong(error: impl Diagnostic) -> QueryError {
    QueryError::Function(Arc::new(error))
}

impl What {
    fn name(self) -> &'static str {
        match self {
            What::Ids => "tokenize",
            What::Count => "token_count",
        }
    }

    fn usage(self) -> &'static str {
        match self {
            What::Ids => "tokenize(text, tokenizer[, add_special_tokens[, max_length]])",
            What::Count => "token_count(text, tokenizer[, add_special_tokens])",
        }
    }
}

impl OfText {
    fn wants(&self, argument: &'static str, expected: &'static str) -> QueryError {
        wrong(CallError::Argument { name: self.what.name(), argument, expected })
    }

    /// The value of an argument that has to be a literal.
    fn literal<'a>(&self, argument: Option<&'a Argument>) -> Option<&'a ArrayRef> {
        argument?.literal.as_ref().filter(|literal| literal.len() == 1 && literal.is_valid(0))
    }

    fn tokenizer(&self, argument: &Argument) -> Result<Tokenizer, QueryError> {
        let literal = self.literal(Some(argument));
        let text = literal.and_then(|literal| cast(literal, &DataType::Utf8).ok());
        let Some(text) = text.filter(|_| is_text(&argument.data_type)) else {
            return Err(self.wants("tokenizer", "a path or a name in single quotes"));
        };
        self.library.get(text.as_string::<i32>().value(0)).map_err(wrong)
    }

    fn add_special_tokens(&self, argument: Option<&Argument>) -> Result<bool, QueryError> {
        if argument.is_none() {
            return Ok(true);
        }
        let flag = self.literal(argument).and_then(|literal| literal.as_boolean_opt());
        flag.map(|flag| flag.value(0)).ok_or_else(|| self.wants("add_special_tokens", "true or false"))
    }

    fn max_length(&self, argument: Option<&Argument>) -> Result<Option<usize>, QueryError> {
        if argument.is_none() {
            return Ok(None);
        }
        let number = self.literal(argument).filter(|literal| literal.data_type().is_integer());
        let number = number.and_then(|literal| cast(literal, &DataType::Int64).ok());
        let number = number.map(|number| number.as_primitive::<Int64Type>().value(0));
        match number.and_then(|number| usize::try_from(number).ok()) {
            Some(number) => Ok(Some(number)),
            None => Err(self.wants("max_length", "a whole number of at least 0")),
        }
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_text(values),
        _ => data_type.is_string(),
    }
}

fn list_of_ids() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::UInt32, false)))
}

impl Function for OfText {
    fn name(&self) -> &str {
        self.what.name()
    }

    fn bind(&self, arguments: &[Argument]) -> Result<Call, QueryError> {
        let most = if self.what == What::Ids { 4 } else { 3 };
        let (Some(text), Some(tokenizer), true) =
            (arguments.first(), arguments.get(1), arguments.len() <= most)
        else {
            return Err(wrong(CallError::Count {
                name: self.what.name(),
                usage: self.what.usage(),
                found: arguments.len(),
            }));
        };
        let data_type = &text.data_type;
        if !is_text(data_type) && *data_type != DataType::Null {
            let (column, found) = (text.name.clone(), data_type.to_string());
            return Err(wrong(TokenizerError::ColumnType { column, found }));
        }
        let mut tokenizer = self.tokenizer(tokenizer)?;
        let add_special_tokens = self.add_special_tokens(arguments.get(2))?;
        if let Some(max_length) = self.max_length(arguments.get(3))? {
            tokenizer = tokenizer.with_truncation(Some(Truncation::to(max_length))).map_err(wrong)?;
            // Too few tokens are refused before anything is read.
            tokenizer.ids("", add_special_tokens).map_err(wrong)?;
        }
        let tokenizer = tokenizer.with_padding(None);
        let share = Arc::clone(&self.share);
        let options = move |threads| BatchOptions {
            add_special_tokens,
            threads: Some(threads),
            ..BatchOptions::default()
        };
        Ok(match self.what {
            What::Ids => Call {
                data_type: list_of_ids(),
                compute: Box::new(move |arguments| {
                    let chunks = arguments.get(..1).unwrap_or_default();
                    let texts = Texts::from_chunks(chunks).map_err(wrong)?;
                    let batches = share
                        .during(|threads| tokenizer.encode_batch(&texts, &options(threads)))
                        .map_err(wrong)?;
                    match batches.as_slice() {
                        [batch] => Ok(Arc::clone(batch.column(0))),
                        [] => Ok(new_null_array(&list_of_ids(), 0)),
                        several => {
                            let ids =
                                several.iter().map(|batch| batch.column(0).as_list::<i32>().values().len());
                            Err(wrong(CallError::TooMany { ids: ids.sum(), rows: texts.len() }))
                        }
                    }
                }),
            },
            What::Count => Call {
                data_type: DataType::Int64,
                compute: Box::new(move |arguments| {
                    let chunks = arguments.get(..1).unwrap_or_default();
                    let texts = Texts::from_chunks(chunks).map_err(wrong)?;
                    let counts =
                        share.during(|threads| tokenizer.count(&texts, &options(threads))).map_err(wrong)?;
                    let counts: Int64Array = counts.unary(i64::from);
                    Ok(Arc::new(counts))
                }),
            },
        })
    }
}
