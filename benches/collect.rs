//! What collecting costs: finished tasks looked at, at a pace and without one; time, memory, looks.
//!
//! ```text
//! cargo bench --bench collect
//! ```
//!
//! Wanted: one look for each task, the time that the pace allows, and a peak of at most 50 MiB. The server is the sandbox
//! as a process of its own, on the same machine; the ledger is durable, in the folder of `TMPDIR`.

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
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hailuo-batch");

const TASKS: usize = 10_000;

/// Longer than a task is left alone after its submission.
const FIRST_LOOK: Duration = Duration::from_secs(4);

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let sandbox = Sandbox::start();
    println!("{TASKS} finished tasks:");
    for (rate, ideal) in [
        // One look every two milliseconds, or every one: that fine no timer is, so that this shows what it costs. The
        // API's own limit is ten a second.
        ("500/1s", Some((TASKS - 1) as f64 / 500.0)),
        ("1000/1s", Some((TASKS - 1) as f64 / 1_000.0)),
        ("off", None),
    ] {
        let looks_before = sandbox.polls();
        let manifest = sent(folder, &format!("clips-{}.csv", rate.replace('/', "-")), &sandbox);
        let cost = collect(&manifest, &sandbox.url, &["--no-download", "--poll-rate", rate]);
        let looks = sandbox.polls() - looks_before;
        let ideal = ideal.map_or(String::new(), |ideal| {
            format!(", {:.2} × the pace's {ideal:.0} s", cost.seconds / ideal)
        });
        println!(
            "  --poll-rate {rate}: {looks} looks in {:.1} s ({:.0} a second{ideal}), peak {:.1} MiB",
            cost.seconds,
            looks as f64 / cost.seconds,
            cost.peak_mib
        );
        assert_eq!(looks, TASKS as u64, "one look for each task");
        if rate == "off" {
            let cost = collect(
                &manifest,
                &sandbox.url,
                &["--download", folder.join("videos").to_str().unwrap()],
            );
            println!(
                "  their videos, 16 kB each, 4 at once: {:.1} s ({:.0} a second), peak {:.1} MiB",
                cost.seconds,
                TASKS as f64 / cost.seconds,
                cost.peak_mib
            );
            let cost = collect(&manifest, &sandbox.url, &[]);
            println!(
                "  again, with all of it done: {:.2} s, peak {:.1} MiB",
                cost.seconds, cost.peak_mib
            );
        }
    }
}

/// A batch of tasks that have ended and wait to be looked at.
fn sent(folder: &Path, name: &str, sandbox: &Sandbox) -> std::path::PathBuf {
    let manifest = folder.join(name);
    let mut text = String::from("id,prompt,image_url\n");
    for row in 0..TASKS {
        writeln!(
            text,
            "clip-{row:07},\"{name}: paper boat number {row} drifts down a rain gutter, slow dolly follow\",\
             https://img.example.org/boat-{row:07}.png"
        )
        .unwrap();
    }
    fs::write(&manifest, text).unwrap();
    let output = command("run", &manifest, &sandbox.url)
        .args(["--rate", "off", "--reuse-connections", "--concurrency", "256"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::thread::sleep(FIRST_LOOK);
    manifest
}

fn command(name: &str, manifest: &Path, url: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .arg(name)
        .arg(manifest)
        .args(["--progress", "none", "--json"])
        .env("KIE_API_KEY", "bench")
        .env("KIE_BASE_URL", url);
    command
}

struct Cost {
    seconds: f64,
    peak_mib: f64,
}

/// Collects to the end, and reads the peak of its memory from time to time: it is gone with the process.
fn collect(manifest: &Path, url: &str, flags: &[&str]) -> Cost {
    let started = Instant::now();
    let mut child = command("collect", manifest, url)
        .args(flags)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0.0;
    let status = loop {
        let status = fs::read_to_string(&status_file).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(kib) = peak.and_then(|peak| peak.split_whitespace().next()?.parse::<f64>().ok()) {
            peak_kib = kib;
        }
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(status.success(), "{status}");
    Cost {
        seconds: started.elapsed().as_secs_f64(),
        peak_mib: peak_kib / 1024.0,
    }
}

/// The sandbox as a process of its own.
struct Sandbox {
    child: Child,
    url: String,
}

impl Sandbox {
    fn start() -> Sandbox {
        let mut child = Command::new(PROGRAM)
            .args(["sandbox", "--port", "0", "--credits", "unlimited", "--limit", "off"])
            .args(["--poll-limit", "off", "--generate", "0", "--forget-requests"])
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

    /// Looks at tasks that it saw.
    fn polls(&self) -> u64 {
        let text = Command::new("curl")
            .args(["-s", &format!("{}/sandbox/books", self.url)])
            .output()
            .unwrap()
            .stdout;
        let books: serde_json::Value = serde_json::from_slice(&text).unwrap();
        books["polls"]["requests"].as_u64().unwrap()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
