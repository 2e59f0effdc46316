//! Wall-clock time for records, kept apart from the monotonic time that decides when to send.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokio::time::Instant;

/// A moment on the wall clock in milliseconds since 1970 (UTC): what the ledger and the results hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// RFC 3339 in UTC with milliseconds: `2026-11-22T06:00:00.000Z`.
    pub fn to_rfc3339(self) -> String {
        match Timestamp::from_millisecond(self.0) {
            Ok(moment) => format!("{moment:.3}"),
            // Outside the years −9999 to 9999: only a broken clock gets here, and a record must not fail for it.
            Err(_) => format!("@{}ms", self.0),
        }
    }

    /// The moment `wait` later.
    #[must_use]
    pub fn after(self, wait: Duration) -> UnixMillis {
        let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        UnixMillis(self.0.saturating_add(millis))
    }

    /// The moment `wait` earlier.
    #[must_use]
    pub fn before(self, wait: Duration) -> UnixMillis {
        let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        UnixMillis(self.0.saturating_sub(millis))
    }

    /// Milliseconds from `earlier` to this moment; 0 if the clock went backwards.
    pub fn millis_since(self, earlier: UnixMillis) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

/// Where the wall clock is read.
#[derive(Debug, Clone, Copy)]
pub enum Wall {
    /// The machine's own clock.
    System,
    /// A wall clock that moves with tokio's: `base` was the time at `start`.
    Virtual {
        /// Wall-clock time at `start`.
        base: UnixMillis,
        /// The moment of tokio's clock that `base` belongs to.
        start: Instant,
    },
}

impl Wall {
    /// The machine's clock as it stands now, from here on at the pace of the monotonic one: whoever plans by it does
    /// not notice when the machine's clock is set.
    pub fn steady() -> Wall {
        Wall::Virtual {
            base: Wall::System.now(),
            start: Instant::now(),
        }
    }

    /// The time now.
    pub fn now(self) -> UnixMillis {
        match self {
            Wall::System => {
                let since = SystemTime::now()
                    .duration_since(SystemTime::UNIX_EPOCH)
                    .unwrap_or_default();
                UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Wall::Virtual { base, start } => {
                let elapsed = i64::try_from(start.elapsed().as_millis()).unwrap_or(i64::MAX);
                UnixMillis(base.0.saturating_add(elapsed))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_in_utc() {
        assert_eq!(UnixMillis(1_790_000_000_042).to_rfc3339(), "2026-09-21T14:13:20.042Z");
        assert_eq!(UnixMillis(i64::MAX).to_rfc3339(), format!("@{}ms", i64::MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn a_virtual_wall_moves_with_the_paused_clock() {
        let wall = Wall::Virtual {
            base: UnixMillis(1_000),
            start: Instant::now(),
        };
        tokio::time::advance(std::time::Duration::from_secs(2)).await;
        assert_eq!(wall.now(), UnixMillis(3_000));
    }
}
