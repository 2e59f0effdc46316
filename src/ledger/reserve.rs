//! The reserve file: where a task id goes that the ledger could not commit.
//!
//! It is opened and its space allocated before the first request leaves, so that a full disk cannot keep a task id
//! from being written down. The next run takes its lines into the ledger first.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};
use serde::{Deserialize, Serialize};

use crate::ledger::lock::beside;
use crate::row::TaskId;

/// A task id whose row could not be told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orphan {
    /// The ledger's number of the row.
    pub row_id: i64,
    /// The ledger's number of the attempt.
    pub attempt_id: i64,
    /// What must not be lost.
    pub task_id: TaskId,
    /// When the answer came, milliseconds since 1970.
    pub at: i64,
}

/// Space set aside, in bytes: more than 300 lines, and a run has at most 1,024 requests in flight of which only those
/// that end in the moment of the failure need a line.
const SIZE: usize = 64 * 1024;

/// The open reserve file of a run.
#[derive(Debug)]
pub(super) struct Reserve {
    file: File,
    path: PathBuf,
    used: bool,
}

impl Reserve {
    /// Opens it beside `ledger` with its space allocated. Whatever an earlier run left must have been taken in first.
    pub(super) fn open(ledger: &Path) -> io::Result<Reserve> {
        let path = path_of(ledger);
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
        // From here on it is removed again if its space cannot be had: that may be the last there is.
        let mut reserve = Reserve {
            file,
            path,
            used: false,
        };
        let file = &mut reserve.file;
        if fallocate(&*file, FallocateFlags::KEEP_SIZE, 0, SIZE as u64).is_err() {
            // Not every file system can set space aside: then written zeros are the space, behind the first line.
            file.write_all(&[0; SIZE])?;
            file.sync_data()?;
            io::Seek::rewind(file)?;
        }
        Ok(reserve)
    }

    /// Writes one task id down, durably.
    pub(super) fn put(&mut self, orphan: &Orphan) -> io::Result<()> {
        self.used = true;
        let mut line = serde_json::to_vec(orphan).map_err(io::Error::other)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.file.sync_data()
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        if !self.used {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Where the reserve file of `ledger` is.
pub(super) fn path_of(ledger: &Path) -> PathBuf {
    beside(ledger, "reserve")
}

/// What an earlier run wrote into the reserve file of `ledger`. A line cut off by a crash is left out.
pub(super) fn read(ledger: &Path) -> io::Result<Vec<Orphan>> {
    let bytes = match fs::read(path_of(ledger)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let written = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(written
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect())
}

/// Removes the reserve file once its lines are in the ledger.
pub(super) fn remove(ledger: &Path) -> io::Result<()> {
    match fs::remove_file(path_of(ledger)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orphans_survive_and_an_unused_reserve_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("a.ledger");
        drop(Reserve::open(&ledger).unwrap());
        assert!(!beside(&ledger, "reserve").exists());

        let orphan = Orphan {
            row_id: 1,
            attempt_id: 2,
            task_id: TaskId::new("abc").unwrap(),
            at: 3,
        };
        let mut reserve = Reserve::open(&ledger).unwrap();
        reserve.put(&orphan).unwrap();
        drop(reserve);
        assert_eq!(read(&ledger).unwrap(), vec![orphan]);
        remove(&ledger).unwrap();
        assert_eq!(read(&ledger).unwrap(), vec![]);
    }
}
