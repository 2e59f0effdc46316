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
//! | `columns.rs` | which columns there are, and what stands in ours |
//! | `cells.rs` | how the manifest's cells are read back |
//! | `csv.rs`, `jsonl.rs` | how a row is written |
//! | `atomic.rs` | how a file is replaced |

mod atomic;
mod cells;
mod columns;
mod csv;
mod jsonl;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::clock::UnixMillis;
use crate::row::RowState;

pub use columns::Columns;

use atomic::AtomicFile;
use csv::SeparatedWriter;
use jsonl::JsonlWriter;

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

/// The kinds of results file there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultsFormat {
    /// Comma-separated.
    Csv,
    /// Tab-separated, quoted like CSV where it has to be.
    Tsv,
    /// One JSON object a line.
    Jsonl,
}

impl ResultsFormat {
    /// The format that the extension of `path` names, in any case. Worth asking before a run: an answer that comes
    /// after the rows were paid for comes late.
    pub fn of(path: &Path) -> Result<ResultsFormat, ResultsError> {
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "csv" => Ok(ResultsFormat::Csv),
            "tsv" | "tab" => Ok(ResultsFormat::Tsv),
            "jsonl" | "ndjson" => Ok(ResultsFormat::Jsonl),
            _ => Err(ResultsError::UnknownFormat { path: path.to_owned() }),
        }
    }
}

/// Writes a results file row by row; nothing is at the path until [`finish`](ResultsWriter::finish), and nothing is
/// left behind if the writer is dropped before.
#[derive(Debug)]
pub struct ResultsWriter {
    path: PathBuf,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Separated(Box<SeparatedWriter<AtomicFile>>),
    Jsonl(JsonlWriter<AtomicFile>),
}

impl ResultsWriter {
    /// A writer that will replace the file at `path`, or the one that `path` is a symbolic link to.
    pub fn create(path: &Path, columns: &Columns) -> Result<ResultsWriter, ResultsError> {
        let format = ResultsFormat::of(path)?;
        let file = AtomicFile::create(path)?;
        let body = match format {
            ResultsFormat::Csv => SeparatedWriter::new(file, b',', columns).map(|csv| Body::Separated(Box::new(csv))),
            ResultsFormat::Tsv => SeparatedWriter::new(file, b'\t', columns).map(|tsv| Body::Separated(Box::new(tsv))),
            ResultsFormat::Jsonl => Ok(Body::Jsonl(JsonlWriter::new(file, columns))),
        };
        Ok(ResultsWriter {
            path: path.to_owned(),
            body: body.map_err(|source| ResultsError::write(path, source))?,
        })
    }

    /// Adds one row; call it in manifest order.
    pub fn write(&mut self, row: &ResultRow<'_>) -> Result<(), ResultsError> {
        match &mut self.body {
            Body::Separated(writer) => writer.write(row),
            Body::Jsonl(writer) => writer.write(row),
        }
        .map_err(|source| ResultsError::write(&self.path, source))
    }

    /// Puts the file in its place; when this returns, it is on the disk.
    pub fn finish(self) -> Result<(), ResultsError> {
        let file = match self.body {
            Body::Separated(writer) => writer.into_inner(),
            Body::Jsonl(writer) => writer.into_inner(),
        }
        .map_err(|source| ResultsError::write(&self.path, source))?;
        file.commit().map_err(|source| ResultsError::write(&self.path, source))
    }
}

/// Why there is no results file. The ledger has everything that would have been in it.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// The extension names no format we write.
    #[error("`{}` does not say which format the results should have", path.display())]
    UnknownFormat {
        /// As the user gave it.
        path: PathBuf,
    },
    /// A directory, a device or a pipe: nothing that can be replaced.
    #[error("`{}` is not a regular file", path.display())]
    NotAFile {
        /// As the user gave it.
        path: PathBuf,
    },
    /// The file system said no.
    #[error("cannot write the results to `{}`", path.display())]
    Write {
        /// As the user gave it.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
}

impl ResultsError {
    /// What the user can do about it.
    pub fn help(&self) -> String {
        match self {
            ResultsError::UnknownFormat { .. } => {
                "give `--results` a name that ends in `.csv`, `.tsv` or `.jsonl`".to_owned()
            }
            ResultsError::NotAFile { .. } => "give `--results` the name of a file".to_owned(),
            ResultsError::Write { source, .. } => {
                let cure = match source.kind() {
                    io::ErrorKind::NotFound => "create the directory",
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                        "make the directory writable: the file is replaced, not written over"
                    }
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space",
                    _ => "remove the cause",
                };
                format!("{cure}, or give another file with `--results`; the ledger still has every row")
            }
        }
    }

    fn write(path: &Path, source: io::Error) -> ResultsError {
        ResultsError::Write {
            path: path.to_owned(),
            source,
        }
    }
}

#[cfg(test)]
mod tests;
