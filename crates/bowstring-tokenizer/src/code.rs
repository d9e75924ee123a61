//! Which character stands at a place of a text?

/// The code of the character that begins at `place` of a text's bytes, and how many bytes it has; `None` at
/// the end.
#[inline(always)]
pub(crate) fn code_at(bytes: &[u8], place: usize) -> Option<(u32, usize)> {
    let low = |byte: u8| u32::from(byte & 0x3F);
    match *bytes.get(place..)? {
        [a @ 0..0x80, ..] => Some((u32::from(a), 1)),
        [a @ 0..0xE0, b, ..] => Some((u32::from(a & 0x1F) << 6 | low(b), 2)),
        [a @ 0..0xF0, b, c, ..] => Some((u32::from(a & 0x0F) << 12 | low(b) << 6 | low(c), 3)),
        [a, b, c, d, ..] => Some((u32::from(a & 0x07) << 18 | low(b) << 12 | low(c) << 6 | low(d), 4)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_read() {
        for character in '\0'..=char::MAX {
            let text = format!("{character}{character}");
            let len = character.len_utf8();
            assert_eq!(code_at(text.as_bytes(), len), Some((character as u32, len)));
            assert_eq!(code_at(text.as_bytes(), 2 * len), None);
        }
    }
}
