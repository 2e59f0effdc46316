//! The manifest into the ledger: which rows are new, which are known, which have changed.
//!
//! One transaction: a crash leaves the manifest as it was last read.

use std::path::PathBuf;

use rusqlite::{OptionalExtension, Transaction, params};

use crate::ledger::state::{Event, next};
use crate::ledger::{LedgerError, Store};
use crate::row::{ContentHash, RowKey, RowState, Submission};

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
}

/// Which rows go back to the queue because the user said so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requeue {
    /// Rejected and failed rows with one of these codes; an empty list means any code but `dropped`.
    pub retry_rejected: Option<Vec<String>>,
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
    /// Rows put back into the queue by [`Requeue`].
    pub requeued: u64,
    /// Rows whose new content will be sent: they were never accepted.
    pub edited: u64,
    /// Rows whose content changed after it may have been paid for: reported, not sent.
    pub changed: u64,
    /// The first of them.
    pub changed_places: Vec<Changed>,
    /// Rows with a task id that the manifest no longer has. They stay in the ledger.
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

/// An import under way; dropped without [`Import::finish`], it never happened.
pub struct Import<'s> {
    transaction: Transaction<'s>,
    path: PathBuf,
    requeue: Requeue,
    /// No row is known yet: nothing has to be looked up.
    first: bool,
    /// The manifest gives ids, so a row known by its content may have got one.
    has_ids: bool,
    last_number: u32,
    stats: ImportStats,
}

struct Known {
    row_id: i64,
    content: Vec<u8>,
    state: RowState,
    error_code: Option<String>,
}

impl Store {
    /// Begins to read a manifest into the ledger. `has_ids`: whether any of its rows has an id.
    pub fn import(&mut self, requeue: Requeue, has_ids: bool) -> Result<Import<'_>, LedgerError> {
        let path = self.path.clone();
        let failed = |source| LedgerError::sqlite(&path, "write", source);
        let transaction = self.connection.transaction().map_err(failed)?;
        let first = transaction
            .query_row("SELECT NOT EXISTS (SELECT 1 FROM rows)", [], |row| row.get(0))
            .map_err(failed)?;
        Ok(Import {
            transaction,
            path,
            requeue,
            first,
            has_ids,
            last_number: 0,
            stats: ImportStats::default(),
        })
    }
}

impl Import<'_> {
    /// Takes the manifest's next row.
    pub fn row(&mut self, row: &ImportRow<'_>) -> Result<(), LedgerError> {
        self.last_number = row.number;
        let row_id = match row.key {
            Some(key) => self.link(row, key)?,
            None => None,
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

    /// Whether a row met so far was changed after it may have been paid for.
    pub fn has_changed_rows(&self) -> bool {
        self.stats.changed > 0
    }

    /// Makes the import durable. `notes` are kept in the ledger with it, by name.
    pub fn finish(mut self, notes: &[(&str, &str)]) -> Result<ImportStats, LedgerError> {
        self.execute("DELETE FROM manifest WHERE number > ?1", [self.last_number])?;
        for (name, value) in notes {
            self.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", [name, value])?;
        }
        if !self.first {
            self.stats.gone = self
                .transaction
                .query_row(
                    "SELECT count(*) FROM rows WHERE task_id IS NOT NULL
                     AND row_id NOT IN (SELECT row_id FROM manifest WHERE row_id IS NOT NULL)",
                    [],
                    |row| row.get::<_, i64>(0),
                )
                .map_err(|source| LedgerError::sqlite(&self.path, "read", source))?
                .unsigned_abs();
        }
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

    /// The ledger's row for `row`, made, changed or requeued as need be; `None` leaves the row invalid.
    fn link(&mut self, row: &ImportRow<'_>, key: RowKey) -> Result<Option<i64>, LedgerError> {
        let content = row.submission.map(Submission::content);
        let known = match (self.first, content) {
            (true, _) => None,
            (false, Some(content)) => match self.find(key)? {
                None => self.find_renamed(row, key, content)?,
                known => known,
            },
            (false, None) => self.find(key)?,
        };
        match (known, row.submission, content) {
            (None, Some(submission), Some(content)) => self.insert(row, key, submission, content).map(Some),
            (None, _, _) => Ok(None),
            (Some(known), Some(submission), Some(content)) if known.content == content.0 => {
                self.unchanged(&known, submission)?;
                Ok(Some(known.row_id))
            }
            (Some(known), Some(submission), Some(content)) => {
                self.edited(row, &known, submission, content)?;
                Ok(Some(known.row_id))
            }
            // It was fine once and is invalid now. Money may be in it, or it is simply not sent.
            (Some(known), _, _) if may_hold_money(&known) => {
                self.report_changed(row, &known);
                Ok(Some(known.row_id))
            }
            (Some(_), _, _) => Ok(None),
        }
    }

    fn find(&self, key: RowKey) -> Result<Option<Known>, LedgerError> {
        self.query(
            "SELECT row_id, content, state, error_code FROM rows WHERE key = ?1",
            key.0.as_slice(),
        )
    }

    /// A row known under another key, because the manifest has gained or lost its id column since: the same row, not
    /// one to be paid for again.
    fn find_renamed(
        &self,
        row: &ImportRow<'_>,
        key: RowKey,
        content: ContentHash,
    ) -> Result<Option<Known>, LedgerError> {
        let sql = match (row.id.is_some(), self.has_ids) {
            (true, _) => {
                "SELECT row_id, content, state, error_code FROM rows WHERE content = ?1 AND id IS NULL LIMIT 1"
            }
            (false, false) => {
                "SELECT row_id, content, state, error_code FROM rows WHERE content = ?1 AND id IS NOT NULL LIMIT 1"
            }
            (false, true) => return Ok(None),
        };
        let known = self.query(sql, content.0.as_slice())?;
        if let Some(known) = &known {
            self.execute(
                "UPDATE rows SET key = ?2, id = ?3 WHERE row_id = ?1",
                params![known.row_id, key.0, row.id],
            )?;
        }
        Ok(known)
    }

    fn insert(
        &mut self,
        row: &ImportRow<'_>,
        key: RowKey,
        submission: &Submission<'_>,
        content: ContentHash,
    ) -> Result<i64, LedgerError> {
        self.stats.new += 1;
        self.execute(
            "INSERT INTO rows (key, content, id, submission, state) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![key.0, content.0, row.id, to_json(submission), RowState::Queued.as_str()],
        )?;
        Ok(self.transaction.last_insert_rowid())
    }

    fn unchanged(&mut self, known: &Known, submission: &Submission<'_>) -> Result<(), LedgerError> {
        let event = match known.state {
            RowState::Rejected | RowState::Failed if self.wants_retry(known) => Event::Retried,
            RowState::Unknown if self.requeue.resubmit_unknown => Event::Resubmitted,
            // The callback URL is no part of the content, but the next request shall carry the new one.
            RowState::Queued => {
                return self.execute(
                    "UPDATE rows SET submission = ?2 WHERE row_id = ?1 AND submission IS NOT ?2",
                    params![known.row_id, to_json(submission)],
                );
            }
            _ => return Ok(()),
        };
        self.stats.requeued += 1;
        self.queue_again(known, event, submission, None)
    }

    fn edited(
        &mut self,
        row: &ImportRow<'_>,
        known: &Known,
        submission: &Submission<'_>,
        content: ContentHash,
    ) -> Result<(), LedgerError> {
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
                self.queue_again(known, event, submission, Some(content))
            }
            None => {
                self.report_changed(row, known);
                Ok(())
            }
        }
    }

    fn queue_again(
        &self,
        known: &Known,
        event: Event,
        submission: &Submission<'_>,
        content: Option<ContentHash>,
    ) -> Result<(), LedgerError> {
        let state = next(known.state, event)?;
        // The attempts table keeps what is wiped here: earlier task ids, codes and texts.
        self.execute(
            "UPDATE rows SET state = ?2, submission = ?3, content = coalesce(?4, content), tries = 0, task_id = NULL,
                    error_code = NULL, error_message = NULL, submitted_at = NULL, completed_at = NULL, credits = NULL,
                    video_url = NULL, video_file = NULL
             WHERE row_id = ?1",
            params![
                known.row_id,
                state.as_str(),
                to_json(submission),
                content.map(|content| content.0)
            ],
        )
    }

    fn report_changed(&mut self, row: &ImportRow<'_>, known: &Known) {
        self.stats.changed += 1;
        if self.stats.changed_places.len() < CHANGED_PLACES {
            let id = row.id.map(str::to_owned);
            self.stats.changed_places.push(Changed {
                line: row.line,
                id,
                state: known.state,
            });
        }
    }

    fn wants_retry(&self, known: &Known) -> bool {
        match (&self.requeue.retry_rejected, known.error_code.as_deref()) {
            (None, _) => false,
            (Some(codes), Some("dropped")) => codes.iter().any(|code| code == "dropped"),
            (Some(codes), _) if codes.is_empty() => true,
            (Some(codes), Some(found)) => codes.iter().any(|code| code == found),
            (Some(_), None) => false,
        }
    }

    fn query(&self, sql: &str, hash: &[u8]) -> Result<Option<Known>, LedgerError> {
        let failed = |source| LedgerError::sqlite(&self.path, "read", source);
        let mut statement = self.transaction.prepare_cached(sql).map_err(failed)?;
        statement
            .query_row([hash], |row| {
                let state: String = row.get(2)?;
                let state = state.parse().map_err(|error| {
                    rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, Box::new(error))
                })?;
                Ok(Known {
                    row_id: row.get(0)?,
                    content: row.get(1)?,
                    state,
                    error_code: row.get(3)?,
                })
            })
            .optional()
            .map_err(failed)
    }

    fn execute(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<(), LedgerError> {
        let failed = |source| LedgerError::sqlite(&self.path, "write", source);
        let mut statement = self.transaction.prepare_cached(sql).map_err(failed)?;
        statement.execute(parameters).map(drop).map_err(failed)
    }
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
