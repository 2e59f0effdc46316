//! The durable record of every row, attempt and task.
//!
//! An attempt's intent is committed before its first byte leaves, its outcome before it is shown. [`Store`] is the
//! SQLite file while nothing is being sent (import, recovery, settling); [`Writer`] is its hot half during a run, one
//! thread that groups commits; [`Reader`] looks on from anywhere, also while another process runs. Dispatch sees only
//! the trait [`Ledger`]. Which moves a row may make is decided in [`state`]. Imports leaf types only.

mod collecting;
#[cfg(test)]
pub(crate) mod direct;
mod error;
mod images;
mod import;
mod lock;
mod read;
mod recover;
mod reserve;
mod schema;
mod settle;
pub mod state;
mod store;
mod tasks;
#[cfg(test)]
mod tests;
mod writer;

use std::future::Future;
use std::time::Duration;

pub use error::LedgerError;
pub use images::remembered_images;
pub use import::{Changed, Import, ImportRow, ImportStats, Requeue};
pub use lock::Owner;
pub use read::{
    Account, AttemptRow, Bearer, EndedRow, Money, PastRequest, PastRun, Reader, StandingApart, StoredRow, Totals,
};
pub use recover::{LastAttempt, Recovered};
pub use reserve::Orphan;
pub use settle::{Decision, Settled};
pub use state::Event;
pub use store::{Balance, Realm, Store};
pub use tasks::{
    Announced, Announcement, Awaited, Claim, Due, NotSaved, OpenTask, SavedVideo, Seen, Sighting, Tasks, Unsaved,
};
pub use writer::Writer;

use crate::clock::UnixMillis;
use crate::ledger::state::{IllegalMove, next};
use crate::row::{RowState, Submission, TaskId, Token};

/// The steps of an attempt, each durable when its future returns `Ok`.
pub trait Ledger: Clone + Send + Sync + 'static {
    /// Queued rows behind row number `after`, in the manifest's order, at most `most`. Fewer than `most` means that
    /// the manifest has no more.
    fn queued(&self, after: u32, most: usize) -> impl Future<Output = Result<Vec<QueuedRow>, LedgerError>> + Send;

    /// Commits the intent to send: the row is `sending` from here on. Nothing may be sent before this returns. `None`:
    /// the row has left the queue, as a callback showed that an earlier request of it was taken; nothing is to be sent.
    fn begin(&self, intent: Intent) -> impl Future<Output = Result<Option<AttemptId>, LedgerError>> + Send;

    /// Commits what became of an attempt. If that fails, a task id in `ending` goes to the reserve file.
    fn finish(&self, ending: Ending) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// Commits that a queued row is not sent, because its image cannot be used. `false`: it has left the queue, as a
    /// callback showed that an earlier request of it was taken.
    fn refuse(&self, refusal: Refusal) -> impl Future<Output = Result<bool, LedgerError>> + Send;
}

/// How long after its acceptance a task is first looked at.
pub const FIRST_LOOK: Duration = Duration::from_secs(3);

/// What the ledger knows of uploaded images, by the SHA-256 of their content.
pub trait Uploads: Clone + Send + Sync + 'static {
    /// Where the image with this content was put, if it ever was.
    fn upload_of(&self, sha256: [u8; 32]) -> impl Future<Output = Result<Option<StoredUpload>, LedgerError>> + Send;

    /// Commits where it is now.
    fn uploaded(&self, sha256: [u8; 32], upload: StoredUpload) -> impl Future<Output = Result<(), LedgerError>> + Send;
}

/// An image on the API's file host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredUpload {
    /// Where it is.
    pub url: String,
    /// Since when: such files do not live long.
    pub uploaded_at: UnixMillis,
}

/// Why a row is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The row.
    pub row_id: i64,
    /// The API's code or one of our words.
    pub code: String,
    /// What is wrong, and what to do.
    pub message: String,
}

/// A row waiting to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct QueuedRow {
    /// The ledger's own number for the row; stays the same when the manifest is edited.
    pub row_id: i64,
    /// Its place in the manifest, from 1.
    pub number: u32,
    /// What to send.
    pub submission: Submission<'static>,
    /// Attempts that failed by the row's own trouble so far; `--max-attempts` bounds them.
    pub tries: u32,
}

/// One attempt, about to be made.
#[derive(Debug, Clone)]
pub struct Intent {
    /// The row it is for.
    pub row_id: i64,
    /// The attempt's own token.
    pub token: Token,
    /// Now.
    pub at: UnixMillis,
    /// Credits it will cost if it is accepted; `None` when the price is unknown.
    pub cost: Option<f64>,
}

/// The ledger's number for an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub i64);

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    /// The row.
    pub row_id: i64,
    /// The attempt.
    pub attempt: AttemptId,
    /// When the answer came, or was given up.
    pub at: UnixMillis,
    /// What it means.
    pub result: AttemptResult,
    /// HTTP status, where a reply came.
    pub http_status: Option<u16>,
    /// The API's code or one of our words; empty when accepted.
    pub code: String,
    /// The API's text; empty when accepted.
    pub message: String,
    /// Until when this answer makes everyone wait.
    pub pause_until: Option<UnixMillis>,
}

/// What an attempt came to, in the ledger's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptResult {
    /// The API took the row.
    Accepted(TaskId),
    /// Nothing was taken; the row is queued again.
    Again {
        /// Whether it counts against `--max-attempts`.
        counts: bool,
    },
    /// The API said no, for good.
    Rejected,
    /// It may have been taken, and the row waits for a decision.
    Unknown,
    /// It may have been taken, and the user said to send such rows again (`--on-unknown resubmit`).
    UnknownResubmitted,
}

impl AttemptResult {
    /// The word for it in the ledger's table of attempts.
    pub fn as_str(&self) -> &'static str {
        match self {
            AttemptResult::Accepted(_) => "accepted",
            AttemptResult::Again { .. } => "again",
            AttemptResult::Rejected => "rejected",
            AttemptResult::Unknown | AttemptResult::UnknownResubmitted => "unknown",
        }
    }

    /// Where it takes its row, by way of the state machine.
    pub(crate) fn state_after(&self) -> Result<RowState, IllegalMove> {
        let begun = RowState::Sending;
        match self {
            AttemptResult::Accepted(_) => next(begun, Event::Accepted),
            AttemptResult::Again { .. } => next(begun, Event::Again),
            AttemptResult::Rejected => next(begun, Event::Rejected),
            AttemptResult::Unknown => next(begun, Event::Lost),
            AttemptResult::UnknownResubmitted => next(next(begun, Event::Lost)?, Event::Resubmitted),
        }
    }

    /// Whether it counts against `--max-attempts`.
    pub(crate) fn counts(&self) -> bool {
        matches!(
            self,
            AttemptResult::Again { counts: true } | AttemptResult::UnknownResubmitted
        )
    }
}
