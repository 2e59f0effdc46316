//! Durations as people write them: `90s`, `15m`, `2h 30m`.

use std::time::Duration;

/// Longest duration any setting takes: far beyond every use, and small enough that adding it to a clock cannot overflow.
pub const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// A bare number could be seconds, minutes or milliseconds: a guess would be wrong for someone.
    #[error("`{0}` has no unit: write `{0}s` for seconds or `{0}m` for minutes")]
    NoUnit(String),
    /// Anything else.
    #[error("`{0}` is not a duration: write a number and its unit, like `90s`, `15m` or `2h 30m`")]
    NotADuration(String),
    /// Longer than [`LONGEST`].
    #[error("`{0}` is too long: the longest duration is 366 days")]
    TooLong(String),
}

/// Reads a duration with its unit.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let text = text.trim();
    if text.parse::<f64>().is_ok_and(f64::is_finite) {
        return Err(DurationError::NoUnit(text.to_owned()));
    }
    match humantime::parse_duration(text) {
        Ok(duration) if duration > LONGEST => Err(DurationError::TooLong(text.to_owned())),
        Ok(duration) => Ok(duration),
        Err(_) => Err(DurationError::NotADuration(text.to_owned())),
    }
}

/// A duration in the form [`parse`] takes: `2m`, `1h30m`.
pub fn written(duration: Duration) -> String {
    humantime::format_duration(duration).to_string().replace(' ', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_its_unit() {
        for (text, seconds) in [
            ("90s", 90),
            (" 15m ", 900),
            ("2h 30m", 9_000),
            ("1h30m", 5_400),
            ("1d", 86_400),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
            let duration = Duration::from_secs(seconds);
            assert_eq!(parse(&written(duration)), Ok(duration), "{text}");
        }
    }

    #[test]
    fn everything_else_says_what_to_write() {
        insta::assert_snapshot!(parse("90").unwrap_err(), @"`90` has no unit: write `90s` for seconds or `90m` for minutes");
        insta::assert_snapshot!(parse("PT10S").unwrap_err(), @"`PT10S` is not a duration: write a number and its unit, like `90s`, `15m` or `2h 30m`");
        insta::assert_snapshot!(parse("900y").unwrap_err(), @"`900y` is too long: the longest duration is 366 days");
        for text in ["", "s", "-5s", "5 apples", "nan", "99999999999999999999s"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
