//! The API key shows nowhere, and text from the manifest or the server can do no harm where it is shown.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use support::server::{RawServer, Seen, Then, accepted, json, send};
use support::{Batch, Finished, KEY, files_below, in_parallel, program, wait_until};

/// Answers as the prompt says and repeats the key in everything it can.
fn echo(seen: &Seen, stream: &mut TcpStream) -> Then {
    let refusal = |code: u16| {
        let said = format!("bad key {KEY}: Authorization: Bearer {KEY}");
        json("200 OK", &format!(r#"{{"code":{code},"msg":"{said}","data":null}}"#))
    };
    let reply = match seen.body.split_once("[echo:").map(|(_, tail)| &tail[..3]) {
        None => accepted(),
        Some("502") => json("502 Bad Gateway", &format!("<html>{KEY}</html>")),
        Some("200") => json(
            "200 OK",
            &format!(r#"{{"code":200,"msg":"{KEY}","data":{{"key":"{KEY}"}}}}"#),
        ),
        // So long that the message is cut, in the middle of the key.
        Some("501") => {
            let said = format!("{}{KEY}", "x".repeat(490));
            json("200 OK", &format!(r#"{{"code":501,"msg":"{said}"}}"#))
        }
        Some("cut") => format!("HTTP/1.1 200 {KEY}\r\nContent-Length: 999\r\n\r\n{KEY}").into_bytes(),
        Some(code) => refusal(code.parse().unwrap()),
    };
    send(stream, &reply);
    Then::Close
}

const MANIFEST: &str = "id,prompt,image_url
a,fine,https://img.example.org/1.png
b,[echo:422],https://img.example.org/2.png
c,[echo:500],https://img.example.org/3.png
d,[echo:502],https://img.example.org/4.png
e,[echo:200],https://img.example.org/5.png
f,[echo:501],https://img.example.org/6.png
g,[echo:cut],https://img.example.org/7.png
h,[echo:401],https://img.example.org/8.png
";

/// No part of the key that is worth anything to anybody.
#[track_caller]
fn expect_no_key(what: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for part in [KEY, &KEY[..12], &KEY[KEY.len() - 10..]] {
        assert!(!text.contains(part), "{what} shows the key: {text}");
    }
}

#[track_caller]
fn expect_no_key_in(ended: &Finished) {
    expect_no_key("standard output", ended.stdout.as_bytes());
    expect_no_key("standard error", ended.stderr.as_bytes());
}

#[track_caller]
fn expect_no_key_below(batch: &Batch) {
    for (path, bytes) in files_below(batch.folder.path()) {
        expect_no_key(&path.display().to_string(), &bytes);
    }
}

#[test]
fn the_key_shows_nowhere_however_much_is_logged_and_whatever_the_server_repeats() {
    let server = RawServer::start(echo);
    let cases: [(&[&str], &str); 5] = [
        (&[], ""),
        (&["-vvv"], ""),
        (&["-vvv", "--log-format", "json"], ""),
        (&["-v", "--json"], "trace"),
        (&["--log-format", "json", "--json"], "trace,hyper=trace"),
    ];
    in_parallel(&cases, |(flags, filter)| {
        let batch = Batch::with_manifest("shots.csv", MANIFEST, &server.url);
        let mut command = batch.command("run", flags);
        command.args(["--rate", "1000/1s", "--concurrency", "1", "--max-attempts", "2"]);
        command.env("HAILUO_BATCH_LOG", filter);
        let ended = Finished::of(command.output().unwrap());
        ended.expect_code(3);
        expect_no_key_in(&ended);
        expect_no_key_below(&batch);
        // The rows keep what else was said.
        assert!(
            batch.results()[1]["error_message"].contains("bad key [redacted]"),
            "{:?}",
            batch.results()
        );
        for command in ["status", "settle", "check"] {
            let ended = Finished::of(batch.command(command, &["--json"]).output().unwrap());
            expect_no_key_in(&ended);
        }
    });
}

#[test]
fn the_key_shows_nowhere_when_it_comes_from_a_file() {
    let server = RawServer::start(echo);
    let batch = Batch::with_manifest("shots.csv", MANIFEST, &server.url);
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("key");
    fs::write(&file, format!("{KEY}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let mut command = batch.command(
        "run",
        &["-vvv", "--concurrency", "1", "--rate", "1000/1s", "--api-key-file"],
    );
    command.arg(&file).env_remove("KIE_API_KEY");
    let ended = Finished::of(command.output().unwrap());
    ended.expect_code(3);
    assert!(ended.stderr.contains("chmod 600"), "{ended:#?}");
    expect_no_key_in(&ended);
    expect_no_key_below(&batch);
    assert_eq!(server.requests()[0].header("authorization"), [format!("Bearer {KEY}")]);
}

/// While the run is at work: the process list, the ledger's write-ahead log, and what a crash would leave behind.
#[test]
fn a_run_at_work_shows_no_key_and_leaves_no_core() {
    let go_on = Arc::new(AtomicBool::new(false));
    let held = Arc::clone(&go_on);
    let server = RawServer::start(move |seen, stream| {
        if seen.body.contains("[echo:401]") {
            wait_until("the test has looked", || held.load(Ordering::Relaxed));
        }
        echo(seen, stream)
    });
    let batch = Batch::with_manifest("shots.csv", MANIFEST, &server.url);
    let mut command = batch.command(
        "run",
        &["-vvv", "--rate", "1000/1s", "--concurrency", "1", "--max-attempts", "1"],
    );
    let run = command.spawn().unwrap();
    wait_until("the last request", || server.posts() == 8);
    let files = files_below(batch.folder.path());
    assert!(
        files.iter().any(|(path, _)| path.to_string_lossy().ends_with("-wal")),
        "{files:?}"
    );
    expect_no_key_below(&batch);
    let process = |name: &str| fs::read(format!("/proc/{}/{name}", run.id())).unwrap();
    expect_no_key("the process list", &process("cmdline"));
    let limits = String::from_utf8(process("limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    let numbers: Vec<&str> = core.split_whitespace().skip(4).take(2).collect();
    assert_eq!(numbers, ["0", "0"], "{core}");
    go_on.store(true, Ordering::Relaxed);
    expect_no_key_in(&Finished::of(run.wait_with_output().unwrap()));
}

/// People try a server of their own with any key that comes to mind: hiding it must not garble what is read.
#[test]
fn a_key_that_is_a_common_word_garbles_nothing() {
    let server = RawServer::start(echo);
    in_parallel(&["a", "1", "data", "code", "taskId"], |key| {
        let manifest = "id,prompt,image_url\na,fine,https://img.example.org/1.png\n";
        let batch = Batch::with_manifest("shots.csv", manifest, &server.url);
        let mut command = batch.command("run", &[]);
        let ended = Finished::of(command.env("KIE_API_KEY", key).output().unwrap());
        ended.expect_code(0);
        assert!(
            batch.results()[0]["task_id"].starts_with("task_raw_"),
            "{key}: {ended:#?}"
        );
    });
}

/// Every way to hand the key over wrongly ends with 2, says what is wrong, and does not show what was given.
#[test]
fn mistakes_with_the_key_do_not_show_it() {
    let batch = Batch::with_manifest("shots.csv", MANIFEST, "http://127.0.0.1:1");
    fs::write(batch.path("two-lines"), format!("{KEY}\nand more\n")).unwrap();
    fs::write(
        batch.path("job.toml"),
        format!("manifest = \"shots.csv\"\napi_key = \"{KEY}\"\n"),
    )
    .unwrap();
    fs::write(
        batch.path("broken.toml"),
        format!("api_key_file = \"{KEY}\nmanifest = 3\n"),
    )
    .unwrap();
    let with_key = |value: &str| {
        let mut command = batch.command("run", &[]);
        command.env("KIE_API_KEY", value);
        command
    };
    let with = |flags: &[&str]| {
        let mut command = batch.command("run", flags);
        command.env_remove("KIE_API_KEY");
        command
    };
    let cases: Vec<(&str, Command, &str)> = vec![
        ("none", with(&[]), "no API key is set"),
        (
            "with Bearer",
            with_key(&format!("Bearer {KEY}")),
            "begins with `Bearer`",
        ),
        ("in quotes", with_key(&format!("\"{KEY}\"")), "quotation mark"),
        ("two lines", with_key(&format!("{KEY}\n{KEY}")), "more than one line"),
        ("two words", with_key(&format!("{KEY} {KEY}")), "white space"),
        (
            "a file of two lines",
            with(&["--api-key-file", "two-lines"]),
            "more than one line",
        ),
        (
            "the key for a file",
            with(&["--api-key-file", KEY]),
            "cannot read the file",
        ),
        ("an option of its own", with(&["--api-key", KEY]), "--api-key"),
        ("an option with =", with(&[&format!("--api-key={KEY}")]), "--api-key"),
        ("in the job file", with(&["--job", "job.toml"]), "api_key"),
        ("in a broken job file", with(&["--job", "broken.toml"]), "broken.toml"),
    ];
    for (name, mut command, said) in cases {
        let ended = Finished::of(command.output().unwrap());
        assert_eq!(ended.code, Some(2), "{name}: {ended:#?}");
        assert!(ended.stderr.contains(said), "{name}: {ended:#?}");
        expect_no_key_in(&ended);
    }
    assert!(!batch.ledger().exists(), "nothing was begun");
}

/// What drives a terminal: colours, titles, C1 controls, text direction, line ends.
const EVIL: &str = "\u{1b}[31m\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}evil\u{2066}\u{200f}\u{2028}\u{7f}\r";

#[track_caller]
fn expect_harmless(what: &str, ended: &Finished) {
    for (stream, text) in [("stdout", &ended.stdout), ("stderr", &ended.stderr)] {
        let raw: Vec<char> = text
            .chars()
            .filter(|&c| (c.is_control() && c != '\n') || EVIL.replace("evil", "").contains(c) && !c.is_ascii())
            .collect();
        assert!(raw.is_empty(), "{what}: {raw:?} in {stream}: {text:?}");
    }
}

#[test]
fn nothing_from_the_manifest_or_the_server_drives_the_terminal() {
    let server = RawServer::start(|seen, stream| {
        let said = serde_json::json!({ "code": 422, "msg": format!("no {EVIL}"), "data": null });
        let reply = match seen.body {
            _ if seen.body.contains("[lost]") => json("200 OK", EVIL),
            _ if seen.body.contains("[halt]") => json("403 Forbidden", EVIL),
            _ if seen.body.contains("[id]") => {
                let body = serde_json::json!({ "code": 200, "data": { "taskId": EVIL } });
                json("200 OK", &body.to_string())
            }
            _ => json("200 OK", &said.to_string()),
        };
        send(stream, &reply)
    });
    let manifest = format!(
        "id,prompt,image_url,duration,\"odd{EVIL}\"\n\
         \"a{EVIL}\",\"boat{EVIL}\",https://img.example.org/1.png,6,x\n\
         \"b{EVIL}\",\"[lost]{EVIL}\",https://img.example.org/2.png,6,x\n\
         \"b{EVIL}\",again,https://img.example.org/3.png,6,x\n\
         c,\"[id]{EVIL}\",https://img.example.org/3.png,6,x\n\
         d,cat,\"https://img{EVIL}.example.org/4.png\",6,x\n\
         e,cat,https://img.example.org/5.png,\"7{EVIL}\",x\n\
         f,[halt],https://img.example.org/6.png,6,x\n\
         g,left,https://img.example.org/7.png,6,x\n"
    );
    let cases: [&[&str]; 4] = [
        &[],
        &["--json"],
        &["-vvv", "--log-format", "json"],
        &["-vvv", "--progress", "plain"],
    ];
    in_parallel(&cases, |flags| {
        // The file's own name is text from outside, too.
        let batch = Batch::with_manifest("sh\u{1b}[31mots\u{202e}.csv", &manifest, &server.url);
        let of = |command: &str, more: &[&str]| {
            let flags = [*flags, more].concat();
            let ended = Finished::of(batch.command(command, &flags).output().unwrap());
            expect_harmless(&format!("{command} {flags:?}"), &ended);
            ended
        };
        of("check", &[]).expect_code(1);
        of("run", &["--rate", "1000/1s", "--concurrency", "1"]).expect_code(3);
        of("status", &[]).expect_code(3);
        of("settle", &[]).expect_code(4);
        of("settle", &[&format!("--accept=b{EVIL}=x{EVIL}")]).expect_code(2);
        of("settle", &[&format!("--drop=none{EVIL}")]).expect_code(2);
        of("settle", &["--drop"]).expect_code(0);
        of("run", &["--rate", &format!("20{EVIL}")]).expect_code(2);
        of("run", &["--job", &format!("none{EVIL}.toml")]).expect_code(2);
        of("status", &["--ledger", &format!("none{EVIL}")]).expect_code(2);
        of("run", &["--strict"]).expect_code(2);
    });
}

#[test]
fn a_job_file_cannot_drive_the_terminal() {
    let batch = Batch::with_manifest("shots.csv", MANIFEST, "http://127.0.0.1:1");
    let evil = EVIL.replace('\r', "").replace(['\u{1b}', '\u{7}', '\u{7f}'], "");
    for text in [
        format!("manifest = \"shots.csv\"\n\"odd{evil}\" = 1\n"),
        format!("manifest = \"shots.csv\"\nrate = \"{evil}\"\n"),
        format!("manifest = \"{evil}.csv\"\n"),
        "manifest = \"\\u001b[31m\\u202e.csv\"\n".to_owned(),
        format!("manifest = {EVIL}\n"),
    ] {
        fs::write(batch.path("job.toml"), &text).unwrap();
        let ended = Finished::of(
            program()
                .current_dir(batch.folder.path())
                .args(["check", "--job", "job.toml"])
                .output()
                .unwrap(),
        );
        ended.expect_code(2);
        expect_harmless(&text, &ended);
    }
}

#[test]
fn no_cell_of_the_results_is_a_formula() {
    let server = RawServer::start(|seen, stream| {
        if seen.body.contains("taken") {
            let id = ["=1+1", "+1", "-1+2", "@SUM(A1)"][seen.connection % 4];
            return send(
                stream,
                &json(
                    "200 OK",
                    &format!(r#"{{"code":200,"data":{{"taskId":"{id}{}"}}}}"#, seen.connection),
                ),
            );
        }
        let text = [
            "=HYPERLINK(\\\"https://evil.example\\\")",
            "@x",
            "+cmd|' /C calc'!A0",
            "-2+3",
        ][seen.connection % 4];
        send(stream, &json("200 OK", &format!(r#"{{"code":422,"msg":"{text}"}}"#)))
    });
    for extension in ["csv", "tsv"] {
        let tab = if extension == "tsv" { "\t" } else { "," };
        let mut manifest = ["id", "prompt", "image_url", "=note", "@x"].join(tab) + "\n";
        for (index, odd) in [
            "=1+1",
            "+1+1",
            "-2+3",
            "@SUM(A1)",
            "=cmd|' /C calc'!A0",
            "'=already",
            "-5",
            "fine",
        ]
        .iter()
        .enumerate()
        {
            let taken = if index % 2 == 0 { "taken" } else { "" };
            let image = format!("https://img.example.org/{index}.png");
            let (id, prompt) = (format!("{odd}{index}"), format!("{odd} {taken}"));
            manifest += &([&id, &prompt, &image, *odd, *odd].join(tab) + "\n");
        }
        let batch = Batch::with_manifest(&format!("shots.{extension}"), &manifest, &server.url);
        batch.run(&["--concurrency", "1"]).expect_code(1);
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(tab.as_bytes()[0])
            .has_headers(false)
            .from_path(batch.path(&format!("shots.results.{extension}")))
            .unwrap();
        let mut cells = 0;
        for record in reader.records() {
            for cell in &record.unwrap() {
                cells += 1;
                let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err();
                assert!(!formula, "{cell:?}");
            }
        }
        assert!(cells > 100);
        // And it is still the same manifest: nothing is sent again but what was rejected, and that only if asked.
        fs::copy(batch.path(&format!("shots.results.{extension}")), &batch.manifest).unwrap();
        let again = batch.run(&[]);
        assert_eq!(again.count("requests"), 0, "{again:#?}");
    }
}
