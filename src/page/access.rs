//! Who may look: by which name the page was asked for, from where, and with which token.
//!
//! The page has no user of its own to protect but the one at this machine, whose browser runs scripts of anybody: a name
//! that leads here after all (DNS rebinding) is not answered to, nor a request that another site's page makes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::escape;
use crate::page_token::PageToken;

/// Longest name in a message, in characters.
const MOST_SHOWN: usize = 100;

/// Who is let in.
#[derive(Debug, Clone, Default)]
pub struct AccessConfig {
    /// What viewers have to know; `None`: nothing, and only names of this machine alone are answered to.
    pub token: Option<PageToken>,
    /// Names and addresses that are answered to beside those of this machine alone, without ports. With a token any
    /// address is.
    pub hosts: Vec<String>,
    /// Where the page listens. It tells the sessions of several pages on one machine apart.
    pub port: u16,
}

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// One sentence that says what to do.
    pub(super) text: String,
}

impl Refusal {
    fn new(status: StatusCode, text: impl Into<String>) -> Refusal {
        Refusal {
            status,
            text: text.into(),
        }
    }
}

/// Decides who is let in.
#[derive(Debug)]
pub(super) struct Access {
    config: AccessConfig,
    /// The name of the cookie that holds a session. Cookies do not tell ports apart, so its own name does.
    cookie: String,
}

impl Access {
    pub(super) fn new(config: AccessConfig) -> Access {
        let hosts = config.hosts.iter().map(|host| plain_name(host)).collect();
        let cookie = format!("hailuo_batch_{}", config.port);
        Access {
            config: AccessConfig { hosts, ..config },
            cookie,
        }
    }

    /// Whether a request was made under a name of ours, and by no page of another site.
    pub(super) fn judge_origin(&self, request: &Parts) -> Result<(), Refusal> {
        let host = the_host(request)?;
        if !self.answers_to(host) {
            let shown = escape::excerpt(host, MOST_SHOWN);
            let token = match self.config.token {
                Some(_) => "",
                None => " and a token",
            };
            let (port, name) = (
                self.config.port,
                escape::excerpt(name_in(host).unwrap_or(host), MOST_SHOWN),
            );
            return Err(Refusal::new(
                StatusCode::MISDIRECTED_REQUEST,
                format!(
                    "this page does not answer to `{shown}`: open it as http://127.0.0.1:{port}/, or start it with \
                     `--allow-host {name}`{token}"
                ),
            ));
        }
        let fetch = |name| text(&request.headers, &HeaderName::from_static(name));
        let is_foreign = matches!(fetch("sec-fetch-site"), Some("cross-site" | "same-site"));
        // A link from anywhere may lead here; it only shows the page to whoever follows it.
        let is_visit = fetch("sec-fetch-mode") == Some("navigate") && fetch("sec-fetch-dest") == Some("document");
        if is_foreign && !is_visit {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "another site's page asked for this, which only the page itself may",
            ));
        }
        Ok(())
    }

    /// Whether the request shows the token, or a session that was begun with it; always, where none is asked for.
    pub(super) fn is_known(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.config.token else { return true };
        let bearer = text(headers, &AUTHORIZATION).and_then(|value| {
            let (scheme, given) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| given.trim())
        });
        if bearer.is_some_and(|given| token.is(given)) {
            return true;
        }
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.split_once('='));
        // Several of one name: one of them may have been set by another program on this machine.
        pairs.any(|(name, value)| name.trim() == self.cookie && token.has_session(value.trim()))
    }

    /// Whether a login is the page's own: no other site can make a browser log in here.
    pub(super) fn judge_login(&self, request: &Parts) -> Result<(), Refusal> {
        let site = text(&request.headers, &HeaderName::from_static("sec-fetch-site"));
        let from_here = match text(&request.headers, &ORIGIN) {
            None => true,
            // What browsers say where a page is not to be named. Those that do also tell the site.
            Some("null") => site == Some("same-origin"),
            Some(origin) => {
                let behind = origin.split_once("://").map(|(_, host)| host);
                behind.is_some_and(|host| the_host(request).is_ok_and(|ours| ours.eq_ignore_ascii_case(host)))
            }
        };
        let is_own = from_here && site.is_none_or(|site| site == "same-origin" || site == "none");
        is_own.then_some(()).ok_or_else(|| {
            Refusal::new(
                StatusCode::FORBIDDEN,
                "this login was not made on the page itself: open the page and log in there (a proxy in front of it must \
                 pass on the header `Host` as it came)",
            )
        })
    }

    /// The cookie that begins a session, if `given` is the token. `None` also where no token is asked for.
    pub(super) fn session_for(&self, given: &str, headers: &HeaderMap) -> Option<HeaderValue> {
        let token = self.config.token.as_ref().filter(|token| token.is(given))?;
        let is_https = text(headers, &ORIGIN).is_some_and(|origin| origin.starts_with("https://"));
        let secure = if is_https { "; Secure" } else { "" };
        let cookie = format!(
            "{}={}; Path=/; HttpOnly; SameSite=Strict{secure}",
            self.cookie,
            token.session()
        );
        let mut value = HeaderValue::from_str(&cookie).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Whether `host`, as the header has it, is one of our names.
    fn answers_to(&self, host: &str) -> bool {
        let Some(name) = name_in(host).map(plain_name) else {
            return false;
        };
        let address = address_of(&name);
        let is_here = match address {
            Some(address) => address.to_canonical().is_loopback(),
            None => name == "localhost" || name.ends_with(".localhost"),
        };
        is_here || (address.is_some() && self.config.token.is_some()) || self.config.hosts.contains(&name)
    }
}

/// The one host that a request is for.
fn the_host(request: &Parts) -> Result<&str, Refusal> {
    let mut hosts = request.headers.get_all(HOST).iter();
    let only = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    };
    // A request to a proxy names the place twice.
    let named = request.uri.authority().map(|authority| authority.as_str());
    only.filter(|host| named.is_none_or(|named| named.eq_ignore_ascii_case(host)))
        .ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, "a request needs one header `Host`"))
}

/// The name or address in a `Host` header, without the port; `None` if it is neither.
fn name_in(host: &str) -> Option<&str> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let end = rest.find(']')? + 2;
            (&host[..end], &host[end..])
        }
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port_is_one = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|digits| digits.parse::<u16>().is_ok());
    (port_is_one && !name.is_empty()).then_some(name)
}

/// A name as it is compared.
fn plain_name(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn address_of(name: &str) -> Option<IpAddr> {
    match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => name.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;

    use super::*;

    const TOKEN: &str = "correct horse battery";

    fn access(token: bool, hosts: &[&str]) -> Access {
        Access::new(AccessConfig {
            token: token.then(|| PageToken::new(TOKEN).unwrap()),
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            port: 8787,
        })
    }

    fn request(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap().into_parts().0
    }

    fn status(access: &Access, headers: &[(&str, &str)]) -> u16 {
        match access.judge_origin(&request("/", headers)) {
            Ok(()) => 200,
            Err(refusal) => refusal.status.as_u16(),
        }
    }

    #[test]
    fn the_page_answers_to_its_own_names_only() {
        let (alone, open) = (access(false, &["Studio.example."]), access(true, &["studio.example"]));
        for (host, without_token, with_token) in [
            ("localhost", 200, 200),
            ("LOCALHOST:8787", 200, 200),
            ("localhost.:1", 200, 200),
            ("batch.localhost", 200, 200),
            ("127.0.0.1:8787", 200, 200),
            ("127.8.9.1", 200, 200),
            ("[::1]:8787", 200, 200),
            ("[::ffff:127.0.0.1]", 200, 200),
            ("studio.example:443", 200, 200),
            ("192.168.1.9:8787", 421, 200),
            ("[fe80::1]", 421, 200),
            ("8.8.8.8", 421, 200),
            ("evil.example", 421, 421),
            ("localhost.evil.example", 421, 421),
            ("127.0.0.1.evil.example", 421, 421),
            ("evillocalhost", 421, 421),
            ("x.studio.example", 421, 421),
            // Names to us, whatever others take them for.
            ("0x7f.1", 421, 421),
            ("2130706433", 421, 421),
            ("::1", 421, 421),
            ("[::1", 421, 421),
            ("localhost:x", 421, 421),
            ("localhost:99999", 421, 421),
            ("me@localhost", 421, 421),
            ("", 421, 421),
            (":80", 421, 421),
        ] {
            assert_eq!(status(&alone, &[("host", host)]), without_token, "{host}");
            assert_eq!(status(&open, &[("host", host)]), with_token, "{host} with a token");
        }
        let refusal = alone.judge_origin(&request("/", &[("host", "evil\u{e9}.example:9")]));
        assert_eq!(refusal.unwrap_err().status, StatusCode::BAD_REQUEST);
        let refusal = alone
            .judge_origin(&request("/", &[("host", "evil.example:9")]))
            .unwrap_err();
        insta::assert_snapshot!(refusal.text, @"this page does not answer to `evil.example:9`: open it as http://127.0.0.1:8787/, or start it with `--allow-host evil.example` and a token");
    }

    #[test]
    fn a_request_names_its_host_once() {
        let access = access(false, &[]);
        assert_eq!(status(&access, &[]), 400);
        assert_eq!(status(&access, &[("host", "localhost"), ("host", "localhost")]), 400);
        for (uri, expected) in [("http://localhost/", true), ("http://evil.example/", false)] {
            let judged = access.judge_origin(&request(uri, &[("host", "localhost")]));
            assert_eq!(judged.is_ok(), expected, "{uri}");
        }
    }

    #[test]
    fn pages_of_other_sites_may_link_here_and_nothing_else() {
        let access = access(false, &[]);
        for (site, mode, dest, expected) in [
            ("same-origin", "cors", "empty", 200),
            ("none", "navigate", "document", 200),
            ("cross-site", "navigate", "document", 200),
            ("cross-site", "navigate", "iframe", 403),
            ("cross-site", "no-cors", "image", 403),
            ("cross-site", "cors", "empty", 403),
            ("same-site", "cors", "empty", 403),
        ] {
            let headers = [
                ("host", "localhost"),
                ("sec-fetch-site", site),
                ("sec-fetch-mode", mode),
                ("sec-fetch-dest", dest),
            ];
            assert_eq!(status(&access, &headers), expected, "{site} {mode} {dest}");
        }
    }

    #[test]
    fn a_token_is_shown_as_itself_or_as_its_session() {
        let with_token = access(true, &[]);
        let cookie = with_token.session_for(TOKEN, &HeaderMap::new()).unwrap();
        assert!(cookie.is_sensitive());
        let cookie = cookie.to_str().unwrap();
        assert!(!cookie.contains(TOKEN));
        let (pair, attributes) = cookie.split_once(';').unwrap();
        assert_eq!(attributes, " Path=/; HttpOnly; SameSite=Strict");
        assert_eq!(with_token.session_for("correct horse batterx", &HeaderMap::new()), None);
        let session = pair.strip_prefix("hailuo_batch_8787=").unwrap();
        let known = |headers: &[(&str, &str)]| with_token.is_known(&request("/", headers).headers);
        assert!(!known(&[]));
        for (header, value, expected) in [
            ("authorization", format!("Bearer {TOKEN}"), true),
            ("authorization", format!("bearer {TOKEN}"), true),
            ("authorization", format!("Basic {TOKEN}"), false),
            ("authorization", TOKEN.to_owned(), false),
            ("authorization", format!("Bearer {session}"), false),
            ("authorization", "Bearer ".to_owned(), false),
            ("cookie", pair.to_owned(), true),
            ("cookie", format!("a=b; {pair}; c"), true),
            ("cookie", format!("hailuo_batch_8787=other; {pair}"), true),
            ("cookie", format!("hailuo_batch_8788={session}"), false),
            ("cookie", format!("hailuo_batch_8787={TOKEN}"), false),
            ("cookie", "hailuo_batch_8787=".to_owned(), false),
        ] {
            assert_eq!(known(&[(header, &value)]), expected, "{header}: {value}");
        }
        assert!(access(false, &[]).is_known(&HeaderMap::new()));
    }

    #[test]
    fn only_the_page_itself_logs_in() {
        let access = access(true, &[]);
        for (origin, site, expected) in [
            (None, None, true),
            (Some("http://localhost:8787"), None, true),
            (Some("https://LOCALHOST:8787"), Some("same-origin"), true),
            (None, Some("none"), true),
            (Some("null"), Some("same-origin"), true),
            (Some("null"), None, false),
            (Some("null"), Some("cross-site"), false),
            (Some("http://localhost:8788"), None, false),
            (Some("http://evil.example"), None, false),
            (Some("localhost:8787"), None, false),
            (Some("http://localhost:8787"), Some("cross-site"), false),
            (None, Some("same-site"), false),
        ] {
            let mut headers = vec![("host", "localhost:8787")];
            headers.extend(origin.map(|origin| ("origin", origin)));
            headers.extend(site.map(|site| ("sec-fetch-site", site)));
            let judged = access.judge_login(&request("/login", &headers));
            assert_eq!(judged.is_ok(), expected, "{origin:?} {site:?}");
        }
        let headers = request("/login", &[("origin", "https://studio.example")]).headers;
        let cookie = access.session_for(TOKEN, &headers).unwrap();
        assert!(cookie.to_str().unwrap().ends_with("; Secure"), "it came over TLS");
    }
}
