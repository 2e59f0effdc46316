//! What monitoring relies on: the file of metrics is there, whole and readable; and alerts and dashboard ask for what is in it.
//!
//! `promtool` judges, of Debian's package `prometheus`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Batch, Finished, SandboxProcess, through};

/// Runs promtool; `input` is what it reads.
#[track_caller]
fn promtool(arguments: &[&str], input: &str) {
    let started = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match started {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("this test needs promtool: `apt-get install prometheus`")
        }
        started => started.unwrap(),
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    // It finds fault with names and texts without a code to say so.
    let is_content = output.status.success() && (arguments != ["check", "metrics"] || said.is_empty());
    assert!(
        is_content,
        "promtool {arguments:?}: {}\n{input}",
        String::from_utf8_lossy(&said)
    );
}

/// The value of each sample, by its name and labels as they are written.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let samples = lines.map(|line| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        (
            series.strip_prefix("hailuo_batch_").unwrap().to_owned(),
            value.parse().unwrap(),
        )
    });
    samples.collect()
}

fn read(path: &Path) -> BTreeMap<String, f64> {
    samples(&fs::read_to_string(path).unwrap())
}

fn value(samples: &BTreeMap<String, f64>, name: &str, labels: &str) -> Option<f64> {
    samples.get(&format!("{name}{{batch=\"shots.csv\"{labels}}}")).copied()
}

#[track_caller]
fn await_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(30), "not in 30 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The metrics of a batch of which a little of everything has happened, so that no metric is absent.
fn everything() -> String {
    let sandbox = SandboxProcess::start(&["--generate", "0", "--credits", "1000"]);
    let batch = Batch::with_rows(4, &sandbox);
    let path = batch.path("shots.prom");
    let flag = ["--metrics-file", path.to_str().unwrap()];
    batch
        .run(&[&["--rate", "20/10s", "--burst", "20"][..], &flag].concat())
        .expect_code(0);
    // The videos are there, and nobody has saved them.
    batch.collect(&[&["--no-download"][..], &flag].concat()).expect_code(0);
    fs::read_to_string(path).unwrap()
}

#[test]
fn promtool_accepts_what_a_run_and_a_collector_leave() {
    let text = everything();
    promtool(&["check", "metrics"], &text);
    let samples = samples(&text);
    for (name, labels, expected) in [
        ("rows", ",state=\"succeeded\"", 4.0),
        ("rows", ",state=\"queued\"", 0.0),
        ("requests_total", "", 4.0),
        ("request_outcomes", ",result=\"accepted\",code=\"\"", 4.0),
        ("task_outcomes", ",result=\"succeeded\",code=\"\"", 4.0),
        ("request_duration_seconds_count", "", 4.0),
        ("task_duration_seconds_bucket", ",le=\"+Inf\"", 4.0),
        ("credits_spent", "", 120.0),
        ("account_credits", "", 880.0),
        ("rate_limit_requests_per_second", "", 2.0),
        ("at_work", "", 0.0),
        ("halted", ",code=\"\"", 0.0),
        ("runs_total", "", 1.0),
        ("last_run_exit_code", "", 0.0),
    ] {
        assert_eq!(value(&samples, name, labels), Some(expected), "{name}{labels}\n{text}");
    }
    for name in [
        "last_run_start_timestamp_seconds",
        "last_run_end_timestamp_seconds",
        "last_accepted_timestamp_seconds",
        "first_expiry_timestamp_seconds",
        "read_timestamp_seconds",
    ] {
        assert!(value(&samples, name, "").unwrap() > 1.7e9, "{name}");
    }
}

#[test]
fn a_halt_is_told_with_its_code_and_status_goes_on_telling_it() {
    let sandbox = SandboxProcess::start(&["--credits", "60"]);
    let batch = Batch::with_rows(5, &sandbox);
    let path = batch.path("shots.prom");
    let flag = ["--metrics-file", path.to_str().unwrap()];
    batch.run(&flag).expect_code(3);
    let halted = read(&path);
    assert_eq!(value(&halted, "halted", ",code=\"402\""), Some(1.0));
    assert_eq!(value(&halted, "last_run_exit_code", ""), Some(3.0));
    let status = Finished::of(batch.command("status", &flag).output().unwrap());
    assert_ne!(status.code, Some(2), "{status:?}");
    let later = read(&path);
    assert_eq!(value(&later, "halted", ",code=\"402\""), Some(1.0));
    // It ended no run.
    assert_eq!(value(&later, "last_run_exit_code", ""), None);
}

#[test]
fn a_run_at_work_shows_where_it_stands_and_leaves_nothing_else_beside_its_file() {
    let sandbox = SandboxProcess::start(&["--latency", "3s"]);
    let batch = Batch::with_rows(2, &sandbox);
    let folder = batch.path("collector");
    fs::create_dir(&folder).unwrap();
    let path = folder.join("shots.prom");
    let run = batch.start(&["--metrics-file", path.to_str().unwrap()]);
    await_until("a file of metrics", || path.exists());
    let at_work = read(&path);
    assert_eq!(value(&at_work, "at_work", ""), Some(1.0));
    assert_eq!(value(&at_work, "last_run_end_timestamp_seconds", ""), None);
    run.end().expect_code(0);
    let ended = read(&path);
    assert_eq!(value(&ended, "at_work", ""), Some(0.0));
    assert_eq!(value(&ended, "rows", ",state=\"accepted\""), Some(2.0));
    let names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["shots.prom"]);
}

#[test]
fn another_user_may_read_them_whatever_the_umask() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_rows(1, &sandbox);
    let path = batch.path("shots.prom");
    let run = batch.command("run", &["--metrics-file", path.to_str().unwrap()]);
    let mut strict = through("sh", &["-c", "umask 077; exec \"$@\"", "sh"], &run);
    Finished::of(strict.output().unwrap()).expect_code(0);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o644);
    assert_eq!(mode(&batch.ledger()), 0o600, "the umask was at work");
}

#[test]
fn somebody_elses_file_is_refused_before_anything_is_sent() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_rows(1, &sandbox);
    let path = batch.path("notes.prom");
    fs::write(&path, "# HELP node_load1 1m load average.\n").unwrap();
    let refused = batch.run(&["--metrics-file", path.to_str().unwrap()]);
    refused.expect_code(2);
    assert!(
        refused.stderr.contains("holds no metrics of hailuo-batch"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("--metrics-file"), "{}", refused.stderr);
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "# HELP node_load1 1m load average.\n"
    );
    assert!(sandbox.requests().is_empty());
    // Nor may they take the place of the batch's own files.
    let manifest = batch.manifest.to_str().unwrap();
    let own = batch.run(&["--metrics-file", manifest]);
    own.expect_code(2);
    assert!(fs::read_to_string(manifest).unwrap().starts_with("id,prompt"));
}

#[test]
fn that_they_cannot_be_written_is_a_warning_and_stops_nothing() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_rows(2, &sandbox);
    let path = batch.path("nowhere/shots.txt");
    let run = batch.run(&["--metrics-file", path.to_str().unwrap()]);
    run.expect_code(0);
    assert_eq!(run.count("accepted"), 2);
    assert!(
        run.stderr.contains("warning: the metrics are not written"),
        "{}",
        run.stderr
    );
    // And the name is one that no collector reads.
    assert!(run.stderr.contains("`.prom`"), "{}", run.stderr);
}

fn job(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs").join(name)
}

#[test]
fn the_alert_rules_are_valid_and_do_what_their_tests_say() {
    promtool(&["check", "rules", job("alerts.yml").to_str().unwrap()], "");
    promtool(&["test", "rules", job("alerts_test.yml").to_str().unwrap()], "");
}

#[test]
fn every_alert_is_tested() {
    let rules = fs::read_to_string(job("alerts.yml")).unwrap();
    let tests = fs::read_to_string(job("alerts_test.yml")).unwrap();
    let names: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(names.len() >= 7, "{names:?}");
    for name in names {
        let fires = tests
            .split("alertname: ")
            .any(|test| test.starts_with(name) && test.contains("exp_alerts"));
        let is_quiet = tests.split("alertname: ").any(|test| {
            test.strip_prefix(name)
                .is_some_and(|test| !test.trim_start().starts_with("exp_alerts"))
        });
        assert!(fires && is_quiet, "{name}");
    }
}

/// Every expression of the dashboard, with something in the place of what Grafana fills in.
fn dashboard_expressions() -> Vec<String> {
    let text = fs::read_to_string(job("grafana-dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let mut expressions = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for key in ["title", "description"] {
            assert!(panel[key].as_str().is_some_and(|text| !text.is_empty()), "{panel}");
        }
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{panel}");
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${DS_PROMETHEUS}", "{target}");
            expressions.push(target["expr"].as_str().unwrap().replace("$__rate_interval", "1m"));
        }
    }
    assert!(expressions.len() >= 20);
    expressions
}

#[test]
fn every_expression_of_the_dashboard_is_valid() {
    let rules = dashboard_expressions()
        .into_iter()
        .enumerate()
        .map(|(index, expression)| {
            // JSON's strings are YAML's.
            format!("  - record: dashboard:{index}\n    expr: {}\n", Value::from(expression))
        });
    let rules: String = std::iter::once("groups:\n- name: dashboard\n  rules:\n".to_owned())
        .chain(rules)
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dashboard.yml");
    fs::write(&path, rules).unwrap();
    promtool(&["check", "rules", path.to_str().unwrap()], "");
}

/// The names of metrics in an expression or a whole file of them.
fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'));
    words
        .filter(|word| word.starts_with("hailuo_batch_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_are_there() {
    let text = everything();
    let told: BTreeSet<String> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split('{').next().map(str::to_owned))
        .collect();
    let mut asked = names_in(&fs::read_to_string(job("alerts.yml")).unwrap());
    asked.append(&mut names_in(&fs::read_to_string(job("alerts_test.yml")).unwrap()));
    asked.append(&mut names_in(&dashboard_expressions().join("\n")));
    assert!(asked.len() >= 20, "{asked:?}");
    let missing: Vec<_> = asked.difference(&told).collect();
    assert!(missing.is_empty(), "{missing:?} not in\n{text}");
}
