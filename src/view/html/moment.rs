//! How moments are written in a page: in UTC, which it says, so that a report means the same wherever it is read.

use jiff::Timestamp;

use crate::clock::UnixMillis;

use super::markup::{Html, html};

/// `14:05:22`.
pub(super) fn clock(at: UnixMillis) -> String {
    written(at, "%H:%M:%S")
}

/// `14:05`.
pub(super) fn minute(at: UnixMillis) -> String {
    written(at, "%H:%M")
}

/// `22 Nov`.
pub(super) fn day(at: UnixMillis) -> String {
    written(at, "%-d %b")
}

/// `22 Nov 2026, 14:05`.
pub(super) fn day_and_minute(at: UnixMillis) -> String {
    written(at, "%-d %b %Y, %H:%M")
}

/// A whole moment for people, and for scripts.
pub(super) fn moment(at: UnixMillis) -> Html {
    html!(
        r#"<time datetime="{}">{} UTC</time>"#,
        at.to_rfc3339(),
        written(at, "%-d %b %Y, %H:%M:%S")
    )
}

fn written(at: UnixMillis, format: &str) -> String {
    match Timestamp::from_millisecond(at.0) {
        Ok(moment) => moment.strftime(format).to_string(),
        // Only a broken clock gets here.
        Err(_) => at.to_rfc3339(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_in_utc() {
        let at = UnixMillis(1_790_000_000_042);
        assert_eq!(
            [clock(at), minute(at), day(at), day_and_minute(at)],
            ["14:13:20", "14:13", "21 Sep", "21 Sep 2026, 14:13"]
        );
        assert_eq!(
            moment(at).into_string(),
            r#"<time datetime="2026-09-21T14:13:20.042Z">21 Sep 2026, 14:13:20 UTC</time>"#
        );
        assert!(clock(UnixMillis(i64::MAX)).starts_with('@'));
    }
}
