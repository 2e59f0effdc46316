//! What goes on beside a run: progress on the console, the results file and the metrics.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::job::Job;
use crate::view::Snapshot;

use super::console::Console;
use super::metrics_file::MetricsFile;
use super::outputs::write_results;
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

impl Background {
    /// `live` says where the run stands.
    pub(super) fn start(job: &Job, console: &Console, live: Live, stop: watch::Receiver<bool>) -> Background {
        let (done, is_done) = watch::channel(false);
        let metrics = MetricsFile::of(job, console, Some(Arc::clone(&live)));
        let metrics = metrics.map(|file| tokio::spawn(file.keep(is_done.clone())));
        let progress = show_progress(console.clone(), move |_| live(), is_done.clone());
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
        // Nor must a disk of the metrics that does not answer; they are written once more at the end.
        if let Some(metrics) = self.metrics {
            tokio::time::timeout(LAST_LOOK, metrics).await.ok();
        }
    }
}

/// Shows what `snapshot` says after so much time, until `done` changes.
pub(super) async fn show_progress(
    console: Console,
    mut snapshot: impl FnMut(Duration) -> Snapshot,
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
}
