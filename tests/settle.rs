//! `settle` decides about the row that is meant, and about no other.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::Value;
use support::{Batch, Finished, KEY, SandboxProcess, with_ids, without_ids};

fn settle(batch: &Batch, flags: &[&str]) -> Finished {
    Finished::of(batch.command("settle", flags).output().unwrap())
}

fn names(listing: &Finished) -> Vec<String> {
    let rows = listing.summary()["rows"].as_array().unwrap().clone();
    rows.iter()
        .map(|row| row["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_number_never_names_a_row_that_has_an_id() {
    let sandbox = SandboxProcess::start(&[]);
    let rows = [("3", "one [sandbox:lost]"), ("1", "two"), ("2", "three")];
    let batch = Batch::with_manifest("shots.csv", &with_ids(&rows), &sandbox.url);
    batch.run(&[]).expect_code(4);
    for flag in ["--resubmit=1", "--drop=1", "--accept=1=0123456789abcdef"] {
        let refused = settle(&batch, &[flag]);
        refused.expect_code(2);
        assert!(
            refused
                .stderr
                .contains("no unknown row has the id `1`; row 1 has the id `3`"),
            "{refused:#?}"
        );
    }
    settle(&batch, &["--resubmit=2"]).expect_code(2);
    let listing = settle(&batch, &["--json"]);
    listing.expect_code(4);
    assert_eq!(names(&listing), ["3"]);
    batch.run(&[]).expect_code(4);
    assert_eq!(sandbox.count("requests"), 3);
    settle(&batch, &["--resubmit=3"]).expect_code(0);
    batch.run(&[]).expect_code(0);
    assert_eq!(sandbox.count("requests"), 4);
}

#[test]
fn a_number_that_is_also_an_id_names_nothing() {
    let sandbox = SandboxProcess::start(&[]);
    let rows = [("", "one [sandbox:lost]"), ("1", "two")];
    let batch = Batch::with_manifest("shots.csv", &with_ids(&rows), &sandbox.url);
    batch.run(&[]).expect_code(4);
    let refused = settle(&batch, &["--resubmit=1"]);
    refused.expect_code(2);
    assert!(
        refused.stderr.contains("is the id of a row that is not unknown"),
        "{refused:#?}"
    );
}

#[test]
fn a_row_without_an_id_is_named_by_its_number() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_manifest("shots.csv", &without_ids(&["one", "two [sandbox:lost]"]), &sandbox.url);
    batch.run(&[]).expect_code(4);
    settle(&batch, &["--drop=1"]).expect_code(2);
    settle(&batch, &["--drop=02"]).expect_code(2);
    settle(&batch, &["--drop=2"]).expect_code(0);
}

#[test]
fn a_row_that_left_the_manifest_has_a_name_and_is_not_queued() {
    let sandbox = SandboxProcess::start(&[]);
    let prompts = [
        "one",
        "two [sandbox:lost]",
        "three [sandbox:lost]",
        "four [sandbox:lost]",
    ];
    let batch = Batch::with_manifest("my shots.csv", &without_ids(&prompts), &sandbox.url);
    batch.run(&[]).expect_code(4);
    batch.rewrite(&without_ids(&["one", "three [sandbox:lost]"]));
    batch.run(&[]);
    assert_eq!(sandbox.count("requests"), 4);
    let listing = settle(&batch, &["--json"]);
    let names = names(&listing);
    assert_eq!((names.len(), names[0].as_str()), (3, "2"), "{listing:#?}");
    assert!(
        names[1].starts_with("ledger:") && names[2].starts_with("ledger:"),
        "{names:?}"
    );
    let text = settle(&batch, &[]).stdout;
    assert!(
        text.contains(&format!("row `{}`, no longer in the manifest", names[1])),
        "{text}"
    );
    assert!(text.contains("my shots.csv' --resubmit"), "{text}");

    let refused = settle(&batch, &[&format!("--resubmit={}", names[1])]);
    refused.expect_code(2);
    assert!(refused.stderr.contains("no longer in the manifest"), "{refused:#?}");
    assert!(refused.stderr.contains("add it to the manifest again"), "{refused:#?}");

    // All that can be sent; the others are passed over aloud.
    let all = settle(&batch, &["--resubmit"]);
    all.expect_code(4);
    assert!(all.stderr.contains("row 2 is queued now"), "{all:#?}");
    for name in &names[1..] {
        assert!(
            all.stderr
                .contains(&format!("row `{name}` is no longer in the manifest")),
            "{all:#?}"
        );
    }
    settle(&batch, &[&format!("--drop={}", names[1])]).expect_code(4);
    settle(&batch, &[&format!("--accept={}=0123456789abcdef", names[2])]).expect_code(0);
}

#[test]
fn a_row_that_is_back_in_the_manifest_can_be_queued() {
    let sandbox = SandboxProcess::start(&[]);
    let both = with_ids(&[("a", "one"), ("b", "two [sandbox:lost]")]);
    let batch = Batch::with_manifest("shots.csv", &both, &sandbox.url);
    batch.run(&[]).expect_code(4);
    batch.rewrite(&with_ids(&[("a", "one")]));
    batch.run(&[]);
    settle(&batch, &["--resubmit=b"]).expect_code(2);
    batch.rewrite(&both);
    batch.run(&[]).expect_code(4);
    settle(&batch, &["--resubmit=b"]).expect_code(0);
    batch.run(&[]).expect_code(0);
    assert_eq!(sandbox.count("requests"), 3);
}

#[test]
fn an_empty_list_means_no_row_and_not_all_of_them() {
    let sandbox = SandboxProcess::start(&[]);
    let text = with_ids(&[("a", "one [sandbox:lost]"), ("b", "two [sandbox:lost]")]);
    let batch = Batch::with_manifest("shots.csv", &text, &sandbox.url);
    batch.run(&[]).expect_code(4);
    for flags in [&["--resubmit="][..], &["--drop="], &["--resubmit", "--drop"]] {
        settle(&batch, flags).expect_code(2);
    }
    settle(&batch, &["--json"]).expect_code(4);
    settle(&batch, &["--resubmit"]).expect_code(0);
}

#[test]
fn an_id_with_a_comma_can_be_named() {
    let sandbox = SandboxProcess::start(&[]);
    let text = with_ids(&[("\"c,5\"", "one [sandbox:lost]"), ("b", "two [sandbox:lost]")]);
    let batch = Batch::with_manifest("shots.csv", &text, &sandbox.url);
    batch.run(&[]).expect_code(4);
    let left = settle(&batch, &["--drop=c,5", "--json"]);
    left.expect_code(4);
    assert_eq!(names(&left), ["b"]);
}

/// The tasks that the sandbox made, with the prompts they were made for, oldest first.
fn tasks(sandbox: &SandboxProcess) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let task = |request: &Value| Some((text(&request["task_id"])?, text(&request["prompt"])?));
    sandbox.requests().iter().filter_map(task).collect()
}

/// Saves every task id as one would copy it from a table, with other columns around it.
fn save_ids(batch: &Batch, tasks: &[(String, String)]) {
    let lines: Vec<String> = tasks
        .iter()
        .map(|(task, prompt)| format!("2026-11-22 14:03:11\thailuo 2.3\t{task}\t30\t\"{prompt}\""))
        .collect();
    fs::write(batch.path("ids.txt"), lines.join("\n")).unwrap();
}

/// What became of each task id: the outcome, and the rows it names.
fn outcomes(ended: &Finished) -> HashMap<String, (String, Vec<String>)> {
    let told = ended.summary();
    let told = told["task_ids"].as_array().unwrap().iter().map(|told| {
        let rows = told["rows"].as_array().unwrap().iter();
        let rows = rows.map(|row| row.as_str().unwrap().to_owned()).collect();
        let text = |key: &str| told[key].as_str().unwrap().to_owned();
        (text("task_id"), (text("outcome"), rows))
    });
    told.collect()
}

const CALLBACK: &[&str] = &["--callback-url", "http://127.0.0.1:9/kie?team=a"];

/// Every row has the task that was made for its prompt, and the ledger agrees with what the sandbox saw.
#[track_caller]
fn expect_right_tasks(batch: &Batch, sandbox: &SandboxProcess) {
    let made = tasks(sandbox);
    for row in batch.results() {
        assert_eq!(row["status"], "accepted", "{row:?}");
        let (_, prompt) = made.iter().find(|(task, _)| *task == row["task_id"]).unwrap();
        assert_eq!(*prompt, row["prompt"]);
    }
}

#[test]
fn rows_get_their_tasks_by_the_tokens_in_their_callback_urls() {
    let sandbox = SandboxProcess::start(&[]);
    // Equal rows, which nothing but the token tells apart.
    let prompts = [
        "same [sandbox:lost*]",
        "same [sandbox:lost*]",
        "fine",
        "other [sandbox:lost]",
    ];
    let batch = Batch::with_manifest("shots.csv", &without_ids(&prompts), &sandbox.url);
    batch.run(CALLBACK).expect_code(4);
    let made = tasks(&sandbox);
    save_ids(&batch, &made);

    let only_said = settle(&batch, &["--from", "ids.txt", "--dry-run", "--json"]);
    only_said.expect_code(4);
    assert_eq!(only_said.summary()["accepted"], 3);
    assert_eq!(names(&only_said).len(), 3, "a dry run accepts nothing");

    let ended = settle(&batch, &["--from", "ids.txt", "--json"]);
    ended.expect_code(0);
    let by: Vec<Value> = ended.summary()["task_ids"].as_array().unwrap().clone();
    let by: Vec<Option<&str>> = by.iter().map(|told| told["by"].as_str()).collect();
    assert_eq!(by.iter().filter(|by| **by == Some("token")).count(), 3, "{ended:#?}");
    expect_right_tasks(&batch, &sandbox);

    let again = settle(&batch, &["--from", "ids.txt", "--json"]);
    again.expect_code(0);
    assert!(
        outcomes(&again).values().all(|(outcome, _)| outcome == "known"),
        "{again:#?}"
    );
    batch.run(&[]).expect_code(0);
    assert_eq!(sandbox.count("requests"), 4);
}

#[test]
fn rows_get_their_tasks_by_prompt_image_and_time_where_there_is_no_token() {
    let sandbox = SandboxProcess::start(&[]);
    let rows = [("a", "one [sandbox:lost]"), ("b", "two [sandbox:lost]"), ("c", "three")];
    let batch = Batch::with_manifest("shots.csv", &with_ids(&rows), &sandbox.url);
    batch.run(&[]).expect_code(4);
    // Another batch of the same account.
    let others = Batch::with_manifest(
        "others.csv",
        &with_ids(&[("a", "four"), ("b", "five [sandbox:lost]")]),
        &sandbox.url,
    );
    others.run(&[]).expect_code(4);
    let made = tasks(&sandbox);
    save_ids(&batch, &made);
    let ended = settle(&batch, &["--from", "ids.txt", "--json"]);
    ended.expect_code(0);
    let told = outcomes(&ended);
    for (task, prompt) in &made {
        let (outcome, rows) = &told[task];
        let expected = match prompt.as_str() {
            "one [sandbox:lost]" => ("accepted", vec!["a".to_owned()]),
            "two [sandbox:lost]" => ("accepted", vec!["b".to_owned()]),
            "three" => ("known", vec!["c".to_owned()]),
            _ => ("not_ours", Vec::new()),
        };
        assert_eq!((outcome.as_str(), rows.clone()), expected, "{prompt}");
    }
    expect_right_tasks(&batch, &sandbox);
}

#[test]
fn equal_rows_share_equal_tasks_and_more_tasks_than_rows_are_left_to_the_user() {
    for flags in [&[][..], CALLBACK] {
        let sandbox = SandboxProcess::start(&[]);
        let text = with_ids(&[("a", "same [sandbox:lost*]"), ("b", "same [sandbox:lost*]")]);
        let batch = Batch::with_manifest("shots.csv", &text, &sandbox.url);
        batch.run(flags).expect_code(4);
        settle(&batch, &["--resubmit=b"]).expect_code(4);
        batch.run(flags).expect_code(4);
        let made = tasks(&sandbox);
        assert_eq!(made.len(), 3);
        save_ids(&batch, &made);
        let ended = settle(&batch, &["--from", "ids.txt", "--json"]);
        ended.expect_code(4);
        let accepted = ended.summary()["accepted"].as_u64().unwrap();
        // With tokens row `a` has the one task that is certainly its own; `b` has been paid for twice.
        assert_eq!(accepted, u64::from(!flags.is_empty()), "{ended:#?}");
        let several = outcomes(&ended)
            .values()
            .filter(|(outcome, _)| outcome == "several")
            .count();
        assert_eq!(several, if flags.is_empty() { 3 } else { 2 }, "{ended:#?}");

        // Of as many tasks as there are rows each is as good as the other.
        if flags.is_empty() {
            save_ids(&batch, &made[1..]);
            settle(&batch, &["--from", "ids.txt"]).expect_code(0);
            expect_right_tasks(&batch, &sandbox);
        }
    }
}

#[test]
fn a_token_brings_back_a_row_that_was_given_up_or_queued_again_and_tells_of_a_task_too_many() {
    let sandbox = SandboxProcess::start(&[]);
    let text = with_ids(&[
        ("a", "one [sandbox:lost]"),
        ("b", "two [sandbox:lost]"),
        ("c", "three [sandbox:lost]"),
    ]);
    let batch = Batch::with_manifest("shots.csv", &text, &sandbox.url);
    batch.run(CALLBACK).expect_code(4);
    let lost = tasks(&sandbox);
    settle(&batch, &["--drop=a", "--resubmit=b"]).expect_code(4);
    settle(&batch, &["--accept=c=0123456789abcdef"]).expect_code(0);
    save_ids(&batch, &lost);
    let ended = settle(&batch, &["--from", "ids.txt", "--json"]);
    ended.expect_code(0);
    let told = outcomes(&ended);
    let outcome = |index: usize| told[&lost[index].0].0.as_str();
    let by_prompt: HashMap<&str, &str> = (0..3).map(|index| (lost[index].1.as_str(), outcome(index))).collect();
    assert_eq!(by_prompt["one [sandbox:lost]"], "accepted");
    assert_eq!(by_prompt["two [sandbox:lost]"], "accepted");
    assert_eq!(by_prompt["three [sandbox:lost]"], "extra");
    batch.run(&[]).expect_code(0);
    assert_eq!(sandbox.count("requests"), 3, "nothing is paid for again");
}

#[test]
fn a_task_of_another_time_is_not_taken_and_how_far_off_it_is_is_said() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_manifest("shots.csv", &with_ids(&[("a", "one [sandbox:lost]")]), &sandbox.url);
    batch.run(&[]).expect_code(4);
    let ledger = rusqlite::Connection::open(batch.ledger()).unwrap();
    ledger
        .execute_batch("UPDATE attempts SET began_at = began_at - 7200000, answered_at = answered_at - 7200000")
        .unwrap();
    drop(ledger);
    let made = tasks(&sandbox);
    save_ids(&batch, &made);
    let ended = settle(&batch, &["--from", "ids.txt"]);
    ended.expect_code(4);
    assert!(
        ended
            .stdout
            .contains("asks for what row `a` asked for, but was made 1h 59m")
            || ended
                .stdout
                .contains("asks for what row `a` asked for, but was made 2h"),
        "{ended:#?}"
    );
    assert!(ended.stdout.contains("if this machine's clock was wrong"), "{ended:#?}");
}

#[test]
fn ids_come_from_standard_input_too_and_what_is_none_is_told() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_manifest("shots.csv", &with_ids(&[("a", "one [sandbox:lost]")]), &sandbox.url);
    batch.run(&[]).expect_code(4);
    let (task, _) = &tasks(&sandbox)[0];
    let mut command = batch.command("settle", &["--from", "-"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let text = format!("Task ID\n{task}\n\nnot\u{1b}[31m an id\n7d3f5a90c1b84e6fa2d4078b9e61c35f\n");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let ended = Finished::of(child.wait_with_output().unwrap());
    ended.expect_code(0);
    for said in [
        "2 task ids: 1 row is accepted now",
        "row `a`, line 2: accepted, by prompt, image and time",
        "7d3f5a90c1b84e6fa2d4078b9e61c35f  the API has no record of it",
        "line 1 has no task id: Task ID",
        "line 4 has no task id: not\\u{1b}[31m an id",
    ] {
        assert!(ended.stdout.contains(said), "{said}: {ended:#?}");
    }
    expect_right_tasks(&batch, &sandbox);
}

#[test]
fn a_refused_key_ends_with_3_and_changes_nothing() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_manifest("shots.csv", &with_ids(&[("a", "one [sandbox:lost]")]), &sandbox.url);
    batch.run(&[]).expect_code(4);
    save_ids(&batch, &tasks(&sandbox));
    let strict = support::server::RawServer::start(|_, stream| {
        let body = r#"{"code":401,"msg":"You do not have access permissions"}"#;
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        support::server::Then::Close
    });
    let mut command = batch.command("settle", &["--from", "ids.txt"]);
    let ended = Finished::of(command.env("KIE_BASE_URL", &strict.url).output().unwrap());
    ended.expect_code(3);
    assert!(ended.stderr.contains("the API refused the key"), "{ended:#?}");
    assert!(ended.stderr.contains("nothing was changed"), "{ended:#?}");
    assert!(ended.stderr.contains("set `KIE_API_KEY`"), "{ended:#?}");
    assert!(!format!("{ended:?}").contains(KEY));
    assert_eq!(names(&settle(&batch, &["--json"])), ["a"]);
}

#[test]
fn mistakes_of_from_end_with_2() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_manifest("shots.csv", &with_ids(&[("a", "one [sandbox:lost]")]), &sandbox.url);
    batch.run(&[]).expect_code(4);
    fs::write(batch.path("none.txt"), "nothing to see here\n").unwrap();
    fs::write(batch.path("wide.txt"), "7\0d\0").unwrap();
    fs::write(batch.path("ids.txt"), "7d3f5a90c1b84e6fa2d4078b9e61c35f").unwrap();
    fs::write(batch.path("large.txt"), vec![b' '; 16 * 1024 * 1024 + 1]).unwrap();
    for (flags, said) in [
        (&["--from", "missing.txt"][..], "cannot read `missing.txt`"),
        (&["--from", "none.txt"], "`none.txt` has no task id in it"),
        (&["--from", "wide.txt"], "is not a text in UTF-8"),
        (&["--from", "large.txt"], "has more than 16 MB"),
        (&["--from", "ids.txt", "--drop"], "cannot be used with"),
        (&["--dry-run"], "--from"),
        (
            &["--from", "ids.txt", "--sandbox"],
            "were not sent to the embedded sandbox",
        ),
    ] {
        let refused = settle(&batch, flags);
        refused.expect_code(2);
        assert!(refused.stderr.contains(said), "{said}: {refused:#?}");
    }
    // A trial's ledger, and the API.
    let trial = Batch::with_manifest("trial.csv", &with_ids(&[("a", "one [sandbox:lost]")]), &sandbox.url);
    let mut run = trial.command("run", &["--sandbox"]);
    Finished::of(run.env_remove("KIE_BASE_URL").output().unwrap()).expect_code(4);
    fs::write(trial.path("ids.txt"), "7d3f5a90c1b84e6fa2d4078b9e61c35f").unwrap();
    let refused = settle(&trial, &["--from", "ids.txt"]);
    refused.expect_code(2);
    assert!(refused.stderr.contains("were sent to the sandbox"), "{refused:#?}");
    let mut with_sandbox = trial.command("settle", &["--from", "ids.txt", "--sandbox"]);
    let ended = Finished::of(with_sandbox.env_remove("KIE_BASE_URL").output().unwrap());
    ended.expect_code(4);
    assert!(ended.stdout.contains("the API has no record of it"), "{ended:#?}");
}
