//! How long a row waits before it is tried again: exponential, with full jitter.
//!
//! The sequence is `backoff`'s, fenced into this file: the crate is unmaintained, draws its jitter from a generator
//! that cannot be seeded, adds it after its cap, and stops after 15 minutes of its own clock. Here it only doubles; the
//! jitter, the cap and the count are ours.

use std::time::Duration;

use backoff::ExponentialBackoffBuilder;
use backoff::backoff::Backoff;
use fastrand::Rng;

/// The shape of the waits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryConfig {
    /// Mean of the first wait is half of this. 1 s: AWS's base for throttled requests; at 2 requests per second nothing
    /// is won by less.
    pub base: Duration,
    /// Each wait may be this much longer than the one before.
    pub factor: f64,
    /// No wait is longer. 20 s: AWS's cap.
    pub cap: Duration,
}

impl Default for RetryConfig {
    fn default() -> Self {
        RetryConfig {
            base: Duration::from_secs(1),
            factor: 2.0,
            cap: Duration::from_secs(20),
        }
    }
}

/// The waits of one row.
#[derive(Debug)]
pub struct RetrySchedule {
    config: RetryConfig,
}

impl RetrySchedule {
    /// A schedule of this shape.
    pub fn new(config: RetryConfig) -> RetrySchedule {
        RetrySchedule { config }
    }

    /// The wait after the `failures`-th failure (from 1): random between zero and `base · factor^(failures − 1)`, at
    /// most the cap.
    pub fn wait(&self, failures: u32, rng: &mut Rng) -> Duration {
        let mut ceilings = ExponentialBackoffBuilder::new()
            .with_initial_interval(self.config.base)
            .with_multiplier(self.config.factor)
            .with_max_interval(self.config.cap)
            .with_randomization_factor(0.0)
            .with_max_elapsed_time(None)
            .build();
        let mut ceiling = self.config.base;
        // After a few doublings the cap holds: counting on would only cost time.
        for _ in 0..failures.clamp(1, 64) {
            ceiling = ceilings.next_backoff().unwrap_or(self.config.cap);
        }
        ceiling.min(self.config.cap).mul_f64(rng.f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn longest(failures: u32) -> Duration {
        let schedule = RetrySchedule::new(RetryConfig::default());
        let mut rng = Rng::with_seed(7);
        (0..2_000).map(|_| schedule.wait(failures, &mut rng)).max().unwrap()
    }

    #[test]
    fn waits_double_up_to_the_cap_and_use_all_of_their_range() {
        for (failures, ceiling) in [
            (1, 1.0),
            (2, 2.0),
            (3, 4.0),
            (5, 16.0),
            (6, 20.0),
            (60, 20.0),
            (u32::MAX, 20.0),
        ] {
            let longest = longest(failures).as_secs_f64();
            assert!(longest <= ceiling && longest > 0.95 * ceiling, "{failures}: {longest}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_waits() {
        let waits = |seed| {
            let schedule = RetrySchedule::new(RetryConfig::default());
            let mut rng = Rng::with_seed(seed);
            (1..10).map(|n| schedule.wait(n, &mut rng)).collect::<Vec<_>>()
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }
}
