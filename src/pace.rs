//! An even stream of requests: a token bucket that gives a token every [`SPACING`] windows / requests.
//!
//! Submitting and polling each have one of their own, since the API counts them apart.
//!
//! An even stream is the only shape that fixed, sliding, leaky and counting windows all accept; the 5 % buys half a
//! second of arrival jitter at 20 per 10 s (simulated: at 525 ms never more than 20 arrivals per window up to 500 ms of
//! jitter; at 500 ms 21 with 10 ms).

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use crate::rate::SPACING;

/// A second refusal soon after a pause widens the spacing by this (the decrease of AWS's adaptive retries: 0.7).
const WIDEN: f64 = 1.0 / 0.7;

/// What twenty clean answers take off a widened spacing.
const NARROW: f64 = 0.95;

/// Clean answers it takes to narrow once.
const CLEAN_ANSWERS: u32 = 20;

/// The widest spacing, in configured spacings: 5.25 s at 20 per 10 s.
const WIDEST: u32 = 10;

/// tokio's clock for governor, so that tests can pause it; governor's own sleeps in real time.
#[derive(Debug, Clone, Copy, Default)]
struct TokioClock;

impl Clock for TokioClock {
    type Instant = std::time::Instant;

    fn now(&self) -> Self::Instant {
        Instant::now().into_std()
    }
}

type Bucket = RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<std::time::Instant>>;

/// Gives out tokens: one may leave now, or it says when. Time is tokio's, so tests can pause it.
#[derive(Debug)]
pub struct Pace {
    bucket: Bucket,
    burst: NonZeroU32,
    /// The configured spacing: it never gets narrower than this.
    base: Duration,
    spacing: Duration,
    /// Nothing leaves before: a bucket is born full, whether by a restart or by a change of spacing.
    not_before: Instant,
    last: Option<Instant>,
    clean: u32,
}

impl Pace {
    /// The pace for `requests` per `window`, of which `burst` may leave at once after a rest (1 for an even stream).
    /// `last` is when the last request of an earlier run left: the first token keeps its distance to it.
    pub fn new(requests: NonZeroU32, window: Duration, burst: NonZeroU32, last: Option<Instant>) -> Pace {
        let base = (window / requests.get()).mul_f64(SPACING).max(Duration::from_nanos(1));
        let not_before = last.map_or_else(Instant::now, |last| last + base);
        Pace {
            bucket: bucket(base, burst),
            burst,
            base,
            spacing: base,
            not_before,
            last,
            clean: 0,
        }
    }

    /// Takes a token. The error is when to ask again.
    pub fn take(&mut self) -> Result<(), Instant> {
        let now = Instant::now();
        if now < self.not_before {
            return Err(self.not_before);
        }
        match self.bucket.check() {
            Ok(()) => {
                self.last = Some(now);
                Ok(())
            }
            Err(wait) => Err(now + wait.wait_time_from(TokioClock.now())),
        }
    }

    /// How far apart tokens are now.
    pub fn spacing(&self) -> Duration {
        self.spacing
    }

    /// The API refused again soon after a pause: somebody else uses the account too. Returns the new spacing, at most
    /// ten times the configured one.
    pub fn widen(&mut self) -> Duration {
        self.clean = 0;
        self.space(self.spacing.mul_f64(WIDEN).min(self.base * WIDEST));
        self.spacing
    }

    /// An answer that was no refusal. Twenty of them narrow a widened spacing by 5 %, down to the configured one.
    pub fn clean_answer(&mut self) {
        if self.spacing == self.base {
            return;
        }
        self.clean += 1;
        if self.clean == CLEAN_ANSWERS {
            self.clean = 0;
            self.space(self.spacing.mul_f64(NARROW).max(self.base));
        }
    }

    fn space(&mut self, spacing: Duration) {
        self.spacing = spacing;
        self.bucket = bucket(spacing, self.burst);
        if let Some(last) = self.last {
            self.not_before = last + spacing;
        }
    }
}

/// How long so many requests take from one that leaves now, if they are `spacing` apart and every answer is a clean one,
/// so that a widened spacing comes back to `base`.
pub fn time_for(requests: u64, base: Duration, spacing: Duration) -> Duration {
    let (mut left, mut spacing, mut time) = (requests, spacing, Duration::ZERO);
    while spacing > base && left > 0 {
        let batch = left.min(u64::from(CLEAN_ANSWERS));
        time = time.saturating_add(times(spacing, batch));
        left -= batch;
        spacing = spacing.mul_f64(NARROW).max(base);
    }
    time.saturating_add(times(spacing, left))
}

/// `duration`, so many times, or the longest there is.
fn times(duration: Duration, number: u64) -> Duration {
    duration.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX))
}

fn bucket(spacing: Duration, burst: NonZeroU32) -> Bucket {
    let quota = Quota::with_period(spacing)
        .expect("a spacing is at least a nanosecond")
        .allow_burst(burst);
    RateLimiter::direct_with_clock(quota, TokioClock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{advance, sleep_until};

    const TWENTY: NonZeroU32 = NonZeroU32::new(20).unwrap();
    const WINDOW: Duration = Duration::from_secs(10);

    fn pace(last: Option<Instant>) -> Pace {
        Pace::new(TWENTY, WINDOW, NonZeroU32::MIN, last)
    }

    async fn next(pace: &mut Pace) -> Instant {
        while let Err(at) = pace.take() {
            sleep_until(at).await;
        }
        Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_come_every_525_ms_and_a_stall_is_not_caught_up() {
        let mut pace = pace(None);
        let start = next(&mut pace).await;
        for n in 1..=5 {
            let spacing = next(&mut pace).await - start;
            assert!(spacing.abs_diff(Duration::from_millis(525) * n) < Duration::from_millis(2 * u64::from(n)));
        }
        advance(Duration::from_secs(60)).await;
        let after = next(&mut pace).await;
        assert!(next(&mut pace).await - after >= Duration::from_millis(525));
    }

    #[tokio::test(start_paused = true)]
    async fn a_restart_keeps_the_distance_to_the_last_request() {
        let now = Instant::now();
        let mut pace = pace(Some(now));
        assert!(next(&mut pace).await - now >= Duration::from_millis(525));
    }

    #[tokio::test(start_paused = true)]
    async fn a_widened_pace_comes_back_by_twenties_and_stays_within_its_bounds() {
        let mut pace = pace(None);
        next(&mut pace).await;
        assert_eq!(pace.widen(), Duration::from_millis(750));
        let before = next(&mut pace).await;
        assert!(next(&mut pace).await - before >= Duration::from_millis(750));
        for _ in 0..20 {
            pace.clean_answer();
        }
        assert_eq!(pace.spacing, Duration::from_micros(712_500));
        for _ in 0..20 * 20 {
            pace.clean_answer();
        }
        assert_eq!(pace.spacing, pace.base);
        for _ in 0..40 {
            pace.widen();
        }
        assert_eq!(pace.spacing, pace.base * WIDEST);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_foretold_is_the_time_it_takes() {
        for widened in [0, 1, 3] {
            let mut pace = pace(None);
            next(&mut pace).await;
            for _ in 0..widened {
                pace.widen();
            }
            let foretold = time_for(500, pace.base, pace.spacing());
            let start = Instant::now();
            for _ in 0..500 {
                next(&mut pace).await;
                pace.clean_answer();
            }
            let took = start.elapsed();
            assert!(
                foretold.abs_diff(took) < took / 50,
                "{foretold:?} was foretold, {took:?} it took"
            );
        }
    }
}
