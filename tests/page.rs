//! The live page through the program: who sees it, what it shows, and that it is in nobody's way.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use serde_json::Value;

use support::{Batch, Finished, KEY, Running, SandboxProcess, files_below, in_parallel, program, signal, wait_until};

/// A token that must show nowhere.
const TOKEN: &str = "canary-token-3b9d0f42aa";

/// A command that listens, and what it says.
struct Shown {
    running: Running,
    said: PathBuf,
    _folder: tempfile::TempDir,
}

impl Shown {
    fn start(command: &mut Command) -> Shown {
        let folder = tempfile::tempdir().unwrap();
        let said = folder.path().join("stderr");
        let running = Running::of(command.stderr(Stdio::from(File::create(&said).unwrap())));
        Shown {
            running,
            said,
            _folder: folder,
        }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap()
    }

    /// The line that begins like this, without its beginning.
    fn line(&self, begin: &str) -> Option<String> {
        let said = self.said();
        said.lines()
            .find_map(|line| line.strip_prefix(begin))
            .map(str::to_owned)
    }

    /// Where the page is, as `127.0.0.1:40123`.
    fn address(&self) -> String {
        wait_until("the page's address", || self.line("page: http://").is_some());
        let line = self.line("page: http://").unwrap();
        line.split('/').next().unwrap().to_owned()
    }

    /// How it ended, and everything it said.
    fn end(self) -> (Finished, String) {
        let Shown { running, said, _folder } = self;
        let ended = running.end();
        (ended, fs::read_to_string(said).unwrap())
    }

    fn stop(self) -> (Finished, String) {
        signal(self.running.id(), "TERM");
        self.end()
    }
}

/// Status, head and body of an answer.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// One request; `headers` are whole lines.
fn ask(address: &str, line: &str, headers: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = match body.len() {
        0 => String::new(),
        length => format!("Content-Length: {length}\r\n"),
    };
    let host = match headers.contains("Host:") {
        true => String::new(),
        false => format!("Host: {address}\r\n"),
    };
    write!(stream, "{line} HTTP/1.1\r\n{host}{length}{headers}\r\n{body}").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head,
        body: bytes[end..].to_vec(),
    }
}

fn get(address: &str, path: &str) -> Answer {
    ask(address, &format!("GET {path}"), "", "")
}

/// The data of events as they come, until the stream's end.
fn stream_of(address: &str) -> impl Iterator<Item = Value> + use<> {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.filter_map(|line| {
        line.strip_prefix("data: ")
            .map(|data| serde_json::from_str(data).unwrap())
    })
}

/// All of them.
fn events(address: &str) -> Vec<Value> {
    stream_of(address).collect()
}

#[test]
fn a_run_shows_where_it_stands_and_how_it_ended() {
    let sandbox = SandboxProcess::start(&["--generate", "300ms"]);
    let prompts = ["<script>alert(1)</script>", "two", "three [sandbox:task-fail]"];
    let batch = Batch::with_prompts(&prompts, &sandbox);
    let flags = [
        "--json",
        "--rate",
        "2/1s",
        "--download",
        "videos",
        "--listen",
        "127.0.0.1:0",
    ];
    let shown = Shown::start(&mut batch.command("run", &flags));
    let address = shown.address();
    assert_eq!(shown.line("receiving callbacks"), None, "none is led here");
    assert_eq!(shown.line("warning"), None);
    let page = get(&address, "/");
    assert!(page.status == 200 && page.text().contains("shots.csv"), "{}", page.head);
    assert_eq!(get(&address, "/healthz").text(), "ok\n");
    assert!(get(&address, "/metrics").text().contains("hailuo_batch_"));
    let rows = get(&address, "/api/rows").json();
    assert_eq!(
        (rows["total"].clone(), rows["rows"][0]["prompt"].clone()),
        (3.into(), prompts[0].into())
    );

    let events = events(&address);
    let (first, last) = (events.first().unwrap(), events.last().unwrap());
    assert_eq!(
        (first["live"].clone(), first["ended"].clone()),
        (true.into(), false.into())
    );
    assert_eq!(
        (last["live"].clone(), last["ended"].clone()),
        (false.into(), true.into())
    );
    assert!(events.len() > 2, "{events:?}");
    assert!(
        !events.iter().any(|event| event.to_string().contains("<script")),
        "{events:?}"
    );
    // A browser asks for the rows again when it hears of the end, and gets what the summary says.
    for (status, count) in [("saved", 2), ("failed", 1)] {
        let rows = get(&address, &format!("/api/rows?status={status}")).json();
        assert_eq!(rows["total"], count, "{rows}");
    }
    let (ended, said) = shown.end();
    ended.expect_code(1);
    assert_eq!((ended.count("saved"), ended.count("failed")), (2, 1), "{said}");
    // It was the end that was shown: nobody at work, and everything in its last state.
    let head = last["sections"]["head"].as_str().unwrap();
    assert!(!head.contains("sending") && !head.contains("collecting"), "{head}");
    assert!(TcpStream::connect(&address).is_err());
}

/// Without a key, a lock or a word written, on a batch that somebody works on and on one that is done.
#[test]
fn a_viewer_needs_nothing_and_changes_nothing() {
    let sandbox = SandboxProcess::start(&["--generate", "300ms"]);
    let batch = Batch::with_rows(8, &sandbox);
    let run = batch.start(&["--json", "--rate", "4/1s", "--download", "videos"]);
    wait_until("a ledger", || sandbox.count("requests") > 0);
    let view = || {
        let mut command = program();
        command
            .current_dir(batch.folder.path())
            .args(["serve", "shots.csv", "--view-only", "--listen", "127.0.0.1:0"]);
        Shown::start(&mut command)
    };
    let shown = view();
    let address = shown.address();
    assert_eq!(get(&address, "/api/rows").json()["total"], 8);
    assert_eq!(get(&address, "/healthz").status, 200);
    let refused = ask(&address, "POST /kie?token=1-00", "", "{}");
    assert_eq!(refused.status, 405, "{}", refused.head);
    let ended = run.end();
    ended.expect_code(0);
    assert_eq!(ended.count("saved"), 8);
    wait_until("the end", || {
        get(&address, "/api/rows?status=saved").json()["total"] == 8
    });
    let (ended, said) = shown.stop();
    ended.expect_code(143);
    assert_eq!(ended.stdout, "");
    assert!(said.contains("no longer shown"), "{said}");

    let before = files_below(batch.folder.path());
    let shown = view();
    let address = shown.address();
    let (video, name) = {
        let card = get(&address, "/api/rows/3").json();
        (
            get(&address, "/media/3/video"),
            card["video"]["file"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(video.status, 200, "{}", video.head);
    assert!(video.body == fs::read(batch.path(&name)).unwrap());
    let part = ask(&address, "GET /media/3/video", "Range: bytes=4-7\r\n", "");
    assert_eq!((part.status, part.body.as_slice()), (206, &b"ftyp"[..]));
    assert!(get(&address, "/report.html").text().contains("hailuo-batch report"));
    assert_eq!(get(&address, "/metrics").status, 200);
    shown.stop().0.expect_code(143);
    let after = files_below(batch.folder.path());
    let names = |files: &[(PathBuf, Vec<u8>)]| files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    let (mut before_names, mut after_names) = (names(&before), names(&after));
    before_names.sort();
    after_names.sort();
    assert_eq!(before_names, after_names);
    for (path, bytes) in before {
        assert!(
            after.iter().any(|(other, now)| *other == path && *now == bytes),
            "{}",
            path.display()
        );
    }
}

#[test]
fn a_viewer_of_nothing_is_told_so_and_a_second_server_how_to_look_on() {
    let sandbox = SandboxProcess::start(&["--generate", "60s"]);
    let batch = Batch::with_rows(1, &sandbox);
    let missing = Finished::of(batch.command("serve", &["--view-only"]).output().unwrap());
    missing.expect_code(2);
    assert!(missing.stderr.contains("there is no ledger"), "{missing:#?}");
    batch.run(&[]).expect_code(0);
    let first = Shown::start(&mut batch.command("serve", &["--listen", "127.0.0.1:0"]));
    let address = first.address();
    let second = Finished::of(batch.command("serve", &["--listen", "127.0.0.1:0"]).output().unwrap());
    second.expect_code(5);
    assert!(second.stderr.contains("serve --view-only"), "{second:#?}");
    let taken = Finished::of(
        batch
            .command("serve", &["--view-only", "--listen", &address])
            .output()
            .unwrap(),
    );
    taken.expect_code(2);
    assert!(taken.stderr.contains(&address), "{taken:#?}");
    let (ended, said) = first.stop();
    ended.expect_code(143);
    assert!(said.contains("receiving callbacks on http://"), "{said}");
}

/// What ends is the command that shows the batch, and not the batch: its viewers come again when it does.
#[test]
fn a_server_that_is_stopped_tells_nobody_of_an_end() {
    let sandbox = SandboxProcess::start(&["--generate", "60s"]);
    let batch = Batch::with_rows(1, &sandbox);
    batch.run(&[]).expect_code(0);
    for flags in [
        &["--listen", "127.0.0.1:0"][..],
        &["--listen", "127.0.0.1:0", "--view-only"],
    ] {
        let shown = Shown::start(&mut batch.command("serve", flags));
        let mut events = stream_of(&shown.address());
        assert_eq!(events.next().unwrap()["ended"], false, "{flags:?}");
        let (ended, said) = shown.stop();
        ended.expect_code(143);
        let later: Vec<Value> = events.collect();
        assert!(later.iter().all(|event| event["ended"] == false), "{later:?} {said}");
    }
}

/// A key for callbacks says that they come from somewhere, be it to addresses that only the manifest names.
#[test]
fn a_webhook_key_keeps_the_page_from_whoever_has_no_token() {
    let sandbox = SandboxProcess::start(&["--generate", "60s"]);
    let batch = Batch::with_rows(1, &sandbox);
    batch.run(&[]).expect_code(0);
    fs::write(batch.path("key"), "canary-webhook-1f5e").unwrap();
    fs::write(batch.path("token"), TOKEN).unwrap();
    let command = |flags: &[&str], from_file: bool| {
        let mut command = batch.command("serve", flags);
        command.args(["--listen", "127.0.0.1:0"]);
        match from_file {
            true => command.args(["--webhook-key-file", "key"]),
            false => command.env("KIE_WEBHOOK_KEY", "canary-webhook-1f5e"),
        };
        command
    };
    for from_file in [false, true] {
        let shown = Shown::start(&mut command(&[], from_file));
        wait_until("the receiver", || {
            shown.line("receiving callbacks on http://").is_some()
        });
        let line = shown.line("receiving callbacks on http://").unwrap();
        assert!(line.contains("signed ones only"), "{line}");
        let address = line.split(['/', ' ']).next().unwrap();
        assert_eq!(get(address, "/").status, 405);
        let (_, said) = shown.stop();
        assert!(
            said.contains("the page is not shown") && !said.contains("page: http"),
            "{said}"
        );

        let refused = Finished::of(command(&["--view-only"], from_file).output().unwrap());
        refused.expect_code(2);
        assert!(refused.stderr.contains("led to this machine"), "{}", refused.stderr);
        for flags in [
            &["--token-file", "token"][..],
            &["--token-file", "token", "--view-only"],
        ] {
            let shown = Shown::start(&mut command(flags, from_file));
            let address = shown.address();
            assert_eq!(get(&address, "/").status, 401);
            shown.stop().0.expect_code(143);
        }
    }
}

/// Each way to listen: whether the page is shown, and to whom.
#[test]
fn others_see_the_page_only_with_a_token() {
    let sandbox = SandboxProcess::start(&["--generate", "60s"]);
    let batch = Batch::with_rows(1, &sandbox);
    batch.run(&[]).expect_code(0);
    fs::write(batch.path("token"), TOKEN).unwrap();
    let public = "https://hooks.example.org/kie";
    let refused = [
        (vec!["--listen", "0.0.0.0:0"], "others can reach 0.0.0.0:0"),
        (vec!["--listen", "0.0.0.0:0", "--view-only"], "others can reach"),
        (vec!["--listen", "[::]:0"], "others can reach"),
        (vec!["--public-url", public, "--view-only"], "led to this machine"),
        (
            vec!["--public-url", public, "--view-only", "--listen", "0.0.0.0:0"],
            "others can reach",
        ),
        (vec!["--allow-host", "studio.lan"], "`--allow-host studio.lan` would"),
        (
            vec!["--allow-host", "studio.lan", "--view-only"],
            "give `--token-file`, too",
        ),
        (
            vec!["--allow-host", "studio.lan", "--public-url", public],
            "would show everybody the batch",
        ),
        (vec!["--token", "too-short"], "fewer than 16 characters"),
        (vec!["--token="], "is empty"),
        (vec!["--token-file", "gone"], "cannot read the file"),
        (vec!["--token", TOKEN, "--token-file", "token"], "contradict each other"),
    ];
    in_parallel(&refused, |(flags, reason)| {
        let refused = Finished::of(batch.command("serve", flags).output().unwrap());
        refused.expect_code(2);
        assert!(refused.stderr.contains(reason), "{flags:?}: {}", refused.stderr);
        assert!(refused.stderr.contains("help: "), "{flags:?}: {}", refused.stderr);
        for secret in [TOKEN, "too-short"] {
            assert!(!refused.stderr.contains(secret), "{flags:?}: {}", refused.stderr);
        }
    });
    // Where callbacks are led here and there is no token, it is as it was before there was a page.
    for flags in [vec!["--listen", "0.0.0.0:0"], vec!["--listen", "127.0.0.1:0"]] {
        for url in ["--public-url", "--callback-url"] {
            // A server of one's own is a setting of the job; `serve` has no flag for it.
            let mut command = batch.command("serve", &flags);
            match url {
                "--public-url" => command.args([url, public]),
                _ => {
                    fs::write(batch.path("job.toml"), format!("callback_url = \"{public}\"\n")).unwrap();
                    command.args(["--job", "job.toml"])
                }
            };
            let shown = Shown::start(&mut command);
            wait_until("the receiver", || {
                shown.line("receiving callbacks on http://").is_some()
            });
            let line = shown.line("receiving callbacks on http://").unwrap();
            let port = line
                .split(['/', ' '])
                .next()
                .unwrap()
                .rsplit(':')
                .next()
                .unwrap()
                .to_owned();
            let answer = get(&format!("127.0.0.1:{port}"), "/");
            assert_eq!(answer.status, 405, "{}", answer.head);
            let (_, said) = shown.stop();
            assert!(
                said.contains("the page is not shown") && !said.contains("page: http"),
                "{said}"
            );
        }
    }
}

#[test]
fn a_token_opens_the_page_and_shows_nowhere() {
    let sandbox = SandboxProcess::start(&["--generate", "300ms"]);
    let batch = Batch::with_rows(4, &sandbox);
    let flags = [
        "--json",
        "-vvv",
        "--log-format",
        "json",
        "--token",
        TOKEN,
        "--rate",
        "1/1s",
        "--listen",
        "0.0.0.0:0",
        "--allow-host",
        "studio.lan",
    ];
    let shown = Shown::start(&mut batch.command("run", &flags));
    wait_until("the page", || shown.said().contains("page: http://"));
    let said = shown.said();
    let (_, line) = said.split_once("page: http://").unwrap();
    assert!(line.contains("/ (token needed)"), "{line}");
    let port = line.split(['/', ' ']).next().unwrap().rsplit(':').next().unwrap();
    let address = format!("127.0.0.1:{port}");

    let door = get(&address, "/");
    assert!(
        door.status == 401 && door.text().contains("action=\"login\""),
        "{}",
        door.head
    );
    for path in ["/api/rows", "/metrics", "/events", "/media/1/image", "/report.html"] {
        assert_eq!(get(&address, path).status, 401, "{path}");
    }
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    assert_eq!(ask(&address, "GET /metrics", &bearer, "").status, 200);
    assert_eq!(
        ask(
            &address,
            "GET /metrics",
            "Authorization: Bearer canary-token-guess\r\n",
            ""
        )
        .status,
        401
    );
    let own = format!("Origin: http://{address}\r\nSec-Fetch-Site: same-origin\r\n");
    let wrong = ask(&address, "POST /login", &own, "token=canary-token-guess");
    assert_eq!(wrong.status, 401);
    let foreign = ask(
        &address,
        "POST /login",
        "Origin: http://evil.example\r\n",
        &format!("token={TOKEN}"),
    );
    assert_eq!(foreign.status, 403);
    let right = ask(&address, "POST /login", &own, &format!("token={TOKEN}"));
    assert_eq!(right.status, 303, "{}", right.head);
    let cookie = right
        .head
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    let session = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());
    let page = ask(&address, "GET /", &session, "");
    assert!(page.status == 200 && page.text().contains("shots.csv"), "{}", page.head);
    // Names: those of this machine and those that were allowed.
    for (host, status) in [("studio.lan", 200), ("127.0.0.1", 200), ("evil.example", 421)] {
        let answer = ask(&address, "GET /", &format!("Host: {host}\r\n{session}"), "");
        assert_eq!(answer.status, status, "{host}");
    }

    let (ended, said) = shown.end();
    ended.expect_code(0);
    let mut all = vec![(PathBuf::from("stderr"), said.into_bytes())];
    all.push(("stdout".into(), ended.stdout.clone().into_bytes()));
    for answer in [door, wrong, foreign, right, page] {
        all.push(("an answer".into(), [answer.head.into_bytes(), answer.body].concat()));
    }
    all.extend(files_below(batch.folder.path()));
    for (path, bytes) in all {
        for secret in [TOKEN, KEY, "canary-token-guess"] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {}", path.display());
        }
    }
}

/// However many look, and however fast they ask: rows are sent at the speed the limit allows, and callbacks find their way.
#[test]
fn a_flood_of_viewers_slows_nothing() {
    let sandbox = SandboxProcess::start(&["--generate", "200ms"]);
    let batch = Batch::with_rows(60, &sandbox);
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let (listen, public) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}/kie"));
    let flags = [
        "--json",
        "--rate",
        "30/1s",
        "--poll-rate",
        "off",
        "--token",
        TOKEN,
        "--listen",
        &listen,
        "--public-url",
        &public,
    ];
    let shown = Shown::start(&mut batch.command("run", &flags));
    let address = shown.address();
    let (asked, over) = (AtomicU32::new(0), AtomicBool::new(false));
    let ended = scope(|scope| {
        for _ in 0..60 {
            scope.spawn(|| {
                // Streams that are opened and never read.
                let stream = TcpStream::connect(&address).ok().map(|mut stream| {
                    let head =
                        format!("GET /events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
                    stream.write_all(head.as_bytes()).ok();
                    stream
                });
                while !over.load(Ordering::Relaxed) {
                    sleep(Duration::from_millis(20));
                }
                drop(stream);
            });
        }
        for path in ["/", "/api/rows?q=clip", "/metrics", "/healthz"] {
            let (asked, over, address) = (&asked, &over, &address);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let Ok(mut stream) = TcpStream::connect(address) else {
                        return;
                    };
                    let head =
                        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
                    let mut answer = Vec::new();
                    if stream.write_all(head.as_bytes()).is_ok() && stream.read_to_end(&mut answer).is_ok() {
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let ended = shown.end();
        over.store(true, Ordering::Relaxed);
        ended
    });
    let (ended, said) = ended;
    ended.expect_code(0);
    assert_eq!((ended.count("succeeded"), ended.count("requests")), (60, 60), "{said}");
    assert!(asked.load(Ordering::Relaxed) > 100, "{asked:?}");
    let requests = sandbox.requests();
    let times: Vec<i64> = requests.iter().map(|seen| seen["unix_ms"].as_i64().unwrap()).collect();
    let took = times.iter().max().unwrap() - times.iter().min().unwrap();
    // At 30 a second, 59 rows after the first take two seconds.
    assert!(took < 3_000, "{took} ms for 60 rows");
    let answered = sandbox.books()["callbacks"]["answered"].as_u64().unwrap();
    assert!(answered >= 55, "{answered} callbacks arrived");
}

/// A picture is shown as the manifest names it, and only from its folder.
#[test]
fn a_local_picture_is_shown_from_the_manifests_folder_only() {
    let sandbox = SandboxProcess::start(&["--generate", "100ms"]);
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x02\0\0\0\x02\0\x08\x02\0\0\0".to_vec();
    png.resize(200, 7);
    let manifest = "id,prompt,image_url\na,a boat,pictures/a.png\nb,a boat,pictures/b.png\nc,a boat,../c.png\n";
    let batch = Batch::with_manifest("shots.csv", manifest, &sandbox.url);
    fs::create_dir(batch.path("pictures")).unwrap();
    for name in ["pictures/a.png", "pictures/b.png"] {
        fs::write(batch.path(name), &png).unwrap();
    }
    batch.run(&[]).expect_code(1);
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("secret.png"), &png).unwrap();
    fs::remove_file(batch.path("pictures/b.png")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path().join("secret.png"), batch.path("pictures/b.png")).unwrap();
    let shown = Shown::start(&mut batch.command("serve", &["--view-only", "--listen", "127.0.0.1:0"]));
    let address = shown.address();
    let picture = get(&address, "/media/1/image");
    assert!(picture.status == 200 && picture.body == png, "{}", picture.head);
    assert!(picture.head.contains("content-type: image/png"), "{}", picture.head);
    for row in [2, 3, 4] {
        let answer = get(&address, &format!("/media/{row}/image"));
        assert_eq!(answer.status, 404, "row {row}: {}", answer.head);
    }
    shown.stop().0.expect_code(143);
}
