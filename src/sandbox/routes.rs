//! Which request goes where.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;

use super::body::ReplyBody;
use super::faults::{NO_ACCESS, NOT_FOUND};
use super::files;
use super::polls::record_info;
use super::reply::{Reply, envelope};
use super::request::{TooLarge, key_fits, whole_body};
use super::server::Server;
use super::submit::create_task;
use super::{control, uploads};

pub(super) const CREATE_TASK: &str = "/api/v1/jobs/createTask";
pub(super) const RECORD_INFO: &str = "/api/v1/jobs/recordInfo";
pub(super) const UPLOAD: &str = "/api/file-stream-upload";
const CREDIT: &str = "/api/v1/chat/credit";
const DOWNLOAD_URL: &str = "/api/v1/common/download-url";

/// Answers one request.
pub(super) async fn answer(server: Arc<Server>, request: Request<Incoming>) -> Reply {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    match (method, path.as_str()) {
        (Method::POST, CREATE_TASK) => create_task(&server, request).await,
        (Method::GET, RECORD_INFO) => record_info(&server, request).await,
        (Method::GET, CREDIT) => Ok(credit(&server, &request)),
        (Method::POST, DOWNLOAD_URL) => files::download_url(&server, request).await,
        (_, UPLOAD) => uploads::file_stream_upload(&server, request).await,
        (_, path) if path.starts_with(files::PATH) => files::serve(&server, &request),
        (Method::GET | Method::HEAD, path) if path.starts_with(uploads::PATH) => Ok(uploads::show(&server, &request)),
        (Method::GET, "/sandbox/books") => Ok(control::books(&server.books())),
        (Method::GET, "/sandbox/requests") => {
            let arrivals = server.account().arrivals();
            Ok(control::requests(&arrivals))
        }
        (Method::POST, "/sandbox/top-up") => {
            let body = whole_body(request).await?;
            let credits = body
                .as_ref()
                .map_err(TooLarge::to_string)
                .and_then(control::credits_to_add);
            let balance = credits.map(|credits| control::balance(server.account().top_up(credits)));
            Ok(control::changed(balance))
        }
        (Method::POST, "/sandbox/faults") => {
            let body = whole_body(request).await?;
            let faults = body.as_ref().map_err(TooLarge::to_string).and_then(control::new_faults);
            let outcome = faults.map(|faults| {
                server.account().set_faults(faults);
                json!(null)
            });
            Ok(control::changed(outcome))
        }
        _ => Ok(server.refuse(NOT_FOUND)),
    }
}

fn credit(server: &Server, request: &Request<Incoming>) -> Response<ReplyBody> {
    if !key_fits(server, request) {
        return server.refuse(NO_ACCESS);
    }
    let balance = server.account().shown_balance();
    envelope(200, "success", &json!(balance), StatusCode::OK)
}
