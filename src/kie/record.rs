//! recordInfo: what the API's record of a task says. One pure function, and one table of its cases in the test below.
//!
//! The record alone decides what became of a task; it is paid for, so nothing short of the record's own word may end
//! it. What cannot be read counts as not said: an odd state is an unfinished one, an odd number is absent.

use std::time::Duration;

use crate::clock::UnixMillis;
use crate::kie::envelope::{Envelope, cut, cut_to};
use crate::kie::fields::Fields;
use crate::kie::link::{head_of, web_link};
use crate::kie::outcome::{Answer, Remedy};
use crate::kie::question::{Reading, reading_of};
use crate::kie::texts::{Meaning, meaning_of};
use crate::row::TaskId;

/// Most result URLs taken from one record. The model makes one clip; more than a few is some other answer.
const MOST_URLS: usize = 16;

/// Longest word for a state or a failure code that is kept, in characters; the known ones have at most ten.
const WORD_CHARACTERS: usize = 60;

/// Where a task stands, in the API's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
    /// Taken; a task may spend its whole life here.
    Waiting,
    /// In line for a machine. Documented, never seen in recorded traffic.
    Queuing,
    /// At work.
    Generating,
    /// Ended with a video, or so it says: see [`TaskRecord::result_urls`].
    Success,
    /// Ended without one.
    Fail,
    /// A word that nobody has documented, cut to a sane length: unfinished, since a guess would give up paid work.
    Other(String),
}

impl TaskState {
    /// The state behind the API's word for it.
    pub fn of(word: &str) -> TaskState {
        match word {
            "waiting" => TaskState::Waiting,
            "queuing" => TaskState::Queuing,
            "generating" => TaskState::Generating,
            "success" => TaskState::Success,
            "fail" => TaskState::Fail,
            other => TaskState::Other(cut_to(other, WORD_CHARACTERS)),
        }
    }

    /// The API's word for it.
    pub fn as_str(&self) -> &str {
        match self {
            TaskState::Waiting => "waiting",
            TaskState::Queuing => "queuing",
            TaskState::Generating => "generating",
            TaskState::Success => "success",
            TaskState::Fail => "fail",
            TaskState::Other(word) => word,
        }
    }

    /// Whether the task has ended, one way or the other.
    pub fn is_final(&self) -> bool {
        match self {
            TaskState::Success | TaskState::Fail => true,
            TaskState::Waiting | TaskState::Queuing | TaskState::Generating | TaskState::Other(_) => false,
        }
    }
}

/// What the API knows of a task. All of its text is the server's: not escaped, and not to be trusted.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRecord {
    /// The task; always the one that was asked for.
    pub task_id: TaskId,
    /// The model it runs on; empty where the record does not say.
    pub model: String,
    /// Where it stands.
    pub state: TaskState,
    /// Where the results are: absolute http or https URLs without credentials, as the API wrote them, at most 16. May be
    /// empty on success too.
    pub result_urls: Vec<String>,
    /// Why it failed, as a code (`422`); at most 60 characters.
    pub fail_code: Option<String>,
    /// Why it failed, in words; at most 500 characters.
    pub fail_message: Option<String>,
    /// What it cost, in credits: finite, not negative, often fractional. Older records do not say.
    pub credits: Option<f64>,
    /// When it was created, by the API's clock.
    pub created_at: Option<UnixMillis>,
    /// When it ended, by the API's clock; `None` until then.
    pub completed_at: Option<UnixMillis>,
    /// The request that made it.
    pub request: EchoedRequest,
}

/// The createTask request as a record repeats it (`param`), with the API's defaults filled in. Each field is `None` where
/// the record leaves it out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the request, by their names")]
pub struct EchoedRequest {
    pub model: Option<String>,
    pub callback_url: Option<String>,
    pub prompt: Option<String>,
    pub image_url: Option<String>,
    pub duration: Option<String>,
    pub resolution: Option<String>,
}

/// What one look at a task brought. Codes and messages are as in [`crate::kie::Outcome`].
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    /// The API's record of the task.
    Record(Box<TaskRecord>),
    /// The API says that it has no record of it. Final only if it keeps saying so: it happens just after creation.
    Missing,
    /// Every look would fail the same way: stop looking.
    Barred {
        /// The API's code, or one of our words.
        code: String,
        /// The API's text, or ours.
        message: String,
        /// What the user has to do.
        remedy: Remedy,
    },
    /// Too many looks, or maintenance: all looks wait.
    Busy {
        /// The API's code, or one of our words.
        code: String,
        /// The API's text, or ours.
        message: String,
        /// The wait the server asked for. Unbounded: the caller decides what it obeys.
        retry_after: Option<Duration>,
    },
    /// This look brought nothing, and says nothing about the task: look again later.
    Nothing {
        /// The API's code, or one of our words.
        code: String,
        /// The API's text, or ours.
        message: String,
    },
}

/// What the answer to a look at `asked` means.
///
/// | answer | look |
/// | --- | --- |
/// | code 200, or 501 ("generation failed"), with the record asked for | `Record` |
/// | code 404, 422 | `Missing`: `Task not found`, `recordInfo is null` |
/// | 401, 402, 403 (also `1010`), 407, 433, 505, a redirect, a certificate | `Barred` |
/// | 429, 455, 500 that says maintenance or paused | `Busy` |
/// | anything else | `Nothing` |
///
/// A 404 without the API's envelope is a wrong address, not a missing task. A 400 says that `taskId` is missing, and we
/// always send one: something on the way has dropped it. Either would otherwise fail every task of a batch.
pub fn look_of(answer: &Answer, asked: &TaskId) -> Look {
    match reading_of(answer) {
        Reading::Said(envelope) => {
            let bad = |problem| nothing("bad_reply", &format!("{problem}: {}", head_of(answer)));
            record_in(&envelope, asked).unwrap_or_else(bad)
        }
        Reading::Refused(envelope) => refused(&envelope, asked),
        Reading::Page { code, message, .. } | Reading::Nothing { code, message } => Look::Nothing { code, message },
        Reading::Barred { code, message, remedy } => Look::Barred { code, message, remedy },
        Reading::Busy {
            code,
            message,
            retry_after,
        } => Look::Busy {
            code,
            message,
            retry_after,
        },
    }
}

fn refused(envelope: &Envelope<'_>, asked: &TaskId) -> Look {
    match (envelope.code, meaning_of(&envelope.text)) {
        // The text belongs to createTask. Here it cannot mean that the task is not there.
        (404 | 422, Some(Meaning::Model)) => nothing(&envelope.code.to_string(), &envelope.text),
        (404 | 422, _) => Look::Missing,
        // Callbacks put the records of failed tasks under this code; should a look do the same, the record is one.
        (501, _) => record_in(envelope, asked).unwrap_or_else(|_| nothing(&envelope.code.to_string(), &envelope.text)),
        (code, _) => nothing(&code.to_string(), &envelope.text),
    }
}

fn nothing(code: &str, message: &str) -> Look {
    Look::Nothing {
        code: code.to_owned(),
        message: cut(message),
    }
}

/// The record in an envelope's data, or what is wrong with it.
fn record_in(envelope: &Envelope<'_>, asked: &TaskId) -> Result<Look, &'static str> {
    let data: Fields = envelope.data().ok_or("code 200 without a record")?;
    if data.text("taskId").as_deref() != Some(asked.as_str()) {
        return Err("the record of another task");
    }
    let state = data.text("state").ok_or("a record without a state")?;
    Ok(Look::Record(Box::new(TaskRecord {
        task_id: asked.clone(),
        model: data.text("model").unwrap_or_default(),
        state: TaskState::of(&state),
        result_urls: result_urls(&data),
        fail_code: data.text("failCode").map(|code| cut_to(&code, WORD_CHARACTERS)),
        fail_message: data.text("failMsg").map(|message| cut(&message)),
        credits: credits(&data),
        created_at: moment(&data, "createTime"),
        completed_at: moment(&data, "completeTime"),
        request: echoed(&data),
    })))
}

fn result_urls(data: &Fields) -> Vec<String> {
    let result = data.object("resultJson").unwrap_or_default();
    let urls = result.strings("resultUrls");
    urls.iter().filter_map(|url| web_link(url)).take(MOST_URLS).collect()
}

/// `creditsConsumed` since 2026, `consumeCredits` before.
fn credits(data: &Fields) -> Option<f64> {
    let credits: f64 = data
        .number("creditsConsumed")
        .or_else(|| data.number("consumeCredits"))?;
    (credits.is_finite() && credits >= 0.0).then_some(credits)
}

/// Milliseconds since 1970; 0 and less stand for "not yet".
fn moment(data: &Fields, name: &str) -> Option<UnixMillis> {
    data.number(name).filter(|millis| *millis > 0).map(UnixMillis)
}

/// `param` is JSON in a string, and `input` in it is JSON in a string again.
fn echoed(data: &Fields) -> EchoedRequest {
    let param = data.object("param").unwrap_or_default();
    let input = param.object("input").unwrap_or_default();
    EchoedRequest {
        model: param.text("model"),
        callback_url: param.text("callBackUrl"),
        prompt: input.text("prompt"),
        image_url: input.text("image_url"),
        duration: input.text("duration"),
        resolution: input.text("resolution"),
    }
}

impl Look {
    /// The same with `clean` applied to every text of the server's in it.
    pub(super) fn cleaned(self, clean: impl Fn(String) -> String) -> Look {
        match self {
            Look::Record(record) => Look::Record(Box::new(record.cleaned(clean))),
            Look::Missing => Look::Missing,
            Look::Barred { code, message, remedy } => Look::Barred {
                code,
                message: clean(message),
                remedy,
            },
            Look::Busy {
                code,
                message,
                retry_after,
            } => Look::Busy {
                code,
                message: clean(message),
                retry_after,
            },
            Look::Nothing { code, message } => Look::Nothing {
                code,
                message: clean(message),
            },
        }
    }
}

impl TaskRecord {
    fn cleaned(self, clean: impl Fn(String) -> String) -> TaskRecord {
        let state = match self.state {
            TaskState::Other(word) => TaskState::Other(clean(word)),
            known => known,
        };
        let EchoedRequest {
            model,
            callback_url,
            prompt,
            image_url,
            duration,
            resolution,
        } = self.request;
        TaskRecord {
            model: clean(self.model),
            state,
            result_urls: self.result_urls.into_iter().map(&clean).collect(),
            fail_code: self.fail_code.map(&clean),
            fail_message: self.fail_message.map(&clean),
            request: EchoedRequest {
                model: model.map(&clean),
                callback_url: callback_url.map(&clean),
                prompt: prompt.map(&clean),
                image_url: image_url.map(&clean),
                duration: duration.map(&clean),
                resolution: resolution.map(&clean),
            },
            ..self
        }
    }
}

#[cfg(test)]
mod tests;
