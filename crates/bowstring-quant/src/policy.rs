//! What becomes of which tensor?

use std::collections::HashMap;

use bowstring_core::quoted_list;
use globset::{Glob, GlobMatcher};

use crate::{Bits, Model, QuantError, Result, Scheme, Tensor};

/// What a tensor is in its model, by its type, its shape and its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Whole numbers or flags.
    Integers,
    /// One axis or none: norms, biases, scales.
    Vector,
    /// A table of vectors, of which a few are looked up, or what embeds the time step.
    Embedding,
    /// What the input goes through first.
    First,
    /// What the output comes from.
    Last,
    /// Anything else: the matrices and convolutions between.
    Inner,
}

/// Names of modules, as the models of transformers and diffusers have them.
const EMBEDDINGS: [&str; 5] = ["embed_tokens", "relative_attention_bias", "shared", "wpe", "wte"];
/// What names of embeddings end with.
const ENDINGS: [&str; 4] = ["embed", "embedder", "embedding", "embeddings"];
const FIRSTS: [&str; 5] = ["conv_in", "img_in", "patch_embed", "patch_embedding", "x_embedder"];
const LASTS: [&str; 7] =
    ["classifier", "conv_out", "final_layer", "final_linear", "lm_head", "norm_out", "score_head"];

/// What rules for kinds begin with.
const KIND: &str = "kind:";
/// What rules for shapes begin with.
const SHAPE: &str = "shape:";

impl Kind {
    const ALL: [Self; 6] =
        [Self::Integers, Self::Vector, Self::Embedding, Self::First, Self::Last, Self::Inner];

    /// Its name in tables and rules.
    pub fn name(self) -> &'static str {
        match self {
            Self::Integers => "integers",
            Self::Vector => "vector",
            Self::Embedding => "embedding",
            Self::First => "first",
            Self::Last => "last",
            Self::Inner => "inner",
        }
    }

    /// Of a tensor: its kind follows from the modules in its name, as in `text_encoder/embeddings.weight`.
    pub fn of(tensor: &Tensor<'_>) -> Self {
        if !tensor.is_float() {
            return Self::Integers;
        }
        if tensor.shape.len() < 2 {
            return Self::Vector;
        }
        let modules = || tensor.name.split(['.', '/']);
        let one_of = |names: &[&str]| modules().any(|module| names.contains(&module));
        // diffusers calls what cuts the input into patches after the table of positions that it adds.
        if one_of(&FIRSTS) || tensor.name.contains("pos_embed.proj.") {
            Self::First
        } else if one_of(&LASTS)
            || tensor.name.rsplit('/').next().is_some_and(|name| name.starts_with("proj_out."))
        {
            Self::Last
        } else if one_of(&EMBEDDINGS)
            || modules().any(|module| ENDINGS.iter().any(|ending| module.ends_with(ending)))
        {
            Self::Embedding
        } else {
            Self::Inner
        }
    }
}

/// What becomes of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It stays as it is.
    Keep,
    /// Its numbers take 16 bits, unless they take no more already: those of [`Half::F16`](crate::Half::F16), or of
    /// [`Half::Bf16`](crate::Half::Bf16) where one is beyond that. It stays as it is where one is beyond both.
    Halve,
    /// It is written so.
    Quantize(Scheme),
}

impl Treatment {
    /// What a text says: `keep`, `half`, or a number of bits, by which `scheme` is otherwise followed.
    ///
    /// # Errors
    /// [`QuantError::Option`] when it says nothing of that.
    pub fn parse(text: &str, scheme: Scheme) -> Result<Self> {
        let bits = text.parse().ok().and_then(|count: u32| Bits::try_from(count).ok());
        match (text, bits) {
            ("keep", _) => Ok(Self::Keep),
            ("half", _) => Ok(Self::Halve),
            (_, Some(bits)) => Ok(Self::Quantize(Scheme { bits, ..scheme })),
            (_, None) => Err(QuantError::Option {
                option: "policy",
                value: format!("`{text}`"),
                expected: "`keep`, `half`, or 2, 3, 4 or 8 bits, for each pattern",
            }),
        }
    }
}

/// What becomes of some tensors.
#[derive(Clone, Debug)]
struct Rule {
    /// What the pattern was given as.
    text: String,
    pattern: Pattern,
    treatment: Treatment,
}

/// Which tensors a rule is for.
#[derive(Clone, Debug)]
enum Pattern {
    Name(GlobMatcher),
    Shape(GlobMatcher),
    Kind(Kind),
}

impl Pattern {
    fn parse(text: &str) -> Result<Self> {
        let wrong = |reason| QuantError::Pattern { pattern: text.to_owned(), reason };
        let glob = |pattern: &str| {
            let glob = Glob::new(pattern).map_err(|error| wrong(error.kind().to_string()))?;
            Ok(glob.compile_matcher())
        };
        if let Some(name) = text.strip_prefix(KIND) {
            let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
            let kinds = || quoted_list(Kind::ALL.map(Kind::name));
            kind.map(Self::Kind).ok_or_else(|| wrong(format!("the kinds are {}", kinds())))
        } else if let Some(shape) = text.strip_prefix(SHAPE) {
            glob(&shape.replace('×', "x")).map(Self::Shape)
        } else {
            glob(text).map(Self::Name)
        }
    }

    fn fits(&self, tensor: &Tensor<'_>) -> bool {
        match self {
            Self::Name(glob) => glob.is_match(tensor.name),
            Self::Shape(glob) => {
                let lengths: Vec<String> = tensor.shape.iter().map(usize::to_string).collect();
                glob.is_match(lengths.join("x"))
            }
            Self::Kind(kind) => Kind::of(tensor) == *kind,
        }
    }
}

/// What becomes of which tensor: the first rule that fits it decides; where none does,
/// [inner](Kind::Inner) tensors are quantised, by a scheme of their own where they have one, other floats take 16
/// bits, and integers stay as they are.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    rules: Vec<Rule>,
    /// By the names of tensors.
    schemes: HashMap<String, Scheme>,
}

impl Policy {
    /// The same with one more rule, which is asked after those before. `pattern` is a glob over the whole name:
    /// `*` stands for any characters, dots and slashes included, `?` for one, `[ab]` and `{a,b}` for one of some.
    /// After `shape:` it is a glob over the lengths of the axes, as in `shape:*x3x3` or `shape:*×3×3`; `kind:` and the
    /// [name](Kind::name) of one is for all tensors of that kind. A name that begins so can be written as `[k]ind:`.
    ///
    /// # Errors
    /// [`QuantError::Pattern`] when it is no glob, or names a kind that there is none of.
    pub fn with_rule(mut self, pattern: &str, treatment: Treatment) -> Result<Self> {
        self.rules.push(Rule { text: pattern.to_owned(), pattern: Pattern::parse(pattern)?, treatment });
        Ok(self)
    }

    /// The patterns of rules that fit no tensor of a model, as of names that it does not have.
    pub(crate) fn unused(&self, model: &Model) -> Vec<String> {
        let is_used = |rule: &&Rule| model.tensors().any(|tensor| rule.pattern.fits(&tensor));
        self.rules.iter().filter(|rule| !is_used(rule)).map(|rule| rule.text.clone()).collect()
    }

    /// The same with a scheme for each of some tensors, by their names, of which no rule says anything.
    pub(crate) fn with_schemes(self, schemes: HashMap<String, Scheme>) -> Self {
        Self { schemes, ..self }
    }

    /// Whether a rule says what becomes of a tensor.
    pub(crate) fn rules(&self, tensor: &Tensor<'_>) -> bool {
        self.rules.iter().any(|rule| rule.pattern.fits(tensor))
    }

    /// What becomes of a tensor, where those that nothing is said of are written by `scheme`. A rule that says
    /// more than its numbers allow has no effect on it: integers stay as they are, and one axis has no rows to
    /// quantise.
    pub fn treatment(&self, tensor: &Tensor<'_>, scheme: Scheme) -> Treatment {
        let kind = Kind::of(tensor);
        let ruled = self.rules.iter().find(|rule| rule.pattern.fits(tensor));
        match (kind, ruled.map(|rule| rule.treatment)) {
            (Kind::Integers, _) => Treatment::Keep,
            (Kind::Vector, Some(Treatment::Quantize(_))) => Treatment::Halve,
            (_, Some(treatment)) => treatment,
            (Kind::Inner, None) => {
                Treatment::Quantize(self.schemes.get(tensor.name).copied().unwrap_or(scheme))
            }
            (_, None) => Treatment::Halve,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use safetensors::Dtype;

    use super::*;
    use crate::{CodeType, Group, Offset, ScaleType};

    const FOUR: Scheme = Scheme {
        bits: Bits::Four,
        group: Group::Channel,
        offset: Offset::ZeroPoint,
        scale_type: ScaleType::F16,
        code_type: CodeType::Linear,
    };

    fn tensor<'a>(name: &'a str, dtype: Dtype, shape: &'a [usize]) -> Tensor<'a> {
        Tensor { name, dtype, shape, bytes: &[], file: Path::new("") }
    }

    /// Names of published models: SDXL's U-Net, PixArt's and SD 3's transformers, BERT, llama, T5, GPT-2.
    #[test]
    fn kinds_of_published_models() {
        let kinds = [
            ("conv_in.weight", Kind::First),
            ("unet/conv_out.weight", Kind::Last),
            ("unet/down_blocks.1.attentions.0.proj_out.weight", Kind::Inner),
            ("transformer/proj_out.weight", Kind::Last),
            ("transformer/pos_embed.proj.weight", Kind::First),
            ("transformer/pos_embed.pos_embed", Kind::Embedding),
            ("adaln_single.emb.timestep_embedder.linear_1.weight", Kind::Embedding),
            ("time_text_embed.text_embedder.linear_2.weight", Kind::Embedding),
            ("mid_block.resnets.0.time_emb_proj.weight", Kind::Inner),
            ("x_embedder.proj.weight", Kind::First),
            ("time_embedding.linear_1.weight", Kind::Embedding),
            ("mid_block.resnets.0.conv1.weight", Kind::Inner),
            ("embeddings.word_embeddings.weight", Kind::Embedding),
            ("encoder.layer.0.attention.self.query.weight", Kind::Inner),
            ("model.embed_tokens.weight", Kind::Embedding),
            ("model.layers.0.mlp.down_proj.weight", Kind::Inner),
            ("lm_head.weight", Kind::Last),
            ("shared.weight", Kind::Embedding),
            ("wte.weight", Kind::Embedding),
        ];
        for (name, kind) in kinds {
            assert_eq!(Kind::of(&tensor(name, Dtype::F32, &[2, 2])), kind, "{name}");
        }
        assert_eq!(Kind::of(&tensor("encoder.norm.weight", Dtype::BF16, &[9])), Kind::Vector);
        assert_eq!(Kind::of(&tensor("embeddings.position_ids", Dtype::I64, &[1, 512])), Kind::Integers);
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let eight = Scheme { bits: Bits::Eight, ..FOUR };
        let policy = Policy::default()
            .with_rule("*.attn.*", Treatment::Quantize(eight))
            .and_then(|policy| policy.with_rule("blocks.[01].*", Treatment::Keep))
            .and_then(|policy| policy.with_rule("conv_in.*", Treatment::Quantize(FOUR)))
            .unwrap();
        let check = |name, dtype, shape: &[usize], expected| {
            assert_eq!(policy.treatment(&tensor(name, dtype, shape), FOUR), expected, "{name}");
        };
        check("blocks.0.attn.qkv.weight", Dtype::F32, &[2, 2], Treatment::Quantize(eight));
        check("blocks.0.mlp.weight", Dtype::F32, &[2, 2], Treatment::Keep);
        check("blocks.2.mlp.weight", Dtype::F32, &[2, 2], Treatment::Quantize(FOUR));
        check("blocks.2.mlp.bias", Dtype::F32, &[2], Treatment::Halve);
        check("blocks.2.attn.bias", Dtype::F32, &[2], Treatment::Halve);
        check("conv_in.weight", Dtype::F32, &[2, 2], Treatment::Quantize(FOUR));
        check("conv_out.weight", Dtype::F32, &[2, 2], Treatment::Halve);
        check("blocks.2.attn.ids", Dtype::I64, &[2, 2], Treatment::Keep);
        let wrong = policy.with_rule("[", Treatment::Keep).unwrap_err().to_string();
        assert_eq!(wrong, "`[` is not a valid pattern: unclosed character class; missing ']'");
    }

    #[test]
    fn rules_for_kinds_and_shapes() {
        let of = |rules: &[(&str, &str)], name: &str, shape: &[usize]| {
            let rules = rules.iter().map(|(pattern, what)| (pattern, Treatment::parse(what, FOUR).unwrap()));
            let policy = rules.fold(Policy::default(), |policy, (pattern, treatment)| {
                policy.with_rule(pattern, treatment).unwrap()
            });
            match policy.treatment(&tensor(name, Dtype::F32, shape), FOUR) {
                Treatment::Keep => "keep".to_owned(),
                Treatment::Halve => "half".to_owned(),
                Treatment::Quantize(scheme) => scheme.bits.count().to_string(),
            }
        };
        let kinds =
            [("kind:embedding", "8"), ("kind:first", "keep"), ("kind:vector", "keep"), ("kind:inner", "2")];
        assert_eq!(of(&kinds, "wte.weight", &[9, 2]), "8");
        assert_eq!(of(&kinds, "conv_in.weight", &[9, 2]), "keep");
        assert_eq!(of(&kinds, "conv_out.weight", &[9, 2]), "half");
        assert_eq!(of(&kinds, "norm.weight", &[9]), "keep");
        assert_eq!(of(&kinds, "up.weight", &[9, 2]), "2");
        let shapes = [("shape:*x3x3", "8"), ("shape:{1,2}x*", "keep"), ("shape:", "keep")];
        assert_eq!(of(&shapes, "up.weight", &[16, 8, 3, 3]), "8");
        assert_eq!(of(&shapes, "up.weight", &[16, 8, 1, 3]), "4");
        assert_eq!(of(&[("shape:*×8×*", "8")], "up.weight", &[16, 8, 1]), "8", "as tables have it");
        assert_eq!(of(&shapes, "up.weight", &[16, 33]), "4");
        assert_eq!(of(&shapes, "up.weight", &[2, 33]), "keep");
        assert_eq!(of(&shapes, "up.weight", &[12, 33]), "4");
        assert_eq!(of(&shapes, "one", &[]), "keep");
        assert_eq!(of(&[("*.weight", "3"), ("kind:inner", "2")], "up.weight", &[9, 2]), "3", "the first");
        assert_eq!(of(&[("kind:inner", "2"), ("*.weight", "3")], "up.weight", &[9, 2]), "2", "the first");
        assert_eq!(of(&[("[k]ind:last", "2")], "kind:last", &[9, 2]), "2", "a name");
        assert_eq!(of(&[("kind:last", "2")], "kind:last", &[9, 2]), "4");
        let wrong = |pattern| Policy::default().with_rule(pattern, Treatment::Keep).unwrap_err().to_string();
        assert_eq!(
            wrong("kind:norms"),
            "`kind:norms` is not a valid pattern: the kinds are `integers`, `vector`, `embedding`, `first`, `last` and `inner`"
        );
        assert_eq!(
            wrong("shape:[3"),
            "`shape:[3` is not a valid pattern: unclosed character class; missing ']'"
        );
    }
}
