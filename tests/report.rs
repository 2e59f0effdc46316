//! `report`: one HTML file from the ledger alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs;

use serde_json::Value;
use support::{Batch, Finished, KEY, SandboxProcess};

const PROMPTS: [&str; 4] = [
    "a boat <script>alert(1)</script>",
    "一只小船 \u{202e}漂过",
    "this one is refused [sandbox:422*]",
    "this one fails [sandbox:task-fail]",
];

/// A batch that was run to its end, with its videos.
fn finished(sandbox: &SandboxProcess) -> Batch {
    let batch = Batch::with_prompts(&PROMPTS, sandbox);
    batch.run(&["--download", "videos", "--poll-rate", "1000/1s"]);
    batch
}

fn report(batch: &Batch, flags: &[&str]) -> Finished {
    Finished::of(batch.command("report", flags).output().unwrap())
}

/// The rows that a report holds as data.
fn rows_in(html: &str) -> Vec<Value> {
    let (_, data) = html.split_once("id=\"data\">").unwrap();
    let data: Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
    data["rows"].as_array().unwrap().clone()
}

#[test]
fn a_report_holds_every_row_and_every_problem_and_lies_beside_the_manifest() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = finished(&sandbox);
    let told = report(&batch, &[]);
    told.expect_code(0);
    assert_eq!(
        told.stdout.trim_end(),
        batch.path("shots.report.html").to_str().unwrap()
    );
    assert_eq!(told.stderr, "");
    let html = fs::read_to_string(batch.path("shots.report.html")).unwrap();
    let rows = rows_in(&html);
    let prompts: Vec<&str> = rows.iter().map(|row| row[4].as_str().unwrap()).collect();
    assert_eq!(prompts, PROMPTS);
    let states: Vec<&str> = rows.iter().map(|row| row[3].as_str().unwrap()).collect();
    assert_eq!(states, ["saved", "saved", "rejected", "failed"]);
    for row in &rows[..2] {
        let file = row[13][0].as_str().unwrap();
        assert!(batch.path(file).is_file(), "{file}");
    }
    for named in [
        "<h2>Problems</h2>",
        "<a href=\"#row=3\">row 3</a> line 4",
        "<a href=\"#row=4\">row 4</a> line 5",
    ] {
        assert!(html.contains(named), "{named}");
    }
    assert!(!html.contains("<script>alert") && !html.contains(KEY));
}

#[test]
fn it_is_written_again_and_elsewhere_and_its_videos_are_found_from_there() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = finished(&sandbox);
    fs::create_dir(batch.path("reports")).unwrap();
    for _ in 0..2 {
        let told = report(&batch, &["--output", "reports/night.html", "--json"]);
        told.expect_code(0);
        let object: Value = serde_json::from_str(&told.stdout).unwrap();
        let html = fs::read(batch.path("reports/night.html")).unwrap();
        assert_eq!(object["report"], "reports/night.html");
        assert_eq!(
            (object["rows"].as_u64(), object["bytes"].as_u64()),
            (Some(4), Some(html.len() as u64))
        );
        let rows = rows_in(std::str::from_utf8(&html).unwrap());
        let file = rows[0][13][0].as_str().unwrap();
        assert!(batch.path("reports").join(file).is_file(), "{file}");
    }
    assert_eq!(fs::read_dir(batch.path("reports")).unwrap().count(), 1);
}

#[test]
fn it_takes_no_other_files_place() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = finished(&sandbox);
    let own = "<!doctype html><title>my notes</title>";
    fs::write(batch.path("shots.report.html"), own).unwrap();
    let refused = report(&batch, &[]);
    refused.expect_code(2);
    assert!(
        refused
            .stderr
            .contains("is not a report, and the report would replace it"),
        "{}",
        refused.stderr
    );
    assert_eq!(fs::read_to_string(batch.path("shots.report.html")).unwrap(), own);
    let ledger = fs::read(batch.ledger()).unwrap();
    let refused = report(&batch, &["--output", "shots.csv.ledger"]);
    refused.expect_code(2);
    assert!(refused.stderr.contains("one file"), "{}", refused.stderr);
    assert_eq!(fs::read(batch.ledger()).unwrap(), ledger);
}

#[test]
fn without_a_ledger_there_is_no_report() {
    let batch = Batch::with_manifest("shots.csv", "prompt,image_url\n", "http://127.0.0.1:9");
    let refused = report(&batch, &[]);
    refused.expect_code(2);
    assert!(refused.stderr.contains("there is no ledger at"), "{}", refused.stderr);
    assert!(!batch.path("shots.report.html").exists());
}

#[test]
fn it_is_written_while_a_run_is_at_work() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_rows(200, &sandbox);
    let mut running = batch.start(&["--rate", "20/1s", "--progress", "none"]);
    support::wait_until("the first rows are accepted", || {
        report(&batch, &[]).code == Some(0)
            && rows_in(&fs::read_to_string(batch.path("shots.report.html")).unwrap())
                .iter()
                .any(|row| row[3] == "accepted")
    });
    assert!(!running.is_over());
    let html = fs::read_to_string(batch.path("shots.report.html")).unwrap();
    assert!(html.contains("class=\"badge is-sending\""));
    running.kill();
}
