//! Requests, and the tasks they made.

use rusqlite::OptionalExtension;

use super::IS_EXTRA;
use crate::clock::UnixMillis;
use crate::ledger::{AttemptId, LedgerError, Reader};
use crate::row::Token;

/// One request, as it was recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRow {
    /// The ledger's number for it.
    pub id: AttemptId,
    /// When its intent was committed.
    pub began_at: UnixMillis,
    /// When its answer came.
    pub answered_at: Option<UnixMillis>,
    /// accepted, again, rejected, unknown; `None` while in flight.
    pub result: Option<String>,
    /// HTTP status.
    pub http_status: Option<u16>,
    /// The API's code or our word.
    pub code: Option<String>,
    /// The text.
    pub message: Option<String>,
    /// The task id it brought.
    pub task_id: Option<String>,
    /// Credits it cost, if it was taken.
    pub cost: Option<f64>,
    /// A task that a callback named for it.
    pub announced: Option<String>,
    /// succeeded, failed; `None` while its task is not known to have ended.
    pub ended: Option<String>,
    /// Credits its task consumed, by the API's own word.
    pub credits: Option<f64>,
}

/// The request that a callback token names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// The row it was made for.
    pub row_id: i64,
    /// Its secret.
    pub token: Token,
    /// The task it is known to have made.
    pub task_id: Option<String>,
}

impl Reader {
    /// The requests made for a row, in order.
    pub fn attempts(&self, row_id: i64) -> Result<Vec<AttemptRow>, LedgerError> {
        let read = || {
            let mut statement = self.connection.prepare_cached(
                "SELECT began_at, answered_at, result, http_status, code, message, task_id, cost, announced,
                        ended, credits, attempt_id
                 FROM attempts WHERE row_id = ?1 ORDER BY attempt_id",
            )?;
            let rows = statement.query_map([row_id], |row| {
                Ok(AttemptRow {
                    id: AttemptId(row.get(11)?),
                    began_at: UnixMillis(row.get(0)?),
                    answered_at: row.get::<_, Option<i64>>(1)?.map(UnixMillis),
                    result: row.get(2)?,
                    http_status: row.get(3)?,
                    code: row.get(4)?,
                    message: row.get(5)?,
                    task_id: row.get(6)?,
                    cost: row.get(7)?,
                    announced: row.get(8)?,
                    ended: row.get(9)?,
                    credits: row.get(10)?,
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|source| self.failed(source))
    }

    /// The request with this number.
    pub fn bearer(&self, attempt: AttemptId) -> Result<Option<Bearer>, LedgerError> {
        self.connection
            .prepare_cached("SELECT row_id, token, task_id FROM attempts WHERE attempt_id = ?1")
            .and_then(|mut statement| {
                let bearer = statement.query_row([attempt.0], |row| {
                    Ok(Bearer {
                        row_id: row.get(0)?,
                        token: Token(row.get(1)?),
                        task_id: row.get(2)?,
                    })
                });
                bearer.optional()
            })
            .map_err(|source| self.failed(source))
    }

    /// Every task that belongs to a row or did, with the row's number in the ledger; some more than once.
    pub fn for_each_task(&self, mut visit: impl FnMut(&str, i64)) -> Result<(), LedgerError> {
        let mut read = || {
            let mut statement = self.connection.prepare(
                "SELECT task_id, row_id FROM rows WHERE task_id IS NOT NULL
                 UNION ALL SELECT task_id, row_id FROM attempts WHERE task_id IS NOT NULL",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                visit(row.get_ref(0)?.as_str()?, row.get(1)?);
            }
            Ok(())
        };
        read().map_err(|source| self.failed(source))
    }

    /// Whether the video of this task is saved. Reads the rows from the first on: for a few tasks.
    pub fn is_saved(&self, task_id: &str) -> Result<bool, LedgerError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM rows WHERE task_id = ?1 AND state = 'saved')";
        let found = self.connection.query_row(sql, [task_id], |row| row.get(0));
        found.map_err(|source| self.failed(source))
    }

    /// Tasks that callbacks named and no row has: made by requests that were answered with an error, or of content that
    /// was edited since. They may have been charged. Each with its row's place in the manifest; at most `most`.
    pub fn extra_tasks(&self, most: u32) -> Result<Vec<(Option<u32>, String)>, LedgerError> {
        let read = || {
            let mut statement = self.connection.prepare(&format!(
                "SELECT m.number, a.announced FROM attempts a JOIN rows r USING (row_id) LEFT JOIN manifest m USING (row_id)
                 WHERE {IS_EXTRA} ORDER BY a.attempt_id LIMIT ?1",
            ))?;
            let rows = statement.query_map([most], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|source| self.failed(source))
    }
}
