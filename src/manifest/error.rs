//! Why a manifest as a whole is of no use.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::escape;
use crate::manifest::{Field, Format, MOST_COLUMNS, MOST_ROW_BYTES, MOST_ROWS, Mapping, Position};

/// The manifest cannot be read: nothing was sent, and nothing can be until somebody has looked at the file.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not there, or may not be read.
    #[error("{}: the manifest cannot be opened", shown(.path))]
    Open {
        /// The manifest.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Reading broke off.
    #[error("{}:{at}: the manifest cannot be read", shown(.path))]
    Read {
        /// The manifest.
        path: PathBuf,
        /// What was being read.
        at: Position,
        /// What the system said.
        source: io::Error,
    },
    /// A folder, a pipe, a device: the manifest is read twice, so it has to stay.
    #[error("{}: the manifest is {what}, not a file", shown(.path))]
    NotAFile {
        /// The manifest.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The extension names no format.
    #[error("{}: the extension names no format this program reads", shown(.path))]
    UnknownFormat {
        /// The manifest.
        path: PathBuf,
    },
    /// The workbook cannot be read, or not further.
    #[error("{}: {what}", shown(.path))]
    Workbook {
        /// The manifest.
        path: PathBuf,
        /// What happened, with its place in the workbook.
        what: String,
        /// What to do about it.
        help: Option<String>,
        /// What the system said, if it was that.
        source: Option<Arc<io::Error>>,
    },
    /// The extension promises text, the content is something else.
    #[error("{}: the manifest is {what}, whatever its extension says", shown(.path))]
    NotText {
        /// The manifest.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// Not even a header.
    #[error("{}: the manifest is empty", shown(.path))]
    Empty {
        /// The manifest.
        path: PathBuf,
    },
    /// A header at most.
    #[error("{}: the manifest has no rows", shown(.path))]
    NoRows {
        /// The manifest.
        path: PathBuf,
    },
    /// The header lacks what every row needs.
    #[error("{}:{at}: no column {}", shown(.path), named(.missing))]
    MissingColumns {
        /// The manifest.
        path: PathBuf,
        /// Where the header stands.
        at: Position,
        /// The fields without a column.
        missing: Vec<Field>,
        /// What to do about it.
        help: String,
    },
    /// Two columns of the header mean the same.
    #[error("{}:{at}: two columns mean `{field}`: `{first}` and `{second}`", shown(.path))]
    TwoColumns {
        /// The manifest.
        path: PathBuf,
        /// Where the header stands.
        at: Position,
        /// What both mean.
        field: Field,
        /// Name of the first of them.
        first: String,
        /// Name of the other.
        second: String,
    },
    /// The header lacks the column that the user gave to a field.
    #[error("{}:{at}: no column `{}` to be `{}`", shown(.path), .mapping.shown_column(), .mapping.field())]
    NoMappedColumn {
        /// The manifest.
        path: PathBuf,
        /// Where the header stands.
        at: Position,
        /// What the user said.
        mapping: Box<Mapping>,
        /// What to do about it.
        help: String,
    },
    /// No row of a JSONL file has the key that the user gave to a field.
    #[error("{}: no row has the key `{}` to be `{}`", shown(.path), .mapping.shown_column(), .mapping.field())]
    NoMappedKey {
        /// The manifest.
        path: PathBuf,
        /// What the user said.
        mapping: Box<Mapping>,
        /// What to do about it.
        help: String,
    },
    /// The user gave one column to two fields, in two spellings.
    #[error("{}:{at}: the column `{column}` cannot be both `{first}` and `{second}`", shown(.path))]
    SharedColumn {
        /// The manifest.
        path: PathBuf,
        /// Where the header stands.
        at: Position,
        /// The column's name.
        column: String,
        /// One of the fields.
        first: Field,
        /// The other.
        second: Field,
    },
    /// The header has more than [`MOST_COLUMNS`] columns.
    #[error("{}:{at}: the header has {columns} columns, more than {MOST_COLUMNS}", shown(.path))]
    TooManyColumns {
        /// The manifest.
        path: PathBuf,
        /// Where the header stands.
        at: Position,
        /// How many there are.
        columns: usize,
    },
    /// The header is not readable text.
    #[error("{}:{at}: the header cannot be read: {problem}", shown(.path))]
    HeaderUnreadable {
        /// The manifest.
        path: PathBuf,
        /// Where the header stands.
        at: Position,
        /// What is wrong with it.
        problem: String,
    },
    /// A quote opens and everything after it becomes one cell.
    #[error("{}:{at}: the quote that opens on this line is not closed", shown(.path))]
    UnclosedQuote {
        /// The manifest.
        path: PathBuf,
        /// The line of the quote.
        at: Position,
    },
    /// A row has more than [`MOST_ROW_BYTES`] bytes.
    #[error("{}:{at}: the row that begins on this line has more than {MOST_ROW_BYTES} bytes", shown(.path))]
    RowTooLong {
        /// The manifest.
        path: PathBuf,
        /// Where the row begins.
        at: Position,
    },
    /// There are more than [`MOST_ROWS`] rows.
    #[error("{}:{at}: the manifest has more than {MOST_ROWS} rows", shown(.path))]
    TooManyRows {
        /// The manifest.
        path: PathBuf,
        /// The first row too many.
        at: Position,
    },
    /// The second reading met other bytes than the first, in the manifest or in a local image.
    #[error("{}: the manifest, or an image it names, was changed while it was being read", shown(.path))]
    Changed {
        /// The manifest.
        path: PathBuf,
    },
}

impl ManifestError {
    /// What the user can do about it.
    pub fn help(&self) -> Option<String> {
        let help = match self {
            ManifestError::Open { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => "check the name and the folder you are in",
                io::ErrorKind::PermissionDenied => "give yourself the right to read it",
                _ => return None,
            },
            ManifestError::Read { .. } => return None,
            ManifestError::Workbook { help, .. } => return help.clone(),
            ManifestError::NotAFile { .. } => "give the path of a regular file: it is read twice",
            ManifestError::UnknownFormat { path } => return Some(help_for_extension(path)),
            ManifestError::NotText { .. } => {
                "let its name end as its content is, like `.xlsx`, or save it from the spreadsheet program as `CSV UTF-8`"
            }
            ManifestError::Empty { .. } | ManifestError::NoRows { .. } => {
                "the first line names the columns, at least `prompt,image_url`; every line after it is a video"
            }
            ManifestError::MissingColumns { help, .. }
            | ManifestError::NoMappedColumn { help, .. }
            | ManifestError::NoMappedKey { help, .. } => return Some(help.clone()),
            ManifestError::SharedColumn { .. } => "give each field a column of its own with `--map`",
            ManifestError::TwoColumns { first, second, .. } if first == second => {
                "drop one of them, or give the one you do not mean another name"
            }
            ManifestError::TwoColumns { field, second, .. } => {
                let mapping = escape::for_shell(&[format!("{field}={second}")]);
                return Some(format!(
                    "drop one of them, or say which of them it is, like `--map {mapping}`"
                ));
            }
            ManifestError::TooManyColumns { .. } => "check that the first line is the header and ends where it should",
            ManifestError::HeaderUnreadable { .. } => "give its encoding with `--encoding`, or save the file as UTF-8",
            ManifestError::UnclosedQuote { .. } => "close it, or write a quote that belongs to the text twice: `\"\"`",
            ManifestError::RowTooLong { .. } => {
                "a row is a prompt and a few addresses: look for a missing line break or an embedded image"
            }
            ManifestError::TooManyRows { .. } => "split the file: at 20 requests per 10 s this many rows take days",
            ManifestError::Changed { .. } => "run the command again when nothing writes to these files",
        };
        Some(help.to_owned())
    }
}

/// What to do with a file whose format nothing here reads: some are known, and people have them.
fn help_for_extension(path: &Path) -> String {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    let known = match extension.to_str().unwrap_or_default() {
        "numbers" => "export it from Numbers as Excel (`.xlsx`) or CSV",
        "gsheet" => "it is a link to Google Sheets: download the sheet as Microsoft Excel (`.xlsx`)",
        "et" | "ett" => "save it from WPS as `.xlsx`",
        "json" => "write one JSON object on each line, and let the name end in `.jsonl`",
        "gz" | "zip" | "7z" | "rar" => "unpack it first",
        _ => {
            return format!(
                "save it as a workbook, CSV, TSV or JSONL, and let its name end in {}",
                Format::EXTENSIONS
            );
        }
    };
    known.to_owned()
}

fn shown(path: &Path) -> String {
    escape::for_terminal(&path.to_string_lossy()).into_owned()
}

fn named(fields: &[Field]) -> String {
    let names: Vec<String> = fields.iter().map(|field| format!("`{field}`")).collect();
    names.join(" and no column ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_file_line_and_remedy() {
        let path = PathBuf::from("cl\u{1b}ips.csv");
        let error = ManifestError::MissingColumns {
            path: path.clone(),
            at: Position::Line(3),
            missing: vec![Field::Prompt, Field::ImageUrl],
            help: "look again".to_owned(),
        };
        assert_eq!(
            error.to_string(),
            "cl\\u{1b}ips.csv:3: no column `prompt` and no column `image_url`"
        );
        assert_eq!(error.help().as_deref(), Some("look again"));
        let two_columns = |first: &str, second: &str| ManifestError::TwoColumns {
            path: path.clone(),
            at: Position::Line(1),
            field: Field::ImageUrl,
            first: first.to_owned(),
            second: second.to_owned(),
        };
        assert_eq!(
            two_columns("image", "Bild Link").help().unwrap(),
            "drop one of them, or say which of them it is, like `--map 'image_url=Bild Link'`"
        );
        assert!(!two_columns("image", "image").help().unwrap().contains("--map"));
        let source = io::Error::from(io::ErrorKind::NotFound);
        let error = ManifestError::Open { path, source };
        assert_eq!(
            error.help().as_deref(),
            Some("check the name and the folder you are in")
        );
    }
}
