//! The exit code says how a run ended; scripts and schedulers rely on it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs;

use support::{Batch, Finished, SandboxProcess, in_parallel, signal, wait_until};

/// A batch of one row for each word, run to its end: the worst that happened decides.
#[test]
fn the_worst_that_happened_decides() {
    let sandbox = SandboxProcess::start(&["--errors", "http"]);
    const FLAGS: &[&str] = &["--concurrency", "1"];
    let cases: [(&str, i32, &[&str], &[&str]); 12] = [
        ("all done", 0, &["ok", "ok"], FLAGS),
        ("as many as asked", 0, &["ok", "ok"], &["--limit", "1"]),
        ("a passing trouble", 0, &["500", "ok"], FLAGS),
        ("rejected", 1, &["ok", "422"], FLAGS),
        (
            "rejected and as many as asked",
            1,
            &["422", "ok"],
            &["--limit", "1", "--concurrency", "1"],
        ),
        ("unknown", 4, &["ok", "lost"], FLAGS),
        ("unknown before rejected", 4, &["422", "lost", "ok"], FLAGS),
        ("halted", 3, &["ok", "401", "ok"], FLAGS),
        ("halted with the last row", 3, &["ok", "402"], FLAGS),
        ("halted before unknown and rejected", 3, &["lost", "422", "505"], FLAGS),
        ("the budget is used up", 3, &["ok", "ok"], &["--budget", "30"]),
        ("the budget is enough", 0, &["ok", "ok"], &["--budget", "60"]),
    ];
    in_parallel(&cases, |(name, code, words, flags)| {
        let prompts: Vec<String> = (0..words.len())
            .map(|n| format!("{name} {n} [sandbox:{}]", words[n]))
            .collect();
        let batch = Batch::with_prompts(&prompts, &sandbox);
        let ended = batch.run(flags);
        assert_eq!(ended.code, Some(*code), "{name}: {ended:#?}");
        assert_eq!(ended.summary()["exit_code"], *code, "{name}");
        // `status` says the same of what was left behind.
        let status = Finished::of(batch.command("status", &["--json"]).output().unwrap());
        let expected = if *code == 3 && ended.count("queued") == 0 {
            0
        } else {
            *code
        };
        assert_eq!(status.code, Some(expected), "{name}: {status:#?}");
        let states = [
            "invalid",
            "queued",
            "accepted",
            "rejected",
            "unknown",
            "succeeded",
            "failed",
            "saved",
        ];
        let sum: u64 = states.iter().map(|state| ended.count(state)).sum();
        assert_eq!(sum, ended.count("rows"), "{name}");
        // The results file says of every row what the summary counts.
        let rows = batch.results();
        for state in states {
            let rows = rows.iter().filter(|row| row["status"] == state).count();
            assert_eq!(rows as u64, ended.count(state), "{name}: {state}");
        }
    });
}

#[test]
fn a_wrong_call_or_an_unreadable_manifest_is_2_and_leaves_nothing_behind() {
    let batch = Batch::with_manifest("shots.csv", "prompt\nno image\n", "http://127.0.0.1:9");
    for flags in [&["--rate", "soon"][..], &["--no-such-flag"], &[]] {
        let ended = Finished::of(batch.command("run", flags).output().unwrap());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:#?}");
    }
    let left = fs::read_dir(batch.folder.path()).unwrap().count();
    assert_eq!(left, 1, "only the manifest");
}

#[test]
fn an_invalid_row_is_1_also_when_there_is_nothing_else_to_do() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_manifest("shots.csv", "prompt,image_url\nno image,\n", &sandbox.url);
    for command in ["check", "run", "run", "status"] {
        let ended = Finished::of(batch.command(command, &[]).output().unwrap());
        assert_eq!(ended.code, Some(1), "{command}: {ended:#?}");
    }
    assert_eq!(sandbox.count("requests"), 0);
}

#[test]
fn a_ledger_in_use_is_5() {
    let sandbox = SandboxProcess::start(&["--latency", "5s"]);
    let batch = Batch::with_rows(1, &sandbox);
    let mut run = batch.command("run", &[]).spawn().unwrap();
    wait_until("the request", || sandbox.count("requests") == 1);
    let second = batch.run(&[]);
    second.expect_code(5);
    assert!(second.stdout.is_empty());
    run.kill().unwrap();
    run.wait().unwrap();
    // A killed run holds nothing any more; its row may have been paid for.
    batch.run(&[]).expect_code(4);
    assert_eq!(sandbox.count("requests"), 1);
}

#[test]
fn an_interrupted_run_finishes_what_is_in_flight() {
    in_parallel(&[("INT", 130), ("TERM", 143), ("HUP", 143)], |(name, code)| {
        let sandbox = SandboxProcess::start(&["--latency", "500ms"]);
        let batch = Batch::with_rows(60, &sandbox);
        let run = batch
            .command("run", &["--json", "--rate", "1000/1s", "--concurrency", "8"])
            .spawn()
            .unwrap();
        wait_until("some requests", || sandbox.count("requests") >= 4);
        signal(run.id(), name);
        let ended = Finished::of(run.wait_with_output().unwrap());
        assert_eq!(ended.code, Some(*code), "{name}: {ended:#?}");
        assert!(!ended.summary()["interrupted"].is_null(), "{name}");
        assert_eq!(ended.count("unknown"), 0, "{name}");
        assert_eq!(ended.count("accepted"), sandbox.count("requests"), "{name}");
        assert_eq!(ended.count("accepted") + ended.count("queued"), 60, "{name}");
        let rest = batch.run(&["--concurrency", "64"]);
        rest.expect_code(0);
        assert_eq!(sandbox.count("requests"), 60, "{name}: nothing was sent twice");
    });
}

#[test]
fn a_second_signal_leaves_at_once_and_what_was_in_flight_is_unknown() {
    let sandbox = SandboxProcess::start(&["--latency", "20s"]);
    let batch = Batch::with_rows(10, &sandbox);
    let run = batch
        .command("run", &["--json", "--rate", "1000/1s", "--concurrency", "3"])
        .spawn()
        .unwrap();
    wait_until("requests in flight", || sandbox.count("requests") == 3);
    let results = batch.path("shots.results.csv");
    signal(run.id(), "INT");
    // The first signal has the results written; then the second one comes.
    wait_until("the first signal is heard", || results.exists());
    signal(run.id(), "INT");
    let ended = Finished::of(run.wait_with_output().unwrap());
    ended.expect_code(130);
    let status = Finished::of(batch.command("settle", &["--drop=none"]).output().unwrap());
    status.expect_code(2);
    let status = Finished::of(batch.command("status", &["--json"]).output().unwrap());
    assert_eq!((status.count("unknown"), status.count("queued")), (3, 7), "{status:#?}");
}

/// A terminal or a pipe that goes away is no reason to stop paying attention to the batch.
#[test]
fn readers_that_leave_do_not_end_a_run() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_rows(30, &sandbox);
    let mut run = batch.command("run", &["-vvv", "--rate", "1000/1s"]).spawn().unwrap();
    drop(run.stderr.take());
    drop(run.stdout.take());
    let code = run.wait().unwrap().code();
    assert_eq!(code, Some(0));
    assert_eq!(sandbox.count("requests"), 30);
    assert!(batch.results().iter().all(|row| row["status"] == "accepted"));
}

/// Exit code 2 says that nothing was sent: then no run has been, and none is left open in the ledger.
#[test]
fn a_run_that_cannot_begin_is_no_run() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_prompts(&["a boat"], &sandbox);
    batch.run(&["--ca-file", "missing.pem"]).expect_code(2);
    let ledger = rusqlite::Connection::open(batch.ledger()).unwrap();
    let runs: u32 = ledger
        .query_row("SELECT count(*) FROM runs", [], |row| row.get(0))
        .unwrap();
    assert_eq!((runs, sandbox.requests().len()), (0, 0));
    drop(ledger);
    batch.run(&[]).expect_code(0);
}
