//! Cells become rows: the same rules for all formats.
//!
//! A format's reader calls [`Rows::begin`], [`Rows::cell`] for each cell from left to right, and [`Rows::end`]. Here is
//! decided what a row is: merged ranges filled down, blank and hidden rows left out, links and pictures noted, and no
//! more taken in than a manifest may have.

use std::ops::ControlFlow;
use std::sync::Arc;

use csv::ByteRecord;

use crate::manifest::workbook::cells::CellRange;
use crate::manifest::workbook::error::{Excess, WorkbookError};
use crate::manifest::workbook::limits::{MOST_RANGES, MOST_SHEET_ROWS, MOST_TEXT_BYTES};
use crate::manifest::workbook::sweep::Sweep;
use crate::manifest::{MOST_COLUMNS, MOST_ROW_BYTES};

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
    /// Cells with text right of column [`MOST_COLUMNS`], by the row of the first.
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
        self.row.line = line;
        self.row.record.clear();
        self.row.notes.clear();
        (self.is_hidden, self.has_own) = (is_hidden, false);
        (self.next_column, self.far_cells) = (0, 0);
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
        if column as usize >= MOST_COLUMNS {
            self.far_cells += u64::from(!is_blank);
            return Ok(());
        }
        let line = self.row.line;
        let note = note.or_else(|| Some(Note::Link(Arc::clone(&self.links.over(line, column)?.1))));
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
        let line = self.row.line;
        for at in 0..self.held.len() {
            let is_over = self
                .merged
                .over(line, at as u32)
                .is_some_and(|(range, ())| range.first_row == self.held[at].of_row && range.first_column == at as u32);
            if !is_over {
                self.held[at] = Held::default();
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
        while self.row.record.len() < column as usize {
            let at = self.row.record.len() as u32;
            match self.held_over(self.row.line, at) {
                Some(_) => {
                    // Taken out for a moment, since pushing needs all of the rest.
                    let held = std::mem::take(&mut self.held[at as usize]);
                    let pushed = self.push(at, held.text.as_bytes(), held.note.clone());
                    self.held[at as usize] = held;
                    pushed?;
                }
                None => self.row.record.push_field(b""),
            }
        }
        Ok(())
    }

    fn push(&mut self, column: u32, text: &[u8], note: Option<Note>) -> Result<(), WorkbookError> {
        self.row.record.push_field(text);
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
mod tests {
    use super::*;

    /// Rows as text, up to a number of them.
    #[derive(Default)]
    struct Shown {
        rows: Vec<String>,
        most: Option<usize>,
        idle: usize,
    }

    impl Sink for Shown {
        fn row(&mut self, row: &mut SheetRow, _: &Tally) -> ControlFlow<()> {
            let cells: Vec<_> = row.record.iter().map(String::from_utf8_lossy).collect();
            let mut text = format!("{}: {}", row.line, cells.join("|"));
            for (column, note) in &row.notes {
                text.push_str(&format!(" {column}={note:?}"));
            }
            if let Some(column) = row.picture {
                text.push_str(&format!(" picture={column}"));
            }
            self.rows.push(text);
            if self.most == Some(self.rows.len()) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        }

        fn idle(&mut self, _: &Tally) -> ControlFlow<()> {
            self.idle += 1;
            ControlFlow::Continue(())
        }
    }

    fn part() -> Arc<str> {
        Arc::from("sheet1.xml")
    }

    /// Reads rows of `(line, hidden, cells)`, cells being `(column, text)`.
    fn read(
        ranges: Ranges,
        includes_hidden: bool,
        rows: &[(u32, bool, &[(u32, &str)])],
    ) -> Result<(Vec<String>, Tally), WorkbookError> {
        let mut shown = Shown::default();
        let mut reading = Rows::new(&part(), includes_hidden, &mut shown);
        reading.know(ranges);
        for (line, is_hidden, cells) in rows {
            reading.begin(*line, *is_hidden, &part())?;
            for (column, text) in *cells {
                reading.cell(*column, text, None, &part())?;
            }
            let _: ControlFlow<()> = reading.end()?;
        }
        let tally = reading.tally();
        Ok((shown.rows, tally))
    }

    fn merged(ranges: &[&str]) -> Ranges {
        let ranges = ranges.iter().map(|range| (CellRange::read(range).unwrap(), ()));
        Ranges {
            merged: ranges.collect(),
            ..Ranges::default()
        }
    }

    #[test]
    fn cells_stand_in_their_columns_and_blank_rows_are_none() {
        let rows: &[(u32, bool, &[(u32, &str)])] = &[
            (1, false, &[(0, "a"), (2, "c"), (5, "")]),
            (2, false, &[]),
            (3, false, &[(0, ""), (1, " \n")]),
            (9, false, &[(1, "b")]),
        ];
        let (shown, tally) = read(Ranges::default(), false, rows).unwrap();
        assert_eq!(shown, ["1: a||c", "9: |b"]);
        assert_eq!((tally.blank.count, tally.blank.first_row), (2, 2));
    }

    #[test]
    fn a_merged_range_gives_its_value_to_each_row_in_its_first_column() {
        let rows: &[(u32, bool, &[(u32, &str)])] = &[
            (1, false, &[(0, "title"), (1, "behind")]),
            (2, false, &[(0, "x"), (1, "p"), (3, "last")]),
            (3, false, &[(1, "q"), (3, "behind")]),
            (4, false, &[(1, "r")]),
            (5, false, &[(1, "s")]),
            (6, false, &[]),
        ];
        let (shown, tally) = read(merged(&["A1:C1", "A2:A4", "D2:E4", "B6:B9"]), false, rows).unwrap();
        assert_eq!(
            shown,
            ["1: title", "2: x|p||last", "3: x|q||last", "4: x|r||last", "5: |s"]
        );
        assert_eq!(tally.blank.count, 1);
    }

    #[test]
    fn a_row_with_nothing_but_what_a_merged_range_lends_it_is_no_row() {
        let rows: &[(u32, bool, &[(u32, &str)])] =
            &[(2, false, &[(0, "x")]), (3, false, &[]), (4, false, &[(0, "hid")])];
        let (shown, _) = read(merged(&["A2:A4"]), false, rows).unwrap();
        assert_eq!(shown, ["2: x"]);
    }

    #[test]
    fn hidden_rows_are_counted_or_included_and_lend_what_is_merged() {
        let rows: &[(u32, bool, &[(u32, &str)])] = &[
            (2, true, &[(0, "x"), (1, "p")]),
            (3, false, &[(1, "q")]),
            (4, true, &[]),
            (5, true, &[(1, "r")]),
        ];
        let (shown, tally) = read(merged(&["A2:A3"]), false, rows).unwrap();
        assert_eq!(shown, ["3: x|q"]);
        assert_eq!((tally.hidden.count, tally.hidden.first_row), (2, 2));
        let (shown, tally) = read(merged(&["A2:A3"]), true, rows).unwrap();
        assert_eq!(shown, ["2: x|p", "3: x|q", "5: |r"]);
        assert_eq!(tally.hidden, LeftOut::default());
    }

    #[test]
    fn links_and_pictures_are_noted() {
        let ranges = Ranges {
            links: vec![(CellRange::read("B2:B3").unwrap(), Arc::from("https://x.example"))],
            pictures: vec![
                (CellRange::read("D2:D3").unwrap(), ()),
                (CellRange::read("C3").unwrap(), ()),
            ],
            ..Ranges::default()
        };
        let rows: &[(u32, bool, &[(u32, &str)])] = &[
            (2, false, &[(0, "a"), (1, "cat")]),
            (3, false, &[(0, "a"), (1, "")]),
            (4, false, &[(0, "a"), (1, "dog")]),
        ];
        let (shown, _) = read(ranges, false, rows).unwrap();
        let link = "1=Link(\"https://x.example\")";
        assert_eq!(
            shown,
            [
                format!("2: a|cat {link} picture=3"),
                format!("3: a| {link} picture=2"),
                "4: a|dog".to_owned()
            ]
        );
    }

    #[test]
    fn repeated_rows_are_as_many() {
        let mut shown = Shown::default();
        let mut rows = Rows::new(&part(), false, &mut shown);
        rows.begin(1, false, &part()).unwrap();
        rows.cell(0, "a", Some(Note::Picture), &part()).unwrap();
        assert!(rows.end_of(3).unwrap().is_continue());
        rows.begin(4, false, &part()).unwrap();
        assert!(rows.end_of(1_000_000).unwrap().is_continue());
        assert_eq!(rows.line(), 1_000_003);
        rows.begin(1_048_570, false, &part()).unwrap();
        rows.cell(0, "a", None, &part()).unwrap();
        let error = rows.end_of(100).unwrap_err();
        assert!(matches!(error, WorkbookError::TooLarge(Excess::Rows)), "{error:?}");
        assert_eq!(
            shown.rows,
            [
                "1: a 0=Picture picture=0",
                "2: a 0=Picture picture=0",
                "3: a 0=Picture picture=0"
            ]
        );
        assert_eq!(shown.idle, 1);
    }

    #[test]
    fn nobody_reads_on_when_no_more_is_wanted() {
        let mut shown = Shown {
            most: Some(2),
            ..Shown::default()
        };
        let mut rows = Rows::new(&part(), false, &mut shown);
        rows.begin(1, false, &part()).unwrap();
        rows.cell(0, "a", None, &part()).unwrap();
        assert!(rows.end_of(1_000).unwrap().is_break());
        assert_eq!(shown.rows.len(), 2);
    }

    #[test]
    fn cells_far_to_the_right_are_counted() {
        let rows: &[(u32, bool, &[(u32, &str)])] = &[
            (1, false, &[(0, "a"), (1_023, "last"), (1_024, ""), (16_383, "far")]),
            (2, false, &[(16_383, "far")]),
            (3, false, &[(0, "b"), (u32::MAX, "far")]),
        ];
        let (shown, tally) = read(Ranges::default(), false, rows).unwrap();
        assert_eq!(shown.len(), 2);
        assert!(shown[0].ends_with("|last"));
        assert_eq!((tally.far_cells.count, tally.far_cells.first_row), (2, 1));
    }

    #[test]
    fn what_merged_ranges_held_is_forgotten_after_them() {
        let ranges: Vec<String> = (0..50)
            .map(|at: u32| format!("{}{}:{0}{}", char::from(b'A' + (at % 25) as u8), 2 * at + 1, 2 * at + 2))
            .collect();
        let mut shown = Shown::default();
        let mut rows = Rows::new(&part(), false, &mut shown);
        rows.know(merged(&ranges.iter().map(String::as_str).collect::<Vec<_>>()));
        let long = "x".repeat(MOST_ROW_BYTES / 2);
        for at in 0..50 {
            rows.begin(2 * at + 1, false, &part()).unwrap();
            rows.cell(at % 25, &long, None, &part()).unwrap();
            assert!(rows.end().unwrap().is_continue());
            rows.begin(2 * at + 2, false, &part()).unwrap();
            rows.cell(30, "y", None, &part()).unwrap();
            assert!(rows.end().unwrap().is_continue());
            let held: usize = rows.held.iter().map(|held| held.text.capacity()).sum();
            assert!(held <= MOST_HELD_BYTES, "{held}");
        }
        assert!(shown.rows.iter().all(|row| row.len() > MOST_ROW_BYTES / 2));
    }

    #[test]
    fn disorder_is_damage_and_excess_an_error() {
        let twice: &[(u32, bool, &[(u32, &str)])] = &[(2, false, &[(0, "a")]), (2, false, &[(0, "a")])];
        let error = read(Ranges::default(), false, twice).unwrap_err().to_string();
        assert!(error.contains("row 2 comes after row 2"), "{error}");
        let back: &[(u32, bool, &[(u32, &str)])] = &[(2, false, &[(1, "a"), (0, "b")])];
        let error = read(Ranges::default(), false, back).unwrap_err().to_string();
        assert!(error.contains("near row 2"), "{error}");
        let long = "x".repeat(MOST_ROW_BYTES);
        let rows: &[(u32, bool, &[(u32, &str)])] = &[(7, false, &[(0, &long), (1, "y")])];
        let error = read(Ranges::default(), false, rows).unwrap_err().to_string();
        assert!(error.contains("row 7 of sheet"), "{error}");
    }
}
