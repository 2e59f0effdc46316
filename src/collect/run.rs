//! The collector: one loop that looks at every open task when it is due, and fetches every video there is.
//!
//! What is due stands in the ledger, so the loop holds no more than a page of tasks and what is in flight, however many
//! are open. Looks have a limiter of their own. Nothing here can change a task's fate but its record: a look that brings
//! nothing is made again later.

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::clock::{UnixMillis, Wall};
use crate::collect::cadence::{STALE, STALE_CADENCE};
use crate::collect::judge::{Effect, Judgement, judge};
use crate::collect::watch::{Barred, CollectConfig, CollectReport, Notice, Standing, Watch};
use crate::kie::TaskApi;
use crate::ledger::{LedgerError, NotSaved, OpenTask, SavedVideo, Sighting, Tasks, Unsaved};
use crate::pace::Pace;
use crate::rate::Rate;
use crate::row::RowState;

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
    /// Try again after this time.
    Again(Duration),
    /// Not in this run.
    GiveUp,
    /// No other video can be saved either.
    StopSaving,
}

/// Tasks read from the ledger at a time.
const PAGE: usize = 100;

/// Looks in flight: at ten a second, answers may take 1.6 s before the rate suffers.
const LOOKS: usize = 16;

/// While rows are still being sent, new tasks appear in the ledger without a word.
const LOOK_FOR_NEW: Duration = Duration::from_secs(1);

/// Times a video is tried in one run before it is left to the next.
const SAVE_TRIES: u32 = 5;

/// Looks in a row that bring nothing before everyone waits: an API that is down is not asked ten times a second.
const BREAKER: u32 = 5;

/// The pause after that, and after an answer that asks for one, doubles from here up to the longest.
const PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The longest `Retry-After` that is believed.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(15 * 60);

/// Whoever collects does not wait for what is not due within this time: those are the stale tasks.
const NOT_WAITED_FOR: Duration = STALE_CADENCE.saturating_sub(Duration::from_secs(20 * 60));

/// Collects until nothing is left that is worth waiting for, the deadline comes, or `stop` turns true. `feeding` is true
/// as long as rows are being sent; `wake` is notified when a callback has made a task due. Without a `saver` videos are
/// left where they are.
pub async fn run<A: TaskApi, L: Tasks, S: Saver>(
    api: Arc<A>,
    ledger: L,
    saver: Option<Arc<S>>,
    config: CollectConfig,
    signals: Signals,
    watch: Watch,
) -> CollectReport {
    let pace = match config.poll_rate {
        Rate::Limited { requests, window } => Some(Pace::new(requests, window, NonZeroU32::MIN, None)),
        Rate::Off => None,
    };
    let collector = Collector {
        api,
        ledger,
        saver,
        config,
        watch,
        pace,
        standing: Standing::default(),
        queue: VecDeque::new(),
        next_look: NextDue::Unknown,
        looks: JoinSet::new(),
        looking: HashSet::new(),
        pause: None,
        nothings: 0,
        next_save: NextDue::Unknown,
        to_save: VecDeque::new(),
        saves: JoinSet::new(),
        saving: HashSet::new(),
        save_failures: HashMap::new(),
        barred: None,
        saving_stopped: None,
        ledger_error: None,
    };
    collector.run(signals).await
}

/// What a collector listens to.
#[derive(Debug, Clone)]
pub struct Signals {
    /// Turns true when it is to end at once.
    pub stop: watch::Receiver<bool>,
    /// True as long as rows are being sent.
    pub feeding: watch::Receiver<bool>,
    /// Notified when a callback has made a task due.
    pub wake: Arc<Notify>,
}

/// When there will be something to do, as far as the ledger was asked.
#[derive(Debug, Clone, Copy, PartialEq)]
enum NextDue {
    /// The ledger has to be asked.
    Unknown,
    /// At this moment of the planning clock.
    At(UnixMillis),
    /// Nothing is planned.
    Nothing,
}

struct Collector<A, L, S> {
    api: Arc<A>,
    ledger: L,
    saver: Option<Arc<S>>,
    config: CollectConfig,
    watch: Watch,
    pace: Option<Pace>,
    standing: Standing,
    /// Tasks that are due and not looked at yet.
    queue: VecDeque<OpenTask>,
    next_look: NextDue,
    looks: JoinSet<Result<Looked, LedgerError>>,
    /// Rows whose task is being looked at.
    looking: HashSet<i64>,
    /// Nobody is asked before this moment, and how often that has been said in a row.
    pause: Option<(Instant, u32)>,
    nothings: u32,
    next_save: NextDue,
    to_save: VecDeque<Unsaved>,
    saves: JoinSet<Result<Saved, LedgerError>>,
    /// Rows whose video is being fetched.
    saving: HashSet<i64>,
    /// How often the video of a row has failed so far; only of those that have.
    save_failures: HashMap<i64, u32>,
    barred: Option<Barred>,
    saving_stopped: Option<String>,
    ledger_error: Option<LedgerError>,
}

/// A look that has ended, with what it showed committed.
struct Looked {
    row_id: i64,
    number: u32,
    was_claim: bool,
    effect: Effect,
    state: Option<RowState>,
}

/// A fetch that has ended, with its end committed.
struct Saved {
    row_id: i64,
    number: u32,
    outcome: Result<u64, Trouble>,
}

impl<A: TaskApi, L: Tasks, S: Saver> Collector<A, L, S> {
    async fn run(mut self, mut signals: Signals) -> CollectReport {
        let mut time_is_up = false;
        loop {
            if *signals.stop.borrow() || self.ledger_error.is_some() {
                break;
            }
            if self.config.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                (self.watch.notice)(Notice::TimeIsUp);
                time_is_up = true;
                break;
            }
            let feeding = *signals.feeding.borrow();
            let at = match self.start_what_is_due(feeding).await {
                Ok(at) => at,
                Err(error) => {
                    self.ledger_error = Some(error);
                    break;
                }
            };
            let idle = self.looks.is_empty() && self.saves.is_empty();
            if idle && at.is_none() && !feeding && !self.config.forever {
                break;
            }
            let wake_at = [at, self.config.deadline].into_iter().flatten().min();
            let timer = async {
                match wake_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(ended) = self.looks.join_next() => self.looked(ended),
                Some(ended) = self.saves.join_next() => self.saved(ended),
                () = signals.wake.notified() => self.next_look = NextDue::Unknown,
                () = timer => {}
                Ok(()) = signals.stop.changed() => {}
                changed = signals.feeding.changed(), if feeding => {
                    // Whoever was sending has gone: what it left is in the ledger.
                    if changed.is_err() {
                        signals.feeding = watch::channel(false).1;
                    }
                    self.next_look = NextDue::Unknown;
                }
            }
        }
        // What is in flight is given up: a look costs nothing, and a fetch is gone on with by the next collector.
        self.looks.shutdown().await;
        self.saves.shutdown().await;
        self.standing.saving = 0;
        self.publish();
        CollectReport {
            standing: self.standing,
            barred: self.barred,
            saving_stopped: self.saving_stopped,
            ledger_error: self.ledger_error,
            time_is_up,
        }
    }

    /// Starts looks and fetches as far as they are due and allowed. Returns when to come back without an event; `None`:
    /// nothing is planned that is worth waiting for.
    async fn start_what_is_due(&mut self, feeding: bool) -> Result<Option<Instant>, LedgerError> {
        let look_at = self.start_looks().await?;
        let save_at = self.start_saves().await?;
        self.publish();
        let new_at = feeding.then(|| {
            self.next_look = NextDue::Unknown;
            Instant::now() + LOOK_FOR_NEW
        });
        Ok([look_at, save_at, new_at].into_iter().flatten().min())
    }

    async fn start_looks(&mut self) -> Result<Option<Instant>, LedgerError> {
        if self.barred.is_some() {
            return Ok(None);
        }
        while self.looks.len() < LOOKS {
            if self.queue.is_empty() && !self.read_due().await? {
                return Ok(self.instant_of(self.next_look));
            }
            if let Some((until, _)) = self.pause {
                if until > Instant::now() {
                    return Ok(Some(until));
                }
                // After a pause one look goes alone: its answer says whether the rest may follow.
                if !self.looks.is_empty() {
                    return Ok(None);
                }
            }
            if self.standing.pause.take().is_some() {
                tracing::info!("asking again");
            }
            if let Some(Err(at)) = self.pace.as_mut().map(Pace::take) {
                return Ok(Some(at));
            }
            if let Some(task) = self.queue.pop_front() {
                self.look(task);
            }
        }
        Ok(None)
    }

    /// Reads what is due into the queue; false if there is nothing.
    async fn read_due(&mut self) -> Result<bool, LedgerError> {
        let now = self.config.wall.now();
        match self.next_look {
            NextDue::Nothing => return Ok(false),
            NextDue::At(at) if at > now => return Ok(false),
            NextDue::At(_) | NextDue::Unknown => {}
        }
        let due = self.ledger.due(now, PAGE + self.looking.len()).await?;
        self.next_look = due.next.map_or(NextDue::Nothing, NextDue::At);
        let looking = &self.looking;
        self.queue
            .extend(due.now.into_iter().filter(|task| !looking.contains(&task.row_id)));
        if self.queue.len() >= PAGE {
            self.next_look = NextDue::Unknown;
        }
        Ok(!self.queue.is_empty())
    }

    fn look(&mut self, task: OpenTask) {
        self.looking.insert(task.row_id);
        self.standing.looks += 1;
        let (api, ledger, wall) = (Arc::clone(&self.api), self.ledger.clone(), self.config.wall);
        let callbacks = self.config.callbacks;
        self.looks
            .spawn(async move { look_at(&*api, &ledger, task, wall, callbacks).await });
    }

    fn looked(&mut self, ended: Result<Result<Looked, LedgerError>, JoinError>) {
        let Some(looked) = self.unwrap(ended) else { return };
        self.looking.remove(&looked.row_id);
        // Its row is due again at a moment that the ledger knows.
        self.next_look = NextDue::Unknown;
        let row = looked.number;
        match looked.state {
            Some(RowState::Succeeded) => {
                tracing::info!(row, "succeeded");
                self.standing.succeeded += 1;
                self.next_save = NextDue::Unknown;
            }
            Some(RowState::Failed) => {
                tracing::info!(row, "failed");
                self.standing.failed += 1;
            }
            _ => {}
        }
        if looked.was_claim && looked.state.is_some() {
            self.standing.settled += 1;
            (self.watch.notice)(Notice::Settled { row });
        }
        self.hear(row, looked.effect);
    }

    /// What a look means for the looks after it.
    fn hear(&mut self, row: u32, effect: Effect) {
        match effect {
            Effect::Fine => {
                self.nothings = 0;
                // An answer that was on its way when the pause began does not end it.
                self.pause = self.pause.filter(|(until, _)| *until > Instant::now());
            }
            Effect::Trouble { code, message } => {
                tracing::info!(row, code, message, "the look brought nothing");
                self.nothings += 1;
                if self.nothings >= BREAKER || self.pause.is_some() {
                    self.pause_for(None, format!("{code}: {message}"));
                }
            }
            Effect::Busy {
                code,
                message,
                retry_after,
            } => self.pause_for(retry_after, format!("{code}: {message}")),
            Effect::Barred { code, message, remedy } => {
                let barred = Barred { code, message, remedy };
                if self.barred.is_none() {
                    (self.watch.notice)(Notice::Barred(barred.clone()));
                }
                self.barred = Some(barred);
            }
        }
    }

    fn pause_for(&mut self, asked: Option<Duration>, reason: String) {
        let now = Instant::now();
        let round = match self.pause {
            // Others were on their way when the pause began.
            Some((until, _)) if until > now => return,
            Some((_, round)) => round + 1,
            None => 0,
        };
        let own = (PAUSE * 2_u32.saturating_pow(round)).min(LONGEST_PAUSE);
        let wait = own.max(asked.unwrap_or_default().min(LONGEST_RETRY_AFTER));
        self.pause = Some((now + wait, round));
        self.standing.pause = Some((reason.clone(), now + wait));
        (self.watch.notice)(Notice::Paused { reason, wait });
    }

    async fn start_saves(&mut self) -> Result<Option<Instant>, LedgerError> {
        let Some(saver) = self.saver.clone() else {
            return Ok(None);
        };
        if self.saving_stopped.is_some() {
            return Ok(None);
        }
        while self.saves.len() < self.config.downloads {
            if self.to_save.is_empty() && !self.read_to_save().await? {
                return Ok(self.instant_of(self.next_save));
            }
            if let Some(video) = self.to_save.pop_front() {
                self.saving.insert(video.row_id);
                let failures = self.save_failures.get(&video.row_id).copied().unwrap_or(0);
                let (saver, ledger, wall) = (Arc::clone(&saver), self.ledger.clone(), self.config.wall);
                self.saves
                    .spawn(async move { save(&*saver, &ledger, &video, failures, wall).await });
            }
        }
        Ok(None)
    }

    async fn read_to_save(&mut self) -> Result<bool, LedgerError> {
        let now = self.config.wall.now();
        match self.next_save {
            NextDue::Nothing => return Ok(false),
            NextDue::At(at) if at > now => return Ok(false),
            NextDue::At(_) | NextDue::Unknown => {}
        }
        let due = self.ledger.to_save(now, PAGE + self.saving.len()).await?;
        self.next_save = due.next.map_or(NextDue::Nothing, NextDue::At);
        let saving = &self.saving;
        self.to_save
            .extend(due.now.into_iter().filter(|video| !saving.contains(&video.row_id)));
        if self.to_save.len() >= PAGE {
            self.next_save = NextDue::Unknown;
        }
        Ok(!self.to_save.is_empty())
    }

    fn saved(&mut self, ended: Result<Result<Saved, LedgerError>, JoinError>) {
        let Some(saved) = self.unwrap(ended) else { return };
        self.saving.remove(&saved.row_id);
        self.next_save = NextDue::Unknown;
        let row = saved.number;
        match saved.outcome {
            Ok(bytes) => {
                tracing::info!(row, bytes, "saved");
                self.standing.saved += 1;
                self.standing.bytes += bytes;
                self.save_failures.remove(&saved.row_id);
            }
            Err(Trouble { code, message, then }) => {
                tracing::info!(row, code, message, ?then, "not saved");
                match then {
                    Then::Again(_) => *self.save_failures.entry(saved.row_id).or_default() += 1,
                    Then::GiveUp => {
                        self.standing.not_saved += 1;
                        (self.watch.notice)(Notice::NotSaved { row, message });
                    }
                    Then::StopSaving => {
                        self.standing.not_saved += 1;
                        if self.saving_stopped.is_none() {
                            (self.watch.notice)(Notice::SavingStopped {
                                message: message.clone(),
                            });
                        }
                        self.saving_stopped.get_or_insert(message);
                    }
                }
            }
        }
    }

    fn unwrap<T>(&mut self, ended: Result<Result<T, LedgerError>, JoinError>) -> Option<T> {
        match ended {
            Ok(Ok(value)) => Some(value),
            Ok(Err(error)) => {
                self.ledger_error.get_or_insert(error);
                None
            }
            // A panic in a task is a bug: end visibly, with the ledger as it stands.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// When to come back for what is due then; `None` if that is not worth waiting for.
    fn instant_of(&self, next: NextDue) -> Option<Instant> {
        let NextDue::At(at) = next else { return None };
        let wait = Duration::from_millis(at.millis_since(self.config.wall.now()));
        (wait < NOT_WAITED_FOR || self.config.forever).then(|| Instant::now() + wait)
    }

    fn publish(&mut self) {
        self.standing.saving = self.saves.len() as u64;
        self.watch.standing.send_replace(self.standing.clone());
    }
}

async fn look_at<A: TaskApi, L: Tasks>(
    api: &A,
    ledger: &L,
    task: OpenTask,
    wall: Wall,
    callbacks: bool,
) -> Result<Looked, LedgerError> {
    let look = api.look(&task.task_id).await;
    let at = wall.now();
    let Judgement { seen, effect } = judge(&task, look, at, callbacks);
    let state = match seen {
        Some(seen) => {
            let sighting = Sighting {
                row_id: task.row_id,
                task_id: task.task_id,
                claim: task.claim.map(|claim| claim.attempt),
                at,
                seen,
            };
            ledger.seen(sighting).await?
        }
        None => None,
    };
    Ok(Looked {
        row_id: task.row_id,
        number: task.number,
        was_claim: task.claim.is_some(),
        effect,
        state,
    })
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
        Err(mut trouble) => {
            if let Then::Again(wait) = &mut trouble.then {
                *wait *= 2_u32.saturating_pow(failures);
            }
            if failures + 1 >= SAVE_TRIES && matches!(trouble.then, Then::Again(_)) {
                trouble.then = Then::GiveUp;
            }
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

const _: () = assert!(NOT_WAITED_FOR.as_secs() > 15 * 60 && NOT_WAITED_FOR.as_secs() < STALE.as_secs());

#[cfg(test)]
mod tests;
