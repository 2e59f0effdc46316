//! What separates the cells of a text file, and how to find that out.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use csv::{ByteRecord, ReaderBuilder};
use serde::{Serialize, Serializer};

use crate::escape;

/// What stands between two cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Delimiter {
    /// `,`, as RFC 4180 has it.
    Comma,
    /// `;`, which spreadsheet programs write where the comma stands in numbers.
    Semicolon,
    /// A tab.
    Tab,
    /// `|`, as databases write it.
    Pipe,
}

impl Delimiter {
    /// Every delimiter, the usual ones first.
    pub const ALL: [Delimiter; 4] = [Delimiter::Comma, Delimiter::Semicolon, Delimiter::Tab, Delimiter::Pipe];

    /// The byte it is in UTF-8.
    pub fn byte(self) -> u8 {
        match self {
            Delimiter::Comma => b',',
            Delimiter::Semicolon => b';',
            Delimiter::Tab => b'\t',
            Delimiter::Pipe => b'|',
        }
    }
}

/// The mark itself, and `tab` for the one that cannot be seen.
impl fmt::Display for Delimiter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Delimiter::Comma => ",",
            Delimiter::Semicolon => ";",
            Delimiter::Tab => "tab",
            Delimiter::Pipe => "|",
        })
    }
}

impl Serialize for Delimiter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a text names no delimiter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` separates no cells: write `,`, `;`, `|` or `tab`")]
pub struct UnknownDelimiter(String);

impl FromStr for Delimiter {
    type Err = UnknownDelimiter;

    fn from_str(text: &str) -> Result<Delimiter, UnknownDelimiter> {
        let word = text.trim_matches(' ').to_ascii_lowercase();
        match word.as_str() {
            "," | "comma" => Ok(Delimiter::Comma),
            ";" | "semicolon" => Ok(Delimiter::Semicolon),
            "\t" | "\\t" | "tab" | "tabs" => Ok(Delimiter::Tab),
            "|" | "pipe" | "bar" => Ok(Delimiter::Pipe),
            _ => Err(UnknownDelimiter(escape::excerpt(text, 20))),
        }
    }
}

/// How many of the first records may be the header: titles and empty lines stand above it.
pub(super) const HEADER_WITHIN: usize = 20;

/// How many records are looked at to see whether they have the same number of cells.
const LOOKED_AT: usize = 100;

/// How well the best of a text's first records serves as header, whatever the delimiter is.
pub(super) fn best_header_score(head: &Head<'_>, header_score: &dyn Fn(&ByteRecord) -> u32) -> u32 {
    let scores = Delimiter::ALL.map(|delimiter| Trial::of(head, delimiter, HEADER_WITHIN, header_score).header_score);
    scores.into_iter().max().unwrap_or(0)
}

/// The beginning of a text, in UTF-8 but for what is no text at all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) bytes: &'a [u8],
    /// It is the whole text, so its last record is complete.
    pub(super) is_whole: bool,
}

impl<'a> Head<'a> {
    /// The text after a first line like `sep=;`, and what that line says.
    ///
    /// Excel obeys such a line and does not show it, and some programs write it for Excel's sake.
    pub(super) fn after_sep_line(self) -> (Head<'a>, Option<Delimiter>) {
        let end = memchr::memchr2(b'\r', b'\n', self.bytes).unwrap_or(self.bytes.len());
        let (line, rest) = self.bytes.split_at(end);
        match declared(line) {
            Some(delimiter) => (Head { bytes: rest, ..self }, Some(delimiter)),
            None => (self, None),
        }
    }
}

/// The delimiter that a line like `sep=;` declares. Whoever saved such a file once more may have put the line into
/// quotes, or added delimiters for the cells it lacks.
fn declared(line: &[u8]) -> Option<Delimiter> {
    let line = line.strip_prefix(b"\"").unwrap_or(line);
    let (key, rest) = line.split_at_checked(4)?;
    if !key.eq_ignore_ascii_case(b"sep=") {
        return None;
    }
    let (mark, rest) = rest.split_first()?;
    let delimiter = Delimiter::ALL.into_iter().find(|delimiter| delimiter.byte() == *mark)?;
    let is_padding = |byte: &u8| b" \",;\t|".contains(byte);
    rest.iter().all(is_padding).then_some(delimiter)
}

/// The delimiter of a text, and whether that is certain.
///
/// A header that is recognised with one delimiter and not with the others decides. Otherwise it is the delimiter that
/// gives the most records the same number of cells, at least two; `usual` is what remains if none does better.
pub(super) fn detect(
    head: &Head<'_>,
    usual: Delimiter,
    header_score: &dyn Fn(&ByteRecord) -> u32,
) -> (Delimiter, bool) {
    let others = Delimiter::ALL.into_iter().filter(|delimiter| *delimiter != usual);
    let mut best = (usual, Trial::of(head, usual, LOOKED_AT, header_score));
    let mut is_sure = best.1.header_score > 0;
    for delimiter in others {
        let trial = Trial::of(head, delimiter, LOOKED_AT, header_score);
        match trial.header_score.cmp(&best.1.header_score) {
            Ordering::Greater => is_sure = true,
            Ordering::Equal => is_sure = false,
            Ordering::Less => {}
        }
        if trial > best.1 {
            best = (delimiter, trial);
        }
    }
    (best.0, is_sure)
}

/// What a text looks like if this is its delimiter.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Trial {
    /// Of the best record among the first.
    header_score: u32,
    /// How many of a hundred records have the most frequent number of cells, if these are two or more.
    alike: u32,
}

impl Trial {
    fn of(
        head: &Head<'_>,
        delimiter: Delimiter,
        most_records: usize,
        header_score: &dyn Fn(&ByteRecord) -> u32,
    ) -> Trial {
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter.byte())
            .from_reader(head.bytes);
        let mut record = ByteRecord::new();
        let mut best_score = 0;
        let mut lengths: Vec<usize> = Vec::with_capacity(most_records);
        // Reading from memory does not fail.
        while lengths.len() < most_records && reader.read_byte_record(&mut record).unwrap_or(false) {
            if record.as_slice().trim_ascii().is_empty() {
                continue;
            }
            let is_cut = !head.is_whole && reader.position().byte() == head.bytes.len() as u64;
            if is_cut && !lengths.is_empty() {
                break;
            }
            if lengths.len() < HEADER_WITHIN {
                best_score = best_score.max(header_score(&record));
            }
            lengths.push(record.len());
        }
        let count = |length: usize| lengths.iter().filter(|other| **other == length).count();
        let alike = lengths
            .iter()
            .filter(|length| **length > 1)
            .map(|length| count(*length))
            .max();
        let share = alike.unwrap_or(0) * 100 / lengths.len().max(1);
        Trial {
            header_score: best_score,
            alike: u32::try_from(share).unwrap_or(0),
        }
    }
}
