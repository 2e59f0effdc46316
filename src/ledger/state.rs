//! Which moves a row may make. Every write of a state goes through [`next`].

use crate::row::RowState;

/// Something that happens to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// An attempt's intent is committed.
    Begin,
    /// The API took it.
    Accepted,
    /// Proof that it was not taken, and it may be tried again.
    Again,
    /// The API said no, for good.
    Rejected,
    /// No readable answer came.
    Lost,
    /// The process that was sending it died.
    RunDied,
    /// The user, the reserve file or a callback brought the task id of a request that was thought lost or refused.
    TaskIdFound,
    /// The row's image cannot be used; nothing was sent.
    ImageRefused,
    /// The task ended with a video.
    Succeeded,
    /// The task ended without one.
    Failed,
    /// The task was given up for want of a record, and is looked at once more.
    Reopened,
    /// The video is on disk, whole.
    Saved,
    /// The video is no longer on disk, and the user wants it back.
    VideoLost,
    /// The user (or `--on-unknown resubmit`) would rather pay twice than wait.
    Resubmitted,
    /// The user gives the row up.
    Dropped,
    /// `--retry-rejected`.
    Retried,
    /// The manifest's row has new content.
    Edited,
    /// The manifest's row has new content, and `--resubmit-changed` says to pay for it.
    EditedResubmitted,
}

impl Event {
    /// Every event, for tests that go through all of them.
    pub const ALL: [Event; 18] = [
        Event::Begin,
        Event::Accepted,
        Event::Again,
        Event::Rejected,
        Event::Lost,
        Event::RunDied,
        Event::TaskIdFound,
        Event::ImageRefused,
        Event::Succeeded,
        Event::Failed,
        Event::Reopened,
        Event::Saved,
        Event::VideoLost,
        Event::Resubmitted,
        Event::Dropped,
        Event::Retried,
        Event::Edited,
        Event::EditedResubmitted,
    ];
}

/// A move that no row may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a row that is `{from}` cannot take `{event:?}`")]
pub struct IllegalMove {
    /// Where the row stands.
    pub from: RowState,
    /// What was to happen to it.
    pub event: Event,
}

/// Where `event` takes a row that is `from`.
pub fn next(from: RowState, event: Event) -> Result<RowState, IllegalMove> {
    use RowState::{Accepted, Failed, Invalid, Queued, Rejected, Saved, Sending, Succeeded, Unknown};
    let refused = Err(IllegalMove { from, event });
    match from {
        Invalid => refused,
        Queued => match event {
            Event::Begin => Ok(Sending),
            // An earlier request, answered with an error, was taken after all.
            Event::TaskIdFound => Ok(Accepted),
            Event::ImageRefused => Ok(Rejected),
            Event::Edited | Event::EditedResubmitted => Ok(Queued),
            _ => refused,
        },
        Sending => match event {
            Event::Accepted | Event::TaskIdFound => Ok(Accepted),
            Event::Again => Ok(Queued),
            Event::Rejected => Ok(Rejected),
            Event::Lost | Event::RunDied => Ok(Unknown),
            _ => refused,
        },
        Unknown => match event {
            Event::TaskIdFound => Ok(Accepted),
            Event::Resubmitted => Ok(Queued),
            Event::Dropped => Ok(Rejected),
            _ => refused,
        },
        Rejected => match event {
            Event::TaskIdFound => Ok(Accepted),
            Event::Retried | Event::Edited | Event::EditedResubmitted => Ok(Queued),
            _ => refused,
        },
        Failed => match event {
            Event::Retried | Event::EditedResubmitted => Ok(Queued),
            Event::Reopened => Ok(Accepted),
            _ => refused,
        },
        Accepted => match event {
            Event::Succeeded => Ok(Succeeded),
            Event::Failed => Ok(Failed),
            Event::EditedResubmitted => Ok(Queued),
            _ => refused,
        },
        Succeeded => match event {
            Event::Saved => Ok(Saved),
            Event::EditedResubmitted => Ok(Queued),
            _ => refused,
        },
        Saved => match event {
            Event::VideoLost => Ok(Succeeded),
            Event::EditedResubmitted => Ok(Queued),
            _ => refused,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_users_word_takes_a_row_that_may_have_been_taken_back_to_the_queue() {
        let users_word = [Event::Resubmitted, Event::Retried, Event::EditedResubmitted];
        for from in [
            RowState::Accepted,
            RowState::Unknown,
            RowState::Succeeded,
            RowState::Failed,
            RowState::Saved,
        ] {
            for event in Event::ALL {
                if next(from, event) == Ok(RowState::Queued) {
                    assert!(users_word.contains(&event), "{from} {event:?}");
                }
            }
        }
    }

    #[test]
    fn a_row_is_sent_only_from_the_queue() {
        for from in RowState::ALL {
            assert_eq!(next(from, Event::Begin).is_ok(), from == RowState::Queued, "{from}");
        }
    }

    proptest! {
        /// Whatever happens, a row never leaves `invalid`, and between two sends of the same row lies either proof
        /// that nothing was taken, or the user's word.
        #[test]
        fn no_history_sends_twice_without_proof_or_the_users_word(events in prop::collection::vec(0..Event::ALL.len(), 0..40)) {
            use RowState::{Accepted, Failed, Rejected, Saved, Sending, Succeeded, Unknown};
            let mut state = RowState::Queued;
            let mut may_have_been_taken = false;
            for index in events {
                let event = Event::ALL[index];
                let Ok(after) = next(state, event) else { continue };
                match (state, event) {
                    (_, Event::Begin) => {
                        prop_assert!(!may_have_been_taken);
                        may_have_been_taken = true;
                    }
                    // Proof.
                    (Sending, Event::Again | Event::Rejected) => may_have_been_taken = false,
                    // The user's word, in the state it is meant for. A dropped row may have been taken still; the
                    // import queues such a row again only when the user named dropped rows.
                    (Unknown, Event::Resubmitted) | (Rejected | Failed, Event::Retried) | (Rejected, Event::Edited)
                    | (Accepted | Succeeded | Saved | Failed | Rejected, Event::EditedResubmitted) => {
                        may_have_been_taken = false;
                    }
                    // Everything else leaves the question open: a queued row that is edited, too.
                    _ => {}
                }
                state = after;
            }
        }
    }
}
