//! What the batch has cost, by what is known.

use rusqlite::OptionalExtension;

use super::IS_EXTRA;
use crate::ledger::{LedgerError, Reader};

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

impl Reader {
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
}
