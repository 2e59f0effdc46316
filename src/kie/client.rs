//! The HTTP client: sends a createTask request once, and says truthfully whether it may have left.
//!
//! Nothing below may send a request a second time, and a failure to connect must be told from a lost answer, because
//! the one costs nothing and the other may have cost money. Hence: HTTP/1.1, no redirects, no retries of reqwest's own,
//! a fresh connection for each submission unless asked otherwise, and a total time-out longer than the connect
//! time-out (else a slow connect would look like a lost answer). `tests/client.rs` holds the proof.

use std::error::Error;
use std::io;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderValue, RETRY_AFTER};
use reqwest::redirect;
use url::Url;

use crate::escape;
use crate::kie::outcome::{Answer, Lost, Remedy, Reply};
use crate::kie::retry_after::retry_after;
use crate::kie::{Api, CreateTask};

/// Name and version, sent with each request: Cloudflare refuses requests without a User-Agent (403, `1010`).
pub const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// Largest reply we read, in bytes. Replies of the API have a few hundred; this bounds memory against anything else.
pub const MAX_REPLY_BYTES: usize = 1024 * 1024;

/// How the client connects and how long it waits.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Scheme and host of the API, perhaps with a path before `/api/v1`.
    pub base_url: Url,
    /// For name resolution, connecting and the TLS handshake. Giving up here is free: nothing was sent.
    pub connect_timeout: Duration,
    /// For the whole request, from its start to the end of its answer; longer than `connect_timeout`. Giving up early
    /// makes an unknown row.
    pub timeout: Duration,
    /// Keep connections open between submissions. Faster, but an idle connection that the server closes at the wrong
    /// moment makes an unknown row (2 in 300 were measured).
    pub reuse_connections: bool,
    /// A PEM file with certificates to trust beside the system's.
    pub extra_roots_pem: Option<Vec<u8>>,
    /// Never use a proxy from the environment (the embedded sandbox).
    pub no_proxy: bool,
}

/// Why no client could be made. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The base URL cannot carry a path.
    #[error("`{0}` cannot be used as a base URL")]
    BaseUrl(Url),
    /// TLS set-up or a proxy setting is broken.
    #[error("cannot set up the HTTP client")]
    Build(#[source] reqwest::Error),
    /// The certificates of `--ca-file` are unreadable.
    #[error("cannot read the extra certificates")]
    Roots(#[source] reqwest::Error),
}

/// Speaks to the API, or to anything that answers like it.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    create_task: Url,
    authorization: HeaderValue,
    /// The key in `authorization`, which a server may repeat in an error.
    key: String,
}

impl Client {
    /// A client that sends `authorization` (marked sensitive by whoever made it) with each request.
    pub fn new(config: &ClientConfig, authorization: HeaderValue) -> Result<Client, ClientError> {
        assert!(
            config.timeout > config.connect_timeout,
            "else a slow connect would look like a lost answer"
        );
        // The choice of TLS provider is the process's; a second call changes nothing.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .http1_only()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(config.connect_timeout)
            .timeout(config.timeout);
        if !config.reuse_connections {
            builder = builder.pool_max_idle_per_host(0);
        }
        if config.no_proxy {
            builder = builder.no_proxy();
        }
        if let Some(pem) = &config.extra_roots_pem {
            let roots = reqwest::Certificate::from_pem_bundle(pem).map_err(ClientError::Roots)?;
            builder = builder.tls_certs_merge(roots);
        }
        let http = builder.build().map_err(ClientError::Build)?;
        let mut create_task = config.base_url.clone();
        create_task
            .path_segments_mut()
            .map_err(|()| ClientError::BaseUrl(config.base_url.clone()))?
            .pop_if_empty()
            .extend(["api", "v1", "jobs", "createTask"]);
        let key = authorization
            .to_str()
            .unwrap_or_default()
            .trim_start_matches("Bearer ")
            .to_owned();
        Ok(Client {
            http,
            create_task,
            authorization,
            key,
        })
    }

    async fn send(&self, body: Vec<u8>) -> Result<Answer, reqwest::Error> {
        let mut response = self
            .http
            .post(self.create_task.clone())
            .header(reqwest::header::AUTHORIZATION, self.authorization.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .body(body)
            .send()
            .await?;
        let status = response.status().as_u16();
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let retry_after = text(RETRY_AFTER).and_then(|value| retry_after(value, text(DATE)));
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
        Ok(match lost {
            None => Answer::Reply(reply),
            Some((kind, reason)) => reply.cut_short(kind, &reason),
        })
    }
}

impl Api for Client {
    fn without_secrets(&self, text: String) -> String {
        escape::without_secret(&text, &self.key).into_owned()
    }

    async fn create_task(&self, request: CreateTask<'_>) -> Answer {
        match self.send(request.to_json()).await {
            Ok(answer) => answer,
            Err(error) => answer_of_error(&error.without_url()),
        }
    }
}

/// Only a failure to connect (or to build the request) proves that nothing was sent.
fn answer_of_error(error: &reqwest::Error) -> Answer {
    let reason = reason_of(error);
    if error.is_connect() || error.is_builder() {
        match remedy_for(error) {
            Some(remedy) => Answer::Barred { remedy, reason },
            None => Answer::NotSent { reason },
        }
    } else {
        let (kind, reason) = lost_by(error);
        Answer::Lost { kind, reason }
    }
}

/// How and why no complete reply came, though the request may have left.
fn lost_by(error: &reqwest::Error) -> (Lost, String) {
    if error.is_timeout() {
        (Lost::Timeout, "no complete answer within the time-out".to_owned())
    } else {
        (Lost::Broken, reason_of(error))
    }
}

/// What the user has to do before connecting can work; most failures to connect pass by themselves.
fn remedy_for(error: &(dyn Error + 'static)) -> Option<Remedy> {
    let cause = innermost(error);
    if let Some(rustls::Error::InvalidCertificate(_)) = cause.downcast_ref() {
        return Some(Remedy::Certificate);
    }
    // The tunnel's error has no type that can be asked.
    (cause.to_string() == "tunnel error: proxy authorization required").then_some(Remedy::Proxy)
}

/// The innermost cause, which names what happened; reqwest's own layers only say "error sending request".
fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut innermost = error;
    loop {
        // An I/O error passes over what it wraps when it is asked for its source.
        let wrapped = innermost
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|wrapped| wrapped as &(dyn Error + 'static));
        match wrapped.or_else(|| innermost.source()) {
            Some(deeper) => innermost = deeper,
            None => return innermost,
        }
    }
}

/// Why a request failed, in words for the user.
pub(crate) fn reason_of(error: &reqwest::Error) -> String {
    let innermost = innermost(error);
    match innermost.downcast_ref::<io::Error>().map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(io::ErrorKind::ConnectionReset) => "connection reset".to_owned(),
        Some(io::ErrorKind::TimedOut) => "timed out while connecting".to_owned(),
        _ => words_for(innermost),
    }
}

/// What the libraries below say is for their authors.
fn words_for(innermost: &(dyn Error + 'static)) -> String {
    if let Some(error) = innermost.downcast_ref::<hyper::Error>() {
        if error.is_incomplete_message() {
            return "the connection was closed before the answer came".to_owned();
        }
        if error.is_parse() {
            return format!("the answer is not HTTP ({error})");
        }
    }
    match innermost.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::InvalidMessage(_)) => "the server does not speak TLS".to_owned(),
        Some(error) => format!("TLS: {error}"),
        None => innermost.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(key: &str) -> Client {
        let config = ClientConfig {
            base_url: Url::parse("http://127.0.0.1:1").unwrap(),
            connect_timeout: Duration::from_secs(1),
            timeout: Duration::from_secs(2),
            reuse_connections: false,
            extra_roots_pem: None,
            no_proxy: true,
        };
        Client::new(&config, HeaderValue::from_str(&format!("Bearer {key}")).unwrap()).unwrap()
    }

    #[test]
    fn a_key_that_the_server_repeats_goes_no_further() {
        let said = "key sk-12345678 is wrong".to_owned();
        assert_eq!(client("sk-12345678").without_secrets(said), "key [redacted] is wrong");
    }

    #[test]
    fn a_key_too_short_to_be_one_garbles_nothing() {
        assert_eq!(client("k").without_secrets("unknown task".to_owned()), "unknown task");
    }

    #[test]
    fn a_bad_certificate_is_told_from_other_failures_to_connect() {
        use rustls::{CertificateError, InvalidMessage};
        let wrapped = |error: rustls::Error| io::Error::other(io::Error::other(error));
        for cause in [
            CertificateError::Expired,
            CertificateError::UnknownIssuer,
            CertificateError::NotValidForName,
            CertificateError::BadEncoding,
        ] {
            let error = wrapped(rustls::Error::InvalidCertificate(cause));
            assert_eq!(remedy_for(&error), Some(Remedy::Certificate), "{error}");
        }
        let other = wrapped(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType));
        assert_eq!(remedy_for(&other), None);
        assert_eq!(remedy_for(&io::Error::from(io::ErrorKind::ConnectionRefused)), None);
    }
}
