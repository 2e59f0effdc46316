//! How an answer looks on the wire, whole or broken.

use std::fmt;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, SERVER};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::account::{Answer, Verdict};
use super::body::{PlayedBody, ReplyBody};
use super::faults::{Fault, FaultKind};

/// The content type of every reply of the API.
const ENVELOPE: HeaderValue = HeaderValue::from_static("application/json;charset=UTF-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=UTF-8");

/// A reply, or the end of the connection without one.
pub(super) type Reply = Result<Response<ReplyBody>, Hangup>;

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
    // The recorded replies carry the task id a second time, as `recordId`.
    let data = verdict.task.map(|task| {
        let id = task.id.to_string();
        json!({"taskId": id, "recordId": id})
    });
    let proper = envelope_text(200, "success", &json!(data));
    match verdict.answer {
        Answer::Refused { code, text, .. } => Ok(refusal(code, &text, in_status)),
        Answer::Accepted => Ok(success(proper)),
        Answer::Fault(fault) => broken(&fault, proper, in_status, path).await,
    }
}

/// Plays a fault in the place of the proper answer, whose body is given.
pub(super) async fn broken(fault: &Fault, proper: String, in_status: bool, path: &str) -> Reply {
    let mut response = match fault.kind {
        FaultKind::Refuse(why) => refusal(why.code, why.text, in_status),
        FaultKind::Slow(longer) => {
            tokio::time::sleep(longer).await;
            success(proper)
        }
        FaultKind::Cut => cut(proper),
        FaultKind::NoId => envelope(200, "success", &json!({}), StatusCode::OK),
        FaultKind::Page(status) => page(status),
        FaultKind::Empty => whole(StatusCode::OK, ENVELOPE, Bytes::new()),
        FaultKind::Garbage => whole(StatusCode::OK, HTML, html("Just a moment...")),
        FaultKind::Redirect => redirect(path),
        FaultKind::Hang => std::future::pending().await,
        FaultKind::Reset => return Err(Hangup::Reset),
        FaultKind::Close => return Err(Hangup::Close),
    };
    add_retry_after(&mut response, fault);
    Ok(response)
}

/// Adds the `Retry-After` that a fault brings.
pub(super) fn add_retry_after(response: &mut Response<ReplyBody>, fault: &Fault) {
    let retry_after = fault.retry_after.as_deref().map(HeaderValue::from_str);
    if let Some(Ok(value)) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, value);
    }
}

/// The API's envelope with an HTTP status of its own.
pub(super) fn envelope(code: u16, msg: &str, data: &Value, status: StatusCode) -> Response<ReplyBody> {
    whole(status, ENVELOPE, envelope_text(code, msg, data).into())
}

/// The text of the API's envelope.
pub(super) fn envelope_text(code: u16, msg: &str, data: &Value) -> String {
    json!({"code": code, "msg": msg, "data": data}).to_string()
}

/// A proper answer with this text.
pub(super) fn success(text: String) -> Response<ReplyBody> {
    whole(StatusCode::OK, ENVELOPE, text.into())
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

/// A page with one line on it.
pub(super) fn html(title: &str) -> Bytes {
    format!("<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n").into()
}

fn redirect(path: &str) -> Response<ReplyBody> {
    let location = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    let body = Either::Left(Full::default());
    with_header(StatusCode::TEMPORARY_REDIRECT, LOCATION, location, body)
}

/// Half of the answer, under the length of the whole.
fn cut(proper: String) -> Response<ReplyBody> {
    let text = Bytes::from(proper);
    let body = PlayedBody::cut(&text, text.len() / 2);
    with_header(StatusCode::OK, CONTENT_TYPE, ENVELOPE, Either::Right(body))
}

fn with_header(status: StatusCode, name: HeaderName, value: HeaderValue, body: ReplyBody) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(name, value);
    response
}
