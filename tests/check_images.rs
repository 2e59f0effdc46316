//! `check --images`: every image on the web is asked for once, for its first bytes only, and what is said of it is so.
//!
//! The hosts are raw sockets that count what reaches them. Most tests have the program go through one of them as its
//! proxy: so hosts can have public names, and nothing leaves this machine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hailuo_batch::finding::Finding;
use hailuo_batch::image::{Fault, MOST_BYTES};
use hailuo_batch::preflight::{Addresses, LookConfig, Looker, Standing, look_at_all};
use serde_json::{Value, json};
use support::machine::can_use;
use support::server::{Certificate, RawServer, Seen, Then, closed_port, send};
use support::{Finished, KEY, Running, program, signal, wait_until};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

/// A PNG as far as its header tells, of so many bytes in all.
fn png(width: u32, height: u32, bytes: usize) -> Vec<u8> {
    let mut image = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    image.extend(width.to_be_bytes());
    image.extend(height.to_be_bytes());
    image.extend(b"\x08\x02\0\0\0");
    image.resize(bytes, 0);
    image
}

/// A good one.
fn good() -> Vec<u8> {
    png(1280, 720, 200_000)
}

/// A JPEG whose size stands behind so many segments of metadata of 64 kB.
fn jpeg(segments: usize) -> Vec<u8> {
    let mut image = b"\xff\xd8".to_vec();
    for _ in 0..segments {
        image.extend(b"\xff\xe1\xff\xff");
        image.extend([0; 0xfffd]);
    }
    image.extend(b"\xff\xc0\0\x11\x08\x02\xd0\x05\0\x03\x01\x22\0\x02\x11\x01\x03\x11\x01");
    image.resize(image.len() + 100_000, 0);
    image
}

/// A reply with these headers, each `Name: value`.
fn reply(status: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    [format!("HTTP/1.1 {status}\r\n{headers}\r\n").as_bytes(), body].concat()
}

/// Sends a reply and closes the connection, as announced: one that is kept would break for the next address.
fn last(stream: &mut TcpStream, reply: &[u8]) -> Then {
    let announced = match reply.strip_prefix(b"HTTP/1.1 ") {
        Some(_) => String::from_utf8_lossy(reply).find("\r\n").unwrap() + 2,
        None => 0,
    };
    let (status, rest) = reply.split_at(announced);
    let close: &[u8] = if announced > 0 { b"Connection: close\r\n" } else { b"" };
    send(stream, &[status, close, rest].concat());
    Then::Close
}

/// A reply to somebody who takes a range or not.
fn whole(file: &[u8]) -> Vec<u8> {
    reply("200 OK", &[&format!("Content-Length: {}", file.len())], file)
}

/// A proper reply to somebody who asks for a range.
fn proper(seen: &Seen, file: &[u8]) -> Vec<u8> {
    let last = seen.header("range").first().map(|range| {
        let last = range.strip_prefix("bytes=0-").unwrap();
        last.parse::<usize>().unwrap().min(file.len() - 1)
    });
    let Some(last) = last else { return whole(file) };
    let part = &file[..=last];
    let length = format!("Content-Length: {}", part.len());
    let range = format!("Content-Range: bytes 0-{last}/{}", file.len());
    reply("206 Partial Content", &[&length, &range], part)
}

fn elsewhere(location: &str) -> Vec<u8> {
    let location = format!("Location: {location}");
    reply("302 Found", &[&location, "Content-Length: 0"], b"")
}

/// The URL that a request to a proxy is for, or the path that one to a server is for.
fn target(seen: &Seen) -> &str {
    seen.head.split(' ').nth(1).unwrap()
}

/// How often each target was asked for.
fn asked(server: &RawServer) -> BTreeMap<String, usize> {
    let mut asked = BTreeMap::new();
    for seen in server.requests() {
        *asked.entry(target(&seen).to_owned()).or_default() += 1;
    }
    asked
}

/// A manifest whose rows have these images.
struct Desk {
    folder: TempDir,
    manifest: PathBuf,
}

impl Desk {
    fn with<S: AsRef<str>>(images: &[S]) -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let manifest = folder.path().join("shots.csv");
        let mut text = "id,prompt,image_url,duration\n".to_owned();
        for (index, image) in images.iter().enumerate() {
            writeln!(text, "r{0},clip number {0},{1},6", index + 1, image.as_ref()).unwrap();
        }
        fs::write(&manifest, text).unwrap();
        Desk { folder, manifest }
    }

    fn command(&self, flags: &[&str]) -> Command {
        let mut command = program();
        command
            .current_dir(self.folder.path())
            .args(["check", "shots.csv", "--images"])
            .args(flags)
            // Must show nowhere, least of all at a host of images.
            .env("KIE_API_KEY", KEY);
        command
    }

    fn check(&self, flags: &[&str]) -> Finished {
        Finished::of(self.command(flags).output().unwrap())
    }

    fn through(&self, proxy: &RawServer, flags: &[&str]) -> Finished {
        Finished::of(self.command(flags).env("http_proxy", &proxy.url).output().unwrap())
    }
}

/// What `--json` says is wrong, by row.
fn problems(ended: &Finished) -> BTreeMap<u64, BTreeSet<(String, String)>> {
    let mut problems: BTreeMap<u64, BTreeSet<(String, String)>> = BTreeMap::new();
    for group in ended.summary()["problems"]["groups"].as_array().unwrap() {
        for place in group["places"].as_array().unwrap() {
            let word = |value: &Value| value.as_str().unwrap().to_owned();
            let problem = (word(&group["rule"]), word(&place["found"]));
            problems
                .entry(place["row"].as_u64().unwrap())
                .or_default()
                .insert(problem);
        }
    }
    problems
}

#[track_caller]
fn expect_images(ended: &Finished, addresses: u64, looked_at: u64, bad: u64, not_reached: u64) {
    let expected = json!({
        "addresses": addresses, "looked_at": looked_at, "bad": bad, "not_reached": not_reached
    });
    assert_eq!(ended.summary()["images"], expected, "{ended:#?}");
}

#[test]
fn every_address_is_asked_once_for_its_first_bytes_and_told_nothing() {
    let proxy = RawServer::start(|seen, stream| send(stream, &proper(seen, &good())));
    let mut images: Vec<String> = (0..40)
        .map(|row| format!("http://img.example.org/{}.png", row % 10))
        .collect();
    images.push("shore.png".into());
    let desk = Desk::with(&images);
    fs::write(desk.folder.path().join("shore.png"), good()).unwrap();
    // A row that is invalid for another reason has an image, too.
    let text = fs::read_to_string(&desk.manifest).unwrap() + "r99,x,http://img.example.org/last.png,7\n";
    fs::write(&desk.manifest, text).unwrap();

    let ended = desk.through(&proxy, &["--json"]);
    ended.expect_code(1);
    expect_images(&ended, 11, 11, 0, 0);
    assert_eq!((ended.count("invalid"), ended.count("queued")), (1, 41));
    let asked = asked(&proxy);
    assert_eq!(asked.len(), 11);
    assert!(asked.values().all(|times| *times == 1), "{asked:?}");
    for seen in proxy.requests() {
        assert!(seen.head.starts_with("GET http://img.example.org/"), "{}", seen.head);
        assert_eq!(seen.header("range"), ["bytes=0-65535"]);
        assert_eq!(seen.header("accept-encoding"), ["identity"]);
        assert!(seen.header("user-agent")[0].starts_with("hailuo-batch/"));
        for unwanted in ["authorization", "cookie", "referer"] {
            assert!(seen.header(unwanted).is_empty(), "{}", seen.head);
        }
        assert!(!seen.head.contains(KEY), "{}", seen.head);
    }

    // Without the option nobody is asked.
    let plain = Finished::of(
        program()
            .args(["check", "--json"])
            .arg(&desk.manifest)
            .env("http_proxy", &proxy.url)
            .output()
            .unwrap(),
    );
    assert_eq!(
        (plain.summary()["images"].clone(), proxy.requests().len()),
        (Value::Null, 11)
    );
}

/// What a host answers for an image, and what is said of it: the rule, and what was found.
type Case = (&'static str, Vec<u8>, Option<(&'static str, &'static str)>);

#[test]
fn each_answer_is_called_what_it_is() {
    let page = b"<!DOCTYPE html><html><head><title>Sign in\x1b[2J - Shared pictures</title></head></html>";
    let body = |status: &str, body: &[u8]| reply(status, &[&format!("Content-Length: {}", body.len())], body);
    let ftyp = |brand: &[u8; 4]| [b"\0\0\0\x18ftyp", &brand[..], b"\0\0\0\0mif1", &brand[..]].concat();
    let announced = |bytes: u64| {
        let range = format!("Content-Range: bytes 0-65535/{bytes}");
        reply(
            "206 Partial Content",
            &["Content-Length: 65536", &range],
            &png(1280, 720, 65_536),
        )
    };
    let chunked = |bytes: &[u8]| {
        let body = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n0\r\n\r\n"].concat();
        reply("200 OK", &["Transfer-Encoding: chunked"], &body)
    };
    let packed = |how: &str, body: &[u8]| {
        let (how, length) = (
            format!("Content-Encoding: {how}"),
            format!("Content-Length: {}", body.len()),
        );
        reply("200 OK", &[&how, &length], body)
    };
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0";
    #[rustfmt::skip]
    let cases: Vec<Case> = vec![
        // Good ones, whatever is said about them.
        ("good", whole(&good()), None),
        ("part", announced(MOST_BYTES), None),
        ("jpeg", whole(&jpeg(0)), None),
        ("chunked", chunked(&good()), None),
        ("misnamed", reply("200 OK", &["Content-Type: text/html", "Content-Length: 200000"], &good()), None),
        ("no-range", reply("206 Partial Content", &["Content-Type: multipart/byteranges; boundary=x", "Content-Length: 0"], b""),
            // Asked for the whole, it answers the same once more.
            Some(("image_unreachable", "HTTP 206"))),
        ("falsely-packed", packed("gzip", &good()), None),
        ("oddly-packed", packed("utf-8", &good()), None),
        ("moved", elsewhere("http://cdn.example.org/good"), None),
        // Surely bad.
        ("404", body("404 Not Found", page), Some(("image_not_there", "HTTP 404"))),
        ("410", body("410 Gone", b""), Some(("image_not_there", "HTTP 410"))),
        ("moved-away", elsewhere("http://cdn.example.org/404?sig=secret"), Some(("image_not_there", "HTTP 404 (at cdn.example.org/404)"))),
        ("page", body("200 OK", page), Some(("image_is_a_page", "a web page: Sign in\\u{1b}[2J - Shared pictures"))),
        ("moved-to-page", elsewhere("//accounts.example.org/page"),
            Some(("image_is_a_page", "a web page: Sign in\\u{1b}[2J - Shared pictures (at accounts.example.org/page)"))),
        ("json", body("200 OK", b"{\"error\": \"no such image\"}"), Some(("not_an_image", " is text"))),
        ("svg", body("200 OK", b"<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"/>"), Some(("not_an_image", " is an SVG drawing"))),
        ("gif", body("200 OK", b"GIF89a\x40\x01\x40\x01"), Some(("not_an_image", " is a GIF image"))),
        ("avif", body("200 OK", &ftyp(b"avif")), Some(("not_an_image", " is an AVIF image"))),
        ("heic", body("200 OK", &ftyp(b"heic")), Some(("not_an_image", " is a HEIC image"))),
        ("empty", body("200 OK", b""), Some(("not_an_image", " is empty"))),
        ("nothing", reply("204 No Content", &[], b""), Some(("not_an_image", " is empty"))),
        ("no-bytes", reply("416 Range Not Satisfiable", &["Content-Range: bytes */0", "Content-Length: 0"], b""), Some(("not_an_image", " is empty"))),
        ("large", announced(MOST_BYTES + 2), Some(("image_too_large", " has 10,000,002 bytes"))),
        ("large-whole", reply("200 OK", &["Content-Length: 20000000"], &good()), Some(("image_too_large", " has 20,000,000 bytes"))),
        ("large-chunked", chunked(&png(1280, 720, 10_000_001)), Some(("image_too_large", " has 10,000,001 bytes or more"))),
        ("tiny", whole(&png(300, 400, 5_000)), Some(("image_too_small", " is 300 × 400"))),
        ("narrow", whole(&png(400, 1001, 5_000)), Some(("image_too_narrow", " is 400 × 1001"))),
        // Warnings.
        ("corrupt", whole(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDX\0\0"), Some(("image_unmeasured", ""))),
        ("packed", packed("gzip", gzip), Some(("image_unreachable", "it comes compressed (gzip), which was not asked for"))),
        ("401", body("401 Unauthorized", page), Some(("image_unreachable", "HTTP 401"))),
        ("403", body("403 Forbidden", page), Some(("image_unreachable", "HTTP 403"))),
        ("451", body("451 Unavailable", b""), Some(("image_unreachable", "HTTP 451"))),
        ("407", body("407 Proxy Authentication Required", b""), Some(("image_unreachable", "the proxy wants a login"))),
        ("500", body("500 Internal Server Error", page), Some(("image_unreachable", "HTTP 500"))),
        ("503", body("503 Service Unavailable", b""), Some(("image_unreachable", "HTTP 503"))),
        ("429", reply("429 Too Many Requests", &["Retry-After: 1", "Content-Length: 0"], b""), Some(("image_unreachable", "HTTP 429"))),
        ("429-long", reply("429 Too Many Requests", &["Retry-After: 120", "Content-Length: 0"], b""), Some(("image_unreachable", "HTTP 429, to be asked again in 2m"))),
        ("300", reply("300 Multiple Choices", &["Content-Length: 0"], b""), Some(("image_unreachable", "HTTP 300"))),
        ("no-http", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), Some(("image_unreachable", "the answer is not HTTP (invalid HTTP version parsed)"))),
        ("cut", reply("200 OK", &["Content-Length: 5000"], b"\x89PNG\r\n\x1a\n"),
            Some(("image_unreachable", "it broke off after 8 bytes: the connection was closed before its end"))),
        ("circle", elsewhere("/circle"), Some(("image_unreachable", "it is behind more than 5 redirects"))),
        ("to-ftp", elsewhere("ftp://cdn.example.org/a"), Some(("image_unreachable", "it redirects to ftp:cdn.example.org/a: only http and https links are followed"))),
        ("to-metadata", elsewhere("http://169.254.169.254/latest"), Some(("image_private", "it redirects to 169.254.169.254/latest"))),
        ("to-localhost", elsewhere("http://localhost:9/x"), Some(("image_private", "it redirects to localhost:9/x"))),
    ];
    let replies: BTreeMap<&str, Vec<u8>> = cases.iter().map(|(name, reply, _)| (*name, reply.clone())).collect();
    let proxy = RawServer::start(move |seen, stream| {
        let name = target(seen).rsplit('/').next().unwrap().split('?').next().unwrap();
        last(stream, &replies[name])
    });
    // A host for each, so that none is left alone because of another.
    let address = |name: &str| format!("http://{name}.example.org/{name}");
    let desk = Desk::with(&cases.iter().map(|(name, ..)| address(name)).collect::<Vec<_>>());
    let mut command = desk.command(&["--json"]);
    let ended = Finished::of(
        command
            .env("http_proxy", &proxy.url)
            .env("no_proxy", "localhost")
            .output()
            .unwrap(),
    );

    let mut found = problems(&ended);
    let (mut bad, mut not_reached) = (0, 0);
    for (row, (name, _, expected)) in (1_u64..).zip(&cases) {
        let expected: BTreeSet<(String, String)> = expected
            .iter()
            .map(|(rule, words)| {
                let gap = if words.starts_with(' ') || words.is_empty() {
                    ""
                } else {
                    ": "
                };
                (rule.to_string(), format!("{}{gap}{words}", address(name)))
            })
            .collect();
        assert_eq!(found.remove(&row).unwrap_or_default(), expected, "{name}");
        match expected.first().map_or("", |(rule, _)| rule) {
            "" | "image_unmeasured" => {}
            "image_unreachable" | "image_private" => not_reached += 1,
            _ => bad += 1,
        }
    }
    let total = cases.len() as u64;
    assert!(bad > 15 && not_reached > 12);
    expect_images(&ended, total, total - not_reached, bad, not_reached);
    ended.expect_code(1);
    assert_eq!((ended.count("invalid"), ended.count("queued")), (bad, total - bad));
    assert!(!ended.stdout.contains("secret"), "{ended:#?}");

    // What may pass was tried twice, what will not was not.
    let asked = asked(&proxy);
    let times = |name: &str| asked[&address(name)];
    for name in ["500", "503", "429", "cut"] {
        assert_eq!(times(name), 2, "{name}");
    }
    for name in ["good", "404", "403", "429-long", "page", "large-chunked", "moved"] {
        assert_eq!(times(name), 1, "{name}");
    }
    assert_eq!(asked["http://circle.example.org/circle"], 6);
    assert!(
        !asked
            .keys()
            .any(|target| target.contains("169.254") || target.contains("//localhost")),
        "{asked:?}"
    );
}

#[test]
fn a_trouble_that_passes_leaves_no_word() {
    let turn = Mutex::new(BTreeMap::<String, usize>::new());
    let proxy = RawServer::start(move |seen, stream| {
        let first = {
            let mut turn = turn.lock().unwrap();
            let turn = turn.entry(target(seen).to_owned()).or_default();
            *turn += 1;
            *turn == 1
        };
        match target(seen).rsplit('/').next().unwrap() {
            "503" if first => last(stream, &reply("503 Busy", &["Content-Length: 0"], b"")),
            "429" if first => last(
                stream,
                &reply("429 Slow", &["Retry-After: 0", "Content-Length: 0"], b""),
            ),
            "cut" if first => last(stream, &whole(&good())[..60]),
            "close" if first => Then::Close,
            _ => last(stream, &proper(seen, &good())),
        }
    });
    let images = ["503", "429", "cut", "close"].map(|name| format!("http://img.example.org/{name}"));
    let ended = Desk::with(&images).through(&proxy, &["--json"]);
    ended.expect_code(0);
    expect_images(&ended, 4, 4, 0, 0);
    assert!(asked(&proxy).values().all(|times| *times == 2), "{:?}", asked(&proxy));
}

#[test]
fn more_is_asked_for_only_where_the_first_bytes_do_not_tell_the_size() {
    let proxy = RawServer::start(|seen, stream| {
        let file = match target(seen) {
            "http://img.example.org/near.jpg" => jpeg(0),
            "http://img.example.org/too-far.jpg" => jpeg(20),
            _ => jpeg(12),
        };
        match target(seen).starts_with("http://whole.") {
            true => send(stream, &whole(&file)),
            false => send(stream, &proper(seen, &file)),
        }
    });
    let images = [
        "http://img.example.org/near.jpg",
        "http://img.example.org/far.jpg",
        "http://whole.example.org/far.jpg",
        "http://img.example.org/too-far.jpg",
    ];
    let ended = Desk::with(&images).through(&proxy, &["--json"]);
    ended.expect_code(0);
    let expected = ("image_unmeasured".to_owned(), images[3].to_owned());
    assert_eq!(problems(&ended), BTreeMap::from([(4, BTreeSet::from([expected]))]));
    let mut ranges = BTreeMap::<String, Vec<String>>::new();
    for seen in proxy.requests() {
        ranges
            .entry(target(&seen).to_owned())
            .or_default()
            .extend(seen.header("range").iter().map(|range| (*range).to_owned()));
    }
    let (first, more) = ("bytes=0-65535", "bytes=0-1048575");
    for (image, expected) in images
        .iter()
        .zip([&[first][..], &[first, more], &[first], &[first, more]])
    {
        assert_eq!(ranges[*image], expected, "{image}");
    }
}

/// Writes pieces of 16 kB, slowly enough that what is on its way is little, until the other side has left.
fn pour(stream: &mut TcpStream, poured: &AtomicUsize, most: usize) {
    let piece = [0; 16_384];
    for _ in 0..most / piece.len() {
        if stream.write_all(&piece).is_err() {
            return;
        }
        poured.fetch_add(piece.len(), Ordering::SeqCst);
        sleep(Duration::from_millis(2));
    }
}

#[test]
fn no_more_is_read_than_needed_of_a_host_that_sends_everything() {
    let poured = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&poured);
    let proxy = RawServer::start(move |_, stream| {
        send(
            stream,
            &reply("200 OK", &["Content-Length: 9900000"], &png(1280, 720, 1_000)),
        );
        pour(stream, &counter, 9_000_000);
        Then::Close
    });
    let ended = Desk::with(&["http://img.example.org/1.png"]).through(&proxy, &["--json"]);
    ended.expect_code(0);
    expect_images(&ended, 1, 1, 0, 0);
    let poured = poured.load(Ordering::SeqCst);
    assert!(poured < 1_000_000, "{poured} bytes were sent");
}

#[test]
fn a_body_without_an_end_is_too_large() {
    let proxy = RawServer::start(|_, stream| {
        send(stream, &reply("200 OK", &[], &png(1280, 720, 1_000)));
        while stream.write_all(&[0; 65_536]).is_ok() {}
        Then::Close
    });
    let ended = Desk::with(&["http://img.example.org/1.png"]).through(&proxy, &["--json"]);
    ended.expect_code(1);
    expect_images(&ended, 1, 1, 1, 0);
    let found = problems(&ended);
    assert_eq!(found[&1].first().unwrap().0, "image_too_large");
}

/// How many requests were under way at once: in all, and of the host with the most.
#[derive(Default)]
struct UnderWay {
    now: BTreeMap<String, usize>,
    most: usize,
    most_at_a_host: usize,
}

impl UnderWay {
    fn begin(&mut self, host: &str) {
        *self.now.entry(host.to_owned()).or_default() += 1;
        self.most = self.most.max(self.now.values().sum());
        self.most_at_a_host = self.most_at_a_host.max(self.now[host]);
    }

    fn end(&mut self, host: &str) {
        *self.now.get_mut(host).unwrap() -= 1;
    }
}

/// A proxy whose answers take a moment, and what it had to do at once.
fn busy() -> (RawServer, Arc<Mutex<UnderWay>>) {
    let under_way = Arc::new(Mutex::new(UnderWay::default()));
    let shared = Arc::clone(&under_way);
    let proxy = RawServer::start(move |seen, stream| {
        let host = seen.header("host")[0].to_owned();
        shared.lock().unwrap().begin(&host);
        sleep(Duration::from_millis(4));
        shared.lock().unwrap().end(&host);
        send(stream, &proper(seen, &png(1280, 720, 1_000)))
    });
    (proxy, under_way)
}

#[test]
fn five_hundred_images_of_one_host_are_looked_at_four_at_a_time() {
    let (proxy, under_way) = busy();
    let images: Vec<String> = (0..500)
        .map(|number| format!("http://img.example.org/{number}.png"))
        .collect();
    let ended = Desk::with(&images).through(&proxy, &["--json"]);
    ended.expect_code(0);
    expect_images(&ended, 500, 500, 0, 0);
    assert_eq!((proxy.requests().len(), asked(&proxy).len()), (500, 500));
    // Looks leave their connection to the next ones, all but a few that come a moment too early.
    assert!(proxy.connections() < 100, "{} connections", proxy.connections());
    let under_way = under_way.lock().unwrap();
    assert_eq!((under_way.most, under_way.most_at_a_host), (4, 4));
}

#[test]
fn many_hosts_are_looked_at_sixteen_at_a_time() {
    let (proxy, under_way) = busy();
    // One host first, as manifests are sorted: the others do not wait for it.
    let images: Vec<String> = (0..600)
        .map(|number| {
            let host = if number < 300 { 0 } else { number % 10 };
            format!("http://h{host}.example.org/{number}.png")
        })
        .collect();
    let ended = Desk::with(&images).through(&proxy, &["--json"]);
    ended.expect_code(0);
    expect_images(&ended, 600, 600, 0, 0);
    let under_way = under_way.lock().unwrap();
    assert!(
        under_way.most <= 16 && under_way.most_at_a_host <= 4,
        "{}",
        under_way.most
    );
    assert!(under_way.most > 8, "only {} at a time", under_way.most);
}

#[test]
fn a_host_that_is_down_holds_nothing_up() {
    let broken = RawServer::below_http(drop);
    let good = RawServer::start(|seen, stream| send(stream, &proper(seen, &good())));
    // `localhost` and 127.0.0.1 are two hosts to whoever only knows their names.
    let mut images: Vec<String> = (0..200)
        .map(|number| format!("http://{}/{number}.png", broken.address))
        .collect();
    images.extend((0..20).map(|number| good.url.replace("127.0.0.1", "localhost") + &format!("/{number}.png")));
    let started = Instant::now();
    let ended = Desk::with(&images).check(&["--json", "--allow-private-hosts"]);
    ended.expect_code(0);
    expect_images(&ended, 220, 20, 0, 200);
    // Twelve looks of two tries, and what was under way by then.
    assert!((24..=30).contains(&broken.connections()), "{}", broken.connections());
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let found = problems(&ended);
    let left_out = format!(
        "{}: left out, as 12 looks in a row at its host were in vain",
        images[199]
    );
    assert!(
        found[&200].contains(&("image_unreachable".to_owned(), left_out)),
        "{:?}",
        found[&200]
    );

    let refused = Desk::with(&[format!("http://{}/1.png", closed_port())]).check(&["--json", "--allow-private-hosts"]);
    let found = &problems(&refused)[&1];
    assert!(
        found.iter().any(|(_, words)| words.ends_with(": connection refused")),
        "{found:?}"
    );
}

#[test]
fn without_leave_nobody_in_a_private_network_is_asked() {
    let server = RawServer::start(|seen, stream| send(stream, &proper(seen, &good())));
    let port = server.address.rsplit(':').next().unwrap();
    let hosts = [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "2130706433",
    ];
    let desk = Desk::with(&hosts.map(|host| format!("http://{host}:{port}/1.png")));
    let ended = desk.check(&["--json"]);
    ended.expect_code(0);
    expect_images(&ended, 6, 0, 0, 6);
    assert_eq!(server.connections(), 0);
    // One word for each is enough.
    for (row, found) in problems(&ended) {
        let rules: Vec<&str> = found.iter().map(|(rule, _)| rule.as_str()).collect();
        assert_eq!(rules, ["unreachable_host"], "{row}");
    }

    let desk = Desk::with(&[format!("http://127.0.0.1:{port}/1.png")]);
    expect_images(&desk.check(&["--json", "--allow-private-hosts"]), 1, 1, 0, 0);
    fs::write(
        desk.folder.path().join("job.toml"),
        "manifest = \"shots.csv\"\nimages = true\nallow_private_hosts = true\njson = true\n",
    )
    .unwrap();
    let by_job = Finished::of(
        program()
            .current_dir(desk.folder.path())
            .args(["check", "--job", "job.toml"])
            .output()
            .unwrap(),
    );
    expect_images(&by_job, 1, 1, 0, 0);
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn in_a_trial_nobody_is_asked() {
    let proxy = RawServer::start(|seen, stream| send(stream, &proper(seen, &good())));
    let desk = Desk::with(&["http://img.example.org/1.png"]);
    let ended = desk.through(&proxy, &["--json", "--sandbox"]);
    ended.expect_code(0);
    assert_eq!(
        (ended.summary()["images"].clone(), proxy.connections()),
        (Value::Null, 0)
    );
    assert!(
        ended.stderr.contains("images on the web are not looked at"),
        "{ended:#?}"
    );
}

#[test]
fn a_certificate_is_trusted_where_the_user_says_so() {
    if !can_use(&["openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::make(folder.path());
    let server = certificate.serve(|_| whole(&good()));
    let port = server.address.rsplit(':').next().unwrap();
    let desk = Desk::with(&[format!("https://localhost:{port}/1.png")]);
    let found = |ended: &Finished| {
        let found = problems(ended).remove(&1).unwrap().into_iter();
        let words: Vec<String> = found
            .filter(|(rule, _)| rule == "image_unreachable")
            .map(|(_, words)| words)
            .collect();
        words.concat()
    };
    let ended = desk.check(&["--json", "--allow-private-hosts"]);
    expect_images(&ended, 1, 0, 0, 1);
    let words = found(&ended);
    assert!(words.contains(": TLS: invalid peer certificate"), "{words}");
    // Once is enough to know it.
    assert_eq!(server.connections(), 1);

    let file = certificate.file.to_str().unwrap();
    let ended = desk.check(&["--json", "--allow-private-hosts", "--ca-file", file]);
    ended.expect_code(0);
    expect_images(&ended, 1, 1, 0, 0);

    let plain = RawServer::below_http(|mut stream| {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").ok();
    });
    let port = plain.address.rsplit(':').next().unwrap();
    let ended = Desk::with(&[format!("https://localhost:{port}/1.png")]).check(&["--json", "--allow-private-hosts"]);
    let words = found(&ended);
    assert!(words.ends_with(": the server does not speak TLS"), "{words}");
}

#[test]
fn ctrl_c_ends_it_with_what_was_found() {
    let proxy = RawServer::start(|seen, stream| {
        if target(seen).ends_with("/gone.png") {
            return send(stream, &reply("404 Not Found", &["Content-Length: 0"], b""));
        }
        sleep(Duration::from_secs(60));
        Then::Close
    });
    let mut images = vec!["http://img.example.org/gone.png".to_owned()];
    images.extend((0..50).map(|number| format!("http://h{number}.example.org/slow.png")));
    let desk = Desk::with(&images);
    let started = Instant::now();
    let run = Running::of(desk.command(&["--json"]).env("http_proxy", &proxy.url));
    // One has been answered, so a place was free for the seventeenth.
    wait_until("seventeen requests", || proxy.requests().len() >= 17);
    signal(run.id(), "INT");
    let ended = run.end();
    ended.expect_code(130);
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    assert_eq!(ended.summary()["interrupted"], "SIGINT");
    expect_images(&ended, 51, 1, 1, 0);
    assert_eq!(problems(&ended)[&1].first().unwrap().0, "image_not_there");
    assert!(
        ended.stderr.contains("interrupted: no more images are looked at"),
        "{ended:#?}"
    );
}

#[test]
fn a_manifest_that_is_edited_meanwhile_is_not_judged() {
    let manifest = Arc::new(Mutex::new(PathBuf::new()));
    let shared = Arc::clone(&manifest);
    let proxy = RawServer::start(move |_, stream| {
        fs::write(
            shared.lock().unwrap().as_path(),
            "prompt,image_url\na,http://img.example.org/2.png\n",
        )
        .unwrap();
        send(stream, &reply("404 Not Found", &["Content-Length: 0"], b""))
    });
    let desk = Desk::with(&["http://img.example.org/1.png"]);
    manifest.lock().unwrap().clone_from(&desk.manifest);
    let ended = desk.through(&proxy, &[]);
    ended.expect_code(2);
    assert!(ended.stderr.contains("changed while"), "{ended:#?}");
}

#[test]
fn people_are_told_what_is_wrong_and_what_to_do() {
    let proxy = RawServer::start(|seen, stream| {
        let page = b"<html><title>Google Drive - Virus scan</title></html>";
        let reply = match target(seen).rsplit('/').next().unwrap() {
            "gone.png" => reply("404 Not Found", &["Content-Length: 0"], b""),
            "view" => reply("200 OK", &[&format!("Content-Length: {}", page.len())], page),
            "closed.png" => reply("403 Forbidden", &["Content-Length: 0"], b""),
            "inside.png" => elsewhere("http://10.0.0.7/inside.png"),
            "tiny.png" => proper(seen, &png(120, 90, 800)),
            _ => proper(seen, &good()),
        };
        send(stream, &reply)
    });
    let desk = Desk::with(
        &[
            "good.png",
            "gone.png",
            "closed.png",
            "file/d/1a2b/view",
            "tiny.png",
            "gone.png",
            "inside.png",
        ]
        .map(|name| format!("http://img.example.org/{name}")),
    );
    let ended = desk.through(&proxy, &["--progress", "plain"]);
    ended.expect_code(1);
    insta::assert_snapshot!(format!("{}---- stderr\n{}", ended.stdout, ended.stderr));
}

/// Looks at these addresses on this machine without the program around it.
async fn look(addresses: &[String], config: LookConfig) -> (Vec<Option<Finding>>, Standing) {
    let mut known = Addresses::default();
    addresses.iter().for_each(|address| known.add(address));
    let (sender, receiver) = mpsc::channel(addresses.len());
    for address in addresses {
        sender.send(known.take(address).unwrap()).await.unwrap();
    }
    drop(sender);
    let (_stop, stopped) = watch::channel(false);
    let (standing, seen) = watch::channel(Standing::default());
    let findings = look_at_all(Looker::new(&config).unwrap(), receiver, stopped, &standing).await;
    let found = addresses
        .iter()
        .map(|address| findings.get(known.key(address)).cloned());
    (found.collect(), *seen.borrow())
}

fn impatient() -> LookConfig {
    LookConfig {
        allow_private_hosts: true,
        patience: Duration::from_millis(400),
        no_proxy: true,
        ..LookConfig::default()
    }
}

#[tokio::test]
async fn a_host_that_is_silent_or_trickles_is_given_up_and_tried_once_more() {
    let silent = RawServer::start(|_, _| {
        sleep(Duration::from_secs(30));
        Then::Close
    });
    let trickle = RawServer::start(|_, stream| {
        send(stream, &reply("200 OK", &["Content-Length: 5000"], b"\x89PNG"));
        while stream.write_all(&[0]).is_ok() {
            sleep(Duration::from_millis(50));
        }
        Then::Close
    });
    let started = Instant::now();
    let addresses = [format!("{}/1.png", silent.url), format!("{}/2.png", trickle.url)];
    let (found, standing) = look(&addresses, impatient()).await;
    let vain = Some(Finding::Unreached("no complete answer for 400ms".into()));
    assert_eq!(found, [vain.clone(), vain]);
    assert_eq!((standing.looked_at, standing.not_reached), (0, 2));
    assert_eq!((silent.requests().len(), trickle.requests().len()), (2, 2));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

/// What was seen is good, and its end did not come in time: nothing bad is known of it.
#[tokio::test]
async fn a_length_that_nobody_tells_is_counted_for_as_long_as_there_is_time() {
    let server = RawServer::start(|_, stream| {
        send(stream, &reply("200 OK", &[], &png(1280, 720, 1_000)));
        while stream.write_all(&[0; 100]).is_ok() {
            sleep(Duration::from_millis(20));
        }
        Then::Close
    });
    let (found, standing) = look(&[format!("{}/1.png", server.url)], impatient()).await;
    assert_eq!((found, standing.looked_at), (vec![None], 1));
    assert_eq!(server.requests().len(), 1);
}

/// Whoever sends a megabyte byte by byte takes no more of this machine than its length.
#[tokio::test]
async fn a_body_of_tiny_pieces_costs_no_more_than_another() {
    let mut image = b"\xff\xd8".to_vec();
    image.extend(b"\xff\xe1\0\x02".repeat(200_000));
    let pieces: Vec<u8> = image
        .iter()
        .flat_map(|byte| [&b"1\r\n"[..], &[*byte], b"\r\n"].concat())
        .collect();
    let answer = reply(
        "200 OK",
        &["Transfer-Encoding: chunked"],
        &[&pieces, &b"0\r\n\r\n"[..]].concat(),
    );
    let server = RawServer::start(move |_, stream| send(stream, &answer));
    let config = LookConfig {
        patience: Duration::from_secs(20),
        ..impatient()
    };
    let (found, _) = look(&[format!("{}/1.jpg", server.url)], config).await;
    assert_eq!(found, [Some(Finding::Faulty(vec![Fault::Unmeasured]))]);
    assert_eq!(server.requests().len(), 1);
}

/// A part that stalls behind the bytes that matter is no trouble.
#[tokio::test]
async fn what_is_enough_is_enough() {
    let server = RawServer::start(|_, stream| {
        let headers = ["Content-Length: 65536", "Content-Range: bytes 0-65535/90000"];
        send(stream, &reply("206 Partial Content", &headers, &png(200, 200, 1_000)));
        sleep(Duration::from_secs(30));
        Then::Close
    });
    let started = Instant::now();
    let config = LookConfig {
        patience: Duration::from_secs(20),
        ..impatient()
    };
    let (found, _) = look(&[format!("{}/1.png", server.url)], config).await;
    assert!(
        matches!(&found[0], Some(Finding::Faulty(faults)) if matches!(faults[..], [Fault::TooSmall(_)])),
        "{found:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test]
async fn an_address_that_no_server_takes_is_not_asked_for() {
    let server = RawServer::start(|seen, stream| send(stream, &proper(seen, &good())));
    let address = |length: usize| {
        let start = format!("{}/", server.url);
        format!("{start}{}", "a".repeat(length - start.len()))
    };
    let (found, _) = look(&[address(8_000), address(8_001)], impatient()).await;
    let too_long = Finding::Unreached("it has more than 8000 characters".into());
    assert_eq!(found, [None, Some(too_long)]);
    assert_eq!(server.requests().len(), 1);
}
