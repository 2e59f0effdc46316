//! Whether a callback comes from Kie.ai: the HMAC of its task id and time stamp, once a key has been made at
//! kie.ai/settings.
//!
//! The body itself is not signed: a good signature says that Kie.ai called about this task around now, not what it said.

use std::time::Duration;

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use crate::clock::UnixMillis;
use crate::row::TaskId;

pub use crate::webhook_key::WebhookKey;

/// The header with the moment of the call, in Unix seconds.
pub const TIMESTAMP_HEADER: &str = "x-webhook-timestamp";

/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "x-webhook-signature";

/// How far a call's time stamp may be from our clock, either way. The vendor names no window; five minutes are usual
/// (Stripe, Slack) and forgive a clock that nobody has set.
pub const WINDOW: Duration = Duration::from_secs(300);

/// Base64 as the vendor writes it, with or without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a callback is not trusted to come from Kie.ai.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The header with the time stamp is missing.
    #[error("the call has no time stamp")]
    NoTimestamp,
    /// The header with the signature is missing.
    #[error("the call has no signature")]
    NoSignature,
    /// The time stamp is no number of seconds.
    #[error("the call's time stamp is not in Unix seconds")]
    BadTimestamp,
    /// The body names no task, so that nothing can have been signed.
    #[error("the call names no task")]
    NoTaskId,
    /// Somebody else signed it, or something else was signed.
    #[error("the call's signature does not belong to the key")]
    Mismatch,
    /// The signature is right and the time is not: an old call, repeated by somebody, or a clock that is wrong.
    #[error("the call is {} s away from this machine's clock", by.as_secs())]
    OutsideWindow {
        /// How far it is from now, in whole seconds.
        by: Duration,
    },
}

/// Checks a call that came at `now`: `timestamp` and `signature` are its headers' values as they came, `task_id` is the
/// body's (see [`super::Callback::read`]).
///
/// The moment is judged last, so that [`SignatureError::OutsideWindow`] always concerns a call that Kie.ai did sign.
pub fn verify(
    key: &WebhookKey,
    timestamp: Option<&str>,
    signature: Option<&str>,
    task_id: Option<&TaskId>,
    now: UnixMillis,
) -> Result<(), SignatureError> {
    let timestamp = timestamp
        .filter(|text| !text.is_empty())
        .ok_or(SignatureError::NoTimestamp)?;
    let signature = signature
        .filter(|text| !text.is_empty())
        .ok_or(SignatureError::NoSignature)?;
    let is_number = timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: i64 = timestamp
        .parse()
        .ok()
        .filter(|_| is_number)
        .ok_or(SignatureError::BadTimestamp)?;
    let task_id = task_id.ok_or(SignatureError::NoTaskId)?;
    let signed = format!("{task_id}.{timestamp}");
    let code = BASE64.decode(signature).map_err(|_| SignatureError::Mismatch)?;
    if !key.has_signed(signed.as_bytes(), &code) {
        return Err(SignatureError::Mismatch);
    }
    let by = Duration::from_secs(seconds.abs_diff(now.0.div_euclid(1_000)));
    if by > WINDOW {
        return Err(SignatureError::OutsideWindow { by });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "7d3f5a90c1b84e6fa2d4078b9e61c35f";
    const STAMP: &str = "1790000095";
    const SIGNATURE: &str = "NgHXasDG7ZWl7egwKNB9dTXwzvT+T5qbD3+VFFsLeYI=";
    const MOMENT: UnixMillis = UnixMillis(1_790_000_095_000);

    fn checked(
        timestamp: Option<&str>,
        signature: Option<&str>,
        task_id: &str,
        now: UnixMillis,
    ) -> Result<(), SignatureError> {
        let key = WebhookKey::new("test-webhook-key").unwrap();
        verify(&key, timestamp, signature, TaskId::new(task_id).as_ref(), now)
    }

    /// Codes of HMAC-SHA256 that other programs computed.
    #[test]
    fn known_signatures_are_right() {
        for (id, stamp, signature) in [
            (ID, STAMP, SIGNATURE),
            (
                "e41b7c02d95f4a38b6c0fd8213a7590e",
                "1790000141",
                "pNi2jcjqZPV+WTyKBrGXvxhFnD9SIHgRbD/TByAE7cw=",
            ),
            (
                "task_hailuo_1790000004242",
                "1790000200",
                "HtCex12eaxi8qHehfqZHoK0Qz/zlREIsaoAo4kKmbh4=",
            ),
        ] {
            let now = UnixMillis(stamp.parse::<i64>().unwrap() * 1_000);
            assert_eq!(checked(Some(stamp), Some(signature), id, now), Ok(()), "{id}");
        }
        let unpadded = SIGNATURE.trim_end_matches('=');
        assert_eq!(checked(Some(STAMP), Some(unpadded), ID, MOMENT), Ok(()));
    }

    #[test]
    fn whatever_differs_makes_it_another_call() {
        let other_signature = format!("A{}", &SIGNATURE[1..]);
        for (timestamp, signature, id) in [
            ("1790000096", SIGNATURE, ID),
            ("01790000095", SIGNATURE, ID),
            (STAMP, SIGNATURE, "e41b7c02d95f4a38b6c0fd8213a7590e"),
            (STAMP, &other_signature, ID),
            (STAMP, &SIGNATURE[..40], ID),
            (STAMP, "not base64!", ID),
            (STAMP, "=", ID),
        ] {
            let result = checked(Some(timestamp), Some(signature), id, MOMENT);
            assert_eq!(result, Err(SignatureError::Mismatch), "{timestamp} {signature} {id}");
        }
        let other_key = WebhookKey::new("Test-webhook-key").unwrap();
        let id = TaskId::new(ID);
        assert_eq!(
            verify(&other_key, Some(STAMP), Some(SIGNATURE), id.as_ref(), MOMENT),
            Err(SignatureError::Mismatch)
        );
    }

    #[test]
    fn what_is_missing_or_unreadable_is_named() {
        for (timestamp, signature, id, expected) in [
            (None, Some(SIGNATURE), ID, SignatureError::NoTimestamp),
            (Some(""), Some(SIGNATURE), ID, SignatureError::NoTimestamp),
            (Some(STAMP), None, ID, SignatureError::NoSignature),
            (Some(STAMP), Some(""), ID, SignatureError::NoSignature),
            (Some("soon"), Some(SIGNATURE), ID, SignatureError::BadTimestamp),
            (Some("-1790000095"), Some(SIGNATURE), ID, SignatureError::BadTimestamp),
            (Some("+1790000095"), Some(SIGNATURE), ID, SignatureError::BadTimestamp),
            (Some("1790000095.0"), Some(SIGNATURE), ID, SignatureError::BadTimestamp),
            (
                Some("99999999999999999999"),
                Some(SIGNATURE),
                ID,
                SignatureError::BadTimestamp,
            ),
            (Some(STAMP), Some(SIGNATURE), "", SignatureError::NoTaskId),
        ] {
            assert_eq!(
                checked(timestamp, signature, id, MOMENT),
                Err(expected),
                "{timestamp:?}"
            );
        }
    }

    #[test]
    fn a_call_is_good_for_five_minutes_either_way() {
        let at = |seconds: i64| checked(Some(STAMP), Some(SIGNATURE), ID, UnixMillis(MOMENT.0 + seconds * 1_000));
        for seconds in [-300, -1, 0, 1, 300] {
            assert_eq!(at(seconds), Ok(()), "{seconds}");
        }
        for seconds in [-3_600_i64, -301, 301, 86_400] {
            let by = Duration::from_secs(seconds.unsigned_abs());
            assert_eq!(at(seconds), Err(SignatureError::OutsideWindow { by }), "{seconds}");
        }
        // A clock at the end of time is only wrong.
        assert!(checked(Some(STAMP), Some(SIGNATURE), ID, UnixMillis(i64::MIN)).is_err());
        // Forged ones learn nothing of our clock.
        let old = UnixMillis(MOMENT.0 + 86_400_000);
        assert_eq!(
            checked(Some(STAMP), Some("AAAA"), ID, old),
            Err(SignatureError::Mismatch)
        );
    }
}
