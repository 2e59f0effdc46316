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

#[cfg(test)]
mod tests {
    use super::*;

    /// Two names are known, and both together are a header.
    fn score(record: &ByteRecord) -> u32 {
        match record
            .iter()
            .filter(|cell| [&b"prompt"[..], b"image"].contains(cell))
            .count()
        {
            0 => 0,
            1 => 1,
            _ => u32::MAX,
        }
    }

    fn detected(text: &str, usual: Delimiter) -> (Delimiter, bool) {
        let head = Head {
            bytes: text.as_bytes(),
            is_whole: true,
        };
        detect(&head, usual, &score)
    }

    #[test]
    fn delimiters_are_written_as_marks_or_words() {
        for (text, delimiter) in [
            (",", Delimiter::Comma),
            (" ; ", Delimiter::Semicolon),
            ("\t", Delimiter::Tab),
            ("\\t", Delimiter::Tab),
            ("TAB", Delimiter::Tab),
            ("|", Delimiter::Pipe),
            ("comma", Delimiter::Comma),
            ("Semicolon", Delimiter::Semicolon),
            ("pipe", Delimiter::Pipe),
        ] {
            assert_eq!(text.parse(), Ok(delimiter), "{text:?}");
        }
        for delimiter in Delimiter::ALL {
            assert_eq!(delimiter.to_string().parse(), Ok(delimiter));
        }
        assert_eq!(serde_json::to_string(&Delimiter::Tab).unwrap(), "\"tab\"");
        for text in ["", ":", ",,", "dot", "\u{1b}[2J"] {
            let error = text.parse::<Delimiter>().unwrap_err().to_string();
            assert!(
                error.ends_with("write `,`, `;`, `|` or `tab`") && !error.contains('\u{1b}'),
                "{error}"
            );
        }
    }

    #[test]
    fn the_header_decides_whatever_the_rows_are_full_of() {
        for (text, delimiter) in [
            ("prompt,image\na;b;c,x\nd;e;f,y\n", Delimiter::Comma),
            (
                "prompt;image\n1,5 m high, red;x\n2,5 m high, blue;y\n",
                Delimiter::Semicolon,
            ),
            ("prompt\timage\na, b, c; d\tx\n", Delimiter::Tab),
            ("prompt|image|notes\na, b|x|\n", Delimiter::Pipe),
            (
                "my clips, spring; draft\n\n;;\nprompt;image\na, b;x\n",
                Delimiter::Semicolon,
            ),
            ("\"notes\nof all\";prompt;image\na;b;c\n", Delimiter::Semicolon),
            ("id;prompt;image", Delimiter::Semicolon),
            ("prompt;image\r1,2;x\r3,4;y\r", Delimiter::Semicolon),
        ] {
            for usual in [Delimiter::Comma, Delimiter::Tab] {
                assert_eq!(detected(text, usual), (delimiter, true), "{text:?}");
            }
        }
    }

    #[test]
    fn without_a_header_the_rows_decide_and_it_is_a_guess() {
        for (text, usual, delimiter) in [
            (
                "Text;Bild\na, b;x\nc;y\nd, e, f;z\n",
                Delimiter::Comma,
                Delimiter::Semicolon,
            ),
            ("Text\tBild\na, b\tx\n", Delimiter::Comma, Delimiter::Tab),
            ("Text,Bild\na,x\nb,y\n", Delimiter::Tab, Delimiter::Comma),
            ("one column\nwithout any\n", Delimiter::Tab, Delimiter::Tab),
            ("", Delimiter::Comma, Delimiter::Comma),
            ("a,b;c,d\n", Delimiter::Semicolon, Delimiter::Semicolon),
        ] {
            assert_eq!(detected(text, usual), (delimiter, false), "{text:?}");
        }
    }

    #[test]
    fn a_header_after_the_twentieth_record_is_too_late() {
        let text = |titles| format!("{}prompt;image\nx;y\n", "a title, and more\n\n".repeat(titles));
        assert_eq!(detected(&text(19), Delimiter::Comma), (Delimiter::Semicolon, true));
        assert!(!detected(&text(20), Delimiter::Comma).1);
    }

    #[test]
    fn a_head_that_was_cut_ends_before_its_last_record() {
        let head = |is_whole| Head {
            bytes: b"a,b\nprompt,image",
            is_whole,
        };
        assert_eq!(best_header_score(&head(true), &score), u32::MAX);
        assert_eq!(best_header_score(&head(false), &score), 0);
    }

    #[test]
    fn a_line_for_excel_is_obeyed_and_is_no_record() {
        for (line, delimiter) in [
            ("sep=;", Some(Delimiter::Semicolon)),
            ("SEP=\t", Some(Delimiter::Tab)),
            ("\"sep=,\"", Some(Delimiter::Comma)),
            ("sep=|||", Some(Delimiter::Pipe)),
            ("sep=;,,", Some(Delimiter::Semicolon)),
            ("sep=", None),
            ("sep=:", None),
            ("sep=;prompt", None),
            ("separate", None),
            ("", None),
        ] {
            for end in ["\n", "\r\n", "\r", ""] {
                let text = format!("{line}{end}prompt;image");
                let text = if end.is_empty() { line } else { &text };
                let head = Head {
                    bytes: text.as_bytes(),
                    is_whole: true,
                };
                let (rest, found) = head.after_sep_line();
                assert_eq!(found, delimiter, "{line}");
                assert_eq!(rest.bytes.len() < head.bytes.len(), delimiter.is_some());
            }
        }
    }
}
