//! Round numbers along the sides of a chart.

use std::time::Duration;

use crate::clock::UnixMillis;
use crate::view::html::moment;

/// A mark at a side of a chart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick<T> {
    /// Where, in what the side measures.
    pub at: T,
    /// What stands there.
    pub label: String,
}

/// The top of a side that begins at 0 and has room for `most`: 1, 2, 3, 4, 5, 6, 8 or 10 times a power of ten, so that half
/// of it is round, too. At least 2.
pub(super) fn top(most: u64) -> u64 {
    let mut unit = 1;
    loop {
        let round = [1, 2, 3, 4, 5, 6, 8, 10].map(|steps| u64::saturating_mul(steps, unit));
        if let Some(top) = round.into_iter().find(|top| *top >= most.max(2) && top % 2 == 0) {
            return top;
        }
        unit = unit.saturating_mul(10);
        if unit == u64::MAX {
            return most;
        }
    }
}

/// Seconds between two marks.
const STEPS: [u64; 25] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 345_600,
    604_800, 1_209_600, 2_592_000, 7_776_000, 31_536_000,
];

/// Marks at round times of the UTC clock between two moments, at most `most` of them. At midnight stands the day.
pub(super) fn times(from: UnixMillis, span: Duration, most: u64) -> Vec<Tick<UnixMillis>> {
    let span = span.as_secs().max(1);
    let step = STEPS.into_iter().find(|step| span / step < most);
    let step = step.unwrap_or_else(|| span / most + 1);
    let step_millis = i64::try_from(step.saturating_mul(1_000)).unwrap_or(i64::MAX);
    let end = from.after(Duration::from_secs(span)).0;
    let first = match from.0.rem_euclid(step_millis) {
        0 => from.0,
        past => from.0.saturating_add(step_millis - past),
    };
    let mut ticks = Vec::new();
    let mut at = first;
    while at <= end {
        let moment = UnixMillis(at);
        let is_midnight = at.rem_euclid(86_400_000) == 0;
        let label = match step {
            _ if is_midnight => moment::day(moment),
            0..60 => moment::clock(moment),
            _ => moment::minute(moment),
        };
        ticks.push(Tick { at: moment, label });
        at = at.saturating_add(step_millis);
    }
    ticks
}

/// A duration in seconds for a narrow place: `250 ms`, `1.5 s`, `12 s`, `3 min`, `2.5 h`.
pub(in crate::view::html) fn brief(seconds: f64) -> String {
    let (amount, unit) = match seconds {
        ..0.001 => (0.0, "s"),
        ..0.9995 => return format!("{:.0} ms", seconds * 1e3),
        ..59.95 => (seconds, "s"),
        ..3_597.0 => (seconds / 60.0, "min"),
        ..172_800.0 => (seconds / 3_600.0, "h"),
        _ => (seconds / 86_400.0, "d"),
    };
    let text = if amount < 9.95 {
        format!("{amount:.1}")
    } else {
        format!("{amount:.0}")
    };
    format!("{} {unit}", text.strip_suffix(".0").unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tops_are_round_and_high_enough() {
        let tops = [0, 1, 2, 3, 7, 9, 20, 21, 60, 61, 999, 1_001].map(top);
        assert_eq!(tops, [2, 2, 2, 4, 8, 10, 20, 30, 60, 80, 1_000, 2_000]);
        assert!(top(u64::MAX) >= u64::MAX - 10);
    }

    #[test]
    fn marks_are_at_round_times_and_few() {
        let labels = |from: i64, span: u64| {
            let ticks = times(UnixMillis(from), Duration::from_secs(span), 6);
            ticks.into_iter().map(|tick| tick.label).collect::<Vec<_>>().join(" ")
        };
        // 2026-09-21 14:13:20.
        let from = 1_790_000_000_000;
        assert_eq!(labels(from, 8), "14:13:20 14:13:22 14:13:24 14:13:26 14:13:28");
        assert_eq!(labels(from, 3_600), "14:15 14:30 14:45 15:00");
        assert_eq!(labels(from, 20 * 3_600), "18:00 22 Sep 06:00");
        assert_eq!(labels(from, 12 * 86_400), "24 Sep 28 Sep 2 Oct");
        for span in (0..40).map(|power| 2_u64.saturating_pow(power)) {
            assert!(
                times(UnixMillis(from), Duration::from_secs(span), 6).len() <= 7,
                "{span}"
            );
        }
    }

    #[test]
    fn brief_durations_have_two_digits_or_three() {
        let texts = [0.0, 0.25, 0.9999, 1.5, 12.34, 59.99, 150.0, 3_600.0, 9_000.0, 200_000.0].map(brief);
        assert_eq!(
            texts,
            [
                "0 s", "250 ms", "1 s", "1.5 s", "12 s", "1 min", "2.5 min", "1 h", "2.5 h", "2.3 d"
            ]
        );
    }
}
