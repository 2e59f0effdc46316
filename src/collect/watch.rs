//! What a collector is told, what it shows, and what it reports.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock::Wall;
use crate::incident::Incidents;
use crate::kie::Remedy;
use crate::ledger::LedgerError;
use crate::rate::Rate;

/// Settings of a collector.
#[derive(Debug, Clone)]
pub struct CollectConfig {
    /// Looks per window, of all tasks together.
    pub poll_rate: Rate,
    /// Videos fetched at once.
    pub downloads: usize,
    /// Callbacks come in: looks are the fallback, and rarer.
    pub callbacks: bool,
    /// Stay until told to stop, also when nothing is left to do.
    pub forever: bool,
    /// Stop so long after the last row was sent, whatever is left.
    pub wait_for: Option<Duration>,
    /// The clock that plans looks: one that nobody can set while it runs.
    pub wall: Wall,
    /// The clock of records, which says when tasks were submitted.
    pub records: Wall,
}

/// Where a collector stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Standing {
    /// Looks at tasks so far.
    pub looks: u64,
    /// Tasks seen to end with a video.
    pub succeeded: u64,
    /// Tasks seen to end without one.
    pub failed: u64,
    /// Videos saved.
    pub saved: u64,
    /// Videos being fetched now.
    pub saving: u64,
    /// Bytes of videos that were saved.
    pub bytes: u64,
    /// Videos that could not be saved in this run, without those that could later.
    pub not_saved: u64,
    /// Rows that got their task from a callback.
    pub settled: u64,
    /// Until when nobody is asked, and why.
    pub pause: Option<(String, Instant)>,
    /// How long a task takes, from its acceptance: nine in ten of the last ones ended with a video within this time.
    /// `None` until some have.
    pub generation: Option<Duration>,
    /// When the latest of the tasks that were looked at was accepted.
    pub latest_accepted: Option<Instant>,
    /// The last tasks that failed and videos that could not be saved.
    pub incidents: Incidents,
}

/// Something worth a line.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// Nobody is asked for this long.
    Paused {
        /// The answer's code, and its text.
        reason: String,
        /// For how long.
        wait: Duration,
    },
    /// A row without an answer got its task: a callback named it.
    Settled {
        /// Its place in the manifest.
        row: u32,
    },
    /// A video could not be saved. Said again only when there is something new to say.
    NotSaved {
        /// Its row's place in the manifest.
        row: u32,
        /// What happened.
        message: String,
        /// How often it is tried again; `None`: not in this run.
        every: Option<Duration>,
    },
    /// No more videos are fetched. Said again only when the reason is another.
    SavingStopped {
        /// Why.
        message: String,
        /// How often one is tried again, until it can be saved; `None`: not in this run.
        every: Option<Duration>,
    },
    /// One could be saved, and the others follow.
    SavingGoesOn,
    /// No more tasks are looked at. Said again only when the reason is another.
    Barred {
        /// Why.
        barred: Barred,
        /// When one is looked at again, to find out, and later less often; `None`: not in this run.
        again_in: Option<Duration>,
    },
    /// The API has answered a look again, and the others follow.
    LookingGoesOn,
    /// Nothing else is left: rows whose answer was lost may be settled by a callback.
    AwaitingCallbacks {
        /// How many rows.
        rows: u64,
        /// For how long at most.
        wait: Duration,
    },
    /// `--wait-for` is over.
    TimeIsUp,
}

/// The API refuses every look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Barred {
    /// Its code.
    pub code: String,
    /// Its text.
    pub message: String,
    /// What the user has to do.
    pub remedy: Remedy,
}

/// Where a collector's news goes.
#[derive(Clone)]
pub struct Watch {
    /// The latest standing.
    pub standing: watch::Sender<Standing>,
    /// Each notice, as it happens. Must return quickly.
    pub notice: Arc<dyn Fn(Notice) + Send + Sync>,
}

/// How collecting ended. What is left is in the ledger.
#[derive(Debug, Clone, Default)]
pub struct CollectReport {
    /// The last standing.
    pub standing: Standing,
    /// Set if the API refused every look.
    pub barred: Option<Barred>,
    /// Code and text of the last look, if it brought nothing.
    pub last_trouble: Option<String>,
    /// Set if fetching had to stop: a full disk, a folder that cannot be written.
    pub saving_stopped: Option<String>,
    /// Set if the ledger failed.
    pub ledger_error: Option<LedgerError>,
    /// Whether the deadline came first.
    pub time_is_up: bool,
}
