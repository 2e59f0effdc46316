//! Callbacks over real sockets: they save looks and settle rows whose answer was lost, and nobody else's can do harm.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use support::machine::{JumpingClock, can_use};
use support::{Batch, KEY, Running, SandboxProcess, files_below, in_parallel, program, signal, wait_until};

/// The key that callbacks are signed with; it must show nowhere, either.
const WEBHOOK_KEY: &str = "canary-webhook-77d0a1c4be";

/// A sandbox that signs its callbacks, if it is to.
fn sandbox(signs: bool, flags: &[&str]) -> SandboxProcess {
    if !signs {
        return SandboxProcess::start(flags);
    }
    SandboxProcess::start_in(
        program().env("SANDBOX_WEBHOOK_KEY", WEBHOOK_KEY),
        &[&["--webhook-key-env", "SANDBOX_WEBHOOK_KEY"], flags].concat(),
    )
}

/// A port that was free a moment ago, and stays so long enough: the kernel gives the others first.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where a receiver listens, and what leads there.
struct Place {
    listen: String,
    public_url: String,
}

impl Place {
    fn new() -> Place {
        let listen = format!("127.0.0.1:{}", free_port());
        let public_url = format!("http://{listen}/kie?team=a");
        Place { listen, public_url }
    }

    /// A command with a receiver, not started yet.
    fn command(&self, batch: &Batch, command: &str, key: bool, flags: &[&str]) -> Command {
        let mut all = vec!["--json", "--listen", &self.listen, "--public-url", &self.public_url];
        all.extend(flags);
        let mut command = batch.command(command, &all);
        if key {
            command.env("KIE_WEBHOOK_KEY", WEBHOOK_KEY);
        }
        command
    }
}

fn booked(sandbox: &SandboxProcess, part: &str, key: &str) -> u64 {
    sandbox.books()[part][key].as_u64().unwrap()
}

/// Neither key is in a file of the batch.
#[track_caller]
fn assert_no_key_in(batch: &Batch) {
    for (path, bytes) in files_below(batch.folder.path()) {
        for key in [KEY, WEBHOOK_KEY] {
            let found = bytes.windows(key.len()).any(|window| window == key.as_bytes());
            assert!(!found, "a key is in {}", path.display());
        }
    }
}

#[test]
fn callbacks_of_every_kind_bring_the_videos_home_with_few_looks() {
    let kinds = [
        "twice", "late=1s", "first", "snake",
        // These are found by the look that does not wait for a callback.
        "never", "forged",
    ];
    in_parallel(&[true, false], |signs| {
        let mut prompts: Vec<String> = kinds
            .iter()
            .map(|kind| format!("{kind} [sandbox:callback-{kind}]"))
            .collect();
        prompts.extend(["one", "two", "three", "four [sandbox:task-fail]"].map(str::to_owned));
        let sandbox = sandbox(*signs, &["--generate", "300ms..900ms"]);
        let batch = Batch::with_prompts(&prompts, &sandbox);
        let started = Instant::now();
        let mut run = Place::new().command(&batch, "run", *signs, &["--download", "videos", "--rate", "1000/1s"]);
        let ended = Running::of(&mut run).end();
        ended.expect_code(1);
        assert_eq!((ended.count("saved"), ended.count("failed")), (9, 1), "{ended:#?}");
        assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
        let looks = booked(&sandbox, "polls", "requests");
        assert!((10..=20).contains(&looks), "{looks} looks at ten tasks");
        assert!(booked(&sandbox, "callbacks", "answered") >= 8, "{}", sandbox.books());
        assert_eq!(
            (sandbox.count("requests"), booked(&sandbox, "files", "with_key")),
            (10, 0)
        );
        assert_no_key_in(&batch);
    });
}

#[test]
fn rows_whose_answer_was_lost_are_settled_by_their_callbacks() {
    // Every other row, or the breaker would hold the run.
    let prompts: Vec<String> = (1..=11)
        .map(|row| match row % 2 {
            1 => format!("row {row} [sandbox:lost]"),
            _ => format!("row {row}"),
        })
        .collect();
    in_parallel(&[true, false], |signs| {
        let sandbox = sandbox(*signs, &["--generate", "1s"]);
        let batch = Batch::with_prompts(&prompts, &sandbox);
        let flags = ["--download", "videos", "--rate", "1000/1s", "--concurrency", "1"];
        let ended = Running::of(&mut Place::new().command(&batch, "run", *signs, &flags)).end();
        ended.expect_code(0);
        assert_eq!((ended.count("saved"), ended.count("unknown")), (11, 0));
        assert_eq!(ended.summary()["collected"]["settled"], 6);
        assert_eq!(ended.stderr.matches("a callback named it").count(), 6, "{ended:#?}");
        let verdict = batch.judge(&sandbox);
        assert_eq!((verdict.count("saved"), verdict.requests), (11, 11));
        assert_eq!(batch.run(&[]).count("requests"), 0);
    });
}

#[test]
fn a_server_takes_the_callbacks_of_an_earlier_run_until_it_is_told_to_stop() {
    let sandbox = sandbox(true, &["--generate", "700ms"]);
    let batch = Batch::with_prompts(&["one", "two", "three [sandbox:lost]"], &sandbox);
    let place = Place::new();
    batch
        .run(&["--public-url", &place.public_url, "--concurrency", "1"])
        .expect_code(4);
    let serving = Running::of(&mut place.command(&batch, "serve", true, &["--download", "videos"]));
    let videos = batch.path("videos");
    wait_until("three videos", || {
        std::fs::read_dir(&videos).is_ok_and(|entries| {
            let finished =
                entries.filter(|entry| !entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
            finished.count() == 3
        })
    });
    let refused = batch.run(&[]);
    refused.expect_code(5);
    sleep(Duration::from_millis(100));
    signal(serving.id(), "TERM");
    let ended = serving.end();
    ended.expect_code(143);
    assert_eq!((ended.count("saved"), ended.count("unknown")), (3, 0), "{ended:#?}");
    assert!(batch.results().iter().all(|row| row["status"] == "saved"));
    assert!(booked(&sandbox, "polls", "requests") <= 6);
    assert_eq!(sandbox.count("requests"), 3);
    assert_no_key_in(&batch);
}

#[test]
fn where_nobody_can_listen_nothing_is_sent() {
    let sandbox = SandboxProcess::start(&[]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let batch = Batch::with_rows(2, &sandbox);
    let refused = batch.run(&["--listen", &listen, "--public-url", "https://hooks.example.org/kie"]);
    refused.expect_code(2);
    assert!(refused.stderr.contains(&listen), "{refused:#?}");
    assert_eq!(sandbox.count("requests"), 0);
    // Nothing is left that would be in the way of the next run.
    batch.run(&[]).expect_code(0);
}

#[test]
fn a_flood_of_forged_callbacks_neither_slows_the_sending_nor_changes_a_row() {
    const FLOOD: u32 = 1_000;
    let sandbox = sandbox(true, &["--generate", "300ms"]);
    let batch = Batch::with_rows(60, &sandbox);
    let place = Place::new();
    let flags = ["--rate", "30/1s", "--poll-rate", "off"];
    let running = Running::of(&mut place.command(&batch, "run", true, &flags));
    wait_until("the receiver", || TcpStream::connect(&place.listen).is_ok());
    let (sent, over) = (AtomicU32::new(0), AtomicBool::new(false));
    let ended = scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let number = sent.fetch_add(1, Ordering::Relaxed);
                    if let Some(answer) = forged_callback(&place.listen, number) {
                        assert!(!answer.starts_with("HTTP/1.1 2"), "{number}: {answer}");
                    }
                }
            });
        }
        let ended = running.end();
        over.store(true, Ordering::Relaxed);
        ended
    });
    ended.expect_code(0);
    assert_eq!((ended.count("succeeded"), ended.count("requests")), (60, 60));
    let sent = sent.load(Ordering::Relaxed);
    assert!(sent >= FLOOD, "only {sent} came");
    let times: Vec<i64> = sandbox
        .requests()
        .iter()
        .map(|seen| seen["unix_ms"].as_i64().unwrap())
        .collect();
    let took = times.iter().max().unwrap() - times.iter().min().unwrap();
    // At 30 a second, 59 rows after the first take two seconds.
    assert!(took < 3_000, "{took} ms for 60 rows");
    assert!(booked(&sandbox, "polls", "requests") <= 120);
}

/// A callback for one of the first rows that its sender knows nothing of but the shape; the answer, if there is one.
fn forged_callback(address: &str, number: u32) -> Option<String> {
    let attempt = number % 60 + 1;
    let token = format!("{attempt}-{}", "0".repeat(32));
    let body = r#"{"code":501,"msg":"failed","data":{"taskId":"0123456789abcdef","state":"fail"}}"#;
    let signed = match number % 2 {
        0 => "",
        _ => "X-Webhook-Timestamp: 1795390972\r\nX-Webhook-Signature: c2lnbmVkIGJ5IG5vYm9keQ==\r\n",
    };
    let mut stream = TcpStream::connect(address).ok()?;
    write!(
        stream,
        "POST /kie?team=a&token={token} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{signed}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    stream.shutdown(Shutdown::Write).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer).filter(|answer| !answer.is_empty())
}

#[test]
fn a_wall_clock_that_is_set_in_between_loses_and_delays_nothing() {
    if !can_use(&["faketime"]) {
        return;
    }
    let cases = [
        ("collect", "+3600"),
        ("collect", "-3600"),
        ("run", "+3600"),
        ("run", "-3600"),
    ];
    in_parallel(&cases, |(name, jump)| {
        let sandbox = SandboxProcess::start(&["--generate", "500ms"]);
        let batch = Batch::with_rows(12, &sandbox);
        if *name == "collect" {
            batch.run(&[]).expect_code(0);
        }
        let rate: &[&str] = if *name == "run" { &["--rate", "6/1s"] } else { &[] };
        let mut command = batch.command(name, &[&["--json", "--download", "videos"], rate].concat());
        let clock = JumpingClock::for_program(&mut command, batch.path("clock"));
        let started = Instant::now();
        let running = Running::of(&mut command);
        match *name {
            "run" => wait_until("a few rows", || sandbox.count("requests") >= 3),
            _ => sleep(Duration::from_millis(700)),
        }
        assert!(sandbox.count("requests") < 12 || *name == "collect");
        clock.set(jump);
        let ended = running.end();
        ended.expect_code(0);
        assert_eq!(ended.count("saved"), 12, "{name} {jump}: {ended:#?}");
        assert!(
            started.elapsed() < Duration::from_secs(12),
            "{name} {jump}: {:?}",
            started.elapsed()
        );
        assert_eq!(sandbox.count("requests"), 12, "{name} {jump}");
    });
}
