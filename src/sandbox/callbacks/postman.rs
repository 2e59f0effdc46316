//! Keeps callbacks until they are due, and delivers them.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout};
use url::{Host, Url};

use crate::clock::{UnixMillis, Wall};
use crate::sandbox::server::Server;
use crate::sandbox::task::Task;
use crate::sandbox::trouble::CallbackTrouble;

use super::body::body_of;
use super::signature::WebhookKey;

/// Callbacks that wait for the end of their tasks; more are dropped.
const MOST_WAITING: usize = 100_000;

/// Callbacks under way at the same time.
const MOST_UNDER_WAY: usize = 64;

/// A receiver has to answer within 15 s and is asked three times in a row, say the callback pages of the API's other
/// models; for this one nothing is documented.
const PATIENCE: Duration = Duration::from_secs(15);
const TRIES: u32 = 3;

/// Pause before the next try.
const PAUSE: Duration = Duration::from_secs(1);

/// What became of the callbacks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallbackBooks {
    /// POSTs that were made, each try counted.
    pub posts: u64,
    /// Callbacks that were answered with HTTP 200.
    pub answered: u64,
    /// Callbacks given up after the last try, or dropped because too many waited.
    pub failed: u64,
    /// Callbacks to other places than a loopback address, which a sandbox does not call.
    pub undeliverable: u64,
}

/// A callback to come.
#[derive(Debug, Clone)]
pub(in crate::sandbox) struct Callback {
    receiver: Receiver,
    task: Task,
    trouble: Option<CallbackTrouble>,
    /// When the task ends, on the wall clock.
    completed: UnixMillis,
    due: Instant,
}

/// Where a callback goes.
#[derive(Debug, Clone)]
struct Receiver {
    address: SocketAddr,
    authority: String,
    /// Path and query. The query may hold the client's secret, so it is never logged.
    target: String,
}

impl Receiver {
    /// The receiver of this URL; `None` unless it is plain HTTP to a loopback address.
    fn of(url: &str) -> Option<Receiver> {
        let url = Url::parse(url).ok().filter(|url| url.scheme() == "http")?;
        let ip = match url.host()? {
            Host::Ipv4(ip) => IpAddr::V4(ip),
            Host::Ipv6(ip) => IpAddr::V6(ip),
            Host::Domain("localhost") => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Host::Domain(_) => return None,
        };
        Some(Receiver {
            address: SocketAddr::new(ip, url.port_or_known_default()?),
            authority: url[url::Position::BeforeHost..url::Position::AfterPort].to_owned(),
            target: url[url::Position::BeforePath..url::Position::AfterQuery].to_owned(),
        })
        .filter(|receiver| receiver.address.ip().is_loopback())
    }
}

/// The callbacks of a sandbox.
#[derive(Debug)]
pub(in crate::sandbox) struct Callbacks {
    key: Option<WebhookKey>,
    waiting: Mutex<Waiting>,
    /// Rings when an earlier callback may have come in.
    news: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    books: CallbackBooks,
    queue: BinaryHeap<Soonest>,
}

impl Callbacks {
    pub(in crate::sandbox) fn new(key: Option<WebhookKey>) -> Callbacks {
        Callbacks {
            key,
            waiting: Mutex::new(Waiting::default()),
            news: Notify::new(),
        }
    }

    pub(in crate::sandbox) fn books(&self) -> CallbackBooks {
        self.waiting().books.clone()
    }

    /// The callback of a task that was just created; `None` if none is to come.
    pub(in crate::sandbox) fn callback_of(
        &self,
        task: Task,
        url: &str,
        trouble: Option<CallbackTrouble>,
    ) -> Option<Callback> {
        let completed = task.completed()?;
        let late = match trouble {
            Some(CallbackTrouble::Never) => return None,
            Some(CallbackTrouble::Late(late)) => late,
            Some(
                CallbackTrouble::Twice | CallbackTrouble::Forged | CallbackTrouble::First | CallbackTrouble::Snake,
            )
            | None => Duration::ZERO,
        };
        let Some(receiver) = Receiver::of(url) else {
            tracing::info!(task_id = %task.id, "a callback leads away from this machine; the sandbox does not send it");
            self.waiting().books.undeliverable += 1;
            return None;
        };
        Some(Callback {
            receiver,
            task,
            trouble,
            completed,
            due: Instant::now() + task.generation + late,
        })
    }

    /// Keeps a callback until it is due.
    pub(in crate::sandbox) fn schedule(&self, callback: Callback) {
        let mut waiting = self.waiting();
        if waiting.queue.len() < MOST_WAITING {
            waiting.queue.push(Soonest(callback));
            drop(waiting);
            self.news.notify_one();
        } else {
            waiting.books.failed += 1;
            tracing::warn!(task_id = %callback.task.id, "too many callbacks wait; this one is dropped");
        }
    }

    /// The next callback that is due, or when one will be.
    fn next(&self) -> Result<Callback, Option<Instant>> {
        let mut waiting = self.waiting();
        match waiting.queue.peek() {
            None => Err(None),
            Some(Soonest(callback)) if callback.due > Instant::now() => Err(Some(callback.due)),
            Some(_) => waiting.queue.pop().map(|Soonest(callback)| callback).ok_or(None),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting
            .lock()
            .expect("nothing panics while it holds the callbacks")
    }
}

/// Delivers callbacks as they become due, for ever.
pub(in crate::sandbox) async fn deliver_callbacks(server: Arc<Server>) {
    let mut under_way = JoinSet::new();
    loop {
        if under_way.len() >= MOST_UNDER_WAY {
            tell_of_panic(under_way.join_next().await);
        }
        match server.callbacks.next() {
            Ok(callback) => {
                let server = Arc::clone(&server);
                under_way.spawn(async move { callback.deliver(&server).await });
            }
            Err(due) => tokio::select! {
                () = server.callbacks.news.notified() => {}
                () = until(due) => {}
                Some(ended) = under_way.join_next() => tell_of_panic(Some(ended)),
            },
        }
    }
}

fn tell_of_panic(ended: Option<Result<(), JoinError>>) {
    if let Some(Err(error)) = ended {
        tracing::error!(%error, "the delivery of a callback ended badly");
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

impl Callback {
    /// Posts the callback until it is answered with 200 or the tries are used up.
    pub(in crate::sandbox) async fn deliver(&self, server: &Server) {
        let times = if self.trouble == Some(CallbackTrouble::Twice) {
            2
        } else {
            1
        };
        for _ in 0..times {
            let answered = self.deliver_once(server).await;
            let mut waiting = server.callbacks.waiting();
            if answered {
                waiting.books.answered += 1;
            } else {
                waiting.books.failed += 1;
            }
        }
    }

    async fn deliver_once(&self, server: &Server) -> bool {
        for number in 1..=TRIES {
            server.callbacks.waiting().books.posts += 1;
            let reason = match timeout(PATIENCE, self.post(server)).await {
                Ok(Ok(StatusCode::OK)) => return true,
                Ok(Ok(status)) => format!("answered with HTTP {status}"),
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("not answered within {} s", PATIENCE.as_secs()),
            };
            tracing::info!(task_id = %self.task.id, number, to = %self.receiver.address, %reason, "a callback did not get through");
            if number < TRIES {
                tokio::time::sleep(PAUSE).await;
            }
        }
        false
    }

    async fn post(&self, server: &Server) -> Result<StatusCode, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(self.receiver.address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = self.request(server)?;
        let exchange = async move {
            // The sender is dropped at the end: that is what ends the connection.
            sender.send_request(request).await.map(|response| response.status())
        };
        let (status, ended) = tokio::join!(exchange, connection);
        let status = status?;
        if let Err(error) = ended {
            tracing::debug!(%error, "a callback's connection ended badly after the answer");
        }
        Ok(status)
    }

    fn request(&self, server: &Server) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let link = server.link_of(&self.task);
        let body = {
            let account = server.account();
            body_of(
                &self.task,
                self.completed,
                account.param(self.task.id),
                &link,
                self.trouble,
            )
        };
        let mut request = Request::post(&self.receiver.target)
            .header(HOST, &self.receiver.authority)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, "hailuo-batch-sandbox")
            .header(CONNECTION, "close");
        let forger = WebhookKey::new("a key that nobody else has");
        let key = match self.trouble {
            Some(CallbackTrouble::Forged) => Some(&forger),
            Some(_) | None => server.callbacks.key.as_ref(),
        };
        if let Some(key) = key {
            let timestamp = Wall::System.now().0 / 1_000;
            request = request
                .header("X-Webhook-Timestamp", timestamp)
                .header("X-Webhook-Signature", key.sign(&self.task.id.to_string(), timestamp));
        }
        request.body(Full::new(body.to_string().into()))
    }
}

/// A callback in a queue that gives out the soonest first.
#[derive(Debug)]
struct Soonest(Callback);

impl Ord for Soonest {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.due.cmp(&self.0.due)
    }
}

impl PartialOrd for Soonest {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Soonest {
    fn eq(&self, other: &Self) -> bool {
        self.0.due == other.0.due
    }
}

impl Eq for Soonest {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_called() {
        for (url, address, authority, target) in [
            (
                "http://127.0.0.1:8080/kie?token=1-a",
                "127.0.0.1:8080",
                "127.0.0.1:8080",
                "/kie?token=1-a",
            ),
            ("http://localhost/kie", "127.0.0.1:80", "localhost", "/kie"),
            ("http://[::1]:9000", "[::1]:9000", "[::1]:9000", "/"),
            (
                "http://user:word@127.0.0.2:81/?a#b",
                "127.0.0.2:81",
                "127.0.0.2:81",
                "/?a",
            ),
        ] {
            let receiver = Receiver::of(url).unwrap();
            assert_eq!(receiver.address.to_string(), address, "{url}");
            assert_eq!(
                (receiver.authority.as_str(), receiver.target.as_str()),
                (authority, target)
            );
        }
        for url in [
            "https://127.0.0.1/kie",
            "http://hooks.example.org/kie",
            "http://192.168.0.1/kie",
            "http://0.0.0.0/kie",
            "http://localhost.example.org/",
            "no url",
            "",
        ] {
            assert!(Receiver::of(url).is_none(), "{url}");
        }
    }
}
