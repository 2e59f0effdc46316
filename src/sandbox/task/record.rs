//! The record of a task at a moment: a pure function of its id and the clock.

use serde_json::{Value, json};

use crate::clock::UnixMillis;
use crate::row::MODEL;
use crate::sandbox::trouble::Ending;

use super::id::Task;

/// The state that nobody documented.
const ODD_STATE: &str = "postprocessing";

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Phase {
    /// It has no record.
    Unrecorded,
    /// It has not ended; the word is its state.
    Unfinished(&'static str),
    /// It has ended, as its id says.
    Over,
}

impl Task {
    /// Where the task stands: waiting for the first fifth of its time, some tasks queuing for the next tenth, and then
    /// generating. (Real tasks wait most of their time, and `queuing` was documented but never seen.)
    pub(in crate::sandbox) fn phase(&self, now: UnixMillis) -> Phase {
        let Some(completed) = self.completed() else {
            return Phase::Unfinished("waiting");
        };
        if self.ending == Ending::NoRecord {
            return Phase::Unrecorded;
        }
        if now >= completed {
            return Phase::Over;
        }
        let whole = completed.millis_since(self.created);
        let gone = now.millis_since(self.created);
        if self.ending == Ending::LateRecord && gone * 2 < whole {
            Phase::Unrecorded
        } else if gone * 5 < whole {
            Phase::Unfinished("waiting")
        } else if gone * 10 < whole * 3 && self.is_odd() {
            Phase::Unfinished("queuing")
        } else if self.ending == Ending::OddState {
            Phase::Unfinished(ODD_STATE)
        } else {
            Phase::Unfinished("generating")
        }
    }
}

/// How a task ended, as records and callbacks tell it.
#[derive(Debug, Clone, Copy)]
pub(in crate::sandbox) struct Finished<'a> {
    pub(in crate::sandbox) ending: Ending,
    pub(in crate::sandbox) created: UnixMillis,
    pub(in crate::sandbox) completed: UnixMillis,
    pub(in crate::sandbox) credits: u8,
    /// The link of the video.
    pub(in crate::sandbox) link: &'a str,
}

impl Finished<'_> {
    /// Whether it counts as a success.
    pub(in crate::sandbox) fn is_success(&self) -> bool {
        match self.ending {
            Ending::Failure { .. } => false,
            Ending::Video
            | Ending::Never
            | Ending::OddState
            | Ending::NoUrl
            | Ending::LateRecord
            | Ending::NoRecord => true,
        }
    }

    /// Adds its fields to `data`. The result of a failure is `""` in a record and `null` in a callback.
    pub(in crate::sandbox) fn fill_in(&self, data: &mut Value, no_result: Value) {
        let millis = self.completed.millis_since(self.created);
        let (state, result, code, text) = match self.ending {
            Ending::Failure { code, text } => ("fail", no_result, json!(code), json!(text)),
            Ending::NoUrl => ("success", json!("{}"), Value::Null, Value::Null),
            Ending::Video | Ending::Never | Ending::OddState | Ending::LateRecord | Ending::NoRecord => {
                let result = json!({"resultUrls": [self.link]}).to_string();
                ("success", json!(result), Value::Null, Value::Null)
            }
        };
        let consumed = if self.is_success() {
            f64::from(self.credits)
        } else {
            0.0
        };
        data["state"] = json!(state);
        data["resultJson"] = result;
        data["failCode"] = code;
        data["failMsg"] = text;
        // Seconds, whatever the older page says.
        data["costTime"] = json!((millis + 500) / 1_000);
        data["completeTime"] = json!(self.completed.0);
        data["creditsConsumed"] = json!(consumed);
    }
}

/// The `data` of recordInfo; `None` while there is no record. `param` repeats the request.
pub(in crate::sandbox) fn record(task: &Task, now: UnixMillis, param: &str, link: &str) -> Option<Value> {
    let phase = task.phase(now);
    let state = match phase {
        Phase::Unrecorded => return None,
        Phase::Unfinished(state) => state,
        Phase::Over => "success",
    };
    let mut data = json!({
        "taskId": task.id.to_string(),
        "model": MODEL,
        "state": state,
        "param": param,
        "resultJson": "",
        "failCode": null,
        "failMsg": null,
        "costTime": null,
        "completeTime": null,
        "createTime": task.created.0,
    });
    if let (Phase::Over, Some(completed)) = (phase, task.completed()) {
        let finished = Finished {
            ending: task.ending,
            created: task.created,
            completed,
            credits: task.credits,
            link,
        };
        finished.fill_in(&mut data, json!(""));
    }
    Some(data)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::sandbox::trouble::FileTrouble;

    use super::*;

    const BEGIN: i64 = 1_790_000_000_000;

    fn task(ending: Ending) -> Task {
        Task::new(
            UnixMillis(BEGIN),
            Duration::from_secs(94),
            30,
            ending,
            FileTrouble::None,
        )
    }

    fn seen(task: &Task, second: i64) -> Option<Value> {
        record(task, UnixMillis(BEGIN + second * 1_000), "{}", "http://files/x.mp4")
    }

    fn states(ending: Ending) -> Vec<String> {
        let task = std::iter::repeat_with(|| task(ending)).find(Task::is_odd).unwrap();
        let state =
            |second| seen(&task, second).map_or("none".to_owned(), |data| data["state"].as_str().unwrap().into());
        let mut states: Vec<String> = (-1..200).map(state).collect();
        states.dedup();
        states
    }

    #[test]
    fn a_record_is_the_documented_one_at_every_stage() {
        let good = task(Ending::Video);
        let id = good.id.to_string();
        let unfinished = json!({"taskId": id, "model": MODEL, "state": "generating", "param": "{}", "resultJson": "",
            "failCode": null, "failMsg": null, "costTime": null, "completeTime": null, "createTime": BEGIN});
        assert_eq!(seen(&good, 60).unwrap(), unfinished);
        let finished = json!({"taskId": id, "model": MODEL, "state": "success", "param": "{}",
            "resultJson": r#"{"resultUrls":["http://files/x.mp4"]}"#, "failCode": null, "failMsg": null, "costTime": 94,
            "completeTime": BEGIN + 94_000, "createTime": BEGIN, "creditsConsumed": 30.0});
        assert_eq!(seen(&good, 94).unwrap(), finished);
        assert_eq!(seen(&good, 1_000_000).unwrap(), finished, "it stays what it is");
        let bad = seen(&task(Ending::NO_IMAGE), 94).unwrap();
        let expected = ("fail", "400", "The input image could not be fetched", "", 0.0);
        let field = |name: &str| bad[name].as_str().unwrap().to_owned();
        assert_eq!(
            (
                &*field("state"),
                &*field("failCode"),
                &*field("failMsg"),
                &*field("resultJson")
            ),
            (expected.0, expected.1, expected.2, expected.3)
        );
        assert_eq!(bad["creditsConsumed"], expected.4);
        assert_eq!(seen(&task(Ending::NoUrl), 94).unwrap()["resultJson"], "{}");
    }

    #[test]
    fn every_ending_has_its_own_way() {
        for (ending, expected) in [
            (Ending::Video, vec!["waiting", "queuing", "generating", "success"]),
            (Ending::NO_IMAGE, vec!["waiting", "queuing", "generating", "fail"]),
            (Ending::Never, vec!["waiting"]),
            (Ending::OddState, vec!["waiting", "queuing", ODD_STATE, "success"]),
            (Ending::NoUrl, vec!["waiting", "queuing", "generating", "success"]),
            (Ending::LateRecord, vec!["none", "generating", "success"]),
            (Ending::NoRecord, vec!["none"]),
        ] {
            assert_eq!(states(ending), expected, "{ending:?}");
        }
    }

    #[test]
    fn a_task_without_a_time_of_its_own_is_over_at_once() {
        let task = Task::new(UnixMillis(BEGIN), Duration::ZERO, 30, Ending::Video, FileTrouble::None);
        assert_eq!(task.phase(UnixMillis(BEGIN)), Phase::Over);
    }
}
