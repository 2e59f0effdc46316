//! No window ever sees more requests than the account allows: measured by the sandbox's exact sliding window.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use support::{Batch, SandboxProcess, in_parallel};

/// One way to use the window.
struct Case {
    name: &'static str,
    rate: &'static str,
    latency: &'static str,
    rows: usize,
    /// Rows sent in each run; 0: all in one.
    runs_of: usize,
    flags: &'static [&'static str],
}

const fn case(
    name: &'static str,
    rate: &'static str,
    latency: &'static str,
    rows: usize,
    runs_of: usize,
    flags: &'static [&'static str],
) -> Case {
    Case {
        name,
        rate,
        latency,
        rows,
        runs_of,
        flags,
    }
}

#[rustfmt::skip]
const CASES: [Case; 11] = [
    //   name                                rate       latency         rows  a run  flags
    case("the account's own limit",          "20/10s",  "50ms..300ms",  30, 0, &[]),
    case("an even stream",                   "20/2s",   "0",            60, 0, &[]),
    case("answers now late, now soon",       "20/2s",   "0..300ms",     60, 0, &[]),
    case("one request at a time",            "20/1s",   "0..30ms",      60, 0, &["--concurrency", "1"]),
    case("many requests at a time",          "20/2s",   "0..600ms",     60, 0, &["--concurrency", "64"]),
    case("answers longer than the window",   "5/400ms", "300ms..900ms", 30, 0, &["--concurrency", "64"]),
    case("a small burst",                    "20/2s",   "0..100ms",     60, 0, &["--burst", "5"]),
    case("a burst of the whole window",      "20/2s",   "0..300ms",     60, 0, &["--burst", "20", "--concurrency", "64"]),
    case("runs that follow each other",      "20/2s",   "0..50ms",      49, 7, &[]),
    case("runs that begin with small bursts", "20/2s",  "0..50ms",      49, 7, &["--burst", "5"]),
    case("runs that begin with bursts",      "20/2s",   "0..50ms",      49, 7, &["--burst", "20"]),
];

/// Sends the rows and asks the sandbox what its window saw.
#[track_caller]
fn never_above(case: &Case) {
    let Case {
        name,
        rate,
        latency,
        rows,
        runs_of,
        flags,
    } = case;
    let sandbox = SandboxProcess::start(&["--limit", rate, "--latency", latency]);
    let batch = Batch::with_rows(*rows, &sandbox);
    let per_run = runs_of.to_string();
    let mut all = vec!["--rate", rate];
    if *runs_of > 0 {
        all.extend(["--limit", &per_run]);
    }
    all.extend(*flags);
    let mut rate_limited = 0;
    loop {
        let ended = batch.run(&all);
        ended.expect_code(0);
        rate_limited += ended.count("rate_limited");
        if ended.count("queued") == 0 {
            break;
        }
    }
    let requests: u64 = rate.split_once('/').unwrap().0.parse().unwrap();
    let busiest = sandbox.count("max_in_window");
    assert!(
        busiest <= requests,
        "{name}: {busiest} in a window: {}",
        sandbox.books()
    );
    assert_eq!(
        (rate_limited, sandbox.count("refused_429"), sandbox.count("requests")),
        (0, 0, *rows as u64),
        "{name}: {}",
        sandbox.books()
    );
}

#[test]
fn no_window_sees_more_than_the_limit() {
    in_parallel(&CASES, never_above);
}

#[test]
fn a_run_that_was_killed_has_used_its_window_up_to_its_end() {
    let sandbox = SandboxProcess::start(&["--limit", "10/2s", "--latency", "100ms"]);
    let batch = Batch::with_rows(40, &sandbox);
    for killed_after in [4, 9, 17] {
        let mut run = batch
            .command("run", &["--rate", "10/2s", "--burst", "10"])
            .spawn()
            .unwrap();
        support::wait_until("some requests", || sandbox.count("requests") >= killed_after);
        run.kill().unwrap();
        run.wait().unwrap();
    }
    let ended = batch.run(&["--rate", "10/2s", "--burst", "10"]);
    assert_eq!(ended.count("rate_limited"), 0, "{ended:#?}");
    assert!(sandbox.count("max_in_window") <= 10, "{}", sandbox.books());
    assert_eq!((ended.count("queued"), sandbox.count("refused_429")), (0, 0));
    // No row was sent twice: a killed run's last ones are unknown, whether they arrived or were about to leave.
    assert!(sandbox.billed().values().all(|&times| times == 1));
    assert_eq!(ended.count("accepted") + ended.count("unknown"), 40);
}
