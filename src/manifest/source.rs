//! The file under a manifest: opened with care, and read through a window that remembers the raw bytes of a row.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::Path;

use memchr::memchr;

use crate::manifest::{Format, MOST_ROW_BYTES, ManifestError};

/// Opens a manifest for reading from its first byte, and refuses what is plainly not one.
pub(super) fn open(path: &Path, format: Format) -> Result<File, ManifestError> {
    let cannot_open = |source| ManifestError::Open {
        path: path.into(),
        source,
    };
    // Asked before opening: opening a FIFO that nobody writes to would wait for ever.
    refuse_special(path, &fs::metadata(path).map_err(cannot_open)?)?;
    let mut file = File::open(path).map_err(cannot_open)?;
    refuse_special(path, &file.metadata().map_err(cannot_open)?)?;

    if format == Format::Workbook {
        // Its reader tells what it is by more than its first bytes.
        return Ok(file);
    }
    let mut head = Vec::with_capacity(4);
    file.by_ref().take(4).read_to_end(&mut head).map_err(cannot_open)?;
    refuse_foreign(path, &head)?;
    file.rewind().map_err(cannot_open)?;
    Ok(file)
}

fn refuse_special(path: &Path, metadata: &fs::Metadata) -> Result<(), ManifestError> {
    if metadata.is_file() {
        return Ok(());
    }
    Err(ManifestError::NotAFile {
        path: path.into(),
        what: if metadata.is_dir() {
            "a folder"
        } else {
            "a pipe or device"
        },
    })
}

fn refuse_foreign(path: &Path, head: &[u8]) -> Result<(), ManifestError> {
    let what = match head {
        [b'P', b'K', 3 | 5 | 7, ..] => "an Excel workbook or zip archive",
        [0xd0, 0xcf, 0x11, 0xe0, ..] => "an old Excel workbook",
        [0x1f, 0x8b, ..] => "a gzip archive",
        _ => return Ok(()),
    };
    Err(ManifestError::NotText {
        path: path.into(),
        what,
    })
}

/// A reader that remembers what it handed out, so that whoever splits it into rows can look at a row's raw bytes.
#[derive(Debug)]
pub(super) struct Tap<R> {
    inner: R,
    window: Vec<u8>,
    /// Where in the window the last taken bytes begin, and where they end. Everything before the end was taken.
    begin: usize,
    taken: usize,
    /// Where the window begins in the stream.
    offset: u64,
    ended: bool,
    overflowed: bool,
    has_nul: bool,
    is_ascii: bool,
}

impl<R: Read> Tap<R> {
    pub(super) fn new(inner: R) -> Tap<R> {
        Tap {
            inner,
            window: Vec::new(),
            begin: 0,
            taken: 0,
            offset: 0,
            ended: false,
            overflowed: false,
            has_nul: false,
            is_ascii: true,
        }
    }

    /// Takes the bytes between the last call's `end` and this one's, as offsets in the stream.
    pub(super) fn take_until(&mut self, end: u64) {
        self.begin = self.taken;
        self.taken = usize::try_from(end - self.offset).expect("the window fits in memory");
    }

    /// What was taken last, until the next byte is read.
    pub(super) fn taken(&self) -> &[u8] {
        &self.window[self.begin..self.taken]
    }

    /// What was handed out and not taken yet.
    pub(super) fn untaken(&self) -> &[u8] {
        &self.window[self.taken..]
    }

    /// Whether the end of the stream was met.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Whether nothing but ASCII went by. Asking that of large pieces is nearly free.
    pub(super) fn is_ascii(&self) -> bool {
        self.is_ascii
    }

    /// Whether a NUL byte went by.
    pub(super) fn has_nul(&self) -> bool {
        self.has_nul
    }

    /// Whether reading stopped because a row would not end.
    pub(super) fn overflowed(&self) -> bool {
        self.overflowed
    }
}

impl<R: Read> Read for Tap<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken > 0 {
            self.window.drain(..self.taken);
            self.offset += self.taken as u64;
            (self.begin, self.taken) = (0, 0);
        }
        if self.window.len() > MOST_ROW_BYTES {
            self.overflowed = true;
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a row does not end"));
        }
        let count = self.inner.read(buffer)?;
        self.ended |= count == 0;
        self.is_ascii = self.is_ascii && buffer[..count].is_ascii();
        self.has_nul |= memchr(0, &buffer[..count]).is_some();
        self.window.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tap_gives_back_what_went_through() {
        let mut tap = Tap::new(&b"one\ntwo\nthree"[..]);
        let mut buffer = [0; 5];
        assert_eq!(tap.read(&mut buffer).unwrap(), 5);
        tap.take_until(4);
        assert_eq!(tap.taken(), b"one\n");
        assert_eq!(tap.read(&mut buffer).unwrap(), 5);
        tap.take_until(8);
        assert_eq!(tap.taken(), b"two\n");
        assert_eq!(tap.untaken(), b"th");
        assert!(!tap.ended());
    }

    #[test]
    fn a_row_that_does_not_end_stops_the_reading() {
        let mut tap = Tap::new(io::repeat(b'x'));
        let error = io::copy(&mut tap, &mut io::sink()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(tap.overflowed() && tap.untaken().len() < 2 * MOST_ROW_BYTES);
    }

    #[test]
    fn what_is_not_a_text_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let said = |bytes: &[u8]| {
            let path = folder.path().join("clips.csv");
            fs::write(&path, bytes).unwrap();
            open(&path, Format::Csv).map(drop).map_err(|error| error.to_string())
        };
        assert!(said(b"prompt,image_url\n").is_ok());
        assert!(said(b"PK\x03\x04rest").unwrap_err().contains("Excel workbook"));
        assert!(said(b"PKW,image_url\n").is_ok());
        assert!(said(b"\xff\xfep\0r\0").is_ok());
        let error = open(folder.path(), Format::Csv).unwrap_err().to_string();
        assert!(error.contains("a folder"), "{error}");
        if cfg!(unix) {
            let error = open(Path::new("/dev/null"), Format::Csv).unwrap_err().to_string();
            assert!(error.contains("a pipe or device"), "{error}");
        }
        let error = open(&folder.path().join("no.csv"), Format::Csv)
            .unwrap_err()
            .to_string();
        assert!(error.contains("no.csv"), "{error}");
    }
}
