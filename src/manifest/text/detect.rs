//! Which encoding a file has, and how sure that is.
//!
//! In this order: a byte order mark decides; then what the user says; then the zero bytes of UTF-16; then whether the
//! lines beyond ASCII are UTF-8; and only for what is left the evidence is weighed ([`judge()`]). All of it depends on the
//! bytes of the file alone, so every reading of a file comes to the same.

mod evidence;
mod judge;
mod sample;
mod typical;
mod utf16;
mod western;

use std::io::{self, Read, Seek};

use encoding_rs::ISO_2022_JP;
use memchr::memchr_iter;

use crate::manifest::text::Encoding;
use crate::manifest::text::detect::judge::judge;
use crate::manifest::text::detect::sample::Sample;

pub(super) use crate::manifest::text::detect::sample::read_full;

/// How much of a file's beginning shows whether it is UTF-16, and has the header in it.
const HEAD_BYTES: usize = 64 << 10;

/// What is known about a file's encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Detected {
    pub(super) encoding: Encoding,
    /// Nobody needs to be warned.
    pub(super) is_sure: bool,
    /// Where it is not sure: the first text that may be wrong, made safe to show.
    pub(super) sample: Option<String>,
    /// How many bytes of a byte order mark stand before the text.
    pub(super) mark_bytes: u64,
    /// What the user says it is, where the byte order mark says something else.
    pub(super) overruled: Option<Encoding>,
}

impl Detected {
    fn sure(encoding: Encoding) -> Detected {
        Detected {
            encoding,
            is_sure: true,
            sample: None,
            mark_bytes: 0,
            overruled: None,
        }
    }
}

/// Finds out the encoding of `file`, or nothing if it is UTF-32, which is not read. Where the file is left is not
/// defined.
///
/// `header_score` says how well the beginning of the text, if it reads like that, names columns.
pub(super) fn detect(
    file: &mut (impl Read + Seek),
    asked: Option<Encoding>,
    header_score: &dyn Fn(&str) -> u32,
) -> io::Result<Option<Detected>> {
    file.rewind()?;
    let mut head = vec![0; HEAD_BYTES];
    let count = read_full(file, &mut head)?;
    head.truncate(count);
    if head.starts_with(b"\xff\xfe\0\0") || head.starts_with(b"\0\0\xfe\xff") || utf16::is_utf32(&head) {
        return Ok(None);
    }
    if let Some((encoding, mark)) = MARKS.iter().find(|(_, mark)| head.starts_with(mark)) {
        // The mark is no text in any other encoding, and programs that write one know what they write. `UTF-16` asks for
        // either order.
        let overruled = asked.filter(|asked| asked != encoding && !(asked.is_utf16() && encoding.is_utf16()));
        return Ok(Some(Detected {
            mark_bytes: mark.len() as u64,
            overruled,
            ..Detected::sure(*encoding)
        }));
    }
    if let Some(encoding) = asked.or_else(|| utf16::order_of(&head)).or_else(|| switching(&head)) {
        return Ok(Some(Detected::sure(encoding)));
    }
    let sample = Sample::of(file, 0)?;
    if sample.text.is_empty() || sample.utf8.is_sure() {
        return Ok(Some(Detected::sure(Encoding::UTF_8)));
    }
    Ok(Some(judge(&sample, &head, header_score)))
}

/// `U+FEFF` in the encodings that use it as a mark.
const MARKS: [(Encoding, &[u8]); 4] = [
    (Encoding::UTF_8, b"\xef\xbb\xbf"),
    (Encoding::UTF_16LE, b"\xff\xfe"),
    (Encoding::UTF_16BE, b"\xfe\xff"),
    (Encoding::GB18030, b"\x84\x31\x95\x33"),
];

/// ISO-2022-JP, which is all ASCII: old mail programs and mainframes switch to Japanese by an escape sequence.
fn switching(head: &[u8]) -> Option<Encoding> {
    let switches = |at: usize| matches!(head.get(at + 1..at + 3), Some(b"$B" | b"$@"));
    (head.is_ascii() && memchr_iter(0x1b, head).any(switches)).then(|| Encoding::of(ISO_2022_JP))
}

#[cfg(test)]
mod tests;
