//! Why a workbook is of no use, or not further than this.

use std::io;
use std::sync::Arc;

use crate::escape;
use crate::manifest::MOST_ROW_BYTES;
use crate::manifest::problem::grouped;
use crate::manifest::workbook::limits::{
    MOST_DEPTH, MOST_EVENTS, MOST_INFLATED_BYTES, MOST_PART_BYTES, MOST_PARTS, MOST_RANGES, MOST_SHARED_BYTES,
    MOST_SHARED_TEXTS, MOST_SHEET_ROWS, MOST_SHEETS, MOST_TEXT_BYTES, MOST_TOKEN_BYTES,
};

/// The workbook cannot be read. The file's name is for whoever shows it to put in front.
#[derive(Debug, Clone, thiserror::Error)]
pub(in crate::manifest) enum WorkbookError {
    /// The system did not give its bytes.
    #[error("the workbook cannot be read")]
    Read {
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// It is something else.
    #[error("the file is {}, not a workbook", .0.said())]
    Foreign(Foreign),
    /// It is encrypted.
    #[error("the workbook is protected with a password")]
    Protected,
    /// Its content contradicts itself.
    #[error("the workbook is damaged in {}{}: {what}", part_shown(.part), near(.row))]
    Damaged {
        /// The part of the file.
        part: Arc<str>,
        /// The row of the sheet before or in which it happened.
        row: Option<u32>,
        /// What is wrong with it.
        what: String,
    },
    /// It asks for more than a manifest can need.
    #[error("the workbook is larger than any manifest: {}", .0.said())]
    TooLarge(Excess),
    /// It declares entities of its own, which is how a few bytes are made to unfold into gigabytes.
    #[error("{} declares a document type, which no spreadsheet program writes", part_shown(.part))]
    DocumentType {
        /// The part of the file.
        part: Arc<str>,
    },
    /// A row has more than [`MOST_ROW_BYTES`] bytes.
    #[error("row {row} of sheet `{}` has more than {MOST_ROW_BYTES} bytes", sheet_shown(.sheet))]
    RowTooLong {
        /// The sheet.
        sheet: Arc<str>,
        /// The row's number.
        row: u32,
    },
    /// There is no sheet of that name or number.
    #[error("the workbook has no sheet `{}`", sheet_shown(.wanted))]
    NoSuchSheet {
        /// What was asked for.
        wanted: String,
        /// The sheets there are, as a list to show.
        sheets: String,
    },
    /// The sheet holds no cells.
    #[error("sheet `{}` is a chart or dialog, not a table", sheet_shown(.sheet))]
    NotATable {
        /// The sheet.
        sheet: Arc<str>,
    },
    /// No sheet is visible, or none is a table.
    #[error("the workbook has no visible sheet with cells")]
    NoVisibleSheet {
        /// The hidden sheets, as a list to show; empty if there are none.
        hidden: String,
    },
    /// Reading ended without an end: a mistake of this program's that the file brought to light.
    #[error("reading the workbook broke off at something unforeseen")]
    BrokeOff,
}

/// What a file is that is no workbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::manifest) enum Foreign {
    /// Nothing at all.
    Empty,
    /// Text, perhaps a table.
    Text,
    /// HTML under a workbook's name, as web shops and databases export it.
    WebPage,
    /// Excel's XML of 2003, or LibreOffice's in one file.
    FlatXml,
    /// A zip archive of something else.
    Archive,
    /// Apple Numbers.
    Numbers,
    /// A text document.
    TextDocument,
    /// A presentation.
    Presentation,
    /// A document of another kind.
    OtherDocument,
    /// Excel 4 and older, which kept no folder in the file.
    AncientExcel,
    /// Bytes of no known kind.
    Unknown,
}

/// Which bound was passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::manifest) enum Excess {
    /// [`MOST_PARTS`].
    Parts,
    /// [`MOST_INFLATED_BYTES`].
    Inflated,
    /// [`MOST_PART_BYTES`].
    Part(Arc<str>),
    /// [`MOST_TOKEN_BYTES`].
    Token(Arc<str>),
    /// [`MOST_EVENTS`].
    Events(Arc<str>),
    /// [`MOST_DEPTH`].
    Depth(Arc<str>),
    /// [`MOST_SHARED_BYTES`] or [`MOST_SHARED_TEXTS`].
    SharedTexts,
    /// [`MOST_TEXT_BYTES`].
    Text,
    /// [`MOST_RANGES`].
    Ranges,
    /// [`MOST_SHEETS`].
    Sheets,
    /// [`MOST_SHEET_ROWS`].
    Rows,
}

impl WorkbookError {
    /// What the system said, if it was that.
    pub(in crate::manifest) fn system_error(&self) -> Option<Arc<io::Error>> {
        match self {
            WorkbookError::Read { source } => Some(Arc::clone(source)),
            _ => None,
        }
    }

    pub(super) fn damaged(part: &Arc<str>, what: impl Into<String>) -> WorkbookError {
        WorkbookError::Damaged {
            part: Arc::clone(part),
            row: None,
            what: what.into(),
        }
    }

    /// What reading failed with: a refusal of ours that had to travel as the error of a reader, damage to the archive
    /// that shows in its bytes, or the system.
    pub(super) fn from_io(source: io::Error, part: &Arc<str>) -> WorkbookError {
        if let Some(error) = source.get_ref().and_then(|inner| inner.downcast_ref::<WorkbookError>()) {
            return error.clone();
        }
        match source.kind() {
            io::ErrorKind::UnexpectedEof => WorkbookError::damaged(part, "it ends too early"),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
                WorkbookError::damaged(part, escape::excerpt(&source.to_string(), 120))
            }
            _ => WorkbookError::Read {
                source: Arc::new(source),
            },
        }
    }

    /// The same with the row that was being read, where that says something.
    pub(super) fn near_row(mut self, line: u32) -> WorkbookError {
        if let WorkbookError::Damaged { row, .. } = &mut self
            && line > 0
        {
            row.get_or_insert(line);
        }
        self
    }

    /// What the user can do about it.
    pub(in crate::manifest) fn help(&self) -> Option<String> {
        let help = match self {
            WorkbookError::Read { .. } => return None,
            WorkbookError::Foreign(foreign) => foreign.help(),
            WorkbookError::Protected => "open it, take the password off under `File › Info`, and save it",
            WorkbookError::Damaged { .. } | WorkbookError::BrokeOff => {
                "open it in a spreadsheet program and save it anew as XLSX, or as `CSV UTF-8`"
            }
            WorkbookError::DocumentType { .. } => "get the file anew from whoever made it; do not trust this one",
            WorkbookError::TooLarge(_) => {
                "copy the rows into a new workbook, or save the sheet as `CSV UTF-8`; if somebody sent you the file, do \
                 not trust it"
            }
            WorkbookError::RowTooLong { .. } => {
                "a row is a prompt and a few addresses: look for a cell with a whole document in it"
            }
            WorkbookError::NoSuchSheet { sheets, .. } => return Some(format!("its sheets are {sheets}")),
            WorkbookError::NotATable { .. } => "name the sheet with the rows: `--sheet NAME`",
            WorkbookError::NoVisibleSheet { hidden } if hidden.is_empty() => "add a sheet with a header and rows",
            WorkbookError::NoVisibleSheet { hidden } => {
                return Some(format!("name one of the hidden ones with `--sheet NAME`: {hidden}"));
            }
        };
        Some(help.to_owned())
    }
}

impl Foreign {
    fn said(self) -> &'static str {
        match self {
            Foreign::Empty => "empty",
            Foreign::Text => "text",
            Foreign::WebPage => "a web page",
            Foreign::FlatXml => "XML in one piece",
            Foreign::Archive => "a zip archive",
            Foreign::Numbers => "an Apple Numbers document",
            Foreign::TextDocument => "a text document",
            Foreign::Presentation => "a presentation",
            Foreign::OtherDocument => "a document of another program",
            Foreign::AncientExcel => "a sheet of Excel 4 or older",
            Foreign::Unknown => "of no known kind",
        }
    }

    fn help(self) -> &'static str {
        match self {
            Foreign::Empty => "save it again from the spreadsheet program",
            Foreign::Text => "let its name end in `.csv` or `.tsv` if it is a table",
            Foreign::WebPage | Foreign::FlatXml | Foreign::AncientExcel => {
                "open it in a spreadsheet program and save it as XLSX"
            }
            Foreign::Archive => "unpack it and give the workbook that is in it",
            Foreign::Numbers => "export it from Numbers as Excel or CSV: `File › Export To`",
            Foreign::TextDocument | Foreign::Presentation | Foreign::OtherDocument => {
                "copy the table into a spreadsheet program and save it as XLSX or CSV"
            }
            Foreign::Unknown => "save it as XLSX, or as `CSV UTF-8`",
        }
    }
}

impl Excess {
    fn said(&self) -> String {
        match self {
            Excess::Parts => format!("more than {} parts", grouped(MOST_PARTS)),
            Excess::Inflated => format!("unpacked it has more than {} MB", MOST_INFLATED_BYTES >> 20),
            Excess::Part(part) => format!("{} has more than {} MB", part_shown(part), MOST_PART_BYTES >> 20),
            Excess::Token(part) => format!("a text in {} has more than {MOST_TOKEN_BYTES} bytes", part_shown(part)),
            Excess::Events(part) => format!("{} has more than {} elements", part_shown(part), grouped(MOST_EVENTS)),
            Excess::Depth(part) => format!("{} is nested more than {MOST_DEPTH} deep", part_shown(part)),
            Excess::SharedTexts => format!(
                "its texts have more than {} MB, or are more than {}",
                MOST_SHARED_BYTES >> 20,
                grouped(MOST_SHARED_TEXTS)
            ),
            Excess::Text => format!("its rows have more than {} MB of text", MOST_TEXT_BYTES >> 20),
            Excess::Ranges => format!("a sheet has more than {} links or merged ranges", grouped(MOST_RANGES)),
            Excess::Sheets => format!("more than {} sheets", grouped(MOST_SHEETS)),
            Excess::Rows => format!("a sheet has more than {} rows", grouped(MOST_SHEET_ROWS)),
        }
    }
}

/// Names in a workbook are other people's text.
fn part_shown(part: &str) -> String {
    format!("`{}`", escape::excerpt(part, 80))
}

fn sheet_shown(sheet: &str) -> String {
    escape::excerpt(sheet, 40)
}

fn near(row: &Option<u32>) -> String {
    row.map(|row| format!(", near row {row}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_happened_and_what_to_do() {
        let part: Arc<str> = Arc::from("xl/sh\u{1b}eet.xml");
        for (error, said, help) in [
            (
                WorkbookError::Foreign(Foreign::Numbers),
                "the file is an Apple Numbers document, not a workbook",
                "export it from Numbers",
            ),
            (
                WorkbookError::damaged(&part, "it ends too early").near_row(41),
                "the workbook is damaged in `xl/sh\\u{1b}eet.xml`, near row 41: it ends too early",
                "save it anew as XLSX",
            ),
            (
                WorkbookError::TooLarge(Excess::Inflated),
                "the workbook is larger than any manifest: unpacked it has more than 1024 MB",
                "copy the rows into a new workbook",
            ),
            (
                WorkbookError::DocumentType { part },
                "`xl/sh\\u{1b}eet.xml` declares a document type, which no spreadsheet program writes",
                "do not trust this one",
            ),
        ] {
            assert_eq!(error.to_string(), said);
            assert!(error.help().unwrap().contains(help), "{error:?}");
        }
    }

    #[test]
    fn what_reading_failed_with_is_told_apart() {
        let part: Arc<str> = Arc::from("part");
        let of = |error: io::Error| WorkbookError::from_io(error, &part);
        let ours = io::Error::other(WorkbookError::Protected);
        assert!(matches!(of(ours), WorkbookError::Protected));
        assert!(matches!(
            of(io::Error::other("invalid checksum")),
            WorkbookError::Damaged { .. }
        ));
        assert!(matches!(
            of(io::ErrorKind::UnexpectedEof.into()),
            WorkbookError::Damaged { .. }
        ));
        assert!(matches!(
            of(io::ErrorKind::PermissionDenied.into()),
            WorkbookError::Read { .. }
        ));
    }
}
