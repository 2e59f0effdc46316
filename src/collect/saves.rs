//! Fetching videos: a few at once, again after a while when one breaks off, and none any more on a full disk.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::clock::Wall;
use crate::collect::agenda::Agenda;
use crate::collect::watch::{CollectConfig, Notice, Standing, Watch};
use crate::ledger::{LedgerError, NotSaved, SavedVideo, Tasks, Unsaved};

/// Times a video is tried in one run before it is left to the next.
const TRIES: u32 = 5;

/// Puts one video on disk.
pub trait Saver: Send + Sync + 'static {
    /// Fetches the video, or says why not; `failures` is how often that has failed in this run. Dropping the future leaves
    /// a part that the next try goes on with.
    fn save(&self, video: &Unsaved, failures: u32) -> impl Future<Output = Result<Stored, Trouble>> + Send;

    /// The ledger knows that the video is on disk: whatever would have found it again after a crash can go.
    fn recorded(&self, video: &Unsaved) -> impl Future<Output = ()> + Send;
}

/// A video that is on disk, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Where it is, as results shall show it.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

/// Why a video is not on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Our word for it.
    pub code: &'static str,
    /// What happened, and what to do.
    pub message: String,
    /// What is to be done about it.
    pub then: Then,
}

/// What follows a trouble with a video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Try again after this time, twice as long after each failure.
    Again(Duration),
    /// Not in this run.
    GiveUp,
    /// No other video can be saved either.
    StopSaving,
}

/// The fetches of a collector.
pub(super) struct Saves<L, S> {
    ledger: L,
    saver: Arc<S>,
    wall: Wall,
    at_once: usize,
    agenda: Agenda<Unsaved>,
    in_flight: JoinSet<Result<Saved, LedgerError>>,
    /// How often the video of a row has failed so far; only of those that have, and may be tried again.
    failures: HashMap<i64, u32>,
    stopped: Option<String>,
}

/// A fetch that has ended, with its end committed.
pub(super) struct Saved {
    row_id: i64,
    number: u32,
    outcome: Result<u64, Trouble>,
}

impl<L: Tasks, S: Saver> Saves<L, S> {
    pub(super) fn new(saver: Arc<S>, ledger: L, config: &CollectConfig) -> Saves<L, S> {
        Saves {
            ledger,
            saver,
            wall: config.wall,
            at_once: config.downloads,
            agenda: Agenda::new(config.forever),
            in_flight: JoinSet::new(),
            failures: HashMap::new(),
            stopped: None,
        }
    }

    /// Why no more videos are fetched, if so.
    pub(super) fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Something has changed in the ledger.
    pub(super) fn ask_again(&mut self) {
        self.agenda.ask_again();
    }

    /// Gives up what is in flight: the next collector goes on with the parts.
    pub(super) async fn give_up(&mut self) {
        self.in_flight.shutdown().await;
    }

    /// Starts what is due and allowed. Returns when to come back without an event; `None`: nothing is planned.
    pub(super) async fn start(&mut self) -> Result<Option<Instant>, LedgerError> {
        if self.stopped.is_some() {
            return Ok(None);
        }
        while self.in_flight.len() < self.at_once {
            let ledger = &self.ledger;
            if !self
                .agenda
                .fill(self.wall, |now, most| ledger.to_save(now, most))
                .await?
            {
                return Ok(self.agenda.come_back_at(self.wall));
            }
            if let Some(video) = self.agenda.take() {
                let failures = self.failures.get(&video.row_id).copied().unwrap_or(0);
                let (saver, ledger, wall) = (Arc::clone(&self.saver), self.ledger.clone(), self.wall);
                self.in_flight
                    .spawn(async move { save(&*saver, &ledger, &video, failures, wall).await });
            }
        }
        Ok(None)
    }

    /// The next fetch that ends; `None` if none is in flight.
    pub(super) async fn join_next(&mut self) -> Option<Result<Result<Saved, LedgerError>, JoinError>> {
        self.in_flight.join_next().await
    }

    /// Takes note of a fetch.
    pub(super) fn ended(&mut self, saved: Saved, standing: &mut Standing, watch: &Watch) {
        let (row_id, row) = (saved.row_id, saved.number);
        self.agenda.done(row_id);
        let Trouble { code, message, then } = match saved.outcome {
            Ok(bytes) => {
                tracing::info!(row, bytes, "saved");
                standing.saved += 1;
                standing.bytes += bytes;
                self.failures.remove(&row_id);
                return;
            }
            Err(trouble) => trouble,
        };
        tracing::info!(row, code, message, ?then, "not saved");
        match then {
            Then::Again(_) => *self.failures.entry(row_id).or_default() += 1,
            Then::GiveUp => {
                self.failures.remove(&row_id);
                standing.not_saved += 1;
                (watch.notice)(Notice::NotSaved { row, message });
            }
            Then::StopSaving => {
                standing.not_saved += 1;
                if self.stopped.is_none() {
                    let message = message.clone();
                    (watch.notice)(Notice::SavingStopped { message });
                }
                self.stopped.get_or_insert(message);
            }
        }
    }
}

async fn save<L: Tasks, S: Saver>(
    saver: &S,
    ledger: &L,
    video: &Unsaved,
    failures: u32,
    wall: Wall,
) -> Result<Saved, LedgerError> {
    let outcome = match saver.save(video, failures).await {
        Ok(stored) => {
            let saved = SavedVideo {
                row_id: video.row_id,
                task_id: video.task_id.clone(),
                file: stored.file,
                bytes: stored.bytes,
                sha256: stored.sha256,
            };
            ledger.saved(saved).await?;
            saver.recorded(video).await;
            Ok(stored.bytes)
        }
        Err(trouble) => {
            let trouble = Trouble {
                then: after(trouble.then, failures),
                ..trouble
            };
            let again_at = match trouble.then {
                Then::Again(wait) => Some(wall.now().after(wait)),
                Then::GiveUp | Then::StopSaving => None,
            };
            let not_saved = NotSaved {
                row_id: video.row_id,
                task_id: video.task_id.clone(),
                code: trouble.code.to_owned(),
                message: trouble.message.clone(),
                again_at,
            };
            ledger.not_saved(not_saved).await?;
            Err(trouble)
        }
    };
    Ok(Saved {
        row_id: video.row_id,
        number: video.number,
        outcome,
    })
}

/// What follows a trouble that has happened `failures` times before.
fn after(then: Then, failures: u32) -> Then {
    match then {
        Then::Again(_) if failures + 1 >= TRIES => Then::GiveUp,
        Then::Again(wait) => Then::Again(wait * 2_u32.saturating_pow(failures)),
        other => other,
    }
}
