//! `init`: what it writes can be used as it is, and what is there already stays.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use support::{Finished, program};
use tempfile::TempDir;

fn run_in(folder: &Path, arguments: &[&str]) -> Finished {
    Finished::of(program().current_dir(folder).args(arguments).output().unwrap())
}

/// The names in a folder, in order.
fn names_in(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_manifest_and_its_job_can_be_checked_and_tried_as_they_are() {
    for name in ["shots.csv", "shots.tsv", "shots.jsonl"] {
        let folder = tempfile::tempdir().unwrap();
        let written = run_in(folder.path(), &["init", name, "--job"]);
        written.expect_code(0);
        assert!(
            written.stdout.contains(&format!("wrote {name}: ")),
            "{}",
            written.stdout
        );
        let expected = BTreeSet::from([name, "shots.toml"].map(str::to_owned));
        assert_eq!(names_in(&folder), Vec::from_iter(expected));
        // The commands it names, word for word.
        let commands: Vec<Vec<&str>> = written
            .stdout
            .lines()
            .filter_map(|line| line.strip_prefix("  hailuo-batch "))
            .map(|line| line.split(' ').collect())
            .collect();
        assert_eq!(commands.len(), 2, "{}", written.stdout);
        for command in commands {
            run_in(folder.path(), &command).expect_code(0);
        }
        let results = names_in(&folder).into_iter().find(|name| name.contains(".results."));
        let results = fs::read_to_string(folder.path().join(results.unwrap())).unwrap();
        assert!(results.contains("accepted"), "{results}");
    }
}

#[test]
fn without_a_name_it_is_a_workbook() {
    let folder = tempfile::tempdir().unwrap();
    let written = run_in(folder.path(), &["init"]);
    written.expect_code(0);
    insta::assert_snapshot!(written.stdout);
    assert_eq!(names_in(&folder), ["shots.xlsx"]);
    assert!(
        fs::read(folder.path().join("shots.xlsx"))
            .unwrap()
            .starts_with(b"PK\x03\x04")
    );
}

#[test]
fn what_is_there_stays_and_nothing_is_left_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("shots.toml"), "# mine\n").unwrap();
    let refused = run_in(folder.path(), &["init", "shots.csv", "--job"]);
    refused.expect_code(2);
    insta::assert_snapshot!(refused.stderr);
    assert!(refused.stdout.is_empty());
    assert_eq!(names_in(&folder), ["shots.toml"]);
    run_in(folder.path(), &["init", "shots.csv", "--job=night.toml"]).expect_code(0);
    run_in(folder.path(), &["init", "shots.csv"]).expect_code(2);
    assert_eq!(names_in(&folder), ["night.toml", "shots.csv", "shots.toml"]);
    assert_eq!(
        fs::read_to_string(folder.path().join("shots.toml")).unwrap(),
        "# mine\n"
    );
}

#[test]
fn a_job_file_in_another_folder_finds_its_manifest() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("jobs")).unwrap();
    run_in(folder.path(), &["init", "my shots.csv", "--job=jobs/night.toml"]).expect_code(0);
    run_in(folder.path(), &["check", "--job", "jobs/night.toml"]).expect_code(0);
    run_in(&folder.path().join("jobs"), &["check", "--job", "night.toml"]).expect_code(0);
}

#[test]
fn mistakes_end_with_2_and_write_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["init", "shots"][..],
        &["init", "shots.ods"],
        &["init", "no/such/folder.csv"],
        &["init", "shots.csv", "--job=no/such/folder.toml"],
        &["init", "shots.csv", "--job="],
        &["init", ""],
    ] {
        let refused = run_in(folder.path(), arguments);
        refused.expect_code(2);
        assert!(refused.stderr.starts_with("error: "), "{}", refused.stderr);
        assert_eq!(names_in(&folder), [""; 0], "{arguments:?}");
    }
}
