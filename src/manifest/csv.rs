//! The records of a CSV or TSV file, by the csv crate, and around it what the crate leaves open: lines, limits, unclosed
//! quotes.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use csv::{ByteRecord, Reader, ReaderBuilder};
use memchr::{memchr, memchr3};

use crate::manifest::fingerprint::Fingerprint;
use crate::manifest::lines::LineCounter;
use crate::manifest::problem::grouped;
use crate::manifest::source::Tap;
use crate::manifest::{MOST_CELL_BYTES, ManifestError, Problem, Rule};

/// Bytes read at a time.
const BUFFER_BYTES: usize = 64 << 10;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The records of a file, blank ones left out.
#[derive(Debug)]
pub(super) struct TextRecords {
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
pub(super) struct Found<'a> {
    pub(super) raw: &'a [u8],
    pub(super) line: u32,
    pub(super) offset: u64,
}

impl TextRecords {
    pub(super) fn new(path: &Path, file: File, delimiter: u8) -> TextRecords {
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .buffer_capacity(BUFFER_BYTES)
            .from_reader(Tap::new(file));
        TextRecords {
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

    /// Reads the next record that is not blank; [`TextRecords::found`] tells its place.
    pub(super) fn next(&mut self, record: &mut ByteRecord) -> Result<bool, ManifestError> {
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
                    at: self.lines.line_after(&text[..at]).into(),
                });
            }
            self.lines.pass(text);
            let is_blank = record.as_slice().trim_ascii().is_empty();
            if !is_blank {
                return Ok(true);
            }
        }
    }

    pub(super) fn found(&self) -> Found<'_> {
        Found {
            raw: &self.reader.get_ref().taken()[self.lead..],
            line: self.line,
            offset: self.offset + self.lead as u64,
        }
    }

    /// The line on which the last record begins.
    pub(super) fn line(&self) -> u32 {
        self.line
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Why the last record is not to be trusted as text.
    pub(super) fn unreadable(&self, record: &ByteRecord) -> Option<Problem> {
        let found = self.found();
        if !self.reader.get_ref().is_ascii()
            && !cells_are_utf8(record)
            && let Err(error) = std::str::from_utf8(found.raw)
        {
            let at = error.valid_up_to();
            let line = LineCounter::from_line(found.line).line_after(&found.raw[..at]);
            let byte = found.offset + at as u64;
            let value = found.raw[at];
            let found = format!("byte {} of the file, on line {line}, is 0x{value:02x}", grouped(byte));
            return Some(Problem::of_row(Rule::NotUtf8, found));
        }
        if self.reader.get_ref().has_nul()
            && let Some(at) = memchr(0, found.raw)
        {
            let line = LineCounter::from_line(found.line).line_after(&found.raw[..at]);
            return Some(Problem::of_row(Rule::NulByte, format!("on line {line}")));
        }
        None
    }

    /// On which lines the last record stands, if it is more than one.
    pub(super) fn spread(&self) -> Option<(u32, u32)> {
        let found = self.found();
        let ends = found.raw.iter().rev().take_while(|byte| is_line_end(byte)).count();
        let text = &found.raw[..found.raw.len() - ends];
        let last = LineCounter::from_line(found.line).line_after(text);
        (last > found.line).then_some((found.line, last))
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
            let at = lines.line().into();
            return ManifestError::Read { path, at, source };
        }
        match swallowing_quote(text, self.delimiter) {
            Some(at) => ManifestError::UnclosedQuote {
                path,
                at: lines.line_after(&text[..at]).into(),
            },
            None => ManifestError::RowTooLong {
                path,
                at: lines.line().into(),
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

/// Whether every cell by itself is text: two cells with half a character each are valid text together.
fn cells_are_utf8(record: &ByteRecord) -> bool {
    std::str::from_utf8(record.as_slice()).is_ok_and(|text| {
        let is_cut = |column| {
            record
                .range(column)
                .is_some_and(|range| !text.is_char_boundary(range.end))
        };
        !(0..record.len()).any(is_cut)
    })
}
