//! The proof that no layer below the program sends a request twice, and that what it says about a lost request is true.
//!
//! The servers here are raw sockets that count: a POST that was read is a POST that was sent.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use support::machine::can_use;
use support::server::{Certificate, RawServer, Then, accepted, closed_port, json, send};
use support::{Batch, Finished, KEY, in_parallel};

/// A batch of `rows` rows with the ids `r1`, `r2`, … for the server at `url`.
fn batch(rows: usize, url: &str) -> Batch {
    let rows: String = (1..=rows)
        .map(|n| format!("r{n},clip {n},https://img.example.org/{n}.png\n"))
        .collect();
    Batch::with_manifest("shots.csv", &format!("id,prompt,image_url\n{rows}"), url)
}

/// Runs a batch of one row against a server that answers with these bytes and closes.
fn one_row(reply: Vec<u8>, flags: &[&str]) -> (Finished, Batch, RawServer) {
    let server = RawServer::for_rows(move |_, stream| {
        send(stream, &reply);
        Then::Close
    });
    let batch = batch(1, &server.url);
    let ended = batch.run(flags);
    (ended, batch, server)
}

#[test]
fn a_redirect_is_never_followed() {
    in_parallel(
        &["301 Moved", "302 Found", "303 See", "307 Again", "308 Gone"],
        |status| {
            let reply = format!("HTTP/1.1 {status}\r\nLocation: /api/v1/jobs/createTask\r\nContent-Length: 0\r\n\r\n");
            let (ended, batch, server) = one_row(reply.into_bytes(), &[]);
            ended.expect_code(3);
            assert_eq!(
                (server.posts(), server.requests().len(), batch.attempts().len()),
                (1, 1, 1),
                "{status}"
            );
            assert_eq!(ended.count("unknown"), 1);
        },
    );
}

#[test]
fn a_request_is_one_post_with_the_key_in_one_header() {
    let server = RawServer::for_rows(|_, stream| send(stream, &accepted()));
    let batch = batch(1, &server.url);
    batch.run(&[]).expect_code(0);
    let requests = server.requests();
    let [request] = &requests[..] else {
        panic!("{requests:?}");
    };
    assert!(request.head.starts_with("POST /api/v1/jobs/createTask HTTP/1.1\r\n"));
    assert_eq!(
        request.header("user-agent"),
        [concat!("hailuo-batch/", env!("CARGO_PKG_VERSION"))]
    );
    assert_eq!(request.header("authorization"), [format!("Bearer {KEY}")]);
    assert_eq!(request.header("content-type"), ["application/json"]);
    assert_eq!(request.head.matches(KEY).count(), 1, "only there: {}", request.head);
    assert!(!request.body.contains(KEY));
    // Nothing that asks the server for leave first, or lets it answer in a way that has to be unpacked.
    assert!(request.header("expect").is_empty() && request.header("accept-encoding").is_empty());
}

#[test]
fn a_base_url_with_a_path_keeps_it() {
    let server = RawServer::for_rows(|_, stream| send(stream, &accepted()));
    let batch = batch(1, &format!("{}/proxy/kie", server.url));
    batch.run(&[]).expect_code(0);
    assert!(
        server.requests()[0]
            .head
            .starts_with("POST /proxy/kie/api/v1/jobs/createTask HTTP/1.1\r\n")
    );
}

#[test]
fn each_submission_has_a_connection_of_its_own() {
    let server = RawServer::for_rows(|_, stream| send(stream, &accepted()));
    let batch = batch(30, &server.url);
    batch.run(&[]).expect_code(0);
    assert_eq!((server.posts(), server.connections()), (30, 30));
}

#[test]
fn connections_are_reused_when_asked_and_nothing_is_sent_twice() {
    let server = RawServer::for_rows(|_, stream| send(stream, &accepted()));
    let batch = batch(60, &server.url);
    batch.run(&["--reuse-connections", "--concurrency", "4"]).expect_code(0);
    assert_eq!(server.posts(), 60);
    assert!(server.connections() <= 8, "{}", server.connections());
}

/// The trap of every connection pool: the server promises to keep the connection and closes it. A request that meets
/// the close may have arrived; a library that tries again by itself would pay twice.
#[test]
fn what_a_closing_server_reads_is_what_the_ledger_knows() {
    let server = RawServer::for_rows(|_, stream| {
        send(stream, &accepted());
        stream.shutdown(std::net::Shutdown::Both).ok();
        Then::Close
    });
    let batch = batch(300, &server.url);
    let ended = batch.run(&["--reuse-connections", "--concurrency", "8", "--patience", "5s"]);
    let attempts = batch.attempts();
    let unknown = attempts
        .iter()
        .filter(|attempt| attempt.result.as_deref() == Some("unknown"))
        .count();
    // A row that is unknown may have arrived or not; one that is not has arrived exactly as often as it was tried.
    let posts = server.posts();
    assert!(
        posts <= attempts.len() && posts >= attempts.len() - unknown,
        "{posts} POSTs, {unknown} unknown: {ended:#?}"
    );
    let mut bodies: Vec<String> = server.requests().into_iter().map(|seen| seen.body).collect();
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), posts, "no row arrived twice");
    assert_eq!(
        ended.count("accepted") + ended.count("unknown") + ended.count("queued"),
        300
    );
}

#[test]
fn a_connection_that_was_closed_while_idle_costs_nothing() {
    let server = RawServer::for_rows(|_, stream| {
        send(stream, &accepted());
        // Closed well before the next request, which the rate keeps away for a while.
        stream.shutdown(std::net::Shutdown::Both).ok();
        Then::Close
    });
    let batch = batch(6, &server.url);
    let ended = batch.run(&["--reuse-connections", "--rate", "1/200ms"]);
    ended.expect_code(0);
    assert_eq!((server.posts(), batch.attempts().len()), (6, 6));
}

#[test]
fn replies_are_read_as_http_has_them() {
    let body = r#"{"code":200,"msg":"success","data":{"taskId":"task_hailuo_1790000004242"}}"#;
    let length = body.len();
    let (first, second) = body.split_at(20);
    let cases: Vec<(&str, String)> = vec![
        ("HTTP/1.0 without a length", format!("HTTP/1.0 200 OK\r\n\r\n{body}")),
        (
            "HTTP/1.0 with a length",
            format!("HTTP/1.0 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"),
        ),
        (
            "chunks",
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
                second.len()
            ),
        ),
        (
            "100 Continue first",
            format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"),
        ),
        (
            "no content type and a status without a reason",
            format!("HTTP/1.1 201\r\nContent-Length: {length}\r\n\r\n{body}"),
        ),
        (
            "many headers",
            format!(
                "HTTP/1.1 200 OK\r\n{}Content-Length: {length}\r\n\r\n{body}",
                "X-Filler: abcdefgh\r\n".repeat(60)
            ),
        ),
    ];
    in_parallel(&cases, |(name, reply)| {
        let (ended, batch, server) = one_row(reply.clone().into_bytes(), &[]);
        assert_eq!((ended.code, server.posts()), (Some(0), 1), "{name}: {ended:#?}");
        assert_eq!(batch.results()[0]["task_id"], "task_hailuo_1790000004242", "{name}");
    });
}

/// Whatever came back, the server has read the request: the row is unknown, and was sent once.
#[test]
fn an_unreadable_reply_makes_an_unknown_row_and_no_second_request() {
    let long = "x".repeat(2 * 1024 * 1024);
    // What gzip makes of a good reply: we never asked for it.
    let gzip = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03";
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing at all", vec![], "bad_reply"),
        ("not HTTP", b"220 mail.example.org ESMTP\r\n".to_vec(), "bad_reply"),
        ("half a head", b"HTTP/1.1 200 OK\r\nContent-".to_vec(), "bad_reply"),
        (
            "a cut body",
            b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{\"code\":200,".to_vec(),
            "bad_reply",
        ),
        ("over 1 MiB", json("200 OK", &long), "bad_reply"),
        (
            "over 1 MiB without a length",
            format!("HTTP/1.1 200 OK\r\n\r\n{long}").into_bytes(),
            "bad_reply",
        ),
        ("gzip", gzip.to_vec(), "bad_reply"),
        ("204", b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), "bad_reply"),
        ("HTTP 502", json("502 Bad Gateway", "<html>bad</html>"), "http_502"),
        (
            "a head without end",
            format!("HTTP/1.1 200 OK\r\nX-Long: {long}\r\n\r\n").into_bytes(),
            "bad_reply",
        ),
    ];
    in_parallel(&cases, |(name, reply, code)| {
        let (ended, batch, server) = one_row(reply.clone(), &[]);
        assert_eq!((ended.code, server.posts()), (Some(4), 1), "{name}: {ended:#?}");
        let row = &batch.results()[0];
        assert_eq!((&*row["status"], &*row["error_code"]), ("unknown", *code), "{name}");
        assert!(row["error_message"].chars().count() <= 600, "{name}: {row:?}");
    });
}

/// A task id that arrived is real, however the connection ended after it.
#[test]
fn a_complete_envelope_counts_however_its_reply_ends() {
    let body = r#"{"code":200,"msg":"success","data":{"taskId":"task_hailuo_1790000004242"}}"#;
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{body}");
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n",
        body.len()
    );
    let check = |name: &str, ended: &Finished, batch: &Batch, server: &RawServer| {
        assert_eq!((ended.code, server.posts()), (Some(0), 1), "{name}: {ended:#?}");
        assert_eq!(batch.results()[0]["task_id"], "task_hailuo_1790000004242", "{name}");
    };
    in_parallel(
        &[("a length too long", &long), ("no final chunk", &chunked)],
        |(name, reply)| {
            let (ended, batch, server) = one_row((*reply).clone().into_bytes(), &[]);
            check(name, &ended, &batch, &server);
            // The same, and the connection stays open until we give up.
            let reply = (*reply).clone().into_bytes();
            let server = RawServer::for_rows(move |_, stream| {
                send(stream, &reply);
                sleep(Duration::from_secs(3));
                Then::Close
            });
            let batch = self::batch(1, &server.url);
            let ended = batch.run(&["--timeout", "1s"]);
            check(name, &ended, &batch, &server);
        },
    );
}

/// What came of a cut reply is shown: it may hold the task id that `settle` asks for.
#[test]
fn of_a_reply_that_is_cut_the_head_is_kept() {
    let after_id = r#"{"code":200,"msg":"success","data":{"taskId":"task_hailuo_1790000004242","#;
    let head = |length: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let padded = format!("{}{after_id}{}", head(2_000_000), " ".repeat(1_100_000));
    let cases = [
        ("after the id", format!("{}{after_id}", head(500)), true),
        ("over 1 MiB", padded, true),
        ("before the id", format!("{}{{\"code\":200,", head(500)), false),
        ("before the body", head(500), false),
    ];
    in_parallel(&cases, |(name, reply, readable)| {
        let (ended, batch, server) = one_row(reply.clone().into_bytes(), &[]);
        assert_eq!((ended.code, server.posts()), (Some(4), 1), "{name}: {ended:#?}");
        let row = &batch.results()[0];
        assert_eq!((&*row["status"], &*row["task_id"]), ("unknown", ""), "{name}");
        assert_eq!(
            row["error_message"].contains("task_hailuo_1790000004242"),
            *readable,
            "{name}: {row:?}"
        );
    });
    // And when it never ends.
    let server = RawServer::for_rows(move |_, stream| {
        send(stream, format!("{}{after_id}", head(500)).as_bytes());
        sleep(Duration::from_secs(3));
        Then::Close
    });
    let batch = batch(1, &server.url);
    batch.run(&["--timeout", "1s"]).expect_code(4);
    let row = &batch.results()[0];
    assert_eq!(row["error_code"], "timeout");
    assert!(row["error_message"].contains("task_hailuo_1790000004242"), "{row:?}");
}

#[test]
fn a_reply_that_dribbles_is_given_up_after_the_time_out() {
    let server = RawServer::for_rows(|_, stream| {
        for byte in json("200 OK", &"x".repeat(200)) {
            if stream.write_all(&[byte]).is_err() {
                break;
            }
            sleep(Duration::from_millis(100));
        }
        Then::Close
    });
    let batch = batch(1, &server.url);
    let ended = batch.run(&["--timeout", "1s"]);
    ended.expect_code(4);
    assert_eq!(server.posts(), 1);
    let row = &batch.results()[0];
    assert_eq!((&*row["status"], &*row["error_code"]), ("unknown", "timeout"));
}

#[test]
fn a_503_waits_as_long_as_it_asks() {
    let refused = AtomicUsize::new(0);
    let server = RawServer::for_rows(move |_, stream| match refused.fetch_add(1, Ordering::Relaxed) {
        0 => send(
            stream,
            b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 4\r\n\r\nbusy",
        ),
        _ => send(stream, &accepted()),
    });
    let batch = batch(1, &server.url);
    let ended = batch.run(&["--max-attempts", "1"]);
    ended.expect_code(0);
    let attempts = batch.attempts();
    assert_eq!((attempts.len(), server.posts()), (2, 2));
    let waited = attempts[1].began_at - attempts[0].answered_at.unwrap();
    assert!(waited >= 1_950, "came back after {waited} ms");
}

/// Nothing of a request has left before the connection stands: such rows stay queued, however often they were tried.
#[test]
fn a_failure_to_connect_never_makes_an_unknown_row() {
    let plain_text = RawServer::below_http(|mut stream: TcpStream| {
        // Speaks first and not TLS.
        stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").ok();
        stream.read_to_end(&mut Vec::new()).ok();
    });
    let hangs_up = RawServer::below_http(drop);
    let silent = RawServer::below_http(|mut stream: TcpStream| {
        // Takes the greeting and says nothing.
        stream.read_to_end(&mut Vec::new()).ok();
    });
    let http = |address: &str| format!("http://{address}");
    let https = |address: &str| format!("https://{address}");
    let cases = [
        ("refused", http(&closed_port())),
        ("TLS refused", https(&closed_port())),
        ("TLS to plain text", https(&plain_text.address)),
        ("TLS to a server that hangs up", https(&hangs_up.address)),
        ("TLS to a silent server", https(&silent.address)),
        ("no such name", "https://no-such-host.invalid".to_owned()),
    ];
    in_parallel(&cases, |(name, url)| {
        let batch = batch(3, url);
        let ended = batch.run(&["--timeout", "1s", "--patience", "2s", "--concurrency", "2"]);
        assert_eq!(ended.code, Some(3), "{name}: {ended:#?}");
        assert_eq!((ended.count("queued"), ended.count("unknown")), (3, 0), "{name}");
        assert_eq!(ended.summary()["halted"]["code"], "patience", "{name}");
        let attempts = batch.attempts();
        assert!(!attempts.is_empty(), "{name}");
        for attempt in attempts {
            assert_eq!(
                (attempt.result.as_deref(), attempt.code.as_deref()),
                (Some("again"), Some("connect")),
                "{name}"
            );
        }
    });
    assert!(silent.connections() > 0 && plain_text.connections() > 0 && hangs_up.connections() > 0);
}

/// Forwards what it is sent to the host in the request line, as an HTTP proxy does, or answers CONNECT itself.
fn proxy(connect: &'static [u8]) -> RawServer {
    RawServer::start(move |seen, stream| {
        if seen.head.starts_with("CONNECT ") {
            send(stream, connect);
            return Then::Close;
        }
        let target = seen.head.split(' ').nth(1).unwrap();
        let url = target.strip_prefix("http://").unwrap();
        let (address, path) = url.split_once('/').unwrap();
        let mut upstream = TcpStream::connect(address).unwrap();
        let head = seen.head.replacen(target, &format!("/{path}"), 1);
        let head = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
        upstream.write_all(head.as_bytes()).unwrap();
        upstream.write_all(seen.body.as_bytes()).unwrap();
        let mut reply = Vec::new();
        let mut part = [0; 4096];
        // The server keeps its connection: one read has the whole short reply.
        let read = upstream.read(&mut part).unwrap();
        reply.extend_from_slice(&part[..read]);
        send(stream, &reply)
    })
}

#[test]
fn a_proxy_of_the_environment_is_used_and_sees_each_request_once() {
    let server = RawServer::for_rows(|_, stream| send(stream, &accepted()));
    let proxy = proxy(b"");
    let batch = batch(5, &server.url);
    let run = |variables: &[(&str, &str)]| {
        let mut command = batch.command("run", &["--json", "--rate", "1000/1s"]);
        command.envs(variables.iter().copied());
        Finished::of(command.output().unwrap())
    };
    run(&[("http_proxy", &proxy.url)]).expect_code(0);
    assert_eq!((proxy.posts(), server.posts()), (5, 5));
}

#[test]
fn no_proxy_names_hosts_that_need_none_and_the_sandbox_never_needs_one() {
    let server = RawServer::for_rows(|_, stream| send(stream, &accepted()));
    let proxy = proxy(b"");
    let run = |flags: &[&str], variables: &[(&str, &str)]| {
        let batch = batch(3, &server.url);
        let mut command = batch.command("run", &[&["--json", "--rate", "1000/1s"], flags].concat());
        command.envs(variables.iter().copied());
        Finished::of(command.output().unwrap()).expect_code(0);
    };
    run(&[], &[("http_proxy", &proxy.url), ("no_proxy", "127.0.0.1")]);
    assert_eq!((proxy.posts(), server.posts()), (0, 3));
    run(&["--sandbox"], &[("http_proxy", &proxy.url), ("ALL_PROXY", &proxy.url)]);
    assert_eq!((proxy.posts(), server.posts()), (0, 3));
}

/// A proxy that does not let us through has seen the host's name and nothing of the request.
#[test]
fn a_proxy_that_refuses_the_tunnel_leaves_rows_queued() {
    let replies: [(&'static [u8], &str); 3] = [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
            "connect",
        ),
        (
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
            "patience",
        ),
        (b"", "patience"),
    ];
    in_parallel(&replies, |(reply, halted)| {
        let proxy = proxy(reply);
        let batch = batch(2, "https://kie-stand-in.invalid");
        let mut command = batch.command("run", &["--json", "--patience", "2s"]);
        command.env("https_proxy", &proxy.url);
        let ended = Finished::of(command.output().unwrap());
        ended.expect_code(3);
        assert_eq!((ended.count("queued"), ended.count("unknown")), (2, 0), "{ended:#?}");
        assert_eq!(ended.summary()["halted"]["code"], *halted, "{ended:#?}");
        assert!(proxy.posts() == 0 && !proxy.requests().is_empty());
        assert!(proxy.requests().iter().all(|seen| !seen.head.contains(KEY)));
    });
}

/// No row is to blame for a proxy without a login: all stay queued, and the first answer says enough.
#[test]
fn a_forwarding_proxy_that_wants_a_login_halts() {
    let proxy = RawServer::start(|_, stream| send(stream, &json("407 Proxy Authentication Required", "login")));
    let batch = batch(3, &format!("http://{}", closed_port()));
    let mut command = batch.command("run", &["--json", "--concurrency", "1"]);
    command.env("http_proxy", &proxy.url);
    let ended = Finished::of(command.output().unwrap());
    ended.expect_code(3);
    assert_eq!((ended.count("queued"), proxy.posts()), (3, 1), "{ended:#?}");
    assert_eq!(ended.summary()["halted"]["code"], "http_407");
}

/// Patience cannot mend a certificate.
#[test]
fn a_certificate_that_is_not_trusted_halts_at_once() {
    if !can_use(&["openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = Certificate::make(folder.path()).expect_hang_up();
    let port = server.address.rsplit_once(':').unwrap().1;
    let batch = batch(3, &format!("https://localhost:{port}"));
    let ended = batch.run(&["--concurrency", "1"]);
    ended.expect_code(3);
    // One for the row, and one for the balance before and after it.
    assert_eq!(
        (ended.count("queued"), ended.count("requests"), server.connections()),
        (3, 1, 3)
    );
    let halted = &ended.summary()["halted"];
    assert_eq!(halted["code"], "connect");
    let message = halted["message"].as_str().unwrap();
    assert!(
        message.starts_with("the server's certificate is not trusted (at row 1): TLS: invalid peer certificate"),
        "{message}"
    );
}

/// The server has read a request before it goes wrong: always unknown, never sent again, whatever way it goes.
#[test]
fn a_request_that_was_read_is_never_called_unsent() {
    let turn = Arc::new(AtomicUsize::new(0));
    let server = RawServer::for_rows(move |_, stream| {
        match turn.fetch_add(1, Ordering::Relaxed) % 4 {
            0 => {}
            1 => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{").ok();
            }
            2 => {
                stream.write_all(b"\x16\x03\x01\x02\x00").ok();
            }
            _ => return send(stream, &accepted()),
        }
        stream.shutdown(std::net::Shutdown::Both).ok();
        Then::Close
    });
    let batch = batch(100, &server.url);
    // One at a time: three failures in a row do not open the breaker.
    let ended = batch.run(&["--concurrency", "1"]);
    ended.expect_code(4);
    let attempts = batch.attempts();
    assert_eq!((server.posts(), attempts.len()), (100, 100));
    assert_eq!((ended.count("accepted"), ended.count("unknown")), (25, 75));
}
