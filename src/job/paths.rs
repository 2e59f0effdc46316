//! The files of a batch: where results and ledger go, and that neither is written over another file.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::job::error::{JobError, shown};
use crate::job::origin::{self, Origins};
use crate::job::settings::Settings;

/// The formats results are written in, by extension.
pub const RESULT_EXTENSIONS: [&str; 4] = ["csv", "tsv", "jsonl", "xlsx"];

/// Workbooks in formats that are read and not written.
const OTHER_WORKBOOKS: [&str; 4] = ["xlsm", "xlsb", "xls", "ods"];

/// A job file's results, ledger and metrics belong to its own manifest: with another one they would be overwritten.
pub(super) fn refuse_files_of_another_batch(given: &Settings, below: &Settings) -> Result<(), JobError> {
    let (Some(own), Some(theirs)) = (&given.files.manifest, &below.files.manifest) else {
        return Ok(());
    };
    if is_same_file(own, theirs) {
        return Ok(());
    }
    for (key, is_given, is_below) in [
        ("results", given.files.results.is_some(), below.files.results.is_some()),
        ("ledger", given.files.ledger.is_some(), below.files.ledger.is_some()),
        (
            "metrics_file",
            given.monitoring.metrics_file.is_some(),
            below.monitoring.metrics_file.is_some(),
        ),
    ] {
        if is_below && !is_given {
            return Err(JobError::setting(
                format!(
                    "{} belongs to its manifest `{}`, and {} is another: {}",
                    below.files.origins.name(key),
                    shown(theirs),
                    given.files.origins.name("manifest"),
                    shown(own)
                ),
                format!(
                    "give `{}` for this manifest, or take `{key}` out of the job file",
                    origin::flag(key)
                ),
            ));
        }
    }
    Ok(())
}

pub(super) fn manifest(given: Option<PathBuf>) -> Result<PathBuf, JobError> {
    let help = "write it after the command, like `hailuo-batch run clips.csv`, or name a job file with `--job`";
    match given {
        Some(path) if path == Path::new("-") => Err(JobError::setting(
            "the manifest cannot come from standard input: a batch must find its rows again in a second run",
            "save it to a file, and give the file's name",
        )),
        Some(path) if !path.as_os_str().is_empty() => Ok(path),
        _ => Err(JobError::setting("no manifest is given", help)),
    }
}

pub(super) fn results(origins: &Origins, given: Option<PathBuf>, manifest: &Path) -> Result<PathBuf, JobError> {
    let Some(given) = given else {
        return Ok(default_results(manifest));
    };
    if result_extension(&given).is_none() {
        let help = match is_other_workbook(&given) {
            true => "end the file's name in `.xlsx`, the one kind of workbook that is written".to_owned(),
            false => format!("end the file's name in one of {}", listed(&RESULT_EXTENSIONS)),
        };
        return Err(JobError::setting(
            format!(
                "{} has no format that can be written: {}",
                origins.name("results"),
                shown(&given)
            ),
            help,
        ));
    }
    Ok(given)
}

/// Where videos are saved unless the user says: `clips.videos` beside `clips.csv`.
pub fn videos(manifest: &Path) -> PathBuf {
    let mut name = manifest.file_stem().unwrap_or_default().to_owned();
    name.push(".videos");
    manifest.with_file_name(name)
}

/// Where a report goes unless the user says: `clips.report.html` beside `clips.csv`.
pub(super) fn report(manifest: &Path) -> PathBuf {
    let mut name = manifest.file_stem().unwrap_or_default().to_owned();
    name.push(".report.html");
    manifest.with_file_name(name)
}

/// `clips.results.csv` for `clips.csv`, and `clips.results.xlsx` for a workbook of any kind. A manifest with an extension
/// of its own (`clips.txt`) gets CSV.
fn default_results(manifest: &Path) -> PathBuf {
    let extension = match manifest.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("ndjson") => "jsonl",
        _ if is_other_workbook(manifest) => "xlsx",
        _ => result_extension(manifest).unwrap_or("csv"),
    };
    let mut name = manifest.file_stem().unwrap_or_default().to_owned();
    name.push(".results.");
    name.push(extension);
    manifest.with_file_name(name)
}

fn result_extension(path: &Path) -> Option<&'static str> {
    let extension = path.extension()?;
    RESULT_EXTENSIONS
        .into_iter()
        .find(|known| extension.eq_ignore_ascii_case(known))
}

fn is_other_workbook(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    OTHER_WORKBOOKS
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known))
}

pub(super) fn ledger(origins: &Origins, given: Option<PathBuf>, manifest: &Path) -> Result<PathBuf, JobError> {
    let Some(given) = given else {
        let mut name = OsString::from(manifest.file_name().unwrap_or_default());
        name.push(".ledger");
        return Ok(manifest.with_file_name(name));
    };
    // The address itself is not shown: it may hold a password.
    if given.to_str().is_some_and(|text| text.contains("://")) {
        return Err(JobError::setting(
            format!(
                "{} is a URL, and this version keeps ledgers in SQLite files only",
                origins.name("ledger")
            ),
            "give a path on a local disk, or leave it out for one beside the manifest",
        ));
    }
    Ok(given)
}

/// What is written, by the key that names it and in the words for what it holds: no two may be one file, and none an
/// input of the job.
pub(super) fn keep_apart(
    origins: &Origins,
    outputs: &[(&str, &str, &Path)],
    inputs: &[(&str, Option<&PathBuf>)],
) -> Result<(), JobError> {
    let help = "every file of a batch needs a name of its own";
    for (key, _, output) in outputs {
        for (what, input) in inputs {
            if input.is_some_and(|input| is_same_file(output, input)) {
                let name = origins.name(key);
                return Err(JobError::setting(
                    format!("{name} is {what} itself: {}", shown(output)),
                    help,
                ));
            }
        }
    }
    for (at, (key, what, output)) in outputs.iter().enumerate() {
        let Some((other_key, other_what, _)) = outputs[..at].iter().find(|(.., other)| is_same_file(output, other))
        else {
            continue;
        };
        // The one to change is the one that somebody has named.
        let key = if origins.source(other_key).is_some() {
            other_key
        } else {
            key
        };
        let name = origins.name(key);
        return Err(JobError::setting(
            format!("{name} would make {other_what} and {what} one file: {}", shown(output)),
            help,
        ));
    }
    Ok(())
}

/// Whether two paths name one file, which need not exist yet.
fn is_same_file(one: &Path, other: &Path) -> bool {
    canonical(one) == canonical(other) || have_one_inode(one, other)
}

fn canonical(path: &Path) -> PathBuf {
    if let Ok(whole) = fs::canonicalize(path) {
        return whole;
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    match (fs::canonicalize(folder), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

#[cfg(unix)]
fn have_one_inode(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn have_one_inode(_: &Path, _: &Path) -> bool {
    false
}

fn listed(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("`.{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
