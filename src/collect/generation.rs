//! How long tasks take, learned from those that ended: what the last ones may still need.

use std::collections::VecDeque;
use std::time::Duration;

/// So many of the last are remembered: times change over the day, and the API's load with them.
const REMEMBERED: usize = 50;

/// Fewer say more about chance than about time.
const FEWEST: usize = 3;

/// Times from a task's acceptance to its end.
#[derive(Debug, Default)]
pub(super) struct Generations(VecDeque<Duration>);

impl Generations {
    /// One has ended after this time.
    pub(super) fn note(&mut self, took: Duration) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(took);
    }

    /// The time within which nine in ten of the last ones ended; `None` until enough have.
    pub(super) fn usual(&self) -> Option<Duration> {
        if self.0.len() < FEWEST {
            return None;
        }
        let mut sorted: Vec<Duration> = self.0.iter().copied().collect();
        let ninth = (sorted.len() - 1) * 9 / 10;
        Some(*sorted.select_nth_unstable(ninth).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_in_ten_of_the_last_ones_count() {
        let mut generations = Generations::default();
        let mut usual_after = |seconds: u64| {
            generations.note(Duration::from_secs(seconds));
            generations.usual().map(|usual| usual.as_secs())
        };
        assert_eq!(
            [usual_after(90), usual_after(80), usual_after(400)],
            [None, None, Some(90)]
        );
        // A straggler says nothing about the others, and is forgotten in time.
        let last = (1..=100).map(usual_after).last().unwrap();
        assert_eq!(last, Some(95));
    }
}
