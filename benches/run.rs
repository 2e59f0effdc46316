//! What a run costs: submissions per second with the limiter off, time to the first request, and a rerun.
//!
//! ```text
//! cargo bench --bench run            # about a minute
//! cargo bench --bench run -- pace    # also 200 rows at 20 per 10 s against the exact sliding window: two minutes more
//! ```
//!
//! The server is the sandbox as a process of its own, on the same machine; the ledger is durable (one sync per group of
//! commits) in the folder of `TMPDIR`. CPU time is the client's alone, user and system. Machines are noisy: compare
//! figures of one run only.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops at the first surprise"
)]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hailuo-batch");

/// Rows of each run that is timed.
const ROWS: usize = 20_000;

/// Rows of the batch that is run again.
const DONE: usize = 100_000;

/// Turns of each measurement; the median is shown.
const TURNS: usize = 5;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let sandbox = Sandbox::start(&["--limit", "off", "--forget-requests"]);

    println!("start to first request (one row, new ledger):");
    let journal = folder.join("journal.jsonl");
    let mut first = Vec::new();
    for turn in 0..TURNS * 2 + 1 {
        let sandbox = Sandbox::start(&["--limit", "off", "--journal", journal.to_str().unwrap()]);
        let manifest = manifest(folder, &format!("one{turn}.csv"), 1);
        let started = now_ms();
        run(&manifest, &sandbox.url, &[]);
        let line = fs::read_to_string(&journal).unwrap();
        let arrived: serde_json::Value = serde_json::from_str(line.lines().last().unwrap()).unwrap();
        first.push(arrived["unix_ms"].as_f64().unwrap() - started);
    }
    println!(
        "  median {:.0} ms, worst {:.0} ms",
        median(&mut first),
        first.last().unwrap()
    );

    println!("submissions, limiter off, {ROWS} rows:");
    for (name, flags) in [
        (
            "reused connections, 256 in flight",
            &["--reuse-connections", "--concurrency", "256"][..],
        ),
        (
            "reused connections, 64 in flight",
            &["--reuse-connections", "--concurrency", "64"],
        ),
        ("fresh connections, 256 in flight", &["--concurrency", "256"]),
    ] {
        let (mut per_second, mut cpu) = (Vec::new(), Vec::new());
        for turn in 0..TURNS {
            let manifest = manifest(folder, &format!("all{turn}.csv"), ROWS);
            let cost = run(&manifest, &sandbox.url, &[&["--rate", "off"], flags].concat());
            per_second.push(ROWS as f64 / cost.wall);
            cpu.push(cost.cpu * 1_000.0 / ROWS as f64);
            clean(&manifest);
        }
        println!(
            "  {name}: {:.0} per second, {:.3} ms of CPU each",
            median(&mut per_second),
            median(&mut cpu)
        );
    }

    let manifest_done = manifest(folder, "done.csv", DONE);
    run(
        &manifest_done,
        &sandbox.url,
        &["--rate", "off", "--reuse-connections", "--concurrency", "256"],
    );
    let mut again: Vec<f64> = (0..TURNS)
        .map(|_| run(&manifest_done, &sandbox.url, &[]).wall)
        .collect();
    println!("rerun over {DONE} finished rows: median {:.2} s", median(&mut again));

    if std::env::args().any(|argument| argument == "pace") {
        let sandbox = Sandbox::start(&["--limit", "20/10s"]);
        let manifest = manifest(folder, "pace.csv", 200);
        let cost = run(&manifest, &sandbox.url, &[]);
        let ideal = 199.0 * 0.5;
        println!(
            "200 rows at 20/10s: {:.1} s, {:.3} × the ideal; books: {}",
            cost.wall,
            cost.wall / ideal,
            sandbox.books()
        );
    }
}

struct Cost {
    wall: f64,
    cpu: f64,
}

/// Runs a batch to its end; the shell's `times` tells the CPU time of its children.
fn run(manifest: &Path, url: &str, flags: &[&str]) -> Cost {
    let started = Instant::now();
    let output = Command::new("bash")
        .args([
            "-c",
            "\"$@\" >/dev/null; code=$?; times >&2; exit $code",
            "bash",
            PROGRAM,
            "run",
        ])
        .arg(manifest)
        .args(["--progress", "none", "--json"])
        .args(flags)
        .env("KIE_API_KEY", "bench")
        .env("KIE_BASE_URL", url)
        .output()
        .unwrap();
    let wall = started.elapsed().as_secs_f64();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}");
    let children = text.lines().last().unwrap();
    Cost {
        wall,
        cpu: children.split_whitespace().map(seconds).sum(),
    }
}

/// `0m1.234s` in seconds.
fn seconds(text: &str) -> f64 {
    let (minutes, seconds) = text.trim_end_matches('s').split_once('m').unwrap();
    minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
}

fn now_ms() -> f64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64()
        * 1_000.0
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn manifest(folder: &Path, name: &str, rows: usize) -> std::path::PathBuf {
    let path = folder.join(name);
    let mut text = String::from("id,prompt,image_url,duration,resolution\n");
    for row in 0..rows {
        writeln!(
            text,
            "clip-{row:07},\"A paper boat number {row} drifts down a rain gutter, slow dolly follow, soft light\",\
             https://img.example.org/boat-{row:07}.png,6,768P"
        )
        .unwrap();
    }
    fs::write(&path, text).unwrap();
    path
}

fn clean(manifest: &Path) {
    let ledger = manifest.with_extension("csv.ledger");
    fs::remove_file(ledger).unwrap();
}

/// The sandbox as a process of its own.
struct Sandbox {
    child: Child,
    url: String,
}

impl Sandbox {
    fn start(flags: &[&str]) -> Sandbox {
        let mut child = Command::new(PROGRAM)
            .args(["sandbox", "--port", "0", "--credits", "unlimited"])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Sandbox { child, url }
    }

    /// What it says of the window: the most requests it saw in one, and how many it refused.
    fn books(&self) -> String {
        let text = Command::new("curl")
            .args(["-s", &format!("{}/sandbox/books", self.url)])
            .output()
            .unwrap()
            .stdout;
        let books: serde_json::Value = serde_json::from_slice(&text).unwrap();
        format!(
            "{} in the busiest window, {} refused",
            books["max_in_window"], books["refused_429"]
        )
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
