//! The manifest into the ledger: which rows are new, which are known, which have changed.
//!
//! First every row of the manifest that the ledger knows under its key, with the same content, claims its record. Then
//! the others look for a record of equal content that nobody has claimed: ids that were renumbered, swapped, added or
//! taken away make no row new, and what has been paid for is not paid for again. Only what is left after that is changed
//! or new. One transaction: a crash leaves the manifest as it was last read.

use std::path::PathBuf;

use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::ledger::read::state_of;
use crate::ledger::state::{Event, next};
use crate::ledger::{LedgerError, Store};
use crate::row::{ContentHash, RowKey, RowState, Submission, TaskId};

/// One row of the manifest.
#[derive(Debug, Clone)]
pub struct ImportRow<'a> {
    /// Place in the manifest, from 1.
    pub number: u32,
    /// Line of the file, from 1.
    pub line: u32,
    /// The manifest's own id.
    pub id: Option<&'a str>,
    /// What the row is known by; `None` for an invalid row that has no id of its own.
    pub key: Option<RowKey>,
    /// What to send; `None`: the row is invalid.
    pub submission: Option<&'a Submission<'a>>,
    /// The user's cells, JSON.
    pub cells: &'a str,
    /// Why it is invalid.
    pub problem: Option<&'a str>,
    /// What the manifest itself says the row came to: it is a results file.
    pub outcome: Option<(RowState, Option<TaskId>)>,
}

/// Which rows go back to the queue because the user said so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requeue {
    /// Rejected and failed rows with one of these codes; an empty list means any but `dropped`, `no_record` and
    /// `no_result`.
    pub retry_rejected: Option<Vec<String>>,
    /// Failed rows with one of these codes; an empty list means any but `no_record` and `no_result`.
    pub retry_failed: Option<Vec<String>>,
    /// Rows whose content changed after they were accepted: pay for the new content.
    pub resubmit_changed: bool,
    /// Unknown rows: rather pay twice than wait.
    pub resubmit_unknown: bool,
}

/// What the import found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportStats {
    /// Rows never seen before.
    pub new: u64,
    /// New rows whose outcome the manifest, a results file, brought along.
    pub brought: u64,
    /// Rows recognised by their content under another id, or at another place.
    pub renamed: u64,
    /// Rows put back into the queue by [`Requeue`].
    pub requeued: u64,
    /// Rows whose new content will be sent: they were never accepted.
    pub edited: u64,
    /// Rows whose content changed after it may have been paid for: reported, not sent.
    pub changed: u64,
    /// The first of them.
    pub changed_places: Vec<Changed>,
    /// Rows with a task id, and unknown rows, that the manifest no longer has. They stay in the ledger.
    pub gone: u64,
}

/// A row whose content changed after it may have been paid for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Line of the manifest.
    pub line: u32,
    /// Its id.
    pub id: Option<String>,
    /// Where the row stands.
    pub state: RowState,
}

/// How many changed rows are named one by one.
const CHANGED_PLACES: usize = 20;

/// Rows with these codes may have been paid for: given up by the user, or tasks that the API knows nothing of, or no video.
const ONLY_BY_NAME: [&str; 3] = ["dropped", "no_record", "no_result"];

/// Rows that wait for their record, looked at a time.
const OPEN_ROWS: i64 = 500;

/// An import under way; dropped without [`Import::finish`], it never happened.
pub struct Import<'s> {
    transaction: Transaction<'s>,
    path: PathBuf,
    requeue: Requeue,
    /// No row is known yet: nothing has to be looked up.
    first: bool,
    last_number: u32,
    has_open_rows: bool,
    stats: ImportStats,
}

/// A record of the ledger.
struct Known {
    row_id: i64,
    content: Vec<u8>,
    state: RowState,
    error_code: Option<String>,
}

/// A row of the manifest whose record is not found yet.
struct Open {
    number: u32,
    line: u32,
    id: Option<String>,
    key: Vec<u8>,
    content: Option<Vec<u8>>,
    /// JSON; `None`: the row is invalid.
    submission: Option<String>,
    outcome: Option<(RowState, Option<String>)>,
}

impl Store {
    /// Begins to read a manifest into the ledger.
    pub fn import(&mut self, requeue: Requeue) -> Result<Import<'_>, LedgerError> {
        let path = self.path.clone();
        let failed = |source| LedgerError::sqlite(&path, "write", source);
        let transaction = self.connection.transaction().map_err(failed)?;
        let first = transaction
            .query_row("SELECT NOT EXISTS (SELECT 1 FROM rows)", [], |row| row.get(0))
            .map_err(failed)?;
        transaction.execute_batch(include_str!("import.sql")).map_err(failed)?;
        let stats = ImportStats::default();
        Ok(Import {
            transaction,
            path,
            requeue,
            first,
            last_number: 0,
            has_open_rows: false,
            stats,
        })
    }
}

impl Import<'_> {
    /// Takes the manifest's next row.
    pub fn row(&mut self, row: &ImportRow<'_>) -> Result<(), LedgerError> {
        self.last_number = row.number;
        let row_id = match (row.key, row.submission) {
            (None, _) => None,
            (Some(key), Some(submission)) => self.claim(row, key, submission)?,
            (Some(_), None) if self.first => None,
            (Some(key), None) => {
                self.leave_open(row, key, None)?;
                None
            }
        };
        self.execute(
            "INSERT INTO manifest (number, line, row_id, cells, problem) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (number) DO UPDATE
             SET line = excluded.line, row_id = excluded.row_id, cells = excluded.cells, problem = excluded.problem
             WHERE line IS NOT excluded.line OR row_id IS NOT excluded.row_id OR cells IS NOT excluded.cells
                OR problem IS NOT excluded.problem",
            params![row.number, row.line, row_id, row.cells, row.problem],
        )
    }

    /// Makes the import durable. `notes` are kept in the ledger with it, by name; `fingerprint` only if the next import
    /// of the same manifest would have nothing to report.
    pub fn finish(mut self, notes: &[(&str, &str)], fingerprint: (&str, &str)) -> Result<ImportStats, LedgerError> {
        self.execute("DELETE FROM manifest WHERE number > ?1", [self.last_number])?;
        if self.has_open_rows {
            self.execute(
                "INSERT INTO unclaimed SELECT row_id, content FROM rows
                 WHERE (state <> 'queued' OR due_at IS NOT NULL) AND row_id NOT IN (SELECT row_id FROM claimed)",
                [],
            )?;
            self.for_each_open("submission IS NOT NULL", Import::take_over)?;
            self.for_each_open("true", Import::decide)?;
        }
        let (name, value) = fingerprint;
        let lasting = if self.stats.changed == 0 { value } else { "" };
        for (name, value) in notes.iter().chain([&(name, lasting)]) {
            self.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", [name, value])?;
        }
        if !self.first {
            self.stats.gone = self
                .transaction
                .query_row(
                    "SELECT count(*) FROM rows WHERE (task_id IS NOT NULL OR state = 'unknown')
                     AND row_id NOT IN (SELECT row_id FROM manifest WHERE row_id IS NOT NULL)",
                    [],
                    |row| row.get::<_, i64>(0),
                )
                .map_err(|source| LedgerError::sqlite(&self.path, "read", source))?
                .unsigned_abs();
        }
        self.execute("DELETE FROM claimed", [])?;
        self.execute("DELETE FROM unclaimed", [])?;
        self.execute("DELETE FROM open_rows", [])?;
        let Import {
            transaction,
            path,
            stats,
            ..
        } = self;
        transaction
            .commit()
            .map_err(|source| LedgerError::sqlite(&path, "write", source))?;
        Ok(stats)
    }

    /// The record of a row that stands in the ledger under the same key with the same content. Others stay open.
    fn claim(
        &mut self,
        row: &ImportRow<'_>,
        key: RowKey,
        submission: &Submission<'_>,
    ) -> Result<Option<i64>, LedgerError> {
        let content = submission.content();
        if self.first {
            let outcome = row
                .outcome
                .as_ref()
                .map(|(state, task)| (*state, task.as_ref().map(TaskId::as_str)));
            return self
                .insert(row.id, &key.0, &content.0, &to_json(submission), outcome)
                .map(Some);
        }
        match self.find(&key.0)? {
            Some(known) if known.content == content.0 => {
                self.execute("INSERT INTO claimed VALUES (?1)", [known.row_id])?;
                self.unchanged(&known, &to_json(submission))?;
                Ok(Some(known.row_id))
            }
            _ => {
                self.leave_open(row, key, Some((content, submission)))?;
                Ok(None)
            }
        }
    }

    fn leave_open(
        &mut self,
        row: &ImportRow<'_>,
        key: RowKey,
        valid: Option<(ContentHash, &Submission<'_>)>,
    ) -> Result<(), LedgerError> {
        self.has_open_rows = true;
        let (state, task_id) = match &row.outcome {
            Some((state, task_id)) => (Some(state.as_str()), task_id.as_ref().map(TaskId::as_str)),
            None => (None, None),
        };
        self.execute(
            "INSERT INTO open_rows (number, line, id, key, content, submission, state, task_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                row.number,
                row.line,
                row.id,
                key.0,
                valid.map(|(content, _)| content.0),
                valid.map(|(_, submission)| to_json(submission)),
                state,
                task_id
            ],
        )
    }

    /// Shows every open row that fits to `settle`, in the manifest's order; those it returns true for are open no more.
    fn for_each_open(
        &mut self,
        which: &str,
        settle: impl Fn(&mut Self, &Open) -> Result<bool, LedgerError>,
    ) -> Result<(), LedgerError> {
        let sql = format!(
            "SELECT number, line, id, key, content, submission, state, task_id FROM open_rows
             WHERE number > ?1 AND {which} ORDER BY number LIMIT {OPEN_ROWS}"
        );
        let mut after = 0;
        loop {
            let rows = self.read_open(&sql, after)?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.number;
            for row in &rows {
                if settle(self, row)? {
                    self.execute("DELETE FROM open_rows WHERE number = ?1", [row.number])?;
                }
            }
        }
    }

    fn read_open(&self, sql: &str, after: u32) -> Result<Vec<Open>, LedgerError> {
        let read = || {
            let mut statement = self.transaction.prepare_cached(sql)?;
            let rows = statement.query_map([after], |row| {
                let state: Option<String> = row.get(6)?;
                let task_id: Option<String> = row.get(7)?;
                Ok(Open {
                    number: row.get(0)?,
                    line: row.get(1)?,
                    id: row.get(2)?,
                    key: row.get(3)?,
                    content: row.get(4)?,
                    submission: row.get(5)?,
                    outcome: state.and_then(|state| state.parse().ok()).map(|state| (state, task_id)),
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|source| LedgerError::sqlite(&self.path, "read", source))
    }

    /// Gives an open row a record of equal content that no other row of the manifest has.
    fn take_over(&mut self, row: &Open) -> Result<bool, LedgerError> {
        let (Some(content), Some(submission)) = (&row.content, &row.submission) else {
            return Ok(false);
        };
        let known = self.query(
            "SELECT r.row_id, r.content, r.state, r.error_code FROM unclaimed u JOIN rows r USING (row_id)
             WHERE u.content = ?1 ORDER BY r.state = 'rejected', r.row_id LIMIT 1",
            content,
        )?;
        let Some(known) = known else { return Ok(false) };
        self.execute("DELETE FROM unclaimed WHERE row_id = ?1", [known.row_id])?;
        // Whoever had this key so far has lost it; its record stays, to be found by its content.
        self.execute(
            "UPDATE rows SET key = randomblob(16) WHERE key = ?1 AND row_id <> ?2",
            params![row.key, known.row_id],
        )?;
        self.execute(
            "UPDATE rows SET key = ?2, id = ?3 WHERE row_id = ?1",
            params![known.row_id, row.key, row.id],
        )?;
        self.stats.renamed += 1;
        self.unchanged(&known, submission)?;
        self.link(row, known.row_id, None)?;
        Ok(true)
    }

    /// What is left is changed under its key, or new.
    fn decide(&mut self, row: &Open) -> Result<bool, LedgerError> {
        let known = self.find(&row.key)?;
        match (known, &row.submission, &row.content) {
            (Some(known), Some(submission), Some(content)) => self.edited(row, &known, submission, content)?,
            (None, Some(submission), Some(content)) => {
                let outcome = row
                    .outcome
                    .as_ref()
                    .map(|(state, task_id)| (*state, task_id.as_deref()));
                let row_id = self.insert(row.id.as_deref(), &row.key, content, submission, outcome)?;
                self.link(row, row_id, None)?;
            }
            // It was fine once and is invalid now. Money may be in it, or it is simply not sent.
            (Some(known), _, _) if may_hold_money(&known) => self.report_changed(row, &known)?,
            _ => {}
        }
        Ok(true)
    }

    fn edited(&mut self, row: &Open, known: &Known, submission: &str, content: &[u8]) -> Result<(), LedgerError> {
        let event = match known.state {
            // What an unknown row's first request became has to be settled before a second one is thought of.
            RowState::Unknown => None,
            _ if !may_hold_money(known) => Some(Event::Edited),
            _ if self.requeue.resubmit_changed => Some(Event::EditedResubmitted),
            _ => None,
        };
        match event {
            Some(event) => {
                self.stats.edited += 1;
                self.queue_again(known, event, submission, Some(content))?;
                self.link(row, known.row_id, None)
            }
            None => self.report_changed(row, known),
        }
    }

    /// The row keeps its record, and its place in the manifest says that the two differ.
    fn report_changed(&mut self, row: &Open, known: &Known) -> Result<(), LedgerError> {
        self.stats.changed += 1;
        if self.stats.changed_places.len() < CHANGED_PLACES {
            self.stats.changed_places.push(Changed {
                line: row.line,
                id: row.id.clone(),
                state: known.state,
            });
        }
        let when = if known.state == RowState::Unknown {
            "sent"
        } else {
            known.state.as_str()
        };
        let what = format!("the row was changed after it was {when}; what is recorded here is of its earlier content");
        self.link(row, known.row_id, Some(&what))
    }

    fn link(&self, row: &Open, row_id: i64, problem: Option<&str>) -> Result<(), LedgerError> {
        self.execute(
            "UPDATE manifest SET row_id = ?2, problem = ?3 WHERE number = ?1",
            params![row.number, row_id, problem],
        )
    }

    fn find(&self, key: &[u8]) -> Result<Option<Known>, LedgerError> {
        self.query(
            "SELECT row_id, content, state, error_code FROM rows WHERE key = ?1",
            key,
        )
    }

    /// A new row; `outcome` is what a results file says became of it.
    fn insert(
        &mut self,
        id: Option<&str>,
        key: &[u8],
        content: &[u8],
        submission: &str,
        outcome: Option<(RowState, Option<&str>)>,
    ) -> Result<i64, LedgerError> {
        self.stats.new += 1;
        let (state, task_id, code) = match outcome {
            Some((RowState::Accepted | RowState::Succeeded | RowState::Saved | RowState::Failed, Some(task_id))) => {
                (RowState::Accepted, Some(task_id), None)
            }
            Some((RowState::Unknown | RowState::Sending, _)) => (RowState::Unknown, None, Some("interrupted")),
            _ => (RowState::Queued, None, None),
        };
        self.stats.brought += u64::from(state != RowState::Queued);
        self.execute(
            "INSERT INTO rows (key, content, id, submission, state, task_id, error_code) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![key, content, id, submission, state.as_str(), task_id, code],
        )?;
        Ok(self.transaction.last_insert_rowid())
    }

    fn unchanged(&mut self, known: &Known, submission: &str) -> Result<(), LedgerError> {
        let event = match known.state {
            RowState::Rejected | RowState::Failed if self.wants_retry(known) => Event::Retried,
            RowState::Unknown if self.requeue.resubmit_unknown => Event::Resubmitted,
            // The callback URL is no part of the content, but the next request shall carry the new one.
            RowState::Queued => {
                return self.execute(
                    "UPDATE rows SET submission = ?2 WHERE row_id = ?1 AND submission IS NOT ?2",
                    params![known.row_id, submission],
                );
            }
            _ => return Ok(()),
        };
        self.stats.requeued += 1;
        self.queue_again(known, event, submission, None)
    }

    fn queue_again(
        &self,
        known: &Known,
        event: Event,
        submission: &str,
        content: Option<&[u8]>,
    ) -> Result<(), LedgerError> {
        let state = next(known.state, event)?;
        // The attempts table keeps what is wiped here: earlier task ids, codes and texts.
        self.execute(
            "UPDATE rows SET state = ?2, submission = ?3, content = coalesce(?4, content), tries = 0, task_id = NULL,
                    error_code = NULL, error_message = NULL, submitted_at = NULL, completed_at = NULL, credits = NULL,
                    video_url = NULL, video_file = NULL,
                    -- A task that a callback named is looked at before the row is sent again.
                    due_at = CASE WHEN ?4 IS NULL AND EXISTS (
                        SELECT 1 FROM attempts a WHERE a.row_id = ?1 AND a.announced IS NOT NULL
                               AND a.announced IS NOT a.task_id AND a.attempt_id > edited_after
                    ) THEN 0 END,
                    doubt_since = NULL, doubt_looks = 0,
                    video_bytes = NULL, video_sha256 = NULL,
                    edited_after = CASE WHEN ?4 IS NULL THEN edited_after
                                        ELSE (SELECT coalesce(max(attempt_id), 0) FROM attempts) END
             WHERE row_id = ?1",
            params![known.row_id, state.as_str(), submission, content],
        )
    }

    fn wants_retry(&self, known: &Known) -> bool {
        let named = |codes: &Option<Vec<String>>| match (codes, known.error_code.as_deref()) {
            (None, _) => false,
            // What may have been paid for is sent again by its own name only.
            (Some(codes), Some(code)) if ONLY_BY_NAME.contains(&code) => codes.iter().any(|given| given == code),
            (Some(codes), _) if codes.is_empty() => true,
            (Some(codes), Some(found)) => codes.iter().any(|code| code == found),
            (Some(_), None) => false,
        };
        named(&self.requeue.retry_rejected) || (known.state == RowState::Failed && named(&self.requeue.retry_failed))
    }

    fn query(&self, sql: &str, hash: &[u8]) -> Result<Option<Known>, LedgerError> {
        let failed = |source| LedgerError::sqlite(&self.path, "read", source);
        let mut statement = self.transaction.prepare_cached(sql).map_err(failed)?;
        statement.query_row([hash], known_of).optional().map_err(failed)
    }

    fn execute(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<(), LedgerError> {
        let failed = |source| LedgerError::sqlite(&self.path, "write", source);
        let mut statement = self.transaction.prepare_cached(sql).map_err(failed)?;
        statement.execute(parameters).map(drop).map_err(failed)
    }
}

fn known_of(row: &Row<'_>) -> rusqlite::Result<Known> {
    Ok(Known {
        row_id: row.get(0)?,
        content: row.get(1)?,
        state: state_of(row, 2)?,
        error_code: row.get(3)?,
    })
}

/// Whether the API may have charged for the row as it was last sent.
fn may_hold_money(known: &Known) -> bool {
    match known.state {
        RowState::Queued | RowState::Invalid => false,
        RowState::Rejected => known.error_code.as_deref() == Some("dropped"),
        RowState::Sending
        | RowState::Accepted
        | RowState::Unknown
        | RowState::Succeeded
        | RowState::Failed
        | RowState::Saved => true,
    }
}

fn to_json(submission: &Submission<'_>) -> String {
    serde_json::to_string(submission).expect("strings and enums always serialise")
}
