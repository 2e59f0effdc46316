//! `hailuo-batch status`: where the batch stands, from the ledger alone, also while a run is at work.

use std::process::ExitCode;

use clap::Args;

use crate::job::{Files, Job, Monitoring, Reporting, Settings};
use crate::ledger::Reader;

use super::console::Console;
use super::failure::Failure;
use super::metrics_file::MetricsFile;
use super::outputs::{selection_of, status_of, write_results};

/// Show where a batch stands
///
/// Reads the ledger only: it needs neither the manifest nor a key, and it can look on while a run is at work. With
/// --results it writes the results file again, with --metrics-file the metrics.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    monitoring: Monitoring,
    #[command(flatten)]
    reporting: Reporting,
}

pub(super) fn run(args: StatusArgs) -> Result<ExitCode, Failure> {
    let selection = selection_of(&args.files);
    let wants_results = args.files.results.is_some();
    let job = Job::load(Settings {
        files: args.files,
        monitoring: args.monitoring,
        reporting: args.reporting,
        ..Settings::default()
    })?;
    let console = Console::new(&job)?;
    MetricsFile::try_place(&job)?;
    let mut summary = status_of(&job, &Reader::open(&job.ledger)?, selection)?;
    if wants_results {
        write_results(&job)?;
        summary.results = Some(job.results.display().to_string());
    }
    if let Some(metrics) = MetricsFile::of(&job, &console, None) {
        metrics.write_last(None);
    }
    Ok(console.conclude(job.output.json, &summary).into())
}
