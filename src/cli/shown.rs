//! What is shown of a row where the ledger's own words would mislead: its state, and its trouble.

use crate::ledger::StoredRow;
use crate::row::RowState;

/// Without a process at work, rows that are `sending` were left so by one that died: the next will call them unknown.
pub(super) fn settled(state: RowState, at_work: bool) -> RowState {
    match state {
        RowState::Sending if !at_work => RowState::Unknown,
        state => state,
    }
}

/// Whether a summary has to say something about a row in this state.
pub(super) fn is_troubled(state: RowState, error_code: Option<&str>) -> bool {
    match state {
        RowState::Invalid | RowState::Rejected | RowState::Unknown | RowState::Failed => true,
        // Its video could not be saved.
        RowState::Succeeded => error_code.is_some(),
        RowState::Queued | RowState::Sending | RowState::Accepted | RowState::Saved => false,
    }
}

/// The states in which rows may be that a summary has to say something about.
pub(super) fn troubled_states() -> Vec<RowState> {
    let may_be_troubled = |state: &RowState| is_troubled(*state, Some(""));
    RowState::ALL.into_iter().filter(may_be_troubled).collect()
}

/// Code and message of a row: its own trouble; that of the manifest; or that of the run which did not get to it.
pub(super) fn trouble_of<'r>(
    row: &StoredRow<'r>,
    halt: Option<&'r (String, String)>,
) -> (Option<&'r str>, Option<&'r str>) {
    match (row.state, row.error_code, halt) {
        (RowState::Invalid, _, _) => (Some("invalid"), row.problem),
        (_, None, _) if row.problem.is_some() => (Some("changed"), row.problem),
        (RowState::Queued, None, Some((_, message))) => (Some("halted"), Some(message)),
        (_, code, _) => (code, row.error_message),
    }
}
