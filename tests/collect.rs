//! Collecting, by what its user relies on: every video once, whole, and under its name; nothing sent anew; no task given
//! up for a trouble on the way. The sandbox says what was asked of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest, Sha256};
use support::faults::{self, Fault, inject};
use support::machine::{SmallDisk, can_use};
use support::{Batch, Finished, Running, SandboxProcess, files_below, in_parallel, signal, wait_until};

/// Longer than a task is left alone at first, and between two looks at a young one.
const A_WHILE: Duration = Duration::from_secs(4);

/// A sandbox whose tasks end at once.
fn quick_sandbox(flags: &[&str]) -> SandboxProcess {
    SandboxProcess::start(&[&["--generate", "0"], flags].concat())
}

/// A batch whose rows are accepted, and their tasks old enough to be looked at.
fn sent<S: AsRef<str>>(prompts: &[S], sandbox: &SandboxProcess) -> Batch {
    let batch = Batch::with_prompts(prompts, sandbox);
    batch.run(&[]).expect_code(0);
    batch.let_time_pass(A_WHILE);
    batch
}

fn rows(count: usize) -> Vec<String> {
    (1..=count).map(|row| format!("clip number {row}")).collect()
}

/// A count in a part of the sandbox's books, such as `polls` and `requests`.
#[track_caller]
fn booked(sandbox: &SandboxProcess, part: &str, key: &str) -> u64 {
    let books = sandbox.books();
    books[part][key]
        .as_u64()
        .unwrap_or_else(|| panic!("no {part}.{key} in {books}"))
}

/// The row of the results with this id.
#[track_caller]
fn row(batch: &Batch, id: &str) -> HashMap<String, String> {
    let found = batch.results().into_iter().find(|row| row["id"] == id);
    found.unwrap_or_else(|| panic!("no row {id}"))
}

/// Everything in a folder, by name.
fn listing(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = files_below(folder).into_iter();
    files
        .map(|(path, bytes)| (path.strip_prefix(folder).unwrap().display().to_string(), bytes))
        .collect()
}

/// Every saved row has the very bytes that the sandbox serves for its task, the ledger knows their SHA-256, and nothing
/// else is in the folder.
#[track_caller]
fn assert_saved_whole(batch: &Batch, sandbox: &SandboxProcess, folder: &str) {
    let mut files = listing(&batch.path(folder));
    let ledger = rusqlite::Connection::open(batch.ledger()).unwrap();
    for row in batch.results().iter().filter(|row| row["status"] == "saved") {
        let name = row["video_file"].strip_prefix(&format!("{folder}/")).unwrap();
        let file = files.remove(name).unwrap_or_else(|| panic!("{name} is not there"));
        assert!(file == sandbox.bytes_of(&row["video_url"]), "{name} is another file");
        let task = row["task_id"].as_str();
        assert!(file.ends_with(task.as_bytes()), "{name} is another task's");
        let recorded: (i64, Vec<u8>) = ledger
            .query_row(
                "SELECT video_bytes, video_sha256 FROM rows WHERE task_id = ?1",
                [task],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap();
        assert_eq!(recorded, (file.len() as i64, Sha256::digest(&file).to_vec()), "{name}");
    }
    assert!(files.is_empty(), "left over: {:?}", files.keys());
}

#[test]
fn every_video_is_saved_once_byte_for_byte_under_the_name_asked_for_and_the_key_stays_home() {
    let sandbox = quick_sandbox(&["--poll-limit", "off"]);
    let batch = sent(&rows(12), &sandbox);
    let flags = [
        "--download",
        "videos",
        "--name",
        "{id} take {row:03}",
        "--poll-rate",
        "off",
    ];
    let first = batch.collect(&flags);
    first.expect_code(0);
    assert_eq!((first.count("saved"), first.count("requests")), (12, 0));
    assert_eq!(row(&batch, "r7")["video_file"], "videos/r7 take 007.mp4");
    for row in batch.results() {
        assert_eq!(
            (&*row["status"], &*row["error_code"], &*row["credits"]),
            ("saved", "", "30")
        );
        assert!(!row["completed_at"].is_empty(), "{row:?}");
    }
    let asked = |sandbox: &SandboxProcess| {
        let books = sandbox.books();
        ["requests", "with_key", "fresh_links"]
            .map(|key| books["files"][key].as_u64().unwrap())
            .into_iter()
            .chain([books["polls"]["requests"].as_u64().unwrap()])
            .collect::<Vec<_>>()
    };
    assert_eq!(
        asked(&sandbox),
        [12, 0, 0, 12],
        "a look and a file for each row, and no key"
    );

    let second = batch.collect(&flags);
    second.expect_code(0);
    assert_eq!(second.summary()["collected"]["looks"], 0);
    batch.run(&["--download", "videos"]).expect_code(0);
    assert_eq!(asked(&sandbox), [12, 0, 0, 12], "nothing is left to ask for");
    assert_eq!(sandbox.count("requests"), 12);
    assert_saved_whole(&batch, &sandbox, "videos");
}

#[test]
fn a_run_that_downloads_ends_with_every_video_and_a_halted_one_with_those_it_paid_for() {
    in_parallel(&["unlimited", "90"], |credits| {
        let sandbox = SandboxProcess::start(&["--generate", "100ms..300ms", "--credits", credits]);
        let batch = Batch::with_rows(5, &sandbox);
        let ended = batch.run(&["--download", "videos", "--concurrency", "1"]);
        let paid = if *credits == "90" { 3 } else { 5 };
        ended.expect_code(if paid == 5 { 0 } else { 3 });
        assert_eq!(
            (ended.count("saved"), ended.count("queued")),
            (paid, 5 - paid),
            "{ended:#?}"
        );
        assert_eq!(sandbox.count("accepted"), paid);
        assert_eq!(booked(&sandbox, "polls", "requests"), paid, "one look at each task");
        assert_saved_whole(&batch, &sandbox, "videos");
    });
}

#[test]
fn a_failed_task_is_free_and_made_anew_only_by_the_users_word_as_another_attempt() {
    let sandbox = quick_sandbox(&["--fault", "task-fail-422=1"]);
    let batch = sent(
        &["one", "two [sandbox:task-fail]", "three [sandbox:task-fail-image]"],
        &sandbox,
    );
    let with_a_rejection =
        fs::read_to_string(&batch.manifest).unwrap() + "r4,four [sandbox:422*],https://e.org/4.png\n";
    batch.rewrite(&with_a_rejection);
    batch.run(&[]).expect_code(1);
    let failed = batch.collect(&[]);
    failed.expect_code(1);
    assert_eq!((failed.count("failed"), failed.count("rejected")), (3, 1));
    assert_eq!(failed.summary()["spent_credits"], 0.0);
    for (id, code, text) in [
        ("r1", "422", "The prompt contains prohibited content"),
        ("r2", "500", "Internal Error, Please try again later."),
        ("r3", "400", "The input image could not be fetched"),
    ] {
        let row = row(&batch, id);
        let cells = ["status", "error_code", "error_message", "attempts", "credits"].map(|name| &*row[name]);
        assert_eq!(cells, ["failed", code, text, "1", "0"], "{id}");
    }

    sandbox.post("/sandbox/faults", r#"{"faults": []}"#);
    assert_eq!(batch.run(&[]).expect_code(1).count("requests"), 0, "not without a word");
    let first_task = row(&batch, "r1")["task_id"].clone();
    let again = batch.run(&["--retry-failed=422"]);
    assert_eq!((again.count("requests"), again.count("failed")), (1, 2));
    batch.let_time_pass(A_WHILE);
    let collected = batch.collect(&["--download", "videos"]);
    assert_eq!((collected.count("saved"), collected.count("failed")), (1, 2));
    assert_eq!(collected.summary()["spent_credits"], 30.0, "the first attempt was free");
    let first = row(&batch, "r1");
    assert_eq!(
        ["status", "attempts", "credits"].map(|name| &*first[name]),
        ["saved", "2", "30"]
    );
    assert_ne!(first["task_id"], first_task);

    let others = batch.run(&["--retry-failed"]);
    assert_eq!(
        (others.count("requests"), others.count("rejected")),
        (2, 1),
        "a rejected row is no failed one"
    );
    let status = Finished::of(batch.command("status", &["--json"]).output().unwrap());
    assert_eq!(status.summary()["spent_credits"], 90.0, "two are at work again");
    assert_eq!(sandbox.count("accepted"), 6);
    let rejected = batch.run(&["--retry-rejected"]);
    assert_eq!((rejected.count("requests"), rejected.count("rejected")), (1, 1));
}

#[test]
fn a_task_that_does_not_end_is_left_and_looked_at_again_and_never_sent_again() {
    let sandbox = quick_sandbox(&[]);
    let batch = sent(&["one", "two [sandbox:task-never]"], &sandbox);
    for looks in [2, 3] {
        let ended = batch.collect(&["--wait-for", "500ms"]);
        ended.expect_code(1);
        assert_eq!((ended.count("accepted"), ended.count("saved")), (1, 1));
        assert_eq!(ended.summary()["collected"]["time_is_up"], true);
        assert!(ended.stderr.contains("time is up"), "{ended:#?}");
        let left = row(&batch, "r2");
        assert_eq!(left["status"], "accepted");
        assert_eq!(left["task_id"], sandbox.requests()[1]["task_id"].as_str().unwrap());
        assert_eq!(booked(&sandbox, "polls", "requests"), looks);
        batch.let_time_pass(A_WHILE);
    }
    batch.run(&[]).expect_code(0);
    assert_eq!(sandbox.count("requests"), 2);
}

#[test]
fn a_look_that_brings_nothing_costs_no_task_its_video() {
    let faults = [
        ("poll-500=0.5", 0),
        ("poll-page502=0.5", 0),
        ("poll-garbage=0.5", 0),
        ("poll-empty=0.5", 0),
        ("poll-cut=0.5", 0),
        ("poll-reset=0.5", 0),
        ("poll-hang=0.5", 0),
        ("poll-455=0.5", 0),
        ("poll-429:ra=1=0.5", 0),
        ("poll-404=0.5", 0),
        // Every look would fail the same way.
        ("poll-401=1", 3),
    ];
    in_parallel(&faults, |(fault, halts)| {
        let sandbox = quick_sandbox(&["--fault", fault, "--poll-limit", "off"]);
        let batch = sent(&rows(12), &sandbox);
        let troubled = batch.collect(&["--wait-for", "500ms"]);
        assert_eq!(troubled.count("failed"), 0, "{fault}: {troubled:#?}");
        assert!(troubled.count("accepted") > 0, "{fault}: nothing struck");
        troubled.expect_code(if *halts == 0 { 1 } else { *halts });
        sandbox.post("/sandbox/faults", r#"{"faults": []}"#);
        batch.let_time_pass(Duration::from_secs(60));
        let ended = batch.collect(&[]);
        ended.expect_code(0);
        assert_eq!(ended.count("saved"), 12, "{fault}: {ended:#?}");
        assert_eq!(sandbox.count("requests"), 12, "{fault}");
        assert_saved_whole(&batch, &sandbox, "shots.videos");
    });
}

#[test]
fn sixty_tasks_are_looked_at_without_ever_filling_the_window() {
    let sandbox = quick_sandbox(&[]);
    let batch = sent(&rows(60), &sandbox);
    let started = Instant::now();
    batch.collect(&["--no-download"]).expect_code(0);
    // Ten in any second: the last ten may leave after five seconds.
    assert!(started.elapsed() >= Duration::from_secs(5), "{:?}", started.elapsed());
    let polls = &sandbox.books()["polls"];
    assert_eq!((&polls["requests"], &polls["refused"]), (&60.into(), &0.into()));
    assert!(polls["most_in_a_second"].as_u64().unwrap() <= 10, "{polls}");
}

#[test]
fn what_a_record_lacks_is_waited_for_ten_minutes_and_then_told() {
    let cases = [("task-no-record", "no_record"), ("task-no-url", "no_result")];
    in_parallel(&cases, |(tag, code)| {
        let sandbox = quick_sandbox(&[]);
        // The record of the first shows that it is the right server which knows nothing of the other.
        let batch = sent(
            &["one [sandbox:task-never]".to_owned(), format!("two [sandbox:{tag}]")],
            &sandbox,
        );
        let flags = ["--poll-rate", "4/1s", "--wait-for", "600ms"];
        for _ in 0..3 {
            let waiting = batch.collect(&flags);
            assert_eq!(waiting.expect_code(1).count("accepted"), 2, "{tag}: {waiting:#?}");
            batch.let_time_pass(Duration::from_secs(4 * 60));
        }
        // Whichever is looked at first: a server is given time to show that it knows our tasks.
        let ended = batch.collect(&["--wait-for", "12s"]);
        assert_eq!(ended.expect_code(1).count("failed"), 1, "{tag}: {ended:#?}");
        assert_eq!(row(&batch, "r2")["error_code"], *code);
        assert_eq!(sandbox.count("requests"), 2);
    });
    // Tasks that only take their time to show.
    let sandbox = SandboxProcess::start(&["--generate", "1s"]);
    let batch = sent(
        &["one [sandbox:task-late-record]", "two [sandbox:task-odd-state]"],
        &sandbox,
    );
    let early = batch.collect(&["--wait-for", "200ms"]);
    assert_eq!((early.count("accepted"), booked(&sandbox, "polls", "requests")), (2, 2));
    batch.let_time_pass(A_WHILE);
    sleep(Duration::from_secs(1));
    assert_eq!(batch.collect(&[]).expect_code(0).count("saved"), 2);
}

#[test]
fn a_file_in_trouble_is_told_and_holds_up_no_other() {
    let troubles = [
        "ok",
        "gone",
        "elsewhere",
        "cut",
        "expired",
        "html",
        "wrong-length",
        "endless",
    ];
    let prompts = troubles.map(|trouble| match trouble {
        "ok" => "a plain one".to_owned(),
        trouble => format!("{trouble} [sandbox:file-{trouble}]"),
    });
    let sandbox = quick_sandbox(&[]);
    let batch = sent(&prompts, &sandbox);
    let flags = ["--download", "videos", "--downloads", "8", "--wait-for", "4s"];
    let first = batch.collect(&flags);
    first.expect_code(1);
    let outcome = |id: &str| {
        let row = row(&batch, id);
        (row["status"].clone(), row["error_code"].clone())
    };
    let is = |status: &str, code: &str| (status.to_owned(), code.to_owned());
    for id in ["r1", "r2", "r3"] {
        assert_eq!(outcome(id), is("saved", ""), "{id}");
    }
    for id in ["r4", "r5", "r6", "r7"] {
        assert_eq!(outcome(id), is("succeeded", "download"), "{id}: {first:#?}");
        assert!(!row(&batch, id)["error_message"].is_empty());
    }
    assert_eq!(outcome("r8"), is("succeeded", ""), "it is still coming");
    assert!(
        row(&batch, "r5")["error_message"].contains("asks again"),
        "{:?}",
        row(&batch, "r5")
    );
    assert!(
        row(&batch, "r6")["error_message"].contains("is not a video"),
        "{:?}",
        row(&batch, "r6")
    );
    assert_eq!(booked(&sandbox, "files", "fresh_links"), 1, "for the one that was gone");
    assert_eq!(booked(&sandbox, "files", "with_key"), 0);
    let shown = listing(&batch.path("videos"))
        .into_keys()
        .filter(|name| !name.starts_with('.'));
    assert_eq!(
        shown.collect::<Vec<_>>(),
        ["00001-r1.mp4", "00002-r2.mp4", "00003-r3.mp4"],
        "nothing that is not whole has a video's name"
    );

    let second = batch.collect(&flags);
    second.expect_code(1);
    assert_eq!(outcome("r4"), is("saved", ""), "the rest of it");
    assert_eq!((second.count("saved"), second.count("succeeded")), (4, 4));
    assert_eq!(sandbox.count("requests"), 8);
}

#[test]
fn a_file_that_was_broken_off_is_gone_on_with_in_the_same_run() {
    let prompts: Vec<String> = (0..4).map(|row| format!("clip {row} [sandbox:file-cut]")).collect();
    let sandbox = quick_sandbox(&[]);
    let batch = sent(&prompts, &sandbox);
    batch.collect(&["--download", "videos"]).expect_code(0);
    let size: usize = listing(&batch.path("videos")).values().map(Vec::len).sum();
    assert_eq!(booked(&sandbox, "files", "bytes"), size as u64, "no byte came twice");
    assert_eq!(booked(&sandbox, "files", "requests"), 8);
    assert_saved_whole(&batch, &sandbox, "videos");
}

#[test]
fn a_job_whose_runs_do_not_wait_is_collected_into_the_folder_asked_for() {
    let sandbox = quick_sandbox(&[]);
    let batch = sent(&rows(1), &sandbox);
    let job = batch.path("job.toml");
    fs::write(&job, "wait = false\n").unwrap();
    let collected = batch.collect(&["--job", job.to_str().unwrap(), "--download", "clips"]);
    collected.expect_code(0);
    assert_saved_whole(&batch, &sandbox, "clips");
}

#[test]
fn a_full_disk_stops_the_saving_and_the_next_collect_goes_on() {
    if !can_use(&["mount"]) {
        return;
    }
    // 256 MiB are never used; beside these there is room for two or three clips.
    let disk = SmallDisk::of_kib(256 * 1024 + 64);
    let sandbox = quick_sandbox(&[]);
    let batch = sent(&rows(8), &sandbox);
    let videos = disk.path().join("videos");
    let flags = ["--download", videos.to_str().unwrap(), "--downloads", "2"];
    let full = batch.collect(&flags);
    full.expect_code(1);
    let saved = full.count("saved");
    assert!((1..=4).contains(&saved), "{full:#?}");
    assert_eq!(full.count("succeeded"), 8 - saved, "every task has ended all the same");
    assert!(
        full.stderr.contains("no more videos are fetched in this run"),
        "{full:#?}"
    );
    assert!(full.stderr.contains("make room"), "{full:#?}");
    assert!(batch.results().iter().any(|row| row["error_code"] == "disk_full"));
    assert!(
        listing(&videos).keys().all(|name| !name.starts_with('.')),
        "nothing half-made fills it"
    );
    assert_eq!(batch.judge(&sandbox).count("saved") as u64, saved);
    disk.remount("size=263m");
    let room = batch.collect(&flags);
    assert_eq!(room.expect_code(0).count("saved"), 8);
    assert_eq!(listing(&videos).len(), 8);
}

#[test]
fn what_cannot_be_saved_or_named_is_known_before_anything_is_sent() {
    let sandbox = quick_sandbox(&[]);
    let cases: [(&[&str], &str); 8] = [
        (&["--download", "shots.csv"], "shots.csv"),
        (&["--download", "/proc/videos"], "/proc/videos"),
        (
            &["--download", "v", "--name", "{prompt}.mp4"],
            "every video would have the same name",
        ),
        (
            &["--download", "v", "--name", "clip.mp4"],
            "every video would have the same name",
        ),
        (
            &["--download", "v", "--name", "{id}-{promt}.mp4"],
            "there is no field `{promt}`",
        ),
        (&["--download", "v", "--name", "{id"], "has no partner"),
        (
            &["--download", "v", "--name", "../{id}.mp4"],
            "the folder is another setting",
        ),
        (&["--download", "v", "--downloads", "65"], "from 1 to 64"),
    ];
    in_parallel(&cases, |(flags, words)| {
        let batch = Batch::with_rows(2, &sandbox);
        let refused = batch.run(flags);
        refused.expect_code(2);
        assert!(refused.stderr.contains(words), "{flags:?}: {refused:#?}");
        let collected = batch.collect(flags);
        collected.expect_code(2);
        assert!(!batch.path("v").exists(), "{flags:?}");
    });
    assert_eq!(sandbox.count("requests"), 0);
}

#[test]
fn rows_whose_names_would_be_equal_get_a_file_each() {
    let sandbox = quick_sandbox(&[]);
    let text = support::with_ids(&[("a/b", "one"), ("a:b", "two"), ("a_b", "three"), ("A_B", "four")]);
    let batch = Batch::with_manifest("shots.csv", &text, &sandbox.url);
    batch.run(&[]).expect_code(0);
    batch.let_time_pass(A_WHILE);
    fs::create_dir(batch.path("videos")).unwrap();
    fs::write(batch.path("videos/a_b.mp4"), "somebody else's").unwrap();
    batch
        .collect(&["--download", "videos", "--name", "{id}"])
        .expect_code(0);
    assert_eq!(fs::read(batch.path("videos/a_b.mp4")).unwrap(), b"somebody else's");
    fs::remove_file(batch.path("videos/a_b.mp4")).unwrap();
    assert_saved_whole(&batch, &sandbox, "videos");
    let names: Vec<String> = listing(&batch.path("videos")).into_keys().collect();
    assert_eq!(names, ["A_B.mp4", "a_b-2.mp4", "a_b-3.mp4", "a_b-4.mp4"]);
}

#[test]
fn a_saved_video_is_the_users_to_move_unless_missing_ones_are_asked_for() {
    let sandbox = quick_sandbox(&[]);
    let batch = sent(&rows(3), &sandbox);
    let flags = ["--download", "videos"];
    batch.collect(&flags).expect_code(0);
    fs::remove_file(batch.path("videos/00002-r2.mp4")).unwrap();
    batch.collect(&flags).expect_code(0);
    assert_eq!(booked(&sandbox, "files", "requests"), 3);
    let again = batch.collect(&["--download", "videos", "--fetch-missing"]);
    again.expect_code(0);
    assert!(again.stderr.contains("1 video is no longer where"), "{again:#?}");
    assert_eq!(booked(&sandbox, "files", "requests"), 4);
    assert_eq!(booked(&sandbox, "polls", "requests"), 3);
    assert_saved_whole(&batch, &sandbox, "videos");
}

#[test]
fn a_ledger_that_is_missing_taken_or_of_a_trial_is_not_collected() {
    let sandbox = SandboxProcess::start(&["--latency", "600ms"]);
    let batch = Batch::with_rows(2, &sandbox);
    let missing = batch.collect(&[]);
    missing.expect_code(2);
    assert!(missing.stderr.contains("help: "), "{missing:#?}");
    assert!(!batch.ledger().exists() && !batch.path("shots.videos").exists());

    let running = batch.start(&["--json"]);
    wait_until("the run holds the ledger", || sandbox.count("requests") > 0);
    let locked = batch.collect(&[]);
    locked.expect_code(5);
    assert_eq!(booked(&sandbox, "polls", "requests"), 0);
    running.end().expect_code(0);

    let trial = Batch::with_rows(1, &sandbox);
    trial.run(&["--sandbox"]).expect_code(0);
    let refused = trial.collect(&[]);
    refused.expect_code(2);
    assert!(refused.stderr.contains("--sandbox"), "{refused:#?}");
    let ended = trial.collect(&["--sandbox"]);
    assert_eq!(ended.expect_code(0).count("saved"), 1);
}

#[test]
fn a_signal_while_waiting_or_fetching_leaves_all_that_is_needed_to_go_on() {
    let cases = [("INT", 130), ("TERM", 143)];
    in_parallel(&cases, |(name, code)| {
        // A file takes a second and a half.
        let sandbox = quick_sandbox(&["--file-speed", "11000"]);
        let batch = sent(&["one [sandbox:task-never]", "two"], &sandbox);
        let videos = batch.path("videos");
        let flags = ["--json", "--download", "videos"];
        let collecting = Running::of(&mut batch.command("collect", &flags));
        let part = || {
            fs::read_dir(&videos)
                .ok()?
                .find_map(|entry| part_size(&entry.unwrap().path()))
        };
        wait_until("a part of the file", || part().is_some_and(|size| size > 3_000));
        signal(collecting.id(), name);
        let ended = collecting.end();
        ended.expect_code(*code);
        assert_eq!((ended.count("accepted"), ended.count("succeeded")), (1, 1));
        assert_eq!(row(&batch, "r2")["status"], "succeeded", "the results are written");

        let waiting = Running::of(&mut batch.command("collect", &flags));
        wait_until("the file", || videos.join("00002-r2.mp4").exists());
        sleep(Duration::from_millis(200));
        signal(waiting.id(), name);
        let ended = waiting.end();
        ended.expect_code(*code);
        assert_eq!((ended.count("accepted"), ended.count("saved")), (1, 1));
        let size = fs::metadata(videos.join("00002-r2.mp4")).unwrap().len();
        let sent = booked(&sandbox, "files", "bytes");
        assert!(
            sent <= 2 * size - 3_000,
            "what was there did not come again: {sent} of {size}"
        );
        assert_saved_whole(&batch, &sandbox, "videos");
        assert_eq!(sandbox.count("requests"), 2);
    });
}

/// How much of a file is here, if `path` is such a part.
fn part_size(path: &Path) -> Option<u64> {
    (path.extension()? == "part").then(|| fs::metadata(path).map_or(0, |file| file.len()))
}

#[test]
fn runs_killed_at_random_moments_save_every_video_once_and_send_no_row_twice() {
    const KILLS: u64 = 13;
    const CONCURRENCY: u64 = 2;
    const DOWNLOADS: u64 = 3;
    in_parallel(&[1, 2], |_| {
        let sandbox = quick_sandbox(&[
            "--file-speed",
            "200000",
            "--poll-limit",
            "off",
            "--latency",
            "5ms..20ms",
        ]);
        let batch = Batch::with_rows(60, &sandbox);
        let flags = [
            ["--download", "videos"],
            ["--downloads", "3"],
            ["--concurrency", "2"],
            ["--poll-rate", "off"],
        ]
        .concat();
        let quickly = [&flags[..], &["--rate", "1000/1s"]].concat();
        for kill in 0..KILLS {
            let run = batch.start(&quickly);
            sleep(Duration::from_millis(50 + fastrand::u64(0..300)));
            run.kill();
            if kill > 0 {
                batch.let_time_pass(A_WHILE);
            }
        }
        let last = batch.run(&flags);
        let verdict = batch.judge(&sandbox);
        let unknown = verdict.count("unknown") as u64;
        last.expect_code(if unknown > 0 { 4 } else { 0 });
        assert!(unknown <= KILLS * CONCURRENCY, "{verdict:?}");
        assert_eq!(verdict.count("saved") as u64, 60 - unknown, "{verdict:?}");
        assert_eq!(sandbox.books()["billed_twice"], Value::Array(Vec::new()));
        let asked = booked(&sandbox, "files", "requests");
        assert!(asked <= 60 + KILLS * DOWNLOADS, "{asked} requests for files");
        assert_saved_whole(&batch, &sandbox, "videos");
    });
}

#[test]
fn a_collector_killed_before_any_call_that_changes_anything_saves_every_video_once() {
    if !faults::can_inject() {
        return;
    }
    const MOST_POINTS: u32 = 1_000;
    let next = std::sync::atomic::AtomicU32::new(1);
    let struck = std::sync::Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let sandbox = quick_sandbox(&["--poll-limit", "off"]);
                let batch = sent(&rows(1), &sandbox);
                let fresh: Vec<(PathBuf, Vec<u8>)> = files_below(batch.folder.path());
                loop {
                    let point = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    assert!(point < MOST_POINTS, "the collector never ends");
                    for entry in fs::read_dir(batch.folder.path()).unwrap() {
                        let path = entry.unwrap().path();
                        let removed = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
                        removed.unwrap();
                    }
                    for (path, bytes) in &fresh {
                        fs::write(path, bytes).unwrap();
                    }
                    let before = booked(&sandbox, "files", "requests");
                    let log = batch.path("fault.log");
                    let mut command = batch.command("collect", &["--json", "--download", "videos"]);
                    inject(&mut command, Fault::Kill, point, false, "", &log);
                    let killed = Running::of(&mut command).end();
                    let Some((_, call)) = faults::struck(&log) else {
                        killed.expect_code(0);
                        break;
                    };
                    assert_eq!(killed.code, None, "{call}: {killed:#?}");
                    struck.lock().unwrap().push(call.clone());
                    batch.let_time_pass(A_WHILE);
                    let again = batch.collect(&["--download", "videos"]);
                    again.expect_code(0);
                    assert_eq!(again.count("saved"), 1, "point {point}, {call}");
                    let asked = booked(&sandbox, "files", "requests") - before;
                    assert!(asked <= 2, "point {point}, {call}: {asked} requests for one file");
                    assert_saved_whole(&batch, &sandbox, "videos");
                }
                assert_eq!(sandbox.count("requests"), 1, "a collector sends nothing");
            });
        }
    });
    let struck = struck.into_inner().unwrap();
    for call in ["pwrite64", "fsync", "write", "unlink"] {
        assert!(struck.iter().any(|at| at == call), "no {call} was struck: {struck:?}");
    }
}
