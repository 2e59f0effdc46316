//! One attempt: commit the intent, send, commit the ending. In this order and no other.

use std::sync::Arc;

use tokio::time::Instant;

use crate::clock::{UnixMillis, Wall};
use crate::dispatch::limiter::Permit;
use crate::job::OnUnknown;
use crate::kie::{Answer, Api, CreateTask, Effect, Outcome, Verdict, outcome_of};
use crate::ledger::{AttemptId, AttemptResult, Ending, Intent, Ledger, LedgerError, QueuedRow};
use crate::row::{CallbackToken, TaskId};

/// Everything an attempt needs, so that it can run as a task of its own.
pub(super) struct Attempt {
    pub row: QueuedRow,
    pub setbacks: u32,
    pub sent_before: SentBefore,
    /// Where the row's local image was uploaded; `None` if its image is on the web.
    pub uploaded: Option<Arc<str>>,
    pub intent: Intent,
    pub callback_url: Option<url::Url>,
    pub rules: Rules,
    pub permit: Permit,
    pub probe: bool,
}

/// What this run has sent for a row before the attempt at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SentBefore {
    /// Nothing.
    Nothing,
    /// Requests that count as free: they were answered with an error.
    Free,
    /// Among others one that may have been taken, so that it counts as spent.
    Counted,
}

/// The settings that turn an outcome into a result.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub max_attempts: u32,
    pub on_unknown: OnUnknown,
    pub wall: Wall,
    /// The first pause after a 429, noted down so that a restart respects it.
    pub pause_after_429: std::time::Duration,
    /// The first pause after a 455.
    pub pause_after_455: std::time::Duration,
    #[cfg(test)]
    pub planted: Option<crate::dispatch::config::PlantedBug>,
}

/// An attempt that has ended.
pub(super) struct Ended {
    pub row: QueuedRow,
    pub setbacks: u32,
    pub sent_before: SentBefore,
    pub permit: Permit,
    pub probe: bool,
    pub cost: Option<f64>,
    /// When the answer came; the slot's window counts from here.
    pub answered: Instant,
    /// `None`: nothing was sent, as an earlier request of the row turned out to have been taken.
    pub ending: Result<Option<(Outcome, AttemptResult)>, LostStep>,
}

/// The ledger failed. What had come of the attempt by then must not be lost.
pub(super) struct LostStep {
    pub error: LedgerError,
    pub task_id: Option<TaskId>,
}

/// Makes one attempt.
pub(super) async fn make<A: Api, L: Ledger>(api: &A, ledger: &L, attempt: Attempt) -> Ended {
    let Attempt {
        row,
        setbacks,
        sent_before,
        uploaded,
        intent,
        callback_url,
        rules,
        permit,
        probe,
    } = attempt;
    let cost = intent.cost;
    let secret = intent.token;
    let request_of = |number: AttemptId| {
        let attempt = number.0;
        let image_url = uploaded.as_deref().unwrap_or(&row.submission.image_url);
        let token = CallbackToken { attempt, secret };
        CreateTask::new(&row.submission, image_url, callback_url.as_ref(), token)
    };
    let ended = |row, answered, ending| Ended {
        row,
        setbacks,
        sent_before,
        permit,
        probe,
        cost,
        answered,
        ending,
    };

    #[cfg(test)]
    if rules.planted == Some(crate::dispatch::config::PlantedBug::SendBeforeIntent) {
        let request = request_of(AttemptId(0));
        let (begun, answer) = tokio::join!(ledger.begin(intent), api.create_task(request));
        let answered = Instant::now();
        let ending = match begun {
            Ok(Some(number)) => finish(ledger, &row, rules, number, meaning_of(api, &answer))
                .await
                .map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(LostStep { error, task_id: None }),
        };
        return ended(row, answered, ending);
    }

    let number = match ledger.begin(intent).await {
        Ok(Some(number)) => number,
        Ok(None) => return ended(row, Instant::now(), Ok(None)),
        Err(error) => return ended(row, Instant::now(), Err(LostStep { error, task_id: None })),
    };
    let answer = api.create_task(request_of(number)).await;
    let answered = Instant::now();
    let ending = finish(ledger, &row, rules, number, meaning_of(api, &answer)).await;
    ended(row, answered, ending.map(Some))
}

/// What an answer means, with nothing in its words that must not be stored.
fn meaning_of<A: Api>(api: &A, answer: &Answer) -> Outcome {
    let outcome = outcome_of(answer);
    Outcome {
        message: api.without_secrets(outcome.message),
        ..outcome
    }
}

async fn finish<L: Ledger>(
    ledger: &L,
    row: &QueuedRow,
    rules: Rules,
    attempt: AttemptId,
    outcome: Outcome,
) -> Result<(Outcome, AttemptResult), LostStep> {
    let result = result_of(&outcome, row.tries, rules);
    let at = rules.wall.now();
    let ending = Ending {
        row_id: row.row_id,
        attempt,
        at,
        result: result.clone(),
        http_status: outcome.http_status,
        code: outcome.code.clone(),
        message: outcome.message.clone(),
        pause_until: pause_until(&outcome, at, rules),
    };
    match ledger.finish(ending).await {
        Ok(()) => Ok((outcome, result)),
        Err(error) => {
            let task_id = match result {
                AttemptResult::Accepted(task_id) => Some(task_id),
                _ => None,
            };
            Err(LostStep { error, task_id })
        }
    }
}

/// What an outcome does to a row that has failed `tries` times before.
fn result_of(outcome: &Outcome, tries: u32, rules: Rules) -> AttemptResult {
    #[cfg(test)]
    if rules.planted == Some(crate::dispatch::config::PlantedBug::UnknownToQueued)
        && outcome.verdict == Verdict::Unknown
    {
        return AttemptResult::Again { counts: false };
    }
    #[cfg(test)]
    if rules.planted == Some(crate::dispatch::config::PlantedBug::TriesNeverCounted)
        && outcome.verdict == Verdict::Again
    {
        return AttemptResult::Again { counts: false };
    }
    let last_try = tries + 1 >= rules.max_attempts;
    match &outcome.verdict {
        Verdict::Accepted(task_id) => AttemptResult::Accepted(task_id.clone()),
        Verdict::Rejected => AttemptResult::Rejected,
        Verdict::Again if last_try => AttemptResult::Rejected,
        Verdict::Again => AttemptResult::Again { counts: true },
        Verdict::Back => AttemptResult::Again { counts: false },
        Verdict::Unknown => match rules.on_unknown {
            OnUnknown::Resubmit if !last_try => AttemptResult::UnknownResubmitted,
            OnUnknown::Resubmit | OnUnknown::Hold => AttemptResult::Unknown,
        },
    }
}

fn pause_until(outcome: &Outcome, at: UnixMillis, rules: Rules) -> Option<UnixMillis> {
    let least = match outcome.effect {
        Effect::RateLimited => rules.pause_after_429,
        Effect::Maintenance => rules.pause_after_455,
        Effect::None | Effect::Trouble | Effect::Halt(_) => return None,
    };
    let wait = outcome.retry_after.unwrap_or_default().max(least);
    Some(UnixMillis(
        at.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)),
    ))
}
