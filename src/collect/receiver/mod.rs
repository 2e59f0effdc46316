//! The desk that takes the API's callbacks, and exposes nothing else.
//!
//! A callback is a hint: it makes a row due, durably, before it is answered, and what became of the task is then read
//! from the API itself. So the worst that a forged one can do is a look too many. What the desk promises:
//!
//! - It takes POSTs to its path (and to `/`, for proxies that cut the path off; without one, to any) that bear a token of the ledger; with a
//!   webhook key, only signed ones whose time stamp is within [`crate::kie::signature::WINDOW`]. Everything else is
//!   refused, and the refusal says no more than its reason.
//! - 200 means that the ledger has it. Duplicates and late ones are answered 200 as well, and change nothing; when the
//!   ledger cannot take it, 503 asks for another call.
//! - A connection has [`BODY_TIMEOUT`] for its body, and what [`crate::server`] gives it for the rest. Others that ask for
//!   something else on the same socket (the live page) take no callback's place.
//! - Memory is bounded by the connections times [`LARGEST_BODY`], whatever comes; the log by a line a minute for each kind
//!   of trouble.
//!
//! `desk` decides about a request, [`crate::server`] keeps the sockets. Imports `kie`, `ledger`, `server` and leaf types.

mod desk;
mod news;
mod refusal;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::clock::Wall;
use crate::kie::signature::WebhookKey;
use crate::ledger::Tasks;
use crate::server::{HEAD_TIMEOUT, LINGER, SERVED_WITHIN, Server, ServerConfig, Trouble};
use desk::Desk;
use news::News;

pub use news::{Notice, ReceiverCounts};
pub use refusal::Refusal;

/// Longest request body, in bytes: a success with the longest prompt echoed, all of it escaped twice, has about 120 kB.
pub const LARGEST_BODY: usize = 256 * 1024;

/// For the body of a request, from the end of its head on.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// For the ledger's answer. The API waits 15 s for ours (its callback pages, read in November 2026).
pub const LEDGER_TIMEOUT: Duration = Duration::from_secs(10);

// Whoever has its request taken gets an answer before the sockets give up.
const _: () = assert!(
    HEAD_TIMEOUT.as_secs() + BODY_TIMEOUT.as_secs() + LEDGER_TIMEOUT.as_secs() + LINGER.as_secs()
        <= SERVED_WITHIN.as_secs()
);

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
pub struct Receiver {
    server: Server,
    news: Arc<News>,
    close: Box<dyn Fn() + Send + Sync>,
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
        Receiver::start_behind(|desk| desk, listener, config, ledger, wake, notice)
    }

    /// The same behind something that takes other requests on the same socket: `front` gets the desk, and gives back what
    /// is to be served.
    pub fn start_behind<L: Tasks>(
        front: impl FnOnce(Router) -> Router,
        listener: TcpListener,
        config: ReceiverConfig,
        ledger: L,
        wake: Arc<Notify>,
        notice: Arc<dyn Fn(Notice) + Send + Sync>,
    ) -> Receiver {
        let news = Arc::new(News::new(notice));
        let desk = Arc::new(Desk::new(ledger, config.key, config.wall, wake, Arc::clone(&news)));
        let router = front(desk::router(config.path.as_deref(), Arc::clone(&desk)));
        let troubles = Arc::clone(&news);
        let on_trouble = Arc::new(move |trouble| match trouble {
            Trouble::Evicted => troubles.evicted(),
            Trouble::Broken => troubles.broken(),
            Trouble::NoConnection(error) => troubles.no_connection(&error),
        });
        Receiver {
            server: Server::start(listener, router, ServerConfig::default(), on_trouble),
            news,
            close: Box::new(move || desk.close()),
        }
    }

    /// Where it listens; `None` if the system does not say.
    pub fn address(&self) -> Option<SocketAddr> {
        self.server.address()
    }

    /// What came so far.
    pub fn counts(&self) -> ReceiverCounts {
        self.news.counts()
    }

    /// Takes no more callbacks: from now on each is asked to come again. The desk's own hold on the ledger is gone then,
    /// and that of a callback under way once it is answered. Whatever is in front of the desk goes on.
    pub fn close(&self) {
        (self.close)();
    }

    /// Takes no more connections, waits up to five seconds for answers under way, closes the rest, and returns the
    /// final counts. The receiver's hold on the ledger is gone then.
    pub async fn stop(self) -> ReceiverCounts {
        self.server.stop().await;
        (self.close)();
        self.news.counts()
    }
}
