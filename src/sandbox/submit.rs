//! `POST /api/v1/jobs/createTask`.

use hyper::Request;
use hyper::body::Incoming;

use crate::clock::Wall;

use super::create_task::Submitted;
use super::reply::{Reply, reply_to};
use super::request::{key_fits, whole_body};
use super::routes::CREATE_TASK;
use super::server::Server;
use super::trouble::CallbackTrouble;
use super::uploads::{self, StoredFile};

/// Takes a request down, lets the account decide, and sees to the callback of its task.
pub(super) async fn create_task(server: &Server, request: Request<Incoming>) -> Reply {
    let key_fits = key_fits(server, &request);
    let body = match whole_body(request).await? {
        Ok(body) => body,
        Err(too_large) => return Ok(too_large.reply()),
    };
    let mut submitted = Submitted::read(&body);
    submitted.image_is_missing = is_missing(server, &submitted.image_url);
    let verdict = {
        let mut account = server.account();
        // Read under the lock, so that moments are in the order of arrival.
        let now = server.started.elapsed();
        account.arrive(now, Wall::System.now(), key_fits, &submitted)
    };
    let callback = match (verdict.task, &submitted.callback_url) {
        (Some(task), Some(url)) => server.callbacks.callback_of(task, url, verdict.callback),
        (Some(_) | None, _) => None,
    };
    drop((submitted, body));
    match callback {
        // Not scheduled: the answer waits for it.
        Some(callback) if verdict.callback == Some(CallbackTrouble::First) => callback.deliver(server).await,
        Some(callback) => server.callbacks.schedule(callback),
        None => {}
    }
    if !verdict.delay.is_zero() {
        tokio::time::sleep(verdict.delay).await;
    }
    reply_to(verdict, CREATE_TASK).await
}

/// Whether an image is said to be an upload of this sandbox and is none.
fn is_missing(server: &Server, image_url: &str) -> bool {
    let path = image_url.strip_prefix(&server.url);
    path.is_some_and(|path| path.starts_with(uploads::PATH) && StoredFile::read(path).is_none())
}
