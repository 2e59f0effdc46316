//! `20/10s`: how many requests a window may hold, and how long the window is.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

/// How much further apart than the window's share two requests leave: one every `SPACING` windows / requests. The 5 %
/// buy half a second of arrival jitter at 20 per 10 s.
pub const SPACING: f64 = 1.05;

/// The limit the account has, or the one the user sets below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// No window of this length ever sees more than so many requests.
    Limited {
        /// Requests a window may hold.
        requests: NonZeroU32,
        /// Length of the window.
        window: Duration,
    },
    /// As fast as the other side answers: for a server of one's own, never for the real API.
    Off,
}

impl Rate {
    /// The account's limit: 20 new requests per 10 s (the API's "Getting Started" page, read in October 2026).
    pub const ACCOUNT: Rate = Rate::Limited {
        requests: NonZeroU32::new(20).expect("twenty is not zero"),
        window: Duration::from_secs(10),
    };
}

impl Default for Rate {
    fn default() -> Rate {
        Rate::ACCOUNT
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rate::Limited { requests, window } => {
                let window = humantime::format_duration(*window).to_string().replace(' ', "");
                write!(formatter, "{requests}/{window}")
            }
            Rate::Off => formatter.write_str("off"),
        }
    }
}

/// Why a text is not a rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a rate: write how many per how long, like `20/10s`")]
pub struct RateError(String);

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || RateError(text.to_owned());
        let trimmed = text.trim();
        if trimmed.eq_ignore_ascii_case("off") {
            return Ok(Rate::Off);
        }
        let (requests, window) = trimmed.split_once('/').ok_or_else(refused)?;
        let requests = requests.trim().parse::<NonZeroU32>().map_err(|_| refused())?;
        let window = window.trim();
        // `20/s` reads naturally and humantime wants the number.
        let window = if window.starts_with(|c: char| c.is_ascii_digit()) {
            humantime::parse_duration(window)
        } else {
            humantime::parse_duration(&format!("1{window}"))
        };
        let window = window.map_err(|_| refused())?;
        if window < Duration::from_millis(1) || window > Duration::from_secs(24 * 3600) {
            return Err(refused());
        }
        Ok(Rate::Limited { requests, window })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_written() {
        for (text, written) in [
            ("20/10s", "20/10s"),
            (" 2 / 1s", "2/1s"),
            ("120/m", "120/1m"),
            ("5/s", "5/1s"),
            ("off", "off"),
        ] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), written);
        }
        for text in [
            "", "20", "0/10s", "20/0s", "-1/10s", "20/10", "x/y", "20/10s/3", "20/2days",
        ] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
        assert_eq!("20/10s".parse::<Rate>().unwrap(), Rate::ACCOUNT);
    }
}
