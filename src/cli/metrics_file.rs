//! The file from which node_exporter's textfile collector takes a batch's metrics.
//!
//! It is replaced in one step and under a temporary name that the collector does not read. That it cannot be written is
//! worth a warning and never stops a run.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::job::Job;
use crate::page::Source;
use crate::tables::{self, AtomicFile, Purpose, TableError};
use crate::view::{Ending, METRICS_FIRST_WORDS, Overview, Summary, exit_of, metrics, metrics_at_end};

use super::background::blocking;
use super::console::Console;
use super::failure::Failure;
use super::overview::{BatchView, Live};

/// The metrics are written again this often: as often as Prometheus asks by default.
const EVERY: Duration = Duration::from_secs(15);

/// The share of its time that a command may spend on them, one part in so many.
const SHARE: u32 = 20;

/// How long the end of a command waits for its metrics.
const AT_MOST: Duration = Duration::from_secs(10);

const PURPOSE: Purpose = Purpose {
    noun: "metrics",
    option: "--metrics-file",
    remains: "the ledger still has every figure",
};

/// The metrics of a batch and where they go.
#[derive(Clone)]
pub(super) struct MetricsFile {
    path: PathBuf,
    view: Arc<BatchView>,
    console: Console,
}

impl MetricsFile {
    /// Where the job wants its metrics; `None`: nowhere. `live` says where the run in this process stands.
    pub(super) fn of(job: &Job, console: &Console, live: Option<Live>) -> Option<MetricsFile> {
        Some(MetricsFile {
            path: job.metrics_file.clone()?,
            view: Arc::new(BatchView::new(job, live)),
            console: console.clone(),
        })
    }

    /// Refuses to begin where the metrics would take the place of somebody's own file.
    pub(super) fn try_place(job: &Job) -> Result<(), Failure> {
        match &job.metrics_file {
            Some(path) if !may_be_replaced(path) => Err(Failure::NotMetrics { path: path.clone() }),
            _ => Ok(()),
        }
    }

    /// Writes them now and then until `done` changes.
    pub(super) async fn keep(self, mut done: watch::Receiver<bool>) {
        let mut told = false;
        loop {
            let begun = Instant::now();
            let file = self.clone();
            let written = blocking(move || file.write(metrics)).await;
            // Once is enough; the last writing tells again.
            if let (Err(failure), false) = (&written, told) {
                told = true;
                self.warn(failure);
            }
            let pause = EVERY.max(begun.elapsed() * (SHARE - 1));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = done.changed() => return,
            }
        }
    }

    /// Writes them as they stand at the end of a command, which ended like this; `None`: it only looked.
    pub(super) fn write_last(&self, ending: Option<Ending>) {
        let written = self.write(|overview| match ending {
            Some(ending) => metrics_at_end(overview, ending),
            None => metrics(overview),
        });
        if let Err(failure) = written {
            self.warn(&failure);
        }
    }

    fn write(&self, metrics: impl Fn(&Overview) -> String) -> Result<(), Failure> {
        let text = metrics(&self.view.overview()?);
        if !may_be_replaced(&self.path) {
            return Err(Failure::NotMetrics {
                path: self.path.clone(),
            });
        }
        let failed = |source| {
            Failure::from(TableError::Write {
                path: self.path.clone(),
                purpose: PURPOSE,
                source,
            })
        };
        let mut file = AtomicFile::create(&self.path, PURPOSE)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        // The collector is another user, and figures about a batch are no secret among those who may enter its folder.
        file.let_everyone_read().map_err(failed)?;
        file.commit().map_err(failed)
    }

    fn warn(&self, failure: &Failure) {
        self.console
            .warn(&format!("the metrics are not written: {}", failure.in_one_line()));
    }
}

/// Writes the metrics of a command that has come to its end, if the job wants them.
pub(super) async fn write_last(job: &Job, console: &Console, summary: &Summary) {
    if let Some(metrics) = MetricsFile::of(job, console, None) {
        let ending = exit_of(summary);
        let writing = blocking(move || metrics.write_last(Some(ending)));
        // A network disk that hangs must not keep a command from its end.
        if tokio::time::timeout(AT_MOST, writing).await.is_err() {
            console.warn("the metrics are not written: their disk does not answer");
        }
    }
}

/// Whether metrics may stand where there is a file now: if it is empty, or begins as ours do.
fn may_be_replaced(path: &Path) -> bool {
    if !tables::opens_at_once(path) {
        return false;
    }
    let mut head = Vec::new();
    let Ok(file) = File::open(path) else { return true };
    let most = METRICS_FIRST_WORDS.len() as u64;
    match file.take(most).read_to_end(&mut head) {
        Ok(_) => head.is_empty() || head == METRICS_FIRST_WORDS.as_bytes(),
        // What cannot be read is left to the writer's own error.
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_metrics_and_nothing_make_way_for_metrics() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.prom");
        assert!(may_be_replaced(&path));
        for (content, expected) in [
            ("", true),
            ("# HELP hailuo_batch_build_info The program", true),
            ("# HELP hailuo_batch_build", false),
            ("# HELP node_load1 1m load average.\n", false),
            ("\n# HELP hailuo_batch_build_info The program", false),
            ("id,prompt,image_url\n", false),
        ] {
            fs::write(&path, content).unwrap();
            assert_eq!(may_be_replaced(&path), expected, "{content}");
        }
        let pipe = folder.path().join("pipe.prom");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
        assert!(
            !may_be_replaced(&pipe),
            "a pipe that nobody writes to is opened for ever"
        );
        assert!(may_be_replaced(folder.path()), "its own error says that it is a folder");
    }
}
