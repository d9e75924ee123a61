//! What becomes of characters without a token?

use hashbrown::HashMap;

use crate::{characters::Characters, kernel::Reason};

/// What a character without a token becomes.
#[derive(Debug)]
pub(super) enum Unknown {
    /// The tokens of its bytes.
    Bytes(Box<[u32; 256]>),
    /// One token for each, or one for all that follow each other.
    Token { id: u32, fused: bool },
}

impl Unknown {
    pub(super) fn new(
        byte_fallback: bool,
        token: Option<&str>,
        fused: bool,
        ids: &HashMap<&str, u32>,
        characters: &Characters,
    ) -> Result<Self, Reason> {
        if byte_fallback {
            let mut bytes = Box::new([u32::MAX; 256]);
            for (byte, place) in (0..=u8::MAX).zip(bytes.iter_mut()) {
                match ids.get(format!("<0x{byte:02X}>").as_str()) {
                    Some(id) => *place = *id,
                    // These bytes are in no text, and these are not needed.
                    None if matches!(byte, 0xC0 | 0xC1 | 0xF5..) => {}
                    None if byte.is_ascii() && characters.get(char::from(byte)).is_some() => {}
                    None if byte == b' ' => {}
                    None => return Err("a byte has no token".into()),
                }
            }
            return Ok(Self::Bytes(bytes));
        }
        let token = token.ok_or("characters without a token are dropped")?;
        let id = ids.get(token).copied().ok_or("the unknown token is not in the vocabulary")?;
        Ok(Self::Token { id, fused })
    }

    /// Whether unknown characters that follow each other are one token.
    #[inline(always)]
    pub(super) fn fuse(&self) -> bool {
        matches!(self, Self::Token { fused: true, .. })
    }

    pub(super) fn has(&self, id: u32) -> bool {
        match self {
            Self::Bytes(ids) => ids.contains(&id),
            Self::Token { id: unknown, .. } => *unknown == id,
        }
    }

    /// The tokens of bytes stand for one byte, the unknown token for what is not known before it is seen.
    pub(super) fn set_lengths(&self, lengths: &mut [u32]) {
        let (ids, len) = match self {
            Self::Bytes(ids) => (ids.as_slice(), 1),
            Self::Token { id, .. } => (std::slice::from_ref(id), 0),
        };
        for &id in ids {
            if let Some(length) = lengths.get_mut(id as usize) {
                *length = len;
            }
        }
    }
}
