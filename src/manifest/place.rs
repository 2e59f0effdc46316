//! Where in a manifest something stands, in the coordinates of whoever has it open.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::escape;

/// A place in a manifest. It is shown as `41`, a line, or as `Sheet1!C41`, a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// A line of a text file, counted from 1.
    Line(u32),
    /// A cell of a sheet.
    Cell {
        /// The sheet's name.
        sheet: Arc<str>,
        /// The sheet's own number of the row, counted from 1.
        row: u32,
        /// The column, counted from 0.
        column: u32,
    },
}

impl Position {
    /// Whether it is a cell of a sheet.
    pub fn is_cell(&self) -> bool {
        matches!(self, Position::Cell { .. })
    }

    /// The place within a sentence: `line 41` or `Sheet1!C41`.
    pub fn in_words(&self) -> String {
        match self {
            Position::Line(line) => format!("line {line}"),
            cell @ Position::Cell { .. } => cell.to_string(),
        }
    }
}

impl From<u32> for Position {
    fn from(line: u32) -> Position {
        Position::Line(line)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Line(line) => write!(formatter, "{line}"),
            Position::Cell { sheet, row, column } => {
                write!(formatter, "{}!{}{row}", quoted(sheet), letters(*column))
            }
        }
    }
}

/// As it is shown.
impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What the places of a manifest are: lines, or rows of a sheet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ground {
    sheet: Option<Arc<str>>,
}

impl Ground {
    /// The cells of the sheet of this name.
    pub fn sheet(name: Arc<str>) -> Ground {
        Ground { sheet: Some(name) }
    }

    /// Where another row stands, as a sentence about a row goes on: `on line 41` or `in Sheet1!A41`.
    pub fn within(&self, line: u32) -> String {
        match self.position(line, None) {
            line @ Position::Line(_) => format!("on {}", line.in_words()),
            cell @ Position::Cell { .. } => format!("in {cell}"),
        }
    }

    /// The name of the sheet; `None` for lines.
    pub fn sheet_name(&self) -> Option<&str> {
        self.sheet.as_deref()
    }

    /// The place of a row that begins on `line`, or of its cell in `column` (counted from 0). A whole row of a sheet is
    /// its first cell: what can be typed into a spreadsheet program to get there.
    pub fn position(&self, line: u32, column: Option<u32>) -> Position {
        match &self.sheet {
            None => Position::Line(line),
            Some(sheet) => Position::Cell {
                sheet: Arc::clone(sheet),
                row: line,
                column: column.unwrap_or(0),
            },
        }
    }
}

/// A column as spreadsheet programs name it: `A` for 0, `AA` for 26.
fn letters(column: u32) -> String {
    let mut left = column + 1;
    let mut reversed = Vec::with_capacity(3);
    while left > 0 {
        left -= 1;
        reversed.push(char::from(b'A' + u8::try_from(left % 26).expect("less than 26")));
        left /= 26;
    }
    reversed.iter().rev().collect()
}

/// A sheet's name as formulas write it: in quotes unless it is a plain word, so that the place can be pasted.
fn quoted(name: &str) -> String {
    let shown = escape::for_terminal(name);
    let is_plain = name
        .chars()
        .all(|character| character.is_alphanumeric() || character == '_')
        && name.chars().next().is_some_and(|first| !first.is_numeric());
    if is_plain {
        shown.into_owned()
    } else {
        format!("'{}'", shown.replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_the_letters_of_spreadsheet_programs() {
        for (column, name) in [
            (0, "A"),
            (2, "C"),
            (25, "Z"),
            (26, "AA"),
            (701, "ZZ"),
            (702, "AAA"),
            (16_383, "XFD"),
        ] {
            assert_eq!(letters(column), name);
        }
    }

    #[test]
    fn a_place_can_be_typed_into_a_spreadsheet_program() {
        for (name, place) in [
            ("Sheet1", "Sheet1!C41"),
            ("镜头", "镜头!C41"),
            ("My shots", "'My shots'!C41"),
            ("Anna's", "'Anna''s'!C41"),
            ("2026", "'2026'!C41"),
            ("a\u{1b}b", "'a\\u{1b}b'!C41"),
        ] {
            let ground = Ground::sheet(name.into());
            assert_eq!(ground.position(41, Some(2)).to_string(), place);
            assert_eq!(ground.position(41, Some(2)).in_words(), place);
        }
        assert_eq!(
            Ground::sheet("Sheet1".into()).position(41, None).to_string(),
            "Sheet1!A41"
        );
        assert_eq!(Ground::default().position(41, Some(2)).to_string(), "41");
        assert_eq!(Ground::default().position(41, None).in_words(), "line 41");
    }
}
