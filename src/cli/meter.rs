//! How fast a run goes: measured from outside, by what its counts were a while ago.

use std::collections::VecDeque;
use std::time::Duration;

use crate::rate::Rate;

/// What is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Requests made.
    pub requests: u64,
    /// Rows accepted.
    pub accepted: u64,
    /// Tasks that have ended.
    pub ended: u64,
    /// Videos saved.
    pub saved: u64,
}

/// Speeds for estimates are those of the last two minutes: long enough to be steady, short enough to be true.
const OF_LATE: Duration = Duration::from_secs(120);

/// The rate is that of whole windows, at least of so much time: a window of a second tells little by itself.
const RATE_OVER: Duration = Duration::from_secs(15);

/// Without a limit there are no windows: the rate is one per second.
const NO_WINDOW: Duration = Duration::from_secs(1);

/// Moments that are remembered.
const MOMENTS: u32 = 256;

/// A speed over fewer, or over less time, says more about chance.
const FEWEST: u64 = 10;
const SHORTEST: Duration = Duration::from_secs(2);

/// Remembers where a run stood.
#[derive(Debug)]
pub(super) struct Meter {
    window: Duration,
    /// Windows of the rate.
    windows: u32,
    /// At rising times, the last one always the latest.
    moments: VecDeque<Moment>,
    /// How much of the time went into pauses.
    paused: Duration,
    /// When a row was last accepted.
    accepted_at: Option<Duration>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Moment {
    at: Duration,
    /// Time in pauses until then.
    paused: Duration,
    counts: Counts,
}

impl Meter {
    /// A meter for a run whose requests are limited like this. Times begin at its beginning.
    pub(super) fn new(rate: Rate) -> Meter {
        let window = match rate {
            Rate::Limited { window, .. } => window,
            Rate::Off => NO_WINDOW,
        };
        let windows = RATE_OVER.as_nanos().div_ceil(window.as_nanos().max(1));
        Meter {
            window,
            windows: u32::try_from(windows).unwrap_or(u32::MAX),
            moments: VecDeque::from([Moment::default()]),
            paused: Duration::ZERO,
            accepted_at: None,
        }
    }

    /// Takes note of where the run stands at `at`, and whether it is in a pause.
    pub(super) fn note(&mut self, at: Duration, counts: Counts, is_pausing: bool) {
        let before = self.latest();
        if is_pausing {
            self.paused += at.saturating_sub(before.at);
        }
        if counts.accepted > before.counts.accepted {
            self.accepted_at = Some(at);
        }
        let kept = OF_LATE.max(self.span());
        // The latest takes the place of the one before, unless that is to be remembered.
        let second_last = self.moments.len().checked_sub(2).map(|index| self.moments[index].at);
        if second_last.is_some_and(|second_last| before.at.saturating_sub(second_last) < kept / MOMENTS) {
            self.moments.pop_back();
        }
        self.moments.push_back(Moment {
            at,
            paused: self.paused,
            counts,
        });
        while self.moments.get(1).is_some_and(|second| second.at + kept <= at) {
            self.moments.pop_front();
        }
    }

    /// Requests in each of the last windows; in the first ones so far. Never more than there were: what was sent before
    /// the moment that is remembered does not count.
    pub(super) fn requests_per_window(&self) -> f64 {
        let latest = self.latest();
        let since = self.since(self.span());
        let windows = latest.at.as_secs_f64() / self.window.as_secs_f64();
        let windows = windows.clamp(1.0, f64::from(self.windows));
        count(latest.counts.requests.saturating_sub(since.counts.requests)) / windows
    }

    /// Requests a second of late, pauses left out.
    pub(super) fn requests_per_second(&self) -> Option<f64> {
        let (latest, since) = (self.latest(), self.since(OF_LATE));
        let paused = latest.paused - since.paused;
        let active = (latest.at - since.at).saturating_sub(paused);
        speed(latest.counts.requests.saturating_sub(since.counts.requests), active)
    }

    /// What the others came to in each second of late.
    pub(super) fn per_second(&self, of: impl Fn(&Counts) -> u64) -> Option<f64> {
        let (latest, since) = (self.latest(), self.since(OF_LATE));
        let number = of(&latest.counts).saturating_sub(of(&since.counts));
        speed(number, latest.at - since.at)
    }

    /// How much of the time so far went into pauses.
    pub(super) fn paused(&self) -> Duration {
        self.paused
    }

    /// How long ago a row was last accepted.
    pub(super) fn since_accepted(&self) -> Option<Duration> {
        self.accepted_at.map(|at| self.latest().at.saturating_sub(at))
    }

    fn span(&self) -> Duration {
        self.window.saturating_mul(self.windows)
    }

    fn latest(&self) -> Moment {
        self.moments.back().copied().unwrap_or_default()
    }

    /// The earliest moment that is no older than `age`.
    fn since(&self, age: Duration) -> Moment {
        let latest = self.latest();
        let from = latest.at.saturating_sub(age);
        self.moments
            .iter()
            .find(|moment| moment.at >= from)
            .copied()
            .unwrap_or(latest)
    }
}

fn speed(number: u64, time: Duration) -> Option<f64> {
    (number >= FEWEST && time >= SHORTEST).then(|| count(number) / time.as_secs_f64())
}

#[expect(clippy::cast_precision_loss, reason = "a manifest has at most a million rows")]
fn count(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(200);

    /// A run that is looked at every 200 ms: `requests` by time, and when it is pausing.
    fn watched(rate: &str, seconds: u32, requests: impl Fn(f64) -> f64, pausing: impl Fn(f64) -> bool) -> Meter {
        let mut meter = Meter::new(rate.parse().unwrap());
        for tick in 1..=seconds * 5 {
            let at = TICK * tick;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a small positive number"
            )]
            let requests = requests(at.as_secs_f64()) as u64;
            let counts = Counts {
                requests,
                ..Counts::default()
            };
            meter.note(at, counts, pausing(at.as_secs_f64()));
        }
        meter
    }

    fn even(at: f64) -> f64 {
        1.0 + at / 0.525
    }

    #[test]
    fn the_rate_is_that_of_whole_windows_and_never_above_the_limit() {
        for seconds in 1..100 {
            let rate = watched("20/10s", seconds, even, |_| false).requests_per_window();
            assert!(rate <= 20.0, "{rate} after {seconds} s");
            assert!(seconds < 20 || rate >= 18.0, "{rate} after {seconds} s");
        }
        // A whole window at once, and then nothing until it is over.
        let bursts = watched("20/10s", 60, |at| (at / 10.0).ceil() * 20.0, |_| false);
        assert!(bursts.requests_per_window() <= 20.0);
        let fast = watched("100/1s", 30, |at| at * 90.0, |_| false).requests_per_window();
        assert!((88.0..=90.0).contains(&fast), "{fast}");
        let off = watched("off", 30, |at| at * 5_000.0, |_| false).requests_per_window();
        assert!((4_900.0..=5_000.0).contains(&off), "{off}");
    }

    #[test]
    fn pauses_are_no_part_of_the_speed() {
        // Half of the time, in turns of ten seconds.
        let pausing = |at: f64| at % 20.0 >= 10.0;
        let requests = |at: f64| (at / 20.0).floor() * 20.0 + (at % 20.0).min(10.0) * 2.0;
        let meter = watched("20/10s", 400, requests, pausing);
        let speed = meter.requests_per_second().unwrap();
        assert!((1.9..2.1).contains(&speed), "{speed}");
        assert!(meter.paused().abs_diff(Duration::from_secs(200)) < Duration::from_secs(5));
        assert_eq!(
            watched("20/10s", 4, even, |_| false).requests_per_second(),
            None,
            "too few"
        );
    }

    #[test]
    fn memory_is_bounded_whatever_the_window() {
        for rate in ["20/10s", "1/1ms", "100/24h"] {
            let meter = watched(rate, 2_000, even, |_| false);
            assert!(
                meter.moments.len() <= MOMENTS as usize * 2 + 2,
                "{rate}: {}",
                meter.moments.len()
            );
        }
    }

    #[test]
    fn a_row_that_was_accepted_is_remembered_by_its_time() {
        let mut meter = Meter::new(Rate::ACCOUNT);
        assert_eq!(meter.since_accepted(), None);
        for (second, accepted) in [(1, 0), (2, 3), (3, 3), (7, 3)] {
            let counts = Counts {
                accepted,
                ..Counts::default()
            };
            meter.note(Duration::from_secs(second), counts, false);
        }
        assert_eq!(meter.since_accepted(), Some(Duration::from_secs(5)));
    }
}
