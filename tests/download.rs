//! One file from a host to the disk: whatever the host does, what stands under the final name is the whole video or
//! nothing.
//!
//! The hosts are raw sockets that count what reaches them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs::{self, File};
use std::future::Future;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use hailuo_batch::collect::fetch::{FetchConfig, FetchError, Fetched, Fetcher, Wanted, acknowledge, part_beside};
use sha2::{Digest, Sha256};
use support::machine::{SmallDisk, can_use};
use support::server::{RawServer, Seen, Then, send};
use tempfile::TempDir;

const TASK: &str = "7d3f5a90c1b84e6fa2d4078b9e61c35f";

/// What nobody may read in a message.
const SIGNATURE: &str = "sig=7dc2a40b";

/// A video of about so many bytes, all of them different from those of another `seed`.
fn video(bytes: usize, seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut boxed = |kind: &[u8; 4], content: usize| {
        let size = u32::try_from(content + 8).unwrap().to_be_bytes();
        let content: Vec<u8> = (0..content).map(|_| random.u8(..)).collect();
        [&size[..], kind, &content].concat()
    };
    [boxed(b"ftyp", 16), boxed(b"moov", 100), boxed(b"mdat", bytes)].concat()
}

/// A reply with these headers, each `Name: value`.
fn reply(status: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    [format!("HTTP/1.1 {status}\r\n{headers}\r\n").as_bytes(), body].concat()
}

/// A proper reply to a request for `video` or, if its ETag still holds, for the rest of it.
fn proper(seen: &Seen, video: &[u8], etag: &str) -> Vec<u8> {
    let range = seen.header("range").first().map(|range| {
        let from = range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap();
        from.parse::<usize>().unwrap()
    });
    match range {
        Some(from) if seen.header("if-range") == [etag] => {
            let rest = &video[from..];
            let length = format!("Content-Length: {}", rest.len());
            let range = format!("Content-Range: bytes {from}-{}/{}", video.len() - 1, video.len());
            reply("206 Partial", &[&length, &range, &format!("ETag: {etag}")], rest)
        }
        _ => whole(video, etag),
    }
}

fn whole(video: &[u8], etag: &str) -> Vec<u8> {
    let length = format!("Content-Length: {}", video.len());
    reply("200 OK", &[&length, &format!("ETag: {etag}")], video)
}

/// What a request is answered with.
type Answer = Box<dyn Fn(&Seen) -> Vec<u8> + Send + Sync>;

/// A host with one answer to the first request, another to the second, and so on; the last stays.
fn host(answers: Vec<Answer>) -> RawServer {
    let turn = AtomicUsize::new(0);
    RawServer::start(move |seen, stream| {
        let turn = turn.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        send(stream, &answers[turn](seen));
        Then::Close
    })
}

/// A host that always answers the same.
fn constant(answer: Vec<u8>) -> RawServer {
    host(vec![Box::new(move |_| answer.clone())])
}

/// A folder for videos, and a fetcher that may use this machine.
struct Desk {
    folder: TempDir,
    config: FetchConfig,
}

impl Desk {
    fn new() -> Desk {
        Desk {
            folder: tempfile::tempdir().unwrap(),
            config: FetchConfig {
                allow_private_hosts: true,
                idle_timeout: Duration::from_secs(10),
                keep_free_bytes: 0,
                no_proxy: true,
                ..FetchConfig::default()
            },
        }
    }

    fn with(change: impl FnOnce(&mut FetchConfig)) -> Desk {
        let mut desk = Desk::new();
        change(&mut desk.config);
        desk
    }

    fn target(&self) -> PathBuf {
        self.folder.path().join("00001-boat.mp4")
    }

    fn part(&self) -> PathBuf {
        self.folder.path().join(".00001-boat.mp4.part")
    }

    fn note(&self) -> PathBuf {
        self.folder.path().join(".00001-boat.mp4.part.json")
    }

    async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        self.fetch_as(&format!("{url}/h/clip.mp4?{SIGNATURE}"), TASK, false)
            .await
    }

    async fn fetch_as(&self, url: &str, task: &str, replace: bool) -> Result<Fetched, FetchError> {
        fetch(&self.config, url, task, &self.target(), replace).await
    }

    /// The names of all files, sorted.
    fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[track_caller]
    fn expect_video(&self, outcome: Result<Fetched, FetchError>, video: &[u8]) {
        let fetched = outcome.unwrap();
        assert!(fs::read(self.target()).unwrap() == video, "another file came");
        assert_eq!(fetched.bytes, video.len() as u64);
        assert_eq!(fetched.sha256, <[u8; 32]>::from(Sha256::digest(video)));
        assert_eq!(self.files(), [".00001-boat.mp4.part.json", "00001-boat.mp4"]);
    }

    #[track_caller]
    fn expect_nothing_left(&self) {
        assert_eq!(self.files(), [""; 0]);
    }
}

async fn fetch(
    config: &FetchConfig,
    url: &str,
    task: &str,
    target: &Path,
    replace: bool,
) -> Result<Fetched, FetchError> {
    let wanted = Wanted {
        url,
        task,
        target,
        part: &part_beside(target),
        replace,
    };
    let outcome = Fetcher::new(config.clone()).unwrap().fetch(wanted, |_| {}).await;
    if let Err(error) = &outcome {
        assert!(!format!("{error}{error:?}").contains(SIGNATURE), "{error:?}");
    }
    outcome
}

#[track_caller]
fn again(outcome: Result<Fetched, FetchError>) -> String {
    match outcome {
        Err(FetchError::Again { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_video_is_fetched_once_and_known_again_until_it_is_acknowledged() {
    let film = video(300_000, 1);
    let served = film.clone();
    let server = host(vec![Box::new(move |seen| proper(seen, &served, "\"a\""))]);
    let desk = Desk::new();
    desk.expect_video(desk.fetch(&server.url).await, &film);
    let ordinary = desk.folder.path().join("ordinary");
    File::create(&ordinary).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode();
    assert_eq!(mode(&desk.target()), mode(&ordinary));
    fs::remove_file(ordinary).unwrap();

    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    for unwanted in ["authorization", "cookie", "referer", "range", "if-range"] {
        assert!(requests[0].header(unwanted).is_empty(), "{}", requests[0].head);
    }
    assert_eq!(requests[0].header("accept-encoding"), ["identity"]);
    assert!(requests[0].header("user-agent")[0].starts_with("hailuo-batch/"));

    // As after a crash before the result was recorded.
    desk.expect_video(desk.fetch(&server.url).await, &film);
    assert_eq!(server.requests().len(), 1, "it is here already");
    acknowledge(&desk.part()).await.unwrap();
    acknowledge(&desk.part()).await.unwrap();
    assert_eq!(desk.files(), ["00001-boat.mp4"]);
    assert!(matches!(desk.fetch(&server.url).await, Err(FetchError::Taken { .. })));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_file_that_is_complete_but_not_renamed_is_renamed() {
    let film = video(300_000, 2);
    let server = constant(whole(&film, "\"a\""));
    let desk = Desk::new();
    desk.fetch(&server.url).await.unwrap();
    fs::rename(desk.target(), desk.part()).unwrap();
    desk.expect_video(desk.fetch(&server.url).await, &film);
    assert_eq!(server.requests().len(), 1);

    // The same with other bytes in it: it is fetched anew.
    let mut other = film.clone();
    other[100_000] ^= 1;
    fs::write(desk.part(), &other).unwrap();
    fs::remove_file(desk.target()).unwrap();
    desk.expect_video(desk.fetch(&server.url).await, &film);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_file_in_its_place_that_was_altered_is_not_taken_for_it() {
    let film = video(1_000, 3);
    let server = constant(whole(&film, "\"a\""));
    let desk = Desk::new();
    desk.fetch(&server.url).await.unwrap();
    let mut edited = film.clone();
    edited[500] ^= 1;
    fs::write(desk.target(), &edited).unwrap();
    assert!(matches!(desk.fetch(&server.url).await, Err(FetchError::Taken { .. })));
    assert_eq!(fs::read(desk.target()).unwrap(), edited);
}

#[tokio::test]
async fn cut_anywhere_it_goes_on_where_it_was_cut() {
    let film = video(1_000_000, 4);
    for twentieth in 0..20 {
        let cut = film.len() * twentieth / 20;
        let (first, second) = (film.clone(), film.clone());
        let server = host(vec![
            Box::new(move |_| {
                let mut answer = whole(&first, "\"a\"");
                answer.truncate(answer.len() - first.len() + cut);
                answer
            }),
            Box::new(move |seen| proper(seen, &second, "\"a\"")),
        ]);
        let desk = Desk::new();
        let reason = again(desk.fetch(&server.url).await);
        assert!(reason.contains("broke off"), "{reason}");
        let here = fs::metadata(desk.part()).map_or(0, |part| part.len());
        assert_eq!(here, cut as u64);
        desk.expect_video(desk.fetch(&server.url).await, &film);
        let asked = &server.requests()[1];
        if cut == 0 {
            assert!(asked.header("range").is_empty());
        } else {
            assert_eq!(asked.header("range"), [format!("bytes={cut}-")]);
            assert_eq!(asked.header("if-range"), ["\"a\""]);
        }
    }
}

/// The future is dropped at a moment when half the file is on the disk; a process that is killed leaves the same.
#[tokio::test]
async fn a_fetch_that_is_given_up_is_gone_on_with() {
    let film = video(1_000_000, 5);
    let half = film.len() / 2;
    let served = film.clone();
    let turn = AtomicUsize::new(0);
    let server = RawServer::start(move |seen, stream| {
        let answer = proper(seen, &served, "\"a\"");
        if turn.fetch_add(1, Ordering::SeqCst) > 0 {
            return send(stream, &answer);
        }
        send(stream, &answer[..answer.len() - half]);
        sleep(Duration::from_secs(60));
        Then::Close
    });
    let desk = Desk::new();
    {
        let mut fetching = Box::pin(desk.fetch(&server.url));
        wait_while(&mut fetching, || {
            fs::metadata(desk.part()).map_or(0, |part| part.len()) < (film.len() - half) as u64
        })
        .await;
    }
    // The thread that wrote has seen the end by the time it lets go of the file.
    loop {
        match desk.fetch(&server.url).await {
            Err(FetchError::Again { reason, .. }) if reason.contains("another process") => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            outcome => break desk.expect_video(outcome, &film),
        }
    }
    assert_eq!(
        server.requests()[1].header("range"),
        [format!("bytes={}-", film.len() - half)]
    );
}

async fn wait_while(work: &mut (impl Future + Unpin), condition: impl Fn() -> bool) {
    let started = Instant::now();
    while condition() {
        assert!(started.elapsed() < Duration::from_secs(20));
        tokio::select! {
            _ = &mut *work => panic!("it ended"),
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
    }
}

#[tokio::test]
async fn another_file_behind_the_link_is_fetched_from_its_beginning() {
    let (old, new) = (video(400_000, 6), video(500_000, 7));
    let (first, second) = (old.clone(), new.clone());
    let server = host(vec![
        Box::new(move |_| whole(&first, "\"old\"")[..200_000].to_vec()),
        Box::new(move |seen| proper(seen, &second, "\"new\"")),
    ]);
    let desk = Desk::new();
    again(desk.fetch(&server.url).await);
    desk.expect_video(desk.fetch(&server.url).await, &new);
    assert_eq!(server.requests()[1].header("if-range"), ["\"old\""]);
}

#[tokio::test]
async fn a_rest_that_is_not_the_one_asked_for_is_not_taken() {
    let film = video(400_000, 8);
    let cut = 150_000;
    let piece = |range: &str| reply("206 Partial", &[&format!("Content-Range: bytes {range}")], &film[cut..]);
    for wrong in [
        piece(&format!("{}-{}/{}", cut - 1, film.len() - 1, film.len())),
        piece(&format!("{cut}-{}/{}", film.len() - 2, film.len())),
        piece(&format!("{cut}-{}/{}", film.len(), film.len() + 1)),
        reply("206 Partial", &[], &film[cut..]),
        reply("416 Too far", &["Content-Range: bytes */7", "Content-Length: 0"], b""),
    ] {
        let (first, last) = (film.clone(), film.clone());
        let server = host(vec![
            Box::new(move |_| {
                let answer = whole(&first, "\"a\"");
                answer[..answer.len() - first.len() + cut].to_vec()
            }),
            Box::new(move |_| wrong.clone()),
            Box::new(move |seen| proper(seen, &last, "\"a\"")),
        ]);
        let desk = Desk::new();
        again(desk.fetch(&server.url).await);
        desk.expect_video(desk.fetch(&server.url).await, &film);
        let asked: Vec<bool> = server
            .requests()
            .iter()
            .map(|seen| !seen.header("range").is_empty())
            .collect();
        assert_eq!(asked, [false, true, false]);
    }
}

#[tokio::test]
async fn a_rest_with_too_many_bytes_ends_without_a_file() {
    let film = video(400_000, 9);
    let first = film.clone();
    let range = format!("Content-Range: bytes 150000-{}/{}", film.len() - 1, film.len());
    let too_much = [&film[150_000..], b"more"].concat();
    let server = host(vec![
        Box::new(move |_| {
            let answer = whole(&first, "\"a\"");
            answer[..answer.len() - first.len() + 150_000].to_vec()
        }),
        Box::new(move |_| reply("206 Partial", &[&range], &too_much)),
    ]);
    let desk = Desk::new();
    again(desk.fetch(&server.url).await);
    assert_eq!(
        again(desk.fetch(&server.url).await),
        "more bytes came than were announced"
    );
    desk.expect_nothing_left();
}

#[tokio::test]
async fn parts_that_prove_nothing_are_begun_again() {
    let film = video(400_000, 10);
    for what in ["weak", "boot", "task", "note", "longer"] {
        let etag = if what == "weak" { "W/\"a\"" } else { "\"a\"" };
        let (first, second) = (film.clone(), film.clone());
        let server = host(vec![
            Box::new(move |_| whole(&first, etag)[..200_000].to_vec()),
            Box::new(move |seen| proper(seen, &second, etag)),
        ]);
        let desk = Desk::new();
        again(desk.fetch(&server.url).await);
        let note = fs::read_to_string(desk.note());
        match what {
            "weak" => desk.expect_nothing_left(),
            "boot" => {
                let mut note: serde_json::Value = serde_json::from_str(&note.unwrap()).unwrap();
                note["boot"] = "an-earlier-one".into();
                fs::write(desk.note(), note.to_string()).unwrap();
            }
            "note" => fs::write(desk.note(), &note.unwrap()[..40]).unwrap(),
            "longer" => fs::write(desk.part(), vec![0; film.len() + 1]).unwrap(),
            _ => assert!(note.unwrap().contains(TASK)),
        }
        let task = if what == "task" { "another" } else { TASK };
        let url = format!("{}/h/clip.mp4", server.url);
        desk.expect_video(desk.fetch_as(&url, task, false).await, &film);
        assert!(server.requests()[1].header("range").is_empty(), "{what}");
    }
}

#[tokio::test]
async fn a_part_that_lacks_nothing_needs_no_request() {
    let film = video(400_000, 11);
    let first = film.clone();
    let server = host(vec![Box::new(move |_| {
        let mut answer = whole(&first, "\"a\"");
        answer.pop();
        answer
    })]);
    let desk = Desk::new();
    again(desk.fetch(&server.url).await);
    fs::OpenOptions::new()
        .append(true)
        .open(desk.part())
        .unwrap()
        .write_all(&film[film.len() - 1..])
        .unwrap();
    desk.expect_video(desk.fetch(&server.url).await, &film);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn without_a_length_the_boxes_tell_whether_it_is_whole() {
    let film = video(200_000, 12);
    let chunked = |film: &[u8], end: &str| {
        let mut body = format!("{:x}\r\n", film.len()).into_bytes();
        body.extend_from_slice(film);
        body.extend_from_slice(end.as_bytes());
        reply("200 OK", &["Transfer-Encoding: chunked"], &body)
    };
    for answer in [reply("200 OK", &[], &film), chunked(&film, "\r\n0\r\n\r\n")] {
        let desk = Desk::new();
        desk.expect_video(desk.fetch(&constant(answer).url).await, &film);
    }
    let cut = &film[..film.len() - 9];
    for (answer, expected) in [
        (
            reply("200 OK", &[], cut),
            "the video is cut off: its `mdat` box lacks 9 bytes",
        ),
        (
            reply("200 OK", &[], &film[..60]),
            "the video is cut off: its `moov` box lacks 72 bytes",
        ),
        (
            reply("200 OK", &[], &film[..132]),
            "the video is not complete: it has no `mdat` box",
        ),
        (
            whole(cut, "\"a\""),
            "the video is cut off: its `mdat` box lacks 9 bytes",
        ),
        (chunked(&film, "\r\n"), "broke off after"),
    ] {
        let desk = Desk::new();
        let reason = again(desk.fetch(&constant(answer).url).await);
        assert!(reason.contains(expected), "{reason}");
        desk.expect_nothing_left();
    }
}

/// A host that sends `beginning` and then goes on with `then` until the client leaves.
fn endless(
    beginning: Vec<u8>,
    then: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
) -> RawServer {
    RawServer::start(move |_, stream| {
        send(stream, &beginning);
        while then(stream).is_ok() {}
        Then::Close
    })
}

fn half_of(film: &[u8]) -> Vec<u8> {
    let answer = whole(film, "\"a\"");
    answer[..answer.len() - film.len() / 2].to_vec()
}

#[tokio::test]
async fn half_a_file_for_ever_comes_to_an_end() {
    let film = video(100_000, 13);
    let impatient = |config: &mut FetchConfig| config.idle_timeout = Duration::from_millis(300);
    let silent = endless(half_of(&film), |_| {
        sleep(Duration::from_secs(60));
        Ok(())
    });
    let desk = Desk::with(impatient);
    assert_eq!(again(desk.fetch(&silent.url).await), "nothing came for 300ms");
    assert_eq!(desk.files(), [".00001-boat.mp4.part", ".00001-boat.mp4.part.json"]);

    let trickling = endless(half_of(&film), |stream| {
        sleep(Duration::from_millis(20));
        stream.write_all(b"x")
    });
    let desk = Desk::with(|config| {
        impatient(config);
        config.slowest_bytes_per_second = 10_000;
    });
    // The first window holds what came fast.
    let reason = again(desk.fetch(&trickling.url).await);
    assert!(
        reason.contains("too slowly") && reason.contains("3000 are the least"),
        "{reason}"
    );

    // An answer that never begins, and one whose headers never end.
    for beginning in ["", "HTTP/1.1 200 OK\r\n"] {
        let mute = endless(beginning.into(), |stream| {
            sleep(Duration::from_millis(20));
            stream.write_all(b"")
        });
        let desk = Desk::with(|config| {
            impatient(config);
            config.connect_timeout = Duration::from_millis(300);
        });
        assert_eq!(again(desk.fetch(&mute.url).await), "no answer for 600ms");
        desk.expect_nothing_left();
    }
}

#[tokio::test]
async fn what_is_no_video_ends_at_once() {
    for (body, expected) in [
        (
            &b"<!doctype html><title>Just a moment...</title>"[..],
            "a web page: Just a moment...",
        ),
        (
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xed\xbd",
            "a file of type application/gzip",
        ),
        (
            b"{\"code\":404,\"msg\":\"no \x1b[2J\"}",
            "text: {\"code\":404,\"msg\":\"no \\u{1b}[2J\"}",
        ),
    ] {
        // It announces gigabytes and never sends them.
        let page = reply("200 OK", &["Content-Length: 3000000000", "ETag: \"a\""], body);
        let server = endless(page, |_| {
            sleep(Duration::from_secs(60));
            Ok(())
        });
        let desk = Desk::new();
        let error = desk.fetch(&server.url).await.unwrap_err();
        assert!(
            matches!(&error, FetchError::NotAVideo { looks_like, .. } if looks_like == expected),
            "{error:?}"
        );
        assert_eq!(error.code(), "download");
        desk.expect_nothing_left();
    }
    for (body, expected) in [
        (&b""[..], "nothing at all"),
        (b"\0\0\0\x10ftyp", "unknown bytes: 00 00 00 10 66 74 79 70"),
    ] {
        let desk = Desk::new();
        let error = desk.fetch(&constant(whole(body, "\"a\"")).url).await.unwrap_err();
        assert!(
            matches!(&error, FetchError::NotAVideo { looks_like, .. } if looks_like == expected),
            "{error:?}"
        );
        desk.expect_nothing_left();
    }
}

#[tokio::test]
async fn a_file_larger_than_allowed_is_not_fetched() {
    let film = video(100_000, 14);
    let small = |config: &mut FetchConfig| config.largest_bytes = 50_000;
    let announced = endless(reply("200 OK", &["Content-Length: 50001"], b""), |_| {
        sleep(Duration::from_secs(60));
        Ok(())
    });
    let silent_about_it = endless(reply("200 OK", &[], &film[..20]), |stream| stream.write_all(&[1; 1000]));
    for server in [announced, silent_about_it] {
        let desk = Desk::with(small);
        let outcome = desk.fetch(&server.url).await;
        assert!(
            matches!(outcome, Err(FetchError::TooLarge { most: 50_000, .. })),
            "{outcome:?}"
        );
        desk.expect_nothing_left();
    }
}

#[tokio::test]
async fn redirects_are_followed_without_telling_the_next_host_anything() {
    let film = video(50_000, 15);
    let last = constant(whole(&film, "\"a\""));
    let location = format!("Location: {}/elsewhere.mp4?{SIGNATURE}", last.url);
    let first = constant(reply(
        "302 Found",
        &[&location, "Set-Cookie: a=b", "Content-Length: 0"],
        b"",
    ));
    let desk = Desk::new();
    desk.expect_video(desk.fetch(&first.url).await, &film);
    let asked = &last.requests()[0];
    assert!(asked.head.starts_with("GET /elsewhere.mp4?sig="), "{}", asked.head);
    for unwanted in ["authorization", "cookie", "referer"] {
        assert!(asked.header(unwanted).is_empty(), "{}", asked.head);
    }

    let circle = constant(reply("307 Again", &["Location: /h/clip.mp4", "Content-Length: 0"], b""));
    let desk = Desk::new();
    let error = desk.fetch(&circle.url).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("is refused: it is behind more than 5 redirects"),
        "{error}"
    );
    assert_eq!(circle.requests().len(), 6);
    desk.expect_nothing_left();

    for location in [
        "file:///etc/passwd",
        "ftp://127.0.0.1/a",
        "http://me:pw@127.0.0.1/a",
        "http://",
    ] {
        let server = constant(reply(
            "302 Found",
            &[&format!("Location: {location}"), "Content-Length: 0"],
            b"",
        ));
        let outcome = Desk::new().fetch(&server.url).await;
        assert!(matches!(outcome, Err(FetchError::Refused { .. })), "{outcome:?}");
    }
}

#[tokio::test]
async fn without_leave_nothing_on_a_private_network_is_asked() {
    let server = constant(whole(&video(1_000, 16), "\"a\""));
    let port = server.address.rsplit(':').next().unwrap();
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "2130706433",
    ] {
        let desk = Desk::with(|config| config.allow_private_hosts = false);
        let error = desk.fetch(&format!("http://{host}:{port}")).await.unwrap_err();
        let FetchError::Refused { reason, .. } = &error else {
            panic!("{host}: {error:?}")
        };
        assert_eq!(reason, "its host is in a private network", "{host}");
        desk.expect_nothing_left();
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn statuses_say_what_to_do_next() {
    for (status, code) in [(401, "expired"), (403, "expired"), (404, "expired"), (410, "expired")] {
        let page = reply(&format!("{status} No"), &["Content-Length: 16"], b"error code: 1010");
        let desk = Desk::new();
        let server = constant(page);
        let error = desk.fetch(&server.url).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "`{}/h/clip.mp4` is not there (HTTP {status}); the host says: text: error code: 1010",
                server.address
            )
        );
        assert_eq!(error.code(), code);
        desk.expect_nothing_left();
    }
    let busy = constant(reply("503 Busy", &["Retry-After: 17", "Content-Length: 0"], b""));
    match Desk::new().fetch(&busy.url).await {
        Err(FetchError::Again {
            reason, retry_after, ..
        }) => {
            assert_eq!(
                (reason.as_str(), retry_after),
                ("the host answered 503", Some(Duration::from_secs(17)))
            );
        }
        other => panic!("{other:?}"),
    }
    let refused = again(
        Desk::new()
            .fetch(&format!("http://{}", support::server::closed_port()))
            .await,
    );
    assert_eq!(refused, "connection refused");
}

/// The link has expired when the download is to go on: with a fresh one it goes on.
#[tokio::test]
async fn a_part_outlives_its_link() {
    let film = video(400_000, 17);
    let (first, last) = (film.clone(), film.clone());
    let server = host(vec![
        Box::new(move |_| whole(&first, "\"a\"")[..200_000].to_vec()),
        Box::new(|_| reply("403 Expired", &["Content-Length: 0"], b"")),
        Box::new(move |seen| proper(seen, &last, "\"a\"")),
    ]);
    let desk = Desk::new();
    again(desk.fetch(&server.url).await);
    assert!(matches!(
        desk.fetch(&server.url).await,
        Err(FetchError::NotThere { status: 403, .. })
    ));
    desk.expect_video(desk.fetch(&server.url).await, &film);
    assert!(!server.requests()[2].header("range").is_empty());
}

#[tokio::test]
async fn nothing_that_is_there_is_overwritten() {
    let film = video(50_000, 18);
    let server = constant(whole(&film, "\"a\""));
    let outside = tempfile::tempdir().unwrap();
    let treasure = outside.path().join("treasure");
    fs::write(&treasure, "mine").unwrap();
    for (what, by) in [
        ("file", "a file"),
        ("folder", "a folder"),
        ("link", "a symbolic link"),
        ("dangling", "a symbolic link"),
    ] {
        for place in [Desk::target, Desk::part] {
            let desk = Desk::new();
            let place = place(&desk);
            match what {
                "file" if place == desk.part() => continue,
                "file" => fs::write(&place, "mine").unwrap(),
                "folder" => fs::create_dir(&place).unwrap(),
                "link" => symlink(&treasure, &place).unwrap(),
                _ => symlink(outside.path().join("nothing"), &place).unwrap(),
            }
            match desk.fetch(&server.url).await {
                Err(FetchError::Taken { path, by: found }) => assert_eq!((path, found), (place, by)),
                other => panic!("{what}: {other:?}"),
            }
            assert_eq!(desk.files().len(), 1, "{what}");
        }
    }
    // A link in the note's place is replaced, and where it led nothing is.
    let desk = Desk::new();
    symlink(&treasure, desk.note()).unwrap();
    desk.expect_video(desk.fetch(&server.url).await, &film);
    assert_eq!(fs::read(&treasure).unwrap(), b"mine");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    assert_eq!(server.requests().len(), 1, "the others were known to be in vain");
}

#[tokio::test]
async fn a_file_that_appears_meanwhile_stays() {
    let film = video(50_000, 19);
    let desk = Desk::new();
    let target = desk.target();
    let server = host(vec![Box::new(move |_| {
        fs::write(&target, "somebody's").unwrap();
        whole(&film, "\"a\"")
    })]);
    assert!(matches!(
        desk.fetch(&server.url).await,
        Err(FetchError::Taken { by: "a file", .. })
    ));
    assert_eq!(fs::read(desk.target()).unwrap(), b"somebody's");
    assert_eq!(desk.files(), ["00001-boat.mp4"]);
}

#[tokio::test]
async fn only_a_file_may_be_replaced_and_only_where_that_was_asked_for() {
    let film = video(50_000, 20);
    let server = constant(whole(&film, "\"a\""));
    let url = format!("{}/clip.mp4", server.url);
    let desk = Desk::new();
    fs::write(desk.target(), "of an earlier task").unwrap();
    desk.expect_video(desk.fetch_as(&url, TASK, true).await, &film);
    for odd in ["folder", "link"] {
        let desk = Desk::new();
        match odd {
            "folder" => fs::create_dir(desk.target()).unwrap(),
            _ => symlink("elsewhere", desk.target()).unwrap(),
        }
        let outcome = desk.fetch_as(&url, TASK, true).await;
        assert!(matches!(outcome, Err(FetchError::Taken { .. })), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_part_with_a_second_name_is_left_to_that_name() {
    let film = video(50_000, 21);
    let server = constant(whole(&film, "\"a\""));
    let desk = Desk::new();
    let other = desk.folder.path().join("other.mp4");
    fs::write(&other, "finished").unwrap();
    fs::hard_link(&other, desk.part()).unwrap();
    desk.fetch(&server.url).await.unwrap();
    assert_eq!(fs::read(&other).unwrap(), b"finished");
}

#[tokio::test]
async fn two_at_the_same_part_do_not_write_it_both() {
    let film = video(50_000, 22);
    let server = constant(whole(&film, "\"a\""));
    let desk = Desk::new();
    let held = File::create(desk.part()).unwrap();
    held.lock().unwrap();
    assert!(again(desk.fetch(&server.url).await).starts_with("another process is fetching it"));
    drop(held);
    desk.expect_video(desk.fetch(&server.url).await, &film);
}

#[tokio::test]
async fn a_folder_that_is_missing_is_said_to_be() {
    let server = constant(whole(&video(50_000, 23), "\"a\""));
    let desk = Desk::new();
    let target = desk.folder.path().join("missing/a.mp4");
    let error = fetch(&desk.config, &server.url, TASK, &target, false)
        .await
        .unwrap_err();
    assert!(matches!(&error, FetchError::Io { .. }), "{error:?}");
    assert_eq!(
        error.help(),
        Some("the folder does not exist: create it, or choose another place")
    );
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn a_full_disk_ends_it_and_has_its_room_back() {
    if !can_use(&["mount"]) {
        return;
    }
    let film = video(600_000, 24);
    let disk = SmallDisk::of_kib(512);
    let target = disk.path().join("a.mp4");
    let mut config = Desk::new().config;
    let free = |disk: &Path| rustix::fs::statvfs(disk).unwrap().f_bavail;
    let before = free(disk.path());
    // Announced, so that it is known beforehand; not announced, so that the disk says it.
    for (answer, known) in [
        (whole(&film, "\"a\""), Some(film.len() as u64)),
        (reply("200 OK", &[], &film), None),
    ] {
        let outcome = fetch(&config, &constant(answer).url, TASK, &target, false).await;
        match outcome {
            Err(FetchError::DiskFull { folder, needed }) => {
                assert_eq!((folder.as_path(), needed), (disk.path(), known))
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(fs::read_dir(disk.path()).unwrap().count(), 0);
        assert_eq!(free(disk.path()), before);
    }
    let small = video(300_000, 25);
    let server = constant(whole(&small, "\"a\""));
    config.keep_free_bytes = 300_000;
    let error = fetch(&config, &server.url, TASK, &target, false).await.unwrap_err();
    assert_eq!(error.code(), "disk_full");
    assert_eq!(fs::read_dir(disk.path()).unwrap().count(), 0);
    config.keep_free_bytes = 100_000;
    fetch(&config, &server.url, TASK, &target, false).await.unwrap();
    assert_eq!(fs::read(&target).unwrap(), small);
}

/// Others fill the disk too: the reserve is looked at on the way.
#[tokio::test]
async fn a_disk_that_others_fill_meanwhile_keeps_its_reserve() {
    if !can_use(&["mount"]) {
        return;
    }
    let film = video(40 << 20, 26);
    let disk = SmallDisk::of_kib(64 << 10);
    let others = disk.path().join("others");
    let target = disk.path().join("a.mp4");
    let (answer, filler) = (whole(&film, "\"a\""), others.clone());
    let server = RawServer::start(move |_, stream| {
        let (first, rest) = answer.split_at(1 << 20);
        send(stream, first);
        fs::write(&filler, vec![1; 30 << 20]).unwrap();
        send(stream, rest);
        Then::Close
    });
    let mut config = Desk::new().config;
    config.keep_free_bytes = 20 << 20;
    let outcome = fetch(&config, &server.url, TASK, &target, false).await;
    assert!(
        matches!(outcome, Err(FetchError::DiskFull { needed: Some(_), .. })),
        "{outcome:?}"
    );
    let names: Vec<_> = fs::read_dir(disk.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(names, [others]);
}

#[tokio::test]
async fn many_at_once_do_not_mix() {
    let server = RawServer::start(|seen, stream| {
        let seed = seen.head.split(['/', '.']).nth(1).unwrap().parse().unwrap();
        send(stream, &whole(&video(700_000, seed), "\"same\""))
    });
    let desk = Desk::new();
    let fetcher = Fetcher::new(desk.config.clone()).unwrap();
    let tasks: Vec<_> = (0..24)
        .map(|seed| {
            let fetcher = fetcher.clone();
            let target = desk.folder.path().join(format!("{seed}.mp4"));
            let url = format!("{}/{seed}.mp4", server.url);
            tokio::spawn(async move {
                let film = video(700_000, seed);
                let part = part_beside(&target);
                let wanted = Wanted {
                    url: &url,
                    task: &seed.to_string(),
                    target: &target,
                    part: &part,
                    replace: false,
                };
                let (tell, told) = mpsc::channel();
                let fetched = fetcher
                    .fetch(wanted, move |bytes| tell.send(bytes).unwrap())
                    .await
                    .unwrap();
                let told: Vec<u64> = told.iter().collect();
                assert!(
                    told.is_sorted() && told.last() == Some(&(film.len() as u64)),
                    "{told:?}"
                );
                assert_eq!(fetched.sha256, <[u8; 32]>::from(Sha256::digest(&film)));
                assert!(fs::read(&target).unwrap() == film);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// The proxy of a company stands in its private network, and resolves the names itself. It comes from the environment,
/// so this test runs itself again as another process.
#[tokio::test]
async fn a_proxy_may_be_private_and_is_asked_for_public_names_only() {
    const ROLE: &str = "HAILUO_BATCH_TEST_BEHIND_PROXY";
    let film = video(50_000, 27);
    if std::env::var_os(ROLE).is_some() {
        let desk = Desk::with(|config| {
            config.allow_private_hosts = false;
            config.no_proxy = false;
        });
        desk.expect_video(desk.fetch("http://files.invalid").await, &film);
        for private in ["http://169.254.169.254", "http://localhost"] {
            let outcome = Desk::with(|config| {
                config.allow_private_hosts = false;
                config.no_proxy = false;
            });
            let outcome = outcome.fetch(private).await;
            assert!(
                matches!(outcome, Err(FetchError::Refused { .. })),
                "{private}: {outcome:?}"
            );
        }
        return;
    }
    let proxy = constant(whole(&film, "\"a\""));
    let again = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_proxy_may_be_private_and_is_asked_for_public_names_only"])
        .env(ROLE, "1")
        .env("http_proxy", proxy.url.replace("127.0.0.1", "localhost"))
        .env("no_proxy", "localhost")
        .env_remove("HTTP_PROXY")
        .env_remove("NO_PROXY")
        .output()
        .unwrap();
    assert!(again.status.success(), "{again:?}");
    let asked: Vec<String> = proxy
        .requests()
        .iter()
        .map(|seen| seen.head.lines().next().unwrap().to_owned())
        .collect();
    assert_eq!(
        asked,
        [format!("GET http://files.invalid/h/clip.mp4?{SIGNATURE} HTTP/1.1")]
    );
}
