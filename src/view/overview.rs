//! A batch at one moment, with its past: what the live page, the report and the metrics show.
//!
//! Values only. They are read from the ledger (`cli::overview`), so that looking at a batch needs neither its lock nor
//! the process that works on it; what only that process knows is in [`Overview::live`].

use std::time::Duration;

use super::{Halt, Snapshot, Summary};
use crate::clock::UnixMillis;
use crate::rate::Rate;

/// A batch at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overview {
    /// When the ledger was read.
    pub at: UnixMillis,
    /// What the batch is called: the file name of its manifest.
    pub name: String,
    /// What `status` says of it, requests over all runs included.
    pub summary: Summary,
    /// What the account allows.
    pub rate: Rate,
    /// Its past.
    pub history: History,
    /// Where the run in this process stands; `None`: no run is at work here.
    pub live: Option<Snapshot>,
}

impl Overview {
    /// How much of a pause is left in which everyone waits; `None`: there is none.
    pub fn pause_left(&self) -> Option<Duration> {
        if let Some(live) = &self.live {
            return live.pause.as_ref().map(|pause| pause.remaining);
        }
        // Of a run in another process the ledger knows the pauses that an answer asked for.
        self.summary.at_work.as_ref()?;
        let latest = self.history.timelines.first().filter(|run| run.ended_at.is_none())?;
        let until = latest.pauses.iter().map(|pause| pause.until).max()?;
        (until > self.at).then(|| Duration::from_millis(until.millis_since(self.at)))
    }
}

/// What the requests and tasks of a batch came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// The last runs that made a request, the latest first, at most [`MOST_TIMELINES`].
    pub timelines: Vec<Timeline>,
    /// How many runs made a request.
    pub runs: u64,
    /// The last run, whether it made a request or had nothing to do.
    pub last_run: Option<RunSpan>,
    /// When the API took a row last.
    pub last_accepted_at: Option<UnixMillis>,
    /// From the beginning of a request to its answer, in seconds.
    pub latency: Distribution,
    /// From a row's acceptance to the end of its task, in seconds; of tasks that ended with a video.
    pub generation: Distribution,
    /// What requests and tasks came to, the most frequent first, at most [`MOST_OUTCOMES`].
    pub outcomes: Vec<Outcome>,
    /// Bytes of the videos on disk.
    pub saved_bytes: u64,
}

/// When a run began and ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunSpan {
    /// When it began.
    pub started_at: UnixMillis,
    /// When it ended; `None`: it is at work, or it died.
    pub ended_at: Option<UnixMillis>,
}

/// Runs that are shown one by one.
pub const MOST_TIMELINES: usize = 10;

/// Kinds of outcomes told apart; the rest is counted together, as code `other`.
pub const MOST_OUTCOMES: usize = 40;

/// Columns of a time line: so many can be told apart on any screen, and hold more than a request or two each, so that an
/// even stream looks even.
pub const MOST_SLICES: usize = 120;

/// The requests of one run over time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timeline {
    /// The ledger's number of the run.
    pub run: i64,
    /// When the run began.
    pub started_at: UnixMillis,
    /// When it ended; `None`: it is at work, or it died.
    pub ended_at: Option<UnixMillis>,
    /// Why it sent nothing more.
    pub halted: Option<Halt>,
    /// The width of a slice: one of 1, 2, 5, 10, 15, 30 s, 1, 2, 5, 10, 15, 30 min, 1, 2, 6, 12, 24 h.
    pub slice: Duration,
    /// From `started_at` on, one after the other without gaps, at most [`MOST_SLICES`].
    pub slices: Vec<Slice>,
    /// Times in which an answer made everyone wait, in order.
    pub pauses: Vec<PauseSpan>,
}

/// The requests that began in one slice of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Slice {
    /// Taken by the API.
    pub accepted: u32,
    /// To be made again: 429, 455, 500 and the like, and what did not leave.
    pub again: u32,
    /// Refused.
    pub rejected: u32,
    /// Without an answer.
    pub unknown: u32,
    /// Still waiting for theirs.
    pub in_flight: u32,
    /// The most requests that began within one window of the account's rate that ended in this slice. Without a limit:
    /// within ten seconds.
    pub peak: u32,
}

impl Slice {
    /// All requests that began in it.
    pub fn requests(&self) -> u32 {
        self.accepted + self.again + self.rejected + self.unknown + self.in_flight
    }
}

/// A time in which an answer made everyone wait.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PauseSpan {
    /// When the answer came.
    pub from: UnixMillis,
    /// Until when it made everyone wait.
    pub until: UnixMillis,
    /// Its code.
    pub code: String,
    /// Its text.
    pub message: String,
}

/// How often which duration was seen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Distribution {
    /// Upper bounds in seconds, rising, and how many were at most so long and longer than the bound before.
    pub bins: Vec<(f64, u64)>,
    /// How many were longer than the last bound.
    pub beyond: u64,
    /// Sum of all, in seconds.
    pub sum: f64,
    /// The quantiles 0.5, 0.9 and 0.99 in seconds; `None`: nothing was seen.
    pub quantiles: Option<[f64; 3]>,
    /// The longest, in seconds.
    pub longest: f64,
}

impl Distribution {
    /// How many were seen.
    pub fn count(&self) -> u64 {
        self.bins.iter().map(|(_, count)| count).sum::<u64>() + self.beyond
    }
}

/// What requests came to, or tasks, with one code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// A request or a task.
    pub of: Step,
    /// `accepted`, `again`, `rejected`, `unknown`; for tasks `succeeded`, `failed`.
    pub result: String,
    /// The API's number or one of our words; empty for a plain success.
    pub code: String,
    /// How many.
    pub count: u64,
}

/// What an [`Outcome`] is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// A createTask request.
    Request,
    /// A task that the API took.
    Task,
}
