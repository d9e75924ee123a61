//! Where can a file be cut, so that its parts are read at once?
//!
//! A newline inside quotes ends no record, and whether a newline is inside quotes depends on every byte
//! before it. So the file is scanned once before it is read, its pieces at the same time. Each begins
//! after a newline, where there are only two states: that newline ended a record, or it is inside
//! quotes. A piece is scanned for both, and which of them holds is known from the end of the piece
//! before (two-state chunking is one of the methods that Ge, Li, Eilebrecht, Chandramouli and Kossmann
//! compare in "Speculative distributed CSV data parsing for big data analytics", SIGMOD 2019; their
//! speculative one is faster where it guesses right, but it has to be able to take rows back). A scan
//! looks only at quotes, at the speed at which they are found.

use std::{io::Read, ops::Range};

use rayon::prelude::*;

use super::{
    layout::Layout,
    record::{Closing, Dialect},
};
use crate::{IoError, Result, RowProblem};

/// Bytes of a piece: few enough to stay in a core's cache.
const PIECE_BYTES: u64 = 1 << 20;

/// How a piece ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scanned {
    /// The place of the quote that is still open at the end.
    open: Option<usize>,
    /// The first place where a record begins.
    first_record: Option<usize>,
}

/// The places where records begin that cut the rows of a file into parts of about `part_bytes`,
/// the first row's and the end included.
pub(crate) fn boundaries(layout: &Layout, part_bytes: u64) -> Result<Vec<u64>> {
    let range = layout.first_row..layout.text.range().end;
    if layout.dialect.quote.is_none() || range.end - range.start <= part_bytes {
        return layout.text.line_starts(range, part_bytes);
    }
    let starts = layout.text.line_starts(range.clone(), part_bytes.min(PIECE_BYTES))?;
    let pieces: Vec<Range<u64>> =
        starts.iter().zip(starts.iter().skip(1)).map(|(from, to)| *from..*to).collect();
    let scanned: Vec<[Scanned; 2]> = pieces
        .par_iter()
        .map_init(Vec::new, |bytes, piece| {
            read(layout, piece, bytes)?;
            Ok(scan(&layout.dialect, bytes))
        })
        .collect::<Result<_>>()?;
    let mut boundaries = vec![range.start];
    // Where the next part would begin if records ended anywhere.
    let mut due = range.start + part_bytes;
    let mut open_at = None;
    for (piece, [outside, inside]) in pieces.iter().zip(scanned) {
        let scanned = if open_at.is_some() { inside } else { outside };
        if let Some(start) = scanned.first_record.map(|at| piece.start + at as u64)
            && start >= due
        {
            boundaries.push(start);
            due += (start - due).next_multiple_of(part_bytes).max(part_bytes);
        }
        open_at = match (scanned.open, scanned.first_record, open_at) {
            // The record in whose quotes the piece begins goes on to its end.
            (Some(_), None, earlier @ Some(_)) => earlier,
            (open, ..) => open.map(|at| piece.start + at as u64),
        };
    }
    if let Some(quote) = open_at {
        return Err(layout.problem(quote, None, RowProblem::OpenQuote));
    }
    if boundaries.last() != Some(&range.end) {
        boundaries.push(range.end);
    }
    Ok(boundaries)
}

fn read(layout: &Layout, piece: &Range<u64>, bytes: &mut Vec<u8>) -> Result<()> {
    bytes.clear();
    let read = layout.text.reader(piece.clone())?.read_to_end(bytes);
    read.map_err(|error| IoError::system("read", layout.text.path(), error))?;
    Ok(())
}

/// Scans a piece for its first record and for the state at its end: as a piece that begins with a
/// record, and as one that begins inside quotes.
fn scan(dialect: &Dialect, bytes: &[u8]) -> [Scanned; 2] {
    match (dialect.quote, dialect.escape, dialect.comment) {
        (Some(quote), None, None) => {
            let mut states = [Scan::new(false), Scan::new(true)];
            for place in memchr::memchr_iter(quote, bytes) {
                states.iter_mut().for_each(|state| state.quote(bytes, place, dialect.delimiter));
            }
            states.map(|state| state.end(bytes))
        }
        _ => [scan_from(dialect, bytes, false), scan_from(dialect, bytes, true)],
    }
}

/// A scan that goes from quote to quote, where none is escaped and nothing is a comment.
#[derive(Debug)]
struct Scan {
    scanned: Scanned,
    /// Up to here bytes outside quotes were searched for the first record.
    searched: usize,
    /// The second of two quotes that stand for one.
    second: Option<usize>,
}

impl Scan {
    fn new(inside: bool) -> Self {
        let scanned = Scanned { open: inside.then_some(0), first_record: (!inside).then_some(0) };
        Self { scanned, searched: 0, second: None }
    }

    #[inline]
    fn quote(&mut self, bytes: &[u8], place: usize, delimiter: u8) {
        if self.second == Some(place) {
            return;
        }
        if self.scanned.open.is_some() {
            if bytes.get(place + 1) == bytes.get(place) {
                self.second = Some(place + 1);
            } else {
                self.scanned.open = None;
                self.searched = place + 1;
            }
            return;
        }
        self.search(bytes, place);
        let before = place.checked_sub(1).and_then(|before| bytes.get(before)).copied();
        if before.is_none_or(|before| before == delimiter || before == b'\n') {
            self.scanned.open = Some(place);
        }
    }

    fn search(&mut self, bytes: &[u8], to: usize) {
        if self.scanned.first_record.is_none() {
            let outside = bytes.get(self.searched..to).unwrap_or_default();
            let start = memchr::memchr(b'\n', outside).map(|newline| self.searched + newline + 1);
            self.scanned.first_record = start.filter(|start| *start < bytes.len());
            self.searched = to;
        }
    }

    fn end(mut self, bytes: &[u8]) -> Scanned {
        if self.scanned.open.is_none() {
            self.search(bytes, bytes.len());
        }
        self.scanned
    }
}

/// Scans a piece that begins with a record, or `inside` quotes, whatever the dialect.
fn scan_from(dialect: &Dialect, bytes: &[u8], inside: bool) -> Scanned {
    let mut first_record = (!inside).then_some(0);
    let Some(quote) = dialect.quote else { return Scanned { open: None, first_record } };
    // Up to `at` everything is known; `line` is the beginning of a record when one began since the
    // last quote was closed.
    let (mut at, mut line) = (0, first_record);
    let mut opened = inside.then_some(0);
    loop {
        if let Some(open) = opened {
            // The opening quote of a piece that begins inside quotes is in a piece before.
            let from = if inside && open == 0 && at == 0 { 0 } else { open + 1 };
            match dialect.closing_quote(bytes, from, true) {
                Closing::At(close, _) => (at, line, opened) = (close + 1, None, None),
                Closing::Incomplete | Closing::Open => return Scanned { open: opened, first_record },
            }
        }
        let rest = bytes.get(at..).unwrap_or_default();
        let found = memchr::memchr(quote, rest);
        let before = rest.get(..found.unwrap_or(rest.len())).unwrap_or_default();
        if first_record.is_none() {
            first_record = memchr::memchr(b'\n', before).map(|newline| at + newline + 1);
            first_record = first_record.filter(|start| *start < bytes.len());
        }
        let Some(found) = found else { return Scanned { open: None, first_record } };
        let place = at + found;
        if let Some(newline) = memchr::memrchr(b'\n', before) {
            line = Some(at + newline + 1);
        }
        let commented =
            line.and_then(|line| bytes.get(line)).is_some_and(|byte| Some(*byte) == dialect.comment);
        if commented {
            let rest = bytes.get(place..).unwrap_or_default();
            let Some(newline) = memchr::memchr(b'\n', rest) else {
                return Scanned { open: None, first_record };
            };
            (at, line) = (place + newline + 1, Some(place + newline + 1));
            continue;
        }
        let begins_value = line == Some(place)
            || place.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&dialect.delimiter);
        if begins_value {
            opened = Some(place);
        }
        at = place + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CsvOptions;
    use proptest::prelude::*;

    /// Where records begin, by reading one after the other.
    fn reference(dialect: &Dialect, text: &[u8]) -> (Vec<usize>, bool) {
        use super::super::record::Outcome;
        let (mut at, mut starts) = (0, Vec::new());
        while at < text.len() {
            starts.push(at);
            at = match dialect.record(text, at, true, &mut Vec::new()) {
                Outcome::Record { next }
                | Outcome::AfterQuote { next }
                | Outcome::Blank { next }
                | Outcome::Comment { next } => next,
                Outcome::Incomplete | Outcome::OpenQuote => return (starts, true),
            };
        }
        (starts, false)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn a_scan_finds_the_first_record_and_the_last_state(
            text in r##"[ab,"\#
    ]{0,40}"##, cut in 0usize..40, escape: bool, comment: bool,
        ) {
            let options = CsvOptions {
                escape: escape.then_some(b'\\'),
                comment: comment.then_some(b'#'),
                ..CsvOptions::default()
            };
            let dialect = Dialect::new(&options, b',').unwrap();
            let (starts, open) = reference(&dialect, text.as_bytes());
            let [whole, _] = scan(&dialect, text.as_bytes());
            prop_assert_eq!(whole.open.is_some(), open, "whole {:?}", text);
            let newline = text.get(cut..).and_then(|rest| rest.find('\n'));
            let Some(newline) = newline.map(|newline| cut + newline + 1) else { return Ok(()) };
            let inside = !starts.contains(&newline) && newline < text.len();
            let scanned = scan(&dialect, &text.as_bytes()[newline..])[usize::from(inside)];
            let expected = starts.iter().find(|start| **start >= newline).map(|start| start - newline);
            if newline < text.len() {
                prop_assert_eq!(scanned.first_record, expected, "{:?} at {}", text, newline);
                prop_assert_eq!(scanned.open.is_some(), open);
            }
        }
    }
}
