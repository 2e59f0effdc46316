//! `hailuo-batch collect`: wait for the tasks to end, save the videos.

use std::process::ExitCode;

use clap::Args;

use crate::job::{Receiving, paths};

use super::collecting::Manner;
use super::failure::Failure;
use super::notices::{self, Ended, Occasion};
use super::open_batch::{Asked, BatchArgs, OpenBatch};

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
    batch: BatchArgs,
    /// Only wait for the tasks; leave the videos where they are
    #[arg(long, conflicts_with = "download", help_heading = "Waiting and downloads")]
    no_download: bool,
}

/// `words` are the command line as it was given: what hints repeat.
pub(super) async fn run(args: CollectArgs, words: Vec<String>) -> Result<ExitCode, Failure> {
    let saving = !args.no_download;
    let asked = Asked::load(args.batch, Receiving::default(), words)?;
    let work = collect(&asked, saving);
    Ok(notices::around(&asked.job, &asked.console, Occasion::Collect, work).await)
}

async fn collect(asked: &Asked, saving: bool) -> Result<Ended, Failure> {
    let batch = OpenBatch::open(asked)?;
    let folder = saving.then(|| {
        let given = asked.job.collect.folder.clone();
        given.unwrap_or_else(|| paths::videos(&asked.job.manifest))
    });
    if let Some(folder) = &folder {
        batch.tidy(folder)?;
    }
    // No folder is made for nothing.
    let has_work = batch.has_work(saving)?;
    let folder = folder.filter(|_| has_work);
    batch.collect(folder.as_deref(), saving, Manner::default(), None).await
}
