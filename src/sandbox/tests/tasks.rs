//! What becomes of a task: its record, its money, and the looks at it.

use super::*;

#[tokio::test]
async fn a_task_goes_through_its_states_and_ends_with_a_video() {
    let config = SandboxConfig {
        generation: "1s".parse().unwrap(),
        poll_limit: crate::rate::Rate::Off,
        ..roomy()
    };
    let sandbox = sandbox(config).await;
    let mut asked = body("a boat");
    asked["callBackUrl"] = json!("https://hooks.example.org/1?token=1-a");
    let task_id = post(&sandbox, &asked).await.task_id();
    let mut states: Vec<String> = Vec::new();
    let data = loop {
        let seen = record(&sandbox, &task_id).await;
        assert_eq!((seen.status(), seen.code()), (200, 200));
        let data = seen.envelope()["data"].clone();
        states.push(data["state"].as_str().unwrap().to_owned());
        if data["state"] == "success" {
            break data;
        }
        assert_eq!((&data["resultJson"], &data["completeTime"]), (&json!(""), &json!(null)));
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    states.dedup();
    states.retain(|state| state != "queuing");
    assert_eq!(states, ["waiting", "generating", "success"]);
    assert_eq!((&data["taskId"], &data["model"]), (&json!(task_id), &json!(MODEL)));
    assert_eq!((&data["costTime"], &data["creditsConsumed"]), (&json!(1), &json!(30.0)));
    let param: Value = serde_json::from_str(data["param"].as_str().unwrap()).unwrap();
    assert_eq!(param["callBackUrl"], "https://hooks.example.org/1?token=1-a");
    let input: Value = serde_json::from_str(param["input"].as_str().unwrap()).unwrap();
    assert_eq!((&input["prompt"], &input["duration"]), (&json!("a boat"), &json!("6")));
    assert_eq!(
        sandbox.books().callbacks.undeliverable,
        1,
        "a sandbox does not call out into the world"
    );
}

#[tokio::test]
async fn another_sandbox_answers_for_the_task_without_its_request() {
    let first = sandbox(quick()).await;
    let task_id = submit(&first, "a boat [sandbox:task-fail-422]").await.task_id();
    first.stop().await;
    let second = sandbox(quick()).await;
    let data = record(&second, &task_id).await.envelope()["data"].clone();
    assert_eq!((&data["state"], &data["param"]), (&json!("fail"), &json!("{}")));
}

#[tokio::test]
async fn requests_are_forgotten_on_request() {
    let config = SandboxConfig {
        keep_params: 0,
        ..quick()
    };
    let sandbox = sandbox(config).await;
    let task_id = submit(&sandbox, "a boat").await.task_id();
    assert_eq!(record(&sandbox, &task_id).await.envelope()["data"]["param"], "{}");
}

#[tokio::test]
async fn every_word_ends_a_task_its_own_way() {
    let sandbox = sandbox(quick()).await;
    for (word, state, code, text) in [
        ("task-fail", "fail", "500", "Internal Error, Please try again later."),
        ("task-fail-400", "fail", "400", "flagged"),
        ("task-fail-422", "fail", "422", "prohibited"),
        ("task-fail-501", "fail", "501", "Generation failed"),
        ("task-fail-image", "fail", "400", "could not be fetched"),
        ("task-never", "waiting", "", ""),
        ("task-slow=1h", "waiting", "", ""),
        ("task-odd-state", "success", "", ""),
        ("task-no-url", "success", "", ""),
        ("task-late-record", "success", "", ""),
    ] {
        let task_id = submit(&sandbox, &format!("[sandbox:{word}]")).await.task_id();
        let data = record(&sandbox, &task_id).await.envelope()["data"].clone();
        assert_eq!(data["state"], state, "{word}");
        assert_eq!(data["failCode"].as_str().unwrap_or(""), code, "{word}");
        assert!(data["failMsg"].as_str().unwrap_or("").contains(text), "{word}: {data}");
        assert_eq!(data["resultJson"] == "{}", word == "task-no-url");
    }
    let unrecorded = submit(&sandbox, "[sandbox:task-no-record]").await.task_id();
    assert_eq!(
        record(&sandbox, &unrecorded).await.envelope()["msg"],
        "recordInfo is null"
    );
}

#[tokio::test]
async fn a_look_without_key_id_or_task_is_refused() {
    let sandbox = sandbox(quick()).await;
    let task_id = submit(&sandbox, "a boat").await.task_id();
    let look = format!("/api/v1/jobs/recordInfo?taskId={task_id}");
    let stranger = exchange(&sandbox, &request("GET", &look, "", ""), PATIENCE).await;
    assert_eq!(stranger.code(), 401);
    for (path, code, text) in [
        ("/api/v1/jobs/recordInfo", 400, "taskId parameter is required"),
        ("/api/v1/jobs/recordInfo?taskId=", 400, "taskId parameter is required"),
        (
            "/api/v1/jobs/recordInfo?taskId=7d3f5a90c1b84e6fa2d4078b9e61c35f",
            422,
            "recordInfo is null",
        ),
        (
            "/api/v1/jobs/recordInfo?taskId=task_hailuo_1790000004242",
            422,
            "recordInfo is null",
        ),
    ] {
        let seen = get(&sandbox, path).await;
        assert_eq!((seen.status(), seen.code()), (code, u64::from(code)), "{path}");
        let expected = json!({"code": code, "msg": text, "data": null});
        assert_eq!(seen.envelope(), expected);
    }
    assert_eq!(sandbox.books().requests, 1, "looks are no createTask requests");
}

#[tokio::test]
async fn looks_have_a_window_of_their_own() {
    let config = SandboxConfig {
        poll_limit: "3/10s".parse().unwrap(),
        ..quick()
    };
    let sandbox = sandbox(config).await;
    let task_id = submit(&sandbox, "a boat").await.task_id();
    let mut codes = Vec::new();
    for _ in 0..5 {
        codes.push(record(&sandbox, &task_id).await.code());
    }
    assert_eq!(codes, [200, 200, 200, 429, 429]);
    let books = sandbox.books();
    assert_eq!(
        (books.polls.requests, books.polls.refused, books.refused_429),
        (5, 2, 0)
    );
    assert!((3..=5).contains(&books.polls.most_in_a_second), "{books:?}");
    assert_eq!(submit(&sandbox, "another").await.code(), 200);
}

#[tokio::test]
async fn faults_strike_looks_without_touching_the_task() {
    let sandbox = sandbox(quick()).await;
    let task_id = submit(&sandbox, "a boat").await.task_id();
    for (word, status, text) in [
        ("poll-500", 500, "Server exception"),
        ("poll-455", 455, "maintenance"),
        ("poll-429:ra=7", 429, "Rate limit exceeded"),
        ("poll-garbage", 200, "<html>"),
        ("poll-page524", 524, "<html>"),
        ("poll-noid", 200, "\"data\":{}"),
        ("poll-slow=50ms", 200, "resultUrls"),
        ("poll-cut", 200, "taskId"),
    ] {
        sandbox.set_faults(plan(&[&format!("{word}=1")]));
        let Seen::Reply {
            status: got,
            head,
            body,
        } = record(&sandbox, &task_id).await
        else {
            panic!("{word}: no reply");
        };
        assert_eq!(got, status, "{word}");
        assert!(body.contains(text), "{word}: {body}");
        assert_eq!(head.contains("retry-after: 7"), word.contains("ra=7"));
        assert_eq!(
            serde_json::from_str::<Value>(&body).is_err(),
            ["poll-garbage", "poll-page524", "poll-cut"].contains(&word)
        );
    }
    sandbox.set_faults(plan(&["poll-hang=1"]));
    let look = format!("/api/v1/jobs/recordInfo?taskId={task_id}");
    let look = request("GET", &look, "Authorization: Bearer any\r\n", "");
    assert_eq!(exchange(&sandbox, &look, MOMENT).await, Seen::Silence);
    sandbox.set_faults(plan(&["poll-lost=1"]));
    assert_eq!(record(&sandbox, &task_id).await, Seen::ClosedWithoutReply);
    sandbox.set_faults(FaultPlan::default());
    assert_eq!(record(&sandbox, &task_id).await.envelope()["data"]["state"], "success");
}

#[tokio::test]
async fn chance_ends_tasks_but_not_those_with_a_tag() {
    let config = SandboxConfig {
        faults: plan(&["task-fail=1"]),
        ..quick()
    };
    let sandbox = sandbox(config).await;
    for (prompt, state) in [
        ("a boat", "fail"),
        ("[sandbox:ok]", "success"),
        ("[sandbox:file-cut]", "success"),
    ] {
        let task_id = submit(&sandbox, prompt).await.task_id();
        assert_eq!(
            record(&sandbox, &task_id).await.envelope()["data"]["state"],
            state,
            "{prompt}"
        );
    }
}

#[tokio::test]
async fn a_task_whose_answer_was_lost_exists_all_the_same() {
    let sandbox = sandbox(quick()).await;
    assert_eq!(
        submit(&sandbox, "[sandbox:lost,task-fail]").await,
        Seen::ClosedWithoutReply
    );
    let task_id = sandbox.requests()[0].task_id.clone().unwrap();
    assert_eq!(record(&sandbox, &task_id).await.envelope()["data"]["state"], "fail");
}

#[tokio::test]
async fn credits_come_back_when_a_task_has_failed() {
    let config = SandboxConfig {
        credits: Some(100.0),
        generation: "400ms".parse().unwrap(),
        ..roomy()
    };
    let sandbox = sandbox(config).await;
    let balance = async || get(&sandbox, "/api/v1/chat/credit").await.envelope()["data"].clone();
    submit(&sandbox, "[sandbox:task-fail,task-slow=1s]").await;
    submit(&sandbox, "a boat").await;
    submit(&sandbox, "[sandbox:task-never]").await;
    assert_eq!(balance().await, 10.0, "credits are taken when a task is created");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(balance().await, 40.0);
    let books = sandbox.books();
    assert_eq!(
        (books.billed_credits, books.returned_credits, books.consumed_credits),
        (90.0, 30.0, 30.0)
    );
}
