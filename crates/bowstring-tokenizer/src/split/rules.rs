//! Which pre-tokenisers of byte-level models do we know?

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use crate::kernel::Reason;

/// The rules by which text is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    /// GPT-2: words, numbers and signs, each with the space before it; contractions.
    Gpt2,
    /// GPT-2's after every digit was taken out: StarCoder, Command R.
    SingleDigits,
    /// GPT-4 and its kin: words with the sign or space before them, up to `digits` digits, signs with
    /// the newlines after them; contractions in either case.
    Cl100k { digits: u8 },
    /// GPT-4o and its kin: as before, and words are cut where a capital follows a small letter;
    /// contractions belong to the word, or are none.
    O200k { digits: u8, contractions: bool },
    /// DeepSeek V3: three digits, runs of Chinese and Japanese, then what is between, each by itself.
    DeepSeek,
}

/// The regular expressions of one `Split`, as they are written in the files of today's models. Texts of
/// one line mean the same: possessive and greedy repetition differ only where what follows could
/// match what was repeated.
const SPLITS: &[(&str, Rules)] = &[
    (r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", Rules::Gpt2),
    (r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", Rules::Gpt2),
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        Rules::Cl100k { digits: 3 },
    ),
    (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
        Rules::Cl100k { digits: 3 },
    ),
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        Rules::Cl100k { digits: 1 },
    ),
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        Rules::O200k { digits: 3, contractions: true },
    ),
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        Rules::O200k { digits: 1, contractions: false },
    ),
];

/// The three of DeepSeek V3.
const DEEP_SEEK: [&str; 3] = [
    r"\p{N}{1,3}",
    "[一-龥぀-ゟ゠-ヿ]+",
    concat!(
        r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^"##,
        "\r\n",
        r"\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[",
        "\r\n",
        r"]*|\s*[",
        "\r\n",
        r"]+|\s+(?!\S)|\s+",
    ),
];

/// The components that stand in pipelines of byte-level models.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
enum Component {
    ByteLevel {
        add_prefix_space: bool,
        #[serde(default = "yes")]
        use_regex: bool,
    },
    Digits {
        individual_digits: bool,
    },
    Split {
        pattern: Pattern,
        behavior: String,
        invert: bool,
    },
    Sequence {
        pretokenizers: Vec<Component>,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
enum Pattern {
    String(IgnoredAny),
    Regex(String),
}

fn yes() -> bool {
    true
}

impl Rules {
    /// The rules of a pre-tokeniser, and whether a space is put before text that does not begin
    /// with one.
    pub(crate) fn recognise(pre_tokenizer: &Value) -> Result<(Self, bool), Reason> {
        let component = Component::deserialize(pre_tokenizer)
            .map_err(|error| Reason::from(format!("the pre-tokeniser is not understood: {error}")))?;
        let components = match component {
            Component::Sequence { pretokenizers } => pretokenizers,
            component => vec![component],
        };
        let Some((Component::ByteLevel { add_prefix_space, use_regex }, before)) = components.split_last()
        else {
            return Err("the pre-tokeniser does not end in ByteLevel".into());
        };
        let rules = match (before, use_regex) {
            ([], true) => return Ok((Rules::Gpt2, *add_prefix_space)),
            ([Component::Digits { individual_digits: true }], true) => Rules::SingleDigits,
            ([split], false) => {
                let pattern =
                    split.isolated(true).ok_or("the pre-tokeniser before ByteLevel is not a Split")?;
                let known = SPLITS.iter().find(|(text, _)| *text == pattern);
                known.map(|&(_, rules)| rules).ok_or("the regular expression of the pre-tokeniser is new")?
            }
            (splits, false)
                if splits.len() == DEEP_SEEK.len()
                    && splits
                        .iter()
                        .zip(DEEP_SEEK)
                        .all(|(split, text)| split.isolated(false) == Some(text)) =>
            {
                Rules::DeepSeek
            }
            _ => return Err("the sequence of pre-tokenisers is new".into()),
        };
        if *add_prefix_space {
            return Err("every piece would be given a space".into());
        }
        Ok((rules, false))
    }

    /// Whether white space that holds a newline is one piece up to the last of them.
    pub(super) fn newlines_end_pieces(self) -> bool {
        !matches!(self, Rules::Gpt2 | Rules::SingleDigits)
    }
}

impl Component {
    /// The regular expression of a `Split` of which every match is a piece. What no match covers is
    /// dropped by some; that is the same where matches cover everything.
    fn isolated(&self, covers: bool) -> Option<&str> {
        match self {
            Component::Split { pattern: Pattern::Regex(text), behavior, invert } => {
                match (behavior.as_str(), invert) {
                    ("Isolated", _) => Some(text),
                    ("Removed", true) if covers => Some(text),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;
    use tokenizers::PreTokenizerWrapper;

    use super::*;

    fn byte_level(use_regex: bool) -> Value {
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex})
    }

    fn split(pattern: &str, behavior: &str, invert: bool) -> Value {
        json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert})
    }

    fn sequence(pre_tokenizers: &[Value]) -> Value {
        json!({"type": "Sequence", "pretokenizers": pre_tokenizers})
    }

    /// A pre-tokeniser for each line above, and Hugging Face's.
    pub(crate) fn examples() -> Vec<Value> {
        let mut examples = vec![
            byte_level(true),
            sequence(&[json!({"type": "Digits", "individual_digits": true}), byte_level(true)]),
            sequence(&[
                split(DEEP_SEEK[0], "Isolated", false),
                split(DEEP_SEEK[1], "Isolated", false),
                split(DEEP_SEEK[2], "Isolated", false),
                byte_level(false),
            ]),
        ];
        for (text, _) in SPLITS {
            examples.push(sequence(&[split(text, "Isolated", false), byte_level(false)]));
        }
        examples.push(sequence(&[split(SPLITS[2].0, "Removed", true), byte_level(false)]));
        examples.push(sequence(&[split(SPLITS[5].0, "Removed", true), byte_level(false)]));
        examples
    }

    thread_local! {
        pub(in crate::split) static EXAMPLES: Vec<(String, Rules, PreTokenizerWrapper)> = examples()
            .into_iter()
            .map(|json| {
                let (rules, _) = Rules::recognise(&json).unwrap();
                (json.to_string(), rules, serde_json::from_value(json).unwrap())
            })
            .collect();
    }

    fn refuse(pre_tokenizer: Value, reason: &str) {
        let refused = Rules::recognise(&pre_tokenizer).unwrap_err();
        assert!(refused.contains(reason), "{refused}");
    }

    #[test]
    fn what_is_not_known_is_refused() {
        refuse(json!({"type": "Whitespace"}), "does not end in ByteLevel");
        refuse(json!({"type": "Sequence", "pretokenizers": []}), "does not end in ByteLevel");
        refuse(json!({"type": "ByteLevel"}), "add_prefix_space");
        refuse(byte_level(false), "new");
        refuse(sequence(&[split("a|b", "Isolated", false), byte_level(false)]), "regular expression");
        refuse(sequence(&[split(SPLITS[0].0, "Removed", false), byte_level(false)]), "not a Split");
        refuse(sequence(&[split(SPLITS[0].0, "Isolated", false), byte_level(true)]), "new");
        let mut spaced = byte_level(false);
        spaced["add_prefix_space"] = json!(true);
        refuse(sequence(&[split(SPLITS[0].0, "Isolated", false), spaced]), "space");
        refuse(
            sequence(&[
                split(DEEP_SEEK[0], "Isolated", false),
                split(DEEP_SEEK[1], "Removed", true),
                split(DEEP_SEEK[2], "Isolated", false),
                byte_level(false),
            ]),
            "new",
        );
    }
}
