//! What does a structure in Thrift's compact protocol hold, and can it be as long as it says?
//!
//! The Parquet reader asks for memory by the lengths and counts that it finds, and recurses by depth, so
//! that a few changed bytes could end the process. A walk over the bytes, which keeps nothing, comes first.

/// Structures within structures; the format needs fewer than ten.
const MAX_DEPTH: usize = 32;

/// What is said of bytes that end within the structure.
pub(crate) const TOO_SHORT: &str = "it ends too early";

const BOOLEAN_TRUE: u8 = 1;
const BOOLEAN_FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
pub(crate) const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
pub(crate) const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
pub(crate) const STRUCT: u8 = 12;

/// Is told each field's number and type; says whether it has walked over it.
pub(crate) type Visit<'v, 'a> = &'v mut dyn FnMut(&mut Walk<'a>, i64, u8) -> Result<bool, &'static str>;

/// A walk over Thrift's compact protocol that keeps nothing.
pub(crate) struct Walk<'a> {
    pub(crate) left: &'a [u8],
}

impl<'a> Walk<'a> {
    /// Walks over the fields of a structure; `visit` is told each one's number and type, and says
    /// whether it has walked over it.
    pub(crate) fn structure(&mut self, depth: usize, visit: Visit<'_, 'a>) -> Result<(), &'static str> {
        if depth > MAX_DEPTH {
            return Err("its structures are too deep");
        }
        let mut number = 0i64;
        loop {
            let header = self.byte()?;
            if header == 0 {
                return Ok(());
            }
            number = match header >> 4 {
                0 => self.signed()?,
                step => number + i64::from(step),
            };
            let kind = header & 0x0f;
            if !visit(self, number, kind)? {
                self.value(kind, depth, false)?;
            }
        }
    }

    fn value(&mut self, kind: u8, depth: usize, in_list: bool) -> Result<(), &'static str> {
        match kind {
            BOOLEAN_TRUE | BOOLEAN_FALSE if in_list => self.skip(1),
            BOOLEAN_TRUE | BOOLEAN_FALSE => Ok(()),
            BYTE => self.skip(1),
            I16 | I32 | I64 => self.unsigned().map(|_| ()),
            DOUBLE => self.skip(8),
            BINARY => {
                let length = self.unsigned()?;
                self.skip(length)
            }
            LIST | SET => {
                let (length, kind) = self.list()?;
                (0..length).try_for_each(|_| self.value(kind, depth + 1, true))
            }
            MAP => {
                let length = self.unsigned()?;
                self.room_for(length)?;
                let kinds = if length > 0 { self.byte()? } else { 0 };
                (0..length).try_for_each(|_| {
                    self.value(kinds >> 4, depth + 1, true)?;
                    self.value(kinds & 0x0f, depth + 1, true)
                })
            }
            STRUCT => self.structure(depth + 1, &mut |_, _, _| Ok(false)),
            _ => Err("it has a value of unknown type"),
        }
    }

    /// The length of a list, and the type of its elements.
    pub(crate) fn list(&mut self) -> Result<(u64, u8), &'static str> {
        let header = self.byte()?;
        let length = match header >> 4 {
            15 => self.unsigned()?,
            short => u64::from(short),
        };
        self.room_for(length)?;
        Ok((length, header & 0x0f))
    }

    /// The length of the list that comes next.
    pub(crate) fn peek_length(&self) -> Result<u64, &'static str> {
        Walk { left: self.left }.list().map(|(length, _)| length)
    }

    /// Every element takes a byte at least.
    fn room_for(&self, length: u64) -> Result<(), &'static str> {
        if length > self.left.len() as u64 { Err("a list is longer than what is left") } else { Ok(()) }
    }

    fn byte(&mut self) -> Result<u8, &'static str> {
        let (first, rest) = self.left.split_first().ok_or(TOO_SHORT)?;
        self.left = rest;
        Ok(*first)
    }

    /// Leaves out some bytes.
    pub(crate) fn skip(&mut self, count: u64) -> Result<(), &'static str> {
        let count = usize::try_from(count).map_err(|_| "a value is too long")?;
        self.left = self.left.get(count..).ok_or(TOO_SHORT)?;
        Ok(())
    }

    /// A number in groups of seven bits, the least significant first.
    pub(crate) fn unsigned(&mut self) -> Result<u64, &'static str> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a number is too long")
    }

    /// A whole number of at most 32 bits: of a longer one, the decoder would take the last 32.
    pub(crate) fn signed(&mut self) -> Result<i64, &'static str> {
        let zigzag = self.unsigned()?;
        if zigzag > u64::from(u32::MAX) {
            return Err("a number is longer than its type");
        }
        Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: Result<i64, &'static str>) {
        assert_eq!(Walk { left: bytes }.signed(), expected, "{bytes:x?}");
    }

    #[test]
    fn numbers_of_more_than_32_bits_are_refused() {
        check(&[0x01], Ok(-1));
        check(&[0xfe, 0xff, 0xff, 0xff, 0x0f], Ok(i64::from(i32::MAX)));
        check(&[0xff, 0xff, 0xff, 0xff, 0x0f], Ok(i64::from(i32::MIN)));
        // A negative number, of which the last 32 bits are 2^31 - 1.
        check(&[0xff, 0xff, 0xff, 0xff, 0x1f], Err("a number is longer than its type"));
        check(&[0x80; 9], Err(TOO_SHORT));
    }
}
