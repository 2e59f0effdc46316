//! One request over the wire, and the whole of its reply or what came of it.

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{RequestBuilder, Response};

use super::failures::{answer_of_error, lost_by};
use crate::kie::outcome::{Answer, Lost, Reply};
use crate::web::header;

/// Largest reply we read, in bytes. Replies of the API have a few hundred; this bounds memory against anything else.
pub const MAX_REPLY_BYTES: usize = 1024 * 1024;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// `request` with a JSON body.
pub(super) fn json(request: RequestBuilder, body: Vec<u8>) -> RequestBuilder {
    request.header(CONTENT_TYPE, JSON).body(body)
}

/// Sends `request` once. Every way this can end is an [`Answer`].
pub(super) async fn exchange(request: RequestBuilder) -> Answer {
    match request.header(ACCEPT, JSON).send().await {
        Ok(response) => whole(response).await,
        Err(error) => answer_of_error(&error.without_url()),
    }
}

/// Reads a reply to its end.
async fn whole(mut response: Response) -> Answer {
    let status = response.status().as_u16();
    let retry_after = header::wait(response.headers());
    let mut body = Vec::new();
    let lost = loop {
        match response.chunk().await {
            Ok(None) => break None,
            Ok(Some(chunk)) => {
                let room = MAX_REPLY_BYTES - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    let reason = format!("a reply of more than {MAX_REPLY_BYTES} bytes");
                    break Some((Lost::Broken, reason));
                }
            }
            Err(error) => break Some(lost_by(&error.without_url())),
        }
    };
    let reply = Reply {
        status,
        body,
        retry_after,
    };
    match lost {
        None => Answer::Reply(reply),
        Some((kind, reason)) => reply.cut_short(kind, &reason),
    }
}
