//! The ledger during a run: one thread owns the file and groups the steps of many rows into one commit, so that they
//! share one sync of the disk.
//!
//! While a commit waits for the disk, the next steps gather in the channel; that alone sizes the groups. A step's
//! future returns only when the commit that holds it has returned. After any error the thread refuses every further
//! step, so that nothing more is sent; task ids that come in then go to the reserve file.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};

use crate::clock::{UnixMillis, Wall};
use crate::ledger::collecting::{self, StepError};
use crate::ledger::reserve::{Orphan, Reserve};
use crate::ledger::state::{Event, next};
use crate::ledger::{
    Announced, Announcement, AttemptId, AttemptResult, Awaited, Due, Ending, FIRST_LOOK, Intent, Ledger, LedgerError,
    NotSaved, OpenTask, QueuedRow, Refusal, SavedVideo, Sighting, Store, StoredUpload, Tasks, Unsaved, Uploads,
};
use crate::row::{RowState, Submission};

/// Most steps in one commit: bounds how long a step waits for its neighbours.
const GROUP: usize = 512;

/// A handle to the thread; clones share it. When the last one is dropped the thread ends.
#[derive(Debug, Clone)]
pub struct Writer {
    steps: mpsc::Sender<Step>,
}

enum Step {
    Queued {
        after: u32,
        most: usize,
        reply: Reply<Vec<QueuedRow>>,
    },
    Begin {
        intent: Intent,
        reply: Reply<Option<AttemptId>>,
    },
    Finish {
        ending: Ending,
        reply: Reply<()>,
    },
    /// A question about the ledger as it stands.
    Read(Box<dyn Work>),
    /// A change of the steps that are not made ten thousand times a second.
    Write(Box<dyn Work>),
}

type Reply<T> = oneshot::Sender<Result<T, LedgerError>>;

/// A step whose details only its sender knows.
trait Work: Send {
    /// Does it; nothing of it counts before the transaction around it is committed.
    fn carry_out(&mut self, connection: &Connection) -> Result<(), StepError>;

    /// Tells the sender what became of it.
    fn answer(self: Box<Self>, outcome: Result<(), LedgerError>);
}

struct Job<F, T> {
    work: Option<F>,
    value: Option<T>,
    reply: Reply<T>,
}

impl<F, T> Work for Job<F, T>
where
    F: FnOnce(&Connection) -> Result<T, StepError> + Send,
    T: Send,
{
    fn carry_out(&mut self, connection: &Connection) -> Result<(), StepError> {
        if let Some(work) = self.work.take() {
            self.value = Some(work(connection)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), LedgerError>) {
        let Job { value, reply, .. } = *self;
        drop(reply.send(outcome.and_then(|()| value.ok_or(LedgerError::Stopped))));
    }
}

impl Store {
    /// Hands the ledger to a thread of its own for the run `run_id`. Join the thread to get it back.
    pub fn into_writer(self, run_id: i64) -> Result<(Writer, JoinHandle<Store>), LedgerError> {
        let reserve =
            Reserve::open(&self.path).map_err(|source| LedgerError::io(&self.path, "open the reserve of", source))?;
        // As many as a run may have in flight, twice: a full channel only means that senders wait.
        let (steps, inbox) = mpsc::channel(2048);
        let path = self.path.clone();
        let inode = inode_of(&path);
        let thread = thread::Builder::new()
            .name("ledger".into())
            .spawn(move || {
                Thread {
                    store: self,
                    run_id,
                    reserve,
                    inode,
                    planning: Wall::steady(),
                    failed: None,
                }
                .run(inbox)
            })
            .map_err(|source| LedgerError::io(&path, "start the writer of", source))?;
        Ok((Writer { steps }, thread))
    }
}

impl Writer {
    async fn ask<T>(&self, step: impl FnOnce(Reply<T>) -> Step) -> Result<T, LedgerError> {
        let (reply, answer) = oneshot::channel();
        self.steps.send(step(reply)).await.map_err(|_| LedgerError::Stopped)?;
        answer.await.map_err(|_| LedgerError::Stopped)?
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StepError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.ask(|reply| {
            Step::Read(Box::new(Job {
                work: Some(work),
                value: None,
                reply,
            }))
        })
        .await
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StepError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.ask(|reply| {
            Step::Write(Box::new(Job {
                work: Some(work),
                value: None,
                reply,
            }))
        })
        .await
    }
}

impl Ledger for Writer {
    async fn queued(&self, after: u32, most: usize) -> Result<Vec<QueuedRow>, LedgerError> {
        self.ask(|reply| Step::Queued { after, most, reply }).await
    }

    async fn begin(&self, intent: Intent) -> Result<Option<AttemptId>, LedgerError> {
        self.ask(|reply| Step::Begin { intent, reply }).await
    }

    async fn finish(&self, ending: Ending) -> Result<(), LedgerError> {
        self.ask(|reply| Step::Finish { ending, reply }).await
    }

    async fn refuse(&self, refusal: Refusal) -> Result<bool, LedgerError> {
        let row_id = refusal.row_id;
        let refused = move |connection: &Connection| {
            let changed = refuse_row(connection, &refusal)?;
            Ok((changed, changed == 0 && has_task(connection, row_id)?))
        };
        match self.write(refused).await? {
            (0, true) => Ok(false),
            (changed, _) => expect_row(row_id, changed).map(|()| true),
        }
    }
}

impl Tasks for Writer {
    async fn due(&self, now: UnixMillis, most: usize) -> Result<Due<OpenTask>, LedgerError> {
        self.read(move |connection| Ok(collecting::due(connection, now, most)?))
            .await
    }

    async fn to_save(&self, now: UnixMillis, most: usize) -> Result<Due<Unsaved>, LedgerError> {
        self.read(move |connection| Ok(collecting::to_save(connection, now, most)?))
            .await
    }

    async fn seen(&self, sighting: Sighting) -> Result<Option<RowState>, LedgerError> {
        self.write(move |connection| collecting::seen(connection, &sighting))
            .await
    }

    async fn announce(&self, announcement: Announcement) -> Result<Announced, LedgerError> {
        self.write(move |connection| collecting::announce(connection, &announcement))
            .await
    }

    async fn awaited(&self, since: UnixMillis, now: UnixMillis) -> Result<Awaited, LedgerError> {
        self.read(move |connection| Ok(collecting::awaited(connection, since, now)?))
            .await
    }

    async fn saved(&self, video: SavedVideo) -> Result<(), LedgerError> {
        let row_id = video.row_id;
        let changed = self
            .write(move |connection| collecting::saved(connection, &video))
            .await?;
        expect_row(row_id, changed)
    }

    async fn not_saved(&self, trouble: NotSaved) -> Result<(), LedgerError> {
        let row_id = trouble.row_id;
        let changed = self
            .write(move |connection| Ok(collecting::not_saved(connection, &trouble)?))
            .await?;
        expect_row(row_id, changed)
    }
}

impl Uploads for Writer {
    async fn upload_of(&self, sha256: [u8; 32]) -> Result<Option<StoredUpload>, LedgerError> {
        self.read(move |connection| {
            let found = connection
                .prepare_cached("SELECT url, uploaded_at FROM uploads WHERE sha256 = ?1")?
                .query_row([sha256], |row| {
                    Ok(StoredUpload {
                        url: row.get(0)?,
                        uploaded_at: UnixMillis(row.get(1)?),
                    })
                })
                .optional()?;
            Ok(found)
        })
        .await
    }

    async fn uploaded(&self, sha256: [u8; 32], upload: StoredUpload) -> Result<(), LedgerError> {
        self.write(move |connection| {
            connection
                .prepare_cached("INSERT OR REPLACE INTO uploads VALUES (?1, ?2, ?3)")?
                .execute(params![sha256, upload.url, upload.uploaded_at.0])?;
            Ok(())
        })
        .await
    }
}

struct Thread {
    store: Store,
    run_id: i64,
    reserve: Reserve,
    /// Which file it is.
    inode: Option<u64>,
    /// The clock that looks at tasks are planned by: one that nobody can set, as the collector's.
    planning: Wall,
    /// The first error: from there on nothing is written to the ledger any more.
    failed: Option<LedgerError>,
}

impl Thread {
    fn run(mut self, mut inbox: mpsc::Receiver<Step>) -> Store {
        let mut group = Vec::with_capacity(GROUP);
        while inbox.blocking_recv_many(&mut group, GROUP) > 0 {
            self.commit(&mut group);
        }
        self.store
    }

    /// Carries out a group of steps in one transaction and answers each when it is durable.
    fn commit(&mut self, group: &mut Vec<Step>) {
        let mut writes = Vec::with_capacity(group.len());
        for step in group.drain(..) {
            match step {
                Step::Queued { after, most, reply } => {
                    let rows = match &self.failed {
                        Some(error) => Err(error.clone()),
                        None => self.queued(after, most),
                    };
                    drop(reply.send(rows));
                }
                Step::Read(mut question) => {
                    let outcome = match &self.failed {
                        Some(error) => Err(error.clone()),
                        None => question
                            .carry_out(&self.store.connection)
                            .map_err(|error| self.error_of("read", error)),
                    };
                    question.answer(outcome);
                }
                write => writes.push(write),
            }
        }
        if writes.is_empty() {
            return;
        }
        if self.failed.is_some() {
            return self.refuse(writes);
        }
        match self.carry_out(&mut writes) {
            Ok(begun) => {
                let mut begun = begun.into_iter();
                for step in writes {
                    match step {
                        Step::Begin { reply, .. } => drop(reply.send(begun.next().ok_or(LedgerError::Stopped))),
                        Step::Finish { reply, .. } => drop(reply.send(Ok(()))),
                        Step::Write(work) => work.answer(Ok(())),
                        Step::Queued { .. } | Step::Read(_) => {}
                    }
                }
            }
            Err(error) => {
                self.failed = Some(error);
                self.refuse(writes);
            }
        }
    }

    /// One transaction with all of `steps` in it; returns the numbers of the attempts it began, in their order.
    fn carry_out(&mut self, steps: &mut [Step]) -> Result<Vec<Option<AttemptId>>, LedgerError> {
        let path = &self.store.path;
        let failed = |source| LedgerError::sqlite(path, "write", source);
        // A ledger that was moved away would be written on under its new name, and the next run would not find it.
        if inode_of(path) != self.inode {
            return Err(LedgerError::Moved { path: path.clone() });
        }
        let transaction = self
            .store
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        let mut begun = Vec::new();
        for step in steps {
            match step {
                Step::Begin { intent, .. } => {
                    let changed = begin_row(&transaction, intent).map_err(failed)?;
                    if changed == 0 && has_task(&transaction, intent.row_id).map_err(failed)? {
                        begun.push(None);
                        continue;
                    }
                    expect_row(intent.row_id, changed)?;
                    begun.push(Some(begin_attempt(&transaction, self.run_id, intent).map_err(failed)?));
                }
                Step::Finish { ending, .. } => {
                    let state = ending.result.state_after()?;
                    let changed = finish_row(&transaction, ending, state, self.planning.now()).map_err(failed)?;
                    expect_row(ending.row_id, changed)?;
                    expect_row(ending.row_id, finish_attempt(&transaction, ending).map_err(failed)?)?;
                }
                Step::Write(work) => work.carry_out(&transaction).map_err(|error| match error {
                    StepError::Sqlite(source) => failed(source),
                    StepError::Ledger(error) => error,
                })?,
                Step::Queued { .. } | Step::Read(_) => {}
            }
        }
        transaction.commit().map_err(failed)?;
        Ok(begun)
    }

    /// Answers every step with the error that stopped the ledger; a task id among them goes to the reserve first.
    fn refuse(&mut self, steps: Vec<Step>) {
        let error = self.failed.clone().unwrap_or(LedgerError::Stopped);
        for step in steps {
            match step {
                Step::Queued { reply, .. } => drop(reply.send(Err(error.clone()))),
                Step::Begin { reply, .. } => drop(reply.send(Err(error.clone()))),
                Step::Read(work) | Step::Write(work) => work.answer(Err(error.clone())),
                Step::Finish { ending, reply } => {
                    if let AttemptResult::Accepted(task_id) = &ending.result {
                        let orphan = Orphan {
                            row_id: ending.row_id,
                            attempt_id: ending.attempt.0,
                            task_id: task_id.clone(),
                            at: ending.at.0,
                        };
                        if let Err(source) = self.reserve.put(&orphan) {
                            tracing::error!(%source, "the reserve file cannot be written either");
                        }
                    }
                    drop(reply.send(Err(error.clone())));
                }
            }
        }
    }

    fn error_of(&self, doing: &'static str, error: StepError) -> LedgerError {
        match error {
            StepError::Sqlite(source) => self.store.failed(doing, source),
            StepError::Ledger(error) => error,
        }
    }

    fn queued(&self, after: u32, most: usize) -> Result<Vec<QueuedRow>, LedgerError> {
        let read = || {
            let mut statement = self.store.connection.prepare_cached(
                "SELECT r.row_id, m.number, r.submission, r.tries FROM manifest m JOIN rows r USING (row_id)
                 WHERE m.number > ?1 AND r.state = 'queued' AND r.due_at IS NULL ORDER BY m.number LIMIT ?2",
            )?;
            let rows = statement.query_map(params![after, i64::try_from(most).unwrap_or(i64::MAX)], |row| {
                let submission: Submission<'static> =
                    serde_json::from_str(row.get_ref(2)?.as_str()?).map_err(|error| {
                        rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, Box::new(error))
                    })?;
                Ok(QueuedRow {
                    row_id: row.get(0)?,
                    number: row.get(1)?,
                    submission,
                    tries: row.get(3)?,
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|source| self.store.failed("read", source))
    }
}

fn inode_of(path: &Path) -> Option<u64> {
    std::fs::metadata(path).map(|metadata| metadata.ino()).ok()
}

/// Every step changes exactly one row: none means that somebody else did, and going on would be a guess.
fn expect_row(row_id: i64, changed: usize) -> Result<(), LedgerError> {
    match changed {
        1 => Ok(()),
        _ => Err(LedgerError::Conflict {
            row_id,
            detail: format!("a step changed {changed} records instead of one"),
        }),
    }
}

fn begin_row(transaction: &Transaction<'_>, intent: &Intent) -> rusqlite::Result<usize> {
    transaction
        .prepare_cached(
            // A row that is due for a look has a task that a callback named: it is looked at before it is sent again.
            "UPDATE rows SET state = 'sending', attempts = attempts + 1
             WHERE row_id = ?1 AND state = 'queued' AND due_at IS NULL",
        )?
        .execute([intent.row_id])
}

/// Whether a callback has said that an earlier request of the row was taken after all.
fn has_task(connection: &Connection, row_id: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT state <> 'sending' AND (task_id IS NOT NULL OR due_at IS NOT NULL) FROM rows WHERE row_id = ?1",
        )?
        .query_row([row_id], |row| row.get(0))
}

/// A row whose image cannot be used. Returns how many records changed.
fn refuse_row(connection: &Connection, refusal: &Refusal) -> Result<usize, StepError> {
    let state = next(RowState::Queued, Event::ImageRefused)?;
    Ok(connection
        .prepare_cached(
            "UPDATE rows SET state = ?2, error_code = ?3, error_message = ?4 WHERE row_id = ?1 AND state = 'queued'",
        )?
        .execute(params![refusal.row_id, state.as_str(), refusal.code, refusal.message])?)
}

fn begin_attempt(transaction: &Transaction<'_>, run_id: i64, intent: &Intent) -> rusqlite::Result<AttemptId> {
    transaction
        .prepare_cached("INSERT INTO attempts (row_id, run_id, token, cost, began_at) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .insert(params![intent.row_id, run_id, intent.token.0, intent.cost, intent.at.0])
        .map(AttemptId)
}

fn finish_row(
    transaction: &Transaction<'_>,
    ending: &Ending,
    state: RowState,
    now: UnixMillis,
) -> rusqlite::Result<usize> {
    let (task_id, submitted_at, due_at) = match &ending.result {
        AttemptResult::Accepted(task_id) => {
            let first_look = now.after(FIRST_LOOK);
            (Some(task_id.as_str()), Some(ending.at.0), Some(first_look.0))
        }
        _ => (None, None, None),
    };
    let counts = ending.result.counts();
    transaction
        .prepare_cached(
            "UPDATE rows SET state = ?2, task_id = ?3, submitted_at = ?4, error_code = ?5, error_message = ?6,
                    tries = tries + ?7, due_at = coalesce(?8, due_at)
             WHERE row_id = ?1 AND state = 'sending'",
        )?
        .execute(params![
            ending.row_id,
            state.as_str(),
            task_id,
            submitted_at,
            none_if_empty(&ending.code),
            none_if_empty(&ending.message),
            counts,
            due_at,
        ])
}

fn finish_attempt(transaction: &Transaction<'_>, ending: &Ending) -> rusqlite::Result<usize> {
    let task_id = match &ending.result {
        AttemptResult::Accepted(task_id) => Some(task_id.as_str()),
        _ => None,
    };
    transaction
        .prepare_cached(
            "UPDATE attempts SET answered_at = ?2, result = ?3, http_status = ?4, code = ?5, message = ?6, task_id = ?7,
                    pause_until = ?8
             WHERE attempt_id = ?1 AND result IS NULL",
        )?
        .execute(params![
            ending.attempt.0,
            ending.at.0,
            ending.result.as_str(),
            ending.http_status,
            none_if_empty(&ending.code),
            none_if_empty(&ending.message),
            task_id,
            ending.pause_until.map(|until| until.0),
        ])
}

fn none_if_empty(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
