//! When to look at a task again, by its age.

use std::time::Duration;

/// Looks at a task of an age below the first figure are the second apart. The vendor's page advises 2 to 3 s for half a
/// minute, 5 to 10 s up to two minutes, 15 to 30 s after that, and to stop after a quarter of an hour; some tasks take
/// longer and are paid for all the same, so looks only get rarer from there on.
const CADENCE: [(Duration, Duration); 5] = [
    (Duration::from_secs(30), Duration::from_secs(3)),
    (Duration::from_secs(2 * 60), Duration::from_secs(8)),
    (Duration::from_secs(15 * 60), Duration::from_secs(20)),
    (Duration::from_secs(60 * 60), Duration::from_secs(60)),
    (STALE, Duration::from_secs(5 * 60)),
];

/// A task of this age is not waited for any more: whoever collects looks at it once and leaves it for the next time.
/// The longest clip on record took 13 minutes.
pub const STALE: Duration = Duration::from_secs(6 * 60 * 60);

/// Between looks at a stale task.
pub(super) const STALE_CADENCE: Duration = Duration::from_secs(60 * 60);

/// With callbacks on, looks are only the fallback.
const WITH_CALLBACKS: Duration = Duration::from_secs(60);

/// How long to leave a task of this age alone.
pub(super) fn next_look(age: Duration, callbacks: bool) -> Duration {
    let usual = CADENCE
        .iter()
        .find(|(below, _)| age < *below)
        .map_or(STALE_CADENCE, |(_, apart)| *apart);
    if callbacks { usual.max(WITH_CALLBACKS) } else { usual }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_get_rarer_with_age_and_rarer_still_with_callbacks() {
        let mut last = Duration::ZERO;
        for age in 0..100_000 {
            let apart = next_look(Duration::from_secs(age), false);
            assert!(apart >= last, "at {age} s");
            assert_eq!(next_look(Duration::from_secs(age), true), apart.max(WITH_CALLBACKS));
            last = apart;
        }
        assert_eq!(last, STALE_CADENCE);
    }

    /// 90 s is what a clip usually takes.
    #[test]
    fn a_usual_clip_is_looked_at_about_twenty_times_and_seen_within_eight_seconds() {
        let (mut age, mut looks) = (Duration::ZERO, 0);
        while age < Duration::from_secs(90) {
            age += next_look(age, false);
            looks += 1;
        }
        assert!((15..=20).contains(&looks), "{looks}");
        assert!(age <= Duration::from_secs(98));
    }
}
