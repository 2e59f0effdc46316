//! What `init` writes: a manifest to start from, and a job file with every setting in it.
//!
//! The contents are made from what the rest of the program knows (fields, prices, limits, the help of the options), so that
//! they cannot say something else. Nothing that is there already is ever written over: [`NewFile`].
//!
//! | file | decides |
//! | --- | --- |
//! | `columns.rs` | the columns, what is said about each, and the example row |
//! | `text.rs` | how they look as CSV, TSV and JSONL |
//! | `workbook.rs`, `help_sheet.rs` | how they look as a workbook |
//! | `job_file.rs` | the job file |
//! | `new_file.rs` | how a file comes into being |

mod columns;
mod help_sheet;
mod job_file;
mod new_file;
mod text;
mod workbook;

use std::io;
use std::path::{Path, PathBuf};

use rust_xlsxwriter::XlsxError;

pub use job_file::job_file;
pub use new_file::NewFile;

/// The formats a template comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateFormat {
    /// A workbook with drop-down lists and a sheet of help.
    Xlsx,
    /// Cells between commas.
    Csv,
    /// Cells between tabs.
    Tsv,
    /// One JSON object a line.
    Jsonl,
}

impl TemplateFormat {
    /// The format that the extension of `path` names, in any case.
    pub fn of(path: &Path) -> Result<TemplateFormat, TemplateError> {
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        match extension.to_ascii_lowercase().as_str() {
            "xlsx" => Ok(TemplateFormat::Xlsx),
            "csv" => Ok(TemplateFormat::Csv),
            "tsv" | "tab" => Ok(TemplateFormat::Tsv),
            "jsonl" | "ndjson" => Ok(TemplateFormat::Jsonl),
            _ => Err(TemplateError::UnknownFormat { path: path.to_owned() }),
        }
    }

    /// What is in it beside the columns, in words for the user.
    pub fn contents(self) -> &'static str {
        match self {
            TemplateFormat::Xlsx => {
                "an example row, drop-down lists for duration and resolution, and a sheet `Help` that explains them"
            }
            TemplateFormat::Csv | TemplateFormat::Tsv => "a header and an example row",
            TemplateFormat::Jsonl => "an example row",
        }
    }
}

/// The content of a manifest that will be called `name`.
pub fn manifest(format: TemplateFormat, name: &str) -> Result<Vec<u8>, TemplateError> {
    match format {
        TemplateFormat::Xlsx => Ok(workbook::workbook(name)?),
        TemplateFormat::Csv => Ok(text::separated(b',')),
        TemplateFormat::Tsv => Ok(text::separated(b'\t')),
        TemplateFormat::Jsonl => Ok(text::object()),
    }
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The extension names no format that is written.
    #[error("`{}` has no format that is written: its extension decides", path.display())]
    UnknownFormat {
        /// As the user gave it.
        path: PathBuf,
    },
    /// Something has that name already.
    #[error("`{}` is there already, and nothing is ever written over", path.display())]
    Exists {
        /// As the user gave it.
        path: PathBuf,
    },
    /// The name cannot be written into a job file, which is text.
    #[error("`{}` has a name that no text can hold", path.display())]
    NotText {
        /// As the user gave it.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// As the user gave it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The workbook could not be put together.
    #[error("cannot make the workbook")]
    Workbook(#[from] XlsxError),
}

impl TemplateError {
    /// What the user can do about it.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            TemplateError::UnknownFormat { .. } => {
                Some("let its name end in `.xlsx`, `.csv`, `.tsv` or `.jsonl`, like `hailuo-batch init shots.xlsx`")
            }
            TemplateError::Exists { .. } => Some("name another file, or move this one away"),
            TemplateError::NotText { .. } => Some("give it a name in UTF-8"),
            TemplateError::Write { .. } => Some("check the path and its permissions"),
            TemplateError::Workbook(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
