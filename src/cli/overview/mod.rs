//! A batch as those see it who look on: the live page, the report and the metrics. All of it comes from the ledger, but
//! for what only the process at work knows.
//!
//! | file | decides |
//! | --- | --- |
//! | `past.rs` | what is read of the requests, and what they came to |
//! | `timeline.rs`, `durations.rs` | how they lie in time, and how long they took |
//! | `rows.rs`, `search.rs` | what is shown of rows, and which are found |

mod durations;
#[cfg(test)]
mod measure;
mod past;
mod rows;
mod search;
#[cfg(test)]
mod tests;
mod timeline;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::clock::{UnixMillis, Wall};
use crate::job::{Files, Job};
use crate::ledger::{LedgerError, Owner, Reader, Store};
use crate::page::Source;
use crate::view::{self, Counts, Overview, RowCard, RowStory, RowsPage, RowsQuery, Snapshot};

use super::outputs::{selection_of, status_of};
use past::Past;
use rows::Rows;

/// Where the run in this process stands.
pub(super) type Live = Arc<dyn Fn() -> Snapshot + Send + Sync>;

/// The share of the time that looking may take while somebody is at work, one part in so many: nobody who watches a run of
/// many rows shall slow it down.
const SHARE: u32 = 10;

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
    last: Option<Last>,
}

/// The last overview, and what it was true for.
struct Last {
    of: Moment,
    overview: Overview,
    /// Until when it does for those who watch somebody at work.
    does_until: Instant,
}

/// What an overview depends on, beside time and what the process at work knows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Moment {
    version: i64,
    at_work: Option<Owner>,
}

impl Last {
    /// The last overview, where it does for this moment, too.
    fn still_good(&self, moment: &Moment, at: UnixMillis) -> Option<Overview> {
        if moment.at_work != self.of.at_work {
            return None;
        }
        if moment.at_work.is_none() {
            // Nothing was committed, so that what was read is true now.
            let is_same = moment.version == self.of.version;
            return is_same.then(|| Overview {
                at,
                ..self.overview.clone()
            });
        }
        let is_same = moment.version == self.of.version && at.millis_since(self.overview.at) < UNCHANGED_FOR;
        (is_same || Instant::now() < self.does_until).then(|| self.overview.clone())
    }
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
        if let Some(overview) = kept.last.as_ref().and_then(|last| last.still_good(&moment, at)) {
            return Ok(overview);
        }
        let begun = Instant::now();
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
        kept.last = Some(Last {
            of: moment,
            overview: overview.clone(),
            does_until: Instant::now() + begun.elapsed() * (SHARE - 1),
        });
        Ok(overview)
    }

    fn is_at_work(&self) -> bool {
        Store::owner(&self.job.ledger).is_some()
    }
}

impl view::html::Rows for BatchView {
    type Error = LedgerError;

    fn each(&self, prompt_characters: usize, visit: &mut dyn FnMut(&RowCard)) -> Result<(), LedgerError> {
        let reader = Reader::open(&self.job.ledger)?;
        Rows::new(&self.job, &reader, self.is_at_work())?.each(prompt_characters, visit)
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
