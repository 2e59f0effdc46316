//! The manifest into the ledger: the one place where the two meet.

use crate::image::ImageFile;
use crate::job::{CodeFilter, Job, OnUnknown};
use crate::ledger::{self, ImportRow, ImportStats, Requeue, Store};
use crate::manifest::{self, Delimiter, Format, Ground, ImageFiles, Images, Manifest, Repeat, Row, Severity, Survey};
use crate::results::Dialect;
use crate::row::{ImageHash, RowKey, Submission, TaskId};

use super::failure::Failure;

/// Names of the notes that an import leaves in the ledger.
pub(super) const COLUMNS_NOTE: &str = "columns";
pub(super) const FORMAT_NOTE: &str = "format";
/// A [`Dialect`] in JSON; ledgers of earlier versions have none.
pub(super) const DIALECT_NOTE: &str = "dialect";
const FINGERPRINT_NOTE: &str = "fingerprint";

/// Reads the manifest for the first time: every problem of it, before anything is sent.
pub(super) fn survey(job: &Job, images: &mut Images) -> Result<Survey, Failure> {
    survey_and_visit(job, images, |_| {})
}

/// The same, showing every row to `visit`.
pub(super) fn survey_and_visit(job: &Job, images: &mut Images, visit: impl FnMut(&Row)) -> Result<Survey, Failure> {
    Ok(manifest::survey(&job.manifest, &job.reading, images, visit)?)
}

/// What both readings of the manifest know of its local images, with what earlier runs have left in the ledger.
pub(super) fn images_of(job: &Job) -> Images {
    let mut images = Images::beside(&job.manifest, job.allow_outside);
    images.remember(ledger::remembered_images(&job.ledger));
    images
}

/// The image of a row that is about to be sent; else what is wrong with it, and what to do.
pub(super) fn image_for_upload(files: &ImageFiles, path: &str, sha256: ImageHash) -> Result<ImageFile, String> {
    files
        .read(path, sha256)
        .map_err(|stale| format!("{stale}: {}", stale.help()))
}

/// Brings the ledger up to date with the manifest. A manifest that is as it was, and no option that moves rows, leave
/// nothing to do.
pub(super) fn import(
    store: &mut Store,
    job: &Job,
    survey: &Survey,
    images: &mut Images,
) -> Result<ImportStats, Failure> {
    let requeue = requeue_of(job);
    let fingerprint = format!("{} {:?}", env!("CARGO_PKG_VERSION"), survey.fingerprint);
    if requeue == Requeue::default() && store.meta(FINGERPRINT_NOTE)?.as_ref() == Some(&fingerprint) {
        return Ok(ImportStats::default());
    }
    let mut import = store.import(requeue)?;
    let mut manifest = Manifest::open(&job.manifest, &job.reading, images)?;
    let mut row = Row::default();
    let mut cells = String::new();
    while manifest.read(&mut row)? {
        cells.clear();
        row.cells_json(&mut cells);
        let repeat = survey.repeats.of(row.number());
        let submission = row.submission().filter(|_| !matches!(repeat, Repeat::SameId { .. }));
        let problem = problem_of(&row, repeat, &survey.ground);
        import.row(&ImportRow {
            number: row.number(),
            line: row.line(),
            id: row.id(),
            key: key_of(row.id(), submission.as_ref(), repeat),
            submission: submission.as_ref(),
            cells: &cells,
            problem: problem.as_deref(),
            outcome: row.outcome().map(|(state, task_id)| (state, TaskId::new(&task_id))),
        })?;
    }
    manifest.expect_same(survey.fingerprint)?;
    let columns = serde_json::to_string(&survey.columns).expect("strings always serialise");
    let format = match survey.format {
        Format::Csv | Format::Tsv | Format::Workbook => "table",
        Format::Jsonl => "objects",
    };
    let dialect = serde_json::to_string(&dialect_of(survey)).expect("marks, names and switches always serialise");
    let notes = [
        (COLUMNS_NOTE, columns.as_str()),
        (FORMAT_NOTE, format),
        (DIALECT_NOTE, dialect.as_str()),
    ];
    Ok(import.finish(&notes, (FINGERPRINT_NOTE, &fingerprint))?)
}

/// What the results take over from how the manifest is written.
fn dialect_of(survey: &Survey) -> Dialect {
    let read_as = &survey.read_as;
    let own = read_as
        .delimiter
        .filter(|mark| survey.format == Format::Csv && *mark != Delimiter::Comma);
    Dialect {
        delimiter: own.map(|mark| char::from(mark.byte())),
        byte_order_mark: read_as.byte_order_mark,
        sheet: read_as.sheet.clone(),
        surplus: survey.surplus,
        image_column: survey.image_column.clone(),
    }
}

fn requeue_of(job: &Job) -> Requeue {
    let codes = |filter: &CodeFilter| match filter {
        CodeFilter::All => Vec::new(),
        CodeFilter::Codes(codes) => codes.clone(),
    };
    Requeue {
        retry_rejected: job.retry_rejected.as_ref().map(codes),
        retry_failed: job.retry_failed.as_ref().map(codes),
        resubmit_changed: job.resubmit_changed,
        resubmit_unknown: job.on_unknown == OnUnknown::Resubmit,
    }
}

fn key_of(id: Option<&str>, submission: Option<&Submission<'_>>, repeat: Repeat) -> Option<RowKey> {
    match (repeat, id, submission) {
        (Repeat::SameId { .. }, _, _) => None,
        (_, Some(id), _) => Some(RowKey::of_id(id)),
        (Repeat::Copy(copy), None, Some(submission)) => Some(RowKey::of_content(submission.content(), copy)),
        (Repeat::First, None, Some(submission)) => Some(RowKey::of_content(submission.content(), 0)),
        (_, None, None) => None,
    }
}

/// Everything that keeps the row from being sent, for its cell in the results.
fn problem_of(row: &Row, repeat: Repeat, ground: &Ground) -> Option<String> {
    let mut problems: Vec<String> = row
        .problems()
        .iter()
        .filter(|problem| problem.severity() == Severity::Error)
        .map(|problem| match problem.help() {
            Some(help) => format!("{problem} ({help})"),
            None => problem.to_string(),
        })
        .collect();
    if let Repeat::SameId { first_line } = repeat {
        problems.push(format!("its `id` was already used {}", ground.within(first_line)));
    }
    (!problems.is_empty()).then(|| problems.join("; "))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::job::{Files, Settings};
    use crate::ledger::Realm;

    fn image(seed: u8) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x02\0\0\0\x02\0\x08\x02\0\0\0".to_vec();
        bytes.push(seed);
        bytes
    }

    /// What another run over the manifest in this folder would find.
    fn import_again(folder: &Path) -> ImportStats {
        let files = Files {
            manifest: Some(folder.join("clips.csv")),
            ..Files::default()
        };
        let job = Job::load(Settings {
            files,
            ..Settings::default()
        })
        .unwrap();
        let mut images = images_of(&job);
        let survey = survey(&job, &mut images).unwrap();
        let mut store = Store::open(&job.ledger, Realm::Api).unwrap();
        import(&mut store, &job, &survey, &mut images).unwrap()
    }

    #[test]
    fn a_row_is_another_one_with_its_image_and_not_with_its_images_name() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        write("clips.csv", b"id,prompt,image_url\na,a boat,a.png\nb,a boat,b.png\n");
        write("a.png", &image(1));
        let stats = import_again(folder.path());
        assert_eq!((stats.new, stats.edited), (1, 0));
        // The manifest is the same, and what it names is there now.
        write("b.png", &image(2));
        let stats = import_again(folder.path());
        assert_eq!((stats.new, stats.edited), (1, 0));
        assert_eq!(import_again(folder.path()), ImportStats::default());
        write("a.png", &image(3));
        let stats = import_again(folder.path());
        assert_eq!((stats.new, stats.edited), (0, 1));
        write("renamed.png", &image(3));
        write(
            "clips.csv",
            b"id,prompt,image_url\na,a boat,renamed.png\nb,a boat,b.png\n",
        );
        assert_eq!(import_again(folder.path()), ImportStats::default());
    }
}
