//! What is a tokenizer, and what can be asked of it?

use std::{
    num::NonZero,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};

use arrow::array::UInt32Array;
use tokenizers::{DecoderWrapper, PostProcessor, PostProcessorWrapper};

use crate::{
    Backend, BatchOptions, Config, Encoding, OffsetUnit, Padding, Result, Texts, TokenizerError, Truncation,
    added::Splitter,
    around::Around,
    components::{self, Problem},
    convert::{padding_params, read_padding, read_truncation},
    definition::Definition,
    engine::{Engine, Scratch},
    pipelines,
    vocabulary::Vocabulary,
};

/// A tokenizer. Clones share everything but truncation and padding, and cost nothing; all methods can be
/// called from several threads at once.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    pub(crate) shared: Arc<Shared>,
    truncation: Option<Truncation>,
    padding: Option<Padding>,
    config: Arc<Config>,
}

/// What never changes once a tokenizer is loaded.
pub(crate) struct Shared {
    json: Vec<u8>,
    pub(crate) engine: Engine,
    pub(crate) vocabulary: Vocabulary,
    /// Finds added tokens in the text as it is, and those that are looked for after normalisation.
    pub(crate) splitters: [Option<Splitter>; 2],
    pub(crate) post_processor: Option<PostProcessorWrapper>,
    pub(crate) decoder: Option<DecoderWrapper>,
    /// Without special tokens, and with them.
    around: [Option<Around>; 2],
    pub(crate) scratches: Mutex<Vec<Scratch>>,
    /// How many of them are kept: as many as there are cores. Calls at the same time may work with more.
    pub(crate) most_scratches: usize,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("backend", &self.engine.backend()).finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// The tokenizer that a `tokenizer.json` describes.
    ///
    /// # Errors
    /// [`TokenizerError::System`] when it cannot be read; those of [`Self::from_bytes`], with the path.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let json =
            std::fs::read(path).map_err(|source| TokenizerError::System { path: path.to_owned(), source })?;
        Self::new(json, Some(path))
    }

    /// The tokenizer that the text of a `tokenizer.json` describes.
    ///
    /// # Errors
    /// [`TokenizerError::Malformed`] when it is not one, naming the field; [`TokenizerError::Unsupported`]
    /// when one of its parts is not known.
    pub fn from_bytes(json: impl Into<Vec<u8>>) -> Result<Self> {
        Self::new(json.into(), None)
    }

    pub(crate) fn new(json: Vec<u8>, path: Option<&Path>) -> Result<Self> {
        // All parallel work is ours; a pool of the other library's would be lost when the process forks.
        tokenizers::parallelism::set_parallelism(false);
        let path = || path.map(PathBuf::from);
        let malformed = |field: Option<String>, reason: String| TokenizerError::Malformed {
            what: "tokenizer.json",
            path: path(),
            field,
            reason,
        };
        if u32::try_from(json.len()).is_err() {
            return Err(malformed(None, "it is larger than 4 GiB".to_owned()));
        }
        let definition = match serde_json::from_slice::<Definition<'_>>(&json) {
            Ok(definition) => definition,
            Err(_) => {
                // Only now is it worth while to keep track of where the reader is.
                let mut reader = serde_json::Deserializer::from_slice(&json);
                return Err(match serde_path_to_error::deserialize::<_, Definition<'_>>(&mut reader) {
                    Ok(_) => malformed(None, "something follows its end".to_owned()),
                    Err(error) => {
                        let field = Some(error.path().to_string()).filter(|field| field != ".");
                        malformed(field, error.into_inner().to_string())
                    }
                });
            }
        };
        if let Some(version) = definition.version.as_deref().filter(|version| *version != "1.0") {
            return Err(malformed(Some("version".to_owned()), format!("version {version} is not known")));
        }
        let problem = |problem: Problem| malformed(Some(problem.field), problem.reason);
        let post_processor = components::post_processor(&definition).map_err(problem)?;
        let decoder = components::decoder(&definition).map_err(problem)?;
        let unsupported = |reason: String| TokenizerError::Unsupported { path: path(), reason };
        let engine = match pipelines::engine(&definition, &json) {
            Ok(engine) => engine,
            Err(reason) => {
                components::problem(&definition).map_err(problem)?;
                return Err(unsupported(reason));
            }
        };
        let vocabulary = Vocabulary::new(&definition);
        let splitter = |normalized: bool| {
            Splitter::new(vocabulary.added().filter(|added| added.token.normalized == normalized))
        };
        let splitters = match &engine {
            Engine::Fast { .. } => {
                [splitter(false).map_err(unsupported)?, splitter(true).map_err(unsupported)?]
            }
            Engine::Complete { .. } => [None, None],
        };
        let around = [false, true].map(|special| Around::new(post_processor.as_ref(), special));
        let (truncation, padding) = (
            definition.truncation.as_ref().map(read_truncation),
            definition.padding.as_ref().map(read_padding),
        );
        let shared = Shared {
            engine,
            vocabulary,
            splitters,
            post_processor,
            decoder,
            around,
            scratches: Mutex::new(Vec::new()),
            most_scratches: thread::available_parallelism().map_or(1, NonZero::get),
            json: Vec::new(),
        };
        drop(definition);
        let tokenizer = Self {
            shared: Arc::new(Shared { json, ..shared }),
            truncation: None,
            padding,
            config: Arc::default(),
        };
        match truncation {
            Some(truncation) => tokenizer.with_truncation(Some(truncation)),
            None => Ok(tokenizer),
        }
    }

    /// What runs it.
    pub fn backend(&self) -> Backend {
        self.shared.engine.backend()
    }

    /// The text of the `tokenizer.json` that it was made from.
    pub fn json(&self) -> &[u8] {
        &self.shared.json
    }

    /// The same tokenizer, which shortens texts; or does not, with `None`. Fewer tokens than the special
    /// ones take are enough as long as texts are encoded without these.
    ///
    /// # Errors
    /// [`TokenizerError::Stride`] when the stride is more than fits between the special tokens.
    pub fn with_truncation(mut self, truncation: Option<Truncation>) -> Result<Self> {
        if let Some(wanted) = &truncation {
            let room = wanted.max_length.checked_sub(self.num_special_tokens(false));
            if let Some(room) = room.filter(|room| wanted.stride > *room) {
                return Err(TokenizerError::Stride { stride: wanted.stride, room });
            }
        }
        self.truncation = truncation;
        Ok(self)
    }

    /// The same tokenizer, which brings the encodings of a batch to one length; or does not, with `None`.
    #[must_use]
    pub fn with_padding(mut self, padding: Option<Padding>) -> Self {
        self.padding = padding;
        self
    }

    /// What the folder that it was read from says beside its `tokenizer.json`.
    pub fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn with_config(mut self, config: Config) -> Self {
        self.config = Arc::new(config);
        self
    }

    /// How texts are shortened.
    pub fn truncation(&self) -> Option<&Truncation> {
        self.truncation.as_ref()
    }

    /// How encodings are brought to one length.
    pub fn padding(&self) -> Option<&Padding> {
        self.padding.as_ref()
    }

    /// How many special tokens are put around a text, or a pair of texts.
    pub fn num_special_tokens(&self, pair: bool) -> usize {
        self.shared.post_processor.as_ref().map_or(0, |processor| processor.added_tokens(pair))
    }

    /// How many tokens there are: those of the model, or with the added ones.
    pub fn vocab_size(&self, with_added_tokens: bool) -> usize {
        self.shared.vocabulary.len(with_added_tokens)
    }

    /// All tokens with their ids, in the order of the ids.
    pub fn vocab(&self) -> impl Iterator<Item = (&str, u32)> {
        self.shared.vocabulary.iter()
    }

    /// The added tokens that decoding leaves out when asked to, in the order of their ids.
    pub fn special_tokens(&self) -> Vec<(&str, u32)> {
        let vocabulary = &self.shared.vocabulary;
        let mut special: Vec<(&str, u32)> = (vocabulary.added())
            .filter(|added| added.token.special)
            .map(|added| (added.token.content.as_str(), added.id))
            .collect();
        special.sort_unstable_by_key(|(_, id)| *id);
        special
    }

    /// The token with this id, as decoders are given it; `None` when there is none.
    pub fn id_to_token(&self, id: u32) -> Option<&str> {
        self.shared.vocabulary.token(id)
    }

    /// The id of a token; `None` when it is not in the vocabulary.
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.shared.vocabulary.id(token)
    }

    /// Encodes a text, or a pair of texts, with everything there is to know of it. Truncation and padding
    /// are applied.
    ///
    /// # Errors
    /// [`TokenizerError::Model`] when the tokenizer's own parts refuse the text;
    /// [`TokenizerError::TruncationTooShort`] when the special tokens alone are more than truncation leaves,
    /// [`TokenizerError::Stride`] when its stride leaves no room for progress, and
    /// [`TokenizerError::Truncation`] when the text cannot be shortened as asked.
    pub fn encode(
        &self,
        text: &str,
        pair: Option<&str>,
        add_special_tokens: bool,
        unit: OffsetUnit,
    ) -> Result<Encoding> {
        let mut scratch = self.shared.scratch();
        let encoding = self.full(text, pair, add_special_tokens, unit, &mut scratch);
        self.shared.give_back(scratch);
        let mut encodings = [encoding?];
        self.pad(&mut encodings)?;
        let [encoding] = encodings;
        Ok(Encoding::new(encoding))
    }

    /// The ids of a text, with truncation, without padding.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn ids(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>> {
        let mut scratch = self.shared.scratch();
        let mut ids = Vec::new();
        let result = self.append_ids(text, add_special_tokens, &mut scratch, &mut ids);
        self.shared.give_back(scratch);
        result.map(|()| ids)
    }

    /// How many ids each text has, special tokens included when `add_special_tokens`; truncation and padding
    /// are not applied. Rows that are null stay null.
    ///
    /// # Errors
    /// [`TokenizerError::Model`] when the tokenizer's own parts refuse a text,
    /// [`TokenizerError::TextTooLong`] for one of 4 GiB or more, [`TokenizerError::TooManyTokens`] for one
    /// of 2³² tokens or more, and [`TokenizerError::Cancelled`].
    pub fn count(&self, texts: &Texts<'_>, options: &BatchOptions) -> Result<UInt32Array> {
        crate::batch::count(self, texts, options)
    }

    pub(crate) fn around(&self, add_special_tokens: bool) -> Option<&Around> {
        self.shared.around[usize::from(add_special_tokens)].as_ref()
    }

    /// Appends the ids of a text: truncated, with what stands around it.
    pub(crate) fn append_ids(
        &self,
        text: &str,
        add_special_tokens: bool,
        scratch: &mut Scratch,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        let Some(around) = self.around(add_special_tokens) else {
            let encoding = self.full(text, None, add_special_tokens, OffsetUnit::Bytes, scratch)?;
            out.extend_from_slice(encoding.get_ids());
            return Ok(());
        };
        self.append_with(around, out, |out| self.shared.append(text, scratch, out))
    }

    /// Appends the ids of a text, which `append` knows, truncated and with what stands around it.
    pub(crate) fn append_with(
        &self,
        around: &Around,
        out: &mut Vec<u32>,
        append: impl FnOnce(&mut Vec<u32>) -> Result<()>,
    ) -> Result<()> {
        out.extend(around.before.iter().map(|special| special.id));
        let start = out.len();
        append(out)?;
        self.shorten(start, around, out)?;
        out.extend(around.after.iter().map(|special| special.id));
        Ok(())
    }

    /// Encodes a text or a pair with all that is known, truncated and processed, but not padded.
    pub(crate) fn full(
        &self,
        text: &str,
        pair: Option<&str>,
        add_special_tokens: bool,
        unit: OffsetUnit,
        scratch: &mut Scratch,
    ) -> Result<tokenizers::Encoding> {
        let first = self.shared.sequence(text, 0, unit, scratch)?;
        let second = pair.map(|pair| self.shared.sequence(pair, 1, unit, scratch)).transpose()?;
        let special = if add_special_tokens { self.num_special_tokens(pair.is_some()) } else { 0 };
        let (first, second) = self.truncated(first, second, special)?;
        let refused = |error: tokenizers::Error| TokenizerError::Model { reason: error.to_string() };
        match &self.shared.post_processor {
            Some(processor) => processor.process(first, second, add_special_tokens).map_err(refused),
            None => {
                let texts = std::iter::once(first).chain(second).collect();
                let mut whole =
                    <dyn PostProcessor>::default_process(texts, add_special_tokens).map_err(refused)?;
                Ok(whole.pop().unwrap_or_default())
            }
        }
    }

    /// Brings encodings to one length.
    pub(crate) fn pad(&self, encodings: &mut [tokenizers::Encoding]) -> Result<()> {
        match &self.padding {
            None => Ok(()),
            Some(padding) => tokenizers::utils::padding::pad_encodings(encodings, &padding_params(padding))
                .map_err(|error| TokenizerError::Model { reason: error.to_string() }),
        }
    }
}

impl Shared {
    /// What a thread works with: kept from an earlier call, or new. Never waits: where a fork left the
    /// lock taken, a new one does as well.
    pub(crate) fn scratch(&self) -> Scratch {
        let kept = self.scratches.try_lock().ok().and_then(|mut kept| kept.pop());
        kept.unwrap_or_else(|| match &self.engine {
            Engine::Fast { kernel, .. } => kernel.scratch(),
            Engine::Complete { .. } => Box::new(()),
        })
    }

    /// Keeps `scratch` for the next call, unless enough are kept.
    pub(crate) fn give_back(&self, scratch: Scratch) {
        if let Ok(mut kept) = self.scratches.try_lock()
            && kept.len() < self.most_scratches
        {
            kept.push(scratch);
        }
    }
}
