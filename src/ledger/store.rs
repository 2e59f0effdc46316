//! The SQLite file of a ledger: opening it safely, and what a run notes down about itself.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use crate::clock::{UnixMillis, Wall};
use crate::ledger::lock::{Lock, Owner, beside};
use crate::ledger::{LedgerError, reserve, schema};

/// What a ledger's rows were sent to. Trials never mix with rows that cost money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Realm {
    /// An API that may charge.
    Api,
    /// The embedded sandbox.
    Sandbox,
}

impl Realm {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Realm::Api => "api",
            Realm::Sandbox => "sandbox",
        }
    }
}

impl fmt::Display for Realm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Realm::Api => "real runs",
            Realm::Sandbox => "trials in the sandbox",
        })
    }
}

/// Which of a run's two balances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// Read before its first request.
    Before,
    /// Read after its last.
    After,
}

/// A ledger open for writing, locked against every other process.
#[derive(Debug)]
pub struct Store {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    // Behind the connection, so that the lock is released after the file is closed.
    _lock: Lock,
}

impl Store {
    /// Opens the ledger at `path`, or creates it for `realm`. Takes its lock and checks that the file is ours, whole,
    /// of a format we know and on a disk that can be trusted.
    pub fn open(path: &Path, realm: Realm) -> Result<Store, LedgerError> {
        let path = &behind_links(path);
        let lock = Lock::take(path)?;
        refuse_network_disk(path)?;
        let exists = path
            .try_exists()
            .map_err(|source| LedgerError::io(path, "open", source))?;
        if !exists {
            refuse_leftovers(path)?;
        }
        let unclean = exists && has_wal(path);
        if !exists {
            create(path, realm)?;
        }
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, schema::OLDEST)?;
        let mut store = Store {
            connection,
            path: path.to_owned(),
            _lock: lock,
        };
        store.make_durable().map_err(|source| store.failed("set up", source))?;
        if unclean || store.has_open_run()? {
            store.check_pages()?;
        }
        if schema::upgrade(&mut store.connection).map_err(|source| store.failed("bring up to date", source))? {
            tracing::info!(ledger = %path.display(), "brought up to date from an earlier version");
        }
        let is_trial = store.meta("realm")?.as_deref() == Some(Realm::Sandbox.as_str());
        let found = if is_trial { Realm::Sandbox } else { Realm::Api };
        if found != realm {
            return Err(LedgerError::OtherRealm {
                path: path.to_owned(),
                found,
                wanted: realm,
            });
        }
        Ok(store)
    }

    /// Opens a ledger that exists, whatever it was made for.
    pub fn open_existing(path: &Path) -> Result<Store, LedgerError> {
        if !path
            .try_exists()
            .map_err(|source| LedgerError::io(path, "open", source))?
        {
            return Err(LedgerError::Missing { path: path.to_owned() });
        }
        match Store::open(path, Realm::Api) {
            Err(LedgerError::OtherRealm { found, .. }) => Store::open(path, found),
            other => other,
        }
    }

    /// Gives the ledger at `path` another name, so that a new one can be made: a sandbox's trials, when real rows are
    /// to be sent. Returns the new name.
    pub fn set_aside(path: &Path) -> Result<PathBuf, LedgerError> {
        let path = &behind_links(path);
        let _lock = Lock::take(path)?;
        // Closing the last connection folds the write-ahead log into the file.
        drop(connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, schema::OLDEST)?);
        let mut number = 1;
        let aside = loop {
            let candidate = beside(path, &format!("trial-{number}"));
            if !candidate.exists() {
                break candidate;
            }
            number += 1;
        };
        let failed = |source| LedgerError::io(path, "set aside", source);
        // First what belongs to it: the new ledger would not know these task ids.
        match fs::rename(reserve::path_of(path), reserve::path_of(&aside)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        fs::rename(path, &aside).map_err(failed)?;
        Ok(aside)
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Notes that a run begins, and where it sends its requests; its number names it in every attempt.
    pub fn begin_run(&mut self, wall: Wall, target: &str) -> Result<i64, LedgerError> {
        let owner = Owner::this_process();
        self.connection
            .execute(
                "INSERT INTO runs (started_at, pid, host, version, target) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![wall.now().0, owner.pid, owner.host, env!("CARGO_PKG_VERSION"), target],
            )
            .map_err(|source| self.failed("write", source))?;
        Ok(self.connection.last_insert_rowid())
    }

    /// Where the last run that sent anything sent it.
    pub fn last_target(&self) -> Result<Option<String>, LedgerError> {
        self.connection
            .query_row(
                "SELECT target FROM runs WHERE run_id = (SELECT run_id FROM attempts ORDER BY attempt_id DESC LIMIT 1)",
                [],
                |row| row.get(0),
            )
            .optional()
            .map_err(|source| self.failed("read", source))
    }

    /// Who works on the ledger at `path`, if somebody does.
    pub fn owner(path: &Path) -> Option<Owner> {
        Lock::owner(&behind_links(path))
    }

    /// Notes how a run ended; `halted` is its code and message.
    pub fn end_run(&mut self, run_id: i64, at: UnixMillis, halted: Option<(&str, &str)>) -> Result<(), LedgerError> {
        self.connection
            .execute(
                "UPDATE runs SET ended_at = ?2, halted_code = ?3, halted_message = ?4 WHERE run_id = ?1",
                params![
                    run_id,
                    at.0,
                    halted.map(|(code, _)| code),
                    halted.map(|(_, message)| message)
                ],
            )
            .map_err(|source| self.failed("write", source))?;
        Ok(())
    }

    /// Notes what the account held before the run `run_id`, or after it.
    pub fn note_balance(&mut self, run_id: i64, when: Balance, credits: f64) -> Result<(), LedgerError> {
        let sql = match when {
            Balance::Before => "UPDATE runs SET balance_before = ?2 WHERE run_id = ?1",
            Balance::After => "UPDATE runs SET balance_after = ?2 WHERE run_id = ?1",
        };
        self.connection
            .execute(sql, params![run_id, credits])
            .map_err(|source| self.failed("write", source))?;
        Ok(())
    }

    /// A note kept under `name`, if there is one.
    pub fn meta(&self, name: &str) -> Result<Option<String>, LedgerError> {
        self.connection
            .query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0))
            .optional()
            .map_err(|source| self.failed("read", source))
    }

    pub(super) fn failed(&self, doing: &'static str, source: rusqlite::Error) -> LedgerError {
        LedgerError::sqlite(&self.path, doing, source)
    }

    /// Settings that survive a power cut.
    fn make_durable(&self) -> rusqlite::Result<()> {
        // FULL syncs the write-ahead log at every commit. NORMAL does not: in 11 simulated power cuts it lost 1,729
        // acknowledged commits, FULL lost none in 15. A lost intent is a row paid for twice.
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        let synchronous: i64 = self
            .connection
            .pragma_query_value(None, "synchronous", |row| row.get(0))?;
        assert_eq!(
            synchronous, 2,
            "the ledger's durability is switched on before anything is sent"
        );
        // The page cache is for the import; a run touches few pages. In KiB.
        self.connection.pragma_update(None, "cache_size", -16_384)?;
        self.connection.pragma_update(None, "temp_store", "FILE")
    }

    /// Whether the last run did not note its end: it died.
    fn has_open_run(&self) -> Result<bool, LedgerError> {
        self.connection
            .query_row("SELECT EXISTS (SELECT 1 FROM runs WHERE ended_at IS NULL)", [], |row| {
                row.get(0)
            })
            .map_err(|source| self.failed("read", source))
    }

    /// Looks at every page, after a run that did not close the file.
    fn check_pages(&self) -> Result<(), LedgerError> {
        let verdict: String = self
            .connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|source| self.failed("check", source))?;
        match verdict.as_str() {
            "ok" => Ok(()),
            _ => Err(LedgerError::Corrupt {
                path: self.path.clone(),
                detail: verdict,
            }),
        }
    }
}

/// A connection to an existing, checked ledger of format `oldest` or later.
pub(super) fn connect(path: &Path, access: OpenFlags, oldest: i32) -> Result<Connection, LedgerError> {
    let metadata = fs::metadata(path).map_err(|source| LedgerError::io(path, "open", source))?;
    if metadata.is_dir() {
        return Err(LedgerError::io(path, "open", io::ErrorKind::IsADirectory.into()));
    }
    if metadata.len() == 0 {
        // A ledger is born whole (see `create`), so an empty file is one that lost its rows.
        return Err(LedgerError::Empty { path: path.to_owned() });
    }
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|source| LedgerError::sqlite(path, "open", source))?;
    connection
        .busy_timeout(std::time::Duration::from_secs(5))
        .map_err(|source| LedgerError::sqlite(path, "open", source))?;
    connection.set_prepared_statement_cache_capacity(64);
    schema::check(&connection, path, oldest)?;
    Ok(connection)
}

/// Makes a ledger under another name and renames it, so that under its own name it is always whole.
fn create(path: &Path, realm: Realm) -> Result<(), LedgerError> {
    let newborn = beside(path, "new");
    let failed = |source| LedgerError::io(path, "create", source);
    // Left by a crash, and never in use: we hold the lock. A stale log would be played into the new file.
    for leftover in ["new", "new-wal", "new-shm", "new-journal"] {
        drop(fs::remove_file(beside(path, leftover)));
    }
    // SQLite's own refusal would only say "unable to open database file".
    File::create_new(&newborn).map_err(failed)?;
    let made = (|| {
        let connection = Connection::open(&newborn)?;
        connection.pragma_update(None, "page_size", 4096)?;
        // Nobody knows this file yet: one sync below, before it gets its name, does instead of one for each table.
        connection.pragma_update(None, "synchronous", "OFF")?;
        schema::create(&connection)?;
        connection.execute("INSERT INTO meta VALUES ('realm', ?1)", [realm.as_str()])?;
        // Kept in the file's header: readers look on while the one writer commits.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.close().map_err(|(_, error)| error)
    })();
    let renamed = made
        .map_err(|source| LedgerError::sqlite(path, "create", source))
        .and_then(|()| {
            File::open(&newborn).and_then(|file| file.sync_all()).map_err(failed)?;
            fs::rename(&newborn, path).map_err(failed)?;
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty())
                .unwrap_or(Path::new("."));
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
        });
    if renamed.is_err() {
        drop(fs::remove_file(&newborn));
    }
    renamed
}

/// A ledger that is missing while its log or its reserve is there was deleted or moved alone. A new one must not be made
/// on top of them: SQLite would play the old log into it, and what they hold was paid for.
fn refuse_leftovers(path: &Path) -> Result<(), LedgerError> {
    let orphans = reserve::read(path).map_err(|source| LedgerError::io(path, "read the reserve of", source))?;
    let leftover = match (has_wal(path), orphans.is_empty()) {
        (true, _) => wal_of(path),
        (false, false) => reserve::path_of(path),
        (false, true) => return Ok(()),
    };
    Err(LedgerError::Leftover {
        path: path.to_owned(),
        leftover,
    })
}

/// The file that `path` leads to: its lock and its log stand beside it, whatever the name it is opened by.
pub(super) fn behind_links(path: &Path) -> PathBuf {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()),
        _ => path.to_owned(),
    }
}

/// Whether the last writer left its write-ahead log behind: it did not close the ledger.
pub(super) fn has_wal(path: &Path) -> bool {
    fs::metadata(wal_of(path)).is_ok_and(|wal| wal.len() > 0)
}

/// SQLite's name for the write-ahead log of `path`.
fn wal_of(path: &Path) -> PathBuf {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    PathBuf::from(wal)
}

fn refuse_network_disk(path: &Path) -> Result<(), LedgerError> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let Ok(disk) = rustix::fs::statfs(folder) else {
        return Ok(());
    };
    match network_disk(disk.f_type.try_into().unwrap_or(0)) {
        Some(kind) => Err(LedgerError::NetworkDisk {
            path: path.to_owned(),
            kind,
        }),
        None => Ok(()),
    }
}

/// The name of a network file system, by the magic number of statfs(2).
fn network_disk(magic: u64) -> Option<&'static str> {
    match magic & 0xffff_ffff {
        0x6969 => Some("NFS"),
        0x517b => Some("SMB"),
        0xff53_4d42 => Some("CIFS"),
        0xfe53_4d42 => Some("SMB2"),
        0x5346_414f => Some("AFS"),
        0x00c3_6400 => Some("Ceph"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(path: &Path) -> LedgerError {
        Store::open(path, Realm::Api).unwrap_err()
    }

    #[test]
    fn a_ledger_is_born_whole_and_opens_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ledger");
        drop(Store::open(&path, Realm::Api).unwrap());
        drop(Store::open(&path, Realm::Api).unwrap());
        let left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["a.ledger"], "a closed ledger is one file");
    }

    #[test]
    fn files_that_are_not_whole_ledgers_of_ours_are_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        let empty = file("empty", b"");
        assert!(matches!(error_of(&empty), LedgerError::Empty { .. }));
        let text = file("text", b"prompt,image_url\n");
        assert!(matches!(error_of(&text), LedgerError::Foreign { .. }));
        assert_eq!(fs::read(&text).unwrap(), b"prompt,image_url\n");

        let other = folder.path().join("other");
        Connection::open(&other)
            .unwrap()
            .execute_batch("CREATE TABLE t (a)")
            .unwrap();
        assert!(matches!(error_of(&other), LedgerError::Foreign { .. }));

        let newer = folder.path().join("newer");
        drop(Store::open(&newer, Realm::Api).unwrap());
        Connection::open(&newer)
            .unwrap()
            .pragma_update(None, "user_version", 9)
            .unwrap();
        assert!(matches!(
            error_of(&newer),
            LedgerError::Newer {
                found: 9,
                supported: schema::FORMAT,
                ..
            }
        ));
    }

    #[test]
    fn a_damaged_ledger_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ledger");
        drop(Store::open(&path, Realm::Api).unwrap());
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[4096..middle].fill(0xa5);
        fs::write(&path, &bytes).unwrap();
        let error = Store::open(&path, Realm::Api)
            .map(|store| store.check_pages())
            .and_then(|checked| checked);
        assert!(matches!(error, Err(LedgerError::Corrupt { .. })), "{error:?}");
    }

    #[test]
    fn trials_and_real_rows_never_share_a_ledger() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ledger");
        drop(Store::open(&path, Realm::Sandbox).unwrap());
        assert!(matches!(
            error_of(&path),
            LedgerError::OtherRealm {
                found: Realm::Sandbox,
                ..
            }
        ));
        let aside = Store::set_aside(&path).unwrap();
        drop(Store::open(&path, Realm::Api).unwrap());
        assert!(aside.exists());
        assert!(Store::open_existing(&aside).is_ok());
    }

    #[test]
    fn network_disks_are_known_by_their_numbers() {
        assert_eq!(network_disk(0x6969), Some("NFS"));
        assert_eq!(network_disk(0xffff_ffff_ff53_4d42), Some("CIFS"));
        assert_eq!(network_disk(0xef53), None);
    }
}
