//! What does the header of a safetensors file say, and can it be true?
//!
//! Eight bytes of length, then JSON: for each tensor its type, its shape, and where its bytes stand behind the
//! header ([the format](https://github.com/huggingface/safetensors#format)). Nothing is believed that does not
//! hold: names come once, tensors follow each other without holes from the first byte to the last, and each
//! has as many bytes as its shape says.

use std::{collections::HashMap, fmt};

use safetensors::{Dtype, tensor::TensorInfo};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};

/// The longest header, as in the reference library.
pub(crate) const MOST: u64 = 100_000_000;
const LENGTH: usize = size_of::<u64>();
/// What stands beside the tensors.
pub(crate) const METADATA: &str = "__metadata__";

/// What is said of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    /// Where its bytes stand in the file.
    pub(crate) bytes: std::ops::Range<usize>,
}

/// What is said of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Header {
    /// In the order of their bytes.
    pub(crate) entries: Vec<Entry>,
    pub(crate) metadata: HashMap<String, String>,
}

/// What a header says that cannot be true.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderProblem {
    /// The file is shorter than any.
    #[error("it has {0} bytes, too few for the length of a header")]
    TooShort(usize),
    /// The header is longer than any may be.
    #[error("its header has {0} bytes by its own account, and may have at most {MOST}")]
    TooLong(u64),
    /// The file ends before its header does.
    #[error("its header has {header} bytes by its own account, but only {rest} follow")]
    Cut {
        /// What its length says.
        header: u64,
        /// How many there are.
        rest: usize,
    },
    /// The header is not the JSON of tensors.
    #[error("its header cannot be read: {0}")]
    Json(serde_json::Error),
    /// A shape whose size no number holds.
    #[error("the size of tensor `{0}` is beyond all memory")]
    Overflow(String),
    /// A tensor with more or fewer bytes than its shape says.
    #[error("tensor `{name}` of type {dtype} and shape {shape:?} needs {needed} bytes, but has {found}")]
    Size {
        /// The tensor.
        name: String,
        /// Its type.
        dtype: Dtype,
        /// Its shape.
        shape: Vec<usize>,
        /// How many bytes the shape needs.
        needed: usize,
        /// How many it has.
        found: usize,
    },
    /// A hole between tensors, or two that share bytes.
    #[error("tensor `{name}` begins at byte {found} of the data, where {expected} is the next")]
    Place {
        /// The tensor.
        name: String,
        /// Where it begins.
        found: usize,
        /// Where the one before ends.
        expected: usize,
    },
    /// More or fewer bytes than the tensors have.
    #[error("its tensors have {tensors} bytes, but {file} follow its header")]
    End {
        /// How many bytes the tensors have.
        tensors: usize,
        /// How many there are.
        file: usize,
    },
}

/// Reads the header of a file.
pub(crate) fn read(file: &[u8]) -> Result<Header, HeaderProblem> {
    let Some((length, rest)) = file.split_first_chunk::<LENGTH>() else {
        return Err(HeaderProblem::TooShort(file.len()));
    };
    let header = u64::from_le_bytes(*length);
    if header > MOST {
        return Err(HeaderProblem::TooLong(header));
    }
    let cut = HeaderProblem::Cut { header, rest: rest.len() };
    let Some((json, data)) = usize::try_from(header).ok().and_then(|at| rest.split_at_checked(at)) else {
        return Err(cut);
    };
    let Members { mut tensors, metadata } = serde_json::from_slice(json).map_err(HeaderProblem::Json)?;
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    let (first, mut next) = (file.len() - data.len(), 0);
    let mut entries = Vec::with_capacity(tensors.len());
    for (name, TensorInfo { dtype, shape, data_offsets: (start, end) }) in tensors {
        if start != next || end < start {
            return Err(HeaderProblem::Place { name, found: start, expected: next });
        }
        let bits = shape
            .iter()
            .try_fold(1, |all: usize, &size| all.checked_mul(size))
            .and_then(|count| count.checked_mul(dtype.bitsize()));
        let Some(bits) = bits else { return Err(HeaderProblem::Overflow(name)) };
        let needed = bits.div_ceil(8);
        if end - start != needed {
            return Err(HeaderProblem::Size { name, dtype, shape, needed, found: end - start });
        }
        if end > data.len() {
            return Err(HeaderProblem::End { tensors: end, file: data.len() });
        }
        next = end;
        entries.push(Entry { name, dtype, shape, bytes: first + start..first + end });
    }
    if next != data.len() {
        return Err(HeaderProblem::End { tensors: next, file: data.len() });
    }
    Ok(Header { entries, metadata })
}

/// The members of the header's object.
#[derive(Default)]
struct Members {
    tensors: Vec<(String, TensorInfo)>,
    metadata: HashMap<String, String>,
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Members::default();
                let mut names = std::collections::HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    if !names.insert(name.clone()) {
                        return Err(A::Error::custom(format_args!("the name `{name}` comes twice")));
                    }
                    if name == METADATA {
                        members.metadata = map.next_value()?;
                    } else {
                        members.tensors.push((name, map.next_value()?));
                    }
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Read)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn file(header: &str, data: usize) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &vec![0; data]].concat()
    }

    fn check(file: &[u8], expected: Expect) {
        let shown = match read(file) {
            Ok(header) => header.entries.iter().map(|entry| format!("{entry:?}\n")).collect(),
            Err(error) => format!("error: {error}\n"),
        };
        expected.assert_eq(&shown);
    }

    /// Each what somebody could send us.
    #[test]
    fn a_gallery_of_files_that_cannot_be_true() {
        check(
            b"",
            expect![[r#"
            error: it has 0 bytes, too few for the length of a header
        "#]],
        );
        check(
            &[255; 8],
            expect![[r#"
            error: its header has 18446744073709551615 bytes by its own account, and may have at most 100000000
        "#]],
        );
        check(
            &file("{}", 0)[..9],
            expect![[r#"
            error: its header has 2 bytes by its own account, but only 1 follow
        "#]],
        );
        check(
            &file("[]", 0),
            expect![[r#"
            error: its header cannot be read: invalid type: sequence, expected an object of tensors at line 1 column 0
        "#]],
        );
        check(
            &file("{\"a\":", 0),
            expect![[r#"
            error: its header cannot be read: EOF while parsing a value at line 1 column 5
        "#]],
        );
        check(
            &file("{}", 3),
            expect![[r#"
            error: its tensors have 0 bytes, but 3 follow its header
        "#]],
        );
        let one = r#"{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#;
        check(
            &file(one, 15),
            expect![[r#"
            error: its tensors have 16 bytes, but 15 follow its header
        "#]],
        );
        check(
            &file(one, 17),
            expect![[r#"
            error: its tensors have 16 bytes, but 17 follow its header
        "#]],
        );
        check(
            &file(&one.replace("[0,16]", "[16,0]"), 16),
            expect![[r#"
            error: tensor `a` begins at byte 16 of the data, where 0 is the next
        "#]],
        );
        check(
            &file(&one.replace("[0,16]", "[4,20]"), 20),
            expect![[r#"
            error: tensor `a` begins at byte 4 of the data, where 0 is the next
        "#]],
        );
        check(
            &file(&one.replace("[2,2]", "[2,3]"), 16),
            expect![[r#"
            error: tensor `a` of type F32 and shape [2, 3] needs 24 bytes, but has 16
        "#]],
        );
        check(
            &file(&one.replace("[2,2]", "[4294967296,4294967296]"), 16),
            expect![[r#"
            error: the size of tensor `a` is beyond all memory
        "#]],
        );
        check(
            &file(&one.replace("[2,2]", "[-1]"), 16),
            expect![[r#"
            error: its header cannot be read: invalid value: integer `-1`, expected usize at line 1 column 31
        "#]],
        );
        check(
            &file(&one.replace("F32", "F31"), 16),
            expect![[r#"
            error: its header cannot be read: unknown variant `F31`, expected one of `BOOL`, `F4`, `F6_E2M3`, `F6_E3M2`, `U8`, `I8`, `F8_E5M2`, `F8_E4M3`, `F8_E8M0`, `F8_E4M3FNUZ`, `F8_E5M2FNUZ`, `I16`, `U16`, `F16`, `BF16`, `I32`, `U32`, `F32`, `C64`, `F64`, `I64`, `U64` at line 1 column 19
        "#]],
        );
        check(
            &file(&one.replace("}}", r#"},"a":{"dtype":"U8","shape":[],"data_offsets":[16,17]}}"#), 17),
            expect![[r#"
                error: its header cannot be read: the name `a` comes twice at line 1 column 60
            "#]],
        );
        check(
            &file(&one.replace("}}", r#"},"b":{"dtype":"U8","shape":[4],"data_offsets":[12,16]}}"#), 16),
            expect![[r#"
                error: tensor `b` begins at byte 12 of the data, where 16 is the next
            "#]],
        );
        check(
            &file(&one.replace("{\"a\"", r#"{"__metadata__":{"a":1},"a""#), 16),
            expect![[r#"
            error: its header cannot be read: invalid type: integer `1`, expected a string at line 1 column 22
        "#]],
        );
    }

    #[test]
    fn tensors_come_in_the_order_of_their_bytes() {
        let header = r#"{"b":{"dtype":"U8","shape":[],"data_offsets":[4,5]},"__metadata__":{"k":"v"},"empty":{"dtype":"F16","shape":[0,3],"data_offsets":[4,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
        check(
            &file(header, 5),
            expect![[r#"
            Entry { name: "a", dtype: F32, shape: [1], bytes: 197..201 }
            Entry { name: "empty", dtype: F16, shape: [0, 3], bytes: 201..201 }
            Entry { name: "b", dtype: U8, shape: [], bytes: 201..202 }
        "#]],
        );
        assert_eq!(read(&file(header, 5)).unwrap().metadata["k"], "v");
    }
}
