//! The requests of one run over time: slices that are wide enough to be few.

use std::time::Duration;

use crate::clock::UnixMillis;
use crate::ledger::PastRun;
use crate::rate::Rate;
use crate::view::{Halt, MOST_SLICES, PauseSpan, Slice, Timeline};

/// The widths that a slice may have, in seconds: those of clocks and calendars, so that a person can read the axis.
const WIDTHS: [u64; 17] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400,
];

/// The window in which requests are counted where no rate has one.
const WINDOW_WITHOUT_LIMIT: Duration = Duration::from_secs(10);

/// What a request came to, as far as a time line tells it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Accepted,
    Again,
    Rejected,
    Unknown,
    InFlight,
}

/// When a request began, and what it came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) began_at: UnixMillis,
    pub(super) class: Class,
}

/// The time line of `run`, which made the requests `sent`, in any order. It ends with the last of them and the last of the
/// `pauses`, but no earlier than `until` (where the run has more to send) and no later than `now`.
pub(super) fn timeline(
    run: PastRun,
    mut sent: Vec<Sent>,
    pauses: Vec<PauseSpan>,
    rate: Rate,
    until: Option<UnixMillis>,
    now: UnixMillis,
) -> Timeline {
    let start = run.started_at;
    // A clock that was set back makes requests older than their run.
    for request in &mut sent {
        request.began_at = request.began_at.max(start);
    }
    // Nearly sorted already, which this sort makes use of.
    sent.sort_by_key(|request| request.began_at);
    let last = sent.last().map(|request| request.began_at);
    let paused = pauses
        .iter()
        .map(|pause| pause.until.min(run.ended_at.unwrap_or(now).min(now)));
    let end = paused.chain(last).chain(until).max().unwrap_or(start).max(start);
    let slice = width_for(end.millis_since(start));
    let count = slices_in(end.millis_since(start), slice);
    Timeline {
        run: run.run,
        started_at: start,
        ended_at: run.ended_at,
        halted: run.halted.map(|(code, message)| Halt { code, message }),
        slices: slices(start, slice, count, &sent, window_of(rate)),
        pauses: told_apart(pauses, slice),
        slice,
    }
}

/// The narrowest width with which `millis` need no more slices than there may be.
fn width_for(millis: u64) -> Duration {
    let fits = |width: &u64| slices_in(millis, Duration::from_secs(*width)) <= MOST_SLICES;
    // Only a clock that was set makes a run longer than 120 days; then the last slice has the rest.
    let [.., widest] = WIDTHS;
    Duration::from_secs(WIDTHS.into_iter().find(fits).unwrap_or(widest))
}

/// How many slices hold every moment from 0 to `millis`, both included.
fn slices_in(millis: u64, width: Duration) -> usize {
    usize::try_from(u128::from(millis) / width.as_millis() + 1).unwrap_or(usize::MAX)
}

fn window_of(rate: Rate) -> i64 {
    let window = match rate {
        Rate::Limited { window, .. } => window,
        Rate::Off => WINDOW_WITHOUT_LIMIT,
    };
    i64::try_from(window.as_millis()).unwrap_or(i64::MAX)
}

/// `sent` is in order, and none of it is before `start`.
fn slices(start: UnixMillis, width: Duration, count: usize, sent: &[Sent], window: i64) -> Vec<Slice> {
    let count = count.min(MOST_SLICES);
    let mut slices = Vec::with_capacity(count);
    // The first request in the window that ends at the moment looked at, and the first behind that moment.
    let (mut oldest, mut next) = (0, 0);
    let mut begin = start;
    for index in 0..count {
        let end = match index + 1 == count {
            true => UnixMillis(i64::MAX),
            false => begin.after(width),
        };
        let mut slice = Slice {
            // A window that ends where the slice begins still has what came before.
            peak: in_window(sent, &mut oldest, next, begin, window),
            ..Slice::default()
        };
        while let Some(request) = sent.get(next).filter(|request| request.began_at < end) {
            next += 1;
            let of_class = match request.class {
                Class::Accepted => &mut slice.accepted,
                Class::Again => &mut slice.again,
                Class::Rejected => &mut slice.rejected,
                Class::Unknown => &mut slice.unknown,
                Class::InFlight => &mut slice.in_flight,
            };
            *of_class += 1;
            slice.peak = slice
                .peak
                .max(in_window(sent, &mut oldest, next, request.began_at, window));
        }
        slices.push(slice);
        begin = end;
    }
    slices
}

/// How many of the requests before `next` began in the window that ends at `at`; the window has its end and not its
/// beginning.
fn in_window(sent: &[Sent], oldest: &mut usize, next: usize, at: UnixMillis, window: i64) -> u32 {
    let open = at.0.saturating_sub(window);
    while *oldest < next && sent.get(*oldest).is_some_and(|request| request.began_at.0 <= open) {
        *oldest += 1;
    }
    u32::try_from(next - *oldest).unwrap_or(u32::MAX)
}

/// Adds a pause to those before it: answers to requests in flight together pause for the same reason, all but at once.
pub(super) fn add_pause(pauses: &mut Vec<PauseSpan>, pause: PauseSpan) {
    match pauses.last_mut() {
        Some(last) if last.code == pause.code && pause.from <= last.until && last.from <= pause.until => {
            last.from = last.from.min(pause.from);
            last.until = last.until.max(pause.until);
        }
        _ => pauses.push(pause),
    }
}

/// The pauses in order. Those of one code with less than a slice between them are one: nobody could see the gap, and a
/// night of refusals has thousands.
fn told_apart(mut pauses: Vec<PauseSpan>, slice: Duration) -> Vec<PauseSpan> {
    pauses.sort_by_key(|pause| pause.from);
    let mut apart: Vec<PauseSpan> = Vec::new();
    for pause in pauses {
        match apart.iter_mut().rev().find(|before| before.code == pause.code) {
            Some(before) if pause.from <= before.until.after(slice) => before.until = before.until.max(pause.until),
            _ => apart.push(pause),
        }
    }
    apart
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(started_at: i64) -> PastRun {
        PastRun {
            run: 1,
            started_at: UnixMillis(started_at),
            ..PastRun::default()
        }
    }

    fn sent(began_at: i64) -> Sent {
        Sent {
            began_at: UnixMillis(began_at),
            class: Class::Accepted,
        }
    }

    fn pause(from: i64, until: i64, code: &str) -> PauseSpan {
        PauseSpan {
            from: UnixMillis(from),
            until: UnixMillis(until),
            code: code.to_owned(),
            message: String::new(),
        }
    }

    fn at_rate(rate: &str, requests: Vec<Sent>, until: Option<i64>) -> Timeline {
        let until = until.map(UnixMillis);
        timeline(
            run(0),
            requests,
            Vec::new(),
            rate.parse().unwrap(),
            until,
            UnixMillis(i64::MAX),
        )
    }

    #[test]
    fn a_peak_counts_across_slices_and_fades_when_its_window_is_over() {
        let requests = [900, 950, 1_100, 1_899, 1_900].map(sent).to_vec();
        let timeline = at_rate("2/1s", requests, Some(4_500));
        let peaks: Vec<u32> = timeline.slices.iter().map(|slice| slice.peak).collect();
        // At 1,900 ms what began at 900 is just out of the window.
        assert_eq!(peaks, [2, 4, 3, 0, 0]);
        let requests: Vec<u32> = timeline.slices.iter().map(Slice::requests).collect();
        assert_eq!(requests, [2, 3, 0, 0, 0]);
    }

    #[test]
    fn the_slices_of_long_runs_are_wider_and_never_too_many() {
        for (seconds, width, count) in [
            (0, 1, 1),
            (119, 1, 120),
            (120, 2, 61),
            (3_600, 60, 61),
            (6 * 86_400, 7_200, 73),
            (400 * 86_400, 86_400, 120),
        ] {
            let timeline = at_rate("off", vec![sent(0), sent(seconds * 1_000)], None);
            assert_eq!(timeline.slice, Duration::from_secs(width), "{seconds}");
            assert_eq!(timeline.slices.len(), count, "{seconds}");
            assert_eq!(timeline.slices.iter().map(Slice::requests).sum::<u32>(), 2, "{seconds}");
        }
    }

    #[test]
    fn a_run_ends_with_its_last_pause_but_not_after_now() {
        let end_of = |ended_at: Option<i64>, now| {
            let run = PastRun {
                ended_at: ended_at.map(UnixMillis),
                ..run(0)
            };
            let pauses = vec![pause(2_000, 60_000, "429")];
            timeline(run, vec![sent(1_000)], pauses, Rate::ACCOUNT, None, UnixMillis(now))
                .slices
                .len()
        };
        assert_eq!(end_of(None, 30_000), 31);
        assert_eq!(end_of(None, 90_000), 61);
        assert_eq!(end_of(Some(5_000), 90_000), 6);
    }

    #[test]
    fn a_clock_that_was_set_back_loses_no_request() {
        let requests = vec![sent(-5_000), sent(500)];
        assert_eq!(at_rate("off", requests, None).slices[0].accepted, 2);
    }

    #[test]
    fn pauses_that_overlap_are_one_and_codes_are_kept_apart() {
        let mut pauses = Vec::new();
        for added in [
            pause(1_000, 13_000, "429"),
            pause(1_020, 13_020, "429"),
            pause(900, 12_900, "429"),
            pause(13_500, 70_000, "455"),
            pause(13_600, 25_600, "429"),
            pause(90_000, 95_000, "429"),
        ] {
            add_pause(&mut pauses, added);
        }
        assert_eq!(pauses[0], pause(900, 13_020, "429"));
        let apart = told_apart(pauses, Duration::from_secs(1));
        let expected = [
            pause(900, 25_600, "429"),
            pause(13_500, 70_000, "455"),
            pause(90_000, 95_000, "429"),
        ];
        assert_eq!(apart, expected);
    }

    /// Every moment of the slice is looked at, with nothing but the words of the documentation.
    fn naive(requests: &[Sent], width: i64, count: usize, window: i64) -> Vec<Slice> {
        let slice = |index: usize| {
            let begin = i64::try_from(index).unwrap() * width;
            let count = |class| {
                let here = requests
                    .iter()
                    .filter(|request| request.class == class && (begin..begin + width).contains(&request.began_at.0));
                u32::try_from(here.count()).unwrap()
            };
            let in_window = |at: i64| {
                let seen = requests
                    .iter()
                    .filter(|request| (at - window + 1..=at).contains(&request.began_at.0));
                u32::try_from(seen.count()).unwrap()
            };
            Slice {
                accepted: count(Class::Accepted),
                again: count(Class::Again),
                rejected: count(Class::Rejected),
                unknown: count(Class::Unknown),
                in_flight: count(Class::InFlight),
                peak: (begin..begin + width).map(in_window).max().unwrap(),
            }
        };
        (0..count).map(slice).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn slices_are_what_counting_them_one_by_one_gives(
            times in prop::collection::vec((0_i64..5_000, 0_usize..5), 0..60),
            window in 1_i64..2_500,
        ) {
            let classes = [Class::Accepted, Class::Again, Class::Rejected, Class::Unknown, Class::InFlight];
            let requests: Vec<Sent> = times
                .into_iter()
                .map(|(at, class)| Sent { began_at: UnixMillis(at), class: classes[class] })
                .collect();
            let rate = format!("3/{window}ms");
            let timeline = at_rate(&rate, requests.clone(), Some(5_500));
            prop_assert_eq!(timeline.slices, naive(&requests, 1_000, 6, window));
        }
    }
}
