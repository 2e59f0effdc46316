//! The ledger's file format: how to tell our file from another, and which formats this program reads.

use std::path::Path;

use rusqlite::Connection;

use crate::ledger::LedgerError;

/// `HLB1` in SQLite's header: what makes a database file a ledger of ours.
const APPLICATION_ID: i32 = 0x484c_4231;

/// The format this program writes, and the newest it reads.
pub(super) const FORMAT: i32 = 2;

/// The oldest format that [`upgrade`] takes.
pub(super) const OLDEST: i32 = 1;

/// Makes the tables in an empty database.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(include_str!("schema.sql"))?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", FORMAT)
}

/// Brings the file of an earlier program to our format, in one transaction: a crash leaves it as it was. Returns whether
/// there was anything to do.
pub(super) fn upgrade(connection: &mut Connection) -> rusqlite::Result<bool> {
    let format: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if format == FORMAT {
        return Ok(false);
    }
    let transaction = connection.transaction()?;
    transaction.execute_batch(include_str!("upgrade.sql"))?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()?;
    Ok(true)
}

/// Refuses a file that is not a ledger, or one of a newer program. `oldest` is the oldest format that will do.
pub(super) fn check(connection: &Connection, path: &Path, oldest: i32) -> Result<(), LedgerError> {
    let read = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let read = |name| read(name).map_err(|source| LedgerError::sqlite(path, "read", source));
    if read("application_id")? != APPLICATION_ID {
        return Err(LedgerError::Foreign { path: path.to_owned() });
    }
    match read("user_version")? {
        found if (oldest..=FORMAT).contains(&found) => Ok(()),
        found if (1..oldest).contains(&found) => Err(LedgerError::Older { path: path.to_owned() }),
        found if found > FORMAT => Err(LedgerError::Newer {
            path: path.to_owned(),
            found,
            supported: FORMAT,
        }),
        _ => Err(LedgerError::Foreign { path: path.to_owned() }),
    }
}
