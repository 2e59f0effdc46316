//! `Range: bytes=…`: which part of a file is asked for (RFC 9110, section 14).

use std::ops::Range;

/// The part of a file that an answer brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// These bytes; there is at least one.
    Some(Range<u64>),
    /// The file does not reach that far.
    Unsatisfiable,
}

/// The part that the headers ask for, of a file of this length. Several ranges, other units and nonsense get the whole
/// file, as does a range of another version of it (`If-Range`).
pub fn part_of(range: Option<&str>, if_range: Option<&str>, etag: &str, length: u64) -> Part {
    if if_range.is_some_and(|version| version.trim() != etag) {
        return Part::Whole;
    }
    let Some(range) = range.and_then(|range| range.trim().strip_prefix("bytes=")) else {
        return Part::Whole;
    };
    let Some((first, last)) = range.split_once('-') else {
        return Part::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    let bounds = if first.is_empty() {
        number(last).map(|wanted| (length.saturating_sub(wanted), length, wanted > 0))
    } else if last.is_empty() {
        number(first).map(|first| (first, length, first < length))
    } else {
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => {
                Some((first, last.saturating_add(1).min(length), first < length))
            }
            _ => None,
        }
    };
    match bounds {
        None => Part::Whole,
        Some((start, end, true)) => Part::Some(start..end),
        Some((_, _, false)) => Part::Unsatisfiable,
    }
}

/// Digits only; a number beyond all files is as good as the largest.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_the_standard_says() {
        for (range, part) in [
            ("bytes=0-9", Part::Some(0..10)),
            ("bytes=10-", Part::Some(10..100)),
            ("bytes=99-", Part::Some(99..100)),
            ("bytes=50-1000", Part::Some(50..100)),
            ("bytes=-30", Part::Some(70..100)),
            ("bytes=-1000", Part::Some(0..100)),
            ("bytes=0-99999999999999999999999", Part::Some(0..100)),
            ("bytes=100-", Part::Unsatisfiable),
            ("bytes=99999999999999999999999-", Part::Unsatisfiable),
            ("bytes=-0", Part::Unsatisfiable),
            ("bytes=9-0", Part::Whole),
            ("bytes=0-1,5-6", Part::Whole),
            ("bytes=", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("lines=0-1", Part::Whole),
        ] {
            assert_eq!(part_of(Some(range), None, "\"a\"", 100), part, "{range}");
        }
        assert_eq!(part_of(None, None, "\"a\"", 100), Part::Whole);
    }

    #[test]
    fn a_range_of_another_version_gets_the_whole_file() {
        for (version, part) in [
            ("\"a\"", Part::Some(5..100)),
            ("\"b\"", Part::Whole),
            ("W/\"a\"", Part::Whole),
            ("Sun, 22 Nov 2026 06:00:00 GMT", Part::Whole),
        ] {
            assert_eq!(
                part_of(Some("bytes=5-"), Some(version), "\"a\"", 100),
                part,
                "{version}"
            );
        }
    }
}
