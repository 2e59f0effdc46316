//! The past of a batch: its runs, its requests and what became of its tasks, for those who draw it.

use rusqlite::{OptionalExtension, Row};

use crate::clock::UnixMillis;
use crate::ledger::{AttemptId, LedgerError, Reader};

/// A request, as far as its part in the history goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastRequest<'r> {
    /// The ledger's number for it.
    pub id: AttemptId,
    /// The run that made it.
    pub run: i64,
    /// When its intent was committed.
    pub began_at: UnixMillis,
    /// When its answer came, or was given up; `None` while in flight, and where the run died before.
    pub answered_at: Option<UnixMillis>,
    /// Whether there was an answer: a reply with an HTTP status.
    pub was_answered: bool,
    /// `accepted`, `again`, `rejected`, `unknown`; `None` while in flight.
    pub result: Option<&'r str>,
    /// The API's code or our word; empty for a plain success.
    pub code: &'r str,
    /// Until when its answer made everyone wait, and its text.
    pub pause: Option<(UnixMillis, &'r str)>,
}

/// A run, as it noted itself down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PastRun {
    /// The ledger's number for it.
    pub run: i64,
    /// When it began.
    pub started_at: UnixMillis,
    /// When it ended; of a run that died, when the next one found that out. `None`: it is at work, or nobody has looked
    /// since it died.
    pub ended_at: Option<UnixMillis>,
    /// Code and message of its halt.
    pub halted: Option<(String, String)>,
}

/// A row whose task has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedRow<'r> {
    /// Without a video.
    pub failed: bool,
    /// The code of its failure, or why its video is not saved; may be empty.
    pub code: &'r str,
    /// From its acceptance to the end of its task, in milliseconds, where both moments are known.
    pub took_ms: Option<u64>,
    /// Bytes of its video, if that is on disk.
    pub saved_bytes: u64,
}

/// The columns that [`past_request`] reads.
const PAST_REQUEST: &str = "SELECT attempt_id, run_id, began_at, answered_at, http_status IS NOT NULL, result, code,
            pause_until, CASE WHEN pause_until IS NOT NULL THEN message END FROM attempts";

impl Reader {
    /// Every request behind `after`, in their order; stops at the first error of `visit`.
    pub fn for_each_request(
        &self,
        after: AttemptId,
        mut visit: impl FnMut(&PastRequest<'_>),
    ) -> Result<(), LedgerError> {
        let sql = format!("{PAST_REQUEST} WHERE attempt_id > ?1 ORDER BY attempt_id");
        let mut read = || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let mut rows = statement.query([after.0])?;
            while let Some(row) = rows.next()? {
                visit(&past_request(row)?);
            }
            Ok(())
        };
        read().map_err(|source| self.failed(source))
    }

    /// The same for these requests, as far as they are there.
    pub fn for_these_requests(
        &self,
        these: &[AttemptId],
        mut visit: impl FnMut(&PastRequest<'_>),
    ) -> Result<(), LedgerError> {
        let sql = format!("{PAST_REQUEST} WHERE attempt_id = ?1");
        let mut read = || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            for id in these {
                let mut rows = statement.query([id.0])?;
                while let Some(row) = rows.next()? {
                    visit(&past_request(row)?);
                }
            }
            Ok(())
        };
        read().map_err(|source| self.failed(source))
    }

    /// The number of the last request; 0 if there was none.
    pub fn last_request(&self) -> Result<AttemptId, LedgerError> {
        self.connection
            .prepare_cached("SELECT coalesce(max(attempt_id), 0) FROM attempts")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0).map(AttemptId)))
            .map_err(|source| self.failed(source))
    }

    /// The run with this number.
    pub fn run(&self, run: i64) -> Result<Option<PastRun>, LedgerError> {
        self.past_run("WHERE run_id = ?1", run)
    }

    /// The last run, whatever it did; `None`: there was none.
    pub fn last_run(&self) -> Result<Option<PastRun>, LedgerError> {
        self.past_run("WHERE run_id > ?1 ORDER BY run_id DESC LIMIT 1", 0)
    }

    fn past_run(&self, which: &str, number: i64) -> Result<Option<PastRun>, LedgerError> {
        let sql = format!("SELECT run_id, started_at, ended_at, halted_code, halted_message FROM runs {which}");
        let read = || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let run = statement.query_row([number], |row| {
                let code: Option<String> = row.get(3)?;
                let message: Option<String> = row.get(4)?;
                Ok(PastRun {
                    run: row.get(0)?,
                    started_at: UnixMillis(row.get(1)?),
                    ended_at: row.get::<_, Option<i64>>(2)?.map(UnixMillis),
                    halted: code.map(|code| (code, message.unwrap_or_default())),
                })
            });
            run.optional()
        };
        read().map_err(|source| self.failed(source))
    }

    /// Every row whose task has ended, whether the manifest still has it or not.
    pub fn for_each_ended_row(&self, mut visit: impl FnMut(&EndedRow<'_>)) -> Result<(), LedgerError> {
        let mut read = || {
            let mut statement = self.connection.prepare_cached(
                "SELECT state = 'failed', error_code, submitted_at, completed_at, CASE state WHEN 'saved' THEN video_bytes END
                 FROM rows WHERE state IN ('succeeded', 'saved', 'failed')",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let submitted: Option<i64> = row.get(2)?;
                let completed: Option<i64> = row.get(3)?;
                let took = submitted.zip(completed);
                visit(&EndedRow {
                    failed: row.get(0)?,
                    code: row.get_ref(1)?.as_str_or_null()?.unwrap_or_default(),
                    took_ms: took.map(|(from, to)| UnixMillis(to).millis_since(UnixMillis(from))),
                    saved_bytes: row.get::<_, Option<i64>>(4)?.unwrap_or_default().unsigned_abs(),
                });
            }
            Ok(())
        };
        read().map_err(|source| self.failed(source))
    }

    /// How many tasks have ended whose rows have gone on without them: with a video, and without one.
    pub fn earlier_tasks(&self) -> Result<(u64, u64), LedgerError> {
        // A row with more requests than its one task needs may have had others; of the rest no request is looked up.
        self.connection
            .prepare_cached(
                "SELECT count(*) FILTER (WHERE a.ended = 'succeeded'), count(*) FILTER (WHERE a.ended = 'failed')
                 FROM rows r JOIN attempts a USING (row_id)
                 WHERE r.attempts > (r.task_id IS NOT NULL) AND a.ended IS NOT NULL AND a.task_id IS NOT r.task_id",
            )
            .and_then(|mut statement| {
                statement.query_row([], |row| {
                    let count = |index| Ok::<_, rusqlite::Error>(row.get::<_, i64>(index)?.unsigned_abs());
                    Ok((count(0)?, count(1)?))
                })
            })
            .map_err(|source| self.failed(source))
    }
}

fn past_request<'r>(row: &'r Row<'_>) -> rusqlite::Result<PastRequest<'r>> {
    let text = |index| -> rusqlite::Result<Option<&'r str>> { Ok(row.get_ref(index)?.as_str_or_null()?) };
    let moment =
        |index| -> rusqlite::Result<Option<UnixMillis>> { Ok(row.get::<_, Option<i64>>(index)?.map(UnixMillis)) };
    let message = text(8)?.unwrap_or_default();
    Ok(PastRequest {
        id: AttemptId(row.get(0)?),
        run: row.get(1)?,
        began_at: UnixMillis(row.get(2)?),
        answered_at: moment(3)?,
        was_answered: row.get(4)?,
        result: text(5)?,
        code: text(6)?.unwrap_or_default(),
        pause: moment(7)?.map(|until| (until, message)),
    })
}
