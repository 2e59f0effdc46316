//! How an invocation ended, as a number for scripts.

use std::process::ExitCode;

use super::{Counts, Signal, Summary};

/// Every way to end; the numbers are a part of the contract.
///
/// Where several apply, an interruption comes first (a calling shell must see it to stop too), then
/// [`Halted`](Ending::Halted), [`Undecided`](Ending::Undecided) and [`SomeFailed`](Ending::SomeFailed).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// 0: all rows are done as asked.
    Done,
    /// 1: the run finished, but some rows are invalid, rejected or failed, were waited for and have not ended, or have a
    /// video that could not be saved; or the results could not be written.
    SomeFailed,
    /// 2: wrong usage or configuration, or a manifest that cannot be read; nothing was sent.
    Refused,
    /// 3: nothing more was sent, because every other row would have failed too; the rest is still queued.
    Halted,
    /// 4: some rows are unknown and need a decision.
    Undecided,
    /// 5: another run holds this ledger.
    Locked,
    /// 130: the user interrupted (SIGINT); requests in flight were finished.
    Interrupted,
    /// 143: the system asked to end (SIGTERM); requests in flight were finished.
    Terminated,
}

impl Ending {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Ending::Done => 0,
            Ending::SomeFailed => 1,
            Ending::Refused => 2,
            Ending::Halted => 3,
            Ending::Undecided => 4,
            Ending::Locked => 5,
            Ending::Interrupted => 130,
            Ending::Terminated => 143,
        }
    }
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> ExitCode {
        ExitCode::from(ending.code())
    }
}

/// The ending that a summary amounts to. [`Refused`](Ending::Refused) and [`Locked`](Ending::Locked) have no summary.
pub fn exit_of(summary: &Summary) -> Ending {
    // Without `..`, so that a new state has to be thought about here.
    let Counts {
        invalid,
        queued: _,
        sending: _,
        accepted,
        rejected,
        unknown,
        succeeded,
        failed,
        saved: _,
    } = summary.counts;
    let not_collected = summary
        .collected
        .as_ref()
        .map_or(0, |collected| collected.left(accepted, succeeded));
    match summary.interrupted {
        Some(Signal::Interrupt) => return Ending::Interrupted,
        Some(Signal::Terminate) => return Ending::Terminated,
        None => {}
    }
    if summary.halted.is_some() || summary.left_over() > 0 {
        Ending::Halted
    } else if unknown + summary.unknown_elsewhere > 0 {
        Ending::Undecided
    } else if invalid + rejected + failed + not_collected + summary.changed > 0 || summary.results_failed {
        Ending::SomeFailed
    } else {
        Ending::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::RowState;
    use crate::view::{Command, Halt};

    fn run(states: &[RowState]) -> Summary {
        Summary {
            counts: states.iter().map(|&state| (state, 1)).collect(),
            ..Summary::default()
        }
    }

    #[test]
    fn the_worst_that_happened_decides() {
        use RowState::*;
        let halted = |states| Summary {
            halted: Some(Halt {
                code: "402".into(),
                message: String::new(),
            }),
            ..run(states)
        };
        let without_results = |states| Summary {
            results_failed: true,
            ..run(states)
        };
        let interrupted = |signal| Summary {
            interrupted: Some(signal),
            ..halted(&[Queued, Unknown])
        };
        let of = |command, states| Summary { command, ..run(states) };
        let limited = |command, states| Summary {
            limited: Some("--limit 1".into()),
            ..of(command, states)
        };
        let table = [
            ("nothing to do", 0, run(&[])),
            ("all taken", 0, run(&[Accepted, Succeeded, Saved])),
            ("one invalid", 1, run(&[Accepted, Invalid])),
            ("one rejected", 1, run(&[Accepted, Rejected])),
            ("one failed", 1, run(&[Saved, Failed])),
            ("results not written", 1, without_results(&[Accepted])),
            ("unknown before results", 4, without_results(&[Unknown])),
            ("unknown before rejected", 4, run(&[Accepted, Rejected, Unknown])),
            ("halt before unknown", 3, halted(&[Queued, Rejected, Unknown])),
            ("halted with the last row", 3, halted(&[Accepted])),
            ("interrupted", 130, interrupted(Signal::Interrupt)),
            ("terminated", 143, interrupted(Signal::Terminate)),
            ("as many as asked", 0, limited(Command::Run, &[Accepted, Queued])),
            ("limited and rejected", 1, limited(Command::Run, &[Rejected, Queued])),
            ("queued for no reason", 3, run(&[Accepted, Queued])),
            ("still sending", 3, run(&[Accepted, Sending])),
            ("checked", 0, of(Command::Check, &[Queued])),
            ("checked an invalid row", 1, of(Command::Check, &[Queued, Invalid])),
            (
                "status during a run",
                0,
                of(Command::Status, &[Queued, Sending, Accepted]),
            ),
            (
                "status with an unknown row",
                4,
                of(Command::Status, &[Unknown, Rejected]),
            ),
        ];
        for (name, code, summary) in table {
            assert_eq!(exit_of(&summary).code(), code, "{name}");
        }
    }
}
