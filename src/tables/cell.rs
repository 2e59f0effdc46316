//! What stands in a cell, and what it means.

use std::borrow::Cow;

/// A value in a table.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Cell<'a> {
    /// Nothing.
    #[default]
    Empty,
    /// Text that is text in every format, also where it looks like a number.
    Text(Cow<'a, str>),
    /// What a person wrote into a table. In a workbook it is a number where it is spelt exactly as we would spell that
    /// number, and text everywhere else, so that reading it gives the same text again.
    Written(Cow<'a, str>),
    /// A word that a workbook shows in the colours of its tone.
    Word(Cow<'a, str>, Tone),
    /// Text that a workbook makes a link of, if the target is one that can be linked to.
    Link(Cow<'a, str>, Target),
    /// A whole number.
    Whole(u64),
    /// A number, which has to be finite: no format has a word for others.
    Decimal(f64),
    /// A part of a whole, from 0 to 1; a workbook shows it in percent.
    Share(f64),
    /// An amount of money; a workbook shows it to the cent.
    Money(f64),
}

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To the address that the text is, if it is one on the web.
    Itself,
    /// To a file: a path from the table's own folder, with `/` between its parts.
    File(String),
    /// To a row of the workbook's first sheet, counted from 1 without the header.
    Row(u32),
}

/// How good the news is that a word brings. The colours are a help for the eye and never say more than the word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tone {
    /// As it should be, and nothing is left to do.
    Done,
    /// As it should be, with a step to go.
    Good,
    /// Under way.
    Busy,
    /// Nobody knows yet.
    Doubtful,
    /// Something is wrong.
    Bad,
    /// Neither good nor bad.
    Plain,
}

impl Tone {
    /// Every tone, in the order of the enum.
    pub(super) const ALL: [Tone; 6] = [
        Tone::Done,
        Tone::Good,
        Tone::Busy,
        Tone::Doubtful,
        Tone::Bad,
        Tone::Plain,
    ];
}

impl<'a> Cell<'a> {
    /// A cell with our own text.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Cell<'a> {
        Cell::Text(text.into())
    }

    /// What formats without numbers, colours and links show; `None` if there is nothing.
    pub(super) fn shown(&self) -> Option<Cow<'_, str>> {
        match self {
            Cell::Empty => None,
            Cell::Text(text) | Cell::Written(text) | Cell::Word(text, _) | Cell::Link(text, _) => {
                Some(Cow::Borrowed(text))
            }
            Cell::Whole(number) => Some(Cow::Owned(number.to_string())),
            Cell::Decimal(number) | Cell::Share(number) | Cell::Money(number) => Some(Cow::Owned(number.to_string())),
        }
    }

    /// Whether it is a number by its kind, and stands on the right of its column.
    pub(super) fn is_number(&self) -> bool {
        match self {
            Cell::Whole(_) | Cell::Decimal(_) | Cell::Share(_) | Cell::Money(_) => true,
            Cell::Empty | Cell::Text(_) | Cell::Written(_) | Cell::Word(..) | Cell::Link(..) => false,
        }
    }
}
