//! What a run finds: rows a dead run left, task ids in the reserve, and requests that still count against the window.

use rusqlite::{OptionalExtension, params};

use crate::clock::UnixMillis;
use crate::ledger::state::{Event, next};
use crate::ledger::{LedgerError, Store, reserve};
use crate::row::RowState;

/// What recovery put right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Rows that were `sending` when their run died, and are `unknown` now.
    pub left_sending: u64,
    /// Task ids that were in the reserve file, and are in the ledger now.
    pub from_reserve: u64,
}

/// One of the last requests, for the limiter: its slot may still be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastAttempt {
    /// When its intent was committed.
    pub began_at: UnixMillis,
    /// When its answer came; `None`: the run died first.
    pub answered_at: Option<UnixMillis>,
    /// Until when its answer made everyone wait.
    pub pause_until: Option<UnixMillis>,
}

impl Store {
    /// Takes in the reserve file, then turns every row that a dead run left `sending` into `unknown`: its request may
    /// have reached the API and cost money. To be called before anything else is done with the rows.
    pub fn recover(&mut self, at: UnixMillis) -> Result<Recovered, LedgerError> {
        let path = self.path.clone();
        let orphans = reserve::read(&path).map_err(|source| LedgerError::io(&path, "read the reserve of", source))?;
        let mut recovered = Recovered::default();
        let failed = |source| LedgerError::sqlite(&path, "recover", source);
        let transaction = self.connection.transaction().map_err(failed)?;
        for orphan in &orphans {
            let state: Option<String> = transaction
                .query_row(
                    "SELECT state FROM rows JOIN attempts USING (row_id) WHERE row_id = ?1 AND attempt_id = ?2",
                    [orphan.row_id, orphan.attempt_id],
                    |row| row.get(0),
                )
                .optional()
                .map_err(failed)?;
            // The attempt was committed before its request left, so this ledger is not the one that sent it.
            let state = state.ok_or_else(|| LedgerError::ForeignReserve {
                path: reserve::path_of(&path),
            })?;
            // The commit that failed may have reached the disk after all: then there is nothing left to do.
            let Ok(Ok(accepted)) = state.parse::<RowState>().map(|state| next(state, Event::TaskIdFound)) else {
                continue;
            };
            recovered.from_reserve += 1;
            transaction
                .execute(
                    "UPDATE rows SET state = ?2, task_id = ?3, submitted_at = ?4, due_at = ?4, doubt_since = NULL,
                            doubt_looks = 0, error_code = NULL,
                            error_message = NULL
                     WHERE row_id = ?1",
                    params![orphan.row_id, accepted.as_str(), orphan.task_id.as_str(), orphan.at],
                )
                .map_err(failed)?;
            transaction
                .execute(
                    "UPDATE attempts SET result = 'accepted', answered_at = ?2, task_id = ?3, code = NULL, message = NULL
                     WHERE attempt_id = ?1",
                    params![orphan.attempt_id, orphan.at, orphan.task_id.as_str()],
                )
                .map_err(failed)?;
        }
        let unknown = next(RowState::Sending, Event::RunDied)?;
        let left = transaction
            .execute(
                "UPDATE rows SET state = ?1, error_code = 'interrupted',
                        error_message = 'the run ended while this row was being sent, before its answer was recorded'
                 WHERE state = ?2",
                [unknown.as_str(), RowState::Sending.as_str()],
            )
            .map_err(failed)?;
        recovered.left_sending = left as u64;
        transaction
            .execute(
                "UPDATE attempts SET result = 'unknown', code = 'interrupted' WHERE result IS NULL",
                [],
            )
            .map_err(failed)?;
        // Not the time of an answer, but the moment from which the requests of a dead run are given up.
        transaction
            .execute("UPDATE runs SET ended_at = ?1 WHERE ended_at IS NULL", [at.0])
            .map_err(failed)?;
        transaction.commit().map_err(failed)?;
        reserve::remove(&path).map_err(|source| LedgerError::io(&path, "remove the reserve of", source))?;
        Ok(recovered)
    }

    /// The last `most` requests, the latest first.
    pub fn last_attempts(&self, most: u32) -> Result<Vec<LastAttempt>, LedgerError> {
        let read = || {
            let mut statement = self
                .connection
                .prepare("SELECT began_at, answered_at, pause_until FROM attempts ORDER BY attempt_id DESC LIMIT ?1")?;
            let rows = statement.query_map([most], |row| {
                Ok(LastAttempt {
                    began_at: UnixMillis(row.get(0)?),
                    answered_at: row.get::<_, Option<i64>>(1)?.map(UnixMillis),
                    pause_until: row.get::<_, Option<i64>>(2)?.map(UnixMillis),
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|source| self.failed("read", source))
    }
}
