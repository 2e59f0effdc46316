//! What there is on the page, and who answers.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH, LOCATION,
    REFERRER_POLICY, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use url::form_urlencoded;

use super::access::{Access, Refusal};
use super::answer::{self, HTML, JSON, sealed, sentence};
use super::board::{Board, blocking};
use super::media::{Media, OpenImage, file};
use super::places::Places;
use super::{Asset, Health, PageConfig, Renderer, Source, events, rows};
use crate::ledger::LedgerError;
use crate::server::Seat;

/// Longest body of a login, in bytes.
const LARGEST_LOGIN: usize = 4 * 1024;

/// For that body.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a wrong token waits for its answer: guessing is slow, whatever the tokens are.
const WRONG_TOKEN: Duration = Duration::from_millis(500);

/// Questions about rows that the ledger is asked at once, the report included: the run comes first.
const READERS: usize = 2;

/// How long a question waits for its turn.
const TURN: Duration = Duration::from_secs(10);

/// When somebody may come again for whom there was no place, in seconds.
const COME_AGAIN: u32 = 5;

/// How long a look at the run's health is good.
const HEALTH_LASTS: Duration = Duration::from_secs(1);

/// One of the places on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route<'a> {
    Page,
    Asset(&'a str),
    Events,
    Rows,
    Row(u32),
    Image(u32),
    Video(u32),
    Report,
    Metrics,
    Health,
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Option<Route<'a>> {
        let path = path.strip_prefix('/')?;
        let mut parts = path.split('/');
        let route = match (parts.next()?, parts.next(), parts.next()) {
            ("", None, None) => Route::Page,
            ("assets", Some(name), None) => Route::Asset(name),
            ("events", None, None) => Route::Events,
            ("api", Some("rows"), None) => Route::Rows,
            ("api", Some("rows"), Some(row)) => Route::Row(number(row)?),
            ("media", Some(row), Some("image")) => Route::Image(number(row)?),
            ("media", Some(row), Some("video")) => Route::Video(number(row)?),
            ("report.html", None, None) => Route::Report,
            ("metrics", None, None) => Route::Metrics,
            ("healthz", None, None) => Route::Health,
            _ => return None,
        };
        parts.next().is_none().then_some(route)
    }

    /// Whether everybody who gets this far may have it: it tells nothing of the batch.
    fn is_open(self) -> bool {
        matches!(self, Route::Asset(_) | Route::Health)
    }

    /// Whether the answer is one for a script.
    fn is_api(self) -> bool {
        matches!(self, Route::Rows | Route::Row(_))
    }
}

/// A row's number as the page writes it: one row has one address.
fn number(text: &str) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Everything there is on the page.
pub(super) struct Routes {
    name: String,
    access: Access,
    places: Places,
    source: Arc<dyn Source>,
    renderer: Renderer,
    board: Arc<Board>,
    media: Media,
    health: Health,
    /// The last look at it.
    seen_health: Mutex<Option<(Instant, Result<(), String>)>>,
    readers: Arc<Semaphore>,
}

/// Serves `routes`, and gives what is not theirs to `rest`.
pub(super) fn router(routes: Arc<Routes>, rest: Router) -> Router {
    let rest = TowerToHyperService::new(rest);
    Router::new().fallback(move |request: Request| {
        let (routes, rest) = (Arc::clone(&routes), rest.clone());
        async move {
            if is_ours(&request) {
                return sealed(routes.answer(request).await);
            }
            match rest.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
    })
}

/// Refuses every request.
pub(super) fn nothing_else() -> Router {
    Router::new().fallback(|| async {
        let mut refusal = sentence(
            StatusCode::METHOD_NOT_ALLOWED,
            "this page is only looked at: it takes GET and HEAD",
            false,
        );
        refusal
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        sealed(refusal)
    })
}

/// Whether a request is to the page. A callback has a query, which no login has.
fn is_ours(request: &Request) -> bool {
    let uri = request.uri();
    match *request.method() {
        Method::GET | Method::HEAD => true,
        Method::POST => uri.path() == "/login" && uri.query().is_none(),
        _ => false,
    }
}

impl Routes {
    pub(super) fn new(
        config: PageConfig,
        renderer: Renderer,
        board: Arc<Board>,
        source: Arc<dyn Source>,
        health: Health,
        open_image: OpenImage,
    ) -> Routes {
        Routes {
            name: config.name,
            access: Access::new(config.access),
            places: Places::new(),
            media: Media::new(config.media, open_image),
            source,
            renderer,
            board,
            health,
            seen_health: Mutex::default(),
            readers: Arc::new(Semaphore::new(READERS)),
        }
    }

    /// The answer to a request to the page. Until somebody is let in the connection keeps its seat, and can be closed to
    /// make room: whoever may not look gets no place.
    async fn answer(&self, request: Request) -> Response {
        let is_login = *request.method() == Method::POST;
        let seat = request.extensions().get::<Seat>().cloned();
        let (head, body) = request.into_parts();
        let route = Route::of(head.uri.path());
        let is_api = route.is_some_and(Route::is_api);
        let refused = |refusal: Refusal| sentence(refusal.status, &refusal.text, is_api);
        if let Err(refusal) = self.access.judge_origin(&head) {
            return refused(refusal);
        }
        if is_login {
            return match self.access.judge_login(&head) {
                Ok(()) => self.log_in(&head.headers, body).await,
                Err(refusal) => refused(refusal),
            };
        }
        let Some(route) = route else {
            return sentence(StatusCode::NOT_FOUND, "there is nothing here", false);
        };
        if !route.is_open() {
            if !self.access.is_known(&head.headers) {
                return self.ask_for_token(route);
            }
            let Some(place) = self.places.take(route == Route::Events) else {
                let mut busy = sentence(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "too many are looking at this page now; come again in a moment",
                    is_api,
                );
                busy.headers_mut().insert(RETRY_AFTER, COME_AGAIN.into());
                return busy;
            };
            if let Some(seat) = seat {
                seat.vacate(place);
                if route == Route::Events {
                    seat.end_with_caller();
                }
            }
        }
        self.serve(route, &head).await
    }

    async fn serve(&self, route: Route<'_>, head: &Parts) -> Response {
        let is_head = head.method == Method::HEAD;
        match route {
            Route::Page => self.page().await,
            Route::Asset(name) => self.asset(name, head),
            Route::Events if is_head => events::head_of(().into_response()),
            Route::Events => events::stream(Arc::clone(&self.board)),
            Route::Rows => self.rows(head.uri.query().unwrap_or_default()).await,
            Route::Row(number) => self.row(number).await,
            Route::Image(number) => match self.story(number).await {
                Ok(story) => self.media.image(story.card.image, head).await,
                Err(failure) => failure,
            },
            Route::Video(number) => match self.story(number).await {
                Ok(story) => self.media.video(story.card.video, head).await,
                Err(failure) => failure,
            },
            Route::Report => self.report(is_head).await,
            Route::Metrics => match self.board.overview().await {
                Ok(overview) => answer::with_type(
                    "text/plain; version=0.0.4; charset=utf-8",
                    (self.renderer.metrics)(&overview),
                ),
                Err(error) => unreadable(&error, false),
            },
            Route::Health => self.health().await,
        }
    }

    async fn page(&self) -> Response {
        match self.board.overview().await {
            Ok(overview) => {
                let page = self.renderer.page;
                answer::with_type(HTML, blocking(move || page(&overview)).await)
            }
            Err(error) => unreadable(&error, false),
        }
    }

    fn asset(&self, name: &str, head: &Parts) -> Response {
        let Some(Asset { body, content_type }) = (self.renderer.asset)(name) else {
            return sentence(StatusCode::NOT_FOUND, "there is no such file", false);
        };
        // With its version in the address, another version has another address.
        let is_versioned = head.uri.query().is_some_and(|query| query.contains("v="));
        let caching = match is_versioned {
            true => "public, max-age=31536000, immutable",
            false => "no-cache",
        };
        let digest = Sha256::digest(body);
        let etag = format!(
            "\"{:x}\"",
            u64::from_be_bytes(digest[..8].try_into().unwrap_or_default())
        );
        let headers = [(CACHE_CONTROL, caching), (ETAG, etag.as_str())];
        match has_version(&head.headers, &etag) {
            true => (StatusCode::NOT_MODIFIED, headers).into_response(),
            false => (headers, answer::with_type(content_type, body)).into_response(),
        }
    }

    async fn rows(&self, query: &str) -> Response {
        let query = match rows::query_of(query) {
            Ok(query) => query,
            Err(wrong) => return sentence(StatusCode::BAD_REQUEST, &wrong, true),
        };
        let (source, board) = (Arc::clone(&self.source), Arc::clone(&self.board));
        let found = self.read(move || {
            let began = std::time::Instant::now();
            let page = source.rows(&query)?;
            board.note_rows_cost(began.elapsed());
            Ok(serde_json::to_string(&page).expect("rows are texts and numbers"))
        });
        match found.await {
            Ok(json) => answer::with_type(JSON, json),
            Err(failure) => failure.answer(true),
        }
    }

    async fn row(&self, number: u32) -> Response {
        let source = Arc::clone(&self.source);
        let found = self.read(move || {
            let story = source.row(number)?;
            Ok(story.map(|story| serde_json::to_string(&story).expect("rows are texts and numbers")))
        });
        match found.await {
            Ok(Some(json)) => answer::with_type(JSON, json),
            Ok(None) => no_such_row(true),
            Err(failure) => failure.answer(true),
        }
    }

    /// The row that a picture or a video is asked for.
    async fn story(&self, number: u32) -> Result<crate::view::RowStory, Response> {
        let source = Arc::clone(&self.source);
        match self.read(move || source.row(number)).await {
            Ok(Some(story)) => Ok(story),
            Ok(None) => Err(no_such_row(false)),
            Err(failure) => Err(failure.answer(false)),
        }
    }

    async fn report(&self, is_head: bool) -> Response {
        let write = Arc::clone(&self.renderer.report);
        let (file, length) = match self.read(move || Ok(written(&*write))).await {
            Ok(Ok(written)) => written,
            Ok(Err(why)) => {
                let text = format!("there is no report: {why}");
                return sentence(StatusCode::SERVICE_UNAVAILABLE, &text, false);
            }
            Err(failure) => return failure.answer(false),
        };
        let body = match is_head {
            true => Body::empty(),
            false => file::send(file, 0..length),
        };
        // Its own policy says nothing of frames, as it could not where it stands in the file itself.
        let policy = format!("{}; frame-ancestors 'none'", (self.renderer.report_policy)());
        let headers = [
            (CONTENT_LENGTH, length.to_string()),
            (CONTENT_SECURITY_POLICY, policy),
            (
                CONTENT_DISPOSITION,
                format!("inline; filename=\"{}\"", file_name_of(&self.name)),
            ),
        ];
        (headers, answer::with_type(HTML, body)).into_response()
    }

    async fn health(&self) -> Response {
        let mut seen = self.seen_health.lock().await;
        let known = seen.take().filter(|(at, _)| at.elapsed() < HEALTH_LASTS);
        let (at, health) = match known {
            Some(known) => known,
            None => {
                let look = Arc::clone(&self.health);
                (Instant::now(), blocking(move || look()).await)
            }
        };
        *seen = Some((at, health.clone()));
        match health {
            Ok(()) => sentence(StatusCode::OK, "ok", false),
            Err(why) => sentence(StatusCode::SERVICE_UNAVAILABLE, &why, false),
        }
    }

    /// The answer to somebody who has not shown the token.
    fn ask_for_token(&self, route: Route<'_>) -> Response {
        let mut answer = match route {
            Route::Page => return self.login(false),
            route => sentence(
                StatusCode::UNAUTHORIZED,
                "this needs the token: log in on the page, or send it as `Authorization: Bearer …`",
                route.is_api(),
            ),
        };
        let challenge = HeaderValue::from_static("Bearer realm=\"hailuo-batch\"");
        answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        answer
    }

    fn login(&self, wrong: bool) -> Response {
        // A browser names the page that a form is on, or its login would look like anybody's.
        let headers = [(REFERRER_POLICY, "same-origin")];
        let page = answer::with_type(HTML, (self.renderer.login)(&self.name, wrong));
        (StatusCode::UNAUTHORIZED, headers, page).into_response()
    }

    async fn log_in(&self, headers: &HeaderMap, body: Body) -> Response {
        let body = match timeout(LOGIN_TIMEOUT, Limited::new(body, LARGEST_LOGIN).collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) => return sentence(StatusCode::PAYLOAD_TOO_LARGE, "a login is short", false),
            Err(_) => return sentence(StatusCode::REQUEST_TIMEOUT, "the login came too slowly", false),
        };
        let mut fields = form_urlencoded::parse(&body);
        let given = fields.find(|(name, _)| name == "token");
        let session = given.and_then(|(_, given)| self.access.session_for(given.trim(), headers));
        match session {
            // Relative, so that it is the page also below the path of a proxy.
            Some(cookie) => (
                StatusCode::SEE_OTHER,
                [(LOCATION, HeaderValue::from_static("./")), (SET_COOKIE, cookie)],
            )
                .into_response(),
            None => {
                sleep(WRONG_TOKEN).await;
                self.login(true)
            }
        }
    }

    /// Reads the ledger in turn with others.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, NotRead> {
        let turn = timeout(TURN, Arc::clone(&self.readers).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(NotRead::Busy);
        };
        let read = blocking(move || {
            let read = read();
            // Not before, also where nobody waits for it any more.
            drop(turn);
            read
        });
        read.await.map_err(NotRead::Unreadable)
    }
}

/// Why the ledger said nothing.
enum NotRead {
    Busy,
    Unreadable(LedgerError),
}

impl NotRead {
    fn answer(&self, is_api: bool) -> Response {
        match self {
            NotRead::Busy => {
                let text = "others are asking the ledger; come again in a moment";
                let mut answer = sentence(StatusCode::SERVICE_UNAVAILABLE, text, is_api);
                answer.headers_mut().insert(RETRY_AFTER, COME_AGAIN.into());
                answer
            }
            NotRead::Unreadable(error) => unreadable(error, is_api),
        }
    }
}

/// A report in a file that nobody else sees and that is gone with its last reader: many rows are too much for memory, and
/// a slow viewer must not keep the ledger's other readers waiting.
fn written(write: &(dyn Fn(&mut dyn Write) -> Result<(), String> + Send + Sync)) -> Result<(File, u64), String> {
    let failed = |error: io::Error| format!("it cannot be kept: {error}");
    let mut out = BufWriter::new(tempfile::tempfile().map_err(failed)?);
    write(&mut out)?;
    let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
    let length = file.metadata().map_err(failed)?.len();
    Ok((file, length))
}

fn unreadable(error: &LedgerError, is_api: bool) -> Response {
    tracing::debug!(%error, "the page cannot be shown");
    let text = crate::escape::for_terminal(&error.to_string()).into_owned();
    sentence(StatusCode::SERVICE_UNAVAILABLE, &text, is_api)
}

fn no_such_row(is_api: bool) -> Response {
    sentence(StatusCode::NOT_FOUND, "the manifest has no such row", is_api)
}

/// Whether the browser has this version already.
pub(super) fn has_version(headers: &HeaderMap, etag: &str) -> bool {
    let known = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    known
        .flat_map(|value| value.split(','))
        .any(|known| known.trim().trim_start_matches("W/") == etag)
}

/// `shots.report.html` for `shots.csv`, of characters that any system takes.
fn file_name_of(batch: &str) -> String {
    let stem = batch.rsplit_once('.').map_or(batch, |(stem, _)| stem);
    let plain = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => character,
        _ => '_',
    };
    format!("{}.report.html", stem.chars().map(plain).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_one_address() {
        for (path, route) in [
            ("/", Some(Route::Page)),
            ("/assets/page.js", Some(Route::Asset("page.js"))),
            ("/events", Some(Route::Events)),
            ("/api/rows", Some(Route::Rows)),
            ("/api/rows/17", Some(Route::Row(17))),
            ("/media/17/image", Some(Route::Image(17))),
            ("/media/17/video", Some(Route::Video(17))),
            ("/report.html", Some(Route::Report)),
            ("/metrics", Some(Route::Metrics)),
            ("/healthz", Some(Route::Health)),
            ("", None),
            ("*", None),
            ("//", None),
            ("/index.html", None),
            ("/events/", None),
            ("/assets", None),
            ("/assets/../events", None),
            ("/assets/a/b", None),
            ("/api/rows/", None),
            ("/api/rows/017", None),
            ("/api/rows/+17", None),
            ("/api/rows/-1", None),
            ("/api/rows/99999999999", None),
            ("/api/rows/17/x", None),
            ("/media/17", None),
            ("/media/17/image/x", None),
            ("/media/..%2f/image", None),
            ("/login", None),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }

    #[test]
    fn a_reports_name_is_plain() {
        for (batch, name) in [
            ("shots.csv", "shots.report.html"),
            ("my \"shots\".v2.xlsx", "my__shots_.v2.report.html"),
            ("镜头", "__.report.html"),
        ] {
            assert_eq!(file_name_of(batch), name);
        }
    }
}
