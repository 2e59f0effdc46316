//! Looks, fresh links, the balance and uploads over real sockets: where the key goes, what is never followed, and that no
//! server keeps us waiting or fills our memory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::io::Write;
use std::net::Shutdown;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hailuo_batch::kie::{
    Client, ClientConfig, LinkError, Look, Remedy, TaskApi, TaskState, Upload, UploadAnswer, Uploads,
};
use hailuo_batch::row::TaskId;
use reqwest::header::HeaderValue;
use support::KEY;
use support::server::{RawServer, Seen, Then, closed_port, json, send};
use url::Url;

const ID: &str = "7d3f5a90c1b84e6fa2d4078b9e61c35f";

/// A client for the server at `url`, which takes uploads too.
fn client(url: &str) -> Client {
    client_with(url, url)
}

fn client_with(url: &str, upload_url: &str) -> Client {
    let config = ClientConfig {
        base_url: Url::parse(url).unwrap(),
        upload_url: Url::parse(upload_url).unwrap(),
        connect_timeout: Duration::from_millis(500),
        timeout: Duration::from_secs(20),
        question_timeout: Duration::from_secs(1),
        upload_timeout: Duration::from_secs(1),
        reuse_connections: false,
        extra_roots_pem: None,
        no_proxy: true,
    };
    Client::new(&config, HeaderValue::from_str(&format!("Bearer {KEY}")).unwrap()).unwrap()
}

fn task() -> TaskId {
    TaskId::new(ID).unwrap()
}

fn image() -> Upload<'static> {
    Upload {
        bytes: Bytes::from_static("\u{fffd}PNG\r\n--not a boundary\r\n".as_bytes()),
        file_name: "0b5e2f.png",
        media_type: "image/png",
    }
}

/// What the API answers to each question when all is well.
fn answer_to(seen: &Seen) -> Vec<u8> {
    let data = match seen.head.split([' ', '?']).nth(1).unwrap() {
        "/api/v1/jobs/recordInfo" => format!(r#"{{"taskId":"{ID}","state":"generating"}}"#),
        "/api/v1/common/download-url" => r#""https://tempfile.aiquickdraw.com/h/x7.mp4?sign=a%2Bb""#.to_owned(),
        "/api/v1/chat/credit" => "421.75".to_owned(),
        "/api/file-stream-upload" => {
            r#"{"success":true,"downloadUrl":"https://tempfile.redpandaai.co/x/0b5e2f.png"}"#.to_owned()
        }
        other => panic!("{other}"),
    };
    json(
        "200 OK",
        &format!(r#"{{"success":true,"code":200,"msg":"success","data":{data}}}"#),
    )
}

/// What each question comes to, in short.
#[derive(Debug, PartialEq)]
struct Came {
    look: String,
    link: String,
    balance: String,
    upload: String,
}

/// Asks all four questions, one after the other.
async fn ask_all(client: &Client) -> Came {
    let look = match client.look(&task()).await {
        Look::Record(record) => format!("record {}", record.state.as_str()),
        Look::Missing => "missing".to_owned(),
        Look::Barred { code, .. } => format!("barred {code}"),
        Look::Busy { code, .. } => format!("busy {code}"),
        Look::Nothing { code, .. } => format!("nothing {code}"),
    };
    let link = match client.fresh_link("https://tempfile.aiquickdraw.com/h/x7.mp4").await {
        Ok(link) => link,
        Err(LinkError::Refused { code, .. }) => format!("refused {code}"),
        Err(LinkError::Again { code, .. }) => format!("again {code}"),
        Err(LinkError::Barred { code, .. }) => format!("barred {code}"),
    };
    let balance = match client.balance().await {
        Ok(credits) => credits.to_string(),
        Err(error) => format!("error {}", error.code),
    };
    let upload = match client.upload(image()).await {
        UploadAnswer::Stored { url } => url,
        UploadAnswer::Refused { code, .. } => format!("refused {code}"),
        UploadAnswer::Again { code, .. } => format!("again {code}"),
        UploadAnswer::Barred { code, .. } => format!("barred {code}"),
    };
    Came {
        look,
        link,
        balance,
        upload,
    }
}

fn came(look: &str, link: &str, balance: &str, upload: &str) -> Came {
    Came {
        look: look.to_owned(),
        link: link.to_owned(),
        balance: balance.to_owned(),
        upload: upload.to_owned(),
    }
}

#[tokio::test]
async fn each_question_is_one_request_with_the_key_in_one_header() {
    let server = RawServer::start(|seen, stream| send(stream, &answer_to(seen)));
    let client = client(&server.url);
    let expected = came(
        "record generating",
        "https://tempfile.aiquickdraw.com/h/x7.mp4?sign=a%2Bb",
        "421.75",
        "https://tempfile.redpandaai.co/x/0b5e2f.png",
    );
    assert_eq!(ask_all(&client).await, expected);
    let requests = server.requests();
    let lines: Vec<&str> = requests.iter().map(|seen| seen.head.lines().next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            format!("GET /api/v1/jobs/recordInfo?taskId={ID} HTTP/1.1").as_str(),
            "POST /api/v1/common/download-url HTTP/1.1",
            "GET /api/v1/chat/credit HTTP/1.1",
            "POST /api/file-stream-upload HTTP/1.1",
        ]
    );
    for seen in &requests {
        assert_eq!(seen.header("authorization"), [format!("Bearer {KEY}")]);
        assert_eq!(seen.head.matches(KEY).count(), 1, "only there: {}", seen.head);
        assert!(!seen.body.contains(KEY));
        assert_eq!(
            seen.header("user-agent"),
            [concat!("hailuo-batch/", env!("CARGO_PKG_VERSION"))]
        );
        assert_eq!(seen.header("accept"), ["application/json"]);
        assert!(seen.header("expect").is_empty() && seen.header("accept-encoding").is_empty());
    }
    assert_eq!(
        requests[1].body,
        r#"{"url":"https://tempfile.aiquickdraw.com/h/x7.mp4"}"#
    );
}

#[tokio::test]
async fn an_upload_is_a_form_with_the_file_its_name_and_its_folder() {
    let server = RawServer::start(|seen, stream| send(stream, &answer_to(seen)));
    client(&server.url).upload(image()).await;
    let requests = server.requests();
    let [request] = &requests[..] else {
        panic!("{requests:?}");
    };
    let content_type = request.header("content-type")[0];
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
    let file = str::from_utf8(&image().bytes).unwrap().to_owned();
    let expected = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"uploadPath\"\r\n\r\nhailuo-batch\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"fileName\"\r\n\r\n0b5e2f.png\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"0b5e2f.png\"\r\n\
         Content-Type: image/png\r\n\r\n{file}\r\n--{boundary}--\r\n"
    );
    assert_eq!(request.body, expected);
    // Not chunked: hosts refuse a form whose length they cannot know.
    assert_eq!(request.header("content-length"), [expected.len().to_string()]);
}

#[tokio::test]
async fn paths_before_the_apis_own_are_kept_and_odd_task_ids_stay_in_their_place() {
    let server =
        RawServer::start(|_, stream| send(stream, &json("200 OK", r#"{"code":422,"msg":"recordInfo is null"}"#)));
    let client = client_with(&format!("{}/kie/", server.url), &format!("{}/files", server.url));
    let odd = TaskId::new("../a?b=c&taskId=d#e").unwrap();
    assert_eq!(client.look(&odd).await, Look::Missing);
    client.upload(image()).await;
    let requests = server.requests();
    let line = |at: usize| requests[at].head.lines().next().unwrap().to_owned();
    assert_eq!(
        line(0),
        "GET /kie/api/v1/jobs/recordInfo?taskId=..%2Fa%3Fb%3Dc%26taskId%3Dd%23e HTTP/1.1"
    );
    assert_eq!(line(1), "POST /files/api/file-stream-upload HTTP/1.1");
}

/// A redirect could carry the key to somebody else.
#[tokio::test]
async fn a_redirect_is_never_followed() {
    let elsewhere = RawServer::start(|seen, stream| send(stream, &answer_to(seen)));
    for status in ["301 Moved", "302 Found", "303 See", "307 Again", "308 Gone"] {
        let reply = format!(
            "HTTP/1.1 {status}\r\nLocation: {}/api/v1/chat/credit\r\nContent-Length: 0\r\n\r\n",
            elsewhere.url
        );
        let server = RawServer::start(move |_, stream| send(stream, reply.as_bytes()));
        let client = client(&server.url);
        let barred = format!("barred http_{}", &status[..3]);
        let error = format!("error http_{}", &status[..3]);
        assert_eq!(
            ask_all(&client).await,
            came(&barred, &barred, &error, &barred),
            "{status}"
        );
        assert_eq!(server.requests().len(), 4, "{status}");
        let Look::Barred { remedy, .. } = client.look(&task()).await else {
            panic!("{status}");
        };
        assert_eq!(remedy, Remedy::BaseUrl);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn questions_share_a_connection() {
    let server = RawServer::start(|seen, stream| send(stream, &answer_to(seen)));
    let client = client(&server.url);
    for _ in 0..30 {
        let Look::Record(record) = client.look(&task()).await else {
            panic!("no record");
        };
        assert_eq!(record.state, TaskState::Generating);
    }
    client.balance().await.unwrap();
    assert_eq!((server.requests().len(), server.connections()), (31, 1));
}

/// A look over a connection that was closed meanwhile may bring nothing; the next one has a new connection.
#[tokio::test]
async fn a_server_that_closes_its_connections_costs_a_look_at_most() {
    let server = RawServer::start(|seen, stream| {
        send(stream, &answer_to(seen));
        stream.shutdown(Shutdown::Both).ok();
        Then::Close
    });
    let client = client(&server.url);
    let mut records = 0;
    for _ in 0..20 {
        match client.look(&task()).await {
            Look::Record(_) => records += 1,
            Look::Nothing { code, .. } => assert_eq!(code, "bad_reply"),
            other => panic!("{other:?}"),
        }
    }
    assert!(records >= 10, "{records}");
}

#[tokio::test]
async fn a_server_that_hangs_is_left_in_time() {
    let silent = RawServer::start(|_, _| {
        sleep(Duration::from_secs(20));
        Then::Close
    });
    let dribbling = RawServer::start(|_, stream| {
        for byte in json("200 OK", &"x".repeat(500)) {
            if stream.write_all(&[byte]).is_err() {
                break;
            }
            sleep(Duration::from_millis(50));
        }
        Then::Close
    });
    for server in [&silent, &dribbling] {
        let client = client(&server.url);
        let began = Instant::now();
        let timeout = came("nothing timeout", "again timeout", "error timeout", "again timeout");
        assert_eq!(ask_all(&client).await, timeout);
        let elapsed = began.elapsed();
        assert!(
            (Duration::from_millis(3_900)..Duration::from_secs(8)).contains(&elapsed),
            "four questions of one second each: {elapsed:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_brings_nothing() {
    let client = client(&format!("http://{}", closed_port()));
    let connect = came("nothing connect", "again connect", "error connect", "again connect");
    assert_eq!(ask_all(&client).await, connect);
}

#[tokio::test]
async fn replies_that_are_too_long_or_unreadable_bring_nothing() {
    let long = format!(
        r#"{{"code":200,"msg":"success","data":"{}"}}"#,
        "x".repeat(2 * 1024 * 1024)
    );
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("over 1 MiB", json("200 OK", &long)),
        (
            "over 1 MiB without a length",
            format!("HTTP/1.1 200 OK\r\n\r\n{long}").into_bytes(),
        ),
        ("nothing at all", vec![]),
        ("not HTTP", b"220 mail.example.org ESMTP\r\n".to_vec()),
        ("not JSON", json("200 OK", "<html>login</html>")),
        ("an empty body", json("200 OK", "")),
        (
            "other data",
            json("200 OK", r#"{"code":200,"msg":"success","data":[true]}"#),
        ),
        ("no data", json("200 OK", r#"{"code":200,"msg":"success"}"#)),
        (
            "a cut body",
            b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{\"code\":200,".to_vec(),
        ),
    ];
    for (name, reply) in cases {
        let server = RawServer::start(move |_, stream| {
            send(stream, &reply);
            Then::Close
        });
        let bad = came(
            "nothing bad_reply",
            "again bad_reply",
            "error bad_reply",
            "again bad_reply",
        );
        assert_eq!(ask_all(&client(&server.url)).await, bad, "{name}");
        // Fewer when a question met the close of the connection it was to share.
        assert!(server.requests().len() <= 4, "{name}: nothing below us asks again");
    }
}

#[tokio::test]
async fn refusals_reach_whoever_asked_with_the_servers_words_and_wait() {
    for (status, body, expected) in [
        (
            "200 OK",
            r#"{"code":422,"msg":"url is wrong","data":null}"#,
            came("missing", "refused 422", "error 422", "refused 422"),
        ),
        (
            "401 Unauthorized",
            r#"{"code":401,"msg":"You do not have access permissions"}"#,
            came("barred 401", "barred 401", "error 401", "barred 401"),
        ),
        (
            "429 Too Many Requests",
            r#"{"code":429,"msg":"Rate limit exceeded"}"#,
            came("busy 429", "again 429", "error 429", "again 429"),
        ),
        (
            "200 OK",
            r#"{"success":false,"code":500,"msg":"atob"}"#,
            came("nothing 500", "again 500", "error 500", "again 500"),
        ),
        (
            "404 Not Found",
            "<html>nginx</html>",
            came(
                "nothing http_404",
                "again http_404",
                "error http_404",
                "barred http_404",
            ),
        ),
        (
            "413 Content Too Large",
            "<html>nginx</html>",
            came(
                "nothing http_413",
                "again http_413",
                "error http_413",
                "refused http_413",
            ),
        ),
        (
            "403 Forbidden",
            "error code: 1010",
            came(
                "barred http_403",
                "barred http_403",
                "error http_403",
                "barred http_403",
            ),
        ),
    ] {
        let reply = json(status, body);
        let server = RawServer::start(move |_, stream| send(stream, &reply));
        assert_eq!(ask_all(&client(&server.url)).await, expected, "{status} {body}");
    }
    let busy = b"HTTP/1.1 429 Slow down\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n";
    let server = RawServer::start(move |_, stream| send(stream, busy));
    let Look::Busy { retry_after, .. } = client(&server.url).look(&task()).await else {
        panic!("not busy");
    };
    assert_eq!(retry_after, Some(Duration::from_secs(9)));
}

/// A server may repeat the request in its error, and cut it in the middle of the key.
#[tokio::test]
async fn a_key_that_the_server_repeats_goes_no_further() {
    let turn = AtomicUsize::new(0);
    let server = RawServer::start(move |seen, stream| {
        let status = ["200 OK", "401 Unauthorized", "500 Oops", "404 Not Found"];
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        let echoed = seen.header("authorization")[0];
        let text = match turn / 4 % 3 {
            0 => format!(r#"{{"code":409,"msg":"odd header: {echoed}"}}"#),
            1 => format!("{}{echoed}", "x".repeat(440)),
            _ => format!(
                r#"{{"code":200,"data":{{"taskId":"{ID}","state":"fail","failMsg":"{echoed}","failCode":"{echoed}"}}}}"#
            ),
        };
        send(stream, &json(status[turn % 4], &text))
    });
    let client = client(&server.url);
    for _ in 0..12 {
        let mut said = format!("{:?}", client.look(&task()).await);
        said += &format!("{:?}", client.fresh_link("https://a.example/1.mp4").await);
        said += &format!("{:?}", client.balance().await);
        said += &format!("{:?}", client.upload(image()).await);
        assert!(!said.contains(KEY) && !said.contains(&KEY[..12]), "{said}");
        assert!(said.contains("[redacted]"), "{said}");
    }
}
