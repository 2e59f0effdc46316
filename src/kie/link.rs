//! Addresses of files that the API hands out, and download-url: a fresh link to a file whose old one has ceased.

use std::time::Duration;

use url::Url;

use crate::kie::envelope::{cut, excerpt};
use crate::kie::outcome::{Answer, Remedy};
use crate::kie::question::{Reading, reading_of};

/// Longest address taken, in bytes: signed links have up to 2,000; proxies refuse request lines over 8 KiB.
const LONGEST_LINK: usize = 8 * 1024;

/// Why there is no fresh link to a file. Codes and messages are as in [`crate::kie::Outcome`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The API gives none for this file: it has expired, or was never one of its own (`url is wrong`).
    #[error("the API gives no link to the file ({code}): {message}")]
    Refused {
        /// The API's code.
        code: String,
        /// The API's text.
        message: String,
    },
    /// No link this time; ask again later.
    #[error("no link came ({code}): {message}")]
    Again {
        /// The API's code, or one of our words.
        code: String,
        /// The API's text, or ours.
        message: String,
        /// The wait the server asked for. Unbounded: the caller decides what it obeys.
        retry_after: Option<Duration>,
    },
    /// Every question would fail the same way.
    #[error("{} ({code}): {message}", remedy.trouble())]
    Barred {
        /// The API's code, or one of our words.
        code: String,
        /// The API's text, or ours.
        message: String,
        /// What the user has to do.
        remedy: Remedy,
    },
}

impl LinkError {
    /// The API's code, or one of our words.
    pub fn code(&self) -> &str {
        match self {
            LinkError::Refused { code, .. } | LinkError::Again { code, .. } | LinkError::Barred { code, .. } => code,
        }
    }

    /// The same with `clean` applied to every text of the server's in it.
    pub(super) fn cleaned(mut self, clean: impl Fn(String) -> String) -> LinkError {
        let (LinkError::Refused { message, .. } | LinkError::Again { message, .. } | LinkError::Barred { message, .. }) =
            &mut self;
        *message = clean(std::mem::take(message));
        self
    }
}

/// What the answer to a download-url question means. Links live for 20 minutes (the vendor's page).
pub fn link_of(answer: &Answer) -> Result<String, LinkError> {
    let again = |code: &str, message: &str| LinkError::Again {
        code: code.to_owned(),
        message: cut(message),
        retry_after: None,
    };
    Err(match reading_of(answer) {
        Reading::Said(envelope) => match envelope.data::<String>().as_deref().and_then(web_link) {
            Some(link) => return Ok(link),
            None => again(
                "bad_reply",
                &format!("code 200 without a usable link: {}", head_of(answer)),
            ),
        },
        Reading::Refused(envelope) => LinkError::Refused {
            code: envelope.code.to_string(),
            message: cut(&envelope.text),
        },
        Reading::Barred { code, message, remedy } => LinkError::Barred { code, message, remedy },
        Reading::Busy {
            code,
            message,
            retry_after,
        } => LinkError::Again {
            code,
            message,
            retry_after,
        },
        // Without the API's envelope not even a 404 is its word about the file.
        Reading::Page { code, message, .. } | Reading::Nothing { code, message } => again(&code, &message),
    })
}

/// How a reply begins, for a message.
pub(super) fn head_of(answer: &Answer) -> String {
    match answer {
        Answer::Reply(reply) => excerpt(&reply.body),
        Answer::NotSent { .. } | Answer::Barred { .. } | Answer::Lost { .. } => String::new(),
    }
}

/// `text` if it is an absolute http or https URL that can be asked for a file: with a host, without credentials, white
/// space or control characters. It stays as the API wrote it, which has to know it again.
pub(super) fn web_link(text: &str) -> Option<String> {
    let text = text.trim();
    let odd = |character: char| character.is_whitespace() || character.is_control();
    if text.len() > LONGEST_LINK || text.contains(odd) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    let is_open = url.username().is_empty() && url.password().is_none();
    (is_web && is_open).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kie::outcome::Reply;

    fn answer(code: u16, text: &str, data: &Value) -> Answer {
        Answer::Reply(Reply {
            status: 200,
            body: json!({ "code": code, "msg": text, "data": data })
                .to_string()
                .into_bytes(),
            retry_after: Some(Duration::from_secs(7)),
        })
    }

    #[test]
    fn a_link_is_taken_only_if_a_file_can_be_asked_of_it() {
        let link = "https://tempfile.aiquickdraw.com/h/x7.mp4?sign=a%2Bb";
        assert_eq!(link_of(&answer(200, "success", &json!(link))).as_deref(), Ok(link));
        for odd in [
            json!(null),
            json!(""),
            json!("x7.mp4"),
            json!("javascript:alert(1)"),
            json!("https://me:secret@a.example/x7.mp4"),
            json!({ "url": link }),
            json!(5),
        ] {
            let error = link_of(&answer(200, "success", &odd)).unwrap_err();
            assert!(matches!(error, LinkError::Again { .. }), "{error:?}");
            assert_eq!(error.code(), "bad_reply");
        }
    }

    #[test]
    fn every_refusal_of_a_link_means_what_its_kind_says() {
        for (code, text, expected) in [
            (400, "", "refused"),
            (401, "", "barred"),
            (402, "", "barred"),
            (404, "Not Found", "refused"),
            (422, "url is wrong", "refused"),
            (429, "", "again"),
            (433, "", "barred"),
            (455, "", "again"),
            (500, "Internal Error", "again"),
            (500, "url is required", "refused"),
            (505, "", "barred"),
        ] {
            let error = link_of(&answer(code, text, &json!(null))).unwrap_err();
            let (kind, wait) = match &error {
                LinkError::Refused { .. } => ("refused", None),
                LinkError::Again { retry_after, .. } => ("again", *retry_after),
                LinkError::Barred { .. } => ("barred", None),
            };
            assert_eq!((kind, error.code()), (expected, code.to_string().as_str()), "{text:?}");
            let is_pause = matches!(code, 429 | 455);
            assert_eq!(wait, is_pause.then_some(Duration::from_secs(7)), "{code}");
        }
    }
}
