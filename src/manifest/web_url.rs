//! Whether a text is an address that the API's servers can fetch.
//!
//! The `url` crate is the judge. Most addresses are so plain that its verdict is known without asking it, which saves
//! an allocation per row; a property test holds the two together.

use std::borrow::Cow;
use std::net::IpAddr;

use url::{Host, Url};

use crate::address;
use crate::escape;
use crate::manifest::Rule;

/// Longest piece of an address in a message, in characters.
const MOST_SHOWN: usize = 80;

/// The first rule about addresses that `text` breaks; surrounding white space has been removed.
pub(super) fn broken_rule(text: &str) -> Option<Rule> {
    if is_plain(text) { None } else { judge(text) }
}

/// Whether this is `http(s)://name/…` in plain ASCII, with a public host name and nothing that needs a second look.
fn is_plain(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return false;
    };
    let Some(host_length) = plain_host_length(rest) else {
        return false;
    };
    // Without an early exit the compiler looks at many bytes at once.
    let tail = &rest.as_bytes()[host_length..];
    tail.iter().fold(true, |plain, byte| plain & byte.is_ascii_graphic())
}

/// The length of a host of lower-case labels between single dots, up to the path or the end.
///
/// Labels with `--` are not plain, they may be punycode, which has to be valid; nor is a last label that begins with a
/// digit, which may make the host an IPv4 address.
fn plain_host_length(text: &str) -> Option<usize> {
    let mut last_label = 0;
    let mut before = b'.';
    let mut length = text.len();
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' => {}
            b'-' | b'.' if !matches!(before, b'-' | b'.') => {
                if byte == b'.' {
                    last_label = at + 1;
                }
            }
            b'/' | b'?' | b'#' => {
                length = at;
                break;
            }
            _ => return None,
        }
        before = byte;
    }
    let host = &text[..length];
    let last = &host[last_label..];
    // 63 bytes are the longest label that DNS allows, so no label is longer either.
    let is_plain = length <= 63
        && last_label > 0
        && before != b'-'
        && last.starts_with(|first: char| first.is_ascii_lowercase())
        && !is_private_domain(host, last);
    is_plain.then_some(length)
}

fn judge(text: &str) -> Option<Rule> {
    if !begins_with_web_scheme(text) {
        return Some(other_than_web(text));
    }
    if text.contains(|character: char| character.is_whitespace() || character.is_control()) {
        return Some(Rule::SpaceInUrl);
    }
    let Ok(url) = Url::parse(text) else {
        return Some(Rule::NotAUrl);
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Some(Rule::Credentials);
    }
    let private = match url.host()? {
        Host::Domain(name) => is_private_name(name),
        Host::Ipv4(address) => !address::is_public(IpAddr::V4(address)),
        Host::Ipv6(address) => !address::is_public(IpAddr::V6(address)),
    };
    private.then_some(Rule::UnreachableHost)
}

/// `http://` or `https://` and the beginning of a host: the `url` crate would forgive missing or additional slashes.
fn begins_with_web_scheme(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")) && !rest.starts_with(['/', '\\'])
}

fn other_than_web(text: &str) -> Rule {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    let is_scheme = |scheme: &str| {
        scheme.len() > 1
            && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-".contains(&byte))
    };
    match scheme {
        Some(scheme) if scheme.eq_ignore_ascii_case("file") => Rule::LocalFile,
        Some(scheme) if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") => Rule::NotAUrl,
        // `localhost:8000/1.png` has a port, `data:image/png` a scheme.
        Some(scheme) if is_scheme(scheme) && !text[scheme.len() + 1..].starts_with(|c: char| c.is_ascii_digit()) => {
            Rule::WrongScheme
        }
        _ if is_local_path(text) => Rule::LocalFile,
        _ => Rule::NotAbsolute,
    }
}

fn is_local_path(text: &str) -> bool {
    let bytes = text.as_bytes();
    let has_drive = bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' && b"\\/".contains(&bytes[2]);
    if text.starts_with("//") {
        return false;
    }
    let is_rooted = text.starts_with(['/', '\\', '.', '~']);
    // `photo.png` and `photos/1.png` are files, `img.example.org/1.png` is an address without its scheme.
    let first = text.split(['/', '\\']).next().unwrap_or_default();
    let is_name = !first.contains(['.', ':']) || first.len() == text.len();
    let extension = text.rsplit_once('.').map_or("", |(_, extension)| extension);
    let is_image = [
        "png", "jpg", "jpeg", "webp", "gif", "bmp", "heic", "avif", "tif", "tiff",
    ]
    .iter()
    .any(|known| extension.eq_ignore_ascii_case(known));
    has_drive || is_rooted || (is_name && is_image) || text.contains('\\')
}

/// Names that only a private network can resolve.
fn is_private_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    match name.rsplit_once('.') {
        None => true,
        Some((_, last)) => is_private_domain(name, last),
    }
}

/// The same for a name with several labels, the `last` of which is known.
fn is_private_domain(name: &str, last: &str) -> bool {
    matches!(
        last,
        "local" | "localhost" | "internal" | "localdomain" | "lan" | "intranet" | "home" | "corp" | "test" | "invalid"
    ) || (last == "arpa" && name.ends_with(".home.arpa"))
}

/// An address as messages show it: cut, made harmless, and without whatever may be a password.
pub(super) fn shown(text: &str) -> String {
    escape::excerpt(&without_credentials(text), MOST_SHOWN)
}

/// Everything up to the last `@` goes, also where that is none of a user name: rather too much than a password.
fn without_credentials(text: &str) -> Cow<'_, str> {
    let Some(at) = text.rfind('@') else {
        return Cow::Borrowed(text);
    };
    let begin = text.find("://").map_or(0, |at| at + 3).min(at);
    Cow::Owned(format!("{}…{}", &text[..begin], &text[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_judged() {
        use Rule::*;
        #[rustfmt::skip]
        let table: [(&str, Option<Rule>); 56] = [
            ("https://img.example.org/1.png", None),
            ("http://img.example.org", None),
            ("HTTPS://IMG.EXAMPLE.ORG/1.PNG", None),
            ("https://img.example.org:8443/a?b=c&d#e", None),
            ("https://img.example.org/小船.png", None),
            ("https://例子.测试例/1.png", None),
            ("https://8.8.8.8/1.png", None),
            ("https://[2606:4700::1111]/1.png", None),
            ("https://medium.example.org/@user/1.png", None),
            ("", Some(NotAbsolute)),
            ("img.example.org/1.png", Some(NotAbsolute)),
            ("www.example.org", Some(NotAbsolute)),
            ("//img.example.org/1.png", Some(NotAbsolute)),
            ("localhost:8000/1.png", Some(NotAbsolute)),
            ("1.png", Some(LocalFile)),
            ("photos/1.JPG", Some(LocalFile)),
            ("./1", Some(LocalFile)),
            ("/home/me/1.png", Some(LocalFile)),
            ("~/1.png", Some(LocalFile)),
            ("C:\\photos\\1.png", Some(LocalFile)),
            ("c:/photos/1.png", Some(LocalFile)),
            ("\\\\server\\1.png", Some(LocalFile)),
            ("file:///home/me/1.png", Some(LocalFile)),
            ("data:image/png;base64,AAAA", Some(WrongScheme)),
            ("ftp://img.example.org/1.png", Some(WrongScheme)),
            ("s3://bucket/1.png", Some(WrongScheme)),
            ("http:/img.example.org", Some(NotAUrl)),
            ("http:///img.example.org", Some(NotAUrl)),
            ("https:\\\\img.example.org", Some(NotAUrl)),
            ("https://", Some(NotAUrl)),
            ("https://img.example.org:99999/", Some(NotAUrl)),
            ("https://exa mple.org/1.png", Some(SpaceInUrl)),
            ("https://img.example.org/1 2.png", Some(SpaceInUrl)),
            ("https://img.example.org/1.png\nhttps://img.example.org/2.png", Some(SpaceInUrl)),
            ("https://ann:secret@img.example.org/1.png", Some(Credentials)),
            ("https://ann@img.example.org/1.png", Some(Credentials)),
            ("http://localhost/1.png", Some(UnreachableHost)),
            ("http://LOCALHOST:8000/1.png", Some(UnreachableHost)),
            ("http://nas/1.png", Some(UnreachableHost)),
            ("http://nas.local/1.png", Some(UnreachableHost)),
            ("http://nas.local./1.png", Some(UnreachableHost)),
            ("http://127.0.0.1/1.png", Some(UnreachableHost)),
            ("http://0x7f.1/1.png", Some(UnreachableHost)),
            ("http://2130706433/1.png", Some(UnreachableHost)),
            ("http://0177.0.0.1/1.png", Some(UnreachableHost)),
            ("http://192.168.1.10/1.png", Some(UnreachableHost)),
            ("http://172.31.0.1/1.png", Some(UnreachableHost)),
            ("http://169.254.169.254/latest", Some(UnreachableHost)),
            ("http://100.64.0.1/1.png", Some(UnreachableHost)),
            ("http://0.0.0.0/1.png", Some(UnreachableHost)),
            ("http://[::1]/1.png", Some(UnreachableHost)),
            ("http://[::ffff:127.0.0.1]/1.png", Some(UnreachableHost)),
            ("http://[64:ff9b::10.0.0.1]/1.png", Some(UnreachableHost)),
            ("http://[fe80::1]/1.png", Some(UnreachableHost)),
            ("http://[fd00::1]/1.png", Some(UnreachableHost)),
            ("http://[2002:7f00:1::]/1.png", Some(UnreachableHost)),
        ];
        for (text, rule) in table {
            assert_eq!(broken_rule(text), rule, "{text}");
        }
    }

    #[test]
    fn no_message_shows_a_password() {
        for text in [
            "https://ann:secret@img.example.org/1.png",
            "https://ann:se/cret@img.example.org/1.png",
            "https://ann:sec@ret@img.example.org",
            "ann:secret@img.example.org",
            "ftp://ann:secret@img.example.org",
            "a@b://secret@x",
        ] {
            let shown = shown(text);
            assert!(!shown.contains("secret") && !shown.contains("cret@"), "{shown}");
        }
        assert_eq!(shown("https://img.example.org/1.png"), "https://img.example.org/1.png");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn the_plain_path_and_the_url_crate_agree(
            text in prop_oneof![
                "https?://[a-z0-9.-]{0,12}(\\.[a-z0-9]{1,5})?(:[0-9]{1,5})?([/?#][!-~]{0,12})?",
                "(https?|HTTPS)://(xn--)?[a-zA-Z0-9._%-]{0,8}\\.(com|local|0x1|1|test)\\.?[/?#]?[!-~]{0,4}",
                "https?://[!-~]{0,16}",
                "\\PC{0,20}",
            ]
        ) {
            if is_plain(&text) {
                prop_assert_eq!(judge(&text), None);
                let url = Url::parse(&text).expect("the url crate takes what is plain");
                prop_assert!(matches!(url.host(), Some(Host::Domain(_))));
            }
        }
    }
}
