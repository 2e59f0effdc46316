//! What a page that is open costs a run: submissions per second with nobody watching, and with a browser's worth of
//! requests, in turns.
//!
//! ```text
//! cargo bench --bench page           # about three minutes
//! ```
//!
//! The limiter is off, so that the run sends as fast as it can: at the account's 2 requests a second nothing would show.
//! The viewer does what the page's script does: it reads the stream of events, and asks for the rows in sight whenever
//! they have changed. Both are on the machine of the run and of the sandbox. Machines are noisy: compare figures of one
//! run only.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints, and stops at the first surprise"
)]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hailuo-batch");

/// Rows of each run.
const ROWS: usize = 100_000;

/// Turns of each measurement; the median is shown.
const TURNS: usize = 5;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start();
    let (mut closed, mut open, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..TURNS {
        // Which comes first changes, so that a machine that gets busier or idler does not decide.
        let order = if turn % 2 == 0 { [false, true] } else { [true, false] };
        let mut rates = [0.0; 2];
        for watched in order {
            let manifest = manifest(folder.path(), &format!("{turn}-{watched}.csv"));
            let (rate, seen) = run(&manifest, &sandbox.url, watched);
            rates[usize::from(watched)] = rate;
            if watched {
                println!("turn {turn}: the viewer got {seen}");
            }
            clean(&manifest);
        }
        println!(
            "turn {turn}: {:.0} submissions per second unwatched, {:.0} watched",
            rates[0], rates[1]
        );
        closed.push(rates[0]);
        open.push(rates[1]);
        ratios.push(rates[1] / rates[0]);
    }
    println!(
        "median of {TURNS}: {:.0} unwatched, {:.0} watched; watched / unwatched {:.3}",
        median(&mut closed),
        median(&mut open),
        median(&mut ratios)
    );
}

/// Runs a batch until its last row is sent. Returns the submissions per second, and what the viewer saw.
fn run(manifest: &Path, url: &str, watched: bool) -> (f64, String) {
    let mut program = Command::new(PROGRAM)
        .arg("run")
        .arg(manifest)
        .args(["--rate", "off", "--reuse-connections", "--concurrency", "256"])
        // Both listen: the page is there, and only who looks at it makes the difference.
        .args([
            "--listen",
            "127.0.0.1:0",
            "--progress",
            "plain",
            "--wait-for",
            "1s",
            "--json",
        ])
        .env("KIE_API_KEY", "bench")
        .env("KIE_BASE_URL", url)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(program.stderr.take().unwrap());
    let place = place_of_page(&mut said);
    let rest = thread::spawn(move || {
        let mut text = String::new();
        said.read_to_string(&mut text).ok();
        text
    });
    let viewer = watched.then(|| thread::spawn(move || view(&place)));
    let status = program.wait().unwrap();
    let text = rest.join().unwrap();
    // Tasks have not ended within the second: exit code 1.
    assert!(matches!(status.code(), Some(0 | 1)), "{status}: {text}");
    let seen = viewer.map(|viewer| viewer.join().unwrap()).unwrap_or_default();
    let ledger = rusqlite::Connection::open(ledger_of(manifest)).unwrap();
    let (requests, millis): (i64, i64) = ledger
        .query_row(
            "SELECT count(*), max(answered_at) - min(began_at) FROM attempts",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!(requests, i64::try_from(ROWS).unwrap());
    (requests as f64 * 1_000.0 / millis as f64, seen)
}

/// `127.0.0.1:PORT`, from the line that tells where the page is.
fn place_of_page(said: &mut impl BufRead) -> String {
    let mut line = String::new();
    while said.read_line(&mut line).unwrap() > 0 {
        if let Some((_, rest)) = line.split_once("http://127.0.0.1:") {
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            return format!("127.0.0.1:{port}");
        }
        line.clear();
    }
    panic!("the run did not say where its page is");
}

/// Looks on as the page's script does, until the run ends.
fn view(place: &str) -> String {
    let (changed, is_changed) = mpsc::channel::<u64>();
    let rows_from = place.to_owned();
    let rows = thread::spawn(move || {
        let (mut lists, mut bytes) = (0_u64, 0);
        while let Ok(mut version) = is_changed.recv() {
            while let Ok(newer) = is_changed.try_recv() {
                version = newer;
            }
            let Some(list) = get(&rows_from, "api/rows?offset=0&limit=100") else {
                break;
            };
            assert!(list.contains("\"total\""), "version {version}: {list}");
            lists += 1;
            bytes += list.len();
        }
        (lists, bytes)
    });
    let (mut events, mut bytes) = (0_u64, 0);
    let mut last = None;
    if let Some(stream) = ask(place, "events") {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { break };
            bytes += line.len();
            let Some((_, rest)) = line.split_once("\"rows\":") else {
                continue;
            };
            events += 1;
            let version: String = rest.chars().take_while(char::is_ascii_digit).collect();
            let version = version.parse().unwrap_or_default();
            if last.replace(version) != Some(version) {
                changed.send(version).ok();
            }
        }
    }
    drop(changed);
    let (lists, bytes_of_rows) = rows.join().unwrap();
    format!(
        "{events} events ({} kB) and {lists} lists of rows ({} kB)",
        bytes / 1_000,
        bytes_of_rows / 1_000
    )
}

fn ask(place: &str, path: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(place).ok()?;
    write!(
        stream,
        "GET /{path} HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    Some(stream)
}

fn get(place: &str, path: &str) -> Option<String> {
    let mut answer = Vec::new();
    ask(place, path)?.read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned()).filter(|answer| !answer.is_empty())
}

fn manifest(folder: &Path, name: &str) -> PathBuf {
    let mut text = String::from("id,prompt,image_url\n");
    for row in 1..=ROWS {
        writeln!(text, "r{row},clip number {row},https://img.example.org/{row}.png").unwrap();
    }
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

fn ledger_of(manifest: &Path) -> PathBuf {
    PathBuf::from(format!("{}.ledger", manifest.display()))
}

/// Ledgers of a hundred thousand rows fill a small disk.
fn clean(manifest: &Path) {
    let folder = manifest.parent().unwrap();
    let stem = manifest.file_stem().unwrap().to_str().unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with(stem) {
            fs::remove_file(path).unwrap();
        }
    }
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// The sandbox without its limit; ends with this.
struct Sandbox {
    url: String,
    process: Child,
}

impl Sandbox {
    fn start() -> Sandbox {
        let mut process = Command::new(PROGRAM)
            .args([
                "sandbox",
                "--port",
                "0",
                "--limit",
                "off",
                "--credits",
                "unlimited",
                "--forget-requests",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line.split_whitespace().find(|word| word.starts_with("http://"));
        let url = url.unwrap_or_else(|| panic!("{line}")).to_owned();
        Sandbox { url, process }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
