//! A snapshot in words.

use std::time::Duration;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{ImageCounts, Pause, Snapshot, TaskCounts};
use crate::escape;
use crate::view::collected::size;
use crate::view::wording::{counted, credits, grouped, lasting};

/// Columns below which a bar is not worth its place, and beyond which it needs no more.
const BAR_COLUMNS: std::ops::RangeInclusive<usize> = 10..=50;

/// The two lines of the bar, neither wider than `columns`.
pub(super) fn bar(snapshot: &Snapshot, columns: usize) -> [String; 2] {
    let (total, done) = snapshot.measure();
    let figures = format!(
        "{}/{} {:>3}%{}{}",
        grouped(done),
        grouped(total),
        percent(snapshot),
        rate(snapshot).map_or_else(String::new, |rate| format!("  {rate}")),
        left(snapshot).map_or_else(String::new, |left| format!("  {left}")),
    );
    // Two brackets and two spaces stand beside the bar itself.
    let room = columns.saturating_sub(figures.width() + 4).min(*BAR_COLUMNS.end());
    let first = match room >= *BAR_COLUMNS.start() {
        true => format!("[{}]  {figures}", filled(snapshot, room)),
        false => figures,
    };
    let mut second = counts(snapshot).join(", ");
    if let Some(holding) = &snapshot.pause {
        second = format!("{} | {second}", pause(holding));
    }
    [fitted(&first, columns), fitted(&second, columns)]
}

/// One line for where there is no terminal.
pub(super) fn plain(snapshot: &Snapshot) -> String {
    let (total, done) = snapshot.measure();
    let noun = match snapshot.images {
        Some(_) => "image",
        None if snapshot.is_sending() => "row",
        None => "task",
    };
    let mut line = format!(
        "{} of {} done: {}",
        grouped(done),
        counted(total, noun),
        counts(snapshot).join(", "),
    );
    for part in [rate(snapshot), left(snapshot)].into_iter().flatten() {
        line.push_str("; ");
        line.push_str(&part);
    }
    line
}

/// `paused 8 s: the API answered 429`.
pub(super) fn pause(pause: &Pause) -> String {
    let reason = escape::for_terminal(&pause.reason);
    format!("paused {}: {reason}", lasting(pause.remaining))
}

fn counts(snapshot: &Snapshot) -> Vec<String> {
    if let Some(images) = &snapshot.images {
        return counts_of_images(images);
    }
    let mut parts = match snapshot.is_sending() {
        true => counts_of_rows(snapshot),
        false => Vec::new(),
    };
    parts.extend(snapshot.tasks.iter().flat_map(counts_of_tasks));
    parts
}

fn counts_of_images(images: &ImageCounts) -> Vec<String> {
    let mut parts = vec![format!("{} bad", grouped(images.bad))];
    if images.not_reached > 0 {
        parts.push(format!("{} not reached", grouped(images.not_reached)));
    }
    parts
}

fn counts_of_tasks(tasks: &TaskCounts) -> Vec<String> {
    let mut parts = vec![format!("{} generating", grouped(tasks.at_work))];
    for (count, word) in [
        (tasks.failed, "failed"),
        (tasks.succeeded, "succeeded"),
        (tasks.saving, "saving"),
    ] {
        if count > 0 {
            parts.push(format!("{} {word}", grouped(count)));
        }
    }
    if tasks.saved > 0 {
        parts.push(format!("{} saved ({})", grouped(tasks.saved), size(tasks.bytes)));
    }
    parts
}

fn counts_of_rows(snapshot: &Snapshot) -> Vec<String> {
    let mut parts = vec![format!("{} accepted", grouped(snapshot.accepted))];
    for (count, word) in [
        (snapshot.rejected, "rejected"),
        (snapshot.unknown, "unknown"),
        (snapshot.in_flight, "in flight"),
        (snapshot.queued, "queued"),
        (snapshot.rate_limited, "answered 429"),
    ] {
        if count > 0 {
            parts.push(format!("{} {word}", grouped(count)));
        }
    }
    parts.extend(snapshot.spent_credits.map(credits));
    parts
}

fn percent(snapshot: &Snapshot) -> u64 {
    // Down, so that only the last row makes it 100.
    let (total, done) = snapshot.measure();
    let done = u128::from(done.min(total));
    let percent = (done * 100).checked_div(u128::from(total)).unwrap_or(100);
    u64::try_from(percent).unwrap_or(100)
}

fn filled(snapshot: &Snapshot, room: usize) -> String {
    let filled = usize::try_from(percent(snapshot)).unwrap_or(100) * room / 100;
    let tip = if filled < room { ">" } else { "" };
    format!("{}{tip}{}", "=".repeat(filled), " ".repeat(room - filled - tip.len()))
}

fn rate(snapshot: &Snapshot) -> Option<String> {
    // A rate over less than a second says more about chance than about speed.
    let settled = snapshot.is_sending() && snapshot.elapsed >= Duration::from_secs(1) && snapshot.requests > 0;
    settled.then(|| {
        let requests = f64::from(u32::try_from(snapshot.requests).unwrap_or(u32::MAX));
        format!("{:.1}/s", requests / snapshot.elapsed.as_secs_f64())
    })
}

fn left(snapshot: &Snapshot) -> Option<String> {
    let eta = snapshot.eta.filter(|_| snapshot.done < snapshot.total)?;
    Some(format!("{} left", lasting(eta)))
}

/// `text` in at most `columns`, with `…` where something is missing.
fn fitted(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut fitted = String::new();
    let mut used = 0;
    for character in text.chars() {
        let width = character.width().unwrap_or(0);
        if used + width >= columns {
            break;
        }
        fitted.push(character);
        used += width;
    }
    if columns > 0 {
        fitted.push('…');
    }
    fitted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn under_way() -> Snapshot {
        Snapshot {
            total: 5_000,
            done: 3_412,
            accepted: 3_400,
            rejected: 11,
            unknown: 1,
            in_flight: 4,
            queued: 1_584,
            requests: 3_420,
            elapsed: Duration::from_secs(1_800),
            spent_credits: Some(102_000.0),
            eta: Some(Duration::from_secs(835)),
            ..Snapshot::default()
        }
    }

    fn paused() -> Snapshot {
        Snapshot {
            rate_limited: 2,
            pause: Some(Pause {
                remaining: Duration::from_millis(7_400),
                reason: "the API answered 429".into(),
            }),
            ..under_way()
        }
    }

    #[test]
    fn the_bar_gives_way_to_the_figures_as_the_terminal_narrows() {
        let drawn = |snapshot: &Snapshot, columns| bar(snapshot, columns).join("\n");
        insta::assert_snapshot!(drawn(&under_way(), 119), @"
        [==================================>               ]  3,412/5,000  68%  1.9/s  13 min 55 s left
        3,400 accepted, 11 rejected, 1 unknown, 4 in flight, 1,584 queued, 102,000 credits
        ");
        insta::assert_snapshot!(drawn(&paused(), 79), @"
        [=======================>          ]  3,412/5,000  68%  1.9/s  13 min 55 s left
        paused 8 s: the API answered 429 | 3,400 accepted, 11 rejected, 1 unknown, 4 i…
        ");
        insta::assert_snapshot!(drawn(&paused(), 30), @"
        3,412/5,000  68%  1.9/s  13 m…
        paused 8 s: the API answered …
        ");
    }

    #[test]
    fn a_plain_line_reads_alone() {
        insta::assert_snapshot!(plain(&under_way()), @"3,412 of 5,000 rows done: 3,400 accepted, 11 rejected, 1 unknown, 4 in flight, 1,584 queued, 102,000 credits; 1.9/s; 13 min 55 s left");
        insta::assert_snapshot!(plain(&Snapshot { total: 1, ..Snapshot::default() }), @"0 of 1 row done: 0 accepted");
    }

    #[test]
    fn images_that_are_looked_at_are_no_rows() {
        let looking = |images| Snapshot {
            total: 5_000,
            done: 1_200,
            elapsed: Duration::from_secs(60),
            eta: Some(Duration::from_secs(190)),
            images: Some(images),
            ..Snapshot::default()
        };
        let good = looking(ImageCounts::default());
        insta::assert_snapshot!(plain(&good), @"1,200 of 5,000 images done: 0 bad; 3 min 10 s left");
        let mixed = looking(ImageCounts { bad: 3, not_reached: 1 });
        insta::assert_snapshot!(bar(&mixed, 79).join("\n"), @"
        [==========>                               ]  1,200/5,000  24%  3 min 10 s left
        3 bad, 1 not reached
        ");
    }

    #[test]
    fn only_the_last_row_makes_a_hundred_percent() {
        let percent = |done, total| {
            percent(&Snapshot {
                total,
                done,
                ..Snapshot::default()
            })
        };
        assert_eq!(
            [percent(0, 0), percent(999, 1_000), percent(7, 7), percent(9, 7)],
            [100, 99, 100, 100]
        );
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal(
            done: u64, total: u64, requests: u64, seconds in 0_u64..1 << 40, reason: String, columns in 0_usize..200,
        ) {
            let remaining = Duration::from_secs(seconds);
            let snapshot = Snapshot {
                done, total, requests, accepted: done, queued: total, elapsed: remaining, eta: Some(remaining),
                pause: Some(Pause { remaining, reason }),
                ..Snapshot::default()
            };
            for line in bar(&snapshot, columns) {
                prop_assert!(line.width() <= columns, "{}", line);
                prop_assert!(!line.chars().any(char::is_control), "{:?}", line);
            }
        }
    }
}
