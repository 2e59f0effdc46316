//! The sockets: takes connections, reads requests whole, and hands out replies and hang-ups.

use std::error::Error;
use std::future::poll_fn;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hyper::Response;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::account::Account;
use super::body::ReplyBody;
use super::callbacks::{Callbacks, deliver_callbacks};
use super::config::{KeyPolicy, SandboxConfig};
use super::faults::Refusal;
use super::files::Link;
use super::reply::{Hangup, refusal};
use super::routes::answer;
use super::task::Task;
use super::witness::{Arrival, Books};

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
        callbacks: Callbacks::new(config.webhook_key),
        key: config.key,
        url: format!("http://{address}"),
        link_life: config.link_life,
        file_speed: config.file_speed,
        started: Instant::now(),
    });
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(serve(listener, Arc::clone(&server), stopped));
    Ok(Sandbox { server, stop, serving })
}

impl Sandbox {
    /// What takes the place of `https://api.kie.ai`: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.server.url.clone()
    }

    /// The summary so far.
    pub fn books(&self) -> Books {
        self.server.books()
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
        self.server.books()
    }
}

/// What all connections share.
#[derive(Debug)]
pub(super) struct Server {
    account: Mutex<Account>,
    pub(super) callbacks: Callbacks,
    pub(super) key: KeyPolicy,
    /// `http://ADDRESS:PORT`.
    pub(super) url: String,
    link_life: Duration,
    /// In bytes a second.
    pub(super) file_speed: Option<NonZeroU64>,
    pub(super) started: Instant,
}

impl Server {
    pub(super) fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().expect("nothing panics while it holds the account")
    }

    /// The summary so far.
    pub(super) fn books(&self) -> Books {
        let callbacks = self.callbacks.books();
        self.account().books(callbacks)
    }

    /// A refusal in the envelope.
    pub(super) fn refuse(&self, refusal_: Refusal) -> Response<ReplyBody> {
        let in_status = self.account().puts_error_in_status();
        refusal(refusal_.code, refusal_.text, in_status)
    }

    /// The link to a task's video in its record.
    pub(super) fn link_of(&self, task: &Task) -> String {
        format!("{}{}", self.url, Link::in_record(*task, self.link_life).path())
    }

    /// The same server under the other name of this machine.
    pub(super) fn other_url(&self) -> String {
        let port = self.url.rsplit(':').next().unwrap_or_default();
        format!("http://localhost:{port}")
    }
}

/// Takes connections until `stopped` is sent or dropped, then closes them all.
async fn serve(listener: TcpListener, server: Arc<Server>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    connections.spawn(deliver_callbacks(Arc::clone(&server)));
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
