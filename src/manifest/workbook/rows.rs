//! Cells become rows: the same rules for all formats.
//!
//! A format's reader calls [`Rows::begin`], [`Rows::cell`] for each cell from left to right, and [`Rows::end`]. Here is
//! decided what a row is: merged ranges filled down, blank and hidden rows left out, links and pictures noted, and no
//! more taken in than a manifest may have.

use std::ops::ControlFlow;
use std::sync::Arc;

use csv::ByteRecord;

use crate::manifest::MOST_ROW_BYTES;
use crate::manifest::workbook::cells::CellRange;
use crate::manifest::workbook::error::{Excess, WorkbookError};
use crate::manifest::workbook::limits::{MOST_RANGES, MOST_SHEET_ROWS, MOST_TEXT_BYTES, READ_COLUMNS};
use crate::manifest::workbook::sweep::Sweep;

/// A row that is handed out.
#[derive(Debug, Clone, Default)]
pub(super) struct SheetRow {
    /// Its number on the sheet, from 1.
    pub(super) line: u32,
    /// Its cells from column A on, without the empty ones at its end.
    pub(super) record: ByteRecord,
    /// What is special about cells, by column, from the left.
    pub(super) notes: Vec<(u32, Note)>,
    /// The first column with a picture in or over the row.
    pub(super) picture: Option<u32>,
}

/// What is special about a cell beside its text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Note {
    /// It leads somewhere else than its text says.
    Link(Arc<str>),
    /// It shows an error: `#N/A`.
    Error(Arc<str>),
    /// It is a formula whose value nobody has stored.
    NoStoredValue,
    /// It holds a picture.
    Picture,
}

/// Whoever takes the rows. Breaks when no more are wanted.
pub(super) trait Sink {
    /// The next row; what is left in its place is used again.
    fn row(&mut self, row: &mut SheetRow, tally: &Tally) -> ControlFlow<()>;

    /// Called now and then while nothing comes out.
    fn idle(&mut self, tally: &Tally) -> ControlFlow<()>;
}

/// Rows and cells that were read and not handed out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::manifest) struct Tally {
    /// Rows with text that are hidden.
    pub(in crate::manifest) hidden: LeftOut,
    /// Cells with text right of column [`MOST_COLUMNS`](crate::manifest::MOST_COLUMNS), by the row of the first.
    pub(in crate::manifest) far_cells: LeftOut,
    /// Rows without text, as far as the file has them.
    pub(in crate::manifest) blank: LeftOut,
}

/// How many, and on which row the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::manifest) struct LeftOut {
    /// How many there were up to now.
    pub(in crate::manifest) count: u64,
    /// The row of the first; 0 if there was none.
    pub(in crate::manifest) first_row: u32,
}

impl LeftOut {
    fn add(&mut self, row: u32, count: u64) {
        if self.count == 0 && count > 0 {
            self.first_row = row;
        }
        self.count += count;
    }
}

/// Ranges of a sheet that stand apart from its cells.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    pub(super) merged: Vec<(CellRange, ())>,
    pub(super) links: Vec<(CellRange, Arc<str>)>,
    pub(super) pictures: Vec<(CellRange, ())>,
}

impl Ranges {
    /// Whether the file has more of them than any program writes, with links that are not complete yet.
    pub(super) fn refuse_too_many(&self, links: usize) -> Result<(), WorkbookError> {
        if self.merged.len().max(self.pictures.len()).max(links) > MOST_RANGES {
            return Err(WorkbookError::TooLarge(Excess::Ranges));
        }
        Ok(())
    }
}

/// How much merged ranges hold before those that have ended are forgotten.
const MOST_HELD_BYTES: usize = 2 * MOST_ROW_BYTES;

/// How often a sink hears of a stretch without rows.
const IDLE_ROWS: u64 = 1_024;

/// The rows of one sheet in the making.
pub(super) struct Rows<'s> {
    sink: &'s mut dyn Sink,
    sheet: Arc<str>,
    includes_hidden: bool,
    merged: Sweep<()>,
    links: Sweep<Arc<str>>,
    pictures: Sweep<()>,
    /// What merged ranges show, by the column in which they begin.
    held: Vec<Held>,
    held_bytes: usize,
    tally: Tally,
    text_bytes: u64,
    /// The row in the making, and what is known of it.
    row: SheetRow,
    is_hidden: bool,
    has_own: bool,
    /// Columns of it that its record has.
    filled: u32,
    /// The column after the last cell that was added.
    next_column: u32,
    far_cells: u64,
}

/// The value and note of a merged range's first cell.
#[derive(Debug, Clone, Default)]
struct Held {
    of_row: u32,
    text: String,
    note: Option<Note>,
}

impl<'s> Rows<'s> {
    pub(super) fn new(sheet: &Arc<str>, includes_hidden: bool, sink: &'s mut dyn Sink) -> Rows<'s> {
        Rows {
            sink,
            sheet: Arc::clone(sheet),
            includes_hidden,
            merged: Sweep::new(Vec::new()),
            links: Sweep::new(Vec::new()),
            pictures: Sweep::new(Vec::new()),
            held: Vec::new(),
            held_bytes: 0,
            tally: Tally::default(),
            text_bytes: 0,
            row: SheetRow::default(),
            is_hidden: false,
            has_own: false,
            filled: 0,
            next_column: 0,
            far_cells: 0,
        }
    }

    /// Takes in the ranges of the sheet, before its first row.
    pub(super) fn know(&mut self, ranges: Ranges) {
        self.merged = Sweep::new(ranges.merged);
        self.links = Sweep::new(ranges.links);
        self.pictures = Sweep::new(ranges.pictures);
    }

    /// The row that is being read, or was last.
    pub(super) fn line(&self) -> u32 {
        self.row.line
    }

    /// What was left out, once all is read.
    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// Begins a row. Rows come from the top, with numbers left out or not.
    pub(super) fn begin(&mut self, line: u32, is_hidden: bool, part: &Arc<str>) -> Result<(), WorkbookError> {
        if line <= self.row.line {
            let last = self.row.line;
            return Err(WorkbookError::damaged(
                part,
                format!("row {line} comes after row {last}"),
            ));
        }
        if line > MOST_SHEET_ROWS {
            return Err(WorkbookError::TooLarge(Excess::Rows));
        }
        self.row.line = line;
        self.row.record.clear();
        self.row.notes.clear();
        (self.is_hidden, self.has_own) = (is_hidden, false);
        (self.filled, self.next_column, self.far_cells) = (0, 0, 0);
        self.merged.enter(line);
        self.links.enter(line);
        self.pictures.enter(line);
        Ok(())
    }

    /// Merges cells from this row on, for formats that say so in the first cell.
    pub(super) fn merge(&mut self, range: CellRange) {
        self.merged.put(range, ());
    }

    /// Notes a picture from this row on, likewise.
    pub(super) fn picture(&mut self, range: CellRange) {
        self.pictures.put(range, ());
    }

    /// Adds a cell. Columns come from the left, with empty ones left out or not.
    pub(super) fn cell(
        &mut self,
        column: u32,
        text: &str,
        note: Option<Note>,
        part: &Arc<str>,
    ) -> Result<(), WorkbookError> {
        if column < self.next_column {
            let error = WorkbookError::damaged(part, "its cells are not in order");
            return Err(error.near_row(self.row.line));
        }
        self.next_column = column.saturating_add(1);
        let is_blank = text.trim_ascii().is_empty();
        if column >= READ_COLUMNS {
            self.far_cells += u64::from(!is_blank);
            return Ok(());
        }
        let line = self.row.line;
        // A link over an empty cell is one that nobody sees: ranges of links are often longer than what they were made for.
        let link = (!is_blank).then(|| self.links.over(line, column)).flatten();
        let note = note.or_else(|| Some(Note::Link(Arc::clone(&link?.1))));
        if let Some((range, ())) = self.merged.over(line, column) {
            if (range.first_row, range.first_column) != (line, column) {
                // Behind a merged range; people see the range's first cell in its place.
                return Ok(());
            }
            if range.last_row > line {
                self.hold(column, text, note.as_ref());
            }
        }
        self.has_own |= !is_blank || matches!(note, Some(Note::Error(_) | Note::NoStoredValue | Note::Picture));
        if text.is_empty() && note.is_none() {
            return Ok(());
        }
        self.fill_up_to(column)?;
        self.push(column, text.as_bytes(), note)
    }

    /// Ends the row and hands it out, if it is one.
    pub(super) fn end(&mut self) -> Result<ControlFlow<()>, WorkbookError> {
        self.end_of(1)
    }

    /// Ends the row and hands it out as often as it is repeated: for formats that store equal rows once.
    pub(super) fn end_of(&mut self, times: u32) -> Result<ControlFlow<()>, WorkbookError> {
        let first = self.row.line;
        let last = first.saturating_add(times.saturating_sub(1));
        if !self.has_own {
            self.tally.blank.add(first, u64::from(times));
            self.row.line = last;
            return Ok(self.left_out(self.tally.blank.count, times));
        }
        if last > MOST_SHEET_ROWS {
            return Err(WorkbookError::TooLarge(Excess::Rows));
        }
        let lent = |column: &u32| self.held_over(first, *column).is_some_and(|held| !held.text.is_empty());
        let last_lent = self.merged.columns(first).rev().find(lent);
        if let Some(column) = last_lent {
            self.fill_up_to(column + 1)?;
        }
        self.text_bytes += u64::from(times) * self.row.record.as_slice().len() as u64;
        if self.text_bytes > MOST_TEXT_BYTES {
            return Err(WorkbookError::TooLarge(Excess::Text));
        }
        if self.is_hidden && !self.includes_hidden {
            self.tally.hidden.add(first, u64::from(times));
            self.row.line = last;
            return Ok(self.left_out(self.tally.hidden.count, times));
        }
        self.tally.far_cells.add(first, self.far_cells * u64::from(times));
        let copy = (times > 1).then(|| self.row.clone());
        for line in first..=last {
            if let Some(copy) = &copy
                && line > first
            {
                self.row.clone_from(copy);
            }
            self.row.line = line;
            self.pictures.enter(line);
            let in_cells = self.row.notes.iter().find(|(_, note)| *note == Note::Picture);
            let over = self.pictures.columns(line).next();
            self.row.picture = in_cells.map(|(column, _)| *column).into_iter().chain(over).min();
            let flow = self.sink.row(&mut self.row, &self.tally);
            self.row.line = line;
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Lets the sink know now and then that reading goes on.
    fn left_out(&mut self, count: u64, times: u32) -> ControlFlow<()> {
        if count % IDLE_ROWS < u64::from(times) {
            return self.sink.idle(&self.tally);
        }
        ControlFlow::Continue(())
    }

    fn hold(&mut self, column: u32, text: &str, note: Option<&Note>) {
        let at = column as usize;
        if self.held.len() <= at {
            self.held.resize(at + 1, Held::default());
        }
        let held = &mut self.held[at];
        held.of_row = self.row.line;
        held.text.clear();
        held.text.push_str(text);
        held.note = note.cloned();
        self.held_bytes += text.len();
        if self.held_bytes > MOST_HELD_BYTES {
            self.let_go();
        }
    }

    /// Forgets what ranges held that have ended. Those that have not lend all they hold to one row, which bounds them.
    fn let_go(&mut self) {
        let (line, merged) = (self.row.line, &self.merged);
        for (column, held) in (0..).zip(&mut self.held) {
            let over = merged.over(line, column);
            if over.is_none_or(|(range, ())| (range.first_row, range.first_column) != (held.of_row, column)) {
                *held = Held::default();
            }
        }
        self.held_bytes = self.held.iter().map(|held| held.text.len()).sum();
    }

    /// What a merged range that begins further up lends to its first column.
    fn held_over(&self, line: u32, column: u32) -> Option<&Held> {
        let (range, ()) = self.merged.over(line, column)?;
        let held = self.held.get(column as usize)?;
        let is_lent = range.first_row < line && range.first_column == column && held.of_row == range.first_row;
        is_lent.then_some(held)
    }

    /// Adds the cells left of a column that the file does not have: empty, or what a merged range lends.
    fn fill_up_to(&mut self, column: u32) -> Result<(), WorkbookError> {
        while self.filled < column {
            let at = self.filled;
            match self.held_over(self.row.line, at) {
                Some(_) => {
                    // Taken out for a moment, since pushing needs all of the rest.
                    let held = std::mem::take(&mut self.held[at as usize]);
                    let pushed = self.push(at, held.text.as_bytes(), held.note.clone());
                    self.held[at as usize] = held;
                    pushed?;
                }
                None => self.push(at, b"", None)?,
            }
        }
        Ok(())
    }

    fn push(&mut self, column: u32, text: &[u8], note: Option<Note>) -> Result<(), WorkbookError> {
        self.row.record.push_field(text);
        self.filled = column + 1;
        if let Some(note) = note {
            self.row.notes.push((column, note));
        }
        if self.row.record.as_slice().len() > MOST_ROW_BYTES {
            return Err(WorkbookError::RowTooLong {
                sheet: Arc::clone(&self.sheet),
                row: self.row.line,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
