//! What an answer means: one pure function, and one table of its cases in the test below.

use std::time::Duration;

use serde::Deserialize;

use crate::kie::envelope::{Envelope, cut, excerpt};
use crate::kie::texts::{Meaning, meaning_of};
use crate::row::TaskId;

/// How one request ended, before anybody thinks about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A reply came, or at least the whole of the API's envelope.
    Reply(Reply),
    /// Proof that no byte of the request left: name resolution, connecting or the TLS handshake failed.
    NotSent {
        /// What the layer below said.
        reason: String,
    },
    /// Nothing was sent either, and no request will be before the user has done something about it.
    Barred {
        /// What has to be done.
        remedy: Remedy,
        /// What the layer below said.
        reason: String,
    },
    /// The request may have arrived, and no complete reply came; words of the API that did come are in the reason.
    Lost {
        /// How it was lost.
        kind: Lost,
        /// What the layer below said.
        reason: String,
    },
}

/// How an answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// No complete reply within the time-out.
    Timeout,
    /// The connection ended, or the reply was cut, over-long or not HTTP.
    Broken,
}

/// An HTTP reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The body, bounded by the client.
    pub body: Vec<u8>,
    /// The wait its `Retry-After` asks for.
    pub retry_after: Option<Duration>,
}

impl Reply {
    /// What remains of this reply when it broke off after these bytes. A task id that arrived must not be lost: a
    /// complete envelope is a reply, however the connection ended; else the head of what came is kept in the words.
    pub(super) fn cut_short(self, kind: Lost, reason: &str) -> Answer {
        if Envelope::read(&self.body).is_some() {
            return Answer::Reply(self);
        }
        let status = self.status;
        let reason = match excerpt(&self.body).as_str() {
            "" => format!("HTTP {status}, then {reason}"),
            came => format!("HTTP {status}, then {reason}; what came of it: {came}"),
        };
        Answer::Lost { kind, reason }
    }
}

/// What an answer means, for its row and for the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// For the row.
    pub verdict: Verdict,
    /// For every other row.
    pub effect: Effect,
    /// HTTP status, where a reply came.
    pub http_status: Option<u16>,
    /// The API's code, or one of our words (`connect`, `timeout`, `bad_reply`, `http_NNN`); empty when accepted.
    pub code: String,
    /// The API's text, or ours; empty when accepted. Not escaped: it is the server's.
    pub message: String,
    /// The wait the server asked for.
    pub retry_after: Option<Duration>,
}

/// What becomes of the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The API took it.
    Accepted(TaskId),
    /// Back to the queue; it was the row's own trouble, so the attempt counts.
    Again,
    /// Back to the queue; nothing was taken and the row is not to blame, so the attempt does not count.
    Back,
    /// The API said no to this row, for good.
    Rejected,
    /// It may have been taken.
    Unknown,
}

/// What an answer means for the rows still waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: the service works.
    None,
    /// Pause everyone: the window is full.
    RateLimited,
    /// Pause everyone, longer: maintenance.
    Maintenance,
    /// A sign of an outage; several in a row open the breaker.
    Trouble,
    /// Every other row would fail the same way: start nothing more in this run.
    Halt(Remedy),
}

/// What the user has to do before a halted run can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// 401: check the key.
    Key,
    /// 403: the client or its address was refused.
    Access,
    /// 402 and its relatives: top up.
    TopUp,
    /// 433: the key's own cap.
    Cap,
    /// 505, "paused", an unknown model: wait for the vendor.
    Model,
    /// A redirect: the base URL is wrong.
    BaseUrl,
    /// 407: the proxy on the way wants a login.
    Proxy,
    /// The server's certificate is not one to be trusted.
    Certificate,
    /// 404 and 405 to an upload: nobody takes files there.
    UploadUrl,
}

impl Remedy {
    /// What is the matter, in words: the beginning of a halt's message.
    pub fn trouble(self) -> &'static str {
        match self {
            Remedy::Key => "the API refused the key",
            Remedy::Access => "the API refused this client or its address",
            Remedy::TopUp => "the balance does not cover the next row",
            Remedy::Cap => "the key has reached its own cap",
            Remedy::Model => "the model is not available",
            Remedy::BaseUrl => "the server redirects: the base URL is wrong",
            Remedy::Proxy => "the proxy wants a login",
            Remedy::Certificate => "the server's certificate is not trusted",
            Remedy::UploadUrl => "the server takes no uploads: the upload URL is wrong",
        }
    }
}

/// What `answer` means. A JSON object with a `code` is the answer, whatever the HTTP status; else the status; a 2xx
/// without a readable envelope is unknown.
pub fn outcome_of(answer: &Answer) -> Outcome {
    match answer {
        Answer::NotSent { reason } => outcome(Verdict::Back, Effect::Trouble, "connect", reason),
        Answer::Barred { remedy, reason } => outcome(Verdict::Back, Effect::Halt(*remedy), "connect", reason),
        Answer::Lost {
            kind: Lost::Timeout,
            reason,
        } => outcome(Verdict::Unknown, Effect::Trouble, "timeout", reason),
        Answer::Lost {
            kind: Lost::Broken,
            reason,
        } => outcome(Verdict::Unknown, Effect::Trouble, "bad_reply", reason),
        Answer::Reply(reply) => {
            let meant = match Envelope::read(&reply.body) {
                Some(envelope) => of_envelope(&envelope, &reply.body),
                None => of_status(reply.status, &reply.body),
            };
            Outcome {
                http_status: Some(reply.status),
                retry_after: reply.retry_after,
                ..meant
            }
        }
    }
}

/// The API itself answered.
fn of_envelope(envelope: &Envelope<'_>, body: &[u8]) -> Outcome {
    let code = envelope.code;
    let text = envelope.text.as_str();
    let meaning = meaning_of(text);
    let (verdict, effect) = match (code, meaning) {
        (200, _) => match task_id_in(envelope) {
            Some(task_id) => return outcome(Verdict::Accepted(task_id), Effect::None, "", ""),
            None => {
                let said = format!("code 200 without a usable task id: {}", excerpt(body));
                return outcome(Verdict::Unknown, Effect::Trouble, "bad_reply", &said);
            }
        },
        (401, _) => (Verdict::Back, Effect::Halt(Remedy::Key)),
        (403, _) => (Verdict::Back, Effect::Halt(Remedy::Access)),
        // One old page of the vendor used 429 for an empty balance: the text tells.
        (402, _) | (429 | 500, Some(Meaning::Credits)) => (Verdict::Back, Effect::Halt(Remedy::TopUp)),
        (433, _) => (Verdict::Back, Effect::Halt(Remedy::Cap)),
        (505, _) | (500, Some(Meaning::Paused)) => (Verdict::Back, Effect::Halt(Remedy::Model)),
        (404 | 422, Some(Meaning::Model)) => (Verdict::Back, Effect::Halt(Remedy::Model)),
        (429, _) => (Verdict::Back, Effect::RateLimited),
        (455, _) | (500, Some(Meaning::Maintenance)) => (Verdict::Back, Effect::Maintenance),
        (500, Some(Meaning::Input)) | (501, _) => (Verdict::Rejected, Effect::None),
        // From the API itself a 503 counts like a 500: one row that always meets it must not be sent for ever.
        (500 | 503, _) => (Verdict::Again, Effect::Trouble),
        // "Upstream gave nothing for ten minutes": it may have been taken.
        (408, _) => (Verdict::Unknown, Effect::Trouble),
        (400..=499, _) => (Verdict::Rejected, Effect::None),
        // A code nobody has documented for this API says nothing about whether the row was taken.
        _ => (Verdict::Unknown, Effect::Trouble),
    };
    outcome(verdict, effect, &code.to_string(), text)
}

/// Somebody on the way answered: a gateway, Cloudflare, a proxy.
fn of_status(status: u16, body: &[u8]) -> Outcome {
    let (verdict, effect) = match status {
        200..=299 => {
            let said = match excerpt(body).as_str() {
                "" => format!("HTTP {status} with an empty body"),
                page => format!("HTTP {status} without the API's JSON: {page}"),
            };
            return outcome(Verdict::Unknown, Effect::Trouble, "bad_reply", &said);
        }
        300..=399 => (Verdict::Unknown, Effect::Halt(Remedy::BaseUrl)),
        401 => (Verdict::Back, Effect::Halt(Remedy::Key)),
        402 => (Verdict::Back, Effect::Halt(Remedy::TopUp)),
        403 => (Verdict::Back, Effect::Halt(Remedy::Access)),
        // A forwarding proxy: it has passed nothing on.
        407 => (Verdict::Back, Effect::Halt(Remedy::Proxy)),
        433 => (Verdict::Back, Effect::Halt(Remedy::Cap)),
        429 => (Verdict::Back, Effect::RateLimited),
        455 => (Verdict::Back, Effect::Maintenance),
        503 => (Verdict::Back, Effect::Trouble),
        408 => (Verdict::Unknown, Effect::Trouble),
        400..=499 => (Verdict::Rejected, Effect::None),
        // A gateway that gave up may have passed the request on.
        _ => (Verdict::Unknown, Effect::Trouble),
    };
    let said = match excerpt(body).as_str() {
        "" => format!("HTTP {status} with an empty body"),
        page => format!("HTTP {status}: {page}"),
    };
    outcome(verdict, effect, &format!("http_{status}"), &said)
}

fn outcome(verdict: Verdict, effect: Effect, code: &str, message: &str) -> Outcome {
    Outcome {
        verdict,
        effect,
        http_status: None,
        code: code.to_owned(),
        message: cut(message),
        retry_after: None,
    }
}

/// The id that createTask gives a task.
fn task_id_in(envelope: &Envelope<'_>) -> Option<TaskId> {
    #[derive(Deserialize)]
    struct Created {
        #[serde(rename = "taskId")]
        task_id: String,
    }
    TaskId::new(&envelope.data::<Created>()?.task_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kie::envelope::MESSAGE_CHARACTERS;
    use Effect::{Halt, Maintenance, RateLimited, Trouble};
    use Verdict::{Again, Back, Rejected, Unknown};

    fn reply(status: u16, body: &str) -> Outcome {
        outcome_of(&Answer::Reply(Reply {
            status,
            body: body.as_bytes().to_vec(),
            retry_after: None,
        }))
    }

    fn envelope(code: u16, text: &str) -> String {
        serde_json::json!({ "code": code, "msg": text, "data": null }).to_string()
    }

    /// The table of the design, row by row, with every text of the API reference's sections 2.1 and 2.2. Each
    /// envelope is tried under HTTP 200 and under its own status: the answer must not depend on it.
    #[test]
    fn every_answer_of_the_api_means_what_the_design_says() {
        const NONE: Effect = Effect::None;
        let table: &[(u16, &str, Verdict, Effect)] = &[
            (401, "You do not have access permissions", Back, Halt(Remedy::Key)),
            (401, "Unauthorized – Authentication failed", Back, Halt(Remedy::Key)),
            (403, "", Back, Halt(Remedy::Access)),
            (
                402,
                "Credits insufficient : Your current balance isn’t enough to run this request. Please top up to continue.",
                Back,
                Halt(Remedy::TopUp),
            ),
            (433, "Sub-key Usage Exceeds Limit", Back, Halt(Remedy::Cap)),
            (505, "This interface is disabled", Back, Halt(Remedy::Model)),
            (
                404,
                "The model name you specified is not supported. Please check",
                Back,
                Halt(Remedy::Model),
            ),
            (
                422,
                "The model name you specified is not supported.",
                Back,
                Halt(Remedy::Model),
            ),
            (400, "taskId parameter is required", Rejected, NONE),
            (404, "Not Found", Rejected, NONE),
            (422, "Invalid parameter", Rejected, NONE),
            (451, "image could not be fetched", Rejected, NONE),
            (413, "prompt too long", Rejected, NONE),
            (501, "Generation Failed", Rejected, NONE),
            (429, "Rate limit exceeded", Back, RateLimited),
            (
                429,
                "Your call frequency is too high, please try again later.",
                Back,
                RateLimited,
            ),
            (429, "Credits insufficient", Back, Halt(Remedy::TopUp)),
            (455, "Service is under maintenance", Back, Maintenance),
            (455, "", Back, Maintenance),
            (
                500,
                "The server is currently being maintained, please try again later~",
                Back,
                Maintenance,
            ),
            (500, "This field is required", Rejected, NONE),
            (500, "image_url is required", Rejected, NONE),
            (
                500,
                "resolution is not within the range of allowed options",
                Rejected,
                NONE,
            ),
            (500, "duration it must be a string", Rejected, NONE),
            (500, "prompt exceeds maximum length", Rejected, NONE),
            (500, "This interface is temporarily paused", Back, Halt(Remedy::Model)),
            (500, "Credits insufficient", Back, Halt(Remedy::TopUp)),
            (
                500,
                "Server exception, please try again later or contact customer service",
                Again,
                Trouble,
            ),
            (500, "Internal Error, Please try again later.", Again, Trouble),
            (500, "internal error, please try again later", Again, Trouble),
            (500, "Internal Server Error", Again, Trouble),
            (500, "invalid parameter inside an internal error", Again, Trouble),
            (500, "", Again, Trouble),
            (503, "busy", Again, Trouble),
            (408, "upstream timed out", Unknown, Trouble),
            (502, "bad gateway", Unknown, Trouble),
            (504, "gateway time-out", Unknown, Trouble),
            (531, "something new", Unknown, Trouble),
            (999, "something newer", Unknown, Trouble),
        ];
        for (code, text, verdict, effect) in table {
            for status in [200, (*code).min(599)] {
                let outcome = reply(status, &envelope(*code, text));
                assert_eq!(
                    (&outcome.verdict, &outcome.effect),
                    (verdict, effect),
                    "HTTP {status}, code {code}, {text:?}"
                );
                assert_eq!(outcome.code, code.to_string());
                assert_eq!(outcome.message, *text);
                assert_eq!(outcome.http_status, Some(status));
            }
        }
    }

    #[test]
    fn a_task_id_is_accepted_in_both_known_shapes_whatever_the_http_status() {
        for id in ["7d3f5a90c1b84e6fa2d4078b9e61c35f", "task_hailuo_1790000004242"] {
            let body = format!(r#"{{"code":200,"msg":"success","data":{{"taskId":"{id}","recordId":"{id}"}}}}"#);
            for status in [200, 201, 500] {
                let outcome = reply(status, &body);
                assert_eq!(outcome.verdict, Verdict::Accepted(TaskId::new(id).unwrap()));
                assert_eq!((outcome.effect, outcome.code.as_str()), (Effect::None, ""));
            }
        }
    }

    #[test]
    fn code_200_without_a_sane_task_id_is_unknown() {
        for data in [
            "{}",
            "null",
            r#"{"taskId":""}"#,
            r#"{"taskId":5}"#,
            r#"{"taskId":"a\u0000b"}"#,
            "[]",
        ] {
            let outcome = reply(200, &format!(r#"{{"code":200,"msg":"success","data":{data}}}"#));
            assert_eq!(
                (outcome.verdict, outcome.code.as_str()),
                (Unknown, "bad_reply"),
                "{data}"
            );
        }
        let outcome = reply(200, r#"{"code":"200","msg":"success"}"#);
        assert_eq!(outcome.verdict, Unknown);
    }

    #[test]
    fn without_an_envelope_the_http_status_decides_and_a_2xx_is_unknown() {
        const NONE: Effect = Effect::None;
        let page = "<html><title>oops</title></html>";
        let table: &[(u16, &str, Verdict, Effect, &str)] = &[
            (200, "", Unknown, Trouble, "bad_reply"),
            (200, page, Unknown, Trouble, "bad_reply"),
            (200, r#"{"taskId":"x"}"#, Unknown, Trouble, "bad_reply"),
            (200, r#"[{"code":429}]"#, Unknown, Trouble, "bad_reply"),
            (200, r#"{"code":200,"code":429}"#, Unknown, Trouble, "bad_reply"),
            (200, r#"{"code":"many"}"#, Unknown, Trouble, "bad_reply"),
            (204, "", Unknown, Trouble, "bad_reply"),
            (307, "", Unknown, Halt(Remedy::BaseUrl), "http_307"),
            (400, page, Rejected, NONE, "http_400"),
            (401, page, Back, Halt(Remedy::Key), "http_401"),
            (402, page, Back, Halt(Remedy::TopUp), "http_402"),
            (403, "error code: 1010", Back, Halt(Remedy::Access), "http_403"),
            (404, page, Rejected, NONE, "http_404"),
            (407, page, Back, Halt(Remedy::Proxy), "http_407"),
            (408, page, Unknown, Trouble, "http_408"),
            (413, page, Rejected, NONE, "http_413"),
            (429, page, Back, RateLimited, "http_429"),
            (455, page, Back, Maintenance, "http_455"),
            (500, page, Unknown, Trouble, "http_500"),
            (502, page, Unknown, Trouble, "http_502"),
            (503, page, Back, Trouble, "http_503"),
            (504, page, Unknown, Trouble, "http_504"),
            (520, page, Unknown, Trouble, "http_520"),
            (524, page, Unknown, Trouble, "http_524"),
            (599, page, Unknown, Trouble, "http_599"),
        ];
        for (status, body, verdict, effect, code) in table {
            let outcome = reply(*status, body);
            assert_eq!(
                (&outcome.verdict, &outcome.effect, outcome.code.as_str()),
                (verdict, effect, *code),
                "HTTP {status}, {body:?}"
            );
        }
    }

    #[test]
    fn failures_without_a_reply_are_told_apart_by_whether_anything_was_sent() {
        let not_sent = outcome_of(&Answer::NotSent {
            reason: "refused".into(),
        });
        assert_eq!((not_sent.verdict, not_sent.code.as_str()), (Back, "connect"));
        let barred = outcome_of(&Answer::Barred {
            remedy: Remedy::Certificate,
            reason: "expired".into(),
        });
        assert_eq!(
            (barred.verdict, barred.effect, barred.code.as_str()),
            (Back, Halt(Remedy::Certificate), "connect")
        );
        let timeout = outcome_of(&Answer::Lost {
            kind: Lost::Timeout,
            reason: "120 s".into(),
        });
        assert_eq!((timeout.verdict, timeout.code.as_str()), (Unknown, "timeout"));
        let broken = outcome_of(&Answer::Lost {
            kind: Lost::Broken,
            reason: "reset".into(),
        });
        assert_eq!((broken.verdict, broken.code.as_str()), (Unknown, "bad_reply"));
    }

    #[test]
    fn of_a_page_only_the_title_is_kept() {
        for (page, said) in [
            (
                "<html><TITLE>\n 524: A timeout occurred</Title><body>x</body></html>",
                "HTTP 524: 524: A timeout occurred",
            ),
            ("<title></title><p>x</p>", "HTTP 524: <title></title><p>x</p>"),
            ("plain  text", "HTTP 524: plain text"),
            ("", "HTTP 524 with an empty body"),
        ] {
            assert_eq!(reply(524, page).message, said);
        }
    }

    #[test]
    fn the_older_text_key_and_odd_texts_are_read() {
        assert_eq!(reply(200, r#"{"code":422,"message":"older"}"#).message, "older");
        assert_eq!(
            reply(200, r#"{"code":422,"msg":null,"message":"older"}"#).message,
            "older"
        );
        assert_eq!(reply(200, r#"{"code":422,"msg":{"a":1}}"#).message, r#"{"a":1}"#);
        assert!(reply(200, &envelope(422, &"x".repeat(2_000))).message.chars().count() <= MESSAGE_CHARACTERS + 1);
    }
}
