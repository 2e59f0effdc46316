//! In one word, where a batch stands.

use crate::view::{Counts, Overview};

/// What goes on with a batch, as far as it can be seen from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// A run sends rows.
    Sending,
    /// A run sends rows and waits, because an answer told it to.
    Paused,
    /// Somebody waits for tasks and saves videos.
    Collecting,
    /// The last run stopped before its end.
    Halted,
    /// No row waits for anything, and some need somebody.
    Problems,
    /// No row waits for anything.
    Done,
    /// There is something left to do, and nobody does it.
    Idle,
}

impl Standing {
    pub(super) fn of(overview: &Overview) -> Standing {
        let summary = &overview.summary;
        let Counts {
            queued,
            sending,
            accepted,
            ..
        } = summary.counts;
        match &overview.live {
            // Its tasks may be waited for all the same.
            Some(live) if live.halt.is_some() => return Standing::Halted,
            Some(live) if live.pause.is_some() => return Standing::Paused,
            Some(live) if live.is_sending() => return Standing::Sending,
            Some(_) => return Standing::Collecting,
            None => {}
        }
        if summary.at_work.is_some() {
            if overview.pause_left().is_some() {
                return Standing::Paused;
            }
            return match queued + sending {
                0 => Standing::Collecting,
                _ => Standing::Sending,
            };
        }
        match summary.halted {
            Some(_) => Standing::Halted,
            None if queued + sending + accepted == 0 && summary.counts.rows() > 0 => {
                match needs_somebody(&summary.counts) {
                    true => Standing::Problems,
                    false => Standing::Done,
                }
            }
            None => Standing::Idle,
        }
    }

    /// The word for it, which also names its class in the style sheet.
    pub(super) fn word(self) -> &'static str {
        match self {
            Standing::Sending => "sending",
            Standing::Paused => "paused",
            Standing::Collecting => "collecting",
            Standing::Halted => "halted",
            Standing::Problems => "problems",
            Standing::Done => "done",
            Standing::Idle => "idle",
        }
    }
}

fn needs_somebody(counts: &Counts) -> bool {
    counts.invalid + counts.rejected + counts.unknown + counts.failed > 0
}

/// How far a batch is: `63% sent` until every row is sent, then how many of the tasks have ended. Of the rows that can be
/// sent; `None`: there are none.
pub(super) fn progress(counts: &Counts) -> Option<String> {
    let rows = counts.rows() - counts.invalid;
    let unsent = counts.queued + counts.sending;
    if rows == 0 {
        return None;
    }
    let (open, what) = match unsent {
        0 => (counts.accepted, "ended"),
        _ => (unsent, "sent"),
    };
    // Down, so that nothing is called whole which is not.
    Some(format!("{}% {what}", (rows - open) * 100 / rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::RowState;
    use crate::view::{Halt, Pause, Snapshot, Summary, TaskCounts};

    #[test]
    fn the_process_that_is_at_work_knows_best() {
        let live = |snapshot| Overview {
            live: Some(snapshot),
            ..Overview::default()
        };
        let sending = Snapshot {
            total: 2,
            done: 1,
            tasks: Some(TaskCounts::default()),
            ..Snapshot::default()
        };
        let paused = Snapshot {
            pause: Some(Pause {
                remaining: std::time::Duration::from_secs(8),
                reason: "the API answered 429".into(),
            }),
            ..sending.clone()
        };
        let waiting = Snapshot {
            done: 2,
            ..sending.clone()
        };
        // Its rows that were sent are waited for all the same.
        let halted = Snapshot {
            halt: Some(Halt {
                code: "budget".into(),
                message: "the budget is spent".into(),
            }),
            ending: true,
            ..sending.clone()
        };
        assert_eq!(Standing::of(&live(halted)), Standing::Halted);
        let interrupted = Snapshot {
            ending: true,
            ..sending.clone()
        };
        assert_eq!(Standing::of(&live(interrupted)), Standing::Collecting);
        assert_eq!(Standing::of(&live(sending)), Standing::Sending);
        assert_eq!(Standing::of(&live(paused)), Standing::Paused);
        assert_eq!(Standing::of(&live(waiting)), Standing::Collecting);
    }

    #[test]
    fn without_one_the_ledger_tells() {
        let of = |states: &[RowState], at_work: bool, halted: bool| {
            let summary = Summary {
                counts: states.iter().map(|state| (*state, 1)).collect(),
                at_work: at_work.then(|| "a run".to_owned()),
                halted: halted.then(|| Halt {
                    code: "402".into(),
                    message: String::new(),
                }),
                ..Summary::default()
            };
            Standing::of(&Overview {
                summary,
                ..Overview::default()
            })
        };
        use RowState::{Accepted, Queued, Saved, Sending, Unknown};
        assert_eq!(of(&[Sending, Saved], true, false), Standing::Sending);
        assert_eq!(of(&[Accepted], true, false), Standing::Collecting);
        assert_eq!(of(&[Queued], false, true), Standing::Halted);
        assert_eq!(of(&[Queued], false, false), Standing::Idle);
        assert_eq!(of(&[Accepted], false, false), Standing::Idle);
        assert_eq!(of(&[Saved, Unknown], false, false), Standing::Problems);
        assert_eq!(of(&[Saved], false, false), Standing::Done);
        assert_eq!(of(&[], false, false), Standing::Idle);
    }

    #[test]
    fn nothing_is_called_whole_that_is_not() {
        let counts = |queued, accepted, saved| Counts {
            queued,
            accepted,
            saved,
            ..Counts::default()
        };
        assert_eq!(progress(&counts(1, 0, 999)).as_deref(), Some("99% sent"));
        assert_eq!(progress(&counts(0, 1, 999)).as_deref(), Some("99% ended"));
        assert_eq!(progress(&counts(0, 0, 3)).as_deref(), Some("100% ended"));
        assert_eq!(progress(&Counts::default()), None);
        let invalid = Counts {
            invalid: 2,
            ..Counts::default()
        };
        assert_eq!(progress(&invalid), None);
        let nothing_sent = Counts { queued: 58, ..invalid };
        assert_eq!(progress(&nothing_sent).as_deref(), Some("0% sent"));
    }
}
