//! One notice on its way: how often it is tried, and what counts as delivered.

use std::time::Duration;

use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout_at};

use crate::escape;
use crate::web::header;
use crate::web::reason::reason_of;

/// Pauses before the second and the third attempt; there is no fourth.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// As much of an answer is read, in bytes: Feishu's has a hundred.
const LONGEST_ANSWER: usize = 16 * 1024;

/// As much of an answer is shown, in characters.
const MOST_SAID: usize = 160;

/// What counts as delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judge {
    /// A 2xx.
    Status,
    /// A 2xx whose body does not say `{"code": …}` with something other than 0: Feishu answers 200 to whatever it refuses.
    StatusAndCode,
}

/// Why a notice did not arrive, or may not have. Says nothing of where it was sent: that is a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// No connection, or none that lasted.
    #[error("{0}")]
    Unreachable(String),
    /// The time for notices was over before there was an answer.
    #[error("there was no answer in time")]
    TooSlow,
    /// The receiver has moved, or a login page stands before it. Nobody is followed: the next host would get the message.
    #[error("it redirects ({0}), which is not followed")]
    Redirects(u16),
    /// The receiver does not take it.
    #[error("it answered {code}{said}")]
    Refused {
        /// Of HTTP, or the receiver's own.
        code: i64,
        /// `: ` and what else it said; empty if it said nothing.
        said: String,
    },
}

/// Whether another attempt may help.
struct Trouble {
    why: NotSent,
    /// `None`: never. Otherwise not before this has passed.
    again: Option<Duration>,
}

/// Sends what `request` makes, at most three times and not beyond `deadline`. Only what has surely not been taken is sent
/// again: nobody wants a message twice.
pub(super) async fn deliver(
    request: impl Fn() -> RequestBuilder,
    judge: Judge,
    deadline: Instant,
) -> Result<(), NotSent> {
    let mut pauses = PAUSES.into_iter();
    loop {
        let trouble = match timeout_at(deadline, attempt(request(), judge)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(trouble)) => trouble,
            Err(_) => return Err(NotSent::TooSlow),
        };
        let (Some(asked), Some(pause)) = (trouble.again, pauses.next()) else {
            return Err(trouble.why);
        };
        let pause = pause.max(asked);
        if Instant::now().checked_add(pause).is_none_or(|then| then >= deadline) {
            return Err(trouble.why);
        }
        sleep(pause).await;
    }
}

async fn attempt(request: RequestBuilder, judge: Judge) -> Result<(), Trouble> {
    let response = request.send().await.map_err(|error| Trouble {
        // Only then is it sure that nothing has arrived.
        again: error.is_connect().then_some(Duration::ZERO),
        why: NotSent::Unreachable(escape::excerpt(&reason_of(&error.without_url()), MOST_SAID)),
    })?;
    let status = response.status();
    let asked = header::wait(response.headers()).unwrap_or_default();
    if status.is_success() && judge == Judge::Status {
        return Ok(());
    }
    if status.is_redirection() {
        return Err(Trouble {
            why: NotSent::Redirects(status.as_u16()),
            again: None,
        });
    }
    let answer = read(response).await;
    if status.is_success() {
        return match refusal_in(&answer) {
            None => Ok(()),
            Some(why) => Err(Trouble { why, again: None }),
        };
    }
    let may_pass = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    Err(Trouble {
        why: NotSent::Refused {
            code: status.as_u16().into(),
            said: said(&String::from_utf8_lossy(&answer)),
        },
        again: may_pass.then_some(asked),
    })
}

/// The beginning of the answer, as far as it comes.
async fn read(mut response: Response) -> Vec<u8> {
    let mut answer = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        answer.extend_from_slice(&chunk);
        if answer.len() >= LONGEST_ANSWER {
            answer.truncate(LONGEST_ANSWER);
            break;
        }
    }
    answer
}

/// Feishu's own word for it.
#[derive(Deserialize)]
struct FeishuAnswer {
    code: i64,
    #[serde(default)]
    msg: String,
}

/// Why Feishu refused the message, if it did. What is no such answer comes from somebody else, who took it.
fn refusal_in(answer: &[u8]) -> Option<NotSent> {
    let FeishuAnswer { code, msg } = serde_json::from_slice(answer).ok()?;
    (code != 0).then(|| NotSent::Refused { code, said: said(&msg) })
}

/// `: invalid_token`; nothing where nothing was said, or only a web page.
fn said(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.is_empty() || text.starts_with('<') {
        true => String::new(),
        false => format!(": {}", escape::excerpt(&text, MOST_SAID)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feishu_refuses_with_a_code() {
        let refused = |answer: &str| refusal_in(answer.as_bytes()).map(|why| why.to_string());
        assert_eq!(
            refused(r#"{"StatusCode":0,"StatusMessage":"success","code":0,"data":{},"msg":"success"}"#),
            None
        );
        assert_eq!(refused(r#"{"StatusCode":0,"StatusMessage":"success"}"#), None);
        assert_eq!(refused("ok"), None);
        assert_eq!(
            refused(r#"{"code":19024,"msg":"Key Words Not Found","data":{}}"#).unwrap(),
            "it answered 19024: Key Words Not Found"
        );
    }

    #[test]
    fn an_answer_is_told_on_one_line_and_a_page_is_not_told() {
        assert_eq!(said("no_team\n"), ": no_team");
        assert_eq!(said("a\u{1b}[2J\r\nb"), ": a\\u{1b}[2J b");
        assert_eq!(said(" \n"), "");
        assert_eq!(said("<!DOCTYPE html><title>gone</title>"), "");
        assert!(said(&"x".repeat(9_000)).len() < 200);
    }
}
