//! Decisions about unknown rows: what the user knows, or accepts, that the ledger cannot find out, and what the API's
//! records show.

use rusqlite::{OptionalExtension, params};

use crate::clock::UnixMillis;
use crate::ledger::state::{Event, next};
use crate::ledger::{AttemptId, LedgerError, Store};
use crate::row::{RowState, TaskId};

/// What becomes of an unknown row, or of one whose request is shown to have been taken after all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It was taken, as this task.
    Accept(TaskId),
    /// The API's record of `task` shows that this request of the row made it. Holds for rows that were queued again, given up
    /// or refused, too: the video is paid for.
    Found {
        /// The task.
        task: TaskId,
        /// The request.
        attempt: AttemptId,
    },
    /// Send it again, even if that pays twice.
    Resubmit,
    /// Give it up.
    Drop,
}

/// What a decision did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The row stands here now.
    Now(RowState),
    /// It was not unknown (for [`Decision::Found`]: it has a task already); nothing was changed.
    NotUnknown(RowState),
    /// There is no such row.
    NoSuchRow,
    /// Another row already has this task id; nothing was changed.
    TaskIdTaken,
}

impl Store {
    /// Applies `decision` to one row, durably.
    pub fn settle(&mut self, row_id: i64, decision: &Decision, at: UnixMillis) -> Result<Settled, LedgerError> {
        let path = self.path.clone();
        let failed = |source| LedgerError::sqlite(&path, "write", source);
        let transaction = self.connection.transaction().map_err(failed)?;
        let state: Option<String> = transaction
            .query_row("SELECT state FROM rows WHERE row_id = ?1", [row_id], |row| row.get(0))
            .optional()
            .map_err(failed)?;
        let Some(state) = state.and_then(|state| state.parse::<RowState>().ok()) else {
            return Ok(Settled::NoSuchRow);
        };
        let event = match decision {
            Decision::Accept(_) | Decision::Found { .. } => Event::TaskIdFound,
            Decision::Resubmit => Event::Resubmitted,
            Decision::Drop => Event::Dropped,
        };
        let is_proof = matches!(decision, Decision::Found { .. });
        let after = match next(state, event) {
            Ok(after) if is_proof || state == RowState::Unknown => after,
            _ => return Ok(Settled::NotUnknown(state)),
        };
        let (task_id, code, message) = match decision {
            Decision::Accept(task) | Decision::Found { task, .. } => (Some(task.as_str()), None, None),
            Decision::Resubmit => (None, None, None),
            Decision::Drop => (
                None,
                Some("dropped"),
                Some("given up by `settle --drop`; it may have been taken"),
            ),
        };
        if let Some(task_id) = task_id {
            let taken = transaction
                .query_row(
                    "SELECT EXISTS (SELECT 1 FROM rows WHERE task_id = ?1)",
                    [task_id],
                    |row| row.get(0),
                )
                .map_err(failed)?;
            if taken {
                return Ok(Settled::TaskIdTaken);
            }
        }
        transaction
            .execute(
                "UPDATE rows SET state = ?2, task_id = ?3, error_code = ?4, error_message = ?5, tries = 0,
                        doubt_since = NULL, doubt_looks = 0,
                        submitted_at = CASE WHEN ?3 IS NULL THEN submitted_at ELSE coalesce(submitted_at, ?6) END,
                        -- A task that a callback named is looked at before the row is sent again.
                        due_at = CASE WHEN ?3 IS NOT NULL THEN ?6
                                      WHEN ?2 = 'queued' AND EXISTS (
                                          SELECT 1 FROM attempts a WHERE a.row_id = ?1 AND a.announced IS NOT NULL
                                                 AND a.announced IS NOT a.task_id AND a.attempt_id > edited_after
                                      ) THEN 0 END
                 WHERE row_id = ?1",
                params![row_id, after.as_str(), task_id, code, message, at.0],
            )
            .map_err(failed)?;
        match decision {
            // The task belongs to the last request whose answer was lost.
            Decision::Accept(task) => transaction.execute(
                "UPDATE attempts SET result = 'accepted', task_id = ?2
                 WHERE attempt_id = (SELECT max(attempt_id) FROM attempts WHERE row_id = ?1 AND result = 'unknown')",
                params![row_id, task.as_str()],
            ),
            Decision::Found { task, attempt } => transaction
                .execute(
                    "UPDATE attempts SET result = 'accepted', task_id = ?3, code = NULL, message = NULL
                     WHERE attempt_id = ?2 AND row_id = ?1",
                    params![row_id, attempt.0, task.as_str()],
                )
                .and_then(|_| {
                    transaction.execute(
                        "UPDATE rows SET submitted_at = (SELECT began_at FROM attempts WHERE attempt_id = ?2)
                         WHERE row_id = ?1",
                        params![row_id, attempt.0],
                    )
                }),
            Decision::Resubmit | Decision::Drop => Ok(0),
        }
        .map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(Settled::Now(after))
    }
}
