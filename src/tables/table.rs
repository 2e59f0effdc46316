//! A table in whichever format its name asks for.

use std::io;
use std::path::{Path, PathBuf};

use super::objects::Objects;
use super::separated::Separated;
use super::workbook::WorkbookWriter;
use super::{AtomicFile, Cell, Format, Head, Page, Purpose, TableError};

/// Writes a table row by row; nothing is at the path until [`finish`](Table::finish), and nothing is left behind if the
/// table is dropped before.
#[derive(Debug)]
pub struct Table {
    path: PathBuf,
    purpose: Purpose,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Separated(Box<Separated>),
    Objects(Box<Objects>),
    Workbook(Box<WorkbookWriter>),
}

impl Table {
    /// A table that will replace the file at `path`, or the one that `path` is a symbolic link to. The extension
    /// decides the format.
    pub fn create(path: &Path, purpose: Purpose, head: &Head) -> Result<Table, TableError> {
        let format = Format::of(path, purpose)?;
        let file = AtomicFile::create(path, purpose)?;
        let body = match format {
            Format::Csv => {
                Separated::new(file, head.delimiter.unwrap_or(b','), head).map(|csv| Body::Separated(Box::new(csv)))
            }
            Format::Tsv => Separated::new(file, b'\t', head).map(|tsv| Body::Separated(Box::new(tsv))),
            Format::Jsonl => Ok(Body::Objects(Box::new(Objects::new(file, head)))),
            Format::Xlsx => WorkbookWriter::new(file, head).map(|workbook| Body::Workbook(Box::new(workbook))),
        };
        Ok(Table {
            path: path.to_owned(),
            purpose,
            body: body.map_err(|source| TableError::write(path, purpose, source))?,
        })
    }

    /// Adds a row. Cells beyond the columns are not written; columns beyond the cells stay empty. After an error the
    /// table is of no more use.
    pub fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), TableError> {
        match &mut self.body {
            Body::Separated(body) => body.row(cells),
            Body::Objects(body) => body.row(cells),
            Body::Workbook(body) => body.row(cells),
        }
        .map_err(|source| TableError::write(&self.path, self.purpose, source))
    }

    /// Cells that were too long for the format so far, and were cut. Only workbooks have a limit.
    pub fn cut_cells(&self) -> u64 {
        match &self.body {
            Body::Separated(_) | Body::Objects(_) => 0,
            Body::Workbook(body) => body.cut_cells(),
        }
    }

    /// Puts the file in its place; when this returns, it is on the disk. A workbook gets `pages` behind the table;
    /// other formats have no room for them.
    pub fn finish(self, pages: &[Page<'_>]) -> Result<(), TableError> {
        let finished = match self.body {
            Body::Separated(body) => body.finish(),
            Body::Objects(body) => body.finish(),
            Body::Workbook(body) => body.finish(pages),
        };
        finished
            .and_then(AtomicFile::commit)
            .map_err(|source: io::Error| TableError::write(&self.path, self.purpose, source))
    }
}
