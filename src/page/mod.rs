//! The live page: what a browser asks of a running command, and who may ask.
//!
//! It only looks on: no request to it changes the batch, and but for the login none has any effect at all. Whatever it
//! shows is read from the ledger through a [`Source`] and rendered by a [`Renderer`]; this folder decides about requests.
//!
//! | file | decides |
//! | --- | --- |
//! | `access.rs` | who may ask: names, origins, the token |
//! | `routes.rs` | what there is, and who answers |
//! | `places.rs` | how many may look at a time |
//! | `board.rs` | when the ledger is read, and what is new |
//! | `events.rs` | the stream of what is new |
//! | `rows.rs` | what may be asked about rows |
//! | `media.rs`, `media/` | the pictures and videos of the rows |
//! | `answer.rs` | the headers of every answer |
//!
//! Imports `ledger`, `server`, `view`, `web` and leaf types.

mod access;
mod answer;
mod board;
mod events;
mod media;
mod places;
mod routes;
mod rows;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::sync::Arc;

use axum::Router;
use tokio::task::AbortHandle;

use crate::ledger::LedgerError;
use crate::view::{Overview, RowStory, RowsPage, RowsQuery, Snapshot};
use board::Board;
use routes::Routes;

pub use access::AccessConfig;
pub use media::{MediaConfig, OpenImage, Reach, RemoteConfig};
pub use places::{STREAMS, VIEWERS};
pub use rows::MOST_ROWS;

/// The batch that is looked at. The calls read the ledger and may take a while: make them where blocking is allowed.
pub trait Source: Send + Sync + 'static {
    /// The batch as it is now.
    fn overview(&self) -> Result<Overview, LedgerError>;

    /// A part of its rows.
    fn rows(&self, query: &RowsQuery) -> Result<RowsPage, LedgerError>;

    /// One row, by its place in the manifest; `None`: there is none.
    fn row(&self, number: u32) -> Result<Option<RowStory>, LedgerError>;
}

/// Where the run in this process stands; `None`: none is at work here, or no more. Must return quickly.
pub type Live = Arc<dyn Fn() -> Option<Snapshot> + Send + Sync>;

/// The parts of the page, each with the id of its place in it.
pub type Sections = fn(&Overview) -> Vec<(&'static str, String)>;

/// Whether everything is at work that should be, else what is not, in words for anybody. Called where blocking is allowed;
/// must be cheap.
pub type Health = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// How a batch is shown. None of these asks anybody for anything, but for `report`.
#[derive(Clone)]
pub struct Renderer {
    /// The parts that change.
    pub sections: Sections,
    /// The whole page, with all parts in it.
    pub page: fn(&Overview) -> String,
    /// The page that asks for the token: what the batch is called, and whether a wrong one was given.
    pub login: fn(&str, bool) -> String,
    /// A file that the page needs, by its name.
    pub asset: fn(&str) -> Option<Asset>,
    /// The batch in Prometheus' text format.
    pub metrics: fn(&Overview) -> String,
    /// Writes the report as of now, as HTML, or says why there is none. Reads the whole ledger.
    pub report: WriteReport,
    /// What a report may do, as a Content-Security-Policy: it brings its own style and scripts.
    pub report_policy: fn() -> String,
}

/// Writes a report, or says in one line why there is none. Called where blocking is allowed.
pub type WriteReport = Arc<dyn Fn(&mut dyn Write) -> Result<(), String> + Send + Sync>;

/// A file that the page needs, which is part of the program.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// Its content.
    pub body: &'static [u8],
    /// Its media type.
    pub content_type: &'static str,
}

/// What the page needs to know of the rest of the program.
pub struct Parts {
    /// The batch.
    pub source: Arc<dyn Source>,
    /// The run.
    pub live: Live,
    /// How both are shown.
    pub renderer: Renderer,
    /// Whether all is well.
    pub health: Health,
    /// What opens the pictures that the manifest names.
    pub open_image: OpenImage,
}

/// What may be seen, and by whom.
#[derive(Debug, Clone)]
pub struct PageConfig {
    /// What the batch is called: the file name of its manifest.
    pub name: String,
    /// Who may look.
    pub access: AccessConfig,
    /// Where pictures and videos come from.
    pub media: MediaConfig,
}

/// A page that can be served. It keeps itself up to date while somebody looks, until it is dropped.
pub struct Page {
    board: Arc<Board>,
    routes: Arc<Routes>,
    keeping: AbortHandle,
}

impl Page {
    /// Reads nothing until somebody looks. Makes a task of the current runtime.
    pub fn new(config: PageConfig, parts: Parts) -> Page {
        let Parts {
            source,
            live,
            renderer,
            health,
            open_image,
        } = parts;
        let board = Arc::new(Board::new(Arc::clone(&source), live, renderer.sections));
        let routes = Routes::new(config, renderer, Arc::clone(&board), source, health, open_image);
        let routes = Arc::new(routes);
        let keeping = tokio::spawn({
            let board = Arc::clone(&board);
            async move { board.keep().await }
        });
        Page {
            board,
            routes,
            keeping: keeping.abort_handle(),
        }
    }

    /// What serves the page, and gives every request that is none of its own to `rest`: those that are neither GET nor
    /// HEAD, but for the login.
    pub fn before(&self, rest: Router) -> Router {
        routes::router(Arc::clone(&self.routes), rest)
    }

    /// The same where there is nobody else: other requests are refused.
    pub fn alone(&self) -> Router {
        self.before(routes::nothing_else())
    }

    /// Shows everybody who looks how the run ended, ends their streams, and waits two seconds more for what they ask of
    /// its end: whatever serves the page is to go on until this returns. At once where nobody looks.
    pub async fn end(&self) {
        self.keeping.abort();
        self.board.end().await;
    }

    /// Ends all streams without a word of an end: only whoever shows the page goes, and browsers are to come again.
    pub fn leave(&self) {
        self.keeping.abort();
        self.board.leave();
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}
