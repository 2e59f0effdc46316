//! Whoever is to be told that a run begins, and how it ended, is told; and whatever becomes of a notice, the run is the
//! same. The monitor and the chat are servers of the tests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::server::{Certificate, RawServer, Seen, Then, closed_port, json, send};
use support::{Batch, Finished, SandboxProcess, files_below, in_parallel, program, signal, wait_until};

/// The part of every URL that must show nowhere.
const SECRET: &str = "canary-hook-9f2e7c51ab";

/// A receiver that takes everything.
fn receiver() -> RawServer {
    RawServer::start(|_, stream| send(stream, &json("200 OK", "ok")))
}

/// A receiver that takes connections and never answers.
fn silent() -> RawServer {
    RawServer::start(|_, _| {
        thread::sleep(Duration::from_secs(60));
        Then::Close
    })
}

fn ping_of(server: &RawServer) -> String {
    format!("{}/ping/{SECRET}", server.url)
}

fn webhook_of(server: &RawServer) -> String {
    format!("{}/hooks/{SECRET}", server.url)
}

/// Method and path of each request: `GET /start`, with what all have in common left out.
fn calls(server: &RawServer) -> Vec<String> {
    let short = |seen: &Seen| {
        let line = seen.head.lines().next().unwrap();
        let line = line.trim_end_matches(" HTTP/1.1");
        let (call, _) = line.split_once("?rid=").unwrap_or((line, ""));
        call.replace(&format!("/ping/{SECRET}"), "ping")
            .replace(&format!("/hooks/{SECRET}"), "hook")
    };
    server.requests().iter().map(short).collect()
}

/// The body of the one message that was posted.
#[track_caller]
fn message(server: &RawServer) -> Value {
    let posted: Vec<Seen> = server
        .requests()
        .into_iter()
        .filter(|seen| seen.head.starts_with("POST /hooks/"))
        .collect();
    assert_eq!(posted.len(), 1, "{posted:#?}");
    assert_eq!(posted[0].header("content-type"), ["application/json; charset=utf-8"]);
    serde_json::from_str(&posted[0].body).unwrap()
}

/// `run`, with both URLs in the environment, not started yet.
fn command(batch: &Batch, server: &RawServer, flags: &[&str]) -> Command {
    let mut command = batch.command("run", &["--json", "--rate", "1000/1s"]);
    command
        .args(flags)
        .env("HAILUO_BATCH_NOTIFY_PING", ping_of(server))
        .env("HAILUO_BATCH_NOTIFY_WEBHOOK", webhook_of(server));
    command
}

fn run(batch: &Batch, server: &RawServer, flags: &[&str]) -> Finished {
    Finished::of(command(batch, server, flags).output().unwrap())
}

/// Warnings of what did not arrive.
fn warnings(ended: &Finished) -> Vec<&str> {
    ended
        .stderr
        .lines()
        .filter(|line| line.contains("did not arrive"))
        .collect()
}

#[test]
fn a_good_run_is_told_from_start_to_end() {
    let (sandbox, server) = (SandboxProcess::start(&[]), receiver());
    let batch = Batch::with_rows(3, &sandbox);
    let ended = run(&batch, &server, &[]);
    ended.expect_code(0);
    assert_eq!(warnings(&ended), [""; 0]);

    let seen = server.requests();
    let mut told = calls(&server);
    assert_eq!(told.remove(0), "GET ping/start");
    told.sort();
    assert_eq!(told, ["POST hook", "POST ping"]);
    // By its id a monitor knows that both pings are of one run.
    let pings: Vec<&Seen> = seen.iter().filter(|seen| seen.head.contains("/ping/")).collect();
    let ids: Vec<&str> = pings
        .iter()
        .map(|seen| seen.head.split_once("?rid=").unwrap().1.split(' ').next().unwrap())
        .collect();
    assert_eq!(ids[0], ids[1]);
    assert_eq!(ids[0].len(), 36);
    assert_eq!(pings[1].header("content-type"), ["text/plain; charset=utf-8"]);

    // The message is what standard output says, and a text for people, which the monitor gets, too.
    let message = message(&server);
    assert_eq!(message["summary"], ended.summary());
    assert_eq!(message["text"], pings[1].body.as_str());
    assert_eq!(
        (&message["name"], &message["command"], &message["exit_code"]),
        (&"shots.csv".into(), &"run".into(), &0.into())
    );
    let text = message["text"].as_str().unwrap();
    assert!(
        text.starts_with("hailuo-batch run shots.csv: done (exit code 0)\n3 rows: 3 accepted\n"),
        "{text}"
    );
    assert!(text.contains("\nhelp: wait for the tasks"), "{text}");
}

#[test]
fn whatever_the_exit_code_is_the_monitor_gets_it() {
    let sandbox = SandboxProcess::start(&["--errors", "http"]);
    let cases: [(&str, i32, &str); 4] = [
        ("422", 1, "1 rejected: 422"),
        ("402", 3, "halted: "),
        ("lost", 4, "need a decision"),
        ("ok", 0, "done (exit code 0)"),
    ];
    in_parallel(&cases, |(fault, code, words)| {
        let server = receiver();
        let batch = Batch::with_prompts(&[format!("a clip [sandbox:{fault}]")], &sandbox);
        run(&batch, &server, &[]).expect_code(*code);
        let end = if *code == 0 {
            "POST ping".to_owned()
        } else {
            format!("POST ping/{code}")
        };
        assert!(calls(&server).contains(&end), "{fault}: {:?}", calls(&server));
        let message = message(&server);
        assert_eq!(message["exit_code"], *code, "{fault}");
        assert_eq!(message["summary"]["exit_code"], *code, "{fault}");
        assert!(message["text"].as_str().unwrap().contains(words), "{fault}: {message}");
    });
}

#[test]
fn a_run_that_cannot_begin_is_told_as_well() {
    let server = receiver();
    let batch = Batch::with_manifest("shots.csv", "prompt\nno image\n", "http://127.0.0.1:9");
    let ended = run(&batch, &server, &[]);
    ended.expect_code(2);
    // It ends so soon that its start is told or not: nothing waits for that.
    assert!(
        calls(&server).contains(&"POST ping/2".to_owned()),
        "{:?}",
        calls(&server)
    );
    let message = message(&server);
    assert_eq!(message["summary"], Value::Null);
    let text = message["text"].as_str().unwrap();
    let said = ended.stderr.lines().next().unwrap();
    assert!(
        text.contains("could not do its work (exit code 2)") && text.contains(said),
        "{text}"
    );
}

#[test]
fn a_ledger_in_use_is_told_while_the_other_run_goes_on() {
    let (sandbox, server) = (SandboxProcess::start(&["--latency", "3s"]), receiver());
    let batch = Batch::with_rows(1, &sandbox);
    let first = batch.start(&[]);
    wait_until("the request", || sandbox.count("requests") == 1);
    run(&batch, &server, &[]).expect_code(5);
    assert!(
        calls(&server).contains(&"POST ping/5".to_owned()),
        "{:?}",
        calls(&server)
    );
    let text = message(&server)["text"].as_str().unwrap().to_owned();
    assert!(text.contains("another run holds the ledger (exit code 5)"), "{text}");
    first.end().expect_code(0);
}

#[test]
fn a_collection_is_told_like_a_run() {
    let (sandbox, server) = (SandboxProcess::start(&[]), receiver());
    let batch = Batch::with_rows(2, &sandbox);
    batch.run(&[]).expect_code(0);
    let mut collect = batch.command("collect", &["--json"]);
    collect
        .env("HAILUO_BATCH_NOTIFY_PING", ping_of(&server))
        .env("HAILUO_BATCH_NOTIFY_WEBHOOK", webhook_of(&server));
    let ended = Finished::of(collect.output().unwrap());
    ended.expect_code(0);
    assert_eq!(calls(&server)[0], "GET ping/start");
    let message = message(&server);
    assert_eq!(
        (&message["command"], &message["summary"]),
        (&"collect".into(), &ended.summary())
    );
    let text = message["text"].as_str().unwrap();
    assert!(text.contains("2 videos saved"), "{text}");
}

/// A server that receives callbacks is told to stop every night; only its trouble is news.
#[test]
fn a_server_that_is_told_to_stop_is_no_news() {
    let (sandbox, server) = (SandboxProcess::start(&[]), receiver());
    let batch = Batch::with_rows(1, &sandbox);
    let address = closed_port();
    let serve = || {
        let mut serve = batch.command("serve", &["--listen", &address]);
        serve
            .env("HAILUO_BATCH_NOTIFY_PING", ping_of(&server))
            .env("HAILUO_BATCH_NOTIFY_WEBHOOK", webhook_of(&server));
        serve
    };
    // There is no ledger yet.
    Finished::of(serve().output().unwrap()).expect_code(2);
    assert_eq!(calls(&server), ["POST hook"]);
    assert_eq!(message(&server)["command"], "serve");

    batch.run(&[]).expect_code(0);
    let serving = support::Running::of(&mut serve());
    wait_until("calls are answered", || {
        let Ok(mut stream) = TcpStream::connect(&address) else {
            return false;
        };
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
            .unwrap();
        stream.read(&mut [0]).is_ok_and(|read| read == 1)
    });
    signal(serving.id(), "TERM");
    serving.end().expect_code(143);
    assert_eq!(calls(&server).len(), 1, "{:?}", calls(&server));
}

#[test]
fn each_chat_gets_its_form() {
    let sandbox = SandboxProcess::start(&[]);
    in_parallel(&["slack", "feishu", "json", "auto"], |format| {
        let server = receiver();
        let batch = Batch::with_rows(1, &sandbox);
        run(&batch, &server, &["--notify-format", format]).expect_code(0);
        let message = message(&server);
        let keys: Vec<&String> = message.as_object().unwrap().keys().collect();
        let text = match *format {
            "slack" => {
                assert_eq!(keys, ["text"]);
                &message["text"]
            }
            "feishu" => {
                assert_eq!(keys, ["msg_type", "content"]);
                assert_eq!(message["msg_type"], "text");
                &message["content"]["text"]
            }
            _ => {
                assert_eq!(keys, ["text", "name", "command", "exit_code", "summary"]);
                &message["text"]
            }
        };
        assert!(
            text.as_str().unwrap().starts_with("hailuo-batch run shots.csv: done"),
            "{message}"
        );
    });
}

/// A server's message, a file's name: they reach the chat as words.
#[test]
fn what_others_wrote_commands_nobody_in_a_chat() {
    let api = RawServer::for_rows(|_, stream| {
        let body = r#"{"code":422,"msg":"<!channel> <at user_id=\"all\"></at> @all [x](https://evil.example)"}"#;
        send(stream, &json("200 OK", body))
    });
    in_parallel(&["slack", "feishu", "json"], |format| {
        let server = receiver();
        let rows = "id,prompt,image_url\n1,a,https://img.example.org/a.png\n";
        let batch = Batch::with_manifest("<!here> @channel.csv", rows, &api.url);
        run(&batch, &server, &["--notify-format", format]).expect_code(1);
        let message = message(&server);
        let text = match *format {
            "feishu" => &message["content"]["text"],
            _ => &message["text"],
        };
        let text = text.as_str().unwrap();
        for command in ["<!channel", "<!here", "<at", "@all", "@channel", "](https"] {
            assert!(!text.contains(command), "{format}: {command} in {text}");
        }
        assert!(text.contains("user_id=\"all\""), "{format}: {text}");
    });
}

#[test]
fn only_trouble_is_posted_if_only_trouble_is_asked_for() {
    let sandbox = SandboxProcess::start(&["--errors", "http"]);
    for (fault, code, posts) in [("ok", 0, 0), ("422", 1, 1)] {
        let server = receiver();
        let batch = Batch::with_prompts(&[format!("[sandbox:{fault}]")], &sandbox);
        run(&batch, &server, &["--notify-on", "trouble"]).expect_code(code);
        let calls = calls(&server);
        assert_eq!(
            calls.iter().filter(|call| *call == "POST hook").count(),
            posts,
            "{calls:?}"
        );
        assert_eq!(calls.len(), 2 + posts, "the monitor hears of every end: {calls:?}");
    }
}

#[test]
fn a_job_file_names_them_and_a_flag_takes_them_back() {
    let sandbox = SandboxProcess::start(&[]);
    let server = receiver();
    let job = format!(
        "rate = \"1000/1s\"\n[notify]\nwebhook = \"{}\"\nformat = \"slack\"\nping = \"{}\"\n",
        webhook_of(&server),
        ping_of(&server)
    );
    let ran = |flags: &[&str], variable: &str| {
        let batch = Batch::with_rows(1, &sandbox);
        std::fs::write(batch.path("night.toml"), &job).unwrap();
        let before = server.requests().len();
        let mut run = batch.command("run", &["--job", "night.toml"]);
        run.args(flags).env("HAILUO_BATCH_NOTIFY_WEBHOOK", variable);
        Finished::of(run.output().unwrap()).expect_code(0);
        // Looking at the batch tells nobody.
        for command in ["check", "status"] {
            let look = batch.command(command, &["--job", "night.toml"]).output().unwrap();
            assert_eq!(look.status.code(), Some(0), "{look:?}");
        }
        calls(&server).split_off(before).len()
    };
    // An empty variable is how an unset secret looks in many schedulers.
    assert_eq!(ran(&[], ""), 3);
    assert_eq!(ran(&["--notify-ping", "off"], ""), 1);
    assert_eq!(ran(&["--notify-ping", "off"], "off"), 0);
}

#[test]
fn what_passes_is_tried_again_and_what_does_not_is_not() {
    let sandbox = SandboxProcess::start(&[]);
    // The answers in order, how often is asked, and what the warning says.
    let cases: [(&[&str], usize, Option<&str>); 6] = [
        (&["503 Service Unavailable", "200 OK"], 2, None),
        (
            &["429 Too Many Requests\r\nRetry-After: 1", "500 Oops", "200 OK"],
            3,
            None,
        ),
        (&["502 Bad Gateway"], 3, Some("it answered 502: no_team")),
        (
            &["429 Too Many Requests\r\nRetry-After: 60"],
            1,
            Some("it answered 429: no_team"),
        ),
        (&["404 Not Found"], 1, Some("it answered 404: no_team")),
        (
            &["302 Found\r\nLocation: http://127.0.0.1:1/"],
            1,
            Some("it redirects (302), which is not followed"),
        ),
    ];
    in_parallel(&cases, |(answers, asked, warning)| {
        let answers: Vec<String> = answers.iter().map(|&answer| answer.to_owned()).collect();
        let next = AtomicUsize::new(0);
        let server = RawServer::start(move |_, stream| {
            let at = next.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1);
            send(stream, &json(&answers[at], "no_team"))
        });
        let batch = Batch::with_rows(1, &sandbox);
        let ended = run(&batch, &server, &["--notify-ping", "off"]);
        ended.expect_code(0);
        assert_eq!(server.posts(), *asked, "{:?}", server.requests());
        let expected: Vec<String> = warning
            .iter()
            .map(|why| format!("warning: the notice to `{}` did not arrive: {why}", server.address))
            .collect();
        assert_eq!(warnings(&ended), expected);
    });
}

/// Feishu answers 200 to what it does not take.
#[test]
fn a_refusal_in_an_answer_of_200_is_one() {
    let sandbox = SandboxProcess::start(&[]);
    let server = RawServer::start(|_, stream| {
        send(
            stream,
            &json("200 OK", r#"{"code":19024,"msg":"Key Words Not Found","data":{}}"#),
        )
    });
    let batch = Batch::with_rows(1, &sandbox);
    let ended = run(&batch, &server, &["--notify-ping=off", "--notify-format=feishu"]);
    ended.expect_code(0);
    assert_eq!(server.posts(), 1);
    let warnings = warnings(&ended);
    assert!(
        warnings.len() == 1 && warnings[0].ends_with("did not arrive: it answered 19024: Key Words Not Found"),
        "{warnings:?}"
    );
}

#[test]
fn nobody_listening_is_a_warning_and_no_more() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_rows(2, &sandbox);
    let nobody = closed_port();
    let mut command = batch.command("run", &["--json", "--rate", "1000/1s"]);
    command
        .env("HAILUO_BATCH_NOTIFY_PING", format!("http://{nobody}/{SECRET}"))
        .env("HAILUO_BATCH_NOTIFY_WEBHOOK", format!("http://{nobody}/{SECRET}"));
    let ended = Finished::of(command.output().unwrap());
    ended.expect_code(0);
    assert_eq!(ended.count("accepted"), 2);
    assert_eq!(
        warnings(&ended),
        [
            format!("warning: the ping to `{nobody}` did not arrive: connection refused"),
            format!("warning: the notice to `{nobody}` did not arrive: connection refused"),
        ]
    );
}

#[test]
fn a_silent_receiver_holds_up_neither_the_work_nor_for_long_the_end() {
    let (sandbox, server) = (SandboxProcess::start(&[]), silent());
    let batch = Batch::with_rows(2, &sandbox);
    let start = Instant::now();
    let mut run = support::Running::of(&mut command(&batch, &server, &[]));
    wait_until("the work is done", || {
        batch.path("shots.results.csv").exists() && sandbox.count("requests") == 2
    });
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(!run.is_over(), "the notices are under way");
    let ended = run.end();
    ended.expect_code(0);
    assert!(start.elapsed() < Duration::from_secs(16), "{:?}", start.elapsed());
    assert_eq!(
        warnings(&ended),
        [
            format!(
                "warning: the ping to `{}` did not arrive: there was no answer in time",
                server.address
            ),
            format!(
                "warning: the notice to `{}` did not arrive: there was no answer in time",
                server.address
            ),
        ]
    );
    // The first ping was given up before the last was sent.
    assert_eq!(server.requests().len(), 3, "{:?}", calls(&server));
}

#[test]
fn a_signal_is_told_and_hurries_the_notices() {
    let sandbox = SandboxProcess::start(&["--latency", "300ms"]);
    let server = receiver();
    let batch = Batch::with_rows(60, &sandbox);
    let run = support::Running::of(&mut command(&batch, &server, &["--concurrency", "2"]));
    wait_until("some requests", || sandbox.count("requests") >= 2);
    signal(run.id(), "TERM");
    run.end().expect_code(143);
    assert!(
        calls(&server).contains(&"POST ping/143".to_owned()),
        "{:?}",
        calls(&server)
    );
    assert_eq!(message(&server)["summary"]["interrupted"], "SIGTERM");

    let server = silent();
    let batch = Batch::with_rows(60, &sandbox);
    let run = support::Running::of(&mut command(&batch, &server, &["--concurrency", "2"]));
    let before = sandbox.count("requests");
    wait_until("some requests", || sandbox.count("requests") >= before + 2);
    let start = Instant::now();
    signal(run.id(), "INT");
    run.end().expect_code(130);
    assert!(start.elapsed() < Duration::from_secs(9), "{:?}", start.elapsed());
}

#[test]
fn another_signal_while_notices_are_under_way_leaves_at_once() {
    let sandbox = SandboxProcess::start(&["--latency", "300ms"]);
    // With a first signal that ended the work, and with none before.
    in_parallel(&[(true, 130), (false, 0)], |(interrupted, code)| {
        let server = silent();
        let batch = Batch::with_rows(if *interrupted { 60 } else { 1 }, &sandbox);
        let run = support::Running::of(&mut command(&batch, &server, &["--concurrency", "2"]));
        if *interrupted {
            wait_until("some requests", || sandbox.count("requests") >= 3);
            signal(run.id(), "INT");
        }
        wait_until("the message is under way", || server.posts() > 0);
        let start = Instant::now();
        signal(run.id(), "INT");
        run.end().expect_code(*code);
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    });
}

/// A receiver that repeats the whole request, and a redirect that does.
fn echo(seen: &Seen, stream: &mut TcpStream) -> Then {
    let line = seen.head.lines().next().unwrap();
    let path = line.split(' ').nth(1).unwrap();
    match line.contains("/start") {
        true => send(stream, &json(&format!("307 Moved\r\nLocation: http://{path}"), line)),
        false => send(stream, &json("403 Forbidden", line)),
    }
}

#[test]
fn the_urls_show_nowhere() {
    let sandbox = SandboxProcess::start(&["--errors", "http"]);
    let server = RawServer::start(echo);
    let nobody = closed_port();
    let cases: [(&[&str], &str, bool); 5] = [
        (&[], "", true),
        (&["-vvv"], "", true),
        (&["-vvv", "--log-format", "json"], "trace", true),
        (&["-vvv", "--json"], "trace", false),
        (
            &["--json", "--log-format", "json"],
            "trace,hyper=trace,reqwest=trace",
            false,
        ),
    ];
    in_parallel(&cases, |(flags, filter, answered)| {
        let prompts = [
            format!("{flags:?} {filter}"),
            format!("{flags:?} {filter} [sandbox:422]"),
        ];
        let batch = Batch::with_prompts(&prompts, &sandbox);
        let place = if *answered { &server.address } else { &nobody };
        let url = format!("http://{place}/hooks/{SECRET}?token={SECRET}");
        let mut command = batch.command("run", flags);
        // As flags, they are in the command line that hints repeat.
        command
            .args(["--notify-webhook", &url, "--notify-ping", &url])
            .env("HAILUO_BATCH_LOG", filter);
        let ended = Finished::of(command.output().unwrap());
        ended.expect_code(1);
        assert!(ended.stderr.contains("did not arrive"), "{ended:#?}");
        for text in [&ended.stdout, &ended.stderr] {
            assert!(!text.contains(&SECRET[..14]), "{text}");
        }
        for (path, bytes) in files_below(batch.folder.path()) {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(&SECRET[..14]), "{}: {text}", path.display());
        }
    });
    // Not in what is sent to others either, although a hint in it repeats the command line.
    let sent = server.requests();
    assert!(
        sent.iter().any(|seen| seen.body.contains("--notify-webhook ")),
        "{sent:#?}"
    );
    for seen in sent {
        assert!(!seen.body.contains(&SECRET[..14]), "{}", seen.body);
    }
}

#[test]
fn what_is_no_url_is_refused_and_not_shown() {
    let batch = Batch::with_manifest("shots.csv", "prompt,image_url\n", "http://127.0.0.1:9");
    let value = format!("hooks.slack.com/services/{SECRET}");
    let mut by_variable = batch.command("run", &[]);
    by_variable.env("HAILUO_BATCH_NOTIFY_WEBHOOK", &value);
    let mut by_flag = batch.command("run", &["--notify-ping", &value]);
    std::fs::write(batch.path("night.toml"), format!("notify.ping = \"ftp://{value}\"\n")).unwrap();
    let mut by_file = batch.command("run", &["--job", "night.toml"]);
    for (command, words) in [
        (
            &mut by_variable,
            "error: `HAILUO_BATCH_NOTIFY_WEBHOOK` is not a whole URL\n",
        ),
        (&mut by_flag, "error: `--notify-ping` is not a whole URL\n"),
        (
            &mut by_file,
            "error: night.toml:1:15: `notify.ping` is not a web address\n",
        ),
    ] {
        let ended = Finished::of(command.output().unwrap());
        ended.expect_code(2);
        assert!(ended.stderr.starts_with(words), "{ended:#?}");
        assert!(!ended.stderr.contains(SECRET), "{ended:#?}");
    }
}

#[test]
fn a_trial_tells_only_this_machine() {
    let server = receiver();
    let batch = Batch::with_manifest(
        "shots.csv",
        "prompt,image_url\na,https://img.example.org/a.png\n",
        "http://127.0.0.1:9",
    );
    let mut command = batch.command("run", &["--sandbox", "--json"]);
    command
        .env("HAILUO_BATCH_NOTIFY_PING", format!("https://hc-ping.com/{SECRET}"))
        .env("HAILUO_BATCH_NOTIFY_WEBHOOK", webhook_of(&server))
        // Whoever asks it would be asked.
        .env("HTTP_PROXY", format!("http://{}", closed_port()));
    let ended = Finished::of(command.output().unwrap());
    ended.expect_code(0);
    assert!(
        ended
            .stderr
            .contains("note: a trial in the sandbox uses no network: nothing is told to `hc-ping.com`\n"),
        "{ended:#?}"
    );
    let text = message(&server)["text"].as_str().unwrap().to_owned();
    assert!(
        text.starts_with("hailuo-batch run shots.csv: trial in the sandbox: done"),
        "{text}"
    );
    assert_eq!(warnings(&ended), [""; 0]);
}

#[test]
fn a_certificate_of_ones_own_is_trusted_if_it_is_named() {
    let sandbox = SandboxProcess::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::make(folder.path());
    let server = certificate.serve(|_| json("200 OK", "ok"));
    let (_, port) = server.address.rsplit_once(':').unwrap();
    let url = format!("https://localhost:{port}/{SECRET}");
    for (flags, arrives) in [
        (&["--ca-file", certificate.file.to_str().unwrap()][..], true),
        (&[], false),
    ] {
        let batch = Batch::with_rows(1, &sandbox);
        let mut command = batch.command("run", flags);
        let ended = Finished::of(command.env("HAILUO_BATCH_NOTIFY_WEBHOOK", &url).output().unwrap());
        ended.expect_code(0);
        assert_eq!(warnings(&ended).is_empty(), arrives, "{ended:#?}");
    }
}

#[test]
fn quiet_runs_keep_their_warnings_to_themselves() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_rows(1, &sandbox);
    let mut command = batch.command("run", &["--quiet"]);
    command.env(
        "HAILUO_BATCH_NOTIFY_WEBHOOK",
        format!("http://{}/{SECRET}", closed_port()),
    );
    let ended = Finished::of(command.output().unwrap());
    ended.expect_code(0);
    assert_eq!(ended.stderr, "");
    // The word for it, in help.
    let help = Finished::of(program().args(["run", "--help"]).output().unwrap());
    assert!(help.stdout.contains("list of processes"), "{}", help.stdout);
}
