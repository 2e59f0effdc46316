//! Money: the balance around a run, what it is held against, and what the summary says that everything has cost.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::io::Write;
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};
use support::server::{RawServer, Seen, Then, accepted, json as reply, send};
use support::{Batch, Finished, KEY, SandboxProcess, files_below, in_parallel, signal, wait_until};

/// An API that takes every row, and answers questions for the balance with these bytes.
fn api(balance: impl Fn(&mut TcpStream) -> Then + Send + Sync + 'static) -> RawServer {
    RawServer::start(move |seen, stream| match is_about_balance(seen) {
        true => balance(stream),
        false => send(stream, &accepted()),
    })
}

fn is_about_balance(seen: &Seen) -> bool {
    seen.head.starts_with("GET /api/v1/chat/credit ")
}

fn batch_of(rows: usize, url: &str) -> Batch {
    let rows: String = (1..=rows)
        .map(|n| format!("clip {n},https://img.example.org/{n}.png\n"))
        .collect();
    Batch::with_manifest("shots.csv", &format!("prompt,image_url\n{rows}"), url)
}

/// Both balances in the summary.
fn balances(ended: &Finished) -> (Value, Value) {
    let summary = ended.summary();
    (summary["balance_before"].clone(), summary["balance_after"].clone())
}

#[track_caller]
fn text_of(batch: &Batch, command: &str, flags: &[&str]) -> String {
    Finished::of(batch.command(command, flags).output().unwrap()).stdout
}

#[test]
fn a_shortage_is_told_before_the_first_row_and_only_of_what_the_run_will_send() {
    let short = "warning: the account holds 100 credits, and the 5 rows to send will cost about 150 credits: the run \
                 will halt (402) when the credits are used up; top up, or send fewer rows with `--limit`. Whatever else \
                 uses the account draws on the same balance\n";
    let cases: [(&[&str], i32, bool); 3] = [
        (&["--concurrency", "1"], 3, true),
        (&["--limit", "3"], 0, false),
        (&["--budget", "90"], 3, false),
    ];
    in_parallel(&cases, |(flags, code, warns)| {
        let sandbox = SandboxProcess::start(&["--credits", "100"]);
        let batch = Batch::with_rows(5, &sandbox);
        let ended = batch.run(flags);
        ended.expect_code(*code);
        assert_eq!(ended.stderr.contains(short), *warns, "{flags:?}: {ended:#?}");
        assert_eq!(ended.stderr.contains("warning"), *warns, "{flags:?}: {ended:#?}");
        assert_eq!(balances(&ended), (json!(100.0), json!(10.0)), "{flags:?}");
        assert_eq!(ended.summary()["unexplained_credits"], 0.0, "{flags:?}");
    });
}

#[test]
fn a_required_balance_that_does_not_cover_the_rows_halts_before_the_first_request() {
    let sandbox = SandboxProcess::start(&["--credits", "100"]);
    let batch = Batch::with_rows(5, &sandbox);
    let ended = batch.run(&["--require-balance"]);
    ended.expect_code(3);
    assert_eq!((ended.count("queued"), ended.count("requests")), (5, 0));
    assert_eq!((sandbox.count("requests"), sandbox.requests().len()), (0, 0));
    assert!(batch.attempts().is_empty());
    let halted = &ended.summary()["halted"];
    assert_eq!(halted["code"], "balance");
    let message = "the account holds 100 credits, and the 5 rows to send will cost about 150 credits";
    assert_eq!(halted["message"], message);
    assert_eq!(ended.stderr, format!("halted: {message} (balance)\n"));
    assert_eq!(balances(&ended), (json!(100.0), Value::Null));
    let row = &batch.results()[4];
    assert_eq!((&*row["status"], &*row["error_code"]), ("queued", "halted"));
    let status = text_of(&batch, "status", &[]);
    assert!(status.contains(&format!("halted: {message} (balance)\n")), "{status}");
    assert!(
        status.contains("help: top up the account (see https://kie.ai/pricing), send fewer rows"),
        "{status}"
    );

    batch.run(&["--require-balance", "--limit", "3"]).expect_code(0);
    sandbox.post("/sandbox/top-up", r#"{"credits": 50}"#);
    let ended = batch.run(&["--require-balance"]);
    ended.expect_code(0);
    assert_eq!(balances(&ended), (json!(60.0), json!(0.0)));
}

#[test]
fn a_balance_that_cannot_be_read_stops_only_those_who_require_it() {
    let cases = [
        (
            "200 OK",
            format!(r#"{{"code":401,"msg":"the key {KEY} may not ask"}}"#),
            "401",
            "the key [redacted] may not ask",
        ),
        ("500 Oops", "<html>busy</html>".to_owned(), "http_500", "HTTP 500"),
        (
            "200 OK",
            r#"{"code":200,"msg":"success","data":null}"#.to_owned(),
            "bad_reply",
            "without a balance",
        ),
    ];
    in_parallel(&cases, |(status, body, code, said)| {
        let answer = reply(status, body);
        let server = api(move |stream| send(stream, &answer));
        let batch = batch_of(2, &server.url);
        let required = batch.run(&["--require-balance"]);
        required.expect_code(3);
        assert_eq!(server.posts(), 0);
        let halted = required.summary()["halted"].clone();
        assert_eq!(halted["code"], "balance");
        let message = halted["message"].as_str().unwrap();
        let begins = format!("the balance could not be read ({code}): ");
        assert!(message.starts_with(&begins) && message.contains(said), "{message}");
        let help = text_of(&batch, "status", &[]);
        assert!(
            help.contains("help: see that the key is right and that the API answers"),
            "{help}"
        );

        let ended = batch.run(&[]);
        ended.expect_code(0);
        assert_eq!(balances(&ended), (Value::Null, Value::Null));
        assert_eq!(ended.stderr, format!("sending 2 rows to {}/\n", server.url));
        for (path, bytes) in files_below(batch.folder.path()) {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(KEY), "{}", path.display());
        }
        assert!(!format!("{required:?}{ended:?}").contains(KEY));
    });
    // Who asks for more hears of it.
    let refused = |stream: &mut TcpStream| send(stream, &reply("200 OK", r#"{"code":401,"msg":"no"}"#));
    let ended = batch_of(1, &api(refused).url).run(&["-v"]);
    assert!(ended.stderr.contains("the balance could not be read"), "{ended:#?}");
}

#[test]
fn nobody_waits_long_for_a_slow_balance_and_it_is_still_compared() {
    let server = api(|stream| {
        sleep(Duration::from_secs(2));
        send(stream, &reply("200 OK", r#"{"code":200,"msg":"success","data":10.5}"#))
    });
    let batch = batch_of(4, &server.url);
    let running = batch.start(&["--json", "--rate", "1/1s"]);
    wait_until("the first row", || server.posts() > 0);
    let asked = server.requests().iter().filter(|seen| is_about_balance(seen)).count();
    assert_eq!(asked, 1);
    let ended = running.end();
    ended.expect_code(0);
    assert!(
        ended
            .stderr
            .contains("warning: the account holds 10.5 credits, and the "),
        "{ended:#?}"
    );
    assert_eq!(ended.stderr.matches("warning").count(), 1, "{ended:#?}");
    // Rows had been sent when it came.
    assert_eq!(balances(&ended), (Value::Null, json!(10.5)));
    assert_eq!(ended.summary()["unexplained_credits"], Value::Null);
}

#[test]
fn the_balance_is_read_twice_in_a_run_and_not_at_all_when_nothing_is_sent() {
    let server = api(|stream| {
        send(
            stream,
            &reply("200 OK", r#"{"code":200,"msg":"success","data":421.75}"#),
        )
    });
    let batch = batch_of(3, &server.url);
    let asked = || server.requests().iter().filter(|seen| is_about_balance(seen)).count();
    batch.run(&[]).expect_code(0);
    assert_eq!(asked(), 2);
    let again = batch.run(&["--require-balance"]);
    again.expect_code(0);
    assert_eq!((asked(), server.posts()), (2, 3));
    assert_eq!(balances(&again), (Value::Null, Value::Null));
    // A trial has no account at all.
    let trial = batch_of(1, &server.url);
    let ended = trial.run(&["--sandbox", "--require-balance"]);
    ended.expect_code(0);
    assert_eq!((balances(&ended), asked()), ((Value::Null, Value::Null), 2));
}

#[test]
fn whoever_interrupts_does_not_wait_for_the_balance() {
    let sandbox = SandboxProcess::start(&["--credits", "1000"]);
    let batch = Batch::with_rows(20, &sandbox);
    let running = batch.start(&["--json", "--rate", "1/1s"]);
    wait_until("the first row", || sandbox.count("requests") > 0);
    signal(running.id(), "INT");
    let ended = running.end();
    ended.expect_code(130);
    assert_eq!(balances(&ended), (json!(1000.0), Value::Null));
}

#[test]
fn estimate_consumption_and_balance_add_up_and_unknown_rows_stand_apart() {
    let sandbox = SandboxProcess::start(&["--credits", "1000", "--errors", "http"]);
    let prompts = ["a boat", "a cat", "[sandbox:lost] a dog", "[sandbox:422] a tree"];
    let batch = Batch::with_prompts(&prompts, &sandbox);
    let ended = batch.run(&[]);
    ended.expect_code(4);
    let summary = ended.summary();
    let expected = [
        // All that may have been taken, as before.
        ("spent_credits", json!(90.0)),
        ("unknown_credits", json!(30.0)),
        ("unended_credits", json!(60.0)),
        ("consumed_credits", json!(0.0)),
        ("ended_tasks", json!(0)),
        ("balance_before", json!(1000.0)),
        ("balance_after", json!(910.0)),
        // The lost row was billed: nobody but the balance can tell.
        ("unexplained_credits", json!(30.0)),
    ];
    for (key, value) in expected {
        assert_eq!(summary[key], value, "{key}");
    }
    let status = text_of(&batch, "status", &[]);
    let lines = "cost so far: 60 credits (0.30 USD)\n\
                 perhaps also: 30 credits (0.15 USD) for 1 request without an answer\n\
                 balance around the last run that read it: from 1,000 to 910 credits; its rows cost 60, and requests \
                 without an answer perhaps the other 30\n";
    assert!(status.contains(lines), "{status}");
}

#[test]
fn a_request_that_was_lost_and_not_billed_leaves_nothing_unexplained() {
    let sandbox = SandboxProcess::start(&["--credits", "1000"]);
    let batch = Batch::with_prompts(&["a boat", "[sandbox:drop] a dog"], &sandbox);
    let text = Finished::of(batch.command("run", &["--rate", "1000/1s"]).output().unwrap());
    text.expect_code(4);
    let lines = "cost so far: 30 credits (0.15 USD)\n\
                 perhaps also: 30 credits (0.15 USD) for 1 request without an answer\n\
                 balance: from 1,000 to 970 credits, by what this run's rows cost\n";
    assert!(text.stdout.contains(lines), "{text:#?}");
}

/// Two batches share an account.
#[test]
fn what_others_take_from_the_account_shows() {
    let sandbox = SandboxProcess::start(&["--credits", "1000"]);
    let (ours, others) = (
        Batch::with_rows(2, &sandbox),
        Batch::with_prompts(&["another's"], &sandbox),
    );
    let running = ours.start(&["--rate", "1/2s"]);
    wait_until("the first row", || sandbox.count("requests") > 0);
    others.run(&[]).expect_code(0);
    let ended = running.end();
    ended.expect_code(0);
    let line = "balance: from 1,000 to 910 credits; this run's rows cost 60, something else took 30\n";
    assert!(ended.stdout.contains(line), "{ended:#?}");
}

#[test]
fn fractions_of_a_credit_add_up_without_a_tail() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_rows(3, &sandbox);
    let ended = batch.run(&["--price", "0.1", "--budget", "0.3"]);
    ended.expect_code(0);
    assert!(ended.stdout.contains(r#""spent_credits":0.3,"#), "{ended:#?}");
    let more = Batch::with_rows(4, &sandbox);
    let halted = more.run(&["--price", "0.1", "--budget", "0.3"]);
    halted.expect_code(3);
    let message = &halted.summary()["halted"]["message"];
    assert_eq!(
        message,
        "the next row would exceed the budget of 0.3 credits; 0.3 are spent or reserved"
    );
}

/// The last thing a run does must not fail it: a server that cuts the answer off changes nothing.
#[test]
fn a_broken_balance_at_the_end_changes_nothing() {
    let server = api(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{").ok();
        Then::Close
    });
    let batch = batch_of(2, &server.url);
    let ended = batch.run(&[]);
    ended.expect_code(0);
    assert_eq!(ended.count("accepted"), 2);
}
