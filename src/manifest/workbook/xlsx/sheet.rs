//! The cells of a sheet.

use std::collections::HashMap;
use std::sync::Arc;

use quick_xml::events::{BytesStart, Event};

use crate::escape;
use crate::manifest::workbook::cell_text::{Value, cell_text};
use crate::manifest::workbook::cells::read_cell;
use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::formula;
use crate::manifest::workbook::package::Named;
use crate::manifest::workbook::rows::{Note, Rows};
use crate::manifest::workbook::shared::Shared;
use crate::manifest::workbook::xlsx::{escapes, number};
use crate::manifest::workbook::xml::{Xml, attribute, attributes, is_true, local, push_text};

/// Reads the rows of a sheet until its end, or until no more are wanted.
pub(super) fn read(
    mut xml: Xml<impl Named>,
    shared: &Shared,
    pictures: &[bool],
    rows: &mut Rows<'_>,
) -> Result<(), WorkbookError> {
    let mut reading = Reading {
        shared,
        pictures,
        part: Arc::clone(xml.part()),
        row: 0,
        is_row_numbered: false,
        is_row_hidden: false,
        is_row_begun: false,
        column: 0,
        cell: Cell::default(),
        formulas: HashMap::new(),
        buffer: String::new(),
    };
    find_rows(&mut xml)?;
    let mut inside = Inside::Nothing;
    let mut is_reading_aid = false;
    loop {
        let event = xml.next()?;
        match &event {
            Event::Start(start) => match local(start.name()) {
                "c" => reading.begin_cell(start)?,
                // Beside a text of its own a cell's value says the same once more.
                "v" if reading.cell.kind != Kind::Inline => {
                    reading.cell.has_value = true;
                    inside = Inside::Value;
                }
                "row" => reading.begin_row(start)?,
                "t" if !is_reading_aid => inside = Inside::Value,
                "f" => {
                    reading.cell.begin_formula(start);
                    inside = Inside::Formula;
                }
                // How the characters are read aloud.
                "rPh" => is_reading_aid = true,
                _ => {}
            },
            Event::End(end) => match local(end.name()) {
                "c" => reading.end_cell(rows)?,
                "v" | "t" | "f" => inside = Inside::Nothing,
                "row" => {
                    reading.begin_row_if_needed(rows)?;
                    if rows.end()?.is_break() {
                        return Ok(());
                    }
                }
                "rPh" => is_reading_aid = false,
                "sheetData" => return Ok(()),
                _ => {}
            },
            Event::Eof => return Err(WorkbookError::damaged(&reading.part, "it ends before its rows do")),
            piece => match inside {
                Inside::Nothing => {}
                Inside::Value => push_text(piece, &reading.part, &mut reading.cell.value)?,
                Inside::Formula => push_text(piece, &reading.part, &mut reading.cell.formula)?,
            },
        }
    }
}

fn find_rows(xml: &mut Xml<impl Named>) -> Result<(), WorkbookError> {
    loop {
        match xml.next()? {
            Event::Start(start) if local(start.name()) == "sheetData" => return Ok(()),
            Event::Eof => {
                return Err(WorkbookError::damaged(
                    xml.part(),
                    "it has no rows, not even an empty table",
                ));
            }
            _ => {}
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Inside {
    Nothing,
    Value,
    Formula,
}

struct Reading<'r> {
    shared: &'r Shared,
    /// Whether a rich value is a picture.
    pictures: &'r [bool],
    part: Arc<str>,
    /// The row that was begun last, and whether it has said its number: if not, its first cell may.
    row: u32,
    is_row_numbered: bool,
    is_row_hidden: bool,
    is_row_begun: bool,
    /// The column after the last cell.
    column: u32,
    cell: Cell,
    /// What is to be noted about formulas that several cells share, by their number.
    formulas: HashMap<usize, Note>,
    buffer: String,
}

/// A cell in the making; its memory is used again.
#[derive(Debug, Default)]
struct Cell {
    row: u32,
    column: u32,
    kind: Kind,
    style: usize,
    rich_value: usize,
    value: String,
    has_value: bool,
    formula: String,
    has_formula: bool,
    /// The number of a formula that several cells share.
    shared_formula: Option<usize>,
}

/// What a cell's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Kind {
    #[default]
    Number,
    /// The number of a shared text.
    Shared,
    Bool,
    Error,
    /// The text that a formula gave.
    Given,
    Inline,
    Date,
}

impl Reading<'_> {
    fn begin_row(&mut self, start: &BytesStart<'_>) -> Result<(), WorkbookError> {
        (self.is_row_numbered, self.is_row_hidden, self.is_row_begun) = (false, false, false);
        self.row = self.row.saturating_add(1);
        self.column = 0;
        for (name, value) in attributes(start) {
            match name {
                "r" => {
                    self.row = value.trim_ascii().parse().map_err(|_| self.misplaced("row", value))?;
                    self.is_row_numbered = true;
                }
                "hidden" => self.is_row_hidden |= is_true(value),
                // Made as low as nothing by hand.
                "ht" => self.is_row_hidden |= value.parse() == Ok(0.0),
                _ => {}
            }
        }
        Ok(())
    }

    fn misplaced(&self, what: &str, place: &str) -> WorkbookError {
        let place = escape::excerpt(place, 20);
        WorkbookError::damaged(&self.part, format!("no {what} can be at `{place}`"))
    }

    fn begin_row_if_needed(&mut self, rows: &mut Rows<'_>) -> Result<(), WorkbookError> {
        if !self.is_row_begun {
            self.is_row_begun = true;
            rows.begin(self.row, self.is_row_hidden, &self.part)?;
        }
        Ok(())
    }

    fn begin_cell(&mut self, start: &BytesStart<'_>) -> Result<(), WorkbookError> {
        self.cell.clear();
        (self.cell.row, self.cell.column) = (self.row, self.column);
        for (name, value) in attributes(start) {
            match name {
                "r" => {
                    let place = read_cell(value).ok_or_else(|| self.misplaced("cell", value))?;
                    (self.cell.row, self.cell.column) = place;
                }
                "s" => self.cell.style = number(value),
                "t" => self.cell.kind = Kind::of(value),
                "vm" => self.cell.rich_value = number(value),
                _ => {}
            }
        }
        self.column = self.cell.column.saturating_add(1);
        Ok(())
    }

    fn end_cell(&mut self, rows: &mut Rows<'_>) -> Result<(), WorkbookError> {
        if !self.is_row_begun && !self.is_row_numbered && self.cell.row > self.row {
            self.row = self.cell.row;
        }
        self.begin_row_if_needed(rows)?;
        let of_formula = self.note_of_formula();
        let cell = &mut self.cell;
        if cell.has_formula && cell.value.is_empty() && !(cell.kind == Kind::Given && cell.has_value) {
            let note = of_formula.unwrap_or(Note::NoStoredValue);
            return rows.cell(cell.column, "", Some(note), &self.part);
        }
        let is_placed = cell.rich_value.checked_sub(1).and_then(|at| self.pictures.get(at));
        let is_picture = is_placed == Some(&true) && !matches!(of_formula, Some(Note::Link(_)));
        if is_picture || of_formula == Some(Note::Picture) {
            return rows.cell(cell.column, "", Some(Note::Picture), &self.part);
        }
        let error = (cell.kind == Kind::Error && !cell.value.is_empty()).then_some(&cell.value);
        let note = of_formula.or_else(|| error.map(|shown| Note::Error(Arc::from(shown.as_str()))));
        let text = match cell.kind {
            Kind::Shared if cell.value.is_empty() => "",
            // What is no number is none that the table has.
            Kind::Shared => self
                .shared
                .text(cell.value.trim_ascii().parse().unwrap_or(usize::MAX), &self.part)?,
            Kind::Number => {
                let value = Value::Written(&cell.value, self.shared.shown(cell.style));
                cell_text(value, self.shared.epoch, &mut self.buffer)
            }
            Kind::Date => cell_text(Value::IsoDate(&cell.value), self.shared.epoch, &mut self.buffer),
            Kind::Bool => match cell.value.trim_ascii() {
                "" => "",
                value => cell_text(Value::Bool(is_true(value)), self.shared.epoch, &mut self.buffer),
            },
            Kind::Error => &cell.value,
            Kind::Given | Kind::Inline => {
                escapes::resolve(&mut cell.value);
                &cell.value
            }
        };
        // WPS Office stores the formula of a picture as its value, and some programs keep only that.
        if text.starts_with("=DISPIMG(") || text.starts_with("=_xlfn.DISPIMG(") {
            return rows.cell(cell.column, "", Some(Note::Picture), &self.part);
        }
        rows.cell(cell.column, text, note, &self.part)
    }

    fn note_of_formula(&mut self) -> Option<Note> {
        let cell = &self.cell;
        if !cell.has_formula {
            return None;
        }
        let note = formula::note_of(&cell.formula);
        match cell.shared_formula {
            // Only the first cell has the formula, and only an address that is the same in all of them is literal.
            Some(shared) if cell.formula.is_empty() => self.formulas.get(&shared).cloned(),
            Some(shared) => {
                if let Some(note) = &note {
                    self.formulas.insert(shared, note.clone());
                }
                note
            }
            None => note,
        }
    }
}

impl Cell {
    fn clear(&mut self) {
        self.value.clear();
        self.formula.clear();
        (self.kind, self.style, self.rich_value) = (Kind::Number, 0, 0);
        (self.has_value, self.has_formula, self.shared_formula) = (false, false, None);
    }

    fn begin_formula(&mut self, start: &BytesStart<'_>) {
        self.has_formula = true;
        self.shared_formula = attribute(start, "si").map(|shared| number(&shared));
    }
}

impl Kind {
    fn of(attribute: &str) -> Kind {
        match attribute {
            "s" => Kind::Shared,
            "b" => Kind::Bool,
            "e" => Kind::Error,
            "str" => Kind::Given,
            "inlineStr" | "is" => Kind::Inline,
            "d" => Kind::Date,
            // What is no number is passed on as it is.
            _ => Kind::Number,
        }
    }
}
