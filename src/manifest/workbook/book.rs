//! Which format a file has, by its content: what people call `.xls` is often something else.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::sync::Arc;

use memchr::memmem;

use crate::manifest::workbook::error::{Foreign, WorkbookError};
use crate::manifest::workbook::ods::Ods;
use crate::manifest::workbook::package::Package;
use crate::manifest::workbook::relationships::{each_relationship, resolved};
use crate::manifest::workbook::rows::Rows;
use crate::manifest::workbook::sheets::Sheet;
use crate::manifest::workbook::xls::Xls;
use crate::manifest::workbook::xls::compound::SIGNATURE;
use crate::manifest::workbook::xlsb::Xlsb;
use crate::manifest::workbook::xlsx::Xlsx;

/// An open workbook of any format.
pub(super) enum Book {
    Xlsx(Box<Xlsx>),
    Ods(Box<Ods>),
    Xls(Box<Xls>),
    Xlsb(Box<Xlsb>),
}

impl Book {
    pub(super) fn open(mut file: File) -> Result<Book, WorkbookError> {
        let whole: Arc<str> = Arc::from("the file");
        let failed = |error| WorkbookError::from_io(error, &whole);
        let head = head_of(&mut file).map_err(failed)?;
        match head.as_slice() {
            [b'P', b'K', 3 | 5 | 7, ..] => Book::open_archive(Package::open(file)?),
            head if head.starts_with(&SIGNATURE) => Ok(Book::Xls(Box::new(Xls::open(file)?))),
            other => Err(WorkbookError::Foreign(foreign(other))),
        }
    }

    fn open_archive(mut package: Package) -> Result<Book, WorkbookError> {
        if let Some(kind) = open_document_kind(&mut package)? {
            return match kind.as_slice() {
                kind if kind.starts_with(b"spreadsheet") => Ok(Book::Ods(Box::new(Ods::open(package)?))),
                kind if kind.starts_with(b"text") => Err(WorkbookError::Foreign(Foreign::TextDocument)),
                kind if kind.starts_with(b"presentation") => Err(WorkbookError::Foreign(Foreign::Presentation)),
                _ => Err(WorkbookError::Foreign(Foreign::OtherDocument)),
            };
        }
        let mut main_part = None;
        each_relationship(&mut package, "", |relationship| {
            if relationship.kind == "officeDocument" {
                main_part = Some(resolved("", &relationship.target));
            }
            Ok(())
        })?;
        // Some programs leave the way to it out, and others its name.
        let main_part = main_part.or_else(|| package.has("xl/workbook.xml").then(|| "xl/workbook.xml".to_owned()));
        if let Some(part) = main_part {
            if part.ends_with(".bin") {
                return Ok(Book::Xlsb(Box::new(Xlsb::open(package, &part)?)));
            }
            return Ok(Book::Xlsx(Box::new(Xlsx::open(package, &part)?)));
        }
        let is_iwork = package.has_like(".iwa") || package.has_like("index.apxl");
        Err(WorkbookError::Foreign(if is_iwork {
            Foreign::Numbers
        } else {
            Foreign::Archive
        }))
    }

    pub(super) fn sheets(&self) -> &[Sheet] {
        match self {
            Book::Xlsx(book) => book.sheets(),
            Book::Ods(book) => book.sheets(),
            Book::Xls(book) => book.sheets(),
            Book::Xlsb(book) => book.sheets(),
        }
    }

    /// Whether the ranges of a sheet have to be sought, because they stand apart from its rows.
    pub(super) fn has_ranges_apart(&self) -> bool {
        !matches!(self, Book::Ods(_))
    }

    /// Reads a sheet from its first row on until no more rows are wanted. Without its ranges, where they would have to
    /// be sought: merged cells, links, pictures.
    pub(super) fn read(&mut self, sheet: usize, with_ranges: bool, rows: &mut Rows<'_>) -> Result<(), WorkbookError> {
        let outcome = match self {
            Book::Xlsx(book) => book.read(sheet, with_ranges, rows),
            Book::Ods(book) => book.read(sheet, rows),
            Book::Xls(book) => book.read(sheet, with_ranges, rows),
            Book::Xlsb(book) => book.read(sheet, with_ranges, rows),
        };
        outcome.map_err(|error| error.near_row(rows.line()))
    }
}

/// What an archive in the Open Document format is, by the part that says so alone, or by the list of its parts.
fn open_document_kind(package: &mut Package) -> Result<Option<Vec<u8>>, WorkbookError> {
    const FAMILY: &[u8] = b"application/vnd.oasis.opendocument.";
    for part in ["mimetype", "META-INF/manifest.xml"] {
        let said = package.beginning(part, HEAD_BYTES)?;
        if let Some(at) = memmem::find(&said, FAMILY) {
            return Ok(Some(said[at + FAMILY.len()..].to_vec()));
        }
    }
    Ok(None)
}

/// Bytes by which a file is known.
const HEAD_BYTES: u64 = 4 << 10;

fn head_of(file: &mut File) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    file.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
    file.rewind()?;
    Ok(head)
}

/// What a file is that begins like this and is neither an archive nor a compound file.
fn foreign(head: &[u8]) -> Foreign {
    let text = head.trim_ascii_start();
    let text = text
        .strip_prefix("\u{feff}".as_bytes())
        .unwrap_or(text)
        .trim_ascii_start();
    let lower = text.to_ascii_lowercase();
    let has = |word: &str| memmem::find(&lower, word.as_bytes()).is_some();
    match head {
        [] => Foreign::Empty,
        [0x09, 0x00 | 0x02 | 0x04 | 0x08, ..] => Foreign::AncientExcel,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Foreign::Text,
        _ if lower.starts_with(b"%pdf") => Foreign::OtherDocument,
        _ if lower.starts_with(b"{\\rtf") => Foreign::TextDocument,
        _ if lower.starts_with(b"<") && (has("<html") || has("<table") || has("<!doctype html")) => Foreign::WebPage,
        _ if lower.starts_with(b"<?xml") => Foreign::FlatXml,
        _ if head.iter().all(|byte| *byte >= b' ' || byte.is_ascii_whitespace()) => Foreign::Text,
        _ => Foreign::Unknown,
    }
}
