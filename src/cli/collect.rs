//! `hailuo-batch collect`: wait for the tasks to end, save the videos.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;

use crate::clock::Wall;
use crate::job::{Access, Collecting, Files, Job, Place, Receiving, Reporting, paths};
use crate::ledger::Reader;
use crate::view::Counts;

use super::api::{Service, authorization};
use super::collecting::{self, Collector, Finish, Manner};
use super::console::Console;
use super::failure::Failure;
use super::news;
use super::outputs::selection_of;
use super::signals::Signals;

/// Wait for the tasks to end, save the videos
///
/// Looks at every task of the batch until it has ended, rarely and rarer the older it gets, and saves the videos. It can
/// be stopped and started at any time: what is saved is not fetched again, and what was broken off is gone on with. A
/// task that does not end is left for the next time; nothing is ever sent again.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hailuo-batch collect shots.csv --download videos\n  hailuo-batch collect shots.csv \
                        --wait-for 30m --name '{id}.mp4'\n\nExit codes: 0 every task has ended and its video is saved; 1 some \
                        failed, have not ended or are not saved; the others as for run"
)]
pub(super) struct CollectArgs {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    collecting: Collecting,
    /// Only wait for the tasks; leave the videos where they are
    #[arg(long, conflicts_with = "download", help_heading = "Waiting and downloads")]
    no_download: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    reporting: Reporting,
}

/// `words` are the command line as it was given: what hints repeat.
pub(super) async fn run(args: CollectArgs, words: Vec<String>) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let selection = selection_of(&args.files);
    let no_download = args.no_download;
    let receiving = Receiving::default();
    let parts = (
        args.files,
        args.place,
        args.access,
        args.collecting,
        receiving,
        args.reporting,
    );
    let job = Job::load(parts.into())?;
    let console = Console::new(&job)?;
    collecting::names_of(&job)?;
    let authorization = authorization(&job, &console)?;
    let mut store = super::api::open_existing(&job)?;
    news::tell_of_recovery(&console, &store.recover(Wall::System.now())?, &selection);
    let reader = Reader::open(&job.ledger)?;
    let counts: Counts = reader.counts()?.into_iter().collect();
    let has_work = collecting::to_collect(&job, &counts, !no_download) > 0;
    let folder: Option<PathBuf> = (!no_download).then(|| {
        let given = job.collect.folder.clone();
        given.unwrap_or_else(|| paths::videos(&job.manifest))
    });
    if let Some(folder) = &folder {
        collecting::tidy(folder, &reader);
    }
    drop(reader);
    // No folder is made for nothing.
    let folder = folder.filter(|_| has_work);

    let console_of_signals = console.clone();
    let signals = Signals::listen(move |signal| news::tell_of_signal_to_collector(&console_of_signals, signal))?;
    let service = Service::reach(&job, authorization).await?;
    let manner = Manner::default();
    let collector = Collector::prepare(&job, &console, &service, &mut store, folder.as_deref(), manner)?;
    let waiting = collector.waiting;
    if has_work {
        news::tell_of_the_collection(&console, waiting, folder.as_deref());
    }
    let (store, report) = collecting::alone(&job, &console, &signals, store, collector, None).await?;
    service.leave().await;
    let finish = Finish {
        job: &job,
        console: &console,
        signals: &signals,
        selection,
        words,
        started,
        saving: !no_download,
    };
    finish.conclude(store, &report).await
}
