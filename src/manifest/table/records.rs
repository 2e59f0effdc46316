//! Where a table's records come from: a text file, or a sheet of a workbook.

use std::fs::File;
use std::path::{Path, PathBuf};

use csv::ByteRecord;

use crate::manifest::columns::ColumnMap;
use crate::manifest::fingerprint::Fingerprint;
use crate::manifest::headers::{Header, HeaderFault};
use crate::manifest::place::Ground;
use crate::manifest::text::{Delimiter, TextChoice, TextRecords};
use crate::manifest::workbook::{Choice, SheetRecords, WorkbookError};
use crate::manifest::{Field, ManifestError, Reading};

/// A source of records.
#[derive(Debug)]
pub(super) struct Records {
    path: PathBuf,
    pub(super) source: Source,
}

#[derive(Debug)]
pub(in crate::manifest) enum Source {
    Text(Box<TextRecords>),
    Sheet(Box<SheetRecords>),
}

impl Records {
    /// The records of a text file whose extension suggests this delimiter.
    pub(super) fn of_text(
        path: &Path,
        file: File,
        usual: Delimiter,
        reading: &Reading,
    ) -> Result<Records, ManifestError> {
        let choice = TextChoice {
            encoding: reading.encoding,
            delimiter: reading.delimiter,
            usual,
            header_score: &|record| header_score(record, &reading.columns),
        };
        Ok(Records {
            path: path.to_owned(),
            source: Source::Text(Box::new(TextRecords::open(path, file, choice)?)),
        })
    }

    /// The records of a sheet of a workbook.
    pub(super) fn of_workbook(path: &Path, file: File, reading: &Reading) -> Result<Records, ManifestError> {
        let choice = Choice {
            sheet: reading.sheet.as_deref(),
            hidden_rows: reading.hidden_rows,
            is_header: &|record| header_score(record, &reading.columns) == u32::MAX,
        };
        let sheet = SheetRecords::open(file, choice).map_err(|error| of_no_use(path, &error))?;
        Ok(Records {
            path: path.to_owned(),
            source: Source::Sheet(Box::new(sheet)),
        })
    }

    /// Reads the next record that is not blank; `false` at the end.
    pub(super) fn next(&mut self, record: &mut ByteRecord) -> Result<bool, ManifestError> {
        match &mut self.source {
            Source::Text(text) => text.next(record),
            Source::Sheet(sheet) => sheet.next(record).map_err(|error| of_no_use(&self.path, &error)),
        }
    }

    /// The line on which the last record begins, or the sheet's number of its row; from 1.
    pub(super) fn line(&self) -> u32 {
        match &self.source {
            Source::Text(text) => text.line(),
            Source::Sheet(sheet) => sheet.line(),
        }
    }

    pub(super) fn ground(&self) -> Ground {
        match &self.source {
            Source::Text(_) => Ground::default(),
            Source::Sheet(sheet) => Ground::sheet(sheet.sheet().clone()),
        }
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        match &self.source {
            Source::Text(text) => text.fingerprint(),
            Source::Sheet(sheet) => sheet.fingerprint(),
        }
    }
}

/// How much a record looks like a header: [`u32::MAX`] if it is one, else the number of columns whose name is known.
fn header_score(record: &ByteRecord, columns: &ColumnMap) -> u32 {
    let known = Header::known_names(record.iter(), columns);
    // Nearly every row is told from a header by this alone.
    if known < Field::REQUIRED.len() {
        return u32::try_from(known).unwrap_or(0);
    }
    let names = record.iter().map(|name| String::from_utf8_lossy(name).into_owned());
    match Header::of(names.collect(), columns) {
        // Two columns of one meaning: it is the header, and something is wrong with it.
        Ok(_) | Err(HeaderFault::Twice(..) | HeaderFault::Shared(..)) => u32::MAX,
        Err(HeaderFault::Missing(..) | HeaderFault::Unmapped(..)) => u32::try_from(known).unwrap_or(0),
    }
}

fn of_no_use(path: &Path, error: &WorkbookError) -> ManifestError {
    ManifestError::Workbook {
        path: path.to_owned(),
        what: error.to_string(),
        help: error.help(),
        source: error.system_error(),
    }
}
