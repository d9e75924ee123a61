//! What can be wrong with a model, or with what is asked of it?

use std::path::{Path, PathBuf};

use arrow::error::ArrowError;
use bowstring_core::{Cancelled, Diagnostic, ErrorKind, nearest, quoted_list};
use bowstring_io::IoError;
use safetensors::Dtype;

use crate::{Bits, HeaderProblem, Quality, Tensor, file};

/// The result of what this crate does.
pub type Result<T, E = QuantError> = std::result::Result<T, E>;

/// What is wrong with a model, or with what was asked of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuantError {
    /// An option has a value that it cannot have.
    #[error("`{option}` cannot be {value}")]
    Option {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
        /// What it can be.
        expected: &'static str,
    },
    /// Two things that belong together have lengths that do not.
    #[error("{what}: {length} where {expected} are expected")]
    Length {
        /// Of what.
        what: &'static str,
        /// How many there are.
        length: usize,
        /// How many there should be.
        expected: usize,
    },
    /// A code that is too large for its width.
    #[error("code {place} is {code}, which {bits} bits cannot hold")]
    Code {
        /// Which one, counted from 0.
        place: usize,
        /// What it is.
        code: u8,
        /// The width.
        bits: Bits,
    },
    /// Weights that are NaN or infinite.
    #[error("{nans} of the weights are NaN and {infinities} are infinite, the first of them weight {first}")]
    NotFinite {
        /// How many are NaN.
        nans: usize,
        /// How many are infinite.
        infinities: usize,
        /// The first one, counted from 0.
        first: usize,
    },
    /// A scale or a minimum that its type cannot hold.
    #[error("the scale of group {group} of row {row} does not fit {scale_type}")]
    Scale {
        /// The row, counted from 0.
        row: usize,
        /// The group within it, counted from 0.
        group: usize,
        /// The type.
        scale_type: &'static str,
    },
    /// The operating system refused.
    #[error("cannot {action} `{}`: {source}", path.display())]
    System {
        /// What was tried: `open`, `read`, `map`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's word.
        source: std::io::Error,
    },
    /// A file that is not what the format demands.
    #[error("`{}` is not a valid safetensors file: {problem}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What cannot be true.
        problem: HeaderProblem,
    },
    /// An index, or a folder's description, that cannot be read.
    #[error("`{}` does not describe a model: {reason}", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A configuration that its model's tensors do not fit.
    #[error("`{}` does not fit the tensors beside it: {reason}", path.display())]
    Config {
        /// The configuration.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A model in Python's own format, which runs code when it is read.
    #[error("`{}` is a pickle, which runs whatever code it brings when it is read", path.display())]
    Pickle {
        /// The file.
        path: PathBuf,
    },
    /// A folder without a model, or with several.
    #[error("`{}` has {} files of weights where one is expected", path.display(), found.len())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The names of those that are there.
        found: Vec<String>,
    },
    /// A file that is not one of packed weights, or one of another version.
    #[error("`{}` {}", path.display(), other_version(found.as_deref(), expected))]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that it says.
        found: Option<String>,
        /// The last version that is read.
        expected: &'static str,
    },
    /// A file of packed weights, or a row of it, that cannot be true.
    #[error("`{}` is damaged: {reason}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Which of its rows, counted from 0, where it has such.
        row: Option<usize>,
        /// What is wrong with it.
        reason: String,
    },
    /// A name that a safetensors file of packed weights would have twice.
    #[error("two tensors would be called `{tensor}`")]
    Name {
        /// The name.
        tensor: String,
    },
    /// A folder for finished parts that is in use, or has other things in it.
    #[error("`{}` cannot hold the finished parts: {reason}", path.display())]
    Parts {
        /// The folder.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A folder of packed weights that has not all of them, or one of its files by itself.
    #[error("`{}` is no whole model: {reason}", path.display())]
    Shards {
        /// The folder, or the file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A file of calibration that cannot be one, or a row of it that cannot be true.
    #[error("`{}` is no calibration: {reason}", path.display())]
    Calibration {
        /// The file.
        path: PathBuf,
        /// Which of its rows, counted from 0, where one is to blame.
        row: Option<usize>,
        /// What is wrong with it.
        reason: String,
    },
    /// A column of a table of layers that is absent, of another type, or has a value that it cannot have.
    #[error("column `{column}` {reason}")]
    Column {
        /// The column.
        column: String,
        /// What is wrong with it.
        reason: String,
        /// What it has where it is right.
        expected: &'static str,
    },
    /// A column that a table of layers does not have.
    #[error("column `{column}` is none of a table of layers")]
    UnknownColumn {
        /// The column.
        column: String,
        /// Those that there can be.
        known: Vec<&'static str>,
    },
    /// A row of a table of layers that cannot be quantised, or given back.
    #[error("{source}")]
    Layer {
        /// Which row of all batches, counted from 0.
        row: usize,
        /// The name of the layer, where it has one.
        layer: Option<String>,
        /// Why not.
        source: Box<QuantError>,
    },
    /// A tensor that cannot be quantised.
    #[error("{source}")]
    Tensor {
        /// Its name.
        tensor: String,
        /// The file that it stands in.
        file: PathBuf,
        /// Why not.
        source: Box<QuantError>,
    },
    /// A file of packed weights that another model has become.
    #[error("`{}` was not made of this model: tensor `{tensor}` {reason}", path.display())]
    OtherModel {
        /// The file.
        path: PathBuf,
        /// The first tensor that is not the same.
        tensor: String,
        /// What is not the same of it.
        reason: &'static str,
    },
    /// Tensors that are further off than they may be.
    #[error("{}", too_far(tensors))]
    TooFar {
        /// Their names and how far off they are, the worst first.
        tensors: Vec<(String, Quality)>,
    },
    /// A pattern for names that cannot be understood.
    #[error("`{pattern}` is not a valid pattern: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A table could not be read or written.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A tensor of a type that is not read.
    #[error("tensor `{tensor}` is of type {dtype}, which is not supported")]
    Dtype {
        /// The tensor.
        tensor: String,
        /// Its type.
        dtype: Dtype,
    },
    /// A name that the model does not have.
    #[error("the model has no tensor `{tensor}`")]
    NoTensor {
        /// What was asked for.
        tensor: String,
        /// The name that is the most like it.
        nearest: Option<String>,
    },
    /// A number that cannot be computed with.
    #[error("{what} {place} cannot be {value}")]
    Number {
        /// Of what.
        what: &'static str,
        /// Which one, counted from 0.
        place: usize,
        /// What it is.
        value: f64,
        /// What it can be.
        expected: &'static str,
    },
    /// A sampler's configuration that cannot be read.
    #[error("the scheduler's configuration cannot be used: {reason}")]
    Scheduler {
        /// What is wrong with it.
        reason: String,
    },
    /// Fewer bytes than the smallest choice of all takes.
    #[error("a budget of {budget} bytes cannot be met")]
    Budget {
        /// How many there may be.
        budget: usize,
        /// How many there are at the least.
        least: usize,
    },
    /// Tensors that cannot be evened out together.
    #[error("couple {couple}: `{tensor}` {reason}")]
    Couple {
        /// Which couple, counted from 0.
        couple: usize,
        /// The tensor that is to blame.
        tensor: String,
        /// Why not.
        reason: String,
    },
    /// A layer whose cost cannot be told, as its inputs were not seen.
    #[error("nothing was seen of the inputs of `{tensor}`{}", at(*timestep))]
    Unseen {
        /// The name of its weights.
        tensor: String,
        /// The timestep in which it was not; `None` where it was in none.
        timestep: Option<u32>,
    },
    /// A timestep for which nothing was recorded.
    #[error("layer {layer} has no activations at timestep {timestep}")]
    NoActivations {
        /// Which layer, counted from 0.
        layer: usize,
        /// Which timestep, counted from 0 in the order of sampling.
        timestep: usize,
    },
    /// The system refused the threads.
    #[error("cannot start the threads: {reason}")]
    Threads {
        /// The system's word.
        reason: String,
    },
    /// The caller asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

fn at(timestep: Option<u32>) -> String {
    timestep.map_or_else(|| " in any timestep".to_owned(), |timestep| format!(" in timestep {timestep}"))
}

fn other_version(found: Option<&str>, expected: &str) -> String {
    match found {
        Some(found) if !file::is_read(found) => {
            format!("has packed weights of version {found}; this program reads those up to {expected}")
        }
        _ => "is no file of packed weights".to_owned(),
    }
}

/// How many are named of those that are too far off.
const NAMED: usize = 5;

fn too_far(tensors: &[(String, Quality)]) -> String {
    let named = tensors.iter().take(NAMED).map(|(tensor, quality)| {
        format!("`{tensor}` ({:.1} dB, relative error {:.2e})", quality.sqnr, quality.relative_error)
    });
    let named = named.collect::<Vec<_>>().join(", ");
    let (are, more) =
        (if tensors.len() == 1 { "tensor is" } else { "tensors are" }, tensors.len().saturating_sub(NAMED));
    let more = if more == 0 { String::new() } else { format!(", and {more} more") };
    format!("{} {are} further off than allowed: {named}{more}", tensors.len())
}

impl QuantError {
    pub(crate) fn arrow(error: ArrowError) -> Self {
        Self::Io(IoError::Arrow(error))
    }

    /// The same, of a tensor, where the tensor is to blame.
    pub(crate) fn of(self, tensor: &Tensor<'_>) -> Self {
        match self {
            Self::NotFinite { .. } | Self::Scale { .. } | Self::Length { .. } => Self::Tensor {
                tensor: tensor.name.to_owned(),
                file: tensor.file.to_owned(),
                source: Box::new(self),
            },
            other => other,
        }
    }

    pub(crate) fn system(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::System { action, path: path.to_owned(), source }
    }
}

impl Diagnostic for QuantError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Option { .. }
            | Self::Length { .. }
            | Self::Code { .. }
            | Self::NoTensor { .. }
            | Self::Couple { .. }
            | Self::Parts { .. }
            | Self::Pattern { .. }
            | Self::Column { .. }
            | Self::UnknownColumn { .. }
            | Self::Budget { .. } => ErrorKind::Usage,
            Self::Tensor { source, .. } => source.kind(),
            Self::NotFinite { .. }
            | Self::Scale { .. }
            | Self::Shards { .. }
            | Self::Header { .. }
            | Self::Index { .. }
            | Self::Config { .. }
            | Self::Pickle { .. }
            | Self::Folder { .. }
            | Self::Version { .. }
            | Self::Row { .. }
            | Self::Layer { .. }
            | Self::Calibration { .. }
            | Self::Name { .. }
            | Self::Dtype { .. }
            | Self::Number { .. }
            | Self::Scheduler { .. }
            | Self::NoActivations { .. }
            | Self::Unseen { .. }
            | Self::OtherModel { .. } => ErrorKind::Data,
            Self::Io(error) => error.kind(),
            Self::System { source, .. } => ErrorKind::of_io(source),
            Self::Threads { .. } => ErrorKind::Limit,
            Self::TooFar { .. } => ErrorKind::Failed,
            Self::Cancelled(_) => ErrorKind::Cancelled,
        }
    }

    fn place(&self) -> Option<String> {
        match self {
            Self::Row { row, .. } | Self::Calibration { row, .. } => row.map(|row| format!("row {row}")),
            Self::Layer { row, layer, .. } => {
                let layer = layer.as_deref().map(|layer| format!(", layer `{layer}`"));
                Some(format!("row {row}{}", layer.unwrap_or_default()))
            }
            Self::Tensor { tensor, file, .. } => Some(format!("{}, tensor `{tensor}`", file.display())),
            Self::Io(error) => error.place(),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Io(error) => return error.hint(),
            Self::Tensor { source, .. } | Self::Layer { source, .. } => return source.hint(),
            Self::Option { expected, .. } | Self::Number { expected, .. } => format!("it is {expected}"),
            Self::Column { expected, .. } => format!("it has {expected}"),
            Self::UnknownColumn { column, known } => match nearest(column, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the columns are {}", quoted_list(known.iter().copied())),
            },
            Self::Budget { least, .. } => format!("the least possible is {least} bytes"),
            Self::Calibration { .. } => "name a file that a calibration was saved in".to_owned(),
            Self::NoActivations { .. } => "calibrate with samples of every timestep".to_owned(),
            Self::Couple { .. } => {
                "a couple has what makes the channels, with an axis of them first, and the weights of all layers that \
                 read them, with the channels as second axis"
                    .to_owned()
            }
            Self::Unseen { .. } => {
                "calibrate all layers that matter, in the same timesteps, or say by a rule what becomes of them".to_owned()
            }
            Self::NotFinite { .. } => {
                "keep such tensors as they are, or mend the model: no grid has these values".to_owned()
            }
            Self::Scale { .. } => "store scales as `bf16` or `f32`".to_owned(),
            Self::Header { .. } => "fetch or write the file again".to_owned(),
            Self::Index { .. } => "write it again, or name one `.safetensors` file".to_owned(),
            Self::Config { .. } => {
                "bring both from the same model, or name its `.safetensors` file alone".to_owned()
            }
            Self::Version { found: None, .. } => {
                "name a file that `quantize` has written, or the `.safetensors` of a model".to_owned()
            }
            Self::Version { .. } | Self::Row { .. } => "quantise the model again".to_owned(),
            Self::Name { .. } => {
                "write a `.parquet` file, in which the parts of a tensor have no names of their own"
                    .to_owned()
            }
            Self::Parts { .. } => {
                "wait for the other run, name another output, or move what is in the folder away".to_owned()
            }
            Self::Shards { .. } => {
                "open a folder that has all files of one run and no others, or quantise the model again".to_owned()
            }
            Self::OtherModel { .. } => "name the model that was quantised".to_owned(),
            Self::TooFar { .. } => "give them more bits, or keep them, by rules for their names".to_owned(),
            Self::Pickle { .. } => {
                "where you trust it, write it anew with `safetensors.torch.save_file`".to_owned()
            }
            Self::Folder { found, .. } if found.is_empty() => {
                "name a `.safetensors` file, its index, or the folder that has them".to_owned()
            }
            Self::Folder { found, .. } => {
                format!("name one of them: {}", quoted_list(found.iter().map(String::as_str)))
            }
            Self::NoTensor { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`?"),
            _ => return None,
        })
    }
}
