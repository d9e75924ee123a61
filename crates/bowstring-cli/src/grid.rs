//! How are rows of text aligned for people?

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

/// A table of text: a header, a rule, and rows whose columns are aligned.
#[derive(Debug)]
pub(crate) struct Grid {
    columns: Vec<Column>,
}

/// A column's heading, side and width.
#[derive(Debug)]
pub(crate) struct Column {
    heading: String,
    right: bool,
    width: usize,
}

impl Column {
    /// A column of text, which stands at the left.
    pub(crate) fn left(heading: &str) -> Self {
        let heading = printable(heading);
        Self { width: heading.width(), heading, right: false }
    }

    /// A column of numbers, which stands at the right.
    pub(crate) fn right(heading: &str) -> Self {
        Self { right: true, ..Self::left(heading) }
    }
}

impl Grid {
    /// A grid whose columns are as wide as their headings, until [`Grid::fit`] widens them.
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        Self { columns }
    }

    /// Widens the columns to what the rows need.
    pub(crate) fn fit(&mut self, rows: &[Vec<String>]) {
        for row in rows {
            for (column, cell) in self.columns.iter_mut().zip(row) {
                column.width = column.width.max(cell.width());
            }
        }
    }

    /// Writes the header and the rule.
    pub(crate) fn header(&self, out: &mut dyn Write) -> io::Result<()> {
        let headings: Vec<&str> = self.columns.iter().map(|column| column.heading.as_str()).collect();
        self.line(out, &headings)?;
        let rules: Vec<String> = self.columns.iter().map(|column| "─".repeat(column.width)).collect();
        self.line(out, &rules)
    }

    /// Writes rows; a cell wider than its column pushes the rest of its line to the right.
    pub(crate) fn rows(&self, out: &mut dyn Write, rows: &[Vec<String>]) -> io::Result<()> {
        rows.iter().try_for_each(|row| self.line(out, row))
    }

    fn line<S: AsRef<str>>(&self, out: &mut dyn Write, cells: &[S]) -> io::Result<()> {
        let mut line = String::new();
        for (index, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
            let cell = cell.as_ref();
            let padding = " ".repeat(column.width.saturating_sub(cell.width()));
            if index > 0 {
                line.push_str("  ");
            }
            if column.right {
                line.push_str(&padding);
            }
            line.push_str(cell);
            if !column.right {
                line.push_str(&padding);
            }
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        out.write_all(line.as_bytes())
    }
}

/// Writes a whole table.
pub(crate) fn write(out: &mut dyn Write, columns: Vec<Column>, rows: &[Vec<String>]) -> io::Result<()> {
    let mut grid = Grid::new(columns);
    grid.fit(rows);
    grid.header(out)?;
    grid.rows(out, rows)
}

/// Text without control characters, which would break the table or steer the terminal: they are
/// written as escapes, like `\n` and `\u{1b}`.
pub(crate) fn printable(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if character.is_control() {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(columns: Vec<Column>, rows: &[&[&str]], expected: &Expect) {
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
        let mut out = Vec::new();
        write(&mut out, columns, &rows).unwrap();
        expected.assert_eq(&String::from_utf8(out).unwrap());
    }

    #[test]
    fn numbers_stand_right_text_left_and_wide_characters_count_double() {
        check(
            vec![Column::left("name"), Column::right("n"), Column::left("note")],
            &[&["ä", "1", ""], &["東京", "1000", "x"], &["long name", "-3", "y"]],
            &expect![[r#"
                name          n  note
                ─────────  ────  ────
                ä             1
                東京       1000  x
                long name    -3  y
            "#]],
        );
    }

    #[test]
    fn control_characters_cannot_break_the_table_or_steer_the_terminal() {
        check(
            vec![Column::left("a\tb")],
            &[&["one\ntwo"], &["\u{1b}[31mred"]],
            &expect![[r#"
                a\tb
                ─────────────
                one\ntwo
                \u{1b}[31mred
            "#]],
        );
    }
}
