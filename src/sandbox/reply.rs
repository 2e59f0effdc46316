//! How an answer looks on the wire, whole or broken.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, SERVER};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::account::{Answer, Verdict};
use super::billing::TaskNumber;
use super::faults::{Fault, FaultKind};

/// The content type of every reply of the API.
const ENVELOPE: HeaderValue = HeaderValue::from_static("application/json;charset=UTF-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=UTF-8");

/// A reply, or the end of the connection without one.
pub(super) type Reply = Result<Response<ReplyBody>, Hangup>;

/// A whole body, or one that breaks off.
pub(super) type ReplyBody = Either<Full<Bytes>, CutBody>;

/// How a connection ends without a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hangup {
    /// In an orderly way (FIN).
    Close,
    /// By a reset (RST).
    Reset,
}

impl fmt::Display for Hangup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the sandbox hangs up on purpose")
    }
}

impl std::error::Error for Hangup {}

/// Puts a verdict on the wire. `path` is where the request went.
pub(super) async fn reply_to(verdict: Verdict, path: &str) -> Reply {
    let in_status = verdict.error_in_status;
    match (verdict.answer, verdict.task) {
        (Answer::Refused { code, text, .. }, _) => Ok(refusal(code, &text, in_status)),
        (Answer::Accepted, Some(task)) => Ok(accepted(task)),
        (Answer::Fault(fault), task) => broken(&fault, task, in_status, path).await,
        (Answer::Accepted, None) => unreachable!("an accepted request has a task"),
    }
}

async fn broken(fault: &Fault, task: Option<TaskNumber>, in_status: bool, path: &str) -> Reply {
    let mut response = match (fault.kind, task) {
        (FaultKind::Refuse(why), _) => refusal(why.code, why.text, in_status),
        (FaultKind::Slow(_), Some(task)) => accepted(task),
        (FaultKind::Cut, Some(task)) => cut(task),
        (FaultKind::NoId, _) => envelope(200, "success", &json!({}), StatusCode::OK),
        (FaultKind::Page(status), _) => page(status),
        (FaultKind::Empty, _) => whole(StatusCode::OK, ENVELOPE, Bytes::new()),
        (FaultKind::Garbage, _) => whole(StatusCode::OK, HTML, html("Just a moment...")),
        (FaultKind::Redirect, _) => redirect(path),
        (FaultKind::Hang, _) => std::future::pending().await,
        (FaultKind::Reset, _) => return Err(Hangup::Reset),
        (FaultKind::Close, _) => return Err(Hangup::Close),
        (FaultKind::Slow(_) | FaultKind::Cut, None) => unreachable!("{fault} is only played once a task is billed"),
    };
    let retry_after = fault.retry_after.as_deref().map(HeaderValue::from_str);
    if let Some(Ok(value)) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, value);
    }
    Ok(response)
}

/// The API's envelope with an HTTP status of its own.
pub(super) fn envelope(code: u16, msg: &str, data: &Value, status: StatusCode) -> Response<ReplyBody> {
    let body = json!({"code": code, "msg": msg, "data": data}).to_string();
    whole(status, ENVELOPE, body.into())
}

/// An error in the envelope; `in_status` puts its code into the HTTP status too.
pub(super) fn refusal(code: u16, text: &str, in_status: bool) -> Response<ReplyBody> {
    let status = if in_status {
        StatusCode::from_u16(code).ok()
    } else {
        None
    };
    envelope(code, text, &Value::Null, status.unwrap_or(StatusCode::OK))
}

/// A reply that arrives in one piece.
pub(super) fn whole(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response<ReplyBody> {
    with_header(status, CONTENT_TYPE, content_type, Either::Left(Full::new(body)))
}

fn accepted(task: TaskNumber) -> Response<ReplyBody> {
    whole(StatusCode::OK, ENVELOPE, success_text(task).into())
}

/// The recorded replies carry the task id a second time, as `recordId`.
fn success_text(task: TaskNumber) -> String {
    format!(r#"{{"code":200,"msg":"success","data":{{"taskId":"{task}","recordId":"{task}"}}}}"#)
}

/// A proxy's page. Cloudflare refuses a client it dislikes with 403 and plain text.
fn page(status: u16) -> Response<ReplyBody> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = if status == StatusCode::FORBIDDEN {
        let plain = HeaderValue::from_static("text/plain; charset=UTF-8");
        whole(status, plain, Bytes::from_static(b"error code: 1010"))
    } else {
        let reason = status.canonical_reason().unwrap_or("A timeout occurred");
        whole(status, HTML, html(&format!("{}: {reason}", status.as_u16())))
    };
    response
        .headers_mut()
        .insert(SERVER, HeaderValue::from_static("cloudflare"));
    response
}

fn html(title: &str) -> Bytes {
    format!("<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n").into()
}

fn redirect(path: &str) -> Response<ReplyBody> {
    let location = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    let body = Either::Left(Full::default());
    with_header(StatusCode::TEMPORARY_REDIRECT, LOCATION, location, body)
}

/// Half of the success, under the length of the whole.
fn cut(task: TaskNumber) -> Response<ReplyBody> {
    let text = Bytes::from(success_text(task));
    let body = CutBody {
        promised: text.len(),
        first_half: Some(text.slice(..text.len() / 2)),
        flushed: false,
    };
    with_header(StatusCode::OK, CONTENT_TYPE, ENVELOPE, Either::Right(body))
}

fn with_header(status: StatusCode, name: HeaderName, value: HeaderValue, body: ReplyBody) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(name, value);
    response
}

/// A body that promises more than it gives.
#[derive(Debug)]
pub(super) struct CutBody {
    promised: usize,
    first_half: Option<Bytes>,
    flushed: bool,
}

impl Body for CutBody {
    type Data = Bytes;
    type Error = Hangup;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(half) = self.first_half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        // The server writes out what it has when the body makes it wait, and throws it away when the body fails.
        if !self.flushed {
            self.flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(Hangup::Close)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.promised as u64)
    }
}
