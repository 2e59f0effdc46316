//! Every kind of answer, over a real socket: what becomes of the row, of the run, and of the money.
//!
//! The sandbox is the witness: how often a row was sent and billed is counted there, not by the program.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::Value;
use support::server::closed_port;
use support::{Batch, SandboxProcess, in_parallel};

/// What becomes of one row whose first arrival is answered with `tag`.
struct Case {
    tag: &'static str,
    state: &'static str,
    error_code: &'static str,
    exit: i32,
    requests: usize,
    billed: usize,
}

const fn case(
    tag: &'static str,
    state: &'static str,
    error_code: &'static str,
    exit: i32,
    requests: usize,
    billed: usize,
) -> Case {
    Case {
        tag,
        state,
        error_code,
        exit,
        requests,
        billed,
    }
}

/// The design's table, and every word of the sandbox.
#[rustfmt::skip]
const CASES: [Case; 47] = [
    //   tag                 state       code         exit  requests  billed
    case("ok",               "accepted", "",             0, 1, 1),
    case("slow=300ms",       "accepted", "",             0, 1, 1),
    // Halts: every other row would fail the same way. The row itself was refused, not taken.
    case("401",              "queued",   "401",          3, 1, 0),
    case("402",              "queued",   "402",          3, 1, 0),
    case("404:model",        "queued",   "404",          3, 1, 0),
    case("422:model",        "queued",   "422",          3, 1, 0),
    case("433",              "queued",   "433",          3, 1, 0),
    case("505",              "queued",   "505",          3, 1, 0),
    case("500:paused",       "queued",   "500",          3, 1, 0),
    case("500:credits",      "queued",   "500",          3, 1, 0),
    case("page401",          "queued",   "http_401",     3, 1, 0),
    case("page402",          "queued",   "http_402",     3, 1, 0),
    case("page403",          "queued",   "http_403",     3, 1, 0),
    // A redirect is not followed, and nobody knows what its sender has done with the request.
    case("redirect",         "unknown",  "http_307",     3, 1, 0),
    // The row's own fault.
    case("404",              "rejected", "404",          1, 1, 0),
    case("422",              "rejected", "422",          1, 1, 0),
    case("501",              "rejected", "501",          1, 1, 0),
    case("500:required",     "rejected", "500",          1, 1, 0),
    case("page400",          "rejected", "http_400",     1, 1, 0),
    case("page404",          "rejected", "http_404",     1, 1, 0),
    // Again, after a pause for everyone.
    case("429",              "accepted", "",             0, 2, 1),
    case("429:ra=2",         "accepted", "",             0, 2, 1),
    case("429:ra=nonsense",  "accepted", "",             0, 2, 1),
    case("429:ra=-1",        "accepted", "",             0, 2, 1),
    case("page429",          "accepted", "",             0, 2, 1),
    case("455",              "accepted", "",             0, 2, 1),
    case("page455",          "accepted", "",             0, 2, 1),
    case("500:maintenance",  "accepted", "",             0, 2, 1),
    // Again, as the row's own trouble or a passing one.
    case("500",              "accepted", "",             0, 2, 1),
    case("500,500",          "accepted", "",             0, 3, 1),
    case("500*",             "rejected", "500",          1, 3, 0),
    case("page503",          "accepted", "",             0, 2, 1),
    // A 500 that was billed all the same: the price of trying again, named in the design.
    case("500:billed",       "accepted", "",             0, 2, 2),
    // Sent, and no readable answer: never sent again.
    case("lost",             "unknown",  "bad_reply",    4, 1, 1),
    case("drop",             "unknown",  "bad_reply",    4, 1, 0),
    case("reset",            "unknown",  "bad_reply",    4, 1, 1),
    case("hang",             "unknown",  "timeout",      4, 1, 1),
    case("cut",              "unknown",  "bad_reply",    4, 1, 1),
    case("noid",             "unknown",  "bad_reply",    4, 1, 1),
    case("empty",            "unknown",  "bad_reply",    4, 1, 0),
    case("empty:billed",     "unknown",  "bad_reply",    4, 1, 1),
    case("garbage",          "unknown",  "bad_reply",    4, 1, 0),
    case("page500",          "unknown",  "http_500",     4, 1, 0),
    case("page502:billed",   "unknown",  "http_502",     4, 1, 1),
    case("page504",          "unknown",  "http_504",     4, 1, 0),
    case("page524",          "unknown",  "http_524",     4, 1, 0),
    case("500,lost",         "unknown",  "bad_reply",    4, 2, 1),
];

fn every_answer_means_what_the_design_says(errors: &str) {
    let sandbox = SandboxProcess::start(&["--errors", errors]);
    in_parallel(&CASES, |case| {
        let prompt = format!("a boat [sandbox:{}]", case.tag);
        let batch = Batch::with_prompts(&[&prompt], &sandbox);
        let timeout = if case.tag == "hang" { "1s" } else { "20s" };
        let ended = batch.run(&["--rate", "20/1s", "--maintenance-pause", "1s", "--timeout", timeout]);
        let mine: Vec<Value> = sandbox
            .requests()
            .into_iter()
            .filter(|request| request["prompt"] == prompt.as_str())
            .collect();
        let billed = mine.iter().filter(|request| request["billed"] == true).count();
        let row = &batch.results()[0];
        let name = format!("{} ({errors}): {ended:#?}", case.tag);
        assert_eq!(
            (
                row["status"].as_str(),
                row["error_code"].as_str(),
                ended.code,
                mine.len(),
                billed
            ),
            (case.state, case.error_code, Some(case.exit), case.requests, case.billed),
            "{name}"
        );
        assert_eq!(ended.count(case.state), 1, "{name}");
        assert_eq!(ended.count("requests"), mine.len() as u64, "{name}");
        assert_eq!(row["attempts"], mine.len().to_string(), "{name}");
        assert_eq!(ended.summary()["exit_code"], case.exit, "{name}");
        assert_eq!(row["task_id"].is_empty(), case.state != "accepted", "{name}");
        assert_eq!(row["error_message"].is_empty(), case.error_code.is_empty(), "{name}");
        assert_eq!(ended.summary()["halted"].is_null(), case.exit != 3, "{name}");
        // Each request had a token of its own, and so has the task that the row is known by now.
        if case.state == "accepted" {
            let last = mine.last().unwrap();
            assert_eq!(row["task_id"], last["task_id"].as_str().unwrap(), "{name}");
        }
    });
}

#[test]
fn every_answer_means_what_the_design_says_in_the_http_status() {
    every_answer_means_what_the_design_says("http");
}

#[test]
fn every_answer_means_what_the_design_says_in_the_body_of_a_200() {
    every_answer_means_what_the_design_says("body");
}

#[test]
fn a_429_and_a_455_never_count_as_attempts() {
    let sandbox = SandboxProcess::start(&[]);
    in_parallel(&["429,429,429,429", "455,500:maintenance"], |tags| {
        let prompt = format!("[sandbox:{tags}]");
        let batch = Batch::with_prompts(&[prompt], &sandbox);
        let ended = batch.run(&["--rate", "20/200ms", "--maintenance-pause", "1s", "--max-attempts", "1"]);
        ended.expect_code(0);
        let refusals = tags.split(',').count() as u64;
        assert_eq!(ended.count("requests"), refusals + 1);
        assert_eq!(
            ended.count("rate_limited"),
            if tags.starts_with("429") { refusals } else { 0 }
        );
    });
    assert_eq!(sandbox.billed().len(), 2);
}

/// After a 429 everyone stops, and one request goes alone before the others go on.
#[test]
fn after_a_429_one_probe_goes_first() {
    const LATENCY: u64 = 200;
    let sandbox = SandboxProcess::start(&["--latency", "200ms"]);
    let mut prompts: Vec<String> = (1..=30).map(|n| format!("clip {n}")).collect();
    prompts[2] = "clip 3 [sandbox:429,429]".to_owned();
    let batch = Batch::with_prompts(&prompts, &sandbox);
    let ended = batch.run(&["--rate", "20/1s"]);
    ended.expect_code(0);
    assert_eq!(ended.count("rate_limited"), 2);
    let arrivals: Vec<(u64, String)> = sandbox
        .requests()
        .iter()
        .map(|request| {
            (
                request["at_ms"].as_u64().unwrap(),
                request["prompt"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let times: Vec<usize> = (0..arrivals.len())
        .filter(|&index| arrivals[index].1 == prompts[2])
        .collect();
    let [first, second, third] = times[..] else {
        panic!("{arrivals:?}");
    };
    assert!(first < second, "others were in flight when the first refusal came");
    assert_eq!(
        third,
        second + 1,
        "a refused probe keeps all others waiting: {arrivals:?}"
    );
    let gap = |index: usize| arrivals[index].0 - arrivals[index - 1].0;
    // 1.2 windows, then twice as long; less what a busy machine may have held a request up before.
    assert!(gap(second) >= 900, "{arrivals:?}");
    assert!(gap(third) >= 2_400 + LATENCY - 2, "{arrivals:?}");
    assert!(
        gap(third + 1) >= LATENCY - 2,
        "the second probe goes alone, too: {arrivals:?}"
    );
}

#[test]
fn a_run_that_is_started_again_respects_the_pause_of_the_one_before() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_prompts(&["[sandbox:429:ra=3]"], &sandbox);
    // The time is up before the pause ends.
    let first = batch.run(&["--rate", "20/1s", "--for", "1s"]);
    first.expect_code(0);
    assert_eq!(first.count("queued"), 1);
    let second = batch.run(&["--rate", "20/1s"]);
    second.expect_code(0);
    let requests = sandbox.requests();
    let at = |index: usize| requests[index]["at_ms"].as_u64().unwrap();
    assert!(at(1) - at(0) >= 2_950, "{requests:?}");
}

#[test]
fn ten_equal_rejections_halt_the_run() {
    let sandbox = SandboxProcess::start(&[]);
    let prompts: Vec<String> = (1..=15).map(|n| format!("clip {n} [sandbox:422]")).collect();
    let batch = Batch::with_prompts(&prompts, &sandbox);
    let ended = batch.run(&["--concurrency", "1"]);
    ended.expect_code(3);
    assert_eq!(ended.summary()["halted"]["code"], "repeated");
    assert_eq!(
        (
            ended.count("rejected"),
            ended.count("queued"),
            sandbox.count("requests")
        ),
        (10, 5, 10)
    );
    let results = batch.results();
    assert_eq!(results[14]["error_code"], "halted");
    assert!(results[14]["error_message"].contains("10 rows in a row"), "{results:?}");

    let anyway = batch.run(&["--keep-going"]);
    anyway.expect_code(1);
    assert_eq!(anyway.count("rejected"), 15);
}

#[test]
fn rejections_that_differ_or_are_not_in_a_row_do_not_halt() {
    let sandbox = SandboxProcess::start(&[]);
    let prompts: Vec<String> = (1..=27)
        .map(|n| match n {
            10 => format!("clip {n}"),
            n if n > 18 && n % 2 == 0 => format!("clip {n} [sandbox:501]"),
            n => format!("clip {n} [sandbox:422]"),
        })
        .collect();
    let batch = Batch::with_prompts(&prompts, &sandbox);
    let ended = batch.run(&["--concurrency", "1"]);
    ended.expect_code(1);
    assert_eq!((ended.count("rejected"), ended.count("accepted")), (26, 1));
}

#[test]
fn a_retry_after_of_more_than_a_quarter_of_an_hour_halts() {
    let sandbox = SandboxProcess::start(&["--errors", "http"]);
    for tag in ["429:ra=1000", "455:ra=99999999", "page503:ra=3600"] {
        let batch = Batch::with_prompts(&[format!("[sandbox:{tag}]"), "another".to_owned()], &sandbox);
        let ended = batch.run(&["--concurrency", "1"]);
        ended.expect_code(3);
        assert_eq!(ended.summary()["halted"]["code"], "retry_after", "{tag}");
        assert_eq!(ended.count("queued"), 2, "{tag}");
        // Who comes back earlier gets one probe, here a good one: a nonsensical wait does not lock the batch up.
        let earlier = batch.run(&["--concurrency", "1"]);
        earlier.expect_code(0);
        assert_eq!(earlier.count("requests"), 2, "{tag}");
        // And what the probe found out is not forgotten.
        batch.rewrite("id,prompt,image_url\nr9,a third,https://img.example.org/9.png\n");
        let third = batch.run(&["--for", "5s"]);
        assert_eq!((third.count("accepted"), third.count("queued")), (1, 0), "{tag}");
    }
    assert_eq!(sandbox.count("requests"), 3 * 4);

    let batch = Batch::with_prompts(&["[sandbox:429:ra=1000*]", "another"], &sandbox);
    for _ in 0..2 {
        let ended = batch.run(&[]);
        ended.expect_code(3);
        assert_eq!(ended.summary()["halted"]["code"], "retry_after");
    }
}

#[test]
fn a_server_that_refuses_connections_leaves_all_rows_queued() {
    let rows: String = (1..=8)
        .map(|n| format!("clip {n},https://img.example.org/{n}.png\n"))
        .collect();
    let url = format!("http://{}", closed_port());
    let batch = Batch::with_manifest("shots.csv", &format!("prompt,image_url\n{rows}"), &url);
    let ended = batch.run(&["--patience", "2s"]);
    ended.expect_code(3);
    assert_eq!(ended.summary()["halted"]["code"], "patience");
    let message = ended.summary()["halted"]["message"].to_string();
    assert!(message.contains("connection refused"), "{message}");
    assert_eq!((ended.count("queued"), ended.count("unknown")), (8, 0));
    // Five failures in a row open the breaker; what was in flight by then ends, too.
    assert!(ended.count("requests") <= 5 + 16, "{ended:#?}");
    assert_eq!(batch.results()[0]["error_code"], "connect");
}

#[test]
fn the_breaker_bounds_the_unknown_rows_of_an_outage() {
    let sandbox = SandboxProcess::start(&["--fault", "lost=1"]);
    let batch = Batch::with_rows(40, &sandbox);
    let ended = batch.run(&["--concurrency", "1", "--patience", "2s"]);
    ended.expect_code(3);
    assert_eq!(ended.summary()["halted"]["code"], "patience");
    assert_eq!((ended.count("unknown"), ended.count("queued")), (5, 35));
    assert_eq!(sandbox.count("requests"), 5);
}

#[test]
fn an_unauthorised_run_stops_after_few_requests() {
    let sandbox = SandboxProcess::start(&["--fault", "401=1", "--latency", "100ms"]);
    let batch = Batch::with_rows(100, &sandbox);
    let ended = batch.run(&["--concurrency", "4"]);
    ended.expect_code(3);
    assert_eq!((ended.count("queued"), ended.count("unknown")), (100, 0));
    assert!(sandbox.count("requests") <= 4, "{}", sandbox.books());
    let results = batch.results();
    assert_eq!(
        (&*results[0]["error_code"], &*results[99]["error_code"]),
        ("401", "halted")
    );
}
