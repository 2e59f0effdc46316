//! The verdict after a disaster: what the sandbox saw against what the ledger says.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

/// States of a row whose task is known.
const TAKEN: [&str; 4] = ["accepted", "succeeded", "failed", "saved"];

/// A row as the ledger has it.
#[derive(Debug, Clone)]
pub(crate) struct LedgerRow {
    pub(crate) prompt: String,
    pub(crate) state: String,
    pub(crate) task_id: Option<String>,
    /// Requests whose intent was committed.
    pub(crate) attempts: u64,
}

/// Every row of a ledger that no process has open, after a look at each of its pages.
#[track_caller]
pub(crate) fn ledger_rows(ledger: &Path) -> Vec<LedgerRow> {
    let connection = Connection::open_with_flags(ledger, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    let integrity: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(integrity, "ok", "{}", ledger.display());
    let mut statement = connection
        .prepare(
            "SELECT submission ->> 'prompt', state, task_id,
                    (SELECT count(*) FROM attempts WHERE attempts.row_id = rows.row_id) FROM rows ORDER BY row_id",
        )
        .unwrap();
    let rows = statement.query_map([], |row| {
        Ok(LedgerRow {
            prompt: row.get(0)?,
            state: row.get(1)?,
            task_id: row.get(2)?,
            attempts: row.get::<_, i64>(3)?.unsigned_abs(),
        })
    });
    rows.unwrap().map(|row| row.unwrap()).collect()
}

/// What a verdict found, for what a test expects beyond it.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Rows by state.
    pub(crate) states: BTreeMap<String, usize>,
    /// Unknown rows whose task was created.
    pub(crate) unknown_and_billed: usize,
    /// Requests that arrived for these rows.
    pub(crate) requests: usize,
}

impl Verdict {
    pub(crate) fn count(&self, state: &str) -> usize {
        self.states.get(state).copied().unwrap_or(0)
    }
}

/// The promises, over the rows of one ledger and all that the sandbox saw (of other batches, too, as long as prompts
/// differ):
///
/// - no row is billed twice, and no task belongs to two rows;
/// - nothing arrived whose intent had not been committed;
/// - every task that was created is in its row, or the row is unknown;
/// - every task id in the ledger is one that the sandbox gave to this row.
#[track_caller]
pub(crate) fn judge(rows: &[LedgerRow], arrivals: &[Value]) -> Verdict {
    let mut by_prompt: HashMap<&str, Vec<&Value>> = HashMap::new();
    for arrival in arrivals {
        by_prompt
            .entry(arrival["prompt"].as_str().unwrap())
            .or_default()
            .push(arrival);
    }
    let mut verdict = Verdict::default();
    let mut ids = HashSet::new();
    for row in rows {
        let seen = by_prompt.get(row.prompt.as_str()).map_or(&[][..], |seen| &seen[..]);
        let tasks: Vec<&str> = seen.iter().filter_map(|arrival| arrival["task_id"].as_str()).collect();
        assert!(tasks.len() <= 1, "billed twice: {row:?} {seen:#?}");
        assert!(
            seen.len() as u64 <= row.attempts,
            "sent without a committed intent: {row:?} {seen:#?}"
        );
        match (&row.task_id, tasks.first()) {
            (Some(id), task) => {
                assert_eq!(Some(&id.as_str()), task, "a phantom: {row:?} {seen:#?}");
                assert!(ids.insert(id.clone()), "two rows with one task: {row:?}");
                assert!(TAKEN.contains(&row.state.as_str()), "{row:?}");
            }
            (None, Some(_)) => {
                assert_eq!(row.state, "unknown", "a task id was lost: {row:?} {seen:#?}");
                verdict.unknown_and_billed += 1;
            }
            (None, None) => assert!(!TAKEN.contains(&row.state.as_str()), "{row:?}"),
        }
        verdict.requests += seen.len();
        *verdict.states.entry(row.state.clone()).or_default() += 1;
    }
    verdict
}
