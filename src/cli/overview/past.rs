//! The requests of a batch, read once and then only as far as they are new.
//!
//! A page asks every second while a run makes many thousand requests. What is kept of a request is eight bytes or so for
//! what it was, and of the last runs sixteen more for their time lines: 20 MB for a million requests, while somebody looks.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::clock::UnixMillis;
use crate::escape::excerpt;
use crate::ledger::{AttemptId, LedgerError, PastRequest, Reader};
use crate::rate::Rate;
use crate::view::{History, MOST_OUTCOMES, MOST_TIMELINES, Outcome, PauseSpan, RunSpan, Step, Timeline};

use super::durations::{ANSWERS, Durations, TASKS};
use super::timeline::{Class, Sent, add_pause, timeline};

/// A request that was answered is final but for a callback that names its task after all; for those everything is read
/// again this often.
const READ_AGAIN: Duration = Duration::from_secs(60);

/// The share of the time that reading everything again may take, one part in so many.
const SHARE: u32 = 20;

/// Codes told apart while counting. A server that makes up a new one for each answer must not fill the memory.
const MOST_KINDS: usize = 500;

/// Characters of a code and of a text that are kept.
const CODE_CHARACTERS: usize = 40;
const MESSAGE_CHARACTERS: usize = 300;

/// The code of what came after [`MOST_KINDS`] and of what is not among the [`MOST_OUTCOMES`].
const OTHER: &str = "other";

/// What was read of the requests so far.
#[derive(Debug)]
pub(super) struct Past {
    /// What is final.
    settled: Tally,
    /// The last request that was read.
    seen: AttemptId,
    /// Those before it that may still change: in flight, or without an answer.
    open: Vec<AttemptId>,
    /// Until when only news are read.
    fresh_until: Option<Instant>,
}

impl Past {
    /// Nothing was read yet.
    pub(super) fn new() -> Past {
        Past {
            settled: Tally::default(),
            seen: AttemptId(0),
            open: Vec::new(),
            fresh_until: None,
        }
    }

    /// The history as it is now. `at_work`: somebody works on the ledger, so that what is in flight may be answered;
    /// `sends`: rows wait to be sent by it.
    pub(super) fn history(
        &mut self,
        reader: &Reader,
        rate: Rate,
        now: UnixMillis,
        at_work: bool,
        sends: bool,
    ) -> Result<History, LedgerError> {
        let tally = self.read(reader, at_work)?;
        let mut generation = Durations::default();
        let mut outcomes = tally.outcomes;
        let mut saved_bytes = 0_u64;
        reader.for_each_ended_row(|row| {
            saved_bytes = saved_bytes.saturating_add(row.saved_bytes);
            match row.failed {
                true => outcomes.add(Step::Task, "failed", row.code, 1),
                false => {
                    outcomes.add(Step::Task, "succeeded", "", 1);
                    row.took_ms.into_iter().for_each(|millis| generation.add(millis));
                }
            }
        })?;
        let (succeeded, failed) = reader.earlier_tasks()?;
        for (result, count) in [("succeeded", succeeded), ("failed", failed)] {
            if count > 0 {
                outcomes.add(Step::Task, result, "", count);
            }
        }
        let mut timelines = Vec::new();
        for (run, requests) in tally.last_runs.into_iter().rev() {
            if let Some(timeline) = timeline_of(reader, run, requests, rate, now, at_work && sends)? {
                timelines.push(timeline);
            }
        }
        Ok(History {
            timelines,
            runs: tally.runs.len() as u64,
            last_run: reader.last_run()?.map(|run| RunSpan {
                started_at: run.started_at,
                ended_at: run.ended_at,
            }),
            last_accepted_at: tally.last_accepted_at,
            latency: tally.latency.distribution(&ANSWERS),
            generation: generation.distribution(&TASKS),
            outcomes: outcomes.listed(),
            saved_bytes,
        })
    }

    /// Reads what is new, and what may have changed, and counts it all.
    fn read(&mut self, reader: &Reader, at_work: bool) -> Result<Tally, LedgerError> {
        let begun = Instant::now();
        let is_fresh = at_work && self.fresh_until.is_some_and(|until| begun < until);
        // A ledger with fewer requests than were read is an earlier copy of it.
        let is_all = !is_fresh || reader.last_request()? < self.seen;
        if is_all {
            *self = Past::new();
        }
        let Past { settled, seen, .. } = self;
        let mut open = Vec::new();
        let mut unsettled = Tally::default();
        let mut sort = |request: &PastRequest<'_>| match request.result {
            None | Some("unknown") => {
                open.push(request.id);
                unsettled.add(request, at_work);
            }
            Some(_) => settled.add(request, at_work),
        };
        reader.for_these_requests(&self.open, &mut sort)?;
        let mut last = *seen;
        reader.for_each_request(*seen, |request| {
            last = request.id;
            sort(request);
        })?;
        *seen = last;
        self.open = open;
        if is_all {
            let pause = READ_AGAIN.max(begun.elapsed() * (SHARE - 1));
            self.fresh_until = Some(begun + pause);
        }
        let mut all = self.settled.clone();
        all.append(unsettled);
        Ok(all)
    }
}

fn timeline_of(
    reader: &Reader,
    run: i64,
    requests: RunRequests,
    rate: Rate,
    now: UnixMillis,
    goes_on: bool,
) -> Result<Option<Timeline>, LedgerError> {
    let Some(run) = reader.run(run)? else { return Ok(None) };
    let until = (goes_on && run.ended_at.is_none()).then_some(now);
    Ok(Some(timeline(run, requests.sent, requests.pauses, rate, until, now)))
}

/// Requests, counted.
#[derive(Debug, Clone, Default)]
struct Tally {
    latency: Durations,
    outcomes: Outcomes,
    /// The runs that made a request.
    runs: BTreeSet<i64>,
    last_accepted_at: Option<UnixMillis>,
    /// What the last of them made.
    last_runs: BTreeMap<i64, RunRequests>,
}

#[derive(Debug, Clone, Default)]
struct RunRequests {
    sent: Vec<Sent>,
    pauses: Vec<PauseSpan>,
}

impl Tally {
    fn add(&mut self, request: &PastRequest<'_>, at_work: bool) {
        let class = class_of(request.result, at_work);
        if let Some(answered_at) = request.answered_at.filter(|_| request.was_answered) {
            self.latency.add(answered_at.millis_since(request.began_at));
        }
        match (request.result, class) {
            (Some(result), _) => self.outcomes.add(Step::Request, result, request.code, 1),
            // What the next run will call it.
            (None, Class::Unknown) => self.outcomes.add(Step::Request, "unknown", "interrupted", 1),
            (None, _) => {}
        }
        if class == Class::Accepted {
            self.last_accepted_at = self.last_accepted_at.max(request.answered_at);
        }
        self.runs.insert(request.run);
        let Some(run) = self.room_for(request.run) else { return };
        run.sent.push(Sent {
            began_at: request.began_at,
            class,
        });
        if let (Some(from), Some((until, message))) = (request.answered_at, request.pause) {
            let pause = PauseSpan {
                from,
                until,
                code: excerpt(request.code, CODE_CHARACTERS),
                message: excerpt(message, MESSAGE_CHARACTERS),
            };
            add_pause(&mut run.pauses, pause);
        }
    }

    /// Where the requests of a run are kept; `None`: there have been enough others since.
    fn room_for(&mut self, run: i64) -> Option<&mut RunRequests> {
        let oldest = self.last_runs.keys().next().copied();
        if self.last_runs.len() >= MOST_TIMELINES && !self.last_runs.contains_key(&run) {
            if oldest.is_some_and(|oldest| run < oldest) {
                return None;
            }
            self.last_runs.pop_first();
        }
        Some(self.last_runs.entry(run).or_default())
    }

    fn append(&mut self, other: Tally) {
        self.latency.append(&other.latency);
        self.outcomes.append(other.outcomes);
        self.runs.extend(other.runs);
        self.last_accepted_at = self.last_accepted_at.max(other.last_accepted_at);
        for (number, requests) in other.last_runs {
            let Some(run) = self.room_for(number) else { continue };
            run.sent.extend(requests.sent);
            for pause in requests.pauses {
                add_pause(&mut run.pauses, pause);
            }
        }
    }
}

/// What a request came to. One that nobody can answer any more was left by a run that died.
fn class_of(result: Option<&str>, at_work: bool) -> Class {
    match result {
        Some("accepted") => Class::Accepted,
        Some("again") => Class::Again,
        Some("rejected") => Class::Rejected,
        None if at_work => Class::InFlight,
        _ => Class::Unknown,
    }
}

/// How often which outcome was met.
#[derive(Debug, Clone, Default)]
struct Outcomes {
    // The outer key is borrowed when something is counted: only a new code is copied.
    counts: HashMap<(Step, &'static str), HashMap<String, u64>>,
}

impl Outcomes {
    fn add(&mut self, of: Step, result: &str, code: &str, count: u64) {
        let codes = self.counts.entry((of, word_for(result))).or_default();
        if let Some(counted) = codes.get_mut(code) {
            *counted += count;
            return;
        }
        let code = match codes.len() < MOST_KINDS {
            true => excerpt(code, CODE_CHARACTERS),
            false => OTHER.to_owned(),
        };
        *codes.entry(code).or_default() += count;
    }

    fn append(&mut self, other: Outcomes) {
        for ((of, result), codes) in other.counts {
            for (code, count) in codes {
                self.add(of, result, &code, count);
            }
        }
    }

    /// The most frequent first; of the rest one for each word.
    fn listed(self) -> Vec<Outcome> {
        let mut listed = Vec::new();
        for ((of, result), codes) in self.counts {
            listed.extend(codes.into_iter().map(|(code, count)| Outcome {
                of,
                result: result.to_owned(),
                code,
                count,
            }));
        }
        sort(&mut listed);
        if listed.len() <= MOST_OUTCOMES {
            return listed;
        }
        let rest = listed.split_off(MOST_OUTCOMES - WORDS.len());
        for mut outcome in rest {
            outcome.code = OTHER.to_owned();
            let same =
                |known: &&mut Outcome| (known.of, &known.result, &*known.code) == (outcome.of, &outcome.result, OTHER);
            match listed.iter_mut().find(same) {
                Some(known) => known.count += outcome.count,
                None => listed.push(outcome),
            }
        }
        sort(&mut listed);
        listed
    }
}

fn sort(outcomes: &mut [Outcome]) {
    outcomes.sort_by(|one, other| {
        let order = |outcome: &Outcome| (std::cmp::Reverse(outcome.count), outcome.of, outcome.result.clone());
        order(one).cmp(&order(other)).then_with(|| one.code.cmp(&other.code))
    });
}

/// Every word for what a request or a task came to.
const WORDS: [&str; 6] = ["accepted", "again", "rejected", "unknown", "succeeded", "failed"];

/// The word that a ledger uses; one that we do not know tells as much as `unknown`.
fn word_for(result: &str) -> &'static str {
    WORDS.into_iter().find(|word| *word == result).unwrap_or("unknown")
}
