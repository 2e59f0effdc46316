//! A run that dies, at whatever moment: no row is paid for twice, no task id is lost, and the next run goes on.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use support::faults::{self, Fault, inject};
use support::machine::can_use;
use support::{Batch, Finished, Running, SandboxProcess, signal, through, wait_until};

/// Most kill points a run may have before the test gives up; far more than there are.
const MOST_POINTS: u32 = 2_000;

/// How many kills at random moments: `CRASH_KILLS`, or 100.
fn kills() -> u32 {
    std::env::var("CRASH_KILLS").map_or(100, |number| number.parse().unwrap())
}

/// Runs and kills a batch so many times, each time after a random part of `most`, then runs it to its end. Returns how
/// many kills struck a run at work.
fn kill_again_and_again(batch: &Batch, flags: &[&str], kills: u32, most: Duration) -> u32 {
    let mut struck = 0;
    for _ in 0..kills {
        let mut run = batch.start(flags);
        thread::sleep(most.mul_f64(fastrand::f64()));
        struck += u32::from(!run.is_over());
        run.kill();
    }
    struck
}

#[test]
fn a_run_killed_a_hundred_times_bills_no_row_twice_and_loses_no_task_id() {
    const CONCURRENCY: usize = 4;
    let share = kills().div_ceil(4);
    thread::scope(|scope| {
        for faults in [
            &[][..],
            &["--fault", "500=0.05"],
            &["--fault", "lost=0.03"],
            &["--fault", "cut=0.02,drop=0.02"],
        ] {
            scope.spawn(move || {
                let mut flags = vec!["--latency", "1ms..40ms"];
                flags.extend(faults);
                let sandbox = SandboxProcess::start(&flags);
                let batch = Batch::with_rows(40 * share as usize, &sandbox);
                let flags = ["--rate", "1000/1s", "--concurrency", "4"];
                let struck = kill_again_and_again(&batch, &flags, share, Duration::from_millis(200));
                assert!(struck > share / 2, "only {struck} of {share} kills came before the end");
                // What a fault makes unknown during the last run is not the kills' doing.
                sandbox.post("/sandbox/faults", r#"{"faults": []}"#);
                let killed = batch.run(&["--limit", "1"]).count("unknown");
                let last = batch.run(&[]);
                let verdict = batch.judge(&sandbox);
                let lost = ["lost", "cut", "drop"].map(|word| sandbox.books()["by_answer"][word].as_u64().unwrap_or(0));
                let most = u64::from(struck) * CONCURRENCY as u64 + lost.iter().sum::<u64>();
                assert!(killed <= most, "{killed} rows unknown after {struck} kills: {last:#?}");
                assert_eq!(verdict.count("unknown") as u64, killed);
                assert_eq!((verdict.count("queued"), verdict.count("sending")), (0, 0));
                last.expect_code(if killed > 0 { 4 } else { 0 });
            });
        }
    });
}

#[test]
fn a_run_killed_and_started_at_once_keeps_the_window_of_the_account() {
    let sandbox = SandboxProcess::start(&["--limit", "20/1s", "--latency", "1ms..40ms"]);
    let batch = Batch::with_rows(100, &sandbox);
    let flags = ["--rate", "20/1s", "--concurrency", "4"];
    kill_again_and_again(&batch, &flags, kills().div_ceil(8), Duration::from_millis(400));
    batch.run(&["--rate", "20/1s", "--limit", "20"]);
    batch.judge(&sandbox);
    let books = sandbox.books();
    assert_eq!(books["refused_429"], 0, "{books}");
    assert!(
        books["requests"].as_u64().unwrap() > 20,
        "the window was full once: {books}"
    );
    assert!(books["max_in_window"].as_u64().unwrap() <= 20, "{books}");
}

/// Kills a run of five rows at its first call that changes anything, another one at its second, and so on to the end;
/// every time the batch is run again and judged. `prepare` does what is to be done before the run that is killed.
/// Returns the calls that were struck.
fn kill_at_every_call(fault: Fault, prepare: fn(&Batch)) -> Vec<String> {
    let next = AtomicU32::new(1);
    let struck = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let sandbox = SandboxProcess::start(&[]);
                loop {
                    let point = next.fetch_add(1, Ordering::Relaxed);
                    assert!(point < MOST_POINTS, "the run never ends");
                    let prompts: Vec<String> = (1..=5).map(|row| format!("row {row} of point {point}")).collect();
                    let batch = Batch::with_prompts(&prompts, &sandbox);
                    prepare(&batch);
                    let killed = run_with_fault(&batch, fault, point, "");
                    let Some(call) = killed.struck.clone() else {
                        assert!(matches!(killed.finished.code, Some(0 | 4)), "{killed:#?}");
                        break;
                    };
                    struck.lock().unwrap().push(call);
                    assert_eq!(killed.finished.code, None, "the kill ends it: {killed:#?}");
                    judge_point(&batch, &sandbox, point);
                }
            });
        }
    });
    struck.into_inner().unwrap()
}

/// How a run with a fault in it ended.
#[derive(Debug)]
struct Faulty {
    finished: Finished,
    /// The call that the fault struck, if there was such a call.
    struck: Option<String>,
}

fn run_with_fault(batch: &Batch, fault: Fault, at: u32, calls: &str) -> Faulty {
    let log = batch.path("fault.log");
    std::fs::remove_file(&log).ok();
    let mut command = batch.command("run", &["--rate", "1000/1s", "--concurrency", "2", "--json"]);
    inject(&mut command, fault, at, false, calls, &log);
    Faulty {
        finished: Running::of(&mut command).end(),
        struck: faults::struck(&log).map(|(_, call)| call),
    }
}

#[track_caller]
fn judge_point(batch: &Batch, sandbox: &SandboxProcess, point: u32) {
    let again = batch.run(&[]);
    let verdict = batch.judge(sandbox);
    let unknown = verdict.count("unknown");
    // Two in flight for each run that was killed, of which there are two at most.
    assert!(unknown <= 4, "point {point}: {verdict:?}");
    assert_eq!(
        unknown + verdict.count("accepted"),
        5,
        "point {point}: {verdict:?} {again:#?}"
    );
    again.expect_code(if unknown > 0 { 4 } else { 0 });
    let results = batch.results();
    let accepted = results.iter().filter(|row| row["status"] == "accepted");
    assert_eq!(accepted.count(), 5 - unknown, "point {point}");
}

#[test]
fn a_kill_before_any_call_that_changes_anything_bills_no_row_twice_and_loses_no_task_id() {
    if !faults::can_inject() {
        return;
    }
    let points = kill_at_every_call(Fault::Kill, |_| {});
    for call in [
        "pwrite64",
        "fsync",
        "write",
        "writev",
        "connect",
        "rename",
        "unlink",
        "ftruncate64",
    ] {
        assert!(
            points.iter().any(|point| point == call),
            "no {call} was struck: {points:?}"
        );
    }
}

#[test]
fn a_kill_in_the_middle_of_any_write_bills_no_row_twice_and_loses_no_task_id() {
    if !faults::can_inject() {
        return;
    }
    kill_at_every_call(Fault::Tear, |_| {});
}

#[test]
fn a_run_that_clears_up_after_a_killed_one_can_itself_be_killed_at_any_call() {
    if !faults::can_inject() {
        return;
    }
    kill_at_every_call(Fault::Kill, |batch| {
        // While the second request is under way.
        let killed = run_with_fault(batch, Fault::Kill, 2, "writev");
        assert_eq!(killed.struck.as_deref(), Some("writev"));
    });
}

#[test]
fn rows_whose_reply_was_lost_are_never_sent_again_but_by_the_users_word() {
    // Every other row, or the breaker would hold the run.
    let prompts: Vec<String> = (1..=20)
        .map(|row| {
            if row % 2 == 0 {
                format!("lost {row} [sandbox:lost]")
            } else {
                format!("row {row}")
            }
        })
        .collect();
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_prompts(&prompts, &sandbox);
    let first = batch.run(&["--concurrency", "1"]);
    first.expect_code(4);
    assert_eq!((first.count("unknown"), first.count("accepted")), (10, 10));
    let second = batch.run(&["--concurrency", "1"]);
    second.expect_code(4);
    assert_eq!((second.count("requests"), sandbox.count("requests")), (0, 20));
    assert_eq!(batch.judge(&sandbox).unknown_and_billed, 10);

    let seen = sandbox.requests();
    let lost = seen.iter().find(|seen| seen["prompt"] == prompts[1]).unwrap();
    let accept = format!("r2={}", lost["task_id"].as_str().unwrap());
    let settled = batch.command("settle", &["--accept", &accept, "--resubmit=r4,r6", "--drop=r8,r10"]);
    Running::of(&mut { settled }).end().expect_code(4);
    let third = batch.run(&[]);
    third.expect_code(4);
    assert_eq!(third.count("requests"), 2, "those that were to be sent again");
    let counts = ["accepted", "unknown", "rejected"].map(|state| third.count(state));
    assert_eq!(counts, [13, 5, 2]);
    Running::of(&mut batch.command("settle", &["--drop"]))
        .end()
        .expect_code(0);
    let last = batch.run(&[]);
    last.expect_code(1);
    let counts = ["accepted", "unknown", "rejected", "requests"].map(|state| last.count(state));
    assert_eq!(counts, [13, 0, 7, 0]);
    assert_eq!(sandbox.count("requests"), 22);
}

/// Where a server that was reached ends a conversation.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cut {
    /// Closed (FIN) before a byte was read, and reset because of the bytes that come.
    AfterAccept,
    /// Closed with half of the request read: reset, as the rest is left unread.
    InTheRequest,
    /// Closed with all of it read.
    AfterTheRequest,
    /// Closed with so many bytes of the reply sent.
    InTheReply(usize),
    /// Something else than HTTP.
    Garbage,
    /// No answer.
    Silence,
}

const TAKEN: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 63\r\n\r\n\
                     {\"code\":200,\"msg\":\"success\",\"data\":{\"taskId\":\"0123456789abcdef\"}}";

/// A server that ends every conversation in the same way, and counts the requests that it has read to their end.
struct RudeServer {
    url: String,
    whole_requests: Arc<AtomicU32>,
}

impl RudeServer {
    fn start(cut: Cut) -> RudeServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let whole_requests = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&whole_requests);
        thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                if cut == Cut::AfterAccept {
                    continue;
                }
                let mut request = Vec::new();
                let mut byte = [0];
                let whole = loop {
                    // Byte by byte, so that nothing is read beyond the place of the cut.
                    if stream.read(&mut byte).unwrap_or(0) == 0 {
                        break false;
                    }
                    request.push(byte[0]);
                    match length_of(&request) {
                        Some(length) if request.len() == length => break true,
                        Some(length) if cut == Cut::InTheRequest && request.len() > length / 2 => break false,
                        _ => {}
                    }
                };
                if !whole {
                    continue;
                }
                counter.fetch_add(1, Ordering::SeqCst);
                match cut {
                    Cut::AfterAccept | Cut::InTheRequest | Cut::AfterTheRequest => {}
                    Cut::InTheReply(bytes) => drop(stream.write_all(&TAKEN.as_bytes()[..bytes])),
                    Cut::Garbage => drop(stream.write_all(b"220 mail.example.org ESMTP\r\n\r\n")),
                    Cut::Silence => silent.push(stream),
                }
            }
        });
        RudeServer { url, whole_requests }
    }
}

/// How long a request is in all, once its head is there.
fn length_of(request: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let head = text.find("\r\n\r\n")? + 4;
    let length = text.split("content-length: ").nth(1)?.lines().next()?;
    Some(head + length.trim().parse::<usize>().unwrap())
}

#[test]
fn a_request_that_was_cut_off_at_any_stage_is_not_sent_again() {
    let reply = TAKEN.len();
    let head = TAKEN.find("\r\n\r\n").unwrap() + 4;
    let mut cuts = vec![
        Cut::AfterAccept,
        Cut::InTheRequest,
        Cut::AfterTheRequest,
        Cut::Garbage,
        Cut::Silence,
    ];
    cuts.extend([1, 12, head - 1, head, head + 1, reply - 20, reply - 1].map(Cut::InTheReply));
    thread::scope(|scope| {
        for cut in cuts {
            scope.spawn(move || {
                let server = RudeServer::start(cut);
                let text = "id,prompt,image_url\nr1,one,https://img.example.org/1.png\n\
                            r2,two,https://img.example.org/2.png\nr3,three,https://img.example.org/3.png\n";
                let batch = Batch::with_manifest("shots.csv", text, &server.url);
                let first = batch.run(&["--timeout", "4s"]);
                let wholes = server.whole_requests.load(Ordering::SeqCst);
                let again = batch.run(&["--timeout", "4s"]);
                assert_eq!(
                    server.whole_requests.load(Ordering::SeqCst),
                    wholes,
                    "{cut:?}: sent again"
                );
                match cut {
                    Cut::AfterAccept | Cut::InTheRequest => assert_eq!(wholes, 0),
                    _ => assert_eq!(wholes, 3, "{cut:?} {first:#?}"),
                }
                for run in [first, again] {
                    run.expect_code(4);
                    assert_eq!(run.count("unknown"), 3, "{cut:?} {run:#?}");
                }
            });
        }
    });
}

#[test]
fn rows_whose_connection_failed_are_queued_and_sent_when_the_server_is_there() {
    // A port that was free a moment ago, and stays so long enough.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = "id,prompt,image_url\nr1,one,https://img.example.org/1.png\nr2,two,https://img.example.org/2.png\n";
    let batch = Batch::with_manifest("shots.csv", text, &format!("http://127.0.0.1:{port}"));
    let refused = batch.run(&["--patience", "1s"]);
    refused.expect_code(3);
    assert_eq!(refused.summary()["halted"]["code"], "patience");
    assert_eq!((refused.count("queued"), refused.count("unknown")), (2, 0));

    // A server that does not speak TLS cannot have read the request either.
    let server = RudeServer::start(Cut::AfterAccept);
    let mut command = batch.command("run", &["--json", "--rate", "1000/1s", "--patience", "1s"]);
    command.env("KIE_BASE_URL", server.url.replace("http:", "https:"));
    let no_tls = Running::of(&mut command).end();
    no_tls.expect_code(3);
    assert_eq!((no_tls.count("queued"), no_tls.count("unknown")), (2, 0));
    assert_eq!(server.whole_requests.load(Ordering::SeqCst), 0);

    let sandbox = SandboxProcess::start(&["--port", &port.to_string()]);
    batch.run(&[]).expect_code(0);
    assert_eq!(batch.judge(&sandbox).count("accepted"), 2);
}

/// A run of twenty rows with four requests under way, which take a second.
fn under_way(sandbox: &SandboxProcess) -> (Batch, Running) {
    let batch = Batch::with_rows(20, sandbox);
    let run = batch.start(&["--rate", "1000/1s", "--concurrency", "4", "--json"]);
    wait_until("four requests are under way", || sandbox.count("requests") == 4);
    (batch, run)
}

#[test]
fn a_signal_lets_requests_in_flight_finish_and_keeps_the_rest_queued() {
    thread::scope(|scope| {
        for (name, code) in [("TERM", 143), ("INT", 130), ("HUP", 143)] {
            scope.spawn(move || {
                let sandbox = SandboxProcess::start(&["--latency", "1s"]);
                let (batch, run) = under_way(&sandbox);
                signal(run.id(), name);
                let ended = run.end();
                ended.expect_code(code);
                assert_eq!((ended.count("accepted"), ended.count("queued")), (4, 16), "{ended:#?}");
                let results = batch.results();
                assert_eq!(results.iter().filter(|row| !row["task_id"].is_empty()).count(), 4);
                assert_eq!(batch.judge(&sandbox).requests, 4);
                sandbox.post("/sandbox/faults", r#"{"faults": ["slow=0s=1"]}"#);
                batch.run(&["--limit", "2"]).expect_code(0);
                assert_eq!(batch.judge(&sandbox).count("accepted"), 6);
            });
        }
    });
}

#[test]
fn a_second_signal_leaves_at_once_and_the_rows_in_flight_become_unknown() {
    let sandbox = SandboxProcess::start(&["--fault", "hang=1"]);
    let (batch, mut run) = under_way(&sandbox);
    signal(run.id(), "TERM");
    thread::sleep(Duration::from_millis(200));
    assert!(!run.is_over(), "the first signal waits for what is in flight");
    signal(run.id(), "INT");
    let ended = run.end();
    ended.expect_code(130);
    assert_eq!(ended.stdout, "", "there is no summary to trust");
    sandbox.post("/sandbox/faults", r#"{"faults": []}"#);
    let next = batch.run(&[]);
    next.expect_code(4);
    assert_eq!((next.count("unknown"), next.count("accepted")), (4, 16));
    batch.judge(&sandbox);
}

#[test]
fn a_run_under_nohup_outlives_its_terminal() {
    if !can_use(&["nohup"]) {
        return;
    }
    let sandbox = SandboxProcess::start(&["--latency", "300ms"]);
    let batch = Batch::with_rows(12, &sandbox);
    let run = Running::of(&mut through(
        "nohup",
        &[],
        &batch.command("run", &["--rate", "1000/1s", "--concurrency", "4", "--json"]),
    ));
    wait_until("requests are under way", || sandbox.count("requests") >= 4);
    signal(run.id(), "HUP");
    let ended = run.end();
    ended.expect_code(0);
    assert_eq!(ended.count("accepted"), 12);
}

#[test]
fn output_that_nobody_reads_stops_nothing() {
    for flags in [
        &["--json"][..],
        &["-vvv"],
        &["--log-format", "json", "-vvv"],
        &["--progress", "bar"],
    ] {
        let sandbox = SandboxProcess::start(&[]);
        let batch = Batch::with_prompts(&["a boat", "a [sandbox:500]", "a [sandbox:429]"], &sandbox);
        let mut command = batch.command("run", &["--rate", "100/100ms"]);
        let mut child = command.args(flags).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().unwrap().code(), Some(0), "{flags:?}");
        assert_eq!(batch.judge(&sandbox).count("accepted"), 3);
    }
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for closed in [true, false] {
        let sandbox = SandboxProcess::start(&[]);
        let batch = Batch::with_rows(10, &sandbox);
        let command = batch.command("run", &["--rate", "1000/1s", "-vvv"]);
        let mut command = if closed {
            through("sh", &["-c", "exec \"$0\" \"$@\" >&- 2>&-"], &command)
        } else {
            command
        };
        if !closed {
            command.stdout(full()).stderr(full());
        }
        // A summary that could not be written is no success for the script that wanted it.
        Running::of(&mut command).end().expect_code(i32::from(!closed));
        assert_eq!(batch.judge(&sandbox).count("accepted"), 10);
    }
}

#[test]
fn a_second_run_is_refused_and_told_who_is_at_work() {
    let sandbox = SandboxProcess::start(&["--fault", "hang=1"]);
    let (batch, first) = under_way(&sandbox);
    let refused = |who: &str| {
        let start = Instant::now();
        let second = batch.run(&[]);
        second.expect_code(5);
        // Far more than it takes, far less than any time-out of ours.
        assert!(start.elapsed() < Duration::from_secs(4), "{who}");
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let owner = format!("in use by process {} on {host} since 2", first.id());
        assert!(second.stderr.contains(&owner), "{who}: {owner:?} in {second:#?}");
    };
    refused("at work");
    let mut settle = batch.command("settle", &["--drop"]);
    Running::of(&mut settle).end().expect_code(5);
    Running::of(&mut batch.command("status", &[])).end().expect_code(0);
    signal(first.id(), "STOP");
    refused("stopped");
    first.kill();
    sandbox.post("/sandbox/faults", r#"{"faults": []}"#);
    let next = batch.run(&[]);
    next.expect_code(4);
    assert_eq!((next.count("unknown"), next.count("accepted")), (4, 16));
    batch.judge(&sandbox);
}

#[test]
fn of_many_runs_started_at_once_one_works_and_the_others_are_refused() {
    let sandbox = SandboxProcess::start(&["--latency", "5ms"]);
    let batch = Batch::with_rows(100, &sandbox);
    let runs: Vec<Running> = (0..12).map(|_| batch.start(&["--rate", "1000/1s", "--json"])).collect();
    for run in runs {
        let ended = run.end();
        assert!(matches!(ended.code, Some(0 | 5)), "{ended:#?}");
    }
    assert_eq!(batch.judge(&sandbox).count("accepted"), 100);
}
