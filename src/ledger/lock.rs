//! One process at a time: an exclusive lock that a crash releases.
//!
//! It is an flock on a side file, never on the database: SQLite's own locks on a file vanish when any handle of it is
//! closed. The kernel frees an flock with its process, however that ends, so there is no stale lock to clear.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Wall;
use crate::ledger::LedgerError;

/// Who holds a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Process id; 0 when it could not be read.
    pub pid: u32,
    /// Host name.
    pub host: String,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
}

impl Owner {
    pub(super) fn this_process() -> Owner {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Owner {
            pid: std::process::id(),
            host,
            since: Wall::System.now().to_rfc3339(),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pid == 0 {
            return formatter.write_str("another process");
        }
        let host = crate::escape::excerpt(&self.host, 80);
        let since = crate::escape::excerpt(&self.since, 40);
        write!(formatter, "process {} on {host} since {since}", self.pid)
    }
}

/// How often a held lock is tried again before its owner is named, and the time between.
const LOOKS: u32 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Held while it lives; the side file goes with it.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock of `ledger`, or says who has it.
    pub(super) fn take(ledger: &Path) -> Result<Lock, LedgerError> {
        let path = beside(ledger, "lock");
        let failed = |source| LedgerError::io(&path, "lock", source);
        let mut looks = LOOKS;
        loop {
            let mut options = OpenOptions::new();
            let mut file = options
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                // `status` holds it for a moment when it looks whether somebody has it.
                Err(TryLockError::WouldBlock) if looks > 0 => {
                    looks -= 1;
                    std::thread::sleep(BETWEEN_LOOKS);
                    continue;
                }
                Err(TryLockError::WouldBlock) => {
                    let owner = owner_in(&mut file);
                    return Err(LedgerError::Locked {
                        path: ledger.to_owned(),
                        owner,
                    });
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
            // The owner before us may have removed the file between our open and our lock: then we hold the lock of a
            // file that nobody else will ever find.
            let ours = file.metadata().map_err(failed)?.ino();
            if fs::metadata(&path).map(|named| named.ino()).ok() != Some(ours) {
                continue;
            }
            write_owner(&mut file).map_err(failed)?;
            return Ok(Lock { _file: file, path });
        }
    }
}

impl Lock {
    /// Who holds the lock of `ledger`; `None` if nobody does, or nobody can tell.
    pub(super) fn owner(ledger: &Path) -> Option<Owner> {
        let mut file = File::open(beside(ledger, "lock")).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(owner_in(&mut file)),
            _ => None,
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Still locked here, so nobody else can be using the name; a file that stays behind does no harm.
        drop(fs::remove_file(&self.path));
    }
}

/// `<ledger>.<suffix>`.
pub(super) fn beside(ledger: &Path, suffix: &str) -> PathBuf {
    let mut name = ledger.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

fn write_owner(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    let text = serde_json::to_string(&Owner::this_process()).map_err(io::Error::other)?;
    writeln!(file, "{text}")
}

fn owner_in(file: &mut File) -> Owner {
    let mut text = String::new();
    let unknown = || Owner {
        pid: 0,
        host: String::new(),
        since: String::new(),
    };
    match file.take(4096).read_to_string(&mut text) {
        Ok(_) => serde_json::from_str(&text).unwrap_or_else(|_| unknown()),
        Err(_) => unknown(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_is_told_who_holds_it_and_gets_it_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("a.ledger");
        let lock = Lock::take(&ledger).unwrap();
        match Lock::take(&ledger).unwrap_err() {
            LedgerError::Locked { owner, .. } => assert_eq!(owner.pid, std::process::id()),
            other => panic!("{other}"),
        }
        drop(lock);
        assert!(!beside(&ledger, "lock").exists());
        Lock::take(&ledger).unwrap();
    }
}
