//! The loop of a run: one owner of all that decides when the next request leaves.

mod images;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::watch::Receiver;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::clock::UnixMillis;
use crate::dispatch::attempt::{self, Attempt, Ended, LostStep, Rules, SentBefore};
use crate::dispatch::config::DispatchConfig;
#[cfg(test)]
use crate::dispatch::config::PlantedBug;
use crate::dispatch::gate::{Change, Gate, GateConfig, Passage, WINDOWS_AFTER_429};
use crate::dispatch::halt::Halt;
use crate::dispatch::images::{ImageHost, Prepared};
use crate::dispatch::limiter::{Limiter, Wait};
use crate::dispatch::retry::RetrySchedule;
use crate::dispatch::watch::{Notice, Standing, Watch};
use crate::kie::{Api, Effect, Outcome};
use crate::ledger::{AttemptResult, Intent, LastAttempt, Ledger, LedgerError, QueuedRow};
use crate::price::tidy;
use crate::rate::Rate;
use crate::row::RowState;

use images::{Choice, LOOK_AHEAD, Place};

/// How a run ended.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// What it did.
    pub standing: Standing,
    /// Why it halted, if it did.
    pub halt: Option<Halt>,
    /// Why the ledger failed, if it did.
    pub ledger_error: Option<LedgerError>,
    /// It ended because its time was up.
    pub time_is_up: bool,
}

/// Sends every queued row, until none is left, `stop` turns true, the time is up, or the run halts. Requests in flight
/// are always waited for: when this returns, every attempt that began has its ending recorded, or the ledger failed.
/// Uploads of `images` are not: they cost nothing, and the next run repeats them.
pub async fn run<A: Api, L: Ledger, I: ImageHost>(
    api: Arc<A>,
    images: I,
    ledger: L,
    config: DispatchConfig,
    stop: Receiver<bool>,
    watch: Watch,
) -> RunReport {
    let mut run = Run::new(api, images, ledger, config, watch);
    run.drive(stop).await;
    RunReport {
        standing: run.standing,
        halt: run.halt,
        ledger_error: run.ledger_error,
        time_is_up: run.time_is_up,
    }
}

/// Rows read from the ledger at a time.
const READ_AHEAD: usize = 256;

/// Rows that wait for another attempt; beyond it nothing new starts, so that memory stays bounded.
const MOST_WAITING: usize = 1_000;

/// Rows rejected in a row, for the same reason, that halt the run.
const EQUAL_REJECTIONS: u32 = 10;

/// The longest `Retry-After` a run waits for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(15 * 60);

/// Milliseconds in which every refusal has surely been heard of by the loop that starts requests.
const HEARD_MS: i64 = 1_000;

/// The clock on the wall may jump, when a suspended machine wakes up or is set right: it is looked at this often.
const LOOK_AT_WALL: Duration = Duration::from_secs(60);

/// How long to wait before seeing again whether it is `stop_at`.
fn look_again(stop_at: UnixMillis, now: UnixMillis) -> Duration {
    Duration::from_millis(stop_at.millis_since(now)).min(LOOK_AT_WALL)
}

/// What is left of a pause that an earlier run was told to make.
fn pause_left(last: &[LastAttempt], now: UnixMillis) -> Option<Duration> {
    // A request that left clearly after the refusal and was not refused itself ended the pause.
    let is_over = |refused: &LastAttempt| {
        last.iter().any(|later| {
            later.pause_until.is_none()
                && later.answered_at.is_some()
                && refused.answered_at.is_some_and(|at| later.began_at.0 > at.0 + HEARD_MS)
        })
    };
    let until = last
        .iter()
        .filter(|attempt| attempt.pause_until.is_some_and(|until| until > now) && !is_over(attempt))
        .filter_map(|attempt| attempt.pause_until)
        .max()?;
    let wait = Duration::from_millis(until.millis_since(now));
    // The run that was asked for more has halted and said until when. Whoever runs again earlier gets one probe: a
    // nonsensical `Retry-After` must not lock a batch up.
    Some(if wait > LONGEST_RETRY_AFTER {
        Duration::ZERO
    } else {
        wait
    })
}

struct Run<A, L, I> {
    api: Arc<A>,
    images: Prepared<I>,
    ledger: L,
    config: DispatchConfig,
    rules: Rules,
    limiter: Limiter,
    gate: Gate,
    retries: RetrySchedule,
    rng: Rng,
    /// Rows not begun in this run, in the manifest's order.
    queue: VecDeque<QueuedRow>,
    /// The number of the last row read into the queue.
    read_up_to: u32,
    read_all: bool,
    /// Whether any row that was read has a local image.
    has_local_images: bool,
    /// Rows that wait for another attempt, by when and by place.
    waiting: BTreeMap<(Instant, u32), WaitingRow>,
    flying: JoinSet<Ended>,
    /// Credits of the requests in flight.
    reserved: f64,
    /// When a row was last decided, or the run began.
    last_success: Instant,
    last_trouble: Option<(String, String)>,
    equal_rejections: Option<(String, String, u32)>,
    standing: Standing,
    watch: Watch,
    halt: Option<Halt>,
    ledger_error: Option<LedgerError>,
    time_is_up: bool,
    stopped: bool,
}

struct WaitingRow {
    row: QueuedRow,
    /// Failures in a row that were not its own; they shape the wait, and are not counted against it.
    setbacks: u32,
    sent_before: SentBefore,
}

/// What the loop does next.
enum Next {
    /// A request has left.
    Started,
    /// Nothing can start before this moment, or before an answer comes.
    Wait(Option<Instant>),
    /// There is nothing left to start.
    Nothing,
}

impl<A: Api, L: Ledger, I: ImageHost> Run<A, L, I> {
    fn new(api: Arc<A>, images: I, ledger: L, config: DispatchConfig, watch: Watch) -> Run<A, L, I> {
        let now = config.wall.now();
        let window = match config.rate {
            Rate::Limited { window, .. } => window,
            // The breaker and the pauses still need a measure.
            Rate::Off => Duration::from_secs(10),
        };
        let pauses = GateConfig {
            rate_limited: window.mul_f64(WINDOWS_AFTER_429),
            maintenance: config.maintenance_pause,
        };
        let mut gate = Gate::new(pauses);
        if let Some(wait) = pause_left(&config.last_attempts, now) {
            gate.pause_until(Instant::now() + wait);
        }
        let rules = Rules {
            max_attempts: config.max_attempts,
            on_unknown: config.on_unknown,
            wall: config.wall,
            pause_after_429: pauses.rate_limited,
            pause_after_455: pauses.maintenance,
            #[cfg(test)]
            planted: config.planted,
        };
        Run {
            images: Prepared::new(images, config.wall),
            limiter: Limiter::new(config.rate, config.burst, &config.last_attempts, now),
            gate,
            retries: RetrySchedule::new(config.retry),
            rng: config.seed.map_or_else(Rng::new, Rng::with_seed),
            queue: VecDeque::with_capacity(READ_AHEAD),
            read_up_to: 0,
            read_all: false,
            has_local_images: false,
            waiting: BTreeMap::new(),
            flying: JoinSet::new(),
            reserved: 0.0,
            last_success: Instant::now(),
            last_trouble: None,
            equal_rejections: None,
            standing: Standing::default(),
            halt: None,
            ledger_error: None,
            time_is_up: false,
            stopped: false,
            api,
            ledger,
            config,
            rules,
            watch,
        }
    }

    async fn drive(&mut self, mut stop: Receiver<bool>) {
        self.stopped = *stop.borrow_and_update();
        loop {
            let mut wake = None;
            if self.goes_on() {
                match self.start_next().await {
                    Next::Started => continue,
                    Next::Wait(at) => wake = self.earliest(at),
                    Next::Nothing if self.flying.is_empty() => break,
                    Next::Nothing => wake = self.earliest(None),
                }
            }
            if !self.goes_on() {
                #[cfg(test)]
                if self.is_planted(PlantedBug::AbandonedAtHalt) {
                    break;
                }
                if !self.standing.ending {
                    self.standing.ending = true;
                    self.publish();
                }
                if self.flying.is_empty() {
                    break;
                }
                wake = None;
            }
            // What a run that ends is still preparing is of no use to it.
            let goes_on = wake.is_some();
            tokio::select! {
                biased;
                Some(ended) = self.flying.join_next(), if !self.flying.is_empty() => self.ended(ended),
                Some(ended) = self.images.next(), if goes_on && !self.images.is_idle() => self.image_ended(ended).await,
                changed = stop.changed(), if !self.stopped => {
                    // A sender that is gone could stop nothing any more: that counts as its word to stop.
                    self.stopped = changed.is_err() || *stop.borrow_and_update();
                }
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
        }
        self.publish();
    }

    /// Whether new requests may still start in this run.
    fn goes_on(&mut self) -> bool {
        if self.stopped || self.halt.is_some() || self.ledger_error.is_some() || self.time_is_up {
            return false;
        }
        let now = Instant::now();
        if self.config.stop_at.is_some_and(|at| self.config.wall.now() >= at) {
            self.time_is_up = true;
            (self.watch.notice)(Notice::TimeIsUp);
            return false;
        }
        if now >= self.last_success + self.config.patience {
            let last = self.last_trouble.take();
            self.halt(Halt::Patience {
                patience: self.config.patience,
                last,
            });
            return false;
        }
        true
    }

    /// When to look again: at `at`, or at the run's own deadlines.
    fn earliest(&self, at: Option<Instant>) -> Option<Instant> {
        let patience = self.last_success + self.config.patience;
        let time_up = self
            .config
            .stop_at
            .map(|stop_at| Instant::now() + look_again(stop_at, self.config.wall.now()));
        [at, time_up, Some(patience)].into_iter().flatten().min()
    }

    async fn start_next(&mut self) -> Next {
        if self.flying.len() >= self.config.concurrency {
            return Next::Wait(None);
        }
        let now = Instant::now();
        let passage = self.gate.look(now);
        #[cfg(test)]
        let passage = if self.is_planted(PlantedBug::GateNeverPauses) {
            Passage::Open
        } else {
            passage
        };
        match passage {
            Passage::Open | Passage::Probe => {}
            Passage::Closed(until) => return self.wait_if_any_work(Some(until)).await,
            Passage::AwaitingProbe => return Next::Wait(None),
        }
        let (place, uploaded): Choice = match self.choose(now).await {
            Ok(choice) => choice,
            Err(next) => return next,
        };
        let candidate = match place {
            Place::Waiting(key) => self.waiting.get(&key).map(|waiting| &waiting.row),
            Place::Queue(index) => self.queue.get(index),
        };
        let Some(candidate) = candidate else {
            return Next::Nothing;
        };
        let cost = (self.config.cost_of)(candidate.submission.length, candidate.submission.resolution);
        if let Some(wait) = self.beyond_budget(cost) {
            return wait;
        }
        let permit = match self.limiter.take() {
            Ok(permit) => permit,
            Err(Wait::Until(at)) => return Next::Wait(Some(at)),
            Err(Wait::ForAnAnswer) => return Next::Wait(None),
        };
        #[cfg(test)]
        if self.is_planted(PlantedBug::SlotFreedAtSend) {
            self.limiter.give_back_at_send();
        }
        let row = match place {
            Place::Waiting(key) => self.waiting.remove(&key),
            Place::Queue(index) => self.queue.remove(index).map(|row| WaitingRow {
                row,
                setbacks: 0,
                sent_before: SentBefore::Nothing,
            }),
        };
        let Some(WaitingRow {
            row,
            setbacks,
            sent_before,
        }) = row
        else {
            return Next::Nothing;
        };
        let intent = Intent {
            row_id: row.row_id,
            token: self.config.tokens.token(),
            at: self.config.wall.now(),
            cost,
        };
        let attempt = Attempt {
            row,
            setbacks,
            sent_before,
            uploaded,
            intent,
            callback_url: self.config.callback_url.clone(),
            rules: self.rules,
            permit,
            probe: self.gate.pass(),
        };
        tracing::debug!(row = attempt.row.number, probe = attempt.probe, "sending");
        self.standing.requests += 1;
        self.standing.in_flight += 1;
        *self.begun_as(sent_before) += 1;
        self.reserved += cost.unwrap_or(0.0);
        let (api, ledger) = (Arc::clone(&self.api), self.ledger.clone());
        self.flying
            .spawn(async move { attempt::make(&*api, &ledger, attempt).await });
        self.publish();
        Next::Started
    }

    /// A pause is only waited for when there is something to send after it.
    async fn wait_if_any_work(&mut self, until: Option<Instant>) -> Next {
        if self.waiting.is_empty() && !self.has_new_row().await {
            Next::Nothing
        } else {
            Next::Wait(until)
        }
    }

    /// Whether a row that this run has not begun may be begun; reads ahead in the ledger if need be.
    async fn has_new_row(&mut self) -> bool {
        if self.config.limit.is_some_and(|limit| self.standing.started >= limit) || self.waiting.len() >= MOST_WAITING {
            return false;
        }
        let few = if self.has_local_images { LOOK_AHEAD } else { 1 };
        if self.queue.len() < few && !self.read_all {
            match self.ledger.queued(self.read_up_to, READ_AHEAD).await {
                Ok(rows) => {
                    self.read_all = rows.len() < READ_AHEAD;
                    if let Some(last) = rows.last() {
                        self.read_up_to = last.number;
                    }
                    self.has_local_images |= rows.iter().any(|row| row.submission.image_sha256.is_some());
                    self.queue.extend(rows);
                }
                Err(error) => {
                    self.ledger_error.get_or_insert(error);
                    return true;
                }
            }
        }
        !self.queue.is_empty()
    }

    /// Halts, or waits for answers that may free credits, when the budget does not cover `cost`.
    fn beyond_budget(&mut self, cost: Option<f64>) -> Option<Next> {
        let budget = self.config.budget?;
        let spent = self.config.spent + self.standing.spent + self.reserved;
        if cost.is_some_and(|cost| tidy(spent + cost) <= budget) {
            return None;
        }
        if !self.flying.is_empty() {
            return Some(Next::Wait(None));
        }
        self.halt(Halt::Budget {
            budget,
            spent: tidy(spent),
        });
        Some(Next::Wait(None))
    }

    fn ended(&mut self, ended: Result<Ended, JoinError>) {
        let ended = match ended {
            Ok(ended) => ended,
            // A panic in an attempt is a bug: end visibly, with the ledger as it stands.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        let Ended {
            row,
            setbacks,
            sent_before,
            permit,
            probe,
            cost,
            answered,
            ending,
        } = ended;
        match ending {
            Ok(None) => self.give_back_unused(permit),
            _ => self.give_back(permit, answered),
        }
        self.standing.in_flight -= 1;
        self.reserved -= cost.unwrap_or(0.0);
        match ending {
            Ok(Some((outcome, result))) => {
                self.hear(row.number, &outcome, probe);
                let row = WaitingRow {
                    row,
                    setbacks,
                    sent_before,
                };
                self.settle(row, cost, &outcome, &result);
            }
            Ok(None) => {
                tracing::info!(row = row.number, "taken already: a callback named its task");
                self.standing.requests -= 1;
                *self.begun_as(sent_before) -= 1;
                // The request that was taken counted as free, unless its answer was lost in this run. One that an earlier
                // run lost is counted twice: the budget then ends this run early, and the next reckons from the ledger.
                if sent_before != SentBefore::Counted {
                    self.spend(cost);
                }
                self.gate.not_sent(probe, Instant::now());
            }
            Err(LostStep { error, task_id }) => {
                if let Some(task_id) = task_id {
                    (self.watch.notice)(Notice::NotRecorded {
                        row: row.number,
                        task_id,
                    });
                }
                self.ledger_error.get_or_insert(error);
            }
        }
        self.publish();
    }

    /// The count of attempts to which one belongs.
    fn begun_as(&mut self, sent_before: SentBefore) -> &mut u64 {
        match sent_before {
            SentBefore::Nothing => &mut self.standing.started,
            SentBefore::Free | SentBefore::Counted => &mut self.standing.retries,
        }
    }

    #[cfg(test)]
    fn is_planted(&self, bug: PlantedBug) -> bool {
        self.config.planted == Some(bug)
    }

    fn give_back(&mut self, permit: crate::dispatch::Permit, answered: Instant) {
        #[cfg(test)]
        if self.is_planted(PlantedBug::SlotFreedAtSend) {
            return;
        }
        self.limiter.give_back(permit, answered);
    }

    fn give_back_unused(&mut self, permit: crate::dispatch::Permit) {
        #[cfg(test)]
        if self.is_planted(PlantedBug::SlotFreedAtSend) {
            return;
        }
        self.limiter.give_back_unused(permit);
    }

    /// What the answer to `row` means for every other row.
    fn hear(&mut self, row: u32, outcome: &Outcome, probe: bool) {
        if outcome.effect == Effect::RateLimited {
            self.standing.rate_limited += 1;
        } else if outcome.http_status.is_some() {
            self.limiter.clean_answer();
        }
        if outcome.effect != Effect::None {
            self.last_trouble = Some((outcome.code.clone(), outcome.message.clone()));
        }
        if let Effect::Halt(remedy) = outcome.effect {
            self.halt(Halt::Refused {
                row,
                code: outcome.code.clone(),
                message: outcome.message.clone(),
                remedy,
            });
        }
        let asked = outcome.retry_after;
        if let Some(wait) = asked.filter(|wait| *wait > LONGEST_RETRY_AFTER && outcome.effect != Effect::None) {
            let asked_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
            let until = UnixMillis(self.config.wall.now().0.saturating_add(asked_ms));
            self.halt(Halt::RetryAfter { wait, until });
        }
        let asked = asked.map(|wait| wait.min(LONGEST_RETRY_AFTER));
        let now = Instant::now();
        match self.gate.answered(outcome.effect, asked, probe, now) {
            Change::None => {}
            Change::Paused {
                reason,
                until,
                second_429,
            } => {
                (self.watch.notice)(Notice::Paused {
                    reason,
                    wait: until - now,
                    code: outcome.code.clone(),
                });
                if second_429 && let Some(spacing) = self.limiter.widen() {
                    (self.watch.notice)(Notice::Slower { spacing });
                }
            }
            Change::Resumed { reason } => (self.watch.notice)(Notice::Resumed { reason }),
        }
    }

    /// What an answer means for its row; the ledger knows already.
    fn settle(&mut self, mut waiting: WaitingRow, cost: Option<f64>, outcome: &Outcome, result: &AttemptResult) {
        let row = waiting.row.number;
        let (code, message) = (outcome.code.as_str(), outcome.message.as_str());
        match result {
            AttemptResult::Accepted(task_id) => tracing::info!(row, %task_id, "accepted"),
            AttemptResult::Rejected => tracing::info!(row, code, message, "rejected"),
            AttemptResult::Unknown | AttemptResult::UnknownResubmitted => {
                tracing::info!(row, code, message, "unknown: it may have been taken");
            }
            AttemptResult::Again { .. } => tracing::info!(row, code, message, "to be tried again"),
        }
        match result {
            AttemptResult::Accepted(_) => {
                self.standing.accepted += 1;
                self.spend(cost);
                self.decided(None);
            }
            AttemptResult::Rejected => {
                self.standing.rejected += 1;
                self.standing.incidents.add(row, RowState::Rejected, code, message);
                self.decided(Some(outcome));
            }
            AttemptResult::Unknown => {
                self.standing.unknown += 1;
                self.standing.incidents.add(row, RowState::Unknown, code, message);
                self.spend(cost);
            }
            AttemptResult::UnknownResubmitted => {
                self.spend(cost);
                waiting.sent_before = SentBefore::Counted;
                self.try_again(waiting, true, outcome);
            }
            AttemptResult::Again { counts } => self.try_again(waiting, *counts, outcome),
        }
    }

    fn spend(&mut self, cost: Option<f64>) {
        match cost {
            Some(cost) => self.standing.spent += cost,
            None => self.standing.unpriced += 1,
        }
    }

    /// The API decided a row: it works, and patience begins anew.
    fn decided(&mut self, rejection: Option<&Outcome>) {
        self.last_success = Instant::now();
        let Some(outcome) = rejection else {
            self.equal_rejections = None;
            return;
        };
        self.count_rejection(&outcome.code, &outcome.message);
    }

    /// A row was rejected, by the API or before it was sent: too many for the same reason halt the run.
    fn count_rejection(&mut self, code: &str, message: &str) {
        let count = match self.equal_rejections.take() {
            Some((last_code, last_message, count)) if last_code == code && last_message == message => count + 1,
            _ => 1,
        };
        let (code, message) = (code.to_owned(), message.to_owned());
        if count >= EQUAL_REJECTIONS && !self.config.keep_going {
            self.halt(Halt::EqualRejections {
                count,
                code: code.clone(),
                message: message.clone(),
            });
        }
        self.equal_rejections = Some((code, message, count));
    }

    fn try_again(&mut self, mut waiting: WaitingRow, counts: bool, outcome: &Outcome) {
        if waiting.sent_before == SentBefore::Nothing {
            waiting.sent_before = SentBefore::Free;
        }
        let wait = match outcome.effect {
            // The gate makes everyone wait; the row itself goes first afterwards.
            Effect::RateLimited | Effect::Maintenance | Effect::Halt(_) => Duration::ZERO,
            Effect::Trouble | Effect::None => {
                waiting.row.tries += u32::from(counts);
                waiting.setbacks += u32::from(!counts);
                let own = self.retries.wait(waiting.row.tries + waiting.setbacks, &mut self.rng);
                // Here the server asks for this row alone: others may go on, unless the breaker opens.
                let asked = outcome.retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
                own.max(asked)
            }
        };
        self.waiting
            .insert((Instant::now() + wait, waiting.row.number), waiting);
    }

    fn halt(&mut self, halt: Halt) {
        if self.halt.is_none() {
            (self.watch.notice)(Notice::Halted(halt.clone()));
            self.standing.halt = Some(Arc::new(halt.clone()));
            self.halt = Some(halt);
        }
    }

    fn publish(&mut self) {
        self.standing.waiting = self.waiting.len() as u64;
        self.standing.pause = self.gate.pause();
        self.standing.spacing = self.limiter.spacing();
        if self.standing.last_trouble != self.last_trouble {
            self.standing.last_trouble.clone_from(&self.last_trouble);
        }
        self.watch.standing.send_replace(self.standing.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_pause_holds_until_its_end_or_until_a_later_request_went_well() {
        const MINUTE: i64 = 60_000;
        let attempt = |began, answered, pause_until: Option<i64>| LastAttempt {
            began_at: UnixMillis(began),
            answered_at: Some(UnixMillis(answered)),
            pause_until: pause_until.map(UnixMillis),
        };
        let refused = |until| attempt(0, 200, Some(until));
        let left = |last: &[LastAttempt]| pause_left(last, UnixMillis(MINUTE)).map(|wait| wait.as_secs());
        let table = [
            ("no request", vec![], None),
            ("over", vec![refused(MINUTE)], None),
            ("still on", vec![refused(3 * MINUTE)], Some(120)),
            (
                "the longest counts",
                vec![refused(2 * MINUTE), refused(3 * MINUTE)],
                Some(120),
            ),
            (
                "others were in flight",
                vec![attempt(150, 900, None), refused(3 * MINUTE)],
                Some(120),
            ),
            (
                "a probe went well",
                vec![attempt(20_000, 20_200, None), refused(3 * MINUTE)],
                None,
            ),
            (
                "refused again since",
                vec![
                    attempt(30_000, 30_200, Some(2 * MINUTE)),
                    attempt(20_000, 20_200, None),
                    refused(3 * MINUTE),
                ],
                Some(60),
            ),
            (
                "longer than a run waits: one probe now",
                vec![refused(i64::MAX)],
                Some(0),
            ),
        ];
        for (name, last, seconds) in table {
            assert_eq!(left(&last), seconds, "{name}");
        }
    }

    #[test]
    fn the_end_of_a_run_is_looked_for_on_the_wall_at_least_once_a_minute() {
        let wait = |stop_at, now| look_again(UnixMillis(stop_at), UnixMillis(now));
        assert_eq!(wait(90_000, 80_000), Duration::from_secs(10));
        assert_eq!(wait(8 * 3_600_000, 0), LOOK_AT_WALL);
        assert_eq!(wait(80_000, 90_000), Duration::ZERO);
    }
}
