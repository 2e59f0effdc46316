//! The records of a text file: split by the csv crate, and around it what the crate leaves open: encodings, lines, limits,
//! unclosed quotes.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use csv::{ByteRecord, Reader, ReaderBuilder};
use memchr::{memchr, memchr3};

use crate::manifest::fingerprint::Fingerprint;
use crate::manifest::lines::LineCounter;
use crate::manifest::source::Tap;
use crate::manifest::text::delimiter::{self, Head, best_header_score};
use crate::manifest::text::detect::{Detected, read_full};
use crate::manifest::text::{
    Delimiter, DelimiterReadAs, Encoding, TextReadAs, Utf8Text, broken_off, decoded, detect_in, not_text,
};
use crate::manifest::{MOST_CELL_BYTES, ManifestError, Problem, Rule};

/// Bytes read at a time.
const BUFFER_BYTES: usize = 64 << 10;

/// How much of the text is looked at to find the delimiter: a dozen rows with the longest prompts, or some thousand others.
const HEAD_BYTES: usize = 256 << 10;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What is known about a file before it is opened.
pub(in crate::manifest) struct TextChoice<'a> {
    /// What the user says; found out if nothing.
    pub(in crate::manifest) encoding: Option<Encoding>,
    /// What the user says; found out if nothing.
    pub(in crate::manifest) delimiter: Option<Delimiter>,
    /// What the file's extension suggests: a comma for CSV, a tab for TSV.
    pub(in crate::manifest) usual: Delimiter,
    /// How well a record serves as header: how many columns it names that have a meaning, and more than any such number
    /// if it names all that a manifest needs.
    pub(in crate::manifest) header_score: &'a dyn Fn(&ByteRecord) -> u32,
}

/// The records of a file, in UTF-8, blank ones left out.
#[derive(Debug)]
pub(in crate::manifest) struct TextRecords {
    path: PathBuf,
    reader: Reader<Tap<Utf8Text<File>>>,
    read_as: TextReadAs,
    delimiter: u8,
    lines: LineCounter,
    fingerprint: Fingerprint,
    /// Where the last record began: line, offset in the text, and how many line ends were skipped before it.
    line: u32,
    offset: u64,
    lead: usize,
}

/// A record's bytes, from the first that is not a line end on, and their place.
#[derive(Debug, Clone, Copy)]
pub(in crate::manifest) struct Found<'a> {
    pub(in crate::manifest) raw: &'a [u8],
    pub(in crate::manifest) line: u32,
    /// Where in the file they are, if they are the file's own and not decoded.
    pub(in crate::manifest) offset: Option<u64>,
}

impl TextRecords {
    /// Finds out how to read `file`, and goes to its first record; a first line like `sep=;` is none.
    pub(in crate::manifest) fn open(
        path: &Path,
        mut file: File,
        choice: TextChoice<'_>,
    ) -> Result<TextRecords, ManifestError> {
        let header_score = |text: &str| {
            let head = Head {
                bytes: text.as_bytes(),
                is_whole: false,
            };
            best_header_score(&head, choice.header_score)
        };
        let detected = detect_in(path, &mut file, choice.encoding, &header_score)?;
        let delimiter = find_delimiter(&mut file, &detected, &choice).map_err(|source| broken_off(path, source))?;
        let text = decoded(path, file, &detected)?;
        let read_as = TextReadAs::of(detected, Some(delimiter));
        let mut records = TextRecords::new(path, text, read_as, delimiter.delimiter);
        if delimiter.sep_line.is_some() {
            records.next(&mut ByteRecord::new())?;
        }
        Ok(records)
    }

    fn new(path: &Path, text: Utf8Text<File>, read_as: TextReadAs, delimiter: Delimiter) -> TextRecords {
        let delimiter = delimiter.byte();
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .buffer_capacity(BUFFER_BYTES)
            .from_reader(Tap::new(text));
        // The same bytes are other rows with another delimiter.
        let mut fingerprint = Fingerprint::default();
        fingerprint.add(&[delimiter]);
        TextRecords {
            path: path.to_owned(),
            reader,
            read_as,
            delimiter,
            lines: LineCounter::default(),
            fingerprint,
            line: 1,
            offset: 0,
            lead: 0,
        }
    }

    /// Reads the next record that is not blank; [`TextRecords::found`] tells its place. `false` at the end of the file.
    pub(in crate::manifest) fn next(&mut self, record: &mut ByteRecord) -> Result<bool, ManifestError> {
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

    /// The bytes of the last record.
    pub(in crate::manifest) fn found(&self) -> Found<'_> {
        let is_own = self.read_as.encoding.is_utf8();
        let offset = self.read_as.mark_bytes + self.offset + self.lead as u64;
        Found {
            raw: &self.reader.get_ref().taken()[self.lead..],
            line: self.line,
            offset: is_own.then_some(offset),
        }
    }

    /// The line on which the last record begins, counted from 1.
    pub(in crate::manifest) fn line(&self) -> u32 {
        self.line
    }

    /// What was read up to now.
    pub(in crate::manifest) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// How the file is read.
    pub(in crate::manifest) fn read_as(&self) -> &TextReadAs {
        &self.read_as
    }

    /// What is wrong with the last record as text: bytes that are none, or NUL bytes. `text` are all its cells in one
    /// piece, or nothing if they are not UTF-8: asking that a second time would cost a tenth of a whole check.
    pub(in crate::manifest) fn unreadable(&self, record: &ByteRecord, text: &str) -> Option<Problem> {
        let tap = self.reader.get_ref();
        let encoding = self.read_as.encoding;
        let found = self.found();
        // What was decoded is text but for the marks of what was none, which have to be looked for.
        if !tap.is_ascii()
            && (!encoding.is_utf8() || !are_text(record, text))
            && let Some(problem) = not_text(encoding, found.raw, found.line, found.offset)
        {
            return Some(problem);
        }
        if tap.has_nul() {
            let at = memchr(0, found.raw)?;
            let line = LineCounter::from_line(found.line).line_after(&found.raw[..at]);
            return Some(Problem::of_row(Rule::NulByte, format!("on line {line}")));
        }
        None
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

/// Whether the cells are text, each on its own: two with half a character each are valid together.
fn are_text(record: &ByteRecord, text: &str) -> bool {
    let is_cut = |column| {
        record
            .range(column)
            .is_some_and(|range| !text.is_char_boundary(range.end))
    };
    !text.is_empty() && !(0..record.len()).any(is_cut)
}

/// What separates the cells: what the user says, else what the file says, else what makes most sense of it.
fn find_delimiter(file: &mut File, detected: &Detected, choice: &TextChoice<'_>) -> io::Result<DelimiterReadAs> {
    file.seek(SeekFrom::Start(detected.mark_bytes))?;
    let mut bytes = vec![0; HEAD_BYTES];
    let count = read_full(&mut Utf8Text::new(file, detected.encoding), &mut bytes)?;
    let head = Head {
        bytes: &bytes[..count],
        is_whole: count < HEAD_BYTES,
    };
    let (head, sep_line) = head.after_sep_line();
    let (delimiter, is_sure) = match choice.delimiter.or(sep_line) {
        Some(delimiter) => (delimiter, true),
        None => delimiter::detect(&head, choice.usual, choice.header_score),
    };
    Ok(DelimiterReadAs {
        delimiter,
        is_sure,
        sep_line,
    })
}

/// How many bytes stand before a record: line ends, and at the beginning of the text a second byte order mark.
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
