//! A batch that is run again goes on: what is done stays done, whatever happened to the manifest in between.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::fs;

use calamine::{Reader, Xlsx, open_workbook};
use support::{Batch, Finished, KEY, SandboxProcess, program, signal, wait_until, with_ids, without_ids};

/// That each of these prompts was billed once, and nothing else.
#[track_caller]
fn expect_billed_once(sandbox: &SandboxProcess, prompts: &[&str]) {
    let expected: BTreeMap<String, u32> = prompts.iter().map(|prompt| ((*prompt).to_owned(), 1)).collect();
    assert_eq!(sandbox.billed(), expected);
}

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
    let mut left: Vec<_> = fs::read_dir(batch.folder.path())
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

// The manifest is edited between runs.

#[test]
fn rows_with_ids_may_be_inserted_deleted_and_sorted() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_manifest(
        "shots.csv",
        &with_ids(&[("a", "one"), ("b", "two"), ("c", "three")]),
        &sandbox.url,
    );
    batch.run(&[]).expect_code(0);
    let task_of_c = batch.results()[2]["task_id"].clone();
    // `b` is gone, the rest is sorted backwards, and there is a new row on top.
    batch.rewrite(&with_ids(&[("d", "four"), ("c", "three"), ("a", "one")]));
    let again = batch.run(&[]);
    again.expect_code(0);
    assert_eq!((again.count("rows"), again.count("requests")), (3, 1));
    expect_billed_once(&sandbox, &["four", "one", "three", "two"]);
    assert_eq!(batch.results()[1]["task_id"], task_of_c);
    assert!(
        again
            .stderr
            .contains("1 row is in the ledger and no longer in the manifest"),
        "{again:#?}"
    );
}

#[test]
fn rows_without_ids_are_known_by_what_is_sent() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_manifest("shots.csv", &without_ids(&["one", "two", "three"]), &sandbox.url);
    batch.run(&[]).expect_code(0);
    batch.rewrite(&without_ids(&["four", "three", "one", "two"]));
    let sorted = batch.run(&[]);
    sorted.expect_code(0);
    assert_eq!(sorted.count("requests"), 1);
    // Without an id an edited row cannot be told from a new one: the user learns where the old one went.
    batch.rewrite(&without_ids(&["four", "three, edited", "one", "two"].map(|prompt| {
        if prompt.contains(',') {
            "\"three, edited\""
        } else {
            prompt
        }
    })));
    let edited = batch.run(&[]);
    edited.expect_code(0);
    assert_eq!(edited.count("requests"), 1);
    assert!(edited.stderr.contains("no longer in the manifest"), "{edited:#?}");
    expect_billed_once(&sandbox, &["four", "one", "three", "three, edited", "two"]);
}

#[test]
fn a_row_that_was_deleted_before_its_turn_is_not_sent() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_manifest(
        "shots.csv",
        &with_ids(&[("a", "one"), ("b", "two"), ("c", "three")]),
        &sandbox.url,
    );
    batch.run(&["--limit", "1"]).expect_code(0);
    batch.rewrite(&with_ids(&[("a", "one"), ("c", "three")]));
    let again = batch.run(&[]);
    again.expect_code(0);
    assert_eq!(again.count("rows"), 2);
    expect_billed_once(&sandbox, &["one", "three"]);
    // It comes back, and so does its turn.
    batch.rewrite(&with_ids(&[("a", "one"), ("b", "two"), ("c", "three")]));
    batch.run(&[]).expect_code(0);
    expect_billed_once(&sandbox, &["one", "three", "two"]);
}

#[test]
fn a_row_that_was_changed_after_it_was_accepted_is_reported_and_sent_only_when_asked() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_manifest("shots.csv", &with_ids(&[("a", "one"), ("b", "two")]), &sandbox.url);
    batch.run(&[]).expect_code(0);
    let task = batch.results()[1]["task_id"].clone();
    batch.rewrite(&with_ids(&[("a", "one"), ("b", "two but better")]));
    // Every run says so, not only the first one that meets it.
    for _ in 0..2 {
        let again = batch.run(&[]);
        again.expect_code(1);
        assert_eq!((again.count("requests"), again.count("changed")), (0, 1));
        assert_eq!(batch.results()[1]["error_code"], "changed");
        assert!(
            again.stderr.contains("line 3 (`b`) was changed after it was accepted"),
            "{again:#?}"
        );
    }
    assert_eq!(batch.results()[1]["task_id"], task);
    let resubmitted = batch.run(&["--resubmit-changed"]);
    resubmitted.expect_code(0);
    assert_eq!(resubmitted.count("requests"), 1);
    assert_ne!(batch.results()[1]["task_id"], task);
    let after = batch.run(&["--resubmit-changed"]);
    assert_eq!(after.count("requests"), 0, "the new content is the known one now");
    expect_billed_once(&sandbox, &["one", "two", "two but better"]);
}

#[test]
fn a_rejected_row_that_was_corrected_is_sent_again_by_itself() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_manifest("shots.csv", &with_ids(&[("a", "one [sandbox:422*]")]), &sandbox.url);
    batch.run(&[]).expect_code(1);
    batch.run(&[]).expect_code(1);
    assert_eq!(sandbox.count("requests"), 1, "not without a reason");
    batch.rewrite(&with_ids(&[("a", "one")]));
    batch.run(&[]).expect_code(0);
    expect_billed_once(&sandbox, &["one"]);
}

#[test]
fn a_manifest_that_gains_or_loses_its_ids_is_still_the_same() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_manifest("shots.csv", &without_ids(&["one", "two"]), &sandbox.url);
    batch.run(&[]).expect_code(0);
    batch.rewrite(&with_ids(&[("a", "one"), ("b", "two")]));
    assert_eq!(batch.run(&[]).count("requests"), 0);
    batch.rewrite(&without_ids(&["two", "one"]));
    assert_eq!(batch.run(&[]).count("requests"), 0);
    expect_billed_once(&sandbox, &["one", "two"]);
}

#[test]
fn the_results_are_as_good_a_manifest_as_the_one_they_came_from() {
    let sandbox = SandboxProcess::start(&[]);
    for (name, manifest) in [
        (
            "shots.csv",
            with_ids(&[("a", "one"), ("b", "=two"), ("c", "[sandbox:lost]")]),
        ),
        ("clips.csv", without_ids(&["eins", "=zwei", "eins"])),
    ] {
        let batch = Batch::with_manifest(name, &manifest, &sandbox.url);
        let first = batch.run(&[]);
        let requests = sandbox.count("requests");
        // In the manifest's place, and as a manifest of its own with the same ledger.
        let results = batch.path(&format!("{}.results.csv", name.split_once('.').unwrap().0));
        let ledger = batch.ledger();
        let mut command = batch.command("run", &["--json", "--results", "second.csv", "--ledger"]);
        command.arg(&ledger);
        fs::copy(&results, &batch.manifest).unwrap();
        let again = Finished::of(command.output().unwrap());
        assert_eq!(again.code, first.code);
        assert_eq!((again.count("rows"), again.count("requests")), (3, 0), "{again:#?}");
        assert_eq!(sandbox.count("requests"), requests);
        assert_eq!(
            fs::read_to_string(&results).unwrap(),
            fs::read_to_string(batch.path("second.csv")).unwrap(),
            "and the results of the results are the results"
        );
    }
}

#[test]
fn duplicates_are_reported_before_money_is_spent() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_manifest("shots.csv", &without_ids(&["one", "two", "one"]), &sandbox.url);
    let check = Finished::of(batch.command("check", &[]).output().unwrap());
    assert!(
        check.stderr.contains("same") && check.stderr.contains("line 2"),
        "{check:#?}"
    );
    let strictly = batch.run(&["--strict"]);
    // A warning, no error: two takes of one prompt can be meant.
    strictly.expect_code(0);
    assert!(strictly.stderr.contains("line 2"), "{strictly:#?}");
    let billed = sandbox.billed();
    assert_eq!((billed["one"], billed["two"]), (2, 1));
    assert_eq!(batch.run(&[]).count("requests"), 0, "both takes are known");
}

#[test]
fn a_repeated_id_names_both_lines_and_its_second_row_is_not_sent() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_manifest(
        "shots.csv",
        &with_ids(&[("a", "one"), ("b", "two"), ("a", "three")]),
        &sandbox.url,
    );
    let ended = batch.run(&[]);
    ended.expect_code(1);
    expect_billed_once(&sandbox, &["one", "two"]);
    assert!(
        ended
            .stderr
            .contains("shots.csv:4: `id` was already used: a, on line 2"),
        "{ended:#?}"
    );
    let row = &batch.results()[2];
    assert_eq!((&*row["status"], &*row["error_code"]), ("invalid", "invalid"));
    assert!(row["error_message"].contains("line 2"), "{row:?}");
}

// A run ends early, and the next one goes on.

#[test]
fn an_empty_account_halts_and_a_topped_up_one_goes_on() {
    let sandbox = SandboxProcess::start(&["--credits", "150"]);
    let batch = Batch::with_rows(12, &sandbox);
    let halted = batch.run(&["--concurrency", "4"]);
    halted.expect_code(3);
    assert_eq!(halted.summary()["halted"]["code"], "402");
    assert_eq!((halted.count("accepted"), halted.count("queued")), (5, 7));
    // Those in flight were still answered, and no more were sent.
    assert!(sandbox.count("requests") <= 5 + 4, "{}", sandbox.books());
    let results = batch.results();
    assert_eq!(
        (&*results[5]["status"], &*results[11]["error_code"]),
        ("queued", "halted")
    );

    let dry = batch.run(&["--concurrency", "1"]);
    dry.expect_code(3);
    assert_eq!(dry.count("requests"), 1);

    sandbox.post("/sandbox/top-up", r#"{"credits": 1000}"#);
    let done = batch.run(&[]);
    done.expect_code(0);
    assert_eq!((done.count("accepted"), done.count("newly_accepted")), (12, 7));
    assert!(batch.results().iter().all(|row| row["error_code"].is_empty()));
    assert_eq!(sandbox.billed().len(), 12);
    assert!(sandbox.billed().values().all(|&times| times == 1));
}

#[test]
fn a_limit_is_for_one_run() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_rows(5, &sandbox);
    for left in [3, 1, 0, 0] {
        let ended = batch.run(&["--limit", "2"]);
        ended.expect_code(0);
        assert_eq!(ended.count("queued"), left);
    }
    assert_eq!(sandbox.count("requests"), 5);
}

#[test]
fn a_run_whose_time_is_up_leaves_the_rest_queued() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_rows(50, &sandbox);
    let some = batch.run(&["--for", "1s", "--rate", "10/1s"]);
    some.expect_code(0);
    assert!((1..=11).contains(&some.count("accepted")), "{some:#?}");
    assert_eq!(some.summary()["limited"], "the time limit");
    let none = batch.run(&["--until", "2020-01-01T00:00:00Z"]);
    none.expect_code(0);
    assert!(none.stderr.contains("already past"), "{none:#?}");
    assert_eq!(none.count("requests"), 0);
    let rest = batch.run(&[]);
    rest.expect_code(0);
    assert_eq!((rest.count("accepted"), sandbox.count("requests")), (50, 50));
}

#[test]
fn a_budget_counts_earlier_runs_and_unknown_rows() {
    let sandbox = SandboxProcess::start(&[]);
    let mut prompts: Vec<String> = (1..=10).map(|n| format!("clip {n}")).collect();
    prompts[1] = "clip 2 [sandbox:lost]".to_owned();
    let batch = Batch::with_prompts(&prompts, &sandbox);
    let first = batch.run(&["--budget", "100"]);
    first.expect_code(3);
    assert_eq!(first.summary()["halted"]["code"], "budget");
    assert_eq!(
        (first.count("accepted"), first.count("unknown"), first.count("queued")),
        (2, 1, 7)
    );
    assert_eq!(sandbox.books()["billed_credits"], 90.0);
    // The same budget is used up; a larger one goes on from there.
    let second = batch.run(&["--budget", "100"]);
    second.expect_code(3);
    assert_eq!(second.count("requests"), 0);
    let third = batch.run(&["--budget", "180"]);
    third.expect_code(3);
    assert_eq!(
        (third.count("requests"), sandbox.books()["billed_credits"].as_f64()),
        (3, Some(180.0))
    );
}

#[test]
fn strict_sends_nothing_when_a_row_is_invalid() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_manifest("shots.csv", &with_ids(&[("a", "one"), ("b", "")]), &sandbox.url);
    let strict = batch.run(&["--strict"]);
    strict.expect_code(2);
    assert!(
        strict.stdout.is_empty() && strict.stderr.contains("shots.csv:3: `prompt` is empty"),
        "{strict:#?}"
    );
    assert_eq!(sandbox.count("requests"), 0);
    assert!(!batch.ledger().exists());
    batch.run(&[]).expect_code(1);
    expect_billed_once(&sandbox, &["one"]);
}

#[test]
fn rejected_rows_are_tried_again_when_asked_all_or_by_code() {
    let sandbox = SandboxProcess::start(&["--errors", "body"]);
    let prompts = ["one [sandbox:422]", "two [sandbox:501]", "three [sandbox:page404]"];
    let batch = Batch::with_prompts(&prompts, &sandbox);
    let first = batch.run(&[]);
    first.expect_code(1);
    assert_eq!(first.count("rejected"), 3);
    let by_code = batch.run(&["--retry-rejected=501,HTTP_404"]);
    by_code.expect_code(1);
    assert_eq!((by_code.count("accepted"), by_code.count("requests")), (2, 2));
    let all = batch.run(&["--retry-rejected"]);
    all.expect_code(0);
    assert_eq!((all.count("accepted"), all.count("requests")), (3, 1));
}

#[test]
fn unknown_rows_are_sent_again_only_by_those_who_would_rather_pay_twice() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_prompts(&["one [sandbox:lost]", "two"], &sandbox);
    batch.run(&[]).expect_code(4);
    let held = batch.run(&[]);
    held.expect_code(4);
    assert_eq!(held.count("requests"), 0);
    let resubmitted = batch.run(&["--on-unknown", "resubmit"]);
    resubmitted.expect_code(0);
    assert_eq!(resubmitted.count("requests"), 1);
    assert_eq!(sandbox.billed()["one [sandbox:lost]"], 2);

    // The same within one run, but no more often than a row may be tried.
    let batch = Batch::with_prompts(&["three [sandbox:lost]", "four [sandbox:lost*]"], &sandbox);
    let ended = batch.run(&["--on-unknown", "resubmit", "--max-attempts", "2"]);
    ended.expect_code(4);
    assert_eq!(
        (ended.count("accepted"), ended.count("unknown"), ended.count("requests")),
        (1, 1, 4)
    );
}

// Other forms of the manifest.

#[test]
fn jsonl_in_both_forms_becomes_requests_and_results() {
    let sandbox = SandboxProcess::start(&[]);
    let manifest = concat!(
        r#"{"id":"a","prompt":"flat","image_url":"https://img.example.org/1.png","duration":10,"note":{"kept":[1,2]}}"#,
        "\n",
        r#"{"model":"hailuo/2-3-image-to-video-standard","callBackUrl":"https://hooks.example.org/x","#,
        r#""input":{"prompt":"whole request","image_url":"https://img.example.org/2.png","duration":"6","resolution":"1080P"}}"#,
        "\n\n",
        r#"{"prompt":"bad","image_url":"https://img.example.org/3.png","duration":7}"#,
        "\n"
    );
    let batch = Batch::with_manifest("shots.jsonl", manifest, &sandbox.url);
    let ended = batch.run(&[]);
    ended.expect_code(1);
    let mut requests = sandbox.requests();
    requests.sort_by_key(|request| request["prompt"].to_string());
    assert_eq!(requests[0]["prompt"], "flat");
    let callback_url = requests[1]["callback_url"].as_str().unwrap();
    assert!(
        callback_url.starts_with("https://hooks.example.org/x?token=2-"),
        "{callback_url}"
    );
    assert_eq!(sandbox.books()["billed_credits"], 100.0);
    let results = fs::read_to_string(batch.path("shots.results.jsonl")).unwrap();
    let rows: Vec<serde_json::Value> = results
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0]["note"]["kept"][1], 2);
    assert_eq!(rows[0]["task_id"], requests[0]["task_id"]);
    assert_eq!(rows[1]["input"]["prompt"], "whole request");
    assert_eq!(
        (rows[2]["status"].as_str(), rows[2]["row"].as_u64()),
        (Some("invalid"), Some(3))
    );
    fs::write(&batch.manifest, results).unwrap();
    assert_eq!(batch.run(&[]).count("requests"), 0);
}

#[test]
fn tsv_stays_tsv() {
    let sandbox = SandboxProcess::start(&[]);
    let manifest = "id\tprompt\timage_url\tnote\na\tone, two\thttps://img.example.org/1.png\tkept\n";
    let batch = Batch::with_manifest("shots.tsv", manifest, &sandbox.url);
    batch.run(&[]).expect_code(0);
    expect_billed_once(&sandbox, &["one, two"]);
    let results = fs::read_to_string(batch.path("shots.results.tsv")).unwrap();
    assert!(
        results.starts_with("id\tprompt\timage_url\tnote\trow\tstatus\ttask_id\t"),
        "{results}"
    );
    assert!(results.contains("\na\tone, two\t"), "{results}");
}

// A job file, the sandbox, and looking on.

#[test]
fn a_job_file_says_it_all() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_manifest("shots.csv", &without_ids(&["one", "two", "three"]), &sandbox.url);
    fs::create_dir(batch.path("jobs")).unwrap();
    fs::write(
        batch.path("jobs/nightly.toml"),
        "manifest = \"../shots.csv\"\nresults = \"../out.jsonl\"\nlimit = 2\nrate = \"1000/1s\"\njson = true\n",
    )
    .unwrap();
    let run = |flags: &[&str]| {
        let mut command = program();
        command
            .current_dir(batch.folder.path())
            .args(["run", "--job", "jobs/nightly.toml"])
            .args(flags);
        command.env("KIE_API_KEY", KEY).env("KIE_BASE_URL", &sandbox.url);
        Finished::of(command.output().unwrap())
    };
    let first = run(&[]);
    first.expect_code(0);
    assert_eq!((first.count("accepted"), first.count("queued")), (2, 1));
    assert!(batch.path("out.jsonl").exists());
    // A flag wins over the file.
    assert_eq!(run(&["--limit", "5"]).count("accepted"), 3);
}

#[test]
fn a_trial_makes_way_for_the_real_run_and_never_the_other_way_round() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_rows(2, &sandbox);
    let trial = batch.run(&["--sandbox"]);
    trial.expect_code(0);
    assert_eq!(sandbox.count("requests"), 0);
    let real = batch.run(&[]);
    real.expect_code(0);
    assert_eq!((real.count("newly_accepted"), sandbox.count("requests")), (2, 2));
    assert!(real.stderr.contains("recorded trials in the sandbox"), "{real:#?}");
    let refused = batch.run(&["--sandbox"]);
    refused.expect_code(2);
    assert!(refused.stderr.contains("belongs to"), "{refused:#?}");
    let still = batch.run(&[]);
    assert_eq!((still.count("accepted"), still.count("requests")), (2, 0));
}

#[test]
fn status_looks_on_while_a_run_is_at_work_and_a_second_run_is_kept_out() {
    let sandbox = SandboxProcess::start(&["--latency", "100ms"]);
    let batch = Batch::with_rows(60, &sandbox);
    let run = batch.command("run", &["--json", "--rate", "20/1s"]).spawn().unwrap();
    wait_until("some answers", || sandbox.count("requests") >= 5);
    let status = |flags: &[&str]| {
        let flags = [&["--json"], flags].concat();
        Finished::of(batch.command("status", &flags).output().unwrap())
    };
    let during = status(&[]);
    during.expect_code(0);
    assert_eq!(during.count("rows"), 60);
    assert!(
        during.count("accepted") > 0 && during.count("queued") > 0,
        "{during:#?}"
    );
    status(&["--results", "so-far.csv"]).expect_code(0);
    let so_far = fs::read_to_string(batch.path("so-far.csv")).unwrap();
    assert!(so_far.contains(",accepted,") && so_far.contains(",queued,"));

    let second = batch.run(&[]);
    second.expect_code(5);
    assert!(second.stderr.contains(&format!("process {}", run.id())), "{second:#?}");
    let settle = Finished::of(batch.command("settle", &["--drop"]).output().unwrap());
    settle.expect_code(5);

    signal(run.id(), "INT");
    let ended = Finished::of(run.wait_with_output().unwrap());
    ended.expect_code(130);
    assert_eq!(ended.count("unknown"), 0);
    assert_eq!(ended.count("accepted"), sandbox.count("requests"));
}

#[test]
fn a_results_file_run_in_the_manifests_place_pays_for_nothing_again() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_manifest(
        "shots.csv",
        &without_ids(&["one", "- two", "three [sandbox:lost]"]),
        &sandbox.url,
    );
    batch.run(&[]).expect_code(4);
    let text = std::fs::read_to_string(batch.path("shots.results.csv")).unwrap();
    // A ledger of its own, and a column that somebody has deleted.
    let without_last: Vec<&str> = text.lines().map(|line| line.rsplit_once(',').unwrap().0).collect();
    let again = Batch::with_manifest("shots.results.csv", &without_last.join("\n"), &sandbox.url);
    let run = again.run(&[]);
    run.expect_code(4);
    assert_eq!(
        (run.count("accepted"), run.count("unknown"), run.count("requests")),
        (2, 1, 0)
    );
    assert!(run.stderr.contains("the manifest is a results file"), "{run:#?}");
}

#[test]
fn a_workbook_of_results_is_replaced_and_somebody_elses_is_not() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_manifest("shots.csv", &with_ids(&[("007", "=one"), ("b", "两个")]), &sandbox.url);
    let flags = ["--results", "out.xlsx"];
    batch.run(&flags).expect_code(0);
    let rows = || {
        let mut workbook: Xlsx<_> = open_workbook(batch.path("out.xlsx")).unwrap();
        assert_eq!(workbook.sheet_names(), ["Results", "Summary"]);
        let sheet = workbook.worksheet_range("Results").unwrap();
        let rows = sheet.rows().map(|row| row.iter().map(ToString::to_string).collect());
        rows.collect::<Vec<Vec<String>>>()
    };
    let first = rows();
    assert_eq!(first[1][..2], ["007", "=one"]);
    assert_eq!((&*first[2][1], &*first[2][4]), ("两个", "accepted"));
    batch.run(&flags).expect_code(0);
    assert_eq!(rows(), first);
    assert_eq!(sandbox.count("requests"), 2);
    let mut theirs = rust_xlsxwriter::Workbook::new();
    theirs.add_worksheet().write_string(0, 0, "budget").unwrap();
    theirs.save(batch.path("out.xlsx")).unwrap();
    let refused = batch.run(&flags);
    refused.expect_code(2);
    assert!(refused.stderr.contains("is not a results file"), "{refused:#?}");
}

#[test]
fn no_command_writes_over_a_file_of_somebody_else() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_manifest("shots.csv", &without_ids(&["one"]), &sandbox.url);
    batch.run(&[]).expect_code(0);
    let theirs = "month,budget\nMay,100\n";
    fs::write(batch.path("budget.csv"), theirs).unwrap();
    for (command, flags, why) in [
        ("status", ["--results", "budget.csv"], "is not a results file"),
        ("collect", ["--results", "budget.csv"], "is not a results file"),
        ("check", ["--problems", "budget.csv"], "is not a list of problems"),
    ] {
        let refused = Finished::of(batch.command(command, &flags).output().unwrap());
        assert_ne!(refused.code, Some(0), "{refused:#?}");
        assert!(refused.stderr.contains(why), "{refused:#?}");
        assert_eq!(fs::read_to_string(batch.path("budget.csv")).unwrap(), theirs);
    }
    let check = |list| Finished::of(batch.command("check", &["--problems", list]).output().unwrap());
    for list in ["list.csv", "list.jsonl", "list.xlsx"] {
        check(list).expect_code(0);
        check(list).expect_code(0);
    }
}

#[test]
fn results_of_a_workbook_with_links_pay_for_nothing_again() {
    let sandbox = SandboxProcess::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let mut workbook = rust_xlsxwriter::Workbook::new();
    let sheet = workbook.add_worksheet();
    sheet.write_row(0, 0, ["prompt", "image_url"]).unwrap();
    sheet.write_string(1, 0, "one").unwrap();
    let link = rust_xlsxwriter::Url::new("https://img.example.org/1.jpg").set_text("the cat");
    sheet.write_url(1, 1, link).unwrap();
    workbook.save(folder.path().join("shots.xlsx")).unwrap();
    let run = |manifest: &str, results: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hailuo-batch"));
        command.current_dir(folder.path()).env("KIE_API_KEY", "not-a-real-key");
        command.args([
            "run",
            manifest,
            "--results",
            results,
            "--base-url",
            &sandbox.url,
            "--json",
        ]);
        Finished::of(command.output().unwrap())
    };
    run("shots.xlsx", "first.xlsx").expect_code(0);
    for (manifest, results) in [
        ("first.xlsx", "second.csv"),
        ("second.csv", "third.jsonl"),
        ("third.jsonl", "fourth.xlsx"),
    ] {
        let again = run(manifest, results);
        again.expect_code(0);
        assert_eq!((again.count("accepted"), again.count("requests")), (1, 0), "{manifest}");
    }
    assert_eq!(sandbox.count("requests"), 1);
}

#[test]
fn a_manifest_saved_in_another_format_does_not_begin_anew_by_itself() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_manifest("shots.csv", &without_ids(&["one"]), &sandbox.url);
    batch.run(&[]).expect_code(0);
    let text = fs::read_to_string(batch.path("shots.csv")).unwrap();
    fs::write(batch.path("shots.tsv"), text.replace(',', "\t")).unwrap();
    fs::write(batch.path("shots-2.tsv"), text.replace(',', "\t")).unwrap();
    let run = |manifest: &str, flags: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hailuo-batch"));
        command
            .current_dir(batch.path("."))
            .env("KIE_API_KEY", "not-a-real-key");
        command.args(["run", manifest, "--base-url", &sandbox.url]).args(flags);
        Finished::of(command.output().unwrap())
    };
    let told = |run: &Finished| run.stderr.contains("`shots.csv.ledger` records 1 row as sent already");
    let same = run("shots.tsv", &["--ledger", "shots.csv.ledger"]);
    assert!(!told(&same), "{same:#?}");
    assert_eq!(sandbox.count("requests"), 1);
    let other = run("shots-2.tsv", &[]);
    assert!(!told(&other), "{other:#?}");
    assert_eq!(sandbox.count("requests"), 2);
    let new = run("shots.tsv", &[]);
    new.expect_code(2);
    assert!(told(&new), "{new:#?}");
    assert_eq!(sandbox.count("requests"), 2);
    // Whoever names the ledger has decided.
    run("shots.tsv", &["--ledger", "shots.tsv.ledger"]).expect_code(0);
    assert_eq!(sandbox.count("requests"), 3);
    run("shots.tsv", &[]).expect_code(0);
    assert_eq!(sandbox.count("requests"), 3);
}

#[test]
fn nothing_is_sent_in_an_encoding_that_is_a_guess() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_manifest("shots.csv", "", &sandbox.url);
    let text = b"prompt,image_url\nA na\xefve boat,https://img.example.org/1.png\n";
    fs::write(batch.path("shots.csv"), text).unwrap();
    let guessed = batch.run(&[]);
    guessed.expect_code(2);
    assert!(guessed.stderr.contains("is a guess"), "{guessed:#?}");
    assert_eq!(sandbox.count("requests"), 0);
    batch.run(&["--encoding", "windows-1252"]).expect_code(0);
    assert_eq!(sandbox.count("requests"), 1);
}

#[test]
fn a_run_that_died_leaves_its_doubt_in_the_status() {
    let sandbox = SandboxProcess::start(&["--latency", "10s"]);
    let batch = Batch::with_rows(3, &sandbox);
    let running = batch.start(&["--rate", "1000/1s"]);
    wait_until("all requests", || sandbox.count("requests") == 3);
    running.kill();
    let status = Finished::of(batch.command("status", &["--json"]).output().unwrap());
    status.expect_code(4);
    assert_eq!(status.count("unknown"), 3);
}
