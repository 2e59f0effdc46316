//! The ledger without its thread: the same SQL on the same file, at once, so that tests of a collector can pause time.

use std::sync::{Arc, Mutex, MutexGuard};

use rusqlite::params;
use tempfile::TempDir;

use crate::clock::UnixMillis;
use crate::ledger::collecting::{self, StepError};
use crate::ledger::{
    Announced, Announcement, AttemptId, Awaited, Due, LedgerError, NotSaved, OpenTask, Realm, SavedVideo, Sighting,
    Store, Tasks, Unsaved,
};
use crate::row::{RowState, Token};

/// A ledger of its own, in a folder of its own.
#[derive(Clone)]
pub(crate) struct Direct {
    store: Arc<Mutex<Store>>,
    _folder: Arc<TempDir>,
}

impl Direct {
    /// A ledger with `rows` rows, each accepted as the task `t1`, `t2`, … at `at` by the attempt of the same number.
    pub(crate) fn with_accepted(rows: u32, at: UnixMillis) -> Direct {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.ledger"), Realm::Api).unwrap();
        {
            let transaction = store.connection.unchecked_transaction().unwrap();
            for number in 1..=rows {
                transaction
                    .execute(
                        "INSERT INTO rows (key, content, submission, state, task_id, submitted_at, due_at)
                         VALUES (randomblob(16), x'00', '{\"prompt\":\"a boat\"}', 'accepted', 't' || ?1, ?2, ?2)",
                        params![number, at.0],
                    )
                    .unwrap();
                transaction
                    .execute("INSERT INTO manifest VALUES (?1, ?1, ?1, '[]', NULL)", [number])
                    .unwrap();
                transaction
                    .execute(
                        "INSERT INTO attempts (row_id, run_id, token, cost, began_at, answered_at, result, task_id)
                         VALUES (?1, 1, ?2, 30, ?3, ?3, 'accepted', 't' || ?1)",
                        params![number, Token([1; 16]).0, at.0],
                    )
                    .unwrap();
            }
            transaction.commit().unwrap();
        }
        Direct {
            store: Arc::new(Mutex::new(store)),
            _folder: Arc::new(folder),
        }
    }

    /// Row `number` as a lost answer leaves it.
    pub(crate) fn lose_answer(&self, number: u32) {
        self.sql(&format!(
            "UPDATE rows SET state = 'unknown', task_id = NULL, submitted_at = NULL, due_at = NULL WHERE row_id = {number};
             UPDATE attempts SET result = 'unknown', task_id = NULL WHERE row_id = {number}"
        ));
    }

    /// What a callback for row `number` says.
    pub(crate) async fn call_back(&self, number: i64, task_id: &str) -> Announced {
        let announcement = Announcement {
            attempt: AttemptId(number),
            token: Token([1; 16]),
            task_id: crate::row::TaskId::new(task_id).unwrap(),
        };
        self.announce(announcement).await.unwrap()
    }

    /// How many rows stand in `state`.
    pub(crate) fn count(&self, state: RowState) -> u64 {
        let count: i64 = self
            .lock()
            .connection
            .query_row("SELECT count(*) FROM rows WHERE state = ?1", [state.as_str()], |row| {
                row.get(0)
            })
            .unwrap();
        count.unsigned_abs()
    }

    /// State and error code of row `number`.
    pub(crate) fn row(&self, number: u32) -> (RowState, Option<String>) {
        self.lock()
            .connection
            .query_row(
                "SELECT state, error_code FROM rows WHERE row_id = ?1",
                [number],
                |row| Ok((row.get::<_, String>(0)?.parse().unwrap(), row.get(1)?)),
            )
            .unwrap()
    }

    pub(crate) fn sql(&self, sql: &str) {
        self.lock().connection.execute_batch(sql).unwrap();
    }

    /// What a collector does when it starts.
    pub(crate) fn prepare(&self, save: bool, now: UnixMillis) {
        self.lock().prepare_collecting(save, now).unwrap();
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap()
    }

    fn step<T>(&self, work: impl FnOnce(&rusqlite::Connection) -> Result<T, StepError>) -> Result<T, LedgerError> {
        let store = self.lock();
        work(&store.connection).map_err(|error| match error {
            StepError::Sqlite(source) => store.failed("write", source),
            StepError::Ledger(error) => error,
        })
    }
}

impl Tasks for Direct {
    async fn due(&self, now: UnixMillis, most: usize) -> Result<Due<OpenTask>, LedgerError> {
        self.step(|connection| Ok(collecting::due(connection, now, most)?))
    }

    async fn to_save(&self, now: UnixMillis, most: usize) -> Result<Due<Unsaved>, LedgerError> {
        self.step(|connection| Ok(collecting::to_save(connection, now, most)?))
    }

    async fn seen(&self, sighting: Sighting) -> Result<Option<RowState>, LedgerError> {
        self.step(|connection| collecting::seen(connection, &sighting))
    }

    async fn announce(&self, announcement: Announcement) -> Result<Announced, LedgerError> {
        self.step(|connection| collecting::announce(connection, &announcement))
    }

    async fn awaited(&self, since: UnixMillis, now: UnixMillis) -> Result<Awaited, LedgerError> {
        self.step(|connection| Ok(collecting::awaited(connection, since, now)?))
    }

    async fn saved(&self, video: SavedVideo) -> Result<(), LedgerError> {
        let changed = self.step(|connection| collecting::saved(connection, &video))?;
        assert_eq!(changed, 1);
        Ok(())
    }

    async fn not_saved(&self, trouble: NotSaved) -> Result<(), LedgerError> {
        let changed = self.step(|connection| Ok(collecting::not_saved(connection, &trouble)?))?;
        assert_eq!(changed, 1);
        Ok(())
    }
}
