//! Which regular expression cuts for the `tokenizers` crate as another one does for tiktoken?
//!
//! tiktoken runs patterns by `fancy-regex`, the crate by Oniguruma. What both read alike is kept, what they
//! read otherwise but can both say (`$`, `^`, possessive counts) is rewritten, and all else is refused with
//! its place, for it would be cut elsewhere without a word.

/// What Oniguruma would not do, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The character of the pattern, counted from 1.
    pub at: usize,
    pub reason: &'static str,
}

/// Names of `\p{…}` under which both know the same characters.
const CLASSES: &[&str] = &[
    "L",
    "Lu",
    "Ll",
    "Lt",
    "Lm",
    "Lo",
    "M",
    "Mn",
    "Mc",
    "Me",
    "N",
    "Nd",
    "Nl",
    "No",
    "P",
    "Pc",
    "Pd",
    "Ps",
    "Pe",
    "Pi",
    "Pf",
    "Po",
    "S",
    "Sm",
    "Sc",
    "Sk",
    "So",
    "Z",
    "Zs",
    "Zl",
    "Zp",
    "C",
    "Cc",
    "Cf",
    "Co",
    "Cn",
    "Arabic",
    "Armenian",
    "Bengali",
    "Common",
    "Cyrillic",
    "Devanagari",
    "Ethiopic",
    "Georgian",
    "Greek",
    "Han",
    "Hangul",
    "Hebrew",
    "Hiragana",
    "Katakana",
    "Khmer",
    "Lao",
    "Latin",
    "Myanmar",
    "Tamil",
    "Thai",
];

/// Letters that Oniguruma takes together for one character when their case does not matter: ß, ﬁ.
const LIGATURES: &[&str] = &["ss", "st", "ff", "fi", "fl"];

/// Groups in groups.
const MAX_DEPTH: usize = 100;

type Read<T> = Result<T, Problem>;

/// The pattern for Oniguruma.
pub(crate) fn translate(pattern: &str) -> Read<String> {
    let mut reader = Reader { chars: pattern.chars().collect(), at: 0, out: String::new(), depth: 0 };
    reader.alternatives(false)?;
    match reader.peek() {
        None => Ok(reader.out),
        Some(_) => reader.refuse(0, "no group is open here"),
    }
}

struct Reader {
    chars: Vec<char>,
    /// The next character.
    at: usize,
    out: String,
    depth: usize,
}

/// What can be repeated.
#[derive(Default)]
struct Atom {
    /// It may match nothing.
    empty: bool,
    /// It is this character and no other.
    only: Option<char>,
}

/// What a backslash and what follows it mean.
enum Escape {
    Char(char),
    Class(String),
    /// The start or the end of the text.
    Edge(&'static str),
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.at += usize::from(next.is_some());
        next
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.chars[self.at..].iter().copied().take(text.chars().count()).eq(text.chars());
        if found {
            self.at += text.chars().count();
        }
        found
    }

    /// Refuses the character `back` before the next one.
    fn refuse<T>(&self, back: usize, reason: &'static str) -> Read<T> {
        Err(Problem { at: (self.at + 1).saturating_sub(back), reason })
    }

    /// Alternatives up to the end of the group, and whether one may match nothing; `folded` when case does
    /// not matter.
    fn alternatives(&mut self, folded: bool) -> Read<bool> {
        let mut empty = self.sequence(folded)?;
        while self.take("|") {
            self.out.push('|');
            empty |= self.sequence(folded)?;
        }
        Ok(empty)
    }

    fn sequence(&mut self, folded: bool) -> Read<bool> {
        let (mut empty, mut last) = (true, None);
        while !matches!(self.peek(), None | Some('|' | ')')) {
            let start = self.out.len();
            let atom = self.atom(folded)?;
            if let (true, Some(last), Some(only)) = (folded, last, atom.only) {
                let pair: String = [last, only].iter().map(char::to_ascii_lowercase).collect();
                if LIGATURES.contains(&pair.as_str()) {
                    return self
                        .refuse(2, "in either case these two letters would match one character, like ß");
                }
            }
            last = atom.only;
            empty &= self.repeated(start, atom.empty, folded)?;
        }
        Ok(empty)
    }

    /// The repetition of what was written from `start` on; whether all of it may match nothing.
    fn repeated(&mut self, start: usize, empty: bool, folded: bool) -> Read<bool> {
        let from = self.at;
        let (least, most) = match self.next() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => self.count()?,
            _ => {
                self.at = from;
                return Ok(empty);
            }
        };
        let back = self.at - from;
        if empty {
            return self.refuse(back, "what may match nothing cannot be repeated");
        }
        if folded {
            return self.refuse(back, "nothing can be repeated within `(?i:…)`");
        }
        self.out.extend(&self.chars[from..self.at]);
        if self.take("+") {
            self.out.insert_str(start, "(?>");
            self.out.push(')');
        } else if self.take("?") && most != Some(least) {
            self.out.push('?');
        }
        match self.peek() {
            Some('*' | '+' | '?' | '{') => self.refuse(0, "a repetition cannot be repeated"),
            _ => Ok(least == 0),
        }
    }

    /// `n}`, `n,}` or `n,m}`: the least and the most.
    fn count(&mut self) -> Read<(u32, Option<u32>)> {
        let from = self.at - 1;
        let least = self.number();
        let most = if self.take(",") { self.number().map(Some).or(Some(None)) } else { Some(least) };
        match (least, most, self.take("}")) {
            (Some(least), Some(most), true) if most.is_none_or(|most| least <= most) => Ok((least, most)),
            _ => self.refuse(self.at - from, "a count is `{2}`, `{2,}` or `{2,3}`"),
        }
    }

    fn number(&mut self) -> Option<u32> {
        let from = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        self.chars[from..self.at].iter().collect::<String>().parse().ok()
    }

    fn atom(&mut self, folded: bool) -> Read<Atom> {
        match self.next() {
            Some('.') => self.out.push('.'),
            Some('^') => return Ok(self.edge(r"\A")),
            Some('$') => return Ok(self.edge(r"\z")),
            Some('(') if folded => return self.refuse(1, "no group can be within `(?i:…)`"),
            Some('(') => return self.group(),
            Some('[') => self.class(folded)?,
            Some('\\') => match self.escape(folded)? {
                Escape::Char(c) => return self.literal(c, folded),
                Escape::Class(class) => self.out.push_str(&class),
                Escape::Edge(edge) => return Ok(self.edge(edge)),
            },
            Some('*' | '+' | '?' | '{') => return self.refuse(1, "there is nothing to repeat"),
            Some(c) => return self.literal(c, folded),
            None => {}
        }
        Ok(Atom::default())
    }

    fn edge(&mut self, edge: &str) -> Atom {
        self.out.push_str(edge);
        Atom { empty: true, only: None }
    }

    fn literal(&mut self, c: char, folded: bool) -> Read<Atom> {
        if folded && !c.is_ascii() {
            return self.refuse(1, "only characters of ASCII can be within `(?i:…)`");
        }
        if r"\^$.|?*+()[]{}-&".contains(c) {
            self.out.push('\\');
        }
        self.out.push(c);
        Ok(Atom { empty: false, only: Some(c) })
    }

    /// What follows `(`.
    fn group(&mut self) -> Read<Atom> {
        let open = self.at;
        // Whether it takes no text, and whether case does not matter.
        const KINDS: [(&str, bool, bool); 7] = [
            ("?:", false, false),
            ("?i:", false, true),
            ("?>", false, false),
            ("?=", true, false),
            ("?!", true, false),
            ("?<=", true, false),
            ("?<!", true, false),
        ];
        let kind = KINDS.iter().find(|(head, ..)| self.take(head));
        if kind.is_none() && self.peek() == Some('?') {
            return self.refuse(0, "this kind of group is not known");
        }
        // Nothing refers to what a group matched.
        let &(head, looks, folded) = kind.unwrap_or(&KINDS[0]);
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.refuse(self.at - open + 1, "groups stand too deep in each other");
        }
        self.out.push('(');
        self.out.push_str(head);
        let empty = self.alternatives(folded)?;
        self.depth -= 1;
        if !self.take(")") {
            return self.refuse(self.at - open + 1, "the group is not closed");
        }
        self.out.push(')');
        Ok(Atom { empty: empty || looks, only: None })
    }

    /// What follows `[`.
    fn class(&mut self, folded: bool) -> Read<()> {
        let open = self.at;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.refuse(1, "classes stand too deep in each other");
        }
        self.out.push('[');
        if self.take("^") {
            if folded {
                return self.refuse(1, "no class can say what it lacks within `(?i:…)`");
            }
            self.out.push('^');
        }
        let mut first = true;
        loop {
            match self.next() {
                None => return self.refuse(self.at - open + 1, "the class is not closed"),
                Some(']') if first => return self.refuse(1, "it needs a backslash here"),
                Some(']') => break,
                Some('[') if self.peek() == Some(':') => {
                    return self.refuse(1, "classes of POSIX have other characters");
                }
                Some('[') => self.class(folded)?,
                Some('-') if first || self.peek() == Some(']') => {
                    self.literal('-', folded)?;
                }
                Some('&') if !first && self.take("&") => match self.peek() {
                    Some(']' | '&') => return self.refuse(0, "nothing follows `&&`"),
                    _ => self.out.push_str("&&"),
                },
                Some(c @ ('&' | '~')) if self.peek() == Some(c) => {
                    return self.refuse(1, "it needs a backslash here");
                }
                Some(c) => self.member(c, folded)?,
            }
            first = false;
        }
        self.out.push(']');
        self.depth -= 1;
        Ok(())
    }

    /// A character of a class, all from one to another, or those of another class.
    fn member(&mut self, c: char, folded: bool) -> Read<()> {
        let Some(least) = self.member_char(c, folded)? else { return Ok(()) };
        self.literal(least, folded)?;
        let is_last = self.chars.get(self.at + 1) == Some(&']');
        if is_last || !self.take("-") {
            return Ok(());
        }
        self.out.push('-');
        let most = match self.next() {
            Some(c) if c != '[' => self.member_char(c, folded)?,
            _ => None,
        };
        match most.filter(|&most| least <= most) {
            Some(most) => {
                self.literal(most, folded)?;
                Ok(())
            }
            None => self.refuse(1, "a range goes from one character up to another"),
        }
    }

    /// The one character that `c` begins; `None` when it was a class, which is written.
    fn member_char(&mut self, c: char, folded: bool) -> Read<Option<char>> {
        match c {
            '\\' => match self.escape(folded)? {
                Escape::Char(c) => Ok(Some(c)),
                Escape::Class(class) => {
                    self.out.push_str(&class);
                    Ok(None)
                }
                Escape::Edge(_) => self.refuse(1, "it is no character"),
            },
            '-' => self.refuse(1, "it needs a backslash here"),
            c => Ok(Some(c)),
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, folded: bool) -> Read<Escape> {
        Ok(match self.next() {
            Some('n') => Escape::Char('\n'),
            Some('r') => Escape::Char('\r'),
            Some('t') => Escape::Char('\t'),
            Some('x') => Escape::Char(self.code(2)?),
            Some('u') => Escape::Char(self.code(4)?),
            Some('A') => Escape::Edge(r"\A"),
            Some('z') => Escape::Edge(r"\z"),
            Some(c @ ('s' | 'S' | 'd' | 'D')) => Escape::Class(format!("\\{c}")),
            Some('p' | 'P') if folded => {
                return self.refuse(2, "classes of Unicode cannot be within `(?i:…)`");
            }
            Some(c @ ('p' | 'P')) => Escape::Class(format!("\\{c}{{{}}}", self.name()?)),
            Some('<' | '>') => return self.refuse(2, "this escape is not known"),
            Some(c) if c.is_ascii_punctuation() => Escape::Char(c),
            Some(_) => return self.refuse(2, "this escape is not known"),
            None => return self.refuse(1, "nothing follows it"),
        })
    }

    /// The name of a class of Unicode.
    fn name(&mut self) -> Read<String> {
        let from = self.at;
        let name: String = match self.next() {
            Some('{') => std::iter::from_fn(|| self.next().filter(|&c| c != '}')).collect(),
            letter => letter.into_iter().collect(),
        };
        match CLASSES.contains(&name.as_str()) {
            true => Ok(name),
            false => self.refuse(self.at - from + 2, "this class of Unicode is not known"),
        }
    }

    /// The character with the number that follows: in braces, or of so many digits.
    fn code(&mut self, digits: usize) -> Read<char> {
        let from = self.at;
        let number: String = match self.take("{") {
            true => std::iter::from_fn(|| self.next().filter(|&c| c != '}')).collect(),
            false => std::iter::from_fn(|| self.next()).take(digits).collect(),
        };
        match u32::from_str_radix(&number, 16).ok().and_then(char::from_u32) {
            Some(c) => Ok(c),
            None => self.refuse(self.at - from + 2, "no character has this number"),
        }
    }
}

#[cfg(test)]
mod tests;
