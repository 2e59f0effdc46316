//! Why a callback is not taken, and what its caller is told.

use axum::http::StatusCode;

use crate::kie::signature::SignatureError;

/// Why a callback is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// Nothing is at this path.
    NoSuchPath,
    /// Only POST is taken.
    NotAPost,
    /// The URL bears nothing that could be a token.
    NoToken,
    /// No request of ours bears the token.
    NoSuchRequest,
    /// The body has more than [`super::LARGEST_BODY`] bytes.
    TooLarge,
    /// The body took longer than [`super::BODY_TIMEOUT`].
    TooSlow,
    /// The body broke off.
    Cut,
    /// The body is no JSON that names a task.
    NoTask,
    /// There is a webhook key, and the call has no signature.
    NotSigned,
    /// There is a webhook key, and the call is signed with another.
    Forged,
    /// The signature is right, and the time stamp too far from now.
    OutOfTime,
    /// The ledger could not take it.
    NotRecorded,
    /// The run is over, and its ledger closed.
    Closed,
}

impl Refusal {
    /// The HTTP status, and the envelope's `code`.
    pub(super) fn status(self) -> StatusCode {
        match self {
            // One answer for all: whoever guesses tokens learns nothing.
            Refusal::NoSuchPath | Refusal::NoToken | Refusal::NoSuchRequest => StatusCode::NOT_FOUND,
            Refusal::NotAPost => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Refusal::Cut | Refusal::NoTask | Refusal::OutOfTime => StatusCode::BAD_REQUEST,
            Refusal::NotSigned | Refusal::Forged => StatusCode::UNAUTHORIZED,
            // The ones that ask for another call.
            Refusal::NotRecorded | Refusal::Closed => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The envelope's `msg`: fixed words, nothing of the request.
    pub(super) fn message(self) -> &'static str {
        match self {
            Refusal::NoSuchPath | Refusal::NoToken | Refusal::NoSuchRequest => "nothing is here",
            Refusal::NotAPost => "callbacks come by POST",
            Refusal::TooLarge => "the body is too large",
            Refusal::TooSlow => "the body came too slowly",
            Refusal::Cut => "the body broke off",
            Refusal::NoTask => "the body names no task",
            Refusal::NotSigned => "the call is not signed",
            Refusal::Forged => "the signature is wrong",
            Refusal::OutOfTime => "the time stamp is too far from now",
            Refusal::NotRecorded | Refusal::Closed => "the callback could not be recorded; send it again",
        }
    }

    /// What the user should know; `None` for what every server on the internet gets all day.
    pub(super) fn for_user(self) -> Option<&'static str> {
        match self {
            Refusal::NoSuchPath
            | Refusal::NotAPost
            | Refusal::NoToken
            | Refusal::TooSlow
            | Refusal::Cut
            | Refusal::Closed => None,
            Refusal::NoSuchRequest => Some("no request in this ledger bears the token"),
            Refusal::TooLarge => Some("the body was too large"),
            Refusal::NoTask => Some("the body names no task"),
            Refusal::NotSigned => Some("no signature, and a webhook key is set"),
            Refusal::Forged => Some("not signed with this webhook key"),
            Refusal::OutOfTime => Some("the time stamp is too far from this machine's clock"),
            Refusal::NotRecorded => Some("the ledger failed"),
        }
    }
}

impl From<SignatureError> for Refusal {
    fn from(error: SignatureError) -> Refusal {
        match error {
            SignatureError::NoTimestamp | SignatureError::NoSignature => Refusal::NotSigned,
            SignatureError::BadTimestamp | SignatureError::Mismatch => Refusal::Forged,
            SignatureError::NoTaskId => Refusal::NoTask,
            SignatureError::OutsideWindow { .. } => Refusal::OutOfTime,
        }
    }
}
