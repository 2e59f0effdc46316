//! What collecting asks of the ledger: which tasks to look at next, which videos to fetch, and where to write down what
//! was seen.
//!
//! The ledger is the collector's memory. When to look again is a column (`due_at`), so a collector can be stopped and
//! started at any time, a hundred thousand open tasks cost no memory, and a callback does no more than make its row due.

use std::future::Future;

use crate::clock::UnixMillis;
use crate::ledger::{AttemptId, LedgerError};
use crate::row::{RowState, TaskId, Token};

/// The steps of collecting. A write is durable when its future returns `Ok`.
pub trait Tasks: Clone + Send + Sync + 'static {
    /// Tasks of the manifest's rows that are to be looked at by `now`, the longest due first, at most `most`.
    fn due(&self, now: UnixMillis, most: usize) -> impl Future<Output = Result<Due<OpenTask>, LedgerError>> + Send;

    /// Finished tasks of the manifest's rows whose videos are to be fetched by `now`, the oldest first, at most `most`.
    fn to_save(&self, now: UnixMillis, most: usize) -> impl Future<Output = Result<Due<Unsaved>, LedgerError>> + Send;

    /// Commits what a look at a task brought. Returns where the row stands now; `None`: the row had moved on, and
    /// nothing was changed.
    fn seen(&self, sighting: Sighting) -> impl Future<Output = Result<Option<RowState>, LedgerError>> + Send;

    /// Commits what a callback said, so that its task is looked at next.
    fn announce(&self, announcement: Announcement) -> impl Future<Output = Result<Announced, LedgerError>> + Send;

    /// The unknown rows whose callback may still come: those whose request was begun at `since` or later, and not after
    /// `now`, as the clock may have been set back.
    fn awaited(&self, since: UnixMillis, now: UnixMillis) -> impl Future<Output = Result<Awaited, LedgerError>> + Send;

    /// Commits that a video is on disk, whole.
    fn saved(&self, video: SavedVideo) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// Commits why a video is not on disk yet, and when to try again.
    fn not_saved(&self, trouble: NotSaved) -> impl Future<Output = Result<(), LedgerError>> + Send;
}

/// What is due.
#[derive(Debug, Clone, PartialEq)]
pub struct Due<T> {
    /// Now, the longest due first.
    pub now: Vec<T>,
    /// When the first that is not due yet will be; `None` when nothing more is waiting.
    pub next: Option<UnixMillis>,
}

/// A task that may not have ended.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenTask {
    /// The ledger's number of its row.
    pub row_id: i64,
    /// The row's place in the manifest, from 1.
    pub number: u32,
    /// The task.
    pub task_id: TaskId,
    /// Where its row stands.
    pub state: RowState,
    /// Set for a task that only a callback speaks of: its row is not accepted. The record must show that it is ours.
    pub claim: Option<Claim>,
    /// When the row was accepted; for a claim, when its request was begun.
    pub submitted_at: UnixMillis,
    /// Since when looks bring no record, or a success without a video.
    pub doubt_since: Option<UnixMillis>,
    /// How many looks did.
    pub doubt_looks: u32,
}

/// Which request a callback spoke of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The attempt.
    pub attempt: AttemptId,
    /// The secret of its callback URL.
    pub token: Token,
}

/// A task that has ended with a video that is not on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Unsaved {
    /// The ledger's number of its row.
    pub row_id: i64,
    /// The row's place in the manifest, from 1.
    pub number: u32,
    /// The manifest's own id.
    pub id: Option<String>,
    /// What was generated, for names that tell.
    pub prompt: String,
    /// The task.
    pub task_id: TaskId,
    /// The video's address as the record gave it.
    pub url: String,
    /// When the task ended: the file's life counts from here.
    pub completed_at: UnixMillis,
}

/// One look at a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// The row.
    pub row_id: i64,
    /// The task that was looked at.
    pub task_id: TaskId,
    /// Whether it was only announced so far.
    pub claim: Option<AttemptId>,
    /// Now.
    pub at: UnixMillis,
    /// What was seen.
    pub seen: Seen,
}

/// What a look at a task showed.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// It is at work.
    AtWork {
        /// When to look again.
        due_at: UnixMillis,
    },
    /// Nothing could be learned; whatever was known stays.
    Nothing {
        /// When to look again.
        due_at: UnixMillis,
    },
    /// No record, or a success without a video: final only after a while.
    Doubtful {
        /// When to look again.
        due_at: UnixMillis,
    },
    /// It ended with a video.
    Succeeded {
        /// Where the video is.
        url: String,
        /// What the task consumed, where the API says so.
        credits: Option<f64>,
        /// When it ended.
        completed_at: UnixMillis,
    },
    /// It ended without one.
    Failed {
        /// The API's code, or our word.
        code: String,
        /// The API's text.
        message: String,
        /// What the task consumed, where the API says so.
        credits: Option<f64>,
        /// When it ended.
        completed_at: UnixMillis,
    },
    /// An announced task that is not this row's: the announcement is forgotten.
    NotOurs,
}

/// What a callback said: that the task of this attempt has ended, or is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The attempt its URL names.
    pub attempt: AttemptId,
    /// The secret its URL bears.
    pub token: Token,
    /// The task its body names.
    pub task_id: TaskId,
}

/// What an announcement did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// The task is due to be looked at.
    Due,
    /// The row's end was known before; nothing was changed.
    Known,
    /// The row has another task: this one was made by a request that was answered with an error. It is noted down.
    Extra {
        /// The row's place in the manifest, from 1; `None` when the manifest no longer has it.
        number: Option<u32>,
    },
    /// No request of ours bears this token; nothing was changed.
    NoSuchRequest,
}

/// Unknown rows that a callback may settle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Awaited {
    /// How many.
    pub rows: u64,
    /// When the last of their requests was begun.
    pub last_began_at: Option<UnixMillis>,
}

/// A video on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedVideo {
    /// The row.
    pub row_id: i64,
    /// Its task.
    pub task_id: TaskId,
    /// Where the file is, as results shall show it.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

/// A video that is not on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotSaved {
    /// The row.
    pub row_id: i64,
    /// Its task.
    pub task_id: TaskId,
    /// Our word for what went wrong.
    pub code: String,
    /// What went wrong.
    pub message: String,
    /// When to try again; `None`: not before the next collector starts.
    pub again_at: Option<UnixMillis>,
}
