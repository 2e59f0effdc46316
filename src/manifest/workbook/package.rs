//! The zip archive that a workbook is, and its parts, counted as they are inflated.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use crate::manifest::workbook::error::{Excess, WorkbookError};
use crate::manifest::workbook::limits::{
    MOST_DIRECTORY_BYTES, MOST_INFLATED_BYTES, MOST_PART_BYTES, MOST_PARTS, MOST_PASSES,
};

/// Bytes inflated at a time.
const BUFFER_BYTES: usize = 64 << 10;

/// An open archive.
pub(super) struct Package {
    archive: ZipArchive<Source>,
    /// Parts by their name as [`normalised`] writes it.
    parts: HashMap<String, usize>,
    meter: Meter,
}

/// How much a part may have, inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// [`MOST_PART_BYTES`]: what is held in memory, or leads to what is.
    Small,
    /// What is left of [`MOST_INFLATED_BYTES`]: what is read in passing, as sheets are.
    Large,
}

/// One part of the archive, inflated as it is read.
pub(super) type Part<'p> = BufReader<Inflated<'p>>;

impl Package {
    pub(super) fn open(file: File) -> Result<Package, WorkbookError> {
        let allowance = Arc::new(AtomicU64::new(MOST_DIRECTORY_BYTES));
        let source = Source {
            file: BufReader::new(file),
            allowance: Arc::clone(&allowance),
        };
        let whole: Arc<str> = Arc::from("the archive");
        let archive = ZipArchive::new(source).map_err(|error| refused(error, &whole))?;
        // The directory is in memory now. What follows is counted after inflating.
        allowance.store(u64::MAX, Ordering::Relaxed);
        if archive.len() > MOST_PARTS {
            return Err(WorkbookError::TooLarge(Excess::Parts));
        }
        let names = archive.file_names_raw().map(String::from_utf8_lossy);
        let parts = names
            .enumerate()
            .map(|(index, name)| (normalised(&name), index))
            .collect();
        let counted = vec![0; archive.len()];
        Ok(Package {
            archive,
            parts,
            meter: Meter {
                counted,
                left: MOST_INFLATED_BYTES,
                left_in_all: MOST_PASSES * MOST_INFLATED_BYTES,
            },
        })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.parts.contains_key(&normalised(name))
    }

    /// Whether any part's name has this in it, in lower case.
    pub(super) fn has_like(&self, fragment: &str) -> bool {
        self.parts.keys().any(|name| name.contains(fragment))
    }

    /// Opens a part; `None` if there is none of that name.
    pub(super) fn part(&mut self, name: &str, size: Size) -> Result<Option<Part<'_>>, WorkbookError> {
        let Some(index) = self.parts.get(&normalised(name)).copied() else {
            return Ok(None);
        };
        let name = Arc::from(name);
        let file = self.archive.by_index(index).map_err(|error| refused(error, &name))?;
        let inflated = Inflated {
            file,
            meter: &mut self.meter,
            index,
            seen: 0,
            size,
            name,
        };
        Ok(Some(BufReader::with_capacity(BUFFER_BYTES, inflated)))
    }

    /// The same for a part that is perhaps named.
    pub(super) fn part_of(&mut self, name: &Option<String>, size: Size) -> Result<Option<Part<'_>>, WorkbookError> {
        name.as_ref().map_or(Ok(None), |name| self.part(name, size))
    }

    /// The same for a part that a workbook cannot be without.
    pub(super) fn needed(&mut self, name: &str, size: Size) -> Result<Part<'_>, WorkbookError> {
        self.part(name, size)?
            .ok_or_else(|| WorkbookError::damaged(&Arc::from(name), "this part is missing"))
    }

    /// The first bytes of a part, at most `most`; nothing if there is no such part.
    pub(super) fn beginning(&mut self, name: &str, most: u64) -> Result<Vec<u8>, WorkbookError> {
        let mut bytes = Vec::new();
        if let Some(part) = self.part(name, Size::Small)? {
            let name = part.name();
            let read = part.take(most).read_to_end(&mut bytes);
            read.map_err(|error| WorkbookError::from_io(error, &name))?;
        }
        Ok(bytes)
    }
}

/// A reader that knows what it reads.
pub(super) trait Named: BufRead {
    fn name(&self) -> Arc<str>;
}

impl Named for Part<'_> {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.get_ref().name)
    }
}

/// The bytes of one part. Each counts once towards the whole, however often it is read.
pub(super) struct Inflated<'p> {
    file: ZipFile<'p, Source>,
    meter: &'p mut Meter,
    index: usize,
    seen: u64,
    size: Size,
    name: Arc<str>,
}

struct Meter {
    /// What was inflated of each part.
    counted: Vec<u64>,
    left: u64,
    /// The same with what was inflated once more.
    left_in_all: u64,
}

impl Read for Inflated<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.seen += count as u64;
        if self.size == Size::Small && self.seen > MOST_PART_BYTES {
            let excess = Excess::Part(Arc::clone(&self.name));
            return Err(io::Error::other(WorkbookError::TooLarge(excess)));
        }
        let meter = &mut *self.meter;
        let counted = &mut meter.counted[self.index];
        let more = self.seen.saturating_sub(*counted);
        *counted += more;
        match (
            meter.left.checked_sub(more),
            meter.left_in_all.checked_sub(count as u64),
        ) {
            (Some(left), Some(left_in_all)) => (meter.left, meter.left_in_all) = (left, left_in_all),
            _ => return Err(io::Error::other(WorkbookError::TooLarge(Excess::Inflated))),
        }
        Ok(count)
    }
}

/// The file under the archive. As long as the directory is being read it gives no more than that may have: what the
/// archive says about its own size leads to memory.
struct Source {
    file: BufReader<File>,
    allowance: Arc<AtomicU64>,
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        let allowance = self.allowance.load(Ordering::Relaxed);
        if allowance != u64::MAX {
            let left = allowance
                .checked_sub(count as u64)
                .ok_or_else(|| io::Error::other(WorkbookError::TooLarge(Excess::Parts)))?;
            self.allowance.store(left, Ordering::Relaxed);
        }
        Ok(count)
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Names are compared without case, as the standard has it, and with the slashes some programs write the other way.
fn normalised(name: &str) -> String {
    name.replace('\\', "/").trim_start_matches('/').to_ascii_lowercase()
}

fn refused(error: ZipError, part: &Arc<str>) -> WorkbookError {
    match error {
        ZipError::Io(error) => WorkbookError::from_io(error, part),
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => WorkbookError::Protected,
        other => WorkbookError::from_io(io::Error::other(other), part),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn package(parts: &[(&str, usize)]) -> Package {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in parts {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(&vec![b' '; *bytes]).unwrap();
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(zip.finish().unwrap().get_ref()).unwrap();
        Package::open(file).unwrap()
    }

    fn read(package: &mut Package, name: &str, size: Size) -> Result<usize, WorkbookError> {
        let mut part = package.needed(name, size)?;
        let part_name = part.name();
        let mut bytes = Vec::new();
        let read = part.read_to_end(&mut bytes);
        read.map_err(|error| WorkbookError::from_io(error, &part_name))
    }

    #[test]
    fn each_part_counts_once_and_all_passes_count() {
        let mut package = package(&[("a", 100_000), ("b", 100_000), ("c", 100_000)]);
        package.meter.left = 250_000;
        package.meter.left_in_all = 550_000;
        for name in ["a", "b", "a", "b"] {
            assert_eq!(read(&mut package, name, Size::Large).unwrap(), 100_000);
        }
        let error = read(&mut package, "c", Size::Large).unwrap_err();
        assert!(matches!(error, WorkbookError::TooLarge(Excess::Inflated)), "{error:?}");
        assert_eq!(read(&mut package, "a", Size::Large).unwrap(), 100_000);
        let error = read(&mut package, "a", Size::Large).unwrap_err();
        assert!(matches!(error, WorkbookError::TooLarge(Excess::Inflated)), "{error:?}");
    }

    #[test]
    fn a_part_that_is_held_in_memory_has_a_bound_of_its_own() {
        let bytes = usize::try_from(MOST_PART_BYTES).unwrap() + 1;
        let mut package = package(&[("large.xml", bytes)]);
        let error = read(&mut package, "large.xml", Size::Small).unwrap_err();
        assert!(
            matches!(&error, WorkbookError::TooLarge(Excess::Part(part)) if &**part == "large.xml"),
            "{error:?}"
        );
        assert_eq!(read(&mut package, "large.xml", Size::Large).unwrap(), bytes);
    }

    #[test]
    fn a_directory_is_read_no_further_than_it_may_be_large() {
        let name = "x".repeat(60_000);
        let names: Vec<String> = (0..300).map(|number| format!("{number}{name}")).collect();
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for name in &names {
            zip.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(zip.finish().unwrap().get_ref()).unwrap();
        let error = Package::open(file).map(drop).unwrap_err();
        assert!(matches!(error, WorkbookError::TooLarge(Excess::Parts)), "{error:?}");
    }

    #[test]
    fn parts_are_found_in_any_case_and_with_any_slash() {
        let mut package = package(&[("XL\\Workbook.xml", 3)]);
        assert!(package.has("xl/workbook.xml") && package.has("/xl/workbook.xml"));
        assert!(!package.has("workbook.xml") && package.has_like("workbook"));
        assert_eq!(read(&mut package, "xl/workbook.xml", Size::Small).unwrap(), 3);
        assert_eq!(package.beginning("xl/workbook.xml", 2).unwrap(), b"  ");
        assert_eq!(package.beginning("gone", 2).unwrap(), b"");
    }
}
