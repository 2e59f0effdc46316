//! What was written by us before, and may be replaced.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;

use memchr::memmem;
use zip::ZipArchive;

/// How much of a text is looked at: the header is on its first lines.
const HEAD_BYTES: u64 = 64 * 1024;

/// How much of each part of a workbook is looked at. Other programs keep all texts of all sheets in one part, mostly in
/// the order in which they come first.
const PART_BYTES: u64 = 1024 * 1024;

/// How many parts of a workbook are looked at.
const MOST_PARTS: usize = 100;

/// Whether a table with a column called `mark` may stand where there is a file now: if that is empty, or has the name in
/// it. A slip of the pen must not cost somebody another spreadsheet, so `mark` is a name that nobody's own table is likely
/// to have. What cannot be read is left to the writer's own error.
pub fn may_be_replaced(path: &Path, mark: &str) -> bool {
    if !opens_at_once(path) {
        return false;
    }
    let Ok(file) = File::open(path) else { return true };
    let mut head = Vec::new();
    if (&file).take(HEAD_BYTES).read_to_end(&mut head).is_err() || head.is_empty() {
        return true;
    }
    match head.starts_with(b"PK") {
        true => a_part_has(file, mark),
        false => memmem::find(&head, mark.as_bytes()).is_some(),
    }
}

/// Whether opening `path` comes to an end: there is no pipe or device, which can keep whoever opens it waiting for ever.
pub fn opens_at_once(path: &Path) -> bool {
    fs::metadata(path).map_or(true, |found| found.is_file() || found.is_dir())
}

fn a_part_has(file: File, mark: &str) -> bool {
    let Ok(mut archive) = ZipArchive::new(BufReader::new(file)) else {
        return false;
    };
    (0..archive.len().min(MOST_PARTS)).any(|index| {
        let Ok(part) = archive.by_index(index) else {
            return false;
        };
        if !part.name().is_ok_and(|name| is_of_sheets(&name)) {
            return false;
        }
        let mut content = Vec::new();
        // What could be read of a damaged part counts.
        part.take(PART_BYTES).read_to_end(&mut content).ok();
        memmem::find(&content, mark.as_bytes()).is_some()
    })
}

fn is_of_sheets(part: &str) -> bool {
    part.starts_with("xl/worksheets/") || part == "xl/sharedStrings.xml"
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rust_xlsxwriter::Workbook;

    use super::*;

    fn judged(name: &str, content: &[u8]) -> bool {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        may_be_replaced(&path, "task_id")
    }

    fn workbook(names: &[&str]) -> Vec<u8> {
        let mut workbook = Workbook::new();
        workbook.add_worksheet();
        let sheet = workbook.add_worksheet();
        for (column, name) in (0..).zip(names) {
            sheet.write_string(3, column, *name).unwrap();
        }
        workbook.save_to_buffer().unwrap()
    }

    #[test]
    fn results_and_nothing_else_are_replaced() {
        assert!(may_be_replaced(Path::new("/nowhere/at/all.csv"), "task_id"));
        assert!(judged("empty.xlsx", b""));
        assert!(judged("results.csv", b"prompt,row,status,task_id\n"));
        assert!(!judged("clips.csv", b"prompt,image_url\n"));
        assert!(judged("results.xlsx", &workbook(&["prompt", "status", "task_id"])));
        assert!(!judged("clips.xlsx", &workbook(&["prompt", "image_url"])));
        assert!(!judged("archive.xlsx", b"PK\x03\x04 cut off task_id"));
    }
}
