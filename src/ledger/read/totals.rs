//! How many: rows by state and by kind, requests, and rows that wait for something.

use rusqlite::OptionalExtension;

use super::rows::state_of;
use crate::clock::UnixMillis;
use crate::ledger::{LedgerError, Reader};
use crate::row::{ClipLength, Resolution, RowState};

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

impl Reader {
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
                // The first two are counted in the index of the attempts by row.
                "SELECT count(*), count(*) - count(DISTINCT row_id),
                        (SELECT count(*) FROM attempts WHERE code IN ('429', 'http_429')) FROM attempts",
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
}
