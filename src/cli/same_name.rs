//! Ledgers of the same batch in another format: `clips.csv` saved as `clips.xlsx` has a ledger of its own, which knows
//! nothing of what was paid for.

use std::fs;
use std::path::{Path, PathBuf};

use crate::job::Job;
use crate::ledger::Reader;
use crate::view::Counts;

use super::failure::Failure;

/// How many files of the manifest's folder are looked at, at most.
const MOST_LOOKED_AT: usize = 10_000;

/// Refuses to begin a new ledger beside one with paid rows of a manifest that has the same name but for its extension,
/// unless the user has named the ledger: the rows may be the same, and in doubt none is paid for twice.
pub(super) fn refuse_a_second_ledger(job: &Job) -> Result<(), Failure> {
    let goes_on = rows_sent(&job.ledger).is_some();
    if job.sandbox || job.ledger_is_named || goes_on {
        return Ok(());
    }
    let with_rows = |path: PathBuf| Some((rows_sent(&path)?, path));
    match ledgers_beside(&job.manifest).find_map(with_rows) {
        Some((rows, other)) => Err(Failure::SecondLedger {
            manifest: job.manifest.clone(),
            own: job.ledger.clone(),
            other,
            rows,
        }),
        None => Ok(()),
    }
}

/// The ledgers in the manifest's folder that are called like it but for the manifest's extension.
fn ledgers_beside(manifest: &Path) -> impl Iterator<Item = PathBuf> {
    let stem = manifest.file_stem().unwrap_or_default().to_owned();
    let folder = match manifest.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let entries = fs::read_dir(folder).into_iter().flatten().take(MOST_LOOKED_AT);
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
    names.map(|name| manifest.with_file_name(name)).filter(move |path| {
        let is_ledger = path.extension().is_some_and(|extension| extension == "ledger");
        let of = path.file_stem().map(Path::new);
        is_ledger && of.is_some_and(|of| of.extension().is_some() && of.file_stem() == Some(&stem))
    })
}

/// How many rows were sent for real, if any; a ledger that cannot be read is nobody's concern here.
fn rows_sent(ledger: &Path) -> Option<u64> {
    let reader = Reader::open(ledger).ok()?;
    if reader.is_trial().ok()? {
        return None;
    }
    let counts: Counts = reader.counts().ok()?.into_iter().collect();
    Some(counts.taken() + counts.unknown).filter(|rows| *rows > 0)
}
