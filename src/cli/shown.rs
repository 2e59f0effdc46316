//! What is shown of a row where the ledger's own words would mislead: its state, and its trouble.

use crate::ledger::StoredRow;
use crate::row::RowState;
use crate::view::is_troubled;

/// Without a process at work, rows that are `sending` were left so by one that died: the next will call them unknown.
pub(super) fn settled(state: RowState, at_work: bool) -> RowState {
    match state {
        RowState::Sending if !at_work => RowState::Unknown,
        state => state,
    }
}

/// The states in which rows may be that a summary has to say something about. `changed`: how many rows of the manifest
/// were changed after they were sent, which those in any state can be.
pub(super) fn troubled_states(changed: u64) -> Vec<RowState> {
    let code = if changed > 0 { "changed" } else { "" };
    let may_be_troubled = |state: &RowState| is_troubled(*state, Some(code));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_in_any_state_are_read_only_if_some_were_changed() {
        let usual = [
            RowState::Invalid,
            RowState::Rejected,
            RowState::Unknown,
            RowState::Succeeded,
            RowState::Failed,
        ];
        assert_eq!(troubled_states(0), usual);
        assert_eq!(troubled_states(1), RowState::ALL);
    }
}
