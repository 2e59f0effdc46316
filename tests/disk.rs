//! A disk that is full, broken, slow or read-only, and ledgers that are not what they should be: nothing is sent that
//! could not be written down, what came back is kept, and the message says what to do.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rusqlite::Connection;
use support::faults::{self, Fault, SYNCS, inject};
use support::machine::{SmallDisk, can_use};
use support::verdict::{Verdict, judge, ledger_rows};
use support::{Batch, Finished, Running, SandboxProcess, through, wait_until};

/// Far more calls than a run of a few rows makes.
const MOST_POINTS: u32 = 2_000;

/// What is on standard error and in the summary together: everything a user could read.
fn said(run: &Finished) -> String {
    format!("{}{}", run.stderr, run.stdout)
}

#[test]
fn a_disk_that_fills_up_stops_the_run_and_the_next_one_goes_on_where_there_is_room() {
    if !can_use(&["mount"]) {
        return;
    }
    let codes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for kib in [4, 32, 64, 96, 128, 160, 192, 224, 256, 320, 384, 512, 768, 1024] {
            let codes = &codes;
            scope.spawn(move || {
                let disk = SmallDisk::of_kib(kib);
                let ledger = disk.path().join("shots.ledger");
                let sandbox = SandboxProcess::start(&["--latency", "5ms..20ms"]);
                let batch = Batch::with_rows(100, &sandbox);
                let flags = ["--ledger", ledger.to_str().unwrap(), "--concurrency", "4"];
                let first = batch.run(&flags);
                let sent = sandbox.count("requests");
                match first.code {
                    Some(2) => assert_eq!(sent, 0, "{kib}: {first:#?}"),
                    Some(3) => {
                        assert_eq!(first.summary()["halted"]["code"], "ledger", "{kib}: {first:#?}");
                        assert!(sent > 0 && sent < 100, "{kib}: {first:#?}");
                    }
                    _ => panic!("{kib} KiB are enough: {first:#?}"),
                }
                assert!(
                    said(&first).contains("the disk is full: make room"),
                    "{kib}: {first:#?}"
                );
                disk.remount("size=16m");
                let again = batch.run(&flags);
                let verdict = judge(&ledger_rows(&ledger), &sandbox.requests());
                assert_nothing_lost(&first, &again, &verdict, kib);
                assert_eq!(verdict.count("accepted") + verdict.count("unknown"), 100);
                codes
                    .lock()
                    .unwrap()
                    .push((first.code, again.stderr.contains("recovered: ")));
            });
        }
    });
    let codes = codes.into_inner().unwrap();
    for seen in [(Some(2), false), (Some(3), true)] {
        assert!(codes.contains(&seen), "no size brought {seen:?}: {codes:?}");
    }
}

/// Nothing that came back in time is unknown, and what went to the reserve had been told as well.
#[track_caller]
fn assert_nothing_lost(broken: &Finished, again: &Finished, verdict: &Verdict, point: u32) {
    assert_eq!(
        verdict.unknown_and_billed, 0,
        "{point}: {verdict:?} {broken:#?} {again:#?}"
    );
    let code = if verdict.count("unknown") > 0 { 4 } else { 0 };
    assert_eq!(again.code, Some(code), "{point}: {verdict:?} {broken:#?} {again:#?}");
    let from_reserve = again
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("recovered: ")?.split(' ').next())
        .map_or(0, |count| count.parse().unwrap());
    let told = broken.stderr.matches(" was accepted as task ").count();
    assert!(
        told >= from_reserve,
        "{point}: {from_reserve} in the reserve: {broken:#?}"
    );
}

/// Has the first of these calls fail, in another run the second, and so on; each time the batch is then run again.
fn fail_at_every_call(fault: Fault, stays: bool, calls: &str) {
    let next = AtomicU32::new(1);
    let codes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let sandbox = SandboxProcess::start(&[]);
                loop {
                    let point = next.fetch_add(1, Ordering::Relaxed);
                    assert!(point < MOST_POINTS, "the run never ends");
                    let prompts: Vec<String> = (1..=8).map(|row| format!("row {row} of point {point}")).collect();
                    let batch = Batch::with_prompts(&prompts, &sandbox);
                    let log = batch.path("fault.log");
                    let mut command = batch.command("run", &["--rate", "1000/1s", "--concurrency", "3", "--json"]);
                    inject(&mut command, fault, point, stays, calls, &log);
                    let broken = Running::of(&mut command).end();
                    if faults::struck(&log).is_none() {
                        broken.expect_code(0);
                        break;
                    }
                    let sent = requests_of(&prompts, &sandbox);
                    let again = batch.run(&[]);
                    let verdict = batch.judge(&sandbox);
                    assert_nothing_lost(&broken, &again, &verdict, point);
                    match broken.code {
                        // Some errors SQLite can live with, such as one while it folds its log into the file.
                        Some(0 | 3) => {}
                        Some(1) => assert_eq!(sent, 8, "only the results are missing: {broken:#?}"),
                        Some(2) => assert_eq!(sent, 0, "point {point}: {broken:#?}"),
                        _ => panic!("point {point}: {broken:#?}"),
                    }
                    assert!(sent == 8 || broken.code != Some(0), "point {point}: {broken:#?}");
                    codes.lock().unwrap().push(broken.code);
                }
            });
        }
    });
    let codes = codes.into_inner().unwrap();
    for code in [2, 3] {
        assert!(codes.contains(&Some(code)), "{codes:?}");
    }
}

fn requests_of(prompts: &[String], sandbox: &SandboxProcess) -> usize {
    let ours = |prompt: &str| prompts.iter().any(|our| our == prompt);
    let requests = sandbox.requests();
    requests
        .iter()
        .filter(|seen| ours(seen["prompt"].as_str().unwrap()))
        .count()
}

#[test]
fn one_failed_sync_whichever_it_is_stops_the_run_and_loses_no_task_id() {
    if faults::can_inject() {
        fail_at_every_call(Fault::Eio, false, SYNCS);
    }
}

#[test]
fn syncs_that_fail_from_some_moment_on_stop_the_run_and_lose_no_task_id() {
    if faults::can_inject() {
        fail_at_every_call(Fault::Eio, true, SYNCS);
    }
}

#[test]
fn writes_that_fail_from_some_moment_on_stop_the_run_and_lose_no_task_id() {
    if faults::can_inject() {
        fail_at_every_call(Fault::Enospc, true, "pwrite64");
    }
}

#[test]
fn no_request_starts_after_the_ledger_has_failed() {
    if !faults::can_inject() {
        return;
    }
    let sandbox = SandboxProcess::start(&["--latency", "100ms"]);
    let batch = Batch::with_rows(400, &sandbox);
    let log = batch.path("fault.log");
    let mut command = batch.command("run", &["--rate", "200/1s", "--concurrency", "8", "--json"]);
    inject(&mut command, Fault::Eio, 40, true, SYNCS, &log);
    let broken = Running::of(&mut command).end();
    broken.expect_code(3);
    assert_eq!(broken.summary()["halted"]["code"], "ledger");
    let (failed_at, _) = faults::struck(&log).unwrap();
    let begun = ledger_rows(&batch.ledger()).iter().map(|row| row.attempts).sum::<u64>();
    let requests = sandbox.requests();
    assert!(
        requests.len() as u64 <= begun,
        "{} requests, {begun} intents",
        requests.len()
    );
    // The last of those whose intents were committed may still have been on their way.
    let late = requests
        .iter()
        .filter(|seen| seen["unix_ms"].as_i64().unwrap() > failed_at + 1_000);
    assert_eq!(late.count(), 0);
    assert!(!requests.is_empty() && requests.len() < 200, "{}", requests.len());
    let again = batch.run(&[]);
    assert_nothing_lost(&broken, &again, &batch.judge(&sandbox), 40);
}

#[test]
fn a_slow_disk_does_not_break_the_window_of_the_account() {
    if !faults::can_inject() {
        return;
    }
    let sandbox = SandboxProcess::start(&["--limit", "20/1s", "--latency", "1ms..200ms"]);
    let batch = Batch::with_rows(30, &sandbox);
    let mut command = batch.command("run", &["--rate", "20/1s", "--json"]);
    inject(
        &mut command,
        Fault::Slow(150_000),
        10,
        true,
        SYNCS,
        &batch.path("fault.log"),
    );
    Running::of(&mut command).end().expect_code(0);
    let books = sandbox.books();
    assert_eq!(books["refused_429"], 0, "{books}");
    assert!(books["max_in_window"].as_u64().unwrap() <= 20, "{books}");
    assert_eq!(batch.judge(&sandbox).count("accepted"), 30);
}

/// A batch with a ledger of three accepted rows, closed properly, and its manifest longer by a row since.
fn with_more_to_do(sandbox: &SandboxProcess) -> Batch {
    let batch = Batch::with_rows(3, sandbox);
    batch.run(&[]).expect_code(0);
    let text = fs::read_to_string(&batch.manifest).unwrap();
    fs::write(&batch.manifest, text + "r4,one more,https://img.example.org/4.png\n").unwrap();
    batch
}

/// Standard error without what differs from run to run.
fn message(run: &Finished, folder: &Path) -> String {
    run.stderr.replace(folder.to_str().unwrap(), "FOLDER")
}

/// Makes something of a good ledger that is none, and expects it refused and left alone.
#[track_caller]
fn refused(spoil: impl FnOnce(&Path)) -> String {
    let sandbox = SandboxProcess::start(&[]);
    let batch = with_more_to_do(&sandbox);
    let ledger = batch.ledger();
    spoil(&ledger);
    let content = |path: &PathBuf| fs::read(path).ok();
    let before = content(&ledger);
    let run = batch.run(&[]);
    run.expect_code(2);
    assert_eq!(run.stdout, "");
    assert_eq!(sandbox.count("requests"), 3, "nothing was sent");
    assert_eq!(content(&ledger), before, "the file was left as it is");
    for command in [&["status"][..], &["settle", "--drop"]] {
        // They may get by with what can still be read.
        let ended = Running::of(&mut batch.command(command[0], &command[1..])).end();
        assert!(matches!(ended.code, Some(0 | 2)), "{ended:#?}");
        assert_eq!(content(&ledger), before, "{command:?}");
    }
    message(&run, batch.folder.path())
}

fn overwrite(path: &Path, place: u64, bytes: &[u8]) {
    std::os::unix::fs::FileExt::write_all_at(&fs::OpenOptions::new().write(true).open(path).unwrap(), bytes, place)
        .unwrap();
}

fn cut_to(path: &Path, length: u64) {
    fs::OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(length)
        .unwrap();
}

#[test]
fn an_empty_ledger_is_refused() {
    insta::assert_snapshot!(refused(|ledger| cut_to(ledger, 0)), @r"
    error: the ledger `FOLDER/shots.csv.ledger` is empty: it was cut off, or something else wrote it
      help: the file was left as it is. Restore it from a backup, or save what can be read with `sqlite3 FOLDER/shots.csv.ledger .recover`; delete it only if paying again for its rows is acceptable
    ");
}

#[test]
fn a_ledger_that_was_cut_off_is_refused() {
    insta::assert_snapshot!(refused(|ledger| cut_to(ledger, 3 * 4096)), @r"
    error: the ledger `FOLDER/shots.csv.ledger` is damaged: database disk image is malformed
      help: the file was left as it is. Restore it from a backup, or save what can be read with `sqlite3 FOLDER/shots.csv.ledger .recover`; delete it only if paying again for its rows is acceptable
    ");
    insta::assert_snapshot!(refused(|ledger| cut_to(ledger, 4096 + 100)), @r"
    error: the ledger `FOLDER/shots.csv.ledger` is damaged: database disk image is malformed
      help: the file was left as it is. Restore it from a backup, or save what can be read with `sqlite3 FOLDER/shots.csv.ledger .recover`; delete it only if paying again for its rows is acceptable
    ");
    insta::assert_snapshot!(refused(|ledger| cut_to(ledger, 50)), @r"
    error: `FOLDER/shots.csv.ledger` is not a ledger of hailuo-batch
      help: the file was left as it is. If it was this batch's ledger, restore it from a backup, as a new one pays again for every row; else choose another place with `--ledger`
    ");
}

#[test]
fn a_damaged_ledger_is_refused() {
    insta::assert_snapshot!(refused(|ledger| overwrite(ledger, 0, &[0xff; 64])), @r"
    error: `FOLDER/shots.csv.ledger` is not a ledger of hailuo-batch
      help: the file was left as it is. If it was this batch's ledger, restore it from a backup, as a new one pays again for every row; else choose another place with `--ledger`
    ");
    insta::assert_snapshot!(refused(|ledger| overwrite(ledger, 4096, &[0xff; 4096])), @r"
    error: the ledger `FOLDER/shots.csv.ledger` is damaged: database disk image is malformed
      help: the file was left as it is. Restore it from a backup, or save what can be read with `sqlite3 FOLDER/shots.csv.ledger .recover`; delete it only if paying again for its rows is acceptable
    ");
    insta::assert_snapshot!(refused(|ledger| overwrite(ledger, 2 * 4096, &[0xff; 4096])), @r"
    error: the ledger `FOLDER/shots.csv.ledger` is damaged: database disk image is malformed
      help: the file was left as it is. Restore it from a backup, or save what can be read with `sqlite3 FOLDER/shots.csv.ledger .recover`; delete it only if paying again for its rows is acceptable
    ");
}

#[test]
fn a_file_of_another_program_is_refused() {
    insta::assert_snapshot!(refused(|ledger| fs::write(ledger, "my shopping list\n").unwrap()), @r"
    error: `FOLDER/shots.csv.ledger` is not a ledger of hailuo-batch
      help: the file was left as it is. If it was this batch's ledger, restore it from a backup, as a new one pays again for every row; else choose another place with `--ledger`
    ");
    let other_database = |ledger: &Path| {
        fs::remove_file(ledger).unwrap();
        Connection::open(ledger)
            .unwrap()
            .execute_batch("CREATE TABLE bookmarks (url)")
            .unwrap();
    };
    insta::assert_snapshot!(refused(other_database), @r"
    error: `FOLDER/shots.csv.ledger` is not a ledger of hailuo-batch
      help: the file was left as it is. If it was this batch's ledger, restore it from a backup, as a new one pays again for every row; else choose another place with `--ledger`
    ");
}

#[test]
fn a_ledger_of_a_newer_program_is_refused() {
    let newer = |ledger: &Path| {
        let connection = Connection::open(ledger).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
    };
    insta::assert_snapshot!(refused(newer), @"
    error: `FOLDER/shots.csv.ledger` has ledger format 99; this program reads up to 2
      help: update hailuo-batch, or use the version that wrote it
    ");
}

#[test]
fn a_folder_in_the_place_of_the_ledger_is_refused() {
    let folder = |ledger: &Path| {
        fs::remove_file(ledger).unwrap();
        fs::create_dir(ledger).unwrap();
    };
    insta::assert_snapshot!(refused(folder), @r"
    error: cannot open `FOLDER/shots.csv.ledger`
      because: is a directory
      help: a folder of that name is in the way: choose another place with `--ledger`
    ");
}

#[test]
fn a_ledger_in_a_folder_that_does_not_exist_is_refused() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_rows(3, &sandbox);
    let run = batch.run(&["--ledger", "no/such/folder/shots.ledger"]);
    run.expect_code(2);
    insta::assert_snapshot!(message(&run, batch.folder.path()), @r"
    error: cannot lock `no/such/folder/shots.ledger.lock`
      because: No such file or directory (os error 2)
      help: the folder does not exist: create it, or choose another place with `--ledger`
    ");
    assert_eq!(sandbox.count("requests"), 0);
}

#[test]
fn in_a_read_only_folder_nothing_is_sent_and_status_still_works() {
    if !can_use(&["mount"]) {
        return;
    }
    let disk = SmallDisk::of_kib(4096);
    let sandbox = SandboxProcess::start(&["--latency", "20ms"]);
    let batch = Batch::with_rows(50, &sandbox);
    let old = disk.path().join("old.ledger");
    let flags = ["--ledger", old.to_str().unwrap()];
    batch.run(&[&flags[..], &["--limit", "20"]].concat()).expect_code(0);
    disk.remount("ro");
    let status = Running::of(&mut batch.command("status", &[&flags[..], &["--json"]].concat())).end();
    status.expect_code(0);
    assert_eq!((status.count("accepted"), status.count("queued")), (20, 30));
    let run = batch.run(&flags);
    run.expect_code(2);
    insta::assert_snapshot!(message(&run, disk.path()), @r"
    error: cannot lock `FOLDER/old.ledger.lock`
      because: Read-only file system (os error 30)
      help: the place is read-only: choose another with `--ledger`
    ");
    let fresh = disk.path().join("fresh.ledger");
    let run = batch.run(&["--ledger", fresh.to_str().unwrap()]);
    run.expect_code(2);
    insta::assert_snapshot!(message(&run, disk.path()), @r"
    error: cannot lock `FOLDER/fresh.ledger.lock`
      because: Read-only file system (os error 30)
      help: the place is read-only: choose another with `--ledger`
    ");
    assert_eq!(sandbox.count("requests"), 20);

    // A killed run leaves a log beside the ledger, which holds what is newest.
    disk.remount("rw");
    let killed = batch.start(&[&flags[..], &["--rate", "1000/1s", "--concurrency", "1"]].concat());
    support::wait_until("some more are accepted", || sandbox.count("requests") >= 25);
    killed.kill();
    disk.remount("ro");
    let status = Running::of(&mut batch.command("status", &[&flags[..], &["--json"]].concat())).end();
    let accepted = sandbox.count("requests") - 1;
    assert!(status.count("accepted") >= accepted, "{accepted} {status:#?}");
    disk.remount("rw");
    batch.run(&flags).expect_code(4);
    judge(&ledger_rows(&old), &sandbox.requests());
}

#[test]
fn results_that_cannot_be_written_do_not_lose_the_run() {
    if !can_use(&["mount"]) {
        return;
    }
    let disk = SmallDisk::of_kib(1024);
    let sandbox = SandboxProcess::start(&["--latency", "300ms"]);
    let batch = Batch::with_rows(10, &sandbox);
    let results = disk.path().join("results.csv");
    let flags = [
        "--results",
        results.to_str().unwrap(),
        "--json",
        "--rate",
        "1000/1s",
        "--concurrency",
        "2",
    ];
    let running = batch.start(&flags);
    wait_until("the first request", || sandbox.count("requests") > 0);
    disk.remount("ro");
    let run = running.end();
    assert_eq!(run.count("accepted"), 10);
    run.expect_code(1);
    for part in [
        "cannot write the results",
        "Read-only file system",
        "the ledger still has every row",
    ] {
        assert!(run.stderr.contains(part), "{part} in {run:#?}");
    }
    let refused = batch.run(&["--results", results.to_str().unwrap()]);
    refused.expect_code(2);
    assert_eq!(sandbox.count("requests"), 10, "known before anything is sent");
    let elsewhere = batch.path("elsewhere.csv");
    let mut status = batch.command("status", &["--results", elsewhere.to_str().unwrap()]);
    Running::of(&mut status).end().expect_code(0);
    assert_eq!(fs::read_to_string(elsewhere).unwrap().matches("accepted").count(), 10);
    batch.run(&[]).expect_code(0);
    assert_eq!(batch.judge(&sandbox).requests, 10);
}

/// A workbook takes room twice: for its rows while they are written, and for itself.
#[test]
fn a_workbook_that_the_disk_has_no_room_for_is_an_error_that_says_so() {
    if !can_use(&["mount"]) {
        return;
    }
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_rows(400, &sandbox);
    batch.run(&[]).expect_code(0);
    let mut refused = 0;
    for kib in [4, 16, 64, 256, 300, 350, 400, 500, 1024] {
        let disk = SmallDisk::of_kib(kib);
        let results = disk.path().join("results.xlsx");
        let mut status = batch.command("status", &["--results", results.to_str().unwrap()]);
        let status = Running::of(&mut status).end();
        let left: Vec<_> = fs::read_dir(disk.path()).unwrap().collect();
        if status.code == Some(0) {
            assert_eq!(left.len(), 1, "{kib}: {left:?}");
            continue;
        }
        refused += 1;
        status.expect_code(2);
        for part in ["cannot write the results", "No space left on device", "free some space"] {
            assert!(status.stderr.contains(part), "{kib}: {part} in {status:#?}");
        }
        assert!(!status.stderr.contains("panicked"), "{kib}: {status:#?}");
        assert!(left.is_empty(), "{kib}: {left:?}");
    }
    assert!((3..9).contains(&refused), "{refused} of 9 disks were too small");
}

#[test]
fn with_few_files_allowed_no_row_is_lost_or_billed_twice() {
    for files in [12, 16, 20, 24, 32] {
        let sandbox = SandboxProcess::start(&["--latency", "20ms"]);
        let batch = Batch::with_rows(60, &sandbox);
        let flags = ["--rate", "1000/1s", "--concurrency", "32", "--patience", "1s", "--json"];
        let limit = format!("ulimit -n {files}; exec \"$0\" \"$@\"");
        let few = Running::of(&mut through("sh", &["-c", &limit], &batch.command("run", &flags))).end();
        assert!(matches!(few.code, Some(0..=3)), "{files}: {few:#?}");
        if few.code == Some(2) {
            assert_eq!(sandbox.count("requests"), 0, "{files}: {few:#?}");
        }
        batch.run(&[]).expect_code(0);
        assert_eq!(batch.judge(&sandbox).count("accepted"), 60, "{files}");
    }
}
