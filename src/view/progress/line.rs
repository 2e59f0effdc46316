//! A line on a terminal: pieces of text with their tones, and how it is cut to a width.

use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::ink::{Ink, Tone};

/// One line. Whoever pushes text from outside has escaped it: nothing in a line moves the cursor.
#[derive(Debug, Clone, Default)]
pub(super) struct Line(Vec<(Tone, String)>);

impl Line {
    pub(super) fn push(&mut self, tone: Tone, text: impl Into<String>) {
        self.0.push((tone, text.into()));
    }

    pub(super) fn plain(&mut self, text: impl Into<String>) {
        self.push(Tone::Plain, text);
    }

    /// Columns that it takes.
    pub(super) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| columns_of(text)).sum()
    }

    /// The line in at most `columns`, with an ellipsis where something is missing.
    pub(super) fn fitted(self, columns: usize, ink: Ink) -> Line {
        if self.width() <= columns {
            return self;
        }
        let ellipsis = ink.ellipsis();
        let Some(mut room) = columns.checked_sub(ellipsis.width()) else {
            return Line(vec![(Tone::Plain, ellipsis[..0].to_owned())]);
        };
        let mut fitted = Line::default();
        for (tone, text) in self.0 {
            let end = end_within(&text, &mut room);
            let is_whole = end == text.len();
            fitted.push(tone, &text[..end]);
            if !is_whole {
                fitted.push(tone, ellipsis);
                break;
            }
        }
        fitted
    }

    /// The line as it is written.
    pub(super) fn painted(&self, ink: Ink) -> String {
        let mut painted = String::new();
        for (tone, text) in &self.0 {
            match tone.code().filter(|_| ink.colour && !text.is_empty()) {
                Some(code) => write!(painted, "\u{1b}[{code}m{text}\u{1b}[0m").expect("a string takes text"),
                None => painted.push_str(text),
            }
        }
        painted
    }
}

/// Columns that `text` takes at most: terminals disagree about sequences of characters that make one.
pub(super) fn columns_of(text: &str) -> usize {
    text.chars().map(columns_of_char).sum::<usize>().max(text.width())
}

/// The sign that asks for the picture of the character before it can make that one wider.
const AS_PICTURE: char = '\u{fe0f}';

fn columns_of_char(character: char) -> usize {
    match character {
        AS_PICTURE => 1,
        other => other.width().unwrap_or(0),
    }
}

/// Where `text` ends that fits in `room`, from which it takes what it needs.
fn end_within(text: &str, room: &mut usize) -> usize {
    for (at, character) in text.char_indices() {
        match room.checked_sub(columns_of_char(character)) {
            Some(left) => *room = left,
            None => return at,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, columns: usize, unicode: bool) -> String {
        let ink = Ink { colour: false, unicode };
        let mut line = Line::default();
        line.plain(text);
        line.fitted(columns, ink).painted(ink)
    }

    #[test]
    fn a_cut_line_says_so_and_counts_columns() {
        assert_eq!(cut("one two", 7, true), "one two");
        assert_eq!(cut("one two", 6, true), "one t…");
        assert_eq!(cut("one two", 6, false), "one ..");
        assert_eq!(cut("一只小船", 6, true), "一只…");
        assert_eq!(cut("one two", 1, true), "…");
        assert_eq!(cut("one two", 0, true), "");
        assert_eq!(cut("one two", 1, false), "");
    }

    #[test]
    fn colours_end_where_their_text_ends() {
        let mut line = Line::default();
        line.push(Tone::Bad, "3 failed");
        line.plain(", 5 saved");
        let painted = |colour| {
            let ink = Ink { colour, unicode: true };
            line.clone().fitted(12, ink).painted(ink)
        };
        assert_eq!(painted(true), "\u{1b}[31m3 failed\u{1b}[0m, 5…");
        assert_eq!(painted(false), "3 failed, 5…");
    }
}
