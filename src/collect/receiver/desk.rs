//! What is done with a request: checked from cheap to dear, written down, answered.

use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as _;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::timeout;
use url::form_urlencoded;

use super::news::News;
use super::refusal::Refusal;
use super::{BODY_TIMEOUT, LARGEST_BODY, LEDGER_TIMEOUT};
use crate::clock::Wall;
use crate::kie::Callback;
use crate::kie::signature::{SIGNATURE_HEADER, SignatureError, TIMESTAMP_HEADER, WebhookKey, verify};
use crate::ledger::{Announced, Announcement, AttemptId, Tasks};
use crate::row::{CallbackToken, TaskId};
use crate::server::Seat;

/// What all requests share.
pub(super) struct Desk<L> {
    /// `None` once it is closed.
    ledger: RwLock<Option<L>>,
    key: Option<WebhookKey>,
    wall: Wall,
    wake: Arc<Notify>,
    news: Arc<News>,
}

/// The server: callbacks at `path` and at `/`, nothing anywhere else; without a path, anywhere.
pub(super) fn router<L: Tasks>(path: Option<&str>, desk: Arc<Desk<L>>) -> Router {
    let Some(path) = path else {
        let anywhere =
            post(take::<L>).fallback(|State(desk): State<Arc<Desk<L>>>| async move { desk.refuse(Refusal::NotAPost) });
        return Router::new().fallback_service(anywhere.with_state(desk));
    };
    // A literal path, whatever characters the public URL has: braces would be placeholders.
    let path = format!(
        "/{}",
        path.trim_start_matches('/').replace('{', "{{").replace('}', "}}")
    );
    let mut router = Router::new().without_v07_checks().route("/", post(take::<L>));
    if path != "/" {
        router = router.route(&path, post(take::<L>));
    }
    router
        .fallback(|State(desk): State<Arc<Desk<L>>>| async move { desk.refuse(Refusal::NoSuchPath) })
        .method_not_allowed_fallback(|State(desk): State<Arc<Desk<L>>>| async move { desk.refuse(Refusal::NotAPost) })
        .with_state(desk)
}

async fn take<L: Tasks>(
    State(desk): State<Arc<Desk<L>>>,
    Extension(seat): Extension<Seat>,
    request: Request,
) -> Response {
    match desk.take(request, &seat).await {
        Ok(()) => reply(StatusCode::OK, "success"),
        Err(refusal) => desk.refuse(refusal),
    }
}

impl<L: Tasks> Desk<L> {
    pub(super) fn new(ledger: L, key: Option<WebhookKey>, wall: Wall, wake: Arc<Notify>, news: Arc<News>) -> Desk<L> {
        Desk {
            ledger: RwLock::new(Some(ledger)),
            key,
            wall,
            wake,
            news,
        }
    }

    /// Lets go of the ledger; what is being recorded has a hold of its own.
    pub(super) fn close(&self) {
        *self.ledger.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn ledger(&self) -> Option<L> {
        self.ledger.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn take(&self, request: Request, seat: &Seat) -> Result<(), Refusal> {
        let token = token_of(request.uri().query()).ok_or(Refusal::NoToken)?;
        let (head, body) = request.into_parts();
        // Before the body is read: most of what is not the API's ends here.
        if self.key.is_some() && !is_signed(&head.headers) {
            return Err(Refusal::NotSigned);
        }
        let body = whole(body).await?;
        seat.set_busy(true);
        let callback = Callback::read(&body).ok_or(Refusal::NoTask)?;
        // Before the ledger is asked: a flood without the key never gets there.
        self.check(&head.headers, &callback.task_id)?;
        self.record(token, callback.task_id).await
    }

    fn check(&self, headers: &HeaderMap, task_id: &TaskId) -> Result<(), Refusal> {
        let Some(key) = &self.key else { return Ok(()) };
        let (timestamp, signature) = (text(headers, TIMESTAMP_HEADER), text(headers, SIGNATURE_HEADER));
        let verified = verify(key, timestamp, signature, Some(task_id), self.wall.now());
        match verified {
            Ok(()) => self.news.stamped(None),
            Err(SignatureError::OutsideWindow { by }) => self.news.stamped(Some(by)),
            Err(_) => {}
        }
        Ok(verified?)
    }

    /// Returns once it is durable.
    async fn record(&self, token: CallbackToken, task_id: TaskId) -> Result<(), Refusal> {
        let announcement = Announcement {
            attempt: AttemptId(token.attempt),
            token: token.secret,
            task_id: task_id.clone(),
        };
        let ledger = self.ledger().ok_or(Refusal::Closed)?;
        let mut wake = WakeInDoubt(Some(&self.wake));
        let announced = match timeout(LEDGER_TIMEOUT, ledger.announce(announcement)).await {
            Ok(Ok(announced)) => announced,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a callback could not be recorded");
                return Err(Refusal::NotRecorded);
            }
            Err(_) => return Err(Refusal::NotRecorded),
        };
        wake.0 = None;
        match announced {
            Announced::Due => self.wake.notify_one(),
            Announced::Known | Announced::Extra { .. } => {}
            Announced::NoSuchRequest => return Err(Refusal::NoSuchRequest),
        }
        self.news.taken(announced, task_id);
        Ok(())
    }

    fn refuse(&self, refusal: Refusal) -> Response {
        self.news.refused(refusal);
        reply(refusal.status(), refusal.message())
    }
}

/// The ledger carries on with what it has begun, also when its caller hangs up or the time is over. Whoever looks at
/// tasks is then woken for nothing, or for a row that is due.
struct WakeInDoubt<'a>(Option<&'a Notify>);

impl Drop for WakeInDoubt<'_> {
    fn drop(&mut self) {
        if let Some(wake) = self.0 {
            wake.notify_one();
        }
    }
}

/// The token in a request's query. Of several parameters of this name the last is ours, see [`CallbackToken::in_url`].
fn token_of(query: Option<&str>) -> Option<CallbackToken> {
    let parameters = form_urlencoded::parse(query?.as_bytes());
    let ours = parameters.filter(|(name, _)| name == CallbackToken::PARAMETER);
    ours.last()?.1.parse().ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn is_signed(headers: &HeaderMap) -> bool {
    [TIMESTAMP_HEADER, SIGNATURE_HEADER]
        .iter()
        .all(|name| text(headers, name).is_some_and(|value| !value.is_empty()))
}

async fn whole(body: Body) -> Result<Bytes, Refusal> {
    // Told at once: a client that announces too much may wait for leave to send it.
    if body.size_hint().lower() > LARGEST_BODY as u64 {
        return Err(Refusal::TooLarge);
    }
    match timeout(BODY_TIMEOUT, Limited::new(body, LARGEST_BODY).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge),
        Ok(Err(_)) => Err(Refusal::Cut),
        Err(_) => Err(Refusal::TooSlow),
    }
}

/// The envelope that the API's own replies have, and that its callback pages ask for.
fn reply(status: StatusCode, message: &'static str) -> Response {
    let envelope = json!({ "code": status.as_u16(), "msg": message }).to_string();
    (status, [(CONTENT_TYPE, "application/json")], envelope).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Token;

    #[test]
    fn the_last_token_of_the_query_counts() {
        let secret = "ab".repeat(16);
        let token = Some(CallbackToken {
            attempt: 7,
            secret: Token([0xab; 16]),
        });
        for (query, expected) in [
            (format!("token=7-{secret}"), token),
            (format!("team=a&token=7-{secret}"), token),
            (format!("token=mine&token=7-{secret}"), token),
            (format!("t%6Fken=7%2D{secret}"), token),
            (format!("token=7-{secret}&token="), None),
            (format!("TOKEN=7-{secret}"), None),
            (format!("7-{secret}"), None),
            (String::new(), None),
        ] {
            assert_eq!(token_of(Some(&query)), expected, "{query}");
        }
        assert_eq!(token_of(None), None);
    }

    #[test]
    fn the_answer_is_the_one_that_the_vendor_asks_for() {
        let body = reply(StatusCode::OK, "success").into_body();
        let text = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(async { body.collect().await.unwrap().to_bytes() });
        assert_eq!(&text[..], br#"{"code":200,"msg":"success"}"#);
    }
}
