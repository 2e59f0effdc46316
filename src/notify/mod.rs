//! Tells people and monitors how a command ended: a message to a webhook, and pings around the work.
//!
//! Whatever happens here harms nothing: it takes no longer than it is given, changes no exit code, and what it says about
//! a failure has no URL in it, as the URLs are keys. What is to be told it gets as text ([`crate::view::notice`]). Imports
//! the HTTP client of [`crate::web`] and leaf types.
//!
//! | file | decides |
//! | --- | --- |
//! | `message.rs` | what is posted to whom, and that nobody else's words are a command there |
//! | `ping.rs` | which URL of a monitor says what |
//! | `deliver.rs` | how often a request is tried, and what counts as delivered |

mod deliver;
mod message;
mod ping;

use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use crate::secret_url::SecretUrl;
use crate::web::client::{self, ClientError};

pub use deliver::NotSent;
pub use message::{Medium, Message};

use deliver::Judge;
use ping::Monitor;

/// For name resolution, connecting and the TLS handshake. Short of the time for a whole notice, so that another attempt
/// fits into it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// Who is told, and how they are reached.
#[derive(Debug, Default)]
pub struct NotifyConfig<'a> {
    /// Where messages are posted, and in which form.
    pub webhook: Option<(SecretUrl, Medium)>,
    /// The monitor that is pinged.
    pub ping: Option<SecretUrl>,
    /// A PEM file with certificates to trust beside the system's.
    pub extra_roots_pem: Option<&'a [u8]>,
    /// Never use a proxy from the environment.
    pub no_proxy: bool,
}

/// Sends the notices of one command.
#[derive(Debug, Clone)]
pub struct Notifier {
    client: reqwest::Client,
    webhook: Option<(SecretUrl, Medium)>,
    monitor: Option<Monitor>,
}

impl Notifier {
    /// Connects to nobody yet.
    pub fn new(config: NotifyConfig<'_>) -> Result<Notifier, ClientError> {
        // The end comes long after the beginning: a connection that was kept may be closed just as it is used again.
        let mut builder = client::builder(CONNECT_TIMEOUT, config.extra_roots_pem)?.pool_max_idle_per_host(0);
        if config.no_proxy {
            builder = builder.no_proxy();
        }
        Ok(Notifier {
            client: builder.build().map_err(ClientError::Build)?,
            webhook: config.webhook,
            monitor: config.ping.map(Monitor::new),
        })
    }

    /// Tells the monitor that the work begins, if there is one.
    pub async fn ping_start(&self, deadline: Instant) -> Result<(), NotSent> {
        let Some(monitor) = &self.monitor else { return Ok(()) };
        let url = monitor.start();
        self.deliver(|client| client.get(url.clone()), Judge::Status, deadline)
            .await
    }

    /// Tells the monitor how the work ended, if there is one: `text` says what `exit_code` means.
    pub async fn ping_end(&self, exit_code: u8, text: &str, deadline: Instant) -> Result<(), NotSent> {
        let Some(monitor) = &self.monitor else { return Ok(()) };
        let (url, body) = (monitor.end(exit_code), ping::body(text));
        let post = |client: &reqwest::Client| {
            client
                .post(url.clone())
                .header("content-type", "text/plain; charset=utf-8")
                .body(body.clone())
        };
        self.deliver(post, Judge::Status, deadline).await
    }

    /// Posts the message to the webhook, if there is one.
    pub async fn post(&self, message: &Message<'_>, deadline: Instant) -> Result<(), NotSent> {
        let Some((url, medium)) = &self.webhook else {
            return Ok(());
        };
        let url: &Url = url.url();
        let body = message.body(*medium);
        let post = |client: &reqwest::Client| {
            client
                .post(url.clone())
                .header("content-type", "application/json; charset=utf-8")
                .body(body.clone())
        };
        let judge = match medium {
            Medium::Feishu => Judge::StatusAndCode,
            Medium::Slack | Medium::Json => Judge::Status,
        };
        self.deliver(post, judge, deadline).await
    }

    async fn deliver(
        &self,
        request: impl Fn(&reqwest::Client) -> reqwest::RequestBuilder,
        judge: Judge,
        deadline: Instant,
    ) -> Result<(), NotSent> {
        deliver::deliver(|| request(&self.client), judge, deadline).await
    }
}
