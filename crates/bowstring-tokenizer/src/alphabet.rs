//! How do vocabularies write bytes?
//!
//! GPT-2's alphabet: printable characters of Latin-1 stand for their own bytes, and the characters from
//! U+0100 on for the other 68.

/// One more than the last character.
const END: usize = 256 + 68;

/// The character of each byte, and the byte of each character.
pub(crate) static ALPHABET: Alphabet = Alphabet::new();

/// See [`ALPHABET`].
pub(crate) struct Alphabet {
    pub chars: [char; 256],
    bytes: [Option<u8>; END],
}

impl Alphabet {
    const fn new() -> Self {
        let (mut chars, mut bytes) = (['\0'; 256], [None; END]);
        let (mut byte, mut other) = (0, 256);
        while byte < 256 {
            let printable = matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
            let code = if printable { byte } else { other };
            if !printable {
                other += 1;
            }
            // No surrogate is anywhere near.
            if let Some(c) = char::from_u32(code as u32) {
                chars[byte] = c;
            }
            bytes[code] = Some(byte as u8);
            byte += 1;
        }
        Self { chars, bytes }
    }

    /// The byte that a character stands for.
    pub(crate) fn byte(&self, c: char) -> Option<u8> {
        self.bytes.get(c as usize).copied().flatten()
    }

    /// The bytes that a token stands for, if it is written in this alphabet.
    pub(crate) fn decode(&self, token: &str) -> Option<impl Iterator<Item = u8>> {
        let is = |c: char| self.byte(c).is_some();
        token.chars().all(is).then(|| token.chars().filter_map(|c| self.byte(c)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_that_of_the_library() {
        let theirs = tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet();
        assert_eq!(theirs.len(), 256);
        assert!(theirs.iter().all(|&c| ALPHABET.byte(c).is_some()));
        for byte in 0..=255 {
            assert_eq!(ALPHABET.byte(ALPHABET.chars[usize::from(byte)]), Some(byte));
        }
        assert_eq!(ALPHABET.chars[usize::from(b' ')], 'Ġ');
        assert_eq!(ALPHABET.byte(' '), None);
        assert_eq!(ALPHABET.byte('中'), None);
    }
}
