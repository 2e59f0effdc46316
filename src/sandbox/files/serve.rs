//! `GET /files/…` and `POST /api/v1/common/download-url`.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_RANGES, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HOST, HeaderName, HeaderValue,
    IF_RANGE, LOCATION, RANGE,
};
use hyper::{Method, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::byte_range::{Part, part_of};
use crate::clock::{UnixMillis, Wall};
use crate::sandbox::body::{PlayedBody, ReplyBody, Step};
use crate::sandbox::faults::{NO_ACCESS, NOT_FOUND, Refusal};
use crate::sandbox::reply::{Reply, envelope, html, whole};
use crate::sandbox::request::{key_fits, whole_body};
use crate::sandbox::server::Server;
use crate::sandbox::task::{Phase, Task, TaskId};
use crate::sandbox::trouble::FileTrouble;

use super::clip::file_of;
use super::link::Link;

/// Where the files are.
pub(in crate::sandbox) const PATH: &str = "/files/";

/// Media are kept for 14 days (the API's "Getting Started" page).
const KEPT: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Cut transfers that are remembered, so that the next one of the file is whole.
const MOST_CUTS: usize = 100_000;

/// How often a file that never ends sends another byte.
const DRIP: Duration = Duration::from_millis(250);

/// Pieces a second in which a file of limited speed is sent.
const PIECES_PER_SECOND: u64 = 10;

/// A URL that is not one of ours.
const WRONG_URL: Refusal = Refusal {
    code: 422,
    text: "url is wrong",
};

/// What the file host saw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileBooks {
    /// Requests for files.
    pub requests: u64,
    /// Of them, those with an `Authorization` header: a client must not show its key to a file host.
    pub with_key: u64,
    /// Answers with a whole file or the part that was asked for.
    pub served: u64,
    /// Bytes of files that answers held: those that were broken off with what they brought, and those that the client left
    /// with all that was on its way.
    pub bytes: u64,
    /// Fresh links that download-url gave.
    pub fresh_links: u64,
}

/// What is kept of the files.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct Files {
    pub(in crate::sandbox) books: FileBooks,
    cut: HashSet<TaskId>,
    cut_in_order: VecDeque<TaskId>,
}

impl Files {
    /// Whether this is the first transfer of a file that is to be cut.
    fn is_first_cut(&mut self, id: TaskId) -> bool {
        if !self.cut.insert(id) {
            return false;
        }
        self.cut_in_order.push_back(id);
        if self.cut_in_order.len() > MOST_CUTS
            && let Some(oldest) = self.cut_in_order.pop_front()
        {
            self.cut.remove(&oldest);
        }
        true
    }
}

/// Answers a request for a file.
pub(in crate::sandbox) fn serve(server: &Server, request: &Request<Incoming>) -> Reply {
    let headers = request.headers();
    {
        let mut account = server.account();
        account.files.books.requests += 1;
        account.files.books.with_key += u64::from(headers.contains_key(AUTHORIZATION));
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Ok(page(StatusCode::METHOD_NOT_ALLOWED));
    }
    let url = request.uri().path_and_query().map_or("", |path| path.as_str());
    let link = match judge(Link::read(url), Wall::System.now()) {
        Ok(link) => link,
        Err(status) => return Ok(page(status)),
    };
    let text_of = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let file = file_of(link.task.id);
    let etag = format!("\"{}\"", link.task.id);
    match link.task.file {
        FileTrouble::Html => return Ok(page(StatusCode::OK)),
        FileTrouble::Endless => {
            let half = file.slice(..file.len() / 2);
            let steps = [Step::Data(half), Step::Drip(Bytes::from_static(b"\0"), DRIP)];
            return Ok(video(
                StatusCode::OK,
                &etag,
                Either::Right(PlayedBody::new(None, steps)),
            ));
        }
        FileTrouble::Elsewhere if !text_of(HOST).is_some_and(|host| host.starts_with("localhost")) => {
            return Ok(elsewhere(&format!("{}{url}", server.other_url())));
        }
        FileTrouble::None
        | FileTrouble::Gone
        | FileTrouble::Expired
        | FileTrouble::Cut
        | FileTrouble::WrongLength
        | FileTrouble::Elsewhere => {}
    }
    let length = file.len();
    let (status, part, content_range) = match part_of(text_of(RANGE), text_of(IF_RANGE), &etag, length as u64) {
        Part::Whole => (StatusCode::OK, Some(file), None),
        Part::Some(range) => {
            let told = format!("bytes {}-{}/{length}", range.start, range.end - 1);
            let [start, end] = [range.start, range.end].map(|at| usize::try_from(at).unwrap_or(length));
            (StatusCode::PARTIAL_CONTENT, Some(file.slice(start..end)), Some(told))
        }
        Part::Unsatisfiable => (
            StatusCode::RANGE_NOT_SATISFIABLE,
            None,
            Some(format!("bytes */{length}")),
        ),
    };
    let length = part.as_ref().map_or(0, Bytes::len);
    let body = match part {
        Some(part) if request.method() == Method::GET => body_of(server, &link.task, part),
        Some(_) | None => Either::Left(Full::default()),
    };
    let mut response = video(status, &etag, body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, length.into());
    if let Some(Ok(value)) = content_range.map(|told| HeaderValue::from_str(&told)) {
        headers.insert(CONTENT_RANGE, value);
    }
    Ok(response)
}

/// Whether a link leads to a file now, or with which status it is refused.
fn judge(link: Option<Link>, now: UnixMillis) -> Result<Link, StatusCode> {
    let link = link.ok_or(StatusCode::FORBIDDEN)?;
    if !is_there(&link.task, now) {
        return Err(StatusCode::NOT_FOUND);
    }
    let is_refused = link.task.file == FileTrouble::Gone && !link.fresh;
    if is_refused || now.0 / 1_000 >= link.expires {
        return Err(StatusCode::FORBIDDEN);
    }
    Ok(link)
}

/// Whether a task has a file, and still has it.
fn is_there(task: &Task, now: UnixMillis) -> bool {
    let has_file = task.ending.is_video() && task.phase(now) == Phase::Over && task.file != FileTrouble::Expired;
    let age = task.completed().map(|completed| now.millis_since(completed));
    has_file && age.is_some_and(|millis| Duration::from_millis(millis) < KEPT)
}

fn body_of(server: &Server, task: &Task, part: Bytes) -> ReplyBody {
    let cut_at = |length: usize| {
        server.account().files.books.bytes += length as u64;
        Either::Right(PlayedBody::cut(&part, length))
    };
    match task.file {
        FileTrouble::Cut if server.account().files.is_first_cut(task.id) => return cut_at(part.len() / 2),
        FileTrouble::WrongLength => return cut_at(part.len().saturating_sub(1)),
        FileTrouble::None
        | FileTrouble::Gone
        | FileTrouble::Expired
        | FileTrouble::Cut
        | FileTrouble::Html
        | FileTrouble::Endless
        | FileTrouble::Elsewhere => {}
    }
    {
        let books = &mut server.account().files.books;
        books.served += 1;
        books.bytes += part.len() as u64;
    }
    let Some(speed) = server.file_speed else {
        return Either::Left(Full::new(part));
    };
    let piece = usize::try_from(speed.get().div_ceil(PIECES_PER_SECOND)).unwrap_or(usize::MAX);
    let starts = (0..part.len()).step_by(piece);
    let pieces = starts.map(|start| part.slice(start..start.saturating_add(piece).min(part.len())));
    let pause = Duration::from_millis(1_000 / PIECES_PER_SECOND);
    let steps: Vec<Step> = pieces
        .flat_map(|piece| [Step::Pause(pause), Step::Data(piece)])
        .collect();
    Either::Right(PlayedBody::new(Some(part.len()), steps))
}

fn video(status: StatusCode, etag: &str, body: ReplyBody) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(etag) = HeaderValue::from_str(etag) {
        headers.insert(ETAG, etag);
    }
    response
}

/// A page of the file host, which speaks HTML.
fn page(status: StatusCode) -> Response<ReplyBody> {
    let reason = status.canonical_reason().unwrap_or("Error");
    let title = match status {
        StatusCode::OK => "The service is busy".to_owned(),
        status => format!("{}: {reason}", status.as_u16()),
    };
    whole(
        status,
        HeaderValue::from_static("text/html; charset=UTF-8"),
        html(&title),
    )
}

fn elsewhere(url: &str) -> Response<ReplyBody> {
    let mut response = page(StatusCode::FOUND);
    if let Ok(location) = HeaderValue::from_str(url) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// Answers `{"url": …}` with a fresh link to the same file.
pub(in crate::sandbox) async fn download_url(server: &Server, request: Request<Incoming>) -> Reply {
    #[derive(Deserialize)]
    struct Asked {
        url: String,
    }
    if !key_fits(server, &request) {
        return Ok(server.refuse(NO_ACCESS));
    }
    let body = match whole_body(request).await? {
        Ok(body) => body,
        Err(too_large) => return Ok(too_large.reply()),
    };
    let now = Wall::System.now();
    let asked = serde_json::from_slice::<Asked>(&body).ok();
    let Some(link) = asked.and_then(|asked| Link::read(&asked.url)) else {
        return Ok(server.refuse(WRONG_URL));
    };
    if !is_there(&link.task, now) {
        return Ok(server.refuse(NOT_FOUND));
    }
    server.account().files.books.fresh_links += 1;
    let url = format!("{}{}", server.url, Link::fresh(link.task, now).path());
    Ok(envelope(200, "success", &json!(url), StatusCode::OK))
}

#[cfg(test)]
mod tests {
    use crate::sandbox::trouble::Ending;

    use super::*;

    const BEGIN: i64 = 1_790_000_000_000;

    fn task(ending: Ending, file: FileTrouble) -> Task {
        Task::new(UnixMillis(BEGIN), Duration::from_secs(10), 30, ending, file)
    }

    /// What a request finds so many seconds after the task's beginning.
    fn found(link: Link, second: i64) -> u16 {
        judge(Some(link), UnixMillis(BEGIN + second * 1_000)).map_or_else(|status| status.as_u16(), |_| 200)
    }

    #[test]
    fn a_link_lives_as_long_as_it_says_and_a_file_two_weeks() {
        const DAY: i64 = 24 * 60 * 60;
        let video = task(Ending::Video, FileTrouble::None);
        let life = Duration::from_secs(24 * 60 * 60);
        let link = Link::in_record(video, life);
        for (second, status) in [
            (9, 404),
            (10, 200),
            (DAY + 9, 200),
            (DAY + 10, 403),
            (14 * DAY + 10, 404),
        ] {
            assert_eq!(found(link, second), status, "after {second} s");
        }
        let late = Link::fresh(video, UnixMillis(BEGIN + 13 * DAY * 1_000));
        for (second, status) in [(13 * DAY, 200), (13 * DAY + 1_199, 200), (13 * DAY + 1_200, 403)] {
            assert_eq!(found(late, second), status, "after {second} s");
        }
        assert_eq!(judge(None, UnixMillis(BEGIN)), Err(StatusCode::FORBIDDEN));
    }

    #[test]
    fn only_a_video_has_a_file() {
        let life = Duration::from_secs(60);
        for (ending, status) in [
            (Ending::OddState, 200),
            (Ending::LateRecord, 200),
            (Ending::NO_IMAGE, 404),
            (Ending::NoUrl, 404),
            (Ending::Never, 404),
            (Ending::NoRecord, 404),
        ] {
            assert_eq!(
                found(Link::in_record(task(ending, FileTrouble::None), life), 20),
                status,
                "{ending:?}"
            );
        }
    }

    #[test]
    fn a_gone_file_has_a_fresh_link_and_an_expired_one_has_none() {
        let life = Duration::from_secs(60);
        for (file, in_record, fresh) in [(FileTrouble::Gone, 403, 200), (FileTrouble::Expired, 404, 404)] {
            let task = task(Ending::Video, file);
            assert_eq!(found(Link::in_record(task, life), 20), in_record);
            assert_eq!(found(Link::fresh(task, UnixMillis(BEGIN + 20_000)), 20), fresh);
        }
    }

    #[test]
    fn only_the_first_transfer_is_cut() {
        let mut files = Files::default();
        let (one, other) = (
            task(Ending::Video, FileTrouble::Cut).id,
            task(Ending::Video, FileTrouble::Cut).id,
        );
        assert!(files.is_first_cut(one) && files.is_first_cut(other));
        assert!(!files.is_first_cut(one) && !files.is_first_cut(other));
    }
}
