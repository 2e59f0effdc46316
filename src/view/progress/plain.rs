//! A snapshot on one line, for where there is no terminal. Scripts read such lines: what they say now stays as it is, and
//! what is new comes at the end.

use std::time::Duration;

use super::{ImageCounts, Pause, Snapshot, TaskCounts};
use crate::escape;
use crate::rate::Rate;
use crate::view::collected::size;
use crate::view::wording::{counted, credits, grouped, lasting, roughly};

/// One line for where there is no terminal.
pub(super) fn line(snapshot: &Snapshot) -> String {
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
    let parts = [
        rate(snapshot),
        left(snapshot),
        rate_of_late(snapshot),
        left_of_all(snapshot),
    ];
    for part in parts.into_iter().flatten() {
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

/// Requests a second since the run began.
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
    Some(format!("{} left", lasting(roughly(eta))))
}

/// Requests in each of the last windows.
fn rate_of_late(snapshot: &Snapshot) -> Option<String> {
    let rate = snapshot.rate.filter(|_| snapshot.is_sending())?;
    match rate.limit {
        Rate::Limited { requests, window } => {
            Some(format!("{:.1} of {requests} per {}", rate.requests, lasting(window)))
        }
        Rate::Off => None,
    }
}

fn left_of_all(snapshot: &Snapshot) -> Option<String> {
    let eta = snapshot.eta_of_all.filter(|_| snapshot.tasks.is_some())?;
    Some(format!("all done in about {}", lasting(roughly(eta))))
}

#[cfg(test)]
mod tests {
    use super::super::{MeasuredRate, Pause};
    use super::*;

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

    #[test]
    fn a_line_reads_alone() {
        insta::assert_snapshot!(line(&under_way()), @"3,412 of 5,000 rows done: 3,400 accepted, 11 rejected, 1 unknown, 4 in flight, 1,584 queued, 102,000 credits; 1.9/s; 14 min left");
        insta::assert_snapshot!(line(&Snapshot { total: 1, ..Snapshot::default() }), @"0 of 1 row done: 0 accepted");
        let pause = Pause {
            remaining: Duration::from_millis(7_400),
            reason: "the API answered 429\u{1b}[31m".into(),
        };
        insta::assert_snapshot!(super::pause(&pause), @r"paused 8 s: the API answered 429\u{1b}[31m");
    }

    #[test]
    fn what_is_new_comes_at_the_end() {
        let waiting = Snapshot {
            rate: Some(MeasuredRate {
                requests: 18.5,
                limit: Rate::ACCOUNT,
            }),
            eta_of_all: Some(Duration::from_secs(4_000)),
            tasks: Some(TaskCounts {
                at_work: 120,
                succeeded: 3_277,
                failed: 3,
                saved: 3_200,
                to_save: 77,
                saves: true,
                bytes: 12_000_000_000,
                ..TaskCounts::default()
            }),
            ..under_way()
        };
        insta::assert_snapshot!(line(&waiting), @"3,412 of 5,000 rows done: 3,400 accepted, 11 rejected, 1 unknown, 4 in flight, 1,584 queued, 102,000 credits, 120 generating, 3 failed, 3,277 succeeded, 3,200 saved (12.00 GB); 1.9/s; 14 min left; 18.5 of 20 per 10 s; all done in about 1 h 10 min");
        let halted = Snapshot {
            ending: true,
            in_flight: 0,
            eta: None,
            ..waiting
        };
        insta::assert_snapshot!(line(&halted), @"3,203 of 3,400 tasks done: 120 generating, 3 failed, 3,277 succeeded, 3,200 saved (12.00 GB); all done in about 1 h 10 min");
    }

    #[test]
    fn images_that_are_looked_at_are_no_rows() {
        let looking = Snapshot {
            total: 5_000,
            done: 1_200,
            elapsed: Duration::from_secs(60),
            eta: Some(Duration::from_secs(190)),
            images: Some(ImageCounts { bad: 0, not_reached: 1 }),
            ..Snapshot::default()
        };
        insta::assert_snapshot!(line(&looking), @"1,200 of 5,000 images done: 0 bad, 1 not reached; 4 min left");
    }
}
