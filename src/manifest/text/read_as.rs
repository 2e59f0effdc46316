//! What was found out about a text file, and what to say of bytes that do not fit it.

use memchr::{memchr, memchr_iter};

use crate::manifest::lines::LineCounter;
use crate::manifest::problem::grouped;
use crate::manifest::text::decode::NO_TEXT;
use crate::manifest::text::detect::Detected;
use crate::manifest::text::{Delimiter, Encoding};
use crate::manifest::{Problem, Rule};

/// How a text file is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::manifest) struct TextReadAs {
    pub(in crate::manifest) encoding: Encoding,
    /// Whether nobody needs to be warned: the file or the user says it, or the evidence leaves no doubt.
    pub(in crate::manifest) is_sure: bool,
    /// Where it is not sure: the first text that may be wrong, cut and made safe to show.
    pub(in crate::manifest) sample: Option<String>,
    /// Bytes of the byte order mark before the text; none if the file has no mark.
    pub(in crate::manifest) mark_bytes: u64,
    /// The encoding the user named, where the byte order mark says another: the mark is obeyed.
    pub(in crate::manifest) overruled: Option<Encoding>,
    /// How cells are separated, in a file that has cells.
    pub(in crate::manifest) delimiter: Option<DelimiterReadAs>,
}

/// What separates the cells of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::manifest) struct DelimiterReadAs {
    pub(in crate::manifest) delimiter: Delimiter,
    /// The user says it, the file says it, or the header has its columns with this delimiter only.
    pub(in crate::manifest) is_sure: bool,
    /// What a first line like `sep=;` says, which is then no record.
    pub(in crate::manifest) sep_line: Option<Delimiter>,
}

impl TextReadAs {
    pub(super) fn of(detected: Detected, delimiter: Option<DelimiterReadAs>) -> TextReadAs {
        let Detected {
            encoding,
            is_sure,
            sample,
            mark_bytes,
            overruled,
        } = detected;
        TextReadAs {
            encoding,
            is_sure,
            sample,
            mark_bytes,
            overruled,
            delimiter,
        }
    }
}

/// What is wrong with `raw`, some text of a file in `encoding` that begins on `line`, and at `offset` in the file if its
/// bytes are the file's own: the first of them that is no text.
pub(in crate::manifest) fn not_text(encoding: Encoding, raw: &[u8], line: u32, offset: Option<u64>) -> Option<Problem> {
    let at = if encoding.is_utf8() {
        std::str::from_utf8(raw).err()?.valid_up_to()
    } else {
        [memchr(NO_TEXT, raw), first_unused(encoding, raw)]
            .into_iter()
            .flatten()
            .min()?
    };
    let line = LineCounter::from_line(line).line_after(&raw[..at]);
    let found = match offset {
        Some(offset) => {
            let byte = grouped(offset + at as u64);
            format!(
                "byte {byte} of the file, on line {line}, is 0x{:02x}, not {encoding}",
                raw[at]
            )
        }
        None => format!("on line {line}, not {encoding}"),
    };
    Some(Problem::of_row(Rule::NotUtf8, found))
}

/// Where the decoder made a control character of bytes that the encoding has nothing for: a sign that it is another one.
fn first_unused(encoding: Encoding, decoded: &[u8]) -> Option<usize> {
    let is_control = |at: &usize| matches!(decoded.get(at + 1), Some(0x80..=0x9f));
    memchr_iter(0xc2, decoded).find(|at| encoding.has_unused_bytes() && is_control(at))
}
