//! A link that we are willing to follow.

use url::{Host, ParseError, Url};

use crate::address;
use crate::escape;

/// Redirects that are followed on the way to one file.
pub const MOST_REDIRECTS: usize = 5;

/// Longest link in a message, in characters.
const MOST_SHOWN: usize = 120;

/// An http or https URL without a login, whose host is not written as an address of a private network. Names are
/// judged when they are resolved.
#[derive(Debug, Clone)]
pub struct Link {
    url: Url,
    allow_private_hosts: bool,
}

/// A link that is not followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{link}` is refused: {why}")]
pub struct Refused {
    /// Host and path, harmless and cut: what is behind the `?` may be a signature.
    pub link: String,
    /// Why.
    pub why: Refusal,
}

/// Why a link is not followed, as a clause about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It names no place by itself.
    #[error("it is not an absolute URL ({0})")]
    NotAUrl(ParseError),
    /// It redirects to a text that is no link.
    #[error("it redirects to no URL ({0})")]
    NowhereToGo(ParseError),
    /// A file, a script, another protocol.
    #[error("only http and https links are followed")]
    OtherScheme,
    /// A user name or a password.
    #[error("it has a login in it")]
    Login,
    /// This machine, or one of its own network.
    #[error("its host is in a private network")]
    Private,
    /// What was encrypted would no longer be.
    #[error("`{from}` redirects to it, from https to plain http")]
    Unencrypted {
        /// The link before.
        from: String,
    },
    /// Most likely a circle.
    #[error("it is behind more than {MOST_REDIRECTS} redirects")]
    TooManyRedirects,
    /// A proxy on the way lets nothing through.
    #[error("the proxy wants a login")]
    ProxyLogin,
}

impl Link {
    /// The link that `text` is, if it may be followed.
    pub fn read(text: &str, allow_private_hosts: bool) -> Result<Link, Refused> {
        match Url::parse(text) {
            Ok(url) => Link::check(url, allow_private_hosts),
            Err(error) => Err(Refused {
                // Not even that much is known of it as where its query begins.
                link: escape::excerpt(text.split(['?', '#']).next().unwrap_or_default(), MOST_SHOWN),
                why: Refusal::NotAUrl(error),
            }),
        }
    }

    /// Where a redirect leads.
    pub fn redirected(&self, location: &str) -> Result<Link, Refused> {
        let url = self.url.join(location);
        let url = url.map_err(|error| self.refused(Refusal::NowhereToGo(error)))?;
        let next = Link::check(url, self.allow_private_hosts)?;
        if self.url.scheme() == "https" && next.url.scheme() == "http" && !self.allow_private_hosts {
            return Err(next.refused(Refusal::Unencrypted { from: self.shown() }));
        }
        Ok(next)
    }

    fn check(url: Url, allow_private_hosts: bool) -> Result<Link, Refused> {
        let link = Link {
            url,
            allow_private_hosts,
        };
        let url = &link.url;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(link.refused(Refusal::OtherScheme));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(link.refused(Refusal::Login));
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            Some(Host::Domain(_)) | None => None,
        };
        if !allow_private_hosts && address.is_some_and(|address| !address::is_public(address)) {
            return Err(link.refused(Refusal::Private));
        }
        Ok(link)
    }

    /// The link itself.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Host and path, harmless and cut.
    pub fn shown(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let scheme = match self.url.scheme() {
            "http" | "https" => String::new(),
            other => format!("{other}:"),
        };
        escape::excerpt(&format!("{scheme}{host}{port}{}", self.url.path()), MOST_SHOWN)
    }

    /// This link, not followed after all.
    pub fn refused(&self, why: Refusal) -> Refused {
        Refused {
            link: self.shown(),
            why,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(link: Result<Link, Refused>) -> String {
        link.unwrap_err().to_string()
    }

    #[test]
    fn links_into_a_private_network_or_out_of_the_web_are_refused() {
        for (link, expected) in [
            (
                "file:///etc/passwd",
                "`file:/etc/passwd` is refused: only http and https links are followed",
            ),
            (
                "ftp://example.org/a",
                "`ftp:example.org/a` is refused: only http and https links are followed",
            ),
            (
                "http://10.0.0.1/a",
                "`10.0.0.1/a` is refused: its host is in a private network",
            ),
            (
                "http://0x7f.1/a",
                "`127.0.0.1/a` is refused: its host is in a private network",
            ),
            (
                "http://[::ffff:169.254.169.254]:8080/a?sig=secret",
                "`[::ffff:a9fe:a9fe]:8080/a` is refused: its host is in a private network",
            ),
            (
                "https://me:pw@example.org/a",
                "`example.org/a` is refused: it has a login in it",
            ),
            (
                "clip.mp4?sig=secret",
                "`clip.mp4` is refused: it is not an absolute URL (relative URL without a base)",
            ),
        ] {
            assert_eq!(refusal(Link::read(link, false)), expected);
        }
        assert_eq!(
            Link::read("https://files.example.org/a?sig=secret", false)
                .unwrap()
                .shown(),
            "files.example.org/a"
        );
        assert!(Link::read("http://127.0.0.1:1/a", true).is_ok());
        assert!(Link::read("file:///etc/passwd", true).is_err());
    }

    #[test]
    fn a_redirect_is_checked_like_a_link_and_stays_encrypted() {
        let link = Link::read("https://files.example.org/a/b?sig=1", false).unwrap();
        assert_eq!(
            link.redirected("../c?sig=2").unwrap().url().as_str(),
            "https://files.example.org/c?sig=2"
        );
        assert_eq!(
            link.redirected("//cdn.example.org/c").unwrap().shown(),
            "cdn.example.org/c"
        );
        for (location, expected) in [
            (
                "file:///etc/passwd",
                "`file:/etc/passwd` is refused: only http and https links are followed",
            ),
            (
                "https://169.254.169.254/latest",
                "`169.254.169.254/latest` is refused: its host is in a private network",
            ),
            (
                "http://files.example.org/a/b",
                "`files.example.org/a/b` is refused: `files.example.org/a/b` redirects to it, from https to plain http",
            ),
        ] {
            assert_eq!(refusal(link.redirected(location)), expected);
        }
    }
}
