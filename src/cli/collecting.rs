//! A collector at work beside whatever else a command does: its folder, its client for files, and its news.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::clock::Wall;
use crate::collect::fetch::{FetchConfig, Fetcher, acknowledge_recorded};
use crate::collect::names::NameTemplate;
use crate::collect::{self, CollectConfig, CollectReport, Folder, Notice, Signals, Standing, Watch};
use crate::job::{Job, JobError};
use crate::kie::Client;
use crate::ledger::{Reader, Store, Writer};
use crate::view::{self, Collected, Counts, Summary, counted};

use super::api::Service;
use super::background::blocking;
use super::console::Console;
use super::failure::Failure;

/// What a collector works with.
pub(super) struct Collector {
    api: Arc<Client>,
    saver: Option<Arc<Folder<Client>>>,
    config: CollectConfig,
    /// Notified when a callback has made a task due.
    pub(super) wake: Arc<Notify>,
    /// Tasks and videos that were waiting when it was made.
    pub(super) waiting: Waiting,
}

/// What waits to be collected.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Waiting {
    /// Tasks that may not have ended.
    pub(super) tasks: u64,
    /// Videos that are not on disk, if they are to be.
    pub(super) videos: u64,
    /// Videos are to be saved.
    pub(super) saves: bool,
    /// It stays until it is told to stop.
    pub(super) forever: bool,
}

/// How a collector is to behave, beside the job's settings.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner {
    /// Callbacks come in.
    pub(super) callbacks: bool,
    /// Stay until told to stop.
    pub(super) forever: bool,
    /// Wait no longer than this, whatever the job says.
    pub(super) wait_for: Option<Duration>,
}

/// How long a run that is not to wait for its tasks stays for those that callbacks named: one look each.
pub(super) const FOR_ANNOUNCED: Duration = Duration::from_secs(30);

impl Collector {
    /// Makes the folder and prepares the ledger. Asks nobody anything yet. `folder` is where videos go; `None`: nowhere.
    pub(super) fn prepare(
        job: &Job,
        console: &Console,
        service: &Service,
        store: &mut Store,
        folder: Option<&Path>,
        manner: Manner,
    ) -> Result<Collector, Failure> {
        let wall = Wall::steady();
        let saver = folder.map(|folder| folder_of(job, service, folder)).transpose()?;
        store.prepare_collecting(saver.is_some(), wall.now())?;
        if saver.is_some() {
            look_for_missing(job, console, store)?;
        }
        let counts: Counts = Reader::open(&job.ledger)?.counts()?.into_iter().collect();
        let config = CollectConfig {
            poll_rate: job.collect.poll_rate,
            downloads: job.collect.downloads,
            callbacks: manner.callbacks,
            forever: manner.forever,
            wait_for: manner.wait_for.or(job.collect.wait_for),
            wall,
            records: Wall::System,
        };
        Ok(Collector {
            api: Arc::clone(&service.client),
            waiting: Waiting {
                tasks: counts.accepted,
                videos: if saver.is_some() { counts.succeeded } else { 0 },
                saves: saver.is_some(),
                forever: manner.forever,
            },
            saver: saver.map(Arc::new),
            config,
            wake: Arc::default(),
        })
    }

    /// Starts to collect. `feeding` is true as long as rows are being sent.
    pub(super) fn start(
        self,
        console: &Console,
        writer: Writer,
        feeding: watch::Receiver<bool>,
        stop: watch::Receiver<bool>,
    ) -> (JoinHandle<CollectReport>, watch::Receiver<Standing>) {
        let (standing, watched) = watch::channel(Standing::default());
        let notices = console.clone();
        let watch = Watch {
            standing,
            notice: Arc::new(move |notice| tell(&notices, &notice)),
        };
        let signals = Signals {
            stop,
            feeding,
            wake: self.wake,
        };
        let collecting = collect::run(self.api, writer, self.saver, self.config, signals, watch);
        (tokio::spawn(collecting), watched)
    }
}

/// Rows that a collector may have something to do about.
pub(super) fn to_collect(job: &Job, counts: &Counts, saving: bool) -> u64 {
    let videos = match (saving, job.collect.fetch_missing) {
        (true, true) => counts.succeeded + counts.saved,
        (true, false) => counts.succeeded,
        (false, _) => 0,
    };
    counts.accepted + videos
}

/// A task's end. A panic in it is a bug: end as visibly as it did.
pub(super) async fn ended<T>(task: JoinHandle<T>) -> T {
    match task.await {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// The ledger, once its thread has ended. If it found its own rules broken: end as visibly as it did.
pub(super) async fn joined(thread: std::thread::JoinHandle<Store>) -> Store {
    match blocking(move || thread.join()).await {
        Ok(store) => store,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// The pattern of names, checked before anything is sent.
pub(super) fn names_of(job: &Job) -> Result<NameTemplate, Failure> {
    let Some(pattern) = &job.collect.name else {
        return Ok(NameTemplate::default());
    };
    pattern.parse().map_err(|error| {
        JobError::setting(format!("`--name` cannot be used: {error}"), "try `{row:05}-{id}.mp4`").into()
    })
}

/// Makes the folder, and proves that it can be written.
pub(super) fn make_folder(folder: &Path) -> Result<(), Failure> {
    let failed = |source| Failure::Folder {
        path: folder.to_owned(),
        source,
    };
    fs::create_dir_all(folder).map_err(failed)?;
    tempfile::tempfile_in(folder).map(drop).map_err(failed)
}

/// Clears away what a killed run left in `folder` beside videos that are recorded. Only tidiness: no trouble stops for it.
pub(super) fn tidy(folder: &Path, reader: &Reader) {
    let tidied = acknowledge_recorded(folder, |task| reader.is_saved(task).map_err(io::Error::other));
    if let Err(error) = tidied {
        tracing::info!(%error, "notes of saved videos could not be removed");
    }
}

fn folder_of(job: &Job, service: &Service, folder: &Path) -> Result<Folder<Client>, Failure> {
    let names = names_of(job)?;
    make_folder(folder)?;
    let fetcher = Fetcher::new(FetchConfig {
        // Its files are where it is.
        allow_private_hosts: service.is_here,
        connect_timeout: job.connect_timeout,
        extra_roots_pem: service.extra_roots_pem.clone(),
        no_proxy: job.sandbox,
        ..FetchConfig::default()
    })?;
    let api = Arc::clone(&service.client);
    Ok(Folder::new(api, fetcher, folder.to_owned(), home_of(job), names))
}

/// The folder that results show files relative to.
pub(super) fn home_of(job: &Job) -> PathBuf {
    match job.manifest.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Saved videos that are no longer in their place.
fn look_for_missing(job: &Job, console: &Console, store: &mut Store) -> Result<(), Failure> {
    let home = home_of(job);
    if job.collect.fetch_missing {
        let missing = store.fetch_missing(|file| home.join(file).exists())?;
        if missing > 0 {
            console.notice(&format!(
                "{}, and fetched again",
                match missing {
                    1 => "1 video is no longer where it was saved".to_owned(),
                    many => format!("{many} videos are no longer where they were saved"),
                }
            ));
        }
    }
    Ok(())
}

fn tell(console: &Console, notice: &Notice) {
    match notice {
        // Progress shows pauses itself.
        Notice::Paused { reason, wait } => tracing::info!(%reason, wait_ms = wait.as_millis(), "asking nobody"),
        Notice::Settled { row } => {
            let row = match row {
                0 => "a row that left the manifest".to_owned(),
                row => format!("row {row}"),
            };
            console.notice(&format!(
                "{row} had no task; a callback named it, and the API's record confirms it"
            ));
        }
        Notice::NotSaved { row, message, every } => console.notice(&match every {
            None => format!("row {row}: the video is not saved: {message}"),
            Some(every) => format!(
                "row {row}: the video is not saved, and is tried again every {}: {message}",
                humantime::format_duration(*every)
            ),
        }),
        Notice::SavingStopped { message, every } => console.warn(&match every {
            None => format!("no more videos are fetched in this run: {message}"),
            Some(every) => format!(
                "no videos are fetched now, and one is tried every {}: {message}",
                humantime::format_duration(*every)
            ),
        }),
        Notice::SavingGoesOn => console.notice("videos are fetched again"),
        Notice::Barred { barred, again_in } => {
            let reason = halt_of(barred).message;
            console.notice(&match again_in {
                None => format!("no more tasks are looked at: {reason}"),
                Some(wait) => format!(
                    "no tasks are looked at now, and one is tried in {} and then less often: {reason}",
                    humantime::format_duration(*wait)
                ),
            });
        }
        Notice::LookingGoesOn => console.notice("tasks are looked at again"),
        Notice::AwaitingCallbacks { rows, wait } => console.notice(&format!(
            "{} without an answer: {} callback is waited for, {} at most (Ctrl-C ends it; `serve` or `settle` does it later)",
            counted(*rows, "row"),
            if *rows == 1 { "its" } else { "their" },
            humantime::format_duration(Duration::from_secs(wait.as_secs()))
        )),
        Notice::TimeIsUp => console.notice("time is up: tasks that have not ended are left to the next `collect`"),
    }
}

fn halt_of(barred: &collect::Barred) -> view::Halt {
    let what = barred.remedy.trouble();
    view::Halt {
        code: barred.code.clone(),
        message: match barred.message.as_str() {
            "" => what.to_owned(),
            said => format!("{what}: {said}"),
        },
    }
}

/// What a collector did, in the summary.
pub(super) fn fill_in(summary: &mut Summary, report: &CollectReport, saving: bool) {
    let standing = &report.standing;
    summary.collected = Some(Collected {
        saving,
        looks: standing.looks,
        succeeded: standing.succeeded,
        failed: standing.failed,
        saved: standing.saved,
        saved_bytes: standing.bytes,
        settled: standing.settled,
        saving_stopped: report.saving_stopped.clone(),
        last_trouble: report.last_trouble.clone(),
        time_is_up: report.time_is_up,
    });
    if summary.halted.is_none() {
        summary.halted = match (&report.ledger_error, &report.barred) {
            (Some(error), _) => Some(super::run::halted_by_ledger(error)),
            (None, Some(barred)) => Some(halt_of(barred)),
            (None, None) => None,
        };
    }
}
