//! Fetching videos: a few at once, again after a while when one breaks off, and none any more on a full disk.
//!
//! A collector that stays until it is told to stop gives nothing up as long as the files live: it may be the only one for
//! weeks, and nobody starts the next.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::clock::Wall;
use crate::collect::FILES_LIVE;
use crate::collect::agenda::Agenda;
use crate::collect::watch::{CollectConfig, Notice, Standing, Watch};
use crate::ledger::{LedgerError, NotSaved, SavedVideo, Tasks, Unsaved};
use crate::row::RowState;

/// Times a video is tried in one run before it is left to the next.
const TRIES: u32 = 5;

/// A collector that stays tries a video that it has given up again after this time: long enough for a host, or whoever
/// runs it, to mend what is wrong, and some three hundred times in the life of a file.
const GIVEN_UP_FOR: Duration = Duration::from_secs(60 * 60);

/// It finds out this often whether the folder takes videos again. Somebody has to make room, which takes minutes.
const STOPPED_FOR: Duration = Duration::from_secs(10 * 60);

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
    /// Not in this run; a collector that stays tries it again now and then.
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
    forever: bool,
    /// Only of videos that have failed, and may be tried again.
    failures: HashMap<i64, Failures>,
    stopped: Option<Stopped>,
}

/// How saving the video of a row went so far.
#[derive(Debug, Default)]
struct Failures {
    /// How often it has broken off; at least [`TRIES`] once it was given up.
    tries: u32,
    /// The code of the last trouble that counts it among those that are not saved.
    told: Option<&'static str>,
}

/// Why nothing is fetched.
#[derive(Debug)]
struct Stopped {
    code: &'static str,
    message: String,
    /// When one may be tried again; `None`: not in this run.
    until: Option<Instant>,
}

/// A fetch that has ended, with its end committed.
pub(super) struct Saved {
    row_id: i64,
    number: u32,
    /// Its length; or the trouble, and when it is tried again.
    outcome: Result<u64, (Trouble, Option<Duration>)>,
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
            forever: config.forever,
            failures: HashMap::new(),
            stopped: None,
        }
    }

    /// Why no more videos are fetched, if so.
    pub(super) fn stopped(&self) -> Option<&str> {
        self.stopped.as_ref().map(|stopped| stopped.message.as_str())
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
        while self.in_flight.len() < self.at_once {
            if let Some(stopped) = &self.stopped {
                match stopped.until {
                    None => return Ok(None),
                    Some(until) if until > Instant::now() => return Ok(Some(until)),
                    // One goes alone: it shows whether the rest may follow.
                    Some(_) if !self.in_flight.is_empty() => return Ok(None),
                    Some(_) => {}
                }
            }
            let ledger = &self.ledger;
            if !self
                .agenda
                .fill(self.wall, |now, most| ledger.to_save(now, most))
                .await?
            {
                return Ok(self.agenda.come_back_at(self.wall));
            }
            if let Some(video) = self.agenda.take() {
                let failures = self.failures.get(&video.row_id).map_or(0, |failures| failures.tries);
                let (saver, ledger) = (Arc::clone(&self.saver), self.ledger.clone());
                let (wall, forever) = (self.wall, self.forever);
                self.in_flight
                    .spawn(async move { save(&*saver, &ledger, &video, failures, wall, forever).await });
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
        let (Trouble { code, message, then }, again) = match saved.outcome {
            Ok(bytes) => {
                tracing::info!(row, bytes, "saved");
                standing.saved += 1;
                standing.bytes += bytes;
                let failures = self.failures.remove(&row_id);
                standing.not_saved -= u64::from(failures.is_some_and(|failures| failures.told.is_some()));
                self.go_on(watch);
                return;
            }
            Err(trouble) => trouble,
        };
        tracing::info!(row, code, message, ?then, "not saved");
        let failures = self.failures.entry(row_id).or_default();
        if let Then::Again(_) = then {
            failures.tries += 1;
            return;
        }
        let told = failures.told.replace(code);
        standing.not_saved += u64::from(told.is_none());
        if told != Some(code) {
            standing.incidents.add(row, RowState::Succeeded, code, &message);
        }
        if then == Then::GiveUp {
            failures.tries = TRIES;
            if told != Some(code) || again.is_none() {
                let every = again;
                (watch.notice)(Notice::NotSaved { row, message, every });
            }
        } else {
            self.stop(code, message, again, watch);
        }
        if again.is_none() {
            self.failures.remove(&row_id);
        }
    }

    /// Nothing is fetched for a while, or in this run.
    fn stop(&mut self, code: &'static str, message: String, every: Option<Duration>, watch: &Watch) {
        let until = every.map(|wait| Instant::now() + wait);
        match &mut self.stopped {
            Some(stopped) if stopped.code == code || until.is_none() => stopped.until = until,
            stopped => {
                let said = message.clone();
                (watch.notice)(Notice::SavingStopped { message: said, every });
                *stopped = Some(Stopped { code, message, until });
            }
        }
    }

    /// A video could be saved. One that was on its way when the others stopped shows nothing.
    fn go_on(&mut self, watch: &Watch) {
        let until = self.stopped.as_ref().and_then(|stopped| stopped.until);
        if until.is_some_and(|until| until <= Instant::now()) {
            self.stopped = None;
            (watch.notice)(Notice::SavingGoesOn);
        }
    }
}

async fn save<L: Tasks, S: Saver>(
    saver: &S,
    ledger: &L,
    video: &Unsaved,
    failures: u32,
    wall: Wall,
    forever: bool,
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
            let now = wall.now();
            let lives = now < video.completed_at.after(FILES_LIVE);
            let again = match trouble.then {
                Then::Again(wait) => Some(wait),
                Then::GiveUp => (forever && lives).then_some(GIVEN_UP_FOR),
                Then::StopSaving => forever.then_some(STOPPED_FOR),
            };
            let not_saved = NotSaved {
                row_id: video.row_id,
                task_id: video.task_id.clone(),
                code: trouble.code.to_owned(),
                message: trouble.message.clone(),
                again_at: again.map(|wait| now.after(wait)),
            };
            ledger.not_saved(not_saved).await?;
            Err((trouble, again))
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
