//! Where pictures lie over the cells of a sheet.

use std::sync::Arc;

use quick_xml::events::Event;

use crate::manifest::workbook::cells::CellRange;
use crate::manifest::workbook::error::{Excess, WorkbookError};
use crate::manifest::workbook::limits::MOST_RANGES;
use crate::manifest::workbook::package::Named;
use crate::manifest::workbook::xml::{Xml, local, push_text};

/// The cells under each picture of a drawing. Shapes and charts are no pictures, and what is anchored to the page lies
/// over no row in particular.
pub(super) fn pictures_of(mut xml: Xml<impl Named>) -> Result<Vec<(CellRange, ())>, WorkbookError> {
    let part = Arc::clone(xml.part());
    let mut pictures = Vec::new();
    let mut anchor = Anchor::default();
    let mut corner: Option<Corner> = None;
    let mut text = String::new();
    loop {
        let event = xml.next()?;
        match &event {
            Event::Start(start) => {
                text.clear();
                match local(start.name()) {
                    "twoCellAnchor" | "oneCellAnchor" => anchor = Anchor::default(),
                    "from" => corner = Some(Corner::From),
                    "to" => corner = Some(Corner::To),
                    "blip" => anchor.has_picture = true,
                    _ => {}
                }
            }
            Event::End(end) => {
                let number = || text.trim_ascii().parse::<u32>().ok();
                match (local(end.name()), corner) {
                    ("from" | "to", _) => corner = None,
                    ("row", Some(Corner::From)) => anchor.first_row = number(),
                    ("col", Some(Corner::From)) => anchor.column = number(),
                    ("row", Some(Corner::To)) => anchor.last_row = number(),
                    // Ends on the border of a row, which it then does not cover.
                    ("rowOff", Some(Corner::To)) if number() == Some(0) => {
                        anchor.last_row = anchor.last_row.map(|row| row.saturating_sub(1));
                    }
                    ("twoCellAnchor" | "oneCellAnchor", _) => {
                        pictures.extend(std::mem::take(&mut anchor).range().map(|range| (range, ())));
                        if pictures.len() > MOST_RANGES {
                            return Err(WorkbookError::TooLarge(Excess::Ranges));
                        }
                    }
                    _ => {}
                }
            }
            Event::Eof => return Ok(pictures),
            piece if corner.is_some() => push_text(piece, &part, &mut text)?,
            _ => {}
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Corner {
    From,
    To,
}

/// Where something lies, rows and columns counted from 0.
#[derive(Debug, Default)]
struct Anchor {
    has_picture: bool,
    first_row: Option<u32>,
    last_row: Option<u32>,
    column: Option<u32>,
}

impl Anchor {
    fn range(self) -> Option<CellRange> {
        let (first_row, column) = (self.first_row?, self.column?);
        let last_row = self.last_row.unwrap_or(first_row).max(first_row);
        self.has_picture.then_some(CellRange {
            first_row: first_row.saturating_add(1),
            last_row: last_row.saturating_add(1),
            first_column: column,
            last_column: column,
        })
    }
}
