//! A sheet as a source of records, read ahead on a thread of its own.

use std::fmt;
use std::fs::File;
use std::mem;
use std::ops::ControlFlow;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use csv::ByteRecord;

use crate::manifest::Fingerprint;
use crate::manifest::workbook::book::Book;
use crate::manifest::workbook::choose::{Choice, choose};
use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::rows::{Note, Rows, SheetRow, Sink, Tally};
use crate::manifest::workbook::sheets::Sheet;

/// The rows of a sheet that are not blank, as records of text from column A on.
///
/// Unpacking and parsing run ahead on a thread, so that whoever judges the rows does not wait for them. The thread ends
/// with this value, at the latest some thousand rows later.
pub(in crate::manifest) struct SheetRecords {
    sheet: Arc<str>,
    also: Arc<[Arc<str>]>,
    sheets: Arc<[Sheet]>,
    batches: Receiver<Result<Batch, WorkbookError>>,
    /// Rows that were handed out go back, for their memory.
    used: SyncSender<Vec<SheetRow>>,
    batch: Batch,
    /// How many rows of the batch were handed out.
    taken: usize,
    failure: Option<WorkbookError>,
    fingerprint: Fingerprint,
}

/// What is known about a sheet beside its rows.
#[derive(Debug, Clone)]
pub(in crate::manifest) struct Remarks {
    /// The sheet that is read.
    pub(in crate::manifest) sheet: Arc<str>,
    /// Other visible sheets that have a header too, if nobody chose this one.
    pub(in crate::manifest) also: Arc<[Arc<str>]>,
    /// All sheets, in the order of their tabs.
    pub(in crate::manifest) sheets: Arc<[Sheet]>,
    /// What was left out up to some rows ahead of the last one; once there are no more rows, in all.
    pub(in crate::manifest) tally: Tally,
}

/// What is special about a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::manifest) enum CellNote<'a> {
    /// It leads to this address, whatever its text is.
    Link(&'a str),
    /// It shows this error, which is also its text.
    Error(&'a str),
    /// It is a formula whose value nobody has stored; its text is empty.
    NoStoredValue,
    /// There is a picture in it; its text is empty.
    Picture,
}

/// Rows on their way.
#[derive(Debug, Default)]
struct Batch {
    rows: Vec<SheetRow>,
    tally: Tally,
    is_last: bool,
}

/// Rows, and bytes of text, that go over the channel at once.
const BATCH_ROWS: usize = 256;
const BATCH_BYTES: usize = 256 << 10;

/// How many batches may wait.
const BATCHES_AHEAD: usize = 4;

impl SheetRecords {
    /// Opens a workbook of any format and chooses the sheet.
    pub(in crate::manifest) fn open(file: File, choice: Choice<'_>) -> Result<SheetRecords, WorkbookError> {
        let (book, chosen) = guarded(|| {
            let mut book = Book::open(file)?;
            let chosen = choose(&mut book, &choice)?;
            Ok((book, chosen))
        })?;
        let sheets: Arc<[Sheet]> = Arc::from(book.sheets());
        let sheet = Arc::clone(&sheets[chosen.index].name);
        let (sender, batches) = sync_channel(BATCHES_AHEAD);
        let (used, unused) = sync_channel(BATCHES_AHEAD);
        let ahead = Ahead {
            sender,
            unused,
            batch: Batch::default(),
            count: 0,
            bytes: 0,
        };
        let (name, includes_hidden) = (Arc::clone(&sheet), choice.hidden_rows);
        thread::Builder::new()
            .name("workbook".to_owned())
            .spawn(move || ahead.read(book, chosen.index, &name, includes_hidden))
            .map_err(|source| WorkbookError::Read {
                source: Arc::new(source),
            })?;
        Ok(SheetRecords {
            sheet,
            also: Arc::from(chosen.also),
            sheets,
            batches,
            used,
            batch: Batch::default(),
            taken: 0,
            failure: None,
            fingerprint: Fingerprint::default(),
        })
    }

    /// Reads the next row that is not blank and not hidden; `false` after the last one.
    pub(in crate::manifest) fn next(&mut self, record: &mut ByteRecord) -> Result<bool, WorkbookError> {
        while self.taken == self.batch.rows.len() {
            if self.batch.is_last {
                return Ok(false);
            }
            self.receive()?;
        }
        let row = &mut self.batch.rows[self.taken];
        self.taken += 1;
        mem::swap(record, &mut row.record);
        self.fingerprint.add(&row.line.to_le_bytes());
        record.iter().for_each(|cell| self.fingerprint.add(cell));
        for (column, note) in &row.notes {
            let (kind, target) = match note {
                Note::Link(target) => (b'L', &**target),
                Note::Error(shown) => (b'E', &**shown),
                Note::NoStoredValue => (b'N', ""),
                Note::Picture => (b'P', ""),
            };
            self.fingerprint.add(&[kind]);
            self.fingerprint.add(&column.to_le_bytes());
            self.fingerprint.add(target.as_bytes());
        }
        Ok(true)
    }

    fn receive(&mut self) -> Result<(), WorkbookError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        // Without a word from the thread it has ended in a way it could not even report.
        match self.batches.recv().unwrap_or(Err(WorkbookError::BrokeOff)) {
            Ok(batch) => {
                let done = mem::replace(&mut self.batch, batch);
                self.taken = 0;
                // Nobody needs it any more if the thread has ended.
                drop(self.used.try_send(done.rows));
                Ok(())
            }
            Err(error) => {
                self.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    /// The number on the sheet of the last row, from 1; 0 before the first.
    pub(in crate::manifest) fn line(&self) -> u32 {
        self.row().map_or(0, |row| row.line)
    }

    /// What was handed out up to now: the cells, what is noted about them, and on which rows they stand.
    pub(in crate::manifest) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The name of the sheet.
    pub(in crate::manifest) fn sheet(&self) -> &Arc<str> {
        &self.sheet
    }

    /// What is to be said about the sheet.
    pub(in crate::manifest) fn remarks(&self) -> Remarks {
        Remarks {
            sheet: Arc::clone(&self.sheet),
            also: Arc::clone(&self.also),
            sheets: Arc::clone(&self.sheets),
            tally: self.batch.tally,
        }
    }

    /// What is special about a cell of the last row, by its column from 0.
    pub(in crate::manifest) fn note(&self, column: usize) -> Option<CellNote<'_>> {
        let notes = &self.row()?.notes;
        let (_, note) = notes.iter().find(|(at, _)| *at as usize == column)?;
        Some(match note {
            Note::Link(target) => CellNote::Link(target),
            Note::Error(shown) => CellNote::Error(shown),
            Note::NoStoredValue => CellNote::NoStoredValue,
            Note::Picture => CellNote::Picture,
        })
    }

    /// The first column, from 0, with a picture in or over the last row.
    pub(in crate::manifest) fn picture_in_row(&self) -> Option<usize> {
        self.row()?.picture.map(|column| column as usize)
    }

    fn row(&self) -> Option<&SheetRow> {
        self.batch.rows.get(self.taken.checked_sub(1)?)
    }
}

impl fmt::Debug for SheetRecords {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SheetRecords")
            .field("sheet", &self.sheet)
            .field("line", &self.line())
            .finish_non_exhaustive()
    }
}

/// The thread's side: gathers rows and sends them.
struct Ahead {
    sender: SyncSender<Result<Batch, WorkbookError>>,
    unused: Receiver<Vec<SheetRow>>,
    batch: Batch,
    /// Rows of the batch that are filled; those after them are there for their memory.
    count: usize,
    bytes: usize,
}

impl Ahead {
    fn read(mut self, mut book: Book, index: usize, sheet: &Arc<str>, includes_hidden: bool) {
        let outcome = guarded(|| {
            let mut rows = Rows::new(sheet, includes_hidden, &mut self);
            book.read(index, true, &mut rows)?;
            Ok(rows.tally())
        });
        // Fails if nobody listens any more, and then nobody needs to know.
        match outcome {
            Ok(tally) => {
                self.batch.is_last = true;
                self.send(&tally);
            }
            // What was read before is handed out first.
            Err(error) => {
                let tally = self.batch.tally;
                self.send(&tally);
                drop(self.sender.send(Err(error)));
            }
        }
    }

    /// Sends the batch as it is; whether anybody wants more.
    fn send(&mut self, tally: &Tally) -> bool {
        self.batch.tally = *tally;
        self.batch.rows.truncate(self.count);
        let batch = mem::take(&mut self.batch);
        self.batch.rows = self.unused.try_recv().unwrap_or_default();
        (self.count, self.bytes) = (0, 0);
        self.sender.send(Ok(batch)).is_ok()
    }
}

impl Sink for Ahead {
    fn row(&mut self, row: &mut SheetRow, tally: &Tally) -> ControlFlow<()> {
        self.bytes += row.record.as_slice().len();
        if self.count == self.batch.rows.len() {
            self.batch.rows.push(SheetRow::default());
        }
        mem::swap(&mut self.batch.rows[self.count], row);
        self.count += 1;
        if (self.count >= BATCH_ROWS || self.bytes >= BATCH_BYTES) && !self.send(tally) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn idle(&mut self, tally: &Tally) -> ControlFlow<()> {
        if self.send(tally) {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }
}

/// Runs what reads somebody's file. Should it panic in spite of all, that is an error like any other.
fn guarded<T>(read: impl FnOnce() -> Result<T, WorkbookError>) -> Result<T, WorkbookError> {
    panic::catch_unwind(AssertUnwindSafe(read)).unwrap_or(Err(WorkbookError::BrokeOff))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_stops_listening_ends_the_reading() {
        for rows_wanted in [true, false] {
            let (sender, batches) = sync_channel(BATCHES_AHEAD);
            let (_used, unused) = sync_channel(1);
            let mut ahead = Ahead {
                sender,
                unused,
                batch: Batch::default(),
                count: 0,
                bytes: 0,
            };
            drop(batches);
            let tally = Tally::default();
            if rows_wanted {
                let row = |ahead: &mut Ahead| ahead.row(&mut SheetRow::default(), &tally);
                let taken = (1..).find(|_| row(&mut ahead).is_break());
                assert_eq!(taken, Some(BATCH_ROWS));
            } else {
                assert!(ahead.idle(&tally).is_break());
            }
        }
    }

    #[test]
    fn a_panic_is_an_error() {
        let outcome: Result<(), WorkbookError> = guarded(|| panic!("on purpose"));
        assert!(matches!(outcome, Err(WorkbookError::BrokeOff)));
    }
}
