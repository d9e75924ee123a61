//! What tokenizer does a file of tiktoken's ranks describe?
//!
//! Each line has a token in base64 and its rank, which is its id. Parts of a piece are merged into the token
//! of the lowest rank first, of two the leftmost; a piece that is a token is taken as it is.
//!
//! Such a token is always merged of the same two parts, whatever stands around it: until they are merged,
//! what happens between their ends is what happens to the token's own bytes alone. So a `tokenizer.json`
//! with that one merge for each token, in the order of their ranks, says the same.

use std::{collections::BTreeSet, path::Path};

use base64::Engine as _;
use hashbrown::{HashMap, HashSet};
use serde_json::{Value, json};

use tokenizers::{
    SplitDelimiterBehavior,
    pre_tokenizers::split::{Split, SplitPattern},
};

use crate::{Result, Tokenizer, TokenizerError, alphabet::ALPHABET, tiktoken_pattern};

impl Tokenizer {
    /// The tokenizer of a file of tiktoken's ranks, with the `pattern` that cuts text into pieces and the
    /// special tokens, which the file does not have. Text that the pattern leaves out is left out.
    ///
    /// Patterns that no kernel of ours knows are run by the `tokenizers` crate, see [`Self::backend`].
    ///
    /// # Errors
    /// [`TokenizerError::System`] when the file cannot be read, [`TokenizerError::Malformed`] with the line
    /// that is not a token and a rank, [`TokenizerError::Pattern`] with the place in the pattern that is no
    /// regular expression, or could not be run as tiktoken runs it, [`TokenizerError::Unsupported`] when
    /// ids could not be tiktoken's for another reason.
    pub fn from_tiktoken(
        path: impl AsRef<Path>,
        pattern: &str,
        special_tokens: &[(String, u32)],
    ) -> Result<Self> {
        let path = path.as_ref();
        let text =
            std::fs::read(path).map_err(|source| TokenizerError::System { path: path.to_owned(), source })?;
        let ranks = ranks(&text).map_err(|(line, reason)| TokenizerError::Malformed {
            what: "a file of ranks",
            path: Some(path.to_owned()),
            field: Some(format!("line {line}")),
            reason: reason.to_owned(),
        })?;
        let mut document = document(&ranks, special_tokens)
            .map_err(|reason| TokenizerError::Unsupported { path: Some(path.to_owned()), reason })?;
        document["pre_tokenizer"] = pre_tokenizer(pattern);
        // Kernels know patterns as tiktoken has them, which is not always as Oniguruma reads them.
        document["bowstring"] = json!({"needed": true});
        if let Ok(known) = Self::new(document.to_string().into_bytes(), Some(path)) {
            return Ok(known);
        }
        document["pre_tokenizer"] = pre_tokenizer(&translated(pattern)?);
        document.as_object_mut().map(|fields| fields.remove("bowstring"));
        Self::new(document.to_string().into_bytes(), Some(path))
    }
}

/// The pattern for Oniguruma.
fn translated(pattern: &str) -> Result<String> {
    let refused = |at, reason| TokenizerError::Pattern { pattern: pattern.to_owned(), at, reason };
    let written = tiktoken_pattern::translate(pattern)
        .map_err(|problem| refused(Some(problem.at), problem.reason.to_owned()))?;
    match Split::new(SplitPattern::Regex(written.clone()), SplitDelimiterBehavior::Removed, true) {
        Ok(_) => Ok(written),
        Err(error) => Err(refused(None, error.to_string())),
    }
}

/// Every match of `pattern` is a piece.
fn pre_tokenizer(pattern: &str) -> Value {
    let split =
        json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Removed", "invert": true});
    json!({"type": "Sequence", "pretokenizers": [split, byte_level()]})
}

fn byte_level() -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false})
}

/// Tokens and their ranks, in the order of these.
type Ranks = Vec<(Vec<u8>, u32)>;

/// The tokens of a file with their ranks, or the line that has none and why.
fn ranks(text: &[u8]) -> Result<Ranks, (usize, &'static str)> {
    let mut ranks = Vec::new();
    let (mut tokens, mut taken) = (HashSet::new(), HashSet::new());
    for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let mut parts = line.split(|&byte| byte == b' ');
        let (Some(token), Some(rank), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err((number, "it is not a token and a rank with a space between them"));
        };
        let token = base64::engine::general_purpose::STANDARD
            .decode(token)
            .map_err(|_| (number, "the token is not in base64"))?;
        let rank: Option<u32> = str::from_utf8(rank).ok().and_then(|rank| rank.parse().ok());
        // The largest number is tiktoken's word for no rank.
        let rank = rank.filter(|&rank| rank < u32::MAX).ok_or((number, "the rank is not a number"))?;
        if token.is_empty() {
            return Err((number, "the token is empty"));
        }
        if !tokens.insert(token.clone()) {
            return Err((number, "the token is there already"));
        }
        if !taken.insert(rank) {
            return Err((number, "the rank is there already"));
        }
        ranks.push((token, rank));
    }
    ranks.sort_by_key(|(_, rank)| *rank);
    Ok(ranks)
}

/// The `tokenizer.json` of `ranks`, which are in their order, without what cuts text into pieces; or why
/// there is none.
fn document(ranks: &[(Vec<u8>, u32)], special_tokens: &[(String, u32)]) -> Result<Value, String> {
    let written =
        |token: &[u8]| -> String { token.iter().map(|&byte| ALPHABET.chars[usize::from(byte)]).collect() };
    let by_token: HashMap<&[u8], u32> = ranks.iter().map(|(token, rank)| (token.as_slice(), *rank)).collect();
    if let Some(byte) = (0..=u8::MAX).find(|&byte| !by_token.contains_key([byte].as_slice())) {
        return Err(format!("no token is the byte {byte:#04x}"));
    }
    let merges: Vec<[String; 2]> = ranks
        .iter()
        .filter_map(|(token, _)| Some(token.split_at(last_seam(token, &by_token)?)))
        .map(|(left, right)| [written(left), written(right)])
        .collect();
    let mut vocab: serde_json::Map<String, Value> =
        ranks.iter().map(|(token, rank)| (written(token), json!(rank))).collect();
    let mut taken: HashSet<u32> = ranks.iter().map(|(_, rank)| *rank).collect();
    let mut added = Vec::new();
    for (token, id) in special_tokens {
        if !taken.insert(*id) {
            return Err(format!("the id {id} of the special token `{token}` is another's"));
        }
        if vocab.insert(token.clone(), json!(id)).is_some() {
            return Err(format!("the special token `{token}` is written as another token is"));
        }
        added.push(json!({"id": id, "content": token, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true}));
    }
    Ok(json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": null, "post_processor": null, "decoder": byte_level(),
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": true, "vocab": vocab, "merges": merges},
    }))
}

/// Where the last two parts of a token meet when its bytes are merged; `None` when they do not become one.
fn last_seam(token: &[u8], ranks: &HashMap<&[u8], u32>) -> Option<usize> {
    let end = token.len();
    let rank = |start: usize, end: usize| ranks.get(&token[start..end]).copied();
    // Where the part begins that is before the one which begins here, and where that one ends.
    let mut before: Vec<usize> = (0..end).map(|start| start.saturating_sub(1)).collect();
    let mut ends: Vec<usize> = (1..=end).collect();
    // What can be merged: its rank, and where its parts meet.
    let mut seams: BTreeSet<(u32, usize)> =
        (1..end).filter_map(|seam| Some((rank(seam - 1, seam + 1)?, seam))).collect();
    for _ in 2..end {
        let (_, seam) = seams.pop_first()?;
        let (left, right) = (before[seam], ends[seam]);
        let mut change = |seam: usize, old: Option<u32>, new: Option<u32>| {
            old.map(|old| seams.remove(&(old, seam)));
            seams.extend(new.map(|new| (new, seam)));
        };
        if left > 0 {
            change(left, rank(before[left], seam), rank(before[left], right));
        }
        if right < end {
            change(right, rank(seam, ends[right]), rank(left, ends[right]));
            before[right] = left;
        }
        ends[left] = right;
    }
    seams.first().map(|(_, seam)| *seam)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use bowstring_core::{Diagnostic as _, ErrorKind};
    use proptest::prelude::*;

    use super::*;
    use crate::{Backend, differential::fixture};

    const PATTERN: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    fn read(ranks: &[u8], special_tokens: &[(String, u32)]) -> Result<Tokenizer> {
        cut(ranks, PATTERN, special_tokens)
    }

    fn cut(ranks: &[u8], pattern: &str, special_tokens: &[(String, u32)]) -> Result<Tokenizer> {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(ranks).expect("a file");
        Tokenizer::from_tiktoken(file.path(), pattern, special_tokens)
    }

    /// All bytes, then `tokens`, in a file.
    fn ranks_of(tokens: &[&[u8]]) -> Vec<u8> {
        let bytes: Vec<[u8; 1]> = (0..=u8::MAX).map(|byte| [byte]).collect();
        let all = bytes.iter().map(|byte| byte.as_slice()).chain(tokens.iter().copied());
        let encode = |token| base64::engine::general_purpose::STANDARD.encode(token);
        all.enumerate().flat_map(|(rank, token)| format!("{} {rank}\n", encode(token)).into_bytes()).collect()
    }

    /// The ids of a piece as tiktoken's own code finds them.
    fn by_hand(ranks: &[(Vec<u8>, u32)], piece: &[u8]) -> Vec<u32> {
        let ranks: HashMap<&[u8], u32> =
            ranks.iter().map(|(token, rank)| (token.as_slice(), *rank)).collect();
        if let Some(&id) = ranks.get(piece) {
            return vec![id];
        }
        let mut parts: Vec<&[u8]> = piece.chunks(1).collect();
        let joined = |parts: &[&[u8]]| ranks.get(parts.concat().as_slice()).copied();
        while let Some((_, at)) =
            (1..parts.len()).filter_map(|at| Some((joined(&parts[at - 1..=at])?, at))).min()
        {
            let start = parts[..at - 1].concat().len();
            let len = parts[at - 1].len() + parts[at].len();
            parts.splice(at - 1..=at, [&piece[start..start + len]]);
        }
        parts.iter().map(|part| ranks[part]).collect()
    }

    proptest! {
        /// Tokens in any order, so that some are made of later ones, in several ways, or never.
        #[test]
        fn one_merge_for_each_token_is_enough(
            tokens in prop::collection::hash_set("[ab]{2,6}", 0..20),
            pieces in prop::collection::vec("[ab]{1,14}", 1..8),
        ) {
            let tokens: Vec<&[u8]> = tokens.iter().map(String::as_bytes).collect();
            let file = ranks_of(&tokens);
            let known = read(&file, &[]).expect("a tokenizer");
            prop_assert_eq!(known.backend(), Backend::Fast("byte-level BPE"));
            let other = cut(&file, "[ab]+", &[]).expect("a tokenizer");
            let complete = matches!(other.backend(), Backend::Complete { .. });
            prop_assert!(complete);
            let ranks = ranks(&file).expect("ranks");
            for piece in &pieces {
                let expected = by_hand(&ranks, piece.as_bytes());
                prop_assert_eq!(&known.ids(piece, false).expect("ids"), &expected, "{}", piece);
                prop_assert_eq!(&other.ids(piece, false).expect("ids"), &expected, "{}", piece);
            }
        }
    }

    #[test]
    fn a_pattern_that_no_kernel_knows_is_run_by_the_crate() {
        let special = [("<|end|>".to_owned(), 50256)];
        let tokenizer = cut(&gpt2(), r"\p{Lu}?\p{Ll}++|\p{N}{1,2}+|\s*$|.", &special).expect("a tokenizer");
        assert_eq!(
            tokenizer.backend().to_string(),
            "complete (not byte-level BPE: the regular expression of the pre-tokeniser is new; \
             not SentencePiece BPE: the pre-tokeniser splits words)"
        );
        let tokens = |text: &str| {
            let ids = tokenizer.ids(text, false).expect("ids");
            ids.iter().filter_map(|&id| tokenizer.id_to_token(id)).collect::<Vec<_>>().join("|")
        };
        assert_eq!(tokens("theHouse 12345<|end|>  \n"), "the|House|Ġ|12|34|5|<|end|>|Ġ|Ġ|Ċ");
        assert_eq!(tokens("a\n\n"), "a|ĊĊ");
        assert_eq!(tokens("\na"), "a");
        // Others can load it, too.
        let other = tokenizers::Tokenizer::from_bytes(tokenizer.json()).expect("a tokenizer");
        let ids = other.encode("theHouse 12345<|end|>", false).expect("ids");
        assert_eq!(ids.get_ids(), tokenizer.ids("theHouse 12345<|end|>", false).expect("ids"));
    }

    #[test]
    fn a_pattern_that_would_cut_otherwise_is_refused_with_its_place() {
        let refused = |pattern: &str| {
            let error = cut(&ranks_of(&[]), pattern, &[]).expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::Data);
            format!("{error}; {}", error.place().unwrap_or_default())
        };
        assert_eq!(
            refused(r"a+|\w+"),
            r"the pattern `a+|\w+` cannot be run as tiktoken runs it: this escape is not known; character 4 of the pattern"
        );
        assert_eq!(
            refused("a{200000}"),
            "the pattern `a{200000}` cannot be run as tiktoken runs it: Oniguruma error: too big number for repeat range; "
        );
    }

    #[test]
    fn a_pattern_without_end_is_an_error() {
        let tokenizer = cut(&ranks_of(&[]), "(?:a|ab?|b)+c", &[]).expect("a tokenizer");
        let error = tokenizer.ids(&"ab".repeat(2_000), false).expect_err("too long");
        assert!(matches!(error, TokenizerError::Model { .. }), "{error:?}");
    }

    #[test]
    fn ids_that_are_not_one_token_s_are_refused() {
        let refused =
            |file: &[u8], special: (&str, u32)| match cut(file, "a+", &[(special.0.to_owned(), special.1)])
                .expect_err("refused")
            {
                TokenizerError::Unsupported { reason, .. } => reason,
                TokenizerError::Malformed { field, reason, .. } => {
                    format!("{}: {reason}", field.unwrap_or_default())
                }
                other => panic!("{other:?}"),
            };
        assert_eq!(refused(&ranks_of(&[]), ("<s>", 97)), "the id 97 of the special token `<s>` is another's");
        assert_eq!(
            refused(&ranks_of(&[]), ("Ġ", 300)),
            "the special token `Ġ` is written as another token is"
        );
        assert_eq!(refused(b"YQ== 0\nYg== 0", ("<s>", 300)), "line 2: the rank is there already");
        assert_eq!(refused(b"YQ== 0\nYg== 1", ("<s>", 300)), "no token is the byte 0x00");
    }

    /// GPT-2's ranks.
    fn gpt2() -> Vec<u8> {
        let json: Value =
            serde_json::from_str(&fixture(include_bytes!("../fixtures/gpt2.json.gz"))).expect("a document");
        let mut file = Vec::new();
        for (token, rank) in json["model"]["vocab"].as_object().expect("a map") {
            if let Some(bytes) = ALPHABET.decode(token).filter(|_| token != "<|endoftext|>") {
                let token = base64::engine::general_purpose::STANDARD.encode(bytes.collect::<Vec<u8>>());
                writeln!(file, "{token} {rank}").expect("a line");
            }
        }
        file
    }

    #[test]
    fn ids_are_those_of_the_library() {
        let tokenizer = read(&gpt2(), &[("<|endoftext|>".to_owned(), 50256)]).expect("a tokenizer");
        assert_eq!(tokenizer.backend(), Backend::Fast("byte-level BPE"));
        let json: Value =
            serde_json::from_str(include_str!("../fixtures/other-libraries.json")).expect("a document");
        for case in json["tiktoken"].as_array().expect("a list") {
            let text = case[0].as_str().expect("a text");
            let ids = tokenizer.ids(text, false).expect("ids");
            assert_eq!(json!(ids), case[1], "{text:?}");
            assert_eq!(tokenizer.decode(&ids, false).expect("a text"), text);
        }
    }

    #[test]
    fn ids_by_other_patterns_are_those_of_the_library() {
        let json: Value =
            serde_json::from_str(include_str!("../fixtures/other-libraries.json")).expect("a document");
        for case in json["tiktoken-patterns"].as_array().expect("a list") {
            let pattern = case[0].as_str().expect("a pattern");
            let tokenizer = cut(&gpt2(), pattern, &[]).expect("a tokenizer");
            assert!(matches!(tokenizer.backend(), Backend::Complete { .. }), "{pattern}");
            for case in case[1].as_array().expect("a list") {
                let text = case[0].as_str().expect("a text");
                assert_eq!(json!(tokenizer.ids(text, false).expect("ids")), case[1], "{text:?} by {pattern}");
            }
        }
    }

    #[test]
    fn lines_that_are_no_ranks_are_named() {
        let wrong = |file: &str| match read(file.as_bytes(), &[]) {
            Err(TokenizerError::Malformed { field, reason, .. }) => {
                format!("{}: {reason}", field.unwrap_or_default())
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(wrong("YQ== 0\nYg==\n"), "line 2: it is not a token and a rank with a space between them");
        assert_eq!(wrong("YQ== 0 1"), "line 1: it is not a token and a rank with a space between them");
        assert_eq!(wrong("Y 0"), "line 1: the token is not in base64");
        assert_eq!(wrong("YQ== -1"), "line 1: the rank is not a number");
        assert_eq!(wrong("YQ== 4294967295"), "line 1: the rank is not a number");
        assert_eq!(wrong(" 0"), "line 1: it is not a token and a rank with a space between them");
        assert_eq!(wrong("YQ== 0\n\nYQ== 1"), "line 3: the token is there already");
    }
}
