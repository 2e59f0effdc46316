//! Connections to hosts of others: without the key, and only to the public internet.
//!
//! Names are judged where a connection is made, by the addresses that they resolve to at that moment, so that a name
//! cannot be harmless when it is checked and private when it is used. Where a proxy is set up, the proxy resolves names
//! and connects: then what it may reach is the proxy's decision, and only hosts written as addresses are judged here.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::client::{self, ClientError};
use super::link::Link;
use crate::address;

/// How hosts are connected to.
#[derive(Debug, Clone, Copy)]
pub struct ConnectConfig<'a> {
    /// Also connect to this machine and to private networks.
    pub allow_private_hosts: bool,
    /// For name resolution, connecting and the TLS handshake.
    pub connect_timeout: Duration,
    /// Connections to one host that are kept for its next file. A host may close one at the moment it is used again: 0
    /// where that costs more than a handshake.
    pub idle_per_host: usize,
    /// A PEM file with certificates to trust beside the system's.
    pub extra_roots_pem: Option<&'a [u8]>,
    /// Never use a proxy from the environment.
    pub no_proxy: bool,
}

/// A client for hosts that are reached directly and one for those behind a proxy.
#[derive(Debug, Clone)]
pub struct Connections {
    direct: reqwest::Client,
    /// `None` when no proxy is to be used.
    proxied: Option<(Arc<Matcher>, reqwest::Client)>,
}

impl Connections {
    /// Connects to nobody yet.
    pub fn new(config: ConnectConfig<'_>) -> Result<Connections, ClientError> {
        let build = |through_proxy: bool| {
            let mut builder = client::builder(config.connect_timeout, config.extra_roots_pem)?
                .pool_max_idle_per_host(config.idle_per_host);
            if !through_proxy {
                builder = builder.no_proxy();
                if !config.allow_private_hosts {
                    builder = builder.dns_resolver(PublicHosts);
                }
            }
            builder.build().map_err(ClientError::Build)
        };
        let proxied = if config.no_proxy {
            None
        } else {
            // The same rules by which reqwest decides.
            Some((Matcher::from_system().into(), build(true)?))
        };
        Ok(Connections {
            direct: build(false)?,
            proxied,
        })
    }

    /// The client to ask for this link.
    pub fn for_link(&self, link: &Link) -> &reqwest::Client {
        let proxied = self.proxied.as_ref().filter(|(proxies, _)| {
            let uri = link.url().as_str().parse::<hyper::Uri>();
            uri.is_ok_and(|uri| proxies.intercept(&uri).is_some())
        });
        proxied.map_or(&self.direct, |(_, client)| client)
    }
}

/// Resolves names as the system does, and leaves out every address that is not public.
#[derive(Debug)]
struct PublicHosts;

/// A name has no address but private ones.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is in a private network")]
struct PrivateHost(String);

impl Resolve for PublicHosts {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public = only_public(name.as_str(), found)?;
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

fn only_public(name: &str, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, PrivateHost> {
    let public: Vec<SocketAddr> = found.filter(|found| address::is_public(found.ip())).collect();
    if public.is_empty() {
        return Err(PrivateHost(name.to_owned()));
    }
    Ok(public)
}

/// Whether a request failed because its host is not public.
pub fn was_private(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<PrivateHost>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_reached_by_its_public_addresses_only() {
        let found = ["10.0.0.1:0", "8.8.8.8:0", "[::1]:0", "[2606:4700::1111]:0"].map(|text| text.parse().unwrap());
        let public = only_public("files.example.org", found.into_iter()).unwrap();
        assert_eq!(public, [found[1], found[3]]);
        assert!(only_public("inside.example.org", found.into_iter().take(1)).is_err());
    }
}
