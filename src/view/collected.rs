//! What became of tasks and videos, in a summary.

use std::fmt::{self, Formatter};

use serde::Serialize;

use super::summary::Summary;
use super::wording::{counted, grouped};
use crate::escape;

/// What this invocation collected. Without one it was not to collect.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Collected {
    /// Videos were to be saved.
    pub saving: bool,
    /// Looks at tasks.
    pub looks: u64,
    /// Tasks seen to end with a video.
    pub succeeded: u64,
    /// Tasks seen to end without one.
    pub failed: u64,
    /// Videos saved.
    pub saved: u64,
    /// Their bytes.
    pub saved_bytes: u64,
    /// Rows that got their task from a callback.
    pub settled: u64,
    /// Why the fetching of videos stopped early, if it did.
    pub saving_stopped: Option<String>,
    /// Code and text of the last look, if it brought nothing.
    pub last_trouble: Option<String>,
    /// `--wait-for` was over before the tasks had ended.
    pub time_is_up: bool,
}

impl Collected {
    /// Rows that were to be brought further and are not there yet.
    pub(super) fn left(&self, accepted: u64, succeeded: u64) -> u64 {
        accepted + if self.saving { succeeded } else { 0 }
    }
}

/// What was collected, in a line or two.
pub(super) fn write(summary: &Summary, formatter: &mut Formatter<'_>) -> fmt::Result {
    let Some(collected) = &summary.collected else {
        return Ok(());
    };
    let mut parts = Vec::new();
    for (count, words) in [(collected.succeeded, "succeeded"), (collected.failed, "failed")] {
        if count > 0 {
            parts.push(format!("{} {words}", counted(count, "task")));
        }
    }
    if collected.settled > 0 {
        parts.push(format!("{} settled by callbacks", counted(collected.settled, "row")));
    }
    if collected.saved > 0 {
        parts.push(format!(
            "{} saved ({})",
            counted(collected.saved, "video"),
            size(collected.saved_bytes)
        ));
    }
    match parts.is_empty() {
        true => writeln!(
            formatter,
            "collected: nothing new, with {}",
            counted(collected.looks, "look")
        )?,
        false => writeln!(
            formatter,
            "collected: {}, with {}",
            parts.join(", "),
            counted(collected.looks, "look")
        )?,
    }
    if let Some(why) = &collected.saving_stopped {
        writeln!(formatter, "saving stopped: {}", escape::excerpt(why, 300))?;
    }
    Ok(())
}

/// When files that are not saved yet begin to be deleted.
pub(super) fn write_expiry(summary: &Summary, formatter: &mut Formatter<'_>) -> fmt::Result {
    let Some(expiry) = summary.first_expiry else {
        return Ok(());
    };
    let day: String = expiry.to_rfc3339().chars().take(10).collect();
    let videos = grouped(summary.counts.succeeded);
    writeln!(
        formatter,
        "videos not saved: {videos}; the API deletes the first of them on {day}"
    )
}

/// `16 kB`, `148 MB`: bytes in three digits or so.
pub(super) fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let amount = bytes as f64;
    match bytes {
        0..1_000 => counted(bytes, "byte"),
        1_000..1_000_000 => format!("{:.0} kB", amount / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", amount / 1e6),
        _ => format!("{:.2} GB", amount / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits_or_so() {
        let texts = [0, 1, 999, 16_400, 1_500_000, 148_000_000, 2_340_000_000].map(size);
        assert_eq!(
            texts,
            [
                "0 bytes",
                "1 byte",
                "999 bytes",
                "16 kB",
                "1.5 MB",
                "148.0 MB",
                "2.34 GB"
            ]
        );
    }
}
