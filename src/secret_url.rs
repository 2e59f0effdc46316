//! A URL that is a key: whoever has it can write to a channel, or feign that a job is alive. It can be asked for, and
//! cannot be printed.

use std::fmt;

use url::Url;

/// A part of a path or query of at least so many characters is taken for a token. UUIDs have 36, Slack's tokens 24.
const SHORTEST_TOKEN: usize = 16;

/// An http or https URL without a login, of which only the host may be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl {
    /// As it was written, which may not be how it is sent.
    written: String,
    url: Url,
}

impl SecretUrl {
    /// The URL that `text` is. The refusal does not repeat it.
    pub fn read(text: &str) -> Result<SecretUrl, &'static str> {
        let written = text.trim();
        let mut url: Url = written.parse().map_err(|_| "is not a whole URL")?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err("is not a web address");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("has a user name or password in it");
        }
        // It is never sent.
        url.set_fragment(None);
        Ok(SecretUrl {
            written: written.to_owned(),
            url,
        })
    }

    /// The URL itself: for requests alone.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Host and port, for people.
    pub fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// Shows what is behind the host to `hide`, which is to keep it out of what it writes: as a whole, and each part that
    /// may be a token, as libraries log parts of URLs, too.
    pub fn hide_in(&self, mut hide: impl FnMut(&str)) {
        let behind_the_host = |url: &str| {
            let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
            rest.find(['/', '?']).map(|at| rest[at..].to_owned())
        };
        for url in [self.written.as_str(), self.url.as_str()] {
            let Some(tail) = behind_the_host(url) else { continue };
            hide(tail.trim_end_matches('/'));
            let parts = tail.split(['/', '?', '&', '=', '#']);
            parts.filter(|part| part.len() >= SHORTEST_TOKEN).for_each(&mut hide);
        }
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecretUrl({}, …)", self.host())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_refused_without_being_repeated() {
        for (text, reason) in [
            ("hooks.slack.com/services/T0/B0/secret", "is not a whole URL"),
            ("ftp://hooks.example.org/secret", "is not a web address"),
            ("mailto:me@example.org", "is not a web address"),
            (
                "https://me:secret@hooks.example.org/",
                "has a user name or password in it",
            ),
            ("", "is not a whole URL"),
        ] {
            assert_eq!(SecretUrl::read(text), Err(reason), "{text}");
        }
    }

    #[test]
    fn only_the_host_shows() {
        let url = SecretUrl::read(" https://Hooks.example.org:8443/services/T0/B0/canary#top ").unwrap();
        assert_eq!(url.host(), "hooks.example.org:8443");
        assert_eq!(format!("{url:?}"), "SecretUrl(hooks.example.org:8443, …)");
        assert_eq!(
            url.url().as_str(),
            "https://hooks.example.org:8443/services/T0/B0/canary"
        );
    }

    #[test]
    fn the_rest_is_hidden_as_it_is_written_and_as_it_is_sent() {
        let hidden = |text: &str| {
            let mut parts = Vec::new();
            SecretUrl::read(text)
                .unwrap()
                .hide_in(|part| parts.push(part.to_owned()));
            parts.dedup();
            parts
        };
        assert_eq!(
            hidden("https://hc-ping.com/7d1b0f7e-30a1-4c0c-8f3e-9f8f1a3c2b10/"),
            [
                "/7d1b0f7e-30a1-4c0c-8f3e-9f8f1a3c2b10",
                "7d1b0f7e-30a1-4c0c-8f3e-9f8f1a3c2b10",
                "/7d1b0f7e-30a1-4c0c-8f3e-9f8f1a3c2b10",
                "7d1b0f7e-30a1-4c0c-8f3e-9f8f1a3c2b10",
            ]
        );
        assert_eq!(
            hidden("https://x.example/hook?key=a ö"),
            ["/hook?key=a ö", "/hook?key=a%20%C3%B6"]
        );
        assert_eq!(hidden("https://x.example?key=abc"), ["?key=abc", "/?key=abc"]);
    }
}
