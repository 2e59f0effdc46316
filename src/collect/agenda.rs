//! What is to be done next, as far as the ledger was asked: a page of it, and when to ask again.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::{UnixMillis, Wall};
use crate::collect::cadence::STALE_CADENCE;
use crate::ledger::{Due, LedgerError, OpenTask, Unsaved};

/// Entries read from the ledger at a time.
const PAGE: usize = 100;

/// Nobody waits for what is not due within this time: those are the stale tasks.
const NOT_WAITED_FOR: Duration = STALE_CADENCE.saturating_sub(Duration::from_secs(20 * 60));

/// An entry of an agenda.
pub(super) trait Entry {
    /// The ledger's number of its row. No row is worked on twice at a time.
    fn row_id(&self) -> i64;
}

impl Entry for OpenTask {
    fn row_id(&self) -> i64 {
        self.row_id
    }
}

impl Entry for Unsaved {
    fn row_id(&self) -> i64 {
        self.row_id
    }
}

/// Entries that are due, and rows that are being worked on.
#[derive(Debug)]
pub(super) struct Agenda<T> {
    queue: VecDeque<T>,
    next: Next,
    busy: HashSet<i64>,
    /// Also wait for what is due in hours.
    waits_for_all: bool,
}

/// When there will be something to do.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Next {
    /// The ledger has to be asked.
    Unknown,
    /// At this moment of the planning clock.
    At(UnixMillis),
    /// Nothing is planned.
    Nothing,
}

impl<T: Entry> Agenda<T> {
    pub(super) fn new(waits_for_all: bool) -> Agenda<T> {
        Agenda {
            queue: VecDeque::new(),
            next: Next::Unknown,
            busy: HashSet::new(),
            waits_for_all,
        }
    }

    /// Makes sure that there is an entry to take, if anything is due: `read` asks the ledger for so many of what is due by
    /// a moment. False: there is nothing now.
    pub(super) async fn fill<F>(
        &mut self,
        wall: Wall,
        read: impl FnOnce(UnixMillis, usize) -> F,
    ) -> Result<bool, LedgerError>
    where
        F: Future<Output = Result<Due<T>, LedgerError>>,
    {
        if !self.queue.is_empty() {
            return Ok(true);
        }
        let now = wall.now();
        match self.next {
            Next::Nothing => return Ok(false),
            Next::At(at) if at > now => return Ok(false),
            Next::At(_) | Next::Unknown => {}
        }
        // Those that are being worked on are still due.
        let due = read(now, PAGE + self.busy.len()).await?;
        self.next = due.next.map_or(Next::Nothing, Next::At);
        let busy = &self.busy;
        self.queue
            .extend(due.now.into_iter().filter(|entry| !busy.contains(&entry.row_id())));
        if self.queue.len() >= PAGE {
            // There may be more.
            self.next = Next::Unknown;
        }
        Ok(!self.queue.is_empty())
    }

    /// Takes the entry that has been due longest; its row is busy until [`Agenda::done`].
    pub(super) fn take(&mut self) -> Option<T> {
        let entry = self.queue.pop_front()?;
        self.busy.insert(entry.row_id());
        Some(entry)
    }

    /// A row is worked on no more; when it is due again stands in the ledger.
    pub(super) fn done(&mut self, row_id: i64) {
        self.busy.remove(&row_id);
        self.ask_again();
    }

    /// Something has changed in the ledger.
    pub(super) fn ask_again(&mut self) {
        self.next = Next::Unknown;
    }

    /// When to come back for what is planned; `None` if nothing is that is worth waiting for.
    pub(super) fn come_back_at(&self, wall: Wall) -> Option<Instant> {
        let Next::At(at) = self.next else { return None };
        let wait = Duration::from_millis(at.millis_since(wall.now()));
        (wait < NOT_WAITED_FOR || self.waits_for_all).then(|| Instant::now() + wait)
    }
}

// Everything between two looks at a task that is waited for is shorter, and stale tasks are longer apart.
const _: () = assert!(NOT_WAITED_FOR.as_secs() > 15 * 60 && NOT_WAITED_FOR.as_secs() < STALE_CADENCE.as_secs());
