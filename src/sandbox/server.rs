//! The sockets: takes connections, reads requests whole, and hands out replies and hang-ups.

use std::error::Error;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::AUTHORIZATION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::account::Account;
use super::config::{KeyPolicy, SandboxConfig};
use super::control;
use super::create_task::Submitted;
use super::faults::{NO_ACCESS, NOT_FOUND};
use super::reply::{Hangup, Reply, ReplyBody, envelope, refusal, reply_to};
use super::witness::{Arrival, Books};

const CREATE_TASK: &str = "/api/v1/jobs/createTask";
const CREDIT: &str = "/api/v1/chat/credit";

/// Largest request body. A createTask body with the longest prompt, all of it escaped, has about 60 kB.
const LARGEST_BODY_BYTES: usize = 1 << 20;

/// What the balance of an account reads that never runs out.
const ENDLESS_CREDITS: f64 = 1e9;

/// How long to wait when the system cannot give another connection (no file descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Why a sandbox cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The journal cannot be opened.
    #[error("cannot open the sandbox's journal `{path}`")]
    Journal {
        /// Where it was to be.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The listener has no address.
    #[error("the sandbox's listener has no address")]
    Listener(#[source] std::io::Error),
}

/// A running sandbox. It ends when it is dropped.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    server: Arc<Server>,
    /// Dropping it ends the loop in [`serve`].
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

/// Starts a sandbox on a bound listener, as tasks of the current runtime.
pub async fn start(config: SandboxConfig, listener: TcpListener) -> Result<Sandbox, SandboxError> {
    let address = listener.local_addr().map_err(SandboxError::Listener)?;
    let account = Account::open(&config).map_err(|source| SandboxError::Journal {
        path: config.journal.clone().unwrap_or_default(),
        source,
    })?;
    let server = Arc::new(Server {
        account: Mutex::new(account),
        key: config.key,
        started: Instant::now(),
    });
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(serve(listener, Arc::clone(&server), stopped));
    Ok(Sandbox {
        address,
        server,
        stop,
        serving,
    })
}

impl Sandbox {
    /// What takes the place of `https://api.kie.ai`: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The summary so far.
    pub fn books(&self) -> Books {
        self.server.account().books()
    }

    /// The newest arrivals, oldest first; empty without `keep_requests`.
    pub fn requests(&self) -> Vec<Arrival> {
        self.server.account().arrivals()
    }

    /// Replaces what goes wrong by chance, as `POST /sandbox/faults` does.
    pub fn set_faults(&self, faults: super::FaultPlan) {
        self.server.account().set_faults(faults);
    }

    /// Adds credits, as `POST /sandbox/top-up` does.
    pub fn top_up(&self, credits: f64) {
        self.server.account().top_up(credits);
    }

    /// Closes every connection and returns the final books.
    pub async fn stop(self) -> Books {
        drop(self.stop);
        if let Err(error) = self.serving.await {
            tracing::error!(%error, "the sandbox's loop ended badly");
        }
        self.server.account().books()
    }
}

/// What all connections share.
#[derive(Debug)]
struct Server {
    account: Mutex<Account>,
    key: KeyPolicy,
    started: Instant,
}

impl Server {
    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().expect("nothing panics while it holds the account")
    }
}

/// Takes connections until `stopped` is sent or dropped, then closes them all.
async fn serve(listener: TcpListener, server: Arc<Server>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, Arc::clone(&server)));
                }
                Err(error) => {
                    tracing::warn!(%error, "the sandbox could not take a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection of the sandbox ended badly");
                }
            }
            _ = &mut stopped => break,
        }
    }
    connections.shutdown().await;
}

async fn serve_connection(stream: TcpStream, server: Arc<Server>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the sandbox's client left at once");
    }
    let service = service_fn(move |request| Box::pin(answer(Arc::clone(&server), request)));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // Without hyper's own shutdown, so that the socket can still be told how to close.
    let ended = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    if ended.is_err_and(|error| asks_for_reset(&error)) {
        let stream = connection.into_parts().io.into_inner();
        if let Err(error) = stream.set_zero_linger() {
            tracing::warn!(%error, "the sandbox closes a connection that it should reset");
        }
    }
}

fn asks_for_reset(error: &hyper::Error) -> bool {
    let hangup = error.source().and_then(|source| source.downcast_ref::<Hangup>());
    hangup == Some(&Hangup::Reset)
}

async fn answer(server: Arc<Server>, request: Request<Incoming>) -> Reply {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    match (method, path.as_str()) {
        (Method::POST, CREATE_TASK) => create_task(&server, request).await,
        (Method::GET, CREDIT) => Ok(credit(&server, &request)),
        (Method::GET, "/sandbox/books") => {
            let books = server.account().books();
            Ok(control::books(&books))
        }
        (Method::GET, "/sandbox/requests") => {
            let arrivals = server.account().arrivals();
            Ok(control::requests(&arrivals))
        }
        (Method::POST, "/sandbox/top-up") => {
            let body = whole_body(request).await?;
            let credits = body
                .as_ref()
                .map_err(TooLarge::to_string)
                .and_then(control::credits_to_add);
            let balance = credits.map(|credits| control::balance(server.account().top_up(credits)));
            Ok(control::changed(balance))
        }
        (Method::POST, "/sandbox/faults") => {
            let body = whole_body(request).await?;
            let faults = body.as_ref().map_err(TooLarge::to_string).and_then(control::new_faults);
            let outcome = faults.map(|faults| {
                server.account().set_faults(faults);
                json!(null)
            });
            Ok(control::changed(outcome))
        }
        _ => {
            let in_status = server.account().puts_error_in_status();
            Ok(refusal(NOT_FOUND.code, NOT_FOUND.text, in_status))
        }
    }
}

async fn create_task(server: &Server, request: Request<Incoming>) -> Reply {
    let key_fits = key_fits(server, &request);
    let body = match whole_body(request).await? {
        Ok(body) => body,
        Err(too_large) => return Ok(refusal(413, &too_large.to_string(), true)),
    };
    let submitted = Submitted::read(&body);
    let verdict = {
        let mut account = server.account();
        // Read under the lock, so that moments are in the order of arrival.
        let now = server.started.elapsed();
        account.arrive(now, key_fits, &submitted)
    };
    drop((submitted, body));
    if !verdict.delay.is_zero() {
        tokio::time::sleep(verdict.delay).await;
    }
    reply_to(verdict, CREATE_TASK).await
}

fn credit(server: &Server, request: &Request<Incoming>) -> Response<ReplyBody> {
    let mut account = server.account();
    if key_fits(server, request) {
        let balance = account.balance().unwrap_or(ENDLESS_CREDITS);
        envelope(200, "success", &json!(balance), StatusCode::OK)
    } else {
        refusal(NO_ACCESS.code, NO_ACCESS.text, account.puts_error_in_status())
    }
}

fn key_fits(server: &Server, request: &Request<Incoming>) -> bool {
    let authorization = request.headers().get(AUTHORIZATION);
    server.key.admits(authorization.and_then(|value| value.to_str().ok()))
}

#[derive(Debug, thiserror::Error)]
#[error("the request body has more than {LARGEST_BODY_BYTES} bytes")]
struct TooLarge;

/// The body, or what is wrong with it. A client that leaves in mid-body has not arrived: the connection just ends.
async fn whole_body(request: Request<Incoming>) -> Result<Result<Bytes, TooLarge>, Hangup> {
    // Told at once: a client that announces too much may wait for leave to send it.
    if request.body().size_hint().lower() > LARGEST_BODY_BYTES as u64 {
        return Ok(Err(TooLarge));
    }
    let limited = Limited::new(request.into_body(), LARGEST_BODY_BYTES);
    match limited.collect().await {
        Ok(body) => Ok(Ok(body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Ok(Err(TooLarge)),
        Err(_) => Err(Hangup::Close),
    }
}
