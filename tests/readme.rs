//! What the README says is so: its commands run as they stand, and its tables are those of the program.
//!
//! Fences have a meaning here. `sh` is run, and `sh exit=4` must end with that code; `sh no-run` needs a key, the
//! network, cargo or root; so does `nginx`. `csv NAME` (also `jsonl`, `toml`) is saved under that name first. `text trial` is what the
//! first command prints, `text faults` the sandbox's own vocabulary, `text progress` what a test of the view draws.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use hailuo_batch::kie::upload::UPLOAD_URL;
use hailuo_batch::manifest::Field;
use hailuo_batch::row::{RESULTS_COLUMNS, RowState};
use hailuo_batch::sandbox::faults::VOCABULARY;
use serde_json::Value;
use support::{PROGRAM, program};
use tempfile::TempDir;

const README: &str = include_str!("../README.md");

#[test]
fn the_first_command_prints_what_the_readme_shows() {
    let place = Place::new();
    let trial = fences().into_iter().find(|fence| fence.info.starts_with("sh")).unwrap();
    assert!(
        trial.text.starts_with("cargo run --release -- run samples/"),
        "{}",
        trial.text
    );
    let output = place.run(&trial);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(steady(&printed), steady(&fence("text trial").text));
    let videos = support::files_below(&place.folder.path().join("videos"));
    assert_eq!(videos.len(), 11);
    for (path, bytes) in videos {
        assert_eq!(bytes.get(4..8), Some(&b"ftyp"[..]), "{} is no MP4", path.display());
    }
}

#[test]
fn the_other_commands_run_as_they_stand() {
    let place = Place::new();
    let mut ran = 0;
    for fence in fences().iter().skip(1) {
        let words: Vec<&str> = fence.info.split(' ').collect();
        match words[..] {
            ["csv" | "jsonl" | "toml", name] => fs::write(place.folder.path().join(name), &fence.text).unwrap(),
            ["sh"] | ["sh", _] if words.last() != Some(&"no-run") => {
                place.run(fence);
                ran += 1;
            }
            ["sh", "no-run"] | ["nginx"] | ["text", "trial" | "faults" | "progress"] => {}
            _ => panic!("the test does not know what to do with a fence `{}`", fence.info),
        }
    }
    assert!(ran >= 12, "only {ran} commands were run");
}

#[test]
fn the_lines_on_the_terminal_are_drawn_by_a_test_of_the_view() {
    let tests = fs::read_to_string(root().join("src/view/progress/tests.rs")).unwrap();
    // A snapshot in the source stands indented.
    let tests: Vec<&str> = tests.lines().map(str::trim).collect();
    let fence = fence("text progress").text;
    let lines: Vec<&str> = fence.lines().map(str::trim).collect();
    assert!(lines.len() > 5);
    assert!(tests.windows(lines.len()).any(|drawn| drawn == lines), "{fence}");
}

/// What cannot be tried here is at least spelled right: the program's name, its commands and its flags.
#[test]
fn every_command_and_flag_in_the_readme_exists() {
    let mut known = BTreeSet::from([
        "--release".to_owned(),
        "--path".into(),
        "--locked".into(),
        "--profile".into(),
    ]);
    // Of cargo's, in the section for developers.
    known.extend(["--check", "--all-targets", "--no-deps", "--document-private-items"].map(str::to_owned));
    for command in [
        "run",
        "check",
        "status",
        "collect",
        "serve",
        "report",
        "settle",
        "init",
        "sandbox",
        "completions",
        "man",
    ] {
        known.extend(flags_in(&help(&[command])));
    }
    let unknown: Vec<String> = flags_in(README).difference(&known).cloned().collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn every_option_of_what_works_on_a_batch_is_in_the_table_with_its_default() {
    let table = section("## Options");
    for command in ["run", "check", "collect", "serve", "report", "status"] {
        let help = help(&[command]);
        let own = help.lines().filter(|line| line.trim_start().starts_with('-'));
        for flag in own.flat_map(flags_in).filter(|flag| flag != "--help") {
            let row = table
                .lines()
                .find(|line| line.starts_with('|') && line.split([' ', '`', '[', '|', ',']).any(|word| word == flag))
                .unwrap_or_else(|| panic!("{flag} is not in the table of options"));
            let Some(default) = default_in(&help, &flag) else {
                continue;
            };
            let row = row.replace('`', "");
            let cells: Vec<&str> = row.split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect();
            assert_eq!(cells[1], default, "default of {flag}");
        }
    }
    // The help cannot take this one from where it is decided.
    let words = help(&["run"]).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(&format!("Default: {UPLOAD_URL} for")), "{words}");
}

#[test]
fn the_exit_codes_are_those_of_the_help() {
    let numbers_in = |text: &str| -> BTreeSet<u8> {
        let leading = |line: &str| line.trim_start_matches(['|', ' ']).split(' ').next()?.parse().ok();
        text.lines().filter_map(leading).collect()
    };
    let help = help(&[]);
    let (_, codes) = help.split_once("Exit codes:").unwrap();
    assert_eq!(numbers_in(&section("## Exit codes")), numbers_in(codes));
}

#[test]
fn every_state_error_word_and_column_is_explained() {
    let results = section("## The results");
    for state in RowState::ALL {
        assert!(results.contains(&format!("`{state}`")), "{state}");
    }
    for column in RESULTS_COLUMNS {
        assert!(results.contains(&format!("`{column}`")), "{column}");
    }
    let words = [
        "invalid",
        "connect",
        "timeout",
        "bad_reply",
        "http_NNN",
        "interrupted",
        "halted",
        "dropped",
        "changed",
        "image",
        "upload",
        "failed",
        "no_record",
        "no_result",
        "download",
        "expired",
        "disk_full",
    ];
    for word in words {
        assert!(results.contains(&format!("\n| `{word}` |")), "{word}");
    }
}

#[test]
fn every_column_is_named_and_every_alias_is_one() {
    let table = section("## The manifest");
    for field in Field::ALL {
        let start = format!("| `{field}` |");
        let row = table.lines().find(|line| line.starts_with(&start)).unwrap();
        let aliases = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for alias in quoted(aliases) {
            assert_eq!(Field::of_name(alias), Some(field), "{alias}");
        }
    }
}

#[test]
fn the_keys_of_the_json_summary_are_those_of_the_table() {
    let place = Place::new();
    let manifest = "prompt,image_url\na,https://img.example.org/a.png\n";
    fs::write(place.folder.path().join("one.csv"), manifest).unwrap();
    let output = place.shell("hailuo-batch run one.csv --sandbox --json");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let keys: BTreeSet<&str> = summary.as_object().unwrap().keys().map(String::as_str).collect();
    let table = section("## The summary as JSON");
    let cells = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let named: BTreeSet<&str> = cells
        .flat_map(|cell| cell.split([',', ' ', '`']))
        .filter(|key| !key.is_empty())
        .collect();
    assert_eq!(named, keys);
}

#[test]
fn the_faults_are_the_sandboxs_own_words() {
    assert_eq!(fence("text faults").text.trim_end(), VOCABULARY);
}

#[test]
fn every_environment_variable_in_the_readme_is_read() {
    let option = |name: &str| {
        let flag = format!("--{}", name.to_lowercase().replace('_', "-"));
        flags_in(&help(&["run"])).contains(&flag)
    };
    for name in README.split(|character: char| !character.is_ascii_uppercase() && character != '_') {
        match name.strip_prefix("HAILUO_BATCH_") {
            Some(rest) => assert!(rest == "LOG" || option(rest), "{name}"),
            None if name.starts_with("KIE_") => {
                assert!(
                    ["KIE_API_KEY", "KIE_BASE_URL", "KIE_WEBHOOK_KEY"].contains(&name),
                    "{name}"
                );
            }
            None => {}
        }
    }
}

/// A reader looks for the words on the screen, so they must be the program's.
#[test]
fn every_message_under_troubleshooting_is_one_of_the_programs() {
    let sources = sources_on_one_line();
    let mut messages = 0;
    for line in section("## Troubleshooting")
        .lines()
        .filter(|line| line.starts_with("| `"))
    {
        let cell = line.split(" | ").next().unwrap();
        for message in quoted(cell) {
            messages += 1;
            for part in message.split(" … ") {
                assert!(sources.contains(part), "no message of the program has `{part}`");
            }
        }
    }
    assert!(messages > 20, "{messages}");
}

#[test]
fn every_file_the_readme_points_at_exists() {
    for link in README.split("](").skip(1) {
        let target = link.split(')').next().unwrap();
        if target.starts_with("https://") {
            continue;
        }
        if let Some(heading) = target.strip_prefix('#') {
            let headings = README.lines().filter(|line| line.starts_with('#'));
            let mut anchors = headings.map(|line| line.trim_start_matches(['#', ' ']).to_lowercase().replace(' ', "-"));
            assert!(anchors.any(|anchor| anchor == heading), "{target}");
        } else {
            assert!(root().join(target).exists(), "{target}");
        }
    }
}

/// One command runs what the README lists and what CI checks: they cannot drift apart.
#[test]
fn the_developers_commands_are_those_of_ci() {
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    let (_, section) = README.split_once("## Developing").unwrap();
    let (_, block) = section.split_once("```sh no-run\n").unwrap();
    let commands: Vec<&str> = block.split("```").next().unwrap().lines().collect();
    assert_eq!(commands.last(), Some(&".ci/run"));
    for command in &commands[..commands.len() - 1] {
        let command = command.replace('"', "");
        assert!(
            ci.replace('"', "").contains(&command),
            ".ci/run does not run `{command}`"
        );
    }
}

/// A folder with what the README's commands need: the samples, the jobs and the program by its name.
struct Place {
    folder: TempDir,
    port: u16,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        for name in ["samples", "jobs"] {
            for (from, bytes) in support::files_below(&root().join(name)) {
                // Whoever tried the first command in this folder has results and a ledger in it.
                let text = from.file_name().unwrap().to_str().unwrap();
                if !text.contains(".results.") && !text.contains(".ledger") {
                    let to = folder.path().join(from.strip_prefix(root()).unwrap());
                    fs::create_dir_all(to.parent().unwrap()).unwrap();
                    fs::write(to, bytes).unwrap();
                }
            }
        }
        fs::create_dir(folder.path().join("bin")).unwrap();
        std::os::unix::fs::symlink(PROGRAM, folder.path().join("bin/hailuo-batch")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Place { folder, port }
    }

    /// Runs a fence and checks its exit code.
    #[track_caller]
    fn run(&self, fence: &Fence) -> Output {
        let expected = fence
            .info
            .strip_prefix("sh exit=")
            .map_or(0, |code| code.parse().unwrap());
        let output = self.shell(&fence.text);
        assert_eq!(output.status.code(), Some(expected), "{}\n{output:#?}", fence.text);
        output
    }

    fn shell(&self, commands: &str) -> Output {
        let commands = commands
            .replace("cargo run --release --", "hailuo-batch")
            // Another test, or a user, may have the port.
            .replace("8787", &self.port.to_string());
        let clean = program();
        let mut shell = Command::new("sh");
        for (name, value) in clean.get_envs() {
            assert!(value.is_none());
            shell.env_remove(name);
        }
        let path = std::env::var("PATH").unwrap();
        shell
            // A sandbox in the background must not outlive a command that failed before its end was reached.
            .args([
                "-eu",
                "-c",
                &format!("trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{commands}"),
            ])
            .current_dir(self.folder.path())
            .env("PATH", format!("{}/bin:{path}", self.folder.path().display()))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

/// A block of the README between two fences.
struct Fence {
    /// What stands behind the opening fence.
    info: String,
    text: String,
}

fn fences() -> Vec<Fence> {
    let mut fences = Vec::new();
    for (index, part) in README.split("\n```").enumerate() {
        if index % 2 == 1 {
            let (info, text) = part.split_once('\n').unwrap();
            fences.push(Fence {
                info: info.to_owned(),
                text: format!("{text}\n"),
            });
        }
    }
    fences
}

fn fence(info: &str) -> Fence {
    fences().into_iter().find(|fence| fence.info == info).unwrap()
}

fn section(heading: &str) -> String {
    let (_, behind) = README.split_once(&format!("\n{heading}\n")).unwrap();
    behind.split("\n## ").next().unwrap().to_owned()
}

fn help(command: &[&str]) -> String {
    let output = program().args(command).arg("--help").output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn flags_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '-');
    words
        .filter(|word| {
            word.strip_prefix("--")
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
        })
        .map(str::to_owned)
        .collect()
}

/// The default that the help of `flag` tells, without what it explains about it.
fn default_in(help: &str, flag: &str) -> Option<String> {
    let opening = |line: &str| line.trim_start().starts_with('-');
    let is_ours = |line: &str| opening(line) && flags_in(line).contains(flag);
    let mut lines = help.lines().skip_while(|line| !is_ours(line));
    lines.next();
    let text: Vec<&str> = lines.take_while(|line| !opening(line)).map(str::trim).collect();
    let text = text.join(" ");
    let (_, default) = text.split_once("Default: ")?;
    let end = [". ", ", ", "; ", " (", " Example:"]
        .iter()
        .filter_map(|end| default.find(end))
        .min();
    Some(default[..end.unwrap_or(default.len())].trim_end_matches('.').to_owned())
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Without the figures of the trial's summary that differ from run to run: `in 25 s` and `with 18 looks`.
fn steady(text: &str) -> String {
    let without = |text: &str, before: &str, behind: &str| {
        let (start, rest) = text.split_once(before).unwrap();
        let (figure, end) = rest.split_once(behind).unwrap();
        assert!(figure.parse::<u32>().is_ok(), "{figure}");
        format!("{start}{before}N{behind}{end}")
    };
    without(&without(text, ", in ", " s\n"), ", with ", " looks\n")
}

/// All sources with the strings that span several lines joined.
fn sources_on_one_line() -> String {
    let mut all = String::new();
    for (path, bytes) in support::files_below(&root().join("src")) {
        if path.extension().is_some_and(|extension| extension == "rs") {
            for part in String::from_utf8(bytes).unwrap().split("\\\n") {
                all.push_str(part.trim_start());
            }
        }
    }
    all
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
