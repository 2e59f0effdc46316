//! `hailuo-batch report`: the batch as one HTML file, from the ledger alone, also while a run is at work.

use std::io::{BufWriter, Write};
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::escape;
use crate::job::{Files, Job, Presenting, Reporting, Settings};
use crate::ledger::LedgerError;
use crate::page::Source;
use crate::tables::{self, AtomicFile, Purpose, TableError, directory_of};
use crate::view::html::{self, REPORT_MARK, ReportError, Written};
use crate::view::{Ending, Media, RowCard};

use super::console::Console;
use super::failure::Failure;
use super::outputs::selection_of;
use super::overview::BatchView;

const PURPOSE: Purpose = Purpose {
    noun: "report",
    option: "--output",
    remains: "",
};

/// Write a report of a batch
///
/// One HTML file, to be opened in a browser, mailed or printed: where the batch stands, what it cost, the requests over
/// time, every problem with what to do about it, and all rows with their videos. It reads the ledger only: it needs
/// neither the manifest nor a key, and a run may be at work. Images and videos are not in the file: it shows those on this
/// computer from where they are, and says which are not there.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    presenting: Presenting,
    #[command(flatten)]
    reporting: Reporting,
}

pub(super) fn run(args: ReportArgs) -> Result<ExitCode, Failure> {
    let selection = selection_of(&args.files);
    let job = Job::load(Settings {
        files: args.files,
        presenting: args.presenting,
        reporting: args.reporting,
        ..Settings::default()
    })?;
    let console = Console::new(&job)?;
    let batch = BatchView::new(&job, None).named(selection);
    let written = write(&job, &batch)?;
    let path = job.report.display().to_string();
    let told = if job.output.json {
        console.answer_json(&json!({ "report": path, "rows": written.rows, "bytes": written.bytes }))
    } else {
        console.answer(&format!("{}\n", escape::for_terminal(&path)))
    };
    // The report is there all the same.
    Ok(if told { Ending::Done } else { Ending::SomeFailed }.into())
}

fn write(job: &Job, batch: &BatchView) -> Result<Written, Failure> {
    let overview = batch.overview()?;
    let file = AtomicFile::create(&job.report, PURPOSE)?;
    if !tables::may_be_replaced(&job.report, REPORT_MARK) {
        return Err(Failure::NotReport {
            path: job.report.clone(),
        });
    }
    let failed = |source| TableError::write(&job.report, PURPOSE, source);
    let rows = SeenFromReport {
        batch,
        way: Way::between(directory_of(&job.manifest), directory_of(&job.report)),
    };
    let mut out = BufWriter::new(file);
    let written = html::report(&overview, &rows, &mut out).map_err(|error| match error {
        ReportError::Rows(error) => Failure::Ledger(error),
        ReportError::Write(error) => failed(error).into(),
    })?;
    out.flush().map_err(failed)?;
    let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
    file.commit().map_err(failed)?;
    Ok(written)
}

/// The rows of a batch, whose files are named from the report's folder on.
struct SeenFromReport<'a> {
    batch: &'a BatchView,
    way: Way,
}

impl html::Rows for SeenFromReport<'_> {
    type Error = LedgerError;

    fn each(&self, prompt_characters: usize, visit: &mut dyn FnMut(&RowCard)) -> Result<(), LedgerError> {
        self.batch.each(prompt_characters, &mut |card| {
            if self.way == Way::Same {
                return visit(card);
            }
            let seen = |media: &Option<Media>| {
                media.as_ref().map(|media| Media {
                    file: media.file.as_deref().map(|file| self.way.to(file)),
                    url: media.url.clone(),
                })
            };
            visit(&RowCard {
                image: seen(&card.image),
                video: seen(&card.video),
                ..card.clone()
            });
        })
    }
}

/// How a file is found whose path is told from the manifest's folder on.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    /// By the same path: the report lies beside the manifest.
    Same,
    /// Through this folder.
    Through(PathBuf),
}

impl Way {
    fn between(manifests: &Path, reports: &Path) -> Way {
        let whole = |folder: &Path| folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let (manifests, reports) = (whole(manifests), whole(reports));
        if manifests == reports {
            return Way::Same;
        }
        let names = |folder: &Path| folder.components().map(|name| name.as_os_str().to_owned()).collect();
        let (to, from): (Vec<_>, Vec<_>) = (names(&manifests), names(&reports));
        let shared = to.iter().zip(&from).take_while(|(one, other)| one == other).count();
        let up = from.iter().skip(shared).map(|_| Component::ParentDir.as_os_str());
        let down = to.iter().skip(shared).map(|name| name.as_os_str());
        Way::Through(up.chain(down).collect())
    }

    /// The path of `file` from the report's folder on. A whole path stays one.
    fn to(&self, file: &str) -> String {
        match self {
            Way::Same => file.to_owned(),
            Way::Through(folder) => folder.join(file).display().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_from_wherever_the_report_lies() {
        let place = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let folder = place.path().join(name);
            std::fs::create_dir_all(&folder).unwrap();
            folder
        };
        let (batch, below, beside) = (folder("batch"), folder("batch/reports"), folder("other/place"));
        assert_eq!(Way::between(&batch, &below.join("..")), Way::Same);
        assert_eq!(Way::between(&batch, &below).to("videos/1.mp4"), "../videos/1.mp4");
        assert_eq!(
            Way::between(&batch, &beside).to("videos/1.mp4"),
            "../../batch/videos/1.mp4"
        );
        assert_eq!(Way::between(&below, &batch).to("1.mp4"), "reports/1.mp4");
        assert_eq!(Way::between(&batch, &beside).to("/disk/1.mp4"), "/disk/1.mp4");
    }
}
