//! What each look means, as a table.

use super::*;
use crate::kie::EchoedRequest;
use crate::ledger::{AttemptId, Claim};
use crate::row::{RowState, TaskId, Token};

const START: i64 = 1_000_000;

/// A server that has shown that it knows our tasks.
const KNOWN: Circumstances = Circumstances {
    callbacks: false,
    is_trusted: true,
    is_new: false,
};

fn task() -> OpenTask {
    OpenTask {
        row_id: 1,
        number: 1,
        task_id: TaskId::new("t").unwrap(),
        state: RowState::Accepted,
        claim: None,
        submitted_at: UnixMillis(START),
        doubt_since: None,
        doubt_looks: 0,
    }
}

fn claimed() -> OpenTask {
    OpenTask {
        claim: Some(Claim {
            attempt: AttemptId(7),
            token: Token([3; 16]),
        }),
        ..task()
    }
}

fn record(state: TaskState, urls: &[&str]) -> Look {
    Look::Record(Box::new(TaskRecord {
        task_id: TaskId::new("t").unwrap(),
        model: MODEL.to_owned(),
        state,
        result_urls: urls.iter().map(|url| (*url).to_owned()).collect(),
        fail_code: None,
        fail_message: None,
        credits: Some(30.0),
        created_at: None,
        completed_at: Some(UnixMillis(START + 90_000)),
        request: EchoedRequest::default(),
    }))
}

fn nothing() -> Look {
    Look::Nothing {
        code: "http_502".into(),
        message: "a page".into(),
    }
}

/// What a look means at this moment, by clocks that agree.
fn judged_at(task: &OpenTask, look: Look, now: i64, circumstances: Circumstances) -> Judgement {
    let now = UnixMillis(now);
    let age = age_of(task.submitted_at, now, now);
    judge(task, look, now, age, circumstances)
}

/// Submitted so many seconds after the start; the age by our clock and that of records.
#[test]
fn a_jump_of_the_clock_of_records_does_not_make_a_task_old() {
    for (what, submitted, now, records_now, age) in [
        ("nothing jumped", 0, 5, 5, 5),
        ("forward after it was submitted", 0, 5, 3_605, 5),
        ("back after it was submitted", 0, 5, -3_595, 5),
        ("submitted after a jump forward", 3_600, 5, 3_605, 5),
        ("submitted after a jump back", -3_600, 5, -3_595, 5),
        ("from the future by both", 60, 5, 5, 0),
    ] {
        let [submitted, now, records_now] =
            [submitted, now, records_now].map(|seconds: i64| UnixMillis(START + seconds * 1_000));
        assert_eq!(age_of(submitted, now, records_now).as_secs(), age, "{what}");
    }
}

/// What is seen `seconds` after the task was submitted.
fn seen(task: &OpenTask, look: Look, seconds: i64) -> Option<Seen> {
    judged_at(task, look, START + seconds * 1_000, KNOWN).seen
}

fn due_in(seen: Option<Seen>, from: i64) -> i64 {
    match seen {
        Some(Seen::AtWork { due_at } | Seen::Nothing { due_at } | Seen::Doubtful { due_at }) => {
            (due_at.0 - START) / 1_000 - from
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_a_record_that_has_ended_ends_a_task() {
    let unfinished = [
        TaskState::Waiting,
        TaskState::Queuing,
        TaskState::Generating,
        TaskState::Other("paused".into()),
    ];
    for state in unfinished {
        let look = record(state.clone(), &["https://f.example.org/a.mp4"]);
        assert!(
            matches!(seen(&task(), look, 100_000), Some(Seen::AtWork { .. })),
            "{state:?}"
        );
    }
    for seconds in [0, 59, 601, 1_000_000] {
        assert!(matches!(seen(&task(), nothing(), seconds), Some(Seen::Nothing { .. })));
    }
    let success = seen(
        &task(),
        record(TaskState::Success, &["https://f.example.org/a.mp4"]),
        90,
    );
    assert_eq!(
        success,
        Some(Seen::Succeeded {
            url: "https://f.example.org/a.mp4".into(),
            credits: Some(30.0),
            completed_at: UnixMillis(START + 90_000),
        })
    );
    let Some(Seen::Failed { code, message, .. }) = seen(&task(), record(TaskState::Fail, &[]), 90) else {
        panic!("a failed task has failed");
    };
    assert_eq!((code.as_str(), message.as_str()), ("failed", "the generation failed"));
}

#[test]
fn looks_follow_the_age_of_the_task() {
    let apart = |age| due_in(seen(&task(), record(TaskState::Waiting, &[]), age), age);
    assert_eq!(
        [0, 29, 30, 119, 120, 3_599, 30_000].map(apart),
        [3, 3, 8, 8, 20, 60, 3_600]
    );
    assert_eq!(
        due_in(seen(&task(), nothing(), 0), 0),
        10,
        "an API in trouble is not asked every three seconds"
    );
    // A clock that was set back makes a task young, not old.
    assert_eq!(apart(-86_400), 3);
}

#[test]
fn no_record_is_final_only_when_it_lasts() {
    let after = |looks, since: Option<i64>, now| {
        let task = OpenTask {
            doubt_looks: looks,
            doubt_since: since.map(|since| UnixMillis(START + since * 1_000)),
            ..task()
        };
        [Look::Missing, record(TaskState::Success, &[])].map(|look| match seen(&task, look, now) {
            Some(Seen::Doubtful { .. }) => "doubtful".to_owned(),
            Some(Seen::Failed { code, .. }) => code,
            other => format!("{other:?}"),
        })
    };
    let doubtful = ["doubtful", "doubtful"];
    assert_eq!(after(0, None, 0), doubtful, "the first minute");
    assert_eq!(after(0, None, 100_000), doubtful, "the first such look, however late");
    assert_eq!(after(50, Some(0), 599), doubtful);
    assert_eq!(after(1, Some(0), 100_000), doubtful, "two looks are too few");
    assert_eq!(after(2, Some(0), 600), ["no_record", "no_result"]);
}

#[test]
fn a_server_that_knows_none_of_our_tasks_ends_none() {
    let doubted = OpenTask {
        doubt_looks: 50,
        doubt_since: Some(UnixMillis(START)),
        ..task()
    };
    for task in [
        &doubted,
        &OpenTask {
            claim: claimed().claim,
            ..doubted.clone()
        },
    ] {
        let judged = judged_at(task, Look::Missing, START + 900_000, Circumstances::default());
        assert_eq!(due_in(judged.seen, 900), 3_600, "it is left to the next collector");
    }
}

#[test]
fn an_announced_task_is_ours_if_its_record_bears_our_token_or_none_at_all() {
    let look = |model: &str, callback_url: Option<String>| {
        let Look::Record(mut record) = record(TaskState::Waiting, &[]) else {
            unreachable!()
        };
        record.model = model.to_owned();
        record.request.callback_url = callback_url;
        Look::Record(record)
    };
    let url = |attempt, byte: u8| {
        let token = CallbackToken {
            attempt,
            secret: Token([byte; 16]),
        };
        Some(format!("https://hooks.example.org/kie?token={token}"))
    };
    let ours = |look| !matches!(seen(&claimed(), look, 1), Some(Seen::NotOurs));
    assert!(ours(look(MODEL, url(7, 3))));
    assert!(ours(look(MODEL, None)) && ours(look("", None)));
    assert!(!ours(look(MODEL, url(7, 4))), "another secret");
    assert!(!ours(look(MODEL, url(8, 3))), "another attempt");
    assert!(!ours(look(MODEL, Some("https://hooks.example.org/".into()))));
    assert!(!ours(look("sora-2", url(7, 3))));
    let gone = OpenTask {
        doubt_looks: 9,
        doubt_since: Some(UnixMillis(0)),
        ..claimed()
    };
    assert_eq!(seen(&gone, Look::Missing, 900), Some(Seen::NotOurs));
}

#[test]
fn what_concerns_every_look_is_told_apart() {
    let busy = Look::Busy {
        code: "429".into(),
        message: "slow down".into(),
        retry_after: Some(Duration::from_secs(9)),
    };
    let judged = judged_at(&task(), busy, START, KNOWN);
    assert_eq!(judged.seen, None);
    assert!(matches!(
        judged.effect,
        Effect::Busy {
            retry_after: Some(_),
            ..
        }
    ));
    let barred = Look::Barred {
        code: "401".into(),
        message: String::new(),
        remedy: Remedy::Key,
    };
    let judged = judged_at(&task(), barred, START, KNOWN);
    assert!(judged.seen.is_none() && matches!(judged.effect, Effect::Barred { .. }));
    assert!(matches!(
        judged_at(&task(), nothing(), START, KNOWN).effect,
        Effect::Trouble { .. }
    ));
}
