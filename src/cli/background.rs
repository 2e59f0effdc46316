//! What goes on beside a run: progress on the console, the results file and the metrics.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::collect;
use crate::dispatch::{PauseReason, Standing};
use crate::escape::excerpt;
use crate::job::Job;
use crate::rate::Rate;
use crate::view::{Pause, Snapshot, TaskCounts};

use super::collecting::Waiting;
use super::console::Console;
use super::metrics_file::MetricsFile;
use super::outputs::{time_for, write_results};
use super::overview::Live;

/// The results are written again at most this often during a run.
const RESULTS_EVERY: Duration = Duration::from_secs(60);

/// The share of its time that a run may spend on writing results, one part in so many. What takes long, as a workbook of
/// many rows does, is written less often.
const RESULTS_SHARE: u32 = 20;

/// Progress is looked at this often; the console draws less often than that.
const TICK: Duration = Duration::from_millis(200);

/// How long the end of a run waits for progress to be drawn.
pub(super) const LAST_LOOK: Duration = Duration::from_secs(1);

/// What goes on beside the run: progress on the console, the results once a minute or so and at a signal, and the metrics.
pub(super) struct Background {
    progress: JoinHandle<()>,
    results: JoinHandle<()>,
    metrics: Option<JoinHandle<()>>,
    done: watch::Sender<bool>,
}

/// Where progress is read.
#[derive(Clone)]
pub(super) struct Watched {
    /// Rows to send, and where sending them stands.
    pub sending: Option<(u64, watch::Receiver<Standing>)>,
    /// What was waiting to be collected, and where that stands.
    pub collecting: Option<(Waiting, watch::Receiver<collect::Standing>)>,
}

impl Background {
    pub(super) fn start(job: &Job, console: &Console, watched: Watched, stop: watch::Receiver<bool>) -> Background {
        let (done, is_done) = watch::channel(false);
        let rate = job.rate;
        let live = live_of(watched.clone(), rate);
        let metrics = MetricsFile::of(job, console, Some(live)).map(|file| tokio::spawn(file.keep(is_done.clone())));
        let snapshot = move |elapsed| snapshot_of(&watched, rate, elapsed);
        let progress = show_progress(console.clone(), snapshot, is_done.clone());
        let results = keep_results(job.clone(), stop, is_done);
        Background {
            progress: tokio::spawn(progress),
            results: tokio::spawn(results),
            metrics,
            done,
        }
    }

    pub(super) async fn end(self) {
        self.done.send_replace(true);
        // They only look on; a panic in one has been printed and must not hide what the run did. A stopped terminal
        // (Ctrl-S) holds progress up for as long as it likes, and must not hold up the results.
        tokio::time::timeout(LAST_LOOK, self.progress).await.ok();
        self.results.await.ok();
        if let Some(metrics) = self.metrics {
            metrics.await.ok();
        }
    }
}

/// Where the run stands whenever somebody asks.
fn live_of(watched: Watched, rate: Rate) -> Live {
    let started = Instant::now();
    Arc::new(move || snapshot_of(&watched, rate, started.elapsed()))
}

/// Shows what `snapshot` says after so much time, until `done` changes.
pub(super) async fn show_progress(
    console: Console,
    snapshot: impl Fn(Duration) -> Snapshot,
    mut done: watch::Receiver<bool>,
) {
    let started = Instant::now();
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = done.changed() => return,
        }
        let snapshot = snapshot(started.elapsed());
        let progress = console.progress.clone();
        // A terminal that is stopped (Ctrl-S) blocks the write, and must block nothing else.
        blocking(move || progress.update(&snapshot)).await;
    }
}

/// While rows are being sent, the bar is about them; then it is about their tasks.
fn snapshot_of(watched: &Watched, rate: Rate, elapsed: Duration) -> Snapshot {
    let mut snapshot = Snapshot {
        elapsed,
        ..Snapshot::default()
    };
    let mut accepted = 0;
    if let Some((total, standing)) = &watched.sending {
        let standing = standing.borrow();
        accepted = standing.accepted;
        show_sending(&mut snapshot, &standing, rate, *total);
    }
    if let Some((waiting, standing)) = &watched.collecting {
        show_collecting(&mut snapshot, &standing.borrow(), *waiting, accepted);
    }
    snapshot
}

fn show_sending(snapshot: &mut Snapshot, standing: &Standing, rate: Rate, total: u64) {
    let done = standing.accepted + standing.rejected + standing.unknown;
    let queued = total.saturating_sub(done + standing.in_flight);
    let pause = standing.pause.map(|(reason, until)| {
        let remaining = until.map(|until| until.saturating_duration_since(tokio::time::Instant::now()));
        let words = match reason {
            PauseReason::RateLimited => "the API answered 429",
            PauseReason::Maintenance => "the API is in maintenance",
            PauseReason::Earlier => "an earlier run was told to wait",
            PauseReason::Outage => "several requests in a row failed",
        };
        let last = standing.last_trouble.as_ref().filter(|_| reason == PauseReason::Outage);
        let words = match last {
            Some((code, message)) if message.is_empty() => format!("{words}, the last with {code}"),
            Some((code, message)) => format!("{words}, the last with {code}: {}", excerpt(message, 120)),
            None => words.to_owned(),
        };
        Pause {
            remaining: remaining.unwrap_or_default(),
            reason: words,
        }
    });
    let eta =
        time_for(rate, queued + 1).map(|time| time + pause.as_ref().map_or(Duration::ZERO, |pause| pause.remaining));
    *snapshot = Snapshot {
        total,
        done,
        accepted: standing.accepted,
        rejected: standing.rejected,
        unknown: standing.unknown,
        in_flight: standing.in_flight,
        queued,
        requests: standing.requests,
        rate_limited: standing.rate_limited,
        spent_credits: (standing.unpriced == 0).then_some(standing.spent),
        pause,
        eta,
        elapsed: snapshot.elapsed,
        ..Snapshot::default()
    };
}

fn show_collecting(snapshot: &mut Snapshot, standing: &collect::Standing, waiting: Waiting, accepted: u64) {
    let tasks = waiting.tasks + accepted + standing.settled;
    snapshot.tasks = Some(TaskCounts {
        at_work: tasks.saturating_sub(standing.succeeded + standing.failed),
        succeeded: standing.succeeded,
        failed: standing.failed,
        saving: standing.saving,
        saved: standing.saved,
        to_save: if waiting.saves {
            (waiting.videos + standing.succeeded).saturating_sub(standing.saved + standing.not_saved)
        } else {
            0
        },
        bytes: standing.bytes,
    });
    if snapshot.pause.is_none() {
        snapshot.pause = standing.pause.as_ref().map(|(reason, until)| Pause {
            remaining: until.saturating_duration_since(tokio::time::Instant::now()),
            reason: format!("looking at tasks: {reason}"),
        });
    }
}

async fn keep_results(job: Job, mut stop: watch::Receiver<bool>, mut done: watch::Receiver<bool>) {
    let mut pause = RESULTS_EVERY;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            Ok(()) = stop.changed() => {}
            _ = done.changed() => return,
        }
        let started = Instant::now();
        let job = job.clone();
        if let Err(failure) = blocking(move || write_results(&job)).await {
            // The last writing decides; until then it may get better.
            tracing::warn!(%failure, "the results could not be written; trying again later");
        }
        pause = pause_after(started.elapsed());
    }
}

/// How long results that took so long to write are left as they are.
fn pause_after(writing: Duration) -> Duration {
    RESULTS_EVERY.max(writing * (RESULTS_SHARE - 1))
}

/// Runs `work` where it may block.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_that_take_long_are_written_less_often() {
        for (writing, pause) in [(0, 60), (3, 60), (4, 76), (60, 1_140)] {
            let [writing, pause] = [writing, pause].map(Duration::from_secs);
            assert_eq!(pause_after(writing), pause, "{writing:?}");
            assert!(writing * RESULTS_SHARE <= writing + pause);
        }
    }

    #[test]
    fn a_pause_after_several_failures_says_what_the_last_one_was() {
        let standing = |reason| Standing {
            pause: Some((reason, None)),
            last_trouble: Some(("connect".to_owned(), "connection refused\u{1b}[31m".to_owned())),
            ..Standing::default()
        };
        let reason = |standing: &Standing| {
            let mut snapshot = Snapshot::default();
            show_sending(&mut snapshot, standing, Rate::ACCOUNT, 1);
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
