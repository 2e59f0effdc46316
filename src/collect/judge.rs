//! What a look at a task means for its row, and for the looks after it.

use std::time::Duration;

use crate::clock::UnixMillis;
use crate::collect::cadence::{STALE_CADENCE, next_look};
use crate::kie::{Look, Remedy, TaskRecord, TaskState};
use crate::ledger::{OpenTask, Seen};
use crate::row::{CallbackToken, MODEL};

/// No record, or a success without a video, is final after so many looks in a row over so long a time: the API forgets
/// for a moment now and then, and what was paid for is not given up for that.
const DOUBTFUL_LOOKS: u32 = 3;
const DOUBTFUL_FOR: Duration = Duration::from_secs(10 * 60);

/// After a look that brought nothing, wait at least so long.
const AFTER_NOTHING: Duration = Duration::from_secs(10);

/// What a look means.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judgement {
    /// For the row; `None` leaves it as it is.
    pub seen: Option<Seen>,
    /// For the looks after it.
    pub effect: Effect,
}

/// What a look means for the others.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Effect {
    /// The API answers.
    Fine,
    /// It did not, this once.
    Trouble { code: String, message: String },
    /// It asks to be left alone.
    Busy {
        code: String,
        message: String,
        retry_after: Option<Duration>,
    },
    /// Every look will fail the same way.
    Barred {
        code: String,
        message: String,
        remedy: Remedy,
    },
}

/// What looks at tasks know of each other.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Circumstances {
    /// Callbacks come in: looks are rarer.
    pub callbacks: bool,
    /// This collector has read the record of some task. If not, the server may not be the one that was sent to, or the
    /// key another account's: that it knows nothing of a task proves nothing then.
    pub is_trusted: bool,
    /// This collector has only just begun: records of other tasks may still come.
    pub is_new: bool,
}

/// How long a collector is new. Sixteen looks are in flight at a time, and each takes half a second.
pub(super) const NEW_FOR: Duration = Duration::from_secs(30);

/// The age of a task, told by two clocks: ours, and that of records as it stands now. Where the latter was set since the
/// task was submitted or since we began, one of them is off by the jump; it shows as a task from the future or an old one.
pub(super) fn age_of(submitted_at: UnixMillis, now: UnixMillis, records_now: UnixMillis) -> Duration {
    let ages = [now, records_now].map(|now| now.0.saturating_sub(submitted_at.0));
    let youngest = ages.into_iter().filter_map(|age| u64::try_from(age).ok()).min();
    Duration::from_millis(youngest.unwrap_or(0))
}

/// What `look` at `task` means `now`, at its `age`.
pub(super) fn judge(
    task: &OpenTask,
    look: Look,
    now: UnixMillis,
    age: Duration,
    circumstances: Circumstances,
) -> Judgement {
    let Circumstances {
        callbacks,
        is_trusted,
        is_new,
    } = circumstances;
    let apart = next_look(age, callbacks);
    let fine = |seen| Judgement {
        seen: Some(seen),
        effect: Effect::Fine,
    };
    match look {
        Look::Record(record) if task.claim.is_some() && !bears_our_mark(task, &record) => fine(Seen::NotOurs),
        Look::Record(record) => fine(seen_in(task, *record, now, now.after(apart))),
        // Not waited for, and not given up: the next collector asks again.
        Look::Missing if !is_trusted && is_enough(task, now) => fine(Seen::Doubtful {
            due_at: now.after(if is_new { AFTER_NOTHING } else { STALE_CADENCE }),
        }),
        Look::Missing => fine(doubt(task, now, now.after(apart)).unwrap_or_else(|| match task.claim {
            Some(_) => Seen::NotOurs,
            None => Seen::Failed {
                code: "no_record".to_owned(),
                message: "the API has no record of this task".to_owned(),
                credits: None,
                completed_at: now,
            },
        })),
        Look::Nothing { code, message } => Judgement {
            seen: Some(Seen::Nothing {
                due_at: now.after(apart.max(AFTER_NOTHING)),
            }),
            effect: Effect::Trouble { code, message },
        },
        Look::Busy {
            code,
            message,
            retry_after,
        } => Judgement {
            seen: None,
            effect: Effect::Busy {
                code,
                message,
                retry_after,
            },
        },
        Look::Barred { code, message, remedy } => Judgement {
            seen: None,
            effect: Effect::Barred { code, message, remedy },
        },
    }
}

/// Whether the record of a task that only a callback speaks of shows that it is ours. A record that repeats no callback
/// URL can say nothing against the callback, which knew the row's secret.
fn bears_our_mark(task: &OpenTask, record: &TaskRecord) -> bool {
    let Some(claim) = task.claim else { return true };
    let is_model = record.model.is_empty() || record.model == MODEL;
    let is_token = match &record.request.callback_url {
        None => true,
        Some(url) => CallbackToken::in_url(url)
            .is_some_and(|token| token.attempt == claim.attempt.0 && token.secret.is(&claim.token)),
    };
    is_model && is_token
}

fn seen_in(task: &OpenTask, record: TaskRecord, now: UnixMillis, due_at: UnixMillis) -> Seen {
    let completed_at = record.completed_at.unwrap_or(now);
    let credits = record.credits;
    match record.state {
        TaskState::Success => match record.result_urls.into_iter().next() {
            Some(url) => Seen::Succeeded {
                url,
                credits,
                completed_at,
            },
            None => doubt(task, now, due_at).unwrap_or(Seen::Failed {
                code: "no_result".to_owned(),
                message: "the API says that the task succeeded, and names no video".to_owned(),
                credits,
                completed_at,
            }),
        },
        TaskState::Fail => Seen::Failed {
            code: record.fail_code.unwrap_or_else(|| "failed".to_owned()),
            message: record
                .fail_message
                .unwrap_or_else(|| "the generation failed".to_owned()),
            credits,
            completed_at,
        },
        TaskState::Waiting | TaskState::Queuing | TaskState::Generating | TaskState::Other(_) => {
            Seen::AtWork { due_at }
        }
    }
}

/// One more doubtful look, unless there have been enough.
fn doubt(task: &OpenTask, now: UnixMillis, due_at: UnixMillis) -> Option<Seen> {
    (!is_enough(task, now)).then_some(Seen::Doubtful { due_at })
}

/// Whether a doubtful look now is one of enough, over long enough.
fn is_enough(task: &OpenTask, now: UnixMillis) -> bool {
    let lasted = task.doubt_since.map_or(0, |since| now.millis_since(since));
    task.doubt_looks + 1 >= DOUBTFUL_LOOKS && u128::from(lasted) >= DOUBTFUL_FOR.as_millis()
}

#[cfg(test)]
mod tests;
