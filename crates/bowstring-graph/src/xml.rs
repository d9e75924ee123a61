//! How does text stand in XML?

use std::borrow::Cow;

/// Text that stands in XML as it is read. Characters that XML does not have become pictures of
/// themselves where there are any (␀ and the like), else the replacement character.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    let special = |character: char| matches!(character, '<' | '>' | '&' | '"' | '\'' | '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    if !text.contains(special) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\0'..='\x1f' => out.push(char::from_u32(0x2400 + u32::from(character)).unwrap_or('\u{fffd}')),
            '\x7f' => out.push('␡'),
            other if special(other) => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}
