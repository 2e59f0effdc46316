//! What the other side saw: every arrival, counted, kept and written to the journal.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Wall;
use crate::rate::Rate;

use super::account::Verdict;
use super::callbacks::CallbackBooks;
use super::create_task::Submitted;
use super::files::FileBooks;
use super::polls::PollBooks;
use super::uploads::UploadBooks;
use super::window::Densest;

/// Arrivals kept in memory; the journal has them all.
pub const MOST_KEPT: usize = 100_000;

/// One createTask request, as it reached the sandbox and as it was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// Counted from 1, in the order of arrival.
    pub seq: u64,
    /// Milliseconds since the sandbox started, on a clock that never goes backwards.
    pub at_ms: u64,
    /// The wall clock then, in milliseconds since 1970.
    pub unix_ms: i64,
    /// `input.prompt`; JSON text where it was not a string.
    pub prompt: String,
    /// `input.image_url`, likewise.
    pub image_url: String,
    /// `callBackUrl`, if the request had one.
    pub callback_url: Option<String>,
    /// Hash of prompt, image, duration and resolution: equal where the same video was asked for.
    pub content: String,
    /// `ok`, a fault's word, or who refused: `key`, `window`, `invalid`, `balance`, `tag`.
    pub answer: String,
    /// The envelope's code; `None` where no whole envelope was sent.
    pub code: Option<u16>,
    /// The task that was created, whether or not the client was told.
    pub task_id: Option<String>,
    /// Whether the account paid for it.
    pub billed: bool,
}

/// The sandbox's summary of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Books {
    /// createTask requests that arrived whole.
    pub requests: u64,
    /// Tasks created; each is billed, whether or not the client was told.
    pub accepted: u64,
    /// Credits that were taken for them when they were created.
    pub billed_credits: f64,
    /// Of them, those that came back because a task failed.
    pub returned_credits: f64,
    /// Of them, those of the tasks that have ended otherwise: the sum of `creditsConsumed` in their records.
    pub consumed_credits: f64,
    /// Requests answered with 429, by the window or by a fault.
    pub refused_429: u64,
    /// Requests by the envelope's code; those without an envelope are in `by_answer` only.
    pub by_code: BTreeMap<u16, u64>,
    /// Requests by the word of their answer (see [`Arrival::answer`]).
    pub by_answer: BTreeMap<String, u64>,
    /// The most createTask requests that any closed window of the limit's length has seen; `None` without a limit.
    pub max_in_window: Option<usize>,
    /// Contents that were paid for more than once. Rows that are equal on purpose show here too.
    pub billed_twice: Vec<BilledTwice>,
    /// Credits left; `None` where they never run out.
    pub balance: Option<f64>,
    /// Looks at tasks.
    pub polls: PollBooks,
    /// Requests for videos.
    pub files: FileBooks,
    /// Files that were uploaded.
    pub uploads: UploadBooks,
    /// Calls to the clients.
    pub callbacks: CallbackBooks,
    /// Why the journal is not complete, if it is not.
    pub journal_error: Option<String>,
}

/// One content that was paid for more than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BilledTwice {
    /// As in [`Arrival::content`].
    pub content: String,
    /// The beginning of its prompt.
    pub prompt: String,
    /// How often it was paid for.
    pub count: u64,
    /// The tasks, oldest first.
    pub task_ids: Vec<String>,
}

/// Counts, keeps and writes down arrivals.
#[derive(Debug)]
pub(super) struct Witness {
    pub(super) requests: u64,
    pub(super) by_code: BTreeMap<u16, u64>,
    pub(super) by_answer: BTreeMap<String, u64>,
    pub(super) densest: Option<Densest>,
    pub(super) journal_error: Option<String>,
    journal: Option<File>,
    kept: Option<VecDeque<Arrival>>,
}

impl Witness {
    pub(super) fn new(limit: Rate, journal: Option<&Path>, keep_requests: bool) -> io::Result<Witness> {
        let open = |path| OpenOptions::new().create(true).append(true).open(path);
        Ok(Witness {
            requests: 0,
            by_code: BTreeMap::new(),
            by_answer: BTreeMap::new(),
            densest: Densest::new(limit),
            journal_error: None,
            journal: journal.map(open).transpose()?,
            kept: keep_requests.then(VecDeque::new),
        })
    }

    /// Takes down one arrival. When this returns, the journal has it, even if the process dies now.
    pub(super) fn note(&mut self, now: Duration, submitted: &Submitted, verdict: &Verdict) {
        self.requests += 1;
        if let Some(densest) = &mut self.densest {
            densest.note(now);
        }
        if let Some(code) = verdict.code() {
            *self.by_code.entry(code).or_default() += 1;
        }
        match self.by_answer.get_mut(verdict.word()) {
            Some(count) => *count += 1,
            None => {
                self.by_answer.insert(verdict.word().to_owned(), 1);
            }
        }
        if self.journal.is_some() || self.kept.is_some() {
            self.take_down(arrival(self.requests, now, submitted, verdict));
        }
    }

    fn take_down(&mut self, arrival: Arrival) {
        if let Some(journal) = &mut self.journal {
            // One write for the whole line: the file is never buffered, and never torn by a kill.
            let mut line = serde_json::to_vec(&arrival).expect("an arrival is plain text and numbers");
            line.push(b'\n');
            if let Err(error) = journal.write_all(&line) {
                tracing::error!(seq = arrival.seq, %error, "the sandbox's journal lost a line");
                self.journal_error.get_or_insert(error.to_string());
            }
        }
        if let Some(kept) = &mut self.kept {
            if kept.len() == MOST_KEPT {
                kept.pop_front();
            }
            kept.push_back(arrival);
        }
    }

    /// The newest arrivals, oldest first.
    pub(super) fn kept(&self) -> Vec<Arrival> {
        self.kept.iter().flatten().cloned().collect()
    }
}

fn arrival(seq: u64, now: Duration, submitted: &Submitted, verdict: &Verdict) -> Arrival {
    Arrival {
        seq,
        at_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        unix_ms: Wall::System.now().0,
        prompt: submitted.prompt.clone(),
        image_url: submitted.image_url.clone(),
        callback_url: submitted.callback_url.clone(),
        content: submitted.content.to_string(),
        answer: verdict.word().to_owned(),
        code: verdict.code(),
        task_id: verdict.task.map(|task| task.id.to_string()),
        billed: verdict.task.is_some(),
    }
}
