//! How often which duration was seen, to the millisecond: quantiles are exact.

use std::collections::BTreeMap;

use crate::view::Distribution;

/// Upper bounds of the bins for answers, in milliseconds: from a server on this machine to the longest time-out that is
/// usual.
pub(super) const ANSWERS: [u64; 13] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 120_000,
];

/// Upper bounds of the bins for tasks, in milliseconds: a video takes a minute or two, and some take many.
pub(super) const TASKS: [u64; 14] = [
    5_000, 10_000, 20_000, 30_000, 45_000, 60_000, 90_000, 120_000, 180_000, 300_000, 600_000, 1_200_000, 1_800_000,
    3_600_000,
];

/// The quantiles that are told, in percent.
const PERCENT: [u64; 3] = [50, 90, 99];

/// Durations in milliseconds and how often each was seen: as large as they are different, not as many.
#[derive(Debug, Clone, Default)]
pub(super) struct Durations {
    seen: BTreeMap<u64, u64>,
}

impl Durations {
    pub(super) fn add(&mut self, millis: u64) {
        *self.seen.entry(millis).or_default() += 1;
    }

    pub(super) fn append(&mut self, other: &Durations) {
        for (millis, count) in &other.seen {
            *self.seen.entry(*millis).or_default() += count;
        }
    }

    /// What a page shows of them.
    pub(super) fn distribution(&self, bounds: &[u64]) -> Distribution {
        let mut bins: Vec<(f64, u64)> = bounds.iter().map(|bound| (seconds(*bound), 0)).collect();
        let mut beyond = 0;
        let mut sum: u64 = 0;
        for (millis, count) in &self.seen {
            let bin = bounds.partition_point(|bound| bound < millis);
            *bins.get_mut(bin).map_or(&mut beyond, |(_, in_bin)| in_bin) += count;
            sum = sum.saturating_add(millis.saturating_mul(*count));
        }
        Distribution {
            bins,
            beyond,
            sum: seconds(sum),
            quantiles: self.quantiles(),
            longest: self.seen.keys().next_back().map_or(0.0, |millis| seconds(*millis)),
        }
    }

    /// The smallest durations that at least such a share of all are not longer than.
    fn quantiles(&self) -> Option<[f64; 3]> {
        let total: u64 = self.seen.values().sum();
        let longest = *self.seen.keys().next_back()?;
        Some(PERCENT.map(|percent| {
            let rank = total.saturating_mul(percent).div_ceil(100);
            let mut before = 0;
            let found = self.seen.iter().find(|(_, count)| {
                before += *count;
                before >= rank
            });
            seconds(found.map_or(longest, |(millis, _)| *millis))
        }))
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "as fine as milliseconds, for longer than anything lasts"
)]
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bin_and_what_is_longer_than_all_is_counted_apart() {
        let mut durations = Durations::default();
        for millis in [0, 10, 11, 120_000, 120_001] {
            durations.add(millis);
        }
        let distribution = durations.distribution(&ANSWERS);
        assert_eq!(distribution.bins[0], (0.01, 2));
        assert_eq!(distribution.bins[1], (0.025, 1));
        assert_eq!(distribution.bins[12], (120.0, 1));
        assert_eq!((distribution.beyond, distribution.count()), (1, 5));
        assert_eq!(distribution.longest, 120.001);
        assert_eq!(distribution.sum, 240.022);
    }

    #[test]
    fn nothing_seen_has_no_quantiles() {
        let distribution = Durations::default().distribution(&TASKS);
        assert_eq!((distribution.quantiles, distribution.count()), (None, 0));
        assert_eq!(distribution.bins.len(), TASKS.len());
    }

    proptest! {
        #[test]
        fn quantiles_are_those_of_the_sorted_list(mut all in prop::collection::vec(0_u64..300, 1..200)) {
            let mut durations = Durations::default();
            all.iter().for_each(|millis| durations.add(*millis));
            all.sort_unstable();
            let expected = [50, 90, 99].map(|percent| all[(percent * all.len()).div_ceil(100) - 1] as f64 / 1e3);
            prop_assert_eq!(durations.distribution(&TASKS).quantiles, Some(expected));
        }
    }
}
