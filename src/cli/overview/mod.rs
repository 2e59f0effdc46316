//! A batch as those see it who look on: the live page, the report and the metrics. All of it comes from the ledger, but
//! for what only the process at work knows.
//!
//! | file | decides |
//! | --- | --- |
//! | `past.rs` | what is read of the requests, and what they came to |
//! | `timeline.rs`, `durations.rs` | how they lie in time, and how long they took |
//! | `rows.rs`, `search.rs` | what is shown of rows, and which are found |

mod durations;
mod past;
mod rows;
mod search;
#[cfg(test)]
mod tests;
mod timeline;

use std::sync::{Arc, Mutex};

use crate::clock::Wall;
use crate::job::{Files, Job};
use crate::ledger::{LedgerError, Owner, Reader, Store};
use crate::page::Source;
use crate::view::{Counts, Overview, RowStory, RowsPage, RowsQuery, Snapshot};

use super::outputs::{selection_of, status_of};
use past::Past;
use rows::Rows;

/// Where the run in this process stands.
pub(super) type Live = Arc<dyn Fn() -> Snapshot + Send + Sync>;

/// So long, in milliseconds, an overview holds while somebody is at work who commits nothing: in a pause only its time line
/// grows.
const UNCHANGED_FOR: u64 = 5_000;

/// The batch of a job, for everybody who looks on. It takes no lock and waits for nobody; looking twice costs little
/// where nothing has happened between.
pub(super) struct BatchView {
    job: Job,
    selection: Vec<String>,
    live: Option<Live>,
    kept: Mutex<Option<Kept>>,
}

/// What is kept from one look to the next.
struct Kept {
    reader: Reader,
    past: Past,
    /// The last overview, and what it was true for.
    last: Option<(Moment, Overview)>,
}

/// What an overview depends on, beside time and what the process at work knows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Moment {
    version: i64,
    at_work: Option<Owner>,
}

impl BatchView {
    /// The batch of `job`. `live` says where the run in this process stands, if one is at work here.
    pub(super) fn new(job: &Job, live: Option<Live>) -> BatchView {
        let files = Files {
            manifest: Some(job.manifest.clone()),
            ledger: job.ledger_is_named.then(|| job.ledger.clone()),
            ..Files::default()
        };
        BatchView {
            job: job.clone(),
            selection: selection_of(&files),
            live,
            kept: Mutex::new(None),
        }
    }

    /// The same, with the words that name this batch in the commands that hints suggest.
    pub(super) fn named(self, selection: Vec<String>) -> BatchView {
        BatchView { selection, ..self }
    }

    /// The overview, but for what only the process at work knows.
    fn look(&self, kept: &mut Kept) -> Result<Overview, LedgerError> {
        let at = Wall::System.now();
        // Before anything is read: whatever is committed meanwhile is news for the next look.
        let moment = Moment {
            version: kept.reader.version()?,
            at_work: Store::owner(&self.job.ledger),
        };
        if let Some((of, last)) = &mut kept.last
            && *of == moment
            && (moment.at_work.is_none() || at.millis_since(last.at) < UNCHANGED_FOR)
        {
            let mut same = last.clone();
            if moment.at_work.is_none() {
                same.at = at;
            }
            return Ok(same);
        }
        let summary = status_of(&self.job, &kept.reader, self.selection.clone())?;
        let Counts { queued, sending, .. } = summary.counts;
        let history = kept.past.history(
            &kept.reader,
            self.job.rate,
            at,
            moment.at_work.is_some(),
            queued + sending > 0,
        )?;
        let name = self.job.manifest.file_name().unwrap_or(self.job.manifest.as_os_str());
        let overview = Overview {
            at,
            name: name.to_string_lossy().into_owned(),
            summary,
            rate: self.job.rate,
            history,
            live: None,
        };
        kept.last = Some((moment, overview.clone()));
        Ok(overview)
    }

    fn is_at_work(&self) -> bool {
        Store::owner(&self.job.ledger).is_some()
    }
}

impl Source for BatchView {
    fn overview(&self) -> Result<Overview, LedgerError> {
        let mut kept = self.kept.lock().unwrap_or_else(|poisoned| {
            // A look that panicked has left what it kept half done.
            let mut kept = poisoned.into_inner();
            *kept = None;
            kept
        });
        if kept.as_ref().is_some_and(|kept| !kept.reader.is_current()) {
            *kept = None;
        }
        let kept = match &mut *kept {
            Some(kept) => kept,
            nothing => nothing.insert(Kept {
                reader: Reader::open(&self.job.ledger)?,
                past: Past::new(),
                last: None,
            }),
        };
        let mut overview = self.look(kept)?;
        // Last, so that it is no older than the rest.
        overview.live = self.live.as_ref().map(|live| live());
        Ok(overview)
    }

    fn rows(&self, query: &RowsQuery) -> Result<RowsPage, LedgerError> {
        // A connection of its own: a table that is scrolled waits for no overview.
        let reader = Reader::open(&self.job.ledger)?;
        Rows::new(&self.job, &reader, self.is_at_work())?.page(query)
    }

    fn row(&self, number: u32) -> Result<Option<RowStory>, LedgerError> {
        let reader = Reader::open(&self.job.ledger)?;
        Rows::new(&self.job, &reader, self.is_at_work())?.story(number)
    }
}
