//! Where a run stands, in numbers.

use std::time::Duration;

use crate::incident::Incident;
use crate::rate::Rate;
use crate::view::Halt;

/// Where a run stands. Text in it may come from the server: it is escaped when it is shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Rows of this run.
    pub total: u64,
    /// Rows of this run that need no more requests.
    pub done: u64,
    /// Rows of this run that the API took.
    pub accepted: u64,
    /// Rows of this run that it refused.
    pub rejected: u64,
    /// Rows of this run that were sent and not answered.
    pub unknown: u64,
    /// Requests that are waiting for their answer.
    pub in_flight: u64,
    /// Rows that wait to be sent.
    pub queued: u64,
    /// Requests so far.
    pub requests: u64,
    /// Those of them that were answered 429.
    pub rate_limited: u64,
    /// Time since the run began; also the clock that decides when something is shown again.
    pub elapsed: Duration,
    /// Credits for the rows taken in this run; `None` where the price is not known.
    pub spent_credits: Option<f64>,
    /// The budget, if one is set.
    pub budget: Option<Budget>,
    /// How fast requests leave; `None` where none do.
    pub rate: Option<MeasuredRate>,
    /// The pause that holds everything up, if there is one.
    pub pause: Option<Pause>,
    /// Time until the last row is sent; `None` while nobody can tell.
    pub eta: Option<Duration>,
    /// Time until everything is done that the run stays for: rows sent, and if somebody waits for them, tasks ended and
    /// videos saved. `None` while nobody can tell.
    pub eta_of_all: Option<Duration>,
    /// Nothing more is sent, although rows may be left.
    pub ending: bool,
    /// Why nothing more is sent, if it was the API or a limit that ended it.
    pub halt: Option<Halt>,
    /// The last rows that something went wrong with, the latest last.
    pub incidents: Vec<Incident>,
    /// Where the tasks stand, if somebody waits for them.
    pub tasks: Option<TaskCounts>,
    /// What was found, if this is not about rows at all but about images that are looked at: then `total` and `done` count
    /// those.
    pub images: Option<ImageCounts>,
}

/// What looks at images have found so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImageCounts {
    /// Images of which no video can come.
    pub bad: u64,
    /// Images that could not be looked at.
    pub not_reached: u64,
}

/// Tasks and videos that somebody waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TaskCounts {
    /// Tasks that have not ended.
    pub at_work: u64,
    /// Tasks seen to end with a video.
    pub succeeded: u64,
    /// Tasks seen to end without one.
    pub failed: u64,
    /// Whether videos are saved at all.
    pub saves: bool,
    /// Videos being fetched.
    pub saving: u64,
    /// Videos saved.
    pub saved: u64,
    /// Videos still to be saved.
    pub to_save: u64,
    /// Videos that could not be saved in this run.
    pub not_saved: u64,
    /// Bytes of the saved ones.
    pub bytes: u64,
}

/// How fast requests leave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeasuredRate {
    /// Requests in each of the last windows, on average; without a limit: in each of the last seconds.
    pub requests: f64,
    /// What is allowed.
    pub limit: Rate,
}

/// What may be spent on the batch.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Budget {
    /// So many credits, over all runs.
    pub credits: f64,
    /// Of them so many are spent, over all runs.
    pub spent: f64,
}

/// A time in which nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// How much of it is left; zero while one request finds out whether it is over.
    pub remaining: Duration,
    /// Why, as a clause: `the API answered 429`.
    pub reason: String,
}

impl Snapshot {
    /// Rows that are still to be sent in this run.
    pub(super) fn to_come(&self) -> u64 {
        match self.ending {
            true => self.in_flight,
            false => self.total.saturating_sub(self.done),
        }
    }

    /// Whether rows are still being sent: until then progress is about them, then about their tasks.
    pub(in crate::view) fn is_sending(&self) -> bool {
        self.tasks.is_none() || self.to_come() > 0
    }

    /// What progress is measured in: how much of it there is, and how much is done.
    pub(super) fn measure(&self) -> (u64, u64) {
        match self.tasks {
            Some(tasks) if !self.is_sending() => {
                let open = tasks.at_work + tasks.to_save;
                let done = tasks.failed
                    + if tasks.to_save + tasks.saved > 0 {
                        tasks.saved
                    } else {
                        tasks.succeeded
                    };
                (open + done, done)
            }
            _ => (self.total, self.done),
        }
    }

    /// Every text that may have come from outside.
    pub(super) fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let pause = self.pause.iter_mut().map(|pause| &mut pause.reason);
        let halt = self
            .halt
            .iter_mut()
            .flat_map(|halt| [&mut halt.code, &mut halt.message]);
        let incidents = self.incidents.iter_mut();
        let incidents = incidents.flat_map(|incident| [&mut incident.code, &mut incident.message]);
        pause.chain(halt).chain(incidents)
    }
}
