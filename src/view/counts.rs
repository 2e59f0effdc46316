//! How many rows are in which state.

use crate::row::RowState;

/// Rows by state; each row is counted once, in the state it is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Break a rule, never sent.
    pub invalid: u64,
    /// Wait to be sent.
    pub queued: u64,
    /// Are being sent: only while a run is at work.
    pub sending: u64,
    /// Taken by the API, their tasks are not known to have ended.
    pub accepted: u64,
    /// Refused by the API.
    pub rejected: u64,
    /// Sent, without an answer.
    pub unknown: u64,
    /// Their tasks ended with a video.
    pub succeeded: u64,
    /// Their tasks ended without one.
    pub failed: u64,
    /// Their videos are on disk.
    pub saved: u64,
}

impl Counts {
    /// All rows.
    pub fn rows(&self) -> u64 {
        RowState::ALL.into_iter().map(|state| self.of(state)).sum()
    }

    /// Rows the API has taken, whatever became of them.
    pub fn taken(&self) -> u64 {
        self.accepted + self.succeeded + self.failed + self.saved
    }

    /// Rows in `state`.
    pub fn of(&self, state: RowState) -> u64 {
        match state {
            RowState::Invalid => self.invalid,
            RowState::Queued => self.queued,
            RowState::Sending => self.sending,
            RowState::Accepted => self.accepted,
            RowState::Rejected => self.rejected,
            RowState::Unknown => self.unknown,
            RowState::Succeeded => self.succeeded,
            RowState::Failed => self.failed,
            RowState::Saved => self.saved,
        }
    }

    /// Counts `rows` more in `state`.
    pub fn add(&mut self, state: RowState, rows: u64) {
        let count = match state {
            RowState::Invalid => &mut self.invalid,
            RowState::Queued => &mut self.queued,
            RowState::Sending => &mut self.sending,
            RowState::Accepted => &mut self.accepted,
            RowState::Rejected => &mut self.rejected,
            RowState::Unknown => &mut self.unknown,
            RowState::Succeeded => &mut self.succeeded,
            RowState::Failed => &mut self.failed,
            RowState::Saved => &mut self.saved,
        };
        *count += rows;
    }
}

impl FromIterator<(RowState, u64)> for Counts {
    fn from_iter<I: IntoIterator<Item = (RowState, u64)>>(counted: I) -> Counts {
        let mut counts = Counts::default();
        for (state, rows) in counted {
            counts.add(state, rows);
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_counted_once_in_its_state() {
        let counts: Counts = RowState::ALL.into_iter().zip(1..).collect();
        assert_eq!(counts.rows(), 45);
        for (state, rows) in RowState::ALL.into_iter().zip(1..) {
            assert_eq!(counts.of(state), rows, "{state}");
        }
    }
}
