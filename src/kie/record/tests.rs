//! The tables of what a look means.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::kie::outcome::{Lost, Reply};
use crate::row::MODEL;

const ID: &str = "7d3f5a90c1b84e6fa2d4078b9e61c35f";

fn asked() -> TaskId {
    TaskId::new(ID).unwrap()
}

fn reply(status: u16, body: impl Into<Vec<u8>>) -> Look {
    let body = body.into();
    let retry_after = Some(Duration::from_secs(7));
    look_of(
        &Answer::Reply(Reply {
            status,
            body,
            retry_after,
        }),
        &asked(),
    )
}

/// The record in a reply whose data is `data`, with the id that was asked for.
fn record(mut data: Value) -> TaskRecord {
    data["taskId"] = json!(ID);
    let body = json!({ "code": 200, "msg": "success", "data": data }).to_string();
    match reply(200, body) {
        Look::Record(record) => *record,
        other => panic!("{other:?}"),
    }
}

/// Kind, code and remedy of a look, in short.
fn kind(look: &Look) -> (&'static str, &str) {
    match look {
        Look::Record(_) => ("record", ""),
        Look::Missing => ("missing", ""),
        Look::Barred { code, .. } => ("barred", code),
        Look::Busy { code, .. } => ("busy", code),
        Look::Nothing { code, .. } => ("nothing", code),
    }
}

/// Each envelope is tried under HTTP 200 and under its own status: the look must not depend on it.
#[test]
fn every_refusal_of_the_api_means_what_the_table_says() {
    let table = [
        (400, "taskId parameter is required", "nothing"),
        (401, "You do not have access permissions", "barred"),
        (402, "Credits insufficient", "barred"),
        (403, "", "barred"),
        (404, "Task not found", "missing"),
        (404, "The model name you specified is not supported.", "nothing"),
        (408, "upstream timed out", "nothing"),
        (409, "conflict", "nothing"),
        (422, "recordInfo is null", "missing"),
        (422, "", "missing"),
        (422, "The model name you specified is not supported.", "nothing"),
        (429, "Rate limit exceeded", "busy"),
        (429, "Your call frequency is too high, please try again later.", "busy"),
        (433, "Sub-key Usage Exceeds Limit", "barred"),
        (451, "", "nothing"),
        (455, "Service is under maintenance", "busy"),
        (
            500,
            "The server is currently being maintained, please try again later~",
            "busy",
        ),
        (500, "This interface is temporarily paused", "busy"),
        (500, "Internal Error, Please try again later.", "nothing"),
        (500, "This field is required", "nothing"),
        (500, "", "nothing"),
        (501, "Generation Failed", "nothing"),
        (503, "busy", "nothing"),
        (505, "This interface is disabled", "barred"),
        (550, "queue full", "nothing"),
        (999, "something newer", "nothing"),
    ];
    for (code, text, expected) in table {
        let body = json!({ "code": code, "msg": text, "data": null }).to_string();
        for status in [200, code.min(599)] {
            let look = reply(status, body.clone());
            let (kind, shown) = kind(&look);
            assert_eq!(kind, expected, "HTTP {status}, code {code}, {text:?}");
            assert!(kind == "missing" || shown == code.to_string(), "{look:?}");
        }
    }
}

#[test]
fn without_an_envelope_no_reply_says_anything_about_the_task() {
    let page = "<html><title>oops</title></html>";
    for (status, body, expected) in [
        (200, "", ("nothing", "bad_reply")),
        (200, page, ("nothing", "bad_reply")),
        (200, r#"{"taskId":"x"}"#, ("nothing", "bad_reply")),
        (200, r#"{"code":200,"msg":"success","#, ("nothing", "bad_reply")),
        (204, "", ("nothing", "bad_reply")),
        (302, "", ("barred", "http_302")),
        (400, page, ("nothing", "http_400")),
        (401, page, ("barred", "http_401")),
        (403, "error code: 1010", ("barred", "http_403")),
        (404, page, ("nothing", "http_404")),
        (407, page, ("barred", "http_407")),
        (422, page, ("nothing", "http_422")),
        (429, page, ("busy", "http_429")),
        (455, page, ("busy", "http_455")),
        (500, page, ("nothing", "http_500")),
        (502, page, ("nothing", "http_502")),
        (503, page, ("nothing", "http_503")),
        (524, page, ("nothing", "http_524")),
    ] {
        assert_eq!(kind(&reply(status, body)), expected, "HTTP {status}, {body:?}");
    }
}

#[test]
fn what_the_user_must_do_and_how_long_to_wait_are_passed_on() {
    let remedy = |status| match reply(status, "") {
        Look::Barred { remedy, .. } => remedy,
        other => panic!("{other:?}"),
    };
    assert_eq!(remedy(401), Remedy::Key);
    assert_eq!(remedy(403), Remedy::Access);
    assert_eq!(remedy(308), Remedy::BaseUrl);
    let Look::Busy { retry_after, .. } = reply(429, r#"{"code":429,"msg":"Rate limit exceeded","data":null}"#) else {
        panic!("not busy");
    };
    assert_eq!(retry_after, Some(Duration::from_secs(7)));
}

#[test]
fn a_look_that_failed_on_the_way_brings_nothing() {
    let reason = || "why".to_owned();
    let lost = |kind| Answer::Lost { kind, reason: reason() };
    for (answer, expected) in [
        (Answer::NotSent { reason: reason() }, ("nothing", "connect")),
        (lost(Lost::Timeout), ("nothing", "timeout")),
        (lost(Lost::Broken), ("nothing", "bad_reply")),
        (
            Answer::Barred {
                remedy: Remedy::Certificate,
                reason: reason(),
            },
            ("barred", "connect"),
        ),
    ] {
        assert_eq!(kind(&look_of(&answer, &asked())), expected);
    }
}

/// The shape of recorded traffic: JSON in a string in a string.
#[test]
fn a_finished_record_is_read_whole() {
    let input = json!({
        "prompt": "A paper boat", "image_url": "https://img.example.org/boat-0007.png", "duration": "6",
        "resolution": "768P", "nsfw_checker": false,
    });
    let param = json!({
        "input": input.to_string(), "callBackUrl": "https://hooks.example.org/kie?row=0007", "model": MODEL,
    });
    let record = record(json!({
        "model": MODEL, "state": "success", "param": param.to_string(),
        "resultJson": "{\"resultUrls\":[\"https://tempfile.aiquickdraw.com/h/1790000093-x7.mp4\"]}",
        "failCode": null, "failMsg": null, "costTime": 94, "completeTime": 1_790_000_094_000_i64,
        "createTime": 1_790_000_000_000_i64, "creditsConsumed": 30.5,
    }));
    let expected = TaskRecord {
        task_id: asked(),
        model: MODEL.to_owned(),
        state: TaskState::Success,
        result_urls: vec!["https://tempfile.aiquickdraw.com/h/1790000093-x7.mp4".to_owned()],
        fail_code: None,
        fail_message: None,
        credits: Some(30.5),
        created_at: Some(UnixMillis(1_790_000_000_000)),
        completed_at: Some(UnixMillis(1_790_000_094_000)),
        request: EchoedRequest {
            model: Some(MODEL.to_owned()),
            callback_url: Some("https://hooks.example.org/kie?row=0007".to_owned()),
            prompt: Some("A paper boat".to_owned()),
            image_url: Some("https://img.example.org/boat-0007.png".to_owned()),
            duration: Some("6".to_owned()),
            resolution: Some("768P".to_owned()),
        },
    };
    assert_eq!(record, expected);
    // The same as objects, and a number where there was a string.
    let param = json!({ "input": {"prompt": "A paper boat", "duration": 6}, "model": MODEL });
    let as_objects = self::record(json!({
        "state": "success", "param": param, "resultJson": {"resultUrls": ["https://a.example/1.mp4"]},
    }));
    assert_eq!(as_objects.result_urls, ["https://a.example/1.mp4"]);
    assert_eq!(as_objects.request.prompt.as_deref(), Some("A paper boat"));
    assert_eq!(as_objects.request.duration.as_deref(), Some("6"));
    assert_eq!(as_objects.request.callback_url, None);
}

#[test]
fn a_failed_record_says_why_under_either_code() {
    for (fail_code, expected) in [
        (json!("400"), Some("400")),
        (json!(422), Some("422")),
        (json!(""), None),
        (json!(null), None),
        (json!([5]), None),
    ] {
        let data = json!({
            "taskId": ID, "state": "fail", "resultJson": "", "failCode": fail_code,
            "failMsg": "The input image could not be fetched", "creditsConsumed": 0,
        });
        for code in [200, 501] {
            let body = json!({ "code": code, "msg": "Playground task failed.", "data": data }).to_string();
            let Look::Record(record) = reply(200, body) else {
                panic!("no record under {code}");
            };
            assert_eq!(
                (&record.state, record.fail_code.as_deref()),
                (&TaskState::Fail, expected)
            );
            assert_eq!(
                record.fail_message.as_deref(),
                Some("The input image could not be fetched")
            );
            assert_eq!(record.credits, Some(0.0));
        }
    }
}

#[test]
fn an_odd_state_is_unfinished_and_a_record_without_one_says_nothing() {
    for (word, is_final) in [
        ("waiting", false),
        ("queuing", false),
        ("generating", false),
        ("success", true),
        ("fail", true),
        ("failed", false),
        ("Success", false),
        ("archived", false),
    ] {
        let state = record(json!({ "state": word })).state;
        assert_eq!((state.as_str(), state.is_final()), (word, is_final));
    }
    assert!(
        record(json!({ "state": "x".repeat(5_000) }))
            .state
            .as_str()
            .chars()
            .count()
            <= WORD_CHARACTERS + 1
    );
    for state in [json!(null), json!(""), json!({}), json!([])] {
        let body = json!({ "code": 200, "data": {"taskId": ID, "state": state} }).to_string();
        assert_eq!(kind(&reply(200, body)), ("nothing", "bad_reply"), "{state}");
    }
}

#[test]
fn the_record_of_another_task_or_none_says_nothing() {
    for data in [
        json!(null),
        json!({}),
        json!([]),
        json!("success"),
        json!({"state": "fail"}),
        json!({"taskId": "e41b7c02d95f4a38b6c0fd8213a7590e", "state": "fail"}),
        json!({"taskId": null, "state": "fail"}),
    ] {
        let body = json!({ "code": 200, "msg": "success", "data": data }).to_string();
        let Look::Nothing { code, message } = reply(200, body) else {
            panic!("{data}");
        };
        assert_eq!(code, "bad_reply");
        assert!(message.contains("record") && message.contains("code"), "{message}");
    }
    assert_eq!(kind(&reply(200, r#"{"code":200}"#)), ("nothing", "bad_reply"));
}

#[test]
fn a_success_may_have_no_usable_address() {
    for result in [
        json!(null),
        json!(""),
        json!("{}"),
        json!("{\"resultUrls\":"),
        json!({"resultUrls": null}),
        json!({"resultUrls": "https://a.example/1.mp4"}),
        json!({"resultUrls": [
            5, null, "", "1.mp4", "ftp://a.example/1.mp4", "file:///etc/passwd", "https://me:secret@a.example/1.mp4",
            "https://me@a.example/1.mp4", "data:video/mp4,x", "https://a.example/1\u{7}.mp4", "https:///1 2.mp4",
            format!("https://a.example/{}", "x".repeat(9_000)),
        ]}),
    ] {
        let record = record(json!({ "state": "success", "resultJson": result }));
        assert_eq!(record.result_urls, [""; 0], "{result}");
    }
    let many: Vec<String> = (0..100).map(|n| format!("https://a.example/{n}.mp4")).collect();
    let record = record(json!({ "state": "success", "resultJson": {"resultUrls": many} }));
    assert_eq!(record.result_urls, many[..MOST_URLS]);
}

#[test]
fn an_address_stays_as_the_api_wrote_it() {
    let odd = " HTTPS://A.example:443/视频.mp4?sig=a%2Fb ";
    let record = record(json!({ "state": "success", "resultJson": {"resultUrls": [odd]} }));
    assert_eq!(record.result_urls, [odd.trim()]);
}

#[test]
fn credits_and_moments_are_taken_under_both_names_and_only_when_sane() {
    for (name, value, expected) in [
        ("creditsConsumed", json!(30), Some(30.0)),
        ("creditsConsumed", json!(0.8), Some(0.8)),
        ("creditsConsumed", json!("30.0"), Some(30.0)),
        ("consumeCredits", json!(50), Some(50.0)),
        ("creditsConsumed", json!(-1), None),
        ("creditsConsumed", json!("NaN"), None),
        ("creditsConsumed", json!("inf"), None),
        ("creditsConsumed", json!(null), None),
        ("creditsConsumed", json!({}), None),
    ] {
        assert_eq!(
            record(json!({ "state": "success", name: value })).credits,
            expected,
            "{value}"
        );
    }
    for (value, expected) in [
        (json!(1_790_000_094_000_i64), Some(UnixMillis(1_790_000_094_000))),
        (json!("1790000094000"), Some(UnixMillis(1_790_000_094_000))),
        (json!(null), None),
        (json!(0), None),
        (json!(-5), None),
        (json!("soon"), None),
    ] {
        assert_eq!(
            record(json!({ "state": "success", "completeTime": value })).completed_at,
            expected
        );
    }
    // Beyond every number there is, and deeper than any reader goes: the record is read all the same.
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let body = format!(
        r#"{{"code":200,"data":{{"taskId":"{ID}","state":"success","creditsConsumed":1e999,"extra":{deep}}}}}"#
    );
    let Look::Record(record) = reply(200, body) else {
        panic!("no record");
    };
    assert_eq!(record.credits, None);
}

#[test]
fn long_words_of_the_server_are_cut() {
    let long = "x".repeat(10_000);
    let record = record(json!({ "state": "fail", "failCode": long, "failMsg": long }));
    assert!(record.fail_code.unwrap().len() < 100);
    assert!(record.fail_message.unwrap().len() < 600);
}

#[test]
fn nothing_of_the_servers_escapes_the_cleaning() {
    let secret = "sk-12345678";
    let url = format!("https://a.example/{secret}.mp4");
    let record = record(json!({
        "model": secret, "state": secret, "failCode": secret, "failMsg": secret,
        "resultJson": {"resultUrls": [url]},
        "param": {"model": secret, "callBackUrl": url, "input": {
            "prompt": secret, "image_url": url, "duration": secret, "resolution": secret,
        }},
    }));
    let look = Look::Record(Box::new(record));
    assert!(format!("{look:?}").contains(secret));
    let clean = look.cleaned(|text| text.replace(secret, "…"));
    assert!(!format!("{clean:?}").contains(secret), "{clean:?}");
    for status in [400, 401, 429] {
        let look = reply(status, format!("bad key {secret}"));
        assert!(format!("{look:?}").contains(secret));
        let clean = look.cleaned(|text| text.replace(secret, "…"));
        assert!(!format!("{clean:?}").contains(secret), "{clean:?}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        Just(json!("{\"resultUrls\":[\"https://a.example/1.mp4\"]}")),
        Just(json!(ID)),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("input|resultUrls|taskId|\\PC{0,3}", inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

const FIELDS: [&str; 10] = [
    "model",
    "state",
    "param",
    "resultJson",
    "failCode",
    "failMsg",
    "creditsConsumed",
    "consumeCredits",
    "createTime",
    "completeTime",
];

proptest! {
    #[test]
    fn no_bytes_are_too_odd_to_be_looked_at(status in 100_u16..600, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let look = reply(status, body);
        prop_assert!(!matches!(look, Look::Record(_) | Look::Missing), "{look:?}");
    }

    /// Whatever is in its fields: what comes out keeps the promises of [`TaskRecord`].
    #[test]
    fn a_record_keeps_its_promises(values in prop::collection::vec(any_json(), FIELDS.len()), code in any_json()) {
        let mut data: Value = FIELDS.iter().map(|name| (*name).to_owned()).zip(values).collect();
        data["taskId"] = json!(ID);
        reply(200, json!({ "code": code, "data": data }).to_string());
        let look = reply(200, json!({ "code": 200, "data": data }).to_string());
        if let Look::Record(record) = look {
            prop_assert!(record.credits.is_none_or(|credits| credits.is_finite() && credits >= 0.0));
            prop_assert!(record.completed_at.is_none_or(|at| at.0 > 0));
            prop_assert!(record.result_urls.iter().all(|url| url.starts_with("http")));
        } else {
            prop_assert!(matches!(look, Look::Nothing { .. }), "{look:?}");
        }
    }
}
