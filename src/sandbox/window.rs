//! The API's "20 per 10 s", taken literally: a log of arrivals, exact to the microsecond.

use std::collections::VecDeque;
use std::time::Duration;

use crate::rate::Rate;

/// Admits an arrival unless the window that ends with it is full.
///
/// Moments are durations since the sandbox started and never go backwards.
#[derive(Debug, Clone)]
pub struct SlidingWindow {
    capacity: usize,
    length: Duration,
    /// Stricter services count the arrivals they refuse too, so that pouring on keeps the window shut.
    count_refused: bool,
    /// The newest arrivals that count, at most `capacity` of them: older ones cannot decide anything.
    counted: VecDeque<Duration>,
}

impl SlidingWindow {
    /// An empty window; `None` for [`Rate::Off`].
    pub fn new(limit: Rate, count_refused: bool) -> Option<SlidingWindow> {
        match limit {
            Rate::Limited { requests, window } => Some(SlidingWindow {
                capacity: usize::try_from(requests.get()).unwrap_or(usize::MAX),
                length: window,
                count_refused,
                counted: VecDeque::new(),
            }),
            Rate::Off => None,
        }
    }

    /// Whether the arrival at `now` is admitted. Two arrivals exactly one window apart still share it.
    pub fn admit(&mut self, now: Duration) -> bool {
        forget_before(&mut self.counted, now, self.length);
        let admitted = self.counted.len() < self.capacity;
        if admitted || self.count_refused {
            self.counted.push_back(now);
        }
        if self.counted.len() > self.capacity {
            self.counted.pop_front();
        }
        admitted
    }
}

/// The largest number of arrivals that any window of one length has held, admitted or not.
///
/// It is computed from the moments alone, apart from [`SlidingWindow`], so that each can witness against the other.
#[derive(Debug, Clone)]
pub struct Densest {
    length: Duration,
    recent: VecDeque<Duration>,
    most: usize,
}

impl Densest {
    /// Nothing seen yet; `None` for [`Rate::Off`].
    pub fn new(limit: Rate) -> Option<Densest> {
        match limit {
            Rate::Limited { window, .. } => Some(Densest {
                length: window,
                recent: VecDeque::new(),
                most: 0,
            }),
            Rate::Off => None,
        }
    }

    /// Counts an arrival.
    pub fn note(&mut self, now: Duration) {
        forget_before(&mut self.recent, now, self.length);
        self.recent.push_back(now);
        self.most = self.most.max(self.recent.len());
    }

    /// The most so far.
    pub fn most(&self) -> usize {
        self.most
    }
}

fn forget_before(moments: &mut VecDeque<Duration>, now: Duration, length: Duration) {
    while moments
        .front()
        .is_some_and(|oldest| now.saturating_sub(*oldest) > length)
    {
        moments.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(limit: &str, count_refused: bool) -> SlidingWindow {
        SlidingWindow::new(limit.parse().unwrap(), count_refused).unwrap()
    }

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// The definition, without any cleverness.
    fn most_in_any_closed_window(moments: &[Duration], length: Duration) -> usize {
        moments
            .iter()
            .map(|start| {
                let inside = |moment: &&Duration| *moment >= start && **moment - *start <= length;
                moments.iter().filter(inside).count()
            })
            .max()
            .unwrap_or(0)
    }

    #[test]
    fn a_place_is_free_again_just_after_one_window() {
        let mut window = window("2/10s", false);
        assert!(window.admit(at(0)) && window.admit(at(4_000)));
        assert!(!window.admit(at(10_000)), "a closed window has both of its ends");
        assert!(window.admit(at(10_001)));
        assert!(!window.admit(at(14_000)));
        assert!(window.admit(at(14_001)));
    }

    #[test]
    fn counting_refused_arrivals_keeps_an_impatient_client_out() {
        let mut strict = window("1/10s", true);
        let mut plain = window("1/10s", false);
        let admitted = |window: &mut SlidingWindow| (0..6).filter(|n| window.admit(at(n * 6_000))).count();
        assert_eq!(admitted(&mut strict), 1);
        assert_eq!(admitted(&mut plain), 3);
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more_than_the_limit(
            gaps in prop::collection::vec(prop_oneof![Just(0), 0u64..40, 0u64..400], 1..200),
            capacity in 1u32..8,
            count_refused: bool,
        ) {
            let limit = format!("{capacity}/100ms").parse().unwrap();
            let mut window = SlidingWindow::new(limit, count_refused).unwrap();
            let mut densest = Densest::new(limit).unwrap();
            let mut now = Duration::ZERO;
            let (mut all, mut admitted) = (Vec::new(), Vec::new());
            for gap in gaps {
                now += at(gap);
                all.push(now);
                densest.note(now);
                if window.admit(now) {
                    admitted.push(now);
                }
            }
            prop_assert!(most_in_any_closed_window(&admitted, at(100)) <= capacity as usize);
            prop_assert_eq!(densest.most(), most_in_any_closed_window(&all, at(100)));
        }

        #[test]
        fn nothing_is_refused_without_need(
            gaps in prop::collection::vec(0u64..60, 1..200),
            capacity in 1usize..8,
        ) {
            let mut window = window(&format!("{capacity}/100ms"), false);
            let mut now = Duration::ZERO;
            let mut admitted: Vec<Duration> = Vec::new();
            for gap in gaps {
                now += at(gap);
                let busy = admitted.iter().filter(|moment| now - **moment <= at(100)).count();
                let admits = window.admit(now);
                prop_assert_eq!(admits, busy < capacity);
                if admits {
                    admitted.push(now);
                }
            }
        }
    }
}
