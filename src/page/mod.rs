//! The live page: what a browser asks of a running command, and who may ask.
//!
//! It only looks on: no request to it changes the batch.

use crate::ledger::LedgerError;
use crate::view::{Overview, RowStory, RowsPage, RowsQuery};

/// The batch that is looked at. The calls read the ledger and may take a while: make them where blocking is allowed.
pub trait Source: Send + Sync + 'static {
    /// The batch as it is now.
    fn overview(&self) -> Result<Overview, LedgerError>;

    /// A part of its rows.
    fn rows(&self, query: &RowsQuery) -> Result<RowsPage, LedgerError>;

    /// One row, by its place in the manifest; `None`: there is none.
    fn row(&self, number: u32) -> Result<Option<RowStory>, LedgerError>;
}
