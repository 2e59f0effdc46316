//! Looks at a run from outside: from what its loops publish to the snapshot that people are shown.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock::{UnixMillis, Wall};
use crate::collect;
use crate::dispatch::{PauseReason, Standing};
use crate::escape::excerpt;
use crate::job::Job;
use crate::rate::{Rate, SPACING};
use crate::view::{self, Budget, MeasuredRate, Pause, Snapshot, TaskCounts};

use super::collecting::Waiting;
use super::eta::{self, Course, Spacing, eta};
use super::meter::{Counts, Meter};
use super::overview::Live;

/// Where progress is read.
#[derive(Clone)]
pub(super) struct Watched {
    /// Rows that are sent, if any are.
    pub sending: Option<Sending>,
    /// What was waiting to be collected, and where that stands.
    pub collecting: Option<(Waiting, watch::Receiver<collect::Standing>)>,
}

impl Watched {
    /// Whether whoever looks at tasks still does, if anybody was to.
    pub(super) fn is_well(&self) -> bool {
        let collecting = self.collecting.as_ref();
        collecting.is_none_or(|(_, standing)| standing.has_changed().is_ok())
    }
}

/// Rows that are sent.
#[derive(Clone)]
pub(super) struct Sending {
    /// How many there are for this run.
    pub rows: u64,
    /// Credits that earlier runs have spent, where there is a budget.
    pub spent_before: f64,
    /// Where it stands.
    pub standing: watch::Receiver<Standing>,
}

/// Where the run stands whenever somebody asks; all who ask are answered by one observer.
pub(super) fn live_of(watched: Watched, job: &Job) -> Live {
    let started = Instant::now();
    let observer = Mutex::new(Observer::new(watched, job));
    Arc::new(move || {
        let mut observer = observer.lock().unwrap_or_else(PoisonError::into_inner);
        observer.look(started.elapsed())
    })
}

/// Looks at a run, and remembers what it needs of earlier looks.
pub(super) struct Observer {
    watched: Watched,
    rate: Rate,
    budget: Option<f64>,
    stop_at: Option<UnixMillis>,
    meter: Meter,
}

impl Observer {
    /// An observer of a run that begins now.
    pub(super) fn new(watched: Watched, job: &Job) -> Observer {
        Observer {
            watched,
            rate: job.rate,
            budget: job.budget,
            stop_at: job.stop_at,
            meter: Meter::new(job.rate),
        }
    }

    /// Where the run stands, so long after it began. To be asked several times a second, by one who shows it.
    pub(super) fn look(&mut self, elapsed: Duration) -> Snapshot {
        let sending = self.watched.sending.as_ref();
        let standing = sending.map(|sending| sending.standing.borrow().clone());
        let collecting = self.watched.collecting.as_ref();
        let collecting = collecting.map(|(waiting, standing)| (*waiting, standing.borrow().clone()));

        let mut snapshot = Snapshot {
            elapsed,
            ..Snapshot::default()
        };
        if let Some((sending, standing)) = sending.zip(standing.as_ref()) {
            show_sending(&mut snapshot, standing, sending.rows);
            snapshot.budget = self.budget.map(|credits| Budget {
                credits,
                spent: sending.spent_before + standing.spent,
            });
        }
        let is_pausing = snapshot.pause.is_some();
        if let Some((waiting, standing)) = &collecting {
            show_collecting(&mut snapshot, standing, *waiting);
        }
        snapshot.incidents.sort_by_key(|incident| incident.at);

        self.meter.note(elapsed, counts_of(&snapshot), is_pausing);
        if standing.is_some() {
            snapshot.rate = Some(MeasuredRate {
                requests: self.meter.requests_per_window(),
                limit: self.rate,
            });
            snapshot.eta = eta(&self.course(&snapshot, standing.as_ref(), None)).sending;
        }
        if collecting.as_ref().is_none_or(|(waiting, _)| !waiting.forever) {
            let collecting = collecting.as_ref().map(|(_, standing)| standing);
            snapshot.eta_of_all = eta(&self.course(&snapshot, standing.as_ref(), collecting)).all;
        }
        snapshot
    }

    fn course(
        &self,
        snapshot: &Snapshot,
        sending: Option<&Standing>,
        collecting: Option<&collect::Standing>,
    ) -> Course {
        let configured = configured_spacing(self.rate);
        let pause_left = match (sending, &snapshot.pause) {
            (Some(sending), Some(pause)) if sending.pause.is_some() => pause.remaining,
            _ => Duration::ZERO,
        };
        Course {
            queued: snapshot.queued,
            in_flight: snapshot.in_flight,
            ending: snapshot.ending,
            requests: snapshot.requests,
            started: sending.map_or(0, |standing| standing.started),
            spacing: configured.map(|configured| Spacing {
                configured,
                now: sending.and_then(|standing| standing.spacing).unwrap_or(configured),
            }),
            requests_per_second: self.meter.requests_per_second(),
            pause_left,
            paused: self.meter.paused(),
            active: snapshot.elapsed.saturating_sub(self.meter.paused()),
            stops_in: self
                .stop_at
                .map(|at| Duration::from_millis(at.millis_since(Wall::System.now()))),
            tasks: collecting
                .zip(snapshot.tasks)
                .map(|(standing, counts)| self.tasks(standing, counts)),
        }
    }

    fn tasks(&self, standing: &collect::Standing, counts: TaskCounts) -> eta::Tasks {
        let age = standing.latest_accepted.map(|at| at.elapsed());
        eta::Tasks {
            at_work: counts.at_work,
            generation: standing.generation,
            latest_age: [age, self.meter.since_accepted()].into_iter().flatten().min(),
            ended_per_second: self.meter.per_second(|counts| counts.ended),
            videos: counts.saves.then(|| eta::Videos {
                to_save: counts.to_save,
                saving: counts.saving,
                saved_per_second: self.meter.per_second(|counts| counts.saved),
            }),
        }
    }
}

/// How far apart requests leave at this rate; `None` without a limit.
fn configured_spacing(rate: Rate) -> Option<Duration> {
    match rate {
        Rate::Limited { requests, window } => Some((window / requests.get()).mul_f64(SPACING)),
        Rate::Off => None,
    }
}

fn counts_of(snapshot: &Snapshot) -> Counts {
    let tasks = snapshot.tasks.unwrap_or_default();
    Counts {
        requests: snapshot.requests,
        accepted: snapshot.accepted,
        ended: tasks.succeeded + tasks.failed,
        saved: tasks.saved,
    }
}

fn show_sending(snapshot: &mut Snapshot, standing: &Standing, total: u64) {
    let done = standing.accepted + standing.rejected + standing.unknown;
    *snapshot = Snapshot {
        total,
        done,
        accepted: standing.accepted,
        rejected: standing.rejected,
        unknown: standing.unknown,
        in_flight: standing.in_flight,
        queued: total.saturating_sub(done + standing.in_flight),
        requests: standing.requests,
        rate_limited: standing.rate_limited,
        spent_credits: (standing.unpriced == 0).then_some(standing.spent),
        // What is not sent any more needs no pause.
        pause: standing
            .pause
            .filter(|_| !standing.ending)
            .map(|pause| told(pause, standing)),
        ending: standing.ending,
        halt: standing.halt.as_ref().map(|halt| view::Halt {
            code: halt.code().to_owned(),
            message: halt.message(),
        }),
        incidents: standing.incidents.iter().cloned().collect(),
        elapsed: snapshot.elapsed,
        ..Snapshot::default()
    };
}

fn told((reason, until): (PauseReason, Option<Instant>), standing: &Standing) -> Pause {
    let words = match reason {
        PauseReason::RateLimited => "the API answered 429",
        PauseReason::Maintenance => "the API is in maintenance",
        PauseReason::Earlier => "an earlier run was told to wait",
        PauseReason::Outage => "several requests in a row failed",
    };
    let last = standing.last_trouble.as_ref().filter(|_| reason == PauseReason::Outage);
    Pause {
        remaining: until.map(left_until).unwrap_or_default(),
        reason: match last {
            Some((code, message)) if message.is_empty() => format!("{words}, the last with {code}"),
            Some((code, message)) => format!("{words}, the last with {code}: {}", excerpt(message, 120)),
            None => words.to_owned(),
        },
    }
}

fn left_until(moment: Instant) -> Duration {
    moment.saturating_duration_since(Instant::now())
}

fn show_collecting(snapshot: &mut Snapshot, standing: &collect::Standing, waiting: Waiting) {
    let tasks = waiting.tasks + snapshot.accepted + standing.settled;
    snapshot.tasks = Some(TaskCounts {
        at_work: tasks.saturating_sub(standing.succeeded + standing.failed),
        succeeded: standing.succeeded,
        failed: standing.failed,
        saves: waiting.saves,
        saving: standing.saving,
        saved: standing.saved,
        to_save: if waiting.saves {
            (waiting.videos + standing.succeeded).saturating_sub(standing.saved + standing.not_saved)
        } else {
            0
        },
        not_saved: standing.not_saved,
        bytes: standing.bytes,
    });
    snapshot.incidents.extend(standing.incidents.iter().cloned());
    if snapshot.pause.is_none() {
        snapshot.pause = standing.pause.as_ref().map(|(reason, until)| Pause {
            remaining: left_until(*until),
            reason: format!("looking at tasks: {reason}"),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_after_several_failures_says_what_the_last_one_was() {
        let standing = |reason| Standing {
            pause: Some((reason, None)),
            last_trouble: Some(("connect".to_owned(), "connection refused\u{1b}[31m".to_owned())),
            ..Standing::default()
        };
        let reason = |standing: &Standing| {
            let mut snapshot = Snapshot::default();
            show_sending(&mut snapshot, standing, 1);
            snapshot.pause.unwrap().reason
        };
        let outage = reason(&standing(PauseReason::Outage));
        assert!(
            outage.ends_with("the last with connect: connection refused\\u{1b}[31m"),
            "{outage}"
        );
        assert_eq!(reason(&standing(PauseReason::RateLimited)), "the API answered 429");
    }
}
