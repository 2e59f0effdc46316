//! The HTTP client: sends requests once, and says truthfully whether they may have left.
//!
//! Nothing below may send a createTask request a second time, and a failure to connect must be told from a lost answer,
//! because the one costs nothing and the other may have cost money. Hence: HTTP/1.1, no redirects, no retries of
//! reqwest's own, a fresh connection for each submission unless asked otherwise, and a total time-out longer than the
//! connect time-out (else a slow connect would look like a lost answer). `tests/client.rs` holds the proof.
//!
//! Questions (`questions.rs`) cost nothing, so their connections are kept and shared; the other rules hold for them too.
//! `tests/tasks_client.rs` holds their proof.

mod exchange;
mod failures;
mod questions;

use std::time::Duration;

use reqwest::header::HeaderValue;
use url::Url;

use crate::escape;
use crate::kie::outcome::Answer;
use crate::kie::{Api, CreateTask, Discreet};
use crate::web::client;

pub use exchange::MAX_REPLY_BYTES;

/// For the answer to a question, from its start. Answers take half a second (36 recorded calls); one that is given up is
/// asked for again.
pub const QUESTION_TIMEOUT: Duration = Duration::from_secs(30);

/// For an upload, from its start to the end of its answer: the largest image, 10 MB, over a line of 1 Mbit/s and some.
pub const UPLOAD_TIMEOUT: Duration = Duration::from_secs(120);

/// How long an idle connection for questions is kept: shorter than servers usually keep theirs (nginx: 75 s), since a
/// question over a connection that the server is just closing is lost.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);

/// How the client connects and how long it waits.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Scheme and host of the API, perhaps with a path before `/api/v1`.
    pub base_url: Url,
    /// Scheme and host of the server that takes uploads, perhaps with a path before `/api`; see
    /// [`crate::kie::upload::upload_url`]. The key is sent there too.
    pub upload_url: Url,
    /// For name resolution, connecting and the TLS handshake. Giving up here is free: nothing was sent.
    pub connect_timeout: Duration,
    /// For a whole submission, from its start to the end of its answer; longer than `connect_timeout`. Giving up early
    /// makes an unknown row.
    pub timeout: Duration,
    /// For a whole question; usually [`QUESTION_TIMEOUT`].
    pub question_timeout: Duration,
    /// For a whole upload; usually [`UPLOAD_TIMEOUT`].
    pub upload_timeout: Duration,
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
    /// It cannot be set up.
    #[error(transparent)]
    SetUp(#[from] client::ClientError),
}

/// Speaks to the API, or to anything that answers like it. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Client {
    /// For createTask and nothing else.
    submissions: reqwest::Client,
    /// For everything that creates nothing.
    questions: reqwest::Client,
    question_timeout: Duration,
    upload_timeout: Duration,
    urls: Urls,
    authorization: HeaderValue,
    /// The key in `authorization`, which a server may repeat in an error.
    key: String,
}

/// Where each request goes.
#[derive(Clone)]
struct Urls {
    create_task: Url,
    record_info: Url,
    download_url: Url,
    credit: Url,
    upload: Url,
}

impl Client {
    /// A client that sends `authorization` (marked sensitive by whoever made it) with each request.
    pub fn new(config: &ClientConfig, authorization: HeaderValue) -> Result<Client, ClientError> {
        assert!(
            config.timeout > config.connect_timeout,
            "else a slow connect would look like a lost answer"
        );
        let mut submissions = builder(config)?.timeout(config.timeout);
        if !config.reuse_connections {
            submissions = submissions.pool_max_idle_per_host(0);
        }
        let questions = builder(config)?.pool_idle_timeout(IDLE_CONNECTION);
        let key = authorization
            .to_str()
            .unwrap_or_default()
            .trim_start_matches("Bearer ")
            .to_owned();
        Ok(Client {
            submissions: submissions.build().map_err(client::ClientError::Build)?,
            questions: questions.build().map_err(client::ClientError::Build)?,
            question_timeout: config.question_timeout,
            upload_timeout: config.upload_timeout,
            urls: Urls {
                create_task: endpoint(&config.base_url, "v1/jobs/createTask")?,
                record_info: endpoint(&config.base_url, "v1/jobs/recordInfo")?,
                download_url: endpoint(&config.base_url, "v1/common/download-url")?,
                credit: endpoint(&config.base_url, "v1/chat/credit")?,
                upload: endpoint(&config.upload_url, "file-stream-upload")?,
            },
            authorization,
            key,
        })
    }
}

/// What both halves of the client have in common.
fn builder(config: &ClientConfig) -> Result<reqwest::ClientBuilder, ClientError> {
    let builder = client::builder(config.connect_timeout, config.extra_roots_pem.as_deref())?;
    Ok(if config.no_proxy { builder.no_proxy() } else { builder })
}

/// The address of `path`, below `api/` of a server.
fn endpoint(server: &Url, path: &str) -> Result<Url, ClientError> {
    let mut url = server.clone();
    url.path_segments_mut()
        .map_err(|()| ClientError::BaseUrl(server.clone()))?
        .pop_if_empty()
        .push("api")
        .extend(path.split('/'));
    Ok(url)
}

impl Discreet for Client {
    fn without_secrets(&self, text: String) -> String {
        escape::without_secret(&text, &self.key).into_owned()
    }
}

impl Api for Client {
    async fn create_task(&self, request: CreateTask<'_>) -> Answer {
        let post = self.submissions.post(self.urls.create_task.clone());
        exchange::exchange(self.authorized(exchange::json(post, request.to_json()))).await
    }
}

impl Client {
    /// The one place where the key enters a request.
    fn authorized(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        request.header(reqwest::header::AUTHORIZATION, self.authorization.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(key: &str) -> Client {
        let config = ClientConfig {
            base_url: Url::parse("http://127.0.0.1:1").unwrap(),
            upload_url: Url::parse("http://127.0.0.1:1").unwrap(),
            connect_timeout: Duration::from_secs(1),
            timeout: Duration::from_secs(2),
            question_timeout: Duration::from_secs(2),
            upload_timeout: Duration::from_secs(2),
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
}
