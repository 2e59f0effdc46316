//! Why a table could not be written.

use std::io;
use std::path::{Path, PathBuf};

/// What a table is for, in the words that messages about it need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purpose {
    /// What it holds, in the plural, such as `results`. It is also a part of the temporary file's name.
    pub noun: &'static str,
    /// The option that names its file, such as `--results`.
    pub option: &'static str,
    /// What is safe although the table is not, such as "the ledger still has every row"; may be empty.
    pub remains: &'static str,
}

/// Why there is no table at a path.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The extension names no format we write.
    #[error("`{}` does not say which format the {} should have", path.display(), purpose.noun)]
    UnknownFormat {
        /// As the user gave it.
        path: PathBuf,
        /// What was to be written.
        purpose: Purpose,
    },
    /// A directory, a device or a pipe: nothing that can be replaced.
    #[error("`{}` is not a regular file", path.display())]
    NotAFile {
        /// As the user gave it.
        path: PathBuf,
        /// What was to be written.
        purpose: Purpose,
    },
    /// The file system said no.
    #[error("cannot write the {} to `{}`", purpose.noun, path.display())]
    Write {
        /// As the user gave it.
        path: PathBuf,
        /// What was to be written.
        purpose: Purpose,
        /// What the file system said.
        source: io::Error,
    },
}

impl TableError {
    /// What the user can do about it.
    pub fn help(&self) -> String {
        match self {
            TableError::UnknownFormat { path, purpose } => {
                let endings = match is_other_workbook(path) {
                    true => "`.xlsx`, the one kind of workbook that is written",
                    false => "`.csv`, `.tsv`, `.jsonl` or `.xlsx`",
                };
                format!("give `{}` a name that ends in {endings}", purpose.option)
            }
            TableError::NotAFile { purpose, .. } => format!("give `{}` the name of a file", purpose.option),
            TableError::Write { purpose, source, .. } => {
                let cure = match source.kind() {
                    io::ErrorKind::NotFound => "create the directory",
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                        "make the directory writable: the file is replaced, not written over"
                    }
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space",
                    _ => "remove the cause",
                };
                let gap = if purpose.remains.is_empty() { "" } else { "; " };
                format!(
                    "{cure}, or give another file with `{}`{gap}{}",
                    purpose.option, purpose.remains
                )
            }
        }
    }

    /// A failure to write the file at `path`.
    pub fn write(path: &Path, purpose: Purpose, source: io::Error) -> TableError {
        TableError::Write {
            path: path.to_owned(),
            purpose,
            source,
        }
    }
}

/// Whether a name is that of a workbook in a format that we read and do not write.
fn is_other_workbook(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    ["xlsm", "xlsb", "xls", "ods"]
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known))
}
