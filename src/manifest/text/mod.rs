//! Text manifests as people have them: in some encoding, with some delimiter, and with the faults that go with both.
//!
//! [`TextRecords`] is the source of records for tables, [`open_lines`] the same decoding for files of lines. Whatever a
//! file is in, what comes out is UTF-8; a file in UTF-8 is handed through without being touched.
//!
//! Nothing is corrupted silently. Encoding and delimiter are found out from the file alone ([`detect`](detect::detect),
//! [`delimiter`]), so that both readings of a manifest come to the same; where that is a guess, [`TextReadAs`] says so and
//! has a sample to show. Bytes that are no text in the file's encoding are never replaced: their row is refused.

mod decode;
mod delimiter;
mod detect;
mod encoding;
mod hint;
mod read_as;
mod records;

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::Path;

use crate::manifest::ManifestError;
use crate::manifest::text::detect::{Detected, detect};

pub(super) use decode::Utf8Text;
pub use delimiter::{Delimiter, UnknownDelimiter};
pub use encoding::{Encoding, UnknownEncoding};
pub(super) use hint::hint;
pub(super) use read_as::{DelimiterReadAs, TextReadAs, not_text};
pub(super) use records::{Found, TextChoice, TextRecords};

/// Opens a file of lines, like JSONL, as UTF-8 without its byte order mark. `encoding` is what the user says it is.
pub(super) fn open_lines(
    path: &Path,
    mut file: File,
    encoding: Option<Encoding>,
) -> Result<(Utf8Text<File>, TextReadAs), ManifestError> {
    let detected = detect_in(path, &mut file, encoding, &|_| 0)?;
    let text = decoded(path, file, &detected)?;
    Ok((text, TextReadAs::of(detected, None)))
}

fn detect_in(
    path: &Path,
    file: &mut File,
    asked: Option<Encoding>,
    header_score: &dyn Fn(&str) -> u32,
) -> Result<Detected, ManifestError> {
    let found = detect(file, asked, header_score).map_err(|source| broken_off(path, source))?;
    found.ok_or_else(|| ManifestError::NotText {
        path: path.into(),
        what: "text in UTF-32",
    })
}

/// The text of `file` from its first character on.
fn decoded(path: &Path, mut file: File, detected: &Detected) -> Result<Utf8Text<File>, ManifestError> {
    let begin = SeekFrom::Start(detected.mark_bytes);
    file.seek(begin).map_err(|source| broken_off(path, source))?;
    Ok(Utf8Text::new(file, detected.encoding))
}

/// Before any line was read.
fn broken_off(path: &Path, source: io::Error) -> ManifestError {
    ManifestError::Read {
        path: path.into(),
        at: 1.into(),
        source,
    }
}
