//! What a sandbox is to be like.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::rate::Rate;

use super::callbacks::WebhookKey;
use super::plan::FaultPlan;

/// Credits a fresh sandbox account holds: 333 clips of the cheapest kind.
pub const DEFAULT_CREDITS: f64 = 10_000.0;

/// recordInfo requests of one key: 10 per second (the older edition of the API's page on task details; the newer one is
/// silent).
pub const DEFAULT_POLL_LIMIT: Rate = Rate::Limited {
    requests: NonZeroU32::new(10).expect("ten is not zero"),
    window: Duration::from_secs(1),
};

/// How long a link in a record works: "typically" 24 hours (the API's page on task details).
pub const DEFAULT_LINK_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Requests that records repeat.
pub const DEFAULT_KEEP_PARAMS: usize = 100_000;

/// The settings of one sandbox.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// The window createTask requests must fit in.
    pub limit: Rate,
    /// Whether refused requests fill the window as well.
    pub count_refused: bool,
    /// How long a reply to createTask takes, counted from the request's arrival.
    pub latency: Latency,
    /// How long a task takes from its creation to its end. Real ones take 30 s to 2 min; trials are quicker.
    pub generation: Latency,
    /// The window recordInfo requests must fit in; refused ones are not counted in it.
    pub poll_limit: Rate,
    /// How long the link in a record works, from the task's end.
    pub link_life: Duration,
    /// How many bytes of a file are sent in a second; `None` is as fast as the machine can.
    pub file_speed: Option<NonZeroU64>,
    /// The key that callbacks are signed with; without one they are not signed.
    pub webhook_key: Option<WebhookKey>,
    /// What goes wrong by chance.
    pub faults: FaultPlan,
    /// Decides which requests the faults strike; `None` takes another each time.
    pub seed: Option<u64>,
    /// Credits on the account; `None` never runs out.
    pub credits: Option<f64>,
    /// Where errors are put.
    pub errors: ErrorStyle,
    /// A file that gets one JSON line for each createTask request before its reply leaves; it is appended to.
    pub journal: Option<PathBuf>,
    /// Which keys are let in.
    pub key: KeyPolicy,
    /// Whether arrivals are kept in memory for `/sandbox/requests` (the newest
    /// [`witness::MOST_KEPT`](super::witness::MOST_KEPT)). A benchmark does without.
    pub keep_requests: bool,
    /// Of how many tasks, the newest, the request is kept for the `param` of their records (64 MiB at most). Other
    /// records have an empty one.
    pub keep_params: usize,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        SandboxConfig {
            limit: Rate::ACCOUNT,
            count_refused: false,
            latency: Latency::NONE,
            generation: Latency::GENERATION,
            poll_limit: DEFAULT_POLL_LIMIT,
            link_life: DEFAULT_LINK_LIFE,
            file_speed: None,
            webhook_key: None,
            faults: FaultPlan::default(),
            seed: None,
            credits: Some(DEFAULT_CREDITS),
            errors: ErrorStyle::Mixed,
            journal: None,
            key: KeyPolicy::AnyKey,
            keep_requests: true,
            keep_params: DEFAULT_KEEP_PARAMS,
        }
    }
}

/// How long an answer takes: `200ms`, or `50ms..300ms` for anything between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    shortest: Duration,
    longest: Duration,
}

impl Latency {
    /// As fast as the machine can.
    pub const NONE: Latency = Latency {
        shortest: Duration::ZERO,
        longest: Duration::ZERO,
    };

    /// The usual time of a task: long enough to see it pass its states, and short enough for a trial.
    pub const GENERATION: Latency = Latency {
        shortest: Duration::from_secs(2),
        longest: Duration::from_secs(5),
    };

    /// The latency of the next answer.
    pub(super) fn draw(self, random: &mut fastrand::Rng) -> Duration {
        let spread = self.longest.saturating_sub(self.shortest);
        if spread.is_zero() {
            return self.shortest;
        }
        self.shortest + spread.mul_f64(random.f64())
    }
}

/// Why a text is not a latency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a latency: write a duration like `200ms` or a range like `50ms..300ms`")]
pub struct LatencyError(String);

impl FromStr for Latency {
    type Err = LatencyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let duration = |part: &str| match part.trim() {
            "0" => Ok(Duration::ZERO),
            part => humantime::parse_duration(part).map_err(|_| LatencyError(text.to_owned())),
        };
        let (shortest, longest) = text.split_once("..").unwrap_or((text, text));
        let latency = Latency {
            shortest: duration(shortest)?,
            longest: duration(longest)?,
        };
        if latency.shortest > latency.longest {
            return Err(LatencyError(text.to_owned()));
        }
        Ok(latency)
    }
}

/// Where the API puts an error: both ways were recorded, so a client has to cope with both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorStyle {
    /// The HTTP status is the code.
    Http,
    /// The HTTP status is 200, and only the body tells.
    Body,
    /// Now this way, now that.
    Mixed,
}

impl ErrorStyle {
    /// Whether the next error's code goes into the HTTP status too.
    pub(super) fn is_in_status(self, random: &mut fastrand::Rng) -> bool {
        match self {
            ErrorStyle::Http => true,
            ErrorStyle::Body => false,
            ErrorStyle::Mixed => random.bool(),
        }
    }
}

/// Why a text is not an error style.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not one of `http`, `body` and `mixed`")]
pub struct ErrorStyleError(String);

impl FromStr for ErrorStyle {
    type Err = ErrorStyleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "http" => Ok(ErrorStyle::Http),
            "body" => Ok(ErrorStyle::Body),
            "mixed" => Ok(ErrorStyle::Mixed),
            other => Err(ErrorStyleError(other.to_owned())),
        }
    }
}

/// Which `Authorization: Bearer …` is let in.
#[derive(Clone, PartialEq, Eq)]
pub enum KeyPolicy {
    /// Any key that is not empty.
    AnyKey,
    /// This one only.
    Only(String),
}

impl KeyPolicy {
    /// Whether a request with this `Authorization` header may pass.
    pub(super) fn admits(&self, authorization: Option<&str>) -> bool {
        let given = authorization.and_then(|value| value.split_once(' '));
        let key = match given {
            Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key.trim(),
            Some(_) | None => return false,
        };
        match self {
            KeyPolicy::AnyKey => !key.is_empty(),
            KeyPolicy::Only(expected) => key == expected,
        }
    }
}

impl fmt::Debug for KeyPolicy {
    /// Without the key: people try real ones here too.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            KeyPolicy::AnyKey => "AnyKey",
            KeyPolicy::Only(_) => "Only(…)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_is_a_duration_or_a_range() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut draws = |text: &str| {
            let latency: Latency = text.parse().unwrap();
            let drawn: Vec<u128> = (0..200).map(|_| latency.draw(&mut random).as_millis()).collect();
            (*drawn.iter().min().unwrap(), *drawn.iter().max().unwrap())
        };
        assert_eq!(draws("0"), (0, 0));
        assert_eq!(draws("200ms"), (200, 200));
        let (shortest, longest) = draws("50ms..300ms");
        assert!((50..70).contains(&shortest) && (280..=300).contains(&longest));
        for text in ["", "fast", "300ms..50ms", "50..300ms", "-1s"] {
            assert!(text.parse::<Latency>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_a_bearer_key_opens() {
        let any = KeyPolicy::AnyKey;
        let one = KeyPolicy::Only("s3cret".to_owned());
        for (header, by_any, by_one) in [
            (None, false, false),
            (Some("Bearer "), false, false),
            (Some("Bearer"), false, false),
            (Some("Basic s3cret"), false, false),
            (Some("Bearer other"), true, false),
            (Some("Bearer s3cret"), true, true),
            (Some("bearer s3cret"), true, true),
        ] {
            assert_eq!((any.admits(header), one.admits(header)), (by_any, by_one), "{header:?}");
        }
        assert!(!format!("{one:?}").contains("s3cret"));
    }
}
