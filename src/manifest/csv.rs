//! CSV and TSV: records by the csv crate, and around it what the crate leaves open: lines, limits, unclosed quotes.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use csv::{ByteRecord, Reader, ReaderBuilder};
use memchr::{memchr, memchr3};

use crate::escape;
use crate::manifest::columns::{ColumnMap, shown};
use crate::manifest::fingerprint::Fingerprint;
use crate::manifest::headers::{Header, HeaderFault};
use crate::manifest::lines::LineCounter;
use crate::manifest::problem::grouped;
use crate::manifest::row::{Kept, Row};
use crate::manifest::source::Tap;
use crate::manifest::spelling::Suggestion;
use crate::manifest::{Field, MOST_CELL_BYTES, MOST_COLUMNS, ManifestError, Problem, Rule};

/// Bytes read at a time.
const BUFFER_BYTES: usize = 64 << 10;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The rows of a table, after its header.
#[derive(Debug)]
pub(super) struct CsvRows {
    records: Records,
    header: Header,
    header_line: u32,
    /// The header's cells, to recognise it when it comes again.
    header_record: ByteRecord,
    kept: Arc<Kept>,
}

impl CsvRows {
    pub(super) fn open(path: &Path, file: File, delimiter: u8) -> Result<CsvRows, ManifestError> {
        let mut records = Records::new(path, file, delimiter);
        let mut record = ByteRecord::new();
        if !records.next(&mut record)? {
            return Err(ManifestError::Empty { path: path.into() });
        }
        let found = records.found();
        let line = found.line;
        if let Err(error) = std::str::from_utf8(found.raw) {
            return Err(ManifestError::HeaderNotUtf8 {
                path: path.into(),
                line,
                byte: found.offset + error.valid_up_to() as u64,
            });
        }
        if memchr(0, found.raw).is_some() {
            return Err(ManifestError::NotText {
                path: path.into(),
                what: "not plain text: its header contains NUL bytes",
            });
        }
        if record.len() > MOST_COLUMNS {
            return Err(ManifestError::TooManyColumns {
                path: path.into(),
                line,
                columns: record.len(),
            });
        }
        let names = record.iter().map(|name| String::from_utf8_lossy(name).into_owned());
        let header = Header::of(names.collect(), &ColumnMap::default()).map_err(|fault| fault.at(path, line))?;
        let kept = Arc::new(Kept {
            columns: header.kept.clone(),
            outcome: header.outcome,
        });
        Ok(CsvRows {
            records,
            header,
            header_line: line,
            header_record: record,
            kept,
        })
    }

    /// The names of the user's own columns.
    pub(super) fn columns(&self) -> Vec<String> {
        self.kept
            .columns
            .iter()
            .map(|at| self.header.names[*at].clone())
            .collect()
    }

    /// What is odd about the header, and its line.
    pub(super) fn header_problems(&self) -> (u32, Vec<Problem>) {
        let problem = |(name, near): (&str, Suggestion)| {
            Problem::of_column(Rule::UnusedColumn, shown(name), format!("did you mean {near}?"))
        };
        (self.header_line, self.header.near_misses().map(problem).collect())
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.records.fingerprint
    }

    /// Reads the next row's cells into `row`; `false` at the end of the file.
    pub(super) fn read(&mut self, row: &mut Row) -> Result<bool, ManifestError> {
        if !self.records.next(&mut row.written.record)? {
            return Ok(false);
        }
        let found = self.records.found();
        row.line = found.line;
        if row
            .written
            .kept
            .as_ref()
            .is_none_or(|kept| !Arc::ptr_eq(kept, &self.kept))
        {
            row.written.kept = Some(Arc::clone(&self.kept));
        }
        let record = &row.written.record;
        // All cells at once, in one piece: cutting them out of valid text is cheaper than validating each.
        let text = std::str::from_utf8(record.as_slice()).unwrap_or_default();
        if let Some(problem) = self.unreadable(&found, record, text) {
            row.problems.push(problem);
            return Ok(true);
        }
        for (field, column) in Field::ALL.into_iter().zip(self.header.columns) {
            let Some(cell) = column.and_then(|column| text.get(record.range(column)?)) else {
                continue;
            };
            let cell = if self.kept.outcome.is_some() {
                escape::from_spreadsheet(cell)
            } else {
                cell
            };
            row.cells.set(field, cell);
        }
        Ok(true)
    }

    /// Why the record's cells are not to be trusted. `text` are all its cells, or nothing if they are not UTF-8.
    fn unreadable(&self, found: &Found<'_>, record: &ByteRecord, text: &str) -> Option<Problem> {
        // Two cells with half a character each are valid text together.
        let is_cut = |column| {
            record
                .range(column)
                .is_some_and(|range| !text.is_char_boundary(range.end))
        };
        let is_suspect =
            !self.records.reader.get_ref().is_ascii() && (text.is_empty() || (0..record.len()).any(is_cut));
        if is_suspect && let Err(error) = std::str::from_utf8(found.raw) {
            let at = error.valid_up_to();
            let line = LineCounter::from_line(found.line).line_after(&found.raw[..at]);
            let byte = found.offset + at as u64;
            let value = found.raw[at];
            let found = format!("byte {} of the file, on line {line}, is 0x{value:02x}", grouped(byte));
            return Some(Problem::of_row(Rule::NotUtf8, found));
        }
        if self.records.reader.get_ref().has_nul()
            && let Some(at) = memchr(0, found.raw)
        {
            let line = LineCounter::from_line(found.line).line_after(&found.raw[..at]);
            return Some(Problem::of_row(Rule::NulByte, format!("on line {line}")));
        }
        if self.repeats_header(record) {
            return Some(Problem::of_row(Rule::RepeatedHeader, ""));
        }
        let columns = self.header.names.len();
        if record.len() != columns {
            let cells = |count: usize| format!("{} cell{}", grouped(count), if count == 1 { "" } else { "s" });
            let mut text = format!("{} instead of {}", cells(record.len()), grouped(columns));
            let ends = found.raw.iter().rev().take_while(|byte| is_line_end(byte)).count();
            let text_only = &found.raw[..found.raw.len() - ends];
            let last = LineCounter::from_line(found.line).line_after(text_only);
            if last > found.line {
                text.push_str(&format!(", on lines {} to {last}", found.line));
            }
            return Some(Problem::of_row(Rule::FieldCount, text));
        }
        if found.raw.len() > MOST_CELL_BYTES {
            let at = record.iter().position(|cell| cell.len() > MOST_CELL_BYTES)?;
            let found = format!("{} bytes", grouped(record[at].len()));
            return Some(Problem::of_column(
                Rule::CellTooLong,
                shown(&self.header.names[at]),
                found,
            ));
        }
        None
    }

    fn repeats_header(&self, record: &ByteRecord) -> bool {
        let strip = |cell| <[u8]>::strip_prefix(cell, BYTE_ORDER_MARK).unwrap_or(cell);
        let first = record.get(0).map(strip).unwrap_or_default();
        first == &self.header_record[0]
            && record.len() == self.header_record.len()
            && record.iter().skip(1).eq(self.header_record.iter().skip(1))
    }
}

impl HeaderFault {
    fn at(self, path: &Path, line: u32) -> ManifestError {
        let path = path.to_owned();
        match self {
            HeaderFault::Missing(missing, help) => ManifestError::MissingColumns {
                path,
                line,
                missing,
                help,
            },
            HeaderFault::Unmapped(mapping, help) => ManifestError::NoMappedColumn {
                path,
                line,
                mapping,
                help,
            },
            HeaderFault::Shared(column, first, second) => ManifestError::SharedColumn {
                path,
                line,
                column,
                first,
                second,
            },
            HeaderFault::Twice(field, first, second) => ManifestError::TwoColumns {
                path,
                line,
                field,
                first,
                second,
            },
        }
    }
}

/// The records of a file, blank ones left out.
#[derive(Debug)]
struct Records {
    path: PathBuf,
    reader: Reader<Tap<File>>,
    delimiter: u8,
    lines: LineCounter,
    fingerprint: Fingerprint,
    /// Where the last record began: line, offset in the file, and how many line ends were skipped before it.
    line: u32,
    offset: u64,
    lead: usize,
}

/// A record's bytes, from the first that is not a line end on, and their place.
struct Found<'a> {
    raw: &'a [u8],
    line: u32,
    offset: u64,
}

impl Records {
    fn new(path: &Path, file: File, delimiter: u8) -> Records {
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .buffer_capacity(BUFFER_BYTES)
            .from_reader(Tap::new(file));
        Records {
            path: path.to_owned(),
            reader,
            delimiter,
            lines: LineCounter::default(),
            fingerprint: Fingerprint::default(),
            line: 1,
            offset: 0,
            lead: 0,
        }
    }

    /// Reads the next record that is not blank; [`Records::found`] tells its place.
    fn next(&mut self, record: &mut ByteRecord) -> Result<bool, ManifestError> {
        loop {
            let offset = self.reader.position().byte();
            let more = match self.reader.read_byte_record(record) {
                Ok(more) => more,
                Err(error) => return Err(self.broken_off(error)),
            };
            let end = self.reader.position().byte();
            self.reader.get_mut().take_until(end);
            let tap = self.reader.get_ref();
            let raw = tap.taken();
            self.fingerprint.add(raw);
            if !more {
                return Ok(false);
            }
            let (before, text) = raw.split_at(lead_of(raw, offset));
            self.lines.pass(before);
            (self.line, self.offset, self.lead) = (self.lines.line(), offset, before.len());
            // Only the last record of the file can end without its quote; the scan is left out for all others.
            if (tap.ended() || text.len() > MOST_CELL_BYTES)
                && let Some(at) = swallowing_quote(text, self.delimiter)
            {
                return Err(ManifestError::UnclosedQuote {
                    path: self.path.clone(),
                    line: self.lines.line_after(&text[..at]),
                });
            }
            self.lines.pass(text);
            let is_blank = record.as_slice().trim_ascii().is_empty();
            if !is_blank {
                return Ok(true);
            }
        }
    }

    fn found(&self) -> Found<'_> {
        Found {
            raw: &self.reader.get_ref().taken()[self.lead..],
            line: self.line,
            offset: self.offset + self.lead as u64,
        }
    }

    fn broken_off(&self, error: csv::Error) -> ManifestError {
        let tap = self.reader.get_ref();
        let raw = tap.untaken();
        let (before, text) = raw.split_at(lead_of(raw, self.reader.position().byte()));
        let mut lines = self.lines.clone();
        lines.pass(before);
        let path = self.path.clone();
        if !tap.overflowed() {
            let source = match error.into_kind() {
                csv::ErrorKind::Io(source) => source,
                other => io::Error::other(format!("{other:?}")),
            };
            let line = lines.line();
            return ManifestError::Read { path, line, source };
        }
        match swallowing_quote(text, self.delimiter) {
            Some(at) => ManifestError::UnclosedQuote {
                path,
                line: lines.line_after(&text[..at]),
            },
            None => ManifestError::RowTooLong {
                path,
                line: lines.line(),
            },
        }
    }
}

/// How many bytes stand before a record: line ends, and at the beginning of the file the byte order mark.
fn lead_of(raw: &[u8], offset: u64) -> usize {
    let mark = if offset == 0 && raw.starts_with(BYTE_ORDER_MARK) {
        BYTE_ORDER_MARK.len()
    } else {
        0
    };
    mark + raw[mark..].iter().take_while(|byte| is_line_end(byte)).count()
}

fn is_line_end(byte: &u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// Where a quote opens that is never closed, or only after more line breaks and bytes than a cell can have.
///
/// Steps as the csv crate does: a quote counts at the beginning of a cell only, and a doubled one does not close it.
fn swallowing_quote(record: &[u8], delimiter: u8) -> Option<usize> {
    let mut at = 0;
    while at < record.len() {
        if record[at] == b'"' {
            let open = at;
            at += 1;
            loop {
                let Some(quote) = memchr(b'"', &record[at..]) else {
                    return Some(open);
                };
                at += quote + 1;
                if record.get(at) != Some(&b'"') {
                    break;
                }
                at += 1;
            }
            let cell = &record[open..at];
            if cell.len() > MOST_CELL_BYTES && cell.iter().any(is_line_end) {
                return Some(open);
            }
        }
        let end = memchr3(delimiter, b'\r', b'\n', &record[at..])?;
        if record[at + end] != delimiter {
            return None;
        }
        at += end + 1;
    }
    None
}

#[cfg(test)]
mod tests;
