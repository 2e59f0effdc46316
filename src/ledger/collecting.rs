//! The steps of collecting, as SQL inside the writer's transactions.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::clock::UnixMillis;
use crate::ledger::read::state_of;
use crate::ledger::state::{Event, next};
use crate::ledger::{
    Announced, Announcement, AttemptId, Awaited, Claim, Due, LedgerError, NotSaved, OpenTask, SavedVideo, Seen,
    Sighting, Store, Unsaved,
};
use crate::row::{RowState, TaskId, Token};

/// Tasks that are waited for are looked at more often than this; a new collector looks at the others at once.
const LONGEST_PLAN: Duration = Duration::from_secs(10 * 60);

/// How long to leave alone an announced task whose row is being sent at this moment: its answer is on the way.
const WHILE_SENDING_MS: i64 = 2_000;

impl Store {
    /// Makes every accepted row due to be looked at, whichever way it was accepted, and, with `save`, every finished
    /// one due to be fetched, the oldest first. To be called when a collector starts, at `now` by its clock.
    pub fn prepare_collecting(&mut self, save: bool, now: UnixMillis) -> Result<(), LedgerError> {
        let run = |sql, at: UnixMillis| {
            let done = self.connection.execute(sql, [at.0]).map(drop);
            done.map_err(|source| self.failed("write", source))
        };
        // Rows that a results file brought along have no moment of their own.
        run(
            "UPDATE rows SET submitted_at = ?1 WHERE state = 'accepted' AND submitted_at IS NULL",
            now,
        )?;
        run(
            "UPDATE rows SET due_at = min(submitted_at, ?1) WHERE state = 'accepted' AND due_at IS NULL",
            now,
        )?;
        // A task that nobody waits for any more, or one that was planned for by a clock that has been set back since.
        run(
            "UPDATE rows SET due_at = 0 WHERE due_at > ?1 AND state <> 'succeeded'",
            now.after(LONGEST_PLAN),
        )?;
        self.look_once_more()?;
        if save {
            run(
                "UPDATE rows SET due_at = min(completed_at, ?1) WHERE state = 'succeeded'",
                now,
            )?;
        }
        // Rows that left the manifest are left alone, and would only stand in the way of those that are due.
        run(
            "UPDATE rows SET due_at = NULL WHERE due_at <= ?1 AND state IN ('accepted', 'succeeded', 'failed')
             AND row_id NOT IN (SELECT row_id FROM manifest WHERE row_id IS NOT NULL)",
            UnixMillis(i64::MAX),
        )
    }

    /// Tasks that were given up for want of a record, or of a video, are looked at once more: the API may have found
    /// them again, or the one that was asked was another. They stay failed until a record says otherwise.
    fn look_once_more(&self) -> Result<(), LedgerError> {
        self.connection
            .execute(
                "UPDATE rows SET due_at = 0 WHERE state = 'failed' AND error_code IN ('no_record', 'no_result')",
                [],
            )
            .map(drop)
            .map_err(|source| self.failed("write", source))
    }

    /// Puts saved rows back whose file `is_there` no longer finds, so that it is fetched again. Returns how many.
    pub fn fetch_missing(&mut self, mut is_there: impl FnMut(&str) -> bool) -> Result<u64, LedgerError> {
        let path = self.path.clone();
        let failed = |source| LedgerError::sqlite(&path, "write", source);
        let after = next(RowState::Saved, Event::VideoLost)?;
        let transaction = self.connection.transaction().map_err(failed)?;
        let mut missing = Vec::new();
        {
            let mut saved = transaction
                .prepare(
                    "SELECT r.row_id, r.video_file FROM rows r JOIN manifest m USING (row_id) WHERE r.state = 'saved'",
                )
                .map_err(failed)?;
            let mut rows = saved.query([]).map_err(failed)?;
            while let Some(row) = rows.next().map_err(failed)? {
                let file = row.get_ref(1).map_err(failed)?.as_str().unwrap_or_default();
                if !is_there(file) {
                    missing.push(row.get::<_, i64>(0).map_err(failed)?);
                }
            }
        }
        for row_id in &missing {
            transaction
                .prepare_cached(
                    "UPDATE rows SET state = ?2, due_at = completed_at, video_file = NULL, video_bytes = NULL,
                            video_sha256 = NULL WHERE row_id = ?1",
                )
                .and_then(|mut statement| statement.execute(params![row_id, after.as_str()]))
                .map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        Ok(missing.len() as u64)
    }
}

/// See [`crate::ledger::Tasks::due`].
pub(super) fn due(connection: &Connection, now: UnixMillis, most: usize) -> rusqlite::Result<Due<OpenTask>> {
    let mut statement = connection.prepare_cached(
        "SELECT r.row_id, coalesce(m.number, 0), r.state, r.task_id, coalesce(r.submitted_at, r.due_at), r.doubt_since,
                r.doubt_looks
         FROM rows r INDEXED BY rows_to_look_at LEFT JOIN manifest m USING (row_id)
         WHERE r.due_at IS NOT NULL AND r.state <> 'succeeded' AND r.due_at <= ?1
               AND (m.number IS NOT NULL OR r.state NOT IN ('accepted', 'failed'))
         ORDER BY r.due_at LIMIT ?2",
    )?;
    let mut rows = statement.query(params![now.0, i64::try_from(most).unwrap_or(i64::MAX)])?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        let state = state_of(row, 2)?;
        let open = if matches!(state, RowState::Accepted | RowState::Failed) {
            task_of(row.get_ref(3)?.as_str_or_null()?).map(|task_id| (task_id, None, row.get(4)))
        } else {
            announced(connection, row.get(0)?)?.map(|(task_id, claim, began_at)| (task_id, Some(claim), Ok(began_at)))
        };
        let Some((task_id, claim, submitted_at)) = open else {
            continue;
        };
        due.push(OpenTask {
            row_id: row.get(0)?,
            number: row.get(1)?,
            task_id,
            state,
            claim,
            submitted_at: UnixMillis(submitted_at?),
            doubt_since: row.get::<_, Option<i64>>(5)?.map(UnixMillis),
            doubt_looks: row.get(6)?,
        });
    }
    let next = next_due(
        connection,
        "SELECT r.due_at FROM rows r INDEXED BY rows_to_look_at LEFT JOIN manifest m USING (row_id)
         WHERE r.due_at IS NOT NULL AND r.state <> 'succeeded' AND r.due_at > ?1
               AND (m.number IS NOT NULL OR r.state NOT IN ('accepted', 'failed'))
         ORDER BY r.due_at LIMIT 1",
        now,
    )?;
    Ok(Due { now: due, next })
}

/// See [`crate::ledger::Tasks::to_save`].
pub(super) fn to_save(connection: &Connection, now: UnixMillis, most: usize) -> rusqlite::Result<Due<Unsaved>> {
    let mut statement = connection.prepare_cached(
        "SELECT r.row_id, m.number, r.id, r.submission ->> 'prompt', r.task_id, r.video_url, r.completed_at
         FROM rows r INDEXED BY rows_to_save JOIN manifest m USING (row_id)
         WHERE r.due_at IS NOT NULL AND r.state = 'succeeded' AND r.due_at <= ?1 ORDER BY r.due_at LIMIT ?2",
    )?;
    let mut rows = statement.query(params![now.0, i64::try_from(most).unwrap_or(i64::MAX)])?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        let Some(task_id) = task_of(row.get_ref(4)?.as_str_or_null()?) else {
            continue;
        };
        due.push(Unsaved {
            row_id: row.get(0)?,
            number: row.get(1)?,
            id: row.get(2)?,
            prompt: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
            task_id,
            url: row.get::<_, Option<String>>(5)?.unwrap_or_default(),
            completed_at: UnixMillis(row.get::<_, Option<i64>>(6)?.unwrap_or_default()),
        });
    }
    let next = next_due(
        connection,
        "SELECT r.due_at FROM rows r INDEXED BY rows_to_save JOIN manifest m USING (row_id)
         WHERE r.due_at IS NOT NULL AND r.state = 'succeeded' AND r.due_at > ?1 ORDER BY r.due_at LIMIT 1",
        now,
    )?;
    Ok(Due { now: due, next })
}

fn next_due(connection: &Connection, sql: &str, now: UnixMillis) -> rusqlite::Result<Option<UnixMillis>> {
    connection
        .prepare_cached(sql)?
        .query_row([now.0], |row| row.get(0).map(UnixMillis))
        .optional()
}

/// The last task that a callback named for a request of this row, as its content is now.
fn announced(connection: &Connection, row_id: i64) -> rusqlite::Result<Option<(TaskId, Claim, i64)>> {
    let found = connection
        .prepare_cached(
            "SELECT attempt_id, token, announced, began_at FROM attempts
             WHERE row_id = ?1 AND announced IS NOT NULL AND announced IS NOT task_id
                   AND attempt_id > (SELECT edited_after FROM rows WHERE row_id = ?1)
             ORDER BY attempt_id DESC LIMIT 1",
        )?
        .query_row([row_id], |row| {
            let claim = Claim {
                attempt: AttemptId(row.get(0)?),
                token: Token(row.get(1)?),
            };
            Ok((row.get::<_, String>(2)?, claim, row.get(3)?))
        })
        .optional()?;
    Ok(found.and_then(|(task_id, claim, began_at)| Some((TaskId::new(&task_id)?, claim, began_at))))
}

fn task_of(text: Option<&str>) -> Option<TaskId> {
    text.and_then(TaskId::new)
}

/// See [`crate::ledger::Tasks::announce`].
pub(super) fn announce(connection: &Connection, announcement: &Announcement) -> Result<Announced, StepError> {
    let Announcement {
        attempt,
        token,
        task_id,
    } = announcement;
    let found = connection
        .prepare_cached(
            "SELECT a.token, a.announced, a.task_id, r.row_id, r.state, r.task_id, r.due_at,
                    a.attempt_id <= r.edited_after,
                    r.state = 'failed' AND coalesce(r.error_code, '') IN ('no_record', 'no_result'),
                    (SELECT number FROM manifest m WHERE m.row_id = r.row_id)
             FROM attempts a JOIN rows r USING (row_id) WHERE a.attempt_id = ?1",
        )?
        .query_row([attempt.0], addressed)
        .optional()?;
    let Some(addressed) = found.filter(|addressed| addressed.token.is(token)) else {
        return Ok(Announced::NoSuchRequest);
    };
    let Addressed {
        row_id, number, due_at, ..
    } = addressed;
    let task = Some(task_id.as_str());
    let is_own = addressed.row_task.as_deref() == task;
    // A task that the row had before it was queued again is no news either.
    let is_open = addressed.state == RowState::Accepted || addressed.was_given_up;
    if (is_own && !is_open) || (!is_own && addressed.attempts_task.as_deref() == task) {
        return Ok(Announced::Known);
    }
    // A flood of the same callback writes once.
    if !is_own && addressed.announced.as_deref() != task {
        connection
            .prepare_cached("UPDATE attempts SET announced = ?2 WHERE attempt_id = ?1")?
            .execute(params![attempt.0, task_id.as_str()])?;
    }
    // Made of what the row was before it was edited: its video would be another's.
    if !is_own && (addressed.row_task.is_some() || addressed.is_outdated) {
        return Ok(Announced::Extra { number });
    }
    // Before everything that is due by a clock, whichever clock.
    if due_at != Some(0) {
        connection
            .prepare_cached("UPDATE rows SET due_at = 0 WHERE row_id = ?1")?
            .execute([row_id])?;
    }
    Ok(Announced::Due)
}

/// The request that an announcement names, and its row.
struct Addressed {
    token: Token,
    announced: Option<String>,
    attempts_task: Option<String>,
    row_id: i64,
    state: RowState,
    row_task: Option<String>,
    due_at: Option<i64>,
    /// The row has other content since.
    is_outdated: bool,
    /// For want of a record, or of a video.
    was_given_up: bool,
    number: Option<u32>,
}

fn addressed(row: &Row<'_>) -> rusqlite::Result<Addressed> {
    Ok(Addressed {
        token: Token(row.get(0)?),
        announced: row.get(1)?,
        attempts_task: row.get(2)?,
        row_id: row.get(3)?,
        state: state_of(row, 4)?,
        row_task: row.get(5)?,
        due_at: row.get(6)?,
        is_outdated: row.get(7)?,
        was_given_up: row.get(8)?,
        number: row.get(9)?,
    })
}

/// See [`crate::ledger::Tasks::awaited`].
pub(super) fn awaited(connection: &Connection, since: UnixMillis, now: UnixMillis) -> rusqlite::Result<Awaited> {
    connection.query_row(
        "SELECT count(DISTINCT r.row_id), max(a.began_at)
         FROM rows r JOIN manifest m USING (row_id) JOIN attempts a USING (row_id)
         WHERE r.state = 'unknown' AND a.result = 'unknown' AND a.began_at BETWEEN ?1 AND ?2",
        [since.0, now.0],
        |row| {
            Ok(Awaited {
                rows: row.get::<_, i64>(0)?.unsigned_abs(),
                last_began_at: row.get::<_, Option<i64>>(1)?.map(UnixMillis),
            })
        },
    )
}

/// See [`crate::ledger::Tasks::seen`].
pub(super) fn seen(connection: &Connection, sighting: &Sighting) -> Result<Option<RowState>, StepError> {
    let Sighting {
        row_id, task_id, at, ..
    } = sighting;
    let (mut state, own, code): (RowState, Option<String>, Option<String>) = connection
        .prepare_cached("SELECT state, task_id, error_code FROM rows WHERE row_id = ?1")?
        .query_row([row_id], |row| Ok((state_of(row, 0)?, row.get(1)?, row.get(2)?)))?;
    let is_own = own.as_deref() == Some(task_id.as_str());
    match sighting.claim {
        Some(attempt) if !is_own => match claim(connection, sighting, attempt, state)? {
            Some(after) => state = after,
            None => return Ok(None),
        },
        None if is_own && state == RowState::Failed && code.as_deref().is_some_and(is_given_up) => {
            match reopen(connection, sighting)? {
                Some(after) => state = after,
                None => return Ok(None),
            }
        }
        // Somebody else has settled it since: a callback, or an answer that was on its way.
        _ if !is_own || state != RowState::Accepted => return Ok(None),
        _ => {}
    }
    let look_again = |due_at: &UnixMillis| {
        connection
            .prepare_cached("UPDATE rows SET due_at = ?2 WHERE row_id = ?1")?
            .execute(params![row_id, due_at.0])
    };
    match &sighting.seen {
        Seen::AtWork { due_at } => {
            connection
                .prepare_cached("UPDATE rows SET due_at = ?2, doubt_since = NULL, doubt_looks = 0 WHERE row_id = ?1")?
                .execute(params![row_id, due_at.0])?;
        }
        Seen::Nothing { due_at } => drop(look_again(due_at)?),
        Seen::Doubtful { due_at } => note_doubt(connection, *row_id, *due_at, *at)?,
        Seen::Succeeded {
            url,
            credits,
            completed_at,
        } => {
            state = next(state, Event::Succeeded)?;
            connection
                .prepare_cached(
                    "UPDATE rows SET state = ?2, video_url = ?3, credits = ?4, completed_at = ?5,
                            due_at = min(?5, ?6), doubt_since = NULL, doubt_looks = 0, error_code = NULL, error_message = NULL
                     WHERE row_id = ?1",
                )?
                .execute(params![row_id, state.as_str(), url, credits, completed_at.0, at.0])?;
            end_attempt(connection, sighting, state, *credits)?;
        }
        Seen::Failed {
            code,
            message,
            credits,
            completed_at,
        } => {
            state = next(state, Event::Failed)?;
            connection
                .prepare_cached(
                    "UPDATE rows SET state = ?2, error_code = ?3, error_message = ?4, credits = ?5, completed_at = ?6,
                            due_at = NULL
                     WHERE row_id = ?1",
                )?
                .execute(params![row_id, state.as_str(), code, message, credits, completed_at.0])?;
            end_attempt(connection, sighting, state, *credits)?;
        }
        Seen::NotOurs => return Ok(None),
    }
    Ok(Some(state))
}

/// Whether a failed row with this code may still turn out otherwise.
fn is_given_up(code: &str) -> bool {
    matches!(code, "no_record" | "no_result")
}

/// A task that was given up, seen once more. `None`: it stays so.
fn reopen(connection: &Connection, sighting: &Sighting) -> Result<Option<RowState>, StepError> {
    let row_id = sighting.row_id;
    let due_at = match &sighting.seen {
        Seen::Failed { code, .. } if is_given_up(code) => None,
        Seen::Nothing { due_at } | Seen::Doubtful { due_at } => Some(due_at.0),
        Seen::NotOurs => None,
        Seen::AtWork { .. } | Seen::Succeeded { .. } | Seen::Failed { .. } => {
            let accepted = next(RowState::Failed, Event::Reopened)?;
            connection
                .prepare_cached(
                    "UPDATE rows SET state = ?2, error_code = NULL, error_message = NULL, completed_at = NULL WHERE row_id = ?1",
                )?
                .execute(params![row_id, accepted.as_str()])?;
            connection
                .prepare_cached("UPDATE attempts SET ended = NULL WHERE row_id = ?1 AND task_id = ?2")?
                .execute(params![row_id, sighting.task_id.as_str()])?;
            return Ok(Some(accepted));
        }
    };
    connection
        .prepare_cached("UPDATE rows SET due_at = ?2 WHERE row_id = ?1")?
        .execute(params![row_id, due_at])?;
    Ok(None)
}

/// Gives a row the task that a callback announced for it, once its record shows that it is ours. `None`: not now, or
/// not ever, and the row stays as it is.
fn claim(
    connection: &Connection,
    sighting: &Sighting,
    attempt: AttemptId,
    state: RowState,
) -> Result<Option<RowState>, StepError> {
    let row_id = sighting.row_id;
    let due_at = match sighting.seen {
        // Its answer is on the way, and will name the task itself.
        _ if state == RowState::Sending => Some(sighting.at.0 + WHILE_SENDING_MS),
        // It has another task by now.
        _ if next(state, Event::TaskIdFound).is_err() => return Ok(None),
        Seen::NotOurs => None,
        // The record has to be there before it is believed.
        Seen::Nothing { due_at } => Some(due_at.0),
        Seen::Doubtful { due_at } => {
            note_doubt(connection, row_id, due_at, sighting.at)?;
            return Ok(None);
        }
        _ => {
            let Ok(accepted) = next(state, Event::TaskIdFound) else {
                return Ok(None);
            };
            let task_id = sighting.task_id.as_str();
            let taken = connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM rows WHERE task_id = ?1)")?
                .query_row([task_id], |row| row.get::<_, bool>(0))?;
            if taken {
                // Another row's: one task is not taken for two.
                return forget(connection, row_id, attempt, &sighting.task_id).map(|()| None);
            }
            connection
                .prepare_cached(
                    "UPDATE rows SET state = ?2, task_id = ?3, error_code = NULL, error_message = NULL, doubt_since = NULL,
                            doubt_looks = 0, submitted_at = (SELECT began_at FROM attempts WHERE attempt_id = ?4)
                     WHERE row_id = ?1",
                )?
                .execute(params![row_id, accepted.as_str(), task_id, attempt.0])?;
            connection
                .prepare_cached(
                    "UPDATE attempts SET result = 'accepted', task_id = ?2, code = NULL, message = NULL
                     WHERE attempt_id = ?1",
                )?
                .execute(params![attempt.0, task_id])?;
            return Ok(Some(accepted));
        }
    };
    let Some(due_at) = due_at else {
        return forget(connection, row_id, attempt, &sighting.task_id).map(|()| None);
    };
    connection
        .prepare_cached("UPDATE rows SET due_at = ?2 WHERE row_id = ?1")?
        .execute(params![row_id, due_at])?;
    Ok(None)
}

/// One more look that brought no record, or no video.
fn note_doubt(connection: &Connection, row_id: i64, due_at: UnixMillis, at: UnixMillis) -> Result<(), StepError> {
    connection
        .prepare_cached(
            "UPDATE rows SET due_at = ?2, doubt_since = coalesce(doubt_since, ?3), doubt_looks = doubt_looks + 1
             WHERE row_id = ?1",
        )?
        .execute(params![row_id, due_at.0, at.0])?;
    Ok(())
}

/// An announced task that is not its row's. One that another of its requests was said to have made is looked at next.
fn forget(connection: &Connection, row_id: i64, attempt: AttemptId, task_id: &TaskId) -> Result<(), StepError> {
    connection
        .prepare_cached("UPDATE attempts SET announced = NULL WHERE attempt_id = ?1 AND announced = ?2")?
        .execute(params![attempt.0, task_id.as_str()])?;
    connection
        .prepare_cached(
            "UPDATE rows SET doubt_since = NULL, doubt_looks = 0,
                    due_at = CASE WHEN EXISTS (
                        SELECT 1 FROM attempts a WHERE a.row_id = ?1 AND a.announced IS NOT NULL
                               AND a.announced IS NOT a.task_id AND a.attempt_id > edited_after
                    ) THEN 0 END
             WHERE row_id = ?1",
        )?
        .execute([row_id])?;
    Ok(())
}

fn end_attempt(
    connection: &Connection,
    sighting: &Sighting,
    state: RowState,
    credits: Option<f64>,
) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("UPDATE attempts SET ended = ?3, credits = ?4 WHERE row_id = ?1 AND task_id = ?2")?
        .execute(params![
            sighting.row_id,
            sighting.task_id.as_str(),
            state.as_str(),
            credits
        ])
}

/// See [`crate::ledger::Tasks::saved`]. Returns how many records changed.
pub(super) fn saved(connection: &Connection, video: &SavedVideo) -> Result<usize, StepError> {
    let state = next(RowState::Succeeded, Event::Saved)?;
    Ok(connection
        .prepare_cached(
            "UPDATE rows SET state = ?3, video_file = ?4, video_bytes = ?5, video_sha256 = ?6, due_at = NULL,
                    error_code = NULL, error_message = NULL
             WHERE row_id = ?1 AND task_id = ?2 AND state = 'succeeded'",
        )?
        .execute(params![
            video.row_id,
            video.task_id.as_str(),
            state.as_str(),
            video.file,
            i64::try_from(video.bytes).unwrap_or(i64::MAX),
            video.sha256,
        ])?)
}

/// See [`crate::ledger::Tasks::not_saved`]. Returns how many records changed.
pub(super) fn not_saved(connection: &Connection, trouble: &NotSaved) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "UPDATE rows SET error_code = ?3, error_message = ?4, due_at = ?5
             WHERE row_id = ?1 AND task_id = ?2 AND state = 'succeeded'",
        )?
        .execute(params![
            trouble.row_id,
            trouble.task_id.as_str(),
            trouble.code,
            trouble.message,
            trouble.again_at.map(|at| at.0),
        ])
}

/// Why a step could not be carried out.
#[derive(Debug)]
pub(super) enum StepError {
    Sqlite(rusqlite::Error),
    Ledger(LedgerError),
}

impl From<rusqlite::Error> for StepError {
    fn from(error: rusqlite::Error) -> StepError {
        StepError::Sqlite(error)
    }
}

impl From<crate::ledger::state::IllegalMove> for StepError {
    fn from(error: crate::ledger::state::IllegalMove) -> StepError {
        StepError::Ledger(error.into())
    }
}
