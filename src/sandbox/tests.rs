//! The sandbox over real sockets: what a client sees, beside what the books say of it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use crate::row::MODEL;

use super::*;

mod callbacks;
mod files;
mod tasks;
mod uploads;

/// Long enough for any answer of this machine, even a busy one; only `hang` takes as long.
const PATIENCE: Duration = Duration::from_secs(20);
const MOMENT: Duration = Duration::from_millis(150);

/// What a client that reads to the end of its connection sees.
#[derive(Debug, PartialEq)]
enum Seen {
    Reply { status: u16, head: String, body: String },
    ClosedWithoutReply,
    Reset,
    Silence,
}

impl Seen {
    fn envelope(&self) -> Value {
        match self {
            Seen::Reply { body, .. } => serde_json::from_str(body).unwrap_or(Value::Null),
            Seen::ClosedWithoutReply | Seen::Reset | Seen::Silence => Value::Null,
        }
    }

    fn code(&self) -> u64 {
        self.envelope()["code"].as_u64().unwrap_or(0)
    }

    fn status(&self) -> u16 {
        match self {
            Seen::Reply { status, .. } => *status,
            Seen::ClosedWithoutReply | Seen::Reset | Seen::Silence => 0,
        }
    }

    fn task_id(&self) -> String {
        self.envelope()["data"]["taskId"].as_str().unwrap_or("").to_owned()
    }
}

/// A window that no test fills by chance.
fn roomy() -> SandboxConfig {
    SandboxConfig {
        limit: "1000/10s".parse().unwrap(),
        errors: ErrorStyle::Http,
        ..SandboxConfig::default()
    }
}

async fn sandbox(config: SandboxConfig) -> Sandbox {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    start(config, listener).await.unwrap()
}

fn plan(rules: &[&str]) -> FaultPlan {
    FaultPlan::new(rules.iter().map(|rule| rule.parse().unwrap()).collect()).unwrap()
}

fn body(prompt: &str) -> Value {
    json!({"model": MODEL, "input": {"prompt": prompt, "image_url": "https://img.example.org/a.png"}})
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn connect(sandbox: &Sandbox) -> TcpStream {
    let address = sandbox.url().replace("http://", "");
    TcpStream::connect(address).await.unwrap()
}

async fn exchange(sandbox: &Sandbox, request: &str, patience: Duration) -> Seen {
    let mut stream = connect(sandbox).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    match timeout(patience, stream.read_to_end(&mut bytes)).await {
        Err(_) => Seen::Silence,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionReset => Seen::Reset,
        Ok(Err(error)) => panic!("{error}"),
        Ok(Ok(0)) => Seen::ClosedWithoutReply,
        Ok(Ok(_)) => {
            let text = String::from_utf8(bytes).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            Seen::Reply {
                status: head[9..12].parse().unwrap(),
                head: head.to_ascii_lowercase(),
                body: body.to_owned(),
            }
        }
    }
}

async fn post(sandbox: &Sandbox, body: &Value) -> Seen {
    let body = body.to_string();
    let headers = "Authorization: Bearer any\r\nContent-Type: application/json\r\n";
    let request = request("POST", "/api/v1/jobs/createTask", headers, &body);
    exchange(sandbox, &request, PATIENCE).await
}

async fn submit(sandbox: &Sandbox, prompt: &str) -> Seen {
    post(sandbox, &body(prompt)).await
}

async fn get(sandbox: &Sandbox, path: &str) -> Seen {
    let request = request("GET", path, "Authorization: Bearer any\r\n", "");
    exchange(sandbox, &request, PATIENCE).await
}

/// The file that a link leads to, asked for without a key.
async fn fetch(link: &str, method: &str, headers: &str) -> Fetched {
    let (authority, path) = link.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(authority).await.unwrap();
    let head = format!("{method} /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.is_ok();
    let at = memchr::memmem::find(&bytes, b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(bytes[..at].to_vec()).unwrap();
    Fetched {
        status: head[9..12].parse().unwrap(),
        head,
        body: bytes.split_off(at + 4),
        ended,
    }
}

/// An answer with any bytes.
#[derive(Debug)]
struct Fetched {
    status: u16,
    head: String,
    body: Vec<u8>,
    /// Whether the connection was closed in time.
    ended: bool,
}

impl Fetched {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// A sandbox whose tasks are over at once, and may be looked at as often as one likes.
fn quick() -> SandboxConfig {
    SandboxConfig {
        generation: "0".parse().unwrap(),
        poll_limit: crate::rate::Rate::Off,
        ..roomy()
    }
}

async fn record(sandbox: &Sandbox, task_id: &str) -> Seen {
    get(sandbox, &format!("/api/v1/jobs/recordInfo?taskId={task_id}")).await
}

/// Submits a prompt and returns the link in the record of its task, which must be over.
async fn link_of(sandbox: &Sandbox, prompt: &str) -> String {
    let task_id = submit(sandbox, prompt).await.task_id();
    let data = record(sandbox, &task_id).await.envelope()["data"].clone();
    let result: Value = serde_json::from_str(data["resultJson"].as_str().unwrap()).unwrap();
    result["resultUrls"][0].as_str().unwrap().to_owned()
}

async fn control(sandbox: &Sandbox, path: &str, body: Value) -> Seen {
    let request = request("POST", path, "", &body.to_string());
    exchange(sandbox, &request, PATIENCE).await
}

#[tokio::test]
async fn a_good_request_gets_a_task_id_and_is_billed() {
    let sandbox = sandbox(roomy()).await;
    let seen = submit(&sandbox, "a boat").await;
    assert_eq!((seen.status(), seen.code()), (200, 200));
    assert!(matches!(&seen, Seen::Reply { head, .. } if head.contains("content-type: application/json;charset=utf-8")));
    let task_id = seen.task_id();
    assert!(task_id.len() == 32 && task_id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(seen.envelope()["data"]["recordId"], task_id);
    let books = sandbox.books();
    assert_eq!((books.requests, books.accepted, books.billed_credits), (1, 1, 30.0));
    assert_eq!(books.balance, Some(9_970.0));
    assert_eq!(get(&sandbox, "/api/v1/chat/credit").await.envelope()["data"], 9_970.0);
    assert_eq!(sandbox.requests()[0].task_id, Some(task_id));
}

#[tokio::test]
async fn twenty_five_quick_requests_are_twenty_and_five_refusals() {
    let config = SandboxConfig {
        limit: "20/600ms".parse().unwrap(),
        ..roomy()
    };
    let sandbox = sandbox(config).await;
    let codes = async |count: usize, round: &str| {
        let mut codes = Vec::new();
        for number in 0..count {
            codes.push(submit(&sandbox, &format!("{round} {number}")).await.code());
        }
        codes
    };
    let first = codes(25, "first").await;
    assert_eq!(first, [vec![200; 20], vec![429; 5]].concat());
    tokio::time::sleep(Duration::from_millis(620)).await;
    assert_eq!(codes(20, "second").await, vec![200; 20]);
    let books = sandbox.books();
    assert_eq!((books.accepted, books.refused_429), (40, 5));
    assert_eq!(books.max_in_window, Some(25), "refused requests arrived as well");
    assert_eq!(books.by_code[&429], 5);
    assert_eq!(books.by_answer["window"], 5);
}

#[tokio::test]
async fn every_refusal_says_its_code_and_costs_nothing() {
    let sandbox = sandbox(roomy()).await;
    for (word, code, text) in [
        ("401", 401, "You do not have access permissions"),
        ("402", 402, "Credits insufficient : Your current balance isn’t enough"),
        ("404", 404, "Not Found"),
        ("404:model", 404, "The model name"),
        ("422", 422, "Invalid parameter"),
        ("422:model", 422, "The model name"),
        ("429", 429, "Rate limit exceeded"),
        ("433", 433, "Sub-key Usage Exceeds Limit"),
        ("455", 455, "maintenance"),
        ("500", 500, "Server exception"),
        ("500:maintenance", 500, "currently being maintained"),
        ("500:required", 500, "This field is required"),
        ("500:paused", 500, "temporarily paused"),
        ("500:credits", 500, "Credits insufficient"),
        ("501", 501, "Generation Failed"),
        ("505", 505, "disabled"),
    ] {
        let seen = submit(&sandbox, &format!("[sandbox:{word}]")).await;
        let envelope = seen.envelope();
        assert_eq!((seen.status(), seen.code()), (code, u64::from(code)), "{word}");
        assert!(envelope["msg"].as_str().unwrap().contains(text), "{word}: {envelope}");
        assert_eq!(envelope["data"], Value::Null);
        assert_eq!(sandbox.books().by_answer[word], 1);
    }
    assert_eq!((sandbox.books().accepted, sandbox.books().billed_credits), (0, 0.0));
}

/// How a broken answer looks.
enum Wire {
    Is(Seen),
    Whole(u16, &'static str),
    Cut,
    Redirect,
}

impl Wire {
    fn is_seen_as(&self, seen: &Seen) -> bool {
        match (self, seen) {
            (Wire::Is(expected), seen) => expected == seen,
            (Wire::Whole(expected, text), Seen::Reply { status, body, .. }) => {
                expected == status && body.contains(text) && text.is_empty() == body.is_empty()
            }
            (
                Wire::Cut,
                Seen::Reply {
                    status: 200,
                    head,
                    body,
                },
            ) => {
                let (_, promised) = head.split_once("content-length: ").unwrap();
                let promised: usize = promised.split("\r\n").next().unwrap().parse().unwrap();
                body.starts_with("{\"code\":200") && body.len() < promised
            }
            (Wire::Redirect, Seen::Reply { status: 307, head, .. }) => {
                head.contains("location: /api/v1/jobs/createtask")
            }
            _ => false,
        }
    }
}

#[tokio::test]
async fn every_broken_answer_breaks_as_its_word_says() {
    let cases = [
        ("lost", true, Wire::Is(Seen::ClosedWithoutReply)),
        ("drop", false, Wire::Is(Seen::ClosedWithoutReply)),
        ("reset", true, Wire::Is(Seen::Reset)),
        ("cut", true, Wire::Cut),
        ("page502", false, Wire::Whole(502, "502: Bad Gateway")),
        ("page502:billed", true, Wire::Whole(502, "<html>")),
        ("page503", false, Wire::Whole(503, "<html>")),
        ("page504:billed", true, Wire::Whole(504, "<html>")),
        ("page524", false, Wire::Whole(524, "524: A timeout occurred")),
        ("page403", false, Wire::Whole(403, "error code: 1010")),
        ("empty", false, Wire::Whole(200, "")),
        ("empty:billed", true, Wire::Whole(200, "")),
        ("garbage", false, Wire::Whole(200, "<html>")),
        ("noid", true, Wire::Whole(200, "\"data\":{}")),
        ("redirect", false, Wire::Redirect),
        ("500:billed", true, Wire::Whole(500, "Server exception")),
    ];
    let sandbox = sandbox(roomy()).await;
    for (word, billed, wire) in cases {
        let before = sandbox.books().billed_credits;
        let seen = submit(&sandbox, &format!("[sandbox:{word}]")).await;
        assert!(wire.is_seen_as(&seen), "{word}: {seen:?}");
        let paid = sandbox.books().billed_credits - before;
        assert_eq!(paid, if billed { 30.0 } else { 0.0 }, "{word}");
        let arrival = sandbox.requests().pop().unwrap();
        assert_eq!((arrival.answer.as_str(), arrival.billed), (word, billed));
        assert_eq!(arrival.task_id.is_some(), billed);
    }
}

#[tokio::test]
async fn a_hanging_request_is_billed_and_holds_nothing_up() {
    let sandbox = sandbox(roomy()).await;
    let asked = body("[sandbox:hang]").to_string();
    let asked = request(
        "POST",
        "/api/v1/jobs/createTask",
        "Authorization: Bearer any\r\n",
        &asked,
    );
    assert_eq!(exchange(&sandbox, &asked, MOMENT).await, Seen::Silence);
    assert_eq!(submit(&sandbox, "a boat").await.code(), 200);
    assert_eq!(sandbox.books().accepted, 2);

    let mut hanging = connect(&sandbox).await;
    hanging
        .write_all(asked.replace("hang", "hang*").as_bytes())
        .await
        .unwrap();
    let books = timeout(PATIENCE, sandbox.stop())
        .await
        .expect("a hanging client does not keep the sandbox up");
    assert!(books.accepted >= 2);
}

#[tokio::test]
async fn a_dropped_sandbox_closes_its_connections() {
    let sandbox = sandbox(roomy()).await;
    let mut client = connect(&sandbox).await;
    drop(sandbox);
    let read = timeout(PATIENCE, client.read(&mut [0]))
        .await
        .expect("the connection ends");
    assert!(matches!(read, Ok(0) | Err(_)));
}

#[tokio::test]
async fn a_tag_scripts_the_arrivals_of_its_own_content() {
    let config = SandboxConfig {
        faults: plan(&["505=1"]),
        ..roomy()
    };
    let sandbox = sandbox(config).await;
    for (prompt, codes) in [
        ("one [sandbox:429]", [429, 200, 200]),
        ("two [sandbox:429]", [429, 200, 200]),
        ("three [sandbox:500,455,ok]", [500, 455, 200]),
        ("four [sandbox:422*]", [422, 422, 422]),
        ("five", [505, 505, 505]),
    ] {
        for code in codes {
            assert_eq!(submit(&sandbox, prompt).await.code(), code, "{prompt}");
        }
    }
    let misspelt = submit(&sandbox, "[sandbox:5OO]").await;
    assert_eq!(misspelt.code(), 400);
    assert!(misspelt.envelope()["msg"].as_str().unwrap().contains("known are"));
}

#[tokio::test]
async fn a_refused_arrival_does_not_use_up_its_script() {
    let sandbox = sandbox(roomy()).await;
    let prompt = "[sandbox:505]";
    let stranger = request("POST", "/api/v1/jobs/createTask", "", &body(prompt).to_string());
    assert_eq!(exchange(&sandbox, &stranger, PATIENCE).await.code(), 401);
    assert_eq!(submit(&sandbox, prompt).await.code(), 505);
    assert_eq!(submit(&sandbox, prompt).await.code(), 200);
}

#[tokio::test]
async fn retry_after_is_sent_as_written() {
    let sandbox = sandbox(roomy()).await;
    for (word, line) in [
        ("429:ra=30", "retry-after: 30\r\n"),
        ("455:ra=-1", "retry-after: -1\r\n"),
        ("page503:ra=1e12", "retry-after: 1e12\r\n"),
    ] {
        let seen = submit(&sandbox, &format!("[sandbox:{word}]")).await;
        assert!(
            matches!(&seen, Seen::Reply { head, .. } if head.contains(line)),
            "{seen:?}"
        );
    }
}

#[tokio::test]
async fn answers_take_as_long_as_they_are_told_to() {
    let config = SandboxConfig {
        latency: "50ms".parse().unwrap(),
        ..roomy()
    };
    let sandbox = sandbox(config).await;
    for (prompt, least) in [("a boat", 50), ("[sandbox:slow=100ms]", 150)] {
        let asked = Instant::now();
        let seen = submit(&sandbox, prompt).await;
        assert_eq!((seen.code(), seen.task_id().len()), (200, 32));
        assert!(asked.elapsed() >= Duration::from_millis(least));
    }
}

#[tokio::test]
async fn errors_are_put_where_the_style_says() {
    for (errors, statuses) in [
        (ErrorStyle::Http, vec![455]),
        (ErrorStyle::Body, vec![200]),
        (ErrorStyle::Mixed, vec![200, 455]),
    ] {
        let config = SandboxConfig {
            errors,
            faults: plan(&["455=1"]),
            seed: Some(1),
            ..roomy()
        };
        let sandbox = sandbox(config).await;
        let mut seen_statuses = Vec::new();
        for number in 0..20 {
            let seen = submit(&sandbox, &number.to_string()).await;
            assert_eq!(seen.code(), 455, "the envelope tells in any case");
            seen_statuses.push(seen.status());
        }
        seen_statuses.sort_unstable();
        seen_statuses.dedup();
        assert_eq!(seen_statuses, statuses, "{errors:?}");
    }
}

#[tokio::test]
async fn mistakes_of_the_input_are_refused_before_anything_is_paid() {
    let sandbox = sandbox(roomy()).await;
    let mut wrong_model = body("a boat");
    wrong_model["model"] = json!("hailuo/2-3");
    let mut number = body("[sandbox:lost]");
    number["input"]["duration"] = json!(6);
    assert_eq!(post(&sandbox, &wrong_model).await.code(), 422);
    let seen = post(&sandbox, &number).await;
    assert_eq!(
        seen.envelope()["msg"],
        "duration it must be a string",
        "a fault that bills lets it through first"
    );
    assert_eq!(post(&sandbox, &json!("no object")).await.code(), 400);
    assert_eq!(sandbox.books().by_answer["invalid"], 3);
    assert_eq!(sandbox.books().accepted, 0);
}

#[tokio::test]
async fn only_a_key_opens_and_strangers_do_not_fill_the_window() {
    let config = SandboxConfig {
        limit: "1/10s".parse().unwrap(),
        key: KeyPolicy::Only("right".to_owned()),
        ..roomy()
    };
    let sandbox = sandbox(config).await;
    let asked = async |headers: &str| {
        let create = request("POST", "/api/v1/jobs/createTask", headers, &body("a boat").to_string());
        let credit = request("GET", "/api/v1/chat/credit", headers, "");
        let create = exchange(&sandbox, &create, PATIENCE).await.code();
        (create, exchange(&sandbox, &credit, PATIENCE).await.code())
    };
    for headers in ["", "Authorization: Bearer \r\n", "Authorization: Bearer wrong\r\n"] {
        assert_eq!(asked(headers).await, (401, 401), "{headers}");
    }
    assert_eq!(asked("Authorization: Bearer right\r\n").await, (200, 200));
    assert_eq!(sandbox.books().max_in_window, Some(4));
}

#[tokio::test]
async fn the_balance_ends_and_a_top_up_helps() {
    let config = SandboxConfig {
        credits: Some(70.0),
        ..roomy()
    };
    let sandbox = sandbox(config).await;
    let codes = async |round: u32| {
        let mut codes = Vec::new();
        for number in 0..3 {
            codes.push(submit(&sandbox, &format!("{round} {number}")).await.code());
        }
        codes
    };
    assert_eq!(codes(1).await, [200, 200, 402]);
    let answer = control(&sandbox, "/sandbox/top-up", json!({"credits": 25.5})).await;
    assert_eq!(answer.envelope()["data"]["balance"], 35.5);
    assert_eq!(codes(2).await, [200, 402, 402]);
    for nonsense in [json!({"credits": -1}), json!({"credits": "much"}), json!(3)] {
        assert_eq!(control(&sandbox, "/sandbox/top-up", nonsense).await.status(), 422);
    }
    let books = sandbox.books();
    assert_eq!((books.balance, books.billed_credits), (Some(5.5), 90.0));
    assert_eq!(books.by_answer["balance"], 3);
}

#[tokio::test]
async fn faults_can_be_changed_while_it_runs() {
    let sandbox = sandbox(roomy()).await;
    assert_eq!(submit(&sandbox, "1").await.code(), 200);
    let faults = |rules: Value| control(&sandbox, "/sandbox/faults", json!({ "faults": rules }));
    assert_eq!(faults(json!(["455:ra=3=1"])).await.code(), 200);
    assert_eq!(submit(&sandbox, "2").await.code(), 455);
    let refused = faults(json!(["508=1"])).await;
    assert!(refused.status() == 422 && refused.envelope()["msg"].as_str().unwrap().contains("known are"));
    assert_eq!(
        submit(&sandbox, "3").await.code(),
        455,
        "a refused plan changes nothing"
    );
    assert_eq!(faults(json!([])).await.code(), 200);
    assert_eq!(submit(&sandbox, "4").await.code(), 200);
}

#[tokio::test]
async fn what_is_billed_twice_is_named() {
    let sandbox = sandbox(roomy()).await;
    let mut told = Vec::new();
    for prompt in [
        "once",
        "twice [sandbox:lost]",
        "twice [sandbox:lost]",
        "never [sandbox:422*]",
        "never [sandbox:422*]",
    ] {
        told.push(submit(&sandbox, prompt).await.task_id());
    }
    let mut longer = body("once");
    longer["input"]["duration"] = json!("10");
    post(&sandbox, &longer).await;
    let twice = sandbox.books().billed_twice;
    assert_eq!(twice.len(), 1, "{twice:?}");
    assert_eq!((twice[0].count, twice[0].prompt.as_str()), (2, "twice [sandbox:lost]"));
    let billed: Vec<String> = sandbox
        .requests()
        .into_iter()
        .filter(|arrival| arrival.content == twice[0].content)
        .filter_map(|arrival| arrival.task_id)
        .collect();
    assert_eq!(twice[0].task_ids, billed, "the lost task is named too");
    assert_eq!(billed[1], told[2]);
}

#[tokio::test]
async fn the_journal_has_a_request_before_its_answer_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal.jsonl");
    let config = SandboxConfig {
        journal: Some(journal.clone()),
        ..roomy()
    };
    let read = || -> Vec<Arrival> {
        let text = std::fs::read_to_string(&journal).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let first = sandbox(config.clone()).await;
    let mut with_callback = body("a boat");
    with_callback["callBackUrl"] = json!("https://hooks.example.org/1");
    let seen = post(&first, &with_callback).await;
    let lines = read();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].task_id, Some(seen.task_id()));
    assert_eq!(lines[0].callback_url.as_deref(), Some("https://hooks.example.org/1"));
    submit(&first, "line\nbreak [sandbox:reset]").await;
    assert_eq!(read(), first.requests());
    first.stop().await;

    let second = sandbox(config).await;
    submit(&second, "another day").await;
    let numbers: Vec<u64> = read().iter().map(|arrival| arrival.seq).collect();
    assert_eq!(numbers, [1, 2, 1], "a journal is appended to");
}

#[tokio::test]
async fn a_journal_that_cannot_be_opened_is_an_error() {
    let config = SandboxConfig {
        journal: Some("/no/such/folder/journal.jsonl".into()),
        ..roomy()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = start(config, listener).await.unwrap_err();
    assert!(error.to_string().contains("/no/such/folder"), "{error}");
}

#[tokio::test]
async fn another_process_can_ask_for_books_and_requests() {
    let sandbox = sandbox(roomy()).await;
    for prompt in ["a boat", "[sandbox:lost]", "[sandbox:500]"] {
        submit(&sandbox, prompt).await;
    }
    let books: Books = serde_json::from_value(get(&sandbox, "/sandbox/books").await.envelope()).unwrap();
    assert_eq!(books, sandbox.books());
    let Seen::Reply { body, .. } = get(&sandbox, "/sandbox/requests").await else {
        panic!("no reply");
    };
    let arrivals: Vec<Arrival> = body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(arrivals, sandbox.requests());
    let answers: Vec<&str> = arrivals.iter().map(|arrival| arrival.answer.as_str()).collect();
    assert_eq!(answers, ["ok", "lost", "500"]);
}

#[tokio::test]
async fn unknown_places_and_huge_bodies_are_refused_and_are_no_requests() {
    let sandbox = sandbox(roomy()).await;
    for (method, path) in [
        ("GET", "/api/v1/jobs/createTask"),
        ("POST", "/api/v1/jobs"),
        ("GET", "/"),
    ] {
        let seen = exchange(&sandbox, &request(method, path, "", ""), PATIENCE).await;
        assert_eq!((seen.status(), seen.code()), (404, 404), "{method} {path}");
    }
    let unread =
        request("POST", "/api/v1/jobs/createTask", "", "").replace("Content-Length: 0", "Content-Length: 9999999");
    assert_eq!(exchange(&sandbox, &unread, PATIENCE).await.status(), 413);
    assert_eq!(sandbox.books().requests, 0);
}

#[tokio::test]
async fn memory_is_spared_on_request() {
    let config = SandboxConfig {
        keep_requests: false,
        limit: crate::rate::Rate::Off,
        credits: None,
        ..roomy()
    };
    let sandbox = sandbox(config).await;
    submit(&sandbox, "a boat").await;
    let books = sandbox.books();
    assert_eq!(sandbox.requests(), []);
    assert_eq!((books.requests, books.balance, books.max_in_window), (1, None, None));
}

#[tokio::test]
async fn an_everyday_client_understands_it_over_one_connection() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let sandbox = sandbox(roomy()).await;
    let post = async |prompt: &str| {
        let url = format!("{}/api/v1/jobs/createTask", sandbox.url());
        let request = client.post(url).bearer_auth("any").body(body(prompt).to_string());
        let response = request.send().await?;
        let status = response.status().as_u16();
        response.text().await.map(|text| (status, text))
    };
    for (prompt, status, text) in [
        ("a boat", 200, "taskId"),
        ("[sandbox:429]", 429, "Rate limit exceeded"),
        ("[sandbox:empty]", 200, ""),
        ("[sandbox:redirect]", 307, ""),
    ] {
        let (got, body) = post(prompt).await.unwrap();
        assert!(got == status && body.contains(text), "{prompt}: {got} {body}");
    }
    for prompt in ["[sandbox:cut]", "[sandbox:lost]", "[sandbox:reset]", "[sandbox:drop]"] {
        let error = post(prompt).await.unwrap_err();
        assert!(!error.is_connect(), "{prompt}: {error:?}");
    }
    assert_eq!(sandbox.books().accepted, 4);
}

#[tokio::test]
async fn hundreds_of_clients_at_once_are_all_served() {
    let config = SandboxConfig {
        credits: None,
        latency: "20ms..60ms".parse().unwrap(),
        ..roomy()
    };
    let sandbox = std::sync::Arc::new(sandbox(config).await);
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..300 {
        let sandbox = std::sync::Arc::clone(&sandbox);
        clients.spawn(async move { submit(&sandbox, &format!("row {number}")).await.task_id() });
    }
    let mut task_ids = clients.join_all().await;
    task_ids.sort_unstable();
    task_ids.dedup();
    assert_eq!(task_ids.len(), 300);
    let arrivals = sandbox.requests();
    assert!(arrivals.is_sorted_by_key(|arrival| (arrival.seq, arrival.at_ms)));
    assert_eq!(sandbox.books().billed_twice, []);
}
