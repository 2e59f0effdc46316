//! What every endpoint asks of a request: its key and its whole body.

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::AUTHORIZATION;
use hyper::{Request, Response};

use super::body::ReplyBody;
use super::reply::{Hangup, refusal};
use super::server::Server;

/// Largest request body. A createTask body with the longest prompt, all of it escaped, has about 60 kB.
const LARGEST_BODY_BYTES: usize = 1 << 20;

pub(super) fn key_fits(server: &Server, request: &Request<Incoming>) -> bool {
    let authorization = request.headers().get(AUTHORIZATION);
    server.key.admits(authorization.and_then(|value| value.to_str().ok()))
}

#[derive(Debug, thiserror::Error)]
#[error("the request body has more than {LARGEST_BODY_BYTES} bytes")]
pub(super) struct TooLarge;

impl TooLarge {
    pub(super) fn reply(&self) -> Response<ReplyBody> {
        refusal(413, &self.to_string(), true)
    }
}

/// The body, or what is wrong with it. A client that leaves in mid-body has not arrived: the connection just ends.
pub(super) async fn whole_body(request: Request<Incoming>) -> Result<Result<Bytes, TooLarge>, Hangup> {
    // Told at once: a client that announces too much may wait for leave to send it.
    if request.body().size_hint().lower() > LARGEST_BODY_BYTES as u64 {
        return Ok(Err(TooLarge));
    }
    let limited = Limited::new(request.into_body(), LARGEST_BODY_BYTES);
    match limited.collect().await {
        Ok(body) => Ok(Ok(body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Ok(Err(TooLarge)),
        Err(_) => Err(Hangup::Close),
    }
}
