//! The rows of a sheet.

use std::sync::Arc;

use quick_xml::events::{BytesStart, Event};

use crate::manifest::MOST_ROW_BYTES;
use crate::manifest::workbook::cell_text::{Epoch, Value, cell_text};
use crate::manifest::workbook::cells::CellRange;
use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::formula;
use crate::manifest::workbook::limits::READ_COLUMNS;
use crate::manifest::workbook::number_format::Shown;
use crate::manifest::workbook::package::Named;
use crate::manifest::workbook::rows::{Note, Rows};
use crate::manifest::workbook::xml::{Xml, attribute, attributes, is_true, local, push_text, unescaped};

/// Reads the rows of a sheet that has just begun until its end, or until no more are wanted.
pub(super) fn read(mut xml: Xml<impl Named>, rows: &mut Rows<'_>) -> Result<(), WorkbookError> {
    let part = Arc::clone(xml.part());
    let mut reading = Reading {
        part,
        repeated: 1,
        column: 0,
        cell: None,
        // How deep in something that is no text of the cell.
        aside: 0,
        frame: None,
        piece: String::new(),
        buffer: String::new(),
    };
    loop {
        let event = xml.next()?;
        match &event {
            Event::Start(start) if reading.aside > 0 => {
                reading.aside += 1;
                reading.look_into_frame(start);
            }
            Event::End(_) if reading.aside > 0 => {
                reading.aside -= 1;
                if reading.aside == 0 {
                    reading.end_frame(rows);
                }
            }
            Event::Start(start) => reading.start(start, rows)?,
            Event::End(end) => match local(end.name()) {
                "table-cell" | "covered-table-cell" => reading.end_cell(rows)?,
                "table-row" if rows.end_of(reading.repeated)?.is_break() => return Ok(()),
                "table" => return Ok(()),
                _ => {}
            },
            Event::Eof => return Err(WorkbookError::damaged(&reading.part, "it ends before its rows do")),
            _ if reading.aside > 0 => {}
            text => reading.text(text)?,
        }
    }
}

struct Reading {
    part: Arc<str>,
    /// How often the row stands in the sheet.
    repeated: u32,
    /// The column of the next cell.
    column: u32,
    cell: Option<Cell>,
    aside: usize,
    frame: Option<Frame>,
    piece: String,
    buffer: String,
}

/// A cell in the making.
#[derive(Debug, Default)]
struct Cell {
    repeated: u32,
    rows_spanned: u32,
    columns_spanned: u32,
    kind: Option<String>,
    is_error: bool,
    value: String,
    formula: Option<String>,
    link: Option<Arc<str>>,
    has_picture: bool,
    /// What it shows, paragraphs on lines of their own.
    text: String,
    paragraphs: u32,
    /// Whether a blank would follow another one, which shows as one.
    is_after_blank: bool,
}

/// Something drawn in a cell. A chart has a picture of itself beside it.
#[derive(Debug)]
struct Frame {
    has_image: bool,
    has_object: bool,
    /// The last row under it, if that is said.
    last_row: Option<u32>,
}

impl Reading {
    fn start(&mut self, start: &BytesStart<'_>, rows: &mut Rows<'_>) -> Result<(), WorkbookError> {
        match local(start.name()) {
            "table-row" => {
                let text = |name| attribute(start, name).unwrap_or_default();
                self.repeated = count(&text("number-rows-repeated"));
                self.column = 0;
                let is_hidden = matches!(&*text("visibility"), "collapse" | "filter");
                rows.begin(rows.line().saturating_add(1), is_hidden, &self.part)?;
            }
            "table-cell" | "covered-table-cell" => self.cell = Some(Cell::begin(start)),
            // Comments, how characters are read aloud, and what is drawn.
            "annotation" | "ruby-text" | "custom-shape" | "control" | "g" | "shapes" => self.aside = 1,
            "frame" => {
                let last = attribute(start, "end-cell-address");
                self.aside = 1;
                self.frame = Some(Frame {
                    has_image: false,
                    has_object: false,
                    last_row: last.and_then(|last| row_of_address(&last)),
                });
            }
            name => {
                if let Some(cell) = &mut self.cell {
                    cell.look_at(name, start);
                }
            }
        }
        Ok(())
    }

    fn look_into_frame(&mut self, start: &BytesStart<'_>) {
        if let Some(frame) = &mut self.frame {
            match local(start.name()) {
                "image" => frame.has_image = true,
                "object" | "object-ole" => frame.has_object = true,
                _ => {}
            }
        }
    }

    fn end_frame(&mut self, rows: &mut Rows<'_>) {
        let frame = self.frame.take().filter(|frame| frame.has_image && !frame.has_object);
        if let (Some(frame), Some(cell)) = (frame, &mut self.cell) {
            cell.has_picture = true;
            let first_row = rows.line();
            rows.picture(CellRange {
                first_row,
                last_row: frame.last_row.unwrap_or(first_row).max(first_row),
                first_column: self.column,
                last_column: self.column,
            });
        }
    }

    fn text(&mut self, event: &Event<'_>) -> Result<(), WorkbookError> {
        if let Some(cell) = &mut self.cell
            && cell.paragraphs > 0
        {
            self.piece.clear();
            push_text(event, &self.part, &mut self.piece)?;
            cell.push_collapsed(&self.piece);
        }
        Ok(())
    }

    fn end_cell(&mut self, rows: &mut Rows<'_>) -> Result<(), WorkbookError> {
        let Some(cell) = self.cell.take() else {
            return Ok(());
        };
        let (line, first) = (rows.line(), self.column);
        self.column = first.saturating_add(cell.repeated);
        if cell.rows_spanned > 1 || cell.columns_spanned > 1 {
            rows.merge(CellRange {
                first_row: line,
                last_row: line.saturating_add(cell.rows_spanned - 1),
                first_column: first,
                last_column: first.saturating_add(cell.columns_spanned - 1),
            });
        }
        let (text, note) = cell.shown(&mut self.buffer);
        if text.is_empty() && note.is_none() {
            return Ok(());
        }
        // Of those far to the right one is enough to know of them.
        let last = self.column.min(first.max(READ_COLUMNS).saturating_add(1));
        for column in first..last {
            rows.cell(column, text, note.clone(), &self.part)?;
        }
        Ok(())
    }
}

impl Cell {
    fn begin(start: &BytesStart<'_>) -> Cell {
        let mut cell = Cell {
            repeated: 1,
            rows_spanned: 1,
            columns_spanned: 1,
            ..Cell::default()
        };
        for (name, value) in attributes(start) {
            match name {
                "number-columns-repeated" => cell.repeated = count(value),
                "number-rows-spanned" => cell.rows_spanned = count(value),
                "number-columns-spanned" => cell.columns_spanned = count(value),
                // Said twice, once in the standard's words, and once as LibreOffice knows it, which has one for errors.
                "value-type" if value == "error" => cell.is_error = true,
                "value-type" => cell.kind = cell.kind.or(Some(value.to_owned())),
                "value" | "date-value" | "time-value" | "boolean-value" | "string-value" => {
                    cell.value = unescaped(value).into_owned();
                }
                "formula" => cell.formula = Some(unescaped(value).into_owned()),
                _ => {}
            }
        }
        cell
    }

    fn look_at(&mut self, name: &str, start: &BytesStart<'_>) {
        match name {
            "p" | "h" => {
                if self.paragraphs > 0 {
                    self.text.push('\n');
                }
                self.paragraphs += 1;
                self.is_after_blank = true;
            }
            "s" => {
                let blanks = attribute(start, "c").map_or(1, |blanks| count(&blanks));
                self.push_verbatim(&" ".repeat(blanks.min(MOST_BLANKS) as usize));
            }
            "tab" => self.push_verbatim("\t"),
            "line-break" => self.push_verbatim("\n"),
            "a" if self.link.is_none() => self.link = attribute(start, "href").map(Arc::from),
            _ => {}
        }
    }

    fn push_verbatim(&mut self, text: &str) {
        if !self.is_full() {
            self.text.push_str(text);
        }
        self.is_after_blank = false;
    }

    /// What is longer than a row is cut, and refused where it is used.
    fn is_full(&self) -> bool {
        self.text.len() > MOST_ROW_BYTES
    }

    /// Adds text in which blanks and line breaks in a row are one blank, as in the pages of the web.
    fn push_collapsed(&mut self, piece: &str) {
        if self.is_full() {
            return;
        }
        for character in piece.chars() {
            let is_blank = matches!(character, ' ' | '\t' | '\n' | '\r');
            if !is_blank {
                self.text.push(character);
            } else if !self.is_after_blank {
                self.text.push(' ');
            }
            self.is_after_blank = is_blank;
        }
    }

    /// The cell's text, and what is to be noted about it.
    fn shown<'b>(&'b self, buffer: &'b mut String) -> (&'b str, Option<Note>) {
        let of_formula = self.formula.as_deref().and_then(formula::note_of);
        let is_error = self.is_error || (self.formula.is_some() && is_error_text(&self.text));
        if self.formula.is_some() && self.kind.is_none() && self.text.is_empty() && !is_error {
            return ("", of_formula.or(Some(Note::NoStoredValue)));
        }
        let value = match self.kind.as_deref() {
            _ if is_error => Value::Text(&self.text),
            // What the functions of these names give is stored as a number.
            Some("float") if matches!(self.text.as_str(), "TRUE" | "FALSE") => Value::Text(&self.text),
            Some("float" | "percentage" | "currency") => Value::Written(&self.value, Shown::Number),
            Some("date") => Value::IsoDate(&self.value),
            Some("time") => Value::IsoDuration(&self.value),
            Some("boolean") => Value::Bool(is_true(&self.value)),
            _ if self.paragraphs == 0 => Value::Text(&self.value),
            _ => Value::Text(&self.text),
        };
        let text = cell_text(value, Epoch::Of1900, buffer);
        let error = || is_error.then(|| Note::Error(Arc::from(self.text.as_str())));
        let picture = || (self.has_picture && text.is_empty()).then_some(Note::Picture);
        let link = || self.link.clone().map(Note::Link);
        (text, of_formula.or_else(error).or_else(picture).or_else(link))
    }
}

/// More blanks in a row than this are a mistake.
const MOST_BLANKS: u32 = 1_000;

/// A number of repetitions; 1 where it is not said or none.
fn count(text: &str) -> u32 {
    text.trim_ascii().parse().map_or(1, |count: u32| count.max(1))
}

/// Errors as they are shown, for programs that store them as numbers.
fn is_error_text(text: &str) -> bool {
    matches!(
        text,
        "#N/A" | "#VALUE!" | "#REF!" | "#DIV/0!" | "#NAME?" | "#NUM!" | "#NULL!"
    ) || text.starts_with("Err:")
}

/// The row of `Sheet1.C9` or `$'My shots'.$C$9`.
fn row_of_address(address: &str) -> Option<u32> {
    let digits = address
        .rfind(|character: char| !character.is_ascii_digit())
        .map_or(0, |at| at + 1);
    address.get(digits..)?.parse().ok()
}
