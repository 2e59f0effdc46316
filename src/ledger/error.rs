//! Why the ledger cannot go on. After any of these no more requests start.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::ErrorCode;

use crate::ledger::lock::Owner;
use crate::ledger::state::IllegalMove;

/// Cloneable, because one failed commit answers every step that was grouped into it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// Another process works on this ledger.
    #[error("`{}` is in use by {owner}", path.display())]
    Locked {
        /// The ledger.
        path: PathBuf,
        /// Who holds it.
        owner: Owner,
    },
    /// There is no ledger.
    #[error("there is no ledger at `{}`", path.display())]
    Missing {
        /// Where it would be.
        path: PathBuf,
    },
    /// The file holds nothing.
    #[error("the ledger `{}` is empty: it was cut off, or something else wrote it", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Not one of our files.
    #[error("`{}` is not a ledger of hailuo-batch", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Written by a newer program.
    #[error("`{}` has ledger format {found}; this program reads up to {supported}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i32,
        /// Ours.
        supported: i32,
    },
    /// Written by an earlier program, and only looked at.
    #[error("`{}` was written by an earlier version", path.display())]
    Older {
        /// The file.
        path: PathBuf,
    },
    /// Damaged.
    #[error("the ledger `{}` is damaged: {detail}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What SQLite found.
        detail: String,
    },
    /// On a disk whose locks and syncs cannot be trusted.
    #[error("the ledger `{}` would be on a network disk ({kind}), whose locks and syncs cannot be relied on", path.display())]
    NetworkDisk {
        /// The file.
        path: PathBuf,
        /// The file system.
        kind: &'static str,
    },
    /// It records trials in the sandbox and now money is meant, or the other way round.
    #[error("the ledger `{}` belongs to {found}, not to {wanted}", path.display())]
    OtherRealm {
        /// The file.
        path: PathBuf,
        /// What it records.
        found: crate::ledger::Realm,
        /// What was asked for.
        wanted: crate::ledger::Realm,
    },
    /// Parts of a ledger without the ledger.
    #[error("the ledger `{}` is missing, and `{}` that belongs to it is there", path.display(), leftover.display())]
    Leftover {
        /// The ledger.
        path: PathBuf,
        /// What is left of it.
        leftover: PathBuf,
    },
    /// The file is no longer the one that was opened.
    #[error("the ledger `{}` was moved, deleted or replaced while the run was at work", path.display())]
    Moved {
        /// Where it was.
        path: PathBuf,
    },
    /// The reserve file beside the ledger holds task ids of requests that this ledger never made.
    #[error("`{}` holds task ids that belong to another ledger", path.display())]
    ForeignReserve {
        /// The reserve file.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What we were doing.
        doing: &'static str,
        /// Why not.
        #[source]
        source: Arc<io::Error>,
    },
    /// SQLite refused.
    #[error("cannot {doing} the ledger `{}`", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What we were doing.
        doing: &'static str,
        /// Why not.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// Something else changed the row: a bug, or a second writer. Stopping is the only safe answer.
    #[error("the ledger and the run disagree about row id {row_id}: {detail}")]
    Conflict {
        /// The ledger's number of the row.
        row_id: i64,
        /// What was expected.
        detail: String,
    },
    /// A state machine violation.
    #[error("the ledger refuses a step")]
    IllegalMove(#[from] IllegalMove),
    /// The writer's thread is gone.
    #[error("the ledger's writer has stopped")]
    Stopped,
}

impl LedgerError {
    pub(super) fn io(path: &Path, doing: &'static str, source: io::Error) -> LedgerError {
        LedgerError::Io {
            path: path.to_owned(),
            doing,
            source: Arc::new(source),
        }
    }

    pub(super) fn sqlite(path: &Path, doing: &'static str, source: rusqlite::Error) -> LedgerError {
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => LedgerError::Foreign { path: path.to_owned() },
            Some(ErrorCode::DatabaseCorrupt) => LedgerError::Corrupt {
                path: path.to_owned(),
                detail: source.to_string(),
            },
            _ => LedgerError::Sqlite {
                path: path.to_owned(),
                doing,
                source: Arc::new(source),
            },
        }
    }

    /// What the user can do about it.
    pub fn help(&self) -> String {
        match self {
            LedgerError::Locked { .. } => {
                "wait until it has finished, or end it; one run works on a ledger at a time. To look on meanwhile: \
                 `hailuo-batch status`, or `hailuo-batch serve --view-only` for a page"
                    .into()
            }
            LedgerError::Missing { .. } => "nothing has been run yet, or the ledger is elsewhere: start with `hailuo-batch run`, or name it with `--ledger`".into(),
            LedgerError::Empty { path } | LedgerError::Corrupt { path, .. } => format!(
                "the file was left as it is. Restore it from a backup, or save what can be read with \
                 `sqlite3 {0} .recover`; delete it only if paying again for its rows is acceptable",
                path.display()
            ),
            LedgerError::Foreign { .. } => "the file was left as it is. If it was this batch's ledger, restore it from a backup, as a new one pays again \
                 for every row; else choose another place with `--ledger`"
                    .into(),
            LedgerError::Newer { .. } => "update hailuo-batch, or use the version that wrote it".into(),
            LedgerError::Older { .. } => "`hailuo-batch run`, `collect` or `settle` brings it up to date; nothing in it is lost".into(),
            LedgerError::NetworkDisk { .. } => "keep it on a local disk: `--ledger /some/local/path`".into(),
            LedgerError::OtherRealm { .. } => "use another ledger for the trial: `--ledger trial.ledger`".into(),
            LedgerError::Leftover { leftover, .. } => format!(
                "bring the ledger back from where it was moved, or from a backup; remove `{}` only if paying again for its \
                 rows is acceptable",
                leftover.display()
            ),
            LedgerError::Moved { .. } => {
                "sending has stopped: put the ledger back where it was, then run the same command".into()
            }
            LedgerError::ForeignReserve { .. } => {
                "they were paid for by a run whose ledger is no longer here: bring it back if you can, else keep this file \
                 under another name, then run again"
                    .into()
            }
            LedgerError::Io { source, .. } => io_help(source.kind()).into(),
            LedgerError::Sqlite { source, .. } if no_room_for_index(source) => {
                "the disk is full: make room and run the same command again".into()
            }
            LedgerError::Sqlite { source, .. } => match source.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => {
                    "the disk is full: make room and run the same command again; what was done stays done".into()
                }
                Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                    "the place is read-only: choose another with `--ledger`".into()
                }
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                    "another program has the file open for writing: close it and run again".into()
                }
                _ => "sending has stopped and what was done stays done: mend the disk and run the same command again"
                    .into(),
            },
            LedgerError::Conflict { .. } | LedgerError::IllegalMove(_) => {
                "sending has stopped; run again, and report this with the ledger if it comes back".into()
            }
            LedgerError::Stopped => "run the same command again".into(),
        }
    }
}

/// SQLite calls it an I/O error when the index of its log finds no room.
fn no_room_for_index(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}

fn io_help(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "the place is read-only: choose another with `--ledger`"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full: make room and run the same command again"
        }
        io::ErrorKind::NotFound => "the folder does not exist: create it, or choose another place with `--ledger`",
        io::ErrorKind::IsADirectory => "a folder of that name is in the way: choose another place with `--ledger`",
        _ => "check the path, or choose another with `--ledger`",
    }
}
