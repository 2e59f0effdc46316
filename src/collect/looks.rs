//! Looking at tasks: when one is due, at the limiter's pace, and with pauses when the API wants none.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::clock::{UnixMillis, Wall};
use crate::collect::agenda::Agenda;
use crate::collect::generation::Generations;
use crate::collect::judge::{Circumstances, Effect, Judgement, NEW_FOR, age_of, judge};
use crate::collect::watch::{Barred, CollectConfig, Notice, Standing, Watch};
use crate::kie::{Look, TaskApi};
use crate::ledger::{LedgerError, OpenTask, Seen, Sighting, Tasks};
use crate::pace::Pace;
use crate::rate::Rate;
use crate::row::RowState;

/// Looks in flight: at ten a second, answers may take 1.6 s before the rate suffers.
const LOOKS: usize = 16;

/// Looks in a row that bring nothing before everyone waits: an API that is down is not asked ten times a second.
const BREAKER: u32 = 5;

/// The pause after that, and after an answer that asks for one, doubles from here up to the longest.
const PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The longest `Retry-After` that is believed.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(15 * 60);

/// A collector that stays asks an API that refuses every look again after this time, which doubles up to the longest: it
/// may be a gateway's passing mood. Somebody who puts a key right has to restart the program anyway.
const PROBE: Duration = Duration::from_secs(5 * 60);
const LONGEST_PROBE: Duration = Duration::from_secs(60 * 60);

/// See [`CollectConfig`].
#[derive(Debug, Clone, Copy)]
struct Clocks {
    plan: Wall,
    records: Wall,
}

/// The looks of a collector.
pub(super) struct Looks<A, L> {
    api: Arc<A>,
    ledger: L,
    clocks: Clocks,
    circumstances: Circumstances,
    began: Instant,
    pace: Option<Pace>,
    agenda: Agenda<OpenTask>,
    in_flight: JoinSet<Result<Looked, LedgerError>>,
    /// Nobody is asked before this moment, and how often that has been said in a row.
    pause: Option<(Instant, u32)>,
    nothings: u32,
    /// What the last look brought instead of a record: code and text.
    last_trouble: Option<String>,
    forever: bool,
    bar: Option<Bar>,
    generations: Generations,
}

/// The API refuses every look.
struct Bar {
    barred: Barred,
    /// When one look may find out whether it still does; `None`: not in this run.
    probe: Option<Probe>,
}

struct Probe {
    at: Instant,
    /// After the last look.
    wait: Duration,
}

/// A look that has ended, with what it showed committed.
pub(super) struct Looked {
    row_id: i64,
    number: u32,
    /// The row had no answer: a callback named its task.
    was_unsettled: bool,
    saw_record: bool,
    effect: Effect,
    state: Option<RowState>,
    /// How old the task was.
    age: Duration,
    /// From its acceptance to its end, if it has ended with a video.
    took: Option<Duration>,
    /// Code and text of its failure, if it has failed.
    failure: Option<(String, String)>,
}

impl<A: TaskApi, L: Tasks> Looks<A, L> {
    pub(super) fn new(api: Arc<A>, ledger: L, config: &CollectConfig) -> Looks<A, L> {
        let pace = match config.poll_rate {
            Rate::Limited { requests, window } => Some(Pace::new(requests, window, NonZeroU32::MIN, None)),
            Rate::Off => None,
        };
        Looks {
            api,
            ledger,
            clocks: Clocks {
                plan: config.wall,
                records: config.records,
            },
            circumstances: Circumstances {
                callbacks: config.callbacks,
                is_trusted: false,
                is_new: true,
            },
            began: Instant::now(),
            pace,
            agenda: Agenda::new(config.forever),
            in_flight: JoinSet::new(),
            pause: None,
            nothings: 0,
            last_trouble: None,
            forever: config.forever,
            bar: None,
            generations: Generations::default(),
        }
    }

    /// Why nobody is asked, if so.
    pub(super) fn barred(&self) -> Option<&Barred> {
        self.bar.as_ref().map(|bar| &bar.barred)
    }

    /// Code and text of the last look, if it brought nothing.
    pub(super) fn last_trouble(&self) -> Option<&str> {
        self.last_trouble.as_deref()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Something has changed in the ledger.
    pub(super) fn ask_again(&mut self) {
        self.agenda.ask_again();
    }

    /// Gives up what is in flight: a look costs nothing, and is made again.
    pub(super) async fn give_up(&mut self) {
        self.in_flight.shutdown().await;
    }

    /// Starts what is due and allowed. Returns when to come back without an event; `None`: nothing is planned that is
    /// worth waiting for.
    pub(super) async fn start(&mut self, standing: &mut Standing) -> Result<Option<Instant>, LedgerError> {
        while self.in_flight.len() < LOOKS {
            if let Some(bar) = &self.bar {
                match &bar.probe {
                    None => return Ok(None),
                    Some(probe) if probe.at > Instant::now() => return Ok(Some(probe.at)),
                    // One goes alone, as after a pause.
                    Some(_) if !self.in_flight.is_empty() => return Ok(None),
                    Some(_) => {}
                }
            }
            let ledger = &self.ledger;
            if !self
                .agenda
                .fill(self.clocks.plan, |now, most| ledger.due(now, most))
                .await?
            {
                return Ok(self.agenda.come_back_at(self.clocks.plan));
            }
            if let Some((until, _)) = self.pause {
                if until > Instant::now() {
                    return Ok(Some(until));
                }
                // After a pause one look goes alone: its answer says whether the rest may follow.
                if !self.in_flight.is_empty() {
                    return Ok(None);
                }
            }
            standing.pause = None;
            if let Some(Err(at)) = self.pace.as_mut().map(Pace::take) {
                return Ok(Some(at));
            }
            if let Some(task) = self.agenda.take() {
                standing.looks += 1;
                let (api, ledger) = (Arc::clone(&self.api), self.ledger.clone());
                self.circumstances.is_new = self.began.elapsed() < NEW_FOR;
                let (clocks, circumstances) = (self.clocks, self.circumstances);
                self.in_flight
                    .spawn(async move { look_at(&*api, &ledger, task, clocks, circumstances).await });
            }
        }
        Ok(None)
    }

    /// The next look that ends; `None` if none is in flight.
    pub(super) async fn join_next(&mut self) -> Option<Result<Result<Looked, LedgerError>, JoinError>> {
        self.in_flight.join_next().await
    }

    /// Takes note of a look. True if its task has a video now.
    pub(super) fn ended(&mut self, looked: Looked, standing: &mut Standing, watch: &Watch) -> bool {
        self.agenda.done(looked.row_id);
        let row = looked.number;
        self.circumstances.is_trusted |= looked.saw_record;
        match looked.state {
            Some(RowState::Succeeded) => {
                tracing::info!(row, "succeeded");
                standing.succeeded += 1;
            }
            Some(RowState::Failed) => {
                tracing::info!(row, "failed");
                standing.failed += 1;
                if let Some((code, message)) = &looked.failure {
                    standing.incidents.add(row, RowState::Failed, code, message);
                }
            }
            _ => {}
        }
        if let Some(took) = looked.took {
            self.generations.note(took);
            standing.generation = self.generations.usual();
        }
        // On a machine that has just booted the clock may be younger than the task.
        standing.latest_accepted = standing.latest_accepted.max(Instant::now().checked_sub(looked.age));
        if looked.was_unsettled && looked.state.is_some() {
            standing.settled += 1;
            (watch.notice)(Notice::Settled { row });
        }
        self.hear(row, looked.effect, standing, watch);
        looked.state == Some(RowState::Succeeded)
    }

    /// What a look means for the looks after it.
    fn hear(&mut self, row: u32, effect: Effect, standing: &mut Standing, watch: &Watch) {
        self.last_trouble = match &effect {
            Effect::Fine => None,
            Effect::Trouble { code, message }
            | Effect::Busy { code, message, .. }
            | Effect::Barred { code, message, .. } => Some(format!("{code}: {message}")),
        };
        self.probed(&effect, watch);
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
                    self.pause_for(None, format!("{code}: {message}"), standing, watch);
                }
            }
            Effect::Busy {
                code,
                message,
                retry_after,
            } => self.pause_for(retry_after, format!("{code}: {message}"), standing, watch),
            Effect::Barred { code, message, remedy } => {
                let barred = Barred { code, message, remedy };
                self.refuse(barred, watch);
            }
        }
    }

    /// Nobody is asked for a while, or in this run.
    fn refuse(&mut self, barred: Barred, watch: &Watch) {
        let now = Instant::now();
        let (known, wait) = match &self.bar {
            // This look was on its way when the bar came down: the probe stays where it is.
            Some(Bar { probe: Some(probe), .. }) if probe.at > now => return,
            Some(Bar {
                probe: Some(probe),
                barred: before,
            }) => (before.code == barred.code, Some((probe.wait * 2).min(LONGEST_PROBE))),
            Some(Bar { probe: None, .. }) => (true, None),
            None => (false, self.forever.then_some(PROBE)),
        };
        if !known {
            let barred = barred.clone();
            (watch.notice)(Notice::Barred { barred, again_in: wait });
        }
        let probe = wait.map(|wait| Probe { at: now + wait, wait });
        self.bar = Some(Bar { barred, probe });
    }

    /// If nobody was asked but this one: the others follow once it has brought an answer, and without one there will be
    /// another probe.
    fn probed(&mut self, effect: &Effect, watch: &Watch) {
        let now = Instant::now();
        let Some(Bar { probe: Some(probe), .. }) = &mut self.bar else {
            return;
        };
        if probe.at > now {
            return;
        }
        match effect {
            Effect::Fine => {
                self.bar = None;
                (watch.notice)(Notice::LookingGoesOn);
            }
            Effect::Trouble { .. } | Effect::Busy { .. } => probe.at = now + probe.wait,
            // The caller's next word.
            Effect::Barred { .. } => {}
        }
    }

    fn pause_for(&mut self, asked: Option<Duration>, reason: String, standing: &mut Standing, watch: &Watch) {
        let now = Instant::now();
        let round = match self.pause {
            // Others were on their way when the pause began.
            Some((until, _)) if until > now => return,
            Some((_, round)) => round + 1,
            None => 0,
        };
        let own = PAUSE.saturating_mul(2_u32.saturating_pow(round)).min(LONGEST_PAUSE);
        let wait = own.max(asked.unwrap_or_default().min(LONGEST_RETRY_AFTER));
        self.pause = Some((now + wait, round));
        standing.pause = Some((reason.clone(), now + wait));
        (watch.notice)(Notice::Paused { reason, wait });
    }
}

async fn look_at<A: TaskApi, L: Tasks>(
    api: &A,
    ledger: &L,
    task: OpenTask,
    clocks: Clocks,
    circumstances: Circumstances,
) -> Result<Looked, LedgerError> {
    let look = api.look(&task.task_id).await;
    let at = clocks.plan.now();
    let age = age_of(task.submitted_at, at, clocks.records.now());
    let saw_record = matches!(look, Look::Record(_));
    let Judgement { seen, effect } = judge(&task, look, at, age, circumstances);
    let took = seen.as_ref().and_then(|seen| took(seen, task.submitted_at, age));
    let failure = match &seen {
        Some(Seen::Failed { code, message, .. }) => Some((code.clone(), message.clone())),
        _ => None,
    };
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
        // One that is being sent gets its answer in a moment.
        was_unsettled: task.claim.is_some() && task.state != RowState::Sending,
        saw_record,
        effect,
        state,
        age,
        took,
        failure,
    })
}

/// From a task's acceptance to its end with a video. It had ended by its age at the look; who looks late goes by the
/// record, whose clock is another's.
fn took(seen: &Seen, submitted_at: UnixMillis, age: Duration) -> Option<Duration> {
    let Seen::Succeeded { completed_at, .. } = seen else {
        return None;
    };
    let told = Duration::from_millis(completed_at.millis_since(submitted_at));
    Some(if told.is_zero() { age } else { told.min(age) })
}
