//! The manifest written back, with what became of each row.
//!
//! A results file has the manifest's own columns in their order and then ours ([`RESULTS_COLUMNS`](crate::row::RESULTS_COLUMNS)), in manifest order,
//! so that it is itself a good manifest. It appears in one step: a reader sees the old file or the new one.
//!
//! This folder takes values and writes a file; it knows neither the ledger nor the manifest's reader. Whoever calls
//! it joins the two into [`ResultRow`]s and hands them to a [`ResultsWriter`], one at a time and in order.
//!
//! | file | decides |
//! | --- | --- |
//! | `layout.rs` | what results take over from their manifest |
//! | `ours.rs` | what stands in our columns |
//! | `cells.rs` | how the manifest's cells are read back |
//! | `grid.rs` | how they find their columns in a table |
//! | `keys.rs`, `jsonl.rs` | how a row becomes an object |
//! | `files.rs` | how a workbook links to the videos |
//! | `summary.rs` | what the last sheet of a workbook says |
//!
//! How a table is written, and how a file is replaced, is a matter of [`crate::tables`].

mod cells;
mod files;
mod grid;
mod jsonl;
mod keys;
mod layout;
mod ours;
mod summary;

use std::io;
use std::path::{Path, PathBuf};

use crate::clock::UnixMillis;
use crate::row::RowState;
use crate::tables::{self, AtomicFile, Format, Head, Purpose, Table, TableError};

pub use layout::{Columns, Dialect, Layout};
pub use summary::{Cause, Closing, Fact, FactValue};

use files::Files;
use grid::Grid;
use jsonl::JsonlWriter;
use summary::Tally;

/// The sheet of a workbook's results if the manifest was no workbook.
const SHEET: &str = "Results";

/// A row of the results: the manifest's cells and what is known of the row.
#[derive(Debug, Clone)]
pub struct ResultRow<'a> {
    /// The row's number in the manifest; it stands in the column `row`.
    pub number: u32,
    /// The manifest's own cells as JSON text, in the shape that [`Columns`] announces. A row whose text has another
    /// shape keeps its outcome and has blank cells: a task id is worth more than a strict reader.
    pub cells: &'a str,
    /// The row's state, in the column `status`.
    pub state: RowState,
    /// The API's name for the row's task.
    pub task_id: Option<&'a str>,
    /// The API's number, or one of our words.
    pub error_code: Option<&'a str>,
    /// The API's or our own sentence about what went wrong.
    pub error_message: Option<&'a str>,
    /// HTTP requests made for the row, over all runs.
    pub attempts: u32,
    /// When the API's answer with the task id came.
    pub submitted_at: Option<UnixMillis>,
    /// When the task ended.
    pub completed_at: Option<UnixMillis>,
    /// What the row has cost; `None` while that is unknown.
    pub credits: Option<f64>,
    /// Where the API keeps the video, for a while.
    pub video_url: Option<&'a str>,
    /// Where the downloaded video is.
    pub video_file: Option<&'a str>,
}

/// The column by which results are known again.
const MARK: &str = "task_id";

/// Whether results may stand where there is a file now: if it is empty, or has been written as results.
pub fn may_be_replaced(path: &Path) -> bool {
    tables::may_be_replaced(path, MARK)
}

/// What the results say about themselves in an error.
const PURPOSE: Purpose = Purpose {
    noun: "results",
    option: "--results",
    remains: "the ledger still has every row",
};

/// Writes a results file row by row; nothing is at the path until [`finish`](ResultsWriter::finish), and nothing is
/// left behind if the writer is dropped before.
#[derive(Debug)]
pub struct ResultsWriter {
    path: PathBuf,
    format: Format,
    body: Body,
    tally: Tally,
}

#[derive(Debug)]
enum Body {
    Table { table: Box<Table>, grid: Grid },
    Jsonl(JsonlWriter<AtomicFile>),
}

impl ResultsWriter {
    /// A writer that will replace the file at `path`, or the one that `path` is a symbolic link to.
    pub fn create(path: &Path, layout: &Layout) -> Result<ResultsWriter, TableError> {
        let format = Format::of(path, PURPOSE)?;
        let body = match format {
            // Objects keep their own keys and the types of their values, which no table has.
            Format::Jsonl => Body::Jsonl(JsonlWriter::new(AtomicFile::create(path, PURPOSE)?, layout)),
            Format::Csv | Format::Tsv | Format::Xlsx => {
                let grid = Grid::of(layout, Files::of(path, &layout.folder));
                let head = Head {
                    columns: grid.columns(),
                    delimiter: layout.dialect.delimiter(),
                    byte_order_mark: layout.dialect.byte_order_mark,
                    sheet: layout.dialect.sheet.clone().unwrap_or_else(|| SHEET.to_owned()),
                };
                let table = Box::new(Table::create(path, PURPOSE, &head)?);
                Body::Table { table, grid }
            }
        };
        Ok(ResultsWriter {
            path: path.to_owned(),
            format,
            body,
            tally: Tally::default(),
        })
    }

    /// Adds one row; call it in manifest order.
    pub fn write(&mut self, row: &ResultRow<'_>) -> Result<(), TableError> {
        self.tally.count(row.state);
        match &mut self.body {
            Body::Table { table, grid } => table.row(&grid.cells(row)),
            Body::Jsonl(writer) => writer.write(row).map_err(|source| self.failed(source)),
        }
    }

    /// Whether the file has a place for what [`finish`](ResultsWriter::finish) is told; else it need not be gathered.
    pub fn has_summary(&self) -> bool {
        self.format == Format::Xlsx
    }

    /// Puts the file in its place, in a workbook with a sheet about the whole; when this returns, it is on the disk.
    pub fn finish(self, closing: &Closing) -> Result<(), TableError> {
        match self.body {
            Body::Table { table, .. } => {
                let page = summary::page(&self.tally, closing, table.cut_cells());
                table.finish(&[page])
            }
            Body::Jsonl(writer) => {
                let written = writer.into_inner().and_then(AtomicFile::commit);
                written.map_err(|source| TableError::write(&self.path, PURPOSE, source))
            }
        }
    }

    fn failed(&self, source: io::Error) -> TableError {
        TableError::write(&self.path, PURPOSE, source)
    }
}

#[cfg(test)]
mod tests;
