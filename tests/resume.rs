//! A batch that is run again goes on: what is done stays done.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use support::{Batch, SandboxProcess};

#[test]
fn a_second_run_sends_nothing() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_rows(20, &sandbox);
    let first = batch.run(&[]);
    first.expect_code(0);
    assert_eq!(first.count("accepted"), 20);
    let second = batch.run(&[]);
    second.expect_code(0);
    assert_eq!((second.count("accepted"), second.count("requests")), (20, 0));
    assert_eq!((sandbox.count("requests"), sandbox.billed().len()), (20, 20));
    assert!(
        batch
            .results()
            .iter()
            .all(|row| row["status"] == "accepted" && !row["task_id"].is_empty())
    );
    let mut left: Vec<_> = std::fs::read_dir(batch.folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(
        left,
        ["shots.csv", "shots.csv.ledger", "shots.results.csv"],
        "a finished run leaves nothing behind"
    );
}
