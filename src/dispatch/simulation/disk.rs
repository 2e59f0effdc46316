//! A ledger in memory that survives crashes as a disk would: a commit under way is there afterwards, or is not.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fastrand::Rng;
use tokio::time::sleep;

use crate::clock::{UnixMillis, Wall};
use crate::ledger::state::{Event, next};
use crate::ledger::{AttemptId, AttemptResult, Ending, Intent, LastAttempt, Ledger, LedgerError, QueuedRow, Refusal};
use crate::row::{ClipLength, ImageHash, Resolution, RowState, Submission, TaskId, Token};

#[derive(Clone)]
pub(super) struct Disk(Arc<Mutex<Inner>>);

struct Inner {
    rows: Vec<Row>,
    attempts: Vec<StoredAttempt>,
    /// Task ids that could not be committed.
    reserve: Vec<(usize, TaskId)>,
    broken: bool,
    /// Commits belong to a process; one that died commits nothing more.
    process: u32,
    rng: Rng,
    wall: Wall,
}

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub state: RowState,
    pub task_id: Option<TaskId>,
    tries: u32,
    token: Option<Token>,
}

struct StoredAttempt {
    row: usize,
    began_at: UnixMillis,
    answered_at: Option<UnixMillis>,
    pause_until: Option<UnixMillis>,
    /// Proven to have cost nothing.
    free: bool,
}

impl Disk {
    pub(super) fn new(rows: u32, seed: u64, wall: Wall) -> Disk {
        let row = Row {
            state: RowState::Queued,
            task_id: None,
            tries: 0,
            token: None,
        };
        Disk(Arc::new(Mutex::new(Inner {
            rows: vec![row; rows as usize],
            attempts: Vec::new(),
            reserve: Vec::new(),
            broken: false,
            process: 0,
            rng: Rng::with_seed(seed),
            wall,
        })))
    }

    pub(super) fn crash(&self) {
        self.lock().process += 1;
    }

    /// What a new run does first. Returns the rows that were being sent.
    pub(super) fn recover(&self) -> Vec<usize> {
        let mut inner = self.lock();
        let mut left = Vec::new();
        inner.process += 1;
        inner.broken = false;
        for (row, task_id) in std::mem::take(&mut inner.reserve) {
            if let Ok(state) = next(inner.rows[row].state, Event::TaskIdFound) {
                inner.rows[row].state = state;
                inner.rows[row].task_id = Some(task_id);
            }
        }
        for (index, row) in inner.rows.iter_mut().enumerate() {
            if row.state == RowState::Sending {
                row.state = next(row.state, Event::RunDied).unwrap();
                left.push(index);
            }
        }
        left
    }

    pub(super) fn last_attempts(&self) -> Vec<LastAttempt> {
        let inner = self.lock();
        let last = |stored: &StoredAttempt| LastAttempt {
            began_at: stored.began_at,
            answered_at: stored.answered_at,
            pause_until: stored.pause_until,
        };
        inner.attempts.iter().rev().take(100).map(last).collect()
    }

    /// Requests that were taken, may have been, or still may be.
    pub(super) fn requests_to_pay(&self) -> usize {
        self.lock().attempts.iter().filter(|attempt| !attempt.free).count()
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        self.lock().rows.clone()
    }

    pub(super) fn count(&self, state: RowState) -> usize {
        self.lock().rows.iter().filter(|row| row.state == state).count()
    }

    /// Whether the row's intent to send with `token` is durable.
    pub(super) fn has_intent(&self, row: usize) -> bool {
        let inner = self.lock();
        inner.rows[row].state == RowState::Sending && inner.rows[row].token.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// A commit: some milliseconds, durable before or after them, and now and then it fails, with or without effect.
    async fn commit<T>(&self, change: impl FnOnce(&mut Inner) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        let (process, delay, early, fails, works_anyway) = {
            let mut inner = self.lock();
            if inner.broken {
                return Err(LedgerError::Stopped);
            }
            let delay = if inner.rng.u8(..50) == 0 {
                inner.rng.u64(0..2_000)
            } else {
                inner.rng.u64(0..8)
            };
            let process = inner.process;
            (
                process,
                Duration::from_millis(delay),
                inner.rng.bool(),
                inner.rng.u16(..600) == 0,
                inner.rng.bool(),
            )
        };
        let mut change = Some(change);
        let mut apply = |inner: &mut Inner| match change.take() {
            Some(change) if !fails || works_anyway => change(inner).map(Some),
            _ => Ok(None),
        };
        let mut done = None;
        if early {
            done = apply(&mut self.lock())?;
        }
        sleep(delay).await;
        let mut inner = self.lock();
        if inner.process != process || inner.broken {
            return Err(LedgerError::Stopped);
        }
        if !early {
            done = apply(&mut inner)?;
        }
        match done {
            Some(done) if !fails => Ok(done),
            _ => {
                inner.broken = true;
                Err(LedgerError::Stopped)
            }
        }
    }
}

/// Where the image of rows is that have no local one.
pub(super) const WEB_IMAGE: &str = "https://img.example.org/a.png";

/// Which local image a row has: every other row has one, and some share it.
fn image_of(row: usize) -> Option<u8> {
    (row % 2 == 1).then(|| u8::try_from(row / 5).unwrap())
}

/// The prompt of a row is its number.
pub(super) fn row_of(submission: &Submission<'_>) -> usize {
    submission.prompt.parse().unwrap()
}

fn conflict(row: usize, event: &dyn std::fmt::Debug, state: RowState) -> LedgerError {
    LedgerError::Conflict {
        row_id: i64::try_from(row).unwrap(),
        detail: format!("{event:?} in {state}"),
    }
}

impl Ledger for Disk {
    async fn queued(&self, after: u32, most: usize) -> Result<Vec<QueuedRow>, LedgerError> {
        let inner = self.lock();
        let queued = |(index, row): (usize, &Row)| QueuedRow {
            row_id: i64::try_from(index).unwrap(),
            number: u32::try_from(index).unwrap() + 1,
            submission: Submission {
                prompt: index.to_string().into(),
                image_url: match image_of(index) {
                    Some(image) => format!("images/{image}.png").into(),
                    None => WEB_IMAGE.into(),
                },
                image_sha256: image_of(index).map(|image| ImageHash([image; 32])),
                length: ClipLength::Six,
                resolution: Resolution::P768,
                nsfw_checker: None,
                callback_url: None,
            },
            tries: row.tries,
        };
        let rows = inner.rows.iter().enumerate().skip(after as usize);
        Ok(rows
            .filter(|(_, row)| row.state == RowState::Queued)
            .take(most)
            .map(queued)
            .collect())
    }

    async fn begin(&self, intent: Intent) -> Result<Option<AttemptId>, LedgerError> {
        let row = usize::try_from(intent.row_id).unwrap();
        self.commit(|inner| {
            let state = inner.rows[row].state;
            inner.rows[row].state = next(state, Event::Begin).map_err(|_| conflict(row, &Event::Begin, state))?;
            inner.rows[row].token = Some(intent.token);
            inner.attempts.push(StoredAttempt {
                row,
                began_at: intent.at,
                answered_at: None,
                pause_until: None,
                free: false,
            });
            Ok(Some(AttemptId(i64::try_from(inner.attempts.len()).unwrap() - 1)))
        })
        .await
    }

    async fn finish(&self, ending: Ending) -> Result<(), LedgerError> {
        let process = self.lock().process;
        let row = usize::try_from(ending.row_id).unwrap();
        let result = ending.result.clone();
        let committed = self
            .commit(|inner| {
                let task_id = match &ending.result {
                    AttemptResult::Accepted(task_id) => Some(task_id.clone()),
                    _ => None,
                };
                let state = inner.rows[row].state;
                if state != RowState::Sending {
                    return Err(conflict(row, &ending.result, state));
                }
                inner.rows[row].state = ending.result.state_after()?;
                inner.rows[row].task_id = task_id;
                inner.rows[row].tries += u32::from(ending.result.counts());
                let attempt = &mut inner.attempts[usize::try_from(ending.attempt.0).unwrap()];
                assert_eq!(attempt.row, row);
                attempt.answered_at = Some(inner.wall.now());
                attempt.pause_until = ending.pause_until;
                attempt.free = matches!(ending.result, AttemptResult::Again { .. } | AttemptResult::Rejected);
                Ok(())
            })
            .await;
        if let (Err(_), AttemptResult::Accepted(task_id)) = (&committed, result) {
            let mut inner = self.lock();
            // The reserve belongs to a process, too.
            if inner.process == process {
                inner.reserve.push((row, task_id));
            }
        }
        committed
    }

    async fn refuse(&self, refusal: Refusal) -> Result<bool, LedgerError> {
        let row = usize::try_from(refusal.row_id).unwrap();
        self.commit(|inner| {
            inner.rows[row].state = next(inner.rows[row].state, Event::ImageRefused)?;
            Ok(true)
        })
        .await
    }
}
