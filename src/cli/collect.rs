//! `hailuo-batch collect`: wait for the tasks to end, save the videos.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use tokio::sync::watch;

use crate::clock::Wall;
use crate::job::{Access, Collecting, Files, Job, Place, Reporting, paths};
use crate::ledger::Reader;
use crate::view::{Command, Counts};

use super::api::{Service, authorization};
use super::background::{Background, Watched, blocking};
use super::collecting::{self, Collector, Manner};
use super::console::Console;
use super::failure::Failure;
use super::news;
use super::outputs::{selection_of, summary_of, write_results};
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
    let job = Job::load((args.files, args.place, args.access, args.collecting, args.reporting).into())?;
    let console = Console::new(&job)?;
    collecting::names_of(&job)?;
    let authorization = authorization(&job, &console)?;
    let mut store = super::api::open_existing(&job)?;
    news::tell_of_recovery(&console, &store.recover(Wall::System.now())?, &selection);
    let counts: Counts = Reader::open(&job.ledger)?.counts()?.into_iter().collect();
    // No folder is made for nothing.
    let has_work = collecting::to_collect(&job, &counts, !no_download) > 0;
    let folder: Option<PathBuf> = (!no_download && has_work).then(|| {
        let given = job.collect.folder.clone();
        given.unwrap_or_else(|| paths::videos(&job.manifest))
    });

    let console_of_signals = console.clone();
    let signals = Signals::listen(move |signal| news::tell_of_signal_to_collector(&console_of_signals, signal))?;
    let service = Service::reach(&job, authorization).await?;
    let manner = Manner::default();
    let collector = Collector::prepare(&job, &console, &service, &mut store, folder.as_deref(), manner)?;
    let waiting = collector.waiting;
    if has_work {
        news::tell_of_the_collection(&console, waiting, folder.as_deref());
    }
    // No run of its own: nothing is sent.
    let (writer, thread) = store.into_writer(0)?;
    let (_, not_feeding) = watch::channel(false);
    let (collecting, watched) = collector.start(&console, writer, not_feeding, signals.stop.clone());
    let watched = Watched {
        sending: None,
        collecting: Some((waiting, watched)),
    };
    let background = Background::start(&job, &console, watched, signals.stop.clone());
    let report = match collecting.await {
        Ok(report) => report,
        // A bug: end as visibly as it did.
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    };
    background.end().await;
    service.leave().await;
    let store = match blocking(move || thread.join()).await {
        Ok(store) => store,
        Err(panic) => std::panic::resume_unwind(panic),
    };
    let written = blocking({
        let (ledger, path) = (job.ledger.clone(), job.results.clone());
        move || write_results(&ledger, &path)
    })
    .await;
    console.progress.finish();

    let mut summary = summary_of(&job, selection, Command::Collect)?;
    drop(store);
    summary.command_line = words;
    summary.elapsed = started.elapsed();
    summary.interrupted = signals.first();
    collecting::fill_in(&mut summary, &report, !no_download);
    match &written {
        Ok(()) => summary.results = Some(job.results.display().to_string()),
        Err(failure) => {
            failure.report();
            summary.results_failed = true;
        }
    }
    Ok(console.conclude(job.output.json, &summary))
}
