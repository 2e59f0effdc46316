//! What the cells of Excel's formats refer to.

use std::sync::Arc;

use crate::manifest::workbook::binary::error_text;
use crate::manifest::workbook::cell_text::{Epoch, Value, cell_text};
use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::number_format::Shown;
use crate::manifest::workbook::rows::Note;
use crate::manifest::workbook::texts::SharedTexts;

/// Tables beside the sheets of a workbook.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) texts: SharedTexts,
    /// How numbers are shown, by the style of a cell.
    pub(super) styles: Vec<Shown>,
    pub(super) epoch: Epoch,
}

/// What a cell of a binary format holds.
#[derive(Debug)]
pub(super) enum Content {
    Text(String),
    /// By its number in the table of texts.
    SharedText(u32),
    /// With the number of its style.
    Number(f64, usize),
    Bool(bool),
    /// By its code.
    Error(u8),
}

impl Shared {
    /// The text of a cell, for which `buffer` is used if it has to be made, and what is to be noted about it.
    pub(super) fn show<'s>(
        &'s self,
        content: &'s Content,
        buffer: &'s mut String,
        part: &Arc<str>,
    ) -> Result<(&'s str, Option<Note>), WorkbookError> {
        let value = match content {
            Content::Text(text) => Value::Text(text),
            Content::SharedText(number) => Value::Text(self.text(*number as usize, part)?),
            Content::Number(number, style) => Value::Number(*number, self.shown(*style)),
            Content::Bool(value) => Value::Bool(*value),
            Content::Error(code) => {
                let shown = error_text(*code);
                return Ok((shown, Some(Note::Error(Arc::from(shown)))));
            }
        };
        Ok((cell_text(value, self.epoch, buffer), None))
    }

    /// How a number of this style is shown.
    pub(super) fn shown(&self, style: usize) -> Shown {
        self.styles.get(style).copied().unwrap_or_default()
    }

    /// The shared text of this number.
    pub(super) fn text(&self, number: usize, part: &Arc<str>) -> Result<&str, WorkbookError> {
        self.texts
            .get(number)
            .ok_or_else(|| WorkbookError::damaged(part, "a cell has a text that is not in the table of texts"))
    }
}
