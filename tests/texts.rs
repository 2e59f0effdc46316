//! What people read, as it is: help, problems, summaries and errors. Times, paths, ports and task ids are swapped for
//! fixed words first.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;

use support::{Batch, Finished, KEY, SandboxProcess, program};

/// Runs the program in a folder with copies of the samples, and gives both streams back.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
        for (path, bytes) in support::files_below(&samples) {
            let path = folder.path().join(path.strip_prefix(&samples).unwrap());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        Desk { folder }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let mut command = program();
        command
            .current_dir(self.folder.path())
            .args(arguments)
            .env("COLUMNS", "100");
        Finished::of(command.output().unwrap())
    }

    /// Everything that is shown, ready for a snapshot.
    fn shown(&self, arguments: &[&str]) -> String {
        shown(&self.run(arguments), self.folder.path())
    }
}

/// Both streams and the exit code, with fixed words for what differs from run to run.
fn shown(ended: &Finished, folder: &Path) -> String {
    let mut text = format!(
        "{}---- stderr\n{}---- exit {}\n",
        ended.stdout,
        ended.stderr,
        ended.code.unwrap()
    );
    text = text.replace(&format!("{}/", folder.display()), "");
    text.lines().map(|line| redacted(line) + "\n").collect()
}

/// Ports, times, durations and task ids as fixed words.
fn redacted(line: &str) -> String {
    let mut words = Vec::new();
    for word in line.split(' ') {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let is_id = bare.len() == 32 && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
        words.push(match word {
            _ if is_id => word.replace(bare, "TASK_ID"),
            _ if word.starts_with("http://127.0.0.1:") => "http://127.0.0.1:PORT/".to_owned(),
            _ if bare.len() >= 20 && bare.starts_with("20") && bare.ends_with('Z') => word.replace(bare, "TIME"),
            _ => word.to_owned(),
        });
    }
    let line = words.join(" ");
    // `paused 2 s: …`
    if let Some((_, reason)) = line.strip_prefix("paused ").and_then(|rest| rest.split_once(": ")) {
        return format!("paused TIME: {reason}");
    }
    // `this run: … in 18 s`
    match line
        .strip_prefix("this run: ")
        .and_then(|rest| rest.rsplit_once(", in "))
    {
        Some((work, _)) => format!("this run: {work}, in TIME"),
        None => line,
    }
}

#[test]
fn help() {
    let desk = Desk::new();
    for (name, arguments) in [
        ("help_short", &["-h"][..]),
        ("help_long", &["--help"]),
        ("run_help_short", &["run", "-h"]),
        ("run_help_long", &["run", "--help"]),
        ("check_help", &["check", "-h"]),
        ("status_help", &["status", "-h"]),
        ("report_help", &["report", "--help"]),
        ("settle_help", &["settle", "--help"]),
        ("serve_help", &["serve", "-h"]),
        ("init_help", &["init", "--help"]),
    ] {
        let ended = desk.run(arguments);
        ended.expect_code(0);
        assert!(ended.stderr.is_empty());
        insta::assert_snapshot!(name, ended.stdout);
    }
}

#[test]
fn a_manifest_with_every_mistake() {
    let desk = Desk::new();
    insta::assert_snapshot!("check_broken", desk.shown(&["check", "broken.csv"]));
    let json = desk.run(&["check", "broken.csv", "--json"]);
    let object: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    insta::assert_json_snapshot!("check_broken_json", object);
    assert!(json.stderr.is_empty(), "{json:#?}");
}

#[test]
fn a_manifest_with_local_images() {
    let desk = Desk::new();
    insta::assert_snapshot!("check_local_images", desk.shown(&["check", "local-images.csv"]));
    let json = desk.run(&["check", "local-images.csv", "--json"]);
    let object: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let bytes: u64 = ["harbour.jpg", "lighthouse.png", "kite.webp"]
        .map(|name| {
            fs::metadata(desk.folder.path().join("images").join(name))
                .unwrap()
                .len()
        })
        .iter()
        .sum();
    let expected = serde_json::json!({"rows": 4, "uploads": 3, "bytes": bytes});
    assert_eq!(object["local_images"], expected);
}

/// Whose image it is decides the user, by flag, by environment or in the job file.
#[test]
fn an_image_outside_of_the_folder_needs_leave() {
    let desk = Desk::new();
    fs::create_dir(desk.folder.path().join("batch")).unwrap();
    desk.write(
        "batch/clips.csv",
        "prompt,image_url\nThe kite rises,../images/kite.webp\n",
    );
    desk.write("job.toml", "manifest = \"batch/clips.csv\"\nallow_outside = true\n");
    insta::assert_snapshot!("check_outside", desk.shown(&["check", "batch/clips.csv"]));
    desk.run(&["check", "batch/clips.csv", "--allow-outside"])
        .expect_code(0);
    desk.run(&["check", "--job", "job.toml"]).expect_code(0);
    desk.run(&["check", "--job", "job.toml", "--allow-outside=no"])
        .expect_code(1);
}

#[test]
fn a_first_trial() {
    let desk = Desk::new();
    insta::assert_snapshot!("check_quickstart", desk.shown(&["check", "quickstart.csv"]));
    let mut trial = desk.run(&["run", "quickstart.csv", "--sandbox", "--rate", "20/1s"]);
    // How far a progress line got, if a busy machine took long enough for one, is a matter of time.
    let rest: Vec<&str> = trial
        .stderr
        .lines()
        .filter(|line| !line.contains(" rows done: "))
        .collect();
    trial.stderr = rest.join("\n") + "\n";
    insta::assert_snapshot!("trial_quickstart", shown(&trial, desk.folder.path()));
    insta::assert_snapshot!("status_quickstart", desk.shown(&["status", "quickstart.csv"]));
}

/// A batch with something of everything, halted by an empty account.
#[test]
fn a_halted_run_and_what_to_do_about_it() {
    let sandbox = SandboxProcess::start(&["--credits", "90", "--errors", "http"]);
    let prompts = [
        "a boat [sandbox:lost]",
        "a cat [sandbox:422]",
        "a dog",
        "a tree [sandbox:page502]",
        "a bird",
        "a fish",
        "a house",
    ];
    let batch = Batch::with_prompts(&prompts, &sandbox);
    let of = |command: &str, flags: &[&str]| {
        let mut command = batch.command(command, flags);
        // Named as a user in that folder would.
        let arguments: Vec<_> = command.get_args().map(std::ffi::OsStr::to_owned).collect();
        let mut named = program();
        named
            .current_dir(batch.folder.path())
            .envs([("KIE_API_KEY", KEY), ("KIE_BASE_URL", &sandbox.url)]);
        named.arg(&arguments[0]).arg("shots.csv").args(&arguments[2..]);
        command = named;
        shown(&Finished::of(command.output().unwrap()), batch.folder.path())
    };
    insta::assert_snapshot!("halted_run", of("run", &["--rate", "1000/1s", "--concurrency", "1"]));
    insta::assert_snapshot!("halted_status", of("status", &[]));
    insta::assert_snapshot!("settle_listing", of("settle", &[]));
    insta::assert_snapshot!(
        "settle_mistakes",
        [
            of("settle", &["--accept", "0123456789abcdef"]),
            of("settle", &["--accept", "r3=0123456789abcdef"]),
            of("settle", &["--drop=r1", "--resubmit=r1"]),
        ]
        .concat()
    );
    insta::assert_snapshot!(
        "settle_decisions",
        [
            of("settle", &["--accept", "r1=0123456789abcdef"]),
            of("settle", &["--drop"]),
            of("settle", &[]),
            of("settle", &["--accept", "0123456789abcdef"]),
        ]
        .concat()
    );
    sandbox.post("/sandbox/top-up", r#"{"credits": 1000}"#);
    insta::assert_snapshot!("gone_on", of("run", &["--rate", "1000/1s", "--retry-rejected"]));
    insta::assert_snapshot!("nothing_left", of("run", &["--rate", "1000/1s"]));
}

/// What a halt says, and what it advises, for each of its causes.
#[test]
fn every_halt_says_what_to_do() {
    let sandbox = SandboxProcess::start(&["--errors", "body"]);
    let mut texts = String::new();
    for tag in [
        "401",
        "402",
        "404:model",
        "422:model",
        "433",
        "505",
        "500:paused",
        "500:credits",
        "page403",
        "redirect",
        "429:ra=1000",
    ] {
        let batch = Batch::with_prompts(&[format!("[sandbox:{tag}]"), "the next".to_owned()], &sandbox);
        let ended = Finished::of(
            batch
                .command("run", &["--concurrency", "1", "--rate", "1000/1s"])
                .output()
                .unwrap(),
        );
        ended.expect_code(3);
        let text = shown(&ended, batch.folder.path());
        let told = text
            .lines()
            .filter(|line| line.starts_with("halted") || line.starts_with("help: "));
        texts += &format!("{tag}\n");
        texts += &told.take(2).map(|line| format!("  {line}\n")).collect::<String>();
    }
    let batch = Batch::with_rows(3, &sandbox);
    for flags in [
        &["--budget", "50"][..],
        &["--base-url", "http://127.0.0.1:9", "--patience", "1s"],
    ] {
        let ended = Finished::of(
            batch
                .command("run", &[flags, &["--rate", "1000/1s"]].concat())
                .output()
                .unwrap(),
        );
        let text = shown(&ended, batch.folder.path());
        let told = text
            .lines()
            .filter(|line| line.starts_with("halted") || line.starts_with("help: "));
        texts += &format!("{}\n", flags.join(" "));
        texts += &told.take(2).map(|line| format!("  {line}\n")).collect::<String>();
    }
    insta::assert_snapshot!(texts);
}

#[test]
fn mistakes_that_end_with_2() {
    let desk = Desk::new();
    desk.write(
        "misspelt.csv",
        "id,promt,image_url\na,b,https://img.example.org/1.png\n",
    );
    desk.write("empty.csv", "");
    desk.write("header-only.csv", "prompt,image_url\n");
    desk.write("shots.csv", "prompt,image_url\nA cat,https://img.example.org/1.png\n");
    desk.write(
        "not-a-ledger.csv",
        "prompt,image_url\nA cat,https://img.example.org/1.png\n",
    );
    desk.write(
        "not-a-ledger.csv.ledger",
        "these are not the bytes of a database, whoever wrote them\n",
    );
    desk.write("job.toml", "manifest = \"shots.csv\"\nbugdet = 5\nrate = \"fast\"\n");
    desk.write("one.toml", "manifest = \"shots.csv\"\nconcurency = 5\n");
    let mut texts = String::new();
    for arguments in [
        &["run"][..],
        &["run", "shots.csv", "--ledger", "other.ledger"],
        &["check", "missing.csv"],
        &["run", "missing.csv", "--sandbox"],
        &["check", "."],
        &["check", "misspelt.csv"],
        &["check", "empty.csv"],
        &["check", "header-only.csv"],
        &["check", "shots.csv", "--job", "job.toml"],
        &["check", "--job", "one.toml"],
        &["check", "--job", "missing.toml"],
        &["run", "shots.csv", "--sandbox", "--rate", "20"],
        &["run", "shots.csv", "--sandbox", "--concurrency", "0"],
        &["run", "shots.csv", "--sandbox", "--results", "shots.csv"],
        &["run", "shots.csv", "--sandbox", "--results", "out.txt"],
        &["run", "shots.csv", "--sandbox", "--ledger", "nowhere/l.ledger"],
        &["run", "shots.csv", "--base-url", "http://example.org"],
        &["run", "not-a-ledger.csv", "--sandbox"],
        &["status", "shots.csv"],
        &["settle", "shots.csv"],
        &["run", "shots.csv", "--budjet", "5"],
        &["frobnicate"],
    ] {
        let ended = desk.run(arguments);
        ended.expect_code(2);
        assert!(ended.stdout.is_empty(), "{ended:#?}");
        texts += &format!("$ hailuo-batch {}\n{}\n", arguments.join(" "), ended.stderr);
    }
    insta::assert_snapshot!(texts);
}
