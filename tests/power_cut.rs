//! The power goes: what the program acted upon is on the disk, and the next run pays for nothing twice.
//!
//! The ledger is on a disk image; the power cut is a copy of the image, without a sync and without an unmount, so that
//! only what had been pushed to the disk is in it. The sandbox and its journal are outside.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value;
use support::machine::{DiskImage, can_use};
use support::verdict::{LedgerRow, judge, ledger_rows};
use support::{Batch, SandboxProcess};

/// Cuts the power of a run at a random moment and looks at what is on the disk; then runs the batch again from there.
/// Returns how many requests had arrived before the cut.
fn cut_and_judge(sandbox: &SandboxProcess, cut: u32, concurrency: usize) -> usize {
    const ROWS: usize = 150;
    let folder = tempfile::tempdir().unwrap();
    let image = DiskImage::create(folder.path().join("disk.img"), 16);
    let prompts: Vec<String> = (1..=ROWS).map(|row| format!("row {row} of cut {cut}")).collect();
    let batch = Batch::with_prompts(&prompts, sandbox);
    let disk = image.mount();
    let ledger = disk.path().join("shots.ledger");
    let flight = concurrency.to_string();
    let flags = [
        "--ledger",
        ledger.to_str().unwrap(),
        "--rate",
        "1000/1s",
        "--concurrency",
        &flight,
    ];
    let run = batch.start(&flags);
    thread::sleep(Duration::from_millis(fastrand::u64(30..700)));
    run.kill();
    let after = image.cut(folder.path().join("disk.cut"));
    drop(disk);
    let sent: Vec<Value> = sandbox
        .requests()
        .into_iter()
        .filter(|seen| prompts.iter().any(|ours| seen["prompt"] == *ours))
        .collect();

    let disk = after.mount();
    let ledger = disk.path().join("shots.ledger");
    let found = if ledger.exists() {
        look_at_a_copy(&ledger)
    } else {
        Vec::new()
    };
    // What was acknowledged: the intent of every request that arrived; and where requests go one by one, the task of
    // every request but the last.
    for (index, seen) in sent.iter().enumerate() {
        let row = found.iter().find(|row| seen["prompt"] == row.prompt);
        let row = row.unwrap_or_else(|| panic!("cut {cut}: the ledger has lost {seen}"));
        assert_eq!(row.attempts, 1, "cut {cut}: the intent is lost: {row:?}");
        if concurrency == 1 && index + 1 < sent.len() {
            assert_eq!(row.task_id.as_deref(), seen["task_id"].as_str(), "cut {cut}: {row:?}");
        }
    }

    let again = batch.run(&["--ledger", ledger.to_str().unwrap()]);
    let verdict = judge(&ledger_rows(&ledger), &sandbox.requests());
    let unknown = verdict.count("unknown");
    assert!(unknown <= concurrency, "cut {cut}: {verdict:?}");
    assert_eq!(unknown + verdict.count("accepted"), ROWS, "cut {cut}: {verdict:?}");
    again.expect_code(if unknown > 0 { 4 } else { 0 });
    sent.len()
}

/// The rows of a ledger as they are found, in a copy: looking mends.
fn look_at_a_copy(ledger: &Path) -> Vec<LedgerRow> {
    let folder = tempfile::tempdir().unwrap();
    for suffix in ["", "-wal"] {
        let from = PathBuf::from(format!("{}{suffix}", ledger.display()));
        if from.exists() {
            std::fs::copy(from, folder.path().join(format!("copy{suffix}"))).unwrap();
        }
    }
    ledger_rows(&folder.path().join("copy"))
}

#[test]
fn a_power_cut_bills_no_row_twice_and_loses_nothing_that_was_acknowledged() {
    if !can_use(&["loop devices"]) {
        return;
    }
    let cuts = std::env::var("POWER_CUTS").map_or(20, |number| number.parse().unwrap());
    let next = AtomicU32::new(0);
    let while_sending = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let sandbox = SandboxProcess::start(&["--latency", "1ms..10ms"]);
                loop {
                    let cut = next.fetch_add(1, Ordering::Relaxed);
                    if cut >= cuts {
                        break;
                    }
                    // Several at once share their commits.
                    let sent = cut_and_judge(&sandbox, cut, if cut.is_multiple_of(2) { 1 } else { 4 });
                    while_sending.fetch_add(u32::from(sent > 0 && sent < 150), Ordering::Relaxed);
                }
            });
        }
    });
    let while_sending = while_sending.into_inner();
    assert!(
        while_sending >= cuts / 2,
        "only {while_sending} of {cuts} cuts struck a run that was sending"
    );
}

/// Commits so many rows in a database on the disk image and cuts the power. Returns how many of them are lost.
fn rows_lost_with(synchronous: &str) -> i64 {
    const ROWS: i64 = 200;
    let folder = tempfile::tempdir().unwrap();
    let image = DiskImage::create(folder.path().join("disk.img"), 16);
    let disk = image.mount();
    let connection = Connection::open(disk.path().join("a.db")).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.pragma_update(None, "synchronous", synchronous).unwrap();
    connection.execute_batch("CREATE TABLE t (n INTEGER)").unwrap();
    for row in 0..ROWS {
        connection.execute("INSERT INTO t VALUES (?1)", [row]).unwrap();
    }
    let after = image.cut(folder.path().join("disk.cut"));
    drop(connection);
    drop(disk);
    let disk = after.mount();
    let connection = Connection::open(disk.path().join("a.db")).unwrap();
    let found = connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0));
    ROWS - found.unwrap_or(0)
}

#[test]
fn the_rig_sees_what_a_power_cut_loses() {
    if !can_use(&["loop devices"]) {
        return;
    }
    assert_eq!(rows_lost_with("FULL"), 0);
    for synchronous in ["NORMAL", "OFF"] {
        assert!(
            rows_lost_with(synchronous) > 0,
            "{synchronous} lost nothing: the rig is blind"
        );
    }
}
