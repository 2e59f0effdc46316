//! The sockets of whoever answers requests: who gets a place, for how long, and how an end is made.
//!
//! What a request means is decided by the [`Router`] that is handed in; callbacks and the live page share one. What the
//! sockets promise to each of them:
//!
//! - A connection serves one request. It has [`HEAD_TIMEOUT`] for the request's head and, as long as it keeps its seat,
//!   [`SERVED_WITHIN`] for everything. When all [`SEATS`] are taken, a new one gets the place of one that waits for no
//!   answer; where all do, it waits itself (`seats` says which).
//! - Whoever answers for long (a stream of events, a video) gives the seat up first ([`Seat::vacate`]), and sees to it
//!   that there are not too many of them. Such a connection lasts as long as its answer, and ends when its reader takes
//!   nothing for [`ServerConfig::stall`].
//! - Memory is bounded by the connections and by what the router keeps for each.
//!
//! Imports nothing of ours.

mod body;
mod connection;
mod seats;
mod socket;
mod stall;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use connection::Connection;
use seats::Seats;

pub use body::{Feed, Left, streamed};
pub use seats::Seat;

/// Connections that have a seat at once. A callback takes milliseconds, and an account starts at most two tasks a second.
pub const SEATS: usize = 64;

/// For the head of a request, from the connection on.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// For a request and its answer, as long as the connection has its seat. Whoever takes a request has limits of its own
/// that end before: this one only meets callers that do not read their answer.
pub const SERVED_WITHIN: Duration = Duration::from_secs(31);

/// How long no connection is closed to make room for others: whoever calls in earnest has sent its request by then. The
/// places change hands up to [`SEATS`] times in this time, faster than the listener's queue of 1,024 fills.
const GRACE: Duration = Duration::from_millis(50);

/// How long a connection is read on after its answer. One that is closed with unread bytes is reset, and a client that
/// is still sending would never see why it was refused.
pub const LINGER: Duration = Duration::from_secs(1);

/// How long [`Server::stop`] waits for answers under way.
pub const FAREWELL: Duration = Duration::from_secs(5);

/// The same for connections that gave up their seats: a video need not be seen to its end.
const SHORT_FAREWELL: Duration = Duration::from_secs(2);

/// How long to wait when the system cannot give another connection (no file descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How connections are treated.
#[derive(Debug, Clone, Copy)]
pub struct ServerConfig {
    /// How long a reader may take nothing of its answer. What the system buffers for it, up to some megabytes, counts as
    /// taken.
    pub stall: Duration,
}

impl Default for ServerConfig {
    fn default() -> ServerConfig {
        ServerConfig {
            stall: Duration::from_secs(60),
        }
    }
}

/// What happened to a connection, or to the socket itself.
#[derive(Debug)]
pub enum Trouble {
    /// One was closed before its request was whole, to make room for another.
    Evicted,
    /// One brought nothing that could be read as a request, or did not read its answer.
    Broken,
    /// The system gives no more of them.
    NoConnection(io::Error),
}

/// Hears of trouble; must return quickly.
pub type OnTrouble = Arc<dyn Fn(Trouble) + Send + Sync>;

/// A socket that is being served. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: Option<SocketAddr>,
    /// Dropping it ends the loop in [`serve`].
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Server {
    /// Serves on a bound listener, as tasks of the current runtime. Every request that `router` gets has a [`Seat`] among
    /// its extensions.
    pub fn start(listener: TcpListener, router: Router, config: ServerConfig, on_trouble: OnTrouble) -> Server {
        let address = listener.local_addr().ok();
        let (stop, stopped) = oneshot::channel();
        let connection = Connection {
            router,
            stall: config.stall,
            on_trouble,
        };
        Server {
            address,
            stop,
            serving: tokio::spawn(serve(listener, connection, stopped)),
        }
    }

    /// Where it listens; `None` if the system does not say.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Takes no more connections, waits up to [`FAREWELL`] for answers under way and closes the rest. The router is gone
    /// then, and what it held.
    pub async fn stop(self) {
        drop(self.stop);
        if let Err(error) = self.serving.await {
            tracing::error!(%error, "the server's loop ended badly");
        }
    }
}

/// Takes connections until `stopped` is sent or dropped.
async fn serve(listener: TcpListener, connection: Connection, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    let vacated = Arc::new(Notify::new());
    let mut seats = Seats::new(SEATS);
    // Accepted and not served yet: it waits for a place, and those behind it in the listener's queue.
    let mut newcomer = None;
    loop {
        let room_at = seats.room_at();
        tokio::select! {
            accepted = listener.accept(), if newcomer.is_none() => match accepted {
                Ok(accepted) => newcomer = Some(accepted),
                Err(error) => {
                    (connection.on_trouble)(Trouble::NoConnection(error));
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            () = sleep_until(room_at.unwrap_or_else(Instant::now)), if newcomer.is_some() && room_at.is_some() => {
                let Some(evicted) = seats.make_room() else { continue };
                if evicted {
                    (connection.on_trouble)(Trouble::Evicted);
                }
                if let Some((stream, peer)) = newcomer.take() {
                    let seat = Seat::new(Arc::clone(&vacated));
                    let serving = connections.spawn(connection.clone().serve(stream, seat.clone()));
                    seats.take(peer.ip(), seat, serving);
                }
            }
            () = vacated.notified() => seats.clear_vacated(),
            Some(ended) = connections.join_next_with_id() => {
                let id = match ended {
                    Ok((id, ())) => id,
                    Err(error) => {
                        if error.is_panic() {
                            tracing::error!(%error, "a connection ended badly");
                        }
                        error.id()
                    }
                };
                seats.leave(id);
            }
            _ = &mut stopped => break,
        }
    }
    drop((listener, newcomer, connection));
    seats.clear_vacated();
    seats.close_idle();
    // What is left after this long is closed as well: a callback that was not answered comes again.
    let deadline = Instant::now() + FAREWELL;
    let all_ended = async |connections: &mut JoinSet<()>| while connections.join_next().await.is_some() {};
    if timeout(SHORT_FAREWELL, all_ended(&mut connections)).await.is_err() {
        seats.close_standing();
        let _in_time = tokio::time::timeout_at(deadline, all_ended(&mut connections)).await;
    }
    connections.shutdown().await;
}
