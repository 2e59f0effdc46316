//! Callbacks, as a receiver of them sees it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::*;

/// One callback that came.
#[derive(Debug, Clone)]
struct Received {
    line: String,
    headers: HashMap<String, String>,
    body: Value,
    at: Instant,
}

/// Takes callbacks and answers each with the next status (the last one repeats).
struct Receiver {
    url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    async fn start(statuses: &'static [u16]) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let all = Arc::clone(&received);
        tokio::spawn(async move {
            let mut answers = statuses.iter().chain(std::iter::repeat(statuses.last().unwrap()));
            while let Ok((mut stream, _)) = listener.accept().await {
                let one = read_callback(&mut stream).await;
                all.lock().unwrap().push(one);
                let status = answers.next().unwrap();
                let answer = format!("HTTP/1.1 {status} Answer\r\nContent-Length: 2\r\n\r\n{{}}");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Receiver { url, received }
    }

    fn all(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// Waits until so many came.
    async fn wait_for(&self, count: usize) -> Vec<Received> {
        let wait = async {
            while self.all().len() < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, wait).await.expect("the callbacks come");
        self.all()
    }
}

async fn read_callback(stream: &mut TcpStream) -> Received {
    let mut bytes = Vec::new();
    loop {
        stream.read_buf(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap().to_owned();
        let headers: HashMap<String, String> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        if body.len() == headers["content-length"].parse::<usize>().unwrap() {
            return Received {
                line,
                headers,
                body: serde_json::from_str(body).unwrap(),
                at: Instant::now(),
            };
        }
    }
}

/// Submits a prompt with a callback to this receiver.
async fn submit_with(sandbox: &Sandbox, receiver: &Receiver, prompt: &str) -> String {
    let mut asked = body(prompt);
    asked["callBackUrl"] = json!(format!("{}/kie?token=7-ab", receiver.url));
    post(sandbox, &asked).await.task_id()
}

/// Waits until the books know what became of so many callbacks.
async fn settled(sandbox: &Sandbox, count: u64) -> CallbackBooks {
    let wait = async {
        loop {
            let books = sandbox.books().callbacks;
            if books.answered + books.failed >= count {
                return books;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, wait).await.expect("the callbacks are settled")
}

fn signature(key: &str, received: &Received, task_id: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(format!("{task_id}.{}", received.headers["x-webhook-timestamp"]).as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[tokio::test]
async fn a_callback_comes_when_the_task_has_ended_and_is_signed() {
    let receiver = Receiver::start(&[200]).await;
    let config = SandboxConfig {
        generation: "300ms".parse().unwrap(),
        webhook_key: Some(WebhookKey::new("the key")),
        ..roomy()
    };
    let sandbox = sandbox(config).await;
    let begun = Instant::now();
    let good = submit_with(&sandbox, &receiver, "a boat").await;
    let received = receiver.wait_for(1).await.remove(0);
    assert!(received.at - begun >= Duration::from_millis(300));
    assert_eq!(received.line, "POST /kie?token=7-ab HTTP/1.1");
    assert_eq!(received.headers["content-type"], "application/json");
    assert_eq!(
        received.headers["x-webhook-signature"],
        signature("the key", &received, &good)
    );
    assert!(!received.headers.contains_key("authorization"));
    assert_eq!(received.body["code"], 200);
    let mut data = received.body["data"].clone();
    assert_eq!(data["updateTime"], data["completeTime"]);
    data.as_object_mut().unwrap().remove("updateTime");
    assert_eq!(
        data,
        record(&sandbox, &good).await.envelope()["data"],
        "the same as in the record"
    );

    let bad = submit_with(&sandbox, &receiver, "[sandbox:task-fail-400]").await;
    let received = receiver.wait_for(2).await.remove(1);
    assert_eq!(
        (&received.body["code"], &received.body["msg"]),
        (&json!(501), &json!("Playground task failed."))
    );
    let data = &received.body["data"];
    assert_eq!(
        (&data["taskId"], &data["failCode"], &data["resultJson"]),
        (&json!(bad), &json!("400"), &json!(null))
    );
    let expected = CallbackBooks {
        posts: 2,
        answered: 2,
        ..CallbackBooks::default()
    };
    assert_eq!(settled(&sandbox, 2).await, expected);
}

#[tokio::test]
async fn callbacks_misbehave_as_their_words_say() {
    let receiver = Receiver::start(&[200]).await;
    let config = SandboxConfig {
        webhook_key: Some(WebhookKey::new("the key")),
        ..quick()
    };
    let sandbox = sandbox(config).await;
    let twice = submit_with(&sandbox, &receiver, "[sandbox:callback-twice]").await;
    let both = receiver.wait_for(2).await;
    assert!(both.iter().all(|one| one.body["data"]["taskId"] == twice.as_str()));

    let snake = submit_with(&sandbox, &receiver, "[sandbox:callback-snake]").await;
    let received = receiver.wait_for(3).await.remove(2);
    assert_eq!(
        (&received.body["data"]["task_id"], &received.body["data"]["taskId"]),
        (&json!(snake), &json!(null))
    );

    let forged = submit_with(&sandbox, &receiver, "[sandbox:callback-forged]").await;
    let received = receiver.wait_for(4).await.remove(3);
    assert_ne!(
        received.headers["x-webhook-signature"],
        signature("the key", &received, &forged)
    );
    assert_eq!(received.body["data"]["state"], "fail");
    assert_eq!(record(&sandbox, &forged).await.envelope()["data"]["state"], "success");

    submit_with(&sandbox, &receiver, "[sandbox:callback-never]").await;
    let begun = Instant::now();
    let late = submit_with(&sandbox, &receiver, "[sandbox:callback-late=400ms]").await;
    let received = receiver.wait_for(5).await.remove(4);
    assert!(received.at - begun >= Duration::from_millis(400));
    assert_eq!(
        received.body["data"]["taskId"], late,
        "and the one before it never came"
    );
    submit_with(&sandbox, &receiver, "[sandbox:task-never]").await;
    let books = settled(&sandbox, 5).await;
    assert_eq!((books.posts, books.answered), (5, 5));
}

#[tokio::test]
async fn a_callback_may_come_before_the_answer() {
    let receiver = Receiver::start(&[200]).await;
    let config = SandboxConfig {
        generation: "1h".parse().unwrap(),
        ..roomy()
    };
    let sandbox = sandbox(config).await;
    let told = submit_with(&sandbox, &receiver, "[sandbox:callback-first]").await;
    let received = receiver.all();
    assert_eq!(received.len(), 1, "it was there before the answer");
    assert_eq!(received[0].body["data"]["taskId"], told);
    assert!(
        !received[0].headers.contains_key("x-webhook-signature"),
        "without a key nothing is signed"
    );
    assert_eq!(record(&sandbox, &told).await.envelope()["data"]["state"], "success");

    let asked = submit_with(&sandbox, &receiver, "[sandbox:callback-first,lost]").await;
    assert_eq!(asked, "", "the answer is lost, but the callback came");
    assert_eq!(receiver.all().len(), 2);
}

#[tokio::test]
async fn a_receiver_is_asked_three_times() {
    let receiver = Receiver::start(&[503, 404, 200, 500]).await;
    let sandbox = sandbox(quick()).await;
    submit_with(&sandbox, &receiver, "patience helps").await;
    let books = settled(&sandbox, 1).await;
    assert_eq!((books.posts, books.answered, books.failed), (3, 1, 0));
    submit_with(&sandbox, &receiver, "patience ends").await;
    let books = settled(&sandbox, 2).await;
    assert_eq!((books.posts, books.answered, books.failed), (6, 1, 1));
    let nobody = Receiver {
        url: "http://127.0.0.1:1".to_owned(),
        received: Arc::default(),
    };
    submit_with(&sandbox, &nobody, "nobody is there").await;
    let books = settled(&sandbox, 3).await;
    assert_eq!((books.posts, books.answered, books.failed), (9, 1, 2));
}
