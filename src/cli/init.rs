//! `hailuo-batch init`: a manifest to start from, and a job file if it is wanted.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::escape;
use crate::template::{self, NewFile, TemplateFormat};

use super::console;
use super::failure::Failure;

/// Write a manifest to start from, and a job file if you want one
///
/// The extension of FILE decides the format: a workbook (xlsx) with drop-down lists for duration and resolution and a
/// sheet of help, or csv, tsv or jsonl. Each has an example row that the sandbox takes as it is. Writes over nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  hailuo-batch init\n  hailuo-batch init shots.csv --job")]
pub(super) struct InitArgs {
    /// The manifest to write: xlsx, csv, tsv or jsonl
    #[arg(value_name = "FILE", default_value = "shots.xlsx")]
    file: PathBuf,

    /// Write a job file as well: every setting with its help, switched off
    ///
    /// Default: none; without FILE it is STEM.toml beside the manifest. Example: --job=jobs/nightly.toml
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = BESIDE)]
    job: Option<PathBuf>,
}

/// What `--job` means without a value. Not an empty one: a script whose variable is empty names no file.
const BESIDE: &str = "\0beside";

pub(super) fn run(args: &InitArgs) -> Result<ExitCode, Failure> {
    let manifest = &args.file;
    let format = TemplateFormat::of(manifest)?;
    let name = manifest.file_name().unwrap_or_default().to_string_lossy();
    let job = args.job.as_ref().map(|job| match job {
        beside if beside == Path::new(BESIDE) => manifest.with_extension("toml"),
        named => named.clone(),
    });

    // All is made before anything gets its name, so that one file that is in the way leaves no other behind.
    let mut files = vec![NewFile::prepare(manifest, &template::manifest(format, &name)?)?];
    if let Some(job) = &job {
        files.push(NewFile::prepare(job, template::job_file(job, manifest)?.as_bytes())?);
    }
    for file in files {
        file.place()?;
    }

    let mut text = format!("wrote {}: {}\n", shown(manifest), format.contents());
    if let Some(job) = &job {
        text.push_str(&format!(
            "wrote {}: every setting with its help, switched off\n",
            shown(job)
        ));
    }
    text.push_str("\nwrite your rows over the example, then\n");
    let batch = match &job {
        Some(job) => vec!["--job".to_owned(), job.to_string_lossy().into_owned()],
        None => vec![manifest.to_string_lossy().into_owned()],
    };
    for (command, more, effect) in [
        ("check", None, "every mistake with its place, the cost, the time"),
        ("run", Some("--sandbox"), "a trial: no key, no network, no cost"),
    ] {
        let words = ["hailuo-batch", command].map(str::to_owned).into_iter();
        let words = words.chain(batch.iter().cloned()).chain(more.map(str::to_owned));
        let line = escape::for_shell(&words.collect::<Vec<_>>());
        text.push_str(&format!("  {line}\n      {effect}\n"));
    }
    console::to_stdout(&text);
    Ok(ExitCode::SUCCESS)
}

fn shown(path: &Path) -> String {
    escape::for_terminal(&path.to_string_lossy()).into_owned()
}
