//! Do a kernel and the `tokenizers` crate say the same about a text?
//!
//! Both are made from one document. The token [`ADDED`] may stand among its added tokens; then texts are
//! taken apart at it as the crate's user sees them.

use std::{io::Read, str::FromStr};

use flate2::read::GzDecoder;
use tokenizers::Tokenizer;

use crate::{
    definition::Definition,
    kernel::{Kernel, Piece, Reason, Section, Start},
};

/// A token that cuts texts into sections.
pub(crate) const ADDED: &str = "<X>";

/// The text of a `tokenizer.json` in `fixtures`.
pub(crate) fn fixture(compressed: &[u8]) -> String {
    let mut json = String::new();
    GzDecoder::new(compressed).read_to_string(&mut json).expect("a fixture");
    json
}

/// A kernel and what it has to agree with.
pub(crate) struct Pair<K: Kernel> {
    kernel: K,
    oracle: Tokenizer,
    scratch: K::Scratch,
}

impl<K: Kernel> Pair<K> {
    /// Both, from one document.
    pub(crate) fn new(
        json: &str,
        kernel: impl FnOnce(&Definition<'_>) -> Result<K, Reason>,
    ) -> Result<Self, Reason> {
        let definition: Definition<'_> = serde_json::from_str(json).expect("a definition");
        let kernel = kernel(&definition)?;
        let oracle = Tokenizer::from_str(json).expect("a tokenizer");
        Ok(Self { kernel, oracle, scratch: K::Scratch::default() })
    }

    /// Fails unless ids, counts, pieces and cuts of `text` are right, and ids and counts of its sections together.
    pub(crate) fn check(&mut self, text: &str) {
        let expected = self.expected(text);
        let expected_ids: Vec<u32> = expected.iter().map(|piece| piece.id).collect();
        let (mut ids, mut count, mut cut, mut pieces) = (Vec::new(), 0, Vec::new(), Vec::new());
        let added = self.oracle.token_to_id(ADDED);
        let mut start = 0;
        let mut words = 0;
        let (mut sections, mut own, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for (i, part) in text.split(if added.is_some() { ADDED } else { "\0never\0" }).enumerate() {
            if let (Some(id), true) = (added, i > 0) {
                ids.push(id);
                cut.push(id);
                count += 1;
                let end = start + ADDED.len();
                pieces.push(Piece { id, start, end, word: words });
                start = end;
                words += 1;
            }
            let section =
                Section { text: part, start: if start == 0 { Start::Text } else { Start::AddedToken } };
            let before = (ids.len(), pieces.len());
            self.kernel.ids(section, &mut self.scratch, &mut ids);
            sections.push(section);
            own.extend_from_slice(&ids[before.0..]);
            ends.push(own.len());
            count += self.kernel.count(section, &mut self.scratch);
            self.kernel.pieces(section, &mut self.scratch, &mut pieces);
            self.cut(section, &mut cut);
            assert_eq!(pieces.len() - before.1, ids.len() - before.0, "pieces of {text:?}");
            let mut last = words;
            for piece in &mut pieces[before.1..] {
                piece.start += start;
                piece.end += start;
                piece.word += words;
                last = piece.word + 1;
            }
            words = last;
            start += part.len();
        }
        assert_eq!(ids, expected_ids, "ids of {text:?}");
        let mut together = (Vec::new(), Vec::new(), Vec::new());
        let (found, found_ends, counts) = (&mut together.0, &mut together.1, &mut together.2);
        self.kernel.ids_of_sections(&sections, &mut self.scratch, found, found_ends);
        self.kernel.count_of_sections(&sections, &mut self.scratch, counts);
        assert_eq!(together, (own, ends.clone(), ends), "sections of {text:?} together");
        assert_eq!(cut, expected_ids, "ids of {text:?} in parts");
        assert_eq!(count, expected.len(), "count of {text:?}");
        assert_eq!(pieces, expected, "pieces of {text:?}");
    }

    /// The ids of all parts that the kernel names.
    fn cut(&mut self, section: Section<'_>, out: &mut Vec<u32>) {
        let Section { mut text, mut start } = section;
        let mut from = 1;
        while from < text.len() {
            let cut = text.is_char_boundary(from).then(|| self.kernel.cut(text, from)).flatten();
            let Some(cut) = cut else {
                from += 1;
                continue;
            };
            assert!(cut >= from && cut < text.len(), "cut at {cut} of {text:?} from {from}");
            self.kernel.ids(Section { text: &text[..cut], start }, &mut self.scratch, out);
            (text, start, from) = (&text[cut..], Start::Cut, 1);
        }
        self.kernel.ids(Section { text, start }, &mut self.scratch, out);
    }

    fn expected(&self, text: &str) -> Vec<Piece> {
        let encoding = self.oracle.encode(text, false).expect("an encoding");
        let ids = encoding.get_ids().iter();
        ids.zip(encoding.get_offsets())
            .zip(encoding.get_word_ids())
            .map(|((&id, &(start, end)), word)| Piece { id, start, end, word: word.unwrap_or(u32::MAX) })
            .collect()
    }
}
