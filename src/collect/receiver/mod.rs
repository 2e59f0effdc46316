//! The server that takes the API's callbacks, and exposes nothing else.
//!
//! A callback is a hint: it makes a row due, durably, before it is answered, and what became of the task is then read
//! from the API itself. So the worst that a forged one can do is a look too many. What the server promises:
//!
//! - It takes POSTs to its path (and to `/`, for proxies that cut the path off; without one, to any) that bear a token of the ledger; with a
//!   webhook key, only signed ones whose time stamp is within [`crate::kie::signature::WINDOW`]. Everything else is
//!   refused, and the refusal says no more than its reason.
//! - 200 means that the ledger has it. Duplicates and late ones are answered 200 as well, and change nothing; when the
//!   ledger cannot take it, 503 asks for another call.
//! - A connection serves one request and has [`HEAD_TIMEOUT`] for its head and [`BODY_TIMEOUT`] for its body. When all
//!   [`CONNECTIONS`] are taken, a new one gets the place of one that has not sent its request; where all have, it waits
//!   (`seats` says which).
//! - Memory is bounded by connections times [`LARGEST_BODY`], whatever comes; the log by a line a minute for each kind
//!   of trouble.
//!
//! `desk` decides about a request, this file keeps the sockets. Imports `kie`, `ledger` and leaf types.

mod desk;
mod news;
mod refusal;
mod seats;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use crate::clock::Wall;
use crate::kie::signature::WebhookKey;
use crate::ledger::Tasks;
use desk::Desk;
use news::News;
use seats::{Busy, Seats};

pub use news::{Notice, ReceiverCounts};
pub use refusal::Refusal;

/// Connections served at once. A callback takes milliseconds, and an account starts at most two tasks a second.
pub const CONNECTIONS: usize = 64;

/// Longest request body, in bytes: a success with the longest prompt echoed, all of it escaped twice, has about 120 kB.
pub const LARGEST_BODY: usize = 256 * 1024;

/// Most header fields of a request. Proxies add about ten.
const MOST_HEADERS: usize = 100;

/// Longest head of a request, in bytes; also the buffer of a connection.
const LARGEST_HEAD: usize = 16 * 1024;

/// For the head of a request, from the connection on.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// For the body of a request, from the end of its head on.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long no connection is closed to make room for others: whoever calls in earnest has sent its request by then. The
/// places change hands up to [`CONNECTIONS`] times in this time, faster than the listener's queue of 1,024 fills.
const GRACE: Duration = Duration::from_millis(50);

/// For the ledger's answer. The API waits 15 s for ours (its callback pages, read in November 2026).
pub const LEDGER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection is read on after its answer. One that is closed with unread bytes is reset, and a client that
/// is still sending would never see why it was refused.
const LINGER: Duration = Duration::from_secs(1);

/// How long [`Receiver::stop`] waits for answers under way.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long to wait when the system cannot give another connection (no file descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Settings of a receiver.
#[derive(Debug, Clone)]
pub struct ReceiverConfig {
    /// The path of the public URL, as [`url::Url::path`] writes it. Callbacks to `/` are taken as well; `None`: to any.
    pub path: Option<String>,
    /// What callbacks must be signed with; `None`: the token alone makes a row due.
    pub key: Option<WebhookKey>,
    /// The clock that time stamps are held against, and that says when a row became due.
    pub wall: Wall,
}

/// A running receiver. It ends when it is dropped.
#[derive(Debug)]
pub struct Receiver {
    address: Option<SocketAddr>,
    news: Arc<News>,
    /// Dropping it ends the loop in [`serve`].
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Receiver {
    /// Serves on a bound listener, as tasks of the current runtime. `wake` is notified when a callback has made a task
    /// due; `notice` hears what is worth a line, and must return quickly.
    pub fn start<L: Tasks>(
        listener: TcpListener,
        config: ReceiverConfig,
        ledger: L,
        wake: Arc<Notify>,
        notice: Arc<dyn Fn(Notice) + Send + Sync>,
    ) -> Receiver {
        let address = listener.local_addr().ok();
        let news = Arc::new(News::new(notice));
        let desk = Desk {
            ledger,
            key: config.key,
            wall: config.wall,
            wake,
            news: Arc::clone(&news),
        };
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(serve(
            listener,
            desk::router(config.path.as_deref(), desk),
            Arc::clone(&news),
            stopped,
        ));
        Receiver {
            address,
            news,
            stop,
            serving,
        }
    }

    /// Where it listens; `None` if the system does not say.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// What came so far.
    pub fn counts(&self) -> ReceiverCounts {
        self.news.counts()
    }

    /// Takes no more connections, waits up to five seconds for answers under way, closes the rest, and returns the
    /// final counts. The receiver's hold on the ledger is gone then.
    pub async fn stop(self) -> ReceiverCounts {
        drop(self.stop);
        if let Err(error) = self.serving.await {
            tracing::error!(%error, "the receiver's loop ended badly");
        }
        self.news.counts()
    }
}

/// Takes connections until `stopped` is sent or dropped.
async fn serve(listener: TcpListener, router: Router, news: Arc<News>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    let mut seats = Seats::new(CONNECTIONS);
    // Accepted and not served yet: it waits for a place, and those behind it in the listener's queue.
    let mut newcomer = None;
    loop {
        let room_at = seats.room_at();
        tokio::select! {
            accepted = listener.accept(), if newcomer.is_none() => match accepted {
                Ok(accepted) => newcomer = Some(accepted),
                Err(error) => {
                    news.no_connection(&error);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            () = sleep_until(room_at.unwrap_or_else(Instant::now)), if newcomer.is_some() && room_at.is_some() => {
                let Some(evicted) = seats.make_room() else { continue };
                if evicted {
                    news.evicted();
                }
                if let Some((stream, peer)) = newcomer.take() {
                    let busy = Busy::default();
                    let connection = serve_connection(stream, router.clone(), busy.clone(), Arc::clone(&news));
                    seats.take(peer.ip(), busy, connections.spawn(connection));
                }
            }
            Some(ended) = connections.join_next_with_id() => {
                let id = match ended {
                    Ok((id, ())) => id,
                    Err(error) => {
                        if error.is_panic() {
                            tracing::error!(%error, "a connection of the receiver ended badly");
                        }
                        error.id()
                    }
                };
                seats.leave(id);
            }
            _ = &mut stopped => break,
        }
    }
    drop((listener, newcomer, router));
    seats.close_idle();
    // What is left after this long is closed as well: its callback was not answered, so it comes again.
    let _in_time = timeout(FAREWELL, async { while connections.join_next().await.is_some() {} }).await;
    connections.shutdown().await;
}

/// One request and its answer.
async fn serve_connection(stream: TcpStream, router: Router, busy: Busy, news: Arc<News>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a caller left at once");
    }
    let desk = TowerToHyperService::new(router);
    let of_this_connection = busy.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(of_this_connection.clone());
        desk.call(request)
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(MOST_HEADERS)
        .max_buf_size(LARGEST_HEAD)
        // A second request would wait behind the first: callers are better served by a connection of their own.
        .keep_alive(false)
        // A caller that closes its sending side early still waits for its answer.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    // Without hyper's own shutdown, so that the socket can be read on. The time is the sum of all others': it only runs
    // out for callers that do not read their answer.
    let served = timeout(
        HEAD_TIMEOUT + BODY_TIMEOUT + LEDGER_TIMEOUT + LINGER,
        poll_fn(|context| connection.poll_without_shutdown(context)),
    )
    .await;
    busy.set(false);
    match served {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::trace!(%error, "a caller's request could not be read");
            news.broken();
        }
        Err(_) => return news.broken(),
    }
    let stream = connection.into_parts().io.into_inner();
    if let Ok(Err(error)) = timeout(LINGER, linger(stream)).await {
        tracing::trace!(%error, "a caller hung up");
    }
}

/// Reads on until the other side has closed.
async fn linger(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut unread = vec![0; LARGEST_HEAD];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

/// Whom a connection is counted for: an IPv4 address, or the IPv6 network that one customer usually has.
fn origin_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}
