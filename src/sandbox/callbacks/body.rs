//! What a callback says.

use serde_json::{Value, json};

use crate::clock::UnixMillis;
use crate::row::MODEL;
use crate::sandbox::task::{Finished, Task};
use crate::sandbox::trouble::{CallbackTrouble, Ending};

/// What a forged callback claims: that the task failed, whatever it did.
const FORGED: Ending = Ending::Failure {
    code: "500",
    text: "this callback is a forgery",
};

/// The body of a task's callback. `param` repeats the request.
pub(super) fn body_of(
    task: &Task,
    completed: UnixMillis,
    param: &str,
    link: &str,
    trouble: Option<CallbackTrouble>,
) -> Value {
    let forged = trouble == Some(CallbackTrouble::Forged);
    let finished = Finished {
        ending: if forged { FORGED } else { task.ending },
        created: task.created,
        completed,
        credits: task.credits,
        link,
    };
    let id_field = if trouble == Some(CallbackTrouble::Snake) {
        "task_id"
    } else {
        "taskId"
    };
    let mut data = json!({
        id_field: task.id.to_string(),
        "model": MODEL,
        "state": null,
        "param": param,
        "resultJson": null,
        "failCode": null,
        "failMsg": null,
        "costTime": null,
        "createTime": task.created.0,
        "completeTime": null,
        "updateTime": completed.0,
    });
    finished.fill_in(&mut data, Value::Null);
    let (code, msg) = if finished.is_success() {
        (200, "Playground task completed successfully.")
    } else {
        (501, "Playground task failed.")
    };
    json!({"code": code, "msg": msg, "data": data})
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::sandbox::trouble::FileTrouble;

    use super::*;

    const BEGIN: i64 = 1_790_000_000_000;
    const END: UnixMillis = UnixMillis(BEGIN + 94_000);

    fn body(ending: Ending, trouble: Option<CallbackTrouble>) -> (String, Value) {
        let task = Task::new(
            UnixMillis(BEGIN),
            Duration::from_secs(94),
            30,
            ending,
            FileTrouble::None,
        );
        (
            task.id.to_string(),
            body_of(&task, END, "{}", "http://files/x.mp4", trouble),
        )
    }

    #[test]
    fn bodies_are_those_of_the_documented_examples() {
        let (id, success) = body(Ending::Video, None);
        let expected = json!({"code": 200, "msg": "Playground task completed successfully.", "data": {"taskId": id,
            "model": MODEL, "state": "success", "param": "{}", "resultJson": r#"{"resultUrls":["http://files/x.mp4"]}"#,
            "failCode": null, "failMsg": null, "costTime": 94, "createTime": BEGIN, "completeTime": END.0,
            "updateTime": END.0, "creditsConsumed": 30.0}});
        assert_eq!(success, expected);
        let (id, failure) = body(Ending::NO_IMAGE, None);
        let expected = json!({"code": 501, "msg": "Playground task failed.", "data": {"taskId": id, "model": MODEL,
            "state": "fail", "param": "{}", "resultJson": null, "failCode": "400",
            "failMsg": "The input image could not be fetched", "costTime": 94, "createTime": BEGIN,
            "completeTime": END.0, "updateTime": END.0, "creditsConsumed": 0.0}});
        assert_eq!(failure, expected);
    }

    #[test]
    fn a_forgery_lies_and_the_other_spelling_is_the_only_one() {
        let (_, forged) = body(Ending::Video, Some(CallbackTrouble::Forged));
        assert_eq!(
            (&forged["code"], &forged["data"]["state"]),
            (&json!(501), &json!("fail"))
        );
        let (id, snake) = body(Ending::Video, Some(CallbackTrouble::Snake));
        assert_eq!(snake["data"]["task_id"], id);
        assert_eq!(snake["data"].get("taskId"), None);
    }
}
