//! How wide columns and how high rows get.

use unicode_width::UnicodeWidthChar;

/// The height of a row that shows one line, in points. It is said of every row, and has to differ from Excel's own 15:
/// the workbook's writer leaves out what is as Excel has it.
pub(super) const LINE_HEIGHT: f64 = 15.75;

/// The heights of the names above columns and of the line above everything, in points.
pub(super) const HEADER_HEIGHT: f64 = 21.0;
pub(super) const TITLE_HEIGHT: f64 = 27.0;

/// The most lines that a row shows; the rest is to be read in the cell.
const MOST_LINES: usize = 8;

/// What a further line adds to a row, in points.
const FURTHER_LINE: f64 = 15.0;

/// The narrowest column, in characters.
const LEAST_WIDTH: usize = 6;

/// What a cell needs beside its text, in characters; a header has the button of its filter as well, and is bold.
const PADDING: usize = 2;
const FILTER_BUTTON: usize = 3;

/// The widest sheet, in characters, that can be read when all of its columns are on one sheet of paper.
pub(super) const MOST_ON_PAPER: f64 = 220.0;

/// How wide a column is to be, by the text that was seen.
pub(super) struct ColumnSize {
    /// The widest text so far, in characters.
    width: usize,
    most: usize,
}

impl ColumnSize {
    /// A column that gets at most so many characters wide, or as wide as the narrowest.
    pub(super) fn at_most(most: u16) -> ColumnSize {
        ColumnSize {
            width: LEAST_WIDTH,
            most: usize::from(most).max(LEAST_WIDTH),
        }
    }

    pub(super) fn see(&mut self, text: &str) {
        if self.width < self.most {
            self.width = self.width.max(shown_width(text, self.most));
        }
    }

    pub(super) fn see_header(&mut self, name: &str) {
        let needed = shown_width(name, self.most) + FILTER_BUTTON;
        self.width = self.width.max(needed.min(self.most));
    }

    /// The column's width in characters.
    pub(super) fn width(&self) -> f64 {
        f64::from(u16::try_from(self.width + PADDING).unwrap_or(u16::MAX))
    }

    /// How many lines a text takes in the widest that the column may get.
    pub(super) fn lines_of(&self, text: &str) -> usize {
        let mut lines = 0;
        // Latin letters are narrower than digits, which makes up for the lines that are not quite full. Others are not.
        let room = match text.is_ascii() {
            true => self.most,
            false => self.most - self.most / 10,
        };
        for line in text.split('\n') {
            lines += shown_width(line, room * MOST_LINES).div_ceil(room).max(1);
            if lines >= MOST_LINES {
                return MOST_LINES;
            }
        }
        lines
    }
}

/// The height of a row that shows so many lines, in points.
pub(super) fn height_of(lines: usize) -> f64 {
    let further = u8::try_from(lines.saturating_sub(1)).unwrap_or(u8::MAX);
    LINE_HEIGHT + FURTHER_LINE * f64::from(further)
}

/// How wide a text is in one line, in characters of which those of East Asia count two; no more than `most`.
fn shown_width(text: &str, most: usize) -> usize {
    let mut width = 0;
    for character in text.chars() {
        width += character.width().unwrap_or(0);
        if width >= most {
            return most;
        }
    }
    width
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_width_of_a_text_counts_wide_characters_twice_and_ends_at_the_most() {
        assert_eq!(shown_width("boat", 50), 4);
        assert_eq!(shown_width("一只小船", 50), 8);
        assert_eq!(shown_width("e\u{301}", 50), 1);
        assert_eq!(shown_width(&"long ".repeat(10_000), 50), 50);
    }

    #[test]
    fn a_column_is_as_wide_as_its_text_within_bounds() {
        let width = |texts: &[&str]| {
            let mut size = ColumnSize::at_most(20);
            size.see_header("prompt");
            texts.iter().for_each(|text| size.see(text));
            size.width()
        };
        assert_eq!(width(&[]), 11.0);
        assert_eq!(width(&["a", "a boat on a lake"]), 18.0);
        assert_eq!(width(&[&"a boat ".repeat(100), "a"]), 22.0);
        assert_eq!(ColumnSize::at_most(1).width(), 8.0);
    }

    #[test]
    fn no_text_makes_a_row_higher_than_a_few_lines() {
        let size = ColumnSize::at_most(20);
        for (text, lines) in [
            ("", 1),
            ("a boat", 1),
            ("a boat on a misty lake", 2),
            ("薄雾中的一只小船", 1),
            ("薄雾中的一只小船在漂", 2),
            ("a\nb\n\nc", 4),
            (&"word ".repeat(4_000), MOST_LINES),
            (&"\n".repeat(20_000), MOST_LINES),
        ] {
            assert_eq!(size.lines_of(text), lines, "{:.30}", text);
        }
        assert!(height_of(MOST_LINES) < 130.0);
    }
}
