//! Looking at a ledger without changing it, also while a run works on it.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};

use crate::clock::UnixMillis;
use crate::ledger::store::{behind_links, connect, has_wal};
use crate::ledger::{AttemptId, LedgerError, Realm, schema};
use crate::row::{ClipLength, Resolution, RowState, Submission, Token};

/// A row of the manifest and what the ledger knows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRow<'r> {
    /// The ledger's number; `None` for an invalid row.
    pub row_id: Option<i64>,
    /// Place in the manifest, from 1.
    pub number: u32,
    /// Line of the file.
    pub line: u32,
    /// The manifest's own id.
    pub id: Option<&'r str>,
    /// The user's cells, JSON.
    pub cells: &'r str,
    /// Where it stands.
    pub state: RowState,
    /// Why it is invalid.
    pub problem: Option<&'r str>,
    /// The task.
    pub task_id: Option<&'r str>,
    /// The last trouble's code.
    pub error_code: Option<&'r str>,
    /// The last trouble's text.
    pub error_message: Option<&'r str>,
    /// Requests made for it.
    pub attempts: u32,
    /// When the API accepted it.
    pub submitted_at: Option<UnixMillis>,
    /// When its task ended.
    pub completed_at: Option<UnixMillis>,
    /// What the task cost.
    pub credits: Option<f64>,
    /// The video's address.
    pub video_url: Option<&'r str>,
    /// The video on disk.
    pub video_file: Option<&'r str>,
}

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

/// What the batch has cost, by what is known, in credits; over all runs, and rows that left the manifest included.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Money {
    /// What tasks consumed that have ended, by the API's own word, or by their price where it did not say.
    pub consumed: f64,
    /// What the prices say of those of them that were not free.
    pub consumed_by_price: f64,
    /// Tasks that have ended.
    pub ended: u64,
    /// Those of them of which the API did not say what they consumed.
    pub untold: u64,
    /// What tasks will have consumed that are still at work, by the prices.
    pub at_work: f64,
    /// How many those are.
    pub working: u64,
    /// What the prices say of tasks whose rows went on without them before they were known to have ended: nobody looks at
    /// them any more.
    pub unwatched: f64,
    /// How many those are.
    pub unwatched_tasks: u64,
    /// What requests without an answer may have cost, and tasks that no row has, by the prices.
    pub unknown: f64,
    /// How many requests without an answer those are, other than requests that are known to have made an extra task.
    pub unanswered: u64,
    /// How many tasks that no row has; see [`Reader::extra_tasks`].
    pub extra: u64,
}

/// What the account held around a run, and what the run's own rows took from it, in credits.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Account {
    /// Before the run's first request, if it was read.
    pub before: Option<f64>,
    /// After its end, if it was read.
    pub after: Option<f64>,
    /// What the run's accepted rows had cost when the balance was read last: what their tasks consumed, and the price of
    /// those that have not ended, or failed only later, when their credits came back. `None`: a price is unknown.
    pub accepted: Option<f64>,
    /// What its requests without an answer may have cost, and the tasks it made that no row has, by the prices.
    pub unknown: f64,
    /// Whether no other run has begun since.
    pub is_latest: bool,
}

/// Rows that no state tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StandingApart {
    /// Rows of the manifest whose content was changed after it may have been paid for.
    pub changed: u64,
    /// Unknown rows that the manifest no longer has.
    pub unknown_elsewhere: u64,
}

/// Requests over all runs of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// createTask requests.
    pub requests: u64,
    /// Those that were not their row's first.
    pub retries: u64,
    /// Those answered 429.
    pub rate_limited: u64,
}

/// Whether a request (`a`) of a row (`r`) made a task that no row has, by the word of a callback: it was answered with an
/// error, or the row has another task, or other content since.
const IS_EXTRA: &str = "(a.announced IS NOT NULL AND a.announced IS NOT a.task_id AND a.announced IS NOT r.task_id
     AND (r.task_id IS NOT NULL OR a.attempt_id <= r.edited_after))";

/// A connection of its own that changes no record.
pub struct Reader {
    pub(super) connection: Connection,
    path: std::path::PathBuf,
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
                connect_uri(path, &uri)
            }
            _ => Err(error),
        })?;
        Ok(Reader {
            connection,
            path: path.to_owned(),
        })
    }

    /// How many rows of the manifest stand in each state.
    pub fn counts(&self) -> Result<Vec<(RowState, u64)>, LedgerError> {
        let read = || {
            let mut statement = self.connection.prepare(
                "SELECT coalesce(r.state, 'invalid'), count(*) FROM manifest m LEFT JOIN rows r USING (row_id) GROUP BY 1",
            )?;
            let rows = statement.query_map([], |row| Ok((state_of(row, 0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|source| self.failed(source))
    }

    /// Every row of the manifest in its order, as of one moment; stops at the first error of `visit`.
    pub fn for_each_row<E: From<LedgerError>>(
        &self,
        visit: impl FnMut(&StoredRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.visit(
            "FROM manifest m LEFT JOIN rows r USING (row_id) ORDER BY m.number",
            visit,
        )
    }

    /// Every row whose fate is unknown, those that left the manifest included (with number and line 0), in the
    /// manifest's order.
    pub fn for_each_unknown<E: From<LedgerError>>(
        &self,
        visit: impl FnMut(&StoredRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.visit(
            "FROM rows r LEFT JOIN manifest m USING (row_id) WHERE r.state IN ('unknown', 'sending')
             ORDER BY m.number IS NULL, m.number, r.row_id",
            visit,
        )
    }

    /// What was or would be sent for a row.
    pub fn submission(&self, row_id: i64) -> Result<Option<Submission<'static>>, LedgerError> {
        let text: Option<String> = self
            .connection
            .query_row("SELECT submission FROM rows WHERE row_id = ?1", [row_id], |row| {
                row.get(0)
            })
            .optional()
            .map_err(|source| self.failed(source))?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Whether the video of this task is saved. Reads the rows from the first on: for a few tasks.
    pub fn is_saved(&self, task_id: &str) -> Result<bool, LedgerError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM rows WHERE task_id = ?1 AND state = 'saved')";
        let found = self.connection.query_row(sql, [task_id], |row| row.get(0));
        found.map_err(|source| self.failed(source))
    }

    /// The row with this number of the ledger's; `visit` is not called if there is none. Rows that left the manifest have
    /// number and line 0.
    pub fn row<E: From<LedgerError>>(
        &self,
        row_id: i64,
        visit: impl FnMut(&StoredRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.visit(
            &format!("FROM rows r LEFT JOIN manifest m USING (row_id) WHERE r.row_id = {row_id} LIMIT 1"),
            visit,
        )
    }

    /// Where the API finds the image of a row: at the row's own URL, or where its local image was uploaded last. `None`:
    /// it never was.
    pub fn image_url(&self, row_id: i64) -> Result<Option<String>, LedgerError> {
        let url: Option<Option<String>> = self
            .connection
            .prepare_cached(
                "SELECT CASE WHEN submission ->> 'image_sha256' IS NULL THEN submission ->> 'image_url'
                        ELSE (SELECT url FROM uploads WHERE sha256 = unhex(submission ->> 'image_sha256')) END
                 FROM rows WHERE row_id = ?1",
            )
            .and_then(|mut statement| statement.query_row([row_id], |row| row.get(0)).optional())
            .map_err(|source| self.failed(source))?;
        Ok(url.flatten())
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

    /// Credits of every request that was taken or may have been: what a budget has to count. Once a task has ended it is
    /// what the API says that it consumed; until then, its price. So for tasks that no row has, beside what their requests
    /// count themselves. The second figure counts requests and such tasks of unknown price.
    pub fn spent(&self) -> Result<(f64, u64), LedgerError> {
        let sql = format!(
            "SELECT coalesce(sum(amount), 0.0), count(*) - count(amount)
             FROM (SELECT coalesce(credits, cost) AS amount FROM attempts
                   WHERE result IS NULL OR result IN ('accepted', 'unknown')
                   UNION ALL
                   SELECT a.cost FROM attempts a JOIN rows r USING (row_id)
                   WHERE a.result <> 'unknown' AND {IS_EXTRA})"
        );
        self.connection
            .query_row(&sql, [], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))
            .map_err(|source| self.failed(source))
    }

    /// The bill, as far as it is known.
    pub fn money(&self) -> Result<Money, LedgerError> {
        let sql = format!(
            "SELECT coalesce(sum(coalesce(a.credits, a.cost)) FILTER (WHERE a.ended IS NOT NULL), 0.0),
                    coalesce(sum(a.cost) FILTER (WHERE a.ended IS NOT NULL AND a.credits IS NOT 0.0), 0.0),
                    count(*) FILTER (WHERE a.ended IS NOT NULL),
                    count(*) FILTER (WHERE a.ended IS NOT NULL AND a.credits IS NULL),
                    coalesce(sum(a.cost) FILTER (WHERE is_open AND is_watched), 0.0),
                    count(*) FILTER (WHERE is_open AND is_watched),
                    coalesce(sum(a.cost) FILTER (WHERE is_open AND NOT is_watched), 0.0),
                    count(*) FILTER (WHERE is_open AND NOT is_watched),
                    coalesce(sum(a.cost) FILTER (WHERE is_unanswered OR is_extra), 0.0),
                    count(*) FILTER (WHERE is_unanswered AND NOT is_extra),
                    count(*) FILTER (WHERE is_extra)
             FROM (SELECT a.*, a.ended IS NULL AND a.result IS 'accepted' AS is_open,
                          a.task_id IS r.task_id AS is_watched,
                          a.result IS NULL OR a.result = 'unknown' AS is_unanswered,
                          {IS_EXTRA} AS is_extra
                   FROM attempts a JOIN rows r USING (row_id)) a"
        );
        self.connection
            .query_row(&sql, [], |row| {
                let count = |index| Ok::<_, rusqlite::Error>(row.get::<_, i64>(index)?.unsigned_abs());
                Ok(Money {
                    consumed: row.get(0)?,
                    consumed_by_price: row.get(1)?,
                    ended: count(2)?,
                    untold: count(3)?,
                    at_work: row.get(4)?,
                    working: count(5)?,
                    unwatched: row.get(6)?,
                    unwatched_tasks: count(7)?,
                    unknown: row.get(8)?,
                    unanswered: count(9)?,
                    extra: count(10)?,
                })
            })
            .map_err(|source| self.failed(source))
    }

    /// The account around the last run that read its balance; `None` if none did.
    pub fn account(&self) -> Result<Option<Account>, LedgerError> {
        // A task is charged when it is made, and its credits come back when it fails. Unless that is known to have been
        // before the run ended, the balance was read without them; a run ends when it has read it.
        let sql = format!(
            "SELECT balance_before, balance_after,
                    coalesce(sum(taken) FILTER (WHERE result = 'accepted'), 0.0),
                    count(*) FILTER (WHERE result = 'accepted' AND taken IS NULL),
                    coalesce(sum(cost) FILTER (WHERE result = 'unknown' OR is_extra), 0.0),
                    run_id = (SELECT max(run_id) FROM runs)
             FROM (SELECT u.*, a.result, a.cost, {IS_EXTRA} AS is_extra,
                          CASE WHEN a.ended = 'failed'
                                    AND NOT coalesce(r.task_id = a.task_id AND r.completed_at <= u.ended_at, 0)
                               THEN a.cost ELSE coalesce(a.credits, a.cost) END AS taken
                   FROM runs u LEFT JOIN attempts a USING (run_id) LEFT JOIN rows r USING (row_id)
                   WHERE run_id = (SELECT max(run_id) FROM runs
                                   WHERE balance_before IS NOT NULL OR balance_after IS NOT NULL))
             GROUP BY run_id"
        );
        self.connection
            .query_row(&sql, [], |row| {
                let unpriced: i64 = row.get(3)?;
                let accepted: f64 = row.get(2)?;
                Ok(Account {
                    before: row.get(0)?,
                    after: row.get(1)?,
                    accepted: (unpriced == 0).then_some(accepted),
                    unknown: row.get(4)?,
                    is_latest: row.get(5)?,
                })
            })
            .optional()
            .map_err(|source| self.failed(source))
    }

    /// Rows that are not accepted and whose task a callback has named: its record has to be read before they are sent.
    pub fn announced_rows(&self) -> Result<u64, LedgerError> {
        self.connection
            .query_row(
                "SELECT count(*) FROM rows INDEXED BY rows_to_look_at
                 WHERE due_at IS NOT NULL AND state <> 'succeeded' AND state <> 'accepted' AND state <> 'failed'",
                [],
                |row| Ok(row.get::<_, i64>(0)?.unsigned_abs()),
            )
            .map_err(|source| self.failed(source))
    }

    /// Failed rows whose task was given up for want of a record, or of a video: every collector looks once more.
    pub fn given_up_rows(&self) -> Result<u64, LedgerError> {
        self.connection
            .query_row(
                "SELECT count(*) FROM rows r JOIN manifest m USING (row_id)
                 WHERE r.state = 'failed' AND r.error_code IN ('no_record', 'no_result')",
                [],
                |row| Ok(row.get::<_, i64>(0)?.unsigned_abs()),
            )
            .map_err(|source| self.failed(source))
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

    /// When the task ended whose video has waited longest to be saved.
    pub fn oldest_unsaved(&self) -> Result<Option<UnixMillis>, LedgerError> {
        self.connection
            .query_row(
                "SELECT min(r.completed_at) FROM rows r JOIN manifest m USING (row_id) WHERE r.state = 'succeeded'",
                [],
                |row| Ok(row.get::<_, Option<i64>>(0)?.map(UnixMillis)),
            )
            .map_err(|source| self.failed(source))
    }

    /// Rows that no state tells of: changed after they were sent, or unknown and no longer in the manifest.
    pub fn standing_apart(&self) -> Result<StandingApart, LedgerError> {
        let count = |sql| {
            let count: rusqlite::Result<i64> = self.connection.query_row(sql, [], |row| row.get(0));
            count.map(i64::unsigned_abs).map_err(|source| self.failed(source))
        };
        Ok(StandingApart {
            changed: count("SELECT count(*) FROM manifest WHERE row_id IS NOT NULL AND problem IS NOT NULL")?,
            unknown_elsewhere: count(
                "SELECT count(*) FROM rows WHERE state IN ('unknown', 'sending')
                 AND row_id NOT IN (SELECT row_id FROM manifest WHERE row_id IS NOT NULL)",
            )?,
        })
    }

    /// How many queued rows there are of each length and resolution, among the first `most` of them in the manifest's
    /// order; `None` counts all.
    pub fn queued_by_kind(&self, most: Option<u64>) -> Result<Vec<(ClipLength, Resolution, u64)>, LedgerError> {
        let read = || {
            let mut statement = self.connection.prepare(
                "SELECT submission ->> 'duration', submission ->> 'resolution', count(*)
                 FROM (SELECT submission FROM manifest JOIN rows USING (row_id) WHERE state = 'queued'
                       ORDER BY number LIMIT ?1)
                 GROUP BY 1, 2",
            )?;
            // SQLite takes a negative limit for none.
            let most = most.map_or(-1, |most| i64::try_from(most).unwrap_or(i64::MAX));
            let rows = statement.query_map([most], |row| {
                let length = if row.get_ref(0)?.as_str()? == "10" {
                    ClipLength::Ten
                } else {
                    ClipLength::Six
                };
                let resolution = if row.get_ref(1)?.as_str()? == "1080P" {
                    Resolution::P1080
                } else {
                    Resolution::P768
                };
                Ok((length, resolution, row.get::<_, i64>(2)?.unsigned_abs()))
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|source| self.failed(source))
    }

    /// Requests over all runs.
    pub fn totals(&self) -> Result<Totals, LedgerError> {
        self.connection
            .query_row(
                "SELECT count(*), count(*) - count(DISTINCT row_id),
                        count(*) FILTER (WHERE code IN ('429', 'http_429')) FROM attempts",
                [],
                |row| {
                    let count = |index| Ok::<_, rusqlite::Error>(row.get::<_, i64>(index)?.unsigned_abs());
                    Ok(Totals {
                        requests: count(0)?,
                        retries: count(1)?,
                        rate_limited: count(2)?,
                    })
                },
            )
            .map_err(|source| self.failed(source))
    }

    /// Code and message of the last run's halt, if it was halted.
    pub fn last_halt(&self) -> Result<Option<(String, String)>, LedgerError> {
        let last: Option<(Option<String>, Option<String>)> = self
            .connection
            .query_row(
                "SELECT halted_code, halted_message FROM runs ORDER BY run_id DESC LIMIT 1",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
            .map_err(|source| self.failed(source))?;
        Ok(match last {
            Some((Some(code), message)) => Some((code, message.unwrap_or_default())),
            _ => None,
        })
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

    fn visit<E: From<LedgerError>>(
        &self,
        from: &str,
        mut visit: impl FnMut(&StoredRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |source| E::from(self.failed(source));
        let sql = format!(
            "SELECT r.row_id, coalesce(m.number, 0), coalesce(m.line, 0), r.id, coalesce(m.cells, '[]'),
                    coalesce(r.state, 'invalid'), m.problem, r.task_id, r.error_code, r.error_message,
                    coalesce(r.attempts, 0), r.submitted_at, r.completed_at, r.credits, r.video_url, r.video_file {from}"
        );
        let mut statement = self.connection.prepare(&sql).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let stored = stored_row(row).map_err(failed)?;
            visit(&stored)?;
        }
        Ok(())
    }

    pub(super) fn failed(&self, source: rusqlite::Error) -> LedgerError {
        LedgerError::sqlite(&self.path, "read", source)
    }
}

fn stored_row<'r>(row: &'r Row<'_>) -> rusqlite::Result<StoredRow<'r>> {
    let text = |index| -> rusqlite::Result<Option<&'r str>> { Ok(row.get_ref(index)?.as_str_or_null()?) };
    Ok(StoredRow {
        row_id: row.get(0)?,
        number: row.get(1)?,
        line: row.get(2)?,
        id: text(3)?,
        cells: text(4)?.unwrap_or_default(),
        state: state_of(row, 5)?,
        problem: text(6)?,
        task_id: text(7)?,
        error_code: text(8)?,
        error_message: text(9)?,
        attempts: row.get(10)?,
        submitted_at: row.get::<_, Option<i64>>(11)?.map(UnixMillis),
        completed_at: row.get::<_, Option<i64>>(12)?.map(UnixMillis),
        credits: row.get(13)?,
        video_url: text(14)?,
        video_file: text(15)?,
    })
}

/// The state in a column.
pub(super) fn state_of(row: &Row<'_>, index: usize) -> rusqlite::Result<RowState> {
    row.get_ref(index)?
        .as_str()?
        .parse()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, Box::new(error)))
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
