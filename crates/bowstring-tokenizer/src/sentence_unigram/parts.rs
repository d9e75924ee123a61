//! Where is a text taken apart at its spaces?
//!
//! At separators that stand by themselves; what a part has of ids follows from its bytes alone, but for
//! the first and the last one, whose ends are said here.

use std::ops::Range;

use tokenizers::pre_tokenizers::metaspace::PrependScheme;

use super::{SentenceUnigram, Words, Work};
use crate::{
    kernel::{Section, Start},
    precompiled::extends,
    sentence_bpe::MARK,
};

/// A part of a section.
pub(super) enum Part<'a> {
    /// Something between spaces, which follows a mark.
    Inner(Range<usize>),
    /// Normalised text, with the space in front that it follows, if any.
    Edge(&'a str),
}

impl SentenceUnigram {
    /// Calls `part` with each part of `section`, whose text, which it gives back, is `text` without what goes from its ends.
    #[inline(always)]
    pub(super) fn each<'a>(
        &self,
        section: Section<'a>,
        work: &mut Work,
        mut part: impl FnMut(&'a str, Part<'_>, &mut Work),
    ) -> &'a str {
        if self.words == Words::Whitespace {
            let text = section.text;
            let mut start = 0;
            while start < text.len() {
                let end = self.end(text, start);
                if start < end {
                    part(text, Part::Inner(start..end), work);
                }
                start = end + 1;
            }
            return text;
        }
        let text = self.trim(section, work);
        if text.is_empty() {
            return text;
        }
        let mut start = 0;
        loop {
            let end = self.end(text, start);
            let (first, last) = (start == 0, end >= text.len());
            let kept = || start < end && self.cuts.keep_all(&text[start..end]);
            let inner = if first { self.prefixed(section.start) && kept() } else { !last || kept() };
            let one_of_several = start == end && !first && !(last && self.normal.collapse);
            if one_of_several {
                if !self.normal.collapse {
                    part(text, Part::Edge(" "), work);
                }
            } else if inner {
                part(text, Part::Inner(start..end), work);
            } else {
                let mut edge = std::mem::take(&mut work.edge);
                self.edge(section.start, &text[start..end], first, last, work, &mut edge);
                part(text, Part::Edge(&edge), work);
                work.edge = edge;
            }
            if last {
                return text;
            }
            start = end + 1;
        }
    }

    /// Puts into `edge` what the first or the last part becomes.
    pub(super) fn edge(
        &self,
        at: Start,
        text: &str,
        first: bool,
        last: bool,
        work: &mut Work,
        edge: &mut String,
    ) {
        edge.clear();
        if !first {
            edge.push(' ');
        }
        let from = edge.len();
        self.normal.word(text, edge);
        if last && self.normal.after.right {
            edge.truncate(self.normal.trim_end(&edge[from..]).len() + from);
        }
        if !last && self.normal.collapse {
            edge.truncate(edge.trim_end_matches(' ').len());
        }
        if first {
            let trimmed = self.normal.after.left && at != Start::Cut;
            let left = if trimmed { self.normal.trim_start(edge) } else { edge.as_str() };
            let missing = self.normal.prefix || !left.starts_with([' ', MARK]);
            // What is empty here is followed by a space, or nothing is there at all.
            let vanishes =
                left.is_empty() && (if last { !self.normal.prefix_first } else { !self.normal.prefix });
            let mark = missing && self.prefixed(at) && !vanishes;
            work.normal.clear();
            work.normal.push_str(if mark { " " } else { "" });
            work.normal.push_str(left);
            std::mem::swap(edge, &mut work.normal);
        }
    }

    pub(super) fn prefixed(&self, start: Start) -> bool {
        match (self.prefix, start) {
            _ if self.normal.prefix => start != Start::Cut,
            (PrependScheme::Never, _) | (_, Start::Cut) | (PrependScheme::First, Start::AddedToken) => false,
            (PrependScheme::Always, _) | (PrependScheme::First, Start::Text) => true,
        }
    }

    /// The text of `section` without parts at its ends that are spaces in the end, if those go.
    pub(super) fn trim<'a>(&self, section: Section<'a>, work: &mut Work) -> &'a str {
        let mut text = section.text;
        let inside = section.start == Start::Cut;
        if self.normal.before.left && !inside {
            text = text.trim_start();
        }
        if self.normal.before.right {
            text = text.trim_end();
        }
        let normal = &mut work.normal;
        let mut becomes = |part: &str| {
            normal.clear();
            self.normal.word(part, normal);
            (self.normal.trim_start(normal).is_empty(), self.normal.trim_end(normal).is_empty())
        };
        if self.normal.after.left && !inside {
            while !text.is_empty() {
                let end = self.end(text, 0);
                if !becomes(&text[..end]).0 {
                    break;
                }
                text = text.get(end + 1..).unwrap_or_default();
            }
        }
        if self.normal.after.right {
            while !text.is_empty() {
                let start = self.start(text);
                if !becomes(&text[start..]).1 {
                    break;
                }
                text = &text[..start.saturating_sub(1)];
            }
        }
        text
    }

    /// Where the part ends that begins at `start`: at a separator, or at the end of the text.
    #[inline(always)]
    pub(super) fn end(&self, text: &str, start: usize) -> usize {
        let bytes = text.as_bytes();
        let mut end = start;
        while let Some(&byte) = bytes.get(end) {
            if self.separators[usize::from(byte)] && self.separates(text, end) {
                return end;
            }
            end += 1;
        }
        end
    }

    /// Where the last part begins.
    pub(super) fn start(&self, text: &str) -> usize {
        let found = text
            .bytes()
            .enumerate()
            .rev()
            .find(|&(at, byte)| self.separators[usize::from(byte)] && self.separates(text, at));
        found.map_or(0, |(at, _)| at + 1)
    }

    /// Whether the separator at `at` stands by itself, so that the text can be taken apart there.
    #[inline(always)]
    pub(super) fn separates(&self, text: &str, at: usize) -> bool {
        let bytes = text.as_bytes();
        let extended = bytes.get(at + 1).is_some_and(|next| !next.is_ascii())
            && text[at + 1..].chars().next().is_some_and(extends);
        let ends_line = bytes[at] == b'\n' && at > 0 && bytes[at - 1] == b'\r';
        !extended && !ends_line
    }
}
