//! What `collect` and `serve` have in common: a batch that was run before, and a collector that works on it.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use reqwest::header::HeaderValue;
use tokio::sync::watch;

use crate::clock::Wall;
use crate::collect::CollectReport;
use crate::job::{Access, Collecting, Files, Job, Monitoring, Notifying, Place, Receiving, Reporting};
use crate::ledger::{Reader, Store};
use crate::view::{Command, Counts};

use super::api::{Service, authorization, open_existing};
use super::background::{Background, blocking};
use super::collecting::{self, Collector, Manner};
use super::console::Console;
use super::failure::Failure;
use super::metrics_file::{self, MetricsFile};
use super::news;
use super::notices::{Account, Ended};
use super::observer::{Watched, live_of};
use super::outputs::{note_results, selection_of, summary_of, write_results};
use super::receiving::{Listener, Reception};
use super::signals::Signals;

/// The options that both commands have.
#[derive(Debug, Args)]
pub(super) struct BatchArgs {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    collecting: Collecting,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    notifying: Notifying,
    #[command(flatten)]
    monitoring: Monitoring,
    #[command(flatten)]
    reporting: Reporting,
}

/// What a command was asked to do, before anything is opened.
pub(super) struct Asked {
    pub(super) job: Job,
    pub(super) console: Console,
    selection: Vec<String>,
    /// The command line as it was given: what hints repeat.
    words: Vec<String>,
    started: Instant,
}

impl Asked {
    /// Loads the job.
    pub(super) fn load(args: BatchArgs, receiving: Receiving, words: Vec<String>) -> Result<Asked, Failure> {
        let started = Instant::now();
        let selection = selection_of(&args.files);
        let BatchArgs {
            files,
            collecting,
            place,
            access,
            notifying,
            monitoring,
            reporting,
        } = args;
        let job = Job::load(
            (
                files, place, access, collecting, receiving, notifying, monitoring, reporting,
            )
                .into(),
        )?;
        let console = Console::new(&job)?;
        Ok(Asked {
            job,
            console,
            selection,
            words,
            started,
        })
    }
}

/// A batch that was run before, opened to be collected.
pub(super) struct OpenBatch<'a> {
    asked: &'a Asked,
    authorization: HeaderValue,
    store: Store,
}

impl OpenBatch<'_> {
    /// Reads the key and opens the ledger.
    pub(super) fn open(asked: &Asked) -> Result<OpenBatch<'_>, Failure> {
        let Asked { job, console, .. } = asked;
        MetricsFile::try_place(job)?;
        collecting::names_of(job)?;
        let authorization = authorization(job, console)?;
        let mut store = open_existing(job)?;
        news::tell_of_recovery(console, &store.recover(Wall::System.now())?, &asked.selection);
        news::warn_of_another_place(console, job, store.last_target()?);
        Ok(OpenBatch {
            asked,
            authorization,
            store,
        })
    }

    /// Whether there is anything to collect.
    pub(super) fn has_work(&self, saving: bool) -> Result<bool, Failure> {
        let reader = Reader::open(&self.asked.job.ledger)?;
        let counts: Counts = reader.counts()?.into_iter().collect();
        Ok(collecting::to_collect(&self.asked.job, &counts, saving)
            + reader.announced_rows()?
            + reader.given_up_rows()?
            > 0)
    }

    /// Removes what a crash may have left in the folder of videos.
    pub(super) fn tidy(&self, folder: &Path) -> Result<(), Failure> {
        collecting::tidy(folder, &Reader::open(&self.asked.job.ledger)?);
        Ok(())
    }

    /// Collects, writes the results and says what came of it. `folder` is where videos go; `saving` says whether they
    /// were to be saved at all. With a `listener`, callbacks are received.
    pub(super) async fn collect(
        self,
        folder: Option<&Path>,
        saving: bool,
        manner: Manner,
        listener: Option<Listener>,
    ) -> Result<Ended, Failure> {
        let asked = self.asked;
        let Asked { job, console, .. } = asked;
        let mut store = self.store;
        let signals = Signals::listen(console, news::tell_of_signal_to_collector)?;
        let service = Service::reach(job, self.authorization).await?;
        let collector = Collector::prepare(job, console, &service, &mut store, folder, manner)?;
        if collector.waiting.tasks + collector.waiting.videos > 0 || manner.forever {
            news::tell_of_the_collection(console, collector.waiting, folder);
        }
        let (store, report, reception) = collect(job, console, &signals, store, collector, listener).await?;
        service.leave().await;
        let written = blocking({
            let job = job.clone();
            move || write_results(&job)
        })
        .await;
        console.progress.finish();

        let mut summary = summary_of(job, asked.selection.clone(), Command::Collect)?;
        // Held until here: nobody else can have changed what the results and the summary say.
        drop(store);
        summary.command_line.clone_from(&asked.words);
        summary.elapsed = asked.started.elapsed();
        summary.interrupted = signals.first();
        collecting::fill_in(&mut summary, &report, saving);
        note_results(&mut summary, job, &written);
        metrics_file::write_last(job, console, &summary).await;
        let ending = console.conclude(job.output.json, &summary);
        if let Some(reception) = reception {
            reception.end().await;
        }
        Ok(Ended {
            ending,
            account: Account::Summary(Box::new(summary)),
        })
    }
}

/// Collects without sending anything, and gives the ledger back. Viewers are not sent away yet.
async fn collect(
    job: &Job,
    console: &Console,
    signals: &Signals,
    store: Store,
    collector: Collector,
    listener: Option<Listener>,
) -> Result<(Store, CollectReport, Option<Reception>), Failure> {
    // No run of its own: nothing is sent.
    let (writer, thread) = store.into_writer(0)?;
    let reception = listener.map(|listener| listener.start(console, writer.clone(), Arc::clone(&collector.wake)));
    let reception = reception.transpose()?;
    let waiting = collector.waiting;
    let (_, not_feeding) = watch::channel(false);
    let (collecting, watched) = collector.start(console, writer, not_feeding, signals.stop.clone());
    let watched = Watched {
        sending: None,
        collecting: Some((waiting, watched)),
    };
    let live = live_of(watched.clone(), job);
    if let Some(reception) = &reception {
        reception.show_work(Arc::clone(&live), watched);
    }
    let background = Background::start(job, console, live, signals.stop.clone());
    let report = collecting::ended(collecting).await;
    if let Some(reception) = &reception {
        reception.work_is_done();
    }
    background.end().await;
    Ok((collecting::joined(thread).await, report, reception))
}
