//! What the batch has cost, by what is known.

use rusqlite::{OptionalExtension, Row};

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

impl Money {
    /// Adds a request: whether its task has ended, its result, its credits and cost, whether its task is still its row's, and
    /// whether it made a task that no row has.
    fn add(&mut self, request: &Row<'_>) -> rusqlite::Result<()> {
        let has_ended: bool = request.get(0)?;
        let credits: Option<f64> = request.get(2)?;
        let cost: Option<f64> = request.get(3)?;
        let is_extra: bool = request.get(5)?;
        let price = cost.unwrap_or_default();
        let (is_accepted, is_unanswered) = match request.get_ref(1)?.as_str_or_null()? {
            None | Some("unknown") => (false, true),
            Some(result) => (result == "accepted", false),
        };
        if has_ended {
            self.ended += 1;
            self.untold += u64::from(credits.is_none());
            self.consumed += credits.or(cost).unwrap_or_default();
            if credits != Some(0.0) {
                self.consumed_by_price += price;
            }
        } else if is_accepted && request.get(4)? {
            self.working += 1;
            self.at_work += price;
        } else if is_accepted {
            self.unwatched_tasks += 1;
            self.unwatched += price;
        }
        if is_unanswered || is_extra {
            self.unknown += price;
        }
        self.extra += u64::from(is_extra);
        self.unanswered += u64::from(is_unanswered && !is_extra);
        Ok(())
    }
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
        // Added up here: the same sums as expressions of SQL take twice as long, which is felt where it is done every few
        // seconds.
        let sql = format!(
            "SELECT a.ended IS NOT NULL, a.result, a.credits, a.cost, a.task_id IS r.task_id, {IS_EXTRA}
             FROM attempts a JOIN rows r USING (row_id)"
        );
        let read = || {
            let mut money = Money::default();
            let mut statement = self.connection.prepare_cached(&sql)?;
            let mut requests = statement.query([])?;
            while let Some(request) = requests.next()? {
                money.add(request)?;
            }
            Ok(money)
        };
        read().map_err(|source| self.failed(source))
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
