//! What a run is told: limits, pauses, money, and when to stop.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::clock::{UnixMillis, Wall};
use crate::dispatch::retry::RetryConfig;
use crate::job::OnUnknown;
use crate::ledger::LastAttempt;
use crate::rate::Rate;
use crate::row::{ClipLength, Resolution, Token};

/// The price of a row in credits, where it is known.
pub type CostOf = Arc<dyn Fn(ClipLength, Resolution) -> Option<f64> + Send + Sync>;

/// Settings of one run.
#[derive(Clone)]
pub struct DispatchConfig {
    /// No window sees more.
    pub rate: Rate,
    /// Requests that may leave at once when the window allows it.
    pub burst: NonZeroU32,
    /// Requests in flight: also the most rows one crash can leave unknown.
    pub concurrency: usize,
    /// Attempts of a row that fails by its own trouble.
    pub max_attempts: u32,
    /// The waits between them.
    pub retry: RetryConfig,
    /// How long a run goes on without one row decided (accepted or rejected) before it halts.
    pub patience: Duration,
    /// The first pause after a 455.
    pub maintenance_pause: Duration,
    /// What becomes of rows whose answer is lost.
    pub on_unknown: OnUnknown,
    /// Ten rows in a row rejected for the same reason halt the run unless this is set.
    pub keep_going: bool,
    /// Credits that may be spent, over all runs of this ledger.
    pub budget: Option<f64>,
    /// Credits spent before this run.
    pub spent: f64,
    /// What a row costs.
    pub cost_of: CostOf,
    /// callBackUrl for rows that have none of their own.
    pub callback_url: Option<Url>,
    /// At most so many rows in this run.
    pub limit: Option<u64>,
    /// Nothing starts at or after this moment. It is the clock on the wall that says so: a monotonic one stands still
    /// while the machine is suspended.
    pub stop_at: Option<UnixMillis>,
    /// The last requests of earlier runs, the latest first.
    pub last_attempts: Vec<LastAttempt>,
    /// The clock of records.
    pub wall: Wall,
    /// Where attempts' tokens come from.
    pub tokens: TokenSource,
    /// Seed of the retry waits; `None` takes one from the system.
    pub seed: Option<u64>,
    /// A bug to plant, so that the simulation can show that it finds it.
    #[cfg(test)]
    pub planted: Option<PlantedBug>,
}

/// Where attempts' tokens come from.
#[derive(Debug, Clone)]
pub enum TokenSource {
    /// The operating system: nobody can guess them.
    System,
    /// A seeded sequence, for tests that must run the same again.
    Seeded(u64),
}

impl TokenSource {
    pub(super) fn token(&mut self) -> Token {
        let mut bytes = [0; 16];
        match self {
            TokenSource::System => getrandom::fill(&mut bytes).expect("the operating system has randomness"),
            TokenSource::Seeded(seed) => {
                let mut rng = fastrand::Rng::with_seed(*seed);
                rng.fill(&mut bytes);
                *seed = rng.u64(..);
            }
        }
        Token(bytes)
    }
}

/// Mistakes that the simulation has to find.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlantedBug {
    /// The request leaves while its intent is still being committed.
    SendBeforeIntent,
    /// A lost answer puts the row back into the queue.
    UnknownToQueued,
    /// A slot is free one window after the request left, not after its answer.
    SlotFreedAtSend,
    /// A halt does not wait for the requests in flight.
    AbandonedAtHalt,
    /// Nothing waits for a pause to end.
    GateNeverPauses,
    /// A row that fails by its own trouble is tried for ever.
    TriesNeverCounted,
}
