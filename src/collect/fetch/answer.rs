//! What a host's answer means for a file of which we may have a part (RFC 9110, 14 and 15).

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, LOCATION};

use crate::collect::fetch::part::Rest;
use crate::web::header::{text, wait};

/// Longest validator we remember, in bytes.
const MOST_ETAG_BYTES: usize = 256;

/// See the variants; which status is which stands in [`answer_of`] alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The file from its first byte on.
    Whole {
        /// Its length, where it is announced.
        bytes: Option<u64>,
        /// A strong validator, with which it can be continued.
        etag: Option<String>,
    },
    /// Exactly the rest that was asked for.
    Rest,
    /// The rest cannot be had, or not of the same file: ask for the whole.
    AskAnew,
    /// It is elsewhere.
    Elsewhere(String),
    /// Not there, or not for this link.
    NotThere,
    /// Not now.
    Again(Option<Duration>),
    /// The proxy on the way wants a login.
    ProxyLogin,
}

/// What an answer with this status and these headers means, when `asked` was asked for (`None`: the whole file).
pub(super) fn answer_of(status: StatusCode, headers: &HeaderMap, asked: Option<&Rest>) -> Answer {
    match (status.as_u16(), asked) {
        (200, _) => Answer::Whole {
            bytes: text(headers, &CONTENT_LENGTH).and_then(|value| value.trim().parse().ok()),
            etag: strong_etag(headers),
        },
        (206, Some(rest)) if is_rest(headers, rest) => Answer::Rest,
        (206 | 416, Some(_)) => Answer::AskAnew,
        (301 | 302 | 303 | 307 | 308, _) => match text(headers, &LOCATION) {
            Some(location) => Answer::Elsewhere(location.to_owned()),
            None => Answer::Again(None),
        },
        (407, _) => Answer::ProxyLogin,
        (408 | 425 | 429, _) => Answer::Again(wait(headers)),
        // Signed links that have expired are 400, 401, 403, 404 or 410, by the host's taste.
        (400..=499, _) => Answer::NotThere,
        _ => Answer::Again(wait(headers)),
    }
}

/// Whether the piece is the one that continues ours, of the file that ours is a part of.
fn is_rest(headers: &HeaderMap, rest: &Rest) -> bool {
    let expected = format!("{}-{}/{}", rest.from, rest.bytes - 1, rest.bytes);
    let range = text(headers, &CONTENT_RANGE).and_then(|value| value.trim().strip_prefix("bytes"));
    let same_file = text(headers, &ETAG).is_none_or(|etag| etag == rest.etag);
    let length =
        text(headers, &CONTENT_LENGTH).is_none_or(|length| length.trim() == (rest.bytes - rest.from).to_string());
    same_file && length && range.is_some_and(|range| range.trim() == expected)
}

/// Weak validators say that two files look the same, not that their bytes are.
fn strong_etag(headers: &HeaderMap) -> Option<String> {
    let etag = text(headers, &ETAG)?;
    let is_strong = etag.len() > 2 && etag.len() <= MOST_ETAG_BYTES && etag.starts_with('"') && etag.ends_with('"');
    is_strong.then(|| etag.to_owned())
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderName;

    use super::*;

    fn read(status: u16, headers: &[(&'static str, &str)], asked: Option<&Rest>) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        answer_of(StatusCode::from_u16(status).unwrap(), &headers.collect(), asked)
    }

    fn whole(bytes: Option<u64>, etag: Option<&str>) -> Answer {
        Answer::Whole {
            bytes,
            etag: etag.map(str::to_owned),
        }
    }

    #[test]
    fn a_whole_file_is_continued_only_by_a_strong_validator() {
        for (headers, expected) in [
            (&[][..], whole(None, None)),
            (
                &[("content-length", "10"), ("etag", "\"a\"")],
                whole(Some(10), Some("\"a\"")),
            ),
            (&[("content-length", "10"), ("etag", "W/\"a\"")], whole(Some(10), None)),
            (&[("content-length", "ten"), ("etag", "a")], whole(None, None)),
            (&[("etag", "\"\"")], whole(None, None)),
        ] {
            assert_eq!(read(200, headers, None), expected, "{headers:?}");
        }
        let long = format!("\"{}\"", "a".repeat(300));
        assert_eq!(read(200, &[("etag", &long)], None), whole(None, None));
    }

    #[test]
    fn only_the_very_rest_is_taken() {
        let rest = Rest {
            from: 4,
            bytes: 10,
            etag: "\"a\"".to_owned(),
        };
        let right = ("content-range", "bytes 4-9/10");
        for (status, headers, expected) in [
            (206, &[right][..], Answer::Rest),
            (206, &[right, ("etag", "\"a\""), ("content-length", "6")], Answer::Rest),
            (206, &[right, ("etag", "\"b\"")], Answer::AskAnew),
            (206, &[right, ("content-length", "5")], Answer::AskAnew),
            (206, &[("content-range", "bytes 3-9/10")], Answer::AskAnew),
            (206, &[("content-range", "bytes 4-8/10")], Answer::AskAnew),
            (206, &[("content-range", "bytes 4-9/11")], Answer::AskAnew),
            (206, &[("content-range", "bytes 4-9/*")], Answer::AskAnew),
            (
                206,
                &[("content-type", "multipart/byteranges; boundary=x")],
                Answer::AskAnew,
            ),
            (416, &[("content-range", "bytes */3")], Answer::AskAnew),
            (200, &[("content-length", "10")], whole(Some(10), None)),
        ] {
            assert_eq!(read(status, headers, Some(&rest)), expected, "{status} {headers:?}");
        }
        assert_eq!(read(206, &[right], None), Answer::Again(None));
    }

    #[test]
    fn each_status_has_its_meaning() {
        for status in [400, 401, 403, 404, 410, 416, 451] {
            assert_eq!(read(status, &[], None), Answer::NotThere, "{status}");
        }
        for status in [100, 204, 300, 304, 408, 425, 429, 500, 502, 503, 504, 522] {
            assert_eq!(read(status, &[], None), Answer::Again(None), "{status}");
        }
        let thirty = Answer::Again(Some(Duration::from_secs(30)));
        for status in [429, 503] {
            assert_eq!(read(status, &[("retry-after", "30")], None), thirty, "{status}");
        }
        for status in [301, 302, 303, 307, 308] {
            let answer = read(status, &[("location", "/b")], None);
            assert_eq!(answer, Answer::Elsewhere("/b".to_owned()), "{status}");
        }
        assert_eq!(read(302, &[], None), Answer::Again(None));
        assert_eq!(read(407, &[], None), Answer::ProxyLogin);
    }
}
