//! What a host's answer means for the beginning of an image (RFC 9110, 14 and 15).

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, LOCATION};

use crate::web::header::{text, wait};

/// See the variants; which status is which stands in [`answer_of`] alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The file from its first byte on.
    Beginning(Beginning),
    /// A file without a byte.
    Empty,
    /// The host does not take the range: ask for the whole.
    AskAnew,
    /// It is elsewhere.
    Elsewhere(String),
    /// There is nothing, for nobody.
    NotThere,
    /// Not for us, or not like this.
    Refused,
    /// Not now.
    Again(Option<Duration>),
    /// The proxy on the way wants a login.
    ProxyLogin,
}

/// What is about to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Beginning {
    /// Length of the whole file, where it is announced.
    pub(super) total: Option<u64>,
    /// No more comes than was asked for; else the whole file would.
    pub(super) is_part: bool,
    /// How the file is compressed, by the host's word.
    pub(super) packing: Option<&'static str>,
}

/// What an answer with this status and these headers means, when so many first bytes were asked for (`None`: all).
pub(super) fn answer_of(status: StatusCode, headers: &HeaderMap, asked: Option<u64>) -> Answer {
    match (status.as_u16(), asked) {
        (200 | 203, _) => Answer::Beginning(Beginning {
            total: text(headers, &CONTENT_LENGTH).and_then(|value| value.trim().parse().ok()),
            is_part: false,
            packing: packing(headers),
        }),
        (204 | 205, _) => Answer::Empty,
        (206, Some(asked)) => match part(headers, asked) {
            Some(total) => Answer::Beginning(Beginning {
                total,
                is_part: true,
                packing: packing(headers),
            }),
            None => Answer::AskAnew,
        },
        // An empty file has no first byte.
        (416, Some(_)) if range(headers) == Some("*/0") => Answer::Empty,
        (416, Some(_)) => Answer::AskAnew,
        (301 | 302 | 303 | 307 | 308, _) => match text(headers, &LOCATION) {
            Some(location) => Answer::Elsewhere(location.to_owned()),
            None => Answer::Refused,
        },
        (404 | 410, _) => Answer::NotThere,
        (407, _) => Answer::ProxyLogin,
        (408 | 425 | 429 | 500..=599, _) => Answer::Again(wait(headers)),
        _ => Answer::Refused,
    }
}

/// The length of the whole file, as far as it is told, if the answer is the first of so many bytes asked for.
fn part(headers: &HeaderMap, asked: u64) -> Option<Option<u64>> {
    let (piece, total) = range(headers)?.split_once('/')?;
    let last: u64 = piece.strip_prefix("0-")?.parse().ok()?;
    if last >= asked {
        return None;
    }
    match total.parse::<u64>() {
        Ok(total) if last < total => Some(Some(total)),
        // It would have sent more if there were more.
        Err(_) if total == "*" => Some((last + 1 < asked).then_some(last + 1)),
        _ => None,
    }
}

fn range(headers: &HeaderMap) -> Option<&str> {
    Some(text(headers, &CONTENT_RANGE)?.trim().strip_prefix("bytes")?.trim())
}

/// Only what really packs: there are hosts that write `utf-8` or `binary` there.
fn packing(headers: &HeaderMap) -> Option<&'static str> {
    let said = text(headers, &CONTENT_ENCODING)?.to_ascii_lowercase();
    ["gzip", "deflate", "br", "zstd", "compress"].into_iter().find(|known| {
        said.split(',')
            .any(|word| word.trim().trim_start_matches("x-") == *known)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderName;

    fn read(status: u16, headers: &[(&'static str, &str)], asked: Option<u64>) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        answer_of(StatusCode::from_u16(status).unwrap(), &headers.collect(), asked)
    }

    fn beginning(total: Option<u64>, is_part: bool, packing: Option<&'static str>) -> Answer {
        Answer::Beginning(Beginning {
            total,
            is_part,
            packing,
        })
    }

    #[test]
    fn the_length_of_the_whole_is_read_where_it_is_told() {
        let range = |range| ("content-range", range);
        for (status, headers, expected) in [
            (206, &[range("bytes 0-99/5000")][..], beginning(Some(5_000), true, None)),
            (206, &[range("bytes 0-49/50")], beginning(Some(50), true, None)),
            (206, &[range("bytes 0-49/*")], beginning(Some(50), true, None)),
            (206, &[range("bytes 0-99/*")], beginning(None, true, None)),
            (206, &[range("bytes 0-99/99")], Answer::AskAnew),
            (206, &[range("bytes 0-100/5000")], Answer::AskAnew),
            (206, &[range("bytes 1-99/5000")], Answer::AskAnew),
            (206, &[range("bytes 0-99/many")], Answer::AskAnew),
            (
                206,
                &[("content-type", "multipart/byteranges; boundary=x")],
                Answer::AskAnew,
            ),
            (200, &[("content-length", "5000")], beginning(Some(5_000), false, None)),
            (200, &[("content-length", "many")], beginning(None, false, None)),
            (200, &[], beginning(None, false, None)),
            (416, &[range("bytes */0")], Answer::Empty),
            (416, &[range("bytes */70")], Answer::AskAnew),
            (204, &[], Answer::Empty),
        ] {
            assert_eq!(read(status, headers, Some(100)), expected, "{status} {headers:?}");
        }
        // No circle: what was asked for without a range is not asked for anew.
        assert_eq!(read(206, &[range("bytes 0-99/5000")], None), Answer::Refused);
        assert_eq!(read(416, &[], None), Answer::Refused);
    }

    #[test]
    fn what_is_packed_is_told_from_what_hosts_write_there_otherwise() {
        for (said, expected) in [
            ("gzip", Some("gzip")),
            ("GZIP", Some("gzip")),
            ("x-gzip", Some("gzip")),
            ("utf-8, br", Some("br")),
            ("utf-8", None),
            ("identity", None),
            ("", None),
        ] {
            let headers = [("content-encoding", said)];
            assert_eq!(read(200, &headers, None), beginning(None, false, expected), "{said}");
        }
    }

    #[test]
    fn each_status_has_its_meaning() {
        for status in [404, 410] {
            assert_eq!(read(status, &[], None), Answer::NotThere, "{status}");
        }
        for status in [
            201, 202, 300, 302, 304, 400, 401, 402, 403, 405, 406, 415, 418, 451, 999,
        ] {
            assert_eq!(read(status, &[], Some(100)), Answer::Refused, "{status}");
        }
        for status in [408, 425, 429, 500, 502, 503, 504, 521, 599] {
            assert_eq!(read(status, &[], Some(100)), Answer::Again(None), "{status}");
        }
        let three = Answer::Again(Some(Duration::from_secs(3)));
        assert_eq!(read(429, &[("retry-after", "3")], None), three);
        for status in [301, 302, 303, 307, 308] {
            let answer = read(status, &[("location", "/b")], None);
            assert_eq!(answer, Answer::Elsewhere("/b".to_owned()), "{status}");
        }
        assert_eq!(read(407, &[], None), Answer::ProxyLogin);
    }
}
