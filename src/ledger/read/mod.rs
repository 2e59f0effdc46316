//! Looking at a ledger without changing it, also while a run works on it.
//!
//! | file | reads |
//! | --- | --- |
//! | `rows.rs` | rows, one after the other or one alone |
//! | `requests.rs` | requests, and the tasks they made |
//! | `history.rs` | runs, and what requests and tasks came to |
//! | `totals.rs` | how many |
//! | `money.rs` | what they cost |

mod history;
mod money;
mod requests;
mod rows;
mod totals;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::ledger::store::{behind_links, connect, has_wal};
use crate::ledger::{LedgerError, Realm, schema};

pub use history::{EndedRow, PastRequest, PastRun};
pub use money::{Account, Money};
pub use requests::{AttemptRow, Bearer};
pub use rows::StoredRow;
pub(super) use rows::state_of;
pub use totals::{StandingApart, Totals};

/// Whether a request (`a`) of a row (`r`) made a task that no row has, by the word of a callback: it was answered with an
/// error, or the row has another task, or other content since.
const IS_EXTRA: &str = "(a.announced IS NOT NULL AND a.announced IS NOT a.task_id AND a.announced IS NOT r.task_id
     AND (r.task_id IS NOT NULL OR a.attempt_id <= r.edited_after))";

/// A connection of its own that changes no record.
pub struct Reader {
    pub(super) connection: Connection,
    path: PathBuf,
    /// Which file it is, whatever bears its name later. `None`: it was taken for one that nobody changes.
    file: Option<(u64, u64)>,
}

impl Reader {
    /// Opens the ledger for looking. Needs no lock.
    pub fn open(path: &Path) -> Result<Reader, LedgerError> {
        let path = &behind_links(path);
        if !path
            .try_exists()
            .map_err(|source| LedgerError::io(path, "open", source))?
        {
            return Err(LedgerError::Missing { path: path.to_owned() });
        }
        // Looked at first: should another file take the name now, what is read is known to be of the past.
        let mut file = file_at(path);
        // Able to write, because the last connection that is closed tidies up: a mere reader would leave SQLite's log
        // and its index behind.
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, schema::FORMAT).and_then(|connection| {
            let only_looks = connection.pragma_update(None, "query_only", true);
            only_looks.map_err(|source| LedgerError::sqlite(path, "open", source))?;
            Ok(connection)
        });
        let connection = connection.or_else(|error| match &error {
            // In a folder we may not write to, the log's index cannot be made; a closed ledger needs none. With a log
            // beside it, reading the file alone would show the past.
            LedgerError::Sqlite { .. } if !has_wal(path) => {
                let uri = format!("file:{}?immutable=1", percent_encoded(path));
                // Good for one look: what is written from now on would not be seen.
                file = None;
                connect_uri(path, &uri)
            }
            _ => Err(error),
        })?;
        Ok(Reader {
            connection,
            path: path.to_owned(),
            file,
        })
    }

    /// Whether the file that is read is still the one at its path. Where it is not, what is read is of the past.
    pub fn is_current(&self) -> bool {
        // While it is open its number is not given to another file.
        self.file.is_some() && file_at(&self.path) == self.file
    }

    /// A number that changes whenever somebody else has committed something.
    pub fn version(&self) -> Result<i64, LedgerError> {
        self.connection
            .pragma_query_value(None, "data_version", |row| row.get(0))
            .map_err(|source| self.failed(source))
    }

    /// Whether the rows were sent to the embedded sandbox.
    pub fn is_trial(&self) -> Result<bool, LedgerError> {
        Ok(self.meta("realm")?.as_deref() == Some(Realm::Sandbox.as_str()))
    }

    /// A note kept under `name`.
    pub fn meta(&self, name: &str) -> Result<Option<String>, LedgerError> {
        self.connection
            .query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0))
            .optional()
            .map_err(|source| self.failed(source))
    }

    pub(super) fn failed(&self, source: rusqlite::Error) -> LedgerError {
        LedgerError::sqlite(&self.path, "read", source)
    }
}

fn file_at(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn connect_uri(path: &Path, uri: &str) -> Result<Connection, LedgerError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(uri, flags).map_err(|source| LedgerError::sqlite(path, "open", source))?;
    schema::check(&connection, path, schema::FORMAT)?;
    Ok(connection)
}

/// A path as SQLite's URIs want it.
fn percent_encoded(path: &Path) -> String {
    use std::fmt::Write;
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str()
        .as_bytes()
        .iter()
        .fold(String::new(), |mut text, byte| {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => text.push(char::from(*byte)),
                other => write!(text, "%{other:02x}").expect("writing to a string cannot fail"),
            }
            text
        })
}
