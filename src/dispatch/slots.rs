//! The limiter's guarantee: the account has N slots, and a request gives its slot back one window after its answer.
//!
//! A request arrives before it is answered, so no window of that length can hold more than N arrivals, whatever the
//! network does. Binds only when answers take longer than half a second.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

/// Beyond the window: timers fire to the millisecond, and the far side may count the edge in.
const EDGE: Duration = Duration::from_millis(2);

/// N slots.
#[derive(Debug)]
pub(super) struct Slots {
    free: u32,
    window: Duration,
    /// When each slot that cools down is free again, the earliest first.
    cooling: VecDeque<Instant>,
}

impl Slots {
    /// `requests` slots, some of them still taken by earlier runs until the moments in `taken`.
    pub(super) fn new(requests: NonZeroU32, window: Duration, mut taken: Vec<Instant>) -> Slots {
        taken.sort();
        // More than there are slots: another rate was in force. The latest ones bind.
        let excess = taken.len().saturating_sub(requests.get() as usize);
        let cooling: VecDeque<Instant> = taken.split_off(excess).into();
        let busy = u32::try_from(cooling.len()).unwrap_or(u32::MAX);
        Slots {
            free: requests.get() - busy,
            window,
            cooling,
        }
    }

    /// Whether a slot is free; else when one will be, or `None` if that waits for an answer.
    pub(super) fn look(&mut self) -> Result<(), Option<Instant>> {
        let now = Instant::now();
        while self.cooling.front().is_some_and(|at| *at <= now) {
            self.cooling.pop_front();
            self.free += 1;
        }
        match self.free {
            0 => Err(self.cooling.front().copied()),
            _ => Ok(()),
        }
    }

    /// Takes a slot that [`Slots::look`] found free.
    pub(super) fn take(&mut self) {
        self.free -= 1;
    }

    /// The request that held a slot was never sent.
    pub(super) fn give_back_unused(&mut self) {
        self.free += 1;
    }

    /// The request that held a slot was answered, or given up, at `answered`.
    pub(super) fn give_back(&mut self, answered: Instant) {
        let at = answered + self.window + EDGE;
        // Answers are heard of nearly in their order; a late one must not free its slot before an earlier one.
        let at = self.cooling.back().map_or(at, |last| at.max(*last));
        self.cooling.push_back(at);
    }
}
