//! What went wrong with single rows of a run, the last few of them: what whoever watches it is shown.
//!
//! The whole story of every row is in the ledger. This is told as it happens, costs nothing as long as all goes well, and
//! stays small whatever happens.

use std::sync::Arc;

use tokio::time::Instant;

use crate::row::RowState;

/// What went wrong with one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// When it was found out, so that those of several sources can be told in order.
    pub at: Instant,
    /// The row's place in the manifest; 0 if it is not there any more.
    pub row: u32,
    /// What became of the row: `rejected`, `unknown` or `failed`; `succeeded` if its video could not be saved.
    pub state: RowState,
    /// The API's code, or one of our words.
    pub code: String,
    /// What the API or we say about it, as it came: to be escaped where it is shown.
    pub message: String,
}

/// The last incidents, the latest last. Copies are cheap: a run publishes where it stands thousands of times a second.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Incidents(Arc<[Incident]>);

impl Incidents {
    /// How many are remembered.
    pub const MOST: usize = 5;

    /// Remembers one that happens now, and forgets the oldest if there are too many.
    pub fn add(&mut self, row: u32, state: RowState, code: &str, message: &str) {
        let incident = Incident {
            at: Instant::now(),
            row,
            state,
            code: code.to_owned(),
            message: message.to_owned(),
        };
        let kept = &self.0[(self.0.len() + 1).saturating_sub(Incidents::MOST)..];
        self.0 = kept.iter().cloned().chain([incident]).collect();
    }

    /// From the oldest to the latest.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Incident> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_remembered_in_their_order() {
        let mut incidents = Incidents::default();
        for row in 1..=8 {
            incidents.add(row, RowState::Rejected, "422", "no");
        }
        let rows: Vec<u32> = incidents.iter().map(|incident| incident.row).collect();
        assert_eq!(rows, [4, 5, 6, 7, 8]);
    }
}
