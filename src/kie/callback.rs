//! What a callback says. Its body is covered by no signature: it is a hint to look at the task, never more.

use crate::kie::fields::Fields;
use crate::kie::record::TaskState;
use crate::row::TaskId;

/// A callback's body, as far as it can be of use. All of it is anybody's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// The task it speaks of.
    pub task_id: TaskId,
    /// The API's code: 200 for a success, 501 for a failed task.
    pub code: Option<i64>,
    /// Where the task stands, it says.
    pub state: Option<TaskState>,
}

impl Callback {
    /// Reads a body; the caller bounds its size. `None` if it is no JSON object that names a task.
    ///
    /// The pages of the vendor disagree about where the id stands: `data.taskId`, `data.task_id`, `taskId`, `task_id`; the
    /// first that is not empty counts, for the signature too.
    pub fn read(body: &[u8]) -> Option<Callback> {
        let whole = Fields::read(body)?;
        let data = whole.object("data").unwrap_or_default();
        let places = [
            (&data, "taskId"),
            (&data, "task_id"),
            (&whole, "taskId"),
            (&whole, "task_id"),
        ];
        let task_id = places.iter().find_map(|(fields, name)| fields.text(name))?;
        Some(Callback {
            task_id: TaskId::new(&task_id)?,
            code: whole.number("code"),
            state: data.text("state").map(|state| TaskState::of(&state)),
        })
    }

    /// Whether it says that the task has ended: by its state, else by its code.
    pub fn says_ended(&self) -> bool {
        match &self.state {
            Some(state) => state.is_final(),
            None => matches!(self.code, Some(200 | 501)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_documented_bodies_are_read() {
        for (body, id, code, state, ended) in [
            (
                r#"{"code":200,"msg":"Playground task completed successfully.","data":{"taskId":"a1","state":"success",
                    "resultJson":"{\"resultUrls\":[]}","failCode":null,"costTime":94,"creditsConsumed":30}}"#,
                "a1",
                Some(200),
                Some(TaskState::Success),
                true,
            ),
            (
                r#"{"code":501,"msg":"Playground task failed.","data":{"taskId":"a1","state":"fail","resultJson":null}}"#,
                "a1",
                Some(501),
                Some(TaskState::Fail),
                true,
            ),
            // The page about signatures.
            (
                r#"{"taskId":"top","code":200,"data":{"task_id":"inner","callbackType":"task_completed"}}"#,
                "inner",
                Some(200),
                None,
                true,
            ),
            (
                r#"{"code":"200","data":{"taskId":"a1","state":"generating"}}"#,
                "a1",
                Some(200),
                Some(TaskState::Generating),
                false,
            ),
            (r#"{"task_id":"a1"}"#, "a1", None, None, false),
            (r#"{"data":null,"taskId":"a1","code":null}"#, "a1", None, None, false),
            (r#"{"data":{"taskId":""},"taskId":"a1"}"#, "a1", None, None, false),
            (r#"{"data":"{\"taskId\":\"a1\"}"}"#, "a1", None, None, false),
        ] {
            let callback = Callback::read(body.as_bytes()).unwrap_or_else(|| panic!("{body}"));
            assert_eq!(callback.says_ended(), ended, "{body}");
            let task_id = TaskId::new(id).unwrap();
            assert_eq!(callback, Callback { task_id, code, state }, "{body}");
        }
    }

    #[test]
    fn a_body_that_names_no_task_is_none() {
        for body in [
            "",
            "null",
            "[]",
            "{}",
            "{\"data\":{\"taskId\":null}}",
            "{\"data\":{\"taskId\":\"a b\"},\"taskId\":\"a1\"}",
            "{\"taskId\":\"a1\"",
            "{\"taskId\":{\"taskId\":\"a1\"}}",
            "<html>",
        ] {
            assert_eq!(Callback::read(body.as_bytes()), None, "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_body_is_too_odd_to_be_read(body in prop::collection::vec(any::<u8>(), 0..300)) {
            Callback::read(&body);
        }
    }
}
