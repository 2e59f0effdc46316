//! Questions: requests that create nothing and cost nothing, so that they may be asked again (looks, links, the balance,
//! uploads).
//!
//! Their answers are read by the same table as createTask's, [`outcome_of`]: what halts a batch bars every question, and
//! what pauses everyone keeps questions waiting. Only the exceptions are here. What a refusal or a success means is for
//! each question's own file to say.

use std::time::Duration;

use crate::kie::envelope::Envelope;
use crate::kie::outcome::{Answer, Effect, Outcome, Remedy, outcome_of};
use crate::kie::texts::{Meaning, meaning_of};

/// What came of a question, whichever it was.
pub(super) enum Reading<'a> {
    /// Code 200: the answer is in the envelope's data.
    Said(Envelope<'a>),
    /// The API says no to this question; others may fare better.
    Refused(Envelope<'a>),
    /// Somebody on the way answered, without the API's envelope and not for everyone: a gateway, a wrong address.
    Page { status: u16, code: String, message: String },
    /// Every question would fail the same way.
    Barred {
        code: String,
        message: String,
        remedy: Remedy,
    },
    /// Too many questions, or maintenance.
    Busy {
        code: String,
        message: String,
        retry_after: Option<Duration>,
    },
    /// No answer, or trouble of the API's own.
    Nothing { code: String, message: String },
}

/// What came of a question.
pub(super) fn reading_of(answer: &Answer) -> Reading<'_> {
    let reply = match answer {
        Answer::Reply(reply) => Some(reply),
        Answer::NotSent { .. } | Answer::Barred { .. } | Answer::Lost { .. } => None,
    };
    let envelope = reply.and_then(|reply| Envelope::read(&reply.body));
    let meant = |envelope: &Envelope<'_>| match (envelope.code, meaning_of(&envelope.text)) {
        // A switched-off model takes no new tasks; those it has are worth waiting for.
        (500, Some(Meaning::Paused)) => Some(Effect::Maintenance),
        // No question names a model: whatever that text means here, it is about this one question.
        (404 | 422, Some(Meaning::Model)) => Some(Effect::None),
        _ => None,
    };
    let Outcome {
        effect,
        code,
        message,
        retry_after,
        ..
    } = outcome_of(answer);
    let effect = envelope.as_ref().and_then(meant).unwrap_or(effect);
    match (envelope, reply, effect) {
        (Some(envelope), ..) if envelope.code == 200 => Reading::Said(envelope),
        (_, _, Effect::Halt(remedy)) => Reading::Barred { code, message, remedy },
        (_, _, Effect::RateLimited | Effect::Maintenance) => Reading::Busy {
            code,
            message,
            retry_after,
        },
        (Some(envelope), _, Effect::None) => Reading::Refused(envelope),
        (None, Some(reply), Effect::None | Effect::Trouble) => Reading::Page {
            status: reply.status,
            code,
            message,
        },
        (Some(_), _, Effect::Trouble) | (None, None, _) => Reading::Nothing { code, message },
    }
}
