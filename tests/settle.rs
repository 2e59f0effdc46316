//! `settle` decides about the row that is meant, and about no other.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use support::{Batch, Finished, SandboxProcess, with_ids, without_ids};

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
