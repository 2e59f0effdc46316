//! What a run shows to whoever watches: where it stands, and what just happened.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::dispatch::gate::PauseReason;
use crate::dispatch::halt::Halt;
use crate::incident::Incidents;
use crate::row::TaskId;

/// Where a run stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Standing {
    /// Rows this run has begun.
    pub started: u64,
    /// Rows accepted in this run.
    pub accepted: u64,
    /// Rows rejected in this run.
    pub rejected: u64,
    /// Rows whose answer was lost in this run.
    pub unknown: u64,
    /// Requests without an answer yet.
    pub in_flight: u64,
    /// Rows that wait for another attempt.
    pub waiting: u64,
    /// createTask requests made.
    pub requests: u64,
    /// Requests that were not a row's first in this run.
    pub retries: u64,
    /// 429 answers.
    pub rate_limited: u64,
    /// Credits spent or reserved by this run.
    pub spent: f64,
    /// Requests that were taken, or may have been, whose price is unknown.
    pub unpriced: u64,
    /// Code and text of the last answer that was a trouble for more than its row.
    pub last_trouble: Option<(String, String)>,
    /// The pause under way; `None` as its end means that the probe is out.
    pub pause: Option<(PauseReason, Option<tokio::time::Instant>)>,
    /// How far apart requests leave now; `None` without a limit, and until the first one.
    pub spacing: Option<Duration>,
    /// Nothing more is started, although rows may be left: a halt, a signal, or the time is up.
    pub ending: bool,
    /// Why nothing more is sent, if so.
    pub halt: Option<Arc<Halt>>,
    /// The last rows that were rejected or are unknown.
    pub incidents: Incidents,
}

/// Something worth a line.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// Nothing is sent for this long.
    Paused {
        /// Why.
        reason: PauseReason,
        /// For how long.
        wait: Duration,
        /// The answer's code.
        code: String,
    },
    /// The probe came back fine.
    Resumed {
        /// What had been the matter.
        reason: PauseReason,
    },
    /// The API refused again soon after a pause: requests are this far apart now.
    Slower {
        /// The new spacing.
        spacing: Duration,
    },
    /// Nothing more is sent in this run.
    Halted(Halt),
    /// `--until` or `--for` has come.
    TimeIsUp,
    /// The ledger could not record this task id. It is in the reserve file, if that could be written.
    NotRecorded {
        /// Place of the row in the manifest.
        row: u32,
        /// What must not be lost.
        task_id: TaskId,
    },
}

/// Where a run's news goes.
#[derive(Clone)]
pub struct Watch {
    /// The latest standing.
    pub standing: watch::Sender<Standing>,
    /// Each notice, as it happens. Must return quickly.
    pub notice: Arc<dyn Fn(Notice) + Send + Sync>,
}

impl Watch {
    /// Nobody watches.
    pub fn nobody() -> Watch {
        Watch {
            standing: watch::Sender::new(Standing::default()),
            notice: Arc::new(|_| {}),
        }
    }
}
