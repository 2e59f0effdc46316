//! What every HTTP client of ours does and does not do: one name, HTTP/1.1, nothing that happens by itself.

use std::time::Duration;

use reqwest::{ClientBuilder, redirect};

/// Name and version, sent with each request: Cloudflare refuses requests without a User-Agent (403, `1010`).
pub const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// Why no client could be made. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// TLS set-up or a proxy setting is broken.
    #[error("cannot set up the HTTP client")]
    Build(#[source] reqwest::Error),
    /// The certificates of `--ca-file` are unreadable.
    #[error("cannot read the extra certificates")]
    Roots(#[source] reqwest::Error),
}

/// A client that sends each request once and follows no redirect: whether there is another request its user decides.
/// `extra_roots_pem` are certificates to trust beside the system's.
pub fn builder(connect_timeout: Duration, extra_roots_pem: Option<&[u8]>) -> Result<ClientBuilder, ClientError> {
    // The choice of TLS provider is the process's; a second call changes nothing.
    drop(rustls::crypto::ring::default_provider().install_default());
    let builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .http1_only()
        // A Referer would tell the next host a signed link, too.
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(connect_timeout);
    match extra_roots_pem {
        None => Ok(builder),
        Some(pem) => {
            let roots = reqwest::Certificate::from_pem_bundle(pem).map_err(ClientError::Roots)?;
            Ok(builder.tls_certs_merge(roots))
        }
    }
}
