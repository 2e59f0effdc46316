//! What every command needs that talks to the API: the key, the client, and the sandbox in the API's place.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use reqwest::header::HeaderValue;
use tokio::net::TcpListener;
use url::Url;

use crate::address::is_this_machine;
use crate::job::Job;
use crate::kie::client::{QUESTION_TIMEOUT, UPLOAD_TIMEOUT};
use crate::kie::upload::upload_url;
use crate::kie::{Client, ClientConfig};
use crate::ledger::{LedgerError, Realm, Store};
use crate::rate::Rate;
use crate::sandbox::{self, Sandbox, SandboxConfig};

use super::console::Console;
use super::failure::Failure;

/// The API as a job means it, or the embedded sandbox in its place.
pub(super) struct Service {
    /// Speaks to it.
    pub(super) client: Arc<Client>,
    /// It is on this machine, and so are its files.
    pub(super) is_here: bool,
    /// Where local images are uploaded.
    pub(super) upload_url: Url,
    /// More certificates to trust, as PEM.
    pub(super) extra_roots_pem: Option<Vec<u8>>,
    sandbox: Option<Sandbox>,
}

impl Service {
    /// Starts the sandbox if the job is a trial, and makes the client. Sends nothing yet.
    pub(super) async fn reach(job: &Job, authorization: HeaderValue) -> Result<Service, Failure> {
        let (sandbox, base_url) = if job.sandbox {
            let sandbox = start_sandbox(job).await?;
            let url = Url::parse(&sandbox.url()).map_err(|error| Failure::EmbeddedSandbox(error.into()))?;
            (Some(sandbox), url)
        } else {
            (None, job.base_url.clone())
        };
        let is_here = job.sandbox || is_this_machine(&base_url);
        let config = client_config(job, base_url)?;
        Ok(Service {
            client: Arc::new(Client::new(&config, authorization)?),
            is_here,
            upload_url: config.upload_url,
            extra_roots_pem: config.extra_roots_pem,
            sandbox,
        })
    }

    /// Ends the sandbox, if there is one.
    pub(super) async fn leave(self) {
        if let Some(sandbox) = self.sandbox {
            sandbox.stop().await;
        }
    }
}

/// The ledger of a batch that has been run, for tasks of the same kind: trials or real ones.
pub(super) fn open_existing(job: &Job) -> Result<Store, Failure> {
    let realm = if job.sandbox { Realm::Sandbox } else { Realm::Api };
    let exists = job.ledger.try_exists().unwrap_or(true);
    if !exists {
        return Err(LedgerError::Missing {
            path: job.ledger.clone(),
        }
        .into());
    }
    match Store::open(&job.ledger, realm) {
        Err(LedgerError::OtherRealm {
            path,
            found: Realm::Sandbox,
            ..
        }) => Err(Failure::Trial { path }),
        opened => Ok(opened?),
    }
}

/// The header that carries the key; the sandbox takes any.
pub(super) fn authorization(job: &Job, console: &Console) -> Result<HeaderValue, Failure> {
    if job.sandbox {
        return Ok(HeaderValue::from_static("Bearer sandbox"));
    }
    let (key, warning) = job.api_key()?;
    key.hide_in(|secret| console.secrets.hide(secret));
    if let Some(warning) = warning {
        console.warn(&warning);
    }
    Ok(key.authorization_header())
}

async fn start_sandbox(job: &Job) -> Result<Sandbox, Failure> {
    let failed = |error: std::io::Error| Failure::EmbeddedSandbox(error.into());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
    // The real limit, whatever --rate says: that is what the trial is to show. The account never runs dry, so that a
    // manifest of any length can be tried.
    let limit = if job.rate == Rate::Off {
        Rate::Off
    } else {
        Rate::ACCOUNT
    };
    let config = SandboxConfig {
        limit,
        credits: None,
        keep_requests: false,
        // Enough for the tasks that are under way in a trial; the prompts of a million rows would fill the memory.
        keep_params: 1_000,
        ..SandboxConfig::default()
    };
    sandbox::start(config, listener)
        .await
        .map_err(|error| Failure::EmbeddedSandbox(Box::new(error)))
}

/// The certificates to trust beside the system's, as PEM.
pub(super) fn extra_roots(job: &Job) -> Result<Option<Vec<u8>>, Failure> {
    let read = |path: &PathBuf| {
        fs::read(path).map_err(|source| Failure::CaFile {
            path: path.clone(),
            source,
        })
    };
    job.ca_file.as_ref().map(read).transpose()
}

fn client_config(job: &Job, base_url: Url) -> Result<ClientConfig, Failure> {
    Ok(ClientConfig {
        upload_url: upload_url(&base_url, job.upload_url.as_ref()),
        base_url,
        connect_timeout: job.connect_timeout,
        timeout: job.timeout,
        question_timeout: QUESTION_TIMEOUT,
        upload_timeout: UPLOAD_TIMEOUT,
        reuse_connections: job.reuse_connections,
        extra_roots_pem: extra_roots(job)?,
        no_proxy: job.sandbox,
    })
}
