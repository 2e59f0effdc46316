//! The scenes that pages are looked at with: ledgers with a made-up past, in which nothing is that cannot be.

use crate::support::scenes::{self, Scene};
use crate::support::{Finished, in_parallel};

/// What `status --json` counts, other than none, as `count state`.
fn counts(scene: &Scene) -> String {
    let status = scene.batch.command("status", &["--json"]).output().unwrap();
    let summary = Finished::of(status).summary();
    let states = [
        "invalid",
        "queued",
        "sending",
        "accepted",
        "rejected",
        "unknown",
        "succeeded",
        "failed",
        "saved",
    ];
    let counts = states.map(|state| (summary[state].as_u64().unwrap_or(0), state));
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    counts
        .map(|(count, state)| format!("{count} {state}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The largest is checked where it is used.
#[test]
fn every_scene_is_a_ledger_that_can_have_come_about() {
    type Make = fn() -> Scene;
    let scenes: [(Make, &str); 7] = [
        (
            scenes::five_thousand,
            "10 invalid, 40 rejected, 10 unknown, 68 failed, 4872 saved",
        ),
        (scenes::empty, "2 invalid, 58 queued"),
        (
            scenes::mid_run,
            "4 invalid, 490 queued, 1 sending, 104 accepted, 5 rejected, 2 succeeded, 7 failed, 587 saved",
        ),
        (scenes::done, "12 saved"),
        (
            scenes::halted,
            "4 invalid, 137 queued, 5 rejected, 1 unknown, 1 failed, 252 saved",
        ),
        (
            scenes::several_days,
            "5 invalid, 95 queued, 17 rejected, 3 unknown, 27 failed, 853 saved",
        ),
        (
            scenes::nasty,
            "1 invalid, 1 queued, 3 rejected, 2 unknown, 3 failed, 2 saved",
        ),
    ];
    in_parallel(&scenes, |(make, expected)| {
        let scene = make();
        scene.check();
        assert_eq!(counts(&scene), *expected);
    });
}
