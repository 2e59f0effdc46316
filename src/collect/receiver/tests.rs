//! The receiver over real sockets and on a real ledger, whatever calls.

use std::future::poll_fn;
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::*;
use crate::clock::UnixMillis;
use crate::ledger::direct::Direct;
use crate::ledger::{
    Announced, Announcement, Awaited, Due, LedgerError, NotSaved, OpenTask, SavedVideo, Sighting, Unsaved,
};
use crate::row::{CallbackToken, RowState, Token};
use crate::server::{FAREWELL, SEATS};

/// Task of row 1, and of the signed examples of the vendor's pages.
const TASK: &str = "7d3f5a90c1b84e6fa2d4078b9e61c35f";
const STAMP: &str = "1790000095";
const SIGNATURE: &str = "NgHXasDG7ZWl7egwKNB9dTXwzvT+T5qbD3+VFFsLeYI=";
const NOW: UnixMillis = UnixMillis(1_790_000_095_000);

/// Task of row 2, signed as well.
const OTHER_TASK: &str = "task_hailuo_1790000004242";
const OTHER_STAMP: &str = "1790000200";
const OTHER_SIGNATURE: &str = "HtCex12eaxi8qHehfqZHoK0Qz/zlREIsaoAo4kKmbh4=";

/// When tasks are looked at without a callback: long after [`NOW`].
const LATER: UnixMillis = UnixMillis(NOW.0 + 3_600_000);

/// Longest wait for anything that must come. A test that waits for something slow by nature says so.
const PATIENCE: Duration = Duration::from_secs(5);

/// A ledger that counts announcements, can be made to fail, and can be held up.
#[derive(Clone)]
struct Office {
    direct: Direct,
    asked: Arc<AtomicUsize>,
    fails: Arc<AtomicBool>,
    /// One permit lets one announcement through; `None`: all.
    gate: Option<Arc<Semaphore>>,
}

impl Tasks for Office {
    async fn due(&self, now: UnixMillis, most: usize) -> Result<Due<OpenTask>, LedgerError> {
        self.direct.due(now, most).await
    }

    async fn to_save(&self, now: UnixMillis, most: usize) -> Result<Due<Unsaved>, LedgerError> {
        self.direct.to_save(now, most).await
    }

    async fn seen(&self, sighting: Sighting) -> Result<Option<RowState>, LedgerError> {
        self.direct.seen(sighting).await
    }

    async fn announce(&self, announcement: Announcement) -> Result<Announced, LedgerError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
        if self.fails.load(Ordering::Relaxed) {
            return Err(LedgerError::Stopped);
        }
        self.direct.announce(announcement).await
    }

    async fn awaited(&self, since: UnixMillis, now: UnixMillis) -> Result<Awaited, LedgerError> {
        self.direct.awaited(since, now).await
    }

    async fn saved(&self, video: SavedVideo) -> Result<(), LedgerError> {
        self.direct.saved(video).await
    }

    async fn not_saved(&self, trouble: NotSaved) -> Result<(), LedgerError> {
        self.direct.not_saved(trouble).await
    }
}

/// A receiver on a port of its own, with two accepted rows in its ledger.
struct Trial {
    receiver: Receiver,
    office: Office,
    wake: Arc<Notify>,
    notices: Arc<Mutex<Vec<Notice>>>,
}

struct Setup {
    key: Option<&'static str>,
    path: &'static str,
    now: UnixMillis,
    gate: Option<Arc<Semaphore>>,
}

const OPEN: Setup = Setup {
    key: None,
    path: "/kie",
    now: NOW,
    gate: None,
};

const SIGNED: Setup = Setup {
    key: Some("test-webhook-key"),
    ..OPEN
};

impl Trial {
    async fn new(setup: Setup) -> Trial {
        let direct = Direct::with_accepted(2, UnixMillis(NOW.0 - 60_000));
        for (row, task) in [(1, TASK), (2, OTHER_TASK)] {
            direct.sql(&format!(
                "UPDATE rows SET task_id = '{task}', due_at = {} WHERE row_id = {row}",
                LATER.0
            ));
        }
        let office = Office {
            direct,
            asked: Arc::default(),
            fails: Arc::default(),
            gate: setup.gate,
        };
        let wake = Arc::new(Notify::new());
        let notices = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&notices);
        let config = ReceiverConfig {
            path: (setup.path != "*").then(|| setup.path.to_owned()),
            key: setup.key.and_then(WebhookKey::new),
            wall: Wall::Virtual {
                base: setup.now,
                start: tokio::time::Instant::now(),
            },
        };
        let receiver = Receiver::start(
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(),
            config,
            office.clone(),
            Arc::clone(&wake),
            Arc::new(move |notice| told.lock().unwrap().push(notice)),
        );
        Trial {
            receiver,
            office,
            wake,
            notices,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.receiver.address().unwrap()).await.unwrap()
    }

    /// Sends `bytes` and returns everything that comes back; `""` if the connection was only closed.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // A receiver that has heard enough may close before everything is written.
        let _written = stream.write_all(bytes).await;
        answer(&mut stream).await
    }

    async fn post(&self, target: &str, headers: &str, body: &str) -> (u16, String) {
        parse(&self.exchange(request(target, headers, body).as_bytes()).await)
    }

    /// The status of a callback as the vendor sends it without a key.
    async fn call(&self, row: i64, task: &str) -> u16 {
        self.post(&target(row), "", &body(task)).await.0
    }

    /// The numbers of the rows whose tasks are to be looked at now.
    async fn due(&self) -> Vec<u32> {
        let due = self.office.due(UnixMillis(NOW.0 + 600_000), 9).await.unwrap();
        due.now.iter().map(|task| task.number).collect()
    }

    fn asked(&self) -> usize {
        self.office.asked.load(Ordering::Relaxed)
    }

    async fn until(&self, what: impl Fn(&ReceiverCounts) -> bool, limit: Duration) {
        let waiting = async {
            while !what(&self.receiver.counts()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(limit, waiting)
            .await
            .unwrap_or_else(|_| panic!("{:?}", self.receiver.counts()));
    }

    fn told(&self) -> Vec<String> {
        self.notices.lock().unwrap().iter().map(Notice::to_string).collect()
    }
}

fn token(attempt: i64) -> CallbackToken {
    CallbackToken {
        attempt,
        secret: Token([1; 16]),
    }
}

fn target(row: i64) -> String {
    format!("/kie?team=a&token={}", token(row))
}

fn body(task: &str) -> String {
    format!(
        r#"{{"code":200,"msg":"Playground task completed successfully.","data":{{"taskId":"{task}","state":"success"}}}}"#
    )
}

fn request(target: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {target} HTTP/1.1\r\nHost: hooks.example.org\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

fn signed(stamp: &str, signature: &str) -> String {
    format!("X-Webhook-Timestamp: {stamp}\r\nX-Webhook-Signature: {signature}\r\n")
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    let whole = read.expect("the receiver closes when it has answered");
    // A reset after the answer takes nothing from it.
    drop(whole);
    String::from_utf8(bytes).unwrap()
}

/// Status and body of an answer; status 0 if there was none.
fn parse(answer: &str) -> (u16, String) {
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status.unwrap_or(0), body.to_owned())
}

#[tokio::test]
async fn a_callback_is_durable_before_it_is_answered_and_wakes_whoever_looks() {
    let trial = Trial::new(OPEN).await;
    assert_eq!(trial.due().await, [0; 0]);
    let answer = trial.post(&target(1), "", &body(TASK)).await;
    assert_eq!(answer, (200, r#"{"code":200,"msg":"success"}"#.to_owned()));
    assert_eq!(trial.due().await, [1]);
    timeout(PATIENCE, trial.wake.notified()).await.unwrap();
    assert_eq!(trial.receiver.stop().await.taken, 1);
}

#[tokio::test]
async fn nothing_is_answered_before_the_ledger_has_it() {
    let gate = Arc::new(Semaphore::new(0));
    let trial = Trial::new(Setup {
        gate: Some(Arc::clone(&gate)),
        ..OPEN
    })
    .await;
    let mut stream = trial.connect().await;
    stream
        .write_all(request(&target(1), "", &body(TASK)).as_bytes())
        .await
        .unwrap();
    let mut one = [0; 1];
    let early = timeout(Duration::from_millis(300), stream.read(&mut one)).await;
    assert!(early.is_err(), "answered while the ledger was at work: {early:?}");
    assert_eq!((trial.asked(), trial.due().await), (1, vec![]));
    gate.add_permits(1);
    assert_eq!(parse(&answer(&mut stream).await).0, 200);
    assert_eq!(trial.due().await, [1]);
}

#[tokio::test]
async fn duplicates_and_late_ones_are_taken_and_change_nothing() {
    let trial = Trial::new(OPEN).await;
    for _ in 0..3 {
        assert_eq!(trial.call(2, OTHER_TASK).await, 200);
    }
    assert_eq!(trial.call(1, TASK).await, 200);
    let mut due = trial.due().await;
    due.sort_unstable();
    assert_eq!(due, [1, 2]);

    trial
        .office
        .direct
        .sql("UPDATE rows SET state = 'failed', due_at = NULL WHERE row_id = 1");
    assert_eq!(trial.call(1, TASK).await, 200);
    assert_eq!(trial.due().await, [2]);
    let counts = trial.receiver.stop().await;
    assert_eq!((counts.taken, counts.known, counts.extra), (4, 1, 0));
}

#[tokio::test]
async fn a_row_without_an_answer_is_due_once_its_callback_comes() {
    let trial = Trial::new(OPEN).await;
    trial.office.direct.lose_answer(1);
    assert_eq!(trial.call(1, "found").await, 200);
    let due = trial.office.due(NOW.after(PATIENCE), 9).await.unwrap();
    assert_eq!(due.now.len(), 1);
    assert_eq!(due.now[0].task_id.as_str(), "found");
    assert!(due.now[0].claim.is_some());
}

#[tokio::test]
async fn a_task_that_nobody_counted_on_is_told_with_its_row() {
    let trial = Trial::new(OPEN).await;
    assert_eq!(trial.call(1, "another-task").await, 200);
    assert_eq!(trial.due().await, [0; 0]);
    assert_eq!(
        trial.told(),
        ["row 1 has a second task, of a request that was answered with an error, and it may be charged: another-task"]
    );
    assert_eq!(trial.receiver.stop().await.extra, 1);
}

#[tokio::test]
async fn both_spellings_of_the_id_are_verified() {
    let trial = Trial::new(SIGNED).await;
    let first = trial.post(&target(1), &signed(STAMP, SIGNATURE), &body(TASK)).await;
    assert_eq!(first.0, 200);
    for spelled in [
        format!(r#"{{"code":200,"data":{{"task_id":"{OTHER_TASK}"}}}}"#),
        format!(r#"{{"taskId":"{OTHER_TASK}","code":200,"data":{{"callbackType":"task_completed"}}}}"#),
    ] {
        let headers = signed(OTHER_STAMP, OTHER_SIGNATURE);
        assert_eq!(trial.post(&target(2), &headers, &spelled).await.0, 200, "{spelled}");
    }
    assert_eq!(trial.due().await.len(), 2);
    assert_eq!(trial.told(), [""; 0]);
}

#[tokio::test]
async fn with_a_key_what_is_not_signed_with_it_never_reaches_the_ledger() {
    let trial = Trial::new(SIGNED).await;
    let one_bit_off = SIGNATURE.replacen('N', "O", 1);
    for (headers, task, status) in [
        (String::new(), TASK, 401),
        (format!("X-Webhook-Timestamp: {STAMP}\r\n"), TASK, 401),
        (format!("X-Webhook-Signature: {SIGNATURE}\r\n"), TASK, 401),
        (signed("", SIGNATURE), TASK, 401),
        (signed(STAMP, &one_bit_off), TASK, 401),
        (signed(STAMP, "\u{7f}"), TASK, 400),
        (signed(STAMP, "AAAA"), TASK, 401),
        (signed("1790000096", SIGNATURE), TASK, 401),
        (signed("soon", SIGNATURE), TASK, 401),
        (signed(STAMP, SIGNATURE), OTHER_TASK, 401),
    ] {
        let (found, text) = trial.post(&target(1), &headers, &body(task)).await;
        assert_eq!(found, status, "{headers} {task}");
        assert!(!text.contains("test-webhook-key"));
    }
    assert_eq!((trial.asked(), trial.due().await), (0, vec![]));
    let counts = trial.receiver.counts();
    assert_eq!(counts.refused[&Refusal::NotSigned], 4);
    assert_eq!(counts.refused[&Refusal::Forged], 5);
    for line in trial.told() {
        assert!(!line.contains("test-webhook-key") && !line.contains(&Token([1; 16]).to_hex()));
    }
}

#[tokio::test]
async fn an_old_call_is_refused_and_many_of_them_put_the_clock_in_doubt() {
    let trial = Trial::new(Setup {
        now: UnixMillis(NOW.0 + 301_500),
        ..SIGNED
    })
    .await;
    for _ in 0..5 {
        let (status, text) = trial.post(&target(1), &signed(STAMP, SIGNATURE), &body(TASK)).await;
        assert_eq!((status, text.contains("time stamp")), (400, true));
    }
    assert_eq!(trial.asked(), 0);
    let told = trial.told().join("\n");
    assert!(
        told.contains("this machine's clock is probably wrong") && told.contains("by 301 s"),
        "{told}"
    );

    let in_time = Trial::new(Setup {
        now: UnixMillis(NOW.0 + 290_000),
        ..SIGNED
    })
    .await;
    let answer = in_time.post(&target(1), &signed(STAMP, SIGNATURE), &body(TASK)).await;
    assert_eq!(answer.0, 200);
}

#[tokio::test]
async fn a_replayed_signature_with_another_body_only_makes_the_same_task_due() {
    let trial = Trial::new(SIGNED).await;
    let lie = format!(
        r#"{{"code":200,"data":{{"taskId":"{TASK}","state":"success",
           "resultJson":"{{\"resultUrls\":[\"https://evil.example/x.mp4\"]}}","creditsConsumed":9999}}}}"#
    );
    assert_eq!(trial.post(&target(1), &signed(STAMP, SIGNATURE), &lie).await.0, 200);
    assert_eq!(trial.office.direct.row(1), (RowState::Accepted, None));
    assert_eq!(trial.due().await, [1]);
    let unsaved = trial.office.to_save(UnixMillis(i64::MAX), 9).await.unwrap();
    assert_eq!(unsaved.now.len(), 0);
}

#[tokio::test]
async fn what_bears_no_token_of_ours_is_not_found_and_not_told_apart() {
    let trial = Trial::new(OPEN).await;
    let wrong_secret = CallbackToken {
        secret: Token([2; 16]),
        ..token(1)
    };
    let mut answers = Vec::new();
    for target in [
        "/kie".to_owned(),
        "/kie?token=".to_owned(),
        "/kie?token=1-abc".to_owned(),
        format!("/kie?token={wrong_secret}"),
        format!("/kie?token={}", token(99)),
        format!("/kie?token={}", Token([1; 16]).to_hex()),
        format!("/kie?token={}", token(-1)),
    ] {
        answers.push(trial.post(&target, "", &body(TASK)).await);
    }
    let expected = (404, r#"{"code":404,"msg":"nothing is here"}"#.to_owned());
    assert_eq!(answers, vec![expected; 7]);
    assert_eq!((trial.asked(), trial.due().await), (2, vec![]));
}

#[tokio::test]
async fn the_path_is_taken_literally_and_the_root_beside_it() {
    let trial = Trial::new(OPEN).await;
    for (path, status) in [
        ("/kie", 200),
        ("/", 200),
        ("http://hooks.example.org/kie", 200),
        ("/kie/", 404),
        ("/kie/%2e%2e", 404),
        ("/x/../kie", 404),
        ("//kie", 404),
        ("/KIE", 404),
        ("/%6bie", 404),
        ("/kie/x", 404),
        ("/healthz", 404),
    ] {
        let target = format!("{path}?token={}", token(1));
        assert_eq!(trial.post(&target, "", &body(TASK)).await.0, status, "{path}");
    }
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let request = format!("{method} {} HTTP/1.1\r\nHost: x\r\n\r\n", target(1));
        let answer = trial.exchange(request.as_bytes()).await;
        assert_eq!(parse(&answer).0, 405, "{method}");
        assert!(answer.to_lowercase().contains("allow: post"), "{answer}");
    }
}

#[tokio::test]
async fn any_public_path_can_be_served() {
    for (path, asked) in [
        ("/", "/"),
        ("/:a/*b", "/:a/*b"),
        ("/{x}", "/{x}"),
        ("/a%20b//c", "/a%20b//c"),
        ("", "/"),
        ("kie", "/kie"),
    ] {
        let trial = Trial::new(Setup { path, ..OPEN }).await;
        let target = format!("{asked}?token={}", token(1));
        assert_eq!(trial.post(&target, "", &body(TASK)).await.0, 200, "{path}");
        let target = format!("/other?token={}", token(1));
        assert_eq!(trial.post(&target, "", &body(TASK)).await.0, 404, "{path}");
    }
}

/// Whoever does not know the path of the public URL can do without: the token says whose the call is.
#[tokio::test]
async fn without_a_public_path_any_will_do() {
    let trial = Trial::new(Setup { path: "*", ..OPEN }).await;
    for path in ["/", "/kie", "/a/b/"] {
        let target = format!("{path}?token={}", token(1));
        assert_eq!(trial.post(&target, "", &body(TASK)).await.0, 200, "{path}");
        assert_eq!(trial.post(path, "", &body(TASK)).await.0, 404, "{path} without a token");
    }
    let answer = trial.exchange(b"GET /kie HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(parse(&answer).0, 405);
}

#[tokio::test]
async fn a_body_that_names_no_task_is_refused() {
    let trial = Trial::new(OPEN).await;
    let deep = "[".repeat(100_000);
    for body in [
        "",
        "null",
        "{}",
        "<html>",
        "{\"data\":{\"taskId\":\"a b\"}}",
        "{\"data\":{\"taskId\":\"\u{1b}[31m\"}}",
        &deep,
    ] {
        assert_eq!(trial.post(&target(1), "", body).await.0, 400);
    }
    let odd = request(&target(1), "", "#").into_bytes();
    let odd: Vec<u8> = odd
        .into_iter()
        .map(|byte| if byte == b'#' { 0xff } else { byte })
        .collect();
    assert_eq!(parse(&trial.exchange(&odd).await).0, 400);
    assert_eq!(trial.asked(), 0);
}

#[tokio::test]
async fn when_the_ledger_fails_the_api_is_asked_to_call_again() {
    let trial = Trial::new(OPEN).await;
    trial.office.fails.store(true, Ordering::Relaxed);
    assert_eq!(trial.call(1, TASK).await, 503);
    trial.office.fails.store(false, Ordering::Relaxed);
    assert_eq!(trial.call(1, TASK).await, 200);
    assert_eq!(trial.told(), ["a callback was refused: the ledger failed"]);
}

/// 100 MB are refused for their size alone, announced or not, and before they were sent.
#[tokio::test]
async fn a_body_of_a_hundred_megabytes_is_refused_early() {
    let trial = Trial::new(OPEN).await;
    let chunk = vec![b' '; 1 << 20];
    for framing in ["Content-Length: 104857600", "Transfer-Encoding: chunked"] {
        let mut stream = trial.connect().await;
        let head = format!("POST {} HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n", target(1));
        stream.write_all(head.as_bytes()).await.unwrap();
        let (mut read, mut write) = stream.split();
        let writing = async {
            let mut sent = 0;
            for _ in 0..100 {
                if framing.contains("chunked") && write.write_all(b"100000\r\n").await.is_err() {
                    break;
                }
                if write.write_all(&chunk).await.is_err() {
                    break;
                }
                if framing.contains("chunked") && write.write_all(b"\r\n").await.is_err() {
                    break;
                }
                sent += 1;
                tokio::task::yield_now().await;
            }
            sent
        };
        let reading = async {
            let mut head = vec![0; 512];
            let length = timeout(PATIENCE, read.read(&mut head)).await.unwrap().unwrap();
            String::from_utf8_lossy(&head[..length]).into_owned()
        };
        tokio::select! {
            // A hundred megabytes take longer than the refusal of them.
            answer = reading => assert_eq!(parse(&answer).0, 413, "{framing}: {answer}"),
            sent = writing => panic!("{framing}: {sent} MB were read before an answer came"),
        }
    }
    assert_eq!(trial.receiver.counts().refused[&Refusal::TooLarge], 2);
    // As large as allowed, to the byte.
    let json = body(TASK);
    let largest = format!("{json}{}", " ".repeat(LARGEST_BODY - json.len()));
    assert_eq!(trial.post(&target(1), "", &largest).await.0, 200);
    assert_eq!(trial.post(&target(1), "", &format!("{largest} ")).await.0, 413);
}

/// A proxy that cannot finish its request reports a bad gateway, and not why the request was refused.
#[tokio::test]
async fn a_client_that_sends_everything_first_is_let_finish() {
    let trial = Trial::new(OPEN).await;
    for length in [300_000, 8_000_000] {
        let mut stream = trial.connect().await;
        let request = request(&target(1), "", &" ".repeat(length));
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(parse(&answer(&mut stream).await).0, 413, "{length}");
    }
}

#[tokio::test]
async fn a_client_that_asks_for_leave_to_send_gets_it_or_a_refusal() {
    let trial = Trial::new(OPEN).await;
    let expecting = |length: usize| {
        format!(
            "POST {} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n",
            target(1)
        )
    };
    let mut stream = trial.connect().await;
    let json = body(TASK);
    stream.write_all(expecting(json.len()).as_bytes()).await.unwrap();
    let mut leave = [0; 25];
    timeout(PATIENCE, stream.read_exact(&mut leave)).await.unwrap().unwrap();
    assert_eq!(&leave, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(json.as_bytes()).await.unwrap();
    assert_eq!(parse(&answer(&mut stream).await).0, 200);

    let answer = trial.exchange(expecting(100_000_000).as_bytes()).await;
    assert_eq!(parse(&answer).0, 413);
}

#[tokio::test]
async fn heads_that_are_too_large_or_ambiguous_are_refused() {
    let trial = Trial::new(OPEN).await;
    let json = body(TASK);
    let with = |headers: &str| request(&target(1), headers, &json);
    let many: String = (0..200).map(|number| format!("X-{number}: y\r\n")).collect();
    let long = format!("X-Long: {}\r\n", "y".repeat(20_000));
    for (name, request, statuses) in [
        ("too many fields", with(&many), vec![431]),
        ("a field too long", with(&long), vec![431]),
        (
            "a path too long",
            with("").replace("team=a", &"a".repeat(20_000)),
            vec![414, 431],
        ),
        // Either the request is refused, or the length does not count and the body is no chunk.
        ("two framings", with("Transfer-Encoding: chunked\r\n"), vec![400]),
        ("two lengths", with("Content-Length: 5\r\n"), vec![400]),
        ("a folded length", with("").replace("Length: ", "Length: +"), vec![400]),
        (
            "a space before the colon",
            with("Transfer-Encoding : chunked\r\n"),
            vec![400],
        ),
        ("no HTTP", "hello\r\n\r\n".to_owned(), vec![400]),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\r\n\r\n".to_owned(), vec![400]),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), vec![0]),
    ] {
        let answer = trial.exchange(request.as_bytes()).await;
        let (status, _) = parse(&answer);
        assert!(statuses.contains(&status), "{name}: {answer}");
    }
    assert_eq!((trial.asked(), trial.due().await), (0, vec![]));
}

/// What stands behind a request is never taken for another one.
#[tokio::test]
async fn a_connection_serves_one_request() {
    let trial = Trial::new(OPEN).await;
    let both = format!(
        "{}{}",
        request(&target(1), "", &body(TASK)),
        request(&target(2), "", &body(OTHER_TASK))
    );
    let answer = trial.exchange(both.as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    assert_eq!(trial.due().await, [1]);
}

#[tokio::test]
async fn a_caller_that_closes_its_sending_side_is_answered_all_the_same() {
    let trial = Trial::new(OPEN).await;
    let mut stream = trial.connect().await;
    let request = request(&target(1), "", &body(TASK));
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(parse(&answer(&mut stream).await).0, 200);
}

#[tokio::test]
async fn a_caller_that_hangs_up_in_mid_body_changes_nothing() {
    let trial = Trial::new(OPEN).await;
    let mut stream = trial.connect().await;
    let whole = request(&target(1), "", &body(TASK));
    stream.write_all(&whole.as_bytes()[..whole.len() - 1]).await.unwrap();
    drop(stream);
    trial
        .until(|counts| counts.broken + counts.refused.len() as u64 > 0, PATIENCE)
        .await;
    assert_eq!((trial.asked(), trial.due().await), (0, vec![]));
}

/// Somebody holds hundreds of connections and sends a byte now and then.
#[tokio::test]
async fn slow_callers_do_not_keep_the_real_one_waiting() {
    let trial = Trial::new(OPEN).await;
    let mut slow = Vec::new();
    for number in 0..300 {
        let mut stream = trial.connect().await;
        let head = match number % 3 {
            0 => String::new(),
            1 => format!("POST {} HTTP/1.1\r\nHost: ", target(1)),
            _ => format!("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{{", target(1)),
        };
        // The older ones have been closed meanwhile.
        let _written = stream.write_all(head.as_bytes()).await;
        slow.push(stream);
    }
    let began = Instant::now();
    assert_eq!(trial.call(1, TASK).await, 200);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    trial.until(|counts| counts.evicted >= 300 - 64, PATIENCE).await;
    let told = trial.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("to make room"), "{told:?}");
}

/// While thousands of new connections come in, a caller needs no more than a moment between its first byte and its last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_connections_does_not_keep_the_real_one_out() {
    let trial = Trial::new(OPEN).await;
    let address = trial.receiver.address().unwrap();
    let (stop, stopped) = watch::channel(false);
    let flood = tokio::spawn(async move {
        let mut held = std::collections::VecDeque::new();
        while !*stopped.borrow() {
            if let Ok(stream) = TcpStream::connect(address).await {
                held.push_back(stream);
            }
            if held.len() > 200 {
                held.pop_front();
            }
        }
    });
    trial
        .until(|counts| counts.evicted > 500, Duration::from_secs(20))
        .await;
    let mut answered = 0;
    let began = Instant::now();
    // The API calls up to three times.
    for _ in 0..3 {
        answered += u32::from(trial.call(1, TASK).await == 200);
    }
    assert!(answered > 0);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    stop.send(true).unwrap();
    flood.await.unwrap();
}

#[tokio::test]
async fn a_head_and_a_body_have_their_time() {
    let trial = Trial::new(OPEN).await;
    let mut slow_head = trial.connect().await;
    slow_head.write_all(b"POST /kie HTTP/1.1\r\n").await.unwrap();
    let mut silent = trial.connect().await;
    let mut slow_body = trial.connect().await;
    let head = format!("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{{", target(1));
    slow_body.write_all(head.as_bytes()).await.unwrap();
    let began = Instant::now();
    let limit = HEAD_TIMEOUT.max(BODY_TIMEOUT) + LINGER + PATIENCE;
    let mut texts = Vec::new();
    for stream in [&mut slow_head, &mut silent, &mut slow_body] {
        let mut bytes = Vec::new();
        let _reset = timeout(limit, stream.read_to_end(&mut bytes)).await.unwrap();
        texts.push(String::from_utf8(bytes).unwrap());
    }
    let took = began.elapsed();
    assert!(took > Duration::from_secs(9) && took < limit, "{took:?}");
    assert_eq!(parse(&texts[2]).0, 408, "{texts:?}");
}

/// A thousand forged calls, then the real one.
#[tokio::test]
async fn a_flood_of_forged_calls_is_refused_without_the_ledger() {
    let trial = Trial::new(SIGNED).await;
    let forged = request(&target(1), &signed(STAMP, OTHER_SIGNATURE), &body(TASK));
    for _ in 0..20 {
        let calls = (0..50).map(|_| trial.exchange(forged.as_bytes()));
        for answer in join_all(calls).await {
            assert_eq!(parse(&answer).0, 401);
        }
    }
    let began = Instant::now();
    let answer = trial.post(&target(1), &signed(STAMP, SIGNATURE), &body(TASK)).await;
    assert_eq!(answer.0, 200);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(trial.asked(), 1);
    assert_eq!(trial.receiver.counts().refused[&Refusal::Forged], 1_000);
    assert_eq!(trial.told().len(), 1, "{:?}", trial.told());
}

/// When the ledger is slow and callbacks are many, connections wait in the listener's queue: no more are at work than
/// there are places, and none is lost.
#[tokio::test]
async fn a_flood_of_callbacks_waits_for_a_slow_ledger() {
    let gate = Arc::new(Semaphore::new(0));
    let trial = Trial::new(Setup {
        gate: Some(Arc::clone(&gate)),
        ..OPEN
    })
    .await;
    let callback = request(&target(1), "", &body(TASK));
    let calls = (0..200).map(|_| trial.exchange(callback.as_bytes()));
    let watching = async {
        while trial.asked() < SEATS {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let asked = trial.asked();
        gate.add_permits(200);
        asked
    };
    let (answers, asked) = tokio::join!(join_all(calls), watching);
    assert_eq!(asked, SEATS);
    let taken = answers.iter().filter(|answer| parse(answer).0 == 200).count();
    assert_eq!(taken, 200);
    assert_eq!(trial.receiver.counts().evicted, 0);
}

#[tokio::test]
async fn stopping_waits_for_answers_and_gives_the_ledger_back() {
    let gate = Arc::new(Semaphore::new(0));
    let trial = Trial::new(Setup {
        gate: Some(Arc::clone(&gate)),
        ..OPEN
    })
    .await;
    let address = trial.receiver.address().unwrap();
    let _idle = trial.connect().await;
    let mut stream = trial.connect().await;
    let callback = request(&target(1), "", &body(TASK));
    stream.write_all(callback.as_bytes()).await.unwrap();
    while trial.asked() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let asked = Arc::clone(&trial.office.asked);
    drop(trial.office);
    let began = Instant::now();
    let (counts, answer, ()) = tokio::join!(trial.receiver.stop(), answer(&mut stream), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        gate.add_permits(1);
    });
    assert_eq!((parse(&answer).0, counts.taken), (200, 1));
    assert!(began.elapsed() < FAREWELL, "{:?}", began.elapsed());
    assert_eq!(Arc::strong_count(&asked), 1, "the receiver still holds the ledger");
    assert!(TcpStream::connect(address).await.is_err(), "it still listens");
}

/// A run that is over gives its ledger back while whatever else is on the socket goes on.
#[tokio::test]
async fn a_closed_desk_holds_no_ledger_and_asks_for_another_call() {
    let trial = Trial::new(OPEN).await;
    assert_eq!(trial.call(1, TASK).await, 200);
    let asked = Arc::clone(&trial.office.asked);
    trial.receiver.close();
    assert_eq!(Arc::strong_count(&asked), 2, "the test's own office, and this");
    let (status, text) = trial.post(&target(2), "", &body(OTHER_TASK)).await;
    assert_eq!((status, text.contains("send it again")), (503, true), "{text}");
    assert_eq!(trial.told(), [""; 0], "an end is no trouble");
    assert_eq!((trial.asked(), trial.due().await), (1, vec![1]));
}

/// All of `futures` at once, on this task.
async fn join_all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = pending.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, slot) in pending.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *slot = Some(value);
            }
        }
        match done.iter().all(Option::is_some) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    done.into_iter().flatten().collect()
}
