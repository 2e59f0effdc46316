//! `Retry-After`: how long the server asks us to stay away.

use std::time::Duration;

use jiff::fmt::rfc2822;

/// The wait a `Retry-After` header asks for. `date` is the response's own `Date`: a moment is measured against the
/// server's clock, never ours.
///
/// Reads whole seconds or an HTTP date (RFC 9110, 10.2.3). Negative, fractional, over-long or unreadable values are
/// ignored (`None`); a moment that has passed asks for no wait. The caller bounds what it obeys.
pub fn retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.len() <= 10 && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return value.parse().ok().map(Duration::from_secs);
    }
    let parser = rfc2822::DateTimeParser::new();
    let until = parser.parse_timestamp(value).ok()?;
    let now = parser.parse_timestamp(date?.trim()).ok()?;
    let wait = until.duration_since(now);
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read_and_everything_else_is_ignored() {
        let date = Some("Sun, 22 Nov 2026 06:00:00 GMT");
        let cases = [
            ("0", None, Some(0)),
            (" 30 ", None, Some(30)),
            ("9999999999", None, Some(9_999_999_999)),
            ("99999999999", None, None),
            ("-1", None, None),
            ("1.5", None, None),
            ("NaN", None, None),
            ("", None, None),
            ("soon", None, None),
            ("Sun, 22 Nov 2026 06:01:30 GMT", date, Some(90)),
            ("Sun, 22 Nov 2026 05:00:00 GMT", date, Some(0)),
            ("Sun, 22 Nov 2026 06:01:30 GMT", None, None),
        ];
        for (value, date, seconds) in cases {
            assert_eq!(retry_after(value, date), seconds.map(Duration::from_secs), "{value:?}");
        }
    }
}
